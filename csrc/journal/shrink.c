/* journal/shrink.c: the shortest journal that ends in the same finding.
 *
 * A candidate is the program without some of its items, or with a simpler argument; it is kept when a lenient run still meets the
 * finding. Items are removed in chunks of halving size from the end backwards (what is freed goes before what was allocated), each chunk
 * alone and, when that fails, together with everything that uses what it gave out; then arguments are made simpler; both until nothing
 * changes. Everything behind the finding goes at once. Source: delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002), reduced to its removal step. */
#include <string.h>

#include "journal/journal_i.h"

#define DEFAULT_BUDGET UINT64_C(100000)

typedef struct shrinker {
    ss_program_t *program;
    ss_run_t run;
    storsim_shrink_options_t options;
    storsim_finding_key_t key;
    bool *best;        /* gone flags of the best so far */
    bool *ran;         /* items performed in the last run */
    uint32_t *alive;   /* removable items that are left, in order */
    uint32_t alive_count;
    uint64_t tried;
    bool over;         /* budget or progress ended it */
    size_t seen;       /* findings looked at in this run */
    bool hit;
    storsim_status_t failed;
} shrinker_t;

/* --- keys ------------------------------------------------------------------------------------------------------------- */

/* Bugchecks whose first parameter is an address, not a reason. Source: the bugcheck reference pages. */
static bool first_is_address(uint64_t code) {
    return code == 0x0A || code == 0x50 || code == 0xC5 || code == 0xC9 || code == 0xD1 || code == 0xD5 || code == 0xCC || code == 0xCD ||
           code == 0xD6;
}

storsim_finding_key_t storsim_finding_key(const storsim_finding_t *finding) {
    storsim_finding_key_t key = {.kind = finding->kind, .name = finding->name, .routine = finding->routine};
    if (finding->kind == STORSIM_BUG_CHECK) {
        key.code = finding->code;
        key.parameter1 = first_is_address(finding->code) ? 0 : finding->parameters[0];
    }
    return key;
}

bool storsim_finding_key_equal(const storsim_finding_key_t *a, const storsim_finding_key_t *b) {
    return a->kind == b->kind && a->routine == b->routine && a->code == b->code && a->parameter1 == b->parameter1 &&
           a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

static bool choose_key(shrinker_t *shrinker, const storsim_machine_t *machine) {
    const storsim_finding_t *best = storsim_stopped(machine);
    size_t count = storsim_finding_count(machine);
    for (size_t i = count; best == NULL && i > 0; i--) {
        const storsim_finding_t *finding = storsim_finding_get(machine, i - 1);
        best = finding->kind == STORSIM_RULE_VIOLATION ? finding : NULL;
    }
    if (best == NULL && count != 0) {
        best = storsim_finding_get(machine, count - 1);
    }
    if (best != NULL) {
        shrinker->key = storsim_finding_key(best);
    }
    return best != NULL;
}

/* --- one candidate ---------------------------------------------------------------------------------------------------- */

static void look(ss_run_t *run, uint32_t index, const storsim_arg_t *args, storsim_status_t status, uint64_t result) {
    shrinker_t *shrinker = run->context;
    (void)args, (void)status, (void)result;
    size_t count = storsim_finding_count(run->machine);
    shrinker->seen = shrinker->seen > count ? count : shrinker->seen; /* a restore took some back */
    for (; shrinker->seen < count && !shrinker->hit; shrinker->seen++) {
        const storsim_finding_key_t key = storsim_finding_key(storsim_finding_get(run->machine, shrinker->seen));
        shrinker->hit = storsim_finding_key_equal(&key, &shrinker->key);
    }
    if (shrinker->hit && run->program->items[index].inside == SS_NOTHING) {
        run->stop = true;
    }
}

static void mark(ss_run_t *run, uint32_t index) {
    shrinker_t *shrinker = run->context;
    shrinker->ran[index] = true;
}

static bool still_fails(shrinker_t *shrinker) {
    if (shrinker->over || shrinker->tried >= shrinker->options.budget) {
        shrinker->over = true;
        return false;
    }
    shrinker->tried++;
    shrinker->seen = 0;
    shrinker->hit = false;
    memset(shrinker->ran, 0, shrinker->program->item_count * sizeof *shrinker->ran);
    storsim_status_t status = ss_run_program(&shrinker->run, NULL);
    storsim_machine_destroy(shrinker->run.machine);
    if (status == STORSIM_NO_MEMORY) {
        shrinker->failed = status;
        shrinker->over = true;
        return false;
    }
    if (shrinker->options.progress != NULL &&
        !shrinker->options.progress(shrinker->options.context, shrinker->tried, shrinker->alive_count)) {
        shrinker->over = true;
    }
    return shrinker->hit;
}

/* --- removing --------------------------------------------------------------------------------------------------------- */

static bool removable(const ss_item_t *item) {
    return item->kind != STORSIM_RECORD_CALL || (item->operation.flags & STORSIM_OP_SETUP) == 0;
}

/* What the run that met the finding did not perform is not needed: what lies behind the finding, and what callbacks that never came would
 * have done. A callback may be answered as one whose call is gone, so that alone says nothing about its items. */
static void remember(shrinker_t *shrinker) {
    ss_program_t *program = shrinker->program;
    shrinker->alive_count = 0;
    for (uint32_t i = 0; i < program->item_count; i++) {
        ss_item_t *item = &program->items[i];
        item->gone = item->gone || !shrinker->ran[i];
        shrinker->best[i] = item->gone;
        if (!item->gone && removable(item)) {
            shrinker->alive[shrinker->alive_count++] = i;
        }
    }
}

static void back_to_best(shrinker_t *shrinker) {
    for (uint32_t i = 0; i < shrinker->program->item_count; i++) {
        shrinker->program->items[i].gone = shrinker->best[i];
    }
}

/* Removes what uses anything that is gone. false: nothing did. */
static bool remove_dependents(shrinker_t *shrinker) {
    ss_program_t *program = shrinker->program;
    bool any = false;
    for (uint32_t i = 0; i < program->item_count; i++) {
        ss_item_t *item = &program->items[i];
        for (uint32_t r = 0; !item->gone && removable(item) && r < item->ref_count; r++) {
            const ss_slot_t *slot = &program->slots[program->refs[item->first_ref + r].slot];
            uint32_t source = slot->of_answer ? program->answers[slot->source].parent : slot->source;
            if (program->items[source].gone) {
                item->gone = true;
                any = true;
            }
        }
    }
    return any;
}

static bool try_without(shrinker_t *shrinker, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        shrinker->program->items[shrinker->alive[i]].gone = true;
    }
    if (still_fails(shrinker) || (remove_dependents(shrinker) && still_fails(shrinker))) {
        remember(shrinker);
        return true;
    }
    back_to_best(shrinker);
    return false;
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* One sweep of chunks of a size, from the end backwards. */
static bool sweep(shrinker_t *shrinker, uint32_t size) {
    bool any = false;
    uint32_t end = shrinker->alive_count;
    while (end > 0 && !shrinker->over) {
        uint32_t count = least(end, size);
        if (try_without(shrinker, end - count, count)) {
            any = true;
        }
        end = least(end - count, shrinker->alive_count);
    }
    return any;
}

static bool remove_items(shrinker_t *shrinker) {
    bool any = false;
    for (uint32_t size = shrinker->alive_count; size > 1 && !shrinker->over; size /= 2) {
        any = sweep(shrinker, size) || any;
    }
    while (!shrinker->over && sweep(shrinker, 1)) {
        any = true;
    }
    return any;
}

/* --- simplifying ------------------------------------------------------------------------------------------------------ */

static bool try_value(shrinker_t *shrinker, uint64_t *place, uint64_t value) {
    uint64_t before = *place;
    if (value == before || shrinker->over) {
        return false;
    }
    *place = value;
    if (still_fails(shrinker)) {
        remember(shrinker);
        return true;
    }
    *place = before;
    return false;
}

/* Towards 0 by halves, as far as it goes. */
static bool halve(shrinker_t *shrinker, uint64_t *place) {
    bool any = false;
    while (*place > 1 && try_value(shrinker, place, *place / 2)) {
        any = true;
    }
    return any;
}

static bool referred(const ss_program_t *program, const ss_item_t *item, uint8_t argument) {
    for (uint32_t r = 0; r < item->ref_count; r++) {
        if (program->refs[item->first_ref + r].argument == argument) {
            return true;
        }
    }
    return false;
}

static bool simplify_number(shrinker_t *shrinker, const storsim_param_t *param, uint64_t *value) {
    switch (param->type) {
    case STORSIM_T_TAG:
    case STORSIM_T_ROUTINE:
    case STORSIM_T_CONTEXT:
    case STORSIM_T_SNAPSHOT: return false; /* names */
    case STORSIM_T_ENUM: return *value != 1 && try_value(shrinker, value, 1); /* MmCached */
    case STORSIM_T_PHYSICAL:
        if (strstr(param->name, "Highest") != NULL) {
            return try_value(shrinker, value, UINT64_MAX);
        }
        return try_value(shrinker, value, 0);
    default: break;
    }
    if (*value == 0) {
        return false;
    }
    if (try_value(shrinker, value, 0) || (*value > 1 && try_value(shrinker, value, 1))) {
        return true;
    }
    bool any = *value > STORSIM_PAGE_SIZE && try_value(shrinker, value, STORSIM_PAGE_SIZE);
    return halve(shrinker, value) || any;
}

static bool simplify_bytes(shrinker_t *shrinker, storsim_arg_t *arg) {
    uint64_t count = arg->count;
    bool any = false;
    while (count > 1 && !shrinker->over) {
        uint32_t before = arg->count;
        arg->count = (uint32_t)(count / 2);
        if (!still_fails(shrinker)) {
            arg->count = before;
            break;
        }
        remember(shrinker);
        count = arg->count;
        any = true;
    }
    return any;
}

static bool simplify_item(shrinker_t *shrinker, uint32_t index) {
    ss_program_t *program = shrinker->program;
    ss_item_t *item = &program->items[index];
    bool any = false;
    if (item->kind != STORSIM_RECORD_CALL) {
        return false;
    }
    for (uint8_t i = 0; i < item->operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&item->operation, i);
        bool array = ss_layout_of(&item->operation, param->type) != NULL || param->type == STORSIM_T_TEXT;
        if ((param->flags & STORSIM_P_IN) == 0 || array || referred(program, item, i)) {
            continue;
        }
        bool bytes = param->type == STORSIM_T_BYTES;
        any = (bytes ? simplify_bytes(shrinker, &item->args[i]) : simplify_number(shrinker, param, &item->args[i].value)) || any;
    }
    for (uint32_t r = 0; r < item->ref_count; r++) {
        ss_ref_t *ref = &program->refs[item->first_ref + r];
        any = (ref->offset != 0 && try_value(shrinker, &ref->offset, 0)) || any;
    }
    return any;
}

static bool simplify(shrinker_t *shrinker) {
    bool any = false;
    for (uint32_t i = 0; i < shrinker->program->item_count && !shrinker->over; i++) {
        if (!shrinker->program->items[i].gone) {
            any = simplify_item(shrinker, i) || any;
        }
    }
    return any;
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

static storsim_status_t prepare(shrinker_t *shrinker, ss_host_t *host, const storsim_journal_t *journal) {
    ss_program_t *program = shrinker->program;
    storsim_status_t status = ss_program_load(program, host, journal);
    status = status == STORSIM_OK ? ss_program_link(program, &host->hook) : status;
    if (status != STORSIM_OK) {
        return status;
    }
    program->config.trace_entries = 16; /* nobody looks at it */
    shrinker->best = ss_alloc_zeroed(host, program->item_count, sizeof *shrinker->best);
    shrinker->ran = ss_alloc_zeroed(host, program->item_count, sizeof *shrinker->ran);
    shrinker->alive = ss_alloc_zeroed(host, program->item_count, sizeof *shrinker->alive);
    shrinker->run = (ss_run_t){.program = program, .host = host, .machine_host = &host->hook, .lenient = true, .context = shrinker};
    shrinker->run.values = ss_alloc_zeroed(host, program->slot_count, sizeof *shrinker->run.values);
    shrinker->run.queue = ss_alloc_zeroed(host, program->answer_count, sizeof *shrinker->run.queue);
    return shrinker->best != NULL && shrinker->ran != NULL && shrinker->alive != NULL && shrinker->run.values != NULL && shrinker->run.queue != NULL
               ? STORSIM_OK
               : STORSIM_NO_MEMORY;
}

/* Finds the key when the caller has none, and what of the journal leads to it. */
static storsim_status_t first_run(shrinker_t *shrinker) {
    storsim_status_t status = STORSIM_OK;
    if (shrinker->options.key != NULL) {
        shrinker->key = *shrinker->options.key;
    } else {
        status = ss_run_program(&shrinker->run, NULL);
        bool found = status == STORSIM_OK && choose_key(shrinker, shrinker->run.machine);
        storsim_machine_destroy(shrinker->run.machine);
        status = status == STORSIM_OK && !found ? STORSIM_INVALID : status;
    }
    if (status != STORSIM_OK) {
        return status;
    }
    shrinker->run.before = mark;
    shrinker->run.after = look;
    shrinker->tried = 0;
    if (!still_fails(shrinker)) {
        return shrinker->failed != STORSIM_OK ? shrinker->failed : STORSIM_INVALID;
    }
    remember(shrinker);
    return STORSIM_OK;
}

/* Words of the host program come along. */
static storsim_status_t copy_notes(const storsim_journal_t *from, storsim_journal_t *to) {
    storsim_journal_cursor_t *cursor;
    storsim_record_t record;
    bool end = false;
    storsim_status_t status = storsim_journal_open(from, &cursor);
    if (status != STORSIM_OK) {
        return status;
    }
    while (status == STORSIM_OK && !end) {
        status = storsim_journal_next(cursor, &record, &end);
        if (status == STORSIM_OK && !end && record.kind == STORSIM_RECORD_NOTE) {
            status = storsim_journal_note(to, record.args[0].data, record.args[1].data, record.args[1].count);
        }
    }
    storsim_journal_close(cursor);
    return status;
}

/* Runs the best candidate once more, recorded. */
static storsim_status_t write_best(shrinker_t *shrinker, const storsim_journal_t *journal, storsim_journal_t **shrunk) {
    const storsim_journal_options_t options = {.host = &journal->host.hook, .memory_limit = UINT64_MAX};
    storsim_journal_t *made;
    storsim_status_t status = storsim_journal_create(&options, &made);
    if (status != STORSIM_OK) {
        return status;
    }
    back_to_best(shrinker);
    shrinker->seen = 0;
    shrinker->hit = false;
    shrinker->program->config.trace_entries = 0;
    status = ss_run_program(&shrinker->run, made);
    status = status == STORSIM_OK ? copy_notes(journal, made) : status;
    status = status == STORSIM_OK ? storsim_journal_seal(made) : status;
    storsim_machine_destroy(shrinker->run.machine);
    if (status != STORSIM_OK) {
        storsim_journal_destroy(made);
        return status;
    }
    *shrunk = made;
    return STORSIM_OK;
}

static void search(shrinker_t *shrinker, storsim_shrink_report_t *report) {
    report->key = shrinker->key;
    bool changed = true;
    while (changed && !shrinker->over) {
        changed = remove_items(shrinker);
        if (!shrinker->options.keep_arguments) {
            changed = simplify(shrinker) || changed;
        }
    }
    report->tried = shrinker->tried;
    report->minimal = !shrinker->over;
    for (uint32_t i = 0; i < shrinker->alive_count; i++) {
        report->calls_after += shrinker->program->items[shrinker->alive[i]].kind == STORSIM_RECORD_CALL;
    }
}

storsim_status_t storsim_journal_shrink(const storsim_journal_t *journal, const storsim_shrink_options_t *options,
                                        storsim_journal_t **shrunk, storsim_shrink_report_t *report) {
    ss_host_t host;
    ss_host_init(&host, &journal->host.hook);
    ss_program_t program = {.host = &host, .arena = {&host, NULL}, .first = SS_NOTHING};
    shrinker_t shrinker = {.program = &program, .run = {.host = &host}};
    if (options != NULL) {
        shrinker.options = *options;
    }
    shrinker.options.budget = shrinker.options.budget != 0 ? shrinker.options.budget : DEFAULT_BUDGET;
    *report = (storsim_shrink_report_t){0};
    storsim_status_t status = prepare(&shrinker, &host, journal);
    for (uint32_t i = 0; status == STORSIM_OK && i < program.item_count; i++) {
        report->calls_before += program.items[i].kind == STORSIM_RECORD_CALL && removable(&program.items[i]);
    }
    status = status == STORSIM_OK ? first_run(&shrinker) : status;
    if (status == STORSIM_OK) {
        search(&shrinker, report);
        status = shrinker.failed;
    }
    status = status == STORSIM_OK ? write_best(&shrinker, journal, shrunk) : status;
    ss_run_end(&shrinker.run);
    ss_release(&host, shrinker.best);
    ss_release(&host, shrinker.ran);
    ss_release(&host, shrinker.alive);
    ss_program_destroy(&program);
    return status;
}
