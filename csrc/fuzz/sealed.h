/* fuzz/sealed.h: changed snapshots that the loader looks into: their checksum is made right again. */
#ifndef STORSIM_FUZZ_SEALED_H
#define STORSIM_FUZZ_SEALED_H

#include "machine/core.h"

/* Writes the checksum of a snapshot of `length` bytes, at least 8, into its last eight. */
static inline void sealed(uint8_t *bytes, size_t length) {
    uint64_t sum = ss_snapshot_checksum(bytes, length - 8);
    for (unsigned i = 0; i < 8; i++) {
        bytes[length - 8 + i] = (uint8_t)(sum >> 8 * i);
    }
}

/* Where a section's mark stands (machine/snapshot.c); `length` when it does not. */
static inline size_t section_at(const uint8_t *bytes, size_t length, uint32_t mark) {
    for (size_t at = 0; at + 4 <= length; at++) {
        if (((uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24) == mark) {
            return at;
        }
    }
    return length;
}

#endif
