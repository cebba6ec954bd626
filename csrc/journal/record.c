/* journal/record.c: the tap. Writes what happens into blocks of memory, and to the sink.
 *
 * A record never crosses a block. What a call will give back is bounded by its arguments, so room for its RETURN is promised when its
 * CALL is written: the end of a call cannot fail. */
#include <string.h>

#include "journal/journal_i.h"
#include "machine/bits.h"
#include "machine/operations.h"
#include "nt/operations.h"

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 18, NUMBER = 9, PLAIN = 64 };

/* --- blocks ----------------------------------------------------------------------------------------------------------- */

static bool block_add(storsim_journal_t *journal, uint64_t bytes) {
    uint64_t capacity = journal->last == NULL ? FIRST_BLOCK : journal->last->capacity < LARGEST_BLOCK ? journal->last->capacity * 2
                                                                                                     : LARGEST_BLOCK;
    capacity = capacity < bytes ? bytes : capacity;
    if (capacity > SIZE_MAX / 2) { /* unreachable: what a record needs was compared with SS_RECORD_LIMIT */
        return false;
    }
    ss_journal_block_t *block = ss_alloc(&journal->host, sizeof *block + (size_t)capacity);
    if (block == NULL) {
        return false;
    }
    block->next = NULL;
    block->used = 0;
    block->capacity = (size_t)capacity;
    if (journal->last != NULL) {
        journal->last->next = block;
    } else {
        journal->first = block;
    }
    journal->last = block;
    return true;
}

uint8_t *ss_journal_reserve(storsim_journal_t *journal, uint64_t bytes) {
    uint64_t wanted = bytes + 4 + journal->pending;
    if ((journal->last == NULL || journal->last->capacity - journal->last->used < wanted) && !block_add(journal, wanted)) {
        return NULL;
    }
    return journal->last->bytes + journal->last->used + 4;
}

/* Where the next record goes when room for it was promised. */
static uint8_t *promised(const storsim_journal_t *journal) {
    return journal->last->bytes + journal->last->used + 4;
}

static bool sink_frame(storsim_journal_t *journal, const uint8_t *body, size_t length) {
    if (journal->frame_capacity < length + 8) {
        uint8_t *wider = ss_resize(&journal->host, journal->frame, length * 2 + 256, 1);
        if (wider == NULL) {
            return false;
        }
        journal->frame = wider;
        journal->frame_capacity = length * 2 + 256;
    }
    uint8_t *at = ss_put_u32(journal->frame, (uint32_t)length);
    memcpy(at, body, length);
    journal->sink_check = ss_journal_check(journal->sink_check, body, length);
    (void)ss_put_u32(at + length, journal->sink_check);
    return journal->sink(journal->sink_context, journal->frame, length + 8);
}

storsim_status_t ss_journal_commit(storsim_journal_t *journal, const uint8_t *end) {
    uint8_t *start = journal->last->bytes + journal->last->used;
    size_t length = (size_t)(end - start) - 4;
    (void)ss_put_u32(start, (uint32_t)length);
    storsim_status_t status = STORSIM_OK;
    if (journal->sink != NULL && !journal->sink_failed && !sink_frame(journal, start + 4, length)) {
        journal->sink_failed = true; /* told once */
        status = STORSIM_CALLBACK;
    }
    if (!journal->full) { /* else the place is used again for the next record: only the sink wants them */
        journal->last->used += length + 4;
        journal->records++;
        journal->bytes += length + 4;
    }
    return status;
}

storsim_status_t ss_journal_append(storsim_journal_t *journal, const uint8_t *body, size_t length) {
    uint8_t *at = ss_journal_reserve(journal, length);
    if (at == NULL) {
        return STORSIM_NO_MEMORY;
    }
    memcpy(at, body, length);
    return ss_journal_commit(journal, at + length);
}

/* --- numbers and arguments -------------------------------------------------------------------------------------------- */

/* Eight bytes are written whatever the number's length: blocks have room to spare. */
static inline uint8_t *put_number(uint8_t *at, uint64_t value) {
    if (value < 0x100) { /* most */
        uint8_t bytes = value != 0;
        at[0] = bytes;
        at[1] = (uint8_t)value;
        return at + 1 + bytes;
    }
    uint8_t code = 0;
    if (value - STORSIM_ARENA_BASE < SS_NEAR) {
        code = SS_CODE_KERNEL;
        value -= STORSIM_ARENA_BASE;
    }
    uint32_t bytes = (71u - ss_high_zeros(value)) / 8;
    *at = (uint8_t)(code + bytes);
    (void)ss_put_u64(at + 1, value);
    return at + 1 + bytes;
}

/* Types with an array behind them. */
static const bool arrays[STORSIM_T_KINDS] = {
    [STORSIM_T_RANGES] = true,    [STORSIM_T_HANDLES] = true,     [STORSIM_T_GROUP_AFFINITY] = true, [STORSIM_T_STREAM_FORMAT] = true,
    [STORSIM_T_TRANSFERS] = true, [STORSIM_T_DEVICE_INFO] = true, [STORSIM_T_BYTES] = true,          [STORSIM_T_TEXT] = true,
    [STORSIM_T_ULONGS] = true,    [STORSIM_T_ULONGLONGS] = true,  [STORSIM_T_STRUCT] = true};

static inline const storsim_param_t *param_of(const storsim_operation_t *operation, uint8_t index) {
    return index < operation->param_count ? &operation->params[index] : storsim_operation_param(operation, index);
}

/* Of an array of elements. */
static uint64_t array_room(const storsim_operation_t *operation, const storsim_param_t *param, const storsim_arg_t *arg) {
    return (uint64_t)arg->count * ss_layout_of(operation, param->type)->member_count * NUMBER + 4 * NUMBER;
}

/* How many elements there are before the last zeros. */
static uint32_t kept_elements(const storsim_layout_t *layout, const storsim_arg_t *arg) {
    uint32_t kept = arg->count;
    for (bool zero = true; kept > 0 && zero; kept -= zero) {
        const uint8_t *element = (const uint8_t *)arg->data + (size_t)(kept - 1) * layout->size;
        for (uint32_t m = 0; zero && m < layout->member_count; m++) {
            zero = ss_member_get(&layout->members[m], element) == 0;
        }
    }
    return kept;
}

static uint8_t *put_elements(uint8_t *at, const storsim_layout_t *layout, const storsim_arg_t *arg) {
    uint32_t kept = kept_elements(layout, arg);
    *at++ = SS_CODE_DATA;
    at = put_number(at, arg->count);
    at = put_number(at, kept);
    for (uint32_t i = 0; i < kept; i++) {
        const uint8_t *element = (const uint8_t *)arg->data + (size_t)i * layout->size;
        for (uint32_t m = 0; m < layout->member_count; m++) {
            at = put_number(at, ss_member_get(&layout->members[m], element));
        }
    }
    return at;
}

static uint8_t *put_raw(uint8_t *at, const void *data, size_t count) {
    *at++ = SS_CODE_DATA;
    at = put_number(at, count);
    if (count != 0) {
        memcpy(at, data, count);
    }
    return at + count;
}

static uint8_t *put_array_in(uint8_t *at, const storsim_operation_t *operation, const storsim_param_t *param, const storsim_arg_t *arg) {
    if (arg->data == NULL) {
        *at = SS_CODE_NULL;
        return at + 1;
    }
    bool bytes = param->type == STORSIM_T_BYTES || param->type == STORSIM_T_TEXT;
    if (bytes && (param->flags & STORSIM_P_IN) == 0) {
        *at = SS_CODE_ROOM;
        return put_number(at + 1, arg->count);
    }
    return bytes ? put_raw(at, arg->data, arg->count) : put_elements(at, ss_layout_of(operation, param->type), arg);
}

/* Arrays of a routine have a number beside them: what a finding tells of the argument, or the number of a transfer. */
static inline uint8_t *put_in(uint8_t *at, const storsim_operation_t *operation, const storsim_param_t *param, const storsim_arg_t *arg) {
    if (arrays[param->type]) {
        at = put_array_in(at, operation, param, arg);
        return operation->routine != NULL ? put_number(at, arg->value) : at;
    }
    if ((param->flags & STORSIM_P_OUT) != 0 && !arg->present) {
        *at++ = SS_CODE_ABSENT;
    }
    /* What an output's variable held before matters to a driver only, and only routines of the DDI show it. */
    bool unseen = (param->flags & STORSIM_P_IN) == 0 && operation->routine == NULL;
    return put_number(at, unseen ? 0 : arg->value);
}

static uint8_t *put_array_out(uint8_t *at, const storsim_operation_t *operation, const storsim_param_t *param, const storsim_arg_t *arg) {
    if (arg->data == NULL) {
        *at = SS_CODE_NULL;
        return at + 1;
    }
    if (param->type != STORSIM_T_BYTES) { /* no text comes out of anything */
        return put_elements(at, ss_layout_of(operation, param->type), arg);
    }
    if (arg->count <= SS_BYTES_KEPT) {
        return put_raw(at, arg->data, arg->count);
    }
    *at++ = SS_CODE_HASH;
    at = put_number(at, arg->count);
    return ss_put_u64(at, ss_hash_bytes(arg->data, arg->count));
}

static inline uint8_t *put_out(uint8_t *at, const storsim_operation_t *operation, const storsim_param_t *param, const storsim_arg_t *arg) {
    if (!arg->written) {
        *at = SS_CODE_ABSENT;
        return at + 1;
    }
    if (!arrays[param->type]) {
        return put_number(at, arg->value);
    }
    at = put_array_out(at, operation, param, arg);
    return operation->routine != NULL ? put_number(at, arg->value) : at;
}

/* Room for the CALL of an operation, and for its RETURN. */
typedef struct room {
    uint64_t call, back;
} room_t;

static inline room_t room_for(const storsim_operation_t *operation, const storsim_arg_t *args) {
    uint64_t numbers = (uint64_t)operation->arg_count * (NUMBER + 1);
    room_t room = {PLAIN + numbers, PLAIN + 4 + numbers};
    for (uint8_t i = 0; i < operation->param_count; i++) { /* the client, where there is one, is a number */
        const storsim_param_t *param = &operation->params[i];
        if (!arrays[param->type]) {
            continue;
        }
        bool bytes = param->type == STORSIM_T_BYTES || param->type == STORSIM_T_TEXT, in = (param->flags & STORSIM_P_IN) != 0;
        uint64_t whole = bytes ? (uint64_t)args[i].count + 2 * NUMBER : array_room(operation, param, &args[i]);
        room.call += bytes && !in ? 2 * NUMBER : whole;
        room.back += (param->flags & STORSIM_P_OUT) == 0 ? 0 : bytes ? SS_BYTES_KEPT + 4 * NUMBER : whole;
    }
    return room;
}

/* Kind, and the site when it is another than the last record's. */
static uint8_t *put_kind(storsim_journal_t *journal, uint8_t *at, storsim_record_kind_t kind) {
    uint32_t site = ss_machine_where(journal->machine)->site;
    if (site == journal->site) {
        *at = (uint8_t)kind;
        return at + 1;
    }
    journal->site = site;
    *at = (uint8_t)(kind | SS_SITE_BIT);
    return put_number(at + 1, site);
}

/* --- the tap ---------------------------------------------------------------------------------------------------------- */

static storsim_journal_t *journal_of(ss_tap_t *tap) {
    return (storsim_journal_t *)(void *)tap; /* its first member */
}

static bool known_snapshot(const storsim_journal_t *journal, uint64_t name) {
    if ((name & SS_CHECKPOINT_NAME) != 0) {
        return true; /* of this machine, which was recorded from its first moment on */
    }
    for (uint32_t i = 0; i < journal->snapshot_count; i++) {
        if (journal->snapshots[i] == name) {
            return true;
        }
    }
    return false;
}

static bool idle(const storsim_journal_t *journal) {
    return journal->full && journal->sink == NULL;
}

/* What a call that makes a view or a snapshot needs besides its record: a place for it. */
static storsim_status_t prepare(storsim_journal_t *journal, const storsim_operation_t *operation, const storsim_arg_t *args) {
    if (operation->id == SS_OP_NT + SS_NT_BLOCK_EXPORT) {
        return ss_view_reserve(journal, args);
    }
    void *array = journal->snapshots;
    if (!ss_grow(&journal->host, &array, &journal->snapshot_capacity, journal->snapshot_count + 1, sizeof *journal->snapshots)) {
        return STORSIM_NO_MEMORY;
    }
    journal->snapshots = array;
    return STORSIM_OK;
}

static storsim_status_t tap_begin(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args) {
    storsim_journal_t *journal = journal_of(tap);
    if (journal->depth == 0 && journal->bytes > journal->limit) {
        journal->full = true;
    }
    if (idle(journal)) {
        return STORSIM_OK;
    }
    if (journal->owes) {
        journal->owes = false;
        return STORSIM_CALLBACK;
    }
    bool maker = operation->id == SS_OP_NT + SS_NT_BLOCK_EXPORT || operation->id == SS_OP_MACHINE + SS_SNAPSHOT;
    storsim_status_t status = maker ? prepare(journal, operation, args) : STORSIM_OK;
    if (status == STORSIM_OK && journal->view_count != 0 && !ss_views_blind(operation)) {
        status = ss_views_look(journal);
    }
    if (status != STORSIM_OK) {
        goto fail;
    }
    storsim_arg_t short_args[2];
    if (operation->id == SS_OP_MACHINE + SS_RESTORE) { /* bytes only where the journal does not have them already */
        short_args[0] = args[0];
        short_args[1] = args[1];
        if (known_snapshot(journal, args[0].value)) {
            short_args[1].data = NULL;
            short_args[1].count = 0;
        }
        args = short_args;
    }
    const room_t room = room_for(operation, args);
    uint64_t back = room.back;
    if (room.call + back > SS_RECORD_LIMIT) {
        journal->full = true;
        journal->sink_failed = true;
        return STORSIM_OK;
    }
    journal->pending += back;
    uint32_t site = journal->site;
    uint8_t *at = ss_journal_reserve(journal, room.call);
    if (at == NULL) {
        journal->pending -= back;
        status = STORSIM_NO_MEMORY;
        goto fail;
    }
    at = ss_put_u16(put_kind(journal, at, STORSIM_RECORD_CALL), operation->id);
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        at = put_in(at, operation, param_of(operation, i), &args[i]);
    }
    size_t used = journal->last->used;
    status = ss_journal_commit(journal, at);
    if (status != STORSIM_OK) { /* the call will not happen */
        journal->pending -= back;
        journal->site = site;
        journal->bytes -= journal->last->used - used;
        journal->records -= journal->last->used != used;
        journal->last->used = used;
        goto fail;
    }
    journal->calls += !journal->full;
    journal->open++;
    return STORSIM_OK;
fail:
    if (operation->id == SS_OP_NT + SS_NT_BLOCK_EXPORT) {
        ss_view_unreserve(journal, args);
    }
    return status;
}

static void tap_end(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args, storsim_status_t status,
                    uint64_t result) {
    storsim_journal_t *journal = journal_of(tap);
    if (journal->open == 0 || idle(journal)) {
        journal->open -= journal->open != 0;
        return;
    }
    journal->open--;
    storsim_arg_t short_args[2] = {{0}};
    if (operation->id == SS_OP_MACHINE + SS_RESTORE) {
        args = short_args;
    }
    uint8_t *at = ss_put_u16(put_kind(journal, promised(journal), STORSIM_RECORD_RETURN), operation->id);
    *at++ = (uint8_t)-(int)status;
    at = put_number(at, result);
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        const storsim_param_t *param = param_of(operation, i);
        if ((param->flags & STORSIM_P_OUT) != 0) {
            at = put_out(at, operation, param, &args[i]);
        }
    }
    journal->pending -= room_for(operation, args).back;
    journal->owes = ss_journal_commit(journal, at) != STORSIM_OK; /* a sink that fails here says so at the next call */
    if (operation->routine != NULL) {
        /* none of the following */
    } else if (operation->id == SS_OP_NT + SS_NT_BLOCK_EXPORT) {
        ss_view_made(journal, args, status);
    } else if (operation->id == SS_OP_NT + SS_NT_BLOCK_UNEXPORT) {
        ss_view_ends(journal, args[0].value);
    } else if (operation->id == SS_OP_MACHINE + SS_SNAPSHOT && status == STORSIM_OK) {
        if ((args[0].value & SS_CHECKPOINT_NAME) == 0) {
            journal->snapshots[journal->snapshot_count++] = args[0].value;
        }
    }
    if (journal->view_count != 0 && !ss_views_blind(operation)) {
        ss_views_refresh(journal);
    }
}

static storsim_status_t tap_callback(ss_tap_t *tap, const storsim_callback_t *callback) {
    storsim_journal_t *journal = journal_of(tap);
    if (idle(journal)) {
        journal->depth++;
        return STORSIM_OK;
    }
    uint64_t back = PLAIN + callback->data_bytes;
    journal->pending += back;
    uint8_t *at = ss_journal_reserve(journal, 2 * PLAIN);
    if (at == NULL) {
        journal->pending -= back;
        return STORSIM_NO_MEMORY;
    }
    at = put_kind(journal, at, STORSIM_RECORD_CALLBACK);
    *at++ = (uint8_t)callback->kind;
    at = put_number(at, callback->routine);
    for (size_t i = 0; i < sizeof callback->values / sizeof callback->values[0]; i++) {
        at = put_number(at, callback->values[i]);
    }
    at = put_number(at, callback->data != NULL ? ss_callback_bytes(callback) : 0);
    at = ss_put_u64(at, callback->data != NULL ? ss_callback_hash(callback) : 0);
    (void)ss_journal_commit(journal, at);
    journal->depth++;
    ss_views_refresh(journal);
    return STORSIM_OK;
}

static void tap_answer(ss_tap_t *tap, const storsim_callback_t *callback, storsim_status_t status) {
    storsim_journal_t *journal = journal_of(tap);
    journal->depth--;
    if (idle(journal)) {
        return;
    }
    if (ss_views_look(journal) != STORSIM_OK) {
        journal->full = true;
        return;
    }
    bool given = callback->kind == STORSIM_CB_CODEC_SOURCE;
    uint64_t count = given && callback->result < callback->data_bytes ? callback->result : given ? callback->data_bytes : 0;
    uint8_t *at = put_kind(journal, promised(journal), STORSIM_RECORD_ANSWER);
    *at++ = (uint8_t)-(int)status;
    at = put_number(at, callback->result);
    at = put_raw(at, callback->data, (size_t)count);
    journal->pending -= PLAIN + callback->data_bytes;
    (void)ss_journal_commit(journal, at);
}

static void tap_lost(ss_tap_t *tap) {
    storsim_journal_t *journal = journal_of(tap);
    journal->full = true;
    journal->sink_failed = true;
}

static void tap_gone(ss_tap_t *tap) {
    storsim_journal_t *journal = journal_of(tap);
    ss_views_destroy(journal);
    journal->machine = NULL;
}

static const ss_tap_ops_t tap_ops = {tap_begin, tap_end, tap_callback, tap_answer, tap_lost, tap_gone};

/* --- life ------------------------------------------------------------------------------------------------------------- */

storsim_status_t storsim_journal_create(const storsim_journal_options_t *options, storsim_journal_t **journal) {
    const storsim_journal_options_t plain = {0};
    options = options != NULL ? options : &plain;
    ss_host_t host;
    ss_host_init(&host, options->host);
    storsim_journal_t *made = ss_alloc_zeroed(&host, 1, sizeof *made);
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    made->host = host;
    made->tap.ops = &tap_ops;
    made->limit = options->memory_limit != 0 ? options->memory_limit : STORSIM_JOURNAL_LIMIT;
    made->sink = options->sink;
    made->sink_context = options->context;
    *journal = made;
    return STORSIM_OK;
}

void storsim_journal_destroy(storsim_journal_t *journal) {
    if (journal == NULL) {
        return;
    }
    if (journal->machine != NULL) {
        (void)ss_machine_tap(journal->machine, NULL);
    }
    ss_views_destroy(journal);
    while (journal->first != NULL) {
        ss_journal_block_t *next = journal->first->next;
        ss_release(&journal->host, journal->first);
        journal->first = next;
    }
    ss_release(&journal->host, journal->frame);
    ss_release(&journal->host, journal->snapshots);
    ss_host_t host = journal->host;
    ss_release(&host, journal);
}

/* The first record: what makes an equal machine. */
static storsim_status_t write_machine(storsim_journal_t *journal, const storsim_machine_t *machine) {
    size_t count;
    (void)storsim_memory_map(machine, &count);
    storsim_range_t *ranges = ss_alloc_zeroed(&journal->host, count, sizeof *ranges);
    if (ranges == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_machine_config_t config;
    ss_machine_config(machine, ranges, &config);
    size_t cells = config.distances != NULL ? (size_t)config.node_count * config.node_count : 0;
    uint8_t *at = ss_journal_reserve(journal, 2 * PLAIN + count * 3 * NUMBER + cells);
    if (at != NULL) {
        *at++ = STORSIM_RECORD_MACHINE;
        const uint64_t numbers[] = {config.node_count, (uint64_t)config.placement, config.allow_cross_node, config.seed,
                                    config.trace_entries, count};
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            at = put_number(at, numbers[i]);
        }
        for (size_t i = 0; i < count; i++) {
            at = put_number(put_number(put_number(at, ranges[i].start), ranges[i].length), ranges[i].node);
        }
        at = put_raw(at, config.distances, cells);
    }
    ss_release(&journal->host, ranges);
    return at != NULL ? ss_journal_commit(journal, at) : STORSIM_NO_MEMORY;
}

storsim_status_t storsim_journal_attach(storsim_journal_t *journal, storsim_machine_t *machine) {
    if (journal->used) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = ss_machine_tap(machine, &journal->tap);
    if (status != STORSIM_OK) {
        return status;
    }
    uint8_t head[SS_JOURNAL_HEAD];
    ss_journal_head(head);
    if (journal->sink != NULL && !journal->sink(journal->sink_context, head, sizeof head)) {
        status = STORSIM_CALLBACK;
    }
    status = status == STORSIM_OK ? write_machine(journal, machine) : status;
    if (status != STORSIM_OK) {
        (void)ss_machine_tap(machine, NULL);
        return status;
    }
    journal->machine = machine;
    journal->used = true;
    return STORSIM_OK;
}

storsim_status_t storsim_journal_detach(storsim_journal_t *journal) {
    if (journal->machine == NULL) {
        return STORSIM_OK;
    }
    if (ss_machine_entered(journal->machine)) {
        return STORSIM_REENTRY;
    }
    (void)ss_machine_tap(journal->machine, NULL);
    tap_gone(&journal->tap);
    return STORSIM_OK;
}

/* --- what the host adds ----------------------------------------------------------------------------------------------- */

storsim_status_t storsim_journal_seal(storsim_journal_t *journal) {
    if (journal->machine == NULL) {
        return STORSIM_INVALID;
    }
    if (ss_machine_entered(journal->machine)) {
        return STORSIM_REENTRY;
    }
    if (idle(journal)) {
        return STORSIM_OK;
    }
    uint64_t digest;
    storsim_status_t status = ss_views_look(journal);
    status = status == STORSIM_OK ? storsim_digest(journal->machine, &digest) : status;
    if (status != STORSIM_OK) {
        return status;
    }
    uint8_t *at = ss_journal_reserve(journal, PLAIN);
    if (at == NULL) {
        return STORSIM_NO_MEMORY;
    }
    *at++ = STORSIM_RECORD_SEAL;
    return ss_journal_commit(journal, ss_put_u64(at, digest));
}

storsim_status_t storsim_journal_note(storsim_journal_t *journal, const char *key, const void *value, size_t bytes) {
    size_t length = strlen(key);
    if (length > SS_NOTE_LIMIT || bytes > SS_NOTE_LIMIT) {
        return STORSIM_INVALID;
    }
    if (idle(journal)) {
        return STORSIM_OK;
    }
    uint8_t *at = ss_journal_reserve(journal, PLAIN + length + bytes);
    if (at == NULL) {
        return STORSIM_NO_MEMORY;
    }
    *at++ = STORSIM_RECORD_NOTE;
    return ss_journal_commit(journal, put_raw(put_raw(at, key, length), value, bytes));
}

bool storsim_journal_attached(const storsim_journal_t *journal) {
    return journal->machine != NULL;
}
size_t storsim_journal_count(const storsim_journal_t *journal) {
    return journal->records;
}
size_t storsim_journal_calls(const storsim_journal_t *journal) {
    return journal->calls;
}
uint64_t storsim_journal_bytes(const storsim_journal_t *journal) {
    return journal->bytes;
}
bool storsim_journal_full(const storsim_journal_t *journal) {
    return journal->full;
}
bool storsim_journal_torn(const storsim_journal_t *journal) {
    return journal->torn;
}
