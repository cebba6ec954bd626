/* python/threads.h: what the binding needs where no GIL keeps threads apart; with a GIL all of it comes to plain loads
 * and stores.
 *
 * Who may touch what:
 *
 *     the core, and the fields of a Machine   the thread inside (ss_enter or ss_lock … ss_leave)
 *     a Journal, a Snapshot's list            the same; they know their machine without keeping it, see SS_WEAK_BEGIN
 *     Sites                                   written by the thread inside its machine, read by it or in a critical
 *                                             section
 *     structures (ACCESS_RANGE, …)            a critical section
 *     what the module makes at first use      anybody: ss_publish keeps the first that was made
 *
 * CPython's own atomics (pyatomic.h, installed with its headers) are used rather than those of C11, which not every
 * compiler of extensions has. */
#ifndef SS_THREADS_H
#define SS_THREADS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#ifdef Py_GIL_DISABLED

#define SS_FREE_THREADED 1
/* A pointer that other threads read without a lock. */
#define SS_LOAD(place) _Py_atomic_load_ptr_acquire(&(place))
#define SS_STORE(place, value) _Py_atomic_store_ptr_release(&(place), (value))
/* An int that other threads read without a lock. */
#define SS_LOAD_INT(place) _Py_atomic_load_int_relaxed(&(place))
#define SS_STORE_INT(place, value) _Py_atomic_store_int_relaxed(&(place), (value))
/* Adds one to a uint64_t and returns the sum. */
#define SS_COUNT_UP(place) (_Py_atomic_add_uint64(&(place), 1) + 1)
/* What a machine and an object that does not keep it alive know of each other. Held for a few steps, never while Python
 * code runs; whoever holds it does not wait for a machine. */
extern PyMutex ss_weak_lock;
#define SS_WEAK_BEGIN() PyMutex_Lock(&ss_weak_lock)
#define SS_WEAK_END() PyMutex_Unlock(&ss_weak_lock)

#else

#define SS_FREE_THREADED 0
#define SS_LOAD(place) (place)
#define SS_STORE(place, value) ((place) = (value))
#define SS_LOAD_INT(place) (place)
#define SS_STORE_INT(place, value) ((place) = (value))
#define SS_COUNT_UP(place) (++(place))
#define SS_WEAK_BEGIN() ((void)0)
#define SS_WEAK_END() ((void)0)

#endif

#ifndef Py_BEGIN_CRITICAL_SECTION /* before 3.13 there is nothing to keep apart */
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

/* Puts what was made at first use into its place unless another thread was faster. Steals `made`, which may be NULL
 * with an exception. Borrowed: what is in the place, or NULL with that exception. */
PyObject *ss_publish(PyObject **slot, PyObject *made);
/* The value of a key, new reference; NULL, without an exception when there is none. */
PyObject *ss_dict_get(PyObject *dict, PyObject *key);
/* Waits about a millisecond, so that another thread gets on: 0, or -1 with an exception (a signal). */
int ss_nap(void);

#endif
