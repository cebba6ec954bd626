/* Bytes, views and maps on a host that refuses a request: what was asked fails with NO_MEMORY and nothing has
 * changed. */
#include "../check.h"

#include <string.h>

#include "machine/machine_i.h"

#define PAGE UINT64_C(4096)

/* --- blocks of the host ------------------------------------------------------------------------------------------- */

/* A block that an image holds is left behind when it shrinks; sizes no host can serve are refused before the host is
 * asked. */
static void test_listed_blocks(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    ss_host_t plain, host;
    ss_image_t image = {0};
    ss_host_init(&plain, &hook);
    ss_host_init(&host, &hook);
    ss_cells_t cells = {.plain = &plain};
    host.cells = &cells;
    uint8_t *first = ss_alloc(&host, 100), *second = ss_alloc(&host, 50);
    CHECK(first != NULL && second != NULL);
    memset(first, 7, 100);
    first = ss_resize(&host, first, 5000, 1); /* the block listed first, so nothing follows it in the list */
    CHECK(first != NULL && first[99] == 7);
    CHECK(ss_paged_alloc(&host, SIZE_MAX / 2) == NULL);
    unsigned long asked = state.requests;
    CHECK(ss_resize(&host, first, SIZE_MAX - 8, 1) == NULL);
    CHECK_EQ(state.requests, asked);
    CHECK_EQ(ss_image_take(&host, &image), STORSIM_OK);
    uint8_t *less = ss_resize(&host, first, 60, 1);
    CHECK(less != NULL && less != first && less[0] == 7 && less[59] == 7);
    ss_image_lay(&host, &image);
    CHECK(first[99] == 7);
    ss_image_drop(&host, &image);
    ss_release(&host, first);
    ss_release(&host, second);
    CHECK_EQ(state.live, 0);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void test_bytes(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    ss_host_t host;
    ss_ram_t *ram;
    ss_store_t store;
    uint8_t bytes[16], *data = NULL;
    ss_host_init(&host, &hook);
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 4, SS_FILL_PATTERN, 1, &store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 0, 0x100, 4), STORSIM_OK);
    CHECK(ss_ram_touched(ram, 0x100) == NULL && ss_ram_touched(ram, 0x200) == NULL);
    memset(bytes, 0x11, sizeof bytes);
    for (unsigned long at = 1; at <= 2; at++) {
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_store_read(ram, store, 5, bytes, sizeof bytes), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_store_write(ram, store, 5, bytes, sizeof bytes), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_store_set(ram, store, 5, 1, 10), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_store_export(ram, store, false, &data), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_ram_read(ram, 0x100008, bytes, sizeof bytes), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_ram_write(ram, 0x100FF8, bytes, sizeof bytes), STORSIM_NO_MEMORY);
        state.fail_at = state.requests + at;
        CHECK_EQ(ss_ram_write(ram, 0x300FF8, bytes, sizeof bytes), STORSIM_NO_MEMORY); /* frames of nobody */
    }
    CHECK(data == NULL && bytes[0] == 0x11 && ss_ram_exports(ram) == 0 && ss_ram_host_bytes(ram) == 0);
    CHECK_EQ(ss_store_read(ram, store, 5, bytes, 1), STORSIM_OK);
    const uint8_t *touched = ss_ram_touched(ram, 0x100);
    CHECK(touched != NULL && touched[5] == bytes[0]);
    CHECK(ss_ram_touched(ram, 0x103) == NULL); /* of the same store, not touched itself */
    CHECK_EQ(ss_store_set(ram, store, 0, 7, 100), STORSIM_OK);
    CHECK_EQ(ss_store_compare(ram, store, 0, 7, 1), 1);
    CHECK_EQ(ss_store_write(ram, store, 3, "x", 1), STORSIM_OK);
    CHECK_EQ(ss_store_compare(ram, store, 0, 7, 100), 3);
    CHECK_EQ(ss_ram_check(ram), 0);
    ss_ram_destroy(ram);
    CHECK_EQ(state.live, 0);
}

/* --- two views of memory ------------------------------------------------------------------------------------------ */

static void test_views(void) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}};
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_machine_config_t config = {.host = &hook, .ranges = ranges, .range_count = 1, .seed = 3};
    const uint64_t cached = 0x200000, combined = 0x300000;
    storsim_machine_t *m;
    uint8_t bytes[200], back[200];
    uint64_t before, after;
    memset(bytes, 0xA5, sizeof bytes);
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    CHECK_EQ(ss_bus_shadow(m, cached / PAGE, 2, true), STORSIM_OK);
    CHECK_EQ(ss_bus_shadow_combining(m, combined / PAGE, 2), STORSIM_OK);
    /* Each view of a page is made with the first access, step by step. */
    unsigned refused = 0;
    for (unsigned long at = 1; at < 10; at++) {
        CHECK_EQ(storsim_digest(m, &before), STORSIM_OK);
        state.fail_at = state.requests + at;
        storsim_status_t read = ss_bus_cpu_read(m, cached, back, sizeof back);
        state.fail_at = 0;
        CHECK(read == STORSIM_OK || read == STORSIM_NO_MEMORY);
        refused += read == STORSIM_NO_MEMORY;
        CHECK_EQ(storsim_digest(m, &after), STORSIM_OK);
        CHECK_EQ(before, after);
    }
    CHECK(refused >= 2 && refused < 9);
    /* What waits to be written back waits on when memory cannot take it. */
    CHECK_EQ(ss_bus_cpu_write(m, cached + 10, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(m, combined + 10, bytes, sizeof bytes), STORSIM_OK);
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(ss_bus_flush(m, cached + 10, sizeof bytes), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_bus_invalidate(m, cached + 20, 100), STORSIM_NO_MEMORY); /* of the first line only a part */
    CHECK_EQ(ss_bus_invalidate(m, cached + 64, 100), STORSIM_NO_MEMORY); /* of the last */
    CHECK_EQ(ss_bus_drain(m), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(ss_bus_cpu_read(m, cached + 10, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(back, bytes, sizeof back) == 0);
    CHECK_EQ(ss_bus_flush(m, cached + 10, sizeof bytes), STORSIM_OK);
    CHECK_EQ(ss_bus_drain(m), STORSIM_OK);
    CHECK_EQ(ss_bus_drain(m), STORSIM_OK);
    CHECK_EQ(storsim_memory_read(m, cached + 10, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(back, bytes, sizeof back) == 0);
    CHECK_EQ(storsim_memory_read(m, combined + 10, back, sizeof back), STORSIM_OK);
    CHECK(memcmp(back, bytes, sizeof back) == 0);
    CHECK_EQ(storsim_check(m, NULL, 0), 0);
    storsim_machine_destroy(m);
    CHECK_EQ(state.live, 0);
}

/* --- maps of pages ------------------------------------------------------------------------------------------------ */

static void test_maps(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const uint64_t many = UINT64_C(1) << 17;
    ss_host_t host;
    ss_pagemap_t map;
    ss_host_init(&host, &hook);
    /* A span of pages reserved and set: the first needs the list. */
    ss_pagemap_init(&map, &host);
    state.fail_at = state.requests + 1;
    CHECK_EQ(ss_pagemap_reserve(&map, 0, many), STORSIM_NO_MEMORY);
    state.fail_at = state.requests + 1;
    CHECK_EQ(ss_pagemap_set(&map, 0, many, 5), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_pagemap_get(&map, 0), 0);
    CHECK_EQ(ss_pagemap_set(&map, 0, many, 5), STORSIM_OK);
    /* Holes are punched into it until the list is full: clearing cuts a span in two, and only then it can fail. */
    unsigned refused = 0;
    state.persistent = 1;
    for (uint64_t i = 0; i < 8; i++) {
        state.fail_at = 1;
        storsim_status_t status = ss_pagemap_set(&map, 1000 * (i + 1), 3, 0);
        state.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(ss_pagemap_get(&map, 1000 * (i + 1) + 1), status == STORSIM_OK ? 0 : 5);
        CHECK_EQ(ss_pagemap_get(&map, 1000 * (i + 1) + 3), 5);
        refused += status == STORSIM_NO_MEMORY;
    }
    CHECK(refused > 0 && refused < 8);
    ss_pagemap_destroy(&map);
    /* Half of a group that was set whole is cleared: its value has to be spelled out page by page. */
    for (int way = 0; way < 2; way++) {
        ss_pagemap_init(&map, &host);
        CHECK_EQ(ss_pagemap_set(&map, 1024, 512, 9), STORSIM_OK);
        CHECK_EQ(ss_pagemap_set(&map, 2048, 512, 9), STORSIM_OK);
        state.fail_at = 1;
        CHECK_EQ(way == 0 ? ss_pagemap_set(&map, 1024, 100, 0) : ss_pagemap_set(&map, 1124, many, 0), STORSIM_NO_MEMORY);
        state.fail_at = 0;
        CHECK_EQ(ss_pagemap_get(&map, 1130), 9);
        CHECK_EQ(ss_pagemap_get(&map, 2050), 9);
        ss_pagemap_destroy(&map);
    }
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_listed_blocks();
    test_bytes();
    test_views();
    test_maps();
    return CHECK_DONE();
}
