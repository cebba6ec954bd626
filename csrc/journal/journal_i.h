/* journal/journal_i.h: what the files of this room share.
 *
 *     record.c    the tap: writes records into blocks         bytes.c    blocks ↔ the format of a file
 *     views.c     stores through exported buffers             parse.c    one record's body → storsim_record_t
 *     program.c   a whole journal as a tree in memory         run.c      performs a program, exactly or leniently
 *     link.c      which input came out of which output        shrink.c   makes programs smaller
 *
 * Body of a record: one byte kind (bit 7: a site follows), then by kind. Numbers: one byte n = 0 … 8, then n bytes little endian.
 * Arguments of a CALL and RETURN: a number, or one of the codes below. */
#ifndef SS_JOURNAL_I_H
#define SS_JOURNAL_I_H

#include "machine/bits.h"
#include "machine/core.h"
#include "machine/tap.h"
#include "storsim/journal.h"
#include "storsim/nt.h"

enum {
    SS_CODE_ABSENT = 9,   /* CALL: an out-parameter whose pointer is NULL, its number follows; RETURN: not written */
    SS_CODE_NULL = 0x10,  /* an array that is not there */
    SS_CODE_DATA = 0x11,  /* number count, then the elements */
    SS_CODE_ROOM = 0x12,  /* number count: an array that only comes out */
    SS_CODE_KERNEL = 0x20, /* 0x20 + n: a number like any other, counted from STORSIM_ARENA_BASE; for every number it can say */
    SS_CODE_HASH = 0x13,  /* number count, 8 bytes: hash of bytes that came out */
    SS_SITE_BIT = 0x80,
    SS_BYTES_KEPT = 32    /* longer outputs are kept as a hash */
};
#define SS_NEAR (UINT64_C(1) << 40)
#define SS_NOTE_LIMIT (UINT64_C(1) << 20)
#define SS_RECORD_LIMIT (UINT64_C(1) << 30)

/* --- record.c --------------------------------------------------------------------------------------------------------- */

typedef struct ss_journal_block {
    struct ss_journal_block *next;
    size_t used, capacity;
    uint8_t bytes[]; /* records: u32 length, body */
} ss_journal_block_t;

typedef struct ss_view {
    uint64_t token, size;
    uint8_t *data, *copy; /* the host's bytes, and what they were */
} ss_view_t;

struct storsim_journal {
    ss_tap_t tap;
    ss_host_t host;
    storsim_machine_t *machine; /* NULL: not attached */
    ss_journal_block_t *first, *last;
    size_t records, calls;
    uint64_t bytes, limit, pending; /* pending: room promised to the ends of open calls */
    uint32_t site;                  /* last one written */
    uint32_t open, depth;           /* calls and callbacks under way */
    bool used, full, torn, sealed;
    bool (*sink)(void *context, const uint8_t *bytes, size_t length);
    void *sink_context;
    uint8_t *frame; /* a record on its way to the sink */
    size_t frame_capacity;
    uint32_t sink_check;
    bool sink_failed, owes; /* owes: it failed where a call could not say so */
    uint64_t *snapshots; /* names of those taken */
    uint32_t snapshot_count, snapshot_capacity;
    ss_view_t *views;
    uint32_t view_count, view_capacity;
    uint64_t view_bytes;
};

/* Room for n bytes at the end; NULL: no memory. A record is written there, then closed with its length. */
uint8_t *ss_journal_reserve(storsim_journal_t *journal, uint64_t bytes);
/* Ends the record that was written up to `end`; tells the sink. */
storsim_status_t ss_journal_commit(storsim_journal_t *journal, const uint8_t *end);
/* Appends a record made elsewhere. */
storsim_status_t ss_journal_append(storsim_journal_t *journal, const uint8_t *body, size_t length);

/* --- bytes.c ---------------------------------------------------------------------------------------------------------- */

#define SS_JOURNAL_HEAD 12u
void ss_journal_head(uint8_t head[SS_JOURNAL_HEAD]);
/* Check of a record: over its body and the check before it, so that a missing record is noticed. */
uint32_t ss_journal_check(uint32_t before, const uint8_t *body, size_t length);
uint64_t ss_hash_bytes(const void *bytes, size_t length);
/* What a record says of a callback's data: how much, and a hash of it, the same on every host. 0 for what the host is to give. */
uint64_t ss_callback_bytes(const storsim_callback_t *callback);
uint64_t ss_callback_hash(const storsim_callback_t *callback);

static inline uint8_t *ss_put_u16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}
static inline uint8_t *ss_put_u32(uint8_t *at, uint32_t value) {
    return ss_put_u16(ss_put_u16(at, value & 0xFFFFu), value >> 16);
}
static inline uint8_t *ss_put_u64(uint8_t *at, uint64_t value) {
    return ss_put_u32(ss_put_u32(at, (uint32_t)value), (uint32_t)(value >> 32));
}

/* --- views.c ---------------------------------------------------------------------------------------------------------- */

/* Before an operation runs, or after a callback: what the host has written meanwhile becomes STORE records. */
storsim_status_t ss_views_look(storsim_journal_t *journal);
/* After an operation, or before a callback: what the machine has written is no store. */
void ss_views_refresh(storsim_journal_t *journal);
storsim_status_t ss_view_reserve(storsim_journal_t *journal, const storsim_arg_t *args); /* a view is going to be made */
void ss_view_unreserve(storsim_journal_t *journal, const storsim_arg_t *args);
void ss_view_made(storsim_journal_t *journal, const storsim_arg_t *args, storsim_status_t status);
void ss_view_ends(storsim_journal_t *journal, uint64_t token);
void ss_views_destroy(storsim_journal_t *journal);
/* Whether an operation neither reads nor writes bytes a driver holds: then views can wait. */
bool ss_views_blind(const storsim_operation_t *operation);

/* --- parse.c ---------------------------------------------------------------------------------------------------------- */

typedef struct ss_arena {
    ss_host_t *host;
    struct ss_arena_block *blocks;
} ss_arena_t;
void *ss_arena_take(ss_arena_t *arena, size_t count, size_t size); /* zeroed; NULL: no memory */
void ss_arena_clear(ss_arena_t *arena);

/* Reads one body. arena NULL: only looks whether it is well formed, data pointers are NULL then. *site changes where the record says so.
 * FORMAT, NO_MEMORY. */
storsim_status_t ss_parse(const uint8_t *body, size_t length, uint32_t *site, ss_arena_t *arena, storsim_record_t *record);
const storsim_layout_t *ss_layout_of(const storsim_operation_t *operation, storsim_type_t type);
uint64_t ss_member_get(const storsim_member_t *member, const void *element);
void ss_member_set(const storsim_member_t *member, void *element, uint64_t value);

/* --- program.c -------------------------------------------------------------------------------------------------------- */

#define SS_NOTHING UINT32_MAX

typedef struct ss_item { /* one operation or store, and what came back */
    storsim_operation_t operation;
    storsim_record_kind_t kind; /* CALL, STORE, SEAL */
    uint32_t record, call;      /* index among all records; among CALLs */
    uint32_t site;
    storsim_arg_t *args, *outs; /* arg_count each; outs NULL: it never returned */
    storsim_status_t status;
    uint64_t result;
    uint32_t next;               /* the same list */
    uint32_t callbacks;          /* first of those it made */
    uint32_t inside;             /* callback it was made from */
    uint32_t first_ref, ref_count;
    uint32_t first_slot, slot_count;
    bool gone;                   /* removed by the shrinker */
} ss_item_t;

typedef struct ss_answer { /* one host callback, and what the host did */
    storsim_callback_t callback;
    uint64_t data_hash;
    uint32_t record, parent, next; /* parent: item */
    uint32_t items;                /* first of those made from it */
    storsim_status_t status;
    uint64_t result;
    const void *data;
    size_t data_bytes;
    uint32_t site;
    bool answered;
    uint32_t first_slot, slot_count;
} ss_answer_t;

/* A value somebody uses later: an output, or an element of one, or a value of a callback. */
typedef struct ss_slot {
    uint32_t source; /* item or answer */
    bool of_answer;
    uint8_t output;  /* argument, STORSIM_OUTPUT_RESULT, or value of the callback */
    uint32_t element, member, next; /* next slot of the same source */
} ss_slot_t;
typedef struct ss_ref { /* an input that is a slot plus an offset */
    uint8_t argument;
    uint8_t by; /* storsim_derivation_t */
    uint32_t element, member, slot;
    uint64_t offset;
} ss_ref_t;

typedef struct ss_program {
    ss_host_t *host;
    ss_arena_t arena;
    storsim_machine_config_t config;
    bool has_machine;
    ss_item_t *items;
    uint32_t item_count, item_capacity;
    ss_answer_t *answers;
    uint32_t answer_count, answer_capacity;
    uint32_t first;              /* item */
    uint32_t calls;
    ss_slot_t *slots;
    uint32_t slot_count, slot_capacity;
    ss_ref_t *refs;
    uint32_t ref_count, ref_capacity;
    uint64_t *restored;          /* names of snapshots somebody goes back to */
    uint32_t restored_count, restored_capacity;
} ss_program_t;

storsim_status_t ss_program_load(ss_program_t *program, ss_host_t *host, const storsim_journal_t *journal);
void ss_program_destroy(ss_program_t *program);

/* --- run.c ------------------------------------------------------------------------------------------------------------ */

typedef struct ss_run {
    ss_program_t *program;
    ss_host_t *host;
    const storsim_host_t *machine_host;
    storsim_machine_t *machine;
    bool lenient;
    uint64_t *values;      /* of slots, in this run */
    uint32_t *queue;       /* lenient: answers already given, by answer: 1 = used */
    uint32_t item, answer; /* under way; next callback expected */
    uint32_t depth;        /* callbacks under way */
    storsim_status_t failed; /* the run cannot go on */
    bool stop;               /* somebody has seen enough */
    size_t calls;
    storsim_replay_report_t *report; /* exact */
    struct ss_kept { uint64_t name; uint8_t *bytes; size_t length; } *kept;
    uint32_t kept_count, kept_capacity;
    /* Called before and after each item; for linking and for looking at findings. */
    void (*before)(struct ss_run *run, uint32_t item);
    void (*after)(struct ss_run *run, uint32_t item, const storsim_arg_t *args, storsim_status_t status, uint64_t result);
    void (*asked)(struct ss_run *run, uint32_t answer, const storsim_callback_t *callback);
    void *context;
} ss_run_t;

/* Makes the machine and performs every item that is not gone. The machine stays in run->machine. journal: records the run; NULL: none. */
storsim_status_t ss_run_program(ss_run_t *run, storsim_journal_t *journal);
void ss_run_end(ss_run_t *run); /* everything but the machine */

/* --- link.c ----------------------------------------------------------------------------------------------------------- */

/* Finds slots and references by an exact run. */
storsim_status_t ss_program_link(ss_program_t *program, const storsim_host_t *machine_host);

#endif
