/* nvme/nvme.c: controllers come and go, and the commands they take (spec storport-memory §4.6).
 *
 * What a controller can see for itself decides the completion status; what only the owner of the memory can see, or what no rule of
 * the interface lets the controller refuse, is reported and the command completes. */
#include "nvme/nvme_i.h"
#include "nvme/operations.h"

#include <string.h>

static nvme_room_t *room_of(const storsim_machine_t *machine) {
    return ss_room_state(machine, SS_ROOM_NVME);
}

nvme_controller_t *nvme_find(const storsim_machine_t *machine, uint32_t device) {
    const nvme_room_t *room = room_of(machine);
    for (uint32_t i = 0; room != NULL && device != 0 && i < room->count; i++) {
        if (room->list[i]->device == device) {
            return room->list[i];
        }
    }
    return NULL;
}

/* FNV-1a: the same on every platform, and cheap. */
uint64_t nvme_checksum(const uint8_t *bytes, size_t count, uint64_t seed) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ seed;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

storsim_status_t nvme_report(storsim_machine_t *machine, uint32_t device, storsim_nvme_fault_t fault, uint64_t expected, uint64_t got,
                             uint64_t address) {
    const storsim_nvme_hooks_t *hooks = room_of(machine)->hooks;
    const storsim_nvme_report_t report = {.fault = fault, .expected = expected, .got = got, .address = address};
    return hooks != NULL && hooks->report != NULL ? hooks->report(machine, device, &report) : STORSIM_OK;
}

/* --- the room ----------------------------------------------------------------------------------------------------------- */

static void destroy_controller(ss_host_t *host, nvme_controller_t *controller) {
    ss_release(host, controller->table);
    ss_release(host, controller->written);
    ss_release(host, controller);
}

static void destroy(storsim_machine_t *machine, void *state) {
    ss_host_t *host = ss_machine_host(machine);
    nvme_room_t *room = state;
    for (uint32_t i = 0; i < room->count; i++) {
        destroy_controller(host, room->list[i]);
    }
    ss_release(host, room->list);
    ss_release(host, room);
}

static void *fresh(storsim_machine_t *machine, const void *current) {
    nvme_room_t *room = ss_alloc_zeroed(ss_machine_host(machine), 1, sizeof *room);
    if (room != NULL && current != NULL) {
        room->hooks = ((const nvme_room_t *)current)->hooks;
    }
    return room;
}

static const ss_room_ops_t room_ops = {
    .name = "nvme", .fresh = fresh, .destroy = destroy, .walk = nvme_walk, .check = nvme_check};

/* The room attaches itself the first time it is needed. */
static storsim_status_t ensure(storsim_machine_t *machine) {
    if (room_of(machine) != NULL) {
        return STORSIM_OK;
    }
    nvme_room_t *room = fresh(machine, NULL);
    if (room == NULL) {
        return STORSIM_NO_MEMORY;
    }
    return ss_room_attach(machine, SS_ROOM_NVME, &room_ops, room); /* its place is free: there is no state yet */
}

storsim_status_t storsim_nvme_set_hooks(storsim_machine_t *machine, const storsim_nvme_hooks_t *hooks) {
    storsim_status_t status = ensure(machine);
    if (status == STORSIM_OK) {
        room_of(machine)->hooks = hooks;
    }
    return status;
}

storsim_status_t storsim_nvme_attach(storsim_machine_t *machine, uint32_t device, const storsim_nvme_identify_t *identify) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(device), ss_arg_data(identify, 1)};
        return ss_tap_run(machine, &ss_nvme_operations[SS_NVME_ATTACH], args, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    uint32_t shift = identify->memory_page_shift != 0 ? identify->memory_page_shift : 12;
    if (device == 0 || nvme_find(machine, device) != NULL || identify->hmmin > identify->hmpre || shift < 12 || shift > 27) {
        return STORSIM_INVALID;
    }
    status = ensure(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    nvme_room_t *room = room_of(machine);
    ss_host_t *host = ss_machine_host(machine);
    void *list = room->list;
    if (!ss_grow(host, &list, &room->capacity, room->count + 1, sizeof *room->list)) {
        return STORSIM_NO_MEMORY;
    }
    room->list = list;
    nvme_controller_t *controller = ss_alloc_zeroed(host, 1, sizeof *controller);
    if (controller == NULL) {
        return STORSIM_NO_MEMORY;
    }
    controller->device = device;
    controller->identify = *identify;
    controller->identify.memory_page_shift = shift;
    room->list[room->count++] = controller;
    return STORSIM_OK;
}

void storsim_nvme_detach(storsim_machine_t *machine, uint32_t device) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(device)};
        (void)ss_tap_run(machine, &ss_nvme_operations[SS_NVME_DETACH], args, NULL);
        return;
    }
    nvme_room_t *room = room_of(machine);
    for (uint32_t i = 0; room != NULL && i < room->count; i++) {
        if (room->list[i]->device == device) {
            destroy_controller(ss_machine_host(machine), room->list[i]);
            memmove(room->list + i, room->list + i + 1, (room->count - i - 1) * sizeof *room->list);
            room->count--;
            return;
        }
    }
}

bool storsim_nvme_attached(const storsim_machine_t *machine, uint32_t device) {
    return nvme_find(machine, device) != NULL;
}

bool storsim_nvme_enabled(const storsim_machine_t *machine, uint32_t device) {
    const nvme_controller_t *controller = nvme_find(machine, device);
    return controller != NULL && controller->enabled;
}

/* --- Set Features: enable ------------------------------------------------------------------------------------------------- */

/* A command that enables, while it is being judged. Faults are collected and reported once everything is decided. */
typedef struct enable {
    uint32_t hsize, entries;
    uint64_t list, total, checksum;
    bool memory_return;
    nvme_entry_t *table;
    storsim_nvme_report_t faults[STORSIM_NVME_FAULT_COUNT];
    uint32_t fault_count;
} enable_t;

static void note(enable_t *command, storsim_nvme_fault_t fault, uint64_t expected, uint64_t got, uint64_t address) {
    command->faults[command->fault_count++] = (storsim_nvme_report_t){fault, expected, got, address}; /* each kind once */
}

static uint64_t load(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = bytes; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

/* Reads the descriptor list as the device does. */
static storsim_status_t read_list(storsim_machine_t *machine, const nvme_controller_t *controller, enable_t *command, uint32_t *status) {
    ss_host_t *host = ss_machine_host(machine);
    size_t bytes = (size_t)command->entries * NVME_ENTRY_BYTES;
    uint8_t *raw = ss_alloc(host, bytes);
    command->table = ss_alloc_zeroed(host, command->entries, sizeof *command->table);
    ss_bus_result_t result = SS_BUS_OK;
    storsim_status_t outcome = STORSIM_NO_MEMORY;
    if (raw != NULL && command->table != NULL) {
        outcome = ss_bus_read(machine, controller->device, command->list, raw, bytes, &result);
    }
    if (outcome == STORSIM_OK && result != SS_BUS_OK) {
        note(command, STORSIM_NVME_FAULT_LIST_UNREADABLE, 0, 0, command->list);
        *status = STORSIM_NVME_DATA_TRANSFER_ERROR;
    } else if (outcome == STORSIM_OK) {
        command->checksum = nvme_checksum(raw, bytes, 0);
        for (uint32_t i = 0; i < command->entries; i++) {
            nvme_entry_t *entry = &command->table[i];
            entry->address = load(raw + (size_t)i * NVME_ENTRY_BYTES, 8);
            entry->units = (uint32_t)load(raw + (size_t)i * NVME_ENTRY_BYTES + 8, 4);
            entry->bytes = (uint64_t)entry->units << controller->identify.memory_page_shift;
        }
    }
    ss_release(host, raw);
    return outcome;
}

/* The rows of §4.6 on single entries and on their sum. */
static void judge_entries(storsim_machine_t *machine, const nvme_controller_t *controller, enable_t *command, uint32_t *status) {
    const storsim_nvme_hooks_t *hooks = room_of(machine)->hooks;
    uint64_t page = UINT64_C(1) << controller->identify.memory_page_shift;
    uint64_t least = (uint64_t)controller->identify.hmminds << NVME_UNIT_SHIFT;
    bool misaligned = false, small = false, outside = false;
    for (uint32_t i = 0; i < command->entries; i++) {
        const nvme_entry_t *entry = &command->table[i];
        if (entry->address % page != 0 && !misaligned) {
            misaligned = true;
            note(command, STORSIM_NVME_FAULT_MISALIGNED, page, entry->address % page, entry->address);
            *status = STORSIM_NVME_INVALID_FIELD;
        }
        if (entry->bytes < least && !small) { /* useless to the controller, not wrong: it completes the command */
            small = true;
            note(command, STORSIM_NVME_FAULT_ENTRY_SIZE, least, entry->bytes, entry->address);
        }
        if (!outside && hooks != NULL && hooks->owns != NULL && !hooks->owns(machine, controller->device, entry->address, entry->bytes)) {
            outside = true;
            note(command, STORSIM_NVME_FAULT_OUTSIDE, 0, entry->bytes, entry->address);
        }
        uint64_t sum;
        command->total = ss_add_u64(command->total, entry->bytes, &sum) ? sum : UINT64_MAX;
    }
    uint64_t announced = (uint64_t)command->hsize << controller->identify.memory_page_shift;
    if (command->total != announced) {
        note(command, STORSIM_NVME_FAULT_SIZE_SUM, announced, command->total, command->list);
        *status = STORSIM_NVME_INVALID_FIELD;
    }
}

/* The most entries a list may have where the controller has no limit of its own: as many as HSIZE has pages, and no more than the machine
 * has. A longer list holds empty entries or memory that is not there. Model choice; it also bounds what a list costs the host. */
static uint64_t most_entries(const storsim_machine_t *machine, const enable_t *command) {
    uint64_t pages = storsim_memory_total_pages(machine, STORSIM_NODE_ANY);
    return command->hsize < pages ? command->hsize : pages;
}

/* What the fields alone tell, before the list is read. False: the command is refused. */
static bool judge_fields(const storsim_machine_t *machine, const nvme_controller_t *controller, enable_t *command, uint32_t low,
                         uint32_t *status) {
    const storsim_nvme_identify_t *identify = &controller->identify;
    uint64_t size = (uint64_t)command->hsize << identify->memory_page_shift, least = (uint64_t)identify->hmmin << NVME_UNIT_SHIFT;
    *status = STORSIM_NVME_INVALID_FIELD;
    if (low % NVME_ENTRY_BYTES != 0) {
        note(command, STORSIM_NVME_FAULT_MISALIGNED, NVME_ENTRY_BYTES, low % NVME_ENTRY_BYTES, command->list | low % NVME_ENTRY_BYTES);
    } else if (command->entries == 0 || (identify->hmmaxd != 0 && command->entries > identify->hmmaxd)) {
        note(command, STORSIM_NVME_FAULT_ENTRIES, identify->hmmaxd, command->entries, command->list);
    } else if (size < least || command->hsize == 0) {
        note(command, STORSIM_NVME_FAULT_TOO_SMALL, least, size, command->list);
    } else if (command->entries > most_entries(machine, command)) {
        note(command, STORSIM_NVME_FAULT_ENTRIES, most_entries(machine, command), command->entries, command->list);
    } else {
        *status = STORSIM_NVME_SUCCESS;
    }
    return *status == STORSIM_NVME_SUCCESS;
}

/* MR = 1: the same memory as before, unchanged (spec §4.6, case C51). */
static void judge_return(storsim_machine_t *machine, const nvme_controller_t *controller, enable_t *command) {
    if (!controller->known) {
        note(command, STORSIM_NVME_FAULT_RETURN_CHANGED, 0, command->hsize, command->list);
    } else if (command->hsize != controller->hsize || command->entries != controller->entries) {
        note(command, STORSIM_NVME_FAULT_RETURN_CHANGED, controller->hsize, command->hsize, command->list);
    } else if (command->list != controller->list) {
        note(command, STORSIM_NVME_FAULT_RETURN_CHANGED, controller->list, command->list, command->list);
    } else if (command->checksum != controller->list_checksum) {
        note(command, STORSIM_NVME_FAULT_RETURN_CHANGED, controller->list_checksum, command->checksum, command->list);
    } else {
        uint64_t changed = nvme_verify_buffer(machine, controller);
        if (changed != 0) {
            note(command, STORSIM_NVME_FAULT_RETURN_CHANGED, 0, 0, changed);
        }
    }
}

static void accept(storsim_machine_t *machine, nvme_controller_t *controller, enable_t *command) {
    ss_release(ss_machine_host(machine), controller->table);
    controller->table = command->table;
    command->table = NULL;
    controller->enabled = controller->known = true;
    controller->hsize = command->hsize;
    controller->entries = command->entries;
    controller->list = command->list;
    controller->list_checksum = command->checksum;
    controller->total = command->total;
    if (!command->memory_return) {
        controller->written_count = 0; /* fresh memory: nothing is known of its contents */
    }
}

static storsim_status_t enable(storsim_machine_t *machine, nvme_controller_t *controller, const uint32_t cdw[5], uint32_t *status) {
    if (controller->enabled) {
        *status = STORSIM_NVME_COMMAND_SEQUENCE_ERROR;
        return STORSIM_OK;
    }
    if (controller->identify.hmpre == 0) {
        *status = STORSIM_NVME_INVALID_FIELD; /* the controller has no such feature */
        return STORSIM_OK;
    }
    enable_t command = {.hsize = cdw[1], .entries = cdw[4], .memory_return = (cdw[0] & NVME_MR) != 0};
    command.list = (uint64_t)cdw[3] << 32 | (cdw[2] & ~UINT32_C(0xF));
    storsim_status_t outcome = STORSIM_OK;
    uint32_t completion = STORSIM_NVME_SUCCESS;
    if (judge_fields(machine, controller, &command, cdw[2], &completion)) {
        outcome = read_list(machine, controller, &command, &completion);
    }
    if (outcome == STORSIM_OK && completion == STORSIM_NVME_SUCCESS) {
        judge_entries(machine, controller, &command, &completion);
    }
    if (outcome == STORSIM_OK && completion == STORSIM_NVME_SUCCESS && command.memory_return) {
        judge_return(machine, controller, &command);
    }
    if (outcome == STORSIM_OK) {
        *status = completion;
        if (completion == STORSIM_NVME_SUCCESS) {
            accept(machine, controller, &command);
        }
    }
    ss_release(ss_machine_host(machine), command.table);
    for (uint32_t i = 0; outcome == STORSIM_OK && i < command.fault_count; i++) {
        const storsim_nvme_report_t *fault = &command.faults[i];
        outcome = nvme_report(machine, controller->device, fault->fault, fault->expected, fault->got, fault->address);
    }
    return outcome;
}

storsim_status_t storsim_nvme_set_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, const uint32_t cdw[5],
                                           uint32_t *status) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(device), ss_arg_in(fid), ss_arg_data(cdw, 5), ss_arg_out(*status)};
        storsim_status_t answer = ss_tap_run(machine, &ss_nvme_operations[SS_NVME_SET_FEATURES], args, NULL);
        *status = (uint32_t)args[3].value;
        return answer;
    }
    storsim_status_t outcome = ss_machine_alive(machine);
    nvme_controller_t *controller = nvme_find(machine, device);
    if (outcome != STORSIM_OK || controller == NULL) {
        return outcome != STORSIM_OK ? outcome : STORSIM_STALE;
    }
    if (fid != NVME_FEATURE_HMB) {
        *status = STORSIM_NVME_INVALID_FIELD;
        return STORSIM_OK;
    }
    if (cdw[0] & NVME_EHM) {
        return enable(machine, controller, cdw, status);
    }
    outcome = controller->enabled ? storsim_nvme_verify(machine, device) : STORSIM_OK;
    if (outcome == STORSIM_OK || outcome == STORSIM_VIOLATION) {
        controller->enabled = false; /* disabling what is disabled succeeds */
        *status = STORSIM_NVME_SUCCESS;
    }
    return outcome;
}

storsim_status_t storsim_nvme_get_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, storsim_nvme_features_t *features,
                                           uint32_t *status) {
    const nvme_controller_t *controller = nvme_find(machine, device);
    if (controller == NULL) {
        return STORSIM_STALE;
    }
    bool known = fid == NVME_FEATURE_HMB && controller->identify.hmpre != 0;
    *status = known ? STORSIM_NVME_SUCCESS : STORSIM_NVME_INVALID_FIELD;
    *features = (storsim_nvme_features_t){0};
    if (known && controller->enabled) {
        *features = (storsim_nvme_features_t){.hsize = controller->hsize, .list = controller->list, .entries = controller->entries,
                                              .enabled = true};
    }
    return STORSIM_OK;
}

storsim_status_t storsim_nvme_reset(storsim_machine_t *machine, uint32_t device) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(device)};
        return ss_tap_run(machine, &ss_nvme_operations[SS_NVME_RESET], args, NULL);
    }
    storsim_status_t outcome = ss_machine_alive(machine);
    nvme_controller_t *controller = nvme_find(machine, device);
    if (outcome != STORSIM_OK || controller == NULL) {
        return outcome != STORSIM_OK ? outcome : STORSIM_STALE;
    }
    outcome = controller->enabled ? storsim_nvme_verify(machine, device) : STORSIM_OK;
    if (outcome == STORSIM_OK || outcome == STORSIM_VIOLATION) {
        controller->enabled = false;
    }
    return outcome;
}
