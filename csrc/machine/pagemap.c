/* machine/pagemap.c: sparse page → value map in two levels.
 *
 *   groups: open addressing (linear probing, no deletion marks: a group that becomes empty is removed by back-shifting)
 *     key = page / 512 + 1;  leaf == NULL: all 512 pages have `uniform`;  else leaf[512], `filled` of them non-zero */
#include "machine/pagemap.h"

#include <string.h>

#define GROUP_PAGES 512u

typedef struct ss_pagemap_group {
    uint64_t key; /* group number + 1; 0 = free place */
    uint32_t *leaf;
    uint32_t uniform;
    uint32_t filled;
    bool promised; /* reserved: must stay although empty */
} group_t;

void ss_pagemap_init(ss_pagemap_t *map, ss_host_t *host) {
    map->host = host;
    map->groups = NULL;
    map->capacity = 0;
    map->used = 0;
}

void ss_pagemap_destroy(ss_pagemap_t *map) {
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->groups[i].key != 0) {
            ss_release(map->host, map->groups[i].leaf);
        }
    }
    ss_release(map->host, map->groups);
    ss_pagemap_init(map, map->host);
}

static uint32_t slot_of(const ss_pagemap_t *map, uint64_t key) {
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32) & (map->capacity - 1);
}

static group_t *lookup(const ss_pagemap_t *map, uint64_t key) {
    if (map->capacity == 0) {
        return NULL;
    }
    for (uint32_t i = slot_of(map, key);; i = (i + 1) & (map->capacity - 1)) {
        if (map->groups[i].key == key) {
            return &map->groups[i];
        }
        if (map->groups[i].key == 0) {
            return NULL;
        }
    }
}

static bool widen(ss_pagemap_t *map) {
    if (map->capacity != 0 && map->used + 1 <= map->capacity / 4 * 3) {
        return true;
    }
    if (map->capacity > UINT32_MAX / 2) {
        return false;
    }
    ss_pagemap_t bigger = {map->host, NULL, map->capacity != 0 ? map->capacity * 2 : 16, map->used};
    bigger.groups = ss_alloc_zeroed(map->host, bigger.capacity, sizeof(group_t));
    if (bigger.groups == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->groups[i].key != 0) {
            uint32_t to = slot_of(&bigger, map->groups[i].key);
            while (bigger.groups[to].key != 0) {
                to = (to + 1) & (bigger.capacity - 1);
            }
            bigger.groups[to] = map->groups[i];
        }
    }
    ss_release(map->host, map->groups);
    *map = bigger;
    return true;
}

static group_t *lookup_or_add(ss_pagemap_t *map, uint64_t key) {
    group_t *found = lookup(map, key);
    if (found != NULL) {
        return found;
    }
    if (!widen(map)) {
        return NULL;
    }
    uint32_t i = slot_of(map, key);
    while (map->groups[i].key != 0) {
        i = (i + 1) & (map->capacity - 1);
    }
    map->groups[i] = (group_t){.key = key};
    map->used++;
    return &map->groups[i];
}

/* Linear probing without tombstones: the places after the hole move up when that brings them nearer to home. */
static void remove_group(ss_pagemap_t *map, group_t *group) {
    uint32_t mask = map->capacity - 1;
    uint32_t hole = (uint32_t)(group - map->groups);
    ss_release(map->host, group->leaf);
    for (uint32_t i = (hole + 1) & mask; map->groups[i].key != 0; i = (i + 1) & mask) {
        uint32_t home = slot_of(map, map->groups[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->groups[hole] = map->groups[i];
            hole = i;
        }
    }
    map->groups[hole] = (group_t){.key = 0};
    map->used--;
}

uint32_t ss_pagemap_get(const ss_pagemap_t *map, uint64_t page) {
    const group_t *group = lookup(map, page / GROUP_PAGES + 1);
    if (group == NULL) {
        return 0;
    }
    return group->leaf != NULL ? group->leaf[page % GROUP_PAGES] : group->uniform;
}

/* A leaf is needed unless the whole group gets one value. */
static bool prepare(ss_pagemap_t *map, uint64_t key, bool whole) {
    group_t *group = lookup_or_add(map, key);
    if (group == NULL) {
        return false;
    }
    if (!whole && group->leaf == NULL) {
        uint32_t *leaf = ss_alloc_zeroed(map->host, GROUP_PAGES, sizeof *leaf);
        if (leaf == NULL) {
            if (group->uniform == 0 && !group->promised) {
                remove_group(map, group);
            }
            return false;
        }
        if (group->uniform != 0) {
            for (uint32_t i = 0; i < GROUP_PAGES; i++) {
                leaf[i] = group->uniform;
            }
            group->filled = GROUP_PAGES;
        }
        group->leaf = leaf;
        group->uniform = 0;
    }
    group->promised = true;
    return true;
}

static void drop_if_empty(ss_pagemap_t *map, uint64_t key) {
    group_t *group = lookup(map, key);
    if (group != NULL && (group->leaf != NULL ? group->filled == 0 : group->uniform == 0)) {
        remove_group(map, group);
    }
}

storsim_status_t ss_pagemap_reserve(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    if (count == 0) {
        return STORSIM_OK;
    }
    uint64_t first = page / GROUP_PAGES, last = (page + count - 1) / GROUP_PAGES;
    for (uint64_t number = first; number <= last; number++) {
        uint64_t start = number * GROUP_PAGES;
        bool whole = page <= start && page + count >= start + GROUP_PAGES;
        if (!prepare(map, number + 1, whole)) {
            for (uint64_t back = first; back <= number; back++) {
                drop_if_empty(map, back + 1);
            }
            return STORSIM_NO_MEMORY;
        }
    }
    return STORSIM_OK;
}

static void write_group(ss_pagemap_t *map, group_t *group, uint64_t from, uint64_t to, uint32_t value) {
    group->promised = false;
    if (from == 0 && to == GROUP_PAGES) {
        ss_release(map->host, group->leaf);
        group->leaf = NULL;
        group->filled = 0;
        group->uniform = value;
        return;
    }
    uint32_t *leaf = group->leaf; /* there is one wherever less than the whole is written */
    for (uint64_t i = from; leaf != NULL && i < to; i++) {
        group->filled += (value != 0) - (leaf[i] != 0 ? 1u : 0u);
        leaf[i] = value;
    }
}

storsim_status_t ss_pagemap_set(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value) {
    if (count == 0) {
        return STORSIM_OK;
    }
    if (value != 0) {
        storsim_status_t status = ss_pagemap_reserve(map, page, count);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    uint64_t end = page + count;
    for (uint64_t at = page; at < end;) {
        uint64_t number = at / GROUP_PAGES, start = number * GROUP_PAGES;
        uint64_t to = end - start < GROUP_PAGES ? end - start : GROUP_PAGES;
        group_t *group = lookup(map, number + 1);
        if (group != NULL) {
            if (group->leaf == NULL && !(at == start && to == GROUP_PAGES)) {
                /* Only clearing part of a uniform group comes here; without memory for a leaf it would have to fail, so
                 * partial clears of groups that were set whole are refused by the interface's users: blocks go whole. */
                if (!prepare(map, number + 1, false)) {
                    return STORSIM_NO_MEMORY;
                }
                group = lookup(map, number + 1);
            }
            write_group(map, group, at - start, to, value);
            drop_if_empty(map, number + 1);
        }
        at = start + to;
    }
    return STORSIM_OK;
}

void ss_pagemap_replace(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t from, uint32_t to) {
    uint64_t end = page + count;
    for (uint64_t at = page; at < end;) {
        uint64_t number = at / GROUP_PAGES, start = number * GROUP_PAGES;
        uint64_t stop = end - start < GROUP_PAGES ? end - start : GROUP_PAGES;
        group_t *group = lookup(map, number + 1);
        if (group != NULL && group->leaf == NULL) {
            if (group->uniform == from) {
                group->uniform = to; /* uniform means one set covered it, so it goes as a whole */
                drop_if_empty(map, number + 1);
            }
        } else if (group != NULL) {
            for (uint64_t i = at - start; i < stop; i++) {
                if (group->leaf[i] == from) {
                    group->leaf[i] = to;
                    group->filled -= to == 0;
                }
            }
            drop_if_empty(map, number + 1);
        }
        at = start + stop;
    }
}
