/* machine/pages_place.c: where a request goes, for each placement policy.
 *
 * Every policy answers from the bits alone (plus the generator of RANDOM and the last block of ADVERSARIAL), so the
 * same history of grants and frees, a restored snapshot included, gives the same addresses. With allow_cross_node a
 * block belongs to the node of its first page (model choice). Source: spec/storport-memory §4.1; DESIGN §5, placement.
 */
#include "machine/pages_i.h"

/* The starts a request may have in one run of the map, and the pages such blocks may cover. */
typedef struct window {
    const ss_segment_t *segment;
    uint64_t first_min, first_max; /* pfns */
} window_t;

static bool window_of(const ss_pages_t *pages, const ss_map_run_t *run, const ss_page_request_t *request,
                      window_t *window) {
    const ss_segment_t *segment = &pages->segments[run->segment];
    if (request->pages > segment->pages) {
        return false;
    }
    window->segment = segment;
    window->first_min = ss_max_u64(request->first_min, run->first);
    window->first_max = ss_min_u64(run->first + run->pages - 1, segment->first + segment->pages - request->pages);
    window->first_max = ss_min_u64(window->first_max, request->first_max);
    return window->first_min <= window->first_max;
}

static bool crosses(const ss_page_request_t *request, uint64_t first) {
    return request->boundary_pages != 0 &&
           ((first ^ (first + request->pages - 1)) & ~(request->boundary_pages - 1)) != 0;
}

/* Highest legal start of a block inside the free pfns [start, end), which are as many as it needs or more. A block that crosses a boundary has to end at it or
 * below; moved there it cannot cross the one before, because it is no longer than the distance of two, and an alignment
 * above that distance puts it on a boundary. */
static bool highest_in(const ss_page_request_t *request, uint64_t start, uint64_t end, uint64_t *first) {
    uint64_t align = ~(request->align_pages - 1);
    uint64_t at = (end - request->pages) & align;
    if (crosses(request, at)) {
        uint64_t boundary = (at + request->pages - 1) & ~(request->boundary_pages - 1);
        /* unreachable: a boundary is no smaller than what may not cross it, see ss_pages_place */
        if (boundary < request->pages) {
            return false;
        }
        at = (boundary - request->pages) & align;
    }
    *first = at;
    return at >= start;
}

static bool lowest_in(const ss_page_request_t *request, uint64_t start, uint64_t end, uint64_t *first) {
    uint64_t slack = request->align_pages - 1;
    uint64_t at = (start + slack) & ~slack;
    if (crosses(request, at)) {
        at = (at + request->pages - 1) & ~(request->boundary_pages - 1);
        at = (at + slack) & ~slack;
    }
    *first = at;
    return at <= end && end - at >= request->pages;
}

/* Highest start of a block inside [start, end) that ends exactly at a boundary. */
static bool highest_ending_at_boundary(const ss_page_request_t *request, uint64_t start, uint64_t end,
                                       uint64_t *first) {
    uint64_t boundary = request->boundary_pages, n = request->pages, last = end & ~(boundary - 1);
    if (last < n) {
        return false;
    }
    *first = last - n;
    /* Either every such start is aligned or none is, unless the alignment exceeds the boundary: then only a full window
     * fits. */
    if (request->align_pages > boundary) {
        *first &= ~(request->align_pages - 1);
    }
    return *first >= start && (*first & (request->align_pages - 1)) == 0 && ((*first + n) & (boundary - 1)) == 0;
}

typedef bool (*in_run_fn)(const ss_page_request_t *request, uint64_t start, uint64_t end, uint64_t *first);

static bool window_highest(const window_t *window, const ss_page_request_t *request, in_run_fn in_run,
                           uint64_t *first) {
    uint64_t base = window->segment->base, low = window->first_min - base;
    uint64_t high = window->first_max + request->pages - base, start = 0, end;
    if (request->pages <= SS_SMALL && in_run == highest_in) {
        ss_fit_t fit;
        ss_fit_of(request, &fit);
        bool found = ss_small_highest(window->segment, &fit, low, window->first_max - base, &start);
        *first = base + start;
        return found;
    }
    while (high > low && ss_last_run(window->segment, low, high, request->pages, &start, &end)) {
        if (in_run(request, base + start, base + end, first)) {
            return true;
        }
        high = start;
    }
    return false;
}

static bool window_lowest(const window_t *window, const ss_page_request_t *request, uint64_t *first) {
    uint64_t base = window->segment->base, low = window->first_min - base;
    uint64_t high = window->first_max + request->pages - base, start, end;
    while (low < high && ss_first_run(window->segment, low, high, request->pages, &start, &end)) {
        if (lowest_in(request, base + start, base + end, first)) {
            return true;
        }
        low = end;
    }
    return false;
}

/* --- one node, one policy
 * ------------------------------------------------------------------------------------------------ */

static bool node_top_down(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request, in_run_fn in_run,
                          ss_placed_t *placed) {
    for (uint32_t i = pages->node_first[node + 1]; i-- > pages->node_first[node];) {
        const ss_map_run_t *run = &pages->runs[pages->by_node[i]];
        window_t window;
        if (window_of(pages, run, request, &window) && window_highest(&window, request, in_run, &placed->first_pfn)) {
            placed->segment = run->segment;
            return true;
        }
    }
    return false;
}

static bool node_bottom_up(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request,
                           ss_placed_t *placed) {
    for (uint32_t i = pages->node_first[node]; i < pages->node_first[node + 1]; i++) {
        const ss_map_run_t *run = &pages->runs[pages->by_node[i]];
        window_t window;
        if (window_of(pages, run, request, &window) && window_lowest(&window, request, &placed->first_pfn)) {
            placed->segment = run->segment;
            return true;
        }
    }
    return false;
}

/* Length of the maximal free run around the free stretch [start, end). */
static uint64_t whole_run(const ss_segment_t *segment, uint64_t start, uint64_t end) {
    uint64_t low = start, high = end, other;
    (void)ss_last_run(segment, segment->head, start + 1, 1, &low, &other);
    (void)ss_first_run(segment, end - 1, segment->end, 1, &other, &high);
    return high - low;
}

static void window_best(const window_t *window, const ss_page_request_t *request, uint64_t *best, uint64_t *first) {
    const ss_segment_t *segment = window->segment;
    uint64_t low = window->first_min - segment->base, high = window->first_max + request->pages - segment->base;
    uint64_t top = high, start, end, at;
    while (high > low && *best > request->pages && ss_last_run(segment, low, high, request->pages, &start, &end)) {
        uint64_t length = end - start;
        if (start == low || end == top) {
            length = whole_run(segment, start, end);
        }
        if (length < *best && highest_in(request, segment->base + start, segment->base + end, &at)) {
            *best = length;
            *first = at;
        }
        high = start;
    }
}

static bool node_best_fit(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request,
                          ss_placed_t *placed) {
    uint64_t best = UINT64_MAX;
    for (uint32_t i = pages->node_first[node + 1]; i-- > pages->node_first[node];) {
        const ss_map_run_t *run = &pages->runs[pages->by_node[i]];
        window_t window;
        uint64_t before = best;
        if (window_of(pages, run, request, &window)) {
            window_best(&window, request, &best, &placed->first_pfn);
            placed->segment = best < before ? run->segment : placed->segment;
        }
    }
    return best != UINT64_MAX;
}

/* --- RANDOM
 * ---------------------------------------------------------------------------------------------------------------- */

#define RANDOM_DRAWS 32

/* Aligned starts in a window; *lowest receives the first. */
static uint64_t window_starts(const window_t *window, const ss_page_request_t *request, uint64_t *lowest) {
    uint64_t slack = request->align_pages - 1;
    *lowest = (window->first_min + slack) & ~slack;
    return *lowest > window->first_max ? 0 : (window->first_max - *lowest) / request->align_pages + 1;
}

/* The k-th aligned start of a node; *index: its entry of by_node. */
static void nth_start(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request, uint64_t k,
                      uint32_t *index, uint64_t *first) {
    /* unreachable: ends at the k-th start, which there is */
    for (uint32_t i = pages->node_first[node]; i < pages->node_first[node + 1]; i++) {
        window_t window;
        uint64_t lowest, count = 0;
        if (window_of(pages, &pages->runs[pages->by_node[i]], request, &window)) {
            count = window_starts(&window, request, &lowest);
        }
        if (k < count) {
            *index = i;
            *first = lowest + k * request->align_pages;
            return;
        }
        k -= count;
    }
}

/* Uniform over the legal starts as long as one of 32 draws is legal; else the first legal start above the last draw,
 * around the end of the node. (Model choice: in a map so full, uniform would cost a walk over all gaps.) */
static bool node_random(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request, ss_placed_t *placed) {
    uint32_t low = pages->node_first[node], high = pages->node_first[node + 1], index = low;
    uint64_t starts = 0, lowest, first = 0;
    window_t window;
    for (uint32_t i = low; i < high; i++) {
        if (window_of(pages, &pages->runs[pages->by_node[i]], request, &window)) {
            starts += window_starts(&window, request, &lowest);
        }
    }
    for (uint32_t draw = 0; starts > 0 && draw < RANDOM_DRAWS; draw++) {
        nth_start(pages, node, request, ss_rng_below(&placed->rng, starts), &index, &first);
        uint32_t at = pages->runs[pages->by_node[index]].segment;
        if (!crosses(request, first) &&
            ss_segment_all(&pages->segments[at], first - pages->segments[at].base, request->pages, false)) {
            placed->segment = at;
            placed->first_pfn = first;
            return true;
        }
    }
    for (uint32_t i = 0; starts > 0 && i <= high - low; i++) {
        uint32_t at = low + (index - low + i) % (high - low);
        const ss_map_run_t *run = &pages->runs[pages->by_node[at]];
        ss_page_request_t part = *request;
        if (at == index && i == 0) {
            part.first_min = first;
        } else if (at == index) {
            part.first_max = first - 1; /* first > first_min here, or i == 0 had covered the whole window */
        }
        if ((at != index || i == 0 || first > request->first_min) && window_of(pages, run, &part, &window) &&
            window_lowest(&window, &part, &placed->first_pfn)) {
            placed->segment = run->segment;
            return true;
        }
    }
    return false;
}

/* --- ADVERSARIAL
 * ----------------------------------------------------------------------------------------------------------- */

#define ABOVE_4GIB (UINT64_C(1) << 20) /* pfn */

/* The highest start on a node that does not touch the last block given. Only two starts do, so at most two are passed
 * over. */
static bool node_apart(const ss_pages_t *pages, uint32_t node, const ss_page_request_t *request, in_run_fn in_run,
                       ss_placed_t *placed) {
    ss_page_request_t left = *request;
    while (node_top_down(pages, node, &left, in_run, placed)) {
        bool touches = pages->last_pages != 0 && (placed->first_pfn + request->pages == pages->last_first ||
                                                  placed->first_pfn == pages->last_first + pages->last_pages);
        if (!touches) {
            return true;
        }
        if (placed->first_pfn <= left.first_min) {
            return false;
        }
        left.first_max = placed->first_pfn - 1;
    }
    return false;
}

/* --- nodes
 * ------------------------------------------------------------------------------------------------------------------ */

/* The i-th node to try, or node_count when the entry names no node. */
static uint32_t nth_node(const ss_pages_t *pages, const ss_page_request_t *request, uint32_t i) {
    uint32_t node = request->nodes != NULL ? request->nodes[i] : i;
    return node < pages->node_count ? node : pages->node_count;
}

/* DESIGN §5: legal and chosen to hurt. The wishes in order of weight (model choice): away from the last block given,
 * above 4 GiB, on the far node, ending exactly at a boundary of the request, high. */
static bool place_adversarial(const ss_pages_t *pages, const ss_page_request_t *request, uint32_t nodes,
                              ss_placed_t *placed) {
    ss_page_request_t high = *request;
    high.first_min = ss_max_u64(high.first_min, ABOVE_4GIB);
    for (uint32_t pass = 0; pass < 4; pass++) {
        const ss_page_request_t *part = pass % 2 == 0 ? &high : request;
        for (uint32_t i = nodes; i-- > 0;) {
            uint32_t node = nth_node(pages, request, i);
            if (node == pages->node_count) {
                continue;
            }
            in_run_fn at_boundary = highest_ending_at_boundary;
            bool found =
                pass < 2 ? (request->boundary_pages != 0 && node_apart(pages, node, part, at_boundary, placed)) ||
                               node_apart(pages, node, part, highest_in, placed)
                         : (request->boundary_pages != 0 && node_top_down(pages, node, part, at_boundary, placed)) ||
                               node_top_down(pages, node, part, highest_in, placed);
            if (found) {
                return true;
            }
        }
    }
    return false;
}

bool ss_pages_place(const ss_pages_t *pages, const ss_page_request_t *request, ss_placed_t *placed) {
    uint32_t nodes = request->nodes != NULL ? request->node_count : pages->node_count;
    placed->rng = pages->rng;
    if (request->boundary_pages != 0 && request->pages > request->boundary_pages) {
        return false;
    }
    if (pages->placement == STORSIM_ADVERSARIAL) {
        return place_adversarial(pages, request, nodes, placed);
    }
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = nth_node(pages, request, i);
        bool found = false;
        if (node == pages->node_count) {
            continue;
        }
        switch (pages->placement) {
        case STORSIM_BOTTOM_UP:
            found = node_bottom_up(pages, node, request, placed);
            break;
        case STORSIM_BEST_FIT:
            found = node_best_fit(pages, node, request, placed);
            break;
        case STORSIM_RANDOM:
            found = node_random(pages, node, request, placed);
            break;
        case STORSIM_TOP_DOWN:
        case STORSIM_ADVERSARIAL: /* unreachable: was served above */
        default: /* unreachable: there is no other */
            found = node_top_down(pages, node, request, highest_in, placed);
            break;
        }
        if (found) {
            return true;
        }
    }
    return false;
}
