/* machine/bus_window.c: reads that a device repeats, without asking again who may do what. See bus.h.
 *
 *   device addresses   first ........................ end
 *                        |  page  |  page  |  page  |        translated, RAM, of one block the guard is quiet about, touched before
 *   host bytes         bytes .........................       one stretch
 *
 * Invariant: while a window holds, ss_bus_read of a part of it would find SS_BUS_OK, the guard would say nothing, and the same bytes
 * would come. Whoever could break that calls ss_bus_forget, which changes the machine's moment and so closes all windows at once. */
#include "machine/machine_i.h"

#include <string.h>

#define MOST_PAGES 16u /* what opening a window may cost */

void ss_bus_forget(storsim_machine_t *machine) {
    machine->head.moment++;
}

/* The host bytes behind one page of a window; *steady: bytes that the guard still vouches for. NULL: it cannot be part of one. */
static const uint8_t *page_of(storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t *physical, uint64_t *steady) {
    uint64_t before = *physical;
    if (ss_bus_reach(machine, device, address, physical) != SS_BUS_OK) {
        return NULL;
    }
    if (*steady < STORSIM_PAGE_SIZE || *physical != before + STORSIM_PAGE_SIZE) {
        *steady = machine->steady(machine, device, *physical);
    }
    return *steady >= STORSIM_PAGE_SIZE ? ss_ram_touched(machine->hardware.ram, *physical / STORSIM_PAGE_SIZE) : NULL;
}

/* Opens the window at the page of an address that was just read, as far as it goes. One that cannot be opened is left empty there, so
 * that it is not tried with every read. */
static void open_window(storsim_machine_t *machine, ss_device_t device, ss_bus_window_t *window, uint64_t address) {
    uint64_t first = address - address % STORSIM_PAGE_SIZE, moment = machine->head.moment + 1, physical = 0, steady = 0;
    if (window->moment == moment && window->first == first && window->end == first) {
        return;
    }
    *window = (ss_bus_window_t){.moment = moment, .first = first, .end = first};
    for (uint32_t i = 0; i < MOST_PAGES && first <= UINT64_MAX - (i + 1) * STORSIM_PAGE_SIZE; i++) {
        const uint8_t *bytes = page_of(machine, device, first + i * STORSIM_PAGE_SIZE, &physical, &steady);
        if (bytes == NULL || (i != 0 && bytes != window->bytes + i * STORSIM_PAGE_SIZE)) {
            return;
        }
        window->bytes = i == 0 ? bytes : window->bytes;
        window->end += STORSIM_PAGE_SIZE;
        steady -= STORSIM_PAGE_SIZE;
    }
}

storsim_status_t ss_bus_read_window(storsim_machine_t *machine, ss_device_t device, ss_bus_window_t *window, uint64_t address,
                                    void *buffer, size_t bytes, ss_bus_result_t *result) {
    if (bytes != 0 && bytes <= ss_bus_sure(machine, window, address)) {
        memcpy(buffer, window->bytes + (address - window->first), bytes);
        *result = SS_BUS_OK;
        ss_trace(machine, STORSIM_TRACE_DMA, device, address, bytes, 0);
        return STORSIM_OK;
    }
    storsim_status_t status = ss_bus_read(machine, device, address, buffer, bytes, result);
    if (status == STORSIM_OK && *result == SS_BUS_OK && bytes != 0 && machine->guard != NULL && machine->steady != NULL) {
        open_window(machine, device, window, address);
    }
    return status;
}

void ss_bus_read_sure(storsim_machine_t *machine, ss_device_t device, const ss_bus_window_t *window, uint64_t address, void *buffer,
                      size_t bytes) {
    memcpy(buffer, window->bytes + (address - window->first), bytes);
    while (bytes != 0) {
        uint64_t rest = STORSIM_PAGE_SIZE - address % STORSIM_PAGE_SIZE, step = rest < bytes ? rest : bytes;
        ss_trace(machine, STORSIM_TRACE_DMA, device, address, step, 0);
        address += step;
        bytes -= (size_t)step;
    }
}
