/* hdaudio/verbs.c: the queue of codec commands.
 *
 * A transfer is one call's array. Its commands go out in array order, each finished before the next; transfers of one
 * client in order of submission; among clients the machine's seed picks whose turn it is. One command is on the link at
 * a time, so a response needs no matching beyond its codec. Source: spec hdaudio-dma §5.9. */
#include <string.h>

#include "hdaudio/bus.h"

enum { TAG_HDAV = 0x56414448, ENTRY_HEADER = 64, ENTRY_ITEM = 16, WAIT_STEP = 500 };

ss_transfer_t *ss_transfer_find(const ss_busdriver_t *bus, uint32_t id) {
    for (uint32_t i = 0; i < bus->transfer_count; i++) { /* ids begin with 1 */
        if (bus->transfers[i].id == id) {
            return &bus->transfers[i];
        }
    }
    return NULL;
}

void ss_transfer_end(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t id) {
    const ss_transfer_t *transfer = ss_transfer_find(bus, id);
    if (!transfer) {
        return;
    }
    if (bus->flight == id) {
        ss_event_cancel(machine, bus->flight_event);
        bus->flight = bus->flight_event = 0;
    }
    if (transfer->pool) {
        ss_block_free(machine, transfer->pool);
    }
    ss_release(ss_machine_host(machine), transfer->items);
    bus->transfer_count--;
    for (uint32_t i = (uint32_t)(transfer - bus->transfers); i < bus->transfer_count; i++) {
        bus->transfers[i] = bus->transfers[i + 1];
    }
}

void ss_transfers_drop(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t context) {
    for (uint32_t i = 0; i < bus->transfer_count;) {
        if (bus->transfers[i].context == context) {
            ss_transfer_end(machine, bus, bus->transfers[i].id);
        } else {
            i++;
        }
    }
}

/* Appends a transfer; commands are copied, responses zero. NO_SPACE: no pool for the queue entry. */
static storsim_status_t enqueue(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t context, bool pooled,
                                const storsim_codec_transfer_t *items, uint32_t count, uint32_t *id) {
    ss_hdaudio_t *room = ss_hdaudio_room(machine);
    ss_transfer_t transfer = {.context = context, .count = count};
    void *array = bus->transfers;
    if (!ss_grow(room->host, &array, &bus->transfer_capacity, bus->transfer_count + 1, sizeof *bus->transfers)) {
        return STORSIM_NO_MEMORY;
    }
    bus->transfers = array;
    transfer.items = ss_alloc_zeroed(room->host, count, sizeof *items);
    if (!transfer.items) {
        return STORSIM_NO_MEMORY;
    }
    if (pooled) {
        storsim_status_t status = ss_pool_take(machine, STORSIM_BLOCK_POOL, ENTRY_HEADER + (uint64_t)ENTRY_ITEM * count,
                                               TAG_HDAV, STORSIM_HDAUDIO_OWNER(bus->controller), &transfer.pool);
        if (status != STORSIM_OK) {
            ss_release(room->host, transfer.items);
            return status;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        transfer.items[i].Output = items[i].Output;
    }
    transfer.id = room->next_transfer++;
    bus->transfers[bus->transfer_count++] = transfer;
    *id = transfer.id;
    return STORSIM_OK;
}

/* Whether a transfer is the oldest unfinished one of its client. */
static bool heads_its_client(const ss_busdriver_t *bus, uint32_t index) {
    const ss_transfer_t *transfer = &bus->transfers[index];
    if (transfer->next == transfer->count) {
        return false;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (bus->transfers[i].context == transfer->context && bus->transfers[i].next < bus->transfers[i].count) {
            return false;
        }
    }
    return true;
}

/* Whose command is next: among the clients that wait, the seed chooses; it is not asked when only one does. */
static ss_transfer_t *choose(storsim_machine_t *machine, ss_busdriver_t *bus) {
    uint32_t waiting = 0;
    ss_transfer_t *chosen = NULL;
    for (uint32_t i = 0; i < bus->transfer_count; i++) {
        waiting += heads_its_client(bus, i);
    }
    uint64_t pick = waiting > 1 ? ss_rng_below(ss_machine_rng(machine), waiting) : 0;
    for (uint32_t i = 0; waiting && !chosen; i++) {
        if (heads_its_client(bus, i) && pick-- == 0) {
            chosen = &bus->transfers[i];
        }
    }
    return chosen;
}

void ss_verbs_pump(ss_chip_t *chip, ss_busdriver_t *bus) {
    storsim_machine_t *machine = chip->machine;
    if (bus->flight || !bus->ring || chip->dead) {
        return;
    }
    ss_transfer_t *transfer = choose(machine, bus);
    if (!transfer) {
        return;
    }
    uint32_t command = transfer->items[transfer->next].Output, slot = (bus->corb_wp + 1) % SS_RING_ENTRIES;
    uint8_t bytes[4] = {(uint8_t)command, (uint8_t)(command >> 8), (uint8_t)(command >> 16), (uint8_t)(command >> 24)};
    uint32_t event = 0;
    storsim_status_t status = ss_event_at(machine, storsim_now(machine) + bus->config.verb_timeout, SS_ROOM_HDAUDIO,
                                          SS_EVENT_VERB_TIMEOUT, bus->controller, transfer->id, &event);
    if (status == STORSIM_OK) {
        status = ss_block_write(machine, ss_block(machine, bus->ring), SS_RING_CORB + 4 * slot, bytes, sizeof bytes);
    }
    if (status != STORSIM_OK) {
        ss_event_cancel(machine, event);
        ss_chip_error(chip, status);
        return;
    }
    bus->flight = transfer->id;
    bus->flight_event = event;
    bus->flight_codec = (uint8_t)(command >> 28);
    bus->overrun = false;
    bus->corb_wp = slot;
    ss_chip_write(chip, SS_CORBWP, 2, slot);
}

/* Which completion callbacks a finished item brings (policy verb_cb). */
static storsim_status_t announce(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t id, uint32_t item,
                                 bool in_dpc) {
    const ss_transfer_t *transfer = ss_transfer_find(bus, id);
    bool last = transfer->next == transfer->count;
    uint32_t element = item;
    if (bus->config.policy.verb_cb != STORSIM_VERB_CB_EACH) {
        if (!last) {
            return STORSIM_OK;
        }
        element = bus->config.policy.verb_cb == STORSIM_VERB_CB_ONCE_LAST ? transfer->count - 1 : 0;
    }
    if (in_dpc) {
        return ss_transfer_callback(machine, bus, id, element);
    }
    return ss_bus_queue_dpc(machine, bus, SS_DPC_TRANSFER, bus->controller, (uint64_t)id << 32 | element);
}

storsim_status_t ss_flight_done(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t response, bool in_dpc) {
    ss_transfer_t *transfer = ss_transfer_find(bus, bus->flight);
    ss_event_cancel(machine, bus->flight_event);
    bus->flight = bus->flight_event = 0;
    if (!transfer) {
        return STORSIM_OK;
    }
    uint32_t item = transfer->next++;
    transfer->items[item].Input = response;
    return transfer->routine ? announce(machine, bus, transfer->id, item, in_dpc) : STORSIM_OK;
}

storsim_status_t ss_transfer_callback(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t id, uint32_t item) {
    ss_transfer_t *transfer = ss_transfer_find(bus, id);
    if (!transfer) {
        return STORSIM_OK; /* its client went away */
    }
    bool each = bus->config.policy.verb_cb == STORSIM_VERB_CB_EACH;
    transfer->called += each ? 1 : transfer->count;
    bool last = transfer->called >= transfer->count;
    storsim_callback_t callback = {.kind = STORSIM_CB_HDA_TRANSFER,
                                   .routine = transfer->routine,
                                   .values = {id, transfer->token, item, last},
                                   .data = transfer->items,
                                   .data_bytes = transfer->count * sizeof *transfer->items};
    if (!last) {
        return ss_callback_at(machine, 2, &callback);
    }
    /* The last one: the record leaves the queue first, so that the callback finds it finished; its bytes live until it
     * returns. */
    storsim_codec_transfer_t *items = transfer->items;
    transfer->items = NULL;
    ss_transfer_end(machine, bus, id);
    storsim_status_t status = ss_callback_at(machine, 2, &callback);
    ss_release(ss_machine_host(machine), items);
    return status;
}

/* Lets time pass until a synchronous transfer is finished; false when it is gone or cannot finish. Polling too: DPCs
 * may be manual. */
static bool wait_for(ss_chip_t *chip, ss_busdriver_t *bus, uint32_t id) {
    for (;;) {
        ss_chip_error(chip, ss_rirb_drain(chip, bus, false));
        const ss_transfer_t *transfer = ss_transfer_find(bus, id);
        if (!transfer || transfer->next == transfer->count) {
            return transfer != NULL;
        }
        ss_verbs_pump(chip, bus);
        if (chip->dead || !bus->flight) {
            return false;
        }
        ss_chip_wait(chip, WAIT_STEP);
    }
}

bool ss_verb_ask(ss_chip_t *chip, ss_busdriver_t *bus, uint32_t command, uint32_t *response) {
    storsim_codec_transfer_t item = {.Output = command};
    uint32_t id = 0;
    storsim_status_t status = enqueue(chip->machine, bus, 0, false, &item, 1, &id);
    if (status != STORSIM_OK) {
        ss_chip_error(chip, status);
        return false;
    }
    bool answered = wait_for(chip, bus, id);
    if (answered) {
        const ss_transfer_t *transfer = ss_transfer_find(bus, id);
        answered = (transfer->items[0].Input & SS_RESPONSE_VALID) != 0;
        *response = (uint32_t)transfer->items[0].Input;
    }
    ss_transfer_end(chip->machine, bus, id);
    return answered;
}

/* Synchronous: waits, then hands the items over to the frame. */
static uint32_t finish(ss_frame_t *frame, ss_chip_t *chip, uint32_t id) {
    bool done = wait_for(chip, frame->bus, id);
    ss_transfer_t *transfer = ss_transfer_find(frame->bus, id);
    if (transfer && done) {
        frame->items = transfer->items;
        frame->item_count = transfer->count;
        transfer->items = NULL;
    }
    ss_transfer_end(frame->call.machine, frame->bus, id);
    ss_frame_chip(frame, chip);
    return done ? SS_NT(SUCCESS) : SS_NT(NO_SUCH_DEVICE);
}

/* (Count, CodecTransfer, Callback, Context) */
SS_HANDLER(TransferCodecVerbs) {
    storsim_machine_t *machine = frame->call.machine;
    uint64_t count = ss_frame_in(frame, 0), routine = ss_frame_in(frame, 2);
    const storsim_codec_transfer_t *items = frame->call.args[1].data;
    uint32_t id = 0;
    if (count == 0 || !items) {
        return SS_NT(INVALID_PARAMETER);
    }
    if (ss_frame_fault(frame, ENTRY_HEADER + ENTRY_ITEM * count)) {
        return SS_NT(NO_MEMORY);
    }
    storsim_status_t status = enqueue(machine, frame->bus, frame->context, true, items, (uint32_t)count, &id);
    if (status == STORSIM_NO_SPACE) {
        return SS_NT(NO_MEMORY);
    }
    if (status != STORSIM_OK) {
        frame->call.status = status;
        return 0;
    }
    ss_chip_t chip = ss_chip_open(machine, frame->bus->controller);
    if (!routine) {
        return finish(frame, &chip, id);
    }
    ss_transfer_t *transfer = ss_transfer_find(frame->bus, id);
    transfer->routine = routine;
    transfer->token = ss_frame_in(frame, 3);
    ss_verbs_pump(&chip, frame->bus);
    if (!ss_frame_chip(frame, &chip) && chip.status == STORSIM_NO_MEMORY) {
        ss_transfer_end(machine, frame->bus, id);
        return 0;
    }
    ss_frame_out(frame, 1, id);
    frame->queued = true;
    frame->item_count = (uint32_t)count;
    return SS_NT(SUCCESS);
}
