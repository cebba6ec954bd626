/* hdaudio/buffer.c: cyclic buffers described by an MDL: AllocateDmaBuffer and AllocateDmaBufferWithNotification and
 * their frees.
 *
 * Everything is taken before the engine's record changes: pages, list, MDL, then the descriptor is programmed; the
 * commit that follows cannot fail. While the hardware is waited for, callbacks may end the engine: the record is looked
 * at again afterwards. Source: spec hdaudio-dma §5.0 (DNR), §5.3, §5.4, §7. */
#include <string.h>

#include "hdaudio/bus.h"
#include "machine/bits.h"

enum { MM_CACHED = 1, MAX_PAGES = SS_BDL_ENTRIES + 1 };

storsim_status_t ss_entries_write(storsim_machine_t *machine, ss_block_id_t bdl, const storsim_hdaudio_entry_t *entries,
                                  uint32_t count) {
    uint8_t bytes[SS_BDL_ENTRIES * SS_BDL_ENTRY_BYTES] = {0};
    for (uint32_t i = 0; i < count; i++) {
        ss_put_bytes(bytes + i * SS_BDL_ENTRY_BYTES, entries[i].address, 8);
        ss_put_bytes(bytes + i * SS_BDL_ENTRY_BYTES + 8, entries[i].length, 4);
        ss_put_bytes(bytes + i * SS_BDL_ENTRY_BYTES + 12, entries[i].ioc, 4);
    }
    return ss_block_write(machine, ss_block(machine, bdl), 0, bytes, sizeof bytes);
}

bool ss_entry_read(storsim_machine_t *machine, ss_block_id_t bdl, uint32_t index, storsim_hdaudio_entry_t *entry) {
    uint8_t bytes[SS_BDL_ENTRY_BYTES];
    const ss_block_t *block = ss_block(machine, bdl);
    if (!block || index >= SS_BDL_ENTRIES ||
        ss_block_read(machine, block, (uint64_t)index * SS_BDL_ENTRY_BYTES, bytes, sizeof bytes) != STORSIM_OK) {
        return false;
    }
    *entry = (storsim_hdaudio_entry_t){ss_get_bytes(bytes, 8), (uint32_t)ss_get_bytes(bytes + 8, 4), (uint32_t)ss_get_bytes(bytes + 12, 4)};
    return true;
}

/* What a call holds before it commits. */
typedef struct taken {
    ss_block_id_t data, bdl, mdl;
    uint64_t pages[MAX_PAGES]; /* as the controller sees them */
    uint32_t page_count, mapped, entries;
    uint64_t bdl_address;
    bool bdl_mapped;
} taken_t;

static void give_back(ss_frame_t *frame, taken_t *taken) {
    storsim_machine_t *machine = frame->call.machine;
    ss_dma_unmap_pages(machine, frame->bus, taken->pages, taken->mapped);
    if (taken->mdl) {
        ss_mdl_free(machine, taken->mdl);
    }
    if (taken->bdl_mapped) {
        ss_dma_unmap(machine, frame->bus, taken->bdl);
    }
    if (taken->bdl) {
        ss_block_free(machine, taken->bdl);
    }
    if (taken->data) {
        ss_block_free(machine, taken->data);
    }
    *taken = (taken_t){0};
}

/* Pages, list and MDL of a buffer; the list is written. NO_SPACE: no pages. Whatever fails, the caller gives back. */
static storsim_status_t take(ss_frame_t *frame, uint64_t size, uint32_t notification, taken_t *taken) {
    storsim_machine_t *machine = frame->call.machine;
    storsim_hdaudio_entry_t entries[SS_BDL_ENTRIES];
    uint32_t offset = storsim_hdaudio_buffer_offset(size, notification);
    ss_block_request_t request = {.kind = STORSIM_BLOCK_HDA_BUFFER,
                                  .size = offset + size,
                                  .highest = frame->bus->wide ? UINT64_MAX : UINT32_MAX,
                                  .node = STORSIM_NODE_ANY,
                                  .cache = MM_CACHED,
                                  .owner = frame->call.owner,
                                  .scattered = true};
    storsim_status_t status = ss_block_make(machine, &request, &taken->data);
    if (status != STORSIM_OK) {
        return status;
    }
    taken->page_count = (uint32_t)((offset + size + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE);
    request.kind = STORSIM_BLOCK_HDA_BDL;
    request.size = STORSIM_PAGE_SIZE;
    request.scattered = false;
    request.zero = true;
    status = ss_block_make(machine, &request, &taken->bdl);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_mdl_make_built(machine, taken->data, 0, (uint32_t)(offset + size), frame->call.owner, &taken->mdl);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_dma_map(machine, frame->bus, taken->bdl, &taken->bdl_address);
    if (status != STORSIM_OK) {
        return status;
    }
    taken->bdl_mapped = true;
    status = ss_dma_map_pages(machine, frame->bus, taken->data, taken->pages, taken->page_count);
    if (status != STORSIM_OK) {
        return status;
    }
    taken->mapped = taken->page_count;
    taken->entries =
        storsim_hdaudio_plan(size, notification, frame->bus->config.policy.d_ioc == STORSIM_D_IOC_ON, entries);
    for (uint32_t i = 0; i < taken->entries; i++) {
        uint64_t at = entries[i].address;
        entries[i].address = taken->pages[at / STORSIM_PAGE_SIZE] + at % STORSIM_PAGE_SIZE;
    }
    return ss_entries_write(machine, taken->bdl, entries, taken->entries);
}

uint32_t ss_engine_program(ss_frame_t *frame, ss_engine_t *engine, ss_engine_t *draft, uint64_t bdl_address) {
    ss_chip_t chip = ss_chip_open(frame->call.machine, frame->bus->controller);
    uint32_t descriptor = (uint32_t)(engine - frame->bus->engines);
    uint64_t handle = engine->handle;
    engine->busy = true;
    bool done = ss_stream_reset(&chip, descriptor);
    if (done) {
        ss_stream_program(&chip, frame->bus, descriptor, draft, bdl_address, &draft->fifo_bytes);
    }
    bool alive = engine->handle == handle;
    if (alive) {
        engine->busy = false;
    }
    if (done && alive && chip.status == STORSIM_OK) {
        return SS_NT(SUCCESS);
    }
    ss_frame_chip(frame, &chip);
    if (!alive) {
        return SS_NT(INVALID_HANDLE);
    }
    if (done) { /* a callback failed meanwhile: the descriptor must forget the list that goes now */
        chip = ss_chip_open(frame->call.machine, frame->bus->controller);
        ss_stream_reset(&chip, descriptor);
    } else if (chip.status == STORSIM_OK) {
        engine->suspect = true;
        ss_note(&frame->call, SS_HARDWARE_TIMEOUT, &(ss_detail_t){.address = handle});
    }
    return SS_NT(DEVICE_NOT_READY);
}

/* Both Allocate routines; event tells them apart. Outputs stay with the caller. */
static uint32_t allocate(ss_frame_t *frame, ss_engine_t *engine, storsim_engine_event_t event, uint32_t notification,
                         uint64_t requested) {
    const storsim_hdaudio_policy_t *policy = &frame->bus->config.policy;
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, event);
    bool state_first = policy->state_before_resources == STORSIM_STATE_FIRST_TRUE;
    if (step.status != SS_NT(SUCCESS) && state_first) {
        return step.status;
    }
    uint64_t size = storsim_hdaudio_buffer_size(storsim_hdaudio_block_bytes(&engine->format), notification, requested,
                                                policy->size_rule);
    if (size == 0) { /* rule "exact" alone: nothing, or more than a list can hold */
        return requested ? SS_NT(INSUFFICIENT_RESOURCES) : SS_NT(INVALID_PARAMETER);
    }
    taken_t taken = {0};
    storsim_status_t status = ss_frame_fault(frame, size) ? STORSIM_NO_SPACE : take(frame, size, notification, &taken);
    if (status != STORSIM_OK || step.status != SS_NT(SUCCESS)) {
        give_back(frame, &taken);
        if (status != STORSIM_OK && status != STORSIM_NO_SPACE) {
            frame->call.status = status;
        }
        return status != STORSIM_OK ? SS_NT(INSUFFICIENT_RESOURCES) : step.status;
    }
    ss_engine_t draft = *engine;
    draft.cbl = (uint32_t)size;
    draft.lvi = taken.entries - 1;
    uint32_t answer = ss_engine_program(frame, engine, &draft, taken.bdl_address);
    if (answer != SS_NT(SUCCESS)) {
        give_back(frame, &taken);
        return answer;
    }
    engine->state = (uint8_t)step.next;
    engine->data = taken.data;
    engine->bdl = taken.bdl;
    engine->mdl = taken.mdl;
    engine->size = size;
    engine->offset = storsim_hdaudio_buffer_offset(size, notification);
    engine->cbl = draft.cbl;
    engine->lvi = draft.lvi;
    engine->fifo_bytes = draft.fifo_bytes;
    engine->buffer_site = ss_machine_where(frame->call.machine)->site;
    return SS_NT(SUCCESS);
}

/* (Handle, RequestedBufferSize, BufferMdl out, AllocatedBufferSize out, StreamId out, FifoSize out) */
SS_HANDLER(AllocateDmaBuffer) {
    ss_engine_t *engine = ss_frame_engine(frame);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 2) || ss_frame_null(frame, 3) || ss_frame_null(frame, 4) || ss_frame_null(frame, 5)) {
        return SS_NT(INVALID_PARAMETER);
    }
    uint32_t status = allocate(frame, engine, STORSIM_EVENT_ALLOCATE_BUFFER, 0, ss_frame_in(frame, 1));
    if (status == SS_NT(SUCCESS)) {
        ss_frame_out(frame, 2, ss_block(frame->call.machine, engine->mdl)->va);
        ss_frame_out(frame, 3, engine->size);
        ss_frame_out(frame, 4, engine->stream_id);
        ss_frame_out(frame, 5, engine->fifo_bytes);
    }
    return status;
}

/* (Handle, NotificationCount, RequestedBufferSize, BufferMdl out, AllocatedBufferSize out, OffsetFromFirstPage out,
 * StreamId out, FifoSize out) */
SS_HANDLER(AllocateDmaBufferWithNotification) {
    ss_engine_t *engine = ss_frame_engine(frame);
    uint64_t notification = ss_frame_in(frame, 1);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    for (uint32_t i = 3; i <= 7; i++) {
        if (ss_frame_null(frame, i)) {
            return SS_NT(INVALID_PARAMETER);
        }
    }
    if (notification != 1 && notification != 2) {
        return SS_NT(INVALID_PARAMETER);
    }
    uint32_t status =
        allocate(frame, engine, STORSIM_EVENT_ALLOCATE_NOTIFY, (uint32_t)notification, ss_frame_in(frame, 2));
    if (status == SS_NT(SUCCESS)) {
        ss_frame_out(frame, 3, ss_block(frame->call.machine, engine->mdl)->va);
        ss_frame_out(frame, 4, engine->size);
        ss_frame_out(frame, 5, engine->offset);
        ss_frame_out(frame, 6, engine->stream_id);
        ss_frame_out(frame, 7, engine->fifo_bytes);
    }
    return status;
}

/* The pages of a scattered buffer as the controller sees them stand in its list, one or more entries a page, in order.
 */
static void unmap_listed_pages(storsim_machine_t *machine, const ss_busdriver_t *bus, const ss_engine_t *engine) {
    uint64_t last = UINT64_MAX;
    for (uint32_t i = 0; i <= engine->lvi; i++) {
        storsim_hdaudio_entry_t entry;
        if (ss_entry_read(machine, engine->bdl, i, &entry) && entry.address / STORSIM_PAGE_SIZE != last) {
            last = entry.address / STORSIM_PAGE_SIZE;
            ss_dma_unmap_pages(machine, bus, &(uint64_t){last * STORSIM_PAGE_SIZE}, 1);
        }
    }
}

void ss_engine_drop_buffer(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_engine_t *engine) {
    if (engine->mdl) {
        unmap_listed_pages(machine, bus, engine);
        ss_mdl_free(machine, engine->mdl);
    } else if (engine->data) {
        ss_dma_unmap(machine, bus, engine->data);
    }
    if (engine->bdl) {
        ss_dma_unmap(machine, bus, engine->bdl);
        ss_block_free(machine, engine->bdl);
    }
    if (engine->data) {
        ss_block_free(machine, engine->data);
    }
    engine->mdl = engine->bdl = engine->data = 0;
    engine->size = engine->isr = engine->isr_context = engine->bdl_hash = 0;
    engine->offset = engine->cbl = engine->lvi = engine->fifo_bytes = engine->buffer_site = 0;
    engine->state = STORSIM_ENGINE_R0;
}

/* The end of every Free…Buffer: the controller lets go of the list first, then the memory goes. */
uint32_t ss_engine_free_buffer(ss_frame_t *frame, ss_engine_t *engine) {
    ss_chip_t chip = ss_chip_open(frame->call.machine, frame->bus->controller);
    uint64_t handle = engine->handle;
    engine->busy = true;
    bool done = ss_stream_reset(&chip, (uint32_t)(engine - frame->bus->engines));
    if (engine->handle != handle) {
        ss_frame_chip(frame, &chip);
        return SS_NT(INVALID_HANDLE);
    }
    engine->busy = false;
    ss_engine_drop_buffer(frame->call.machine, frame->bus, engine);
    if (!ss_frame_chip(frame, &chip)) {
        return 0;
    }
    if (!done) {
        engine->suspect = true;
        ss_note(&frame->call, SS_HARDWARE_TIMEOUT, &(ss_detail_t){.address = handle});
    }
    return SS_NT(SUCCESS);
}

/* (Handle) */
SS_HANDLER(FreeDmaBuffer) {
    ss_engine_t *engine = ss_frame_engine(frame);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, STORSIM_EVENT_FREE_BUFFER);
    return step.status == SS_NT(SUCCESS) ? ss_engine_free_buffer(frame, engine) : step.status;
}

/* (Handle, BufferMdl, BufferSize) */
SS_HANDLER(FreeDmaBufferWithNotification) {
    ss_engine_t *engine = ss_frame_engine(frame);
    bool strict = frame->bus->config.policy.free_args == STORSIM_FREE_ARGS_STRICT;
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (strict && ss_frame_null(frame, 1)) {
        return SS_NT(INVALID_PARAMETER);
    }
    const ss_block_t *mdl = ss_block(frame->call.machine, engine->mdl);
    bool matching = mdl && mdl->va == ss_frame_in(frame, 1) && engine->size == ss_frame_in(frame, 2);
    storsim_engine_step_t step =
        ss_engine_step(frame->bus, engine, matching ? STORSIM_EVENT_FREE_NOTIFY : STORSIM_EVENT_FREE_NOTIFY_OTHER);
    return step.status == SS_NT(SUCCESS) ? ss_engine_free_buffer(frame, engine) : step.status;
}
