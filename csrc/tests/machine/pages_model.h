/* tests/machine/pages_model.h: the page allocator as anyone would write it first. A list of pages, every question
 * answered by looking at all of them. The model knows nothing of words, chunks or summaries. */
#ifndef PAGES_MODEL_H
#define PAGES_MODEL_H

#include "../check.h"
#include "machine/pages.h"

#define MODEL_PAGES 6000u

typedef struct model_page {
    uint64_t pfn;
    uint32_t node, segment;
    bool busy;
} model_page_t;

typedef struct model {
    model_page_t page[MODEL_PAGES];
    uint32_t count, nodes, run_length[MODEL_PAGES]; /* run_length: scratch, free pages from here up */
    storsim_placement_t placement;
    uint64_t last_first, last_pages;
} model_t;

static inline void model_create(model_t *model, const storsim_memory_run_t *runs, size_t run_count, uint32_t nodes,
                                storsim_placement_t placement, bool cross) {
    uint32_t segment = 0;
    model->count = 0;
    model->nodes = nodes;
    model->placement = placement;
    model->last_first = model->last_pages = 0;
    for (size_t i = 0; i < run_count; i++) {
        bool joined = cross && i > 0 && runs[i - 1].first_pfn + runs[i - 1].pages == runs[i].first_pfn;
        segment += joined ? 0 : 1;
        for (uint64_t p = 0; p < runs[i].pages; p++) {
            CHECK(model->count < MODEL_PAGES);
            model_page_t page = {runs[i].first_pfn + p, runs[i].node, segment, false};
            model->page[model->count++] = page;
        }
    }
}

static inline bool model_joined(const model_t *model, uint32_t a, uint32_t b) {
    return model->page[a].segment == model->page[b].segment && model->page[a].pfn + 1 == model->page[b].pfn;
}

/* Free pages from each page up, before the run ends. */
static inline void model_measure(model_t *model) {
    for (uint32_t i = model->count; i-- > 0;) {
        bool more = i + 1 < model->count && model_joined(model, i, i + 1) && !model->page[i + 1].busy;
        model->run_length[i] = model->page[i].busy ? 0 : 1 + (more ? model->run_length[i + 1] : 0);
    }
}

/* Is a block at page i what the request allows? Needs model_measure. */
static inline bool model_legal(const model_t *model, const ss_page_request_t *request, uint32_t i) {
    uint64_t first = model->page[i].pfn, last = first + request->pages - 1;
    return model->run_length[i] >= request->pages && first >= request->first_min && first <= request->first_max &&
           first % request->align_pages == 0 &&
           (request->boundary_pages == 0 || first / request->boundary_pages == last / request->boundary_pages);
}

/* Length of the maximal free run around page i. */
static inline uint64_t model_run_around(const model_t *model, uint32_t i) {
    while (i > 0 && model_joined(model, i - 1, i) && !model->page[i - 1].busy) {
        i--;
    }
    return model->run_length[i];
}

/* Is a (a better place than b) for one policy, both legal and on the same node? */
static inline bool model_better(const model_t *model, const ss_page_request_t *request, uint32_t a, uint32_t b) {
    uint64_t run_a = model_run_around(model, a), run_b = model_run_around(model, b);
    uint64_t n = request->pages, pa = model->page[a].pfn, pb = model->page[b].pfn;
    switch (model->placement) {
    case STORSIM_BOTTOM_UP:
        return pa < pb;
    case STORSIM_BEST_FIT:
        return run_a != run_b ? run_a < run_b : pa > pb;
    case STORSIM_ADVERSARIAL: {
        bool end_a = request->boundary_pages != 0 && (pa + n) % request->boundary_pages == 0;
        bool end_b = request->boundary_pages != 0 && (pb + n) % request->boundary_pages == 0;
        return end_a != end_b ? end_a : pa > pb;
    }
    case STORSIM_TOP_DOWN:
    case STORSIM_RANDOM:
    default:
        return pa > pb;
    }
}

/* The best legal page on a node with a start in [first_min, …]; count when there is none. apart: not next to the last
 * block. */
static inline uint32_t model_best_on(const model_t *model, const ss_page_request_t *request, uint32_t node,
                                     uint64_t first_min, bool apart) {
    uint32_t best = model->count;
    for (uint32_t i = 0; i < model->count; i++) {
        uint64_t first = model->page[i].pfn;
        bool touches = model->last_pages != 0 &&
                       (first + request->pages == model->last_first || first == model->last_first + model->last_pages);
        if (model->page[i].node != node || first < first_min || (apart && touches) || !model_legal(model, request, i)) {
            continue;
        }
        if (best == model->count || model_better(model, request, i, best)) {
            best = i;
        }
    }
    return best;
}

/* Where the request goes, as an index; count when nowhere. For RANDOM the node's highest place: only its existence and
 * node count. */
static inline uint32_t model_place(model_t *model, const ss_page_request_t *request) {
    uint32_t nodes = request->nodes != NULL ? request->node_count : model->nodes;
    bool adversarial = model->placement == STORSIM_ADVERSARIAL;
    model_measure(model);
    for (uint32_t pass = 0; pass < (adversarial ? 4u : 1u); pass++) {
        for (uint32_t i = 0; i < nodes; i++) {
            uint32_t at = adversarial ? nodes - 1 - i : i;
            uint32_t node = request->nodes != NULL ? request->nodes[at] : at;
            uint64_t low = adversarial && pass % 2 == 0 ? UINT64_C(0x100000) : 0;
            uint32_t best = model_best_on(model, request, node, low, adversarial && pass < 2);
            if (best != model->count) {
                return best;
            }
        }
    }
    return model->count;
}

static inline uint32_t model_index(const model_t *model, uint64_t pfn) {
    uint32_t i = 0;
    while (i < model->count && model->page[i].pfn != pfn) {
        i++;
    }
    return i;
}

/* Marks pages; they must all be in the other state. Pages may lie in several segments but must follow each other. */
static inline void model_mark(model_t *model, uint64_t first, uint64_t count, bool busy) {
    uint32_t i = model_index(model, first);
    for (uint64_t k = 0; k < count; k++) {
        CHECK(i + k < model->count && model->page[i + k].pfn == first + k);
        CHECK(model->page[i + k].busy != busy);
        model->page[i + k].busy = busy;
    }
}

static inline bool model_can_take_at(const model_t *model, uint64_t first, uint64_t count) {
    uint32_t i = model_index(model, first);
    for (uint64_t k = 0; k < count; k++) {
        if (i + k >= model->count || model->page[i + k].pfn != first + k || model->page[i + k].busy) {
            return false;
        }
    }
    return true;
}

static inline uint64_t model_count_within(const model_t *model, uint32_t node, uint64_t low, uint64_t high) {
    uint64_t free = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        const model_page_t *page = &model->page[i];
        free +=
            !page->busy && (node == STORSIM_NODE_ANY || node == page->node) && page->pfn >= low && page->pfn <= high;
    }
    return free;
}

static inline uint64_t model_longest(const model_t *model, uint64_t low, uint64_t high, uint64_t boundary) {
    uint64_t best = 0, run = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        const model_page_t *page = &model->page[i];
        bool apart = i == 0 || !model_joined(model, i - 1, i) || (boundary != 0 && page->pfn % boundary == 0);
        run = page->busy || page->pfn < low || page->pfn > high ? 0 : apart ? 1 : run + 1;
        best = run > best ? run : best;
    }
    return best;
}

/* Every extent take_longest may choose from. Returns how many. */
static inline uint32_t model_extents(model_t *model, uint64_t low, uint64_t high, uint64_t align, uint64_t cut,
                                     ss_page_extent_t *extents) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count;) {
        uint32_t end = i;
        while (end < model->count && !model->page[end].busy && model->page[end].pfn >= low &&
               model->page[end].pfn <= high && (end == i || model_joined(model, end - 1, end))) {
            end++;
        }
        for (uint32_t at = i; at < end;) {
            uint64_t length = end - at < cut ? end - at : cut;
            if (model->page[at].pfn % align != 0) {
                at++;
                continue;
            }
            ss_page_extent_t extent = {model->page[at].pfn, length};
            extents[count++] = extent;
            at += (uint32_t)length;
        }
        i = end > i ? end : i + 1;
    }
    return count;
}

#endif
