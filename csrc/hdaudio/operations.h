/* hdaudio/operations.h: what is done to bus drivers besides the routines, by position in the table. */
#ifndef SS_HDAUDIO_OPERATIONS_H
#define SS_HDAUDIO_OPERATIONS_H

#include "machine/tap.h"

enum {
    SS_HDAUDIO_PREPARE,
    SS_HDAUDIO_ATTACH,
    SS_HDAUDIO_REMOVE,
    SS_HDAUDIO_SURPRISE_REMOVE,
    SS_HDAUDIO_QUERY,
    SS_HDAUDIO_OPERATIONS
};
extern const storsim_operation_t ss_hdaudio_operations[SS_HDAUDIO_OPERATIONS];

/* The operation of a routine of this family; its last argument is the client's Context. */
storsim_operation_t ss_hdaudio_operation(const storsim_routine_t *routine);

#endif
