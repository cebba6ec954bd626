/* tests/hdaudio/test_long_list.c: a buffer descriptor list as long as a list may be, which a client wrote itself: it is
 * played whole, and looked at whole for changes. Source: spec hdaudio-dma §5.5, §7. */
#include "world.h"

enum { ENTRIES = 256, EACH = 128, WHOLE = ENTRIES * EACH };

static void longest_list(uint32_t changed) {
    const world_config_t config = world_defaults();
    world_t *w = world_make(&config);
    uint64_t c = w->context;
    prepared_t e = {0};
    CHECK_EQ(render(w, c, stereo(), 0, &e.handle, NULL), 0);
    CHECK_EQ(allocate_c(w, c, e.handle, WHOLE, &e.buffer), 0);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        entry(w, &e.buffer, i, EACH * i, EACH, i == ENTRIES - 1);
    }
    CHECK_EQ(setup(w, c, e.handle, WHOLE, ENTRIES - 1, 0x150, &e.buffer), 0);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, WHOLE / 4 + 100); /* once around */
    CHECK_EQ(heard(w, STORSIM_CB_HDA_BDL_ISR), 1);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 0);
    entry(w, &e.buffer, changed, EACH * changed, EACH, changed != ENTRIES - 1);
    advance(w, WHOLE / 4);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_BDL_ISR), changed == ENTRIES - 1 ? 1 : 3);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 1);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(free_c(w, c, e.handle), 0);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    world_end(w);
}

int main(void) {
    longest_list(ENTRIES - 1);
    longest_list(ENTRIES - 2);
    longest_list(20);
    return CHECK_PINNED(hdaudio_test_long_list);
}
