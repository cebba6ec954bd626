/* nt/event.c: notification events. A KEVENT is a DISPATCHER_HEADER in nonpaged memory, so that a driver can hold it in
 * a structure of its own view: Type at 0, Size in ULONGs at 2, SignalState at 4, wait list at 8 (24 bytes on x64).
 * Source: public wdm.h transcriptions. */
#include "nt/nt_i.h"
#include "nt/operations.h"

enum { EVENT_BYTES = 24, SIGNAL_STATE = 4 };

static ss_block_t *event_at(const storsim_machine_t *machine, uint64_t address) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = nt != NULL ? nt_span_at(nt, address) : 0;
    if (id == 0 || block_at(nt, id)->kind != KIND_POOL_PAGE) {
        return NULL; /* an event is always small enough for a slot */
    }
    const nt_pool_page_t *page = nt_pool_page(nt, block_at(nt, id)->pool_page);
    uint32_t slot = nt_pool_slot(page, address % PAGE);
    if (slot >= page->slots || page->ids[slot] == 0) {
        return NULL;
    }
    ss_block_t *block = block_at(nt, page->ids[slot]);
    return block->kind == STORSIM_BLOCK_EVENT && block->state == SS_STATE_LIVE && block->va == address ? block : NULL;
}

storsim_status_t storsim_event_create(storsim_machine_t *machine, uint64_t *address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_out(*address)};
        storsim_status_t answer = ss_tap_run(machine, &ss_nt_operations[SS_NT_EVENT_CREATE], args, NULL);
        *address = args[0].value;
        return answer;
    }
    ss_block_id_t id;
    storsim_status_t status = nt_alive(machine);
    if (status == STORSIM_OK) {
        status = ss_pool_take(machine, STORSIM_BLOCK_EVENT, EVENT_BYTES, 0x6E657645, 0, &id); /* 'Even' */
    }
    if (status != STORSIM_OK) {
        return status;
    }
    const ss_block_t *block = ss_block(machine, id);
    uint8_t header[EVENT_BYTES] = {0, 0, EVENT_BYTES / 4};
    for (unsigned i = 0; i < 16; i++) { /* an empty wait list points to itself */
        header[8 + i] = (uint8_t)((block->va + 8) >> (8 * (i % 8)));
    }
    status = ss_block_write(machine, block, 0, header, sizeof header);
    if (status != STORSIM_OK) {
        ss_block_undo(machine, id);
        return status;
    }
    *address = block->va;
    return STORSIM_OK;
}

storsim_status_t storsim_event_destroy(storsim_machine_t *machine, uint64_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(address)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_EVENT_DESTROY], args, NULL);
    }
    storsim_status_t status = nt_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    if (event_at(machine, address) == NULL) {
        return STORSIM_STALE;
    }
    ss_block_free(machine, ss_block_around(machine, address));
    return STORSIM_OK;
}

static storsim_status_t put_state(storsim_machine_t *machine, uint64_t address, uint8_t signaled) {
    storsim_status_t status = nt_alive(machine);
    const ss_block_t *block = event_at(machine, address);
    if (status != STORSIM_OK) {
        return status;
    }
    const uint8_t state[4] = {signaled, 0, 0, 0};
    return block != NULL ? ss_block_write(machine, block, SIGNAL_STATE, state, sizeof state) : STORSIM_STALE;
}

storsim_status_t storsim_event_set(storsim_machine_t *machine, uint64_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(address)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_EVENT_SET], args, NULL);
    }
    return put_state(machine, address, 1);
}

storsim_status_t storsim_event_clear(storsim_machine_t *machine, uint64_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(address)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_EVENT_CLEAR], args, NULL);
    }
    return put_state(machine, address, 0);
}

bool storsim_event_signaled(const storsim_machine_t *machine, uint64_t address) {
    const ss_block_t *block = event_at(machine, address);
    uint8_t state[4] = {0};
    /* unreachable: an event was written when it was made, so it can be read */
    if (block == NULL || ss_store_read(ss_machine_ram(machine), nt_store(nt_of(machine), block), nt_store_offset(block) + SIGNAL_STATE,
                                       state, sizeof state) != STORSIM_OK) {
        return false;
    }
    return (state[0] | state[1] | state[2] | state[3]) != 0;
}
