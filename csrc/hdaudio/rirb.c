/* hdaudio/rirb.c: the response ring. Source: spec hda-controller §12; spec hdaudio-dma §2 (HDAUDIO_CODEC_RESPONSE),
 * §5.9, §5.10. */
#include "hdaudio/bus.h"

enum { UNSOLICITED = 0x10, CODEC = 0x0F };

static uint32_t word(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* One entry of the ring, as the client will see it. */
static storsim_status_t handle(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t response, uint32_t extended,
                               bool in_dpc) {
    uint64_t full = SS_RESPONSE_VALID | (uint64_t)(extended & CODEC) << 32 | response;
    if (extended & UNSOLICITED) {
        full |= SS_RESPONSE_UNSOLICITED;
        return in_dpc ? ss_unsolicited_callback(machine, bus, full)
                      : ss_bus_queue_dpc(machine, bus, SS_DPC_UNSOLICITED, bus->controller, full);
    }
    if (bus->flight && bus->flight_codec == (extended & CODEC)) {
        return ss_flight_done(machine, bus, full, in_dpc);
    }
    return STORSIM_OK; /* an answer to a command already given up */
}

storsim_status_t ss_rirb_drain(ss_chip_t *chip, ss_busdriver_t *bus, bool in_dpc) {
    storsim_machine_t *machine = chip->machine;
    storsim_status_t result = STORSIM_OK;
    while (bus->ring && !chip->dead && result == STORSIM_OK) {
        uint32_t newest =
            ss_chip_read(chip, SS_RIRBWP, 2); /* bit 15 reads 0, so all ones mean that the controller is gone */
        uint8_t bytes[8];
        if (newest == bus->rirb_rp || newest >= SS_RING_ENTRIES) {
            break;
        }
        uint32_t slot = (bus->rirb_rp + 1) % SS_RING_ENTRIES;
        result = ss_block_read(machine, ss_block(machine, bus->ring), SS_RING_RIRB + 8 * slot, bytes, sizeof bytes);
        if (result == STORSIM_OK) { /* unreachable: the ring's page was written when it was made, so it can be read */
            bus->rirb_rp = slot;
            result = handle(machine, bus, word(bytes), word(bytes + 4), in_dpc); /* nobody can remove the bus driver from inside it */
        }
    }
    return result;
}
