/* hda/format.c: SDnFMT and the cadence of sample blocks on the link, as closed formulas.
 *
 * A slot is DIV frames; its first frame carries MULT blocks. On the 48 kHz base every slot is active. On the 44.1 kHz base 147 of 160
 * are: groups of 12-11-11-12-11-11-12-11-11-12-11-11-11 active slots, each followed by one empty slot. Source: hda-controller §9.3. */
#include "hda/hda_i.h"

#define SUPER_SLOTS 160u
#define SUPER_ACTIVE 147u

static const uint8_t groups[13] = {12, 11, 11, 12, 11, 11, 12, 11, 11, 12, 11, 11, 11};

/* Active slots among the first `slots` (< 160) of a super-cycle. */
static uint64_t active_before(uint64_t slots) {
    uint64_t active = 0;
    for (uint32_t i = 0; slots > groups[i]; i++) { /* ends in the last group at the latest: 147 active and 13 empty slots make 160 */
        active += groups[i];
        slots -= groups[i] + 1u;
    }
    return active + slots;
}

/* Slot number of the active slot `active` (0 … 146) of a super-cycle. */
static uint64_t slot_of(uint64_t active) {
    uint32_t empty = 0;
    for (uint64_t before = groups[0]; active >= before; before += groups[empty]) { /* all groups make 147 */
        empty++;
    }
    return active + empty;
}

void ss_hda_rate_of(uint16_t format, ss_hda_rate_t *rate) {
    static const uint8_t containers[8] = {1, 2, 4, 4, 4, 4, 4, 4};
    rate->base44 = (format & 0x4000u) != 0;
    rate->mult = (format >> 11 & 7u) + 1;
    rate->div = (format >> 8 & 7u) + 1;
    rate->block = containers[format >> 4 & 7u] * ((format & 15u) + 1u);
}

uint64_t ss_hda_rate_bytes(const ss_hda_rate_t *rate, uint64_t frames) {
    uint64_t slots = rate->div == 1 ? frames : frames / rate->div + (frames % rate->div != 0);
    if (rate->base44) {
        slots = slots / SUPER_SLOTS * SUPER_ACTIVE + active_before(slots % SUPER_SLOTS);
    }
    return slots * rate->mult * rate->block;
}

uint64_t ss_hda_rate_frames(const ss_hda_rate_t *rate, uint64_t bytes) {
    uint64_t packet = (uint64_t)rate->mult * rate->block;
    uint64_t active = bytes / packet + (bytes % packet != 0);
    if (active == 0) {
        return 0;
    }
    uint64_t slot = active - 1;
    if (rate->base44) {
        slot = slot / SUPER_ACTIVE * SUPER_SLOTS + slot_of(slot % SUPER_ACTIVE);
    }
    return slot * rate->div + 1;
}

uint32_t ss_hda_rate_packet(const ss_hda_rate_t *rate) {
    return rate->mult * rate->block;
}

uint32_t ss_hda_link_bits(uint16_t format) {
    static const uint8_t bits[8] = {8, 16, 20, 24, 32, 32, 32, 32};
    return bits[format >> 4 & 7u] * ((format & 15u) + 1u) * ((format >> 11 & 7u) + 1u);
}

bool storsim_hda_format_decode(uint16_t format, storsim_hda_format_t *fields) {
    static const uint8_t bits[8] = {8, 16, 20, 24, 32, 32, 32, 32};
    ss_hda_rate_t rate;
    ss_hda_rate_of(format, &rate);
    fields->base = rate.base44 ? 44100 : 48000;
    fields->mult = rate.mult;
    fields->div = rate.div;
    fields->bits = bits[format >> 4 & 7u];
    fields->channels = (format & 15u) + 1u;
    fields->block_bytes = rate.block;
    fields->container_bytes = rate.block / fields->channels;
    return (format & 0x8080u) == 0 && (format >> 4 & 7u) <= 4 && rate.mult <= 4;
}

uint64_t storsim_hda_cadence_bytes(uint16_t format, uint64_t frames) {
    ss_hda_rate_t rate;
    ss_hda_rate_of(format, &rate);
    return ss_hda_rate_bytes(&rate, frames);
}
