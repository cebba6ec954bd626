/* machine/memory.c: the public view of physical memory: map, queries, reservations, fragmentation, the debugger's bytes. */
#include "machine/machine_i.h"
#include "machine/operations.h"

#include <string.h>

const storsim_memory_run_t *storsim_memory_map(const storsim_machine_t *machine, size_t *count) {
    *count = machine->run_count;
    return machine->runs;
}

uint32_t storsim_memory_nodes(const storsim_machine_t *machine) {
    return machine->node_count;
}

uint8_t storsim_memory_distance(const storsim_machine_t *machine, uint32_t from, uint32_t to) {
    if (from >= machine->node_count || to >= machine->node_count) {
        return 255;
    }
    if (machine->distances != NULL) {
        return machine->distances[from * machine->node_count + to];
    }
    return from == to ? 10 : 20;
}

uint64_t storsim_memory_total_pages(const storsim_machine_t *machine, uint32_t node) {
    uint64_t pages = 0;
    if (node == STORSIM_NODE_ANY) {
        return machine->total_pages;
    }
    for (size_t i = 0; i < machine->run_count; i++) {
        pages += machine->runs[i].node == node ? machine->runs[i].pages : 0;
    }
    return pages;
}

/* Whole pages inside [lowest, highest]; false when there is none. */
static bool window(uint64_t lowest, uint64_t highest, uint64_t *first, uint64_t *last) {
    uint64_t end = highest / STORSIM_PAGE_SIZE + (highest % STORSIM_PAGE_SIZE == STORSIM_PAGE_SIZE - 1 ? 1 : 0); /* exclusive */
    *first = lowest / STORSIM_PAGE_SIZE + (lowest % STORSIM_PAGE_SIZE != 0 ? 1 : 0);
    if (lowest > highest || end <= *first) {
        return false;
    }
    *last = end - 1;
    return true;
}

uint64_t storsim_memory_free_bytes(const storsim_machine_t *machine, uint32_t node, uint64_t lowest, uint64_t highest) {
    uint64_t first, last;
    if (!window(lowest, highest, &first, &last)) {
        return 0;
    }
    return ss_pages_count_within(machine->hardware.pages, node, first, last) * STORSIM_PAGE_SIZE;
}

uint64_t storsim_memory_largest_free(const storsim_machine_t *machine, uint64_t lowest, uint64_t highest, uint64_t boundary) {
    uint64_t first, last;
    if (!window(lowest, highest, &first, &last) || (boundary & (boundary - 1)) != 0 || (boundary != 0 && boundary < STORSIM_PAGE_SIZE)) {
        return 0;
    }
    return ss_pages_longest(machine->hardware.pages, first, last, boundary / STORSIM_PAGE_SIZE) * STORSIM_PAGE_SIZE;
}

bool storsim_memory_next_free(const storsim_machine_t *machine, uint64_t from_pfn, storsim_memory_run_t *run) {
    return ss_pages_next_free(machine->hardware.pages, from_pfn, run);
}

/* --- reservations --------------------------------------------------------------------------------------------------- */

static uint32_t reserved_index(const ss_hardware_t *hardware, uint64_t pfn) {
    uint32_t low = 0, high = hardware->reserved_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (hardware->reserved[middle].first_pfn + hardware->reserved[middle].pages > pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static storsim_status_t outward(uint64_t address, uint64_t length, uint64_t *first, uint64_t *pages) {
    uint64_t end;
    if (length == 0 || !ss_add_u64(address, length - 1, &end) || end >= STORSIM_MEMORY_LIMIT) {
        return STORSIM_INVALID;
    }
    *first = address / STORSIM_PAGE_SIZE;
    *pages = end / STORSIM_PAGE_SIZE - *first + 1;
    return STORSIM_OK;
}

/* Room for one more entry: reserving and releasing each add at most one. */
static bool reserve_entry(storsim_machine_t *machine) {
    ss_hardware_t *hardware = &machine->hardware;
    void *array = hardware->reserved;
    if (!ss_grow(&machine->host, &array, &hardware->reserved_capacity, hardware->reserved_count + 1, sizeof(ss_reserved_t))) {
        return false;
    }
    hardware->reserved = array;
    return true;
}

static void insert_reserved(ss_hardware_t *hardware, uint64_t first, uint64_t pages) {
    uint32_t at = reserved_index(hardware, first);
    bool joins_left = at > 0 && hardware->reserved[at - 1].first_pfn + hardware->reserved[at - 1].pages == first;
    bool joins_right = at < hardware->reserved_count && first + pages == hardware->reserved[at].first_pfn;
    if (joins_left) {
        hardware->reserved[at - 1].pages += pages;
        if (joins_right) {
            hardware->reserved[at - 1].pages += hardware->reserved[at].pages;
            hardware->reserved_count--;
            memmove(hardware->reserved + at, hardware->reserved + at + 1, (hardware->reserved_count - at) * sizeof(ss_reserved_t));
        }
    } else if (joins_right) {
        hardware->reserved[at].first_pfn = first;
        hardware->reserved[at].pages += pages;
    } else {
        memmove(hardware->reserved + at + 1, hardware->reserved + at, (hardware->reserved_count - at) * sizeof(ss_reserved_t));
        hardware->reserved[at] = (ss_reserved_t){first, pages};
        hardware->reserved_count++;
    }
}

storsim_status_t storsim_memory_reserve(storsim_machine_t *machine, uint64_t address, uint64_t length) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(address), ss_arg_in(length)};
        return ss_tap_run(machine, &ss_machine_operations[SS_MEMORY_RESERVE], args, NULL);
    }
    uint64_t first, pages;
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK) {
        status = outward(address, length, &first, &pages);
    }
    if (status != STORSIM_OK) {
        return status;
    }
    if (!reserve_entry(machine)) {
        return STORSIM_NO_MEMORY;
    }
    status = ss_pages_take_at(machine->hardware.pages, first, pages);
    if (status != STORSIM_OK) {
        return status == STORSIM_NO_SPACE ? STORSIM_INVALID : status;
    }
    insert_reserved(&machine->hardware, first, pages);
    return STORSIM_OK;
}

storsim_status_t storsim_memory_release(storsim_machine_t *machine, uint64_t address, uint64_t length) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(address), ss_arg_in(length)};
        return ss_tap_run(machine, &ss_machine_operations[SS_MEMORY_RELEASE], args, NULL);
    }
    ss_hardware_t *hardware = &machine->hardware;
    uint64_t first, pages;
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK) {
        status = outward(address, length, &first, &pages);
    }
    if (status != STORSIM_OK) {
        return status;
    }
    uint32_t at = reserved_index(hardware, first);
    if (at == hardware->reserved_count || first < hardware->reserved[at].first_pfn ||
        first + pages > hardware->reserved[at].first_pfn + hardware->reserved[at].pages) {
        return STORSIM_INVALID;
    }
    if (!reserve_entry(machine)) {
        return STORSIM_NO_MEMORY;
    }
    ss_reserved_t whole = hardware->reserved[at];
    uint64_t before = first - whole.first_pfn, after = whole.pages - before - pages;
    hardware->reserved_count--;
    memmove(hardware->reserved + at, hardware->reserved + at + 1, (hardware->reserved_count - at) * sizeof(ss_reserved_t));
    if (before != 0) {
        insert_reserved(hardware, whole.first_pfn, before);
    }
    if (after != 0) {
        insert_reserved(hardware, first + pages, after);
    }
    ss_pages_give(hardware->pages, first, pages);
    return STORSIM_OK;
}

/* Fragmentation (ruling R36): the free memory is seen as slots of run_pages; slots are drawn with the probability that still fits the
 * wanted share, so one pass pins exactly the share (up to a slot) and the choice depends on the seed alone. */
storsim_status_t storsim_memory_fragment(storsim_machine_t *machine, uint64_t numerator, uint64_t denominator, uint64_t run_pages,
                                         uint64_t seed, uint64_t *pinned_pages) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(numerator),
                                ss_arg_in(denominator),
                                ss_arg_in(run_pages),
                                ss_arg_in(seed),
                                ss_arg_out(*pinned_pages)};
        storsim_status_t answer = ss_tap_run(machine, &ss_machine_operations[SS_MEMORY_FRAGMENT], args, NULL);
        *pinned_pages = args[4].value;
        return answer;
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    if (denominator == 0 || numerator > denominator || run_pages == 0) {
        return STORSIM_INVALID;
    }
    uint64_t slots = 0, pinned = 0;
    storsim_memory_run_t run;
    for (uint64_t at = 0; storsim_memory_next_free(machine, at, &run); at = run.first_pfn + run.pages) {
        slots += run.pages / run_pages;
    }
    uint64_t free_pages = ss_pages_free_count(machine->hardware.pages);
    /* share of the pages, in slots, rounded to the nearest; the double division keeps 128 bits out of the core */
    uint64_t want = free_pages / run_pages / denominator * numerator +
                    (free_pages / run_pages % denominator * numerator + denominator / 2) / denominator;
    want = want < slots ? want : slots;
    ss_rng_t rng = {ss_mix(seed, 0xF4A6)};
    /* unreachable: there is room for all that is wanted */
    for (uint64_t at = 0; want != 0 && storsim_memory_next_free(machine, at, &run); at = run.first_pfn + run.pages) {
        for (uint64_t i = 0; i < run.pages / run_pages && want != 0; i++, slots--) {
            if (ss_rng_below(&rng, slots) < want) {
                status = storsim_memory_reserve(machine, (run.first_pfn + i * run_pages) * STORSIM_PAGE_SIZE, run_pages * STORSIM_PAGE_SIZE);
                if (status != STORSIM_OK) {
                    *pinned_pages = pinned;
                    return status;
                }
                pinned += run_pages;
                want--;
            }
        }
    }
    *pinned_pages = pinned;
    return STORSIM_OK;
}

/* --- the debugger's bytes ------------------------------------------------------------------------------------------- */

static storsim_status_t all_ram(const storsim_machine_t *machine, uint64_t address, size_t bytes) {
    uint64_t end;
    if (bytes == 0) {
        return STORSIM_OK;
    }
    if (!ss_add_u64(address, bytes - 1, &end)) {
        return STORSIM_NOT_RAM;
    }
    for (uint64_t pfn = address / STORSIM_PAGE_SIZE; pfn <= end / STORSIM_PAGE_SIZE; pfn++) {
        if (!ss_pages_is_ram(machine->hardware.pages, pfn)) {
            return STORSIM_NOT_RAM;
        }
    }
    return STORSIM_OK;
}

storsim_status_t storsim_memory_read(storsim_machine_t *machine, uint64_t address, void *buffer, size_t bytes) {
    storsim_status_t status = all_ram(machine, address, bytes);
    return status != STORSIM_OK ? status : ss_ram_read(machine->hardware.ram, address, buffer, bytes);
}

storsim_status_t storsim_memory_write(storsim_machine_t *machine, uint64_t address, const void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(address), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_machine_operations[SS_MEMORY_WRITE], args, NULL);
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK) {
        status = all_ram(machine, address, bytes);
    }
    return status != STORSIM_OK ? status : ss_ram_write(machine->hardware.ram, address, buffer, bytes);
}
