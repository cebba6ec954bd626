/* nt/rules_port.def.h: rules of the Storport room that belong to no row of spec/storport-memory §9: MDLs and requests of the port, and
 * the device's side of the Host Memory Buffer (§4.6). */
#ifndef SS_RULES_PORT_DEF_H
#define SS_RULES_PORT_DEF_H

#define SS_RULE_PORT_MAP(X)                                                                                                 \
    X(MDL_NOT_BUILT, "An MDL has its page array filled before it describes a transfer.",                                    \
      "Call StorPortBuildMdlForNonPagedPool after StorPortAllocateMdl.", "nf-wdm-mmbuildmdlfornonpagedpool.md")             \
    X(PFNS_MODIFIED, "The page array of an MDL the port made is read only.", "Copy the page numbers before changing them.", \
      "nf-storport-storportgetpfns.md")                                                                                     \
    X(SRB_NOT_NEEDED, "An SRB extension is translated with Srb = NULL.", "Pass NULL for the Srb parameter.",                \
      "nf-storport-storportgetphysicaladdress.md")                                                                          \
    X(HMB_OUTSIDE, "Every descriptor names memory of this adapter's Host Memory Buffer.",                                   \
      "Copy RangeStart and RangeLength of each returned range into the list.", "spec storport-memory §4.6")                 \
    X(HMB_SIZE_SUM, "The sizes of the descriptors add up to HSIZE.",                                                        \
      "Compute HSIZE and BSIZE in pages of CC.MPS, not in the 4 KiB units of the Identify data.",                           \
      "ns-nvme-nvme_cdw12_feature_host_memory_buffer.md")                                                                   \
    X(HMB_TOO_SMALL, "HSIZE is at least HMMIN and not 0.", "Run without a buffer when less than HMMIN was granted.",        \
      "NVMe base specification, Host Memory Buffer")                                                                        \
    X(HMB_ENTRIES, "HMDLEC is at least 1 and at most HMMAXD.", "Pass HMMAXD as *PhysicalAddressRangeCount when allocating.", \
      "ns-nvme-nvme_cdw15_feature_host_memory_buffer.md")                                                                   \
    X(HMB_ENTRY_SIZE, "Every descriptor is at least HMMINDS long.", "Leave shorter ranges out of the list, or free the buffer.", \
      "spec storport-memory §4.6")                                                                                          \
    X(HMB_MISALIGNED, "The list is 16-byte aligned and every BADD is a multiple of the CC.MPS page.",                       \
      "Allocate with AlignmentBytes = the CC.MPS page size.", "ns-nvme-nvme_host_memory_buffer_descriptor_entry.md")        \
    X(HMB_LIST_UNREADABLE, "The device can read the descriptor list.",                                                      \
      "Keep the list in memory from StorPortAllocateDmaMemory and pass the address it returned.",                           \
      "ns-nvme-nvme_cdw13_feature_host_memory_buffer.md")                                                                   \
    X(HMB_WRITTEN_WHILE_ENABLED, "While EHM is 1 nobody but the device writes the buffer or its list.",                     \
      "Disable the feature first.", "ns-nvme-nvme_cdw11_feature_host_memory_buffer.md")                                     \
    X(HMB_NOT_ENABLED, "A device uses a Host Memory Buffer only between enabling and disabling.",                           \
      "Send Set Features (Host Memory Buffer) with EHM = 1 first, also after every controller reset.",                      \
      "ns-nvme-nvme_cdw11_feature_host_memory_buffer.md")

#endif
