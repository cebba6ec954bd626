/* python/routine_i.h: one call under way, shared by routine.c (matching, dispatch, results) and audio.c (the HD Audio
 * types). */
#ifndef SS_ROUTINE_I_H
#define SS_ROUTINE_I_H

#include "binding.h"

typedef struct routine_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    ss_state_t *state;
    ss_plan_t *plan;
    ss_machine_object_t *machine; /* NULL: free */
    uint64_t context;             /* HD Audio: the client's Context */
} routine_object_t;

/* One call under way. */
typedef struct frame {
    routine_object_t *routine;
    const ss_plan_t *plan;
    ss_machine_object_t *machine;
    PyObject *given[STORSIM_MAX_PARAMS]; /* borrowed from the caller */
    storsim_arg_t args[STORSIM_MAX_PARAMS];
    void *scratch[STORSIM_MAX_PARAMS]; /* arrays behind args[].data */
    uint64_t tokens[STORSIM_MAX_PARAMS];
    uint32_t registered; /* bit per parameter whose object becomes a token once inside the machine */
    PyObject *held; /* a machine that nothing else is sure to keep during the call */
    bool owns;      /* scratch, tokens or items to give back */
    PyObject *items; /* the codec transfers as they were given, a tuple: what is read before and filled after the call */
} frame_t;

#define PARAM(frame, index) ((frame)->plan->row->params[index])

/* routine.c */
void *ss_take_scratch(frame_t *frame, int index, size_t count, size_t size); /* NULL with an exception */
int ss_in_sequence(frame_t *frame, int index, PyObject *object, size_t size,
                   int (*read)(frame_t *frame, PyObject *item, void *place));

/* audio.c: conversions of the HD Audio types */
int ss_in_stream_format(frame_t *frame, int index, PyObject *object);
int ss_in_transfers(frame_t *frame, int index, PyObject *object);
int ss_in_device_information(frame_t *frame, int index, PyObject *object);
int ss_in_handles(frame_t *frame, int index, PyObject *object);
PyObject *ss_out_register(frame_t *frame, int index);
PyObject *ss_out_bdl(frame_t *frame, int index);
/* After a call that answered: structures that are filled in place get their values, an asynchronous transfer is
 * remembered. */
int ss_audio_after(frame_t *frame, uint64_t result);

#endif
