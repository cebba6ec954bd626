/* Every sequence of requests and frees, up to a length, on a map of 64 pages: each answer is the model's, page by page.
 *
 * A step is one of 54 requests (lengths 1, 2, 3, 32, 33, 64; alignment 1, 2, 64; boundary none, 4, 64 pages) or a free
 * of any block that is alive. After each step, and after it was undone by its opposite (a free, or the same pages taken
 * again):
 *   sound        the block is free, inside the map, aligned, crosses no boundary
 *   complete     refused only if no place exists; TOP_DOWN: the highest, BOTTOM_UP: the lowest
 *   conserving   exactly these pages change hands: page by page at the ends of the sequences, in number everywhere
 *
 *   test_pages_every [STEPS]     2 to 6, 4 when left out; a step more takes forty times as long
 *
 * Source: spec storport-memory §4.1, invariants 1, 2, 4 of its §9. */
#include "../check.h"
#include "machine/host.h"
#include "machine/pages.h"

#include <string.h>

enum { PAGES = 64, LENGTHS = 6, REQUESTS = LENGTHS * 9, LONGEST = 6 };

static const uint64_t lengths[LENGTHS] = {1, 2, 3, 32, 33, 64}, aligns[3] = {1, 2, 64}, boundaries[3] = {0, 4, 64};

typedef struct walk {
    ss_pages_t *pages;
    uint64_t base, free;         /* first page of the map; bit i: page base + i is free */
    uint64_t blocks[LONGEST];    /* alive, as masks */
    unsigned count, sequences;
    bool highest;
} walk_t;

static uint64_t mask_of(uint64_t length, uint64_t at) {
    return ~UINT64_C(0) >> (64 - length) << at;
}

/* The place a request must get, as an offset; PAGES: none. */
static uint64_t wanted(const walk_t *walk, const ss_page_request_t *request) {
    for (uint64_t i = 0; i + request->pages <= PAGES; i++) {
        uint64_t at = walk->highest ? PAGES - request->pages - i : i, first = walk->base + at, last = first + request->pages - 1;
        bool inside = request->boundary_pages == 0 || first / request->boundary_pages == last / request->boundary_pages;
        if (inside && first % request->align_pages == 0 && (mask_of(request->pages, at) & ~walk->free) == 0) {
            return at;
        }
    }
    return PAGES;
}

static void every_page(const walk_t *walk) {
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQ(ss_pages_is_free(walk->pages, walk->base + i), walk->free >> i & 1);
    }
}

static void ends(uint64_t mask, uint64_t *first, uint64_t *length) {
    for (*first = 0; (mask >> *first & 1) == 0;) {
        ++*first;
    }
    for (*length = 0; *first + *length < PAGES && (mask >> (*first + *length) & 1) != 0;) {
        ++*length;
    }
}

static uint64_t ones(uint64_t mask) {
    uint64_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

static void take(walk_t *walk, uint64_t block) {
    walk->blocks[walk->count++] = block;
    walk->free &= ~block;
}

static void give(walk_t *walk, uint64_t block) {
    uint64_t first, length;
    unsigned index = 0;
    while (walk->blocks[index] != block) {
        index++;
    }
    ends(block, &first, &length);
    ss_pages_give(walk->pages, walk->base + first, length);
    walk->free |= block;
    walk->blocks[index] = walk->blocks[--walk->count];
}

static void step(walk_t *walk, unsigned left);

static void try_request(walk_t *walk, unsigned number, unsigned left) {
    ss_page_request_t request = {.pages = lengths[number / 9], .first_max = UINT64_MAX, .align_pages = aligns[number / 3 % 3],
                                 .boundary_pages = boundaries[number % 3]};
    uint64_t first = 0, at = wanted(walk, &request);
    storsim_status_t status = ss_pages_take(walk->pages, &request, &first);
    CHECK_EQ(status, at < PAGES ? STORSIM_OK : STORSIM_NO_SPACE);
    if (at < PAGES) {
        CHECK_EQ(first, walk->base + at);
        take(walk, mask_of(request.pages, at));
        step(walk, left - 1);
        give(walk, mask_of(request.pages, at));
    }
}

/* A block is given back, and taken again after what follows. */
static void try_free(walk_t *walk, uint64_t block, unsigned left) {
    uint64_t first, length;
    give(walk, block);
    step(walk, left - 1);
    ends(block, &first, &length);
    CHECK_EQ(ss_pages_take_at(walk->pages, walk->base + first, length), STORSIM_OK);
    take(walk, block);
}

static void step(walk_t *walk, unsigned left) {
    CHECK_EQ(ss_pages_free_count(walk->pages), ones(walk->free));
    if (left == 0) {
        walk->sequences++;
        if (walk->sequences % 1024 == 0) {
            every_page(walk);
        }
        return;
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        try_request(walk, i, left);
    }
    uint64_t alive[LONGEST];
    unsigned count = walk->count;
    memcpy(alive, walk->blocks, sizeof alive);
    for (unsigned i = 0; i < count; i++) {
        try_free(walk, alive[i], left);
    }
}

static void walk_all(uint64_t base, storsim_placement_t placement, unsigned longest) {
    const storsim_memory_run_t run = {.first_pfn = base, .pages = PAGES};
    ss_host_t host;
    ss_host_init(&host, NULL);
    walk_t walk = {.base = base, .free = ~UINT64_C(0), .highest = placement == STORSIM_TOP_DOWN};
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, placement, false, 0, &walk.pages), STORSIM_OK);
    step(&walk, longest);
    every_page(&walk);
    CHECK_EQ(ss_pages_check(walk.pages), 0);
    printf("  %u sequences of %u steps from page %u, placement %d\n", walk.sequences, longest, (unsigned)base, (int)placement);
    ss_pages_destroy(walk.pages);
}

int main(int argc, char **argv) {
    unsigned longest = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4;
    CHECK(longest >= 2 && longest <= LONGEST);
    walk_all(32, STORSIM_TOP_DOWN, longest); /* in the halves of two words */
    walk_all(64, STORSIM_TOP_DOWN, longest - 1);
    walk_all(1, STORSIM_TOP_DOWN, longest - 1);
    walk_all(65505, STORSIM_TOP_DOWN, longest - 1); /* over the end of a chunk */
    walk_all(32, STORSIM_BOTTOM_UP, longest - 1);
    return CHECK_DONE();
}
