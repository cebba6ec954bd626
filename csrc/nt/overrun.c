/* nt/overrun.c: what lies around a block, looked at when it is freed, when the host asks, and when its owner goes.
 * Source: spec/storport-memory §6 V9, V13, V20, rulings R16, R51.
 *
 *   pool slot          [header|block|0x0F …]            one granule of 0x0F at least where there is room
 *   pool, contiguous,  [block|0x0F … to the page end]   unmapped pages on both sides
 *   DMA, common buffer
 *
 * Addresses that a device uses have no unmapped pages beside them. What lies there stays free for others, so that the
 * check changes no placement; instead a device's store just outside its own block is remembered at the block
 * (`trespass`), as if the tag DmaVrfy0 (the 8 bytes next to the block's pages) or the padding behind it had been
 * overwritten. Model choice. */
#include "nt/nt_i.h"
#include "nt/operations.h"

#define TAG_BYTES 8u

/* --- what is damaged ---------------------------------------------------------------------------------------------- */

/* A slot of a page that nobody wrote to. */
static bool untouched(const ss_nt_t *nt, const ss_block_t *block) {
    return block->pool_page != 0 && !nt_pool_page(nt, block->pool_page)->made;
}

/* Bytes between the block's end and the end of its slot or page. */
static uint64_t slack_of(const ss_nt_t *nt, const ss_block_t *block) {
    uint64_t room = block->pool_page != 0 ? nt_slot_bytes(nt, block) - POOL_HEADER : block->pages * PAGE;
    /* unreachable: nobody asks about a block that has its own pattern, or no memory */
    return (block->flags & (BLOCK_SPECIAL | BLOCK_REGISTERS)) != 0 ? 0 : room - block->size;
}

/* Offset of the first damaged byte behind the block, or UINT64_MAX. */
static uint64_t damaged_slack(storsim_machine_t *machine, const ss_block_t *block) {
    uint64_t slack = slack_of(nt_of(machine), block);
    uint64_t at = slack == 0 ? 0
                             : ss_store_compare(ss_machine_ram(machine), nt_store(nt_of(machine), block),
                                                nt_store_offset(block) + block->size, GUARD_BYTE, slack);
    return at == slack ? UINT64_MAX : block->size + at;
}

static uint64_t word(const uint8_t *bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

/* The header as it should be and as it is; false when it cannot be read (no host memory) or there is none. */
static bool header_of(storsim_machine_t *machine, const ss_block_t *block, uint64_t *expected, uint64_t *found) {
    uint8_t raw[8];
    if (block->pool_page == 0 || untouched(nt_of(machine), block) ||
        /* unreachable: a page that was made has its memory */
        ss_store_read(ss_machine_ram(machine), nt_store(nt_of(machine), block), nt_store_offset(block) - POOL_HEADER, raw, sizeof raw) != STORSIM_OK) {
        return false;
    }
    *expected = nt_pool_header(nt_of(machine), block, true);
    *found = word(raw);
    return true;
}

static ss_detail_t detail_of(const ss_block_t *block, uint64_t address) {
    return (ss_detail_t){.address = address, .allocated_at = block->site, .owner = block->owner};
}

/* --- pool --------------------------------------------------------------------------------------------------------- */

/* V13 when the size in the header is another, else the header as part of V9. */
static storsim_status_t check_header(ss_call_t *call, const ss_block_t *block) {
    uint64_t expected, found;
    if (!header_of(call->machine, block, &expected, &found) || expected == found) {
        return STORSIM_OK;
    }
    ss_detail_t detail = detail_of(block, block->va - POOL_HEADER);
    detail.expected = expected;
    detail.got = found;
    uint64_t width = (expected >> 16 & 0xFF) * GRANULE, other = (found >> 16 & 0xFF) * GRANULE;
    if (!ss_verifying(call->machine, STORSIM_V_POOL_TRACKING)) {
        uint64_t header = block->va - POOL_HEADER;
        return ss_bugcheck(call, SS_POOL_HEADER_DAMAGED, 0x19, 0x20, header, header + width, 0, &detail);
    }
    if (width != other) {
        /* p4 is a pointer to the tracked size; the simulator's tracking has no address, so it is the size. */
        return ss_bugcheck(call, SS_POOL_HEADER_DAMAGED, 0xC4, 0x13F, block->va, other, width, &detail);
    }
    return ss_bugcheck(call, SS_POOL_HEADER_DAMAGED, 0xC4, 0x54, block->va, 0, 0, &detail);
}

storsim_status_t nt_overrun_check_pool(ss_call_t *call, const ss_block_t *block) {
    storsim_machine_t *machine = call->machine;
    if (untouched(nt_of(machine), block)) {
        return STORSIM_OK;
    }
    if ((block->flags & BLOCK_SPECIAL) != 0) {
        return nt_special_check(call, block);
    }
    uint64_t at = damaged_slack(machine, block);
    if (at == UINT64_MAX) {
        return check_header(call, block);
    }
    ss_detail_t detail = detail_of(block, block->va + at);
    uint8_t raw[8] = {GUARD_BYTE};
    uint64_t left = slack_of(nt_of(machine), block);
    (void)ss_block_read(machine, block, block->size, raw, (size_t)(left < sizeof raw ? left : sizeof raw));
    detail.expected = block->size;
    detail.got = at - block->size;
    if (ss_verifying(machine, STORSIM_V_POOL_TRACKING)) {
        return ss_bugcheck(call, SS_OVERRUN, 0xC4, 0x51, block->va, block->va + at, block->size, &detail);
    }
    if (block->pool_page == 0) {
        return STORSIM_OK; /* whole pages have no header behind them: a plain kernel notices nothing */
    }
    return ss_bugcheck(call, SS_OVERRUN, 0x19, 0x21, block->va, block->size, word(raw), &detail);
}

/* --- memory for devices ------------------------------------------------------------------------------------------- */

static bool device_kind(const ss_block_t *block) {
    return block->kind == STORSIM_BLOCK_CONTIGUOUS || block->kind == STORSIM_BLOCK_DMA ||
           block->kind == STORSIM_BLOCK_UNCACHED;
}

/* Violation code of 0xE6/0x0F and the damaged address; 0: intact. */
static uint64_t device_damage(storsim_machine_t *machine, const ss_block_t *block, uint64_t *where) {
    uint64_t at = damaged_slack(machine, block), end = block->va + block->pages * PAGE;
    if (at != UINT64_MAX) {
        *where = block->va + at;
        return 5;
    }
    const uint64_t trespass = nt_rare(nt_of(machine), block)->trespass;
    *where = trespass;
    if (trespass == 0) {
        return 0;
    }
    if (trespass < block->va) {
        return block->va - trespass <= TAG_BYTES ? 1 : 4;
    }
    return trespass - end < TAG_BYTES ? 2 : 5;
}

storsim_status_t nt_overrun_check_contig(ss_call_t *call, const ss_block_t *block) {
    uint64_t where, action;
    if (!ss_verifying(call->machine, STORSIM_V_DMA) || !device_kind(block)) {
        return STORSIM_OK;
    }
    action = device_damage(call->machine, block, &where);
    if (action == 0) {
        return STORSIM_OK;
    }
    ss_detail_t detail = detail_of(block, where);
    detail.expected = block->size;
    detail.got = where - block->va - block->size;
    bool tag = action <= 2; /* ruling R16: addresses are virtual */
    return ss_bugcheck(call, SS_OVERRUN, 0xE6, 0x0F, action, tag ? block->size : block->va, tag ? block->va : where,
                       &detail);
}

storsim_status_t ss_guards_stop(ss_call_t *call, ss_block_id_t id) {
    const ss_block_t *block = ss_block(call->machine, id);
    /* unreachable: whoever asks holds the block */
    return block != NULL && block->state == SS_STATE_LIVE ? nt_overrun_check_contig(call, block) : STORSIM_OK;
}

/* Remembers a store of a device at one block. Only the first one, which is what the driver has to look for. */
static storsim_status_t remember(ss_nt_t *nt, ss_block_t *block, uint32_t owner, uint64_t va) {
    if (block->state != SS_STATE_LIVE || block->owner != owner || !device_kind(block) || block->extents != 0 ||
        nt_rare(nt, block)->trespass != 0) {
        return STORSIM_OK;
    }
    if (!nt_rare_need(nt, block)) {
        return STORSIM_NO_MEMORY;
    }
    nt->rares[block->rare - 1].trespass = va;
    return STORSIM_OK;
}

storsim_status_t nt_overrun_trespass(storsim_machine_t *machine, uint32_t owner, const ss_block_t *from, uint64_t physical,
                                     uint64_t bytes) {
    ss_nt_t *nt = nt_of(machine);
    uint64_t pfn = physical / PAGE, last = physical + bytes - 1;
    ss_block_id_t below = pfn != 0 ? ss_pagemap_get(&nt->by_frame, pfn - 1) : 0;
    ss_block_id_t above = ss_pagemap_get(&nt->by_frame, last / PAGE + 1);
    if (below != 0 && block_at(nt, below)->pfn + block_at(nt, below)->pages == pfn &&
        (from == NULL || from == block_at(nt, below))) {
        ss_block_t *block = block_at(nt, below);
        return remember(nt, block, owner, block->va + (physical - block->pfn * PAGE));
    }
    if (from == NULL && above != 0 && block_at(nt, above)->pfn == last / PAGE + 1) {
        ss_block_t *block = block_at(nt, above);
        return remember(nt, block, owner, block->va - (block->pfn * PAGE - last));
    }
    return STORSIM_OK;
}

/* --- every block -------------------------------------------------------------------------------------------------- */

/* Where a block's guard is damaged; 0: nowhere. */
static uint64_t damage(storsim_machine_t *machine, const ss_block_t *block) {
    uint64_t where = 0, at, expected, found;
    if (device_kind(block)) {
        return device_damage(machine, block, &where) != 0 ? where : 0;
    }
    if ((block->flags & BLOCK_POOL) == 0) {
        return 0;
    }
    at = damaged_slack(machine, block);
    if (at != UINT64_MAX) {
        return block->va + at;
    }
    return header_of(machine, block, &expected, &found) && expected != found ? block->va - POOL_HEADER : 0;
}

static void record(ss_call_t *call, ss_block_t *block, bool no_raise) {
    uint64_t where = (block->flags & BLOCK_TOLD) == 0 ? damage(call->machine, block) : 0;
    if (where != 0) {
        ss_detail_t detail = detail_of(block, where);
        detail.expected = block->size;
        detail.got = where - block->va - block->size;
        detail.no_raise = no_raise;
        block->flags |= BLOCK_TOLD;
        ss_violate(call, SS_OVERRUN, &detail);
    }
}

void ss_guards_record(ss_call_t *call, uint32_t owner) {
    const ss_nt_t *nt = nt_of(call->machine);
    for (ss_block_id_t id = nt->first_live; id != 0; id = block_at(nt, id)->next) {
        ss_block_t *block = block_at(nt, id);
        if (block->owner == owner && (block->kind != STORSIM_BLOCK_UNCACHED || !ss_verifying(call->machine, STORSIM_V_DMA))) {
            record(call, block, true);
        }
    }
}

storsim_status_t storsim_verify_guards(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_VERIFY_GUARDS], NULL, NULL);
    }
    ss_call_t call;
    storsim_status_t status = nt_of(machine) == NULL ? STORSIM_INVALID : ss_call_begin(&call, machine, NULL, NULL);
    if (status != STORSIM_OK) {
        return status == STORSIM_STOPPED ? STORSIM_OK : status; /* what is dead is not judged any more */
    }
    const ss_nt_t *nt = nt_of(machine);
    for (ss_block_id_t id = nt->first_live; id != 0 && call.status == STORSIM_OK; id = block_at(nt, id)->next) {
        ss_block_t *block = block_at(nt, id);
        bool pool = (block->flags & BLOCK_POOL) != 0;
        bool owned = pool ? (block->flags & BLOCK_SPECIAL) != 0 || ss_verifying(machine, STORSIM_V_POOL_TRACKING)
                          : ss_verifying(machine, STORSIM_V_DMA);
        if (!owned) {
            record(&call, block, false);
        } else if (pool) {
            (void)nt_overrun_check_pool(&call, block);
        } else {
            (void)nt_overrun_check_contig(&call, block);
        }
    }
    return ss_call_end(&call);
}

bool ss_user_address(ss_call_t *call, uint64_t address, uint64_t bytes) {
    if (address > STORSIM_USER_END || !ss_at_least(call->machine, STORSIM_VERIFIER)) {
        return false;
    }
    const ss_detail_t detail = {.address = address};
    (void)ss_bugcheck(call, SS_USER_ADDRESS, 0xC4, 0xE0, address, bytes, 0, &detail);
    return true;
}
