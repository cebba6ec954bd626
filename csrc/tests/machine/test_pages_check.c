/* The self-check of the page allocator notices every promise that does not hold: an allocator in use is sound, one
 * number in it is made wrong, the check tells, and with the number put right it is silent again. */
#include "../check.h"
#include "machine/pages.h"
#include "machine/pages_i.h"

#include <string.h>

#define FIRST UINT64_C(0x40)
#define PAGES (SS_CHUNK_PAGES * SS_BLOCK_CHUNKS * 2 + 5000) /* three blocks; the last ends inside a chunk */

static ss_host_t host;
static ss_pages_t *pages;

/* What lies at the place is wrong for a moment; `what` names it. */
static void broken(void *place, const void *wrong, size_t size, const char *what) {
    uint8_t was[sizeof(uint64_t)];
    CHECK(size <= sizeof was && memcmp(place, wrong, size) != 0);
    CHECK_EQ(ss_pages_check(pages), 0);
    memcpy(was, place, size);
    memcpy(place, wrong, size);
    if (ss_pages_check(pages) == 0) {
        fprintf(stderr, "not noticed: %s\n", what);
        exit(1);
    }
    memcpy(place, was, size);
    CHECK_EQ(ss_pages_check(pages), 0);
}

#define BROKEN(type, place, value)                             \
    do {                                                       \
        type wrong_ = (type)(value);                           \
        broken(&(place), &wrong_, sizeof wrong_, #place);      \
    } while (0)

static uint64_t take(uint64_t count, uint64_t align, uint64_t boundary) {
    ss_page_request_t request = {count, 0, UINT64_MAX, align, boundary, NULL, 0};
    uint64_t first = 0;
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    return first;
}

/* Single pages, blocks of every alignment and boundary, a part of them given back, at the top and in the lowest
 * block. */
static void use(void) {
    storsim_memory_run_t run = {FIRST, PAGES, 0};
    uint64_t kept[60];
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 0, &pages), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, FIRST + 3, 2), STORSIM_OK);
    for (uint32_t i = 0; i < 60; i++) {
        kept[i] = take(i % 7 + 1, UINT64_C(1) << i % 5, i % 3 == 0 ? 16 : 0);
    }
    for (uint32_t i = 0; i < 60; i += 3) {
        ss_pages_give(pages, kept[i], i % 7 + 1);
    }
    (void)take(5, 8, 0);
    (void)take(2, 1, 4);
    CHECK_EQ(ss_pages_check(pages), 0);
}

static ss_chunk_t *chunk_of(uint64_t pfn) {
    const ss_segment_t *segment = &pages->segments[0];
    ss_chunk_t *chunk = ss_chunk_at(segment, (pfn - segment->base) >> SS_CHUNK_SHIFT);
    CHECK(chunk != NULL && chunk != segment->full);
    return chunk;
}

static void test_bits_and_counts(ss_chunk_t *chunk) {
    uint32_t last = SS_CHUNK_WORDS - 1;
    BROKEN(uint32_t, chunk->free, chunk->free + 1);
    BROKEN(uint64_t, pages->free, pages->free - 1);
    BROKEN(uint64_t, pages->total, pages->total + 1);
    BROKEN(uint32_t, chunk->longest, 0);
    BROKEN(uint64_t, chunk->open[0], chunk->open[0] ^ 2);
    BROKEN(uint64_t, chunk->wide[0], chunk->wide[0] ^ 2);
    BROKEN(uint64_t, chunk->busy[last], chunk->busy[last] ^ 1);
    BROKEN(uint64_t, chunk->busy[SS_CHUNK_WORDS], ~chunk->busy[SS_CHUNK_WORDS]);
}

static void test_bounds(ss_chunk_t *chunk) {
    ss_block_t *block = chunk->block;
    uint32_t place = SS_BLOCK_CHUNKS;
    for (uint32_t i = 0; i < SS_BLOCK_CHUNKS; i++) {
        place = block->chunks[i] == chunk ? i : place;
    }
    CHECK(place < SS_BLOCK_CHUNKS);
    BROKEN(uint8_t, chunk->bound[5], 0);
    BROKEN(uint8_t, chunk->group_bound[0], chunk->bound[5] - 1);
    BROKEN(uint8_t, block->bound[place], 1);
    BROKEN(uint8_t, block->mid->bound[block->place], 1);
    BROKEN(uint8_t, block->mid->ref->bound, 1);
}

/* A front or a memo that says there is no start where there is one, of every class. */
static void test_denials(ss_chunk_t *chunk) {
    ss_front_t *front = chunk->front;
    for (uint32_t c = 0; c < SS_CLASSES; c++) {
        uint32_t kind = c < SS_ALIGNMENTS ? 0 : 1, bit = UINT32_C(1) << c; /* no boundary holds for a single page */
        ss_group_memo_t *memo = &chunk->memos[2];
        uint32_t touched[SS_COLUMNS], group_touched[SS_ALIGNMENTS + 1];
        memcpy(touched, front->touched, sizeof touched);
        memset(front->touched, 0, sizeof front->touched); /* which makes the limits hold only the better */
        BROKEN(uint32_t, front->limit[c][kind], 1);
        BROKEN(uint32_t, front->limit[c][kind], 0);
        memcpy(front->touched, touched, sizeof touched);
        uint8_t least = chunk->memo_least[c], group_least = memo->least[c], limit = memo->limit[c];
        if ((chunk->memo_valid & bit) == 0) {
            chunk->memo_least[c] = 2;
            BROKEN(uint32_t, chunk->memo_valid, chunk->memo_valid | bit);
            chunk->memo_least[c] = least;
        }
        if ((memo->valid & bit) == 0) {
            memcpy(group_touched, memo->touched, sizeof group_touched);
            memset(memo->touched, 0, sizeof memo->touched);
            memo->least[c] = 2;
            memo->limit[c] = 0;
            BROKEN(uint32_t, memo->valid, memo->valid | bit);
            memo->limit[c] = 32; /* nothing is denied below it */
            memo->valid |= bit;
            CHECK_EQ(ss_pages_check(pages), 0);
            memo->valid &= ~bit;
            memo->least[c] = group_least;
            memo->limit[c] = limit;
            memcpy(memo->touched, group_touched, sizeof group_touched);
        }
    }
    BROKEN(ss_block_t *, front->start, chunk_of(FIRST)->block);
}

static void test_recent(ss_chunk_t *chunk) {
    uint32_t place = (uint32_t)((chunk->first >> SS_CHUNK_SHIFT) % SS_RECENT);
    BROKEN(ss_chunk_t *, pages->recent[(place + 1) % SS_RECENT], chunk);
}

int main(void) {
    use();
    ss_chunk_t *top = chunk_of(FIRST + PAGES - 1), *low = chunk_of(FIRST);
    test_bits_and_counts(low);
    test_bounds(low);
    test_denials(low);
    test_recent(top);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
    return CHECK_DONE();
}
