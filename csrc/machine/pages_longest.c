/* machine/pages_longest.c: the longest free runs, for a Host Memory Buffer.
 *
 * The caller's extents are a heap with the worst extent kept on top. Runs come in the order in which ties are won, and
 * each is offered once. The heap holds, of all extents offered so far, the shortest prefix of "best first" that reaches
 * the target or fills the slots; once it does, only a strictly longer extent can change it, so the walk asks for longer
 * runs from there on and skips every unit without one. No host memory is needed. To skip from the start, the walk
 * begins with the length that was enough for a target of this size the last time, and when the outcome does not prove that
 * nothing shorter belongs to the selection, once more with a fourth of it, until it does; so the answer is the same. Source:
 * spec/storport-memory §4.5 steps 3 to 6; rulings R31, R32. */
#include "machine/pages_i.h"

typedef struct selection {
    ss_page_extent_t *extents; /* heap */
    uint32_t slots, count;
    uint64_t target, total;
    uint64_t floor; /* shorter runs are not looked at */
    bool high_wins; /* among equals */
} selection_t;

/* Order of the two heaps: true when a has to lie above b. */
typedef bool (*above_fn)(const ss_page_extent_t *a, const ss_page_extent_t *b, bool high_wins);

SS_INLINE bool worse(const ss_page_extent_t *a, const ss_page_extent_t *b, bool high_wins) {
    if (a->pages != b->pages) {
        return a->pages < b->pages;
    }
    return high_wins ? a->first_pfn < b->first_pfn : a->first_pfn > b->first_pfn;
}

SS_INLINE bool later(const ss_page_extent_t *a, const ss_page_extent_t *b, bool high_wins) {
    (void)high_wins;
    return a->first_pfn > b->first_pfn;
}

SS_INLINE void sink(ss_page_extent_t *heap, uint32_t count, uint32_t at, above_fn above, bool high_wins) {
    ss_page_extent_t moved = heap[at];
    /* unreachable: a heap has fewer entries than overflow it */
    for (uint32_t child; (child = 2 * at + 1) < count && child > at; at = child) {
        if (child + 1 < count && above(&heap[child + 1], &heap[child], high_wins)) {
            child++;
        }
        if (!above(&heap[child], &moved, high_wins)) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void push(selection_t *selection, ss_page_extent_t extent) {
    ss_page_extent_t *heap = selection->extents;
    uint32_t at = selection->count++;
    selection->total += extent.pages;
    for (; at > 0 && worse(&extent, &heap[(at - 1) / 2], selection->high_wins); at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = extent;
}

static void drop_worst(selection_t *selection) {
    selection->total -= selection->extents[0].pages;
    selection->extents[0] = selection->extents[--selection->count];
    if (selection->count > 0) {
        sink(selection->extents, selection->count, 0, worse, selection->high_wins);
    }
}

/* Nothing as short as the worst extent can come in any more. */
static bool settled(const selection_t *selection) {
    return selection->total >= selection->target || selection->count == selection->slots;
}

/* Shortest run that can still change the selection; 0 = none can. */
static uint64_t wanted(const selection_t *selection) {
    if (!settled(selection)) {
        return selection->floor;
    }
    return selection->count == 0 ? 0 : ss_max_u64(selection->extents[0].pages + 1, selection->floor);
}

static void offer(selection_t *selection, ss_page_extent_t extent) {
    uint64_t least = wanted(selection);
    if (extent.pages < least) { /* as long as there is an extent something is wanted */
        return;
    }
    if (selection->count == selection->slots) {
        drop_worst(selection);
    }
    push(selection, extent);
    while (selection->total - selection->extents[0].pages >= selection->target) {
        drop_worst(selection);
    }
}

/* Offers the aligned, cut extents of a free run [start, end) in the order in which ties are won. All but the highest
 * are equally long, so at most `slots` of them matter and the loop ends there. */
static void offer_run(selection_t *selection, uint64_t start, uint64_t end, uint64_t align, uint64_t cut) {
    uint64_t slack = align - 1, stride = (cut + slack) & ~slack;
    start = (start + slack) & ~slack;
    if (start >= end) {
        return;
    }
    uint64_t pieces = (end - start + stride - 1) / stride;
    for (uint64_t i = 0; i < pieces; i++) {
        uint64_t at = start + (selection->high_wins ? pieces - 1 - i : i) * stride, least = wanted(selection);
        ss_page_extent_t extent = {at, ss_min_u64(cut, end - at)};
        if (least > cut) {
            break;
        }
        offer(selection, extent);
    }
}

static void select_runs(const ss_pages_t *pages, selection_t *selection, uint64_t first_min, uint64_t last_max,
                        uint64_t align, uint64_t cut) {
    for (uint32_t i = 0; i < pages->segment_count; i++) {
        uint32_t index = selection->high_wins ? pages->segment_count - 1 - i : i;
        const ss_segment_t *segment = &pages->segments[index];
        uint64_t low = ss_max_u64(segment->first, first_min),
                 last = ss_min_u64(segment->first + segment->pages - 1, last_max);
        uint64_t high = last + 1 - segment->base, start, end, least;
        if (low > last) {
            continue;
        }
        low -= segment->base;
        while (low < high && (least = wanted(selection)) != 0 && least <= cut) {
            bool found = selection->high_wins ? ss_last_run(segment, low, high, least, &start, &end)
                                              : ss_first_run(segment, low, high, least, &start, &end);
            if (!found) {
                break;
            }
            offer_run(selection, segment->base + start, segment->base + end, align, cut);
            low = selection->high_wins ? low : end;
            high = selection->high_wins ? start : high;
        }
    }
}

static void sort_ascending(ss_page_extent_t *extents, uint32_t count) {
    for (uint32_t i = count / 2; i-- > 0;) {
        sink(extents, count, i, later, false);
    }
    for (uint32_t left = count; left > 1; left--) {
        ss_page_extent_t last = extents[left - 1];
        extents[left - 1] = extents[0];
        extents[0] = last;
        sink(extents, left - 1, 0, later, false);
    }
}

static storsim_status_t take_all(ss_pages_t *pages, const ss_page_extent_t *extents, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        ss_segment_t *segment = &pages->segments[ss_pages_segment_at(pages, extents[i].first_pfn)];
        if (ss_pages_reserve(pages, segment, extents[i].first_pfn - segment->base, extents[i].pages, true) !=
            STORSIM_OK) {
            return STORSIM_NO_MEMORY;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        ss_segment_t *segment = &pages->segments[ss_pages_segment_at(pages, extents[i].first_pfn)];
        ss_segment_take(segment, extents[i].first_pfn - segment->base, extents[i].pages);
        pages->free -= extents[i].pages;
    }
    return STORSIM_OK;
}

storsim_status_t ss_pages_take_longest(ss_pages_t *pages, uint64_t target, uint64_t minimum, uint64_t first_min,
                                       uint64_t last_max, uint64_t align_pages, uint64_t cut_pages,
                                       ss_page_extent_t *extents, uint32_t slots, uint32_t *count, uint64_t *total) {
    selection_t selection = {extents, slots, 0, target, 0, 1, pages->placement == STORSIM_TOP_DOWN};
    uint64_t *enough = &pages->longest_enough[63 - ss_high_zeros(target | 1)],
             cut = ss_min_u64(cut_pages, pages->total);
    if (align_pages == 0 || (align_pages & (align_pages - 1)) != 0 || cut_pages == 0) {
        return STORSIM_INVALID;
    }
    selection.floor = ss_max_u64(*enough, 1);
    select_runs(pages, &selection, first_min, last_max, align_pages, cut);
    while (selection.floor > 1 && !settled(&selection)) {
        selection.count = 0;
        selection.total = 0;
        selection.floor /= 4;
        selection.floor += selection.floor == 0;
        select_runs(pages, &selection, first_min, last_max, align_pages, cut);
    }
    *enough = settled(&selection) && selection.count > 0 ? extents[0].pages - extents[0].pages / 8 : 1;
    if (selection.total > target) {
        extents[0].pages -= selection.total - target;
        selection.total = target;
    }
    if (selection.total < minimum) {
        return STORSIM_NO_SPACE;
    }
    sort_ascending(extents, selection.count);
    storsim_status_t status = take_all(pages, extents, selection.count);
    if (status != STORSIM_OK) {
        return status;
    }
    *count = selection.count;
    *total = selection.total;
    return STORSIM_OK;
}
