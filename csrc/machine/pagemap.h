/* machine/pagemap.h: sparse map from page number to a 32-bit value (0 = nothing), for who owns a frame or a virtual page.
 *
 * Two levels: a hash of 2 MiB groups (512 pages), each either "all the same value" or a leaf of 512 values; and beside it a short
 * sorted list of spans for what is set 256 MiB or more at a time. Setting n pages costs O(n / 512 + edge pages), for a span O(spans +
 * groups of the hash). Host memory follows what is set, and shrinks with it. */
#ifndef SS_PAGEMAP_H
#define SS_PAGEMAP_H

#include "machine/host.h"

typedef struct ss_pagemap {
    ss_host_t *host;
    struct ss_pagemap_group *groups; /* open addressing, power of two */
    uint32_t capacity, used;
    struct ss_pagemap_span *spans; /* sorted, disjoint */
    uint32_t span_capacity, span_count;
    uint32_t pledged; /* spans that reserved sets may still add, */
    uint64_t pledged_page, pledged_count; /* … the last of them for this range: reserving it again adds nothing */
} ss_pagemap_t;

void ss_pagemap_init(ss_pagemap_t *map, ss_host_t *host);
void ss_pagemap_destroy(ss_pagemap_t *map);
uint32_t ss_pagemap_get(const ss_pagemap_t *map, uint64_t page);
/* Reserves what a later ss_pagemap_set of the same pages needs, so that the set cannot fail. */
storsim_status_t ss_pagemap_reserve(ss_pagemap_t *map, uint64_t page, uint64_t count);
/* Sets count pages to value. Clearing (value 0) exactly what one earlier set covered never fails; NO_MEMORY changes nothing. */
storsim_status_t ss_pagemap_set(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t value);
/* Sets those of count pages that are `from` (non-zero) to `to`. Never fails where one earlier set covered exactly these pages and
 * later ones only overwrote parts of it. O(count / 512 + pages of groups that are not uniform), for a span O(spans + groups). */
void ss_pagemap_replace(ss_pagemap_t *map, uint64_t page, uint64_t count, uint32_t from, uint32_t to);

#endif
