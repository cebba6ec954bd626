/* storport/call.c: every Storport call passes here. One function holds the order of checks for all routines (spec §1.3):
 *
 *   1 the active OS has the routine     else NOT_IMPLEMENTED, no output written
 *   2 HwDeviceExtension                 §3.0
 *   3 IRQL, where the routine has a status for it
 *   4 pointers and arguments            the routine's own function from here on
 *   5 fault plan
 *   6 resources
 *
 * From step 2 on a failing call clears its out-parameters. A call that stops the machine or the host writes nothing at all. */
#include "machine/bits.h"
#include "storport/room.h"
#include "storport/operations.h"

#include <assert.h>
#include <string.h>

static const ss_handler_t handlers[STORSIM_ID_STORPORT_END] = {
#define SS_HANDLER(name) [STORSIM_ID_##name] = ss_##name,
    STORSIM_STORPORT_ROUTINE_MAP(SS_HANDLER)
#undef SS_HANDLER
};

void ss_reply(ss_sp_t *sp, uint32_t status) {
    sp->call.result = status;
}

void ss_out(storsim_arg_t *arg, uint64_t value) {
    if (arg->present) {
        arg->value = value;
        arg->written = true;
    }
}

bool ss_sp_fault(ss_sp_t *sp, uint32_t tag, uint64_t bytes) {
    return ss_fault(sp->machine, sp->call.routine->id, tag, bytes, &sp->call.status);
}

storsim_status_t ss_action_begin(ss_call_t *call, storsim_machine_t *machine, uint32_t owner) {
    storsim_status_t status = ss_call_begin(call, machine, NULL, NULL);
    if (status == STORSIM_OK) {
        call->owner = owner;
        ss_machine_where(machine)->owner = owner;
    }
    return status;
}

/* --- outputs -------------------------------------------------------------------------------------------------------- */

static bool failed(const ss_sp_t *sp) {
    storsim_return_t returns = sp->call.routine->returns;
    if (returns == STORSIM_R_STATUS) {
        return sp->call.result != SS_STOR(SUCCESS);
    }
    return (returns == STORSIM_R_POINTER || returns == STORSIM_R_PHYSICAL) && sp->call.result == 0;
}

/* Zeroes the out-parameters the routine has not written itself. In-out ones (counts, lengths) stay as they were. */
static void clear_outputs(ss_sp_t *sp) {
    const storsim_routine_t *routine = sp->call.routine;
    for (uint32_t i = 0; i < routine->param_count; i++) {
        const storsim_param_t *param = &routine->params[i];
        storsim_arg_t *arg = &sp->a[i];
        if ((param->flags & STORSIM_P_INOUT) != STORSIM_P_OUT || (param->flags & STORSIM_P_HIDDEN) || arg->written) {
            continue;
        }
        if (param->type != STORSIM_T_GROUP_AFFINITY) {
            ss_out(arg, 0);
        } else if (arg->present && arg->data != NULL && arg->count > 0) {
            memset(arg->data, 0, sizeof(storsim_group_affinity_t));
            arg->written = true;
        }
    }
}

/* --- step 2: HwDeviceExtension -------------------------------------------------------------------------------------- */

/* Spec §3.0 and ruling R54: with the verifier on, the port reads the adapter object behind the extension and faults. */
static void stop_at_foreign(ss_sp_t *sp, uint64_t extension) {
    uint8_t irql = storsim_irql(sp->machine);
    const ss_detail_t detail = {.got = extension, .address = extension};
    if (irql >= 2) {
        ss_bugcheck(&sp->call, SS_FOREIGN_DEVEXT, 0xD1, extension, irql, 0, 0, &detail);
        return;
    }
    ss_block_id_t id = ss_block_around(sp->machine, extension);
    const ss_block_t *block = id ? ss_block(sp->machine, id) : NULL;
    uint64_t reason = 0x2;
    if (extension <= STORSIM_USER_END) {
        reason = 0xF;
    } else if (extension < STORSIM_SYSTEM_START) {
        reason = 0x4;
    } else if (block != NULL && block->state == SS_STATE_QUARANTINED) {
        reason = 0x0;
    }
    ss_bugcheck(&sp->call, SS_FOREIGN_DEVEXT, 0x50, extension, 0, 0, reason, &detail);
}

/* Finds the adapter. False: the call ends here, result and status are set. */
static bool find_adapter(ss_sp_t *sp) {
    const storsim_routine_t *routine = sp->call.routine;
    if (routine->params[0].type != STORSIM_T_DEVEXT) { /* every routine has a parameter */
        return true;
    }
    uint64_t extension = sp->a[0].value;
    bool status = routine->returns == STORSIM_R_STATUS;
    sp->call.result = status ? SS_STOR(INVALID_PARAMETER) : 0;
    if (extension == 0) {
        /* The two scatter/gather pages document this status; everywhere else a real port would fault. */
        if (routine->id != STORSIM_ID_StorPortBuildScatterGatherList && routine->id != STORSIM_ID_StorPortPutScatterGatherList) {
            ss_violate(&sp->call, SS_NULL_DEVEXT, NULL);
        }
        return false;
    }
    ss_adapter_t *adapter = ss_adapter_at(sp->port, extension);
    if (adapter == NULL) {
        if (ss_at_least(sp->machine, STORSIM_VERIFIER)) {
            stop_at_foreign(sp, extension);
        } else {
            const ss_detail_t detail = {.got = extension, .address = extension};
            ss_violate(&sp->call, SS_FOREIGN_DEVEXT, &detail);
        }
        return false;
    }
    sp->call.owner = adapter->number;
    ss_machine_where(sp->machine)->owner = adapter->number;
    if (!adapter->live) {
        const ss_detail_t detail = {.address = extension, .owner = adapter->number};
        ss_violate(&sp->call, SS_USE_AFTER_REMOVE, &detail);
        sp->call.result = status ? SS_STOR(INVALID_DEVICE_STATE) : 0;
        return false;
    }
    sp->adapter = adapter;
    sp->call.result = 0;
    return true;
}

/* --- step 3: IRQL --------------------------------------------------------------------------------------------------- */

static bool check_irql(ss_sp_t *sp) {
    const storsim_routine_t *routine = sp->call.routine;
    if (routine->id == STORSIM_ID_StorPortAllocatePool && !sp->adapter->config.full_duplex && !sp->adapter->config.virtual_miniport &&
        ss_in_context(sp, STORSIM_CONTEXT_START_IO)) {
        ss_violate(&sp->call, SS_SpNoWait, NULL);
    }
    if (ss_call_irql_ok(&sp->call)) {
        return true;
    }
    bool pool = routine->id == STORSIM_ID_StorPortAllocatePool || routine->id == STORSIM_ID_StorPortFreePool;
    if (pool && storsim_nt_config(sp->machine)->bypass_irql_status) {
        return true; /* spec V11: the bad level reaches the pool allocator itself, and stops there */
    }
    bool contiguous = routine->id >= STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode &&
                      routine->id <= STORSIM_ID_StorPortFreeDmaMemory;
    bool registry = routine->id == STORSIM_ID_StorPortAllocateRegistryBuffer || routine->id == STORSIM_ID_StorPortFreeRegistryBuffer;
    if ((contiguous || registry) && ss_at_least(sp->machine, STORSIM_VERIFIER)) {
        ss_bugcheck(&sp->call, contiguous ? SS_StorPortIrql : SS_BAD_IRQL, 0xC4, 0xE5, storsim_irql(sp->machine), 0, 0, NULL);
        return false;
    }
    ss_violate(&sp->call, registry ? SS_BAD_IRQL : SS_StorPortIrql, NULL);
    if (routine->has_irql_status) {
        ss_reply(sp, SS_STOR(INVALID_IRQL));
        return false;
    }
    return !registry; /* the others have no status for it and do their work; the registry routines do nothing */
}

/* --- the call ------------------------------------------------------------------------------------------------------- */

/* Steps 1 to 6. The result stands in sp->call.result unless sp->call.status says the call stopped. */
static void run(ss_sp_t *sp) {
    const storsim_routine_t *routine = sp->call.routine;
    if (!ss_call_present(&sp->call)) {
        sp->call.result = routine->returns == STORSIM_R_STATUS ? SS_STOR(NOT_IMPLEMENTED) : 0;
        if (storsim_nt_config(sp->machine)->not_implemented_writes) {
            clear_outputs(sp);
        }
        return;
    }
    if (find_adapter(sp)) {
        /* Spec §2.8: the dump path has no pool, so for it the routine does not exist either. */
        if (routine->id == STORSIM_ID_StorPortAllocatePool && sp->adapter->config.dump_mode != 0) {
            ss_reply(sp, SS_STOR(NOT_IMPLEMENTED));
            if (storsim_nt_config(sp->machine)->not_implemented_writes) {
                clear_outputs(sp);
            }
            return;
        }
        if (check_irql(sp)) {
            assert(handlers[routine->id] != NULL); /* the map has every routine of the family, and no other comes here */
            handlers[routine->id](sp);
        }
    }
    if (failed(sp)) {
        clear_outputs(sp);
    }
}

/* A call that stopped has written nothing: its arguments get back what the frame, which has room for all of them, was told at the begin.
 * `where` is copied before ss_call_end gives it back to the frame below. */
SS_ASIDE storsim_status_t end_stopped(ss_sp_t *sp) {
    uint64_t before[STORSIM_FINDING_ARGS];
    const storsim_routine_t *routine = sp->call.routine;
    memcpy(before, ss_machine_where(sp->machine)->args, sizeof before);
    storsim_status_t status = ss_call_end(&sp->call);
    for (uint32_t i = 0; i < routine->param_count; i++) {
        sp->a[i].value = before[i];
        sp->a[i].written = false;
    }
    return status;
}

/* With a journal: the record first, then the call. */
SS_ASIDE storsim_status_t recorded_call(storsim_machine_t *machine, const storsim_routine_t *routine, storsim_arg_t *args, uint64_t *result) {
    const storsim_operation_t operation = ss_sp_operation(routine);
    return ss_tap_run(machine, &operation, args, result);
}

/* A row of the table, and of this family: its rows are the first. */
static bool ours(const storsim_routine_t *routine) {
    return routine != NULL && routine->id >= 1 && routine->id < STORSIM_ID_STORPORT_END &&
           routine == storsim_ddi_table(NULL) + (routine->id - 1);
}

storsim_status_t storsim_storport_call(storsim_machine_t *machine, const storsim_routine_t *routine, storsim_arg_t *args, uint64_t *result) {
    *result = 0;
    if (!ours(routine) || ss_port(machine) == NULL || args == NULL) {
        return STORSIM_INVALID;
    }
    if (ss_tapped(machine)) {
        return recorded_call(machine, routine, args, result);
    }
    storsim_status_t status;
    if (routine->id <= SS_PLAIN_LAST && ss_plain(machine, ss_port(machine), routine, args, result, &status)) {
        return status;
    }
    ss_sp_t sp; /* its call is filled in by ss_call_begin */
    sp.machine = machine;
    sp.port = ss_port(machine);
    sp.adapter = NULL;
    sp.a = args;
    status = ss_call_begin(&sp.call, machine, routine, args);
    if (status != STORSIM_OK) {
        return status;
    }
    run(&sp);
    if (sp.call.status != STORSIM_OK) {
        return end_stopped(&sp);
    }
    status = ss_call_end(&sp.call);
    *result = sp.call.result;
    return status;
}

storsim_status_t storsim_storport_extended(storsim_machine_t *machine, int32_t function_code, storsim_arg_t *args, uint64_t *result) {
    const storsim_routine_t *routine = storsim_ddi_by_code(function_code);
    if (routine != NULL) { /* function codes are Storport's alone */
        return storsim_storport_call(machine, routine, args, result);
    }
    *result = 0;
    if (ss_port(machine) == NULL) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK) {
        *result = SS_STOR(NOT_IMPLEMENTED);
    }
    return status;
}
