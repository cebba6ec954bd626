/* hda/controller.c: controllers as parts of a machine: adding, removing, resets, deadlines, the interrupt line. */
#include "hda/hda_i.h"
#include "hda/operations.h"

#include <string.h>

const ss_rule_t ss_hda_rules[SS_HDA_NOTE_COUNT] = {
#define SS_HDA_NOTE_ROW(name, rule, fix, source) {#name, rule, fix, source},
    SS_HDA_NOTE_MAP(SS_HDA_NOTE_ROW)
#undef SS_HDA_NOTE_ROW
};

void ss_hda_note(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_note_t note, uint64_t expected, uint64_t got, uint64_t address) {
    const storsim_finding_t draft = {
        .kind = STORSIM_NOTE, .owner = hda->number, .expected = expected, .got = got, .address = address};
    (void)ss_report(machine, SS_ROOM_HDA, (uint32_t)note, &draft);
}

void ss_hda_stream_note(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream, ss_hda_note_t note, uint64_t expected,
                        uint64_t got, uint64_t address) {
    if ((stream->noted >> note & 1u) == 0) {
        stream->noted |= UINT32_C(1) << note;
        ss_hda_note(machine, hda, note, expected, got, address);
    }
}

/* --- time ------------------------------------------------------------------------------------------------------------- */

uint64_t ss_hda_frame(const storsim_machine_t *machine, const ss_hda_t *hda) {
    return hda->link_up ? (storsim_now(machine) - hda->epoch) / STORSIM_TICKS_PER_FRAME : 0;
}

uint64_t ss_hda_boundary(const ss_hda_t *hda, uint64_t frame) {
    uint64_t ticks;
    if (!ss_mul_u64(frame, STORSIM_TICKS_PER_FRAME, &ticks) || !ss_add_u64(ticks, hda->epoch, &ticks)) {
        return SS_NEVER;
    }
    return ticks;
}

uint64_t ss_hda_due(const storsim_machine_t *machine, const ss_hda_t *hda, uint32_t latency) {
    uint64_t now = storsim_now(machine), due;
    if (latency == STORSIM_HDA_STUCK) {
        return SS_NEVER;
    }
    if (latency == STORSIM_HDA_NEXT_FRAME) {
        return hda->link_up ? ss_hda_boundary(hda, ss_hda_frame(machine, hda) + 1)
                            : (now / STORSIM_TICKS_PER_FRAME + 1) * STORSIM_TICKS_PER_FRAME;
    }
    return ss_add_u64(now, latency, &due) ? due : SS_NEVER;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t earliest(const ss_hda_t *hda) {
    uint64_t due = sooner(hda->crst_due, sooner(hda->flush_due, hda->ring_due));
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *stream = &hda->streams[i];
        due = sooner(due, sooner(stream->due, sooner(stream->reset_due, stream->stop_due)));
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        due = hda->codecs[i] != NULL ? sooner(due, hda->codecs[i]->signal_due) : due;
    }
    return due;
}

static bool is_due(const storsim_machine_t *machine, uint64_t due) {
    return due != SS_NEVER && due <= storsim_now(machine);
}

static storsim_status_t plan_at(storsim_machine_t *machine, ss_hda_t *hda, uint64_t due) {
    ss_event_cancel(machine, hda->event);
    hda->event = 0;
    hda->event_time = due;
    return ss_event_at(machine, due, SS_ROOM_HDA, 0, hda->number, 0, &hda->event);
}

/* Keeps the machine's one event of this controller at the earliest deadline. The controller always owns a place in the queue (an event at
 * the end of time when nothing is due), so moving it needs no memory. */
static void plan(storsim_machine_t *machine, ss_hda_t *hda) {
    uint64_t due = earliest(hda);
    if (hda->event == 0 || due != hda->event_time) {
        (void)plan_at(machine, hda, due);
    }
}

void ss_hda_keep_place(storsim_machine_t *machine, ss_hda_t *hda) {
    if (hda->event == 0) {
        (void)plan_at(machine, hda, SS_NEVER);
    }
}

/* --- resets ------------------------------------------------------------------------------------------------------------ */

/* Every register to its reset value; the resume well stays. */
static void reset_image(ss_hda_t *hda) {
    uint32_t wake = ss_hda_peek(hda, SS_WAKEEN, 2), state = ss_hda_peek(hda, SS_STATESTS, 2);
    uint32_t end = SS_SD + 0x20u * hda->stream_count;
    memset(hda->image, 0, sizeof hda->image);
    for (uint32_t offset = 0; offset < end;) {
        ss_hda_row_t row;
        if (ss_hda_row_at(hda, offset, &row)) {
            ss_hda_poke(hda, row.offset, row.size, row.reset);
            offset = row.offset + row.size;
        } else {
            offset++;
        }
    }
    ss_hda_poke(hda, SS_WAKEEN, 2, wake);
    ss_hda_poke(hda, SS_STATESTS, 2, state);
}

void ss_hda_power_on(ss_hda_t *hda) {
    hda->crst_due = hda->flush_due = hda->ring_due = hda->event_time = SS_NEVER;
    hda->shadows_known = false;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        hda->streams[i] = (ss_hda_stream_t){.cache = hda->streams[i].cache, .fresh = true, .reset_due = SS_NEVER, .stop_due = SS_NEVER, .due = SS_NEVER,
                                            .input = i < hda->config.capture};
    }
    reset_image(hda);
}

/* CRST reads 0 from here on: everything but the resume well is lost. */
void ss_hda_link_reset(storsim_machine_t *machine, ss_hda_t *hda) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        ss_hda_stream_clear(machine, hda, i);
        hda->streams[i].in_reset = false;
        hda->streams[i].handshake = SS_HDA_STEADY;
        hda->streams[i].reset_due = SS_NEVER;
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL) {
            ss_hda_codec_link_reset(hda->codecs[i]);
        }
    }
    reset_image(hda);
    hda->crst_due = hda->flush_due = hda->ring_due = SS_NEVER;
    hda->link_up = hda->link_wanted = false;
    hda->rirb_count = hda->frame_responses = 0;
    hda->ring_frame = 0;
    hda->immediate_sent = false;
    hda->wall_offset = 0;
}

static void finish_crst(storsim_machine_t *machine, ss_hda_t *hda) {
    hda->crst_due = SS_NEVER;
    if (!hda->link_wanted) {
        ss_hda_link_reset(machine, hda);
        return;
    }
    hda->link_up = true;
    hda->epoch = storsim_now(machine);
    hda->wall_offset = 0;
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL) {
            hda->codecs[i]->signal_due = ss_hda_boundary(hda, hda->config.codec_frames);
        }
    }
}

/* --- what is due ---------------------------------------------------------------------------------------------------------- */

static void signal_codecs(const storsim_machine_t *machine, ss_hda_t *hda) {
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL && hda->codecs[i]->signal_due <= storsim_now(machine)) {
            hda->codecs[i]->signal_due = SS_NEVER;
            ss_hda_poke(hda, SS_STATESTS, 2, ss_hda_peek(hda, SS_STATESTS, 2) | UINT32_C(1) << i);
        }
    }
}

static void finish_handshakes(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t now = storsim_now(machine);
    if (stream->stop_due <= now) {
        stream->stop_due = SS_NEVER;
        stream->run_bit = false;
    }
    if (stream->reset_due <= now) {
        bool entering = stream->handshake == SS_HDA_ENTERING;
        stream->reset_due = SS_NEVER;
        stream->handshake = SS_HDA_STEADY;
        stream->in_reset = entering;
        if (entering) {
            ss_hda_stream_clear(machine, hda, index);
        }
    }
}

/* One pass over everything that is due; streams advance to their next IOC at most. */
static storsim_status_t pass(storsim_machine_t *machine, ss_hda_t *hda) {
    uint64_t now = storsim_now(machine);
    if (hda->crst_due <= now) {
        finish_crst(machine, hda);
    }
    if (hda->flush_due <= now) {
        hda->flush_due = SS_NEVER;
        ss_hda_poke(hda, SS_GCTL, 4, ss_hda_peek(hda, SS_GCTL, 4) & ~UINT32_C(2));
        ss_hda_poke(hda, SS_GSTS, 2, ss_hda_peek(hda, SS_GSTS, 2) | 2u);
    }
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        finish_handshakes(machine, hda, i);
        if (hda->streams[i].due <= now) {
            bool again = false;
            storsim_status_t status = ss_hda_step(machine, hda, i, &again);
            if (status != STORSIM_OK || again) {
                return status; /* the line is served between two completions of one frame */
            }
        }
    }
    signal_codecs(machine, hda);
    return hda->ring_due <= now ? ss_hda_rings_step(machine, hda) : STORSIM_OK;
}

storsim_status_t ss_hda_drive(storsim_machine_t *machine, ss_hda_t *hda) {
    bool level = ss_hda_line_level(hda);
    if (level == hda->level) {
        return STORSIM_OK;
    }
    hda->level = level;
    return ss_line_set(machine, hda->line, level);
}

static storsim_status_t raise_once(ss_hda_t *hda, storsim_status_t status) {
    if (status == STORSIM_OK) {
        status = hda->raised;
        hda->raised = STORSIM_OK;
    }
    return status;
}

static storsim_status_t sync_all(storsim_machine_t *machine, ss_hda_t *hda, bool later) {
    storsim_status_t status;
    uint64_t due = earliest(hda);
    do {
        status = is_due(machine, due) ? pass(machine, hda) : STORSIM_OK;
        bool deferred = later && status == STORSIM_NO_MEMORY;
        plan(machine, hda); /* before the line: an ISR may wait for hardware */
        storsim_status_t driven = ss_hda_drive(machine, hda);
        status = status != STORSIM_OK && !deferred ? status : driven;
        if (deferred) {
            break;
        }
        due = hda->event_time; /* as planned, here or by what the line's interrupt did */
    } while (status == STORSIM_OK && is_due(machine, due));
    if (status == STORSIM_OK && hda->routines != 0) {
        status = ss_hda_exchange(machine, hda);
    }
    return raise_once(hda, status);
}

storsim_status_t ss_hda_sync(storsim_machine_t *machine, ss_hda_t *hda) {
    return sync_all(machine, hda, false);
}

storsim_status_t ss_hda_sync_later(storsim_machine_t *machine, ss_hda_t *hda) {
    return sync_all(machine, hda, true);
}

storsim_status_t ss_hda_settle(storsim_machine_t *machine, ss_hda_t *hda) {
    return raise_once(hda, hda->link_up ? ss_hda_flow_all(machine, hda) : STORSIM_OK);
}

/* --- the room --------------------------------------------------------------------------------------------------------------- */

ss_hda_t *ss_hda_at(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hda_room_t *room = ss_room_state(machine, SS_ROOM_HDA);
    return room != NULL && controller != 0 && controller <= room->count ? room->list[controller - 1] : NULL;
}

void ss_hda_free(ss_host_t *host, ss_hda_t *hda) {
    if (hda == NULL) {
        return;
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        ss_hda_codec_free(host, hda->codecs[i]);
    }
    for (uint32_t i = 0; hda->streams != NULL && i < hda->stream_count; i++) {
        ss_release(host, hda->streams[i].cache);
    }
    ss_release(host, hda->streams);
    ss_release(host, hda);
}

static void *room_fresh(storsim_machine_t *machine, const void *current) {
    (void)current;
    ss_hda_room_t *room = ss_alloc_zeroed(ss_machine_host(machine), 1, sizeof *room);
    if (room != NULL) {
        room->host = ss_machine_host(machine);
    }
    return room;
}

static void room_destroy(storsim_machine_t *machine, void *state) {
    (void)machine;
    ss_hda_room_t *room = state;
    if (room == NULL) { /* unreachable: a room that is destroyed was made */
        return;
    }
    for (uint32_t i = 0; i < room->count; i++) {
        ss_hda_free(room->host, room->list[i]);
    }
    ss_release(room->host, room->list);
    ss_release(room->host, room);
}

static storsim_status_t room_event(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    (void)state;
    ss_hda_t *hda = event->a <= UINT32_MAX ? ss_hda_at(machine, (uint32_t)event->a) : NULL;
    if (hda == NULL || hda->event != event->id) {
        return STORSIM_OK;
    }
    hda->event = 0;
    return event->time == SS_NEVER ? STORSIM_OK : ss_hda_sync(machine, hda);
}

static storsim_status_t room_settle(storsim_machine_t *machine, void *state) {
    const ss_hda_room_t *room = state;
    storsim_status_t first = STORSIM_OK;
    for (uint32_t i = 0; i < room->count; i++) {
        storsim_status_t status = room->list[i] != NULL ? ss_hda_settle(machine, room->list[i]) : STORSIM_OK;
        first = first == STORSIM_OK ? status : first;
    }
    return first;
}

const ss_room_ops_t ss_hda_ops = {
    .name = "hda",
    .fresh = room_fresh,
    .destroy = room_destroy,
    .walk = ss_hda_room_walk,
    .event = room_event,
    .check = ss_hda_room_check,
    .settle = room_settle,
};

storsim_status_t storsim_hda_attach(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_hda_operations[SS_HDA_ATTACH], NULL, NULL);
    }
    if (ss_room_state(machine, SS_ROOM_HDA) != NULL) {
        return STORSIM_OK;
    }
    void *room = room_fresh(machine, NULL);
    if (room == NULL) {
        return STORSIM_NO_MEMORY;
    }
    (void)ss_room_attach(machine, SS_ROOM_HDA, &ss_hda_ops, room); /* cannot fail: its place is empty */
    return ss_rules_register(machine, SS_ROOM_HDA, ss_hda_rules, SS_HDA_NOTE_COUNT);
}

/* --- adding and removing ----------------------------------------------------------------------------------------------------- */

void storsim_hda_config_init(storsim_hda_config_t *config) {
    *config = (storsim_hda_config_t){
        .capture = 4, .render = 4, .sdo_lines = 1, .ok64 = true, .outpay = 60, .inpay = 29, .outstrmpay = 48, .instrmpay = 24,
        .fifo_render = 192, .fifo_render_wide = 256, .fifo_capture = 120, .fifo_capture_wide = 160, .corb_sizes = 4, .rirb_sizes = 4,
        .crst_latency = STORSIM_HDA_NEXT_FRAME, .srst_latency = STORSIM_HDA_NEXT_FRAME, .stop_latency = STORSIM_HDA_NEXT_FRAME,
        .codec_frames = 25, .coherent = true, .keep_bytes = UINT64_C(16) << 20};
}

static bool fifo_valid(uint16_t bytes) {
    return bytes >= 2 && bytes <= STORSIM_HDA_MAX_FIFO;
}

static bool latency_valid(uint32_t latency) {
    return latency >= STORSIM_HDA_NEXT_FRAME || latency <= STORSIM_TICKS_PER_SECOND;
}

bool ss_hda_config_valid(const storsim_hda_config_t *config) {
    uint32_t streams = (uint32_t)config->capture + config->render + config->bidirectional;
    return config->capture <= 15 && config->render <= 15 && config->bidirectional <= 30 && streams >= 1 &&
           streams <= STORSIM_HDA_MAX_STREAMS && (config->sdo_lines == 1 || config->sdo_lines == 2 || config->sdo_lines == 4) &&
           config->sdi_lines <= STORSIM_HDA_MAX_CODECS && config->timing <= STORSIM_HDA_EMULATOR &&
           config->personality <= STORSIM_HDA_GENERIC && fifo_valid(config->fifo_render) && fifo_valid(config->fifo_render_wide) &&
           fifo_valid(config->fifo_capture) && fifo_valid(config->fifo_capture_wide) && config->corb_sizes >= 1 &&
           config->corb_sizes <= 7 && config->rirb_sizes >= 1 && config->rirb_sizes <= 7 && latency_valid(config->crst_latency) &&
           latency_valid(config->srst_latency) && latency_valid(config->stop_latency) && config->codec_frames <= 48000;
}

storsim_status_t storsim_hda_add(storsim_machine_t *machine, const storsim_hda_config_t *config, uint32_t *controller) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_data(config, 1), ss_arg_out(*controller), ss_arg_out(0), ss_arg_out(0)};
        storsim_status_t answer = ss_tap_run(machine, &ss_hda_operations[SS_HDA_ADD], args, NULL);
        *controller = (uint32_t)args[1].value;
        return answer;
    }
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK || !ss_hda_config_valid(config)) {
        return status != STORSIM_OK ? status : STORSIM_INVALID;
    }
    status = storsim_hda_attach(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_room_t *room = ss_room_state(machine, SS_ROOM_HDA);
    void *array = room->list;
    ss_hda_t *hda = ss_alloc_zeroed(room->host, 1, sizeof *hda);
    if (hda == NULL || !ss_grow(room->host, &array, &room->capacity, room->count + 1, sizeof *room->list)) {
        status = STORSIM_NO_MEMORY;
        goto fail;
    }
    room->list = array;
    hda->config = *config;
    hda->stream_count = (uint32_t)config->capture + config->render + config->bidirectional;
    hda->config.sdi_lines = config->sdi_lines != 0 ? config->sdi_lines : 4;
    hda->lines_fixed = config->sdi_lines != 0;
    hda->streams = ss_alloc_zeroed(room->host, hda->stream_count, sizeof *hda->streams);
    if (hda->streams == NULL) {
        status = STORSIM_NO_MEMORY;
        goto fail;
    }
    for (uint32_t i = 0; config->bdl_prefetch && i < hda->stream_count; i++) {
        hda->streams[i].cache = ss_alloc_zeroed(room->host, 256, sizeof *hda->streams[i].cache);
        if (hda->streams[i].cache == NULL) {
            status = STORSIM_NO_MEMORY;
            goto fail;
        }
    }
    ss_hda_power_on(hda);
    hda->number = room->count + 1;
    status = ss_line_reserve(machine);
    status = status == STORSIM_OK ? plan_at(machine, hda, SS_NEVER) : status;
    status = status == STORSIM_OK ? ss_bus_add_device(machine, config->dma_remapping, config->coherent, &hda->device) : status;
    if (status != STORSIM_OK) {
        goto fail;
    }
    (void)ss_line_add(machine, &hda->line);
    room->list[room->count++] = hda;
    *controller = hda->number;
    return STORSIM_OK;
fail:
    if (hda != NULL) {
        ss_event_cancel(machine, hda->event);
    }
    ss_hda_free(room->host, hda);
    return status;
}

storsim_status_t storsim_hda_remove(storsim_machine_t *machine, uint32_t controller) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller)};
        return ss_tap_run(machine, &ss_hda_operations[SS_HDA_REMOVE], args, NULL);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = hda == NULL ? STORSIM_INVALID : ss_machine_alive(machine);
    if (status == STORSIM_OK && ss_callback_depth(machine) != 0) {
        status = STORSIM_REENTRY;
    }
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_room_t *room = ss_room_state(machine, SS_ROOM_HDA);
    uint32_t line = hda->line;
    ss_event_cancel(machine, hda->event);
    ss_bus_remove_device(machine, hda->device);
    room->list[controller - 1] = NULL;
    ss_hda_free(room->host, hda);
    return ss_line_set(machine, line, false);
}

bool storsim_hda_live(const storsim_machine_t *machine, uint32_t controller) {
    return ss_hda_at(machine, controller) != NULL;
}

bool storsim_hda_gone(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    return hda != NULL && hda->gone;
}

const storsim_hda_config_t *storsim_hda_get_config(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    return hda != NULL ? &hda->config : NULL;
}

uint32_t storsim_hda_line(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    return hda != NULL ? hda->line : 0;
}

uint32_t storsim_hda_device(const storsim_machine_t *machine, uint32_t controller) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    return hda != NULL ? hda->device : 0;
}

storsim_status_t storsim_hda_set_wall_clock(storsim_machine_t *machine, uint32_t controller, uint32_t value) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(value)};
        return ss_tap_run(machine, &ss_hda_operations[SS_HDA_SET_WALL_CLOCK], args, NULL);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK || hda == NULL || !hda->link_up) {
        return status != STORSIM_OK ? status : STORSIM_INVALID;
    }
    hda->wall_offset = value - (uint32_t)(storsim_now(machine) - hda->epoch);
    return STORSIM_OK;
}
