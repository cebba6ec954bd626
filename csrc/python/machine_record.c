/* python/machine_record.c: methods of Machine about what happened: findings, allocations, faults, trace. */
#include "binding.h"

typedef unsigned long long u64;

/* Appends a new item and drops it; false when either failed. */
static bool append(PyObject *list, PyObject *item) {
    bool good = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return good;
}

/* --- findings ---------------------------------------------------------------------------------------------------- */

PyObject *ss_machine_findings(ss_machine_object_t *self, PyObject *number) {
    uint64_t first;
    if (ss_number(number, UINT64_MAX, "first", "index", &first) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    size_t count = storsim_finding_count(self->core);
    for (uint64_t i = first; list != NULL && i < count; i++) {
        const storsim_finding_t *finding = storsim_finding_get(self->core, (size_t)i);
        if (finding != NULL && !append(list, ss_finding_record(self, finding))) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_finding_count(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    size_t count = storsim_finding_count(self->core);
    ss_leave(self);
    return PyLong_FromSize_t(count);
}

/* --- allocations ------------------------------------------------------------------------------------------------- */

/* (kind, va, pa, device_address, size, pages, node, cache, tag, owner name, owner, site, time, irql, context) */
static PyObject *allocation_tuple(ss_machine_object_t *self, const storsim_allocation_t *a) {
    const storsim_adapter_config_t *owner = a->owner ? storsim_adapter_get_config(self->core, a->owner) : NULL;
    return Py_BuildValue("(sKKKKKIiIzIIKiz)", storsim_block_kind_text(a->kind), (u64)a->va, (u64)a->pa,
                         (u64)a->device_address, (u64)a->size, (u64)a->pages, a->node, (int)a->cache, a->tag,
                         owner ? owner->name : NULL, a->owner, a->site, (u64)a->time, (int)a->irql,
                         a->context ? storsim_context_name((storsim_context_t)a->context) : NULL);
}

PyObject *ss_machine_allocations(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    uint64_t cursor = 0;
    storsim_allocation_t allocation;
    while (list != NULL && storsim_allocation_next(self->core, &cursor, &allocation)) {
        if (!append(list, allocation_tuple(self, &allocation))) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_allocation_at(ss_machine_object_t *self, PyObject *number) {
    uint64_t address;
    storsim_allocation_t allocation;
    if (ss_pointer(number, "address", &address) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    bool found = storsim_allocation_at(self->core, address, &allocation);
    PyObject *result = found ? allocation_tuple(self, &allocation) : Py_NewRef(Py_None);
    ss_leave(self);
    return result;
}

/* --- faults ------------------------------------------------------------------------------------------------------ */

/* Row of a documented name; 0 for None. -1 with ValueError when there is none. */
static int routine_id(PyObject *name) {
    if (name == Py_None) {
        return 0;
    }
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    const storsim_routine_t *row = text ? storsim_ddi_find(STORSIM_F_STORPORT, text) : NULL;
    row = text && row == NULL ? storsim_ddi_find(STORSIM_F_HDAUDIO, text) : row;
    if (row == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "%R is no routine of the DDI table; pass its documented name", name);
        }
        return -1;
    }
    return row->id;
}

PyObject *ss_machine_fault_add(ss_machine_object_t *self, PyObject *args) {
    PyObject *name, *tag, *predicate;
    int kind, hardware;
    unsigned int chances, device, rule_id = 0;
    u64 minimum, maximum, first, last, seed, not_before;
    if (!PyArg_ParseTuple(args, "iOOKKKKIKOKiI", &kind, &name, &tag, &minimum, &maximum, &first, &last, &chances, &seed,
                          &predicate, &not_before, &hardware, &device)) {
        return NULL;
    }
    int routine = routine_id(name);
    uint64_t tag_value = 0;
    if (routine < 0 || (tag != Py_None && ss_tag(tag, "tag", &tag_value) < 0) || ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t token = predicate == Py_None ? 0 : ss_token_new(self, predicate);
    if (PyErr_Occurred()) {
        ss_leave(self);
        return NULL;
    }
    const storsim_fault_rule_t rule = {.kind = (storsim_fault_kind_t)kind,
                                       .routine = (uint16_t)routine,
                                       .match_tag = tag != Py_None,
                                       .tag = (uint32_t)tag_value,
                                       .minimum_bytes = minimum,
                                       .maximum_bytes = maximum,
                                       .first = first,
                                       .last = last,
                                       .chances = chances,
                                       .seed = seed,
                                       .predicate = token,
                                       .not_before = not_before,
                                       .hardware = (storsim_hardware_fault_t)hardware,
                                       .device = device};
    storsim_status_t status = storsim_fault_add(self->core, &rule, &rule_id);
    if (status != STORSIM_OK) {
        ss_token_release(self, token);
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : PyLong_FromUnsignedLong(rule_id);
}

PyObject *ss_machine_fault_remove(ss_machine_object_t *self, PyObject *number) {
    uint64_t rule;
    if (ss_number(number, UINT32_MAX, "rule", "fault id", &rule) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_fault_remove(self->core, (uint32_t)rule);
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *ss_machine_fault_clear(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    storsim_fault_clear(self->core);
    ss_leave(self);
    Py_RETURN_NONE;
}

PyObject *ss_machine_fault_pause(ss_machine_object_t *self, PyObject *flag) {
    int pause = PyObject_IsTrue(flag);
    if (pause < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_fault_pause(self->core, pause != 0);
    ss_leave(self);
    Py_RETURN_NONE;
}

PyObject *ss_machine_fault_points(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t points = storsim_fault_points(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(points);
}

/* (special_pool_live, special_pool_fallbacks, low_resources_failed, systematic_paths, systematic_failed) */
PyObject *ss_machine_verifier_counters(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    storsim_verifier_counters_t counters;
    if (ss_enter(self) < 0) {
        return NULL;
    }
    storsim_verifier_counters(self->core, &counters);
    ss_leave(self);
    return Py_BuildValue("(KKKKK)", (u64)counters.special_pool_live, (u64)counters.special_pool_fallbacks,
                         (u64)counters.low_resources_failed, (u64)counters.systematic_paths,
                         (u64)counters.systematic_failed);
}

/* (id, rule, routine name, site, time, bytes, tag, ordinal) */
PyObject *ss_machine_injected(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    size_t count = storsim_injected_count(self->core);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const storsim_injected_t *one = storsim_injected_get(self->core, i);
        const storsim_routine_t *row = storsim_ddi_routine(one->routine);
        if (!append(list, Py_BuildValue("(IIzIKKIK)", one->id, one->rule, row ? row->name : NULL, one->site,
                                        (u64)one->time, (u64)one->bytes, one->tag, (u64)one->ordinal))) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

/* --- trace ------------------------------------------------------------------------------------------------------- */

/* (sequence, time, kind, routine name, irql, cpu, site, (values), began, inside) */
PyObject *ss_machine_trace(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    if (list == NULL || ss_enter(self) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    size_t count = storsim_trace_count(self->core);
    storsim_trace_entry_t e;
    for (size_t i = 0; list != NULL && i < count && storsim_trace_get(self->core, i, &e); i++) {
        const storsim_routine_t *row = storsim_ddi_routine(e.routine);
        if (!append(list, Py_BuildValue("(KKizIII(KKKK)KI)", (u64)e.sequence, (u64)e.time, (int)e.kind,
                                        row ? row->name : NULL, (unsigned int)e.irql, (unsigned int)e.cpu, e.site,
                                        (u64)e.values[0], (u64)e.values[1], (u64)e.values[2], (u64)e.values[3],
                                        (u64)e.began, (unsigned int)e.inside))) {
            Py_CLEAR(list);
        }
    }
    ss_leave(self);
    return list;
}

PyObject *ss_machine_trace_total(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint64_t total = storsim_trace_total(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLongLong(total);
}

/* --- overrides of the table -------------------------------------------------------------------------------------- */

PyObject *ss_machine_override_irql(ss_machine_object_t *self, PyObject *args) {
    PyObject *name;
    unsigned char lowest, highest;
    int routine;
    if (!PyArg_ParseTuple(args, "Obb", &name, &lowest, &highest) || (routine = routine_id(name)) < 0 ||
        ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_override_irql(self->core, (uint16_t)routine, lowest, highest);
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *ss_machine_override_first_os(ss_machine_object_t *self, PyObject *args) {
    PyObject *name;
    unsigned int os;
    int routine;
    if (!PyArg_ParseTuple(args, "OI", &name, &os) || (routine = routine_id(name)) < 0 || ss_enter(self) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_override_first_os(self->core, (uint16_t)routine, os);
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}
