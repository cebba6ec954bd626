/* storsim/operation.h: what a host program can do to a machine, as data.
 *
 * An operation is one public function that changes state or takes input: every routine of the DDI, every configuration step, input and
 * time step. It has a number that never changes, a name, typed parameters (the types of storsim/ddi.h) and a function that performs it
 * with arguments in a plain array. Journal, replay, shrinker, script printer and fuzz decoder know operations only.
 *
 * Numbers: a routine of the DDI table has its own id; the others are ROOM + position: 2001 … machine, 2101 … nt, 2201 … storport,
 * 2301 … nvme, 2401 … hda, 2501 … hdaudio. New ones are added at the end of their room: journals hold these numbers.
 * Arguments: args[i] belongs to params[i]. A routine of an HD Audio table has one argument more than its row has parameters: the
 * client's Context, last, of type STORSIM_T_CLIENT.
 * Source: model choice. */
#ifndef STORSIM_OPERATION_H
#define STORSIM_OPERATION_H

#include "storsim/ddi.h"
#include "storsim/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_MAX_ARGS (STORSIM_MAX_PARAMS + 1)

/* A structure in host layout as a list of whole numbers. width: bytes 1, 2, 4, 8; boolean: a C bool, 0 or 1. */
typedef struct storsim_member {
    const char *name;
    uint16_t offset;
    uint8_t width;
    bool boolean;
} storsim_member_t;
typedef struct storsim_layout {
    const char *name;
    uint32_t size; /* bytes in host layout */
    uint32_t member_count;
    const storsim_member_t *members;
} storsim_layout_t;

enum {
    STORSIM_OP_SETUP = 1,  /* makes the machine what it is: not removed by the shrinker */
    STORSIM_OP_OPENS = 2,  /* a bracket that the next STORSIM_OP_CLOSES of the same room ends: removed together */
    STORSIM_OP_CLOSES = 4,
    STORSIM_OP_RESULT = 8, /* result is meaningful (a status or value of the simulated routine) */
    STORSIM_OP_SURE = 16   /* has no status: cannot fail */
};

typedef struct storsim_operation storsim_operation_t;
/* Performs it. args: arg_count of them, read and written as storsim_arg_t says; arrays are the caller's. *result: the routine's own
 * answer, 0 where there is none. The status is the public function's; INVALID also for arguments that lie outside their type. */
typedef storsim_status_t (*storsim_perform_fn)(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args,
                                               uint64_t *result);
struct storsim_operation {
    uint16_t id;
    uint8_t arg_count;       /* arguments: parameters, and the client where there is one */
    uint8_t param_count;
    uint8_t flags;           /* STORSIM_OP_* */
    const char *name;        /* "StorPortAllocatePool", "advance" */
    const storsim_param_t *params;
    const storsim_layout_t *layout;    /* of its STORSIM_T_STRUCT parameter, or NULL */
    storsim_perform_fn perform;        /* NULL: only a journal can replay it (snapshot, restore) */
    const storsim_routine_t *routine;  /* row of the DDI table, or NULL */
};

/* Layout of what args[].data points to for a type with structures or numbers as elements; NULL for plain numbers and for
 * STORSIM_T_STRUCT, whose layout is the operation's. Static storage. O(1). */
const storsim_layout_t *storsim_type_layout(storsim_type_t type);

#ifdef __cplusplus
}
#endif
#endif
