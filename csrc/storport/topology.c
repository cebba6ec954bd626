/* storport/topology.c: nodes, processors and the current level (spec §3.12). CPU i belongs to node i mod nodes; one processor group. */
#include "storport/room.h"

static uint64_t mask_of(const storsim_machine_t *machine, uint64_t node) {
    uint32_t nodes = storsim_memory_nodes(machine), cpus = storsim_nt_config(machine)->cpus;
    uint64_t mask = 0;
    for (uint32_t cpu = 0; node < nodes && cpu < cpus; cpu++) {
        mask |= cpu % nodes == node ? UINT64_C(1) << cpu : 0;
    }
    return mask;
}

static void answer(ss_sp_t *sp, storsim_arg_t *out, uint64_t value) {
    ss_reply(sp, out->present ? SS_STOR(SUCCESS) : SS_STOR(INVALID_PARAMETER));
    ss_out(out, value);
}

void ss_StorPortGetHighestNodeNumber(ss_sp_t *sp) {
    answer(sp, &sp->a[1], storsim_memory_nodes(sp->machine) - 1);
}

void ss_StorPortGetActiveNodeCount(ss_sp_t *sp) {
    answer(sp, &sp->a[1], storsim_memory_nodes(sp->machine));
}

/* The pages list UNSUCCESSFUL for any other failure. Nothing here can fail by itself: a fault plan that names the routine says when. */
static bool fails_by_plan(ss_sp_t *sp) {
    if (!ss_fault_named(sp->machine, sp->call.routine->id, &sp->call.status)) {
        return sp->call.status != STORSIM_OK;
    }
    ss_reply(sp, SS_STOR(UNSUCCESSFUL));
    return true;
}

void ss_StorPortGetCurrentIrql(ss_sp_t *sp) {
    if (sp->a[1].present && fails_by_plan(sp)) {
        return;
    }
    answer(sp, &sp->a[1], storsim_irql(sp->machine));
}

void ss_StorPortGetNodeAffinity(ss_sp_t *sp) {
    storsim_arg_t *mask = &sp->a[2];
    if (!mask->present || mask->data == NULL || mask->count == 0 || sp->a[1].value > 65535) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    /* A node number in range without a node: an empty mask. */
    *(storsim_group_affinity_t *)mask->data = (storsim_group_affinity_t){.Mask = mask_of(sp->machine, sp->a[1].value)};
    mask->written = true;
    ss_reply(sp, SS_STOR(SUCCESS));
}

void ss_StorPortGetNodeAffinity2(ss_sp_t *sp) {
    storsim_arg_t *array = &sp->a[2], *required = &sp->a[4];
    uint64_t node = sp->a[1].value, count = sp->a[3].value;
    bool null = !array->present || array->data == NULL;
    if (!required->present || (null && count > 0) || node >= storsim_memory_nodes(sp->machine)) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (!null && count > array->count) { /* the routine would write past the caller's array */
        sp->call.status = STORSIM_INVALID;
        return;
    }
    if (fails_by_plan(sp)) {
        return;
    }
    uint64_t mask = mask_of(sp->machine, node);
    uint64_t needed = mask != 0 ? 1 : 0; /* a node with memory only needs none */
    ss_out(required, needed);
    if (needed > count) {
        ss_reply(sp, SS_STOR(BUFFER_TOO_SMALL));
        return;
    }
    if (needed != 0) {
        *(storsim_group_affinity_t *)array->data = (storsim_group_affinity_t){.Mask = mask};
        array->written = true;
    }
    ss_reply(sp, SS_STOR(SUCCESS));
}
