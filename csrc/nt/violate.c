/* nt/violate.c: the table of rules, levels of strictness, violations, notes and bugchecks. */
#include "nt/nt_i.h"

const ss_rule_t ss_rules[SS_RULE_COUNT] = {
#define RULE_ROW(name, rule, fix, source) [SS_##name] = {#name, rule, fix, source},
    SS_RULE_MAP(RULE_ROW)
#undef RULE_ROW
};

const char *storsim_bugcheck_name(uint64_t code) {
    static const struct {
        uint64_t code;
        const char *name;
    } names[] = {
        {0x0A, "IRQL_NOT_LESS_OR_EQUAL"},
        {0x19, "BAD_POOL_HEADER"},
        {0x1A, "MEMORY_MANAGEMENT"},
        {0x50, "PAGE_FAULT_IN_NONPAGED_AREA"},
        {0x7E, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED"},
        {0xC1, "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION"},
        {0xC2, "BAD_POOL_CALLER"},
        {0xC4, "DRIVER_VERIFIER_DETECTED_VIOLATION"},
        {0xCC, "PAGE_FAULT_IN_FREED_SPECIAL_POOL"},
        {0xCD, "PAGE_FAULT_BEYOND_END_OF_ALLOCATION"},
        {0xD1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL"},
        {0xD5, "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL"},
        {0xD6, "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION"},
        {0xE6, "DRIVER_VERIFIER_DMA_VIOLATION"},
        {0xF1, "SCSI_VERIFIER_DETECTED_VIOLATION"},
        {0x133, "DPC_WATCHDOG_VIOLATION"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].code == code) {
            return names[i].name;
        }
    }
    return "UNKNOWN";
}

bool ss_at_least(const storsim_machine_t *machine, storsim_level_t level) {
    return nt_of(machine)->config.level >= level;
}

bool ss_verifying(const storsim_machine_t *machine, uint32_t flag) {
    return (nt_of(machine)->config.verifier & flag) != 0; /* STORSIM_V_DEFAULT was resolved at boot (ruling R10) */
}

/* When and at which level the block concerned was allocated and freed, where its record is still there. */
static void add_history(storsim_machine_t *machine, storsim_finding_t *draft) {
    const ss_block_t *block = ss_block(machine, ss_block_around(machine, draft->address));
    if (block == NULL) { /* damage just before a block is reported by its address */
        block = ss_block(machine, ss_block_around(machine, draft->address + POOL_HEADER));
    }
    if (block != NULL && draft->allocated_at != 0 && block->site == draft->allocated_at) {
        draft->allocated_known = true;
        draft->allocated_time = block->time;
        draft->allocated_irql = block->irql;
        draft->allocated_context = block->context;
    }
    const nt_held_t freed = block != NULL ? nt_freed(nt_of(machine), block) : (nt_held_t){.block = 0};
    if (block != NULL && draft->freed_at != 0 && freed.site == draft->freed_at) {
        draft->freed_known = true;
        draft->freed_time = freed.time;
        draft->freed_irql = block->freed_irql;
    }
}

static storsim_finding_t draft_of(ss_call_t *call, storsim_class_t kind, const ss_detail_t *detail) {
    storsim_finding_t draft = {.kind = kind};
    if (detail != NULL) {
        draft.expected = detail->expected;
        draft.got = detail->got;
        draft.address = detail->address;
        draft.allocated_at = detail->allocated_at;
        draft.freed_at = detail->freed_at;
        draft.owner = detail->owner;
        add_history(call->machine, &draft);
    }
    nt_sync(call->machine);
    ss_machine_where(call->machine)->owner = call->owner;
    return draft;
}

void ss_violate(ss_call_t *call, ss_rule_id_t rule, const ss_detail_t *detail) {
    storsim_finding_t draft = draft_of(call, STORSIM_RULE_VIOLATION, detail);
    (void)ss_report(call->machine, SS_ROOM_NT, (uint32_t)rule, &draft);
    if (ss_at_least(call->machine, STORSIM_STRICT) && (detail == NULL || !detail->no_raise)) {
        call->raised = true;
    }
}

void ss_note(ss_call_t *call, ss_rule_id_t rule, const ss_detail_t *detail) {
    storsim_finding_t draft = draft_of(call, STORSIM_NOTE, detail);
    (void)ss_report(call->machine, SS_ROOM_NT, (uint32_t)rule, &draft);
}

storsim_status_t ss_bugcheck(ss_call_t *call, ss_rule_id_t rule, uint32_t code, uint64_t p1, uint64_t p2, uint64_t p3,
                             uint64_t p4, const ss_detail_t *detail) {
    storsim_finding_t draft = draft_of(call, STORSIM_BUG_CHECK, detail);
    draft.code = code;
    draft.parameters[0] = p1;
    draft.parameters[1] = p2;
    draft.parameters[2] = p3;
    draft.parameters[3] = p4;
    call->status = ss_stop(call->machine, SS_ROOM_NT, (uint32_t)rule, &draft);
    return call->status;
}
