/* storport/srb.c: requests as the port hands them to the miniport, and the memory behind them (spec §3.11, §3.13).
 *
 * A request brings: the SCSI_REQUEST_BLOCK, the SRB extension (SrbExtensionSize, physically contiguous, uninitialised), a sense buffer,
 * an LU extension (zeroed) if asked for, and per data buffer its pages and the MDL that describes them. All of it is the port's: it goes
 * with the request, and pointers got through the request die with it. */
#include "storport/room.h"
#include "storport/operations.h"

#include <string.h>

static ss_srb_t **slot_of(const ss_port_t *port, uint64_t va) {
    for (uint32_t i = port != NULL && va != 0 ? port->srb_count : 0; i > 0; i--) {
        if (port->srbs[i - 1]->va == va) {
            return &port->srbs[i - 1];
        }
    }
    return NULL;
}

ss_srb_t *ss_srb(const storsim_machine_t *machine, uint64_t va) {
    ss_srb_t **slot = slot_of(ss_port(machine), va);
    return slot != NULL ? *slot : NULL;
}

ss_srb_buffer_t *ss_srb_data_in(ss_srb_t *srb) {
    if (srb->data_in.length != 0) {
        return &srb->data_in;
    }
    return !srb->write && srb->data.length != 0 ? &srb->data : NULL;
}

bool ss_srb_owns_mdl(const storsim_machine_t *machine, ss_block_id_t mdl) {
    const ss_port_t *port = ss_port(machine);
    for (uint32_t i = 0; i < port->srb_count; i++) {
        if (port->srbs[i]->data.mdl == mdl || port->srbs[i]->data_in.mdl == mdl) {
            return true;
        }
    }
    return false;
}

/* --- creating ---------------------------------------------------------------------------------------------------------- */

static uint64_t va_of(storsim_machine_t *machine, ss_block_id_t id) {
    return id != 0 ? ss_block(machine, id)->va : 0;
}

/* One piece of memory the device may reach: whole pages, physically contiguous. */
static storsim_status_t provide(storsim_machine_t *machine, ss_adapter_t *adapter, storsim_block_kind_t kind, uint64_t bytes, bool zero,
                                bool device, ss_block_id_t *id) {
    const ss_block_request_t request = {.kind = kind, .size = bytes, .highest = UINT64_MAX, .node = adapter->config.node, .cache = 1,
                                        .owner = adapter->number, .zero = zero};
    ss_block_id_t made;
    storsim_status_t status = ss_block_make(machine, &request, &made);
    if (status != STORSIM_OK) {
        return status;
    }
    if (device) {
        status = ss_device_attach(machine, adapter, made, NULL);
        if (status != STORSIM_OK) {
            ss_block_undo(machine, made);
            return status;
        }
    }
    *id = made;
    return STORSIM_OK;
}

/* Takes pages as exactly `fragments` pieces, each not the neighbour of the one before: a piece one page longer is found, and its first
 * page left out. NO_SPACE, NO_MEMORY; nothing stays taken then. */
static storsim_status_t take_fragments(storsim_machine_t *machine, uint64_t pages, uint32_t fragments, ss_page_extent_t *extents) {
    ss_pages_t *memory = ss_machine_pages(machine);
    storsim_status_t status = STORSIM_OK;
    uint32_t taken = 0;
    for (; taken < fragments; taken++) {
        uint64_t length = pages / fragments + (taken < pages % fragments ? 1 : 0), first;
        const ss_page_request_t request = {.pages = length + 1, .first_max = UINT64_MAX, .align_pages = 1};
        status = ss_pages_take(memory, &request, &first);
        if (status == STORSIM_OK) {
            ss_pages_give(memory, first, length + 1);
            status = ss_pages_take_at(memory, first + 1, length);
            extents[taken] = (ss_page_extent_t){first + 1, length};
        }
        if (status != STORSIM_OK) {
            break;
        }
    }
    for (uint32_t i = taken; status != STORSIM_OK && i > 0; i--) {
        ss_pages_give(memory, extents[i - 1].first_pfn, extents[i - 1].pages);
    }
    return status;
}

static storsim_status_t make_fragments(storsim_machine_t *machine, const ss_block_request_t *request, uint32_t fragments,
                                       ss_block_id_t *id) {
    ss_host_t *host = ss_machine_host(machine);
    ss_page_extent_t *extents = ss_alloc_zeroed(host, fragments, sizeof *extents);
    if (extents == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status =
        take_fragments(machine, (request->size + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE, fragments, extents);
    if (status == STORSIM_OK) {
        status = ss_block_adopt(machine, request, extents, fragments, id);
        for (uint32_t i = fragments; status != STORSIM_OK && i > 0; i--) {
            ss_pages_give(ss_machine_pages(machine), extents[i - 1].first_pfn, extents[i - 1].pages);
        }
    }
    ss_release(host, extents);
    return status;
}

/* A data buffer and its MDL: pages as the allocator gives single ones, or exactly `fragments` physical pieces. */
static storsim_status_t provide_data(storsim_machine_t *machine, const ss_adapter_t *adapter, uint32_t offset, uint32_t length,
                                     uint32_t fragments, ss_srb_buffer_t *buffer) {
    if (length == 0) {
        return STORSIM_OK;
    }
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_SRB_DATA, .size = (uint64_t)offset + length, .highest = UINT64_MAX,
                                        .node = adapter->config.node, .cache = 1, .owner = adapter->number,
                                        .scattered = fragments == 0};
    ss_block_id_t block, mdl;
    storsim_status_t status =
        fragments > 1 ? make_fragments(machine, &request, fragments, &block) : ss_block_make(machine, &request, &block);
    if (status != STORSIM_OK) {
        return status;
    }
    buffer->block = block;
    buffer->va = ss_block(machine, block)->va + offset;
    buffer->length = length;
    status = ss_mdl_make_built(machine, block, offset, length, adapter->number, &mdl);
    if (status == STORSIM_OK) {
        buffer->mdl = mdl;
        buffer->mdl_va = ss_block(machine, mdl)->va;
    }
    return status;
}

static storsim_status_t provide_all(storsim_machine_t *machine, ss_adapter_t *adapter, const storsim_srb_config_t *config, ss_srb_t *srb) {
    uint64_t extension = adapter->port[STORSIM_PC_SrbExtensionSize];
    storsim_status_t status = provide(machine, adapter, STORSIM_BLOCK_SRB, SS_SRB_BYTES, true, false, &srb->block);
    if (status == STORSIM_OK && extension != 0) {
        status = provide(machine, adapter, STORSIM_BLOCK_SRB_EXTENSION, extension, false, true, &srb->extension);
    }
    if (status == STORSIM_OK) {
        status = provide(machine, adapter, STORSIM_BLOCK_SENSE, SS_SENSE_BYTES, true, true, &srb->sense);
    }
    if (status == STORSIM_OK && config->lu_extension_bytes != 0) {
        status = provide(machine, adapter, STORSIM_BLOCK_LU_EXTENSION, config->lu_extension_bytes, true, false, &srb->lu);
    }
    if (status == STORSIM_OK) {
        status = provide_data(machine, adapter, config->offset, config->length, config->fragments, &srb->data);
    }
    if (status == STORSIM_OK) {
        status = provide_data(machine, adapter, 0, config->data_in_length, 0, &srb->data_in);
    }
    return status;
}

static void store(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* The documented members a miniport reads, at their x64 offsets. Source: ns-srb-_scsi_request_block.md, C layout rules. */
static storsim_status_t write_fields(storsim_machine_t *machine, const ss_srb_t *srb) {
    uint8_t bytes[SS_SRB_BYTES];
    memset(bytes, 0, sizeof bytes);
    store(bytes, SS_SRB_BYTES, 2);                                       /* Length; Function 0: EXECUTE_SCSI */
    store(bytes + 0x0B, SS_SENSE_BYTES, 1);                              /* SenseInfoBufferLength */
    store(bytes + 0x0C, srb->data.length == 0 ? 0 : srb->write ? 0x80 : 0x40, 4); /* SrbFlags: DATA_OUT, DATA_IN */
    store(bytes + 0x10, srb->data.length, 4);                            /* DataTransferLength */
    store(bytes + 0x18, srb->data.va, 8);                                /* DataBuffer */
    store(bytes + 0x20, srb->sense_va, 8);                  /* SenseInfoBuffer */
    store(bytes + 0x38, srb->extension_va, 8);              /* SrbExtension */
    return ss_block_write(machine, ss_block(machine, srb->block), 0, bytes, sizeof bytes);
}

/* Gives one block back: freed, or taken back as if it had never been made. */
static void give_back(storsim_machine_t *machine, ss_block_id_t id, bool undo) {
    if (id != 0 && undo) {
        ss_watch_t watch;
        ss_watch_block(machine, id, &watch);
        ss_block_undo(machine, id);
        ss_release_device(machine, NULL, &watch);
    } else {
        ss_port_free(machine, id);
    }
}

static void release_buffer(storsim_machine_t *machine, const ss_adapter_t *adapter, ss_srb_buffer_t *buffer, bool undo) {
    give_back(machine, buffer->list, undo);
    ss_runs_drop(machine, adapter, &buffer->runs);
    if (buffer->mdl != 0 && undo) {
        ss_block_undo(machine, buffer->mdl);
    } else if (buffer->mdl != 0) {
        ss_mdl_free(machine, buffer->mdl);
    }
    give_back(machine, buffer->block, undo);
}

/* In the reverse order of making, which an undo needs. */
static void release_all(storsim_machine_t *machine, ss_srb_t *srb, bool undo) {
    const ss_adapter_t *adapter = ss_adapter(machine, srb->adapter);
    release_buffer(machine, adapter, &srb->data_in, undo);
    release_buffer(machine, adapter, &srb->data, undo);
    give_back(machine, srb->lu, undo);
    give_back(machine, srb->sense, undo);
    give_back(machine, srb->extension, undo);
    give_back(machine, srb->block, undo);
    ss_release(ss_machine_host(machine), srb);
}

storsim_status_t storsim_srb_create(storsim_machine_t *machine, uint32_t number, const storsim_srb_config_t *config, uint64_t *va) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(number), ss_arg_data(config, 1), ss_arg_out(*va), ss_arg_out(0), ss_arg_out(0),
                                ss_arg_out(0),     ss_arg_out(0),          ss_arg_out(0),   ss_arg_out(0), ss_arg_out(0)};
        storsim_status_t answer = ss_tap_run(machine, &ss_sp_operations[SS_SP_SRB_CREATE], args, NULL);
        *va = args[2].value;
        return answer;
    }
    ss_port_t *port = ss_port(machine);
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_adapter_t *adapter = ss_adapter_live(machine, number);
    if (adapter == NULL) {
        return STORSIM_STALE;
    }
    uint64_t pages = ((uint64_t)config->offset + config->length + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE;
    if (config->offset >= STORSIM_PAGE_SIZE || config->fragments > pages) {
        return STORSIM_INVALID;
    }
    ss_host_t *host = ss_machine_host(machine);
    void *list = port->srbs;
    if (!ss_grow(host, &list, &port->srb_capacity, port->srb_count + 1, sizeof *port->srbs)) {
        return STORSIM_NO_MEMORY;
    }
    port->srbs = list;
    ss_srb_t *srb = ss_alloc_zeroed(host, 1, sizeof *srb);
    if (srb == NULL) {
        return STORSIM_NO_MEMORY;
    }
    srb->adapter = number;
    srb->write = config->write;
    status = provide_all(machine, adapter, config, srb);
    srb->va = va_of(machine, srb->block);
    srb->extension_va = va_of(machine, srb->extension);
    srb->extension_length = srb->extension != 0 ? adapter->port[STORSIM_PC_SrbExtensionSize] : 0;
    srb->sense_va = va_of(machine, srb->sense);
    srb->lu_va = va_of(machine, srb->lu);
    if (status == STORSIM_OK) {
        status = write_fields(machine, srb);
    }
    if (status != STORSIM_OK) {
        release_all(machine, srb, true);
        return status;
    }
    port->srbs[port->srb_count++] = srb;
    *va = srb->va;
    return STORSIM_OK;
}

/* --- the list of a request --------------------------------------------------------------------------------------------- */

storsim_status_t ss_srb_pieces(storsim_machine_t *machine, ss_srb_t *srb, ss_srb_buffer_t *buffer, bool list) {
    const ss_adapter_t *adapter = ss_adapter(machine, srb->adapter);
    ss_host_t *host = ss_machine_host(machine);
    ss_runs_t runs = buffer->runs;
    storsim_status_t status = STORSIM_OK;
    ss_block_id_t made = 0;
    uint8_t *bytes = NULL;
    if (buffer->runs.list == NULL) {
        status = ss_runs_of_mdl(machine, buffer->mdl_va, 0, buffer->length, &runs);
        if (status == STORSIM_OK) {
            status = ss_runs_map(machine, adapter, &runs);
        }
    }
    if (status == STORSIM_OK && list && buffer->list == 0) {
        size_t size = (size_t)ss_runs_list_bytes(&runs);
        bytes = ss_alloc(host, size);
        const ss_block_request_t request = {.kind = STORSIM_BLOCK_SG_LIST, .size = size, .highest = UINT64_MAX,
                                            .node = adapter->config.node, .cache = 1, .owner = adapter->number, .scattered = true};
        status = bytes == NULL ? STORSIM_NO_MEMORY : ss_block_make(machine, &request, &made);
        if (status == STORSIM_OK) {
            ss_runs_encode(&runs, bytes);
            status = ss_block_write(machine, ss_block(machine, made), 0, bytes, size);
        }
    }
    ss_release(host, bytes);
    if (status != STORSIM_OK) {
        if (made != 0) {
            ss_block_undo(machine, made);
        }
        if (buffer->runs.list == NULL) {
            ss_runs_drop(machine, adapter, &runs);
        }
        return status;
    }
    buffer->runs = runs;
    buffer->list = made != 0 ? made : buffer->list;
    return STORSIM_OK;
}

void ss_srb_release(storsim_machine_t *machine, ss_srb_t *srb) {
    ss_port_t *port = ss_port(machine);
    ss_srb_t **slot = slot_of(port, srb->va);
    size_t index = (size_t)(slot - port->srbs);
    memmove(slot, slot + 1, (port->srb_count - index - 1) * sizeof *slot);
    port->srb_count--;
    release_all(machine, srb, false);
}

storsim_status_t storsim_srb_complete(storsim_machine_t *machine, uint64_t va) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(va)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_SRB_COMPLETE], args, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    ss_srb_t *srb = ss_srb(machine, va);
    if (status != STORSIM_OK || srb == NULL) {
        return status != STORSIM_OK ? status : STORSIM_STALE;
    }
    ss_call_t call;
    status = ss_action_begin(&call, machine, srb->adapter);
    if (status != STORSIM_OK) { /* unreachable: the machine is alive, as was asked above */
        return status;
    }
    const ss_block_id_t blocks[] = {srb->extension, srb->sense, srb->data.block, srb->data_in.block};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) { /* told of before they go, which is told nobody */
        ss_watch_t watch;
        ss_watch_block(machine, blocks[i], &watch);
        if (watch.id != 0) {
            ss_sg_block_gone(machine, &call, &watch);
        }
    }
    ss_srb_release(machine, srb);
    return ss_call_end(&call);
}

bool storsim_srb_get(const storsim_machine_t *machine, uint64_t va, storsim_srb_info_t *info) {
    const ss_srb_t *srb = ss_srb(machine, va);
    if (srb == NULL) {
        return false;
    }
    *info = (storsim_srb_info_t){.srb = srb->va, .data = srb->data.va, .data_length = srb->data.length, .write = srb->write,
                                 .adapter = srb->adapter, .sense = srb->sense_va, .sense_length = SS_SENSE_BYTES,
                                 .extension = srb->extension_va, .extension_length = srb->extension_length,
                                 .lu_extension = srb->lu_va, .mdl = srb->data.mdl_va,
                                 .data_in = srb->data_in.va, .data_in_length = srb->data_in.length, .data_in_mdl = srb->data_in.mdl_va};
    return true;
}
