/* machine/ram.c: stores, frames that point into them, and bytes by physical address. See ram.h.
 *
 *   frame --(filler, or pagemap)--> store --(extent that holds the frame)--> page of the store --> data[page * 4096]
 *
 * The room that keeps the blocks has a map from frames to them, and a block knows its store: a second map here would be written twice for
 * every block and say the same. It has only the loose stores then, and nothing where there are none.
 *
 * A store has one extent inline and a growing array for scattered blocks. Its host memory is one buffer for all pages, asked for at
 * the first touch; pages are filled one by one, so that a large block costs what is touched. */
#include "machine/ram_i.h"

#include <string.h>

storsim_status_t ss_ram_create(ss_host_t *host, const ss_filler_t *filler, ss_ram_t **ram) {
    ss_ram_t *made = ss_alloc_zeroed(host, 1, sizeof *made);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    made->host = host;
    made->filler = filler;
    ss_pagemap_init(&made->frames, host);
    *ram = made;
    return STORSIM_OK;
}

void ss_ram_destroy(ss_ram_t *ram) {
    if (ram == NULL) {
        return;
    }
    for (uint32_t i = 0; i < ram->store_count; i++) {
        ss_release(ram->host, ram->stores[i].data);
        ss_release(ram->host, ram->stores[i].state);
        ss_release(ram->host, ram->stores[i].more);
    }
    ss_release(ram->host, ram->stores);
    ss_release(ram->host, ram->numbers);
    ss_pagemap_destroy(&ram->frames);
    ss_release(ram->host, ram);
}

/* An unused entry of the table; the caller fills it in. NULL: no memory. */
static store_t *take_store(ss_ram_t *ram, uint64_t pages, ss_store_t *store) {
    uint32_t id = ram->free_store;
    if (pages == 0 || pages > SIZE_MAX / STORSIM_PAGE_SIZE) {
        return NULL;
    }
    if (id == 0) {
        void *array = ram->stores;
        if (ram->store_count == UINT32_MAX - 1 || /* unreachable: as many stores take more memory than a host has */
            !ss_grow(ram->host, &array, &ram->store_capacity, ram->store_count + 1, sizeof(store_t))) {
            return NULL;
        }
        ram->stores = array;
        id = ++ram->store_count;
    } else {
        ram->free_store = ram->stores[id - 1].next_free;
    }
    *store = id;
    return &ram->stores[id - 1];
}

storsim_status_t ss_store_create(ss_ram_t *ram, uint64_t pages, ss_fill_t fill, uint64_t seed, ss_store_t *store) {
    store_t *made = take_store(ram, pages, store);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    *made = (store_t){.used = true, .pages = pages, .fill = (uint8_t)fill, .seed = seed, .tail = UINT64_MAX};
    return STORSIM_OK;
}

storsim_status_t ss_store_make(ss_ram_t *ram, const ss_store_plan_t *plan, ss_store_t *store) {
    bool simple = ram->loose_pages == 0; /* the frames are told by whoever plans */
    store_t *made = take_store(ram, plan->pages, store);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    *made = (store_t){.used = true,
                      .pages = plan->pages,
                      .fill = (uint8_t)plan->fill,
                      .seed = plan->seed,
                      .tail = plan->tail,
                      .tail_value = plan->tail_value,
                      .owned = plan->owned,
                      .first = {plan->first_pfn, plan->pages, 0},
                      .extent_count = simple ? 1 : 0};
    if (!simple) {
        (void)ss_store_attach(ram, *store, 0, plan->first_pfn, plan->pages); /* the first piece, of told frames: needs no memory */
    }
    return STORSIM_OK;
}

void ss_store_tail(ss_ram_t *ram, ss_store_t id, uint64_t offset, uint8_t value) {
    store_t *store = ss_store_at(ram, id);
    if (store != NULL) {
        store->tail = offset;
        store->tail_value = value;
    }
}

static void forget(ss_ram_t *ram, ss_store_t id) {
    store_t *store = &ram->stores[id - 1];
    if (store->data == NULL && store->more == NULL) { /* never touched, which is the most frequent end: nothing hangs on it */
        store->used = false;
        store->next_free = ram->free_store;
        ram->free_store = id;
        return;
    }
    if (store->data != NULL) {
        ram->host_bytes -= store->pages * STORSIM_PAGE_SIZE;
    }
    ss_release(ram->host, store->data);
    ss_release(ram->host, store->state);
    ss_release(ram->host, store->more);
    *store = (store_t){.used = false, .next_free = ram->free_store};
    ram->free_store = id;
}

void ss_store_destroy(ss_ram_t *ram, ss_store_t id) {
    store_t *store = ss_store_at(ram, id);
    if (store == NULL) {
        return;
    }
    store->extent_count = 0;
    if (store->exports != 0) {
        store->orphan = true;
        for (uint64_t page = 0; page < store->pages; page++) {
            ss_paged_changed(ram->host, store->data, (size_t)page);
        }
        memset(store->data, SS_POISON, (size_t)(store->pages * STORSIM_PAGE_SIZE));
        return;
    }
    forget(ram, id);
}

extent_t *ss_store_extent(store_t *store, uint32_t index) {
    return index == 0 ? &store->first : &store->more[index - 1];
}

/* A loose page goes when a block takes its frame. */
static void drop_loose(ss_ram_t *ram, uint64_t pfn) {
    uint32_t id = ss_pagemap_get(&ram->frames, pfn);
    const store_t *store = ss_store_at(ram, id);
    if (store != NULL && store->loose) {
        if (ss_frames_told(ram)) { /* else the block's own number comes in its place */
            (void)ss_pagemap_set(&ram->frames, pfn, 1, 0); /* as it was set: cannot fail */
        }
        forget(ram, id);
        ram->loose_pages--;
    }
}

bool ss_store_begins(const ss_ram_t *ram, ss_store_t id, uint64_t pfn) {
    const store_t *store = ss_store_at(ram, id);
    return store != NULL && store->extent_count != 0 && store->first.first_pfn == pfn;
}

void ss_ram_claim(ss_ram_t *ram, uint64_t first_pfn, uint64_t count) {
    for (uint64_t pfn = first_pfn; ram->loose_pages != 0 && pfn < first_pfn + count; pfn++) {
        drop_loose(ram, pfn);
    }
}

/* make: a block that nobody touched gets its store. */
static storsim_status_t store_of(const ss_ram_t *ram, uint64_t pfn, bool make, ss_store_t *id) {
    *id = ss_frames_told(ram) && ram->loose_pages == 0 ? 0 : ss_pagemap_get(&ram->frames, pfn);
    return *id == 0 && ss_frames_told(ram) ? ram->filler->store(ram->filler->context, pfn, make, id) : STORSIM_OK;
}

ss_store_t ss_store_of(const ss_ram_t *ram, uint64_t pfn) {
    ss_store_t id = 0;
    (void)store_of(ram, pfn, false, &id); /* making none it cannot fail */
    return id;
}

storsim_status_t ss_store_attach(ss_ram_t *ram, ss_store_t id, uint64_t page_offset, uint64_t first_pfn, uint64_t count) {
    store_t *store = ss_store_at(ram, id);
    if (store == NULL || count == 0 || page_offset > store->pages || count > store->pages - page_offset) {
        return STORSIM_INVALID;
    }
    if (store->extent_count > 0) {
        void *array = store->more;
        if (!ss_grow(ram->host, &array, &store->more_capacity, store->extent_count, sizeof(extent_t))) {
            return STORSIM_NO_MEMORY;
        }
        store->more = array;
    }
    storsim_status_t status = ss_frames_told(ram) ? STORSIM_OK : ss_pagemap_reserve(&ram->frames, first_pfn, count);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_ram_claim(ram, first_pfn, count);
    if (!ss_frames_told(ram)) {
        (void)ss_pagemap_set(&ram->frames, first_pfn, count, id); /* reserved above: cannot fail */
    }
    *ss_store_extent(store, store->extent_count) = (extent_t){first_pfn, count, page_offset};
    store->extent_count++;
    return STORSIM_OK;
}

void ss_ram_detach(ss_ram_t *ram, uint64_t first_pfn, uint64_t count) {
    if (!ss_frames_told(ram)) {
        (void)ss_pagemap_set(&ram->frames, first_pfn, count, 0);
    }
}

/* --- contents ------------------------------------------------------------------------------------------------------- */

static void fill_body(const store_t *store, uint64_t page, uint8_t *to) {
    if (store->fill == SS_FILL_ZERO) {
        memset(to, 0, STORSIM_PAGE_SIZE);
        return;
    }
    /* Never zero: an uninitialised read must show. */
    ss_mix_fill(store->seed, page * (STORSIM_PAGE_SIZE / 8), to, STORSIM_PAGE_SIZE / 8);
}

static void fill_page(const store_t *store, uint64_t page, uint8_t *to) {
    uint64_t start = page * STORSIM_PAGE_SIZE;
    size_t body = store->tail <= start ? 0 : store->tail - start < STORSIM_PAGE_SIZE ? (size_t)(store->tail - start) : STORSIM_PAGE_SIZE;
    if (body != 0) {
        fill_body(store, page, to);
    }
    memset(to + body, store->tail_value, STORSIM_PAGE_SIZE - body);
}

static storsim_status_t materialise(ss_ram_t *ram, store_t *store) {
    if (store->data != NULL) {
        return STORSIM_OK;
    }
    uint8_t *state = ss_alloc_zeroed(ram->host, (size_t)store->pages, 1);
    if (state == NULL) {
        return STORSIM_NO_MEMORY;
    }
    store->data = ss_paged_alloc(ram->host, (size_t)store->pages);
    if (store->data == NULL) {
        ss_release(ram->host, state);
        return STORSIM_NO_MEMORY;
    }
    store->state = state;
    ram->host_bytes += store->pages * STORSIM_PAGE_SIZE;
    if (store->owned != 0) {
        ram->filler->fill(ram->filler->context, store->owned - 1, store->data, true);
        state[0] = PAGE_DIRTY;
    }
    return STORSIM_OK;
}

/* Pages [first, last] get host memory and contents, and the given state at least. */
static storsim_status_t touch(ss_ram_t *ram, store_t *store, uint64_t first, uint64_t last, uint8_t state) {
    storsim_status_t status = materialise(ram, store);
    if (status != STORSIM_OK) {
        return status;
    }
    for (uint64_t page = first; page <= last; page++) {
        if (store->state[page] == PAGE_UNTOUCHED) {
            ss_paged_changed(ram->host, store->data, (size_t)page);
            fill_page(store, page, store->data + page * STORSIM_PAGE_SIZE);
            store->state[page] = PAGE_CLEAN;
        }
        if (state == PAGE_DIRTY) {
            ss_paged_changed(ram->host, store->data, (size_t)page);
            store->state[page] = PAGE_DIRTY;
        }
    }
    return STORSIM_OK;
}

/* Pages of [offset, offset + bytes), about to be written: those that will be written whole need no contents before. */
static storsim_status_t touch_to_write(ss_ram_t *ram, store_t *store, uint64_t offset, uint64_t bytes) {
    storsim_status_t status = materialise(ram, store);
    if (status != STORSIM_OK) {
        return status;
    }
    uint64_t end = offset + bytes;
    for (uint64_t page = offset / STORSIM_PAGE_SIZE; page * STORSIM_PAGE_SIZE < end; page++) {
        uint64_t start = page * STORSIM_PAGE_SIZE;
        ss_paged_changed(ram->host, store->data, (size_t)page);
        if (store->state[page] == PAGE_UNTOUCHED && (start < offset || end - start < STORSIM_PAGE_SIZE)) {
            fill_page(store, page, store->data + start);
        }
        store->state[page] = PAGE_DIRTY;
    }
    return STORSIM_OK;
}

static bool inside(const store_t *store, uint64_t offset, uint64_t bytes) {
    uint64_t size = store->pages * STORSIM_PAGE_SIZE;
    return offset <= size && bytes <= size - offset;
}

storsim_status_t ss_store_read(ss_ram_t *ram, ss_store_t id, uint64_t offset, void *buffer, size_t bytes) {
    store_t *store = ss_store_at(ram, id);
    if (store == NULL || !inside(store, offset, bytes)) {
        return STORSIM_INVALID;
    }
    if (bytes == 0) {
        return STORSIM_OK;
    }
    storsim_status_t status =
        touch(ram, store, offset / STORSIM_PAGE_SIZE, (offset + bytes - 1) / STORSIM_PAGE_SIZE, PAGE_CLEAN);
    if (status == STORSIM_OK) {
        memcpy(buffer, store->data + offset, bytes);
    }
    return status;
}

storsim_status_t ss_store_write(ss_ram_t *ram, ss_store_t id, uint64_t offset, const void *buffer, size_t bytes) {
    store_t *store = ss_store_at(ram, id);
    if (store == NULL || !inside(store, offset, bytes)) {
        return STORSIM_INVALID;
    }
    if (bytes == 0) {
        return STORSIM_OK;
    }
    storsim_status_t status = touch_to_write(ram, store, offset, bytes);
    if (status == STORSIM_OK) {
        memcpy(store->data + offset, buffer, bytes);
    }
    return status;
}

storsim_status_t ss_store_set(ss_ram_t *ram, ss_store_t id, uint64_t offset, uint8_t value, uint64_t bytes) {
    store_t *store = ss_store_at(ram, id);
    if (store == NULL || !inside(store, offset, bytes)) {
        return STORSIM_INVALID;
    }
    if (bytes == 0) {
        return STORSIM_OK;
    }
    storsim_status_t status = touch_to_write(ram, store, offset, bytes);
    if (status == STORSIM_OK) {
        memset(store->data + offset, value, (size_t)bytes);
    }
    return status;
}

/* How many bytes from the start on equal `value`. */
static uint64_t same_bytes(const uint8_t *data, uint8_t value, uint64_t bytes) {
    uint64_t at = 0;
    /* unreachable: nobody asks about nothing */
    if (bytes != 0 && data[0] == value && memcmp(data, data + 1, (size_t)bytes - 1) == 0) {
        return bytes; /* each byte equals the one before it */
    }
    while (at < bytes && data[at] == value) { /* unreachable: ends at the byte that differs */
        at++;
    }
    return at;
}

uint64_t ss_store_compare(ss_ram_t *ram, ss_store_t id, uint64_t offset, uint8_t value, uint64_t bytes) {
    const store_t *store = ss_store_at(ram, id);
    if (store == NULL || store->data == NULL || !inside(store, offset, bytes)) {
        return bytes; /* never written: nothing can differ from what was never set */
    }
    for (uint64_t done = 0; done < bytes;) { /* a page at a time: only what was written can differ */
        uint64_t at = offset + done, rest = STORSIM_PAGE_SIZE - at % STORSIM_PAGE_SIZE;
        uint64_t step = rest < bytes - done ? rest : bytes - done;
        if (store->state[at / STORSIM_PAGE_SIZE] == PAGE_DIRTY) {
            uint64_t same = same_bytes(store->data + at, value, step);
            if (same != step) {
                return done + same;
            }
        }
        done += step;
    }
    return bytes;
}

storsim_status_t ss_store_export(ss_ram_t *ram, ss_store_t id, bool writable, uint8_t **data) {
    store_t *store = ss_store_at(ram, id);
    /* unreachable: as many views take more memory than a host has */
    if (store == NULL || store->orphan || store->exports == UINT32_MAX) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = touch(ram, store, 0, store->pages - 1, writable ? PAGE_DIRTY : PAGE_CLEAN);
    if (status == STORSIM_OK) {
        store->exports++;
        ram->exports++;
        *data = store->data;
    }
    return status;
}

void ss_store_unexport(ss_ram_t *ram, ss_store_t id, uint64_t *written_at) {
    *written_at = UINT64_MAX;
    store_t *store = ss_store_at(ram, id);
    if (store == NULL || store->exports == 0) {
        return;
    }
    store->exports--;
    ram->exports--;
    if (store->orphan && store->exports == 0) {
        for (uint64_t i = 0; i < store->pages * STORSIM_PAGE_SIZE; i++) {
            if (store->data[i] != SS_POISON) {
                *written_at = i;
                break;
            }
        }
        forget(ram, id);
    }
}

/* --- images --------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_ram_image(ss_ram_t *ram, ss_image_t *image) {
    storsim_status_t status = STORSIM_OK;
    for (uint32_t i = 0; i < ram->store_count; i++) {
        const store_t *store = &ram->stores[i];
        for (uint64_t page = 0; store->data != NULL && page < store->pages && status == STORSIM_OK; page++) {
            if (store->state[page] != PAGE_UNTOUCHED) { /* whoever holds an export writes without telling */
                status = ss_image_add_page(ram->host, image, store->data, (size_t)page, store->exports == 0);
            }
        }
    }
    return status;
}

void ss_ram_laid(ss_ram_t *ram, bool ended) {
    for (uint32_t i = 0; i < ram->store_count; i++) {
        store_t *store = &ram->stores[i];
        for (uint64_t page = 0; !ended && store->exports != 0 && page < store->pages; page++) {
            ss_paged_changed(ram->host, store->data, (size_t)page);
        }
        if (ended) {
            store->exports = 0;
        }
        if (ended && store->orphan) {
            forget(ram, i + 1);
        }
    }
    ram->exports = ended ? 0 : ram->exports;
}

uint64_t ss_ram_exports(const ss_ram_t *ram) {
    return ram->exports;
}

uint64_t ss_ram_host_bytes(const ss_ram_t *ram) {
    return ram->host_bytes;
}

/* --- by physical address -------------------------------------------------------------------------------------------- */

/* The page of a store that a frame points to; NULL for none. */
static store_t *page_of(const ss_ram_t *ram, uint64_t pfn, ss_store_t id, uint64_t *page) {
    store_t *store = ss_store_at(ram, id);
    /* unreachable: ends at the extent that holds the frame */
    for (uint32_t i = 0; store != NULL && i < store->extent_count; i++) {
        const extent_t *extent = ss_store_extent(store, i);
        if (pfn - extent->first_pfn < extent->pages) {
            *page = extent->page_offset + (pfn - extent->first_pfn);
            return store;
        }
    }
    return NULL;
}

/* The same of a frame whose bytes are about to be read or written: *store NULL for none. */
static storsim_status_t by_frame(const ss_ram_t *ram, uint64_t pfn, store_t **store, uint64_t *page) {
    ss_store_t id;
    storsim_status_t status = store_of(ram, pfn, true, &id);
    *store = status == STORSIM_OK ? page_of(ram, pfn, id, page) : NULL;
    return status;
}

const uint8_t *ss_ram_touched(const ss_ram_t *ram, uint64_t pfn) {
    uint64_t page = 0;
    const store_t *store = page_of(ram, pfn, ss_store_of(ram, pfn), &page);
    bool touched = store != NULL && store->data != NULL && store->state[page] != PAGE_UNTOUCHED;
    return touched ? store->data + page * STORSIM_PAGE_SIZE : NULL;
}

storsim_status_t ss_ram_read(ss_ram_t *ram, uint64_t address, void *buffer, size_t bytes) {
    uint8_t *to = buffer;
    while (bytes != 0) {
        size_t offset = (size_t)(address % STORSIM_PAGE_SIZE);
        size_t step = STORSIM_PAGE_SIZE - offset < bytes ? STORSIM_PAGE_SIZE - offset : bytes;
        uint64_t page = 0;
        store_t *store;
        storsim_status_t status = by_frame(ram, address / STORSIM_PAGE_SIZE, &store, &page);
        if (status == STORSIM_OK && store != NULL) {
            status = touch(ram, store, page, page, PAGE_CLEAN);
        }
        if (status != STORSIM_OK) {
            return status;
        }
        if (store != NULL) {
            ss_copy(to, store->data + page * STORSIM_PAGE_SIZE + offset, step);
        } else {
            memset(to, SS_POISON, step);
        }
        to += step;
        address += step;
        bytes -= step;
    }
    return STORSIM_OK;
}

/* A frame nobody owns gets a store of its own, poisoned, so that what the debugger writes there can be read back. */
static storsim_status_t make_loose(ss_ram_t *ram, uint64_t pfn) {
    ss_store_t id;
    storsim_status_t status = ss_store_create(ram, 1, SS_FILL_ZERO, 0, &id);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_store_set(ram, id, 0, SS_POISON, STORSIM_PAGE_SIZE);
    if (status == STORSIM_OK) {
        status = ss_pagemap_set(&ram->frames, pfn, 1, id);
    }
    if (status != STORSIM_OK) {
        ss_store_destroy(ram, id);
        return status;
    }
    store_t *store = ss_store_at(ram, id);
    store->first = (extent_t){pfn, 1, 0};
    store->extent_count = 1;
    store->loose = true;
    ram->loose_pages++;
    return STORSIM_OK;
}

storsim_status_t ss_ram_prepare(ss_ram_t *ram, uint64_t address, uint64_t bytes) {
    for (uint64_t at = address & ~(uint64_t)(STORSIM_PAGE_SIZE - 1); at < address + bytes; at += STORSIM_PAGE_SIZE) {
        uint64_t page = 0;
        store_t *store;
        storsim_status_t status = by_frame(ram, at / STORSIM_PAGE_SIZE, &store, &page);
        if (status == STORSIM_OK) {
            status = store != NULL ? touch(ram, store, page, page, PAGE_CLEAN) : make_loose(ram, at / STORSIM_PAGE_SIZE);
        }
        if (status != STORSIM_OK) {
            return status;
        }
    }
    return STORSIM_OK;
}

storsim_status_t ss_ram_write(ss_ram_t *ram, uint64_t address, const void *buffer, size_t bytes) {
    storsim_status_t status = STORSIM_OK;
    if (bytes > STORSIM_PAGE_SIZE - address % STORSIM_PAGE_SIZE) {
        status = ss_ram_prepare(ram, address, bytes); /* a failure leaves the contents as they were */
    }
    const uint8_t *from = buffer;
    while (status == STORSIM_OK && bytes != 0) {
        size_t offset = (size_t)(address % STORSIM_PAGE_SIZE);
        size_t step = STORSIM_PAGE_SIZE - offset < bytes ? STORSIM_PAGE_SIZE - offset : bytes;
        uint64_t page = 0;
        store_t *store;
        status = by_frame(ram, address / STORSIM_PAGE_SIZE, &store, &page);
        if (status == STORSIM_OK && store == NULL) { /* a single page that was not prepared above */
            status = make_loose(ram, address / STORSIM_PAGE_SIZE);
            store = page_of(ram, address / STORSIM_PAGE_SIZE, ss_store_of(ram, address / STORSIM_PAGE_SIZE), &page);
        }
        if (status != STORSIM_OK || store == NULL) { /* unreachable: a loose page that was made is found */
            break;
        }
        status = touch_to_write(ram, store, page * STORSIM_PAGE_SIZE + offset, step);
        if (status != STORSIM_OK) {
            break;
        }
        ss_copy(store->data + page * STORSIM_PAGE_SIZE + offset, from, step);
        from += step;
        address += step;
        bytes -= step;
    }
    return status;
}
