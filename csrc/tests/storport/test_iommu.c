/* tests/storport/test_iommu.c: an adapter behind an IOMMU whose address space is full, page by page: routines answer as
 * when memory is short, nothing stays taken or mapped, and with the pages they need they succeed. */
#include "kit.h"

#include "machine/machine_i.h"
#include "storport/room.h"

#define PAGE UINT64_C(4096)

enum { MOST = 300 };

typedef struct full {
    bench_t b;
    ss_device_t device;
    struct {
        uint64_t logical, pages;
    } taken[MOST]; /* by the test */
    uint32_t count;
} full_t;

static storsim_status_t listens(void *host, storsim_callback_t *callback) {
    (void)host, (void)callback;
    return STORSIM_OK;
}

static full_t make(const storsim_range_t *ranges, size_t count, const storsim_host_t *host) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    setup.host = host;
    setup.callback = listens;
    if (ranges != NULL) {
        setup.ranges = ranges;
        setup.range_count = count;
    }
    full_t full = {.b = boot(&setup)};
    full.device = ss_adapter(full.b.m, full.b.adapter)->device;
    return full;
}

/* Takes every page of the device's address space but `left` that lie together. */
static void leave_pages(full_t *full, uint64_t left) {
    storsim_machine_t *m = full->b.m;
    uint64_t kept = 0, logical;
    while (full->count != 0) {
        full->count--;
        ss_bus_unmap(m, full->device, full->taken[full->count].logical, full->taken[full->count].pages);
    }
    CHECK(left == 0 || ss_bus_map(m, full->device, 0x100, left, UINT64_MAX, &kept) == STORSIM_OK);
    for (uint64_t pages = UINT64_C(1) << 52; pages != 0; pages /= 2) {
        while (ss_bus_map(m, full->device, 0x100, pages, UINT64_MAX, &logical) == STORSIM_OK) {
            CHECK(full->count < MOST);
            full->taken[full->count].logical = logical;
            full->taken[full->count++].pages = pages;
        }
    }
    ss_bus_unmap(m, full->device, kept, left);
}

/* By the port. */
static uint32_t mappings(const full_t *full) {
    return full->b.m->hardware.bus.devices[full->device - 1].map_count - full->count;
}

static uint64_t blocks(const full_t *full) {
    storsim_allocation_t allocation;
    uint64_t count = 0;
    for (uint64_t cursor = 0; storsim_allocation_next(full->b.m, &cursor, &allocation);) {
        count++;
    }
    return count;
}

static void test_memory(void) {
    full_t full = make(NULL, 0, NULL);
    bench_t *b = &full.b;
    uint64_t held = blocks(&full), free = free_bytes(b);
    for (uint64_t left = 0; left < 4; left++) {
        leave_pages(&full, left);
        EXPECT(dma(b, 4 * PAGE, 0, ALL, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
        EXPECT(contig(b, 4 * PAGE, 0, ALL, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
        CHECK(mappings(&full) == 0 && blocks(&full) == held && free_bytes(b) == free);
    }
    leave_pages(&full, 4);
    EXPECT(dma(b, 4 * PAGE, 0, ALL, 0, CACHED, ANY), S(SUCCESS));
    EXPECT(contig(b, PAGE, 0, ALL, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(mappings(&full), 1);
    done(b);
}

static void test_uncached(void) {
    full_t full = make(NULL, 0, NULL);
    bench_t *b = &full.b;
    uint64_t held = blocks(&full);
    find_adapter(b, 64);
    leave_pages(&full, 1);
    CHECK_EQ(uncached(b, 2 * PAGE), 0);
    CHECK(mappings(&full) == 0 && blocks(&full) == held && violations(b) == 0);
    leave_pages(&full, 2);
    CHECK(uncached(b, 2 * PAGE) != 0);
    leave(b);
    done(b);
}

/* A buffer of three ranges, each with a mapping of its own. */
static void test_host_memory_buffer(void) {
    static const uint64_t mib[] = {1, 1, 1, 1}; /* the port has something in the highest */
    storsim_range_t ranges[5];
    full_t full = make(ranges, runs_of(ranges, mib, 4), NULL);
    bench_t *b = &full.b;
    const hmb_args_t args = {.minimum = MIB(3), .preferred = MIB(3), .low = MIB(6), .count = 16};
    uint64_t free = free_bytes(b);
    for (uint64_t left = 0; left < 768; left += 255) {
        leave_pages(&full, left);
        CHECK_EQ(hmb_take(b, &args).result, S(INSUFFICIENT_RESOURCES));
        CHECK(mappings(&full) == 0 && free_bytes(b) == free);
    }
    leave_pages(&full, 768);
    /* The device's addresses have to lie in the window asked for, and these do. */
    hmb_t hmb = hmb_take(b, &args);
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK(hmb.count == 3 && hmb_total(&hmb) == MIB(3));
    CHECK_EQ(mappings(&full), 3);
    EXPECT(hmb_free(b, hmb.ranges, 3), S(SUCCESS));
    CHECK(mappings(&full) == 0 && free_bytes(b) == free);
    done(b);
}

/* A request's extension and sense buffer are reached by the device; its data is from the first question for a list or
 * an address on. */
static void test_requests(void) {
    full_t full = make(NULL, 0, NULL);
    bench_t *b = &full.b;
    const storsim_srb_config_t config = {.length = 3 * (uint32_t)PAGE, .fragments = 3, .write = true};
    uint64_t srb = 0;
    storsim_srb_info_t info;
    find_adapter(b, 64);
    leave(b);
    uint64_t held = blocks(&full), free = free_bytes(b);
    for (uint64_t left = 0; left < 2; left++) {
        leave_pages(&full, left);
        CHECK_EQ(storsim_srb_create(b->m, b->adapter, &config, &srb), STORSIM_NO_SPACE);
        CHECK(srb == 0 && mappings(&full) == 0 && blocks(&full) == held && free_bytes(b) == free);
    }
    leave_pages(&full, 2);
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b->m, srb, &info));
    uint64_t buffer = pool(b, 200);
    CHECK_EQ(storsim_callback_enter(b->m, b->adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    held = blocks(&full);
    for (uint64_t left = 0; left <= 3; left++) {
        leave_pages(&full, left);
        uint32_t before = mappings(&full);
        outcome_t list = CALL(b, GetScatterGatherList, srb), address = CALL(b, GetPhysicalAddress, srb, info.data + 5000);
        CHECK(list.status == STORSIM_OK && address.status == STORSIM_OK);
        CHECK((list.result != 0) == (left == 3) && (address.result != 0) == (left == 3));
        CHECK_EQ(mappings(&full), left == 3 ? before + 3 : before);
        CHECK_EQ(blocks(&full), left == 3 ? held + 1 : held);
    }
    /* Lists that a driver builds are mapped piece by piece as well. */
    forget(b);
    held = blocks(&full);
    for (uint64_t left = 0; left <= 3; left++) {
        leave_pages(&full, left);
        uint32_t before = mappings(&full);
        EXPECT(CALL(b, BuildScatterGatherList, info.mdl, info.data, 3 * PAGE, 0x111, 0x222, 1, buffer, 200),
               left == 3 ? S(SUCCESS) : S(INSUFFICIENT_RESOURCES));
        CHECK_EQ(mappings(&full), left == 3 ? before + 3 : before);
    }
    EXPECT(CALL(b, PutScatterGatherList, buffer, 1), S(SUCCESS));
    CHECK_EQ(violations(b), 0);
    leave(b);
    CHECK_EQ(storsim_srb_complete(b->m, srb), STORSIM_OK);
    CHECK_EQ(mappings(&full), 0);
    done(b);
}

/* The same questions on a host without memory for the answer: they are NO_MEMORY, not zero. */
static void test_failing_host(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    full_t full = make(NULL, 0, &host);
    bench_t *b = &full.b;
    const storsim_srb_config_t config = {.length = 3 * (uint32_t)PAGE, .fragments = 3, .write = true};
    uint64_t srb = 0;
    storsim_srb_info_t info;
    unsigned refused = 0;
    find_adapter(b, 64);
    leave(b);
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b->m, srb, &info));
    CHECK_EQ(storsim_callback_enter(b->m, b->adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    for (unsigned long at = 1;; at++) {
        uint32_t before = mappings(&full);
        state.fail_at = state.requests + at;
        outcome_t address = CALL(b, GetPhysicalAddress, srb, info.data + 5000);
        state.fail_at = 0;
        CHECK(address.status == STORSIM_OK || address.status == STORSIM_NO_MEMORY);
        if (address.status == STORSIM_OK) {
            CHECK(address.result != 0);
            break;
        }
        CHECK_EQ(mappings(&full), before);
        refused++;
    }
    CHECK(refused != 0);
    leave(b);
    done(b);
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_memory();
    test_uncached();
    test_host_memory_buffer();
    test_requests();
    test_failing_host();
    return CHECK_DONE();
}
