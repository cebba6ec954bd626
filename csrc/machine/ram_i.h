/* machine/ram_i.h: structures shared by ram.c and ram_walk.c only. */
#ifndef SS_RAM_I_H
#define SS_RAM_I_H

#include "machine/pagemap.h"
#include "machine/ram.h"
#include "machine/rng.h"

enum { PAGE_UNTOUCHED = 0, PAGE_CLEAN = 1, PAGE_DIRTY = 2 };

typedef struct extent {
    uint64_t first_pfn, pages, page_offset;
} extent_t;

typedef struct store {
    uint64_t pages, seed;
    uint8_t *data, *state; /* both NULL until the first touch */
    extent_t first, *more; /* extents 0 and 1 … */
    uint32_t extent_count, more_capacity, exports, next_free;
    uint32_t owned; /* the owner's number of the page + 1; 0: the fill above says what is in it */
    uint64_t tail;         /* from this byte on untouched pages hold tail_value; UINT64_MAX: none */
    uint8_t fill, tail_value;
    bool used, loose, orphan;
} store_t;

struct ss_ram {
    ss_host_t *host;
    const ss_filler_t *filler;
    ss_pagemap_t frames; /* pfn → store: loose ones, and all where the filler does not know */
    store_t *stores;
    uint32_t store_count, store_capacity, free_store;
    uint64_t exports, loose_pages, host_bytes;
    uint64_t bound, loaded; /* pages that a snapshot's stores may have together, 0: any number; pages loaded so far */
    ss_store_t *numbers; /* by store - 1, while a snapshot is made; else NULL */
};

static inline store_t *ss_store_at(const ss_ram_t *ram, ss_store_t store) { /* NULL for an unused id */
    return store != 0 && store <= ram->store_count && ram->stores[store - 1].used ? &ram->stores[store - 1] : NULL;
}
static inline bool ss_unmade(const store_t *store) {
    return store->owned != 0 && store->data == NULL;
}
/* Whether the filler says which store a frame has. */
static inline bool ss_frames_told(const ss_ram_t *ram) {
    return ram->filler != NULL && ram->filler->store != NULL;
}
/* The store of a frame as it is, 0: none, or none yet. */
ss_store_t ss_store_of(const ss_ram_t *ram, uint64_t pfn);
extent_t *ss_store_extent(store_t *store, uint32_t index);

#endif
