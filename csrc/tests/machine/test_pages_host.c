/* The page allocator and the host's memory: what creation asks for, and what happens when the host says no. Also maps
 * too large for the naive model: mids and terabytes. */
#include "../check.h"
#include "machine/pages.h"

#include <string.h>

#define TIB_PAGES (UINT64_C(1) << 28)

/* Counts the bytes asked for on top of failing_host. */
typedef struct metered {
    failing_host_t host;
    size_t bytes;
} metered_t;

static void *metered_allocate(void *context, size_t bytes) {
    metered_t *metered = context;
    metered->bytes += bytes;
    return failing_allocate(&metered->host, bytes);
}
static void *metered_zeroed(void *context, size_t bytes) {
    metered_t *metered = context;
    metered->bytes += bytes;
    return failing_zeroed(&metered->host, bytes);
}
static void *metered_resize(void *context, void *block, size_t bytes) {
    metered_t *metered = context;
    metered->bytes += bytes;
    return failing_resize(&metered->host, block, bytes);
}
static void metered_release(void *context, void *block) {
    metered_t *metered = context;
    failing_release(&metered->host, block);
}

static void host_init(ss_host_t *host, metered_t *metered) {
    storsim_host_t hook = {metered_allocate, metered_zeroed, metered_resize, metered_release, metered};
    memset(metered, 0, sizeof *metered);
    ss_host_init(host, &hook);
}

/* 64 TiB, 8 nodes, with a PC's holes. */
static size_t huge_map(storsim_memory_run_t *runs) {
    storsim_memory_run_t low[] = {{1, 0x9F, 0}, {0x100, 0xC0000 - 0x100, 0}, {0x100000, 8 * TIB_PAGES - 0x100000, 0}};
    memcpy(runs, low, sizeof low);
    for (uint32_t node = 1; node < 8; node++) {
        storsim_memory_run_t run = {8 * TIB_PAGES * node, 8 * TIB_PAGES, node};
        runs[2 + node] = run;
    }
    return 10;
}

static ss_page_request_t plain(uint64_t pages) {
    ss_page_request_t request = {pages, 0, UINT64_MAX, 1, 0, NULL, 0};
    return request;
}

static void test_huge_map(void) {
    metered_t metered;
    ss_host_t host;
    storsim_memory_run_t runs[16];
    ss_pages_t *pages;
    uint64_t first = 0;
    host_init(&host, &metered);
    CHECK_EQ(ss_pages_create(&host, runs, huge_map(runs), 8, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_OK);
    CHECK(metered.bytes < 64 * 1024);
    ss_page_request_t request = plain(1);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, 8 * TIB_PAGES - 1); /* nodes in number order */
    request.first_max = 0xFF;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, 0x9F);
    uint8_t far_node = 7;
    request.first_max = UINT64_MAX;
    request.nodes = &far_node;
    request.node_count = 1;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, 64 * TIB_PAGES - 1);
    request.align_pages = TIB_PAGES;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, 63 * TIB_PAGES);
    request.pages = 8 * TIB_PAGES;
    request.align_pages = 1;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_NO_SPACE);
    request.pages = TIB_PAGES;
    request.boundary_pages = TIB_PAGES;
    request.pages = UINT64_MAX;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_NO_SPACE);
    CHECK(metered.bytes < 256 * 1024);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, 0), 8 * TIB_PAGES);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, TIB_PAGES), TIB_PAGES);
    CHECK_EQ(ss_pages_longest(pages, 56 * TIB_PAGES, UINT64_MAX, 0), 7 * TIB_PAGES);
    uint64_t total = 0x9F + 0xC0000 - 0x100 + 64 * TIB_PAGES - 0x100000 - 4;
    CHECK_EQ(ss_pages_free_count(pages), total);
    CHECK_EQ(ss_pages_count_within(pages, STORSIM_NODE_ANY, 0, UINT64_MAX), total);
    CHECK_EQ(ss_pages_count_within(pages, 7, 0, UINT64_MAX), 8 * TIB_PAGES - 2);
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_destroy(pages);
    CHECK_EQ(metered.host.live, 0);
}

/* Runs that end and start at the borders of mids, and one that spans them. */
static void test_mids(void) {
    const uint64_t mid = UINT64_C(1) << 25;
    storsim_memory_run_t runs[] = {{0x100000, 3 * mid + 1000, 0}};
    ss_page_extent_t extents[4];
    ss_pages_t *pages;
    ss_host_t host;
    uint64_t first = 0, base = 0x100000, total = 0;
    uint32_t count = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, runs, 1, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, base + mid - 1, 2), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, base + 2 * mid - 1, 1), STORSIM_OK);
    ss_page_request_t request = plain(mid - 2);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, base + 2 * mid + 1002);
    ss_pages_give(pages, first, mid - 2);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, 0), mid + 1000);
    CHECK_EQ(ss_pages_longest(pages, 0, base + 2 * mid - 1, 0), mid - 1);
    request = plain(mid - 1);
    request.first_max = base + mid;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, base);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_NO_SPACE);
    CHECK_EQ(ss_pages_take_longest(pages, 3 * mid, 0, 0, UINT64_MAX, 1, UINT64_MAX, extents, 4, &count, &total),
             STORSIM_OK);
    CHECK_EQ(count, 2);
    CHECK_EQ(extents[0].first_pfn, base + mid + 1);
    CHECK_EQ(extents[0].pages, mid - 2);
    CHECK_EQ(extents[1].first_pfn, base + 2 * mid);
    CHECK_EQ(extents[1].pages, mid + 1000);
    CHECK_EQ(ss_pages_free_count(pages), 0);
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_give(pages, base, 3 * mid + 1000);
    CHECK_EQ(ss_pages_longest(pages, 0, UINT64_MAX, 0), 3 * mid + 1000);
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

static uint64_t digest_of(ss_pages_t *pages) {
    ss_codec_t codec = {.mode = SS_DIGEST};
    ss_pages_walk(pages, &codec);
    return codec.hash;
}

/* One short life in which every call allocates. Answers the first status that was not OK; nothing may have changed
 * then. */
static storsim_status_t life(ss_host_t *host, storsim_placement_t placement) {
    storsim_memory_run_t runs[] = {{1, 200, 0}, {65500, 300, 0}, {65800, 90000, 1}};
    ss_page_extent_t extents[64];
    ss_pages_t *pages = NULL, *other = NULL;
    ss_codec_t save = {.mode = SS_SAVE, .host = host};
    uint64_t first = 5, before, total = 5;
    uint32_t count = 5;
    storsim_status_t status = ss_pages_create(host, runs, 3, 2, placement, true, 9, &pages);
    if (status != STORSIM_OK) {
        CHECK(pages == NULL);
        return status;
    }
    ss_page_request_t request = plain(70000);
    uint8_t node = 1;
    request.nodes = &node;
    request.node_count = 1;
    before = digest_of(pages);
    uint64_t blocks = host->live_blocks;
    status = ss_pages_take(pages, &request, &first);
    CHECK(status == STORSIM_OK || host->live_blocks <= blocks + 3); /* front, mid and full chunk may stay */
    if (status == STORSIM_OK) {
        before = digest_of(pages);
        status = ss_pages_take_at(pages, 65530, 260);
    }
    if (status == STORSIM_OK) {
        before = digest_of(pages);
        status = ss_pages_take_longest(pages, 20000, 1, 0, UINT64_MAX, 1, 500, extents, 64, &count, &total);
    }
    if (status == STORSIM_OK) {
        before = digest_of(pages);
        ss_pages_walk(pages, &save);
        status = save.status;
    }
    CHECK_EQ(digest_of(pages), before);
    CHECK_EQ(ss_pages_check(pages), 0);
    if (status == STORSIM_OK &&
        (status = ss_pages_create(host, runs, 3, 2, placement, true, 9, &other)) == STORSIM_OK) {
        ss_codec_t load = {.mode = SS_LOAD, .host = host, .bytes = save.bytes, .length = save.length};
        ss_pages_walk(other, &load);
        status = load.status;
        CHECK_EQ(ss_pages_check(other), 0);
        CHECK(status != STORSIM_OK || digest_of(other) == before);
    }
    ss_pages_destroy(other);
    ss_pages_destroy(pages);
    ss_release(host, save.bytes);
    return status;
}

static void test_failing_host(void) {
    for (int placement = 0; placement < 5; placement++) {
        for (int persistent = 0; persistent < 2; persistent++) {
            bool done = false;
            for (unsigned long fail = 1; !done; fail++) {
                failing_host_t failing = {0, fail, persistent, 0};
                storsim_host_t hook = FAILING_HOOK(&failing);
                ss_host_t host;
                ss_host_init(&host, &hook);
                storsim_status_t status = life(&host, (storsim_placement_t)placement);
                done = status == STORSIM_OK;
                CHECK_EQ(status, failing.requests < fail ? STORSIM_OK : STORSIM_NO_MEMORY);
                CHECK_EQ(failing.live, 0);
                CHECK_EQ(host.live_blocks, 0);
                CHECK(!done || fail > 10);
            }
        }
    }
}

static void test_invalid(void) {
    const storsim_memory_run_t good = {1, 10, 0};
    const storsim_memory_run_t bad[][2] = {
        {{0, 10, 0}, {20, 1, 0}}, /* page 0 */
        {{1, 10, 0}, {10, 5, 0}}, /* overlap */
        {{20, 10, 0}, {1, 5, 0}}, /* order */
        {{1, 0, 0}, {10, 5, 0}},  /* empty */
        {{1, 5, 0}, {10, 5, 2}},  /* node */
        {{1, 5, 0}, {STORSIM_MEMORY_LIMIT >> STORSIM_PAGE_SHIFT, 1, 0}},
        {{1, 5, 0}, {10, UINT64_MAX, 0}},
    };
    ss_host_t host;
    ss_pages_t *pages = NULL;
    ss_host_init(&host, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(ss_pages_create(&host, bad[i], 2, 2, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_INVALID);
    }
    CHECK_EQ(ss_pages_create(&host, &good, 0, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, &good, 1, 0, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, &good, 1, 65, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, &good, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
    uint64_t first;
    ss_page_request_t request = plain(0);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_INVALID);
    request = plain(1);
    request.align_pages = 3;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_INVALID);
    request = plain(1);
    request.boundary_pages = 6;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_INVALID);
    CHECK_EQ(ss_pages_take_at(pages, 1, UINT64_MAX), STORSIM_NO_SPACE);
    CHECK_EQ(ss_pages_take_at(pages, UINT64_MAX, 2), STORSIM_NO_SPACE);
    CHECK_EQ(ss_pages_free_count(pages), 10);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

/* Damaged snapshots are refused, never trusted. */
static void test_damaged_snapshot(void) {
    storsim_memory_run_t run = {10, 500, 0};
    ss_host_t host;
    ss_pages_t *pages = NULL;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, 12, 3), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, 100, 30), STORSIM_OK);
    ss_codec_t save = {.mode = SS_SAVE, .host = &host};
    ss_pages_walk(pages, &save);
    ss_pages_destroy(pages);
    for (size_t byte = 0; byte < save.length; byte++) {
        for (int bit = 0; bit < 8; bit++) {
            CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
            save.bytes[byte] = (uint8_t)(save.bytes[byte] ^ 1 << bit);
            ss_codec_t load = {.mode = SS_LOAD, .host = &host, .bytes = save.bytes, .length = save.length};
            ss_pages_walk(pages, &load);
            save.bytes[byte] = (uint8_t)(save.bytes[byte] ^ 1 << bit);
            CHECK_EQ(ss_pages_check(pages), 0);
            CHECK(load.status == STORSIM_OK || load.status == STORSIM_FORMAT);
            ss_pages_destroy(pages);
        }
    }
    ss_release(&host, save.bytes);
    CHECK_EQ(host.live_blocks, 0);
}

/* RANDOM reaches every legal place of a small map and draws the same places from the same seed. */
static void test_random_reaches_all(void) {
    storsim_memory_run_t runs[] = {{10, 40, 0}, {60, 10, 0}};
    uint32_t hits[80] = {0}, moved = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        ss_host_t host;
        ss_pages_t *pages = NULL;
        uint64_t first = 0, again = 1;
        ss_page_request_t request = plain(3);
        for (int round = 0; round < 2; round++) {
            ss_host_init(&host, NULL);
            CHECK_EQ(ss_pages_create(&host, runs, 2, 1, STORSIM_RANDOM, false, seed, &pages), STORSIM_OK);
            CHECK_EQ(ss_pages_take_at(pages, 20, 5), STORSIM_OK);
            CHECK_EQ(ss_pages_take(pages, &request, round == 0 ? &first : &again), STORSIM_OK);
            if (round == 1) {
                uint64_t next = 0;
                ss_pages_give(pages, again, 3);
                CHECK_EQ(ss_pages_take(pages, &request, &next), STORSIM_OK);
                moved += next != again;
            }
            ss_pages_destroy(pages);
        }
        CHECK_EQ(first, again);
        hits[first]++;
    }
    for (uint64_t first = 10; first < 70; first++) {
        bool legal = first <= 17 || (first >= 25 && first <= 47) || (first >= 60 && first <= 67);
        CHECK(legal == (hits[first] > 0));
        CHECK(hits[first] < 60); /* 39 places: 26 expected */
    }
    CHECK(moved > 900);
}

int main(void) {
    test_huge_map();
    test_mids();
    test_failing_host();
    test_invalid();
    test_damaged_snapshot();
    test_random_reaches_all();
    return CHECK_DONE();
}
