/* nvme/use.c: the controller uses its buffer, and notices what others did to it. */
#include "nvme/nvme_i.h"
#include "nvme/operations.h"

#include <string.h>

/* Descriptor around a byte of the buffer. O(entries). */
static bool locate(const nvme_controller_t *controller, uint64_t offset, uint64_t *address, uint64_t *bytes) {
    for (uint32_t i = 0; i < controller->entries; i++) {
        const nvme_entry_t *entry = &controller->table[i];
        if (offset < entry->bytes) {
            *address = entry->address + offset;
            *bytes = entry->bytes - offset;
            return true;
        }
        offset -= entry->bytes;
    }
    return false;
}

bool storsim_nvme_hmb_at(const storsim_machine_t *machine, uint32_t device, uint64_t offset, uint64_t *address, uint64_t *bytes) {
    const nvme_controller_t *controller = nvme_find(machine, device);
    return controller != NULL && controller->enabled && locate(controller, offset, address, bytes);
}

bool storsim_nvme_hmb_offset(const storsim_machine_t *machine, uint32_t device, uint64_t address, uint64_t bytes, uint64_t *offset) {
    const nvme_controller_t *controller = nvme_find(machine, device);
    uint64_t before = 0;
    for (uint32_t i = 0; controller != NULL && controller->enabled && i < controller->entries; i++) {
        const nvme_entry_t *entry = &controller->table[i];
        if (address >= entry->address && bytes <= entry->bytes && address - entry->address <= entry->bytes - bytes) {
            *offset = before + (address - entry->address);
            return true;
        }
        before += entry->bytes;
    }
    return false;
}

/* --- what the controller remembers ---------------------------------------------------------------------------------------- */

static uint32_t written_index(const nvme_controller_t *controller, uint64_t page) {
    uint32_t low = 0, high = controller->written_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (controller->written[middle].page < page) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What lies at a device address, seen without an access of the device: the model's own bookkeeping must not look like DMA. False when
 * it is not mapped. */
static bool peek(storsim_machine_t *machine, uint32_t device, uint64_t address, uint8_t *into, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        uint64_t at = address + done, physical;
        size_t rest = STORSIM_PAGE_SIZE - (size_t)(at % STORSIM_PAGE_SIZE), step = rest < bytes - done ? rest : bytes - done;
        if (!ss_bus_translate(machine, device, at, &physical)) {
            return false;
        }
        (void)storsim_memory_read(machine, physical, into + done, step); /* the device reached it when the buffer was enabled */
        done += step;
    }
    return true;
}

/* The page of the buffer as it is now, 0 when it is none any more. */
static uint64_t checksum_of(storsim_machine_t *machine, const nvme_controller_t *controller, uint64_t page, uint64_t *address) {
    uint8_t bytes[STORSIM_PAGE_SIZE] = {0};
    uint64_t left;
    bool there = locate(controller, page * STORSIM_PAGE_SIZE, address, &left) &&
                 peek(machine, controller->device, *address, bytes, sizeof bytes);
    return there ? nvme_checksum(bytes, sizeof bytes, page) : 0;
}

uint64_t nvme_verify_buffer(storsim_machine_t *machine, const nvme_controller_t *controller) {
    for (uint32_t i = 0; i < controller->written_count; i++) {
        uint64_t address = controller->list; /* where a page that lies beyond the buffer now is told from */
        if (checksum_of(machine, controller, controller->written[i].page, &address) != controller->written[i].checksum) {
            return address;
        }
    }
    return 0;
}

storsim_status_t nvme_verify_list(storsim_machine_t *machine, nvme_controller_t *controller, bool *same) {
    size_t bytes = (size_t)controller->entries * NVME_ENTRY_BYTES;
    uint8_t *raw = ss_alloc(ss_machine_host(machine), bytes);
    storsim_status_t status = STORSIM_NO_MEMORY;
    *same = false;
    if (raw != NULL) {
        status = STORSIM_OK;
        *same = peek(machine, controller->device, controller->list, raw, bytes) && nvme_checksum(raw, bytes, 0) == controller->list_checksum;
    }
    ss_release(ss_machine_host(machine), raw);
    return status;
}

storsim_status_t storsim_nvme_verify(storsim_machine_t *machine, uint32_t device) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(device)};
        return ss_tap_run(machine, &ss_nvme_operations[SS_NVME_VERIFY], args, NULL);
    }
    nvme_controller_t *controller = nvme_find(machine, device);
    if (controller == NULL) {
        return STORSIM_STALE;
    }
    if (!controller->enabled) {
        return STORSIM_OK;
    }
    bool same;
    uint64_t changed = 0;
    storsim_status_t status = nvme_verify_list(machine, controller, &same);
    if (status == STORSIM_OK && same) {
        changed = nvme_verify_buffer(machine, controller);
    }
    if (status == STORSIM_OK && (!same || changed != 0)) {
        status = nvme_report(machine, device, STORSIM_NVME_FAULT_WRITTEN, 0, 0, same ? changed : controller->list);
    }
    return status;
}

/* --- loads and stores ------------------------------------------------------------------------------------------------------ */

/* Legal and inside the buffer? */
static storsim_status_t admit(storsim_machine_t *machine, uint32_t device, uint64_t offset, size_t bytes, nvme_controller_t **found) {
    storsim_status_t status = ss_machine_alive(machine);
    nvme_controller_t *controller = nvme_find(machine, device);
    if (status != STORSIM_OK || controller == NULL) {
        return status != STORSIM_OK ? status : STORSIM_STALE;
    }
    if (!controller->enabled) {
        status = nvme_report(machine, device, STORSIM_NVME_FAULT_NOT_ENABLED, 0, offset, controller->list);
        return status == STORSIM_OK ? STORSIM_STALE : status;
    }
    if (offset > controller->total || bytes > controller->total - offset) {
        return STORSIM_INVALID;
    }
    *found = controller;
    return STORSIM_OK;
}

/* Moves bytes through the descriptors; into or from is NULL. */
static storsim_status_t move(storsim_machine_t *machine, const nvme_controller_t *controller, uint64_t offset, uint8_t *into,
                             const uint8_t *from, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        uint64_t address = 0, left = 0;
        ss_bus_result_t result = SS_BUS_OK;
        (void)locate(controller, offset + done, &address, &left); /* the offset was compared with what the entries add up to */
        size_t step = left < bytes - done ? (size_t)left : bytes - done;
        storsim_status_t status = into != NULL ? ss_bus_read(machine, controller->device, address, into + done, step, &result)
                                               : ss_bus_write(machine, controller->device, address, from + done, step, &result);
        if (status != STORSIM_OK || result != SS_BUS_OK) {
            return status != STORSIM_OK ? status : STORSIM_NOT_RAM;
        }
        done += step;
    }
    return STORSIM_OK;
}

storsim_status_t storsim_nvme_hmb_read(storsim_machine_t *machine, uint32_t device, uint64_t offset, void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(device), ss_arg_in(offset), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_nvme_operations[SS_NVME_HMB_READ], args, NULL);
    }
    nvme_controller_t *controller = NULL;
    storsim_status_t status = admit(machine, device, offset, bytes, &controller);
    if (status != STORSIM_OK) {
        return status;
    }
    status = move(machine, controller, offset, buffer, NULL, bytes);
    if (status != STORSIM_OK || bytes == 0) {
        return status;
    }
    /* The controller protects what it keeps there: a page it wrote that reads differently was written by someone else. */
    for (uint64_t page = offset / STORSIM_PAGE_SIZE; page <= (offset + bytes - 1) / STORSIM_PAGE_SIZE; page++) {
        uint32_t at = written_index(controller, page);
        if (at >= controller->written_count || controller->written[at].page != page) {
            continue;
        }
        uint64_t address = 0, now = checksum_of(machine, controller, page, &address);
        if (now != controller->written[at].checksum) {
            controller->written[at].checksum = now; /* reported once */
            storsim_status_t reported = nvme_report(machine, device, STORSIM_NVME_FAULT_WRITTEN, 0, 0, address);
            status = status != STORSIM_OK ? status : reported;
        }
    }
    return status;
}

/* Room in `written` for every page of the range, so that remembering cannot fail after the bytes moved. */
static bool reserve_written(storsim_machine_t *machine, nvme_controller_t *controller, uint64_t pages) {
    void *list = controller->written;
    uint64_t needed = controller->written_count + pages;
    bool grown = needed <= UINT32_MAX && ss_grow(ss_machine_host(machine), &list, &controller->written_capacity, (uint32_t)needed,
                                                 sizeof *controller->written);
    controller->written = list;
    return grown;
}

storsim_status_t storsim_nvme_hmb_write(storsim_machine_t *machine, uint32_t device, uint64_t offset, const void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(device), ss_arg_in(offset), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_nvme_operations[SS_NVME_HMB_WRITE], args, NULL);
    }
    nvme_controller_t *controller = NULL;
    storsim_status_t status = admit(machine, device, offset, bytes, &controller);
    if (status != STORSIM_OK || bytes == 0) {
        return status;
    }
    uint64_t first = offset / STORSIM_PAGE_SIZE, last = (offset + bytes - 1) / STORSIM_PAGE_SIZE;
    if (!reserve_written(machine, controller, last - first + 1)) {
        return STORSIM_NO_MEMORY;
    }
    status = move(machine, controller, offset, NULL, buffer, bytes);
    for (uint64_t page = first; status == STORSIM_OK && page <= last; page++) {
        uint64_t address = 0, now = checksum_of(machine, controller, page, &address);
        uint32_t at = written_index(controller, page);
        if (at >= controller->written_count || controller->written[at].page != page) {
            memmove(controller->written + at + 1, controller->written + at, (controller->written_count - at) * sizeof *controller->written);
            controller->written_count++;
        }
        controller->written[at] = (nvme_written_t){.page = page, .checksum = now};
    }
    return status;
}
