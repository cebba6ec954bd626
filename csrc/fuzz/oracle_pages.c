/* fuzz/oracle_pages.c: contiguous, DMA and host memory buffer rules, by trying every place. See oracle.h. */
#include "fuzz/oracle.h"

#include <stddef.h>

static expect_t status(uint32_t value) {
    return (expect_t){.status = value};
}

static expect_t stop(uint32_t code, uint64_t p1, uint64_t p2, uint64_t p3, uint64_t p4) {
    return (expect_t){.stops = true, .code = code, .parameters = {p1, p2, p3, p4}};
}

static expect_t with(expect_t expect, const char *violation) {
    expect.violations[expect.violation_count++] = violation;
    return expect;
}

/* --- runs of free pages ---------------------------------------------------------------------------------------------- */

static uint32_t zeros_below(uint64_t word) { /* below the lowest bit that is set; word is not 0 */
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(word);
#else
    uint32_t count = 0;
    for (; (word & 1) == 0; word >>= 1) {
        count++;
    }
    return count;
#endif
}

static uint32_t zeros_above(uint64_t word) { /* above the highest bit that is set; word is not 0 */
#if defined(__GNUC__)
    return (uint32_t)__builtin_clzll(word);
#else
    uint32_t count = 0;
    for (; word >> 63 == 0; word <<= 1) {
        count++;
    }
    return count;
#endif
}

static bool allowed(const contig_call_t *call, uint64_t first, uint64_t pages) {
    if (first * 4096 < call->low || first * 4096 + call->bytes - 1 > call->high) {
        return false;
    }
    return call->boundary == 0 || (first ^ (first + pages - 1)) / (call->boundary / 4096) == 0;
}

/* The highest place in a run of free pages, or UINT64_MAX: every one is tried. */
static uint64_t highest_in(const contig_call_t *call, uint64_t pages, uint64_t start, uint64_t end) {
    for (uint64_t first = end - start >= pages ? end - pages + 1 : start; first > start; first--) {
        if (allowed(call, first - 1, pages)) {
            return first - 1;
        }
    }
    return UINT64_MAX;
}

/* The highest place on one node, or UINT64_MAX: from the top down, run by run. */
static uint64_t highest(const oracle_t *oracle, const contig_call_t *call, uint64_t pages, uint32_t node) {
    uint64_t end = 0, found; /* of the run that goes on downwards; 0: none does */
    for (uint32_t i = oracle->words; i > 0; i--) {
        uint64_t here = oracle->free[i - 1] & oracle->on_node[node][i - 1];
        uint64_t edges = end != 0 ? ~here : here; /* the next page down where a run ends or has ended */
        for (; edges != 0; edges = end != 0 ? ~here : here) {
            uint32_t bit = 63 - zeros_above(edges);
            uint64_t above = (i - 1) * UINT64_C(64) + bit + 1, upper = bit == 63 ? 0 : UINT64_MAX << (bit + 1);
            if (end == 0) {
                end = above;
                here |= upper;
            } else if ((found = highest_in(call, pages, above, end)) != UINT64_MAX) {
                return found;
            } else {
                end = 0;
                here &= ~upper;
            }
        }
    }
    return end != 0 ? highest_in(call, pages, 0, end) : UINT64_MAX;
}

/* The default distances are equal between all foreign nodes, so "others by distance" is by number. */
static uint64_t search(const oracle_t *oracle, const contig_call_t *call, uint64_t pages) {
    uint32_t first_node = call->node < oracle->nodes ? call->node : 0; /* ANY: the caller's node, CPU 0 is on node 0 */
    uint64_t found = highest(oracle, call, pages, first_node);
    bool only = oracle->node_strict && call->node < oracle->nodes && oracle->nodes > 1;
    for (uint32_t node = 0; found == UINT64_MAX && node < oracle->nodes && !only; node++) {
        found = highest(oracle, call, pages, node);
    }
    return found;
}

expect_t oracle_contig_allocate(oracle_t *oracle, kind_t kind, const contig_call_t *call, uint64_t *place) {
    *place = UINT64_MAX;
    if (kind == KIND_DMA && oracle->os < 0x0A000005) {
        return status(ST_NOT_IMPLEMENTED);
    }
    if (oracle->irql > 2) {
        return oracle->level >= LEVEL_VERIFIER ? stop(0xC4, 0xE5, oracle->irql, DONT_CARE, DONT_CARE)
                                               : with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    if (call->no_buffer || call->no_address) {
        return with(status(ST_INVALID_PARAMETER), "NULL_OUTPUT");
    }
    if (call->bytes == 0) {
        return with(status(ST_NO_RESOURCES), "ZERO_LENGTH");
    }
    if (call->boundary != 0 && (call->boundary & (call->boundary - 1)) != 0) {
        return with(status(ST_NO_RESOURCES), "BAD_BOUNDARY");
    }
    if (call->cache < 0 || call->cache > 2) {
        return with(status(ST_NO_RESOURCES), "BAD_CACHE_TYPE");
    }
    if (call->node >= oracle->nodes && call->node != 0x80000000u && oracle->nodes > 1) {
        return with(status(ST_NO_RESOURCES), "BAD_NODE");
    }
    if (call->low > call->high || call->bytes > ORACLE_PAGES * UINT64_C(4096) || (call->boundary != 0 && call->boundary < 4096)) {
        return status(ST_NO_RESOURCES);
    }
    uint64_t pages = (call->bytes + 4095) / 4096;
    if (call->boundary != 0 && pages * 4096 > call->boundary) {
        return status(ST_NO_RESOURCES);
    }
    *place = search(oracle, call, pages);
    return status(*place != UINT64_MAX ? ST_SUCCESS : ST_NO_RESOURCES);
}

/* Rows that name 0xC4/0x16 for strict stop there; below they add a violation to the success. */
static expect_t mismatch(const oracle_t *oracle, expect_t so_far, const char *violation, uint64_t va) {
    return oracle->level == LEVEL_STRICT ? stop(0xC4, 0x16, DONT_CARE, va, 0) : with(so_far, violation);
}

expect_t oracle_contig_free(oracle_t *oracle, kind_t kind, uint32_t adapter, uint64_t va, uint64_t bytes, int cache, uint64_t pa) {
    if (kind == KIND_DMA && oracle->os < 0x0A000005) {
        return status(ST_NOT_IMPLEMENTED);
    }
    if (oracle->irql > 2) {
        return oracle->level >= LEVEL_VERIFIER ? stop(0xC4, 0xE5, oracle->irql, DONT_CARE, DONT_CARE)
                                               : with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    bool checked = oracle->level >= LEVEL_VERIFIER;
    const block_t *block = va != 0 ? oracle_find(oracle, va) : NULL;
    if (va == 0) {
        return checked ? stop(0xC4, 0x16, DONT_CARE, 0, 0) : stop(0xC2, 0x60, 0, 0, 0);
    }
    bool ours = block != NULL && (block->kind == KIND_CONTIGUOUS || block->kind == KIND_DMA);
    if (block != NULL && block->kind == KIND_POOL && block->live) {
        return checked ? stop(0xC4, 0x16, DONT_CARE, DONT_CARE, DONT_CARE) : stop(0xC2, 0x60, va, DONT_CARE, DONT_CARE);
    }
    if (ours && !block->live && block->kind == KIND_DMA && kind == KIND_DMA && checked) {
        expect_t expect = stop(0xE6, 0x03, DONT_CARE, DONT_CARE, DONT_CARE);
        expect.other_code = oracle_remembers(oracle, block) ? 0 : 0xC2; /* freed twice, or never there */
        return expect;
    }
    if (!ours || !block->live) {
        return stop(0xC2, 0x60, va, 0, 0);
    }
    expect_t expect = status(ST_SUCCESS);
    if (block->kind != kind) {
        expect = mismatch(oracle, expect, "WRONG_FREE_ROUTINE", va);
        expect.lenient = true; /* sizes and types of another routine's block are compared or not */
    } else {
        if (block->size != bytes) {
            expect = mismatch(oracle, expect, "SIZE_MISMATCH", va);
        }
        if (!expect.stops && block->cache != cache) {
            expect = mismatch(oracle, expect, "CACHE_MISMATCH", va);
        }
        if (!expect.stops && kind == KIND_DMA && pa != 0 && pa != block->pa) {
            expect = mismatch(oracle, expect, "PA_MISMATCH", va);
        }
    }
    if (expect.stops) {
        return expect;
    }
    if (block->mdls != 0) {
        expect.lenient = true; /* a live MDL over contiguous memory: the tables name the violation for pool only */
    }
    return block->adapter != adapter ? with(expect, "WRONG_ADAPTER") : expect;
}

/* --- HMB ------------------------------------------------------------------------------------------------------------ */

/* The longest so far, longest first: no more of them than the caller has slots. */
typedef struct longest {
    uint32_t lengths[ORACLE_RANGES], count, most;
} longest_t;

static void add_length(longest_t *longest, uint32_t length) {
    uint32_t at = longest->count;
    if (at == longest->most) {
        if (at == 0 || longest->lengths[at - 1] >= length) {
            return;
        }
        at--;
    } else {
        longest->count++;
    }
    for (; at > 0 && longest->lengths[at - 1] < length; at--) {
        longest->lengths[at] = longest->lengths[at - 1];
    }
    longest->lengths[at] = length;
}

/* A run of free pages counts from its first aligned page inside the limits on. */
static void add_run(longest_t *longest, const hmb_call_t *call, uint64_t first, uint64_t end) {
    uint64_t align = call->alignment > 4096 ? call->alignment / 4096 : 1, low = (call->low + 4095) / 4096;
    uint64_t limit = call->high == UINT64_MAX ? ORACLE_PAGES : (call->high + 1) / 4096;
    first = first < low ? low : first;
    first = (first + align - 1) / align * align;
    end = end > limit ? limit : end;
    if (first < end) {
        add_length(longest, (uint32_t)(end - first));
    }
}

/* Runs of free pages of one node. */
static void add_node(longest_t *longest, const oracle_t *oracle, const hmb_call_t *call, uint32_t node) {
    uint64_t first = UINT64_MAX; /* of the run that goes on, if one does */
    for (uint32_t i = 0; i < oracle->words; i++) {
        uint64_t here = oracle->free[i] & oracle->on_node[node][i];
        uint64_t edges = first != UINT64_MAX ? ~here : here; /* the next page where a run begins or ends */
        for (; edges != 0; edges = first != UINT64_MAX ? ~here : here) {
            uint32_t bit = zeros_below(edges);
            if (first == UINT64_MAX) {
                first = i * UINT64_C(64) + bit;
                here |= (UINT64_C(1) << bit) - 1;
            } else {
                add_run(longest, call, first, i * UINT64_C(64) + bit);
                first = UINT64_MAX;
                here &= UINT64_MAX << bit;
            }
        }
    }
    if (first != UINT64_MAX) {
        add_run(longest, call, first, oracle->words * UINT64_C(64));
    }
}

/* Largest free runs first, until there is enough or the slots are used up. */
static uint64_t collect(const oracle_t *oracle, const hmb_call_t *call, uint64_t target, uint32_t *ranges) {
    longest_t longest = {.most = call->slots < ORACLE_RANGES ? call->slots : ORACLE_RANGES};
    for (uint32_t node = 0; node < oracle->nodes; node++) {
        add_node(&longest, oracle, call, node);
    }
    uint64_t total = 0;
    for (*ranges = 0; *ranges < longest.count && total < target; (*ranges)++) {
        uint32_t length = longest.lengths[*ranges];
        total += length < target - total ? length : target - total;
    }
    return total;
}

expect_t oracle_hmb_allocate(oracle_t *oracle, uint32_t adapter, const hmb_call_t *call, uint64_t *pages, uint32_t *ranges) {
    *pages = 0;
    *ranges = 0;
    if (oracle->os < 0x0A000002) {
        return status(ST_NOT_IMPLEMENTED);
    }
    if (oracle->irql > 2) {
        expect_t expect = status(ST_INVALID_IRQL);
        expect.lenient = true;
        return expect;
    }
    bool aligned = (call->preferred | call->minimum) % 4096 == 0;
    bool power = (call->alignment & (call->alignment - 1)) == 0;
    if (call->minimum > call->preferred || !aligned || call->preferred == 0 || call->low > call->high || call->slots == 0 ||
        call->boundary != 0 || !power) {
        return status(ST_INVALID_PARAMETER);
    }
    if (oracle->hmb[adapter].live) {
        return with(status(ST_NO_RESOURCES), "HMB_ALREADY_ALLOCATED");
    }
    uint64_t total = collect(oracle, call, call->preferred / 4096, ranges);
    uint64_t least = call->minimum > 4096 ? call->minimum / 4096 : 1;
    *pages = total;
    expect_t expect = status(total >= least ? ST_SUCCESS : ST_NO_RESOURCES);
    expect.lenient = oracle->irql > 1; /* an advisory above APC */
    return expect;
}

static bool equal_at(const hmb_t *hmb, uint32_t at, uint64_t start, uint32_t length) {
    return hmb->ranges[at].start == start && hmb->ranges[at].length == length;
}

expect_t oracle_hmb_free(oracle_t *oracle, uint32_t adapter, const uint64_t *starts, const uint32_t *lengths, uint32_t count) {
    if (oracle->os < 0x0A000002) {
        return status(ST_NOT_IMPLEMENTED);
    }
    if (oracle->irql > 2) {
        expect_t expect = status(ST_INVALID_IRQL);
        expect.lenient = true;
        return expect;
    }
    expect_t refused = status(ST_UNSUCCESSFUL);
    refused.lenient = true; /* which of HMB_PARTIAL, HMB_MODIFIED, WRONG_ADAPTER is named is checked by the row tests */
    const hmb_t *hmb = &oracle->hmb[adapter];
    if (!hmb->live || count != hmb->range_count) {
        return refused;
    }
    bool same_order = true;
    for (uint32_t i = 0; i < count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < count; j++) {
            found = found || equal_at(hmb, i, starts[j], lengths[j]);
        }
        same_order = same_order && equal_at(hmb, i, starts[i], lengths[i]);
        if (!found) {
            return refused;
        }
    }
    return same_order ? status(ST_SUCCESS) : with(status(ST_SUCCESS), "HMB_REORDERED");
}
