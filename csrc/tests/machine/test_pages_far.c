/* tests/machine/test_pages_far.c: the page allocator on a map of many blocks and mids, most of it taken as a whole,
 * with islands of free pages that lie far apart; compared with a look at each island. And what its self-check says of
 * records that were changed by hand. */
#include "../check.h"

#include <string.h>

#include "machine/pages_i.h"

#define FIRST UINT64_C(0x100)
#define END (3 * SS_MID_PAGES + 2 * 32 * SS_CHUNK_PAGES + 700)
enum { ISLANDS = 14 };

typedef struct island {
    uint64_t first, end;
} island_t;

static uint64_t random_state = 12345;

static uint64_t draw(uint64_t below) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 20) % below;
}

static bool legal(const ss_page_request_t *request, uint64_t at) {
    uint64_t last = at + request->pages - 1;
    return at >= request->first_min && at <= request->first_max && at % request->align_pages == 0 &&
           (request->boundary_pages == 0 || at / request->boundary_pages == last / request->boundary_pages);
}

/* The highest legal start in free pages [first, end), 0: none. Two windows of any class lie within the pages that are
 * looked at. */
static uint64_t highest(const ss_page_request_t *request, uint64_t first, uint64_t end) {
    if (end - first < request->pages) {
        return 0;
    }
    uint64_t at = ss_min_u64(end - request->pages, request->first_max);
    uint64_t stop = at > 2 * 8192 ? ss_max_u64(first, at - 2 * 8192) : first;
    for (; at + 1 > stop; at--) {
        if (at >= first && legal(request, at)) {
            return at;
        }
    }
    return 0;
}

static uint64_t expected(const island_t *islands, const ss_page_request_t *request) {
    uint64_t best = 0;
    for (int i = 0; i < ISLANDS; i++) {
        best = ss_max_u64(best, highest(request, islands[i].first, islands[i].end));
    }
    return best;
}

/* Free pages around a place that is about to be given; they do not touch one another. */
static bool apart(const island_t *islands, uint64_t first, uint64_t end) {
    for (int i = 0; i < ISLANDS; i++) {
        if (islands[i].end != islands[i].first && first < islands[i].end + 2 && islands[i].first < end + 2) {
            return false;
        }
    }
    return true;
}

static void new_island(ss_pages_t *pages, island_t *islands, int which) {
    static const uint64_t near[] = {SS_CHUNK_PAGES, 32 * SS_CHUNK_PAGES, SS_MID_PAGES, SS_GROUP_PAGES};
    island_t *island = &islands[which];
    if (island->end != island->first) {
        CHECK_EQ(ss_pages_take_at(pages, island->first, island->end - island->first), STORSIM_OK);
        island->end = island->first = 0;
    }
    uint64_t length = 1 + draw(draw(4) == 0 ? 200 : 20), first = 0;
    do {
        uint64_t unit = near[draw(4)];
        first = draw(3) == 0 ? FIRST + draw(END - FIRST - length) : (1 + draw((END - 1) / unit)) * unit;
        first = draw(2) == 0 && first > FIRST + length ? first - length / 2 : first; /* across the edge */
    } while (first < FIRST || first + length > END || !apart(islands, first, first + length));
    ss_pages_give(pages, first, length);
    *island = (island_t){first, first + length};
}

static void test_islands(storsim_placement_t placement, unsigned steps) {
    static const storsim_memory_run_t run = {.first_pfn = FIRST, .pages = END - FIRST};
    ss_host_t host;
    ss_pages_t *pages;
    island_t islands[ISLANDS] = {{0, 0}};
    unsigned found = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, placement, false, 7, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, FIRST, END - FIRST), STORSIM_OK); /* page by page: parts of it will be given back */
    for (int i = 0; i < ISLANDS; i++) {
        new_island(pages, islands, i);
    }
    for (unsigned step = 0; step < steps; step++) {
        ss_page_request_t request = {.pages = 1 + draw(draw(3) == 0 ? 64 : 12), .first_max = UINT64_MAX, .align_pages = UINT64_C(1) << draw(draw(2) == 0 ? 3 : 13)};
        uint64_t at = 0;
        if (draw(3) == 0) {
            request.boundary_pages = UINT64_C(1) << draw(10);
            request.boundary_pages = request.boundary_pages < request.pages ? 64 : request.boundary_pages;
        }
        if (draw(3) == 0) {
            request.first_max = islands[draw(ISLANDS)].first + draw(30);
        }
        if (draw(4) == 0) {
            request.first_min = islands[draw(ISLANDS)].first + draw(30);
        }
        uint64_t wanted = expected(islands, &request);
        storsim_status_t status = ss_pages_take(pages, &request, &at);
        if (placement == STORSIM_TOP_DOWN) {
            CHECK_EQ(status, wanted != 0 ? STORSIM_OK : STORSIM_NO_SPACE);
            CHECK(status != STORSIM_OK || at == wanted);
        } else {
            CHECK((status == STORSIM_OK) == (wanted != 0));
            CHECK(status != STORSIM_OK || legal(&request, at));
        }
        if (status == STORSIM_OK) {
            found++;
            ss_pages_give(pages, at, request.pages);
        }
        if (draw(5) == 0) {
            new_island(pages, islands, (int)draw(ISLANDS));
        }
        if (step % 512 == 0) {
            CHECK_EQ(ss_pages_check(pages), 0);
        }
    }
    CHECK_EQ(ss_pages_check(pages), 0);
    CHECK(found > steps / 20);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

#define CHUNK(n) ((n) * SS_CHUNK_PAGES)

static ss_pages_t *map(ss_host_t *host, uint64_t first, uint64_t end, storsim_placement_t placement) {
    const storsim_memory_run_t run = {.first_pfn = first, .pages = end - first};
    ss_pages_t *pages;
    ss_host_init(host, NULL);
    CHECK_EQ(ss_pages_create(host, &run, 1, 1, placement, false, 7, &pages), STORSIM_OK);
    return pages;
}

static void drop(ss_pages_t *pages, const ss_host_t *host) {
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_destroy(pages);
    CHECK_EQ(host->live_blocks, 0);
}

static uint64_t take(ss_pages_t *pages, uint64_t count, uint64_t align, uint64_t first_max) {
    const ss_page_request_t request = {.pages = count, .first_max = first_max, .align_pages = align};
    uint64_t first = 0;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    return first;
}

/* All of the upper mids is taken, nothing of the lowest: a search comes to its top, whatever it wants. */
static void test_untouched(void) {
    static const uint64_t aligns[] = {2, 8, 512, 4096, 32768};
    for (size_t i = 0; i < sizeof aligns / sizeof aligns[0]; i++) {
        ss_host_t host;
        ss_pages_t *pages = map(&host, FIRST, END, STORSIM_TOP_DOWN);
        CHECK_EQ(ss_pages_take_at(pages, SS_MID_PAGES, END - SS_MID_PAGES), STORSIM_OK);
        CHECK_EQ(take(pages, 2, aligns[i], UINT64_MAX), SS_MID_PAGES - aligns[i]);
        drop(pages, &host);
        /* The same after another class has found out that there is nothing above. */
        pages = map(&host, FIRST, END, STORSIM_TOP_DOWN);
        CHECK_EQ(ss_pages_take_at(pages, SS_MID_PAGES, END - SS_MID_PAGES), STORSIM_OK);
        const ss_page_request_t above = {.pages = 2, .first_min = SS_MID_PAGES, .first_max = UINT64_MAX, .align_pages = 4};
        uint64_t first = 0;
        for (int times = 0; times < 3; times++) {
            CHECK_EQ(ss_pages_take(pages, &above, &first), STORSIM_NO_SPACE);
        }
        CHECK_EQ(take(pages, 2, aligns[i], UINT64_MAX), SS_MID_PAGES - aligns[i]);
        drop(pages, &host);
    }
}

/* A lower mid is in use before the highest: that is where a search goes all the same, and from there on down, whether it begins at the
 * highest block or, once that one had nothing, at the mid. */
static void test_highest(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, FIRST, END, STORSIM_TOP_DOWN);
    CHECK_EQ(take(pages, 3, 1, SS_MID_PAGES), SS_MID_PAGES);
    ss_front_t *front = pages->segments[0].front;
    front->start = &pages->segments[0].mids[1].mid->blocks[0]; /* there is a mid above it */
    CHECK(ss_pages_check(pages) > 0);
    front->start = NULL;
    uint64_t at = END;
    for (int i = 0; i < 30; i++) { /* the highest block has 700 pages */
        at -= 64;
        CHECK_EQ(take(pages, 64, 1, UINT64_MAX), at);
        CHECK_EQ(front->start == NULL, i == 0 || i >= 10); /* at first it was not there */
    }
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_give(pages, END - 40, 20);
    ss_pages_give(pages, END - 640, 7);
    CHECK_EQ(take(pages, 21, 1, UINT64_MAX), at - 21);
    CHECK_EQ(take(pages, 20, 1, UINT64_MAX), END - 40);
    CHECK_EQ(take(pages, 8, 1, UINT64_MAX), at - 21 - 8);
    CHECK_EQ(take(pages, 6, 1, UINT64_MAX), END - 639);
    CHECK_EQ(take(pages, 1, 1, UINT64_MAX), END - 640);
    CHECK(front->start == NULL && ss_pages_check(pages) == 0);
    ss_pages_give(pages, END - 200, 200); /* in parts, each of them as long as any or longer with those above it */
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_EQ(take(pages, 64, 1, UINT64_MAX), END - 64 * i);
    }
    CHECK_EQ(take(pages, 8, 1, UINT64_MAX), END - 200);
    drop(pages, &host);
}

/* A chunk that one block fills altogether, and changes of the first word of the one above it. */
static void test_above_full(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, CHUNK(1), CHUNK(4), STORSIM_TOP_DOWN);
    CHECK_EQ(take(pages, CHUNK(1), 1, CHUNK(1)), CHUNK(1));
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(2) + 40, CHUNK(4) - CHUNK(2) - 40), STORSIM_OK);
    for (uint64_t page = 40; page-- > 0;) {
        CHECK_EQ(take(pages, 1, 1, UINT64_MAX), CHUNK(2) + page);
    }
    for (uint64_t page = 0; page < 40; page++) {
        ss_pages_give(pages, CHUNK(2) + page, 1);
        CHECK_EQ(ss_pages_check(pages), 0);
    }
    ss_pages_give(pages, CHUNK(1), CHUNK(1));
    CHECK_EQ(ss_pages_free_count(pages), CHUNK(1) + 40);
    ss_pages_give(pages, CHUNK(1), 0); /* nothing */
    CHECK_EQ(ss_pages_free_count(pages), CHUNK(1) + 40);
    const ss_segment_t *segment = &pages->segments[0];
    CHECK(ss_segment_all(segment, 0, CHUNK(1) + 40, false) && ss_segment_all(segment, CHUNK(1) + 40, 100, true));
    CHECK(!ss_segment_all(segment, CHUNK(1) + 39, 2, true) && !ss_segment_all(segment, CHUNK(1) + 39, 2, false));
    drop(pages, &host);
}

/* Pages given back at the edge of a chunk that was never touched, after searches have found out what does not go. */
static void test_edge(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, CHUNK(1), CHUNK(3), STORSIM_TOP_DOWN);
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(2), CHUNK(1)), STORSIM_OK);
    for (uint64_t word = 1; word < 40; word++) {
        ss_pages_give(pages, CHUNK(2) + 64 * word + 1, 1);
    }
    uint64_t first = take(pages, 1, 2, UINT64_MAX);
    CHECK_EQ(first, CHUNK(2) - 2);
    ss_pages_give(pages, first, 1);
    CHECK_EQ(ss_pages_check(pages), 0);
    drop(pages, &host);
    pages = map(&host, CHUNK(1), CHUNK(3), STORSIM_TOP_DOWN);
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(2), CHUNK(1)), STORSIM_OK);
    for (uint64_t word = 1; word < 40; word++) {
        ss_pages_give(pages, CHUNK(2) + 64 * word + 1, 1);
    }
    const ss_page_request_t even = {.pages = 1, .first_min = CHUNK(2), .first_max = UINT64_MAX, .align_pages = 2};
    CHECK_EQ(ss_pages_take(pages, &even, &first), STORSIM_NO_SPACE);
    ss_pages_give(pages, CHUNK(2), 1);
    CHECK_EQ(ss_pages_check(pages), 0);
    CHECK_EQ(take(pages, 1, 2, UINT64_MAX), CHUNK(2));
    drop(pages, &host);
}

/* A block over many chunks whose last piece the host refuses: those that it would have filled are as they were. */
static void test_refused_block(void) {
    for (unsigned long at = 1; at < 6; at++) {
        failing_host_t state = {0};
        const storsim_host_t hook = FAILING_HOOK(&state);
        const storsim_memory_run_t run = {.first_pfn = CHUNK(1), .pages = CHUNK(6)};
        const ss_page_request_t request = {.pages = CHUNK(3) + 5, .first_min = CHUNK(1), .first_max = CHUNK(1), .align_pages = 1};
        ss_host_t host;
        ss_pages_t *pages;
        uint64_t first = 0;
        ss_host_init(&host, &hook);
        CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 7, &pages), STORSIM_OK);
        state.fail_at = state.requests + at;
        storsim_status_t status = ss_pages_take(pages, &request, &first);
        CHECK_EQ(status, at <= 4 ? STORSIM_NO_MEMORY : STORSIM_OK); /* front, full chunk, mid, chunk */
        state.fail_at = 0;
        CHECK_EQ(ss_pages_check(pages), 0);
        CHECK_EQ(ss_pages_free_count(pages), at <= 4 ? CHUNK(6) : CHUNK(3) - 5);
        ss_pages_destroy(pages);
        CHECK_EQ(state.live, 0);
    }
}

/* What a search has found out about a class answers the next one, in every placement. */
static void test_proven(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, CHUNK(1), CHUNK(3), STORSIM_ADVERSARIAL);
    uint64_t first = 0;
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(2), CHUNK(1)), STORSIM_OK);
    for (uint64_t word = 1; word < 40; word++) {
        ss_pages_give(pages, CHUNK(2) + 64 * word + 1, 1);
    }
    const ss_page_request_t even = {.pages = 1, .first_min = CHUNK(2), .first_max = UINT64_MAX, .align_pages = 2};
    for (int times = 0; times < 3; times++) {
        CHECK_EQ(ss_pages_take(pages, &even, &first), STORSIM_NO_SPACE);
    }
    ss_pages_give(pages, CHUNK(2), 1);
    CHECK_EQ(ss_pages_take(pages, &even, &first), STORSIM_OK);
    CHECK_EQ(first, CHUNK(2));
    drop(pages, &host);
}

/* A chunk is said to have a longer stretch than any of its groups is said to have. */
static void test_between_levels(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, CHUNK(1), CHUNK(2), STORSIM_TOP_DOWN);
    uint64_t first = 0;
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(1), CHUNK(1)), STORSIM_OK);
    ss_pages_give(pages, CHUNK(1) + 31 * SS_GROUP_PAGES + 100, 15);
    CHECK_EQ(take(pages, 15, 1, UINT64_MAX), CHUNK(1) + 31 * SS_GROUP_PAGES + 100);
    ss_pages_give(pages, CHUNK(1) + 128, 12); /* two in one word */
    ss_pages_give(pages, CHUNK(1) + 150, 12);
    const ss_page_request_t window = {.pages = 13, .first_max = CHUNK(2) - 200, .align_pages = 1};
    const ss_page_request_t plain = {.pages = 15, .first_max = UINT64_MAX, .align_pages = 1};
    for (int times = 0; times < 2; times++) {
        CHECK_EQ(ss_pages_take(pages, &window, &first), STORSIM_NO_SPACE);
    }
    CHECK_EQ(take(pages, 12, 1, UINT64_MAX), CHUNK(1) + 150); /* leaves the word with one as long */
    for (int times = 0; times < 2; times++) {
        CHECK_EQ(ss_pages_take(pages, &plain, &first), STORSIM_NO_SPACE);
    }
    CHECK_EQ(take(pages, 12, 1, UINT64_MAX), CHUNK(1) + 128);
    drop(pages, &host);
}

/* --- the self-check ----------------------------------------------------------------------------------------------- */

static void test_check(void) {
    ss_host_t host;
    ss_pages_t *pages = map(&host, CHUNK(1), CHUNK(70), STORSIM_TOP_DOWN);
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(2) + 10, 100), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, CHUNK(68) + 10, 100), STORSIM_OK);
    ss_pages_give(pages, CHUNK(2) + 10, 3);
    ss_segment_t *segment = &pages->segments[0];
    ss_chunk_t *chunk = ss_chunk_at(segment, 1);
    ss_mid_t *mid = segment->mids[0].mid;
    CHECK(chunk != NULL && ss_pages_check(pages) == 0);
    chunk->busy[SS_CHUNK_WORDS] ^= 1; /* no copy of the word above */
    CHECK(ss_pages_check(pages) > 0);
    chunk->busy[SS_CHUNK_WORDS] ^= 1;
    mid->blocks[0].bound[5] = 3; /* of a chunk that is free altogether */
    CHECK(ss_pages_check(pages) > 0);
    mid->blocks[0].bound[5] = SS_SMALL;
    segment->front->start = &mid->blocks[0]; /* there is one above */
    CHECK(ss_pages_check(pages) > 0);
    segment->front->start = NULL;
    mid->bound[1] = 5; /* the bounds of its chunks are higher */
    CHECK(ss_pages_check(pages) > 0);
    mid->bound[1] = SS_SMALL;
    uint32_t longest = chunk->longest;
    chunk->longest = 100; /* it has longer runs */
    CHECK(ss_pages_check(pages) > 0);
    chunk->longest = 0;
    CHECK(ss_pages_check(pages) > 0);
    chunk->longest = longest;
    uint32_t place = (uint32_t)(CHUNK(2) >> SS_CHUNK_SHIFT) % SS_RECENT;
    CHECK(pages->recent[place] == chunk);
    pages->recent[place + 1] = chunk; /* in the place of another */
    CHECK_EQ(ss_pages_check(pages), 1);
    pages->recent[place + 1] = NULL;
    static ss_chunk_t other;
    other = *chunk;
    pages->recent[place] = &other; /* one that is not the segment's */
    CHECK_EQ(ss_pages_check(pages), 1);
    pages->recent[place] = chunk;
    CHECK_EQ(take(pages, CHUNK(1), CHUNK(1), CHUNK(4)), CHUNK(4));
    segment->full->first = CHUNK(4);
    pages->recent[4] = segment->full; /* one that stands for many */
    CHECK_EQ(ss_pages_check(pages), 1);
    pages->recent[4] = NULL;
    drop(pages, &host);
}

int main(void) {
    test_islands(STORSIM_TOP_DOWN, 6000);
    test_islands(STORSIM_ADVERSARIAL, 1000);
    test_untouched();
    test_highest();
    test_above_full();
    test_edge();
    test_refused_block();
    test_proven();
    test_between_levels();
    test_check();
    return CHECK_DONE();
}
