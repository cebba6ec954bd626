/* machine/bus.c: device DMA, the IOMMU's table, and shadows of non-coherent pages. See bus.h. */
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
    }
}

void ss_bus_set_guard(storsim_machine_t *machine, ss_bus_guard_fn guard) {
    machine->guard = guard;
}

void ss_bus_stall(storsim_machine_t *machine, ss_device_t device, bool stalled) {
    ss_bus_device_t *found = device_at(machine, device);
    if (found != NULL) {
        found->stalled = stalled;
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

/* First logical page from `from` on with `pages` free and the last one <= last; UINT64_MAX if none. */
static uint64_t free_logical(const ss_bus_device_t *device, uint64_t from, uint64_t pages, uint64_t last) {
    uint64_t at = from;
    for (uint32_t i = mapping_after(device, at); i < device->map_count && device->map[i].logical < at + pages; i++) {
        at = device->map[i].logical + device->map[i].pages;
    }
    return pages <= last && at <= last - pages + 1 ? at : UINT64_MAX;
}

storsim_status_t ss_bus_map(storsim_machine_t *machine, ss_device_t id, uint64_t first_pfn, uint64_t pages, uint64_t highest,
                            uint64_t *logical) {
    ss_bus_device_t *device = device_at(machine, id);
    if (device == NULL || pages == 0) {
        return STORSIM_INVALID;
    }
    if (!device->remap) {
        *logical = first_pfn * STORSIM_PAGE_SIZE;
        return STORSIM_OK;
    }
    uint64_t last = highest / STORSIM_PAGE_SIZE - (highest % STORSIM_PAGE_SIZE == STORSIM_PAGE_SIZE - 1 ? 0 : 1);
    if (highest < STORSIM_PAGE_SIZE) {
        return STORSIM_NO_SPACE;
    }
    uint64_t at = free_logical(device, device->next_logical, pages, last);
    if (at == UINT64_MAX) {
        at = free_logical(device, 0x11, pages, last); /* low devices: from page 0x11 up */
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

static ss_bus_result_t reach(const storsim_machine_t *machine, ss_device_t id, uint64_t address, uint64_t *physical) {
    *physical = 0;
    if (device_at(machine, id)->stalled) {
        return SS_BUS_STALLED;
    }
    if (!ss_bus_translate(machine, id, address, physical)) {
        return SS_BUS_IOMMU;
    }
    return ss_pages_is_ram(machine->hardware.pages, *physical / STORSIM_PAGE_SIZE) ? SS_BUS_OK : SS_BUS_NOT_RAM;
}

/* Walks an access page by page. First pass: every page is translated and the guard asked. Second pass: the bytes move. */
static storsim_status_t access(storsim_machine_t *machine, ss_device_t id, uint64_t address, uint8_t *into, const uint8_t *from,
                               size_t bytes, ss_bus_result_t *result) {
    uint64_t end;
    *result = SS_BUS_OK;
    if (device_at(machine, id) == NULL || (bytes != 0 && !ss_add_u64(address, bytes - 1, &end))) {
        return STORSIM_INVALID;
    }
    for (int moving = 0; moving < 2; moving++) {
        for (size_t done = 0; done < bytes;) {
            uint64_t at = address + done, physical;
            size_t rest = STORSIM_PAGE_SIZE - (size_t)(at % STORSIM_PAGE_SIZE);
            size_t step = rest < bytes - done ? rest : bytes - done;
            *result = reach(machine, id, at, &physical);
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

/* --- shadows: the CPU's view of pages whose device is not coherent --------------------------------------------------- */

static uint32_t shadow_index(const ss_bus_t *bus, uint64_t pfn) {
    uint32_t low = 0, high = bus->shadow_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bus->shadows[middle].pfn >= pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static uint8_t *shadow_of(const ss_bus_t *bus, uint64_t pfn) {
    uint32_t at = shadow_index(bus, pfn);
    return at < bus->shadow_count && bus->shadows[at].pfn == pfn ? bus->shadows[at].bytes : NULL;
}

static void drop_shadows(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages) {
    ss_bus_t *bus = &machine->hardware.bus;
    uint32_t from = shadow_index(bus, first_pfn), to = shadow_index(bus, first_pfn + pages);
    for (uint32_t i = from; i < to; i++) {
        ss_release(&machine->host, bus->shadows[i].bytes);
    }
    if (to != from) {
        memmove(bus->shadows + from, bus->shadows + to, (bus->shadow_count - to) * sizeof *bus->shadows);
        bus->shadow_count -= to - from;
    }
}

static storsim_status_t add_shadow(storsim_machine_t *machine, uint64_t pfn) {
    ss_bus_t *bus = &machine->hardware.bus;
    void *array = bus->shadows;
    if (!ss_grow(&machine->host, &array, &bus->shadow_capacity, bus->shadow_count + 1, sizeof *bus->shadows)) {
        return STORSIM_NO_MEMORY;
    }
    bus->shadows = array;
    uint8_t *bytes = ss_alloc(&machine->host, STORSIM_PAGE_SIZE);
    if (bytes == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status = ss_ram_read(machine->hardware.ram, pfn * STORSIM_PAGE_SIZE, bytes, STORSIM_PAGE_SIZE);
    if (status != STORSIM_OK) {
        ss_release(&machine->host, bytes);
        return status;
    }
    uint32_t at = shadow_index(bus, pfn);
    memmove(bus->shadows + at + 1, bus->shadows + at, (bus->shadow_count - at) * sizeof *bus->shadows);
    bus->shadows[at].pfn = pfn;
    bus->shadows[at].bytes = bytes;
    bus->shadow_count++;
    return STORSIM_OK;
}

storsim_status_t ss_bus_shadow(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages, bool on) {
    drop_shadows(machine, first_pfn, pages);
    for (uint64_t i = 0; on && i < pages; i++) {
        storsim_status_t status = add_shadow(machine, first_pfn + i);
        if (status != STORSIM_OK) {
            drop_shadows(machine, first_pfn, pages);
            return status;
        }
    }
    return STORSIM_OK;
}

/* One page-wise loop for the four operations on the CPU's view. */
typedef enum cpu_operation { CPU_READ, CPU_WRITE, CPU_FLUSH, CPU_INVALIDATE } cpu_operation_t;

static storsim_status_t cpu(storsim_machine_t *machine, cpu_operation_t operation, uint64_t physical, uint8_t *into,
                            const uint8_t *from, uint64_t bytes) {
    if (operation == CPU_WRITE || operation == CPU_FLUSH) {
        storsim_status_t ready = ss_ram_prepare(machine->hardware.ram, physical, bytes);
        if (ready != STORSIM_OK) {
            return ready;
        }
    }
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = physical + done, offset = at % STORSIM_PAGE_SIZE;
        uint64_t rest = STORSIM_PAGE_SIZE - offset;
        size_t step = (size_t)(rest < bytes - done ? rest : bytes - done);
        uint8_t *shadow = shadow_of(&machine->hardware.bus, at / STORSIM_PAGE_SIZE);
        ss_ram_t *ram = machine->hardware.ram;
        storsim_status_t status = STORSIM_OK;
        if (operation == CPU_READ) {
            if (shadow != NULL) {
                memcpy(into + done, shadow + offset, step);
            } else {
                status = ss_ram_read(ram, at, into + done, step);
            }
        } else if (operation == CPU_WRITE) {
            if (shadow != NULL) {
                memcpy(shadow + offset, from + done, step);
            } else {
                status = ss_ram_write(ram, at, from + done, step);
            }
        } else if (shadow != NULL) {
            status = operation == CPU_FLUSH ? ss_ram_write(ram, at, shadow + offset, step) : ss_ram_read(ram, at, shadow + offset, step);
        }
        if (status != STORSIM_OK) {
            return status;
        }
        done += step;
    }
    return STORSIM_OK;
}

storsim_status_t ss_bus_cpu_read(storsim_machine_t *machine, uint64_t physical, void *buffer, size_t bytes) {
    return cpu(machine, CPU_READ, physical, buffer, NULL, bytes);
}

storsim_status_t ss_bus_cpu_write(storsim_machine_t *machine, uint64_t physical, const void *buffer, size_t bytes) {
    return cpu(machine, CPU_WRITE, physical, NULL, buffer, bytes);
}

storsim_status_t ss_bus_flush(storsim_machine_t *machine, uint64_t physical, uint64_t bytes) {
    return cpu(machine, CPU_FLUSH, physical, NULL, NULL, bytes);
}

storsim_status_t ss_bus_invalidate(storsim_machine_t *machine, uint64_t physical, uint64_t bytes) {
    return cpu(machine, CPU_INVALIDATE, physical, NULL, NULL, bytes);
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

void ss_bus_destroy(ss_bus_t *bus, ss_host_t *host) {
    for (uint32_t i = 0; i < bus->count; i++) {
        ss_release(host, bus->devices[i].map);
    }
    for (uint32_t i = 0; i < bus->shadow_count; i++) {
        ss_release(host, bus->shadows[i].bytes);
    }
    ss_release(host, bus->devices);
    ss_release(host, bus->shadows);
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

static void load_shadow(ss_bus_t *bus, ss_host_t *host, ss_codec_t *codec) {
    uint8_t *bytes = ss_alloc_zeroed(host, STORSIM_PAGE_SIZE, 1);
    if (bytes == NULL) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return;
    }
    uint64_t pfn = 0;
    ss_codec_u64(codec, &pfn);
    ss_codec_bytes(codec, bytes, STORSIM_PAGE_SIZE);
    bus->shadows[bus->shadow_count].pfn = pfn;
    bus->shadows[bus->shadow_count].bytes = bytes;
    bus->shadow_count++;
}

void ss_bus_walk(ss_bus_t *bus, ss_host_t *host, ss_codec_t *codec) {
    uint64_t count = bus->count, shadows = bus->shadow_count;
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
    ss_codec_count(codec, &shadows, 8 + STORSIM_PAGE_SIZE, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = bus->shadows;
        if (!ss_grow(host, &array, &bus->shadow_capacity, (uint32_t)shadows, sizeof *bus->shadows)) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        bus->shadows = array;
    }
    for (uint64_t i = 0; i < shadows && ss_codec_ok(codec); i++) {
        if (ss_codec_loading(codec)) {
            load_shadow(bus, host, codec);
        } else {
            ss_codec_u64(codec, &bus->shadows[i].pfn);
            ss_codec_bytes(codec, bus->shadows[i].bytes, STORSIM_PAGE_SIZE);
        }
    }
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
    for (uint32_t i = 1; i < bus->shadow_count; i++) {
        broken += bus->shadows[i - 1].pfn >= bus->shadows[i].pfn;
    }
    return broken;
}
