/* MDLs: fields in the documented layout, building, and the rows of spec §3.8. */
#include "nt/nt_i.h"
#include "world.h"

static ss_block_id_t mdl_get(world_t *w, uint64_t va, uint32_t bytes) {
    ss_block_id_t id = 0;
    CHECK_EQ(ss_mdl_make(w->machine, va, bytes, 1, &id), STORSIM_OK);
    return id;
}

static storsim_status_t build(world_t *w, uint64_t mdl) {
    frame_t frame;
    (void)ss_mdl_build(begin(w, &frame, "StorPortBuildMdlForNonPagedPool", 1), mdl);
    return ss_call_end(&frame.call);
}

static void free_mdl(world_t *w, uint64_t mdl, storsim_status_t expected) {
    frame_t frame;
    (void)ss_pool_return(begin(w, &frame, "StorPortFreeMdl", 1), STORSIM_BLOCK_MDL, mdl);
    CHECK_EQ(ss_call_end(&frame.call), expected);
}

static uint64_t field(world_t *w, uint64_t va, unsigned offset, unsigned bytes) {
    uint8_t raw[8] = {0};
    uint64_t value = 0;
    CHECK_EQ(storsim_read_va(w->machine, va + offset, raw, bytes), STORSIM_OK);
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)raw[i] << (8 * i);
    }
    return value;
}

/* C60, and every field by its offset. */
static void layout(void) {
    world_t w;
    world_start(&w, STORSIM_STRICT);
    uint64_t before = world_digest(&w);
    ss_block_id_t buffer = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(20000), STORSIM_OK);
    uint64_t va = va_of(&w, buffer) + 0x800;
    uint64_t mdl = va_of(&w, mdl_get(&w, va, 10000));
    CHECK_EQ(field(&w, mdl, 0, 8), 0);
    CHECK_EQ(field(&w, mdl, 8, 2), 48 + 8 * 3);
    CHECK_EQ(field(&w, mdl, 10, 2), 0);
    CHECK_EQ(field(&w, mdl, 32, 8), va - 0x800);
    CHECK_EQ(field(&w, mdl, 40, 4), 10000);
    CHECK_EQ(field(&w, mdl, 44, 4), 0x800);
    uint64_t pfn;
    CHECK(!ss_mdl_page(w.machine, mdl, 0, &pfn)); /* not built */
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_EQ(field(&w, mdl, 10, 2), 4);
    CHECK_EQ(field(&w, mdl, 16, 8), 0);
    CHECK_EQ(field(&w, mdl, 24, 8), va);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(ss_mdl_page(w.machine, mdl, i, &pfn));
        CHECK_EQ(pfn, pa_of(&w, buffer) / 4096 + i);
        CHECK_EQ(field(&w, mdl, 48 + 8 * i, 8), pfn);
    }
    CHECK(!ss_mdl_page(w.machine, mdl, 3, &pfn));
    ss_mdl_t copy;
    CHECK(ss_mdl_load(w.machine, mdl, &copy));
    CHECK(copy.byte_count == 10000 && copy.byte_offset == 0x800 && copy.flags == 4 && copy.mapped_system_va == va);
    CHECK(!ss_mdl_load(w.machine, mdl + 16, &copy));
    CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, buffer))->mdl_count, 1);
    free_mdl(&w, mdl, STORSIM_OK);
    CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, buffer))->mdl_count, 0);
    CHECK(!ss_mdl_load(w.machine, mdl, &copy));
    contig_put(&w, STORSIM_BLOCK_DMA, va - 0x800, 20000, 1, 0, STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    CHECK_EQ(world_digest(&w), before);
    world_end(&w);
}

static void scattered(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t va = va_of(&w, pool_get(&w, 300000, TAG, STORSIM_OK));
    uint64_t mdl = va_of(&w, mdl_get(&w, va + 100, 290000));
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    for (uint32_t i = 0; i < 71; i++) {
        uint64_t pfn;
        CHECK(ss_mdl_page(w.machine, mdl, i, &pfn));
        CHECK_EQ(pfn, storsim_physical(w.machine, va + i * 4096) / 4096);
    }
    uint64_t slot = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), pfn;
    mdl = va_of(&w, mdl_get(&w, slot, 100));
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK(ss_mdl_page(w.machine, mdl, 0, &pfn));
    CHECK_EQ(pfn, storsim_physical(w.machine, slot) / 4096);
    world_end(&w);
}

static void built_for_others(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    ss_block_request_t request = {.kind = STORSIM_BLOCK_SRB_DATA,
                                  .size = 9000,
                                  .highest = UINT64_MAX,
                                  .node = STORSIM_NODE_ANY,
                                  .cache = 1,
                                  .owner = 1,
                                  .scattered = true};
    ss_block_id_t data, id;
    CHECK_EQ(ss_block_make(w.machine, &request, &data), STORSIM_OK);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 5000, 4001, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 5000, 4000, 1, &id), STORSIM_OK);
    uint64_t mdl = va_of(&w, id), pfn;
    ss_mdl_t copy;
    CHECK(ss_mdl_load(w.machine, mdl, &copy));
    CHECK(copy.flags == SS_MDL_PAGES_LOCKED && copy.byte_offset == 5000 % 4096 &&
          copy.start_va == va_of(&w, data) + 4096);
    CHECK(ss_mdl_page(w.machine, mdl, 1, &pfn));
    CHECK_EQ(pfn, ss_block_physical(w.machine, ss_block(w.machine, data), 8192) / 4096);
    ss_pool_usage_t usage;
    ss_pool_usage(w.machine, &usage);
    CHECK_EQ(usage.budget_used, 0); /* the port's own */
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_LAST(&w, "MDL_REBUILD"); /* locked */
    CHECK_EQ(ss_mdl_set_mapping(w.machine, id, va_of(&w, data) + 5000), STORSIM_OK);
    CHECK(ss_mdl_load(w.machine, mdl, &copy) && copy.flags == 3 && copy.mapped_system_va == va_of(&w, data) + 5000);
    free_mdl(&w, mdl, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC4, 0xB8, mdl, 3, 0);
    world_end(&w);
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(ss_block_make(w.machine, &request, &data), STORSIM_OK);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 0, 9000, 1, &id), STORSIM_OK);
    CHECK_EQ(ss_mdl_set_mapping(w.machine, id, va_of(&w, data)), STORSIM_OK);
    CHECK_EQ(ss_mdl_set_mapping(w.machine, id, 0), STORSIM_OK);
    CHECK(ss_mdl_load(w.machine, va_of(&w, id), &copy) && copy.flags == 2);
    CHECK_EQ(ss_mdl_set_mapping(w.machine, id, va_of(&w, data)), STORSIM_OK);
    free_mdl(&w, va_of(&w, id), STORSIM_OK);
    CHECK_LAST(&w, "MDL_FREED_MAPPED");
    world_end(&w);
}

static void limits(void) {
    world_t w;
    world_init(&w);
    w.config.os = 0x06000000;
    world_boot(&w);
    ss_block_id_t id;
    CHECK_EQ(ss_mdl_make(w.machine, UINT64_C(0xFFFFB00000000000), 0x7FFFF001, 1, &id), STORSIM_NO_SPACE);
    CHECK_EQ(ss_mdl_make(w.machine, UINT64_C(0xFFFFB00000000000), 0x7FFFF000, 1, &id), STORSIM_OK);
    world_end(&w);
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(ss_mdl_make(w.machine, UINT64_C(0xFFFFB00000000000), 0xFFFFF001, 1, &id), STORSIM_NO_SPACE);
    CHECK_EQ(ss_mdl_make(w.machine, UINT64_C(0xFFFFB00000000000), 0xFFFFF000, 1, &id), STORSIM_OK);
    world_end(&w);
}

static void misuse(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t va = va_of(&w, pool_get(&w, 5000, TAG, STORSIM_OK));
    uint64_t mdl = va_of(&w, mdl_get(&w, va, 5000));
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_LAST(&w, "MDL_REBUILD");
    uint64_t empty = va_of(&w, mdl_get(&w, va, 0));
    CHECK_EQ(build(&w, empty), STORSIM_OK);
    CHECK_LAST(&w, "ZERO_LENGTH");
    for (int there = 1; there >= 0; there--) { /* of no bytes at the beginning of a page: the page has to be there all the same */
        world_t other;
        world_start(&other, STORSIM_RELEASE);
        uint64_t page = va_of(&other, contig_get(&other, STORSIM_BLOCK_DMA, CONTIG(4096), STORSIM_OK));
        uint64_t none = va_of(&other, mdl_get(&other, page + (there ? 0 : 4096), 0));
        CHECK_EQ(build(&other, none), there ? STORSIM_OK : STORSIM_BUGCHECK);
        CHECK(there || storsim_stopped(other.machine)->code == 0x1A);
        world_end(&other);
    }
    pool_put(&w, va, STORSIM_OK);
    CHECK_LAST(&w, "FREE_WITH_LIVE_MDL");
    free_mdl(&w, mdl, STORSIM_OK); /* what it described is gone; nothing else happens */
    size_t findings = storsim_finding_count(w.machine);
    uint64_t other = va_of(&w, mdl_get(&w, UINT64_C(0xFFFFA00000001000), 16));
    pool_put(&w, other, STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), findings + 1);
    CHECK_LAST(&w, "WRONG_FREE_ROUTINE");
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_LAST(&w, "USE_AFTER_FREE");
    CHECK_EQ(build(&w, va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK))), STORSIM_OK);
    CHECK_LAST(&w, "NOT_AN_MDL");
    /* A driver that raises ByteCount makes the array too short. */
    va = va_of(&w, pool_get(&w, 20000, TAG, STORSIM_OK));
    mdl = va_of(&w, mdl_get(&w, va, 4096));
    const uint8_t count[4] = {0x20, 0x4E, 0, 0}; /* 20000 */
    CHECK_EQ(storsim_write_va(w.machine, mdl + 40, count, 4), STORSIM_OK);
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_LAST(&w, "OVERRUN");
    world_end(&w);
}

/* Records that are gone, of another kind or not theirs, and places between blocks. */
static void not_theirs(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t data = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(9000), STORSIM_OK), id = 0, first = mdl_get(&w, va_of(&w, data), 9000);
    uint64_t pfn;
    CHECK_EQ(ss_mdl_make_built(w.machine, 0, 0, 100, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 10000, 0, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 9000, 1, 1, &id), STORSIM_INVALID);
    CHECK(!ss_mdl_page(w.machine, va_of(&w, data), 0, &pfn));
    CHECK_EQ(ss_mdl_set_mapping(w.machine, 0, 5), STORSIM_STALE);
    CHECK_EQ(ss_mdl_set_mapping(w.machine, data, 5), STORSIM_STALE);
    /* A driver raises ByteCount of a built one: pages beyond its array are not there. */
    uint64_t mdl = va_of(&w, first);
    const uint8_t count[4] = {0, 0, 8, 0};
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, mdl + 40, count, 4), STORSIM_OK);
    CHECK(!ss_mdl_page(w.machine, mdl, 100, &pfn));
    CHECK(ss_mdl_page(w.machine, mdl, 2, &pfn));
    /* The header of a pool page belongs to no block: it is there, so it can be described, and it is no MDL. */
    uint64_t page = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)) / 4096 * 4096;
    CHECK_EQ(ss_block_around(w.machine, page), 0);
    mdl = va_of(&w, mdl_get(&w, page, 8));
    CHECK_EQ(build(&w, mdl), STORSIM_OK);
    CHECK(ss_mdl_page(w.machine, mdl, 0, &pfn));
    CHECK_EQ(build(&w, page), STORSIM_OK);
    CHECK_LAST(&w, "NOT_AN_MDL");
    CHECK_EQ(build(&w, mdl + 16), STORSIM_OK);
    CHECK_LAST(&w, "NOT_AN_MDL");
    world_end(&w);
    /* Freed records, while they are remembered. */
    world_start(&w, STORSIM_VERIFIER);
    data = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(9000), STORSIM_OK);
    id = mdl_get(&w, va_of(&w, data), 9000);
    mdl = va_of(&w, id);
    uint64_t va = va_of(&w, data);
    free_mdl(&w, mdl, STORSIM_OK);
    CHECK_EQ(ss_mdl_set_mapping(w.machine, id, 5), STORSIM_STALE);
    contig_put(&w, STORSIM_BLOCK_DMA, va, 9000, 1, 0, STORSIM_OK);
    CHECK_EQ(ss_mdl_make_built(w.machine, data, 0, 100, 1, &id), STORSIM_INVALID);
    world_end(&w);
    /* The last page of all addresses: the range ends at 0. */
    world_start(&w, STORSIM_RELEASE);
    mdl = va_of(&w, mdl_get(&w, UINT64_MAX - 100, 50));
    CHECK_EQ(build(&w, mdl), STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0x1A, 0x1240, mdl, UINT64_C(0xFFFFF68000000000) + ((UINT64_MAX - 100) >> 9 & UINT64_C(0x7FFFFFFFF8)), 0);
    world_end(&w);
}

static void stop_with(int level, int what, uint64_t code, uint64_t p1, uint64_t p2_kind, uint64_t p3_kind,
                      uint64_t p4_kind) {
    world_t w;
    world_start(&w, (storsim_level_t)level);
    uint64_t va = va_of(&w, pool_get(&w, 5000, TAG, STORSIM_OK));
    ss_block_request_t request = {.kind = what == 5 ? STORSIM_BLOCK_KERNEL_STACK : STORSIM_BLOCK_PAGEABLE,
                                  .size = 8192,
                                  .highest = UINT64_MAX,
                                  .node = STORSIM_NODE_ANY,
                                  .cache = 1};
    ss_block_id_t pageable;
    CHECK_EQ(ss_block_make(w.machine, &request, &pageable), STORSIM_OK);
    uint64_t target = what == 2                ? va + 4096
                      : what == 3              ? UINT64_C(0x10000)
                      : what >= 4 && what <= 5 ? va_of(&w, pageable)
                                               : va;
    uint64_t mdl = va_of(&w, mdl_get(&w, target, what == 2 ? 5000 : 100));
    if (what == 1) {
        pool_put(&w, va, STORSIM_OK);
    }
    uint64_t subject = mdl;
    if (what <= 5) {
        CHECK_EQ(build(&w, mdl), level == STORSIM_RELEASE && what >= 4 ? STORSIM_OK : STORSIM_BUGCHECK);
        if (level == STORSIM_RELEASE && what >= 4) {
            CHECK_LAST(&w, "MDL_PAGEABLE");
            world_end(&w);
            return;
        }
    } else {
        if (what == 6) {
            free_mdl(&w, mdl, STORSIM_OK);
        } else {
            subject = what == 7 ? va : what == 8 ? mdl + 16 : 0x5000;
        }
        free_mdl(&w, subject, STORSIM_BUGCHECK);
    }
    uint64_t hole = what == 2 ? va + 8192 : target;
    uint64_t values[] = {0,
                         mdl,
                         UINT64_C(0xFFFFF68000000000) + (hole >> 9 & UINT64_C(0x7FFFFFFFF8)),
                         target,
                         subject,
                         subject - 16,
                         UINT64_C(0x206C644D00060000)};
    CHECK_STOP(&w, code, p1, values[p2_kind], values[p3_kind], values[p4_kind]);
    world_end(&w);
}

static void stops(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        bool v = level != STORSIM_RELEASE;
        stop_with(level, 1, 0x1A, 0x1240, 1, 2, 0); /* freed buffer */
        stop_with(level, 2, 0x1A, 0x1240, 1, 2, 0); /* past the end */
        stop_with(level, 3, 0x1A, 0x1240, 1, 2, 0); /* user address */
        stop_with(level, 4, 0xC4, 0x140, 0, 1, 3);
        stop_with(level, 5, 0xC4, 0x140, 0, 1, 3);
        stop_with(level, 6, v ? 0xC4 : 0xC2, v ? 0x13 : 0x07, 0, v ? 5 : 6, v ? 6 : 4);
        for (int what = 7; what <= 9; what++) {
            stop_with(level, what, v ? 0xC4 : 0xC2, v ? 0x10 : 0x42, 4, 0, 0);
        }
    }
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(build(&w, UINT64_C(0xFFFFA12345678000)), STORSIM_BUGCHECK); /* nothing there at all */
    CHECK_STOP(&w, 0x50, UINT64_C(0xFFFFA12345678000), 0, 0, 2);
    world_end(&w);
}

int main(void) {
    layout();
    scattered();
    built_for_others();
    limits();
    misuse();
    not_theirs();
    stops();
    return CHECK_PINNED(nt_test_mdl);
}
