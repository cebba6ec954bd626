/* hdaudio/contiguous.c: buffers whose descriptor list the client writes: the three routines of
 * HDAUDIO_BUS_INTERFACE_BDL. Source: spec hdaudio-dma §5.5, §7. */
#include "hdaudio/bus.h"
#include "machine/bits.h"

#include <string.h>

enum {
    MM_NON_CACHED = 0,
    MM_WRITE_COMBINED = 2,
    FRAGMENT_ALIGN = 128,
    POISON_LIMIT = 4 << 20 /* larger buffers keep the pattern of untouched memory, which costs no host memory */
};

uint64_t ss_engine_bdl_hash(storsim_machine_t *machine, const ss_engine_t *engine) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    uint8_t list[SS_BDL_ENTRIES * SS_BDL_ENTRY_BYTES]; /* read at once: an ISR asks after every completion */
    uint32_t bytes = (engine->lvi + 1) * SS_BDL_ENTRY_BYTES;
    const ss_block_t *block = ss_block(machine, engine->bdl);
    if (!block || ss_block_read(machine, block, 0, list, bytes) != STORSIM_OK) { /* lvi is below SS_BDL_ENTRIES */
        memset(list, 0, sizeof list);
    }
    for (uint32_t at = 0; at < bytes; at += 8) {
        hash = (hash ^ ss_get_u64(list + at)) * UINT64_C(0x100000001B3);
        hash ^= hash >> 29;
    }
    return hash;
}

bool ss_engine_bdl_changed(storsim_machine_t *machine, ss_engine_t *engine) {
    uint64_t now = ss_engine_bdl_hash(machine, engine);
    bool changed = now != engine->bdl_hash;
    engine->bdl_hash = now;
    return changed;
}

/* One contiguous block for the controller; *address is where it sees it. */
static storsim_status_t take(ss_frame_t *frame, storsim_block_kind_t kind, uint64_t size, int32_t cache,
                             ss_block_id_t *id, uint64_t *address) {
    storsim_machine_t *machine = frame->call.machine;
    ss_block_request_t request = {.kind = kind,
                                  .size = size,
                                  .highest = frame->bus->wide ? UINT64_MAX : UINT32_MAX,
                                  .alignment = STORSIM_PAGE_SIZE,
                                  .node = STORSIM_NODE_ANY,
                                  .cache = cache,
                                  .owner = frame->call.owner};
    storsim_status_t status = ss_block_make(machine, &request, id);
    if (status == STORSIM_OK) {
        status = ss_dma_map(machine, frame->bus, *id, address);
        if (status != STORSIM_OK) {
            ss_block_free(machine, *id);
            *id = 0;
        }
    }
    return status;
}

static void give_both(ss_frame_t *frame, ss_block_id_t data, ss_block_id_t bdl) {
    if (bdl) {
        ss_dma_unmap(frame->call.machine, frame->bus, bdl);
        ss_block_free(frame->call.machine, bdl);
    }
    ss_dma_unmap(frame->call.machine, frame->bus, data);
    ss_block_free(frame->call.machine, data);
}

static storsim_status_t take_both(ss_frame_t *frame, uint64_t size, ss_block_id_t *data, ss_block_id_t *bdl) {
    storsim_machine_t *machine = frame->call.machine;
    uint64_t address;
    storsim_status_t status = take(frame, STORSIM_BLOCK_HDA_BUFFER, size, MM_WRITE_COMBINED, data, &address);
    if (status != STORSIM_OK) {
        return status;
    }
    status = take(frame, STORSIM_BLOCK_HDA_BDL, STORSIM_PAGE_SIZE, MM_NON_CACHED, bdl, &address);
    if (status == STORSIM_OK && size <= POISON_LIMIT) {
        status = ss_block_set(machine, *data, 0, SS_POISON, size);
    }
    if (status != STORSIM_OK) {
        give_both(frame, *data, *bdl);
        *data = *bdl = 0;
    }
    return status;
}

/* (Handle, RequestedBufferSize, DataBuffer out, BdlBuffer out). Programs nothing: DEVICE_NOT_READY comes from the fault
 * plan alone. */
SS_HANDLER(AllocateContiguousDmaBuffer) {
    ss_engine_t *engine = ss_frame_engine(frame);
    uint64_t size = ss_frame_in(frame, 1);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 2) || ss_frame_null(frame, 3) || size == 0) {
        return SS_NT(INVALID_PARAMETER);
    }
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, STORSIM_EVENT_ALLOCATE_CONTIGUOUS);
    bool state_first = frame->bus->config.policy.state_before_resources == STORSIM_STATE_FIRST_TRUE;
    if (step.status != SS_NT(SUCCESS) && state_first) {
        return step.status;
    }
    ss_block_id_t data = 0, bdl = 0;
    storsim_status_t status = ss_frame_fault(frame, size) ? STORSIM_NO_SPACE : take_both(frame, size, &data, &bdl);
    bool late = status == STORSIM_OK && step.status == SS_NT(SUCCESS) &&
                ss_hardware_fault(frame->call.machine, STORSIM_HW_TIMEOUT, frame->bus->controller);
    if (status != STORSIM_OK) {
        if (status != STORSIM_NO_SPACE) {
            frame->call.status = status;
        }
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    if (late || step.status != SS_NT(SUCCESS)) {
        give_both(frame, data, bdl);
        if (!late) {
            return step.status;
        }
        engine->suspect = true;
        ss_note(&frame->call, SS_HARDWARE_TIMEOUT, &(ss_detail_t){.address = engine->handle});
        return SS_NT(DEVICE_NOT_READY);
    }
    engine->data = data;
    engine->bdl = bdl;
    engine->size = size;
    engine->state = (uint8_t)step.next;
    engine->buffer_site = ss_machine_where(frame->call.machine)->site;
    ss_frame_out(frame, 2, ss_block(frame->call.machine, data)->va);
    ss_frame_out(frame, 3, ss_block(frame->call.machine, bdl)->va);
    return SS_NT(SUCCESS);
}

/* The list as the client wrote it against BufferLength, the buffer and the ISR. */
static bool list_ok(ss_frame_t *frame, const ss_engine_t *engine, uint64_t length, uint32_t lvi, bool has_isr) {
    storsim_machine_t *machine = frame->call.machine;
    const ss_block_t *data = ss_block(machine, engine->data);
    bool strict = frame->bus->config.policy.bdl_check == STORSIM_BDL_STRICT;
    uint64_t sum = 0, start = ss_block_device_address(machine, data), end = start + engine->size;
    for (uint32_t i = 0; i <= lvi; i++) {
        storsim_hdaudio_entry_t entry;
        if (!ss_entry_read(machine, engine->bdl, i, &entry) || ((entry.ioc & 1) && !has_isr)) {
            return false;
        }
        sum += entry.length;
        if (strict && (entry.length == 0 || entry.address % FRAGMENT_ALIGN || entry.address < start ||
                       entry.address >= end || entry.length > end - entry.address)) {
            return false;
        }
    }
    return sum == length;
}

/* (Handle, BufferLength, Lvi, Isr, Context, StreamId out, FifoSize out) */
SS_HANDLER(SetupDmaEngineWithBdl) {
    ss_engine_t *engine = ss_frame_engine(frame);
    uint64_t length = ss_frame_in(frame, 1), lvi = ss_frame_in(frame, 2), isr = ss_frame_in(frame, 3);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 5) || ss_frame_null(frame, 6) || length == 0 || lvi < 1 || lvi >= SS_BDL_ENTRIES ||
        length % storsim_hdaudio_block_bytes(&engine->format)) {
        return SS_NT(INVALID_PARAMETER);
    }
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, STORSIM_EVENT_SETUP_BDL);
    if (step.status != SS_NT(SUCCESS)) {
        return step.status;
    }
    if (engine->busy) {
        return SS_NT(INVALID_DEVICE_REQUEST);
    }
    if (length > engine->size || !list_ok(frame, engine, length, (uint32_t)lvi, isr != 0)) {
        return SS_NT(INVALID_PARAMETER);
    }
    ss_engine_t draft = *engine;
    draft.cbl = (uint32_t)length;
    draft.lvi = (uint32_t)lvi;
    storsim_machine_t *machine = frame->call.machine;
    uint32_t status = ss_engine_program(frame, engine, &draft, ss_block_device_address(machine, ss_block(machine, engine->bdl)));
    if (status != SS_NT(SUCCESS)) {
        return status;
    }
    engine->state = (uint8_t)step.next;
    engine->cbl = draft.cbl;
    engine->lvi = draft.lvi;
    engine->fifo_bytes = draft.fifo_bytes;
    engine->isr = isr;
    engine->isr_context = ss_frame_in(frame, 4);
    ss_frame_out(frame, 5, engine->stream_id);
    ss_frame_out(frame, 6, engine->fifo_bytes);
    return SS_NT(SUCCESS);
}

/* (Handle) */
SS_HANDLER(FreeContiguousDmaBuffer) {
    ss_engine_t *engine = ss_frame_engine(frame);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, STORSIM_EVENT_FREE_CONTIGUOUS);
    return step.status == SS_NT(SUCCESS) ? ss_engine_free_buffer(frame, engine) : step.status;
}
