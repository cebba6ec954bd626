/* The edges of the bus driver and of its chip: machines without them, names and numbers outside their lists, states
 * that cannot come about. */
#include "tests/hdaudio/world.h"

#include "hdaudio/bus.h"

/* --- names, numbers, pure functions ------------------------------------------------------------------------------- */

static void test_names(void) {
#define NAMED(suffix, text, value) CHECK(strcmp(storsim_hdaudio_status_name(UINT32_C(value)), text) == 0);
    STORSIM_HDAUDIO_STATUS_MAP(NAMED)
#undef NAMED
    CHECK(strcmp(storsim_hdaudio_status_name(0xC0DEC0DE), "") == 0);
    for (int i = 0; i < STORSIM_EVENT_COUNT; i++) {
        CHECK(storsim_engine_event_name((storsim_engine_event_t)i)[0] != '\0');
    }
    CHECK(strcmp(storsim_engine_event_name(STORSIM_EVENT_COUNT), "") == 0);
    CHECK(strcmp(storsim_engine_state_name(STORSIM_ENGINE_STATE_COUNT), "") == 0);
    CHECK(storsim_hdaudio_rates(NULL) != NULL && storsim_hdaudio_policy_table(NULL) != NULL && storsim_hdaudio_tables(NULL) != NULL);
    const storsim_stream_format_t wrong[] = {{12345, 16, 16, 2}, {48000, 17, 18, 2}, {48000, 16, 16, 0}, {48000, 16, 16, 17}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(storsim_hdaudio_format_encode(&wrong[i]), 0xFFFF);
    }
    CHECK_EQ(storsim_hdaudio_fifo_words(&wrong[0]), 0);
    const storsim_stream_format_t stereo_format = {48000, 16, 16, 2};
    CHECK(storsim_hdaudio_render_bits(&stereo_format, 0) >= storsim_hdaudio_render_bits(&stereo_format, 2));
    CHECK_EQ(storsim_hdaudio_capture_bits(&wrong[0]), 0);
    CHECK(storsim_hdaudio_buffer_size(0, 1, 1000, 0) != 0); /* a block of nothing is a block of one */
}

static void test_policies(void) {
    storsim_hdaudio_policy_t policy = {0};
    size_t count;
    const storsim_hdaudio_policy_row_t *rows = storsim_hdaudio_policy_table(&count);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, NULL, "x"), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, "no_such_switch", "x"), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, rows[0].name, NULL), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, rows[0].name, "no such choice"), STORSIM_INVALID);
    CHECK(storsim_hdaudio_policy_get(&policy, NULL) == NULL && storsim_hdaudio_policy_get(&policy, "no_such_switch") == NULL);
    CHECK_EQ(storsim_hdaudio_policy_profile(&policy, NULL), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_profile(&policy, "no such profile"), STORSIM_INVALID);
    for (size_t i = 0; i < count; i++) { /* every choice can be set, and is read back */
        char text[64];
        for (const char *at = rows[i].choices; at != NULL; at = strchr(at, '|') != NULL ? strchr(at, '|') + 1 : NULL) {
            size_t length = strcspn(at, "|");
            memcpy(text, at, length);
            text[length] = '\0';
            CHECK_EQ(storsim_hdaudio_policy_set(&policy, rows[i].name, text), STORSIM_OK);
            CHECK(strncmp(storsim_hdaudio_policy_get(&policy, rows[i].name), text, length) == 0);
        }
    }
}

/* --- machines without a bus driver, controllers that are none ----------------------------------------------------- */

static void test_nobody(void) {
    world_config_t config = world_defaults();
    config.no_query = true;
    world_t *w = world_make(&config);
    const storsim_range_t range = {0x100000, 0x1000000, 0};
    const storsim_machine_config_t plain = {.ranges = &range, .range_count = 1};
    storsim_machine_t *bare;
    CHECK_EQ(storsim_machine_create(&plain, &bare), STORSIM_OK);
    storsim_machine_t *machines[] = {bare, w->machine};
    for (int i = 0; i < 2; i++) {
        storsim_machine_t *m = machines[i];
        uint32_t used, cursor = 0, status = 0;
        size_t leak;
        storsim_engine_info_t info;
        storsim_hdaudio_entry_t list_entry;
        storsim_hdaudio_interface_t interface;
        storsim_hda_register_t row;
        storsim_hda_position_t where;
        uint64_t value, handle;
        (void)used, (void)handle;
        CHECK(!storsim_hdaudio_engine(m, 5, &info) && !storsim_hdaudio_engine_next(m, 77, &cursor, &handle));
        CHECK(storsim_hdaudio_bdl(m, 5, 0, &list_entry) != STORSIM_OK);
        CHECK(storsim_hdaudio_get_config(m, 77) == NULL && !storsim_hdaudio_started(m, 77, NULL));
        CHECK(storsim_hdaudio_references(m, 5) == 0 && storsim_hdaudio_fdo_references(m, 5) == 0);
        CHECK_EQ(storsim_hdaudio_surprise_remove(m, 77), STORSIM_STALE);
        CHECK_EQ(storsim_hdaudio_remove(m, 77, &leak, &leak), STORSIM_STALE);
        CHECK_EQ(storsim_hdaudio_query(m, 77, table_of(STORSIM_TABLE_V3)->guid, 0x100, 0x100, 0, &interface, &status), STORSIM_STALE);
        CHECK(!storsim_hda_live(m, 77) && !storsim_hda_gone(m, 77) && storsim_hda_get_config(m, 77) == NULL);
        CHECK(storsim_hda_line(m, 77) == 0 && storsim_hda_device(m, 77) == 0);
        CHECK(storsim_hda_remove(m, 77) != STORSIM_OK && storsim_hda_stall(m, 77, true) != STORSIM_OK);
        CHECK(storsim_hda_mmio_read(m, 77, 0, 4, &value) != STORSIM_OK && storsim_hda_mmio_write(m, 77, 0, 4, 0) != STORSIM_OK);
        CHECK(!storsim_hda_register_get(m, 77, 0, &row) && !storsim_hda_register_find(m, 77, "GCAP", &row));
        CHECK(storsim_hda_register_read(m, 77, "GCAP", &value) != STORSIM_OK && storsim_hda_register_write(m, 77, "GCTL", 0) != STORSIM_OK);
        CHECK(storsim_hda_set_wall_clock(m, 77, 0) != STORSIM_OK && storsim_hda_position(m, 77, 0, &where) != STORSIM_OK);
        CHECK(storsim_codec_add_ideal(m, 77, 0) != STORSIM_OK && !storsim_codec_present(m, 77, 0));
        CHECK(storsim_codec_remove(m, 77, 0) != STORSIM_OK && storsim_codec_wake(m, 77, 0) != STORSIM_OK);
        CHECK(storsim_codec_set(m, 77, 0, true, 1) != STORSIM_OK && storsim_codec_jack(m, 77, 0, 0x30, true) != STORSIM_OK);
        CHECK(storsim_codec_unsolicited(m, 77, 0, 1, 1) != STORSIM_OK);
        CHECK(storsim_codec_played_clear(m, 77, 0, 1) != STORSIM_OK && storsim_codec_keep(m, 77, 0, 1, 5) != STORSIM_OK);
        CHECK(storsim_codec_record(m, 77, 0, 1, 1, 1) != STORSIM_OK && storsim_codec_source(m, 77, 0, 1, 1, 1) != STORSIM_OK);
        CHECK(storsim_codec_feed(m, 77, 0, 1, "x", 1) != STORSIM_OK && storsim_codec_feed_pending(m, 77, 0, 1, &value) == STORSIM_INVALID);
    }
    /* Of a controller that is there: tags, addresses and names that are not. */
    uint64_t value = 7;
    CHECK_EQ(storsim_codec_feed_pending(w->machine, w->controller, 0, 0, &value), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_feed_pending(w->machine, w->controller, 0, 16, &value), STORSIM_INVALID);
    CHECK_EQ(value, 7);
    CHECK_EQ(storsim_codec_feed_pending(w->machine, w->controller, 0, 3, &value), STORSIM_OK);
    CHECK_EQ(value, 0);
    CHECK(storsim_codec_feed(w->machine, w->controller, 0, 0, "x", 1) != STORSIM_OK);
    CHECK(storsim_codec_feed(w->machine, w->controller, 0, 16, "x", 1) != STORSIM_OK);
    CHECK(storsim_codec_record(w->machine, w->controller, 0, 16, 1, 1) != STORSIM_OK);
    CHECK(!storsim_codec_present(w->machine, w->controller, 15) && !storsim_codec_present(w->machine, w->controller, 99));
    storsim_hda_register_t row;
    CHECK(storsim_hda_register_find(w->machine, w->controller, "sd0lpib", &row) && strcmp(row.name, "SD0LPIB") == 0);
    CHECK(!storsim_hda_register_find(w->machine, w->controller, "~gcap", &row));
    CHECK_EQ(storsim_hda_register_read(w->machine, w->controller, "NONE", &value), STORSIM_INVALID);
    CHECK_EQ(storsim_hda_register_write(w->machine, w->controller, "NONE", value), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_attach(w->machine, w->controller, &config.bus), STORSIM_INVALID); /* one is there */
    storsim_machine_destroy(bare);
    world_end(w);
}

static void test_configurations(void) {
    world_config_t config = world_defaults();
    world_t *w = world_make(&config);
    uint32_t number = 77;
    for (int way = 0; way < 14; way++) {
        storsim_hda_config_t chip = config.hda;
        switch (way) {
        case 0: chip.fifo_render = 1; break;
        case 1: chip.fifo_render_wide = STORSIM_HDA_MAX_FIFO + 1; break;
        case 2: chip.fifo_capture = 0; break;
        case 3: chip.fifo_capture_wide = 1; break;
        case 4: chip.corb_sizes = 0; break;
        case 5: chip.corb_sizes = 8; break;
        case 6: chip.rirb_sizes = 0; break;
        case 7: chip.rirb_sizes = 8; break;
        case 8: chip.crst_latency = STORSIM_TICKS_PER_SECOND + 1; break;
        case 9: chip.srst_latency = STORSIM_TICKS_PER_SECOND + 1; break;
        case 10: chip.stop_latency = STORSIM_TICKS_PER_SECOND + 1; break;
        case 11: chip.codec_frames = 48001; break;
        case 12: chip.personality = (storsim_hda_personality_t)9; break;
        default: chip.timing = (storsim_hda_timing_t)9; break;
        }
        CHECK_EQ(storsim_hda_add(w->machine, &chip, &number), STORSIM_INVALID);
        CHECK_EQ(number, 77);
    }
    CHECK_EQ(storsim_hda_add(w->machine, &config.hda, &number), STORSIM_OK);
    for (int way = 0; way < 7; way++) {
        storsim_hdaudio_config_t bus = config.bus;
        switch (way) {
        case 0: bus.stripe_lines = 3; break;
        case 1: bus.dirql = 2; break;
        case 2: bus.dirql = 12; break;
        case 3: bus.verb_timeout = 0; break;
        case 4: bus.events_per_engine = UINT32_MAX; break;
        case 5: bus.callbacks_per_engine = UINT32_MAX; break;
        default: ((uint8_t *)&bus.policy)[0] = 99; break;
        }
        CHECK_EQ(storsim_hdaudio_attach(w->machine, number, &bus), STORSIM_INVALID);
    }
    CHECK_EQ(storsim_hdaudio_attach(w->machine, 99, &config.bus), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_attach(w->machine, number, NULL), STORSIM_INVALID);
    world_end(w);
}

/* Calls whose C arguments are wrong are refused whole. */
static void test_calls_that_are_none(void) {
    world_t *w = world_make(NULL);
    uint64_t result = 5;
    storsim_arg_t args[STORSIM_MAX_PARAMS] = {{0}};
    const storsim_routine_t copy = *storsim_ddi_routine(STORSIM_ID_FreeDmaEngine);
    storsim_routine_t beyond = copy;
    beyond.id = STORSIM_ID_HDAUDIO_END;
    CHECK_EQ(storsim_hdaudio_call(w->machine, w->context, NULL, args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_call(w->machine, w->context, storsim_ddi_routine(STORSIM_ID_StorPortFreePool), args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_call(w->machine, w->context, &beyond, args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_call(w->machine, w->context, storsim_ddi_routine(STORSIM_ID_FreeDmaEngine), NULL, &result), STORSIM_INVALID);
    CHECK_EQ(result, 0);
    world_end(w);
}

/* Every verb to every node and to nodes that are not there has an answer; registers read back what was written to
 * them. */
static void test_verbs(void) {
    world_t *w = world_make(NULL);
    storsim_machine_t *m = w->machine;
    uint32_t response;
    for (uint32_t nid = 0; nid < 0x40; nid++) {
        for (uint32_t verb = 0x700; verb <= 0x740; verb++) {
            CHECK_EQ(storsim_codec_command(m, w->controller, 0, nid << 20 | verb << 8 | 5, &response), STORSIM_OK);
        }
        for (uint32_t verb = 0xF00; verb <= 0xF40; verb++) {
            CHECK_EQ(storsim_codec_command(m, w->controller, 0, nid << 20 | verb << 8 | (verb & 0x1F), &response), STORSIM_OK);
        }
        for (uint32_t verb = 0; verb < 16; verb++) {
            CHECK_EQ(storsim_codec_command(m, w->controller, 0, nid << 20 | verb << 16 | 0x8011, &response), STORSIM_OK);
        }
    }
    static const struct { uint32_t set, get; } registers[] = {{0x715, 0xF15}, {0x71A, 0xF1A}, {0x707, 0xF07}, {0x70C, 0xF0C}};
    for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        CHECK_EQ(storsim_codec_command(m, w->controller, 0, UINT32_C(0x30) << 20 | registers[i].set << 8 | 3, &response), STORSIM_OK);
        CHECK_EQ(storsim_codec_command(m, w->controller, 0, UINT32_C(0x30) << 20 | registers[i].get << 8, &response), STORSIM_OK);
        CHECK_EQ(response & 3, 3);
    }
    CHECK(storsim_codec_command(m, w->controller, 7, 0xF0000, &response) != STORSIM_OK);
    /* At most 64 unsolicited responses wait; one more is refused and changes nothing. */
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(storsim_codec_unsolicited(m, w->controller, 0, 1, i), STORSIM_OK);
    }
    CHECK_EQ(storsim_codec_unsolicited(m, w->controller, 0, 1, 99), STORSIM_BUSY);
    CHECK_EQ(storsim_codec_command(m, w->controller, 0, UINT32_C(0x30) << 20 | 0x70881, &response), STORSIM_OK);
    CHECK_EQ(storsim_codec_jack(m, w->controller, 0, 0x30, false), STORSIM_BUSY);
    world_end(w);
}

/* What was queued or mapped for somebody who is gone finds nobody, and says nothing. */
static void test_too_late(void) {
    world_t *w = world_make(NULL);
    storsim_machine_t *m = w->machine;
    uint32_t line, id;
    ss_block_id_t range;
    uint8_t bytes[4] = {0};
    CHECK_EQ(at_irql(w, 2), 0);
    CHECK_EQ(ss_dpc_queue(m, SS_ROOM_HDAUDIO, SS_DPC_COMPLETION, 999, 0), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(m, SS_ROOM_HDAUDIO, SS_DPC_RIRB, 99, 0), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(m, SS_ROOM_HDAUDIO, SS_DPC_TRANSFER, w->controller, UINT64_C(99) << 32), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(m, SS_ROOM_HDAUDIO, SS_DPC_RIRB, w->controller, 0), STORSIM_OK); /* an empty ring */
    CHECK_EQ(at_irql(w, 0), 2);
    CHECK_EQ(ss_event_at(m, 0, SS_ROOM_HDAUDIO, SS_EVENT_VERB_TIMEOUT, 99, 1, &id), STORSIM_OK);
    CHECK_EQ(ss_event_at(m, 0, SS_ROOM_HDAUDIO, SS_EVENT_VERB_TIMEOUT, w->controller, 99, &id), STORSIM_OK);
    CHECK_EQ(ss_event_at(m, 0, SS_ROOM_HDAUDIO, SS_EVENT_VERB_TIMEOUT, w->controller, 0, &id), STORSIM_OK);
    advance(w, 1);
    CHECK_EQ(ss_line_add(m, &line), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(m, line, 5, SS_ROOM_HDAUDIO, 99), STORSIM_OK);
    CHECK_EQ(ss_line_set(m, line, true), STORSIM_OK); /* nobody's: unclaimed */
    CHECK_EQ(ss_line_set(m, line, false), STORSIM_OK);
    ss_interrupt_disconnect(m, line);
    CHECK_EQ(ss_line_add(m, &line), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(m, line, 5, SS_ROOM_HDAUDIO, w->controller), STORSIM_OK);
    CHECK_EQ(ss_line_set(m, line, true), STORSIM_OK); /* the controller has no cause */
    CHECK_EQ(ss_line_set(m, line, false), STORSIM_OK);
    ss_interrupt_disconnect(m, line);
    CHECK_EQ(ss_register_range_make(m, SS_ROOM_HDAUDIO, UINT64_C(99) << 32, 4096, 1, &range), STORSIM_OK);
    CHECK_EQ(storsim_read_va(m, ss_block(m, range)->va, bytes, 4), STORSIM_STALE);
    CHECK_EQ(storsim_finding_count(m), findings(w, "INTERRUPT_UNCLAIMED"));
    ss_block_free(m, range);
    /* A register is read in as few accesses as its address allows. */
    CHECK_EQ(ss_register_range_make(m, SS_ROOM_HDAUDIO, (uint64_t)w->controller << 32, 4096, 1, &range), STORSIM_OK);
    uint64_t va = ss_block(m, range)->va;
    for (unsigned from = 0; from < 4; from++) {
        for (unsigned length = 1; from + length <= 4; length++) {
            CHECK_EQ(storsim_read_va(m, va + from, bytes, length), STORSIM_OK);
        }
    }
    ss_block_free(m, range);
    world_check(w);
    world_end(w);
}

/* --- states that cannot come about -------------------------------------------------------------------------------- */

typedef struct whole {
    world_t *w;
    prepared_t own, driver, plain;
    uint8_t tag;
} whole_t;

static whole_t make_whole(void) {
    whole_t it = {.w = world_make(NULL)};
    it.own = prepare(it.w, it.w->context, STORSIM_ENGINE_XN);
    it.driver = prepare(it.w, it.w->context, STORSIM_ENGINE_XB);
    it.plain = prepare(it.w, it.w->context, STORSIM_ENGINE_R0);
    CHECK_EQ(callback_on(it.w, it.w->context, it.own.handle, 1, 2, 3), 0);
    CHECK_EQ(tag_on(it.w, it.w->context, 5, 6, &it.tag), 0);
    advance(it.w, 100);
    world_check(it.w);
    return it;
}

static ss_engine_t *engine_of(ss_busdriver_t *bus, uint64_t handle) {
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (bus->engines[n].handle == handle) {
            return &bus->engines[n];
        }
    }
    CHECK(0);
    return NULL;
}

enum { WAYS = 24 };

static const char *spoil(const whole_t *it, int way) {
    ss_busdriver_t *bus = ss_bus_of_controller(it->w->machine, it->w->controller);
    ss_engine_t *own = engine_of(bus, it->own.handle), *driver = engine_of(bus, it->driver.handle);
    switch (way) {
    case 0: own->state = STORSIM_ENGINE_NONE; return "a live engine has a state";
    case 1: own->context = 99; return "owner is a live client";
    case 2: own->stream_id = 0; return "stream id 1 to 15";
    case 3: own->stream_id = 16; return "stream id 1 to 15";
    case 4: own->data = 0; return "buffer and list follow the state";
    case 5: own->bdl = 0; return "buffer and list follow the state";
    case 6: own->mdl = 0; return "MDL follows the state";
    case 7: own->converter ^= 0x11; return "converter format is the format's";
    case 8: own->busy = true; return "no call under way";
    case 9: driver->stream_id = own->stream_id; return "stream ids are unique in a direction";
    case 10: bus->out_bits = 1; return "SDO bandwidth within capacity";
    case 11: own->lvi = 0; return "fragments make up the buffer";
    case 12: own->cbl++; return "fragments make up the buffer";
    case 13: own->size++; return "fragments make up the buffer";
    case 14: bus->notices[0].handle = 99; return "registration has its engine";
    case 15: bus->tags[0].context = 99; return "tag has its client";
    case 16: bus->clients[0].references = 0; return "client holds a reference";
    case 17: bus->flight = 77; return "command on the link has its transfer";
    case 18: bus->started = false; return "a started controller has its rings";
    case 19: bus->renders = bus->captures = bus->bidirs = 0; return "descriptor exists";
    case 20: own->lvi = 5000; return "list readable";
    case 21: own->data = own->mdl; own->bdl = own->mdl; return NULL;
    case 22: driver->mdl = own->mdl; return "MDL follows the state";
    default: own->capture = true; own->codec = 0; bus->in_bits = 1; return "SDI bandwidth within capacity";
    }
}

static void test_spoilt(void) {
    for (int way = 0; way < WAYS; way++) {
        whole_t it = make_whole();
        storsim_machine_t *m = it.w->machine;
        uint8_t *good, *bad;
        size_t good_length, bad_length;
        CHECK_EQ(storsim_snapshot(m, &good, &good_length), STORSIM_OK);
        const char *what = spoil(&it, way);
        world_told(m, way, what);
        uint64_t before;
        CHECK_EQ(storsim_snapshot(m, &bad, &bad_length), STORSIM_OK);
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        world_check(it.w);
        before = world_digest(it.w);
        storsim_status_t status = storsim_restore(m, bad, bad_length, NULL);
        CHECK(status == STORSIM_OK || status == STORSIM_FORMAT);
        if (status == STORSIM_FORMAT) {
            CHECK_EQ(world_digest(it.w), before);
        }
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(world_digest(it.w), before);
        storsim_snapshot_free(m, good);
        storsim_snapshot_free(m, bad);
        world_end(it.w);
    }
}

/* Restoring on a host that refuses, allocation by allocation. */
static void test_restore_refused(void) {
    static failing_host_t host;
    storsim_host_t hook = FAILING_HOOK(&host);
    world_config_t config = world_defaults();
    config.host = &hook;
    world_t *w = world_make(&config);
    prepared_t own = prepare(w, w->context, STORSIM_ENGINE_XN);
    storsim_codec_transfer_t items[4] = {{.Output = 0xF0000}, {.Output = 0xF0002}, {.Output = 0xF0004}, {.Output = 0xF0005}};
    CHECK_EQ(callback_on(w, w->context, own.handle, 1, 2, 3), 0);
    CHECK_EQ(verbs(w, w->context, items, 4, 7, 8), 0); /* on its way */
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_codec_feed(w->machine, w->controller, 0, 3, "bytes", 5), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(w->machine, &bytes, &length), STORSIM_OK);
    advance(w, 50);
    uint64_t before = world_digest(w);
    storsim_status_t status = STORSIM_NO_MEMORY;
    unsigned long at = 1;
    for (; status == STORSIM_NO_MEMORY; at++) {
        host.requests = 0;
        host.fail_at = at;
        status = storsim_restore(w->machine, bytes, length, NULL);
        host.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(world_digest(w) == before, status == STORSIM_NO_MEMORY);
    }
    CHECK(at > 20);
    world_check(w);
    storsim_snapshot_free(w->machine, bytes);
    world_end(w);
    CHECK_EQ(host.live, 0);
}

int main(void) {
    test_names();
    test_policies();
    test_nobody();
    test_configurations();
    test_calls_that_are_none();
    test_verbs();
    test_too_late();
    test_spoilt();
    test_restore_refused();
    return CHECK_DONE();
}
