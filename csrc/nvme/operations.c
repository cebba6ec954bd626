/* nvme/operations.c: the NVMe room's public functions as data. See machine/tap.h. */
#include "nvme/operations.h"

#include "storsim/nvme.h"

SS_PERFORM(nvme_attach) {
    (void)operation, (void)result;
    return args[1].data == NULL ? STORSIM_INVALID : storsim_nvme_attach(machine, (uint32_t)args[0].value, args[1].data);
}

SS_PERFORM(nvme_set_features) {
    (void)operation, (void)result;
    uint32_t completion = (uint32_t)args[3].value;
    if (args[2].data == NULL || args[2].count != 5) {
        return STORSIM_INVALID;
    }
    storsim_status_t status =
        storsim_nvme_set_features(machine, (uint32_t)args[0].value, (uint8_t)args[1].value, args[2].data, &completion);
    return ss_arg_give(&args[3], completion, status);
}

SS_PERFORM(nvme_reset) {
    (void)operation, (void)result;
    return storsim_nvme_reset(machine, (uint32_t)args[0].value);
}

SS_PERFORM(nvme_detach) {
    (void)operation, (void)result;
    storsim_nvme_detach(machine, (uint32_t)args[0].value);
    return STORSIM_OK;
}

SS_PERFORM(nvme_hmb_read) {
    (void)operation, (void)result;
    storsim_status_t status = storsim_nvme_hmb_read(machine, (uint32_t)args[0].value, args[1].value, args[2].data, args[2].count);
    args[2].written = status == STORSIM_OK; /* else the buffer may be half filled */
    return status;
}

SS_PERFORM(nvme_hmb_write) {
    (void)operation, (void)result;
    return storsim_nvme_hmb_write(machine, (uint32_t)args[0].value, args[1].value, args[2].data, args[2].count);
}

SS_PERFORM(nvme_verify) {
    (void)operation, (void)result;
    return storsim_nvme_verify(machine, (uint32_t)args[0].value);
}

#define IDENTIFY(field) SS_MEMBER(storsim_nvme_identify_t, field)
static const storsim_member_t identify_members[] = {IDENTIFY(hmpre), IDENTIFY(hmmin), IDENTIFY(hmminds), IDENTIFY(hmmaxd),
                                                    IDENTIFY(memory_page_shift)};
static const storsim_layout_t identify_layout = SS_LAYOUT("nvme_identify", storsim_nvme_identify_t, identify_members);

static const storsim_param_t p_attach[] = {SS_FIELD(device, DEVICE, IN), SS_FIELD(identify, STRUCT, IN)};
static const storsim_param_t p_features[] = {SS_FIELD(device, DEVICE, IN), SS_FIELD(fid, UCHAR, IN), SS_FIELD(cdw, ULONGS, IN),
    SS_FIELD(completion, ULONG, OUT)};
static const storsim_param_t p_device[] = {SS_FIELD(device, DEVICE, IN)};
static const storsim_param_t p_read[] = {SS_FIELD(device, DEVICE, IN), SS_FIELD(offset, ULONGLONG, IN), SS_FIELD(data, BYTES, OUT)};
static const storsim_param_t p_write[] = {SS_FIELD(device, DEVICE, IN), SS_FIELD(offset, ULONGLONG, IN), SS_FIELD(data, BYTES, IN)};

#define ROW(index, function) [index] = {.id = SS_OP_NVME + (index), .name = #function, .perform = function
const storsim_operation_t ss_nvme_operations[SS_NVME_OPERATIONS] = {
    ROW(SS_NVME_ATTACH, nvme_attach), SS_FIELDS(p_attach), .layout = &identify_layout},
    ROW(SS_NVME_SET_FEATURES, nvme_set_features), SS_FIELDS(p_features)},
    ROW(SS_NVME_RESET, nvme_reset), SS_FIELDS(p_device)},
    ROW(SS_NVME_DETACH, nvme_detach), SS_FIELDS(p_device), .flags = STORSIM_OP_SURE},
    ROW(SS_NVME_HMB_READ, nvme_hmb_read), SS_FIELDS(p_read)},
    ROW(SS_NVME_HMB_WRITE, nvme_hmb_write), SS_FIELDS(p_write)},
    ROW(SS_NVME_VERIFY, nvme_verify), SS_FIELDS(p_device)},
};
