/* tests/hda/guard.h: a guard of the bus that refuses one access. */
#ifndef HDA_GUARD_H
#define HDA_GUARD_H

#include "kit.h"

static storsim_status_t verdict; /* what the refused access meets */
static uint64_t asked, refuse_at; /* accesses since the guard was set; the one that is refused, from 1, 0: none */

static inline storsim_status_t guard(storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t physical, size_t bytes,
                                     bool write, ss_bus_result_t result) {
    (void)machine, (void)device, (void)address, (void)physical, (void)bytes, (void)write, (void)result;
    return ++asked == refuse_at ? verdict : STORSIM_OK;
}

/* From now on the at-th access of any device meets the verdict. */
static inline void guarded(kit_t *kit, uint64_t at, storsim_status_t meets) {
    asked = 0;
    refuse_at = at;
    verdict = meets;
    ss_bus_set_guard(kit->machine, guard, NULL);
}

#endif
