/* machine/snapshot.c: the whole machine as bytes, back again, and as 64 bits.
 *
 * Layout: magic "STORSIM1", u32 version, u64 fingerprint of the configuration, the hardware, each room behind a mark with its number,
 * u64 over everything before (ss_snapshot_checksum). Restore builds complete new states beside the live ones and swaps them in at the end, so that it
 * is whole or nothing. Policy: the version grows with any change of the layout; older versions are refused, never guessed. */
#include "machine/machine_i.h"
#include "machine/operations.h"

#include <string.h>

#define SNAPSHOT_VERSION 2u
#define FNV_BASIS UINT64_C(0xCBF29CE484222325)

static const uint8_t MAGIC[8] = {'S', 'T', 'O', 'R', 'S', 'I', 'M', '1'};

void ss_hardware_walk(storsim_machine_t *machine, ss_hardware_t *hardware, ss_codec_t *codec) {
    ss_codec_mark(codec, 0x50414745); /* 'PAGE' and so on: damaged bytes are noticed section by section */
    ss_pages_walk(hardware->pages, codec);
    ss_codec_mark(codec, 0x42595445);
    ss_ram_walk(hardware->ram, codec);
    ss_codec_mark(codec, 0x434C4F43);
    ss_clock_walk(&hardware->clock, &machine->host, codec);
    ss_codec_mark(codec, 0x42555300);
    ss_bus_walk(&hardware->bus, &machine->host, codec);
    ss_codec_mark(codec, 0x4641554C);
    ss_faults_walk(&hardware->faults, &machine->host, codec);
    ss_codec_mark(codec, 0x46494E44);
    ss_findings_walk(machine, &hardware->findings, codec);
    ss_codec_mark(codec, 0x52455356);
    uint64_t count = hardware->reserved_count;
    ss_codec_count(codec, &count, 16, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = hardware->reserved;
        if (!ss_grow(&machine->host, &array, &hardware->reserved_capacity, (uint32_t)count, sizeof(ss_reserved_t))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        hardware->reserved = array;
        hardware->reserved_count = (uint32_t)count;
    }
    for (uint64_t i = 0; i < count; i++) {
        ss_codec_u64(codec, &hardware->reserved[i].first_pfn);
        ss_codec_u64(codec, &hardware->reserved[i].pages);
    }
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &hardware->rng.state);
    }
}

static void walk_room(storsim_machine_t *machine, int room, void *state, ss_codec_t *codec) {
    const ss_room_ops_t *ops = machine->rooms[room].ops;
    bool present = ops != NULL && ops->walk != NULL;
    bool stored = present;
    ss_codec_mark(codec, UINT32_C(0x524F4F00) + (uint32_t)room);
    ss_codec_bool(codec, &stored);
    if (stored != present) {
        ss_codec_fail(codec, STORSIM_FORMAT); /* a room was attached on one side only: not an equally configured machine */
        return;
    }
    if (present) {
        ops->walk(machine, state, codec);
    }
}

storsim_status_t storsim_digest(storsim_machine_t *machine, uint64_t *digest) {
    ss_codec_t codec = {.mode = SS_DIGEST, .host = &machine->host, .hash = FNV_BASIS};
    uint32_t version = SNAPSHOT_VERSION;
    ss_codec_u32(&codec, &version);
    ss_hardware_walk(machine, &machine->hardware, &codec);
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        walk_room(machine, room, machine->head.states[room], &codec);
    }
    if (codec.status == STORSIM_OK) {
        *digest = codec.hash;
    }
    return codec.status;
}

uint64_t ss_snapshot_checksum(const uint8_t *bytes, size_t count) {
    uint64_t hash = FNV_BASIS ^ count;
    for (size_t i = 0; i < count; i += 8) { /* every step can be undone, so two that differ in one word never meet */
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < count; j++) {
            word |= (uint64_t)bytes[i + j] << (8 * j);
        }
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return hash;
}

/* --- for the journal -------------------------------------------------------------------------------------------------- */

uint64_t ss_snapshot_name(const uint8_t *bytes, size_t length) {
    uint64_t name = ss_mix(length, 0x534E4150);
    size_t i = 0;
    for (; length - i >= 8; i += 8) { /* bytes of a damaged snapshot have another name than the snapshot */
        uint64_t word = 0;
        for (size_t k = 0; k < 8; k++) {
            word |= (uint64_t)bytes[i + k] << (8 * k);
        }
        name = (name ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        name ^= name >> 29;
    }
    for (; i < length; i++) {
        name = ss_mix(name, bytes[i]);
    }
    return name & ~SS_CHECKPOINT_NAME;
}

static storsim_status_t recorded_snapshot(storsim_machine_t *machine, uint8_t **bytes, size_t *length) {
    const storsim_operation_t *operation = &ss_machine_operations[SS_SNAPSHOT];
    ss_tap_t *tap = machine->head.tap;
    storsim_arg_t args[] = {ss_arg_out(0)};
    storsim_status_t status = tap->ops->begin(tap, operation, args);
    if (status != STORSIM_OK) {
        return status;
    }
    machine->head.inside++;
    status = storsim_snapshot(machine, bytes, length);
    machine->head.inside--;
    (void)ss_arg_give(&args[0], status == STORSIM_OK ? ss_snapshot_name(*bytes, *length) : 0, status);
    tap->ops->end(tap, operation, args, status, 0);
    return status;
}

static storsim_status_t recorded_restore(storsim_machine_t *machine, const uint8_t *bytes, size_t length, size_t *where) {
    const storsim_operation_t *operation = &ss_machine_operations[SS_RESTORE];
    ss_tap_t *tap = machine->head.tap;
    storsim_arg_t args[] = {ss_arg_in(ss_snapshot_name(bytes, length)), ss_arg_data(bytes, length)};
    storsim_status_t status = tap->ops->begin(tap, operation, args);
    if (status != STORSIM_OK) {
        return status;
    }
    machine->head.inside++;
    status = storsim_restore(machine, bytes, length, where);
    machine->head.inside--;
    tap->ops->end(tap, operation, args, status, 0);
    return status;
}

/* --- to bytes and back ------------------------------------------------------------------------------------------------ */

storsim_status_t storsim_snapshot(storsim_machine_t *machine, uint8_t **bytes, size_t *length) {
    if (ss_tapped(machine)) {
        return recorded_snapshot(machine, bytes, length);
    }
    bool inside = machine->callback_depth != 0;
    return inside ? STORSIM_REENTRY : ss_snapshot_save(machine, bytes, length);
}

storsim_status_t ss_snapshot_save(storsim_machine_t *machine, uint8_t **bytes, size_t *length) {
    ss_codec_t codec = {.mode = SS_SAVE, .host = &machine->plain};
    uint8_t magic[sizeof MAGIC];
    memcpy(magic, MAGIC, sizeof magic);
    uint32_t version = SNAPSHOT_VERSION;
    ss_codec_bytes(&codec, magic, sizeof magic);
    ss_codec_u32(&codec, &version);
    ss_codec_u64(&codec, &machine->fingerprint);
    ss_hardware_walk(machine, &machine->hardware, &codec);
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        walk_room(machine, room, machine->head.states[room], &codec);
    }
    ss_ram_walked(machine->hardware.ram);
    if (ss_codec_ok(&codec)) {
        uint64_t sum = ss_snapshot_checksum(codec.bytes, codec.length);
        ss_codec_u64(&codec, &sum);
    }
    if (!ss_codec_ok(&codec)) {
        ss_release(&machine->plain, codec.bytes);
        return codec.status;
    }
    *bytes = codec.bytes;
    *length = codec.length;
    return STORSIM_OK;
}

void storsim_snapshot_free(storsim_machine_t *machine, uint8_t *bytes) {
    ss_release(&machine->plain, bytes);
}

static void load_header(const storsim_machine_t *machine, ss_codec_t *codec) {
    uint8_t magic[sizeof MAGIC] = {0};
    uint32_t version = 0;
    uint64_t fingerprint = 0;
    ss_codec_bytes(codec, magic, sizeof magic);
    ss_codec_u32(codec, &version);
    ss_codec_u64(codec, &fingerprint);
    if (memcmp(magic, MAGIC, sizeof magic) != 0 || version != SNAPSHOT_VERSION || fingerprint != machine->fingerprint) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

/* Builds every new state; on failure none of them is kept. */
static void load_rooms(storsim_machine_t *machine, void *states[SS_ROOM_COUNT], ss_codec_t *codec) {
    for (int room = 0; room < SS_ROOM_COUNT && ss_codec_ok(codec); room++) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != NULL && ops->fresh != NULL) {
            states[room] = ops->fresh(machine, machine->head.states[room]);
            if (states[room] == NULL) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
        }
        walk_room(machine, room, states[room], codec);
    }
}

static void drop_rooms(storsim_machine_t *machine, void *states[SS_ROOM_COUNT]) {
    for (int room = SS_ROOM_COUNT - 1; room >= 0; room--) {
        if (states[room] != NULL) {
            machine->rooms[room].ops->destroy(machine, states[room]);
        }
    }
}

/* The machine's state against another. */
static void exchange(storsim_machine_t *machine, ss_hardware_t *hardware, void *states[SS_ROOM_COUNT]) {
    const ss_hardware_t other = machine->hardware;
    machine->hardware = *hardware;
    *hardware = other;
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        if (states[room] != NULL) {
            void *state = machine->head.states[room];
            machine->head.states[room] = states[room];
            states[room] = state;
        }
    }
    ss_bus_forget(machine);
}

/* Each part was read for itself. Only the machine with all of them in it can tell whether they agree: that the frames of a block are taken,
 * say. If not, it is as it was. */
static storsim_status_t adopt(storsim_machine_t *machine, ss_hardware_t *hardware, void *states[SS_ROOM_COUNT]) {
    hardware->faults.paused = machine->hardware.faults.paused;
    exchange(machine, hardware, states);
    if (storsim_check(machine, NULL, 0) == 0) {
        return STORSIM_OK;
    }
    exchange(machine, hardware, states);
    return STORSIM_FORMAT;
}

storsim_status_t storsim_restore(storsim_machine_t *machine, const uint8_t *bytes, size_t length, size_t *where) {
    if (ss_tapped_bytes(machine, length)) {
        return recorded_restore(machine, bytes, length, where);
    }
    if (machine->callback_depth != 0) {
        return STORSIM_REENTRY;
    }
    if (ss_ram_exports(machine->hardware.ram) != 0) {
        return STORSIM_BUSY;
    }
    union { const uint8_t *in; uint8_t *out; } cast = {bytes}; /* LOAD never writes through it */
    ss_codec_t codec = {.mode = SS_LOAD, .host = &machine->host, .bytes = cast.out, .length = length >= 8 ? length - 8 : 0};
    ss_codec_t tail = {.mode = SS_LOAD, .bytes = cast.out, .length = length, .position = codec.length};
    uint64_t sum = 0;
    ss_codec_u64(&tail, &sum);
    load_header(machine, &codec);
    if (!ss_codec_ok(&tail) || sum != ss_snapshot_checksum(bytes, codec.length)) {
        ss_codec_fail(&codec, STORSIM_FORMAT);
    }
    ss_hardware_t hardware = {0};
    void *states[SS_ROOM_COUNT] = {NULL};
    storsim_status_t status = ss_codec_ok(&codec) ? ss_hardware_create(machine, &hardware) : codec.status;
    if (status != STORSIM_OK) {
        if (where != NULL) {
            *where = codec.position;
        }
        if (ss_codec_ok(&codec)) {
            ss_hardware_destroy(machine, &hardware);
        }
        return status;
    }
    ss_hardware_walk(machine, &hardware, &codec);
    load_rooms(machine, states, &codec);
    if (ss_codec_ok(&codec) && codec.position != codec.length) {
        ss_codec_fail(&codec, STORSIM_FORMAT);
    }
    status = ss_codec_ok(&codec) ? adopt(machine, &hardware, states) : codec.status;
    drop_rooms(machine, states); /* either what was read or what was there before */
    ss_hardware_destroy(machine, &hardware);
    if (status == STORSIM_OK) {
        machine->head.where = (ss_where_t){.site = machine->head.where.site};
    } else if (where != NULL) {
        *where = codec.position;
    }
    return status;
}

size_t storsim_check(storsim_machine_t *machine, char *text, size_t capacity) {
    size_t broken = 0, here;
    if (text != NULL && capacity != 0) {
        text[0] = '\0';
    }
    here = ss_pages_check(machine->hardware.pages);
    ss_describe(text, capacity, "page allocator", here);
    broken += here;
    here = ss_ram_check(machine->hardware.ram);
    ss_describe(text, capacity, "bytes", here);
    broken += here;
    here = ss_clock_check(&machine->hardware.clock) + ss_bus_check(&machine->hardware.bus);
    ss_describe(text, capacity, "clock and bus", here);
    broken += here;
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != NULL && ops->check != NULL) {
            here = ops->check(machine, machine->head.states[room], text != NULL && text[0] == '\0' ? text : NULL, capacity);
            ss_describe(text, capacity, ops->name, here);
            broken += here;
        }
    }
    return broken;
}
