/* storport/hmb_device.c: between the controller model and the driver's rules. The controller knows nothing of Windows: who owns which
 * memory it asks here, and what it finds wrong becomes a violation of the adapter it hangs on. */
#include "storport/room.h"

static ss_adapter_t *adapter_of(const storsim_machine_t *machine, uint32_t device) {
    const ss_port_t *port = ss_port(machine);
    for (uint32_t i = 0; i < port->adapter_count; i++) { /* the port has set the hooks, so it is there */
        if (port->adapters[i]->live && port->adapters[i]->device == device) {
            return port->adapters[i];
        }
    }
    return NULL;
}

static bool owns(storsim_machine_t *machine, uint32_t device, uint64_t address, uint64_t bytes) {
    const ss_adapter_t *adapter = adapter_of(machine, device);
    return adapter == NULL || ss_hmb_contains(adapter, address, bytes); /* a device without an adapter has no driver to blame */
}

static const ss_rule_id_t rules[STORSIM_NVME_FAULT_COUNT] = {
    [STORSIM_NVME_FAULT_OUTSIDE] = SS_HMB_OUTSIDE,
    [STORSIM_NVME_FAULT_SIZE_SUM] = SS_HMB_SIZE_SUM,
    [STORSIM_NVME_FAULT_TOO_SMALL] = SS_HMB_TOO_SMALL,
    [STORSIM_NVME_FAULT_ENTRIES] = SS_HMB_ENTRIES,
    [STORSIM_NVME_FAULT_ENTRY_SIZE] = SS_HMB_ENTRY_SIZE,
    [STORSIM_NVME_FAULT_MISALIGNED] = SS_HMB_MISALIGNED,
    [STORSIM_NVME_FAULT_LIST_UNREADABLE] = SS_HMB_LIST_UNREADABLE,
    [STORSIM_NVME_FAULT_WRITTEN] = SS_HMB_WRITTEN_WHILE_ENABLED,
    [STORSIM_NVME_FAULT_RETURN_CHANGED] = SS_HMB_RETURN_CHANGED,
    [STORSIM_NVME_FAULT_NOT_ENABLED] = SS_HMB_NOT_ENABLED,
};

static storsim_status_t report(storsim_machine_t *machine, uint32_t device, const storsim_nvme_report_t *report) {
    const ss_adapter_t *adapter = adapter_of(machine, device);
    if (adapter == NULL) {
        return STORSIM_OK;
    }
    ss_call_t call;
    storsim_status_t status = ss_action_begin(&call, machine, adapter->number);
    if (status != STORSIM_OK) { /* unreachable: the controller answers STOPPED itself before it reports */
        return status;
    }
    const ss_block_t *block = adapter->hmb != 0 ? ss_block(machine, adapter->hmb) : NULL;
    const ss_detail_t detail = {.expected = report->expected, .got = report->got, .address = report->address,
                                .allocated_at = block != NULL ? block->site : 0, .owner = adapter->number};
    ss_violate(&call, rules[report->fault], &detail);
    return ss_call_end(&call);
}

static const storsim_nvme_hooks_t hooks = {.owns = owns, .report = report};

storsim_status_t ss_hmb_install_hooks(storsim_machine_t *machine) {
    return storsim_nvme_set_hooks(machine, &hooks);
}
