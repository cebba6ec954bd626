/* tests/hda/kit.h: a machine with one controller, driven as a bus driver would: registers, memory, time. */
#ifndef HDA_KIT_H
#define HDA_KIT_H

#include <string.h>

#include "tests/check.h"
#include "tests/machine_pin.h"
#include "machine/core.h"
#include "storsim/hda.h"

#define FRAMES(n) ((uint64_t)(n) * STORSIM_TICKS_PER_FRAME)
#define MILLISECONDS(n) FRAMES(48u * (n))
#define LOW UINT64_C(0x100000)           /* RAM from here */
#define HIGH UINT64_C(0x100000000)       /* and from here */
#define HOLE UINT64_C(0x80000000)        /* nothing here */
#define BDL UINT64_C(0x101000)           /* + 1000h per descriptor */
#define DATA UINT64_C(0x200000)          /* + 100000h per descriptor */
#define CORB UINT64_C(0x180000)
#define RIRB UINT64_C(0x181000)
#define POSITIONS UINT64_C(0x182000)

enum { RUN = 2, SRST = 1, IOCE = 4, FEIE = 8, DEIE = 16, BCIS = 4, FIFOE = 8, DESE = 16, FIFORDY = 32 };

typedef struct kit {
    storsim_machine_t *machine;
    uint32_t hda;
} kit_t;

typedef struct entry { uint64_t address; uint32_t length, ioc; } entry_t;

static inline storsim_machine_t *kit_machine(const storsim_host_t *host) {
    static const storsim_range_t ranges[] = {{LOW, 64u << 20, 0}, {HIGH, 16u << 20, 0}};
    const storsim_machine_config_t config = {.host = host, .ranges = ranges, .range_count = 2, .seed = 5};
    storsim_machine_t *machine = NULL;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

/* The common set-up of hda-controller §16: generic personality, F = 192 bytes everywhere. */
static inline storsim_hda_config_t kit_config(void) {
    storsim_hda_config_t config;
    storsim_hda_config_init(&config);
    config.personality = STORSIM_HDA_GENERIC;
    config.fifo_render = config.fifo_render_wide = config.fifo_capture = config.fifo_capture_wide = 192;
    return config;
}

static inline kit_t kit_make(const storsim_hda_config_t *config) {
    kit_t kit = {kit_machine(NULL), 0};
    CHECK_EQ(storsim_hda_add(kit.machine, config, &kit.hda), STORSIM_OK);
    return kit;
}

static inline uint32_t rd(kit_t *kit, uint32_t offset, uint32_t size) {
    uint64_t value = 0;
    CHECK_EQ(storsim_hda_mmio_read(kit->machine, kit->hda, offset, size, &value), STORSIM_OK);
    check_fold(value);
    return (uint32_t)value;
}

static inline void wr(kit_t *kit, uint32_t offset, uint32_t size, uint32_t value) {
    CHECK_EQ(storsim_hda_mmio_write(kit->machine, kit->hda, offset, size, value), STORSIM_OK);
}

static inline void advance(kit_t *kit, uint64_t ticks) {
    CHECK_EQ(storsim_advance(kit->machine, ticks), STORSIM_OK);
}

static inline void poke(kit_t *kit, uint64_t address, const void *data, size_t bytes) {
    CHECK_EQ(storsim_memory_write(kit->machine, address, data, bytes), STORSIM_OK);
}

static inline void peek(kit_t *kit, uint64_t address, void *data, size_t bytes) {
    CHECK_EQ(storsim_memory_read(kit->machine, address, data, bytes), STORSIM_OK);
}

static inline uint32_t peek32(kit_t *kit, uint64_t address) {
    uint8_t b[4];
    peek(kit, address, b, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline void poke32(kit_t *kit, uint64_t address, uint32_t value) {
    uint8_t b[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    poke(kit, address, b, 4);
}

/* Level of the interrupt line. */
static inline bool line(kit_t *kit) { return ss_line_get(kit->machine, storsim_hda_line(kit->machine, kit->hda)); }

/* CRST = 1, wait, codecs found. */
static inline void kit_up(kit_t *kit) {
    wr(kit, 0x08, 4, 1);
    advance(kit, FRAMES(1));
    CHECK_EQ(rd(kit, 0x08, 4) & 1, 1);
    advance(kit, FRAMES(25));
}

static inline uint32_t sd(uint32_t stream, uint32_t offset) { return 0x80 + 0x20 * stream + offset; }

static inline uint32_t write_bdl(kit_t *kit, uint64_t at, const entry_t *entries, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        poke32(kit, at + 16 * i, (uint32_t)entries[i].address);
        poke32(kit, at + 16 * i + 4, (uint32_t)(entries[i].address >> 32));
        poke32(kit, at + 16 * i + 8, entries[i].length);
        poke32(kit, at + 16 * i + 12, entries[i].ioc);
        sum += entries[i].length;
    }
    return sum;
}

/* The bytes of a list, one entry's behind the other's. */
static inline void poke_list(kit_t *kit, const entry_t *entries, uint32_t count, const uint8_t *data) {
    for (uint32_t i = 0; i < count; i++) {
        poke(kit, entries[i].address, data, entries[i].length);
        data += entries[i].length;
    }
}

/* Programs a descriptor completely, short of RUN. */
static inline void setup(kit_t *kit, uint32_t stream, uint32_t tag, uint16_t format, const entry_t *entries, uint32_t count) {
    uint64_t at = BDL + 0x1000 * stream;
    uint32_t cbl = write_bdl(kit, at, entries, count);
    wr(kit, sd(stream, 2), 1, tag << 4);
    wr(kit, sd(stream, 0x12), 2, format);
    wr(kit, sd(stream, 0x08), 4, cbl);
    wr(kit, sd(stream, 0x0C), 2, count - 1);
    wr(kit, sd(stream, 0x18), 4, (uint32_t)at);
    wr(kit, sd(stream, 0x1C), 4, (uint32_t)(at >> 32));
}

static inline void run(kit_t *kit, uint32_t stream, uint32_t enables) { wr(kit, sd(stream, 0), 1, RUN | enables); }

static inline void reset_stream(kit_t *kit, uint32_t stream) {
    wr(kit, sd(stream, 0), 1, 0);
    advance(kit, FRAMES(1));
    wr(kit, sd(stream, 0), 1, SRST);
    advance(kit, FRAMES(1));
    CHECK_EQ(rd(kit, sd(stream, 0), 1) & SRST, SRST);
    wr(kit, sd(stream, 0), 1, 0);
    advance(kit, FRAMES(1));
    CHECK_EQ(rd(kit, sd(stream, 0), 1) & SRST, 0);
}

static inline uint32_t lpib(kit_t *kit, uint32_t stream) { return rd(kit, sd(stream, 4), 4); }
static inline uint32_t status_of(kit_t *kit, uint32_t stream) { return rd(kit, sd(stream, 3), 1); }

static inline storsim_hda_position_t position(kit_t *kit, uint32_t stream) {
    storsim_hda_position_t result;
    CHECK_EQ(storsim_hda_position(kit->machine, kit->hda, stream, &result), STORSIM_OK);
    return result;
}

static inline void command(kit_t *kit, uint32_t codec, uint32_t nid, uint32_t verb) {
    uint32_t response;
    CHECK_EQ(storsim_codec_command(kit->machine, kit->hda, codec, codec << 28 | nid << 20 | verb, &response), STORSIM_OK);
}

/* Gives a converter of the ideal codec a tag and a format. */
static inline void tune(kit_t *kit, uint32_t codec, uint32_t nid, uint32_t tag, uint16_t format) {
    command(kit, codec, nid, 0x20000u | format);
    command(kit, codec, nid, 0x70600u | tag << 4);
}

static inline uint8_t *heard(kit_t *kit, uint32_t codec, uint8_t tag, uint64_t *bytes) {
    uint64_t dropped;
    CHECK_EQ(storsim_codec_played(kit->machine, kit->hda, codec, tag, NULL, bytes, &dropped), STORSIM_OK);
    uint8_t *data = malloc((size_t)*bytes + 1);
    CHECK_EQ(storsim_codec_played(kit->machine, kit->hda, codec, tag, data, bytes, &dropped), STORSIM_OK);
    CHECK_EQ(dropped, 0);
    return data;
}

/* Codec 0 heard these bytes on a tag and nothing else, in one piece or two. */
static inline void heard_both(kit_t *kit, uint8_t tag, const void *first, size_t first_bytes, const void *then, size_t then_bytes) {
    uint64_t bytes;
    uint8_t *data = heard(kit, 0, tag, &bytes);
    CHECK_EQ(bytes, first_bytes + then_bytes);
    CHECK_EQ(memcmp(data, first, first_bytes), 0);
    CHECK_EQ(memcmp(data + first_bytes, then, then_bytes), 0);
    free(data);
}

static inline void heard_is(kit_t *kit, uint8_t tag, const void *expected, size_t bytes) {
    heard_both(kit, tag, expected, bytes, "", 0);
}

static inline size_t notes(kit_t *kit, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < storsim_finding_count(kit->machine); i++) {
        const storsim_finding_t *finding = storsim_finding_get(kit->machine, i);
        CHECK_EQ(finding->kind, STORSIM_NOTE);
        count += strcmp(finding->name, name) == 0;
    }
    return count;
}

static inline void kit_end(kit_t *kit) {
    char text[200] = "";
    CHECK_EQ(storsim_check(kit->machine, text, sizeof text), 0);
    machine_pin(kit->machine);
    storsim_machine_destroy(kit->machine);
}

static inline void pattern(uint8_t *data, size_t bytes, uint32_t seed) {
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (uint8_t)(seed >> 24);
    }
}

#endif
