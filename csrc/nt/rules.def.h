/* nt/rules.def.h: every rule a Windows room can report, once: X(NAME, rule, fix, source). Data only. */
#ifndef SS_RULES_DEF_H
#define SS_RULES_DEF_H

#include "nt/rules_storport.def.h"
#include "nt/rules_port.def.h"
#include "nt/rules_hdaudio.def.h"

#define SS_RULE_MAP(X) SS_RULE_STORPORT_MAP(X) SS_RULE_PORT_MAP(X) SS_RULE_HDAUDIO_MAP(X)

#endif
