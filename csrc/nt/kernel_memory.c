/* nt/kernel_memory.c: memory that belongs to the kernel itself and has rules of its own: thread stacks and pageable
 * memory. A driver gets such an address from above (a parameter block, a local variable) and must not treat it like its
 * own nonpaged allocations. */
#include "nt/nt_i.h"
#include "nt/operations.h"

storsim_status_t storsim_kernel_memory_create(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes,
                                              uint64_t *va) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in((uint64_t)kind), ss_arg_in(bytes), ss_arg_out(*va)};
        storsim_status_t answer = ss_tap_run(machine, &ss_nt_operations[SS_NT_KERNEL_MEMORY_CREATE], args, NULL);
        *va = args[2].value;
        return answer;
    }
    storsim_status_t status = nt_alive(machine);
    if (status == STORSIM_OK &&
        ((kind != STORSIM_BLOCK_KERNEL_STACK && kind != STORSIM_BLOCK_PAGEABLE) || bytes == 0)) {
        status = STORSIM_INVALID;
    }
    if (status != STORSIM_OK) {
        return status;
    }
    ss_block_id_t id;
    const ss_block_request_t request = {
        .kind = kind, .size = bytes, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1, .scattered = true};
    status = ss_block_make(machine, &request, &id);
    if (status == STORSIM_OK) {
        *va = ss_block(machine, id)->va;
    }
    return status;
}

storsim_status_t storsim_kernel_memory_destroy(storsim_machine_t *machine, uint64_t va) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(va)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_KERNEL_MEMORY_DESTROY], args, NULL);
    }
    storsim_status_t status = nt_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_block_id_t id = ss_block_around(machine, va);
    const ss_block_t *block = id != 0 ? ss_block(machine, id) : NULL;
    if (block == NULL || block->state != SS_STATE_LIVE || block->va != va ||
        (block->kind != STORSIM_BLOCK_KERNEL_STACK && block->kind != STORSIM_BLOCK_PAGEABLE)) {
        return STORSIM_STALE;
    }
    ss_block_free(machine, id);
    return STORSIM_OK;
}
