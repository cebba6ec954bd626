/* nt/rules_storport.def.h: violations of the memory DDI and of kernel memory rules (spec/storport-memory §9, ruling R20). */
#ifndef SS_RULES_STORPORT_DEF_H
#define SS_RULES_STORPORT_DEF_H

#define SS_RULE_STORPORT_MAP(X)                                                                                             \
    X(NONE, "", "", "")                                                                                                     \
    X(NULL_DEVEXT, "HwDeviceExtension is the pointer StorPort passed to HwStorFindAdapter, never NULL.",                    \
      "Pass the device extension of the adapter that owns the memory.", "spec storport-memory §3.0")

#endif
