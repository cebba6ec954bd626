/* machine/trace.c: the ring of what happened. */
#include "machine/machine_i.h"

/* The slot of the next entry; NULL when there is no memory for the ring: a trace then loses entries, never a call. */
static ss_trace_slot_t *next_slot(storsim_machine_t *machine) {
    ss_trace_ring_t *ring = &machine->trace;
    uint64_t sequence = ring->total++;
    if (ring->entries == NULL) {
        ring->entries = ss_alloc_zeroed(&machine->plain, ring->capacity, sizeof *ring->entries);
        if (ring->entries == NULL) {
            return NULL;
        }
    }
    return &ring->entries[sequence & (ring->capacity - 1)];
}

void ss_trace(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    ss_trace_slot_t *slot = next_slot(machine);
    if (slot != NULL) {
        const ss_where_t *where = &machine->where;
        uint64_t now = machine->hardware.clock.now;
        *slot = (ss_trace_slot_t){.time = now,
                                  .began = now,
                                  .kind = kind,
                                  .routine = where->routine,
                                  .irql = where->irql,
                                  .cpu = (uint8_t)where->cpu,
                                  .site = where->site,
                                  .values = {a, b, c, d}};
    }
}

ss_mark_t ss_trace_mark(const storsim_machine_t *machine) {
    return (ss_mark_t){.time = machine->hardware.clock.now,
                       .sequence = machine->trace.total,
                       .irql = machine->where.irql,
                       .cpu = (uint8_t)machine->where.cpu};
}

void ss_trace_span(storsim_machine_t *machine, uint16_t kind, const ss_mark_t *began, uint64_t a, uint64_t b, uint64_t c,
                   uint64_t d) {
    uint64_t inside = machine->trace.total - began->sequence;
    ss_trace_slot_t *slot = next_slot(machine);
    if (slot != NULL) {
        *slot = (ss_trace_slot_t){.time = machine->hardware.clock.now,
                                  .began = began->time,
                                  .kind = kind,
                                  .routine = machine->where.routine,
                                  .irql = began->irql,
                                  .cpu = began->cpu,
                                  .site = machine->where.site,
                                  .inside = inside < UINT32_MAX ? (uint32_t)inside : UINT32_MAX,
                                  .values = {a, b, c, d}};
    }
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
    uint64_t sequence = ring->total - count + index;
    const ss_trace_slot_t *slot = &ring->entries[sequence & (ring->capacity - 1)];
    *entry = (storsim_trace_entry_t){
        .sequence = sequence,
        .time = slot->time,
        .began = slot->began,
        .kind = slot->kind,
        .routine = slot->routine,
        .irql = slot->irql,
        .cpu = slot->cpu,
        .site = slot->site,
        .inside = slot->inside,
        .values = {slot->values[0], slot->values[1], slot->values[2], slot->values[3]},
    };
    return true;
}

uint64_t storsim_trace_total(const storsim_machine_t *machine) {
    return machine->trace.total;
}
