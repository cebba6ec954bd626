/* python/buffer.c: the bytes of a simulated allocation through the buffer protocol.
 *
 * Every export holds the machine's core alive: a machine closed under a live memoryview ends when the last one is
 * released. Freeing the block orphans the bytes; the core looks for late writes when the export ends (DESIGN §5,
 * bytes). */
#include "binding.h"

int ss_buffer_export(PyObject *self, ss_machine_object_t *machine, uint64_t va, uint64_t block, uint64_t offset,
                     uint64_t length, Py_buffer *view, int flags) {
    view->obj = NULL;
    if (va == 0) {
        PyErr_SetString(PyExc_BufferError,
                        "a host memory buffer has no virtual address: the device alone reads and writes it; use the "
                        "adapter's dma_read and dma_write");
        return -1;
    }
    ss_late_t *note = PyMem_Calloc(1, sizeof *note);
    if (note == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (ss_enter(machine) < 0) {
        PyMem_Free(note);
        return -1;
    }
    ss_here(machine);
    uint8_t *data = NULL;
    uint64_t size = 0;
    storsim_status_t status = storsim_block_export(machine->core, block, true, &data, &size, &note->token);
    if (status == STORSIM_STALE) {
        PyMem_Free(note);
        ss_leave(machine);
        PyErr_SetString(PyExc_BufferError, "the block was freed: its bytes cannot be exported any more");
        return -1;
    }
    note->exported = status == STORSIM_OK;
    machine->exports += note->exported;
    if (ss_finish(machine, status, NULL) < 0) {
        ss_soon(machine, note); /* a warning filter said no */
        return -1;
    }
    if (offset > size || length > size - offset) {
        length = offset > size ? 0 : size - offset;
        offset = offset > size ? size : offset;
    }
    if (PyBuffer_FillInfo(view, self, data + offset, (Py_ssize_t)length, 0, flags) < 0) {
        ss_soon(machine, note);
        return -1;
    }
    view->internal = note;
    return 0;
}

void ss_buffer_release(ss_machine_object_t *machine, Py_buffer *view) {
    ss_soon(machine, view->internal); /* no exception can leave here */
}

PyObject *ss_buffer_bytes(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    Py_buffer view;
    if (PyObject_GetBuffer(self, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    return bytes;
}

#if PY_VERSION_HEX < 0x030C0000
PyObject *ss_buffer_view(PyObject *self, PyObject *Py_UNUSED(flags)) {
    return PyMemoryView_FromObject(self);
}
#endif
