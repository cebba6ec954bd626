/* journal/link.c: which input is a value that came out earlier.
 *
 * One exact run looks at every input of a type that names something (an address, a handle, a number the machine gave out). It is a
 * reference when the value was given out before: as it is, or, for kernel addresses, as a place inside the block it starts; physical
 * addresses and the mapping of an MDL are found through the machine as it is at that moment. Limits of allocation requests are numbers of
 * their own, whatever they equal. */
#include <string.h>

#include "journal/journal_i.h"
#include "storsim/storport.h"

enum { KERNEL, PHYSICAL, HANDLE, FIRST_OWN }; /* kinds of value; every other type is a kind of its own */
enum { NEWEST_MDLS = 64 };

typedef struct source {
    uint64_t value;
    uint32_t kind, item, slot; /* item: or answer */
    bool of_answer;
    uint8_t output;
    uint32_t element, member;
} source_t;

typedef struct linker {
    ss_program_t *program;
    source_t *sources;
    uint32_t source_count, source_capacity;
    uint32_t *table; /* source + 1, by (kind, value); the newest wins */
    uint32_t table_size;
    uint32_t mdls[NEWEST_MDLS]; /* ring of sources */
    uint32_t mdl_count;
    storsim_status_t status;
} linker_t;

static uint32_t kind_of(storsim_type_t type) {
    switch (type) {
    case STORSIM_T_DEVEXT:
    case STORSIM_T_PVOID:
    case STORSIM_T_PMDL:
    case STORSIM_T_PSRB:
    case STORSIM_T_PSGLIST:
    case STORSIM_T_PCONFIG:
    case STORSIM_T_KEVENT:
    case STORSIM_T_REGISTER:
    case STORSIM_T_PBDL: return KERNEL;
    case STORSIM_T_PHYSICAL: return PHYSICAL;
    case STORSIM_T_HANDLE: return HANDLE;
    case STORSIM_T_ADAPTER:
    case STORSIM_T_CONTROLLER:
    case STORSIM_T_DEVICE:
    case STORSIM_T_LINE:
    case STORSIM_T_RULE:
    case STORSIM_T_EXPORT:
    case STORSIM_T_CLIENT: return FIRST_OWN + (uint32_t)type;
    default: return SS_NOTHING;
    }
}

/* The kind of a member of an array's elements. */
static uint32_t kind_of_member(storsim_type_t type, uint32_t member) {
    if (type == STORSIM_T_RANGES && member == 0) {
        return PHYSICAL;
    }
    return type == STORSIM_T_HANDLES ? HANDLE : SS_NOTHING;
}

/* --- values given out ------------------------------------------------------------------------------------------------- */

static uint32_t *place(const linker_t *linker, uint32_t kind, uint64_t value) {
    uint32_t mask = linker->table_size - 1;
    for (uint32_t i = (uint32_t)ss_mix(value, kind) & mask;; i = (i + 1) & mask) {
        const source_t *source = linker->table[i] != 0 ? &linker->sources[linker->table[i] - 1] : NULL;
        if (source == NULL || (source->kind == kind && source->value == value)) {
            return &linker->table[i];
        }
    }
}

static bool widen(linker_t *linker) {
    if (linker->source_count + 1 < linker->table_size / 2) {
        return true;
    }
    uint32_t size = linker->table_size != 0 ? linker->table_size * 2 : 256;
    /* unreachable: as many sources take more memory than a host has */
    uint32_t *table = size != 0 ? ss_alloc_zeroed(linker->program->host, size, sizeof *table) : NULL;
    if (table == NULL) {
        return false;
    }
    ss_release(linker->program->host, linker->table);
    linker->table = table;
    linker->table_size = size;
    for (uint32_t i = 0; i < linker->source_count; i++) {
        *place(linker, linker->sources[i].kind, linker->sources[i].value) = i + 1;
    }
    return true;
}

static void give(linker_t *linker, const source_t *source) {
    void *array = linker->sources;
    if (source->value == 0 || source->kind == SS_NOTHING || linker->status != STORSIM_OK) {
        return;
    }
    if (!widen(linker) ||
        !ss_grow(linker->program->host, &array, &linker->source_capacity, linker->source_count + 1, sizeof *linker->sources)) {
        linker->status = STORSIM_NO_MEMORY;
        return;
    }
    linker->sources = array;
    linker->sources[linker->source_count] = *source;
    linker->sources[linker->source_count].slot = SS_NOTHING;
    *place(linker, source->kind, source->value) = ++linker->source_count;
}

/* --- references ------------------------------------------------------------------------------------------------------- */

static uint32_t slot_of(linker_t *linker, source_t *source) {
    ss_program_t *program = linker->program;
    void *array = program->slots;
    if (source->slot != SS_NOTHING) {
        return source->slot;
    }
    if (!ss_grow(program->host, &array, &program->slot_capacity, program->slot_count + 1, sizeof *program->slots)) {
        linker->status = STORSIM_NO_MEMORY;
        return SS_NOTHING;
    }
    program->slots = array;
    uint32_t *head = source->of_answer ? &program->answers[source->item].first_slot : &program->items[source->item].first_slot;
    program->slots[program->slot_count] = (ss_slot_t){.source = source->item,
                                                      .of_answer = source->of_answer,
                                                      .output = source->output,
                                                      .element = source->element,
                                                      .member = source->member,
                                                      .next = *head};
    *head = source->slot = program->slot_count++;
    return source->slot;
}

static void refer(linker_t *linker, uint32_t index, source_t *source, const ss_ref_t *found) {
    ss_program_t *program = linker->program;
    ss_item_t *item = &program->items[index];
    void *array = program->refs;
    uint32_t slot = slot_of(linker, source);
    if (slot == SS_NOTHING ||
        !ss_grow(program->host, &array, &program->ref_capacity, program->ref_count + 1, sizeof *program->refs)) {
        linker->status = STORSIM_NO_MEMORY;
        return;
    }
    program->refs = array;
    item->first_ref = item->ref_count == 0 ? program->ref_count : item->first_ref;
    item->ref_count++;
    program->refs[program->ref_count] = *found;
    program->refs[program->ref_count++].slot = slot;
}

static source_t *known(const linker_t *linker, uint32_t kind, uint64_t value) {
    uint32_t found = linker->table_size != 0 ? *place(linker, kind, value) : 0;
    return found != 0 ? &linker->sources[found - 1] : NULL;
}

/* A kernel address inside something: the block it lies in, or what an MDL maps. */
static source_t *around(const linker_t *linker, storsim_machine_t *machine, uint64_t value, ss_ref_t *ref) {
    storsim_allocation_t allocation;
    source_t *source = storsim_allocation_at(machine, value, &allocation) ? known(linker, KERNEL, allocation.va) : NULL;
    if (source != NULL) {
        ref->offset = value - allocation.va;
        return source;
    }
    for (uint32_t i = 0; linker->sources != NULL && i < linker->mdl_count && i < NEWEST_MDLS; i++) {
        storsim_mdl_info_t mdl;
        source_t *candidate = &linker->sources[linker->mdls[i]];
        if (storsim_mdl_get(machine, candidate->value, &mdl) != STORSIM_OK) {
            continue;
        }
        uint64_t first = mdl.start_va + mdl.byte_offset;
        if (value >= first && value - first < mdl.byte_count) {
            ref->by = STORSIM_BY_MAPPING;
            ref->offset = value - first;
            return candidate;
        }
    }
    return NULL;
}

/* A physical address inside a block with a kernel address, or inside one that was given out as physical. */
static source_t *behind(const linker_t *linker, storsim_machine_t *machine, uint64_t value, ss_ref_t *ref) {
    storsim_allocation_t allocation;
    uint64_t cursor = 0;
    while (storsim_allocation_next(machine, &cursor, &allocation)) {
        uint64_t pa, bytes, passed = 0;
        for (uint32_t i = 0; storsim_allocation_extent(machine, allocation.block, i, &pa, &bytes); i++, passed += bytes) {
            if (value < pa || value - pa >= bytes) {
                continue;
            }
            source_t *source = known(linker, PHYSICAL, pa);
            ref->offset = value - pa;
            if (source == NULL) { /* without a kernel address it is not found there either */
                ref->by = STORSIM_BY_PHYSICAL;
                ref->offset = passed + value - pa;
                source = known(linker, KERNEL, allocation.va);
                source = source != NULL ? source : around(linker, machine, allocation.va, ref);
            }
            return source;
        }
    }
    return NULL;
}

static void look(linker_t *linker, storsim_machine_t *machine, uint32_t index, uint32_t kind, uint64_t value, ss_ref_t ref) {
    if (kind == SS_NOTHING || value == 0 || linker->status != STORSIM_OK) {
        return;
    }
    source_t *source = known(linker, kind, value);
    bool booted = ss_room_state(machine, SS_ROOM_NT) != NULL;
    if (source == NULL && kind == KERNEL && booted) {
        source = around(linker, machine, value, &ref);
    } else if (source == NULL && kind == PHYSICAL && booted) {
        source = behind(linker, machine, value, &ref);
    }
    if (source != NULL) {
        refer(linker, index, source, &ref);
    }
}

static bool is_limit(const storsim_param_t *param) {
    return strstr(param->name, "Acceptable") != NULL || strstr(param->name, "Boundary") != NULL;
}

static void before(ss_run_t *run, uint32_t index) {
    linker_t *linker = run->context;
    const ss_item_t *item = &run->program->items[index];
    if (item->kind == STORSIM_RECORD_STORE) {
        look(linker, run->machine, index, kind_of(STORSIM_T_EXPORT), item->args[0].value, (ss_ref_t){.argument = 0});
        return;
    }
    for (uint8_t i = 0; i < run->program->items[index].operation.arg_count; i++) {
        item = &run->program->items[index];
        const storsim_param_t *param = storsim_operation_param(&item->operation, i);
        const storsim_layout_t *layout = ss_layout_of(&item->operation, param->type);
        const storsim_arg_t *arg = &item->args[i];
        if ((param->flags & STORSIM_P_IN) == 0 || is_limit(param)) {
            continue;
        }
        if (layout == NULL) {
            look(linker, run->machine, index, kind_of(param->type), arg->value, (ss_ref_t){.argument = i});
            continue;
        }
        for (uint32_t e = 0; e < arg->count; e++) {
            for (uint32_t m = 0; m < layout->member_count; m++) {
                uint32_t kind = kind_of_member(param->type, m);
                if (kind != SS_NOTHING) {
                    uint64_t value = ss_member_get(&layout->members[m], (const uint8_t *)arg->data + (size_t)e * layout->size);
                    look(linker, run->machine, index, kind, value, (ss_ref_t){.argument = i, .element = e, .member = m});
                }
            }
        }
    }
}

static void give_array(linker_t *linker, uint32_t index, uint8_t output, const storsim_arg_t *arg, storsim_type_t type) {
    const storsim_layout_t *layout = storsim_type_layout(type);
    for (uint32_t e = 0; layout != NULL && e < arg->count; e++) {
        for (uint32_t m = 0; m < layout->member_count; m++) {
            uint32_t kind = kind_of_member(type, m);
            if (kind != SS_NOTHING) {
                uint64_t value = ss_member_get(&layout->members[m], (const uint8_t *)arg->data + (size_t)e * layout->size);
                give(linker, &(source_t){.value = value, .kind = kind, .item = index, .output = output, .element = e, .member = m});
            }
        }
    }
}

static void after(ss_run_t *run, uint32_t index, const storsim_arg_t *args, storsim_status_t status, uint64_t result) {
    linker_t *linker = run->context;
    const storsim_operation_t *operation = &run->program->items[index].operation;
    (void)status;
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(operation, i);
        if ((param->flags & STORSIM_P_OUT) == 0 || !args[i].written) {
            continue;
        }
        give_array(linker, index, i, &args[i], param->type);
        if (storsim_type_layout(param->type) == NULL) {
            uint32_t known_before = linker->source_count;
            give(linker, &(source_t){.value = args[i].value, .kind = kind_of(param->type), .item = index, .output = i});
            if (param->type == STORSIM_T_PMDL && linker->source_count != known_before) {
                linker->mdls[linker->mdl_count++ % NEWEST_MDLS] = known_before;
            }
        }
    }
    const storsim_routine_t *routine = operation->routine;
    if (routine != NULL && (routine->returns == STORSIM_R_POINTER || routine->returns == STORSIM_R_PHYSICAL)) {
        uint32_t kind = routine->returns == STORSIM_R_POINTER ? KERNEL : PHYSICAL;
        give(linker, &(source_t){.value = result, .kind = kind, .item = index, .output = STORSIM_OUTPUT_RESULT});
    }
    if (linker->status != STORSIM_OK) {
        run->failed = linker->status;
        run->stop = true;
    }
}

static void asked(ss_run_t *run, uint32_t answer, const storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_SG_EXECUTE) {
        give(run->context, &(source_t){.value = callback->values[2], .kind = KERNEL, .item = answer, .of_answer = true, .output = 2});
    }
}

storsim_status_t ss_program_link(ss_program_t *program, const storsim_host_t *machine_host) {
    linker_t linker = {.program = program};
    ss_run_t run = {.program = program, .host = program->host, .machine_host = machine_host, .before = before, .after = after, .asked = asked,
                    .context = &linker};
    storsim_status_t status = ss_run_program(&run, NULL);
    storsim_machine_destroy(run.machine);
    ss_run_end(&run);
    ss_release(program->host, linker.sources);
    ss_release(program->host, linker.table);
    return status == STORSIM_OK ? linker.status : status;
}

/* --- for printers ----------------------------------------------------------------------------------------------------- */

struct storsim_journal_links {
    ss_host_t host;
    ss_program_t program;
};

storsim_status_t storsim_journal_link(const storsim_journal_t *journal, storsim_journal_links_t **links) {
    ss_host_t host = journal->host;
    storsim_journal_links_t *made = ss_alloc_zeroed(&host, 1, sizeof *made);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    made->host = host;
    storsim_status_t status = ss_program_load(&made->program, &made->host, journal);
    if (status == STORSIM_OK) {
        status = ss_program_link(&made->program, &made->host.hook);
    }
    if (status != STORSIM_OK) {
        storsim_links_destroy(made);
        return status;
    }
    *links = made;
    return STORSIM_OK;
}

storsim_reference_t storsim_links_get(const storsim_journal_links_t *links, uint32_t record, uint8_t argument, uint32_t element,
                                      uint32_t member) {
    const ss_program_t *program = &links->program;
    storsim_reference_t none = {.record = STORSIM_NO_RECORD};
    uint32_t low = 0, high = program->item_count; /* items stand in order of their records */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (program->items[middle].record < record) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == program->item_count || program->items[low].record != record) {
        return none;
    }
    const ss_item_t *item = &program->items[low];
    for (uint32_t i = 0; i < item->ref_count; i++) {
        const ss_ref_t *ref = &program->refs[item->first_ref + i];
        if (ref->argument != argument || ref->element != element || ref->member != member) {
            continue;
        }
        const ss_slot_t *slot = &program->slots[ref->slot];
        return (storsim_reference_t){
            .record = slot->of_answer ? program->answers[slot->source].record : program->items[slot->source].record,
            .by = (storsim_derivation_t)ref->by,
            .output = slot->output,
            .element = slot->element,
            .member = slot->member,
            .offset = ref->offset};
    }
    return none;
}

void storsim_links_destroy(storsim_journal_links_t *links) {
    if (links == NULL) {
        return;
    }
    ss_program_destroy(&links->program);
    ss_host_t host = links->host;
    ss_release(&host, links);
}
