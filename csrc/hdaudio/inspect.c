/* hdaudio/inspect.c: the bus driver's state for tests and views, and the check of its invariants (spec hdaudio-dma §9).
 */
#include <stdio.h>

#include "hdaudio/bus.h"

bool storsim_hdaudio_engine(const storsim_machine_t *machine, uint64_t handle, storsim_engine_info_t *info) {
    uint32_t n = 0;
    const ss_busdriver_t *bus = ss_bus_of_handle(machine, handle, &n);
    if (!bus) {
        return false;
    }
    const ss_engine_t *engine = &bus->engines[n];
    *info = (storsim_engine_info_t){.handle = handle,
                                    .context = engine->context,
                                    .state = (storsim_engine_state_t)engine->state,
                                    .capture = engine->capture,
                                    .bidirectional = n >= (uint32_t)bus->captures + bus->renders,
                                    .striped = engine->striped,
                                    .suspect = engine->suspect,
                                    .controller = bus->controller,
                                    .descriptor = n,
                                    .stream_id = engine->stream_id,
                                    .codec_address = engine->codec,
                                    .format = engine->format,
                                    .converter_format = engine->converter,
                                    .link_bits = engine->link_bits,
                                    .fifo_bytes = engine->fifo_bytes,
                                    .buffer_bytes = engine->size,
                                    .offset = engine->offset,
                                    .lvi = engine->lvi,
                                    .interrupts = engine->interrupts};
    for (uint32_t i = 0; i < bus->notice_count; i++) {
        info->callbacks += bus->notices[i].handle == handle && bus->notices[i].callback;
        info->events += bus->notices[i].handle == handle && !bus->notices[i].callback;
    }
    storsim_allocation_t allocation;
    for (uint64_t cursor = 0; storsim_allocation_next(machine, &cursor, &allocation);) {
        uint32_t id = (uint32_t)allocation.block;
        info->buffer_va = engine->data && id == engine->data ? allocation.va + engine->offset : info->buffer_va;
        info->bdl_va = engine->bdl && id == engine->bdl ? allocation.va : info->bdl_va;
        info->mdl = engine->mdl && id == engine->mdl ? allocation.va : info->mdl;
    }
    return true;
}

bool storsim_hdaudio_engine_next(const storsim_machine_t *machine, uint32_t controller, uint32_t *cursor,
                                 uint64_t *handle) {
    const ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    while (bus && *cursor < SS_MAX_DESCRIPTORS) {
        *handle = bus->engines[(*cursor)++].handle;
        if (*handle) {
            return true;
        }
    }
    return false;
}

storsim_status_t storsim_hdaudio_bdl(storsim_machine_t *machine, uint64_t handle, uint32_t index,
                                     storsim_hdaudio_entry_t *entry) {
    uint32_t n = 0;
    const ss_busdriver_t *bus = ss_bus_of_handle(machine, handle, &n);
    if (!bus) {
        return STORSIM_STALE;
    }
    return ss_entry_read(machine, bus->engines[n].bdl, index, entry) ? STORSIM_OK : STORSIM_INVALID;
}

bool storsim_hdaudio_started(const storsim_machine_t *machine, uint32_t controller, uint32_t *codecs) {
    const ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    if (bus && codecs) {
        *codecs = bus->codecs;
    }
    return bus && bus->started;
}

/* --- check -------------------------------------------------------------------------------------------------------- */

typedef struct checker {
    char *text;
    size_t capacity, broken;
} checker_t;

static void expect(checker_t *checker, bool holds, const char *what, uint32_t controller, uint32_t n) {
    if (!holds && checker->broken++ == 0 && checker->text && checker->capacity) {
        (void)snprintf(checker->text, checker->capacity, "hdaudio: controller %u, descriptor %u: %s",
                       (unsigned)controller, (unsigned)n, what);
    }
}

static bool live(storsim_machine_t *machine, ss_block_id_t id) {
    const ss_block_t *block = id ? ss_block(machine, id) : NULL;
    return block && block->state == SS_STATE_LIVE;
}

static void check_engine(storsim_machine_t *machine, checker_t *checker, const ss_busdriver_t *bus, uint32_t n) {
    const ss_engine_t *engine = &bus->engines[n];
    storsim_engine_state_t state = (storsim_engine_state_t)engine->state;
    uint32_t c = bus->controller;
    bool buffer = state != STORSIM_ENGINE_R0, list = state == STORSIM_ENGINE_RC || state == STORSIM_ENGINE_RB ||
                                                     state == STORSIM_ENGINE_SB || state == STORSIM_ENGINE_XB;
    expect(checker, state != STORSIM_ENGINE_NONE, "a live engine has a state", c, n);
    expect(checker, n < (uint32_t)bus->captures + bus->renders + bus->bidirs, "descriptor exists", c, n);
    expect(checker, ss_bus_client(bus, engine->context) != NULL, "owner is a live client", c, n);
    expect(checker, engine->stream_id >= 1 && engine->stream_id <= 15, "stream id 1 to 15", c, n);
    expect(checker, live(machine, engine->data) == buffer && live(machine, engine->bdl) == buffer,
           "buffer and list follow the state", c, n);
    expect(checker, live(machine, engine->mdl) == (buffer && !list), "MDL follows the state", c, n);
    expect(checker, engine->converter == storsim_hdaudio_format_encode(&engine->format),
           "converter format is the format's", c, n);
    expect(checker, !engine->busy, "no call under way", c, n);
    for (uint32_t i = 0; i < n; i++) {
        const ss_engine_t *other = &bus->engines[i];
        expect(checker, !other->handle || other->capture != engine->capture || other->stream_id != engine->stream_id,
               "stream ids are unique in a direction", c, n);
    }
    if (!engine->capture) {
        expect(checker, ss_bus_bits_used(bus, false, 0, NULL) <= bus->out_bits, "SDO bandwidth within capacity", c, n);
    } else {
        expect(checker, ss_bus_bits_used(bus, true, engine->codec, NULL) <= bus->in_bits,
               "SDI bandwidth within capacity", c, n);
    }
    if (buffer && !list) { /* the driver's own list: whole buffer, aligned fragments */
        uint64_t sum = 0;
        for (uint32_t i = 0; i <= engine->lvi; i++) {
            storsim_hdaudio_entry_t entry = {0};
            expect(checker, ss_entry_read(machine, engine->bdl, i, &entry), "list readable", c, n);
            sum += entry.length;
        }
        expect(checker, sum == engine->cbl && sum == engine->size, "fragments make up the buffer", c, n);
    }
}

size_t ss_hdaudio_check(storsim_machine_t *machine, void *state, char *text, size_t capacity) {
    const ss_hdaudio_t *room = state;
    checker_t checker = {text, capacity, 0};
    if (text && capacity) {
        text[0] = '\0';
    }
    for (uint32_t b = 0; b < room->bus_count; b++) {
        const ss_busdriver_t *bus = room->buses[b];
        uint32_t c = bus->controller;
        for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
            if (bus->engines[n].handle) {
                check_engine(machine, &checker, bus, n);
            }
        }
        for (uint32_t i = 0; i < bus->notice_count; i++) {
            uint32_t n = 0;
            expect(&checker, ss_bus_of_handle(machine, bus->notices[i].handle, &n) == bus,
                   "registration has its engine", c, n);
        }
        for (uint32_t i = 0; i < bus->tag_count; i++) {
            expect(&checker, ss_bus_client(bus, bus->tags[i].context) != NULL, "tag has its client", c,
                   bus->tags[i].tag);
        }
        for (uint32_t i = 0; i < bus->client_count; i++) {
            expect(&checker, bus->clients[i].references > 0, "client holds a reference", c, i);
        }
        for (uint32_t i = 0; i < bus->transfer_count; i++) {
            expect(&checker, bus->transfers[i].next <= bus->transfers[i].count, "transfer within its array", c, i);
        }
        expect(&checker, bus->flight == 0 || ss_transfer_find(bus, bus->flight) != NULL,
               "command on the link has its transfer", c, 0);
        expect(&checker, bus->started == live(machine, bus->ring), "a started controller has its rings", c, 0);
    }
    return checker.broken;
}
