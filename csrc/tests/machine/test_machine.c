/* The machine as a whole: map rules, reservations, fragmentation, time, lines, bus, faults, sites, findings,
 * snapshot. */
#include "../check.h"
#include "machine/core.h"

#include <string.h>

static storsim_machine_t *machine_with(const storsim_host_t *host) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}, {0, 0xA0000, 0}, {0x500000, 0x100800, 1}};
    storsim_machine_config_t config = {.host = host, .ranges = ranges, .range_count = 3, .seed = 3};
    storsim_machine_t *machine = NULL;
    storsim_status_t status = storsim_machine_create(&config, &machine);
    CHECK(status == STORSIM_OK || (status == STORSIM_NO_MEMORY && machine == NULL));
    return machine;
}

static void map_rules(void) {
    storsim_machine_t *machine = machine_with(NULL);
    size_t count;
    const storsim_memory_run_t *runs = storsim_memory_map(machine, &count);
    CHECK_EQ(count, 3);
    CHECK_EQ(runs[0].first_pfn, 1); /* page 0 is never usable */
    CHECK_EQ(runs[0].pages, 0x9F);
    CHECK_EQ(runs[2].pages, 0x100); /* the half page at the end is rounded away */
    CHECK_EQ(storsim_memory_nodes(machine), 2);
    CHECK_EQ(storsim_memory_free_bytes(machine, STORSIM_NODE_ANY, 0, UINT64_MAX), (0x9Fu + 0x400u + 0x100u) * 4096u);
    CHECK_EQ(storsim_memory_free_bytes(machine, 1, 0, UINT64_MAX), 0x100000);
    CHECK_EQ(storsim_memory_largest_free(machine, 0, UINT64_MAX, 0), 0x400000);
    storsim_machine_destroy(machine);

    static const storsim_range_t overlap[] = {{0x1000, 0x3000, 0}, {0x3000, 0x1000, 0}};
    static const storsim_range_t high[] = {{STORSIM_MEMORY_LIMIT, 0x1000, 0}};
    static const storsim_range_t nothing[] = {{0, 0x1000, 0}};
    static const storsim_range_t node[] = {{0x1000, 0x1000, 64}};
    const storsim_range_t *bad[] = {overlap, high, nothing, node};
    const size_t counts[] = {2, 1, 1, 1};
    for (int i = 0; i < 4; i++) {
        storsim_machine_config_t config = {.ranges = bad[i], .range_count = counts[i]};
        storsim_machine_t *none = NULL;
        CHECK_EQ(storsim_machine_create(&config, &none), STORSIM_INVALID);
        CHECK(none == NULL);
    }
    static const storsim_range_t joined[] = {{0x1800, 0x800, 0}, {0x2000, 0x1800, 0}, {0x3800, 0x800, 1}};
    storsim_machine_config_t config = {.ranges = joined, .range_count = 3};
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    runs = storsim_memory_map(machine, &count);
    CHECK_EQ(count, 1); /* joined before rounding: one page 2; the rest has no whole page */
    CHECK_EQ(runs[0].first_pfn, 2);
    CHECK_EQ(runs[0].pages, 1);
    storsim_machine_destroy(machine);
}

static void reservations(void) {
    storsim_machine_t *machine = machine_with(NULL);
    uint64_t all = storsim_memory_free_bytes(machine, STORSIM_NODE_ANY, 0, UINT64_MAX);
    CHECK_EQ(storsim_memory_reserve(machine, 0x200001, 0x1000), STORSIM_OK); /* outward: two pages */
    CHECK_EQ(storsim_memory_free_bytes(machine, STORSIM_NODE_ANY, 0, UINT64_MAX), all - 0x2000);
    CHECK_EQ(storsim_memory_reserve(machine, 0x201000, 0x1000), STORSIM_INVALID);
    CHECK_EQ(storsim_memory_reserve(machine, 0xA0000, 0x1000), STORSIM_INVALID);
    CHECK_EQ(storsim_memory_reserve(machine, 0x9F000, 0x2000), STORSIM_INVALID);
    CHECK_EQ(storsim_memory_reserve(machine, 0x202000, 0x2000), STORSIM_OK);
    CHECK_EQ(storsim_memory_release(machine, 0x201000, 0x2000), STORSIM_OK); /* out of the middle of two joined ones */
    CHECK_EQ(storsim_memory_release(machine, 0x201000, 0x1000), STORSIM_INVALID);
    CHECK_EQ(storsim_memory_release(machine, 0x200000, 0x1000), STORSIM_OK);
    CHECK_EQ(storsim_memory_release(machine, 0x203000, 0x1000), STORSIM_OK);
    CHECK_EQ(storsim_memory_free_bytes(machine, STORSIM_NODE_ANY, 0, UINT64_MAX), all);
    uint64_t pinned;
    CHECK_EQ(storsim_memory_fragment(machine, 1, 2, 4, 7, &pinned), STORSIM_OK);
    CHECK(pinned >= all / 8192 - 4 && pinned <= all / 8192 + 4);
    CHECK_EQ(storsim_memory_free_bytes(machine, STORSIM_NODE_ANY, 0, UINT64_MAX), all - pinned * 4096);
    CHECK_EQ(storsim_check(machine, NULL, 0), 0);
    storsim_machine_destroy(machine);
}

/* A room that logs what reaches it. */
static uint64_t log_a[64];
static uint64_t log_time[64];
static unsigned log_count;

static storsim_status_t on_event(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    (void)state;
    log_a[log_count] = event->a;
    log_time[log_count++] = storsim_now(machine);
    if (event->kind == 7) {
        return ss_event_at(machine, storsim_now(machine), SS_ROOM_HOST, 1, event->a + 100, 0, NULL);
    }
    if (event->kind == 8) {
        ss_machine_interrupt_seen(machine);
    }
    return STORSIM_OK;
}

static const ss_room_ops_t LOGGER = {.name = "logger", .event = on_event};

static void time_and_order(void) {
    storsim_machine_t *machine = machine_with(NULL);
    uint32_t id, cancelled;
    log_count = 0;
    CHECK_EQ(ss_room_attach(machine, SS_ROOM_HOST, &LOGGER, NULL), STORSIM_OK);
    CHECK_EQ(ss_room_attach(machine, SS_ROOM_HOST, &LOGGER, NULL), STORSIM_INVALID);
    CHECK_EQ(ss_event_at(machine, 50, SS_ROOM_HOST, 1, 1, 0, &id), STORSIM_OK);
    CHECK_EQ(ss_event_at(machine, 20, SS_ROOM_HOST, 7, 2, 0, NULL), STORSIM_OK);
    CHECK_EQ(ss_event_at(machine, 20, SS_ROOM_HOST, 1, 3, 0, NULL), STORSIM_OK);
    CHECK_EQ(ss_event_at(machine, 30, SS_ROOM_HOST, 1, 4, 0, &cancelled), STORSIM_OK);
    CHECK(ss_event_pending(machine, cancelled));
    ss_event_cancel(machine, cancelled);
    CHECK(!ss_event_pending(machine, cancelled));
    CHECK_EQ(storsim_advance(machine, 49), STORSIM_OK);
    CHECK_EQ(storsim_now(machine), 49);
    CHECK_EQ(log_count, 3);
    CHECK(log_a[0] == 2 && log_a[1] == 3 && log_a[2] == 102); /* equal times: in order of scheduling */
    CHECK_EQ(log_time[2], 20);
    CHECK_EQ(storsim_advance(machine, 1), STORSIM_OK);
    CHECK_EQ(log_count, 4);
    CHECK_EQ(storsim_advance(machine, UINT64_MAX), STORSIM_OVERFLOW);
    bool seen = true;
    CHECK_EQ(ss_event_at(machine, 1000, SS_ROOM_HOST, 8, 9, 0, NULL), STORSIM_OK);
    CHECK_EQ(storsim_run_until_interrupt(machine, 100, &seen), STORSIM_OK);
    CHECK(!seen);
    CHECK_EQ(storsim_now(machine), 150);
    CHECK_EQ(storsim_run_until_interrupt(machine, 100000, &seen), STORSIM_OK);
    CHECK(seen);
    CHECK_EQ(storsim_now(machine), 1000);
    storsim_machine_destroy(machine);
}

static void bus(void) {
    storsim_machine_t *machine = machine_with(NULL);
    ss_device_t plain, mapped;
    ss_bus_result_t result;
    uint64_t logical, physical;
    char bytes[16] = {0};
    CHECK_EQ(ss_bus_add_device(machine, false, true, &plain), STORSIM_OK);
    CHECK_EQ(ss_bus_add_device(machine, true, true, &mapped), STORSIM_OK);
    CHECK_EQ(ss_bus_write(machine, plain, 0x100FFE, "abcd", 4, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_OK);
    CHECK_EQ(ss_bus_read(machine, plain, 0x100FFE, bytes, 4, &result), STORSIM_OK);
    CHECK(memcmp(bytes, "abcd", 4) == 0);
    CHECK_EQ(ss_bus_write(machine, plain, 0x9FFFE, "abcd", 4, &result), STORSIM_OK); /* runs into a hole: nothing is written */
    CHECK_EQ(result, SS_BUS_NOT_RAM);
    CHECK_EQ(storsim_memory_read(machine, 0x9FFFE, bytes, 2), STORSIM_OK);
    CHECK_EQ((uint8_t)bytes[0], SS_POISON);
    CHECK_EQ(ss_bus_map(machine, mapped, 0x101, 1, UINT32_MAX, &logical), STORSIM_OK);
    CHECK(logical != 0x101000);
    CHECK(ss_bus_translate(machine, mapped, logical + 5, &physical) && physical == 0x101005);
    CHECK_EQ(ss_bus_write(machine, mapped, logical, "dev", 3, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_OK);
    CHECK_EQ(storsim_memory_read(machine, 0x101000, bytes, 3), STORSIM_OK);
    CHECK(memcmp(bytes, "dev", 3) == 0);
    CHECK_EQ(ss_bus_write(machine, mapped, 0x101000, "dev", 3, &result), STORSIM_OK);
    CHECK_EQ(result, SS_BUS_IOMMU);
    ss_bus_unmap(machine, mapped, logical, 1);
    CHECK(!ss_bus_translate(machine, mapped, logical, &physical));
    /* Not coherent: the CPU's store waits in the shadow until it is flushed. */
    CHECK_EQ(ss_bus_shadow(machine, 0x102, 1, true), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(machine, 0x102000, "cpu", 3), STORSIM_OK);
    CHECK_EQ(ss_bus_read(machine, plain, 0x102000, bytes, 3, &result), STORSIM_OK);
    CHECK(memcmp(bytes, "cpu", 3) != 0);
    CHECK_EQ(ss_bus_cpu_read(machine, 0x102000, bytes, 3), STORSIM_OK);
    CHECK(memcmp(bytes, "cpu", 3) == 0);
    CHECK_EQ(ss_bus_flush(machine, 0x102000, 3), STORSIM_OK);
    CHECK_EQ(ss_bus_read(machine, plain, 0x102000, bytes, 3, &result), STORSIM_OK);
    CHECK(memcmp(bytes, "cpu", 3) == 0);
    CHECK_EQ(ss_bus_write(machine, plain, 0x102000, "dev", 3, &result), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_read(machine, 0x102000, bytes, 3), STORSIM_OK);
    CHECK(memcmp(bytes, "cpu", 3) == 0);
    CHECK_EQ(ss_bus_invalidate(machine, 0x102000, 4096), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_read(machine, 0x102000, bytes, 3), STORSIM_OK);
    CHECK(memcmp(bytes, "dev", 3) == 0);
    CHECK_EQ(ss_bus_read(machine, 99, 0, bytes, 1, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_check(machine, NULL, 0), 0);
    storsim_machine_destroy(machine);
}

static unsigned failures(storsim_machine_t *machine, unsigned calls, uint16_t routine, uint32_t tag, uint64_t bytes) {
    unsigned failed = 0;
    storsim_status_t status;
    for (unsigned i = 0; i < calls; i++) {
        failed += ss_fault(machine, routine, tag, bytes, &status);
        CHECK_EQ(status, STORSIM_OK);
    }
    return failed;
}

static void faults(void) {
    storsim_machine_t *machine = machine_with(NULL);
    uint32_t id;
    storsim_status_t status;
    storsim_fault_rule_t nth = {.kind = STORSIM_FAULT_NTH, .routine = 5, .first = 3};
    CHECK_EQ(storsim_fault_add(machine, &nth, &id), STORSIM_OK);
    CHECK_EQ(failures(machine, 2, 5, 0, 1), 0);
    CHECK_EQ(failures(machine, 9, 6, 0, 1), 0);
    CHECK(ss_fault(machine, 5, 0, 1, &status));
    CHECK_EQ(failures(machine, 9, 5, 0, 1), 0);
    CHECK_EQ(storsim_injected_count(machine), 1);
    CHECK_EQ(storsim_injected_get(machine, 0)->ordinal, 3);
    CHECK_EQ(storsim_fault_points(machine), 21);
    storsim_fault_rule_t filtered = {.kind = STORSIM_FAULT_RANGE, .match_tag = true, .tag = 7, .minimum_bytes = 10, .maximum_bytes = 20,
                                     .first = 2, .last = 3};
    CHECK_EQ(storsim_fault_add(machine, &filtered, &id), STORSIM_OK);
    CHECK_EQ(failures(machine, 5, 1, 7, 9), 0);
    CHECK_EQ(failures(machine, 5, 1, 8, 15), 0);
    CHECK_EQ(failures(machine, 5, 1, 7, 20), 2);
    storsim_fault_pause(machine, true);
    CHECK_EQ(failures(machine, 5, 1, 7, 20), 0);
    storsim_fault_pause(machine, false);
    CHECK_EQ(storsim_fault_remove(machine, id), STORSIM_OK);
    CHECK_EQ(storsim_fault_remove(machine, id), STORSIM_STALE);
    storsim_fault_rule_t chance = {.kind = STORSIM_FAULT_PROBABILITY, .chances = 2500, .seed = 11};
    CHECK_EQ(storsim_fault_add(machine, &chance, &id), STORSIM_OK);
    unsigned failed = failures(machine, 1000, 1, 0, 1);
    CHECK(failed > 180 && failed < 320);
    storsim_fault_rule_t hardware = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_TIMEOUT, .first = 2, .device = 4};
    CHECK_EQ(storsim_fault_add(machine, &hardware, &id), STORSIM_OK);
    CHECK(!ss_hardware_fault(machine, STORSIM_HW_TIMEOUT, 3));
    CHECK(!ss_hardware_fault(machine, STORSIM_HW_REMOVED, 4));
    CHECK(ss_hardware_fault(machine, STORSIM_HW_TIMEOUT, 4));
    CHECK(ss_hardware_fault(machine, STORSIM_HW_TIMEOUT, 4));
    CHECK(!ss_hardware_fault(machine, STORSIM_HW_TIMEOUT, 4));
    storsim_fault_rule_t bad = {.kind = STORSIM_FAULT_RANGE, .first = 3, .last = 2};
    CHECK_EQ(storsim_fault_add(machine, &bad, &id), STORSIM_INVALID);
    storsim_machine_destroy(machine);
}

static const ss_rule_t RULES[] = {{"", "", "", ""}, {"SAMPLE", "A rule.", "A fix.", "model choice"}};

static void findings_and_sites(void) {
    storsim_machine_t *machine = machine_with(NULL);
    CHECK_EQ(ss_rules_register(machine, SS_ROOM_HOST, RULES, 2), STORSIM_OK);
    uint32_t a, b;
    for (uint64_t i = 0; i < 500; i++) {
        CHECK_EQ(storsim_site_intern(machine, i, i * i, &a), STORSIM_OK);
        CHECK_EQ(a, i + 1);
    }
    CHECK_EQ(storsim_site_intern(machine, 3, 9, &b), STORSIM_OK);
    CHECK_EQ(b, 4);
    storsim_set_site(machine, b);
    storsim_finding_t draft = {.kind = STORSIM_RULE_VIOLATION, .expected = 8192, .got = 4096};
    CHECK(ss_report(machine, SS_ROOM_HOST, 1, &draft) != NULL);
    const storsim_finding_t *finding = storsim_finding_get(machine, 0);
    CHECK_EQ(finding->site, 4);
    char text[400];
    size_t length = storsim_finding_text(machine, finding, text, sizeof text);
    CHECK(length < sizeof text && strstr(text, "SAMPLE: expected 0x2000 (8192), got 0x1000 (4096)") != NULL);
    CHECK(strstr(text, "Fix: A fix.") != NULL && strstr(text, "site 4") != NULL);
    CHECK_EQ(storsim_finding_text(machine, finding, text, 10), length);
    CHECK_EQ(storsim_finding_text(machine, finding, NULL, 0), length);
    storsim_finding_t stop = {.code = 0xC4, .parameters = {0x62, 0, 0, 3}};
    CHECK_EQ(ss_stop(machine, SS_ROOM_HOST, 1, &stop), STORSIM_BUGCHECK);
    CHECK_EQ(ss_machine_alive(machine), STORSIM_STOPPED);
    CHECK_EQ(storsim_advance(machine, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_memory_reserve(machine, 0x100000, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_stopped(machine)->parameters[3], 3);
    CHECK(storsim_finding_get(machine, 2) == NULL);
    CHECK_EQ(storsim_trace_total(machine), 2);
    storsim_machine_destroy(machine);
}

/* Everything that asks for host memory, in one scenario; the caller fails each request in turn. */
static const char scenario_bytes[200] = "moved across a page border";

static storsim_status_t scenario(storsim_machine_t *machine) {
    uint64_t pinned, logical;
    uint32_t id, line;
    ss_device_t device;
    ss_bus_result_t result;
#define STEP(call)                          \
    do {                                    \
        storsim_status_t step_ = (call);    \
        if (step_ != STORSIM_OK) {          \
            return step_;                   \
        }                                   \
    } while (0)
    STEP(storsim_memory_reserve(machine, 0x200000, 0x3000));
    STEP(storsim_memory_release(machine, 0x201000, 0x1000));
    STEP(storsim_memory_fragment(machine, 1, 4, 2, 1, &pinned));
    STEP(storsim_memory_write(machine, 0x1000, "x", 1));
    STEP(ss_bus_add_device(machine, true, false, &device));
    STEP(ss_bus_map(machine, device, 0x101, 2, UINT64_MAX, &logical));
    STEP(ss_bus_write(machine, device, logical + 4000, scenario_bytes, sizeof scenario_bytes, &result));
    STEP(ss_bus_shadow(machine, 0x101, 2, true));
    STEP(ss_bus_cpu_write(machine, 0x101000, "y", 1));
    STEP(ss_event_at(machine, 10, SS_ROOM_HOST, 1, 1, 0, NULL));
    STEP(ss_line_add(machine, &line));
    STEP(ss_line_set(machine, line, true));
    STEP(storsim_site_intern(machine, 1, 2, &id));
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .first = 1};
    STEP(storsim_fault_add(machine, &rule, &id));
    storsim_status_t status;
    (void)ss_fault(machine, 1, 0, 1, &status);
    STEP(status);
    return STORSIM_OK;
}

static void every_allocation_fails(void) {
    for (unsigned long fail = 1;; fail++) {
        failing_host_t failing = {0, fail, 0, 0};
        storsim_host_t hook = FAILING_HOOK(&failing);
        storsim_machine_t *machine = machine_with(&hook);
        storsim_status_t status = STORSIM_NO_MEMORY;
        if (machine != NULL) {
            status = scenario(machine);
            CHECK_EQ(storsim_check(machine, NULL, 0), 0);
            storsim_machine_destroy(machine);
        }
        CHECK_EQ(failing.live, 0);
        if (failing.requests < fail) {
            CHECK_EQ(status, STORSIM_OK);
            CHECK(fail > 30);
            return;
        }
        /* Only the trace may lose an entry without a word. */
        CHECK(status == STORSIM_NO_MEMORY || status == STORSIM_OK);
    }
}

static void snapshot(void) {
    failing_host_t failing = {0, 0, 0, 0};
    storsim_host_t hook = FAILING_HOOK(&failing);
    storsim_machine_t *machine = machine_with(&hook);
    CHECK_EQ(ss_rules_register(machine, SS_ROOM_HOST, RULES, 2), STORSIM_OK);
    CHECK_EQ(scenario(machine), STORSIM_OK);
    uint8_t *bytes, *again;
    size_t length, length2, where = 0;
    uint64_t before, after;
    CHECK_EQ(storsim_snapshot(machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_digest(machine, &before), STORSIM_OK);
    uint64_t pinned;
    CHECK_EQ(storsim_memory_fragment(machine, 1, 2, 1, 5, &pinned), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(machine, 0x101000, "changed", 7), STORSIM_OK);
    storsim_finding_t stop = {.code = 1};
    CHECK_EQ(ss_stop(machine, SS_ROOM_HOST, 1, &stop), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
    CHECK(after != before);
    CHECK_EQ(storsim_restore(machine, bytes, length, &where), STORSIM_OK);
    CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
    CHECK_EQ(after, before);
    CHECK_EQ(ss_machine_alive(machine), STORSIM_OK);
    CHECK_EQ(storsim_check(machine, NULL, 0), 0);
    CHECK_EQ(storsim_snapshot(machine, &again, &length2), STORSIM_OK);
    CHECK_EQ(length2, length);
    CHECK(memcmp(bytes, again, length) == 0); /* restore equals never having left */
    storsim_snapshot_free(machine, again);
    /* Damage: every flipped bit is noticed, nothing changes. */
    for (size_t at = 0; at < length; at += 61) {
        bytes[at] ^= 4;
        CHECK_EQ(storsim_restore(machine, bytes, length, &where), STORSIM_FORMAT);
        bytes[at] ^= 4;
    }
    for (size_t cut = 0; cut < 200 && cut < length; cut++) {
        CHECK_EQ(storsim_restore(machine, bytes, cut, NULL), STORSIM_FORMAT);
    }
    CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
    CHECK_EQ(after, before);
    /* Host memory runs out in the middle of a restore: the machine is as it was. */
    for (unsigned long fail = 1;; fail++) {
        failing.requests = 0;
        failing.fail_at = fail;
        storsim_status_t status = storsim_restore(machine, bytes, length, NULL);
        failing.fail_at = 0;
        CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
        CHECK_EQ(after, before);
        if (status == STORSIM_OK) {
            break;
        }
        CHECK_EQ(status, STORSIM_NO_MEMORY);
    }
    storsim_snapshot_free(machine, bytes);
    storsim_machine_destroy(machine);
    CHECK_EQ(failing.live, 0);
}

int main(void) {
    map_rules();
    reservations();
    time_and_order();
    bus();
    faults();
    findings_and_sites();
    every_allocation_fails();
    snapshot();
    return CHECK_DONE();
}
