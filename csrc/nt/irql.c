/* nt/irql.c: levels, CPUs, the callback context of each CPU. */
#include "nt/nt_i.h"
#include "nt/operations.h"

uint8_t storsim_irql(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    return nt != NULL ? nt_irql(nt) : 0;
}

uint32_t storsim_cpu(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    return nt != NULL ? nt->cpu : 0;
}

uint8_t ss_context(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    return nt->cpus[nt->cpu].context;
}

void ss_set_context(storsim_machine_t *machine, uint8_t context) {
    ss_nt_t *nt = nt_of(machine);
    nt->cpus[nt->cpu].context = context;
    nt_sync(machine);
}

storsim_status_t storsim_set_cpu(storsim_machine_t *machine, uint32_t cpu) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(cpu)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_SET_CPU], args, NULL);
    }
    ss_nt_t *nt = nt_of(machine);
    if (nt == NULL || cpu >= nt->config.cpus) {
        return STORSIM_INVALID;
    }
    nt->cpu = cpu;
    nt_sync(machine);
    return ss_deliver(machine);
}

storsim_status_t storsim_set_irql(storsim_machine_t *machine, uint8_t irql, uint8_t *old) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(irql), ss_arg_out(old != NULL ? *old : 0u)};
        storsim_status_t answer = ss_tap_run(machine, &ss_nt_operations[SS_NT_SET_IRQL], args, NULL);
        if (old != NULL) {
            *old = (uint8_t)args[1].value;
        }
        return answer;
    }
    storsim_status_t status = nt_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_nt_t *nt = nt_of(machine);
    nt_cpu_t *cpu = &nt->cpus[nt->cpu];
    if (irql > HIGH_LEVEL || irql < cpu->floor) {
        return STORSIM_INVALID;
    }
    uint8_t before = cpu->irql;
    cpu->irql = irql;
    nt_sync(machine);
    if (old != NULL) {
        *old = before;
    }
    if (before != irql) {
        ss_trace(machine, STORSIM_TRACE_IRQL, before, irql, 0, 0);
    }
    return irql < before ? ss_deliver(machine) : STORSIM_OK;
}
