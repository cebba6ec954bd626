/* python/machine_adapter.c: methods of Machine behind storsim.adapter and storsim.nvme. Adapters are named by number
 * here. */
#include "binding.h"

#include <stddef.h>

#define FIELD(name, type) {#name, type, offsetof(storsim_adapter_config_t, name)}
const ss_field_t ss_adapter_fields[] = {FIELD(name, SS_TEXT),
                                        FIELD(full_duplex, SS_BOOL),
                                        FIELD(dump_mode, SS_U32),
                                        FIELD(dirql, SS_U8),
                                        FIELD(node, SS_U32),
                                        FIELD(device_extension_bytes, SS_U32),
                                        FIELD(virtual_miniport, SS_BOOL),
                                        FIELD(bus_master, SS_BOOL),
                                        FIELD(dma_remapping, SS_BOOL),
                                        FIELD(coherent, SS_BOOL),
                                        FIELD(poison_length, SS_BOOL),
                                        FIELD(write_combining, SS_BOOL),
                                        FIELD(sg_delivery, SS_CHOICE),
                                        FIELD(map_registers, SS_U64),
                                        FIELD(contig_cap, SS_U64),
                                        FIELD(pool_cap, SS_U64),
                                        FIELD(minimum_ucx, SS_U64),
                                        FIELD(maximum_ucx, SS_U64),
                                        FIELD(ucx_alignment, SS_U32),
                                        FIELD(hmb_policy, SS_U32),
                                        FIELD(hmb_cap, SS_U64),
                                        FIELD(hmb_utilization_divisor, SS_U32),
                                        FIELD(hmb_disabled_status, SS_U32),
                                        FIELD(hmb_second_alloc_status, SS_U32),
                                        FIELD(hmb_free_exact, SS_BOOL),
                                        {NULL, SS_U8, 0}};

static int adapter_number(PyObject *object, uint32_t *number) {
    uint64_t value;
    if (ss_number(object, UINT32_MAX, "adapter", "adapter number", &value) < 0) {
        return -1;
    }
    *number = (uint32_t)value;
    return 0;
}

/* Finishes a call whose INVALID means a number out of range. */
static PyObject *finish(ss_machine_object_t *self, storsim_status_t status, const char *invalid, PyObject *result) {
    if (status == STORSIM_INVALID || status == STORSIM_STALE) {
        ss_leave(self);
        Py_XDECREF(result);
        PyErr_SetString(PyExc_ValueError, invalid);
        return NULL;
    }
    if (ss_finish(self, status, result) < 0) {
        Py_CLEAR(result);
        return NULL;
    }
    return result;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

/* The dict may hold a callable under hmb_policy: it becomes a token. */
PyObject *ss_machine_adapter_add(ss_machine_object_t *self, PyObject *values) {
    storsim_adapter_config_t config;
    uint32_t number = 0;
    if (!PyDict_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "pass a dict");
        return NULL;
    }
    storsim_adapter_config_init(&config);
    PyObject *plain = PyDict_Copy(values);
    PyObject *policy = plain ? Py_XNewRef(PyDict_GetItemString(plain, "hmb_policy")) : NULL;
    bool callable = policy != NULL && PyCallable_Check(policy);
    if (callable && PyDict_DelItemString(plain, "hmb_policy") < 0) {
        Py_CLEAR(plain);
    }
    if (plain == NULL || ss_fields_load(&config, ss_adapter_fields, plain, "an adapter") < 0 || ss_enter(self) < 0) {
        Py_XDECREF(plain);
        Py_XDECREF(policy);
        return NULL;
    }
    ss_here(self);
    config.hmb_policy_routine = callable ? ss_token_new(self, policy) : 0;
    storsim_status_t status = PyErr_Occurred() ? STORSIM_NO_MEMORY : storsim_adapter_add(self->core, &config, &number);
    if (status != STORSIM_OK) {
        ss_token_release(self, config.hmb_policy_routine);
    }
    Py_DECREF(plain);
    Py_XDECREF(policy);
    if (status == STORSIM_NO_SPACE) {
        ss_leave(self);
        PyErr_SetString(PyExc_MemoryError, "the simulated machine has no free page for the adapter's device extension");
        return NULL;
    }
    PyObject *result = status == STORSIM_OK ? PyLong_FromUnsignedLong(number) : NULL;
    return finish(self, status, "a setting of the adapter lies outside its range", result);
}

static PyObject *leaks_of(ss_machine_object_t *self, size_t first, size_t leaks) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < leaks; i++) {
        const storsim_finding_t *finding = storsim_finding_get(self->core, first + i);
        PyObject *record = finding ? ss_finding_record(self, finding) : NULL;
        if (finding != NULL && (record == NULL || PyList_Append(list, record) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(record);
    }
    return list;
}

PyObject *ss_machine_adapter_remove(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    size_t first = 0, leaks = 0;
    if (adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_adapter_remove(self->core, number, &first, &leaks);
    PyObject *list = status == STORSIM_OK || status == STORSIM_VIOLATION ? leaks_of(self, first, leaks) : NULL;
    return finish(self, status, "the adapter was removed before", list);
}

PyObject *ss_machine_adapter_count(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint32_t count = storsim_adapter_count(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLong(count);
}

PyObject *ss_machine_adapter_live(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    if (adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    bool live = storsim_adapter_live(self->core, number);
    ss_leave(self);
    return PyBool_FromLong(live);
}

/* --- configuration and callbacks --------------------------------------------------------------------------------- */

PyObject *ss_machine_port_config_address(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    if (adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t address = storsim_adapter_config_address(self->core, number);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(address);
}

PyObject *ss_machine_port_config_get(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, member;
    uint64_t value = 0;
    if (!PyArg_ParseTuple(args, "II", &number, &member) || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_port_config_get(self->core, number, (storsim_port_config_field_t)member, &value);
    PyObject *result = status == STORSIM_OK ? PyLong_FromUnsignedLongLong(value) : NULL;
    return finish(self, status, "there is no such adapter or member", result);
}

PyObject *ss_machine_port_config_set(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, member;
    PyObject *object;
    uint64_t value;
    if (!PyArg_ParseTuple(args, "IIO", &number, &member, &object) ||
        ss_number(object, UINT64_MAX, "value", "member", &value) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_port_config_set(self->core, number, (storsim_port_config_field_t)member, value);
    return finish(self, status, "the value does not fit this member of PORT_CONFIGURATION_INFORMATION",
                  Py_NewRef(Py_None));
}

PyObject *ss_machine_callback_enter(ss_machine_object_t *self, PyObject *args) {
    unsigned int number;
    const char *name, *control;
    if (!PyArg_ParseTuple(args, "Isz", &number, &name, &control)) {
        return NULL;
    }
    storsim_context_t context = storsim_context_find(name);
    if (context == STORSIM_CONTEXT_NONE) {
        PyErr_Format(PyExc_ValueError, "%s is no documented miniport callback; see storsim._core.CALLBACK_CONTEXTS",
                     name);
        return NULL;
    }
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_callback_enter(self->core, number, context, control);
    return finish(self, status, "the adapter was removed, or the control type is unknown", Py_NewRef(Py_None));
}

PyObject *ss_machine_callback_leave(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_callback_leave(self->core), "this CPU is in no callback", Py_NewRef(Py_None));
}

PyObject *ss_machine_callback_current(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    storsim_context_t context = storsim_callback_current(self->core, NULL);
    ss_leave(self);
    return context == STORSIM_CONTEXT_NONE ? Py_NewRef(Py_None) : PyUnicode_FromString(storsim_context_name(context));
}

PyObject *ss_machine_srb_create(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, length, fragments, offset, lu_extension, data_in;
    int write;
    uint64_t srb = 0;
    if (!PyArg_ParseTuple(args, "IIpIIII", &number, &length, &write, &fragments, &offset, &lu_extension, &data_in) ||
        ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    const storsim_srb_config_t config = {.length = length,
                                         .write = write != 0,
                                         .fragments = fragments,
                                         .offset = offset,
                                         .lu_extension_bytes = lu_extension,
                                         .data_in_length = data_in};
    storsim_status_t status = storsim_srb_create(self->core, number, &config, &srb);
    if (status == STORSIM_NO_SPACE) {
        ss_leave(self);
        PyErr_SetString(PyExc_MemoryError, "the simulated machine has no memory for this request");
        return NULL;
    }
    PyObject *result = status == STORSIM_OK ? ss_pointer_new(self->state->Srb, self, srb) : NULL;
    return finish(
        self, status,
        "the request cannot be made: more fragments than pages, an offset beyond a page, or the adapter was removed",
        result);
}

/* --- the device's side ------------------------------------------------------------------------------------------- */

typedef storsim_status_t (*device_read_t)(storsim_machine_t *core, uint32_t device, uint64_t address, void *buffer,
                                          size_t bytes);
typedef storsim_status_t (*device_write_t)(storsim_machine_t *core, uint32_t device, uint64_t address,
                                           const void *buffer, size_t bytes);

static PyObject *device_read(ss_machine_object_t *self, PyObject *args, device_read_t read, bool by_device,
                             const char *invalid) {
    unsigned int number;
    PyObject *object;
    Py_ssize_t length;
    uint64_t address;
    if (!PyArg_ParseTuple(args, "IOn", &number, &object, &length) || ss_physical(object, "address", &address) < 0) {
        return NULL;
    }
    if (length < 0) {
        PyErr_SetString(PyExc_ValueError, "length is a number of bytes: it cannot be negative");
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, length);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    ss_here(self);
    uint32_t device = by_device ? storsim_adapter_device(self->core, number) : number;
    storsim_status_t status = read(self->core, device, address, PyBytes_AS_STRING(bytes), (size_t)length);
    return finish(self, status, invalid, bytes);
}

static PyObject *device_write(ss_machine_object_t *self, PyObject *args, device_write_t write, bool by_device,
                              const char *invalid) {
    unsigned int number;
    PyObject *object, *data;
    uint64_t address;
    if (!PyArg_ParseTuple(args, "IOO", &number, &object, &data) || ss_physical(object, "address", &address) < 0) {
        return NULL;
    }
    PyObject *bytes = ss_bytes_of(data);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    ss_here(self);
    uint32_t device = by_device ? storsim_adapter_device(self->core, number) : number;
    storsim_status_t status =
        write(self->core, device, address, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    PyObject *result = finish(self, status, invalid, Py_NewRef(Py_None));
    Py_DECREF(bytes);
    return result;
}

static const char no_dma[] = "the adapter was removed, or the range wraps round the end of the address space";

PyObject *ss_machine_dma_read(ss_machine_object_t *self, PyObject *args) {
    return device_read(self, args, storsim_adapter_dma_read, false, no_dma);
}

PyObject *ss_machine_dma_write(ss_machine_object_t *self, PyObject *args) {
    return device_write(self, args, storsim_adapter_dma_write, false, no_dma);
}

PyObject *ss_machine_flush(ss_machine_object_t *self, PyObject *args) {
    unsigned int number;
    unsigned long long va, length;
    int to_device;
    if (!PyArg_ParseTuple(args, "IKKp", &number, &va, &length, &to_device) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_adapter_flush(self->core, number, va, length, to_device != 0);
    return finish(self, status, "the range to flush is not inside one live allocation", Py_NewRef(Py_None));
}

PyObject *ss_machine_dump_marks(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    storsim_dump_mark_t mark;
    PyObject *list = PyList_New(0);
    if (list == NULL || adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    for (uint32_t i = 0; list != NULL && storsim_adapter_dump_mark(self->core, number, i, &mark); i++) {
        PyObject *item = Py_BuildValue("(KKO)", (unsigned long long)mark.address, (unsigned long long)mark.length,
                                       mark.physical ? Py_True : Py_False);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    ss_leave(self);
    return list;
}

/* --- NVMe -------------------------------------------------------------------------------------------------------- */

static const char no_controller[] = "no NVMe controller behind this adapter, or a value outside its range";

PyObject *ss_machine_nvme_attach(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, hmpre, hmmin, hmminds, hmmaxd, shift;
    if (!PyArg_ParseTuple(args, "IIIIII", &number, &hmpre, &hmmin, &hmminds, &hmmaxd, &shift) || ss_enter(self) < 0) {
        return NULL;
    }
    const storsim_nvme_identify_t identify = {
        .hmpre = hmpre, .hmmin = hmmin, .hmminds = hmminds, .hmmaxd = (uint16_t)hmmaxd, .memory_page_shift = shift};
    storsim_status_t status = storsim_nvme_attach(self->core, storsim_adapter_device(self->core, number), &identify);
    return finish(
        self, status,
        "a controller sits behind this adapter already, or HMPRE is below HMMIN, or the page size is none of NVMe's",
        Py_NewRef(Py_None));
}

PyObject *ss_machine_nvme_set_features(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, fid, cdw[5];
    uint32_t completion = 0;
    if (!PyArg_ParseTuple(args, "IIIIIII", &number, &fid, &cdw[0], &cdw[1], &cdw[2], &cdw[3], &cdw[4]) ||
        ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    const uint32_t words[5] = {cdw[0], cdw[1], cdw[2], cdw[3], cdw[4]};
    storsim_status_t status = storsim_nvme_set_features(self->core, storsim_adapter_device(self->core, number),
                                                        (uint8_t)fid, words, &completion);
    return finish(self, status, no_controller, PyLong_FromUnsignedLong(completion));
}

PyObject *ss_machine_nvme_get_features(ss_machine_object_t *self, PyObject *args) {
    unsigned int number, fid;
    uint32_t completion = 0;
    storsim_nvme_features_t features = {0};
    if (!PyArg_ParseTuple(args, "II", &number, &fid) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_nvme_get_features(self->core, storsim_adapter_device(self->core, number),
                                                        (uint8_t)fid, &features, &completion);
    PyObject *result = Py_BuildValue("(IIKIO)", completion, features.hsize, (unsigned long long)features.list,
                                     features.entries, features.enabled ? Py_True : Py_False);
    return finish(self, status, no_controller, result);
}

PyObject *ss_machine_nvme_reset(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    if (adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_nvme_reset(self->core, storsim_adapter_device(self->core, number));
    return finish(self, status, no_controller, Py_NewRef(Py_None));
}

PyObject *ss_machine_nvme_enabled(ss_machine_object_t *self, PyObject *object) {
    uint32_t number;
    if (adapter_number(object, &number) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    bool enabled = storsim_nvme_enabled(self->core, storsim_adapter_device(self->core, number));
    ss_leave(self);
    return PyBool_FromLong(enabled);
}

static const char no_buffer[] = "the host memory buffer is not enabled, or the bytes lie beyond its end";

PyObject *ss_machine_nvme_hmb_read(ss_machine_object_t *self, PyObject *args) {
    return device_read(self, args, storsim_nvme_hmb_read, true, no_buffer);
}

PyObject *ss_machine_nvme_hmb_write(ss_machine_object_t *self, PyObject *args) {
    return device_write(self, args, storsim_nvme_hmb_write, true, no_buffer);
}
