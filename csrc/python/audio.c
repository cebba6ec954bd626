/* python/audio.c: the HD Audio types at the border: formats, verbs, handles, live registers, descriptor lists.
 *
 * Structures are Python objects with the documented members (storsim.hdaudio); here their members are read before the
 * call and, where the DDI fills them in place, written after it. An asynchronous transfer keeps its list of transfers
 * alive until its callback. */
#include "routine_i.h"

/* A member as an unsigned number. */
static int member(PyObject *object, const char *name, uint64_t most, uint64_t *value) {
    PyObject *number = PyObject_GetAttrString(object, name);
    if (number == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Format(PyExc_TypeError, "%.100s has no member %s: pass the documented structure of storsim.hdaudio",
                         Py_TYPE(object)->tp_name, name);
        }
        return -1;
    }
    int result = ss_number(number, most, name, "member", value);
    Py_DECREF(number);
    return result;
}

static int set_member(PyObject *object, const char *name, uint64_t value) {
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int result = number ? PyObject_SetAttrString(object, name, number) : -1;
    Py_XDECREF(number);
    return result;
}

int ss_in_stream_format(frame_t *frame, int index, PyObject *object) {
    uint64_t rate, bits, container, channels;
    if (object == Py_None) {
        return 0; /* NULL */
    }
    if (member(object, "SampleRate", UINT32_MAX, &rate) < 0 ||
        member(object, "ValidBitsPerSample", UINT16_MAX, &bits) < 0 ||
        member(object, "ContainerSize", UINT16_MAX, &container) < 0 ||
        member(object, "NumberOfChannels", UINT16_MAX, &channels) < 0) {
        return -1;
    }
    storsim_stream_format_t *format = ss_take_scratch(frame, index, 1, sizeof *format);
    if (format == NULL) {
        return -1;
    }
    *format = (storsim_stream_format_t){(uint32_t)rate, (uint16_t)bits, (uint16_t)container, (uint16_t)channels};
    return 0;
}

static int read_handle(frame_t *frame, PyObject *item, void *place) {
    (void)frame;
    return ss_pointer(item, "a handle", place);
}

int ss_in_handles(frame_t *frame, int index, PyObject *object) {
    return ss_in_sequence(frame, index, object, sizeof(uint64_t), read_handle);
}

static int read_transfer(frame_t *frame, PyObject *item, void *place) {
    (void)frame;
    uint64_t output;
    if (member(item, "Output", UINT32_MAX, &output) < 0) {
        return -1;
    }
    *(storsim_codec_transfer_t *)place = (storsim_codec_transfer_t){.Output = (uint32_t)output};
    return 0;
}

/* The list is looked at once: one that answers differently, or raises, the second time would do so after the verbs went
 * out. */
int ss_in_transfers(frame_t *frame, int index, PyObject *object) {
    bool array = PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object);
    PyObject *items = array ? PySequence_Tuple(object) : Py_NewRef(object); /* what is none is told so, or is NULL */
    if (items == NULL ||
        ss_in_sequence(frame, index, items, sizeof(storsim_codec_transfer_t), read_transfer) < 0 || !frame->owns) {
        Py_XDECREF(items);
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_XSETREF(frame->items, items);
    return 0;
}

int ss_in_device_information(frame_t *frame, int index, PyObject *object) {
    uint64_t size;
    if (object == Py_None) {
        return 0;
    }
    if (member(object, "Size", UINT16_MAX, &size) < 0) {
        return -1;
    }
    storsim_device_information_t *information = ss_take_scratch(frame, index, 1, sizeof *information);
    if (information == NULL) {
        return -1;
    }
    information->Size = (uint16_t)size;
    return 0;
}

/* An object of storsim.hdaudio that stands for an address of this machine. */
static PyObject *at_address(frame_t *frame, PyObject **slot, const char *name, uint64_t address) {
    if (address == 0) {
        return PyLong_FromLong(0);
    }
    PyObject *type = ss_lazy(slot, "storsim.hdaudio", name);
    return type ? PyObject_CallFunction(type, "OK", (PyObject *)frame->machine, (unsigned long long)address) : NULL;
}

PyObject *ss_out_register(frame_t *frame, int index) {
    uint64_t address = frame->args[index].value;
    return address ? ss_pointer_new(frame->routine->state->LiveRegister, frame->machine, address) : PyLong_FromLong(0);
}

PyObject *ss_out_bdl(frame_t *frame, int index) {
    return at_address(frame, &frame->routine->state->BufferDescriptors, "BufferDescriptorList",
                      frame->args[index].value);
}

/* --- after the call
 * --------------------------------------------------------------------------------------------------- */

static int set_responses(ss_state_t *state, PyObject *items, const storsim_codec_transfer_t *transfers,
                         uint32_t count) {
    PyObject *type = ss_lazy(&state->CodecResponse, "storsim.hdaudio", "HDAUDIO_CODEC_RESPONSE");
    int result = type ? 0 : -1;
    for (uint32_t i = 0; result == 0 && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(transfers[i].Input);
        PyObject *response = number ? PyObject_CallOneArg(type, number) : NULL;
        result = response ? PyObject_SetAttrString(PyTuple_GET_ITEM(items, (Py_ssize_t)i), "Input", response) : -1;
        Py_XDECREF(response);
        Py_XDECREF(number);
    }
    return result;
}

/* The tuple: the list may change before the callback, the structures are the driver's. */
static int remember(frame_t *frame, int index) {
    PyObject *key = PyLong_FromUnsignedLongLong(frame->args[index].value);
    int result = key ? PyDict_SetItem(frame->machine->transfers, key, frame->items) : -1;
    if (result == 0 && frame->args[index].value > frame->machine->last_transfer) {
        frame->machine->last_transfer = frame->args[index].value;
    }
    Py_XDECREF(key);
    return result;
}

static int transfers_after(frame_t *frame, int index, uint64_t result) {
    const storsim_arg_t *arg = &frame->args[index];
    uint64_t count = frame->args[0].value;
    if (result != 0 || arg->data == NULL) {
        return 0;
    }
    if (frame->args[2].value != 0) {
        return remember(frame, index); /* asynchronous: the callback will tell */
    }
    return set_responses(frame->routine->state, frame->items, arg->data,
                         count < arg->count ? (uint32_t)count : arg->count);
}

static int information_after(frame_t *frame, int index, uint64_t result) {
    const storsim_device_information_t *information = frame->args[index].data;
    PyObject *object = frame->given[index];
    if (result != 0 || information == NULL) {
        return 0;
    }
    if (set_member(object, "DeviceVersion", information->DeviceVersion) < 0 ||
        set_member(object, "DriverVersion", information->DriverVersion) < 0 ||
        set_member(object, "CodecsDetected", information->CodecsDetected) < 0 ||
        set_member(object, "IsStripingSupported", information->IsStripingSupported) < 0) {
        return -1;
    }
    if (information->Size >= 14 && (set_member(object, "CtrlRevision", information->CtrlRevision) < 0 ||
                                    set_member(object, "CtrlVendorId", information->CtrlVendorId) < 0 ||
                                    set_member(object, "CtrlDeviceId", information->CtrlDeviceId) < 0)) {
        return -1;
    }
    return set_member(object, "Size", information->Size);
}

int ss_audio_after(frame_t *frame, uint64_t result) {
    for (int i = 0; i < frame->plan->row->param_count; i++) {
        storsim_type_t type = PARAM(frame, i).type;
        if ((type == STORSIM_T_TRANSFERS && transfers_after(frame, i, result) < 0) ||
            (type == STORSIM_T_DEVICE_INFO && information_after(frame, i, result) < 0)) {
            return -1;
        }
    }
    return 0;
}

PyObject *ss_transfer_done(ss_machine_object_t *machine, const storsim_callback_t *callback) {
    PyObject *key = PyLong_FromUnsignedLongLong(callback->values[0]);
    PyObject *items = key ? PyDict_GetItemWithError(machine->transfers, key) : NULL;
    Py_ssize_t count = items ? PyTuple_GET_SIZE(items) : 0;
    if (items == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "the machine finished a codec transfer that this machine object does not hold: it was "
                            "submitted in another process, or after the snapshot that was restored");
        }
        Py_XDECREF(key);
        return NULL;
    }
    Py_INCREF(items);
    size_t told = callback->data_bytes / sizeof(storsim_codec_transfer_t);
    uint32_t done = told < (size_t)count ? (uint32_t)told : (uint32_t)count;
    Py_ssize_t named = callback->values[2] < (uint64_t)count ? (Py_ssize_t)callback->values[2] : 0;
    PyObject *element = NULL;
    if (set_responses(machine->state, items, callback->data, done) == 0) {
        element = count > 0 ? Py_NewRef(PyTuple_GET_ITEM(items, named)) : Py_NewRef(Py_None);
        bool last = callback->values[3] != 0 && callback->values[0] > machine->kept_transfer;
        if (last && PyDict_DelItem(machine->transfers, key) < 0) {
            PyErr_Clear();
        }
    }
    Py_DECREF(items);
    Py_DECREF(key);
    return element;
}
