/* machine/pages_search.c: free runs of at least a given length, from below and from above.
 *
 * Both walks carry a stretch of free pages that ends where they stand and take the largest aligned unit next:
 *   all of it free                           the stretch grows over it
 *   stretch + free on this side >= length   found
 *   longest inside >= length                 look at smaller units
 *   otherwise                                jump over it; the stretch is now its far end
 * so a unit that cannot hold the run costs one look at its summary. */
#include "machine/pages_i.h"

typedef enum step { GROW, FOUND, DESCEND, JUMP } step_t;

/* side: the unit's free pages at the end the walk comes from. */
static inline step_t decide(uint32_t side, uint32_t longest, uint64_t unit, uint64_t stretch, uint64_t length) {
    if (side == unit) {
        return GROW;
    }
    if (stretch + side >= length) {
        return FOUND;
    }
    return longest >= length ? DESCEND : JUMP;
}

typedef struct walk {
    const ss_segment_t *segment;
    uint64_t low, high, length;
    uint64_t at;   /* everything passed so far lies on the other side */
    uint64_t edge; /* the stretch lies between at and edge */
} walk_t;

static inline step_t step_down(walk_t *walk, const ss_summary_t *unit, uint64_t size) {
    step_t step = decide(unit->tail, unit->longest, size, walk->edge - walk->at, walk->length);
    if (step == GROW) {
        walk->at -= size;
    } else if (step == FOUND) {
        walk->at -= unit->tail;
    } else if (step == JUMP) {
        walk->at -= size;
        walk->edge = walk->at + unit->head;
    }
    return step;
}

/* Word by word below `at` to the low end of the group: over free pages, then over the busy ones below them, … */
static step_t words_down(walk_t *walk, const ss_chunk_t *chunk) {
    uint64_t stop = ss_max_u64((walk->at - 1) & ~(SS_GROUP_PAGES - 1), walk->low), at = walk->at, edge = walk->edge;
    step_t step = GROW;
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

/* One step down at the largest unit that ends at walk->at. */
static step_t down(walk_t *walk) {
    uint64_t page = walk->at - 1;
    ss_mid_ref_t *mid = &walk->segment->mids[page >> SS_MID_SHIFT];
    if (mid->mid == NULL) {
        walk->at = ss_max_u64(walk->low, page & ~(SS_MID_PAGES - 1));
        return GROW;
    }
    if ((walk->at & (SS_MID_PAGES - 1)) == 0 && walk->at - walk->low >= SS_MID_PAGES) {
        step_t step = step_down(walk, ss_mid_summary(mid), SS_MID_PAGES);
        if (step != DESCEND) {
            return step;
        }
    }
    ss_chunk_ref_t *ref = &mid->mid->chunks[page >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
    if (ref->chunk == NULL) {
        walk->at = ss_max_u64(walk->low, page & ~(SS_CHUNK_PAGES - 1));
        return GROW;
    }
    if ((walk->at & (SS_CHUNK_PAGES - 1)) == 0 && walk->at - walk->low >= SS_CHUNK_PAGES) {
        step_t step = step_down(walk, ss_chunk_summary(ref), SS_CHUNK_PAGES);
        if (step != DESCEND) {
            return step;
        }
    }
    uint64_t bottom = ss_max_u64(page & ~(SS_CHUNK_PAGES - 1), walk->low) + SS_GROUP_PAGES;
    while ((walk->at & (SS_GROUP_PAGES - 1)) == 0 && walk->at >= bottom) {
        uint32_t group = (uint32_t)((walk->at - 1) >> SS_GROUP_SHIFT) & (SS_CHUNK_GROUPS - 1);
        step_t step = step_down(walk, ss_group_summary(ref->chunk, group), SS_GROUP_PAGES);
        if (step == FOUND) {
            return FOUND;
        }
        if (step == DESCEND) {
            break;
        }
        if (walk->at < bottom) {
            return step;
        }
    }
    return words_down(walk, ref->chunk);
}

bool ss_last_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                 uint64_t *end) {
    walk_t walk = {segment, low, high, length, high, high};
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

static inline step_t step_up(walk_t *walk, const ss_summary_t *unit, uint64_t size) {
    step_t step = decide(unit->head, unit->longest, size, walk->at - walk->edge, walk->length);
    if (step == GROW) {
        walk->at += size;
    } else if (step == FOUND) {
        walk->at += unit->head;
    } else if (step == JUMP) {
        walk->at += size;
        walk->edge = walk->at - unit->tail;
    }
    return step;
}

static step_t words_up(walk_t *walk, const ss_chunk_t *chunk) {
    uint64_t stop = ss_min_u64((walk->at | (SS_GROUP_PAGES - 1)) + 1, walk->high), at = walk->at, edge = walk->edge;
    step_t step = GROW;
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

/* One step up at the largest unit that starts at walk->at. */
static step_t up(walk_t *walk) {
    uint64_t page = walk->at;
    ss_mid_ref_t *mid = &walk->segment->mids[page >> SS_MID_SHIFT];
    if (mid->mid == NULL) {
        walk->at = ss_min_u64(walk->high, (page | (SS_MID_PAGES - 1)) + 1);
        return GROW;
    }
    if ((page & (SS_MID_PAGES - 1)) == 0 && walk->high - page >= SS_MID_PAGES) {
        step_t step = step_up(walk, ss_mid_summary(mid), SS_MID_PAGES);
        if (step != DESCEND) {
            return step;
        }
    }
    ss_chunk_ref_t *ref = &mid->mid->chunks[page >> SS_CHUNK_SHIFT & (SS_MID_CHUNKS - 1)];
    if (ref->chunk == NULL) {
        walk->at = ss_min_u64(walk->high, (page | (SS_CHUNK_PAGES - 1)) + 1);
        return GROW;
    }
    if ((page & (SS_CHUNK_PAGES - 1)) == 0 && walk->high - page >= SS_CHUNK_PAGES) {
        step_t step = step_up(walk, ss_chunk_summary(ref), SS_CHUNK_PAGES);
        if (step != DESCEND) {
            return step;
        }
    }
    uint64_t top = ss_min_u64((page | (SS_CHUNK_PAGES - 1)) + 1, walk->high);
    while ((walk->at & (SS_GROUP_PAGES - 1)) == 0 && top - walk->at >= SS_GROUP_PAGES) {
        uint32_t group = (uint32_t)(walk->at >> SS_GROUP_SHIFT) & (SS_CHUNK_GROUPS - 1);
        step_t step = step_up(walk, ss_group_summary(ref->chunk, group), SS_GROUP_PAGES);
        if (step == FOUND) {
            return FOUND;
        }
        if (step == DESCEND) {
            break;
        }
        if (top - walk->at < SS_GROUP_PAGES) {
            return step;
        }
    }
    return words_up(walk, ref->chunk);
}

bool ss_first_run(const ss_segment_t *segment, uint64_t low, uint64_t high, uint64_t length, uint64_t *start,
                  uint64_t *end) {
    walk_t walk = {segment, low, high, length, low, low};
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
