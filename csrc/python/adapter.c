/* python/adapter.c: the C half of storsim.adapter.Adapter: machine, number and device extension, at hand for the
 * routines. */
#include "binding.h"

static PyObject *adapter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    ss_state_t *state = ss_state_of(type);
    if (state == NULL) {
        return NULL;
    }
    (void)kwargs; /* for the __init__ of a subclass */
    if (PyTuple_GET_SIZE(args) < 2 || !PyObject_TypeCheck(PyTuple_GET_ITEM(args, 0), (PyTypeObject *)state->Machine)) {
        PyErr_SetString(PyExc_TypeError, "an adapter is made by Machine.add_adapter");
        return NULL;
    }
    uint64_t number;
    if (ss_number(PyTuple_GET_ITEM(args, 1), UINT32_MAX, "number", "ULONG", &number) < 0) {
        return NULL;
    }
    ss_machine_object_t *machine = (ss_machine_object_t *)PyTuple_GET_ITEM(args, 0);
    if (ss_enter(machine) < 0) {
        return NULL;
    }
    uint64_t extension = storsim_adapter_extension(machine->core, (uint32_t)number);
    ss_leave(machine);
    if (extension == 0) {
        PyErr_Format(PyExc_ValueError, "this machine has no adapter number %llu", (unsigned long long)number);
        return NULL;
    }
    ss_adapter_object_t *self = (ss_adapter_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->machine = (ss_machine_object_t *)Py_NewRef(machine);
        self->number = (uint32_t)number;
        self->extension = extension;
    }
    return (PyObject *)self;
}

static int adapter_traverse(ss_adapter_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    Py_VISIT(self->extension_object);
    return 0;
}

static int adapter_clear(ss_adapter_object_t *self) {
    Py_CLEAR(self->extension_object);
    return 0;
}

static void adapter_dealloc(ss_adapter_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    adapter_clear(self);
    Py_XDECREF(self->machine);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *adapter_extension(ss_adapter_object_t *self, void *Py_UNUSED(closure)) {
    PyObject *known = SS_LOAD(self->extension_object);
    if (known == NULL) {
        ss_state_t *state = self->machine->state;
        PyObject *extension = PyObject_CallFunction(state->DeviceExtension, "K", (unsigned long long)self->extension);
        if (extension == NULL || PyObject_SetAttr(extension, state->str_machine, (PyObject *)self->machine) < 0) {
            Py_XDECREF(extension);
            return NULL;
        }
        known = ss_publish(&self->extension_object, extension);
    }
    return Py_NewRef(known);
}

static PyObject *adapter_machine(ss_adapter_object_t *self, void *Py_UNUSED(closure)) {
    return Py_NewRef(self->machine);
}

static PyObject *adapter_number(ss_adapter_object_t *self, void *Py_UNUSED(closure)) {
    return PyLong_FromUnsignedLong(self->number);
}

/* The extension as the core knows it now: an adapter object may outlive a restore that undid its adapter. */
static PyObject *adapter_live(ss_adapter_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self->machine) < 0) {
        return NULL;
    }
    bool live = storsim_adapter_live(self->machine->core, self->number) &&
                storsim_adapter_extension(self->machine->core, self->number) == self->extension;
    ss_leave(self->machine);
    return PyBool_FromLong(live);
}

static PyGetSetDef adapter_getset[] = {
    {"machine", (getter)adapter_machine, NULL, PyDoc_STR("The machine the adapter sits in."), NULL},
    {"number", (getter)adapter_number, NULL, PyDoc_STR("Number of the adapter, from 1, never used again."), NULL},
    {"device_extension", (getter)adapter_extension, NULL,
     PyDoc_STR("HwDeviceExtension: an int that knows its machine, for the routines of storsim.storport."), NULL},
    {"live", (getter)adapter_live, NULL, PyDoc_STR("Whether the adapter was not removed."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot adapter_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Adapter(machine, number, *args, **kwargs)\n--\n\nA storage adapter; made by Machine.add_adapter.")},
    {Py_tp_new, adapter_new},
    {Py_tp_getset, adapter_getset},
    {Py_tp_traverse, adapter_traverse},
    {Py_tp_clear, adapter_clear},
    {Py_tp_dealloc, adapter_dealloc},
    {0, NULL}};

PyType_Spec ss_adapter_spec = {"storsim._core.Adapter", sizeof(ss_adapter_object_t), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, adapter_slots};
