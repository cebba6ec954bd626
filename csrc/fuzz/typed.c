/* fuzz/typed.c: any routine and any operation, its arguments chosen by their types. The tables are all it knows.
 *
 * Whatever was done here the oracle did not see: from then on the machine is `foreign`, its free pages are learned from the core, and
 * frees of addresses the oracle does not know are not predicted. */
#include <inttypes.h>
#include <string.h>

#include "fuzz/fuzz_i.h"
#include "journal/journal_i.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- values --------------------------------------------------------------------------------------------------------- */

static uint64_t number(fuzz_t *f, uint64_t limit) {
    static const uint64_t odd[] = {0, 1, 2, 3, 15, 16, 127, 128, 4095, 4096, 4097, 65535, 65536, 0x100000, 0x7FFFFFFF, 0xFFFFFFFF,
                                   UINT64_C(0x100000000), UINT64_MAX};
    uint32_t choice = fuzz_arg(f);
    uint64_t value = choice < 64 ? choice * UINT64_C(64) : choice < 128 ? choice - 64 : choice < 160 ? fuzz_wide(f) * UINT64_C(16)
                                                                                      : odd[(choice - 160) % COUNT(odd)];
    return value & limit;
}

/* A value an operation gave out as this type, newest first; `otherwise` when there is none. */
static uint64_t recent(fuzz_t *f, storsim_type_t type, uint32_t choice, uint64_t otherwise) {
    uint32_t count = f->recent_count[type];
    return count != 0 ? f->recent[type][choice % count] : otherwise;
}

static uint64_t address(fuzz_t *f, storsim_type_t type) {
    uint32_t choice = fuzz_arg(f);
    const block_t *block;
    if (choice < 96) {
        uint64_t found = recent(f, type, choice, 0);
        if (found != 0) {
            return found;
        }
    }
    if (choice < 144) {
        block = fuzz_live(f, type == STORSIM_T_PMDL ? KIND_MDL : (kind_t)(choice % 3));
        return block != NULL ? block->va : 0;
    }
    switch (choice % 6) {
    case 0:
        return recent(f, (storsim_type_t)(choice / 6 % STORSIM_T_KINDS), 0, 0x1000);
    case 1:
        block = fuzz_live(f, (kind_t)(choice / 6 % KIND_COUNT));
        return block != NULL ? block->va + fuzz_arg(f) : 0;
    case 2:
        block = fuzz_dead(f, (kind_t)(choice / 6 % 4));
        return block != NULL ? block->va : 0;
    case 3:
        return f->extensions[choice / 6 % ORACLE_ADAPTERS];
    case 4:
        return UINT64_C(0xFFFFF80000001000) + choice;
    default:
        return 0;
    }
}

static uint64_t extension(fuzz_t *f) {
    uint32_t choice = fuzz_arg(f);
    return choice < 176 ? f->extensions[choice % ORACLE_ADAPTERS] : choice < 180 ? 0 : f->extensions[0] + choice % 2 * 8;
}

static uint64_t physical(fuzz_t *f) {
    uint32_t choice = fuzz_arg(f);
    if (choice < 64) {
        const block_t *block = fuzz_live(f, (kind_t)(choice % 3));
        return block != NULL ? block->pa : recent(f, STORSIM_T_PHYSICAL, choice, 0);
    }
    return choice < 128 ? fuzz_arg(f) % 2 != 0 ? UINT64_MAX : 0 : fuzz_wide(f) % ORACLE_PAGES * UINT64_C(4096) + choice % 3;
}

static storsim_stream_format_t format(uint32_t choice) {
    static const uint32_t rates[] = {48000, 44100, 96000, 192000, 8000, 11025, 47999, 0};
    static const uint16_t bits[] = {16, 24, 32, 20, 8, 17};
    uint16_t valid = bits[choice / 8 % 6], container = valid == 8 ? 8 : valid <= 16 ? 16 : 32;
    return (storsim_stream_format_t){rates[choice % 8], valid, container, (uint16_t)(choice / 48 % 4 == 0 ? 2 : choice / 48 % 4 * 3)};
}

/* --- structured arguments ------------------------------------------------------------------------------------------- */

/* An array of `count` elements in the storage of this argument; the second structure of a call gets its own. */
static storsim_arg_t array(fuzz_t *f, storsim_type_t type, unsigned *used) {
    void *data = f->storage[f->depth][*used < 1 ? (*used)++ : 1].bytes;
    uint32_t choice = fuzz_arg(f), count = choice < 160 ? 1 + choice % 4 : choice % FUZZ_ITEMS;
    storsim_arg_t arg = {.data = data, .count = count, .present = true};
    memset(data, 0, sizeof f->storage[0][0]);
    switch (type) {
    case STORSIM_T_HANDLES:
        for (uint32_t i = 0; i < count; i++) {
            ((uint64_t *)data)[i] = recent(f, STORSIM_T_HANDLE, i, 1);
        }
        break;
    case STORSIM_T_STREAM_FORMAT:
        *(storsim_stream_format_t *)data = format(choice);
        arg.count = 1;
        break;
    case STORSIM_T_DEVICE_INFO:
        ((storsim_device_information_t *)data)->Size = (uint16_t)(choice < 96 ? 10 + choice % 3 * 4 : choice);
        arg.count = 1;
        break;
    case STORSIM_T_TRANSFERS: {
        static const uint32_t verbs[] = {0x000F0000, 0x000F0002, 0x000F0004, 0x001F0009, 0x01070640, 0x0103B000, 0x010F0000, 0xFFFFFFFF};
        for (uint32_t i = 0; i < count; i++) {
            ((storsim_codec_transfer_t *)data)[i].Output = verbs[(choice + i) % COUNT(verbs)] + choice / 32 * 0x00100000;
        }
        break;
    }
    case STORSIM_T_RANGES: {
        const hmb_t *hmb = &f->oracle.hmb[choice % ORACLE_ADAPTERS];
        for (uint32_t i = 0; i < count && i < hmb->range_count; i++) {
            ((storsim_access_range_t *)data)[i] = (storsim_access_range_t){hmb->ranges[i].start, hmb->ranges[i].length, 1};
        }
        break;
    }
    case STORSIM_T_BYTES:
    case STORSIM_T_TEXT:
        arg.count = choice % FUZZ_BYTES;
        memset(data, type == STORSIM_T_TEXT ? 'a' : (int)choice, FUZZ_BYTES);
        break;
    default: break;
    }
    return arg;
}

static storsim_arg_t argument(fuzz_t *f, const storsim_param_t *param, unsigned *arrays, uint32_t *length) {
    storsim_arg_t arg = {.present = true};
    switch (param->type) {
    case STORSIM_T_RANGES: case STORSIM_T_HANDLES: case STORSIM_T_GROUP_AFFINITY: case STORSIM_T_STREAM_FORMAT:
    case STORSIM_T_TRANSFERS: case STORSIM_T_DEVICE_INFO: case STORSIM_T_BYTES: case STORSIM_T_TEXT: case STORSIM_T_ULONGS:
    case STORSIM_T_ULONGLONGS: case STORSIM_T_STRUCT:
        arg = array(f, param->type, arrays);
        *length = arg.count;
        return arg;
    default: break;
    }
    if ((param->flags & STORSIM_P_LENGTH) != 0) {
        arg.value = *length; /* arrays stand before their counts, or the count is guessed */
        return arg;
    }
    if ((param->flags & STORSIM_P_INOUT) == STORSIM_P_OUT) {
        return arg;
    }
    switch (param->type) {
    case STORSIM_T_DEVEXT: arg.value = extension(f); break;
    case STORSIM_T_UCHAR: case STORSIM_T_IRQL: arg.value = number(f, 0xFF); break;
    case STORSIM_T_BOOLEAN: arg.value = fuzz_arg(f) % 2; break;
    case STORSIM_T_USHORT: arg.value = number(f, 0xFFFF); break;
    case STORSIM_T_ULONG: case STORSIM_T_TAG: arg.value = number(f, 0xFFFFFFFF); break;
    case STORSIM_T_ENUM: arg.value = fuzz_arg(f) % 4; break;
    case STORSIM_T_SIZE_T: case STORSIM_T_ULONGLONG: case STORSIM_T_ULONG_PTR: arg.value = number(f, UINT64_MAX); break;
    case STORSIM_T_PHYSICAL: arg.value = physical(f); break;
    case STORSIM_T_ROUTINE: case STORSIM_T_CONTEXT: arg.value = 7 * (fuzz_arg(f) % 2) + 7; break;
    case STORSIM_T_TICKS: arg.value = fuzz_wide(f) * UINT64_C(10); break;
    case STORSIM_T_ADAPTER: arg.value = f->adapters[fuzz_arg(f) % ORACLE_ADAPTERS]; break;
    default: arg.value = address(f, param->type); break;
    }
    return arg;
}

/* Counts that stand before their arrays, and lengths that are arguments of their own, take the array's. */
static void fix_lengths(const storsim_param_t *params, uint8_t count, storsim_arg_t *args, uint32_t length) {
    for (uint8_t i = 0; i < count; i++) {
        if ((params[i].flags & STORSIM_P_LENGTH) != 0 || (params[i].type == STORSIM_T_ULONG && strcmp(params[i].name, "Count") == 0)) {
            args[i].value = length;
        }
    }
}

static void keep_outputs(fuzz_t *f, const storsim_param_t *params, uint8_t count, const storsim_arg_t *args) {
    for (uint8_t i = 0; i < count; i++) {
        if (args[i].written && args[i].data == NULL && (params[i].flags & STORSIM_P_OUT) != 0) {
            fuzz_remember(f, params[i].type, args[i].value);
        }
    }
}

/* --- engines -------------------------------------------------------------------------------------------------------- */

/* The event of the transition table that a call is to the engine of its first argument; COUNT: none of its own. */
static storsim_engine_event_t event_of(uint16_t id, const storsim_arg_t *args) {
    switch (id) {
    case STORSIM_ID_ChangeBandwidthAllocation: return STORSIM_EVENT_CHANGE_BANDWIDTH;
    case STORSIM_ID_AllocateDmaBuffer: return STORSIM_EVENT_ALLOCATE_BUFFER;
    case STORSIM_ID_FreeDmaBuffer: return STORSIM_EVENT_FREE_BUFFER;
    case STORSIM_ID_AllocateDmaBufferWithNotification: return STORSIM_EVENT_ALLOCATE_NOTIFY;
    case STORSIM_ID_AllocateContiguousDmaBuffer: return STORSIM_EVENT_ALLOCATE_CONTIGUOUS;
    case STORSIM_ID_SetupDmaEngineWithBdl: return STORSIM_EVENT_SETUP_BDL;
    case STORSIM_ID_FreeContiguousDmaBuffer: return STORSIM_EVENT_FREE_CONTIGUOUS;
    case STORSIM_ID_FreeDmaEngine: return STORSIM_EVENT_FREE_ENGINE;
    case STORSIM_ID_SetDmaEngineState:
        if (args[2].value != 1 || args[1].data == NULL) {
            return STORSIM_EVENT_COUNT;
        }
        return args[0].value == 0 ? STORSIM_EVENT_SET_RESET : args[0].value == 1 ? STORSIM_EVENT_SET_PAUSE
             : args[0].value == 2 ? STORSIM_EVENT_SET_RUN : STORSIM_EVENT_COUNT;
    default: return STORSIM_EVENT_COUNT;
    }
}

typedef struct watched {
    storsim_engine_event_t event;
    storsim_engine_info_t before;
    size_t findings; /* before the call */
} watched_t;

static watched_t watch_engine(fuzz_t *f, const storsim_routine_t *row, const storsim_arg_t *args) {
    watched_t watched = {.event = f->controller != 0 ? event_of(row->id, args) : STORSIM_EVENT_COUNT};
    uint64_t handle = 0;
    if (watched.event != STORSIM_EVENT_COUNT) {
        if (row->id == STORSIM_ID_SetDmaEngineState) {
            memcpy(&handle, args[1].data, sizeof handle);
        } else {
            handle = args[0].value;
        }
        if (!storsim_hdaudio_engine(f->machine, handle, &watched.before)) {
            watched.event = STORSIM_EVENT_COUNT;
        }
    }
    watched.findings = storsim_finding_count(f->machine);
    return watched;
}

/* The chip met a descriptor it cannot use while the call ran: of an engine that starts it reads the first at once. */
static bool descriptor_error(const fuzz_t *f, const watched_t *watched) {
    bool found = false;
    for (size_t i = watched->findings; i < storsim_finding_count(f->machine); i++) {
        found = found || strcmp(storsim_finding_get(f->machine, i)->name, "DESCRIPTOR_ERROR") == 0;
    }
    return found;
}

/* A call that succeeded took the engine where the table says, or the table forbids it. */
static void compare_engine(fuzz_t *f, const watched_t *watched, uint64_t result) {
    if (watched->event == STORSIM_EVENT_COUNT || result != 0 || f->depth != 0) {
        return;
    }
    const storsim_hdaudio_config_t *config = storsim_hdaudio_get_config(f->machine, watched->before.controller);
    storsim_engine_step_t step =
        storsim_engine_transition(watched->event, watched->before.state, config != NULL ? &config->policy : NULL);
    storsim_engine_info_t after = {0};
    (void)storsim_hdaudio_engine(f->machine, watched->before.handle, &after);
    if (step.status != 0) {
        fuzz_fail(f, "event %s succeeded in state %s", storsim_engine_event_name(watched->event),
                  storsim_engine_state_name(watched->before.state));
        return;
    }
    if (descriptor_error(f, watched)) {
        step = storsim_engine_transition(STORSIM_EVENT_DESCRIPTOR_ERROR, step.next, NULL);
    }
    if (after.state != step.next && !f->loose) {
        fuzz_fail(f, "event %s led from %s to %s, not %s", storsim_engine_event_name(watched->event),
                  storsim_engine_state_name(watched->before.state), storsim_engine_state_name(after.state),
                  storsim_engine_state_name(step.next));
    }
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

static bool known_status(const storsim_routine_t *row, uint64_t result) {
    for (uint8_t i = 0; i < row->status_count; i++) {
        if (row->statuses[i].value == result) {
            return true;
        }
    }
    return row->returns != STORSIM_R_STATUS;
}

/* A client of the bus driver: the newest, or a new one when there is none yet. */
static uint64_t client(fuzz_t *f) {
    if (f->recent_count[STORSIM_T_CLIENT] == 0 && f->controller != 0) {
        size_t count;
        const storsim_hdaudio_table_t *tables = storsim_hdaudio_tables(&count);
        storsim_hdaudio_interface_t interface = {0};
        uint32_t status = 0;
        const storsim_hdaudio_table_t *table = &tables[fuzz_arg(f) % count];
        fuzz_after(f, storsim_hdaudio_query(f->machine, f->controller, table->guid, table->size_x64, table->version, 0, &interface, &status));
        fuzz_remember(f, STORSIM_T_CLIENT, interface.context);
    }
    return recent(f, STORSIM_T_CLIENT, 0, 1);
}

/* The routines the oracle predicts are decoded where it is asked. */
static bool predicted(fuzz_t *f, uint16_t id) {
    switch (id) {
    case STORSIM_ID_StorPortAllocatePool: fuzz_pool_allocate(f); return true;
    case STORSIM_ID_StorPortFreePool: fuzz_pool_free(f); return true;
    case STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode: fuzz_contig_allocate(f, KIND_CONTIGUOUS); return true;
    case STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache: fuzz_contig_free(f, KIND_CONTIGUOUS); return true;
    case STORSIM_ID_StorPortAllocateDmaMemory: fuzz_contig_allocate(f, KIND_DMA); return true;
    case STORSIM_ID_StorPortFreeDmaMemory: fuzz_contig_free(f, KIND_DMA); return true;
    case STORSIM_ID_StorPortAllocateHostMemoryBuffer: fuzz_hmb_allocate(f); return true;
    case STORSIM_ID_StorPortFreeHostMemoryBuffer: fuzz_hmb_free(f); return true;
    case STORSIM_ID_StorPortAllocateMdl: fuzz_mdl_allocate(f); return true;
    case STORSIM_ID_StorPortBuildMdlForNonPagedPool: fuzz_mdl_build(f); return true;
    case STORSIM_ID_StorPortFreeMdl: fuzz_mdl_free(f); return true;
    default: return false;
    }
}

void fuzz_routine(fuzz_t *f, uint16_t id) {
    const storsim_routine_t *row = storsim_ddi_routine(id);
    if (predicted(f, id) || (row->family == STORSIM_F_HDAUDIO && f->controller == 0)) {
        return;
    }
    storsim_arg_t args[STORSIM_MAX_ARGS];
    memset(args, 0, sizeof args);
    uint64_t result = 0, context = row->family == STORSIM_F_HDAUDIO ? client(f) : 0;
    if (f->dead) {
        return;
    }
    unsigned arrays = 0;
    uint32_t length = 0;
    for (uint8_t i = 0; i < row->param_count; i++) {
        args[i] = argument(f, &row->params[i], &arrays, &length);
    }
    fix_lengths(row->params, row->param_count, args, length);
    uint32_t null = fuzz_arg(f);
    if (null >= 176 && row->param_count != 0) { /* a pointer that is not there */
        args[null % row->param_count].present = false;
        args[null % row->param_count].data = NULL;
    }
    f->routine = row;
    f->args = args;
    f->foreign = true;
    f->loose = f->loose || id == STORSIM_ID_StorPortMoveMemory || id == STORSIM_ID_StorPortSecureCopyMemory; /* damage, found later */
    watched_t watched = watch_engine(f, row, args);
    storsim_status_t status = row->family == STORSIM_F_STORPORT ? storsim_storport_call(f->machine, row, args, &result)
                                                                : storsim_hdaudio_call(f->machine, context, row, args, &result);
    f->report->calls++;
    fuzz_after(f, status);
    if (status != STORSIM_OK && status != STORSIM_VIOLATION) {
        return;
    }
    if (!known_status(row, result)) {
        fuzz_fail(f, "answered 0x%" PRIx64 ", which is no status of %s", result, row->name);
    }
    compare_engine(f, &watched, result);
    keep_outputs(f, row->params, row->param_count, args);
    if (row->returns == STORSIM_R_POINTER || row->returns == STORSIM_R_PHYSICAL) {
        fuzz_remember(f, row->return_type, result);
    }
    if (id == STORSIM_ID_AllocateDmaBuffer || id == STORSIM_ID_AllocateDmaBufferWithNotification) {
        fuzz_remember(f, STORSIM_T_ULONGLONG, args[3].value);
    }
}

/* Requests, so that the routines about them have some. */
static void request(fuzz_t *f, uint32_t choice) {
    storsim_srb_config_t config = {.length = 1 + fuzz_wide(f) % 32768, .write = fuzz_arg(f) % 2 != 0};
    config.fragments = fuzz_arg(f) % 5;
    uint64_t srb = 0;
    storsim_status_t status = choice < 64 ? storsim_srb_create(f->machine, f->adapters[choice % ORACLE_ADAPTERS], &config, &srb)
                                          : storsim_srb_complete(f->machine, recent(f, STORSIM_T_PSRB, choice, 0));
    fuzz_after(f, status);
    storsim_srb_info_t info;
    if (srb != 0 && storsim_srb_get(f->machine, srb, &info)) {
        fuzz_remember(f, STORSIM_T_PSRB, srb);
        fuzz_remember(f, STORSIM_T_PMDL, info.mdl);
        fuzz_remember(f, STORSIM_T_PVOID, info.data);
    }
}

/* A structure, member by member, mostly 0. */
static void fill_structure(fuzz_t *f, const storsim_layout_t *layout, uint8_t *to) {
    for (uint32_t i = 0; i < layout->member_count; i++) {
        uint64_t value = fuzz_arg(f) % (layout->members[i].boolean ? 2 : 8);
        ss_member_set(&layout->members[i], to, value);
    }
}

void fuzz_operation(fuzz_t *f) {
    uint32_t choice = fuzz_arg(f);
    f->foreign = true;
    if (choice < 96) {
        request(f, choice);
        return;
    }
    storsim_operation_t operation;
    if (!storsim_operation_at(fuzz_arg(f) % storsim_operation_count(), &operation)) {
        return;
    }
    if (operation.routine != NULL) {
        fuzz_routine(f, operation.routine->id);
        return;
    }
    if (operation.perform == NULL || (operation.layout != NULL && operation.layout->size > sizeof f->storage[0][0])) {
        return;
    }
    storsim_arg_t args[STORSIM_MAX_ARGS];
    memset(args, 0, sizeof args);
    unsigned arrays = 0;
    uint32_t length = 0;
    for (uint8_t i = 0; i < operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&operation, i);
        args[i] = argument(f, param, &arrays, &length);
        if (param->type == STORSIM_T_STRUCT && operation.layout != NULL) {
            args[i].count = 1;
            fill_structure(f, operation.layout, args[i].data);
        }
    }
    uint64_t result;
    f->loose = true;
    fuzz_after(f, storsim_operation_perform(f->machine, &operation, args, &result));
    f->oracle.irql = storsim_irql(f->machine);
    for (uint8_t i = 0; i < operation.arg_count && !f->dead; i++) {
        const storsim_param_t *param = storsim_operation_param(&operation, i);
        if (args[i].written && args[i].data == NULL && (param->flags & STORSIM_P_OUT) != 0) {
            fuzz_remember(f, param->type, args[i].value);
        }
    }
}
