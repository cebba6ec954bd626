/* hdaudio/interface.c: the query for an interface table, references, and the end of a client.
 * Source: spec hdaudio-dma §1; rulings R40, R44. */
#include <string.h>

#include "hdaudio/bus.h"
#include "hdaudio/operations.h"

/* Tables that exist under each choice of the policy `tables`. */
static const uint8_t exposed[] = {[STORSIM_TABLES_ALL] = STORSIM_TABLE_ALL,
                                  [STORSIM_TABLES_VISTA] = STORSIM_TABLE_V1 | STORSIM_TABLE_V2,
                                  [STORSIM_TABLES_W10_1903] = STORSIM_TABLE_V1 | STORSIM_TABLE_V2 | STORSIM_TABLE_V3,
                                  [STORSIM_TABLES_XP] = STORSIM_TABLE_V1 | STORSIM_TABLE_BDL};

static const storsim_hdaudio_table_t *exposed_table(const ss_busdriver_t *bus, const uint8_t guid[16]) {
    size_t count;
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&count);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(table[i].guid, guid, 16) == 0) {
            return (exposed[bus->config.policy.tables] & table[i].tables) != 0 ? &table[i] : NULL;
        }
    }
    return NULL;
}

/* The client's record, made when it has none. */
static storsim_status_t client_for(ss_hdaudio_t *room, ss_busdriver_t *bus, uint32_t number, ss_client_t **client) {
    for (uint32_t i = 0; i < bus->client_count; i++) {
        if (bus->clients[i].number == number) {
            *client = &bus->clients[i];
            return STORSIM_OK;
        }
    }
    void *array = bus->clients;
    if (!ss_grow(room->host, &array, &bus->client_capacity, bus->client_count + 1, sizeof *bus->clients)) {
        return STORSIM_NO_MEMORY;
    }
    bus->clients = array;
    bus->clients[bus->client_count] = (ss_client_t){.context = room->next_context, .number = number};
    room->next_context += 64;
    *client = &bus->clients[bus->client_count++];
    return STORSIM_OK;
}

static uint32_t refusal(const storsim_machine_t *machine, const ss_busdriver_t *bus, const uint8_t guid[16],
                        uint16_t size, uint16_t version, const storsim_hdaudio_table_t **table) {
    if (storsim_irql(machine) > 0) {
        return SS_NT(UNSUCCESSFUL);
    }
    if (bus->removed || bus->starting) {
        return SS_NT(NO_SUCH_DEVICE);
    }
    *table = exposed_table(bus, guid);
    if (!*table) {
        return SS_NT(NOT_SUPPORTED);
    }
    if (size < (*table)->size_x64) {
        return SS_NT(INVALID_PARAMETER);
    }
    return version == (*table)->version ? SS_NT(SUCCESS) : SS_NT(NOT_SUPPORTED);
}

static storsim_status_t recorded_query(storsim_machine_t *machine, storsim_arg_t *args, storsim_hdaudio_interface_t *interface,
                                       uint32_t *ntstatus) {
    storsim_status_t status = ss_tap_run(machine, &ss_hdaudio_operations[SS_HDAUDIO_QUERY], args, NULL);
    size_t count;
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&count);
    for (size_t i = 0; args[5].value != 0 && i < count; i++) {
        if (table[i].tables == args[6].value) {
            *interface = (storsim_hdaudio_interface_t){&table[i], table[i].size_x64, table[i].version, args[5].value};
        }
    }
    *ntstatus = (uint32_t)args[7].value;
    return status;
}

storsim_status_t storsim_hdaudio_query(storsim_machine_t *machine, uint32_t controller, const uint8_t guid[16],
                                       uint16_t size, uint16_t version, uint32_t client,
                                       storsim_hdaudio_interface_t *interface, uint32_t *ntstatus) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_data(guid, 16), ss_arg_in(size), ss_arg_in(version),
                                ss_arg_in(client),     ss_arg_out(0),         ss_arg_out(0),   ss_arg_out(*ntstatus)};
        return recorded_query(machine, args, interface, ntstatus);
    }
    ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    const storsim_hdaudio_table_t *table = NULL;
    ss_client_t *record = NULL;
    storsim_status_t status = ss_machine_alive(machine);
    *ntstatus = SS_NT(NO_SUCH_DEVICE);
    if (status != STORSIM_OK || !bus) {
        return status != STORSIM_OK ? status : STORSIM_STALE;
    }
    uint32_t answer = refusal(machine, bus, guid, size, version, &table);
    if (answer == SS_NT(SUCCESS) && !bus->started) {
        status = ss_bus_start(machine, bus, &answer);
    }
    if (status == STORSIM_OK && answer == SS_NT(SUCCESS)) {
        status = client_for(ss_hdaudio_room(machine), bus, client, &record);
    }
    if (status != STORSIM_OK || answer != SS_NT(SUCCESS)) {
        *ntstatus = answer;
        return status;
    }
    record->references++;
    *interface = (storsim_hdaudio_interface_t){table, table->size_x64, table->version, record->context};
    *ntstatus = SS_NT(SUCCESS);
    return ss_deliver(machine);
}

/* () : VOID */
SS_HANDLER(InterfaceReference) {
    ss_bus_client(frame->bus, frame->context)->references++;
    return SS_NT(SUCCESS);
}

/* Stops the client's streams before their memory goes. */
static void stop_streams(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t context, storsim_status_t *status) {
    ss_chip_t chip = ss_chip_open(machine, bus->controller);
    for (uint32_t n = 0; !bus->removed && n < SS_MAX_DESCRIPTORS; n++) {
        const ss_engine_t *engine = &bus->engines[n];
        if (engine->handle && engine->context == context && engine->data) {
            ss_stream_reset(&chip, n);
        }
    }
    if (*status == STORSIM_OK) {
        *status = chip.status;
    }
}

static void report_engine(ss_call_t *call, const ss_engine_t *engine) {
    if (engine->data) {
        const ss_block_t *block = ss_block(call->machine, engine->data);
        ss_violate(
            call, SS_BUFFER_LEAK,
            &(ss_detail_t){.address = block ? block->va : 0, .got = engine->size, .allocated_at = engine->buffer_site});
    }
    ss_violate(call, SS_ENGINE_LEAK, &(ss_detail_t){.address = engine->handle, .allocated_at = engine->site});
}

void ss_client_end(ss_call_t *call, ss_busdriver_t *bus, uint64_t context, bool quiet) {
    storsim_machine_t *machine = call->machine;
    ss_call_t *told = quiet ? NULL : call;
    for (uint32_t i = 0; i < bus->client_count; i++) {
        if (bus->clients[i].context == context) {
            bus->clients[i] = bus->clients[--bus->client_count];
        }
    }
    /* Everything that could call the client goes before time passes. */
    ss_transfers_drop(machine, bus, context);
    ss_tags_drop(told, bus, context);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = &bus->engines[n];
        if (engine->handle && engine->context == context) {
            ss_notices_drop(told, bus, engine->handle);
            engine->isr = 0;
        }
    }
    stop_streams(machine, bus, context, &call->status);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = &bus->engines[n];
        if (engine->handle && engine->context == context) {
            if (!quiet) {
                report_engine(call, engine);
            }
            ss_engine_end(machine, bus, engine);
        }
    }
}

/* () : VOID. A client whose device is gone could not free anything: no leak of its making. */
SS_HANDLER(InterfaceDereference) {
    ss_client_t *client = ss_bus_client(frame->bus, frame->context);
    if (--client->references == 0) {
        ss_client_end(&frame->call, frame->bus, frame->context, frame->bus->removed);
    }
    return SS_NT(SUCCESS);
}

uint32_t storsim_hdaudio_references(const storsim_machine_t *machine, uint64_t context) {
    const ss_busdriver_t *bus = ss_bus_of_context(machine, context);
    return bus ? ss_bus_client(bus, context)->references : 0;
}
