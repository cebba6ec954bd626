/* nt/operations.h: the kernel's operations, by position in their table. */
#ifndef SS_NT_OPERATIONS_H
#define SS_NT_OPERATIONS_H

#include "machine/tap.h"

enum {
    SS_NT_BOOT,
    SS_NT_OVERRIDE_IRQL,
    SS_NT_OVERRIDE_FIRST_OS,
    SS_NT_VERIFY_GUARDS,
    SS_NT_SET_CPU,
    SS_NT_SET_IRQL,
    SS_NT_RUN_DPCS,
    SS_NT_CONNECT_INTERRUPT,
    SS_NT_QUEUE_DPC,
    SS_NT_EVENT_CREATE,
    SS_NT_EVENT_DESTROY,
    SS_NT_EVENT_SET,
    SS_NT_EVENT_CLEAR,
    SS_NT_READ_VA,
    SS_NT_WRITE_VA,
    SS_NT_KERNEL_MEMORY_CREATE,
    SS_NT_KERNEL_MEMORY_DESTROY,
    SS_NT_BLOCK_EXPORT,
    SS_NT_BLOCK_UNEXPORT,
    SS_NT_OPERATIONS
};
extern const storsim_operation_t ss_nt_operations[SS_NT_OPERATIONS];

/* The host bytes of a live view, also after its block was freed. false: no such token. O(views). */
bool ss_export_bytes(const storsim_machine_t *machine, uint64_t token, uint8_t **data, uint64_t *size);
/* How a recorded export names its block: by kernel address, or by physical address where it has none. */
void ss_export_name(const storsim_machine_t *machine, uint64_t block, uint64_t *va, uint64_t *pa);

#endif
