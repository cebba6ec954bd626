/* storport/pool.c: StorPortAllocatePool and StorPortFreePool (spec §3.1). Sizes, tags, the fault plan and the
 * pool itself are the kernel room's (ss_pool_request), and so is which free of which pointer stops the machine (ss_pool_return). */
#include "storport/room.h"

/* V8: HwStorFreeAdapterResources is the last a driver hears before it is unloaded. Without pool tracking nobody notices. */
static bool unloading(ss_sp_t *sp) {
    if (!ss_verifying(sp->machine, STORSIM_V_POOL_TRACKING)) {
        return false;
    }
    uint64_t bytes = 0, blocks = 0;
    for (ss_block_id_t id = ss_block_next(sp->machine, 0); id != 0; id = ss_block_next(sp->machine, id)) {
        const ss_block_t *block = ss_block(sp->machine, id);
        bool own = block->kind == STORSIM_BLOCK_POOL && block->owner == sp->adapter->number;
        bytes += own ? block->size : 0;
        blocks += own ? 1 : 0;
    }
    (void)ss_bugcheck(&sp->call, SS_POOL_WHILE_UNLOADING, 0xC4, 0x61, 0, bytes, blocks, NULL);
    return true;
}

/* The variable for the result still holds a live block, which nobody could free any more. */
static void warn_lost(ss_sp_t *sp, uint64_t va) {
    ss_watch_t held;
    ss_watch(sp->machine, va, &held);
    if (held.id != 0 && held.va == va && held.kind == STORSIM_BLOCK_POOL) {
        const ss_detail_t detail = {.address = held.va, .allocated_at = held.site};
        ss_violate(&sp->call, SS_StorPortAllocatePool2, &detail);
    }
}

void ss_StorPortAllocatePool(ss_sp_t *sp) {
    uint64_t bytes = sp->a[1].value;
    uint32_t tag = (uint32_t)sp->a[2].value;
    storsim_arg_t *pointer = &sp->a[3];
    if (!pointer->present) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (pointer->value != 0) {
        warn_lost(sp, pointer->value);
    }
    if (ss_in_context(sp, STORSIM_CONTEXT_FREE_ADAPTER_RESOURCES) && unloading(sp)) {
        return;
    }
    ss_block_id_t id;
    ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
    /* unreachable: a request that was served has not failed */
    if (ss_pool_request(&sp->call, bytes, tag, &id) == SS_CONTIG_OK && sp->call.status == STORSIM_OK) {
        ss_out(pointer, ss_block(sp->machine, id)->va);
        ss_reply(sp, SS_STOR(SUCCESS));
    }
}

void ss_StorPortFreePool(ss_sp_t *sp) {
    uint64_t va = sp->a[1].value;
    if (va == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    ss_watch_t watch = {.id = 0};
    if (ss_watching(sp->port)) {
        ss_watch(sp->machine, va, &watch);
    }
    if (ss_pool_return(&sp->call, STORSIM_BLOCK_POOL, va) != STORSIM_OK) {
        return; /* the status of the call says why */
    }
    if (ss_watch_gone(sp->machine, &watch)) {
        ss_release_device(sp->machine, &sp->call, &watch);
    }
    ss_reply(sp, SS_STOR(SUCCESS));
}
