/* tests/machine_pin.h: a machine at its end as a part of its program's number (tests/check.h): its state, every number
 * of every finding, and the trace, which holds what calls gave out. */
#ifndef MACHINE_PIN_H
#define MACHINE_PIN_H

#include "tests/check.h"
#include "tests/pins.h"

#include "storsim/machine.h"

static inline void machine_pin_finding(const storsim_finding_t *finding) {
    const uint64_t numbers[] = {(uint64_t)finding->kind, finding->routine,    finding->irql,         finding->cpu,
                                finding->time,           finding->owner,      finding->site,         finding->allocated_at,
                                finding->freed_at,       finding->context,    finding->code,         finding->parameters[0],
                                finding->parameters[1],  finding->parameters[2], finding->parameters[3], finding->expected,
                                finding->got,            finding->address,    finding->allocated_time, finding->freed_time,
                                finding->allocated_irql, finding->freed_irql, finding->allocated_context, finding->allocated_known,
                                finding->freed_known,    finding->arg_count};
    for (const char *at = finding->name; *at != '\0'; at++) {
        check_fold((uint8_t)*at);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        check_fold(numbers[i]);
    }
    for (uint8_t i = 0; i < finding->arg_count; i++) {
        check_fold(finding->args[i]);
    }
}

static inline void machine_pin_trace(const storsim_machine_t *machine) {
    storsim_trace_entry_t entry;
    check_fold(storsim_trace_total(machine));
    for (size_t i = 0; storsim_trace_get(machine, i, &entry); i++) {
        const uint64_t numbers[] = {entry.sequence, entry.time,   entry.began,     entry.kind,      entry.routine,   entry.irql,
                                    entry.cpu,      entry.site,   entry.inside,    entry.values[0], entry.values[1], entry.values[2],
                                    entry.values[3]};
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
            check_fold(numbers[n]);
        }
    }
}

static inline void machine_pin(storsim_machine_t *machine) {
    uint64_t digest = 0;
    if (machine != NULL && storsim_digest(machine, &digest) == STORSIM_OK) { /* a host that fails on purpose may refuse */
        check_fold(digest);
        for (size_t i = 0; i < storsim_finding_count(machine); i++) {
            machine_pin_finding(storsim_finding_get(machine, i));
        }
        machine_pin_trace(machine);
    }
}

#endif
