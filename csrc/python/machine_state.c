/* python/machine_state.c: methods of Machine about its whole state: digest, snapshot, restore, check. */
#include "binding.h"

#include <string.h>

PyObject *ss_machine_digest(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    uint64_t digest = 0;
    if (ss_enter(self) < 0) {
        return NULL;
    }
    return ss_finish(self, storsim_digest(self->core, &digest), NULL) < 0 ? NULL : PyLong_FromUnsignedLongLong(digest);
}

PyObject *ss_machine_check(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    char text[512] = "";
    if (ss_enter(self) < 0) {
        return NULL;
    }
    ss_here(self);
    size_t broken = storsim_check(self->core, text, sizeof text);
    storsim_status_t status = broken == 0 ? storsim_verify_guards(self->core) : STORSIM_OK;
    if (ss_finish(self, status, NULL) < 0) {
        return NULL;
    }
    return broken ? PyUnicode_FromFormat("%zu broken, first: %s", broken, text) : PyUnicode_FromString("");
}

PyObject *ss_machine_snapshot(ss_machine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    PyTypeObject *type = (PyTypeObject *)self->state->Snapshot;
    ss_snapshot_object_t *snapshot = (ss_snapshot_object_t *)type->tp_alloc(type, 0);
    if (snapshot != NULL && (snapshot->tie = PyMem_Calloc(1, sizeof *snapshot->tie)) == NULL) {
        Py_CLEAR(snapshot);
        return PyErr_NoMemory();
    }
    if (snapshot == NULL || ss_enter(self) < 0) {
        Py_XDECREF(snapshot);
        return NULL;
    }
    storsim_checkpoint_t *checkpoint = NULL;
    storsim_status_t status = storsim_checkpoint_take(self->core, &checkpoint);
    if (status == STORSIM_OK) {
        ss_snapshot_tie(snapshot, self, checkpoint);
        snapshot->origin = self->origin;
        snapshot->tokens = self->kept_token = self->next_token;
        self->kept_transfer = self->last_transfer;
    }
    if (ss_finish(self, status, NULL) < 0) {
        Py_CLEAR(snapshot);
    }
    return (PyObject *)snapshot;
}

/* Objects registered after the snapshot, or with another machine, are not what the restored numbers mean. */
static int forget_tokens(ss_machine_object_t *self, bool own, uint64_t tokens) {
    ss_tokens_changed(self);
    if (!own) {
        PyDict_Clear(self->tokens);
    }
    for (uint64_t token = tokens + 1; own && token <= self->next_token; token++) {
        PyObject *key = PyLong_FromUnsignedLongLong(token);
        if (key == NULL) {
            return -1;
        }
        if (PyDict_Contains(self->tokens, key) > 0) {
            (void)PyDict_DelItem(self->tokens, key);
        }
        Py_DECREF(key);
    }
    self->next_token = self->kept_token = tokens;
    return PyErr_Occurred() ? -1 : 0;
}

/* What restoring changes outside the core. */
static int restored(ss_machine_object_t *self, bool own, uint64_t tokens) {
    Py_CLEAR(self->bugcheck);
    self->seen = storsim_finding_count(self->core);
    ss_forget_cpus(self);
    return forget_tokens(self, own, tokens);
}

static PyObject *finish_restore(ss_machine_object_t *self, storsim_status_t status, size_t where, bool own,
                                uint64_t tokens) {
    if (status == STORSIM_FORMAT) {
        ss_leave(self);
        PyErr_Format(PyExc_ValueError,
                     "the snapshot is damaged, of another format version, or of a machine configured otherwise "
                     "(noticed at byte %zu)",
                     where);
        return NULL;
    }
    if (status == STORSIM_OK && restored(self, own, tokens) < 0) {
        ss_leave(self);
        return NULL;
    }
    return ss_finish(self, status, NULL) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *restore_bytes(ss_machine_object_t *self, PyObject *source, bool own, uint64_t tokens) {
    Py_buffer view;
    size_t where = 0;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (ss_enter(self) == 0) {
        storsim_status_t status = storsim_restore(self->core, view.buf, (size_t)view.len, &where);
        result = finish_restore(self, status, where, own, tokens);
    }
    PyBuffer_Release(&view);
    return result;
}

PyObject *ss_machine_restore(ss_machine_object_t *self, PyObject *source) {
    bool known = Py_IS_TYPE(source, (PyTypeObject *)self->state->Snapshot);
    const ss_snapshot_object_t *snapshot = known ? (const ss_snapshot_object_t *)(void *)source : NULL;
    bool own = known && snapshot->origin == self->origin;
    uint64_t tokens = known ? snapshot->tokens : 0;
    if (!own) {
        return restore_bytes(self, source, own, tokens);
    }
    if (ss_enter(self) < 0) {
        return NULL;
    }
    if (snapshot->machine == NULL) {
        ss_leave(self);
        return restore_bytes(self, source, own, tokens);
    }
    return finish_restore(self, storsim_checkpoint_restore(self->core, snapshot->tie->checkpoint), 0, own, tokens);
}
