/* python/structs.c: documented in/out structures as mutable objects with the documented members (ACCESS_RANGE,
 * GROUP_AFFINITY).
 *
 * One object layout serves them all: a pointer to a description and an array of numbers. A new structure is a
 * description, a spec and a line in module.c. Members check their range; the object unpacks like a tuple of its members
 * and compares with one. */
#include "binding.h"

#include <string.h>

static PyObject *member_of(const ss_struct_object_t *self, int index, uint64_t value) {
    return self->desc->fields[index].boolean ? PyBool_FromLong(value != 0) : PyLong_FromUnsignedLongLong(value);
}

static PyObject *member_get(ss_struct_object_t *self, void *closure) {
    int index = (int)(intptr_t)closure;
    uint64_t value;
    Py_BEGIN_CRITICAL_SECTION(self);
    value = self->values[index];
    Py_END_CRITICAL_SECTION();
    return member_of(self, index, value);
}

static int member_set(ss_struct_object_t *self, PyObject *value, void *closure) {
    int index = (int)(intptr_t)closure;
    const ss_struct_field_t *field = &self->desc->fields[index];
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s.%s cannot be deleted: assign 0", self->desc->name, field->name);
        return -1;
    }
    uint64_t number;
    if (ss_number(value, field->maximum, field->name, "member", &number) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    self->values[index] = number;
    Py_END_CRITICAL_SECTION();
    return 0;
}

/* All members as they are at one moment. */
static void copy_values(ss_struct_object_t *self, uint64_t *values) {
    Py_BEGIN_CRITICAL_SECTION(self);
    memcpy(values, self->values, (size_t)self->desc->count * sizeof *values);
    Py_END_CRITICAL_SECTION();
}

PyObject *ss_struct_new(PyObject *type, const ss_struct_desc_t *desc, const uint64_t *values) {
    ss_struct_object_t *self = (ss_struct_object_t *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self != NULL) {
        self->desc = desc;
        memcpy(self->values, values, (size_t)desc->count * sizeof *values);
    }
    return (PyObject *)self;
}

int ss_struct_read(PyObject *type, const ss_struct_desc_t *desc, PyObject *object, uint64_t *values) {
    if (PyObject_TypeCheck(object, (PyTypeObject *)type)) {
        copy_values((ss_struct_object_t *)object, values);
        return 0;
    }
    if (!PyTuple_Check(object) || PyTuple_GET_SIZE(object) != desc->count) {
        PyErr_Format(PyExc_TypeError, "expected %s or a tuple of its %d members, not %.100s", desc->name, desc->count,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    for (int i = 0; i < desc->count; i++) {
        if (ss_number(PyTuple_GET_ITEM(object, i), desc->fields[i].maximum, desc->fields[i].name, "member",
                      &values[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Positional and named members; the rest is 0. */
static PyObject *construct(PyTypeObject *type, const ss_struct_desc_t *desc, PyObject *args, PyObject *kwargs) {
    uint64_t values[SS_MAX_STRUCT_FIELDS] = {0};
    Py_ssize_t given = PyTuple_GET_SIZE(args), named = kwargs ? PyDict_GET_SIZE(kwargs) : 0, used = 0;
    if (given > desc->count) {
        PyErr_Format(PyExc_TypeError, "%s has %d members, %zd given", desc->name, desc->count, given);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < desc->count; i++) {
        PyObject *value = i < given ? PyTuple_GET_ITEM(args, i) : NULL;
        PyObject *by_name = named ? PyDict_GetItemString(kwargs, desc->fields[i].name) : NULL;
        if (value && by_name) {
            PyErr_Format(PyExc_TypeError, "%s: %s given twice", desc->name, desc->fields[i].name);
            return NULL;
        }
        used += by_name != NULL;
        value = value ? value : by_name;
        if (value && ss_number(value, desc->fields[i].maximum, desc->fields[i].name, "member", &values[i]) < 0) {
            return NULL;
        }
    }
    if (used != named) {
        PyErr_Format(PyExc_TypeError, "%s: unknown member among %S", desc->name, kwargs);
        return NULL;
    }
    return ss_struct_new((PyObject *)type, desc, values);
}

static void struct_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *as_tuple(ss_struct_object_t *self) {
    uint64_t values[SS_MAX_STRUCT_FIELDS];
    copy_values(self, values);
    PyObject *tuple = PyTuple_New(self->desc->count);
    for (int i = 0; tuple != NULL && i < self->desc->count; i++) {
        PyObject *value = member_of(self, i, values[i]);
        if (value == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, value);
        }
    }
    return tuple;
}

static PyObject *struct_iter(ss_struct_object_t *self) {
    PyObject *tuple = as_tuple(self);
    PyObject *iterator = tuple ? PyObject_GetIter(tuple) : NULL;
    Py_XDECREF(tuple);
    return iterator;
}

static PyObject *struct_compare(ss_struct_object_t *self, PyObject *other, int op) {
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (!Py_IS_TYPE(other, Py_TYPE(self)) && !PyTuple_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *mine = as_tuple(self);
    PyObject *theirs = PyTuple_Check(other) ? Py_NewRef(other) : as_tuple((ss_struct_object_t *)other);
    PyObject *result = mine && theirs ? PyObject_RichCompare(mine, theirs, op) : NULL;
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return result;
}

static PyObject *struct_repr(ss_struct_object_t *self) {
    uint64_t values[SS_MAX_STRUCT_FIELDS];
    copy_values(self, values);
    PyObject *text = PyUnicode_FromFormat("%s(", self->desc->name);
    for (int i = 0; text != NULL && i < self->desc->count; i++) {
        const ss_struct_field_t *field = &self->desc->fields[i];
        const char *comma = i + 1 < self->desc->count ? ", " : ")";
        PyObject *part = field->boolean
                             ? PyUnicode_FromFormat("%s=%s%s", field->name, values[i] ? "True" : "False", comma)
                             : PyUnicode_FromFormat("%s=%s%s", field->name, SS_HEX(values[i]), comma);
        PyUnicode_AppendAndDel(&text, part);
    }
    return text;
}

static PyObject *struct_reduce(ss_struct_object_t *self, PyObject *Py_UNUSED(ignored)) {
    return Py_BuildValue("(ON)", (PyObject *)Py_TYPE(self), as_tuple(self));
}

static Py_ssize_t struct_length(ss_struct_object_t *self) {
    return self->desc->count;
}

static PyObject *struct_item(ss_struct_object_t *self, Py_ssize_t index) {
    if (index < 0 || index >= self->desc->count) {
        PyErr_SetString(PyExc_IndexError, "no such member");
        return NULL;
    }
    return member_get(self, (void *)(intptr_t)index);
}

static PyMethodDef struct_methods[] = {
    {"__reduce__", (PyCFunction)(void (*)(void))struct_reduce, METH_NOARGS, PyDoc_STR("For pickle and copy.")},
    {NULL, NULL, 0, NULL}};

#define MEMBER(index, name, doc)                                                                                       \
    {name, (getter)member_get, (setter)member_set, PyDoc_STR(doc), (void *)(intptr_t)(index)}
#define STRUCT_SLOTS(new_function, members, doc)                                                                       \
    {                                                                                                                  \
        {Py_tp_new, new_function}, {Py_tp_dealloc, struct_dealloc}, {Py_tp_doc, (void *)PyDoc_STR(doc)},               \
            {Py_tp_getset, members}, {Py_tp_methods, struct_methods}, {Py_tp_iter, struct_iter},                       \
            {Py_tp_richcompare, struct_compare}, {Py_tp_hash, PyObject_HashNotImplemented}, {Py_tp_repr, struct_repr}, \
            {Py_sq_length, struct_length}, {Py_sq_item, struct_item}, {                                                \
            0, NULL                                                                                                    \
        }                                                                                                              \
    }

/* --- ACCESS_RANGE ------------------------------------------------------------------------------------------------ */

static const ss_struct_field_t access_range_fields[] = {
    {"RangeStart", UINT64_MAX, false}, {"RangeLength", UINT32_MAX, false}, {"RangeInMemory", UINT8_MAX, true}};
const ss_struct_desc_t ss_access_range_desc = {"ACCESS_RANGE", access_range_fields, 3};

static PyObject *access_range_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    return construct(type, &ss_access_range_desc, args, kwargs);
}
static PyGetSetDef access_range_members[] = {
    MEMBER(0, "RangeStart", "Physical address of the first byte (logical with dma_remapping)."),
    MEMBER(1, "RangeLength", "Length in bytes, a ULONG."),
    MEMBER(2, "RangeInMemory", "True: memory, not I/O space."),
    {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot access_range_slots[] =
    STRUCT_SLOTS(access_range_new, access_range_members,
                 "ACCESS_RANGE(RangeStart=0, RangeLength=0, RangeInMemory=False)\n--\n\n"
                 "One physical range of a host memory buffer; mutable. Source: ns-storport-_access_range.md");
PyType_Spec ss_access_range_spec = {"storsim._core.ACCESS_RANGE", sizeof(ss_struct_object_t), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, access_range_slots};

/* --- GROUP_AFFINITY ---------------------------------------------------------------------------------------------- */

static const ss_struct_field_t group_affinity_fields[] = {{"Mask", UINT64_MAX, false}, {"Group", UINT16_MAX, false}};
const ss_struct_desc_t ss_group_affinity_desc = {"GROUP_AFFINITY", group_affinity_fields, 2};

static PyObject *group_affinity_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    return construct(type, &ss_group_affinity_desc, args, kwargs);
}
static PyGetSetDef group_affinity_members[] = {MEMBER(0, "Mask", "One bit per processor of the group."),
                                               MEMBER(1, "Group", "Processor group number."),
                                               {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot group_affinity_slots[] = STRUCT_SLOTS(
    group_affinity_new, group_affinity_members,
    "GROUP_AFFINITY(Mask=0, Group=0)\n--\n\nProcessors of a group; mutable. Source: ns-miniport-_group_affinity.md");
PyType_Spec ss_group_affinity_spec = {"storsim._core.GROUP_AFFINITY", sizeof(ss_struct_object_t), 0,
                                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, group_affinity_slots};
