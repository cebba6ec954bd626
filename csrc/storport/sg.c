/* storport/sg.c: scatter/gather lists (spec §3.9).
 *
 *   Build   pieces of the MDL → list in the caller's buffer → callback queued (immediate, deferred, or drawn by the seed)
 *   Put     the list's resources go; the buffer stays the caller's
 *
 * A record lives from Build to Put. The list is read from the record, not from the caller's memory, which the caller may have changed. */
#include "storport/room.h"

#include <string.h>

ss_sg_t *ss_sg_find(const ss_port_t *port, uint64_t list) {
    for (uint32_t i = port->list_count; i > 0; i--) {
        if (port->lists[i - 1]->list == list) {
            return port->lists[i - 1];
        }
    }
    return NULL;
}

void ss_sg_forget(storsim_machine_t *machine, ss_sg_t *sg) {
    ss_port_t *port = ss_port(machine);
    ss_adapter_t *adapter = ss_adapter(machine, sg->adapter);
    /* unreachable: ends at the record, which is in the list until it is forgotten here */
    for (uint32_t i = 0; i < port->list_count; i++) {
        if (port->lists[i] == sg) {
            memmove(port->lists + i, port->lists + i + 1, (port->list_count - i - 1) * sizeof *port->lists);
            port->list_count--;
            break;
        }
    }
    ss_dpc_drop(machine, SS_ROOM_STORPORT, SS_DPC_SG, sg->sequence);
    adapter->map_registers_used -= sg->registers;
    ss_runs_drop(machine, adapter, &sg->runs);
    ss_release(ss_machine_host(machine), sg);
}

/* A buffer went while a list still describes it, or while it holds the list itself. */
void ss_sg_block_gone(storsim_machine_t *machine, ss_call_t *call, const ss_watch_t *watch) {
    ss_port_t *port = ss_port(machine);
    for (uint32_t i = 0; i < port->list_count; i++) {
        ss_sg_t *sg = port->lists[i];
        bool data = sg->data_block == watch->id && sg->data_generation == watch->generation;
        bool holds = sg->list >= watch->va && sg->list - watch->va < watch->size;
        if (!sg->orphaned && (data || holds)) {
            sg->orphaned = true;
            const ss_detail_t detail = {.address = sg->list, .allocated_at = sg->site, .owner = sg->adapter};
            if (call != NULL) {
                ss_violate(call, SS_SG_BUFFER_FREED, &detail);
            }
        }
    }
}

/* --- delivery ---------------------------------------------------------------------------------------------------------- */

static storsim_status_t deliver(storsim_machine_t *machine, ss_sg_t *sg) {
    sg->delivered = true;
    storsim_callback_t callback = {.kind = STORSIM_CB_SG_EXECUTE, .routine = sg->routine, .values = {0, 0, sg->list, sg->context}};
    return ss_callback_at(machine, 2, &callback); /* DeviceObject and Irp are to be ignored: NULL */
}

storsim_status_t ss_sg_dpc(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b) {
    ss_port_t *port = ss_port(machine);
    (void)b;
    for (uint32_t i = 0; kind == SS_DPC_SG && i < port->list_count; i++) {
        if (port->lists[i]->sequence == a) {
            return deliver(machine, port->lists[i]);
        }
    }
    return STORSIM_OK;
}

static bool is_deferred(const ss_sp_t *sp, uint64_t sequence) {
    if (sp->adapter->config.sg_delivery != STORSIM_SG_RANDOM) {
        return sp->adapter->config.sg_delivery == STORSIM_SG_DEFERRED;
    }
    return ss_mix(ss_machine_seed(sp->machine), ss_mix(sequence, sp->adapter->number)) & 1;
}

/* --- build ------------------------------------------------------------------------------------------------------------- */

typedef struct build {
    uint64_t mdl, va, routine, context, buffer, capacity, offset;
    uint32_t length;
    bool write;
} build_t;

/* Out of the MDL, or of no length: with the DMA check on the verifier stops, else the call is refused. */
static void misuse(ss_sp_t *sp, ss_rule_id_t rule, uint64_t p1, uint64_t p2, uint64_t p3, uint64_t p4, const ss_detail_t *detail) {
    if (ss_verifying(sp->machine, STORSIM_V_DMA)) {
        ss_bugcheck(&sp->call, rule, 0xE6, p1, p2, p3, p4, detail);
    } else {
        ss_violate(&sp->call, rule, detail);
    }
}

static bool in_mdl(ss_sp_t *sp, build_t *build) {
    ss_mdl_t mdl;
    const ss_detail_t unknown = {.got = build->mdl, .address = build->mdl};
    uint64_t pfn;
    if (!ss_mdl_load(sp->machine, build->mdl, &mdl)) {
        ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &unknown);
        return false;
    }
    uint64_t start = mdl.start_va + mdl.byte_offset, end = start + mdl.byte_count;
    const ss_detail_t detail = {.expected = mdl.byte_count, .got = build->length, .address = build->va};
    if (build->length == 0) {
        misuse(sp, ss_verifying(sp->machine, STORSIM_V_DMA) ? SS_SG_ZERO_LENGTH : SS_ZERO_LENGTH, 0x21, 0, 0, 0, &detail);
        return false;
    }
    if (build->va < start || build->va >= end) {
        misuse(sp, SS_SG_RANGE, 0x1F, build->va < start ? 1 : 2, build->va, build->mdl, &detail);
        return false;
    }
    if (build->length > end - build->va) {
        uint64_t excess = build->length - (end - build->va);
        uint64_t last_page = (end + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE * STORSIM_PAGE_SIZE;
        if (build->va + build->length > last_page) {
            misuse(sp, SS_SG_RANGE, 0x1F, 3, build->mdl, build->length, &detail);
        } else {
            misuse(sp, SS_SG_RANGE, 0x24, excess, 0, 0, &detail);
        }
        return false;
    }
    if (!ss_mdl_page(sp->machine, build->mdl, 0, &pfn)) {
        ss_violate(&sp->call, SS_MDL_NOT_BUILT, &unknown);
        return false;
    }
    build->offset = build->va - start;
    return true;
}

/* Writes the list through the driver's own view of its buffer. True: it is there. */
static bool write_list(ss_sp_t *sp, const build_t *build, const ss_runs_t *runs) {
    size_t size = (size_t)ss_runs_list_bytes(runs);
    uint8_t *bytes = ss_alloc(ss_machine_host(sp->machine), size);
    storsim_status_t status = STORSIM_NO_MEMORY;
    if (bytes != NULL) {
        ss_runs_encode(runs, bytes);
        status = storsim_write_va(sp->machine, build->buffer, bytes, size);
    }
    ss_release(ss_machine_host(sp->machine), bytes);
    if (status == STORSIM_VIOLATION) {
        sp->call.raised = true;
        status = STORSIM_OK;
    }
    sp->call.status = status;
    return status == STORSIM_OK;
}

/* Everything the list needs, or nothing. The record is returned; call.status or the result says why there is none. */
static ss_sg_t *reserve(ss_sp_t *sp, const build_t *build, ss_runs_t *runs) {
    ss_port_t *port = sp->port;
    ss_host_t *host = ss_machine_host(sp->machine);
    void *lists = port->lists;
    ss_sg_t *sg = ss_alloc_zeroed(host, 1, sizeof *sg);
    if (sg == NULL || !ss_grow(host, &lists, &port->list_capacity, port->list_count + 1, sizeof *port->lists)) {
        ss_release(host, sg);
        sp->call.status = STORSIM_NO_MEMORY;
        return NULL;
    }
    port->lists = lists;
    ss_watch_t data;
    ss_watch(sp->machine, build->va, &data);
    *sg = (ss_sg_t){.sequence = port->next_sequence, .list = build->buffer, .mdl = build->mdl, .routine = build->routine,
                    .context = build->context, .data_va = build->va, .adapter = sp->adapter->number, .length = build->length,
                    .site = ss_machine_where(sp->machine)->site, .data_block = data.id, .data_generation = data.generation,
                    .write = build->write};
    for (uint32_t i = 0; i < runs->count; i++) {
        sg->registers += (uint32_t)runs->list[i].pages;
    }
    const storsim_adapter_config_t *config = &sp->adapter->config;
    if (config->map_registers - sp->adapter->map_registers_used < sg->registers) {
        ss_release(host, sg);
        return NULL;
    }
    storsim_status_t status = ss_runs_map(sp->machine, sp->adapter, runs);
    if (status == STORSIM_OK && is_deferred(sp, sg->sequence)) {
        status = ss_dpc_queue(sp->machine, SS_ROOM_STORPORT, SS_DPC_SG, sg->sequence, 0);
    }
    if (status != STORSIM_OK) {
        ss_release(host, sg);
        sp->call.status = status == STORSIM_NO_SPACE ? sp->call.status : status;
        return NULL;
    }
    return sg;
}

static void commit(ss_sp_t *sp, ss_sg_t *sg) {
    ss_sg_t *older = ss_sg_find(sp->port, sg->list);
    if (older != NULL && !older->orphaned) { /* the buffer of a list that was not put is used again */
        older->orphaned = true;
        const ss_detail_t detail = {.address = older->list, .allocated_at = older->site};
        ss_violate(&sp->call, SS_SG_BUFFER_FREED, &detail);
    }
    sp->port->lists[sp->port->list_count++] = sg;
    sp->port->next_sequence++;
    sp->adapter->sg_built++;
    sp->adapter->map_registers_used += sg->registers;
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortBuildScatterGatherList(ss_sp_t *sp) {
    const storsim_arg_t *a = sp->a;
    build_t build = {.mdl = a[1].value, .va = a[2].value, .length = (uint32_t)a[3].value, .routine = a[4].value, .context = a[5].value,
                     .write = a[6].value != 0, .buffer = a[7].value, .capacity = a[8].value};
    ss_runs_t runs;
    ss_reply(sp, SS_STOR(INVALID_PARAMETER));
    if (build.mdl == 0 || build.va == 0 || build.routine == 0 || build.buffer == 0 || !in_mdl(sp, &build)) {
        return;
    }
    storsim_status_t status = ss_runs_of_mdl(sp->machine, build.mdl, build.offset, build.length, &runs);
    if (status != STORSIM_OK) {
        sp->call.status = status;
        return;
    }
    ss_sg_t *sg = NULL;
    ss_reply(sp, SS_STOR(BUFFER_TOO_SMALL));
    if (ss_runs_list_bytes(&runs) <= build.capacity) {
        ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
        if (!ss_sp_fault(sp, 0, build.length) && sp->call.status == STORSIM_OK) {
            sg = reserve(sp, &build, &runs);
        }
    }
    if (sg != NULL && !write_list(sp, &build, &runs)) {
        ss_dpc_drop(sp->machine, SS_ROOM_STORPORT, SS_DPC_SG, sg->sequence);
        ss_release(ss_machine_host(sp->machine), sg);
        sg = NULL;
    }
    if (sg == NULL) {
        ss_runs_drop(sp->machine, sp->adapter, &runs);
        return;
    }
    sg->runs = runs;
    commit(sp, sg);
    if (!is_deferred(sp, sg->sequence)) {
        sp->call.status = deliver(sp->machine, sg);
    }
}

/* --- put --------------------------------------------------------------------------------------------------------------- */

static void put_unknown(ss_sp_t *sp, uint64_t list, const ss_sg_t *orphan) {
    ss_detail_t detail = {.got = list, .address = list, .allocated_at = orphan != NULL ? orphan->site : 0};
    for (uint32_t i = 0; i < SS_PUT_MEMORY; i++) {
        if (orphan == NULL && sp->port->puts[i].list == list) {
            detail.allocated_at = sp->port->puts[i].built_at;
            detail.freed_at = sp->port->puts[i].put_at;
        }
    }
    misuse(sp, SS_SG_DOUBLE_PUT, 0x06, sp->adapter->sg_built, sp->adapter->sg_put, 0, &detail);
    ss_reply(sp, SS_STOR(INVALID_PARAMETER));
}

void ss_StorPortPutScatterGatherList(ss_sp_t *sp) {
    uint64_t list = sp->a[1].value;
    if (list == 0) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    ss_sg_t *sg = ss_sg_find(sp->port, list);
    if (sg == NULL || sg->orphaned) {
        put_unknown(sp, list, sg);
        if (sg != NULL && sp->call.status == STORSIM_OK) { /* not stopped: its resources go all the same */
            sp->adapter->sg_put++;
            ss_sg_forget(sp->machine, sg);
        }
        return;
    }
    ss_detail_t detail = {.address = list, .allocated_at = sg->site, .owner = sg->adapter};
    if (sg->adapter != sp->adapter->number) {
        ss_violate(&sp->call, SS_WRONG_ADAPTER, &detail);
    }
    if (sg->write != (sp->a[2].value != 0)) {
        detail.expected = sg->write;
        detail.got = sp->a[2].value != 0;
        ss_violate(&sp->call, SS_SG_DIRECTION, &detail);
    }
    sp->port->puts[sp->port->put_next] =
        (ss_put_t){.list = list, .built_at = sg->site, .put_at = ss_machine_where(sp->machine)->site};
    sp->port->put_next = (sp->port->put_next + 1) % SS_PUT_MEMORY;
    ss_adapter(sp->machine, sg->adapter)->sg_put++;
    ss_sg_forget(sp->machine, sg);
    ss_reply(sp, SS_STOR(SUCCESS));
}

/* --- looking at lists and MDLs ------------------------------------------------------------------------------------------ */

static const ss_runs_t *runs_at(const ss_port_t *port, storsim_machine_t *machine, uint64_t list) {
    const ss_sg_t *sg = ss_sg_find(port, list);
    if (sg != NULL) {
        return &sg->runs;
    }
    for (uint32_t i = 0; list != 0 && i < port->srb_count; i++) {
        const ss_srb_buffer_t *buffers[2] = {&port->srbs[i]->data, &port->srbs[i]->data_in};
        for (int k = 0; k < 2; k++) {
            if (buffers[k]->list != 0 && ss_block(machine, buffers[k]->list)->va == list) {
                return &buffers[k]->runs;
            }
        }
    }
    return NULL;
}

storsim_status_t storsim_sg_elements(storsim_machine_t *machine, uint64_t list, storsim_sg_element_t *elements, uint32_t *count) {
    const ss_port_t *port = ss_port(machine);
    const ss_runs_t *runs = port != NULL ? runs_at(port, machine, list) : NULL;
    if (runs == NULL) {
        return STORSIM_STALE;
    }
    for (uint32_t i = 0; i < runs->count && i < *count && elements != NULL; i++) {
        elements[i] = (storsim_sg_element_t){.PhysicalAddress = runs->list[i].address, .Length = runs->list[i].bytes};
    }
    *count = runs->count;
    return STORSIM_OK;
}

storsim_status_t storsim_mdl_get(storsim_machine_t *machine, uint64_t va, storsim_mdl_info_t *info) {
    ss_mdl_t mdl;
    uint64_t pfn;
    if (storsim_nt_config(machine) == NULL || !ss_mdl_load(machine, va, &mdl)) {
        return STORSIM_STALE;
    }
    *info = (storsim_mdl_info_t){.va = va, .start_va = mdl.start_va, .mapped_system_va = mdl.mapped_system_va,
                                 .byte_count = mdl.byte_count, .byte_offset = mdl.byte_offset, .flags = mdl.flags, .size = mdl.size};
    info->pages = (uint32_t)(((uint64_t)mdl.byte_offset + mdl.byte_count + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE);
    info->built = ss_mdl_page(machine, va, 0, &pfn);
    return STORSIM_OK;
}

storsim_status_t storsim_mdl_page(storsim_machine_t *machine, uint64_t va, uint32_t index, uint64_t *physical) {
    uint64_t pfn;
    ss_mdl_t mdl;
    if (storsim_nt_config(machine) == NULL || !ss_mdl_load(machine, va, &mdl)) {
        return STORSIM_STALE;
    }
    if (!ss_mdl_page(machine, va, index, &pfn)) {
        return STORSIM_INVALID;
    }
    *physical = pfn * STORSIM_PAGE_SIZE;
    return STORSIM_OK;
}
