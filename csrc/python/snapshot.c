/* python/snapshot.c: Snapshot, a whole machine at one moment. It also remembers which machine object made it: only that
 * one still holds the callables the snapshot refers to; anywhere else they are stale and say so when they are called.
 *
 *     made by Machine.snapshot()   checkpoint of the core; the portable bytes are made when somebody asks for them, at the
 *                                  latest when the machine ends
 *     made of bytes, unpickled     the bytes alone
 *
 * A machine lists the snapshots that need its core; a snapshot holds no reference to the machine. */
#include "binding.h"

#include <string.h>

void ss_snapshot_tie(ss_snapshot_object_t *snapshot, ss_machine_object_t *machine, storsim_checkpoint_t *checkpoint) {
    snapshot->tie->checkpoint = checkpoint;
    SS_WEAK_BEGIN();
    snapshot->machine = machine;
    snapshot->next = machine->snapshots;
    if (snapshot->next != NULL) {
        snapshot->next->previous = snapshot;
    }
    machine->snapshots = snapshot;
    SS_WEAK_END();
}

/* In SS_WEAK_BEGIN, of one that was tied and is in no list any more. */
static void settle(ss_snapshot_object_t *self, ss_machine_object_t *machine) {
    self->next = self->previous = NULL;
    if (ss_take(machine)) {
        storsim_checkpoint_free(machine->core, self->tie->checkpoint);
        PyMem_Free(self->tie);
        ss_give(machine);
    } else {
        ss_put_late(machine, self->tie);
    }
    self->tie = NULL;
    self->machine = NULL;
}

/* In SS_WEAK_BEGIN, of a tied one. */
static void untie(ss_snapshot_object_t *self, ss_machine_object_t *machine) {
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    if (self->previous != NULL) {
        self->previous->next = self->next;
    } else {
        machine->snapshots = self->next;
    }
    settle(self, machine);
}

/* Makes the bytes of a snapshot tied to this core; inside its machine. */
static storsim_status_t make_bytes(ss_snapshot_object_t *self, storsim_machine_t *core) {
    uint8_t *bytes = NULL, *copy;
    size_t length = 0;
    storsim_status_t status = storsim_checkpoint_bytes(core, self->tie->checkpoint, &bytes, &length);
    if (status != STORSIM_OK) {
        return status;
    }
    copy = PyMem_Malloc(length ? length : 1);
    if (copy != NULL) {
        memcpy(copy, bytes, length);
        self->length = length;
        SS_STORE(self->bytes, copy); /* last: who sees the bytes knows how many */
    }
    storsim_snapshot_free(core, bytes);
    return copy != NULL ? STORSIM_OK : STORSIM_NO_MEMORY;
}

/* The bytes are there afterwards: 0, or -1 with an exception. */
static int need_bytes(ss_snapshot_object_t *self) {
    while (SS_LOAD(self->bytes) == NULL) {
        storsim_status_t status = STORSIM_OK;
        SS_WEAK_BEGIN();
        ss_machine_object_t *machine = self->machine; /* cannot go away before SS_WEAK_END, nor while this is inside */
        bool inside = machine != NULL && ss_take(machine);
        SS_WEAK_END();
        if (inside) {
            /* While this thread waited for another one, the bytes may have been made, or the machine have ended. */
            status = self->bytes == NULL && self->machine != NULL ? make_bytes(self, machine->core) : STORSIM_OK;
            SS_WEAK_BEGIN();
            ss_give(machine);
            SS_WEAK_END();
        } else if (machine == NULL && SS_LOAD(self->bytes) == NULL) {
            PyErr_SetString(PyExc_MemoryError,
                            "the machine ended when there was no memory for the bytes of this snapshot");
            return -1;
        } else if (machine != NULL && ss_nap() < 0) {
            return -1;
        }
        if (status != STORSIM_OK) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

void ss_snapshots_detach(ss_machine_object_t *machine) {
    SS_WEAK_BEGIN();
    ss_snapshot_object_t *snapshot = machine->core != NULL ? machine->snapshots : NULL, *next;
    for (; snapshot != NULL; snapshot = next) {
        next = snapshot->next;
        machine->snapshots = next;
        if (snapshot->bytes == NULL) {
            (void)make_bytes(snapshot, machine->core); /* without memory for it, asking for the bytes says so */
        }
        settle(snapshot, machine);
    }
    SS_WEAK_END();
}

static void snapshot_dealloc(ss_snapshot_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    SS_WEAK_BEGIN();
    if (self->machine != NULL) {
        untie(self, self->machine);
    }
    SS_WEAK_END();
    PyMem_Free(self->tie);
    PyMem_Free(self->bytes);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *snapshot_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *source;
    Py_buffer view;
    if ((kwargs && PyDict_GET_SIZE(kwargs) > 0) || !PyArg_UnpackTuple(args, "Snapshot(data)", 1, 1, &source)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Snapshot takes (data), the bytes of an earlier one");
        }
        return NULL;
    }
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    ss_snapshot_object_t *self = (ss_snapshot_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->bytes = PyMem_Malloc(view.len ? (size_t)view.len : 1);
        if (self->bytes == NULL) {
            Py_CLEAR(self);
            PyErr_NoMemory();
        } else {
            memcpy(self->bytes, view.buf, (size_t)view.len);
            self->length = (size_t)view.len;
        }
    }
    PyBuffer_Release(&view);
    return (PyObject *)self;
}

static int snapshot_getbuffer(ss_snapshot_object_t *self, Py_buffer *view, int flags) {
    if (need_bytes(self) < 0) {
        view->obj = NULL;
        return -1;
    }
    return PyBuffer_FillInfo(view, (PyObject *)self, self->bytes, (Py_ssize_t)self->length, 1, flags);
}

static Py_ssize_t snapshot_length(ss_snapshot_object_t *self) {
    return need_bytes(self) < 0 ? -1 : (Py_ssize_t)self->length;
}

static PyObject *as_bytes(ss_snapshot_object_t *self) {
    return need_bytes(self) < 0 ? NULL : PyBytes_FromStringAndSize((const char *)self->bytes, (Py_ssize_t)self->length);
}

static PyObject *snapshot_compare(PyObject *self, PyObject *other, int op) {
    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    ss_snapshot_object_t *a = (ss_snapshot_object_t *)self, *b = (ss_snapshot_object_t *)other;
    if (a != b && (need_bytes(a) < 0 || need_bytes(b) < 0)) {
        return NULL;
    }
    bool equal = a == b || (a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0);
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static Py_hash_t snapshot_hash(ss_snapshot_object_t *self) {
    PyObject *bytes = as_bytes(self);
    Py_hash_t hash = bytes ? PyObject_Hash(bytes) : -1;
    Py_XDECREF(bytes);
    return hash;
}

static PyObject *snapshot_repr(ss_snapshot_object_t *self) {
    if (SS_LOAD(self->bytes) == NULL) {
        return PyUnicode_FromString("<storsim snapshot>");
    }
    return PyUnicode_FromFormat("<storsim snapshot, %zu bytes>", self->length);
}

static PyObject *snapshot_bytes(ss_snapshot_object_t *self, PyObject *Py_UNUSED(ignored)) {
    return as_bytes(self);
}

static PyObject *snapshot_reduce(ss_snapshot_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *bytes = as_bytes(self);
    return bytes ? Py_BuildValue("(O(N))", (PyObject *)Py_TYPE(self), bytes) : NULL;
}

static PyMethodDef snapshot_methods[] = {SS_BUFFER_METHOD{"__bytes__", (PyCFunction)(void (*)(void))snapshot_bytes,
                                                          METH_NOARGS, PyDoc_STR("The portable bytes.")},
                                         {"__reduce__", (PyCFunction)(void (*)(void))snapshot_reduce, METH_NOARGS,
                                          PyDoc_STR("For pickle: the bytes alone.")},
                                         {NULL, NULL, 0, NULL}};

static PyType_Slot snapshot_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Snapshot(data)\n--\n\nA whole machine at one moment; ``bytes()`` and pickle make it portable. Machine.restore takes "
         "it back.")},
    {Py_tp_new, snapshot_new},
    {Py_tp_dealloc, snapshot_dealloc},
    {Py_tp_methods, snapshot_methods},
    {Py_tp_richcompare, snapshot_compare},
    {Py_tp_hash, snapshot_hash},
    {Py_tp_repr, snapshot_repr},
    {Py_mp_length, snapshot_length},
    {Py_bf_getbuffer, snapshot_getbuffer},
    {0, NULL}};

PyType_Spec ss_snapshot_spec = {"storsim._core.Snapshot", sizeof(ss_snapshot_object_t), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, snapshot_slots};
