/* storport/hmb.c: StorPortAllocateHostMemoryBuffer and StorPortFreeHostMemoryBuffer (spec §3.4, §3.5, §4.5).
 *
 * The memory belongs to the device alone: it has no kernel address. What the adapter owns is recorded here as it was returned; a free
 * compares the caller's list with that record and then frees from the record, so that a list the caller damaged can never release a page
 * that is not part of the buffer. */
#include "storport/room.h"

#include <string.h>

enum { CUT_PAGES = 0xFFFFF }; /* RangeLength is a ULONG: 0xFFFFF000 bytes per range (ruling R32) */

typedef struct hmb_request {
    uint64_t minimum, preferred, utilization, alignment, lowest, highest;
} hmb_request_t;

/* --- how much (spec §4.5 steps 1 and 2) ------------------------------------------------------------------------------- */

static uint64_t cap_of(const ss_sp_t *sp) {
    uint64_t cap = sp->adapter->config.hmb_cap;
    if (cap == 0) {
        cap = storsim_nt_config(sp->machine)->os >= 0x0A000010 ? UINT64_C(200) << 20 : UINT64_C(64) << 20;
    }
    return cap - cap % STORSIM_PAGE_SIZE;
}

static uint64_t round_up(uint64_t bytes) {
    uint64_t rounded;
    return ss_add_u64(bytes, STORSIM_PAGE_SIZE - 1, &rounded) ? rounded - rounded % STORSIM_PAGE_SIZE
                                                              : UINT64_MAX - (STORSIM_PAGE_SIZE - 1);
}

/* Bytes to aim at, 0 = the policy gives nothing. call.status may be CALLBACK. */
static uint64_t target_of(ss_sp_t *sp, const hmb_request_t *request) {
    const storsim_adapter_config_t *config = &sp->adapter->config;
    uint64_t least = request->minimum > STORSIM_PAGE_SIZE ? request->minimum : STORSIM_PAGE_SIZE, target = 0;
    if (config->hmb_policy_routine != 0) {
        storsim_callback_t callback = {.kind = STORSIM_CB_HMB_POLICY, .routine = config->hmb_policy_routine,
                                       .values = {request->minimum, request->preferred, request->utilization}};
        sp->call.status = ss_callback(sp->machine, &callback);
        target = sp->call.status == STORSIM_OK ? round_up(callback.result) : 0;
        return target > request->preferred ? request->preferred : target;
    }
    switch (config->hmb_policy) {
    case 1: target = least; break;
    case 2: target = request->preferred; break;
    case 3:
        target = round_up(request->utilization / config->hmb_utilization_divisor);
        target = target < least ? least : target;
        target = target > request->preferred ? request->preferred : target;
        break;
    default: break;
    }
    return target;
}

/* --- allocate --------------------------------------------------------------------------------------------------------- */

static bool arguments_ok(const ss_sp_t *sp, hmb_request_t *request) {
    const storsim_arg_t *a = sp->a;
    *request = (hmb_request_t){a[1].value, a[2].value, a[3].value, a[4].value, a[5].value, a[6].value};
    bool power = (request->alignment & (request->alignment - 1)) == 0; /* 0 passes: no alignment asked for */
    return request->minimum <= request->preferred && request->preferred != 0 && request->preferred % STORSIM_PAGE_SIZE == 0 &&
           request->minimum % STORSIM_PAGE_SIZE == 0 && request->lowest <= request->highest && a[7].value == 0 && power &&
           a[8].data != NULL && a[9].present && a[9].value != 0;
}

/* Turns taken extents into the block, the device addresses and the list. NO_MEMORY leaves the extents with the caller. */
static storsim_status_t commit(ss_sp_t *sp, const hmb_request_t *request, const ss_page_extent_t *extents, uint32_t count, uint64_t pages) {
    ss_adapter_t *adapter = sp->adapter;
    ss_block_id_t id;
    uint32_t mapped = 0;
    storsim_access_range_t *ranges = ss_alloc_zeroed(ss_machine_host(sp->machine), count, sizeof *ranges);
    if (ranges == NULL) {
        return STORSIM_NO_MEMORY;
    }
    const ss_bus_limits_t limits = {.lowest = request->lowest, .highest = request->highest, .alignment = request->alignment};
    storsim_status_t status = STORSIM_OK;
    for (; mapped < count; mapped++) {
        status = ss_bus_map_within(sp->machine, adapter->device, extents[mapped].first_pfn, extents[mapped].pages, &limits,
                                   &ranges[mapped].RangeStart);
        if (status != STORSIM_OK) {
            goto fail;
        }
        ranges[mapped].RangeLength = (uint32_t)(extents[mapped].pages * STORSIM_PAGE_SIZE);
        ranges[mapped].RangeInMemory = 1;
    }
    const ss_block_request_t block = {.kind = STORSIM_BLOCK_HMB, .size = pages * STORSIM_PAGE_SIZE, .highest = UINT64_MAX,
                                      .node = STORSIM_NODE_ANY, .cache = 1, .owner = adapter->number,
                                      .zero = storsim_nt_config(sp->machine)->zero_hmb};
    status = ss_block_adopt(sp->machine, &block, extents, count, &id);
    if (status != STORSIM_OK) {
        goto fail;
    }
    adapter->hmb = id;
    adapter->hmb_ranges = ranges;
    adapter->hmb_count = count;
    return STORSIM_OK;
fail:
    for (uint32_t i = mapped; i > 0; i--) {
        ss_bus_unmap(sp->machine, adapter->device, ranges[i - 1].RangeStart, extents[i - 1].pages);
    }
    ss_release(ss_machine_host(sp->machine), ranges);
    return status;
}

/* Steps 3 to 6 of §4.5. */
static storsim_status_t take(ss_sp_t *sp, const hmb_request_t *request, uint64_t target, uint32_t slots) {
    uint64_t first = request->lowest / STORSIM_PAGE_SIZE + (request->lowest % STORSIM_PAGE_SIZE != 0);
    uint64_t end = request->highest == UINT64_MAX ? UINT64_C(1) << 52 : (request->highest + 1) / STORSIM_PAGE_SIZE;
    if (end <= first) {
        return STORSIM_NO_SPACE;
    }
    uint64_t align = request->alignment > STORSIM_PAGE_SIZE ? request->alignment / STORSIM_PAGE_SIZE : 1;
    uint64_t least = request->minimum > STORSIM_PAGE_SIZE ? request->minimum / STORSIM_PAGE_SIZE : 1, pages = 0;
    uint64_t wanted = target / STORSIM_PAGE_SIZE;
    slots = slots < wanted ? slots : (uint32_t)wanted;
    ss_host_t *host = ss_machine_host(sp->machine);
    ss_page_extent_t *extents = ss_alloc_zeroed(host, slots, sizeof *extents);
    if (extents == NULL) {
        return STORSIM_NO_MEMORY;
    }
    uint32_t count = 0;
    ss_pages_t *memory = ss_machine_pages(sp->machine);
    storsim_status_t status = ss_pages_take_longest(memory, wanted, least, first, end - 1, align, CUT_PAGES, extents, slots, &count, &pages);
    if (status == STORSIM_OK) {
        status = commit(sp, request, extents, count, pages);
        for (uint32_t i = 0; status != STORSIM_OK && i < count; i++) {
            ss_pages_give(memory, extents[i].first_pfn, extents[i].pages);
        }
    }
    ss_release(host, extents);
    return status;
}

/* An adapter has one buffer: whoever asks for another one is told. */
static bool second(ss_sp_t *sp) {
    if (sp->adapter->hmb == 0) {
        return false;
    }
    const ss_block_t *block = ss_block(sp->machine, sp->adapter->hmb);
    const ss_detail_t detail = {.allocated_at = block != NULL ? block->site : 0, .expected = 0, .got = 1};
    ss_violate(&sp->call, SS_HMB_ALREADY_ALLOCATED, &detail);
    ss_reply(sp, sp->adapter->config.hmb_second_alloc_status);
    return true;
}

void ss_StorPortAllocateHostMemoryBuffer(ss_sp_t *sp) {
    const storsim_adapter_config_t *config = &sp->adapter->config;
    hmb_request_t request;
    if (!arguments_ok(sp, &request)) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (storsim_irql(sp->machine) > 1) {
        ss_note(&sp->call, SS_HMB_ABOVE_APC, NULL);
    }
    if (second(sp)) {
        return;
    }
    ss_reply(sp, SS_STOR(INSUFFICIENT_RESOURCES));
    if (ss_sp_fault(sp, 0, request.preferred) || sp->call.status != STORSIM_OK) {
        return;
    }
    uint64_t target = target_of(sp, &request), cap = cap_of(sp);
    if (sp->call.status != STORSIM_OK || second(sp)) { /* the host was asked, and may have allocated meanwhile */
        return;
    }
    if (target == 0) {
        ss_reply(sp, config->hmb_disabled_status);
        return;
    }
    target = target < cap ? target : cap;
    if (target < request.minimum || target < STORSIM_PAGE_SIZE) {
        return;
    }
    storsim_arg_t *ranges = &sp->a[8], *count = &sp->a[9];
    uint32_t slots = count->value < ranges->count ? (uint32_t)count->value : ranges->count;
    storsim_status_t status = slots > 0 ? take(sp, &request, target, slots) : STORSIM_NO_SPACE;
    if (status == STORSIM_OK) {
        memcpy(ranges->data, sp->adapter->hmb_ranges, sp->adapter->hmb_count * sizeof *sp->adapter->hmb_ranges);
        ranges->written = true;
        ss_out(count, sp->adapter->hmb_count);
        ss_reply(sp, SS_STOR(SUCCESS));
    } else if (status != STORSIM_NO_SPACE) {
        sp->call.status = status;
    }
}

/* --- free ------------------------------------------------------------------------------------------------------------- */

static bool same(const storsim_access_range_t *a, const storsim_access_range_t *b) {
    return a->RangeStart == b->RangeStart && a->RangeLength == b->RangeLength && (a->RangeInMemory != 0) == (b->RangeInMemory != 0);
}

typedef enum match { MATCH_EXACT, MATCH_REORDERED, MATCH_PARTIAL, MATCH_MODIFIED, MATCH_NONE } match_t;

static bool overlaps(const ss_adapter_t *adapter, const storsim_access_range_t *entry) {
    for (uint32_t i = 0; i < adapter->hmb_count; i++) {
        const storsim_access_range_t *own = &adapter->hmb_ranges[i];
        if (entry->RangeStart < own->RangeStart + own->RangeLength && own->RangeStart < entry->RangeStart + entry->RangeLength) {
            return true;
        }
    }
    return false;
}

/* The recorded list is ascending by address, so membership is a binary search. UINT32_MAX: not a recorded entry. */
static uint32_t index_of(const ss_adapter_t *adapter, const storsim_access_range_t *entry) {
    for (uint32_t i = 0; adapter->config.dma_remapping && i < adapter->hmb_count; i++) {
        if (same(&adapter->hmb_ranges[i], entry)) {
            return i; /* logical addresses need not ascend */
        }
    }
    uint32_t low = 0, high = adapter->config.dma_remapping ? 0 : adapter->hmb_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (adapter->hmb_ranges[middle].RangeStart < entry->RangeStart) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < adapter->hmb_count && same(&adapter->hmb_ranges[low], entry) ? low : UINT32_MAX;
}

/* Compares the caller's list with the record. `seen` has one byte per recorded entry, zeroed. */
static match_t compare(const ss_adapter_t *adapter, const storsim_access_range_t *list, uint32_t count, uint8_t *seen) {
    uint32_t known = 0, near = 0, duplicates = 0;
    bool ordered = true;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = index_of(adapter, &list[i]);
        ordered = ordered && index == i;
        if (index == UINT32_MAX) {
            near += overlaps(adapter, &list[i]) ? 1 : 0;
        } else {
            duplicates += seen[index];
            known += seen[index] ? 0 : 1;
            seen[index] = 1;
        }
    }
    if (known == adapter->hmb_count && count == known) {
        return ordered ? MATCH_EXACT : MATCH_REORDERED;
    }
    if (known == count) { /* so there are no duplicates */
        return MATCH_PARTIAL;
    }
    bool changed = count == adapter->hmb_count && duplicates == 0 && known + near > 0;
    return changed ? MATCH_MODIFIED : MATCH_NONE;
}

static void unmap_ranges(storsim_machine_t *machine, const ss_adapter_t *adapter) {
    for (uint32_t i = 0; adapter->config.dma_remapping && i < adapter->hmb_count; i++) {
        ss_bus_unmap(machine, adapter->device, adapter->hmb_ranges[i].RangeStart, adapter->hmb_ranges[i].RangeLength / STORSIM_PAGE_SIZE);
    }
}

void ss_hmb_release(storsim_machine_t *machine, ss_adapter_t *adapter) {
    if (adapter->hmb == 0) {
        return;
    }
    unmap_ranges(machine, adapter);
    ss_block_free(machine, adapter->hmb);
    ss_release(ss_machine_host(machine), adapter->hmb_ranges);
    adapter->hmb = 0;
    adapter->hmb_ranges = NULL;
    adapter->hmb_count = 0;
}

bool ss_hmb_contains(const ss_adapter_t *adapter, uint64_t address, uint64_t bytes) {
    for (uint32_t i = 0; i < adapter->hmb_count; i++) {
        const storsim_access_range_t *own = &adapter->hmb_ranges[i];
        if (address >= own->RangeStart && bytes <= own->RangeLength && address - own->RangeStart <= own->RangeLength - bytes) {
            return true;
        }
    }
    return false;
}

/* The list is not this adapter's: perhaps it is exactly another one's. */
static void report_owner(ss_sp_t *sp, const storsim_access_range_t *list, uint32_t count) {
    for (uint32_t i = 0; i < sp->port->adapter_count; i++) {
        const ss_adapter_t *other = sp->port->adapters[i];
        bool all = other->live && other != sp->adapter && other->hmb != 0 && count == other->hmb_count;
        for (uint32_t k = 0; all && k < count; k++) {
            all = index_of(other, &list[k]) != UINT32_MAX;
        }
        if (all) {
            const ss_detail_t detail = {.expected = other->number, .got = sp->adapter->number, .address = list[0].RangeStart,
                                        .owner = other->number};
            ss_violate(&sp->call, SS_WRONG_ADAPTER, &detail);
            return;
        }
    }
}

static void accept(ss_sp_t *sp) {
    ss_adapter_t *adapter = sp->adapter;
    if (storsim_nvme_enabled(sp->machine, adapter->device)) {
        const ss_detail_t detail = {.address = adapter->hmb_ranges[0].RangeStart};
        ss_violate(&sp->call, SS_HMB_FREED_WHILE_ENABLED, &detail);
    }
    ss_hmb_release(sp->machine, adapter);
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortFreeHostMemoryBuffer(ss_sp_t *sp) {
    const storsim_access_range_t *list = sp->a[1].data;
    uint64_t count = sp->a[2].value;
    ss_adapter_t *adapter = sp->adapter;
    if (list != NULL && count > sp->a[1].count) { /* the driver would read past its own array (ruling R5) */
        sp->call.status = STORSIM_INVALID;
        return;
    }
    ss_reply(sp, SS_STOR(UNSUCCESSFUL));
    if (list == NULL || count == 0) {
        return;
    }
    if (adapter->hmb == 0) {
        report_owner(sp, list, (uint32_t)count);
        return;
    }
    uint8_t *seen = ss_alloc_zeroed(ss_machine_host(sp->machine), adapter->hmb_count, 1);
    if (seen == NULL) {
        sp->call.status = STORSIM_NO_MEMORY;
        return;
    }
    match_t match = compare(adapter, list, (uint32_t)count, seen);
    ss_release(ss_machine_host(sp->machine), seen);
    const ss_detail_t detail = {.expected = adapter->hmb_count, .got = count, .address = adapter->hmb_ranges[0].RangeStart};
    switch (match) { /* unreachable: no other match */
    case MATCH_EXACT: accept(sp); break;
    case MATCH_REORDERED:
        ss_violate(&sp->call, SS_HMB_REORDERED, &detail);
        if (!adapter->config.hmb_free_exact) {
            accept(sp);
        }
        break;
    case MATCH_PARTIAL: ss_violate(&sp->call, SS_HMB_PARTIAL, &detail); break;
    case MATCH_MODIFIED: ss_violate(&sp->call, SS_HMB_MODIFIED, &detail); break;
    case MATCH_NONE: report_owner(sp, list, (uint32_t)count); break;
    }
}
