/* fuzz/digest.h: one number for everything that a program did: calls, results, callbacks, state.
 *
 * Each machine of the program is recorded; the number is a hash over the bytes of those journals, which hold every operation with what
 * went in and came out, what the host was asked and answered, and the digest of the machine at its end. Equal numbers on two builds: they
 * did the same. Source: model choice (FNV-1a, 64 bits). */
#ifndef STORSIM_FUZZ_DIGEST_H
#define STORSIM_FUZZ_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "storsim/status.h"

/* Runs a program (fuzz.h). NO_MEMORY; INVALID when the core differed from the oracle; *digest only on OK. */
storsim_status_t fuzz_digest(const uint8_t *bytes, size_t length, uint64_t *digest);

#endif
