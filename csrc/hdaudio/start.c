/* hdaudio/start.c: bringing the controller up at the first query: reset, CORB and RIRB, interrupt, enumeration of
 * codecs.
 *
 * Source: spec hda-controller §3, §11, §12; DESIGN §5 (chip at start). The order is that of shipping drivers. */
#include "hdaudio/bus.h"
#include "storsim/hda.h"

enum {
    GCTL_CRST = 1,
    GCTL_UNSOL = 0x100,
    CRST_TRIES = 10000, /* 100 ms in all */
    CRST_STEP = 240,    /* 10 µs */
    RESET_HOLD = 2400,  /* RESET# stays asserted at least 100 µs */
    CODEC_WAIT = 24000, /* 1 ms; a codec may take 521 µs to signal itself */
    RING_TRIES = 100,
    CORB_RUN = 2,
    RIRB_ENABLES = 7, /* overrun interrupt, DMA, response interrupt */
    POINTER_RESET = 0x8000,
    SIZE_256 = 2,
    CAN_256 = 0x40,
    PARAMETER = 0xF0000,
    PARAMETER_NODES = 0x04,
    PARAMETER_FUNCTION = 0x05,
    AUDIO_FUNCTION = 1
};

/* Takes the controller through reset; on failure it stays as the hardware left it. */
static bool reset_controller(ss_chip_t *chip) {
    ss_chip_write(chip, SS_GCTL, 4, 0);
    if (!ss_chip_poll(chip, SS_GCTL, 4, GCTL_CRST, 0, CRST_TRIES, CRST_STEP)) {
        return false;
    }
    ss_chip_wait(chip, RESET_HOLD);
    ss_chip_write(chip, SS_STATESTS, 2, 0x7FFF); /* what earlier resets left in the resume well */
    ss_chip_write(chip, SS_GCTL, 4, GCTL_CRST);
    if (!ss_chip_poll(chip, SS_GCTL, 4, GCTL_CRST, GCTL_CRST, CRST_TRIES, CRST_STEP)) {
        return false;
    }
    ss_chip_wait(chip, CODEC_WAIT);
    return !chip->dead;
}

static void read_capabilities(ss_chip_t *chip, ss_busdriver_t *bus) {
    uint32_t gcap = ss_chip_read(chip, SS_GCAP, 2), lines = gcap >> 1 & 3;
    bus->renders = (uint8_t)(gcap >> 12 & 15);
    bus->captures = (uint8_t)(gcap >> 8 & 15);
    bus->bidirs = (uint8_t)(gcap >> 3 & 31);
    bus->lines = (uint8_t)(lines >= 2 ? 4 : lines + 1);
    bus->wide = gcap & 1;
    bus->device_version = (uint16_t)(ss_chip_read(chip, SS_VMAJ, 1) << 8 | ss_chip_read(chip, SS_VMIN, 1));
    bus->out_bits = ss_chip_read(chip, SS_OUTPAY, 2) * 16;
    bus->in_bits = ss_chip_read(chip, SS_INPAY, 2) * 16;
    bus->out_words = ss_chip_read(chip, SS_OUTSTRMPAY, 2) & 0xFF;
    bus->in_words = ss_chip_read(chip, SS_INSTRMPAY, 2) & 0xFF;
}

/* One page for both rings and the position buffer. */
static storsim_status_t make_ring(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t *address) {
    ss_block_request_t request = {.kind = STORSIM_BLOCK_HDA_RING,
                                  .size = STORSIM_PAGE_SIZE,
                                  .highest = bus->wide ? UINT64_MAX : UINT32_MAX,
                                  .alignment = STORSIM_PAGE_SIZE,
                                  .node = STORSIM_NODE_ANY,
                                  .owner = STORSIM_HDAUDIO_OWNER(bus->controller),
                                  .zero = true};
    storsim_status_t status = ss_block_make(machine, &request, &bus->ring);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_dma_map(machine, bus, bus->ring, address);
    if (status != STORSIM_OK) {
        ss_block_free(machine, bus->ring);
        bus->ring = 0;
    }
    return status;
}

/* Gives the rings to the chip and starts them. */
static bool start_rings(ss_chip_t *chip, ss_busdriver_t *bus, uint64_t ring) {
    if (!(ss_chip_read(chip, SS_CORBSIZE, 1) & CAN_256) || !(ss_chip_read(chip, SS_RIRBSIZE, 1) & CAN_256)) {
        return false; /* the driver knows rings of 256 entries only, as UAA demands of the controller */
    }
    uint64_t corb = ring + SS_RING_CORB, rirb = ring + SS_RING_RIRB;
    ss_chip_write(chip, SS_CORBLBASE, 4, (uint32_t)corb);
    ss_chip_write(chip, SS_CORBUBASE, 4, (uint32_t)(corb >> 32));
    ss_chip_write(chip, SS_CORBSIZE, 1, SIZE_256);
    ss_chip_write(chip, SS_CORBWP, 2, 0);
    ss_chip_write(chip, SS_CORBRP, 2, POINTER_RESET);
    ss_chip_poll(chip, SS_CORBRP, 2, POINTER_RESET, POINTER_RESET, RING_TRIES,
                 CRST_STEP); /* some parts never show it */
    ss_chip_write(chip, SS_CORBRP, 2, 0);
    /* unreachable: what the write before it cleared reads 0 */
    if (!ss_chip_poll(chip, SS_CORBRP, 2, POINTER_RESET, 0, RING_TRIES, CRST_STEP)) {
        return false;
    }
    ss_chip_write(chip, SS_RIRBLBASE, 4, (uint32_t)rirb);
    ss_chip_write(chip, SS_RIRBUBASE, 4, (uint32_t)(rirb >> 32));
    ss_chip_write(chip, SS_RIRBSIZE, 1, SIZE_256);
    ss_chip_write(chip, SS_RIRBWP, 2, POINTER_RESET);
    ss_chip_write(chip, SS_RINTCNT, 2, 1);
    ss_chip_write(chip, SS_RIRBCTL, 1, RIRB_ENABLES);
    ss_chip_write(chip, SS_CORBCTL, 1, CORB_RUN);
    if (bus->config.policy.position == STORSIM_POSITION_BUFFER) {
        uint64_t position = ring + SS_RING_POSITION;
        ss_chip_write(chip, SS_DPUBASE, 4, (uint32_t)(position >> 32));
        ss_chip_write(chip, SS_DPLBASE, 4, (uint32_t)position | 1);
    }
    bus->corb_wp = bus->rirb_rp = 0;
    return !chip->dead;
}

/* Asks each codec for its function groups. A codec that does not answer has none. */
static void enumerate(ss_chip_t *chip, ss_busdriver_t *bus) {
    bus->function_count = 0;
    for (uint32_t codec = 0; codec < SS_MAX_CODECS; codec++) {
        uint32_t nodes = 0;
        if (!(bus->codecs >> codec & 1) || !ss_verb_ask(chip, bus, codec << 28 | PARAMETER | PARAMETER_NODES, &nodes)) {
            continue;
        }
        uint32_t first = nodes >> 16 & 0xFF, count = nodes & 0xFF;
        for (uint32_t node = first; node < first + count && node <= 0xFF && bus->function_count < SS_MAX_FUNCTIONS;
             node++) {
            uint32_t type = 0;
            if (ss_verb_ask(chip, bus, codec << 28 | node << 20 | PARAMETER | PARAMETER_FUNCTION, &type)) {
                bus->functions[bus->function_count++] = (ss_function_t){(uint8_t)codec, (uint8_t)node, (uint8_t)type};
            }
        }
    }
    /* Audio function groups are the device objects an audio driver binds to: they come first, otherwise in order found.
     */
    for (uint32_t i = 0, audio = 0; i < bus->function_count; i++) {
        ss_function_t function = bus->functions[i];
        if ((function.type & 0x7F) == AUDIO_FUNCTION) {
            for (uint32_t k = i; k > audio; k--) {
                bus->functions[k] = bus->functions[k - 1];
            }
            bus->functions[audio++] = function;
        }
    }
}

storsim_status_t ss_bus_start(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t *ntstatus) {
    ss_chip_t chip = ss_chip_open(machine, bus->controller);
    uint64_t ring = 0;
    uint32_t line = storsim_hda_line(machine, bus->controller);
    storsim_status_t status = STORSIM_OK;
    *ntstatus = SS_NT(NO_SUCH_DEVICE);
    bus->starting = true;
    if (!reset_controller(&chip)) {
        goto fail;
    }
    read_capabilities(&chip, bus);
    if ((uint32_t)bus->renders + bus->captures + bus->bidirs > SS_MAX_DESCRIPTORS) {
        goto fail; /* reads of all ones: the controller is gone */
    }
    bus->codecs = ss_chip_read(&chip, SS_STATESTS, 2) & 0x7FFF;
    ss_chip_write(&chip, SS_STATESTS, 2, bus->codecs);
    *ntstatus = SS_NT(INSUFFICIENT_RESOURCES);
    status = make_ring(machine, bus, &ring);
    if (status == STORSIM_OK) {
        status = ss_register_range_make(machine, SS_ROOM_HDAUDIO, (uint64_t)bus->controller << 32 | SS_MAX_DESCRIPTORS,
                                        STORSIM_PAGE_SIZE, STORSIM_HDAUDIO_OWNER(bus->controller), &bus->clock);
    }
    if (status == STORSIM_OK) {
        status = ss_interrupt_connect(machine, line, bus->config.dirql, SS_ROOM_HDAUDIO, bus->controller);
        bus->line = status == STORSIM_OK ? line : 0;
    }
    if (status != STORSIM_OK) {
        goto fail;
    }
    *ntstatus = SS_NT(NO_SUCH_DEVICE);
    if (!start_rings(&chip, bus, ring)) {
        goto fail;
    }
    ss_chip_write(&chip, SS_GCTL, 4, GCTL_CRST | GCTL_UNSOL);
    ss_chip_write(&chip, SS_INTCTL, 4, UINT32_MAX);
    enumerate(&chip, bus);
    if (chip.status != STORSIM_OK) {
        goto fail;
    }
    bus->starting = false;
    bus->started = true;
    *ntstatus = SS_NT(SUCCESS);
    return STORSIM_OK;
fail:
    ss_bus_stop(&chip, bus);
    bus->starting = false;
    if (status == STORSIM_OK) {
        status = chip.status;
    }
    return status == STORSIM_NO_SPACE ? STORSIM_OK : status;
}

void ss_bus_stop(ss_chip_t *chip, ss_busdriver_t *bus) {
    storsim_machine_t *machine = chip->machine;
    ss_chip_write(chip, SS_INTCTL, 4, 0);
    ss_chip_write(chip, SS_CORBCTL, 1, 0);
    ss_chip_write(chip, SS_RIRBCTL, 1, 0);
    ss_chip_write(chip, SS_GCTL, 4, 0);
    ss_chip_poll(chip, SS_GCTL, 4, GCTL_CRST, 0, RING_TRIES,
                 CRST_STEP); /* DMA into the rings must be over before they go */
    ss_event_cancel(machine, bus->flight_event);
    bus->flight = bus->flight_event = 0;
    ss_interrupt_disconnect(machine, bus->line);
    bus->line = 0;
    if (bus->clock) {
        ss_block_free(machine, bus->clock);
    }
    if (bus->ring) {
        ss_dma_unmap(machine, bus, bus->ring);
        ss_block_free(machine, bus->ring);
    }
    bus->clock = bus->ring = 0;
    bus->started = false;
}
