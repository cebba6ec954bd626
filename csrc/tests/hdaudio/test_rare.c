/* tests/hdaudio/test_rare.c: answers of the bus driver that need a rare part, a rare policy or a rare moment: more
 * streams than stream ids, codecs full of function groups, tables of another Windows, two calls that fail in one, a
 * chip that goes while it is started. */
#include "tests/hdaudio/world.h"

#include "hdaudio/bus.h"

static ss_busdriver_t *bus_of(const world_t *w) {
    return ss_bus_of_controller(w->machine, w->controller);
}

/* --- arguments and the room --------------------------------------------------------------------------------------- */

static void test_without_a_room(void) {
    static const storsim_range_t range = {UINT64_C(1) << 20, UINT64_C(64) << 20, 0};
    const storsim_machine_config_t shape = {.ranges = &range, .range_count = 1, .seed = 1};
    storsim_nt_config_t nt;
    storsim_machine_t *m;
    storsim_arg_t none[STORSIM_MAX_PARAMS] = {{0}};
    uint64_t result = 5;
    storsim_nt_config_init(&nt);
    CHECK_EQ(storsim_machine_create(&shape, &m), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_prepare(m), STORSIM_INVALID); /* before the kernel is there */
    CHECK_EQ(storsim_nt_boot(m, &nt), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_call(m, 1, storsim_ddi_routine(STORSIM_ID_FreeDmaEngine), none, &result), STORSIM_INVALID);
    CHECK_EQ(result, 0);
    CHECK_EQ(storsim_hdaudio_prepare(m), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_call(m, 1, storsim_ddi_routine(STORSIM_ID_FreeDmaEngine), none, &result), STORSIM_OK);
    CHECK_EQ(result, ST(NSD));
    storsim_routine_t foreign = *storsim_ddi_routine(STORSIM_ID_FreeDmaEngine); /* of the family, with a number of another */
    foreign.id = STORSIM_ID_StorPortFreePool;
    CHECK_EQ(storsim_hdaudio_call(m, 1, &foreign, none, &result), STORSIM_INVALID);
    storsim_machine_destroy(m);
}

static void test_pure(void) {
    static storsim_hdaudio_entry_t entries[256];
    CHECK_EQ(storsim_hdaudio_plan(UINT64_C(2) << 20, 0, false, entries), 256); /* as many as a list holds */
    CHECK_EQ(entries[255].address, 255 * 4096);
    CHECK_EQ(storsim_hdaudio_plan(1, 2, false, entries), 1); /* nothing to halve */
    CHECK(entries[0].length == 1 && entries[0].ioc == 1);
}

/* --- streams and their numbers ------------------------------------------------------------------------------------ */

static void test_more_streams_than_numbers(void) {
    world_config_t config = world_defaults();
    config.hda.capture = 1, config.hda.render = 0, config.hda.bidirectional = 20;
    config.hda.outpay = 4000;
    world_t *w = world_make(&config);
    for (int i = 0; i < 15; i++) {
        CHECK_EQ(render(w, w->context, fmt(8000, 8, 8, 1), 0, NULL, NULL), 0);
    }
    CHECK_EQ(render(w, w->context, fmt(8000, 8, 8, 1), 0, NULL, NULL), ST(IR));
    world_check(w);
    world_end(w);
    /* Fifteen inputs have every number that an input can have: a bidirectional descriptor has none left for another. */
    config = world_defaults();
    config.hda.capture = 15, config.hda.render = 1, config.hda.bidirectional = 2;
    config.hda.inpay = 4000;
    w = world_make(&config);
    for (int i = 0; i < 15; i++) {
        CHECK_EQ(capture(w, w->context, 0, fmt(8000, 8, 8, 1), NULL), 0);
    }
    CHECK_EQ(capture(w, w->context, 0, fmt(8000, 8, 8, 1), NULL), ST(IR));
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), 0);
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), 0); /* the other direction has */
    world_check(w);
    world_end(w);
}

/* A client that asks for four lines on a part that has two. */
static void test_stripes(void) {
    world_config_t config = world_defaults();
    config.bus.stripe_lines = 4;
    config.hda.sdo_lines = 2;
    world_t *w = world_make(&config);
    uint64_t handle = 0;
    CHECK_EQ(render(w, w->context, stereo(), 1, &handle, NULL), 0);
    CHECK_EQ(allocate_d(w, w->context, handle, 4096, NULL), 0);
    storsim_engine_info_t info = engine(w, handle);
    uint64_t control = 0;
    CHECK(info.striped);
    CHECK_EQ(storsim_hda_mmio_read(w->machine, w->controller, SS_SD + SS_SD_STEP * info.descriptor + SS_SD_CTL2, 1, &control), STORSIM_OK);
    CHECK_EQ(control & 3, 1); /* two lines */
    world_end(w);
}

static void test_not_started(void) {
    world_config_t config = world_defaults();
    config.no_query = true;
    world_t *w = world_make(&config);
    uint32_t used = 7, capacity = 7;
    CHECK(!storsim_hdaudio_bandwidth(w->machine, w->controller, 0, &used, &capacity));
    CHECK(used == 7 && capacity == 7);
    world_end(w);
}

/* The resources fit and the state does not: under the other order of checks it is the state that answers. */
static void test_state_last(void) {
    world_config_t config = world_defaults();
    config.bus.policy.state_before_resources = STORSIM_STATE_FIRST_FALSE;
    world_t *w = world_make(&config);
    prepared_t made = prepare(w, w->context, STORSIM_ENGINE_RD);
    CHECK_EQ(change(w, w->context, made.handle, fmt(96000, 24, 32, 2), NULL), ST(IDR));
    CHECK_EQ(engine(w, made.handle).format.SampleRate, 48000);
    discard(w, w->context, &made);
    world_end(w);
}

static void test_large_buffer(void) {
    world_t *w = world_make(NULL);
    uint64_t handle = 0;
    buffer_t buffer = {0};
    uint8_t bytes[4];
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(allocate_c(w, w->context, handle, 5u << 20, &buffer), 0);
    CHECK_EQ(storsim_read_va(w->machine, buffer.data, bytes, 4), STORSIM_OK);
    CHECK(bytes[0] != 0xDD || bytes[1] != 0xDD || bytes[2] != 0xDD || bytes[3] != 0xDD); /* too large to be poisoned */
    CHECK_EQ(free_c(w, w->context, handle), 0);
    world_end(w);
}

static void test_entry_before_the_buffer(void) {
    world_t *w = world_make(NULL);
    uint64_t handle = 0;
    buffer_t buffer = {0};
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(allocate_c(w, w->context, handle, 8192, &buffer), 0);
    entry(w, &buffer, 0, (uint64_t)0 - 128, 4096, 0);
    entry(w, &buffer, 1, 4096, 4096, 1);
    CHECK_EQ(setup(w, w->context, handle, 8192, 1, 0x150, &buffer), ST(IP));
    CHECK_EQ(state(w, handle), STORSIM_ENGINE_RC);
    world_end(w);
}

/* From reset to running at once, with a list of the client's own. */
static void test_direct(void) {
    world_config_t config = world_defaults();
    config.bus.policy.direct_transition = STORSIM_DIRECT_SKL;
    world_t *w = world_make(&config);
    prepared_t made = prepare(w, w->context, STORSIM_ENGINE_RB);
    CHECK_EQ(set_state(w, w->context, RUN, made.handle), 0);
    CHECK_EQ(state(w, made.handle), STORSIM_ENGINE_XB);
    advance(w, 50);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 0);
    /* Running and not to be trusted: the reset that this policy ignores does not touch it. */
    uint32_t n = 0;
    (void)ss_bus_of_handle(w->machine, made.handle, &n);
    bus_of(w)->engines[n].suspect = true;
    CHECK_EQ(set_state(w, w->context, RESET, made.handle), 0);
    CHECK_EQ(state(w, made.handle), STORSIM_ENGINE_XB);
    CHECK(engine(w, made.handle).suspect);
    world_end(w);
}

/* --- what a client learns ----------------------------------------------------------------------------------------- */

static void test_device_information(void) {
    static const uint8_t tables[] = {STORSIM_TABLES_ALL, STORSIM_TABLES_VISTA, STORSIM_TABLES_W10_1903, STORSIM_TABLES_XP};
    for (size_t i = 0; i < sizeof tables; i++) {
        world_config_t config = world_defaults();
        config.bus.policy.tables = tables[i];
        config.no_query = true;
        world_t *w = world_make(&config);
        uint64_t context = world_query(w, STORSIM_TABLE_V1, 0);
        storsim_device_information_t info = {.Size = 14};
        CHECK_EQ(information(w, context, &info), 0);
        bool new = tables[i] == STORSIM_TABLES_ALL || tables[i] == STORSIM_TABLES_W10_1903;
        CHECK_EQ(info.Size, new ? 14 : 10);
        CHECK_EQ(info.CtrlVendorId, new ? 0x8086 : 0);
        world_end(w);
    }
}

static void test_references(void) {
    world_t *w = world_make(NULL);
    uint64_t handle = 0, event = 0;
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    CHECK_EQ(event_on(w, w->context, handle, event), 0);
    CHECK_EQ(callback_on(w, w->context, handle, 0x10, 2, 3), 0);
    CHECK_EQ(callback_on(w, w->context, handle, 0x20, 2, 3), 0);
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 0x10), 1);
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 0), 0); /* an event has no device object */
    world_end(w);
}

/* --- finding codecs ----------------------------------------------------------------------------------------------- */

static world_t *make_described(const storsim_codec_config_t *codec, uint32_t *ntstatus) {
    world_config_t config = world_defaults();
    config.codecs = 0;
    config.no_query = true;
    world_t *w = world_make(&config);
    CHECK_EQ(storsim_codec_add(w->machine, w->controller, 0, codec), STORSIM_OK);
    *ntstatus = 1;
    CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &w->context, ntstatus), STORSIM_OK);
    return w;
}

/* A modem before the audio function: the audio function comes first all the same. */
static void test_audio_first(void) {
    static const storsim_codec_parameter_t root[] = {{0x04, 0x00010003}}, modem[] = {{0x05, 2}}, audio[] = {{0x05, 1}};
    static const storsim_codec_node_t nodes[] = {{.nid = 0, .parameters = root, .parameter_count = 1},
                                                 {.nid = 1, .parameters = modem, .parameter_count = 1},
                                                 {.nid = 2, .parameters = modem, .parameter_count = 1},
                                                 {.nid = 3, .parameters = audio, .parameter_count = 1}};
    const storsim_codec_config_t codec = {.nodes = nodes, .node_count = 4};
    uint32_t ntstatus;
    world_t *w = make_described(&codec, &ntstatus);
    CHECK_EQ(ntstatus, 0);
    const ss_busdriver_t *bus = bus_of(w);
    CHECK_EQ(bus->function_count, 3);
    CHECK(bus->functions[0].node == 3 && bus->functions[1].node == 1 && bus->functions[2].node == 2);
    world_end(w);
}

/* More function groups than the driver has room for, and some whose numbers would go beyond the last node. */
static void test_many_functions(void) {
    for (int way = 0; way < 2; way++) {
        const storsim_codec_parameter_t root[] = {{0x04, way == 0 ? 0x000100FFu : 0x00FE0005u}};
        const storsim_codec_node_t nodes[] = {{.nid = 0, .parameters = root, .parameter_count = 1}};
        const storsim_codec_config_t codec = {.nodes = nodes, .node_count = 1};
        uint32_t ntstatus;
        world_t *w = make_described(&codec, &ntstatus);
        CHECK_EQ(ntstatus, 0);
        CHECK_EQ(bus_of(w)->function_count, way == 0 ? SS_MAX_FUNCTIONS : 2);
        world_end(w);
    }
}

static uint32_t asked_status, asked;
static void asks_again(world_t *w, storsim_callback_t *callback) {
    uint64_t context;
    if (callback->kind == STORSIM_CB_CODEC_VERB && asked++ == 0) {
        CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 1, &context, &asked_status), STORSIM_OK);
    }
}

/* A codec that the host plays asks for an interface while the bus driver is coming up, which has none to give yet. */
static void test_query_while_starting(void) {
    world_config_t config = world_defaults();
    config.codecs = 0;
    config.no_query = true;
    world_t *w = world_make(&config);
    const storsim_codec_config_t codec = {.host_verb = 9};
    CHECK_EQ(storsim_codec_add(w->machine, w->controller, 0, &codec), STORSIM_OK);
    asked = asked_status = 0;
    w->on_callback = asks_again;
    w->context = world_query(w, STORSIM_TABLE_V3, 0);
    CHECK(asked > 0);
    CHECK_EQ(asked_status, ST(NSD));
    world_end(w);
}

/* --- parts that do not come up ------------------------------------------------------------------------------------ */

static void test_small_rings(void) {
    for (int way = 0; way < 2; way++) {
        world_config_t config = world_defaults();
        config.hda.corb_sizes = way == 0 ? 3 : 7;
        config.hda.rirb_sizes = way == 1 ? 3 : 7;
        config.no_query = true;
        world_t *w = world_make(&config);
        uint64_t context = 0;
        uint32_t ntstatus = 0;
        CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_OK);
        CHECK_EQ(ntstatus, ST(NSD));
        CHECK(!storsim_hdaudio_started(w->machine, w->controller, NULL));
        world_check(w);
        world_end(w);
    }
}

/* The part goes at every moment of its start: there is no device then, or it was up already. */
static void test_gone_while_starting(void) {
    unsigned failed = 0, started = 0;
    for (uint64_t after = 0; after < 60000; after += 400) {
        world_config_t config = world_defaults();
        config.no_query = true;
        world_t *w = world_make(&config);
        const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_REMOVED, .not_before = after};
        uint64_t context = 0;
        uint32_t id, ntstatus = 0;
        CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
        CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_OK);
        CHECK(ntstatus == 0 || ntstatus == ST(NSD));
        failed += ntstatus != 0;
        started += ntstatus == 0;
        world_check(w);
        world_end(w);
    }
    CHECK(failed > 10 && started > 10);
}

/* --- moments ------------------------------------------------------------------------------------------------------ */

/* An interrupt of a stream that is nobody's: somebody programmed it behind the driver's back. */
static void test_strange_stream(void) {
    world_t *w = world_make(NULL);
    const uint32_t base = SS_SD + SS_SD_STEP * 4; /* the first output */
    uint8_t list[32] = {0};
    const struct {
        uint32_t offset, bytes, value;
    } stores[] = {{SS_SD_CTL2, 1, 0x10}, {SS_SD_FMT, 2, 0x11}, {SS_SD_CBL, 4, 512},      {SS_SD_LVI, 2, 1},
                  {SS_SD_BDPL, 4, 0x200000}, {SS_SD_BDPU, 4, 0}, {SS_SD_CTL, 1, 0x06}};
    for (uint32_t i = 0; i < 2; i++) {
        put32(list + 16 * i, 0x300000 + 256 * i);
        put32(list + 16 * i + 8, 256);
        put32(list + 16 * i + 12, 1);
    }
    CHECK_EQ(storsim_memory_write(w->machine, 0x200000, list, sizeof list), STORSIM_OK);
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        CHECK_EQ(storsim_hda_mmio_write(w->machine, w->controller, base + stores[i].offset, stores[i].bytes, stores[i].value), STORSIM_OK);
    }
    advance(w, 200);
    uint64_t status = 0xFF;
    CHECK_EQ(storsim_hda_mmio_read(w->machine, w->controller, base + SS_SD_STS, 1, &status), STORSIM_OK);
    CHECK_EQ(status & SS_STS_BCIS, 0); /* cleared, and nobody was told */
    CHECK_EQ(w->heard_count, 0);
    world_end(w);
}

/* A response that found no room in the ring: what waits for it ends with the overrun told. */
static void test_overrun(void) {
    world_t *w = world_make(NULL);
    storsim_codec_transfer_t item = {.Output = 0x000F0000};
    inject(w, STORSIM_HW_RIRB_OVERRUN);
    CHECK_EQ(verbs(w, w->context, &item, 1, 0, 0), 0);
    CHECK_EQ(item.Input, SS_RESPONSE_OVERRUN);
    CHECK_EQ(verbs(w, w->context, &item, 1, 0, 0), 0);
    CHECK((item.Input & SS_RESPONSE_VALID) != 0);
    /* What else comes meanwhile does not make it forgotten. */
    uint8_t tag = 0;
    CHECK_EQ(tag_on(w, w->context, 5, 6, &tag), 0);
    inject(w, STORSIM_HW_RIRB_OVERRUN);
    CHECK_EQ(verbs(w, w->context, &item, 1, 7, 8), 0);
    advance(w, 10);
    CHECK_EQ(storsim_codec_unsolicited(w->machine, w->controller, 0, tag, 1), STORSIM_OK);
    advance(w, 2000);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_UNSOLICITED), 1);
    CHECK_EQ(heard_nth(w, STORSIM_CB_HDA_TRANSFER, 0)->items[0].Input, SS_RESPONSE_OVERRUN);
    world_end(w);
}

/* The client writes into its own list while the stream runs: at strict the interrupt answers for it, whatever else
 * happens in it. */
static void test_list_changed_in_interrupt(void) {
    world_config_t config = world_defaults();
    config.nt.level = STORSIM_STRICT;
    world_t *w = world_make(&config);
    prepared_t made = prepare(w, w->context, STORSIM_ENGINE_XB);
    advance(w, 5);
    entry(w, &made.buffer, 0, 0, 4096, 0x80000000);
    w->fail_callback = 1;
    CHECK_EQ(storsim_advance(w->machine, 5000 * FRAME), STORSIM_VIOLATION);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 1);
    CHECK(heard(w, STORSIM_CB_HDA_BDL_ISR) > 0);
    world_end(w);
}

/* The device goes while responses wait for their DPC: no more verbs are sent, and a register that reads ones ends the
 * loop. */
static void test_removed_before_its_dpc(void) {
    for (int way = 0; way < 2; way++) {
        world_t *w = world_make(NULL);
        uint8_t tag = 0;
        CHECK_EQ(tag_on(w, w->context, 5, 6, &tag), 0);
        uint8_t old = at_irql(w, 2);
        CHECK_EQ(storsim_codec_unsolicited(w->machine, w->controller, 0, tag, 1), STORSIM_OK);
        advance(w, 20);
        CHECK(bus_of(w)->rirb_pending);
        if (way == 0) {
            CHECK_EQ(storsim_hdaudio_surprise_remove(w->machine, w->controller), STORSIM_OK);
        } else {
            inject(w, STORSIM_HW_REMOVED); /* with the next access, which is to the ring's pointer */
        }
        at_irql(w, old);
        CHECK(!bus_of(w)->rirb_pending);
        CHECK_EQ(heard(w, STORSIM_CB_HDA_UNSOLICITED), way == 0 ? 1 : 0);
        world_end(w);
    }
}

/* The start fails after the rings have run: a DPC that comes late finds none. */
static void fails_verbs(world_t *w, storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_CODEC_VERB) {
        w->fail_callback = 1;
    }
}
static void test_late_dpc_after_failed_start(void) {
    world_config_t config = world_defaults();
    config.codecs = 1u << 1;
    config.no_query = true;
    world_t *w = world_make(&config);
    const storsim_codec_config_t codec = {.host_verb = 9};
    uint64_t context = 0;
    uint32_t ntstatus = 0;
    CHECK_EQ(storsim_codec_add(w->machine, w->controller, 0, &codec), STORSIM_OK);
    w->on_callback = fails_verbs;
    for (int i = 0; i < 40; i++) {
        inject(w, STORSIM_HW_LATE_DPC);
    }
    CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_CALLBACK);
    CHECK_EQ(bus_of(w)->ring, 0);
    CHECK(bus_of(w)->rirb_pending);
    advance(w, 200000);
    CHECK(!bus_of(w)->rirb_pending);
    world_check(w);
    world_end(w);
}

/* --- calls in which two things fail ------------------------------------------------------------------------------- */

static void fails_always(world_t *w, storsim_callback_t *callback) {
    w->fail_callback = callback->kind == STORSIM_CB_HDA_BDL_ISR ? 1 : 0;
}

/* An engine with an interrupt in every frame, so that every wait has some. */
static uint64_t make_runner(world_t *w, uint64_t context) {
    uint64_t handle = 0;
    buffer_t buffer = {0};
    CHECK_EQ(render(w, context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(allocate_c(w, context, handle, 256, &buffer), 0);
    entry(w, &buffer, 0, 0, 4, 1);
    entry(w, &buffer, 1, 128, 4, 1);
    CHECK_EQ(setup(w, context, handle, 8, 1, 0x150, &buffer), 0);
    CHECK_EQ(set_state(w, context, PAUSE, handle), 0);
    CHECK_EQ(set_state(w, context, RUN, handle), 0);
    return handle;
}

static void test_two_failures(void) {
    for (int way = 0; way < 3; way++) {
        world_config_t config = world_defaults();
        config.bus.policy.multi_atomic = way == 1 ? STORSIM_ATOMIC_FALSE : STORSIM_ATOMIC_TRUE;
        world_t *w = world_make(&config);
        uint64_t other = world_query(w, STORSIM_TABLE_V3, 1);
        prepared_t first = prepare(w, w->context, STORSIM_ENGINE_SN), second = prepare(w, w->context, STORSIM_ENGINE_SN);
        uint64_t both[2] = {first.handle, second.handle};
        (void)make_runner(w, other);
        (void)prepare(w, world_query(w, STORSIM_TABLE_V3, 2), STORSIM_ENGINE_XN);
        w->tolerate = true;
        w->on_callback = fails_always;
        if (way < 2) {
            CHECK_EQ(set_states(w, w->context, RESET, both, 2), 0);
            CHECK_EQ(w->status, STORSIM_CALLBACK);
            CHECK_EQ(state(w, first.handle), STORSIM_ENGINE_RN);
            CHECK_EQ(state(w, second.handle), way == 0 ? STORSIM_ENGINE_RN : STORSIM_ENGINE_SN);
        } else { /* both clients have streams to be stopped */
            size_t leak, leaks;
            CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, &leak, &leaks), STORSIM_CALLBACK);
            CHECK(leaks >= 4);
        }
        w->on_callback = NULL;
        w->fail_callback = 0;
        world_check(w);
        world_end(w);
    }
}

/* A predicate of the fault plan that fails is the call's answer. */
static void test_predicate_fails(void) {
    world_t *w = world_make(NULL);
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 4};
    uint64_t before = world_digest(w), handle = 0;
    uint32_t id;
    CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
    w->tolerate = true;
    w->fail_callback = 1;
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(w->status, STORSIM_CALLBACK);
    CHECK_EQ(handle, 0);
    CHECK_EQ(storsim_fault_remove(w->machine, id), STORSIM_OK);
    CHECK_EQ(world_digest(w), before);
    world_end(w);
}

/* --- calls into engines that another call is in the middle of ----------------------------------------------------- */

static struct {
    uint64_t context, handle;
    buffer_t buffer;
    uint32_t answers[2];
    bool inside;
} middle;

static void calls_in(world_t *w, storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_CODEC_SINK && middle.inside) {
        middle.inside = false;
        middle.answers[0] = change(w, middle.context, middle.handle, stereo(), NULL);
        middle.answers[1] = middle.buffer.bdl != 0 ? setup(w, middle.context, middle.handle, 8192, 1, 0x150, &middle.buffer) : 0;
    }
}

/* A listener at PASSIVE_LEVEL: the codec's side of a running stream. */
static void make_listener(world_t *w) {
    prepared_t runner = prepare(w, world_query(w, STORSIM_TABLE_V3, 1), STORSIM_ENGINE_SN);
    storsim_engine_info_t info = engine(w, runner.handle);
    storsim_codec_transfer_t converter[2] = {{.Output = 0x01070600u | (uint32_t)info.stream_id << 4}, {.Output = 0x01020000u | info.converter_format}};
    CHECK_EQ(verbs(w, w->context, converter, 2, 0, 0), 0);
    CHECK_EQ(storsim_codec_record(w->machine, w->controller, 0, (uint8_t)info.stream_id, 8, 0), STORSIM_OK);
    CHECK_EQ(set_state(w, world_query(w, STORSIM_TABLE_V3, 1), RUN, runner.handle), 0);
}

static void test_busy(void) {
    world_t *w = world_make(NULL);
    make_listener(w);
    w->on_callback = calls_in;
    /* Allocate waits for the descriptor: another format has to wait as well. */
    uint64_t handle = 0;
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    middle.context = w->context, middle.handle = handle, middle.inside = true, middle.buffer.bdl = 0;
    CHECK_EQ(allocate_d(w, w->context, handle, 4096, NULL), 0);
    CHECK(!middle.inside);
    CHECK_EQ(middle.answers[0], ST(IDR));
    CHECK_EQ(free_d(w, w->context, handle), 0);
    /* Setup of a list that is set up already does not change the state, but the engine is taken. */
    CHECK_EQ(free_engine(w, w->context, handle), 0);
    prepared_t own = prepare(w, w->context, STORSIM_ENGINE_RB);
    middle.handle = own.handle, middle.buffer = own.buffer, middle.inside = true;
    CHECK_EQ(setup(w, w->context, own.handle, 8192, 1, 0x150, &own.buffer), 0);
    CHECK(!middle.inside);
    CHECK_EQ(middle.answers[1], ST(IDR));
    world_end(w);
}

static void frees_second(world_t *w, storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_CODEC_SINK && middle.inside) {
        middle.inside = false;
        middle.answers[0] = set_state(w, middle.context, RESET, middle.handle);
        middle.answers[1] = free_n(w, middle.context, middle.handle, middle.buffer.mdl, middle.buffer.size);
        CHECK_EQ(free_engine(w, middle.context, middle.handle), 0);
    }
}

/* Two engines are reset in one call; while the first is waited for, the second ends. */
static void test_ends_before_its_turn(void) {
    world_t *w = world_make(NULL);
    make_listener(w);
    prepared_t first = prepare(w, w->context, STORSIM_ENGINE_SN), second = prepare(w, w->context, STORSIM_ENGINE_SN);
    uint64_t both[2] = {first.handle, second.handle};
    middle.context = w->context, middle.handle = second.handle, middle.buffer = second.buffer, middle.inside = true;
    w->on_callback = frees_second;
    CHECK_EQ(set_states(w, w->context, RESET, both, 2), 0);
    CHECK(!middle.inside && middle.answers[0] == 0 && middle.answers[1] == 0);
    CHECK(state(w, first.handle) == STORSIM_ENGINE_RN && state(w, second.handle) == STORSIM_ENGINE_NONE);
    world_check(w);
    world_end(w);
}

/* --- hardware that does not stop ---------------------------------------------------------------------------------- */

static void test_stuck(void) {
    world_config_t config = world_defaults();
    config.hda.stop_latency = STORSIM_HDA_STUCK;
    world_t *w = world_make(&config);
    (void)prepare(w, w->context, STORSIM_ENGINE_XN);
    advance(w, 10);
    dereference(w, w->context); /* the stream is reset although it did not stop */
    world_check(w);
    world_end(w);
    /* Of two that are to stop the first does not, and the second has already. */
    w = world_make(&config);
    prepared_t first = prepare(w, w->context, STORSIM_ENGINE_XN), second = prepare(w, w->context, STORSIM_ENGINE_SN);
    uint64_t both[2] = {first.handle, second.handle};
    uint32_t n = 0;
    (void)ss_bus_of_handle(w->machine, second.handle, &n);
    bus_of(w)->engines[n].state = STORSIM_ENGINE_XN;
    CHECK_EQ(set_states(w, w->context, PAUSE, both, 2), 0);
    CHECK(engine(w, first.handle).suspect && engine(w, second.handle).suspect);
    CHECK_EQ(findings(w, "HARDWARE_TIMEOUT"), 2);
    world_end(w);
}

static storsim_status_t stops(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    static const storsim_finding_t draft = {.kind = STORSIM_BUG_CHECK, .code = 0xC4};
    (void)state, (void)event;
    return ss_stop(machine, SS_ROOM_NT, 0, &draft);
}

/* The machine stops while a call waits for hardware that will not answer: the call says so, and nobody calls it a
 * time-out. */
static void test_stopped_while_it_waits(void) {
    static const ss_room_ops_t ops = {.name = "stops", .event = stops};
    for (int way = 0; way < 2; way++) {
        world_config_t config = world_defaults();
        config.hda.timing = STORSIM_HDA_CONTROLLER;
        config.hda.stop_latency = way == 1 ? STORSIM_HDA_STUCK : config.hda.stop_latency;
        world_t *w = world_make(&config);
        prepared_t made = prepare(w, w->context, way == 0 ? STORSIM_ENGINE_SN : STORSIM_ENGINE_XN);
        CHECK_EQ(storsim_hda_stall(w->machine, w->controller, way == 0), STORSIM_OK);
        CHECK_EQ(ss_room_attach(w->machine, SS_ROOM_HOST, &ops, NULL), STORSIM_OK);
        CHECK_EQ(ss_event_at(w->machine, storsim_now(w->machine) + 1000, SS_ROOM_HOST, 1, 0, 0, NULL), STORSIM_OK);
        w->tolerate = true;
        CHECK_EQ(set_state(w, w->context, way == 0 ? RUN : PAUSE, made.handle), 0);
        CHECK_EQ(w->status, STORSIM_BUGCHECK);
        CHECK(!engine(w, made.handle).suspect);
        CHECK_EQ(findings(w, "HARDWARE_TIMEOUT"), 0);
        storsim_machine_destroy(w->machine);
        free(w);
    }
}

/* Pulled while nobody waits. */
static void test_pulled_before_it_is_removed(void) {
    world_t *w = world_make(NULL);
    size_t leak, leaks;
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), 0);
    CHECK_EQ(storsim_hda_remove(w->machine, w->controller), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, &leak, &leaks), STORSIM_OK);
    CHECK_EQ(leaks, 0);
    world_end(w);
}

int main(void) {
    test_without_a_room();
    test_pure();
    test_more_streams_than_numbers();
    test_stripes();
    test_not_started();
    test_state_last();
    test_large_buffer();
    test_entry_before_the_buffer();
    test_direct();
    test_device_information();
    test_references();
    test_audio_first();
    test_many_functions();
    test_query_while_starting();
    test_small_rings();
    test_gone_while_starting();
    test_strange_stream();
    test_overrun();
    test_list_changed_in_interrupt();
    test_removed_before_its_dpc();
    test_late_dpc_after_failed_start();
    test_two_failures();
    test_predicate_fails();
    test_busy();
    test_ends_before_its_turn();
    test_stuck();
    test_stopped_while_it_waits();
    test_pulled_before_it_is_removed();
    return CHECK_DONE();
}
