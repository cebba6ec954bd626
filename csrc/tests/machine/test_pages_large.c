/* TOP_DOWN placement on a map of several chunks, made so that searches fail often: the gaps are alike and illegal for
 * most aligned or bounded requests, so that the allocator starts to remember what it found out. Each answer is compared
 * with a walk over all pages; each change may make a remembered failure wrong. */
#include "../check.h"
#include "machine/pages.h"
#include "machine/rng.h"

#include <string.h>

#define FIRST UINT64_C(0x2F7C1) /* not aligned to anything */
#define PAGES 150000u
#define LIVE 4000u

static uint8_t busy[PAGES];
static ss_page_extent_t live[LIVE];
static uint32_t live_count;
static unsigned long granted, refused;

/* The highest legal start by looking at every page from the top; 0 when there is none. */
static uint64_t highest_legal(const ss_page_request_t *request) {
    uint64_t run = 0;
    for (uint32_t i = PAGES; i-- > 0;) {
        uint64_t first = FIRST + i, last = first + request->pages - 1;
        run = busy[i] != 0 ? 0 : run + 1;
        if (run >= request->pages && first >= request->first_min && first <= request->first_max &&
            first % request->align_pages == 0 &&
            (request->boundary_pages == 0 || first / request->boundary_pages == last / request->boundary_pages)) {
            return first;
        }
    }
    return 0;
}

static void mark(uint64_t first, uint64_t count, uint8_t value) {
    for (uint64_t i = 0; i < count; i++) {
        CHECK(busy[first - FIRST + i] != value);
        busy[first - FIRST + i] = value;
    }
}

/* Gaps that start at `start` modulo `period`, `length` pages long; the rest busy, now and then in a block that may be
 * given. */
static void make_gaps(ss_pages_t *pages, ss_rng_t *rng, uint64_t start, uint64_t length, uint64_t period) {
    for (uint64_t gap = (FIRST + period) / period * period + start; gap + period < FIRST + PAGES; gap += period) {
        uint64_t first = gap + length, count = period - length;
        CHECK_EQ(ss_pages_take_at(pages, first, count), STORSIM_OK);
        mark(first, count, 1);
        if (ss_rng_below(rng, 40) == 0 && live_count < LIVE - 1500) {
            live[live_count].first_pfn = first;
            live[live_count++].pages = count;
        }
    }
}

static void some_request(ss_rng_t *rng, ss_page_request_t *request) {
    ss_page_request_t plain = {1 + ss_rng_below(rng, 3), 0, UINT64_MAX, 1, 0, NULL, 0};
    *request = plain;
    if (ss_rng_below(rng, 8) == 0) {
        request->pages = 1 + ss_rng_below(rng, 20);
    }
    if (ss_rng_below(rng, 2) == 0) {
        request->align_pages = UINT64_C(2) << ss_rng_below(rng, ss_rng_below(rng, 2) ? 2 : 9);
    }
    if (ss_rng_below(rng, 2) == 0) {
        request->boundary_pages = UINT64_C(2) << ss_rng_below(rng, ss_rng_below(rng, 2) ? 2 : 9);
    }
    if (ss_rng_below(rng, 4) == 0) {
        request->pages = 3;
        request->align_pages = 2;
        request->boundary_pages = ss_rng_below(rng, 2) ? 4 : 0;
    }
    if (ss_rng_below(rng, 3) == 0) {
        request->first_min = FIRST + ss_rng_below(rng, PAGES);
    }
    if (ss_rng_below(rng, 2) == 0) {
        request->first_max = FIRST + ss_rng_below(rng, PAGES);
    }
}

static void take(ss_pages_t *pages, ss_rng_t *rng) {
    ss_page_request_t request;
    some_request(rng, &request);
    uint64_t expected = highest_legal(&request), first = 0;
    storsim_status_t status = ss_pages_take(pages, &request, &first);
    CHECK_EQ(status, expected != 0 ? STORSIM_OK : STORSIM_NO_SPACE);
    CHECK_EQ(first, expected);
    granted += expected != 0;
    refused += expected == 0;
    if (expected != 0) {
        mark(first, request.pages, 1);
        live[live_count].first_pfn = first;
        live[live_count++].pages = request.pages;
    }
}

static void give(ss_pages_t *pages, ss_rng_t *rng) {
    uint32_t i = (uint32_t)ss_rng_below(rng, live_count);
    ss_pages_give(pages, live[i].first_pfn, live[i].pages);
    mark(live[i].first_pfn, live[i].pages, 0);
    live[i] = live[--live_count];
}

/* Longest free run below a page, by looking. */
static uint64_t longest_below(uint64_t end) {
    uint64_t best = 0, run = 0;
    for (uint64_t i = 0; i < PAGES && FIRST + i < end; i++) {
        run = busy[i] != 0 ? 0 : run + 1;
        best = run > best ? run : best;
    }
    return best;
}

static void run(uint64_t seed, uint32_t steps) {
    storsim_memory_run_t map = {FIRST, PAGES, 0};
    ss_rng_t rng = {seed};
    ss_host_t host;
    ss_pages_t *pages = NULL;
    memset(busy, 0, sizeof busy);
    live_count = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &map, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
    if (seed % 2 == 0) {
        make_gaps(pages, &rng, 1, 2, 4); /* no gap is good for two aligned pages, or two inside a window of two */
    } else {
        make_gaps(pages, &rng, 2, 3,
                  8); /* every gap is good for three aligned pages, none for three inside a window of four */
    }
    for (uint32_t step = 0; step < steps; step++) {
        if (live_count > LIVE - 2 || (live_count > 0 && ss_rng_below(&rng, 3) == 0)) {
            give(pages, &rng);
        } else {
            take(pages, &rng);
        }
        if (step % 50 == 0) {
            uint64_t end = FIRST + ss_rng_below(&rng, PAGES);
            CHECK_EQ(ss_pages_longest(pages, 0, end - 1, 0), longest_below(end));
        }
        if (step % 400 == 0) {
            CHECK_EQ(ss_pages_check(pages), 0);
        }
    }
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

int main(int argc, char **argv) {
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 0) : 3, from = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        run(seed, 1500);
    }
    CHECK(granted > 100 && refused > 100);
    return CHECK_DONE();
}
