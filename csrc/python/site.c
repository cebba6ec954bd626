/* python/site.c: where in the user's Python a call came from.
 *
 * A site is a chain of (code object, instruction offset) pairs, innermost first, `depth` of them (1 by default),
 * interned to a small number counting from 1 in order of first appearance. At depth 1 the pair of the running frame is
 * looked up in an open-addressing table, which costs a few nanoseconds; file, line and function are worked out only
 * when somebody reads a report.
 *
 *     slots: [ 0 | 3 | 0 | 1 | 2 | … ]      chain number or 0, power of two, at most half full
 *     chains: frames of site 1 | frames of site 2 | …      `depth` frames each, unused ones NULL
 *
 * The package's own modules (the files directly in storsim/, not its sub-packages) are skipped, so that hba.pool(…) is
 * blamed on the line that called it. The table owns one reference to each code object it names. Operations: look_up,
 * insert, ss_here.
 *
 * Threads: only who is inside the machine looks up and inserts; who asks what a number means (a report) is anywhere. So
 * an insertion and a question hold the critical section of the table, a look-up needs none. */
#include "binding.h"

#include <string.h>

enum { MAX_DEPTH = 16 };

typedef struct frame_pair {
    PyObject *code;
    int offset; /* bytes, as PyFrame_GetLasti */
} frame_pair_t;

typedef struct sites_object {
    PyObject_HEAD
    ss_state_t *state;
    int depth;
    uint32_t count, capacity;       /* chains */
    frame_pair_t *frames;           /* count × depth, owned references */
    PyObject **modules;             /* __name__ of the module of each chain's first frame, or NULL */
    uint32_t *slots, slot_capacity; /* chain numbers */
    frame_pair_t last;              /* borrowed: the previous call's pair, and its site */
    uint32_t last_site;
} sites_object_t;

static uint32_t hash_of(const frame_pair_t *chain, int depth) {
    uint64_t hash = UINT64_C(0x9E3779B97F4A7C15);
    for (int i = 0; i < depth; i++) {
        hash = (hash ^ ((uint64_t)(uintptr_t)chain[i].code >> 4) ^ ((uint64_t)(unsigned)chain[i].offset << 40)) *
               UINT64_C(0xBF58476D1CE4E5B9);
    }
    return (uint32_t)(hash >> 32);
}

static bool same(const frame_pair_t *a, const frame_pair_t *b, int depth) {
    for (int i = 0; i < depth; i++) {
        if (a[i].code != b[i].code || a[i].offset != b[i].offset) {
            return false;
        }
    }
    return true;
}

static uint32_t *look_up(const sites_object_t *sites, const frame_pair_t *chain) {
    uint32_t mask = sites->slot_capacity - 1;
    for (uint32_t i = hash_of(chain, sites->depth) & mask;; i = (i + 1) & mask) {
        uint32_t site = sites->slots[i];
        if (site == 0 || same(sites->frames + (size_t)(site - 1) * (size_t)sites->depth, chain, sites->depth)) {
            return &sites->slots[i];
        }
    }
}

static bool grow(sites_object_t *sites) {
    uint32_t capacity = sites->capacity * 2, slots = sites->slot_capacity * 2;
    frame_pair_t *frames = PyMem_Realloc(sites->frames, (size_t)capacity * (size_t)sites->depth * sizeof *frames);
    sites->frames = frames ? frames : sites->frames;
    PyObject **modules = PyMem_Realloc(sites->modules, capacity * sizeof *modules);
    sites->modules = modules ? modules : sites->modules;
    uint32_t *wider = PyMem_Calloc(slots, sizeof *wider);
    if (!frames || !modules || !wider) {
        PyMem_Free(wider);
        return false;
    }
    PyMem_Free(sites->slots);
    sites->slots = wider;
    sites->slot_capacity = slots;
    sites->capacity = capacity;
    for (uint32_t site = 1; site <= sites->count; site++) {
        *look_up(sites, sites->frames + (size_t)(site - 1) * (size_t)sites->depth) = site;
    }
    return true;
}

static uint32_t insert_chain(sites_object_t *sites, const frame_pair_t *chain, PyObject *module) {
    if (sites->count == sites->capacity && !grow(sites)) {
        return 0;
    }
    uint32_t *slot = look_up(sites, chain);
    if (*slot == 0) {
        memcpy(sites->frames + (size_t)sites->count * (size_t)sites->depth, chain,
               (size_t)sites->depth * sizeof *chain);
        for (int i = 0; i < sites->depth; i++) {
            Py_XINCREF(chain[i].code);
        }
        sites->modules[sites->count] = Py_XNewRef(module);
        *slot = ++sites->count;
    }
    return *slot;
}

static uint32_t insert(sites_object_t *sites, const frame_pair_t *chain, PyObject *module) {
    uint32_t site;
    Py_BEGIN_CRITICAL_SECTION(sites);
    site = insert_chain(sites, chain, module);
    Py_END_CRITICAL_SECTION();
    return site;
}

/* The directory of the package with a separator at its end, or an empty string when it cannot be known. */
static PyObject *package_directory(ss_state_t *state) {
    PyObject *known = SS_LOAD(state->package), *directory = NULL;
    if (known == NULL) {
        PyObject *package = PyImport_ImportModule("storsim");
        PyObject *file = package ? PyObject_GetAttrString(package, "__file__") : NULL;
        if (file != NULL && PyUnicode_Check(file)) {
            Py_ssize_t length = PyUnicode_GET_LENGTH(file);
            Py_ssize_t slash = PyUnicode_FindChar(file, '/', 0, length, -1),
                       other = PyUnicode_FindChar(file, '\\', 0, length, -1);
            slash = slash > other ? slash : other;
            directory = slash >= 0 ? PyUnicode_Substring(file, 0, slash + 1) : NULL;
        }
        Py_XDECREF(file);
        Py_XDECREF(package);
        PyErr_Clear();
        known = ss_publish(&state->package, directory ? directory : PyUnicode_FromString(""));
    }
    return known;
}

static bool internal(ss_state_t *state, PyCodeObject *code) {
    PyObject *package = package_directory(state), *file = code->co_filename;
    Py_ssize_t start = package ? PyUnicode_GET_LENGTH(package) : 0, end = PyUnicode_GET_LENGTH(file);
    if (start == 0 || PyUnicode_Tailmatch(file, package, 0, end, -1) <= 0) {
        return false;
    }
    return PyUnicode_FindChar(file, '/', start, end, 1) < 0 && PyUnicode_FindChar(file, '\\', start, end, 1) < 0;
}

/* Where a driver that storsim itself runs begins (storsim sweep, storsim export): what lies outside is no place of its. */
static bool outermost(ss_state_t *state, PyCodeObject *code) {
    static const char suffix[] = "testing/targets.py", other[] = "testing\\targets.py";
    PyObject *package = package_directory(state), *file = code->co_filename;
    Py_ssize_t start = package ? PyUnicode_GET_LENGTH(package) : 0, end = PyUnicode_GET_LENGTH(file);
    const Py_ssize_t length = (Py_ssize_t)sizeof suffix - 1;
    if (start == 0 || end - start != length || PyUnicode_Tailmatch(file, package, 0, end, -1) <= 0) {
        return false;
    }
    const char *name = PyUnicode_AsUTF8(file);
    bool found = name != NULL && strlen(name) >= (size_t)length &&
                 (strcmp(name + strlen(name) - length, suffix) == 0 || strcmp(name + strlen(name) - length, other) == 0);
    PyErr_Clear(); /* a name that is no UTF-8 */
    return found;
}

/* __name__ of a module's globals, new reference, or NULL without an exception. */
static PyObject *name_in(PyObject *globals) {
    PyObject *key = PyUnicode_FromString("__name__");
    PyObject *name = key ? ss_dict_get(globals, key) : NULL;
    Py_XDECREF(key);
    PyErr_Clear();
    return name;
}

/* Walks frames outwards, skipping the package's own, and interns the chain. */
static uint32_t walk(sites_object_t *sites, PyThreadState *thread) {
    frame_pair_t chain[MAX_DEPTH] = {{NULL, 0}};
    PyObject *module = NULL;
    int found = 0;
    PyFrameObject *frame = PyThreadState_GetFrame(thread);
    while (frame != NULL && found < sites->depth) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        if (outermost(sites->state, code)) {
            Py_DECREF(code);
            break;
        }
        if (!internal(sites->state, code)) {
            chain[found++] = (frame_pair_t){(PyObject *)Py_NewRef(code), PyFrame_GetLasti(frame)};
            if (found == 1) {
                PyObject *globals = PyFrame_GetGlobals(frame);
                module = name_in(globals);
                Py_DECREF(globals);
            }
        }
        Py_DECREF(code);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    uint32_t site = found ? insert(sites, chain, module) : 0;
    for (int i = 0; i < found; i++) {
        Py_DECREF(chain[i].code);
    }
    Py_XDECREF(module);
    return site;
}

/* The running frame's code (borrowed: the frame keeps it) and instruction. */
static bool running(PyThreadState *thread, frame_pair_t *pair) {
#if PY_VERSION_HEX >= 0x030C0000
#if PY_VERSION_HEX >= 0x030D0000
    struct _PyInterpreterFrame *frame = thread->current_frame;
#else
    struct _PyInterpreterFrame *frame = thread->cframe->current_frame;
#endif
    if (frame == NULL) {
        return false;
    }
    pair->code = PyUnstable_InterpreterFrame_GetCode(frame);
    pair->offset = PyUnstable_InterpreterFrame_GetLasti(frame);
    Py_XDECREF(pair->code);
#else
    PyFrameObject *frame = PyEval_GetFrame();
    (void)thread;
    if (frame == NULL) {
        return false;
    }
    pair->code = (PyObject *)PyFrame_GetCode(frame);
    pair->offset = PyFrame_GetLasti(frame);
    Py_DECREF(pair->code);
#endif
    return pair->code != NULL;
}

static uint32_t here(sites_object_t *sites) {
    PyThreadState *thread = PyThreadState_Get();
    frame_pair_t pair;
    if (sites->depth == 1) {
        if (!running(thread, &pair)) {
            return 0;
        }
        if (pair.code == sites->last.code && pair.offset == sites->last.offset) {
            return sites->last_site;
        }
        uint32_t site = *look_up(sites, &pair);
        if (site != 0) {
            sites->last = pair; /* the table owns the code object, so the address cannot be used again */
            sites->last_site = site;
            return site;
        }
    }
    return walk(sites, thread);
}

void ss_here(ss_machine_object_t *machine) {
    machine->site = here((sites_object_t *)machine->sites);
    storsim_set_site(machine->core, machine->site);
}

/* --- what a report says ------------------------------------------------------------------------------------------ */

/* The frames of a site with references of their own, and its module's name when asked for; false for no site. */
static bool chain_of(sites_object_t *sites, unsigned long site, frame_pair_t *chain, PyObject **module) {
    bool known;
    Py_BEGIN_CRITICAL_SECTION(sites);
    known = site != 0 && site <= sites->count;
    for (int i = 0; known && i < sites->depth; i++) {
        chain[i] = sites->frames[(size_t)(site - 1) * (size_t)sites->depth + (size_t)i];
        Py_XINCREF(chain[i].code);
    }
    if (known && module != NULL) {
        *module = Py_XNewRef(sites->modules[site - 1]);
    }
    Py_END_CRITICAL_SECTION();
    return known;
}

static PyObject *describe(sites_object_t *sites, const frame_pair_t *pair, PyObject *caller) {
    PyCodeObject *code = (PyCodeObject *)pair->code;
    PyObject *type = ss_lazy(&sites->state->Site, "storsim.records", "Site");
    return type ? PyObject_CallFunction(type, "OiOO", code->co_filename, PyCode_Addr2Line(code, pair->offset),
                                        code->co_qualname, caller)
                : NULL;
}

static PyObject *sites_resolve(sites_object_t *self, PyObject *argument) {
    unsigned long site = PyLong_AsUnsignedLong(argument);
    if (site == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    frame_pair_t chain[MAX_DEPTH];
    if (!chain_of(self, site, chain, NULL)) {
        Py_RETURN_NONE;
    }
    PyObject *result = Py_NewRef(Py_None);
    for (int i = self->depth - 1; i >= 0; i--) {
        if (chain[i].code != NULL && result != NULL) {
            PyObject *next = describe(self, &chain[i], result);
            Py_SETREF(result, next);
        }
        Py_XDECREF(chain[i].code);
    }
    return result;
}

int ss_sites_warn(PyObject *object, uint32_t site, PyObject *category, PyObject *message) {
    sites_object_t *sites = (sites_object_t *)object;
    frame_pair_t chain[MAX_DEPTH];
    PyObject *module = NULL;
    if (!chain_of(sites, site, chain, &module)) {
        PyObject *text = PyObject_Str(message);
        const char *utf8 = text ? PyUnicode_AsUTF8(text) : NULL;
        int result = utf8 ? PyErr_WarnEx(category, utf8, 1) : -1;
        Py_XDECREF(text);
        return result;
    }
    PyCodeObject *code = (PyCodeObject *)chain[0].code;
    int result = PyErr_WarnExplicitObject(category, message, code->co_filename, PyCode_Addr2Line(code, chain[0].offset),
                                          module, NULL);
    for (int i = 0; i < sites->depth; i++) {
        Py_XDECREF(chain[i].code);
    }
    Py_XDECREF(module);
    return result;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

PyObject *ss_sites_new(ss_state_t *state, int depth) {
    PyTypeObject *type = (PyTypeObject *)state->Sites;
    sites_object_t *self = (sites_object_t *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->state = state;
    self->depth = depth < 1 ? 1 : depth > MAX_DEPTH ? MAX_DEPTH : depth;
    self->capacity = 32;
    self->slot_capacity = 64;
    self->frames = PyMem_Calloc((size_t)self->capacity * (size_t)self->depth, sizeof *self->frames);
    self->modules = PyMem_Calloc(self->capacity, sizeof *self->modules);
    self->slots = PyMem_Calloc(self->slot_capacity, sizeof *self->slots);
    if (!self->frames || !self->modules || !self->slots) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int sites_traverse(sites_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self)); /* code objects and names hold nothing that could lead back here */
    return 0;
}

static void sites_dealloc(sites_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    for (size_t i = 0; self->frames && i < (size_t)self->count * (size_t)self->depth; i++) {
        Py_XDECREF(self->frames[i].code);
    }
    for (uint32_t i = 0; self->modules && i < self->count; i++) {
        Py_XDECREF(self->modules[i]);
    }
    PyMem_Free(self->frames);
    PyMem_Free(self->modules);
    PyMem_Free(self->slots);
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t sites_length(sites_object_t *self) {
    Py_ssize_t count;
    Py_BEGIN_CRITICAL_SECTION(self);
    count = (Py_ssize_t)self->count;
    Py_END_CRITICAL_SECTION();
    return count;
}

static PyMethodDef sites_methods[] = {
    {"resolve", (PyCFunction)(void (*)(void))sites_resolve, METH_O,
     PyDoc_STR(
         "resolve($self, site, /)\n--\n\nThe Site behind a number, or None for 0 and for numbers of another process.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot sites_slots[] = {{Py_tp_doc, (void *)PyDoc_STR("Call sites of one machine, by number.")},
                                    {Py_tp_methods, sites_methods},
                                    {Py_tp_traverse, sites_traverse},
                                    {Py_tp_dealloc, sites_dealloc},
                                    {Py_mp_length, sites_length},
                                    {0, NULL}};

PyType_Spec ss_sites_spec = {"storsim._core.Sites", sizeof(sites_object_t), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                                 Py_TPFLAGS_IMMUTABLETYPE,
                             sites_slots};
