/* What a report about the Host Memory Buffer says: what was expected, what was there, at which address, whose, and
 * where the buffer was allocated; and at which number each limit of spec storport-memory §4.6 begins to be one. */
#include "../storport/kit.h"

enum { TAKEN_AT = 1001, USED_AT = 1002, PAGES = 1024 };

typedef struct drive {
    bench_t b;
    uint32_t device;
    uint64_t start, list_va, list_pa;
} drive_t;

static void entry(const drive_t *d, uint32_t index, uint64_t address, uint32_t units) {
    uint8_t raw[16] = {0};
    for (unsigned i = 0; i < 8; i++) {
        raw[i] = (uint8_t)(address >> (8 * i));
        raw[8 + i % 4] = (uint8_t)(units >> (8 * (i % 4)));
    }
    CHECK_EQ(storsim_write_va(d->b.m, d->list_va + 16 * (uint64_t)index, raw, sizeof raw), STORSIM_OK);
}

/* An adapter whose buffer is one range of PAGES pages, and a list that says so. */
static drive_t attach(const storsim_nvme_identify_t *identify) {
    drive_t d = {.b = boot_default()};
    d.device = storsim_adapter_device(d.b.m, d.b.adapter);
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device, identify), STORSIM_OK);
    storsim_set_site(d.b.m, TAKEN_AT);
    hmb_t hmb = hmb_take(&d.b, &(hmb_args_t){.preferred = PAGES * 4096, .count = 8});
    CHECK(hmb.result == S(SUCCESS) && hmb.count == 1);
    storsim_set_site(d.b.m, USED_AT);
    outcome_t out = dma(&d.b, 4096, 0, ALL, 0, CACHED, ANY);
    d.start = hmb.ranges[0].RangeStart;
    d.list_va = PARAM(out, 7);
    d.list_pa = PARAM(out, 8);
    entry(&d, 0, d.start, PAGES);
    return d;
}

static uint32_t set_at(const drive_t *d, uint32_t dw11, uint32_t hsize, uint64_t list, uint32_t entries) {
    const uint32_t cdw[5] = {dw11, hsize, (uint32_t)list, (uint32_t)(list >> 32), entries};
    uint32_t status = 99;
    CHECK_EQ(storsim_nvme_set_features(d->b.m, d->device, 0x0D, cdw, &status), STORSIM_OK);
    return status;
}

static uint32_t set(const drive_t *d, uint32_t dw11, uint32_t hsize, uint32_t entries) {
    return set_at(d, dw11, hsize, d->list_pa, entries);
}

/* The one finding since the last: its name and its numbers. */
static void told(drive_t *d, const char *name, uint64_t expected, uint64_t got, uint64_t address) {
    CHECK_EQ(storsim_finding_count(d->b.m), d->b.seen + 1);
    const storsim_finding_t *finding = storsim_finding_get(d->b.m, d->b.seen);
    CHECK(strcmp(finding->name, name) == 0);
    CHECK_EQ(finding->expected, expected);
    CHECK_EQ(finding->got, got);
    CHECK_EQ(finding->address, address);
    CHECK_EQ(finding->owner, d->b.adapter);
    CHECK_EQ(finding->site, USED_AT);
    CHECK_EQ(finding->allocated_at, TAKEN_AT);
    forget(&d->b);
}

static const storsim_nvme_identify_t plain = {.hmpre = PAGES};

static void test_fields_of_the_command(void) {
    const storsim_nvme_identify_t identify = {.hmpre = PAGES, .hmmin = 256, .hmmaxd = 8};
    drive_t d = attach(&identify);
    CHECK_EQ(set_at(&d, 1, PAGES, d.list_pa + 8, 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_MISALIGNED", 16, 8, d.list_pa + 8);
    CHECK_EQ(set(&d, 1, PAGES, 0), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_ENTRIES", 8, 0, d.list_pa);
    CHECK_EQ(set(&d, 1, PAGES, 9), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_ENTRIES", 8, 9, d.list_pa);
    CHECK_EQ(set(&d, 1, 255, 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_TOO_SMALL", 256 * 4096, 255 * 4096, d.list_pa);
    entry(&d, 0, d.start, 256);
    CHECK_EQ(set(&d, 1, 256, 1), STORSIM_NVME_SUCCESS); /* the least there may be */
    CHECK_EQ(set(&d, 0, 0, 0), STORSIM_NVME_SUCCESS);
    for (uint32_t i = 0; i < 8; i++) {
        entry(&d, i, d.start + (uint64_t)i * 128 * 4096, 128);
    }
    CHECK_EQ(set(&d, 1, PAGES, 8), STORSIM_NVME_SUCCESS); /* as many entries as there may be */
    CHECK_EQ(set(&d, 1, PAGES, 8), STORSIM_NVME_COMMAND_SEQUENCE_ERROR);
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    done(&d.b);
    d = attach(&plain); /* no limits of its own */
    CHECK_EQ(set(&d, 1, 0, 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_TOO_SMALL", 0, 0, d.list_pa);
    CHECK_EQ(set(&d, 1, 3, 4), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_ENTRIES", 3, 4, d.list_pa);
    uint64_t pages = storsim_memory_total_pages(d.b.m, ANY);
    CHECK_EQ(set(&d, 1, UINT32_MAX, (uint32_t)pages + 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_ENTRIES", pages, pages + 1, d.list_pa);
    for (uint32_t i = 0; i < 3; i++) {
        entry(&d, i, d.start + (uint64_t)i * 4096, 1);
    }
    CHECK_EQ(set(&d, 1, 3, 3), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    done(&d.b);
}

static void test_entries_of_the_list(void) {
    const storsim_nvme_identify_t identify = {.hmpre = PAGES, .hmminds = 2048};
    drive_t d = attach(&plain);
    CHECK_EQ(set_at(&d, 1, PAGES, GIB(3) + 4096, 1), STORSIM_NVME_DATA_TRANSFER_ERROR); /* nothing is there */
    told(&d, "HMB_LIST_UNREADABLE", 0, 0, GIB(3) + 4096);
    entry(&d, 0, d.start, PAGES - 1);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_SIZE_SUM", PAGES * 4096, (PAGES - 1) * 4096, d.list_pa);
    entry(&d, 0, d.start + 512, PAGES - 1);
    CHECK_EQ(set(&d, 1, PAGES - 1, 1), STORSIM_NVME_INVALID_FIELD);
    told(&d, "HMB_MISALIGNED", 4096, 512, d.start + 512);
    entry(&d, 0, d.start + 4096, PAGES); /* one page more than the adapter has */
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_OUTSIDE", 0, PAGES * 4096, d.start + 4096);
    CHECK_EQ(set(&d, 0, 0, 0), STORSIM_NVME_SUCCESS);
    entry(&d, 0, d.start - 4096, PAGES);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_OUTSIDE", 0, PAGES * 4096, d.start - 4096);
    done(&d.b);
    d = attach(&identify);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_ENTRY_SIZE", 2048 * 4096, PAGES * 4096, d.start);
    done(&d.b);
    const storsim_nvme_identify_t just = {.hmpre = PAGES, .hmminds = PAGES};
    d = attach(&just);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    done(&d.b);
}

/* MR = 1. The numbers are of what is compared first and differs. */
static void test_memory_return(void) {
    drive_t d = attach(&plain);
    CHECK_EQ(set(&d, 3, PAGES, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_RETURN_CHANGED", 0, PAGES, d.list_pa); /* nothing was there before */
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 3 * 4096 + 5, "ab", 2), STORSIM_OK);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(set(&d, 3, PAGES, 1), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(d.b.m, d.start + 3 * 4096 + 5, "c", 1), STORSIM_OK);
    CHECK_EQ(set(&d, 3, PAGES, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_RETURN_CHANGED", 0, 0, d.start + 3 * 4096);
    done(&d.b);
    d = attach(&plain);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    entry(&d, 4, d.start, PAGES);
    CHECK_EQ(set_at(&d, 3, PAGES, d.list_pa + 64, 1), STORSIM_NVME_SUCCESS); /* an equal list elsewhere */
    told(&d, "HMB_RETURN_CHANGED", d.list_pa, d.list_pa + 64, d.list_pa + 64);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    entry(&d, 4, d.start, PAGES / 2);
    CHECK_EQ(set_at(&d, 3, PAGES / 2, d.list_pa + 64, 1), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_RETURN_CHANGED", PAGES, PAGES / 2, d.list_pa + 64);
    done(&d.b);
}

/* What others do to the buffer and its list while it is enabled, and use of it when it is not. */
static void test_written_by_others(void) {
    drive_t d = attach(&plain);
    uint8_t byte = 0;
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 77, &byte, 1), STORSIM_STALE);
    told(&d, "HMB_NOT_ENABLED", 0, 77, 0);
    CHECK_EQ(set(&d, 1, PAGES, 1), STORSIM_NVME_SUCCESS);
    /* Pages in no order: what is remembered of each stays with it. */
    static const uint32_t order[] = {9, 1, 5, 3, 7, 5, 2};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const uint8_t number = (uint8_t)order[i];
        CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, order[i] * 4096 + 100, &number, 1), STORSIM_OK);
    }
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    static const uint32_t pages[] = {9, 7, 5, 3, 2, 1}, unknown[] = {0, 4, 6, 8, 10};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        uint64_t at = d.start + pages[i] * 4096;
        CHECK_EQ(storsim_memory_write(d.b.m, at + 200, "x", 1), STORSIM_OK);
        CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
        told(&d, "HMB_WRITTEN_WHILE_ENABLED", 0, 0, at);
        CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, pages[i] * 4096, &byte, 1), STORSIM_OK);
        told(&d, "HMB_WRITTEN_WHILE_ENABLED", 0, 0, at);
        CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK); /* told at the load, and known from then on */
        CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        CHECK_EQ(storsim_memory_write(d.b.m, d.start + unknown[i] * 4096, "x", 1), STORSIM_OK);
        CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, unknown[i] * 4096, &byte, 1), STORSIM_OK);
        CHECK_EQ(byte, 'x');
    }
    CHECK_EQ(storsim_finding_count(d.b.m), d.b.seen);
    entry(&d, 0, d.start, PAGES - 1);
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    told(&d, "HMB_WRITTEN_WHILE_ENABLED", 0, 0, d.list_pa);
    CHECK_EQ(set(&d, 0, 0, 0), STORSIM_NVME_SUCCESS);
    told(&d, "HMB_WRITTEN_WHILE_ENABLED", 0, 0, d.list_pa);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 5, "a", 1), STORSIM_STALE);
    told(&d, "HMB_NOT_ENABLED", 0, 5, d.list_pa);
    done(&d.b);
}

/* An adapter without a buffer: the report says so with site 0. */
static void test_no_buffer(void) {
    bench_t b = boot_default();
    uint32_t device = storsim_adapter_device(b.m, b.adapter);
    uint8_t byte;
    CHECK_EQ(storsim_nvme_attach(b.m, device, &plain), STORSIM_OK);
    storsim_set_site(b.m, USED_AT);
    CHECK_EQ(storsim_nvme_hmb_read(b.m, device, 5, &byte, 1), STORSIM_STALE);
    CHECK_EQ(found(&b, "HMB_NOT_ENABLED"), 1);
    CHECK_EQ(storsim_finding_get(b.m, b.seen)->allocated_at, 0);
    done(&b);
}

static void test_identify(void) {
    bench_t b = boot_default();
    uint32_t device = storsim_adapter_device(b.m, b.adapter);
    storsim_nvme_identify_t identify = {.hmpre = 256, .hmmin = 257};
    CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_INVALID);
    identify = (storsim_nvme_identify_t){.hmpre = 256, .memory_page_shift = 11};
    CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_INVALID);
    identify.memory_page_shift = 28;
    CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_INVALID);
    CHECK(!storsim_nvme_attached(b.m, device));
    for (uint32_t shift = 12; shift <= 27; shift += 15) {
        identify = (storsim_nvme_identify_t){.hmpre = 256, .hmmin = 256, .memory_page_shift = shift};
        CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_OK);
        CHECK(storsim_nvme_attached(b.m, device) && !storsim_nvme_attached(b.m, device + 1));
        CHECK(!storsim_nvme_enabled(b.m, device));
        storsim_nvme_detach(b.m, device);
        CHECK(!storsim_nvme_attached(b.m, device));
    }
    done(&b);
}

int main(void) {
    test_fields_of_the_command();
    test_entries_of_the_list();
    test_memory_return();
    test_written_by_others();
    test_no_buffer();
    test_identify();
    return CHECK_PINNED(nvme_test_reports);
}
