/* hdaudio/call.c: the way into every routine: level, context and device presence in that order, then the routine's own
 * file; outputs are staged and written only when the whole call ends well.
 *
 * Source: spec hdaudio-dma §5.0 (order of checks), §11.17 (level), ruling R44 (dead context). */
#include <string.h>

#include "hdaudio/bus.h"
#include "hdaudio/operations.h"
#include "storsim/hda.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const ss_handler_fn handlers[] = {
#define HANDLER_ROW(name) [STORSIM_ID_##name - STORSIM_HDAUDIO_FIRST_ID] = ss_do_##name,
    STORSIM_HDAUDIO_ROUTINE_MAP(HANDLER_ROW)
#undef HANDLER_ROW
};

/* --- what the routines ask of a frame ----------------------------------------------------------------------------- */

void ss_frame_out(ss_frame_t *frame, uint32_t parameter, uint64_t value) {
    frame->out[parameter] = value;
    frame->out_set |= (uint16_t)(1u << parameter);
}

bool ss_frame_null(const ss_frame_t *frame, uint32_t parameter) {
    const storsim_arg_t *arg = &frame->call.args[parameter];
    const storsim_param_t *param = &frame->call.routine->params[parameter];
    if (param->type == STORSIM_T_DEVICE_INFO) {
        return arg->data == NULL;
    }
    return (param->flags & STORSIM_P_OUT) ? !arg->present : arg->value == 0;
}

uint64_t ss_frame_in(const ss_frame_t *frame, uint32_t parameter) {
    return frame->call.args[parameter].value;
}

ss_client_t *ss_bus_client(const ss_busdriver_t *bus, uint64_t context) {
    for (uint32_t i = 0; i < bus->client_count; i++) {
        if (bus->clients[i].context == context) {
            return &bus->clients[i];
        }
    }
    return NULL;
}

ss_engine_t *ss_bus_engine(ss_busdriver_t *bus, uint64_t context, uint64_t handle, uint32_t *descriptor) {
    for (uint32_t i = 0; handle && i < SS_MAX_DESCRIPTORS; i++) {
        if (bus->engines[i].handle == handle && bus->engines[i].context == context) {
            if (descriptor) {
                *descriptor = i;
            }
            return &bus->engines[i];
        }
    }
    return NULL;
}

ss_engine_t *ss_frame_engine(const ss_frame_t *frame) {
    return ss_bus_engine(frame->bus, frame->context, ss_frame_in(frame, 0), NULL);
}

bool ss_frame_fault(ss_frame_t *frame, uint64_t bytes) {
    if (frame->asked) {
        return frame->refused;
    }
    storsim_machine_t *machine = frame->call.machine;
    uint64_t before = ss_callbacks(machine);
    storsim_status_t status = STORSIM_OK;
    bool fail = ss_fault(machine, frame->call.routine->id, 0, bytes, &status);
    if (status != STORSIM_OK) {
        frame->call.status = status;
    }
    frame->asked = true;
    frame->refused = fail || status != STORSIM_OK;
    frame->again = !frame->refused && ss_callbacks(machine) != before;
    return frame->refused || frame->again;
}

bool ss_frame_chip(ss_frame_t *frame, const ss_chip_t *chip) {
    if (chip->status != STORSIM_OK && frame->call.status == STORSIM_OK) {
        frame->call.status = chip->status;
    }
    return chip->status == STORSIM_OK;
}

storsim_engine_step_t ss_engine_step(const ss_busdriver_t *bus, const ss_engine_t *engine,
                                     storsim_engine_event_t event) {
    storsim_engine_state_t state = (storsim_engine_state_t)engine->state;
    storsim_engine_step_t step = storsim_engine_transition(event, state, &bus->config.policy);
    if (engine->busy && step.next != state) {
        /* Another call is in the middle of this engine, which only its callbacks can see: not now. Model choice. */
        return (storsim_engine_step_t){SS_NT(INVALID_DEVICE_REQUEST), state};
    }
    return step;
}

/* --- the call ----------------------------------------------------------------------------------------------------- */

/* A synchronous transfer waits, so it has a level of its own (§5.9). */
static bool level_ok(const ss_frame_t *frame) {
    if (frame->call.routine->id == STORSIM_ID_TransferCodecVerbs && ss_frame_in(frame, 2) == 0) {
        return storsim_irql(frame->call.machine) == 0;
    }
    return ss_call_irql_ok(&frame->call);
}

/* Device presence: a controller that is gone reads as ones (§4.2, device removed). */
static bool present(ss_frame_t *frame) {
    if (!storsim_hda_live(frame->call.machine, frame->bus->controller)) {
        frame->bus->removed = true; /* taken out of the machine under the driver */
    }
    if (!frame->bus->removed) { /* whoever has a client is started */
        ss_chip_t chip = ss_chip_open(frame->call.machine, frame->bus->controller);
        frame->bus->removed = ss_chip_read(&chip, SS_GCAP, 2) == 0xFFFF;
        ss_frame_chip(frame, &chip);
    }
    return !frame->bus->removed; /* a load fails only where it finds the controller gone */
}

static bool needs_device(uint16_t id) {
    return id != STORSIM_ID_InterfaceReference && id != STORSIM_ID_InterfaceDereference;
}

static uint32_t run(ss_frame_t *frame) {
    const storsim_routine_t *row = frame->call.routine;
    bool answers = row->returns == STORSIM_R_STATUS;
    if (!level_ok(frame)) {
        ss_violate(&frame->call, SS_BAD_IRQL,
                   &(ss_detail_t){.expected = row->irql_max, .got = storsim_irql(frame->call.machine)});
        return answers ? SS_NT(UNSUCCESSFUL) : 0;
    }
    if (!frame->bus) {
        ss_violate(&frame->call, SS_DEAD_CONTEXT, &(ss_detail_t){.address = frame->context});
        return answers ? SS_NT(NO_SUCH_DEVICE) : 0;
    }
    if (needs_device(row->id) && !present(frame)) {
        return answers ? SS_NT(NO_SUCH_DEVICE) : 0;
    }
    return handlers[row->id - STORSIM_HDAUDIO_FIRST_ID](frame);
}

/* Writes what the routine staged. */
static void commit(ss_frame_t *frame) {
    const storsim_routine_t *row = frame->call.routine;
    for (uint32_t i = 0; i < row->param_count; i++) {
        storsim_arg_t *arg = &frame->call.args[i];
        if (frame->out_set >> i & 1) {
            arg->value = frame->out[i];
            arg->written = true;
        }
    }
    if (frame->queued) {
        storsim_codec_transfer_t *transfers = frame->call.args[1].data;
        for (uint32_t i = 0; i < frame->item_count; i++) {
            transfers[i].Input = 0;
        }
    }
    if (frame->items) {
        memcpy(frame->call.args[1].data, frame->items, frame->item_count * sizeof *frame->items);
        frame->call.args[1].written = true;
    }
    if (frame->information_set) {
        memcpy(frame->call.args[0].data, &frame->information, sizeof frame->information);
        frame->call.args[0].written = true;
    }
}

/* What the host program must have got right: the family, and arrays as long as their counts say. */
static bool well_formed(const storsim_routine_t *routine, const storsim_arg_t *args) {
    if (!routine || routine->family != STORSIM_F_HDAUDIO || routine->id < STORSIM_HDAUDIO_FIRST_ID ||
        routine->id - STORSIM_HDAUDIO_FIRST_ID >= (int)COUNT(handlers) || (routine->param_count && !args)) {
        return false;
    }
    if (routine->id == STORSIM_ID_TransferCodecVerbs) {
        return !args[1].data || args[0].value <= args[1].count;
    }
    if (routine->id == STORSIM_ID_SetDmaEngineState) {
        return !args[1].data || args[2].value <= args[1].count;
    }
    return true;
}

/* State of the engine that the first handle names, for who looks on. */
static uint8_t state_of(const ss_frame_t *frame) {
    const storsim_routine_t *row = frame->call.routine;
    const storsim_arg_t *args = frame->call.args;
    uint64_t handle = 0;
    if (row->param_count != 0 && row->params[0].type == STORSIM_T_HANDLE) {
        handle = args[0].value;
    } else if (row->id == STORSIM_ID_SetDmaEngineState && args[1].data != NULL && args[2].value != 0) {
        memcpy(&handle, args[1].data, sizeof handle);
    }
    const ss_engine_t *engine = ss_bus_engine(frame->bus, frame->context, handle, NULL);
    return engine != NULL ? engine->state : 0;
}

/* The client's Context goes along as the last argument. */
static storsim_status_t recorded_call(storsim_machine_t *machine, uint64_t context, const storsim_routine_t *routine, storsim_arg_t *args,
                                      uint64_t *result) {
    const storsim_operation_t operation = ss_hdaudio_operation(routine);
    storsim_arg_t all[STORSIM_MAX_ARGS];
    size_t bytes = routine->param_count * sizeof *args;
    if (bytes != 0) {
        memcpy(all, args, bytes);
    }
    all[routine->param_count] = ss_arg_in(context);
    storsim_status_t status = ss_tap_run(machine, &operation, all, result);
    if (bytes != 0) {
        memcpy(args, all, bytes);
    }
    return status;
}

storsim_status_t storsim_hdaudio_call(storsim_machine_t *machine, uint64_t context, const storsim_routine_t *routine,
                                      storsim_arg_t *args, uint64_t *result) {
    *result = 0;
    if (!ss_hdaudio_room(machine) || !well_formed(routine, args)) {
        return STORSIM_INVALID;
    }
    if (ss_tapped(machine)) {
        return recorded_call(machine, context, routine, args, result);
    }
    ss_frame_t frame = {.room = ss_hdaudio_room(machine), .context = context};
    storsim_status_t status = ss_call_begin(&frame.call, machine, routine, args);
    if (status != STORSIM_OK) {
        return status;
    }
    frame.call.situation = 0;
    frame.bus = ss_bus_of_context(machine, context);
    if (frame.bus) {
        frame.call.owner = STORSIM_HDAUDIO_OWNER(frame.bus->controller);
        ss_machine_where(machine)->owner = frame.call.owner;
        frame.call.situation = state_of(&frame);
    }
    frame.call.result = run(&frame);
    if (frame.again) { /* a predicate was asked and may have called in: nothing that was found before it holds any more */
        frame.bus = ss_bus_of_context(machine, context);
        frame.out_set = 0;
        frame.call.result = run(&frame);
    }
    status = ss_deliver(machine);
    if (frame.call.status == STORSIM_OK) {
        frame.call.status = status;
    }
    uint64_t answer = frame.call.result;
    frame.call.staged = frame.out;
    frame.call.staged_set = frame.out_set;
    status = ss_call_end(&frame.call);
    if (status == STORSIM_OK || status == STORSIM_VIOLATION) {
        commit(&frame);
        *result = answer;
    }
    ss_release(frame.room->host, frame.items);
    return status;
}
