/* journal/operations.c: the rooms' tables as one, and performing one operation. */
#include "hda/operations.h"
#include "hdaudio/operations.h"
#include "journal/journal_i.h"
#include "machine/operations.h"
#include "nt/operations.h"
#include "nvme/operations.h"
#include "storport/operations.h"
#include "storsim/storport.h"

/* --- layouts of types ------------------------------------------------------------------------------------------------- */

#define M(structure, field) SS_MEMBER(structure, field)
static const storsim_member_t ranges[] = {M(storsim_access_range_t, RangeStart), M(storsim_access_range_t, RangeLength),
                                          M(storsim_access_range_t, RangeInMemory)};
static const storsim_member_t affinities[] = {M(storsim_group_affinity_t, Mask), M(storsim_group_affinity_t, Group)};
static const storsim_member_t formats[] = {M(storsim_stream_format_t, SampleRate), M(storsim_stream_format_t, ValidBitsPerSample),
                                           M(storsim_stream_format_t, ContainerSize), M(storsim_stream_format_t, NumberOfChannels)};
static const storsim_member_t transfers[] = {M(storsim_codec_transfer_t, Output), M(storsim_codec_transfer_t, Input)};
static const storsim_member_t information[] = {
    M(storsim_device_information_t, Size), M(storsim_device_information_t, DeviceVersion), M(storsim_device_information_t, DriverVersion),
    M(storsim_device_information_t, CodecsDetected), M(storsim_device_information_t, IsStripingSupported),
    M(storsim_device_information_t, CtrlRevision), M(storsim_device_information_t, CtrlVendorId),
    M(storsim_device_information_t, CtrlDeviceId)};
static const storsim_member_t words[] = {{"value", 0, 4, false}};
static const storsim_member_t quads[] = {{"value", 0, 8, false}};

static const storsim_layout_t layouts[STORSIM_T_KINDS] = {
    [STORSIM_T_RANGES] = SS_LAYOUT("ACCESS_RANGE", storsim_access_range_t, ranges),
    [STORSIM_T_HANDLES] = SS_LAYOUT("HANDLE", uint64_t, quads),
    [STORSIM_T_GROUP_AFFINITY] = SS_LAYOUT("GROUP_AFFINITY", storsim_group_affinity_t, affinities),
    [STORSIM_T_STREAM_FORMAT] = SS_LAYOUT("HDAUDIO_STREAM_FORMAT", storsim_stream_format_t, formats),
    [STORSIM_T_TRANSFERS] = SS_LAYOUT("HDAUDIO_CODEC_TRANSFER", storsim_codec_transfer_t, transfers),
    [STORSIM_T_DEVICE_INFO] = SS_LAYOUT("HDAUDIO_DEVICE_INFORMATION", storsim_device_information_t, information),
    [STORSIM_T_ULONGS] = SS_LAYOUT("ULONG", uint32_t, words),
    [STORSIM_T_ULONGLONGS] = SS_LAYOUT("ULONGLONG", uint64_t, quads),
};

const storsim_layout_t *storsim_type_layout(storsim_type_t type) {
    return (uint32_t)type < (uint32_t)STORSIM_T_KINDS && layouts[type].size != 0 ? &layouts[type] : NULL;
}

/* --- the tables as one ------------------------------------------------------------------------------------------------ */

static const struct table {
    const storsim_operation_t *rows;
    uint16_t first, count;
} tables[] = {{ss_machine_operations, SS_OP_MACHINE, SS_MACHINE_OPERATIONS}, {ss_nt_operations, SS_OP_NT, SS_NT_OPERATIONS},
              {ss_sp_operations, SS_OP_STORPORT, SS_SP_OPERATIONS},          {ss_nvme_operations, SS_OP_NVME, SS_NVME_OPERATIONS},
              {ss_hda_operations, SS_OP_HDA, SS_HDA_OPERATIONS},             {ss_hdaudio_operations, SS_OP_HDAUDIO, SS_HDAUDIO_OPERATIONS}};
enum { TABLES = sizeof tables / sizeof tables[0] };

static storsim_operation_t of_routine(const storsim_routine_t *routine) {
    return routine->family == STORSIM_F_STORPORT ? ss_sp_operation(routine) : ss_hdaudio_operation(routine);
}

size_t storsim_operation_count(void) {
    size_t count;
    (void)storsim_ddi_table(&count);
    for (size_t i = 0; i < TABLES; i++) {
        count += tables[i].count;
    }
    return count;
}

bool storsim_operation_at(size_t index, storsim_operation_t *operation) {
    size_t count;
    const storsim_routine_t *rows = storsim_ddi_table(&count);
    if (index < count) {
        *operation = of_routine(&rows[index]);
        return true;
    }
    index -= count;
    for (size_t i = 0; i < TABLES; i++) {
        if (index < tables[i].count) {
            *operation = tables[i].rows[index];
            return true;
        }
        index -= tables[i].count;
    }
    return false;
}

bool storsim_operation_get(uint16_t id, storsim_operation_t *operation) {
    const storsim_routine_t *routine = storsim_ddi_routine(id);
    if (routine != NULL) {
        *operation = of_routine(routine);
        return true;
    }
    for (size_t i = 0; i < TABLES; i++) {
        if (id >= tables[i].first && id - tables[i].first < tables[i].count) {
            *operation = tables[i].rows[id - tables[i].first];
            return true;
        }
    }
    return false;
}

const storsim_param_t *storsim_operation_param(const storsim_operation_t *operation, uint8_t index) {
    static const storsim_param_t client = {"Context", STORSIM_T_CLIENT, STORSIM_P_IN};
    return index < operation->param_count ? &operation->params[index] : &client;
}

/* --- performing ------------------------------------------------------------------------------------------------------- */

static uint64_t largest(storsim_type_t type) {
    switch (type) {
    case STORSIM_T_UCHAR:
    case STORSIM_T_BOOLEAN:
    case STORSIM_T_IRQL: return UINT8_MAX;
    case STORSIM_T_USHORT: return UINT16_MAX;
    case STORSIM_T_ULONG:
    case STORSIM_T_TAG:
    case STORSIM_T_ADAPTER:
    case STORSIM_T_CONTROLLER:
    case STORSIM_T_DEVICE:
    case STORSIM_T_LINE:
    case STORSIM_T_RULE: return UINT32_MAX;
    default: return UINT64_MAX;
    }
}

/* A driver's array that an out-count says is longer than what is there. */
static bool arguments_fit(const storsim_operation_t *operation, const storsim_arg_t *args) {
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(operation, i);
        if ((param->flags & STORSIM_P_IN) != 0 && args[i].value > largest(param->type)) {
            return false;
        }
        if (param->type == STORSIM_T_ENUM && (int64_t)args[i].value != (int32_t)args[i].value) {
            return false;
        }
        if ((param->type == STORSIM_T_BYTES || param->type == STORSIM_T_TEXT) && args[i].count != 0 && args[i].data == NULL) {
            return false;
        }
    }
    return true;
}

storsim_status_t storsim_operation_perform(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args,
                                           uint64_t *result) {
    uint64_t ignored = 0;
    result = result != NULL ? result : &ignored;
    *result = 0;
    if (operation->perform == NULL || !arguments_fit(operation, args)) {
        return STORSIM_INVALID;
    }
    return operation->perform(machine, operation, args, result);
}
