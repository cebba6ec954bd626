/* tests/hda/test_fuzz.c: random stores into random registers of random parts. Nothing crashes or hangs, the invariants
 * hold, and a snapshot taken anywhere restores to the same digest and the same future. */
#include "kit.h"

static uint32_t seed = 4711;
static uint32_t draw(uint32_t bound) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 8) * bound >> 24);
}

static void random_part(storsim_hda_config_t *config) {
    storsim_hda_config_init(config);
    config->capture = (uint8_t)draw(5);
    config->render = (uint8_t)(1 + draw(4));
    config->bidirectional = (uint8_t)draw(4);
    config->sdo_lines = (uint8_t)(1u << draw(3));
    config->ok64 = draw(2) != 0;
    config->timing = (storsim_hda_timing_t)draw(3);
    config->personality = (storsim_hda_personality_t)draw(2);
    config->bdl_prefetch = draw(3) == 0;
    config->corb_reset_quirk = draw(4) == 0;
    config->corb_sizes = (uint8_t)(1 + draw(7));
    config->rirb_sizes = (uint8_t)(1 + draw(7));
    config->fifo_render = (uint16_t)(2 + draw(1000));
    config->fifo_capture = (uint16_t)(2 + draw(1000));
    config->crst_latency = draw(2) ? STORSIM_HDA_NEXT_FRAME : draw(2000);
    config->srst_latency = draw(2) ? STORSIM_HDA_NEXT_FRAME : draw(2000);
    config->stop_latency = draw(2) ? STORSIM_HDA_NEXT_FRAME : draw(2000);
    config->keep_bytes = draw(5000);
}

/* Two draws are never operands of one expression: their order would be the compiler's. */
static uint32_t random_control(void) {
    uint32_t tag = draw(16), striped = draw(4), interrupts = draw(8);
    return tag << 20 | striped << 18 | (uint32_t)RUN | interrupts << 2;
}

static uint32_t random_value(uint32_t offset) {
    uint32_t kind = draw(6), relative = offset & 0x1F;
    if (offset >= 0x80 && relative < 3 && draw(3) != 0) {
        return random_control();
    }
    if (kind == 0) {
        return draw(4);
    }
    if (kind == 1) {
        return (uint32_t)BDL + 0x80 * draw(64);
    }
    return kind == 2 ? 1u << draw(32) : kind == 3 ? 0xFFFFFFFF : seed ^ seed << 13;
}

/* Something in memory for lists to point at: half of it makes sense. */
static void scribble(kit_t *kit) {
    for (uint32_t i = 0; i < 512; i++) {
        uint64_t at = BDL + 16 * i;
        poke32(kit, at, draw(8) != 0 ? (uint32_t)DATA + 2 * draw(0x8000) : seed);
        poke32(kit, at + 4, draw(16) == 0);
        poke32(kit, at + 8, draw(4) == 0 ? draw(20) : draw(3000));
        poke32(kit, at + 12, seed);
    }
}

static void one_operation(kit_t *kit, uint32_t streams) {
    static const uint32_t sizes[] = {1, 2, 4, 4, 4, 8, 3};
    uint32_t what = draw(16), size = sizes[draw(7)];
    uint64_t value;
    uint8_t bytes[64];
    if (what < 9) {
        uint32_t offset = draw(3) == 0 ? draw(0x80) : 0x80 + draw(0x20 * streams);
        offset = draw(8) != 0 ? offset / size * size : offset;
        offset = draw(40) == 0 ? draw(0x4100) : offset;
        if (offset / 4 == 2 && draw(8) != 0) {
            return; /* resets end everything; seldom */
        }
        storsim_status_t status = storsim_hda_mmio_write(kit->machine, kit->hda, offset, size, random_value(offset));
        CHECK_EQ(status, STORSIM_OK);
    } else if (what == 9) {
        CHECK_EQ(storsim_hda_mmio_read(kit->machine, kit->hda, draw(0x4100), size, &value), STORSIM_OK);
    } else if (what == 10) {
        uint32_t node = 0x10 + draw(0x40);
        command(kit, 0, node, draw(2) ? 0x70600 | draw(256) : 0x20000 | draw(65536));
    } else if (what == 11) {
        pattern(bytes, sizeof bytes, seed);
        CHECK_EQ(storsim_codec_feed(kit->machine, kit->hda, 0, (uint8_t)(1 + draw(15)), bytes, sizeof bytes), STORSIM_OK);
    } else if (what == 12) {
        CHECK_EQ(storsim_hda_stall(kit->machine, kit->hda, draw(3) == 0), STORSIM_OK);
        uint8_t tag = (uint8_t)draw(64);
        storsim_status_t status = storsim_codec_unsolicited(kit->machine, kit->hda, 0, tag, draw(1000));
        CHECK(status == STORSIM_OK || status == STORSIM_BUSY);
    } else {
        advance(kit, draw(what == 15 ? 300000 : 3000));
    }
}

static uint64_t play(kit_t *kit, uint32_t streams, uint32_t operations) {
    char text[200] = "";
    uint64_t digest = 0;
    for (uint32_t i = 0; i < operations; i++) {
        one_operation(kit, streams);
        if (storsim_check(kit->machine, text, sizeof text) != 0) {
            fprintf(stderr, "%s\n", text);
            exit(1);
        }
    }
    CHECK_EQ(storsim_digest(kit->machine, &digest), STORSIM_OK);
    return digest;
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 60;
    seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : seed;
    for (uint32_t round = 0; round < rounds; round++) {
        storsim_hda_config_t config;
        uint8_t *bytes;
        size_t length;
        uint64_t now;
        random_part(&config);
        uint32_t streams = (uint32_t)config.capture + config.render + config.bidirectional;
        kit_t kit = kit_make(&config);
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        wr(&kit, 0x08, 4, 0x101);
        advance(&kit, FRAMES(26));
        scribble(&kit);
        (void)play(&kit, streams, 300);
        uint64_t before = play(&kit, streams, 0);
        CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
        uint32_t from = seed;
        uint64_t future = play(&kit, streams, 100);
        CHECK_EQ(storsim_restore(kit.machine, bytes, length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_digest(kit.machine, &now), STORSIM_OK);
        CHECK_EQ(now, before);
        seed = from;
        CHECK_EQ(play(&kit, streams, 100), future);
        storsim_snapshot_free(kit.machine, bytes);
        kit_end(&kit);
    }
    return CHECK_PINNED(hda_test_fuzz);
}
