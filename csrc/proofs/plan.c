/* proofs/plan.c: the place and the descriptor list of a stream's buffer.
 *
 * For every even size and zero to two notifications: the buffer starts in its first page, with two notifications the
 * halves meet at the end of a page, and the list covers the buffer without a gap or an overlap, no entry crosses a page.
 * Source: spec hdaudio-dma §7. The size itself (divisions by a variable) is left to the tests: csrc/tests/hdaudio/
 * test_pure.c.
 *
 * Bound: buffers up to six pages. */
#include "proofs/proof.h"
#include "hdaudio/bus.h"

enum { LIST_PAGES = 6 };

void proof_list(void) {
    uint64_t size = any_u64();
    uint32_t notifications = any_u32();
    ASSUME(notifications <= 2 && size >= 256 && size <= LIST_PAGES * STORSIM_PAGE_SIZE && size % 2 == 0);
    storsim_hdaudio_entry_t entries[256];
    uint32_t count = storsim_hdaudio_plan(size, notifications, any_bool(), entries);
    PROVE(count >= 1 && count <= LIST_PAGES + 2);
    uint64_t at = storsim_hdaudio_buffer_offset(size, notifications), end = at + size;
    PROVE(at < STORSIM_PAGE_SIZE && (notifications != 2 || (at + size / 2) % STORSIM_PAGE_SIZE == 0));
    for (uint32_t i = 0; i < LIST_PAGES + 2; i++) {
        if (i < count) {
            PROVE(entries[i].address == at && entries[i].length >= 1);
            PROVE(at / STORSIM_PAGE_SIZE == (at + entries[i].length - 1) / STORSIM_PAGE_SIZE);
            at += entries[i].length;
        }
    }
    PROVE(at == end);
}
