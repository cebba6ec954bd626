/* ddi/storport_rows.h: rows of the Storport memory routines. Included by ddi/table.c only.
 *
 * Parameter names and order as on the page named in the row; IRQL limits, statuses and first OS as in spec storport-memory §2.5, §2.7
 * and §3. A status marked documented stands on the routine's page; the others are the spec's inferred rows (§3.0: a NULL or removed
 * extension; §1.3: NOT_IMPLEMENTED also where the page leaves it out). The enum of ids in ddi.h fixes the order. */
#ifndef SS_DDI_STORPORT_ROWS_H
#define SS_DDI_STORPORT_ROWS_H

#include "ddi/rows.h"

#define SS_DEVEXT SS_PARAM(HwDeviceExtension, DEVEXT, IN)
#define SS_ID(row) .id = STORSIM_ID_##row, .name = #row, .family = STORSIM_F_STORPORT
#define SS_RETURNS_STATUS .returns = STORSIM_R_STATUS, .return_type = STORSIM_T_ULONG, .return_name = "status"

static const storsim_param_t p_StorPortAllocatePool[] = {SS_DEVEXT, SS_PARAM(NumberOfBytes, ULONG, IN),
    SS_PARAM(Tag, TAG, IN), SS_PARAM(BufferPointer, PVOID, OUT)};
static const storsim_ddi_status_t s_StorPortAllocatePool[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortFreePool[] = {SS_DEVEXT, SS_PARAM(BufferPointer, PVOID, IN)};
static const storsim_ddi_status_t s_StorPortFreePool[] = {SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortAllocateContiguousMemorySpecifyCacheNode[] = {SS_DEVEXT,
    SS_PARAM(NumberOfBytes, SIZE_T, IN), SS_PARAM(LowestAcceptableAddress, PHYSICAL, IN),
    SS_PARAM(HighestAcceptableAddress, PHYSICAL, IN), SS_PARAM(BoundaryAddressMultiple, PHYSICAL, IN_OPT),
    SS_PARAM(CacheType, ENUM, IN), SS_PARAM(PreferredNode, ULONG, IN), SS_PARAM(BufferPointer, PVOID, OUT)};
static const storsim_ddi_status_t s_StorPortAllocateContiguousMemorySpecifyCacheNode[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_INFERRED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortFreeContiguousMemorySpecifyCache[] = {SS_DEVEXT,
    SS_PARAM(BaseAddress, PVOID, IN), SS_PARAM(NumberOfBytes, SIZE_T, IN), SS_PARAM(CacheType, ENUM, IN)};
static const storsim_ddi_status_t s_StorPortFreeContiguousMemorySpecifyCache[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_INFERRED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortAllocateDmaMemory[] = {SS_DEVEXT, SS_PARAM(NumberOfBytes, SIZE_T, IN),
    SS_PARAM(LowestAcceptableAddress, PHYSICAL, IN), SS_PARAM(HighestAcceptableAddress, PHYSICAL, IN),
    SS_PARAM(BoundaryAddressMultiple, PHYSICAL, IN_OPT), SS_PARAM(CacheType, ENUM, IN),
    SS_PARAM(PreferredNode, ULONG, IN), SS_PARAM(BufferPointer, PVOID, OUT),
    SS_PARAM(PhysicalAddress, PHYSICAL, OUT)};
static const storsim_ddi_status_t s_StorPortAllocateDmaMemory[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_INFERRED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortFreeDmaMemory[] = {SS_DEVEXT, SS_PARAM(BaseAddress, PVOID, IN),
    SS_PARAM(NumberOfBytes, SIZE_T, IN), SS_PARAM(CacheType, ENUM, IN), SS_PARAM(PhysicalAddress, PHYSICAL, IN_OPT)};
static const storsim_ddi_status_t s_StorPortFreeDmaMemory[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_INFERRED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortAllocateHostMemoryBuffer[] = {SS_DEVEXT, SS_PARAM(MinimumBytes, SIZE_T, IN),
    SS_PARAM(PreferredBytes, SIZE_T, IN), SS_PARAM(UtilizationBytes, ULONGLONG, IN),
    SS_PARAM(AlignmentBytes, ULONG, IN), SS_PARAM(LowestAcceptableAddress, PHYSICAL, IN),
    SS_PARAM(HighestAcceptableAddress, PHYSICAL, IN), SS_PARAM(BoundaryAddressMultiple, PHYSICAL, IN_OPT),
    SS_PARAM(PhysicalAddressRanges, RANGES, INOUT_ARRAY), SS_PARAM(PhysicalAddressRangeCount, ULONG, INOUT_LENGTH)};
static const storsim_ddi_status_t s_StorPortAllocateHostMemoryBuffer[] = {
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortFreeHostMemoryBuffer[] = {SS_DEVEXT,
    SS_PARAM(PhysicalAddressRanges, RANGES, IN), SS_PARAM(PhysicalAddressRangeCount, ULONG, IN_LENGTH_OPT)};
static const storsim_ddi_status_t s_StorPortFreeHostMemoryBuffer[] = {
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_UNSUCCESSFUL, 0xC1000001),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_IRQL, 0xC1000008), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetUncachedExtension[] = {SS_DEVEXT, SS_PARAM(ConfigInfo, PCONFIG, IN),
    SS_PARAM(NumberOfBytes, ULONG, IN)};

static const storsim_param_t p_StorPortGetPhysicalAddress[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN_OPT),
    SS_PARAM(VirtualAddress, PVOID, IN), SS_PARAM(Length, ULONG, OUT)};

static const storsim_param_t p_StorPortGetVirtualAddress[] = {SS_DEVEXT, SS_PARAM(PhysicalAddress, PHYSICAL, IN)};

static const storsim_param_t p_StorPortAllocateMdl[] = {SS_DEVEXT, SS_PARAM(BufferPointer, PVOID, IN),
    SS_PARAM(NumberOfBytes, ULONG, IN), SS_PARAM(Mdl, PMDL, OUT)};
static const storsim_ddi_status_t s_StorPortAllocateMdl[] = {SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortBuildMdlForNonPagedPool[] = {SS_DEVEXT, SS_PARAM(Mdl, PMDL, IN_PLACE)};
static const storsim_ddi_status_t s_StorPortBuildMdlForNonPagedPool[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortFreeMdl[] = {SS_DEVEXT, SS_PARAM(Mdl, PMDL, IN)};
static const storsim_ddi_status_t s_StorPortFreeMdl[] = {SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortBuildScatterGatherList[] = {SS_DEVEXT, SS_PARAM(Mdl, PMDL, IN),
    SS_PARAM(CurrentVa, PVOID, IN), SS_PARAM(Length, ULONG, IN), SS_PARAM(ExecutionRoutine, ROUTINE, IN),
    SS_PARAM(Context, CONTEXT, IN), SS_PARAM(WriteToDevice, BOOLEAN, IN),
    SS_PARAM(ScatterGatherBuffer, PVOID, IN_PLACE), SS_PARAM(ScatterGatherBufferLength, ULONG, IN)};
static const storsim_ddi_status_t s_StorPortBuildScatterGatherList[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_DOCUMENTED(STOR_STATUS_BUFFER_TOO_SMALL, 0xC1000004),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortPutScatterGatherList[] = {SS_DEVEXT,
    SS_PARAM(ScatterGatherList, PSGLIST, IN), SS_PARAM(WriteToDevice, BOOLEAN, IN)};
static const storsim_ddi_status_t s_StorPortPutScatterGatherList[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetScatterGatherList[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN)};

static const storsim_param_t p_StorPortAllocateRegistryBuffer[] = {SS_DEVEXT, SS_PARAM(Length, ULONG, INOUT)};

static const storsim_param_t p_StorPortFreeRegistryBuffer[] = {SS_DEVEXT, SS_PARAM(Buffer, PVOID, IN)};

static const storsim_param_t p_StorPortGetSystemAddress[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN),
    SS_PARAM(SystemAddress, PVOID, OUT)};
static const storsim_ddi_status_t s_StorPortGetSystemAddress[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetOriginalMdl[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN),
    SS_PARAM(Mdl, PMDL, OUT)};
static const storsim_ddi_status_t s_StorPortGetOriginalMdl[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetDataInBufferMdl[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN),
    SS_PARAM(Mdl, PMDL, OUT)};
static const storsim_ddi_status_t s_StorPortGetDataInBufferMdl[] = {SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetDataInBufferScatterGatherList[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN),
    SS_PARAM(SgList, PSGLIST, OUT)};
static const storsim_ddi_status_t s_StorPortGetDataInBufferScatterGatherList[] = {
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetDataInBufferSystemAddress[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN),
    SS_PARAM(SystemAddress, PVOID, OUT)};
static const storsim_ddi_status_t s_StorPortGetDataInBufferSystemAddress[] = {
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_INVALID_IRQL, 0xC1000008),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetPfns[] = {SS_DEVEXT, SS_PARAM(Srb, PSRB, IN), SS_PARAM(Mdl, PMDL, IN),
    SS_PARAM(Pfns, PVOID, OUT), SS_PARAM(PfnCount, ULONG, OUT), SS_PARAM(StartingOffset, ULONG, OUT)};
static const storsim_ddi_status_t s_StorPortGetPfns[] = {SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000), SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetHighestNodeNumber[] = {SS_DEVEXT, SS_PARAM(HighestNode, ULONG, OUT)};
static const storsim_ddi_status_t s_StorPortGetHighestNodeNumber[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetActiveNodeCount[] = {SS_DEVEXT, SS_PARAM(NumberNodes, ULONG, OUT)};
static const storsim_ddi_status_t s_StorPortGetActiveNodeCount[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetNodeAffinity[] = {SS_DEVEXT, SS_PARAM(NodeNumber, ULONG, IN),
    SS_PARAM(NodeAffinityMask, GROUP_AFFINITY, OUT)};
static const storsim_ddi_status_t s_StorPortGetNodeAffinity[] = {
    SS_DOCUMENTED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetNodeAffinity2[] = {SS_DEVEXT, SS_PARAM(NodeNumber, ULONG, IN),
    SS_PARAM(GroupAffinities, GROUP_AFFINITY, OUT_ARRAY), SS_PARAM(GroupAffinitiesCount, USHORT, IN_LENGTH),
    SS_PARAM(GroupAffinitiesCountRequired, USHORT, OUT)};
static const storsim_ddi_status_t s_StorPortGetNodeAffinity2[] = {SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_DOCUMENTED(STOR_STATUS_BUFFER_TOO_SMALL, 0xC1000004), SS_DOCUMENTED(STOR_STATUS_UNSUCCESSFUL, 0xC1000001),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortGetCurrentIrql[] = {SS_DEVEXT, SS_PARAM(Irql, UCHAR, OUT)};
static const storsim_ddi_status_t s_StorPortGetCurrentIrql[] = {SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_DOCUMENTED(STOR_STATUS_UNSUCCESSFUL, 0xC1000001),
    SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002), SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortMarkDumpMemory[] = {SS_DEVEXT, SS_PARAM(Address, PVOID, IN),
    SS_PARAM(Length, ULONG_PTR, IN), SS_PARAM(Flags, ULONG, IN)};
static const storsim_ddi_status_t s_StorPortMarkDumpMemory[] = {SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006), SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002),
    SS_INFERRED(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009)};

static const storsim_param_t p_StorPortSecureCopyMemory[] = {SS_PARAM(Dest, PVOID, IN_PLACE),
    SS_PARAM(DestSizeInBytes, SIZE_T, IN), SS_PARAM(Src, PVOID, IN), SS_PARAM(Count, SIZE_T, IN)};
static const storsim_ddi_status_t s_StorPortSecureCopyMemory[] = {SS_DOCUMENTED(STOR_STATUS_SUCCESS, 0x00000000),
    SS_DOCUMENTED(STOR_STATUS_INVALID_PARAMETER, 0xC1000006),
    SS_DOCUMENTED(STOR_STATUS_BUFFER_TOO_SMALL, 0xC1000004), SS_INFERRED(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002)};

static const storsim_param_t p_StorPortMoveMemory[] = {SS_PARAM(WriteBuffer, PVOID, IN_PLACE),
    SS_PARAM(ReadBuffer, PVOID, IN), SS_PARAM(Length, ULONG, IN)};

static const storsim_param_t p_StorPortConvertUlongToPhysicalAddress[] = {SS_PARAM(UlongAddress, ULONG_PTR, IN)};

static const storsim_param_t p_StorPortValidateRange[] = {SS_DEVEXT, SS_PARAM(BusType, ENUM, IN),
    SS_PARAM(SystemIoBusNumber, ULONG, IN), SS_PARAM(IoAddress, PHYSICAL, IN), SS_PARAM(NumberOfBytes, ULONG, IN),
    SS_PARAM(InIoSpace, BOOLEAN, IN)};

#define SS_STORPORT_ROWS                                                                                              \
    {SS_ID(StorPortAllocatePool), SS_RETURNS_STATUS,                                                                  \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 0, .page = "nf-storport-storportallocatepool.md",                       \
     .summary = "Takes a block of nonpaged pool.",                                                                    \
     SS_PARAMS(p_StorPortAllocatePool), .outs = 0x8, SS_STATUSES(s_StorPortAllocatePool)},                            \
    {SS_ID(StorPortFreePool), SS_RETURNS_STATUS,                                                                      \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 1, .page = "nf-storport-storportfreepool.md",                           \
     .summary = "Gives a block of nonpaged pool back.",                                                               \
     SS_PARAMS(p_StorPortFreePool), SS_STATUSES(s_StorPortFreePool)},                                                 \
    {SS_ID(StorPortAllocateContiguousMemorySpecifyCacheNode), SS_RETURNS_STATUS,                                      \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x06010000, .function_code = 24, .page = "nf-storport-storportallocatecontiguousmemoryspecifycachenode.md", \
     .summary = "Takes physically contiguous memory within address limits, with a cache type and a preferred node.",  \
     SS_PARAMS(p_StorPortAllocateContiguousMemorySpecifyCacheNode), .outs = 0x80,                                     \
     SS_STATUSES(s_StorPortAllocateContiguousMemorySpecifyCacheNode)},                                                \
    {SS_ID(StorPortFreeContiguousMemorySpecifyCache), SS_RETURNS_STATUS,                                              \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x06010000, .function_code = 25, .page = "nf-storport-storportfreecontiguousmemoryspecifycache.md",  \
     .summary = "Gives contiguous memory back.",                                                                      \
     SS_PARAMS(p_StorPortFreeContiguousMemorySpecifyCache),                                                           \
     SS_STATUSES(s_StorPortFreeContiguousMemorySpecifyCache)},                                                        \
    {SS_ID(StorPortAllocateDmaMemory), SS_RETURNS_STATUS,                                                             \
     .irql_min = 0, .irql_max = 2, .irql_documented = false, .has_irql_status = true,                                 \
     .first_os = 0x0A000005, .function_code = 82, .page = "nf-storport-storportallocatedmamemory.md",                 \
     .summary = "Takes contiguous memory and returns the address the device uses for it.",                            \
     SS_PARAMS(p_StorPortAllocateDmaMemory), .outs = 0x180, SS_STATUSES(s_StorPortAllocateDmaMemory)},                \
    {SS_ID(StorPortFreeDmaMemory), SS_RETURNS_STATUS,                                                                 \
     .irql_min = 0, .irql_max = 2, .irql_documented = false, .has_irql_status = true,                                 \
     .first_os = 0x0A000005, .function_code = 83, .page = "nf-storport-storportfreedmamemory.md",                     \
     .summary = "Gives memory from StorPortAllocateDmaMemory back.",                                                  \
     SS_PARAMS(p_StorPortFreeDmaMemory), SS_STATUSES(s_StorPortFreeDmaMemory)},                                       \
    {SS_ID(StorPortAllocateHostMemoryBuffer), SS_RETURNS_STATUS,                                                      \
     .irql_min = 0, .irql_max = 2, .irql_documented = false, .has_irql_status = true,                                 \
     .first_os = 0x0A000002, .function_code = 69, .page = "nf-storport-storportallocatehostmemorybuffer.md",          \
     .summary = "Takes physical ranges that the device alone will use as its host memory buffer.",                    \
     SS_PARAMS(p_StorPortAllocateHostMemoryBuffer), .outs = 0x300, SS_STATUSES(s_StorPortAllocateHostMemoryBuffer)},  \
    {SS_ID(StorPortFreeHostMemoryBuffer), SS_RETURNS_STATUS,                                                          \
     .irql_min = 0, .irql_max = 2, .irql_documented = false, .has_irql_status = true,                                 \
     .first_os = 0x0A000002, .function_code = 70, .page = "nf-storport-storportfreehostmemorybuffer.md",              \
     .summary = "Gives a whole host memory buffer back.",                                                             \
     SS_PARAMS(p_StorPortFreeHostMemoryBuffer), SS_STATUSES(s_StorPortFreeHostMemoryBuffer)},                         \
    {SS_ID(StorPortGetUncachedExtension),                                                                             \
     .returns = STORSIM_R_POINTER, .return_type = STORSIM_T_PVOID, .return_name = "Buffer",                           \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportgetuncachedextension.md",              \
     .summary = "Returns the common buffer shared by processor and adapter, made at the first call.",                 \
     SS_PARAMS(p_StorPortGetUncachedExtension)},                                                                      \
    {SS_ID(StorPortGetPhysicalAddress),                                                                               \
     .returns = STORSIM_R_PHYSICAL, .return_type = STORSIM_T_PHYSICAL, .return_name = "PhysicalAddress",              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportgetphysicaladdress.md",                \
     .summary = "Translates a virtual address of memory the adapter may reach.",                                      \
     SS_PARAMS(p_StorPortGetPhysicalAddress), .outs = 0x8},                                                           \
    {SS_ID(StorPortGetVirtualAddress),                                                                                \
     .returns = STORSIM_R_POINTER, .return_type = STORSIM_T_PVOID, .return_name = "VirtualAddress",                   \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportgetvirtualaddress.md",                 \
     .summary = "Translates an address from StorPortGetPhysicalAddress back.",                                        \
     SS_PARAMS(p_StorPortGetVirtualAddress)},                                                                         \
    {SS_ID(StorPortAllocateMdl), SS_RETURNS_STATUS,                                                                   \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 2, .page = "nf-storport-storportallocatemdl.md",                        \
     .summary = "Makes an MDL that describes a buffer; its page array is not filled.",                                \
     SS_PARAMS(p_StorPortAllocateMdl), .outs = 0x8, SS_STATUSES(s_StorPortAllocateMdl)},                              \
    {SS_ID(StorPortBuildMdlForNonPagedPool), SS_RETURNS_STATUS,                                                       \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 4, .page = "nf-storport-storportbuildmdlfornonpagedpool.md",            \
     .summary = "Fills the page array of an MDL whose buffer is nonpaged.",                                           \
     SS_PARAMS(p_StorPortBuildMdlForNonPagedPool), .outs = 0x2, SS_STATUSES(s_StorPortBuildMdlForNonPagedPool)},      \
    {SS_ID(StorPortFreeMdl), SS_RETURNS_STATUS,                                                                       \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 3, .page = "nf-storport-storportfreemdl.md",                            \
     .summary = "Gives an MDL back, not the buffer it describes.",                                                    \
     SS_PARAMS(p_StorPortFreeMdl), SS_STATUSES(s_StorPortFreeMdl)},                                                   \
    {SS_ID(StorPortBuildScatterGatherList), SS_RETURNS_STATUS,                                                        \
     .irql_min = 2, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 9, .page = "nf-storport-storportbuildscattergatherlist.md",             \
     .summary = "Builds a scatter/gather list in the caller's buffer and queues the callback that receives it.",      \
     SS_PARAMS(p_StorPortBuildScatterGatherList), .outs = 0x80, SS_STATUSES(s_StorPortBuildScatterGatherList)},       \
    {SS_ID(StorPortPutScatterGatherList), SS_RETURNS_STATUS,                                                          \
     .irql_min = 2, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 10, .page = "nf-storport-storportputscattergatherlist.md",              \
     .summary = "Ends the use of a list from StorPortBuildScatterGatherList.",                                        \
     SS_PARAMS(p_StorPortPutScatterGatherList), SS_STATUSES(s_StorPortPutScatterGatherList)},                         \
    {SS_ID(StorPortGetScatterGatherList),                                                                             \
     .returns = STORSIM_R_POINTER, .return_type = STORSIM_T_PSGLIST, .return_name = "ScatterGatherList",              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportgetscattergatherlist.md",              \
     .summary = "Returns the scatter/gather list of a request.",                                                      \
     SS_PARAMS(p_StorPortGetScatterGatherList)},                                                                      \
    {SS_ID(StorPortAllocateRegistryBuffer),                                                                           \
     .returns = STORSIM_R_POINTER, .return_type = STORSIM_T_PVOID, .return_name = "Buffer",                           \
     .irql_min = 0, .irql_max = 0, .irql_documented = true, .has_irql_status = false,                                 \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportallocateregistrybuffer.md",            \
     .summary = "Takes the one buffer for registry data of this adapter.",                                            \
     SS_PARAMS(p_StorPortAllocateRegistryBuffer), .outs = 0x2},                                                       \
    {SS_ID(StorPortFreeRegistryBuffer),                                                                               \
     .returns = STORSIM_R_VOID, .return_type = STORSIM_T_ULONG, .return_name = "",                                    \
     .irql_min = 0, .irql_max = 0, .irql_documented = true, .has_irql_status = false,                                 \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportfreeregistrybuffer.md",                \
     .summary = "Gives the registry buffer back.",                                                                    \
     SS_PARAMS(p_StorPortFreeRegistryBuffer)},                                                                        \
    {SS_ID(StorPortGetSystemAddress), SS_RETURNS_STATUS,                                                              \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x05020200, .function_code = 5, .page = "nf-storport-storportgetsystemaddress.md",                   \
     .summary = "Returns a virtual address for the data buffer of a request.",                                        \
     SS_PARAMS(p_StorPortGetSystemAddress), .outs = 0x4, SS_STATUSES(s_StorPortGetSystemAddress)},                    \
    {SS_ID(StorPortGetOriginalMdl), SS_RETURNS_STATUS,                                                                \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = 6, .page = "nf-storport-storportgetoriginalmdl.md",                     \
     .summary = "Returns the MDL of the data buffer of a request.",                                                   \
     SS_PARAMS(p_StorPortGetOriginalMdl), .outs = 0x4, SS_STATUSES(s_StorPortGetOriginalMdl)},                        \
    {SS_ID(StorPortGetDataInBufferMdl), SS_RETURNS_STATUS,                                                            \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = true, .has_irql_status = false,                       \
     .first_os = 0x06020000, .function_code = 42, .page = "nf-storport-storportgetdatainbuffermdl.md",                \
     .summary = "Returns the MDL of the data-in buffer of a bidirectional request.",                                  \
     SS_PARAMS(p_StorPortGetDataInBufferMdl), .outs = 0x4, SS_STATUSES(s_StorPortGetDataInBufferMdl)},                \
    {SS_ID(StorPortGetDataInBufferScatterGatherList), SS_RETURNS_STATUS,                                              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = true, .has_irql_status = false,                       \
     .first_os = 0x06020000, .function_code = 44, .page = "nf-storport-storportgetdatainbufferscattergatherlist.md",  \
     .summary = "Returns the scatter/gather list of the data-in buffer.",                                             \
     SS_PARAMS(p_StorPortGetDataInBufferScatterGatherList), .outs = 0x4,                                              \
     SS_STATUSES(s_StorPortGetDataInBufferScatterGatherList)},                                                        \
    {SS_ID(StorPortGetDataInBufferSystemAddress), SS_RETURNS_STATUS,                                                  \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = true,                                  \
     .first_os = 0x06020000, .function_code = 43, .page = "nf-storport-storportgetdatainbuffersystemaddress.md",      \
     .summary = "Returns a virtual address for the data-in buffer.",                                                  \
     SS_PARAMS(p_StorPortGetDataInBufferSystemAddress), .outs = 0x4, SS_STATUSES(s_StorPortGetDataInBufferSystemAddress)}, \
    {SS_ID(StorPortGetPfns), SS_RETURNS_STATUS,                                                                       \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x0A000004, .function_code = 76, .page = "nf-storport-storportgetpfns.md",                           \
     .summary = "Returns the page numbers behind an MDL of a request.",                                               \
     SS_PARAMS(p_StorPortGetPfns), .outs = 0x38, SS_STATUSES(s_StorPortGetPfns)},                                     \
    {SS_ID(StorPortGetHighestNodeNumber), SS_RETURNS_STATUS,                                                          \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = false,                                 \
     .first_os = 0x06010000, .function_code = 22, .page = "nf-storport-storportgethighestnodenumber.md",              \
     .summary = "Returns the highest NUMA node number.",                                                              \
     SS_PARAMS(p_StorPortGetHighestNodeNumber), .outs = 0x2, SS_STATUSES(s_StorPortGetHighestNodeNumber)},            \
    {SS_ID(StorPortGetActiveNodeCount), SS_RETURNS_STATUS,                                                            \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = false,                                 \
     .first_os = 0x06010000, .function_code = 20, .page = "nf-storport-storportgetactivenodecount.md",                \
     .summary = "Returns how many NUMA nodes there are.",                                                             \
     SS_PARAMS(p_StorPortGetActiveNodeCount), .outs = 0x2, SS_STATUSES(s_StorPortGetActiveNodeCount)},                \
    {SS_ID(StorPortGetNodeAffinity), SS_RETURNS_STATUS,                                                               \
     .irql_min = 0, .irql_max = 2, .irql_documented = true, .has_irql_status = false,                                 \
     .first_os = 0x06010000, .function_code = 21, .page = "nf-storport-storportgetnodeaffinity.md",                   \
     .summary = "Returns the processors of a NUMA node.",                                                             \
     SS_PARAMS(p_StorPortGetNodeAffinity), .outs = 0x4, SS_STATUSES(s_StorPortGetNodeAffinity)},                      \
    {SS_ID(StorPortGetNodeAffinity2), SS_RETURNS_STATUS,                                                              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x0A00000C, .function_code = 117, .page = "nf-storport-storportgetnodeaffinity2.md",                 \
     .summary = "Returns the processors of a NUMA node by processor group.",                                          \
     SS_PARAMS(p_StorPortGetNodeAffinity2), .outs = 0x14, SS_STATUSES(s_StorPortGetNodeAffinity2)},                   \
    {SS_ID(StorPortGetCurrentIrql), SS_RETURNS_STATUS,                                                                \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = true, .has_irql_status = false,                       \
     .first_os = 0x0A00000A, .function_code = 109, .page = "nf-storport-storportgetcurrentirql.md",                   \
     .summary = "Returns the current IRQL.",                                                                          \
     SS_PARAMS(p_StorPortGetCurrentIrql), .outs = 0x2, SS_STATUSES(s_StorPortGetCurrentIrql)},                        \
    {SS_ID(StorPortMarkDumpMemory), SS_RETURNS_STATUS,                                                                \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = true, .has_irql_status = false,                       \
     .first_os = 0x06020000, .function_code = 45, .page = "nf-storport-storportmarkdumpmemory.md",                    \
     .summary = "Marks memory that the dump or hibernation file must keep.",                                          \
     SS_PARAMS(p_StorPortMarkDumpMemory), SS_STATUSES(s_StorPortMarkDumpMemory)},                                     \
    {SS_ID(StorPortSecureCopyMemory), SS_RETURNS_STATUS,                                                              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x0A00000A, .function_code = -1, .page = "nf-storport-storportsecurecopymemory.md",                  \
     .summary = "Copies bytes, bounded by the size of the destination.",                                              \
     SS_PARAMS(p_StorPortSecureCopyMemory), .outs = 0x1, SS_STATUSES(s_StorPortSecureCopyMemory)},                    \
    {SS_ID(StorPortMoveMemory), .returns = STORSIM_R_VOID, .return_type = STORSIM_T_ULONG, .return_name = "",         \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportmovememory.md",                        \
     .summary = "Copies bytes; source and destination may overlap.",                                                  \
     SS_PARAMS(p_StorPortMoveMemory), .outs = 0x1},                                                                   \
    {SS_ID(StorPortConvertUlongToPhysicalAddress),                                                                    \
     .returns = STORSIM_R_PHYSICAL, .return_type = STORSIM_T_PHYSICAL, .return_name = "PhysicalAddress",              \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportconvertulongtophysicaladdress.md",     \
     .summary = "Turns a number into a physical address.",                                                            \
     SS_PARAMS(p_StorPortConvertUlongToPhysicalAddress)},                                                             \
    {SS_ID(StorPortValidateRange),                                                                                    \
     .returns = STORSIM_R_VALUE, .return_type = STORSIM_T_BOOLEAN, .return_name = "Valid",                            \
     .irql_min = 0, .irql_max = SS_ANY_IRQL, .irql_documented = false, .has_irql_status = false,                      \
     .first_os = 0x05020200, .function_code = -1, .page = "nf-storport-storportvalidaterange.md",                     \
     .summary = "Obsolete; always answers TRUE.",                                                                     \
     SS_PARAMS(p_StorPortValidateRange)},

#endif
