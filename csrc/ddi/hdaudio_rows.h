/* ddi/hdaudio_rows.h: rows of the HD Audio bus interface. Included by ddi/table.c only; see ddi/rows.h for the shape.
 *
 * Ids are dense from STORSIM_HDAUDIO_FIRST_ID; the enum in ddi.h fixes the order. The PVOID _context every routine
 * takes first is not in the rows: an interface object carries it. Parameters are in the documented order, but for
 * SetDmaEngineState, whose documented order is StreamState, NumberOfHandles, Handles: a count that may be left out
 * comes last here (DESIGN §6). Documented statuses stand on the routine's page, the others are inferred (spec hdaudio-dma §5,
 * §5.0, §11.17). The common head's two routines, GetWallClockRegister and GetResourceInformation return nothing.
 * first_os is the first Windows whose documentation offers the table; which tables exist in a machine is decided by the
 * policy `tables` alone (ruling R44). */
#ifndef SS_DDI_HDAUDIO_ROWS_H
#define SS_DDI_HDAUDIO_ROWS_H

#include "ddi/rows.h"

#define SS_HDA_ID(row) .id = STORSIM_ID_##row, .name = #row, .family = STORSIM_F_HDAUDIO, .function_code = -1
#define SS_HDA_STATUS .returns = STORSIM_R_STATUS, .return_type = STORSIM_T_ULONG, .return_name = "status"
#define SS_HDA_VOID .returns = STORSIM_R_VOID, .return_type = STORSIM_T_ULONG, .return_name = ""

static const storsim_param_t p_TransferCodecVerbs[] = {SS_PARAM(Count, ULONG, IN_LENGTH),
    SS_PARAM(CodecTransfer, TRANSFERS, IN_PLACE), SS_PARAM(Callback, ROUTINE, IN_OPT),
    SS_PARAM(Context, CONTEXT, IN_OPT)};
static const storsim_ddi_status_t s_TransferCodecVerbs[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_NO_MEMORY, 0xC0000017), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_AllocateCaptureDmaEngine[] = {SS_PARAM(CodecAddress, UCHAR, IN),
    SS_PARAM(StreamFormat, STREAM_FORMAT, IN), SS_PARAM(Handle, HANDLE, OUT),
    SS_PARAM(ConverterFormat, USHORT, OUT)};
static const storsim_ddi_status_t s_AllocateCaptureDmaEngine[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_BUFFER_TOO_SMALL, 0xC0000023), SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_AllocateRenderDmaEngine[] = {SS_PARAM(StreamFormat, STREAM_FORMAT, IN),
    SS_PARAM(Stripe, BOOLEAN, IN_OPT), SS_PARAM(Handle, HANDLE, OUT), SS_PARAM(ConverterFormat, USHORT, OUT)};
static const storsim_ddi_status_t s_AllocateRenderDmaEngine[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_BUFFER_TOO_SMALL, 0xC0000023), SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_ChangeBandwidthAllocation[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(StreamFormat, STREAM_FORMAT, IN), SS_PARAM(ConverterFormat, USHORT, OUT)};
static const storsim_ddi_status_t s_ChangeBandwidthAllocation[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_DOCUMENTED(STATUS_BUFFER_TOO_SMALL, 0xC0000023),
    SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_AllocateDmaBuffer[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(RequestedBufferSize, SIZE_T, IN), SS_PARAM(BufferMdl, PMDL, OUT),
    SS_PARAM(AllocatedBufferSize, SIZE_T, OUT), SS_PARAM(StreamId, UCHAR, OUT), SS_PARAM(FifoSize, ULONG, OUT)};
static const storsim_ddi_status_t s_AllocateDmaBuffer[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_DOCUMENTED(STATUS_DEVICE_NOT_READY, 0xC00000A3), SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_FreeDmaBuffer[] = {SS_PARAM(Handle, HANDLE, IN)};
static const storsim_ddi_status_t s_FreeDmaBuffer[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_FreeDmaEngine[] = {SS_PARAM(Handle, HANDLE, IN)};
static const storsim_ddi_status_t s_FreeDmaEngine[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010),
    SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_SetDmaEngineState[] = {SS_PARAM(StreamState, ENUM, IN),
    SS_PARAM(Handles, HANDLES, IN), SS_PARAM(NumberOfHandles, ULONG, IN_LENGTH_OPT)};
static const storsim_ddi_status_t s_SetDmaEngineState[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_GetWallClockRegister[] = {SS_PARAM(Wallclock, REGISTER, OUT)};

static const storsim_param_t p_GetLinkPositionRegister[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(Position, REGISTER, OUT)};
static const storsim_ddi_status_t s_GetLinkPositionRegister[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_RegisterEventCallback[] = {SS_PARAM(Routine, ROUTINE, IN),
    SS_PARAM(Context, CONTEXT, IN_OPT), SS_PARAM(Tag, UCHAR, OUT)};
static const storsim_ddi_status_t s_RegisterEventCallback[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_UnregisterEventCallback[] = {SS_PARAM(Tag, UCHAR, IN)};
static const storsim_ddi_status_t s_UnregisterEventCallback[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_GetDeviceInformation[] = {SS_PARAM(DeviceInformation, DEVICE_INFO, IN_PLACE)};
static const storsim_ddi_status_t s_GetDeviceInformation[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_BUFFER_TOO_SMALL, 0xC0000023), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_GetResourceInformation[] = {SS_PARAM(CodecAddress, UCHAR, OUT),
    SS_PARAM(FunctionGroupStartNode, UCHAR, OUT)};

static const storsim_param_t p_AllocateDmaBufferWithNotification[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(NotificationCount, ULONG, IN), SS_PARAM(RequestedBufferSize, SIZE_T, IN),
    SS_PARAM(BufferMdl, PMDL, OUT), SS_PARAM(AllocatedBufferSize, SIZE_T, OUT),
    SS_PARAM(OffsetFromFirstPage, SIZE_T, OUT), SS_PARAM(StreamId, UCHAR, OUT), SS_PARAM(FifoSize, ULONG, OUT)};
static const storsim_ddi_status_t s_AllocateDmaBufferWithNotification[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_DOCUMENTED(STATUS_DEVICE_NOT_READY, 0xC00000A3), SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_FreeDmaBufferWithNotification[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(BufferMdl, PMDL, IN), SS_PARAM(BufferSize, SIZE_T, IN)};
static const storsim_ddi_status_t s_FreeDmaBufferWithNotification[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_RegisterNotificationEvent[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(NotificationEvent, KEVENT, IN)};
static const storsim_ddi_status_t s_RegisterNotificationEvent[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_HANDLE, 0xC0000008), SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_UnregisterNotificationEvent[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(NotificationEvent, KEVENT, IN)};
static const storsim_ddi_status_t s_UnregisterNotificationEvent[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_HANDLE, 0xC0000008), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_RegisterNotificationCallback[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(Fdo, CONTEXT, IN), SS_PARAM(NotificationCallback, ROUTINE, IN),
    SS_PARAM(CallbackContext, CONTEXT, IN_OPT)};
static const storsim_ddi_status_t s_RegisterNotificationCallback[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_HANDLE, 0xC0000008), SS_INFERRED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_UnregisterNotificationCallback[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(NotificationCallback, ROUTINE, IN), SS_PARAM(CallbackContext, CONTEXT, IN_OPT)};
static const storsim_ddi_status_t s_UnregisterNotificationCallback[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_INFERRED(STATUS_UNSUCCESSFUL, 0xC0000001),
    SS_INFERRED(STATUS_INVALID_HANDLE, 0xC0000008), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_AllocateContiguousDmaBuffer[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(RequestedBufferSize, ULONG, IN), SS_PARAM(DataBuffer, PVOID, OUT), SS_PARAM(BdlBuffer, PBDL, OUT)};
static const storsim_ddi_status_t s_AllocateContiguousDmaBuffer[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INSUFFICIENT_RESOURCES, 0xC000009A),
    SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008), SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D),
    SS_DOCUMENTED(STATUS_DEVICE_NOT_READY, 0xC00000A3), SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010),
    SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_SetupDmaEngineWithBdl[] = {SS_PARAM(Handle, HANDLE, IN),
    SS_PARAM(BufferLength, ULONG, IN), SS_PARAM(Lvi, ULONG, IN), SS_PARAM(Isr, ROUTINE, IN),
    SS_PARAM(Context, CONTEXT, IN_OPT), SS_PARAM(StreamId, UCHAR, OUT), SS_PARAM(FifoSize, ULONG, OUT)};
static const storsim_ddi_status_t s_SetupDmaEngineWithBdl[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008),
    SS_DOCUMENTED(STATUS_INVALID_PARAMETER, 0xC000000D), SS_DOCUMENTED(STATUS_DEVICE_NOT_READY, 0xC00000A3),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

static const storsim_param_t p_FreeContiguousDmaBuffer[] = {SS_PARAM(Handle, HANDLE, IN)};
static const storsim_ddi_status_t s_FreeContiguousDmaBuffer[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STATUS_UNSUCCESSFUL, 0xC0000001), SS_DOCUMENTED(STATUS_INVALID_HANDLE, 0xC0000008),
    SS_DOCUMENTED(STATUS_INVALID_DEVICE_REQUEST, 0xC0000010), SS_INFERRED(STATUS_NO_SUCH_DEVICE, 0xC000000E)};

#define SS_HDAUDIO_ROWS                                                                                                \
    {SS_HDA_ID(InterfaceReference), SS_HDA_VOID, .irql_min = 0, .irql_max = 2,                                         \
     .irql_documented = false, .has_irql_status = false, .first_os = 0x05020200,                                       \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-wdm-pinterface_reference.md",                                                                         \
     .summary = "Counts one more user of the client's interface context."},                                            \
    {SS_HDA_ID(InterfaceDereference), SS_HDA_VOID, .irql_min = 0, .irql_max = 2,                                       \
     .irql_documented = false, .has_irql_status = false, .first_os = 0x05020200,                                       \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-wdm-pinterface_dereference.md",                                                                       \
     .summary = "Counts one user less; the last one ends the context and frees what it still holds."},                 \
    {SS_HDA_ID(TransferCodecVerbs), SS_HDA_STATUS, .irql_min = 0, .irql_max = 2,                                       \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-ptransfer_codec_verbs.md",                                                                    \
     .summary = "Sends commands to codecs, waiting for the responses (no Callback) or queueing them.",                 \
     SS_PARAMS(p_TransferCodecVerbs), .outs = 0x2, SS_STATUSES(s_TransferCodecVerbs)},                                \
    {SS_HDA_ID(AllocateCaptureDmaEngine), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                 \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pallocate_capture_dma_engine.md",                                                             \
     .summary = "Reserves an input engine and bandwidth on a codec's SDI line.",                                       \
     SS_PARAMS(p_AllocateCaptureDmaEngine), .outs = 0xC, SS_STATUSES(s_AllocateCaptureDmaEngine)},                    \
    {SS_HDA_ID(AllocateRenderDmaEngine), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                  \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pallocate_render_dma_engine.md",                                                              \
     .summary = "Reserves an output engine and bandwidth on the SDO lines.",                                           \
     SS_PARAMS(p_AllocateRenderDmaEngine), .outs = 0xC, SS_STATUSES(s_AllocateRenderDmaEngine)},                      \
    {SS_HDA_ID(ChangeBandwidthAllocation), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pchange_bandwidth_allocation.md",                                                             \
     .summary = "Replaces an engine's format and bandwidth reservation.",                                              \
     SS_PARAMS(p_ChangeBandwidthAllocation), .outs = 0x4, SS_STATUSES(s_ChangeBandwidthAllocation)},                  \
    {SS_HDA_ID(AllocateDmaBuffer), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                        \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_V1 | STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                 \
     .page = "nc-hdaudio-pallocate_dma_buffer.md",                                                                     \
     .summary = "Allocates a cyclic buffer for an engine and programs its descriptor list.",                           \
     SS_PARAMS(p_AllocateDmaBuffer), .outs = 0x3C, SS_STATUSES(s_AllocateDmaBuffer)},                                 \
    {SS_HDA_ID(FreeDmaBuffer), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                            \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_V1 | STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                 \
     .page = "nc-hdaudio-pfree_dma_buffer.md",                                                                         \
     .summary = "Frees the buffer that AllocateDmaBuffer gave.",                                                       \
     SS_PARAMS(p_FreeDmaBuffer), SS_STATUSES(s_FreeDmaBuffer)},                                                        \
    {SS_HDA_ID(FreeDmaEngine), SS_HDA_STATUS, .irql_min = 0, .irql_max = 2,                                            \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pfree_dma_engine.md",                                                                         \
     .summary = "Gives an engine and its bandwidth back.",                                                             \
     SS_PARAMS(p_FreeDmaEngine), SS_STATUSES(s_FreeDmaEngine)},                                                        \
    {SS_HDA_ID(SetDmaEngineState), SS_HDA_STATUS, .irql_min = 0, .irql_max = 2,                                        \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pset_dma_engine_state.md",                                                                    \
     .summary = "Resets, pauses or runs one or more engines in the same link frame.",                                  \
     SS_PARAMS(p_SetDmaEngineState), SS_STATUSES(s_SetDmaEngineState)},                                                \
    {SS_HDA_ID(GetWallClockRegister), SS_HDA_VOID, .irql_min = 0, .irql_max = 2,                                       \
     .irql_documented = true, .has_irql_status = false, .first_os = 0x05020200,                                        \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pget_wall_clock_register.md",                                                                 \
     .summary = "Gives a pointer to the controller's wall clock.",                                                     \
     SS_PARAMS(p_GetWallClockRegister), .outs = 0x1},                                                                 \
    {SS_HDA_ID(GetLinkPositionRegister), SS_HDA_STATUS, .irql_min = 0, .irql_max = 2,                                  \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pget_link_position_register.md",                                                              \
     .summary = "Gives a pointer to an engine's position register.",                                                   \
     SS_PARAMS(p_GetLinkPositionRegister), .outs = 0x2, SS_STATUSES(s_GetLinkPositionRegister)},                      \
    {SS_HDA_ID(RegisterEventCallback), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                    \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pregister_event_callback.md",                                                                 \
     .summary = "Registers a routine for the codec's unsolicited responses with a new tag.",                           \
     SS_PARAMS(p_RegisterEventCallback), .outs = 0x4, SS_STATUSES(s_RegisterEventCallback)},                          \
    {SS_HDA_ID(UnregisterEventCallback), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                  \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-punregister_event_callback.md",                                                               \
     .summary = "Withdraws the routine registered under a tag.",                                                       \
     SS_PARAMS(p_UnregisterEventCallback), SS_STATUSES(s_UnregisterEventCallback)},                                    \
    {SS_HDA_ID(GetDeviceInformation), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                     \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pget_device_information.md",                                                                  \
     .summary = "Tells what the bus driver and its controller are.",                                                   \
     SS_PARAMS(p_GetDeviceInformation), .outs = 0x1, SS_STATUSES(s_GetDeviceInformation)},                            \
    {SS_HDA_ID(GetResourceInformation), SS_HDA_VOID, .irql_min = 0, .irql_max = 0,                                     \
     .irql_documented = true, .has_irql_status = false, .first_os = 0x05020200,                                        \
     .tables = STORSIM_TABLE_ALL,                                                                                      \
     .page = "nc-hdaudio-pget_resource_information.md",                                                                \
     .summary = "Tells the client's codec address and function group node.",                                           \
     SS_PARAMS(p_GetResourceInformation), .outs = 0x3},                                                               \
    {SS_HDA_ID(AllocateDmaBufferWithNotification), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                        \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x06000000,                                         \
     .tables = STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                                    \
     .page = "nc-hdaudio-pallocate_dma_buffer_with_notification.md",                                                   \
     .summary = "Allocates a cyclic buffer that notifies once or twice in each pass.",                                 \
     SS_PARAMS(p_AllocateDmaBufferWithNotification), .outs = 0xF8, SS_STATUSES(s_AllocateDmaBufferWithNotification)}, \
    {SS_HDA_ID(FreeDmaBufferWithNotification), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                            \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x06000000,                                         \
     .tables = STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                                    \
     .page = "nc-hdaudio-pfree_dma_buffer_with_notification.md",                                                       \
     .summary = "Frees the buffer that AllocateDmaBufferWithNotification gave.",                                       \
     SS_PARAMS(p_FreeDmaBufferWithNotification), SS_STATUSES(s_FreeDmaBufferWithNotification)},                        \
    {SS_HDA_ID(RegisterNotificationEvent), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x06000000,                                         \
     .tables = STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                                    \
     .page = "nc-hdaudio-pregister_notification_event.md",                                                             \
     .summary = "Adds an event to those set at each notification of an engine.",                                       \
     SS_PARAMS(p_RegisterNotificationEvent), SS_STATUSES(s_RegisterNotificationEvent)},                                \
    {SS_HDA_ID(UnregisterNotificationEvent), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                              \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x06000000,                                         \
     .tables = STORSIM_TABLE_V2 | STORSIM_TABLE_V3,                                                                    \
     .page = "nc-hdaudio-punregister_notification_event.md",                                                           \
     .summary = "Takes an event off an engine's list.",                                                                \
     SS_PARAMS(p_UnregisterNotificationEvent), SS_STATUSES(s_UnregisterNotificationEvent)},                            \
    {SS_HDA_ID(RegisterNotificationCallback), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                             \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x0A000007,                                         \
     .tables = STORSIM_TABLE_V3,                                                                                       \
     .page = "nc-hdaudio-pregister_notification_callback.md",                                                          \
     .summary = "Adds a routine to those called at each notification of an engine.",                                   \
     SS_PARAMS(p_RegisterNotificationCallback), SS_STATUSES(s_RegisterNotificationCallback)},                          \
    {SS_HDA_ID(UnregisterNotificationCallback), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                           \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x0A000007,                                         \
     .tables = STORSIM_TABLE_V3,                                                                                       \
     .page = "nc-hdaudio-punregister_notification_callback.md",                                                        \
     .summary = "Takes a routine and context off an engine's list.",                                                   \
     SS_PARAMS(p_UnregisterNotificationCallback), SS_STATUSES(s_UnregisterNotificationCallback)},                      \
    {SS_HDA_ID(AllocateContiguousDmaBuffer), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                              \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_BDL,                                                                                      \
     .page = "nc-hdaudio-pallocate_contiguous_dma_buffer.md",                                                          \
     .summary = "Allocates contiguous buffer memory and a page for a descriptor list the client writes.",              \
     SS_PARAMS(p_AllocateContiguousDmaBuffer), .outs = 0xC, SS_STATUSES(s_AllocateContiguousDmaBuffer)},              \
    {SS_HDA_ID(SetupDmaEngineWithBdl), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                    \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_BDL,                                                                                      \
     .page = "nc-hdaudio-psetup_dma_engine_with_bdl.md",                                                               \
     .summary = "Programs an engine with the client's own descriptor list and interrupt routine.",                     \
     SS_PARAMS(p_SetupDmaEngineWithBdl), .outs = 0x60, SS_STATUSES(s_SetupDmaEngineWithBdl)},                         \
    {SS_HDA_ID(FreeContiguousDmaBuffer), SS_HDA_STATUS, .irql_min = 0, .irql_max = 0,                                  \
     .irql_documented = true, .has_irql_status = true, .first_os = 0x05020200,                                         \
     .tables = STORSIM_TABLE_BDL,                                                                                      \
     .page = "nc-hdaudio-pfree_contiguous_dma_buffer.md",                                                              \
     .summary = "Frees contiguous buffer memory and its descriptor list page.",                                        \
     SS_PARAMS(p_FreeContiguousDmaBuffer), SS_STATUSES(s_FreeContiguousDmaBuffer)},

#endif
