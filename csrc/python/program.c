/* python/program.c: byte strings as programs (fuzz/fuzz.h): run one, make one up. */
#include "binding.h"

#include <string.h>

#include "fuzz/digest.h"
#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "storsim/behaviour.h"
#include "storsim/ddi.h"
#include "storsim/journal.h"

typedef struct run {
    PyObject *findings;         /* [(machine, kind, name, routine, irql, time, text), …] */
    storsim_journal_t *journal; /* of the machine under way */
    PyObject *bytes;            /* of the last journal */
    uint64_t machines;
    bool journals;
} run_t;

static const char *const classes[] = {"note", "violation", "bugcheck"};

static void begins(void *context, storsim_machine_t *machine) {
    run_t *run = context;
    run->machines++;
    if (run->journals && storsim_journal_create(NULL, &run->journal) == STORSIM_OK) {
        (void)storsim_journal_attach(run->journal, machine);
    }
}

static void keep_finding(run_t *run, const storsim_machine_t *machine, const storsim_finding_t *finding) {
    char text[2048];
    (void)storsim_finding_text(machine, finding, text, sizeof text);
    const storsim_routine_t *routine = storsim_ddi_routine(finding->routine);
    PyObject *item = Py_BuildValue("(KsszBKs)", (unsigned long long)run->machines, classes[finding->kind], finding->name,
                                   routine ? routine->name : NULL, finding->irql, (unsigned long long)finding->time, text);
    if (item == NULL || PyList_Append(run->findings, item) < 0) {
        PyErr_Clear(); /* out of memory: a finding less */
    }
    Py_XDECREF(item);
}

static void keep_journal(run_t *run) {
    uint8_t *bytes;
    size_t length;
    (void)storsim_journal_seal(run->journal);
    if (storsim_journal_encode(run->journal, &bytes, &length) == STORSIM_OK) {
        PyObject *kept = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)length);
        storsim_journal_free(run->journal, bytes);
        if (kept != NULL) {
            Py_XSETREF(run->bytes, kept);
        } else {
            PyErr_Clear();
        }
    }
}

static void ends(void *context, storsim_machine_t *machine) {
    run_t *run = context;
    for (size_t i = 0; i < storsim_finding_count(machine); i++) {
        keep_finding(run, machine, storsim_finding_get(machine, i));
    }
    if (run->journal != NULL) {
        keep_journal(run);
        (void)storsim_journal_detach(run->journal);
        storsim_journal_destroy(run->journal);
        run->journal = NULL;
    }
}

/* _run_program(data, thorough, journal) -> (operations, calls, machines, difference, behaviours, findings, journal) */
PyObject *ss_bytes_run(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer view;
    int thorough, journals;
    if (!PyArg_ParseTuple(args, "y*pp", &view, &thorough, &journals)) {
        return NULL;
    }
    run_t run = {.findings = PyList_New(0), .bytes = Py_NewRef(Py_None), .journals = journals};
    PyObject *behaviours = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)storsim_behaviour_bytes()), *result = NULL;
    if (run.findings != NULL && behaviours != NULL) {
        fuzz_options_t options = {.thorough = thorough,
                                  .behaviours = (uint8_t *)PyBytes_AS_STRING(behaviours),
                                  .behaviours_length = storsim_behaviour_bytes(),
                                  .begins = begins,
                                  .ends = ends,
                                  .context = &run};
        (void)storsim_behaviour_set_init(options.behaviours, options.behaviours_length);
        fuzz_report_t report;
        if (fuzz_run(view.buf, (size_t)view.len, &options, &report) == STORSIM_OK) {
            result = Py_BuildValue("(KKKzOOO)", (unsigned long long)report.operations, (unsigned long long)report.calls,
                                   (unsigned long long)report.machines, report.different ? report.text : NULL, behaviours,
                                   run.findings, run.bytes);
        } else {
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&view);
    Py_XDECREF(behaviours);
    Py_XDECREF(run.findings);
    Py_XDECREF(run.bytes);
    return result;
}

/* _digest_program(data) -> int */
PyObject *ss_bytes_digest(PyObject *Py_UNUSED(module), PyObject *data) {
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    uint64_t digest = 0;
    storsim_status_t status = fuzz_digest(view.buf, (size_t)view.len, &digest);
    PyBuffer_Release(&view);
    if (status == STORSIM_OK) {
        return PyLong_FromUnsignedLongLong(digest);
    }
    if (status == STORSIM_INVALID) {
        PyErr_SetString(PyExc_RuntimeError, "the core differs from its oracle; run_bytes says where");
        return NULL;
    }
    return PyErr_NoMemory();
}

/* _make_program(seed, index) -> bytes */
PyObject *ss_bytes_make(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long long seed, index;
    if (!PyArg_ParseTuple(args, "KK", &seed, &index)) {
        return NULL;
    }
    uint8_t *bytes = PyMem_Malloc(MAKE_BYTES);
    if (bytes == NULL) {
        return PyErr_NoMemory();
    }
    size_t length = make_program(bytes, seed, index);
    PyObject *result = PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)length);
    PyMem_Free(bytes);
    return result;
}
