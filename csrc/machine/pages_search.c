/* machine/pages_search.c: free runs of at least a given length, from below and from above.
 *
 * Both walks carry a stretch of free pages that ends where they stand:
 *
 *     edge          at
 *     |..free..|    |    going down: everything above `at` is passed, [at, edge) is free
 *
 * What is not touched is free, so the stretch grows over it. A chunk whose bounds rule the run out costs a look at its two
 * ends: the near one may complete the stretch, the far one begins the next. In other chunks
 *   up to 126 pages   groups are passed over by their bounds in the same way, the others word by word;
 *   more              such a run holds open words, so the walk goes from one run of enough of them to the next; shift and
 *                     AND on pairs of 64 words find it, going down and from 15 words on, of 512 words. A chunk walked
 *                     through in vain is remembered by the length that was asked for. */
#include "machine/pages_small_i.h"

#define SHORT 126u /* the longest run that may hold no open word */

typedef enum step { ON, FOUND } step_t;

typedef struct walk {
    const ss_segment_t *segment;
    uint64_t low, high, length;
    uint32_t open;  /* open words that a run of that length holds at least, counted up to 64 */
    uint64_t at;   /* everything passed so far lies on the other side */
    uint64_t edge; /* the stretch lies between at and edge */
} walk_t;

/* May a run of so many pages lie inside the chunk? */
static inline bool may_hold(const ss_chunk_t *chunk, uint64_t length) {
    return length <= SS_SMALL ? ss_bytes_at_least(chunk->group_bound, (uint32_t)length) != 0
                              : chunk->longest >= length && chunk->free >= length;
}

/* Free pages at the ends of a chunk, of which one page at least is busy. */
static uint32_t chunk_tail(const ss_chunk_t *chunk) {
    uint32_t word = SS_CHUNK_WORDS;
    while (chunk->busy[word - 1] == 0) {
        word--;
    }
    return 64 * (SS_CHUNK_WORDS - word) + ss_high_zeros(chunk->busy[word - 1]);
}

static uint32_t chunk_head(const ss_chunk_t *chunk) {
    uint32_t word = 0;
    while (chunk->busy[word] == 0) {
        word++;
    }
    return 64 * word + ss_low_zeros(chunk->busy[word]);
}

static uint32_t open_words(uint64_t length) {
    return length <= SHORT ? 0 : (uint32_t)ss_min_u64((length - SHORT + 63) / 64, 64);
}

/* --- down ----------------------------------------------------------------------------------------------------------- */

/* Over a part [bottom, at) that holds no run long enough, with so many free pages at its ends. */
static inline step_t pass_down(walk_t *walk, uint64_t bottom, uint32_t tail, uint32_t head) {
    if (walk->edge - walk->at + tail >= walk->length) {
        walk->at -= tail;
        return FOUND;
    }
    walk->at = bottom;
    walk->edge = bottom + head;
    return ON;
}

/* Word by word below `at` to the low end of the group: over free pages, then over the busy ones below them, … */
static step_t words_down(walk_t *walk, const ss_chunk_t *chunk) {
    uint64_t stop = ss_max_u64((walk->at - 1) & ~(SS_GROUP_PAGES - 1), walk->low), at = walk->at, edge = walk->edge;
    step_t step = ON;
    while (at > stop && step != FOUND) {
        uint32_t bits = (uint32_t)((at - 1) & 63) + 1;
        uint64_t busy = chunk->busy[(at - 1) >> SS_WORD_SHIFT & (SS_CHUNK_WORDS - 1)] << (64 - bits);
        uint32_t free = (uint32_t)ss_min_u64(ss_high_zeros(busy), bits);
        at -= free;
        if (free == bits || at <= walk->low) {
            continue;
        }
        if (edge - at >= walk->length) {
            step = FOUND;
        } else {
            at -= ss_min_u64(ss_high_zeros(~(busy << free)), bits - free);
            edge = at;
        }
    }
    walk->at = at;
    walk->edge = edge;
    return step;
}

static step_t groups_down(walk_t *walk, const ss_chunk_t *chunk, uint64_t bottom) {
    uint64_t least = ss_min_u64(walk->length, SS_SMALL);
    step_t step = ON;
    while (walk->at > bottom && step != FOUND) {
        uint32_t group = (uint32_t)((walk->at - 1) >> SS_GROUP_SHIFT) & (SS_CHUNK_GROUPS - 1);
        bool whole = (walk->at & (SS_GROUP_PAGES - 1)) == 0 && walk->at - bottom >= SS_GROUP_PAGES;
        if (whole && chunk->group_bound[group] < least) { /* then less than a word is free at either end */
            const uint64_t *busy = &chunk->busy[group * SS_GROUP_WORDS];
            step = pass_down(walk, walk->at - SS_GROUP_PAGES, ss_high_zeros(busy[31]), ss_low_zeros(busy[0]));
        } else {
            step = words_down(walk, chunk);
        }
    }
    return step;
}

/* Down over free pages, at most to bottom; true when a busy one stopped it. */
static inline bool slide_down(const ss_chunk_t *chunk, uint64_t *at, uint64_t bottom) {
    while (*at > bottom) {
        uint32_t word = (uint32_t)((*at - 1) >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1), bits = (uint32_t)(*at - 1) % 64 + 1;
        if (bits == 64 && chunk->busy[word] == 0) { /* with it the open words below it, as far as one word shows them */
            *at -= 64 * ss_high_zeros(~(chunk->open[word / 64] << (63 - word % 64)));
            continue;
        }
        uint32_t free = (uint32_t)ss_min_u64(ss_high_zeros(chunk->busy[word] << (64 - bits)), bits);
        *at -= free;
        if (free < bits) {
            break;
        }
    }
    return *at > bottom;
}

/* Bit i: words i … i + count - 1 of the pair are open. Mostly none is left after a few steps. */
static inline uint64_t open_starts(uint64_t low, uint64_t high, uint32_t count) {
    for (uint32_t have = 1; have < count && low != 0;) {
        uint32_t step = count - have < have ? count - have : have;
        low &= low >> step | high << (64 - step);
        high &= high >> step;
        have += step;
    }
    return low;
}

/* The highest run of so many ones below bit `at` of several words: the bit above it; 0: there is none. at lies in one of them. */
static inline uint32_t ones_below(const uint64_t *words, uint32_t at, uint32_t count) {
    uint32_t i = at / 64;
    uint64_t here = words[i] & ss_low_mask(at % 64), above = 0, starts;
    while ((starts = open_starts(here, above, count)) == 0) {
        if (i == 0) {
            return 0;
        }
        above = here;
        here = words[--i];
    }
    return i * 64 + 63 - ss_high_zeros(starts) + count;
}

/* Open words below a word, one after the other. */
static inline uint32_t open_down_from(const ss_chunk_t *chunk, uint32_t word) {
    uint32_t at = word, bits, open = 0;
    do {
        bits = at > 0 ? (at - 1) % 64 + 1 : 0;
        open = bits > 0 ? ss_high_zeros(~(chunk->open[(at - 1) / 64] << (64 - bits))) : 0;
        open = open < bits ? open : bits;
        at -= open;
    } while (open == bits && bits > 0);
    return word - at;
}

/* The highest run of so many open words below a word of a chunk: the word above it; 0: there is none. A run of 15 and more covers eight of
 * the same wide bit, one of 23 two such, and so on. */
static inline uint32_t open_below(const ss_chunk_t *chunk, uint32_t word, uint32_t count) {
    if (count < 15) {
        return ones_below(chunk->open, word, count);
    }
    uint32_t wide;
    while ((wide = ones_below(chunk->wide, word / 8, (count - 7) / 8)) != 0) {
        uint32_t top = wide * 8; /* less than eight open words may follow */
        top += top < word ? ss_low_zeros(~(chunk->open[top / 64] >> top % 64)) : 0;
        top = top < word ? top : word;
        uint32_t low = top - open_down_from(chunk, top);
        if (top - low >= count) {
            return top;
        }
        word = low;
    }
    return 0;
}

/* From one run of enough open words to the next below it. */
static step_t open_down(walk_t *walk, const ss_chunk_t *chunk, uint64_t bottom) {
    uint64_t base = (walk->at - 1) & ~(SS_CHUNK_PAGES - 1);
    while (slide_down(chunk, &walk->at, bottom)) {
        if (walk->edge - walk->at >= walk->length) {
            return FOUND;
        }
        uint32_t word = (uint32_t)((walk->at - 1) >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1);
        word = open_below(chunk, word, walk->open);
        uint64_t end = base + word * UINT64_C(64);
        if (word == 0 || end <= bottom) { /* in a window that ends here, what is free below does not matter */
            walk->at = bottom;
            walk->edge = bottom + (bottom == base ? chunk_head(chunk) : 0);
            return ON;
        }
        walk->at = end;
        walk->edge = end + ss_low_zeros(chunk->busy[word]);
    }
    walk->at = bottom;
    return ON;
}

/* One step down: over the mid or chunk that ends at or above walk->at. */
static step_t down(walk_t *walk) {
    uint64_t page = walk->at - 1;
    const ss_mid_t *mid = walk->segment->mids[page >> SS_MID_SHIFT].mid;
    if (mid == NULL) {
        walk->at = ss_max_u64(walk->low, page & ~(SS_MID_PAGES - 1));
        return ON;
    }
    ss_chunk_t *chunk = *ss_chunk_slot(mid, page >> SS_CHUNK_SHIFT);
    uint64_t base = page & ~(SS_CHUNK_PAGES - 1), bottom = ss_max_u64(walk->low, base);
    if (chunk == NULL) {
        walk->at = bottom;
        return ON;
    }
    bool whole = walk->at == base + SS_CHUNK_PAGES && bottom == base;
    if (whole && chunk->free < SS_CHUNK_PAGES && !may_hold(chunk, walk->length)) {
        return pass_down(walk, bottom, chunk_tail(chunk), chunk_head(chunk));
    }
    if (walk->length <= SHORT) {
        return groups_down(walk, chunk, bottom);
    }
    step_t step = open_down(walk, chunk, bottom);
    if (whole && step != FOUND && ss_min_u64(walk->edge, base + SS_CHUNK_PAGES) - walk->at < walk->length) {
        chunk->longest = (uint32_t)ss_min_u64(walk->length - 1, chunk->longest);
    }
    return step;
}

bool ss_last_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                 uint64_t *end) {
    walk_t walk = {segment, low, high, length, open_words(length), high, high};
    bool found = false;
    while (!found && walk.at > low) {
        found = down(&walk) == FOUND;
    }
    walk.at = ss_max_u64(walk.at, low);
    if (walk.edge < walk.at || walk.edge - walk.at < length) {
        return false;
    }
    *start = walk.at;
    *end = walk.edge;
    return true;
}

/* --- up: the same in the mirror ------------------------------------------------------------------------------------- */

static inline step_t pass_up(walk_t *walk, uint64_t top, uint32_t head, uint32_t tail) {
    if (walk->at - walk->edge + head >= walk->length) {
        walk->at += head;
        return FOUND;
    }
    walk->at = top;
    walk->edge = top - tail;
    return ON;
}

static step_t words_up(walk_t *walk, const ss_chunk_t *chunk) {
    uint64_t stop = ss_min_u64((walk->at | (SS_GROUP_PAGES - 1)) + 1, walk->high), at = walk->at, edge = walk->edge;
    step_t step = ON;
    while (at < stop && step != FOUND) {
        uint32_t bit = (uint32_t)(at & 63), bits = 64 - bit;
        uint64_t busy = chunk->busy[at >> SS_WORD_SHIFT & (SS_CHUNK_WORDS - 1)] >> bit;
        uint32_t free = (uint32_t)ss_min_u64(ss_low_zeros(busy), bits);
        at += free;
        if (free >= bits || at >= walk->high) {
            continue;
        }
        if (at - edge >= walk->length) {
            step = FOUND;
        } else {
            at += ss_min_u64(ss_low_zeros(~(busy >> (free & 63))), bits - free);
            edge = at;
        }
    }
    walk->at = at;
    walk->edge = edge;
    return step;
}

static step_t groups_up(walk_t *walk, const ss_chunk_t *chunk, uint64_t top) {
    uint64_t least = ss_min_u64(walk->length, SS_SMALL);
    step_t step = ON;
    while (walk->at < top && step != FOUND) {
        uint32_t group = (uint32_t)(walk->at >> SS_GROUP_SHIFT) & (SS_CHUNK_GROUPS - 1);
        bool whole = (walk->at & (SS_GROUP_PAGES - 1)) == 0 && top - walk->at >= SS_GROUP_PAGES;
        if (whole && chunk->group_bound[group] < least) {
            const uint64_t *busy = &chunk->busy[group * SS_GROUP_WORDS];
            step = pass_up(walk, walk->at + SS_GROUP_PAGES, ss_low_zeros(busy[0]), ss_high_zeros(busy[31]));
        } else {
            step = words_up(walk, chunk);
        }
    }
    return step;
}

static inline bool slide_up(const ss_chunk_t *chunk, uint64_t *at, uint64_t top) {
    while (*at < top) {
        uint32_t word = (uint32_t)(*at >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1), bit = (uint32_t)*at % 64;
        if (bit == 0 && chunk->busy[word] == 0) {
            *at += 64 * ss_low_zeros(~(chunk->open[word / 64] >> word % 64));
            continue;
        }
        uint32_t free = (uint32_t)ss_min_u64(ss_low_zeros(chunk->busy[word] >> bit), 64 - bit);
        *at += free;
        if (free < 64 - bit) {
            break;
        }
    }
    return *at < top;
}

/* The lowest run of so many open words above a word: its first; SS_CHUNK_WORDS: there is none. */
static inline uint32_t open_above(const ss_chunk_t *chunk, uint32_t word, uint32_t count) {
    uint64_t here = chunk->open[word / 64] & ~ss_low_mask(word % 64 + 1);
    for (uint32_t i = word / 64; i < SS_CHUNK_WORDS / 64; i++) {
        uint64_t above = i + 1 < SS_CHUNK_WORDS / 64 ? chunk->open[i + 1] : 0, starts = open_starts(here, above, count);
        if (starts != 0) {
            return i * 64 + ss_low_zeros(starts);
        }
        here = above;
    }
    return SS_CHUNK_WORDS;
}

static step_t open_up(walk_t *walk, const ss_chunk_t *chunk, uint64_t top) {
    uint64_t base = walk->at & ~(SS_CHUNK_PAGES - 1);
    while (slide_up(chunk, &walk->at, top)) {
        if (walk->at - walk->edge >= walk->length) {
            return FOUND;
        }
        uint32_t word = (uint32_t)(walk->at >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1);
        word = open_above(chunk, word, walk->open);
        uint64_t start = base + word * UINT64_C(64);
        if (word == SS_CHUNK_WORDS || start >= top) {
            walk->at = top;
            walk->edge = top - (top == base + SS_CHUNK_PAGES ? chunk_tail(chunk) : 0);
            return ON;
        }
        walk->at = start;
        walk->edge = start - ss_high_zeros(chunk->busy[word - 1]);
    }
    walk->at = top;
    return ON;
}

static step_t up(walk_t *walk) {
    uint64_t page = walk->at;
    const ss_mid_t *mid = walk->segment->mids[page >> SS_MID_SHIFT].mid;
    if (mid == NULL) {
        walk->at = ss_min_u64(walk->high, (page | (SS_MID_PAGES - 1)) + 1);
        return ON;
    }
    ss_chunk_t *chunk = *ss_chunk_slot(mid, page >> SS_CHUNK_SHIFT);
    uint64_t base = page & ~(SS_CHUNK_PAGES - 1), top = ss_min_u64(walk->high, base + SS_CHUNK_PAGES);
    if (chunk == NULL) {
        walk->at = top;
        return ON;
    }
    bool whole = walk->at == base && top == base + SS_CHUNK_PAGES;
    if (whole && chunk->free < SS_CHUNK_PAGES && !may_hold(chunk, walk->length)) {
        return pass_up(walk, top, chunk_head(chunk), chunk_tail(chunk));
    }
    if (walk->length <= SHORT) {
        return groups_up(walk, chunk, top);
    }
    step_t step = open_up(walk, chunk, top);
    if (whole && step != FOUND && walk->at - ss_max_u64(walk->edge, base) < walk->length) {
        chunk->longest = (uint32_t)ss_min_u64(walk->length - 1, chunk->longest);
    }
    return step;
}

bool ss_first_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                  uint64_t *end) {
    walk_t walk = {segment, low, high, length, open_words(length), low, low};
    bool found = false;
    while (!found && walk.at < high) {
        found = up(&walk) == FOUND;
    }
    walk.at = ss_min_u64(walk.at, high);
    if (walk.at < walk.edge || walk.at - walk.edge < length) {
        return false;
    }
    *start = walk.edge;
    *end = walk.at;
    return true;
}
