/* machine/machine.c: creation, destruction, rooms, callbacks. */
#include "machine/machine_i.h"

#include <string.h>

/* --- the map -------------------------------------------------------------------------------------------------------- */

static bool range_before(const storsim_range_t *a, const storsim_range_t *b) {
    return a->start != b->start ? a->start < b->start : a->length < b->length;
}

/* Insertion sort: maps have tens of ranges and mostly come sorted. */
static void sort_ranges(storsim_range_t *ranges, size_t count) {
    for (size_t i = 1; i < count; i++) {
        storsim_range_t moving = ranges[i];
        size_t at = i;
        while (at > 0 && range_before(&moving, &ranges[at - 1])) {
            ranges[at] = ranges[at - 1];
            at--;
        }
        ranges[at] = moving;
    }
}

static bool ranges_valid(const storsim_range_t *ranges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].length == 0 || ranges[i].node >= STORSIM_MAX_NODES || ranges[i].start > STORSIM_MEMORY_LIMIT ||
            ranges[i].length > STORSIM_MEMORY_LIMIT - ranges[i].start) {
            return false;
        }
        if (i != 0 && ranges[i - 1].start + ranges[i - 1].length > ranges[i].start) {
            return false;
        }
    }
    return true;
}

/* Joins what touches on one node, rounds inward to pages, drops page 0 (ruling R30). Returns the number of runs. */
static size_t make_runs(const storsim_range_t *ranges, size_t count, storsim_memory_run_t *runs) {
    size_t made = 0;
    for (size_t i = 0; i < count;) {
        uint64_t start = ranges[i].start, end = start + ranges[i].length;
        size_t next = i + 1;
        while (next < count && ranges[next].start == end && ranges[next].node == ranges[i].node) {
            end += ranges[next++].length;
        }
        uint64_t first = (start + STORSIM_PAGE_SIZE - 1) / STORSIM_PAGE_SIZE, last = end / STORSIM_PAGE_SIZE;
        first = first == 0 ? 1 : first;
        if (last > first) {
            runs[made++] = (storsim_memory_run_t){first, last - first, ranges[i].node};
        }
        i = next;
    }
    return made;
}

static storsim_status_t copy_map(storsim_machine_t *machine, const storsim_machine_config_t *config) {
    size_t count = config->range_count;
    if (count == 0 || count > STORSIM_MAX_RANGES || config->ranges == NULL || config->node_count > STORSIM_MAX_NODES) {
        return STORSIM_INVALID;
    }
    storsim_range_t *sorted = ss_alloc(&machine->plain, count * sizeof *sorted);
    machine->runs = ss_alloc(&machine->plain, count * sizeof *machine->runs);
    if (sorted == NULL || machine->runs == NULL) {
        ss_release(&machine->plain, sorted);
        return STORSIM_NO_MEMORY;
    }
    memcpy(sorted, config->ranges, count * sizeof *sorted);
    sort_ranges(sorted, count);
    bool valid = ranges_valid(sorted, count);
    machine->run_count = valid ? make_runs(sorted, count, machine->runs) : 0;
    for (size_t i = 0; i < machine->run_count; i++) {
        machine->total_pages += machine->runs[i].pages;
    }
    machine->node_count = config->node_count;
    for (size_t i = 0; valid && i < count; i++) {
        if (config->node_count != 0 && sorted[i].node >= config->node_count) {
            valid = false;
        } else if (sorted[i].node >= machine->node_count) {
            machine->node_count = sorted[i].node + 1;
        }
    }
    ss_release(&machine->plain, sorted);
    return valid && machine->run_count != 0 ? STORSIM_OK : STORSIM_INVALID;
}

static storsim_status_t copy_distances(storsim_machine_t *machine, const storsim_machine_config_t *config) {
    if (config->distances == NULL) {
        return STORSIM_OK;
    }
    size_t cells = (size_t)machine->node_count * machine->node_count;
    machine->distances = ss_alloc(&machine->plain, cells);
    if (machine->distances == NULL) {
        return STORSIM_NO_MEMORY;
    }
    memcpy(machine->distances, config->distances, cells);
    return STORSIM_OK;
}

static uint64_t fingerprint(const storsim_machine_t *machine) {
    ss_codec_t codec = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
    for (size_t i = 0; i < machine->run_count; i++) {
        storsim_memory_run_t run = machine->runs[i];
        ss_codec_u64(&codec, &run.first_pfn);
        ss_codec_u64(&codec, &run.pages);
        ss_codec_u32(&codec, &run.node);
    }
    uint32_t nodes = machine->node_count, placement = (uint32_t)machine->placement;
    bool cross = machine->allow_cross_node;
    uint64_t seed = machine->seed;
    ss_codec_u32(&codec, &nodes);
    ss_codec_u32(&codec, &placement);
    ss_codec_bool(&codec, &cross);
    ss_codec_u64(&codec, &seed);
    return codec.hash;
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_hardware_create(storsim_machine_t *machine, ss_hardware_t *hardware) {
    memset(hardware, 0, sizeof *hardware);
    hardware->rng.state = ss_mix(machine->seed, 0x5EED);
    storsim_status_t status =
        ss_pages_create(&machine->host, machine->runs, machine->run_count, machine->node_count, machine->placement,
                        machine->allow_cross_node, ss_mix(machine->seed, 0x9A6E5), &hardware->pages);
    if (status == STORSIM_OK) {
        status = ss_ram_create(&machine->host, &machine->filler, &hardware->ram);
    }
    if (status == STORSIM_OK) {
        ss_ram_bound(hardware->ram, ss_pages_free_count(hardware->pages)); /* all are free yet */
    }
    return status;
}

void ss_hardware_destroy(storsim_machine_t *machine, ss_hardware_t *hardware) {
    ss_pages_destroy(hardware->pages);
    ss_ram_destroy(hardware->ram);
    ss_clock_destroy(&hardware->clock, &machine->host);
    ss_faults_destroy(&hardware->faults, &machine->host);
    ss_findings_destroy(&hardware->findings, &machine->host);
    ss_bus_destroy(&hardware->bus, &machine->host);
    ss_release(&machine->host, hardware->reserved);
}

static uint32_t power_of_two(uint32_t wanted) {
    uint32_t size = 16;
    while (size < wanted && size < UINT32_C(1) << 24) {
        size *= 2;
    }
    return size;
}

storsim_status_t storsim_machine_create(const storsim_machine_config_t *config, storsim_machine_t **machine) {
    if (config->placement > STORSIM_ADVERSARIAL) {
        return STORSIM_INVALID;
    }
    ss_host_t host;
    ss_host_init(&host, config->host);
    storsim_machine_t *made = ss_alloc_zeroed(&host, 1, sizeof *made);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    made->plain = made->host = host;
    made->cells.plain = &made->plain;
    made->host.cells = &made->cells;
    made->host.live_blocks = made->host.requests = 0;
    made->seed = config->seed;
    made->placement = config->placement;
    made->allow_cross_node = config->allow_cross_node;
    made->listener = SS_ROOM_COUNT;
    made->trace.capacity = power_of_two(config->trace_entries != 0 ? config->trace_entries : 4096);
    storsim_status_t status = copy_map(made, config);
    if (status == STORSIM_OK) {
        status = copy_distances(made, config);
    }
    if (status == STORSIM_OK) {
        made->fingerprint = fingerprint(made);
        status = ss_hardware_create(made, &made->hardware);
    }
    if (status != STORSIM_OK) {
        storsim_machine_destroy(made);
        return status;
    }
    *machine = made;
    return STORSIM_OK;
}

void storsim_machine_destroy(storsim_machine_t *machine) {
    if (machine == NULL) {
        return;
    }
    if (machine->head.tap != NULL) {
        machine->head.tap->ops->gone(machine->head.tap);
    }
    for (int room = SS_ROOM_COUNT - 1; room >= 0; room--) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != NULL && ops->destroy != NULL) {
            ops->destroy(machine, machine->head.states[room]);
        }
    }
    if (machine->observer.release != NULL) {
        machine->observer.release(&machine->plain, machine->observer.state);
    }
    ss_hardware_destroy(machine, &machine->hardware);
    ss_sites_destroy(&machine->sites, &machine->plain);
    ss_release(&machine->plain, machine->trace.entries);
    ss_release(&machine->plain, machine->runs);
    ss_release(&machine->plain, machine->distances);
    ss_host_t host = machine->plain;
    ss_release(&host, machine);
}

/* --- rooms ---------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_room_attach(storsim_machine_t *machine, ss_room_t room, const ss_room_ops_t *ops, void *state) {
    if (room >= SS_ROOM_COUNT || machine->rooms[room].ops != NULL) {
        return STORSIM_INVALID;
    }
    machine->rooms[room].ops = ops;
    machine->head.states[room] = state;
    return STORSIM_OK;
}

ss_host_t *ss_machine_host(const storsim_machine_t *machine) {
    /* The host's counters are not part of the simulated state: a const machine may still ask for memory. */
    union { const ss_host_t *in; ss_host_t *out; } cast = {&machine->host};
    return cast.out;
}

ss_host_t *ss_machine_plain(const storsim_machine_t *machine) {
    union { const ss_host_t *in; ss_host_t *out; } cast = {&machine->plain};
    return cast.out;
}

ss_pages_t *ss_machine_pages(const storsim_machine_t *machine) {
    return machine->hardware.pages;
}

ss_ram_t *ss_machine_ram(const storsim_machine_t *machine) {
    return machine->hardware.ram;
}

void ss_machine_filler(storsim_machine_t *machine, const ss_filler_t *filler) {
    machine->filler = *filler;
    machine->filler.context = machine;
}

ss_rng_t *ss_machine_rng(storsim_machine_t *machine) {
    return &machine->hardware.rng;
}

ss_observer_t *ss_machine_observer(storsim_machine_t *machine) {
    return &machine->observer;
}

uint64_t ss_machine_seed(const storsim_machine_t *machine) {
    return machine->seed;
}

/* --- callbacks ------------------------------------------------------------------------------------------------------ */

void storsim_machine_set_callback(storsim_machine_t *machine, storsim_callback_fn function, void *host) {
    machine->callback = function;
    machine->callback_host = host;
}

uint32_t ss_callback_depth(const storsim_machine_t *machine) {
    return machine->callback_depth;
}

uint64_t ss_callbacks(const storsim_machine_t *machine) {
    return machine->callbacks;
}

/* The journal hears what is asked and what is answered; what the host does meanwhile is recorded as its own. */
static storsim_status_t ask(storsim_machine_t *machine, storsim_callback_t *callback) {
    ss_tap_t *tap = machine->head.tap;
    if (tap == NULL) {
        return machine->callback(machine->callback_host, callback);
    }
    storsim_status_t status = tap->ops->callback(tap, callback);
    if (status != STORSIM_OK) {
        return status;
    }
    uint32_t inside = machine->head.inside;
    machine->head.inside = 0;
    status = machine->callback(machine->callback_host, callback);
    machine->head.inside = inside;
    if (machine->head.tap != NULL) {
        tap->ops->answer(tap, callback, status);
    }
    return status;
}

storsim_status_t ss_callback(storsim_machine_t *machine, storsim_callback_t *callback) {
    if (machine->callback == NULL) {
        return STORSIM_CALLBACK;
    }
    storsim_status_t status = ss_settle(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    const uint64_t first = callback->values[0]; /* the host may overwrite it */
    const ss_mark_t began = ss_trace_mark(machine);
    machine->callback_depth++;
    machine->callbacks++;
    status = ask(machine, callback);
    machine->callback_depth--;
    ss_trace_span(machine, STORSIM_TRACE_CALLBACK, &began, (uint64_t)callback->kind, callback->routine, first, callback->result);
    return status == STORSIM_OK ? STORSIM_OK : STORSIM_CALLBACK;
}
