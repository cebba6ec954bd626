/* journal/program.c: a whole journal as a tree: items under the run or under a callback, callbacks under items. */
#include <string.h>

#include "journal/journal_i.h"
#include "machine/operations.h"

/* Where the next record belongs. */
typedef struct builder {
    ss_program_t *program;
    uint32_t *open; /* items and answers under way, alternating */
    uint32_t depth, capacity;
    uint32_t last_item, last_answer; /* to link behind; per level in `tails` */
    uint32_t *tails;
    uint32_t tails_capacity;
} builder_t;

static storsim_status_t enter(builder_t *builder, uint32_t index) {
    void *open = builder->open, *tails = builder->tails;
    ss_host_t *host = builder->program->host;
    if (!ss_grow(host, &open, &builder->capacity, builder->depth + 1, sizeof(uint32_t))) {
        return STORSIM_NO_MEMORY;
    }
    builder->open = open;
    if (!ss_grow(host, &tails, &builder->tails_capacity, builder->depth + 2, sizeof(uint32_t))) {
        return STORSIM_NO_MEMORY;
    }
    builder->tails = tails;
    builder->open[builder->depth++] = index;
    builder->tails[builder->depth] = SS_NOTHING;
    return STORSIM_OK;
}

/* Even depths are inside an answer (or at the top), odd ones inside an item. */
static uint32_t inside_answer(const builder_t *builder) {
    return builder->depth == 0 ? SS_NOTHING : builder->open[builder->depth - 1];
}

static storsim_status_t add_item(builder_t *builder, const storsim_record_t *record, uint32_t index) {
    ss_program_t *program = builder->program;
    void *array = program->items;
    if (program->item_count == SS_NOTHING - 1 || /* unreachable: as many records take more memory than a host has */
        !ss_grow(program->host, &array, &program->item_capacity, program->item_count + 1, sizeof *program->items)) {
        return STORSIM_NO_MEMORY;
    }
    program->items = array;
    uint32_t at = program->item_count, count = record->kind == STORSIM_RECORD_CALL ? record->operation.arg_count : 3;
    ss_item_t *item = &program->items[at];
    *item = (ss_item_t){.operation = record->operation,
                        .kind = record->kind,
                        .record = index,
                        .call = program->calls,
                        .site = record->site,
                        .result = record->result,
                        .next = SS_NOTHING,
                        .callbacks = SS_NOTHING,
                        .inside = inside_answer(builder),
                        .first_ref = SS_NOTHING,
                        .first_slot = SS_NOTHING};
    item->args = ss_arena_take(&program->arena, count, sizeof *item->args);
    if (item->args == NULL) {
        return STORSIM_NO_MEMORY;
    }
    memcpy(item->args, record->args, count * sizeof *item->args);
    program->item_count++;
    program->calls += record->kind == STORSIM_RECORD_CALL;
    uint32_t *tail = &builder->tails[builder->depth];
    if (*tail != SS_NOTHING) {
        program->items[*tail].next = at;
    } else if (builder->depth == 0) {
        program->first = at;
    } else {
        program->answers[builder->open[builder->depth - 1]].items = at;
    }
    *tail = at;
    return record->kind == STORSIM_RECORD_CALL ? enter(builder, at) : STORSIM_OK;
}

static storsim_status_t end_item(builder_t *builder, const storsim_record_t *record) {
    ss_program_t *program = builder->program;
    ss_item_t *item = &program->items[builder->open[--builder->depth]];
    item->outs = ss_arena_take(&program->arena, item->operation.arg_count, sizeof *item->outs);
    if (item->outs == NULL) {
        return STORSIM_NO_MEMORY;
    }
    memcpy(item->outs, record->args, item->operation.arg_count * sizeof *item->outs);
    item->status = record->status;
    item->result = record->result;
    if (item->operation.id == SS_OP_MACHINE + SS_RESTORE) {
        void *array = program->restored;
        if (!ss_grow(program->host, &array, &program->restored_capacity, program->restored_count + 1, sizeof(uint64_t))) {
            return STORSIM_NO_MEMORY;
        }
        program->restored = array;
        program->restored[program->restored_count++] = item->args[0].value;
    }
    return STORSIM_OK;
}

static storsim_status_t add_answer(builder_t *builder, const storsim_record_t *record, uint32_t index) {
    ss_program_t *program = builder->program;
    void *array = program->answers;
    if (!ss_grow(program->host, &array, &program->answer_capacity, program->answer_count + 1, sizeof *program->answers)) {
        return STORSIM_NO_MEMORY;
    }
    program->answers = array;
    uint32_t at = program->answer_count++, parent = builder->open[builder->depth - 1];
    program->answers[at] = (ss_answer_t){.callback = record->callback,
                                         .data_hash = record->result,
                                         .record = index,
                                         .parent = parent,
                                         .next = SS_NOTHING,
                                         .items = SS_NOTHING,
                                         .site = record->site,
                                         .status = STORSIM_CALLBACK,
                                         .first_slot = SS_NOTHING};
    uint32_t *tail = &builder->tails[builder->depth];
    if (*tail != SS_NOTHING) {
        program->answers[*tail].next = at;
    } else {
        program->items[parent].callbacks = at;
    }
    *tail = at;
    return enter(builder, at);
}

static void end_answer(builder_t *builder, const storsim_record_t *record) {
    ss_answer_t *answer = &builder->program->answers[builder->open[--builder->depth]];
    answer->answered = true;
    answer->status = record->status;
    answer->result = record->callback.result;
    answer->data = record->callback.data;
    answer->data_bytes = record->callback.data_bytes;
    answer->site = record->site;
}

static storsim_status_t set_machine(ss_program_t *program, const storsim_record_t *record) {
    const storsim_arg_t *args = record->args;
    const uint64_t *numbers = args[5].data;
    uint32_t count = args[5].count / 3;
    storsim_range_t *ranges = ss_arena_take(&program->arena, count, sizeof *ranges);
    if (ranges == NULL) {
        return STORSIM_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        ranges[i] = (storsim_range_t){numbers[3 * i], numbers[3 * i + 1], (uint32_t)numbers[3 * i + 2]};
    }
    program->config = (storsim_machine_config_t){.ranges = ranges,
                                                 .range_count = count,
                                                 .distances = args[6].count != 0 ? args[6].data : NULL,
                                                 .node_count = (uint32_t)args[0].value,
                                                 .placement = (storsim_placement_t)args[1].value,
                                                 .allow_cross_node = args[2].value != 0,
                                                 .seed = args[3].value,
                                                 .trace_entries = (uint32_t)args[4].value};
    program->has_machine = true;
    return STORSIM_OK;
}

static storsim_status_t add(builder_t *builder, const storsim_record_t *record, uint32_t index) {
    switch (record->kind) { /* unreachable: a record that was parsed has one of these kinds */
    case STORSIM_RECORD_MACHINE: return set_machine(builder->program, record);
    case STORSIM_RECORD_CALL:
    case STORSIM_RECORD_STORE:
    case STORSIM_RECORD_SEAL: return add_item(builder, record, index);
    case STORSIM_RECORD_RETURN: return end_item(builder, record);
    case STORSIM_RECORD_CALLBACK: return add_answer(builder, record, index);
    case STORSIM_RECORD_ANSWER: end_answer(builder, record); return STORSIM_OK;
    case STORSIM_RECORD_NOTE: break;
    }
    return STORSIM_OK;
}

storsim_status_t ss_program_load(ss_program_t *program, ss_host_t *host, const storsim_journal_t *journal) {
    *program = (ss_program_t){.host = host, .arena = {host, NULL}, .first = SS_NOTHING};
    builder_t builder = {.program = program};
    storsim_status_t status = enter(&builder, 0); /* makes the lists; level 0 is the run itself */
    if (status == STORSIM_OK) {
        builder.depth = 0;
        builder.tails[0] = SS_NOTHING;
    }
    uint32_t site = 0, index = 0;
    for (const ss_journal_block_t *block = journal->first; block != NULL; block = block->next) {
        for (size_t at = 0; status == STORSIM_OK && at < block->used;) {
            storsim_record_t record;
            uint32_t length = ss_get_u32(block->bytes + at);
            status = ss_parse(block->bytes + at + 4, length, &site, &program->arena, &record);
            status = status == STORSIM_OK ? add(&builder, &record, index++) : status;
            at += length + 4u;
        }
    }
    ss_release(host, builder.open);
    ss_release(host, builder.tails);
    if (status == STORSIM_OK && !program->has_machine) {
        status = STORSIM_INVALID;
    }
    if (status != STORSIM_OK) {
        ss_program_destroy(program);
    }
    return status;
}

void ss_program_destroy(ss_program_t *program) {
    ss_arena_clear(&program->arena);
    ss_release(program->host, program->items);
    ss_release(program->host, program->answers);
    ss_release(program->host, program->slots);
    ss_release(program->host, program->refs);
    ss_release(program->host, program->restored);
    *program = (ss_program_t){.host = program->host, .arena = {program->host, NULL}, .first = SS_NOTHING};
}
