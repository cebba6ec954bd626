/* tests/hdaudio/world.h: a machine with one controller, one ideal codec and a bus driver, and the routines as C
 * functions. Each returns the NTSTATUS; a host error ends the test unless the world expects one. */
#ifndef WORLD_H
#define WORLD_H

#include <string.h>

#include "../check.h"
#include "tests/machine_pin.h"
#include "storsim/hda.h"
#include "storsim/hdaudio.h"

enum {
    OK = 0,
    UNS = 1,
    IH = 8,
    IP = 0xD,
    NSD = 0xE,
    IDR = 0x10,
    NM = 0x17,
    BTS = 0x23,
    IR = 0x9A,
    DNR = 0xA3,
    NS = 0xBB
};
#define ST(code) ((code) == OK ? 0u : 0xC0000000u | (uint32_t)(code))
enum { RESET = 0, PAUSE = 1, RUN = 2, FRAME = 500 };

typedef struct heard {
    storsim_callback_kind_t kind;
    uint64_t routine, values[6], time;
    uint8_t irql;
    storsim_codec_transfer_t items[4];
} heard_t;

typedef struct world {
    storsim_machine_t *machine;
    uint32_t controller;
    uint64_t context;        /* client 0 */
    storsim_status_t status; /* of the last call */
    bool tolerate;           /* host errors are the test's business */
    heard_t heard[4096];
    unsigned heard_count, fail_callback; /* fail_callback: the n-th callback from now answers an error */
    void (*on_callback)(struct world *world, storsim_callback_t *callback);
} world_t;

typedef struct world_config {
    storsim_hda_config_t hda;
    storsim_hdaudio_config_t bus;
    storsim_nt_config_t nt;
    storsim_host_t *host;
    unsigned codecs; /* bit = address */
    uint64_t memory; /* bytes from 1 MiB */
    uint64_t seed;
    bool no_query;
} world_config_t;

static inline world_config_t world_defaults(void) {
    world_config_t config = {.codecs = 1, .memory = UINT64_C(256) << 20, .seed = 1};
    storsim_hda_config_init(&config.hda);
    storsim_hdaudio_config_init(&config.bus);
    storsim_nt_config_init(&config.nt);
    config.hda.timing = STORSIM_HDA_IDEAL; /* the timing in which the cases of the specification hold exactly */
    return config;
}

static inline storsim_status_t world_hear(void *host, storsim_callback_t *callback) {
    world_t *world = host;
    heard_t *heard = &world->heard[world->heard_count++ % 4096];
    *heard = (heard_t){
        callback->kind, callback->routine, {0}, storsim_now(world->machine), storsim_irql(world->machine), {{0}}};
    memcpy(heard->values, callback->values, sizeof heard->values);
    if (callback->kind == STORSIM_CB_HDA_TRANSFER) {
        size_t bytes = callback->data_bytes < sizeof heard->items ? callback->data_bytes : sizeof heard->items;
        memcpy(heard->items, callback->data, bytes);
    }
    if (world->on_callback) {
        world->on_callback(world, callback);
    }
    if (world->fail_callback && --world->fail_callback == 0) {
        return STORSIM_CALLBACK;
    }
    return STORSIM_OK;
}

/* Sets a world up; the status of the first step that failed. */
static inline storsim_status_t world_try(world_t *world, const world_config_t *config) {
    memset(world, 0, sizeof *world);
    storsim_range_t range = {UINT64_C(1) << 20, config->memory, 0};
    storsim_machine_config_t machine = {
        .host = config->host, .ranges = &range, .range_count = 1, .seed = config->seed, .trace_entries = 64};
    storsim_status_t status = storsim_machine_create(&machine, &world->machine);
    if (status != STORSIM_OK) {
        return status;
    }
    storsim_machine_set_callback(world->machine, world_hear, world);
    status = storsim_nt_boot(world->machine, &config->nt);
    if (status == STORSIM_OK) {
        status = storsim_hda_add(world->machine, &config->hda, &world->controller);
    }
    for (uint32_t address = 0; status == STORSIM_OK && address < 15; address++) {
        if (config->codecs >> address & 1) {
            status = storsim_codec_add_ideal(world->machine, world->controller, address);
        }
    }
    if (status == STORSIM_OK) {
        status = storsim_hdaudio_attach(world->machine, world->controller, &config->bus);
    }
    return status;
}

static inline const storsim_hdaudio_table_t *table_of(unsigned bit) {
    size_t count;
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&count);
    while (table->tables != bit) {
        table++;
    }
    return table;
}

static inline storsim_status_t world_query_status(world_t *world, unsigned bit, uint32_t client, uint64_t *context,
                                                  uint32_t *ntstatus) {
    storsim_hdaudio_interface_t interface;
    const storsim_hdaudio_table_t *table = table_of(bit);
    storsim_status_t status = storsim_hdaudio_query(world->machine, world->controller, table->guid, table->size_x64,
                                                    0x0100, client, &interface, ntstatus);
    if (status == STORSIM_OK && *ntstatus == 0) {
        *context = interface.context;
    }
    return status;
}

static inline uint64_t world_query(world_t *world, unsigned bit, uint32_t client) {
    uint64_t context = 0;
    uint32_t ntstatus = 1;
    CHECK_EQ(world_query_status(world, bit, client, &context, &ntstatus), STORSIM_OK);
    CHECK_EQ(ntstatus, 0);
    return context;
}

static inline world_t *world_make(const world_config_t *config) {
    world_config_t defaults = world_defaults();
    world_t *world = malloc(sizeof *world);
    CHECK(world != NULL);
    config = config ? config : &defaults;
    CHECK_EQ(world_try(world, config), STORSIM_OK);
    if (!config->no_query) {
        world->context = world_query(world, STORSIM_TABLE_V3, 0);
    }
    return world;
}

static inline void world_check(world_t *world) {
    char text[256] = "";
    size_t broken = storsim_check(world->machine, text, sizeof text);
    if (broken) {
        fprintf(stderr, "%s\n", text);
    }
    CHECK_EQ(broken, 0);
}

static inline void world_end(world_t *world) {
    machine_pin(world->machine);
    storsim_machine_destroy(world->machine);
    free(world);
}

static inline uint64_t world_digest(world_t *world) {
    uint64_t digest = 0;
    CHECK_EQ(storsim_digest(world->machine, &digest), STORSIM_OK);
    return digest;
}

/* Statuses each routine has answered in this program. */
static uint32_t world_seen[STORSIM_ID_HDAUDIO_END - STORSIM_HDAUDIO_FIRST_ID][16];

static inline void world_saw(uint16_t id, uint32_t status) {
    uint32_t *seen = world_seen[id - STORSIM_HDAUDIO_FIRST_ID];
    unsigned i = 0;
    while (seen[i] && seen[i] != status + 1) {
        i++;
    }
    seen[i] = status + 1;
}

static inline uint32_t call(world_t *world, uint64_t context, uint16_t id, storsim_arg_t *args) {
    uint64_t result = 0xDEAD;
    world->status = storsim_hdaudio_call(world->machine, context, storsim_ddi_routine(id), args, &result);
    if (world->status == STORSIM_OK || world->status == STORSIM_VIOLATION) {
        world_saw(id, (uint32_t)result);
    } else {
        CHECK_EQ(result, 0);
    }
    check_fold((uint64_t)world->status ^ result << 8);
    for (uint8_t i = 0; i < storsim_ddi_routine(id)->param_count; i++) {
        check_fold(args[i].written ? args[i].value : 0);
    }
    if (!world->tolerate) {
        CHECK_EQ(world->status, STORSIM_OK);
    }
    return (uint32_t)result;
}

#define IN_(x) {.value = (uint64_t)(x), .present = true}
#define OUT_ {.value = 0x5A5A5A5A5A5A5A5A, .present = true}
#define NULL_ {.present = false}

static inline storsim_stream_format_t fmt(uint32_t rate, uint16_t valid, uint16_t container, uint16_t channels) {
    return (storsim_stream_format_t){rate, valid, container, channels};
}
static inline storsim_stream_format_t stereo(void) {
    return fmt(48000, 16, 16, 2);
}

static inline uint32_t render(world_t *w, uint64_t ctx, storsim_stream_format_t f, uint8_t stripe, uint64_t *handle,
                              uint16_t *converter) {
    storsim_arg_t args[] = {{.data = &f, .count = 1, .present = true}, IN_(stripe), OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_AllocateRenderDmaEngine, args);
    CHECK((status == 0 && w->status == STORSIM_OK) == args[2].written);
    if (args[2].written && handle) {
        *handle = args[2].value;
    }
    if (args[3].written && converter) {
        *converter = (uint16_t)args[3].value;
    }
    return status;
}
static inline uint32_t capture(world_t *w, uint64_t ctx, uint8_t codec, storsim_stream_format_t f, uint64_t *handle) {
    storsim_arg_t args[] = {IN_(codec), {.data = &f, .count = 1, .present = true}, OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_AllocateCaptureDmaEngine, args);
    if (args[2].written && handle) {
        *handle = args[2].value;
    }
    return status;
}
static inline uint32_t change(world_t *w, uint64_t ctx, uint64_t handle, storsim_stream_format_t f,
                              uint16_t *converter) {
    storsim_arg_t args[] = {IN_(handle), {.data = &f, .count = 1, .present = true}, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_ChangeBandwidthAllocation, args);
    if (args[2].written && converter) {
        *converter = (uint16_t)args[2].value;
    }
    return status;
}

typedef struct buffer {
    uint64_t mdl, size, offset, data, bdl;
    uint32_t stream, fifo;
} buffer_t;

static inline uint32_t allocate_d(world_t *w, uint64_t ctx, uint64_t handle, uint64_t size, buffer_t *buffer) {
    storsim_arg_t args[] = {IN_(handle), IN_(size), OUT_, OUT_, OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_AllocateDmaBuffer, args);
    if (args[2].written && buffer) {
        *buffer = (buffer_t){.mdl = args[2].value,
                             .size = args[3].value,
                             .stream = (uint32_t)args[4].value,
                             .fifo = (uint32_t)args[5].value};
    }
    return status;
}
static inline uint32_t free_d(world_t *w, uint64_t ctx, uint64_t handle) {
    storsim_arg_t args[] = {IN_(handle)};
    return call(w, ctx, STORSIM_ID_FreeDmaBuffer, args);
}
static inline uint32_t allocate_n(world_t *w, uint64_t ctx, uint64_t handle, uint32_t count, uint64_t size,
                                  buffer_t *buffer) {
    storsim_arg_t args[] = {IN_(handle), IN_(count), IN_(size), OUT_, OUT_, OUT_, OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_AllocateDmaBufferWithNotification, args);
    if (args[3].written && buffer) {
        *buffer = (buffer_t){.mdl = args[3].value,
                             .size = args[4].value,
                             .offset = args[5].value,
                             .stream = (uint32_t)args[6].value,
                             .fifo = (uint32_t)args[7].value};
    }
    return status;
}
static inline uint32_t free_n(world_t *w, uint64_t ctx, uint64_t handle, uint64_t mdl, uint64_t size) {
    storsim_arg_t args[] = {IN_(handle), IN_(mdl), IN_(size)};
    return call(w, ctx, STORSIM_ID_FreeDmaBufferWithNotification, args);
}
static inline uint32_t allocate_c(world_t *w, uint64_t ctx, uint64_t handle, uint32_t size, buffer_t *buffer) {
    storsim_arg_t args[] = {IN_(handle), IN_(size), OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_AllocateContiguousDmaBuffer, args);
    if (args[2].written && buffer) {
        *buffer = (buffer_t){.data = args[2].value, .bdl = args[3].value, .size = size};
    }
    return status;
}
static inline uint32_t setup(world_t *w, uint64_t ctx, uint64_t handle, uint32_t length, uint32_t lvi, uint64_t isr,
                             buffer_t *buffer) {
    storsim_arg_t args[] = {IN_(handle), IN_(length), IN_(lvi), IN_(isr), IN_(0x77), OUT_, OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_SetupDmaEngineWithBdl, args);
    if (args[5].written && buffer) {
        buffer->stream = (uint32_t)args[5].value;
        buffer->fifo = (uint32_t)args[6].value;
    }
    return status;
}
static inline uint32_t free_c(world_t *w, uint64_t ctx, uint64_t handle) {
    storsim_arg_t args[] = {IN_(handle)};
    return call(w, ctx, STORSIM_ID_FreeContiguousDmaBuffer, args);
}
static inline uint32_t free_engine(world_t *w, uint64_t ctx, uint64_t handle) {
    storsim_arg_t args[] = {IN_(handle)};
    return call(w, ctx, STORSIM_ID_FreeDmaEngine, args);
}
static inline uint32_t set_states(world_t *w, uint64_t ctx, int state, uint64_t *handles, uint32_t count) {
    storsim_arg_t args[] = {IN_(state), {.data = handles, .count = count, .present = true}, IN_(count)};
    return call(w, ctx, STORSIM_ID_SetDmaEngineState, args);
}
static inline uint32_t set_state(world_t *w, uint64_t ctx, int state, uint64_t handle) {
    return set_states(w, ctx, state, &handle, 1);
}
static inline uint32_t position(world_t *w, uint64_t ctx, uint64_t handle, uint64_t *va) {
    storsim_arg_t args[] = {IN_(handle), OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_GetLinkPositionRegister, args);
    if (args[1].written && va) {
        *va = args[1].value;
    }
    return status;
}
static inline uint64_t wall_clock(world_t *w, uint64_t ctx) {
    storsim_arg_t args[] = {OUT_};
    call(w, ctx, STORSIM_ID_GetWallClockRegister, args);
    return args[0].written ? args[0].value : 0;
}
static inline uint32_t event_on(world_t *w, uint64_t ctx, uint64_t handle, uint64_t event) {
    storsim_arg_t args[] = {IN_(handle), IN_(event)};
    return call(w, ctx, STORSIM_ID_RegisterNotificationEvent, args);
}
static inline uint32_t event_off(world_t *w, uint64_t ctx, uint64_t handle, uint64_t event) {
    storsim_arg_t args[] = {IN_(handle), IN_(event)};
    return call(w, ctx, STORSIM_ID_UnregisterNotificationEvent, args);
}
static inline uint32_t callback_on(world_t *w, uint64_t ctx, uint64_t handle, uint64_t fdo, uint64_t routine,
                                   uint64_t token) {
    storsim_arg_t args[] = {IN_(handle), IN_(fdo), IN_(routine), IN_(token)};
    return call(w, ctx, STORSIM_ID_RegisterNotificationCallback, args);
}
static inline uint32_t callback_off(world_t *w, uint64_t ctx, uint64_t handle, uint64_t routine, uint64_t token) {
    storsim_arg_t args[] = {IN_(handle), IN_(routine), IN_(token)};
    return call(w, ctx, STORSIM_ID_UnregisterNotificationCallback, args);
}
static inline uint32_t verbs(world_t *w, uint64_t ctx, storsim_codec_transfer_t *items, uint32_t count,
                             uint64_t routine, uint64_t token) {
    storsim_arg_t args[] = {IN_(count), {.data = items, .count = count, .present = true}, IN_(routine), IN_(token)};
    return call(w, ctx, STORSIM_ID_TransferCodecVerbs, args);
}
static inline uint32_t tag_on(world_t *w, uint64_t ctx, uint64_t routine, uint64_t token, uint8_t *tag) {
    storsim_arg_t args[] = {IN_(routine), IN_(token), OUT_};
    uint32_t status = call(w, ctx, STORSIM_ID_RegisterEventCallback, args);
    if (args[2].written && tag) {
        *tag = (uint8_t)args[2].value;
    }
    return status;
}
static inline uint32_t tag_off(world_t *w, uint64_t ctx, uint8_t tag) {
    storsim_arg_t args[] = {IN_(tag)};
    return call(w, ctx, STORSIM_ID_UnregisterEventCallback, args);
}
static inline uint32_t information(world_t *w, uint64_t ctx, storsim_device_information_t *info) {
    storsim_arg_t args[] = {{.data = info, .count = 1, .present = true}};
    return call(w, ctx, STORSIM_ID_GetDeviceInformation, args);
}
static inline void reference(world_t *w, uint64_t ctx) {
    call(w, ctx, STORSIM_ID_InterfaceReference, NULL);
}
static inline void dereference(world_t *w, uint64_t ctx) {
    call(w, ctx, STORSIM_ID_InterfaceDereference, NULL);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static inline storsim_engine_info_t engine(const world_t *w, uint64_t handle) {
    storsim_engine_info_t info;
    CHECK(storsim_hdaudio_engine(w->machine, handle, &info));
    return info;
}
static inline storsim_engine_state_t state(const world_t *w, uint64_t handle) {
    storsim_engine_info_t info;
    return storsim_hdaudio_engine(w->machine, handle, &info) ? info.state : STORSIM_ENGINE_NONE;
}
static inline uint32_t read32(world_t *w, uint64_t va) {
    uint8_t b[4];
    CHECK_EQ(storsim_read_va(w->machine, va, b, 4), STORSIM_OK);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline void advance(world_t *w, uint64_t frames) {
    CHECK_EQ(storsim_advance(w->machine, frames * FRAME), STORSIM_OK);
}
static inline uint8_t at_irql(world_t *w, uint8_t irql) {
    uint8_t old = 0;
    CHECK_EQ(storsim_set_irql(w->machine, irql, &old), STORSIM_OK);
    return old;
}
static inline unsigned heard(const world_t *w, storsim_callback_kind_t kind) {
    unsigned count = 0;
    for (unsigned i = 0; i < w->heard_count && i < 4096; i++) {
        count += w->heard[i].kind == kind;
    }
    return count;
}
static inline const heard_t *heard_nth(const world_t *w, storsim_callback_kind_t kind, unsigned n) {
    for (unsigned i = 0; i < w->heard_count && i < 4096; i++) {
        if (w->heard[i].kind == kind && n-- == 0) {
            return &w->heard[i];
        }
    }
    CHECK(w->heard_count > 4096); /* not heard */
    return NULL;
}
static inline unsigned findings(const world_t *w, const char *name) {
    unsigned count = 0;
    for (size_t i = 0; i < storsim_finding_count(w->machine); i++) {
        count += strcmp(storsim_finding_get(w->machine, i)->name, name) == 0;
    }
    return count;
}
static inline void inject(world_t *w, storsim_hardware_fault_t fault) {
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = fault, .device = w->controller};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
}
static inline void fail_next(world_t *w, uint16_t routine) {
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .routine = routine, .first = 1};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
}
static inline void put32(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}
/* Writes one entry of a client's list. */
static inline void entry(world_t *w, const buffer_t *buffer, uint32_t index, uint64_t offset, uint32_t length,
                         uint32_t ioc) {
    uint64_t address = storsim_physical(w->machine, buffer->data) + offset;
    uint8_t bytes[16];
    put32(bytes, (uint32_t)address);
    put32(bytes + 4, (uint32_t)(address >> 32));
    put32(bytes + 8, length);
    put32(bytes + 12, ioc);
    CHECK_EQ(storsim_write_va(w->machine, buffer->bdl + 16 * index, bytes, sizeof bytes), STORSIM_OK);
}

/* --- an engine in any state --------------------------------------------------------------------------------------- */

typedef struct prepared {
    uint64_t handle;
    buffer_t buffer;
} prepared_t;

/* Brings a new render engine of client ctx into a state. */
static inline prepared_t prepare(world_t *w, uint64_t ctx, storsim_engine_state_t want) {
    const char *name = storsim_engine_state_name(want);
    prepared_t made = {0};
    CHECK_EQ(render(w, ctx, stereo(), 0, &made.handle, NULL), 0);
    switch (name[1]) {
    case 'D':
        CHECK_EQ(allocate_d(w, ctx, made.handle, 3840, &made.buffer), 0);
        break;
    case 'N':
        CHECK_EQ(allocate_n(w, ctx, made.handle, 2, 3840, &made.buffer), 0);
        break;
    case 'C':
    case 'B':
        CHECK_EQ(allocate_c(w, ctx, made.handle, 8192, &made.buffer), 0);
        entry(w, &made.buffer, 0, 0, 4096, 0);
        entry(w, &made.buffer, 1, 4096, 4096, 1);
        if (name[1] == 'B') {
            CHECK_EQ(setup(w, ctx, made.handle, 8192, 1, 0x150, &made.buffer), 0);
        }
        break;
    default:
        break;
    }
    if (name[0] != 'R') {
        CHECK_EQ(set_state(w, ctx, PAUSE, made.handle), 0);
    }
    if (name[0] == 'X') {
        CHECK_EQ(set_state(w, ctx, RUN, made.handle), 0);
    }
    CHECK_EQ(state(w, made.handle), want);
    return made;
}

/* Ends it from any state. */
static inline void discard(world_t *w, uint64_t ctx, prepared_t *made) {
    storsim_engine_state_t now = state(w, made->handle);
    if (now == STORSIM_ENGINE_NONE) {
        return;
    }
    const char *name = storsim_engine_state_name(now);
    if (name[0] == 'X') {
        CHECK_EQ(set_state(w, ctx, PAUSE, made->handle), 0);
    }
    if (name[0] != 'R') {
        CHECK_EQ(set_state(w, ctx, RESET, made->handle), 0);
    }
    storsim_engine_info_t info = engine(w, made->handle);
    if (name[1] == 'D') {
        CHECK_EQ(free_d(w, ctx, made->handle), 0);
    } else if (name[1] == 'N') {
        CHECK_EQ(free_n(w, ctx, made->handle, info.mdl, info.buffer_bytes), 0);
    } else if (name[1] == 'C' || name[1] == 'B') {
        CHECK_EQ(free_c(w, ctx, made->handle), 0);
    }
    CHECK_EQ(free_engine(w, ctx, made->handle), 0);
    made->handle = 0;
}

/* What storsim_check says of a spoilt state names it, whatever room there is for the text. */
static inline void world_told(storsim_machine_t *m, int way, const char *what) {
    char text[200] = "", brief[12] = "", none[1] = "";
    size_t broken = storsim_check(m, text, sizeof text);
    if (what != NULL && strstr(text, what) == NULL) {
        fprintf(stderr, "way %d: %zu %s\n", way, broken, text);
    }
    CHECK(what == NULL || (broken != 0 && strstr(text, what) != NULL));
    CHECK_EQ(storsim_check(m, NULL, 0), broken);
    CHECK_EQ(storsim_check(m, brief, sizeof brief), broken);
    CHECK_EQ(storsim_check(m, text, 0), broken);
    CHECK_EQ(storsim_check(m, none, 0), broken);
    CHECK(strlen(brief) < sizeof brief);
}

#endif
