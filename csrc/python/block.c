/* python/block.c: Block, a live allocation as the friendly face hands it out. Only what exports bytes is here; how a
 * block is freed is the business of the Python classes that derive from it (storsim/blocks.py). */
#include "binding.h"

#include <stddef.h>
#include <structmember.h>

typedef struct block_object {
    PyObject_HEAD
    ss_machine_object_t *machine;
    unsigned long long va, pa, size, block;
} block_object_t;

static bool live(const block_object_t *self) {
    storsim_allocation_t allocation = {0};
    return self->va != 0 && storsim_allocation_at(self->machine->core, self->va, &allocation) &&
           allocation.block == self->block;
}

static PyObject *block_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    ss_state_t *state = ss_state_of(type);
    PyObject *machine, *va, *pa, *size;
    uint64_t numbers[3];
    if (state == NULL) {
        return NULL;
    }
    if ((kwargs && PyDict_GET_SIZE(kwargs) > 0) ||
        !PyArg_UnpackTuple(args, "Block(machine, va, pa, size)", 4, 4, &machine, &va, &pa, &size)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Block takes (machine, va, pa, size)");
        }
        return NULL;
    }
    if (!PyObject_TypeCheck(machine, (PyTypeObject *)state->Machine)) {
        PyErr_Format(PyExc_TypeError, "expected a storsim.Machine, not %.100s", Py_TYPE(machine)->tp_name);
        return NULL;
    }
    if (ss_pointer(va, "va", &numbers[0]) < 0 || ss_pointer(pa, "pa", &numbers[1]) < 0 ||
        ss_pointer(size, "size", &numbers[2]) < 0) {
        return NULL;
    }
    ss_machine_object_t *owner = (ss_machine_object_t *)machine;
    storsim_allocation_t allocation = {0};
    if (ss_enter(owner) < 0) {
        return NULL;
    }
    bool found =
        numbers[0] == 0 || (storsim_allocation_at(owner->core, numbers[0], &allocation) && allocation.va == numbers[0]);
    ss_leave(owner);
    if (!found) {
        PyErr_Format(PyExc_ValueError, "no live allocation starts at %s", SS_HEX(numbers[0]));
        return NULL;
    }
    block_object_t *self = (block_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->machine = (ss_machine_object_t *)Py_NewRef(machine);
        self->va = numbers[0];
        self->pa = numbers[1];
        self->size = numbers[2];
        self->block = allocation.block;
    }
    return (PyObject *)self;
}

static int block_traverse(block_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    return 0;
}

static void block_dealloc(block_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->machine);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *block_index(block_object_t *self) {
    if (self->va == 0) {
        PyErr_SetString(PyExc_TypeError,
                        "this block has no virtual address: a host memory buffer belongs to the device alone");
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(self->va);
}

static PyObject *block_live(block_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self->machine) < 0) {
        return NULL;
    }
    bool answer = live(self);
    ss_leave(self->machine);
    return PyBool_FromLong(answer);
}

static int block_getbuffer(block_object_t *self, Py_buffer *view, int flags) {
    return ss_buffer_export((PyObject *)self, self->machine, self->va, self->block, 0, self->size, view, flags);
}

static void block_releasebuffer(block_object_t *self, Py_buffer *view) {
    ss_buffer_release(self->machine, view);
}

static PyMemberDef block_members[] = {
    {"machine", T_OBJECT_EX, offsetof(block_object_t, machine), READONLY, PyDoc_STR("The machine the block lies in.")},
    {"va", T_ULONGLONG, offsetof(block_object_t, va), READONLY,
     PyDoc_STR("Virtual address; 0 for a host memory buffer.")},
    {"pa", T_ULONGLONG, offsetof(block_object_t, pa), READONLY,
     PyDoc_STR("Address the device uses for the first byte.")},
    {"size", T_ULONGLONG, offsetof(block_object_t, size), READONLY, PyDoc_STR("Bytes asked for.")},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef block_getset[] = {
    {"live", (getter)block_live, NULL, PyDoc_STR("Whether the allocation still exists."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef block_methods[] = {
    SS_BUFFER_METHOD{"__bytes__", ss_buffer_bytes, METH_NOARGS, PyDoc_STR("A copy of the bytes.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot block_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Block(machine, va, pa, size)\n--\n\nA live allocation. memoryview(block) is its bytes, also after the "
         "free (late writes are found when the view is released). __index__ is the virtual address.")},
    {Py_tp_new, block_new},
    {Py_tp_members, block_members},
    {Py_tp_getset, block_getset},
    {Py_tp_methods, block_methods},
    {Py_tp_traverse, block_traverse},
    {Py_tp_dealloc, block_dealloc},
    {Py_nb_index, block_index},
    {Py_nb_int, block_index},
    {Py_bf_getbuffer, block_getbuffer},
    {Py_bf_releasebuffer, block_releasebuffer},
    {0, NULL}};

PyType_Spec ss_block_spec = {"storsim._core.Block", sizeof(block_object_t), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, block_slots};
