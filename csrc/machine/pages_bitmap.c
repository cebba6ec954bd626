/* machine/pages_bitmap.c: the busy bits of a segment, their counts, and the summaries above them. See pages_i.h. */
#include "machine/pages_i.h"

#include <string.h>

/* Summary of a unit [start, start + size) of which exactly the pages inside [head, end) are free. */
static ss_summary_t untouched(uint64_t start, uint64_t size, uint64_t head, uint64_t end) {
    uint64_t low = ss_max_u64(start, head), high = ss_min_u64(start + size, end);
    uint32_t length = high > low ? (uint32_t)(high - low) : 0;
    ss_summary_t summary = {low == start ? length : 0, length, high == start + size ? length : 0};
    return summary;
}

storsim_status_t ss_segment_init(ss_host_t *host, ss_segment_t *segment, uint64_t first, uint64_t pages) {
    segment->first = first;
    segment->pages = pages;
    segment->base = first & ~(SS_CHUNK_PAGES - 1);
    segment->head = first - segment->base;
    segment->end = segment->head + pages;
    segment->mid_count = (uint32_t)((segment->end + SS_MID_PAGES - 1) >> SS_MID_SHIFT);
    segment->mids = ss_alloc_zeroed(host, segment->mid_count, sizeof *segment->mids);
    if (segment->mids == NULL) {
        return STORSIM_NO_MEMORY;
    }
    for (uint32_t i = 0; i < segment->mid_count; i++) {
        ss_mid_ref_t *ref = &segment->mids[i];
        ref->summary = untouched((uint64_t)i << SS_MID_SHIFT, SS_MID_PAGES, segment->head, segment->end);
        ref->free = ref->summary.longest;
    }
    return STORSIM_OK;
}

void ss_segment_release(ss_host_t *host, ss_segment_t *segment) {
    for (uint32_t i = 0; segment->mids != NULL && i < segment->mid_count; i++) {
        ss_mid_t *mid = segment->mids[i].mid;
        for (uint32_t j = 0; mid != NULL && j < mid->count; j++) {
            ss_release(host, mid->chunks[j].chunk);
        }
        ss_release(host, mid);
    }
    ss_release(host, segment->mids);
    segment->mids = NULL;
}

static ss_mid_t *mid_create(ss_host_t *host, const ss_segment_t *segment, uint32_t index) {
    uint64_t start = (uint64_t)index << SS_MID_SHIFT;
    uint64_t chunks = (segment->end - start + SS_CHUNK_PAGES - 1) >> SS_CHUNK_SHIFT;
    uint32_t count = (uint32_t)ss_min_u64(chunks, SS_MID_CHUNKS);
    ss_mid_t *mid = ss_alloc_zeroed(host, 1, sizeof *mid + count * sizeof mid->chunks[0]);
    if (mid == NULL) {
        return NULL;
    }
    mid->count = count;
    for (uint32_t i = 0; i < count; i++) {
        ss_chunk_ref_t *ref = &mid->chunks[i];
        ref->summary = untouched(start + ((uint64_t)i << SS_CHUNK_SHIFT), SS_CHUNK_PAGES, segment->head, segment->end);
        ref->free = ref->summary.longest;
    }
    return mid;
}

/* Sets or clears the bits of [from, to) of a chunk; marks the groups. */
static void chunk_mark(ss_chunk_t *chunk, uint32_t from, uint32_t to, bool busy) {
    uint32_t groups_from = from >> SS_GROUP_SHIFT, groups_to = (to - 1) >> SS_GROUP_SHIFT;
    chunk->stale |= (uint32_t)(ss_low_mask(groups_to + 1) & ~ss_low_mask(groups_from));
    while (from < to) {
        uint32_t word = from >> SS_WORD_SHIFT, bit = from & 63;
        uint32_t count = (uint32_t)ss_min_u64(64 - bit, to - from);
        uint64_t mask = ss_low_mask(count) << bit;
        chunk->busy[word] = busy ? chunk->busy[word] | mask : chunk->busy[word] & ~mask;
        from += count;
    }
}

static ss_chunk_t *chunk_create(ss_host_t *host, const ss_segment_t *segment, uint64_t start) {
    ss_chunk_t *chunk = ss_alloc_zeroed(host, 1, sizeof *chunk);
    if (chunk == NULL) {
        return NULL;
    }
    if (start < segment->head) {
        chunk_mark(chunk, 0, (uint32_t)(segment->head - start), true);
    }
    if (start + SS_CHUNK_PAGES > segment->end) {
        chunk_mark(chunk, (uint32_t)(segment->end - start), (uint32_t)SS_CHUNK_PAGES, true);
    }
    chunk->stale = UINT32_MAX;
    return chunk;
}

/* Drops the chunks of [offset, end) that hold no busy page of the segment; the mids stay. */
static void forget_free_chunks(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t end) {
    for (uint64_t at = offset & ~(SS_CHUNK_PAGES - 1); at < end; at += SS_CHUNK_PAGES) {
        ss_mid_ref_t *mid = &segment->mids[at >> SS_MID_SHIFT];
        if (mid->mid == NULL) {
            continue;
        }
        ss_chunk_ref_t *ref = &mid->mid->chunks[at >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
        ss_summary_t all = untouched(at, SS_CHUNK_PAGES, segment->head, segment->end);
        if (ref->chunk != NULL && ref->free == all.longest) {
            ss_release(host, ref->chunk);
            ref->chunk = NULL;
            ref->summary = all;
            ref->stale = false;
        }
    }
}

storsim_status_t ss_segment_reserve(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t count) {
    uint64_t end = offset + count, at = offset & ~(SS_CHUNK_PAGES - 1);
    for (; at < end; at += SS_CHUNK_PAGES) {
        uint32_t index = (uint32_t)(at >> SS_MID_SHIFT);
        ss_mid_ref_t *mid = &segment->mids[index];
        if (mid->mid == NULL && (mid->mid = mid_create(host, segment, index)) == NULL) {
            goto fail;
        }
        ss_chunk_ref_t *ref = &mid->mid->chunks[at >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
        if (ref->chunk == NULL) {
            if ((ref->chunk = chunk_create(host, segment, at)) == NULL) {
                goto fail;
            }
            ref->stale = mid->stale = true;
        }
    }
    return STORSIM_OK;
fail:
    forget_free_chunks(host, segment, offset, at);
    return STORSIM_NO_MEMORY;
}

void ss_segment_mark(ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy) {
    while (count > 0) {
        ss_mid_ref_t *mid = &segment->mids[offset >> SS_MID_SHIFT];
        ss_chunk_ref_t *ref = &mid->mid->chunks[offset >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        uint32_t length = (uint32_t)ss_min_u64(SS_CHUNK_PAGES - from, count);
        chunk_mark(ref->chunk, from, from + length, busy);
        ref->stale = mid->stale = true;
        ref->free = busy ? ref->free - length : ref->free + length;
        mid->free = busy ? mid->free - length : mid->free + length;
        offset += length;
        count -= length;
    }
}

/* True when the bits of [from, to) of a chunk are all equal to `busy`. */
static bool chunk_all(const ss_chunk_t *chunk, uint32_t from, uint32_t to, bool busy) {
    uint64_t flip = busy ? ~UINT64_C(0) : 0;
    while (from < to) {
        uint32_t bit = from & 63, count = (uint32_t)ss_min_u64(64 - bit, to - from);
        if (((chunk->busy[from >> SS_WORD_SHIFT] ^ flip) & ss_low_mask(count) << bit) != 0) {
            return false;
        }
        from += count;
    }
    return true;
}

bool ss_segment_all(const ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy) {
    while (count > 0) {
        const ss_mid_t *mid = segment->mids[offset >> SS_MID_SHIFT].mid;
        uint64_t unit = mid == NULL ? SS_MID_PAGES : SS_CHUNK_PAGES;
        uint64_t length = ss_min_u64(unit - (offset & (unit - 1)), count);
        const ss_chunk_t *chunk = mid == NULL ? NULL : mid->chunks[offset >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)].chunk;
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        if (chunk == NULL ? busy : !chunk_all(chunk, from, from + (uint32_t)length, busy)) {
            return false;
        }
        offset += length;
        count -= length;
    }
    return true;
}

static uint64_t chunk_count_free(const ss_chunk_t *chunk, uint32_t from, uint32_t to) {
    uint64_t free = 0;
    while (from < to) {
        uint32_t bit = from & 63, count = (uint32_t)ss_min_u64(64 - bit, to - from);
        free += ss_ones(~chunk->busy[from >> SS_WORD_SHIFT] & ss_low_mask(count) << bit);
        from += count;
    }
    return free;
}

uint64_t ss_segment_count_free(const ss_segment_t *segment, uint64_t offset, uint64_t end) {
    uint64_t free = 0;
    while (offset < end) {
        const ss_mid_ref_t *mid = &segment->mids[offset >> SS_MID_SHIFT];
        uint64_t left = ss_min_u64(SS_MID_PAGES - (offset & (SS_MID_PAGES - 1)), end - offset);
        if (mid->mid == NULL || left == SS_MID_PAGES) {
            free += mid->mid == NULL ? left : mid->free;
            offset += left;
            continue;
        }
        const ss_chunk_ref_t *ref = &mid->mid->chunks[offset >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        left = ss_min_u64(SS_CHUNK_PAGES - from, left);
        if (ref->chunk == NULL) {
            free += left;
        } else {
            free += left == SS_CHUNK_PAGES ? ref->free : chunk_count_free(ref->chunk, from, from + (uint32_t)left);
        }
        offset += left;
    }
    return free;
}

/* --- summaries --------------------------------------------------------------------------------------------------------- */

/* Joins units from low to high. */
typedef struct joiner {
    ss_summary_t summary;
    uint32_t run; /* free pages just below */
    bool open;    /* no busy page yet: the run is the head */
} joiner_t;

static inline void join(joiner_t *joiner, const ss_summary_t *unit, uint32_t size) {
    joiner->run += unit->head;
    if (unit->head == size) {
        return;
    }
    if (joiner->open) {
        joiner->summary.head = joiner->run;
        joiner->open = false;
    }
    uint32_t longest = joiner->run > unit->longest ? joiner->run : unit->longest;
    joiner->summary.longest = joiner->summary.longest > longest ? joiner->summary.longest : longest;
    joiner->run = unit->tail;
}

static inline ss_summary_t joined(const joiner_t *joiner) {
    ss_summary_t summary = joiner->summary;
    summary.head = joiner->open ? joiner->run : summary.head;
    summary.longest = summary.longest > joiner->run ? summary.longest : joiner->run;
    summary.tail = joiner->run;
    return summary;
}

/* Longest run of ones that touches neither end need not be told apart from one that does. */
static inline uint32_t longest_in_word(uint64_t free, uint32_t at_least) {
    uint64_t left = free;
    for (uint32_t i = 0; i < at_least && left != 0; i++) {
        left &= left >> 1;
    }
    uint32_t longest = left != 0 ? at_least : 0;
    for (; left != 0; left &= left >> 1) {
        longest++;
    }
    return longest;
}

const ss_summary_t *ss_group_summary(ss_chunk_t *chunk, uint32_t group) {
    ss_summary_t *summary = &chunk->groups[group];
    if ((chunk->stale >> group & 1) == 0) {
        return summary;
    }
    chunk->stale &= ~(UINT32_C(1) << group);
    const uint64_t *words = &chunk->busy[group * SS_GROUP_WORDS];
    joiner_t joiner = {{0, 0, 0}, 0, true};
    for (uint32_t i = 0; i < SS_GROUP_WORDS; i++) {
        uint64_t busy = words[i];
        ss_summary_t word = {ss_low_zeros(busy), 0, ss_high_zeros(busy)};
        if (busy != 0 && busy != ~UINT64_C(0)) {
            word.longest = longest_in_word(~busy, joiner.summary.longest < 64 ? joiner.summary.longest : 64);
        }
        join(&joiner, &word, 64);
    }
    *summary = joined(&joiner);
    return summary;
}

const ss_summary_t *ss_chunk_summary(ss_chunk_ref_t *ref) {
    if (ref->stale) {
        ref->stale = false;
        joiner_t joiner = {{0, 0, 0}, 0, true};
        for (uint32_t i = 0; i < SS_CHUNK_GROUPS; i++) {
            join(&joiner, ss_group_summary(ref->chunk, i), (uint32_t)SS_GROUP_PAGES);
        }
        ref->summary = joined(&joiner);
    }
    return &ref->summary;
}

const ss_summary_t *ss_mid_summary(ss_mid_ref_t *ref) {
    if (ref->stale) {
        ref->stale = false;
        joiner_t joiner = {{0, 0, 0}, 0, true};
        for (uint32_t i = 0; i < ref->mid->count; i++) {
            join(&joiner, ss_chunk_summary(&ref->mid->chunks[i]), (uint32_t)SS_CHUNK_PAGES);
        }
        ref->summary = joined(&joiner);
        if (ref->mid->count < SS_MID_CHUNKS) {
            ref->summary.tail = 0; /* the unit goes on past the segment's end */
        }
    }
    return &ref->summary;
}
