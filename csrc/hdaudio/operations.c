/* hdaudio/operations.c: the bus driver's public functions as data. See machine/tap.h. */
#include "hdaudio/operations.h"

#include "storsim/hdaudio.h"

/* --- routines --------------------------------------------------------------------------------------------------------- */

SS_PERFORM(call) {
    return storsim_hdaudio_call(machine, args[operation->param_count].value, operation->routine, args, result);
}

storsim_operation_t ss_hdaudio_operation(const storsim_routine_t *routine) {
    return (storsim_operation_t){.id = routine->id,
                                 .arg_count = (uint8_t)(routine->param_count + 1),
                                 .param_count = routine->param_count,
                                 .flags = STORSIM_OP_RESULT,
                                 .name = routine->name,
                                 .params = routine->params,
                                 .perform = call,
                                 .routine = routine};
}

/* --- bus drivers ------------------------------------------------------------------------------------------------------ */

SS_PERFORM(hdaudio_prepare) {
    (void)operation, (void)args, (void)result;
    return storsim_hdaudio_prepare(machine);
}

SS_PERFORM(hdaudio_attach) {
    (void)operation, (void)result;
    return storsim_hdaudio_attach(machine, (uint32_t)args[0].value, args[1].data);
}

SS_PERFORM(hdaudio_remove) {
    (void)operation, (void)result;
    size_t first = (size_t)args[1].value, leaks = (size_t)args[2].value;
    storsim_status_t status = storsim_hdaudio_remove(machine, (uint32_t)args[0].value, &first, &leaks);
    (void)ss_arg_give(&args[1], first, status);
    return ss_arg_give(&args[2], leaks, status);
}

SS_PERFORM(hdaudio_surprise_remove) {
    (void)operation, (void)result;
    return storsim_hdaudio_surprise_remove(machine, (uint32_t)args[0].value);
}

SS_PERFORM(hdaudio_query) {
    (void)operation, (void)result;
    storsim_hdaudio_interface_t interface = {0};
    uint32_t ntstatus = (uint32_t)args[7].value;
    if (args[1].data == NULL || args[1].count != 16) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = storsim_hdaudio_query(machine, (uint32_t)args[0].value, args[1].data, (uint16_t)args[2].value,
                                                    (uint16_t)args[3].value, (uint32_t)args[4].value, &interface, &ntstatus);
    if (interface.table != NULL) {
        (void)ss_arg_give(&args[5], interface.context, status);
        (void)ss_arg_give(&args[6], interface.table->tables, status);
    }
    return ss_arg_give(&args[7], ntstatus, status);
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

#define AUDIO(field) SS_MEMBER(storsim_hdaudio_config_t, field)
#define POLICY(field, choices, source) AUDIO(policy.field),
static const storsim_member_t members[] = {
    STORSIM_HDAUDIO_POLICY_MAP(POLICY) AUDIO(stripe_lines), AUDIO(events_per_engine), AUDIO(callbacks_per_engine), AUDIO(verb_timeout),
    AUDIO(late_dpc), AUDIO(dirql), AUDIO(ctrl_revision), AUDIO(ctrl_vendor_id), AUDIO(ctrl_device_id)};
#undef POLICY
static const storsim_layout_t layout = SS_LAYOUT("hdaudio_config", storsim_hdaudio_config_t, members);

static const storsim_param_t p_attach[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(config, STRUCT, IN)};
static const storsim_param_t p_remove[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(first_leak, ULONGLONG, OUT),
    SS_FIELD(leaks, ULONGLONG, OUT)};
static const storsim_param_t p_surprise[] = {SS_FIELD(controller, CONTROLLER, IN)};
static const storsim_param_t p_query[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(guid, BYTES, IN), SS_FIELD(size, USHORT, IN),
    SS_FIELD(version, USHORT, IN), SS_FIELD(client, ULONG, IN), SS_FIELD(Context, CLIENT, OUT), SS_FIELD(table, UCHAR, OUT),
    SS_FIELD(status, ULONG, OUT)};

#define ROW(index, function) [index] = {.id = SS_OP_HDAUDIO + (index), .name = #function, .perform = function
const storsim_operation_t ss_hdaudio_operations[SS_HDAUDIO_OPERATIONS] = {
    ROW(SS_HDAUDIO_PREPARE, hdaudio_prepare), .flags = STORSIM_OP_SETUP},
    ROW(SS_HDAUDIO_ATTACH, hdaudio_attach), SS_FIELDS(p_attach), .layout = &layout},
    ROW(SS_HDAUDIO_REMOVE, hdaudio_remove), SS_FIELDS(p_remove)},
    ROW(SS_HDAUDIO_SURPRISE_REMOVE, hdaudio_surprise_remove), SS_FIELDS(p_surprise)},
    ROW(SS_HDAUDIO_QUERY, hdaudio_query), SS_FIELDS(p_query)},
};
