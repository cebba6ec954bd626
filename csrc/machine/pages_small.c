/* machine/pages_small.c: the highest legal place for a request of up to 64 pages, without looking at gaps one by one.
 *
 *     word i+1          word i
 *     ...1101000        0000011100000000      free = ~busy; 1 = free below
 *                       all starts of a stretch of n free pages in word i come out of log2(n) steps of shift and AND on
 *                       the pair; alignment, boundary and the window are masks over the same 64 starts
 *
 *   next word down     bounds, 32 at a time, five levels up and down again (previous_word)
 *   no start there     the bound becomes exact: each visit in vain is paid for by the take that made the bound too high
 *   a group            its words that bounds, alignment and memo leave over are one mask, gone through from the top (scan_group)
 *   starts, none legal after a few, groups and chunks remember what was found out about the request's class (memos), until frees have
 *                      taken back more of it than searches came to ask for
 *
 * Freeing raises at most three words' bounds and what lies above them (ss_small_freed).
 * Complexity: O(1) where the front is right, else O(levels) amortised; a request that cannot fit costs one pass over
 * the words with free stretches, then O(1) plus O(frees since). */
#include "machine/pages_small_i.h"

#include <string.h>

#define RECORD_AFTER 4u /* misses before a search writes memos: most requests never do */
#define TOUCHES_MOST 24u /* frees that a memo sees before it is dropped, unless a search came by */
#define TOUCHED_MOST 4u /* touched words of a group that are looked at again and again before its memos are dropped */

/* The word above. */
static inline uint64_t free_word_above(const ss_segment_t *segment, const ss_chunk_t *chunk, uint64_t word) {
    return chunk != NULL ? ~chunk->busy[word % SS_CHUNK_WORDS + 1] : free_word(segment, word + 1);
}

uint64_t ss_busy_word(const ss_segment_t *segment, uint64_t word) {
    return ~free_word(segment, word);
}

/* --- requests as masks ----------------------------------------------------------------------------------------------
 */

/* What a power of two allows, for 1, 2, 4 … 2048 pages: starts in a word that holds a multiple of it, and words of a group that do. */
typedef struct every {
    uint64_t pages;
    uint32_t words;
} every_t;
#define EVERY_POWERS 12u
static const every_t every[EVERY_POWERS] = {
    {UINT64_C(0xFFFFFFFFFFFFFFFF), 0xFFFFFFFF}, {UINT64_C(0x5555555555555555), 0xFFFFFFFF},
    {UINT64_C(0x1111111111111111), 0xFFFFFFFF}, {UINT64_C(0x0101010101010101), 0xFFFFFFFF},
    {UINT64_C(0x0001000100010001), 0xFFFFFFFF}, {UINT64_C(0x0000000100000001), 0xFFFFFFFF},
    {1, 0xFFFFFFFF}, {1, 0x55555555}, {1, 0x11111111}, {1, 0x01010101}, {1, 0x00010001}, {1, 0x00000001},
};

/* Every multiple of a power of two, and of no other number above a page, is a start. */
static inline void fit_alignment(ss_fit_t *fit, uint64_t align) {
    uint32_t power = ss_low_zeros(align);
    const every_t *multiples = &every[power < EVERY_POWERS ? power : EVERY_POWERS - 1];
    fit->class_index = (uint8_t)(power - 1 < SS_ALIGNMENTS ? power - 1 : SS_CLASS_NONE);
    fit->lanes = multiples->words;
    fit->pattern = fit->last_pattern = multiples->pages;
    fit->align_words = (align - 1) / 64;
}

/* From as many starts on as a block may move before the boundary: of each period in a word, or of the last word of a period. */
static inline void fit_boundary(ss_fit_t *fit, uint64_t boundary) {
    uint32_t power = ss_low_zeros(boundary), period = boundary < 64 ? (uint32_t)boundary : 64;
    uint64_t within = every[power < 6 ? power : 6].pages * ss_low_mask(period - fit->length + 1);
    fit->class_index = (uint8_t)(power - 1 < SS_ALIGNMENTS ? SS_ALIGNMENTS + power - 1 : SS_CLASS_NONE);
    fit->last_pattern &= within;
    fit->pattern = period < 64 ? fit->last_pattern : fit->pattern;
    fit->window_words = (boundary - 1) / 64;
}

void ss_fit_of(const ss_page_request_t *request, ss_fit_t *fit) {
    uint32_t length = (uint32_t)request->pages;
    uint64_t align = request->align_pages, boundary = length > 1 ? request->boundary_pages : 0;
    *fit = (ss_fit_t){.length = length,
                      .class_index = SS_CLASS_NONE,
                      .kind = ss_kind_of(length),
                      .constrained = align != 1 || boundary != 0,
                      .lanes = UINT32_MAX,
                      .pattern = UINT64_MAX,
                      .last_pattern = UINT64_MAX};
    if (align != 1) {
        fit_alignment(fit, align);
    }
    if (boundary != 0) {
        fit_boundary(fit, boundary);
        fit->class_index = align == 1 ? fit->class_index : SS_CLASS_NONE;
    }
}

/* --- bounds ---------------------------------------------------------------------------------------------------------
 */

/* Highest chunk below block `place` of a mid whose bound is >= length, or -1. Bounds of blocks that promised too much become exact. */
static int32_t chunk_below_block(ss_mid_t *mid, uint32_t place, uint32_t length) {
    uint32_t blocks = ss_bytes_at_least(mid->bound, length) & (uint32_t)ss_low_mask(place);
    for (; blocks != 0; blocks &= ~(UINT32_C(1) << ss_highest_bit(blocks))) {
        uint32_t at = ss_highest_bit(blocks);
        const ss_block_t *block = &mid->blocks[at];
        uint32_t hits = ss_bytes_at_least(block->bound, length);
        if (hits != 0) {
            return (int32_t)(at * SS_BLOCK_CHUNKS + ss_highest_bit(hits));
        }
        ss_bytes_set(mid->bound, at, ss_bytes_max(block->bound));
    }
    return -1;
}

bool ss_previous_chunk(const ss_segment_t *segment, uint64_t *chunk, uint32_t length) {
    uint64_t below = *chunk;
    while (below > 0) {
        ss_mid_ref_t *ref = &segment->mids[(below - 1) / SS_MID_CHUNKS];
        uint64_t first = (below - 1) & ~(uint64_t)(SS_MID_CHUNKS - 1);
        if (ref->bound >= length && ref->mid == NULL) {
            *chunk = below - 1;
            return true;
        }
        if (ref->bound >= length) {
            int32_t hit = chunk_below_block(ref->mid, (uint32_t)(below - first) / SS_BLOCK_CHUNKS, length);
            if (hit >= 0) {
                *chunk = first + (uint32_t)hit;
                return true;
            }
            ref->bound = ss_bytes_max(ref->mid->bound);
        }
        below = first;
    }
    return false;
}

void ss_small_raise_mid(ss_front_t *front, const ss_mid_t *mid, uint8_t length) {
    for (uint32_t i = mid->ref->bound + 1u; i <= length; i++) {
        ss_mid_t **top = &front->top[i];
        *top = *top != NULL && (*top)->ref < mid->ref ? mid->ref->mid : *top;
    }
    mid->ref->bound = length;
}

/* A stretch of `length` free pages starts in the word. */
void ss_small_raise(ss_segment_t *segment, uint64_t word, uint64_t length) {
    uint64_t index = word / SS_CHUNK_WORDS;
    ss_chunk_t *chunk = ss_chunk_at(segment, index);
    uint8_t bound = (uint8_t)(length < SS_SMALL ? length : SS_SMALL);
    uint32_t at = (uint32_t)(word % SS_CHUNK_WORDS);
    if (chunk != NULL && chunk->bound[at] < bound) {
        chunk->bound[at] = bound;
        raise_above(chunk, at / 32, bound);
    }
    if (chunk != NULL && bound == SS_SMALL) {
        chunk->longest = UINT32_MAX;
    }
}

/* Words [from, to) have become free altogether. */
static void raise_whole_words(ss_segment_t *segment, uint64_t from, uint64_t to) {
    while (from < to) {
        uint64_t index = from / SS_CHUNK_WORDS, length = ss_min_u64(32 - from % 32, to - from);
        uint32_t at = (uint32_t)(from % SS_CHUNK_WORDS);
        ss_chunk_t *chunk = ss_chunk_at(segment, index);
        if (chunk == NULL) { /* a block covered it: it is untouched again */
            from += SS_CHUNK_WORDS - at;
            continue;
        }
        memset(&chunk->bound[at], SS_SMALL, (size_t)length);
        raise_above(chunk, at / 32, SS_SMALL);
        chunk->longest = UINT32_MAX;
        from += length;
    }
}

/* --- fronts and memos -----------------------------------------------------------------------------------------------
 */

/* What frees have told about a column goes to the limits of its classes. */
static void settle_touched(ss_front_t *front, uint32_t column) {
    uint32_t first = column != 0 ? column - 1 : SS_ALIGNMENTS, end = column != 0 ? column : SS_CLASSES, touched = front->touched[column];
    for (uint32_t c = first; c < end; c++) {
        for (uint32_t kind = 0; kind < SS_LENGTHS; kind++) {
            front->limit[c][kind] = front->limit[c][kind] > touched ? front->limit[c][kind] : touched;
        }
    }
    front->touched[column] = 0;
}

/* No legal start for the request's class and length above the position. Frees since an older proof are first charged to the classes that
 * have not seen them. */
static void prove(ss_front_t *front, const ss_fit_t *fit, uint64_t position) {
    settle_touched(front, touched_column(fit->class_index));
    uint32_t *limit = front->limit[fit->class_index];
    uint32_t kind = (uint32_t)ss_kind_of(fit->length - 1) + (fit->length > 1); /* the first that does not begin below this length */
    for (uint32_t i = kind; i < SS_LENGTHS; i++) {
        limit[i] = limit[i] < position ? limit[i] : (uint32_t)position;
    }
    front->classes |= UINT32_C(1) << fit->class_index;
}

/* A search has found nothing legal in the group from word `limit` on. What it has seen for the length the memo speaks of
 * need not be looked at again; for a greater length that is worth the memo only if there is much of it. */
static void remember_group(ss_chunk_t *chunk, uint32_t group, const ss_fit_t *fit, uint32_t limit) {
    ss_group_memo_t *memo = &chunk->memos[group];
    chunk->memo_groups |= UINT32_C(1) << group;
    memo->touches = 0;
    uint32_t c = fit->class_index, below = (uint32_t)ss_low_mask(limit), *touched = &memo->touched[touched_row(c)];
    bool known = holds(memo->valid, memo->least, fit), many = ss_ones(*touched & ~below) > TOUCHED_MOST;
    if (c >= SS_ALIGNMENTS && many) { /* the boundaries share their touched words: all forget */
        memo->valid &= SS_LOW_CLASSES;
        *touched = 0;
        known = false;
    }
    if (c < SS_ALIGNMENTS && (!known || many || memo->least[c] == fit->length)) {
        *touched &= below;
    }
    if (known && memo->least[c] == fit->length && c < SS_ALIGNMENTS) {
        memo->limit[c] = (uint8_t)(memo->limit[c] < limit ? memo->limit[c] : limit);
    } else if (!known || memo->limit[c] > limit || many) {
        memo->valid |= UINT32_C(1) << c;
        memo->least[c] = (uint8_t)fit->length;
        memo->limit[c] = (uint8_t)limit;
    }
}

static void remember_chunk(ss_chunk_t *chunk, const ss_fit_t *fit) {
    if (!holds(chunk->memo_valid, chunk->memo_least, fit)) {
        chunk->memo_valid |= UINT32_C(1) << fit->class_index;
        chunk->memo_least[fit->class_index] = (uint8_t)fit->length;
    }
}

/* The memos of words [from, to], of one group of a chunk. Where nothing is proven there is nothing to take back; what has to be taken back
 * again and again, and is not asked for, is not worth it. */
void ss_small_touch_memos(ss_chunk_t *chunk, uint32_t from, uint32_t to, uint32_t classes) {
    uint32_t group = from / 32 % SS_CHUNK_GROUPS;
    ss_group_memo_t *memo = &chunk->memos[group];
    chunk->memo_valid &= SS_LOW_CLASSES & ~classes;
    if (memo->valid == 0) {
        return;
    }
    if (++memo->touches > TOUCHES_MOST) {
        memset(memo, 0, sizeof *memo);
        chunk->memo_groups &= ~(UINT32_C(1) << group);
        return;
    }
    uint32_t *touched = memo->touched, bits = UINT32_MAX >> (31 - to % 32) & UINT32_MAX << from % 32;
    for (uint32_t left = classes & SS_LOW_CLASSES; left != 0; left &= left - 1) {
        touched[ss_low_zeros(left)] |= bits;
    }
    touched[SS_ALIGNMENTS] |= bits;
}

void ss_small_touch_all(const ss_segment_t *segment, uint64_t from, uint64_t until, uint32_t classes) {
    while (from < until) {
        ss_chunk_t *chunk = ss_chunk_at(segment, from / SS_CHUNK_WORDS);
        uint64_t last = ss_min_u64(from | (chunk != NULL ? 31 : SS_CHUNK_WORDS - 1), until - 1);
        if (chunk != NULL) {
            ss_small_touch_memos(chunk, (uint32_t)from % SS_CHUNK_WORDS, (uint32_t)last % SS_CHUNK_WORDS, classes);
        }
        from = last + 1;
    }
}

void ss_small_touch(const ss_segment_t *segment, uint64_t low, uint64_t last) {
    uint32_t classes = ss_touch_front(segment->front, low, last);
    ss_small_touch_all(segment, low >> SS_WORD_SHIFT, (last >> SS_WORD_SHIFT) + 1, classes);
}

/* --- the search ------------------------------------------------------------------------------------------------------
 */

typedef struct scan {
    const ss_segment_t *segment;
    const ss_fit_t *fit;
    uint64_t low, high; /* starts in here */
    uint64_t first;     /* word of low */
    uint64_t word;      /* nothing legal above */
    bool class_whole;   /* no legal start above word, in all of the segment */
    /* memos */
    uint32_t misses;
    uint64_t from;                     /* everything in (word, from] is known to hold nothing legal */
    uint64_t group, chunk;             /* where the scan is */
    bool group_covered, chunk_covered; /* nothing legal from the top of it down to word */
} scan_t;

static inline uint64_t starts_at(const scan_t *scan, ss_chunk_t *chunk) {
    uint32_t index = (uint32_t)(scan->word % SS_CHUNK_WORDS);
    uint64_t low = chunk != NULL ? ~chunk->busy[index] : free_word(scan->segment, scan->word);
    uint64_t high = free_word_above(scan->segment, chunk, scan->word);
    uint64_t starts = starts_in(low, high, scan->fit->length);
    if (starts == 0 && chunk != NULL) {
        chunk->bound[index] = (uint8_t)longest_from(low, high);
    }
    return starts;
}

/* Steps below the word; false at the end of the window. */
static inline bool step_below(scan_t *scan, uint64_t word) {
    if (word <= scan->first) {
        return false;
    }
    scan->word = scan->from = word - 1;
    return true;
}

static inline bool take_highest(const scan_t *scan, uint64_t starts, uint64_t *start) {
    starts = clip(starts, scan->word, scan->low, scan->high);
    if (starts == 0) {
        return false;
    }
    *start = (scan->word << SS_WORD_SHIFT) + 63 - ss_high_zeros(starts);
    return true;
}

static bool scan_plain(scan_t *scan, uint64_t *start) {
    do {
        if (!previous_word(scan->segment, &scan->word, scan->fit, scan->first)) {
            break;
        }
        uint64_t starts = starts_at(scan, ss_chunk_at(scan->segment, scan->word / SS_CHUNK_WORDS));
        if (starts != 0) {
            if (take_highest(scan, starts, start)) {
                return true;
            }
        }
    } while (step_below(scan, scan->word));
    return false;
}

/* The scan leaves what it covered without finding anything legal. */
static void leave_group(scan_t *scan) {
    if (scan->group_covered && scan->misses >= RECORD_AFTER) {
        ss_chunk_t *chunk = ss_chunk_at(scan->segment, scan->group / SS_CHUNK_GROUPS);
        /* unreachable: in a chunk never touched every class has a place, so nothing of it is known to hold none */
        if (chunk != NULL) {
            remember_group(chunk, (uint32_t)(scan->group % SS_CHUNK_GROUPS), scan->fit, 0);
            scan->segment->front->classes |= UINT32_C(1) << scan->fit->class_index;
        }
    }
}

static void leave_chunk(scan_t *scan) {
    if (scan->chunk_covered && scan->misses >= RECORD_AFTER) {
        ss_chunk_t *chunk = ss_chunk_at(scan->segment, scan->chunk);
        if (chunk != NULL) { /* unreachable: as in leave_group */
            remember_chunk(chunk, scan->fit);
            scan->segment->front->classes |= UINT32_C(1) << scan->fit->class_index;
        }
    }
}

/* The scan has come to scan->word, having seen everything down from scan->from. */
static void arrive(scan_t *scan) {
    uint64_t group = scan->word / 32, chunk = scan->word / SS_CHUNK_WORDS;
    /* unreachable: a group is gone through at once, and in chunks never touched the first word has a place */
    if (group == scan->group) {
        return;
    }
    leave_group(scan);
    scan->group = group;
    scan->group_covered = ss_proves(scan->fit) && scan->from >= (group * 32 + 31);
    if (chunk != scan->chunk) {
        leave_chunk(scan);
        scan->chunk = chunk;
        scan->chunk_covered = ss_proves(scan->fit) && scan->from >= chunk * SS_CHUNK_WORDS + SS_CHUNK_WORDS - 1;
    }
}

/* A legal start, maybe outside the window: what was covered so far ends here. */
static void found_legal(scan_t *scan, ss_chunk_t *chunk) {
    bool record = scan->misses >= RECORD_AFTER;
    if (scan->class_whole && record) {
        prove(scan->segment->front, scan->fit, scan->word + 1);
    }
    if (scan->group_covered && record && chunk != NULL) {
        remember_group(chunk, (uint32_t)(scan->group % SS_CHUNK_GROUPS), scan->fit, (uint32_t)(scan->word % 32) + 1);
        scan->segment->front->classes |= UINT32_C(1) << scan->fit->class_index;
    }
    scan->class_whole = scan->group_covered = scan->chunk_covered = false;
}

/* Of 32 words, those that the memo of their group does not rule out. */
static inline uint32_t open_by_memo(const scan_t *scan, const ss_chunk_t *chunk) {
    uint32_t c = scan->fit->class_index;
    const ss_group_memo_t *memo = &chunk->memos[scan->word / 32 % SS_CHUNK_GROUPS];
    if (!holds(memo->valid, memo->least, scan->fit)) {
        return UINT32_MAX;
    }
    return memo->touched[touched_row(c)] | (uint32_t)ss_low_mask(memo->limit[c]);
}

static inline bool chunk_ruled_out(const scan_t *scan, const ss_chunk_t *chunk) {
    return holds(chunk->memo_valid, chunk->memo_least, scan->fit);
}

/* The words of a group from the one the scan has come to down, those that bounds and memo leave over. */
static bool scan_group(scan_t *scan, ss_chunk_t *chunk, uint64_t *start) {
    const ss_fit_t *fit = scan->fit;
    uint64_t bottom = scan->word & ~(uint64_t)(SS_GROUP_WORDS - 1);
    const uint64_t *busy = &chunk->busy[bottom % SS_CHUNK_WORDS];
    uint8_t *bounds = &chunk->bound[bottom % SS_CHUNK_WORDS];
    uint32_t left = ss_bytes_at_least(bounds, fit->length) & fit->lanes & UINT32_MAX >> (31 - (scan->word - bottom));
    left &= scan->first > bottom ? UINT32_MAX << (scan->first - bottom) : UINT32_MAX;
    left &= scan->misses > 0 ? open_by_memo(scan, chunk) : UINT32_MAX;
    while (left != 0) {
        uint32_t at = ss_highest_bit(left);
        uint64_t starts = starts_in(~busy[at], ~busy[at + 1], fit->length);
        left &= ~(UINT32_C(1) << at);
        scan->word = bottom + at;
        if (starts == 0) {
            bounds[at] = (uint8_t)longest_from(~busy[at], ~busy[at + 1]);
            continue;
        }
        starts &= legal_in(scan->segment, fit, scan->word);
        if (starts == 0) {
            if (scan->misses++ == 0) { /* the first word looked at is right more often than not */
                scan->from = scan->word;
                arrive(scan);
                left &= open_by_memo(scan, chunk);
            }
            continue;
        }
        if (scan->misses > 0) {
            found_legal(scan, chunk);
        }
        scan->class_whole = false;
        if (take_highest(scan, starts, start)) {
            return true;
        }
    }
    scan->word = bottom;
    return false;
}

static bool scan_constrained(scan_t *scan, uint64_t *start) {
    const ss_segment_t *segment = scan->segment;
    const ss_fit_t *fit = scan->fit;
    bool more = true;
    while (more) {
        uint64_t off = ((segment->base >> SS_WORD_SHIFT) + scan->word) & fit->align_words;
        if (off != 0) { /* no start in a word that is not aligned: on to the next that is */
            if (scan->word - scan->first < off) {
                break;
            }
            scan->word -= off;
        }
        if (!previous_word(segment, &scan->word, fit, scan->first)) {
            break;
        }
        if ((((segment->base >> SS_WORD_SHIFT) + scan->word) & fit->align_words) != 0) {
            continue;
        }
        ss_chunk_t *chunk = ss_chunk_at(segment, scan->word / SS_CHUNK_WORDS);
        if (scan->misses > 0) {
            arrive(scan);
        }
        if (chunk == NULL) {
            uint64_t starts = starts_at(scan, chunk) & legal_in(segment, fit, scan->word);
            if (starts != 0) {
                if (scan->misses > 0) {
                    found_legal(scan, chunk);
                }
                scan->class_whole = false;
                if (take_highest(scan, starts, start)) {
                    return true;
                }
            }
            scan->misses += starts == 0;
        } else if (scan->misses > 0 && chunk_ruled_out(scan, chunk)) {
            scan->word &= ~(uint64_t)(SS_CHUNK_WORDS - 1);
        } else if (scan_group(scan, chunk, start)) {
            return true;
        }
        more = step_below(scan, scan->word);
    }
    if (scan->class_whole && scan->misses >= RECORD_AFTER) {
        prove(segment->front, fit, scan->first);
    }
    return false;
}

bool ss_small_highest(const ss_segment_t *segment, const ss_fit_t *fit, uint64_t low, uint64_t high, uint64_t *start) {
    const ss_front_t *front = segment->front;
    scan_t scan = {.segment = segment, .fit = fit, .low = low, .high = high, .first = low >> SS_WORD_SHIFT};
    uint64_t position = (high >> SS_WORD_SHIFT) + 1;
    scan.class_whole = high + fit->length == segment->end;
    if (front != NULL) {
        uint64_t limit = ss_front_limit(front, fit);
        if (position >= limit) {
            scan.class_whole = true;
            position = limit;
            if (position <= scan.first) {
                return false;
            }
        }
    }
    scan.word = position - 1;
    scan.from = scan.class_whole ? UINT64_MAX : scan.word;
    scan.group = scan.chunk = UINT64_MAX;
    scan.class_whole = scan.class_whole && front != NULL && ss_proves(fit);
    return fit->constrained ? scan_constrained(&scan, start) : scan_plain(&scan, start);
}

void ss_small_freed(ss_segment_t *segment, uint64_t offset, uint64_t count) {
    uint64_t first = offset >> SS_WORD_SHIFT, last = (offset + count - 1) >> SS_WORD_SHIFT;
    uint32_t bit = (uint32_t)(offset & 63), last_bit = (uint32_t)((offset + count - 1) & 63);
    /* The stretch around the freed pages: from bit `from` of the first word up to `to` pages above bit 0 of the last.
     */
    uint32_t from = bit + 1 - ss_high_zeros(~(free_word(segment, first) << (63 - bit)));
    uint32_t to = last_bit + ss_low_zeros(~(free_word(segment, last) >> last_bit)), below = 0;
    to += to == 64 ? ss_low_zeros(~free_word(segment, last + 1)) : 0;
    if (from == 0 && first > 0) {
        below = ss_high_zeros(~free_word(segment, first - 1));
    }
    uint64_t length = 64 * (last - first) + to - from;
    ss_small_raise(segment, first, length);
    if (last > first) {
        raise_whole_words(segment, first + 1, last);
        ss_small_raise(segment, last, to);
    }
    if (below > 0) {
        ss_small_raise(segment, first - 1, below + length);
    }
    if (segment->front->classes != 0) {
        ss_small_touch(segment, 64 * first + from - below, offset + count - 1);
    }
}

/* --- self-check
 * ------------------------------------------------------------------------------------------------------- */

static ss_fit_t class_fit(uint32_t class_index, uint32_t length) {
    ss_page_request_t request = {length, 0, 0, 1, 0, NULL, 0};
    if (class_index < SS_ALIGNMENTS) {
        request.align_pages = UINT64_C(2) << class_index;
    } else {
        request.boundary_pages = UINT64_C(2) << (class_index - SS_ALIGNMENTS);
    }
    ss_fit_t fit;
    ss_fit_of(&request, &fit);
    return fit;
}

static const uint8_t kind_least[SS_LENGTHS] = {1, 2, 3, 4, 6, 8, 16, 32};

/* What a segment's front denies about class c: no start for the fit's length in a word from `from` on. */
typedef struct denial {
    ss_fit_t fit;
    uint64_t from;
} denial_t;

/* All denials of a front, worked out once for all words: class c has rows[first[c]] to rows[first[c + 1] - 1]. */
typedef struct denials {
    denial_t rows[SS_CLASSES * SS_LENGTHS];
    uint32_t first[SS_CLASSES + 1];
    uint64_t lowest[SS_CLASSES]; /* the least `from` among them */
} denials_t;

static void list_denials(const ss_front_t *front, denials_t *denials) {
    uint32_t count = 0;
    for (uint32_t c = 0; c < SS_CLASSES; c++) {
        uint32_t longest = c < SS_ALIGNMENTS ? SS_SMALL : UINT32_C(2) << (c - SS_ALIGNMENTS);
        denials->first[c] = count;
        denials->lowest[c] = UINT64_MAX;
        for (uint32_t kind = 0; kind < SS_LENGTHS && kind_least[kind] <= longest; kind++) {
            ss_fit_t fit = class_fit(c, kind_least[kind]);
            if (fit.constrained) { /* no boundary holds for a single page */
                uint64_t from = ss_front_limit(front, &fit);
                denials->rows[count++] = (denial_t){fit, from};
                denials->lowest[c] = from < denials->lowest[c] ? from : denials->lowest[c];
            }
        }
    }
    denials->first[SS_CLASSES] = count;
}

static bool has_start(const ss_segment_t *segment, const ss_fit_t *fit, uint64_t word) {
    return (starts_in(free_word(segment, word), free_word(segment, word + 1), fit->length) & legal_in(segment, fit, word)) != 0;
}

/* Promises about class c of one word that holds a legal start for `length` pages. */
static size_t check_denials(const ss_segment_t *segment, const ss_chunk_t *chunk, const denials_t *denials, uint64_t word, uint32_t c) {
    const ss_group_memo_t *memo = &chunk->memos[word / 32 % SS_CHUNK_GROUPS];
    uint32_t bit = UINT32_C(1) << c, at = (uint32_t)(word % 32);
    size_t broken = 0;
    for (uint32_t i = denials->first[c]; word >= denials->lowest[c] && i < denials->first[c + 1]; i++) {
        broken += word >= denials->rows[i].from && has_start(segment, &denials->rows[i].fit, word);
    }
    if ((chunk->memo_valid & bit) != 0) {
        ss_fit_t fit = class_fit(c, chunk->memo_least[c]);
        broken += has_start(segment, &fit, word);
    }
    if ((memo->valid & bit) != 0 && at >= memo->limit[c] && (memo->touched[touched_row(c)] >> at & 1) == 0) {
        ss_fit_t fit = class_fit(c, memo->least[c]);
        broken += has_start(segment, &fit, word);
    }
    return broken;
}

static size_t check_chunk(const ss_segment_t *segment, const denials_t *denials, uint64_t index) {
    const ss_mid_ref_t *ref = &segment->mids[index / SS_MID_CHUNKS];
    const ss_chunk_t *chunk = ss_chunk_at(segment, index);
    const ss_block_t *block = &ref->mid->blocks[index % SS_MID_CHUNKS / SS_BLOCK_CHUNKS];
    uint8_t bound = *ss_chunk_bound(segment, index);
    uint8_t most = ref->mid->bound[block->place];
    size_t broken = (size_t)(ref->bound < most) + (most < bound);
    for (uint32_t i = 0; chunk != NULL && i < SS_CHUNK_WORDS; i++) {
        uint64_t word = index * SS_CHUNK_WORDS + i;
        uint32_t exact = longest_from(free_word(segment, word), free_word(segment, word + 1));
        broken += chunk->bound[i] < exact;
        broken += chunk->group_bound[i / 32] < chunk->bound[i];
        broken += bound < chunk->group_bound[i / 32];
        for (uint32_t c = 0; exact > 0 && c < SS_CLASSES; c++) {
            broken += check_denials(segment, chunk, denials, word, c);
        }
    }
    if (chunk != NULL && chunk != segment->full) { /* which stands for many and copies nothing */
        broken += chunk->busy[SS_CHUNK_WORDS] != ss_busy_word(segment, (index + 1) * SS_CHUNK_WORDS);
    }
    return broken + (chunk == NULL && bound != SS_SMALL);
}

/* No stretch starts in a mid above the top of its length; and a search that starts at a block leaves none out. */
static size_t check_tops(const ss_segment_t *segment) {
    const ss_front_t *front = segment->front;
    const ss_mid_ref_t *highest = &segment->mids[segment->mid_count - 1];
    size_t broken = front->start != NULL && (highest->mid == NULL || front->start != ss_highest_block(highest->mid));
    for (uint32_t length = 1; length <= SS_SMALL; length++) {
        const ss_mid_t *top = front->top[length];
        for (const ss_mid_ref_t *ref = top != NULL ? top->ref : highest; ref++ < highest;) {
            broken += ref->bound >= length;
        }
    }
    return broken;
}

size_t ss_small_check(const ss_segment_t *segment) {
    size_t broken = 0;
    denials_t denials = {.first = {0}};
    if (segment->front != NULL) { /* without one there are no chunks */
        list_denials(segment->front, &denials);
        broken += check_tops(segment);
    }
    for (uint32_t i = 0; i < segment->mid_count; i++) {
        const ss_mid_t *mid = segment->mids[i].mid;
        for (uint32_t j = 0; mid != NULL && j < mid->count; j++) {
            broken += check_chunk(segment, &denials, (uint64_t)i * SS_MID_CHUNKS + j);
        }
    }
    return broken;
}
