/* tests/nt/test_rare.c: what findings say in words at the edges of their numbers, addresses that lie in pool pages
 * where no block is, a device that is seen for the first time on a host without memory, nodes that are far from
 * themselves, and stores that cross into private memory. */
#include <string.h>

#include "tests/check.h"

#include "machine/machine_i.h"
#include "nt/nt_i.h"
#include "storsim/nt.h"

static storsim_machine_t *make(const storsim_host_t *host, const uint8_t *distances) {
    static const storsim_range_t one[] = {{0x100000, 0x4000000, 0}}, two[] = {{0x100000, 0x4000000, 0}, {0x10000000, 0x4000000, 1}};
    const storsim_machine_config_t config = {.host = host,
                                             .ranges = distances != NULL ? two : one,
                                             .range_count = distances != NULL ? 2 : 1,
                                             .distances = distances,
                                             .node_count = distances != NULL ? 2 : 1,
                                             .seed = 3};
    storsim_machine_t *m;
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(m, &nt), STORSIM_OK);
    return m;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

static void said(storsim_machine_t *m, ss_rule_id_t rule, storsim_class_t kind, uint64_t expected, uint64_t got, const char *wanted) {
    char text[700];
    storsim_finding_t finding = {.kind = kind, .name = ss_rules[rule].name, .rule = "", .fix = "", .source = "",
                                 .expected = expected, .got = got};
    (void)storsim_finding_text(m, &finding, text, sizeof text);
    if (strstr(text, wanted) == NULL) {
        fprintf(stderr, "%s\n", text);
    }
    CHECK(strstr(text, wanted) != NULL);
}

static void test_words(void) {
    storsim_machine_t *m = make(NULL, NULL);
    said(m, SS_CACHE_ALIAS, STORSIM_RULE_VIOLATION, 1, 0, "allocated MmCached, now MmNonCached");
    said(m, SS_WRONG_ADAPTER, STORSIM_RULE_VIOLATION, 1, 2, "it belongs to adapter 1, the call named adapter 2");
    said(m, SS_WRONG_ADAPTER, STORSIM_BUG_CHECK, 1, 2, "expected 0x1 (1), got 0x2 (2)");
    said(m, SS_OVERRUN, STORSIM_RULE_VIOLATION, 100, 4, "byte 5 past the end of a block of 100 bytes");
    said(m, SS_OVERRUN, STORSIM_RULE_VIOLATION, 100, (uint64_t)-120, "20 bytes before the start of a block of 100 bytes");
    said(m, SS_OVERRUN, STORSIM_RULE_VIOLATION, 100, (uint64_t)-50, "byte -49 past the end of a block of 100 bytes");
    said(m, SS_BAD_TAG, STORSIM_RULE_VIOLATION, 0, 0x7F1FFF41, "tag 'A...'");
    said(m, SS_POOL_LEAK, STORSIM_RULE_VIOLATION, 0, 1, "1 byte");
    said(m, SS_POOL_LEAK, STORSIM_BUG_CHECK, 0, 2, "2 allocations left");
    said(m, SS_INTERIOR_POINTER, STORSIM_RULE_VIOLATION, 0, 0x1000, ss_rules[SS_INTERIOR_POINTER].name);
    said(m, SS_INTERIOR_POINTER, STORSIM_RULE_VIOLATION, 0x1000, 0x1008, "the block starts at 0x1000, 0x1008 was given");
    /* Parameters of routines that are not there, and more of them than a routine has. */
    char text[700];
    storsim_finding_t finding = {.kind = STORSIM_RULE_VIOLATION, .name = "NOBODY", .rule = "", .fix = "", .source = "",
                                 .routine = STORSIM_ID_StorPortFreePool, .arg_count = 4, .args = {1, 2, 3, 4}};
    (void)storsim_finding_text(m, &finding, text, sizeof text);
    CHECK(strstr(text, "?=0x3") != NULL);
    finding.routine = 9999;
    (void)storsim_finding_text(m, &finding, text, sizeof text);
    storsim_machine_destroy(m);
}

/* --- addresses in a pool page ------------------------------------------------------------------------------------- */

static void test_pool_page(void) {
    storsim_machine_t *m = make(NULL, NULL);
    uint64_t event = 0, found = 0, ran = 0;
    CHECK_EQ(storsim_event_create(m, &event), STORSIM_OK);
    uint64_t page = event & ~UINT64_C(0xFFF);
    for (uint64_t at = page; at < page + 0x1000; at += 8) {
        storsim_allocation_t allocation;
        CHECK_EQ(storsim_event_set(m, at), at == event ? STORSIM_OK : STORSIM_STALE);
        found += storsim_allocation_at(m, at, &allocation);
    }
    CHECK(found > 0 && found < 20 && storsim_event_signaled(m, event));
    CHECK_EQ(storsim_run_dpcs(m, NULL), STORSIM_OK); /* how many is not asked */
    (void)ran;
    storsim_machine_destroy(m);
}

/* --- a device at its first access --------------------------------------------------------------------------------- */

static void test_unknown_device(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    storsim_machine_t *m = make(&host, NULL);
    ss_device_t device;
    ss_bus_result_t result;
    uint8_t bytes[4] = {1}, back[4] = {9};
    CHECK_EQ(storsim_memory_write(m, 0x200000, bytes, 4), STORSIM_OK);
    CHECK_EQ(ss_bus_add_device(m, false, true, &device), STORSIM_OK);
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(ss_bus_read(m, device, 0x200000, back, 4, &result), STORSIM_NO_MEMORY);
    CHECK_EQ(back[0], 9);
    state.fail_at = 0;
    CHECK_EQ(ss_bus_read(m, device, 0x200000, back, 4, &result), STORSIM_OK);
    CHECK_EQ(back[0], 1);
    storsim_machine_destroy(m);
    CHECK_EQ(state.live, 0);
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* A table that says the other node is nearer: a node is its own first choice all the same. */
static void test_far_from_itself(void) {
    static const uint8_t distances[] = {30, 20, 20, 30};
    storsim_machine_t *m = make(NULL, distances);
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_CONTIGUOUS, .size = 0x2000, .highest = UINT64_MAX, .node = 1, .cache = 1};
    ss_block_id_t id = 0;
    CHECK_EQ(ss_block_make(m, &request, &id), STORSIM_OK);
    CHECK(ss_block(m, id)->pfn >= 0x10000);
    ss_block_free(m, id);
    storsim_machine_destroy(m);
}

/* --- stores of devices -------------------------------------------------------------------------------------------- */

/* A device writes into memory of the port's own, into nothing, and out of one block into another: each is told of. */
static void test_trespassing(void) {
    static const storsim_block_kind_t kinds[] = {STORSIM_BLOCK_DEVICE_EXTENSION, STORSIM_BLOCK_CONFIG, STORSIM_BLOCK_MDL,
                                                 STORSIM_BLOCK_REGISTRY, STORSIM_BLOCK_SG_LIST, STORSIM_BLOCK_EVENT};
    storsim_machine_t *m = make(NULL, NULL);
    ss_device_t device;
    ss_bus_result_t result;
    static uint8_t bytes[0x2000];
    CHECK_EQ(ss_bus_add_device(m, false, true, &device), STORSIM_OK);
    CHECK_EQ(ss_device_owner(m, device, 7), STORSIM_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const ss_block_request_t request = {.kind = kinds[i], .size = 0x1000, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1,
                                            .owner = 7};
        ss_block_id_t id = 0;
        CHECK_EQ(ss_block_make(m, &request, &id), STORSIM_OK);
        CHECK_EQ(ss_bus_write(m, device, ss_block(m, id)->pfn * PAGE, bytes, 16, &result), STORSIM_OK);
        CHECK_EQ(result, SS_BUS_OK);
    }
    /* From a block on into what lies behind it, while it lives and when it has gone. */
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_DMA, .size = 0x3000, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1,
                                        .owner = 7};
    ss_block_id_t low = 0, high = 0;
    CHECK_EQ(ss_block_make(m, &request, &high), STORSIM_OK);
    CHECK_EQ(ss_block_make(m, &request, &low), STORSIM_OK);
    uint64_t first = ss_block(m, low)->pfn * PAGE;
    CHECK_EQ(ss_block(m, high)->pfn, ss_block(m, low)->pfn + 3);
    size_t findings = storsim_finding_count(m);
    CHECK_EQ(ss_bus_write(m, device, first + 0x2800, bytes, 0x1000, &result), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(m), findings); /* both are the device's */
    ss_block_free(m, low);
    CHECK_EQ(ss_bus_write(m, device, first + 0x2800, bytes, 0x1000, &result), STORSIM_OK);
    CHECK(storsim_finding_count(m) > findings);
    storsim_machine_destroy(m);
}

int main(void) {
    test_words();
    test_pool_page();
    test_unknown_device();
    test_far_from_itself();
    test_trespassing();
    return CHECK_DONE();
}
