/* proofs/transition.c: an engine's transition function is the specification's total table.
 *
 * For every event, every state and every policy storsim_engine_transition answers what the rules below say. They are
 * written from the specification a second time, as rules instead of as a table, so that a slip of the pen in one of the
 * two cannot hide. Values outside both enums are covered too. Source: spec hdaudio-dma §4.2 with its notes, §12.
 *
 * Bound: none, the domain is finite and searched whole. */
#include "proofs/proof.h"
#include "hdaudio/bus.h"

enum { R, S, X };             /* stream state */
enum { NO, D, N, C, B };      /* buffer kind */

typedef struct seen {
    int stream, kind;
} seen_t;

static seen_t split(storsim_engine_state_t state) {
    switch (state) {
    case STORSIM_ENGINE_RD: return (seen_t){R, D};
    case STORSIM_ENGINE_RN: return (seen_t){R, N};
    case STORSIM_ENGINE_RC: return (seen_t){R, C};
    case STORSIM_ENGINE_RB: return (seen_t){R, B};
    case STORSIM_ENGINE_SD: return (seen_t){S, D};
    case STORSIM_ENGINE_SN: return (seen_t){S, N};
    case STORSIM_ENGINE_SB: return (seen_t){S, B};
    case STORSIM_ENGINE_XD: return (seen_t){X, D};
    case STORSIM_ENGINE_XN: return (seen_t){X, N};
    case STORSIM_ENGINE_XB: return (seen_t){X, B};
    default: return (seen_t){R, NO};
    }
}

static storsim_engine_state_t join(int stream, int kind) {
    static const storsim_engine_state_t states[3][5] = {
        {STORSIM_ENGINE_R0, STORSIM_ENGINE_RD, STORSIM_ENGINE_RN, STORSIM_ENGINE_RC, STORSIM_ENGINE_RB},
        {STORSIM_ENGINE_NONE, STORSIM_ENGINE_SD, STORSIM_ENGINE_SN, STORSIM_ENGINE_NONE, STORSIM_ENGINE_SB},
        {STORSIM_ENGINE_NONE, STORSIM_ENGINE_XD, STORSIM_ENGINE_XN, STORSIM_ENGINE_NONE, STORSIM_ENGINE_XB}};
    return states[stream][kind];
}

static storsim_engine_step_t ok(storsim_engine_state_t next) {
    return (storsim_engine_step_t){SS_NT(SUCCESS), next};
}

/* A buffer of one kind is allocated or freed in Reset only. */
static storsim_engine_step_t swap(storsim_engine_state_t state, bool allowed, int kind) {
    return allowed ? ok(join(R, kind)) : (storsim_engine_step_t){SS_NT(INVALID_DEVICE_REQUEST), state};
}

static storsim_engine_step_t set_state(storsim_engine_event_t event, storsim_engine_state_t state, bool direct) {
    seen_t at = split(state);
    bool ready = at.kind == D || at.kind == N || at.kind == B;
    storsim_engine_step_t refused = {SS_NT(INVALID_DEVICE_REQUEST), state};
    if (event == STORSIM_EVENT_SET_RESET) {
        if (at.stream == X) {
            return direct ? ok(state) : refused;
        }
        return ok(at.stream == S ? join(R, at.kind) : state);
    }
    if (event == STORSIM_EVENT_SET_PAUSE) {
        return ready ? ok(join(S, at.kind)) : refused;
    }
    if (at.stream == R) {
        return direct && ready ? ok(join(X, at.kind)) : refused;
    }
    return ok(join(X, at.kind));
}

static storsim_engine_step_t wanted(storsim_engine_event_t event, storsim_engine_state_t state,
                                    const storsim_hdaudio_policy_t *policy) {
    bool direct = policy != NULL && policy->direct_transition == STORSIM_DIRECT_SKL;
    bool shared = policy != NULL && policy->dn_pairing == STORSIM_PAIRING_SHARED;
    bool ignore = policy != NULL && policy->free_args == STORSIM_FREE_ARGS_IGNORE;
    seen_t at = split(state);
    bool live = state != STORSIM_ENGINE_NONE;
    switch (event) {
    case STORSIM_EVENT_ALLOCATE_OTHER:
    case STORSIM_EVENT_FIFO_ERROR:
        return ok(state);
    case STORSIM_EVENT_DESCRIPTOR_ERROR:
        return ok(live && at.stream == X ? join(S, at.kind) : state);
    case STORSIM_EVENT_LAST_DEREFERENCE:
        return ok(STORSIM_ENGINE_NONE);
    default:
        break;
    }
    if (!live) {
        return (storsim_engine_step_t){SS_NT(INVALID_HANDLE), state};
    }
    bool reset = at.stream == R;
    switch (event) {
    case STORSIM_EVENT_CHANGE_BANDWIDTH: return swap(state, reset && at.kind == NO, NO);
    case STORSIM_EVENT_ALLOCATE_BUFFER: return swap(state, reset && at.kind == NO, D);
    case STORSIM_EVENT_ALLOCATE_NOTIFY: return swap(state, reset && at.kind == NO, N);
    case STORSIM_EVENT_ALLOCATE_CONTIGUOUS: return swap(state, reset && at.kind == NO, C);
    case STORSIM_EVENT_SETUP_BDL: return swap(state, reset && (at.kind == C || at.kind == B), B);
    case STORSIM_EVENT_FREE_CONTIGUOUS: return swap(state, reset && (at.kind == C || at.kind == B), NO);
    case STORSIM_EVENT_FREE_BUFFER: return swap(state, reset && (at.kind == D || (shared && at.kind == N)), NO);
    case STORSIM_EVENT_FREE_NOTIFY: return swap(state, reset && (at.kind == N || (shared && at.kind == D)), NO);
    case STORSIM_EVENT_FREE_NOTIFY_OTHER:
        if (reset && (at.kind == N || (shared && at.kind == D))) {
            return ignore ? ok(STORSIM_ENGINE_R0) : (storsim_engine_step_t){SS_NT(INVALID_PARAMETER), state};
        }
        return swap(state, false, NO);
    case STORSIM_EVENT_FREE_ENGINE:
        return reset && at.kind == NO ? ok(STORSIM_ENGINE_NONE) : swap(state, false, NO);
    case STORSIM_EVENT_SET_RESET:
    case STORSIM_EVENT_SET_PAUSE:
    case STORSIM_EVENT_SET_RUN:
        return set_state(event, state, direct);
    case STORSIM_EVENT_UNREGISTER_OTHER:
        return (storsim_engine_step_t){SS_NT(INVALID_PARAMETER), state};
    default: /* GET_POSITION, REGISTER, UNREGISTER */
        return ok(state);
    }
}

void proof_transition(void) {
    uint32_t event = any_u32(), state = any_u32();
    storsim_hdaudio_policy_t policy = {0};
    policy.direct_transition = any_u8();
    policy.dn_pairing = any_u8();
    policy.free_args = any_u8();
    const storsim_hdaudio_policy_t *given = any_bool() ? &policy : NULL;
    storsim_engine_step_t step = storsim_engine_transition((storsim_engine_event_t)event, (storsim_engine_state_t)state, given);
    if (event >= STORSIM_EVENT_COUNT || state >= STORSIM_ENGINE_STATE_COUNT) {
        PROVE(step.status == SS_NT(INVALID_HANDLE) && step.next == STORSIM_ENGINE_NONE);
        return;
    }
    storsim_engine_step_t want = wanted((storsim_engine_event_t)event, (storsim_engine_state_t)state, given);
    PROVE(step.status == want.status);
    PROVE(step.next == want.next);
    PROVE(step.status == SS_NT(SUCCESS) || step.next == state); /* a refused call changes nothing */
}
