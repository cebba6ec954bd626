/* hdaudio/walk.c: one walk over the room's state for snapshot, restore and digest. */
#include "hdaudio/bus.h"

enum { MARK_ROOM = 0x48444142, MARK_BUS = 0x48444242, COUNT_LIMIT = 1 << 20 };

static void walk_config(ss_codec_t *codec, storsim_hdaudio_config_t *config) {
#define WALK_POLICY(field, choices, source) ss_codec_u8(codec, &config->policy.field);
    STORSIM_HDAUDIO_POLICY_MAP(WALK_POLICY)
#undef WALK_POLICY
    ss_codec_u32(codec, &config->stripe_lines);
    ss_codec_u32(codec, &config->events_per_engine);
    ss_codec_u32(codec, &config->callbacks_per_engine);
    ss_codec_u64(codec, &config->verb_timeout);
    ss_codec_u64(codec, &config->late_dpc);
    ss_codec_u8(codec, &config->dirql);
    ss_codec_u8(codec, &config->ctrl_revision);
    ss_codec_u16(codec, &config->ctrl_vendor_id);
    ss_codec_u16(codec, &config->ctrl_device_id);
    if (ss_codec_loading(codec) && !ss_policy_ok(&config->policy)) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

static void walk_engine(ss_codec_t *codec, ss_engine_t *engine) {
    uint32_t state = engine->state;
    ss_codec_u64(codec, &engine->handle);
    if (ss_codec_ok(codec) && engine->handle == 0) {
        return;
    }
    ss_codec_u64(codec, &engine->context);
    ss_codec_u64(codec, &engine->isr);
    ss_codec_u64(codec, &engine->isr_context);
    ss_codec_u64(codec, &engine->size);
    ss_codec_u64(codec, &engine->bdl_hash);
    ss_codec_u64(codec, &engine->last_isr);
    ss_codec_u32(codec, &engine->format.SampleRate);
    ss_codec_u16(codec, &engine->format.ValidBitsPerSample);
    ss_codec_u16(codec, &engine->format.ContainerSize);
    ss_codec_u16(codec, &engine->format.NumberOfChannels);
    ss_codec_u32(codec, &engine->data);
    ss_codec_u32(codec, &engine->bdl);
    ss_codec_u32(codec, &engine->mdl);
    ss_codec_u32(codec, &engine->position);
    ss_codec_u32(codec, &engine->link_bits);
    ss_codec_u32(codec, &engine->offset);
    ss_codec_u32(codec, &engine->cbl);
    ss_codec_index(codec, &engine->lvi, SS_BDL_ENTRIES);
    ss_codec_u32(codec, &engine->fifo_bytes);
    ss_codec_u16(codec, &engine->converter);
    ss_codec_index(codec, &state, STORSIM_ENGINE_STATE_COUNT);
    ss_codec_u8(codec, &engine->codec);
    ss_codec_u8(codec, &engine->stream_id);
    ss_codec_bool(codec, &engine->capture);
    ss_codec_bool(codec, &engine->striped);
    ss_codec_bool(codec, &engine->suspect);
    ss_codec_bool(codec, &engine->dpc_pending);
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &engine->interrupts);
        ss_codec_u32(codec, &engine->site);
        ss_codec_u32(codec, &engine->buffer_site);
        ss_codec_u32(codec, &engine->pause_site);
    }
    engine->state = (uint8_t)state;
}

/* An array's count, and on LOAD its storage; the caller walks `*count` elements. */
static void walk_array(ss_codec_t *codec, void **array, uint32_t *count, uint32_t *capacity, size_t element,
                       size_t saved) {
    uint64_t number = *count;
    ss_codec_count(codec, &number, saved, COUNT_LIMIT);
    if (!ss_codec_loading(codec) || !ss_codec_ok(codec)) {
        return;
    }
    if (number) {
        void *fresh = ss_alloc_zeroed(codec->host, (size_t)number, element);
        if (!fresh) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        *array = fresh;
    }
    *count = *capacity = (uint32_t)number;
}

#define WALK_ARRAY(codec, bus, name, saved)                                                                            \
    do {                                                                                                               \
        void *walk_storage = (bus)->name##s;                                                                           \
        walk_array((codec), &walk_storage, &(bus)->name##_count, &(bus)->name##_capacity, sizeof *(bus)->name##s,      \
                   (saved));                                                                                           \
        (bus)->name##s = walk_storage;                                                                                 \
    } while (0)

static void walk_lists(ss_codec_t *codec, ss_busdriver_t *bus) {
    WALK_ARRAY(codec, bus, client, 16);
    for (uint32_t i = 0; i < bus->client_count; i++) {
        ss_codec_u64(codec, &bus->clients[i].context);
        ss_codec_u32(codec, &bus->clients[i].number);
        ss_codec_u32(codec, &bus->clients[i].references);
    }
    WALK_ARRAY(codec, bus, tag, 26);
    for (uint32_t i = 0; i < bus->tag_count; i++) {
        ss_tag_t *tag = &bus->tags[i];
        ss_codec_u64(codec, &tag->context);
        ss_codec_u64(codec, &tag->routine);
        ss_codec_u64(codec, &tag->token);
        ss_codec_u8(codec, &tag->codec);
        ss_codec_u8(codec, &tag->tag);
        if (ss_codec_hidden(codec)) {
            ss_codec_u32(codec, &tag->site);
        }
    }
    WALK_ARRAY(codec, bus, notice, 41);
    for (uint32_t i = 0; i < bus->notice_count; i++) {
        ss_notice_t *notice = &bus->notices[i];
        ss_codec_u64(codec, &notice->handle);
        ss_codec_u64(codec, &notice->serial);
        ss_codec_u64(codec, &notice->routine);
        ss_codec_u64(codec, &notice->token);
        ss_codec_u64(codec, &notice->fdo);
        ss_codec_bool(codec, &notice->callback);
        if (ss_codec_hidden(codec)) {
            ss_codec_u32(codec, &notice->site);
        }
    }
}

static void walk_transfers(ss_codec_t *codec, ss_busdriver_t *bus) {
    WALK_ARRAY(codec, bus, transfer, 44);
    for (uint32_t i = 0; i < bus->transfer_count; i++) {
        ss_transfer_t *transfer = &bus->transfers[i];
        ss_codec_u64(codec, &transfer->context);
        ss_codec_u64(codec, &transfer->routine);
        ss_codec_u64(codec, &transfer->token);
        ss_codec_u32(codec, &transfer->id);
        ss_codec_u32(codec, &transfer->next);
        ss_codec_u32(codec, &transfer->called);
        ss_codec_u32(codec, &transfer->pool);
        void *items = transfer->items;
        uint32_t capacity = 0;
        walk_array(codec, &items, &transfer->count, &capacity, sizeof *transfer->items, 12);
        transfer->items = items;
        for (uint32_t k = 0; k < transfer->count; k++) { /* there are bytes for all of them */
            ss_codec_u32(codec, &transfer->items[k].Output);
            ss_codec_u64(codec, &transfer->items[k].Input);
        }
        if (ss_codec_loading(codec) && (transfer->next > transfer->count || transfer->called > transfer->count)) {
            ss_codec_fail(codec, STORSIM_FORMAT);
        }
    }
}

static void walk_bus(ss_codec_t *codec, ss_busdriver_t *bus) {
    ss_codec_mark(codec, MARK_BUS);
    ss_codec_u32(codec, &bus->controller);
    walk_config(codec, &bus->config);
    ss_codec_bool(codec, &bus->started);
    ss_codec_bool(codec, &bus->removed);
    ss_codec_bool(codec, &bus->wide);
    ss_codec_u8(codec, &bus->captures);
    ss_codec_u8(codec, &bus->renders);
    ss_codec_u8(codec, &bus->bidirs);
    ss_codec_u8(codec, &bus->lines);
    ss_codec_u16(codec, &bus->device_version);
    ss_codec_u32(codec, &bus->out_bits);
    ss_codec_u32(codec, &bus->in_bits);
    ss_codec_u32(codec, &bus->out_words);
    ss_codec_u32(codec, &bus->in_words);
    ss_codec_u32(codec, &bus->codecs);
    ss_codec_u32(codec, &bus->line);
    ss_codec_index(codec, &bus->function_count, SS_MAX_FUNCTIONS + 1);
    for (uint32_t i = 0; i < bus->function_count; i++) {
        ss_codec_u8(codec, &bus->functions[i].codec);
        ss_codec_u8(codec, &bus->functions[i].node);
        ss_codec_u8(codec, &bus->functions[i].type);
    }
    ss_codec_u32(codec, &bus->ring);
    ss_codec_u32(codec, &bus->clock);
    ss_codec_index(codec, &bus->corb_wp, SS_RING_ENTRIES);
    ss_codec_index(codec, &bus->rirb_rp, SS_RING_ENTRIES);
    ss_codec_u32(codec, &bus->flight);
    ss_codec_u32(codec, &bus->flight_event);
    ss_codec_u8(codec, &bus->flight_codec);
    ss_codec_bool(codec, &bus->overrun);
    ss_codec_bool(codec, &bus->rirb_pending);
    for (uint32_t n = 0; n < SS_MAX_DESCRIPTORS; n++) {
        walk_engine(codec, &bus->engines[n]);
    }
    walk_lists(codec, bus);
    walk_transfers(codec, bus);
    if (ss_codec_loading(codec) && (uint32_t)bus->captures + bus->renders + bus->bidirs > SS_MAX_DESCRIPTORS) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

void ss_hdaudio_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    ss_hdaudio_t *room = state;
    uint64_t count = room->bus_count;
    (void)machine;
    ss_codec_mark(codec, MARK_ROOM);
    ss_codec_u64(codec, &room->next_handle);
    ss_codec_u64(codec, &room->next_context);
    ss_codec_u64(codec, &room->next_notice);
    ss_codec_u32(codec, &room->next_transfer);
    ss_codec_count(codec, &count, 64, COUNT_LIMIT);
    for (uint64_t i = 0; i < count && ss_codec_ok(codec); i++) {
        if (ss_codec_loading(codec)) {
            void *array = room->buses;
            ss_busdriver_t *bus = ss_alloc_zeroed(room->host, 1, sizeof *bus);
            if (!bus ||
                !ss_grow(room->host, &array, &room->bus_capacity, room->bus_count + 1, sizeof(ss_busdriver_t *))) {
                ss_release(room->host, bus);
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
            room->buses = array;
            room->buses[room->bus_count++] = bus;
        }
        walk_bus(codec, room->buses[i]);
    }
}
