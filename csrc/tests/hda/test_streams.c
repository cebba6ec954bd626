/* tests/hda/test_streams.c: the stream engine. Cases C14 – C39, C49, C50 of hda-controller §16 by id, and the three
 * timing presets. */
#include "kit.h"

static const entry_t TWO[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};

static kit_t started(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    return kit;
}

static void c14_to_c20(void) {
    for (int variant = 14; variant <= 18; variant++) {
        kit_t kit = started();
        setup(&kit, 4, 1, 0x11, TWO, 2);
        wr(&kit, 0x20, 4, variant == 17 ? 0x80000000 : variant == 18 ? 0x00000010 : 0x80000010);
        run(&kit, 4, variant == 16 ? 0 : IOCE);
        int completions = 0;
        for (uint32_t ms = 1; ms <= 20; ms++) {
            for (uint32_t frame = 0; frame < 48; frame++) {
                advance(&kit, FRAMES(1));
                storsim_hda_position_t at = position(&kit, 4);
                CHECK_EQ(at.dma_bytes, at.link_bytes + 192);
                CHECK_EQ(lpib(&kit, 4), at.link_bytes % 1920);
                CHECK_EQ(rd(&kit, 0x2084 + 0x80, 4), lpib(&kit, 4));
                if ((status_of(&kit, 4) & BCIS) != 0 && completions == 0) {
                    CHECK_EQ(at.dma_bytes, 960);
                }
                if ((status_of(&kit, 4) & BCIS) != 0) {
                    completions++;
                    CHECK_EQ(line(&kit), variant == 14 || variant == 15);
                    CHECK_EQ(rd(&kit, 0x24, 4), 0x80000010);
                    if (variant == 18 && completions == 1) {
                        wr(&kit, 0x20, 4, 0x80000010);
                        CHECK(line(&kit));
                        wr(&kit, 0x20, 4, 0x00000010);
                    }
                    wr(&kit, sd(4, 3), 1, 0x00);
                    CHECK_EQ(status_of(&kit, 4) & BCIS, BCIS);
                    wr(&kit, sd(4, 3), 1, 0x18);
                    CHECK_EQ(status_of(&kit, 4) & BCIS, BCIS);
                    wr(&kit, sd(4, 3), 1, 0x04);
                    CHECK_EQ(status_of(&kit, 4) & BCIS, 0);
                    CHECK(!line(&kit));
                }
            }
            CHECK_EQ(lpib(&kit, 4), 192 * ms % 1920);
        }
        CHECK_EQ(completions, 4);
        CHECK_EQ(storsim_finding_count(kit.machine), 0);
        kit_end(&kit);
    }
}

static void c19_never_cleared(void) {
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, IOCE);
    advance(&kit, MILLISECONDS(50));
    CHECK_EQ(status_of(&kit, 4), BCIS | FIFORDY);
    CHECK_EQ(position(&kit, 4).link_bytes, 9600);
    CHECK_EQ(lpib(&kit, 4), 0);
    kit_end(&kit);
}

/* Completion times in frames over a run; clears as it goes. */
static uint32_t completions(kit_t *kit, uint32_t stream, uint32_t frames, uint64_t *bytes, uint32_t room) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < frames; i++) {
        advance(kit, FRAMES(1));
        if ((status_of(kit, stream) & BCIS) != 0) {
            wr(kit, sd(stream, 3), 1, BCIS);
            CHECK(count < room);
            bytes[count++] = position(kit, stream).dma_bytes;
        }
    }
    return count;
}

static void c21_c22_c23_ioc(void) {
    static const entry_t four[] = {{DATA, 192, 0}, {DATA + 0x1000, 384, 0}, {DATA + 0x2000, 768, 1}, {DATA + 0x3000, 576, 0}};
    uint64_t at[64];
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, four, 4);
    run(&kit, 4, 0);
    CHECK_EQ(completions(&kit, 4, 1440, at, 64), 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(at[i], 1344 + 1920 * i);
    }
    kit_end(&kit);
    entry_t eight[8];
    for (uint32_t i = 0; i < 8; i++) {
        eight[i] = (entry_t){DATA + 0x1000 * i, 480, i == 7};
    }
    kit = started();
    setup(&kit, 4, 1, 0x11, eight, 8);
    run(&kit, 4, 0);
    CHECK_EQ(completions(&kit, 4, 2880, at, 64), 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(at[i], 3840 * (i + 1));
    }
    CHECK_EQ(lpib(&kit, 4), 0);
    kit_end(&kit);
    entry_t all[256];
    uint8_t data[32768];
    pattern(data, sizeof data, 3);
    kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    for (uint32_t i = 0; i < 256; i++) {
        all[i] = (entry_t){DATA + 128 * ((i * 37) % 256), 128, 0};
        poke(&kit, all[i].address, data + 128 * i, 128);
    }
    setup(&kit, 4, 1, 0x11, all, 256);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(2 * 8192));
    heard_both(&kit, 1, data, sizeof data, data, sizeof data);
    kit_end(&kit);
}

static void seams(const entry_t *entries) {
    uint8_t data[1920];
    kit_t kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    pattern(data, sizeof data, 9);
    poke_list(&kit, entries, 2, data);
    setup(&kit, 4, 1, 0x11, entries, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(480));
    advance(&kit, FRAMES(480));
    heard_both(&kit, 1, data, 1920, data, 1920);
    kit_end(&kit);
}

static void c24_c25_seams(void) {
    static const entry_t tiny[] = {{DATA, 2, 1}, {DATA + 0x1000, 1918, 1}}, straddle[] = {{DATA, 962, 0}, {DATA + 0x1000, 958, 1}};
    seams(tiny);
    seams(straddle);
}

static void c26_c27_c28_pause(void) {
    uint8_t data[1920];
    kit_t kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    pattern(data, sizeof data, 4);
    poke_list(&kit, TWO, 2, data);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, 0);
    advance(&kit, MILLISECONDS(7) + 123);
    wr(&kit, sd(4, 0), 1, 0);
    CHECK_EQ(rd(&kit, sd(4, 0), 1), RUN);
    CHECK_EQ(lpib(&kit, 4), 1344);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, sd(4, 0), 1), 0);
    advance(&kit, MILLISECONDS(10));
    CHECK_EQ(lpib(&kit, 4), 1344);
    run(&kit, 4, 0);
    advance(&kit, MILLISECONDS(3));
    CHECK_EQ(lpib(&kit, 4), 0);
    heard_is(&kit, 1, data, 1920);
    reset_stream(&kit, 4);
    CHECK_EQ(storsim_codec_played_clear(kit.machine, kit.hda, 0, 1), STORSIM_OK);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, 0);
    advance(&kit, MILLISECONDS(5));
    CHECK_EQ(lpib(&kit, 4), 960);
    heard_is(&kit, 1, data, 960);
    kit_end(&kit);
}

static void c29_c30_c31_cadences(void) {
    static const struct { uint16_t format; uint32_t frames, bytes; } cases[] = {
        {0x4011, 160, 588}, {0x0831, 10, 160}, {0x0A10, 6, 8}, {0x0011, 48, 192}, {0x0500, 12, 2}, {0x1847, 3, 384}, {0x5811, 160, 2352}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kit_t kit = started();
        setup(&kit, 4, 1, cases[i].format, TWO, 2);
        run(&kit, 4, 0);
        uint64_t before = 0;
        for (uint32_t frame = 1; frame <= cases[i].frames; frame++) {
            advance(&kit, FRAMES(1));
            uint64_t now = position(&kit, 4).link_bytes;
            if (i == 0) {
                bool empty = frame == 13 || frame == 25 || frame == 37 || frame == 50 || frame == 62 || frame == 74 || frame == 87 ||
                             frame == 99 || frame == 111 || frame == 124 || frame == 136 || frame == 148 || frame == 160;
                CHECK_EQ(now - before, (empty ? 0u : 4u));
            }
            before = now;
        }
        CHECK_EQ(before, cases[i].bytes);
        CHECK_EQ(storsim_hda_cadence_bytes(cases[i].format, cases[i].frames), cases[i].bytes);
        kit_end(&kit);
    }
}

static void c32_capture(void) {
    uint8_t sent[4096], got[1920];
    for (uint32_t i = 0; i < sizeof sent; i++) {
        sent[i] = (uint8_t)i;
    }
    kit_t kit = started();
    setup(&kit, 0, 2, 0x11, TWO, 2);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 2, sent, sizeof sent), STORSIM_OK);
    run(&kit, 0, IOCE);
    advance(&kit, MILLISECONDS(3));
    CHECK_EQ(lpib(&kit, 0), 0); /* nobody carries the tag */
    tune(&kit, 0, 0x20, 2, 0x11);
    for (uint32_t frame = 1; frame <= 480; frame++) {
        advance(&kit, FRAMES(1));
        storsim_hda_position_t at = position(&kit, 0);
        CHECK_EQ(at.link_bytes, 4 * frame);
        CHECK(at.dma_bytes <= at.link_bytes);
        if ((status_of(&kit, 0) & BCIS) != 0) {
            CHECK(at.dma_bytes == 960 || at.dma_bytes == 1920);
            wr(&kit, sd(0, 3), 1, BCIS);
        } else {
            CHECK(at.dma_bytes != 960 && at.dma_bytes != 1920);
        }
    }
    peek(&kit, DATA, got, 960);
    peek(&kit, DATA + 0x1000, got + 960, 960);
    CHECK_EQ(memcmp(got, sent, 1920), 0);
    uint64_t pending;
    advance(&kit, FRAMES(4096));
    CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 2, &pending), STORSIM_OK);
    CHECK_EQ(pending, 0);
    peek(&kit, DATA, got, 960);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 960; i++) {
        sum += got[i];
    }
    CHECK_EQ(sum, 0); /* nothing fed: silence */
    CHECK_EQ(storsim_finding_count(kit.machine), 0);
    kit_end(&kit);
}

static void c33_two_streams(void) {
    static const entry_t other[] = {{DATA + 0x8000, 588, 1}, {DATA + 0x9000, 588, 1}};
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    setup(&kit, 5, 2, 0x4011, other, 2);
    run(&kit, 4, 0);
    run(&kit, 5, 0);
    advance(&kit, FRAMES(160));
    CHECK_EQ(lpib(&kit, 4), 640);
    CHECK_EQ(lpib(&kit, 5), 588);
    CHECK_EQ(rd(&kit, 0x24, 4), 0x80000020);
    advance(&kit, FRAMES(160));
    CHECK_EQ(rd(&kit, 0x24, 4), 0x80000030);
    wr(&kit, sd(5, 3), 1, BCIS);
    CHECK_EQ(rd(&kit, 0x24, 4), 0x80000010);
    kit_end(&kit);
}

static void c34_ssync(void) {
    static const entry_t other[] = {{DATA + 0x8000, 960, 1}, {DATA + 0x9000, 960, 1}};
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    setup(&kit, 5, 2, 0x11, other, 2);
    wr(&kit, 0x38, 4, 0x30);
    run(&kit, 4, 0);
    advance(&kit, 250);
    run(&kit, 5, 0);
    CHECK_EQ(status_of(&kit, 4), FIFORDY);
    CHECK_EQ(status_of(&kit, 5), FIFORDY);
    advance(&kit, MILLISECONDS(5));
    CHECK_EQ(lpib(&kit, 4) | lpib(&kit, 5), 0);
    CHECK_EQ(position(&kit, 4).dma_bytes, 192);
    CHECK_EQ(position(&kit, 5).dma_bytes, 192);
    wr(&kit, 0x38, 4, 0);
    for (uint32_t i = 1; i < 200; i++) {
        advance(&kit, 100);
        CHECK_EQ(lpib(&kit, 4), lpib(&kit, 5));
    }
    CHECK(lpib(&kit, 4) != 0);
    wr(&kit, 0x38, 4, 0x30);
    uint32_t at = lpib(&kit, 4);
    advance(&kit, MILLISECONDS(1));
    CHECK_EQ(lpib(&kit, 4), at);
    CHECK_EQ(lpib(&kit, 5), at);
    kit_end(&kit);
}

static void c35_c36_position_buffer(void) {
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    for (uint32_t i = 0; i < 16; i++) {
        poke32(&kit, POSITIONS + 4 * i, 0xA5A5A500 + i);
    }
    wr(&kit, 0x70, 4, (uint32_t)POSITIONS | 1);
    run(&kit, 4, 0);
    for (uint32_t frame = 1; frame <= 1000; frame++) {
        advance(&kit, FRAMES(1));
        uint32_t slot = peek32(&kit, POSITIONS + 0x20);
        CHECK_EQ(slot, position(&kit, 4).dma_bytes % 1920);
        CHECK((slot + 1920 - lpib(&kit, 4)) % 1920 <= 192);
    }
    for (uint32_t i = 0; i < 16; i++) {
        if (i != 8) {
            CHECK_EQ(peek32(&kit, POSITIONS + 4 * i), 0xA5A5A500 + i);
        }
    }
    wr(&kit, 0x70, 4, (uint32_t)POSITIONS);
    uint32_t last = peek32(&kit, POSITIONS + 0x20);
    advance(&kit, FRAMES(100));
    CHECK_EQ(peek32(&kit, POSITIONS + 0x20), last);
    wr(&kit, 0x74, 4, 7); /* positions are off: where they would go is nobody's business */
    wr(&kit, 0x74, 4, 0);
    CHECK_EQ(notes(&kit, "BASE_WHILE_RUNNING"), 0);
    wr(&kit, 0x70, 4, (uint32_t)POSITIONS + 0x801);
    CHECK_EQ(notes(&kit, "BASE_WHILE_RUNNING"), 1);
    CHECK_EQ(peek32(&kit, POSITIONS + 0x820), peek32(&kit, POSITIONS + 0x824));
    advance(&kit, 501);
    CHECK_EQ(peek32(&kit, POSITIONS + 0x820), position(&kit, 4).dma_bytes % 1920);
    wr(&kit, 0x70, 4, (uint32_t)HOLE | 1);
    advance(&kit, FRAMES(10));
    CHECK_EQ(notes(&kit, "POSITION_BUFFER"), 1);
    kit_end(&kit);
}

static void c37_c38_descriptor_errors(void) {
    static const entry_t hole[] = {{DATA, 960, 0}, {HOLE, 960, 1}}, half[] = {{DATA, 960, 0}, {LOW + (64u << 20) - 480, 960, 1}},
                         zero[] = {{DATA, 960, 0}, {DATA, 0, 1}}, odd[] = {{DATA, 960, 0}, {DATA + 1, 960, 1}};
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    wr(&kit, sd(4, 0x18), 4, (uint32_t)HOLE);
    wr(&kit, 0x20, 4, 0x80000010);
    run(&kit, 4, DEIE);
    CHECK_EQ(status_of(&kit, 4), DESE);
    CHECK_EQ(rd(&kit, sd(4, 0), 1), DEIE);
    CHECK_EQ(rd(&kit, 0x24, 4), 0x80000010);
    CHECK(line(&kit));
    wr(&kit, sd(4, 3), 1, DESE);
    CHECK(!line(&kit));
    kit_end(&kit);
    const entry_t *lists[] = {hole, half, zero, odd};
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t bytes, good = i == 1 ? 1440 : 960;
        kit = started();
        tune(&kit, 0, 0x10, 1, 0x11);
        setup(&kit, 4, 1, 0x11, lists[i], 2);
        run(&kit, 4, 0);
        uint32_t frame = 0;
        while ((rd(&kit, sd(4, 0), 1) & RUN) != 0 && frame < 1000) {
            CHECK_EQ(status_of(&kit, 4) & DESE, 0);
            advance(&kit, FRAMES(1));
            frame++;
        }
        CHECK_EQ(frame, (good - 192) / 4 + 1); /* the first frame that needs a byte beyond */
        CHECK_EQ(status_of(&kit, 4), DESE);
        free(heard(&kit, 0, 1, &bytes));
        CHECK_EQ(bytes, 4 * frame);
        CHECK_EQ(notes(&kit, "DESCRIPTOR_ERROR"), 1);
        kit_end(&kit);
    }
}

static void c39_stall(void) {
    uint8_t data[1920];
    kit_t kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    pattern(data, sizeof data, 12);
    poke_list(&kit, TWO, 2, data);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, FEIE);
    advance(&kit, FRAMES(100));
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, true), STORSIM_OK);
    advance(&kit, FRAMES(48));
    CHECK_EQ(status_of(&kit, 4) & FIFOE, 0);
    CHECK_EQ(lpib(&kit, 4), 592);
    advance(&kit, FRAMES(1));
    CHECK_EQ(status_of(&kit, 4), FIFOE);
    wr(&kit, sd(4, 3), 1, FIFOE);
    advance(&kit, FRAMES(100));
    CHECK_EQ(status_of(&kit, 4), 0);
    CHECK_EQ(lpib(&kit, 4), 592);
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & RUN, RUN);
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, false), STORSIM_OK);
    advance(&kit, FRAMES(10));
    CHECK_EQ(lpib(&kit, 4), 632);
    advance(&kit, FRAMES(322));
    heard_is(&kit, 1, data, 1920);
    kit_end(&kit);
}

static void overrun(void) {
    uint8_t sent[4000], got[1920];
    pattern(sent, sizeof sent, 2);
    kit_t kit = started();
    tune(&kit, 0, 0x20, 1, 0x11);
    setup(&kit, 0, 1, 0x11, TWO, 2);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, sent, sizeof sent), STORSIM_OK);
    run(&kit, 0, FEIE);
    advance(&kit, FRAMES(10));
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, true), STORSIM_OK);
    advance(&kit, FRAMES(48));
    CHECK_EQ(status_of(&kit, 0) & FIFOE, 0);
    CHECK_EQ(position(&kit, 0).dma_bytes, 40);
    CHECK_EQ(lpib(&kit, 0), 232);
    advance(&kit, FRAMES(20));
    CHECK_EQ(status_of(&kit, 0) & FIFOE, FIFOE);
    CHECK_EQ(lpib(&kit, 0), 232);
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, false), STORSIM_OK);
    CHECK_EQ(position(&kit, 0).dma_bytes, 232);
    advance(&kit, FRAMES(30));
    peek(&kit, DATA, got, 960);
    CHECK_EQ(memcmp(got, sent, 232), 0);
    CHECK_EQ(memcmp(got + 232, sent + 232 + 80, 120), 0); /* twenty frames went nowhere */
    kit_end(&kit);
}

static void injected(void) {
    const storsim_fault_rule_t fifo = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_FIFO_ERROR, .first = 1};
    const storsim_fault_rule_t dese = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_DESCRIPTOR_ERROR, .first = 1};
    uint32_t id;
    kit_t kit = started();
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(10));
    CHECK_EQ(storsim_fault_add(kit.machine, &fifo, &id), STORSIM_OK);
    advance(&kit, FRAMES(470));
    CHECK_EQ(status_of(&kit, 4) & FIFOE, FIFOE);
    CHECK_EQ(position(&kit, 4).link_bytes, 479 * 4);
    CHECK_EQ(storsim_fault_add(kit.machine, &dese, &id), STORSIM_OK);
    advance(&kit, FRAMES(480));
    CHECK_EQ(status_of(&kit, 4) & DESE, DESE);
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & RUN, 0);
    kit_end(&kit);
}

static void c49_high(void) {
    static const entry_t high[] = {{HIGH + 0x1000, 960, 1}, {HIGH + 0x2000, 960, 1}};
    uint8_t data[1920];
    uint64_t bytes;
    for (int ok64 = 1; ok64 >= 0; ok64--) {
        storsim_hda_config_t config = kit_config();
        config.ok64 = ok64 != 0;
        kit_t kit = kit_make(&config);
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        kit_up(&kit);
        tune(&kit, 0, 0x10, 1, 0x11);
        pattern(data, sizeof data, 4);
        poke(&kit, high[0].address, data, 960);
        poke(&kit, high[1].address, data + 960, 960);
        setup(&kit, 4, 1, 0x11, high, 2);
        if (ok64) {
            write_bdl(&kit, HIGH + 0x8000, high, 2);
            wr(&kit, sd(4, 0x18), 4, 0x8000);
            wr(&kit, sd(4, 0x1C), 4, 1);
        }
        run(&kit, 4, 0);
        advance(&kit, FRAMES(480));
        CHECK_EQ(status_of(&kit, 4), (ok64 ? (uint32_t)(BCIS | FIFORDY) : (uint32_t)DESE));
        uint8_t *got = heard(&kit, 0, 1, &bytes);
        CHECK_EQ(bytes, (ok64 ? 1920u : 0u));
        CHECK_EQ(memcmp(got, data, (size_t)bytes), 0);
        free(got);
        kit_end(&kit);
    }
}

static void c50_shared_tag(void) {
    static const entry_t other[] = {{DATA + 0x8000, 960, 1}, {DATA + 0x9000, 960, 1}};
    uint8_t data[960];
    kit_t kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    pattern(data, sizeof data, 4);
    poke(&kit, DATA, data, 960);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    setup(&kit, 5, 1, 0x11, other, 2);
    run(&kit, 4, 0);
    run(&kit, 5, 0);
    CHECK_EQ(notes(&kit, "TAG_SHARED"), 1);
    advance(&kit, FRAMES(240));
    CHECK_EQ(lpib(&kit, 4), 960);
    CHECK_EQ(lpib(&kit, 5), 960);
    heard_is(&kit, 1, data, 960);
    kit_end(&kit);
}

static void ideal_preset(void) {
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = kit_make(&config);
    uint64_t at[8];
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, 0);
    CHECK_EQ(status_of(&kit, 4), FIFORDY);
    CHECK_EQ(completions(&kit, 4, 960, at, 8), 4);
    CHECK_EQ(at[0], 960);
    CHECK_EQ(position(&kit, 4).dma_bytes, position(&kit, 4).link_bytes);
    kit_end(&kit);
}

static void emulator_preset(void) {
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_EMULATOR;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    wr(&kit, sd(4, 0x08), 4, 0x10000);
    run(&kit, 4, 0);
    for (uint32_t ms = 1; ms < 100; ms++) {
        advance(&kit, MILLISECONDS(1));
        CHECK_EQ(lpib(&kit, 4), ms / 10 * 1920);
        CHECK_EQ(status_of(&kit, 4) & BCIS, (ms >= 10 ? (uint32_t)BCIS : 0u));
    }
    kit_end(&kit);
}

static void starting_notes(void) {
    static const entry_t odd[] = {{DATA + 2, 961, 1}};
    kit_t kit = started();
    setup(&kit, 4, 0, 0x0870, odd, 1);
    wr(&kit, sd(4, 2), 1, 0x01);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(2000));
    static const char *const names[] = {"FORMAT_RESERVED", "LVI_ZERO", "CBL_NOT_BLOCKS", "TAG_ZERO", "STRIPE_LIMIT", "BDL_ALIGNMENT",
                                        "ODD_LENGTH"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK_EQ(notes(&kit, names[i]), 1);
    }
    setup(&kit, 5, 3, 0x1847, TWO, 2);
    wr(&kit, sd(5, 0x08), 4, 0x2000);
    run(&kit, 5, 0);
    advance(&kit, FRAMES(100));
    CHECK_EQ(notes(&kit, "OVERSUBSCRIBED"), 1);
    CHECK_EQ(notes(&kit, "STREAM_PAYLOAD"), 1);
    CHECK_EQ(notes(&kit, "CBL_MISMATCH"), 1);
    setup(&kit, 6, 4, 0x11, TWO, 2);
    tune(&kit, 0, 0x12, 4, 0x31);
    run(&kit, 6, 0);
    CHECK_EQ(notes(&kit, "FORMAT_MISMATCH"), 1);
    wr(&kit, sd(6, 0x18), 4, 0x12345680);
    CHECK_EQ(notes(&kit, "BASE_WHILE_RUNNING"), 1);
    kit_end(&kit);
}

/* An entry is read when its first byte is needed: a change in time is heard, unless the list was prefetched. */
static void bdl_when_needed(void) {
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        storsim_hda_config_t config = kit_config();
        config.bdl_prefetch = prefetch != 0;
        kit_t kit = kit_make(&config);
        uint64_t bytes;
        uint8_t ones[960];
        memset(ones, 0x11, sizeof ones);
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        kit_up(&kit);
        tune(&kit, 0, 0x10, 1, 0x11);
        setup(&kit, 4, 1, 0x11, TWO, 2);
        poke(&kit, DATA + 0x5000, ones, 960);
        run(&kit, 4, 0);
        poke32(&kit, BDL + 0x4000 + 16, (uint32_t)DATA + 0x5000);
        advance(&kit, FRAMES(480));
        uint8_t *got = heard(&kit, 0, 1, &bytes);
        CHECK_EQ(bytes, 1920);
        CHECK_EQ(memcmp(got + 960, ones, 960) == 0, !prefetch);
        free(got);
        kit_end(&kit);
    }
}

/* What was fetched is not changed by a later store; what was not is. */
static void fetch_moment(void) {
    uint8_t zeros[960] = {0}, ones[960];
    uint64_t bytes;
    memset(ones, 1, sizeof ones);
    kit_t kit = started();
    tune(&kit, 0, 0x10, 1, 0x11);
    poke(&kit, DATA, zeros, 960);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(50));
    poke(&kit, DATA, ones, 960);
    advance(&kit, FRAMES(190));
    uint8_t *got = heard(&kit, 0, 1, &bytes);
    CHECK_EQ(bytes, 960);
    for (uint32_t i = 0; i < 960; i++) {
        CHECK_EQ(got[i], (i >= 200 + 192 ? 1 : 0));
    }
    free(got);
    kit_end(&kit);
}

/* Errors in the middle of things: without prefetch, on a capture, during resets, and a start after an error. */
static void more_errors(void) {
    static const entry_t half[] = {{DATA, 962, 0}, {HOLE, 960, 1}};
    const storsim_fault_rule_t fifo = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_FIFO_ERROR, .first = 1};
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = kit_make(&config);
    uint8_t sent[4000], got[1920];
    uint32_t id;
    pattern(sent, sizeof sent, 3);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x20, 1, 0x11);
    setup(&kit, 4, 1, 0x11, half, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(300));
    CHECK_EQ(status_of(&kit, 4), DESE);
    CHECK_EQ(position(&kit, 4).link_bytes, 962); /* the packet of frame 241 was never complete */
    wr(&kit, sd(4, 3), 1, DESE);
    run(&kit, 4, 0);
    CHECK_EQ(status_of(&kit, 4) & DESE, 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(status_of(&kit, 4), DESE); /* the bad entry is still the current one */
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, sent, sizeof sent), STORSIM_OK);
    setup(&kit, 0, 1, 0x11, TWO, 2);
    run(&kit, 0, 0);
    advance(&kit, FRAMES(100));
    CHECK_EQ(storsim_fault_add(kit.machine, &fifo, &id), STORSIM_OK);
    advance(&kit, FRAMES(381));
    CHECK_EQ(status_of(&kit, 0) & FIFOE, FIFOE);
    CHECK_EQ(lpib(&kit, 0), 0);
    peek(&kit, DATA, got, 960);
    peek(&kit, DATA + 0x1000, got + 960, 960);
    CHECK_EQ(memcmp(got, sent, 964), 0); /* the second entry was needed for frame 241, after which one frame is lost */
    CHECK_EQ(memcmp(got + 964, sent + 968, 956), 0);
    wr(&kit, 0x08, 4, 3);
    CHECK_EQ(notes(&kit, "FLUSH_WHILE_RUNNING"), 1);
    wr(&kit, 0x08, 4, 0);
    CHECK_EQ(notes(&kit, "CRST_WHILE_RUNNING"), 1);
    uint64_t dma = position(&kit, 0).dma_bytes;
    CHECK_EQ(position(&kit, 0).running, false);
    CHECK(dma != 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(position(&kit, 0).dma_bytes, 0);
    kit_end(&kit);
}

/* A bidirectional descriptor goes either way, by SDnCTL.DIR. */
static void bidirectional(void) {
    storsim_hda_config_t config = kit_config();
    uint8_t data[960], got[960];
    config.capture = config.render = 1;
    config.bidirectional = 2;
    kit_t kit = kit_make(&config);
    pattern(data, sizeof data, 44);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x10, 5, 0x11);
    tune(&kit, 0, 0x20, 5, 0x11);
    poke(&kit, DATA, data, 960);
    static const entry_t elsewhere[] = {{DATA + 0x8000, 960, 0}, {DATA + 0x9000, 960, 1}};
    setup(&kit, 2, 5, 0x11, TWO, 2);
    setup(&kit, 3, 5, 0x11, elsewhere, 2);
    wr(&kit, sd(2, 2), 1, 0x58);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 5, data, sizeof data), STORSIM_OK);
    run(&kit, 2, 0);
    run(&kit, 3, 0);
    advance(&kit, FRAMES(240));
    heard_is(&kit, 5, data, 960);
    peek(&kit, DATA + 0x8000, got, 960);
    CHECK_EQ(memcmp(got, data, 960), 0);
    CHECK_EQ(notes(&kit, "TAG_SHARED"), 0);
    kit_end(&kit);
}

/* A capture that writes the list and the data a render stream reads. */
static void recorded_list(void) {
    kit_t kit = started();
    uint8_t list[64] = {0}, data[960], ones[960];
    uint64_t bytes;
    pattern(data, sizeof data, 17);
    memset(ones, 7, sizeof ones);
    poke(&kit, DATA, data, 960);
    poke(&kit, DATA + 0x1000, ones, 960);
    const entry_t before[] = {{DATA, 960, 0}, {DATA, 960, 0}}, after[] = {{DATA, 960, 0}, {DATA + 0x1000, 960, 0}};
    setup(&kit, 4, 1, 0x11, before, 2);
    kit_t scratch = kit;
    write_bdl(&scratch, DATA + 0x8000, after, 2);
    peek(&kit, DATA + 0x8000, list, 32);
    const entry_t capture[] = {{BDL + 0x4000, 32, 0}, {DATA + 0x9000, 0x10000, 0}};
    setup(&kit, 0, 1, 0x11, capture, 2);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, list, 32), STORSIM_OK);
    tune(&kit, 0, 0x10, 1, 0x11);
    tune(&kit, 0, 0x20, 1, 0x11);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(189));
    run(&kit, 0, 0); /* eight frames for the list; the render stream needs its second entry in three */
    advance(&kit, FRAMES(291));
    uint8_t *played = heard(&kit, 0, 1, &bytes);
    CHECK_EQ(bytes, 1920);
    CHECK_EQ(memcmp(played + 960, data, 960), 0);
    free(played);
    advance(&kit, FRAMES(480));
    played = heard(&kit, 0, 1, &bytes);
    CHECK_EQ(memcmp(played + 2880, ones, 960), 0);
    free(played);
    kit_end(&kit);
}

int main(void) {
    c14_to_c20();
    c19_never_cleared();
    c21_c22_c23_ioc();
    c24_c25_seams();
    c26_c27_c28_pause();
    c29_c30_c31_cadences();
    c32_capture();
    c33_two_streams();
    c34_ssync();
    c35_c36_position_buffer();
    c37_c38_descriptor_errors();
    c39_stall();
    overrun();
    injected();
    c49_high();
    c50_shared_tag();
    ideal_preset();
    emulator_preset();
    starting_notes();
    bdl_when_needed();
    fetch_moment();
    more_errors();
    bidirectional();
    recorded_list();
    return CHECK_PINNED(hda_test_streams);
}
