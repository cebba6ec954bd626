/* journal/behaviour.c: the numbers of behaviours, and the observer that collects them. See storsim/behaviour.h.
 *
 *   calls     row by row of the DDI table:  ((outcome * 3 + level) * 4 + IRQL class) * situations + situation
 *   findings  behind all rows:              ((row + 1, 0 outside of routines) * rules + rule) * 3 + level
 *
 * Rules are numbered through: those of the kernel room, then those of the chip. */
#include "storsim/behaviour.h"

#include <string.h>

#include "hda/hda_i.h"
#include "machine/core.h"
#include "nt/kernel.h"
#include "storsim/hdaudio.h"
#include "storsim/storport.h"

enum {
    LEVELS = STORSIM_BEHAVIOUR_LEVELS,
    IRQLS = STORSIM_BEHAVIOUR_IRQLS,
    ROWS = STORSIM_ID_STORPORT_END - 1 + STORSIM_ID_HDAUDIO_END - STORSIM_HDAUDIO_FIRST_ID,
    RULES = (int)SS_RULE_COUNT + (int)SS_HDA_NOTE_COUNT
};

/* What a routine without statuses of its own can answer. */
static const char *const plain_outcomes[] = {"value", "NULL", "stopped"};
static const char *const void_outcomes[] = {"returned", "stopped"};

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static uint32_t outcomes_of(const storsim_routine_t *row) {
    if (row->returns == STORSIM_R_STATUS) {
        return row->status_count + UINT32_C(2); /* another status, stopped */
    }
    return row->returns == STORSIM_R_VOID ? 2 : 3;
}

static uint32_t situations_of(storsim_family_t family) {
    return family == STORSIM_F_STORPORT ? (uint32_t)STORSIM_CONTEXT_COUNT : (uint32_t)STORSIM_ENGINE_STATE_COUNT;
}

static uint32_t bits_of(const storsim_routine_t *row) {
    return outcomes_of(row) * LEVELS * IRQLS * situations_of(row->family);
}

/* Row of an id; ROWS for one that has none. */
static uint32_t row_of(uint16_t id) {
    if (id >= 1 && id < STORSIM_ID_STORPORT_END) {
        return id - UINT32_C(1);
    }
    uint32_t row = id - (uint32_t)STORSIM_HDAUDIO_FIRST_ID + (STORSIM_ID_STORPORT_END - 1);
    return id >= STORSIM_HDAUDIO_FIRST_ID && row < ROWS ? row : ROWS;
}

/* The number of the first behaviour of a row; of row ROWS: of the findings. */
static uint32_t base_of(uint32_t row) {
    const storsim_routine_t *table = storsim_ddi_table(NULL);
    uint32_t base = 0;
    for (uint32_t i = 0; i < row; i++) {
        base += bits_of(&table[i]);
    }
    return base;
}

uint32_t storsim_behaviour_bits(void) {
    return base_of(ROWS) + (ROWS + 1) * RULES * LEVELS;
}

size_t storsim_behaviour_bytes(void) {
    return STORSIM_BEHAVIOUR_HEADER + ((size_t)storsim_behaviour_bits() + 7) / 8;
}

const char *storsim_behaviour_rule(uint32_t rule) {
    if (rule < SS_RULE_COUNT) {
        return ss_rules[rule].name;
    }
    return rule < RULES ? ss_hda_rules[rule - SS_RULE_COUNT].name : NULL;
}

const char *storsim_behaviour_situation(storsim_family_t family, uint32_t situation) {
    if (situation >= situations_of(family)) {
        return NULL;
    }
    if (situation == 0) {
        return "";
    }
    return family == STORSIM_F_STORPORT ? storsim_context_name((storsim_context_t)situation)
                                        : storsim_engine_state_name((storsim_engine_state_t)situation);
}

const char *storsim_behaviour_outcome(const storsim_routine_t *routine, uint32_t outcome) {
    if (routine == NULL || outcome >= outcomes_of(routine)) {
        return "";
    }
    if (routine->returns == STORSIM_R_VOID) {
        return void_outcomes[outcome];
    }
    if (routine->returns != STORSIM_R_STATUS) {
        return plain_outcomes[outcome];
    }
    if (outcome < routine->status_count) {
        return routine->statuses[outcome].name;
    }
    return outcome == routine->status_count ? "another status" : "stopped";
}

uint32_t storsim_behaviour_call(const storsim_routine_t *routine, uint32_t outcome) {
    uint32_t row = routine != NULL ? row_of(routine->id) : ROWS;
    if (row == ROWS || outcome > outcomes_of(routine)) {
        return storsim_behaviour_bits();
    }
    return base_of(row) + outcome * LEVELS * IRQLS * situations_of(routine->family);
}

uint32_t storsim_behaviour_finding(const storsim_routine_t *routine, uint32_t rule) {
    uint32_t row = routine != NULL ? row_of(routine->id) + 1 : 0;
    return row > ROWS || rule >= RULES ? storsim_behaviour_bits() : base_of(ROWS) + (row * RULES + rule) * LEVELS;
}

/* Eight bytes at a time, and the length. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < length; j++) {
            word |= (uint64_t)(uint8_t)text[i + j] << (8 * j);
        }
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return (hash ^ length) * UINT64_C(0x9E3779B97F4A7C15);
}

uint64_t storsim_behaviour_tables(void) {
    const storsim_routine_t *table = storsim_ddi_table(NULL);
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (uint32_t row = 0; row < ROWS; row++) {
        hash = hash_text(hash, table[row].name);
        for (uint32_t outcome = 0; outcome < outcomes_of(&table[row]); outcome++) {
            hash = hash_text(hash, storsim_behaviour_outcome(&table[row], outcome));
        }
    }
    for (int family = STORSIM_F_STORPORT; family <= STORSIM_F_HDAUDIO; family++) {
        const char *text;
        for (uint32_t i = 0; (text = storsim_behaviour_situation((storsim_family_t)family, i)) != NULL; i++) {
            hash = hash_text(hash, text);
        }
    }
    for (uint32_t rule = 0; rule < RULES; rule++) {
        hash = hash_text(hash, storsim_behaviour_rule(rule));
    }
    return hash;
}

static void describe_finding(uint32_t number, storsim_behaviour_t *behaviour) {
    uint32_t row = number / (RULES * LEVELS);
    behaviour->routine = row != 0 ? &storsim_ddi_table(NULL)[row - 1] : NULL;
    behaviour->outcome = storsim_behaviour_rule(number / LEVELS % RULES);
    behaviour->finding = true;
    behaviour->level = (uint8_t)(number % LEVELS);
    behaviour->situation = "";
}

bool storsim_behaviour_describe(uint32_t index, storsim_behaviour_t *behaviour) {
    const storsim_routine_t *table = storsim_ddi_table(NULL);
    *behaviour = (storsim_behaviour_t){.outcome = "", .situation = ""};
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t bits = bits_of(&table[row]), situations = situations_of(table[row].family);
        if (index >= bits) {
            index -= bits;
            continue;
        }
        uint32_t outcome = index / (situations * IRQLS * LEVELS);
        behaviour->routine = &table[row];
        behaviour->outcome = storsim_behaviour_outcome(&table[row], outcome);
        behaviour->documented = outcome < table[row].status_count && table[row].statuses[outcome].documented;
        behaviour->level = (uint8_t)(index / (situations * IRQLS) % LEVELS);
        behaviour->irql = (uint8_t)(index / situations % IRQLS);
        behaviour->situation = storsim_behaviour_situation(table[row].family, index % situations);
        return true;
    }
    if (index >= (ROWS + 1) * RULES * LEVELS) {
        return false;
    }
    describe_finding(index, behaviour);
    return true;
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

typedef struct watch {
    const storsim_routine_t *table;
    uint32_t base[ROWS + 1], seen;
    uint8_t level;
    uint8_t bits[];
} watch_t;

static void mark(watch_t *watch, uint32_t index) {
    uint8_t *byte = &watch->bits[index / 8], bit = (uint8_t)(1u << index % 8);
    if ((*byte & bit) == 0) {
        *byte |= bit;
        watch->seen++;
    }
}

static uint32_t outcome_of(const storsim_routine_t *row, const ss_seen_call_t *seen) {
    if (seen->status != STORSIM_OK) {
        return outcomes_of(row) - 1;
    }
    if (row->returns != STORSIM_R_STATUS) {
        return row->returns != STORSIM_R_VOID && seen->result == 0 ? 1 : 0;
    }
    uint32_t outcome = 0;
    while (outcome < row->status_count && row->statuses[outcome].value != seen->result) {
        outcome++;
    }
    return outcome;
}

static void on_call(void *state, const ss_seen_call_t *seen) {
    watch_t *watch = state;
    uint32_t row = row_of(seen->routine);
    if (row == ROWS) {
        return;
    }
    const storsim_routine_t *routine = &watch->table[row];
    uint32_t situations = situations_of(routine->family), irql = seen->irql < IRQLS - 1 ? seen->irql : IRQLS - 1;
    uint32_t situation = seen->situation < situations ? seen->situation : 0;
    uint32_t place = (outcome_of(routine, seen) * LEVELS + watch->level) * IRQLS + irql;
    mark(watch, watch->base[row] + place * situations + situation);
}

static void on_finding(void *state, uint16_t routine, ss_room_t room, uint32_t rule) {
    watch_t *watch = state;
    uint32_t row = row_of(routine), first = room == SS_ROOM_HDA ? (uint32_t)SS_RULE_COUNT : 0;
    if ((room != SS_ROOM_NT && room != SS_ROOM_HDA) || first + rule >= RULES) {
        return; /* a room of the host program */
    }
    row = row == ROWS ? 0 : row + 1;
    mark(watch, watch->base[ROWS] + (row * RULES + first + rule) * LEVELS + watch->level);
}

static watch_t *watch_of(storsim_machine_t *machine) {
    const ss_observer_t *observer = ss_machine_observer(machine);
    return observer->call == on_call ? observer->state : NULL;
}

storsim_status_t storsim_behaviours_watch(storsim_machine_t *machine) {
    const storsim_nt_config_t *config = storsim_nt_config(machine);
    ss_observer_t *observer = ss_machine_observer(machine);
    if (config == NULL || (observer->call != NULL && observer->call != on_call)) {
        return STORSIM_INVALID;
    }
    if (observer->call == on_call) {
        return STORSIM_OK;
    }
    watch_t *watch = ss_alloc_zeroed(ss_machine_plain(machine), 1, sizeof *watch + storsim_behaviour_bytes() - STORSIM_BEHAVIOUR_HEADER);
    if (watch == NULL) {
        return STORSIM_NO_MEMORY;
    }
    watch->table = storsim_ddi_table(NULL);
    for (uint32_t row = 0; row < ROWS; row++) {
        watch->base[row + 1] = watch->base[row] + bits_of(&watch->table[row]);
    }
    watch->level = (uint8_t)config->level;
    *observer = (ss_observer_t){.call = on_call, .finding = on_finding, .release = ss_release, .state = watch};
    return STORSIM_OK;
}

uint32_t storsim_behaviours_seen(storsim_machine_t *machine) {
    const watch_t *watch = watch_of(machine);
    return watch != NULL ? watch->seen : 0;
}

storsim_status_t storsim_behaviours_save(storsim_machine_t *machine, uint8_t *set, size_t capacity) {
    const watch_t *watch = watch_of(machine);
    if (watch == NULL || storsim_behaviour_set_init(set, capacity) != STORSIM_OK) {
        return STORSIM_INVALID;
    }
    memcpy(set + STORSIM_BEHAVIOUR_HEADER, watch->bits, storsim_behaviour_bytes() - STORSIM_BEHAVIOUR_HEADER);
    return STORSIM_OK;
}

storsim_status_t storsim_behaviours_collect(storsim_machine_t *machine, uint8_t *set, size_t length) {
    const watch_t *watch = watch_of(machine);
    if (watch == NULL || length != storsim_behaviour_bytes() || memcmp(set, "SSBEHAV1", 8) != 0) {
        return STORSIM_INVALID;
    }
    size_t bytes = length - STORSIM_BEHAVIOUR_HEADER, at = 0;
    for (uint64_t from, to; at + 8 <= bytes; at += 8) { /* most words are 0 */
        memcpy(&from, &watch->bits[at], 8);
        if (from != 0) {
            memcpy(&to, &set[STORSIM_BEHAVIOUR_HEADER + at], 8);
            to |= from;
            memcpy(&set[STORSIM_BEHAVIOUR_HEADER + at], &to, 8);
        }
    }
    for (; at < bytes; at++) {
        set[STORSIM_BEHAVIOUR_HEADER + at] |= watch->bits[at];
    }
    return STORSIM_OK;
}

void storsim_behaviours_clear(storsim_machine_t *machine) {
    watch_t *watch = watch_of(machine);
    if (watch != NULL) {
        watch->seen = 0;
        memset(watch->bits, 0, storsim_behaviour_bytes() - STORSIM_BEHAVIOUR_HEADER);
    }
}
