/* tests/hdaudio/test_iommu.c: a controller behind an IOMMU whose address space is full: routines answer
 * INSUFFICIENT_RESOURCES, nothing stays taken, and with one page more they succeed. */
#include "tests/hdaudio/world.h"

#include "machine/machine_i.h"

#define PAGE UINT64_C(4096)

enum { MOST = 300 };

typedef struct filler {
    ss_device_t device;
    struct {
        uint64_t logical, pages;
    } taken[MOST]; /* by the test */
    uint32_t count;
} filler_t;

static world_t *make(filler_t *filler) {
    world_config_t config = world_defaults();
    config.hda.dma_remapping = true;
    config.hda.ok64 = false; /* 32 address bits: 2^20 pages */
    config.no_query = true;
    world_t *w = world_make(&config);
    *filler = (filler_t){.device = storsim_hda_device(w->machine, w->controller)};
    return w;
}

/* Takes every page of the controller's address space but `left` that lie together. */
static void leave(world_t *w, filler_t *filler, uint64_t left) {
    uint64_t kept = 0, logical;
    while (filler->count != 0) {
        filler->count--;
        ss_bus_unmap(w->machine, filler->device, filler->taken[filler->count].logical, filler->taken[filler->count].pages);
    }
    CHECK(left == 0 || ss_bus_map(w->machine, filler->device, 0x100, left, UINT32_MAX, &kept) == STORSIM_OK);
    for (uint64_t pages = UINT64_C(1) << 20; pages != 0; pages /= 2) {
        while (ss_bus_map(w->machine, filler->device, 0x100, pages, UINT32_MAX, &logical) == STORSIM_OK) {
            CHECK(filler->count < MOST);
            filler->taken[filler->count].logical = logical;
            filler->taken[filler->count++].pages = pages;
        }
    }
    ss_bus_unmap(w->machine, filler->device, kept, left);
}

/* By the bus driver. */
static uint32_t mappings(const world_t *w, const filler_t *filler) {
    return w->machine->hardware.bus.devices[filler->device - 1].map_count - filler->count;
}

static uint64_t blocks(const world_t *w) {
    storsim_allocation_t allocation;
    uint64_t count = 0;
    for (uint64_t cursor = 0; storsim_allocation_next(w->machine, &cursor, &allocation);) {
        count++;
    }
    return count;
}

/* The rings have no place: the first query fails, the next one brings the controller up. */
static void test_start(void) {
    filler_t filler;
    world_t *w = make(&filler);
    uint64_t context = 0, held = blocks(w);
    uint32_t ntstatus = 0;
    leave(w, &filler, 0);
    CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_OK);
    CHECK_EQ(ntstatus, ST(IR));
    CHECK(context == 0 && mappings(w, &filler) == 0 && blocks(w) == held);
    CHECK(!storsim_hdaudio_started(w->machine, w->controller, NULL));
    leave(w, &filler, 1);
    CHECK(world_query(w, STORSIM_TABLE_V3, 0) != 0);
    CHECK_EQ(mappings(w, &filler), 1);
    world_check(w);
    world_end(w);
}

typedef enum kind { PLAIN, NOTIFYING, CONTIGUOUS, KINDS } kind_t;

static uint32_t allocate(world_t *w, kind_t kind, uint64_t handle, buffer_t *buffer) {
    switch (kind) {
    case PLAIN: return allocate_d(w, w->context, handle, 5 * PAGE, buffer);
    case NOTIFYING: return allocate_n(w, w->context, handle, 2, 4 * PAGE, buffer);
    default: return allocate_c(w, w->context, handle, 2 * PAGE, buffer);
    }
}

/* Every number of pages too few. */
static void test_buffers(void) {
    for (kind_t kind = PLAIN; kind < KINDS; kind = (kind_t)(kind + 1)) {
        filler_t filler;
        world_t *w = make(&filler);
        uint64_t handle = 0, left = 0;
        buffer_t buffer = {0};
        w->context = world_query(w, STORSIM_TABLE_V3, 0);
        CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
        uint64_t held = blocks(w);
        for (;; left++) {
            leave(w, &filler, left);
            uint32_t before = mappings(w, &filler), status = allocate(w, kind, handle, &buffer);
            if (status == 0) {
                break;
            }
            CHECK_EQ(status, ST(IR));
            CHECK(mappings(w, &filler) == before && blocks(w) == held);
            CHECK_EQ(state(w, handle), STORSIM_ENGINE_R0);
        }
        CHECK(left >= 3 && left <= 8);
        CHECK_EQ(kind == PLAIN       ? free_d(w, w->context, handle)
                 : kind == NOTIFYING ? free_n(w, w->context, handle, buffer.mdl, buffer.size)
                                     : free_c(w, w->context, handle),
                 0);
        CHECK(mappings(w, &filler) == 1 && blocks(w) == held);
        world_check(w);
        world_end(w);
    }
}

int main(void) {
    test_start();
    test_buffers();
    return CHECK_DONE();
}
