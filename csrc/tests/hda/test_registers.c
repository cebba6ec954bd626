/* tests/hda/test_registers.c: registers, lanes, resets, discovery. Cases C01 – C13, C40, C47, C51 of hda-controller §16
 * by id. */
#include "kit.h"

static void c01_power_on(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    storsim_hda_register_t row;
    uint32_t rows = 0;
    for (; storsim_hda_register_get(kit.machine, kit.hda, rows, &row); rows++) {
        uint64_t value;
        CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, row.name, &value), STORSIM_OK);
        CHECK_EQ(value, row.reset);
    }
    CHECK_EQ(rows, 35 + 8 * 10 + 1 + 8);
    CHECK_EQ(rd(&kit, 0x00, 2), 0x4401);
    CHECK_EQ(rd(&kit, 0x02, 1), 0);
    CHECK_EQ(rd(&kit, 0x03, 1), 1);
    CHECK_EQ(rd(&kit, 0x04, 2), 0x3C);
    CHECK_EQ(rd(&kit, 0x06, 2), 0x1D);
    CHECK_EQ(rd(&kit, 0x18, 2), 0x30);
    CHECK_EQ(rd(&kit, 0x1A, 2), 0x18);
    CHECK_EQ(rd(&kit, 0x4E, 1), 0x42);
    CHECK_EQ(rd(&kit, 0x5E, 1), 0x42);
    CHECK_EQ(rd(&kit, 0x0E, 2), 0);
    CHECK_EQ(rd(&kit, 0x08, 4), 0);
    kit_end(&kit);
}

static void c02_in_reset(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    wr(&kit, 0x40, 4, 0x1234580);
    CHECK_EQ(rd(&kit, 0x40, 4), 0);
    CHECK_EQ(notes(&kit, "WRITE_IN_RESET"), 1);
    wr(&kit, 0x0C, 2, 0x0004);
    CHECK_EQ(rd(&kit, 0x0C, 2), 4);
    kit_end(&kit);
}

static void c03_c04_c05_discovery(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 2), STORSIM_OK);
    advance(&kit, 123);
    wr(&kit, 0x08, 4, 1);
    CHECK_EQ(rd(&kit, 0x08, 4), 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x08, 4), 1);
    CHECK(rd(&kit, 0x30, 4) <= 500);
    CHECK_EQ(rd(&kit, 0x0E, 2), 0);
    advance(&kit, 521 * 24);
    CHECK_EQ(rd(&kit, 0x0E, 2), 0x0005);
    wr(&kit, 0x0E, 2, 0x0001);
    CHECK_EQ(rd(&kit, 0x0E, 2), 0x0004);
    wr(&kit, 0x08, 4, 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x08, 4), 0);
    CHECK_EQ(rd(&kit, 0x30, 4), 0);
    wr(&kit, 0x08, 4, 1);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x0E, 2), 0x0004);
    CHECK_EQ(storsim_hda_get_config(kit.machine, kit.hda)->sdi_lines, 4);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 6), STORSIM_OK);
    CHECK_EQ(storsim_hda_get_config(kit.machine, kit.hda)->sdi_lines, 7);
    advance(&kit, FRAMES(25));
    CHECK_EQ(rd(&kit, 0x0E, 2), 0x0045);
    kit_end(&kit);
}

static void c06_wake(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 2), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x0E, 2, 0x7FFF);
    wr(&kit, 0x0C, 2, 0x0004);
    wr(&kit, 0x20, 4, 0xC0000000);
    CHECK(!line(&kit));
    CHECK_EQ(storsim_codec_wake(kit.machine, kit.hda, 2), STORSIM_OK);
    CHECK_EQ(rd(&kit, 0x24, 4), 0xC0000000);
    CHECK(line(&kit));
    wr(&kit, 0x0E, 2, 0x0004);
    CHECK(!line(&kit));
    CHECK_EQ(rd(&kit, 0x24, 4), 0);
    kit_end(&kit);
}

static void c07_masks(void) {
    static const struct { uint32_t offset, size, mask; } cases[] = {
        {0x40, 4, 0xFFFFFF80}, {0x44, 4, 0xFFFFFFFF}, {0x48, 2, 0x00FF}, {0x50, 4, 0xFFFFFF80}, {0x5A, 2, 0x00FF}, {0x70, 4, 0xFFFFFF81},
        {0x74, 4, 0xFFFFFFFF}, {0x20, 4, 0xC00000FF}, {0x0C, 2, 0x7FFF}, {0x38, 4, 0x000000FF}, {0x60, 4, 0xFFFFFFFF}, {0x34, 4, 0},
        {0x4E, 1, 0x42}, {0x5E, 1, 0x42}};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wr(&kit, cases[i].offset, cases[i].size, 0xFFFFFFFF);
        CHECK_EQ(rd(&kit, cases[i].offset, cases[i].size), cases[i].mask);
        wr(&kit, cases[i].offset, cases[i].size, 0);
        CHECK_EQ(rd(&kit, cases[i].offset, cases[i].size), (cases[i].mask == 0x42 ? 0x42u : 0u));
    }
    for (uint32_t n = 0; n < 8; n++) {
        static const struct { uint32_t offset, size, mask; } own[] = {
            {0x08, 4, 0xFFFFFFFF}, {0x0C, 2, 0x00FF}, {0x12, 2, 0x7F7F}, {0x18, 4, 0xFFFFFF80}, {0x1C, 4, 0xFFFFFFFF}, {0x14, 4, 0}};
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
            wr(&kit, sd(n, own[i].offset), own[i].size, 0xFFFFFFFF);
            CHECK_EQ(rd(&kit, sd(n, own[i].offset), own[i].size), own[i].mask);
        }
        wr(&kit, sd(n, 0), 4, 0x00FFFFFC);
        CHECK_EQ(rd(&kit, sd(n, 0), 4), n < 4 ? 0x00F4001Cu : 0x00F7001Cu);
    }
    wr(&kit, 0x4C, 1, 0x01);
    CHECK_EQ(rd(&kit, 0x4C, 1), 1);
    wr(&kit, 0x5C, 1, 0x05);
    CHECK_EQ(rd(&kit, 0x5C, 1), 5);
    wr(&kit, 0x08, 4, 0xFFFFFFFD);
    CHECK_EQ(rd(&kit, 0x08, 4), 0x101);
    kit_end(&kit);
}

static void c08_read_only(void) {
    static const uint32_t offsets[] = {0x00, 0x04, 0x24, 0x84, 0x90, 0x18};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        uint32_t before = rd(&kit, offsets[i], 2);
        wr(&kit, offsets[i], 2, 0xFFFF);
        CHECK_EQ(rd(&kit, offsets[i], 2), before);
    }
    uint32_t clock = rd(&kit, 0x30, 4);
    wr(&kit, 0x30, 4, 0xFFFFFFFF);
    CHECK_EQ(rd(&kit, 0x30, 4), clock);
    wr(&kit, 0x2030, 4, 0);
    CHECK_EQ(rd(&kit, 0x2030, 4), clock);
    CHECK_EQ(rd(&kit, 0x90, 2), 192);
    kit_end(&kit);
}

static void c09_c10_lanes(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint64_t value = 0;
    CHECK_EQ(rd(&kit, 0x00, 4), 0x01004401);
    CHECK_EQ(rd(&kit, 0x01, 1), 0x44);
    kit_up(&kit);
    wr(&kit, 0x0C, 2, 0x1234);
    CHECK_EQ(rd(&kit, 0x0C, 4), 0x1234);
    wr(&kit, sd(4, 0), 1, 0x1C);
    wr(&kit, sd(4, 2), 1, 0x50);
    CHECK_EQ(rd(&kit, sd(4, 0), 4) & 0xFFFFFF, 0x50001C);
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, kit.hda, 0x02, 4, &value), STORSIM_OK);
    CHECK_EQ(value, 0xFFFFFFFF);
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, kit.hda, 0x08, 8, &value), STORSIM_OK);
    CHECK_EQ(value, UINT64_MAX);
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, kit.hda, 0x4000, 4, &value), STORSIM_OK);
    CHECK_EQ(value, 0xFFFFFFFF);
    CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, 0x21, 2, 0xFFFF), STORSIM_OK);
    CHECK_EQ(rd(&kit, 0x20, 4), 0);
    CHECK_EQ(notes(&kit, "BAD_ACCESS"), 4);
    CHECK_EQ(rd(&kit, 0x3FFC, 4), 0);
    CHECK_EQ(rd(&kit, sd(8, 0), 4), 0);
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, kit.hda + 1, 0, 4, &value), STORSIM_INVALID);
    kit_end(&kit);
}

static void c11_c12_stream_reset(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    advance(&kit, 77);
    wr(&kit, sd(4, 2), 1, 0x10);
    wr(&kit, sd(4, 0x08), 4, 0x780);
    wr(&kit, sd(4, 0x0C), 2, 1);
    wr(&kit, sd(4, 0x12), 2, 0x11);
    wr(&kit, sd(4, 0x18), 4, 0x101000);
    wr(&kit, sd(4, 0x1C), 4, 1);
    wr(&kit, sd(4, 0), 1, SRST);
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & SRST, 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & SRST, SRST);
    for (uint32_t offset = 4; offset < 0x20; offset += 4) {
        CHECK_EQ(rd(&kit, sd(4, offset), 4), (offset == 0x10 ? 192u : 0u));
    }
    CHECK_EQ(rd(&kit, sd(4, 0), 4), SRST);
    wr(&kit, sd(4, 0x08), 4, 0x100);
    CHECK_EQ(notes(&kit, "STREAM_IN_RESET"), 1);
    wr(&kit, sd(4, 0), 1, 0);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & SRST, 0);
    CHECK_EQ(rd(&kit, sd(4, 0x08), 4), 0);
    kit_end(&kit);
}

static void c13_reset_while_running(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    const entry_t entries[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, entries, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(100));
    CHECK_EQ(lpib(&kit, 4), 400);
    wr(&kit, sd(4, 0), 1, SRST | RUN);
    CHECK_EQ(rd(&kit, sd(4, 0), 1) & RUN, 0);
    CHECK_EQ(notes(&kit, "SRST_WHILE_RUNNING"), 1);
    uint64_t dma = position(&kit, 4).dma_bytes;
    advance(&kit, FRAMES(1));
    CHECK_EQ(lpib(&kit, 4), 0);
    CHECK(dma != 0);
    advance(&kit, FRAMES(1000));
    CHECK_EQ(position(&kit, 4).dma_bytes, 0);
    kit_end(&kit);
}

static void latencies(void) {
    storsim_hda_config_t config = kit_config();
    config.crst_latency = 0;
    config.srst_latency = 0;
    config.stop_latency = STORSIM_HDA_STUCK;
    kit_t kit = kit_make(&config);
    const entry_t entries[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    wr(&kit, 0x08, 4, 1);
    CHECK_EQ(rd(&kit, 0x08, 4), 1);
    wr(&kit, sd(0, 0), 1, SRST);
    CHECK_EQ(rd(&kit, sd(0, 0), 1), SRST);
    wr(&kit, sd(0, 0), 1, 0);
    CHECK_EQ(rd(&kit, sd(0, 0), 1), 0);
    setup(&kit, 4, 1, 0x11, entries, 2);
    run(&kit, 4, 0);
    wr(&kit, sd(4, 0), 1, 0);
    advance(&kit, FRAMES(5000));
    CHECK_EQ(rd(&kit, sd(4, 0), 1), RUN);
    wr(&kit, 0x08, 4, 0);
    CHECK_EQ(rd(&kit, 0x08, 4), 0);
    CHECK_EQ(notes(&kit, "CRST_WHILE_RUNNING"), 1);
    kit_end(&kit);
    config = kit_config();
    kit = kit_make(&config);
    kit_up(&kit);
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_TIMEOUT, .first = 1};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(kit.machine, &rule, &id), STORSIM_OK);
    wr(&kit, sd(4, 0), 1, SRST);
    advance(&kit, FRAMES(1000));
    CHECK_EQ(rd(&kit, sd(4, 0), 1), 0);
    reset_stream(&kit, 4);
    kit_end(&kit);
}

static void c40_wall_clock(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    const entry_t entries[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    CHECK_EQ(storsim_hda_set_wall_clock(kit.machine, kit.hda, 1), STORSIM_INVALID);
    kit_up(&kit);
    CHECK_EQ(rd(&kit, 0x30, 4) % 500, 0);
    setup(&kit, 4, 1, 0x11, entries, 2);
    run(&kit, 4, 0);
    CHECK_EQ(storsim_hda_set_wall_clock(kit.machine, kit.hda, UINT32_MAX - 999), STORSIM_OK);
    advance(&kit, 2400);
    CHECK_EQ(rd(&kit, 0x30, 4), 1400);
    CHECK_EQ(rd(&kit, 0x2030, 4), 1400);
    CHECK_EQ(lpib(&kit, 4), 16);
    advance(&kit, 100);
    CHECK_EQ(lpib(&kit, 4), 20);
    kit_end(&kit);
}

static void c47_c51(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    wr(&kit, 0x58, 2, 0x8000);
    CHECK_EQ(rd(&kit, 0x58, 2), 0);
    wr(&kit, 0x70, 4, (uint32_t)POSITIONS);
    wr(&kit, 0x08, 4, 3);
    CHECK_EQ(rd(&kit, 0x08, 4), 3);
    advance(&kit, FRAMES(1));
    CHECK_EQ(rd(&kit, 0x08, 4), 1);
    CHECK_EQ(rd(&kit, 0x10, 2), 2);
    wr(&kit, 0x10, 2, 0);
    CHECK_EQ(rd(&kit, 0x10, 2), 2);
    wr(&kit, 0x10, 2, 2);
    CHECK_EQ(rd(&kit, 0x10, 2), 0);
    kit_end(&kit);
}

static void ich_personality(void) {
    static const struct { uint32_t written, normal, wide; } cases[] = {{0x0F, 0x0F, 0x0F}, {0x1F, 0x1F, 0x1F}, {0x3F, 0x3F, 0x3F},
        {0x7F, 0x7F, 0x7F}, {0xBF, 0xBF, 0xBF}, {0xFF, 0xBF, 0xFF}, {0x10, 0xBF, 0xBF}, {0x00, 0xBF, 0xBF}, {0x1FF, 0xBF, 0xBF}};
    storsim_hda_config_t config;
    storsim_hda_config_init(&config);
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    CHECK_EQ(rd(&kit, sd(4, 0x10), 2), 0xBF);
    CHECK_EQ(rd(&kit, sd(0, 0x10), 2), 0x77);
    CHECK_EQ(rd(&kit, sd(4, 0x0E), 2), 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wr(&kit, sd(4, 0x12), 2, 0x11);
        wr(&kit, sd(4, 0x10), 2, cases[i].written);
        CHECK_EQ(rd(&kit, sd(4, 0x10), 2), cases[i].normal);
        wr(&kit, sd(4, 0x12), 2, 0x31);
        wr(&kit, sd(4, 0x10), 2, cases[i].written);
        CHECK_EQ(rd(&kit, sd(4, 0x10), 2), cases[i].wide);
    }
    wr(&kit, sd(0, 0x12), 2, 0x31);
    CHECK_EQ(rd(&kit, sd(0, 0x10), 2), 0x9F);
    wr(&kit, sd(4, 0x0E), 2, 3);
    CHECK_EQ(rd(&kit, sd(4, 0x0E), 2), 3);
    wr(&kit, sd(4, 0x0E), 2, 5);
    CHECK_EQ(rd(&kit, sd(4, 0x0E), 2), 4);
    CHECK_EQ(rd(&kit, sd(4, 0), 4) & 0x40000, 0x40000);
    wr(&kit, sd(4, 0), 4, 0);
    CHECK_EQ(rd(&kit, sd(4, 0), 4) & 0x40000, 0x40000);
    wr(&kit, 0x34, 4, 0x30);
    CHECK_EQ(rd(&kit, 0x38, 4), 0x30);
    CHECK_EQ(rd(&kit, 0x34, 4), 0x30);
    kit_end(&kit);
}

static void names_and_limits(void) {
    storsim_hda_config_t config = kit_config();
    config.capture = 3;
    config.render = 2;
    config.bidirectional = 1;
    config.sdo_lines = 4;
    config.ok64 = false;
    config.corb_sizes = 7;
    kit_t kit = kit_make(&config);
    storsim_hda_register_t row;
    uint64_t value;
    CHECK_EQ(rd(&kit, 0, 2), 0x230C);
    kit_up(&kit);
    CHECK(storsim_hda_register_find(kit.machine, kit.hda, "sd4lpib", &row));
    CHECK_EQ(row.offset, 0x104);
    CHECK(storsim_hda_register_find(kit.machine, kit.hda, "SD5LPIBA", &row));
    CHECK_EQ(row.offset, 0x2124);
    CHECK(!storsim_hda_register_find(kit.machine, kit.hda, "SD6LPIB", &row));
    CHECK_EQ(storsim_hda_register_write(kit.machine, kit.hda, "SD5CTL", 0xF8001C), STORSIM_OK);
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "SD5CTL", &value), STORSIM_OK);
    CHECK_EQ(value, 0xF8001C);
    CHECK_EQ(storsim_hda_register_write(kit.machine, kit.hda, "SD5CTL", 0x1000000), STORSIM_INVALID);
    wr(&kit, sd(4, 0), 4, 0xF8001C);
    CHECK_EQ(rd(&kit, sd(4, 0), 4), 0xF0001C);
    wr(&kit, 0x44, 4, 0xFFFFFFFF);
    CHECK_EQ(rd(&kit, 0x44, 4), 0);
    CHECK_EQ(rd(&kit, 0x4E, 1), 0x72);
    wr(&kit, 0x4E, 1, 1);
    CHECK_EQ(rd(&kit, 0x4E, 1), 0x71);
    wr(&kit, 0x4E, 1, 3);
    CHECK_EQ(rd(&kit, 0x4E, 1), 0x71);
    kit_end(&kit);
    storsim_machine_t *machine = kit_machine(NULL);
    uint32_t number = 77;
    config = kit_config();
    config.render = 16;
    CHECK_EQ(storsim_hda_add(machine, &config, &number), STORSIM_INVALID);
    config = kit_config();
    config.capture = config.render = 0;
    CHECK_EQ(storsim_hda_add(machine, &config, &number), STORSIM_INVALID);
    config = kit_config();
    config.sdo_lines = 3;
    CHECK_EQ(storsim_hda_add(machine, &config, &number), STORSIM_INVALID);
    CHECK_EQ(number, 77);
    storsim_machine_destroy(machine);
}

static void removal(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint64_t value;
    const entry_t entries[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, entries, 2);
    wr(&kit, 0x20, 4, 0xC00000FF);
    run(&kit, 4, IOCE);
    advance(&kit, MILLISECONDS(6));
    CHECK(line(&kit));
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_REMOVED, .first = 1};
    uint32_t id, second;
    CHECK_EQ(storsim_fault_add(kit.machine, &rule, &id), STORSIM_OK);
    CHECK_EQ(rd(&kit, 0, 2), 0xFFFF);
    CHECK(storsim_hda_gone(kit.machine, kit.hda));
    CHECK(!line(&kit));
    wr(&kit, 0x20, 4, 0);
    CHECK_EQ(rd(&kit, 0x20, 4), 0xFFFFFFFF);
    advance(&kit, MILLISECONDS(6));
    CHECK_EQ(storsim_hda_remove(kit.machine, kit.hda), STORSIM_OK);
    CHECK_EQ(storsim_hda_remove(kit.machine, kit.hda), STORSIM_INVALID);
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, kit.hda, 0, 4, &value), STORSIM_INVALID);
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &second), STORSIM_OK);
    CHECK_EQ(second, kit.hda + 1);
    kit_end(&kit);
}

int main(void) {
    c01_power_on();
    c02_in_reset();
    c03_c04_c05_discovery();
    c06_wake();
    c07_masks();
    c08_read_only();
    c09_c10_lanes();
    c11_c12_stream_reset();
    c13_reset_while_running();
    latencies();
    c40_wall_clock();
    c47_c51();
    ich_personality();
    names_and_limits();
    removal();
    return CHECK_PINNED(hda_test_registers);
}
