/* hdaudio/policy.c: the switches of spec hdaudio-dma §12 by name, and its two profiles. */
#include <stddef.h>
#include <string.h>

#include "hdaudio/bus.h"

static const storsim_hdaudio_policy_row_t rows[] = {
#define POLICY_ROW(field, choices, source) {#field, choices, source},
    STORSIM_HDAUDIO_POLICY_MAP(POLICY_ROW)
#undef POLICY_ROW
};
static const size_t offsets[] = {
#define POLICY_OFFSET(field, choices, source) offsetof(storsim_hdaudio_policy_t, field),
    STORSIM_HDAUDIO_POLICY_MAP(POLICY_OFFSET)
#undef POLICY_OFFSET
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const storsim_hdaudio_policy_row_t *storsim_hdaudio_policy_table(size_t *count) {
    if (count) {
        *count = ROW_COUNT;
    }
    return rows;
}

static size_t row_of(const char *name) {
    size_t i = 0;
    while (i < ROW_COUNT && strcmp(rows[i].name, name) != 0) {
        i++;
    }
    return i;
}

/* The text of choice `index` and its length, or NULL beyond the last. */
static const char *choice_at(const char *choices, uint32_t index, size_t *length) {
    while (index--) {
        choices = strchr(choices, '|');
        if (!choices) {
            return NULL;
        }
        choices++;
    }
    *length = strcspn(choices, "|");
    return choices;
}

storsim_status_t storsim_hdaudio_policy_set(storsim_hdaudio_policy_t *policy, const char *name, const char *choice) {
    size_t row = name ? row_of(name) : ROW_COUNT, length = 0;
    if (row == ROW_COUNT || !choice) {
        return STORSIM_INVALID;
    }
    for (uint32_t i = 0;; i++) {
        const char *text = choice_at(rows[row].choices, i, &length);
        if (!text) {
            return STORSIM_INVALID;
        }
        if (strlen(choice) == length && strncmp(text, choice, length) == 0) {
            ((uint8_t *)policy)[offsets[row]] = (uint8_t)i;
            return STORSIM_OK;
        }
    }
}

const char *storsim_hdaudio_policy_get(const storsim_hdaudio_policy_t *policy, const char *name) {
    size_t row = name ? row_of(name) : ROW_COUNT, length = 0;
    return row == ROW_COUNT ? NULL : choice_at(rows[row].choices, ((const uint8_t *)policy)[offsets[row]], &length);
}

bool ss_policy_ok(const storsim_hdaudio_policy_t *policy) {
    for (size_t row = 0; row < ROW_COUNT; row++) {
        size_t length;
        if (!choice_at(rows[row].choices, ((const uint8_t *)policy)[offsets[row]], &length)) {
            return false;
        }
    }
    return true;
}

storsim_status_t storsim_hdaudio_policy_profile(storsim_hdaudio_policy_t *policy, const char *profile) {
    if (profile && strcmp(profile, "doc") == 0) {
        *policy = (storsim_hdaudio_policy_t){0};
        return STORSIM_OK;
    }
    if (profile && strcmp(profile, "skl") == 0) {
        *policy = (storsim_hdaudio_policy_t){.direct_transition = STORSIM_DIRECT_SKL,
                                             .dn_pairing = STORSIM_PAIRING_SHARED,
                                             .free_args = STORSIM_FREE_ARGS_IGNORE,
                                             .multi_atomic = STORSIM_ATOMIC_FALSE,
                                             .stripe_unsupported = STORSIM_STRIPE_IGNORE,
                                             .rates = STORSIM_RATES_COMMON,
                                             .container = STORSIM_CONTAINER_ANY,
                                             .size_rule = STORSIM_SIZE_EXACT,
                                             .bdl_check = STORSIM_BDL_HW,
                                             .d_ioc = STORSIM_D_IOC_ON,
                                             .coalesce = STORSIM_COALESCE_ON,
                                             .position = STORSIM_POSITION_BUFFER};
        return STORSIM_OK;
    }
    return STORSIM_INVALID;
}

#define STATUS_CASE(suffix, text, value)                                                                               \
    case UINT32_C(value):                                                                                              \
        return text;

const char *storsim_hdaudio_status_name(uint32_t ntstatus) {
    switch (ntstatus) {
        STORSIM_HDAUDIO_STATUS_MAP(STATUS_CASE)
    default:
        return "";
    }
}
