/* machine/ram_walk.c: snapshot, restore, digest and check of the bytes.
 *
 * Canonical: stores in the order of their first frames, numbered so from 1; of each its pattern, its frames and its dirty pages, among them
 * those that their owner would make. Clean pages are the pattern, so they are left out; orphans belong to their exports and are left out too.
 * Which blocks have a store depends on who looked at them, and the stores' ids on the order in which: neither may show in a snapshot. So all
 * that are planned are made first, and whoever refers to stores writes their numbers (ss_ram_number). */
#include "machine/ram_i.h"

#include <string.h>

/* A loose store is one page, and listed by its frame in any case. */
static storsim_status_t load_extent(ss_ram_t *ram, ss_store_t id, const extent_t *extent, bool loose) {
    const uint64_t limit = STORSIM_MEMORY_LIMIT / STORSIM_PAGE_SIZE;
    if (extent->first_pfn >= limit || extent->pages > limit - extent->first_pfn) {
        return STORSIM_FORMAT;
    }
    storsim_status_t status = ss_store_attach(ram, id, extent->page_offset, extent->first_pfn, extent->pages);
    return status == STORSIM_OK && loose ? ss_pagemap_set(&ram->frames, extent->first_pfn, 1, id) : status;
}

static void walk_extents(ss_ram_t *ram, store_t *store, ss_store_t id, bool loose, ss_codec_t *codec) {
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
        if (ss_codec_loading(codec)) { /* as many as were counted are there */
            storsim_status_t status = load_extent(ram, id, &extent, loose);
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
        storsim_status_t status = page < store->pages ? ss_store_write(ram, id, page * STORSIM_PAGE_SIZE, bytes, sizeof bytes)
                                                      : STORSIM_FORMAT;
        if (status != STORSIM_OK) {
            ss_codec_fail(codec, status);
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
    for (uint64_t page = 0; store->state != NULL && page < store->pages; page++) {
        if (store->state[page] == PAGE_DIRTY) {
            ss_codec_u64(codec, &page);
            ss_codec_bytes(codec, store->data + page * STORSIM_PAGE_SIZE, STORSIM_PAGE_SIZE);
        }
    }
}

static void walk_store(ss_ram_t *ram, store_t *store, ss_store_t id, ss_codec_t *codec) {
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
    walk_extents(ram, store, id, loose, codec);
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

/* Of frames, pattern and dirty pages. */
static uint64_t digest_of(ss_ram_t *ram, store_t *store) {
    ss_codec_t codec = {.mode = SS_DIGEST, .host = ram->host, .hash = UINT64_C(0xCBF29CE484222325)};
    walk_store(ram, store, 0, &codec);
    return ss_mix(codec.hash, 1);
}

/* --- blocks without a store: the digest takes each as the store it would get, a snapshot makes it --------------------- */

typedef struct sum {
    ss_ram_t *ram;
    uint64_t hash;
} sum_t;

static ss_store_t digest_plan(void *state, const ss_store_plan_t *plan) {
    sum_t *sum = state;
    store_t store = {.pages = plan->pages,
                     .seed = plan->seed,
                     .first = {plan->first_pfn, plan->pages, 0},
                     .extent_count = 1,
                     .tail = plan->tail,
                     .tail_value = plan->tail_value,
                     .owned = plan->owned,
                     .fill = (uint8_t)plan->fill};
    sum->hash ^= digest_of(sum->ram, &store);
    return 0;
}

typedef struct making {
    ss_ram_t *ram;
    ss_codec_t *codec;
} making_t;

static ss_store_t make_plan(void *state, const ss_store_plan_t *plan) {
    const making_t *making = state;
    ss_store_t made = 0;
    storsim_status_t status = ss_codec_ok(making->codec) ? ss_store_make(making->ram, plan, &made) : STORSIM_OK;
    if (status != STORSIM_OK) {
        ss_codec_fail(making->codec, status);
        return 0;
    }
    return made;
}

static void each_plan(const ss_ram_t *ram, ss_plan_fn visit, void *state) {
    if (ram->filler != NULL && ram->filler->plans != NULL) {
        ram->filler->plans(ram->filler->context, visit, state);
    }
}

/* --- the table of stores -------------------------------------------------------------------------------------------- */

/* No two stores with frames share one; those without come last, by id. */
static bool before(const ss_ram_t *ram, ss_store_t a, ss_store_t b) {
    const store_t *one = &ram->stores[a - 1], *other = &ram->stores[b - 1];
    uint64_t first = one->extent_count != 0 ? one->first.first_pfn : UINT64_MAX;
    uint64_t second = other->extent_count != 0 ? other->first.first_pfn : UINT64_MAX;
    return first != second ? first < second : a < b;
}

static void sink(const ss_ram_t *ram, ss_store_t *order, size_t at, size_t count) {
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && before(ram, order[child], order[child + 1]);
        if (!before(ram, order[at], order[child])) {
            return;
        }
        ss_store_t moved = order[at];
        order[at] = order[child];
        order[child] = moved;
        at = child;
    }
}

/* Heap sort: in place, and no worse for any order. */
static void sort(const ss_ram_t *ram, ss_store_t *order, size_t count) {
    for (size_t at = count / 2; at > 0; at--) {
        sink(ram, order, at - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        ss_store_t largest = order[0];
        order[0] = order[end - 1];
        order[end - 1] = largest;
        sink(ram, order, 0, end - 1);
    }
}

static void save_all(ss_ram_t *ram, ss_codec_t *codec) {
    each_plan(ram, make_plan, &(making_t){ram, codec});
    ss_ram_walked(ram);
    ram->numbers = ss_alloc_zeroed(ram->host, ram->store_count, sizeof *ram->numbers);
    ss_store_t *order = ss_alloc_zeroed(ram->host, ram->store_count, sizeof *order);
    if (ram->numbers == NULL || order == NULL) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        ss_release(ram->host, order);
        return;
    }
    uint64_t count = 0;
    for (uint32_t i = 1; i <= ram->store_count; i++) {
        if (ram->stores[i - 1].used && !ram->stores[i - 1].orphan) {
            order[count++] = i;
        }
    }
    sort(ram, order, (size_t)count);
    ss_codec_count(codec, &count, 1, UINT32_MAX - 1);
    for (uint32_t i = 0; i < count && ss_codec_ok(codec); i++) {
        bool used = true;
        ram->numbers[order[i] - 1] = i + 1;
        ss_codec_bool(codec, &used);
        walk_store(ram, &ram->stores[order[i] - 1], order[i], codec);
    }
    ss_release(ram->host, order);
}

/* Numbers become ids. A number may be unused: older snapshots have the table as it lay in memory. */
static void load_all(ss_ram_t *ram, ss_codec_t *codec) {
    uint64_t count = 0;
    ss_codec_count(codec, &count, 1, UINT32_MAX - 1);
    if (!load_table(ram, codec, count)) {
        return;
    }
    for (uint32_t i = 1; i <= count && ss_codec_ok(codec); i++) {
        bool used = false;
        ss_codec_bool(codec, &used);
        if (used) {
            walk_store(ram, &ram->stores[i - 1], i, codec);
        }
    }
    ram->free_store = 0; /* a damaged snapshot's block may have driven out a loose store */
    for (uint32_t i = ram->store_count; i > 0; i--) {
        if (!ram->stores[i - 1].used) {
            ram->stores[i - 1].next_free = ram->free_store;
            ram->free_store = i;
        }
    }
}

void ss_ram_walk(ss_ram_t *ram, ss_codec_t *codec) {
    if (codec->mode == SS_DIGEST) {
        /* Ids are bookkeeping: what counts is the contents, in the order of the frames' first address per store. */
        for (uint32_t i = 1; i <= ram->store_count; i++) {
            const store_t *store = ss_store_at(ram, i);
            if (store != NULL && !store->orphan) {
                codec->hash ^= digest_of(ram, &ram->stores[i - 1]); /* order-free sum: ids depend on history, contents do not */
            }
        }
        sum_t sum = {ram, 0};
        each_plan(ram, digest_plan, &sum);
        codec->hash ^= sum.hash;
        return;
    }
    if (ss_codec_loading(codec)) {
        load_all(ram, codec);
    } else {
        save_all(ram, codec);
    }
}

ss_store_t ss_ram_number(const ss_ram_t *ram, ss_store_t store) {
    return ram->numbers != NULL && store != 0 && store <= ram->store_count ? ram->numbers[store - 1] : 0;
}

void ss_ram_walked(ss_ram_t *ram) {
    ss_release(ram->host, ram->numbers);
    ram->numbers = NULL;
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
            broken += ss_store_of(ram, extent->first_pfn) != i;
            broken += ss_store_of(ram, extent->first_pfn + extent->pages - 1) != i;
        }
    }
    return broken + (exports != ram->exports) + (loose != ram->loose_pages);
}
