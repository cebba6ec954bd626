/* nt/special.c: special pool (spec/storport-memory §6, V1 … V6; special-pool.md).
 *
 *   verify end (default)    |pattern …………|block| inaccessible page       overrun stops at once, underrun at the free
 *   verify start            |block|pattern …………| inaccessible page       underrun stops at once, overrun at the free
 *
 * A request below PAGE_SIZE gets a page of its own. The block touches one end of it to the byte, whatever its size: a
 * size that is no multiple of 16 gives an address that is none either (model choice: the page says the memory is aligned
 * with the end of the page). The rest of the page holds a pattern. Freed blocks stay recognisable like any other. */
#include "nt/nt_i.h"

#include <string.h>

bool nt_special_wanted(const storsim_machine_t *machine, uint64_t bytes) {
    return ss_verifying(machine, STORSIM_V_SPECIAL_POOL) && bytes != 0 && bytes < PAGE;
}

uint64_t nt_span_start(const ss_block_t *block) {
    return (block->flags & BLOCK_SPECIAL) != 0 ? block->va - block->va % PAGE : block->va;
}

static void fill(const storsim_machine_t *machine, uint8_t *page, uint64_t va, size_t offset, size_t bytes) {
    memset(page, GUARD_BYTE, PAGE);
    ss_rng_t pattern = {ss_mix(ss_machine_seed(machine), va)};
    for (size_t i = 0; i < bytes; i++) {
        page[offset + i] = nt_of(machine)->config.zero_pool ? 0 : (uint8_t)(ss_rng_next(&pattern) | 1);
    }
}

storsim_status_t nt_special_take(storsim_machine_t *machine, uint64_t bytes, uint32_t tag, uint32_t owner,
                                 ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    if (nt->special_live >= nt->config.special_pool_pages) {
        return STORSIM_NO_SPACE;
    }
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_POOL,
                                        .size = bytes,
                                        .highest = UINT64_MAX,
                                        .node = STORSIM_NODE_ANY,
                                        .cache = 1,
                                        .tag = tag,
                                        .owner = owner};
    storsim_status_t status = ss_block_make(machine, &request, id);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_block_t *block = block_at(nt, *id);
    uint32_t offset = nt->config.special_pool_start ? 0 : (uint32_t)(PAGE - bytes);
    uint8_t page[PAGE];
    fill(machine, page, block->va, offset, (size_t)bytes);
    status = nt_store_need(machine, block); /* while the record says where it begins */
    if (status == STORSIM_OK) {
        status = ss_store_write(ss_machine_ram(machine), block->store, 0, page, PAGE);
    }
    if (status != STORSIM_OK) {
        ss_block_undo(machine, *id);
        return status;
    }
    block->flags |= BLOCK_SPECIAL;
    block->va += offset;
    nt->special_live++;
    return STORSIM_OK;
}

/* --- access ------------------------------------------------------------------------------------------------------- */

static bool live_special(const ss_nt_t *nt, ss_block_id_t id) {
    return id != 0 && (block_at(nt, id)->flags & BLOCK_SPECIAL) != 0 && block_at(nt, id)->state == SS_STATE_LIVE;
}

ss_block_id_t nt_special_beside(const ss_nt_t *nt, uint64_t va) {
    ss_block_id_t below = va >= PAGE ? nt_span_at(nt, va - PAGE) : 0, above = nt_span_at(nt, va + PAGE);
    ss_block_id_t near = nt->config.special_pool_start ? above : below, far = near == above ? below : above;
    return live_special(nt, near) ? near : live_special(nt, far) ? far : 0;
}

/* --- free --------------------------------------------------------------------------------------------------------- */

static unsigned bits(unsigned value) {
    unsigned count = 0;
    for (; value != 0; value &= value - 1) {
        count++;
    }
    return count;
}

/* Offset in the page of the first damaged pattern byte, PAGE for none; *single: one bit of one byte. */
static size_t damaged(const uint8_t *page, size_t from, size_t to, bool *single) {
    size_t first = PAGE, count = 0;
    for (size_t at = from; at < to; at++) {
        if (page[at] != GUARD_BYTE) {
            first = first == PAGE ? at : first;
            *single = ++count == 1 && bits((unsigned)(page[at] ^ GUARD_BYTE)) == 1;
        }
    }
    return first;
}

storsim_status_t nt_special_check(ss_call_t *call, const ss_block_t *block) {
    uint8_t page[PAGE];
    storsim_status_t status = ss_store_read(ss_machine_ram(call->machine), block->store, 0, page, PAGE);
    if (status != STORSIM_OK) { /* unreachable: the block's page was written when it was made */
        return call->status = status;
    }
    size_t start = nt_store_offset(block), end = start + (size_t)block->size;
    bool single = false;
    size_t before = damaged(page, 0, start, &single), after = PAGE;
    uint64_t action = single ? 0x32 : 0x23;
    if (before == PAGE) {
        after = damaged(page, end, PAGE, &single);
        action = 0x24;
    }
    size_t at = before != PAGE ? before : after;
    if (at == PAGE) {
        return STORSIM_OK;
    }
    uint64_t where = nt_span_start(block) + at;
    const ss_detail_t detail = {
        .address = where, .allocated_at = block->site, .owner = block->owner, .expected = GUARD_BYTE, .got = page[at]};
    return ss_bugcheck(call, SS_SPECIAL_POOL_PATTERN, 0xC1, block->va, where, 0, action, &detail);
}

bool nt_special_bad_free(ss_call_t *call, uint64_t va, const ss_block_t *block, bool unknown) {
    if (!ss_verifying(call->machine, STORSIM_V_SPECIAL_POOL)) {
        return false;
    }
    bool special = block != NULL && (block->flags & BLOCK_SPECIAL) != 0;
    if (!special && !unknown) {
        return false;
    }
    ss_detail_t detail = {.address = va};
    if (!special || block->state != SS_STATE_LIVE) {
        if (special) {
            detail.allocated_at = block->site;
            detail.freed_at = nt_freed(nt_of(call->machine), block).site;
        }
        (void)ss_bugcheck(call, special ? SS_DOUBLE_FREE : SS_NOT_POOL, 0xC1, va, 0, 0, 0x20, &detail);
        return true;
    }
    detail.allocated_at = block->site;
    detail.expected = block->va;
    detail.got = va;
    (void)ss_bugcheck(call, SS_INTERIOR_POINTER, 0xC1, va, block->size, PAGE - va % PAGE, 0x21, &detail);
    return true;
}
