/* tests/journal/test_linked.c: the journal of a bus driver's client, linked and made shorter: lists, registers and
 * events that routines hand out are known again where they are handed back or used. */
#include "tests/journal/recorded.h"

static uint32_t now(void) {
    return (uint32_t)storsim_journal_count(kept);
}

/* An input of a record came from what another record gave, at this distance. */
static bool came(const storsim_journal_links_t *links, uint32_t record, uint32_t from, uint64_t offset) {
    for (uint8_t argument = 0; argument < 16; argument++) {
        storsim_reference_t ref = storsim_links_get(links, record, argument, 0, 0);
        if (ref.record == from && ref.by == STORSIM_BY_VALUE && ref.offset == offset) {
            return true;
        }
    }
    return false;
}

int main(void) {
    world_t *w = world_make(NULL);
    uint64_t handle = 0, other = 0, event = 0, va = 0;
    buffer_t buffer = {0}, notified;
    uint32_t made = now();
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    uint32_t list = now();
    CHECK_EQ(allocate_c(w, w->context, handle, 8192, &buffer), 0);
    uint32_t first_entry = now();
    entry(w, &buffer, 0, 0, 4096, 1);
    uint32_t second_entry = now();
    entry(w, &buffer, 1, 4096, 4096, 1);
    CHECK_EQ(setup(w, w->context, handle, 8192, 1, 0x1111, &buffer), 0);
    uint32_t place = now();
    CHECK_EQ(position(w, w->context, handle, &va), 0);
    uint32_t look = now();
    (void)read32(w, va);
    CHECK_EQ(render(w, w->context, stereo(), 0, &other, NULL), 0);
    CHECK_EQ(allocate_n(w, w->context, other, 2, 8192, &notified), 0);
    uint32_t on = now();
    CHECK_EQ(event_on(w, w->context, other, event), 0);
    uint32_t off = now();
    CHECK_EQ(event_off(w, w->context, other, event), 0);

    storsim_journal_links_t *links = NULL;
    CHECK_EQ(storsim_journal_link(kept, &links), STORSIM_OK);
    CHECK(came(links, first_entry, list, 0) && came(links, second_entry, list, 16));
    CHECK(came(links, look, place, 0));
    CHECK(came(links, on, made, 0) && came(links, off, made, 0));
    CHECK(!came(links, on, place, 0));
    storsim_links_destroy(links);
    world_end(w);
    storsim_journal_destroy(kept);
    return CHECK_DONE();
}
