/* storport/plain.c: the short way through the routines that drivers call most: pool, contiguous memory and memory for devices.
 *
 *   storsim_storport_call ─▶ plain?  ── yes ─▶ ss_pool_take · ss_block_make · ss_block_free ─▶ trace, observer ─▶ done
 *                              │ no
 *                              ▼
 *                           call.c: the frame, every check in its order, every finding
 *
 * A call is plain when no row of its table has anything to say: the machine is alive, the level legal, the adapter live and known, no callback
 * under way, no fault plan, and what is asked for or given back is as it should be. That is looked up without changing anything, so whatever is
 * out of the ordinary goes the long way as if nothing had been asked. A frame says who called, for findings; where there can be none, none is
 * made. Everything else is as on the long way, made by the same functions of the kernel: the record with its site, time and owner, the
 * budgets, the quarantine, the fault point counted, the entries of the trace, what the observer is told.
 *
 * Invariant: with the same call before it, a machine on the short way and one on the long way cannot be told apart by results, digest, trace,
 * records or counters (tests/storport/test_plain.c makes both walk the same calls). Cost: no loop but over the adapters. */
#include "machine/bits.h"
#include "storport/room.h"

#include <assert.h>

enum { CACHED = 1 };

/* The adapter of a plain call; NULL: the long way. */
static const ss_adapter_t *plain_adapter(const storsim_machine_t *machine, const ss_port_t *port, uint64_t extension) {
    const ss_adapter_t *adapter = port->frame_count == 0 && ss_fault_idle(machine) ? ss_adapter_at(port, extension) : NULL;
    bool plain = adapter != NULL && adapter->live && adapter->config.dump_mode == 0 && adapter->config.full_duplex &&
                 !adapter->config.dma_remapping;
    return plain ? adapter : NULL;
}

/* How a call ended, as call.c writes it: outputs of one that failed are zeroes, one that stopped wrote nothing. */
typedef struct ending {
    storsim_status_t status;
    uint32_t result;
    uint64_t values[2]; /* of the parameters that go out, which are the last ones */
} ending_t;

/* Without a loop, which would take longer than all else here. */
SS_INLINE void nothing_written(storsim_arg_t *args, uint32_t count) {
    switch (count) {
    case 9:
        args[8].written = false;
        /* fall through */
    case 8:
        args[7].written = args[6].written = args[5].written = false;
        /* fall through */
    case 5:
        args[4].written = false;
        /* fall through */
    case 4:
        args[3].written = args[2].written = false;
        /* fall through */
    default:
        args[1].written = args[0].written = false;
    }
}

/* For a routine with `count` parameters, of which the last `outs` go out: numbers that the compiler knows. */
SS_INLINE void finish(storsim_machine_t *machine, const storsim_routine_t *routine, storsim_arg_t *args, uint32_t count, uint32_t outs,
                      const ending_t *end) {
    const bool writes = outs != 0 && end->status == STORSIM_OK;
    assert(routine->param_count == count);
    nothing_written(args, count);
    if (writes) {
        args[count - outs].value = end->values[0];
        args[count - outs].written = true;
    }
    if (writes && outs > 1) {
        args[count - 1].value = end->values[1];
        args[count - 1].written = true;
    }
    const uint64_t values[4] = {end->result, args[1].value, count > 2 ? args[2].value : 0, writes ? end->values[0] : 0};
    ss_trace_at_once(machine, routine->id, values, writes && outs > 1 ? end->values : NULL);
    const ss_observer_t *observer = ss_machine_observer(machine);
    if (observer->call != NULL) {
        observer->call(observer->state, &(ss_seen_call_t){routine->id, storsim_irql(machine), ss_context(machine), end->status, end->result});
    }
}

static ending_t failed(storsim_status_t status) {
    return (ending_t){.status = status == STORSIM_NO_SPACE ? STORSIM_OK : status, .result = SS_STOR(INSUFFICIENT_RESOURCES)};
}

static bool take_pool(storsim_machine_t *machine, const ss_adapter_t *adapter, const storsim_arg_t *a, ending_t *end) {
    const uint32_t tag = (uint32_t)a[2].value;
    bool holds = a[3].value >= STORSIM_SYSTEM_START; /* maybe a live block, of which the long way warns */
    if (!a[3].present || holds || !ss_pool_plain(machine, a[1].value, tag)) {
        return false;
    }
    ss_block_id_t id;
    ss_fault_pass(machine);
    storsim_status_t status = ss_pool_take(machine, STORSIM_BLOCK_POOL, a[1].value, tag, adapter->number, &id);
    if (status == STORSIM_OK) {
        *end = (ending_t){.values = {ss_block(machine, id)->va}};
    } else {
        *end = failed(status);
    }
    return true;
}

static bool take_contiguous(storsim_machine_t *machine, const ss_adapter_t *adapter, const storsim_arg_t *a, storsim_block_kind_t kind,
                            ending_t *end) {
    const ss_contig_args_t args = {.bytes = a[1].value, .lowest = a[2].value, .highest = a[3].value, .boundary = a[4].value,
                                   .cache = (int32_t)(uint32_t)a[5].value, .node = (uint32_t)a[6].value};
    bool one_view = args.cache == 0 || (args.cache == CACHED && adapter->config.coherent); /* see device.c */
    if (!a[7].present || (kind == STORSIM_BLOCK_DMA && !a[8].present) || !one_view || !ss_contig_plain(machine, adapter->number, &args)) {
        return false;
    }
    const ss_block_request_t request = ss_contig_block(machine, kind, adapter->number, &args);
    ss_block_id_t id;
    ss_fault_pass(machine);
    storsim_status_t status = ss_block_make(machine, &request, &id);
    if (status == STORSIM_OK) {
        const ss_block_t *block = ss_block(machine, id);
        *end = (ending_t){.values = {block->va, block->pfn * STORSIM_PAGE_SIZE}};
    } else {
        *end = failed(status);
    }
    return true;
}

static bool give(storsim_machine_t *machine, ss_block_id_t id) {
    if (id == 0) {
        return false;
    }
    ss_block_free(machine, id);
    return true;
}

static bool give_contiguous(storsim_machine_t *machine, const ss_adapter_t *adapter, const storsim_arg_t *a, storsim_block_kind_t kind,
                            uint64_t pa) {
    return give(machine,
                ss_contig_plain_free(machine, kind, adapter->number, a[1].value, a[2].value, (int32_t)(uint32_t)a[3].value, pa));
}

static bool perform(storsim_machine_t *machine, const ss_port_t *port, const ss_adapter_t *adapter, const storsim_routine_t *routine,
                    storsim_arg_t *a, ending_t *end) {
    bool done = false;
    switch (routine->id) {
    case STORSIM_ID_StorPortAllocatePool:
        if ((done = take_pool(machine, adapter, a, end))) {
            finish(machine, routine, a, 4, 1, end);
        }
        break;
    case STORSIM_ID_StorPortFreePool:
        if ((done = !ss_watching(port) && give(machine, ss_pool_plain_free(machine, a[1].value, adapter->number)))) {
            finish(machine, routine, a, 2, 0, end);
        }
        break;
    case STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode:
        if ((done = take_contiguous(machine, adapter, a, STORSIM_BLOCK_CONTIGUOUS, end))) {
            finish(machine, routine, a, 8, 1, end);
        }
        break;
    case STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache:
        if ((done = !ss_watching(port) && give_contiguous(machine, adapter, a, STORSIM_BLOCK_CONTIGUOUS, 0))) {
            finish(machine, routine, a, 4, 0, end);
        }
        break;
    case STORSIM_ID_StorPortAllocateDmaMemory:
        if ((done = take_contiguous(machine, adapter, a, STORSIM_BLOCK_DMA, end))) {
            finish(machine, routine, a, 9, 2, end);
        }
        break;
    case STORSIM_ID_StorPortFreeDmaMemory:
        if ((done = !ss_watching(port) && give_contiguous(machine, adapter, a, STORSIM_BLOCK_DMA, a[4].value))) {
            finish(machine, routine, a, 5, 0, end);
        }
        break;
    default: /* unreachable: no other has so low a number */
        break;
    }
    return done;
}

bool ss_plain(storsim_machine_t *machine, const ss_port_t *port, const storsim_routine_t *routine, storsim_arg_t *args, uint64_t *result,
              storsim_status_t *status) {
    const ss_adapter_t *adapter = ss_call_plain(machine, routine) ? plain_adapter(machine, port, args[0].value) : NULL;
    ending_t end = {.status = STORSIM_OK};
    if (adapter == NULL || !perform(machine, port, adapter, routine, args, &end)) {
        return false;
    }
    *status = end.status;
    *result = end.status == STORSIM_OK ? end.result : 0;
    return true;
}
