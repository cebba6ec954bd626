/* hdaudio/dma.c: where the controller sees the bus driver's blocks. */
#include "hdaudio/bus.h"
#include "storsim/hda.h"

uint32_t ss_bus_sdi_lines(const storsim_machine_t *machine, const ss_busdriver_t *bus) {
    return storsim_hda_get_config(machine, bus->controller)->sdi_lines;
}

static uint64_t highest_of(const ss_busdriver_t *bus) {
    return bus->wide ? UINT64_MAX : UINT32_MAX;
}

storsim_status_t ss_dma_map(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id,
                            uint64_t *address) {
    const ss_block_t *block = ss_block(machine, id);
    uint64_t logical = 0;
    storsim_status_t status = ss_bus_map(machine, storsim_hda_device(machine, bus->controller), block->pfn,
                                         block->pages, highest_of(bus), &logical);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_block_set_device_address(machine, id, logical);
    if (status == STORSIM_OK) {
        *address = logical;
    } else {
        ss_bus_unmap(machine, storsim_hda_device(machine, bus->controller), logical, block->pages);
    }
    return status;
}

void ss_dma_unmap(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id) {
    const ss_block_t *block = ss_block(machine, id);
    if (block) {
        ss_bus_unmap(machine, storsim_hda_device(machine, bus->controller), ss_block_device_address(machine, block), block->pages);
    }
}

storsim_status_t ss_dma_map_pages(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id,
                                  uint64_t *addresses, uint32_t count) {
    ss_device_t device = storsim_hda_device(machine, bus->controller);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t page =
            ss_block_physical(machine, ss_block(machine, id), (uint64_t)i * STORSIM_PAGE_SIZE) >> STORSIM_PAGE_SHIFT;
        storsim_status_t status = ss_bus_map(machine, device, page, 1, highest_of(bus), &addresses[i]);
        if (status != STORSIM_OK) {
            ss_dma_unmap_pages(machine, bus, addresses, i);
            return status;
        }
    }
    return STORSIM_OK;
}

void ss_dma_unmap_pages(storsim_machine_t *machine, const ss_busdriver_t *bus, const uint64_t *addresses,
                        uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        ss_bus_unmap(machine, storsim_hda_device(machine, bus->controller), addresses[i], 1);
    }
}
