/* journal/parse.c: the body of one record, and the cursor over all of them. Nothing in a body is trusted. */
#include <string.h>

#include "journal/journal_i.h"

/* --- memory of what is read ------------------------------------------------------------------------------------------- */

struct ss_arena_block {
    struct ss_arena_block *next;
    size_t used, capacity;
};
enum { ARENA_BLOCK = 1 << 16, ALIGN = 16 };
#define ARENA_HEAD ((sizeof(struct ss_arena_block) + ALIGN - 1) / ALIGN * ALIGN)

void *ss_arena_take(ss_arena_t *arena, size_t count, size_t size) {
    /* unreachable: no structure is empty, and counts are bounded by the record */
    if (size != 0 && count > (SIZE_MAX / 4) / size) {
        return NULL;
    }
    size_t bytes = (count * size + ALIGN - 1) / ALIGN * ALIGN;
    bytes = bytes != 0 ? bytes : ALIGN;
    struct ss_arena_block *block = arena->blocks;
    if (block == NULL || block->capacity - block->used < bytes) {
        size_t capacity = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        block = ss_alloc(arena->host, ARENA_HEAD + capacity);
        if (block == NULL) {
            return NULL;
        }
        *block = (struct ss_arena_block){.next = arena->blocks, .capacity = capacity};
        arena->blocks = block;
    }
    uint8_t *place = (uint8_t *)block + ARENA_HEAD + block->used;
    block->used += bytes;
    memset(place, 0, bytes);
    return place;
}

void ss_arena_clear(ss_arena_t *arena) {
    while (arena->blocks != NULL) {
        struct ss_arena_block *next = arena->blocks->next;
        ss_release(arena->host, arena->blocks);
        arena->blocks = next;
    }
}

/* --- structures ------------------------------------------------------------------------------------------------------- */

const storsim_layout_t *ss_layout_of(const storsim_operation_t *operation, storsim_type_t type) {
    return type == STORSIM_T_STRUCT ? operation->layout : storsim_type_layout(type);
}

uint64_t ss_member_get(const storsim_member_t *member, const void *element) {
    const uint8_t *at = (const uint8_t *)element + member->offset;
    union {
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        bool truth;
    } value = {0};
    memcpy(&value, at, member->width);
    switch (member->width) {
    case 1: return member->boolean ? (uint64_t)(value.u8 != 0) : value.u8;
    case 2: return value.u16;
    case 4: return value.u32;
    default: return value.u64;
    }
}

void ss_member_set(const storsim_member_t *member, void *element, uint64_t number) {
    uint8_t *at = (uint8_t *)element + member->offset;
    uint8_t u8 = (uint8_t)number;
    uint16_t u16 = (uint16_t)number;
    uint32_t u32 = (uint32_t)number;
    bool truth = number != 0;
    if (member->boolean) {
        memcpy(at, &truth, sizeof truth);
        return;
    }
    switch (member->width) {
    case 1: memcpy(at, &u8, 1); break;
    case 2: memcpy(at, &u16, 2); break;
    case 4: memcpy(at, &u32, 4); break;
    default: memcpy(at, &number, 8); break;
    }
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

typedef struct reader {
    const uint8_t *at, *end;
    storsim_status_t status; /* the first error stays */
    ss_arena_t *arena;
} reader_t;

static void fail(reader_t *reader, storsim_status_t status) {
    if (reader->status == STORSIM_OK) {
        reader->status = status;
    }
    reader->at = reader->end;
}

static uint8_t get_byte(reader_t *reader) {
    if (reader->at == reader->end) {
        fail(reader, STORSIM_FORMAT);
        return 0;
    }
    return *reader->at++;
}

/* The number whose first byte was `code`. Only the shortest form is legal: one value, one encoding. */
static uint64_t number_after(reader_t *reader, uint8_t code) {
    uint64_t value = 0;
    bool near = code >= SS_CODE_KERNEL && code <= SS_CODE_KERNEL + 8;
    code = near ? (uint8_t)(code - SS_CODE_KERNEL) : code;
    if (code > 8 || (size_t)(reader->end - reader->at) < code) {
        fail(reader, STORSIM_FORMAT);
        return 0;
    }
    for (uint8_t i = 0; i < code; i++) {
        value |= (uint64_t)reader->at[i] << (8 * i);
    }
    bool shortest = code == 0 || reader->at[code - 1] != 0;
    if (!shortest || (near ? value >= SS_NEAR : value - STORSIM_ARENA_BASE < SS_NEAR)) {
        fail(reader, STORSIM_FORMAT);
        return 0;
    }
    reader->at += code;
    return near ? value + STORSIM_ARENA_BASE : value;
}

static uint64_t get_number(reader_t *reader) {
    return number_after(reader, get_byte(reader));
}

static uint64_t get_u64(reader_t *reader) {
    if (reader->end - reader->at < 8) {
        fail(reader, STORSIM_FORMAT);
        return 0;
    }
    reader->at += 8;
    return ss_get_u64(reader->at - 8);
}

static uint32_t get_u32(reader_t *reader) {
    if (reader->end - reader->at < 4) {
        fail(reader, STORSIM_FORMAT);
        return 0;
    }
    reader->at += 4;
    return ss_get_u32(reader->at - 4);
}

static void *room(reader_t *reader, uint64_t count, size_t size) {
    if (reader->arena == NULL || reader->status != STORSIM_OK) {
        return NULL;
    }
    void *place = ss_arena_take(reader->arena, (size_t)count, size);
    if (place == NULL) {
        fail(reader, STORSIM_NO_MEMORY);
    }
    return place;
}

/* `count` bytes that stand there. */
static void get_raw(reader_t *reader, uint64_t count, storsim_arg_t *arg) {
    if (count > (uint64_t)(reader->end - reader->at)) {
        fail(reader, STORSIM_FORMAT);
        return;
    }
    arg->count = (uint32_t)count;
    arg->data = room(reader, count + 1, 1); /* and a zero behind */
    if (arg->data != NULL && count != 0) {
        memcpy(arg->data, reader->at, (size_t)count);
    }
    reader->at += count;
}

static void get_raw_data(reader_t *reader, storsim_arg_t *arg) {
    if (get_byte(reader) != SS_CODE_DATA) {
        fail(reader, STORSIM_FORMAT);
        return;
    }
    arg->present = true;
    get_raw(reader, get_number(reader), arg);
}

static void get_elements(reader_t *reader, const storsim_layout_t *layout, uint64_t count, storsim_arg_t *arg) {
    uint64_t kept = get_number(reader);
    if (kept > count || kept * layout->member_count > (uint64_t)(reader->end - reader->at)) {
        fail(reader, STORSIM_FORMAT);
        return;
    }
    arg->count = (uint32_t)count;
    arg->data = room(reader, count, layout->size);
    for (uint64_t i = 0; i < kept; i++) {
        for (uint32_t m = 0; m < layout->member_count; m++) {
            uint64_t value = get_number(reader);
            if (arg->data != NULL) {
                ss_member_set(&layout->members[m], (uint8_t *)arg->data + (size_t)i * layout->size, value);
            }
        }
    }
}

static void get_array(reader_t *reader, const storsim_layout_t *layout, uint8_t code, storsim_arg_t *arg) {
    arg->present = true;
    if (code == SS_CODE_NULL) {
        return;
    }
    uint64_t count = get_number(reader);
    if (count > SS_TAP_BYTES / (layout != NULL ? layout->size : 1)) {
        fail(reader, STORSIM_FORMAT);
    } else if (code == SS_CODE_ROOM) {
        arg->count = (uint32_t)count;
        arg->data = room(reader, count, 1); /* of bytes */
    } else if (code == SS_CODE_DATA && layout != NULL) {
        get_elements(reader, layout, count, arg);
    } else if (code == SS_CODE_DATA) {
        get_raw(reader, count, arg);
    } else if (code == SS_CODE_HASH && layout == NULL) {
        arg->count = (uint32_t)count;
        arg->value = get_u64(reader);
    } else {
        fail(reader, STORSIM_FORMAT);
    }
}

static void get_arg(reader_t *reader, const storsim_operation_t *operation, const storsim_param_t *param, bool back, storsim_arg_t *arg) {
    const storsim_layout_t *layout = ss_layout_of(operation, param->type);
    bool array = layout != NULL || param->type == STORSIM_T_BYTES || param->type == STORSIM_T_TEXT;
    uint8_t code = get_byte(reader);
    if (code == SS_CODE_ABSENT) {
        if (!back && ((param->flags & STORSIM_P_OUT) == 0 || array)) {
            fail(reader, STORSIM_FORMAT);
        } else if (!back) {
            arg->value = get_number(reader);
        }
        return;
    }
    arg->present = true;
    arg->written = back;
    if (array) {
        if (!back && (code == SS_CODE_HASH || (code == SS_CODE_ROOM) != (layout == NULL && (param->flags & STORSIM_P_IN) == 0)) && code != SS_CODE_NULL) {
            fail(reader, STORSIM_FORMAT);
            return;
        }
        if (back && code == SS_CODE_ROOM) {
            fail(reader, STORSIM_FORMAT);
            return;
        }
        get_array(reader, layout, code, arg);
        if (operation->routine != NULL) {
            arg->value = get_number(reader);
        }
        if (param->type == STORSIM_T_STRUCT && code != SS_CODE_NULL && arg->count != 1) {
            fail(reader, STORSIM_FORMAT);
        }
    } else {
        arg->value = number_after(reader, code);
    }
}

static void get_operation(reader_t *reader, storsim_record_t *record) {
    uint16_t id = get_byte(reader);
    id = (uint16_t)(id | get_byte(reader) << 8);
    if (reader->status == STORSIM_OK && !storsim_operation_get(id, &record->operation)) {
        fail(reader, STORSIM_FORMAT);
    }
}

static storsim_status_t get_status(reader_t *reader) {
    uint8_t code = get_byte(reader);
    if (code > 15) {
        fail(reader, STORSIM_FORMAT);
        return STORSIM_OK;
    }
    return (storsim_status_t)-(int)code;
}

/* --- the kinds -------------------------------------------------------------------------------------------------------- */

/* args: node_count, placement, allow_cross_node, seed, trace_entries; ranges (ULONGLONGS, three each); distances (BYTES). */
static void get_machine(reader_t *reader, storsim_record_t *record) {
    for (uint32_t i = 0; i < 5; i++) {
        record->args[i] = (storsim_arg_t){.value = get_number(reader), .present = true};
    }
    uint64_t count = get_number(reader);
    if (count == 0 || count > STORSIM_MAX_RANGES || record->args[0].value > STORSIM_MAX_NODES ||
        record->args[1].value > STORSIM_ADVERSARIAL || record->args[4].value > UINT32_MAX) {
        fail(reader, STORSIM_FORMAT);
        return;
    }
    uint64_t *numbers = room(reader, 3 * count, sizeof *numbers);
    for (uint64_t i = 0; i < 3 * count; i++) {
        uint64_t value = get_number(reader);
        if (numbers != NULL) {
            numbers[i] = value;
        }
    }
    record->args[5] = (storsim_arg_t){.data = numbers, .count = (uint32_t)(3 * count), .present = true};
    get_raw_data(reader, &record->args[6]);
    uint64_t cells = record->args[0].value * record->args[0].value;
    if (record->args[6].count != 0 && record->args[6].count != cells) {
        fail(reader, STORSIM_FORMAT);
    }
}

static void get_call(reader_t *reader, storsim_record_t *record, bool back) {
    get_operation(reader, record);
    if (reader->status != STORSIM_OK) {
        return;
    }
    if (back) {
        record->status = get_status(reader);
        record->result = get_number(reader);
    }
    for (uint8_t i = 0; i < record->operation.arg_count; i++) {
        const storsim_param_t *param = storsim_operation_param(&record->operation, i);
        if (!back || (param->flags & STORSIM_P_OUT) != 0) {
            get_arg(reader, &record->operation, param, back, &record->args[i]);
        }
    }
}

static void get_callback(reader_t *reader, storsim_record_t *record) {
    storsim_callback_t *callback = &record->callback;
    uint8_t kind = get_byte(reader);
    if (kind < STORSIM_CB_SG_EXECUTE || kind > STORSIM_CB_CODEC_VERB) {
        fail(reader, STORSIM_FORMAT);
    }
    callback->kind = (storsim_callback_kind_t)kind;
    callback->routine = get_number(reader);
    for (size_t i = 0; i < sizeof callback->values / sizeof callback->values[0]; i++) {
        callback->values[i] = get_number(reader);
    }
    callback->data_bytes = (size_t)get_number(reader);
    record->result = get_u64(reader); /* hash of the data */
}

static void get_answer(reader_t *reader, storsim_record_t *record) {
    storsim_arg_t given = {0};
    record->status = get_status(reader);
    record->callback.result = get_number(reader);
    get_raw_data(reader, &given);
    record->callback.data = given.data;
    record->callback.data_bytes = given.count;
}

static void get_store(reader_t *reader, storsim_record_t *record) {
    record->args[0] = (storsim_arg_t){.value = get_u64(reader), .present = true};
    record->args[1] = (storsim_arg_t){.value = get_u64(reader), .present = true};
    record->args[2].present = true;
    get_raw(reader, get_u32(reader), &record->args[2]);
}

storsim_status_t ss_parse(const uint8_t *body, size_t length, uint32_t *site, ss_arena_t *arena, storsim_record_t *record) {
    reader_t reader = {body, body + length, STORSIM_OK, arena};
    memset(record, 0, sizeof *record);
    uint8_t kind = get_byte(&reader);
    if ((kind & SS_SITE_BIT) != 0) {
        uint64_t number = get_number(&reader);
        if (number > UINT32_MAX) {
            fail(&reader, STORSIM_FORMAT);
        }
        *site = (uint32_t)number;
    }
    record->site = *site;
    record->kind = (storsim_record_kind_t)(kind & ~SS_SITE_BIT);
    switch (record->kind) {
    case STORSIM_RECORD_MACHINE: get_machine(&reader, record); break;
    case STORSIM_RECORD_CALL: get_call(&reader, record, false); break;
    case STORSIM_RECORD_RETURN: get_call(&reader, record, true); break;
    case STORSIM_RECORD_CALLBACK: get_callback(&reader, record); break;
    case STORSIM_RECORD_ANSWER: get_answer(&reader, record); break;
    case STORSIM_RECORD_STORE: get_store(&reader, record); break;
    case STORSIM_RECORD_NOTE:
        get_raw_data(&reader, &record->args[0]);
        get_raw_data(&reader, &record->args[1]);
        break;
    case STORSIM_RECORD_SEAL: record->result = get_u64(&reader); break;
    default: fail(&reader, STORSIM_FORMAT); break;
    }
    if (reader.status == STORSIM_OK && reader.at != reader.end) {
        return STORSIM_FORMAT;
    }
    return reader.status;
}

/* --- the cursor ------------------------------------------------------------------------------------------------------- */

struct storsim_journal_cursor {
    ss_host_t host;
    const ss_journal_block_t *block;
    size_t position;
    uint32_t site, depth;
    ss_arena_t arena;
};

storsim_status_t storsim_journal_open(const storsim_journal_t *journal, storsim_journal_cursor_t **cursor) {
    ss_host_t host = journal->host;
    storsim_journal_cursor_t *made = ss_alloc_zeroed(&host, 1, sizeof *made);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    made->host = host;
    made->block = journal->first;
    made->arena.host = &made->host;
    *cursor = made;
    return STORSIM_OK;
}

storsim_status_t storsim_journal_next(storsim_journal_cursor_t *cursor, storsim_record_t *record, bool *end) {
    ss_arena_clear(&cursor->arena);
    while (cursor->block != NULL && cursor->position >= cursor->block->used) {
        cursor->block = cursor->block->next;
        cursor->position = 0;
    }
    *end = cursor->block == NULL;
    if (*end) {
        return STORSIM_OK;
    }
    const uint8_t *at = cursor->block->bytes + cursor->position;
    uint32_t length = ss_get_u32(at);
    storsim_status_t status = ss_parse(at + 4, length, &cursor->site, &cursor->arena, record);
    if (status != STORSIM_OK) {
        return status;
    }
    cursor->depth -= record->kind == STORSIM_RECORD_ANSWER;
    record->depth = cursor->depth;
    cursor->depth += record->kind == STORSIM_RECORD_CALLBACK;
    cursor->position += length + 4u;
    return STORSIM_OK;
}

void storsim_journal_close(storsim_journal_cursor_t *cursor) {
    if (cursor == NULL) {
        return;
    }
    ss_arena_clear(&cursor->arena);
    ss_host_t host = cursor->host;
    ss_release(&host, cursor);
}
