/* hda/rings.c: CORB, RIRB, immediate commands, unsolicited responses: one verb per frame, its response one frame later.
 *
 * A step happens at a frame boundary while anything is under way. First the memory read that may fail, then what the codecs put on the
 * link, then the response FIFOs drain into the ring, then the next verb goes out. Source: hda-controller §11 – §13. */
#include "hda/hda_i.h"

enum { CORBRUN = 2, RIRBDMAEN = 2, RINTCTL = 1, RINTFL = 1, RIRBOIS = 4, CMEI = 1, ICB = 1, IRV = 2, UNSOL = 0x100 };

uint32_t ss_hda_ring_entries(const ss_hda_t *hda, uint32_t size_register) {
    static const uint16_t entries[4] = {2, 16, 256, 256};
    return entries[ss_hda_peek(hda, size_register, 1) & 3u];
}

static bool corb_ready(const ss_hda_t *hda) {
    uint32_t read = ss_hda_peek(hda, SS_CORBRP, 2), entries = ss_hda_ring_entries(hda, SS_CORBSIZE);
    return !hda->stalled && (ss_hda_peek(hda, SS_CORBCTL, 1) & CORBRUN) != 0 && (read & 0x8000u) == 0 &&
           ss_hda_peek(hda, SS_CORBWP, 1) % entries != (read & 0xFFu) % entries;
}

static bool immediate_ready(const ss_hda_t *hda) {
    return (ss_hda_peek(hda, SS_ICIS, 2) & ICB) != 0 && !hda->immediate_sent;
}

/* While the link is down there is no work: its reset has taken it all. */
void ss_hda_rings_schedule(const storsim_machine_t *machine, ss_hda_t *hda) {
    bool work = corb_ready(hda) || immediate_ready(hda) || hda->rirb_count != 0;
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        const ss_hda_codec_t *codec = hda->codecs[i];
        work = work || (codec != NULL && (codec->pending_count != 0 || codec->unsolicited_count != 0 ||
                                          (codec->fifo_count != 0 && !hda->stalled)));
    }
    hda->ring_due = work && hda->link_wanted ? ss_hda_boundary(hda, ss_hda_frame(machine, hda) + 1) : SS_NEVER;
}

/* --- responses -------------------------------------------------------------------------------------------------------- */

static void set_bits(ss_hda_t *hda, uint32_t offset, uint32_t size, uint32_t bits) {
    ss_hda_poke(hda, offset, size, ss_hda_peek(hda, offset, size) | bits);
}

static void interrupt_due(ss_hda_t *hda) {
    hda->rirb_count = 0;
    if ((ss_hda_peek(hda, SS_RIRBCTL, 1) & RINTCTL) != 0) {
        set_bits(hda, SS_RIRBSTS, 1, RINTFL);
    }
}

/* A response reaches the controller. */
static void receive(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_codec_t *codec, uint32_t value, bool unsolicited) {
    if ((ss_hda_peek(hda, SS_RIRBCTL, 1) & RIRBDMAEN) == 0) {
        return;
    }
    if (codec->fifo_count == 2 || ss_hardware_fault(machine, STORSIM_HW_RIRB_OVERRUN, hda->number)) {
        set_bits(hda, SS_RIRBSTS, 1, RIRBOIS);
        return;
    }
    codec->fifo[codec->fifo_count] = value;
    codec->fifo_flags[codec->fifo_count++] = unsolicited;
}

static void shift_pending(ss_hda_codec_t *codec) {
    codec->pending_count--;
    for (uint32_t i = 0; i < codec->pending_count; i++) {
        codec->pending[i] = codec->pending[i + 1];
    }
}

/* Each codec has one response slot per frame: answers before news. */
static void take_slot(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_codec_t *codec, uint64_t frame) {
    if (codec->pending_count != 0 && codec->pending[0].frame <= frame) {
        ss_hda_response_t response = codec->pending[0];
        shift_pending(codec);
        if (!response.immediate) {
            receive(machine, hda, codec, response.value, false);
        } else if (hda->immediate_sent) {
            hda->immediate_sent = false;
            ss_hda_poke(hda, SS_ICII, 4, response.value);
            ss_hda_poke(hda, SS_ICIS, 2, (ss_hda_peek(hda, SS_ICIS, 2) & ~(uint32_t)ICB) | IRV);
        }
    } else if (codec->unsolicited_count != 0) {
        uint32_t value = codec->unsolicited[0];
        codec->unsolicited_count--;
        for (uint32_t i = 0; i < codec->unsolicited_count; i++) {
            codec->unsolicited[i] = codec->unsolicited[i + 1];
        }
        if ((ss_hda_peek(hda, SS_GCTL, 4) & UNSOL) != 0) {
            receive(machine, hda, codec, value, true);
        }
    }
}

/* Writes the oldest response of a codec's FIFO into the ring. */
static storsim_status_t store_response(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_codec_t *codec) {
    uint32_t write = (ss_hda_peek(hda, SS_RIRBWP, 1) + 1) % ss_hda_ring_entries(hda, SS_RIRBSIZE), value = codec->fifo[0];
    uint8_t entry[8] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24),
                        (uint8_t)(codec->address | (codec->fifo_flags[0] ? 0x10u : 0u))};
    ss_bus_result_t result;
    storsim_status_t status = ss_bus_write(machine, hda->device, hda->rirb + 8u * write, entry, sizeof entry, &result);
    if (status == STORSIM_VIOLATION) {
        hda->raised = status;
    } else if (status != STORSIM_OK) {
        return status;
    } else if (result != SS_BUS_OK) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_RING_ADDRESS, 8, 0, hda->rirb + 8u * write);
    }
    codec->fifo[0] = codec->fifo[1];
    codec->fifo_flags[0] = codec->fifo_flags[1];
    codec->fifo_count--;
    ss_hda_poke(hda, SS_RIRBWP, 2, write);
    uint32_t count = ss_hda_peek(hda, SS_RINTCNT, 1);
    hda->frame_responses++;
    if (++hda->rirb_count == (count != 0 ? count : 256)) {
        interrupt_due(hda);
    }
    return STORSIM_OK;
}

static storsim_status_t drain(storsim_machine_t *machine, ss_hda_t *hda) {
    bool dma = (ss_hda_peek(hda, SS_RIRBCTL, 1) & RIRBDMAEN) != 0;
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        ss_hda_codec_t *codec = hda->codecs[i];
        if (codec != NULL && !dma) {
            codec->fifo_count = 0;
        }
        while (codec != NULL && codec->fifo_count != 0 && !hda->stalled) {
            storsim_status_t status = store_response(machine, hda, codec);
            if (status != STORSIM_OK) {
                return status;
            }
        }
    }
    if (hda->frame_responses == 0 && hda->rirb_count != 0 && !hda->stalled) {
        interrupt_due(hda); /* the empty response slot */
    }
    hda->frame_responses = 0;
    return STORSIM_OK;
}

/* --- verbs -------------------------------------------------------------------------------------------------------------- */

/* Whether a verb may change who sends or hears: set format, set stream and channel, function reset. */
static bool moves_converters(uint32_t command) {
    uint32_t verb = command >> 8 & 0xFFFu;
    return (verb >> 8) == 2 || verb == 0x706 || verb == 0x7FF;
}

/* Whether the host answers for the codec of a verb. */
static bool asks_host(const ss_hda_t *hda, uint32_t command) {
    uint32_t address = command >> 28;
    return address < STORSIM_HDA_MAX_CODECS && hda->codecs[address] != NULL && hda->codecs[address]->host_verb != 0;
}

static void ask_host(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_codec_t *codec, uint32_t command, uint32_t *response) {
    ss_hda_keep_place(machine, hda);
    storsim_callback_t callback = {.kind = STORSIM_CB_CODEC_VERB, .routine = codec->host_verb,
                                   .values = {command, codec->address, hda->number}};
    storsim_status_t status = ss_callback(machine, &callback);
    hda->raised = status != STORSIM_OK ? status : hda->raised;
    *response = status == STORSIM_OK ? (uint32_t)callback.result : 0;
}

/* Puts a verb on the link. */
static void send(storsim_machine_t *machine, ss_hda_t *hda, uint32_t command, bool immediate, uint64_t frame) {
    uint32_t address = command >> 28, response;
    ss_hda_codec_t *codec = address < STORSIM_HDA_MAX_CODECS ? hda->codecs[address] : NULL;
    if (codec == NULL || codec->silent || ss_hardware_fault(machine, STORSIM_HW_CODEC_SILENT, hda->number)) {
        return;
    }
    bool changed = false;
    response = ss_hda_codec_execute(codec, command, frame, &changed);
    if (codec->host_verb != 0) {
        ask_host(machine, hda, codec, command, &response);
    }
    if (changed) {
        ss_hda_senders_changed(machine, hda);
    }
    if (codec->pending_count < SS_HDA_PENDING) {
        codec->pending[codec->pending_count++] =
            (ss_hda_response_t){frame + (codec->response_frames != 0 ? codec->response_frames : 1), response, immediate};
    }
}

/* Reads the next verb without taking it. *ready false: there is none, or the ring cannot be read. */
static storsim_status_t peek_verb(storsim_machine_t *machine, ss_hda_t *hda, uint32_t *command, bool *ready) {
    *ready = corb_ready(hda);
    if (!*ready) {
        return STORSIM_OK;
    }
    uint32_t entries = ss_hda_ring_entries(hda, SS_CORBSIZE), next = (ss_hda_peek(hda, SS_CORBRP, 1) + 1) % entries;
    uint8_t bytes[4] = {0};
    ss_bus_result_t result = SS_BUS_OK;
    storsim_status_t status = ss_bus_read(machine, hda->device, hda->corb + 4u * next, bytes, sizeof bytes, &result);
    if (status == STORSIM_VIOLATION) {
        hda->raised = status;
        result = SS_BUS_NOT_RAM;
    } else if (status != STORSIM_OK) {
        return status;
    }
    if (result != SS_BUS_OK) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_RING_ADDRESS, 4, 0, hda->corb + 4u * next);
        set_bits(hda, SS_CORBSTS, 1, CMEI);
        ss_hda_poke(hda, SS_CORBCTL, 1, ss_hda_peek(hda, SS_CORBCTL, 1) & ~(uint32_t)CORBRUN);
        *ready = false;
        return STORSIM_OK;
    }
    if (ss_hda_peek(hda, SS_CORBWP, 1) >= entries) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_RING_POINTER, entries - 1, ss_hda_peek(hda, SS_CORBWP, 1), SS_CORBWP);
    }
    *command = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return STORSIM_OK;
}

storsim_status_t ss_hda_rings_step(storsim_machine_t *machine, ss_hda_t *hda) {
    uint64_t frame = ss_hda_frame(machine, hda);
    uint32_t command = 0, urgent = ss_hda_peek(hda, SS_ICOI, 4);
    bool ready = false, at_once = immediate_ready(hda);
    storsim_status_t status = peek_verb(machine, hda, &command, &ready);
    if (status == STORSIM_OK && ((ready && moves_converters(command)) || (at_once && moves_converters(urgent)))) {
        status = ss_hda_flow_all(machine, hda);
    }
    for (uint32_t i = 0; status == STORSIM_OK && hda->ring_frame != frame && i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL) {
            take_slot(machine, hda, hda->codecs[i], frame);
        }
    }
    if (status == STORSIM_OK) {
        hda->ring_frame = frame;
        status = drain(machine, hda);
    }
    if (status != STORSIM_OK) {
        return status;
    }
    if ((ready && asks_host(hda, command)) || (at_once && asks_host(hda, urgent))) {
        status = ss_settle(machine); /* as every callback does; what is refused here leaves the verb where it is */
        if (status == STORSIM_NO_MEMORY) {
            return status;
        }
        hda->raised = status != STORSIM_OK ? status : hda->raised;
    }
    hda->ring_due = SS_NEVER; /* a host codec may touch registers while it answers */
    if (ready) {
        uint32_t next = (ss_hda_peek(hda, SS_CORBRP, 1) + 1) % ss_hda_ring_entries(hda, SS_CORBSIZE);
        ss_hda_poke(hda, SS_CORBRP, 2, next);
        send(machine, hda, command, false, frame);
    }
    if (at_once) {
        hda->immediate_sent = true;
        send(machine, hda, urgent, true, frame);
    }
    ss_hda_rings_schedule(machine, hda);
    return STORSIM_OK;
}
