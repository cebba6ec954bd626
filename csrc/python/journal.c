/* python/journal.c: Journal, the recording of a machine. The Python half (storsim/journal.py) gives its records names and prints scripts.
 *
 * A Journal holds no reference to its machine: the machine holds it, and it outlives the machine. A file it writes to is a Python file object
 * whose descriptor is written directly, because records are written in places where no Python code may run.
 *
 * The machine's calls write to it, so without a GIL whoever reads it has to be inside the machine: see `held`. */
#include "binding.h"

#include <errno.h>
#include <string.h>

#include "storsim/journal.h"

#ifdef _MSC_VER
#include <io.h>
#define ss_write(fd, bytes, count) _write((fd), (bytes), (unsigned int)(count))
#else
#include <unistd.h>
#define ss_write(fd, bytes, count) write((fd), (bytes), (count))
#endif

typedef struct journal_object {
    PyObject_HEAD
    ss_state_t *state;
    storsim_journal_t *core;
    ss_machine_object_t *machine; /* that it listens to, borrowed; changed in SS_WEAK_BEGIN */
    PyObject *file; /* open, or NULL */
    int descriptor;
    int error;      /* errno of the write that failed, until somebody is told */
    bool shown;     /* somebody in Python holds it: worth a digest at the end */
} journal_object_t;

static const storsim_host_t *raw_host(void);

static void *raw_allocate(void *context, size_t bytes) {
    (void)context;
    return PyMem_RawMalloc(bytes);
}
static void *raw_zeroed(void *context, size_t bytes) {
    (void)context;
    return PyMem_RawCalloc(1, bytes);
}
static void *raw_resize(void *context, void *block, size_t bytes) {
    (void)context;
    return PyMem_RawRealloc(block, bytes);
}
static void raw_release(void *context, void *block) {
    (void)context;
    PyMem_RawFree(block);
}
static const storsim_host_t *raw_host(void) {
    static const storsim_host_t host = {raw_allocate, raw_zeroed, raw_resize, raw_release, NULL};
    return &host;
}

static bool write_file(void *context, const uint8_t *bytes, size_t length) {
    journal_object_t *self = context;
    while (length > 0) {
        size_t part = length < (1u << 30) ? length : (1u << 30);
        long long written = (long long)ss_write(self->descriptor, bytes, part);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            self->error = written < 0 ? errno : EIO;
            return false;
        }
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static PyObject *refuse(storsim_status_t status, const char *what) {
    if (status == STORSIM_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    PyErr_Format(status == STORSIM_REENTRY ? PyExc_RuntimeError : PyExc_ValueError, "%s: %s", what,
                 storsim_status_text(status));
    return NULL;
}

static journal_object_t *new_object(ss_state_t *state, storsim_journal_t *core) {
    PyTypeObject *type = (PyTypeObject *)state->Journal;
    journal_object_t *self = (journal_object_t *)type->tp_alloc(type, 0);
    if (self == NULL) {
        storsim_journal_destroy(core);
        return NULL;
    }
    self->state = state;
    self->core = core;
    self->descriptor = -1;
    return self;
}

int ss_journal_make(ss_machine_object_t *machine, PyObject *settings) {
    unsigned long long limit;
    PyObject *file;
    if (settings == Py_None) {
        return 0;
    }
    if (!PyTuple_Check(settings) || !PyArg_ParseTuple(settings, "KO", &limit, &file)) {
        PyErr_SetString(PyExc_TypeError, "use storsim.Machine, which takes keywords");
        return -1;
    }
    journal_object_t *self = new_object(machine->state, NULL);
    if (self == NULL) {
        return -1;
    }
    storsim_journal_options_t options = {.host = raw_host(), .memory_limit = limit};
    if (file != Py_None) {
        self->descriptor = PyObject_AsFileDescriptor(file);
        if (self->descriptor < 0) {
            Py_DECREF(self);
            return -1;
        }
        self->file = Py_NewRef(file);
        options.sink = write_file;
        options.context = self;
    }
    storsim_status_t status = storsim_journal_create(&options, &self->core);
    if (status != STORSIM_OK) {
        Py_DECREF(self);
        (void)refuse(status, "the journal");
        return -1;
    }
    ss_journal_forsake(machine->journal); /* of an __init__ that failed */
    SS_WEAK_BEGIN();
    self->machine = machine;
    SS_WEAK_END();
    Py_XSETREF(machine->journal, (PyObject *)self);
    return 0;
}

void ss_journal_forsake(PyObject *journal) {
    if (journal != NULL) {
        SS_WEAK_BEGIN();
        ((journal_object_t *)journal)->machine = NULL;
        SS_WEAK_END();
    }
}

#ifdef Py_GIL_DISABLED

/* Goes inside the machine, if there still is one, so that none of its calls writes meanwhile. */
static int hold(journal_object_t *self, bool *inside) {
    for (;;) {
        SS_WEAK_BEGIN();
        ss_machine_object_t *machine = self->machine;
        *inside = machine != NULL && ss_take(machine);
        SS_WEAK_END();
        if (machine == NULL || *inside) {
            return 0;
        }
        if (ss_nap() < 0) {
            return -1;
        }
    }
}

static void let_go(journal_object_t *self, bool inside) {
    SS_WEAK_BEGIN();
    if (inside && self->machine != NULL) { /* else it went away in this very thread */
        ss_give(self->machine);
    }
    SS_WEAK_END();
}

#else

static int hold(journal_object_t *self, bool *inside) {
    (void)self;
    *inside = false;
    return 0;
}

static void let_go(journal_object_t *self, bool inside) {
    (void)self;
    (void)inside;
}

#endif

typedef PyObject *(*act_t)(journal_object_t *self, PyObject *argument);

/* A method, with nobody else in the journal. */
static PyObject *held(journal_object_t *self, PyObject *argument, act_t act) {
    PyObject *result = NULL;
    bool inside;
    if (hold(self, &inside) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    result = act(self, argument);
    Py_END_CRITICAL_SECTION();
    let_go(self, inside);
    return result;
}

storsim_status_t ss_journal_listen(ss_machine_object_t *machine, storsim_machine_t *core) {
    const journal_object_t *self = (journal_object_t *)machine->journal;
    return self ? storsim_journal_attach(self->core, core) : STORSIM_OK;
}

bool ss_journal_complains(PyObject *journal) {
    journal_object_t *self = (journal_object_t *)journal;
    if (self == NULL || self->error == 0) {
        return false;
    }
    errno = self->error;
    self->error = 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return true;
}

/* The descriptor may be somebody else's from here on. */
static void close_file(journal_object_t *self) {
    PyObject *type, *value, *traceback, *file = self->file;
    if (file == NULL) {
        return;
    }
    self->file = NULL;
    self->descriptor = -1;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallMethod(file, "close", NULL);
    Py_XDECREF(done);
    Py_DECREF(file);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

/* Whoever looks at the journal later, or reads its file, can compare the end. */
void ss_journal_close(PyObject *journal) {
    journal_object_t *self = (journal_object_t *)journal;
    if (self != NULL && (self->shown || self->file != NULL)) {
        (void)storsim_journal_seal(self->core);
    }
    if (self != NULL && self->file != NULL) {
        (void)storsim_journal_detach(self->core); /* buffers that are still exported end later */
        close_file(self);
    }
}

static int journal_traverse(journal_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->file);
    return 0;
}

static int journal_clear(journal_object_t *self) {
    (void)self; /* the descriptor is in use as long as the object is; a file reaches nothing of ours */
    return 0;
}

static void journal_dealloc(journal_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    storsim_journal_destroy(self->core);
    close_file(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *journal_decode(PyTypeObject *type, PyObject *source) {
    ss_state_t *state = ss_state_of(type);
    Py_buffer view;
    size_t where = 0;
    storsim_journal_t *core;
    if (state == NULL || PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    storsim_status_t status = storsim_journal_decode(raw_host(), view.buf, (size_t)view.len, &core, &where);
    PyBuffer_Release(&view);
    if (status == STORSIM_FORMAT) {
        PyErr_Format(PyExc_ValueError,
                     "the journal is damaged, or of a newer format than this version reads (noticed at byte %zu)",
                     where);
        return NULL;
    }
    return status == STORSIM_OK ? (PyObject *)new_object(state, core) : refuse(status, "the journal");
}

/* --- what it holds ----------------------------------------------------------------------------------------------- */

static PyObject *journal_encode(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    uint8_t *bytes;
    size_t length;
    storsim_status_t status = storsim_journal_encode(self->core, &bytes, &length);
    if (status != STORSIM_OK) {
        return refuse(status, "the journal");
    }
    PyObject *result = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)length);
    storsim_journal_free(self->core, bytes);
    return result;
}

static PyObject *journal_seal(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    storsim_status_t status = storsim_journal_attached(self->core) ? storsim_journal_seal(self->core) : STORSIM_OK;
    if (status == STORSIM_CALLBACK && ss_journal_complains((PyObject *)self)) {
        return NULL;
    }
    return status == STORSIM_OK ? Py_NewRef(Py_None) : refuse(status, "the journal");
}

static PyObject *journal_note(journal_object_t *self, PyObject *args) {
    const char *key, *value;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "ss#", &key, &value, &length)) {
        return NULL;
    }
    storsim_status_t status = storsim_journal_note(self->core, key, value, (size_t)length);
    if (status == STORSIM_CALLBACK && ss_journal_complains((PyObject *)self)) {
        return NULL;
    }
    return status == STORSIM_OK ? Py_NewRef(Py_None) : refuse(status, "a note");
}

/* --- records as tuples ------------------------------------------------------------------------------------------- */

static uint64_t member_of(const storsim_member_t *member, const void *element) {
    const unsigned char *at = (const unsigned char *)element + member->offset;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (member->width) {
    case 1: memcpy(&u8, at, 1); return u8;
    case 2: memcpy(&u16, at, 2); return u16;
    case 4: memcpy(&u32, at, 4); return u32;
    default: memcpy(&u64, at, 8); return u64;
    }
}

static const storsim_layout_t *layout_of(const storsim_operation_t *operation, storsim_type_t type) {
    return type == STORSIM_T_STRUCT ? operation->layout : storsim_type_layout(type);
}

/* One element of an array: a tuple of its members. */
static PyObject *element_tuple(const storsim_layout_t *layout, const void *element) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)layout->member_count);
    for (uint32_t m = 0; tuple != NULL && m < layout->member_count; m++) {
        PyObject *number = PyLong_FromUnsignedLongLong(member_of(&layout->members[m], element));
        if (number == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)m, number);
        }
    }
    return tuple;
}

static PyObject *array_tuple(const storsim_layout_t *layout, const storsim_arg_t *arg) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)arg->count);
    for (uint32_t i = 0; tuple != NULL && i < arg->count; i++) {
        PyObject *element = element_tuple(layout, (const char *)arg->data + (size_t)i * layout->size);
        if (element == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, element);
        }
    }
    return tuple;
}

/* A number; bytes; text; a tuple of tuples; a count where only that is known; None where there is nothing. */
static PyObject *argument(const storsim_operation_t *operation, storsim_type_t type, const storsim_arg_t *arg) {
    const storsim_layout_t *layout = layout_of(operation, type);
    if (layout != NULL) {
        return arg->data ? array_tuple(layout, arg) : Py_NewRef(Py_None);
    }
    if (type == STORSIM_T_BYTES || type == STORSIM_T_TEXT) {
        if (arg->data == NULL) {
            return arg->count ? PyLong_FromUnsignedLong(arg->count) : Py_NewRef(Py_None);
        }
        return type == STORSIM_T_TEXT ? PyUnicode_DecodeUTF8(arg->data, (Py_ssize_t)arg->count, "replace")
                                      : PyBytes_FromStringAndSize(arg->data, (Py_ssize_t)arg->count);
    }
    return arg->present ? PyLong_FromUnsignedLongLong(arg->value) : Py_NewRef(Py_None);
}

static PyObject *call_arguments(const storsim_record_t *record) {
    uint8_t count = record->operation.arg_count;
    PyObject *tuple = PyTuple_New(count);
    for (uint8_t i = 0; tuple != NULL && i < count; i++) {
        const storsim_param_t *param = storsim_operation_param(&record->operation, i);
        bool back = record->kind == STORSIM_RECORD_RETURN;
        PyObject *item = back && !record->args[i].written ? Py_NewRef(Py_None)
                                                           : argument(&record->operation, param->type, &record->args[i]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

static PyObject *bytes_or_none(const void *data, size_t count) {
    return data ? PyBytes_FromStringAndSize(data, (Py_ssize_t)count) : Py_NewRef(Py_None);
}

static PyObject *content(const storsim_record_t *record) {
    const storsim_callback_t *callback = &record->callback;
    switch (record->kind) {
    case STORSIM_RECORD_CALL:
    case STORSIM_RECORD_RETURN:
        return call_arguments(record);
    case STORSIM_RECORD_CALLBACK:
        return Py_BuildValue("(iK(KKKKKK)n)", (int)callback->kind, (unsigned long long)callback->routine,
                             (unsigned long long)callback->values[0], (unsigned long long)callback->values[1],
                             (unsigned long long)callback->values[2], (unsigned long long)callback->values[3],
                             (unsigned long long)callback->values[4], (unsigned long long)callback->values[5],
                             (Py_ssize_t)callback->data_bytes);
    case STORSIM_RECORD_ANSWER:
        return Py_BuildValue("(KN)", (unsigned long long)callback->result,
                             bytes_or_none(callback->data, callback->data_bytes));
    case STORSIM_RECORD_STORE:
        return Py_BuildValue("(KKN)", (unsigned long long)record->args[0].value,
                             (unsigned long long)record->args[1].value,
                             bytes_or_none(record->args[2].data, record->args[2].count));
    case STORSIM_RECORD_NOTE:
        return Py_BuildValue("(NN)", PyUnicode_DecodeUTF8(record->args[0].data, record->args[0].count, "replace"),
                             bytes_or_none(record->args[1].data, record->args[1].count));
    case STORSIM_RECORD_MACHINE:
        return Py_BuildValue("(KKKKKNN)", (unsigned long long)record->args[0].value,
                             (unsigned long long)record->args[1].value, (unsigned long long)record->args[2].value,
                             (unsigned long long)record->args[3].value, (unsigned long long)record->args[4].value,
                             array_tuple(storsim_type_layout(STORSIM_T_ULONGLONGS), &record->args[5]),
                             bytes_or_none(record->args[6].data, record->args[6].count));
    case STORSIM_RECORD_SEAL:
        break;
    }
    return PyTuple_New(0);
}

/* (kind, operation id, site, depth, status, result, content) */
static PyObject *record_tuple(const storsim_record_t *record) {
    PyObject *inside = content(record);
    return inside ? Py_BuildValue("(iiIIiKN)", (int)record->kind, (int)record->operation.id, record->site,
                                  record->depth, (int)record->status, (unsigned long long)record->result, inside)
                  : NULL;
}

static PyObject *journal_records(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    storsim_journal_cursor_t *cursor;
    storsim_status_t status = storsim_journal_open(self->core, &cursor);
    PyObject *list = status == STORSIM_OK ? PyList_New(0) : refuse(status, "the journal");
    bool end = false;
    while (list != NULL && !end) {
        storsim_record_t record;
        status = storsim_journal_next(cursor, &record, &end);
        PyObject *tuple = status != STORSIM_OK ? refuse(status, "the journal") : end ? NULL : record_tuple(&record);
        if ((tuple == NULL && !(status == STORSIM_OK && end)) || (tuple != NULL && PyList_Append(list, tuple) < 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    if (status == STORSIM_OK || list != NULL) {
        storsim_journal_close(cursor);
    }
    return list;
}

/* --- links ------------------------------------------------------------------------------------------------------- */

static int add_link(PyObject *dict, const storsim_journal_links_t *links, uint32_t record, uint8_t index,
                    uint32_t element, uint32_t member) {
    storsim_reference_t found = storsim_links_get(links, record, index, element, member);
    if (found.record == STORSIM_NO_RECORD) {
        return 0;
    }
    PyObject *key = Py_BuildValue("(IiII)", record, (int)index, element, member);
    PyObject *value = Py_BuildValue("(IiiIIK)", found.record, (int)found.by, (int)found.output, found.element,
                                    found.member, (unsigned long long)found.offset);
    int failed = !key || !value || PyDict_SetItem(dict, key, value) < 0 ? -1 : 0;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return failed;
}

static int add_links(PyObject *dict, const storsim_journal_links_t *links, uint32_t index,
                     const storsim_record_t *record) {
    if (record->kind == STORSIM_RECORD_STORE) {
        return add_link(dict, links, index, 0, 0, 0);
    }
    int failed = 0;
    for (uint8_t i = 0; record->kind == STORSIM_RECORD_CALL && !failed && i < record->operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&record->operation, i);
        const storsim_layout_t *layout = layout_of(&record->operation, param->type);
        if (layout == NULL) {
            failed = add_link(dict, links, index, i, 0, 0);
        }
        bool names = param->type == STORSIM_T_RANGES || param->type == STORSIM_T_HANDLES;
        for (uint32_t e = 0; layout != NULL && names && record->args[i].data && !failed && e < record->args[i].count; e++) {
            failed = add_link(dict, links, index, i, e, 0);
        }
    }
    return failed;
}

/* {(record, argument, element, member): (record, by, output, element, member, offset)} */
static PyObject *journal_links(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    storsim_journal_links_t *links;
    storsim_journal_cursor_t *cursor = NULL;
    storsim_status_t status = storsim_journal_link(self->core, &links);
    if (status != STORSIM_OK) {
        return refuse(status, "the journal cannot be replayed");
    }
    PyObject *dict = PyDict_New();
    status = storsim_journal_open(self->core, &cursor);
    bool end = false;
    for (uint32_t index = 0; dict != NULL && status == STORSIM_OK && !end; index++) {
        storsim_record_t record;
        status = storsim_journal_next(cursor, &record, &end);
        if (status == STORSIM_OK && !end && add_links(dict, links, index, &record) < 0) {
            Py_CLEAR(dict);
        }
    }
    storsim_journal_close(cursor);
    storsim_links_destroy(links);
    if (status != STORSIM_OK) {
        Py_CLEAR(dict);
        return refuse(status, "the journal");
    }
    return dict;
}

/* --- replay and shrink ------------------------------------------------------------------------------------------- */

static PyObject *journal_replay(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    storsim_replay_report_t report;
    storsim_status_t status = storsim_journal_replay(self->core, raw_host(), NULL, &report);
    if (status != STORSIM_OK) {
        return refuse(status, "the journal cannot be replayed");
    }
    return Py_BuildValue("(nNnNKs)", (Py_ssize_t)report.calls, PyBool_FromLong(report.different),
                         (Py_ssize_t)report.record, PyBool_FromLong(report.sealed), (unsigned long long)report.digest,
                         report.text);
}

typedef struct search {
    PyObject *progress;
    bool failed;
} search_t;

static bool progress(void *context, uint64_t tried, size_t calls) {
    search_t *search = context;
    if ((tried & 15) != 0) {
        return true;
    }
    if (PyErr_CheckSignals() < 0) {
        search->failed = true;
        return false;
    }
    if (search->progress == Py_None) {
        return true;
    }
    PyObject *answer = PyObject_CallFunction(search->progress, "Kn", (unsigned long long)tried, (Py_ssize_t)calls);
    int go = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    search->failed = go < 0;
    return go > 0;
}

static PyObject *key_tuple(const storsim_finding_key_t *key) {
    const storsim_routine_t *row = key->routine ? storsim_ddi_routine(key->routine) : NULL;
    return Py_BuildValue("(iszKK)", (int)key->kind, key->name, row ? row->name : NULL, (unsigned long long)key->code,
                         (unsigned long long)key->parameter1);
}

/* (key or None, budget, keep_arguments, progress or None) → (Journal, (key, before, after, tried, minimal)) */
static PyObject *journal_shrink(journal_object_t *self, PyObject *args) {
    PyObject *key;
    unsigned long long budget;
    int keep;
    search_t search = {0};
    storsim_finding_key_t wanted = {0};
    if (!PyArg_ParseTuple(args, "OKpO", &key, &budget, &keep, &search.progress)) {
        return NULL;
    }
    if (key != Py_None) {
        int kind, routine;
        unsigned long long code, parameter;
        if (!PyArg_ParseTuple(key, "isiKK", &kind, &wanted.name, &routine, &code, &parameter)) {
            return NULL;
        }
        wanted.kind = (storsim_class_t)kind;
        wanted.routine = (uint16_t)routine;
        wanted.code = code;
        wanted.parameter1 = parameter;
    }
    const storsim_shrink_options_t options = {.key = key != Py_None ? &wanted : NULL,
                                              .budget = budget,
                                              .keep_arguments = keep != 0,
                                              .progress = progress,
                                              .context = &search};
    storsim_journal_t *shrunk;
    storsim_shrink_report_t report;
    storsim_status_t status = storsim_journal_shrink(self->core, &options, &shrunk, &report);
    if (search.failed) {
        if (status == STORSIM_OK) {
            storsim_journal_destroy(shrunk);
        }
        return NULL;
    }
    if (status != STORSIM_OK) {
        if (status == STORSIM_INVALID) {
            PyErr_SetString(PyExc_ValueError, "the journal, replayed, meets no such finding: there is nothing to shrink");
            return NULL;
        }
        return refuse(status, "the journal cannot be shrunk");
    }
    PyObject *found = key_tuple(&report.key);
    journal_object_t *made = new_object(self->state, shrunk);
    if (found == NULL || made == NULL) {
        Py_XDECREF(found);
        Py_XDECREF(made);
        return NULL;
    }
    return Py_BuildValue("(N(NnnKN))", (PyObject *)made, found, (Py_ssize_t)report.calls_before,
                         (Py_ssize_t)report.calls_after, (unsigned long long)report.tried,
                         PyBool_FromLong(report.minimal));
}

/* --- operations as data ------------------------------------------------------------------------------------------ */

static PyObject *members_tuple(const storsim_layout_t *layout) {
    PyObject *tuple = PyTuple_New(layout ? (Py_ssize_t)layout->member_count : 0);
    for (uint32_t m = 0; tuple != NULL && layout != NULL && m < layout->member_count; m++) {
        PyObject *name = PyUnicode_FromString(layout->members[m].name);
        if (name == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)m, name);
        }
    }
    return tuple;
}

static PyObject *params_tuple(const storsim_operation_t *operation) {
    PyObject *tuple = PyTuple_New(operation->arg_count);
    for (uint8_t i = 0; tuple != NULL && i < operation->arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(operation, i);
        PyObject *item = Py_BuildValue("(siiN)", param->name, (int)param->type, (int)param->flags,
                                       members_tuple(layout_of(operation, param->type)));
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

/* ((id, name, family or None, flags, parameters), …): family 0 Storport, 1 HD Audio; parameters (name, type, flags, members). */
PyObject *ss_operations(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    size_t count = storsim_operation_count();
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; tuple != NULL && i < count; i++) {
        storsim_operation_t operation;
        (void)storsim_operation_at(i, &operation);
        PyObject *family = operation.routine ? PyLong_FromLong((long)operation.routine->family) : Py_NewRef(Py_None);
        PyObject *item = Py_BuildValue("(isNiN)", (int)operation.id, operation.name, family, (int)operation.flags,
                                       params_tuple(&operation));
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
        }
    }
    return tuple;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

static PyObject *journal_show(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {
    self->shown = true;
    Py_RETURN_NONE;
}

/* X(name, its value, documentation) */
#define ATTRIBUTE_MAP(X)                                                                                               \
    X(count, PyLong_FromSize_t(storsim_journal_count(self->core)), "Records.")                                         \
    X(calls, PyLong_FromSize_t(storsim_journal_calls(self->core)), "Operations.")                                      \
    X(bytes, PyLong_FromUnsignedLongLong(storsim_journal_bytes(self->core)), "Bytes of records in memory.")            \
    X(full, PyBool_FromLong(storsim_journal_full(self->core)), "Whether the memory limit ended the recording.")        \
    X(torn, PyBool_FromLong(storsim_journal_torn(self->core)), "Whether its bytes stopped inside a record.")           \
    X(attached, PyBool_FromLong(storsim_journal_attached(self->core)), "Whether its machine still runs.")

#define ATTRIBUTE(name, value, doc)                                                                                    \
    static PyObject *attribute_##name(journal_object_t *self, PyObject *Py_UNUSED(ignored)) {                          \
        return value;                                                                                                  \
    }                                                                                                                  \
    static PyObject *get_##name(journal_object_t *self, void *Py_UNUSED(closure)) {                                    \
        return held(self, NULL, attribute_##name);                                                                     \
    }
ATTRIBUTE_MAP(ATTRIBUTE)
#undef ATTRIBUTE

#define METHOD(name)                                                                                                   \
    static PyObject *held_##name(journal_object_t *self, PyObject *argument) {                                         \
        return held(self, argument, journal_##name);                                                                   \
    }
METHOD(encode)
METHOD(seal)
METHOD(note)
METHOD(show)
METHOD(records)
METHOD(links)
METHOD(replay)
#undef METHOD

/* The search takes long and calls back. It has what was recorded so far to itself, so that nobody waits for it: the machine may go on, or be
 * closed. */
static PyObject *journal_shrink_copy(journal_object_t *self, PyObject *args) {
    PyObject *bytes = held(self, NULL, journal_encode);
    PyObject *copy = bytes ? journal_decode(Py_TYPE(self), bytes) : NULL;
    PyObject *result = copy ? journal_shrink((journal_object_t *)copy, args) : NULL;
    Py_XDECREF(copy);
    Py_XDECREF(bytes);
    return result;
}

static PyGetSetDef journal_getset[] = {
#define ATTRIBUTE(name, value, doc) {#name, (getter)get_##name, NULL, PyDoc_STR(doc), NULL},
    ATTRIBUTE_MAP(ATTRIBUTE)
#undef ATTRIBUTE
        {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef journal_methods[] = {
    {"decode", (PyCFunction)journal_decode, METH_O | METH_CLASS,
     PyDoc_STR("decode($type, data, /)\n--\n\nA journal from bytes.")},
    {"encode", (PyCFunction)held_encode, METH_NOARGS, PyDoc_STR("encode($self, /)\n--\n\nIts bytes.")},
    {"seal", (PyCFunction)held_seal, METH_NOARGS,
     PyDoc_STR("seal($self, /)\n--\n\nAppends the digest while the machine lives.")},
    {"note", (PyCFunction)held_note, METH_VARARGS, PyDoc_STR("note($self, key, value, /)\n--\n\nAppends a word.")},
    {"show", (PyCFunction)held_show, METH_NOARGS,
     PyDoc_STR("show($self, /)\n--\n\nSomebody holds it: it gets a digest when its machine is closed.")},
    {"records", (PyCFunction)held_records, METH_NOARGS,
     PyDoc_STR("records($self, /)\n--\n\nRecords as (kind, operation, site, depth, status, result, content).")},
    {"links", (PyCFunction)held_links, METH_NOARGS,
     PyDoc_STR("links($self, /)\n--\n\nWhich input is which earlier output.")},
    {"replay", (PyCFunction)held_replay, METH_NOARGS,
     PyDoc_STR("replay($self, /)\n--\n\n(calls, different, record, sealed, digest, text).")},
    {"shrink", (PyCFunction)journal_shrink_copy, METH_VARARGS,
     PyDoc_STR("shrink($self, key, budget, keep_arguments, progress, /)\n--\n\n(Journal, (key, before, after, tried, "
               "minimal)).")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot journal_slots[] = {{Py_tp_doc, (void *)PyDoc_STR("The C half of storsim.journal.Journal.")},
                                      {Py_tp_dealloc, journal_dealloc},
                                      {Py_tp_traverse, journal_traverse},
                                      {Py_tp_clear, journal_clear},
                                      {Py_tp_methods, journal_methods},
                                      {Py_tp_getset, journal_getset},
                                      {0, NULL}};

PyType_Spec ss_journal_spec = {"storsim._core.Journal", sizeof(journal_object_t), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
                                   Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               journal_slots};
