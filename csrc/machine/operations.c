/* machine/operations.c: the machine's public functions as data, and the tap itself. See tap.h. */
#include "machine/operations.h"

#include "machine/machine_i.h"

/* --- the tap ---------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_tap_run(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args, uint64_t *result) {
    ss_tap_t *tap = machine->head.tap;
    uint64_t answer = 0;
    storsim_status_t status = tap->ops->begin(tap, operation, args);
    bool told = status == STORSIM_OK;
    if (!told && (operation->flags & STORSIM_OP_SURE) == 0) {
        return status;
    }
    machine->head.inside++;
    status = operation->perform(machine, operation, args, &answer);
    machine->head.inside--;
    tap = machine->head.tap;
    if (tap != NULL && told) {
        tap->ops->end(tap, operation, args, status, answer);
    } else if (tap != NULL) {
        tap->ops->lost(tap);
    }
    if (result != NULL) {
        *result = answer;
    }
    return status;
}

storsim_status_t ss_machine_tap(storsim_machine_t *machine, struct ss_tap *tap) {
    if (tap != NULL) {
        bool fresh = machine->head.tap == NULL && machine->hardware.clock.now == 0 && machine->trace.total == 0 &&
                     machine->hardware.reserved_count == 0 && machine->hardware.bus.count == 0;
        for (int room = 0; room < SS_ROOM_COUNT; room++) {
            fresh = fresh && machine->rooms[room].ops == NULL;
        }
        if (!fresh) {
            return STORSIM_INVALID;
        }
        tap->machine = machine;
    }
    machine->head.tap = tap;
    return STORSIM_OK;
}

bool ss_machine_entered(const storsim_machine_t *machine) {
    return machine->callback_depth != 0;
}

void ss_machine_config(const storsim_machine_t *machine, storsim_range_t *ranges, storsim_machine_config_t *config) {
    for (size_t i = 0; i < machine->run_count; i++) {
        const storsim_memory_run_t *run = &machine->runs[i];
        ranges[i] = (storsim_range_t){run->first_pfn * STORSIM_PAGE_SIZE, run->pages * STORSIM_PAGE_SIZE, run->node};
    }
    *config = (storsim_machine_config_t){.ranges = ranges,
                                         .range_count = machine->run_count,
                                         .distances = machine->distances,
                                         .node_count = machine->node_count,
                                         .placement = machine->placement,
                                         .allow_cross_node = machine->allow_cross_node,
                                         .seed = machine->seed,
                                         .trace_entries = machine->trace.capacity};
}

/* --- performing ------------------------------------------------------------------------------------------------------- */

SS_PERFORM(memory_reserve) {
    (void)operation, (void)result;
    return storsim_memory_reserve(machine, args[0].value, args[1].value);
}

SS_PERFORM(memory_release) {
    (void)operation, (void)result;
    return storsim_memory_release(machine, args[0].value, args[1].value);
}

SS_PERFORM(memory_fragment) {
    (void)operation, (void)result;
    uint64_t pinned = args[4].value;
    storsim_status_t status =
        storsim_memory_fragment(machine, args[0].value, args[1].value, args[2].value, args[3].value, &pinned);
    return ss_arg_give(&args[4], pinned, status);
}

SS_PERFORM(memory_write) {
    (void)operation, (void)result;
    return storsim_memory_write(machine, args[0].value, args[1].data, args[1].count);
}

SS_PERFORM(advance) {
    (void)operation, (void)result;
    return storsim_advance(machine, args[0].value);
}

SS_PERFORM(run_until_interrupt) {
    (void)operation, (void)result;
    bool delivered = args[1].value != 0;
    storsim_status_t status = storsim_run_until_interrupt(machine, args[0].value, &delivered);
    return ss_arg_give(&args[1], delivered, status);
}

SS_PERFORM(fault_add) {
    (void)operation, (void)result;
    uint32_t id = (uint32_t)args[1].value;
    if (args[0].data == NULL) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = storsim_fault_add(machine, args[0].data, &id);
    return ss_arg_give(&args[1], id, status);
}

SS_PERFORM(fault_remove) {
    (void)operation, (void)result;
    return storsim_fault_remove(machine, (uint32_t)args[0].value);
}

SS_PERFORM(fault_clear) {
    (void)operation, (void)args, (void)result;
    storsim_fault_clear(machine);
    return STORSIM_OK;
}

SS_PERFORM(fault_pause) {
    (void)operation, (void)result;
    storsim_fault_pause(machine, args[0].value != 0);
    return STORSIM_OK;
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

#define RULE(field) SS_MEMBER(storsim_fault_rule_t, field)
static const storsim_member_t rule_members[] = {
    RULE(kind),  RULE(routine), RULE(match_tag), RULE(tag),       RULE(minimum_bytes), RULE(maximum_bytes), RULE(first), RULE(last),
    RULE(chances), RULE(seed), RULE(predicate), RULE(not_before), RULE(hardware),      RULE(device)};
static const storsim_layout_t rule_layout = SS_LAYOUT("fault_rule", storsim_fault_rule_t, rule_members);

static const storsim_param_t p_range[] = {SS_FIELD(address, PHYSICAL, IN), SS_FIELD(length, ULONGLONG, IN)};
static const storsim_param_t p_fragment[] = {SS_FIELD(numerator, ULONGLONG, IN), SS_FIELD(denominator, ULONGLONG, IN),
    SS_FIELD(run_pages, ULONGLONG, IN), SS_FIELD(seed, ULONGLONG, IN), SS_FIELD(pinned_pages, ULONGLONG, OUT)};
static const storsim_param_t p_write[] = {SS_FIELD(address, PHYSICAL, IN), SS_FIELD(data, BYTES, IN)};
static const storsim_param_t p_advance[] = {SS_FIELD(ticks, TICKS, IN)};
static const storsim_param_t p_until[] = {SS_FIELD(limit, TICKS, IN), SS_FIELD(delivered, BOOLEAN, OUT)};
static const storsim_param_t p_fault_add[] = {SS_FIELD(rule, STRUCT, IN), SS_FIELD(id, RULE, OUT)};
static const storsim_param_t p_fault_remove[] = {SS_FIELD(id, RULE, IN)};
static const storsim_param_t p_fault_pause[] = {SS_FIELD(pause, BOOLEAN, IN)};
static const storsim_param_t p_snapshot[] = {SS_FIELD(snapshot, SNAPSHOT, OUT)};
static const storsim_param_t p_restore[] = {SS_FIELD(snapshot, SNAPSHOT, IN), SS_FIELD(bytes, BYTES, IN)};

#define ROW(index, function) [index] = {.id = SS_OP_MACHINE + (index), .name = #function, .perform = function
const storsim_operation_t ss_machine_operations[SS_MACHINE_OPERATIONS] = {
    ROW(SS_MEMORY_RESERVE, memory_reserve), SS_FIELDS(p_range)},
    ROW(SS_MEMORY_RELEASE, memory_release), SS_FIELDS(p_range)},
    ROW(SS_MEMORY_FRAGMENT, memory_fragment), SS_FIELDS(p_fragment)},
    ROW(SS_MEMORY_WRITE, memory_write), SS_FIELDS(p_write)},
    ROW(SS_ADVANCE, advance), SS_FIELDS(p_advance)},
    ROW(SS_RUN_UNTIL_INTERRUPT, run_until_interrupt), SS_FIELDS(p_until)},
    ROW(SS_FAULT_ADD, fault_add), SS_FIELDS(p_fault_add), .layout = &rule_layout},
    ROW(SS_FAULT_REMOVE, fault_remove), SS_FIELDS(p_fault_remove)},
    ROW(SS_FAULT_CLEAR, fault_clear), .flags = STORSIM_OP_SURE},
    ROW(SS_FAULT_PAUSE, fault_pause), SS_FIELDS(p_fault_pause), .flags = STORSIM_OP_SURE},
    [SS_SNAPSHOT] = {.id = SS_OP_MACHINE + SS_SNAPSHOT, .name = "snapshot", SS_FIELDS(p_snapshot)},
    [SS_RESTORE] = {.id = SS_OP_MACHINE + SS_RESTORE, .name = "restore", SS_FIELDS(p_restore)},
};
