/* storport/translate.c: StorPortGetPhysicalAddress and StorPortGetVirtualAddress (spec §3.7). */
#include "storport/room.h"

enum { POISON_LENGTH = 0x0BADF00D }; /* knob poison_length: what *Length holds where the page says to ignore it */

typedef struct place {
    uint64_t physical; /* 0: cannot be translated */
    uint64_t length;
} place_t;

static uint64_t to_page_end(uint64_t va) {
    return STORSIM_PAGE_SIZE - va % STORSIM_PAGE_SIZE;
}

static void unknown(ss_sp_t *sp, uint64_t va, uint32_t freed_at) {
    const ss_detail_t detail = {.got = va, .address = va, .freed_at = freed_at};
    if (ss_at_least(sp->machine, STORSIM_VERIFIER)) {
        /* The code is documented for the ScsiPort twin (spec V25). */
        ss_bugcheck(&sp->call, SS_UNKNOWN_ADDRESS, 0xF1, 0x1006, sp->adapter->extension, va, 0, &detail);
    } else {
        ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
    }
}

/* A byte of a data buffer: in the pieces the device will see. */
static place_t in_pieces(ss_sp_t *sp, ss_srb_t *srb, ss_srb_buffer_t *buffer, uint64_t va) {
    storsim_status_t status = ss_srb_pieces(sp->machine, srb, buffer, false);
    if (status != STORSIM_OK) {
        sp->call.status = status == STORSIM_NO_SPACE ? sp->call.status : status;
        return (place_t){0, 0};
    }
    uint64_t offset = va - buffer->va;
    /* unreachable: ends at the piece that holds the byte; together they are the buffer */
    for (uint32_t i = 0; i < buffer->runs.count; i++) {
        const ss_run_t *run = &buffer->runs.list[i];
        if (offset < run->bytes) {
            return (place_t){run->address + offset, run->bytes - offset};
        }
        offset -= run->bytes;
    }
    return (place_t){0, 0}; /* unreachable: see above */
}

/* The live request that owns a block, as extension, sense or data; NULL otherwise. */
static ss_srb_t *owner_of(const ss_sp_t *sp, ss_block_id_t id) {
    for (uint32_t i = 0; i < sp->port->srb_count; i++) {
        ss_srb_t *srb = sp->port->srbs[i];
        if (srb->extension == id || srb->sense == id || srb->data.block == id || srb->data_in.block == id) {
            return srb;
        }
    }
    return NULL;
}

/* Rows for memory of a request: `given` is the Srb argument. */
static place_t of_request(ss_sp_t *sp, ss_srb_t *srb, uint64_t given, ss_block_id_t id, uint64_t va) {
    const ss_block_t *block = ss_block(sp->machine, id);
    uint64_t left = block->va + block->size - va;
    if (id == srb->extension) {
        if (given != 0) {
            ss_note(&sp->call, SS_SRB_NOT_NEEDED, NULL);
        }
        srb->extension_translated = true;
        return (place_t){ss_device_address(sp->machine, sp->adapter, block, va - block->va), left};
    }
    if (given != srb->va) { /* sense and data buffers are translated for the request they belong to */
        const ss_detail_t detail = {.expected = srb->va, .got = given, .address = va};
        ss_violate(&sp->call, SS_MISSING_SRB, &detail);
        return (place_t){0, 0};
    }
    if (id == srb->sense) {
        return (place_t){ss_device_address(sp->machine, sp->adapter, block, va - block->va), left};
    }
    ss_srb_buffer_t *buffer = id == srb->data.block ? &srb->data : &srb->data_in;
    if (va < buffer->va) { /* it ends with its block */
        unknown(sp, va, 0);
        return (place_t){0, 0};
    }
    return in_pieces(sp, srb, buffer, va);
}

static place_t translate(ss_sp_t *sp, uint64_t given, uint64_t va) {
    ss_adapter_t *adapter = sp->adapter;
    ss_block_id_t id = ss_block_around(sp->machine, va);
    const ss_block_t *block = id != 0 ? ss_block(sp->machine, id) : NULL;
    if (block == NULL || block->state != SS_STATE_LIVE || va - block->va >= block->size) {
        unknown(sp, va, block != NULL ? ss_block_freed_at(sp->machine, block) : 0);
        return (place_t){0, 0};
    }
    uint64_t offset = va - block->va;
    if (block->owner != adapter->number && block->owner != 0) {
        const ss_detail_t detail = {.expected = block->owner, .got = adapter->number, .address = va, .owner = block->owner};
        ss_violate(&sp->call, SS_WRONG_ADAPTER, &detail);
    }
    ss_srb_t *srb = owner_of(sp, id);
    if (srb != NULL) {
        return of_request(sp, srb, given, id, va);
    }
    const ss_adapter_t *owner = ss_adapter(sp->machine, block->owner);
    uint64_t physical = ss_device_address(sp->machine, owner != NULL ? owner : adapter, block, offset);
    switch ((storsim_block_kind_t)block->kind) {
    case STORSIM_BLOCK_UNCACHED:
        adapter->uncached_translated = adapter->uncached_translated || id == adapter->uncached;
        return (place_t){physical, block->size - offset};
    case STORSIM_BLOCK_CONTIGUOUS:
    case STORSIM_BLOCK_DMA: /* the page says to ignore the length for memory that is not part of a request */
        return (place_t){physical, adapter->config.poison_length ? POISON_LENGTH : to_page_end(va)};
    default: break;
    }
    const ss_detail_t detail = {.address = va, .allocated_at = block->site};
    ss_violate(&sp->call, SS_GPA_UNSUPPORTED_SOURCE, &detail);
    return (place_t){ss_block_physical(sp->machine, block, offset), to_page_end(va)};
}

void ss_StorPortGetPhysicalAddress(ss_sp_t *sp) {
    storsim_arg_t *length = &sp->a[3];
    if (!length->present) {
        ss_violate(&sp->call, SS_NULL_LENGTH, NULL);
    }
    place_t place = translate(sp, sp->a[1].value, sp->a[2].value);
    if (sp->call.status == STORSIM_OK) {
        sp->call.result = place.physical;
        ss_out(length, place.length); /* a ULONG: so were the sizes it comes from */
    }
}

/* Address in a block that was translated before; false: not in it. */
static bool back(ss_sp_t *sp, ss_block_id_t id, uint64_t address, uint64_t *va) {
    const ss_block_t *block = ss_block(sp->machine, id);
    if (block == NULL) {
        return false;
    }
    uint64_t start = ss_device_address(sp->machine, sp->adapter, block, 0);
    if (address < start || address - start >= block->size) {
        return false;
    }
    *va = block->va + (address - start);
    return true;
}

/* Only what StorPortGetPhysicalAddress produced goes back. A driver translates the start of an extension once and adds offsets itself, so
 * any address of an extension of which one was translated counts (model choice). */
void ss_StorPortGetVirtualAddress(ss_sp_t *sp) {
    uint64_t address = sp->a[1].value, va = 0;
    if (sp->adapter->uncached_translated && back(sp, sp->adapter->uncached, address, &va)) {
        sp->call.result = va;
        return;
    }
    for (uint32_t i = 0; i < sp->port->srb_count; i++) {
        const ss_srb_t *srb = sp->port->srbs[i];
        if (srb->adapter == sp->adapter->number && srb->extension_translated && back(sp, srb->extension, address, &va)) {
            sp->call.result = va;
            return;
        }
    }
    const ss_detail_t detail = {.got = address, .address = address};
    ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
}
