/* machine/bus.c: device DMA and the IOMMU's table. See bus.h. */
#include "machine/machine_i.h"

#include <string.h>

static ss_bus_device_t *device_at(const storsim_machine_t *machine, ss_device_t device) {
    const ss_bus_t *bus = &machine->hardware.bus;
    return device != 0 && device <= bus->count && bus->devices[device - 1].live ? &bus->devices[device - 1] : NULL;
}

storsim_status_t ss_bus_add_device(storsim_machine_t *machine, bool remap, bool coherent, ss_device_t *device) {
    ss_bus_t *bus = &machine->hardware.bus;
    void *array = bus->devices;
    if (!ss_grow(&machine->host, &array, &bus->capacity, bus->count + 1, sizeof(ss_bus_device_t))) {
        return STORSIM_NO_MEMORY;
    }
    bus->devices = array;
    /* Logical space starts at 2 GiB plus an odd page, so that a logical address is never taken for its own RAM by accident
     * and still fits a 32-bit device. */
    bus->devices[bus->count++] = (ss_bus_device_t){.live = true, .remap = remap, .coherent = coherent, .next_logical = 0x80001};
    *device = bus->count;
    return STORSIM_OK;
}

void ss_bus_remove_device(storsim_machine_t *machine, ss_device_t device) {
    ss_bus_device_t *found = device_at(machine, device);
    if (found != NULL) {
        ss_release(&machine->host, found->map);
        *found = (ss_bus_device_t){.live = false};
        ss_bus_forget(machine);
    }
}

void ss_bus_undo_device(storsim_machine_t *machine, ss_device_t device) {
    ss_bus_remove_device(machine, device);
    if (device != 0 && device == machine->hardware.bus.count) {
        machine->hardware.bus.count--;
    }
}

void ss_bus_set_guard(storsim_machine_t *machine, ss_bus_guard_fn guard, ss_bus_steady_fn steady) {
    machine->guard = guard;
    machine->steady = steady;
    ss_bus_forget(machine);
}

void ss_bus_stall(storsim_machine_t *machine, ss_device_t device, bool stalled) {
    ss_bus_device_t *found = device_at(machine, device);
    if (found != NULL) {
        found->stalled = stalled;
        ss_bus_forget(machine);
    }
}

/* --- IOMMU ---------------------------------------------------------------------------------------------------------- */

/* Index of the first mapping that ends above the logical page. */
static uint32_t mapping_after(const ss_bus_device_t *device, uint64_t page) {
    uint32_t low = 0, high = device->map_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (device->map[middle].logical + device->map[middle].pages > page) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* The first page >= at where a mapping of `pages` is aligned and inside one boundary window. */
static uint64_t legal_page(uint64_t at, uint64_t pages, uint64_t align, uint64_t boundary) {
    at = (at + align - 1) / align * align;
    if (boundary != 0 && at / boundary != (at + pages - 1) / boundary) {
        at = (at / boundary + 1) * boundary;
        at = (at + align - 1) / align * align; /* boundary and alignment are powers of two: still a start of a window, or aligned in it */
    }
    return at;
}

/* First legal logical page from `from` on with `pages` free and the last one <= last; UINT64_MAX if none. */
static uint64_t free_logical(const ss_bus_device_t *device, uint64_t from, uint64_t pages, uint64_t last, uint64_t align,
                             uint64_t boundary) {
    uint64_t at = legal_page(from, pages, align, boundary);
    for (uint32_t i = mapping_after(device, at); i < device->map_count && device->map[i].logical < at + pages; i++) {
        at = legal_page(device->map[i].logical + device->map[i].pages, pages, align, boundary);
    }
    return pages <= last && at <= last - pages + 1 ? at : UINT64_MAX;
}

storsim_status_t ss_bus_map(storsim_machine_t *machine, ss_device_t id, uint64_t first_pfn, uint64_t pages, uint64_t highest,
                            uint64_t *logical) {
    const ss_bus_limits_t limits = {.highest = highest};
    return ss_bus_map_within(machine, id, first_pfn, pages, &limits, logical);
}

storsim_status_t ss_bus_map_within(storsim_machine_t *machine, ss_device_t id, uint64_t first_pfn, uint64_t pages,
                                   const ss_bus_limits_t *limits, uint64_t *logical) {
    ss_bus_device_t *device = device_at(machine, id);
    if (device == NULL || pages == 0) {
        return STORSIM_INVALID;
    }
    if (!device->remap) {
        *logical = first_pfn * STORSIM_PAGE_SIZE;
        return STORSIM_OK;
    }
    if (limits->highest < STORSIM_PAGE_SIZE) {
        return STORSIM_NO_SPACE;
    }
    uint64_t last = limits->highest / STORSIM_PAGE_SIZE - (limits->highest % STORSIM_PAGE_SIZE == STORSIM_PAGE_SIZE - 1 ? 0 : 1);
    uint64_t align = limits->alignment > STORSIM_PAGE_SIZE ? limits->alignment / STORSIM_PAGE_SIZE : 1;
    uint64_t boundary = limits->boundary / STORSIM_PAGE_SIZE;
    uint64_t lowest = limits->lowest / STORSIM_PAGE_SIZE + (limits->lowest % STORSIM_PAGE_SIZE != 0 ? 1 : 0);
    uint64_t from = device->next_logical > lowest ? device->next_logical : lowest;
    uint64_t low = lowest > 0x11 ? lowest : 0x11; /* low devices: from page 0x11 up */
    uint64_t at = free_logical(device, from, pages, last, align, boundary);
    if (at == UINT64_MAX) {
        at = free_logical(device, low, pages, last, align, boundary);
    }
    if (at == UINT64_MAX) {
        return STORSIM_NO_SPACE;
    }
    void *array = device->map;
    if (!ss_grow(&machine->host, &array, &device->map_capacity, device->map_count + 1, sizeof *device->map)) {
        return STORSIM_NO_MEMORY;
    }
    device->map = array;
    uint32_t place = mapping_after(device, at);
    memmove(device->map + place + 1, device->map + place, (device->map_count - place) * sizeof *device->map);
    device->map[place].logical = at;
    device->map[place].pfn = first_pfn;
    device->map[place].pages = pages;
    device->map_count++;
    *logical = at * STORSIM_PAGE_SIZE;
    return STORSIM_OK;
}

void ss_bus_unmap(storsim_machine_t *machine, ss_device_t id, uint64_t logical, uint64_t pages) {
    ss_bus_device_t *device = device_at(machine, id);
    if (device == NULL || !device->remap) {
        return;
    }
    uint32_t at = mapping_after(device, logical / STORSIM_PAGE_SIZE);
    if (at < device->map_count && device->map[at].logical == logical / STORSIM_PAGE_SIZE && device->map[at].pages == pages) {
        device->map_count--;
        ss_bus_forget(machine);
        memmove(device->map + at, device->map + at + 1, (device->map_count - at) * sizeof *device->map);
    }
}

bool ss_bus_translate(const storsim_machine_t *machine, ss_device_t id, uint64_t address, uint64_t *physical) {
    const ss_bus_device_t *device = device_at(machine, id);
    if (device == NULL) {
        return false;
    }
    if (!device->remap) {
        *physical = address;
        return true;
    }
    uint64_t page = address / STORSIM_PAGE_SIZE;
    uint32_t at = mapping_after(device, page);
    if (at >= device->map_count || page < device->map[at].logical) {
        return false;
    }
    *physical = (device->map[at].pfn + (page - device->map[at].logical)) * STORSIM_PAGE_SIZE + address % STORSIM_PAGE_SIZE;
    return true;
}

/* --- device accesses ------------------------------------------------------------------------------------------------ */

ss_bus_result_t ss_bus_reach(const storsim_machine_t *machine, ss_device_t id, uint64_t address, uint64_t *physical) {
    *physical = 0;
    if (device_at(machine, id)->stalled) {
        return SS_BUS_STALLED;
    }
    if (!ss_bus_translate(machine, id, address, physical)) {
        return SS_BUS_IOMMU;
    }
    return ss_pages_is_ram(machine->hardware.pages, *physical / STORSIM_PAGE_SIZE) ? SS_BUS_OK : SS_BUS_NOT_RAM;
}

/* An access inside one page, as most are: it is looked at once, and done or not. */
static storsim_status_t access_page(storsim_machine_t *machine, ss_device_t id, uint64_t address, uint8_t *into, const uint8_t *from,
                                    size_t bytes, ss_bus_result_t *result) {
    uint64_t physical;
    storsim_status_t status = STORSIM_OK;
    *result = ss_bus_reach(machine, id, address, &physical);
    if (machine->guard != NULL && *result != SS_BUS_STALLED) {
        status = machine->guard(machine, id, address, physical, bytes, from != NULL, *result);
    }
    if (status != STORSIM_OK || *result != SS_BUS_OK) {
        return status;
    }
    return into != NULL ? ss_ram_read(machine->hardware.ram, physical, into, bytes)
                        : ss_ram_write(machine->hardware.ram, physical, from, bytes);
}

/* Walks an access page by page. First pass: every page is translated and the guard asked. Second pass: the bytes move. */
static storsim_status_t access(storsim_machine_t *machine, ss_device_t id, uint64_t address, uint8_t *into, const uint8_t *from,
                               size_t bytes, ss_bus_result_t *result) {
    uint64_t end;
    *result = SS_BUS_OK;
    if (device_at(machine, id) == NULL || (bytes != 0 && !ss_add_u64(address, bytes - 1, &end))) {
        return STORSIM_INVALID;
    }
    bool inside = bytes != 0 && bytes <= STORSIM_PAGE_SIZE - address % STORSIM_PAGE_SIZE;
    if (inside) {
        storsim_status_t status = access_page(machine, id, address, into, from, bytes, result);
        if (status != STORSIM_OK || *result != SS_BUS_OK) {
            return status;
        }
    }
    for (int moving = inside ? 2 : 0; moving < 2; moving++) {
        for (size_t done = 0; done < bytes;) {
            uint64_t at = address + done, physical;
            size_t rest = STORSIM_PAGE_SIZE - (size_t)(at % STORSIM_PAGE_SIZE);
            size_t step = rest < bytes - done ? rest : bytes - done;
            *result = ss_bus_reach(machine, id, at, &physical);
            storsim_status_t status = STORSIM_OK;
            if (!moving && machine->guard != NULL && *result != SS_BUS_STALLED) {
                status = machine->guard(machine, id, at, physical, step, from != NULL, *result);
            }
            if (!moving && status == STORSIM_OK && *result == SS_BUS_OK && from != NULL) {
                status = ss_ram_prepare(machine->hardware.ram, physical, step);
            } else if (moving) {
                status = into != NULL ? ss_ram_read(machine->hardware.ram, physical, into + done, step)
                                      : ss_ram_write(machine->hardware.ram, physical, from + done, step);
            }
            if (status != STORSIM_OK || *result != SS_BUS_OK) {
                return status;
            }
            done += step;
        }
    }
    ss_trace(machine, STORSIM_TRACE_DMA, id, address, bytes, from != NULL);
    return STORSIM_OK;
}

storsim_status_t ss_bus_read(storsim_machine_t *machine, ss_device_t device, uint64_t address, void *buffer, size_t bytes,
                             ss_bus_result_t *result) {
    return access(machine, device, address, buffer, NULL, bytes, result);
}

storsim_status_t ss_bus_write(storsim_machine_t *machine, ss_device_t device, uint64_t address, const void *buffer, size_t bytes,
                              ss_bus_result_t *result) {
    return access(machine, device, address, NULL, buffer, bytes, result);
}

/* --- state ------------------------------------------------------------------------------------------------------------ */

void ss_bus_destroy(ss_bus_t *bus, ss_host_t *host) {
    for (uint32_t i = 0; i < bus->count; i++) {
        ss_release(host, bus->devices[i].map);
    }
    ss_release(host, bus->devices);
    ss_shadow_destroy(&bus->shadow, host);
}

static void walk_device(ss_bus_device_t *device, ss_host_t *host, ss_codec_t *codec) {
    ss_codec_bool(codec, &device->live);
    ss_codec_bool(codec, &device->remap);
    ss_codec_bool(codec, &device->coherent);
    ss_codec_bool(codec, &device->stalled);
    ss_codec_u64(codec, &device->next_logical);
    uint64_t count = device->map_count;
    ss_codec_count(codec, &count, 24, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = device->map;
        if (!ss_grow(host, &array, &device->map_capacity, (uint32_t)count, sizeof *device->map)) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        device->map = array;
        device->map_count = (uint32_t)count;
    }
    for (uint64_t i = 0; i < count; i++) {
        ss_codec_u64(codec, &device->map[i].logical);
        ss_codec_u64(codec, &device->map[i].pfn);
        ss_codec_u64(codec, &device->map[i].pages);
    }
}

void ss_bus_walk(ss_bus_t *bus, ss_host_t *host, ss_codec_t *codec) {
    uint64_t count = bus->count;
    ss_codec_count(codec, &count, 20, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = bus->devices;
        if (!ss_grow(host, &array, &bus->capacity, (uint32_t)count, sizeof(ss_bus_device_t))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        bus->devices = array;
        for (uint64_t i = 0; i < count; i++) {
            bus->devices[i] = (ss_bus_device_t){.live = false};
        }
        bus->count = (uint32_t)count;
    }
    for (uint64_t i = 0; i < count && ss_codec_ok(codec); i++) {
        walk_device(&bus->devices[i], host, codec);
    }
    ss_shadow_walk(&bus->shadow, host, codec);
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && ss_bus_check(bus) != 0) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

size_t ss_bus_check(const ss_bus_t *bus) {
    size_t broken = 0;
    for (uint32_t i = 0; i < bus->count; i++) {
        const ss_bus_device_t *device = &bus->devices[i];
        for (uint32_t j = 1; j < device->map_count; j++) {
            broken += device->map[j - 1].logical + device->map[j - 1].pages > device->map[j].logical;
        }
    }
    return broken + ss_shadow_check(&bus->shadow);
}
