/* hdaudio/transition.c: the total table of a DMA engine, as data, and the one pure function over it.
 *
 * State = stream state (Reset, Stopped, eXecuting) and buffer kind (0 none, D, N, C contiguous, B contiguous and set
 * up). Every (event, state) pair has a status and a next state; a failing pair stays where it is. Policies replace
 * single cells. Source: spec hdaudio-dma §4.2, its numbered notes, and §12. */
#include "hdaudio/bus.h"

#define STAY STORSIM_ENGINE_STATE_COUNT

typedef struct cell {
    uint8_t status; /* short_status_t */
    uint8_t next;   /* storsim_engine_state_t, or STAY */
} cell_t;

typedef enum short_status { OK, IH, IP, IDR } short_status_t;

static const uint32_t status_of[] = {SS_NT(SUCCESS), SS_NT(INVALID_HANDLE), SS_NT(INVALID_PARAMETER),
                                     SS_NT(INVALID_DEVICE_REQUEST)};

#define OK_ {OK, STAY}
#define TO(state) {OK, STORSIM_ENGINE_##state}
#define IH_ {IH, STAY}
#define IP_ {IP, STAY}
#define NO_ {IDR, STAY}
#define EV(name) [STORSIM_EVENT_##name]
#define EVERYWHERE(cell) {cell, cell, cell, cell, cell, cell, cell, cell, cell, cell, cell, cell}
#define LIVE(cell) {IH_, cell, cell, cell, cell, cell, cell, cell, cell, cell, cell, cell}

/* Columns: NONE R0 RD RN RC RB SD SN SB XD XN XB, as in the enum. */
static const cell_t table[STORSIM_EVENT_COUNT][STORSIM_ENGINE_STATE_COUNT] = {
    EV(ALLOCATE_OTHER) = EVERYWHERE(OK_),
    EV(CHANGE_BANDWIDTH) = {IH_, TO(R0), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(ALLOCATE_BUFFER) = {IH_, TO(RD), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(FREE_BUFFER) = {IH_, NO_, TO(R0), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(ALLOCATE_NOTIFY) = {IH_, TO(RN), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(FREE_NOTIFY) = {IH_, NO_, NO_, TO(R0), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(FREE_NOTIFY_OTHER) = {IH_, NO_, NO_, IP_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(ALLOCATE_CONTIGUOUS) = {IH_, TO(RC), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(SETUP_BDL) = {IH_, NO_, NO_, NO_, TO(RB), TO(RB), NO_, NO_, NO_, NO_, NO_, NO_},
    EV(FREE_CONTIGUOUS) = {IH_, NO_, NO_, NO_, TO(R0), TO(R0), NO_, NO_, NO_, NO_, NO_, NO_},
    EV(FREE_ENGINE) = {IH_, TO(NONE), NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_, NO_},
    EV(SET_RESET) = {IH_, OK_, OK_, OK_, OK_, OK_, TO(RD), TO(RN), TO(RB), NO_, NO_, NO_},
    EV(SET_PAUSE) = {IH_, NO_, TO(SD), TO(SN), NO_, TO(SB), OK_, OK_, OK_, TO(SD), TO(SN), TO(SB)},
    EV(SET_RUN) = {IH_, NO_, NO_, NO_, NO_, NO_, TO(XD), TO(XN), TO(XB), OK_, OK_, OK_},
    EV(GET_POSITION) = LIVE(OK_),
    EV(REGISTER) = LIVE(OK_),
    EV(UNREGISTER) = LIVE(OK_),
    EV(UNREGISTER_OTHER) = LIVE(IP_),
    EV(DESCRIPTOR_ERROR) = {OK_, OK_, OK_, OK_, OK_, OK_, OK_, OK_, OK_, TO(SD), TO(SN), TO(SB)},
    EV(FIFO_ERROR) = EVERYWHERE(OK_),
    EV(LAST_DEREFERENCE) = EVERYWHERE(TO(NONE)),
};

/* Cells a policy replaces. */
typedef struct exception {
    uint8_t event, state;
    cell_t cell;
} exception_t;

static const exception_t direct_transition_skl[] = {
    {STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_RD, TO(XD)}, {STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_RN, TO(XN)},
    {STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_RB, TO(XB)}, {STORSIM_EVENT_SET_RESET, STORSIM_ENGINE_XD, OK_},
    {STORSIM_EVENT_SET_RESET, STORSIM_ENGINE_XN, OK_},  {STORSIM_EVENT_SET_RESET, STORSIM_ENGINE_XB, OK_}};
static const exception_t dn_pairing_shared[] = {{STORSIM_EVENT_FREE_BUFFER, STORSIM_ENGINE_RN, TO(R0)},
                                                {STORSIM_EVENT_FREE_NOTIFY, STORSIM_ENGINE_RD, TO(R0)},
                                                {STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RD, IP_}};
static const exception_t free_args_ignore[] = {{STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RN, TO(R0)}};
static const exception_t shared_and_ignored[] = {{STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RD, TO(R0)}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void apply(const exception_t *list, size_t count, storsim_engine_event_t event, storsim_engine_state_t state,
                  cell_t *cell) {
    for (size_t i = 0; i < count; i++) {
        if (list[i].event == event && list[i].state == state) {
            *cell = list[i].cell;
        }
    }
}

storsim_engine_step_t storsim_engine_transition(storsim_engine_event_t event, storsim_engine_state_t state,
                                                const storsim_hdaudio_policy_t *policy) {
    if ((unsigned)event >= STORSIM_EVENT_COUNT || (unsigned)state >= STORSIM_ENGINE_STATE_COUNT) {
        return (storsim_engine_step_t){SS_NT(INVALID_HANDLE), STORSIM_ENGINE_NONE};
    }
    cell_t cell = table[event][state];
    if (policy && policy->direct_transition == STORSIM_DIRECT_SKL) {
        apply(direct_transition_skl, COUNT(direct_transition_skl), event, state, &cell);
    }
    if (policy && policy->dn_pairing == STORSIM_PAIRING_SHARED) {
        apply(dn_pairing_shared, COUNT(dn_pairing_shared), event, state, &cell);
    }
    if (policy && policy->free_args == STORSIM_FREE_ARGS_IGNORE) {
        apply(free_args_ignore, COUNT(free_args_ignore), event, state, &cell);
        if (policy->dn_pairing == STORSIM_PAIRING_SHARED) {
            apply(shared_and_ignored, COUNT(shared_and_ignored), event, state, &cell);
        }
    }
    storsim_engine_state_t next = cell.next == STAY ? state : (storsim_engine_state_t)cell.next;
    return (storsim_engine_step_t){status_of[cell.status], next};
}

static const char *const state_names[] = {
#define STATE_NAME(name) #name,
    STORSIM_ENGINE_STATE_MAP(STATE_NAME)
#undef STATE_NAME
};
static const char *const event_names[] = {
#define EVENT_NAME(name) #name,
    STORSIM_ENGINE_EVENT_MAP(EVENT_NAME)
#undef EVENT_NAME
};

const char *storsim_engine_state_name(storsim_engine_state_t state) {
    return (unsigned)state < STORSIM_ENGINE_STATE_COUNT ? state_names[state] : "";
}

const char *storsim_engine_event_name(storsim_engine_event_t event) {
    return (unsigned)event < STORSIM_EVENT_COUNT ? event_names[event] : "";
}
