/* machine/pages_small_i.h: bounds, for the two files that search and repair them. */
#ifndef SS_PAGES_SMALL_I_H
#define SS_PAGES_SMALL_I_H

#include "machine/pages_i.h"

#define SS_LOW_CLASSES ((UINT32_C(1) << SS_ALIGNMENTS) - 1) /* the alignments */

/* Busy bits of any word of the segment: for the rare case that it is not in the chunk at hand. */
uint64_t ss_busy_word(const ss_segment_t *segment, uint64_t word);
/* Highest chunk below *chunk, which is the first of a block, whose bound is >= length. */
bool ss_previous_chunk(const ss_segment_t *segment, uint64_t *chunk, uint32_t length);
/* Raises the bound of a mid, which is lower. */
void ss_small_raise_mid(ss_front_t *front, const ss_mid_t *mid, uint8_t length);
/* A stretch of `length` free pages starts in the word: raises bounds. */
void ss_small_raise(ss_segment_t *segment, uint64_t word, uint64_t length);
/* The memos of words [from, to], of one group of a chunk; of words [from, until), wherever they are. */
void ss_small_touch_memos(ss_chunk_t *chunk, uint32_t from, uint32_t to, uint32_t classes);
void ss_small_touch_all(const ss_segment_t *segment, uint64_t from, uint64_t until, uint32_t classes);
/* Fronts and memos, wherever they are: see ss_touch_front. */
void ss_small_touch(const ss_segment_t *segment, uint64_t low, uint64_t last);

static inline ss_block_t *ss_highest_block(const ss_mid_t *mid) {
    return &mid->blocks[(mid->count - 1) / SS_BLOCK_CHUNKS];
}

/* The bound of a chunk in a mid that is there. */
static inline uint8_t *ss_chunk_bound(const ss_segment_t *segment, uint64_t chunk) {
    const ss_mid_t *mid = segment->mids[chunk / SS_MID_CHUNKS].mid;
    return &mid->blocks[chunk % SS_MID_CHUNKS / SS_BLOCK_CHUNKS].bound[chunk % SS_BLOCK_CHUNKS];
}

/* Free pages of a word as ones; pages outside the segment are not free. */
static inline uint64_t free_word(const ss_segment_t *segment, uint64_t word) {
    uint64_t start = word << SS_WORD_SHIFT, free = ~UINT64_C(0);
    if (start >= segment->end) {
        return 0;
    }
    const ss_chunk_t *chunk = ss_chunk_at(segment, word / SS_CHUNK_WORDS);
    if (chunk != NULL) {
        return ~chunk->busy[word % SS_CHUNK_WORDS];
    }
    if (start < segment->head) {
        free &= ~ss_low_mask((uint32_t)ss_min_u64(64, segment->head - start));
    }
    if (segment->end - start < 64) {
        free &= ss_low_mask((uint32_t)(segment->end - start));
    }
    return free;
}

/* Bit i: pages i … i + length - 1 of the pair are free. length 1 … 64. */
static inline uint64_t starts_in(uint64_t low, uint64_t high, uint32_t length) {
    uint32_t have = 1;
    while (have < length) {
        uint32_t step = length - have < have ? length - have : have;
        /* cppcheck-suppress shiftTooManyBits ; 1 <= step <= 32 */
        low &= low >> step | high << (64 - step);
        high &= high >> step;
        have += step;
    }
    return low;
}

/* Legal starts in a word of the segment, whatever is free. */
static inline uint64_t legal_in(const ss_segment_t *segment, const ss_fit_t *fit, uint64_t word) {
    uint64_t number = (segment->base >> SS_WORD_SHIFT) + word;
    if ((number & fit->align_words) != 0) {
        return 0;
    }
    return ((number + 1) & fit->window_words) != 0 ? fit->pattern : fit->last_pattern;
}

/* Which of a memo's touched words count for a class. */
static inline uint32_t touched_row(uint32_t class_index) {
    return class_index < SS_ALIGNMENTS ? class_index : SS_ALIGNMENTS;
}

/* Which of a front's touched positions does. */
static inline uint32_t touched_column(uint32_t class_index) {
    return class_index < SS_ALIGNMENTS ? class_index + 1 : 0;
}

/* Does what fails for the request fail for its class? */
static inline bool ss_proves(const ss_fit_t *fit) {
    return fit->class_index != SS_CLASS_NONE;
}

/* Does a memo of class c with this length hold for the request? */
static inline bool holds(uint32_t valid, const uint8_t *least, const ss_fit_t *fit) {
    return (valid >> fit->class_index & 1) != 0 && fit->length >= least[fit->class_index];
}

/* The last kind of lengths that begins at or below this length. */
static inline uint8_t ss_kind_of(uint32_t length) {
    static const uint8_t kinds[SS_SMALL + 1] = {0, 0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6,
                                                6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                                                7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
    return kinds[length];
}

/* All ones, then none: read from n on, as many of the former as are left. */
static const uint32_t ss_ones_first[2 * SS_COLUMNS] = {
    UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
    UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
};

/* A free stretch from `low` on has grown, at its end or after its first 63 pages or less, by pages up to `last` (offsets). That makes a place
 * for an alignment legal only if a multiple of it lies between low and last, so the alignments that have to know are those up to the
 * highest bit in which low - 1 and last differ. Tells the front, and says which of them are in use. */
SS_INLINE uint32_t ss_touch_front(ss_front_t *front, uint64_t low, uint64_t last) {
    uint32_t position = (uint32_t)(last >> SS_WORD_SHIFT) + 1, power = 63 - ss_high_zeros((low - 1) ^ last);
    power = power < SS_ALIGNMENTS ? power : SS_ALIGNMENTS;
    const uint32_t *concerned = &ss_ones_first[SS_COLUMNS - 1 - power]; /* all boundaries, and so many alignments */
    for (uint32_t i = 0; i < SS_COLUMNS; i++) {
        uint32_t most = concerned[i] & position;
        front->touched[i] = front->touched[i] > most ? front->touched[i] : most;
    }
    return front->classes & ((UINT32_C(1) << power) - 1);
}

/* Are there starts that go on for another `more` pages, and where? `going` has the starts of stretches of `more`. */
SS_INLINE void extend(uint64_t *starts, uint32_t *length, uint64_t going, uint32_t more) {
    uint64_t longer = *starts & going >> *length, found = ss_ones_if(longer != 0);
    *starts = longer | (*starts & ~found);
    *length += more & (uint32_t)found;
}

/* Longest stretch inside a word that is not all free. Doubling finds the stretches of 2, 4, …; what is left of the
 * length is put together from the longest down. */
SS_INLINE uint32_t longest_inside(uint64_t free) {
    uint64_t two = free & free >> 1, four = two & two >> 2, eight = four & four >> 4, sixteen = eight & eight >> 8;
    uint64_t starts = ~UINT64_C(0);
    uint32_t length = 0;
    if (sixteen != 0) {
        extend(&starts, &length, sixteen & sixteen >> 16, 32);
        extend(&starts, &length, sixteen, 16);
    }
    extend(&starts, &length, eight, 8);
    extend(&starts, &length, four, 4);
    extend(&starts, &length, two, 2);
    return length + ((starts & free >> length) != 0);
}

/* Longest stretch that starts in the low word, counted up to 64. */
SS_INLINE uint32_t longest_from(uint64_t low, uint64_t high) {
    uint32_t tail = ss_high_zeros(~low), across = (tail + ss_low_zeros(~high)) & (uint32_t)ss_ones_if(tail > 0);
    uint32_t length = longest_inside(low);
    length = length > across ? length : across;
    return length < SS_SMALL ? length : SS_SMALL;
}

/* The starts of a word that lie in [low, high] (offsets). */
static inline uint64_t clip(uint64_t starts, uint64_t word, uint64_t low, uint64_t high) {
    uint64_t first = word << SS_WORD_SHIFT;
    if (first < low) {
        starts &= ~ss_low_mask((uint32_t)(low - first));
    }
    if (high - first < 63) {
        starts &= ss_low_mask((uint32_t)(high - first) + 1);
    }
    return starts;
}

/* Where the highest legal start may be, as a position. The request must be of a class, or it is anywhere. */
static inline uint64_t ss_front_limit(const ss_front_t *front, const ss_fit_t *fit) {
    uint32_t limit = front->limit[fit->class_index][fit->kind], touched = front->touched[touched_column(fit->class_index)];
    return limit > touched ? limit : touched;
}

/* Highest word of the groups below group `from` with a bound >= length, among those the request may start in, or -1.
 * Then, if it may start in all, the groups' bounds are exact, and the caller may lower the chunk's. */
static inline int32_t highest_below_group(ss_chunk_t *chunk, uint32_t from, const ss_fit_t *fit) {
    uint32_t groups = ss_bytes_at_least(chunk->group_bound, fit->length) & (uint32_t)ss_low_mask(from);
    for (; groups != 0; groups &= ~(UINT32_C(1) << ss_highest_bit(groups))) {
        uint32_t group = ss_highest_bit(groups), hits = ss_bytes_at_least(&chunk->bound[group * 32], fit->length);
        if (hits == 0) {
            chunk->group_bound[group] = ss_bytes_max(&chunk->bound[group * 32]);
        }
        if ((hits & fit->lanes) != 0) {
            return (int32_t)(group * 32 + ss_highest_bit(hits & fit->lanes));
        }
    }
    return -1;
}

/* Highest such word <= from of a chunk, or -1. */
static inline int32_t previous_in_chunk(ss_chunk_t *chunk, uint32_t from, const ss_fit_t *fit) {
    uint32_t group = from / 32;
    if (chunk->group_bound[group] >= fit->length) {
        uint32_t hits = ss_bytes_at_least(&chunk->bound[group * 32], fit->length);
        hits &= fit->lanes & UINT32_MAX >> (31 - from % 32);
        if (hits != 0) {
            return (int32_t)(group * 32 + ss_highest_bit(hits));
        }
    }
    return highest_below_group(chunk, group, fit);
}

/* Moves *word down to the highest word >= first, not above it, that may hold a start. */
static inline bool previous_word(const ss_segment_t *segment, uint64_t *word, const ss_fit_t *fit, uint64_t first) {
    while (*word >= first) {
        uint64_t index = *word / SS_CHUNK_WORDS, start = index & ~(uint64_t)(SS_BLOCK_CHUNKS - 1);
        const ss_mid_t *mid = segment->mids[index / SS_MID_CHUNKS].mid;
        if (mid == NULL) {
            return true;
        }
        ss_block_t *block = &mid->blocks[index % SS_MID_CHUNKS / SS_BLOCK_CHUNKS];
        ss_chunk_t *chunk = block->chunks[index % SS_BLOCK_CHUNKS];
        if (chunk == NULL) {
            return true;
        }
        uint32_t chunks = ss_bytes_at_least(block->bound, fit->length), here = (uint32_t)(index - start);
        if ((chunks >> here & 1) != 0) {
            int32_t at = previous_in_chunk(chunk, (uint32_t)(*word % SS_CHUNK_WORDS), fit);
            if (at >= 0) {
                *word = index * SS_CHUNK_WORDS + (uint32_t)at;
                return *word >= first;
            }
            if (ss_bytes_at_least(chunk->group_bound, fit->length) == 0) {
                ss_bytes_set(block->bound, here, ss_bytes_max(chunk->group_bound));
            }
        }
        chunks &= (uint32_t)ss_low_mask(here);
        index = chunks != 0 ? start + ss_highest_bit(chunks) : start;
        if (chunks == 0 && (first / SS_CHUNK_WORDS >= start || !ss_previous_chunk(segment, &index, fit->length))) {
            return false;
        }
        *word = index * SS_CHUNK_WORDS + SS_CHUNK_WORDS - 1;
    }
    return false;
}

SS_INLINE void raise_above(ss_chunk_t *chunk, uint32_t group, uint8_t length) {
    ss_block_t *block = chunk->block;
    ss_bytes_raise(chunk->group_bound, group, length);
    ss_bytes_raise(block->bound, 31u - chunk->chunks_above, length);
    ss_bytes_raise(block->mid->bound, block->place, length);
    if (block->mid->ref->bound < length) {
        ss_small_raise_mid(chunk->front, block->mid, length);
    }
}

#endif
