/* storport/leaks.c: an adapter goes (spec §3.13, ruling R18). Every leak is recorded before anything else happens, then the checks that
 * are on decide whether the machine stops; if it runs on, everything is freed by force. */
#include "storport/room.h"
#include "storport/operations.h"

typedef struct leaks {
    uint64_t pool, dma, lists, found;
} leaks_t;

/* The violation for a leaked block; SS_NONE for memory of the port itself. */
static ss_rule_id_t leak_rule(storsim_block_kind_t kind) {
    switch (kind) {
    case STORSIM_BLOCK_POOL: return SS_POOL_LEAK;
    case STORSIM_BLOCK_CONTIGUOUS: return SS_CONTIGUOUS_LEAK;
    case STORSIM_BLOCK_DMA: return SS_DMA_LEAK;
    case STORSIM_BLOCK_MDL: return SS_MDL_LEAK;
    case STORSIM_BLOCK_REGISTRY: return SS_REGISTRY_LEAK;
    case STORSIM_BLOCK_HMB: return SS_HMB_LEAK;
    default: return SS_NONE;
    }
}

static void record_block(ss_call_t *call, const ss_adapter_t *adapter, const ss_block_t *block, ss_rule_id_t rule, leaks_t *leaks) {
    const ss_detail_t detail = {.address = block->va != 0 ? block->va : adapter->hmb_ranges != NULL ? adapter->hmb_ranges[0].RangeStart : 0,
                                .got = block->size, .allocated_at = block->site, .owner = adapter->number, .no_raise = true};
    ss_violate(call, rule, &detail);
    leaks->found++;
    leaks->pool += block->kind == STORSIM_BLOCK_POOL ? 1 : 0;
    leaks->dma += block->kind == STORSIM_BLOCK_DMA || block->kind == STORSIM_BLOCK_CONTIGUOUS ? 1 : 0;
}

static void record(ss_call_t *call, const ss_adapter_t *adapter, leaks_t *leaks) {
    storsim_machine_t *machine = call->machine;
    const ss_port_t *port = ss_port(machine);
    for (ss_block_id_t id = ss_block_next(machine, 0); id != 0; id = ss_block_next(machine, id)) {
        const ss_block_t *block = ss_block(machine, id);
        ss_rule_id_t rule = leak_rule((storsim_block_kind_t)block->kind);
        if (block->owner == adapter->number && rule != SS_NONE && !ss_srb_owns_mdl(machine, id)) {
            record_block(call, adapter, block, rule, leaks);
        }
    }
    for (uint32_t i = 0; i < port->list_count; i++) {
        const ss_sg_t *sg = port->lists[i];
        if (sg->adapter == adapter->number) {
            const ss_detail_t detail = {.address = sg->list, .got = sg->length, .allocated_at = sg->site, .owner = adapter->number,
                                        .no_raise = true};
            ss_violate(call, SS_SG_LEAK, &detail);
            leaks->found++;
            leaks->lists++;
        }
    }
}

/* One stop for the worst leak, if the check for it is on. */
static void stop(ss_call_t *call, const ss_adapter_t *adapter, const leaks_t *leaks) {
    storsim_machine_t *machine = call->machine;
    const ss_detail_t detail = {.got = leaks->found, .address = adapter->extension, .owner = adapter->number};
    if (leaks->pool != 0 && ss_verifying(machine, STORSIM_V_POOL_TRACKING)) {
        ss_bugcheck(call, SS_POOL_LEAK, 0xC4, 0x62, adapter->extension, 0, leaks->pool, &detail);
    } else if (leaks->dma != 0 && ss_verifying(machine, STORSIM_V_DMA)) {
        ss_bugcheck(call, SS_DMA_LEAK, 0xE6, 0x07, adapter->extension, leaks->dma, 0, &detail);
    } else if (leaks->lists != 0 && ss_verifying(machine, STORSIM_V_DMA)) {
        ss_bugcheck(call, SS_SG_LEAK, 0xE6, 0x0A, adapter->extension, leaks->lists, 0, &detail);
    } else if (leaks->found != 0 && ss_at_least(machine, STORSIM_STRICT)) {
        call->raised = true;
    }
}

/* Frees what the adapter holds, users before what they use. */
static void release_all(storsim_machine_t *machine, ss_adapter_t *adapter) {
    ss_port_t *port = ss_port(machine);
    for (uint32_t i = port->list_count; i > 0; i--) {
        if (port->lists[i - 1]->adapter == adapter->number) {
            ss_sg_forget(machine, port->lists[i - 1]);
        }
    }
    for (uint32_t i = port->srb_count; i > 0; i--) {
        if (port->srbs[i - 1]->adapter == adapter->number) {
            ss_srb_release(machine, port->srbs[i - 1]);
        }
    }
    ss_hmb_release(machine, adapter);
    for (ss_block_id_t id = ss_block_next(machine, 0), next; id != 0; id = next) {
        const ss_block_t *block = ss_block(machine, id);
        next = ss_block_next(machine, id);
        if (block->owner == adapter->number) {
            ss_port_free(machine, id);
        }
    }
    adapter->uncached = adapter->registry = adapter->dump_region = adapter->config_block = adapter->extension_block = 0;
    adapter->mark_count = 0;
    adapter->live = false;
    storsim_nvme_detach(machine, adapter->device);
    ss_device_forget(machine, adapter->device);
    ss_bus_remove_device(machine, adapter->device);
}

storsim_status_t storsim_adapter_remove(storsim_machine_t *machine, uint32_t number, size_t *first_leak, size_t *count) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(number), ss_arg_out(*first_leak), ss_arg_out(*count)};
        storsim_status_t answer = ss_tap_run(machine, &ss_sp_operations[SS_SP_ADAPTER_REMOVE], args, NULL);
        *first_leak = (size_t)args[1].value;
        *count = (size_t)args[2].value;
        return answer;
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_adapter_t *adapter = ss_adapter_live(machine, number);
    if (adapter == NULL) {
        return STORSIM_STALE;
    }
    if (ss_callback_depth(machine) != 0 || ss_in_any_callback(ss_port(machine), number)) {
        return STORSIM_REENTRY;
    }
    ss_call_t call;
    status = ss_action_begin(&call, machine, number);
    if (status != STORSIM_OK) { /* unreachable: the machine is alive, as was asked above */
        return status;
    }
    leaks_t leaks = {0};
    ss_guards_record(&call, number);
    size_t before = storsim_finding_count(machine);
    record(&call, adapter, &leaks);
    *first_leak = before;
    *count = storsim_finding_count(machine) - before;
    stop(&call, adapter, &leaks);
    if (call.status == STORSIM_OK && adapter->uncached != 0) {
        (void)ss_guards_stop(&call, adapter->uncached); /* V20: the port frees it, so this is the last look */
    }
    if (call.status == STORSIM_OK) {
        release_all(machine, adapter);
    }
    return ss_call_end(&call);
}
