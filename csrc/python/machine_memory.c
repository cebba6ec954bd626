/* python/machine_memory.c: methods of Machine that look at memory. */
#include "binding.h"

PyObject *ss_bytes_of(PyObject *data) {
    return PyBytes_CheckExact(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
}

/* The bytes of one core read: `read` is called with the lock held. */
typedef storsim_status_t (*reader_t)(storsim_machine_t *core, uint64_t address, void *buffer, size_t bytes);
typedef storsim_status_t (*writer_t)(storsim_machine_t *core, uint64_t address, const void *buffer, size_t bytes);

static PyObject *read_bytes(ss_machine_object_t *self, PyObject *args, reader_t read, const char *what) {
    PyObject *number;
    Py_ssize_t length;
    uint64_t address;
    if (!PyArg_ParseTuple(args, "On", &number, &length) || ss_pointer(number, what, &address) < 0) {
        return NULL;
    }
    if (length < 0) {
        PyErr_SetString(PyExc_ValueError, "length is a number of bytes: it cannot be negative");
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, length);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = read(self->core, address, PyBytes_AS_STRING(bytes), (size_t)length);
    if (ss_finish(self, status, status == STORSIM_VIOLATION ? bytes : NULL) < 0) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

static PyObject *write_bytes(ss_machine_object_t *self, PyObject *args, writer_t write, const char *what) {
    PyObject *number, *data;
    uint64_t address;
    if (!PyArg_ParseTuple(args, "OO", &number, &data) || ss_pointer(number, what, &address) < 0) {
        return NULL;
    }
    PyObject *bytes = ss_bytes_of(data);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = write(self->core, address, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    int failed = ss_finish(self, status, NULL);
    Py_DECREF(bytes);
    return failed < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *ss_machine_read_va(ss_machine_object_t *self, PyObject *args) {
    return read_bytes(self, args, storsim_read_va, "address");
}

PyObject *ss_machine_write_va(ss_machine_object_t *self, PyObject *args) {
    return write_bytes(self, args, storsim_write_va, "address");
}

PyObject *ss_machine_memory_read(ss_machine_object_t *self, PyObject *args) {
    return read_bytes(self, args, storsim_memory_read, "physical address");
}

PyObject *ss_machine_memory_write(ss_machine_object_t *self, PyObject *args) {
    return write_bytes(self, args, storsim_memory_write, "physical address");
}

PyObject *ss_machine_physical(ss_machine_object_t *self, PyObject *number) {
    uint64_t address;
    if (ss_pointer(number, "address", &address) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t physical = storsim_physical(self->core, address);
    ss_leave(self);
    return physical ? PyLong_FromUnsignedLongLong(physical) : Py_NewRef(Py_None);
}

PyObject *ss_machine_store_fence(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return ss_finish(self, storsim_store_fence(self->core), NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* --- stacks and pageable memory
 * ---------------------------------------------------------------------------------------- */

PyObject *ss_machine_kernel_memory(ss_machine_object_t *self, PyObject *args) {
    int pageable;
    unsigned long long length;
    uint64_t va = 0;
    if (!PyArg_ParseTuple(args, "pK", &pageable, &length) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_kernel_memory_create(
        self->core, pageable ? STORSIM_BLOCK_PAGEABLE : STORSIM_BLOCK_KERNEL_STACK, length, &va);
    if (status == STORSIM_INVALID || status == STORSIM_NO_SPACE) {
        ss_leave(self);
        PyErr_SetString(status == STORSIM_INVALID ? PyExc_ValueError : PyExc_MemoryError,
                        status == STORSIM_INVALID ? "at least one byte" : "the simulated machine has no room for it");
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : PyLong_FromUnsignedLongLong(va);
}

PyObject *ss_machine_kernel_memory_free(ss_machine_object_t *self, PyObject *number) {
    uint64_t va;
    if (ss_pointer(number, "address", &va) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_kernel_memory_destroy(self->core, va);
    if (status == STORSIM_STALE) {
        ss_leave(self);
        PyErr_SetString(PyExc_ValueError, "no kernel stack or pageable memory starts there");
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

/* --- free and reserved pages ------------------------------------------------------------------------------------- */

static PyObject *reserve(ss_machine_object_t *self, PyObject *args,
                         storsim_status_t (*act)(storsim_machine_t *, uint64_t, uint64_t), const char *refusal) {
    unsigned long long address, length;
    if (!PyArg_ParseTuple(args, "KK", &address, &length) || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = act(self->core, address, length);
    if (status == STORSIM_INVALID || status == STORSIM_NOT_RAM) {
        ss_leave(self);
        PyErr_Format(PyExc_ValueError, refusal, SS_HEX(address), length);
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *ss_machine_memory_reserve(ss_machine_object_t *self, PyObject *args) {
    return reserve(self, args, storsim_memory_reserve,
                   "not every page of %s, %llu bytes, is free RAM: nothing was reserved");
}

PyObject *ss_machine_memory_release(ss_machine_object_t *self, PyObject *args) {
    return reserve(self, args, storsim_memory_release,
                   "not every page of %s, %llu bytes, was reserved: nothing was released");
}

PyObject *ss_machine_memory_free_bytes(ss_machine_object_t *self, PyObject *args) {
    unsigned int node;
    unsigned long long lowest, highest;
    if (!PyArg_ParseTuple(args, "IKK", &node, &lowest, &highest) || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t bytes = storsim_memory_free_bytes(self->core, node, lowest, highest);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(bytes);
}

PyObject *ss_machine_memory_largest(ss_machine_object_t *self, PyObject *args) {
    unsigned long long lowest, highest, boundary;
    if (!PyArg_ParseTuple(args, "KKK", &lowest, &highest, &boundary) || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t bytes = storsim_memory_largest_free(self->core, lowest, highest, boundary);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(bytes);
}

static int append_run(PyObject *list, const storsim_memory_run_t *run) {
    PyObject *item = Py_BuildValue("(KKI)", (unsigned long long)run->first_pfn << STORSIM_PAGE_SHIFT,
                                   (unsigned long long)run->pages << STORSIM_PAGE_SHIFT, run->node);
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

PyObject *ss_machine_memory_runs(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    storsim_memory_run_t run = {0};
    for (uint64_t from = 0; list != NULL && storsim_memory_next_free(self->core, from, &run);
         from = run.first_pfn + run.pages) {
        if (append_run(list, &run) < 0) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_memory_map(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    size_t count = 0;
    const storsim_memory_run_t *runs = storsim_memory_map(self->core, &count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (append_run(list, &runs[i]) < 0) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_memory_fragment(ss_machine_object_t *self, PyObject *args) {
    unsigned long long numerator, denominator, run_pages, seed;
    if (!PyArg_ParseTuple(args, "KKKK", &numerator, &denominator, &run_pages, &seed) || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t pinned = 0;
    storsim_status_t status = storsim_memory_fragment(self->core, numerator, denominator, run_pages, seed, &pinned);
    return ss_finish(self, status, NULL) < 0 ? NULL : PyLong_FromUnsignedLongLong(pinned);
}

PyObject *ss_machine_memory_total(ss_machine_object_t *self, PyObject *number) {
    uint64_t node;
    if (ss_number(number, UINT32_MAX, "node", "ULONG", &node) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t pages = storsim_memory_total_pages(self->core, (uint32_t)node);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(pages << STORSIM_PAGE_SHIFT);
}

PyObject *ss_machine_memory_distance(ss_machine_object_t *self, PyObject *args) {
    unsigned int from, to;
    if (!PyArg_ParseTuple(args, "II", &from, &to) || ss_enter(self) < 0) {
        return NULL;
    }
    uint32_t nodes = storsim_memory_nodes(self->core);
    long distance = from < nodes && to < nodes ? storsim_memory_distance(self->core, from, to) : -1;
    ss_leave(self);
    if (distance < 0) {
        PyErr_Format(PyExc_ValueError, "nodes are numbered from 0 to %u", nodes - 1);
        return NULL;
    }
    return PyLong_FromLong(distance);
}
