/* storport/operations.h: what is done to adapters besides the routines, by position in the table. */
#ifndef SS_STORPORT_OPERATIONS_H
#define SS_STORPORT_OPERATIONS_H

#include "machine/tap.h"

enum {
    SS_SP_ATTACH,
    SS_SP_ADAPTER_ADD,
    SS_SP_ADAPTER_REMOVE,
    SS_SP_PORT_CONFIG_SET,
    SS_SP_CALLBACK_ENTER,
    SS_SP_CALLBACK_LEAVE,
    SS_SP_SRB_CREATE,
    SS_SP_SRB_COMPLETE,
    SS_SP_DMA_READ,
    SS_SP_DMA_WRITE,
    SS_SP_FLUSH,
    SS_SP_STORE_FENCE,
    SS_SP_OPERATIONS
};
extern const storsim_operation_t ss_sp_operations[SS_SP_OPERATIONS];

/* The operation of a routine of this family. */
storsim_operation_t ss_sp_operation(const storsim_routine_t *routine);

#endif
