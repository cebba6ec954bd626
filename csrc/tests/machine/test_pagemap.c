/* The page map against a plain array, and with every host allocation failing once. */
#include "../check.h"
#include "machine/pagemap.h"
#include "machine/rng.h"

#include <string.h>

#define PAGES 4096u

typedef struct span { uint64_t page, count; } span_t;

static int overlaps(const uint32_t *plain, uint64_t page, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        if (plain[page + i] != 0) {
            return 1;
        }
    }
    return 0;
}

static void against_array(uint64_t seed) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_pagemap_t map;
    ss_pagemap_init(&map, &host);
    static uint32_t plain[PAGES];
    static span_t spans[PAGES];
    memset(plain, 0, sizeof plain);
    uint32_t live = 0;
    ss_rng_t rng = {seed};
    for (uint32_t step = 1; step < 4000; step++) {
        uint64_t count = 1 + ss_rng_below(&rng, ss_rng_below(&rng, 8) == 0 ? 1500 : 9);
        uint64_t page = ss_rng_below(&rng, PAGES - count);
        if (!overlaps(plain, page, count)) {
            CHECK_EQ(ss_pagemap_set(&map, page, count, step), STORSIM_OK);
            for (uint64_t i = 0; i < count; i++) {
                plain[page + i] = step;
            }
            spans[live++] = (span_t){page, count};
        } else if (live != 0) {
            uint32_t pick = (uint32_t)ss_rng_below(&rng, live);
            CHECK_EQ(ss_pagemap_set(&map, spans[pick].page, spans[pick].count, 0), STORSIM_OK);
            memset(plain + spans[pick].page, 0, (size_t)spans[pick].count * sizeof plain[0]);
            spans[pick] = spans[--live];
        }
        for (uint64_t i = 0; step % 50 == 0 && i < PAGES; i++) {
            CHECK_EQ(ss_pagemap_get(&map, i), plain[i]);
        }
    }
    while (live != 0) {
        live--;
        CHECK_EQ(ss_pagemap_set(&map, spans[live].page, spans[live].count, 0), STORSIM_OK);
    }
    CHECK_EQ(map.used, 0);
    ss_pagemap_destroy(&map);
    CHECK_EQ(host.live_blocks, 0);
}

/* Ranges so long that they are kept as spans, short ones beside and inside them, and what frees do: clear, and
 * replace. */
static void spans_against_array(uint64_t seed) {
    enum { MANY = 1 << 19 };
    static uint32_t plain[MANY];
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_pagemap_t map;
    ss_pagemap_init(&map, &host);
    memset(plain, 0, sizeof plain);
    ss_rng_t rng = {seed};
    for (uint32_t step = 1; step < 300; step++) {
        uint64_t count = 1 + ss_rng_below(&rng, ss_rng_below(&rng, 3) == 0 ? 200000 : 3000);
        uint64_t page = ss_rng_below(&rng, MANY - count);
        uint32_t what = (uint32_t)ss_rng_below(&rng, 4), from = plain[page], value = what == 0 ? 0 : step;
        if (what < 3) {
            if (what == 2) {
                CHECK_EQ(ss_pagemap_reserve(&map, page, count), STORSIM_OK);
            }
            CHECK_EQ(ss_pagemap_set(&map, page, count, value), STORSIM_OK);
            for (uint64_t i = 0; i < count; i++) {
                plain[page + i] = value;
            }
        } else if (from != 0) { /* all that has this value, as when its block goes or changes hands */
            uint32_t to = ss_rng_below(&rng, 2) == 0 ? 0 : step;
            ss_pagemap_replace(&map, 0, MANY, from, to);
            for (uint64_t i = 0; i < MANY; i++) {
                plain[i] = plain[i] == from ? to : plain[i];
            }
        }
        for (uint64_t i = ss_rng_below(&rng, 97); i < MANY; i += 97) {
            CHECK_EQ(ss_pagemap_get(&map, i), plain[i]);
        }
        CHECK_EQ(ss_pagemap_get(&map, page), plain[page]);
        CHECK_EQ(ss_pagemap_get(&map, page + count - 1), plain[page + count - 1]);
    }
    CHECK_EQ(ss_pagemap_set(&map, 0, MANY, 0), STORSIM_OK);
    CHECK_EQ(map.used, 0);
    CHECK_EQ(map.span_count, 0);
    ss_pagemap_destroy(&map);
    CHECK_EQ(host.live_blocks, 0);
}

/* A group that was reserved as a whole and not written yet: part of it can be cleared, and nothing is there before or
 * after. */
static void cleared_in_part(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_pagemap_t map;
    ss_pagemap_init(&map, &host);
    CHECK_EQ(ss_pagemap_reserve(&map, SS_GROUP_PAGES, SS_GROUP_PAGES), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, SS_GROUP_PAGES + 5, 3, 0), STORSIM_OK);
    CHECK_EQ(ss_pagemap_get(&map, SS_GROUP_PAGES + 6), 0);
    CHECK_EQ(ss_pagemap_set(&map, SS_GROUP_PAGES, SS_GROUP_PAGES, 4), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, SS_GROUP_PAGES + 5, 3, 0), STORSIM_OK);
    for (uint64_t page = 0; page < 3 * SS_GROUP_PAGES; page++) {
        bool set = page >= SS_GROUP_PAGES && page < 2 * SS_GROUP_PAGES && (page < SS_GROUP_PAGES + 5 || page >= SS_GROUP_PAGES + 8);
        CHECK_EQ(ss_pagemap_get(&map, page), set ? 4 : 0);
    }
    ss_pagemap_destroy(&map);
    CHECK_EQ(host.live_blocks, 0);
}

/* A reservation that is never used and made again and again does not grow. */
static void reserved_again(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_pagemap_t map;
    ss_pagemap_init(&map, &host);
    CHECK_EQ(ss_pagemap_reserve(&map, 5, UINT64_C(1) << 28), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, 5, UINT64_C(1) << 28, 1), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, 5, UINT64_C(1) << 28, 2), STORSIM_OK); /* the only span gives way to another */
    CHECK_EQ(ss_pagemap_get(&map, 5), 2);
    CHECK_EQ(ss_pagemap_set(&map, 5, UINT64_C(1) << 28, 0), STORSIM_OK);
    CHECK_EQ(host.live_blocks, 0);
    CHECK_EQ(ss_pagemap_reserve(&map, 5, UINT64_C(1) << 28), STORSIM_OK);
    uint32_t capacity = map.span_capacity;
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_EQ(ss_pagemap_reserve(&map, 5, UINT64_C(1) << 28), STORSIM_OK);
    }
    CHECK_EQ(map.span_capacity, capacity);
    CHECK_EQ(ss_pagemap_get(&map, 5), 0);
    ss_pagemap_destroy(&map);
    CHECK_EQ(host.live_blocks, 0);
}

static void every_allocation_fails(void) {
    for (unsigned long fail = 1;; fail++) {
        failing_host_t failing = {0, fail, 0, 0};
        storsim_host_t hook = FAILING_HOOK(&failing);
        ss_host_t host;
        ss_host_init(&host, &hook);
        ss_pagemap_t map;
        ss_pagemap_init(&map, &host);
        int failed = 0;
        for (uint64_t group = 0; group < 40; group++) {
            uint64_t page = group * 700;
            storsim_status_t status = ss_pagemap_set(&map, page, 600, (uint32_t)group + 1);
            if (status != STORSIM_OK) {
                CHECK_EQ(status, STORSIM_NO_MEMORY);
                failed = 1;
                for (uint64_t i = 0; i < 600; i++) {
                    CHECK_EQ(ss_pagemap_get(&map, page + i), 0);
                }
                CHECK_EQ(ss_pagemap_set(&map, page, 600, (uint32_t)group + 1), STORSIM_OK);
            }
        }
        for (uint64_t group = 0; group < 40; group++) {
            CHECK_EQ(ss_pagemap_get(&map, group * 700), group + 1);
            CHECK_EQ(ss_pagemap_get(&map, group * 700 + 599), group + 1);
            CHECK_EQ(ss_pagemap_get(&map, group * 700 + 600), 0);
        }
        ss_pagemap_destroy(&map);
        CHECK_EQ(failing.live, 0);
        if (!failed) {
            CHECK(fail > 20);
            return;
        }
    }
}

/* What needs memory and gets none is refused, and every page keeps its value. */
static void refused_pieces(void) {
    failing_host_t failing = {0};
    const storsim_host_t hook = FAILING_HOOK(&failing);
    const uint64_t many = UINT64_C(1) << 28;
    ss_host_t host;
    ss_pagemap_t map;
    ss_host_init(&host, &hook);
    ss_pagemap_init(&map, &host);
    failing.persistent = 1;
    failing.fail_at = 1;
    CHECK_EQ(ss_pagemap_reserve(&map, 5, many), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_pagemap_set(&map, 5, many, 1), STORSIM_NO_MEMORY);
    failing.fail_at = 0;
    CHECK_EQ(ss_pagemap_set(&map, 5, many, 1), STORSIM_OK);
    uint64_t cut = 100;
    while (ss_pagemap_set(&map, cut, 10, 0) == STORSIM_OK) { /* each cuts a span in two, and no room was reserved for more */
        CHECK_EQ(ss_pagemap_get(&map, cut), 0);
        cut += 100;
        CHECK(cut < 10000);
    }
    CHECK_EQ(ss_pagemap_get(&map, cut), 1);
    CHECK_EQ(ss_pagemap_set(&map, 5, many, 0), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, 0, 4096, 7), STORSIM_OK); /* whole groups, without leaves */
    failing.fail_at = 1;
    CHECK_EQ(ss_pagemap_set(&map, 0, 10, 0), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_pagemap_set(&map, 5, many, 0), STORSIM_NO_MEMORY); /* its first group would need a leaf */
    CHECK_EQ(ss_pagemap_get(&map, 3), 7);
    failing.fail_at = 0;
    CHECK_EQ(ss_pagemap_reserve(&map, 5, many), STORSIM_OK);
    failing.fail_at = 1;
    CHECK_EQ(ss_pagemap_set(&map, 5, many, 9), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_pagemap_get(&map, 3), 7);
    CHECK_EQ(ss_pagemap_get(&map, many), 0);
    failing.fail_at = 0;
    CHECK_EQ(ss_pagemap_reserve(&map, 40960, 8192), STORSIM_OK); /* promised as wholes */
    failing.fail_at = 1;
    CHECK_EQ(ss_pagemap_reserve(&map, 40961, 3), STORSIM_NO_MEMORY); /* and still promised */
    CHECK_EQ(ss_pagemap_set(&map, 40960, 8192, 8), STORSIM_OK);
    CHECK_EQ(ss_pagemap_get(&map, 40961), 8);
    failing.fail_at = 0;
    CHECK_EQ(ss_pagemap_set(&map, 0, many + 5, 0), STORSIM_OK);
    ss_pagemap_destroy(&map);
    CHECK_EQ(failing.live, 0);
}

int main(void) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        against_array(seed);
    }
    for (uint64_t seed = 1; seed <= 4; seed++) {
        spans_against_array(seed);
    }
    cleared_in_part();
    reserved_again();
    every_allocation_fails();
    refused_pieces();
    return CHECK_DONE();
}
