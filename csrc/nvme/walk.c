/* nvme/walk.c: snapshot, digest and invariants of the controllers. */
#include "nvme/nvme_i.h"

#include <stdio.h>

static uint64_t sum_of(const nvme_controller_t *controller) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < controller->entries; i++) {
        total += controller->table[i].bytes;
    }
    return total;
}

static void walk_controller(ss_codec_t *codec, nvme_controller_t *controller) {
    ss_codec_u32(codec, &controller->device);
    ss_codec_u32(codec, &controller->identify.hmpre);
    ss_codec_u32(codec, &controller->identify.hmmin);
    ss_codec_u32(codec, &controller->identify.hmminds);
    ss_codec_u16(codec, &controller->identify.hmmaxd);
    ss_codec_u32(codec, &controller->identify.memory_page_shift);
    ss_codec_bool(codec, &controller->enabled);
    ss_codec_bool(codec, &controller->known);
    ss_codec_u32(codec, &controller->hsize);
    ss_codec_u64(codec, &controller->list);
    ss_codec_u64(codec, &controller->list_checksum);
    ss_codec_u64(codec, &controller->total);
    uint64_t entries = controller->entries, written = controller->written_count;
    ss_codec_count(codec, &entries, 20, UINT32_MAX);
    if (ss_codec_loading(codec)) {
        if (controller->identify.memory_page_shift < 12 || controller->identify.memory_page_shift > 27 || controller->device == 0) {
            ss_codec_fail(codec, STORSIM_FORMAT);
            entries = 0;
        }
        controller->table = ss_alloc_zeroed(codec->host, entries > 0 ? (size_t)entries : 1, sizeof *controller->table);
        if (controller->table == NULL) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        controller->entries = (uint32_t)entries;
    }
    for (uint32_t i = 0; i < controller->entries; i++) {
        ss_codec_u64(codec, &controller->table[i].address);
        ss_codec_u64(codec, &controller->table[i].bytes);
        ss_codec_u32(codec, &controller->table[i].units);
    }
    if (ss_codec_loading(codec) && controller->known && sum_of(controller) != controller->total) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
    ss_codec_count(codec, &written, 16, UINT32_MAX);
    if (ss_codec_loading(codec)) {
        controller->written = ss_alloc_zeroed(codec->host, written > 0 ? (size_t)written : 1, sizeof *controller->written);
        if (controller->written == NULL) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        controller->written_count = controller->written_capacity = (uint32_t)written;
    }
    for (uint32_t i = 0; i < controller->written_count; i++) {
        ss_codec_u64(codec, &controller->written[i].page);
        ss_codec_u64(codec, &controller->written[i].checksum);
        if (ss_codec_loading(codec) && i > 0 && controller->written[i].page <= controller->written[i - 1].page) {
            ss_codec_fail(codec, STORSIM_FORMAT);
        }
    }
}

void nvme_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    nvme_room_t *room = state;
    uint64_t count = room->count;
    (void)machine;
    ss_codec_mark(codec, UINT32_C(0x454D564E));
    ss_codec_count(codec, &count, 60, 4096);
    for (uint32_t i = 0; i < count && ss_codec_ok(codec); i++) {
        if (ss_codec_loading(codec)) {
            void *list = room->list;
            nvme_controller_t *made = ss_alloc_zeroed(codec->host, 1, sizeof *made);
            if (made == NULL || !ss_grow(codec->host, &list, &room->capacity, i + 1, sizeof *room->list)) {
                ss_release(codec->host, made);
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
            room->list = list;
            room->list[room->count++] = made;
        }
        walk_controller(codec, room->list[i]);
    }
}

size_t nvme_check(storsim_machine_t *machine, void *state, char *text, size_t capacity) {
    const nvme_room_t *room = state;
    size_t broken = 0;
    (void)machine;
    for (uint32_t i = 0; i < room->count; i++) {
        const nvme_controller_t *controller = room->list[i];
        broken += controller->known && sum_of(controller) != controller->total;
    }
    if (text != NULL && capacity > 0 && broken != 0) {
        (void)snprintf(text, capacity, "nvme: the descriptors of a controller do not add up");
    }
    return broken;
}
