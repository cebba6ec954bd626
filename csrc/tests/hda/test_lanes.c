/* The ends of what the controller's functions take: the fifteen tags, what is traced of a register's load and store.
 * Source: hda-controller §8, storsim/machine.h. */
#include "kit.h"

#include "hda/hda_i.h"

static void every_tag(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint64_t bytes = 9, dropped = 9;
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 14), STORSIM_OK);
    for (uint32_t tag = 0; tag < 18; tag++) {
        storsim_status_t expected = tag >= 1 && tag <= 15 ? STORSIM_OK : STORSIM_INVALID;
        CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 14, (uint8_t)tag, NULL, &bytes, &dropped), expected);
        CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 14, (uint8_t)tag, (const uint8_t *)"ab", 2), expected);
    }
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 15, 1, NULL, &bytes, &dropped), STORSIM_INVALID);
    for (uint32_t address = 0; address < 17; address++) {
        CHECK_EQ(storsim_codec_present(kit.machine, kit.hda, address), address == 14);
    }
    kit_end(&kit);
}

static void traced(void) {
    static const struct { uint32_t offset, size, value; } accesses[] = {{0x20, 4, 0x80000010}, {0x12 + 0x80, 2, 0x11}, {0x83, 1, 0}};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    for (size_t i = 0; i < sizeof accesses / sizeof accesses[0]; i++) {
        storsim_trace_entry_t entry;
        wr(&kit, accesses[i].offset, accesses[i].size, accesses[i].value);
        CHECK(storsim_trace_get(kit.machine, storsim_trace_count(kit.machine) - 1, &entry));
        CHECK_EQ(entry.kind, STORSIM_TRACE_REGISTER);
        CHECK(entry.values[0] == kit.hda && entry.values[1] == accesses[i].offset && entry.values[3] == accesses[i].value);
        CHECK_EQ(entry.values[2], accesses[i].size << 1 | 1u);
        uint32_t value = rd(&kit, accesses[i].offset, accesses[i].size);
        CHECK(storsim_trace_get(kit.machine, storsim_trace_count(kit.machine) - 1, &entry));
        CHECK_EQ(entry.kind, STORSIM_TRACE_REGISTER);
        CHECK(entry.values[1] == accesses[i].offset && entry.values[3] == value);
        CHECK_EQ(entry.values[2], accesses[i].size << 1);
    }
    kit_end(&kit);
}

/* Who gives bytes to the host, or takes them from it, is counted; a codec that goes takes its own out. */
static void listeners(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    const ss_hda_t *hda = ss_hda_at(kit.machine, kit.hda);
    for (uint32_t address = 0; address < 3; address++) {
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, address), STORSIM_OK);
        for (uint8_t tag = 1; tag <= 15; tag += (uint8_t)(address + 1)) {
            CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, address, tag, 5, 6), STORSIM_OK);
            CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, address, tag, tag % 2 != 0 ? 5 : 0, 6), STORSIM_OK);
        }
    }
    const uint32_t counts[3] = {15 + 8, 8 + 8, 5 + 3};
    uint32_t left = counts[0] + counts[1] + counts[2];
    for (uint32_t address = 0; address < 3; address++) {
        CHECK_EQ(hda->routines, left);
        CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, address), STORSIM_OK);
        left -= counts[address];
    }
    CHECK_EQ(hda->routines, 0);
    kit_end(&kit);
}

/* As many messages as the codec keeps, in their order; one more is dropped. */
static void messages(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x5A, 2, 0xFF);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x08, 4, 0x101); /* UNSOL */
    for (uint32_t i = 0; i < SS_HDA_UNSOLICITED + 1; i++) {
        CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, (uint8_t)(i % 64), 100 + i),
                 i < SS_HDA_UNSOLICITED ? STORSIM_OK : STORSIM_BUSY);
    }
    advance(&kit, FRAMES(SS_HDA_UNSOLICITED + 10));
    uint32_t stored = rd(&kit, 0x58, 2);
    CHECK_EQ(stored, SS_HDA_UNSOLICITED);
    for (uint32_t i = 0; i < stored; i++) {
        CHECK_EQ(peek32(&kit, RIRB + 8 * (i + 1)) & 0xFFFF, 100 + i);
        CHECK_EQ(peek32(&kit, RIRB + 8 * (i + 1) + 4), 0x10);
    }
    kit_end(&kit);
}

/* Behind the last stream's registers, and behind the last codec's address, is nothing. */
static void behind_the_last(void) {
    storsim_hda_config_t config = kit_config();
    config.capture = 2;
    config.render = 3;
    config.bidirectional = 0;
    kit_t kit = kit_make(&config);
    uint64_t value;
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 14), STORSIM_OK);
    kit_up(&kit);
    for (uint32_t offset = sd(5, 0); offset < sd(8, 0); offset += 4) {
        wr(&kit, offset, 4, UINT32_MAX);
        CHECK_EQ(rd(&kit, offset, 4), 0);
    }
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "SD4CTL", &value), STORSIM_OK);
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "SD5CTL", &value), STORSIM_INVALID);
    wr(&kit, 0x60, 4, 0xE00F0000u); /* the immediate command: vendor of codec 14 */
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(3));
    CHECK(rd(&kit, 0x68, 2) == 2 && rd(&kit, 0x64, 4) == 0x53530001);
    wr(&kit, 0x68, 2, 2);
    wr(&kit, 0x60, 4, 0xF00F0000u); /* nobody has address 15 */
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(3));
    CHECK(rd(&kit, 0x68, 2) == 1 && rd(&kit, 0x64, 4) == 0x53530001);
    kit_end(&kit);
}

/* A codec that comes while the link is up is heard at a frame's beginning, the next one at the earliest. */
static void newcomer(void) {
    storsim_hda_config_t config = kit_config();
    config.codec_frames = 0;
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    for (uint32_t part = 0; part < 3; part++) {
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, part), STORSIM_OK);
        CHECK_EQ(rd(&kit, 0x0E, 2), 0);
        advance(&kit, FRAMES(1) - 1 - part);
        CHECK_EQ(rd(&kit, 0x0E, 2), part == 0 ? 0u : 1u << part); /* parts 1 and 2 begin one and two ticks before a boundary */
        advance(&kit, 1 + part);
        CHECK_EQ(rd(&kit, 0x0E, 2), 1u << part);
        wr(&kit, 0x0E, 2, 1u << part);
        advance(&kit, FRAMES(1) - 1 - part);
    }
    kit_end(&kit);
}

static storsim_status_t listen(void *context, storsim_callback_t *callback) {
    uint32_t *calls = context;
    *calls += callback->kind == STORSIM_CB_CODEC_SINK;
    return STORSIM_OK;
}

/* Who listens gets what was played every ten milliseconds, however long the buffer; who does not costs no visit. */
static void heard_in_time(void) {
    static const entry_t entries[] = {{DATA, 0x40000, 0}, {DATA + 0x40000, 0x40000, 0}};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint32_t calls = 0;
    storsim_machine_set_callback(kit.machine, listen, &calls);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x10, 1, 0x11);
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 5, 6), STORSIM_OK);
    setup(&kit, 4, 1, 0x11, entries, 2);
    run(&kit, 4, 0);
    advance(&kit, MILLISECONDS(200));
    CHECK(calls >= 19 && calls <= 22);
    kit_end(&kit);
}

int main(void) {
    heard_in_time();
    newcomer();
    behind_the_last();
    messages();
    listeners();
    every_tag();
    traced();
    return CHECK_PINNED(hda_test_lanes);
}
