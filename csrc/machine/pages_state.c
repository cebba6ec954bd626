/* machine/pages_state.c: snapshot, restore and digest of the page allocator, and its self-check. */
#include "machine/pages_i.h"

#include <string.h>

/* The first run of busy RAM at or above (*segment, *offset); moves both past it. Runs end at the end of a segment. */
static bool next_busy(const ss_pages_t *pages, uint32_t *segment, uint64_t *offset, uint64_t *first, uint64_t *count) {
    for (; *segment < pages->segment_count; (*segment)++, *offset = 0) {
        const ss_segment_t *in = &pages->segments[*segment];
        uint64_t at = ss_max_u64(*offset, in->head), start, end;
        while (at < in->end) {
            if (!ss_first_run(in, at, in->end, 1, &start, &end)) {
                start = end = in->end;
            }
            if (start > at) {
                *first = in->base + at;
                *count = start - at;
                *offset = end;
                return true;
            }
            at = end;
        }
    }
    return false;
}

static void load_runs(ss_pages_t *pages, ss_codec_t *codec, uint64_t runs) {
    uint64_t next = 0;
    for (uint64_t i = 0; i < runs; i++) { /* as many as were counted are there */
        uint64_t first = 0, count = 0;
        ss_codec_u64(codec, &first);
        ss_codec_u64(codec, &count);
        if (first < next || count == 0 || count > pages->total) {
            ss_codec_fail(codec, STORSIM_FORMAT);
            return;
        }
        next = first + count;
        storsim_status_t status = ss_pages_take_at(pages, first, count);
        if (status != STORSIM_OK) {
            ss_codec_fail(codec, status == STORSIM_NO_MEMORY ? STORSIM_NO_MEMORY : STORSIM_FORMAT);
            return;
        }
    }
}

void ss_pages_walk(ss_pages_t *pages, ss_codec_t *codec) {
    uint64_t runs = 0, offset = 0, first = 0, count = 0;
    uint32_t segment = 0;
    while (!ss_codec_loading(codec) && next_busy(pages, &segment, &offset, &first, &count)) {
        runs++;
    }
    ss_codec_mark(codec, UINT32_C(0x50474553)); /* "PGES" */
    ss_codec_count(codec, &runs, 16, pages->total);
    if (ss_codec_loading(codec)) {
        load_runs(pages, codec, runs);
    } else {
        segment = 0;
        offset = 0;
        while (ss_codec_ok(codec) && next_busy(pages, &segment, &offset, &first, &count)) {
            ss_codec_u64(codec, &first);
            ss_codec_u64(codec, &count);
        }
    }
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &pages->rng.state);
        ss_codec_u64(codec, &pages->last_first);
        ss_codec_u64(codec, &pages->last_pages);
    }
}

/* --- self-check
 * ------------------------------------------------------------------------------------------------------------ */

/* A chunk against its bits. *free receives its free pages. */
static size_t check_chunk(const ss_segment_t *segment, const ss_chunk_t *chunk, uint64_t start, uint64_t *free) {
    uint64_t low = ss_max_u64(start, segment->head), high = ss_min_u64(start + SS_CHUNK_PAGES, segment->end), run = 0;
    size_t broken = 0;
    if (chunk == NULL) {
        *free = high - low;
        return 0;
    }
    *free = 0;
    for (uint64_t word = 0; word < SS_CHUNK_WORDS; word++) {
        uint64_t first = start + (word << SS_WORD_SHIFT), outside = ~UINT64_C(0), busy = chunk->busy[word];
        if (first < high && first + 64 > low) {
            outside = first < low ? ss_low_mask((uint32_t)(low - first)) : 0;
            outside |= first + 64 > high ? ~ss_low_mask((uint32_t)(high - first)) : 0;
        }
        broken += ss_ones(~busy & outside);
        *free += ss_ones(~busy);
        run += ss_low_zeros(busy); /* a run that counts here is longer than a word */
        broken += run > chunk->longest && run > SS_SMALL;
        run = busy == 0 ? run : ss_high_zeros(busy);
        broken += (chunk->open[word / 64] >> word % 64 & 1) != (busy == 0);
        broken += (chunk->wide[word / 512] >> word / 8 % 64 & 1) != ((chunk->open[word / 64] >> (word & 56) & 0xFF) == 0xFF);
    }
    return broken + (*free != chunk->free);
}

static size_t check_mid(const ss_segment_t *segment, const ss_mid_t *mid, uint64_t start, uint64_t *free) {
    size_t broken = 0;
    *free = 0;
    if (mid == NULL) {
        *free = ss_min_u64(start + SS_MID_PAGES, segment->end) - ss_max_u64(start, segment->head);
    }
    for (uint32_t i = 0; mid != NULL && i < mid->count; i++) {
        uint64_t part = 0;
        broken += check_chunk(segment, *ss_chunk_slot(mid, i), start + ((uint64_t)i << SS_CHUNK_SHIFT), &part);
        *free += part;
    }
    return broken;
}

/* What a give finds without a search is what it would find with one. */
static size_t check_recent(const ss_pages_t *pages) {
    size_t broken = 0;
    for (uint32_t i = 0; i < SS_RECENT; i++) {
        const ss_chunk_t *chunk = pages->recent[i];
        if (chunk != NULL) {
            const ss_segment_t *segment = &pages->segments[ss_pages_segment_at(pages, chunk->first)];
            uint64_t index = (chunk->first - segment->base) >> SS_CHUNK_SHIFT;
            broken += (chunk->first >> SS_CHUNK_SHIFT) % SS_RECENT != i || ss_chunk_at(segment, index) != chunk || chunk == segment->full;
        }
    }
    return broken;
}

size_t ss_pages_check(const ss_pages_t *pages) {
    uint64_t free = 0, total = 0;
    size_t broken = 0;
    for (uint32_t i = 0; i < pages->segment_count; i++) {
        const ss_segment_t *segment = &pages->segments[i];
        total += segment->pages;
        broken += ss_small_check(segment);
        for (uint32_t j = 0; j < segment->mid_count; j++) {
            uint64_t part = 0;
            broken += check_mid(segment, segment->mids[j].mid, (uint64_t)j << SS_MID_SHIFT, &part);
            free += part;
        }
    }
    return broken + check_recent(pages) + (free != pages->free) + (total != pages->total);
}
