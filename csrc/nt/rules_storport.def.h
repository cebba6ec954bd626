/* nt/rules_storport.def.h: findings of the memory DDI and of kernel memory rules: X(NAME, rule, fix, source). Data
 * only.
 *
 * Names of violations: spec/storport-memory §9, rulings R18, R20. The rows in the last part are situations that stop
 * the machine; their codes and parameters are decided where they are reported. */
#ifndef SS_RULES_STORPORT_DEF_H
#define SS_RULES_STORPORT_DEF_H

#define SS_RULE_STORPORT_MAP(X) SS_RULE_MISUSE_MAP(X) SS_RULE_LEAK_MAP(X) SS_RULE_EVENT_MAP(X) SS_RULE_STOP_MAP(X)

#define SS_RULE_MISUSE_MAP(X)                                                                                          \
    X(NONE, "", "", "")                                                                                                \
    X(NULL_DEVEXT, "HwDeviceExtension is the pointer StorPort passed to HwStorFindAdapter, never NULL.",               \
      "Pass the device extension of the adapter that owns the memory.", "spec storport-memory §3.0")                   \
    X(FOREIGN_DEVEXT, "HwDeviceExtension is the start of an adapter's device extension.",                              \
      "Pass the pointer from HwStorFindAdapter unchanged, not an address inside it or of another structure.",          \
      "spec storport-memory §3.0")                                                                                     \
    X(WRONG_ADAPTER, "Memory is freed with the device extension of the adapter that allocated it.",                    \
      "Keep the device extension beside the pointer, or free on the adapter that allocated.",                          \
      "spec storport-memory §3.0")                                                                                     \
    X(USE_AFTER_REMOVE, "A device extension is dead once its adapter was removed.",                                    \
      "Stop timers, DPCs and work items before HwStorAdapterControl(ScsiStopAdapter) or removal returns.",             \
      "spec storport-memory §3.0")                                                                                     \
    X(ZERO_LENGTH, "A request for zero bytes is a mistake of the caller.", "Check the computed size before calling.",  \
      "nf-wdm-exallocatepoolwithtag.md, bug-check-0xc4 (0x00)")                                                        \
    X(BAD_BOUNDARY, "BoundaryAddressMultiple is zero or a power of two.",                                              \
      "Pass 0 or the device's boundary, for example 0x10000.", "nf-wdm-mmallocatecontiguousmemoryspecifycachenode.md") \
    X(BAD_CACHE_TYPE, "CacheType is MmNonCached, MmCached or MmWriteCombined.", "Pass one of these three.",            \
      "ne-wdm-_memory_caching_type.md")                                                                                \
    X(BAD_NODE, "PreferredNode is a node of this machine or MM_ANY_NODE_OK.",                                          \
      "Ask StorPortGetHighestNodeNumber, or pass MM_ANY_NODE_OK.",                                                     \
      "nf-wdm-mmallocatecontiguousmemoryspecifycachenode.md")                                                          \
    X(SIZE_MISMATCH, "NumberOfBytes of the free is the same number as of the allocation, not rounded.",                \
      "Remember the size that was allocated and pass exactly that.",                                                   \
      "nf-storport-storportfreecontiguousmemoryspecifycache.md")                                                       \
    X(CACHE_MISMATCH, "CacheType of the free is that of the allocation.",                                              \
      "Remember the cache type beside the pointer.", "nf-storport-storportfreecontiguousmemoryspecifycache.md")        \
    X(PA_MISMATCH, "PhysicalAddress of the free is what the allocation returned, or 0.",                               \
      "Pass the address as StorPortAllocateDmaMemory gave it, all 64 bits.", "nf-storport-storportfreedmamemory.md")   \
    X(WRONG_FREE_ROUTINE, "Memory is freed by the routine that belongs to its allocation routine.",                    \
      "Use StorPortFreeDmaMemory for DMA memory, StorPortFreeContiguousMemorySpecifyCache for contiguous memory, "     \
      "StorPortFreeMdl for MDLs.",                                                                                     \
      "nf-storport-storportfreedmamemory.md")                                                                          \
    X(CACHE_ALIAS, "A physical page has one cache type in all its mappings.",                                          \
      "Map the page with the type it was allocated with.", "ne-wdm-_memory_caching_type.md")                           \
    X(FREE_WITH_LIVE_MDL, "Memory is not freed while a built MDL describes it.", "Free the MDL first.",                \
      "nf-wdm-mmbuildmdlfornonpagedpool.md")                                                                           \
    X(MDL_REBUILD, "An MDL is built once; a built, locked or partial MDL is not built again.",                         \
      "Allocate a new MDL, or reuse the built one.", "nf-wdm-mmbuildmdlfornonpagedpool.md")                            \
    X(MDL_PAGEABLE,                                                                                                    \
      "StorPortBuildMdlForNonPagedPool takes memory that is always resident, not a stack or pageable memory.",         \
      "Put the buffer into nonpaged pool or contiguous memory.",                                                       \
      "nf-wdm-mmbuildmdlfornonpagedpool.md, bug-check-0xc4 (0x140)")                                                   \
    X(MDL_FREED_MAPPED, "An MDL is not freed while its pages are mapped through it.", "Unmap the pages first.",        \
      "bug-check-0xc4 (0xB8)")                                                                                         \
    X(NOT_AN_MDL, "The Mdl argument is the start of an MDL.", "Pass the pointer that StorPortAllocateMdl returned.",   \
      "nf-storport-storportfreemdl.md")                                                                                \
    X(HMB_ALREADY_ALLOCATED, "An adapter has at most one Host Memory Buffer.",                                         \
      "Free the first with StorPortFreeHostMemoryBuffer.", "spec storport-memory §3.4")                                \
    X(HMB_REORDERED, "The list of ranges goes back as it was returned.", "Keep the array unchanged, or a copy of it.", \
      "nf-storport-storportfreehostmemorybuffer.md")                                                                   \
    X(HMB_PARTIAL, "A Host Memory Buffer is freed as a whole.", "Pass every range that the allocation returned.",      \
      "nf-storport-storportfreehostmemorybuffer.md")                                                                   \
    X(HMB_MODIFIED, "The ranges of a Host Memory Buffer are not changed between allocation and free.",                 \
      "Give the device a copy; keep the array as returned.", "nf-storport-storportfreehostmemorybuffer.md")            \
    X(HMB_FREED_WHILE_ENABLED, "The controller's use of the Host Memory Buffer ends before its memory is freed.",      \
      "Send Set Features (Host Memory Buffer) with EHM = 0 and wait for its completion first.",                        \
      "ns-nvme-nvme_cdw11_feature_host_memory_buffer.md")                                                              \
    X(HMB_RETURN_CHANGED, "With MR = 1 the host gives back the same buffer: size, list, contents.",                    \
      "Set MR = 0 for memory that changed or was allocated anew.", "ns-nvme-nvme_cdw11_feature_host_memory_buffer.md") \
    X(HMB_ABOVE_APC, "StorPortAllocateHostMemoryBuffer is best called at or below APC_LEVEL.",                         \
      "Allocate in HwStorPassiveInitializeRoutine.", "spec storport-memory §3.4")                                      \
    X(DMA_ABOVE_PASSIVE, "With DMA remapping common buffers are made at PASSIVE_LEVEL.",                               \
      "Allocate in HwStorPassiveInitializeRoutine.", "nc-wdm-pallocate_common_buffer.md")                              \
    X(DEVICE_DMA_TO_FREED, "A device does not touch memory after the driver freed it.",                                \
      "Stop the device's use of the buffer before freeing it.", "spec storport-memory §3.5, ruling R57")               \
    X(DEVICE_DMA_FOREIGN, "A device touches only memory its own driver gave it.",                                      \
      "Check the address programmed into the device: truncated to 32 bits, a virtual address, a wrong length?",        \
      "ruling R57")                                                                                                    \
    X(UNCACHED_SHORT, "The uncached extension is made once, by the first call.",                                       \
      "Ask for the worst case in the first call.", "nf-storport-storportgetuncachedextension.md")                      \
    X(GPA_UNSUPPORTED_SOURCE, "StorPortGetPhysicalAddress translates extensions and request buffers, not pool.",       \
      "Use StorPortAllocateDmaMemory, which returns the address.", "nf-storport-storportgetphysicaladdress.md")        \
    X(NULL_LENGTH, "Length points to a ULONG that receives the bytes at that address.",                                \
      "Pass a variable, even when the value is not used.", "nf-storport-storportgetphysicaladdress.md")                \
    X(NULL_OUTPUT, "A required output pointer is not NULL.", "Pass the address of a variable.",                        \
      "spec storport-memory §3.2")                                                                                     \
    X(BAD_TAG, "A pool tag has one to four printable characters, a letter or digit among them, and is not \"BIG\".",   \
      "Choose a tag of your own, for example 'rotS'.", "bug-check-0xc2 (0x9B, 0x9C, 0x9D)")                            \
    X(UNKNOWN_ADDRESS, "The address lies in memory this routine knows.",                                               \
      "Pass an address of the kind the routine's page names.", "spec storport-memory §3.7")                            \
    X(BAD_IRQL, "The routine is called at an IRQL its page allows.",                                                   \
      "Move the call to a callback that runs at that level.", "the IRQL row of the routine's page")                               \
    X(BAD_CONTEXT, "The routine is called only from the callbacks its page names.",                                    \
      "Move the call to HwStorFindAdapter or the callback named.", "dv-storport-verification.md")                      \
    X(SRB_EXTENSION_UNSET, "SrbExtensionSize is set before the uncached extension is requested.",                      \
      "Set ConfigInfo->SrbExtensionSize first.", "nf-storport-storportgetuncachedextension.md")                        \
    X(NOT_BUS_MASTER, "Only a bus-master adapter has an uncached extension.", "Set ConfigInfo->Master = TRUE first.",  \
      "dv-storport-verification.md")                                                                                   \
    X(MISSING_SRB, "A buffer of a request is translated with its SRB.", "Pass the SRB the buffer belongs to.",         \
      "nf-storport-storportgetphysicaladdress.md")                                                                     \
    X(PORT_MEMORY_FREED, "Memory the port provides is freed by the port.",                                             \
      "Leave extensions, SRBs and their MDLs alone.", "spec storport-memory §3.13")                                    \
    X(SG_DIRECTION, "StorPortPutScatterGatherList gets the WriteToDevice of the build.",                               \
      "Keep the direction beside the list.", "nf-storport-storportputscattergatherlist.md")                            \
    X(SG_LIST_MODIFIED, "A scatter/gather list of the port is read only.", "Copy the elements before changing them.",  \
      "nf-storport-storportgetscattergatherlist.md")                                                                   \
    X(SG_BUFFER_FREED, "A buffer is not freed while a scatter/gather list describes it.",                              \
      "Call StorPortPutScatterGatherList first.", "nf-storport-storportputscattergatherlist.md")                       \
    X(SG_DOUBLE_PUT, "A scatter/gather list is put once.", "Clear the pointer after StorPortPutScatterGatherList.",    \
      "bug-check-0xe6 (0x06)")                                                                                         \
    X(SG_LEAK, "Every scatter/gather list is put before the adapter goes.",                                            \
      "Call StorPortPutScatterGatherList for each build.", "bug-check-0xe6 (0x0A)")                                    \
    X(SG_RANGE, "CurrentVa and Length lie inside the MDL.",                                                            \
      "Start at MmGetMdlVirtualAddress plus an offset, within ByteCount.", "bug-check-0xe6 (0x1F, 0x1B, 0x24)")        \
    X(SG_ZERO_LENGTH, "A transfer has at least one byte.", "Do not build a list for a request without data.",          \
      "bug-check-0xe6 (0x21)")                                                                                         \
    X(USE_AFTER_FREE, "Memory is not touched after it was freed.", "Clear every pointer to a block when it is freed.", \
      "ruling R52")                                                                                                    \
    X(OVERRUN, "Only the bytes asked for belong to the caller, not the rest of the page or slot.",                     \
      "Ask for as many bytes as are written.", "nf-wdm-mmallocatecontiguousmemoryspecifycache.md")                     \
    X(INTERRUPT_UNCLAIMED, "An interrupt line is asserted and no service routine claims it.",                          \
      "Connect a routine that returns TRUE for its own device.", "model choice")                                       \
    X(INTERRUPT_STORM, "A service routine that claims an interrupt makes its device withdraw it.",                     \
      "Acknowledge the device's status in the service routine.", "model choice")

#define SS_RULE_LEAK_MAP(X)                                                                                            \
    X(POOL_LEAK, "Pool is freed before its adapter is removed.",                                                       \
      "Free it with StorPortFreePool on every path of the teardown.", "pool-tracking.md, bug-check-0xc4 (0x62)")       \
    X(CONTIGUOUS_LEAK, "Contiguous memory is freed before its adapter is removed.",                                    \
      "Free it with StorPortFreeContiguousMemorySpecifyCache.", "bug-check-0xe6 (0x07)")                               \
    X(DMA_LEAK, "DMA memory is freed before its adapter is removed.", "Free it with StorPortFreeDmaMemory.",           \
      "bug-check-0xe6 (0x07)")                                                                                         \
    X(MDL_LEAK, "MDLs are freed before their adapter is removed.", "Free it with StorPortFreeMdl.", "ruling R18")      \
    X(REGISTRY_LEAK, "The registry buffer is freed before its adapter is removed.",                                    \
      "Free it with StorPortFreeRegistryBuffer.", "nf-storport-storportallocateregistrybuffer.md")                     \
    X(HMB_LEAK, "The Host Memory Buffer is freed before its adapter is removed.",                                      \
      "Free it with StorPortFreeHostMemoryBuffer.", "spec storport-memory §6 V28")

/* Events of Driver Verifier's DDI rules, under their documented names. */
#define SS_RULE_EVENT_MAP(X)                                                                                           \
    X(StorPortIrql, "Storport memory routines are called at or below DISPATCH_LEVEL.",                                 \
      "Move the call out of the interrupt routine.", "storport-storportirql.md")                                       \
    X(StorPortAllocatePool, "Pool from StorPortAllocatePool is freed once.",                                           \
      "Clear the pointer after StorPortFreePool.", "storport-storportallocatepool.md")                                 \
    X(StorPortAllocatePool2, "A pointer to live pool is not overwritten by the next allocation.",                      \
      "Free the first block, or use another variable.", "storport-storportallocatepool2.md")                           \
    X(SpNoWait, "A half-duplex HwStorStartIo does not call routines that may wait or take locks.",                     \
      "Allocate in HwStorBuildIo or before.", "storport-spnowait.md, nc-storport-hw_startio.md")                       \
    X(StorPortStartIo, "HwStorStartIo calls only what its page allows at that level.",                                 \
      "Move the call to HwStorBuildIo.", "storport-storportstartio.md")                                                \
    X(HwStorPortProhibitedDDIs, "A physical miniport does not call the memory manager directly.",                      \
      "Use the StorPort routine instead.", "storport-hwstorportprohibitedddis.md")                                     \
    X(StorPortDeprecated, "StorPortValidateRange and StorPortLogError are deprecated.",                                \
      "Drop the call; the port has checked the range.", "storport-storportdeprecated.md")

#define SS_RULE_STOP_MAP(X)                                                                                            \
    X(DOUBLE_FREE, "A block is freed once.", "Clear the pointer after the free.",                                      \
      "bug-check-0xc2 (0x07), bug-check-0xc4 (0x13)")                                                                  \
    X(INTERIOR_POINTER, "A free gets the address the allocation returned, not one inside the block.",                  \
      "Keep the original pointer for the free.", "bug-check-0xc2 (0x99), bug-check-0xc4 (0x10)")                       \
    X(USER_ADDRESS, "Kernel memory routines take kernel addresses.", "Do not pass a user-mode or truncated pointer.",  \
      "bug-check-0xc2 (0x40)")                                                                                         \
    X(NOT_POOL, "StorPortFreePool frees what StorPortAllocatePool returned.", "Find out where the pointer came from.", \
      "bug-check-0xc2 (0x42), bug-check-0xc4 (0x10)")                                                                  \
    X(CONTIGUOUS_FREED_AS_POOL, "Contiguous and DMA memory is not pool.",                                              \
      "Free it with the routine that belongs to its allocation.", "bug-check-0xc2 (0x41)")                             \
    X(BAD_CONTIGUOUS_FREE, "A free of contiguous memory gets the base address of a live contiguous block.",            \
      "Pass the pointer the allocation returned, once.", "bug-check-0xc2 (0x60), bug-check-0xc4 (0x16)")               \
    X(DMA_DOUBLE_FREE, "DMA memory is freed once.", "Clear the pointer after the free.", "bug-check-0xe6 (0x03)")      \
    X(MDL_NOT_RESIDENT, "An MDL for nonpaged pool describes live kernel memory.",                                      \
      "Build the MDL before the buffer is freed, and over the buffer.", "bug-check-0x1a (0x1240)")                     \
    X(POOL_ABOVE_DISPATCH, "Nonpaged pool is allocated and freed at or below DISPATCH_LEVEL.",                         \
      "Move the call out of the interrupt routine.", "bug-check-0xc2 (0x08, 0x09), bug-check-0xc4 (0x02, 0x12)")       \
    X(PAGE_FAULT, "The driver touches only mapped kernel memory.",                                                     \
      "Check the pointer: freed long ago, off by pages, or never set?", "bug-check-0x50, bug-check-0xd1")              \
    X(USER_PAGE_FAULT, "A driver does not touch user-mode addresses directly.", "Map the buffer through its MDL.",     \
      "bug-check-0x50, ruling R54")                                                                                    \
    X(PAGEABLE_AT_DISPATCH, "Pageable memory is not touched at DISPATCH_LEVEL or above.",                              \
      "Use nonpaged memory, or lower the IRQL.", "force-irql-checking.md, bug-check-0xd1")                             \
    X(IOMMU_FAULT, "A device behind an IOMMU reaches only memory mapped for it.",                                      \
      "Program the address the allocation routine returned.", "bug-check-0xe6 (0x26)")                                 \
    X(SPECIAL_POOL_OVERRUN, "Special pool: nothing is touched beyond the end, or before the start, of a block.",       \
      "Compare the size that was allocated with what is written; check indices and structure sizes.",                  \
      "special-pool.md, bug-check-0xd6")                                                                               \
    X(SPECIAL_POOL_PATTERN, "Special pool: the bytes around a block keep their pattern until it is freed.",            \
      "Look for writes just before the block, or past its end, since it was allocated.",                               \
      "special-pool.md, bug-check-0xc1 (0x23, 0x24, 0x32)")                                                            \
    X(POOL_HEADER_DAMAGED, "The header before a pool block belongs to the pool.",                                      \
      "Look for writes before this block, or past the end of the block that lies before it; special pool finds them "  \
      "at once.",                                                                                                      \
      "bug-check-0x19 (0x20), bug-check-0xc4 (0x54, 0x13F)")                                                           \
    X(POOL_WHILE_UNLOADING, "A driver that is unloading allocates no pool.",                                           \
      "Allocate what the teardown needs when the adapter is found.", "pool-tracking.md, bug-check-0xc4 (0x61)")        \
    X(EXPLICIT_LOW_MEMORY, "Memory below 4 GiB is not asked for explicitly.",                                          \
      "Pass the highest address the device can reach; most devices reach all of memory.", "bug-check-0xc4 (0x141)")    \
    X(WOULD_FAIL, "Systematic low resources simulation in what-if mode would fail this call.",                         \
      "Nothing; run without systematic_what_if to see what the driver does then.",                                     \
      "systematic-low-resource-simulation.md")                                                                         \
    X(DPC_WATCHDOG, "Deferred routines end; they do not keep queueing themselves.", "Use a timer for periodic work.",  \
      "bug-check-0x133")

#endif
