/* storport/contig_dma.c: contiguous memory and DMA memory (spec §3.2, §3.3). Both pairs share everything but the address they return. */
#include "storport/room.h"

static void allocate(ss_sp_t *sp, storsim_block_kind_t kind) {
    storsim_arg_t *a = sp->a, *pointer = &a[7], *address = kind == STORSIM_BLOCK_DMA ? &a[8] : NULL;
    if (!pointer->present || (address != NULL && !address->present)) {
        ss_violate(&sp->call, SS_NULL_OUTPUT, NULL);
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (kind == STORSIM_BLOCK_DMA && sp->adapter->config.dma_remapping && storsim_irql(sp->machine) > 0) {
        ss_note(&sp->call, SS_DMA_ABOVE_PASSIVE, NULL);
    }
    const ss_contig_args_t request = {.bytes = a[1].value, .lowest = a[2].value, .highest = a[3].value, .boundary = a[4].value,
                                      .cache = (int32_t)(uint32_t)a[5].value, .node = (uint32_t)a[6].value};
    ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
    ss_block_id_t id;
    if (ss_contig_take(&sp->call, kind, &request, &id) != SS_CONTIG_OK) {
        return;
    }
    const ss_bus_limits_t limits = {.lowest = request.lowest, .highest = request.highest, .boundary = request.boundary};
    storsim_status_t status = ss_device_attach(sp->machine, sp->adapter, id, &limits);
    if (status != STORSIM_OK) {
        ss_block_undo(sp->machine, id);
        sp->call.status = status == STORSIM_NO_SPACE ? sp->call.status : status;
        return;
    }
    const ss_block_t *block = ss_block(sp->machine, id);
    ss_out(pointer, block->va);
    if (address != NULL) {
        ss_out(address, ss_device_address(sp->machine, sp->adapter, block, 0));
    }
    ss_reply(sp, SS_STOR(SUCCESS));
}

static void give_back(ss_sp_t *sp, storsim_block_kind_t kind, uint64_t address) {
    uint64_t va = sp->a[1].value;
    ss_watch_t watch = {.id = 0};
    if (ss_watching(sp->port)) {
        ss_watch(sp->machine, va, &watch);
    }
    if (ss_contig_return(&sp->call, kind, va, sp->a[2].value, (int32_t)(uint32_t)sp->a[3].value, address) != STORSIM_OK) {
        return;
    }
    if (ss_watch_gone(sp->machine, &watch)) {
        ss_release_device(sp->machine, &sp->call, &watch);
    }
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortAllocateContiguousMemorySpecifyCacheNode(ss_sp_t *sp) {
    allocate(sp, STORSIM_BLOCK_CONTIGUOUS);
}

void ss_StorPortFreeContiguousMemorySpecifyCache(ss_sp_t *sp) {
    give_back(sp, STORSIM_BLOCK_CONTIGUOUS, 0);
}

void ss_StorPortAllocateDmaMemory(ss_sp_t *sp) {
    allocate(sp, STORSIM_BLOCK_DMA);
}

void ss_StorPortFreeDmaMemory(ss_sp_t *sp) {
    give_back(sp, STORSIM_BLOCK_DMA, sp->a[4].value);
}
