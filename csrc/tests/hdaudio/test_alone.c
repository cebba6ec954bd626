/* tests/hdaudio/test_alone.c: two of the bus driver's functions asked by themselves: the hash of a list that the host
 * has no memory to show, and the drain of a ring whose controller is gone. */
#include "tests/hdaudio/world.h"

#include "hdaudio/bus.h"
#include "machine/core.h"
#include "nt/kernel.h"

static void test_hash(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    static const storsim_range_t range = {0x100000, 0x1000000, 0};
    const storsim_machine_config_t config = {.host = &hook, .ranges = &range, .range_count = 1, .seed = 9};
    storsim_machine_t *machine;
    storsim_nt_config_t nt;
    uint8_t zeros[32] = {0};
    ss_engine_t engine = {.lvi = 1};
    storsim_nt_config_init(&nt);
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(machine, &nt), STORSIM_OK);
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_DMA, .size = 4096, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1};
    CHECK_EQ(ss_block_make(machine, &request, &engine.bdl), STORSIM_OK);
    state.persistent = 1;
    state.fail_at = 1;
    uint64_t unseen = ss_engine_bdl_hash(machine, &engine);
    state.fail_at = 0;
    CHECK(unseen != ss_engine_bdl_hash(machine, &engine)); /* nobody has written it: it holds what untouched memory holds */
    CHECK_EQ(ss_block_write(machine, ss_block(machine, engine.bdl), 0, zeros, sizeof zeros), STORSIM_OK);
    CHECK_EQ(unseen, ss_engine_bdl_hash(machine, &engine));
    ss_engine_t none = {.lvi = 1};
    CHECK_EQ(unseen, ss_engine_bdl_hash(machine, &none));
    storsim_machine_destroy(machine);
    CHECK_EQ(state.live, 0);
}

static void test_dead(void) {
    ss_chip_t chip = {.dead = true};
    ss_busdriver_t *bus = calloc(1, sizeof *bus);
    CHECK(bus != NULL);
    bus->ring = 1;
    bus->rirb_rp = 7;
    CHECK_EQ(ss_rirb_drain(&chip, bus, false), STORSIM_OK);
    CHECK_EQ(bus->rirb_rp, 7);
    free(bus);
}

int main(void) {
    test_hash();
    test_dead();
    return CHECK_DONE();
}
