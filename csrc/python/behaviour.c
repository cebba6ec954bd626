/* python/behaviour.c: what a machine was seen to do, as bytes, and the tables that give the bits their names. */
#include "binding.h"

#include "storsim/behaviour.h"

PyObject *ss_machine_behaviours(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    size_t length = storsim_behaviour_bytes();
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (bytes == NULL || ss_enter(self) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    storsim_status_t status = storsim_behaviours_save(self->core, (uint8_t *)PyBytes_AS_STRING(bytes), length);
    if (ss_finish(self, status, NULL) < 0) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

PyObject *ss_machine_behaviours_seen(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    uint32_t seen = storsim_behaviours_seen(self->core);
    ss_leave(self);
    return PyLong_FromUnsignedLong(seen);
}

PyObject *ss_machine_behaviours_clear(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (ss_enter(self) < 0) {
        return NULL;
    }
    storsim_behaviours_clear(self->core);
    ss_leave(self);
    Py_RETURN_NONE;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static int append(PyObject *list, PyObject *item) {
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* [(name, documented), …] */
static PyObject *outcomes(const storsim_routine_t *row) {
    PyObject *list = PyList_New(0);
    const char *name;
    for (uint32_t i = 0; list != NULL && (name = storsim_behaviour_outcome(row, i))[0] != '\0'; i++) {
        bool status = row->returns == STORSIM_R_STATUS && i < row->status_count;
        PyObject *documented = status && row->statuses[i].documented ? Py_True : Py_False;
        if (append(list, Py_BuildValue("(sO)", name, documented)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *calls(void) {
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const char *family = table[i].family == STORSIM_F_STORPORT ? "storport" : "hdaudio";
        PyObject *names = outcomes(&table[i]);
        PyObject *row =
            names ? Py_BuildValue("(ssIN)", table[i].name, family, storsim_behaviour_call(&table[i], 0), names) : NULL;
        if (append(list, row) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *situations(storsim_family_t family) {
    PyObject *list = PyList_New(0);
    const char *name;
    for (uint32_t i = 0; list != NULL && (name = storsim_behaviour_situation(family, i)) != NULL; i++) {
        if (append(list, PyUnicode_FromString(name)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *rules(void) {
    PyObject *list = PyList_New(0);
    const char *name;
    for (uint32_t i = 0; list != NULL && (name = storsim_behaviour_rule(i)) != NULL; i++) {
        if (append(list, PyUnicode_FromString(name)) < 0) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyObject *ss_behaviour_layout(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyObject *rows = calls(), *storport = situations(STORSIM_F_STORPORT), *hdaudio = situations(STORSIM_F_HDAUDIO);
    PyObject *names = rules(), *layout = NULL;
    if (rows != NULL && storport != NULL && hdaudio != NULL && names != NULL) {
        layout = Py_BuildValue("{s:K,s:I,s:I,s:O,s:I,s:O,s:{s:O,s:O}}", "tables",
                               (unsigned long long)storsim_behaviour_tables(), "bits", storsim_behaviour_bits(),
                               "header", STORSIM_BEHAVIOUR_HEADER, "calls", rows, "findings",
                               storsim_behaviour_finding(NULL, 0), "rules", names, "situations", "storport", storport,
                               "hdaudio", hdaudio);
    }
    Py_XDECREF(rows);
    Py_XDECREF(storport);
    Py_XDECREF(hdaudio);
    Py_XDECREF(names);
    return layout;
}
