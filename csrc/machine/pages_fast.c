/* machine/pages_fast.c: the short way for TOP_DOWN requests of up to 64 pages, and for giving them back.
 *
 * The same answers as ss_pages_place and ss_segment_give, reached without their generality: a request without
 * constraints that ends inside one chunk is found, taken and recorded in one go. Whatever is unusual (edges of chunks,
 * parts of the map never touched, windows that cut the word in question) goes the long way. Complexity: as in
 * pages_small.c. */
#include "machine/pages_small_i.h"

#include <assert.h>

/* The lowest `count` bits, 1 … 64. */
SS_INLINE uint64_t ones(uint32_t count) {
    return ~UINT64_C(0) >> (64 - count);
}

/* Bit i: bits i … i + length - 1 are set. No branch below 17: lengths are hard to predict. */
SS_INLINE uint64_t starts_in_word(uint64_t free, uint32_t length) {
    uint32_t left = length - 1, step = left < 1 ? left : 1;
    free &= free >> step;
    left -= step;
    step = left < 2 ? left : 2;
    free &= free >> step;
    left -= step;
    step = left < 4 ? left : 4;
    free &= free >> step;
    left -= step;
    step = left < 8 ? left : 8;
    free &= free >> step;
    left -= step;
    if (left > 0) {
        step = left < 16 ? left : 16;
        free &= free >> step;
        left -= step;
        free &= free >> left; /* 0 … 32 */
    }
    return free;
}

/* The groups of words `at` and `at + spill` of a chunk have changed: their summaries and those above are stale. */
SS_INLINE void changed(ss_mid_ref_t *mid, ss_chunk_ref_t *ref, uint32_t at, uint32_t spill) {
    ss_chunk_t *chunk = ref->chunk;
    uint32_t groups = UINT32_C(1) << at / 32 | UINT32_C(1) << (at + spill) / 32;
    if ((groups & ~chunk->stale) != 0) {
        chunk->stale |= groups;
        ref->stale = true;
        mid->stale = true;
    }
}

/* Busy bits of the word above word `at` of a chunk, which may lie in the next chunk. */
SS_INLINE uint64_t busy_above(const ss_segment_t *segment, const ss_chunk_t *chunk, uint64_t word, uint32_t at) {
    return at + 1 < SS_CHUNK_WORDS ? chunk->busy[at + 1] : ~free_word(segment, word + 1);
}

/* Takes `length` pages from bit `bit` of word `at`. A block that goes on in the next word must not start in the last.
 */
SS_INLINE void take_at(ss_mid_ref_t *mid, ss_chunk_ref_t *ref, uint32_t at, uint32_t bit, uint32_t length,
                       uint64_t above) {
    ss_chunk_t *chunk = ref->chunk;
    uint64_t block = ones(length), free = ~(chunk->busy[at] |= block << bit);
    bool spill = bit + length > 64;
    if (spill) {
        above = chunk->busy[at + 1] |= block >> (64 - bit);
    }
    chunk->bound[at] = (uint8_t)longest_from(free, ~above);
    chunk->free -= length;
    changed(mid, ref, at, spill);
}

/* Highest start in a word, in *bit; false when it holds no stretch so long. */
SS_INLINE bool highest_in_word(uint64_t free, uint64_t busy_above_it, uint32_t length, uint32_t *bit) {
    uint64_t starts;
    uint32_t tail = ss_high_zeros(~free);
    if (tail > 0) { /* the highest stretch goes on in the next word */
        uint32_t above = ss_low_zeros(busy_above_it);
        if (tail + above >= length) {
            *bit = above >= length ? 63 : 64 + above - length;
            return true;
        }
    }
    starts = starts_in_word(free, length);
    *bit = 63 - ss_high_zeros(starts);
    return starts != 0;
}

typedef enum attempt { NOT_HERE, TAKEN, LONG_WAY } attempt_t;

/* Where a search stands. */
typedef struct spot {
    ss_mid_ref_t *mid;
    ss_chunk_ref_t *ref; /* NULL: the mid was never touched */
    uint64_t word;       /* of the segment */
    uint32_t at;         /* of the chunk */
} spot_t;

/* The highest chunk of a mid with a bound >= length; false when there is none, then the mid's bound is lowered. */
SS_INLINE bool highest_chunk(ss_mid_ref_t *ref, uint32_t length, uint32_t *chunk) {
    ss_mid_t *mid = ref->mid;
    uint32_t blocks = ss_bytes_at_least(mid->block_bound, length);
    while (blocks != 0) {
        uint32_t block = ss_highest_bit(blocks), hits = ss_bytes_at_least(&mid->bound[block * 32], length);
        if (hits != 0) {
            *chunk = block * 32 + ss_highest_bit(hits);
            return true;
        }
        mid->block_bound[block] = ss_bytes_max(&mid->bound[block * 32]);
        blocks &= ~(UINT32_C(1) << block);
    }
    ref->bound = ss_bytes_max(mid->block_bound);
    return false;
}

/* The highest word of the segment with a bound >= length, from the top down the levels. Found with ref or its chunk
 * NULL: somewhere in a part never touched. */
SS_INLINE bool highest_word(const ss_segment_t *segment, uint32_t length, spot_t *spot) {
    for (uint32_t i = segment->mid_count; i-- > 0;) {
        ss_mid_ref_t *mid = &segment->mids[i];
        uint32_t chunk;
        spot->mid = mid;
        spot->ref = NULL;
        while (mid->bound >= length) {
            if (mid->mid == NULL) {
                return true;
            }
            if (!highest_chunk(mid, length, &chunk)) {
                break;
            }
            spot->ref = &mid->mid->chunks[chunk];
            ss_chunk_t *found = spot->ref->chunk;
            if (found == NULL) {
                return true;
            }
            int32_t at = highest_below_group(found, SS_CHUNK_GROUPS, length);
            if (at >= 0) {
                spot->at = (uint32_t)at;
                spot->word = ((uint64_t)i * SS_MID_CHUNKS + chunk) * SS_CHUNK_WORDS + spot->at;
                return true;
            }
            mid->mid->bound[chunk] = ss_bytes_max(found->group_bound);
        }
    }
    return false;
}

/* Takes the highest stretch with a start in [low, high] (offsets), if that is easy. */
SS_INLINE attempt_t take_plain(ss_segment_t *segment, uint32_t length, uint64_t low, uint64_t high, uint64_t *start) {
    spot_t spot = {NULL, NULL, 0, 0};
    if (high + length != segment->end) {
        return LONG_WAY;
    }
    while (highest_word(segment, length, &spot)) {
        if (spot.ref == NULL || spot.ref->chunk == NULL) {
            return LONG_WAY;
        }
        ss_chunk_t *chunk = spot.ref->chunk;
        uint64_t above = busy_above(segment, chunk, spot.word, spot.at);
        uint32_t bit;
        if (!highest_in_word(~chunk->busy[spot.at], above, length, &bit)) {
            chunk->bound[spot.at] = (uint8_t)longest_from(~chunk->busy[spot.at], ~above);
            continue;
        }
        *start = (spot.word << SS_WORD_SHIFT) + bit;
        if (*start < low) {
            return NOT_HERE;
        }
        if (spot.at == SS_CHUNK_WORDS - 1 && bit + length > 64) {
            return LONG_WAY;
        }
        take_at(spot.mid, spot.ref, spot.at, bit, length, above);
        return TAKEN;
    }
    return NOT_HERE;
}

/* The same for a constrained request whose class has a front: the word it names is mostly the right one. */
SS_INLINE attempt_t take_at_front(ss_segment_t *segment, const ss_fit_t *fit, uint64_t low, uint64_t high,
                                  uint64_t *start) {
    const ss_front_t *front = segment->front;
    if (front == NULL || fit->class_index == SS_CLASS_NONE || !holds(front->valid, front->least, fit)) {
        return LONG_WAY;
    }
    uint32_t seen = front->by_class[fit->class_index], position = seen > front->touched ? seen : front->touched;
    if (position <= low >> SS_WORD_SHIFT) {
        return NOT_HERE;
    }
    uint64_t word = position - 1, index = word / SS_CHUNK_WORDS;
    uint32_t at = (uint32_t)(word % SS_CHUNK_WORDS);
    ss_mid_ref_t *mid = &segment->mids[index / SS_MID_CHUNKS];
    if (word > high >> SS_WORD_SHIFT || mid->mid == NULL || at == SS_CHUNK_WORDS - 1) {
        return LONG_WAY;
    }
    ss_chunk_ref_t *ref = &mid->mid->chunks[index % SS_MID_CHUNKS];
    if (ref->chunk == NULL) {
        return LONG_WAY;
    }
    uint64_t above = ref->chunk->busy[at + 1], starts = starts_in(~ref->chunk->busy[at], ~above, fit->length);
    starts &= legal_in(segment, fit, word);
    if (starts == 0) {
        return LONG_WAY;
    }
    uint32_t bit = 63 - ss_high_zeros(starts);
    *start = (word << SS_WORD_SHIFT) + bit;
    if (*start - low > high - low) {
        return LONG_WAY;
    }
    take_at(mid, ref, at, bit, fit->length, above);
    return TAKEN;
}

/* The same with all generality. OK, NO_SPACE, NO_MEMORY. */
SS_ASIDE storsim_status_t take_long_way(ss_pages_t *pages, ss_segment_t *segment, const ss_page_request_t *request,
                                        const ss_fit_t *fit, uint64_t low, uint64_t high, uint64_t *start) {
    ss_fit_t plain;
    if (fit == NULL) {
        plain = ss_fit_of(request);
        fit = &plain;
    }
    if (!ss_small_highest(segment, fit, low, high, start)) {
        return STORSIM_NO_SPACE;
    }
    uint64_t word = *start >> SS_WORD_SHIFT;
    uint32_t at = (uint32_t)(word % SS_CHUNK_WORDS);
    ss_chunk_t *chunk = ss_chunk_at(segment, word / SS_CHUNK_WORDS);
    if (chunk != NULL && at < SS_CHUNK_WORDS - 1) {
        ss_mid_ref_t *mid = &segment->mids[word / (SS_CHUNK_WORDS * SS_MID_CHUNKS)];
        take_at(mid, &mid->mid->chunks[word / SS_CHUNK_WORDS % SS_MID_CHUNKS], at, (uint32_t)(*start & 63), fit->length,
                chunk->busy[at + 1]);
        return STORSIM_OK;
    }
    if (ss_segment_reserve(pages->host, segment, *start, fit->length) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    ss_segment_take(segment, *start, fit->length);
    return STORSIM_OK;
}

/* The highest place on one node. */
SS_INLINE storsim_status_t take_on_node(ss_pages_t *pages, uint32_t node, const ss_page_request_t *request,
                                        const ss_fit_t *fit, uint64_t *first_pfn) {
    const ss_site_t *lowest = &pages->sites[pages->node_first[node]],
                    *site = &pages->sites[pages->node_first[node + 1]];
    uint64_t count = request->pages, start;
    while (site != lowest) {
        ss_segment_t *segment = (--site)->segment;
        uint64_t base = segment->base, low = ss_max_u64(request->first_min, site->first);
        uint64_t high = ss_min_u64(request->first_max, site->last);
        if (segment->end < count) { /* base + end - count must not wrap */
            continue;
        }
        high = ss_min_u64(high, base + segment->end - count);
        if (low > high) {
            continue;
        }
        attempt_t attempt = fit == NULL ? take_plain(segment, (uint32_t)count, low - base, high - base, &start)
                                        : take_at_front(segment, fit, low - base, high - base, &start);
        if (attempt == NOT_HERE) {
            continue;
        }
        if (attempt == LONG_WAY) {
            storsim_status_t status = take_long_way(pages, segment, request, fit, low - base, high - base, &start);
            if (status == STORSIM_NO_SPACE) {
                continue;
            }
            if (status != STORSIM_OK) {
                return status;
            }
        }
        pages->free -= count;
        *first_pfn = base + start;
        return STORSIM_OK;
    }
    return STORSIM_NO_SPACE;
}

/* TOP_DOWN for up to 64 pages. */
SS_INLINE storsim_status_t take_small(ss_pages_t *pages, const ss_page_request_t *request, const ss_fit_t *fit,
                                      uint64_t *first_pfn) {
    uint32_t nodes = request->nodes != NULL ? request->node_count : pages->node_count;
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = request->nodes != NULL ? request->nodes[i] : i;
        if (node < pages->node_count) {
            storsim_status_t status = take_on_node(pages, node, request, fit, first_pfn);
            if (status != STORSIM_NO_SPACE) {
                return status;
            }
        }
    }
    return STORSIM_NO_SPACE;
}

SS_ASIDE storsim_status_t take_constrained(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    if (request->boundary_pages != 0 && request->pages > request->boundary_pages) {
        return STORSIM_NO_SPACE;
    }
    ss_fit_t fit = ss_fit_of(request);
    return take_small(pages, request, fit.constrained ? &fit : NULL, first_pfn);
}

storsim_status_t ss_pages_take(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    uint64_t count = request->pages, align = request->align_pages, boundary = request->boundary_pages;
    if (count - 1 < SS_SMALL && pages->placement == STORSIM_TOP_DOWN && align == 1 && boundary == 0) {
        return take_small(pages, request, NULL, first_pfn);
    }
    if (count == 0 || align == 0 || (align & (align - 1)) != 0 || (boundary & (boundary - 1)) != 0) {
        return STORSIM_INVALID; /* boundary 0 passes */
    }
    if (count <= SS_SMALL && pages->placement == STORSIM_TOP_DOWN) {
        return take_constrained(pages, request, first_pfn);
    }
    return ss_pages_take_any(pages, request, first_pfn);
}

/* A stretch of so many pages starts in word `at` of the chunk. */
SS_INLINE void raise_at(ss_mid_ref_t *mid, uint32_t index, ss_chunk_t *chunk, uint32_t at, uint32_t length) {
    uint8_t bound = (uint8_t)(length < SS_SMALL ? length : SS_SMALL);
    /* cppcheck-suppress knownConditionTrueFalse ; it follows one call with length 0 that cannot be */
    if (chunk->bound[at] < bound) {
        chunk->bound[at] = bound;
        raise_above(mid, index, at / 32, bound);
    }
}

void ss_pages_give(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    uint32_t place = ss_pages_segment_at(pages, first_pfn);
    if (count - 1 >= SS_SMALL || place == pages->segment_count) {
        goto parts;
    }
    ss_segment_t *segment = &pages->segments[place];
    uint64_t offset = first_pfn - segment->base, word = offset >> SS_WORD_SHIFT;
    uint32_t at = (uint32_t)(word & (SS_CHUNK_WORDS - 1)), bit = (uint32_t)(offset & 63), length = (uint32_t)count;
    uint32_t extra = bit + length > 64, to;
    if (at + extra >= SS_CHUNK_WORDS || offset + count > segment->end) {
        goto parts;
    }
    assert(ss_segment_all(segment, offset, count, true));
    ss_mid_ref_t *mid = &segment->mids[offset >> SS_MID_SHIFT];
    uint32_t index = (uint32_t)(offset >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1));
    ss_chunk_ref_t *ref = &mid->mid->chunks[index];
    ss_chunk_t *chunk = ref->chunk;
    /* The stretch around the block: bit `from` of its first word up to `to` pages above bit 0 of it. */
    uint64_t block = ones(length), busy = chunk->busy[at] &= ~(block << bit);
    uint32_t from = 64 - ss_high_zeros(busy & ~(~UINT64_C(0) << bit));
    if (extra == 0) {
        to = bit + ss_low_zeros(busy >> bit);
        to = to >= 64 ? 64 + ss_low_zeros(busy_above(segment, chunk, word, at)) : to;
    } else {
        to = ss_low_zeros(chunk->busy[at + 1] &= ~(block >> (64 - bit)));
        to += to == 64 ? ss_low_zeros(busy_above(segment, chunk, word + 1, at + 1)) : 0;
        raise_at(mid, index, chunk, at + 1, to);
        to += 64;
    }
    raise_at(mid, index, chunk, at, to - from);
    if (from == 0 && word > 0) {
        uint32_t below = ss_high_zeros(at > 0 ? chunk->busy[at - 1] : ~free_word(segment, word - 1));
        if (below > 0) {
            ss_small_raise(segment, word - 1, below + to);
        }
    }
    chunk->free += length;
    pages->free += count;
    changed(mid, ref, at, extra);
    word += extra;
    if (segment->front->memos) {
        ss_small_touch(segment, word - extra - (word > extra), word);
    }
    return;
parts:
    ss_pages_give_parts(pages, first_pfn, count);
}
