/* machine/tap.h: where every public entry point announces itself.
 *
 * A room describes its entry points in a table of operations (storsim/operation.h). The entry point itself starts with
 *
 *     if (ss_tapped(machine)) {
 *         storsim_arg_t args[] = {ss_arg_in(irql), ss_arg_out()};
 *         return ss_tap_run(machine, &ss_nt_operations[SS_NT_SET_IRQL], args, NULL, …);
 *     }
 *
 * ss_tap_run writes the record, then performs the operation: its `perform` calls the same entry point again, which now is not the
 * outermost one any more and does its work. So a recorded run takes the path a replay takes. Without a journal this costs one branch.
 *
 * Nesting: `inside` counts entries under way; entry points called by the core from inside another one are not recorded. A host callback
 * sets it to 0 while it runs: what the host does then is. */
#ifndef SS_TAP_H
#define SS_TAP_H

#include "machine/head.h"
#include "storsim/operation.h"

typedef struct ss_tap ss_tap_t;

/* What a journal gives the machine. Every function but `end` and `gone` may refuse with NO_MEMORY or CALLBACK: then nothing happens. */
typedef struct ss_tap_ops {
    storsim_status_t (*begin)(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args);
    void (*end)(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args, storsim_status_t status, uint64_t result);
    storsim_status_t (*callback)(ss_tap_t *tap, const storsim_callback_t *callback);
    void (*answer)(ss_tap_t *tap, const storsim_callback_t *callback, storsim_status_t status);
    void (*lost)(ss_tap_t *tap); /* something happened that no record can hold: the recording ends */
    void (*gone)(ss_tap_t *tap); /* the machine ends */
} ss_tap_ops_t;

/* Embedded in what implements it. */
struct ss_tap {
    const ss_tap_ops_t *ops;
    storsim_machine_t *machine;
};

static inline bool ss_tapped(const storsim_machine_t *machine) {
    const ss_machine_head_t *head = ss_machine_head(machine);
    return head->tap != NULL && head->inside == 0;
}

/* The same for an entry point that takes or gives `bytes` bytes: more than an argument can hold are not recorded, and the recording
 * ends there. */
#define SS_TAP_BYTES (UINT64_C(1) << 28)
static inline bool ss_tapped_bytes(const storsim_machine_t *machine, uint64_t bytes) {
    if (!ss_tapped(machine)) {
        return false;
    }
    if (bytes > SS_TAP_BYTES) {
        ss_tap_t *tap = ss_machine_head(machine)->tap;
        tap->ops->lost(tap);
        return false;
    }
    return true;
}

static inline storsim_arg_t ss_arg_in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}
/* An out-parameter; `before` is what its variable holds, so that it keeps it when the function leaves it alone. */
static inline storsim_arg_t ss_arg_out(uint64_t before) {
    return (storsim_arg_t){.value = before, .present = true};
}
/* Bytes or elements that go in (const: perform does not write through it) or come out. */
static inline storsim_arg_t ss_arg_data(const void *data, uint64_t count) {
    union {
        const void *in;
        void *out;
    } cast = {data};
    return (storsim_arg_t){.data = cast.out, .count = (uint32_t)count, .present = true};
}
/* What perform does with an out-parameter: the value, and whether the function has delivered. */
static inline storsim_status_t ss_arg_give(storsim_arg_t *arg, uint64_t value, storsim_status_t status) {
    arg->value = value;
    arg->written = status == STORSIM_OK || status == STORSIM_VIOLATION;
    return status;
}

/* Announces, performs, reports. args are the operation's; result may be NULL. A refused announcement is the answer, except for an
 * operation with STORSIM_OP_SURE: it cannot fail and happens unrecorded, which ends the recording. */
storsim_status_t ss_tap_run(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args, uint64_t *result);

/* --- writing tables ------------------------------------------------------------------------------------------------- */

enum { SS_IN = STORSIM_P_IN, SS_OUT = STORSIM_P_OUT };
#define SS_FIELD(name, type, flags) {#name, STORSIM_T_##type, (uint8_t)SS_##flags}
#define SS_FIELDS(list)                                                                                                \
    .params = (list), .param_count = (uint8_t)(sizeof(list) / sizeof((list)[0])),                                      \
    .arg_count = (uint8_t)(sizeof(list) / sizeof((list)[0]))
#define SS_MEMBER(structure, field)                                                                                    \
    {#field, (uint16_t)offsetof(structure, field), (uint8_t)sizeof(((structure *)0)->field),                           \
     _Generic(((structure *)0)->field, bool: true, default: false)}
#define SS_LAYOUT(text, structure, list) {text, sizeof(structure), sizeof(list) / sizeof((list)[0]), list}
#define SS_PERFORM(function)                                                                                           \
    static storsim_status_t function(storsim_machine_t *machine, const storsim_operation_t *operation,                 \
                                     storsim_arg_t *args, uint64_t *result)

/* The tables of the rooms; the journal room joins them. */
enum { SS_OP_MACHINE = 2001, SS_OP_NT = 2101, SS_OP_STORPORT = 2201, SS_OP_NVME = 2301, SS_OP_HDA = 2401, SS_OP_HDAUDIO = 2501 };

#endif
