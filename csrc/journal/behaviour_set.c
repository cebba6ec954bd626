/* journal/behaviour_set.c: sets of behaviours as bytes: union, counts, what was reached. See storsim/behaviour.h. */
#include <string.h>

#include "machine/bits.h"
#include "storsim/behaviour.h"

static const char magic[8] = {'S', 'S', 'B', 'E', 'H', 'A', 'V', '1'};

storsim_status_t storsim_behaviour_set_init(uint8_t *set, size_t capacity) {
    size_t bytes = storsim_behaviour_bytes();
    if (capacity < bytes) {
        return STORSIM_INVALID;
    }
    memset(set, 0, bytes);
    memcpy(set, magic, sizeof magic);
    ss_put_bytes(set + 8, storsim_behaviour_tables(), 8);
    ss_put_bytes(set + 16, storsim_behaviour_bits(), 4);
    return STORSIM_OK;
}

/* Whether bits may be read where these tables have them. */
static bool shaped(const uint8_t *set, size_t length) {
    return length == storsim_behaviour_bytes() && memcmp(set, magic, sizeof magic) == 0;
}

bool storsim_behaviour_set_valid(const uint8_t *set, size_t length) {
    uint32_t bits = storsim_behaviour_bits();
    if (!shaped(set, length) || ss_get_bytes(set + 8, 8) != storsim_behaviour_tables() || ss_get_bytes(set + 16, 8) != bits) {
        return false;
    }
    /* unreachable: the tables have a whole number of bytes as they are now */
    return bits % 8 == 0 || set[length - 1] >> bits % 8 == 0; /* no bit beyond the last */
}

static unsigned ones(uint8_t byte) {
    unsigned count = 0;
    for (; byte != 0; byte &= (uint8_t)(byte - 1)) {
        count++;
    }
    return count;
}

uint32_t storsim_behaviour_set_count(const uint8_t *set, size_t length) {
    uint32_t count = 0;
    size_t end = shaped(set, length) ? length : 0;
    for (size_t i = STORSIM_BEHAVIOUR_HEADER; i < end; i++) {
        count += ones(set[i]);
    }
    return count;
}

static bool at(const uint8_t *set, uint32_t index) {
    return set[STORSIM_BEHAVIOUR_HEADER + index / 8] >> index % 8 & 1;
}

bool storsim_behaviour_set_test(const uint8_t *set, size_t length, uint32_t index) {
    return shaped(set, length) && index < storsim_behaviour_bits() && at(set, index);
}

storsim_status_t storsim_behaviour_set_merge(uint8_t *into, size_t into_length, const uint8_t *from, size_t from_length,
                                             uint32_t *added) {
    if (!storsim_behaviour_set_valid(into, into_length) || !storsim_behaviour_set_valid(from, from_length)) {
        return STORSIM_FORMAT;
    }
    uint32_t count = 0;
    for (size_t i = STORSIM_BEHAVIOUR_HEADER; i < into_length; i++) {
        count += ones((uint8_t)(from[i] & ~into[i]));
        into[i] |= from[i];
    }
    if (added != NULL) {
        *added = count;
    }
    return STORSIM_OK;
}

/* The first bit set in [from, end). */
static bool next(const uint8_t *set, uint32_t from, uint32_t end, uint32_t *index) {
    for (uint32_t i = from; i < end; i++) {
        if (i % 8 == 0 && set[STORSIM_BEHAVIOUR_HEADER + i / 8] == 0) {
            i += 7;
        } else if (at(set, i)) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool storsim_behaviour_set_next(const uint8_t *set, size_t length, uint32_t from, uint32_t *index) {
    return shaped(set, length) && next(set, from, storsim_behaviour_bits(), index);
}

bool storsim_behaviour_set_reached(const uint8_t *set, size_t length, const storsim_routine_t *routine,
                                   uint32_t outcome) {
    if (storsim_behaviour_outcome(routine, outcome)[0] == '\0' || !shaped(set, length)) {
        return false;
    }
    uint32_t index;
    return next(set, storsim_behaviour_call(routine, outcome), storsim_behaviour_call(routine, outcome + 1), &index);
}

bool storsim_behaviour_set_rule_reached(const uint8_t *set, size_t length, uint32_t rule) {
    if (storsim_behaviour_rule(rule) == NULL || !shaped(set, length)) {
        return false;
    }
    uint32_t first = storsim_behaviour_finding(NULL, rule), end = storsim_behaviour_bits(), index;
    uint32_t stride = storsim_behaviour_finding(storsim_ddi_table(NULL), rule) - first;
    for (; first < end; first += stride) {
        if (next(set, first, first + STORSIM_BEHAVIOUR_LEVELS, &index)) {
            return true;
        }
    }
    return false;
}
