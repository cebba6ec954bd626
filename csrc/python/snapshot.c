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
    snapshot->checkpoint = checkpoint;
    snapshot->machine = machine;
    snapshot->next = machine->snapshots;
    if (snapshot->next != NULL) {
        snapshot->next->previous = snapshot;
    }
    machine->snapshots = snapshot;
}

static void untie(ss_snapshot_object_t *self) {
    ss_machine_object_t *machine = self->machine;
    if (machine == NULL) {
        return; /* untied already */
    }
    if (self->next != NULL) {
        self->next->previous = self->previous;
    }
    if (self->previous != NULL) {
        self->previous->next = self->next;
    } else {
        machine->snapshots = self->next;
    }
    self->next = self->previous = NULL;
    storsim_checkpoint_free(machine->core, self->checkpoint);
    self->checkpoint = NULL;
    self->machine = NULL;
}

/* Makes the bytes of a tied snapshot. The core is not in use by anybody. */
static storsim_status_t make_bytes(ss_snapshot_object_t *self) {
    storsim_machine_t *core = self->machine->core;
    uint8_t *bytes = NULL;
    size_t length = 0;
    storsim_status_t status = storsim_checkpoint_bytes(core, self->checkpoint, &bytes, &length);
    if (status != STORSIM_OK) {
        return status;
    }
    self->bytes = PyMem_Malloc(length ? length : 1);
    if (self->bytes != NULL) {
        memcpy(self->bytes, bytes, length);
        self->length = length;
    }
    storsim_snapshot_free(core, bytes);
    return self->bytes != NULL ? STORSIM_OK : STORSIM_NO_MEMORY;
}

/* The bytes are there afterwards: 0, or -1 with an exception. */
static int need_bytes(ss_snapshot_object_t *self) {
    if (self->bytes != NULL) {
        return 0;
    }
    if (self->checkpoint == NULL) {
        PyErr_SetString(PyExc_MemoryError, "the machine ended when there was no memory for the bytes of this snapshot");
        return -1;
    }
    ss_machine_object_t *machine = (ss_machine_object_t *)Py_NewRef(self->machine); /* waiting may outlast it */
    if (ss_enter(machine) < 0) {
        Py_DECREF(machine);
        return -1;
    }
    /* While this thread waited for another one, the machine may have ended, or the bytes been made. */
    storsim_status_t status = self->bytes == NULL && self->checkpoint != NULL ? make_bytes(self) : STORSIM_OK;
    ss_leave(machine);
    Py_DECREF(machine);
    if (status != STORSIM_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void ss_snapshots_detach(ss_machine_object_t *machine) {
    while (machine->core != NULL && machine->snapshots != NULL) {
        ss_snapshot_object_t *snapshot = machine->snapshots;
        if (snapshot->bytes == NULL && snapshot->machine != NULL) {
            (void)make_bytes(snapshot); /* without memory for it, asking for the bytes says so */
        }
        untie(snapshot);
    }
}

static void snapshot_dealloc(ss_snapshot_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (self->checkpoint != NULL) {
        untie(self);
    }
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
    if (self->bytes == NULL) {
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
