/* nt/interrupt.c: from a line to its service routine to the deferred one.
 *
 * Lines are levels. A line that is up is served on the current CPU as soon as its IRQL is below the line's; while the
 * routine claims it and the line stays up, it is served again, as a level-triggered line would be, up to a bound (a
 * note then says so, and the line waits for its next change). What nobody claims waits for the next change too.
 * Deferred calls stand in one queue in the order they came; each runs on the CPU that queued it once that CPU is below
 * DISPATCH_LEVEL and dpc_latency has passed. Model choice throughout. Source of the order (interrupts before DPCs,
 * levels): DESIGN §4. */
#include "nt/nt_i.h"
#include "nt/operations.h"

#include <string.h>

enum { EVENT_DPC_READY = 1, STORM_BOUND = 64 };
#define DPC_BURST 10000u /* deferred calls without time moving: the watchdog's idea of an endless loop */

/* --- running at a level ------------------------------------------------------------------------------------------- */

typedef struct level {
    ss_where_t where;
    nt_cpu_t saved;
    uint32_t cpu, target;
    ss_call_t *frame;
} level_t;

/* Goes to a CPU and a level no lower than its own; nothing of the interrupted frame shows in findings. */
static void enter(storsim_machine_t *machine, uint32_t cpu, uint8_t irql, level_t *level) {
    ss_nt_t *nt = nt_of(machine);
    ss_where_t *where = ss_machine_where(machine);
    *level = (level_t){.where = *where, .saved = nt->cpus[cpu], .cpu = nt->cpu, .target = cpu, .frame = nt->frame};
    nt->cpu = cpu;
    nt_cpu_t *now = &nt->cpus[cpu];
    now->irql = irql > now->irql ? irql : now->irql;
    now->floor = now->irql;
    where->routine = 0;
    where->owner = 0;
    where->arg_count = 0;
    nt_sync(machine);
}

static void leave(storsim_machine_t *machine, const level_t *level) {
    ss_nt_t *nt = nt_of(machine);
    nt->cpus[level->target] = level->saved;
    nt->cpu = level->cpu;
    nt->frame = level->frame;
    *ss_machine_where(machine) = level->where;
    nt_sync(machine);
}

storsim_status_t ss_callback_at(storsim_machine_t *machine, uint8_t irql, storsim_callback_t *callback) {
    level_t level;
    enter(machine, nt_of(machine)->cpu, irql, &level);
    storsim_status_t status = ss_callback(machine, callback);
    leave(machine, &level);
    return status;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static nt_connection_t *connection_of(const ss_nt_t *nt, uint32_t line) {
    for (uint32_t i = 0; i < nt->connection_count; i++) {
        if (nt->connections[i].line == line) {
            return &nt->connections[i];
        }
    }
    return NULL;
}

static storsim_status_t connect(storsim_machine_t *machine, const nt_connection_t *connection) {
    ss_nt_t *nt = nt_of(machine);
    void *array = nt->connections;
    if (connection->line == 0 || connection->irql <= DISPATCH_LEVEL || connection->irql > HIGH_LEVEL ||
        connection_of(nt, connection->line) != NULL) {
        return STORSIM_INVALID;
    }
    if (!ss_grow(nt->host, &array, &nt->connection_capacity, nt->connection_count + 1, sizeof *connection)) {
        return STORSIM_NO_MEMORY;
    }
    nt->connections = array;
    nt->connections[nt->connection_count++] = *connection;
    return STORSIM_OK;
}

storsim_status_t ss_interrupt_connect(storsim_machine_t *machine, uint32_t line, uint8_t irql, ss_room_t room,
                                      uint64_t context) {
    const nt_connection_t made = {.line = line, .irql = irql, .room = (uint16_t)room, .context = context};
    return room < SS_ROOM_HOST ? connect(machine, &made) : STORSIM_INVALID;
}

storsim_status_t storsim_connect_interrupt(storsim_machine_t *machine, uint32_t line, uint8_t irql, uint64_t routine,
                                           uint64_t context) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(line), ss_arg_in(irql), ss_arg_in(routine), ss_arg_in(context)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_CONNECT_INTERRUPT], args, NULL);
    }
    const nt_connection_t made = {
        .line = line, .irql = irql, .room = SS_ROOM_HOST, .routine = routine, .context = context};
    storsim_status_t status = nt_alive(machine);
    if (status == STORSIM_OK) {
        status = routine != 0 ? connect(machine, &made) : STORSIM_INVALID;
    }
    return status == STORSIM_OK ? ss_deliver(machine) : status;
}

void ss_interrupt_disconnect(storsim_machine_t *machine, uint32_t line) {
    ss_nt_t *nt = nt_of(machine);
    nt_connection_t *found = connection_of(nt, line);
    if (found != NULL) {
        for (uint32_t i = (uint32_t)(found - nt->connections) + 1; i < nt->connection_count; i++) {
            nt->connections[i - 1] = nt->connections[i];
        }
        nt->connection_count--;
    }
}

storsim_status_t ss_kernel_ops_register(storsim_machine_t *machine, ss_room_t room, const ss_kernel_ops_t *ops) {
    if (room >= SS_ROOM_COUNT) {
        return STORSIM_INVALID;
    }
    nt_of(machine)->ops[room] = ops;
    return STORSIM_OK;
}

static storsim_status_t run_isr(storsim_machine_t *machine, const nt_connection_t *connection, bool *claimed) {
    storsim_status_t status = STORSIM_OK;
    level_t level;
    *claimed = false;
    ss_machine_interrupt_seen(machine);
    enter(machine, nt_of(machine)->cpu, connection->irql, &level);
    const ss_mark_t began = ss_trace_mark(machine);
    if (connection->room == SS_ROOM_HOST) {
        storsim_callback_t callback = {.kind = STORSIM_CB_INTERRUPT,
                                       .routine = connection->routine,
                                       .values = {connection->line, connection->context}};
        status = ss_callback(machine, &callback);
        *claimed = callback.result != 0;
    } else {
        const ss_kernel_ops_t *ops = nt_of(machine)->ops[connection->room];
        if (ops != NULL && ops->isr != NULL) {
            status = ops->isr(machine, connection->line, connection->context, claimed);
        }
    }
    ss_trace_span(machine, STORSIM_TRACE_ISR, &began, connection->line, *claimed, 0, 0);
    leave(machine, &level);
    return status;
}

static void line_note(storsim_machine_t *machine, ss_rule_id_t rule, uint32_t line) {
    ss_call_t call = {.machine = machine};
    const ss_detail_t detail = {.got = line};
    ss_note(&call, rule, &detail);
}

/* The line to serve next: highest level first, then lowest number. NULL when none may be served now. */
static nt_connection_t *next_line(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    nt_connection_t *best = NULL;
    for (uint32_t i = 0; i < nt->connection_count; i++) {
        nt_connection_t *connection = &nt->connections[i];
        bool ready = ss_line_get(machine, connection->line) && !connection->held_off &&
                     nt->cpus[nt->cpu].irql < connection->irql;
        if (ready && (best == NULL || connection->irql > best->irql ||
                      (connection->irql == best->irql && connection->line < best->line))) {
            best = connection;
        }
    }
    return best;
}

static storsim_status_t serve_lines(storsim_machine_t *machine) {
    uint32_t repeats = 0, last = 0;
    for (;;) {
        const nt_connection_t *next = next_line(machine);
        if (next == NULL) {
            return STORSIM_OK;
        }
        const nt_connection_t connection = *next; /* the routine may connect and disconnect lines */
        repeats = connection.line == last ? repeats + 1 : 0;
        last = connection.line;
        bool claimed;
        storsim_status_t status = run_isr(machine, &connection, &claimed);
        nt_connection_t *after = connection_of(nt_of(machine), connection.line);
        if (status != STORSIM_OK) {
            return status;
        }
        if (after != NULL && ss_line_get(machine, connection.line) && (!claimed || repeats + 1 >= STORM_BOUND)) {
            after->held_off = true;
            line_note(machine, claimed ? SS_INTERRUPT_STORM : SS_INTERRUPT_UNCLAIMED, connection.line);
        }
    }
}

storsim_status_t nt_interrupt(storsim_machine_t *machine, void *state, uint32_t line) {
    ss_nt_t *nt = state;
    nt_connection_t *connection = connection_of(nt, line);
    if (connection != NULL) {
        connection->held_off = false;
    }
    return connection != NULL && ss_line_get(machine, line) ? ss_deliver(machine) : STORSIM_OK;
}

/* --- deferred calls ----------------------------------------------------------------------------------------------- */

static storsim_status_t queue(storsim_machine_t *machine, const nt_dpc_t *dpc) {
    ss_nt_t *nt = nt_of(machine);
    void *array = nt->dpcs;
    if (!ss_grow(nt->host, &array, &nt->dpc_capacity, nt->dpc_count + 1, sizeof *dpc)) {
        return STORSIM_NO_MEMORY;
    }
    nt->dpcs = array;
    if (dpc->ready > dpc->queued && !nt->config.dpc_manual) {
        storsim_status_t status = ss_event_at(machine, dpc->ready, SS_ROOM_NT, EVENT_DPC_READY, 0, 0, NULL);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    nt->dpcs[nt->dpc_count++] = *dpc;
    ss_trace(machine, STORSIM_TRACE_QUEUED, dpc->room, dpc->kind, dpc->a, dpc->ready);
    return STORSIM_OK;
}

storsim_status_t ss_dpc_queue_late(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b,
                                   uint64_t delay) {
    const ss_nt_t *nt = nt_of(machine);
    uint64_t now = storsim_now(machine), ready;
    if (!ss_add_u64(now, nt->config.dpc_latency, &ready) || !ss_add_u64(ready, delay, &ready)) {
        ready = UINT64_MAX;
    }
    const nt_dpc_t dpc = {
        .room = (uint16_t)room, .kind = kind, .cpu = nt->cpu, .a = a, .b = b, .queued = now, .ready = ready};
    return queue(machine, &dpc);
}

storsim_status_t ss_dpc_queue(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b) {
    bool late = ss_hardware_fault(machine, STORSIM_HW_LATE_DPC, 0);
    return ss_dpc_queue_late(machine, room, kind, a, b, late ? SS_LATE_DPC_TICKS : 0);
}

storsim_status_t storsim_queue_dpc(storsim_machine_t *machine, uint64_t routine, uint64_t context) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(routine), ss_arg_in(context)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_QUEUE_DPC], args, NULL);
    }
    storsim_status_t status = nt_alive(machine);
    if (status == STORSIM_OK) {
        status = routine != 0 ? ss_dpc_queue(machine, SS_ROOM_HOST, 0, routine, context) : STORSIM_INVALID;
    }
    return status == STORSIM_OK ? ss_deliver(machine) : status;
}

static void take_out(ss_nt_t *nt, uint32_t at) {
    nt->dpc_count--;
    memmove(nt->dpcs + at, nt->dpcs + at + 1, (nt->dpc_count - at) * sizeof *nt->dpcs);
}

void ss_dpc_drop(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a) {
    ss_nt_t *nt = nt_of(machine);
    for (uint32_t i = nt->dpc_count; i > 0; i--) {
        const nt_dpc_t *dpc = &nt->dpcs[i - 1];
        if (dpc->room == room && dpc->kind == kind && dpc->a == a) {
            take_out(nt, i - 1);
        }
    }
}

static storsim_status_t run_dpc(storsim_machine_t *machine, uint32_t at) {
    ss_nt_t *nt = nt_of(machine);
    const nt_dpc_t dpc = nt->dpcs[at];
    uint64_t now = storsim_now(machine);
    nt->burst = now == nt->burst_time ? nt->burst + 1 : 1;
    nt->burst_time = now;
    if (nt->burst > DPC_BURST) {
        ss_call_t call = {.machine = machine};
        return ss_bugcheck(&call, SS_DPC_WATCHDOG, 0x133, 1, 0, 0, 0, NULL);
    }
    take_out(nt, at);
    level_t level;
    enter(machine, dpc.cpu, DISPATCH_LEVEL, &level);
    const ss_mark_t began = ss_trace_mark(machine);
    storsim_status_t status = STORSIM_OK;
    if (dpc.room == SS_ROOM_HOST) {
        storsim_callback_t callback = {.kind = STORSIM_CB_DPC, .routine = dpc.a, .values = {dpc.b}};
        status = ss_callback(machine, &callback);
    } else if (nt->ops[dpc.room] != NULL && nt->ops[dpc.room]->dpc != NULL) {
        status = nt->ops[dpc.room]->dpc(machine, dpc.kind, dpc.a, dpc.b);
    }
    ss_trace_span(machine, STORSIM_TRACE_DPC, &began, dpc.room, dpc.kind, dpc.a, dpc.queued);
    leave(machine, &level);
    return status;
}

/* The first deferred call that may run; dpc_count when there is none. */
static uint32_t next_dpc(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    uint32_t at = 0;
    while (at < nt->dpc_count &&
           (nt->cpus[nt->dpcs[at].cpu].irql >= DISPATCH_LEVEL || nt->dpcs[at].ready > storsim_now(machine))) {
        at++;
    }
    return at;
}

storsim_status_t ss_deliver(storsim_machine_t *machine) {
    nt_sync(machine); /* a restore leaves ss_where behind */
    for (;;) {
        if (ss_machine_alive(machine) != STORSIM_OK) {
            return STORSIM_OK; /* the call that stopped it has said so */
        }
        storsim_status_t status = serve_lines(machine);
        const ss_nt_t *nt = nt_of(machine);
        uint32_t at = nt->config.dpc_manual ? nt->dpc_count : next_dpc(machine);
        if (status != STORSIM_OK || at == nt->dpc_count) {
            return status;
        }
        status = run_dpc(machine, at);
        if (status != STORSIM_OK) {
            return status;
        }
    }
}

storsim_status_t storsim_run_dpcs(storsim_machine_t *machine, uint32_t *ran) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_out(ran != NULL ? *ran : 0u)};
        storsim_status_t answer = ss_tap_run(machine, &ss_nt_operations[SS_NT_RUN_DPCS], args, NULL);
        if (ran != NULL) {
            *ran = (uint32_t)args[0].value;
        }
        return answer;
    }
    storsim_status_t status = nt_alive(machine);
    uint32_t count = 0;
    while (status == STORSIM_OK && storsim_irql(machine) < DISPATCH_LEVEL) {
        const ss_nt_t *nt = nt_of(machine);
        uint32_t at = 0;
        while (at < nt->dpc_count && nt->dpcs[at].cpu != nt->cpu) {
            at++;
        }
        if (at == nt->dpc_count) {
            break;
        }
        status = run_dpc(machine, at);
        count++;
    }
    if (ran != NULL) {
        *ran = count;
    }
    return status == STORSIM_OK ? ss_deliver(machine) : status;
}

storsim_status_t nt_event(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    (void)state;
    (void)event;
    return ss_deliver(machine);
}
