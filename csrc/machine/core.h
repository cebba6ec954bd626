/* machine/core.h: what the rooms above may use of a machine, and how they hang on it. */
#ifndef SS_CORE_H
#define SS_CORE_H

#include "machine/bus.h"
#include "machine/codec.h"
#include "machine/head.h"
#include "machine/host.h"
#include "machine/pagemap.h"
#include "machine/pages.h"
#include "machine/ram.h"
#include "machine/rng.h"
#include "storsim/machine.h"

/* --- rooms ---------------------------------------------------------------------------------------------------------- */

typedef struct ss_event {
    uint64_t time, sequence;
    uint16_t room, kind;     /* kind: the room's own */
    uint64_t a, b;
    uint32_t id;             /* for cancelling; from 1 */
} ss_event_t;

#define SS_KEPT 4 /* numbers a room can keep */

/* What a room gives the machine. Functions may be NULL where a room has nothing to do. */
typedef struct ss_room_ops {
    const char *name;
    /* An empty state with the configuration of `current`, for LOAD. NULL = no memory. A room that has this has `destroy`. */
    void *(*fresh)(storsim_machine_t *machine, const void *current);
    void (*destroy)(storsim_machine_t *machine, void *state);
    void (*walk)(storsim_machine_t *machine, void *state, ss_codec_t *codec);
    /* An event of this room is due; storsim_now is its time. */
    storsim_status_t (*event)(storsim_machine_t *machine, void *state, const ss_event_t *event);
    /* An interrupt line this room listens to may have to be served (level changed or IRQL fell); see ss_line_set. */
    storsim_status_t (*interrupt)(storsim_machine_t *machine, void *state, uint32_t line);
    /* Around going back to a checkpoint, when the state becomes byte by byte what it was: what goes on all the same is kept before, and put
     * in its place afterwards. Neither may fail. */
    void (*keep)(const void *state, uint64_t kept[SS_KEPT]);
    void (*resume)(storsim_machine_t *machine, void *state, const uint64_t kept[SS_KEPT]);
    size_t (*check)(storsim_machine_t *machine, void *state, char *text, size_t capacity);
    /* Make memory and registers look as they must at storsim_now: called before the host program can look or write, that is before
     * every host callback and at the end of everything that moved time (storsim_advance, storsim_run_until_interrupt, ss_wait).
     * A device that moves bytes lazily between its events catches up here, so no other hook into memory is needed: between two
     * settles no host code runs. Must not schedule into the past, raise interrupts or call back. */
    storsim_status_t (*settle)(storsim_machine_t *machine, void *state);
} ss_room_ops_t;

storsim_status_t ss_room_attach(storsim_machine_t *machine, ss_room_t room, const ss_room_ops_t *ops, void *state);
ss_host_t *ss_machine_host(const storsim_machine_t *machine);
ss_host_t *ss_machine_plain(const storsim_machine_t *machine); /* for what must not go back in time with the machine */
ss_pages_t *ss_machine_pages(const storsim_machine_t *machine);
ss_ram_t *ss_machine_ram(const storsim_machine_t *machine);
/* Who makes the contents of owned stores and knows the store of a frame (ram.h); the context it gets is the machine. One room may, before
 * the first store. */
void ss_machine_filler(storsim_machine_t *machine, const ss_filler_t *filler);
ss_rng_t *ss_machine_rng(storsim_machine_t *machine);
uint64_t ss_machine_seed(const storsim_machine_t *machine);

/* Listens to a machine (tap.h): once, and only to one that is fresh from storsim_machine_create; else INVALID. NULL ends it. */
struct ss_tap;
storsim_status_t ss_machine_tap(storsim_machine_t *machine, struct ss_tap *tap);
/* Whether an entry point or a host callback is under way. */
bool ss_machine_entered(const storsim_machine_t *machine);
/* The configuration that makes an equal machine: ranges as the normalised map (`ranges` has room for storsim_memory_map's count). */
void ss_machine_config(const storsim_machine_t *machine, storsim_range_t *ranges, storsim_machine_config_t *config);
/* What the last eight bytes of a snapshot say of the `count` before them. For tests that damage snapshots on purpose. */
uint64_t ss_snapshot_checksum(const uint8_t *bytes, size_t count);
/* The name a snapshot goes by in a journal: the same bytes have the same. */
uint64_t ss_snapshot_name(const uint8_t *bytes, size_t length);
#define SS_CHECKPOINT_NAME (UINT64_C(1) << 63) /* in the name of a checkpoint: which one of its machine, not what is in it */

/* --- events and lines ----------------------------------------------------------------------------------------------- */

/* Schedules an event of a room at an absolute time (>= now). Events at equal times run in the order they were scheduled. */
storsim_status_t ss_event_at(storsim_machine_t *machine, uint64_t time, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b, uint32_t *id);
void ss_event_cancel(storsim_machine_t *machine, uint32_t id); /* 0 and unknown ids are ignored */
bool ss_event_pending(const storsim_machine_t *machine, uint32_t id);
/* Moves the clock inside a routine that waits for hardware: runs due events like storsim_advance, but is allowed during a call. */
storsim_status_t ss_wait(storsim_machine_t *machine, uint64_t ticks);

/* Interrupt lines are levels. A device owns a line; the kernel room listens: its `interrupt` op is called after each change. */
storsim_status_t ss_line_add(storsim_machine_t *machine, uint32_t *line); /* from 1 */
storsim_status_t ss_line_reserve(storsim_machine_t *machine); /* the next ss_line_add cannot fail */
storsim_status_t ss_line_set(storsim_machine_t *machine, uint32_t line, bool level);
bool ss_line_get(const storsim_machine_t *machine, uint32_t line);
void ss_line_listen(storsim_machine_t *machine, ss_room_t room); /* the room that serves interrupts (nt) */
void ss_machine_interrupt_seen(storsim_machine_t *machine);      /* for storsim_run_until_interrupt */

/* --- findings ------------------------------------------------------------------------------------------------------- */

/* A rule a room can report. Tables are static; rooms register them before they report. */
typedef struct ss_rule {
    const char *name, *rule, *fix, *source;
} ss_rule_t;

/* How ids of routines and their parameters are spelled: the machine knows no DDI, so the kernel room tells it. Both answer NULL for
 * what they do not know. */
typedef struct ss_namer {
    const char *(*routine)(uint16_t routine);
    const char *(*parameter)(uint16_t routine, uint8_t index);
    const char *(*code)(uint64_t code); /* symbolic name of a bugcheck code */
    /* What `expected` and `got` of a finding say, in words; like snprintf. 0: nothing worth saying. */
    size_t (*numbers)(const storsim_finding_t *finding, char *text, size_t capacity);
} ss_namer_t;
void ss_machine_set_namer(storsim_machine_t *machine, const ss_namer_t *namer);

storsim_status_t ss_rules_register(storsim_machine_t *machine, ss_room_t room, const ss_rule_t *rules, uint32_t count);

/* Records a finding. `draft` carries kind, related sites, code, parameters, expected, got, address; the rest is filled in from
 * the rule and ss_where. Out of host memory: counted as lost, never an error of the call. Returns the stored record or NULL. */
storsim_finding_t *ss_report(storsim_machine_t *machine, ss_room_t room, uint32_t rule, const storsim_finding_t *draft);
/* Stops the machine: records the bugcheck and returns STORSIM_BUGCHECK. Every later ss_machine_alive fails. */
storsim_status_t ss_stop(storsim_machine_t *machine, ss_room_t room, uint32_t rule, const storsim_finding_t *draft);
/* OK, STOPPED. First line of every entry point that changes state. */
storsim_status_t ss_machine_alive(const storsim_machine_t *machine);

/* --- calls, callbacks, faults, trace -------------------------------------------------------------------------------- */

/* Depth of host callbacks; above 0 advance, restore, snapshot and destroy answer REENTRY. */
uint32_t ss_callback_depth(const storsim_machine_t *machine);
/* How often the host was called back so far. Another number than before: it may have called in, and anything may have changed. */
uint64_t ss_callbacks(const storsim_machine_t *machine);
/* Runs the settle op of every room; a host callback does so first. */
storsim_status_t ss_settle(storsim_machine_t *machine);
/* Runs a host callback: records it in the trace, counts the depth. CALLBACK when the host failed or none is installed. */
storsim_status_t ss_callback(storsim_machine_t *machine, storsim_callback_t *callback);

/* A fault point of a routine: true when the plan says this call shall fail. Counts one occasion. A failing predicate callback
 * sets *status to CALLBACK and answers false. */
bool ss_fault(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes, storsim_status_t *status);
/* Whether no plan and nothing behind it can fail a call now: then a routine may count its fault point with ss_fault_pass instead of asking. */
bool ss_fault_idle(const storsim_machine_t *machine);
void ss_fault_pass(storsim_machine_t *machine);
/* Asked at a fault point that the plan lets pass: the number of whatever else fails the call, 0 for nothing. Such a failure is
 * recorded and traced like one of the plan. */
typedef uint32_t (*ss_fault_fn)(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes);
void ss_fault_behind(storsim_machine_t *machine, ss_fault_fn behind);
/* The same for a routine that has a failing status but nothing that could run out: only rules that name the routine count and fire, so
 * that a plan for "any allocation" does not see it. */
bool ss_fault_named(storsim_machine_t *machine, uint16_t routine, storsim_status_t *status);
/* A hardware occasion: true when a rule of this name (and device) is armed; consumes one. */
bool ss_hardware_fault(storsim_machine_t *machine, storsim_hardware_fault_t fault, uint32_t device);

/* Who looks on: told of every call of a routine as it ends, and of every finding. It may change nothing. */
typedef struct ss_seen_call {
    uint16_t routine;        /* id of the DDI row */
    uint8_t irql, situation; /* at the begin; situation: the callback (Storport) or the engine's state (HD Audio) */
    storsim_status_t status; /* OK, or why it stopped */
    uint64_t result;         /* what the routine returned */
} ss_seen_call_t;
typedef struct ss_observer {
    void (*call)(void *state, const ss_seen_call_t *seen);
    void (*finding)(void *state, uint16_t routine, ss_room_t room, uint32_t rule);
    void (*release)(ss_host_t *host, void *state); /* with the machine */
    void *state;
} ss_observer_t;
/* The observer of a machine, to be set by one room; `call` NULL: none. */
ss_observer_t *ss_machine_observer(storsim_machine_t *machine);

/* Writes an entry: something that happened at once, here and now. O(1), never fails. */
void ss_trace(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Where something that lasts began. */
typedef struct ss_mark {
    uint64_t time, sequence;
    uint8_t irql, cpu;
} ss_mark_t;
ss_mark_t ss_trace_mark(const storsim_machine_t *machine);
/* Writes the entry of something that lasts, at its end. Marks and ends nest. O(1), never fails. */
void ss_trace_span(storsim_machine_t *machine, uint16_t kind, const ss_mark_t *began, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* A call of a routine that ss_where does not know of and that began and ended here and now. outputs: two numbers that get an entry of their own
 * before it, the only one made since the begin; NULL: none was. O(1), never fails. */
void ss_trace_at_once(storsim_machine_t *machine, uint16_t routine, const uint64_t values[4], const uint64_t *outputs);

#endif
