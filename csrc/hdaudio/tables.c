/* hdaudio/tables.c: the four interface tables as data: GUID, version, sizes, members in order. Source: spec hdaudio-dma
 * §1. */
#include "hdaudio/bus.h"

#define ID(name) STORSIM_ID_##name
#define HEAD                                                                                                           \
    ID(TransferCodecVerbs), ID(AllocateCaptureDmaEngine), ID(AllocateRenderDmaEngine), ID(ChangeBandwidthAllocation)
#define V1_BODY                                                                                                        \
    ID(AllocateDmaBuffer), ID(FreeDmaBuffer), ID(FreeDmaEngine), ID(SetDmaEngineState), ID(GetWallClockRegister),      \
        ID(GetLinkPositionRegister), ID(RegisterEventCallback), ID(UnregisterEventCallback), ID(GetDeviceInformation), \
        ID(GetResourceInformation)
#define V2_TAIL                                                                                                        \
    ID(AllocateDmaBufferWithNotification), ID(FreeDmaBufferWithNotification), ID(RegisterNotificationEvent),           \
        ID(UnregisterNotificationEvent)

static const storsim_hdaudio_table_t interface_tables[] = {
    {"HDAUDIO_BUS_INTERFACE",
     STORSIM_TABLE_V1,
     {0x8B, 0xF8, 0xEA, 0xD2, 0x18, 0xAB, 0xA8, 0x41, 0xB6, 0x64, 0x8D, 0x59, 0x21, 0x67, 0x67, 0x1B},
     0x0100,
     144,
     72,
     14,
     {HEAD, V1_BODY}},
    {"HDAUDIO_BUS_INTERFACE_V2",
     STORSIM_TABLE_V2,
     {0xFB, 0xF5, 0x2A, 0xB5, 0x4B, 0x42, 0xB9, 0x4B, 0xA1, 0x60, 0x5B, 0x38, 0xBE, 0x94, 0xE5, 0x68},
     0x0100,
     176,
     88,
     18,
     {HEAD, V1_BODY, V2_TAIL}},
    {"HDAUDIO_BUS_INTERFACE_V3",
     STORSIM_TABLE_V3,
     {0x12, 0xDA, 0x25, 0xDC, 0xD1, 0xBC, 0x7F, 0x4C, 0x84, 0xE1, 0x02, 0xAD, 0xB6, 0xDC, 0xDC, 0xBF},
     0x0100,
     192,
     96,
     20,
     {HEAD, V1_BODY, V2_TAIL, ID(RegisterNotificationCallback), ID(UnregisterNotificationCallback)}},
    {"HDAUDIO_BUS_INTERFACE_BDL",
     STORSIM_TABLE_BDL,
     {0x97, 0x53, 0xD6, 0xB4, 0x34, 0x56, 0xB0, 0x40, 0xB0, 0x68, 0xF5, 0xB9, 0xF8, 0xB9, 0x67, 0xA5},
     0x0100,
     152,
     76,
     15,
     {HEAD, ID(AllocateContiguousDmaBuffer), ID(SetupDmaEngineWithBdl), ID(FreeContiguousDmaBuffer), ID(FreeDmaEngine),
      ID(SetDmaEngineState), ID(GetWallClockRegister), ID(GetLinkPositionRegister), ID(RegisterEventCallback),
      ID(UnregisterEventCallback), ID(GetDeviceInformation), ID(GetResourceInformation)}}};

enum { TABLE_COUNT = sizeof interface_tables / sizeof interface_tables[0] };

const storsim_hdaudio_table_t *storsim_hdaudio_tables(size_t *count) {
    if (count) {
        *count = TABLE_COUNT;
    }
    return interface_tables;
}
