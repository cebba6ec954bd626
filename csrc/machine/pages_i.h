/* machine/pages_i.h: the parts the page allocator's files share.
 *
 *     map        runs as given, in address order            run 0      run 1 | run 2 (other node)      run 3
 *     segment    pages one block may lie in                 segment 0  segment 1 | segment 2           segment 3
 *                (touching runs of two nodes form one segment only with allow_cross_node)
 *     mid        512 chunks, 2^25 pages (128 GiB)           NULL until a page of it is taken
 *     chunk      32 groups, 2^16 pages (256 MiB)            NULL until a page of it is taken
 *     group      32 words, 2048 pages (8 MiB)
 *     word       64 pages, one bit each, 1 = busy
 *
 * A segment counts its pages from `base`, its first page rounded down to a chunk, so that a page's place in its word and
 * its group says how it is aligned. Pages of the first and last chunk outside the segment are busy for ever.
 *
 * Each mid, chunk and group has a summary: free pages at its low end, longest free run inside, free pages at its high end.
 * Taking and giving only mark the summaries on the way up as stale; a search refreshes those it reads. So a change costs O(1)
 * whatever the size of the map, and a search skips every unit that cannot hold what it looks for.
 *
 * Invariants
 *   1. bit = 1 for every page that is not free RAM of the segment
 *   2. a summary that is not stale is exact; if a unit is stale so are all above it
 *   3. free counts of chunk, mid and whole are exact at all times
 *   4. where mid or chunk is NULL all its pages inside the segment are free, and its summary says so
 * Nothing here depends on history but the bits, the RANDOM generator and the last block given: a restored map places as before. */
#ifndef SS_PAGES_I_H
#define SS_PAGES_I_H

#include "machine/bits.h"
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
#define SS_CHUNK_GROUPS 32u
#define SS_CHUNK_WORDS 1024u
#define SS_MID_CHUNKS 512u

typedef struct ss_summary {
    uint32_t head;    /* free pages at the low end; the unit's size when all are free */
    uint32_t longest; /* longest free run inside the unit */
    uint32_t tail;    /* free pages at the high end */
} ss_summary_t;

typedef struct ss_chunk {
    uint64_t busy[SS_CHUNK_WORDS];
    ss_summary_t groups[SS_CHUNK_GROUPS];
    uint32_t stale; /* bit g: groups[g] is stale */
} ss_chunk_t;

typedef struct ss_chunk_ref {
    ss_chunk_t *chunk;
    ss_summary_t summary;
    uint32_t free;
    bool stale;
} ss_chunk_ref_t;

typedef struct ss_mid {
    uint32_t count; /* chunks in it: 512, fewer at the end of the segment */
    ss_chunk_ref_t chunks[];
} ss_mid_t;

typedef struct ss_mid_ref {
    ss_mid_t *mid;
    ss_summary_t summary;
    uint32_t free;
    bool stale;
} ss_mid_ref_t;

typedef struct ss_segment {
    uint64_t first, pages; /* pfns */
    uint64_t base;         /* pfn of bit 0 */
    uint64_t head, end;    /* first - base, first + pages - base */
    ss_mid_ref_t *mids;
    uint32_t mid_count;
} ss_segment_t;

typedef struct ss_map_run {
    uint64_t first, pages;
    uint32_t node, segment;
} ss_map_run_t;

struct ss_pages {
    ss_host_t *host;
    storsim_placement_t placement;
    ss_segment_t *segments; /* in address order */
    ss_map_run_t *runs;     /* in address order */
    uint32_t *by_node;      /* indices into runs: node 0's in address order, then node 1's, … */
    uint32_t *node_first;   /* node_count + 1 indices into by_node */
    uint32_t segment_count, run_count, node_count;
    uint64_t total, free;   /* pages */
    /* what placement remembers */
    ss_rng_t rng;                    /* RANDOM */
    uint64_t last_first, last_pages; /* ADVERSARIAL: the last block given by take; pages 0 = none yet */
};

/* --- pages_bitmap.c: bits, counts, summaries. Offsets count from the segment's base. --------------------------------- */

storsim_status_t ss_segment_init(ss_host_t *host, ss_segment_t *segment, uint64_t first, uint64_t pages);
void ss_segment_release(ss_host_t *host, ss_segment_t *segment);
/* Creates the mids and chunks of [offset, offset + count). NO_MEMORY: those without busy pages there are gone again. */
storsim_status_t ss_segment_reserve(ss_host_t *host, ss_segment_t *segment, uint64_t offset, uint64_t count);
void ss_segment_mark(ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy); /* reserved before */
bool ss_segment_all(const ss_segment_t *segment, uint64_t offset, uint64_t count, bool busy);
uint64_t ss_segment_count_free(const ss_segment_t *segment, uint64_t offset, uint64_t end);
const ss_summary_t *ss_group_summary(ss_chunk_t *chunk, uint32_t group);
const ss_summary_t *ss_chunk_summary(ss_chunk_ref_t *ref);
const ss_summary_t *ss_mid_summary(ss_mid_ref_t *ref);

/* --- pages_search.c: free runs ----------------------------------------------------------------------------------------- */

/* The lowest (highest) run of at least `length` free pages inside [low, high), as long as it is in there: *start, *end.
 * low >= head, high <= end of the segment, length >= 1. Complexity: units on the way, 32 to 512 per level. */
bool ss_first_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start, uint64_t *end);
bool ss_last_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start, uint64_t *end);

/* --- pages_place.c: where a request goes -------------------------------------------------------------------------------- */

/* What placement remembers after a grant; committed by the caller when nothing can fail any more. */
typedef struct ss_placed {
    uint64_t first_pfn;
    uint32_t segment;
    ss_rng_t rng;
} ss_placed_t;
bool ss_pages_place(const ss_pages_t *pages, const ss_page_request_t *request, ss_placed_t *placed);

/* --- pages_query.c ----------------------------------------------------------------------------------------------------- */

/* Index of the segment that contains the page, else of the first one above it; segment_count when there is none. */
uint32_t ss_pages_segment_at(const ss_pages_t *pages, uint64_t pfn);
/* Likewise for runs of the map. */
uint32_t ss_pages_run_at(const ss_pages_t *pages, uint64_t pfn);

static inline uint64_t ss_min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t ss_max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

#endif
