/* machine/bus.h: how a device reaches memory.
 *
 * Every bus master registers and gets a device number. Without an IOMMU its addresses are physical. With one (remap) it sees
 * logical addresses: a sparse table of mappings, everything else faults. A non-coherent device reads and writes memory itself while
 * the CPU's cached stores wait in a shadow until they are flushed.
 * Who may touch what is not the bus's business: the room above installs a guard that is asked first. */
#ifndef SS_BUS_H
#define SS_BUS_H

#include "machine/codec.h"
#include "machine/tap.h"

typedef uint32_t ss_device_t; /* from 1 */

typedef enum ss_bus_result {
    SS_BUS_OK = 0,
    SS_BUS_NOT_RAM,   /* master abort: no memory there */
    SS_BUS_IOMMU,     /* no mapping for the logical address */
    SS_BUS_STALLED    /* test knob: the bus does not answer now */
} ss_bus_result_t;

/* Asked before each access after translation; returns what the call as a whole shall answer: OK goes on; anything else (BUGCHECK,
 * VIOLATION, …) aborts it. `allowed` false means: record, but the hardware does it all the same. */
typedef storsim_status_t (*ss_bus_guard_fn)(storsim_machine_t *machine, ss_device_t device, uint64_t device_address, uint64_t physical,
                                            size_t bytes, bool write, ss_bus_result_t result);

storsim_status_t ss_bus_add_device(storsim_machine_t *machine, bool remap, bool coherent, ss_device_t *device);
void ss_bus_remove_device(storsim_machine_t *machine, ss_device_t device);
/* Takes back the device added last, number included: for a caller whose own reservation failed afterwards. */
void ss_bus_undo_device(storsim_machine_t *machine, ss_device_t device);
/* How many bytes from `physical` on the guard would let this device read without a word each time, until ss_bus_forget says that
 * something changed; 0: it wants to be asked. */
typedef uint64_t (*ss_bus_steady_fn)(storsim_machine_t *machine, ss_device_t device, uint64_t physical);
/* steady NULL: the guard is asked each time. */
void ss_bus_set_guard(storsim_machine_t *machine, ss_bus_guard_fn guard, ss_bus_steady_fn steady);

/* Maps pages of RAM into the device's logical space; *logical receives the address (page aligned, deterministic, below `highest`
 * when possible). Without remap it is the physical address itself. */
storsim_status_t ss_bus_map(storsim_machine_t *machine, ss_device_t device, uint64_t first_pfn, uint64_t pages, uint64_t highest,
                            uint64_t *logical);
/* The same with everything a driver can ask of the address it programs. 0 = no limit, except highest. NO_SPACE when none is legal. */
typedef struct ss_bus_limits {
    uint64_t lowest, highest;     /* bytes, inclusive */
    uint64_t alignment, boundary; /* powers of two; boundary: one window of this size holds the whole mapping */
} ss_bus_limits_t;
storsim_status_t ss_bus_map_within(storsim_machine_t *machine, ss_device_t device, uint64_t first_pfn, uint64_t pages,
                                   const ss_bus_limits_t *limits, uint64_t *logical);
void ss_bus_unmap(storsim_machine_t *machine, ss_device_t device, uint64_t logical, uint64_t pages);
/* Physical address behind a device address; false when none. */
bool ss_bus_translate(const storsim_machine_t *machine, ss_device_t device, uint64_t device_address, uint64_t *physical);

/* The device's loads and stores. *result tells what the hardware saw; the status is OK unless the guard or the host stops it. */
storsim_status_t ss_bus_read(storsim_machine_t *machine, ss_device_t device, uint64_t address, void *buffer, size_t bytes,
                             ss_bus_result_t *result);
storsim_status_t ss_bus_write(storsim_machine_t *machine, ss_device_t device, uint64_t address, const void *buffer, size_t bytes,
                              ss_bus_result_t *result);

/* A window (bus_window.c): a stretch of memory that one device reads again and again, with the host bytes behind it. It answers like
 * ss_bus_read and leaves the same trace, but asks neither the IOMMU nor the guard while nothing changed. All zero: closed. It is no part
 * of any state: who keeps one does not save it. */
typedef struct ss_bus_window {
    uint64_t moment, first, end; /* device addresses; holds while moment - 1 is the machine's */
    const uint8_t *bytes;        /* of `first` */
} ss_bus_window_t;
/* Bytes from a device address on that are sure to be read. */
static inline uint64_t ss_bus_sure(const storsim_machine_t *machine, const ss_bus_window_t *window, uint64_t address) {
    bool holds = window->moment == ss_machine_head(machine)->moment + 1 && address >= window->first && address < window->end;
    return holds ? window->end - address : 0;
}
/* ss_bus_read, which opens the window where it can. One window serves one device. */
storsim_status_t ss_bus_read_window(storsim_machine_t *machine, ss_device_t device, ss_bus_window_t *window, uint64_t address,
                                    void *buffer, size_t bytes, ss_bus_result_t *result);
/* Reads `bytes` bytes that are sure (ss_bus_sure), as one access for each page of them. */
void ss_bus_read_sure(storsim_machine_t *machine, ss_device_t device, const ss_bus_window_t *window, uint64_t address, void *buffer,
                      size_t bytes);
/* Closes every window: called when a mapping, an owner, or the bytes behind a page change hands. */
void ss_bus_forget(storsim_machine_t *machine);

/* The CPU's side of pages a device does not see through the same eyes. Addresses are physical, ranges are switched off as they were
 * switched on, and switching off drops what was not flushed; it cannot fail.
 *   shadow             cached memory of a non-coherent device. Every line counts as cached from the start, so what the device writes is
 *                      not seen before an invalidate; stores mark their 64-byte lines, a flush writes marked lines back whole.
 *   shadow_combining   write-combined memory. Stores wait byte by byte until a flush or drain; loads see waiting bytes, else memory. */
storsim_status_t ss_bus_shadow(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages, bool on);
storsim_status_t ss_bus_shadow_combining(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages);
/* Empties the write-combining buffers: a fence, or an access to uncached memory or registers. O(1) when nothing waits. */
storsim_status_t ss_bus_drain(storsim_machine_t *machine);
/* After a load from a page, a store into it cannot fail. */
storsim_status_t ss_bus_cpu_read(storsim_machine_t *machine, uint64_t physical, void *buffer, size_t bytes);
storsim_status_t ss_bus_cpu_write(storsim_machine_t *machine, uint64_t physical, const void *buffer, size_t bytes);
storsim_status_t ss_bus_flush(storsim_machine_t *machine, uint64_t physical, uint64_t bytes);
storsim_status_t ss_bus_invalidate(storsim_machine_t *machine, uint64_t physical, uint64_t bytes);
void ss_bus_stall(storsim_machine_t *machine, ss_device_t device, bool stalled);

#endif
