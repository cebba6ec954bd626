/* python/machine.c: the type Machine: making, closing, deallocating. Its methods are in machine_*.c, grouped by what
 * they touch. */
#include "binding.h"

#include <stddef.h>

#include "storsim/behaviour.h"
#include "storsim/hda.h"
#include "storsim/hdaudio.h"

/* --- host memory: malloc, counted, and failing on demand for tests ----------------------------------------------- */

static bool refuses(ss_machine_object_t *machine, size_t bytes) {
    machine->host_requests++;
    machine->host_bytes += bytes;
    uint64_t at = machine->host_fail_at;
    return at != 0 && (machine->host_fail_on ? machine->host_requests >= at : machine->host_requests == at);
}

static void *host_allocate(void *context, size_t bytes) {
    return refuses(context, bytes) ? NULL : PyMem_RawMalloc(bytes);
}

static void *host_zeroed(void *context, size_t bytes) {
    return refuses(context, bytes) ? NULL : PyMem_RawCalloc(1, bytes);
}

static void *host_resize(void *context, void *block, size_t bytes) {
    return refuses(context, bytes) ? NULL : PyMem_RawRealloc(block, bytes);
}

static void host_release(void *context, void *block) {
    (void)context;
    PyMem_RawFree(block);
}

/* --- configuration ----------------------------------------------------------------------------------------------- */

#define MACHINE_FIELD(name, type) {#name, type, offsetof(storsim_machine_config_t, name)}
static const ss_field_t machine_fields[] = {
    MACHINE_FIELD(node_count, SS_U32), MACHINE_FIELD(placement, SS_CHOICE),  MACHINE_FIELD(allow_cross_node, SS_BOOL),
    MACHINE_FIELD(seed, SS_U64),       MACHINE_FIELD(trace_entries, SS_U32), {NULL, SS_U8, 0}};

#define NT_FIELD(name, type) {#name, type, offsetof(storsim_nt_config_t, name)}
#define TAG_FIELD(i)                                                                                                   \
    {"low_resources_tag" #i, SS_U32, offsetof(storsim_nt_config_t, low_resources_tags) + (i) * sizeof(uint32_t)}
static const ss_field_t nt_fields[] = {NT_FIELD(os, SS_U32),
                                       NT_FIELD(level, SS_CHOICE),
                                       NT_FIELD(verifier, SS_U32),
                                       NT_FIELD(cpus, SS_U32),
                                       NT_FIELD(node_strict, SS_BOOL),
                                       NT_FIELD(address_check_pfn, SS_BOOL),
                                       NT_FIELD(contig_pool_only, SS_BOOL),
                                       NT_FIELD(zero_pool, SS_BOOL),
                                       NT_FIELD(zero_contig, SS_BOOL),
                                       NT_FIELD(zero_hmb, SS_BOOL),
                                       NT_FIELD(bypass_irql_status, SS_BOOL),
                                       NT_FIELD(zero_tag_fail, SS_BOOL),
                                       NT_FIELD(not_implemented_writes, SS_BOOL),
                                       NT_FIELD(nonpaged_budget, SS_U64),
                                       NT_FIELD(contig_budget, SS_U64),
                                       NT_FIELD(quarantine, SS_U64),
                                       NT_FIELD(dpc_latency, SS_U64),
                                       NT_FIELD(dpc_manual, SS_BOOL),
                                       NT_FIELD(special_pool_start, SS_BOOL),
                                       NT_FIELD(special_pool_pages, SS_U64),
                                       NT_FIELD(explicit_low_memory, SS_BOOL),
                                       NT_FIELD(low_resources_probability, SS_U32),
                                       NT_FIELD(low_resources_delay, SS_U64),
                                       NT_FIELD(systematic_what_if, SS_BOOL),
                                       TAG_FIELD(0),
                                       TAG_FIELD(1),
                                       TAG_FIELD(2),
                                       TAG_FIELD(3),
                                       TAG_FIELD(4),
                                       TAG_FIELD(5),
                                       TAG_FIELD(6),
                                       TAG_FIELD(7),
                                       TAG_FIELD(8),
                                       TAG_FIELD(9),
                                       TAG_FIELD(10),
                                       TAG_FIELD(11),
                                       TAG_FIELD(12),
                                       TAG_FIELD(13),
                                       TAG_FIELD(14),
                                       TAG_FIELD(15),
                                       {NULL, SS_U8, 0}};

/* ((start, length, node), …) as an array of *count ranges. */
static storsim_range_t *read_map(PyObject *map, Py_ssize_t *count) {
    *count = PyTuple_GET_SIZE(map);
    storsim_range_t *ranges = PyMem_Calloc((size_t)*count + 1, sizeof *ranges);
    if (ranges == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < *count; i++) {
        unsigned long long start, length;
        unsigned int node;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(map, i), "KKI", &start, &length, &node)) {
            PyMem_Free(ranges);
            return NULL;
        }
        ranges[i] = (storsim_range_t){.start = start, .length = length, .node = node};
    }
    return ranges;
}

static int boot(ss_machine_object_t *self, storsim_machine_config_t *config, const storsim_nt_config_t *nt) {
    const storsim_host_t host = {host_allocate, host_zeroed, host_resize, host_release, self};
    storsim_machine_t *core = NULL;
    config->host = &host; /* copied by the machine: the pointer does not outlive this frame */
    storsim_status_t status = storsim_machine_create(config, &core);
    config->host = NULL;
    if (status == STORSIM_OK) {
        status = ss_journal_listen(self, core);
    }
    if (status == STORSIM_INVALID) {
        PyErr_SetString(
            PyExc_ValueError,
            "the memory map is not possible: it needs at least one whole page above page 0, ranges that do not "
            "overlap and end below 128 TiB, and nodes from 0 to 63");
        return -1;
    }
    status = status == STORSIM_OK ? storsim_nt_boot(core, nt) : status;
    status = status == STORSIM_OK ? storsim_storport_attach(core) : status;
    status = status == STORSIM_OK ? storsim_hda_attach(core)
                                  : status; /* now, so that snapshots taken before a controller fit */
    status = status == STORSIM_OK ? storsim_hdaudio_prepare(core) : status;
    status = status == STORSIM_OK ? storsim_behaviours_watch(core) : status;
    if (status != STORSIM_OK) {
        storsim_machine_destroy(core);
        if (status == STORSIM_INVALID) {
            PyErr_SetString(PyExc_ValueError, "a setting of the machine lies outside its range");
            return -1;
        }
        return ss_raise_status(self, status, NULL);
    }
    storsim_machine_set_callback(core, ss_trampoline, self);
    SS_STORE(self->core, core);
    return 0;
}

/* Machine(ranges, machine, nt, distances, site_depth, fail_at, fail_on, journal): everything normalised by storsim.machine. */
static int initialise(ss_machine_object_t *self, PyObject *args, PyObject *kwargs) {
    PyObject *map, *machine_values, *nt_values, *distances, *journal;
    int site_depth, fail_on;
    unsigned long long fail_at;
    if (self->core != NULL || self->closed) {
        PyErr_SetString(PyExc_RuntimeError, "a machine is initialised once; make a new one");
        return -1;
    }
    if ((kwargs && PyDict_GET_SIZE(kwargs) > 0) ||
        !PyArg_ParseTuple(args, "O!O!O!OiKpO", &PyTuple_Type, &map, &PyDict_Type, &machine_values, &PyDict_Type,
                          &nt_values, &distances, &site_depth, &fail_at, &fail_on, &journal)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "use storsim.Machine, which takes keywords");
        }
        return -1;
    }
    storsim_machine_config_t config = {0};
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    if (ss_fields_load(&config, machine_fields, machine_values, "the machine") < 0 ||
        ss_fields_load(&nt, nt_fields, nt_values, "the kernel") < 0) {
        return -1;
    }
    Py_ssize_t count = 0;
    storsim_range_t *ranges = read_map(map, &count);
    if (ranges == NULL) {
        return -1;
    }
    config.ranges = ranges;
    config.range_count = (size_t)count;
    if (PyBytes_Check(distances)) { /* node_count × node_count, checked by the Python side */
        config.distances = (const uint8_t *)PyBytes_AS_STRING(distances);
    }
    self->host_fail_at = fail_at;
    self->host_fail_on = fail_on;
    self->warns = nt.level == STORSIM_VERIFIER;
    self->sites = self->sites ? self->sites : ss_sites_new(self->state, site_depth);
    int result = self->sites && ss_journal_make(self, journal) == 0 ? boot(self, &config, &nt) : -1;
    PyMem_Free(ranges);
    return result;
}

static int machine_init(ss_machine_object_t *self, PyObject *args, PyObject *kwargs) {
    if (ss_lock(self) < 0) { /* two threads may try at once */
        return -1;
    }
    int result = initialise(self, args, kwargs);
    ss_leave(self);
    return result;
}

static PyObject *machine_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    ss_state_t *state = ss_state_of(type);
    ss_machine_object_t *self = state ? (ss_machine_object_t *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->origin = SS_COUNT_UP(state->origins);
    self->tokens = PyDict_New();
    self->transfers = PyDict_New();
    self->warned = PySet_New(NULL);
    if (ss_gate_make(self) < 0 || !self->tokens || !self->transfers || !self->warned) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

void ss_machine_end(ss_machine_object_t *machine) {
    if (machine->core != NULL && machine->exports == 0 && machine->depth == 1) {
        ss_snapshots_detach(machine);
        storsim_machine_t *core = machine->core;
        SS_STORE(machine->core, NULL);
        storsim_machine_destroy(core);
    }
}

static PyObject *machine_close(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (SS_LOAD_INT(self->closed) || SS_LOAD(self->core) == NULL) {
        Py_RETURN_NONE;
    }
    if (ss_lock(self) < 0) { /* waits for other threads */
        return NULL;
    }
    if (self->closed) { /* another one did while this one waited */
        ss_leave(self);
        Py_RETURN_NONE;
    }
    if (self->depth > 1 || self->callback_depth > 0) {
        ss_leave(self);
        PyErr_SetString(PyExc_RuntimeError, storsim_status_text(STORSIM_REENTRY));
        return NULL;
    }
    ss_journal_close(self->journal);
    SS_STORE_INT(self->closed, 1);
    ss_tokens_changed(self);
    PyDict_Clear(self->tokens);
    PyDict_Clear(self->transfers);
    ss_machine_end(self);
    ss_leave(self);
    Py_RETURN_NONE;
}

static int machine_traverse(ss_machine_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->tokens);
    Py_VISIT(self->transfers);
    Py_VISIT(self->pending);
    Py_VISIT(self->sites);
    Py_VISIT(self->warned);
    Py_VISIT(self->bugcheck);
    Py_VISIT(self->journal);
    return 0;
}

static int machine_clear(ss_machine_object_t *self) {
    ss_tokens_changed(self);
    if (self->tokens != NULL) {
        PyDict_Clear(self->tokens);
    }
    if (self->transfers != NULL) {
        PyDict_Clear(self->transfers);
    }
    Py_CLEAR(self->pending);
    Py_CLEAR(self->bugcheck);
    return 0;
}

static void machine_dealloc(ss_machine_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->gate != NULL) {
        ss_take_patiently(self); /* somebody may be looking at its journal, or at the bytes of a snapshot */
    }
    ss_snapshots_detach(self); /* first: whatever clearing runs may look at a snapshot */
    machine_clear(self);
    ss_catch_up(self);
    storsim_machine_destroy(
        self->core); /* no buffer can be live: each holds a reference to an object that holds this one */
    ss_journal_forsake(self->journal);
    Py_CLEAR(self->journal); /* outlives the core: it listens to it */
    Py_CLEAR(self->tokens);
    Py_CLEAR(self->transfers);
    Py_CLEAR(self->sites);
    Py_CLEAR(self->warned);
    PyMem_Free(self->cpus);
    ss_gate_free(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- small attributes -------------------------------------------------------------------------------------------- */

static PyObject *machine_closed(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(SS_LOAD_INT(self->closed));
}

static PyObject *machine_storport(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    return ss_closed(self) ? NULL : ss_routines_new(self);
}

/* An object that __init__ makes, or the core's calls; None when there is none. */
static PyObject *held_object(ss_machine_object_t *self, PyObject *const *place) {
    if (ss_lock(self) < 0) {
        return NULL;
    }
    PyObject *object = Py_NewRef(*place ? *place : Py_None);
    ss_leave(self);
    return object;
}

static PyObject *machine_sites(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    return held_object(self, &self->sites);
}

static PyObject *machine_journal(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    return held_object(self, &self->journal);
}

static PyObject *machine_bugcheck(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    return held_object(self, &self->bugcheck);
}

static PyObject *machine_host(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_lock(self) < 0) {
        return NULL;
    }
    uint64_t requests = self->host_requests, bytes = self->host_bytes;
    ss_leave(self);
    return Py_BuildValue("(KK)", (unsigned long long)requests, (unsigned long long)bytes);
}

static PyObject *machine_now(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t now = storsim_now(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(now);
}

/* The level and the CPU belong to the calling thread, so its CPU has to be selected first. */
static PyObject *machine_irql(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    long irql = storsim_irql(self->core);
    ss_leave(self);
    return PyLong_FromLong(irql);
}

static PyObject *machine_cpu(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    unsigned long cpu = storsim_cpu(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLong(cpu);
}

static PyObject *machine_dead(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_lock(self) < 0) {
        return NULL;
    }
    bool dead = self->core != NULL && storsim_stopped(self->core) != NULL;
    ss_leave(self);
    return PyBool_FromLong(dead);
}

static PyObject *machine_stopped(ss_machine_object_t *self, void *Py_UNUSED(closure)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    const storsim_finding_t *finding = storsim_stopped(self->core);
    PyObject *record = finding ? ss_finding_record(self, finding) : Py_NewRef(Py_None);
    ss_leave(self);
    return record;
}

static PyGetSetDef machine_getset[] = {
    {"closed", (getter)machine_closed, NULL, PyDoc_STR("Whether close() was called."), NULL},
    {"storport", (getter)machine_storport, NULL,
     PyDoc_STR("The documented routines bound to this machine; HwDeviceExtension may be any number."), NULL},
    {"now", (getter)machine_now, NULL, PyDoc_STR("Virtual time in ticks of 1/24 000 000 s."), NULL},
    {"irql", (getter)machine_irql, NULL, PyDoc_STR("IRQL of the calling thread's CPU."), NULL},
    {"cpu", (getter)machine_cpu, NULL, PyDoc_STR("CPU of the calling thread."), NULL},
    {"_dead", (getter)machine_dead, NULL, PyDoc_STR("Whether a bugcheck stopped the machine."), NULL},
    {"_bugcheck", (getter)machine_bugcheck, NULL, PyDoc_STR("The BugCheck that was raised, or None."), NULL},
    {"_journal", (getter)machine_journal, NULL, PyDoc_STR("The recording, or None."), NULL},
    {"_sites", (getter)machine_sites, NULL, PyDoc_STR("Table of call sites."), NULL},
    {"_host_memory", (getter)machine_host, NULL, PyDoc_STR("(requests, bytes) asked of the host so far."), NULL},
    {"stopped", (getter)machine_stopped, NULL,
     PyDoc_STR("The record of the bugcheck that stopped the machine, or None."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyObject *machine_defaults(PyObject *Py_UNUSED(type), PyObject *Py_UNUSED(ignored)) {
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    return ss_fields_dump(&nt, nt_fields);
}

static PyObject *machine_adapter_defaults(PyObject *Py_UNUSED(type), PyObject *Py_UNUSED(ignored)) {
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    return ss_fields_dump(&config, ss_adapter_fields);
}

static PyMethodDef machine_methods[] = {
#define METHOD(name, function, flags, signature, doc)                                                                  \
    {#name, (PyCFunction)(void (*)(void))ss_machine_##function, flags, PyDoc_STR(#name signature "\n--\n\n" doc)},
    SS_MACHINE_METHOD_MAP(METHOD)
#undef METHOD
        {"close", (PyCFunction)(void (*)(void))machine_close, METH_NOARGS,
         PyDoc_STR("close($self, /)\n--\n\nEnds the machine; every later use is a ValueError. Calling it again does "
                   "nothing.\n\n"
                   "Raises RuntimeError from inside a callback. Memory under a live memoryview stays until the view is "
                   "released.")},
    {"_kernel_defaults", machine_defaults, METH_NOARGS | METH_CLASS,
     PyDoc_STR("Defaults of the kernel's settings, as the core has them.")},
    {"_adapter_defaults", machine_adapter_defaults, METH_NOARGS | METH_CLASS,
     PyDoc_STR("Defaults of an adapter's settings.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot machine_slots[] = {{Py_tp_doc, (void *)PyDoc_STR("The C half of storsim.Machine.")},
                                      {Py_tp_new, machine_new},
                                      {Py_tp_init, machine_init},
                                      {Py_tp_methods, machine_methods},
                                      {Py_tp_getset, machine_getset},
                                      {Py_tp_traverse, machine_traverse},
                                      {Py_tp_clear, machine_clear},
                                      {Py_tp_dealloc, machine_dealloc},
                                      {0, NULL}};

PyType_Spec ss_machine_spec = {"storsim._core.Machine", sizeof(ss_machine_object_t), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, machine_slots};
