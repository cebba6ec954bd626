/* fuzz/target.h: what a fuzz target is: one function that takes bytes and ends the process when the core did wrong.
 *
 *   target_program   a program (fuzz.h)                              differs from the oracle: abort
 *   target_snapshot  edits to a snapshot, its checksum made right    a restore that half happened: abort
 *   target_journal   a journal, its checks made right                a replay that is not its own replay: abort
 *
 * libFuzzer links them with its own main, AFL++ with fuzz/afl.c, which also runs single files without any fuzzer. */
#ifndef STORSIM_FUZZ_TARGET_H
#define STORSIM_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
