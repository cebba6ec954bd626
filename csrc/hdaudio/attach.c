/* hdaudio/attach.c: the room on a machine, a bus driver on a controller, and its removal. */
#include <string.h>

#include "hdaudio/bus.h"
#include "hdaudio/operations.h"
#include "storsim/hda.h"

#define FIRST_HANDLE UINT64_C(0xFFFFC00000001010) /* look like kernel addresses, are none: outside the arena */
#define FIRST_CONTEXT UINT64_C(0xFFFFC80000001040)
enum { MIN_VERB_TIMEOUT = 1500, MAX_NOTICES = 1024, CODEC_TIMEOUT = 240000, LATE = SS_LATE_DPC_TICKS };

static void *room_fresh(storsim_machine_t *machine, const void *current) {
    ss_hdaudio_t *room = ss_alloc_zeroed(ss_machine_host(machine), 1, sizeof *room);
    (void)current;
    if (room) {
        room->host = ss_machine_host(machine);
        room->next_handle = FIRST_HANDLE;
        room->next_context = FIRST_CONTEXT;
        room->next_notice = 1;
        room->next_transfer = 1;
    }
    return room;
}

void ss_busdriver_destroy(ss_hdaudio_t *room, ss_busdriver_t *bus) {
    for (uint32_t i = 0; i < bus->transfer_count; i++) {
        ss_release(room->host, bus->transfers[i].items);
    }
    ss_release(room->host, bus->transfers);
    ss_release(room->host, bus->clients);
    ss_release(room->host, bus->tags);
    ss_release(room->host, bus->notices);
    ss_release(room->host, bus);
}

static void room_destroy(storsim_machine_t *machine, void *state) {
    ss_hdaudio_t *room = state;
    (void)machine;
    for (uint32_t i = 0; i < room->bus_count; i++) {
        ss_busdriver_destroy(room, room->buses[i]);
    }
    ss_release(room->host, room->buses);
    ss_release(room->host, room);
}

static const ss_room_ops_t room_ops = {.name = "hdaudio",
                                       .fresh = room_fresh,
                                       .destroy = room_destroy,
                                       .walk = ss_hdaudio_walk,
                                       .event = ss_hdaudio_event,
                                       .check = ss_hdaudio_check};
static const ss_kernel_ops_t kernel_ops = {
    .isr = ss_hdaudio_isr, .dpc = ss_hdaudio_dpc, .registers = ss_hdaudio_registers};

ss_hdaudio_t *ss_hdaudio_room(const storsim_machine_t *machine) {
    return ss_room_state(machine, SS_ROOM_HDAUDIO);
}

ss_busdriver_t *ss_bus_of_controller(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hdaudio_t *room = ss_hdaudio_room(machine);
    for (uint32_t i = 0; room && i < room->bus_count; i++) {
        if (room->buses[i]->controller == controller) {
            return room->buses[i];
        }
    }
    return NULL;
}

ss_busdriver_t *ss_bus_of_context(const storsim_machine_t *machine, uint64_t context) {
    const ss_hdaudio_t *room = ss_hdaudio_room(machine);
    for (uint32_t i = 0; room && context && i < room->bus_count; i++) {
        if (ss_bus_client(room->buses[i], context)) {
            return room->buses[i];
        }
    }
    return NULL;
}

ss_busdriver_t *ss_bus_of_handle(const storsim_machine_t *machine, uint64_t handle, uint32_t *descriptor) {
    const ss_hdaudio_t *room = ss_hdaudio_room(machine);
    for (uint32_t i = 0; room && handle && i < room->bus_count; i++) {
        for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
            if (room->buses[i]->engines[n].handle == handle) {
                *descriptor = n;
                return room->buses[i];
            }
        }
    }
    return NULL;
}

void storsim_hdaudio_config_init(storsim_hdaudio_config_t *config) {
    *config = (storsim_hdaudio_config_t){.stripe_lines = 2,
                                         .events_per_engine = 16,
                                         .callbacks_per_engine = 16,
                                         .verb_timeout = CODEC_TIMEOUT,
                                         .late_dpc = LATE,
                                         .dirql = 5,
                                         .ctrl_revision = 4,
                                         .ctrl_vendor_id = 0x8086,
                                         .ctrl_device_id = 0x2668};
}

static bool config_ok(const storsim_hdaudio_config_t *config) {
    return (config->stripe_lines == 2 || config->stripe_lines == 4) && config->events_per_engine <= MAX_NOTICES &&
           config->callbacks_per_engine <= MAX_NOTICES && config->verb_timeout >= MIN_VERB_TIMEOUT &&
           config->dirql >= 3 && config->dirql <= 11 && ss_policy_ok(&config->policy);
}

storsim_status_t storsim_hdaudio_prepare(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_hdaudio_operations[SS_HDAUDIO_PREPARE], NULL, NULL);
    }
    if (ss_hdaudio_room(machine)) {
        return STORSIM_OK;
    }
    if (!storsim_nt_config(machine)) {
        return STORSIM_INVALID;
    }
    ss_hdaudio_t *room = room_fresh(machine, NULL);
    if (!room) {
        return STORSIM_NO_MEMORY;
    }
    (void)ss_kernel_ops_register(machine, SS_ROOM_HDAUDIO, &kernel_ops); /* neither can fail: the room exists, its place is empty */
    return ss_room_attach(machine, SS_ROOM_HDAUDIO, &room_ops, room);
}

storsim_status_t storsim_hdaudio_attach(storsim_machine_t *machine, uint32_t controller,
                                        const storsim_hdaudio_config_t *config) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_data(config, 1)};
        return ss_tap_run(machine, &ss_hdaudio_operations[SS_HDAUDIO_ATTACH], args, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    if (!storsim_nt_config(machine) || !config || !config_ok(config) || !storsim_hda_live(machine, controller) ||
        ss_bus_of_controller(machine, controller)) {
        return STORSIM_INVALID;
    }
    status = storsim_hdaudio_prepare(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hdaudio_t *room = ss_hdaudio_room(machine);
    void *array = room->buses;
    ss_busdriver_t *bus = ss_alloc_zeroed(room->host, 1, sizeof *bus);
    if (!bus || !ss_grow(room->host, &array, &room->bus_capacity, room->bus_count + 1, sizeof(ss_busdriver_t *))) {
        ss_release(room->host, bus);
        return STORSIM_NO_MEMORY;
    }
    room->buses = array;
    status = ss_device_owner(machine, storsim_hda_device(machine, controller), STORSIM_HDAUDIO_OWNER(controller));
    if (status != STORSIM_OK) {
        ss_release(room->host, bus);
        return status;
    }
    bus->controller = controller;
    bus->config = *config;
    room->buses[room->bus_count++] = bus;
    return STORSIM_OK;
}

const storsim_hdaudio_config_t *storsim_hdaudio_get_config(const storsim_machine_t *machine, uint32_t controller) {
    const ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    return bus ? &bus->config : NULL;
}

storsim_status_t storsim_hdaudio_surprise_remove(storsim_machine_t *machine, uint32_t controller) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller)};
        return ss_tap_run(machine, &ss_hdaudio_operations[SS_HDAUDIO_SURPRISE_REMOVE], args, NULL);
    }
    ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK && !bus) {
        status = STORSIM_STALE;
    }
    if (status == STORSIM_OK) {
        bus->removed = true;
    }
    return status;
}

storsim_status_t storsim_hdaudio_remove(storsim_machine_t *machine, uint32_t controller, size_t *first_leak,
                                        size_t *leaks) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_out(first_leak != NULL ? *first_leak : 0u),
                                ss_arg_out(leaks != NULL ? *leaks : 0u)};
        storsim_status_t answer = ss_tap_run(machine, &ss_hdaudio_operations[SS_HDAUDIO_REMOVE], args, NULL);
        if (first_leak != NULL) {
            *first_leak = (size_t)args[1].value;
        }
        if (leaks != NULL) {
            *leaks = (size_t)args[2].value;
        }
        return answer;
    }
    ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    size_t before = storsim_finding_count(machine);
    ss_call_t call;
    if (ss_callback_depth(machine)) {
        return STORSIM_REENTRY;
    }
    if (!bus) {
        return STORSIM_STALE;
    }
    /* What is still held was held by clients that should have let go through this routine. */
    storsim_status_t status = ss_call_begin(&call, machine, storsim_ddi_routine(STORSIM_ID_InterfaceDereference), NULL);
    if (status != STORSIM_OK) {
        return status;
    }
    bus->removed = bus->removed || !storsim_hda_live(machine, controller);
    call.owner = ss_machine_where(machine)->owner = STORSIM_HDAUDIO_OWNER(controller);
    while (bus->client_count) {
        if (!bus->removed) {
            ss_violate(&call, SS_INTERFACE_LEAK,
                       &(ss_detail_t){.address = bus->clients[0].context, .got = bus->clients[0].references});
        }
        ss_client_end(&call, bus, bus->clients[0].context, bus->removed);
    }
    size_t found = storsim_finding_count(machine) - before;
    if (bus->started) {
        ss_chip_t chip = ss_chip_open(machine, controller);
        ss_bus_stop(&chip, bus);
    }
    ss_dpc_drop(machine, SS_ROOM_HDAUDIO, SS_DPC_RIRB, controller);
    ss_dpc_drop(machine, SS_ROOM_HDAUDIO, SS_DPC_TRANSFER, controller);
    ss_dpc_drop(machine, SS_ROOM_HDAUDIO, SS_DPC_UNSOLICITED, controller);
    ss_hdaudio_t *room = ss_hdaudio_room(machine);
    /* unreachable: ends at the bus driver, which is in the list until it is taken out here */
    for (uint32_t i = 0; i < room->bus_count; i++) {
        if (room->buses[i] == bus) {
            room->buses[i] = room->buses[--room->bus_count];
            break;
        }
    }
    ss_busdriver_destroy(room, bus);
    if (first_leak) {
        *first_leak = before;
    }
    if (leaks) {
        *leaks = found;
    }
    return ss_call_end(&call);
}
