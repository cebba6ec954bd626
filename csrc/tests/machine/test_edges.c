/* The edges of the machine room: numbers outside their range, arithmetic at its end, memory with two views, states that
 * cannot come about. */
#include <string.h>

#include "../check.h"

#include "machine/machine_i.h"

#define PAGE UINT64_C(4096)

static storsim_machine_t *make(void) {
    static const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, 0x400000, 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 2, .seed = 3};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

/* --- host memory and arithmetic ----------------------------------------------------------------------------------- */

static void test_host(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    storsim_machine_t *m = make();
    CHECK(ss_alloc(ss_machine_host(m), SIZE_MAX) == NULL); /* with what is kept beside it, it would be more than there can be */
    CHECK(ss_resize(ss_machine_host(m), NULL, SIZE_MAX, 1) == NULL);
    storsim_machine_destroy(m);
    CHECK(ss_alloc_zeroed(&host, SIZE_MAX / 2, 3) == NULL);
    CHECK(ss_resize(&host, NULL, SIZE_MAX / 2, 3) == NULL);
    void *none = ss_alloc(&host, 0), *zero = ss_alloc_zeroed(&host, 5, 0), *resized = ss_resize(&host, NULL, 0, 4);
    CHECK(none != NULL && zero != NULL && resized != NULL); /* nothing is served as a byte */
    ss_release(&host, none);
    ss_release(&host, zero);
    ss_release(&host, resized);
    ss_release(&host, NULL);
    CHECK_EQ(host.live_blocks, 0);
    none = ss_resize(&host, NULL, 5, 0);
    CHECK(none != NULL);
    ss_release(&host, none);
    /* Saving more at once than twice what there was room for. */
    ss_codec_t codec = {.mode = SS_SAVE, .host = &host};
    uint8_t *many = ss_alloc_zeroed(&host, 100000, 1);
    CHECK(many != NULL);
    ss_codec_bytes(&codec, many, 10);
    ss_codec_bytes(&codec, many, 100000);
    CHECK(ss_codec_ok(&codec) && codec.length == 100010 && codec.capacity >= codec.length);
    ss_codec_bytes(&codec, many, SIZE_MAX / 2);
    CHECK(!ss_codec_ok(&codec) && codec.length == 100010);
    ss_release(&host, codec.bytes);
    ss_release(&host, many);
    void *array = NULL;
    uint32_t capacity = 0;
    CHECK(!ss_grow(&host, &array, &capacity, UINT32_MAX, 1) && capacity == 0 && array == NULL);
    uint64_t result = 7;
    CHECK(!ss_add_u64(UINT64_MAX, 1, &result) && !ss_mul_u64(UINT64_MAX, 2, &result) && result == 7);
    CHECK(ss_mul_u64(5, 0, &result) && result == 0);
    /* A hook without allocate_zeroed: the core clears what it gets. */
    failing_host_t state = {0};
    storsim_host_t hook = FAILING_HOOK(&state);
    hook.allocate_zeroed = NULL;
    ss_host_init(&host, &hook);
    uint8_t *cleared = ss_alloc_zeroed(&host, 100, 1);
    CHECK(cleared != NULL);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(cleared[i], 0);
    }
    ss_release(&host, cleared);
    state.fail_at = state.requests + 1;
    CHECK(ss_alloc_zeroed(&host, 1, 1) == NULL);
    CHECK_EQ(state.live, 0);
}

/* Drawing below a bound that does not divide 2^64 evenly throws the rest away, however long that takes. */
static void test_random(void) {
    ss_rng_t rng = {1};
    uint64_t below = (UINT64_C(1) << 63) + 1, high = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t value = ss_rng_below(&rng, below);
        CHECK(value < below);
        high += value >> 62;
    }
    CHECK(high > 50 && high < 150);
}

/* --- configurations ----------------------------------------------------------------------------------------------- */

static void test_configurations(void) {
    storsim_range_t ranges[] = {{0x100000, 0x100000, 0}, {0x100000, 0x200000, 0}};
    storsim_machine_t *machine = NULL;
    storsim_machine_config_t config = {.ranges = ranges, .range_count = 2};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID); /* the same start twice */
    ranges[1].start = 0x300000;
    config.range_count = 0;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    config.range_count = STORSIM_MAX_RANGES + 1;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    config = (storsim_machine_config_t){.range_count = 1};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    config = (storsim_machine_config_t){.ranges = ranges, .range_count = 2, .node_count = STORSIM_MAX_NODES + 1};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    config.node_count = 1;
    ranges[1].node = 1;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID); /* a node beyond the count */
    ranges[1].node = STORSIM_MAX_NODES;
    config.node_count = 0;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    ranges[1] = (storsim_range_t){STORSIM_MEMORY_LIMIT + 1, 4096, 0};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    ranges[1] = (storsim_range_t){0x300000, 0, 0};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    ranges[1].length = 4096;
    config.placement = (storsim_placement_t)(STORSIM_ADVERSARIAL + 1);
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_INVALID);
    CHECK(machine == NULL);
    bool made = false;
    for (unsigned long at = 1; !made; at++) { /* the distances are asked for like all the rest */
        static const uint8_t distances[4] = {10, 20, 20, 10};
        failing_host_t state = {.fail_at = at};
        const storsim_host_t hook = FAILING_HOOK(&state);
        config = (storsim_machine_config_t){.host = &hook, .ranges = ranges, .range_count = 2, .node_count = 2, .distances = distances,
                                            .trace_entries = UINT32_MAX};
        storsim_status_t status = storsim_machine_create(&config, &machine);
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        if (status == STORSIM_OK) {
            CHECK_EQ(storsim_memory_distance(machine, 0, 1), 20);
            CHECK_EQ(storsim_memory_distance(machine, 0, 2), 255);
            CHECK_EQ(storsim_memory_distance(machine, 2, 0), 255);
            storsim_machine_destroy(machine);
        }
        made = status == STORSIM_OK;
        CHECK_EQ(state.live, 0);
    }
    storsim_machine_destroy(NULL);
}

/* Reserving, releasing and asking at the ends of what can be asked. */
static void test_memory(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, 0x400000, 0}};
    const storsim_machine_config_t config = {.host = &hook, .ranges = ranges, .range_count = 2};
    storsim_machine_t *m;
    uint64_t pinned = 7;
    uint8_t byte = 1;
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    CHECK_EQ(storsim_memory_free_bytes(m, STORSIM_NODE_ANY, 5, 4), 0);
    CHECK_EQ(storsim_memory_free_bytes(m, STORSIM_NODE_ANY, 0x1001, 0x1FFF), 0);
    CHECK(storsim_memory_largest_free(m, 0, UINT64_MAX, 0x3000) == 0 && storsim_memory_largest_free(m, 0, UINT64_MAX, 0x800) == 0);
    CHECK_EQ(storsim_memory_largest_free(m, 9, 4, 0), 0);
    CHECK_EQ(storsim_memory_largest_free(m, 0, UINT64_MAX, 0x10000), 0x10000);
    for (uint64_t i = 0; i < 16; i++) { /* so many that the list has to grow for the next, which splits one */
        CHECK_EQ(storsim_memory_reserve(m, 0x100000 + i * 0x10000, 0x3000), STORSIM_OK);
    }
    uint64_t free_before = storsim_memory_free_bytes(m, STORSIM_NODE_ANY, 0, UINT64_MAX);
    state.fail_at = state.requests + 1;
    CHECK_EQ(storsim_memory_release(m, 0x101000, 0x1000), STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_memory_free_bytes(m, STORSIM_NODE_ANY, 0, UINT64_MAX), free_before);
    CHECK_EQ(storsim_memory_release(m, 0x101000, 0x1000), STORSIM_OK);
    CHECK_EQ(storsim_memory_release(m, 0x101000, 0x1000), STORSIM_INVALID);
    CHECK_EQ(storsim_memory_fragment(m, 1, 0, 1, 1, &pinned), STORSIM_INVALID);
    CHECK_EQ(pinned, 7);
    storsim_set_site(m, 5);
    state.fail_at = state.requests + 1;
    STORSIM_HERE(m); /* no memory for another site: the calls come from none */
    CHECK_EQ(ss_machine_where(m)->site, 0);
    const storsim_finding_t stop = {.code = 1};
    CHECK_EQ(ss_stop(m, SS_ROOM_NT, 0, &stop), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_memory_reserve(m, 0x300000, 0x1000), STORSIM_STOPPED);
    CHECK_EQ(storsim_memory_release(m, 0x100000, 0x1000), STORSIM_STOPPED);
    CHECK_EQ(storsim_memory_fragment(m, 1, 2, 1, 1, &pinned), STORSIM_STOPPED);
    CHECK_EQ(storsim_memory_write(m, 0x300000, &byte, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_memory_read(m, 0x300000, &byte, 1), STORSIM_OK);
    storsim_machine_destroy(m);
    CHECK_EQ(state.live, 0);
}

/* --- rooms, rules, events, lines ---------------------------------------------------------------------------------- */

static void test_rooms(void) {
    storsim_machine_t *m = make();
    static const ss_rule_t rules[] = {{"RULE", "one may not", "do not", "model choice"}};
    static const ss_room_ops_t ops = {.name = "test"};
    uint32_t id, line;
    CHECK_EQ(ss_room_attach(m, SS_ROOM_COUNT, &ops, NULL), STORSIM_INVALID);
    CHECK_EQ(ss_rules_register(m, SS_ROOM_COUNT, rules, 1), STORSIM_INVALID);
    CHECK_EQ(ss_room_attach(m, SS_ROOM_JOURNAL, &ops, NULL), STORSIM_OK);
    CHECK_EQ(ss_rules_register(m, SS_ROOM_JOURNAL, rules, 1), STORSIM_OK);
    /* Events of rooms that do nothing with them, and of rooms that are not there. */
    CHECK_EQ(storsim_advance(m, 100), STORSIM_OK);
    CHECK_EQ(ss_event_at(m, 50, SS_ROOM_JOURNAL, 1, 2, 3, &id), STORSIM_OK); /* in the past: now */
    CHECK_EQ(ss_event_at(m, 150, SS_ROOM_NT, 1, 2, 3, NULL), STORSIM_OK);
    CHECK(ss_event_pending(m, id) && !ss_event_pending(m, 0) && !ss_event_pending(m, 999));
    ss_event_cancel(m, 0);
    ss_event_cancel(m, 999);
    for (uint64_t i = 0; i < 40; i++) { /* a heap of some depth, taken apart from its middle */
        CHECK_EQ(ss_event_at(m, 200 + i * 37 % 41, SS_ROOM_NT, 1, 2, 3, &id), STORSIM_OK);
        if (i % 3 == 0) {
            ss_event_cancel(m, id - 1);
        }
        CHECK_EQ(ss_clock_check(&m->hardware.clock), 0);
    }
    m->hardware.clock.next_id = UINT32_MAX;
    CHECK_EQ(ss_event_at(m, 500, SS_ROOM_NT, 1, 2, 3, &id), STORSIM_OK);
    CHECK_EQ(id, 1); /* 0 is no event's number */
    CHECK_EQ(storsim_advance(m, UINT64_MAX), STORSIM_OVERFLOW);
    CHECK_EQ(storsim_advance(m, 1000), STORSIM_OK);
    CHECK_EQ(m->hardware.clock.count, 0);
    CHECK_EQ(ss_line_add(m, &line), STORSIM_OK);
    CHECK_EQ(ss_line_set(m, 0, true), STORSIM_INVALID);
    CHECK_EQ(ss_line_set(m, line + 1, true), STORSIM_INVALID);
    CHECK_EQ(ss_line_set(m, line, true), STORSIM_OK);
    CHECK_EQ(ss_line_set(m, line, true), STORSIM_OK);
    ss_line_listen(m, SS_ROOM_NT); /* who is not there */
    CHECK_EQ(ss_line_set(m, line, false), STORSIM_OK);
    ss_line_listen(m, SS_ROOM_JOURNAL); /* who does not care */
    CHECK_EQ(ss_line_set(m, line, true), STORSIM_OK);
    CHECK(ss_line_get(m, line));
    CHECK_EQ(ss_callback_depth(m), 0);
    storsim_machine_destroy(m);
}

static const char *no_name(uint16_t routine) {
    return routine == 5 ? "Routine" : NULL;
}
static const char *no_parameter(uint16_t routine, uint8_t index) {
    return routine == 5 && index == 0 ? "First" : NULL;
}

static void test_findings(void) {
    storsim_machine_t *m = make();
    static const ss_rule_t rules[] = {{"RULE", "one may not", "do not", "model choice"}};
    static const ss_namer_t namer = {.routine = no_name, .parameter = no_parameter};
    char text[600], brief[10];
    CHECK_EQ(ss_rules_register(m, SS_ROOM_NT, rules, 1), STORSIM_OK);
    const storsim_finding_t draft = {.kind = STORSIM_RULE_VIOLATION, .expected = 1, .got = 0};
    const storsim_finding_t plain = {.kind = STORSIM_RULE_VIOLATION}, other = {.kind = STORSIM_RULE_VIOLATION, .got = 2};
    STORSIM_HERE(m);
    const storsim_finding_t *first = ss_report(m, SS_ROOM_NT, 0, &draft);
    CHECK(first != NULL && first->site == 1);
    uint32_t here = first->site;
    STORSIM_HERE(m); /* another line is another site */
    CHECK(ss_report(m, SS_ROOM_NT, 0, &plain)->site == here + 1);
    CHECK(ss_report(m, SS_ROOM_NT, 0, &other) != NULL);
    CHECK(ss_report(m, SS_ROOM_NT, 1, &plain) != NULL && ss_report(m, SS_ROOM_COUNT, 0, &plain) != NULL); /* a rule nobody registered */
    size_t length = storsim_finding_text(m, first, text, sizeof text);
    CHECK(length < sizeof text && strstr(text, "expected 0x1 (1), got 0x0 (0)") != NULL && strstr(text, "one may not") != NULL);
    CHECK_EQ(storsim_finding_text(m, first, brief, sizeof brief), length);
    CHECK(strncmp(brief, text, sizeof brief - 1) == 0);
    CHECK_EQ(storsim_finding_text(m, first, NULL, 0), length);
    (void)storsim_finding_text(m, storsim_finding_get(m, 1), text, sizeof text);
    CHECK(strstr(text, "expected") == NULL);
    (void)storsim_finding_text(m, storsim_finding_get(m, 2), text, sizeof text);
    CHECK(strstr(text, "got 0x2") != NULL);
    ss_machine_set_namer(m, &namer);
    *ss_machine_where(m) = (ss_where_t){.routine = 5, .arg_count = 2, .args = {7, 8}};
    (void)storsim_finding_text(m, ss_report(m, SS_ROOM_NT, 0, &draft), text, sizeof text);
    CHECK(strstr(text, "in Routine(First=0x7, ?=0x8)") != NULL);
    const storsim_finding_t stop = {.code = 0xC4, .parameters = {1, 2, 3, 4}};
    CHECK_EQ(ss_stop(m, SS_ROOM_NT, 0, &stop), STORSIM_BUGCHECK);
    (void)storsim_finding_text(m, storsim_stopped(m), text, sizeof text);
    CHECK(strstr(text, "BugCheck 0xC4 (0x1, 0x2, 0x3, 0x4): RULE") != NULL); /* nobody told the code's name */
    CHECK(storsim_finding_get(m, 999) == NULL && storsim_injected_get(m, 0) == NULL);
    storsim_trace_entry_t record;
    CHECK(!storsim_trace_get(m, 1u << 30, &record));
    CHECK(strcmp(storsim_status_name((storsim_status_t)-99), storsim_status_name((storsim_status_t)-98)) == 0);
    storsim_machine_destroy(m);
}

/* --- the bus ------------------------------------------------------------------------------------------------------ */

static void test_bus(void) {
    storsim_machine_t *m = make();
    ss_device_t plain, mapped;
    uint64_t logical = 0, physical;
    uint8_t bytes[8] = {1, 2, 3};
    ss_bus_result_t result;
    CHECK_EQ(ss_bus_add_device(m, false, true, &plain), STORSIM_OK);
    CHECK_EQ(ss_bus_add_device(m, true, true, &mapped), STORSIM_OK);
    CHECK_EQ(ss_bus_map(m, 99, 0x100, 1, UINT64_MAX, &logical), STORSIM_INVALID);
    CHECK_EQ(ss_bus_map(m, mapped, 0x100, 0, UINT64_MAX, &logical), STORSIM_INVALID);
    CHECK_EQ(ss_bus_map(m, mapped, 0x100, 1, 100, &logical), STORSIM_NO_SPACE);
    CHECK_EQ(ss_bus_map(m, mapped, 0x100, 2, 0x11FFF, &logical), STORSIM_NO_SPACE); /* below the first page that is given out */
    const ss_bus_limits_t odd = {.lowest = 0x90000800, .highest = 0xFFFFFFFE};
    CHECK_EQ(ss_bus_map_within(m, mapped, 0x100, 1, &odd, &logical), STORSIM_OK);
    CHECK(logical >= 0x90001000 && logical + PAGE - 1 <= 0xFFFFFFFE);
    CHECK_EQ(ss_bus_map(m, plain, 0x100, 1, 100, &logical), STORSIM_OK); /* without an IOMMU nothing is mapped */
    CHECK_EQ(logical, 0x100 * PAGE);
    CHECK(!ss_bus_translate(m, 99, 0x1000, &physical));
    CHECK_EQ(ss_bus_read(m, 99, 0x1000, bytes, 1, &result), STORSIM_INVALID);
    CHECK_EQ(ss_bus_read(m, plain, UINT64_MAX - 2, bytes, 8, &result), STORSIM_INVALID);
    CHECK_EQ(ss_bus_write(m, plain, 0x100FFE, bytes, 8, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_OK);
    ss_bus_stall(m, plain, true);
    ss_bus_stall(m, 99, true);
    CHECK_EQ(ss_bus_read(m, plain, 0x100FFE, bytes, 8, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_STALLED);
    CHECK_EQ(ss_bus_read(m, plain, 0x100000, bytes, 8, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_STALLED);
    ss_bus_stall(m, plain, false);
    CHECK_EQ(ss_bus_read(m, plain, 0x100FFE, bytes, 8, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_OK);
    ss_bus_unmap(m, mapped, 0x12345000, 3); /* what is not mapped */
    ss_bus_remove_device(m, 99);
    ss_bus_undo_device(m, plain); /* not the newest: its number stays used */
    CHECK_EQ(m->hardware.bus.count, 2);
    ss_bus_undo_device(m, mapped);
    CHECK_EQ(m->hardware.bus.count, 1);
    ss_bus_undo_device(m, 0);
    CHECK_EQ(ss_bus_read(m, plain, 0x1000, bytes, 1, &result), STORSIM_INVALID);
    storsim_machine_destroy(m);
}

/* Two views of memory: what the processor has stored and not written back, lines of which only a part is invalidated,
 * and both kinds. */
static void test_shadows(void) {
    storsim_machine_t *m = make();
    const uint64_t cached = 0x200000, combined = 0x300000;
    uint8_t bytes[300], back[300], before;
    memset(bytes, 0xA5, sizeof bytes);
    CHECK_EQ(storsim_memory_read(m, cached + 10, &before, 1), STORSIM_OK);
    CHECK(before != 0xA5);
    CHECK_EQ(ss_bus_shadow(m, cached / PAGE, 0, true), STORSIM_OK); /* nothing of it */
    CHECK_EQ(ss_bus_shadow(m, cached / PAGE, 2, true), STORSIM_OK);
    CHECK_EQ(ss_bus_shadow_combining(m, combined / PAGE, 2), STORSIM_OK);
    CHECK_EQ(ss_bus_invalidate(m, cached, 100), STORSIM_OK); /* never touched */
    CHECK_EQ(ss_bus_cpu_write(m, cached + 10, bytes, 200), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(m, combined + 10, bytes, 200), STORSIM_OK);
    CHECK_EQ(storsim_memory_read(m, cached + 10, back, 200), STORSIM_OK);
    CHECK_EQ(back[0], before);
    /* Of the lines at both ends only a part is invalidated: the neighbours' stores are written back first. */
    CHECK_EQ(ss_bus_invalidate(m, cached + 20, 180), STORSIM_OK);
    CHECK_EQ(storsim_memory_read(m, cached, back, 300), STORSIM_OK);
    CHECK(back[10] == 0xA5 && back[64] == before && back[205] == 0xA5);
    CHECK_EQ(ss_bus_invalidate(m, cached + 64, 64), STORSIM_OK); /* whole lines */
    CHECK_EQ(ss_bus_invalidate(m, cached + 64, 0), STORSIM_OK);
    CHECK_EQ(ss_bus_invalidate(m, combined, 64), STORSIM_OK); /* nothing is cached there */
    CHECK_EQ(ss_bus_flush(m, cached + PAGE - 10, 20), STORSIM_OK);
    CHECK_EQ(ss_bus_drain(m), STORSIM_OK); /* the combined page goes, the cached one stays */
    CHECK_EQ(storsim_memory_read(m, combined + 10, back, 200), STORSIM_OK);
    CHECK(memcmp(back, bytes, 200) == 0);
    CHECK_EQ(m->hardware.bus.shadow.page_count, 1);
    CHECK_EQ(storsim_check(m, NULL, 0), 0);
    /* What the check notices. */
    ss_shadows_t *shadows = &m->hardware.bus.shadow, kept = *shadows;
    CHECK_EQ(ss_bus_cpu_write(m, combined + 10, bytes, 200), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(m, cached + PAGE, bytes, 200), STORSIM_OK);
    kept = *shadows;
    for (int way = 0; way < 7; way++) {
        struct ss_shadow_range range = shadows->ranges[1];
        struct ss_shadow_page page = shadows->pages[1];
        switch (way) {
        case 0: shadows->ranges[1].pages = 0; break;
        case 1: shadows->ranges[1].pages = UINT64_MAX; break;
        case 2: shadows->ranges[1].pfn = shadows->ranges[0].pfn; break;
        case 3: shadows->pages[1].pfn = shadows->pages[0].pfn; break;
        case 4: shadows->pages[1].pfn = 5; break;
        case 5: shadows->pages[1].combining = !shadows->pages[1].combining; break;
        default: shadows->combining_count++; break;
        }
        char text[60] = "", one[60] = "";
        size_t broken = storsim_check(m, text, sizeof text);
        CHECK(broken != 0 && strncmp(text, "clock and bus: ", 15) == 0);
        CHECK((broken == 1) == (strstr(text, "broken invariants") == NULL));
        one[0] = 'x';
        ss_describe(one, sizeof one, "more", 1);
        CHECK_EQ(one[0], 'x'); /* the first stays */
        shadows->ranges[1] = range;
        shadows->pages[1] = page;
        shadows->combining_count = kept.combining_count;
    }
    CHECK_EQ(storsim_check(m, NULL, 0), 0);
    storsim_machine_destroy(m);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void test_stores(void) {
    ss_host_t host;
    ss_ram_t *ram;
    ss_store_t store, other;
    uint8_t bytes[8] = {0}, *data;
    uint64_t written;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 0, SS_FILL_ZERO, 1, &store), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_store_create(ram, UINT64_MAX, SS_FILL_ZERO, 1, &store), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_store_create(ram, 2, SS_FILL_ZERO, 1, &store), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_ZERO, 1, &other), STORSIM_OK);
    ss_store_destroy(ram, other);
    const ss_store_t wrong[] = {0, other, 99};
    for (size_t i = 0; i < 3; i++) { /* none, one that was, and one that never was */
        ss_store_tail(ram, wrong[i], 0, 1);
        CHECK_EQ(ss_store_read(ram, wrong[i], 0, bytes, 1), STORSIM_INVALID);
        CHECK_EQ(ss_store_write(ram, wrong[i], 0, bytes, 1), STORSIM_INVALID);
        CHECK_EQ(ss_store_set(ram, wrong[i], 0, 1, 1), STORSIM_INVALID);
        CHECK_EQ(ss_store_compare(ram, wrong[i], 0, 1, 5), 5);
        CHECK_EQ(ss_store_export(ram, wrong[i], true, &data), STORSIM_INVALID);
        CHECK_EQ(ss_store_attach(ram, wrong[i], 0, 0x100, 1), STORSIM_INVALID);
        ss_store_unexport(ram, wrong[i], &written);
        CHECK_EQ(written, UINT64_MAX);
        ss_store_destroy(ram, wrong[i]);
    }
    CHECK_EQ(ss_store_attach(ram, store, 0, 0x100, 0), STORSIM_INVALID);
    CHECK_EQ(ss_store_attach(ram, store, 3, 0x100, 1), STORSIM_INVALID);
    CHECK_EQ(ss_store_attach(ram, store, 1, 0x100, 2), STORSIM_INVALID);
    CHECK_EQ(ss_store_read(ram, store, 2 * PAGE, bytes, 1), STORSIM_INVALID);
    CHECK_EQ(ss_store_write(ram, store, 2 * PAGE - 1, bytes, 2), STORSIM_INVALID);
    CHECK_EQ(ss_store_set(ram, store, 2 * PAGE + 1, 1, 0), STORSIM_INVALID);
    CHECK_EQ(ss_store_read(ram, store, 2 * PAGE, bytes, 0), STORSIM_OK);
    CHECK_EQ(ss_store_write(ram, store, 0, bytes, 0), STORSIM_OK);
    CHECK_EQ(ss_store_set(ram, store, 0, 1, 0), STORSIM_OK);
    CHECK_EQ(ss_store_set(ram, store, 0, 7, 100), STORSIM_OK);
    CHECK_EQ(ss_store_compare(ram, store, 0, 7, 100), 100);
    CHECK_EQ(ss_store_compare(ram, store, 0, 7, 101), 100);
    CHECK_EQ(ss_store_compare(ram, store, 0, 8, 100), 0);
    CHECK_EQ(ss_store_compare(ram, store, 0, 7, 3 * PAGE), 3 * PAGE); /* beyond the end nothing was set */
    ss_store_unexport(ram, store, &written); /* there is no view */
    CHECK_EQ(ss_store_export(ram, store, true, &data), STORSIM_OK);
    ss_store_destroy(ram, store); /* lives on until the view ends */
    CHECK_EQ(ss_store_export(ram, store, true, &data), STORSIM_INVALID);
    data[5000] = 1;
    ss_store_unexport(ram, store, &written);
    CHECK_EQ(written, 5000);
    CHECK_EQ(ss_ram_check(ram), 0);
    ss_ram_destroy(ram);
    ss_ram_destroy(NULL);
    CHECK_EQ(host.live_blocks, 0);
}

static void test_pagemap(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    ss_host_t host;
    ss_pagemap_t map;
    ss_host_init(&host, &hook);
    ss_pagemap_init(&map, &host);
    CHECK_EQ(ss_pagemap_reserve(&map, 5, 0), STORSIM_OK);
    CHECK_EQ(ss_pagemap_set(&map, 5, 0, 1), STORSIM_OK);
    /* Setting without a reservation on a host that refuses: refused, nothing changed. */
    for (uint64_t count = 1; count <= 1u << 17; count = count * 8 + 3) {
        for (unsigned long at = 1; at < 6; at++) {
            state.fail_at = state.requests + at;
            storsim_status_t status = ss_pagemap_set(&map, 1000, count, 7);
            state.fail_at = 0;
            CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
            CHECK_EQ(ss_pagemap_get(&map, 1000 + count - 1), status == STORSIM_OK ? 7 : 0);
            CHECK_EQ(ss_pagemap_get(&map, 1000 + count), 0);
            if (status == STORSIM_OK) {
                ss_pagemap_replace(&map, 1000, count, 7, 0);
            }
            CHECK_EQ(ss_pagemap_get(&map, 1000), 0);
        }
    }
    ss_pagemap_destroy(&map);
    CHECK_EQ(state.live, 0);
}

/* --- going back --------------------------------------------------------------------------------------------------- */

typedef struct inside {
    storsim_machine_t *machine;
    storsim_checkpoint_t *checkpoint;
    uint8_t *bytes;
    size_t length;
    unsigned calls;
} inside_t;

static storsim_status_t from_inside(void *host, storsim_callback_t *callback) {
    inside_t *it = host;
    storsim_checkpoint_t *made = NULL;
    uint8_t *bytes = NULL;
    size_t length;
    (void)callback;
    it->calls++;
    CHECK_EQ(storsim_snapshot(it->machine, &bytes, &length), STORSIM_REENTRY);
    CHECK_EQ(storsim_restore(it->machine, it->bytes, it->length, NULL), STORSIM_REENTRY);
    CHECK_EQ(storsim_checkpoint_take(it->machine, &made), STORSIM_REENTRY);
    CHECK_EQ(storsim_checkpoint_restore(it->machine, it->checkpoint), STORSIM_REENTRY);
    CHECK_EQ(storsim_advance(it->machine, 1), STORSIM_REENTRY);
    CHECK(ss_machine_entered(it->machine));
    return STORSIM_OK;
}

static void test_going_back(void) {
    inside_t it = {.machine = make()};
    static const ss_room_ops_t ops = {.name = "late"};
    storsim_callback_t callback = {.kind = STORSIM_CB_DPC};
    uint8_t *bytes;
    size_t length, where = 9;
    CHECK_EQ(ss_callback(it.machine, &callback), STORSIM_CALLBACK); /* nobody is there to be called */
    CHECK_EQ(storsim_snapshot(it.machine, &it.bytes, &it.length), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_take(it.machine, &it.checkpoint), STORSIM_OK);
    storsim_machine_set_callback(it.machine, from_inside, &it);
    CHECK_EQ(ss_callback(it.machine, &callback), STORSIM_OK);
    CHECK_EQ(it.calls, 1);
    /* Bytes after the end, sealed or not. */
    uint8_t *longer = malloc(it.length + 8);
    CHECK(longer != NULL);
    memcpy(longer, it.bytes, it.length - 8);
    memset(longer + it.length - 8, 0, 16);
    uint64_t sum = ss_snapshot_checksum(longer, it.length);
    for (int i = 0; i < 8; i++) {
        longer[it.length + (size_t)i] = (uint8_t)(sum >> (8 * i));
    }
    CHECK_EQ(storsim_restore(it.machine, longer, it.length + 8, &where), STORSIM_FORMAT);
    CHECK_EQ(where, it.length - 8);
    CHECK_EQ(storsim_restore(it.machine, longer, it.length + 8, NULL), STORSIM_FORMAT);
    CHECK_EQ(storsim_restore(it.machine, longer, 3, NULL), STORSIM_FORMAT);
    free(longer);
    CHECK_EQ(storsim_checkpoint_bytes(it.machine, it.checkpoint, &bytes, &length), STORSIM_OK);
    CHECK(length == it.length && memcmp(bytes, it.bytes, length) == 0);
    storsim_snapshot_free(it.machine, bytes);
    /* A room that came since: neither goes back behind it. */
    CHECK_EQ(ss_room_attach(it.machine, SS_ROOM_JOURNAL, &ops, NULL), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_restore(it.machine, it.checkpoint), STORSIM_FORMAT);
    storsim_checkpoint_free(it.machine, it.checkpoint);
    storsim_checkpoint_free(it.machine, NULL);
    storsim_snapshot_free(it.machine, it.bytes);
    storsim_machine_destroy(it.machine);
}

/* Events in a snapshot are a heap, and none is due before now. */
static void test_events_loaded(void) {
    for (int way = 0; way < 3; way++) {
        storsim_machine_t *m = make();
        uint8_t *good, *bad;
        size_t good_length, bad_length;
        for (uint64_t i = 0; i < 5; i++) {
            CHECK_EQ(ss_event_at(m, 100 + i, SS_ROOM_NT, 1, i, 0, NULL), STORSIM_OK);
        }
        CHECK_EQ(storsim_snapshot(m, &good, &good_length), STORSIM_OK);
        ss_event_t *heap = m->hardware.clock.heap;
        if (way == 0) {
            m->hardware.clock.now = 200;
        } else if (way == 1) {
            heap[4].time = 50;
        }
        CHECK_EQ(storsim_check(m, NULL, 0) != 0, way != 2);
        CHECK_EQ(storsim_snapshot(m, &bad, &bad_length), STORSIM_OK);
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_restore(m, bad, bad_length, NULL), way != 2 ? STORSIM_FORMAT : STORSIM_OK);
        storsim_snapshot_free(m, good);
        storsim_snapshot_free(m, bad);
        storsim_machine_destroy(m);
    }
}

/* Alignments above those that searches remember: groups passed over in vain leave no memo behind. Each word has its
 * first page busy, so that no aligned place is free while every word holds starts. */
static void test_alignment_without_a_class(void) {
    const storsim_memory_run_t run = {UINT64_C(1) << 20, UINT64_C(1) << 17, 0};
    ss_host_t host;
    ss_pages_t *pages;
    uint64_t first = 0;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_pages_create(&host, &run, 1, 1, STORSIM_TOP_DOWN, false, 1, &pages), STORSIM_OK);
    for (uint64_t page = 0; page < run.pages; page += 64) {
        CHECK_EQ(ss_pages_take_at(pages, run.first_pfn + page, 1), STORSIM_OK);
    }
    for (uint64_t align = 64; align <= 4096; align *= 2) {
        const ss_page_request_t request = {.pages = 1, .first_max = UINT64_MAX, .align_pages = align};
        CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_NO_SPACE);
        CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_NO_SPACE);
        CHECK_EQ(first, 0);
    }
    const ss_page_request_t request = {.pages = 1, .first_max = UINT64_MAX, .align_pages = 1024};
    ss_pages_give(pages, run.first_pfn + 2048, 1);
    CHECK_EQ(ss_pages_take(pages, &request, &first), STORSIM_OK);
    CHECK_EQ(first, run.first_pfn + 2048);
    CHECK_EQ(ss_pages_check(pages), 0);
    ss_pages_destroy(pages);
    CHECK_EQ(host.live_blocks, 0);
}

int main(void) {
    test_host();
    test_alignment_without_a_class();
    test_random();
    test_configurations();
    test_memory();
    test_rooms();
    test_findings();
    test_bus();
    test_shadows();
    test_stores();
    test_pagemap();
    test_going_back();
    test_events_loaded();
    return CHECK_DONE();
}
