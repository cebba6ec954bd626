/* Requests and adapters on a host that refuses memory once, at each place in turn: what was made until then goes
 * again. */
#include "kit.h"

static failing_host_t host;

typedef storsim_status_t (*action_fn)(bench_t *b);

static storsim_status_t whole_request(bench_t *b) {
    const storsim_srb_config_t config = {.length = 20000, .fragments = 3, .data_in_length = 5000, .lu_extension_bytes = 10};
    uint64_t srb = 5;
    storsim_status_t status = storsim_srb_create(b->m, b->adapter, &config, &srb);
    CHECK((status == STORSIM_OK) == (srb != 5));
    return status;
}

static storsim_status_t dump_adapter(bench_t *b) {
    storsim_adapter_config_t config;
    uint32_t number = 99;
    storsim_adapter_config_init(&config);
    config.name = "dump";
    config.dump_mode = 1;
    config.dma_remapping = true;
    storsim_status_t status = storsim_adapter_add(b->m, &config, &number);
    CHECK((status == STORSIM_OK) == (number != 99));
    return status;
}

static void every_refusal(action_fn action, bool remap, unsigned long least) {
    const storsim_host_t hook = FAILING_HOOK(&host);
    unsigned long refused = 0;
    uint64_t whole = 0; /* the state after an action that nothing refused: the same whatever was refused before it */
    for (unsigned long at = 0; at == 0 || at == refused + 1; at++) {
        uint64_t before, after;
        host = (failing_host_t){0};
        setup_t setup = defaults();
        setup.host = &hook;
        make_small(&setup);
        setup.adapter.dma_remapping = remap;
        bench_t b = boot(&setup);
        find_adapter(&b, 300);
        leave(&b);
        CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
        uint64_t room = free_bytes(&b);
        host.requests = 0;
        host.fail_at = at;
        storsim_status_t status = action(&b);
        host.fail_at = 0;
        if (status == STORSIM_NO_MEMORY) {
            refused++;
            CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
            CHECK_EQ(after, before);
            CHECK_EQ(free_bytes(&b), room);
            CHECK_EQ(storsim_check(b.m, NULL, 0), 0);
            CHECK_EQ(action(&b), STORSIM_OK);
        } else {
            CHECK_EQ(status, STORSIM_OK);
        }
        CHECK_EQ(storsim_check(b.m, NULL, 0), 0);
        CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
        CHECK(at == 0 || after == whole);
        whole = after;
        storsim_machine_destroy(b.m);
        CHECK_EQ(host.live, 0);
    }
    CHECK(refused >= least);
    printf("  %lu refusals\n", refused);
}

/* An adapter whose extension does not fit is none, and leaves the blocks of others alone. */
static void too_big(void) {
    setup_t setup = defaults();
    make_small(&setup);
    bench_t b = boot(&setup);
    storsim_adapter_config_t config;
    uint64_t before, after;
    uint32_t number = 99;
    storsim_adapter_config_init(&config);
    config.device_extension_bytes = MIB(64);
    CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
    CHECK_EQ(storsim_adapter_add(b.m, &config, &number), STORSIM_NO_SPACE);
    CHECK_EQ(number, 99);
    CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
    CHECK_EQ(after, before);
    CHECK_EQ(storsim_check(b.m, NULL, 0), 0);
    CHECK(storsim_physical(b.m, b.ext) != 0);
    storsim_machine_destroy(b.m);
}

int main(void) {
    too_big();
    for (int remap = 0; remap < 2; remap++) {
        every_refusal(whole_request, remap != 0, 5);
        every_refusal(dump_adapter, remap != 0, 1);
    }
    return CHECK_DONE();
}
