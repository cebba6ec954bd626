/* python/machine_hda.c: methods of Machine behind storsim.hda: the HD Audio chip and its codecs. Controllers are named
 * by number. */
#include "binding.h"

#include <stddef.h>

#include "storsim/hda.h"

#define FIELD(name, type) {#name, type, offsetof(storsim_hda_config_t, name)}
static const ss_field_t hda_fields[] = {FIELD(capture, SS_U8),         FIELD(render, SS_U8),
                                        FIELD(bidirectional, SS_U8),   FIELD(sdo_lines, SS_U8),
                                        FIELD(sdi_lines, SS_U8),       FIELD(ok64, SS_BOOL),
                                        FIELD(timing, SS_CHOICE),      FIELD(personality, SS_CHOICE),
                                        FIELD(outpay, SS_U16),         FIELD(inpay, SS_U16),
                                        FIELD(outstrmpay, SS_U16),     FIELD(instrmpay, SS_U16),
                                        FIELD(fifo_render, SS_U16),    FIELD(fifo_render_wide, SS_U16),
                                        FIELD(fifo_capture, SS_U16),   FIELD(fifo_capture_wide, SS_U16),
                                        FIELD(corb_sizes, SS_U8),      FIELD(rirb_sizes, SS_U8),
                                        FIELD(crst_latency, SS_U32),   FIELD(srst_latency, SS_U32),
                                        FIELD(stop_latency, SS_U32),   FIELD(codec_frames, SS_U32),
                                        FIELD(bdl_prefetch, SS_BOOL),  FIELD(corb_reset_quirk, SS_BOOL),
                                        FIELD(dma_remapping, SS_BOOL), FIELD(coherent, SS_BOOL),
                                        FIELD(keep_bytes, SS_U64),     {NULL, SS_U8, 0}};

/* Leaves and raises what the status says; INVALID and STALE become ValueError with a sentence of their own. Steals
 * result. */
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

static const char no_controller[] = "there is no such controller: it was removed, or never added";
static const char no_codec[] = "there is no such codec at this address, or a number lies outside its range";

/* --- the chip ---------------------------------------------------------------------------------------------------- */

PyObject *ss_machine_hda_add(ss_machine_object_t *self, PyObject *values) {
    storsim_hda_config_t config;
    uint32_t controller = 0;
    if (!PyDict_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "pass a dict");
        return NULL;
    }
    storsim_hda_config_init(&config);
    if (ss_fields_load(&config, hda_fields, values, "an HD Audio controller") < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_hda_add(self->core, &config, &controller);
    return finish(self, status, "a setting of the controller lies outside its range; see the knobs of add_hda",
                  status == STORSIM_OK ? PyLong_FromUnsignedLong(controller) : NULL);
}

PyObject *ss_machine_hda_remove(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    if (!PyArg_ParseTuple(args, "I", &controller) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_hda_remove(self->core, controller), no_controller, Py_NewRef(Py_None));
}

/* (live, gone, line, device, sdi_lines, level of the line) */
PyObject *ss_machine_hda_state(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    if (!PyArg_ParseTuple(args, "I", &controller) || ss_enter(self) < 0) {
        return NULL;
    }
    const storsim_hda_config_t *config = storsim_hda_get_config(self->core, controller);
    PyObject *result = Py_BuildValue(
        "(NNIIiN)", PyBool_FromLong(storsim_hda_live(self->core, controller)),
        PyBool_FromLong(storsim_hda_gone(self->core, controller)), storsim_hda_line(self->core, controller),
        storsim_hda_device(self->core, controller), config ? (int)config->sdi_lines : 0,
        PyBool_FromLong(storsim_line_level(self->core, storsim_hda_line(self->core, controller))));
    ss_leave(self);
    return result;
}

/* [(name, offset, size, write_mask, clear_mask, reset)] in address order */
PyObject *ss_machine_hda_registers(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    storsim_hda_register_t row;
    PyObject *list = NULL;
    if (!PyArg_ParseTuple(args, "I", &controller) || (list = PyList_New(0)) == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    for (uint32_t i = 0; list != NULL && storsim_hda_register_get(self->core, controller, i, &row); i++) {
        PyObject *item =
            Py_BuildValue("(sIIIII)", row.name, row.offset, row.size, row.write_mask, row.clear_mask, row.reset);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_hda_register_write(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    const char *name;
    PyObject *number;
    uint64_t value;
    if (!PyArg_ParseTuple(args, "IsO", &controller, &name, &number) ||
        ss_number(number, UINT32_MAX, name, "register value", &value) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_hda_register_write(self->core, controller, name, value);
    return finish(self, status, "this controller has no register of that name", Py_NewRef(Py_None));
}

PyObject *ss_machine_hda_set_wall_clock(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    PyObject *number;
    uint64_t value;
    if (!PyArg_ParseTuple(args, "IO", &controller, &number) ||
        ss_number(number, UINT32_MAX, "value", "wall clock", &value) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_hda_set_wall_clock(self->core, controller, (uint32_t)value);
    return finish(self, status, "the wall clock stands while the controller is in reset", Py_NewRef(Py_None));
}

PyObject *ss_machine_hda_stall(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    int stalled;
    if (!PyArg_ParseTuple(args, "Ip", &controller, &stalled) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_hda_stall(self->core, controller, stalled != 0), no_controller, Py_NewRef(Py_None));
}

/* (link_bytes, dma_bytes, fifo_bytes, block_bytes, running, linked) */
PyObject *ss_machine_hda_position(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller;
    PyObject *object;
    uint64_t descriptor;
    storsim_hda_position_t position;
    if (!PyArg_ParseTuple(args, "IO", &controller, &object) ||
        ss_number(object, UINT32_MAX, "descriptor", "stream descriptor", &descriptor) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_hda_position(self->core, controller, (uint32_t)descriptor, &position);
    PyObject *result = status != STORSIM_OK ? NULL
                                            : Py_BuildValue("(KKIINN)", (unsigned long long)position.link_bytes,
                                                            (unsigned long long)position.dma_bytes, position.fifo_bytes,
                                                            position.block_bytes, PyBool_FromLong(position.running),
                                                            PyBool_FromLong(position.linked));
    return finish(self, status, "this controller has no such stream descriptor", result);
}

/* --- codec descriptions ------------------------------------------------------------------------------------------ */

/* A description in plain tuples becomes the core's arrays, all in one allocation each. */
typedef struct description {
    storsim_codec_config_t config;
    storsim_codec_node_t *nodes;
    storsim_codec_parameter_t *parameters;
    uint8_t *connections;
    storsim_codec_verb_t *initial;
} description_t;

static void description_free(description_t *description) {
    PyMem_Free(description->nodes);
    PyMem_Free(description->parameters);
    PyMem_Free(description->connections);
    PyMem_Free(description->initial);
}

static int tuple_sizes(PyObject *nodes, Py_ssize_t *parameters, Py_ssize_t *connections) {
    *parameters = *connections = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(nodes); i++) {
        PyObject *node = PyTuple_GET_ITEM(nodes, i);
        if (!PyTuple_Check(node) || PyTuple_GET_SIZE(node) != 3 || !PyTuple_Check(PyTuple_GET_ITEM(node, 1)) ||
            !PyBytes_Check(PyTuple_GET_ITEM(node, 2))) {
            PyErr_SetString(PyExc_TypeError, "a codec node is (nid, ((parameter, answer), …), connections as bytes)");
            return -1;
        }
        *parameters += PyTuple_GET_SIZE(PyTuple_GET_ITEM(node, 1));
        *connections += PyBytes_GET_SIZE(PyTuple_GET_ITEM(node, 2));
    }
    return 0;
}

static int read_pair(PyObject *pair, uint8_t *id, uint32_t *value, const char *what, uint64_t most) {
    uint64_t first, second;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "%s is a pair of numbers", what);
        return -1;
    }
    if (ss_number(PyTuple_GET_ITEM(pair, 0), 255, what, "node or parameter id", &first) < 0 ||
        ss_number(PyTuple_GET_ITEM(pair, 1), most, what, "value", &second) < 0) {
        return -1;
    }
    *id = (uint8_t)first;
    *value = (uint32_t)second;
    return 0;
}

static int read_nodes(description_t *description, PyObject *nodes) {
    storsim_codec_parameter_t *parameter = description->parameters;
    uint8_t *connection = description->connections;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(nodes); i++) {
        PyObject *node = PyTuple_GET_ITEM(nodes, i), *list = PyTuple_GET_ITEM(node, 1),
                 *bytes = PyTuple_GET_ITEM(node, 2);
        uint64_t nid;
        if (ss_number(PyTuple_GET_ITEM(node, 0), 255, "nid", "node id", &nid) < 0) {
            return -1;
        }
        description->nodes[i] = (storsim_codec_node_t){.nid = (uint8_t)nid,
                                                       .parameters = parameter,
                                                       .parameter_count = (uint32_t)PyTuple_GET_SIZE(list),
                                                       .connections = connection,
                                                       .connection_count = (uint32_t)PyBytes_GET_SIZE(bytes)};
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(list); j++, parameter++) {
            if (read_pair(PyTuple_GET_ITEM(list, j), &parameter->id, &parameter->value, "a codec parameter",
                          UINT32_MAX) < 0) {
                return -1;
            }
        }
        for (Py_ssize_t j = 0; j < PyBytes_GET_SIZE(bytes); j++) {
            *connection++ = (uint8_t)PyBytes_AS_STRING(bytes)[j];
        }
    }
    return 0;
}

static int description_read(description_t *description, PyObject *nodes, PyObject *initial) {
    Py_ssize_t parameters, connections;
    if (tuple_sizes(nodes, &parameters, &connections) < 0) {
        return -1;
    }
    Py_ssize_t node_count = PyTuple_GET_SIZE(nodes), initial_count = PyTuple_GET_SIZE(initial);
    description->nodes = PyMem_Calloc((size_t)node_count + 1, sizeof *description->nodes);
    description->parameters = PyMem_Calloc((size_t)parameters + 1, sizeof *description->parameters);
    description->connections = PyMem_Calloc((size_t)connections + 1, 1);
    description->initial = PyMem_Calloc((size_t)initial_count + 1, sizeof *description->initial);
    if (!description->nodes || !description->parameters || !description->connections || !description->initial) {
        PyErr_NoMemory();
        return -1;
    }
    if (read_nodes(description, nodes) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < initial_count; i++) {
        storsim_codec_verb_t *verb = &description->initial[i];
        if (read_pair(PyTuple_GET_ITEM(initial, i), &verb->nid, &verb->verb, "an initial verb", 0xFFFFF) < 0) {
            return -1;
        }
    }
    description->config.nodes = description->nodes;
    description->config.node_count = (uint32_t)node_count;
    description->config.initial = description->initial;
    description->config.initial_count = (uint32_t)initial_count;
    return 0;
}

/* (controller, address, nodes, initial verbs, response_frames, silent, any_format, verb routine or None) */
PyObject *ss_machine_codec_add(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address, frames;
    int silent, any_format;
    PyObject *nodes, *initial, *routine, *result = NULL;
    description_t description = {.nodes = NULL};
    if (!PyArg_ParseTuple(args, "IIO!O!IppO", &controller, &address, &PyTuple_Type, &nodes, &PyTuple_Type, &initial,
                          &frames, &silent, &any_format, &routine)) {
        return NULL;
    }
    if (description_read(&description, nodes, initial) == 0 && ss_enter(self) == 0) {
        ss_here(self);
        description.config.response_frames = frames;
        description.config.silent = silent != 0;
        description.config.any_format = any_format != 0;
        description.config.host_verb = routine != Py_None ? ss_token_new(self, routine) : 0;
        storsim_status_t status = PyErr_Occurred()
                                      ? STORSIM_NO_MEMORY
                                      : storsim_codec_add(self->core, controller, address, &description.config);
        if (status != STORSIM_OK) {
            ss_token_release(self, description.config.host_verb);
        }
        result =
            finish(self, status,
                   "no codec can be added here: the address is taken or beyond the SDI lines, or nodes are doubled",
                   Py_NewRef(Py_None));
    }
    description_free(&description);
    return result;
}

PyObject *ss_machine_codec_add_ideal(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    if (!PyArg_ParseTuple(args, "II", &controller, &address) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_codec_add_ideal(self->core, controller, address),
                  "no codec can be added here: the address is taken or beyond the SDI lines", Py_NewRef(Py_None));
}

/* --- codecs at work ---------------------------------------------------------------------------------------------- */

PyObject *ss_machine_codec_remove(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    if (!PyArg_ParseTuple(args, "II", &controller, &address) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_codec_remove(self->core, controller, address), no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_present(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    if (!PyArg_ParseTuple(args, "II", &controller, &address) || ss_enter(self) < 0) {
        return NULL;
    }
    bool present = storsim_codec_present(self->core, controller, address);
    ss_leave(self);
    return PyBool_FromLong(present);
}

PyObject *ss_machine_codec_set(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    PyObject *object;
    uint64_t frames;
    int silent;
    if (!PyArg_ParseTuple(args, "IIpO", &controller, &address, &silent, &object) ||
        ss_number(object, UINT32_MAX, "response_frames", "number of frames", &frames) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    return finish(self, storsim_codec_set(self->core, controller, address, silent != 0, (uint32_t)frames), no_codec,
                  Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_command(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    PyObject *object;
    uint64_t command;
    uint32_t response = 0;
    if (!PyArg_ParseTuple(args, "IIO", &controller, &address, &object) ||
        ss_number(object, UINT32_MAX, "command", "HDAUDIO_CODEC_COMMAND", &command) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_codec_command(self->core, controller, address, (uint32_t)command, &response);
    return finish(self, status, no_codec, status == STORSIM_OK ? PyLong_FromUnsignedLong(response) : NULL);
}

PyObject *ss_machine_codec_takes(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char nid;
    PyObject *object;
    uint64_t format;
    bool takes = false;
    if (!PyArg_ParseTuple(args, "IIbO", &controller, &address, &nid, &object) ||
        ss_number(object, UINT16_MAX, "converter_format", "HDAUDIO_CONVERTER_FORMAT", &format) < 0 ||
        ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_codec_takes(self->core, controller, address, nid, (uint16_t)format, &takes);
    return finish(self, status, "there is no such converter", status == STORSIM_OK ? PyBool_FromLong(takes) : NULL);
}

PyObject *ss_machine_codec_wake(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    if (!PyArg_ParseTuple(args, "II", &controller, &address) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_codec_wake(self->core, controller, address), no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_unsolicited(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    PyObject *tag_object, *payload_object;
    uint64_t tag, payload;
    if (!PyArg_ParseTuple(args, "IIOO", &controller, &address, &tag_object, &payload_object) ||
        ss_number(tag_object, 63, "tag", "unsolicited tag", &tag) < 0 ||
        ss_number(payload_object, 0x3FFFFFF, "payload", "unsolicited payload", &payload) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    storsim_status_t status =
        storsim_codec_unsolicited(self->core, controller, address, (uint8_t)tag, (uint32_t)payload);
    return finish(self, status, no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_jack(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char nid;
    int present;
    if (!PyArg_ParseTuple(args, "IIbp", &controller, &address, &nid, &present) || ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    return finish(self, storsim_codec_jack(self->core, controller, address, nid, present != 0), "there is no such pin",
                  Py_NewRef(Py_None));
}

/* --- sound ------------------------------------------------------------------------------------------------------- */

/* (bytes, dropped) */
PyObject *ss_machine_codec_played(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char tag;
    uint64_t count = 0, dropped = 0;
    if (!PyArg_ParseTuple(args, "IIb", &controller, &address, &tag) || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_codec_played(self->core, controller, address, tag, NULL, &count, &dropped);
    PyObject *bytes =
        status == STORSIM_OK && count <= PY_SSIZE_T_MAX ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count) : NULL;
    if (bytes != NULL) {
        status = storsim_codec_played(self->core, controller, address, tag, PyBytes_AS_STRING(bytes), &count, &dropped);
    }
    PyObject *result = bytes != NULL ? Py_BuildValue("(NK)", bytes, (unsigned long long)dropped) : NULL;
    return finish(self, status, no_codec, result);
}

PyObject *ss_machine_codec_played_clear(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char tag;
    if (!PyArg_ParseTuple(args, "IIb", &controller, &address, &tag) || ss_enter(self) < 0) {
        return NULL;
    }
    return finish(self, storsim_codec_played_clear(self->core, controller, address, tag), no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_keep(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char tag;
    PyObject *object;
    uint64_t limit;
    if (!PyArg_ParseTuple(args, "IIbO", &controller, &address, &tag, &object) ||
        ss_number(object, UINT64_MAX, "limit", "number of bytes", &limit) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    return finish(self, storsim_codec_keep(self->core, controller, address, tag, limit), no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_feed(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char tag;
    PyObject *data;
    if (!PyArg_ParseTuple(args, "IIbO", &controller, &address, &tag, &data)) {
        return NULL;
    }
    PyObject *bytes = ss_bytes_of(data);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    ss_here(self);
    storsim_status_t status = storsim_codec_feed(self->core, controller, address, tag, PyBytes_AS_STRING(bytes),
                                                 (uint64_t)PyBytes_GET_SIZE(bytes));
    PyObject *result = finish(self, status, no_codec, Py_NewRef(Py_None));
    Py_DECREF(bytes);
    return result;
}

PyObject *ss_machine_codec_feed_pending(ss_machine_object_t *self, PyObject *args) {
    unsigned int controller, address;
    unsigned char tag;
    uint64_t bytes = 0;
    if (!PyArg_ParseTuple(args, "IIb", &controller, &address, &tag) || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_codec_feed_pending(self->core, controller, address, tag, &bytes);
    return finish(self, status, no_codec, status == STORSIM_OK ? PyLong_FromUnsignedLongLong(bytes) : NULL);
}

typedef storsim_status_t (*attach_t)(storsim_machine_t *core, uint32_t controller, uint32_t address, uint8_t tag,
                                     uint64_t routine, uint64_t context);

/* A callable on a tag, or None to end it. */
static PyObject *attach(ss_machine_object_t *self, PyObject *args, attach_t function) {
    unsigned int controller, address;
    unsigned char tag;
    PyObject *routine;
    if (!PyArg_ParseTuple(args, "IIbO", &controller, &address, &tag, &routine)) {
        return NULL;
    }
    if (routine != Py_None && !PyCallable_Check(routine)) {
        PyErr_Format(PyExc_TypeError, "expected a callable or None, not %.100s", Py_TYPE(routine)->tp_name);
        return NULL;
    }
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    uint64_t token = routine != Py_None ? ss_token_new(self, routine) : 0;
    storsim_status_t status =
        PyErr_Occurred() ? STORSIM_NO_MEMORY : function(self->core, controller, address, tag, token, 0);
    if (status != STORSIM_OK) {
        ss_token_release(self, token);
    }
    return finish(self, status, no_codec, Py_NewRef(Py_None));
}

PyObject *ss_machine_codec_record(ss_machine_object_t *self, PyObject *args) {
    return attach(self, args, storsim_codec_record);
}

PyObject *ss_machine_codec_source(ss_machine_object_t *self, PyObject *args) {
    return attach(self, args, storsim_codec_source);
}
