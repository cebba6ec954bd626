/* python/mdl.c: MDL, the documented members of a simulated memory descriptor list, and the bytes it describes. */
#include "binding.h"

static int read_mdl(ss_pointer_object_t *self, storsim_mdl_info_t *info) {
    if (ss_enter(self->machine) < 0) {
        return -1;
    }
    storsim_status_t status = storsim_mdl_get(self->machine->core, self->address, info);
    if (status == STORSIM_STALE) {
        ss_leave(self->machine);
        PyErr_Format(PyExc_ValueError, "there is no live MDL at %s", SS_HEX(self->address));
        return -1;
    }
    info->va = info->start_va + info->byte_offset; /* of the buffer; the MDL's own address is the object's */
    return ss_finish(self->machine, status, NULL);
}

enum { MDL_VA, MDL_BYTE_COUNT, MDL_BYTE_OFFSET, MDL_FLAGS, MDL_SIZE, MDL_START_VA, MDL_MAPPED };

static PyObject *mdl_member(ss_pointer_object_t *self, void *closure) {
    storsim_mdl_info_t info = {0};
    if (read_mdl(self, &info) < 0) {
        return NULL;
    }
    const uint64_t values[] = {[MDL_VA] = info.va,
                               [MDL_BYTE_COUNT] = info.byte_count,
                               [MDL_BYTE_OFFSET] = info.byte_offset,
                               [MDL_FLAGS] = info.flags,
                               [MDL_SIZE] = info.size,
                               [MDL_START_VA] = info.start_va,
                               [MDL_MAPPED] = info.mapped_system_va};
    return PyLong_FromUnsignedLongLong(values[(intptr_t)closure]);
}

static PyObject *mdl_built(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_mdl_info_t info = {0};
    return read_mdl(self, &info) < 0 ? NULL : PyBool_FromLong(info.built);
}

static PyObject *mdl_pages(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_mdl_info_t info = {0};
    if (read_mdl(self, &info) < 0) {
        return NULL;
    }
    Py_ssize_t count = info.built ? (Py_ssize_t)info.pages : 0;
    PyObject *pages = PyTuple_New(count);
    if (pages == NULL || ss_enter(self->machine) < 0) {
        Py_XDECREF(pages);
        return NULL;
    }
    storsim_status_t status = STORSIM_OK;
    for (Py_ssize_t i = 0; pages != NULL && status == STORSIM_OK && i < count; i++) {
        uint64_t physical = 0;
        status = storsim_mdl_page(self->machine->core, self->address, (uint32_t)i, &physical);
        PyObject *number = status == STORSIM_OK ? PyLong_FromUnsignedLongLong(physical) : Py_NewRef(Py_None);
        if (number == NULL) {
            Py_CLEAR(pages);
        } else {
            PyTuple_SET_ITEM(pages, i, number);
        }
    }
    if (ss_finish(self->machine, status, NULL) < 0) {
        Py_CLEAR(pages);
    }
    return pages;
}

static int mdl_getbuffer(ss_pointer_object_t *self, Py_buffer *view, int flags) {
    storsim_mdl_info_t info = {0};
    storsim_allocation_t allocation = {0};
    view->obj = NULL;
    if (read_mdl(self, &info) < 0 || ss_enter(self->machine) < 0) {
        return -1;
    }
    bool found = storsim_allocation_at(self->machine->core, info.va, &allocation);
    ss_leave(self->machine);
    if (!found) {
        PyErr_SetString(PyExc_BufferError, "the buffer this MDL describes is not a live allocation");
        return -1;
    }
    return ss_buffer_export((PyObject *)self, self->machine, allocation.va, allocation.block, info.va - allocation.va,
                            info.byte_count, view, flags);
}

static void mdl_releasebuffer(ss_pointer_object_t *self, Py_buffer *view) {
    ss_buffer_release(self->machine, view);
}

#define MEMBER(name, index, doc) {name, (getter)mdl_member, NULL, PyDoc_STR(doc), (void *)(intptr_t)(index)}
static PyGetSetDef mdl_getset[] = {
    MEMBER("va", MDL_VA, "Virtual address of the buffer: StartVa + ByteOffset."),
    MEMBER("byte_count", MDL_BYTE_COUNT, "Length of the buffer in bytes."),
    MEMBER("byte_offset", MDL_BYTE_OFFSET, "Offset of the buffer in its first page, bytes."),
    MEMBER("flags", MDL_FLAGS, "MdlFlags."),
    MEMBER("size", MDL_SIZE, "Size of the MDL itself with its page array, bytes."),
    MEMBER("start_va", MDL_START_VA, "Address of the first page."),
    MEMBER("mapped_system_va", MDL_MAPPED, "MappedSystemVa, 0 while unmapped."),
    {"built", (getter)mdl_built, NULL, PyDoc_STR("Whether the page array is filled."), NULL},
    {"pages", (getter)mdl_pages, NULL, PyDoc_STR("Physical page addresses, in order; empty until the MDL was built."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef mdl_methods[] = {
    SS_BUFFER_METHOD{"__bytes__", ss_buffer_bytes, METH_NOARGS, PyDoc_STR("A copy of the described bytes.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot mdl_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("MDL(machine, address)\n--\n\nA memory descriptor list. Its buffer is the described bytes. "
                       "Source: ns-wdm-_mdl.md")},
    {Py_tp_getset, mdl_getset},
    {Py_tp_methods, mdl_methods},
    {Py_bf_getbuffer, mdl_getbuffer},
    {Py_bf_releasebuffer, mdl_releasebuffer},
    {0, NULL}};

PyType_Spec ss_mdl_spec = {"storsim._core.MDL", sizeof(ss_pointer_object_t), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, mdl_slots};
