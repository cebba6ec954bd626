/* machine/pages_i.h: the parts the page allocator's files share.
 *
 *     map        runs as given, in address order            run 0      run 1 | run 2 (other node)      run 3
 *     segment    pages one block may lie in                 segment 0  segment 1 | segment 2           segment 3
 *                (touching runs of two nodes form one segment only with allow_cross_node)
 *     mid        16 blocks, 2^25 pages (128 GiB)            NULL until a page of it is taken
 *     block      32 chunks, 2^21 pages (8 GiB)
 *     chunk      32 groups, 2^16 pages (256 MiB)            NULL until a page of it is taken, and shared by those that
 *                                                           one block covers altogether: so a block of 1 TiB costs 4096
 *                                                           pointers
 *     group      32 words, 2048 pages (8 MiB)
 *     word       64 pages, one bit each, 1 = busy
 *
 * A segment counts its pages from `base`, its first page rounded down to a chunk, so that a page's place in its word
 * and its group says how it is aligned. Pages of the first and last chunk outside the segment are busy for ever.
 *
 * Two records say where free pages are, besides the bits; all promises in them are kept by changes in O(1) and made
 * sharper by the searches that read them:
 *
 *   bounds     of each word, group, chunk, block and mid, one byte: no stretch of more free pages than that (counted up
 *              to 64) starts inside. Taking may leave them too high, a visit in vain lowers them, giving raises them. They
 *              serve TOP_DOWN requests of up to 64 pages: 32 bounds are compared at once. And by length the mid above
 *              which no such stretch starts (top); and the highest block, as long as it has had what was asked for (start).
 *   open words one bit per word whose pages are all free, so that the sixteen of a chunk show its long runs; one bit
 *              per eight of them, for the longest (wide); and per chunk the length that none of its runs exceeds, as far
 *              as searches have found out (longest).
 *
 * Bounds know nothing of alignment and boundary. What a search for one of those classes found out in vain is
 * remembered: for each segment and some lengths a front, the word above which no legal place of the class starts, and
 * below it memos of groups and chunks.
 *
 * Invariants
 *   1. bit = 1 for every page that is not free RAM of the segment
 *   2. a word's bit among the open words is 1 exactly if all its pages are free, that of eight if all theirs are
 *   3. no bound, top, longest, front or memo denies a stretch or place that exists; start is the highest block or NULL
 *   4. where mid or chunk is NULL all its pages inside the segment are free; nothing is written to the full chunk
 *   5. a chunk's last word is a copy of the word above it, the first of the next chunk
 *   6. what is remembered of chunks that were given to (recent) are chunks of a segment, none of them the full one
 * Nothing here depends on history but the bits, the RANDOM generator and the last block given: bounds, fronts and memos
 * only shorten searches, so a restored map places as before. */
#ifndef SS_PAGES_I_H
#define SS_PAGES_I_H

#include "machine/bits.h"
#include "machine/bytes32.h"
#include "machine/pages.h"
#include "machine/rng.h"

#define SS_WORD_SHIFT 6
#define SS_GROUP_SHIFT 11
#define SS_CHUNK_SHIFT 16
#define SS_MID_SHIFT 25
#define SS_GROUP_PAGES (UINT64_C(1) << SS_GROUP_SHIFT)
#define SS_CHUNK_PAGES (UINT64_C(1) << SS_CHUNK_SHIFT)
#define SS_MID_PAGES (UINT64_C(1) << SS_MID_SHIFT)
#define SS_GROUP_WORDS 32u
#define SS_CHUNK_GROUPS (1u << (SS_CHUNK_SHIFT - SS_GROUP_SHIFT))
#define SS_CHUNK_WORDS (1u << (SS_CHUNK_SHIFT - SS_WORD_SHIFT))
#define SS_BLOCK_CHUNKS 32u
#define SS_MID_CHUNKS (1u << (SS_MID_SHIFT - SS_CHUNK_SHIFT))
#define SS_SMALL 64u   /* longest request served by bounds */
#define SS_CLASSES 18u /* alignment 2 … 512 pages, boundary 2 … 512 pages */
#define SS_ALIGNMENTS 9u
#define SS_LENGTHS 8u /* kinds of lengths that fronts tell apart: from 1, 2, 3, 4, 6, 8, 16, 32 pages on */
#define SS_CLASS_NONE SS_CLASSES
#define SS_COLUMNS 16u /* what frees tell a front: one number for all boundaries, one for each alignment; the rest is unused */

/* For class c, if bit c of valid: no legal start for least[c] pages or more in words >= limit[c], save those touched. */
typedef struct ss_group_memo {
    uint32_t valid;
    uint32_t touches; /* since a search came by */
    uint32_t touched[SS_ALIGNMENTS + 1]; /* per alignment, and for all boundaries. Bit i: a free in or just above word i */
    uint8_t least[SS_CLASSES], limit[SS_CLASSES];
} ss_group_memo_t;

/* What every change looks at is one line of the cache; 32 bounds never cross one, because chunks are aligned to 64 bytes. */
typedef struct ss_chunk {
    uint8_t group_bound[32];
    uint64_t first;         /* pfn of the segment's first page in it; */
    uint16_t last;          /* its last there, counted from the first */
    uint16_t chunks_above;  /* places above its own in the block */
    uint32_t free;          /* pages */
    struct ss_block *block; /* it is in */
    struct ss_front *front; /* of the segment */
    uint8_t bound[SS_CHUNK_WORDS];
    uint64_t busy[SS_CHUNK_WORDS + 1]; /* the last is a copy of the word above, which is another chunk's */
    uint64_t open[(SS_CHUNK_WORDS + 63) / 64];  /* bit i: word i is open */
    uint64_t wide[(SS_CHUNK_WORDS + 511) / 512]; /* bit i: words 8 i … 8 i + 7 are */
    void *memory;           /* what to release */
    uint32_t longest;       /* no run inside the chunk is longer, unless it is 64 pages or shorter */
    uint32_t memo_valid;    /* bit c: no legal start of class c for memo_least[c] pages or more in the chunk */
    uint32_t memo_groups;   /* bit g: group g has a memo */
    uint8_t memo_least[SS_CLASSES];
    ss_group_memo_t memos[SS_CHUNK_GROUPS];
} ss_chunk_t;

/* Five lines of the cache. */
typedef struct ss_block {
    uint8_t bound[SS_BLOCK_CHUNKS]; /* of each chunk */
    struct ss_mid *mid;             /* it is in, */
    uint32_t place;                 /* … and where there */
    uint8_t unused[20];             /* so that the bounds of none cross a line */
    ss_chunk_t *chunks[SS_BLOCK_CHUNKS];
} ss_block_t;

typedef struct ss_mid {
    uint8_t bound[32];      /* of each block; 0 behind the last */
    struct ss_mid_ref *ref; /* the segment's */
    ss_block_t *blocks;
    void *memory;           /* what to release */
    uint32_t count;         /* chunks in it: 512, fewer at the end of the segment */
} ss_mid_t;

typedef struct ss_mid_ref {
    ss_mid_t *mid;
    uint8_t bound;
} ss_mid_ref_t;

/* A position is a word + 1 and means "in this word or below"; 0 = nowhere. */
typedef struct ss_front {
    struct ss_segment *segment;
    ss_block_t *start;           /* the segment's highest block, as long as searches begin there without asking its mid; or NULL */
    ss_mid_t *top[SS_SMALL + 1]; /* by length: in no mid above this one such a stretch starts; NULL = not known */
    uint32_t limit[SS_CLASSES + 1][SS_LENGTHS]; /* where the highest legal start for lengths of the row's kind may be; no class: anywhere */
    uint32_t touched[SS_COLUMNS];               /* … or where a free was since: highest positions */
    uint32_t classes;                       /* bit c: a limit or memo of the class is in use, so frees have to tell */
} ss_front_t;

typedef struct ss_segment {
    uint64_t first, pages; /* pfns */
    uint64_t base;         /* pfn of bit 0 */
    uint64_t head, end;    /* first - base, first + pages - base */
    ss_mid_ref_t *mids;
    ss_front_t *front; /* NULL until a page of the segment is taken */
    ss_chunk_t *full;  /* all busy: in place of each chunk that lies inside one block and had no other; NULL: none yet */
    uint32_t mid_count;
} ss_segment_t;

typedef struct ss_map_run {
    uint64_t first, pages;
    uint32_t node, segment;
} ss_map_run_t;

/* A run and its segment, as a search for a node wants them. */
typedef struct ss_site {
    uint64_t first, last; /* pfns of the run, inclusive */
    ss_segment_t *segment;
    ss_front_t *front; /* the segment's */
} ss_site_t;

#define SS_PLACES 256u /* equal parts of the address space that say which segment to look at first */
#define SS_RECENT 256u /* chunks that a give finds by the page alone */

struct ss_pages {
    ss_host_t *host;
    storsim_placement_t placement;
    ss_segment_t *segments; /* in address order */
    ss_map_run_t *runs;     /* in address order */
    uint32_t *by_node;      /* indices into runs: node 0's in address order, then node 1's, … */
    ss_site_t *sites;       /* the same runs in the same order */
    uint64_t *segment_ends; /* pfn after each segment, then UINT64_MAX */
    uint32_t *node_first;   /* node_count + 1 indices into by_node and sites */
    const ss_site_t *lowest[STORSIM_MAX_NODES + 1]; /* each node's lowest site, then the end */
    const ss_site_t *tops[STORSIM_MAX_NODES];       /* TOP_DOWN: each node's highest site, once it has a front and if it is all of its
                                                       segment */
    uint16_t places[SS_PLACES];                     /* first segment that ends above pfn i << place_shift */
    uint32_t place_shift;
    uint32_t segment_count, run_count, node_count;
    uint64_t total, free; /* pages */
    ss_chunk_t *recent[SS_RECENT]; /* by number of the chunk: one that was given to before, not a full one; NULL = none */
    uint64_t
        longest_enough[64]; /* by log2 of the target: shortest extent take_longest used the last time; a guess only */
    /* what placement remembers */
    ss_rng_t rng;                    /* RANDOM */
    uint64_t last_first, last_pages; /* ADVERSARIAL: the last block given by take; pages 0 = none yet */
};

/* --- pages_bitmap.c: bits and counts. Offsets count from the segment's base. -------------------------------------- */

storsim_status_t ss_segment_init(ss_host_t *host, ss_segment_t *segment, uint64_t first, uint64_t pages);
void ss_segment_release(ss_host_t *host, ss_segment_t *segment);
/* Creates the mids and chunks of [offset, offset + count), for a block that is given as a whole only those that it does not
 * cover altogether. NO_MEMORY: those without busy pages there are gone again. */
storsim_status_t ss_segment_reserve(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t count, bool block);
/* Takes pages that were reserved before, gives pages that were taken; of a block all together. */
void ss_segment_take(ss_segment_t *segment, uint64_t offset, uint64_t count);
void ss_segment_give(ss_segment_t *segment, uint64_t offset, uint64_t count);
bool ss_segment_all(const ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy);
/* The first word of the chunk at this offset has changed: copies it to the chunk below. */
void ss_segment_mirror(const ss_segment_t *segment, uint64_t offset);
uint64_t ss_segment_count_free(const ss_segment_t *segment, uint64_t offset, uint64_t end);

/* --- pages_search.c: free runs --------------------------------------------------------------------------------------
 */

/* The lowest (highest) run of at least `length` free pages inside [low, high), as long as it is in there: *start, *end.
 * low >= head, high <= end of the segment, length >= 1. Complexity: chunks on the way, and in those that may hold it groups (up
 * to 126 pages) or open runs. */
bool ss_first_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                  uint64_t *end);
bool ss_last_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                 uint64_t *end);

/* --- pages_small.c: the highest place for up to 64 pages ------------------------------------------------------------
 */

/* A request as masks over the 64 starts of a word. */
typedef struct ss_fit {
    uint32_t length;       /* 1 … SS_SMALL */
    uint8_t class_index;   /* for fronts and memos, or SS_CLASS_NONE */
    uint8_t kind;          /* of lengths: the last that does not begin above this one */
    bool constrained;      /* by alignment or boundary */
    uint32_t lanes;        /* of 32 words (a group): those that may hold a start, as far as alignment goes */
    uint64_t pattern;      /* legal starts in a word that may hold one and is not the last of a window */
    uint64_t align_words;  /* a word may hold a start only if these bits of its number are 0 */
    uint64_t window_words; /* … it is the last of a window if these bits of the next one's number are 0 */
    uint64_t last_pattern; /* legal starts there */
} ss_fit_t;

void ss_fit_of(const ss_page_request_t *request, ss_fit_t *fit);
/* Highest legal start in [low, high] (offsets of first pages, inside the segment), or false. high + length <= end. */
bool ss_small_highest(const ss_segment_t *segment, const ss_fit_t *fit, uint64_t low, uint64_t high, uint64_t *start);
/* Raises bounds and drops memos for the pages [offset, offset + count), just freed. */
void ss_small_freed(ss_segment_t *segment, uint64_t offset, uint64_t count);
/* Broken promises of bounds, fronts and memos. */
size_t ss_small_check(const ss_segment_t *segment);

/* --- pages.c: what pages_fast.c has no short way for
 * ------------------------------------------------------------------ */

/* ss_segment_reserve; forgets chunks it may have released. */
storsim_status_t ss_pages_reserve(ss_pages_t *pages, ss_segment_t *segment, uint64_t offset, uint64_t count, bool block);
/* ss_pages_take for any valid request, ss_pages_give for any pages. */
storsim_status_t ss_pages_take_any(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn);
void ss_pages_give_parts(ss_pages_t *pages, uint64_t first_pfn, uint64_t count);

/* --- pages_place.c: where a request goes ----------------------------------------------------------------------------
 */

/* What placement remembers after a grant; committed by the caller when nothing can fail any more. */
typedef struct ss_placed {
    uint64_t first_pfn;
    uint32_t segment;
    ss_rng_t rng;
} ss_placed_t;
bool ss_pages_place(const ss_pages_t *pages, const ss_page_request_t *request, ss_placed_t *placed);

/* --- pages_query.c --------------------------------------------------------------------------------------------------
 */

/* Index of the segment that contains the page, else of the first one above it; segment_count when there is none. */
static inline uint32_t ss_pages_segment_at(const ss_pages_t *pages, uint64_t pfn) {
    uint64_t place = pfn >> pages->place_shift;
    if (place >= SS_PLACES) {
        return pages->segment_count;
    }
    uint32_t at = pages->places[place];
    while (pages->segment_ends[at] <= pfn) {
        at++;
    }
    return at;
}
/* Likewise for runs of the map. */
uint32_t ss_pages_run_at(const ss_pages_t *pages, uint64_t pfn);

static inline uint64_t ss_min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
static inline uint64_t ss_max_u64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* open[i] has changed. */
static inline void ss_chunk_widen(ss_chunk_t *chunk, uint32_t i) {
    uint64_t all = chunk->open[i] & chunk->open[i] >> 1, *wide = &chunk->wide[i / 8];
    all &= all >> 2;
    all = (all & all >> 4) & UINT64_C(0x0101010101010101);
    all = all * UINT64_C(0x0102040810204080) >> 56; /* bit 0 of each byte */
    *wide = (*wide & ~(UINT64_C(0xFF) << 8 * (i % 8))) | all << 8 * (i % 8);
}

/* pfn of bit 0 */
static inline uint64_t ss_chunk_base(const ss_chunk_t *chunk) {
    return chunk->first & ~(SS_CHUNK_PAGES - 1);
}

/* Where a mid has a chunk, counted from the segment's base. */
static inline ss_chunk_t **ss_chunk_slot(const ss_mid_t *mid, uint64_t chunk) {
    return &mid->blocks[chunk % SS_MID_CHUNKS / SS_BLOCK_CHUNKS].chunks[chunk % SS_BLOCK_CHUNKS];
}

static inline ss_chunk_t *ss_chunk_at(const ss_segment_t *segment, uint64_t chunk) {
    const ss_mid_t *mid = segment->mids[chunk / SS_MID_CHUNKS].mid;
    return mid == NULL ? NULL : *ss_chunk_slot(mid, chunk);
}

#endif
