/* machine/pages_small_i.h: bounds, for the two files that search and repair them. */
#ifndef SS_PAGES_SMALL_I_H
#define SS_PAGES_SMALL_I_H

#include "machine/pages_i.h"

/* Highest chunk below *chunk whose bound is >= length. */
bool ss_previous_chunk(const ss_segment_t *segment, uint64_t *chunk, uint32_t length);
/* A stretch of `length` free pages starts in the word: raises bounds. */
void ss_small_raise(ss_segment_t *segment, uint64_t word, uint64_t length);
/* Memos: something in words [from, to] was freed. */
void ss_small_touch(ss_segment_t *segment, uint64_t from, uint64_t to);

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

/* Does a memo of class c with this length hold for the request? */
static inline bool holds(uint32_t valid, const uint8_t *least, const ss_fit_t *fit) {
    return (valid >> fit->class_index & 1) != 0 && fit->length >= least[fit->class_index];
}

/* Longest stretch that starts in the low word, counted up to 64. */
SS_INLINE uint32_t longest_from(uint64_t low, uint64_t high) {
    uint32_t tail = ss_high_zeros(~low), across = tail > 0 ? tail + ss_low_zeros(~high) : 0, length = 0;
    for (; low != 0; low &= low >> 1) {
        length++;
    }
    length = length > across ? length : across;
    return length < SS_SMALL ? length : SS_SMALL;
}

/* Highest word of a group with a bound >= length, or -1; then the group's bound is lowered. */
SS_INLINE int32_t highest_in_group(ss_chunk_t *chunk, uint32_t group, uint32_t length) {
    uint32_t hits = ss_bytes_at_least(&chunk->bound[group * 32], length);
    if (hits == 0) {
        chunk->group_bound[group] = ss_bytes_max(&chunk->bound[group * 32]);
        return -1;
    }
    return (int32_t)(group * 32 + ss_highest_bit(hits));
}

/* The same for the groups below group `from`; when none is left the caller may lower the chunk's bound. */
SS_INLINE int32_t highest_below_group(ss_chunk_t *chunk, uint32_t from, uint32_t length) {
    uint32_t groups = ss_bytes_at_least(chunk->group_bound, length) & (uint32_t)ss_low_mask(from);
    int32_t found = -1;
    for (; groups != 0 && found < 0; groups &= ~(UINT32_C(1) << ss_highest_bit(groups))) {
        found = highest_in_group(chunk, ss_highest_bit(groups), length);
    }
    return found;
}

/* Highest word <= from of a chunk with a bound >= length, or -1. */
static inline int32_t previous_in_chunk(ss_chunk_t *chunk, uint32_t from, uint32_t length) {
    uint32_t group = from / 32;
    if (chunk->group_bound[group] >= length) {
        uint32_t hits = ss_bytes_at_least(&chunk->bound[group * 32], length) & UINT32_MAX >> (31 - from % 32);
        if (hits != 0) {
            return (int32_t)(group * 32 + ss_highest_bit(hits));
        }
    }
    return highest_below_group(chunk, group, length);
}

SS_INLINE void raise_above(ss_mid_ref_t *ref, uint32_t chunk, uint32_t group, uint8_t length) {
    ss_mid_t *mid = ref->mid;
    uint8_t *group_bound = &mid->chunks[chunk].chunk->group_bound[group];
    if (*group_bound >= length) {
        return;
    }
    *group_bound = length;
    if (mid->bound[chunk] < length) {
        mid->bound[chunk] = length;
        if (mid->block_bound[chunk / 32] < length) {
            mid->block_bound[chunk / 32] = length;
            ref->bound = ref->bound < length ? length : ref->bound;
        }
    }
}

#endif
