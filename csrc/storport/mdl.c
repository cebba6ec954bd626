/* storport/mdl.c: the three MDL routines (spec §3.8). What building does to which buffer is the kernel room's: ss_mdl_build. */
#include "storport/room.h"

void ss_StorPortAllocateMdl(ss_sp_t *sp) {
    uint64_t buffer = sp->a[1].value, bytes = sp->a[2].value;
    storsim_arg_t *mdl = &sp->a[3];
    if (!mdl->present || buffer == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (bytes == 0) {
        const ss_detail_t detail = {.address = buffer};
        ss_violate(&sp->call, SS_ZERO_LENGTH, &detail);
    }
    ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
    if (ss_sp_fault(sp, 0, bytes) || sp->call.status != STORSIM_OK) {
        return;
    }
    /* Source: nf-wdm-ioallocatemdl.md; the limit of Vista also stands for what came before it. */
    uint64_t limit = (storsim_nt_config(sp->machine)->os >= 0x06010000 ? UINT64_C(1) << 32 : UINT64_C(1) << 31) - STORSIM_PAGE_SIZE;
    uint64_t end;
    if (bytes > limit || !ss_add_u64(buffer, bytes, &end)) {
        return;
    }
    ss_block_id_t id;
    storsim_status_t status = ss_mdl_make(sp->machine, buffer, (uint32_t)bytes, sp->adapter->number, &id);
    if (status == STORSIM_OK) {
        ss_out(mdl, ss_block(sp->machine, id)->va);
        ss_reply(sp, SS_STOR(SUCCESS));
    } else if (status != STORSIM_NO_SPACE) {
        sp->call.status = status;
    }
}

void ss_StorPortBuildMdlForNonPagedPool(ss_sp_t *sp) {
    uint64_t mdl = sp->a[1].value;
    if (mdl == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
    } else if (ss_mdl_build(&sp->call, mdl) == STORSIM_OK) {
        ss_reply(sp, SS_STOR(SUCCESS));
    }
}

void ss_StorPortFreeMdl(ss_sp_t *sp) {
    uint64_t mdl = sp->a[1].value;
    if (mdl == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    ss_watch_t watch = {.id = 0};
    if (sp->port->srb_count != 0) {
        ss_watch(sp->machine, mdl, &watch);
    }
    if (watch.id != 0 && ss_srb_owns_mdl(sp->machine, watch.id)) {
        /* Model choice: the MDL of a request is the port's, never a pool block the driver owns. */
        const ss_detail_t detail = {.address = mdl, .allocated_at = watch.site};
        bool verifier = ss_at_least(sp->machine, STORSIM_VERIFIER);
        ss_bugcheck(&sp->call, SS_PORT_MEMORY_FREED, verifier ? 0xC4 : 0xC2, verifier ? 0x10 : 0x42, mdl, 0, 0, &detail);
        return;
    }
    if (ss_pool_return(&sp->call, STORSIM_BLOCK_MDL, mdl) == STORSIM_OK) {
        ss_reply(sp, SS_STOR(SUCCESS));
    }
}
