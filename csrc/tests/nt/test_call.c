/* The call frame, levels of strictness, findings' circumstances, overrides, configuration, events. */
#include "world.h"

/* Without a configuration the documented defaults hold. */
static void defaults(void) {
    world_t w;
    storsim_nt_config_t plain;
    world_init(&w);
    storsim_nt_config_init(&plain);
    CHECK_EQ(storsim_machine_create(&w.hardware, &w.machine), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(w.machine, NULL), STORSIM_OK);
    CHECK_EQ(storsim_nt_config(w.machine)->level, plain.level);
    CHECK_EQ(storsim_nt_config(w.machine)->quarantine, plain.quarantine);
    CHECK_EQ(storsim_nt_boot(w.machine, NULL), STORSIM_INVALID); /* once */
    storsim_machine_destroy(w.machine);
}

static void configuration(void) {
    world_t w;
    world_init(&w);
    CHECK_EQ(storsim_machine_create(&w.hardware, &w.machine), STORSIM_OK);
    CHECK(storsim_nt_config(w.machine) == NULL);
    storsim_nt_config_t bad = w.config;
    bad.os = 0x0A000009;
    CHECK_EQ(storsim_nt_boot(w.machine, &bad), STORSIM_INVALID);
    bad = w.config;
    bad.cpus = 65;
    CHECK_EQ(storsim_nt_boot(w.machine, &bad), STORSIM_INVALID);
    bad = w.config;
    bad.verifier = 0x100;
    CHECK_EQ(storsim_nt_boot(w.machine, &bad), STORSIM_INVALID);
    bad = w.config;
    bad.level = (storsim_level_t)3;
    CHECK_EQ(storsim_nt_boot(w.machine, &bad), STORSIM_INVALID);
    w.config.os = w.config.cpus = 0;
    CHECK_EQ(storsim_nt_boot(w.machine, &w.config), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(w.machine, &w.config), STORSIM_INVALID); /* once */
    const storsim_nt_config_t *config = storsim_nt_config(w.machine);
    CHECK(config->os == 0x0A000010 && config->cpus == 1 && config->verifier == 0 && config->quarantine == 64 << 20);
    world_end(&w);
    storsim_nt_config_init(&bad);
    CHECK_EQ(bad.level, STORSIM_VERIFIER);
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) { /* ruling R10 */
        world_start(&w, (storsim_level_t)level);
        CHECK_EQ(ss_verifying(w.machine, STORSIM_V_DMA), level != STORSIM_RELEASE);
        CHECK_EQ(ss_verifying(w.machine, STORSIM_V_POOL_TRACKING | STORSIM_V_FORCE_IRQL), level != STORSIM_RELEASE);
        CHECK(!ss_verifying(w.machine, STORSIM_V_SPECIAL_POOL | STORSIM_V_LOW_RESOURCES | STORSIM_V_SYSTEMATIC));
        CHECK_EQ(ss_at_least(w.machine, STORSIM_STRICT), level == STORSIM_STRICT);
        world_end(&w);
    }
    CHECK(strcmp(storsim_bugcheck_name(0x50), "PAGE_FAULT_IN_NONPAGED_AREA") == 0);
    CHECK(strcmp(storsim_bugcheck_name(1), "UNKNOWN") == 0);
}

static void frames(void) {
    world_t w;
    world_start(&w, STORSIM_STRICT);
    const ss_where_t *where = ss_machine_where(w.machine);
    storsim_set_site(w.machine, 3);
    frame_t outer, inner;
    const uint64_t first = storsim_trace_total(w.machine);
    begin(&w, &outer, "StorPortAllocatePool", 4);
    CHECK_EQ(where->routine, routine("StorPortAllocatePool")->id);
    memset(&inner, 0, sizeof inner);
    inner.args[0].value = 0x1111;
    inner.args[1].value = 0x2222;
    storsim_set_site(w.machine, 8);
    CHECK_EQ(ss_call_begin(&inner.call, w.machine, routine("StorPortFreePool"), inner.args), STORSIM_OK);
    CHECK(inner.call.outer == &outer.call);
    CHECK_EQ(where->args[1], 0x2222);
    inner.call.owner = 6;
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    const ss_detail_t detail = {.expected = 1, .got = 2, .address = 3, .allocated_at = 4, .freed_at = 5};
    ss_note(&inner.call, SS_HMB_ABOVE_APC, &detail);
    CHECK(!inner.call.raised);
    ss_violate(&inner.call, SS_NULL_OUTPUT, &(ss_detail_t){.no_raise = true});
    CHECK(!inner.call.raised);
    ss_violate(&inner.call, SS_NULL_OUTPUT, &detail);
    CHECK(inner.call.raised && !outer.call.raised);
    inner.call.result = 0x77;
    CHECK_EQ(ss_call_end(&inner.call), STORSIM_VIOLATION);
    CHECK_EQ(where->routine, routine("StorPortAllocatePool")->id);
    CHECK_EQ(where->irql, 2); /* levels are the CPU's, not the frame's */
    CHECK_EQ(ss_call_end(&outer.call), STORSIM_OK);
    CHECK_EQ(where->routine, 0);
    const storsim_finding_t *finding = last_finding(&w);
    CHECK(finding->kind == STORSIM_RULE_VIOLATION && finding->routine == routine("StorPortFreePool")->id &&
          finding->irql == 2 && finding->owner == 6 && finding->site == 8 && finding->expected == 1 &&
          finding->got == 2 && finding->address == 3 && finding->allocated_at == 4 && finding->freed_at == 5 &&
          finding->args[0] == 0x1111 && finding->arg_count == 2);
    storsim_trace_entry_t entry = {0};
    bool seen = false;
    for (size_t i = 0; i < storsim_trace_count(w.machine); i++) {
        CHECK(storsim_trace_get(w.machine, i, &entry));
        CHECK_EQ(entry.sequence, i);
        seen = seen || (entry.kind == STORSIM_TRACE_CALL && entry.values[0] == 0x77 && entry.values[1] == 0x2222 &&
                        entry.inside >= 3); /* the level and both findings */
    }
    CHECK(seen);
    CHECK_EQ(entry.kind, STORSIM_TRACE_CALL); /* the outer call ended last and began first */
    CHECK_EQ(entry.inside, entry.sequence - first);
    world_end(&w);
}

static void limits(void) {
    world_t w;
    world_init(&w);
    w.config.os = 0x06000000;
    world_boot(&w);
    frame_t frame;
    const ss_call_t *call = begin(&w, &frame, "StorPortAllocateDmaMemory", 1);
    uint16_t id = call->routine->id;
    CHECK(!ss_call_present(call));
    CHECK_EQ(storsim_override_first_os(w.machine, id, 0x06000000), STORSIM_OK);
    CHECK(ss_call_present(call));
    CHECK(ss_call_irql_ok(call));
    CHECK_EQ(storsim_override_irql(w.machine, id, 1, 0), STORSIM_INVALID);
    CHECK_EQ(storsim_override_irql(w.machine, 0, 0, 1), STORSIM_INVALID);
    CHECK_EQ(storsim_override_irql(w.machine, id, 1, 3), STORSIM_OK);
    CHECK(!ss_call_irql_ok(call));
    CHECK_EQ(storsim_set_irql(w.machine, 3, NULL), STORSIM_OK);
    CHECK(ss_call_irql_ok(call));
    CHECK_EQ(storsim_set_irql(w.machine, 4, NULL), STORSIM_OK);
    CHECK(!ss_call_irql_ok(call));
    CHECK_EQ(ss_call_end(&frame.call), STORSIM_OK);
    size_t count; /* every routine there is has limits of its own, the first and the last as well */
    const storsim_routine_t *table = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(storsim_override_irql(w.machine, table[i].id, 0, 1), STORSIM_OK);
        CHECK_EQ(storsim_override_first_os(w.machine, table[i].id, 0x06000000), STORSIM_OK);
    }
    CHECK_EQ(storsim_override_irql(w.machine, (uint16_t)(table[count - 1].id + 1), 0, 1), STORSIM_INVALID);
    world_end(&w);
}

static void events(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t start = world_digest(&w), event, other;
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    CHECK_EQ(storsim_event_create(w.machine, &other), STORSIM_OK);
    CHECK(!storsim_event_signaled(w.machine, event));
    uint64_t clear = world_digest(&w);
    CHECK_EQ(storsim_event_set(w.machine, event), STORSIM_OK);
    CHECK_EQ(storsim_event_set(w.machine, event), STORSIM_OK);
    CHECK(storsim_event_signaled(w.machine, event) && !storsim_event_signaled(w.machine, other));
    CHECK(world_digest(&w) != clear);
    uint8_t state;
    CHECK_EQ(storsim_read_va(w.machine, event + 4, &state, 1), STORSIM_OK); /* SignalState */
    CHECK_EQ(state, 1);
    CHECK_EQ(storsim_event_clear(w.machine, event), STORSIM_OK);
    CHECK_EQ(world_digest(&w), clear);
    uint64_t pool = va_of(&w, pool_get(&w, 24, TAG, STORSIM_OK));
    static const uint64_t none[] = {0, 1, UINT64_MAX};
    for (size_t i = 0; i < 5; i++) {
        uint64_t address = i < 3 ? none[i] : i == 3 ? pool : event + 8;
        CHECK_EQ(storsim_event_set(w.machine, address), STORSIM_STALE);
        CHECK_EQ(storsim_event_clear(w.machine, address), STORSIM_STALE);
        CHECK_EQ(storsim_event_destroy(w.machine, address), STORSIM_STALE);
        CHECK(!storsim_event_signaled(w.machine, address));
    }
    pool_put(&w, pool, STORSIM_OK);
    CHECK_EQ(storsim_event_destroy(w.machine, event), STORSIM_OK);
    CHECK_EQ(storsim_event_destroy(w.machine, event), STORSIM_STALE);
    CHECK_EQ(storsim_event_destroy(w.machine, other), STORSIM_OK);
    CHECK_EQ(world_digest(&w), start);
    world_end(&w);
}

/* Every rule says what it is, what to do, and where it is written. */
static void rules(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_call_t call;
    for (int rule = 1; rule < SS_RULE_COUNT; rule++) {
        CHECK_EQ(ss_call_begin(&call, w.machine, NULL, NULL), STORSIM_OK);
        ss_violate(&call, (ss_rule_id_t)rule, NULL);
        CHECK_EQ(ss_call_end(&call), STORSIM_OK);
        const storsim_finding_t *finding = last_finding(&w);
        CHECK(finding->name[0] != '\0' && finding->rule[0] != '\0' && finding->fix[0] != '\0' &&
              finding->source[0] != '\0');
        for (int earlier = 1; earlier < rule; earlier++) {
            CHECK(strcmp(storsim_finding_get(w.machine, (size_t)earlier - 1)->name, finding->name) != 0);
        }
    }
    world_end(&w);
}

int main(void) {
    defaults();
    configuration();
    frames();
    limits();
    events();
    rules();
    return CHECK_PINNED(nt_test_call);
}
