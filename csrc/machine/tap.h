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

#include "storsim/operation.h"

typedef struct ss_tap ss_tap_t;

/* What a journal gives the machine. Every function but `end` and `gone` may refuse with NO_MEMORY or CALLBACK: then nothing happens. */
typedef struct ss_tap_ops {
    storsim_status_t (*begin)(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args);
    void (*end)(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args, storsim_status_t status, uint64_t result);
    storsim_status_t (*callback)(ss_tap_t *tap, const storsim_callback_t *callback);
    void (*answer)(ss_tap_t *tap, const storsim_callback_t *callback, storsim_status_t status);
    void (*gone)(ss_tap_t *tap); /* the machine ends */
} ss_tap_ops_t;

/* Embedded in what implements it. */
struct ss_tap {
    const ss_tap_ops_t *ops;
    storsim_machine_t *machine;
};

/* First member of every machine, so that the test needs no call. */
typedef struct ss_machine_head {
    ss_tap_t *tap;   /* NULL: nobody listens */
    uint32_t inside; /* entries under way */
} ss_machine_head_t;

static inline const ss_machine_head_t *ss_machine_head(const storsim_machine_t *machine) {
    return (const ss_machine_head_t *)(const void *)machine;
}

static inline bool ss_tapped(const storsim_machine_t *machine) {
    const ss_machine_head_t *head = ss_machine_head(machine);
    return head->tap != NULL && head->inside == 0;
}

static inline storsim_arg_t ss_arg_in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}
static inline storsim_arg_t ss_arg_out(void) {
    return (storsim_arg_t){.present = true};
}

/* Announces, performs, reports. args are the operation's; *result may be NULL. */
storsim_status_t ss_tap_run(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args, uint64_t *result);

#endif
