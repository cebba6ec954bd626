/* nt/mdl.c: memory descriptor lists. An MDL is a pool block whose fields and PFN array lie in simulated memory, in the
 * x64 layout of spec §2.3, so that what a driver writes into one counts. */
#include "machine/bits.h"
#include "nt/nt_i.h"

enum { MDL_HEADER = 48, MDL_CHUNK = 64 };
#define MDL_TAG UINT32_C(0x206C644D) /* 'Mdl ' */

static void encode(const ss_mdl_t *mdl, uint8_t raw[MDL_HEADER]) {
    ss_put_bytes(raw, mdl->next, 8);
    ss_put_bytes(raw + 8, mdl->size, 2);
    ss_put_bytes(raw + 10, mdl->flags, 2);
    ss_put_bytes(raw + 12, 0, 4);
    ss_put_bytes(raw + 16, mdl->process, 8);
    ss_put_bytes(raw + 24, mdl->mapped_system_va, 8);
    ss_put_bytes(raw + 32, mdl->start_va, 8);
    ss_put_bytes(raw + 40, mdl->byte_count, 4);
    ss_put_bytes(raw + 44, mdl->byte_offset, 4);
}

static uint64_t pages_spanned(uint64_t offset, uint64_t bytes) {
    return (offset + bytes + PAGE - 1) / PAGE;
}

/* Room in an MDL's PFN array. */
static uint64_t capacity_of(const ss_block_t *block) {
    return (block->size - MDL_HEADER) / 8;
}

static storsim_status_t make(storsim_machine_t *machine, const ss_mdl_t *mdl, uint32_t owner, bool counted,
                             ss_block_id_t *id) {
    uint64_t pages = pages_spanned(mdl->byte_offset, mdl->byte_count);
    storsim_status_t status =
        nt_pool_take(machine, STORSIM_BLOCK_MDL, MDL_HEADER + 8 * pages, MDL_TAG, owner, counted, id);
    if (status != STORSIM_OK) {
        return status;
    }
    uint8_t raw[MDL_HEADER];
    encode(mdl, raw);
    status = ss_block_write(machine, ss_block(machine, *id), 0, raw, sizeof raw);
    if (status != STORSIM_OK) {
        ss_block_undo(machine, *id);
    }
    return status;
}

static ss_mdl_t fields(uint64_t va, uint32_t bytes) {
    uint32_t offset = (uint32_t)(va % PAGE);
    return (ss_mdl_t){
        .start_va = va - offset,
        .byte_offset = offset,
        .byte_count = bytes,
        .size = (uint16_t)(MDL_HEADER + 8 * pages_spanned(offset, bytes))}; /* a CSHORT: large ones wrap, as there */
}

storsim_status_t ss_mdl_make(storsim_machine_t *machine, uint64_t va, uint32_t bytes, uint32_t owner,
                             ss_block_id_t *id) {
    /* Source: nf-wdm-ioallocatemdl.md: 4 GiB - PAGE_SIZE from Windows 7 on, 2 GiB - PAGE_SIZE on Vista; older as Vista.
     */
    uint32_t limit = nt_of(machine)->config.os >= 0x06010000 ? UINT32_C(0xFFFFF000) : UINT32_C(0x7FFFF000);
    if (bytes > limit) {
        return STORSIM_NO_SPACE;
    }
    const ss_mdl_t mdl = fields(va, bytes);
    return make(machine, &mdl, owner, true, id);
}

/* Writes pfns[first … first + count) of a block's MDL from the pages at `va` on. */
static storsim_status_t write_pages(storsim_machine_t *machine, const ss_block_t *mdl, const ss_block_t *described,
                                    uint64_t offset, uint64_t pages) {
    uint8_t raw[8 * MDL_CHUNK];
    for (uint64_t done = 0; done < pages;) {
        uint64_t count = pages - done < MDL_CHUNK ? pages - done : MDL_CHUNK;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t at = offset + (done + i) * PAGE;
            uint64_t pa = described != NULL ? ss_block_physical(machine, described, at) : storsim_physical(machine, at);
            ss_put_bytes(raw + 8 * i, pa / PAGE, 8);
        }
        storsim_status_t status = ss_block_write(machine, mdl, MDL_HEADER + 8 * done, raw, (size_t)(8 * count));
        if (status != STORSIM_OK) { /* unreachable: an MDL was written when it was made, so its memory is there */
            return status;
        }
        done += count;
    }
    return STORSIM_OK;
}

storsim_status_t ss_mdl_make_built(storsim_machine_t *machine, ss_block_id_t described, uint64_t offset, uint32_t bytes,
                                   uint32_t owner, ss_block_id_t *id) {
    const ss_block_t *block = ss_block(machine, described);
    if (block == NULL || block->state != SS_STATE_LIVE || (block->flags & BLOCK_REGISTERS) != 0 ||
        offset > block->size || bytes > block->size - offset) {
        return STORSIM_INVALID;
    }
    ss_mdl_t mdl = fields(block->va + offset, bytes);
    mdl.flags = SS_MDL_PAGES_LOCKED;
    storsim_status_t status = make(machine, &mdl, owner, false, id);
    if (status != STORSIM_OK) {
        return status;
    }
    block = ss_block(machine, described); /* the table may have moved */
    uint64_t in_page = (nt_store_offset(block) + offset) % PAGE;
    status =
        write_pages(machine, ss_block(machine, *id), block, offset - in_page, pages_spanned(mdl.byte_offset, bytes));
    if (status != STORSIM_OK) { /* unreachable: the memory of an MDL just made is there */
        ss_block_undo(machine, *id);
    }
    return status;
}

/* The record of a live MDL that starts at va, or NULL. */
static ss_block_t *mdl_at(storsim_machine_t *machine, uint64_t va) {
    ss_block_t *block = ss_block(machine, ss_block_around(machine, va));
    bool mdl = block != NULL && block->kind == STORSIM_BLOCK_MDL && block->state == SS_STATE_LIVE && block->va == va;
    return mdl ? block : NULL;
}

static bool load(storsim_machine_t *machine, const ss_block_t *block, ss_mdl_t *mdl) {
    uint8_t raw[MDL_HEADER];
    if (ss_block_read(machine, block, 0, raw, sizeof raw) != STORSIM_OK) { /* unreachable: an MDL was written when it was made, so its memory is there */
        return false;
    }
    *mdl = (ss_mdl_t){.next = ss_get_bytes(raw, 8),
                      .size = (uint16_t)ss_get_bytes(raw + 8, 2),
                      .flags = (uint16_t)ss_get_bytes(raw + 10, 2),
                      .process = ss_get_bytes(raw + 16, 8),
                      .mapped_system_va = ss_get_bytes(raw + 24, 8),
                      .start_va = ss_get_bytes(raw + 32, 8),
                      .byte_count = (uint32_t)ss_get_bytes(raw + 40, 4),
                      .byte_offset = (uint32_t)ss_get_bytes(raw + 44, 4)};
    return true;
}

bool ss_mdl_load(storsim_machine_t *machine, uint64_t mdl_va, ss_mdl_t *mdl) {
    const ss_block_t *block = mdl_at(machine, mdl_va);
    return block != NULL && load(machine, block, mdl); /* unreachable: a load that fails */
}

bool ss_mdl_page(storsim_machine_t *machine, uint64_t mdl_va, uint32_t index, uint64_t *pfn) {
    const ss_block_t *block = mdl_at(machine, mdl_va);
    ss_mdl_t mdl;
    uint8_t raw[8];
    if (block == NULL || !load(machine, block, &mdl) || /* unreachable: a load or a read that fails */
        (mdl.flags & (SS_MDL_PAGES_LOCKED | SS_MDL_SOURCE_IS_NONPAGED_POOL)) == 0 ||
        index >= pages_spanned(mdl.byte_offset, mdl.byte_count) || index >= capacity_of(block) ||
        ss_block_read(machine, block, MDL_HEADER + 8 * (uint64_t)index, raw, sizeof raw) != STORSIM_OK) {
        return false;
    }
    *pfn = ss_get_bytes(raw, 8);
    return true;
}

storsim_status_t ss_mdl_set_mapping(storsim_machine_t *machine, ss_block_id_t id, uint64_t system_va) {
    const ss_block_t *block = ss_block(machine, id);
    ss_mdl_t mdl;
    if (block == NULL || block->kind != STORSIM_BLOCK_MDL || block->state != SS_STATE_LIVE) {
        return STORSIM_STALE;
    }
    if (!load(machine, block, &mdl)) { /* unreachable: see load */
        return STORSIM_NO_MEMORY;
    }
    uint16_t mapped = SS_MDL_MAPPED_TO_SYSTEM_VA;
    mdl.mapped_system_va = system_va;
    mdl.flags = (uint16_t)(system_va != 0 ? mdl.flags | mapped : mdl.flags & ~mapped);
    uint8_t raw[MDL_HEADER];
    encode(&mdl, raw);
    return ss_block_write(machine, block, 0, raw, sizeof raw);
}

void ss_mdl_free(storsim_machine_t *machine, ss_block_id_t id) {
    ss_block_free(machine, id);
}

/* --- building ----------------------------------------------------------------------------------------------------- */

/* Simulated PTE of an address: the classic fixed base of x64, for parameter 3 of 0x1A/0x1240. Model choice. */
static uint64_t pte_address(uint64_t va) {
    return UINT64_C(0xFFFFF68000000000) + (va >> 9 & UINT64_C(0x7FFFFFFFF8));
}

/* First page of the range without live memory behind it, or the end. *pageable: first address in pageable or stack
 * memory, or 0. */
static uint64_t first_hole(storsim_machine_t *machine, uint64_t start, uint64_t end, uint64_t *pageable,
                           ss_detail_t *detail) {
    const ss_nt_t *nt = nt_of(machine);
    *pageable = 0;
    for (uint64_t at = start; at < end;) {
        ss_block_id_t span = nt_span_at(nt, at);
        const ss_block_t *block = span != 0 ? block_at(nt, span) : NULL;
        if (block == NULL || block->state != SS_STATE_LIVE) {
            if (block != NULL) {
                detail->allocated_at = block->site;
                detail->freed_at = ss_block_freed_at(machine, block);
            }
            return at;
        }
        if (block->kind == STORSIM_BLOCK_PAGEABLE || block->kind == STORSIM_BLOCK_KERNEL_STACK) {
            *pageable = at; /* the only such block, for no two touch */
        }
        at = block->va + nt_span_pages(block) * PAGE;
    }
    return end;
}

/* The pool slot at an address was freed although its page still lives. */
static bool freed_slot(storsim_machine_t *machine, uint64_t va, ss_detail_t *detail) {
    const ss_block_t *block = ss_block(machine, ss_block_around(machine, va));
    if (block == NULL || block->state == SS_STATE_LIVE) {
        return false;
    }
    detail->allocated_at = block->site;
    detail->freed_at = ss_block_freed_at(machine, block);
    return true;
}

/* A pointer that is no live MDL: what a kernel would do with it depends on what lies there. */
static storsim_status_t no_mdl(ss_call_t *call, uint64_t mdl_va) {
    const ss_block_t *block = ss_block(call->machine, ss_block_around(call->machine, mdl_va));
    if (block == NULL && nt_span_at(nt_of(call->machine), mdl_va) == 0) {
        return nt_page_fault(call, mdl_va, false);
    }
    ss_detail_t detail = {.address = mdl_va};
    if (block != NULL) {
        detail.allocated_at = block->site;
        detail.freed_at = ss_block_freed_at(call->machine, block);
    }
    bool freed = block != NULL && block->kind == STORSIM_BLOCK_MDL && block->state != SS_STATE_LIVE;
    ss_violate(call, freed ? SS_USE_AFTER_FREE : SS_NOT_AN_MDL, &detail);
    return STORSIM_OK;
}

/* What an MDL and the block it will describe need to know of each other. */
static bool reserve_links(storsim_machine_t *machine, ss_block_t *block, uint64_t va) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_t *buffer = ss_block(machine, ss_block_around(machine, va));
    return nt_rare_need(nt, block) && (buffer == NULL || nt_rare_need(nt, buffer));
}

static storsim_status_t perform(ss_call_t *call, ss_block_t *block, ss_mdl_t *mdl, uint64_t pages) {
    storsim_machine_t *machine = call->machine;
    storsim_status_t status = write_pages(machine, block, NULL, mdl->start_va, pages);
    if (status != STORSIM_OK) { /* unreachable: see write_pages */
        return call->status = status;
    }
    mdl->flags |= SS_MDL_SOURCE_IS_NONPAGED_POOL;
    mdl->process = 0;
    mdl->mapped_system_va = mdl->start_va + mdl->byte_offset;
    uint8_t raw[MDL_HEADER];
    encode(mdl, raw);
    status = ss_block_write(machine, block, 0, raw, sizeof raw);
    if (status != STORSIM_OK) { /* unreachable: see write_pages */
        return call->status = status;
    }
    ss_block_id_t described = ss_block_around(machine, mdl->start_va + mdl->byte_offset);
    ss_block_t *buffer = ss_block(machine, described);
    if (buffer != NULL && buffer->state == SS_STATE_LIVE) { /* unreachable: freed_slot has seen one that is not live */
        nt_rare_t *rares = nt_of(machine)->rares; /* both have one: reserve_links */
        rares[buffer->rare - 1].mdl_count++;
        rares[block->rare - 1].link = described;
        rares[block->rare - 1].link_generation = buffer->generation;
    }
    return STORSIM_OK;
}

storsim_status_t ss_mdl_build(ss_call_t *call, uint64_t mdl_va) {
    storsim_machine_t *machine = call->machine;
    ss_block_t *block = mdl_at(machine, mdl_va);
    ss_mdl_t mdl;
    if (block == NULL) {
        return no_mdl(call, mdl_va);
    }
    if (!load(machine, block, &mdl)) { /* unreachable: see load */
        return call->status = STORSIM_NO_MEMORY;
    }
    uint64_t va = mdl.start_va + mdl.byte_offset, pageable;
    ss_detail_t detail = {.address = va, .allocated_at = block->site};
    if ((mdl.flags & (SS_MDL_SOURCE_IS_NONPAGED_POOL | SS_MDL_PAGES_LOCKED | SS_MDL_PARTIAL)) != 0) {
        ss_violate(call, SS_MDL_REBUILD, &detail);
        return STORSIM_OK;
    }
    if (!reserve_links(machine, block, va)) {
        return call->status = STORSIM_NO_MEMORY;
    }
    uint64_t pages = pages_spanned(mdl.byte_offset, mdl.byte_count);
    if (mdl.byte_count == 0) {
        ss_violate(call, SS_ZERO_LENGTH, &detail);
    }
    ss_detail_t hole = {.address = va};
    uint64_t end = mdl.start_va + (pages != 0 ? pages : 1) * PAGE;
    uint64_t at = first_hole(machine, mdl.start_va, end, &pageable, &hole);
    if (at < end || end < mdl.start_va || freed_slot(machine, va, &hole)) {
        return ss_bugcheck(call, SS_MDL_NOT_RESIDENT, 0x1A, 0x1240, mdl_va, pte_address(at < end ? at : va), 0, &hole);
    }
    if (pageable != 0) {
        if (ss_at_least(machine, STORSIM_VERIFIER)) {
            return ss_bugcheck(call, SS_MDL_PAGEABLE, 0xC4, 0x140, storsim_irql(machine), mdl_va, va, &detail);
        }
        ss_violate(call, SS_MDL_PAGEABLE, &detail);
    }
    if (pages > capacity_of(block)) { /* the driver made the count larger than its array */
        const ss_detail_t over = {
            .expected = block->size, .got = (pages - capacity_of(block)) * sizeof(uint64_t) - 1, .address = mdl_va,
            .allocated_at = block->site};
        ss_violate(call, SS_OVERRUN, &over);
        pages = capacity_of(block);
    }
    return perform(call, block, &mdl, pages);
}
