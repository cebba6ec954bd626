/* nt/operations.c: the kernel's public functions as data. See machine/tap.h. */
#include "nt/operations.h"

#include "nt/nt_i.h"

/* --- configuration ---------------------------------------------------------------------------------------------------- */

SS_PERFORM(nt_boot) {
    (void)operation, (void)result;
    return storsim_nt_boot(machine, args[0].data); /* NULL: the defaults */
}

SS_PERFORM(override_irql) {
    (void)operation, (void)result;
    return storsim_override_irql(machine, (uint16_t)args[0].value, (uint8_t)args[1].value, (uint8_t)args[2].value);
}

SS_PERFORM(override_first_os) {
    (void)operation, (void)result;
    return storsim_override_first_os(machine, (uint16_t)args[0].value, (uint32_t)args[1].value);
}

/* --- levels, interrupts, events --------------------------------------------------------------------------------------- */

SS_PERFORM(verify_guards) {
    (void)operation, (void)args, (void)result;
    return storsim_verify_guards(machine);
}

SS_PERFORM(set_cpu) {
    (void)operation, (void)result;
    return storsim_set_cpu(machine, (uint32_t)args[0].value);
}

SS_PERFORM(set_irql) {
    (void)operation, (void)result;
    uint8_t old = (uint8_t)args[1].value;
    storsim_status_t status = storsim_set_irql(machine, (uint8_t)args[0].value, &old);
    return ss_arg_give(&args[1], old, status);
}

SS_PERFORM(run_dpcs) {
    (void)operation, (void)result;
    uint32_t ran = (uint32_t)args[0].value;
    storsim_status_t status = storsim_run_dpcs(machine, &ran);
    return ss_arg_give(&args[0], ran, status);
}

SS_PERFORM(connect_interrupt) {
    (void)operation, (void)result;
    return storsim_connect_interrupt(machine, (uint32_t)args[0].value, (uint8_t)args[1].value, args[2].value, args[3].value);
}

SS_PERFORM(queue_dpc) {
    (void)operation, (void)result;
    return storsim_queue_dpc(machine, args[0].value, args[1].value);
}

SS_PERFORM(event_create) {
    (void)operation, (void)result;
    uint64_t address = args[0].value;
    storsim_status_t status = storsim_event_create(machine, &address);
    return ss_arg_give(&args[0], address, status);
}

SS_PERFORM(event_destroy) {
    (void)operation, (void)result;
    return storsim_event_destroy(machine, args[0].value);
}

SS_PERFORM(event_set) {
    (void)operation, (void)result;
    return storsim_event_set(machine, args[0].value);
}

SS_PERFORM(event_clear) {
    (void)operation, (void)result;
    return storsim_event_clear(machine, args[0].value);
}

/* --- memory ----------------------------------------------------------------------------------------------------------- */

SS_PERFORM(read_va) {
    (void)operation, (void)result;
    storsim_status_t status = storsim_read_va(machine, args[0].value, args[1].data, args[1].count);
    args[1].written = status == STORSIM_OK; /* else the buffer may be half filled */
    return status;
}

SS_PERFORM(write_va) {
    (void)operation, (void)result;
    return storsim_write_va(machine, args[0].value, args[1].data, args[1].count);
}

SS_PERFORM(kernel_memory_create) {
    (void)operation, (void)result;
    uint64_t va = args[2].value;
    storsim_status_t status =
        storsim_kernel_memory_create(machine, (storsim_block_kind_t)(args[0].value & 0xFF), args[1].value, &va);
    return ss_arg_give(&args[2], va, status);
}

SS_PERFORM(kernel_memory_destroy) {
    (void)operation, (void)result;
    return storsim_kernel_memory_destroy(machine, args[0].value);
}

/* --- views ------------------------------------------------------------------------------------------------------------ */

static uint64_t block_named(const storsim_machine_t *machine, uint64_t va, uint64_t pa) {
    storsim_allocation_t allocation;
    uint64_t cursor = 0;
    if (va != 0) {
        return storsim_allocation_at(machine, va, &allocation) && allocation.va == va ? allocation.block : 0;
    }
    while (pa != 0 && storsim_allocation_next(machine, &cursor, &allocation)) {
        if (allocation.va == 0 && allocation.pa == pa) {
            return allocation.block;
        }
    }
    return 0;
}

SS_PERFORM(block_export) {
    (void)operation, (void)result;
    uint8_t *data;
    uint64_t size, token = 0;
    storsim_status_t status = storsim_block_export(machine, block_named(machine, args[0].value, args[1].value),
                                                   args[2].value != 0, &data, &size, &token);
    return ss_arg_give(&args[3], token, status);
}

SS_PERFORM(block_unexport) {
    (void)operation, (void)result;
    return storsim_block_unexport(machine, args[0].value);
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

#define NT(field) SS_MEMBER(storsim_nt_config_t, field)
static const storsim_member_t nt_members[] = {
    NT(os), NT(level), NT(verifier), NT(cpus), NT(node_strict), NT(address_check_pfn), NT(contig_pool_only), NT(zero_pool),
    NT(zero_contig), NT(zero_hmb), NT(bypass_irql_status), NT(zero_tag_fail), NT(not_implemented_writes), NT(nonpaged_budget),
    NT(contig_budget), NT(quarantine), NT(dpc_latency), NT(dpc_manual), NT(special_pool_start), NT(special_pool_pages),
    NT(explicit_low_memory), NT(low_resources_probability), NT(low_resources_delay), NT(systematic_what_if),
    NT(low_resources_tags[0]), NT(low_resources_tags[1]), NT(low_resources_tags[2]), NT(low_resources_tags[3]),
    NT(low_resources_tags[4]), NT(low_resources_tags[5]), NT(low_resources_tags[6]), NT(low_resources_tags[7]),
    NT(low_resources_tags[8]), NT(low_resources_tags[9]), NT(low_resources_tags[10]), NT(low_resources_tags[11]),
    NT(low_resources_tags[12]), NT(low_resources_tags[13]), NT(low_resources_tags[14]), NT(low_resources_tags[15])};
static const storsim_layout_t nt_layout = SS_LAYOUT("nt_config", storsim_nt_config_t, nt_members);

static const storsim_param_t p_boot[] = {SS_FIELD(config, STRUCT, IN)};
static const storsim_param_t p_levels[] = {SS_FIELD(routine, USHORT, IN), SS_FIELD(irql_min, IRQL, IN), SS_FIELD(irql_max, IRQL, IN)};
static const storsim_param_t p_os[] = {SS_FIELD(routine, USHORT, IN), SS_FIELD(os, ULONG, IN)};
static const storsim_param_t p_cpu[] = {SS_FIELD(cpu, ULONG, IN)};
static const storsim_param_t p_irql[] = {SS_FIELD(irql, IRQL, IN), SS_FIELD(old, IRQL, OUT)};
static const storsim_param_t p_ran[] = {SS_FIELD(ran, ULONG, OUT)};
static const storsim_param_t p_connect[] = {SS_FIELD(line, LINE, IN), SS_FIELD(irql, IRQL, IN), SS_FIELD(routine, ROUTINE, IN),
    SS_FIELD(context, CONTEXT, IN)};
static const storsim_param_t p_dpc[] = {SS_FIELD(routine, ROUTINE, IN), SS_FIELD(context, CONTEXT, IN)};
static const storsim_param_t p_event_out[] = {SS_FIELD(event, KEVENT, OUT)};
static const storsim_param_t p_event[] = {SS_FIELD(event, KEVENT, IN)};
static const storsim_param_t p_load[] = {SS_FIELD(address, PVOID, IN), SS_FIELD(data, BYTES, OUT)};
static const storsim_param_t p_store[] = {SS_FIELD(address, PVOID, IN), SS_FIELD(data, BYTES, IN)};
static const storsim_param_t p_kernel_memory[] = {SS_FIELD(kind, ULONG, IN), SS_FIELD(bytes, ULONGLONG, IN), SS_FIELD(address, PVOID, OUT)};
static const storsim_param_t p_address[] = {SS_FIELD(address, PVOID, IN)};
static const storsim_param_t p_export[] = {SS_FIELD(address, PVOID, IN), SS_FIELD(physical, PHYSICAL, IN),
    SS_FIELD(writable, BOOLEAN, IN), SS_FIELD(view, EXPORT, OUT)};
static const storsim_param_t p_view[] = {SS_FIELD(view, EXPORT, IN)};

#define ROW(index, function) [index] = {.id = SS_OP_NT + (index), .name = #function, .perform = function
const storsim_operation_t ss_nt_operations[SS_NT_OPERATIONS] = {
    ROW(SS_NT_BOOT, nt_boot), SS_FIELDS(p_boot), .layout = &nt_layout, .flags = STORSIM_OP_SETUP},
    ROW(SS_NT_OVERRIDE_IRQL, override_irql), SS_FIELDS(p_levels), .flags = STORSIM_OP_SETUP},
    ROW(SS_NT_OVERRIDE_FIRST_OS, override_first_os), SS_FIELDS(p_os), .flags = STORSIM_OP_SETUP},
    ROW(SS_NT_VERIFY_GUARDS, verify_guards)},
    ROW(SS_NT_SET_CPU, set_cpu), SS_FIELDS(p_cpu)},
    ROW(SS_NT_SET_IRQL, set_irql), SS_FIELDS(p_irql)},
    ROW(SS_NT_RUN_DPCS, run_dpcs), SS_FIELDS(p_ran)},
    ROW(SS_NT_CONNECT_INTERRUPT, connect_interrupt), SS_FIELDS(p_connect)},
    ROW(SS_NT_QUEUE_DPC, queue_dpc), SS_FIELDS(p_dpc)},
    ROW(SS_NT_EVENT_CREATE, event_create), SS_FIELDS(p_event_out)},
    ROW(SS_NT_EVENT_DESTROY, event_destroy), SS_FIELDS(p_event)},
    ROW(SS_NT_EVENT_SET, event_set), SS_FIELDS(p_event)},
    ROW(SS_NT_EVENT_CLEAR, event_clear), SS_FIELDS(p_event)},
    ROW(SS_NT_READ_VA, read_va), SS_FIELDS(p_load)},
    ROW(SS_NT_WRITE_VA, write_va), SS_FIELDS(p_store)},
    ROW(SS_NT_KERNEL_MEMORY_CREATE, kernel_memory_create), SS_FIELDS(p_kernel_memory)},
    ROW(SS_NT_KERNEL_MEMORY_DESTROY, kernel_memory_destroy), SS_FIELDS(p_address)},
    ROW(SS_NT_BLOCK_EXPORT, block_export), SS_FIELDS(p_export)},
    ROW(SS_NT_BLOCK_UNEXPORT, block_unexport), SS_FIELDS(p_view)},
};
