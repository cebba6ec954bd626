/* nvme/operations.h: what is done to controllers, by position in the table. */
#ifndef SS_NVME_OPERATIONS_H
#define SS_NVME_OPERATIONS_H

#include "machine/tap.h"

enum {
    SS_NVME_ATTACH,
    SS_NVME_SET_FEATURES,
    SS_NVME_RESET,
    SS_NVME_DETACH,
    SS_NVME_HMB_READ,
    SS_NVME_HMB_WRITE,
    SS_NVME_VERIFY,
    SS_NVME_OPERATIONS
};
extern const storsim_operation_t ss_nvme_operations[SS_NVME_OPERATIONS];

#endif
