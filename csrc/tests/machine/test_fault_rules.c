/* Which occasions a rule of the fault plan speaks of, and predicates that change the plan they belong to. */
#include "../check.h"

#include "machine/machine_i.h"

static storsim_machine_t *make(void) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 1, .seed = 3};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

static bool fails(storsim_machine_t *m, uint16_t routine, uint32_t tag, uint64_t bytes) {
    storsim_status_t status;
    bool failed = ss_fault(m, routine, tag, bytes, &status);
    CHECK_EQ(status, STORSIM_OK);
    return failed;
}

/* Each filter of a rule alone decides: occasions beside it are not counted either. */
static void test_filters(void) {
    storsim_machine_t *m = make();
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_RANGE,
                                       .routine = 7,
                                       .match_tag = true,
                                       .tag = 0x31,
                                       .minimum_bytes = 100,
                                       .maximum_bytes = 200,
                                       .not_before = 50,
                                       .first = 1,
                                       .last = 2};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(m, &rule, &id), STORSIM_OK);
    CHECK(!fails(m, 7, 0x31, 150)); /* too early */
    CHECK_EQ(storsim_advance(m, 50), STORSIM_OK);
    CHECK(!fails(m, 8, 0x31, 150));
    CHECK(!fails(m, 7, 0x32, 150));
    CHECK(!fails(m, 7, 0x31, 99));
    CHECK(!fails(m, 7, 0x31, 201));
    CHECK(fails(m, 7, 0x31, 100));
    CHECK(fails(m, 7, 0x31, 200));
    CHECK(!fails(m, 7, 0x31, 150)); /* the third */
    CHECK_EQ(storsim_injected_count(m), 2);
    CHECK_EQ(storsim_injected_get(m, 1)->ordinal, 2);
    CHECK_EQ(storsim_fault_points(m), 8);
    storsim_machine_destroy(m);
}

typedef struct host {
    storsim_machine_t *machine;
    storsim_status_t answer;
    uint32_t asked;
} host_t;

/* A predicate that takes every rule away, itself included. */
static storsim_status_t clears(void *context, storsim_callback_t *callback) {
    host_t *host = context;
    CHECK_EQ(callback->kind, STORSIM_CB_FAULT_PREDICATE);
    host->asked++;
    storsim_fault_clear(host->machine);
    callback->result = 1;
    return host->answer;
}

static uint32_t behind_calls;
static uint32_t behind(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes) {
    (void)machine, (void)tag, (void)bytes;
    behind_calls++;
    return routine == 9 ? 77 : 0;
}

/* The rule that would have failed the call is gone when its turn comes: nothing fails it any more. */
static void test_plan_cleared_while_asked(void) {
    host_t host = {.machine = make()};
    const storsim_fault_rule_t first = {.kind = STORSIM_FAULT_NTH, .first = 1},
                               asks = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 5};
    uint32_t id;
    storsim_machine_set_callback(host.machine, clears, &host);
    CHECK_EQ(storsim_fault_add(host.machine, &first, &id), STORSIM_OK);
    CHECK_EQ(storsim_fault_add(host.machine, &asks, &id), STORSIM_OK);
    CHECK(!fails(host.machine, 1, 0, 10));
    CHECK_EQ(host.asked, 1);
    CHECK_EQ(storsim_injected_count(host.machine), 0);
    CHECK(!fails(host.machine, 1, 0, 10));
    CHECK_EQ(host.asked, 1);
    storsim_machine_destroy(host.machine);
}

/* A predicate that fails is the call's end: what stands behind the plan is not asked. */
static void test_predicate_that_fails(void) {
    host_t host = {.machine = make(), .answer = STORSIM_CALLBACK};
    const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 5};
    uint32_t id;
    storsim_status_t status;
    behind_calls = 0;
    ss_fault_behind(host.machine, behind);
    storsim_machine_set_callback(host.machine, clears, &host);
    CHECK_EQ(storsim_fault_add(host.machine, &asks, &id), STORSIM_OK);
    CHECK(!ss_fault(host.machine, 9, 0, 10, &status));
    CHECK_EQ(status, STORSIM_CALLBACK);
    CHECK_EQ(behind_calls, 0);
    CHECK(fails(host.machine, 9, 0, 10)); /* now there is no plan, and it is */
    CHECK_EQ(behind_calls, 1);
    CHECK_EQ(storsim_injected_get(host.machine, 0)->rule, 77);
    CHECK(!fails(host.machine, 1, 0, 10));
    storsim_machine_destroy(host.machine);
}

int main(void) {
    test_filters();
    test_plan_cleared_while_asked();
    test_predicate_that_fails();
    return CHECK_DONE();
}
