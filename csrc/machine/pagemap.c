/* machine/pagemap.c: sparse page → value map in two levels.
 *
 *   groups: open addressing (linear probing, no deletion marks: a group that becomes empty is removed by back-shifting)
 *     key = page / 512 + 1;  leaf == NULL: all 512 pages have `uniform`;  else leaf[512], `filled` of them non-zero
 *   spans: [first, first + count) has `value`, sorted by address; for sets of SPAN_PAGES and more
 *
 * Invariant: a page has a value in its group or in a span, never in both. A set clears what the groups and spans say about its
 * pages before it puts down its own, wherever that is. */
#include "machine/pagemap.h"

#include <string.h>

#define GROUP_PAGES SS_GROUP_PAGES
#define SPAN_PAGES (UINT64_C(1) << 16)

typedef struct ss_pagemap_span {
    uint64_t first, count;
    uint32_t value;
} span_t;

typedef ss_pagemap_group_t group_t;

void ss_pagemap_init(ss_pagemap_t *map, ss_host_t *host) {
    *map = (ss_pagemap_t){.host = host};
}

void ss_pagemap_destroy(ss_pagemap_t *map) {
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->groups[i].key != 0) {
            ss_release(map->host, map->groups[i].leaf);
        }
    }
    ss_release(map->host, map->groups);
    ss_release(map->host, map->idle);
    ss_release(map->host, map->spans);
    ss_pagemap_init(map, map->host);
}

static group_t *lookup(const ss_pagemap_t *map, uint64_t key) {
    if (map->capacity == 0) {
        return NULL;
    }
    for (uint32_t i = ss_pagemap_home(map, key);; i = (i + 1) & (map->capacity - 1)) {
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
    if (map->capacity > UINT32_MAX / 2) { /* unreachable: as many groups take more memory than a host has */
        return false;
    }
    ss_pagemap_t bigger = *map;
    bigger.capacity = map->capacity != 0 ? map->capacity * 2 : 16;
    bigger.shift = map->capacity != 0 ? map->shift - 1 : 60;
    bigger.groups = ss_alloc_zeroed(map->host, bigger.capacity, sizeof(group_t));
    if (bigger.groups == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->groups[i].key != 0) {
            uint32_t to = ss_pagemap_home(&bigger, map->groups[i].key);
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
    uint32_t i = ss_pagemap_home(map, key);
    while (map->groups[i].key != 0) {
        i = (i + 1) & (map->capacity - 1);
    }
    map->groups[i] = (group_t){.key = key};
    map->used++;
    return &map->groups[i];
}

/* An empty leaf is all zeroes, so it can serve as it is. */
static void put_leaf(ss_pagemap_t *map, uint32_t *leaf) {
    if (map->idle == NULL) {
        map->idle = leaf;
    } else {
        ss_release(map->host, leaf);
    }
}

static uint32_t *take_leaf(ss_pagemap_t *map) {
    uint32_t *leaf = map->idle;
    if (leaf == NULL) {
        return ss_alloc_zeroed(map->host, GROUP_PAGES, sizeof *leaf);
    }
    map->idle = NULL;
    return leaf;
}

/* Linear probing without tombstones: the places after the hole move up when that brings them nearer to home. */
void ss_pagemap_empty(ss_pagemap_t *map, group_t *group) {
    uint32_t mask = map->capacity - 1;
    uint32_t hole = (uint32_t)(group - map->groups);
    put_leaf(map, group->leaf);
    for (uint32_t i = (hole + 1) & mask; map->groups[i].key != 0; i = (i + 1) & mask) {
        uint32_t home = ss_pagemap_home(map, map->groups[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->groups[hole] = map->groups[i];
            hole = i;
        }
    }
    map->groups[hole] = (group_t){.key = 0};
    map->used--;
}

/* --- spans ---------------------------------------------------------------------------------------------------------- */

/* Index of the first span that ends above the page. */
static uint32_t span_at(const ss_pagemap_t *map, uint64_t page) {
    uint32_t low = 0, high = map->span_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->spans[middle].first + map->spans[middle].count > page) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Room for the spans that a set of some pages can add: the new one, and one where it cuts another in two. */
static bool pledge(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    bool again = map->pledged != 0 && map->pledged_page == page && map->pledged_count == count;
    if (again || (map->span_count == 0 && count < SPAN_PAGES)) {
        return true;
    }
    uint32_t needed = map->span_count + map->pledged + 2;
    if (needed > map->span_capacity) {
        span_t *spans = ss_alloc_zeroed(map->host, (size_t)needed * 2, sizeof *spans);
        if (spans == NULL) {
            return false;
        }
        if (map->span_count != 0) {
            memcpy(spans, map->spans, map->span_count * sizeof *spans);
        }
        ss_release(map->host, map->spans);
        map->spans = spans;
        map->span_capacity = needed * 2;
    }
    map->pledged += 2;
    map->pledged_page = page;
    map->pledged_count = count;
    return true;
}

static void insert_span(ss_pagemap_t *map, uint32_t at, span_t span) {
    memmove(&map->spans[at + 1], &map->spans[at], (map->span_count - at) * sizeof span);
    map->spans[at] = span;
    map->span_count++;
}

/* Gives the parts of spans in [page, page + count) another value, 0: none; of all spans, or of those that have `from`. False: a
 * span would have to be cut and there is no room. */
static bool change_spans(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t from, uint32_t to) {
    uint64_t end = page + count;
    for (uint32_t i = span_at(map, page); i < map->span_count && map->spans[i].first < end; i++) {
        span_t whole = map->spans[i], part = whole;
        uint64_t whole_end = whole.first + whole.count;
        if (from != 0 && whole.value != from) {
            continue;
        }
        part.first = page > whole.first ? page : whole.first;
        part.count = (end < whole_end ? end : whole_end) - part.first;
        part.value = to;
        uint32_t before = part.first > whole.first, after = part.first + part.count < whole_end;
        uint32_t pieces = before + after + (to != 0);
        if (pieces > 1 && map->span_count + pieces - 1 > map->span_capacity) {
            return false;
        }
        memmove(&map->spans[i + pieces], &map->spans[i + 1], (map->span_count - i - 1) * sizeof whole);
        map->span_count = map->span_count + pieces - 1;
        if (before) {
            map->spans[i++] = (span_t){whole.first, part.first - whole.first, whole.value};
        }
        if (to != 0) {
            map->spans[i++] = part;
        }
        if (after) {
            map->spans[i++] = (span_t){part.first + part.count, whole_end - part.first - part.count, whole.value};
        }
        i--;
    }
    return true;
}

/* Without spans and promises there is no list. */
static void trim_spans(ss_pagemap_t *map) {
    if (map->span_count == 0 && map->pledged == 0) {
        ss_release(map->host, map->spans);
        map->spans = NULL;
        map->span_capacity = 0;
    }
}

uint32_t ss_pagemap_get_elsewhere(const ss_pagemap_t *map, uint64_t page) {
    const group_t *group = lookup(map, page / GROUP_PAGES + 1);
    uint32_t value = 0;
    if (group != NULL) {
        value = group->leaf != NULL ? group->leaf[page % GROUP_PAGES] : group->uniform;
    }
    if (value == 0 && map->span_count != 0) {
        uint32_t at = span_at(map, page);
        value = at < map->span_count && map->spans[at].first <= page ? map->spans[at].value : 0;
    }
    return value;
}

/* --- groups --------------------------------------------------------------------------------------------------------- */

/* A leaf is needed unless the whole group gets one value. */
static bool prepare(ss_pagemap_t *map, uint64_t key, bool whole) {
    group_t *group = lookup_or_add(map, key);
    if (group == NULL) {
        return false;
    }
    if (!whole && group->leaf == NULL) {
        uint32_t *leaf = take_leaf(map);
        if (leaf == NULL) {
            if (group->uniform == 0 && !group->promised) {
                ss_pagemap_empty(map, group);
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
        ss_pagemap_empty(map, group);
    }
}

storsim_status_t ss_pagemap_reserve_elsewhere(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    if (count == 0) {
        return STORSIM_OK;
    }
    if (!pledge(map, page, count)) {
        return STORSIM_NO_MEMORY;
    }
    if (count >= SPAN_PAGES) {
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
    ss_pagemap_write(group, (uint32_t)from, (uint32_t)to, value); /* there is a leaf wherever less than the whole is written */
}

/* Sets the pages of one group to a value. Where only a part is written there is a leaf by now (spell_edges, reserve), or nothing to clear. */
static void set_in_group(ss_pagemap_t *map, uint64_t number, uint64_t from, uint64_t to, uint32_t value) {
    group_t *group = lookup(map, number + 1);
    if (group == NULL || (group->leaf == NULL && to - from != GROUP_PAGES)) {
        return;
    }
    write_group(map, group, from, to, value);
    if (group->leaf != NULL ? group->filled == 0 : group->uniform == 0) {
        ss_pagemap_empty(map, group);
    }
}

static void set_groups(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value) {
    uint64_t end = page + count;
    for (uint64_t at = page; at < end;) {
        uint64_t number = at / GROUP_PAGES, start = number * GROUP_PAGES;
        uint64_t to = end - start < GROUP_PAGES ? end - start : GROUP_PAGES;
        set_in_group(map, number, at - start, to, value);
        at = start + to;
    }
}

/* Clears what groups say about a span's pages, going by the groups there are. */
static void clear_groups(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    uint64_t first = page / GROUP_PAGES, last = (page + count - 1) / GROUP_PAGES;
    for (uint32_t i = 0; i < map->capacity;) {
        uint64_t number = map->groups[i].key - 1, start = number * GROUP_PAGES;
        if (map->groups[i].key == 0 || number < first || number > last) {
            i++;
            continue;
        }
        uint64_t from = page > start ? page - start : 0;
        uint64_t to = page + count - start < GROUP_PAGES ? page + count - start : GROUP_PAGES;
        set_in_group(map, number, from, to, 0);
        i += map->groups[i].key == number + 1; /* another may have moved up */
    }
}

/* Are the groups of the range fewer than all there are? */
static bool few(const ss_pagemap_t *map, uint64_t count) {
    return count / GROUP_PAGES <= map->capacity;
}

/* Of a group of which only a part will be written, but which has one value: spells it out, so that the writing needs no memory. */
static bool spell_out(ss_pagemap_t *map, uint64_t number) {
    const group_t *group = lookup(map, number + 1);
    if (group == NULL || group->leaf != NULL || group->uniform == 0) {
        return true;
    }
    bool promised = group->promised;
    if (!prepare(map, number + 1, false)) {
        return false;
    }
    lookup(map, number + 1)->promised = promised;
    return true;
}

/* Only the first and the last group of a range can be written in part: before anything is, they get what they need. */
static bool spell_edges(ss_pagemap_t *map, uint64_t page, uint64_t count) {
    uint64_t end = page + count;
    return (page % GROUP_PAGES == 0 || spell_out(map, page / GROUP_PAGES)) && (end % GROUP_PAGES == 0 || spell_out(map, end / GROUP_PAGES));
}

storsim_status_t ss_pagemap_set_elsewhere(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value) {
    if (count == 0) {
        return STORSIM_OK;
    }
    if (value != 0) {
        storsim_status_t status = ss_pagemap_reserve(map, page, count);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    if (!spell_edges(map, page, count) || (map->span_count != 0 && !change_spans(map, page, count, 0, 0))) {
        return STORSIM_NO_MEMORY;
    }
    if (count < SPAN_PAGES) {
        set_groups(map, page, count, value);
    } else {
        if (few(map, count)) {
            set_groups(map, page, count, 0);
        } else {
            clear_groups(map, page, count);
        }
        if (value != 0) {
            insert_span(map, span_at(map, page), (span_t){page, count, value});
        }
    }
    if (value != 0) {
        map->pledged -= map->pledged >= 2 ? 2 : map->pledged;
        map->pledged_count = 0;
    }
    trim_spans(map);
    return STORSIM_OK;
}

/* Sets those of the pages [from_page, to_page) of a group that are `from` to `to`. */
static void replace_in_group(ss_pagemap_t *map, group_t *group, uint64_t from_page, uint64_t to_page, uint32_t from, uint32_t to) {
    if (group->leaf == NULL) {
        group->uniform = group->uniform == from ? to : group->uniform; /* one set covered it, so it goes as a whole */
    }
    for (uint64_t i = from_page; group->leaf != NULL && i < to_page; i++) {
        if (group->leaf[i] == from) {
            group->leaf[i] = to;
            group->filled -= to == 0;
        }
    }
    if (group->leaf != NULL ? group->filled == 0 : group->uniform == 0) {
        ss_pagemap_empty(map, group);
    }
}

void ss_pagemap_replace(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t from, uint32_t to) {
    group_t *near = ss_pagemap_leaf(map, page, count);
    if (near != NULL) {
        replace_in_group(map, near, page % GROUP_PAGES, page % GROUP_PAGES + count, from, to);
        return;
    }
    uint64_t end = page + count;
    if (map->span_count != 0) {
        (void)change_spans(map, page, count, from, to); /* what has `from` lies inside: nothing is cut */
        trim_spans(map);
    }
    for (uint64_t at = page; few(map, count) && at < end;) {
        uint64_t number = at / GROUP_PAGES, start = number * GROUP_PAGES;
        uint64_t stop = end - start < GROUP_PAGES ? end - start : GROUP_PAGES;
        group_t *group = lookup(map, number + 1);
        if (group != NULL) {
            replace_in_group(map, group, at - start, stop, from, to);
        }
        at = start + stop;
    }
    for (uint32_t i = 0; !few(map, count) && i < map->capacity;) {
        uint64_t key = map->groups[i].key, start = (key - 1) * GROUP_PAGES;
        if (key != 0 && start + GROUP_PAGES > page && start < end) {
            uint64_t first = page > start ? page - start : 0, stop = end - start < GROUP_PAGES ? end - start : GROUP_PAGES;
            replace_in_group(map, &map->groups[i], first, stop, from, to);
        }
        i += map->groups[i].key == key;
    }
}
