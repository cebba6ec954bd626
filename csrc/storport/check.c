/* storport/check.c: invariants between this room's records and the kernel's. */
#include "storport/room.h"

#include <string.h>

typedef struct report {
    const char *first; /* the first broken invariant */
    size_t broken;
} report_t;

static void expect(report_t *report, bool condition, const char *what) {
    if (!condition) {
        report->first = report->broken++ == 0 ? what : report->first;
    }
}

static bool lives(storsim_machine_t *machine, ss_block_id_t id, storsim_block_kind_t kind, uint32_t owner) {
    const ss_block_t *block = ss_block(machine, id);
    return block != NULL && block->state == SS_STATE_LIVE && block->kind == kind && block->owner == owner;
}

static void check_adapter(storsim_machine_t *machine, const ss_adapter_t *adapter, report_t *report) {
    uint32_t owner = adapter->number;
    expect(report, lives(machine, adapter->extension_block, STORSIM_BLOCK_DEVICE_EXTENSION, owner), "storport: an adapter lost its device extension");
    expect(report, lives(machine, adapter->config_block, STORSIM_BLOCK_CONFIG, owner), "storport: an adapter lost its configuration");
    expect(report, adapter->uncached == 0 || lives(machine, adapter->uncached, STORSIM_BLOCK_UNCACHED, owner),
           "storport: an uncached extension is gone");
    expect(report, adapter->registry == 0 || lives(machine, adapter->registry, STORSIM_BLOCK_REGISTRY, owner),
           "storport: a registry buffer is gone");
    expect(report, adapter->hmb == 0 || lives(machine, adapter->hmb, STORSIM_BLOCK_HMB, owner), "storport: a host memory buffer is gone");
    if (adapter->hmb != 0 && ss_block(machine, adapter->hmb) != NULL) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < adapter->hmb_count; i++) {
            sum += adapter->hmb_ranges[i].RangeLength;
        }
        expect(report, sum == ss_block(machine, adapter->hmb)->size, "storport: the ranges of a host memory buffer do not add up");
    }
}

size_t ss_port_check(storsim_machine_t *machine, void *state, char *text, size_t capacity) {
    const ss_port_t *port = state;
    report_t report = {NULL, 0};
    for (uint32_t i = 0; i < port->adapter_count; i++) {
        const ss_adapter_t *adapter = port->adapters[i];
        uint64_t registers = 0;
        if (adapter->live) {
            check_adapter(machine, adapter, &report);
        }
        for (uint32_t k = 0; k < port->list_count; k++) {
            registers += port->lists[k]->adapter == adapter->number ? port->lists[k]->registers : 0;
        }
        expect(&report, registers == adapter->map_registers_used, "storport: map registers in use do not match the lists");
    }
    for (uint32_t i = 0; i < port->srb_count; i++) {
        const ss_srb_t *srb = port->srbs[i];
        expect(&report, lives(machine, srb->block, STORSIM_BLOCK_SRB, srb->adapter), "storport: a request lost its SRB");
        expect(&report, srb->data.length == 0 || lives(machine, srb->data.block, STORSIM_BLOCK_SRB_DATA, srb->adapter),
               "storport: a request lost its data buffer");
        expect(&report, srb->data.mdl == 0 || lives(machine, srb->data.mdl, STORSIM_BLOCK_MDL, srb->adapter),
               "storport: a request lost its MDL");
    }
    if (report.first != NULL && text != NULL && capacity > 0) {
        size_t length = strlen(report.first) < capacity - 1 ? strlen(report.first) : capacity - 1;
        memcpy(text, report.first, length);
        text[length] = '\0';
    }
    return report.broken;
}
