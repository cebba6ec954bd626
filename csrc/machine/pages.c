/* machine/pages.c: the page allocator's life, and the calls that change what is free. Structure: pages_i.h. */
#include "machine/pages_i.h"

#include <assert.h>

static bool map_valid(const storsim_memory_run_t *runs, size_t run_count, uint32_t node_count) {
    uint64_t limit = STORSIM_MEMORY_LIMIT >> STORSIM_PAGE_SHIFT, next = 1;
    if (runs == NULL || run_count == 0 || run_count > STORSIM_MAX_RANGES || node_count == 0 ||
        node_count > STORSIM_MAX_NODES) {
        return false;
    }
    for (size_t i = 0; i < run_count; i++) {
        if (runs[i].first_pfn < next || runs[i].first_pfn >= limit || runs[i].pages == 0 ||
            runs[i].pages > limit - runs[i].first_pfn || runs[i].node >= node_count) {
            return false;
        }
        next = runs[i].first_pfn + runs[i].pages;
    }
    return true;
}

/* What finds a segment by address and a node's highest site without a search. */
static void build_shortcuts(ss_pages_t *pages) {
    uint32_t at = 0;
    pages->segment_ends[pages->segment_count] = UINT64_MAX;
    while (pages->segment_ends[pages->segment_count - 1] >> pages->place_shift >= SS_PLACES) {
        pages->place_shift++;
    }
    for (uint32_t i = 0; i < SS_PLACES; i++) {
        while (pages->segment_ends[at] <= (uint64_t)i << pages->place_shift) {
            at++;
        }
        pages->places[i] = (uint16_t)at;
    }
    for (uint32_t node = 0; node <= pages->node_count; node++) {
        pages->lowest[node] = &pages->sites[pages->node_first[node]];
    }
}

/* Copies the map, joins what a block may span into segments, and lists the runs by node. */
static storsim_status_t build_map(ss_pages_t *pages, const storsim_memory_run_t *runs, bool allow_cross_node) {
    uint32_t count = pages->run_count, slot = 0;
    for (uint32_t i = 0; i < count;) {
        uint64_t first = runs[i].first_pfn, end = first;
        for (; i < count && runs[i].first_pfn == end && (end == first || allow_cross_node); i++) {
            ss_map_run_t run = {runs[i].first_pfn, runs[i].pages, runs[i].node, pages->segment_count};
            pages->runs[i] = run;
            end += run.pages;
        }
        ss_segment_t *segment = &pages->segments[pages->segment_count++];
        if (ss_segment_init(pages->host, segment, first, end - first) != STORSIM_OK) {
            return STORSIM_NO_MEMORY;
        }
        pages->segment_ends[pages->segment_count - 1] = end;
        pages->total += end - first;
    }
    for (uint32_t node = 0; node < pages->node_count; node++) {
        pages->node_first[node] = slot;
        for (uint32_t i = 0; i < count; i++) {
            if (pages->runs[i].node == node) {
                const ss_map_run_t *run = &pages->runs[i];
                ss_site_t site = {run->first, run->first + run->pages - 1, &pages->segments[run->segment], NULL};
                pages->sites[slot] = site;
                pages->by_node[slot++] = i;
            }
        }
    }
    pages->node_first[pages->node_count] = slot;
    pages->free = pages->total;
    build_shortcuts(pages);
    return STORSIM_OK;
}

storsim_status_t ss_pages_create(ss_host_t *host, const storsim_memory_run_t *runs, size_t run_count,
                                 uint32_t node_count, storsim_placement_t placement, bool allow_cross_node,
                                 uint64_t seed, ss_pages_t **pages) {
    if (!map_valid(runs, run_count, node_count)) {
        return STORSIM_INVALID;
    }
    ss_pages_t *created = ss_alloc_zeroed(host, 1, sizeof *created);
    if (created == NULL) {
        return STORSIM_NO_MEMORY;
    }
    created->host = host;
    created->placement = placement;
    created->rng.state = seed;
    created->run_count = (uint32_t)run_count;
    created->node_count = node_count;
    created->segments = ss_alloc_zeroed(host, run_count, sizeof *created->segments);
    created->runs = ss_alloc_zeroed(host, run_count, sizeof *created->runs);
    created->by_node = ss_alloc_zeroed(host, run_count, sizeof *created->by_node);
    created->sites = ss_alloc_zeroed(host, run_count, sizeof *created->sites);
    created->segment_ends = ss_alloc_zeroed(host, run_count + 1, sizeof *created->segment_ends);
    created->node_first = ss_alloc_zeroed(host, node_count + 1, sizeof *created->node_first);
    if (created->segments == NULL || created->runs == NULL || created->by_node == NULL || created->sites == NULL ||
        created->segment_ends == NULL || created->node_first == NULL ||
        build_map(created, runs, allow_cross_node) != STORSIM_OK) {
        goto fail;
    }
    *pages = created;
    return STORSIM_OK;
fail:
    ss_pages_destroy(created);
    return STORSIM_NO_MEMORY;
}

void ss_pages_destroy(ss_pages_t *pages) {
    if (pages == NULL) {
        return;
    }
    for (uint32_t i = 0; i < pages->segment_count; i++) {
        ss_segment_release(pages->host, &pages->segments[i]);
    }
    ss_release(pages->host, pages->node_first);
    ss_release(pages->host, pages->segment_ends);
    ss_release(pages->host, pages->sites);
    ss_release(pages->host, pages->by_node);
    ss_release(pages->host, pages->runs);
    ss_release(pages->host, pages->segments);
    ss_release(pages->host, pages);
}

/* A segment has its front now. */
static void front_made(ss_pages_t *pages, const ss_segment_t *segment) {
    for (uint32_t node = 0; node < pages->node_count; node++) {
        for (uint32_t i = pages->node_first[node]; i < pages->node_first[node + 1]; i++) {
            ss_site_t *site = &pages->sites[i];
            bool top = i + 1 == pages->node_first[node + 1] && site->last - site->first + 1 == segment->pages;
            if (site->segment == segment) {
                site->front = segment->front;
                pages->tops[node] = top && pages->placement == STORSIM_TOP_DOWN ? site : pages->tops[node];
            }
        }
    }
}

storsim_status_t ss_pages_reserve(ss_pages_t *pages, ss_segment_t *segment, uint64_t offset, uint64_t count, bool block) {
    bool front = segment->front != NULL;
    storsim_status_t status = ss_segment_reserve(pages->host, segment, offset, count, block);
    if (!front && segment->front != NULL) {
        front_made(pages, segment);
    }
    for (uint32_t i = 0; status != STORSIM_OK && i < SS_RECENT; i++) {
        pages->recent[i] = NULL;
    }
    return status;
}

storsim_status_t ss_pages_take_any(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    uint64_t count = request->pages;
    ss_placed_t placed = {0, 0, {0}};
    if (!ss_pages_place(pages, request, &placed)) {
        return STORSIM_NO_SPACE;
    }
    ss_segment_t *segment = &pages->segments[placed.segment];
    uint64_t offset = placed.first_pfn - segment->base;
    if (ss_pages_reserve(pages, segment, offset, count, true) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    ss_segment_take(segment, offset, count);
    pages->free -= count;
    pages->rng = placed.rng;
    pages->last_first = placed.first_pfn;
    pages->last_pages = count;
    *first_pfn = placed.first_pfn;
    return STORSIM_OK;
}

/* One segment's part of [*first, *first + *count); moves both past it. False at a hole. */
typedef struct part {
    ss_segment_t *segment;
    uint64_t offset, count;
} part_t;

static bool next_part(const ss_pages_t *pages, uint64_t *first, uint64_t *count, part_t *part) {
    uint32_t index = ss_pages_segment_at(pages, *first);
    if (index == pages->segment_count || *first < pages->segments[index].first) {
        return false;
    }
    part->segment = &pages->segments[index];
    part->offset = *first - part->segment->base;
    part->count = ss_min_u64(part->segment->end - part->offset, *count);
    *first += part->count;
    *count -= part->count;
    return true;
}

void ss_pages_give_parts(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    part_t part;
    /* unreachable: what is given back lies in segments */
    while (count > 0 && next_part(pages, &first_pfn, &count, &part)) {
        assert(ss_segment_all(part.segment, part.offset, part.count, true));
        ss_segment_give(part.segment, part.offset, part.count);
        pages->free += part.count;
    }
    assert(count == 0);
}

storsim_status_t ss_pages_take_at(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    uint64_t at = first_pfn, left = count;
    part_t part;
    while (left > 0) {
        if (!next_part(pages, &at, &left, &part) || !ss_segment_all(part.segment, part.offset, part.count, false)) {
            return STORSIM_NO_SPACE;
        }
    }
    /* unreachable: the parts are those that were looked at above */
    for (at = first_pfn, left = count; left > 0 && next_part(pages, &at, &left, &part);) {
        if (ss_pages_reserve(pages, part.segment, part.offset, part.count, false) != STORSIM_OK) {
            return STORSIM_NO_MEMORY;
        }
    }
    for (at = first_pfn, left = count; left > 0 && next_part(pages, &at, &left, &part);) { /* unreachable: as above */
        ss_segment_take(part.segment, part.offset, part.count);
        pages->free -= part.count;
    }
    return STORSIM_OK;
}
