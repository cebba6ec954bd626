/* Conformance cases 51 to 83 of spec hdaudio-dma §10, by number. Notification, descriptor lists, verbs, tags,
 * information, time. */
#include "tests/hdaudio/cases.h"

#define GET_PARAMETER(codec, node, id) ((uint32_t)(codec) << 28 | (uint32_t)(node) << 20 | 0xF0000u | (id))
#define VALID(response) ((response) >> 63 & 1)
#define OVERRUN(response) ((response) >> 62 & 1)

static uint64_t event_make(world_t *w) {
    uint64_t event;
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    return event;
}

CASE(51) {
    START;
    uint64_t h;
    buffer_t b;
    CHECK_EQ(render(w, c, fmt(44100, 16, 16, 2), 0, &h, NULL), 0);
    CHECK_EQ(allocate_n(w, c, h, 2, 3528, &b), 0);
    CHECK_EQ(b.size, 3584);
    CHECK_EQ(b.offset, 2304);
    CHECK_EQ(engine(w, h).lvi, 1);
    storsim_hdaudio_entry_t first, second;
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, h, 0, &first), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, h, 1, &second), STORSIM_OK);
    CHECK_EQ(first.address % 4096, 2304);
    CHECK_EQ(second.address % 4096, 0);
    CHECK_EQ(first.length, 1792);
    CHECK_EQ(second.length, 1792);
    CHECK_EQ(first.ioc & second.ioc, 1);
    CHECK_EQ(storsim_physical(w->machine, engine(w, h).buffer_va), first.address);
    END;
}

CASE(52) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(allocate_n(w, c, e.handle, 0, 4096, NULL), ST(IP));
    CHECK_EQ(allocate_n(w, c, e.handle, 3, 4096, NULL), ST(IP));
    END;
}

/* Two notifications per pass of 3840 bytes: 480 frames each. */
static void cycles(uint32_t count, uint32_t laps) {
    START;
    uint64_t h, event = event_make(w);
    buffer_t b;
    CHECK_EQ(render(w, c, stereo(), 0, &h, NULL), 0);
    CHECK_EQ(allocate_n(w, c, h, count, 3840, &b), 0);
    CHECK_EQ(b.size, 3840);
    CHECK_EQ(event_on(w, c, h, event), 0);
    CHECK_EQ(set_state(w, c, PAUSE, h), 0);
    CHECK_EQ(set_state(w, c, RUN, h), 0);
    CHECK(!storsim_event_signaled(w->machine, event));
    for (uint32_t i = 0; i < laps * count; i++) { /* 960 frames a pass */
        advance(w, 960 / count - 1);
        CHECK(!storsim_event_signaled(w->machine, event));
        advance(w, 1);
        CHECK(storsim_event_signaled(w->machine, event));
        CHECK_EQ(storsim_event_clear(w->machine, event), STORSIM_OK);
    }
    CHECK_EQ(engine(w, h).interrupts, laps * count); /* invariant 8 of §9 */
    END;
}

CASE(53) {
    cycles(1, 2);
}
CASE(54) {
    cycles(2, 1);
    cycles(2, 5);
}

CASE(55) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RN);
    CHECK_EQ(free_d(w, c, e.handle), ST(IDR));
    CHECK_EQ(free_n(w, c, e.handle, e.buffer.mdl, e.buffer.size + 4), ST(IP)); /* case 56 */
    CHECK_EQ(free_n(w, c, e.handle, e.buffer.mdl + 8, e.buffer.size), ST(IP));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RN);
    CHECK_EQ(free_n(w, c, e.handle, e.buffer.mdl, e.buffer.size), 0);
    END;
}
#define test_case_56 test_case_55

CASE(57) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(event_off(w, c, e.handle, event_make(w)), ST(IP));
    END;
}

CASE(58) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    for (int i = 0; i < 16; i++) {
        CHECK_EQ(event_on(w, c, e.handle, event_make(w)), 0);
        CHECK_EQ(callback_on(w, c, e.handle, 5, 6, 7), 0);
    }
    CHECK_EQ(event_on(w, c, e.handle, event_make(w)), ST(IR));
    CHECK_EQ(callback_on(w, c, e.handle, 5, 6, 7), ST(IR));
    CHECK_EQ(engine(w, e.handle).events, 16);
    END;
}

CASE(59) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(callback_on(w, c, e.handle, 0xF0, 0xA, 1), 0);
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 0xF0), 1);
    CHECK_EQ(callback_off(w, c, e.handle, 0xA, 2), ST(IP));
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 0xF0), 1);
    CHECK_EQ(callback_off(w, c, e.handle, 0xB, 1), ST(IP));
    CHECK_EQ(callback_off(w, c, e.handle, 0xA, 1), 0);
    CHECK_EQ(storsim_hdaudio_fdo_references(w->machine, 0xF0), 0);
    END;
}

CASE(60) {
    world_config_t config = world_defaults();
    config.nt.dpc_latency = 12345;
    world_t *w = world_make(&config);
    uint64_t c = w->context;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xCA, 0xC0), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    uint64_t start = storsim_now(w->machine);
    advance(w, 600);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_NOTIFICATION), 1);
    const heard_t *note = heard_nth(w, STORSIM_CB_HDA_NOTIFICATION, 0);
    CHECK_EQ(note->routine, 0xCA);
    CHECK_EQ(note->values[0], 0xC0);
    CHECK(note->values[1] > start + 479 * FRAME && note->values[1] <= start + 480 * FRAME);
    CHECK_EQ(note->time, note->values[1] + 12345);
    CHECK_EQ(note->irql, 2);
    END;
}

CASE(61) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    buffer_t b;
    uint8_t bytes[8192];
    CHECK_EQ(allocate_c(w, c, e.handle, 8192, &b), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RC);
    CHECK_EQ(b.bdl % 4096, 0);
    CHECK_EQ(storsim_read_va(w->machine, b.data, bytes, sizeof bytes), STORSIM_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_EQ(bytes[i], bytes[0]);
    }
    CHECK(bytes[0] != 0);
    storsim_allocation_t allocation;
    CHECK(storsim_allocation_at(w->machine, b.data, &allocation));
    CHECK_EQ(allocation.cache, 2); /* write combined */
    CHECK_EQ(storsim_physical(w->machine, b.data + 4096), storsim_physical(w->machine, b.data) + 4096);
    END;
}

CASE(62) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), ST(IDR));
    END;
}

CASE(63) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
    CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0x150, &e.buffer), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RB);
    CHECK_EQ(e.buffer.stream, 1);
    CHECK_EQ(e.buffer.fifo, 192);
    END;
}

CASE(64) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
    CHECK_EQ(setup(w, c, e.handle, 8192, 0, 0x150, &e.buffer), ST(IP));
    CHECK_EQ(setup(w, c, e.handle, 8192, 256, 0x150, &e.buffer), ST(IP));
    CHECK_EQ(setup(w, c, e.handle, 8191, 1, 0x150, &e.buffer), ST(IP)); /* case 65 */
    CHECK_EQ(setup(w, c, e.handle, 8188, 1, 0x150, &e.buffer), ST(IP));
    CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0, &e.buffer), ST(IP)); /* an entry interrupts, nobody listens */
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RC);
    END;
}
#define test_case_65 test_case_64

CASE(66) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RB);
    CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0x999, &e.buffer), 0);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 2048);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_BDL_ISR), 1);
    CHECK_EQ(heard_nth(w, STORSIM_CB_HDA_BDL_ISR, 0)->routine, 0x999);
    END;
}

CASE(67) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(setup(w, c, e.handle, 8192, 1, 0x150, &e.buffer), ST(IDR));
    END;
}

CASE(68) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(allocate_c(w, c, e.handle, 8192, NULL), ST(IDR));
    END;
}

CASE(69) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RC);
    CHECK_EQ(free_engine(w, c, e.handle), ST(IDR));
    END;
}

CASE(70) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XB);
    uint64_t start = storsim_now(w->machine);
    advance(w, 2047);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_BDL_ISR), 0);
    advance(w, 1);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_BDL_ISR), 1);
    const heard_t *isr = heard_nth(w, STORSIM_CB_HDA_BDL_ISR, 0);
    CHECK_EQ(isr->routine, 0x150);
    CHECK_EQ(isr->values[0], 0x77);
    CHECK_EQ(isr->values[1], 0x4);
    CHECK_EQ(isr->irql, 5);
    CHECK(isr->time > start + 2047 * FRAME && isr->time <= start + 2048 * FRAME);
    CHECK_EQ(engine(w, e.handle).interrupts, 1);
    END;
}

static void lost_one(storsim_hardware_fault_t fault, unsigned overrun) {
    START;
    storsim_codec_transfer_t items[3] = {
        {GET_PARAMETER(0, 0, 0), 7}, {GET_PARAMETER(0, 0, 4), 7}, {GET_PARAMETER(0, 1, 5), 7}};
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = fault, .device = w->controller};
    uint32_t id, expected[3];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(storsim_codec_command(w->machine, w->controller, 0, items[i].Output, &expected[i]), STORSIM_OK);
    }
    /* The fault hits the second command: it is armed while the first is on the link. */
    rule.not_before = storsim_now(w->machine) + 3 * FRAME;
    CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
    storsim_codec_transfer_t slow[3] = {
        {GET_PARAMETER(0, 0, 0), 7}, {GET_PARAMETER(0, 0, 4), 7}, {GET_PARAMETER(0, 1, 5), 7}};
    CHECK_EQ(verbs(w, c, slow, 3, 0, 0), 0);
    unsigned lost = 0;
    for (int i = 0; i < 3; i++) {
        if (VALID(slow[i].Input)) {
            CHECK_EQ((uint32_t)slow[i].Input, expected[i]);
            CHECK_EQ(slow[i].Input >> 32, UINT64_C(0x80000000));
        } else {
            lost++;
            CHECK_EQ(OVERRUN(slow[i].Input), overrun);
            CHECK_EQ(slow[i].Input & ~(UINT64_C(3) << 62), 0);
            CHECK(i > 0);
        }
    }
    CHECK_EQ(lost, 1);
    CHECK_EQ(verbs(w, c, items, 3, 0, 0), 0); /* and the next ones are answered */
    CHECK(VALID(items[0].Input) && VALID(items[1].Input) && VALID(items[2].Input));
    END;
}

CASE(71) {
    lost_one(STORSIM_HW_CODEC_SILENT, 0);
}
CASE(72) {
    lost_one(STORSIM_HW_RIRB_OVERRUN, 1);
}

CASE(73) {
    START;
    storsim_codec_transfer_t ab[2] = {{GET_PARAMETER(0, 0, 0), 0}, {GET_PARAMETER(0, 0, 2), 0}},
                             last[1] = {{GET_PARAMETER(0, 0, 4), 0}};
    CHECK_EQ(verbs(w, c, ab, 2, 0x111, 1), 0);
    CHECK_EQ(verbs(w, c, last, 1, 0x222, 2), 0);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_TRANSFER), 0);
    advance(w, 20);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_TRANSFER), 2);
    const heard_t *first = heard_nth(w, STORSIM_CB_HDA_TRANSFER, 0), *second = heard_nth(w, STORSIM_CB_HDA_TRANSFER, 1);
    CHECK_EQ(first->routine, 0x111);
    CHECK_EQ(first->values[1], 1);
    CHECK_EQ(first->values[2], 0);
    CHECK_EQ(first->irql, 2);
    CHECK(VALID(first->items[0].Input) && VALID(first->items[1].Input));
    CHECK_EQ(second->routine, 0x222);
    CHECK(second->values[0] != first->values[0]);
    END;
}

CASE(74) {
    world_config_t config = world_defaults();
    world_t *w = world_make(&config);
    storsim_codec_transfer_t item = {GET_PARAMETER(0, 0, 0), 0};
    fail_next(w, STORSIM_ID_TransferCodecVerbs);
    uint64_t before = world_digest(w);
    CHECK_EQ(verbs(w, w->context, &item, 1, 0x111, 0), ST(NM));
    CHECK(world_digest(w) == before || storsim_injected_count(w->machine) == 1);
    advance(w, 100);
    CHECK_EQ(w->heard_count, 0);
    world_end(w);
    /* and a pool that is really empty */
    config.nt.nonpaged_budget = 32768;
    w = world_make(&config);
    uint32_t status = 0;
    unsigned accepted = 0;
    while (status == 0 && accepted < 10000) {
        status = verbs(w, w->context, &item, 1, 0x111, 0);
        accepted += status == 0;
    }
    CHECK_EQ(status, ST(NM));
    advance(w, 10 * (uint64_t)accepted);
    CHECK_EQ(w->heard_count, accepted);
    CHECK_EQ(verbs(w, w->context, &item, 1, 0x111, 0), 0);
    END;
}

CASE(75) {
    START;
    storsim_codec_transfer_t item = {GET_PARAMETER(0, 0, 0), 0x1234};
    at_irql(w, 2);
    CHECK_EQ(verbs(w, c, &item, 1, 0, 0), ST(UNS));
    CHECK_EQ(item.Input, 0x1234);
    CHECK_EQ(verbs(w, c, &item, 1, 0x111, 0), 0); /* asynchronous is legal here */
    at_irql(w, 0);
    END;
}

CASE(76) {
    world_config_t config = world_defaults();
    config.codecs = 3;
    world_t *w = world_make(&config);
    uint64_t c = w->context, other = world_query(w, STORSIM_TABLE_V1, 1);
    for (unsigned i = 0; i < 64; i++) {
        uint8_t tag = 255;
        CHECK_EQ(tag_on(w, c, 0x5, i, &tag), 0);
        CHECK_EQ(tag, i);
    }
    CHECK_EQ(tag_on(w, c, 0x5, 64, NULL), ST(IR));
    uint8_t tag = 255;
    CHECK_EQ(tag_on(w, other, 0x5, 0, &tag), 0);
    CHECK_EQ(tag, 0);
    CHECK_EQ(tag_off(w, c, 17), 0);
    CHECK_EQ(tag_on(w, c, 0x5, 64, &tag), 0);
    CHECK_EQ(tag, 17);
    END;
}

CASE(77) {
    START;
    CHECK_EQ(tag_off(w, c, 0), ST(IP));
    CHECK_EQ(tag_off(w, c, 63), ST(IP));
    CHECK_EQ(tag_off(w, c, 64), ST(IP));
    CHECK_EQ(tag_off(w, c, 255), ST(IP));
    END;
}

CASE(78) {
    START;
    static const struct {
        uint16_t size, status, after;
    } rows[] = {{9, BTS, 9}, {10, OK, 10}, {12, OK, 10}, {14, OK, 14}, {64, OK, 14}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        storsim_device_information_t info = {.Size = rows[i].size, .CtrlVendorId = 0x5555};
        CHECK_EQ(information(w, c, &info), ST(rows[i].status));
        CHECK_EQ(info.Size, rows[i].after);
        CHECK_EQ(info.CtrlVendorId, rows[i].after == 14 ? 0x8086 : 0x5555);
        CHECK_EQ(info.DeviceVersion, rows[i].status == OK ? 0x0100 : 0);
        CHECK_EQ(info.DriverVersion, rows[i].status == OK ? 0x0100 : 0);
        CHECK_EQ(info.CodecsDetected, rows[i].status == OK ? 1 : 0);
        CHECK_EQ(info.IsStripingSupported, 0);
    }
    END;
}

CASE(79) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    uint64_t va;
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    CHECK_EQ(read32(w, va), 0);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    CHECK_EQ(position(w, c, e.handle, NULL), ST(IH)); /* case 80 */
    END;
}
#define test_case_80 test_case_79

CASE(81) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XD);
    uint64_t va, clock = wall_clock(w, c);
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    uint32_t before = read32(w, clock);
    CHECK_EQ(read32(w, va), 0);
    advance(w, 48);
    CHECK_EQ(read32(w, va), 192);
    CHECK_EQ(read32(w, clock), before + 24000);
    END;
}

CASE(82) {
    START;
    uint64_t h, va;
    CHECK_EQ(render(w, c, fmt(44100, 16, 16, 2), 0, &h, NULL), 0);
    CHECK_EQ(allocate_d(w, c, h, 4096, NULL), 0);
    CHECK_EQ(position(w, c, h, &va), 0);
    CHECK_EQ(set_state(w, c, PAUSE, h), 0);
    CHECK_EQ(set_state(w, c, RUN, h), 0);
    advance(w, 160);
    CHECK_EQ(read32(w, va), 147 * 4);
    END;
}

CASE(83) {
    world_config_t config = world_defaults();
    config.bus.policy.tables = STORSIM_TABLES_VISTA;
    world_t *w = world_make(&(world_config_t){
        .hda = config.hda, .bus = config.bus, .nt = config.nt, .codecs = 1, .memory = config.memory, .no_query = true});
    const storsim_hdaudio_table_t *bdl = table_of(STORSIM_TABLE_BDL);
    storsim_hdaudio_interface_t interface, untouched;
    memset(&interface, 0x77, sizeof interface);
    untouched = interface;
    uint32_t ntstatus = 0;
    CHECK_EQ(
        storsim_hdaudio_query(w->machine, w->controller, bdl->guid, bdl->size_x64, 0x0100, 0, &interface, &ntstatus),
        STORSIM_OK);
    CHECK_EQ(ntstatus, ST(NS));
    CHECK_EQ(memcmp(&interface, &untouched, sizeof interface), 0);
    CHECK(!storsim_hdaudio_started(w->machine, w->controller, NULL));
    CHECK(world_query(w, STORSIM_TABLE_V2, 0) != 0);
    END;
}

int main(void) {
#define RUN_CASE(n) test_case_##n();
    RUN_CASE(51)
    RUN_CASE(52) RUN_CASE(53) RUN_CASE(54) RUN_CASE(55) RUN_CASE(56) RUN_CASE(57) RUN_CASE(58) RUN_CASE(59) RUN_CASE(60)
        RUN_CASE(61) RUN_CASE(62) RUN_CASE(63) RUN_CASE(64) RUN_CASE(65) RUN_CASE(66) RUN_CASE(67) RUN_CASE(68)
            RUN_CASE(69) RUN_CASE(70) RUN_CASE(71) RUN_CASE(72) RUN_CASE(73) RUN_CASE(74) RUN_CASE(75) RUN_CASE(76)
                RUN_CASE(77) RUN_CASE(78) RUN_CASE(79) RUN_CASE(80) RUN_CASE(81) RUN_CASE(82)
                    RUN_CASE(83) return CHECK_PINNED(hdaudio_test_cases_buffer);
}
