/* hdaudio/state.c: SetDmaEngineState: one or many engines through one edge, in the same link frame or not at all.
 *
 * Order: arguments, then every handle in array order, then the edge of every engine, then hardware. The set is a mask
 * of descriptors, so that a handle named twice is one engine. Source: spec hdaudio-dma §4.3, §4.4. */
#include "hdaudio/bus.h"

static bool in_stream_state(const ss_engine_t *engine, storsim_engine_state_t first, storsim_engine_state_t last) {
    return engine->state >= first && engine->state <= last;
}

static bool running(const ss_engine_t *engine) {
    return in_stream_state(engine, STORSIM_ENGINE_XD, STORSIM_ENGINE_XB);
}
static bool in_reset(const ss_engine_t *engine) {
    return in_stream_state(engine, STORSIM_ENGINE_R0, STORSIM_ENGINE_RB);
}
static bool own_list(const ss_engine_t *engine) {
    return engine->state == STORSIM_ENGINE_RB || engine->state == STORSIM_ENGINE_SB; /* nobody asks while it runs */
}

/* One call's view of the engines it moves: handles tell after a wait who is still there. */
typedef struct set {
    ss_frame_t *frame;
    uint32_t mask;
    uint64_t handles[SS_MAX_DESCRIPTORS];
} set_t;

static ss_engine_t *member(const set_t *set, uint32_t n) {
    ss_engine_t *engine = &set->frame->bus->engines[n];
    return (set->mask >> n & 1) && engine->handle == set->handles[n] ? engine : NULL;
}

static void hold(set_t *set) {
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (set->mask >> n & 1) {
            set->handles[n] = set->frame->bus->engines[n].handle;
            set->frame->bus->engines[n].busy = true;
        }
    }
}

static void let_go(const set_t *set, bool done) {
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = member(set, n);
        if (engine) {
            engine->busy = false;
            if (!done) {
                engine->suspect = true;
                ss_note(&set->frame->call, SS_HARDWARE_TIMEOUT, &(ss_detail_t){.address = engine->handle});
            }
        }
    }
}

/* The client's own list is compared with what it was when the engine left Reset. */
static void look_at_list(ss_frame_t *frame, ss_engine_t *engine) {
    if (own_list(engine) && ss_engine_bdl_changed(frame->call.machine, engine)) {
        ss_violate(&frame->call, SS_BDL_CHANGED,
                   &(ss_detail_t){.address = engine->handle, .allocated_at = engine->buffer_site});
    }
}

static storsim_engine_state_t next_of(const ss_frame_t *frame, const ss_engine_t *engine,
                                      storsim_engine_event_t event) {
    return storsim_engine_transition(event, (storsim_engine_state_t)engine->state, &frame->bus->config.policy).next;
}

static void start(ss_frame_t *frame, uint32_t mask) {
    set_t set = {.frame = frame, .mask = mask};
    ss_chip_t chip = ss_chip_open(frame->call.machine, frame->bus->controller);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = &frame->bus->engines[n];
        if (mask >> n & 1) {
            if (in_reset(engine)) { /* policy direct_transition */
                engine->bdl_hash = own_list(engine) ? ss_engine_bdl_hash(frame->call.machine, engine) : 0;
            } else {
                look_at_list(frame, engine);
            }
            /* Before RUN: a descriptor error found at once brings the engine back in its interrupt. */
            engine->state = (uint8_t)next_of(frame, engine, STORSIM_EVENT_SET_RUN);
        }
    }
    hold(&set);
    bool done = ss_streams_start(&chip, mask);
    let_go(&set, done || chip.dead);
    ss_frame_chip(frame, &chip);
}

static void pause_engines(ss_frame_t *frame, uint32_t mask) {
    storsim_machine_t *machine = frame->call.machine;
    set_t set = {.frame = frame};
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = &frame->bus->engines[n];
        if (!(mask >> n & 1)) {
            continue;
        }
        engine->pause_site = ss_machine_where(machine)->site;
        if (running(engine)) {
            set.mask |= UINT32_C(1) << n;
        } else { /* in reset: one that pauses does not move */
            engine->bdl_hash = own_list(engine) ? ss_engine_bdl_hash(machine, engine) : 0;
            engine->state = (uint8_t)next_of(frame, engine, STORSIM_EVENT_SET_PAUSE);
        }
    }
    if (!set.mask) {
        return;
    }
    ss_chip_t chip = ss_chip_open(machine, frame->bus->controller);
    hold(&set);
    bool done = ss_streams_stop(&chip, set.mask);
    let_go(&set, done || chip.dead);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        ss_engine_t *engine = member(&set, n);
        if (engine) {
            engine->state = (uint8_t)next_of(frame, engine, STORSIM_EVENT_SET_PAUSE);
            look_at_list(frame, engine);
        }
    }
    ss_frame_chip(frame, &chip);
}

/* Through the descriptor's reset, which forgets everything, and back to what Allocate or Setup had programmed. */
static void reset_one(ss_frame_t *frame, uint32_t n) {
    storsim_machine_t *machine = frame->call.machine;
    ss_engine_t *engine = &frame->bus->engines[n];
    set_t set = {.frame = frame, .mask = UINT32_C(1) << n};
    ss_chip_t chip = ss_chip_open(machine, frame->bus->controller);
    const ss_block_t *bdl = ss_block(machine, engine->bdl);
    uint64_t address = bdl ? ss_block_device_address(machine, bdl) : 0;
    bool programmed = engine->state != STORSIM_ENGINE_R0 && engine->state != STORSIM_ENGINE_RC;
    look_at_list(frame, engine);
    hold(&set);
    ss_engine_t draft = *engine;
    bool done = ss_stream_reset(&chip, n);
    if (done && programmed) {
        ss_stream_program(&chip, frame->bus, n, &draft, address, &draft.fifo_bytes);
    }
    if (member(&set, n)) {
        engine->suspect = false;
        engine->fifo_bytes = draft.fifo_bytes;
        engine->state = (uint8_t)next_of(frame, engine, STORSIM_EVENT_SET_RESET);
    }
    let_go(&set, done || chip.dead);
    ss_frame_chip(frame, &chip);
}

static void apply(ss_frame_t *frame, storsim_engine_event_t event, uint32_t mask) {
    uint32_t moving = 0;
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        const ss_engine_t *engine = &frame->bus->engines[n];
        if ((mask >> n & 1) && !engine->busy &&
            (next_of(frame, engine, event) != (storsim_engine_state_t)engine->state ||
             (event == STORSIM_EVENT_SET_RESET && engine->suspect && in_reset(engine)))) {
            moving |= UINT32_C(1) << n;
        }
    }
    if (event == STORSIM_EVENT_SET_RUN && moving) {
        start(frame, moving);
    } else if (event == STORSIM_EVENT_SET_PAUSE && moving) {
        pause_engines(frame, moving);
    }
    for (uint32_t n = 0; event == STORSIM_EVENT_SET_RESET && n < SS_MAX_DESCRIPTORS; n++) {
        if ((moving >> n & 1) && frame->bus->engines[n].handle) {
            reset_one(frame, n);
        }
    }
}

/* Policy multi_atomic = false: each engine on its own, up to the first refusal. */
static uint32_t one_by_one(ss_frame_t *frame, storsim_engine_event_t event, const uint64_t *handles, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = 0;
        const ss_engine_t *engine = ss_bus_engine(frame->bus, frame->context, handles[i], &n);
        if (!engine) {
            return SS_NT(INVALID_HANDLE);
        }
        uint32_t status = ss_engine_step(frame->bus, engine, event).status;
        if (status != SS_NT(SUCCESS)) {
            return status;
        }
        apply(frame, event, UINT32_C(1) << n);
        if (frame->call.status != STORSIM_OK) {
            return status;
        }
    }
    return SS_NT(SUCCESS);
}

/* (StreamState, Handles, NumberOfHandles) */
SS_HANDLER(SetDmaEngineState) {
    static const storsim_engine_event_t events[] = {STORSIM_EVENT_SET_RESET, STORSIM_EVENT_SET_PAUSE,
                                                    STORSIM_EVENT_SET_RUN};
    const storsim_hdaudio_policy_t *policy = &frame->bus->config.policy;
    const uint64_t *handles = frame->call.args[1].data;
    uint64_t state = ss_frame_in(frame, 0), count = ss_frame_in(frame, 2);
    uint32_t mask = 0;
    if (count == 0 || !handles || state > 2) {
        return SS_NT(INVALID_PARAMETER);
    }
    storsim_engine_event_t event = events[state];
    if (policy->multi_atomic == STORSIM_ATOMIC_FALSE) {
        return one_by_one(frame, event, handles, count);
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = 0;
        if (!ss_bus_engine(frame->bus, frame->context, handles[i], &n)) {
            return SS_NT(INVALID_HANDLE);
        }
        if ((mask >> n & 1) && policy->dup_handles == STORSIM_DUP_REJECT) {
            return SS_NT(INVALID_PARAMETER);
        }
        mask |= UINT32_C(1) << n;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = 0;
        const ss_engine_t *engine = ss_bus_engine(frame->bus, frame->context, handles[i], &n);
        uint32_t status = ss_engine_step(frame->bus, engine, event).status;
        if (status != SS_NT(SUCCESS)) {
            return status;
        }
    }
    apply(frame, event, mask);
    return SS_NT(SUCCESS);
}
