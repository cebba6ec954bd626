/* The moment at which something happens to a stream: an injected FIFO error waits until bytes move. Source:
 * hda-controller §6.6. */
#include "kit.h"

static const entry_t TWO[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};

/* The first entry is loaded before the link has taken anything: a FIFO error is due with the second. */
static void fifo_error_waits(void) {
    const storsim_fault_rule_t fifo = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_FIFO_ERROR, .first = 1};
    storsim_hda_config_t config = kit_config();
    for (int timing = STORSIM_HDA_CONTROLLER; timing <= STORSIM_HDA_IDEAL; timing++) {
        uint32_t id;
        config.timing = (storsim_hda_timing_t)timing;
        kit_t kit = kit_make(&config);
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        kit_up(&kit);
        tune(&kit, 0, 0x10, 1, 0x11);
        CHECK_EQ(storsim_fault_add(kit.machine, &fifo, &id), STORSIM_OK);
        setup(&kit, 4, 1, 0x11, TWO, 2);
        run(&kit, 4, 0);
        for (uint32_t frame = 0; frame < 190; frame++) {
            CHECK_EQ(status_of(&kit, 4) & FIFOE, 0);
            CHECK_EQ(position(&kit, 4).link_bytes, 4 * frame);
            advance(&kit, FRAMES(1));
        }
        advance(&kit, FRAMES(60));
        CHECK_EQ(status_of(&kit, 4) & FIFOE, FIFOE);
        CHECK_EQ(position(&kit, 4).link_bytes, 4 * 249); /* the frame that was lost */
        kit_end(&kit);
    }
}

int main(void) {
    fifo_error_waits();
    return CHECK_PINNED(hda_test_moments);
}
