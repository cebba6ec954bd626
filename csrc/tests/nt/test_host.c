/* Every host allocation of the scenario fails in turn, once and for good: the call answers NO_MEMORY, the digest is as
 * before, the machine's invariants hold, the same call then succeeds, and in the end nothing is left. */
#include "scenario.h"

static unsigned long run(unsigned long fail_at, int persistent) {
    failing_host_t host = {.fail_at = 0, .persistent = persistent};
    const storsim_host_t hook = FAILING_HOOK(&host);
    scenario_t s;
    memset(&s, 0, sizeof s);
    world_init(&s.w);
    s.w.hardware.host = &hook;
    s.w.hardware.trace_entries = 16;
    CHECK_EQ(storsim_machine_create(&s.w.hardware, &s.w.machine), STORSIM_OK);
    long machine_only = host.live;
    host.requests = 0;
    host.fail_at = fail_at;
    storsim_status_t status = storsim_nt_boot(s.w.machine, &s.w.config);
    if (status != STORSIM_OK) {
        CHECK_EQ(status, STORSIM_NO_MEMORY);
        CHECK_EQ(host.live, machine_only);
        host.fail_at = 0;
        CHECK_EQ(storsim_nt_boot(s.w.machine, &s.w.config), STORSIM_OK);
    }
    for (int step = 0; step < SCENARIO_STEPS; step++) {
        unsigned long armed = host.fail_at, seen = host.requests;
        host.fail_at = 0;
        uint64_t before = world_digest(&s.w);
        uint64_t free_before = world_free(&s.w);
        host.fail_at = armed;
        host.requests = seen;
        status = scenario_step(&s, step);
        if (status == STORSIM_OK) {
            continue;
        }
        CHECK_EQ(status, STORSIM_NO_MEMORY);
        CHECK(host.fail_at != 0 && host.requests >= host.fail_at);
        host.fail_at = 0;
        if (world_digest(&s.w) != before) {
            fprintf(stderr, "step %d, host allocation %lu\n", step, fail_at);
        }
        CHECK_EQ(world_digest(&s.w), before);
        CHECK_EQ(world_free(&s.w), free_before);
        world_check(&s.w);
        CHECK_EQ(scenario_step(&s, step), STORSIM_OK);
    }
    unsigned long requests = host.requests;
    host.fail_at = 0;
    uint64_t digest = world_digest(&s.w), clean;
    world_end(&s.w);
    CHECK_EQ(host.live, 0);
    /* The outcome does not depend on what failed on the way. */
    static uint64_t expected;
    clean = expected;
    if (fail_at == 0) {
        expected = clean = digest;
    }
    CHECK_EQ(digest, clean);
    return requests;
}

int main(void) {
    unsigned long requests = run(0, 0);
    for (unsigned long n = 1; n <= requests; n++) {
        run(n, 0);
        run(n, 1);
    }
    printf("  %lu host allocations failed in turn\n", requests);
    return CHECK_DONE();
}
