/* nt/guard.c: who may reach which memory by DMA. Source: rulings R56, R57, spec §6 V23, DESIGN §5.
 *
 * A device belongs to an owner (adapter or controller). Live memory of that owner is its to touch. Memory that was its
 * own once and is still remembered gives DEVICE_DMA_TO_FREED, someone else's DEVICE_DMA_FOREIGN; so does RAM that
 * nobody allocated when the DMA check is on. The hardware does it all the same. What an IOMMU refuses stops the
 * machine. A device that no driver of the simulator answers for (a chip that the host program drives itself) may touch
 * everything that is taken; only free RAM is reported then. */
#include "nt/nt_i.h"

#include <string.h>

static nt_device_t *device_of(const ss_nt_t *nt, ss_device_t device) {
    for (uint32_t i = 0; i < nt->device_count; i++) {
        if (nt->devices[i].device == device) {
            return &nt->devices[i];
        }
    }
    return NULL;
}

storsim_status_t ss_device_owner(storsim_machine_t *machine, ss_device_t device, uint32_t owner) {
    ss_nt_t *nt = nt_of(machine);
    nt_device_t *known = device_of(nt, device);
    if (known != NULL) {
        known->owner = owner;
        ss_bus_forget(machine);
        return STORSIM_OK;
    }
    void *array = nt->devices;
    if (!ss_grow(nt->host, &array, &nt->device_capacity, nt->device_count + 1, sizeof(nt_device_t))) {
        return STORSIM_NO_MEMORY;
    }
    nt->devices = array;
    nt->devices[nt->device_count++] = (nt_device_t){.device = device, .owner = owner};
    return STORSIM_OK;
}

void ss_device_forget(storsim_machine_t *machine, ss_device_t device) {
    ss_nt_t *nt = nt_of(machine);
    const nt_device_t *known = device_of(nt, device);
    if (known != NULL) {
        uint32_t at = (uint32_t)(known - nt->devices);
        memmove(nt->devices + at, nt->devices + at + 1, (nt->device_count - at - 1) * sizeof *nt->devices);
        nt->device_count--;
        ss_bus_forget(machine);
    }
}

/* RAM nobody owns is reported once per stretch, not once per fetch of a stream that runs over it. True: report. */
static bool first_time(nt_device_t *device, uint64_t pfn) {
    for (uint32_t i = 0; i < device->window_count; i++) {
        struct nt_window *window = &device->windows[i];
        if (pfn + 1 >= window->first && pfn <= window->last + 1) {
            window->first = pfn < window->first ? pfn : window->first;
            window->last = pfn > window->last ? pfn : window->last;
            return false;
        }
    }
    device->windows[device->window_next].first = pfn;
    device->windows[device->window_next].last = pfn;
    device->window_next = (device->window_next + 1) % DEVICE_WINDOWS;
    device->window_count += device->window_count < DEVICE_WINDOWS ? 1 : 0;
    return true;
}

/* The record of whoever has or had the byte, NULL for nobody. *bytes: how far the answer holds. */
static const ss_block_t *holder(const ss_nt_t *nt, uint64_t physical, uint64_t *bytes) {
    uint64_t offset = physical % PAGE;
    ss_block_id_t id = ss_pagemap_get(&nt->by_frame, physical / PAGE);
    *bytes = PAGE - offset;
    if (id == 0) {
        return NULL;
    }
    const ss_block_t *span = block_at(nt, id);
    if (span->kind != KIND_POOL_PAGE) {
        return span;
    }
    const nt_pool_page_t *page = nt_pool_page(nt, span->pool_page);
    uint32_t slot = nt_pool_slot(page, offset);
    if (slot >= page->slots) {
        return NULL;
    }
    *bytes = (uint64_t)(slot + 1) * page->granules * GRANULE - offset;
    return page->ids[slot] != 0 ? block_at(nt, page->ids[slot]) : NULL;
}

/* Reports at strict are raised: through the call under way, which the access then completes, or by aborting the access
 * when the device acts on its own. */
static storsim_status_t report(storsim_machine_t *machine, uint32_t owner, ss_rule_id_t rule,
                               const ss_detail_t *detail) {
    ss_nt_t *nt = nt_of(machine);
    ss_call_t own = {.machine = machine, .owner = owner};
    ss_violate(&own, rule, detail);
    if (own.raised && nt->frame != NULL) {
        nt->frame->raised = true;
        return STORSIM_OK;
    }
    return own.raised ? STORSIM_VIOLATION : STORSIM_OK;
}

static nt_device_t *know_device(storsim_machine_t *machine, ss_device_t device) {
    ss_nt_t *nt = nt_of(machine);
    nt_device_t *known = device_of(nt, device);
    if (known != NULL) {
        return known;
    }
    return ss_device_owner(machine, device, 0) == STORSIM_OK ? device_of(nt, device) : NULL;
}

static storsim_status_t judge_ownerless(storsim_machine_t *machine, nt_device_t *device, uint64_t physical,
                                        uint64_t device_address) {
    const ss_detail_t detail = {.address = device_address};
    bool tell = ss_verifying(machine, STORSIM_V_DMA) && ss_pages_is_free(ss_machine_pages(machine), physical / PAGE) &&
                first_time(device, physical / PAGE);
    return tell ? report(machine, 0, SS_DEVICE_DMA_FOREIGN, &detail) : STORSIM_OK;
}

static storsim_status_t judge(storsim_machine_t *machine, nt_device_t *device, uint64_t physical,
                              uint64_t device_address, const ss_block_t *block) {
    ss_detail_t detail = {.address = device_address, .owner = device->owner};
    if (device->owner == 0) {
        return judge_ownerless(machine, device, physical, device_address);
    }
    if (block == NULL) {
        bool report_it = ss_verifying(machine, STORSIM_V_DMA) && first_time(device, physical / PAGE);
        return report_it ? report(machine, device->owner, SS_DEVICE_DMA_FOREIGN, &detail) : STORSIM_OK;
    }
    detail.allocated_at = block->site;
    if (block->owner == device->owner && block->state == SS_STATE_LIVE) {
        return STORSIM_OK;
    }
    if (block->owner == device->owner) {
        detail.freed_at = ss_block_freed_at(machine, block);
        return report(machine, device->owner, SS_DEVICE_DMA_TO_FREED, &detail);
    }
    if (block->state != SS_STATE_LIVE) { /* someone else's, long ago: nobody's now */
        return judge(machine, device, physical, device_address, NULL);
    }
    return report(machine, device->owner, SS_DEVICE_DMA_FOREIGN, &detail);
}

/* Memory of the port that no device has business with. */
static bool private_kind(const ss_block_t *block) {
    return block->kind == STORSIM_BLOCK_DEVICE_EXTENSION || block->kind == STORSIM_BLOCK_CONFIG ||
           block->kind == STORSIM_BLOCK_MDL || block->kind == STORSIM_BLOCK_REGISTRY ||
           block->kind == STORSIM_BLOCK_SG_LIST || block->kind == STORSIM_BLOCK_EVENT;
}

/* V20: a store that leaves its block for another, or that begins where the device has no memory, may have gone over a
 * block's end. */
static storsim_status_t trespass(storsim_machine_t *machine, uint32_t owner, const ss_block_t *from, const ss_block_t *into,
                                 uint64_t physical, uint64_t bytes) {
    bool elsewhere = into == NULL || into->state != SS_STATE_LIVE || from != NULL || private_kind(into);
    return elsewhere && (from == NULL || from->state == SS_STATE_LIVE) ? nt_overrun_trespass(machine, owner, from, physical, bytes)
                                                                       : STORSIM_OK;
}

storsim_status_t nt_guard(storsim_machine_t *machine, ss_device_t device, uint64_t device_address, uint64_t physical,
                          size_t bytes, bool write, ss_bus_result_t result) {
    ss_nt_t *nt = nt_of(machine);
    nt_device_t *known = know_device(machine, device);
    if (known == NULL) {
        return STORSIM_NO_MEMORY;
    }
    if (result == SS_BUS_IOMMU) {
        ss_call_t own = {.machine = machine, .owner = known->owner};
        const ss_detail_t detail = {.address = device_address, .owner = known->owner};
        return ss_bugcheck(&own, SS_IOMMU_FAULT, 0xE6, 0x26, device, device_address, write ? 1 : 0, &detail);
    }
    if (result != SS_BUS_OK) {
        return STORSIM_OK; /* not RAM: the device sees a master abort and reports it in its own way */
    }
    const ss_block_t *last = NULL;
    bool told = false;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t step;
        const ss_block_t *block = holder(nt, physical + done, &step);
        step = step < bytes - done ? step : bytes - done;
        if (write && known->owner != 0 && (!told || block != last) && ss_verifying(machine, STORSIM_V_DMA)) {
            storsim_status_t status = trespass(machine, known->owner, told ? last : NULL, block, physical + done, step);
            if (status != STORSIM_OK) {
                return status;
            }
        }
        if (!told || block != last) { /* one finding per block and access */
            storsim_status_t status = judge(machine, known, physical + done, device_address + done, block);
            if (status != STORSIM_OK) {
                return status;
            }
        }
        told = true;
        last = block;
        done += step;
    }
    return STORSIM_OK;
}

/* A device may read its owner's live blocks of whole pages for as long as they live; block.c says when one ends. */
uint64_t nt_steady(storsim_machine_t *machine, ss_device_t device, uint64_t physical) {
    const ss_nt_t *nt = nt_of(machine);
    const nt_device_t *known = device_of(nt, device);
    ss_block_id_t id = ss_pagemap_get(&nt->by_frame, physical / PAGE);
    /* unreachable: a window is opened after a read, which makes the device known */
    if (known == NULL || known->owner == 0 || id == 0) {
        return 0;
    }
    const ss_block_t *block = block_at(nt, id);
    bool own = block->kind != KIND_POOL_PAGE && block->state == SS_STATE_LIVE && block->owner == known->owner;
    uint64_t end = block->extents == 0 ? block->pfn + block->pages : physical / PAGE + 1; /* pieces: page by page */
    return own ? end * PAGE - physical : 0;
}
