/* python/callback.c: tokens, and the way from the core into Python.
 *
 * The core keeps 64-bit tokens; the machine's dictionary says which object each stands for. Tokens count up and are
 * part of what a snapshot restores (the number, not the objects), so that a run continued from a snapshot numbers them
 * like one that never left. A token that only a one-shot callback uses is dropped after it ran, unless a snapshot could
 * bring it back.
 *
 * The first exception of a callback, KeyboardInterrupt included, is kept; the core unwinds; the outer call raises it
 * (outcome.c). */
#include "binding.h"

#include <string.h>

uint64_t ss_token_new(ss_machine_object_t *machine, PyObject *object) {
    PyObject *key = PyLong_FromUnsignedLongLong(machine->next_token + 1);
    int failed = key == NULL || PyDict_SetItem(machine->tokens, key, object) < 0;
    Py_XDECREF(key);
    return failed ? 0 : ++machine->next_token;
}

void ss_tokens_changed(ss_machine_object_t *machine) {
    memset(machine->recent, 0, sizeof machine->recent);
}

PyObject *ss_token_object(ss_machine_object_t *machine, uint64_t token) {
    size_t place = token % (sizeof machine->recent / sizeof machine->recent[0]);
    if (token == 0) {
        Py_RETURN_NONE;
    }
    if (machine->recent[place].token == token) {
        return Py_NewRef(machine->recent[place].object);
    }
    PyObject *key = PyLong_FromUnsignedLongLong(token);
    PyObject *object = key ? PyDict_GetItemWithError(machine->tokens, key) : NULL;
    Py_XDECREF(key);
    if (object == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the machine refers to a callback or context that this machine object does not hold: it was "
                        "registered in another process, or after the snapshot that was restored; register it again");
    }
    if (object != NULL) {
        machine->recent[place].token = token;
        machine->recent[place].object = object;
    }
    return Py_XNewRef(object);
}

void ss_token_release(ss_machine_object_t *machine, uint64_t token) {
    if (token == 0 || token <= machine->kept_token) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *key = PyLong_FromUnsignedLongLong(token);
    ss_tokens_changed(machine);
    if (key == NULL || PyDict_DelItem(machine->tokens, key) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(key);
    PyErr_Restore(type, value, traceback);
}

uint64_t ss_token_find(ss_machine_object_t *machine, PyObject *object) {
    PyObject *key = NULL, *value = NULL;
    Py_ssize_t position = 0;
    while (PyDict_Next(machine->tokens, &position, &key, &value)) {
        /* Bound methods are made anew at each look-up: equal is the same. Everything else is itself only. */
        bool same =
            value == object ||
            (PyMethod_Check(value) && PyMethod_Check(object) && PyMethod_GET_SELF(value) == PyMethod_GET_SELF(object) &&
             PyMethod_GET_FUNCTION(value) == PyMethod_GET_FUNCTION(object)) ||
            (PyCFunction_Check(value) && PyCFunction_Check(object) &&
             PyCFunction_GET_SELF(value) == PyCFunction_GET_SELF(object) &&
             PyCFunction_GET_FUNCTION(value) == PyCFunction_GET_FUNCTION(object)) ||
            (PyLong_CheckExact(value) && PyLong_CheckExact(object) &&
             PyObject_RichCompareBool(value, object, Py_EQ) == 1);
        if (same) {
            return PyLong_AsUnsignedLongLong(key);
        }
    }
    return 0;
}

/* --- callbacks --------------------------------------------------------------------------------------------------- */

/* What the callable receives, one letter per argument, and what its result means.
 *   v number   t object behind a token   s scatter/gather list   r name of a DDI routine   b the bytes at data
 *   w a bytearray of as many bytes, taken back afterwards: it may be kept   x element of a finished codec transfer
 *   y codec response
 * result: n nothing, u number, t truth */
typedef struct callback_form {
    const char *arguments;
    size_t count;
    char result;
    bool one_shot;
} callback_form_t;
#define MOST_ARGUMENTS 4
#define FORM(letters, result, one_shot) {letters, sizeof(letters) - 1, result, one_shot}

static const callback_form_t forms[] = {
    [STORSIM_CB_SG_EXECUTE] = FORM("vvst", 'n', true),
    [STORSIM_CB_HDA_BDL_ISR] = FORM("tv", 'n', false),
    [STORSIM_CB_HDA_NOTIFICATION] = FORM("tv", 'n', false),
    [STORSIM_CB_HDA_TRANSFER] = FORM("xt", 'n', true),
    [STORSIM_CB_HDA_UNSOLICITED] = FORM("yt", 'n', false),
    [STORSIM_CB_HMB_POLICY] = FORM("vvv", 'u', false),
    [STORSIM_CB_FAULT_PREDICATE] = FORM("rvvv", 't', false),
    [STORSIM_CB_INTERRUPT] = FORM("vt", 't', false),
    [STORSIM_CB_DPC] = FORM("t", 'n', true),
    [STORSIM_CB_CODEC_SINK] = FORM("vvb", 'n', false),
    [STORSIM_CB_CODEC_SOURCE] = FORM("vvw", 'u', false),
    [STORSIM_CB_CODEC_VERB] = FORM("v", 'u', false),
};

static const callback_form_t *form_of(storsim_callback_kind_t kind) {
    size_t index = (size_t)kind;
    return index < sizeof forms / sizeof forms[0] && forms[index].arguments ? &forms[index] : NULL;
}

static PyObject *argument_of(ss_machine_object_t *machine, const storsim_callback_t *callback, char letter,
                             uint64_t value) {
    switch (letter) {
    case 't':
        return ss_token_object(machine, value);
    case 's':
        return ss_pointer_new(machine->state->ScatterGatherList, machine, value);
    case 'r': {
        const storsim_routine_t *row = storsim_ddi_routine((uint16_t)value);
        return row ? PyUnicode_FromString(row->name) : Py_NewRef(Py_None);
    }
    case 'b':
        return PyBytes_FromStringAndSize(callback->data, (Py_ssize_t)callback->data_bytes);
    case 'w':
        return PyByteArray_FromStringAndSize(callback->data, (Py_ssize_t)callback->data_bytes);
    case 'x':
        return ss_transfer_done(machine, callback);
    case 'y': {
        PyObject *type = ss_lazy(&machine->state->CodecResponse, "storsim.hdaudio", "HDAUDIO_CODEC_RESPONSE");
        PyObject *number = type ? PyLong_FromUnsignedLongLong(value) : NULL;
        PyObject *response = number ? PyObject_CallOneArg(type, number) : NULL;
        Py_XDECREF(number);
        return response;
    }
    default:
        return PyLong_FromUnsignedLongLong(value);
    }
}

static int take_result(storsim_callback_t *callback, char kind, PyObject *result) {
    if (kind == 'n') {
        return 0;
    }
    if (kind == 't') {
        int truth = PyObject_IsTrue(result);
        callback->result = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    return ss_number(result, UINT64_MAX, "what the callback returns", "number", &callback->result);
}

/* What the callable put into its bytearray, which it may have kept or given another length. */
static void take_bytes(storsim_callback_t *callback, PyObject *array) {
    size_t count;
    Py_BEGIN_CRITICAL_SECTION(array);
    count = (size_t)PyByteArray_GET_SIZE(array);
    count = count < callback->data_bytes ? count : callback->data_bytes;
    memcpy(callback->data, PyByteArray_AS_STRING(array), count);
    Py_END_CRITICAL_SECTION();
    callback->result = callback->result < count ? callback->result : count;
}

static int run(ss_machine_object_t *machine, storsim_callback_t *callback, const callback_form_t *form) {
    PyObject *space[MOST_ARGUMENTS + 1], **arguments = space + 1, *result = NULL; /* a method's self fits before them */
    PyObject *callable = ss_token_object(machine, callback->routine);
    size_t made = 0;
    while (callable != NULL && made < form->count) {
        arguments[made] = argument_of(machine, callback, form->arguments[made], callback->values[made]);
        if (arguments[made] == NULL) {
            break;
        }
        made++;
    }
    if (callable != NULL && made == form->count) {
        result = PyObject_Vectorcall(callable, arguments, made | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    int failed = result == NULL || take_result(callback, form->result, result) < 0;
    for (size_t i = 0; i < made; i++) {
        if (!failed && form->arguments[i] == 'w') {
            take_bytes(callback, arguments[i]);
        }
        Py_DECREF(arguments[i]);
    }
    Py_XDECREF(result);
    Py_XDECREF(callable);
    return failed ? -1 : 0;
}

static void keep_exception(ss_machine_object_t *machine) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    if (machine->pending == NULL) {
        machine->pending = Py_XNewRef(value);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

storsim_status_t ss_trampoline(void *host, storsim_callback_t *callback) {
    ss_machine_object_t *machine = host;
    const callback_form_t *form = form_of(callback->kind);
    if (machine->pending != NULL || form == NULL) {
        return STORSIM_CALLBACK;
    }
    /* What nested calls change of the core's "who and where" is put back, so that the rest of the outer call is told
     * rightly. */
    uint32_t site = machine->site, cpu = storsim_cpu(machine->core);
    machine->callback_depth++;
    int failed = run(machine, callback, form);
    machine->callback_depth--;
    if (failed) {
        keep_exception(machine);
    }
    machine->site = site;
    storsim_set_site(machine->core, site);
    if (storsim_cpu(machine->core) != cpu) {
        (void)storsim_set_cpu(machine->core, cpu);
    }
    if (form->one_shot && (callback->kind != STORSIM_CB_HDA_TRANSFER || callback->values[3] != 0)) {
        ss_token_release(machine, callback->routine);
        for (size_t i = 0; form->arguments[i]; i++) {
            if (form->arguments[i] == 't') {
                ss_token_release(machine, callback->values[i]);
            }
        }
    }
    return failed ? STORSIM_CALLBACK : STORSIM_OK;
}
