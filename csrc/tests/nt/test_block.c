/* Blocks of pages: addresses, quarantine, undo, scattered and adopted memory, and long random runs against the
 * invariants. */
#include "nt/nt_i.h"
#include "world.h"

static ss_block_request_t request_of(uint64_t size) {
    return (ss_block_request_t){.kind = STORSIM_BLOCK_UNCACHED,
                                .size = size,
                                .highest = UINT64_MAX,
                                .node = STORSIM_NODE_ANY,
                                .cache = 1,
                                .owner = 1};
}

static ss_block_id_t make(world_t *w, const ss_block_request_t *request) {
    ss_block_id_t id = 0;
    storsim_status_t status = ss_block_make(w->machine, request, &id);
    CHECK(status == STORSIM_OK || status == STORSIM_NO_SPACE);
    return status == STORSIM_OK ? id : 0;
}

static void limits(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_request_t request = request_of(0x5000);
    request.alignment = 0x10000;
    CHECK_EQ(pa_of(&w, make(&w, &request)) % 0x10000, 0);
    request.boundary = 0x8000;
    ss_block_id_t id = make(&w, &request);
    CHECK_EQ(pa_of(&w, id) / 0x8000, (pa_of(&w, id) + 0x4FFF) / 0x8000);
    request.boundary = 0x1000;
    CHECK_EQ(make(&w, &request), 0);
    request = request_of(UINT64_MAX);
    CHECK_EQ(make(&w, &request), 0);
    request = request_of(0);
    id = make(&w, &request);
    CHECK(ss_block(w.machine, id)->pages == 1 && ss_block(w.machine, id)->size == 0);
    request = request_of(100);
    request.zero = true;
    uint8_t bytes[4096];
    CHECK_EQ(storsim_read_va(w.machine, va_of(&w, make(&w, &request)), bytes, 4096), STORSIM_OK);
    for (int i = 0; i < 4096; i++) {
        CHECK_EQ(bytes[i], i < 100 ? 0 : 0x0F);
    }
    world_end(&w);
    world_init(&w); /* 4 GiB boundary: the map runs through it */
    w.ranges[0] = (storsim_range_t){UINT64_C(0xFFFF8000), 0x10000, 0};
    w.hardware.range_count = 1;
    world_boot(&w);
    request = request_of(0x9000);
    request.no_cross_4g = true;
    CHECK_EQ(make(&w, &request), 0);
    request.boundary = UINT64_C(1) << 33;
    CHECK_EQ(make(&w, &request), 0);
    request.size = 0x8000;
    CHECK_EQ(pa_of(&w, make(&w, &request)), UINT64_C(0x100000000));
    request = request_of(0x9000);
    CHECK_EQ(make(&w, &request), 0);
    ss_block_free(w.machine, 1);
    CHECK(make(&w, &request) != 0);
    world_end(&w);
}

static void guards(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_request_t request = request_of(8192), big = request_of(4 << 20);
    uint64_t a = va_of(&w, make(&w, &request)), b = va_of(&w, make(&w, &request)), c = va_of(&w, make(&w, &big));
    CHECK(b >= a + 8192 + 4096 && a > STORSIM_ARENA_BASE);
    CHECK_EQ(c % (2 << 20), 0); /* whole groups of the address map */
    CHECK_EQ(ss_block_around(w.machine, a - 1), 0);
    CHECK_EQ(ss_block_around(w.machine, a + 8192), 0);
    CHECK(ss_block_around(w.machine, a + 8191) != 0);
    CHECK_EQ(ss_block_around(w.machine, 0), 0);
    CHECK_EQ(ss_block_around(w.machine, UINT64_MAX), 0);
    world_end(&w);
}

/* Addresses come back only after the quarantine, and the arena survives its own end. */
static void wrap(void) {
    world_t w;
    world_init(&w);
    w.config.quarantine = 0x8000;
    world_boot(&w);
    ss_nt_t *nt = nt_of(w.machine);
    ss_block_request_t request = request_of(0x2000);
    uint64_t first = va_of(&w, make(&w, &request));
    nt->cursor = ARENA_PAGES - 12;
    nt->ahead = 0;
    nt->high_water = nt->cursor;
    uint64_t freed[64];
    for (int i = 0; i < 64; i++) {
        ss_block_id_t id = make(&w, &request);
        freed[i] = va_of(&w, id);
        CHECK(freed[i] != first && freed[i] + 0x2000 > freed[i]);
        for (int j = i > 4 ? i - 4 : 0; j < i; j++) {
            CHECK(freed[i] != freed[j]);
        }
        ss_block_free(w.machine, id);
        world_check(&w);
        if (i % 20 == 19) {
            nt->cursor = ARENA_PAGES - 12;
            nt->ahead = 0;
            for (uint32_t at = nt->first_span; at != 0 && nt->ahead == 0; at = block_at(nt, at)->arena_next) {
                if ((block_at(nt, at)->va - STORSIM_ARENA_BASE) / PAGE >= nt->cursor) {
                    nt->ahead = at;
                }
            }
        }
    }
    world_end(&w);
}

static void undo(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    static const uint64_t sizes[] = {100, 5000, 1 << 21};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            uint64_t before = world_digest(&w), free_before = world_free(&w);
            ss_block_id_t id;
            CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, sizes[i], TAG, 1, &id), STORSIM_OK);
            uint64_t va = va_of(&w, id);
            ss_block_undo(w.machine, id);
            CHECK_EQ(ss_block_around(w.machine, va), 0);
            CHECK_EQ(world_digest(&w), before);
            CHECK_EQ(world_free(&w), free_before);
            world_check(&w);
            CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, sizes[i], TAG, 1, &id), STORSIM_OK);
            CHECK_EQ(va_of(&w, id), va); /* as if nothing had been */
        }
    }
    /* The last slot of a page: full, undone, taken again. */
    for (int i = 0; i < 300; i++) {
        ss_block_id_t id;
        CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 1000, TAG, 1, &id), STORSIM_OK);
        uint64_t va = va_of(&w, id);
        ss_block_undo(w.machine, id);
        CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 1000, TAG, 1, &id), STORSIM_OK);
        CHECK_EQ(va_of(&w, id), va);
    }
    /* Several of one routine, newest first. */
    ss_block_request_t request = request_of(5000);
    ss_block_id_t made[5];
    uint64_t addresses[5];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            made[i] = make(&w, &request);
            CHECK(round == 0 || va_of(&w, made[i]) == addresses[i]);
            addresses[i] = va_of(&w, made[i]);
        }
        for (int i = 4; round == 0 && i >= 0; i--) {
            ss_block_undo(w.machine, made[i]);
            world_check(&w);
        }
    }
    ss_block_undo(w.machine, 0);
    ss_block_free(w.machine, 0);
    ss_block_free(w.machine, 99999);
    world_end(&w);
}

static void adopted(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t before = world_digest(&w), free_before = world_free(&w);
    ss_page_extent_t extents[4];
    uint32_t count;
    uint64_t total;
    CHECK_EQ(storsim_memory_reserve(w.machine, 0x1000000, 0x1000), STORSIM_OK);
    CHECK_EQ(ss_pages_take_longest(ss_machine_pages(w.machine), 10000, 1, 1, UINT64_MAX / 4096, 1, UINT64_MAX, extents,
                                   4, &count, &total),
             STORSIM_OK);
    CHECK_EQ(count, 2);
    ss_block_request_t request = {.kind = STORSIM_BLOCK_HMB, .size = total * 4096, .cache = 1, .owner = 1};
    ss_block_id_t id;
    CHECK_EQ(ss_block_adopt(w.machine, &request, extents, 0, &id), STORSIM_INVALID);
    CHECK_EQ(ss_block_adopt(w.machine, &request, extents, count, &id), STORSIM_OK);
    const ss_block_t *block = ss_block(w.machine, id);
    CHECK_EQ(block->va, 0);
    CHECK_EQ(ss_block_extent_count(w.machine, block), count);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t pa, bytes;
        CHECK(ss_block_extent(w.machine, block, i, &pa, &bytes));
        CHECK_EQ(pa, extents[i].first_pfn * 4096);
        CHECK_EQ(bytes, extents[i].pages * 4096);
        CHECK_EQ(ss_block_physical(w.machine, block, sum + 5), pa + 5);
        CHECK_EQ(ss_block_contiguous_from(w.machine, block, sum), bytes);
        CHECK_EQ(ss_block_of_frame(w.machine, pa / 4096), id);
        sum += bytes;
    }
    CHECK_EQ(sum, total * 4096);
    storsim_allocation_t record;
    uint64_t cursor = 0;
    CHECK(storsim_allocation_next(w.machine, &cursor, &record));
    CHECK(record.kind == STORSIM_BLOCK_HMB && record.va == 0 && record.pages == total &&
          record.pa == extents[0].first_pfn * 4096);
    CHECK(!storsim_allocation_next(w.machine, &cursor, &record));
    uint64_t pa, bytes;
    CHECK(storsim_allocation_extent(w.machine, record.block, 1, &pa, &bytes));
    CHECK(!storsim_allocation_extent(w.machine, record.block, count, &pa, &bytes));
    world_check(&w);
    ss_block_free(w.machine, id);
    CHECK(!storsim_allocation_extent(w.machine, record.block, 0, &pa, &bytes));
    CHECK_EQ(storsim_memory_release(w.machine, 0x1000000, 0x1000), STORSIM_OK);
    CHECK_EQ(world_free(&w), free_before);
    CHECK_EQ(world_digest(&w), before);
    world_end(&w);
}

static void records(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    storsim_set_site(w.machine, 9);
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    ss_block_id_t dma =
        contig_get(&w, STORSIM_BLOCK_DMA, &(ss_contig_args_t){5000, 0, UINT64_MAX, 0, 2, 1}, STORSIM_OK);
    ss_block_id_t slot = pool_get(&w, 77, TAG, STORSIM_OK);
    storsim_allocation_t record;
    uint64_t cursor = 0;
    CHECK(storsim_allocation_next(w.machine, &cursor, &record));
    CHECK(record.kind == STORSIM_BLOCK_DMA && record.va == va_of(&w, dma) && record.pa == pa_of(&w, dma) &&
          record.size == 5000 && record.pages == 2 && record.node == 1 && record.cache == 2 && record.owner == 1 &&
          record.site == 9 && record.irql == 2);
    CHECK(storsim_allocation_next(w.machine, &cursor, &record));
    CHECK(record.kind == STORSIM_BLOCK_POOL && record.va == va_of(&w, slot) && record.pages == 0 && record.tag == TAG &&
          record.size == 77);
    CHECK_EQ(record.pa, storsim_physical(w.machine, record.va));
    CHECK(!storsim_allocation_next(w.machine, &cursor, &record));
    CHECK(storsim_allocation_at(w.machine, va_of(&w, slot) + 76, &record) && record.tag == TAG);
    CHECK(!storsim_allocation_at(w.machine, va_of(&w, slot) + 77, &record));
    CHECK(!storsim_allocation_at(w.machine, va_of(&w, slot) - 1, &record));
    CHECK(!storsim_allocation_at(w.machine, va_of(&w, dma) + 5000, &record));
    CHECK(strcmp(storsim_block_kind_text(STORSIM_BLOCK_HDA_BDL), "hda_bdl") == 0);
    CHECK(strcmp(storsim_block_kind_text(STORSIM_BLOCK_KIND_COUNT), "none") == 0);
    world_end(&w);
}

/* Random making and freeing: conservation of pages, no overlap, every answer of the lookups. */
static void random_run(uint64_t seed, storsim_placement_t placement) {
    enum { SLOTS = 200 };
    world_t w;
    world_init(&w);
    w.config.quarantine = 1 << 20;
    w.hardware.placement = placement;
    world_boot(&w);
    ss_rng_t rng = {seed};
    ss_block_id_t ids[SLOTS] = {0};
    uint64_t bytes[SLOTS] = {0}, start = world_digest(&w), total = world_free(&w);
    for (int step = 0; step < 6000; step++) {
        size_t at = (size_t)ss_rng_below(&rng, SLOTS);
        if (ids[at] != 0) {
            const ss_block_t *block = ss_block(w.machine, ids[at]);
            CHECK_EQ(ss_block_around(w.machine, block->va + bytes[at] / 2), ids[at]);
            uint8_t mark;
            CHECK_EQ(storsim_read_va(w.machine, block->va, &mark, 1), STORSIM_OK);
            CHECK_EQ(mark, (uint8_t)at);
            ss_block_free(w.machine, ids[at]);
            ids[at] = 0;
        } else {
            uint64_t size = ss_rng_below(&rng, 4) != 0 ? 1 + ss_rng_below(&rng, 4200) : 1 + ss_rng_below(&rng, 300000);
            if (ss_rng_below(&rng, 2) != 0) {
                (void)ss_pool_take(w.machine, STORSIM_BLOCK_POOL, size, TAG, 1, &ids[at]);
            } else {
                ss_block_request_t request = request_of(size);
                request.boundary = ss_rng_below(&rng, 2) * 0x80000;
                ids[at] = make(&w, &request);
            }
            bytes[at] = size;
            if (ids[at] != 0) {
                uint8_t mark = (uint8_t)at;
                CHECK_EQ(storsim_write_va(w.machine, va_of(&w, ids[at]), &mark, 1), STORSIM_OK);
            }
        }
        if (step % 200 == 0) {
            world_check(&w);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        ss_block_free(w.machine, ids[i]);
    }
    CHECK_EQ(world_free(&w), total);
    if (placement != STORSIM_RANDOM && placement != STORSIM_ADVERSARIAL) {
        CHECK_EQ(world_digest(&w), start);
    }
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    world_end(&w);
}

int main(void) {
    limits();
    guards();
    wrap();
    undo();
    adopted();
    records();
    for (int placement = STORSIM_TOP_DOWN; placement <= STORSIM_ADVERSARIAL; placement++) {
        random_run(100 + (uint64_t)placement, (storsim_placement_t)placement);
    }
    return CHECK_PINNED(nt_test_block);
}
