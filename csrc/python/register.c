/* python/register.c: registers as Python objects: Mmio (by offset), RegisterFile (by name, as attributes) and
 * LiveRegister (the pointer that GetLinkPositionRegister and GetWallClockRegister give).
 *
 * Loads are what a driver's loops are made of, so each is one call from Python into the core: no Python frame between,
 * no name looked up twice. A RegisterFile finds its names in a dictionary {name: offset | size << 32} made once;
 * whatever is no register there is asked of the generic attribute lookup, and at last of the method `_missing`. */
#include "binding.h"

#include "storsim/hda.h"

typedef struct window_object {
    PyObject_HEAD
    ss_machine_object_t *machine;
    uint32_t number;
    PyObject *places; /* RegisterFile only */
} window_object_t;

static const char no_controller[] = "the controller was removed: its registers are gone";

static int window_traverse(window_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    Py_VISIT(self->places);
    return 0;
}

static void window_dealloc(window_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->machine);
    Py_XDECREF(self->places);
    type->tp_free(self);
    Py_DECREF(type);
}

static window_object_t *window_make(PyTypeObject *type, PyObject *machine, unsigned int number) {
    ss_state_t *state = ss_state_of(type);
    if (state == NULL || !PyObject_TypeCheck(machine, (PyTypeObject *)state->Machine)) {
        if (state != NULL) {
            PyErr_Format(PyExc_TypeError, "expected a storsim.Machine, not %.100s", Py_TYPE(machine)->tp_name);
        }
        return NULL;
    }
    window_object_t *self = (window_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->machine = (ss_machine_object_t *)Py_NewRef(machine);
        self->number = number;
    }
    return self;
}

static PyObject *load(window_object_t *self, uint64_t offset, uint32_t size, uint64_t mask) {
    ss_machine_object_t *machine = self->machine;
    uint64_t value = 0;
    if (ss_enter(machine) < 0) {
        return NULL;
    }
    ss_here(machine);
    storsim_status_t status = storsim_hda_mmio_read(machine->core, self->number, offset, size, &value);
    if (status == STORSIM_INVALID) {
        ss_leave(machine);
        PyErr_SetString(PyExc_ValueError, no_controller);
        return NULL;
    }
    return ss_finish(machine, status, NULL) < 0 ? NULL : PyLong_FromUnsignedLongLong(value & mask);
}

/* --- Mmio -------------------------------------------------------------------------------------------------------- */

static PyObject *mmio_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *machine;
    unsigned int number;
    if ((kwargs && PyDict_GET_SIZE(kwargs) > 0) || !PyArg_ParseTuple(args, "OI:Mmio", &machine, &number)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "Mmio takes (machine, number)");
        }
        return NULL;
    }
    return (PyObject *)window_make(type, machine, number);
}

/* Arguments by position or name; those not given stay NULL. */
static int match(const char *function, const char *const *names, int least, int most, PyObject *const *args,
                 Py_ssize_t count, PyObject *keywords, PyObject **found) {
    Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s takes at most %d arguments (%zd given)", function, most, count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        found[i] = args[i];
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, i);
        int at = 0;
        while (at < most && PyUnicode_CompareWithASCIIString(name, names[at]) != 0) {
            at++;
        }
        if (at == most || found[at] != NULL) {
            PyErr_Format(PyExc_TypeError, at == most ? "%s has no parameter %R" : "%s got two values for %R", function,
                         name);
            return -1;
        }
        found[at] = args[count + i];
    }
    for (int i = 0; i < least; i++) {
        if (found[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s needs %s", function, names[i]);
            return -1;
        }
    }
    return 0;
}

static PyObject *mmio_read(window_object_t *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"offset", "size"};
    PyObject *given[2] = {NULL, NULL};
    uint64_t offset, size = 4;
    if (match("read", names, 1, 2, args, count, keywords, given) < 0 ||
        ss_number(given[0], UINT64_MAX, "offset", "register offset", &offset) < 0 ||
        (given[1] && ss_number(given[1], UINT32_MAX, "size", "number of bytes", &size) < 0)) {
        return NULL;
    }
    return load(self, offset, (uint32_t)size, UINT64_MAX);
}

static PyObject *mmio_write(window_object_t *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords) {
    static const char *const names[] = {"offset", "size", "value"};
    ss_machine_object_t *machine = self->machine;
    PyObject *given[3] = {NULL, NULL, NULL};
    uint64_t offset, size, value;
    if (match("write", names, 3, 3, args, count, keywords, given) < 0 ||
        ss_number(given[0], UINT64_MAX, "offset", "register offset", &offset) < 0 ||
        ss_number(given[1], UINT32_MAX, "size", "number of bytes", &size) < 0 ||
        ss_number(given[2], UINT64_MAX, "value", "register value", &value) < 0 || ss_enter(machine) < 0) {
        return NULL;
    }
    ss_here(machine);
    storsim_status_t status = storsim_hda_mmio_write(machine->core, self->number, offset, (uint32_t)size, value);
    if (status == STORSIM_INVALID) {
        ss_leave(machine);
        PyErr_SetString(PyExc_ValueError, no_controller);
        return NULL;
    }
    return ss_finish(machine, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef mmio_methods[] = {
    {"read", (PyCFunction)(void (*)(void))mmio_read, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("read($self, offset, size=4)\n--\n\nA load. Misaligned, of another size or outside the window: all ones "
               "and a note, as the bus would.\n\nRaises ValueError when the controller was removed.")},
    {"write", (PyCFunction)(void (*)(void))mmio_write, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("write($self, offset, size, value)\n--\n\nA store of size bytes; bits of value above them are not looked "
               "at.\n\nRaises ValueError when the controller was removed.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot mmio_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Mmio(machine, number, /)\n--\n\nThe register window: loads and stores of 1, 2 or 4 "
                                  "aligned bytes.")},
    {Py_tp_new, mmio_new},
    {Py_tp_methods, mmio_methods},
    {Py_tp_traverse, window_traverse},
    {Py_tp_dealloc, window_dealloc},
    {0, NULL}};

PyType_Spec ss_mmio_spec = {"storsim._core.Mmio", sizeof(window_object_t), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE, mmio_slots};

/* --- RegisterFile ------------------------------------------------------------------------------------------------ */

static PyObject *make_places(const ss_machine_object_t *machine, uint32_t number) {
    storsim_hda_register_t row;
    PyObject *places = PyDict_New();
    for (uint32_t i = 0; places != NULL && storsim_hda_register_get(machine->core, number, i, &row); i++) {
        PyObject *name = PyUnicode_InternFromString(row.name);
        PyObject *place = PyLong_FromUnsignedLongLong(row.offset | (uint64_t)row.size << 32);
        if (name == NULL || place == NULL || PyDict_SetItem(places, name, place) < 0) {
            Py_CLEAR(places);
        }
        Py_XDECREF(name);
        Py_XDECREF(place);
    }
    return places;
}

static PyObject *file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *machine, *rest;
    unsigned int number;
    (void)kwargs; /* those of a subclass's __init__ */
    if (!PyArg_ParseTuple(args, "OI|O:RegisterFile", &machine, &number, &rest)) {
        return NULL;
    }
    window_object_t *self = window_make(type, machine, number);
    if (self == NULL) {
        return NULL;
    }
    if (ss_enter(self->machine) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->places = make_places(self->machine, number);
    ss_leave(self->machine);
    if (self->places == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyObject *file_getattr(window_object_t *self, PyObject *name) {
    PyObject *place = PyDict_GetItemWithError(self->places, name);
    if (place != NULL) {
        uint64_t packed = PyLong_AsUnsignedLongLong(place);
        uint32_t size = (uint32_t)(packed >> 32);
        return load(self, packed & UINT32_MAX, size == 3 ? 4 : size, size == 3 ? 0xFFFFFF : UINT64_MAX);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    PyObject *found = PyObject_GenericGetAttr((PyObject *)self, name);
    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError) || PyUnicode_READ_CHAR(name, 0) == '_') {
        return found;
    }
    PyErr_Clear();
    return PyObject_CallMethod((PyObject *)self, "_missing", "O", name);
}

static PyType_Slot file_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("RegisterFile(machine, number, owner=None, /)\n--\n\nThe registers of a controller as attributes.")},
    {Py_tp_new, file_new},
    {Py_tp_getattro, file_getattr},
    {Py_tp_traverse, window_traverse},
    {Py_tp_dealloc, window_dealloc},
    {0, NULL}};

PyType_Spec ss_register_file_spec = {"storsim._core.RegisterFile", sizeof(window_object_t), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                                         Py_TPFLAGS_IMMUTABLETYPE,
                                     file_slots};

/* --- LiveRegister ------------------------------------------------------------------------------------------------ */

static PyObject *live_int(ss_pointer_object_t *self) {
    ss_machine_object_t *machine = self->machine;
    uint8_t bytes[4] = {0};
    if (ss_enter(machine) < 0) {
        return NULL;
    }
    ss_here(machine);
    storsim_status_t status = storsim_read_va(machine->core, self->address, bytes, sizeof bytes);
    PyObject *value = PyLong_FromUnsignedLong(bytes[0] | (unsigned long)bytes[1] << 8 | (unsigned long)bytes[2] << 16 |
                                              (unsigned long)bytes[3] << 24);
    if (value == NULL) {
        ss_leave(machine);
    } else if (ss_finish(machine, status, value) < 0) {
        Py_CLEAR(value);
    }
    return value;
}

static PyObject *live_compare(ss_pointer_object_t *self, PyObject *other, int op) {
    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const ss_pointer_object_t *that = (const ss_pointer_object_t *)(void *)other;
    return PyBool_FromLong((self->machine == that->machine && self->address == that->address) == (op == Py_EQ));
}

static PyObject *live_repr(ss_pointer_object_t *self) {
    char text[40];
    PyOS_snprintf(text, sizeof text, "<register at 0x%llx>", (unsigned long long)self->address);
    return PyUnicode_FromString(text);
}

static Py_hash_t live_hash(ss_pointer_object_t *self) {
    Py_hash_t hash = (Py_hash_t)(self->address % (((uint64_t)1 << 61) - 1));
    return hash == -1 ? -2 : hash;
}

static PyType_Slot live_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("LiveRegister(machine, address)\n--\n\nPULONG to a register: ``int(register)`` reads "
                                  "it now; stands for its address. Read only: a store is a violation.")},
    {Py_nb_int, live_int},
    {Py_tp_repr, live_repr},
    {Py_tp_hash, live_hash},
    {Py_tp_richcompare, live_compare},
    {0, NULL}};

PyType_Spec ss_live_register_spec = {"storsim._core.LiveRegister", sizeof(ss_pointer_object_t), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, live_slots};
