/* Blocks of many chunks beside small ones, on a map of hundreds of chunks: what one block covers altogether shares one
 * chunk, and must answer like any other. The model is the list of free runs. */
#include "../check.h"
#include "machine/pages.h"
#include "machine/rng.h"

#include <stdlib.h>
#include <string.h>

#define FIRST UINT64_C(0x12345)
#define PAGES (UINT64_C(1) << 25) /* 128 GiB: 513 chunks, in two mids */
#define MOST 4000u

static ss_page_extent_t gaps[MOST], live[MOST]; /* gaps ascending, none touching another */
static uint32_t gap_count, live_count;

/* Index of the gap that holds the page, or of the first above it. */
static uint32_t gap_at(uint64_t pfn) {
    uint32_t i = 0;
    while (i < gap_count && gaps[i].first_pfn + gaps[i].pages <= pfn) {
        i++;
    }
    return i;
}

static bool model_free(uint64_t first, uint64_t count) {
    uint32_t i = gap_at(first);
    return i < gap_count && gaps[i].first_pfn <= first && first + count <= gaps[i].first_pfn + gaps[i].pages;
}

static void replace_gaps(uint32_t at, uint32_t old, const ss_page_extent_t *with, uint32_t count) {
    memmove(&gaps[at + count], &gaps[at + old], (gap_count - at - old) * sizeof gaps[0]);
    memcpy(&gaps[at], with, count * sizeof gaps[0]);
    gap_count += count - old;
}

static void model_take(uint64_t first, uint64_t count) {
    uint32_t i = gap_at(first), parts = 0;
    ss_page_extent_t left[2], gap = gaps[i];
    CHECK(model_free(first, count));
    if (first > gap.first_pfn) {
        left[parts++] = (ss_page_extent_t){gap.first_pfn, first - gap.first_pfn};
    }
    if (first + count < gap.first_pfn + gap.pages) {
        left[parts++] = (ss_page_extent_t){first + count, gap.first_pfn + gap.pages - first - count};
    }
    replace_gaps(i, 1, left, parts);
    live[live_count++] = (ss_page_extent_t){first, count};
}

static void model_give(uint64_t first, uint64_t count) {
    uint32_t i = gap_at(first), old = 0;
    ss_page_extent_t joined = {first, count};
    if (i > 0 && gaps[i - 1].first_pfn + gaps[i - 1].pages == first) {
        i--;
        joined = (ss_page_extent_t){gaps[i].first_pfn, gaps[i].pages + count};
        old = 1;
    }
    if (i + old < gap_count && gaps[i + old].first_pfn == first + count) {
        joined.pages += gaps[i + old++].pages;
    }
    replace_gaps(i, old, &joined, 1);
}

static uint64_t model_place(uint64_t count, bool top_down) {
    uint64_t first = 0;
    for (uint32_t i = 0; i < gap_count && (first == 0 || top_down); i++) {
        if (gaps[i].pages >= count) {
            first = top_down ? gaps[i].first_pfn + gaps[i].pages - count : gaps[i].first_pfn;
        }
    }
    return first;
}

static uint64_t some_length(ss_rng_t *rng) {
    static const uint64_t most[] = {5, 64, 200, 5000, 70000, 300000, 5000000};
    return 1 + ss_rng_below(rng, most[ss_rng_below(rng, 7)]);
}

static void check_all(ss_pages_t *pages) {
    uint64_t from = 0, total = 0, longest = 0;
    CHECK_EQ(ss_pages_check(pages), 0);
    for (uint32_t i = 0; i < gap_count; i++) {
        storsim_memory_run_t run = {0, 0, 0};
        CHECK(ss_pages_next_free(pages, from, &run));
        CHECK_EQ(run.first_pfn, gaps[i].first_pfn);
        CHECK_EQ(run.pages, gaps[i].pages);
        from = run.first_pfn + run.pages;
        total += run.pages;
        longest = run.pages > longest ? run.pages : longest;
    }
    CHECK_EQ(ss_pages_free_count(pages), total);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, 0), longest);
}

/* The longest gaps, whole: what a target that they add up to exactly must give. */
static void take_longest(ss_pages_t *pages, ss_rng_t *rng) {
    ss_page_extent_t extents[8];
    uint64_t length[8] = {0}, target = 0, total = 0;
    uint32_t wanted = 1 + (uint32_t)ss_rng_below(rng, 8), count = 0;
    for (uint32_t i = 0; i < gap_count; i++) { /* the `wanted` greatest lengths, descending */
        for (uint32_t j = 0; j < wanted; j++) {
            if (gaps[i].pages > length[j]) {
                memmove(&length[j + 1], &length[j], (wanted - j - 1) * sizeof length[0]);
                length[j] = gaps[i].pages;
                break;
            }
        }
    }
    for (uint32_t i = 0; i < wanted && i < gap_count; i++) {
        target += length[i];
    }
    if (target == 0 || gap_count < wanted || live_count + wanted > MOST / 2) {
        return;
    }
    CHECK_EQ(ss_pages_take_longest(pages, target, target, 0, UINT64_MAX, 0, UINT64_MAX, extents, wanted, &count, &total), STORSIM_INVALID);
    CHECK_EQ(ss_pages_take_longest(pages, target, target, 0, UINT64_MAX, 3, UINT64_MAX, extents, wanted, &count, &total), STORSIM_INVALID);
    CHECK_EQ(ss_pages_take_longest(pages, target, target, 0, UINT64_MAX, 1, 0, extents, wanted, &count, &total), STORSIM_INVALID);
    CHECK_EQ(ss_pages_take(pages, &(ss_page_request_t){.pages = 1}, &total), STORSIM_INVALID); /* aligned to nothing */
    CHECK_EQ(ss_pages_take_longest(pages, target, target, 0, UINT64_MAX, 1, UINT64_MAX, extents, wanted, &count, &total), STORSIM_OK);
    CHECK_EQ(total, target);
    CHECK_EQ(count, wanted);
    for (uint32_t i = 0; i < count; i++) {
        model_take(extents[i].first_pfn, extents[i].pages);
    }
}

static void through_a_snapshot(ss_host_t *host, const storsim_memory_run_t *map, storsim_placement_t placement, ss_pages_t **pages) {
    ss_codec_t save = {.mode = SS_SAVE, .host = host};
    ss_pages_t *made = NULL;
    ss_pages_walk(*pages, &save);
    CHECK_EQ(ss_pages_create(host, map, 1, 1, placement, false, 0, &made), STORSIM_OK);
    ss_codec_t load = {.mode = SS_LOAD, .host = host, .bytes = save.bytes, .length = save.length};
    ss_pages_walk(made, &load);
    CHECK_EQ(load.status, STORSIM_OK);
    ss_release(host, save.bytes);
    ss_pages_destroy(*pages);
    *pages = made;
}

static void run(uint64_t seed, uint32_t steps) {
    storsim_memory_run_t map = {FIRST, PAGES, 0};
    storsim_placement_t placement = seed % 2 != 0 ? STORSIM_TOP_DOWN : STORSIM_BOTTOM_UP;
    ss_rng_t rng = {seed};
    ss_host_t host;
    ss_pages_t *pages = NULL;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &map, 1, 1, placement, false, 0, &pages), STORSIM_OK);
    gaps[0] = (ss_page_extent_t){FIRST, PAGES};
    gap_count = 1;
    live_count = 0;
    for (uint32_t step = 0; step < steps; step++) {
        uint64_t what = ss_rng_below(&rng, 16), first = 0, count = some_length(&rng);
        if (what < 8 && live_count < MOST / 2) {
            const ss_page_request_t request = {.pages = count, .first_max = UINT64_MAX, .align_pages = 1};
            uint64_t expected = model_place(count, placement == STORSIM_TOP_DOWN);
            CHECK_EQ(ss_pages_take(pages, &request, &first), expected != 0 ? STORSIM_OK : STORSIM_NO_SPACE);
            CHECK_EQ(first, expected);
            if (expected != 0) {
                model_take(first, count);
            }
        } else if (what < 10) {
            first = FIRST + ss_rng_below(&rng, PAGES - count);
            bool possible = model_free(first, count) && live_count < MOST / 2;
            if (possible || !model_free(first, count)) {
                CHECK_EQ(ss_pages_take_at(pages, first, count), possible ? STORSIM_OK : STORSIM_NO_SPACE);
            }
            if (possible) {
                model_take(first, count);
            }
        } else if (what == 10 && ss_rng_below(&rng, 4) == 0) {
            take_longest(pages, &rng);
        } else if (live_count > 0) {
            uint32_t i = (uint32_t)ss_rng_below(&rng, live_count);
            ss_pages_give(pages, live[i].first_pfn, live[i].pages);
            model_give(live[i].first_pfn, live[i].pages);
            live[i] = live[--live_count];
        }
        if (step % 500 == 250) {
            through_a_snapshot(&host, &map, placement, &pages);
        }
        if (step % 100 == 0) {
            check_all(pages);
        }
    }
    while (live_count > 0) {
        live_count--;
        ss_pages_give(pages, live[live_count].first_pfn, live[live_count].pages);
        model_give(live[live_count].first_pfn, live[live_count].pages);
    }
    CHECK_EQ(gap_count, 1);
    check_all(pages);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

/* 1 TiB in one block asks for no more host memory than its edges and pointers. */
static void one_tebibyte(void) {
    storsim_memory_run_t map = {FIRST, (UINT64_C(1) << 28) + 100000, 0};
    const ss_page_request_t request = {.pages = UINT64_C(1) << 28, .first_max = UINT64_MAX, .align_pages = 1};
    ss_host_t host;
    ss_pages_t *pages = NULL;
    uint64_t first = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &map, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK(host.live_blocks < 40);
    CHECK_EQ(ss_pages_free_count(pages), 100000);
    ss_pages_give(pages, first, request.pages);
    CHECK_EQ(ss_pages_free_count(pages), map.pages);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, 0), map.pages);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

int main(int argc, char **argv) {
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 0) : 4, from = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        run(seed, 1500);
    }
    one_tebibyte();
    return CHECK_DONE();
}
