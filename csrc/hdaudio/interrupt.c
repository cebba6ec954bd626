/* hdaudio/interrupt.c: the controller's interrupt service routine, the deferred calls behind it, and the mapped
 * registers.
 *
 *   line ─ ISR at DIRQL: reads and clears what fired; the client's BDL ISR; queues one DPC for each completion
 *        └ DPC at DISPATCH: notification callbacks with the time of the ISR, then events, each as registered;
 *          responses of codecs: transfer callbacks, unsolicited responses
 *
 * Source: spec hdaudio-dma §8, §2 (InterruptBitMask); spec hda-controller §7. */
#include "hdaudio/bus.h"
#include "storsim/hda.h"

enum { DISPATCH = 2, RIRBSTS_CAUSES = 5, RIRBSTS_OVERRUN = 4 };
#define INTSTS_GIS UINT32_C(0x80000000)
#define INTSTS_CIS UINT32_C(0x40000000)

static void report(storsim_machine_t *machine, const ss_busdriver_t *bus, storsim_class_t kind, ss_rule_id_t rule,
                   uint64_t address, uint64_t got) {
    storsim_finding_t draft = {
        .kind = kind, .owner = STORSIM_HDAUDIO_OWNER(bus->controller), .address = address, .got = got};
    ss_report(machine, SS_ROOM_NT, rule, &draft);
}

void ss_bus_note(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_rule_id_t rule, uint64_t address,
                 uint64_t got) {
    report(machine, bus, STORSIM_NOTE, rule, address, got);
}

storsim_status_t ss_bus_violate(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_rule_id_t rule,
                                uint64_t address) {
    report(machine, bus, STORSIM_RULE_VIOLATION, rule, address, 0);
    return ss_at_least(machine, STORSIM_STRICT) ? STORSIM_VIOLATION : STORSIM_OK;
}

storsim_status_t ss_bus_queue_dpc(storsim_machine_t *machine, ss_busdriver_t *bus, uint16_t kind, uint64_t a,
                                  uint64_t b) {
    bool late = ss_hardware_fault(machine, STORSIM_HW_LATE_DPC, bus->controller);
    return ss_dpc_queue_late(machine, SS_ROOM_HDAUDIO, kind, a, b, late ? bus->config.late_dpc : 0);
}

/* --- ISR ---------------------------------------------------------------------------------------------------------- */

static storsim_status_t stream_interrupt(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t n, uint32_t status) {
    ss_engine_t *engine = &bus->engines[n];
    storsim_status_t result = STORSIM_OK;
    if (!engine->handle) {
        return STORSIM_OK;
    }
    uint64_t handle = engine->handle, isr = engine->isr, isr_context = engine->isr_context;
    if (status & SS_STS_DESE) {
        storsim_engine_state_t state = (storsim_engine_state_t)engine->state;
        engine->state =
            (uint8_t)storsim_engine_transition(STORSIM_EVENT_DESCRIPTOR_ERROR, state, &bus->config.policy).next;
        ss_bus_note(machine, bus, SS_DESCRIPTOR_ERROR_LOGGED, handle, n);
    }
    if ((status & SS_STS_FIFOE) && !isr) {
        ss_bus_note(machine, bus, SS_FIFO_ERROR_LOGGED, handle, n);
    }
    if ((status & SS_STS_BCIS) && isr && ss_engine_bdl_changed(machine, engine)) {
        result = ss_bus_violate(machine, bus, SS_BDL_CHANGED, handle);
    }
    if (status & SS_STS_BCIS) {
        bool pending = engine->dpc_pending && bus->config.policy.coalesce == STORSIM_COALESCE_ON;
        engine->interrupts++;
        engine->last_isr = storsim_now(machine);
        engine->dpc_pending = true;
        if (!pending) {
            storsim_status_t queued = ss_bus_queue_dpc(machine, bus, SS_DPC_COMPLETION, handle, engine->last_isr);
            result = result == STORSIM_OK ? queued : result;
        }
    }
    if (isr) {
        storsim_callback_t callback = {.kind = STORSIM_CB_HDA_BDL_ISR, .routine = isr, .values = {isr_context, status}};
        storsim_status_t called = ss_callback_at(machine, bus->config.dirql, &callback);
        result = result == STORSIM_OK ? called : result;
    }
    return result;
}

storsim_status_t ss_hdaudio_isr(storsim_machine_t *machine, uint32_t line, uint64_t context, bool *claimed) {
    ss_busdriver_t *bus = ss_bus_of_controller(machine, (uint32_t)context);
    ss_chip_t chip = ss_chip_open(machine, (uint32_t)context);
    (void)line;
    *claimed = false;
    if (!bus) {
        return STORSIM_OK;
    }
    uint32_t causes = ss_chip_read(&chip, SS_INTSTS, 4);
    if (!(causes & INTSTS_GIS) || causes == UINT32_MAX) { /* all ones: the controller is gone */
        return chip.status;
    }
    *claimed = true;
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (causes >> n & 1) {
            uint32_t sts = SS_SD + SS_SD_STEP * n + SS_SD_STS;
            uint32_t status = ss_chip_read(&chip, sts, 1) & (SS_STS_BCIS | SS_STS_FIFOE | SS_STS_DESE);
            ss_chip_write(&chip, sts, 1, status);
            ss_chip_error(&chip, stream_interrupt(machine, bus, n, status));
        }
    }
    if (causes & INTSTS_CIS) {
        uint32_t status = ss_chip_read(&chip, SS_RIRBSTS, 1) & RIRBSTS_CAUSES;
        ss_chip_write(&chip, SS_RIRBSTS, 1, status);
        ss_chip_write(&chip, SS_CORBSTS, 1, 1);
        bus->overrun = bus->overrun || (status & RIRBSTS_OVERRUN);
        if (!bus->rirb_pending) {
            bus->rirb_pending = true;
            ss_chip_error(&chip, ss_bus_queue_dpc(machine, bus, SS_DPC_RIRB, bus->controller, 0));
        }
    }
    return chip.status;
}

/* --- DPCs --------------------------------------------------------------------------------------------------------- */

/* The next registration of an engine after a serial number: callbacks may take registrations away while the list is
 * walked. */
static const ss_notice_t *next_notice(const ss_busdriver_t *bus, uint64_t handle, bool callback, uint64_t after) {
    for (uint32_t i = 0; i < bus->notice_count; i++) {
        const ss_notice_t *notice = &bus->notices[i];
        if (notice->handle == handle && notice->callback == callback && notice->serial > after) {
            return notice;
        }
    }
    return NULL;
}

static storsim_status_t completion(storsim_machine_t *machine, uint64_t handle, uint64_t time) {
    uint32_t n = 0;
    ss_busdriver_t *bus = ss_bus_of_handle(machine, handle, &n);
    storsim_status_t result = STORSIM_OK;
    if (!bus) {
        return STORSIM_OK; /* the engine went before its DPC ran */
    }
    bus->engines[n].dpc_pending = false;
    if (bus->config.policy.coalesce == STORSIM_COALESCE_ON) {
        time = bus->engines[n].last_isr;
    }
    const ss_notice_t *notice = next_notice(bus, handle, true, 0);
    while (notice && result == STORSIM_OK) {
        uint64_t serial = notice->serial;
        storsim_callback_t callback = {
            .kind = STORSIM_CB_HDA_NOTIFICATION, .routine = notice->routine, .values = {notice->token, time}};
        result = ss_callback_at(machine, DISPATCH, &callback);
        notice = next_notice(bus, handle, true, serial);
    }
    for (notice = next_notice(bus, handle, false, 0); notice;
         notice = next_notice(bus, handle, false, notice->serial)) {
        (void)storsim_event_set(machine, notice->routine); /* one that is none any more is not the interrupt's business */
    }
    return result;
}

storsim_status_t ss_hdaudio_dpc(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b) {
    if (kind == SS_DPC_COMPLETION) {
        return completion(machine, a, b);
    }
    ss_busdriver_t *bus = ss_bus_of_controller(machine, (uint32_t)a);
    if (!bus) {
        return STORSIM_OK;
    }
    if (kind == SS_DPC_TRANSFER) {
        return ss_transfer_callback(machine, bus, (uint32_t)(b >> 32), (uint32_t)b);
    }
    if (kind == SS_DPC_UNSOLICITED) {
        return ss_unsolicited_callback(machine, bus, b);
    }
    bus->rirb_pending = false;
    ss_chip_t chip = ss_chip_open(machine, bus->controller);
    storsim_status_t status = ss_rirb_drain(&chip, bus, true);
    ss_chip_error(&chip, status);
    if (!bus->removed) {
        ss_verbs_pump(&chip, bus);
    }
    return status != STORSIM_OK ? status : chip.status;
}

storsim_status_t ss_hdaudio_event(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    (void)state;
    ss_busdriver_t *bus = ss_bus_of_controller(machine, (uint32_t)event->a);
    if (!bus || bus->flight != (uint32_t)event->b || bus->flight_event != event->id) {
        return STORSIM_OK;
    }
    bus->flight_event = 0;
    ss_chip_t chip = ss_chip_open(machine, bus->controller);
    ss_bus_note(machine, bus, SS_CODEC_LOST, bus->flight_codec, 0);
    ss_chip_error(&chip, ss_flight_done(machine, bus, bus->overrun ? SS_RESPONSE_OVERRUN : 0, false));
    ss_verbs_pump(&chip, bus);
    /* An event interrupts no one, so nothing else would deliver the callback's DPC. */
    ss_chip_error(&chip, ss_deliver(machine));
    return chip.status;
}

/* --- registers a client may look at ------------------------------------------------------------------------------- */

storsim_status_t ss_hdaudio_registers(storsim_machine_t *machine, uint64_t context, uint64_t offset, void *buffer,
                                      size_t bytes, bool store) {
    uint32_t controller = (uint32_t)(context >> 32);
    const ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    uint8_t *out = buffer;
    if (!bus) {
        return STORSIM_STALE;
    }
    if (store) {
        return ss_bus_violate(machine, bus, SS_REGISTER_WRITTEN, offset);
    }
    ss_chip_t chip = ss_chip_open(machine, controller);
    for (size_t done = 0; done < bytes;) { /* as few accesses as alignment allows */
        uint64_t at = SS_ALIAS_PAGE + offset + done;
        uint32_t size = at % 4 == 0 && bytes - done >= 4 ? 4 : at % 2 == 0 && bytes - done >= 2 ? 2 : 1;
        uint32_t value = ss_chip_read(&chip, (uint32_t)at, size);
        for (uint32_t i = 0; i < size; i++) {
            out[done + i] = (uint8_t)(value >> 8 * i);
        }
        done += size;
    }
    return chip.status;
}
