/* machine/trace.c: the ring of what happened. */
#include "machine/machine_i.h"

void ss_trace(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    ss_trace_ring_t *ring = &machine->trace;
    uint64_t sequence = ring->total++;
    if (ring->entries == NULL) {
        ring->entries = ss_alloc_zeroed(&machine->host, ring->capacity, sizeof *ring->entries);
        if (ring->entries == NULL) {
            return; /* a trace without memory loses entries, never a call */
        }
    }
    ring->entries[sequence & (ring->capacity - 1)] = (storsim_trace_entry_t){.sequence = sequence,
                                                                             .time = machine->hardware.clock.now,
                                                                             .kind = kind,
                                                                             .routine = machine->where.routine,
                                                                             .irql = machine->where.irql,
                                                                             .cpu = (uint8_t)machine->where.cpu,
                                                                             .site = machine->where.site,
                                                                             .values = {a, b, c, d}};
}

size_t storsim_trace_count(const storsim_machine_t *machine) {
    const ss_trace_ring_t *ring = &machine->trace;
    if (ring->entries == NULL) {
        return 0;
    }
    return (size_t)(ring->total < ring->capacity ? ring->total : ring->capacity);
}

bool storsim_trace_get(const storsim_machine_t *machine, size_t index, storsim_trace_entry_t *entry) {
    size_t count = storsim_trace_count(machine);
    if (index >= count) {
        return false;
    }
    const ss_trace_ring_t *ring = &machine->trace;
    *entry = ring->entries[(ring->total - count + index) & (ring->capacity - 1)];
    return true;
}

uint64_t storsim_trace_total(const storsim_machine_t *machine) {
    return machine->trace.total;
}
