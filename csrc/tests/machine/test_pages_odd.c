/* The page allocator asked oddly: maps that are none, nodes that are not there, places with nothing before them, and
 * what a snapshot says of pages cut short. Every placement answers alike. */
#include "../check.h"

#include <string.h>

#include "machine/pages.h"

enum { PAGES = 3000 };

static void test_maps(void) {
    static storsim_memory_run_t many[STORSIM_MAX_RANGES + 1];
    ss_host_t host;
    ss_pages_t *pages = NULL;
    ss_host_init(&host, NULL);
    for (uint32_t i = 0; i <= STORSIM_MAX_RANGES; i++) {
        many[i] = (storsim_memory_run_t){.first_pfn = 10 + 4 * (uint64_t)i, .pages = 2};
    }
    CHECK_EQ(ss_pages_create(&host, NULL, 1, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, many, 0, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, many, STORSIM_MAX_RANGES + 1, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, many, 1, 0, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_INVALID);
    CHECK_EQ(ss_pages_create(&host, many, 1, STORSIM_MAX_NODES + 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_INVALID);
    CHECK(pages == NULL);
    CHECK_EQ(ss_pages_create(&host, many, STORSIM_MAX_RANGES, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_free_count(pages), 2 * STORSIM_MAX_RANGES);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

/* Nodes that do not exist are passed over; the order of the others is kept. */
static void test_nodes(void) {
    static const storsim_memory_run_t runs[] = {{.first_pfn = 1, .pages = PAGES, .node = 0}, {.first_pfn = 0x200000, .pages = PAGES, .node = 1}};
    static const uint8_t order[] = {9, 1, 200, 0};
    static const uint64_t lengths[] = {1, 3, 64, 65, 500};
    for (storsim_placement_t placement = STORSIM_TOP_DOWN; placement <= STORSIM_ADVERSARIAL; placement = (storsim_placement_t)(placement + 1)) {
        ss_host_t host;
        ss_pages_t *pages;
        ss_host_init(&host, NULL);
        CHECK_EQ(ss_pages_create(&host, runs, 2, 2, placement, false, 7, &pages), STORSIM_OK);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            for (uint32_t count = 1; count <= 4; count++) {
                for (uint64_t align = 1; align <= 2; align++) {
                    const ss_page_request_t request = {.pages = lengths[i], .first_max = UINT64_MAX, .align_pages = align, .nodes = order,
                                                       .node_count = count};
                    uint64_t first = 0;
                    storsim_status_t status = ss_pages_take(pages, &request, &first);
                    CHECK_EQ(status, count == 1 ? STORSIM_NO_SPACE : STORSIM_OK);
                    if (status == STORSIM_OK) {
                        CHECK(first % align == 0 && (count == 4 || first >= 0x200000));
                        ss_pages_give(pages, first, lengths[i]);
                    }
                }
            }
        }
        CHECK_EQ(ss_pages_check(pages), 0);
        CHECK_EQ(ss_pages_free_count(pages), 2 * PAGES);
        ss_pages_destroy(pages);
    }
}

/* A window that begins at the only place there is, next to the block given last: nothing lies below it. */
static void test_nothing_before(void) {
    static const storsim_memory_run_t run = {.first_pfn = 1, .pages = 64};
    ss_host_t host;
    ss_pages_t *pages;
    uint64_t first = 0, second = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_ADVERSARIAL, false, 7, &pages), STORSIM_OK);
    const ss_page_request_t one = {.pages = 1, .first_max = UINT64_MAX, .align_pages = 1};
    CHECK_EQ(ss_pages_take(pages, &one, &first), STORSIM_OK);
    const ss_page_request_t below = {.pages = 1, .first_min = first - 1, .first_max = first - 1, .align_pages = 1};
    CHECK_EQ(ss_pages_take(pages, &below, &second), STORSIM_OK); /* it touches the last one, for there is no other */
    CHECK_EQ(second, first - 1);
    const ss_page_request_t large = {.pages = 63, .first_max = UINT64_MAX, .align_pages = 1};
    CHECK_EQ(ss_pages_take(pages, &large, &second), STORSIM_NO_SPACE);
    ss_pages_destroy(pages);
}

/* The busy runs of a snapshot, cut anywhere or saying something else. */
static void test_loaded(void) {
    static const storsim_memory_run_t run = {.first_pfn = 1, .pages = PAGES};
    ss_host_t host;
    ss_pages_t *pages;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 7, &pages), STORSIM_OK);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_EQ(ss_pages_take_at(pages, 100 + 50 * i, 10), STORSIM_OK);
    }
    ss_codec_t saved = {.mode = SS_SAVE, .host = &host};
    ss_pages_walk(pages, &saved);
    CHECK(ss_codec_ok(&saved));
    ss_pages_destroy(pages);
    for (size_t way = 0; way < 2 * saved.length; way++) {
        uint8_t work[400];
        CHECK(saved.length < sizeof work);
        memcpy(work, saved.bytes, saved.length);
        size_t at = way / 2;
        work[at] = way % 2 != 0 ? (uint8_t)~work[at] : work[at];
        CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 7, &pages), STORSIM_OK);
        ss_codec_t codec = {.mode = SS_LOAD, .host = &host, .bytes = work, .length = way % 2 != 0 ? saved.length : at};
        ss_pages_walk(pages, &codec);
        CHECK(way % 2 != 0 || codec.status == STORSIM_FORMAT);
        CHECK(codec.status == STORSIM_OK || codec.status == STORSIM_FORMAT);
        CHECK_EQ(ss_pages_check(pages), 0);
        ss_pages_destroy(pages);
    }

    ss_release(&host, saved.bytes);
    CHECK_EQ(host.live_blocks, 0);
}

int main(void) {
    test_maps();
    test_nodes();
    test_nothing_before();
    test_loaded();
    return CHECK_DONE();
}
