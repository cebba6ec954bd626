/* python/pointer.c: typed pointers into simulated memory. An object of such a type is its address (__index__), knows
 * its machine, and compares and hashes like the number, so that either can be handed to a routine. MDL, SRB and
 * scatter/gather list derive from it. */
#include "binding.h"

PyObject *ss_pointer_new(PyObject *type, ss_machine_object_t *machine, uint64_t address) {
    ss_pointer_object_t *self = (ss_pointer_object_t *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self != NULL) {
        self->machine = (ss_machine_object_t *)Py_NewRef(machine);
        self->address = address;
    }
    return (PyObject *)self;
}

static PyObject *pointer_construct(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    ss_state_t *state = ss_state_of(type);
    PyObject *machine, *number;
    uint64_t address;
    if (state == NULL || (kwargs && PyDict_GET_SIZE(kwargs) > 0) ||
        !PyArg_UnpackTuple(args, "Pointer(machine, address)", 2, 2, &machine, &number)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "a typed pointer takes (machine, address)");
        }
        return NULL;
    }
    if (!PyObject_TypeCheck(machine, (PyTypeObject *)state->Machine)) {
        PyErr_Format(PyExc_TypeError, "expected a storsim.Machine, not %.100s", Py_TYPE(machine)->tp_name);
        return NULL;
    }
    if (ss_pointer(number, "address", &address) < 0) {
        return NULL;
    }
    return ss_pointer_new((PyObject *)type, (ss_machine_object_t *)machine, address);
}

static int pointer_traverse(ss_pointer_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    return 0;
}

static void pointer_dealloc(ss_pointer_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->machine); /* never cleared earlier: buffers being released need it */
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *pointer_index(ss_pointer_object_t *self) {
    return PyLong_FromUnsignedLongLong(self->address);
}

static int pointer_bool(ss_pointer_object_t *self) {
    return self->address != 0;
}

static Py_hash_t pointer_hash(ss_pointer_object_t *self) {
    PyObject *number = pointer_index(self);
    Py_hash_t hash = number ? PyObject_Hash(number) : -1;
    Py_XDECREF(number);
    return hash;
}

static PyObject *pointer_compare(ss_pointer_object_t *self, PyObject *other, int op) {
    if (!PyIndex_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *mine = pointer_index(self), *theirs = PyNumber_Index(other);
    PyObject *result = mine && theirs ? PyObject_RichCompare(mine, theirs, op) : NULL;
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

static PyObject *pointer_repr(ss_pointer_object_t *self) {
    const char *name = Py_TYPE(self)->tp_name;
    for (const char *c = name; *c; c++) {
        name = *c == '.' ? c + 1 : name;
    }
    return PyUnicode_FromFormat("<%s at %s>", name, SS_HEX(self->address));
}

static PyObject *pointer_address(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    return pointer_index(self);
}

static PyObject *pointer_machine(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    return Py_NewRef(self->machine);
}

static PyGetSetDef pointer_getset[] = {
    {"machine", (getter)pointer_machine, NULL, PyDoc_STR("The machine the pointer points into."), NULL},
    {"address", (getter)pointer_address, NULL, PyDoc_STR("Simulated address, bytes; 0 is NULL."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot pointer_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Pointer(machine, address)\n--\n\nA typed pointer into simulated memory; __index__ is its address.")},
    {Py_tp_new, pointer_construct},
    {Py_tp_getset, pointer_getset},
    {Py_tp_traverse, pointer_traverse},
    {Py_tp_dealloc, pointer_dealloc},
    {Py_tp_repr, pointer_repr},
    {Py_tp_hash, pointer_hash},
    {Py_tp_richcompare, pointer_compare},
    {Py_nb_index, pointer_index},
    {Py_nb_int, pointer_index},
    {Py_nb_bool, pointer_bool},
    {0, NULL}};

PyType_Spec ss_pointer_spec = {"storsim._core.Pointer", sizeof(ss_pointer_object_t), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
                               pointer_slots};
