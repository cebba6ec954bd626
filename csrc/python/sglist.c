/* python/sglist.c: STOR_SCATTER_GATHER_LIST, the elements of a simulated scatter/gather list. */
#include "binding.h"

/* The elements as a PyMem block of *count entries, or NULL with an exception. */
static storsim_sg_element_t *read_elements(ss_pointer_object_t *self, uint32_t *count) {
    uint32_t capacity = 16;
    for (;;) {
        storsim_sg_element_t *elements = PyMem_Calloc(capacity, sizeof *elements);
        if (elements == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (ss_enter(self->machine) < 0) {
            PyMem_Free(elements);
            return NULL;
        }
        *count = capacity;
        storsim_status_t status = storsim_sg_elements(self->machine->core, self->address, elements, count);
        if (status == STORSIM_STALE) {
            ss_leave(self->machine);
            PyErr_Format(PyExc_ValueError, "there is no live scatter/gather list at %s", SS_HEX(self->address));
        } else if (ss_finish(self->machine, status, NULL) == 0) {
            if (*count <= capacity) {
                return elements;
            }
            PyMem_Free(elements);
            capacity = *count;
            continue;
        }
        PyMem_Free(elements);
        return NULL;
    }
}

static PyObject *list_elements(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    uint32_t count = 0;
    storsim_sg_element_t *elements = read_elements(self, &count);
    if (elements == NULL) {
        return NULL;
    }
    PyObject *type = NULL;
    PyObject *list =
        ss_lazy(&type, "storsim.records", "STOR_SCATTER_GATHER_ELEMENT") ? PyTuple_New((Py_ssize_t)count) : NULL;
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        PyObject *element =
            PyObject_CallFunction(type, "KI", (unsigned long long)elements[i].PhysicalAddress, elements[i].Length);
        if (element == NULL) {
            Py_CLEAR(list);
        } else {
            PyTuple_SET_ITEM(list, (Py_ssize_t)i, element);
        }
    }
    Py_XDECREF(type);
    PyMem_Free(elements);
    return list;
}

static PyObject *list_count(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    uint32_t count = 0;
    storsim_sg_element_t *elements = read_elements(self, &count);
    if (elements == NULL) {
        return NULL;
    }
    PyMem_Free(elements);
    return PyLong_FromUnsignedLong(count);
}

static PyGetSetDef list_getset[] = {
    {"elements", (getter)list_elements, NULL,
     PyDoc_STR("STOR_SCATTER_GATHER_ELEMENT tuples (PhysicalAddress, Length), in order."), NULL},
    {"List", (getter)list_elements, NULL, PyDoc_STR("The same under its documented name."), NULL},
    {"NumberOfElements", (getter)list_count, NULL, PyDoc_STR("How many elements there are."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot list_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "STOR_SCATTER_GATHER_LIST(machine, address)\n--\n\nA scatter/gather list; valid until it is put back or "
         "its request completes. Source: ns-storport-_stor_scatter_gather_list.md")},
    {Py_tp_getset, list_getset},
    {0, NULL}};

PyType_Spec ss_sg_spec = {"storsim._core.STOR_SCATTER_GATHER_LIST", sizeof(ss_pointer_object_t), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, list_slots};
