/* machine/pages_bitmap.c: the busy bits of a segment and their counts. See pages_i.h. */
#include "machine/pages_small_i.h"

#include <string.h>

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
        ref->bound = SS_SMALL;
    }
    return STORSIM_OK;
}

void ss_segment_release(ss_host_t *host, ss_segment_t *segment) {
    for (uint32_t i = 0; segment->mids != NULL && i < segment->mid_count; i++) {
        ss_mid_t *mid = segment->mids[i].mid;
        for (uint32_t j = 0; mid != NULL && j < mid->count; j++) {
            ss_chunk_t *chunk = *ss_chunk_slot(mid, j);
            ss_release(host, chunk != NULL && chunk != segment->full ? chunk->memory : NULL);
        }
        ss_release(host, mid != NULL ? mid->memory : NULL);
    }
    ss_release(host, segment->mids);
    ss_release(host, segment->front);
    ss_release(host, segment->full);
    segment->full = NULL;
    segment->mids = NULL;
    segment->front = NULL;
}

#define LINE 64u /* of the cache, bytes */

static void *from_line_on(void *memory) {
    return (char *)memory + (UINTPTR_MAX - (uintptr_t)memory + 1) % LINE;
}

static ss_mid_t *mid_create(ss_host_t *host, const ss_segment_t *segment, uint32_t index) {
    uint64_t start = (uint64_t)index << SS_MID_SHIFT;
    uint64_t chunks = (segment->end - start + SS_CHUNK_PAGES - 1) >> SS_CHUNK_SHIFT;
    uint32_t count = (uint32_t)ss_min_u64(chunks, SS_MID_CHUNKS);
    uint32_t blocks = (count + SS_BLOCK_CHUNKS - 1) / SS_BLOCK_CHUNKS;
    void *memory = ss_alloc_zeroed(host, 1, sizeof(ss_mid_t) + blocks * sizeof(ss_block_t) + 2 * (LINE - 1));
    if (memory == NULL) {
        return NULL;
    }
    ss_mid_t *mid = from_line_on(memory);
    mid->memory = memory;
    mid->ref = &segment->mids[index];
    mid->count = count;
    memset(mid->bound, SS_SMALL, blocks);
    mid->blocks = from_line_on(mid + 1);
    for (uint32_t i = 0; i < count; i++) {
        ss_block_t *block = &mid->blocks[i / SS_BLOCK_CHUNKS];
        block->bound[i % SS_BLOCK_CHUNKS] = SS_SMALL;
        block->place = i / SS_BLOCK_CHUNKS;
        block->mid = mid;
    }
    return mid;
}

static inline void mark_word(ss_chunk_t *chunk, uint32_t word, uint64_t pages, bool busy) {
    uint64_t bit = UINT64_C(1) << word % 64, *open = &chunk->open[word / 64];
    chunk->busy[word] = busy ? chunk->busy[word] | pages : chunk->busy[word] & ~pages;
    *open = chunk->busy[word] == 0 ? *open | bit : *open & ~bit;
}

/* Sets or clears the bits of [from, to) of a chunk; from < to. */
static void chunk_mark(ss_chunk_t *chunk, uint32_t from, uint32_t to, bool busy) {
    uint32_t word = from / 64, last = (to - 1) / 64;
    uint64_t low = ~UINT64_C(0) << from % 64, high = ss_low_mask((to - 1) % 64 + 1);
    if (word == last) {
        mark_word(chunk, word, low & high, busy);
        ss_chunk_widen(chunk, word / 64);
        return;
    }
    mark_word(chunk, word, low, busy);
    mark_word(chunk, last, high, busy);
    memset(&chunk->busy[word + 1], busy ? 0xFF : 0, (last - word - 1) * sizeof chunk->busy[0]);
    for (uint32_t i = word / 64; i <= last / 64; i++) { /* the words between the two, of 64 at a time */
        uint64_t bits = ~UINT64_C(0) << (i == word / 64 ? word % 64 : 0) & ss_low_mask(i == last / 64 ? last % 64 : 64);
        bits &= i == word / 64 ? ~(UINT64_C(1) << word % 64) : ~UINT64_C(0);
        chunk->open[i] = busy ? chunk->open[i] & ~bits : chunk->open[i] | bits;
        ss_chunk_widen(chunk, i);
    }
}

/* Pages of a chunk that belong to the segment. */
static uint32_t chunk_pages(const ss_segment_t *segment, uint64_t start) {
    return (uint32_t)(ss_min_u64(start + SS_CHUNK_PAGES, segment->end) - ss_max_u64(start, segment->head));
}

void ss_segment_mirror(const ss_segment_t *segment, uint64_t offset) {
    uint64_t chunk = offset >> SS_CHUNK_SHIFT;
    ss_chunk_t *below = chunk > 0 ? ss_chunk_at(segment, chunk - 1) : NULL;
    if (below != NULL && below != segment->full) {
        below->busy[SS_CHUNK_WORDS] = ss_busy_word(segment, chunk * SS_CHUNK_WORDS);
    }
}

/* Words [from, to) have no free page and never will. */
static void bound_nothing(ss_chunk_t *chunk, uint32_t from, uint32_t to) {
    if (from < to) {
        uint32_t first = (from + 31) / 32, last = to / 32;
        memset(&chunk->bound[from], 0, to - from);
        memset(&chunk->group_bound[first], 0, last > first ? last - first : 0);
    }
}

static ss_chunk_t *chunk_create(ss_host_t *host, const ss_segment_t *segment, uint64_t start) {
    void *memory = ss_alloc_zeroed(host, 1, sizeof(ss_chunk_t) + LINE - 1);
    if (memory == NULL) {
        return NULL;
    }
    ss_chunk_t *chunk = from_line_on(memory);
    const ss_mid_t *mid = segment->mids[start >> SS_MID_SHIFT].mid;
    chunk->memory = memory;
    chunk->front = segment->front;
    chunk->first = segment->base + ss_max_u64(start, segment->head);
    chunk->free = chunk_pages(segment, start);
    chunk->last = (uint16_t)(chunk->free - 1);
    chunk->chunks_above = (uint16_t)(SS_BLOCK_CHUNKS - 1 - (start >> SS_CHUNK_SHIFT) % SS_BLOCK_CHUNKS);
    chunk->block = &mid->blocks[(start >> SS_CHUNK_SHIFT) % SS_MID_CHUNKS / SS_BLOCK_CHUNKS];
    memset(chunk->open, 0xFF, sizeof chunk->open);
    memset(chunk->wide, 0xFF, sizeof chunk->wide);
    if (start < segment->head) {
        chunk_mark(chunk, 0, (uint32_t)(segment->head - start), true);
    }
    if (start + SS_CHUNK_PAGES > segment->end) {
        chunk_mark(chunk, (uint32_t)(segment->end - start), (uint32_t)SS_CHUNK_PAGES, true);
    }
    chunk->longest = UINT32_MAX;
    memset(chunk->bound, SS_SMALL, sizeof chunk->bound);
    memset(chunk->group_bound, SS_SMALL, sizeof chunk->group_bound);
    /* Words without a page of the map: a search need not find that out one by one, which on small maps took longer than all the rest. */
    uint32_t low = start < segment->head ? (uint32_t)(segment->head - start) >> SS_WORD_SHIFT : 0;
    uint32_t high = start + SS_CHUNK_PAGES > segment->end ? (uint32_t)(segment->end - start + 63) >> SS_WORD_SHIFT : SS_CHUNK_WORDS;
    bound_nothing(chunk, 0, low);
    bound_nothing(chunk, high, SS_CHUNK_WORDS);
    return chunk;
}

/* A chunk is about to be NULL again: its bounds say so on the way up. */
static void set_bounds_untouched(ss_segment_t *segment, uint64_t chunk) {
    ss_mid_ref_t *ref = &segment->mids[chunk / SS_MID_CHUNKS];
    ss_block_t *block = &ref->mid->blocks[chunk % SS_MID_CHUNKS / SS_BLOCK_CHUNKS];
    memset(segment->front->top, 0, sizeof segment->front->top);
    block->bound[chunk % SS_BLOCK_CHUNKS] = SS_SMALL;
    ref->mid->bound[block->place] = SS_SMALL;
    ref->bound = SS_SMALL;
}

/* Drops the chunks of [offset, end) that hold no busy page of the segment; the mids, which are all there, stay. */
static void forget_free_chunks(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t end) {
    for (uint64_t at = offset & ~(SS_CHUNK_PAGES - 1); at < end; at += SS_CHUNK_PAGES) {
        ss_chunk_t **chunk = ss_chunk_slot(segment->mids[at >> SS_MID_SHIFT].mid, at >> SS_CHUNK_SHIFT);
        if (*chunk != NULL && (*chunk)->free == chunk_pages(segment, at)) {
            set_bounds_untouched(segment, at >> SS_CHUNK_SHIFT);
            ss_release(host, (*chunk)->memory);
            *chunk = NULL;
            ss_segment_mirror(segment, at);
        }
    }
}

/* Does [offset, end) cover the chunk at `at`, and the chunk lie inside the segment? */
static inline bool covers(uint64_t offset, uint64_t end, uint64_t at) {
    return offset <= at && end - at >= SS_CHUNK_PAGES;
}

static storsim_status_t reserve_common(ss_host_t *host, ss_segment_t *segment, bool full) {
    if (segment->front == NULL) {
        segment->front = ss_alloc_zeroed(host, 1, sizeof *segment->front);
        if (segment->front == NULL) {
            return STORSIM_NO_MEMORY;
        }
        memset(segment->front->limit, 0xFF, sizeof segment->front->limit); /* nothing known */
        segment->front->segment = segment;
    }
    if (full && segment->full == NULL) {
        segment->full = ss_alloc_zeroed(host, 1, sizeof *segment->full);
        if (segment->full == NULL) {
            return STORSIM_NO_MEMORY;
        }
        memset(segment->full->busy, 0xFF, sizeof segment->full->busy);
    }
    return STORSIM_OK;
}

storsim_status_t ss_segment_reserve(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t count, bool block) {
    uint64_t end = offset + count, at = offset & ~(SS_CHUNK_PAGES - 1);
    if (reserve_common(host, segment, block && count >= SS_CHUNK_PAGES) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    for (; at < end; at += SS_CHUNK_PAGES) {
        uint32_t index = (uint32_t)(at >> SS_MID_SHIFT);
        ss_mid_ref_t *mid = &segment->mids[index];
        if (mid->mid == NULL && (mid->mid = mid_create(host, segment, index)) == NULL) {
            goto fail;
        }
        ss_chunk_t **chunk = ss_chunk_slot(mid->mid, at >> SS_CHUNK_SHIFT);
        if (*chunk == NULL && !(block && covers(offset, end, at))) {
            if ((*chunk = chunk_create(host, segment, at)) == NULL) {
                goto fail;
            }
            ss_segment_mirror(segment, at);
            ss_segment_mirror(segment, at + SS_CHUNK_PAGES);
        }
    }
    return STORSIM_OK;
fail:
    forget_free_chunks(host, segment, offset, at);
    return STORSIM_NO_MEMORY;
}

/* Puts the full chunk in the place of an untouched one, or takes it away. */
static void set_full(ss_segment_t *segment, uint64_t at, bool full) {
    uint64_t chunk = at >> SS_CHUNK_SHIFT;
    *ss_chunk_slot(segment->mids[chunk / SS_MID_CHUNKS].mid, chunk) = full ? segment->full : NULL;
    if (full) {
        *ss_chunk_bound(segment, chunk) = 0;
    } else {
        set_bounds_untouched(segment, chunk);
    }
    ss_segment_mirror(segment, at);
}

static inline void segment_mark(ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy) {
    while (count > 0) {
        ss_chunk_t *chunk = ss_chunk_at(segment, offset >> SS_CHUNK_SHIFT);
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        uint32_t length = (uint32_t)ss_min_u64(SS_CHUNK_PAGES - from, count);
        if (chunk == (busy ? NULL : segment->full)) {
            set_full(segment, offset, busy);
        } else {
            chunk_mark(chunk, from, from + length, busy);
            chunk->free = busy ? chunk->free - length : chunk->free + length;
            if (from < 64) {
                ss_segment_mirror(segment, offset);
            }
        }
        offset += length;
        count -= length;
    }
}

void ss_segment_take(ss_segment_t *segment, uint64_t offset, uint64_t count) {
    segment_mark(segment, offset, count, true);
}

void ss_segment_give(ss_segment_t *segment, uint64_t offset, uint64_t count) {
    segment_mark(segment, offset, count, false);
    ss_small_freed(segment, offset, count);
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
        const ss_chunk_t *chunk = mid == NULL ? NULL : *ss_chunk_slot(mid, offset >> SS_CHUNK_SHIFT);
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        bool known = chunk == NULL || chunk == segment->full; /* all free, or all busy */
        if (known ? busy == (chunk == NULL) : !chunk_all(chunk, from, from + (uint32_t)length, busy)) {
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
        if (mid->mid == NULL) {
            free += left;
            offset += left;
            continue;
        }
        const ss_chunk_t *chunk = *ss_chunk_slot(mid->mid, offset >> SS_CHUNK_SHIFT);
        uint32_t from = (uint32_t)(offset & (SS_CHUNK_PAGES - 1));
        left = ss_min_u64(SS_CHUNK_PAGES - from, left);
        if (chunk == NULL) {
            free += left;
        } else {
            free += left == SS_CHUNK_PAGES ? chunk->free : chunk_count_free(chunk, from, from + (uint32_t)left);
        }
        offset += left;
    }
    return free;
}
