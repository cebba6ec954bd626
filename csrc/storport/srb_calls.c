/* storport/srb_calls.c: the routines that answer with memory of a request (spec §3.11). What they return dies with the request. */
#include "storport/room.h"

/* The request behind an Srb argument; NULL and a violation when it is none of this adapter's. */
static ss_srb_t *request_of(ss_sp_t *sp, uint64_t va) {
    ss_srb_t *srb = ss_srb(sp->machine, va);
    if (srb != NULL && srb->adapter == sp->adapter->number) {
        return srb;
    }
    const ss_detail_t detail = {.got = va, .address = va, .owner = srb != NULL ? srb->adapter : 0};
    ss_violate(&sp->call, va == 0 ? SS_MISSING_SRB : srb != NULL ? SS_WRONG_ADAPTER : SS_UNKNOWN_ADDRESS, &detail);
    return NULL;
}

static void refuse(ss_sp_t *sp) {
    ss_reply(sp, SS_STOR(INVALID_PARAMETER));
}

/* The buffer of the request in question; NULL: there is none, or it has no bytes. */
static const ss_srb_buffer_t *buffer_of(ss_sp_t *sp, bool data_in) {
    ss_srb_t *srb = request_of(sp, sp->a[1].value);
    const ss_srb_buffer_t *buffer = srb == NULL ? NULL : data_in ? ss_srb_data_in(srb) : &srb->data;
    return buffer != NULL && buffer->length != 0 ? buffer : NULL;
}

/* Shared by the two routines that map a buffer. The pages are mapped when the request is made, so mapping fails only by plan. */
static void system_address(ss_sp_t *sp, bool data_in) {
    storsim_arg_t *out = &sp->a[2];
    const ss_srb_buffer_t *buffer = buffer_of(sp, data_in);
    if (!out->present || buffer == NULL) {
        refuse(sp);
        return;
    }
    if (ss_sp_fault(sp, 0, buffer->length) || sp->call.status != STORSIM_OK) {
        ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
        return;
    }
    buffer = buffer_of(sp, data_in); /* the host was asked, and may have completed the request meanwhile */
    if (buffer == NULL) {
        refuse(sp);
        return;
    }
    ss_out(out, buffer->va);
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortGetSystemAddress(ss_sp_t *sp) {
    system_address(sp, false);
}

void ss_StorPortGetDataInBufferSystemAddress(ss_sp_t *sp) {
    system_address(sp, true);
}

static void mdl_of(ss_sp_t *sp, bool data_in) {
    storsim_arg_t *out = &sp->a[2];
    ss_srb_t *srb = request_of(sp, sp->a[1].value);
    if (!out->present || srb == NULL) {
        refuse(sp);
        return;
    }
    const ss_srb_buffer_t *buffer = data_in ? ss_srb_data_in(srb) : &srb->data;
    ss_out(out, buffer != NULL ? buffer->mdl_va : 0); /* a request without data has no MDL: NULL (model choice) */
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortGetOriginalMdl(ss_sp_t *sp) {
    mdl_of(sp, false);
}

void ss_StorPortGetDataInBufferMdl(ss_sp_t *sp) {
    mdl_of(sp, true);
}

/* The list of a buffer, made at the first request for it. 0: none, or call.status says why. */
static uint64_t list_of(ss_sp_t *sp, ss_srb_t *srb, ss_srb_buffer_t *buffer) {
    if (buffer == NULL || buffer->length == 0) {
        return 0;
    }
    storsim_status_t status = ss_srb_pieces(sp->machine, srb, buffer, true);
    if (status != STORSIM_OK) {
        sp->call.status = status == STORSIM_NO_SPACE ? sp->call.status : status;
        return 0;
    }
    return ss_block(sp->machine, buffer->list)->va;
}

void ss_StorPortGetScatterGatherList(ss_sp_t *sp) {
    ss_srb_t *srb = request_of(sp, sp->a[1].value);
    sp->call.result = srb != NULL ? list_of(sp, srb, &srb->data) : 0;
}

void ss_StorPortGetDataInBufferScatterGatherList(ss_sp_t *sp) {
    storsim_arg_t *out = &sp->a[2];
    ss_srb_t *srb = request_of(sp, sp->a[1].value);
    if (!out->present || srb == NULL) {
        refuse(sp);
        return;
    }
    ss_out(out, list_of(sp, srb, ss_srb_data_in(srb)));
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortGetPfns(ss_sp_t *sp) {
    storsim_arg_t *a = sp->a;
    uint64_t mdl = a[2].value;
    ss_srb_t *srb = a[1].value != 0 ? request_of(sp, a[1].value) : NULL; /* NULL is documented: the status alone */
    const ss_srb_buffer_t *buffer = NULL;
    if (srb != NULL && mdl != 0) {
        buffer = srb->data.mdl_va == mdl ? &srb->data : srb->data_in.mdl_va == mdl ? &srb->data_in : NULL;
        if (buffer == NULL) {
            const ss_detail_t detail = {.expected = srb->data.mdl_va, .got = mdl, .address = mdl};
            ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
        }
    }
    ss_mdl_t fields;
    /* unreachable: an MDL that the port wrote can be read */
    if (buffer == NULL || !a[3].present || !a[4].present || !a[5].present || !ss_mdl_load(sp->machine, mdl, &fields)) {
        refuse(sp);
        return;
    }
    ss_out(&a[3], mdl + SS_MDL_X64_HEADER);
    ss_out(&a[4], ((uint64_t)fields.byte_offset + fields.byte_count + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE);
    ss_out(&a[5], fields.byte_offset);
    ss_reply(sp, SS_STOR(SUCCESS));
}
