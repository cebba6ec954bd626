/* storport/copies.c: routines that work on plain memory or numbers (spec §3.12). The copies are loads and stores of the driver: a bad
 * address ends as one (rulings R50 to R54). */
#include "storport/room.h"

/* Copies as memmove does, a page at a time, through the driver's own accesses. */
static void copy(ss_sp_t *sp, uint64_t to, uint64_t from, uint64_t bytes) {
    uint8_t buffer[STORSIM_PAGE_SIZE];
    bool backward = to > from && to - from < bytes;
    for (uint64_t done = 0; done < bytes;) {
        size_t step = (size_t)(bytes - done < sizeof buffer ? bytes - done : sizeof buffer);
        uint64_t at = backward ? bytes - done - step : done;
        storsim_status_t status = storsim_read_va(sp->machine, from + at, buffer, step);
        if (status == STORSIM_OK || status == STORSIM_VIOLATION) {
            sp->call.raised = sp->call.raised || status == STORSIM_VIOLATION;
            status = storsim_write_va(sp->machine, to + at, buffer, step);
        }
        if (status == STORSIM_VIOLATION) {
            sp->call.raised = true;
        } else if (status != STORSIM_OK) {
            sp->call.status = status;
            return;
        }
        done += step;
    }
}

void ss_StorPortMoveMemory(ss_sp_t *sp) {
    copy(sp, sp->a[0].value, sp->a[1].value, sp->a[2].value);
}

void ss_StorPortSecureCopyMemory(ss_sp_t *sp) {
    uint64_t to = sp->a[0].value, size = sp->a[1].value, from = sp->a[2].value, count = sp->a[3].value;
    if (to == 0 || from == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
    } else if (size < count) {
        ss_reply(sp, SS_STOR(BUFFER_TOO_SMALL));
    } else {
        copy(sp, to, from, count);
        ss_reply(sp, SS_STOR(SUCCESS));
    }
}

void ss_StorPortConvertUlongToPhysicalAddress(ss_sp_t *sp) {
    sp->call.result = sp->a[0].value;
}

void ss_StorPortValidateRange(ss_sp_t *sp) {
    ss_violate(&sp->call, SS_StorPortDeprecated, NULL);
    sp->call.result = 1;
}
