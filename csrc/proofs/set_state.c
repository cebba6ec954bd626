/* proofs/set_state.c: SetDmaEngineState moves all engines it names through one edge, or none.
 *
 * For up to three handles out of three engines, in every state each, a stale handle among them, every StreamState, and
 * both settings of dup_handles: the status is that of the first handle that is no engine, else of a forbidden repetition,
 * else of the first engine that refuses the edge, else SUCCESS; a refused call has changed no engine; after SUCCESS every
 * named engine is where the transition function sends it, the others where they were. The hardware under it obeys.
 * Source: spec hdaudio-dma §4.3, §4.4.
 *
 * Bound: three handles, three engines of the thirty. The transition function itself: proofs/transition.c. */
#include "proofs/proof.h"
#include "hdaudio/state.c"

enum { ENGINES = 3, STALE = 77 };

static ss_busdriver_t bus;
static uint64_t words[STORSIM_MAX_PARAMS];
static ss_machine_head_t machine_head; /* all of the machine that this room reads by itself: where it is */

ss_engine_t *ss_bus_engine(ss_busdriver_t *of, uint64_t context, uint64_t handle, uint32_t *descriptor) {
    (void)context;
    for (uint32_t n = 0; n < ENGINES; n++) {
        if (of->engines[n].handle == handle && handle != 0) {
            *descriptor = n;
            return &of->engines[n];
        }
    }
    return NULL;
}

storsim_engine_step_t ss_engine_step(const ss_busdriver_t *of, const ss_engine_t *engine, storsim_engine_event_t event) {
    return storsim_engine_transition(event, (storsim_engine_state_t)engine->state, &of->config.policy);
}

uint64_t ss_frame_in(const ss_frame_t *frame, uint32_t parameter) {
    (void)frame;
    return words[parameter];
}

/* The hardware does what it is told, and no callback runs. */
bool ss_streams_start(ss_chip_t *chip, uint32_t mask) { (void)chip; (void)mask; return true; }
bool ss_streams_stop(ss_chip_t *chip, uint32_t mask) { (void)chip; (void)mask; return true; }
bool ss_stream_reset(ss_chip_t *chip, uint32_t n) { (void)chip; (void)n; return true; }
void ss_stream_program(ss_chip_t *chip, const ss_busdriver_t *of, uint32_t n, const ss_engine_t *engine, uint64_t bdl,
                       uint32_t *fifo) {
    (void)chip; (void)of; (void)n; (void)engine; (void)bdl; (void)fifo;
}
bool ss_frame_chip(ss_frame_t *frame, const ss_chip_t *chip) { (void)frame; (void)chip; return true; }
ss_chip_t ss_chip_open(storsim_machine_t *machine, uint32_t controller) {
    return (ss_chip_t){.machine = machine, .controller = controller};
}
uint64_t ss_engine_bdl_hash(storsim_machine_t *machine, const ss_engine_t *engine) { (void)machine; (void)engine; return 1; }
bool ss_engine_bdl_changed(storsim_machine_t *machine, ss_engine_t *engine) { (void)machine; (void)engine; return false; }
ss_block_t *ss_block(storsim_machine_t *machine, ss_block_id_t id) { (void)machine; (void)id; return NULL; }

/* What the specification says of the whole call. */
static uint32_t wanted(const uint64_t *handles, uint64_t count, storsim_engine_event_t event) {
    for (uint64_t i = 0; i < count; i++) {
        if (handles[i] == STALE) {
            return SS_NT(INVALID_HANDLE);
        }
        for (uint64_t j = 0; j < i; j++) {
            if (handles[j] == handles[i] && bus.config.policy.dup_handles == STORSIM_DUP_REJECT) {
                return SS_NT(INVALID_PARAMETER);
            }
        }
    }
    for (uint64_t i = 0; i < count; i++) {
        storsim_engine_step_t step = ss_engine_step(&bus, &bus.engines[handles[i] - 1], event);
        if (step.status != SS_NT(SUCCESS)) {
            return step.status;
        }
    }
    return SS_NT(SUCCESS);
}

void proof_set_state(void) {
    uint64_t handles[ENGINES];
    uint8_t before[ENGINES];
    storsim_arg_t args[3] = {{0}};
    ss_frame_t frame = {.bus = &bus};
    frame.call.args = args;
    frame.call.machine = (storsim_machine_t *)(void *)&machine_head;
    args[1].data = handles;
    uint64_t stream = any_u64(), count = any_u64();
    ASSUME(stream <= 2 && count >= 1 && count <= ENGINES);
    words[0] = stream;
    words[2] = count;
    bus.config.policy.dup_handles = any_bool() ? STORSIM_DUP_REJECT : STORSIM_DUP_SET;
    bus.config.policy.direct_transition = any_bool() ? STORSIM_DIRECT_SKL : 0;
    for (uint32_t n = 0; n < ENGINES; n++) {
        handles[n] = any_u64();
        ASSUME((handles[n] >= 1 && handles[n] <= ENGINES) || handles[n] == STALE);
        bus.engines[n].handle = n + 1;
        before[n] = any_u8();
        ASSUME(before[n] > STORSIM_ENGINE_NONE && before[n] < STORSIM_ENGINE_STATE_COUNT);
        bus.engines[n].state = before[n];
    }
    static const storsim_engine_event_t events[] = {STORSIM_EVENT_SET_RESET, STORSIM_EVENT_SET_PAUSE, STORSIM_EVENT_SET_RUN};
    uint32_t want = wanted(handles, count, events[stream]);
    uint32_t status = ss_do_SetDmaEngineState(&frame);
    PROVE(status == want);
    for (uint32_t n = 0; n < ENGINES; n++) {
        bool named = false;
        for (uint64_t i = 0; i < count; i++) {
            named = named || handles[i] == n + 1;
        }
        storsim_engine_state_t next = storsim_engine_transition(events[stream], (storsim_engine_state_t)before[n], &bus.config.policy).next;
        PROVE(bus.engines[n].state == (status == SS_NT(SUCCESS) && named ? (uint8_t)next : before[n]));
        PROVE(!bus.engines[n].busy);
    }
}
