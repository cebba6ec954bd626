/* nt/contig.c: contiguous memory and DMA memory: refusal rows, budgets, and frees. Source: spec/storport-memory §3.2,
 * §3.3, rulings R13–R15. */
#include "nt/nt_i.h"

static bool power_of_two(uint64_t value) {
    return value != 0 && (value & (value - 1)) == 0; /* unreachable: nobody asks about 0 */
}

/* Rows in the order of the table; true when one of them refuses. */
static bool refused(ss_call_t *call, const ss_contig_args_t *args) {
    const ss_nt_t *nt = nt_of(call->machine);
    uint64_t pages = args->bytes / PAGE + (args->bytes % PAGE != 0 ? 1 : 0);
    if (args->bytes == 0) {
        ss_violate(call, SS_ZERO_LENGTH, NULL);
        return true;
    }
    if (pages > storsim_memory_total_pages(call->machine, STORSIM_NODE_ANY) || args->lowest > args->highest) {
        return true;
    }
    if (args->boundary != 0) {
        if (!power_of_two(args->boundary)) {
            const ss_detail_t detail = {.got = args->boundary};
            ss_violate(call, SS_BAD_BOUNDARY, &detail);
            return true;
        }
        if (args->boundary < PAGE || pages > args->boundary / PAGE) {
            return true;
        }
    }
    if (args->cache < 0 || args->cache > 2) {
        const ss_detail_t detail = {.got = (uint64_t)(int64_t)args->cache};
        ss_violate(call, SS_BAD_CACHE_TYPE, &detail);
        return true;
    }
    if (nt->node_count > 1 && args->node != STORSIM_NODE_ANY && args->node >= nt->node_count) {
        const ss_detail_t detail = {.expected = nt->node_count - 1, .got = args->node};
        ss_violate(call, SS_BAD_NODE, &detail);
        return true;
    }
    return false;
}

ss_block_request_t ss_contig_block(const storsim_machine_t *machine, storsim_block_kind_t kind, uint32_t owner,
                                   const ss_contig_args_t *args) {
    const storsim_nt_config_t *config = &nt_of(machine)->config;
    return (ss_block_request_t){.kind = kind,
                                .size = args->bytes,
                                .lowest = args->lowest,
                                .highest = args->highest,
                                .boundary = args->boundary,
                                .node = args->node,
                                .node_only = config->node_strict,
                                .cache = args->cache,
                                .owner = owner,
                                .zero = config->zero_contig};
}

bool ss_contig_plain(storsim_machine_t *machine, uint32_t owner, const ss_contig_args_t *args) {
    const ss_nt_t *nt = nt_of(machine);
    const uint64_t pages = (args->bytes - 1) / PAGE + 1, window = args->boundary / PAGE;
    return args->bytes != 0 && pages <= storsim_memory_total_pages(machine, STORSIM_NODE_ANY) && args->lowest <= args->highest &&
           (args->boundary == 0 || (power_of_two(args->boundary) && pages <= window)) && args->cache >= 0 && args->cache <= 2 &&
           (nt->node_count == 1 || args->node == STORSIM_NODE_ANY || args->node < nt->node_count) &&
           !nt->config.explicit_low_memory && !nt->config.contig_pool_only && nt_contig_allows(nt, pages, owner);
}

ss_contig_outcome_t ss_contig_take(ss_call_t *call, storsim_block_kind_t kind, const ss_contig_args_t *args,
                                   ss_block_id_t *id) {
    storsim_machine_t *machine = call->machine;
    if (refused(call, args)) {
        return SS_CONTIG_REFUSED;
    }
    if (nt_of(machine)->config.explicit_low_memory && args->highest < UINT64_C(0x100000000)) { /* V15 */
        (void)ss_bugcheck(call, SS_EXPLICIT_LOW_MEMORY, 0xC4, 0x141, args->highest, args->bytes, 0, NULL);
        return SS_CONTIG_REFUSED;
    }
    storsim_status_t status;
    /* unreachable: whoever asks for memory here is a routine */
    if (ss_fault(machine, call->routine != NULL ? call->routine->id : 0, 0, args->bytes, &status) ||
        status != STORSIM_OK) {
        call->status = status;
        return SS_CONTIG_REFUSED;
    }
    const ss_nt_t *nt = nt_of(machine);
    uint64_t pages = (args->bytes - 1) / PAGE + 1;
    bool scarce = nt->config.contig_pool_only && storsim_irql(machine) >= DISPATCH_LEVEL && pages > 1;
    if (scarce || !nt_contig_allows(nt, pages, call->owner)) {
        return SS_CONTIG_REFUSED;
    }
    const ss_block_request_t request = ss_contig_block(machine, kind, call->owner, args);
    status = ss_block_make(machine, &request, id);
    if (status != STORSIM_OK) {
        call->status = status == STORSIM_NO_SPACE ? STORSIM_OK : status;
        return SS_CONTIG_REFUSED;
    }
    return SS_CONTIG_OK;
}

void ss_cache_alias(ss_call_t *call, uint64_t pfn, uint64_t pages, int32_t cache) {
    for (uint64_t i = 0; i < pages; i++) {
        const ss_block_t *block = ss_block(call->machine, ss_block_of_frame(call->machine, pfn + i));
        if (block != NULL && block->cache != cache) {
            const ss_detail_t detail = {.expected = (uint64_t)(int64_t)block->cache,
                                        .got = (uint64_t)(int64_t)cache,
                                        .address = (pfn + i) * PAGE,
                                        .allocated_at = block->site};
            ss_violate(call, SS_CACHE_ALIAS, &detail);
            return; /* one finding per mapping, naming its first page */
        }
    }
}

/* --- free --------------------------------------------------------------------------------------------------------- */

static ss_detail_t detail_of(const storsim_machine_t *machine, const ss_block_t *block, uint64_t va) {
    ss_detail_t detail = {.address = va};
    if (block != NULL) {
        detail.expected = block->va;
        detail.got = va;
        detail.allocated_at = block->site;
        detail.freed_at = ss_block_freed_at(machine, block);
    }
    return detail;
}

static bool contig_kind(const ss_block_t *block) {
    return block->kind == STORSIM_BLOCK_CONTIGUOUS || block->kind == STORSIM_BLOCK_DMA;
}

/* An address inside the pool: a live or freed block of it, a header, or an unused slot. */
static bool pool_address(storsim_machine_t *machine, uint64_t va, const ss_block_t *block) {
    if (block != NULL) {
        return (block->flags & BLOCK_POOL) != 0;
    }
    return nt_span_at(nt_of(machine), va) != 0;
}

/* A base that is not the start of a live contiguous block stops the machine. */
static storsim_status_t stop_base(ss_call_t *call, storsim_block_kind_t kind, uint64_t va, const ss_block_t *block) {
    bool verifier = ss_at_least(call->machine, STORSIM_VERIFIER);
    const ss_detail_t detail = detail_of(call->machine, block, va);
    bool twice = block != NULL && block->kind == STORSIM_BLOCK_DMA && block->state != SS_STATE_LIVE && block->va == va;
    if (twice && kind == STORSIM_BLOCK_DMA && ss_verifying(call->machine, STORSIM_V_DMA)) {
        return ss_bugcheck(call, SS_DMA_DOUBLE_FREE, 0xE6, 0x03, 1, 0, 0, &detail); /* ruling R14 */
    }
    if (verifier && (va == 0 || pool_address(call->machine, va, block))) {
        return ss_bugcheck(call, SS_BAD_CONTIGUOUS_FREE, 0xC4, 0x16, 0, va, 0, &detail);
    }
    return ss_bugcheck(call, SS_BAD_CONTIGUOUS_FREE, 0xC2, 0x60, va, 0, 0, &detail);
}

/* A mismatch that a retail kernel does not notice: recorded, and at strict the machine stops with 0xC4/0x16. False: it
 * stopped. */
static bool mismatch(ss_call_t *call, ss_rule_id_t rule, uint64_t expected, uint64_t got, const ss_block_t *block) {
    const ss_detail_t detail = {.expected = expected, .got = got, .address = block->va, .allocated_at = block->site};
    if (ss_at_least(call->machine, STORSIM_STRICT)) {
        (void)ss_bugcheck(call, rule, 0xC4, 0x16, 0, block->va, 0, &detail);
        return false;
    }
    ss_violate(call, rule, &detail);
    return true;
}

static bool mismatches(ss_call_t *call, storsim_block_kind_t kind, const ss_block_t *block, uint64_t bytes,
                       int32_t cache, uint64_t pa) {
    if (block->kind != (uint8_t)kind && !mismatch(call, SS_WRONG_FREE_ROUTINE, block->kind, (uint64_t)kind, block)) {
        return false;
    }
    if (block->size != bytes && !mismatch(call, SS_SIZE_MISMATCH, block->size, bytes, block)) {
        return false;
    }
    if (block->cache != cache &&
        !mismatch(call, SS_CACHE_MISMATCH, (uint64_t)(int64_t)block->cache, (uint64_t)(int64_t)cache, block)) {
        return false;
    }
    return pa == 0 || pa == ss_block_device_address(call->machine, block) ||
           mismatch(call, SS_PA_MISMATCH, ss_block_device_address(call->machine, block), pa, block);
}

ss_block_id_t ss_contig_plain_free(storsim_machine_t *machine, storsim_block_kind_t kind, uint32_t owner, uint64_t va, uint64_t bytes,
                                   int32_t cache, uint64_t pa) {
    const ss_nt_t *nt = nt_of(machine);
    const ss_block_id_t id = nt_span_at(nt, va);
    if (id == 0) {
        return 0;
    }
    const ss_block_t *block = block_at(nt, id); /* whose bytes nobody ever touched: its guards are intact */
    bool plain = block->va == va && block->kind == (uint8_t)kind && block->state == SS_STATE_LIVE && block->size == bytes &&
                 block->cache == cache && (pa == 0 || pa == block->pfn * PAGE) && block->owner == owner && block->rare == 0 && block->store == 0;
    return plain ? id : 0;
}

storsim_status_t ss_contig_return(ss_call_t *call, storsim_block_kind_t kind, uint64_t va, uint64_t bytes,
                                  int32_t cache, uint64_t pa) {
    storsim_machine_t *machine = call->machine;
    ss_block_id_t id = ss_block_around(machine, va);
    const ss_block_t *block = ss_block(machine, id);
    if (block == NULL || !contig_kind(block) || block->state != SS_STATE_LIVE || block->va != va) {
        return stop_base(call, kind, va, block);
    }
    if (!mismatches(call, kind, block, bytes, cache, pa) || nt_overrun_check_contig(call, block) != STORSIM_OK) {
        return call->status;
    }
    if (block->owner != call->owner && call->owner != 0) { /* unreachable: a routine that frees has its adapter */
        const ss_detail_t detail = {
            .expected = block->owner, .got = call->owner, .address = va, .allocated_at = block->site};
        ss_violate(call, SS_WRONG_ADAPTER, &detail);
    }
    if (nt_rare(nt_of(machine), block)->mdl_count != 0) {
        const ss_detail_t detail = {.address = va, .allocated_at = block->site};
        ss_violate(call, SS_FREE_WITH_LIVE_MDL, &detail);
    }
    ss_block_free(machine, id);
    return STORSIM_OK;
}
