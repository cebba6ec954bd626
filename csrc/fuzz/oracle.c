/* fuzz/oracle.c: pages and blocks, pool and MDL rules. See oracle.h. */
#include "fuzz/oracle.h"

#include <stddef.h>
#include <string.h>

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

void oracle_init(oracle_t *oracle, int level, uint32_t os) {
    memset(oracle, 0, offsetof(oracle_t, live));
    oracle->level = level;
    oracle->os = os;
}

/* --- pages ---------------------------------------------------------------------------------------------------------- */

static uint32_t ones(uint64_t word) {
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

uint64_t oracle_pages_of(uint64_t word, uint64_t first, uint64_t end) {
    uint64_t base = word * 64, mask = UINT64_MAX;
    if (first > base) {
        mask &= UINT64_MAX << (first - base);
    }
    if (end - base < 64) {
        mask &= (UINT64_C(1) << (end - base)) - 1;
    }
    return mask;
}

void oracle_map(oracle_t *oracle, uint32_t first, uint32_t pages, uint32_t node) {
    uint32_t end = first + pages;
    for (uint32_t word = first / 64; word * 64 < end; word++) {
        oracle->on_node[node][word] |= oracle_pages_of(word, first, end);
        oracle->words = word + 1 > oracle->words ? word + 1 : oracle->words;
    }
    oracle_give(oracle, first, pages);
}

bool oracle_is_free(const oracle_t *oracle, uint64_t page) {
    return page < ORACLE_PAGES && (oracle->free[page / 64] >> page % 64 & 1) != 0;
}

uint64_t oracle_busy_in(const oracle_t *oracle, uint64_t first, uint64_t end) {
    uint64_t page = first, top = end < ORACLE_PAGES ? end : ORACLE_PAGES;
    while (page < top && (~oracle->free[page / 64] & oracle_pages_of(page / 64, page, top)) == 0) {
        page = (page / 64 + 1) * 64;
    }
    for (; page < top && oracle_is_free(oracle, page); page++) {
    }
    return page < end ? page : end;
}

/* The pages of [first, first + pages) that are in no map are left out. */
void oracle_take(oracle_t *oracle, uint64_t first, uint64_t pages) {
    uint64_t end = first + pages < ORACLE_PAGES ? first + pages : ORACLE_PAGES;
    for (uint64_t word = first / 64; first < end && word * 64 < end; word++) {
        uint64_t taken = oracle->free[word] & oracle_pages_of(word, first, end);
        oracle->free[word] &= ~taken;
        oracle->free_pages -= ones(taken);
    }
}

void oracle_give(oracle_t *oracle, uint64_t first, uint64_t pages) {
    uint64_t end = first + pages < ORACLE_PAGES ? first + pages : ORACLE_PAGES;
    for (uint64_t word = first / 64; first < end && word * 64 < end; word++) {
        uint64_t given = ~oracle->free[word] & oracle_pages_of(word, first, end);
        oracle->free[word] |= given;
        oracle->free_pages += ones(given);
    }
}

/* --- blocks --------------------------------------------------------------------------------------------------------- */

static uint16_t *bucket_of(oracle_t *oracle, uint64_t va) {
    return &oracle->buckets[(va / 16 * UINT64_C(0x9E3779B97F4A7C15)) >> 54];
}

block_t *oracle_find(oracle_t *oracle, uint64_t va) {
    uint32_t at = *bucket_of(oracle, va);
    while (at != 0 && oracle->blocks[at - 1].va != va) {
        at = oracle->blocks[at - 1].older;
    }
    return at != 0 ? &oracle->blocks[at - 1] : NULL;
}

block_t *oracle_add(oracle_t *oracle, const block_t *block) {
    if (oracle->block_count == ORACLE_BLOCKS) {
        return NULL;
    }
    block_t *added = &oracle->blocks[oracle->block_count++];
    uint16_t *bucket = bucket_of(oracle, block->va);
    *added = *block;
    added->live = true;
    added->older = *bucket;
    added->live_at = (uint16_t)oracle->live_count[block->kind]++;
    *bucket = (uint16_t)oracle->block_count;
    oracle->live[block->kind][added->live_at] = (uint16_t)(oracle->block_count - 1);
    if (block->pages == 0) {
        oracle->slots[block->first]++;
        oracle_take(oracle, block->first, 1);
    } else if (block->scattered) {
        for (uint32_t i = 0; i < block->pages; i++) {
            oracle_take(oracle, block->frames[i], 1);
        }
    } else {
        oracle_take(oracle, block->first, block->pages);
    }
    return added;
}

static void give_pages(oracle_t *oracle, const block_t *block) {
    if (block->pages == 0) {
        if (--oracle->slots[block->first] == 0) {
            oracle_give(oracle, block->first, 1);
        }
    } else if (block->scattered) {
        for (uint32_t i = 0; i < block->pages; i++) {
            oracle_give(oracle, block->frames[i], 1);
        }
    } else {
        oracle_give(oracle, block->first, block->pages);
    }
}

void oracle_drop(oracle_t *oracle, block_t *block) {
    uint16_t last = oracle->live[block->kind][--oracle->live_count[block->kind]];
    oracle->live[block->kind][block->live_at] = last;
    oracle->blocks[last].live_at = block->live_at;
    block->live = false;
    oracle->freed += 4096 * (uint64_t)(block->pages != 0 ? block->pages : 1);
    block->freed_at = oracle->freed;
    give_pages(oracle, block);
    if (block->kind == KIND_MDL && block->built) {
        block_t *described = oracle_find(oracle, block->described);
        if (described != NULL && described->live && described->mdls != 0) {
            described->mdls--;
        }
    }
}

void oracle_drop_hmb(oracle_t *oracle, uint32_t adapter) {
    hmb_t *hmb = &oracle->hmb[adapter];
    for (uint32_t i = 0; hmb->live && i < hmb->range_count; i++) {
        oracle_give(oracle, hmb->ranges[i].start / 4096, hmb->ranges[i].length / 4096);
        oracle->freed += hmb->ranges[i].length;
    }
    hmb->live = false;
}

bool oracle_remembers(const oracle_t *oracle, const block_t *block) {
    return oracle->freed - block->freed_at < ORACLE_QUARANTINE;
}

/* --- pool ----------------------------------------------------------------------------------------------------------- */

static uint64_t pool_type(const oracle_t *oracle) {
    return oracle->os >= 0x06020000 ? 512 : 0;
}

static bool tag_has_letter(uint32_t tag) {
    for (int i = 0; i < 4; i++) {
        uint32_t c = tag >> (8 * i) & 0xFF;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
            return true;
        }
    }
    return false;
}

expect_t oracle_pool_allocate(oracle_t *oracle, uint64_t bytes, uint32_t tag, bool no_buffer, uint64_t before) {
    bool checked = oracle->level >= LEVEL_VERIFIER;
    if (oracle->irql > 2) {
        return with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    if (no_buffer) {
        return status(ST_INVALID_PARAMETER);
    }
    expect_t expect = status(ST_SUCCESS);
    if (tag == 0 && checked) {
        return stop(0xC2, 0x9B, pool_type(oracle), bytes, DONT_CARE);
    }
    if (checked && (tag == 0x20474942 || tag == 0x474942)) {
        return stop(0xC2, 0x9C, DONT_CARE, DONT_CARE, DONT_CARE);
    }
    if (checked && !tag_has_letter(tag)) {
        return stop(0xC2, 0x9D, tag, pool_type(oracle), DONT_CARE);
    }
    if (bytes == 0 && checked) {
        return stop(0xC4, 0x00, oracle->irql, pool_type(oracle), 0);
    }
    if (tag == 0 || !tag_has_letter(tag) || tag == 0x20474942 || tag == 0x474942) {
        expect.lenient = true; /* the rules name no violation at release beyond "allowed" */
    }
    if (bytes == 0) {
        expect = with(expect, "ZERO_LENGTH");
    }
    const block_t *old = before != 0 ? oracle_find(oracle, before) : NULL;
    if (old != NULL && old->live && old->kind == KIND_POOL) {
        expect = with(expect, "StorPortAllocatePool2");
    }
    uint64_t pages = (bytes + 4095) / 4096;
    uint32_t left = oracle->free_pages;
    expect.other = ST_NO_RESOURCES;
    expect.allow_other = left < pages + 1; /* below that, shape and slack of pool pages decide */
    return expect;
}

/* The newest block that has this address in it. A live one that starts there is: nothing newer can lie over it. */
static const block_t *around(oracle_t *oracle, uint64_t va) {
    const block_t *exact = oracle_find(oracle, va);
    if (exact != NULL && exact->live) {
        return exact;
    }
    for (uint32_t i = oracle->block_count; i > 0; i--) {
        const block_t *block = &oracle->blocks[i - 1];
        if (va >= block->va && va < block->va + (block->size != 0 ? block->size : 1)) {
            return block;
        }
    }
    return NULL;
}

/* The free of a pool-backed block of one kind: rows of §3.1, which §3.8 refers to for MDLs. */
static expect_t pool_backed_free(oracle_t *oracle, kind_t kind, uint64_t va) {
    bool checked = oracle->level >= LEVEL_VERIFIER;
    if (kind == KIND_POOL && va <= UINT64_C(0x00007FFFFFFFFFFF)) {
        return stop(0xC2, 0x40, va, DONT_CARE, DONT_CARE);
    }
    const block_t *block = around(oracle, va);
    if (block != NULL && block->kind == kind && block->va == va) {
        if (!block->live && !oracle_remembers(oracle, block)) { /* freed twice, or never there */
            return stop(checked ? 0xC4 : 0xC2, DONT_CARE, DONT_CARE, DONT_CARE, DONT_CARE);
        }
        if (!block->live) {
            return checked ? stop(0xC4, 0x13, DONT_CARE, DONT_CARE, DONT_CARE) : stop(0xC2, 0x07, DONT_CARE, DONT_CARE, va);
        }
        expect_t expect = status(ST_SUCCESS);
        return block->mdls != 0 ? with(expect, "FREE_WITH_LIVE_MDL") : expect;
    }
    if (block != NULL && (block->kind == KIND_CONTIGUOUS || block->kind == KIND_DMA) && block->live && kind == KIND_POOL) {
        return stop(0xC2, 0x41, va, DONT_CARE, DONT_CARE);
    }
    if (kind == KIND_POOL && block != NULL && block->kind == kind && block->live) {
        return checked ? stop(0xC4, 0x10, va, 0, 0) : stop(0xC2, 0x99, va, 0, 0);
    }
    return checked ? stop(0xC4, 0x10, va, DONT_CARE, DONT_CARE) : stop(0xC2, 0x42, va, DONT_CARE, DONT_CARE);
}

expect_t oracle_pool_free(oracle_t *oracle, uint32_t adapter, uint64_t va) {
    if (oracle->irql > 2) {
        return with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    if (va == 0) {
        return status(ST_INVALID_PARAMETER);
    }
    expect_t expect = pool_backed_free(oracle, KIND_POOL, va);
    const block_t *block = around(oracle, va);
    if (!expect.stops && block->adapter != adapter) {
        expect = with(expect, "WRONG_ADAPTER");
    }
    return expect;
}

/* --- MDLs ----------------------------------------------------------------------------------------------------------- */

expect_t oracle_mdl_allocate(oracle_t *oracle, uint64_t va, uint64_t bytes, bool no_mdl) {
    if (oracle->irql > 2) {
        return with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    if (no_mdl || va == 0) {
        return status(ST_INVALID_PARAMETER);
    }
    if (bytes > UINT64_C(0xFFFFF000)) {
        return status(ST_NO_RESOURCES);
    }
    expect_t expect = status(ST_SUCCESS);
    if (bytes == 0) {
        expect = with(expect, "ZERO_LENGTH");
    }
    uint64_t pages = ((va & 4095) + bytes + 4095) / 4096;
    expect.other = ST_NO_RESOURCES;
    expect.allow_other = oracle->free_pages < (48 + 8 * pages) / 4096 + 2;
    return expect;
}

expect_t oracle_mdl_build(oracle_t *oracle, uint64_t mdl) {
    if (oracle->irql > 2) {
        return with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    if (mdl == 0) {
        return status(ST_INVALID_PARAMETER);
    }
    const block_t *record = oracle_find(oracle, mdl);
    if (record->built) {
        return with(status(ST_SUCCESS), "MDL_REBUILD");
    }
    const block_t *buffer = around(oracle, record->described);
    if (buffer == NULL || !buffer->live) {
        expect_t expect = stop(0x1A, 0x1240, mdl, DONT_CARE, 0);
        /* Others, such as a host memory buffer, may have got addresses that left the quarantine. */
        expect.either = buffer != NULL && !oracle_remembers(oracle, buffer);
        return expect;
    }
    return status(ST_SUCCESS);
}

expect_t oracle_mdl_free(oracle_t *oracle, uint64_t mdl) {
    if (oracle->irql > 2) {
        return with(status(ST_INVALID_IRQL), "StorPortIrql");
    }
    return mdl == 0 ? status(ST_INVALID_PARAMETER) : pool_backed_free(oracle, KIND_MDL, mdl);
}
