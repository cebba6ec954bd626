/* python/lock.c: one recursive lock per machine, and which CPU a thread is on.
 *
 * With the GIL a thread that is inside a machine cannot be interrupted by another one, except while it runs a Python
 * callback. So the lock is an owner and a depth; only a thread that finds another owner inside waits, on `gate`, a lock
 * that is always held: whoever leaves last while someone waits releases it once. The waiter looks again every few
 * milliseconds, so that a signal can end the wait.
 *
 * Without the GIL `gate` is the lock itself, held by the thread inside, and `owner` says who that is. A critical
 * section on the object would not do: callbacks suspend it.
 *
 * Who waits has let go of the interpreter (Py_BEGIN_ALLOW_THREADS), so that the garbage collector, which stops all
 * threads, does not wait for it. What goes away (a memoryview, a snapshot) never waits: what it wants of a machine that
 * another thread is inside of is put on `late`, and done when that thread leaves. */
#include "binding.h"

enum { WAIT_MICROSECONDS = 5000, NAP_MICROSECONDS = 1000 };

#ifdef Py_GIL_DISABLED
PyMutex ss_weak_lock;
#endif

bool ss_closed(ss_machine_object_t *machine) {
    bool closed = SS_LOAD_INT(machine->closed) != 0;
    if (SS_LOAD(machine->core) != NULL && !closed) {
        return false;
    }
    PyErr_SetString(PyExc_ValueError, closed ? "the machine was closed; make a new storsim.Machine"
                                             : "the machine was never initialised; call storsim.Machine(...)");
    return true;
}

static uint64_t this_thread(void) {
    return PyThreadState_GetID(PyThreadState_Get());
}

/* --- the lock ---------------------------------------------------------------------------------------------------- */

#ifdef Py_GIL_DISABLED

static void inside(ss_machine_object_t *machine, uint64_t thread) {
    _Py_atomic_store_uint64_relaxed(&machine->owner, thread); /* only the owner itself ever finds its own number */
    machine->depth = 1;
}

/* Goes inside unless another thread is there. */
static bool take(ss_machine_object_t *machine, uint64_t thread) {
    if (_Py_atomic_load_uint64_relaxed(&machine->owner) == thread) {
        machine->depth++;
        return true;
    }
    if (!PyThread_acquire_lock(machine->gate, NOWAIT_LOCK)) {
        return false;
    }
    inside(machine, thread);
    return true;
}

static void give(ss_machine_object_t *machine) {
    if (--machine->depth == 0) {
        _Py_atomic_store_uint64_relaxed(&machine->owner, 0); /* thread ids count from 1 */
        PyThread_release_lock(machine->gate);
    }
}

/* 0 inside; -1 with an exception when a signal ended the wait, for those who are not patient. */
static int wait_for(ss_machine_object_t *machine, uint64_t thread, bool patient) {
    for (;;) {
        PyLockStatus got;
        Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(machine->gate, WAIT_MICROSECONDS, !patient);
        Py_END_ALLOW_THREADS if (got == PY_LOCK_ACQUIRED) {
            inside(machine, thread);
            return 0;
        }
        if (!patient && PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
}

#else

static bool take(ss_machine_object_t *machine, uint64_t thread) {
    if (machine->depth > 0 && machine->owner != thread) {
        return false;
    }
    machine->owner = thread;
    machine->depth++;
    return true;
}

static void give(ss_machine_object_t *machine) {
    machine->depth--;
    if (machine->depth == 0 && machine->waiters > 0 && !machine->gate_open) {
        machine->gate_open = true;
        PyThread_release_lock(machine->gate);
    }
}

static int wait_for(ss_machine_object_t *machine, uint64_t thread, bool patient) {
    int failed = 0;
    machine->waiters++;
    while (!failed && !take(machine, thread)) {
        PyLockStatus got;
        Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(machine->gate, WAIT_MICROSECONDS, 1);
        Py_END_ALLOW_THREADS if (got == PY_LOCK_ACQUIRED) {
            machine->gate_open = false;
        }
        failed = !patient && PyErr_CheckSignals() < 0;
    }
    machine->waiters--;
    return failed ? -1 : 0;
}

#endif

int ss_gate_make(ss_machine_object_t *machine) {
    machine->gate = PyThread_allocate_lock();
    if (machine->gate == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (!SS_FREE_THREADED) {
        PyThread_acquire_lock(machine->gate, WAIT_LOCK); /* free, so it does not wait */
    }
    return 0;
}

void ss_gate_free(ss_machine_object_t *machine) {
    bool held = SS_FREE_THREADED ? machine->depth > 0 : !machine->gate_open;
    if (machine->gate != NULL) {
        if (held) {
            PyThread_release_lock(machine->gate);
        }
        PyThread_free_lock(machine->gate);
    }
}

bool ss_take(ss_machine_object_t *machine) {
    return take(machine, this_thread());
}

void ss_give(ss_machine_object_t *machine) {
    give(machine);
}

void ss_take_patiently(ss_machine_object_t *machine) {
    uint64_t thread = this_thread();
    if (!take(machine, thread)) {
        (void)wait_for(machine, thread, true);
    }
}

/* The core keeps one current CPU; it belongs to the thread that is inside. */
static void switch_thread(ss_machine_object_t *machine, uint64_t thread) {
    uint32_t cpu = 0;
    for (uint32_t i = 0; i < machine->cpu_count; i++) {
        if (machine->cpus[i].thread == thread) {
            cpu = machine->cpus[i].cpu;
        }
    }
    (void)storsim_set_cpu(machine->core, cpu); /* was valid when it was stored; a dead machine keeps its CPU */
    machine->selected = thread;
}

int ss_enter(ss_machine_object_t *machine) {
    if (ss_closed(machine)) {
        return -1;
    }
    uint64_t thread = this_thread();
    bool waited = !take(machine, thread);
    if (waited && wait_for(machine, thread, false) < 0) {
        return -1;
    }
    if ((waited || SS_FREE_THREADED) && ss_closed(machine)) {
        give(machine);
        return -1;
    }
    Py_INCREF(machine); /* a callback may drop every other reference */
    if (machine->selected != thread) {
        switch_thread(machine, thread);
    }
    return 0;
}

int ss_lock(ss_machine_object_t *machine) {
    uint64_t thread = this_thread();
    if (!take(machine, thread) && wait_for(machine, thread, false) < 0) {
        return -1;
    }
    Py_INCREF(machine);
    return 0;
}

void ss_leave(ss_machine_object_t *machine) {
    give(machine);
    if (SS_LOAD(machine->late) != NULL) {
        ss_catch_up(machine);
    }
    Py_DECREF(machine);
}

/* --- what objects that went away want of a machine --------------------------------------------------------------- */

static void settle_one(ss_machine_object_t *machine, ss_late_t *one) {
    if (machine->core != NULL && one->checkpoint != NULL) {
        storsim_checkpoint_free(machine->core, one->checkpoint);
    }
    if (machine->core != NULL && one->exported) {
        (void)storsim_block_unexport(machine->core, one->token); /* what it finds is told by the next call */
        machine->exports--;
        if (machine->closed) {
            ss_machine_end(machine);
        }
    }
    PyMem_Free(one);
}

void ss_catch_up(ss_machine_object_t *machine) {
    while (SS_LOAD(machine->late) != NULL && ss_take(machine)) {
        SS_WEAK_BEGIN();
        ss_late_t *list = machine->late;
        SS_STORE(machine->late, NULL);
        SS_WEAK_END();
        while (list != NULL) {
            ss_late_t *next = list->next;
            settle_one(machine, list);
            list = next;
        }
        give(machine);
    }
}

void ss_put_late(ss_machine_object_t *machine, ss_late_t *one) {
    one->next = machine->late;
    SS_STORE(machine->late, one);
}

void ss_soon(ss_machine_object_t *machine, ss_late_t *one) {
    SS_WEAK_BEGIN();
    ss_put_late(machine, one);
    SS_WEAK_END();
    ss_catch_up(machine); /* if another thread is inside, it does so when it leaves */
}

int ss_nap(void) {
    PyThread_type_lock bed = PyThread_allocate_lock();
    if (bed == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(bed, WAIT_LOCK);
    Py_BEGIN_ALLOW_THREADS(void) PyThread_acquire_lock_timed(bed, NAP_MICROSECONDS, 1);
    Py_END_ALLOW_THREADS PyThread_release_lock(bed);
    PyThread_free_lock(bed);
    return PyErr_CheckSignals() < 0 ? -1 : 0;
}

/* --- CPUs -------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_select_cpu(ss_machine_object_t *machine, uint32_t cpu) {
    uint64_t thread = this_thread();
    uint32_t at = 0;
    while (at < machine->cpu_count && machine->cpus[at].thread != thread) {
        at++;
    }
    if (at == machine->cpu_capacity) {
        uint32_t capacity = machine->cpu_capacity ? machine->cpu_capacity * 2 : 4;
        ss_thread_cpu_t *wider = PyMem_Realloc(machine->cpus, capacity * sizeof *wider);
        if (wider == NULL) {
            return STORSIM_NO_MEMORY;
        }
        machine->cpus = wider;
        machine->cpu_capacity = capacity;
    }
    storsim_status_t status = storsim_set_cpu(machine->core, cpu);
    if (status == STORSIM_OK) {
        machine->cpus[at] = (ss_thread_cpu_t){.thread = thread, .cpu = cpu};
        machine->cpu_count += at == machine->cpu_count;
        machine->selected = thread;
    }
    return status;
}

void ss_forget_cpus(ss_machine_object_t *machine) {
    machine->selected = 0; /* thread ids count from 1: the next enter selects anew */
}
