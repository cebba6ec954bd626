/* hdaudio/stream.c: stream descriptors: reset handshake, programming, synchronous start and stop.
 *
 * Start: set SSYNC of all, set RUN of all, wait until every FIFO is ready, clear SSYNC in one write. The link then
 * moves from the next frame boundary, which has not come when the call returns: k frames later exactly k of them have
 * carried data. Stop: set SSYNC of all (they freeze at one frame boundary), clear RUN of each and see it read 0, clear
 * SSYNC. Source: spec hda-controller §6; time-outs as shipping drivers have them, spec hdaudio-dma §5.0. */
#include "hdaudio/bus.h"

enum {
    CTL_SRST = 0x01,
    CTL_RUN = 0x02,
    CTL_ENABLES = 0x1C, /* IOCE, FEIE, DEIE */
    CTL2_DIR = 0x08,    /* bit 19 */
    CTL2_TP = 0x04,     /* bit 18 */
    POLL_TRIES = 300,
    POLL_STEP = 72, /* 3 µs */
    STOP_TRIES = 5000,
    READY_TRIES = 1000,
    FIFO_RENDER_WIDE = 0xFF /* what an output's FIFOS register accepts for 20- and 24-bit samples */
};

static uint32_t base_of(uint32_t descriptor) {
    return SS_SD + SS_SD_STEP * descriptor;
}

/* RUN 1 -> 0, and wait until the engine says so. */
static bool stop_one(ss_chip_t *chip, uint32_t descriptor) {
    uint32_t base = base_of(descriptor), control = ss_chip_read(chip, base + SS_SD_CTL, 1);
    if (!(control & CTL_RUN)) {
        return true;
    }
    ss_chip_write(chip, base + SS_SD_CTL, 1, control & ~(uint32_t)CTL_RUN);
    return ss_chip_poll(chip, base + SS_SD_CTL, 1, CTL_RUN, 0, STOP_TRIES, POLL_STEP);
}

bool ss_stream_reset(ss_chip_t *chip, uint32_t descriptor) {
    uint32_t base = base_of(descriptor);
    bool done = stop_one(chip, descriptor);
    ss_chip_write(chip, base + SS_SD_CTL, 1, CTL_SRST);
    done = ss_chip_poll(chip, base + SS_SD_CTL, 1, CTL_SRST, CTL_SRST, POLL_TRIES, POLL_STEP) && done;
    ss_chip_write(chip, base + SS_SD_CTL, 1, 0);
    return ss_chip_poll(chip, base + SS_SD_CTL, 1, CTL_SRST, 0, POLL_TRIES, POLL_STEP) && done;
}

void ss_stream_program(ss_chip_t *chip, const ss_busdriver_t *bus, uint32_t descriptor, const ss_engine_t *engine,
                       uint64_t bdl_address, uint32_t *fifo_bytes) {
    uint32_t base = base_of(descriptor), control = (uint32_t)engine->stream_id << 4 | CTL2_TP;
    if (descriptor >= (uint32_t)bus->captures + bus->renders && !engine->capture) {
        control |= CTL2_DIR;
        ss_chip_write(chip, base + SS_SD_CTL2, 1, CTL2_DIR); /* the direction comes before anything else */
    }
    if (engine->striped) {
        control |= bus->config.stripe_lines >= 4 && bus->lines >= 4 ? 2u : 1u;
    }
    ss_chip_write(chip, base + SS_SD_CTL2, 1, control);
    ss_chip_write(chip, base + SS_SD_FMT, 2, engine->converter);
    if (!engine->capture && (engine->format.ValidBitsPerSample == 20 || engine->format.ValidBitsPerSample == 24)) {
        ss_chip_write(chip, base + SS_SD_FIFOS, 2, FIFO_RENDER_WIDE);
    }
    ss_chip_write(chip, base + SS_SD_CBL, 4, engine->cbl);
    ss_chip_write(chip, base + SS_SD_LVI, 2, engine->lvi);
    ss_chip_write(chip, base + SS_SD_BDPL, 4, (uint32_t)bdl_address);
    ss_chip_write(chip, base + SS_SD_BDPU, 4, (uint32_t)(bdl_address >> 32));
    ss_chip_write(chip, base + SS_SD_CTL, 1, CTL_ENABLES);
    *fifo_bytes = ss_chip_read(chip, base + SS_SD_FIFOS, 2) + 1; /* there at once: a FIFO of the model has a size */
}

bool ss_streams_start(ss_chip_t *chip, uint32_t mask) {
    bool ready = true;
    uint32_t blocked = ss_chip_read(chip, SS_SSYNC, 4);
    ss_chip_write(chip, SS_SSYNC, 4, blocked | mask);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (mask >> n & 1) {
            uint32_t base = base_of(n);
            ss_chip_write(chip, base + SS_SD_CTL, 1, CTL_ENABLES | CTL_RUN);
        }
    }
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        uint32_t base = base_of(n);
        for (uint32_t i = 0; (mask >> n & 1) && !chip->dead; i++) {
            bool running = (ss_chip_read(chip, base + SS_SD_CTL, 1) & CTL_RUN) != 0;
            if (!running || (ss_chip_read(chip, base + SS_SD_STS, 1) & SS_STS_FIFORDY)) {
                break; /* a stream that a descriptor error stopped at once will never be ready */
            }
            if (i == READY_TRIES) {
                ready = false;
                break;
            }
            ss_chip_wait(chip, POLL_STEP);
        }
    }
    ss_chip_write(chip, SS_SSYNC, 4, ss_chip_read(chip, SS_SSYNC, 4) & ~mask);
    return ready && !chip->dead;
}

bool ss_streams_stop(ss_chip_t *chip, uint32_t mask) {
    bool stopped = true;
    ss_chip_write(chip, SS_SSYNC, 4, ss_chip_read(chip, SS_SSYNC, 4) | mask);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (mask >> n & 1) {
            uint32_t base = base_of(n);
            ss_chip_write(chip, base + SS_SD_CTL, 1, ss_chip_read(chip, base + SS_SD_CTL, 1) & ~(uint32_t)CTL_RUN);
        }
    }
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        if (mask >> n & 1) {
            stopped = ss_chip_poll(chip, base_of(n) + SS_SD_CTL, 1, CTL_RUN, 0, STOP_TRIES, POLL_STEP) && stopped;
        }
    }
    ss_chip_write(chip, SS_SSYNC, 4, ss_chip_read(chip, SS_SSYNC, 4) & ~mask);
    return stopped;
}
