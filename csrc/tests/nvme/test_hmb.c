/* The device side of the Host Memory Buffer: cases C50 and C51, and every check of spec storport-memory §4.6. */
#include "../storport/kit.h"

typedef struct drive {
    bench_t b;
    uint32_t device;
    hmb_t hmb;
    uint64_t list_va, list_pa;
    storsim_nvme_identify_t identify;
} drive_t;

static void put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void entry(drive_t *d, uint32_t index, uint64_t address, uint64_t units) {
    uint8_t raw[16] = {0};
    put(raw, address, 8);
    put(raw + 8, units, 4);
    CHECK_EQ(storsim_write_va(d->b.m, d->list_va + 16 * index, raw, sizeof raw), STORSIM_OK);
}

static drive_t attach(const setup_t *setup, const storsim_nvme_identify_t *identify, uint64_t bytes) {
    drive_t d = {.b = boot(setup), .identify = *identify};
    d.device = storsim_adapter_device(d.b.m, d.b.adapter);
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device, identify), STORSIM_OK);
    uint64_t alignment = identify->memory_page_shift != 0 ? UINT64_C(1) << identify->memory_page_shift : 0;
    d.hmb = hmb_take(&d.b, &(hmb_args_t){.preferred = bytes, .alignment = alignment, .count = 8});
    CHECK_EQ(d.hmb.result, S(SUCCESS));
    outcome_t out = dma(&d.b, 4096, 0, ALL, 0, CACHED, ANY);
    d.list_va = PARAM(out, 7);
    d.list_pa = PARAM(out, 8);
    for (uint32_t i = 0; i < d.hmb.count; i++) {
        entry(&d, i, d.hmb.ranges[i].RangeStart, d.hmb.ranges[i].RangeLength / 4096);
    }
    forget(&d.b);
    return d;
}

static const storsim_nvme_identify_t plain = {.hmpre = 1024, .hmmin = 256, .hmmaxd = 8};

static drive_t attach_default(void) {
    setup_t setup = defaults();
    return attach(&setup, &plain, MIB(4));
}

static storsim_status_t set(drive_t *d, uint32_t dw11, uint32_t hsize, uint64_t list, uint32_t entries, uint32_t *status) {
    const uint32_t cdw[5] = {dw11, hsize, (uint32_t)list, (uint32_t)(list >> 32), entries};
    return storsim_nvme_set_features(d->b.m, d->device, 0x0D, cdw, status);
}

/* The command as a correct driver sends it. */
static uint32_t enable(drive_t *d, uint32_t dw11) {
    uint32_t status = 99;
    CHECK_EQ(set(d, dw11, (uint32_t)(hmb_total(&d->hmb) / 4096), d->list_pa, (uint32_t)d->hmb.count, &status), STORSIM_OK);
    return status;
}

static uint32_t disable(drive_t *d) {
    uint32_t status = 99;
    CHECK_EQ(set(d, 0, 0, 0, 0, &status), STORSIM_OK);
    return status;
}

static void test_life(void) {
    drive_t d = attach_default();
    storsim_nvme_features_t features;
    uint32_t status;
    uint8_t bytes[10000], back[10000];
    CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
    CHECK(storsim_nvme_enabled(d.b.m, d.device) && storsim_nvme_attached(d.b.m, d.device));
    CHECK_EQ(enable(&d, 1), STORSIM_NVME_COMMAND_SEQUENCE_ERROR);
    CHECK_EQ(storsim_nvme_get_features(d.b.m, d.device, 0x0D, &features, &status), STORSIM_OK);
    CHECK(features.enabled && features.hsize == 1024 && features.list == d.list_pa && features.entries == d.hmb.count);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31 + 5);
    }
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 5000, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 5000, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(bytes, back, sizeof bytes) == 0);
    uint64_t address, left;
    CHECK(storsim_nvme_hmb_at(d.b.m, d.device, 5000, &address, &left));
    CHECK(address == d.hmb.ranges[0].RangeStart + 5000 && left == d.hmb.ranges[0].RangeLength - 5000);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, MIB(4) - 1, back, 2), STORSIM_INVALID);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, ALL, back, 2), STORSIM_INVALID);
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(disable(&d), STORSIM_NVME_SUCCESS);
    CHECK_EQ(disable(&d), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_nvme_get_features(d.b.m, d.device, 0x0D, &features, &status), STORSIM_OK);
    CHECK(!features.enabled && features.hsize == 0 && status == STORSIM_NVME_SUCCESS);
    CHECK_EQ(violations(&d.b), 0);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, back, 1), STORSIM_STALE);
    CHECK_EQ(found(&d.b, "HMB_NOT_ENABLED"), 1);
    EXPECT(hmb_free(&d.b, d.hmb.ranges, (uint32_t)d.hmb.count), S(SUCCESS));
    CHECK_EQ(found(&d.b, "HMB_FREED_WHILE_ENABLED"), 0);
    done(&d.b);
}

/* C50: freed while enabled; then the device reaches for it. */
static void test_C50(void) {
    for (int remap = 0; remap < 2; remap++) {
        setup_t setup = defaults();
        setup.adapter.dma_remapping = remap;
        drive_t d = attach(&setup, &plain, MIB(4));
        uint8_t byte;
        CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
        EXPECT(hmb_free(&d.b, d.hmb.ranges, (uint32_t)d.hmb.count), S(SUCCESS));
        CHECK_EQ(found(&d.b, "HMB_FREED_WHILE_ENABLED"), 1);
        storsim_status_t status = storsim_nvme_hmb_read(d.b.m, d.device, 100, &byte, 1);
        if (remap) {
            CHECK_EQ(status, STORSIM_BUGCHECK);
            CHECK_STOPPED(&d.b, 0xE6, 0x26);
            CHECK_EQ(storsim_stopped(d.b.m)->parameters[2], d.hmb.ranges[0].RangeStart + 100);
        } else {
            CHECK_EQ(status, STORSIM_OK);
            CHECK_EQ(found(&d.b, "DEVICE_DMA_TO_FREED"), 1);
        }
        done(&d.b);
    }
}

/* C51: reset, then the same memory again; and every way in which it may not be the same. */
static void test_C51(void) {
    for (int way = 0; way < 7; way++) {
        drive_t d = attach_default();
        uint8_t bytes[5000] = {1, 2, 3}, back[5000] = {0};
        uint32_t status, pages = (uint32_t)(MIB(4) / 4096), entries = (uint32_t)d.hmb.count;
        uint64_t list = d.list_pa;
        if (way != 5) {
            CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
            CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 4000, bytes, sizeof bytes), STORSIM_OK);
        }
        CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
        CHECK(!storsim_nvme_enabled(d.b.m, d.device));
        CHECK_EQ(violations(&d.b), 0);
        if (way == 1) { /* another address of an equal list */
            uint8_t raw[16];
            CHECK_EQ(storsim_read_va(d.b.m, d.list_va, raw, 16), STORSIM_OK);
            CHECK_EQ(storsim_write_va(d.b.m, d.list_va + 64, raw, 16), STORSIM_OK);
            list += 64;
        } else if (way == 2) { /* one entry cut in two */
            entry(&d, 0, d.hmb.ranges[0].RangeStart, pages / 2);
            entry(&d, 1, d.hmb.ranges[0].RangeStart + MIB(2), pages / 2);
            entries = 2;
        } else if (way == 3) { /* another size */
            pages /= 2;
            entry(&d, 0, d.hmb.ranges[0].RangeStart, pages);
        } else if (way == 4) { /* other contents */
            CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + 4001, "x", 1), STORSIM_OK);
        } else if (way == 6) { /* MR = 0: fresh memory, anything goes */
            CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + 4001, "x", 1), STORSIM_OK);
        }
        CHECK_EQ(set(&d, way == 6 ? 1 : 3, pages, list, entries, &status), STORSIM_OK);
        CHECK_EQ(status, STORSIM_NVME_SUCCESS);
        CHECK_EQ(found(&d.b, "HMB_RETURN_CHANGED"), way == 0 || way == 6 ? 0 : 1);
        if (way == 0) {
            CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 4000, back, sizeof back), STORSIM_OK);
            CHECK(memcmp(bytes, back, sizeof bytes) == 0);
            CHECK_EQ(violations(&d.b), 0);
        }
        done(&d.b);
    }
}

/* One wrong thing at a time, what the controller answers, and what is recorded. */
/* Bytes that lie in several descriptors, in the order of the list; exactly as many as were asked for. */
static void test_pieces(void) {
    drive_t d = attach_default();
    static uint8_t bytes[5 * 4096], back[5 * 4096];
    uint32_t status, pages = (uint32_t)(MIB(4) / 4096);
    const uint64_t start = d.hmb.ranges[0].RangeStart, at[] = {start + 3 * 4096, start + 4096, start + 2 * 4096, start};
    for (uint32_t i = 0; i < 4; i++) {
        entry(&d, i, at[i], 1);
    }
    entry(&d, 4, start + 4 * 4096, pages - 4);
    CHECK_EQ(set(&d, 1, pages, d.list_pa, 5, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31 / 7 + i / 256);
    }
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, bytes, sizeof bytes), STORSIM_OK);
    for (size_t offset = 0; offset < 4096; offset += 1365) {
        for (size_t count = 1; offset + count < sizeof back; count += 2731) {
            memset(back, 0xEE, sizeof back);
            CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, offset, back, count), STORSIM_OK);
            CHECK_EQ(memcmp(back, bytes + offset, count), 0);
            for (size_t i = count; i < sizeof back; i++) {
                CHECK_EQ(back[i], 0xEE);
            }
        }
    }
    for (uint32_t i = 0; i < 4; i++) { /* and where the list says */
        CHECK_EQ(storsim_memory_read(d.b.m, at[i], back, 4096), STORSIM_OK);
        CHECK_EQ(memcmp(back, bytes + 4096 * i, 4096), 0);
    }
    done(&d.b);
}

static void test_checks(void) {
    static const struct { const char *name; uint32_t status; } rows[] = {
        {"HMB_OUTSIDE", STORSIM_NVME_SUCCESS},        {"HMB_SIZE_SUM", STORSIM_NVME_INVALID_FIELD},
        {"HMB_ENTRIES", STORSIM_NVME_INVALID_FIELD},  {"HMB_ENTRIES", STORSIM_NVME_INVALID_FIELD},
        {"HMB_ENTRY_SIZE", STORSIM_NVME_SUCCESS},     {"HMB_MISALIGNED", STORSIM_NVME_INVALID_FIELD},
        {"HMB_MISALIGNED", STORSIM_NVME_INVALID_FIELD}, {"HMB_TOO_SMALL", STORSIM_NVME_INVALID_FIELD},
        {"HMB_LIST_UNREADABLE", STORSIM_NVME_DATA_TRANSFER_ERROR}, {"HMB_TOO_SMALL", STORSIM_NVME_INVALID_FIELD}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup_t setup = defaults();
        storsim_nvme_identify_t identify = plain;
        identify.hmminds = i == 4 ? 2048 : 0;
        drive_t d = attach(&setup, &identify, MIB(4));
        uint32_t status = 99, pages = 1024, entries = 1;
        uint64_t list = d.list_pa, start = d.hmb.ranges[0].RangeStart;
        CHECK_EQ(d.hmb.count, 1);
        switch (i) {
        case 0: entry(&d, 0, start + 4096, 1024); break;
        case 1: entry(&d, 0, start, 1023); break;
        case 2: entries = 9; break;
        case 3: entries = 0; break;
        case 5: entry(&d, 0, start + 512, 1024); break;
        case 6: list += 8; break;
        case 7: pages = 255; break;
        case 8: list = GIB(3) + 4096; break;
        case 9: pages = 0; break;
        default: break;
        }
        CHECK_EQ(set(&d, 1, pages, list, entries, &status), STORSIM_OK);
        CHECK_EQ(status, rows[i].status);
        CHECK(found(&d.b, rows[i].name) == 1);
        CHECK_EQ(storsim_nvme_enabled(d.b.m, d.device), rows[i].status == STORSIM_NVME_SUCCESS);
        done(&d.b);
    }
}

/* While enabled nobody else writes: noticed at the next use, on disable, on reset, and on demand. */
static void test_written(void) {
    for (int way = 0; way < 5; way++) {
        drive_t d = attach_default();
        uint8_t byte = 7;
        CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
        CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 9000, &byte, 1), STORSIM_OK);
        if (way == 4) {
            CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + 9001, "z", 1), STORSIM_OK);
            CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 9000, &byte, 1), STORSIM_OK);
        } else {
            entry(&d, 0, d.hmb.ranges[0].RangeStart, 1023);
            if (way == 0) {
                CHECK_EQ(disable(&d), STORSIM_NVME_SUCCESS);
            } else if (way == 1) {
                CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
            } else {
                CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
            }
        }
        CHECK_EQ(found(&d.b, "HMB_WRITTEN_WHILE_ENABLED"), 1);
        done(&d.b);
    }
}

/* The device's plain DMA into the buffer is the controller's use of it; outside enabling it is a violation. */
static void test_plain_dma(void) {
    drive_t d = attach_default();
    uint64_t start = d.hmb.ranges[0].RangeStart;
    uint8_t byte = 0;
    CHECK_EQ(storsim_adapter_dma_write(d.b.m, d.b.adapter, start + 5, "q", 1), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_NOT_ENABLED"), 1);
    CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
    forget(&d.b);
    CHECK_EQ(storsim_adapter_dma_write(d.b.m, d.b.adapter, start + 5, "r", 1), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 5, &byte, 1), STORSIM_OK);
    CHECK(byte == 'r' && violations(&d.b) == 0);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(d.b.m, start + 5, "s", 1), STORSIM_OK);
    CHECK_EQ(enable(&d, 3), STORSIM_NVME_SUCCESS);
    CHECK_EQ(found(&d.b, "HMB_RETURN_CHANGED"), 1);
    done(&d.b);
}

static void test_units_and_answers(void) {
    setup_t setup = defaults();
    storsim_nvme_identify_t identify = {.hmpre = 1024, .hmmin = 256, .memory_page_shift = 16}; /* CC.MPS 64 KiB */
    drive_t d = attach(&setup, &identify, MIB(4));
    uint32_t status;
    entry(&d, 0, d.hmb.ranges[0].RangeStart, MIB(4) >> 16);
    CHECK_EQ(set(&d, 1, MIB(4) >> 16, d.list_pa, 1, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_nvme_set_features(d.b.m, d.device, 0x07, (const uint32_t[5]){0}, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device, &identify), STORSIM_INVALID);
    identify.hmmin = 2000;
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device + 5, &identify), STORSIM_INVALID);
    CHECK_EQ(storsim_nvme_set_features(d.b.m, 77, 0x0D, (const uint32_t[5]){0}, &status), STORSIM_STALE);
    CHECK_EQ(storsim_nvme_reset(d.b.m, 77), STORSIM_STALE);
    CHECK_EQ(storsim_nvme_verify(d.b.m, 77), STORSIM_STALE);
    done(&d.b);
    identify = (storsim_nvme_identify_t){.hmpre = 0};
    d = attach(&setup, &identify, MIB(4));
    CHECK_EQ(enable(&d, 1), STORSIM_NVME_INVALID_FIELD); /* the drive has no such feature */
    done(&d.b);
}

static void test_strict(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_STRICT;
    drive_t d = attach(&setup, &plain, MIB(4));
    uint32_t status = 99;
    entry(&d, 0, d.hmb.ranges[0].RangeStart + 4096, 1024);
    CHECK_EQ(set(&d, 1, 1024, d.list_pa, 1, &status), STORSIM_VIOLATION); /* carried out, then raised */
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    CHECK(storsim_nvme_enabled(d.b.m, d.device));
    done(&d.b);
}

static void test_removal_and_snapshot(void) {
    drive_t d = attach_default();
    uint8_t *bytes, byte = 0;
    size_t length, first, count;
    uint64_t before, after;
    CHECK_EQ(enable(&d, 1), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 5, "ab", 2), STORSIM_OK);
    CHECK_EQ(storsim_digest(d.b.m, &before), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(d.b.m, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(storsim_restore(d.b.m, bytes, length, NULL), STORSIM_OK);
    CHECK_EQ(storsim_digest(d.b.m, &after), STORSIM_OK);
    CHECK_EQ(before, after);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 6, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 'b');
    storsim_snapshot_free(d.b.m, bytes);
    EXPECT(CALL(&d.b, FreeDmaMemory, d.list_va, 4096, CACHED, d.list_pa), S(SUCCESS));
    forget(&d.b);
    CHECK_EQ(storsim_adapter_remove(d.b.m, d.b.adapter, &first, &count), STORSIM_OK); /* kept across removal: a leak */
    CHECK(count == 1 && found(&d.b, "HMB_LEAK") == 1);
    CHECK(!storsim_nvme_attached(d.b.m, d.device));
    done(&d.b);
}

int main(void) {
    test_life();
    test_C50();
    test_C51();
    test_pieces();
    test_checks();
    test_written();
    test_plain_dma();
    test_units_and_answers();
    test_strict();
    test_removal_and_snapshot();
    return CHECK_PINNED(nvme_test_hmb);
}
