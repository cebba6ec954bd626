/* machine/pages_fast.c: the short way for TOP_DOWN requests of up to 64 pages, and for giving them back.
 *
 * The same answers as ss_pages_place and ss_segment_give, reached without their generality:
 *
 *     mid 64 | block 64 64 9 0 | chunk 9 3 64 … | group 9 0 3 2 … | word 3 0 9 1 …      bounds: 32 looked at, one picked
 *          └──────────^               ^               ^                   ^              highest that is long enough
 *     word      ...0011111111100000   its starts by shift and AND, the highest of them taken
 *
 * Take   goes down the bounds once. The bounds of the word it took from and of its group become exact at once, so that
 *        the next search is hardly ever led astray; those above are repaired when it is.
 * Give   joins the freed pages with what is free around them in the pair of words they lie in and raises bounds where
 *        the stretch is longer than they say.
 *
 * Both are straight-line code: what is rare (parts of the map never touched, windows that cut a segment, stretches
 * across words, memos to drop) is a call at the end that starts over or finishes the work. Lengths and places are
 * random, so a branch on them costs more than computing both sides.
 * Complexity: O(levels), of 32 bounds each; as in pages_small.c where that is called. */
#include "machine/pages_small_i.h"

#include <assert.h>

/* The lowest `count` bits, 1 … 64. */
SS_INLINE uint64_t ones(uint32_t count) {
    return ~UINT64_C(0) >> (64 - count);
}

/* How far to shift, one doubling after the other, to get from stretches of 1 to stretches of n. */
#define STEP(n, have) (uint8_t)((n) <= (have) ? 0 : (n) - (have) < (have) ? (n) - (have) : (have))
#define STEPS(n) {STEP(n, 1), STEP(n, 2), STEP(n, 4), STEP(n, 8), STEP(n, 16), STEP(n, 32)}
#define STEPS_8(n) \
    STEPS(n), STEPS((n) + 1), STEPS((n) + 2), STEPS((n) + 3), STEPS((n) + 4), STEPS((n) + 5), STEPS((n) + 6), \
        STEPS((n) + 7)
static const uint8_t steps[SS_SMALL + 8][8] = {STEPS_8(0),  STEPS_8(8),  STEPS_8(16), STEPS_8(24), STEPS_8(32),
                                               STEPS_8(40), STEPS_8(48), STEPS_8(56), STEPS_8(64)};

/* Bit i: bits i … i + length - 1 are set. No branch below 17: lengths are hard to predict. */
SS_INLINE uint64_t starts_in_word(uint64_t free, uint32_t length) {
    const uint8_t *step = steps[length];
    free &= free >> (step[0] & 63);
    free &= free >> (step[1] & 63);
    free &= free >> (step[2] & 63);
    free &= free >> (step[3] & 63);
    if (length > 16) {
        free &= free >> (step[4] & 63);
        free &= free >> (step[5] & 63);
    }
    return free;
}

/* Busy bits of the word above word `at` of a chunk. */
SS_INLINE uint64_t busy_above(const ss_chunk_t *chunk, uint32_t at) {
    const uint64_t *above = &chunk->busy[at] + 1;
    return *(at + 1 < SS_CHUNK_WORDS ? above : chunk->above);
}

/* The bound of word `at` becomes exact, and that of its group with it. */
SS_INLINE void settle(ss_chunk_t *chunk, uint32_t at, uint64_t above) {
    chunk->bound[at] = (uint8_t)longest_from(~chunk->busy[at], ~above);
    chunk->group_bound[at / 32] = ss_bytes_max(&chunk->bound[at & ~31u]);
}

/* Takes `length` pages from bit `bit` of word `at`. A block that goes on in the next word must not start in the last.
 */
SS_INLINE void take_at(ss_chunk_t *chunk, uint32_t at, uint32_t bit, uint32_t length, uint64_t above) {
    uint64_t block = ones(length);
    chunk->busy[at] |= block << bit;
    chunk->open[at / 64] &= ~(UINT64_C(1) << at % 64);
    if (bit + length > 64) {
        above = chunk->busy[at + 1] |= block >> (64 - bit);
        chunk->open[(at + 1) / 64] &= ~(UINT64_C(1) << (at + 1) % 64);
    }
    chunk->free -= length;
    settle(chunk, at, above);
}

/* Highest start in a word, in *bit; false when it holds no stretch so long. */
SS_INLINE bool highest_in_word(uint64_t free, uint64_t above, uint32_t length, uint32_t *bit) {
    uint32_t tail = ss_high_zeros(~free), beyond = ss_low_zeros(above) & (uint32_t)ss_ones_if(tail > 0);
    uint32_t inside = 63 - ss_high_zeros(starts_in_word(free, length)), most = beyond < length ? beyond : length - 1;
    uint32_t goes_on = (uint32_t)ss_ones_if(tail + beyond >= length); /* the highest stretch, in the next word */
    *bit = (inside & ~goes_on) | ((64 + most - length) & goes_on);
    return (int32_t)*bit >= 0;
}

typedef enum attempt { NOT_HERE, TAKEN, LONG_WAY } attempt_t;

/* Where the highest stretch of a segment starts. */
typedef struct spot {
    ss_chunk_t *chunk; /* NULL: in a part never touched */
    uint64_t above;    /* busy bits of the word above */
    uint32_t at, bit;
} spot_t;

/* Goes down the levels; where a bound has promised too much it is repaired, and the search starts over. */
SS_INLINE bool highest_stretch(const ss_segment_t *segment, uint32_t length, spot_t *spot) {
    for (;;) {
        ss_mid_ref_t *ref = segment->mids + segment->mid_count;
        do {
            if (ref == segment->mids) {
                return false;
            }
            ref--;
        } while (ref->bound < length);
        ss_mid_t *mid = ref->mid;
        spot->chunk = NULL;
        if (mid == NULL) {
            return true;
        }
        uint32_t blocks = ss_bytes_at_least(mid->block_bound, length);
        if (blocks == 0) {
            ref->bound = ss_bytes_max(mid->block_bound);
            continue;
        }
        uint32_t block = ss_highest_bit(blocks), chunks = ss_bytes_at_least(&mid->bound[block * 32], length);
        if (chunks == 0) {
            mid->block_bound[block] = ss_bytes_max(&mid->bound[block * 32]);
            continue;
        }
        uint32_t index = block * 32 + ss_highest_bit(chunks);
        ss_chunk_t *chunk = mid->chunks[index];
        if (chunk == NULL) {
            return true;
        }
        uint32_t groups = ss_bytes_at_least(chunk->group_bound, length);
        if (groups == 0) {
            mid->bound[index] = ss_bytes_max(chunk->group_bound);
            continue;
        }
        uint32_t group = ss_highest_bit(groups), words = ss_bytes_at_least(&chunk->bound[group * 32], length);
        if (words == 0) {
            chunk->group_bound[group] = ss_bytes_max(&chunk->bound[group * 32]);
            continue;
        }
        spot->at = group * 32 + ss_highest_bit(words);
        spot->above = busy_above(chunk, spot->at);
        if (highest_in_word(~chunk->busy[spot->at], spot->above, length, &spot->bit)) {
            spot->chunk = chunk;
            return true;
        }
        settle(chunk, spot->at, spot->above);
    }
}

/* Can a block at the spot be taken here? */
SS_INLINE bool easy(const spot_t *spot, uint32_t length) {
    return spot->chunk != NULL && (spot->at < SS_CHUNK_WORDS - 1 || spot->bit + length <= 64);
}

SS_INLINE uint64_t pfn_of(const spot_t *spot) {
    return spot->chunk->base + spot->at * UINT64_C(64) + spot->bit;
}

/* Takes the highest stretch of a segment with a start >= low (a pfn), if that is easy. */
SS_INLINE attempt_t take_plain(const ss_segment_t *segment, uint32_t length, uint64_t low, uint64_t *first_pfn) {
    spot_t spot;
    if (!highest_stretch(segment, length, &spot)) {
        return NOT_HERE;
    }
    if (!easy(&spot, length)) {
        return LONG_WAY;
    }
    if (pfn_of(&spot) < low) {
        return NOT_HERE;
    }
    *first_pfn = pfn_of(&spot);
    take_at(spot.chunk, spot.at, spot.bit, length, spot.above);
    return TAKEN;
}

/* Words looked at in vain before the search that keeps records is asked. */
#define TRIES 2

/* The same for any window and constraints, from the word on that the front of the class names. */
SS_INLINE attempt_t take_fitting(const ss_segment_t *segment, const ss_fit_t *fit, uint64_t low, uint64_t high,
                                 uint64_t *first_pfn) {
    uint64_t base = segment->base, first = (low - base) >> SS_WORD_SHIFT, word = (high - base) >> SS_WORD_SHIFT;
    const ss_front_t *front = segment->front;
    if (front == NULL) {
        return LONG_WAY;
    }
    bool whole = high - base + fit->length == segment->end;
    if (fit->class_index != SS_CLASS_NONE) {
        uint64_t position = ss_front_limit(front, fit);
        if (position <= first) {
            return NOT_HERE;
        }
        whole = whole || word >= position;
        word = ss_min_u64(word, position - 1);
    }
    for (uint32_t i = 0; i < TRIES; i++) {
        if (!previous_word(segment, &word, fit, first)) {
            return NOT_HERE;
        }
        ss_chunk_t *chunk = ss_chunk_at(segment, word / SS_CHUNK_WORDS);
        if (chunk == NULL) {
            return LONG_WAY;
        }
        uint32_t at = (uint32_t)(word % SS_CHUNK_WORDS);
        uint64_t above = busy_above(chunk, at);
        uint64_t starts = starts_in(~chunk->busy[at], ~above, fit->length);
        if (starts == 0) {
            settle(chunk, at, above);
        }
        starts = clip(starts & legal_in(segment, fit, word), word, low - base, high - base);
        if (starts != 0) {
            uint32_t bit = 63 - ss_high_zeros(starts);
            if (at == SS_CHUNK_WORDS - 1 && bit + fit->length > 64) {
                return LONG_WAY;
            }
            *first_pfn = chunk->base + at * UINT64_C(64) + bit;
            take_at(chunk, at, bit, fit->length, above);
            if (i > 0 && whole && fit->proves && fit->class_index != SS_CLASS_NONE) {
                ss_small_prove(segment->front, fit, word + 1);
            }
            return TAKEN;
        }
        if (word <= first) {
            return NOT_HERE;
        }
        word--;
    }
    return LONG_WAY;
}

/* The same with all generality. OK, NO_SPACE, NO_MEMORY. */
SS_ASIDE storsim_status_t take_long_way(ss_pages_t *pages, ss_segment_t *segment, const ss_fit_t *fit, uint64_t low,
                                        uint64_t high, uint64_t *first_pfn) {
    uint64_t start;
    if (!ss_small_highest(segment, fit, low - segment->base, high - segment->base, &start)) {
        return STORSIM_NO_SPACE;
    }
    uint32_t at = (uint32_t)(start >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1);
    ss_chunk_t *chunk = ss_chunk_at(segment, start >> SS_CHUNK_SHIFT);
    *first_pfn = segment->base + start;
    if (chunk != NULL && at < SS_CHUNK_WORDS - 1) {
        take_at(chunk, at, (uint32_t)(start & 63), fit->length, chunk->busy[at + 1]);
        return STORSIM_OK;
    }
    if (ss_segment_reserve(pages->host, segment, start, fit->length, true) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    ss_segment_take(segment, start, fit->length);
    return STORSIM_OK;
}

/* The highest place in a run of the map. */
SS_INLINE storsim_status_t take_on_site(ss_pages_t *pages, const ss_site_t *site, const ss_page_request_t *request,
                                        const ss_fit_t *fit, uint64_t *first_pfn) {
    uint64_t low = ss_max_u64(request->first_min, site->first), high = ss_min_u64(request->first_max, site->last);
    if (low > high) {
        return STORSIM_NO_SPACE;
    }
    ss_segment_t *segment = site->segment;
    uint64_t end = segment->base + segment->end, start;
    if (segment->pages < fit->length) { /* end - length must not wrap */
        return STORSIM_NO_SPACE;
    }
    high = ss_min_u64(high, end - fit->length);
    if (low > high) {
        return STORSIM_NO_SPACE;
    }
    bool plain = !fit->constrained && high + fit->length == end;
    attempt_t attempt = plain ? take_plain(segment, fit->length, low, &start)
                              : take_fitting(segment, fit, low, high, &start);
    if (attempt == LONG_WAY) {
        storsim_status_t status = take_long_way(pages, segment, fit, low, high, &start);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    if (attempt == NOT_HERE) {
        return STORSIM_NO_SPACE;
    }
    pages->free -= fit->length;
    *first_pfn = start;
    return STORSIM_OK;
}

/* TOP_DOWN for up to 64 pages. */
SS_ASIDE storsim_status_t take_small(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    uint32_t nodes = request->nodes != NULL ? request->node_count : pages->node_count;
    ss_fit_t fit = ss_fit_of(request);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = request->nodes != NULL ? request->nodes[i] : i;
        if (node >= pages->node_count) {
            continue;
        }
        const ss_site_t *lowest = pages->lowest[node], *site = pages->lowest[node + 1];
        while (site != lowest && lowest->first <= request->first_max) {
            storsim_status_t status = take_on_site(pages, --site, request, &fit, first_pfn);
            if (status != STORSIM_NO_SPACE) {
                return status;
            }
        }
    }
    return STORSIM_NO_SPACE;
}

SS_ASIDE storsim_status_t take_other(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    uint64_t count = request->pages, align = request->align_pages, boundary = request->boundary_pages;
    if (count == 0 || align == 0 || (align & (align - 1)) != 0 || (boundary & (boundary - 1)) != 0) {
        return STORSIM_INVALID; /* boundary 0 passes */
    }
    if (count > SS_SMALL || pages->placement != STORSIM_TOP_DOWN) {
        return ss_pages_take_any(pages, request, first_pfn);
    }
    if (boundary != 0 && count > boundary) {
        return STORSIM_NO_SPACE;
    }
    return take_small(pages, request, first_pfn);
}

/* A request without constraints for a node whose highest site it may use all of. */
SS_INLINE const ss_site_t *site_for(const ss_pages_t *pages, const ss_page_request_t *request) {
    uint32_t node = 0;
    if (request->nodes != NULL) {
        node = request->node_count > 0 ? request->nodes[0] : STORSIM_MAX_NODES;
    }
    if (request->pages - 1 >= SS_SMALL || ((request->align_pages ^ 1) | request->boundary_pages) != 0 ||
        node >= pages->node_count) {
        return NULL;
    }
    const ss_site_t *site = pages->tops[node];
    bool whole = site != NULL && request->first_min <= site->first && request->first_max >= site->last;
    return whole ? site : NULL;
}

storsim_status_t ss_pages_take(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    const ss_site_t *site = site_for(pages, request);
    uint32_t length = (uint32_t)request->pages;
    spot_t spot;
    if (site == NULL || !highest_stretch(site->segment, length, &spot) || !easy(&spot, length) ||
        pfn_of(&spot) < site->first) {
        return take_other(pages, request, first_pfn);
    }
    pages->free -= length;
    *first_pfn = pfn_of(&spot);
    take_at(spot.chunk, spot.at, spot.bit, length, spot.above);
    return STORSIM_OK;
}

/* What a freed block did across the edges of its word: to the stretch that comes from the word below, and to the one in
 * the word above where the block ends. And the classes that have to know. `stretch` begins at `low` and holds the block.
 */
SS_ASIDE void finish_give(ss_segment_t *segment, ss_chunk_t *chunk, uint64_t low, uint32_t stretch, uint64_t last) {
    uint64_t word = low >> SS_WORD_SHIFT;
    uint32_t at = (uint32_t)word & (SS_CHUNK_WORDS - 1), spill = last >> SS_WORD_SHIFT > word;
    if ((low & 63) == 0 && word > 0) {
        uint32_t below = ss_high_zeros(at > 0 ? chunk->busy[at - 1] : ss_busy_word(segment, word - 1));
        if (below > 0) {
            ss_small_raise(segment, word - 1, below + stretch);
            low -= below;
            stretch += below;
        }
    }
    if (spill != 0) {
        ss_small_raise(segment, word + 1, ss_low_zeros(chunk->busy[at + 1]));
    }
    if (segment->front->classes != 0) {
        ss_small_touch(segment, word, low, stretch, last);
    }
}

void ss_pages_give(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    uint32_t place = ss_pages_segment_at(pages, first_pfn), length = (uint32_t)count;
    if (count - 1 >= SS_SMALL || place == pages->segment_count) {
        ss_pages_give_parts(pages, first_pfn, count);
        return;
    }
    ss_segment_t *segment = &pages->segments[place];
    uint64_t offset = first_pfn - segment->base, block = ones(length);
    uint32_t at = (uint32_t)(offset >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1), bit = (uint32_t)(offset & 63);
    bool spill = bit + length > 64;
    if (offset + count > segment->end || (spill && at == SS_CHUNK_WORDS - 1)) {
        ss_pages_give_parts(pages, first_pfn, count);
        return;
    }
    assert(ss_segment_all(segment, offset, count, true));
    ss_chunk_t *chunk =
        segment->mids[offset >> SS_MID_SHIFT].mid->chunks[offset >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
    pages->free += count;
    chunk->free += length;
    if (spill) {
        uint64_t next = chunk->busy[at + 1] &= ~(block >> (64 - bit));
        chunk->open[(at + 1) / 64] |= (uint64_t)(next == 0) << (at + 1) % 64;
    }
    /* The stretch around the block: bit `from` of its word, and on up into the next. */
    uint64_t above = busy_above(chunk, at), busy = chunk->busy[at] &= ~(block << bit);
    uint32_t from = 64 - ss_high_zeros(busy & ~(~UINT64_C(0) << bit));
    uint32_t stretch = bit - from + ss_low_zeros(busy >> bit | above << 1 << (63 - bit));
    uint8_t bound = (uint8_t)(stretch < SS_SMALL ? stretch : SS_SMALL);
    chunk->open[at / 64] |= (uint64_t)(busy == 0) << at % 64;
    chunk->longest |= UINT32_C(0) - (bound >> 6); /* 64 or more: as far as is known there is no limit any more */
    chunk->bound[at] = chunk->bound[at] < bound ? bound : chunk->bound[at];
    raise_above(chunk, at / 32, bound);
    if (from == 0 || spill || segment->front->classes != 0) {
        finish_give(segment, chunk, offset - bit + from, stretch, offset + count - 1);
    }
}
