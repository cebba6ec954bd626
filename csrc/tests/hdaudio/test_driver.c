/* The driver's life: queries, references, leaks, removal, policies, profiles, snapshots, codec commands, bandwidth. */
#include "tests/hdaudio/cases.h"

/* --- queries and references --------------------------------------------------------------------------------------- */

static uint32_t ask(world_t *w, const storsim_hdaudio_table_t *table, uint16_t size, uint16_t version,
                    storsim_hdaudio_interface_t *interface) {
    uint32_t ntstatus = 0x1234;
    CHECK_EQ(storsim_hdaudio_query(w->machine, w->controller, table->guid, size, version, 0, interface, &ntstatus),
             STORSIM_OK);
    return ntstatus;
}

static void test_query_protocol(void) {
    static const uint8_t policies[4] = {15, 3, 7, 9};
    for (uint8_t p = 0; p < 4; p++) {
        world_config_t config = world_defaults();
        config.bus.policy.tables = p;
        config.no_query = true;
        world_t *w = world_make(&config);
        CHECK(!storsim_hdaudio_started(w->machine, w->controller, NULL));
        for (unsigned bit = 1; bit <= 8; bit *= 2) {
            const storsim_hdaudio_table_t *table = table_of(bit);
            storsim_hdaudio_interface_t i;
            memset(&i, 0, sizeof i);
            bool exposed = (policies[p] & bit) != 0;
            CHECK_EQ(ask(w, table, (uint16_t)(table->size_x64 - 1), 0x0100, &i), exposed ? ST(IP) : ST(NS));
            CHECK_EQ(ask(w, table, table->size_x64, 0x0101, &i), ST(NS));
            CHECK(i.table == NULL);
            CHECK_EQ(ask(w, table, (uint16_t)(table->size_x64 + 100), 0x0100, &i), exposed ? 0 : ST(NS));
            CHECK(!exposed || (i.table == table && i.size == table->size_x64 && i.version == 0x0100 && i.context != 0));
        }
        uint8_t other[16] = {1};
        storsim_hdaudio_interface_t i;
        uint32_t ntstatus;
        CHECK_EQ(storsim_hdaudio_query(w->machine, w->controller, other, 200, 0x0100, 0, &i, &ntstatus), STORSIM_OK);
        CHECK_EQ(ntstatus, ST(NS));
        CHECK_EQ(storsim_hdaudio_query(w->machine, 77, other, 200, 0x0100, 0, &i, &ntstatus), STORSIM_STALE);
        at_irql(w, 2);
        CHECK_EQ(ask(w, table_of(1), 200, 0x0100, &i), ST(UNS));
        at_irql(w, 0);
        END;
    }
}

static void test_references(void) {
    START;
    CHECK_EQ(storsim_hdaudio_references(w->machine, c), 1);
    CHECK_EQ(world_query(w, STORSIM_TABLE_V1, 0), c);
    reference(w, c);
    CHECK_EQ(storsim_hdaudio_references(w->machine, c), 3);
    dereference(w, c);
    dereference(w, c);
    CHECK_EQ(render(w, c, stereo(), 0, NULL, NULL), 0);
    dereference(w, c);
    CHECK_EQ(storsim_hdaudio_references(w->machine, c), 0);
    CHECK_EQ(findings(w, "ENGINE_LEAK"), 1);
    dereference(w, c);
    reference(w, c);
    CHECK_EQ(findings(w, "DEAD_CONTEXT"), 2);
    uint64_t next = world_query(w, STORSIM_TABLE_V1, 0);
    CHECK(next != c);
    CHECK_EQ(render(w, next, stereo(), 0, NULL, NULL), 0);
    END;
}

/* Ruling R40: everything left is reported, then freed. */
static void test_leaks(storsim_level_t level) {
    world_config_t config = world_defaults();
    config.nt.level = level;
    world_t *w = world_make(&config);
    uint64_t c = w->context;
    prepared_t e[3] = {prepare(w, c, STORSIM_ENGINE_XD), prepare(w, c, STORSIM_ENGINE_SB),
                       prepare(w, c, STORSIM_ENGINE_RN)};
    storsim_codec_transfer_t item = {0x000F0000, 0};
    CHECK_EQ(callback_on(w, c, e[2].handle, 5, 6, 7), 0);
    CHECK_EQ(tag_on(w, c, 5, 6, NULL), 0);
    CHECK_EQ(verbs(w, c, &item, 1, 0x111, 0), 0);
    CHECK_EQ(position(w, c, e[0].handle, NULL), 0);
    w->tolerate = true;
    dereference(w, c);
    CHECK_EQ(w->status, level == STORSIM_STRICT ? STORSIM_VIOLATION : STORSIM_OK);
    CHECK_EQ(findings(w, "ENGINE_LEAK"), 3);
    CHECK_EQ(findings(w, "BUFFER_LEAK"), 3);
    CHECK_EQ(findings(w, "REGISTRATION_LEAK"), 2);
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 5), 0);
    storsim_allocation_t allocation;
    for (uint64_t cursor = 0; storsim_allocation_next(w->machine, &cursor, &allocation);) {
        CHECK(allocation.kind == STORSIM_BLOCK_HDA_RING || allocation.kind == STORSIM_BLOCK_HDA_REGISTERS);
    }
    uint32_t used, capacity;
    CHECK(storsim_hdaudio_bandwidth(w->machine, w->controller, UINT32_MAX, &used, &capacity));
    CHECK_EQ(used, 0);
    CHECK_EQ(capacity, 960);
    advance(w, 100);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_TRANSFER), 0); /* its client is gone */
    END;
}

/* Ruling R41. */
static void test_not_reset(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    CHECK_EQ(free_engine(w, c, e.handle), ST(IDR));
    CHECK_EQ(findings(w, "ENGINE_NOT_RESET"), 1);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(free_engine(w, c, e.handle), ST(IDR));
    CHECK_EQ(findings(w, "ENGINE_NOT_RESET"), 1);
    END;
}

static void test_removal(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XN);
    size_t first = 99, leaks = 99;
    CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, &first, &leaks), STORSIM_OK);
    CHECK_EQ(first, 0);
    CHECK_EQ(leaks, 3);
    CHECK_EQ(findings(w, "INTERFACE_LEAK"), 1);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_NONE);
    CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, NULL, NULL), STORSIM_STALE);
    CHECK_EQ(free_engine(w, c, e.handle), ST(NSD)); /* dead context */
    storsim_allocation_t allocation;
    uint64_t cursor = 0;
    CHECK(!storsim_allocation_next(w->machine, &cursor, &allocation));
    storsim_hdaudio_config_t config;
    storsim_hdaudio_config_init(&config);
    CHECK_EQ(storsim_hdaudio_attach(w->machine, w->controller, &config),
             STORSIM_OK); /* a new driver on the same chip */
    CHECK_EQ(storsim_hdaudio_attach(w->machine, w->controller, &config), STORSIM_INVALID);
    c = world_query(w, STORSIM_TABLE_V3, 0);
    prepared_t again = prepare(w, c, STORSIM_ENGINE_XN);
    CHECK(again.handle != e.handle);
    CHECK_EQ(storsim_hda_remove(w->machine, w->controller), STORSIM_OK);
    END;
}

static void test_clients_and_functions(void) {
    world_config_t config = world_defaults();
    config.codecs = 0x25; /* addresses 0, 2, 5 */
    world_t *w = world_make(&config);
    static const uint8_t address[] = {0, 2, 5, 0};
    uint32_t codecs;
    CHECK(storsim_hdaudio_started(w->machine, w->controller, &codecs));
    CHECK_EQ(codecs, 0x25);
    for (uint32_t client = 0; client < 4; client++) {
        uint64_t c = world_query(w, STORSIM_TABLE_V1, client);
        storsim_arg_t args[] = {OUT_, OUT_};
        CHECK_EQ(call(w, c, STORSIM_ID_GetResourceInformation, args), 0);
        CHECK_EQ(args[0].value, address[client]);
        CHECK_EQ(args[1].value, 1);
    }
    storsim_device_information_t info = {.Size = 10};
    CHECK_EQ(information(w, w->context, &info), 0);
    CHECK_EQ(info.CodecsDetected, 3);
    CHECK_EQ(capture(w, w->context, 5, stereo(), NULL), 0);
    CHECK_EQ(capture(w, w->context, 6, stereo(), NULL), ST(IP));
    END;
}

static void test_no_codec(void) {
    world_config_t config = world_defaults();
    config.codecs = 0;
    world_t *w = world_make(&config);
    storsim_arg_t args[] = {OUT_, NULL_};
    CHECK_EQ(call(w, w->context, STORSIM_ID_GetResourceInformation, args), 0);
    CHECK_EQ(args[0].value, 0);
    storsim_codec_transfer_t item = {0x000F0000, 5};
    CHECK_EQ(verbs(w, w->context, &item, 1, 0, 0), 0);
    CHECK_EQ(item.Input, 0);
    CHECK_EQ(findings(w, "CODEC_LOST"), 1);
    END;
}

/* A controller that never leaves reset: the query fails, nothing stays behind. */
static void test_dead_controller(void) {
    world_config_t config = world_defaults();
    config.hda.crst_latency = STORSIM_HDA_STUCK;
    config.no_query = true;
    world_t *w = world_make(&config);
    storsim_hdaudio_interface_t i;
    CHECK_EQ(ask(w, table_of(1), 144, 0x0100, &i), ST(NSD));
    uint64_t cursor = 0;
    storsim_allocation_t allocation;
    CHECK(!storsim_allocation_next(w->machine, &cursor, &allocation));
    END;
    config = world_defaults();
    config.hda.corb_sizes = 2; /* 16 entries only */
    config.no_query = true;
    w = world_make(&config);
    CHECK_EQ(ask(w, table_of(1), 144, 0x0100, &i), ST(NSD));
    END;
}

/* --- policies ----------------------------------------------------------------------------------------------------- */

static world_t *with(const char *name, const char *choice) {
    world_config_t config = world_defaults();
    CHECK_EQ(storsim_hdaudio_policy_set(&config.bus.policy, name, choice), STORSIM_OK);
    return world_make(&config);
}

static void test_policy_transitions(void) {
    world_t *w = with("direct_transition", "skl");
    uint64_t c = w->context, va = 0;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RN);
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 10);
    CHECK_EQ(read32(w, va), 40);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0); /* says yes, runs on */
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XN);
    advance(w, 10);
    CHECK_EQ(read32(w, va), 80);
    END;
}

static void test_policy_multi(void) {
    world_t *w = with("multi_atomic", "false");
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_SD);
    uint64_t h[3] = {e.handle, 0x1234, e.handle};
    CHECK_EQ(set_states(w, w->context, RUN, h, 2), ST(IH));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XD);
    END;
    w = with("dup_handles", "reject");
    e = prepare(w, w->context, STORSIM_ENGINE_SD);
    h[0] = h[1] = e.handle;
    CHECK_EQ(set_states(w, w->context, RUN, h, 2), ST(IP));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    END;
}

static void test_policy_buffers(void) {
    world_t *w = with("dn_pairing", "shared");
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_RN);
    CHECK_EQ(free_d(w, w->context, e.handle), 0);
    END;
    w = with("free_args", "ignore");
    e = prepare(w, w->context, STORSIM_ENGINE_RN);
    CHECK_EQ(free_n(w, w->context, e.handle, 0, 0), 0);
    END;
    w = with("size_rule", "exact");
    buffer_t b = {0};
    e = prepare(w, w->context, STORSIM_ENGINE_R0);
    CHECK_EQ(allocate_d(w, w->context, e.handle, 0, NULL), ST(IP));
    CHECK_EQ(allocate_d(w, w->context, e.handle, 1048577, NULL), ST(IR));
    CHECK_EQ(allocate_d(w, w->context, e.handle, 1001, &b), 0);
    CHECK_EQ(b.size, 1001);
    END;
    w = with("size_rule", "round_up");
    e = prepare(w, w->context, STORSIM_ENGINE_R0);
    CHECK_EQ(allocate_d(w, w->context, e.handle, 1001, &b), 0);
    CHECK_EQ(b.size, 1004);
    END;
    w = with("d_ioc", "on");
    e = prepare(w, w->context, STORSIM_ENGINE_SD);
    CHECK_EQ(callback_on(w, w->context, e.handle, 1, 2, 3), 0);
    CHECK_EQ(set_state(w, w->context, RUN, e.handle), 0);
    advance(w, 960);
    CHECK_EQ(w->heard_count, 1);
    END;
}

static void test_policy_list_check(void) {
    for (int hw = 0; hw <= 1; hw++) {
        world_t *w = with("bdl_check", hw ? "hw" : "strict");
        uint64_t c = w->context;
        prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
        entry(w, &e.buffer, 1, 4098, 4096, 1); /* not on 128 bytes, and past the end */
        CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0x150, &e.buffer), hw ? 0 : ST(IP));
        END;
        w = with("bdl_check", hw ? "hw" : "strict");
        c = w->context;
        e = prepare(w, c, STORSIM_ENGINE_RC);
        entry(w, &e.buffer, 0, 0, 8192, 0);
        entry(w, &e.buffer, 1, 4096, 0, 1);
        CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0x150, &e.buffer), hw ? 0 : ST(IP));
        if (hw) { /* the entry of length 0 is a descriptor error when it is fetched */
            CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
            CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
            advance(w, 5000);
            CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SB);
            CHECK_EQ(findings(w, "DESCRIPTOR_ERROR_LOGGED"), 1);
        }
        END;
    }
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
    entry(w, &e.buffer, 0, 4096, 1024, 0); /* gaps and another order are the client's right */
    entry(w, &e.buffer, 1, 128, 2048, 1);
    CHECK_EQ(setup(w, c, e.handle, 3072, 1, 0x150, &e.buffer), 0);
    CHECK_EQ(setup(w, c, e.handle, 8196, 1, 0x150, &e.buffer), ST(IP));
    CHECK_EQ(setup(w, c, e.handle, 0, 1, 0x150, &e.buffer), ST(IP));
    END;
}

static void test_policy_formats(void) {
    world_t *w = with("rates", "common");
    CHECK_EQ(render(w, w->context, fmt(12000, 16, 16, 2), 0, NULL, NULL), ST(IP));
    CHECK_EQ(render(w, w->context, fmt(8000, 16, 16, 2), 0, NULL, NULL), 0);
    END;
    w = with("container", "any");
    uint16_t converter = 0;
    CHECK_EQ(render(w, w->context, fmt(48000, 24, 24, 2), 0, NULL, &converter), 0);
    CHECK_EQ(converter, 0x0031);
    END;
    w = with("stripe_unsupported", "ignore");
    uint64_t h = 0;
    CHECK_EQ(render(w, w->context, stereo(), 1, &h, NULL), 0);
    CHECK_EQ(engine(w, h).link_bits, 32);
    END;
    w = with("codecs_detected", "mask");
    storsim_device_information_t info = {.Size = 10};
    CHECK_EQ(information(w, w->context, &info), 0);
    CHECK_EQ(info.CodecsDetected, 1);
    END;
}

/* With resources looked at first, a call that lacks both says what it lacks. */
static void test_policy_check_order(void) {
    for (int first = 0; first <= 1; first++) {
        world_t *w = with("state_before_resources", first ? "true" : "false");
        uint64_t c = w->context;
        prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
        uint64_t before = world_digest(w);
        CHECK_EQ(change(w, c, e.handle, fmt(192000, 32, 32, 8), NULL), first ? ST(IDR) : ST(BTS));
        CHECK_EQ(allocate_d(w, c, e.handle, 4096, NULL), ST(IDR));
        CHECK_EQ(allocate_c(w, c, e.handle, 4096, NULL), ST(IDR));
        CHECK_EQ(world_digest(w), before);
        fail_next(w, STORSIM_ID_AllocateDmaBuffer);
        CHECK_EQ(allocate_d(w, c, e.handle, 4096, NULL), first ? ST(IDR) : ST(IR));
        fail_next(w, STORSIM_ID_AllocateContiguousDmaBuffer);
        CHECK_EQ(allocate_c(w, c, e.handle, 4096, NULL), first ? ST(IDR) : ST(IR));
        END;
    }
}

static void test_stripe_lines(void) {
    world_config_t config = world_defaults();
    config.hda.sdo_lines = 4;
    for (uint32_t lines = 2; lines <= 4; lines += 2) {
        config.bus.stripe_lines = lines;
        world_t *w = world_make(&config);
        uint64_t h = 0, value = 0;
        CHECK_EQ(render(w, w->context, fmt(192000, 24, 32, 8), 1, &h, NULL), 0);
        CHECK_EQ(engine(w, h).link_bits, 768 / lines);
        CHECK_EQ(allocate_d(w, w->context, h, 65536, NULL), 0);
        CHECK_EQ(storsim_hda_register_read(w->machine, w->controller, "SD4CTL", &value), STORSIM_OK);
        CHECK_EQ(value >> 16 & 3, lines / 2);
        storsim_device_information_t info = {.Size = 10};
        CHECK_EQ(information(w, w->context, &info), 0);
        CHECK_EQ(info.IsStripingSupported, 1);
        END;
    }
}

static void test_profile_skl(void) {
    world_config_t config = world_defaults();
    CHECK_EQ(storsim_hdaudio_policy_profile(&config.bus.policy, "skl"), STORSIM_OK);
    world_t *w = world_make(&config);
    uint64_t c = w->context, h = 0, va = 0;
    CHECK_EQ(render(w, c, stereo(), 1, &h, NULL), 0);
    CHECK_EQ(allocate_d(w, c, h, 3840, NULL), 0);
    CHECK_EQ(position(w, c, h, &va), 0);
    CHECK_EQ(callback_on(w, c, h, 1, 2, 3), 0);
    CHECK_EQ(set_state(w, c, RUN, h), 0);
    advance(w, 100);
    CHECK_EQ(read32(w, va), 400); /* the position buffer's dword */
    advance(w, 860);
    CHECK_EQ(w->heard_count, 1);
    END;
}

static void test_old_information(void) {
    world_config_t config = world_defaults();
    config.nt.os = 0x0A000006; /* 1809 */
    world_t *w = world_make(&config);
    storsim_device_information_t info = {.Size = 64};
    CHECK_EQ(information(w, w->context, &info), 0);
    CHECK_EQ(info.Size, 10);
    END;
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static void test_narrow_controller(void) {
    world_config_t config = world_defaults();
    config.memory = UINT64_C(8) << 30; /* top-down placement would choose addresses above 4 GiB */
    for (int wide = 0; wide <= 1; wide++) {
        config.hda.ok64 = wide;
        world_t *w = world_make(&config);
        prepared_t n = prepare(w, w->context, STORSIM_ENGINE_XN), b = prepare(w, w->context, STORSIM_ENGINE_XB);
        bool above = false;
        storsim_allocation_t allocation;
        for (uint64_t cursor = 0; storsim_allocation_next(w->machine, &cursor, &allocation);) {
            bool dma = allocation.kind == STORSIM_BLOCK_HDA_BUFFER || allocation.kind == STORSIM_BLOCK_HDA_BDL ||
                       allocation.kind == STORSIM_BLOCK_HDA_RING;
            above = above || (dma && allocation.pa >= UINT64_C(1) << 32);
        }
        CHECK(above == (wide != 0));
        advance(w, 3000);
        CHECK(engine(w, n.handle).interrupts >= 6 && engine(w, b.handle).interrupts >= 1);
        END;
    }
}

/* Behind an IOMMU the controller sees addresses of its own; what was given back it can no longer reach. */
static void test_remapping(void) {
    world_config_t config = world_defaults();
    config.hda.dma_remapping = true;
    world_t *w = world_make(&config);
    uint64_t c = w->context;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XN);
    uint64_t before = storsim_finding_count(w->machine);
    advance(w, 3000);
    CHECK_EQ(engine(w, e.handle).interrupts, 6);
    discard(w, c, &e);
    for (int i = 0; i < 50; i++) {
        e = prepare(w, c, i % 2 ? STORSIM_ENGINE_RD : STORSIM_ENGINE_RN);
        discard(w, c, &e);
    }
    storsim_codec_transfer_t item = {0x000F0000, 0};
    CHECK_EQ(verbs(w, c, &item, 1, 0, 0), 0);
    CHECK(item.Input >> 63);
    CHECK_EQ(storsim_finding_count(w->machine), before);
    END;
}

/* --- codec commands ----------------------------------------------------------------------------------------------- */

static void test_manual_dpcs(void) {
    world_config_t config = world_defaults();
    config.nt.dpc_manual = true;
    world_t *w = world_make(&config);
    storsim_codec_transfer_t items[2] = {{0x000F0000, 0}, {0x000F0004, 0}}, one = {0x000F0000, 0};
    uint32_t ran;
    CHECK_EQ(verbs(w, w->context, items, 2, 0, 0), 0);
    CHECK(items[0].Input >> 63 && items[1].Input >> 63);
    CHECK_EQ(verbs(w, w->context, &one, 1, 0x111, 9), 0);
    advance(w, 50);
    CHECK_EQ(w->heard_count, 0);
    CHECK_EQ(storsim_run_dpcs(w->machine, &ran), STORSIM_OK);
    CHECK(ran >= 1);
    CHECK_EQ(w->heard_count, 1);
    END;
}

static void test_verb_callbacks(void) {
    static const char *const choices[] = {"once_first", "once_last", "each"};
    for (int p = 0; p < 3; p++) {
        world_t *w = with("verb_cb", choices[p]);
        storsim_codec_transfer_t items[3] = {{0x000F0000, 1}, {0x000F0002, 1}, {0x000F0004, 1}};
        CHECK_EQ(verbs(w, w->context, items, 3, 0x111, 9), 0);
        advance(w, 50);
        CHECK_EQ(w->heard_count, p == 2 ? 3 : 1);
        for (unsigned i = 0; i < w->heard_count; i++) {
            CHECK_EQ(w->heard[i].values[2], p == 0 ? 0 : p == 1 ? 2 : i);
            CHECK(w->heard[i].items[w->heard[i].values[2]].Input >> 63);
            CHECK(p != 2 || i == 2 || w->heard[i].items[i + 1].Input == 0);
        }
        CHECK_EQ(items[0].Input, 0); /* zeroed at submission; the core works on its own copy */
        END;
    }
}

static void test_clients_interleave(void) {
    world_config_t config = world_defaults();
    unsigned orders = 0;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        config.seed = seed;
        world_t *w = world_make(&config);
        uint64_t other = world_query(w, STORSIM_TABLE_V1, 1);
        storsim_codec_transfer_t a[3] = {{0x000F0000, 0}, {0x000F0000, 0}, {0x000F0000, 0}},
                                 b[3] = {{0x000F0002, 0}, {0x000F0002, 0}, {0x000F0002, 0}};
        CHECK_EQ(verbs(w, w->context, a, 3, 0x111, 0), 0);
        CHECK_EQ(verbs(w, other, b, 3, 0x222, 0), 0);
        advance(w, 100);
        CHECK_EQ(w->heard_count, 2);
        orders |= w->heard[0].routine == 0x111 ? 1 : 2;
        END;
    }
    CHECK_EQ(orders, 3);
}

static void test_unsolicited(void) {
    START;
    uint8_t tag = 0, second = 0;
    CHECK_EQ(tag_on(w, c, 0x51, 1, &tag), 0);
    CHECK_EQ(tag_on(w, c, 0x52, 2, &second), 0);
    CHECK(tag != second);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ(storsim_codec_unsolicited(w->machine, w->controller, 0, i % 2 ? second : tag, 0x155000 + i),
                 STORSIM_OK);
    }
    CHECK_EQ(storsim_codec_unsolicited(w->machine, w->controller, 0, 40, 7), STORSIM_OK);
    advance(w, 50);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_UNSOLICITED), 5);
    for (uint32_t i = 0; i < 5; i++) {
        const heard_t *h = heard_nth(w, STORSIM_CB_HDA_UNSOLICITED, i);
        CHECK_EQ(h->routine, i % 2 ? 0x52 : 0x51);
        CHECK_EQ(h->values[1], i % 2 ? 2 : 1);
        CHECK_EQ(h->irql, 2);
        CHECK_EQ(h->values[0] & 0x1FFFFF, 0x155000 + i);
        CHECK_EQ(h->values[0] >> 26 & 63, i % 2 ? second : tag);
        CHECK_EQ(h->values[0] >> 32, 0x80000010);
    }
    CHECK_EQ(findings(w, "UNSOLICITED_DROPPED"), 1);
    CHECK_EQ(tag_off(w, c, tag), 0);
    uint64_t other = world_query(w, STORSIM_TABLE_V1, 1);
    CHECK_EQ(tag_off(w, other, second), ST(IP)); /* another client's */
    END;
}

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

/* Whatever is under way: going back and going on gives the same as never having gone back. */
static void test_snapshot(void) {
    for (int s = STORSIM_ENGINE_R0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
        START;
        uint64_t event, va = 0;
        prepared_t e = prepare(w, c, (storsim_engine_state_t)s);
        const uint64_t handle = e.handle;
        storsim_codec_transfer_t items[2] = {{0x000F0000, 0}, {0x000F0004, 0}};
        CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
        CHECK_EQ(event_on(w, c, e.handle, event), 0);
        CHECK_EQ(callback_on(w, c, e.handle, 1, 2, 3), 0);
        CHECK_EQ(tag_on(w, c, 4, 5, NULL), 0);
        CHECK_EQ(position(w, c, e.handle, &va), 0);
        CHECK_EQ(verbs(w, c, items, 2, 0x111, 0), 0);
        advance(w, 1);
        uint8_t *bytes;
        size_t length;
        CHECK_EQ(storsim_snapshot(w->machine, &bytes, &length), STORSIM_OK);
        uint64_t at_snapshot = world_digest(w);
        advance(w, 2500);
        uint64_t later = world_digest(w);
        unsigned calls = w->heard_count;
        uint32_t there = read32(w, va);
        discard(w, c, &e);
        dereference(w, c);
        w->heard_count = 0;
        CHECK_EQ(storsim_restore(w->machine, bytes, length, NULL), STORSIM_OK);
        CHECK_EQ(world_digest(w), at_snapshot);
        world_check(w);
        CHECK_EQ(state(w, handle), (storsim_engine_state_t)s);
        advance(w, 2500);
        CHECK_EQ(world_digest(w), later);
        CHECK_EQ(w->heard_count, calls);
        CHECK_EQ(read32(w, va), there);
        storsim_snapshot_free(w->machine, bytes);
        END;
    }
}

/* Damaged bytes are refused whole. */
static void test_damaged_snapshot(void) {
    START;
    (void)prepare(w, c, STORSIM_ENGINE_XB);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(w->machine, &bytes, &length), STORSIM_OK);
    uint64_t before = world_digest(w);
    for (size_t i = 0; i < length; i += 1 + length / 200) {
        bytes[i] ^= 0x41;
        storsim_status_t status = storsim_restore(w->machine, bytes, length, NULL);
        CHECK(status == STORSIM_FORMAT);
        bytes[i] ^= 0x41;
        CHECK_EQ(world_digest(w), before);
    }
    CHECK_EQ(storsim_restore(w->machine, bytes, length, NULL), STORSIM_OK);
    storsim_snapshot_free(w->machine, bytes);
    END;
}

/* Two controllers, two bus drivers, one machine: nothing crosses over. One is pulled without a word. */
static void test_two_controllers(void) {
    START;
    world_config_t defaults = world_defaults();
    uint32_t first = w->controller, second = 0, ntstatus = 1;
    CHECK_EQ(storsim_hda_add(w->machine, &defaults.hda, &second), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(w->machine, second, 2), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_attach(w->machine, second, &defaults.bus), STORSIM_OK);
    uint64_t d = 0;
    w->controller = second;
    CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &d, &ntstatus), STORSIM_OK);
    CHECK_EQ(ntstatus, 0);
    CHECK(d != c);
    prepared_t a = prepare(w, c, STORSIM_ENGINE_XN), b = prepare(w, d, STORSIM_ENGINE_XN);
    CHECK(a.handle != b.handle);
    CHECK_EQ(engine(w, a.handle).controller, first);
    CHECK_EQ(engine(w, b.handle).controller, second);
    CHECK_EQ(free_engine(w, c, b.handle), ST(IH));
    uint64_t before = engine(w, a.handle).interrupts;
    advance(w, 960);
    CHECK_EQ(engine(w, a.handle).interrupts, before + 2);
    CHECK_EQ(engine(w, b.handle).interrupts, 2);
    CHECK_EQ(storsim_hda_remove(w->machine, second), STORSIM_OK);
    CHECK_EQ(set_state(w, d, PAUSE, b.handle), ST(NSD));
    CHECK_EQ(storsim_hdaudio_remove(w->machine, second, NULL, NULL), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w->machine), 0);
    advance(w, 480);
    CHECK_EQ(engine(w, a.handle).interrupts, before + 3);
    END;
}

/* The level of a row can be changed for a machine, as for Storport's. */
static void test_override_irql(void) {
    START;
    CHECK_EQ(storsim_override_irql(w->machine, STORSIM_ID_FreeDmaEngine, 0, 0), STORSIM_OK);
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    at_irql(w, 2);
    CHECK_EQ(free_engine(w, c, e.handle), ST(UNS));
    at_irql(w, 0);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    END;
}

static void test_host_errors(void) {
    START;
    storsim_arg_t args[4] = {IN_(5), {.data = &c, .count = 1, .present = true}, IN_(0), IN_(0)};
    uint64_t result = 7;
    CHECK_EQ(storsim_hdaudio_call(w->machine, c, storsim_ddi_routine(STORSIM_ID_TransferCodecVerbs), args, &result),
             STORSIM_INVALID);
    storsim_arg_t states[3] = {IN_(RUN), {.data = &c, .count = 1, .present = true}, IN_(2)};
    CHECK_EQ(storsim_hdaudio_call(w->machine, c, storsim_ddi_routine(STORSIM_ID_SetDmaEngineState), states, &result),
             STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_call(w->machine, c, storsim_ddi_routine(1), args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_call(w->machine, c, NULL, args, &result), STORSIM_INVALID);
    CHECK_EQ(result, 0);
    storsim_hdaudio_config_t config;
    storsim_hdaudio_config_init(&config);
    config.policy.tables = 4;
    CHECK_EQ(storsim_hdaudio_attach(w->machine, w->controller, &config), STORSIM_INVALID);
    config.policy.tables = 0;
    CHECK_EQ(storsim_hdaudio_attach(w->machine, 99, &config), STORSIM_INVALID);
    storsim_hdaudio_entry_t entry_;
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, 1, 0, &entry_), STORSIM_STALE);
    CHECK_EQ(storsim_hdaudio_surprise_remove(w->machine, 99), STORSIM_STALE);
    END;
}

int main(void) {
    test_query_protocol();
    test_references();
    test_leaks(STORSIM_VERIFIER);
    test_leaks(STORSIM_RELEASE);
    test_leaks(STORSIM_STRICT);
    test_not_reset();
    test_removal();
    test_clients_and_functions();
    test_no_codec();
    test_dead_controller();
    test_policy_transitions();
    test_policy_multi();
    test_policy_buffers();
    test_policy_list_check();
    test_policy_formats();
    test_policy_check_order();
    test_stripe_lines();
    test_profile_skl();
    test_old_information();
    test_narrow_controller();
    test_remapping();
    test_manual_dpcs();
    test_verb_callbacks();
    test_clients_interleave();
    test_unsolicited();
    test_snapshot();
    test_damaged_snapshot();
    test_two_controllers();
    test_override_irql();
    test_host_errors();
    return CHECK_PINNED(hdaudio_test_driver);
}
