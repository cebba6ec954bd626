/* hdaudio/information.c: what a client learns about device, clock, position and itself. Source: spec hdaudio-dma §5.8,
 * §5.11. */
#include <string.h>

#include "hdaudio/bus.h"

enum { V1_BYTES = 10, V2_BYTES = 14, DRIVER_VERSION = 0x0100, WIN10_1903 = 0x0A000007 };

static uint16_t codecs_detected(const ss_busdriver_t *bus) {
    if (bus->config.policy.codecs_detected == STORSIM_CODECS_MASK) {
        return (uint16_t)bus->codecs;
    }
    uint16_t count = 0;
    for (uint32_t mask = bus->codecs; mask; mask &= mask - 1) {
        count++;
    }
    return count;
}

/* The V2 structure came with Windows 10 1903, as did the V3 table. */
static bool knows_v2(const ss_frame_t *frame) {
    uint8_t tables = frame->bus->config.policy.tables;
    return (tables == STORSIM_TABLES_ALL || tables == STORSIM_TABLES_W10_1903) &&
           storsim_nt_config(frame->call.machine)->os >= WIN10_1903;
}

/* (DeviceInformation) */
SS_HANDLER(GetDeviceInformation) {
    const ss_busdriver_t *bus = frame->bus;
    if (ss_frame_null(frame, 0)) {
        return SS_NT(INVALID_PARAMETER);
    }
    storsim_device_information_t *information = &frame->information;
    memcpy(information, frame->call.args[0].data, sizeof *information);
    if (information->Size < V1_BYTES) {
        return SS_NT(BUFFER_TOO_SMALL);
    }
    if (information->Size >= V2_BYTES && knows_v2(frame)) {
        information->Size = V2_BYTES;
        information->CtrlRevision = bus->config.ctrl_revision;
        information->CtrlVendorId = bus->config.ctrl_vendor_id;
        information->CtrlDeviceId = bus->config.ctrl_device_id;
    } else {
        information->Size = V1_BYTES;
    }
    information->DeviceVersion = bus->device_version;
    information->DriverVersion = DRIVER_VERSION;
    information->CodecsDetected = codecs_detected(bus);
    information->IsStripingSupported = bus->lines > 1;
    frame->information_set = true;
    return SS_NT(SUCCESS);
}

/* (CodecAddress out, FunctionGroupStartNode out): VOID. Without any codec there is nothing but a controller: 0 and 1,
 * where a codec's first function group usually is. Model choice. */
SS_HANDLER(GetResourceInformation) {
    const ss_busdriver_t *bus = frame->bus;
    const ss_client_t *client = ss_bus_client(bus, frame->context);
    ss_function_t function = {0, 1, 1};
    if (bus->function_count) {
        function = bus->functions[client->number % bus->function_count];
    }
    if (!ss_frame_null(frame, 0)) {
        ss_frame_out(frame, 0, function.codec);
    }
    if (!ss_frame_null(frame, 1)) {
        ss_frame_out(frame, 1, function.node);
    }
    return SS_NT(SUCCESS);
}

/* (Wallclock out): VOID */
SS_HANDLER(GetWallClockRegister) {
    const ss_block_t *range = ss_block(frame->call.machine, frame->bus->clock);
    if (range && !ss_frame_null(frame, 0)) {
        ss_frame_out(frame, 0, range->va + (SS_WALCLK_ALIAS - SS_ALIAS_PAGE));
    }
    return SS_NT(SUCCESS);
}

/* (Handle, Position out). The pointer is made at the first call and stays the engine's until it is freed; each engine
 * has a mapping of its own, so that a pointer kept too long is caught. */
SS_HANDLER(GetLinkPositionRegister) {
    storsim_machine_t *machine = frame->call.machine;
    uint32_t descriptor = 0;
    ss_engine_t *engine = ss_bus_engine(frame->bus, frame->context, ss_frame_in(frame, 0), &descriptor);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (ss_frame_null(frame, 1)) {
        return SS_NT(INVALID_PARAMETER);
    }
    if (frame->bus->config.policy.position == STORSIM_POSITION_BUFFER) {
        ss_frame_out(frame, 1, ss_block(machine, frame->bus->ring)->va + SS_RING_POSITION + 8 * descriptor);
        return SS_NT(SUCCESS);
    }
    if (!engine->position) {
        storsim_status_t status =
            ss_register_range_make(machine, SS_ROOM_HDAUDIO, (uint64_t)frame->bus->controller << 32 | descriptor,
                                   STORSIM_PAGE_SIZE, frame->call.owner, &engine->position);
        if (status != STORSIM_OK) {
            frame->call.status = status; /* address space is the model's own: never a shortage a driver could see */
            return 0;
        }
    }
    ss_frame_out(frame, 1,
                 ss_block(machine, engine->position)->va + (SS_LPIB_ALIAS - SS_ALIAS_PAGE) + SS_SD_STEP * descriptor);
    return SS_NT(SUCCESS);
}
