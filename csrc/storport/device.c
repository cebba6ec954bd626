/* storport/device.c: the adapter's device as a bus master, and the two views of memory it shares with the processor.
 *
 * Addresses. Without dma_remapping the device uses physical addresses. With it, every block the port hands out for DMA gets a mapping
 * in the device's own logical space; the address a routine returns is the logical one, and everything unmapped faults in the IOMMU.
 *
 * Views. Three cache types meet two kinds of devices (spec §4.2):
 *   MmNonCached      one view: a store is visible to the device at once.
 *   MmCached         one view, unless the adapter is coherent=false: then the processor's view is a shadow that a flush writes to
 *                    memory (to_device) or refreshes from it (from the device).
 *   MmWriteCombined  stores collect in a shadow until a fence, a flush, or an access to uncached memory. The hardware's buffers hold a
 *                    few lines and may drain earlier; the model never does, so that a missing fence is always seen (model choice;
 *                    adapter knob write_combining=false turns it off).
 * Only memory for DMA has shadows: contiguous and DMA memory. A block's shadow begins and ends with it. */
#include "storport/room.h"
#include "storport/operations.h"

enum { CACHED = 1, WRITE_COMBINED = 2 };

static bool shadowed(const ss_adapter_t *adapter, const ss_block_t *block) {
    if (block->kind != STORSIM_BLOCK_CONTIGUOUS && block->kind != STORSIM_BLOCK_DMA) {
        return false;
    }
    return (block->cache == CACHED && !adapter->config.coherent) ||
           (block->cache == WRITE_COMBINED && adapter->config.write_combining);
}

storsim_status_t ss_device_attach(storsim_machine_t *machine, ss_adapter_t *adapter, ss_block_id_t id, const ss_bus_limits_t *limits) {
    static const ss_bus_limits_t anywhere = {.highest = UINT64_MAX};
    const ss_block_t *block = ss_block(machine, id);
    uint64_t logical = 0;
    if (!adapter->config.dma_remapping && !shadowed(adapter, block)) {
        return STORSIM_OK; /* the device uses the address the block was made with */
    }
    uint64_t pages = block->pages;
    storsim_status_t status =
        ss_bus_map_within(machine, adapter->device, block->pfn, pages, limits != NULL ? limits : &anywhere, &logical);
    if (status != STORSIM_OK) {
        return status;
    }
    uint64_t offset = ss_block_physical(machine, block, 0) - block->pfn * STORSIM_PAGE_SIZE;
    status = ss_block_set_device_address(machine, id, logical + offset);
    if (status == STORSIM_OK && shadowed(adapter, block)) {
        status = block->cache == WRITE_COMBINED ? ss_bus_shadow_combining(machine, block->pfn, block->pages)
                                                : ss_bus_shadow(machine, block->pfn, block->pages, true);
    }
    if (status != STORSIM_OK) {
        ss_bus_unmap(machine, adapter->device, logical, pages);
    }
    return status;
}

uint64_t ss_device_address(storsim_machine_t *machine, const ss_adapter_t *adapter, const ss_block_t *block, uint64_t offset) {
    const uint64_t first = adapter->config.dma_remapping ? ss_block_device_address(machine, block) : 0;
    if (first != 0) {
        return first + offset;
    }
    return ss_block_physical(machine, block, offset);
}

/* --- blocks that may go ----------------------------------------------------------------------------------------------- */

void ss_watch_block(storsim_machine_t *machine, ss_block_id_t id, ss_watch_t *watch) {
    *watch = (ss_watch_t){0};
    const ss_block_t *block = id != 0 ? ss_block(machine, id) : NULL;
    if (block != NULL && block->state == SS_STATE_LIVE) {
        *watch = (ss_watch_t){.id = id, .generation = block->generation, .owner = block->owner, .site = block->site, .va = block->va,
                              .size = block->size, .pfn = block->pfn, .pages = block->pages,
                              .device_address = ss_block_device_address(machine, block), .kind = block->kind};
    }
}

void ss_watch(storsim_machine_t *machine, uint64_t va, ss_watch_t *watch) {
    ss_watch_block(machine, ss_block_around(machine, va), watch);
}

bool ss_watch_gone(storsim_machine_t *machine, const ss_watch_t *watch) {
    const ss_block_t *block = watch->id != 0 ? ss_block(machine, watch->id) : NULL;
    return watch->id != 0 && (block == NULL || block->generation != watch->generation || block->state != SS_STATE_LIVE);
}

void ss_release_device(storsim_machine_t *machine, ss_call_t *call, const ss_watch_t *watch) {
    ss_adapter_t *owner = ss_adapter(machine, watch->owner);
    if (owner == NULL) { /* unreachable: what the port frees belongs to an adapter, and those are never forgotten */
        return;
    }
    if (owner->config.dma_remapping && watch->device_address != 0) {
        ss_bus_unmap(machine, owner->device, watch->device_address & ~(uint64_t)(STORSIM_PAGE_SIZE - 1),
                     watch->pages != 0 ? watch->pages : 1);
    }
    ss_sg_block_gone(machine, call, watch);
}

void ss_port_free(storsim_machine_t *machine, ss_block_id_t id) {
    if (id == 0) {
        return;
    }
    ss_watch_t watch;
    ss_watch_block(machine, id, &watch);
    ss_block_free(machine, id);
    ss_release_device(machine, NULL, &watch);
}

/* --- the device's loads and stores ------------------------------------------------------------------------------------ */

/* What the device does to its enabled host memory buffer is the controller's own use of it, and remembered as such. */
static storsim_status_t move(storsim_machine_t *machine, uint32_t device, uint64_t address, void *into, const void *from, size_t bytes,
                             ss_bus_result_t *result) {
    uint64_t offset;
    if (storsim_nvme_hmb_offset(machine, device, address, bytes, &offset)) {
        storsim_status_t status = into != NULL ? storsim_nvme_hmb_read(machine, device, offset, into, bytes)
                                               : storsim_nvme_hmb_write(machine, device, offset, from, bytes);
        *result = status == STORSIM_NOT_RAM ? SS_BUS_NOT_RAM : SS_BUS_OK;
        return status == STORSIM_NOT_RAM ? STORSIM_OK : status;
    }
    return into != NULL ? ss_bus_read(machine, device, address, into, bytes, result)
                        : ss_bus_write(machine, device, address, from, bytes, result);
}

static storsim_status_t transfer(storsim_machine_t *machine, uint32_t number, uint64_t address, void *into, const void *from, size_t bytes) {
    const ss_adapter_t *adapter = ss_adapter_live(machine, number);
    if (adapter == NULL) {
        return STORSIM_STALE;
    }
    ss_call_t call;
    storsim_status_t status = ss_action_begin(&call, machine, number);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_bus_result_t result = SS_BUS_OK;
    bool disabled = storsim_nvme_attached(machine, adapter->device) && !storsim_nvme_enabled(machine, adapter->device);
    if (disabled && ss_hmb_contains(adapter, address, 1)) { /* rulings R56, R57: its HMB is the device's only while enabled */
        const ss_detail_t detail = {.address = address, .owner = number};
        ss_violate(&call, SS_HMB_NOT_ENABLED, &detail);
    }
    status = move(machine, adapter->device, address, into, from, bytes, &result);
    if (status == STORSIM_VIOLATION) {
        call.raised = true;
    } else {
        call.status = status;
    }
    status = ss_call_end(&call);
    return status == STORSIM_OK && result != SS_BUS_OK ? STORSIM_NOT_RAM : status;
}

storsim_status_t storsim_adapter_dma_read(storsim_machine_t *machine, uint32_t adapter, uint64_t address, void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(adapter), ss_arg_in(address), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_DMA_READ], args, NULL);
    }
    return transfer(machine, adapter, address, buffer, NULL, bytes);
}

storsim_status_t storsim_adapter_dma_write(storsim_machine_t *machine, uint32_t adapter, uint64_t address, const void *buffer,
                                           size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(adapter), ss_arg_in(address), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_DMA_WRITE], args, NULL);
    }
    return transfer(machine, adapter, address, NULL, buffer, bytes);
}

/* --- flushes and fences ------------------------------------------------------------------------------------------------ */

storsim_status_t storsim_adapter_flush(storsim_machine_t *machine, uint32_t number, uint64_t va, uint64_t bytes, bool to_device) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(number), ss_arg_in(va), ss_arg_in(bytes), ss_arg_in(to_device)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_FLUSH], args, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    uint64_t end;
    if (status != STORSIM_OK) {
        return status;
    }
    if (ss_adapter_live(machine, number) == NULL) {
        return STORSIM_STALE;
    }
    if (!ss_add_u64(va, bytes, &end)) {
        return STORSIM_INVALID;
    }
    const ss_block_t *block = ss_block(machine, ss_block_around(machine, va));
    if (block == NULL || block->state != SS_STATE_LIVE || end > block->va + block->size) {
        return STORSIM_INVALID;
    }
    for (uint64_t offset = va - block->va; bytes > 0;) {
        uint64_t rest = STORSIM_PAGE_SIZE - (block->va + offset) % STORSIM_PAGE_SIZE, step = rest < bytes ? rest : bytes;
        uint64_t physical = ss_block_physical(machine, block, offset);
        bool out = to_device || block->cache == WRITE_COMBINED; /* nothing to invalidate where nothing is cached */
        status = out ? ss_bus_flush(machine, physical, step) : ss_bus_invalidate(machine, physical, step);
        if (status != STORSIM_OK) {
            return status;
        }
        offset += step;
        bytes -= step;
    }
    return STORSIM_OK;
}

storsim_status_t storsim_store_fence(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_STORE_FENCE], NULL, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    return status == STORSIM_OK ? ss_bus_drain(machine) : status;
}
