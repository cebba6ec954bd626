/* tests/bench/yard.c: yardsticks. A CPython extension whose functions have the shape of storsim's calls and do nothing else: they take
 * the same arguments, read them into the same C types, look where they were called from, and hand back what looks the same. What a
 * call of storsim costs beyond them is conversion it could do better, checks, and the simulation itself.
 *
 * Built for each run into a temporary directory, with the compiler that is there. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <structseq.h>
#include <time.h>

typedef struct machine {
    PyObject_HEAD
    uint64_t sum; /* so that no argument is optimised away */
    PyObject *code;
    int line;
} machine_t;

static PyTypeObject *result_type;
static PyObject *success;

static int number(PyObject *object, uint64_t *value) {
    unsigned long long read = PyLong_AsUnsignedLongLong(object);
    if (read == (unsigned long long)-1 && PyErr_Occurred()) {
        return -1;
    }
    *value = read;
    return 0;
}

/* The caller's code object and where in it the call is: its line, or, which is cheaper, the instruction, from which the line can be worked
 * out later. */
static int lines = 1;

static void caller(machine_t *self) {
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame != NULL) {
        PyObject *code = (PyObject *)PyFrame_GetCode(frame);
        self->line = lines ? PyFrame_GetLineNumber(frame) : PyFrame_GetLasti(frame);
        self->code = code;
        Py_DECREF(code); /* the frame keeps it while the call lasts */
    }
}

static PyObject *take_lines(PyObject *module, PyObject *truth) {
    (void)module;
    lines = PyObject_IsTrue(truth);
    Py_RETURN_NONE;
}

static int parse(PyObject *const *args, Py_ssize_t count, Py_ssize_t wanted, machine_t **self) {
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "takes %zd arguments", wanted);
        return -1;
    }
    *self = (machine_t *)args[0];
    for (Py_ssize_t i = 1; i < count; i++) {
        uint64_t value;
        if (number(args[i], &value) < 0) {
            return -1;
        }
        (*self)->sum += value;
    }
    return 0;
}

static PyObject *allocate(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    machine_t *self;
    (void)module;
    if (parse(args, count, 7, &self) < 0) {
        return NULL;
    }
    caller(self);
    PyObject *result = PyStructSequence_New(result_type);
    if (result != NULL) {
        PyStructSequence_SET_ITEM(result, 0, Py_NewRef(success));
        PyStructSequence_SET_ITEM(result, 1, PyLong_FromUnsignedLongLong(UINT64_C(0xFFFFA00000001000) + (self->sum & 0xFFF000)));
        PyStructSequence_SET_ITEM(result, 2, PyLong_FromUnsignedLongLong(UINT64_C(0x123456000) + (self->sum & 0xFFF000)));
    }
    return result;
}

static PyObject *release(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    machine_t *self;
    (void)module;
    if (parse(args, count, 5, &self) < 0) {
        return NULL;
    }
    caller(self);
    return Py_NewRef(success);
}

/* machine.read(offset, size) */
static PyObject *machine_read(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    machine_t *self = (machine_t *)object;
    uint64_t offset, size;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "read takes (offset, size)");
        return NULL;
    }
    if (number(args[0], &offset) < 0 || number(args[1], &size) < 0) {
        return NULL;
    }
    caller(self);
    self->sum += offset ^ size;
    return PyLong_FromUnsignedLongLong(self->sum & 0xFFFF);
}

static PyObject *machine_int(PyObject *object) {
    machine_t *self = (machine_t *)object;
    caller(self);
    return PyLong_FromUnsignedLongLong(++self->sum & 0xFFFF);
}

/* callbacks(function, first, second, times): a notification is a Python function called from C with two arguments. */
static PyObject *callbacks(PyObject *module, PyObject *args) {
    PyObject *function, *first, *second;
    Py_ssize_t times;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOn", &function, &first, &second, &times)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < times; i++) {
        PyObject *stack[] = {NULL, first, second};
        PyObject *result = PyObject_Vectorcall(function, stack + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (result == NULL) {
            return NULL;
        }
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

/* copies(to, from, bytes, times): memcpy of `bytes` bytes from one buffer to another, piece by piece and round and round, as a
 * stream moves through its cyclic buffers. */
static PyObject *copies(PyObject *module, PyObject *args) {
    Py_buffer to, from;
    Py_ssize_t piece, times;
    (void)module;
    if (!PyArg_ParseTuple(args, "w*y*nn", &to, &from, &piece, &times)) {
        return NULL;
    }
    Py_ssize_t at = 0, into = 0;
    for (Py_ssize_t i = 0; i < times; i++) {
        memcpy((char *)to.buf + into, (const char *)from.buf + at, (size_t)piece);
        at = at + 2 * piece <= from.len ? at + piece : 0;
        into = into + 2 * piece <= to.len ? into + piece : 0;
    }
    PyBuffer_Release(&to);
    PyBuffer_Release(&from);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"allocate", (PyCFunction)(void (*)(void))allocate, METH_FASTCALL, NULL},
                                {"release", (PyCFunction)(void (*)(void))release, METH_FASTCALL, NULL},
                                {"take_lines", take_lines, METH_O, NULL},
                                {"callbacks", callbacks, METH_VARARGS, NULL},
                                {"copies", copies, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};

static PyMethodDef machine_methods[] = {{"read", (PyCFunction)(void (*)(void))machine_read, METH_FASTCALL, NULL},
                                        {NULL, NULL, 0, NULL}};
static PyType_Slot machine_slots[] = {
    {Py_tp_methods, machine_methods}, {Py_nb_int, machine_int}, {Py_nb_index, machine_int}, {0, NULL}};
static PyType_Spec machine_spec = {"yard.Machine", sizeof(machine_t), 0, Py_TPFLAGS_DEFAULT, machine_slots};

static PyStructSequence_Field fields[] = {{"status", NULL}, {"BufferPointer", NULL}, {"PhysicalAddress", NULL}, {NULL, NULL}};
static PyStructSequence_Desc description = {"yard.Result", NULL, fields, 3};
static struct PyModuleDef module_definition = {PyModuleDef_HEAD_INIT, "yard", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_yard(void);
PyMODINIT_FUNC PyInit_yard(void) {
    PyObject *module = PyModule_Create(&module_definition);
    result_type = PyStructSequence_NewType(&description);
    success = PyLong_FromLong(0);
    if (module == NULL || result_type == NULL || success == NULL ||
        PyModule_AddObject(module, "Machine", PyType_FromSpec(&machine_spec)) < 0) {
        return NULL;
    }
    return module;
}
