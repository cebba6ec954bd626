/* storsim/journal.h: everything that was done to a machine, as data: recorded, kept, replayed, shrunk.
 *
 * A journal is attached to a machine right after it was made. From then on every operation (storsim/operation.h) is written down before
 * it runs and its results when it returns; host callbacks with what they answered and what they called meanwhile. Nested calls that the
 * core makes by itself are not recorded: they follow. A journal alone recreates its machine: its first records are the configuration.
 *
 * Stream of records (storsim_record_t)
 *   MACHINE            configuration of the hardware; first, once
 *   CALL … RETURN      one operation; between them, in order, what its callbacks did
 *   CALLBACK … ANSWER  the core asked the host program; between them the operations the host made meanwhile
 *   STORE              bytes the host wrote through an exported buffer since the record before
 *   NOTE               a word of the host program about itself, not replayed
 *   SEAL               the end: digest of the machine
 *
 * Format and policy. Bytes start with "STORSIMJ", u16 version, u16 zero; then records: u32 length, body, u32 check, little endian. The
 * version grows with any change that an older reader could misread; a reader accepts every version up to its own and refuses newer ones
 * (FORMAT at offset 8). Operations, types and record kinds keep their numbers for ever; new ones are added at the end. Bytes that stop
 * inside a record (a crash, a full disk) are a journal without its tail: `torn`. Any other damage is FORMAT with the offset of the record.
 * Snapshots are stricter: they are refused unless the version is equal, because they hold the state itself (machine/snapshot.c).
 *
 * Threads: as machines. Ownership: a journal outlives its machine. Source: model choice. */
#ifndef STORSIM_JOURNAL_H
#define STORSIM_JOURNAL_H

#include "storsim/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_JOURNAL_VERSION 1u
#define STORSIM_JOURNAL_LIMIT (UINT64_C(64) << 20) /* default of memory_limit */

/* --- operations ------------------------------------------------------------------------------------------------------- */

/* How many operations there are; *operation receives number `index` (0 … count-1, in order of ids). false outside. O(1). */
size_t storsim_operation_count(void);
bool storsim_operation_at(size_t index, storsim_operation_t *operation);
/* The operation with this id. false: there is none. O(1). */
bool storsim_operation_get(uint16_t id, storsim_operation_t *operation);
/* Parameter of argument `index` < arg_count. Static storage. */
const storsim_param_t *storsim_operation_param(const storsim_operation_t *operation, uint8_t index);
/* Performs one operation, as the machine's public function does, without going through a journal's bytes. No allocation of its own. A
 * journal attached to the machine records it. INVALID for an operation without `perform`. */
storsim_status_t storsim_operation_perform(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args,
                                           uint64_t *result);

/* --- recording -------------------------------------------------------------------------------------------------------- */

typedef struct storsim_journal storsim_journal_t;

typedef struct storsim_journal_options {
    const storsim_host_t *host; /* NULL: malloc and free; copied */
    uint64_t memory_limit;      /* bytes of records kept; 0: STORSIM_JOURNAL_LIMIT. Beyond: nothing more is kept (storsim_journal_full) */
    /* Where the encoded bytes go as well, as they come into being: before each call and after it. NULL: nowhere. false: it failed; the
     * operation under way answers CALLBACK and has changed nothing. */
    bool (*sink)(void *context, const uint8_t *bytes, size_t length);
    void *context;
} storsim_journal_options_t;

/* Makes an empty journal; options NULL: the defaults. NO_MEMORY. */
storsim_status_t storsim_journal_create(const storsim_journal_options_t *options, storsim_journal_t **journal);
/* Detaches and ends it; NULL is accepted. Not from inside a call of its machine. */
void storsim_journal_destroy(storsim_journal_t *journal);
/* Starts recording. The machine is fresh from storsim_machine_create: no room attached, time 0; else INVALID. INVALID also when either
 * has been attached before. Every operation may answer NO_MEMORY from then on when its record has no place; nothing changed then. */
storsim_status_t storsim_journal_attach(storsim_journal_t *journal, storsim_machine_t *machine);
/* Ends recording; what was recorded stays. REENTRY from inside a call. The machine's end detaches by itself. */
storsim_status_t storsim_journal_detach(storsim_journal_t *journal);
bool storsim_journal_attached(const storsim_journal_t *journal);
/* Appends the machine's digest, so that a replay can compare it. Recording goes on; the last SEAL counts. INVALID when not attached,
 * REENTRY from inside a call. */
storsim_status_t storsim_journal_seal(storsim_journal_t *journal);
/* Appends a word of the host program: a key and a value, each at most 1 MiB. INVALID, NO_MEMORY. */
storsim_status_t storsim_journal_note(storsim_journal_t *journal, const char *key, const void *value, size_t bytes);

size_t storsim_journal_count(const storsim_journal_t *journal);      /* records */
size_t storsim_journal_calls(const storsim_journal_t *journal);      /* operations, nested ones included */
uint64_t storsim_journal_bytes(const storsim_journal_t *journal);    /* bytes of records */
/* Whether the memory limit ended the recording: what came later is missing. */
bool storsim_journal_full(const storsim_journal_t *journal);
bool storsim_journal_torn(const storsim_journal_t *journal);         /* decoded from bytes that stop inside a record */

/* The whole journal as bytes; the caller gives them back with storsim_journal_free. NO_MEMORY. */
storsim_status_t storsim_journal_encode(storsim_journal_t *journal, uint8_t **bytes, size_t *length);
void storsim_journal_free(storsim_journal_t *journal, uint8_t *bytes);
/* A journal from bytes: every record is looked through, so that reading it later cannot fail. FORMAT with the offset in *where (may be
 * NULL), NO_MEMORY. Memory and time are in proportion to `length`. */
storsim_status_t storsim_journal_decode(const storsim_host_t *host, const uint8_t *bytes, size_t length, storsim_journal_t **journal,
                                        size_t *where);

/* --- reading ---------------------------------------------------------------------------------------------------------- */

/* The numbers are those of the format. */
typedef enum storsim_record_kind {
    STORSIM_RECORD_MACHINE = 1,
    STORSIM_RECORD_CALL = 2,
    STORSIM_RECORD_RETURN = 3,
    STORSIM_RECORD_CALLBACK = 4,
    STORSIM_RECORD_ANSWER = 5,
    STORSIM_RECORD_STORE = 6,
    STORSIM_RECORD_NOTE = 7,
    STORSIM_RECORD_SEAL = 8
} storsim_record_kind_t;

typedef struct storsim_record {
    storsim_record_kind_t kind;
    storsim_operation_t operation;         /* CALL, RETURN, STORE */
    uint32_t site;                         /* CALL */
    uint32_t depth;                        /* callbacks around it */
    storsim_arg_t args[STORSIM_MAX_ARGS];  /* CALL: what went in; RETURN: what came out, `written` says which; STORE: export, offset, bytes;
                                              MACHINE: see storsim_journal_machine; NOTE: key (TEXT), value (BYTES). data is the cursor's */
    storsim_status_t status;               /* RETURN, ANSWER: OK or what the host answered */
    uint64_t result;                       /* RETURN; SEAL: digest */
    storsim_callback_t callback;           /* CALLBACK; ANSWER: result, data */
} storsim_record_t;

typedef struct storsim_journal_cursor storsim_journal_cursor_t;
/* Reads from the first record on. A cursor holds no reference: the journal stays, and is not recorded into meanwhile. */
storsim_status_t storsim_journal_open(const storsim_journal_t *journal, storsim_journal_cursor_t **cursor);
/* The next record; what it points to is valid until the next call. *end: there is none. NO_MEMORY. */
storsim_status_t storsim_journal_next(storsim_journal_cursor_t *cursor, storsim_record_t *record, bool *end);
void storsim_journal_close(storsim_journal_cursor_t *cursor);

/* --- replay ----------------------------------------------------------------------------------------------------------- */

/* What a finding is about, apart from where and when: two findings with equal keys have the same cause for campaigns and shrinkers.
 * Source: model choice. */
typedef struct storsim_finding_key {
    storsim_class_t kind;
    const char *name;    /* static */
    uint16_t routine;
    uint64_t code;       /* bugcheck */
    uint64_t parameter1; /* bugcheck; 0 for codes whose first parameter is an address */
} storsim_finding_key_t;
storsim_finding_key_t storsim_finding_key(const storsim_finding_t *finding);
bool storsim_finding_key_equal(const storsim_finding_key_t *a, const storsim_finding_key_t *b);

typedef struct storsim_replay_report {
    size_t calls;          /* operations performed */
    bool different;        /* a result, callback or the digest was another than recorded */
    size_t record;         /* index of the record that differed */
    bool sealed;           /* a digest was there to compare */
    uint64_t digest;       /* of the replayed machine at the end */
    char text[240];        /* the first difference in one sentence, "" when there is none */
} storsim_replay_report_t;
/* Re-executes a journal on a machine of its own and compares every result. host: for the new machine, NULL: the default. *machine receives
 * it (the caller's to destroy) unless NULL; its callback function answers CALLBACK. A difference is no error: see the report; the replay
 * stops there. NO_MEMORY, INVALID for a journal that does not start with a MACHINE record. */
storsim_status_t storsim_journal_replay(const storsim_journal_t *journal, const storsim_host_t *host, storsim_machine_t **machine,
                                        storsim_replay_report_t *report);

/* --- shrinking -------------------------------------------------------------------------------------------------------- */

typedef struct storsim_shrink_options {
    const storsim_finding_key_t *key; /* what has to stay; NULL: the bugcheck, or else the last violation, or else the last note */
    uint64_t budget;                  /* candidates tried at most; 0: 100 000 */
    bool keep_arguments;              /* only remove operations */
    /* Asked after every candidate; false ends the search with the best so far. NULL: never. */
    bool (*progress)(void *context, uint64_t tried, size_t calls);
    void *context;
} storsim_shrink_options_t;

typedef struct storsim_shrink_report {
    storsim_finding_key_t key;
    size_t calls_before, calls_after; /* operations without STORSIM_OP_SETUP */
    uint64_t tried;                   /* candidates */
    bool minimal;                     /* nothing more can go: the search ended by itself */
} storsim_shrink_report_t;
/* The shortest journal found that ends in the same finding, a journal of its own (exact replay included). INVALID when the journal
 * replayed has no such finding. options NULL: the defaults. Time: a candidate costs one run of what is left. */
storsim_status_t storsim_journal_shrink(const storsim_journal_t *journal, const storsim_shrink_options_t *options,
                                        storsim_journal_t **shrunk, storsim_shrink_report_t *report);

/* --- where values come from ------------------------------------------------------------------------------------------- */

/* How an input follows from a value that an earlier operation (or callback) gave out. */
typedef enum storsim_derivation {
    STORSIM_BY_VALUE = 0,    /* the value plus offset */
    STORSIM_BY_PHYSICAL = 1, /* the physical address behind the kernel address value + offset */
    STORSIM_BY_MAPPING = 2   /* what the MDL at the value describes (StartVa + ByteOffset), plus offset */
} storsim_derivation_t;

#define STORSIM_OUTPUT_RESULT UINT8_C(0xFF)
#define STORSIM_NO_RECORD UINT32_MAX
typedef struct storsim_reference {
    uint32_t record;         /* index of the CALL or CALLBACK record that gave it; STORSIM_NO_RECORD: a number of its own */
    storsim_derivation_t by;
    uint8_t output;          /* argument of the CALL or STORSIM_OUTPUT_RESULT; value of the CALLBACK */
    uint32_t element, member; /* inside an array */
    uint64_t offset;
} storsim_reference_t;
typedef struct storsim_journal_links storsim_journal_links_t;
/* Finds them for the whole journal by replaying it. NO_MEMORY, INVALID as replay. */
storsim_status_t storsim_journal_link(const storsim_journal_t *journal, storsim_journal_links_t **links);
/* Of one input: record index of a CALL or STORE, argument, element and member (0 for plain numbers). O(log records + references of the
 * record). */
storsim_reference_t storsim_links_get(const storsim_journal_links_t *links, uint32_t record, uint8_t argument, uint32_t element,
                                      uint32_t member);
void storsim_links_destroy(storsim_journal_links_t *links);

#ifdef __cplusplus
}
#endif
#endif
