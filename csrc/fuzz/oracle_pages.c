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

static bool fits(const oracle_t *oracle, const contig_call_t *call, uint64_t first, uint64_t pages, int node) {
    if (first + pages > ORACLE_PAGES || first * 4096 < call->low || first * 4096 + call->bytes - 1 > call->high) {
        return false;
    }
    if (call->boundary != 0 && (first ^ (first + pages - 1)) / (call->boundary / 4096) != 0) {
        return false;
    }
    for (uint64_t p = first; p < first + pages; p++) {
        if (oracle->page[p] != PAGE_FREE || oracle->node[p] != (node >= 0 ? node : oracle->node[first])) {
            return false;
        }
    }
    return true;
}

/* The highest place on one node, or UINT64_MAX. */
static uint64_t highest(const oracle_t *oracle, const contig_call_t *call, uint64_t pages, int node) {
    for (uint64_t first = ORACLE_PAGES; first > 0; first--) {
        if (fits(oracle, call, first - 1, pages, node)) {
            return first - 1;
        }
    }
    return UINT64_MAX;
}

/* The default distances are equal between all foreign nodes, so "others by distance" is by number. */
static uint64_t search(const oracle_t *oracle, const contig_call_t *call, uint64_t pages) {
    uint32_t first_node = call->node < oracle->nodes ? call->node : 0; /* ANY: the caller's node, CPU 0 is on node 0 */
    uint64_t found = highest(oracle, call, pages, (int)first_node);
    bool only = oracle->node_strict && call->node < oracle->nodes && oracle->nodes > 1;
    for (uint32_t node = 0; found == UINT64_MAX && node < oracle->nodes && !only; node++) {
        found = highest(oracle, call, pages, (int)node);
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
        return stop(0xE6, 0x03, DONT_CARE, DONT_CARE, DONT_CARE);
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

/* Largest free runs first, by trying: marks what it takes in a copy of the map. */
static uint64_t collect(const oracle_t *oracle, const hmb_call_t *call, uint64_t target, uint32_t *ranges) {
    uint8_t taken[ORACLE_PAGES] = {0};
    uint64_t align = call->alignment > 4096 ? call->alignment / 4096 : 1, total = 0;
    *ranges = 0;
    while (total < target && *ranges < call->slots) {
        uint64_t best = 0, best_first = 0;
        for (uint64_t first = 0; first < ORACLE_PAGES; first++) {
            if (first % align != 0 || first * 4096 < call->low) {
                continue;
            }
            uint64_t length = 0;
            while (first + length < ORACLE_PAGES && oracle->page[first + length] == PAGE_FREE && !taken[first + length] &&
                   oracle->node[first + length] == oracle->node[first] && (first + length) * 4096 + 4095 <= call->high) {
                length++;
            }
            if (length > best) {
                best = length;
                best_first = first;
            }
        }
        if (best == 0) {
            break;
        }
        for (uint64_t i = 0; i < best; i++) {
            taken[best_first + i] = 1;
        }
        total += best < target - total ? best : target - total;
        (*ranges)++;
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
    if (oracle->hmb[adapter] >= 0) {
        return with(status(ST_NO_RESOURCES), "HMB_ALREADY_ALLOCATED");
    }
    uint64_t total = collect(oracle, call, call->preferred / 4096, ranges);
    uint64_t least = call->minimum > 4096 ? call->minimum / 4096 : 1;
    *pages = total;
    expect_t expect = status(total >= least ? ST_SUCCESS : ST_NO_RESOURCES);
    expect.lenient = oracle->irql > 1; /* an advisory above APC */
    return expect;
}

static bool equal_at(const block_t *hmb, uint32_t at, uint64_t start, uint32_t length) {
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
    if (oracle->hmb[adapter] < 0 || count != oracle->blocks[oracle->hmb[adapter]].range_count) {
        return refused;
    }
    const block_t *hmb = &oracle->blocks[oracle->hmb[adapter]];
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
