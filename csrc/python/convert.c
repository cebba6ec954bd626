/* python/convert.c: Python numbers to C numbers and statuses back. Everything that does not fit is refused before the
 * call, with the parameter, its C type and its range in the message (spec A24, rulings R2–R4, R8). */
#include "binding.h"

static int refuse_type(const char *what, const char *type, PyObject *object) {
    PyErr_Format(PyExc_TypeError, "%s is a %s: pass an int, not %.100s", what, type, Py_TYPE(object)->tp_name);
    return -1;
}

static int refuse_range(const char *what, const char *type, uint64_t maximum) {
    PyErr_Format(PyExc_OverflowError, "%s is a %s: pass a number from 0 to %s", what, type, SS_HEX(maximum));
    return -1;
}

/* An exact int: 1 with the value, 0 when negative or above 64 bits. */
static int read_unsigned(PyObject *number, uint64_t *value) {
    unsigned long long read = PyLong_AsUnsignedLongLong(number);
    if (read == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    *value = read;
    return 1;
}

/* New reference to an int, or NULL with TypeError that names the parameter. */
static PyObject *index_of(PyObject *object, const char *what, const char *type) {
    if (PyLong_Check(object)) {
        return Py_NewRef(object);
    }
    if (!PyIndex_Check(object)) {
        refuse_type(what, type, object);
        return NULL;
    }
    return PyNumber_Index(object);
}

const char *ss_hex(char *text, uint64_t value) {
    (void)PyOS_snprintf(text, SS_HEX_SIZE, "0x%llX", (unsigned long long)value);
    return text;
}

int ss_number(PyObject *object, uint64_t maximum, const char *what, const char *type, uint64_t *value) {
    uint64_t read = 0;
    if (PyLong_CheckExact(object)) {
        if (!read_unsigned(object, &read) || read > maximum) {
            return refuse_range(what, type, maximum);
        }
        *value = read;
        return 0;
    }
    PyObject *number = index_of(object, what, type);
    if (number == NULL) {
        return -1;
    }
    int good = read_unsigned(number, &read) && read <= maximum;
    Py_DECREF(number);
    if (!good) {
        return refuse_range(what, type, maximum);
    }
    *value = read;
    return 0;
}

int ss_pointer(PyObject *object, const char *what, uint64_t *value) {
    if (object == Py_None) {
        *value = 0;
        return 0;
    }
    return ss_number(object, UINT64_MAX, what, "pointer", value);
}

/* A signed number: 1 with the value, 0 when it does not fit 64 bits, -1 with an exception. */
static int read_signed(PyObject *object, const char *what, const char *type, long long *value) {
    PyObject *number = index_of(object, what, type);
    if (number == NULL) {
        return -1;
    }
    int overflow = 0;
    *value = PyLong_AsLongLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    return overflow == 0;
}

int ss_physical(PyObject *object, const char *what, uint64_t *value) {
    uint64_t read = 0;
    if (PyLong_CheckExact(object) && read_unsigned(object, &read)) {
        *value = read;
        return 0;
    }
    long long negative = 0;
    if (PyLong_CheckExact(object)) {
        int fits = read_signed(object, what, "PHYSICAL_ADDRESS", &negative);
        if (fits < 0) {
            return -1;
        }
        if (fits && negative == -1) {
            *value = UINT64_MAX;
            return 0;
        }
        PyErr_Format(PyExc_OverflowError,
                     "%s is a PHYSICAL_ADDRESS: pass a number from 0 to 0xFFFFFFFFFFFFFFFF, or -1 for all ones", what);
        return -1;
    }
    PyObject *number = index_of(object, what, "PHYSICAL_ADDRESS");
    if (number == NULL) {
        return -1;
    }
    PyObject *exact = PyLong_CheckExact(number) ? Py_NewRef(number) : PyNumber_Long(number);
    Py_DECREF(number);
    int result = -1;
    if (exact != NULL && PyLong_CheckExact(exact)) {
        result = ss_physical(exact, what, value);
    } else if (exact != NULL) {
        refuse_type(what, "PHYSICAL_ADDRESS", object);
    }
    Py_XDECREF(exact);
    return result;
}

int ss_enum(PyObject *object, const char *what, uint64_t *value) {
    long long number = 0;
    int fits = read_signed(object, what, "32-bit enumeration", &number);
    if (fits < 0) {
        return -1;
    }
    if (!fits || number < INT32_MIN || number > INT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s is an enumeration: pass a number from -0x80000000 to 0x7FFFFFFF", what);
        return -1;
    }
    *value = (uint64_t)number;
    return 0;
}

/* Four characters, the first in the lowest byte, padded with spaces (ruling R4). */
static int pack_tag(const unsigned char *text, Py_ssize_t length, const char *what, uint64_t *value) {
    if (length < 1 || length > 4) {
        PyErr_Format(PyExc_ValueError, "%s is a pool tag: pass one to four characters, not %zd", what, length);
        return -1;
    }
    uint32_t tag = 0;
    for (int i = 0; i < 4; i++) {
        tag |= (uint32_t)(i < length ? text[i] : ' ') << (8 * i);
    }
    *value = tag;
    return 0;
}

int ss_tag(PyObject *object, const char *what, uint64_t *value) {
    if (PyUnicode_Check(object)) {
        if (!PyUnicode_IS_ASCII(object)) {
            PyErr_Format(PyExc_ValueError, "%s is a pool tag: its characters are ASCII", what);
            return -1;
        }
        return pack_tag(PyUnicode_1BYTE_DATA(object), PyUnicode_GET_LENGTH(object), what, value);
    }
    if (PyBytes_Check(object)) {
        return pack_tag((const unsigned char *)PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object), what, value);
    }
    if (!PyLong_Check(object) && !PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s is a pool tag: pass an int, str or bytes, not %.100s", what,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    return ss_number(object, UINT32_MAX, what, "ULONG", value);
}

/* --- statuses back ----------------------------------------------------------------------------------------------- */

/* {number: member} of an IntEnum of storsim.enums, made once. Borrowed. */
static PyObject *member_map(PyObject **slot, const char *name) {
    PyObject *type = NULL, *known = SS_LOAD(*slot);
    if (known != NULL) {
        return known;
    }
    if (ss_lazy(&type, "storsim.enums", name) == NULL) {
        return NULL;
    }
    PyObject *map = PyObject_GetAttrString(type, "_value2member_map_");
    Py_DECREF(type);
    return ss_publish(slot, map);
}

static PyObject *member(PyObject **slot, const char *name, uint32_t status) {
    PyObject *map = member_map(slot, name);
    PyObject *number = map ? PyLong_FromUnsignedLong(status) : NULL;
    if (number == NULL) {
        return NULL;
    }
    PyObject *found = ss_dict_get(map, number);
    if (found == NULL && !PyErr_Occurred()) {
        return number;
    }
    Py_DECREF(number);
    return found;
}

/* STOR_STATUS codes are 0 and 0xC1000001 upwards without a gap: a tuple, indexed by the low byte, spares a dictionary
 * look-up. */
enum { STOR_COUNT = 13 };

static PyObject *stor_tuple(ss_state_t *state) {
    PyObject *tuple = PyTuple_New(STOR_COUNT);
    for (uint32_t i = 0; tuple != NULL && i < STOR_COUNT; i++) {
        PyObject *one = member(&state->stor_status, "StorStatus", i ? UINT32_C(0xC1000000) + i : 0);
        if (one == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, one);
        }
    }
    return ss_publish(&state->stor_members, tuple);
}

PyObject *ss_stor_status(ss_state_t *state, uint32_t status) {
    uint32_t index = status ? status - UINT32_C(0xC1000000) : 0;
    if (index >= STOR_COUNT || (status && index == 0)) {
        return member(&state->stor_status, "StorStatus", status);
    }
    PyObject *known = SS_LOAD(state->stor_members), *members = known ? known : stor_tuple(state);
    return members ? Py_NewRef(PyTuple_GET_ITEM(members, (Py_ssize_t)index)) : NULL;
}

PyObject *ss_nt_status(ss_state_t *state, uint32_t status) {
    return member(&state->nt_status, "NtStatus", status);
}
