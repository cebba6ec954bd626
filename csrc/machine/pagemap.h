/* machine/pagemap.h: sparse map from page number to a 32-bit value (0 = nothing), for who owns a frame or a virtual page.
 *
 * Two levels: a hash of 2 MiB groups (512 pages), each either "all the same value" or a leaf of 512 values; and beside it a short
 * sorted list of spans for what is set 256 MiB or more at a time. Setting n pages costs O(n / 512 + edge pages), for a span O(spans +
 * groups of the hash). Host memory follows what is set, and shrinks with it. */
#ifndef SS_PAGEMAP_H
#define SS_PAGEMAP_H

#include "machine/host.h"

#define SS_GROUP_PAGES 512u

/* 512 pages: leaf NULL: all have `uniform`; else leaf[512], `filled` of them non-zero. */
typedef struct ss_pagemap_group {
    uint64_t key; /* group number + 1; 0 = free place */
    uint32_t *leaf;
    uint32_t uniform;
    uint32_t filled;
    bool promised; /* reserved: must stay although empty */
} ss_pagemap_group_t;

typedef struct ss_pagemap {
    ss_host_t *host;
    ss_pagemap_group_t *groups; /* open addressing, power of two */
    uint32_t capacity, used;
    uint32_t shift; /* 64 - log2(capacity) */
    uint32_t *idle; /* an empty leaf kept for the next group, NULL: none */
    struct ss_pagemap_span *spans; /* sorted, disjoint */
    uint32_t span_capacity, span_count;
    uint32_t pledged; /* spans that reserved sets may still add, */
    uint64_t pledged_page, pledged_count; /* … the last of them for this range: reserving it again adds nothing */
} ss_pagemap_t;

void ss_pagemap_init(ss_pagemap_t *map, ss_host_t *host);
void ss_pagemap_destroy(ss_pagemap_t *map);
uint32_t ss_pagemap_get_elsewhere(const ss_pagemap_t *map, uint64_t page); /* ss_pagemap_get, whatever there is */
storsim_status_t ss_pagemap_reserve_elsewhere(ss_pagemap_t *map, uint64_t page, uint64_t count); /* the same for the next two */
storsim_status_t ss_pagemap_set_elsewhere(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value);
void ss_pagemap_empty(ss_pagemap_t *map, ss_pagemap_group_t *group); /* a group whose last page was cleared goes */
/* Sets those of count pages that are `from` (non-zero) to `to`. Never fails where one earlier set covered exactly these pages and
 * later ones only overwrote parts of it. O(count / 512 + pages of groups that are not uniform), for a span O(spans + groups). */
void ss_pagemap_replace(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t from, uint32_t to);

/* The top bits of a multiple of the golden ratio: keys in a row, which is what addresses and frames in use mostly are, fall farthest from
 * each other, so that nearly every group is at home. */
static inline uint32_t ss_pagemap_home(const ss_pagemap_t *map, uint64_t key) {
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> map->shift);
}

/* The group where it should be; NULL also when it is elsewhere. */
static inline ss_pagemap_group_t *ss_pagemap_at_home(const ss_pagemap_t *map, uint64_t page) {
    uint64_t key = page / SS_GROUP_PAGES + 1;
    if (map->capacity == 0) {
        return NULL;
    }
    ss_pagemap_group_t *group = &map->groups[ss_pagemap_home(map, key)];
    return group->key == key ? group : NULL;
}

/* The value of a page, 0: none. O(1), with spans O(log spans). */
static inline uint32_t ss_pagemap_get(const ss_pagemap_t *map, uint64_t page) {
    const ss_pagemap_group_t *group = ss_pagemap_at_home(map, page);
    if (group != NULL && group->leaf != NULL && map->span_count == 0) {
        return group->leaf[page % SS_GROUP_PAGES];
    }
    return ss_pagemap_get_elsewhere(map, page);
}

/* Mostly: a few pages of a group that has others, and no spans anywhere. NULL: it is not so. */
static inline ss_pagemap_group_t *ss_pagemap_leaf(const ss_pagemap_t *map, uint64_t page, uint64_t count) {
    if (map->spans != NULL || count == 0 || count >= SS_GROUP_PAGES || count > SS_GROUP_PAGES - page % SS_GROUP_PAGES) {
        return NULL;
    }
    ss_pagemap_group_t *group = ss_pagemap_at_home(map, page);
    return group != NULL && group->leaf != NULL ? group : NULL;
}

/* Pages [from, to) of a leaf. */
static inline void ss_pagemap_write(ss_pagemap_group_t *group, uint32_t from, uint32_t to, uint32_t value) {
    uint32_t held = 0;
    for (uint32_t *at = group->leaf + from, *end = group->leaf + to; at != end; at++) {
        held += *at != 0;
        *at = value;
    }
    group->filled += (value != 0 ? to - from : 0) - held;
}

/* Reserves what a later ss_pagemap_set of the same pages needs, so that the set cannot fail. */
static inline storsim_status_t ss_pagemap_reserve(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    ss_pagemap_group_t *group = ss_pagemap_leaf(map, page, count);
    if (group == NULL) {
        return ss_pagemap_reserve_elsewhere(map, page, count);
    }
    group->promised = true;
    return STORSIM_OK;
}

/* Sets count pages to value. Clearing (value 0) exactly what one earlier set covered never fails; NO_MEMORY changes nothing. */
static inline storsim_status_t ss_pagemap_set(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value) {
    ss_pagemap_group_t *group = ss_pagemap_leaf(map, page, count);
    if (group == NULL) {
        return ss_pagemap_set_elsewhere(map, page, count, value);
    }
    uint32_t from = (uint32_t)(page % SS_GROUP_PAGES);
    group->promised = false;
    ss_pagemap_write(group, from, from + (uint32_t)count, value);
    if (group->filled == 0) {
        ss_pagemap_empty(map, group);
    }
    return STORSIM_OK;
}

/* Reserving and setting in two steps of which nothing else happens to the map in between: the group that the first one found serves the
 * second. */
static inline storsim_status_t ss_pagemap_hold(ss_pagemap_t *map, uint64_t page, uint64_t count, ss_pagemap_group_t **group) {
    *group = ss_pagemap_leaf(map, page, count);
    return *group != NULL ? STORSIM_OK : ss_pagemap_reserve_elsewhere(map, page, count);
}

/* value: not 0. */
static inline void ss_pagemap_fill(ss_pagemap_t *map, ss_pagemap_group_t *group, uint64_t page, uint64_t count, uint32_t value) {
    if (group == NULL) {
        (void)ss_pagemap_set(map, page, count, value); /* reserved: cannot fail */
        return;
    }
    const uint32_t from = (uint32_t)(page % SS_GROUP_PAGES);
    group->promised = false;
    ss_pagemap_write(group, from, from + (uint32_t)count, value);
}

#endif
