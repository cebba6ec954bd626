/* The edges of the controller model: machines without a kernel, buffers of several descriptors, hosts without memory,
 * stopped machines, and states no snapshot may bring back. */
#include "../storport/kit.h"

#include "nvme/nvme_i.h"

#include <stdlib.h>

/* Two runs of memory, so that a buffer has two descriptors. */
typedef struct drive {
    bench_t b;
    uint32_t device;
    hmb_t hmb;
    uint64_t list_va, list_pa;
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

static drive_t attach(setup_t setup, const storsim_nvme_identify_t *identify) {
    static storsim_range_t ranges[4];
    const uint64_t mib[] = {2, 2};
    setup.ranges = ranges;
    setup.range_count = runs_of(ranges, mib, 2);
    drive_t d = {.b = boot(&setup)};
    d.device = storsim_adapter_device(d.b.m, d.b.adapter);
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device, identify), STORSIM_OK);
    d.hmb = hmb_take(&d.b, &(hmb_args_t){.preferred = MIB(4), .low = GIB(1), .count = 8});
    CHECK_EQ(d.hmb.result, S(SUCCESS));
    CHECK_EQ(d.hmb.count, 2);
    outcome_t out = dma(&d.b, 4096, 0, ALL, 0, CACHED, ANY);
    d.list_va = PARAM(out, 7);
    d.list_pa = PARAM(out, 8);
    for (uint32_t i = 0; i < 2; i++) {
        entry(&d, i, d.hmb.ranges[i].RangeStart, d.hmb.ranges[i].RangeLength / 4096);
    }
    forget(&d.b);
    return d;
}

static const storsim_nvme_identify_t plain = {.hmpre = 1024};

static storsim_status_t set(drive_t *d, uint32_t dw11, uint32_t hsize, uint32_t entries, uint32_t *status) {
    const uint32_t cdw[5] = {dw11, hsize, (uint32_t)d->list_pa, (uint32_t)(d->list_pa >> 32), entries};
    return storsim_nvme_set_features(d->b.m, d->device, 0x0D, cdw, status);
}

static void enable(drive_t *d) {
    uint32_t status = 99;
    CHECK_EQ(set(d, 1, (uint32_t)(hmb_total(&d->hmb) / 4096), 2, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
}

/* Without a limit of the controller's own, HSIZE is one: the host is not asked for the memory of a list that cannot be
 * right. */
static void test_a_list_longer_than_the_buffer(void) {
    drive_t d = attach(defaults(), &plain);
    uint32_t status = 99, pages = (uint32_t)(hmb_total(&d.hmb) / 4096);
    CHECK_EQ(set(&d, 1, pages, pages + 1, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(set(&d, 1, UINT32_MAX, UINT32_MAX, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    forget(&d.b);
    enable(&d);
    done(&d.b);
}

/* A controller on a machine that knows no kernel: faults have nobody to be reported to, commands go on as the
 * controller sees them. */
static void test_without_a_kernel(void) {
    const storsim_range_t ranges[] = {{0x1000, 0x100000, 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 1};
    storsim_machine_t *m;
    ss_device_t device;
    uint32_t status = 99;
    uint64_t value;
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    CHECK(!storsim_nvme_attached(m, 1) && !storsim_nvme_enabled(m, 1));
    storsim_nvme_detach(m, 1);
    CHECK(!storsim_nvme_hmb_at(m, 1, 0, &value, &value) && !storsim_nvme_hmb_offset(m, 1, 0, 1, &value));
    CHECK_EQ(ss_bus_add_device(m, false, true, &device), STORSIM_OK);
    CHECK_EQ(storsim_nvme_attach(m, 0, &plain), STORSIM_INVALID);
    CHECK_EQ(storsim_nvme_attach(m, device, &plain), STORSIM_OK);
    storsim_nvme_detach(m, device + 1);
    CHECK(storsim_nvme_attached(m, device));
    uint8_t list[16] = {0};
    put(list, 0x2000, 8);
    put(list + 8, 4, 4);
    CHECK_EQ(storsim_memory_write(m, 0x1000, list, sizeof list), STORSIM_OK);
    const uint32_t no_entries[5] = {1, 4, 0x1000, 0, 0}, right[5] = {1, 4, 0x1000, 0, 1};
    CHECK_EQ(storsim_nvme_set_features(m, device, 0x0D, no_entries, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(storsim_nvme_set_features(m, device, 0x0D, right, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    static const storsim_nvme_hooks_t nobody = {0};
    CHECK_EQ(storsim_nvme_set_hooks(m, &nobody), STORSIM_OK);
    CHECK_EQ(storsim_nvme_reset(m, device), STORSIM_OK);
    CHECK_EQ(storsim_nvme_set_features(m, device, 0x0D, no_entries, &status), STORSIM_OK);
    CHECK_EQ(storsim_nvme_set_features(m, device, 0x0D, right, &status), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(m), 0);
    storsim_nvme_detach(m, device);
    CHECK(!storsim_nvme_attached(m, device));
    storsim_machine_destroy(m);
}

static void test_two_descriptors(void) {
    drive_t d = attach(defaults(), &plain);
    uint64_t first = d.hmb.ranges[0].RangeLength, address, left, offset;
    uint8_t bytes[8192], back[8192];
    CHECK(!storsim_nvme_hmb_at(d.b.m, d.device, 0, &address, &left));
    CHECK(!storsim_nvme_hmb_offset(d.b.m, d.device, d.hmb.ranges[0].RangeStart, 1, &offset));
    enable(&d);
    CHECK(storsim_nvme_hmb_at(d.b.m, d.device, first + 5, &address, &left));
    CHECK(address == d.hmb.ranges[1].RangeStart + 5 && left == d.hmb.ranges[1].RangeLength - 5);
    CHECK(!storsim_nvme_hmb_at(d.b.m, d.device, hmb_total(&d.hmb), &address, &left));
    CHECK(storsim_nvme_hmb_offset(d.b.m, d.device, d.hmb.ranges[1].RangeStart + 7, 10, &offset));
    CHECK_EQ(offset, first + 7);
    CHECK(!storsim_nvme_hmb_offset(d.b.m, d.device, d.hmb.ranges[1].RangeStart, first + 1, &offset));
    CHECK(!storsim_nvme_hmb_offset(d.b.m, d.device, d.hmb.ranges[1].RangeStart + first - 4, 10, &offset));
    CHECK(!storsim_nvme_hmb_offset(d.b.m, d.device, 0x1000, 10, &offset));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 13 + 1);
    }
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, first - 4096, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, first - 4096, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(bytes, back, sizeof back) == 0);
    /* Pages it did not write before and after those it did: nothing is known of them, nothing is said of them. */
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, first - 8192, back, sizeof back), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, first + 8192, back, 10), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 100, bytes, 10), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 200, bytes, 10), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, back, 0), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, bytes, 0), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, hmb_total(&d.hmb) + 1, back, 0), STORSIM_INVALID);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, hmb_total(&d.hmb) - 5, bytes, 6), STORSIM_INVALID);
    CHECK_EQ(violations(&d.b), 0);
    /* Two pages changed by others in one read are two findings, each once. */
    CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + first - 100, "x", 1), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[1].RangeStart + 100, "x", 1), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, first - 4096, back, sizeof back), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_WRITTEN_WHILE_ENABLED"), 2);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, first - 4096, back, sizeof back), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_WRITTEN_WHILE_ENABLED"), 2);
    /* Returned smaller than before: what was written beyond its end cannot be as it was. */
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    uint32_t status;
    CHECK_EQ(set(&d, 3, 512, 1, &status), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_RETURN_CHANGED"), 1);
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_WRITTEN_WHILE_ENABLED"), 3);
    done(&d.b);
}

/* Every descriptor is wrong in the same way: told once. */
static void test_each_fault_once(void) {
    storsim_nvme_identify_t identify = {.hmpre = 1024, .hmminds = 4096};
    drive_t d = attach(defaults(), &identify);
    uint32_t status;
    entry(&d, 0, GIB(8) + 512, 512);
    entry(&d, 1, GIB(9) + 512, 512);
    CHECK_EQ(set(&d, 1, 1024, 2, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(found(&d.b, "HMB_MISALIGNED"), 1);
    CHECK_EQ(found(&d.b, "HMB_OUTSIDE"), 1);
    CHECK_EQ(found(&d.b, "HMB_ENTRY_SIZE"), 1);
    CHECK_EQ(set(&d, 1, 0, 2, &status), STORSIM_OK); /* no least size, and yet no size at all */
    CHECK_EQ(found(&d.b, "HMB_TOO_SMALL"), 1);
    done(&d.b);
}

/* Sizes beyond all reason: their sum does not wrap, and what would need more host memory than there is answers
 * NO_MEMORY. */
static void test_huge(void) {
    storsim_nvme_identify_t identify = {.hmpre = 1024, .memory_page_shift = 27};
    drive_t d = attach(defaults(), &identify);
    uint32_t status;
    uint8_t byte = 0;
    for (uint32_t i = 0; i < 64; i++) {
        entry(&d, i, GIB(8), UINT32_MAX);
    }
    CHECK_EQ(set(&d, 1, UINT32_MAX, 64, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(found(&d.b, "HMB_SIZE_SUM"), 1);
    CHECK_EQ(set(&d, 1, UINT32_MAX, 1, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
#if SIZE_MAX > UINT32_MAX
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, &byte, (size_t)1 << 45), STORSIM_NO_MEMORY);
#endif
    /* Descriptors may lie where there is no memory: the controller's accesses find none. */
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, &byte, 1), STORSIM_NOT_RAM);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, &byte, 1), STORSIM_NOT_RAM);
    done(&d.b);
}

static void test_get_features(void) {
    drive_t d = attach(defaults(), &plain);
    storsim_nvme_features_t features = {.hsize = 5};
    uint32_t status;
    CHECK_EQ(storsim_nvme_get_features(d.b.m, d.device, 0x0D, &features, &status), STORSIM_OK);
    CHECK(status == STORSIM_NVME_SUCCESS && !features.enabled && features.hsize == 0);
    CHECK_EQ(storsim_nvme_get_features(d.b.m, d.device, 0x07, &features, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    CHECK_EQ(storsim_nvme_get_features(d.b.m, 99, 0x0D, &features, &status), STORSIM_STALE);
    done(&d.b);
    storsim_nvme_identify_t none = {.hmpre = 0};
    d = attach(defaults(), &none);
    CHECK_EQ(storsim_nvme_get_features(d.b.m, d.device, 0x0D, &features, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_INVALID_FIELD);
    done(&d.b);
}

/* At strict what is found is raised, after the command was carried out. */
static void test_strict(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_STRICT;
    drive_t d = attach(setup, &plain);
    uint32_t status = 99;
    uint8_t bytes[8192] = {1};
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, bytes, 1), STORSIM_VIOLATION); /* not enabled */
    for (int way = 0; way < 2; way++) {
        enable(&d);
        entry(&d, 0, d.hmb.ranges[0].RangeStart, 511);
        CHECK_EQ(way == 0 ? set(&d, 0, 0, 0, &status) : storsim_nvme_reset(d.b.m, d.device), STORSIM_VIOLATION);
        CHECK(!storsim_nvme_enabled(d.b.m, d.device));
        entry(&d, 0, d.hmb.ranges[0].RangeStart, 512);
    }
    enable(&d);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + 5, "x", 1), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(d.b.m, d.hmb.ranges[0].RangeStart + 5000, "x", 1), STORSIM_OK);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, bytes, sizeof bytes), STORSIM_VIOLATION);
    CHECK(bytes[5] == 'x' && bytes[5000] == 'x');
    done(&d.b);
}

static void test_stopped(void) {
    drive_t d = attach(defaults(), &plain);
    uint32_t status = 99;
    uint8_t byte;
    enable(&d);
    uint64_t va = pool(&d.b, 100);
    EXPECT(CALL(&d.b, FreePool, va), S(SUCCESS));
    CHECK_EQ(CALL(&d.b, FreePool, va).status, STORSIM_BUGCHECK);
    CHECK_EQ(storsim_nvme_attach(d.b.m, d.device + 1, &plain), STORSIM_STOPPED);
    CHECK_EQ(set(&d, 0, 0, 0, &status), STORSIM_STOPPED);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_STOPPED);
    CHECK_EQ(storsim_nvme_hmb_read(d.b.m, d.device, 0, &byte, 1), STORSIM_STOPPED);
    CHECK(status == 99 && storsim_nvme_enabled(d.b.m, d.device));
    storsim_machine_destroy(d.b.m);
}

/* Returned with its descriptors in another order: another list. */
static void test_other_order(void) {
    drive_t d = attach(defaults(), &plain);
    uint32_t status;
    enable(&d);
    CHECK_EQ(storsim_nvme_reset(d.b.m, d.device), STORSIM_OK);
    entry(&d, 0, d.hmb.ranges[1].RangeStart, d.hmb.ranges[1].RangeLength / 4096);
    entry(&d, 1, d.hmb.ranges[0].RangeStart, d.hmb.ranges[0].RangeLength / 4096);
    CHECK_EQ(set(&d, 3, (uint32_t)(hmb_total(&d.hmb) / 4096), 2, &status), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_RETURN_CHANGED"), 1);
    done(&d.b);
}

/* A list across a page boundary; then list or buffer is freed while the controller may use it: an IOMMU stops it, and
 * the change is noticed. */
static void test_gone(bool list) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    drive_t d = attach(setup, &plain);
    uint8_t byte = 1;
    outcome_t out = dma(&d.b, 8192, 0, ALL, 0, CACHED, ANY);
    d.list_va = PARAM(out, 7) + 4080;
    d.list_pa = PARAM(out, 8) + 4080;
    for (uint32_t i = 0; i < 2; i++) {
        entry(&d, i, d.hmb.ranges[i].RangeStart, d.hmb.ranges[i].RangeLength / 4096);
    }
    enable(&d);
    CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, &byte, 1), STORSIM_OK);
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(violations(&d.b), 0);
    if (list) {
        EXPECT(CALL(&d.b, FreeDmaMemory, PARAM(out, 7), 8192, CACHED, PARAM(out, 8)), S(SUCCESS));
    } else {
        EXPECT(hmb_free(&d.b, d.hmb.ranges, 2), S(SUCCESS));
    }
    forget(&d.b);
    CHECK_EQ(storsim_nvme_verify(d.b.m, d.device), STORSIM_OK);
    CHECK_EQ(found(&d.b, "HMB_WRITTEN_WHILE_ENABLED"), 1);
    done(&d.b);
}

/* Every host allocation of a life fails in turn, restoring it included: NO_MEMORY, and the same call does its work
 * afterwards. */
static failing_host_t host;

static unsigned long life(unsigned long fail_at) {
    const storsim_host_t hook = FAILING_HOOK(&host);
    setup_t setup = defaults();
    setup.host = &hook;
    host = (failing_host_t){0};
    drive_t d = attach(setup, &plain);
    storsim_nvme_detach(d.b.m, d.device);
    uint8_t *bytes, byte = 7;
    size_t length;
    uint32_t status;
    unsigned long failures = 0;
    host.requests = 0;
    host.fail_at = fail_at;
#define STEP(call)                                                  \
    do {                                                            \
        storsim_status_t step_ = (call);                            \
        if (step_ == STORSIM_NO_MEMORY) {                           \
            failures++;                                             \
            step_ = (call);                                         \
        }                                                           \
        CHECK_EQ(step_, STORSIM_OK);                                \
    } while (0)
    for (uint32_t i = 0; i < 20; i++) { /* more controllers than the list holds at first */
        STEP(storsim_nvme_attach(d.b.m, d.device + i, &plain));
    }
    STEP(set(&d, 1, (uint32_t)(hmb_total(&d.hmb) / 4096), 2, &status));
    STEP(storsim_nvme_hmb_write(d.b.m, d.device, 4090, &byte, 1));
    STEP(storsim_nvme_verify(d.b.m, d.device));
    STEP(storsim_snapshot(d.b.m, &bytes, &length));
    STEP(set(&d, 0, 0, 0, &status));
    STEP(storsim_restore(d.b.m, bytes, length, NULL));
    STEP(storsim_nvme_reset(d.b.m, d.device));
#undef STEP
    CHECK_EQ(failures, fail_at != 0 && fail_at <= host.requests - failures ? 1 : failures);
    storsim_snapshot_free(d.b.m, bytes);
    unsigned long requests = host.requests;
    done(&d.b);
    CHECK_EQ(host.live, 0);
    return requests;
}

static void test_host(void) {
    unsigned long total = life(0);
    CHECK(total > 10);
    for (unsigned long at = 1; at <= total; at++) {
        (void)life(at);
    }
    /* The room itself: a machine without one asks for it first. */
    const storsim_host_t hook = FAILING_HOOK(&host);
    const storsim_range_t ranges[] = {{0x1000, 0x100000, 0}};
    const storsim_machine_config_t config = {.host = &hook, .ranges = ranges, .range_count = 1};
    storsim_machine_t *m;
    host = (failing_host_t){0};
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    host.requests = 0;
    host.fail_at = 1;
    CHECK_EQ(storsim_nvme_attach(m, 1, &plain), STORSIM_NO_MEMORY);
    CHECK(!storsim_nvme_attached(m, 1));
    CHECK_EQ(storsim_nvme_attach(m, 1, &plain), STORSIM_OK);
    storsim_machine_destroy(m);
    CHECK_EQ(host.live, 0);
}

/* States that cannot come about: a snapshot of one is refused, and the check names it. */
static void spoil(nvme_room_t *room, int way) {
    nvme_controller_t *c = room->list[0];
    switch (way) {
    case 0: c->identify.memory_page_shift = 11; break;
    case 1: c->identify.memory_page_shift = 28; break;
    case 2: c->device = 0; break;
    case 3: c->total++; break;
    case 4: c->written[1].page = c->written[0].page; break;
    default: break;
    }
}

static void test_spoilt(void) {
    for (int way = 0; way <= 5; way++) {
        drive_t d = attach(defaults(), &plain);
        uint8_t *good, *bad, byte = 3;
        size_t good_length, bad_length, where = 0;
        uint64_t digest, after;
        char text[100];
        CHECK_EQ(storsim_nvme_attach(d.b.m, d.device + 7, &plain), STORSIM_OK);
        enable(&d);
        CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 0, &byte, 1), STORSIM_OK);
        CHECK_EQ(storsim_nvme_hmb_write(d.b.m, d.device, 8192, &byte, 1), STORSIM_OK);
        CHECK_EQ(storsim_snapshot(d.b.m, &good, &good_length), STORSIM_OK);
        spoil(ss_room_state(d.b.m, SS_ROOM_NVME), way);
        CHECK_EQ(storsim_check(d.b.m, text, sizeof text), way == 3 ? 1 : 0);
        CHECK_EQ(strcmp(text, "nvme: the descriptors of a controller do not add up") == 0, way == 3);
        CHECK_EQ(storsim_check(d.b.m, NULL, 0), way == 3 ? 1 : 0);
        CHECK_EQ(storsim_check(d.b.m, text, 0), way == 3 ? 1 : 0);
        CHECK_EQ(storsim_snapshot(d.b.m, &bad, &bad_length), STORSIM_OK);
        CHECK_EQ(storsim_restore(d.b.m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_digest(d.b.m, &digest), STORSIM_OK);
        CHECK_EQ(storsim_restore(d.b.m, bad, bad_length, &where), way < 5 ? STORSIM_FORMAT : STORSIM_OK);
        CHECK(way == 5 || (where != 0 && where < bad_length));
        CHECK_EQ(storsim_digest(d.b.m, &after), STORSIM_OK);
        CHECK_EQ(after, digest);
        storsim_snapshot_free(d.b.m, good);
        storsim_snapshot_free(d.b.m, bad);
        done(&d.b);
    }
}

int main(void) {
    test_without_a_kernel();
    test_a_list_longer_than_the_buffer();
    test_two_descriptors();
    test_each_fault_once();
    test_huge();
    test_get_features();
    test_strict();
    test_stopped();
    test_other_order();
    test_gone(true);
    test_gone(false);
    test_host();
    test_spoilt();
    return CHECK_DONE();
}
