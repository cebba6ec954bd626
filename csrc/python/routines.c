/* python/routines.c: Routines, what pc.storport is: a name space of the documented routines bound to one machine. A
 * routine is made when it is looked up, so that the machine holds none of them and no cycle arises. */
#include "binding.h"

typedef struct routines_object {
    PyObject_HEAD
    ss_state_t *state;
    ss_machine_object_t *machine;
} routines_object_t;

PyObject *ss_routines_new(ss_machine_object_t *machine) {
    PyTypeObject *type = (PyTypeObject *)machine->state->Routines;
    routines_object_t *self = (routines_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = machine->state;
        self->machine = (ss_machine_object_t *)Py_NewRef(machine);
    }
    return (PyObject *)self;
}

static int routines_traverse(routines_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    return 0;
}

static void routines_dealloc(routines_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->machine);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *routines_getattro(routines_object_t *self, PyObject *name) {
    const char *text = PyUnicode_AsUTF8(name);
    const storsim_routine_t *row = text ? storsim_ddi_find(STORSIM_F_STORPORT, text) : NULL;
    if (row == NULL) {
        return text ? PyObject_GenericGetAttr((PyObject *)self, name) : NULL;
    }
    size_t index = (size_t)(row - self->state->plans[0].row);
    return ss_routine_new(self->state, &self->state->plans[index], self->machine);
}

static PyObject *routines_dir(routines_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < self->state->plan_count; i++) {
        const storsim_routine_t *row = self->state->plans[i].row;
        PyObject *name = row->family == STORSIM_F_STORPORT ? PyUnicode_FromString(row->name) : NULL;
        if (name != NULL && PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
        if (name == NULL && PyErr_Occurred()) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *routines_repr(routines_object_t *self) {
    return PyUnicode_FromFormat("<storport routines of %R>", self->machine);
}

static PyMethodDef routines_methods[] = {
    {"__dir__", (PyCFunction)(void (*)(void))routines_dir, METH_NOARGS, PyDoc_STR("The documented names.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot routines_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The Storport routines bound to one machine: HwDeviceExtension may be any number.")},
    {Py_tp_methods, routines_methods},
    {Py_tp_getattro, routines_getattro},
    {Py_tp_repr, routines_repr},
    {Py_tp_traverse, routines_traverse},
    {Py_tp_dealloc, routines_dealloc},
    {0, NULL}};

PyType_Spec ss_routines_spec = {"storsim._core.Routines", sizeof(routines_object_t), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                routines_slots};
