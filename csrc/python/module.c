/* python/module.c: the module storsim._core: its state, its types, its constants.
 *
 * Multi-phase initialisation; every type comes from a spec and lives in the module's state; nothing is static but
 * constants, so the module can be loaded in several interpreters, each with its own GIL. */
#include "binding.h"

#include <string.h>

PyMODINIT_FUNC PyInit__core(void);

ss_state_t *ss_state_of(PyTypeObject *type) {
    PyObject *module = PyType_GetModuleByDef(type, &ss_module);
    return module ? PyModule_GetState(module) : NULL;
}

PyObject *ss_lazy(PyObject **slot, const char *module, const char *name) {
    if (SS_LOAD(*slot) == NULL) {
        PyObject *imported = PyImport_ImportModule(module);
        if (imported != NULL) {
            PyObject *found = PyObject_GetAttrString(imported, name);
            Py_DECREF(imported);
            return ss_publish(slot, found);
        }
    }
    return SS_LOAD(*slot);
}

PyObject *ss_publish(PyObject **slot, PyObject *made) {
    if (made == NULL) {
        return NULL;
    }
#ifdef Py_GIL_DISABLED
    void *first = NULL;
    bool mine = _Py_atomic_compare_exchange_ptr(slot, &first, made);
#else
    PyObject *first = *slot;
    bool mine = first == NULL;
    *slot = mine ? made : first;
#endif
    if (mine) {
        return made;
    }
    Py_DECREF(made);
    return first;
}

PyObject *ss_dict_get(PyObject *dict, PyObject *key) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found = NULL;
    return PyDict_GetItemRef(dict, key, &found) < 0 ? NULL : found;
#else
    return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

/* --- types ------------------------------------------------------------------------------------------------------- */

static int add_type(PyObject *module, PyObject **slot, PyType_Spec *spec, PyObject *base) {
    *slot = PyType_FromModuleAndSpec(module, spec, base);
    return *slot != NULL ? PyModule_AddType(module, (PyTypeObject *)*slot) : -1;
}

/* An int that knows its machine. A subclass of int cannot carry C fields behind its digits, so the machine is an
 * attribute. */
static int add_extension_type(PyObject *module, ss_state_t *state) {
    state->DeviceExtension = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){s:s,s:s}", "DeviceExtension",
                                                   (PyObject *)&PyLong_Type, "__module__", "storsim._core", "__doc__",
                                                   "HwDeviceExtension of an adapter: an address (bytes) that knows its "
                                                   "machine, so that it can be handed to the routines of "
                                                   "storsim.storport.");
    return state->DeviceExtension != NULL ? PyModule_AddObjectRef(module, "DeviceExtension", state->DeviceExtension)
                                          : -1;
}

static int add_types(PyObject *module, ss_state_t *state) {
    struct {
        PyObject **slot;
        PyType_Spec *spec;
        PyObject **base;
    } const types[] = {
        {&state->Machine, &ss_machine_spec, NULL},
        {&state->Adapter, &ss_adapter_spec, NULL},
        {&state->Routine, &ss_routine_spec, NULL},
        {&state->Routines, &ss_routines_spec, NULL},
        {&state->Pointer, &ss_pointer_spec, NULL},
        {&state->Mdl, &ss_mdl_spec, &state->Pointer},
        {&state->ScatterGatherList, &ss_sg_spec, &state->Pointer},
        {&state->Srb, &ss_srb_spec, &state->Pointer},
        {&state->LiveRegister, &ss_live_register_spec, &state->Pointer},
        {&state->Mmio, &ss_mmio_spec, NULL},
        {&state->RegisterFile, &ss_register_file_spec, NULL},
        {&state->Block, &ss_block_spec, NULL},
        {&state->Snapshot, &ss_snapshot_spec, NULL},
        {&state->Journal, &ss_journal_spec, NULL},
        {&state->Sites, &ss_sites_spec, NULL},
        {&state->AccessRange, &ss_access_range_spec, NULL},
        {&state->GroupAffinity, &ss_group_affinity_spec, NULL},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (add_type(module, types[i].slot, types[i].spec, types[i].base ? *types[i].base : NULL) < 0) {
            return -1;
        }
    }
    return add_extension_type(module, state);
}

/* --- tables shown to Python -------------------------------------------------------------------------------------- */

static int put_pair(PyObject *dict, const char *name, uint64_t value) {
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    int failed = number == NULL || PyDict_SetItemString(dict, name, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

typedef struct {
    const char *name;
    uint64_t value;
} pair_t;

static int add_pairs(PyObject *module, const char *attribute, const pair_t *pairs, size_t count) {
    PyObject *dict = PyDict_New();
    int failed = dict == NULL;
    for (size_t i = 0; !failed && i < count; i++) {
        failed = put_pair(dict, pairs[i].name, pairs[i].value) < 0;
    }
    failed = failed || PyModule_AddObjectRef(module, attribute, dict) < 0;
    Py_XDECREF(dict);
    return failed ? -1 : 0;
}

static int add_names(PyObject *module, const char *attribute, const char *const *names, Py_ssize_t count) {
    PyObject *tuple = PyTuple_New(count);
    int failed = tuple == NULL;
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        PyObject *name = PyUnicode_InternFromString(names[i]);
        failed = name == NULL;
        if (!failed) {
            PyTuple_SET_ITEM(tuple, i, name);
        }
    }
    failed = failed || PyModule_AddObjectRef(module, attribute, tuple) < 0;
    Py_XDECREF(tuple);
    return failed ? -1 : 0;
}

/* Adds and drops an object that may be NULL with an exception. */
static int add_object(PyObject *module, const char *attribute, PyObject *object) {
    int failed = object == NULL || PyModule_AddObjectRef(module, attribute, object) < 0;
    Py_XDECREF(object);
    return failed ? -1 : 0;
}

static int add_tables(PyObject *module) {
#define PAIR(name, value) {#name, (value)},
#define NAME(name) #name,
#define TEXT(name, text) text,
    static const pair_t stor_statuses[] = {STORSIM_STOR_STATUS_MAP(PAIR)};
    static const pair_t versions[] = {STORSIM_OS_MAP(PAIR)};
    static const char *const fields[] = {STORSIM_PORT_CONFIG_MAP(NAME)};
    static const char *const contexts[] = {STORSIM_CONTEXT_MAP(TEXT)};
    static const char *const kinds[] = {STORSIM_BLOCK_MAP(TEXT)};
#undef PAIR
#undef NAME
#undef TEXT
    if (add_pairs(module, "STOR_STATUSES", stor_statuses, sizeof stor_statuses / sizeof stor_statuses[0]) < 0 ||
        add_pairs(module, "OS_VERSIONS", versions, sizeof versions / sizeof versions[0]) < 0 ||
        add_names(module, "PORT_CONFIG_FIELDS", fields, sizeof fields / sizeof fields[0]) < 0 ||
        add_names(module, "CALLBACK_CONTEXTS", contexts, sizeof contexts / sizeof contexts[0]) < 0 ||
        add_names(module, "BLOCK_KINDS", kinds, sizeof kinds / sizeof kinds[0]) < 0) {
        return -1;
    }
    return add_object(module, "HDAUDIO_TABLES", ss_hdaudio_tables()) < 0 ||
                   add_object(module, "HDAUDIO_POLICIES", ss_hdaudio_policies()) < 0 ||
                   add_object(module, "HDAUDIO_RATES", ss_hdaudio_rates()) < 0
               ? -1
               : 0;
}

/* Every Storport routine in free form, bound to no machine: dict name → Routine. */
static PyObject *module_routines(PyObject *module, PyObject *Py_UNUSED(ignored)) {
    ss_state_t *state = PyModule_GetState(module);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < state->plan_count; i++) {
        ss_plan_t *plan = &state->plans[i];
        if (plan->row->family != STORSIM_F_STORPORT) {
            continue;
        }
        PyObject *routine = ss_routine_new(state, plan, NULL);
        if (routine == NULL || PyDict_SetItemString(dict, plan->row->name, routine) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(routine);
    }
    return dict;
}

/* The rows of the DDI table as plain data, for stubs, documentation and completeness tests. */
static PyObject *module_table(PyObject *module, PyObject *Py_UNUSED(ignored)) {
    ss_state_t *state = PyModule_GetState(module);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < state->plan_count; i++) {
        PyObject *row = ss_plan_describe(&state->plans[i]);
        if (row == NULL || PyList_Append(list, row) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(row);
    }
    return list;
}

/* The class of a routine's results, by documented name. */
static PyObject *module_result_type(PyObject *module, PyObject *name) {
    ss_state_t *state = PyModule_GetState(module);
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    for (size_t i = 0; text != NULL && i < state->plan_count; i++) {
        if (strcmp(state->plans[i].row->name, text) == 0) {
            return Py_XNewRef((PyObject *)ss_plan_result(&state->plans[i]));
        }
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is no routine of the DDI table", name);
    }
    return NULL;
}

static PyMethodDef module_methods[] = {
    {"result_type", module_result_type, METH_O,
     PyDoc_STR("result_type($module, routine, /)\n--\n\nThe class of a routine's results.")},
    {"routines", module_routines, METH_NOARGS,
     PyDoc_STR("routines($module, /)\n--\n\nEvery Storport routine bound to no machine, by documented name.")},
    {"ddi_table", module_table, METH_NOARGS,
     PyDoc_STR("ddi_table($module, /)\n--\n\nThe rows of the DDI table as a list of dictionaries.")},
    {"_run_program", ss_bytes_run, METH_VARARGS,
     PyDoc_STR("_run_program($module, data, thorough, journal, /)\n--\n\nRuns bytes as a program; see "
               "storsim.testing.programs.")},
    {"_make_program", ss_bytes_make, METH_VARARGS,
     PyDoc_STR("_make_program($module, seed, index, /)\n--\n\nA program of the seed corpus.")},
    {"_digest_program", ss_bytes_digest, METH_O,
     PyDoc_STR("_digest_program($module, data, /)\n--\n\nWhat a program came to, as one number.")},
    {"behaviour_layout", ss_behaviour_layout, METH_NOARGS,
     PyDoc_STR("behaviour_layout($module, /)\n--\n\nWhat the bits of a set of behaviours mean, for storsim.coverage.")},
    {"operations", ss_operations, METH_NOARGS,
     PyDoc_STR("operations($module, /)\n--\n\nWhat a journal can record: (id, name, family, flags, parameters).")},
    {"hdaudio_encode", ss_hdaudio_encode, METH_VARARGS,
     PyDoc_STR("hdaudio_encode($module, rate, bits, container, channels, /)\n--\n\nHDAUDIO_CONVERTER_FORMAT of a "
               "stream format, or None.")},
    {"hdaudio_decode", ss_hdaudio_decode, METH_VARARGS,
     PyDoc_STR("hdaudio_decode($module, format, /)\n--\n\n(rate, bits, container, channels) of a converter format, or "
               "None.")},
    {NULL, NULL, 0, NULL}};

/* --- life -------------------------------------------------------------------------------------------------------- */

static int module_exec(PyObject *module) {
    ss_state_t *state = PyModule_GetState(module);
    state->str_machine = PyUnicode_InternFromString("machine");
    if (state->str_machine == NULL || add_types(module, state) < 0 || add_tables(module) < 0 ||
        ss_plans_make(state) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "CORE_VERSION", STORSIM_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    ss_state_t *state = PyModule_GetState(module);
#define VISIT(name) Py_VISIT(state->name);
    SS_STATE_MAP(VISIT)
#undef VISIT
    return ss_plans_traverse(state, visit, arg);
}

static int module_clear(PyObject *module) {
    ss_state_t *state = PyModule_GetState(module);
#define CLEAR(name) Py_CLEAR(state->name);
    SS_STATE_MAP(CLEAR)
#undef CLEAR
    return 0;
}

static void module_free(void *module) {
    module_clear(module);
    ss_plans_free(PyModule_GetState(module));
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
                                          {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
                                          {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* see threads.h */
#endif
                                          {0, NULL}};

struct PyModuleDef ss_module = {.m_base = PyModuleDef_HEAD_INIT,
                                .m_name = "storsim._core",
                                .m_doc = PyDoc_STR("The simulated machine in C. Use it through the package storsim."),
                                .m_size = sizeof(ss_state_t),
                                .m_methods = module_methods,
                                .m_slots = module_slots,
                                .m_traverse = module_traverse,
                                .m_clear = module_clear,
                                .m_free = module_free};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&ss_module);
}
