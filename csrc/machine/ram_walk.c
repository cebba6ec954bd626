/* machine/ram_walk.c: snapshot, restore, digest and check of the bytes.
 *
 * Canonical: stores in the order of their ids; of each its pattern, its frames and its dirty pages, among them those
 * that their owner would make. Clean pages are the pattern, so
 * they are left out; orphans belong to their exports and are left out too. Ids are kept, because blocks refer to them. */
#include "machine/ram_i.h"

#include <string.h>

static void walk_extents(ss_ram_t *ram, store_t *store, ss_store_t id, ss_codec_t *codec) {
    uint64_t count = store->extent_count;
    ss_codec_count(codec, &count, 24, UINT32_MAX);
    for (uint64_t i = 0; i < count && ss_codec_ok(codec); i++) {
        extent_t extent = {0, 0, 0};
        if (!ss_codec_loading(codec)) {
            extent = *ss_store_extent(store, (uint32_t)i);
        }
        ss_codec_u64(codec, &extent.first_pfn);
        ss_codec_u64(codec, &extent.pages);
        ss_codec_u64(codec, &extent.page_offset);
        if (ss_codec_loading(codec) && ss_codec_ok(codec)) {
            bool sane = extent.first_pfn < STORSIM_MEMORY_LIMIT / STORSIM_PAGE_SIZE &&
                        extent.pages <= STORSIM_MEMORY_LIMIT / STORSIM_PAGE_SIZE - extent.first_pfn;
            storsim_status_t status =
                sane ? ss_store_attach(ram, id, extent.page_offset, extent.first_pfn, extent.pages) : STORSIM_FORMAT;
            if (status != STORSIM_OK) {
                ss_codec_fail(codec, status == STORSIM_NO_MEMORY ? status : STORSIM_FORMAT);
            }
        }
    }
}

void ss_ram_bound(ss_ram_t *ram, uint64_t pages) {
    ram->bound = pages;
}

/* Whether the stores loaded so far leave so many pages of the map; they are counted then. */
static bool bounded(ss_ram_t *ram, uint64_t pages) {
    bool fits = ram->bound == 0 || pages <= ram->bound - ram->loaded;
    ram->loaded += fits ? pages : 0;
    return fits;
}

/* Every page of a store has its frame: the extents follow one another from its first page to its last. */
static bool whole(store_t *store) {
    uint64_t covered = 0;
    for (uint32_t i = 0; i < store->extent_count && ss_store_extent(store, i)->page_offset == covered; i++) {
        covered += ss_store_extent(store, i)->pages;
    }
    return covered == store->pages;
}

static uint64_t dirty_pages(const store_t *store) {
    uint64_t count = ss_unmade(store) ? 1 : 0;
    for (uint64_t page = 0; store->state != NULL && page < store->pages; page++) {
        count += store->state[page] == PAGE_DIRTY;
    }
    return count;
}

static void load_pages(ss_ram_t *ram, store_t *store, ss_store_t id, ss_codec_t *codec, uint64_t count) {
    uint8_t bytes[STORSIM_PAGE_SIZE];
    for (uint64_t i = 0; i < count && ss_codec_ok(codec); i++) {
        uint64_t page = 0;
        ss_codec_u64(codec, &page);
        ss_codec_bytes(codec, bytes, sizeof bytes);
        if (ss_codec_ok(codec)) {
            storsim_status_t status = page < store->pages ? ss_store_write(ram, id, page * STORSIM_PAGE_SIZE, bytes, sizeof bytes)
                                                          : STORSIM_FORMAT;
            if (status != STORSIM_OK) {
                ss_codec_fail(codec, status);
            }
        }
    }
}

static void walk_pages(ss_ram_t *ram, store_t *store, ss_store_t id, ss_codec_t *codec) {
    uint64_t count = ss_codec_loading(codec) ? 0 : dirty_pages(store);
    ss_codec_count(codec, &count, 8 + STORSIM_PAGE_SIZE, UINT64_MAX);
    if (ss_codec_loading(codec)) {
        load_pages(ram, store, id, codec, count);
        return;
    }
    if (ss_unmade(store)) {
        uint8_t bytes[STORSIM_PAGE_SIZE];
        uint64_t only = 0;
        ram->filler->fill(ram->filler->context, store->owned - 1, bytes, false);
        ss_codec_u64(codec, &only);
        ss_codec_bytes(codec, bytes, sizeof bytes);
        return;
    }
    for (uint64_t page = 0; count != 0 && store->state != NULL && page < store->pages; page++) {
        if (store->state[page] == PAGE_DIRTY) {
            ss_codec_u64(codec, &page);
            ss_codec_bytes(codec, store->data + page * STORSIM_PAGE_SIZE, STORSIM_PAGE_SIZE);
        }
    }
}

static void walk_store(ss_ram_t *ram, ss_store_t id, ss_codec_t *codec) {
    store_t *store = &ram->stores[id - 1];
    uint64_t pages = store->pages, seed = store->seed;
    uint64_t tail = store->tail;
    uint8_t fill = store->fill, tail_value = store->tail_value;
    bool loose = store->loose;
    ss_codec_u64(codec, &pages);
    ss_codec_u64(codec, &seed);
    ss_codec_u64(codec, &tail);
    ss_codec_u8(codec, &fill);
    ss_codec_u8(codec, &tail_value);
    ss_codec_bool(codec, &loose);
    if (ss_codec_loading(codec)) {
        if (!ss_codec_ok(codec) || pages == 0 || pages > STORSIM_MEMORY_LIMIT / STORSIM_PAGE_SIZE || fill > SS_FILL_ZERO ||
            (loose ? pages != 1 : !bounded(ram, pages))) {
            ss_codec_fail(codec, STORSIM_FORMAT);
            return;
        }
        *store = (store_t){.used = true, .pages = pages, .seed = seed, .fill = fill, .tail = tail, .tail_value = tail_value};
    }
    walk_extents(ram, store, id, codec);
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && !whole(store)) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
    walk_pages(ram, store, id, codec);
    if (ss_codec_loading(codec) && loose) {
        store->loose = true;
        ram->loose_pages++;
    }
}

static bool load_table(ss_ram_t *ram, ss_codec_t *codec, uint64_t count) {
    void *array = ram->stores;
    if (!ss_grow(ram->host, &array, &ram->store_capacity, (uint32_t)count, sizeof(store_t))) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return false;
    }
    ram->stores = array;
    for (uint64_t i = 0; i < count; i++) {
        ram->stores[i] = (store_t){.used = false};
    }
    ram->store_count = (uint32_t)count;
    return true;
}

void ss_ram_walk(ss_ram_t *ram, ss_codec_t *codec) {
    if (codec->mode == SS_DIGEST) {
        /* Ids are bookkeeping: what counts is the contents, in the order of the frames' first address per store. */
        for (uint32_t i = 1; i <= ram->store_count; i++) {
            const store_t *store = ss_store_at(ram, i);
            if (store != NULL && !store->orphan) {
                uint64_t one = ss_ram_store_digest(ram, i);
                codec->hash ^= one; /* order-free sum: ids depend on history, contents do not */
            }
        }
        return;
    }
    uint64_t count = ram->store_count;
    ss_codec_count(codec, &count, 1, UINT32_MAX - 1);
    if (ss_codec_loading(codec) && !load_table(ram, codec, count)) {
        return;
    }
    for (uint32_t i = 1; i <= count && ss_codec_ok(codec); i++) {
        bool used = ram->stores[i - 1].used && !ram->stores[i - 1].orphan;
        ss_codec_bool(codec, &used);
        if (used && ss_codec_ok(codec)) {
            walk_store(ram, i, codec);
        }
    }
    if (ss_codec_loading(codec)) {
        for (uint32_t i = ram->store_count; i > 0; i--) {
            if (!ram->stores[i - 1].used) {
                ram->stores[i - 1].next_free = ram->free_store;
                ram->free_store = i;
            }
        }
    }
}

uint64_t ss_ram_store_digest(ss_ram_t *ram, ss_store_t id) {
    ss_codec_t codec = {.mode = SS_DIGEST, .host = ram->host, .hash = UINT64_C(0xCBF29CE484222325)};
    walk_store(ram, id, &codec);
    return ss_mix(codec.hash, 1);
}

size_t ss_ram_check(const ss_ram_t *ram) {
    size_t broken = 0;
    uint64_t exports = 0, loose = 0;
    for (uint32_t i = 1; i <= ram->store_count; i++) {
        store_t *store = ss_store_at(ram, i);
        if (store == NULL) {
            continue;
        }
        exports += store->exports;
        loose += store->loose;
        broken += (store->data == NULL) != (store->state == NULL);
        for (uint32_t j = 0; j < store->extent_count; j++) {
            const extent_t *extent = ss_store_extent(store, j);
            broken += extent->page_offset + extent->pages > store->pages;
            broken += ss_pagemap_get(&ram->frames, extent->first_pfn) != i;
            broken += ss_pagemap_get(&ram->frames, extent->first_pfn + extent->pages - 1) != i;
        }
    }
    return broken + (exports != ram->exports) + (loose != ram->loose_pages);
}
