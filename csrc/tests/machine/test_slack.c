/* What untouched pages hold behind a store's tail, and replacing one value by another in a page map. */
#include "../check.h"
#include "machine/pagemap.h"
#include "machine/ram.h"

#include <string.h>

static void tail(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    ss_store_t store, plain;
    CHECK_EQ(ss_store_create(ram, 3, SS_FILL_PATTERN, 7, &store), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 3, SS_FILL_PATTERN, 7, &plain), STORSIM_OK);
    ss_store_tail(ram, store, 4096 + 100, 0x0F);
    CHECK_EQ(ss_ram_host_bytes(ram), 0);
    uint8_t with[3 * 4096], without[3 * 4096];
    CHECK_EQ(ss_store_read(ram, store, 0, with, sizeof with), STORSIM_OK);
    CHECK_EQ(ss_store_read(ram, plain, 0, without, sizeof without), STORSIM_OK);
    CHECK(memcmp(with, without, 4096 + 100) == 0);
    for (size_t i = 4096 + 100; i < sizeof with; i++) {
        CHECK_EQ(with[i], 0x0F);
    }
    CHECK_EQ(ss_store_compare(ram, store, 4096 + 100, 0x0F, sizeof with - 4196), sizeof with - 4196);
    uint8_t one = 1;
    CHECK_EQ(ss_store_write(ram, store, 8192, &one, 1), STORSIM_OK);
    CHECK_EQ(ss_store_compare(ram, store, 4096 + 100, 0x0F, sizeof with - 4196), 8192 - 4196);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

static void replace(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_pagemap_t map;
    ss_pagemap_init(&map, &host);
    CHECK_EQ(ss_pagemap_set(&map, 500, 1600, 7), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, 600, 10, 8), STORSIM_OK);
    ss_pagemap_replace(&map, 500, 1600, 7, 9);
    for (uint64_t page = 0; page < 3000; page++) {
        CHECK_EQ(ss_pagemap_get(&map, page), page < 500 || page >= 2100 ? 0 : page >= 600 && page < 610 ? 8 : 9);
    }
    ss_pagemap_replace(&map, 500, 1600, 9, 0);
    for (uint64_t page = 0; page < 3000; page++) {
        CHECK_EQ(ss_pagemap_get(&map, page), page >= 600 && page < 610 ? 8 : 0);
    }
    ss_pagemap_replace(&map, 500, 1600, 8, 0);
    CHECK_EQ(map.used, 0);
    ss_pagemap_destroy(&map);
    CHECK_EQ(host.live_blocks, 0);
}

int main(void) {
    tail();
    replace();
    return CHECK_DONE();
}
