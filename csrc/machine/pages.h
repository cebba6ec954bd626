/* machine/pages.h: the page allocator. Which pages of the map are free, and an exact and complete search among them.
 *
 * It manages numbers only: no byte of simulated memory is touched, and its own record lies outside and grows with what is used.
 * Exact: a granted place satisfies every clause of the request. Complete: a request is refused only if no place exists.
 * Source: spec/storport-memory §4.1, invariants 1, 2, 4 of its §9. */
#ifndef SS_PAGES_H
#define SS_PAGES_H

#include "machine/codec.h"

typedef struct ss_pages ss_pages_t;

typedef struct ss_page_request {
    uint64_t pages;          /* length, >= 1 */
    uint64_t first_min;      /* lowest acceptable first pfn, inclusive */
    uint64_t first_max;      /* highest acceptable first pfn, inclusive (the caller has folded the byte-exact upper limit in) */
    uint64_t align_pages;    /* first pfn is a multiple of it; power of two, 1 = none */
    uint64_t boundary_pages; /* first and last page lie in one window of this size; power of two, 0 = none */
    const uint8_t *nodes;    /* nodes to try, in this order; NULL = every node in number order */
    uint32_t node_count;     /* entries at nodes */
} ss_page_request_t;

/* runs: normalised map (sorted, disjoint, page 0 absent, touching runs of one node joined). random: seed of RANDOM placement.
 * Host memory at creation does not depend on the number of pages, only on runs and nodes (acceptance: 64 TiB and 8 nodes ask for
 * well under 512 KiB). NO_MEMORY, INVALID. */
storsim_status_t ss_pages_create(ss_host_t *host, const storsim_memory_run_t *runs, size_t run_count, uint32_t node_count,
                                 storsim_placement_t placement, bool allow_cross_node, uint64_t seed, ss_pages_t **pages);
void ss_pages_destroy(ss_pages_t *pages);

/* Takes a place. NO_SPACE when none exists; NO_MEMORY when the record could not grow. *first_pfn only on OK. */
storsim_status_t ss_pages_take(ss_pages_t *pages, const ss_page_request_t *request, uint64_t *first_pfn);
/* Gives back exactly what take, take_at or take_longest gave. Cannot fail. Precondition (checked in debug builds): all busy. */
void ss_pages_give(ss_pages_t *pages, uint64_t first_pfn, uint64_t count);
/* Takes these very pages. NO_SPACE if one of them is not free RAM; they may span runs only where no hole lies between. */
storsim_status_t ss_pages_take_at(ss_pages_t *pages, uint64_t first_pfn, uint64_t count);

typedef struct ss_page_extent { uint64_t first_pfn, pages; } ss_page_extent_t;
/* HMB (spec §4.5): collects maximal free runs inside [first_min, last_max] (pfns, inclusive), trimmed to align_pages at their
 * start and cut at cut_pages per extent (the next piece starts at the next multiple of align_pages), and takes the longest
 * first, at most `slots` of them, the last trimmed, until target pages are reached. Ties: by placement (TOP_DOWN: highest first;
 * otherwise lowest first). OK with *count extents in ascending order and *total pages if total >= minimum; else NO_SPACE and
 * nothing taken. Guarantee: fewest extents, and the largest total for the slots given. */
storsim_status_t ss_pages_take_longest(ss_pages_t *pages, uint64_t target, uint64_t minimum, uint64_t first_min, uint64_t last_max,
                                       uint64_t align_pages, uint64_t cut_pages, ss_page_extent_t *extents, uint32_t slots,
                                       uint32_t *count, uint64_t *total);

uint64_t ss_pages_free_count(const ss_pages_t *pages);
/* Free pages with first_min <= pfn <= last_max on a node (STORSIM_NODE_ANY = all). */
uint64_t ss_pages_count_within(const ss_pages_t *pages, uint32_t node, uint64_t first_min, uint64_t last_max);
/* Longest run of free pages inside [first_min, last_max] that crosses no multiple of boundary_pages (0 = none). */
uint64_t ss_pages_longest(const ss_pages_t *pages, uint64_t first_min, uint64_t last_max, uint64_t boundary_pages);
/* First maximal free run that ends above `from`, clipped to start at `from` at the earliest; see storsim_memory_next_free. */
bool ss_pages_next_free(const ss_pages_t *pages, uint64_t from, storsim_memory_run_t *run);
bool ss_pages_is_ram(const ss_pages_t *pages, uint64_t pfn);
bool ss_pages_all_ram(const ss_pages_t *pages, uint64_t first_pfn, uint64_t count); /* O(log runs + runs met) */
bool ss_pages_is_free(const ss_pages_t *pages, uint64_t pfn);
/* Node of a RAM page; STORSIM_NODE_ANY for a hole. */
uint32_t ss_pages_node_of(const ss_pages_t *pages, uint64_t pfn);

/* Canonical state: the busy pages as runs, plus (hidden) what placement remembers. Host-side hints are not part of it, and must
 * not change where a request is placed. In LOAD mode the object is freshly created with the same map. */
void ss_pages_walk(ss_pages_t *pages, ss_codec_t *codec);
/* Number of broken invariants (summaries against bitmap, counts, holes busy). */
size_t ss_pages_check(const ss_pages_t *pages);

#endif
