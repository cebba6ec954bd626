/* hdaudio/notify.c: events and callbacks registered for an engine's notifications, in order of registration.
 * Source: spec hdaudio-dma §5.12, ruling R43. */
#include "hdaudio/bus.h"

static uint32_t count_of(const ss_busdriver_t *bus, uint64_t handle, bool callback) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < bus->notice_count; i++) {
        count += bus->notices[i].handle == handle && bus->notices[i].callback == callback;
    }
    return count;
}

static uint32_t add(ss_frame_t *frame, ss_notice_t notice, uint32_t limit) {
    ss_busdriver_t *bus = frame->bus;
    if (count_of(bus, notice.handle, notice.callback) >= limit || ss_frame_fault(frame, 0)) {
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    void *array = bus->notices;
    if (!ss_grow(frame->room->host, &array, &bus->notice_capacity, bus->notice_count + 1, sizeof *bus->notices)) {
        frame->call.status = STORSIM_NO_MEMORY;
        return 0;
    }
    bus->notices = array;
    notice.serial = frame->room->next_notice++;
    notice.site = ss_machine_where(frame->call.machine)->site;
    bus->notices[bus->notice_count++] = notice;
    return SS_NT(SUCCESS);
}

static void remove_at(ss_busdriver_t *bus, uint32_t index) {
    bus->notice_count--;
    for (uint32_t i = index; i < bus->notice_count; i++) {
        bus->notices[i] = bus->notices[i + 1];
    }
}

/* Removes the first registration with this key: an event's address, or a callback's routine and context. */
static uint32_t withdraw(ss_frame_t *frame, uint64_t handle, bool callback, uint64_t routine, uint64_t token) {
    ss_busdriver_t *bus = frame->bus;
    for (uint32_t i = 0; i < bus->notice_count; i++) {
        const ss_notice_t *notice = &bus->notices[i];
        if (notice->handle == handle && notice->callback == callback && notice->routine == routine &&
            notice->token == token) {
            remove_at(bus, i);
            return SS_NT(SUCCESS);
        }
    }
    return SS_NT(INVALID_PARAMETER);
}

uint32_t ss_notices_drop(ss_call_t *call, ss_busdriver_t *bus, uint64_t handle) {
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < bus->notice_count;) {
        if (bus->notices[i].handle != handle) {
            i++;
            continue;
        }
        if (call) {
            ss_violate(call, SS_REGISTRATION_LEAK,
                       &(ss_detail_t){
                           .address = handle, .got = bus->notices[i].routine, .allocated_at = bus->notices[i].site});
        }
        remove_at(bus, i);
        dropped++;
    }
    return dropped;
}

/* (Handle, NotificationEvent) */
SS_HANDLER(RegisterNotificationEvent) {
    if (!ss_frame_engine(frame)) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 1)) {
        return SS_NT(INVALID_PARAMETER);
    }
    ss_notice_t notice = {.handle = ss_frame_in(frame, 0), .routine = ss_frame_in(frame, 1)};
    return add(frame, notice, frame->bus->config.events_per_engine);
}

/* (Handle, NotificationEvent) */
SS_HANDLER(UnregisterNotificationEvent) {
    if (!ss_frame_engine(frame)) {
        return SS_NT(INVALID_HANDLE);
    }
    return withdraw(frame, ss_frame_in(frame, 0), false, ss_frame_in(frame, 1), 0);
}

/* (Handle, Fdo, NotificationCallback, CallbackContext). A device object cannot be NULL; the reference on it is the
 * registration. */
SS_HANDLER(RegisterNotificationCallback) {
    if (!ss_frame_engine(frame)) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 1) || ss_frame_null(frame, 2)) {
        return SS_NT(INVALID_PARAMETER);
    }
    ss_notice_t notice = {.handle = ss_frame_in(frame, 0),
                          .routine = ss_frame_in(frame, 2),
                          .token = ss_frame_in(frame, 3),
                          .fdo = ss_frame_in(frame, 1),
                          .callback = true};
    return add(frame, notice, frame->bus->config.callbacks_per_engine);
}

/* (Handle, NotificationCallback, CallbackContext) */
SS_HANDLER(UnregisterNotificationCallback) {
    if (!ss_frame_engine(frame)) {
        return SS_NT(INVALID_HANDLE);
    }
    return withdraw(frame, ss_frame_in(frame, 0), true, ss_frame_in(frame, 1), ss_frame_in(frame, 2));
}

uint32_t storsim_hdaudio_fdo_references(const storsim_machine_t *machine, uint64_t fdo) {
    const ss_hdaudio_t *room = ss_hdaudio_room(machine);
    uint32_t references = 0;
    for (uint32_t b = 0; room && b < room->bus_count; b++) {
        for (uint32_t i = 0; i < room->buses[b]->notice_count; i++) {
            references += room->buses[b]->notices[i].callback && room->buses[b]->notices[i].fdo == fdo;
        }
    }
    return references;
}
