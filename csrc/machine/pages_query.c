/* machine/pages_query.c: questions about what is free and what is RAM. Nothing here changes an answer of another call.
 */
#include "machine/pages_i.h"

uint32_t ss_pages_run_at(const ss_pages_t *pages, uint64_t pfn) {
    uint32_t low = 0, high = pages->run_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pages->runs[middle].first + pages->runs[middle].pages > pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

uint64_t ss_pages_free_count(const ss_pages_t *pages) {
    return pages->free;
}

uint64_t ss_pages_count_within(const ss_pages_t *pages, uint32_t node, uint64_t first_min, uint64_t last_max) {
    uint64_t free = 0;
    for (uint32_t i = ss_pages_run_at(pages, first_min); i < pages->run_count && pages->runs[i].first <= last_max;
         i++) {
        const ss_map_run_t *run = &pages->runs[i];
        const ss_segment_t *segment = &pages->segments[run->segment];
        uint64_t low = ss_max_u64(run->first, first_min), last = ss_min_u64(run->first + run->pages - 1, last_max);
        if ((node == STORSIM_NODE_ANY || node == run->node) && low <= last) {
            free += ss_segment_count_free(segment, low - segment->base, last + 1 - segment->base);
        }
    }
    return free;
}

/* Longest part of [start, end) that crosses no multiple of boundary. A part that holds a whole window is as good as it
 * gets. */
static uint64_t longest_part(uint64_t start, uint64_t end, uint64_t boundary) {
    if (boundary == 0) {
        return end - start;
    }
    uint64_t first = (start + boundary - 1) & ~(boundary - 1), last = end & ~(boundary - 1);
    if (first >= end) {
        return end - start;
    }
    return first < last ? boundary : ss_max_u64(first - start, end - first);
}

uint64_t ss_pages_longest(const ss_pages_t *pages, uint64_t first_min, uint64_t last_max, uint64_t boundary_pages) {
    uint64_t best = 0;
    for (uint32_t i = ss_pages_segment_at(pages, first_min);
         i < pages->segment_count && pages->segments[i].first <= last_max; i++) {
        const ss_segment_t *segment = &pages->segments[i];
        uint64_t low = ss_max_u64(segment->first, first_min) - segment->base, start, end;
        uint64_t high = ss_min_u64(segment->first + segment->pages - 1, last_max) + 1 - segment->base;
        while (low < high && (boundary_pages == 0 || best < boundary_pages) &&
               ss_first_run(segment, low, high, best + 1, &start, &end)) {
            best = ss_max_u64(best, longest_part(segment->base + start, segment->base + end, boundary_pages));
            low = end;
        }
    }
    return best;
}

bool ss_pages_next_free(const ss_pages_t *pages, uint64_t from, storsim_memory_run_t *run) {
    for (uint32_t i = ss_pages_segment_at(pages, from); i < pages->segment_count; i++) {
        const ss_segment_t *segment = &pages->segments[i];
        uint64_t low = ss_max_u64(segment->first, from) - segment->base, start, end;
        if (ss_first_run(segment, low, segment->end, 1, &start, &end)) {
            run->first_pfn = segment->base + start;
            run->pages = end - start;
            run->node = ss_pages_node_of(pages, run->first_pfn);
            return true;
        }
    }
    return false;
}

uint32_t ss_pages_node_of(const ss_pages_t *pages, uint64_t pfn) {
    uint32_t i = ss_pages_run_at(pages, pfn);
    return i < pages->run_count && pages->runs[i].first <= pfn ? pages->runs[i].node : STORSIM_NODE_ANY;
}

bool ss_pages_is_ram(const ss_pages_t *pages, uint64_t pfn) {
    return ss_pages_node_of(pages, pfn) != STORSIM_NODE_ANY;
}

bool ss_pages_all_ram(const ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    uint64_t pfn = first_pfn, left = count;
    for (uint32_t i = ss_pages_run_at(pages, pfn); left > 0 && i < pages->run_count && pages->runs[i].first <= pfn; i++) {
        uint64_t step = ss_min_u64(pages->runs[i].first + pages->runs[i].pages - pfn, left);
        pfn += step;
        left -= step;
    }
    return left == 0;
}

bool ss_pages_is_free(const ss_pages_t *pages, uint64_t pfn) {
    uint32_t i = ss_pages_segment_at(pages, pfn);
    if (i == pages->segment_count || pfn < pages->segments[i].first) {
        return false;
    }
    return ss_segment_all(&pages->segments[i], pfn - pages->segments[i].base, 1, false);
}
