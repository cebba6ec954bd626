/* tests/hda/test_rings.c: CORB, RIRB, immediate commands, unsolicited responses. Cases C41 – C46, C48 of hda-controller
 * §16 by id. */
#include "kit.h"

#define VENDOR(codec) ((uint32_t)(codec) << 28 | 0xF0000u)
#define SUBNODES(codec) ((uint32_t)(codec) << 28 | 0xF0004u)

static kit_t ringed(uint32_t rintcnt, uint32_t rirbctl) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x4A, 2, 0x8000);
    CHECK_EQ(rd(&kit, 0x4A, 2), 0x8000);
    wr(&kit, 0x4A, 2, 0);
    CHECK_EQ(rd(&kit, 0x4A, 2), 0);
    wr(&kit, 0x58, 2, 0x8000);
    wr(&kit, 0x5A, 2, rintcnt);
    wr(&kit, 0x5C, 1, 2 | rirbctl);
    wr(&kit, 0x4C, 1, 2);
    wr(&kit, 0x20, 4, 0xC0000000);
    return kit;
}

static void c41_order(void) {
    kit_t kit = ringed(255, 0);
    poke32(&kit, CORB + 4, VENDOR(0));
    poke32(&kit, CORB + 8, SUBNODES(0));
    poke32(&kit, CORB + 12, 0x001F0004);
    wr(&kit, 0x48, 2, 3);
    for (uint32_t frame = 1; frame <= 4; frame++) {
        advance(&kit, FRAMES(1));
        CHECK_EQ(rd(&kit, 0x4A, 2), (frame < 3 ? frame : 3));
        CHECK_EQ(rd(&kit, 0x58, 2), frame - 1);
    }
    CHECK_EQ(peek32(&kit, RIRB + 8), 0x53530001);
    CHECK_EQ(peek32(&kit, RIRB + 16), 0x00010001);
    CHECK_EQ(peek32(&kit, RIRB + 24), 0x00100040);
    for (uint32_t i = 1; i <= 3; i++) {
        CHECK_EQ(peek32(&kit, RIRB + 8 * i + 4), 0);
    }
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    kit_end(&kit);
}

static void c42_c43_interrupts(void) {
    kit_t kit = ringed(2, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        poke32(&kit, CORB + 4 * i, VENDOR(0));
    }
    wr(&kit, 0x48, 2, 3);
    advance(&kit, FRAMES(2));
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x58, 2), 2);
    CHECK_EQ(rd(&kit, 0x5D, 1), 1);
    CHECK(line(&kit));
    CHECK_EQ(rd(&kit, 0x24, 4), 0xC0000000);
    wr(&kit, 0x5D, 1, 1);
    CHECK(!line(&kit));
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x58, 2), 3);
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x5D, 1), 1);
    wr(&kit, 0x5D, 1, 1);
    advance(&kit, FRAMES(100));
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    kit_end(&kit);
    kit = ringed(255, 1);
    poke32(&kit, CORB + 4, VENDOR(0));
    wr(&kit, 0x48, 2, 1);
    advance(&kit, FRAMES(2));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x5D, 1), 1);
    kit_end(&kit);
}

static void c44_absent(void) {
    kit_t kit = ringed(1, 1);
    poke32(&kit, CORB + 4, VENDOR(7));
    poke32(&kit, CORB + 8, VENDOR(15));
    wr(&kit, 0x48, 2, 2);
    advance(&kit, FRAMES(100));
    CHECK_EQ(rd(&kit, 0x4A, 2), 2);
    CHECK_EQ(rd(&kit, 0x58, 2), 0);
    CHECK_EQ(rd(&kit, 0x5D, 1), 0);
    kit_end(&kit);
}

static void c45_unsolicited(void) {
    kit_t kit = ringed(1, 1);
    CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, 0x2A, 0x123), STORSIM_OK);
    advance(&kit, FRAMES(2));
    CHECK_EQ(rd(&kit, 0x58, 2), 0);
    wr(&kit, 0x08, 4, 0x101);
    CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, 0x2A, 0x123), STORSIM_OK);
    advance(&kit, FRAMES(2));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    CHECK_EQ(peek32(&kit, RIRB + 8), 0x2Au << 26 | 0x123);
    CHECK_EQ(peek32(&kit, RIRB + 12), 0x10);
    CHECK_EQ(rd(&kit, 0x5D, 1), 1);
    CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, 64, 0), STORSIM_INVALID);
    command(&kit, 0, 0x30, 0x70885);
    CHECK_EQ(storsim_codec_jack(kit.machine, kit.hda, 0, 0x30, false), STORSIM_OK);
    CHECK_EQ(storsim_codec_jack(kit.machine, kit.hda, 0, 0x30, false), STORSIM_OK);
    advance(&kit, FRAMES(10));
    CHECK_EQ(rd(&kit, 0x58, 2), 2);
    CHECK_EQ(peek32(&kit, RIRB + 16), 5u << 26);
    kit_end(&kit);
}

static void c46_wrap(void) {
    kit_t kit = ringed(0, 1);
    uint32_t sent = 0, interrupts = 0;
    while (sent < 300) {
        uint32_t at = (sent + 1) % 256;
        poke32(&kit, CORB + 4 * at, sent % 3 == 0 ? SUBNODES(0) : VENDOR(0));
        wr(&kit, 0x48, 2, at);
        sent++;
        advance(&kit, FRAMES(1));
        interrupts += rd(&kit, 0x5D, 1);
        wr(&kit, 0x5D, 1, 1);
    }
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x4A, 2), 300 % 256);
    CHECK_EQ(rd(&kit, 0x58, 2), 300 % 256);
    CHECK_EQ(interrupts, 1); /* RINTCNT 0 is 256 */
    CHECK_EQ(peek32(&kit, RIRB), 0x00010001); /* the 256th, number 255, in slot 0 */
    kit_end(&kit);
}

static void c48_immediate(void) {
    kit_t kit = ringed(1, 1);
    wr(&kit, 0x4C, 1, 0);
    wr(&kit, 0x5C, 1, 0);
    wr(&kit, 0x68, 2, 2);
    wr(&kit, 0x60, 4, VENDOR(0));
    wr(&kit, 0x68, 2, 1);
    CHECK_EQ(rd(&kit, 0x68, 2), 1);
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x68, 2), 2);
    CHECK_EQ(rd(&kit, 0x64, 4), 0x53530001);
    wr(&kit, 0x68, 2, 2);
    CHECK_EQ(rd(&kit, 0x68, 2), 0);
    wr(&kit, 0x60, 4, VENDOR(3));
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(1000));
    CHECK_EQ(rd(&kit, 0x68, 2), 1);
    wr(&kit, 0x68, 2, 0);
    CHECK_EQ(rd(&kit, 0x68, 2), 0);
    wr(&kit, 0x4C, 1, 2);
    wr(&kit, 0x60, 4, SUBNODES(0));
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x64, 4), 0x00010001);
    CHECK_EQ(notes(&kit, "IMMEDIATE_WHILE_RINGS"), 1);
    kit_end(&kit);
}

static void verdicts(kit_t *kit, storsim_hardware_fault_t fault) {
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = fault, .first = 1, .device = kit->hda};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(kit->machine, &rule, &id), STORSIM_OK);
}

static void silent_slow_and_faults(void) {
    kit_t kit = ringed(1, 5);
    for (uint32_t i = 1; i < 10; i++) {
        poke32(&kit, CORB + 4 * i, VENDOR(0));
    }
    verdicts(&kit, STORSIM_HW_CODEC_SILENT);
    wr(&kit, 0x48, 2, 2);
    advance(&kit, FRAMES(4));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    verdicts(&kit, STORSIM_HW_RIRB_OVERRUN);
    wr(&kit, 0x48, 2, 3);
    advance(&kit, FRAMES(4));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    CHECK_EQ(rd(&kit, 0x5D, 1) & 4, 4);
    CHECK(line(&kit));
    wr(&kit, 0x5D, 1, 5);
    CHECK_EQ(storsim_codec_set(kit.machine, kit.hda, 0, false, 10), STORSIM_OK);
    wr(&kit, 0x48, 2, 5);
    advance(&kit, FRAMES(10));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x58, 2), 2);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x58, 2), 3);
    CHECK_EQ(storsim_codec_set(kit.machine, kit.hda, 0, true, 0), STORSIM_OK);
    wr(&kit, 0x48, 2, 6);
    advance(&kit, FRAMES(100));
    CHECK_EQ(rd(&kit, 0x4A, 2), 6);
    CHECK_EQ(rd(&kit, 0x58, 2), 3);
    kit_end(&kit);
}

static void stalled_rings(void) {
    kit_t kit = ringed(1, 4);
    wr(&kit, 0x08, 4, 0x101);
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, true), STORSIM_OK);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, 1, i), STORSIM_OK);
    }
    poke32(&kit, CORB + 4, VENDOR(0));
    wr(&kit, 0x48, 2, 1);
    advance(&kit, FRAMES(10));
    CHECK_EQ(rd(&kit, 0x58, 2), 0);
    CHECK_EQ(rd(&kit, 0x4A, 2), 0);
    CHECK_EQ(rd(&kit, 0x5D, 1), 4);
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, false), STORSIM_OK);
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x58, 2), 3);
    CHECK_EQ(peek32(&kit, RIRB + 16), 1u << 26 | 1);
    CHECK_EQ(peek32(&kit, RIRB + 24), 0x53530001);
    kit_end(&kit);
}

static void unreachable_rings(void) {
    kit_t kit = ringed(1, 1);
    wr(&kit, 0x4C, 1, 0);
    wr(&kit, 0x40, 4, (uint32_t)HOLE);
    wr(&kit, 0x4C, 1, 3);
    wr(&kit, 0x48, 2, 1);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x4D, 1), 1);
    CHECK_EQ(rd(&kit, 0x4C, 1), 1);
    CHECK(line(&kit));
    CHECK_EQ(notes(&kit, "RING_ADDRESS"), 1);
    wr(&kit, 0x4D, 1, 1);
    CHECK(!line(&kit));
    wr(&kit, 0x5C, 1, 0);
    wr(&kit, 0x50, 4, (uint32_t)HOLE);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    poke32(&kit, CORB + 4, VENDOR(0));
    wr(&kit, 0x4C, 1, 2);
    advance(&kit, FRAMES(4));
    CHECK_EQ(rd(&kit, 0x58, 2), 1);
    CHECK_EQ(notes(&kit, "RING_ADDRESS"), 2);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    CHECK_EQ(notes(&kit, "BASE_WHILE_RUNNING"), 1);
    wr(&kit, 0x58, 2, 0x8000);
    wr(&kit, 0x4A, 2, 0x8000);
    CHECK_EQ(notes(&kit, "RING_RESET"), 2);
    kit_end(&kit);
}

static void quirk_and_small_rings(void) {
    storsim_hda_config_t config = kit_config();
    config.corb_reset_quirk = true;
    config.corb_sizes = 7;
    config.rirb_sizes = 7;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x4A, 2, 0x8000);
    CHECK_EQ(rd(&kit, 0x4A, 2), 0);
    wr(&kit, 0x4E, 1, 0);
    wr(&kit, 0x5E, 1, 1);
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x4C, 1, 2);
    for (uint32_t i = 1; i <= 20; i++) {
        poke32(&kit, CORB + 4 * (i % 2), VENDOR(0));
        wr(&kit, 0x48, 2, i % 2);
        advance(&kit, FRAMES(2));
        CHECK_EQ(rd(&kit, 0x4A, 2), i % 2);
        CHECK_EQ(rd(&kit, 0x58, 2), i % 16);
    }
    wr(&kit, 0x48, 2, 5);
    advance(&kit, FRAMES(2));
    CHECK_EQ(notes(&kit, "RING_POINTER"), 1);
    kit_end(&kit);
}

/* A converter set up over the link starts its cadence at the frame its verb arrived in. */
static void verbs_over_the_link(void) {
    static const entry_t two[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    kit_t kit = ringed(255, 0);
    setup(&kit, 0, 2, 0x4011, two, 2);
    run(&kit, 0, 0);
    poke32(&kit, CORB + 4, 0x02024011);
    poke32(&kit, CORB + 8, 0x02070620);
    wr(&kit, 0x48, 2, 2);
    advance(&kit, FRAMES(2));
    CHECK_EQ(lpib(&kit, 0), 0);
    for (uint32_t frame = 1; frame <= 320; frame++) {
        advance(&kit, FRAMES(1));
        CHECK_EQ(position(&kit, 0).link_bytes, storsim_hda_cadence_bytes(0x4011, frame));
    }
    poke32(&kit, CORB + 12, 0x02070600);
    wr(&kit, 0x48, 2, 3);
    uint64_t at = position(&kit, 0).link_bytes;
    advance(&kit, FRAMES(100));
    CHECK(position(&kit, 0).link_bytes <= at + 4);
    kit_end(&kit);
}

int main(void) {
    c41_order();
    c42_c43_interrupts();
    c44_absent();
    c45_unsolicited();
    c46_wrap();
    c48_immediate();
    silent_slow_and_faults();
    stalled_rings();
    unreachable_rings();
    quirk_and_small_rings();
    verbs_over_the_link();
    return CHECK_PINNED(hda_test_rings);
}
