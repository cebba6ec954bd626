/* hdaudio/tags.c: who hears which unsolicited responses: 64 tags for each codec, whoever of its function groups took
 * them. Source: spec hdaudio-dma §5.10. */
#include "hdaudio/bus.h"

/* The codec a client's device object sits on. */
static uint8_t codec_of(const ss_frame_t *frame) {
    const ss_client_t *client = ss_bus_client(frame->bus, frame->context);
    return frame->bus->function_count ? frame->bus->functions[client->number % frame->bus->function_count].codec : 0;
}

static ss_tag_t *find(ss_busdriver_t *bus, uint8_t codec, uint64_t tag) {
    for (uint32_t i = 0; i < bus->tag_count; i++) {
        if (bus->tags[i].codec == codec && bus->tags[i].tag == tag) {
            return &bus->tags[i];
        }
    }
    return NULL;
}

static void remove_at(ss_busdriver_t *bus, uint32_t index) {
    bus->tag_count--;
    for (uint32_t i = index; i < bus->tag_count; i++) {
        bus->tags[i] = bus->tags[i + 1];
    }
}

/* (Routine, Context, Tag out) */
SS_HANDLER(RegisterEventCallback) {
    ss_busdriver_t *bus = frame->bus;
    if (ss_frame_null(frame, 0) || ss_frame_null(frame, 2)) {
        return SS_NT(INVALID_PARAMETER);
    }
    uint8_t codec = codec_of(frame), tag = 0;
    while (tag < SS_TAGS && find(bus, codec, tag)) {
        tag++;
    }
    if (tag == SS_TAGS || ss_frame_fault(frame, 0)) {
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    void *array = bus->tags;
    if (!ss_grow(frame->room->host, &array, &bus->tag_capacity, bus->tag_count + 1, sizeof *bus->tags)) {
        frame->call.status = STORSIM_NO_MEMORY;
        return 0;
    }
    bus->tags = array;
    bus->tags[bus->tag_count++] = (ss_tag_t){.context = frame->context,
                                             .routine = ss_frame_in(frame, 0),
                                             .token = ss_frame_in(frame, 1),
                                             .site = ss_machine_where(frame->call.machine)->site,
                                             .codec = codec,
                                             .tag = tag};
    ss_frame_out(frame, 2, tag);
    return SS_NT(SUCCESS);
}

/* (Tag) */
SS_HANDLER(UnregisterEventCallback) {
    ss_tag_t *entry = find(frame->bus, codec_of(frame), ss_frame_in(frame, 0));
    if (!entry || entry->context != frame->context) {
        return SS_NT(INVALID_PARAMETER);
    }
    remove_at(frame->bus, (uint32_t)(entry - frame->bus->tags));
    return SS_NT(SUCCESS);
}

uint32_t ss_tags_drop(ss_call_t *call, ss_busdriver_t *bus, uint64_t context) {
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < bus->tag_count;) {
        if (bus->tags[i].context != context) {
            i++;
            continue;
        }
        if (call) {
            ss_violate(call, SS_REGISTRATION_LEAK,
                       &(ss_detail_t){.address = context, .got = bus->tags[i].tag, .allocated_at = bus->tags[i].site});
        }
        remove_at(bus, i);
        dropped++;
    }
    return dropped;
}

storsim_status_t ss_unsolicited_callback(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t response) {
    uint8_t codec = (uint8_t)(response >> 32 & 15), tag = (uint8_t)(response >> 26 & 63);
    const ss_tag_t *entry = find(bus, codec, tag);
    if (!entry) {
        ss_bus_note(machine, bus, SS_UNSOLICITED_DROPPED, codec, tag);
        return STORSIM_OK;
    }
    storsim_callback_t callback = {
        .kind = STORSIM_CB_HDA_UNSOLICITED, .routine = entry->routine, .values = {response, entry->token}};
    return ss_callback_at(machine, 2, &callback);
}
