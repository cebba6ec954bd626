/* Behaviours: numbers and names fit together, calls and findings are seen where they happen, sets merge by union. */
#include "../storport/kit.h"

#include "storsim/behaviour.h"
#include "storsim/hdaudio.h"

static uint8_t *set_of(storsim_machine_t *machine) {
    uint8_t *set = malloc(storsim_behaviour_bytes());
    CHECK(set != NULL);
    CHECK_EQ(storsim_behaviours_save(machine, set, storsim_behaviour_bytes()), STORSIM_OK);
    return set;
}

static uint32_t outcome_named(const storsim_routine_t *row, const char *name) {
    uint32_t outcome = 0;
    while (strcmp(storsim_behaviour_outcome(row, outcome), name) != 0) {
        CHECK(storsim_behaviour_outcome(row, outcome)[0] != '\0');
        outcome++;
    }
    return outcome;
}

/* Every number has one name; rows, outcomes and rules start where the two functions say. */
static void numbers_and_names(void) {
    size_t rows;
    const storsim_routine_t *table = storsim_ddi_table(&rows);
    storsim_behaviour_t words;
    uint32_t expected = 0, rules = 0;
    for (size_t i = 0; i < rows; i++) {
        for (uint32_t outcome = 0; storsim_behaviour_outcome(&table[i], outcome)[0] != '\0'; outcome++) {
            CHECK_EQ(storsim_behaviour_call(&table[i], outcome), expected);
            uint32_t end = storsim_behaviour_call(&table[i], outcome + 1);
            for (uint32_t index = expected; index < end; index++) {
                CHECK(storsim_behaviour_describe(index, &words));
                CHECK(words.routine == &table[i] && !words.finding && words.level < STORSIM_BEHAVIOUR_LEVELS);
                CHECK(strcmp(words.outcome, storsim_behaviour_outcome(&table[i], outcome)) == 0);
            }
            expected = end;
        }
    }
    while (storsim_behaviour_rule(rules) != NULL) {
        CHECK_EQ(storsim_behaviour_finding(NULL, rules), expected + rules * STORSIM_BEHAVIOUR_LEVELS);
        CHECK(storsim_behaviour_describe(storsim_behaviour_finding(&table[rows - 1], rules) + 2, &words));
        CHECK(words.finding && words.routine == &table[rows - 1] && words.level == 2);
        CHECK(storsim_behaviour_describe(storsim_behaviour_finding(NULL, rules) + 1, &words));
        CHECK(words.finding && words.routine == NULL && words.level == 1);
        CHECK(strcmp(words.outcome, storsim_behaviour_rule(rules)) == 0);
        rules++;
    }
    CHECK_EQ(storsim_behaviour_bits(), expected + (uint32_t)(rows + 1) * rules * STORSIM_BEHAVIOUR_LEVELS);
    CHECK(!storsim_behaviour_describe(storsim_behaviour_bits(), &words));
    CHECK_EQ(storsim_behaviour_finding(NULL, rules), storsim_behaviour_bits());
    CHECK_EQ(storsim_behaviour_call(NULL, 0), storsim_behaviour_bits());
    CHECK(storsim_behaviour_situation(STORSIM_F_HDAUDIO, (uint32_t)STORSIM_ENGINE_STATE_COUNT) == NULL);
}

static void calls_are_seen(void) {
    bench_t b = boot_level(STORSIM_VERIFIER);
    CHECK_EQ(storsim_behaviours_seen(b.m), 0);
    CHECK_EQ(storsim_behaviours_watch(b.m), STORSIM_OK);
    CHECK_EQ(storsim_behaviours_watch(b.m), STORSIM_OK);
    const storsim_routine_t *row = storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool);
    storsim_arg_t args[] = {{.value = b.ext, .present = true}, {.value = 64, .present = true}, {.value = TAG, .present = true},
                            {.present = true}};
    uint64_t result;
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_OK);
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_OK); /* the variable holds a live block: a rule */
    CHECK_EQ(storsim_behaviours_seen(b.m), 2);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    args[3].value = 0;
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_OK);
    CHECK_EQ(storsim_callback_leave(b.m), STORSIM_OK);
    CHECK_EQ(storsim_behaviours_seen(b.m), 3);

    uint8_t *set = set_of(b.m);
    size_t length = storsim_behaviour_bytes();
    CHECK(storsim_behaviour_set_valid(set, length));
    CHECK_EQ(storsim_behaviour_set_count(set, length), 3);
    uint32_t found[4], from = 0, count = 0;
    while (storsim_behaviour_set_next(set, length, from, &found[count])) {
        CHECK(storsim_behaviour_set_test(set, length, found[count]));
        from = found[count++] + 1;
    }
    CHECK_EQ(count, 3);
    storsim_behaviour_t words;
    CHECK(storsim_behaviour_describe(found[0], &words));
    CHECK(words.routine == row && words.documented && words.level == STORSIM_VERIFIER && words.irql == 0);
    CHECK(strcmp(words.outcome, "STOR_STATUS_SUCCESS") == 0 && words.situation[0] == '\0');
    CHECK(storsim_behaviour_describe(found[1], &words));
    CHECK(strcmp(words.situation, "HwStorStartIo") == 0 && words.irql == 2);
    CHECK(storsim_behaviour_describe(found[2], &words));
    CHECK(words.finding && words.routine == row && strcmp(words.outcome, "StorPortAllocatePool2") == 0);

    CHECK(storsim_behaviour_set_reached(set, length, row, outcome_named(row, "STOR_STATUS_SUCCESS")));
    CHECK(!storsim_behaviour_set_reached(set, length, row, outcome_named(row, "stopped")));
    CHECK(!storsim_behaviour_set_reached(set, length, row + 1, 0));
    for (uint32_t rule = 0; storsim_behaviour_rule(rule) != NULL; rule++) {
        bool expected = strcmp(storsim_behaviour_rule(rule), "StorPortAllocatePool2") == 0;
        CHECK_EQ(storsim_behaviour_set_rule_reached(set, length, rule), expected);
    }
    free(set);
    storsim_behaviours_clear(b.m);
    CHECK_EQ(storsim_behaviours_seen(b.m), 0);
    done(&b);
}

static void a_stop_is_an_outcome(void) {
    bench_t b = boot_level(STORSIM_RELEASE);
    CHECK_EQ(storsim_behaviours_watch(b.m), STORSIM_OK);
    const storsim_routine_t *row = storsim_ddi_routine(STORSIM_ID_StorPortFreePool);
    storsim_arg_t args[] = {{.value = b.ext, .present = true}, {.value = 0x1000, .present = true}};
    uint64_t result;
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_STOPPED); /* never began */
    uint8_t *set = set_of(b.m);
    CHECK_EQ(storsim_behaviour_set_count(set, storsim_behaviour_bytes()), 2);
    CHECK(storsim_behaviour_set_reached(set, storsim_behaviour_bytes(), row, outcome_named(row, "stopped")));
    free(set);
    done(&b);
}

/* What was seen belongs to no snapshot and no digest. */
static void restore_forgets_nothing(void) {
    bench_t b = boot_level(STORSIM_VERIFIER), plain = boot_level(STORSIM_VERIFIER);
    CHECK_EQ(storsim_behaviours_watch(b.m), STORSIM_OK);
    uint8_t *bytes;
    size_t length;
    uint64_t digest, other, result;
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    const storsim_routine_t *row = storsim_ddi_routine(STORSIM_ID_StorPortGetCurrentIrql);
    storsim_arg_t args[] = {{.value = b.ext, .present = true}, {.present = true}};
    CHECK_EQ(storsim_storport_call(b.m, row, args, &result), STORSIM_OK);
    CHECK_EQ(storsim_digest(b.m, &digest), STORSIM_OK);
    CHECK_EQ(storsim_digest(plain.m, &other), STORSIM_OK);
    CHECK_EQ(digest, other);
    CHECK_EQ(storsim_restore(b.m, bytes, length, NULL), STORSIM_OK);
    CHECK_EQ(storsim_behaviours_seen(b.m), 1);
    storsim_snapshot_free(b.m, bytes);
    done(&b);
    done(&plain);
}

static void sets_merge_by_union(void) {
    size_t length = storsim_behaviour_bytes();
    uint8_t *a = malloc(length), *b = malloc(length), *kept = malloc(length);
    uint32_t added, index;
    CHECK(a != NULL && b != NULL && kept != NULL);
    CHECK_EQ(storsim_behaviour_set_init(a, length - 1), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviour_set_init(a, length), STORSIM_OK);
    CHECK_EQ(storsim_behaviour_set_init(b, length), STORSIM_OK);
    CHECK(!storsim_behaviour_set_next(a, length, 0, &index));
    a[STORSIM_BEHAVIOUR_HEADER + 3] = 0x81;
    b[STORSIM_BEHAVIOUR_HEADER + 3] = 0x80;
    b[STORSIM_BEHAVIOUR_HEADER + 900] = 0x10;
    CHECK_EQ(storsim_behaviour_set_merge(a, length, b, length, &added), STORSIM_OK);
    CHECK_EQ(added, 1);
    CHECK_EQ(storsim_behaviour_set_count(a, length), 3);
    memcpy(kept, a, length);
    CHECK_EQ(storsim_behaviour_set_merge(a, length, b, length, &added), STORSIM_OK);
    CHECK_EQ(added, 0);
    b[9] ^= 1; /* other tables */
    CHECK_EQ(storsim_behaviour_set_merge(a, length, b, length, NULL), STORSIM_FORMAT);
    b[9] ^= 1;
    CHECK_EQ(storsim_behaviour_set_merge(a, length, b, length - 1, NULL), STORSIM_FORMAT);
    b[0] ^= 1;
    CHECK_EQ(storsim_behaviour_set_merge(a, length, b, length, NULL), STORSIM_FORMAT);
    CHECK_EQ(storsim_behaviour_set_count(b, length), 0);
    CHECK(memcmp(kept, a, length) == 0);
    free(a);
    free(b);
    free(kept);
}

int main(void) {
    numbers_and_names();
    calls_are_seen();
    a_stop_is_an_outcome();
    restore_forgets_nothing();
    sets_merge_by_union();
    return CHECK_DONE();
}
