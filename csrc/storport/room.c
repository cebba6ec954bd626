/* storport/room.c: the Storport room hangs itself on a machine. */
#include "storport/room.h"
#include "storport/operations.h"

static void free_runs(ss_host_t *host, ss_runs_t *runs) {
    ss_release(host, runs->list);
}

void ss_port_destroy(storsim_machine_t *machine, void *state) {
    ss_host_t *host = ss_machine_host(machine);
    ss_port_t *port = state;
    for (uint32_t i = 0; i < port->adapter_count; i++) {
        ss_release(host, port->adapters[i]->hmb_ranges);
        ss_release(host, port->adapters[i]->marks);
        ss_release(host, port->adapters[i]);
    }
    for (uint32_t i = 0; i < port->srb_count; i++) {
        free_runs(host, &port->srbs[i]->data.runs);
        free_runs(host, &port->srbs[i]->data_in.runs);
        ss_release(host, port->srbs[i]);
    }
    for (uint32_t i = 0; i < port->list_count; i++) {
        free_runs(host, &port->lists[i]->runs);
        ss_release(host, port->lists[i]);
    }
    ss_release(host, port->adapters);
    ss_release(host, port->srbs);
    ss_release(host, port->lists);
    ss_release(host, port->frames);
    ss_release(host, port);
}

static ss_port_t *create(storsim_machine_t *machine) {
    ss_port_t *port = ss_alloc_zeroed(ss_machine_host(machine), 1, sizeof *port);
    if (port != NULL) {
        port->next_sequence = 1;
    }
    return port;
}

static void *fresh(storsim_machine_t *machine, const void *current) {
    (void)current;
    return create(machine);
}

static const ss_room_ops_t room_ops = {
    .name = "storport", .fresh = fresh, .destroy = ss_port_destroy, .walk = ss_port_walk, .check = ss_port_check};

static const ss_kernel_ops_t kernel_ops = {.dpc = ss_sg_dpc};

storsim_status_t storsim_storport_attach(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_ATTACH], NULL, NULL);
    }
    if (ss_port(machine) != NULL || storsim_nt_config(machine) == NULL) {
        return STORSIM_INVALID;
    }
    ss_port_t *port = create(machine);
    if (port == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status = ss_hmb_install_hooks(machine);
    if (status == STORSIM_OK) {
        status = ss_kernel_ops_register(machine, SS_ROOM_STORPORT, &kernel_ops);
    }
    if (status == STORSIM_OK) {
        status = ss_room_attach(machine, SS_ROOM_STORPORT, &room_ops, port);
    }
    if (status != STORSIM_OK) {
        ss_port_destroy(machine, port);
    }
    return status;
}
