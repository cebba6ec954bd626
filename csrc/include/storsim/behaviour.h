/* storsim/behaviour.h: which behaviours a machine has shown.
 *
 * A behaviour is (routine, state, outcome). For the end of a call the outcome is the status of the DDI row (or "value", "NULL", "returned"
 * for a routine without one, or "stopped" for a call that a bugcheck or the host ended), and the state is the level of strictness, the
 * class of the IRQL and the situation: the callback the driver was in (Storport), or the state of the engine named by the first handle
 * (HD Audio). For a finding the outcome is the rule, and the state is the level alone.
 *
 * Behaviours are numbered densely from 0. The numbers follow from the DDI table and the tables of rules and from nothing else, and
 * storsim_behaviour_tables names those tables by a hash: two sets with the same hash mean the same by every bit, whichever process,
 * machine, compiler or version of storsim made them.
 *
 *   set   a header of STORSIM_BEHAVIOUR_HEADER bytes ("SSBEHAV1", the hash, the number of bits and 0, little endian), then bit i at byte
 *         i / 8, position i % 8. Merging is union, so it may be repeated and done in any order.
 *
 * A watched machine pays a few nanoseconds per call. What was seen is no part of snapshot or digest: it stays through a restore.
 * Source: model choice. */
#ifndef STORSIM_BEHAVIOUR_H
#define STORSIM_BEHAVIOUR_H

#include "storsim/ddi.h"
#include "storsim/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_BEHAVIOUR_HEADER 24u

/* Classes of IRQL: PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL, everything above. */
#define STORSIM_BEHAVIOUR_IRQLS 4u
#define STORSIM_BEHAVIOUR_LEVELS 3u

/* One behaviour in words. Static storage. */
typedef struct storsim_behaviour {
    const storsim_routine_t *routine; /* NULL: outside of any routine, or in a version's newer one */
    const char *outcome;              /* STOR_STATUS_SUCCESS, "another status", "value", "NULL", "returned", "stopped"; or a rule */
    bool finding;                     /* the outcome is a rule that was reported */
    bool documented;                  /* the outcome is a status on the routine's page */
    uint8_t level;                    /* storsim_level_t */
    uint8_t irql;                     /* class, 0 … 3; 0 for a finding */
    const char *situation;            /* "HwStorStartIo", "RD"; "" outside of a callback, without an engine and for a finding */
} storsim_behaviour_t;

/* How many behaviours there are. O(rows). */
uint32_t storsim_behaviour_bits(void);
/* FNV-1a over everything the numbers follow from. O(rows and rules). */
uint64_t storsim_behaviour_tables(void);
/* Bytes of a set, header included. */
size_t storsim_behaviour_bytes(void);
/* The behaviour with a number; false beyond the last. O(rows). */
bool storsim_behaviour_describe(uint32_t index, storsim_behaviour_t *behaviour);
/* The outcomes of a call of a row, in order of their numbers: the statuses of the table first. "" beyond the last. */
const char *storsim_behaviour_outcome(const storsim_routine_t *routine, uint32_t outcome);
/* The first number of a row's outcome; the next outcome's is where its numbers end (outcome = the number of outcomes: the end of the row).
 * For a row or an outcome that is none: storsim_behaviour_bits(). O(rows). */
uint32_t storsim_behaviour_call(const storsim_routine_t *routine, uint32_t outcome);
/* The first of the three numbers (by level) of a rule reported in a routine, NULL: outside of any. Otherwise as above. */
uint32_t storsim_behaviour_finding(const storsim_routine_t *routine, uint32_t rule);
/* The situations a call of this family can be in; 0 is "". NULL beyond the last. */
const char *storsim_behaviour_situation(storsim_family_t family, uint32_t situation);
/* The names of the rules, in order of their numbers; NULL beyond the last. */
const char *storsim_behaviour_rule(uint32_t rule);

/* --- a machine's -------------------------------------------------------------------------------------------------- */

/* Watches a booted machine from now on; once more changes nothing. INVALID before storsim_nt_boot, NO_MEMORY. */
storsim_status_t storsim_behaviours_watch(storsim_machine_t *machine);
/* How many different behaviours were seen; 0 while not watched. It grows only with a new one. O(1). */
uint32_t storsim_behaviours_seen(storsim_machine_t *machine);
/* Writes the set of what was seen: storsim_behaviour_bytes() bytes. INVALID when capacity is below that or nobody watches. */
storsim_status_t storsim_behaviours_save(storsim_machine_t *machine, uint8_t *set, size_t capacity);
/* Adds what was seen to a set that storsim_behaviour_set_init made. INVALID when it is none or nobody watches. */
storsim_status_t storsim_behaviours_collect(storsim_machine_t *machine, uint8_t *set, size_t length);
/* From now on nothing was seen yet. */
void storsim_behaviours_clear(storsim_machine_t *machine);

/* --- sets --------------------------------------------------------------------------------------------------------- */

/* Makes an empty set of storsim_behaviour_bytes() bytes. INVALID when capacity is below that. */
storsim_status_t storsim_behaviour_set_init(uint8_t *set, size_t capacity);
/* Whether these bytes are a set of this version's tables. Every function below treats others as empty. */
bool storsim_behaviour_set_valid(const uint8_t *set, size_t length);
uint32_t storsim_behaviour_set_count(const uint8_t *set, size_t length);
bool storsim_behaviour_set_test(const uint8_t *set, size_t length, uint32_t index);
/* into |= from. FORMAT when either is no set of these tables; nothing changed then. *added (may be NULL): how many were new. */
storsim_status_t storsim_behaviour_set_merge(uint8_t *into, size_t into_length, const uint8_t *from, size_t from_length,
                                             uint32_t *added);
/* The first behaviour of the set with a number >= from; false when there is none. Iterate with from = *index + 1. */
bool storsim_behaviour_set_next(const uint8_t *set, size_t length, uint32_t from, uint32_t *index);
/* Whether a call of the row ended with this outcome in any state. */
bool storsim_behaviour_set_reached(const uint8_t *set, size_t length, const storsim_routine_t *routine, uint32_t outcome);
/* Whether a rule was reported by any routine in any state. */
bool storsim_behaviour_set_rule_reached(const uint8_t *set, size_t length, uint32_t rule);

#ifdef __cplusplus
}
#endif
#endif
