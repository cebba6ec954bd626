/* nt/call.c: the call frame: who calls what, from where, at which level. Frames nest through callbacks. */
#include "machine/bits.h"
#include "nt/nt_i.h"
#include "nt/operations.h"

#include <stddef.h>
#include <string.h>

/* The frame below, without what lies behind its arguments: outside of calls there are none. */
static inline void copy_where(ss_where_t *to, const ss_where_t *from) {
    memcpy(to, from, offsetof(ss_where_t, args));
    for (uint32_t i = 0; i < from->arg_count; i++) {
        to->args[i] = from->args[i];
    }
}

/* Field by field: clearing the whole frame would take longer than all the rest. */
storsim_status_t ss_call_begin(ss_call_t *call, storsim_machine_t *machine, const storsim_routine_t *routine,
                               storsim_arg_t *args) {
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        for (uint32_t i = 0; routine != NULL && i < routine->param_count; i++) {
            args[i].written = false;
        }
        return status;
    }
    ss_nt_t *nt = nt_of(machine);
    ss_where_t *where = ss_machine_where(machine);
    call->machine = machine;
    call->routine = routine;
    call->args = args;
    call->owner = 0;
    call->result = 0;
    call->raised = false;
    call->status = STORSIM_OK;
    call->staged = NULL;
    call->staged_set = 0;
    call->outer = nt->frame;
    call->began = ss_trace_mark(machine);
    copy_where(&call->saved, where);
    nt->frame = call;
    where->routine = 0;
    where->owner = 0;
    where->arg_count = 0;
    if (routine != NULL) { /* no routine has more parameters than a finding has room for */
        where->routine = routine->id;
        where->arg_count = routine->param_count;
        for (uint32_t i = 0; i < routine->param_count; i++) {
            where->args[i] = args[i].value;
            args[i].written = false;
        }
    }
    nt_sync(machine);
    call->irql = where->irql;
    call->situation = where->context;
    return STORSIM_OK;
}

/* What will be written into the out-parameters, the first four, in order. Returns their number. */
SS_ASIDE uint32_t staged_outputs(const ss_call_t *call, uint64_t outputs[4]) {
    const storsim_routine_t *routine = call->routine;
    uint32_t count = 0;
    for (uint32_t index = 0; index < routine->param_count; index++) {
        if ((call->staged_set >> index & 1u) != 0 && count < 4) {
            outputs[count++] = call->staged[index];
        }
    }
    return count;
}

/* The same where nothing is staged, which is every Storport call: only parameters that go out are looked at, which are fewer than four. */
static inline uint32_t outputs_of(const ss_call_t *call, uint64_t outputs[4]) {
    uint32_t count = 0;
    if (call->staged_set != 0) {
        return staged_outputs(call, outputs);
    }
    for (uint32_t left = call->routine->outs; left != 0; left &= left - 1) {
        const storsim_arg_t *arg = &call->args[ss_low_zeros(left)];
        if (arg->written) {
            outputs[count++] = arg->value;
        }
    }
    return count;
}

/* The call's entry in the trace, after one for its outputs when there are several. */
static void trace(const ss_call_t *call) {
    const storsim_routine_t *routine = call->routine;
    uint64_t outputs[4] = {0};
    if (call->status == STORSIM_OK && outputs_of(call, outputs) > 1) {
        ss_trace(call->machine, STORSIM_TRACE_OUTPUTS, outputs[0], outputs[1], outputs[2], outputs[3]);
    }
    uint32_t skip = routine->param_count != 0 && routine->params[0].type == STORSIM_T_DEVEXT ? 1 : 0;
    uint64_t first = skip < routine->param_count ? call->args[skip].value : 0;
    uint64_t second = skip + 1u < routine->param_count ? call->args[skip + 1].value : 0;
    ss_trace_span(call->machine, STORSIM_TRACE_CALL, &call->began, call->result, first, second, outputs[0]);
}

storsim_status_t ss_call_end(ss_call_t *call) {
    ss_nt_t *nt = nt_of(call->machine);
    if (call->routine != NULL) {
        trace(call);
        const ss_observer_t *observer = ss_machine_observer(call->machine);
        if (observer->call != NULL) {
            observer->call(observer->state, &(ss_seen_call_t){call->routine->id, call->irql, call->situation,
                                                              call->status, call->result});
        }
    }
    copy_where(ss_machine_where(call->machine), &call->saved);
    nt_sync(call->machine);
    nt->frame = call->outer;
    if (call->status != STORSIM_OK) {
        return call->status;
    }
    return call->raised ? STORSIM_VIOLATION : STORSIM_OK;
}

bool ss_call_plain(const storsim_machine_t *machine, const storsim_routine_t *routine) {
    const ss_nt_t *nt = nt_of(machine);
    const uint8_t irql = nt_irql(nt);
    return ss_machine_alive(machine) == STORSIM_OK && nt->limits == NULL && nt->config.os >= routine->first_os &&
           irql >= routine->irql_min && irql <= routine->irql_max;
}

static const nt_limit_t *limit_of(const ss_nt_t *nt, const storsim_routine_t *routine) {
    /* unreachable: there is a place for every routine */
    return nt->limits != NULL && routine->id < nt->limit_count ? &nt->limits[routine->id] : NULL;
}

bool ss_call_present(const ss_call_t *call) {
    const ss_nt_t *nt = nt_of(call->machine);
    const nt_limit_t *limit = limit_of(nt, call->routine);
    return nt->config.os >= (limit != NULL && limit->has_os ? limit->first_os : call->routine->first_os);
}

bool ss_call_irql_ok(const ss_call_t *call) {
    const ss_nt_t *nt = nt_of(call->machine);
    const nt_limit_t *limit = limit_of(nt, call->routine);
    uint8_t irql = nt->cpus[nt->cpu].irql;
    if (limit != NULL && limit->has_irql) {
        return irql >= limit->irql_min && irql <= limit->irql_max;
    }
    return irql >= call->routine->irql_min && irql <= call->routine->irql_max;
}

static storsim_status_t override(storsim_machine_t *machine, uint16_t routine, nt_limit_t **limit) {
    ss_nt_t *nt = nt_of(machine);
    if (nt == NULL || storsim_ddi_routine(routine) == NULL) {
        return STORSIM_INVALID;
    }
    if (nt->limits == NULL) {
        size_t count;
        const storsim_routine_t *table = storsim_ddi_table(&count);
        uint32_t slots = table[count - 1].id + UINT32_C(1); /* by id: the families' ids are not dense together */
        nt->limits = ss_alloc_zeroed(ss_machine_plain(machine), slots, sizeof(nt_limit_t));
        if (nt->limits == NULL) {
            return STORSIM_NO_MEMORY;
        }
        nt->limit_count = slots;
    }
    *limit = &nt->limits[routine];
    return STORSIM_OK;
}

storsim_status_t storsim_override_irql(storsim_machine_t *machine, uint16_t routine, uint8_t irql_min,
                                       uint8_t irql_max) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(routine), ss_arg_in(irql_min), ss_arg_in(irql_max)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_OVERRIDE_IRQL], args, NULL);
    }
    nt_limit_t *limit;
    storsim_status_t status = irql_min > irql_max ? STORSIM_INVALID : override(machine, routine, &limit);
    if (status == STORSIM_OK) {
        limit->has_irql = true;
        limit->irql_min = irql_min;
        limit->irql_max = irql_max;
    }
    return status;
}

storsim_status_t storsim_override_first_os(storsim_machine_t *machine, uint16_t routine, uint32_t os) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(routine), ss_arg_in(os)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_OVERRIDE_FIRST_OS], args, NULL);
    }
    nt_limit_t *limit;
    storsim_status_t status = override(machine, routine, &limit);
    if (status == STORSIM_OK) {
        limit->has_os = true;
        limit->first_os = os;
    }
    return status;
}
