/* tests/trust/capi_fail.h: forced into every file of the binding in a test build, so that any fallible call of the C API
 * can be made to fail. Each wrapped call counts; the one whose number is armed fails as the real one would when memory
 * runs out. ss_capi_fails keeps the sites (file, line, function) that were passed and those that failed. */
#ifndef SS_CAPI_FAIL_H
#define SS_CAPI_FAIL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

int ss_capi_fails(const char *function, const char *file, int line, int sets_exception);

#define SS_FAIL(function, value, call) (ss_capi_fails(function, __FILE__, __LINE__, 1) ? (value) : (call))
#define SS_QUIET(function, value, call) (ss_capi_fails(function, __FILE__, __LINE__, 0) ? (value) : (call))

/* NULL with an exception. */
#define PyLong_FromUnsignedLongLong(...) SS_FAIL("PyLong_FromUnsignedLongLong", NULL, PyLong_FromUnsignedLongLong(__VA_ARGS__))
#define PyLong_FromUnsignedLong(...) SS_FAIL("PyLong_FromUnsignedLong", NULL, PyLong_FromUnsignedLong(__VA_ARGS__))
#define PyLong_FromLong(...) SS_FAIL("PyLong_FromLong", NULL, PyLong_FromLong(__VA_ARGS__))
#define PyLong_FromSize_t(...) SS_FAIL("PyLong_FromSize_t", NULL, PyLong_FromSize_t(__VA_ARGS__))
#define PyUnicode_FromFormat(...) SS_FAIL("PyUnicode_FromFormat", NULL, PyUnicode_FromFormat(__VA_ARGS__))
#define PyUnicode_FromString(...) SS_FAIL("PyUnicode_FromString", NULL, PyUnicode_FromString(__VA_ARGS__))
#define PyUnicode_InternFromString(...) SS_FAIL("PyUnicode_InternFromString", NULL, PyUnicode_InternFromString(__VA_ARGS__))
#define PyUnicode_Substring(...) SS_FAIL("PyUnicode_Substring", NULL, PyUnicode_Substring(__VA_ARGS__))
#define PyList_New(...) SS_FAIL("PyList_New", NULL, PyList_New(__VA_ARGS__))
#define PyTuple_New(...) SS_FAIL("PyTuple_New", NULL, PyTuple_New(__VA_ARGS__))
#define PyDict_New(...) SS_FAIL("PyDict_New", NULL, PyDict_New(__VA_ARGS__))
#define PyDict_Copy(...) SS_FAIL("PyDict_Copy", NULL, PyDict_Copy(__VA_ARGS__))
#define PySet_New(...) SS_FAIL("PySet_New", NULL, PySet_New(__VA_ARGS__))
#define PyBytes_FromStringAndSize(...) SS_FAIL("PyBytes_FromStringAndSize", NULL, PyBytes_FromStringAndSize(__VA_ARGS__))
#define PyBytes_FromObject(...) SS_FAIL("PyBytes_FromObject", NULL, PyBytes_FromObject(__VA_ARGS__))
#define PyByteArray_FromStringAndSize(...) \
    SS_FAIL("PyByteArray_FromStringAndSize", NULL, PyByteArray_FromStringAndSize(__VA_ARGS__))
#define PyObject_CallOneArg(...) SS_FAIL("PyObject_CallOneArg", NULL, PyObject_CallOneArg(__VA_ARGS__))
#define PyObject_CallFunctionObjArgs(...) \
    SS_FAIL("PyObject_CallFunctionObjArgs", NULL, PyObject_CallFunctionObjArgs(__VA_ARGS__))
#define PyObject_Vectorcall(...) SS_FAIL("PyObject_Vectorcall", NULL, PyObject_Vectorcall(__VA_ARGS__))
#define PyObject_GetAttrString(...) SS_FAIL("PyObject_GetAttrString", NULL, PyObject_GetAttrString(__VA_ARGS__))
#define PyObject_GetAttr(...) SS_FAIL("PyObject_GetAttr", NULL, PyObject_GetAttr(__VA_ARGS__))
#define PyObject_Str(...) SS_FAIL("PyObject_Str", NULL, PyObject_Str(__VA_ARGS__))
#define PyObject_GetIter(...) SS_FAIL("PyObject_GetIter", NULL, PyObject_GetIter(__VA_ARGS__))
#define PyObject_RichCompare(...) SS_FAIL("PyObject_RichCompare", NULL, PyObject_RichCompare(__VA_ARGS__))
#define PySequence_Tuple(...) SS_FAIL("PySequence_Tuple", NULL, PySequence_Tuple(__VA_ARGS__))
#define PySequence_GetItem(...) SS_FAIL("PySequence_GetItem", NULL, PySequence_GetItem(__VA_ARGS__))
#define PyNumber_Index(...) SS_FAIL("PyNumber_Index", NULL, PyNumber_Index(__VA_ARGS__))
#define PyNumber_Long(...) SS_FAIL("PyNumber_Long", NULL, PyNumber_Long(__VA_ARGS__))
#define PyStructSequence_New(...) SS_FAIL("PyStructSequence_New", NULL, PyStructSequence_New(__VA_ARGS__))
#define PyStructSequence_NewType(...) SS_FAIL("PyStructSequence_NewType", NULL, PyStructSequence_NewType(__VA_ARGS__))
#define PyImport_ImportModule(...) SS_FAIL("PyImport_ImportModule", NULL, PyImport_ImportModule(__VA_ARGS__))
#define PyMemoryView_FromObject(...) SS_FAIL("PyMemoryView_FromObject", NULL, PyMemoryView_FromObject(__VA_ARGS__))
#define PyDict_GetItemWithError(...) SS_FAIL("PyDict_GetItemWithError", NULL, PyDict_GetItemWithError(__VA_ARGS__))
/* -1 with an exception. */
#define PyList_Append(...) SS_FAIL("PyList_Append", -1, PyList_Append(__VA_ARGS__))
#define PyDict_SetItem(...) SS_FAIL("PyDict_SetItem", -1, PyDict_SetItem(__VA_ARGS__))
#define PyDict_SetItemString(...) SS_FAIL("PyDict_SetItemString", -1, PyDict_SetItemString(__VA_ARGS__))
#define PyDict_Contains(...) SS_FAIL("PyDict_Contains", -1, PyDict_Contains(__VA_ARGS__))
#define PyObject_SetAttrString(...) SS_FAIL("PyObject_SetAttrString", -1, PyObject_SetAttrString(__VA_ARGS__))
#define PyObject_SetAttr(...) SS_FAIL("PyObject_SetAttr", -1, PyObject_SetAttr(__VA_ARGS__))
#define PyObject_IsTrue(...) SS_FAIL("PyObject_IsTrue", -1, PyObject_IsTrue(__VA_ARGS__))
#define PyObject_RichCompareBool(...) SS_FAIL("PyObject_RichCompareBool", -1, PyObject_RichCompareBool(__VA_ARGS__))
#define PyObject_GetBuffer(...) SS_FAIL("PyObject_GetBuffer", -1, PyObject_GetBuffer(__VA_ARGS__))
#define PyObject_Hash(...) SS_FAIL("PyObject_Hash", -1, PyObject_Hash(__VA_ARGS__))
#define PySet_Add(...) SS_FAIL("PySet_Add", -1, PySet_Add(__VA_ARGS__))
#define PySet_Contains(...) SS_FAIL("PySet_Contains", -1, PySet_Contains(__VA_ARGS__))
#define PyErr_WarnExplicitObject(...) SS_FAIL("PyErr_WarnExplicitObject", -1, PyErr_WarnExplicitObject(__VA_ARGS__))
#define PyErr_WarnEx(...) SS_FAIL("PyErr_WarnEx", -1, PyErr_WarnEx(__VA_ARGS__))
/* The type's own failing value. */
#define PyLong_AsUnsignedLongLong(...) \
    SS_FAIL("PyLong_AsUnsignedLongLong", (unsigned long long)-1, PyLong_AsUnsignedLongLong(__VA_ARGS__))
#define PyLong_AsUnsignedLong(...) SS_FAIL("PyLong_AsUnsignedLong", (unsigned long)-1, PyLong_AsUnsignedLong(__VA_ARGS__))
#if PY_VERSION_HEX < 0x030D0000 /* there the plain names are macros for these */
#undef PyArg_ParseTuple
#undef PyObject_CallFunction
#define PyArg_ParseTuple(...) SS_FAIL("PyArg_ParseTuple", 0, _PyArg_ParseTuple_SizeT(__VA_ARGS__))
#define PyObject_CallFunction(...) SS_FAIL("PyObject_CallFunction", NULL, _PyObject_CallFunction_SizeT(__VA_ARGS__))
#else
#define PyArg_ParseTuple(...) SS_FAIL("PyArg_ParseTuple", 0, PyArg_ParseTuple(__VA_ARGS__))
#define PyObject_CallFunction(...) SS_FAIL("PyObject_CallFunction", NULL, PyObject_CallFunction(__VA_ARGS__))
#endif
#define PyArg_UnpackTuple(...) SS_FAIL("PyArg_UnpackTuple", 0, PyArg_UnpackTuple(__VA_ARGS__))
/* NULL, and the caller says why. */
#define PyMem_Malloc(...) SS_QUIET("PyMem_Malloc", NULL, PyMem_Malloc(__VA_ARGS__))
#define PyMem_Calloc(...) SS_QUIET("PyMem_Calloc", NULL, PyMem_Calloc(__VA_ARGS__))
#define PyMem_Realloc(...) SS_QUIET("PyMem_Realloc", NULL, PyMem_Realloc(__VA_ARGS__))
#define PyThread_allocate_lock(...) SS_QUIET("PyThread_allocate_lock", NULL, PyThread_allocate_lock(__VA_ARGS__))

#endif
