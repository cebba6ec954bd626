/* storport/operations.c: the Storport room's public functions as data. See machine/tap.h. */
#include "storport/operations.h"

#include <string.h>

#include "storport/room.h"

/* --- routines --------------------------------------------------------------------------------------------------------- */

SS_PERFORM(call) {
    return storsim_storport_call(machine, operation->routine, args, result);
}

storsim_operation_t ss_sp_operation(const storsim_routine_t *routine) {
    return (storsim_operation_t){.id = routine->id,
                                 .arg_count = routine->param_count,
                                 .param_count = routine->param_count,
                                 .flags = STORSIM_OP_RESULT,
                                 .name = routine->name,
                                 .params = routine->params,
                                 .perform = call,
                                 .routine = routine};
}

/* --- adapters --------------------------------------------------------------------------------------------------------- */

SS_PERFORM(storport_attach) {
    (void)operation, (void)args, (void)result;
    return storsim_storport_attach(machine);
}

/* A text argument as a C string: at most 63 bytes, as names and documented controls are; longer or with a zero inside is no text. */
static bool text_of(const storsim_arg_t *arg, char text[64]) {
    if (arg->count >= 64 || memchr(arg->data, 0, arg->count) != NULL) {
        return false;
    }
    memcpy(text, arg->data, arg->count);
    text[arg->count] = '\0';
    return true;
}

SS_PERFORM(adapter_add) {
    (void)operation, (void)result;
    char name[64];
    if (args[1].data == NULL || (args[0].data != NULL && !text_of(&args[0], name))) {
        return STORSIM_INVALID;
    }
    storsim_adapter_config_t config;
    memcpy(&config, args[1].data, sizeof config);
    config.name = args[0].data != NULL ? name : NULL;
    uint32_t adapter = (uint32_t)args[2].value;
    storsim_status_t status = storsim_adapter_add(machine, &config, &adapter);
    if (status == STORSIM_OK) {
        (void)ss_arg_give(&args[3], storsim_adapter_extension(machine, adapter), status);
        (void)ss_arg_give(&args[4], storsim_adapter_config_address(machine, adapter), status);
        (void)ss_arg_give(&args[5], storsim_adapter_device(machine, adapter), status);
    }
    return ss_arg_give(&args[2], adapter, status);
}

SS_PERFORM(adapter_remove) {
    (void)operation, (void)result;
    size_t first = (size_t)args[1].value, leaks = (size_t)args[2].value;
    storsim_status_t status = storsim_adapter_remove(machine, (uint32_t)args[0].value, &first, &leaks);
    (void)ss_arg_give(&args[1], first, status);
    return ss_arg_give(&args[2], leaks, status);
}

SS_PERFORM(port_config_set) {
    (void)operation, (void)result;
    return args[1].value >= STORSIM_PC_COUNT
               ? STORSIM_INVALID
               : storsim_port_config_set(machine, (uint32_t)args[0].value, (storsim_port_config_field_t)args[1].value, args[2].value);
}

SS_PERFORM(callback_enter) {
    (void)operation, (void)result;
    char control[64];
    if (args[1].value >= STORSIM_CONTEXT_COUNT || (args[2].data != NULL && !text_of(&args[2], control))) {
        return STORSIM_INVALID;
    }
    return storsim_callback_enter(machine, (uint32_t)args[0].value, (storsim_context_t)args[1].value,
                                  args[2].data != NULL ? control : NULL);
}

SS_PERFORM(callback_leave) {
    (void)operation, (void)args, (void)result;
    return storsim_callback_leave(machine);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

SS_PERFORM(srb_create) {
    (void)operation, (void)result;
    uint64_t srb = args[2].value;
    storsim_srb_info_t info = {.data = 0}; /* compiled as one with the room, a path that is never taken is seen */
    if (args[1].data == NULL) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = storsim_srb_create(machine, (uint32_t)args[0].value, args[1].data, &srb);
    if (status == STORSIM_OK) {
        (void)storsim_srb_get(machine, srb, &info); /* it was made just now */
        const uint64_t parts[] = {info.data, info.extension, info.sense, info.lu_extension, info.mdl, info.data_in, info.data_in_mdl};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            (void)ss_arg_give(&args[3 + i], parts[i], status);
        }
    }
    return ss_arg_give(&args[2], srb, status);
}

SS_PERFORM(srb_complete) {
    (void)operation, (void)result;
    return storsim_srb_complete(machine, args[0].value);
}

/* --- the device's side ------------------------------------------------------------------------------------------------ */

SS_PERFORM(dma_read) {
    (void)operation, (void)result;
    storsim_status_t status = storsim_adapter_dma_read(machine, (uint32_t)args[0].value, args[1].value, args[2].data, args[2].count);
    args[2].written = status == STORSIM_OK; /* else the buffer may be half filled */
    return status;
}

SS_PERFORM(dma_write) {
    (void)operation, (void)result;
    return storsim_adapter_dma_write(machine, (uint32_t)args[0].value, args[1].value, args[2].data, args[2].count);
}

SS_PERFORM(flush) {
    (void)operation, (void)result;
    return storsim_adapter_flush(machine, (uint32_t)args[0].value, args[1].value, args[2].value, args[3].value != 0);
}

SS_PERFORM(store_fence) {
    (void)operation, (void)args, (void)result;
    return storsim_store_fence(machine);
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

#define ADAPTER(field) SS_MEMBER(storsim_adapter_config_t, field)
static const storsim_member_t adapter_members[] = {
    ADAPTER(full_duplex), ADAPTER(dump_mode), ADAPTER(dirql), ADAPTER(node), ADAPTER(device_extension_bytes),
    ADAPTER(virtual_miniport), ADAPTER(bus_master), ADAPTER(dma_remapping), ADAPTER(coherent), ADAPTER(poison_length),
    ADAPTER(write_combining), ADAPTER(sg_delivery), ADAPTER(map_registers), ADAPTER(contig_cap), ADAPTER(pool_cap),
    ADAPTER(minimum_ucx), ADAPTER(maximum_ucx), ADAPTER(ucx_alignment), ADAPTER(hmb_policy), ADAPTER(hmb_policy_routine),
    ADAPTER(hmb_cap), ADAPTER(hmb_utilization_divisor), ADAPTER(hmb_disabled_status), ADAPTER(hmb_second_alloc_status),
    ADAPTER(hmb_free_exact)};
static const storsim_layout_t adapter_layout = SS_LAYOUT("adapter_config", storsim_adapter_config_t, adapter_members);
#define SRB(field) SS_MEMBER(storsim_srb_config_t, field)
static const storsim_member_t srb_members[] = {SRB(length), SRB(write), SRB(fragments), SRB(offset), SRB(lu_extension_bytes),
                                               SRB(data_in_length)};
static const storsim_layout_t srb_layout = SS_LAYOUT("srb_config", storsim_srb_config_t, srb_members);

static const storsim_param_t p_add[] = {SS_FIELD(name, TEXT, IN), SS_FIELD(config, STRUCT, IN), SS_FIELD(adapter, ADAPTER, OUT),
    SS_FIELD(HwDeviceExtension, DEVEXT, OUT), SS_FIELD(ConfigInfo, PCONFIG, OUT), SS_FIELD(device, DEVICE, OUT)};
static const storsim_param_t p_remove[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(first_leak, ULONGLONG, OUT),
    SS_FIELD(leaks, ULONGLONG, OUT)};
static const storsim_param_t p_config[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(field, ULONG, IN), SS_FIELD(value, ULONGLONG, IN)};
static const storsim_param_t p_enter[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(context, ULONG, IN), SS_FIELD(control, TEXT, IN)};
static const storsim_param_t p_srb[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(config, STRUCT, IN), SS_FIELD(Srb, PSRB, OUT),
    SS_FIELD(DataBuffer, PVOID, OUT), SS_FIELD(SrbExtension, PVOID, OUT), SS_FIELD(SenseInfoBuffer, PVOID, OUT),
    SS_FIELD(LuExtension, PVOID, OUT), SS_FIELD(Mdl, PMDL, OUT), SS_FIELD(DataInBuffer, PVOID, OUT), SS_FIELD(DataInMdl, PMDL, OUT)};
static const storsim_param_t p_complete[] = {SS_FIELD(Srb, PSRB, IN)};
static const storsim_param_t p_dma_read[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(address, PHYSICAL, IN), SS_FIELD(data, BYTES, OUT)};
static const storsim_param_t p_dma_write[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(address, PHYSICAL, IN), SS_FIELD(data, BYTES, IN)};
static const storsim_param_t p_flush[] = {SS_FIELD(adapter, ADAPTER, IN), SS_FIELD(address, PVOID, IN), SS_FIELD(bytes, ULONGLONG, IN),
    SS_FIELD(to_device, BOOLEAN, IN)};

#define ROW(index, function) [index] = {.id = SS_OP_STORPORT + (index), .name = #function, .perform = function
const storsim_operation_t ss_sp_operations[SS_SP_OPERATIONS] = {
    ROW(SS_SP_ATTACH, storport_attach), .flags = STORSIM_OP_SETUP},
    ROW(SS_SP_ADAPTER_ADD, adapter_add), SS_FIELDS(p_add), .layout = &adapter_layout},
    ROW(SS_SP_ADAPTER_REMOVE, adapter_remove), SS_FIELDS(p_remove)},
    ROW(SS_SP_PORT_CONFIG_SET, port_config_set), SS_FIELDS(p_config)},
    ROW(SS_SP_CALLBACK_ENTER, callback_enter), SS_FIELDS(p_enter), .flags = STORSIM_OP_OPENS},
    ROW(SS_SP_CALLBACK_LEAVE, callback_leave), .flags = STORSIM_OP_CLOSES},
    ROW(SS_SP_SRB_CREATE, srb_create), SS_FIELDS(p_srb), .layout = &srb_layout},
    ROW(SS_SP_SRB_COMPLETE, srb_complete), SS_FIELDS(p_complete)},
    ROW(SS_SP_DMA_READ, dma_read), SS_FIELDS(p_dma_read)},
    ROW(SS_SP_DMA_WRITE, dma_write), SS_FIELDS(p_dma_write)},
    ROW(SS_SP_FLUSH, flush), SS_FIELDS(p_flush)},
    ROW(SS_SP_STORE_FENCE, store_fence)},
};
