/* fuzz/make.h: made-up programs: the seed corpus, and what random runs run. */
#ifndef STORSIM_FUZZ_MAKE_H
#define STORSIM_FUZZ_MAKE_H

#include <stddef.h>
#include <stdint.h>

#define MAKE_BYTES 65536u /* longest program */
#define MAKE_COUNT 400u   /* programs of the seed corpus */

/* Program number `index` of the stream `seed` names: its length; at most MAKE_BYTES bytes are written. Kinds take turns: long sequences on
 * one machine with little misuse, much misuse, single families, whole DDI, audio. Every 40th is short. O(length). */
size_t make_program(uint8_t *bytes, uint64_t seed, uint64_t index);
/* "memory", "misuse", "family", "ddi" or "audio". */
const char *make_kind(uint64_t index);

#endif
