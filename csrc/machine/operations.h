/* machine/operations.h: the machine's own operations, by position in their table. */
#ifndef SS_MACHINE_OPERATIONS_H
#define SS_MACHINE_OPERATIONS_H

#include "machine/tap.h"

enum {
    SS_MEMORY_RESERVE,
    SS_MEMORY_RELEASE,
    SS_MEMORY_FRAGMENT,
    SS_MEMORY_WRITE,
    SS_ADVANCE,
    SS_RUN_UNTIL_INTERRUPT,
    SS_FAULT_ADD,
    SS_FAULT_REMOVE,
    SS_FAULT_CLEAR,
    SS_FAULT_PAUSE,
    SS_SNAPSHOT,
    SS_RESTORE,
    SS_MACHINE_OPERATIONS
};
extern const storsim_operation_t ss_machine_operations[SS_MACHINE_OPERATIONS];

#endif
