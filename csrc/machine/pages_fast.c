/* machine/pages_fast.c: the short way for TOP_DOWN requests of up to 64 pages, and for giving them back.
 *
 * The same answers as ss_pages_place and ss_segment_give, reached without their generality:
 *
 *     mid 9 64 … | block 9 64 9 0 … | chunk 9 3 64 … | group 9 0 3 2 … | word 3 0 9 1 …      bounds: 32 looked at, the highest
 *                          └───────────────^                    ^                   ^         that is long enough picked
 *     word      ...0011111111100000   its starts by shift and AND, the highest of them taken
 *
 * Take   goes down the bounds once: from the mid, or from the highest block while that has had everything so far, which makes the way of
 *        most a step shorter. The bounds of the word it took from, of its group, its chunk and its block become exact at once, so that the
 *        next search is hardly ever led astray (one in twenty is, by a stretch that ended in the word above); the block's only if searches
 *        begin at the mid. One that begins at the highest block and finds nothing there makes its bound exact, and all begin at the mid
 *        then, until one is led to that block by a stretch as long as any.
 * Give   finds the chunk by the page alone, joins the freed pages with what is free around them in the pair of words they lie in and
 *        raises the bounds to the stretch.
 *
 * Both are straight-line code: what is rare (parts of the map never touched, other kinds of requests, stretches from the word below, words
 * wholly free, memos to drop) is a call at the end that starts over or finishes the work. Lengths and places are random, so a branch on
 * them costs more than computing both sides. Bounds are read and written 32 at a time: a search follows each change, and what it loads has
 * to come out of the store as it is (bytes32.h). The largest of the other bounds is known before the new one, so that from the word's to
 * the chunk's is a comparison each.
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

/* A word's bound changes, and those of its group, its chunk and, if searches begin at the mid, its block become exact. What they are without
 * this one is known before it is. */
SS_INLINE void set_bound(ss_chunk_t *chunk, uint32_t group, uint32_t word, uint32_t longest) {
    uint8_t *bounds = &chunk->bound[group * SS_GROUP_WORDS];
    ss_block_t *block = chunk->block;
    uint32_t words = ss_bytes_most_but(bounds, word), groups = ss_bytes_most_but(chunk->group_bound, group);
    ss_bytes_set(bounds, word, (uint8_t)longest);
    longest = longest > words ? longest : words;
    ss_bytes_set(chunk->group_bound, group, (uint8_t)longest);
    longest = longest > groups ? longest : groups;
    if (chunk->front->start == NULL) {
        uint32_t chunks = ss_bytes_most_but(block->bound, 31u - chunk->chunks_above);
        ss_bytes_set(block->mid->bound, block->place, (uint8_t)(longest > chunks ? longest : chunks));
    }
    ss_bytes_set(block->bound, 31u - chunk->chunks_above, (uint8_t)longest);
}

/* The bound of word `at` becomes exact. */
SS_INLINE void settle(ss_chunk_t *chunk, uint32_t at, uint64_t busy, uint64_t above) {
    uint32_t longest = longest_from(~busy, ~above);
    if (longest != chunk->bound[at]) {
        set_bound(chunk, at / 32, at % 32, longest);
    }
}

/* What hardly ever matters to a change of word `at`: the open words, of which it and, with a spill, the one above it may be or become
 * one; and the first word of a chunk, of which another has a copy. */
SS_ASIDE storsim_status_t change_rarely(ss_chunk_t *chunk, uint32_t at, uint64_t spill) {
    for (uint32_t i = at; i <= at + (spill != 0); i++) {
        uint64_t open = (uint64_t)(chunk->busy[i] == 0) << i % 64;
        if (((chunk->open[i / 64] ^ open) >> i % 64 & 1) != 0) {
            chunk->open[i / 64] ^= UINT64_C(1) << i % 64;
            ss_chunk_widen(chunk, i / 64);
        }
    }
    if (at == 0) {
        const ss_segment_t *segment = chunk->front->segment;
        uint64_t index = (ss_chunk_base(chunk) - segment->base) >> SS_CHUNK_SHIFT;
        ss_chunk_t *below = index > 0 ? ss_chunk_at(segment, index - 1) : NULL;
        if (below != NULL && below != segment->full) {
            below->busy[SS_CHUNK_WORDS] = chunk->busy[0];
        }
    }
    return STORSIM_OK;
}

/* The highest stretch that starts in a word. */
typedef struct found {
    int32_t bit;     /* where a block starts, negative: there is none; */
    uint32_t across; /* how long what starts in the word and goes on in the next is once it is taken */
} found_t;

/* Either the stretch at the top of the word goes on in the next one for long enough, and the block ends where it does or starts in the last
 * bit; then nothing is left to go on from. Or the block lies inside the word, apart from that stretch. */
SS_INLINE found_t highest_in_word(uint64_t busy, uint64_t above, uint32_t length) {
    uint32_t tail = ss_high_zeros(busy), beyond = ss_low_zeros(above) & (uint32_t)ss_ones_if(tail > 0), across = tail + beyond;
    uint32_t inside = 63 - ss_high_zeros(starts_in_word(~busy, length));
    /* unreachable: false where the word above has a place, which is the higher one then */
    uint32_t most = beyond < length ? beyond : length - 1;
    uint32_t apart = (uint32_t)ss_ones_if(across < length);
    found_t found = {(int32_t)((inside & apart) | ((64 - length + most) & ~apart)), across & apart};
    return found;
}

/* Takes `length` pages from bit `bit` of a word. A block that goes on in the next word must not start in the last one of the chunk. */
SS_INLINE void take_at(ss_chunk_t *chunk, uint32_t at, uint32_t bit, uint32_t length) {
    uint64_t block = ones(length), spill = block >> 1 >> (63 - bit), here = chunk->busy[at], next = chunk->busy[at + 1];
    chunk->busy[at] = here | block << bit;
    chunk->busy[at + 1] = next | spill;
    chunk->free -= length;
    settle(chunk, at, here | block << bit, next | spill);
    if (here == 0 || at == 0 || (next == 0 && spill != 0)) {
        (void)change_rarely(chunk, at, spill);
    }
}

typedef enum attempt { NOT_HERE, TAKEN, LONG_WAY } attempt_t;

/* Where the highest stretch of a segment starts. */
typedef struct spot {
    ss_chunk_t *chunk; /* NULL: in a part never touched */
    uint32_t at, bit;
} spot_t;

/* The highest block that may hold a stretch, by the bounds of mids and blocks. False: none does. *top NULL: it is one never touched. */
static bool top_block(ss_front_t *front, uint32_t length, ss_block_t **top) {
    const ss_segment_t *segment = front->segment;
    ss_mid_ref_t *highest = &segment->mids[segment->mid_count - 1], *ref = highest + 1;
    *top = NULL;
    while (ref != segment->mids) {
        if ((--ref)->bound < length) {
            continue;
        }
        ss_mid_t *mid = ref->mid;
        if (mid == NULL) {
            return true;
        }
        uint32_t blocks = ss_bytes_at_least(mid->bound, length);
        if (blocks != 0) {
            uint32_t place = ss_highest_bit(blocks);
            front->top[length] = mid;
            *top = &mid->blocks[place];
            front->start = ref == highest && *top == ss_highest_block(mid) && mid->bound[place] == SS_SMALL ? *top : NULL;
            return true;
        }
        ref->bound = ss_bytes_max(mid->bound);
    }
    return false;
}

/* Goes down the bounds, repairs those that have promised too much and starts over. */
static bool highest_stretch(ss_front_t *front, uint32_t length, spot_t *spot) {
    for (;;) {
        ss_block_t *block = front->start;
        if (block == NULL && !top_block(front, length, &block)) {
            return false;
        }
        if (block == NULL) {
            spot->chunk = NULL;
            return true;
        }
        uint32_t chunks = ss_bytes_at_least(block->bound, length);
        if (chunks == 0) {
            ss_bytes_set(block->mid->bound, block->place, ss_bytes_max(block->bound));
            front->start = NULL;
            continue;
        }
        spot->chunk = block->chunks[ss_highest_bit(chunks)];
        if (spot->chunk == NULL) {
            return true;
        }
        ss_chunk_t *chunk = spot->chunk;
        uint32_t groups = ss_bytes_at_least(chunk->group_bound, length);
        if (groups == 0) {
            ss_bytes_set(block->bound, 31u - chunk->chunks_above, ss_bytes_max(chunk->group_bound));
            continue;
        }
        uint32_t group = ss_highest_bit(groups), words = ss_bytes_at_least(&chunk->bound[group * 32], length);
        if (words == 0) {
            ss_bytes_set(chunk->group_bound, group, ss_bytes_max(&chunk->bound[group * 32]));
            continue;
        }
        spot->at = group * 32 + ss_highest_bit(words);
        found_t found = highest_in_word(chunk->busy[spot->at], chunk->busy[spot->at + 1], length);
        if (found.bit >= 0) {
            spot->bit = (uint32_t)found.bit;
            return true;
        }
        settle(chunk, spot->at, chunk->busy[spot->at], chunk->busy[spot->at + 1]);
    }
}

/* Can a block at the spot be taken here? */
SS_INLINE bool easy(const spot_t *spot, uint32_t length) {
    return spot->chunk != NULL && (spot->at < SS_CHUNK_WORDS - 1 || spot->bit + length <= 64);
}

SS_INLINE uint64_t pfn_of(const spot_t *spot) {
    return ss_chunk_base(spot->chunk) + spot->at * UINT64_C(64) + spot->bit;
}

/* Takes the highest stretch of a segment with a start >= low (a pfn), if that is easy. */
SS_INLINE attempt_t take_plain(const ss_segment_t *segment, uint32_t length, uint64_t low, uint64_t *first_pfn) {
    spot_t spot;
    if (segment->front == NULL) {
        return LONG_WAY;
    }
    if (!highest_stretch(segment->front, length, &spot)) {
        return NOT_HERE;
    }
    if (!easy(&spot, length)) {
        return LONG_WAY;
    }
    if (pfn_of(&spot) < low) {
        return NOT_HERE;
    }
    *first_pfn = pfn_of(&spot);
    take_at(spot.chunk, spot.at, spot.bit, length);
    return TAKEN;
}

/* The chunk with a word of a segment that has a front; NULL: never touched. Most are found by the page alone. */
SS_INLINE ss_chunk_t *chunk_of_word(const ss_pages_t *pages, const ss_segment_t *segment, uint64_t word) {
    uint64_t number = (segment->base >> SS_CHUNK_SHIFT) + word / SS_CHUNK_WORDS;
    ss_chunk_t *chunk = pages->recent[number & (SS_RECENT - 1)];
    bool right = chunk != NULL && chunk->first >> SS_CHUNK_SHIFT == number && chunk->front == segment->front;
    return right ? chunk : ss_chunk_at(segment, word / SS_CHUNK_WORDS);
}

/* The word, if its bound leaves it over, or the next one below; its chunk in *chunk. False: there is none down to `first`. */
SS_INLINE bool promising_word(const ss_pages_t *pages, const ss_segment_t *segment, uint64_t *word, const ss_fit_t *fit, uint64_t first,
                              ss_chunk_t **chunk) {
    *chunk = chunk_of_word(pages, segment, *word);
    if (*chunk != NULL && (*chunk)->bound[*word % SS_CHUNK_WORDS] >= fit->length) {
        return true;
    }
    if (!previous_word(segment, word, fit, first)) {
        return false;
    }
    *chunk = ss_chunk_at(segment, *word / SS_CHUNK_WORDS);
    return true;
}

/* The same for any window and constraints, in the word that the front of the class names: where that is right, nothing else is looked at. */
SS_INLINE attempt_t take_fitting(const ss_pages_t *pages, const ss_segment_t *segment, const ss_fit_t *fit, uint64_t low, uint64_t high,
                                 uint64_t *first_pfn) {
    uint64_t base = segment->base, first = (low - base) >> SS_WORD_SHIFT, word = (high - base) >> SS_WORD_SHIFT;
    if (segment->front == NULL) {
        return LONG_WAY;
    }
    uint64_t position = ss_front_limit(segment->front, fit);
    if (position <= first) {
        return NOT_HERE;
    }
    word = ss_min_u64(word, position - 1);
    ss_chunk_t *chunk;
    if (!promising_word(pages, segment, &word, fit, first, &chunk)) {
        return NOT_HERE;
    }
    if (chunk == NULL) {
        return LONG_WAY;
    }
    uint32_t at = (uint32_t)(word % SS_CHUNK_WORDS);
    uint64_t busy = chunk->busy[at], above = chunk->busy[at + 1];
    uint64_t starts = starts_in(~busy, ~above, fit->length);
    uint64_t legal = clip(starts & legal_in(segment, fit, word), word, low - base, high - base);
    uint32_t bit = 63 - ss_high_zeros(legal);
    if (legal == 0 || (at == SS_CHUNK_WORDS - 1 && bit + fit->length > 64)) {
        return LONG_WAY;
    }
    *first_pfn = ss_chunk_base(chunk) + at * UINT64_C(64) + bit;
    take_at(chunk, at, bit, fit->length);
    return TAKEN;
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
    if (chunk != NULL && at < SS_CHUNK_WORDS - 1) {
        take_at(chunk, at, (uint32_t)(start & 63), fit->length);
    } else if (ss_pages_reserve(pages, segment, start, fit->length, true) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    } else {
        ss_segment_take(segment, start, fit->length);
    }
    *first_pfn = segment->base + start;
    return STORSIM_OK;
}

/* Bits first … last of 32. */
SS_INLINE uint32_t span(uint64_t first, uint64_t last) {
    return UINT32_MAX >> (31 - last) & UINT32_MAX << first;
}

/* Do bounds say that nothing so long starts in [low, high] (offsets)? Looks at the chunks of one block, or the groups of one chunk. */
SS_INLINE bool ruled_out(const ss_segment_t *segment, uint32_t length, uint64_t low, uint64_t high) {
    uint64_t first = low >> SS_CHUNK_SHIFT, last = high >> SS_CHUNK_SHIFT;
    const ss_mid_t *mid = segment->mids[first / SS_MID_CHUNKS].mid;
    if (first / SS_BLOCK_CHUNKS != last / SS_BLOCK_CHUNKS || mid == NULL) {
        return false;
    }
    const ss_block_t *block = &mid->blocks[first % SS_MID_CHUNKS / SS_BLOCK_CHUNKS];
    uint32_t hits = ss_bytes_at_least(block->bound, length) & span(first % SS_BLOCK_CHUNKS, last % SS_BLOCK_CHUNKS);
    const ss_chunk_t *chunk = block->chunks[first % SS_BLOCK_CHUNKS];
    if (first == last && chunk != NULL) {
        hits = ss_bytes_at_least(chunk->group_bound, length) & span(low >> SS_GROUP_SHIFT & 31, high >> SS_GROUP_SHIFT & 31);
    }
    return hits == 0;
}

/* The starts that a request may have on a site, as pfns. False: none. */
SS_INLINE bool starts_on(const ss_site_t *site, const ss_page_request_t *request, uint64_t *low, uint64_t *high) {
    const ss_segment_t *segment = site->segment;
    if (segment->pages < request->pages) { /* what follows must not wrap */
        return false;
    }
    *low = ss_max_u64(request->first_min, site->first);
    *high = ss_min_u64(ss_min_u64(request->first_max, site->last), segment->base + segment->end - request->pages);
    return *low <= *high;
}

/* The highest place on a site. */
SS_INLINE storsim_status_t take_on_site(ss_pages_t *pages, const ss_site_t *site, const ss_page_request_t *request,
                                        const ss_fit_t *fit, uint64_t *first_pfn) {
    ss_segment_t *segment = site->segment;
    uint64_t low, high;
    if (!starts_on(site, request, &low, &high)) {
        return STORSIM_NO_SPACE;
    }
    attempt_t attempt;
    if (fit->constrained) {
        attempt = take_fitting(pages, segment, fit, low, high, first_pfn);
    } else if (high + fit->length == segment->base + segment->end) {
        attempt = take_plain(segment, fit->length, low, first_pfn);
    } else if (ruled_out(segment, fit->length, low - segment->base, high - segment->base)) {
        return STORSIM_NO_SPACE;
    } else {
        attempt = take_fitting(pages, segment, fit, low, high, first_pfn);
    }
    if (attempt == LONG_WAY) {
        storsim_status_t status = take_long_way(pages, segment, fit, low, high, first_pfn);
        if (status != STORSIM_OK) {
            return status;
        }
    } else if (attempt == NOT_HERE) {
        return STORSIM_NO_SPACE;
    }
    pages->free -= fit->length;
    return STORSIM_OK;
}

/* TOP_DOWN for up to 64 pages, on all sites but the one `tried` in vain. */
SS_ASIDE storsim_status_t take_small(ss_pages_t *pages, const ss_page_request_t *request, const ss_site_t *tried, uint64_t *first_pfn) {
    uint32_t nodes = request->nodes != NULL ? request->node_count : pages->node_count;
    ss_fit_t fit = {(uint32_t)request->pages, SS_CLASS_NONE, 0, false, UINT32_MAX, UINT64_MAX, 0, 0, UINT64_MAX};
    if (((request->align_pages ^ 1) | request->boundary_pages) != 0) {
        ss_fit_of(request, &fit);
    }
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = request->nodes != NULL ? request->nodes[i] : i;
        if (node >= pages->node_count) {
            continue;
        }
        const ss_site_t *lowest = pages->lowest[node], *site = pages->lowest[node + 1];
        assert(lowest != NULL);
        while (site != lowest && lowest->first <= request->first_max) {
            storsim_status_t status = --site != tried ? take_on_site(pages, site, request, &fit, first_pfn) : STORSIM_NO_SPACE;
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
    if (boundary - 1 < count - 1) { /* boundary 0 passes */
        return STORSIM_NO_SPACE;
    }
    return take_small(pages, request, NULL, first_pfn);
}

/* A request without constraints for a node whose highest site it may use all of: that site. NULL: it is of another kind. */
SS_INLINE const ss_site_t *site_for(const ss_pages_t *pages, const ss_page_request_t *request) {
    const uint8_t *nodes = request->nodes;
    uint32_t node = 0;
    if (nodes != NULL) {
        if (request->node_count == 0) {
            return NULL;
        }
        node = nodes[0];
    }
    if (request->pages - 1 >= SS_SMALL || ((request->align_pages ^ 1) | request->boundary_pages) != 0 || node >= pages->node_count) {
        return NULL;
    }
    const ss_site_t *site = pages->tops[node];
    return site != NULL && request->first_min <= site->first && request->first_max >= site->last ? site : NULL;
}

/* Where a bound has promised too much, and at the ends of a chunk. */
SS_ASIDE storsim_status_t take_again(ss_pages_t *pages, const ss_page_request_t *request, const ss_site_t *site, uint64_t *first_pfn) {
    uint32_t length = (uint32_t)request->pages;
    spot_t spot;
    if (!highest_stretch(site->front, length, &spot)) {
        return take_small(pages, request, site, first_pfn);
    }
    if (!easy(&spot, length)) {
        return take_small(pages, request, NULL, first_pfn);
    }
    pages->free -= length;
    *first_pfn = pfn_of(&spot);
    take_at(spot.chunk, spot.at, spot.bit, length);
    return STORSIM_OK;
}

storsim_status_t ss_pages_take(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn) {
    const ss_site_t *site = site_for(pages, request);
    if (site == NULL) {
        return take_other(pages, request, first_pfn);
    }
    ss_front_t *front = site->front;
    uint32_t length = (uint32_t)request->pages, chunks, groups, words;
    ss_block_t *block = front->start;
    ss_chunk_t *chunk;
    if (block == NULL) {
        const ss_mid_t *mid = front->top[length];
        uint32_t blocks = mid != NULL ? ss_bytes_at_least(mid->bound, length) : 0;
        if (blocks == 0) {
            return take_again(pages, request, site, first_pfn);
        }
        block = &mid->blocks[ss_highest_bit(blocks)];
    }
    if ((chunks = ss_bytes_at_least(block->bound, length)) == 0 ||
        (chunk = block->chunks[ss_highest_bit(chunks)]) == NULL || (groups = ss_bytes_at_least(chunk->group_bound, length)) == 0) {
        return take_again(pages, request, site, first_pfn);
    }
    uint32_t group = ss_highest_bit(groups);
    if ((words = ss_bytes_at_least(&chunk->bound[group * SS_GROUP_WORDS], length)) == 0) {
        return take_again(pages, request, site, first_pfn);
    }
    uint32_t word = ss_highest_bit(words), at = group * SS_GROUP_WORDS + word;
    uint64_t here = chunk->busy[at], next = chunk->busy[at + 1];
    found_t found = highest_in_word(here, next, length);
    if (found.bit < 0 || (at == SS_CHUNK_WORDS - 1 && (uint32_t)found.bit + length > 64)) {
        return take_again(pages, request, site, first_pfn);
    }
    uint32_t bit = (uint32_t)found.bit;
    uint64_t taken = ones(length), spill = taken >> 1 >> (63 - bit), busy = here | taken << bit;
    chunk->busy[at] = busy;
    *first_pfn = ss_chunk_base(chunk) + at * UINT64_C(64) + bit;
    pages->free -= length;
    chunk->free -= length;
    uint32_t inside = longest_inside(~busy);
    set_bound(chunk, group, word, inside > found.across ? inside : found.across);
    chunk->busy[at + 1] = next | spill;
    return here == 0 || at == 0 ? change_rarely(chunk, at, spill) : STORSIM_OK; /* nothing spills into a word wholly free: that one is higher */
}

/* What a freed block tells the classes, as long as there are any: the stretch it is part of begins at bit `from` of word `at`, and not in the
 * word below. A place that has become legal begins in it; mostly that is in one group, without memos. */
SS_ASIDE void tell_classes(ss_chunk_t *chunk, uint32_t at, uint32_t from, uint64_t last) {
    ss_front_t *front = chunk->front;
    uint64_t base = front->segment->base, low = ss_chunk_base(chunk) - base + at * UINT64_C(64) + from, end = last - base;
    uint32_t classes = ss_touch_front(front, low, end);
    if ((low ^ end) >> SS_GROUP_SHIFT != 0) {
        ss_small_touch_all(front->segment, low >> SS_WORD_SHIFT, (end >> SS_WORD_SHIFT) + 1, classes);
    } else if ((chunk->memo_valid & (classes | ~SS_LOW_CLASSES)) != 0 || (chunk->memo_groups >> at / SS_GROUP_WORDS & 1) != 0) {
        ss_small_touch_memos(chunk, at, (uint32_t)(end >> SS_WORD_SHIFT) % SS_CHUNK_WORDS, classes);
    }
}

/* What a freed block seldom does. `stretch` begins at bit `from` of word `at` and holds the block, whose last page is `last`; a part of the
 * block, `spill`, lies in the word above. If it begins at bit 0, what the word below ends with goes on into it. */
SS_ASIDE void finish_give(ss_chunk_t *chunk, uint32_t at, uint32_t from, uint32_t stretch, uint64_t spill, uint64_t last) {
    ss_segment_t *segment = chunk->front->segment;
    uint64_t word = ((ss_chunk_base(chunk) - segment->base) >> SS_WORD_SHIFT) + at;
    if (stretch >= SS_SMALL || at == 0) {
        (void)change_rarely(chunk, at, spill);
    }
    if (stretch >= SS_SMALL) {
        chunk->longest = UINT32_MAX; /* as far as is known there is no limit any more */
    }
    const ss_mid_t *mid = chunk->block->mid;
    if (stretch > mid->ref->bound && mid->ref->bound < SS_SMALL) {
        ss_small_raise_mid(chunk->front, mid, (uint8_t)ss_min_u64(stretch, SS_SMALL));
    }
    uint32_t below = 0;
    if (from == 0 && word > 0) {
        below = ss_high_zeros(at > 0 ? chunk->busy[at - 1] : ss_busy_word(segment, word - 1));
    }
    if (below > 0) {
        ss_small_raise(segment, word - 1, below + stretch);
    }
    if (chunk->front->classes != 0 && below > 0) {
        ss_small_touch(segment, word * 64 - below, last - segment->base);
    } else if (chunk->front->classes != 0) {
        tell_classes(chunk, at, from, last);
    }
}

/* By the way that is always open; and the next block of this chunk can go the short way. */
SS_ASIDE void give_any(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    if (count != 0) {
        const ss_segment_t *segment = &pages->segments[ss_pages_segment_at(pages, first_pfn)];
        ss_chunk_t *chunk = ss_chunk_at(segment, (first_pfn - segment->base) >> SS_CHUNK_SHIFT);
        bool fit = chunk != segment->full && chunk->last >= SS_SMALL - 1; /* a smaller one would need one more comparison */
        pages->recent[first_pfn >> SS_CHUNK_SHIFT & (SS_RECENT - 1)] = fit ? chunk : NULL;
    }
    ss_pages_give_parts(pages, first_pfn, count);
}

void ss_pages_give(ss_pages_t *pages, uint64_t first_pfn, uint64_t count) {
    ss_chunk_t *chunk = pages->recent[first_pfn >> SS_CHUNK_SHIFT & (SS_RECENT - 1)];
    if (count - 1 >= SS_SMALL || chunk == NULL || first_pfn - chunk->first > chunk->last - (count - 1)) {
        give_any(pages, first_pfn, count);
        return;
    }
    uint32_t at = (uint32_t)(first_pfn >> SS_WORD_SHIFT) & (SS_CHUNK_WORDS - 1), bit = (uint32_t)(first_pfn & 63);
    uint64_t block = ones((uint32_t)count), spill = block >> 1 >> (63 - bit);
    uint64_t busy = chunk->busy[at] & ~(block << bit), above = chunk->busy[at + 1] & ~spill;
    assert((chunk->busy[at] & block << bit) == block << bit && (chunk->busy[at + 1] & spill) == spill);
    chunk->busy[at] = busy;
    pages->free += count;
    chunk->free += (uint32_t)count;
    /* The stretch around the block: bit `from` of its word, and on up into the next. More than 64 pages need not be told apart. */
    uint32_t from = 64 - ss_high_zeros(busy & ~(~UINT64_C(0) << bit));
    uint32_t stretch = bit - from + ss_low_zeros(busy >> bit | above << 1 << (63 - bit));
    uint8_t bound = (uint8_t)(stretch < SS_SMALL ? stretch : SS_SMALL);
    ss_bytes_raise(&chunk->bound[at & ~31u], at % 32, bound);
    ss_bytes_raise(chunk->group_bound, at / 32, bound);
    ss_bytes_raise(chunk->block->bound, 31u - chunk->chunks_above, bound);
    ss_bytes_raise(chunk->block->mid->bound, chunk->block->place, bound);
    if (spill != 0) { /* then it is not the last word */
        uint8_t beyond = (uint8_t)ss_low_zeros(above);
        chunk->busy[at + 1] = above;
        ss_bytes_raise(&chunk->bound[(at + 1) & ~31u], (at + 1) % 32, beyond);
        ss_bytes_raise(chunk->group_bound, (at + 1) / 32, beyond);
    }
    if (stretch >= SS_SMALL || chunk->block->mid->ref->bound < stretch || at == 0 || (from == 0 && chunk->busy[at - 1] >> 63 == 0)) {
        finish_give(chunk, at, from, stretch, spill, first_pfn + count - 1);
    } else if (chunk->front->classes != 0) {
        tell_classes(chunk, at, from, first_pfn + count - 1);
    }
}
