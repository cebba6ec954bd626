/* python/machine_time.c: methods of Machine about time, levels, CPUs and events. */
#include "binding.h"

#include <time.h>

/* --- long runs --------------------------------------------------------------------------------------------------- */

/* A run is cut into slices so that Ctrl-C ends it; the slice grows while slices are quick. Events fall where they fall,
 * however the interval is cut. */
enum { FIRST_SLICE = 2400000, SLICE_CLOCKS = CLOCKS_PER_SEC / 50 };

static int run_slices(ss_machine_object_t *self, uint64_t ticks, bool until_interrupt, bool *delivered) {
    uint64_t slice = FIRST_SLICE, left = ticks;
    *delivered = false;
    do {
        if (ss_enter(self) < 0) {
            return -1;
        }
        ss_here(self);
        uint64_t before = storsim_now(self->core), step = left < slice ? left : slice;
        clock_t start = clock();
        storsim_status_t status = until_interrupt ? storsim_run_until_interrupt(self->core, step, delivered)
                                                  : storsim_advance(self->core, step);
        clock_t used = clock() - start;
        uint64_t passed = storsim_now(self->core) - before;
        if (ss_finish(self, status, NULL) < 0 || PyErr_CheckSignals() < 0) {
            return -1;
        }
        left -= passed < left ? passed : left;
        slice = used > SLICE_CLOCKS ? (slice > 1000 ? slice / 2 : slice) : slice < UINT64_MAX / 2 ? slice * 2 : slice;
    } while (left > 0 && !*delivered);
    return 0;
}

PyObject *ss_machine_advance(ss_machine_object_t *self, PyObject *number) {
    uint64_t ticks;
    bool delivered;
    if (ss_number(number, UINT64_MAX, "ticks", "64-bit count", &ticks) < 0 ||
        run_slices(self, ticks, false, &delivered) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *ss_machine_run_until_interrupt(ss_machine_object_t *self, PyObject *number) {
    uint64_t limit;
    bool delivered;
    if (ss_number(number, UINT64_MAX, "limit", "64-bit count", &limit) < 0 ||
        run_slices(self, limit, true, &delivered) < 0) {
        return NULL;
    }
    return PyBool_FromLong(delivered);
}

/* --- levels and CPUs --------------------------------------------------------------------------------------------- */

PyObject *ss_machine_set_irql(ss_machine_object_t *self, PyObject *number) {
    uint64_t irql;
    uint8_t old = 0;
    if (ss_number(number, 255, "irql", "KIRQL", &irql) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_set_irql(self->core, (uint8_t)irql, &old);
    if (status == STORSIM_INVALID) {
        ss_leave(self);
        PyErr_SetString(PyExc_ValueError, "an IRQL lies between 0 (PASSIVE_LEVEL) and 15 (HIGH_LEVEL)");
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : PyLong_FromLong(old);
}

PyObject *ss_machine_set_cpu(ss_machine_object_t *self, PyObject *number) {
    uint64_t cpu;
    if (ss_number(number, UINT32_MAX, "cpu", "CPU number", &cpu) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    uint32_t old = storsim_cpu(self->core);
    storsim_status_t status = ss_select_cpu(self, (uint32_t)cpu);
    if (status == STORSIM_INVALID) {
        uint32_t cpus = storsim_nt_config(self->core)->cpus;
        ss_leave(self);
        PyErr_Format(PyExc_ValueError, "this machine has %u CPU%s, numbered from 0", cpus, cpus == 1 ? "" : "s");
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : PyLong_FromUnsignedLong(old);
}

PyObject *ss_machine_run_dpcs(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    uint32_t ran = 0;
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return ss_finish(self, storsim_run_dpcs(self->core, &ran), NULL) < 0 ? NULL : PyLong_FromUnsignedLong(ran);
}

PyObject *ss_machine_queue_dpc(ss_machine_object_t *self, PyObject *args) {
    PyObject *routine, *context;
    if (!PyArg_ParseTuple(args, "OO", &routine, &context) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    uint64_t tokens[2] = {ss_token_new(self, routine), 0};
    tokens[1] = tokens[0] && context != Py_None ? ss_token_new(self, context) : 0;
    if (PyErr_Occurred()) {
        ss_leave(self);
        return NULL;
    }
    storsim_status_t status = storsim_queue_dpc(self->core, tokens[0], tokens[1]);
    if (status != STORSIM_OK && status != STORSIM_CALLBACK) {
        ss_token_release(self, tokens[0]);
        ss_token_release(self, tokens[1]);
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static PyObject *event_act(ss_machine_object_t *self, PyObject *number,
                           storsim_status_t (*act)(storsim_machine_t *, uint64_t)) {
    uint64_t address;
    if (ss_pointer(number, "event", &address) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = act(self->core, address);
    if (status == STORSIM_STALE || status == STORSIM_INVALID) {
        ss_leave(self);
        PyErr_Format(PyExc_ValueError, "there is no KEVENT at %s", SS_HEX(address));
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *ss_machine_event_create(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    uint64_t address = 0;
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return ss_finish(self, storsim_event_create(self->core, &address), NULL) < 0 ? NULL
                                                                                 : PyLong_FromUnsignedLongLong(address);
}

PyObject *ss_machine_event_destroy(ss_machine_object_t *self, PyObject *number) {
    return event_act(self, number, storsim_event_destroy);
}

PyObject *ss_machine_event_set(ss_machine_object_t *self, PyObject *number) {
    return event_act(self, number, storsim_event_set);
}

PyObject *ss_machine_event_clear(ss_machine_object_t *self, PyObject *number) {
    return event_act(self, number, storsim_event_clear);
}

PyObject *ss_machine_event_signaled(ss_machine_object_t *self, PyObject *number) {
    uint64_t address;
    if (ss_pointer(number, "event", &address) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    bool signaled = storsim_event_signaled(self->core, address);
    ss_leave(self);
    return PyBool_FromLong(signaled);
}
