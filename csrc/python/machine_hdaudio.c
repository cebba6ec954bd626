/* python/machine_hdaudio.c: methods of Machine behind storsim.hdaudio: the bus driver of a controller and its
 * interfaces. */
#include "binding.h"

#include <stddef.h>
#include <string.h>

#include "storsim/hdaudio.h"

#define FIELD(name, type) {#name, type, offsetof(storsim_hdaudio_config_t, name)}
static const ss_field_t bus_fields[] = {FIELD(stripe_lines, SS_U32),
                                        FIELD(events_per_engine, SS_U32),
                                        FIELD(callbacks_per_engine, SS_U32),
                                        FIELD(verb_timeout, SS_U64),
                                        FIELD(late_dpc, SS_U64),
                                        FIELD(dirql, SS_U8),
                                        FIELD(ctrl_revision, SS_U8),
                                        FIELD(ctrl_vendor_id, SS_U16),
                                        FIELD(ctrl_device_id, SS_U16),
                                        {NULL, SS_U8, 0}};

static PyObject *finish(ss_machine_object_t *self, storsim_status_t status, const char *invalid, PyObject *result) {
    if (status == STORSIM_INVALID || status == STORSIM_STALE) {
        ss_leave(self);
        Py_XDECREF(result);
        PyErr_SetString(PyExc_ValueError, invalid);
        return NULL;
    }
    if (status == STORSIM_OK && result == NULL && PyErr_Occurred()) {
        ss_leave(self);
        return NULL;
    }
    if (ss_finish(self, status, result) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

/* The profile first, then single switches. */
static int read_policies(storsim_hdaudio_policy_t *policy, const char *profile, PyObject *policies) {
    PyObject *key = NULL, *value = NULL;
    Py_ssize_t position = 0;
    if (storsim_hdaudio_policy_profile(policy, profile) != STORSIM_OK) {
        PyErr_Format(PyExc_ValueError, "profile is \"doc\" or \"skl\", not \"%s\"", profile);
        return -1;
    }
    while (PyDict_Next(policies, &position, &key, &value)) {
        const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8(key) : NULL;
        const char *choice = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
        if (name == NULL || choice == NULL || storsim_hdaudio_policy_set(policy, name, choice) != STORSIM_OK) {
            PyErr_Format(PyExc_ValueError, "no policy %R with the choice %R; storsim._core.HDAUDIO_POLICIES lists them",
                         key, value);
            return -1;
        }
    }
    return 0;
}

/* (controller, profile, {policy: choice}, {field: value}) */
PyObject *ss_machine_hdaudio_attach(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    const char *profile;
    PyObject *policies, *values;
    storsim_hdaudio_config_t config;
    if (!PyArg_ParseTuple(args, "IsO!O!", &controller, &profile, &PyDict_Type, &policies, &PyDict_Type, &values)) {
        return NULL;
    }
    storsim_hdaudio_config_init(&config);
    PyObject *own = PyDict_Copy(policies); /* nobody changes this one meanwhile */
    int read = own ? read_policies(&config.policy, profile, own) : -1;
    Py_XDECREF(own);
    if (read < 0 ||
        ss_fields_load(&config, bus_fields, values, "the bus driver") < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_hdaudio_attach(self->core, controller, &config),
                  "the bus driver cannot start here: no such controller, one is attached already, or a setting lies "
                  "outside its range",
                  Py_NewRef(Py_None));
}

/* Returns (index of the first leak's finding, number of leaks). */
PyObject *ss_machine_hdaudio_remove(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    size_t first = 0, leaks = 0;
    if (!PyArg_ParseTuple(args, "I", &controller) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_hdaudio_remove(self->core, controller, &first, &leaks);
    PyObject *result = Py_BuildValue("(nn)", (Py_ssize_t)first, (Py_ssize_t)leaks);
    return finish(self, status, "there is no bus driver on this controller", result);
}

PyObject *ss_machine_hdaudio_surprise_remove(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    if (!PyArg_ParseTuple(args, "I", &controller) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_hdaudio_surprise_remove(self->core, controller),
                  "there is no bus driver on this controller", Py_NewRef(Py_None));
}

/* (controller, guid, size, version, client) → (ntstatus, name of the table or None, size, version, context) */
PyObject *ss_machine_hdaudio_query(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    const char *guid;
    Py_ssize_t guid_bytes;
    PyObject *size_object, *version_object, *client_object;
    uint64_t size, version, client;
    uint32_t status = 0;
    storsim_hdaudio_interface_t made = {.table = NULL};
    if (!PyArg_ParseTuple(args, "Iy#OOO", &controller, &guid, &guid_bytes, &size_object, &version_object,
                          &client_object) ||
        ss_number(size_object, UINT16_MAX, "size", "USHORT", &size) < 0 ||
        ss_number(version_object, UINT16_MAX, "version", "USHORT", &version) < 0 ||
        ss_number(client_object, UINT32_MAX, "client", "number of a client", &client) < 0) {
        return NULL;
    }
    if (guid_bytes != 16) {
        PyErr_SetString(PyExc_ValueError, "a GUID has 16 bytes");
        return NULL;
    }
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t answer =
        storsim_hdaudio_query(self->core, controller, (const uint8_t *)guid, (uint16_t)size, (uint16_t)version,
                              (uint32_t)client, &made, &status);
    PyObject *result = answer != STORSIM_OK ? NULL
                                            : Py_BuildValue("(IzHHK)", status, made.table ? made.table->name : NULL,
                                                            made.size, made.version, (unsigned long long)made.context);
    return finish(self, answer, "there is no bus driver on this controller", result);
}

/* (name, context) → the routine of this client as a callable */
PyObject *ss_machine_hdaudio_routine(ss_machine_object_t *self, PyObject *args) {
    const char *name;
    unsigned long long context;
    if (!PyArg_ParseTuple(args, "sK", &name, &context)) {
        return NULL;
    }
    const storsim_routine_t *row = storsim_ddi_find(STORSIM_F_HDAUDIO, name);
    if (row == NULL) {
        PyErr_Format(PyExc_ValueError, "the HD Audio bus interface has no routine %s", name);
        return NULL;
    }
    size_t index = (size_t)(row - self->state->plans[0].row);
    return ss_routine_new_of(self->state, &self->state->plans[index], self, context);
}

static PyObject *engine_dict(const storsim_engine_info_t *info) {
    return Py_BuildValue(
        "{s:K,s:K,s:s,s:N,s:N,s:N,s:N,s:I,s:I,s:i,s:i,s:(IHHH),s:i,s:I,s:I,s:K,s:K,s:K,s:K,s:I,s:I,s:I,s:I,s:K}",
        "handle", (unsigned long long)info->handle, "context", (unsigned long long)info->context, "state",
        storsim_engine_state_name(info->state), "capture", PyBool_FromLong(info->capture), "bidirectional",
        PyBool_FromLong(info->bidirectional), "striped", PyBool_FromLong(info->striped), "suspect",
        PyBool_FromLong(info->suspect), "controller", info->controller, "descriptor", info->descriptor, "stream_id",
        (int)info->stream_id, "codec_address", (int)info->codec_address, "format", info->format.SampleRate,
        info->format.ValidBitsPerSample, info->format.ContainerSize, info->format.NumberOfChannels, "converter_format",
        (int)info->converter_format, "link_bits", info->link_bits, "fifo_bytes", info->fifo_bytes, "buffer_va",
        (unsigned long long)info->buffer_va, "buffer_bytes", (unsigned long long)info->buffer_bytes, "mdl",
        (unsigned long long)info->mdl, "bdl_va", (unsigned long long)info->bdl_va, "offset", info->offset, "lvi",
        info->lvi, "events", info->events, "callbacks", info->callbacks, "interrupts",
        (unsigned long long)info->interrupts);
}

/* Valid engines of a controller as dicts, by descriptor. */
PyObject *ss_machine_hdaudio_engines(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    uint32_t cursor = 0;
    uint64_t handle;
    PyObject *list = NULL;
    if (!PyArg_ParseTuple(args, "I", &controller) || (list = PyList_New(0)) == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    while (list != NULL && storsim_hdaudio_engine_next(self->core, controller, &cursor, &handle)) {
        storsim_engine_info_t info;
        if (!storsim_hdaudio_engine(self->core, handle, &info)) {
            continue;
        }
        PyObject *item = engine_dict(&info);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    ss_leave(self);
    return list;
}

/* (handle) → [(address, length, ioc)] of its descriptor list, entries 0 … LVI */
PyObject *ss_machine_hdaudio_bdl(ss_machine_object_t *self, PyObject *args) {
    unsigned long long handle;
    storsim_engine_info_t info;
    storsim_hdaudio_entry_t entry;
    if (!PyArg_ParseTuple(args, "K", &handle) || ss_enter(self) < 0) {
        return NULL;
    }
    PyObject *list = storsim_hdaudio_engine(self->core, handle, &info) ? PyList_New(0) : NULL;
    if (list == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "no engine has this handle");
    }
    for (uint32_t i = 0;
         list != NULL && i <= info.lvi && storsim_hdaudio_bdl(self->core, handle, i, &entry) == STORSIM_OK; i++) {
        PyObject *item = Py_BuildValue("(KII)", (unsigned long long)entry.address, entry.length, entry.ioc);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    ss_leave(self);
    return list;
}

/* (controller, codec or None) → (used, capacity) in bits per frame, or None before the first query */
PyObject *ss_machine_hdaudio_bandwidth(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    PyObject *object;
    uint64_t codec = UINT32_MAX;
    uint32_t used = 0, capacity = 0;
    if (!PyArg_ParseTuple(args, "IO", &controller, &object) ||
        (object != Py_None && ss_number(object, 15, "codec", "codec address", &codec) < 0) || ss_enter(self) < 0) {
        return NULL;
    }
    bool known = storsim_hdaudio_bandwidth(self->core, controller, (uint32_t)codec, &used, &capacity);
    ss_leave(self);
    return known ? Py_BuildValue("(II)", used, capacity) : Py_NewRef(Py_None);
}

PyObject *ss_machine_hdaudio_references(ss_machine_object_t *self, PyObject *args) {
    unsigned long long context;
    if (!PyArg_ParseTuple(args, "K", &context) || ss_enter(self) < 0) {
        return NULL;
    }
    uint32_t references = storsim_hdaudio_references(self->core, context);
    ss_leave(self);
    return PyLong_FromUnsignedLong(references);
}

/* References the bus driver holds on a device object given to RegisterNotificationCallback. */
PyObject *ss_machine_hdaudio_fdo_references(ss_machine_object_t *self, PyObject *object) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t token = ss_token_find(self, object);
    if (PyErr_Occurred()) {
        ss_leave(self);
        return NULL;
    }
    uint32_t references = token ? storsim_hdaudio_fdo_references(self->core, token) : 0;
    ss_leave(self);
    return PyLong_FromUnsignedLong(references);
}

/* (controller) → (started, bit mask of codecs that answered) */
PyObject *ss_machine_hdaudio_started(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    uint32_t codecs = 0;
    if (!PyArg_ParseTuple(args, "I", &controller) || ss_enter(self) < 0) {
        return NULL;
    }
    bool started = storsim_hdaudio_started(self->core, controller, &codecs);
    ss_leave(self);
    return Py_BuildValue("(NI)", PyBool_FromLong(started), codecs);
}

/* --- data and pure functions of the module
 * ---------------------------------------------------------------------------- */

static PyObject *table_dict(const storsim_hdaudio_table_t *table) {
    PyObject *members = PyTuple_New(table->member_count);
    for (uint8_t i = 0; members != NULL && i < table->member_count; i++) {
        PyObject *name = PyUnicode_FromString(storsim_ddi_routine(table->members[i])->name);
        if (name == NULL) {
            Py_CLEAR(members);
        } else {
            PyTuple_SET_ITEM(members, i, name);
        }
    }
    return members == NULL
               ? NULL
               : Py_BuildValue("{s:s,s:y#,s:i,s:i,s:i,s:N}", "name", table->name, "guid", (const char *)table->guid,
                               (Py_ssize_t)16, "version", (int)table->version, "size", (int)table->size_x64, "size_x86",
                               (int)table->size_x86, "members", members);
}

PyObject *ss_hdaudio_tables(void) {
    size_t count;
    const storsim_hdaudio_table_t *tables = storsim_hdaudio_tables(&count);
    PyObject *result = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; result != NULL && i < count; i++) {
        PyObject *item = table_dict(&tables[i]);
        if (item == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, (Py_ssize_t)i, item);
        }
    }
    return result;
}

PyObject *ss_hdaudio_policies(void) {
    size_t count;
    const storsim_hdaudio_policy_row_t *rows = storsim_hdaudio_policy_table(&count);
    PyObject *result = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; result != NULL && i < count; i++) {
        PyObject *item = Py_BuildValue("(sss)", rows[i].name, rows[i].choices, rows[i].source);
        if (item == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, (Py_ssize_t)i, item);
        }
    }
    return result;
}

/* (rate, valid bits, container bits, channels) → converter format or None */
PyObject *ss_hdaudio_encode(PyObject *Py_UNUSED(module), PyObject *args) {
    storsim_stream_format_t format;
    storsim_hdaudio_policy_t policy;
    if (!PyArg_ParseTuple(args, "IHHH", &format.SampleRate, &format.ValidBitsPerSample, &format.ContainerSize,
                          &format.NumberOfChannels)) {
        return NULL;
    }
    (void)storsim_hdaudio_policy_profile(&policy, "doc");
    if (!storsim_hdaudio_format_valid(&format, &policy)) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLong(storsim_hdaudio_format_encode(&format));
}

/* converter format → (rate, valid bits, container bits, channels) or None */
PyObject *ss_hdaudio_decode(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned short value;
    storsim_stream_format_t format;
    if (!PyArg_ParseTuple(args, "H", &value)) {
        return NULL;
    }
    if (!storsim_hdaudio_format_decode(value, &format)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(IHHH)", format.SampleRate, format.ValidBitsPerSample, format.ContainerSize,
                         format.NumberOfChannels);
}

PyObject *ss_hdaudio_rates(void) {
    size_t count;
    const uint32_t *rates = storsim_hdaudio_rates(&count);
    PyObject *result = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; result != NULL && i < count; i++) {
        PyObject *item = PyLong_FromUnsignedLong(rates[i]);
        if (item == NULL) {
            Py_CLEAR(result);
        } else {
            PyTuple_SET_ITEM(result, (Py_ssize_t)i, item);
        }
    }
    return result;
}
