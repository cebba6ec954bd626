/* tests/nt/test_special.c: special pool at its edges (what fills it, damage of several bytes, the pages beside a block,
 * frees that are not special), accesses to registers and to freed memory that is not pool, stores over a list's page or
 * out of a block, and deferred calls that wait. */
#include "nt/nt_i.h"
#include "world.h"

#define PAGE_BYTES UINT64_C(4096)

static void start(world_t *world, uint32_t verifier) {
    world_init(world);
    world->config.level = STORSIM_VERIFIER;
    world->config.verifier = verifier;
}

/* --- special pool ------------------------------------------------------------------------------------------------- */

static void test_zeroed(void) {
    uint8_t bytes[100], zero[100] = {0};
    for (int zeroed = 0; zeroed < 2; zeroed++) {
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL);
        w.config.zero_pool = zeroed != 0;
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, sizeof bytes, TAG, STORSIM_OK));
        CHECK_EQ(storsim_read_va(w.machine, va, bytes, sizeof bytes), STORSIM_OK);
        CHECK_EQ(memcmp(bytes, zero, sizeof bytes) == 0, zeroed);
        world_end(&w);
    }
}

/* More than one damaged byte is no single bit, wherever it lies; the first one is told. */
static void test_much_damage(void) {
    static const struct {
        int at;
        bool start;
        uint8_t action;
    } cases[] = {{-40, false, 0x23}, {100, true, 0x24}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL);
        w.config.special_pool_start = cases[i].start;
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), at = va + (uint64_t)(int64_t)cases[i].at;
        uint8_t bytes[9];
        CHECK_EQ(storsim_read_va(w.machine, at, bytes, sizeof bytes), STORSIM_OK);
        bytes[0] ^= 1;
        bytes[8] ^= 1;
        CHECK_EQ(storsim_write_va(w.machine, at, bytes, sizeof bytes), STORSIM_OK);
        pool_put(&w, va, STORSIM_BUGCHECK);
        CHECK_STOP(&w, 0xC1, va, at, 0, cases[i].action);
        world_end(&w);
    }
}

/* The pages on both sides of a block are its guards while it lives, and nobody's afterwards. */
static void test_beside(void) {
    for (int starts = 0; starts < 2; starts++) {
        for (int below = 0; below < 2; below++) {
            for (int gone = 0; gone < 2; gone++) {
                world_t w;
                start(&w, STORSIM_V_SPECIAL_POOL);
                w.config.special_pool_start = starts != 0;
                world_boot(&w);
                uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), page = va & ~(PAGE_BYTES - 1);
                if (gone) {
                    pool_put(&w, va, STORSIM_OK);
                }
                uint8_t byte;
                CHECK_EQ(storsim_read_va(w.machine, below ? page - 17 : page + PAGE_BYTES + 17, &byte, 1), STORSIM_BUGCHECK);
                CHECK_LAST(&w, gone ? "PAGE_FAULT" : "SPECIAL_POOL_OVERRUN");
                world_end(&w);
            }
        }
    }
}

/* An interior pointer into a whole page is nothing of special pool's: the ordinary stop. */
static void test_ordinary_free(void) {
    world_t w;
    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    uint64_t va = va_of(&w, pool_get(&w, 2 * PAGE_BYTES, TAG, STORSIM_OK));
    pool_put(&w, va + PAGE_BYTES, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC4, 0x10, va + PAGE_BYTES, 0, 0);
    world_end(&w);
}

/* Nothing has no page of its own: above DISPATCH_LEVEL it is refused as ordinary pool is. */
static void test_nothing(void) {
    for (uint64_t bytes = 0; bytes < 2; bytes++) {
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL);
        world_boot(&w);
        CHECK_EQ(storsim_set_irql(w.machine, 5, NULL), STORSIM_OK);
        (void)pool_get(&w, bytes, TAG, STORSIM_BUGCHECK);
        CHECK_LAST(&w, "POOL_ABOVE_DISPATCH");
        world_end(&w);
    }
}

/* --- accesses ----------------------------------------------------------------------------------------------------- */

/* Freed memory that is no pool is read as poison and recorded, special pool or not. */
static void test_freed(void) {
    world_t w;
    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_CONTIGUOUS, CONTIG(PAGE_BYTES), STORSIM_OK);
    uint64_t va = va_of(&w, id);
    ss_block_free(w.machine, id);
    uint8_t byte = 0;
    CHECK_EQ(storsim_read_va(w.machine, va, &byte, 1), STORSIM_OK);
    CHECK_LAST(&w, "USE_AFTER_FREE");
    CHECK_EQ(byte, SS_POISON);
    world_end(&w);
}

/* Registers nobody answers for: all ones, in pieces, also when the machine has stopped; a stopped machine takes no
 * stores. */
static void test_registers(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    ss_block_id_t id = 0;
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_NVME, 1, PAGE_BYTES, 1, &id), STORSIM_OK);
    uint64_t va = va_of(&w, id);
    uint8_t bytes[200];
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(storsim_write_va(w.machine, va, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, va, bytes, sizeof bytes), STORSIM_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_EQ(bytes[i], 0xFF);
    }
    CHECK_EQ(storsim_read_va(w.machine, 16, bytes, 1), STORSIM_BUGCHECK);
    CHECK(storsim_stopped(w.machine) != NULL);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(storsim_read_va(w.machine, va, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(bytes[199], 0xFF);
    CHECK_EQ(storsim_write_va(w.machine, va, bytes, sizeof bytes), STORSIM_STOPPED);
    CHECK_EQ(storsim_read_va(w.machine, va + PAGE_BYTES - 8, bytes, 16), STORSIM_STOPPED);
    world_end(&w);
}

/* A store over two pages of a list is told once. */
static void test_list(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    const ss_block_request_t request = {
        .kind = STORSIM_BLOCK_SG_LIST, .size = 2 * PAGE_BYTES, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1, .owner = 1};
    ss_block_id_t id = 0;
    CHECK_EQ(ss_block_make(w.machine, &request, &id), STORSIM_OK);
    uint8_t bytes[100] = {7}, back[100] = {0};
    size_t findings = storsim_finding_count(w.machine);
    CHECK_EQ(storsim_write_va(w.machine, va_of(&w, id) + PAGE_BYTES - 50, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), findings + 1);
    CHECK_LAST(&w, "SG_LIST_MODIFIED");
    CHECK_EQ(storsim_read_va(w.machine, va_of(&w, id) + PAGE_BYTES - 50, back, sizeof back), STORSIM_OK);
    CHECK_EQ(memcmp(bytes, back, sizeof back), 0);
    world_end(&w);
}

/* --- stores of devices -------------------------------------------------------------------------------------------- */

/* Blocks of one pool page: a store that goes on from one into the next is its owner's affair while both live; one that
 * comes out of a block that has gone is a store into it; and slots that nobody has are told of once. */
static void test_trespass(void) {
    world_t w;
    start(&w, STORSIM_V_DMA);
    world_boot(&w);
    ss_device_t device;
    ss_bus_result_t result;
    static uint8_t bytes[PAGE_BYTES];
    CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
    CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
    ss_block_id_t one = pool_get(&w, 112, TAG, STORSIM_OK), two = pool_get(&w, 112, TAG, STORSIM_OK);
    bool first = pa_of(&w, one) < pa_of(&w, two);
    ss_block_id_t low = first ? one : two, high = first ? two : one;
    uint64_t at = pa_of(&w, low), width = pa_of(&w, high) - at;
    size_t findings = storsim_finding_count(w.machine);
    CHECK_EQ(ss_bus_write(w.machine, device, at, bytes, width + 112, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_OK);
    CHECK_EQ(storsim_finding_count(w.machine), findings);
    uint64_t end = at | (PAGE_BYTES - 1);
    CHECK_EQ(ss_bus_write(w.machine, device, at + 2 * width, bytes, end - at - 2 * width, &result), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), findings + 1);
    CHECK_LAST(&w, "DEVICE_DMA_FOREIGN");
    ss_block_free(w.machine, low);
    CHECK_EQ(ss_bus_write(w.machine, device, at, bytes, width + 112, &result), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), findings + 2);
    CHECK_LAST(&w, "DEVICE_DMA_TO_FREED");
    CHECK(nt_rare(nt_of(w.machine), ss_block(w.machine, low))->trespass == 0 && nt_rare(nt_of(w.machine), ss_block(w.machine, high))->trespass == 0);
    storsim_machine_destroy(w.machine);
}

/* --- deferred calls ----------------------------------------------------------------------------------------------- */

static storsim_status_t counted(void *context, storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_DPC) {
        ++*(uint32_t *)context;
    }
    return STORSIM_OK;
}

/* Run by hand they wait for nobody's clock, and only those of the processor that runs them are run. */
static void test_by_hand(void) {
    world_t w;
    world_init(&w);
    uint32_t calls = 0, ran = 9;
    w.config.cpus = 2;
    w.config.dpc_manual = true;
    w.config.dpc_latency = 1000;
    world_boot(&w);
    storsim_machine_set_callback(w.machine, counted, &calls);
    CHECK_EQ(storsim_queue_dpc(w.machine, 0x1234, 5), STORSIM_OK);
    CHECK_EQ(storsim_set_cpu(w.machine, 1), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(w.machine, 0x1234, 6), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.machine, 5000), STORSIM_OK);
    CHECK_EQ(calls, 0);
    CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
    CHECK_EQ(ran, 1);
    CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
    CHECK_EQ(ran, 0);
    CHECK_EQ(storsim_set_cpu(w.machine, 0), STORSIM_OK);
    CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
    CHECK_EQ(ran, 1);
    CHECK_EQ(calls, 2);
    world_end(&w);
}

/* A latency beyond the end of time: ready at its last tick. */
static void test_never_ready(void) {
    world_t w;
    world_init(&w);
    uint32_t calls = 0;
    w.config.dpc_latency = UINT64_MAX - 10;
    world_boot(&w);
    storsim_machine_set_callback(w.machine, counted, &calls);
    CHECK_EQ(storsim_advance(w.machine, 100), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(w.machine, 0x1234, 5), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.machine, UINT64_C(1) << 62), STORSIM_OK);
    CHECK_EQ(calls, 0);
    world_end(&w);
}

int main(void) {
    test_zeroed();
    test_much_damage();
    test_beside();
    test_ordinary_free();
    test_freed();
    test_registers();
    test_list();
    test_nothing();
    test_trespass();
    test_by_hand();
    test_never_ready();
    return CHECK_DONE();
}
