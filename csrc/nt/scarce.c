/* nt/scarce.c: calls that Driver Verifier fails on its own: low resources simulation, and systematic mode, which fails a
 * call the first time its call path is seen. Source: low-resources-simulation.md,
 * systematic-low-resource-simulation.md, spec/storport-memory §6.
 *
 * Both stand behind the fault plan of the host (machine/fault.c asks here when no rule of the plan fails the call), so
 * every failure has an id, is in the trace, and `with pc.faults.off()` holds for them too. A call path is the call site,
 * with as many callers as the host keeps in a site, and the routine. */
#include "nt/nt_i.h"

#include <string.h>

/* The documented routines behind these fail under the simulation; others (lists, registry buffer, extensions) do not. */
static bool covered(uint16_t routine) {
    switch (routine) {
    case STORSIM_ID_StorPortAllocatePool:
    case STORSIM_ID_StorPortAllocateMdl:
    case STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode:
    case STORSIM_ID_StorPortAllocateDmaMemory:
    case STORSIM_ID_StorPortAllocateHostMemoryBuffer:
    case STORSIM_ID_StorPortGetSystemAddress:
    case STORSIM_ID_StorPortGetDataInBufferSystemAddress:
        return true;
    default:
        return false;
    }
}

static bool tag_chosen(const ss_nt_t *nt, uint32_t tag) {
    bool any = true;
    for (size_t i = 0; i < STORSIM_LOW_RESOURCES_TAGS; i++) {
        uint32_t wanted = nt->config.low_resources_tags[i];
        if (wanted != 0 && wanted == tag) {
            return true;
        }
        any = any && wanted == 0;
    }
    return any;
}

static bool low_resources(storsim_machine_t *machine, uint32_t tag) {
    ss_nt_t *nt = nt_of(machine);
    if (!ss_verifying(machine, STORSIM_V_LOW_RESOURCES) || storsim_now(machine) < nt->config.low_resources_delay ||
        !tag_chosen(nt, tag)) {
        return false;
    }
    bool fails = ss_rng_below(&nt->scarce_rng, 10000) < nt->config.low_resources_probability;
    nt->low_resources_failed += fails;
    return fails;
}

/* Index where a path stands or belongs. */
static uint32_t place(const ss_nt_t *nt, uint64_t path) {
    uint32_t low = 0, high = nt->path_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (nt->paths[middle] < path) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool first_seen(storsim_machine_t *machine, uint16_t routine) {
    ss_nt_t *nt = nt_of(machine);
    uint64_t path = (uint64_t)ss_machine_where(machine)->site << 16 | routine;
    if (!ss_verifying(machine, STORSIM_V_SYSTEMATIC)) {
        return false;
    }
    uint32_t at = place(nt, path);
    void *array = nt->paths;
    if ((at < nt->path_count && nt->paths[at] == path) ||
        !ss_grow(nt->host, &array, &nt->path_capacity, nt->path_count + 1, sizeof *nt->paths)) {
        return false; /* without host memory the path stays unseen, and fails another time */
    }
    nt->paths = array;
    memmove(nt->paths + at + 1, nt->paths + at, (nt->path_count - at) * sizeof *nt->paths);
    nt->paths[at] = path;
    nt->path_count++;
    nt->systematic_failed++;
    if (nt->config.systematic_what_if) {
        ss_call_t *frame = nt->frame;
        if (frame != NULL) {
            ss_note(frame, SS_WOULD_FAIL, NULL);
        }
        return false;
    }
    return true;
}

uint32_t nt_scarce(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes) {
    (void)bytes;
    if (!covered(routine)) {
        return 0;
    }
    if (first_seen(machine, routine)) {
        return STORSIM_RULE_SYSTEMATIC;
    }
    return low_resources(machine, tag) ? STORSIM_RULE_LOW_RESOURCES : 0;
}

void storsim_verifier_counters(const storsim_machine_t *machine, storsim_verifier_counters_t *counters) {
    const ss_nt_t *nt = nt_of(machine);
    if (nt == NULL) {
        *counters = (storsim_verifier_counters_t){0};
        return;
    }
    *counters = (storsim_verifier_counters_t){.special_pool_live = nt->special_live,
                                              .special_pool_fallbacks = nt->special_fallbacks,
                                              .low_resources_failed = nt->low_resources_failed,
                                              .systematic_paths = nt->path_count,
                                              .systematic_failed = nt->systematic_failed};
}
