/* python/plan.c: how each row of the DDI table is called from Python, worked out once per module. See the reading rules
 * in ddi.h. */
#include "binding.h"

#include <string.h>
#include <structseq.h>

static bool positional(const storsim_param_t *param) {
    return (param->flags & STORSIM_P_IN) && !(param->flags & STORSIM_P_HIDDEN);
}

static bool comes_back(const storsim_param_t *param) {
    return (param->flags & STORSIM_P_OUT) && !(param->flags & (STORSIM_P_LENGTH | STORSIM_P_IN_PLACE));
}

static bool is_array(storsim_type_t type) {
    return type == STORSIM_T_RANGES || type == STORSIM_T_HANDLES || type == STORSIM_T_GROUP_AFFINITY ||
           type == STORSIM_T_TRANSFERS;
}

static int make(ss_plan_t *plan, const storsim_routine_t *row) {
    plan->row = row;
    plan->length = plan->array = -1;
    plan->has_extension = row->param_count > 0 && row->params[0].type == STORSIM_T_DEVEXT;
    for (uint8_t i = 0; i < row->param_count; i++) {
        const storsim_param_t *param = &row->params[i];
        plan->names[i] = PyUnicode_InternFromString(param->name);
        if (plan->names[i] == NULL) {
            return -1;
        }
        if (positional(param)) {
            plan->slots[plan->slot_count++] = i;
            if (!(param->flags & STORSIM_P_OPTIONAL)) {
                plan->required =
                    plan->slot_count; /* an optional one before the last required one has to be given too */
            }
        }
        if (comes_back(param)) {
            plan->outs[plan->out_count++] = i;
        }
        if (param->flags & STORSIM_P_LENGTH) {
            plan->length = i;
        }
        if (is_array(param->type)) {
            plan->array = i;
        }
    }
    plan->registers = strncmp(row->name, "Register", 8) == 0 || strncmp(row->name, "Unregister", 10) == 0 ||
                      strcmp(row->name, "SetupDmaEngineWithBdl") == 0;
    for (uint8_t i = 0; i < plan->required; i++) {
        plan->missing |= UINT32_C(1) << plan->slots[i];
    }
    return 0;
}

int ss_plans_make(ss_state_t *state) {
    size_t count = 0;
    const storsim_routine_t *rows = storsim_ddi_table(&count);
    state->plans = PyMem_Calloc(count ? count : 1, sizeof *state->plans);
    if (state->plans == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    state->plan_count = count;
    for (size_t i = 0; i < count; i++) {
        if (make(&state->plans[i], &rows[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

void ss_plans_free(ss_state_t *state) {
    for (size_t i = 0; state->plans && i < state->plan_count; i++) {
        for (int j = 0; j < STORSIM_MAX_PARAMS; j++) {
            Py_CLEAR(state->plans[i].names[j]);
        }
        Py_CLEAR(state->plans[i].result);
    }
    PyMem_Free(state->plans);
    state->plans = NULL;
    state->plan_count = 0;
}

int ss_plans_traverse(ss_state_t *state, visitproc visit, void *arg) {
    for (size_t i = 0; i < state->plan_count; i++) {
        Py_VISIT(state->plans[i].result);
    }
    return 0;
}

/* --- result types ------------------------------------------------------------------------------------------------ */

static const char *module_of(const storsim_routine_t *row) {
    return row->family == STORSIM_F_STORPORT ? "storsim.storport" : "storsim.hdaudio";
}

/* What named tuples have and struct sequences lack. */
static int add_fields(PyTypeObject *type, const PyStructSequence_Field *fields, int count) {
    PyObject *names = PyTuple_New(count);
    for (int i = 0; names != NULL && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(fields[i].name);
        if (name == NULL) {
            Py_CLEAR(names);
        } else {
            PyTuple_SET_ITEM(names, i, name);
        }
    }
    int result = names ? PyObject_SetAttrString((PyObject *)type, "_fields", names) : -1;
    Py_XDECREF(names);
    return result;
}

PyTypeObject *ss_plan_result(ss_plan_t *plan) {
    PyObject *known = SS_LOAD(plan->result);
    if (known != NULL) {
        return (PyTypeObject *)known;
    }
    const storsim_routine_t *row = plan->row;
    PyStructSequence_Field fields[STORSIM_MAX_PARAMS + 2] = {{NULL, NULL}};
    int count = 0;
    if (row->returns != STORSIM_R_VOID) {
        fields[count++] =
            (PyStructSequence_Field){row->return_name, row->returns == STORSIM_R_STATUS ? "status of the call" : NULL};
    }
    for (uint8_t i = 0; i < plan->out_count; i++) {
        fields[count++] = (PyStructSequence_Field){row->params[plan->outs[i]].name, NULL};
    }
    char name[160];
    PyOS_snprintf(name, sizeof name, "%s.%sResult", module_of(row), row->name);
    PyStructSequence_Desc desc = {.name = name, .doc = row->summary, .fields = fields, .n_in_sequence = count};
    PyTypeObject *type = PyStructSequence_NewType(&desc);
    if (type != NULL && add_fields(type, fields, count) < 0) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)ss_publish(&plan->result, (PyObject *)type);
}

/* --- documentation ----------------------------------------------------------------------------------------------- */

const char *ss_type_name(storsim_type_t type) {
    static const char *const names[] = {
        [STORSIM_T_DEVEXT] = "PVOID",
        [STORSIM_T_UCHAR] = "UCHAR",
        [STORSIM_T_BOOLEAN] = "BOOLEAN",
        [STORSIM_T_USHORT] = "USHORT",
        [STORSIM_T_ULONG] = "ULONG",
        [STORSIM_T_TAG] = "ULONG",
        [STORSIM_T_ENUM] = "enumeration",
        [STORSIM_T_SIZE_T] = "SIZE_T",
        [STORSIM_T_ULONGLONG] = "ULONGLONG",
        [STORSIM_T_ULONG_PTR] = "ULONG_PTR",
        [STORSIM_T_PHYSICAL] = "PHYSICAL_ADDRESS",
        [STORSIM_T_PVOID] = "PVOID",
        [STORSIM_T_PMDL] = "PMDL",
        [STORSIM_T_PSRB] = "PSCSI_REQUEST_BLOCK",
        [STORSIM_T_PSGLIST] = "PSTOR_SCATTER_GATHER_LIST",
        [STORSIM_T_PCONFIG] = "PPORT_CONFIGURATION_INFORMATION",
        [STORSIM_T_ROUTINE] = "callable",
        [STORSIM_T_CONTEXT] = "any object",
        [STORSIM_T_HANDLE] = "HANDLE",
        [STORSIM_T_RANGES] = "ACCESS_RANGE[]",
        [STORSIM_T_HANDLES] = "HANDLE[]",
        [STORSIM_T_GROUP_AFFINITY] = "GROUP_AFFINITY",
        [STORSIM_T_STREAM_FORMAT] = "HDAUDIO_STREAM_FORMAT",
        [STORSIM_T_TRANSFERS] = "HDAUDIO_CODEC_TRANSFER[]",
        [STORSIM_T_DEVICE_INFO] = "HDAUDIO_DEVICE_INFORMATION",
        [STORSIM_T_KEVENT] = "PKEVENT",
        [STORSIM_T_REGISTER] = "PULONG",
        [STORSIM_T_PBDL] = "PHDAUDIO_BUFFER_DESCRIPTOR",
    };
    size_t index = (size_t)type;
    return index < sizeof names / sizeof names[0] && names[index] ? names[index] : "number";
}

/* "(HwDeviceExtension, NumberOfBytes, Tag, *, BufferPointer=0)": positional parameters, then what out-parameters held
 * before. */
PyObject *ss_plan_signature(const ss_plan_t *plan) {
    PyObject *text = PyUnicode_FromString("(");
    bool first = true;
    for (uint8_t i = 0; text != NULL && i < plan->slot_count; i++) {
        const char *tail = i < plan->required ? "" : plan->slots[i] == plan->length ? "=None" : "=0";
        PyUnicode_AppendAndDel(&text,
                               PyUnicode_FromFormat("%s%U%s", first ? "" : ", ", plan->names[plan->slots[i]], tail));
        first = false;
    }
    bool star = false;
    for (uint8_t i = 0; text != NULL && i < plan->out_count; i++) {
        if (positional(&plan->row->params[plan->outs[i]])) {
            continue;
        }
        PyUnicode_AppendAndDel(&text, PyUnicode_FromFormat("%s%U=0",
                                                           star    ? ", "
                                                           : first ? "*, "
                                                                   : ", *, ",
                                                           plan->names[plan->outs[i]]));
        star = true;
        first = false;
    }
    PyUnicode_AppendAndDel(&text, PyUnicode_FromString(")"));
    return text;
}

static void append_param(PyObject **text, const ss_plan_t *plan, uint8_t index) {
    const storsim_param_t *param = &plan->row->params[index];
    const char *direction = param->flags & STORSIM_P_IN_PLACE                     ? "in, out"
                            : (param->flags & STORSIM_P_INOUT) == STORSIM_P_INOUT ? "in, out"
                            : param->flags & STORSIM_P_OUT                        ? "out"
                                                                                  : "in";
    PyUnicode_AppendAndDel(text,
                           PyUnicode_FromFormat("    %s: %s (%s%s)\n", param->name, ss_type_name(param->type),
                                                direction, param->flags & STORSIM_P_OPTIONAL ? ", optional" : ""));
}

static void append_irql(PyObject **text, const storsim_routine_t *row) {
    const char *source = row->irql_documented ? "" : " (inferred)";
    if (row->irql_max >= 31) {
        PyUnicode_AppendAndDel(text, PyUnicode_FromFormat("IRQL: any%s\n", source));
    } else if (row->irql_min == row->irql_max) {
        PyUnicode_AppendAndDel(text, PyUnicode_FromFormat("IRQL: %d%s\n", row->irql_max, source));
    } else {
        PyUnicode_AppendAndDel(text, PyUnicode_FromFormat("IRQL: %d to %d%s\n", row->irql_min, row->irql_max, source));
    }
}

PyObject *ss_plan_doc(const ss_plan_t *plan) {
    const storsim_routine_t *row = plan->row;
    PyObject *text = PyUnicode_FromFormat("%s\n\n", row->summary);
    PyUnicode_AppendAndDel(&text, PyUnicode_FromString(row->param_count ? "Parameters:\n" : ""));
    for (uint8_t i = 0; text != NULL && i < row->param_count; i++) {
        append_param(&text, plan, i);
    }
    int results = plan->out_count + (row->returns != STORSIM_R_VOID);
    PyUnicode_AppendAndDel(&text, PyUnicode_FromString(results ? "\nReturns: " : "\nReturns: None"));
    if (row->returns != STORSIM_R_VOID) {
        PyUnicode_AppendAndDel(&text, PyUnicode_FromFormat("%s%s", results > 1 ? "(" : "", row->return_name));
    }
    for (uint8_t i = 0; text != NULL && i < plan->out_count; i++) {
        bool opening = i == 0 && row->returns == STORSIM_R_VOID;
        PyUnicode_AppendAndDel(&text, PyUnicode_FromFormat("%s%U",
                                                           !opening      ? ", "
                                                           : results > 1 ? "("
                                                                         : "",
                                                           plan->names[plan->outs[i]]));
    }
    PyUnicode_AppendAndDel(&text, PyUnicode_FromString(results > 1 ? ")\n" : "\n"));
    if (text != NULL) {
        append_irql(&text, row);
    }
    PyUnicode_AppendAndDel(&text, PyUnicode_FromString(row->status_count ? "Statuses:\n" : ""));
    for (uint8_t i = 0; text != NULL && i < row->status_count; i++) {
        PyUnicode_AppendAndDel(&text, PyUnicode_FromFormat("    %s%s\n", row->statuses[i].name,
                                                           row->statuses[i].documented ? "" : " (not on the page)"));
    }
    PyUnicode_AppendAndDel(&text, PyUnicode_FromFormat("First OS: NTDDI 0x%08x\nSource: %s", row->first_os, row->page));
    return text;
}

/* --- plain data -------------------------------------------------------------------------------------------------- */

static PyObject *describe_params(const storsim_routine_t *row) {
    PyObject *list = PyList_New(0);
    for (uint8_t i = 0; list != NULL && i < row->param_count; i++) {
        const storsim_param_t *param = &row->params[i];
        PyObject *item = Py_BuildValue("{s:s,s:s,s:i,s:i}", "name", param->name, "type", ss_type_name(param->type),
                                       "kind", (int)param->type, "flags", (int)param->flags);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *describe_statuses(const storsim_routine_t *row) {
    PyObject *list = PyList_New(0);
    for (uint8_t i = 0; list != NULL && i < row->status_count; i++) {
        const storsim_ddi_status_t *status = &row->statuses[i];
        PyObject *item = Py_BuildValue("{s:s,s:I,s:O}", "name", status->name, "value", status->value, "documented",
                                       status->documented ? Py_True : Py_False);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

PyObject *ss_plan_describe(const ss_plan_t *plan) {
    static const char *const returns[] = {[STORSIM_R_STATUS] = "status",
                                          [STORSIM_R_POINTER] = "pointer",
                                          [STORSIM_R_PHYSICAL] = "physical",
                                          [STORSIM_R_VALUE] = "value",
                                          [STORSIM_R_VOID] = "void"};
    const storsim_routine_t *row = plan->row;
    return Py_BuildValue(
        "{s:i,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:O,s:O,s:I,s:i,s:s,s:s,s:N,s:N,s:N,s:i}", "id", (int)row->id, "name",
        row->name, "family", row->family == STORSIM_F_STORPORT ? "storport" : "hdaudio", "returns",
        returns[row->returns], "return_type", ss_type_name(row->return_type), "return_name", row->return_name,
        "irql_min", (int)row->irql_min, "irql_max", (int)row->irql_max, "irql_documented",
        row->irql_documented ? Py_True : Py_False, "has_irql_status", row->has_irql_status ? Py_True : Py_False,
        "first_os", row->first_os, "function_code", (int)row->function_code, "page", row->page, "summary", row->summary,
        "params", describe_params(row), "statuses", describe_statuses(row), "signature", ss_plan_signature(plan),
        "tables", (int)row->tables);
}
