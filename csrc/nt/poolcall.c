/* nt/poolcall.c: what a pool allocation and a pool free of a driver can go wrong with: rows of spec/storport-memory
 * §3.1 and §3.8. */
#include "machine/bits.h"
#include "nt/nt_i.h"

/* --- allocation --------------------------------------------------------------------------------------------------- */

static bool letter_or_digit(uint32_t tag) {
    for (unsigned i = 0; i < 4; i++) {
        uint8_t c = (uint8_t)(tag >> (8 * i));
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
            return true;
        }
    }
    return false;
}

/* "BIG" with a space or nothing behind it. */
static bool is_big(uint32_t tag) {
    return tag == 0x20474942 || tag == 0x00474942;
}

/* Parameter 4 of 0xC2/0x9B…0x9D is the caller's address; the simulator's name for a caller is its site. */
static uint64_t caller(const ss_call_t *call) {
    return ss_machine_where(call->machine)->site;
}

/* True when the request is refused (tag 0 with zero_tag = fail) or the machine stopped. */
static bool bad_tag(ss_call_t *call, uint64_t bytes, uint32_t tag) {
    bool big = is_big(tag);
    if (tag != 0 && !big && letter_or_digit(tag)) {
        return false;
    }
    const storsim_nt_config_t *config = storsim_nt_config(call->machine);
    const ss_detail_t detail = {.got = tag};
    bool refuse = tag == 0 && config->zero_tag_fail && config->os >= 0x0A000008; /* ExAllocatePool2 answers NULL */
    if (refuse || config->level == STORSIM_RELEASE) {
        ss_violate(call, SS_BAD_TAG, &detail);
        return refuse;
    }
    uint32_t type = ss_pool_type(call->machine);
    if (tag == 0 || big) {
        (void)ss_bugcheck(call, SS_BAD_TAG, 0xC2, tag == 0 ? 0x9B : 0x9C, type, bytes, caller(call), &detail);
    } else {
        (void)ss_bugcheck(call, SS_BAD_TAG, 0xC2, 0x9D, tag, type, caller(call), &detail);
    }
    return true;
}

/* V11: reached only when bypass_irql_status let the call through. p1…: level, pool type, size or address. */
static bool stop_above_dispatch(ss_call_t *call, bool freeing, bool special, uint64_t value) {
    uint8_t irql = storsim_irql(call->machine);
    uint32_t type = ss_pool_type(call->machine);
    if (special) { /* V5 */
        (void)ss_bugcheck(call, SS_POOL_ABOVE_DISPATCH, 0xC1, irql, type, value, freeing ? 0x31 : 0x30, NULL);
        return true;
    }
    bool verifier = ss_at_least(call->machine, STORSIM_VERIFIER);
    uint32_t action = verifier ? (freeing ? 0x12 : 0x02) : (freeing ? 0x09 : 0x08);
    (void)ss_bugcheck(call, SS_POOL_ABOVE_DISPATCH, verifier ? 0xC4 : 0xC2, action, irql, type, value, NULL);
    return true;
}

static inline bool above_dispatch(ss_call_t *call, bool freeing, bool special, uint64_t value) {
    /* unreachable: stopping always says that it did */
    return nt_irql(nt_of(call->machine)) > DISPATCH_LEVEL && stop_above_dispatch(call, freeing, special, value);
}

bool ss_pool_plain(storsim_machine_t *machine, uint64_t bytes, uint32_t tag) {
    return bytes != 0 && tag != 0 && !is_big(tag) && letter_or_digit(tag) && nt_irql(nt_of(machine)) <= DISPATCH_LEVEL;
}

ss_contig_outcome_t ss_pool_request(ss_call_t *call, uint64_t bytes, uint32_t tag, ss_block_id_t *id) {
    storsim_machine_t *machine = call->machine;
    if (above_dispatch(call, false, nt_special_wanted(machine, bytes), bytes)) {
        return SS_CONTIG_REFUSED;
    }
    if (bytes == 0) {
        if (ss_at_least(machine, STORSIM_VERIFIER)) {
            (void)ss_bugcheck(call, SS_ZERO_LENGTH, 0xC4, 0x00, storsim_irql(machine), ss_pool_type(machine), 0, NULL);
            return SS_CONTIG_REFUSED;
        }
        ss_violate(call, SS_ZERO_LENGTH, NULL);
    }
    if (bad_tag(call, bytes, tag)) {
        return SS_CONTIG_REFUSED;
    }
    storsim_status_t status;
    /* unreachable: whoever asks for memory here is a routine */
    if (ss_fault(machine, call->routine != NULL ? call->routine->id : 0, tag, bytes, &status) || status != STORSIM_OK) {
        call->status = status;
        return SS_CONTIG_REFUSED;
    }
    status = ss_pool_take(machine, STORSIM_BLOCK_POOL, bytes, tag, call->owner, id);
    if (status != STORSIM_OK) {
        call->status = status == STORSIM_NO_SPACE ? STORSIM_OK : status;
        return SS_CONTIG_REFUSED;
    }
    return SS_CONTIG_OK;
}

/* --- free --------------------------------------------------------------------------------------------------------- */

typedef enum verdict {
    FREE_OK,
    FREE_TWICE,  /* start of a block that was freed */
    FREE_INSIDE, /* pool, but not the start of a block */
    FREE_CONTIG, /* inside live contiguous or DMA memory */
    FREE_USER,   /* below the kernel's half */
    FREE_FOREIGN /* anything else */
} verdict_t;

static bool pool_kind(const ss_block_t *block) {
    return block->kind == STORSIM_BLOCK_POOL || block->kind == STORSIM_BLOCK_MDL;
}

/* What lies at an address that a pool free got: `found`, the record around it, or NULL. */
static verdict_t judge_pool(const storsim_machine_t *machine, uint64_t va, const ss_block_t *found) {
    const ss_nt_t *nt = nt_of(machine);
    if (va < STORSIM_SYSTEM_START) {
        return FREE_USER;
    }
    if (found == NULL) {
        ss_block_id_t span = nt_span_at(nt, va);
        if (span == 0) {
            return FREE_FOREIGN;
        }
        /* A pool page, but no block there now: the start of an unused slot was freed and is forgotten; the rest is
         * between blocks. */
        const nt_pool_page_t *page = nt_pool_page(nt, block_at(nt, span)->pool_page);
        uint32_t slot = nt_pool_slot(page, va % PAGE);
        bool start = slot < page->slots && page->ids[slot] == 0 &&
                     va % PAGE == (uint64_t)slot * page->granules * GRANULE + POOL_HEADER;
        return start ? FREE_TWICE : FREE_INSIDE;
    }
    if (pool_kind(found)) {
        if (found->va != va) {
            return FREE_INSIDE;
        }
        return found->state == SS_STATE_LIVE ? FREE_OK : FREE_TWICE;
    }
    bool contig = found->kind == STORSIM_BLOCK_CONTIGUOUS || found->kind == STORSIM_BLOCK_DMA;
    return contig && found->state == SS_STATE_LIVE ? FREE_CONTIG : FREE_FOREIGN;
}

/* What StorPortFreeMdl got: an MDL's start, live or freed, or no MDL. */
static verdict_t judge_mdl(uint64_t va, const ss_block_t *found) {
    if (found == NULL || found->kind != STORSIM_BLOCK_MDL || found->va != va) {
        return FREE_FOREIGN;
    }
    return found->state == SS_STATE_LIVE ? FREE_OK : FREE_TWICE;
}

static uint64_t highest_pfn(const storsim_machine_t *machine) {
    size_t count;
    const storsim_memory_run_t *runs = storsim_memory_map(machine, &count);
    return runs[count - 1].first_pfn + runs[count - 1].pages - 1;
}

static storsim_status_t stop_twice(ss_call_t *call, storsim_block_kind_t kind, uint64_t va, const ss_block_t *block,
                                   const ss_detail_t *detail) {
    const ss_nt_t *nt = nt_of(call->machine);
    uint64_t header = block != NULL ? nt_pool_header(nt, block, false) : 0;
    if (kind == STORSIM_BLOCK_POOL) {
        ss_violate(call, SS_StorPortAllocatePool, detail);
    }
    if (ss_at_least(call->machine, STORSIM_VERIFIER)) {
        uint64_t header_va =
            block == NULL || block->pool_page != 0 ? va - POOL_HEADER : va; /* page blocks have no header */
        return ss_bugcheck(call, SS_DOUBLE_FREE, 0xC4, 0x13, 0, header_va, header, detail);
    }
    return ss_bugcheck(call, SS_DOUBLE_FREE, 0xC2, 0x07, 0, header, va, detail);
}

static storsim_status_t stop_free(ss_call_t *call, storsim_block_kind_t kind, verdict_t verdict, uint64_t va,
                                  const ss_block_t *block) {
    bool verifier = ss_at_least(call->machine, STORSIM_VERIFIER);
    ss_detail_t detail = {.address = va};
    if (block != NULL) {
        detail.expected = block->va;
        detail.got = va;
        detail.allocated_at = block->site;
        detail.freed_at = ss_block_freed_at(call->machine, block);
    }
    switch (verdict) {
    case FREE_TWICE:
        return stop_twice(call, kind, va, block, &detail);
    case FREE_USER:
        return ss_bugcheck(call, SS_USER_ADDRESS, 0xC2, 0x40, va, STORSIM_SYSTEM_START, 0, &detail);
    case FREE_CONTIG:
        return ss_bugcheck(call, SS_CONTIGUOUS_FREED_AS_POOL, 0xC2, 0x41, va,
                           ss_block_physical(call->machine, block, va - block->va) / PAGE, highest_pfn(call->machine),
                           &detail);
    case FREE_INSIDE:
        return verifier ? ss_bugcheck(call, SS_INTERIOR_POINTER, 0xC4, 0x10, va, 0, 0, &detail)
                        : ss_bugcheck(call, SS_INTERIOR_POINTER, 0xC2, 0x99, va, 0, 0, &detail);
    default:
        break;
    }
    ss_rule_id_t rule = kind == STORSIM_BLOCK_MDL ? SS_NOT_AN_MDL : SS_NOT_POOL;
    return verifier ? ss_bugcheck(call, rule, 0xC4, 0x10, va, 0, 0, &detail)
                    : ss_bugcheck(call, rule, 0xC2, 0x42, va, 0, 0, &detail);
}

/* An MDL whose pages are mapped through it: 0xC4(0xB8, MDL, flags, reserved); a retail kernel goes on. */
static storsim_status_t check_mapped(ss_call_t *call, const ss_block_t *block) {
    ss_mdl_t mdl;
    /* unreachable: an MDL that was written when it was made can be read */
    if (block->kind != STORSIM_BLOCK_MDL || !ss_mdl_load(call->machine, block->va, &mdl) ||
        (mdl.flags & SS_MDL_MAPPED_TO_SYSTEM_VA) == 0) {
        return STORSIM_OK;
    }
    const ss_detail_t detail = {.address = block->va, .allocated_at = block->site};
    if (ss_at_least(call->machine, STORSIM_VERIFIER)) {
        return ss_bugcheck(call, SS_MDL_FREED_MAPPED, 0xC4, 0xB8, block->va, mdl.flags, 0, &detail);
    }
    ss_violate(call, SS_MDL_FREED_MAPPED, &detail);
    return STORSIM_OK;
}

/* The records that a free changes besides the block's own lie anywhere: they are fetched while the checks run. */
static inline void expect_free(const ss_nt_t *nt, const ss_block_t *block) {
    if (block != NULL && block->state == SS_STATE_LIVE) {
        SS_SOON(nt->blocks + block->next - (block->next != 0));
        SS_SOON(nt->blocks + block->previous - (block->previous != 0));
        SS_SOON(nt->blocks + nt_oldest(nt) - (nt->held_count != 0));
    }
}

ss_block_id_t ss_pool_plain_free(storsim_machine_t *machine, uint64_t va, uint32_t owner) {
    const ss_nt_t *nt = nt_of(machine);
    const ss_block_id_t id = va >= STORSIM_ARENA_BASE ? ss_block_around(machine, va) : 0;
    if (id == 0) {
        return 0;
    }
    const ss_block_t *block = block_at(nt, id);
    expect_free(nt, block);
    bool plain = block->va == va && block->kind == STORSIM_BLOCK_POOL && block->state == SS_STATE_LIVE && block->owner == owner &&
                 nt_rare(nt, block)->mdl_count == 0 && block->pool_page != 0 && !nt_pool_page(nt, block->pool_page)->made &&
                 nt_irql(nt) <= DISPATCH_LEVEL;
    return plain ? id : 0;
}

storsim_status_t ss_pool_return(ss_call_t *call, storsim_block_kind_t kind, uint64_t va) {
    storsim_machine_t *machine = call->machine;
    const ss_block_id_t id = ss_block_around(machine, va);
    const ss_block_t *block = ss_block(machine, id);
    expect_free(nt_of(machine), block);
    if (above_dispatch(call, true, block != NULL && (block->flags & BLOCK_SPECIAL) != 0, va)) {
        return call->status;
    }
    verdict_t verdict = kind == STORSIM_BLOCK_MDL ? judge_mdl(va, block) : judge_pool(machine, va, block);
    block = verdict == FREE_USER ? NULL : block;
    if (verdict != FREE_OK && kind == STORSIM_BLOCK_POOL &&
        nt_special_bad_free(call, va, block, verdict == FREE_FOREIGN && block == NULL)) {
        return call->status;
    }
    if (verdict != FREE_OK) {
        return stop_free(call, kind, verdict, va, block);
    }
    if (nt_overrun_check_pool(call, block) != STORSIM_OK || check_mapped(call, block) != STORSIM_OK) {
        return call->status;
    }
    if (block->kind != (uint8_t)kind) {
        const ss_detail_t detail = {.address = va, .allocated_at = block->site};
        ss_violate(call, SS_WRONG_FREE_ROUTINE,
                   &detail); /* an MDL is a pool block: freed, but not as it should be. Model choice */
    }
    if (block->owner != call->owner && call->owner != 0) { /* unreachable: a routine that frees has its adapter */
        ss_detail_t owners = {.expected = block->owner, .got = call->owner, .address = va, .allocated_at = block->site};
        ss_violate(call, SS_WRONG_ADAPTER, &owners);
    }
    if (nt_rare(nt_of(machine), block)->mdl_count != 0) {
        const ss_detail_t detail = {.address = va, .allocated_at = block->site};
        ss_violate(call, SS_FREE_WITH_LIVE_MDL, &detail);
    }
    ss_block_free(machine, id);
    return STORSIM_OK;
}
