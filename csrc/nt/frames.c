/* nt/frames.c: taking page frames for a request. The node rules of spec §4.3 and the limits of §4.1 become one page
 * request. */
#include "machine/bits.h"
#include "nt/nt_i.h"

#include <string.h>

/* A CPU's node: CPUs are dealt out over the nodes in turn. Model choice. */
static uint32_t local_node(const ss_nt_t *nt) {
    return nt->cpu % nt->node_count;
}

uint32_t nt_nodes(const storsim_machine_t *machine, uint32_t node, bool only, uint8_t *nodes) {
    const ss_nt_t *nt = nt_of(machine);
    bool named = nt->node_count > 1 && node < nt->node_count; /* a machine of one node ignores the value */
    if (named && only) {
        nodes[0] = (uint8_t)node;
        return 1;
    }
    if (nt->node_count <= 1) { /* there is one at least */
        nodes[0] = 0;
        return 1;
    }
    uint32_t from = named ? node : local_node(nt);
    memcpy(nodes, nt->node_order + (size_t)from * nt->node_count, nt->node_count);
    return nt->node_count;
}

/* First and last acceptable first frame; false when the limits leave none. Source: spec §4.1 rules 2 and 3. */
SS_INLINE bool fold_limits(const ss_nt_t *nt, const ss_block_request_t *request, uint64_t pages, uint64_t bytes,
                        ss_page_request_t *place) {
    place->first_min = request->lowest / PAGE + (request->lowest % PAGE != 0 ? 1 : 0);
    place->first_min = place->first_min == 0 ? 1 : place->first_min;
    if (nt->config.address_check_pfn) {
        if (request->highest / PAGE < pages - 1) {
            return false;
        }
        place->first_max = request->highest / PAGE - (pages - 1);
    } else {
        uint64_t beyond_first = bytes != 0 ? bytes - 1 : 0;
        if (request->highest < beyond_first) {
            return false;
        }
        place->first_max = (request->highest - beyond_first) / PAGE;
    }
    return place->first_min <= place->first_max;
}

static bool power_of_two(uint64_t value) {
    return (value & (value - 1)) == 0;
}

/* The page request for one piece of `pages` pages and `bytes` bytes; false when nothing can satisfy it. */
SS_INLINE bool describe(const ss_nt_t *nt, const ss_block_request_t *request, uint64_t pages, uint64_t bytes,
                     ss_page_request_t *place) {
    uint64_t boundary = request->boundary;
    if (request->no_cross_4g && (boundary == 0 || boundary > UINT64_C(1) << 32)) {
        boundary = UINT64_C(1) << 32;
    }
    /* unreachable: whoever asks has looked at its numbers */
    if (!power_of_two(boundary) || !power_of_two(request->alignment) || (boundary != 0 && boundary < PAGE)) {
        return false;
    }
    place->pages = pages;
    place->boundary_pages = boundary / PAGE;
    place->align_pages = request->alignment > PAGE ? request->alignment / PAGE : 1;
    if (place->boundary_pages != 0 && pages > place->boundary_pages) {
        return false;
    }
    return fold_limits(nt, request, pages, bytes, place);
}

/* On a machine of several nodes: the one that was asked for comes first under every placement, since an unpleasant place may be far only for
 * who does not mind. */
SS_ASIDE storsim_status_t take_near(storsim_machine_t *machine, const ss_block_request_t *request, const ss_page_request_t *anywhere,
                                    uint64_t *first_pfn) {
    uint8_t nodes[STORSIM_MAX_NODES];
    ss_page_request_t place = *anywhere;
    const uint32_t all = nt_nodes(machine, request->node, request->node_only, nodes);
    const bool named = all > 1 && request->node < all;
    place.nodes = nodes;
    place.node_count = named ? 1 : all;
    storsim_status_t status = ss_pages_take(ss_machine_pages(machine), &place, first_pfn);
    if (status == STORSIM_NO_SPACE && named) {
        place.node_count = all;
        status = ss_pages_take(ss_machine_pages(machine), &place, first_pfn);
    }
    return status;
}

storsim_status_t nt_frames_take_whole(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages,
                                      uint64_t *first_pfn) {
    const ss_nt_t *nt = nt_of(machine);
    ss_page_request_t place = {.nodes = NULL}; /* all there are */
    if (!describe(nt, request, pages, request->size, &place)) {
        return STORSIM_NO_SPACE;
    }
    return nt->node_count == 1 ? ss_pages_take(ss_machine_pages(machine), &place, first_pfn) : take_near(machine, request, &place, first_pfn);
}

/* Scattered memory comes page by page, large blocks in at most some 512 pieces, halved where no such piece is free.
 * Pieces are never joined on purpose: a driver that takes nonpaged pool for physically contiguous must notice. Model
 * choice. */
static storsim_status_t take_pieces(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages,
                                    ss_page_request_t *place, nt_frames_t *frames) {
    ss_nt_t *nt = nt_of(machine);
    uint64_t piece = pages > 512 ? pages / 512 : 1;
    for (uint64_t done = 0; done < pages;) {
        uint64_t count = pages - done < piece ? pages - done : piece;
        void *array = frames->list;
        if (frames->count == UINT32_MAX / 2 || /* unreachable: as many pieces take more memory than a host has */
            !ss_grow(nt->host, &array, &frames->capacity, frames->count + 1, sizeof(ss_page_extent_t))) {
            return STORSIM_NO_MEMORY;
        }
        frames->list = array;
        uint64_t bytes = done + count == pages && request->size % PAGE != 0 ? (count - 1) * PAGE + request->size % PAGE
                                                                            : count * PAGE;
        uint64_t first;
        storsim_status_t status = STORSIM_NO_SPACE;
        if (describe(nt, request, count, bytes, place)) {
            status = ss_pages_take(ss_machine_pages(machine), place, &first);
        }
        if (status == STORSIM_NO_SPACE && count > 1) {
            piece = count / 2;
            continue;
        }
        if (status != STORSIM_OK) {
            return status;
        }
        frames->list[frames->count++] = (ss_page_extent_t){first, count};
        done += count;
    }
    return STORSIM_OK;
}

storsim_status_t nt_frames_take(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages,
                                nt_frames_t *frames) {
    uint8_t nodes[STORSIM_MAX_NODES];
    ss_page_request_t place = {.nodes = nodes};
    *frames = (nt_frames_t){.count = 0};
    place.node_count = nt_nodes(machine, request->node, request->node_only, nodes);
    storsim_status_t status = take_pieces(machine, request, pages, &place, frames);
    if (status != STORSIM_OK) {
        nt_frames_give(machine, frames);
    }
    return status;
}

void nt_frames_give(storsim_machine_t *machine, nt_frames_t *frames) {
    const ss_page_extent_t *list = frames->list;
    for (uint32_t i = 0; i < frames->count; i++) {
        ss_pages_give(ss_machine_pages(machine), list[i].first_pfn, list[i].pages);
    }
    ss_release(ss_machine_host(machine), frames->list);
    *frames = (nt_frames_t){.count = 0};
}
