/* python/fields.c: a dictionary of plain values to a C configuration structure and back, by a table of offsets. The
 * values are already normalised by the Python side; this only guards the ranges. */
#include "binding.h"

#include <string.h>

static int load(char *place, const ss_field_t *field, PyObject *value) {
    uint64_t number = 0;
    if (field->type == SS_TEXT) {
        const char *text = value == Py_None ? NULL : PyUnicode_AsUTF8(value);
        if (text == NULL && value != Py_None) {
            return -1;
        }
        memcpy(place, &text, sizeof text);
        return 0;
    }
    if (field->type == SS_BOOL) {
        int truth = PyObject_IsTrue(value);
        bool flag = truth > 0;
        memcpy(place, &flag, sizeof flag);
        return truth < 0 ? -1 : 0;
    }
    uint64_t maximum = field->type == SS_U8    ? UINT8_MAX
                       : field->type == SS_U16 ? UINT16_MAX
                       : field->type == SS_U64 ? UINT64_MAX
                                               : UINT32_MAX;
    if (ss_number(value, maximum, field->name, "configuration value", &number) < 0) {
        return -1;
    }
    if (field->type == SS_U64) {
        memcpy(place, &number, sizeof number);
    } else if (field->type == SS_U8) {
        *(unsigned char *)place = (unsigned char)number;
    } else if (field->type == SS_U16) {
        uint16_t half = (uint16_t)number;
        memcpy(place, &half, sizeof half);
    } else if (field->type == SS_CHOICE) {
        int choice = (int)(uint32_t)number;
        memcpy(place, &choice, sizeof choice);
    } else {
        uint32_t narrow = (uint32_t)number;
        memcpy(place, &narrow, sizeof narrow);
    }
    return 0;
}

static int load_all(void *config, const ss_field_t *fields, PyObject *values, const char *what) {
    PyObject *key = NULL, *value = NULL;
    Py_ssize_t position = 0;
    while (PyDict_Next(values, &position, &key, &value)) {
        const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8(key) : NULL;
        const ss_field_t *field = fields;
        while (name && field->name && strcmp(field->name, name) != 0) {
            field++;
        }
        if (name == NULL || field->name == NULL) {
            PyErr_Format(PyExc_TypeError, "%s has no field %R", what, key);
            return -1;
        }
        if (load((char *)config + field->offset, field, value) < 0) {
            return -1;
        }
    }
    return 0;
}

int ss_fields_load(void *config, const ss_field_t *fields, PyObject *values, const char *what) {
    PyObject *own = PyDict_Copy(values); /* nobody changes this one meanwhile */
    int result = own ? load_all(config, fields, own, what) : -1;
    Py_XDECREF(own);
    return result;
}

static PyObject *dump(const char *place, const ss_field_t *field) {
    if (field->type == SS_TEXT) {
        const char *text;
        memcpy(&text, place, sizeof text);
        return text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
    }
    if (field->type == SS_BOOL) {
        return PyBool_FromLong(*(const bool *)(const void *)place);
    }
    if (field->type == SS_U64) {
        uint64_t wide;
        memcpy(&wide, place, sizeof wide);
        return PyLong_FromUnsignedLongLong(wide);
    }
    if (field->type == SS_U8) {
        return PyLong_FromLong(*(const unsigned char *)place);
    }
    if (field->type == SS_U16) {
        uint16_t half;
        memcpy(&half, place, sizeof half);
        return PyLong_FromLong(half);
    }
    uint32_t narrow;
    memcpy(&narrow, place, sizeof narrow);
    return PyLong_FromUnsignedLong(narrow);
}

PyObject *ss_fields_dump(const void *config, const ss_field_t *fields) {
    PyObject *dict = PyDict_New();
    for (const ss_field_t *field = fields; dict != NULL && field->name; field++) {
        PyObject *value = dump((const char *)config + field->offset, field);
        if (value == NULL || PyDict_SetItemString(dict, field->name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    return dict;
}
