/* bench/pool_adapter.c: the nonpaged pool behind the trace ABI: StorPortAllocatePool and StorPortFreePool as a driver calls them, with a tag, the
 * verifier as it is by default, every allocation recorded and accounted. */
#include "bench/trace_abi.h"

#include "storsim/storport.h"

#include <stdlib.h>

typedef struct state {
    storsim_machine_t *machine;
    const storsim_routine_t *allocate, *release;
    uint64_t extension;
} state_t;

static void require(storsim_status_t status) {
    if (status != STORSIM_OK) {
        abort();
    }
}

static void *create(const bench_region_t *regions, unsigned count, uint32_t page_bytes, uint32_t slots) {
    static const storsim_range_t range = {UINT64_C(0x100000000), UINT64_C(16) << 30, 0};
    const storsim_machine_config_t config = {.ranges = &range, .range_count = 1, .seed = 1};
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter;
    uint32_t number;
    (void)regions;
    (void)count;
    (void)page_bytes;
    (void)slots;
    state_t *state = calloc(1, sizeof *state);
    if (state == NULL) {
        abort();
    }
    storsim_nt_config_init(&nt);
    storsim_adapter_config_init(&adapter);
    adapter.name = "bench";
    require(storsim_machine_create(&config, &state->machine));
    require(storsim_nt_boot(state->machine, &nt));
    require(storsim_storport_attach(state->machine));
    require(storsim_adapter_add(state->machine, &adapter, &number));
    state->extension = storsim_adapter_extension(state->machine, number);
    state->allocate = storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool);
    state->release = storsim_ddi_routine(STORSIM_ID_StorPortFreePool);
    return state;
}

static int allocate(void *context, const bench_op_t *op, bench_result_t *result) {
    state_t *state = context;
    uint64_t status = 0;
    storsim_arg_t args[] = {{.value = state->extension, .present = true},
                            {.value = op->size, .present = true},
                            {.value = 0x636E6542, .present = true},
                            {.present = true}};
    require(storsim_storport_call(state->machine, state->allocate, args, &status));
    result->address = args[3].value;
    return status != 0;
}

static void release(void *context, const bench_result_t *result, uint64_t size) {
    state_t *state = context;
    uint64_t status = 0;
    storsim_arg_t args[] = {{.value = state->extension, .present = true}, {.value = result->address, .present = true}};
    (void)size;
    require(storsim_storport_call(state->machine, state->release, args, &status));
}

BENCH_EXPORT const bench_adapter_t *st_get_adapter(void) {
    static const bench_adapter_t adapter = {"storsim pool", BENCH_CAN_BYTES, create, allocate, release, NULL, NULL};
    return &adapter;
}
