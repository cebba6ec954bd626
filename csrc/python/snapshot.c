/* python/snapshot.c: Snapshot, a whole machine as bytes. It also remembers which machine object made it: only that one
 * still holds the callables the bytes refer to; anywhere else they are stale and say so when they are called. */
#include "binding.h"

static void snapshot_dealloc(ss_snapshot_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
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
    return PyBuffer_FillInfo(view, (PyObject *)self, self->bytes, (Py_ssize_t)self->length, 1, flags);
}

static Py_ssize_t snapshot_length(ss_snapshot_object_t *self) {
    return (Py_ssize_t)self->length;
}

static PyObject *as_bytes(ss_snapshot_object_t *self) {
    return PyBytes_FromStringAndSize((const char *)self->bytes, (Py_ssize_t)self->length);
}

static PyObject *snapshot_compare(PyObject *self, PyObject *other, int op) {
    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    ss_snapshot_object_t *a = (ss_snapshot_object_t *)self, *b = (ss_snapshot_object_t *)other;
    bool equal = a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
    return PyBool_FromLong(equal == (op == Py_EQ));
}

static Py_hash_t snapshot_hash(ss_snapshot_object_t *self) {
    PyObject *bytes = as_bytes(self);
    Py_hash_t hash = bytes ? PyObject_Hash(bytes) : -1;
    Py_XDECREF(bytes);
    return hash;
}

static PyObject *snapshot_repr(ss_snapshot_object_t *self) {
    return PyUnicode_FromFormat("<storsim snapshot, %zu bytes>", self->length);
}

static PyObject *snapshot_bytes(ss_snapshot_object_t *self, PyObject *Py_UNUSED(ignored)) {
    return as_bytes(self);
}

static PyObject *snapshot_reduce(ss_snapshot_object_t *self, PyObject *Py_UNUSED(ignored)) {
    return Py_BuildValue("(O(N))", (PyObject *)Py_TYPE(self), as_bytes(self));
}

static PyMethodDef snapshot_methods[] = {SS_BUFFER_METHOD{"__bytes__", (PyCFunction)(void (*)(void))snapshot_bytes,
                                                          METH_NOARGS, PyDoc_STR("The portable bytes.")},
                                         {"__reduce__", (PyCFunction)(void (*)(void))snapshot_reduce, METH_NOARGS,
                                          PyDoc_STR("For pickle: the bytes alone.")},
                                         {NULL, NULL, 0, NULL}};

static PyType_Slot snapshot_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Snapshot(data)\n--\n\nA whole machine as portable bytes; pickles. Machine.restore takes it back.")},
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
