/* python/outcome.c: what a core call's status becomes in Python.
 *
 * status.h names the exception class of each status; here it is looked up and filled with data. Texts are built when
 * they are read: an exception carries the record of the finding, the record carries the core's sentence and the
 * call-site table. */
#include "binding.h"

#include <string.h>

/* --- records ----------------------------------------------------------------------------------------------------- */

static PyObject *finding_text(const storsim_machine_t *core, const storsim_finding_t *finding) {
    char small[1024];
    size_t length = storsim_finding_text(core, finding, small, sizeof small);
    if (length < sizeof small) {
        return PyUnicode_DecodeUTF8(small, (Py_ssize_t)length, "replace");
    }
    char *large = PyMem_Malloc(length + 1);
    if (large == NULL) {
        return PyErr_NoMemory();
    }
    storsim_finding_text(core, finding, large, length + 1);
    PyObject *text = PyUnicode_DecodeUTF8(large, (Py_ssize_t)length, "replace");
    PyMem_Free(large);
    return text;
}

/* ((name, value), …): arguments as passed, named by the row. */
static PyObject *arguments_of(const storsim_finding_t *finding) {
    const storsim_routine_t *row = storsim_ddi_routine(finding->routine);
    Py_ssize_t count = finding->arg_count < STORSIM_FINDING_ARGS ? finding->arg_count : STORSIM_FINDING_ARGS;
    PyObject *pairs = PyTuple_New(count);
    for (Py_ssize_t i = 0; pairs != NULL && i < count; i++) {
        const char *name = row && i < row->param_count ? row->params[i].name : "?";
        PyObject *pair = Py_BuildValue("(sK)", name, (unsigned long long)finding->args[i]);
        if (pair == NULL) {
            Py_CLEAR(pairs);
        } else {
            PyTuple_SET_ITEM(pairs, i, pair);
        }
    }
    return pairs;
}

static const char *context_of(uint8_t context) {
    return context != STORSIM_CONTEXT_NONE && context < STORSIM_CONTEXT_COUNT
               ? storsim_context_name((storsim_context_t)context)
               : NULL;
}

static const char *owner_of(ss_machine_object_t *machine, uint32_t owner) {
    const storsim_adapter_config_t *config = owner ? storsim_adapter_get_config(machine->core, owner) : NULL;
    return config ? config->name : NULL;
}

PyObject *ss_finding_record(ss_machine_object_t *machine, const storsim_finding_t *finding) {
    static const char *const kinds[] = {"note", "violation", "bugcheck"};
    PyObject *type = ss_lazy(&machine->state->Finding, "storsim.records", "Finding");
    if (type == NULL) {
        return NULL;
    }
    const storsim_routine_t *row = storsim_ddi_routine(finding->routine);
    typedef unsigned long long u64;
    return PyObject_CallFunction(
        type, "IssssszIIKzIzNK(KKKK)KKKIIINOsz", finding->id,
        kinds[finding->kind <= STORSIM_BUG_CHECK ? finding->kind : 0], finding->name, finding->rule, finding->fix,
        finding->source, row ? row->name : NULL, (unsigned int)finding->irql, finding->cpu, (u64)finding->time,
        owner_of(machine, finding->owner), finding->owner, context_of(finding->context), arguments_of(finding),
        (u64)finding->code, (u64)finding->parameters[0], (u64)finding->parameters[1], (u64)finding->parameters[2],
        (u64)finding->parameters[3], (u64)finding->expected, (u64)finding->got, (u64)finding->address, finding->site,
        finding->allocated_at, finding->freed_at, finding_text(machine->core, finding), machine->sites,
        finding->kind == STORSIM_BUG_CHECK ? storsim_bugcheck_name(finding->code) : "",
        finding->allocated_known ? context_of(finding->allocated_context) : NULL);
}

/* --- exceptions -------------------------------------------------------------------------------------------------- */

static int raise_object(PyObject *exception) {
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return -1;
}

static PyObject *error_class(const char *name) {
    PyObject *type = NULL;
    return ss_lazy(&type, "storsim.errors", name);
}

static int raise_bugcheck(ss_machine_object_t *machine) {
    if (machine->bugcheck == NULL) {
        const storsim_finding_t *finding = storsim_stopped(machine->core);
        PyObject *record = finding ? ss_finding_record(machine, finding) : Py_NewRef(Py_None);
        PyObject *type = record ? error_class("BugCheck") : NULL; /* no import with an exception set */
        machine->bugcheck = record && type ? PyObject_CallOneArg(type, record) : NULL;
        Py_XDECREF(record);
        Py_XDECREF(type);
    }
    return machine->bugcheck ? raise_object(Py_NewRef(machine->bugcheck)) : -1;
}

static int raise_stopped(ss_machine_object_t *machine) {
    const storsim_finding_t *finding = storsim_stopped(machine->core);
    PyObject *record = finding ? ss_finding_record(machine, finding) : Py_NewRef(Py_None);
    PyObject *type = record ? error_class("MachineStopped") : NULL;
    PyObject *exception = record && type ? PyObject_CallOneArg(type, record) : NULL;
    Py_XDECREF(record);
    Py_XDECREF(type);
    return raise_object(exception);
}

/* The violation that raised is the last one recorded. */
static int raise_violation(ss_machine_object_t *machine, PyObject *result) {
    const storsim_finding_t *finding = NULL;
    for (size_t i = storsim_finding_count(machine->core); i > 0 && finding == NULL; i--) {
        const storsim_finding_t *candidate = storsim_finding_get(machine->core, i - 1);
        finding = candidate && candidate->kind == STORSIM_RULE_VIOLATION ? candidate : NULL;
    }
    PyObject *record = finding ? ss_finding_record(machine, finding) : Py_NewRef(Py_None);
    PyObject *type = record ? error_class("Violation") : NULL;
    PyObject *exception =
        record && type ? PyObject_CallFunctionObjArgs(type, record, result ? result : Py_None, NULL) : NULL;
    Py_XDECREF(record);
    Py_XDECREF(type);
    return raise_object(exception);
}

static int raise_pending(ss_machine_object_t *machine) {
    if (machine->pending == NULL && ss_journal_complains(machine->journal)) {
        return -1;
    }
    if (machine->pending == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a callback of the machine failed without saying why");
        return -1;
    }
    PyObject *exception = machine->pending;
    machine->pending = NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception); /* its traceback is the object's own */
    Py_DECREF(exception);
    return -1;
}

int ss_raise_status(ss_machine_object_t *machine, storsim_status_t status, PyObject *result) {
    switch (status) {
    case STORSIM_NO_MEMORY:
        PyErr_NoMemory();
        return -1;
    case STORSIM_BUGCHECK:
        return raise_bugcheck(machine);
    case STORSIM_STOPPED:
        return raise_stopped(machine);
    case STORSIM_VIOLATION:
        return raise_violation(machine, result);
    case STORSIM_CALLBACK:
        return raise_pending(machine);
    default:
        break;
    }
    PyObject *name = PyUnicode_FromString(storsim_status_exception(status));
    PyObject *type = name ? ss_dict_get(PyEval_GetBuiltins(), name) : NULL; /* the builtins are borrowed */
    if (type != NULL || !PyErr_Occurred()) {
        PyErr_SetString(type ? type : PyExc_RuntimeError, storsim_status_text(status));
    }
    Py_XDECREF(name);
    Py_XDECREF(type);
    return -1;
}

/* --- warnings ---------------------------------------------------------------------------------------------------- */

/* Each rule is announced once per site. */
static int first_time(ss_machine_object_t *machine, const storsim_finding_t *finding) {
    PyObject *key = Py_BuildValue("(sI)", finding->name, finding->site);
    int known = key ? PySet_Contains(machine->warned, key) : -1;
    if (known == 0 && PySet_Add(machine->warned, key) < 0) {
        known = -1;
    }
    Py_XDECREF(key);
    return known < 0 ? -1 : !known;
}

/* New violations as a list of (site, record), or NULL with an exception; *list NULL when there is none to announce. */
static int collect(ss_machine_object_t *machine, PyObject **list) {
    size_t count = storsim_finding_count(machine->core);
    size_t from = machine->seen < count ? machine->seen : count;
    machine->seen = count;
    *list = NULL;
    for (size_t i = from; machine->warns && i < count; i++) {
        const storsim_finding_t *finding = storsim_finding_get(machine->core, i);
        int first = finding && finding->kind == STORSIM_RULE_VIOLATION ? first_time(machine, finding) : 0;
        PyObject *record = first > 0 ? ss_finding_record(machine, finding) : NULL;
        PyObject *pair = record ? Py_BuildValue("(IN)", finding->site, record) : NULL;
        if (first > 0 && pair && *list == NULL) {
            *list = PyList_New(0);
        }
        if (first < 0 || (first > 0 && (!pair || !*list || PyList_Append(*list, pair) < 0))) {
            Py_XDECREF(pair);
            Py_CLEAR(*list);
            return -1;
        }
        Py_XDECREF(pair);
    }
    return 0;
}

static int announce(PyObject *sites, PyObject *list) {
    PyObject *category = error_class("ViolationWarning");
    int result = category ? 0 : -1;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = PyList_GET_ITEM(list, i);
        PyObject *message = PyObject_CallOneArg(category, PyTuple_GET_ITEM(pair, 1));
        unsigned long site = PyLong_AsUnsignedLong(PyTuple_GET_ITEM(pair, 0));
        bool known = site != (unsigned long)-1 || !PyErr_Occurred();
        result = message && known ? ss_sites_warn(sites, (uint32_t)site, category, message) : -1;
        Py_XDECREF(message);
    }
    Py_XDECREF(category);
    return result;
}

int ss_finish(ss_machine_object_t *machine, storsim_status_t status, PyObject *result) {
    if (status == STORSIM_OK && storsim_finding_count(machine->core) == machine->seen) {
        ss_leave(machine);
        return 0;
    }
    PyObject *warnings = NULL;
    int failed = PyErr_Occurred() != NULL ? -1 : 0; /* the result could not be made: told before what the call came to */
    if (failed == 0 && status != STORSIM_OK && status != STORSIM_NO_MEMORY) {
        failed = ss_raise_status(machine, status, result);
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback); /* an exception of the call comes before one of a warning filter */
    int noted = collect(machine, &warnings);
    PyObject *sites = Py_NewRef(machine->sites);
    ss_leave(machine);
    if (warnings != NULL) {
        noted = announce(sites, warnings);
    }
    Py_DECREF(sites);
    Py_XDECREF(warnings);
    if (failed < 0) {
        PyErr_Clear();
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    if (status == STORSIM_NO_MEMORY) {
        PyErr_Clear();
        PyErr_NoMemory();
        return -1;
    }
    return noted;
}
