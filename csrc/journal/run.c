/* journal/run.c: performs a program on a new machine.
 *
 * Exactly: every callback has to come as recorded, every result has to be the same; the first difference ends the run.
 * Leniently: operations may be missing and answers may differ; inputs follow what earlier operations give out now, and a callback is
 * answered as the next recorded one of the same kind and routine. */
#include <stdio.h>
#include <string.h>

#include "journal/journal_i.h"
#include "machine/operations.h"
#include "nt/operations.h"
#include "storsim/storport.h"

enum { DEPTH_LIMIT = 200 }; /* callbacks inside callbacks; the host's stack is finite */

/* --- differences ------------------------------------------------------------------------------------------------------ */

static void differ(ss_run_t *run, uint32_t record, const char *name, const char *what, uint64_t expected, uint64_t got) {
    storsim_replay_report_t *report = run->report;
    run->stop = true;
    if (report == NULL || report->different) { /* unreachable: the first difference ends the run */
        return;
    }
    report->different = true;
    report->record = record;
    (void)snprintf(report->text, sizeof report->text, "record %lu, %s: %s was 0x%llX, is 0x%llX", (unsigned long)record, name, what,
                   (unsigned long long)expected, (unsigned long long)got);
}

static void differ_text(ss_run_t *run, uint32_t record, const char *name, const char *what) {
    storsim_replay_report_t *report = run->report;
    run->stop = true;
    if (report == NULL || report->different) { /* unreachable: the first difference ends the run */
        return;
    }
    report->different = true;
    report->record = record;
    (void)snprintf(report->text, sizeof report->text, "record %lu, %s: %s", (unsigned long)record, name, what);
}

/* An array that holds nothing may be nowhere. */
static void compare_array(ss_run_t *run, const ss_item_t *item, const storsim_param_t *param, const storsim_arg_t *was,
                          const storsim_arg_t *is) {
    const storsim_layout_t *layout = ss_layout_of(&item->operation, param->type);
    if (was->count != is->count) {
        differ(run, item->record, item->operation.name, param->name, was->count, is->count);
        return;
    }
    if (layout == NULL) {
        uint64_t expected = was->data != NULL ? ss_hash_bytes(was->data, was->count) : was->value;
        uint64_t got = ss_hash_bytes(is->data, is->count);
        if (expected != got) {
            differ(run, item->record, item->operation.name, param->name, expected, got);
        }
        return;
    }
    for (uint32_t i = 0; i < was->count; i++) {
        for (uint32_t m = 0; m < layout->member_count; m++) {
            uint64_t expected = ss_member_get(&layout->members[m], (const uint8_t *)was->data + (size_t)i * layout->size);
            uint64_t got = ss_member_get(&layout->members[m], (const uint8_t *)is->data + (size_t)i * layout->size);
            if (expected != got) {
                differ(run, item->record, item->operation.name, layout->members[m].name, expected, got);
                return;
            }
        }
    }
}

/* A recording that was torn in the middle of this call has nothing to compare. */
static void compare_results(ss_run_t *run, const ss_item_t *item, const storsim_arg_t *args, storsim_status_t status, uint64_t result) {
    const char *name = item->operation.name;
    if (item->outs == NULL) {
        return;
    }
    if (status != item->status) {
        char text[120];
        (void)snprintf(text, sizeof text, "the call answered %s, not %s", storsim_status_name(status), storsim_status_name(item->status));
        differ_text(run, item->record, name, text);
    } else if (result != item->result) {
        differ(run, item->record, name, "the result", item->result, result);
    }
    for (uint8_t i = 0; !run->stop && i < item->operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&item->operation, i);
        const storsim_arg_t *was = &item->outs[i];
        if ((param->flags & STORSIM_P_OUT) == 0) {
            continue;
        }
        if (was->written != args[i].written) {
            differ(run, item->record, name, param->name, was->written, args[i].written);
        } else if (was->written && (was->data != NULL || was->count != 0)) {
            compare_array(run, item, param, was, &args[i]);
        }
        bool number = item->operation.routine != NULL || args[i].data == NULL;
        if (was->written && number && !run->stop && was->value != args[i].value) {
            differ(run, item->record, name, param->name, was->value, args[i].value);
        }
    }
}

/* --- callbacks -------------------------------------------------------------------------------------------------------- */

static void run_items(ss_run_t *run, uint32_t first);

static void fill_answer_slots(ss_run_t *run, const ss_answer_t *answer, const storsim_callback_t *callback) {
    const ss_program_t *program = run->program;
    for (uint32_t slot = answer->first_slot; run->values != NULL && slot != SS_NOTHING; slot = program->slots[slot].next) {
        run->values[slot] = callback->values[program->slots[slot].output];
    }
}

/* The next recorded callback of this kind and routine that has not been used in this run. */
static uint32_t find_answer(ss_run_t *run, const storsim_callback_t *callback) {
    const ss_program_t *program = run->program;
    uint32_t of_item = run->answer;
    for (; of_item != SS_NOTHING; of_item = program->answers[of_item].next) {
        const storsim_callback_t *known = &program->answers[of_item].callback;
        if (known->kind == callback->kind && known->routine == callback->routine && run->queue[of_item] == 0) {
            run->answer = program->answers[of_item].next;
            return of_item;
        }
    }
    for (uint32_t i = 0; i < program->answer_count; i++) {
        const storsim_callback_t *known = &program->answers[i].callback;
        if (known->kind == callback->kind && known->routine == callback->routine && run->queue[i] == 0) {
            return i;
        }
    }
    return SS_NOTHING;
}

static bool as_recorded(ss_run_t *run, const ss_answer_t *answer, const storsim_callback_t *callback) {
    const char *name = run->program->items[run->item].operation.name;
    const storsim_callback_t *was = &answer->callback;
    if (was->kind != callback->kind || was->routine != callback->routine) {
        differ(run, answer->record, name, "the callback", was->routine, callback->routine);
        return false;
    }
    for (size_t i = 0; i < sizeof was->values / sizeof was->values[0]; i++) {
        if (was->values[i] != callback->values[i]) {
            differ(run, answer->record, name, "a value of its callback", was->values[i], callback->values[i]);
            return false;
        }
    }
    uint64_t hash = ss_callback_hash(callback);
    if (hash != answer->data_hash) {
        differ(run, answer->record, name, "the data of its callback", answer->data_hash, hash);
        return false;
    }
    return true;
}

static storsim_status_t host_callback(void *host, storsim_callback_t *callback) {
    ss_run_t *run = host;
    const ss_program_t *program = run->program;
    uint32_t index;
    if (run->depth >= DEPTH_LIMIT) {
        run->stop = true;
        return STORSIM_CALLBACK;
    }
    if (run->lenient) {
        index = find_answer(run, callback);
        if (index == SS_NOTHING) {
            return STORSIM_OK; /* a host that does nothing */
        }
        run->queue[index] = 1;
    } else {
        index = run->answer;
        if (index == SS_NOTHING) {
            const ss_item_t *item = &program->items[run->item];
            if (item->outs != NULL) { /* else the recording ended in here */
                differ(run, item->record, item->operation.name, "a callback that was not made, its routine", 0, callback->routine);
            }
            run->stop = true;
            return STORSIM_CALLBACK;
        }
        if (!as_recorded(run, &program->answers[index], callback)) {
            return STORSIM_CALLBACK;
        }
        run->answer = program->answers[index].next;
    }
    const ss_answer_t *answer = &program->answers[index];
    fill_answer_slots(run, answer, callback);
    if (run->asked != NULL) {
        run->asked(run, index, callback);
    }
    uint32_t item = run->item, next = run->answer;
    run->depth++;
    run_items(run, answer->items);
    run->depth--;
    run->item = item;
    run->answer = next;
    storsim_set_site(run->machine, answer->site);
    if (run->stop) {
        return STORSIM_CALLBACK;
    }
    callback->result = answer->result;
    if (answer->data_bytes != 0 && callback->data != NULL) {
        size_t count = answer->data_bytes < callback->data_bytes ? answer->data_bytes : callback->data_bytes;
        memcpy(callback->data, answer->data, count);
        callback->result = callback->result < count ? callback->result : count;
    }
    return answer->status;
}

/* --- one item --------------------------------------------------------------------------------------------------------- */

static storsim_status_t keep_snapshot(ss_run_t *run, uint64_t name, uint8_t *bytes, size_t length) {
    const ss_program_t *program = run->program;
    bool wanted = false;
    for (uint32_t i = 0; i < program->restored_count; i++) {
        wanted = wanted || program->restored[i] == name;
    }
    void *array = run->kept;
    if (!wanted) {
        storsim_snapshot_free(run->machine, bytes);
        return STORSIM_OK;
    }
    if (!ss_grow(run->host, &array, &run->kept_capacity, run->kept_count + 1, sizeof *run->kept)) {
        storsim_snapshot_free(run->machine, bytes);
        return STORSIM_NO_MEMORY;
    }
    run->kept = array;
    run->kept[run->kept_count++] = (struct ss_kept){name, bytes, length};
    return STORSIM_OK;
}

/* Snapshots are known by the names they had when they were recorded. The bytes of one are not compared: they hold more than anybody can
 * observe, such as the order of unused places, and a replay goes back to checkpoints by snapshots. What they restore is. */
static storsim_status_t take_snapshot(ss_run_t *run, const ss_item_t *item, storsim_arg_t *args) {
    uint8_t *bytes;
    size_t length;
    storsim_status_t status = storsim_snapshot(run->machine, &bytes, &length);
    (void)ss_arg_give(&args[0], 0, status);
    if (status == STORSIM_OK) {
        args[0].value = item->outs != NULL ? item->outs[0].value : ss_snapshot_name(bytes, length);
        storsim_status_t kept = keep_snapshot(run, args[0].value, bytes, length);
        run->failed = run->failed == STORSIM_OK ? kept : run->failed; /* unreachable: a run that failed has stopped */
    }
    return status;
}

static storsim_status_t restore_snapshot(ss_run_t *run, const storsim_arg_t *args) {
    if (args[1].data != NULL) {
        return storsim_restore(run->machine, args[1].data, args[1].count, NULL);
    }
    for (uint32_t i = run->kept_count; i > 0; i--) {
        if (run->kept[i - 1].name == args[0].value) {
            return storsim_restore(run->machine, run->kept[i - 1].bytes, run->kept[i - 1].length, NULL);
        }
    }
    return STORSIM_STALE;
}

static storsim_status_t perform(ss_run_t *run, const ss_item_t *item, storsim_arg_t *args, uint64_t *result) {
    if (item->operation.id == SS_OP_MACHINE + SS_SNAPSHOT) {
        return take_snapshot(run, item, args);
    }
    if (item->operation.id == SS_OP_MACHINE + SS_RESTORE) {
        return restore_snapshot(run, args);
    }
    return storsim_operation_perform(run->machine, &item->operation, args, result);
}

/* Arrays an operation writes are this run's own, so that the program stays what was recorded. */
static storsim_status_t own_arrays(ss_run_t *run, const ss_item_t *item, storsim_arg_t *args, ss_arena_t *arena) {
    for (uint8_t i = 0; i < item->operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&item->operation, i);
        const storsim_layout_t *layout = ss_layout_of(&item->operation, param->type);
        bool referred = false;
        for (uint32_t r = 0; run->lenient && r < item->ref_count; r++) {
            referred = referred || run->program->refs[item->first_ref + r].argument == i;
        }
        if (args[i].data == NULL || ((param->flags & STORSIM_P_OUT) == 0 && !referred)) {
            continue;
        }
        size_t size = layout != NULL ? layout->size : 1;
        void *copy = ss_arena_take(arena, args[i].count, size);
        if (copy == NULL) {
            return STORSIM_NO_MEMORY;
        }
        memcpy(copy, args[i].data, args[i].count * size);
        args[i].data = copy;
    }
    return STORSIM_OK;
}

/* What a slot's value leads to; 0 when it leads nowhere any more. */
static uint64_t derive(storsim_machine_t *machine, const ss_ref_t *ref, uint64_t base) {
    storsim_mdl_info_t mdl;
    if (base == 0) {
        return 0;
    }
    switch (ref->by) { /* unreachable: no other derivation */
    case STORSIM_BY_PHYSICAL:
        /* unreachable: what boots a machine is never left out */
        return ss_room_state(machine, SS_ROOM_NT) != NULL ? storsim_physical(machine, base + ref->offset) : 0;
    case STORSIM_BY_MAPPING:
        if (storsim_mdl_get(machine, base, &mdl) != STORSIM_OK) {
            return 0;
        }
        return mdl.start_va + mdl.byte_offset + ref->offset;
    case STORSIM_BY_VALUE: break;
    }
    return base + ref->offset;
}

static void follow_refs(const ss_run_t *run, const ss_item_t *item, storsim_arg_t *args) {
    for (uint32_t r = 0; r < item->ref_count; r++) {
        const ss_ref_t *ref = &run->program->refs[item->first_ref + r];
        uint64_t value = derive(run->machine, ref, run->values[ref->slot]);
        storsim_arg_t *arg = &args[ref->argument];
        const storsim_param_t *param = storsim_operation_param(&item->operation, ref->argument);
        const storsim_layout_t *layout = ss_layout_of(&item->operation, param->type);
        if (layout == NULL) {
            arg->value = value;
        } else { /* elements are those that the linking run had seen: nobody makes such an array shorter */
            ss_member_set(&layout->members[ref->member], (uint8_t *)arg->data + (size_t)ref->element * layout->size, value);
        }
    }
}

static void fill_slots(const ss_run_t *run, const ss_item_t *item, const storsim_arg_t *args, uint64_t result) {
    const ss_program_t *program = run->program;
    for (uint32_t index = item->first_slot; run->values != NULL && index != SS_NOTHING; index = program->slots[index].next) {
        const ss_slot_t *slot = &program->slots[index];
        uint64_t value = 0;
        if (slot->output == STORSIM_OUTPUT_RESULT) {
            value = result;
        } else {
            const storsim_arg_t *arg = &args[slot->output];
            const storsim_layout_t *layout =
                ss_layout_of(&item->operation, storsim_operation_param(&item->operation, slot->output)->type);
            if (layout == NULL) {
                value = arg->written ? arg->value : 0;
            } else if (arg->written && slot->element < arg->count) {
                value = ss_member_get(&layout->members[slot->member], (const uint8_t *)arg->data + (size_t)slot->element * layout->size);
            }
        }
        run->values[index] = value;
    }
}

static void run_call(ss_run_t *run, uint32_t index) {
    const ss_item_t *item = &run->program->items[index];
    storsim_arg_t args[STORSIM_MAX_ARGS] = {{0}};
    ss_arena_t arena = {run->host, NULL};
    uint64_t result = 0;
    size_t bytes = item->operation.arg_count * sizeof args[0];
    if (bytes != 0) {
        memcpy(args, item->args, bytes);
    }
    storsim_status_t status = own_arrays(run, item, args, &arena);
    if (status != STORSIM_OK) {
        run->failed = status;
        run->stop = true;
        ss_arena_clear(&arena);
        return;
    }
    if (run->lenient && item->ref_count != 0) {
        follow_refs(run, item, args);
    }
    run->item = index;
    run->answer = item->callbacks;
    if (run->before != NULL) {
        run->before(run, index);
    }
    storsim_set_site(run->machine, item->site);
    status = perform(run, item, args, &result);
    run->calls++;
    fill_slots(run, item, args, result);
    if (!run->lenient && !run->stop) {
        if (run->answer != SS_NOTHING) {
            differ_text(run, run->program->answers[run->answer].record, item->operation.name, "its callback was not made");
        } else {
            compare_results(run, item, args, status, result);
        }
    }
    if (run->after != NULL) {
        run->after(run, index, args, status, result);
    }
    if (status == STORSIM_NO_MEMORY && item->status != STORSIM_NO_MEMORY) {
        run->failed = status;
        run->stop = true;
    }
    ss_arena_clear(&arena);
}

static void run_store(ss_run_t *run, uint32_t index) {
    if (run->before != NULL) {
        run->before(run, index);
    }
    const ss_item_t *item = &run->program->items[index];
    uint8_t *data;
    uint64_t size, token = item->args[0].value, offset = item->args[1].value, length = item->args[2].count;
    if (run->lenient && item->ref_count != 0) {
        const uint32_t slot = run->program->refs[item->first_ref].slot;
        const ss_item_t *maker = &run->program->items[run->program->slots[slot].source];
        token = maker->args[2].value != 0 ? run->values[slot] : 0; /* nobody stores through a view that can only be read */
    }
    if (ss_room_state(run->machine, SS_ROOM_NT) != NULL && ss_export_bytes(run->machine, token, &data, &size) && offset <= size &&
        length <= size - offset && length != 0) {
        memcpy(data + offset, item->args[2].data, (size_t)length);
    }
}

static void run_seal(ss_run_t *run, const ss_item_t *item) {
    uint64_t digest = 0;
    if (run->lenient) {
        return;
    }
    (void)storsim_digest(run->machine, &digest); /* needs no memory */
    if (digest != item->result) {
        differ(run, item->record, "seal", "the digest", item->result, digest);
    }
    if (run->report != NULL) {
        run->report->sealed = true;
    }
}

static void run_items(ss_run_t *run, uint32_t first) {
    for (uint32_t index = first; index != SS_NOTHING && !run->stop; index = run->program->items[index].next) {
        const ss_item_t *item = &run->program->items[index];
        if (item->gone) {
            continue;
        }
        switch (item->kind) {
        case STORSIM_RECORD_CALL: run_call(run, index); break;
        case STORSIM_RECORD_STORE: run_store(run, index); break;
        default: run_seal(run, item); break;
        }
    }
}

/* --- a run ------------------------------------------------------------------------------------------------------------ */

storsim_status_t ss_run_program(ss_run_t *run, storsim_journal_t *journal) {
    storsim_machine_config_t config = run->program->config;
    config.host = run->machine_host;
    run->failed = STORSIM_OK;
    run->stop = false;
    run->calls = 0;
    run->machine = NULL;
    run->item = run->answer = SS_NOTHING;
    if (run->values != NULL) {
        memset(run->values, 0, run->program->slot_count * sizeof *run->values);
    }
    if (run->queue != NULL) {
        memset(run->queue, 0, run->program->answer_count * sizeof *run->queue);
    }
    storsim_status_t status = storsim_machine_create(&config, &run->machine);
    if (status == STORSIM_OK && journal != NULL) {
        status = storsim_journal_attach(journal, run->machine);
    }
    if (status != STORSIM_OK) {
        return status;
    }
    storsim_machine_set_callback(run->machine, host_callback, run);
    run_items(run, run->program->first);
    for (uint32_t i = 0; i < run->kept_count; i++) {
        storsim_snapshot_free(run->machine, run->kept[i].bytes);
    }
    run->kept_count = 0;
    return run->failed;
}

void ss_run_end(ss_run_t *run) {
    ss_release(run->host, run->kept);
    ss_release(run->host, run->values);
    ss_release(run->host, run->queue);
    run->kept = NULL;
    run->values = NULL;
    run->queue = NULL;
}

/* --- replay ----------------------------------------------------------------------------------------------------------- */

static storsim_status_t no_host(void *host, storsim_callback_t *callback) {
    (void)host, (void)callback;
    return STORSIM_CALLBACK;
}

storsim_status_t storsim_journal_replay(const storsim_journal_t *journal, const storsim_host_t *host, storsim_machine_t **machine,
                                        storsim_replay_report_t *report) {
    ss_host_t memory;
    ss_program_t program;
    *report = (storsim_replay_report_t){0};
    ss_host_init(&memory, host);
    storsim_status_t status = ss_program_load(&program, &memory, journal);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_run_t run = {.program = &program, .host = &memory, .machine_host = host, .report = report};
    status = ss_run_program(&run, NULL);
    report->calls = run.calls;
    if (status == STORSIM_OK) {
        status = storsim_digest(run.machine, &report->digest);
    }
    if (run.machine != NULL) {
        storsim_machine_set_callback(run.machine, no_host, NULL);
    }
    if (status == STORSIM_OK && machine != NULL) {
        *machine = run.machine;
    } else {
        storsim_machine_destroy(run.machine);
    }
    ss_run_end(&run);
    ss_program_destroy(&program);
    return status;
}
