/* machine/trace.c: the ring of what happened. */
#include "machine/bits.h"
#include "machine/machine_i.h"

#include <string.h>

/* The ring before its first entry; false when there is no memory for it: a trace then loses entries, never a call. */
static bool have_ring(storsim_machine_t *machine) {
    ss_trace_ring_t *ring = &machine->trace;
    ring->entries = ss_alloc_zeroed(&machine->plain, ring->capacity, sizeof *ring->entries);
    return ring->entries != NULL;
}

/* The slot of the next entry. */
static ss_trace_slot_t *next_slot(ss_trace_ring_t *ring) {
    return &ring->entries[ring->total++ & (ring->capacity - 1)];
}

/* Most entries have no duration. They are written where they are made: this runs for every access of a device. */
SS_INLINE void note(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    const ss_where_t *where = &machine->head.where;
    uint64_t now = machine->hardware.clock.now;
    *next_slot(&machine->trace) = (ss_trace_slot_t){.time = now,
                                                    .began = now,
                                                    .kind = kind,
                                                    .routine = where->routine,
                                                    .irql = where->irql,
                                                    .cpu = (uint8_t)where->cpu,
                                                    .site = where->site,
                                                    .values = {a, b, c, d}};
}

SS_ASIDE void note_first(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    if (have_ring(machine)) {
        note(machine, kind, a, b, c, d);
    } else {
        machine->trace.total++;
    }
}

void ss_trace(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    if (machine->trace.entries != NULL) {
        note(machine, kind, a, b, c, d);
    } else {
        note_first(machine, kind, a, b, c, d);
    }
}

ss_mark_t ss_trace_mark(const storsim_machine_t *machine) {
    return (ss_mark_t){.time = machine->hardware.clock.now,
                       .sequence = machine->trace.total,
                       .irql = machine->head.where.irql,
                       .cpu = (uint8_t)machine->head.where.cpu};
}

SS_INLINE void span(storsim_machine_t *machine, uint16_t kind, uint16_t routine, const ss_mark_t *began, const uint64_t values[4]) {
    uint64_t inside = machine->trace.total - began->sequence;
    if (machine->trace.entries == NULL && !have_ring(machine)) {
        machine->trace.total++;
        return;
    }
    ss_trace_slot_t *slot = next_slot(&machine->trace);
    slot->time = machine->hardware.clock.now;
    slot->began = began->time;
    slot->kind = kind;
    slot->routine = routine;
    slot->irql = began->irql;
    slot->cpu = began->cpu;
    slot->site = machine->head.where.site;
    /* unreachable: nobody makes so many entries in one span */
    slot->inside = inside < UINT32_MAX ? (uint32_t)inside : UINT32_MAX;
    memcpy(slot->values, values, sizeof slot->values);
}

void ss_trace_span(storsim_machine_t *machine, uint16_t kind, const ss_mark_t *began, uint64_t a, uint64_t b, uint64_t c,
                   uint64_t d) {
    const uint64_t values[4] = {a, b, c, d};
    span(machine, kind, machine->head.where.routine, began, values);
}

/* What has just begun and ended. */
SS_INLINE ss_trace_slot_t *note_at_once(storsim_machine_t *machine, uint16_t kind, uint16_t routine, uint32_t inside) {
    const ss_where_t *where = &machine->head.where;
    ss_trace_slot_t *slot = next_slot(&machine->trace);
    slot->time = slot->began = machine->hardware.clock.now;
    slot->kind = kind;
    slot->routine = routine;
    slot->irql = where->irql;
    slot->cpu = (uint8_t)where->cpu;
    slot->site = where->site;
    slot->inside = inside;
    return slot;
}

void ss_trace_at_once(storsim_machine_t *machine, uint16_t routine, const uint64_t values[4], const uint64_t *outputs) {
    if (machine->trace.entries == NULL && !have_ring(machine)) {
        machine->trace.total += outputs != NULL ? 2 : 1;
        return;
    }
    if (outputs != NULL) {
        ss_trace_slot_t *slot = note_at_once(machine, STORSIM_TRACE_OUTPUTS, routine, 0);
        slot->values[0] = outputs[0];
        slot->values[1] = outputs[1];
        slot->values[2] = slot->values[3] = 0;
    }
    memcpy(note_at_once(machine, STORSIM_TRACE_CALL, routine, outputs != NULL)->values, values, 4 * sizeof *values);
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
