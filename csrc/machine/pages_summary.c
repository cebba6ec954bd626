/* machine/pages_summary.c: what is free in a group, chunk or mid, joined from the words up. See pages_i.h. */
#include "machine/pages_i.h"

ss_summary_t ss_summary_untouched(const ss_segment_t *segment, uint64_t start, uint64_t size) {
    uint64_t low = ss_max_u64(start, segment->head), high = ss_min_u64(start + size, segment->end);
    uint32_t length = high > low ? (uint32_t)(high - low) : 0;
    ss_summary_t summary = {low == start ? length : 0, length, high == start + size ? length : 0};
    return summary;
}

/* Joins units from low to high. */
typedef struct joiner {
    ss_summary_t summary;
    uint32_t run; /* free pages just below */
    bool open;    /* no busy page yet: the run is the head */
} joiner_t;

static inline void join(joiner_t *joiner, const ss_summary_t *unit, uint32_t size) {
    joiner->run += unit->head;
    if (unit->head == size) {
        return;
    }
    if (joiner->open) {
        joiner->summary.head = joiner->run;
        joiner->open = false;
    }
    uint32_t longest = joiner->run > unit->longest ? joiner->run : unit->longest;
    joiner->summary.longest = joiner->summary.longest > longest ? joiner->summary.longest : longest;
    joiner->run = unit->tail;
}

static inline ss_summary_t joined(const joiner_t *joiner) {
    ss_summary_t summary = joiner->summary;
    summary.head = joiner->open ? joiner->run : summary.head;
    summary.longest = summary.longest > joiner->run ? summary.longest : joiner->run;
    summary.tail = joiner->run;
    return summary;
}

/* Longest run of ones that touches neither end need not be told apart from one that does. */
static inline uint32_t longest_in_word(uint64_t free, uint32_t at_least) {
    uint64_t left = free;
    for (uint32_t i = 0; i < at_least && left != 0; i++) {
        left &= left >> 1;
    }
    uint32_t longest = left != 0 ? at_least : 0;
    for (; left != 0; left &= left >> 1) {
        longest++;
    }
    return longest;
}

void ss_group_refresh(ss_chunk_t *chunk, uint32_t group) {
    ss_summary_t *summary = &chunk->groups[group];
    chunk->stale &= ~(UINT32_C(1) << group);
    const uint64_t *words = &chunk->busy[group * SS_GROUP_WORDS];
    uint32_t run = 0, longest = 0, head = (uint32_t)SS_GROUP_PAGES;
    for (uint32_t i = 0; i < SS_GROUP_WORDS; i++) {
        uint64_t busy = words[i];
        if (busy == 0) {
            run += 64;
            continue;
        }
        run += ss_low_zeros(busy);
        head = head == SS_GROUP_PAGES ? run : head; /* the first busy page */
        longest = longest > run ? longest : run;
        if (busy != ~UINT64_C(0) && longest < 64) {
            uint32_t inside = longest_in_word(~busy, longest);
            longest = longest > inside ? longest : inside;
        }
        run = ss_high_zeros(busy);
    }
    summary->head = head < SS_GROUP_PAGES ? head : run;
    summary->longest = longest > run ? longest : run;
    summary->tail = run;
}

const ss_summary_t *ss_chunk_summary(ss_chunk_ref_t *ref) {
    if (ref->stale) {
        ref->stale = false;
        joiner_t joiner = {{0, 0, 0}, 0, true};
        for (uint32_t i = 0; i < SS_CHUNK_GROUPS; i++) {
            join(&joiner, ss_group_summary(ref->chunk, i), (uint32_t)SS_GROUP_PAGES);
        }
        ref->summary = joined(&joiner);
    }
    return &ref->summary;
}

const ss_summary_t *ss_mid_summary(ss_mid_ref_t *ref) {
    if (ref->stale) {
        ref->stale = false;
        joiner_t joiner = {{0, 0, 0}, 0, true};
        for (uint32_t i = 0; i < ref->mid->count; i++) {
            join(&joiner, ss_chunk_summary(&ref->mid->chunks[i]), (uint32_t)SS_CHUNK_PAGES);
        }
        ref->summary = joined(&joiner);
        if (ref->mid->count < SS_MID_CHUNKS) {
            ref->summary.tail = 0; /* the unit goes on past the segment's end */
        }
    }
    return &ref->summary;
}
