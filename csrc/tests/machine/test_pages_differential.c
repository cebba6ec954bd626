/* The page allocator against the naive model: seeded runs over small maps with holes and several nodes, laid across the
 * borders of words, groups, chunks and mids; every placement, every constraint, every call. Two allocators run side by
 * side; the second is thrown away now and then and made anew from a snapshot of the first, and has to go on exactly
 * like it. */
#include "machine/rng.h"
#include "pages_model.h"

#include <string.h>

#define LIVE 512
#define EXTENTS 6000

typedef struct world {
    ss_host_t host;
    ss_rng_t rng;
    storsim_memory_run_t runs[8];
    uint32_t run_count, nodes;
    storsim_placement_t placement;
    bool cross;
    uint64_t seed;
    ss_pages_t *pages, *twin;
    ss_page_extent_t live[LIVE];
    uint32_t live_count;
    uint64_t pinned;
} world_t;

static model_t model;
static ss_page_extent_t candidates[EXTENTS], chosen[EXTENTS], twin_chosen[EXTENTS];
static unsigned long outcomes[8];

static uint64_t below(world_t *world, uint64_t bound) {
    return ss_rng_below(&world->rng, bound);
}

static void make_map(world_t *world, bool large) {
    static const uint64_t borders[] = {
        1, 64, 2048, 4096, 65536, 131072, 0x100000, 0x100000 + 65536, UINT64_C(1) << 25, (UINT64_C(1) << 34) - 6000};
    uint64_t at = borders[below(world, sizeof borders / sizeof borders[0])];
    uint64_t back = below(world, 300);
    at = at > back ? at - back : 1;
    world->nodes = 1 + (uint32_t)below(world, 4);
    world->run_count = large ? 1 : 1 + (uint32_t)below(world, 5);
    for (uint32_t i = 0; i < world->run_count; i++) {
        uint64_t pages = 1 + (large ? 3000 + below(world, 2900) : below(world, 130));
        storsim_memory_run_t run = {at, pages, (uint32_t)below(world, world->nodes)};
        at += pages + (below(world, 2) ? 0 : below(world, 40));
        if (i > 0 && world->runs[i - 1].first_pfn + world->runs[i - 1].pages == run.first_pfn &&
            world->runs[i - 1].node == run.node) {
            run.first_pfn++; /* a normalised map has no touching runs of one node */
            at++;
        }
        world->runs[i] = run;
    }
}

static storsim_status_t create(world_t *world, ss_pages_t **pages) {
    return ss_pages_create(&world->host, world->runs, world->run_count, world->nodes, world->placement, world->cross,
                           world->seed, pages);
}

static uint64_t some_pfn(world_t *world) {
    const storsim_memory_run_t *run = &world->runs[below(world, world->run_count)];
    return run->first_pfn + below(world, run->pages + 4) - (run->first_pfn > 2 ? 2 : 0);
}

static void some_request(world_t *world, ss_page_request_t *request, uint8_t *nodes) {
    static const uint64_t most[] = {1, 4, 16, 64, 70, 200, 3000};
    request->pages = 1 + below(world, most[below(world, 7)]);
    request->first_min = below(world, 3) ? 0 : some_pfn(world);
    request->first_max = below(world, 3) ? UINT64_MAX : some_pfn(world);
    request->align_pages = below(world, 2) ? 1 : UINT64_C(1) << below(world, 8);
    request->boundary_pages = below(world, 2) ? 0 : UINT64_C(1) << below(world, 9);
    if (below(world, 64) == 0) {
        request->align_pages = UINT64_C(1) << below(world, 64);
    }
    if (below(world, 64) == 0) {
        request->boundary_pages = UINT64_C(1) << below(world, 64);
    }
    request->nodes = NULL;
    request->node_count = 0;
    if (below(world, 2)) {
        request->nodes = nodes;
        request->node_count = (uint32_t)below(world, world->nodes + 1);
        for (uint32_t i = 0; i < request->node_count; i++) {
            nodes[i] = (uint8_t)below(world, world->nodes);
        }
    }
}

static void remember(world_t *world, uint64_t first, uint64_t pages) {
    model_mark(&model, first, pages, true);
    world->live[world->live_count].first_pfn = first;
    world->live[world->live_count++].pages = pages;
}

static void do_take(world_t *world) {
    uint8_t nodes[8];
    ss_page_request_t request;
    some_request(world, &request, nodes);
    uint32_t expected = model_place(&model, &request);
    uint64_t first = 77, twin = 77;
    storsim_status_t status = ss_pages_take(world->pages, &request, &first);
    CHECK_EQ(ss_pages_take(world->twin, &request, &twin), status);
    CHECK_EQ(twin, first);
    outcomes[status == STORSIM_OK]++;
    if (expected == model.count) {
        CHECK_EQ(status, STORSIM_NO_SPACE);
        CHECK_EQ(first, 77);
        return;
    }
    CHECK_EQ(status, STORSIM_OK);
    if (world->placement == STORSIM_RANDOM) {
        uint32_t at = model_index(&model, first);
        CHECK(at < model.count && model_legal(&model, &request, at));
        CHECK_EQ(model.page[at].node, model.page[expected].node);
    } else {
        CHECK_EQ(first, model.page[expected].pfn);
    }
    model.last_first = first;
    model.last_pages = request.pages;
    remember(world, first, request.pages);
}

static void do_give(world_t *world) {
    uint32_t i = (uint32_t)below(world, world->live_count);
    ss_page_extent_t block = world->live[i];
    ss_pages_give(world->pages, block.first_pfn, block.pages);
    ss_pages_give(world->twin, block.first_pfn, block.pages);
    model_mark(&model, block.first_pfn, block.pages, false);
    world->live[i] = world->live[--world->live_count];
}

static void do_take_at(world_t *world) {
    uint64_t first = some_pfn(world), count = 1 + below(world, 1 + below(world, 200));
    bool possible = model_can_take_at(&model, first, count);
    CHECK_EQ(ss_pages_take_at(world->pages, first, count), possible ? STORSIM_OK : STORSIM_NO_SPACE);
    CHECK_EQ(ss_pages_take_at(world->twin, first, count), possible ? STORSIM_OK : STORSIM_NO_SPACE);
    outcomes[2 + possible]++;
    if (possible) {
        remember(world, first, count);
    }
}

static int by_length_low(const void *left, const void *right) {
    const ss_page_extent_t *a = left, *b = right;
    return a->pages != b->pages ? (a->pages < b->pages ? 1 : -1)
                                : (a->first_pfn > b->first_pfn) - (a->first_pfn < b->first_pfn);
}

static int by_length_high(const void *left, const void *right) {
    const ss_page_extent_t *a = left, *b = right;
    return a->pages != b->pages ? (a->pages < b->pages ? 1 : -1)
                                : (a->first_pfn < b->first_pfn) - (a->first_pfn > b->first_pfn);
}

static int by_address(const void *left, const void *right) {
    const ss_page_extent_t *a = left, *b = right;
    return (a->first_pfn > b->first_pfn) - (a->first_pfn < b->first_pfn);
}

/* Tries every subset of the candidates: the fewest that reach the target, and the most that fit the slots. */
static void check_optimal(uint32_t count, uint64_t target, uint32_t slots, uint32_t got_count, uint64_t got_total) {
    uint32_t fewest = UINT32_MAX;
    uint64_t most = 0;
    for (uint32_t set = 0; set < 1u << count; set++) {
        uint32_t size = 0;
        uint64_t total = 0;
        for (uint32_t i = 0; i < count; i++) {
            size += set >> i & 1;
            total += set >> i & 1 ? candidates[i].pages : 0;
        }
        if (size <= slots) {
            most = total > most ? total : most;
            fewest = total >= target && size < fewest ? size : fewest;
        }
    }
    CHECK_EQ(got_total, most < target ? most : target);
    CHECK(fewest == UINT32_MAX || got_count == fewest);
}

static void do_take_longest(world_t *world) {
    uint64_t low = below(world, 3) ? 0 : some_pfn(world), high = below(world, 3) ? UINT64_MAX : some_pfn(world);
    uint64_t align = below(world, 2) ? 1 : UINT64_C(1) << below(world, 6),
             cut = below(world, 2) ? 1048575 : 1 + below(world, 40);
    uint64_t target = below(world, 1 + below(world, 400)), minimum = below(world, 2) ? 0 : below(world, target + 2);
    uint32_t slots = (uint32_t)below(world, below(world, 2) ? 6 : 40);
    uint32_t count = model_extents(&model, low, high, align, cut, candidates);
    qsort(candidates, count, sizeof candidates[0],
          world->placement == STORSIM_TOP_DOWN ? by_length_high : by_length_low);
    uint32_t expected = 0, got = 99, twin = 99;
    uint64_t total = 0, got_total = 99, twin_total = 99;
    while (expected < count && expected < slots && total < target) {
        total += candidates[expected++].pages;
    }
    memcpy(chosen, candidates, sizeof chosen);
    if (total > target) {
        chosen[expected - 1].pages -= total - target;
        total = target;
    }
    qsort(chosen, expected, sizeof chosen[0], by_address);
    static ss_page_extent_t extents[64];
    storsim_status_t status =
        ss_pages_take_longest(world->pages, target, minimum, low, high, align, cut, extents, slots, &got, &got_total);
    CHECK_EQ(ss_pages_take_longest(world->twin, target, minimum, low, high, align, cut, twin_chosen, slots, &twin,
                                   &twin_total),
             status);
    outcomes[4 + (status == STORSIM_OK)]++;
    if (total < minimum) {
        CHECK_EQ(status, STORSIM_NO_SPACE);
        CHECK_EQ(got, 99);
        return;
    }
    CHECK_EQ(status, STORSIM_OK);
    CHECK_EQ(got, expected);
    CHECK_EQ(got_total, total);
    CHECK_EQ(twin, expected);
    CHECK(memcmp(extents, chosen, got * sizeof extents[0]) == 0);
    CHECK(memcmp(extents, twin_chosen, got * sizeof extents[0]) == 0);
    if (count <= 10) {
        check_optimal(count, target, slots, got, got_total);
    }
    for (uint32_t i = 0; i < got; i++) {
        bool keep = world->live_count < LIVE - 1;
        if (keep) {
            remember(world, extents[i].first_pfn, extents[i].pages);
        } else {
            ss_pages_give(world->pages, extents[i].first_pfn, extents[i].pages);
            ss_pages_give(world->twin, extents[i].first_pfn, extents[i].pages);
        }
    }
}

static void check_free_runs(world_t *world) {
    uint64_t from = below(world, 2) ? 0 : some_pfn(world);
    uint32_t i = 0;
    storsim_memory_run_t run;
    model_measure(&model);
    for (;;) {
        while (i < model.count && (model.page[i].busy || model.page[i].pfn < from)) {
            i++;
        }
        bool found = ss_pages_next_free(world->pages, from, &run);
        CHECK_EQ(found, i < model.count);
        if (!found) {
            break;
        }
        CHECK_EQ(run.first_pfn, model.page[i].pfn);
        CHECK_EQ(run.pages, model.run_length[i]);
        CHECK_EQ(run.node, model.page[i].node);
        from = run.first_pfn + run.pages;
    }
}

static void check_queries(world_t *world) {
    uint64_t low = below(world, 3) ? 0 : some_pfn(world), high = below(world, 3) ? UINT64_MAX : some_pfn(world);
    uint32_t node = below(world, 3) ? STORSIM_NODE_ANY : (uint32_t)below(world, world->nodes);
    uint64_t boundary = below(world, 2) ? 0 : UINT64_C(1) << below(world, 9);
    CHECK_EQ(ss_pages_free_count(world->pages), model_count_within(&model, STORSIM_NODE_ANY, 0, UINT64_MAX));
    CHECK_EQ(ss_pages_count_within(world->pages, node, low, high), model_count_within(&model, node, low, high));
    CHECK_EQ(ss_pages_longest(world->pages, low, high, boundary), model_longest(&model, low, high, boundary));
    uint64_t pfn = some_pfn(world);
    uint32_t at = model_index(&model, pfn);
    CHECK_EQ(ss_pages_is_ram(world->pages, pfn), at < model.count);
    CHECK_EQ(ss_pages_is_free(world->pages, pfn), at < model.count && !model.page[at].busy);
    CHECK_EQ(ss_pages_node_of(world->pages, pfn), at < model.count ? model.page[at].node : STORSIM_NODE_ANY);
}

static uint64_t digest_of(world_t *world, ss_pages_t *pages) {
    ss_codec_t codec = {.mode = SS_DIGEST, .host = &world->host, .hash = UINT64_C(0xCBF29CE484222325)};
    ss_pages_walk(pages, &codec);
    CHECK_EQ(codec.status, STORSIM_OK);
    return codec.hash;
}

/* The twin is made anew from a snapshot of the first. */
static void do_snapshot(world_t *world) {
    ss_codec_t save = {.mode = SS_SAVE, .host = &world->host};
    ss_pages_walk(world->pages, &save);
    CHECK_EQ(save.status, STORSIM_OK);
    ss_pages_destroy(world->twin);
    CHECK_EQ(create(world, &world->twin), STORSIM_OK);
    ss_codec_t load = {.mode = SS_LOAD, .host = &world->host, .bytes = save.bytes, .length = save.length};
    ss_pages_walk(world->twin, &load);
    CHECK_EQ(load.status, STORSIM_OK);
    CHECK_EQ(load.position, load.length);
    CHECK_EQ(digest_of(world, world->twin), digest_of(world, world->pages));
    ss_release(&world->host, save.bytes);
}

static void check_sound(world_t *world) {
    CHECK_EQ(ss_pages_check(world->pages), 0);
    CHECK_EQ(ss_pages_check(world->twin), 0);
    CHECK_EQ(digest_of(world, world->twin), digest_of(world, world->pages));
}

/* Leaves short gaps all over a large map, so that whole groups hold nothing long enough. */
static void pin_pages(world_t *world) {
    uint64_t longest = 1 + below(world, 60);
    for (uint32_t i = 0; i < model.count;) {
        uint64_t count = 1 + below(world, 8), first = model.page[i].pfn;
        if (model_can_take_at(&model, first, count)) {
            CHECK_EQ(ss_pages_take_at(world->pages, first, count), STORSIM_OK);
            CHECK_EQ(ss_pages_take_at(world->twin, first, count), STORSIM_OK);
            model_mark(&model, first, count, true);
            world->pinned += count;
        }
        i += (uint32_t)(count + 1 + below(world, below(world, 40) ? longest : 2500));
    }
}

static void run(uint64_t seed, bool large, uint32_t steps) {
    world_t world = {.rng = {seed}};
    ss_host_init(&world.host, NULL);
    make_map(&world, large);
    world.placement = (storsim_placement_t)below(&world, 5);
    world.cross = below(&world, 3) == 0;
    world.seed = below(&world, 1000);
    model_create(&model, world.runs, world.run_count, world.nodes, world.placement, world.cross);
    CHECK_EQ(create(&world, &world.pages), STORSIM_OK);
    CHECK_EQ(create(&world, &world.twin), STORSIM_OK);
    if (large) {
        pin_pages(&world);
    }
    uint64_t greed = 1 + below(&world, 6);
    for (uint32_t step = 0; step < steps; step++) {
        uint64_t what = below(&world, 12);
        if (world.live_count > LIVE - 64 || (what > 4 + greed && world.live_count > 0)) {
            do_give(&world);
        } else if (what == 0) {
            do_take_at(&world);
        } else if (what == 1 && below(&world, 3) == 0) {
            do_take_longest(&world);
        } else {
            do_take(&world);
        }
        if (step % 8 == 0) {
            check_queries(&world);
        }
        if (step % 32 == 0) {
            check_free_runs(&world);
        }
        if (step % 64 == 13) {
            do_snapshot(&world);
        }
    }
    check_sound(&world);
    while (world.live_count > 0) {
        do_give(&world);
    }
    CHECK_EQ(ss_pages_free_count(world.pages) + world.pinned, model.count);
    check_sound(&world);
    ss_pages_destroy(world.pages);
    ss_pages_destroy(world.twin);
    CHECK_EQ(world.host.live_blocks, 0);
}

int main(int argc, char **argv) {
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 0) : 400, from = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        run(seed, false, 200);
        if (seed % 8 == 0) {
            run(seed, true, 200);
        }
    }
    for (int i = 0; i < 6; i++) {
        CHECK(argc > 1 || outcomes[i] > 100); /* the run has seen both answers of every call */
    }
    return CHECK_DONE();
}
