/* python/routine.c: Routine, one documented routine as a Python callable.
 *
 * One function serves every row of the DDI table: it matches arguments to parameters (positions, then interned names,
 * identity first, the expected next name before all others), hands each to the converter of its type, calls the core
 * once, and converts back. A new parameter type is one line in `converters` below.
 *
 * Bound to a machine (pc.storport.X) the extension may be any number; free (storsim.storport.X) it has to be an adapter
 * or its device_extension, which tell the machine (ruling R6). */
#include "routine_i.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "storsim/hdaudio.h"

/* --- converters -------------------------------------------------------------------------------------------------- */

typedef int (*convert_in_t)(frame_t *frame, int index, PyObject *object);
typedef PyObject *(*convert_out_t)(frame_t *frame, int index);

typedef struct converter {
    uint64_t maximum; /* plain numbers: the largest; 0 for the others */
    convert_in_t in;
    convert_out_t out; /* NULL: an int */
} converter_t;

static int in_pointer(frame_t *frame, int index, PyObject *object) {
    return ss_pointer(object, PARAM(frame, index).name, &frame->args[index].value);
}

static int in_physical(frame_t *frame, int index, PyObject *object) {
    return ss_physical(object, PARAM(frame, index).name, &frame->args[index].value);
}

static int in_tag(frame_t *frame, int index, PyObject *object) {
    return ss_tag(object, PARAM(frame, index).name, &frame->args[index].value);
}

static int in_enum(frame_t *frame, int index, PyObject *object) {
    return ss_enum(object, PARAM(frame, index).name, &frame->args[index].value);
}

/* From here on there is something to give back; most calls never come here, so nothing is cleared before. */
static void own(frame_t *frame) {
    if (!frame->owns) {
        memset(frame->scratch, 0, sizeof frame->scratch);
        memset(frame->tokens, 0, sizeof frame->tokens);
        frame->items = NULL;
        frame->owns = true;
    }
}

static int in_token(frame_t *frame, int index, PyObject *object) {
    if (object == Py_None || frame->machine == NULL) {
        return 0; /* without a machine the call ends in a TypeError anyway */
    }
    frame->registered |= UINT32_C(1) << index;
    return 0;
}

/* A token for an object; inside the machine, so that no other thread's restore comes between it and the call. */
static int make_token(frame_t *frame, int index) {
    PyObject *object = frame->given[index];
    uint64_t token = frame->plan->registers ? ss_token_find(frame->machine, object) : 0;
    if (token != 0) {
        frame->args[index].value = token; /* registered before: the same object is the same token */
        return PyErr_Occurred() ? -1 : 0;
    }
    token = PyErr_Occurred() ? 0 : ss_token_new(frame->machine, object);
    own(frame);
    frame->tokens[index] = frame->args[index].value = token;
    return token ? 0 : -1;
}

static int make_tokens(frame_t *frame) {
    for (int i = 0; i < frame->plan->row->param_count; i++) {
        if ((frame->registered >> i & 1) && make_token(frame, i) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The number 0, which is NULL (ruling R2). */
static bool is_zero(PyObject *object) {
    return PyLong_CheckExact(object) && PyObject_IsTrue(object) == 0;
}

static int in_routine(frame_t *frame, int index, PyObject *object) {
    if (is_zero(object)) {
        return 0; /* NULL */
    }
    if (object != Py_None && !PyCallable_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s is a routine: pass a callable or None, not %.100s", PARAM(frame, index).name,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    return in_token(frame, index, object);
}

/* The extension: also finds the machine of a free routine. */
static int in_extension(frame_t *frame, int index, PyObject *object) {
    ss_state_t *state = frame->routine->state;
    storsim_arg_t *arg = &frame->args[index];
    ss_machine_object_t *machine = NULL;
    if (PyObject_TypeCheck(object, (PyTypeObject *)state->Adapter)) {
        machine = ((ss_adapter_object_t *)object)->machine;
        arg->value = ((ss_adapter_object_t *)object)->extension;
    } else if (Py_IS_TYPE(object, (PyTypeObject *)state->DeviceExtension)) {
        PyObject *found = PyObject_GetAttr(object, state->str_machine);
        if (found == NULL || !PyObject_TypeCheck(found, (PyTypeObject *)state->Machine)) {
            Py_XDECREF(found);
            PyErr_SetString(PyExc_TypeError, "this HwDeviceExtension lost its machine");
            return -1;
        }
        machine = (ss_machine_object_t *)found;
        Py_XSETREF(frame->held, found);
        if (ss_number(object, UINT64_MAX, "HwDeviceExtension", "PVOID", &arg->value) < 0) {
            return -1;
        }
    }
    if (frame->machine == NULL) {
        if (machine == NULL) {
            PyErr_Format(
                PyExc_TypeError,
                "%s: HwDeviceExtension is an adapter or its device_extension, not %.100s; for any other number call "
                "machine.storport.%s(...)",
                frame->plan->row->name, Py_TYPE(object)->tp_name, frame->plan->row->name);
            return -1;
        }
        frame->machine = machine;
        return 0;
    }
    if (machine == NULL) {
        return in_pointer(frame, index, object);
    }
    if (machine != frame->machine) {
        PyErr_Format(PyExc_ValueError, "%s: the adapter belongs to another machine", frame->plan->row->name);
        return -1;
    }
    return 0;
}

void *ss_take_scratch(frame_t *frame, int index, size_t count, size_t size) {
    void *memory = PyMem_Calloc(count ? count : 1, size);
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    own(frame);
    frame->scratch[index] = frame->args[index].data = memory;
    frame->args[index].count = (uint32_t)count;
    return memory;
}

/* A sequence of structures or handles into an array of the core. `read` stores element i. */
int ss_in_sequence(frame_t *frame, int index, PyObject *object, size_t size,
                   int (*read)(frame_t *frame, PyObject *item, void *place)) {
    if (object == Py_None || is_zero(object)) {
        return 0; /* NULL */
    }
    PyObject *items = PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object)
                          ? PySequence_Tuple(object)
                          : NULL;
    if (items == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "%s is an array: pass a list or None, not %.100s", PARAM(frame, index).name,
                         Py_TYPE(object)->tp_name);
        }
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    char *place =
        count <= (Py_ssize_t)UINT32_MAX ? ss_take_scratch(frame, index, (size_t)count, size) : PyErr_NoMemory();
    int result = place ? 0 : -1;
    for (Py_ssize_t i = 0; result == 0 && i < count; i++) {
        result = read(frame, PyTuple_GET_ITEM(items, i), place + (size_t)i * size);
    }
    Py_DECREF(items);
    return result;
}

static int read_range(frame_t *frame, PyObject *item, void *place) {
    uint64_t values[SS_MAX_STRUCT_FIELDS];
    if (ss_struct_read(frame->routine->state->AccessRange, &ss_access_range_desc, item, values) < 0) {
        return -1;
    }
    *(storsim_access_range_t *)place = (storsim_access_range_t){
        .RangeStart = values[0], .RangeLength = (uint32_t)values[1], .RangeInMemory = (uint8_t)values[2]};
    return 0;
}

static int in_ranges(frame_t *frame, int index, PyObject *object) {
    return ss_in_sequence(frame, index, object, sizeof(storsim_access_range_t), read_range);
}

static int read_affinity(frame_t *frame, PyObject *item, void *place) {
    uint64_t values[SS_MAX_STRUCT_FIELDS];
    if (ss_struct_read(frame->routine->state->GroupAffinity, &ss_group_affinity_desc, item, values) < 0) {
        return -1;
    }
    *(storsim_group_affinity_t *)place = (storsim_group_affinity_t){.Mask = values[0], .Group = (uint16_t)values[1]};
    return 0;
}

static int in_affinity(frame_t *frame, int index, PyObject *object) {
    return ss_in_sequence(frame, index, object, sizeof(storsim_group_affinity_t), read_affinity);
}

/* How many elements of an array the routine filled. */
static uint32_t filled(const frame_t *frame, int index) {
    const ss_plan_t *plan = frame->plan;
    const storsim_arg_t *args = frame->args;
    uint64_t count = 1;
    if (plan->array == index && plan->length >= 0) {
        bool own = (plan->row->params[plan->length].flags & STORSIM_P_OUT) != 0;
        int next = plan->length + 1;
        bool follows = next < plan->row->param_count && (plan->row->params[next].flags & STORSIM_P_OUT);
        count = own ? args[plan->length].value : follows ? args[next].value : args[plan->length].value;
    }
    return count < args[index].count ? (uint32_t)count : args[index].count;
}

static PyObject *out_ranges(frame_t *frame, int index) {
    uint32_t count = filled(frame, index);
    const storsim_access_range_t *ranges = frame->args[index].data;
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        const uint64_t values[] = {ranges[i].RangeStart, ranges[i].RangeLength, ranges[i].RangeInMemory};
        PyObject *item = ss_struct_new(frame->routine->state->AccessRange, &ss_access_range_desc, values);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *one_affinity(const frame_t *frame, const storsim_group_affinity_t *affinity) {
    const uint64_t values[] = {affinity->Mask, affinity->Group};
    return ss_struct_new(frame->routine->state->GroupAffinity, &ss_group_affinity_desc, values);
}

static PyObject *out_affinity(frame_t *frame, int index) {
    const storsim_group_affinity_t *affinities = frame->args[index].data;
    if (frame->plan->length < 0) {
        return one_affinity(frame, affinities);
    }
    uint32_t count = filled(frame, index);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (uint32_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = one_affinity(frame, &affinities[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *typed(frame_t *frame, PyObject *type, uint64_t address) {
    return address ? ss_pointer_new(type, frame->machine, address) : PyLong_FromLong(0);
}

static PyObject *out_mdl(frame_t *frame, int index) {
    return typed(frame, frame->routine->state->Mdl, frame->args[index].value);
}

static PyObject *out_sglist(frame_t *frame, int index) {
    return typed(frame, frame->routine->state->ScatterGatherList, frame->args[index].value);
}

static const converter_t converters[] = {
    [STORSIM_T_DEVEXT] = {0, in_extension, NULL},
    [STORSIM_T_UCHAR] = {UINT8_MAX, NULL, NULL},
    [STORSIM_T_BOOLEAN] = {UINT8_MAX, NULL, NULL},
    [STORSIM_T_USHORT] = {UINT16_MAX, NULL, NULL},
    [STORSIM_T_ULONG] = {UINT32_MAX, NULL, NULL},
    [STORSIM_T_TAG] = {0, in_tag, NULL},
    [STORSIM_T_ENUM] = {0, in_enum, NULL},
    [STORSIM_T_SIZE_T] = {UINT64_MAX, NULL, NULL},
    [STORSIM_T_ULONGLONG] = {UINT64_MAX, NULL, NULL},
    [STORSIM_T_ULONG_PTR] = {UINT64_MAX, NULL, NULL},
    [STORSIM_T_PHYSICAL] = {0, in_physical, NULL},
    [STORSIM_T_PVOID] = {0, in_pointer, NULL},
    [STORSIM_T_PMDL] = {0, in_pointer, out_mdl},
    [STORSIM_T_PSRB] = {0, in_pointer, NULL},
    [STORSIM_T_PSGLIST] = {0, in_pointer, out_sglist},
    [STORSIM_T_PCONFIG] = {0, in_pointer, NULL},
    [STORSIM_T_ROUTINE] = {0, in_routine, NULL},
    [STORSIM_T_CONTEXT] = {0, in_token, NULL},
    [STORSIM_T_HANDLE] = {0, in_pointer, NULL},
    [STORSIM_T_RANGES] = {0, in_ranges, out_ranges},
    [STORSIM_T_GROUP_AFFINITY] = {0, in_affinity, out_affinity},
    [STORSIM_T_KEVENT] = {0, in_pointer, NULL},
    [STORSIM_T_REGISTER] = {0, in_pointer, ss_out_register},
    [STORSIM_T_PBDL] = {0, in_pointer, ss_out_bdl},
    [STORSIM_T_HANDLES] = {0, ss_in_handles, NULL},
    [STORSIM_T_STREAM_FORMAT] = {0, ss_in_stream_format, NULL},
    [STORSIM_T_TRANSFERS] = {0, ss_in_transfers, NULL},
    [STORSIM_T_DEVICE_INFO] = {0, ss_in_device_information, NULL},
};

static const converter_t *converter_of(storsim_type_t type) {
    size_t index = (size_t)type;
    const converter_t *converter = index < sizeof converters / sizeof converters[0] ? &converters[index] : NULL;
    return converter && (converter->maximum || converter->in) ? converter : NULL;
}

static bool is_array(storsim_type_t type) {
    return type == STORSIM_T_RANGES || type == STORSIM_T_GROUP_AFFINITY;
}

/* --- arguments in ------------------------------------------------------------------------------------------------ */

static int refuse_arguments(const frame_t *frame, Py_ssize_t count) {
    PyErr_Format(PyExc_TypeError, "%s takes at most %d positional arguments (%zd given)", frame->plan->row->name,
                 frame->plan->slot_count, count);
    return -1;
}

/* Parameter of a keyword, or -1 with an exception. */
static int find_name(const frame_t *frame, PyObject *name) {
    const ss_plan_t *plan = frame->plan;
    int count = plan->row->param_count;
    for (int i = 0; i < count; i++) {
        if (plan->names[i] == name) {
            return i;
        }
    }
    for (int i = 0; i < count; i++) {
        int equal = PyObject_RichCompareBool(plan->names[i], name, Py_EQ); /* a name built at run time */
        if (equal != 0) {
            return equal < 0 ? -1 : i;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s has no parameter %R", plan->row->name, name);
    return -1;
}

static int match(frame_t *frame, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const ss_plan_t *plan = frame->plan;
    uint32_t have = 0;
    if (count > plan->slot_count) {
        return refuse_arguments(frame, count);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        frame->given[plan->slots[i]] = args[i];
        have |= UINT32_C(1) << plan->slots[i];
    }
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0, hint = count;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int index = hint < plan->slot_count && plan->names[plan->slots[hint]] == name ? plan->slots[hint]
                                                                                      : find_name(frame, name);
        if (index < 0) {
            return -1;
        }
        if (frame->given[index] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s got two values for %U", plan->row->name, name);
            return -1;
        }
        frame->given[index] = args[count + i];
        have |= UINT32_C(1) << index;
        hint++;
    }
    uint32_t missing = plan->missing & ~have;
    for (int i = 0; missing && i < plan->row->param_count; i++) {
        if (missing >> i & 1) {
            PyErr_Format(PyExc_TypeError, "%s needs %U: see its signature", plan->row->name, plan->names[i]);
            return -1;
        }
    }
    return 0;
}

/* One argument that was given. */
static int convert(frame_t *frame, int index, PyObject *object) {
    const storsim_param_t *param = &PARAM(frame, index);
    const converter_t *converter = converter_of(param->type);
    storsim_arg_t *arg = &frame->args[index];
    if (converter == NULL) {
        PyErr_Format(PyExc_NotImplementedError, "%s: parameter %s has no conversion", frame->plan->row->name,
                     param->name);
        return -1;
    }
    if ((param->flags & STORSIM_P_OUT) && !(param->flags & STORSIM_P_IN_PLACE) && object == Py_None) {
        arg->present = false; /* the pointer to the variable is NULL */
        return 0;
    }
    if (param->flags & STORSIM_P_OPTIONAL && object == Py_None) {
        return 0;
    }
    if (is_array(param->type) && (param->flags & STORSIM_P_OUT)) {
        return 0; /* what the variable held before; its storage is made below */
    }
    if ((param->flags & STORSIM_P_INOUT) == STORSIM_P_OUT) {
        return ss_physical(object, param->name, &arg->value); /* what it held before: any number */
    }
    return converter->maximum
               ? ss_number(object, converter->maximum, param->name, ss_type_name(param->type), &arg->value)
               : converter->in(frame, index, object);
}

/* Length of an array the caller supplied (ruling R5): the default is all of it, more than it has is refused. */
static int check_length(frame_t *frame) {
    const ss_plan_t *plan = frame->plan;
    storsim_arg_t *array = &frame->args[plan->array], *length = &frame->args[plan->length];
    if (frame->given[plan->length] == NULL || frame->given[plan->length] == Py_None) {
        length->value = array->count;
    } else if (array->data != NULL && length->value > array->count) {
        PyErr_Format(PyExc_ValueError, "%s: %U is %llu but %U has %u elements; a driver would read past its array",
                     plan->row->name, plan->names[plan->length], (unsigned long long)length->value,
                     plan->names[plan->array], array->count);
        return -1;
    }
    return 0;
}

/* Storage for an array the routine fills: as many elements as the caller says there are, but never more than could be
 * filled. */
static int make_storage(frame_t *frame, int index) {
    const ss_plan_t *plan = frame->plan;
    size_t size = PARAM(frame, index).type == STORSIM_T_RANGES ? sizeof(storsim_access_range_t)
                                                               : sizeof(storsim_group_affinity_t);
    uint64_t count = 1;
    if (plan->length >= 0 && plan->array == index) {
        count = frame->args[plan->length].value;
        if (plan->row->id == STORSIM_ID_StorPortAllocateHostMemoryBuffer) {
            /* No range is smaller than a page of PreferredBytes, nor are there more than pages of memory. */
            uint64_t preferred = plan->row->param_count > 2 ? frame->args[2].value : 0;
            uint64_t wanted = preferred / STORSIM_PAGE_SIZE + 1;
            uint64_t pages = 1;
            if (frame->machine != NULL) { /* else the call is refused further on */
                if (ss_enter(frame->machine) < 0) {
                    return -1;
                }
                pages += storsim_memory_total_pages(frame->machine->core, STORSIM_NODE_ANY);
                ss_leave(frame->machine);
            }
            uint64_t most = wanted < pages ? wanted : pages;
            count = count < most ? count : most;
        }
    }
    return ss_take_scratch(frame, index, (size_t)count, size) ? 0 : -1;
}

static int convert_all(frame_t *frame) {
    const ss_plan_t *plan = frame->plan;
    int count = plan->row->param_count;
    for (int i = 0; i < count; i++) {
        PyObject *object = frame->given[i];
        frame->args[i] = (storsim_arg_t){.present = true};
        if (object != NULL && convert(frame, i, object) < 0) {
            return -1;
        }
    }
    if (plan->array < 0) {
        return 0;
    }
    const storsim_arg_t *array = &frame->args[plan->array];
    if ((PARAM(frame, plan->array).flags & (STORSIM_P_OUT | STORSIM_P_IN_PLACE)) == STORSIM_P_OUT) {
        return array->present ? make_storage(frame, plan->array) : 0;
    }
    return plan->length >= 0 ? check_length(frame) : 0;
}

/* --- results back ------------------------------------------------------------------------------------------------ */

static PyObject *returned(frame_t *frame, uint64_t result) {
    const storsim_routine_t *row = frame->plan->row;
    if (row->returns == STORSIM_R_STATUS) {
        return row->family == STORSIM_F_STORPORT ? ss_stor_status(frame->routine->state, (uint32_t)result)
                                                 : ss_nt_status(frame->routine->state, (uint32_t)result);
    }
    if (row->returns == STORSIM_R_POINTER && row->return_type == STORSIM_T_PSGLIST) {
        return typed(frame, frame->routine->state->ScatterGatherList, result);
    }
    return row->return_type == STORSIM_T_BOOLEAN ? PyBool_FromLong(result != 0) : PyLong_FromUnsignedLongLong(result);
}

/* What the driver's variable holds after the call (ruling R1). */
static PyObject *out(frame_t *frame, int index, uint64_t result) {
    const storsim_param_t *param = &PARAM(frame, index);
    const storsim_arg_t *arg = &frame->args[index];
    if (arg->written) {
        const converter_t *converter = converter_of(param->type);
        return converter && converter->out ? converter->out(frame, index) : PyLong_FromUnsignedLongLong(arg->value);
    }
    bool list = is_array(param->type) && frame->plan->length >= 0;
    if (list && arg->present && result != (uint32_t)STOR_STATUS_NOT_IMPLEMENTED) {
        return PyList_New(0);
    }
    return Py_NewRef(frame->given[index] ? frame->given[index] : Py_None);
}

static PyObject *build(frame_t *frame, uint64_t result) {
    ss_plan_t *plan = frame->routine->plan;
    bool has_result = plan->row->returns != STORSIM_R_VOID;
    int count = plan->out_count + has_result;
    if (count == 0) {
        Py_RETURN_NONE;
    }
    if (count == 1) {
        return has_result ? returned(frame, result) : out(frame, plan->outs[0], result);
    }
    PyTypeObject *type = ss_plan_result(plan);
    PyObject *sequence = type ? PyStructSequence_New(type) : NULL;
    for (int i = 0; sequence != NULL && i < count; i++) {
        PyObject *item =
            i == 0 && has_result ? returned(frame, result) : out(frame, plan->outs[i - has_result], result);
        if (item == NULL) {
            for (; i < count;
                 i++) { /* 3.11 leaves the items of a fresh sequence unset: fill them so that it can be dropped */
                PyStructSequence_SET_ITEM(sequence, i, Py_NewRef(Py_None));
            }
            Py_CLEAR(sequence);
        } else {
            PyStructSequence_SET_ITEM(sequence, i, item);
        }
    }
    if (sequence != NULL && !PyObject_GC_IsTracked(sequence)) {
        PyObject_GC_Track(sequence); /* it may hold an object that knows the machine: a cycle must be seen */
    }
    return sequence;
}

/* --- the call ---------------------------------------------------------------------------------------------------- */

static void give_back(frame_t *frame, bool keep_tokens) {
    for (int i = 0; i < frame->plan->row->param_count; i++) {
        PyMem_Free(frame->scratch[i]);
        if (!keep_tokens && frame->tokens[i]) {
            ss_token_release(frame->machine, frame->tokens[i]);
        }
    }
    Py_CLEAR(frame->items);
}

static PyObject *perform(frame_t *frame) {
    ss_machine_object_t *machine = frame->machine;
    const storsim_routine_t *row = frame->plan->row;
    if (machine == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%s has no HwDeviceExtension that could tell the machine: call machine.storport.%s(...)",
                     row->name, row->name);
        return NULL;
    }
    if (ss_enter(machine) < 0) {
        return NULL;
    }
    if (frame->registered && make_tokens(frame) < 0) {
        if (frame->owns) {
            give_back(frame, false);
            frame->owns = false;
        }
        ss_leave(machine);
        return NULL;
    }
    ss_here(machine);
    uint64_t result = 0;
    bool audio = row->family == STORSIM_F_HDAUDIO;
    storsim_status_t status =
        audio ? storsim_hdaudio_call(machine->core, frame->routine->context, row, frame->args, &result)
              : storsim_storport_call(machine->core, row, frame->args, &result);
    bool answered = status == STORSIM_OK || status == STORSIM_VIOLATION;
    PyObject *answer = answered && (!audio || ss_audio_after(frame, result) == 0) ? build(frame, result) : NULL;
    if (frame->owns) {
        give_back(frame, answer != NULL && result == 0);
        frame->owns = false;
    }
    if (answer == NULL && answered) {
        ss_leave(machine); /* the conversion failed and says why */
        return NULL;
    }
    if (ss_finish(machine, status, answer) < 0) {
        Py_CLEAR(answer);
    }
    return answer;
}

static PyObject *routine_vectorcall(PyObject *callable, PyObject *const *args, size_t flags, PyObject *names) {
    routine_object_t *routine = (routine_object_t *)callable;
    frame_t frame;
    size_t count = routine->plan->row->param_count;
    frame.routine = routine;
    frame.plan = routine->plan;
    frame.machine = routine->machine;
    frame.held = NULL;
    frame.registered = 0;
    frame.owns = false;
    for (size_t i = 0; i < count; i++) { /* a handful: cheaper than a string instruction */
        frame.given[i] = NULL;
    }
    PyObject *answer = NULL;
    if (match(&frame, args, PyVectorcall_NARGS(flags), names) == 0 && convert_all(&frame) == 0) {
        answer = perform(&frame);
    }
    if (frame.owns) {
        give_back(&frame, false);
    }
    Py_XDECREF(frame.held);
    return answer;
}

/* --- the type ---------------------------------------------------------------------------------------------------- */

PyObject *ss_routine_new(ss_state_t *state, ss_plan_t *plan, ss_machine_object_t *machine) {
    return ss_routine_new_of(state, plan, machine, 0);
}

PyObject *ss_routine_new_of(ss_state_t *state, ss_plan_t *plan, ss_machine_object_t *machine, uint64_t context) {
    PyTypeObject *type = (PyTypeObject *)state->Routine;
    routine_object_t *self = (routine_object_t *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = routine_vectorcall;
        self->state = state;
        self->plan = plan;
        self->machine = (ss_machine_object_t *)Py_XNewRef(machine);
        self->context = context;
    }
    return (PyObject *)self;
}

static int routine_traverse(routine_object_t *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->machine);
    return 0;
}

static void routine_dealloc(routine_object_t *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->machine);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *routine_name(routine_object_t *self, void *Py_UNUSED(closure)) {
    return PyUnicode_FromString(self->plan->row->name);
}

static PyObject *routine_module(routine_object_t *self, void *Py_UNUSED(closure)) {
    return PyUnicode_FromString(self->plan->row->family == STORSIM_F_STORPORT ? "storsim.storport" : "storsim.hdaudio");
}

static PyObject *routine_doc(routine_object_t *self, void *Py_UNUSED(closure)) {
    return ss_plan_doc(self->plan);
}

static PyObject *routine_signature(routine_object_t *self, void *Py_UNUSED(closure)) {
    return ss_plan_signature(self->plan);
}

static PyObject *routine_self(routine_object_t *self, void *Py_UNUSED(closure)) {
    return Py_NewRef(self->machine ? (PyObject *)self->machine : Py_None);
}

static PyObject *routine_id(routine_object_t *self, void *Py_UNUSED(closure)) {
    return PyLong_FromLong(self->plan->row->id);
}

static PyObject *routine_repr(routine_object_t *self) {
    return self->machine ? PyUnicode_FromFormat("<%s of %R>", self->plan->row->name, self->machine)
                         : PyUnicode_FromFormat("storsim.storport.%s", self->plan->row->name);
}

/* As a class attribute it does not bind: its first argument is the adapter, whoever looks it up. */
static PyObject *routine_get(PyObject *self, PyObject *Py_UNUSED(instance), PyObject *Py_UNUSED(owner)) {
    return Py_NewRef(self);
}

static PyObject *routine_reduce(routine_object_t *self, PyObject *Py_UNUSED(ignored)) {
    if (self->machine != NULL) {
        PyErr_SetString(PyExc_TypeError, "a routine bound to a machine cannot be pickled; pickle the name");
        return NULL;
    }
    return PyUnicode_FromString(self->plan->row->name);
}

static PyObject *routine_compare(routine_object_t *self, PyObject *other, int op) {
    if (!Py_IS_TYPE(other, Py_TYPE(self)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const routine_object_t *that = (const routine_object_t *)(void *)other;
    return PyBool_FromLong((self->plan == that->plan && self->machine == that->machine &&
                            self->context == that->context) == (op == Py_EQ));
}

static Py_hash_t routine_hash(routine_object_t *self) {
    Py_hash_t hash = (Py_hash_t)(((uintptr_t)self->machine >> 4) * 1000003u + self->plan->row->id);
    return hash == -1 ? -2 : hash;
}

static PyMemberDef routine_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(routine_object_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef routine_getset[] = {
    {"__name__", (getter)routine_name, NULL, PyDoc_STR("Documented name."), NULL},
    {"__qualname__", (getter)routine_name, NULL, PyDoc_STR("Documented name."), NULL},
    {"__module__", (getter)routine_module, NULL, PyDoc_STR("Module of the free form."), NULL},
    {"__doc__", (getter)routine_doc, NULL, NULL, NULL},
    {"__text_signature__", (getter)routine_signature, NULL, NULL, NULL},
    {"machine", (getter)routine_self, NULL, PyDoc_STR("The machine the routine is bound to, or None."), NULL},
    {"id", (getter)routine_id, NULL, PyDoc_STR("Row of the DDI table."), NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMethodDef routine_methods[] = {
    {"__reduce__", (PyCFunction)(void (*)(void))routine_reduce, METH_NOARGS, PyDoc_STR("For pickle: by name.")},
    {NULL, NULL, 0, NULL}};

static PyType_Slot routine_slots[] = {{Py_tp_call, PyVectorcall_Call},
                                      {Py_tp_members, routine_members},
                                      {Py_tp_getset, routine_getset},
                                      {Py_tp_methods, routine_methods},
                                      {Py_tp_descr_get, routine_get},
                                      {Py_tp_repr, routine_repr},
                                      {Py_tp_hash, routine_hash},
                                      {Py_tp_richcompare, routine_compare},
                                      {Py_tp_traverse, routine_traverse},
                                      {Py_tp_dealloc, routine_dealloc},
                                      {0, NULL}};

PyType_Spec ss_routine_spec = {"storsim._core.Routine", sizeof(routine_object_t), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                                   Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               routine_slots};
