/* python/lock.c: one recursive lock per machine, and which CPU a thread is on.
 *
 * With the GIL a thread that is inside a machine cannot be interrupted by another one, except while it runs a Python
 * callback. So the lock is an owner and a depth; only a thread that finds another owner inside waits, on `gate`, a lock
 * that is always held: whoever leaves last while someone waits releases it once. The waiter looks again every few
 * milliseconds, so that a signal can end the wait.
 *
 * Free-threaded builds: the module declares that it needs the GIL. To lift that, make `owner` and `depth` atomic and
 * take the gate on every enter (a critical section on the object is not enough, because callbacks suspend it). */
#include "binding.h"

enum { WAIT_MICROSECONDS = 5000 };

bool ss_closed(ss_machine_object_t *machine) {
    if (machine->core != NULL && !machine->closed) {
        return false;
    }
    PyErr_SetString(PyExc_ValueError, machine->closed ? "the machine was closed; make a new storsim.Machine"
                                                      : "the machine was never initialised; call storsim.Machine(...)");
    return true;
}

static uint64_t this_thread(void) {
    return PyThreadState_GetID(PyThreadState_Get());
}

static int wait_for(ss_machine_object_t *machine) {
    int failed = 0;
    machine->waiters++;
    while (machine->depth > 0 && !failed) {
        PyLockStatus got;
        Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(machine->gate, WAIT_MICROSECONDS, 1);
        Py_END_ALLOW_THREADS if (got == PY_LOCK_ACQUIRED) {
            machine->gate_open = false;
        }
        failed = PyErr_CheckSignals() < 0;
    }
    machine->waiters--;
    return failed ? -1 : 0;
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
    if (machine->depth > 0 && machine->owner != thread) {
        if (wait_for(machine) < 0 || ss_closed(machine)) {
            return -1;
        }
    }
    machine->owner = thread;
    machine->depth++;
    Py_INCREF(machine); /* a callback may drop every other reference */
    if (machine->selected != thread) {
        switch_thread(machine, thread);
    }
    return 0;
}

void ss_leave(ss_machine_object_t *machine) {
    machine->depth--;
    if (machine->depth == 0 && machine->waiters > 0 && !machine->gate_open) {
        machine->gate_open = true;
        PyThread_release_lock(machine->gate);
    }
    Py_DECREF(machine);
}

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
