/* python/srb.c: SCSI_REQUEST_BLOCK, a simulated request as the port hands it to HwStorBuildIo. */
#include "binding.h"

static int read_srb(ss_pointer_object_t *self, storsim_srb_info_t *info) {
    if (ss_enter(self->machine) < 0) {
        return -1;
    }
    bool live = storsim_srb_get(self->machine->core, self->address, info);
    ss_leave(self->machine);
    if (!live) {
        PyErr_Format(PyExc_ValueError, "there is no live request at %s: it was completed", SS_HEX(self->address));
        return -1;
    }
    return 0;
}

enum {
    SRB_DATA,
    SRB_LENGTH,
    SRB_EXTENSION,
    SRB_EXTENSION_LENGTH,
    SRB_SENSE,
    SRB_SENSE_LENGTH,
    SRB_LU,
    SRB_DATA_IN,
    SRB_DATA_IN_LENGTH
};

static PyObject *srb_member(ss_pointer_object_t *self, void *closure) {
    storsim_srb_info_t info = {0};
    if (read_srb(self, &info) < 0) {
        return NULL;
    }
    const uint64_t values[] = {[SRB_DATA] = info.data,
                               [SRB_LENGTH] = info.data_length,
                               [SRB_EXTENSION] = info.extension,
                               [SRB_EXTENSION_LENGTH] = info.extension_length,
                               [SRB_SENSE] = info.sense,
                               [SRB_SENSE_LENGTH] = info.sense_length,
                               [SRB_LU] = info.lu_extension,
                               [SRB_DATA_IN] = info.data_in,
                               [SRB_DATA_IN_LENGTH] = info.data_in_length};
    return PyLong_FromUnsignedLongLong(values[(intptr_t)closure]);
}

static PyObject *srb_mdl(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_srb_info_t info = {0};
    if (read_srb(self, &info) < 0) {
        return NULL;
    }
    return info.mdl ? ss_pointer_new(self->machine->state->Mdl, self->machine, info.mdl) : Py_NewRef(Py_None);
}

static PyObject *srb_physical(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_srb_info_t info = {0};
    if (read_srb(self, &info) < 0 || ss_enter(self->machine) < 0) {
        return NULL;
    }
    uint64_t physical = storsim_physical(self->machine->core, info.data);
    ss_leave(self->machine);
    return PyLong_FromUnsignedLongLong(physical);
}

static PyObject *srb_write(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_srb_info_t info = {0};
    return read_srb(self, &info) < 0 ? NULL : PyBool_FromLong(info.write);
}

static PyObject *srb_live(ss_pointer_object_t *self, void *Py_UNUSED(closure)) {
    storsim_srb_info_t info = {0};
    if (ss_enter(self->machine) < 0) {
        return NULL;
    }
    bool live = storsim_srb_get(self->machine->core, self->address, &info);
    ss_leave(self->machine);
    return PyBool_FromLong(live);
}

static PyObject *srb_complete(ss_pointer_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self->machine) < 0) {
        return NULL;
    }
    ss_here(self->machine);
    storsim_status_t status = storsim_srb_complete(self->machine->core, self->address);
    if (status == STORSIM_STALE) {
        ss_leave(self->machine);
        PyErr_SetString(PyExc_ValueError, "the request was completed before");
        return NULL;
    }
    return ss_finish(self->machine, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *srb_enter(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    return Py_NewRef(self);
}

static PyObject *srb_exit(ss_pointer_object_t *self, PyObject *Py_UNUSED(args)) {
    storsim_srb_info_t info = {0};
    if (SS_LOAD_INT(self->machine->closed) || ss_enter(self->machine) < 0) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    bool live = storsim_srb_get(self->machine->core, self->address, &info) && !storsim_stopped(self->machine->core);
    ss_leave(self->machine);
    return live ? srb_complete(self, NULL) : Py_NewRef(Py_None);
}

static int srb_getbuffer(ss_pointer_object_t *self, Py_buffer *view, int flags) {
    storsim_srb_info_t info = {0};
    storsim_allocation_t allocation = {0};
    view->obj = NULL;
    if (read_srb(self, &info) < 0 || ss_enter(self->machine) < 0) {
        return -1;
    }
    bool found = info.data != 0 && storsim_allocation_at(self->machine->core, info.data, &allocation);
    ss_leave(self->machine);
    if (!found) {
        PyErr_SetString(PyExc_BufferError, "the request has no data buffer");
        return -1;
    }
    return ss_buffer_export((PyObject *)self, self->machine, allocation.va, allocation.block, info.data - allocation.va,
                            info.data_length, view, flags);
}

static void srb_releasebuffer(ss_pointer_object_t *self, Py_buffer *view) {
    ss_buffer_release(self->machine, view);
}

#define MEMBER(name, index, doc) {name, (getter)srb_member, NULL, PyDoc_STR(doc), (void *)(intptr_t)(index)}
static PyGetSetDef srb_getset[] = {
    MEMBER("DataBuffer", SRB_DATA, "Virtual address of the data buffer, 0 when the request has no data."),
    MEMBER("DataTransferLength", SRB_LENGTH, "Bytes of data."),
    MEMBER("SrbExtension", SRB_EXTENSION, "Virtual address of the SRB extension, 0 when SrbExtensionSize is 0."),
    MEMBER("SrbExtensionSize", SRB_EXTENSION_LENGTH, "Bytes of the SRB extension."),
    MEMBER("SenseInfoBuffer", SRB_SENSE, "Virtual address of the sense buffer."),
    MEMBER("SenseInfoBufferLength", SRB_SENSE_LENGTH, "Bytes of the sense buffer."),
    MEMBER("LuExtension", SRB_LU, "Virtual address of the logical unit's extension, 0 when there is none."),
    MEMBER("DataInBuffer", SRB_DATA_IN, "Virtual address of the separate data-in buffer, 0 when there is none."),
    MEMBER("DataInTransferLength", SRB_DATA_IN_LENGTH, "Bytes of the data-in buffer."),
    MEMBER("va", SRB_DATA, "DataBuffer under the name the other blocks use."),
    MEMBER("size", SRB_LENGTH, "DataTransferLength under the name the other blocks use."),
    {"pa", (getter)srb_physical, NULL,
     PyDoc_STR("Physical address of the first byte of data; the rest need not follow."), NULL},
    {"write", (getter)srb_write, NULL, PyDoc_STR("Whether the data goes to the device."), NULL},
    {"mdl", (getter)srb_mdl, NULL, PyDoc_STR("MDL of the data buffer, or None."), NULL},
    {"live", (getter)srb_live, NULL, PyDoc_STR("Whether the request is not completed yet."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef srb_methods[] = {
    SS_BUFFER_METHOD{
        "complete", (PyCFunction)(void (*)(void))srb_complete, METH_NOARGS,
        PyDoc_STR("complete($self, /)\n--\n\nCompletes the request: its memory goes, pointers got through it die.\n\n"
                  "Raises ValueError when it was completed before.")},
    {"free", (PyCFunction)(void (*)(void))srb_complete, METH_NOARGS,
     PyDoc_STR("free($self, /)\n--\n\nThe same as complete().")},
    {"__bytes__", ss_buffer_bytes, METH_NOARGS, PyDoc_STR("A copy of the data.")},
    {"__enter__", srb_enter, METH_NOARGS, PyDoc_STR("The request itself.")},
    {"__exit__", (PyCFunction)(void (*)(void))srb_exit, METH_VARARGS,
     PyDoc_STR("Completes the request if it still lives.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot srb_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "SCSI_REQUEST_BLOCK(machine, address)\n--\n\nA request; its buffer is the data. A context manager that "
         "completes it. Source: ns-storport-_scsi_request_block.md")},
    {Py_tp_getset, srb_getset},
    {Py_tp_methods, srb_methods},
    {Py_bf_getbuffer, srb_getbuffer},
    {Py_bf_releasebuffer, srb_releasebuffer},
    {0, NULL}};

PyType_Spec ss_srb_spec = {"storsim._core.SCSI_REQUEST_BLOCK", sizeof(ss_pointer_object_t), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, srb_slots};
