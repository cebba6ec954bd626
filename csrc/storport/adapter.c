/* storport/adapter.c: adapters come, and are looked up. leaks.c lets them go.
 *
 * An adapter's record outlives its removal, so that a call with a dead extension can say whose it was. Its number is never reused. */
#include "storport/room.h"
#include "storport/operations.h"

#include <string.h>

void storsim_adapter_config_init(storsim_adapter_config_t *config) {
    *config = (storsim_adapter_config_t){
        .name = "", .full_duplex = true, .dirql = 5, .bus_master = true, .coherent = true, .write_combining = true,
        .sg_delivery = STORSIM_SG_IMMEDIATE, .map_registers = UINT64_MAX, .contig_cap = UINT64_MAX, .pool_cap = UINT64_MAX,
        .hmb_policy = 2, .hmb_utilization_divisor = 1024, .hmb_disabled_status = SS_STOR(INSUFFICIENT_RESOURCES),
        .hmb_second_alloc_status = SS_STOR(INSUFFICIENT_RESOURCES)};
}

ss_adapter_t *ss_adapter(const storsim_machine_t *machine, uint32_t number) {
    const ss_port_t *port = ss_port(machine);
    for (uint32_t i = 0; port != NULL && number != 0 && i < port->adapter_count; i++) {
        if (port->adapters[i]->number == number) {
            return port->adapters[i];
        }
    }
    return NULL;
}

ss_adapter_t *ss_adapter_live(const storsim_machine_t *machine, uint32_t number) {
    ss_adapter_t *adapter = ss_adapter(machine, number);
    return adapter != NULL && adapter->live ? adapter : NULL;
}

static bool valid(storsim_machine_t *machine, const storsim_adapter_config_t *config) {
    return (config->name == NULL || strlen(config->name) < SS_ADAPTER_NAME) && config->dump_mode <= 4 && config->dirql >= 3 && config->dirql <= 11 && config->node < storsim_memory_nodes(machine) &&
           (uint32_t)config->sg_delivery <= STORSIM_SG_RANDOM && config->hmb_policy <= 3 &&
           config->hmb_utilization_divisor > 0 &&
           (config->ucx_alignment == 0 || (config->ucx_alignment >= 3 && config->ucx_alignment <= 16));
}

static void initial_port_config(ss_adapter_t *adapter) {
    uint64_t *port = adapter->port;
    port[STORSIM_PC_Length] = 0xE0; /* size of the structure on x64; nothing depends on it */
    port[STORSIM_PC_MaximumTransferLength] = 0xFFFFFFFF; /* SP_UNINITIALIZED_VALUE */
    port[STORSIM_PC_NumberOfPhysicalBreaks] = 0x11;
    port[STORSIM_PC_ScatterGather] = 1;
    port[STORSIM_PC_Master] = adapter->config.bus_master;
    port[STORSIM_PC_NeedPhysicalAddresses] = 1;
    port[STORSIM_PC_Dma64BitAddresses] = 0x80; /* SCSI_DMA64_SYSTEM_SUPPORTED; the driver says what it supports itself */
    port[STORSIM_PC_DeviceExtensionSize] = adapter->config.device_extension_bytes;
    port[STORSIM_PC_MaximumNumberOfTargets] = 128;
    port[STORSIM_PC_MaximumNumberOfLogicalUnits] = 255;
    port[STORSIM_PC_SynchronizationModel] = adapter->config.full_duplex ? 1 : 0;
    port[STORSIM_PC_DumpMode] = adapter->config.dump_mode;
}

/* One block the port provides without a call (spec §3.13). It gets its owner once the adapter has a number. */
static storsim_status_t provide(storsim_machine_t *machine, const ss_adapter_t *adapter, storsim_block_kind_t kind, uint64_t bytes,
                                bool zero, ss_block_id_t *id) {
    const ss_block_request_t request = {.kind = kind, .size = bytes, .highest = UINT64_MAX, .node = adapter->config.node, .cache = 1,
                                        .zero = zero};
    ss_block_id_t made;
    storsim_status_t status = ss_block_make(machine, &request, &made);
    *id = status == STORSIM_OK ? made : 0;
    return status;
}

static storsim_status_t provide_all(storsim_machine_t *machine, ss_adapter_t *adapter) {
    storsim_status_t status = provide(machine, adapter, STORSIM_BLOCK_DEVICE_EXTENSION, adapter->config.device_extension_bytes, true,
                                      &adapter->extension_block);
    if (status == STORSIM_OK) {
        status = provide(machine, adapter, STORSIM_BLOCK_CONFIG, adapter->port[STORSIM_PC_Length], true, &adapter->config_block);
    }
    if (status == STORSIM_OK && adapter->config.dump_mode != 0) {
        status = provide(machine, adapter, STORSIM_BLOCK_DUMP_REGION, SS_DUMP_LIMIT, false, &adapter->dump_region);
    }
    if (status == STORSIM_OK) {
        status = ss_bus_add_device(machine, adapter->config.dma_remapping, adapter->config.coherent, &adapter->device);
    }
    if (status == STORSIM_OK && adapter->dump_region != 0) {
        status = ss_device_attach(machine, adapter, adapter->dump_region, NULL);
    }
    if (status == STORSIM_OK) {
        status = ss_device_owner(machine, adapter->device, 0); /* makes the entry, so that naming the owner below cannot fail */
    }
    if (status == STORSIM_OK) {
        status = ss_owner_add(machine, adapter->config.pool_cap, adapter->config.contig_cap, &adapter->number);
    }
    return status == STORSIM_OK ? ss_device_owner(machine, adapter->device, adapter->number) : status;
}

static void settle(storsim_machine_t *machine, ss_adapter_t *adapter) {
    ss_block_id_t blocks[3] = {adapter->extension_block, adapter->config_block, adapter->dump_region};
    for (int i = 0; i < 3; i++) {
        if (blocks[i] != 0) {
            ss_block(machine, blocks[i])->owner = adapter->number;
        }
    }
    adapter->extension = ss_block(machine, adapter->extension_block)->va;
    adapter->config_address = ss_block(machine, adapter->config_block)->va;
    if (adapter->dump_region != 0) {
        const ss_block_t *region = ss_block(machine, adapter->dump_region);
        adapter->port[STORSIM_PC_DumpRegionVirtualBase] = region->va;
        adapter->port[STORSIM_PC_DumpRegionPhysicalBase] = ss_device_address(machine, adapter, region, 0);
        adapter->port[STORSIM_PC_DumpRegionLength] = region->size;
    }
    adapter->live = true;
}

/* In the reverse order of making. */
static void unmake(storsim_machine_t *machine, ss_adapter_t *adapter) {
    ss_block_id_t blocks[3] = {adapter->dump_region, adapter->config_block, adapter->extension_block};
    if (adapter->device != 0) {
        ss_device_forget(machine, adapter->device);
        ss_bus_undo_device(machine, adapter->device);
    }
    for (int i = 0; i < 3; i++) {
        if (blocks[i] != 0) {
            ss_block_undo(machine, blocks[i]);
        }
    }
    ss_release(ss_machine_host(machine), adapter);
}

storsim_status_t storsim_adapter_add(storsim_machine_t *machine, const storsim_adapter_config_t *config, uint32_t *number) {
    if (ss_tapped(machine)) {
        const char *name = config != NULL ? config->name : NULL;
        storsim_arg_t args[] = {ss_arg_data(name, name != NULL ? strlen(name) : 0),
                                ss_arg_data(config, 1),
                                ss_arg_out(*number),
                                ss_arg_out(0),
                                ss_arg_out(0),
                                ss_arg_out(0)};
        storsim_status_t answer = ss_tap_run(machine, &ss_sp_operations[SS_SP_ADAPTER_ADD], args, NULL);
        *number = (uint32_t)args[2].value;
        return answer;
    }
    ss_port_t *port = ss_port(machine);
    if (port == NULL || config == NULL || !valid(machine, config)) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_host_t *host = ss_machine_host(machine);
    void *list = port->adapters;
    if (!ss_grow(host, &list, &port->adapter_capacity, port->adapter_count + 1, sizeof *port->adapters)) {
        return STORSIM_NO_MEMORY;
    }
    port->adapters = list;
    ss_adapter_t *adapter = ss_alloc_zeroed(host, 1, sizeof *adapter);
    if (adapter == NULL) {
        return STORSIM_NO_MEMORY;
    }
    adapter->config = *config;
    if (config->name != NULL) {
        memcpy(adapter->name, config->name, strlen(config->name)); /* the rest of the record is zero */
    }
    adapter->config.name = adapter->name;
    if (adapter->config.device_extension_bytes == 0) {
        adapter->config.device_extension_bytes = 4096;
    }
    initial_port_config(adapter);
    status = provide_all(machine, adapter);
    if (status != STORSIM_OK) {
        unmake(machine, adapter);
        return status;
    }
    settle(machine, adapter);
    port->adapters[port->adapter_count++] = adapter;
    *number = adapter->number;
    return STORSIM_OK;
}

/* --- looking up ------------------------------------------------------------------------------------------------------ */

uint64_t storsim_adapter_extension(const storsim_machine_t *machine, uint32_t number) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    return adapter != NULL ? adapter->extension : 0;
}

uint64_t storsim_adapter_config_address(const storsim_machine_t *machine, uint32_t number) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    return adapter != NULL ? adapter->config_address : 0;
}

bool storsim_adapter_live(const storsim_machine_t *machine, uint32_t number) {
    return ss_adapter_live(machine, number) != NULL;
}

uint32_t storsim_adapter_device(const storsim_machine_t *machine, uint32_t number) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    return adapter != NULL ? adapter->device : 0;
}

uint32_t storsim_adapter_count(const storsim_machine_t *machine) {
    const ss_port_t *port = ss_port(machine);
    return port != NULL ? port->adapter_count : 0;
}

/* A live adapter first: addresses come back once they have left the quarantine. */
ss_adapter_t *ss_adapter_at(const ss_port_t *port, uint64_t extension) {
    ss_adapter_t *removed = NULL;
    for (uint32_t i = extension != 0 ? port->adapter_count : 0; i > 0; i--) {
        ss_adapter_t *adapter = port->adapters[i - 1];
        if (adapter->extension == extension) {
            if (adapter->live) {
                return adapter;
            }
            removed = removed == NULL ? adapter : removed;
        }
    }
    return removed;
}

uint32_t storsim_adapter_at(const storsim_machine_t *machine, uint64_t extension) {
    const ss_port_t *port = ss_port(machine);
    const ss_adapter_t *adapter = port != NULL ? ss_adapter_at(port, extension) : NULL;
    return adapter != NULL ? adapter->number : 0;
}

const storsim_adapter_config_t *storsim_adapter_get_config(const storsim_machine_t *machine, uint32_t number) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    return adapter != NULL ? &adapter->config : NULL;
}

bool storsim_adapter_dump_mark(const storsim_machine_t *machine, uint32_t number, uint32_t index, storsim_dump_mark_t *mark) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    if (adapter == NULL || index >= adapter->mark_count) {
        return false;
    }
    *mark = adapter->marks[index];
    return true;
}

/* --- PORT_CONFIGURATION_INFORMATION ------------------------------------------------------------------------------------ */

storsim_status_t storsim_port_config_get(const storsim_machine_t *machine, uint32_t number, storsim_port_config_field_t field,
                                         uint64_t *value) {
    const ss_adapter_t *adapter = ss_adapter(machine, number);
    if (adapter == NULL || (uint32_t)field >= STORSIM_PC_COUNT) {
        return adapter == NULL ? STORSIM_STALE : STORSIM_INVALID;
    }
    *value = adapter->port[field];
    return STORSIM_OK;
}

storsim_status_t storsim_port_config_set(storsim_machine_t *machine, uint32_t number, storsim_port_config_field_t field,
                                         uint64_t value) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(number), ss_arg_in((uint64_t)field), ss_arg_in(value)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_PORT_CONFIG_SET], args, NULL);
    }
    ss_adapter_t *adapter = ss_adapter_live(machine, number);
    if (adapter == NULL || (uint32_t)field >= STORSIM_PC_COUNT) {
        return adapter == NULL ? STORSIM_STALE : STORSIM_INVALID;
    }
    ss_call_t call;
    storsim_status_t status = ss_action_begin(&call, machine, number);
    if (status != STORSIM_OK) {
        return status;
    }
    const ss_frame_t *frame = ss_frame_top(ss_port(machine), storsim_cpu(machine));
    if (frame == NULL || frame->context != STORSIM_CONTEXT_FIND_ADAPTER || frame->adapter != number) {
        const ss_detail_t detail = {.expected = STORSIM_CONTEXT_FIND_ADAPTER, .got = frame != NULL ? frame->context : 0,
                                    .address = adapter->config_address};
        ss_violate(&call, SS_BAD_CONTEXT, &detail);
    }
    adapter->port[field] = value;
    adapter->srb_extension_set = adapter->srb_extension_set || field == STORSIM_PC_SrbExtensionSize;
    return ss_call_end(&call);
}
