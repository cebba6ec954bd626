/* Every routine at every IRQL, under every OS, with every pointer NULL, and every documented status seen.
 * Source: spec storport-memory §1.3, §2.7, §3; completeness over (routine, documented status). */
#include "kit.h"

static uint64_t seen_status[STORSIM_ID_STORPORT_END]; /* bit per low nibble of the status; SUCCESS is bit 0 */

static void note_status(uint16_t id, uint64_t result) {
    if (storsim_ddi_routine(id)->returns == STORSIM_R_STATUS) {
        seen_status[id] |= UINT64_C(1) << (result & 0xF);
    }
}

static storsim_status_t callback(void *host, storsim_callback_t *call) {
    (void)host;
    (void)call;
    return STORSIM_OK;
}

/* A bench with one of everything a routine can want, and legal arguments for each routine. */
typedef struct stage {
    bench_t b;
    uint64_t pool, contiguous, dma, dma_pa, mdl, built, list, srb, srb_mdl, spare, uncached, registry, target;
    hmb_t hmb;
    storsim_access_range_t ranges[8];
    storsim_group_affinity_t affinity[2];
} stage_t;

static void set_stage(stage_t *s, const setup_t *setup) {
    *s = (stage_t){.b = boot(setup)};
    bench_t *b = &s->b;
    find_adapter(b, 64);
    s->uncached = uncached(b, 4096);
    leave(b);
    s->pool = PARAM(CALL(b, AllocatePool, 64, TAG), 3);
    s->spare = PARAM(CALL(b, AllocatePool, 512, TAG), 3);
    s->target = PARAM(CALL(b, AllocatePool, 512, TAG), 3);
    s->contiguous = PARAM(contig(b, 4096, 0, ALL, 0, CACHED, ANY), 7);
    outcome_t out = dma(b, 4096, 0, ALL, 0, CACHED, ANY);
    s->dma = PARAM(out, 7);
    s->dma_pa = PARAM(out, 8);
    s->mdl = PARAM(CALL(b, AllocateMdl, s->spare, 512), 3);
    s->built = PARAM(CALL(b, AllocateMdl, s->target, 512), 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, s->built), S(SUCCESS));
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, &(storsim_srb_config_t){.length = 5000}, &s->srb), STORSIM_OK);
    storsim_srb_info_t info;
    CHECK(storsim_srb_get(b->m, s->srb, &info));
    s->srb_mdl = info.mdl;
    level(b, 2);
    s->list = s->spare;
    EXPECT(CALL(b, BuildScatterGatherList, s->built, s->target, 512, 1, 2, 1, s->list, 256), S(SUCCESS));
    level(b, 0);
    forget(b);
}

/* Legal arguments of a routine on this stage; out-parameters hold UNTOUCHED. */
static outcome_t legal(stage_t *s, uint16_t id) {
    bench_t *b = &s->b;
    uint64_t v[12] = {0};
    switch (id) {
    case STORSIM_ID_StorPortAllocatePool: v[0] = 64, v[1] = TAG; break;
    case STORSIM_ID_StorPortFreePool: v[0] = s->pool; break;
    case STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode:
    case STORSIM_ID_StorPortAllocateDmaMemory: v[0] = 4096, v[2] = ALL, v[4] = CACHED, v[5] = ANY; break;
    case STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache: v[0] = s->contiguous, v[1] = 4096, v[2] = CACHED; break;
    case STORSIM_ID_StorPortFreeDmaMemory: v[0] = s->dma, v[1] = 4096, v[2] = CACHED, v[3] = s->dma_pa; break;
    case STORSIM_ID_StorPortAllocateHostMemoryBuffer: v[1] = MIB(1), v[5] = ALL, v[7] = 4; break;
    case STORSIM_ID_StorPortFreeHostMemoryBuffer: v[0] = s->hmb.count; break;
    case STORSIM_ID_StorPortGetUncachedExtension: v[0] = storsim_adapter_config_address(b->m, b->adapter), v[1] = 64; break;
    case STORSIM_ID_StorPortGetPhysicalAddress: v[1] = s->uncached; break;
    case STORSIM_ID_StorPortGetVirtualAddress: v[0] = storsim_physical(b->m, s->uncached); break;
    case STORSIM_ID_StorPortAllocateMdl: v[0] = s->spare, v[1] = 512; break;
    case STORSIM_ID_StorPortBuildMdlForNonPagedPool:
    case STORSIM_ID_StorPortFreeMdl: v[0] = s->mdl; break;
    case STORSIM_ID_StorPortBuildScatterGatherList:
        v[0] = s->built, v[1] = s->target, v[2] = 512, v[3] = 1, v[4] = 2, v[5] = 1, v[6] = s->spare + 256, v[7] = 256;
        break;
    case STORSIM_ID_StorPortPutScatterGatherList: v[0] = s->list, v[1] = 1; break;
    case STORSIM_ID_StorPortAllocateRegistryBuffer: v[0] = 100; break;
    case STORSIM_ID_StorPortFreeRegistryBuffer: v[0] = s->registry; break;
    case STORSIM_ID_StorPortGetPfns: v[0] = s->srb, v[1] = s->srb_mdl; break;
    case STORSIM_ID_StorPortGetScatterGatherList:
    case STORSIM_ID_StorPortGetSystemAddress:
    case STORSIM_ID_StorPortGetOriginalMdl:
    case STORSIM_ID_StorPortGetDataInBufferMdl:
    case STORSIM_ID_StorPortGetDataInBufferScatterGatherList:
    case STORSIM_ID_StorPortGetDataInBufferSystemAddress: v[0] = s->srb; break;
    case STORSIM_ID_StorPortGetNodeAffinity2: v[0] = 0, v[1] = 2; break;
    case STORSIM_ID_StorPortMarkDumpMemory: v[0] = s->spare; break;
    case STORSIM_ID_StorPortSecureCopyMemory: v[0] = s->target, v[1] = 512, v[2] = s->spare, v[3] = 100; break;
    case STORSIM_ID_StorPortMoveMemory: v[0] = s->target, v[1] = s->spare, v[2] = 100; break;
    default: break;
    }
    outcome_t out = prepare(b, id, v, 12);
    if (id == STORSIM_ID_StorPortAllocateHostMemoryBuffer) {
        out.a[8].data = s->ranges;
        out.a[8].count = 8;
    } else if (id == STORSIM_ID_StorPortFreeHostMemoryBuffer) {
        out.a[1].data = s->hmb.ranges;
        out.a[1].count = (uint32_t)s->hmb.count;
    } else if (id == STORSIM_ID_StorPortGetNodeAffinity || id == STORSIM_ID_StorPortGetNodeAffinity2) {
        out.a[2].data = s->affinity;
        out.a[2].count = 2;
    }
    return out;
}

/* What only some routines need before they can succeed. */
static void arrange(stage_t *s, uint16_t id) {
    if (id == STORSIM_ID_StorPortFreeHostMemoryBuffer) {
        s->hmb = hmb_take(&s->b, &(hmb_args_t){.preferred = MIB(1), .count = 4});
    } else if (id == STORSIM_ID_StorPortFreeRegistryBuffer) {
        s->registry = CALL(&s->b, AllocateRegistryBuffer, 64).result;
    } else if (id == STORSIM_ID_StorPortGetVirtualAddress) {
        (void)CALL(&s->b, GetPhysicalAddress, 0, s->uncached);
    }
}

static setup_t stage_setup(void) {
    setup_t setup = defaults();
    setup.callback = callback;
    setup.nt.level = STORSIM_RELEASE;
    return setup;
}

static void test_every_irql(void) {
    setup_t setup = stage_setup();
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        const storsim_routine_t *row = storsim_ddi_routine(id);
        for (uint8_t irql = 0; irql <= 15; irql++) {
            stage_t s;
            set_stage(&s, &setup);
            arrange(&s, id);
            forget(&s.b);
            uint64_t before, after;
            if (id == STORSIM_ID_StorPortGetUncachedExtension || id == STORSIM_ID_StorPortMarkDumpMemory) {
                CHECK_EQ(storsim_callback_enter(s.b.m, s.b.adapter, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_OK);
            }
            level(&s.b, irql);
            CHECK_EQ(storsim_digest(s.b.m, &before), STORSIM_OK);
            outcome_t out = legal(&s, id);
            perform(&s.b, id, &out);
            CHECK_EQ(out.status, STORSIM_OK);
            CHECK_EQ(storsim_digest(s.b.m, &after), STORSIM_OK);
            note_status(id, out.result);
            bool ok = irql >= row->irql_min && irql <= row->irql_max;
            if (ok) {
                CHECK(row->returns != STORSIM_R_STATUS || out.result == S(SUCCESS));
                CHECK(row->returns != STORSIM_R_POINTER || out.result != 0);
                size_t expected = id == STORSIM_ID_StorPortValidateRange ? 1 : 0;
                CHECK_EQ(violations(&s.b), expected);
            } else {
                CHECK_EQ(violations(&s.b), 1);
                if (row->has_irql_status) {
                    CHECK_EQ(out.result, S(INVALID_IRQL));
                    CHECK_EQ(after, before); /* refused: nothing changed */
                    for (uint8_t p = 0; p < row->param_count; p++) {
                        bool pure = (row->params[p].flags & (STORSIM_P_INOUT | STORSIM_P_HIDDEN)) == STORSIM_P_OUT;
                        CHECK(!pure || (out.a[p].written && (out.a[p].data != NULL || out.a[p].value == 0)));
                    }
                }
            }
            storsim_machine_destroy(s.b.m);
        }
    }
}

/* Below its first OS a routine answers NOT_IMPLEMENTED and touches nothing; from it on it works. */
static void test_every_os(void) {
    static const uint32_t versions[] = {
#define VERSION(name, value) value,
        STORSIM_OS_MAP(VERSION)
#undef VERSION
    };
    for (size_t v = 0; v < sizeof versions / sizeof versions[0]; v++) {
        setup_t setup = stage_setup();
        setup.nt.os = versions[v];
        for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
            const storsim_routine_t *row = storsim_ddi_routine(id);
            stage_t s;
            set_stage(&s, &setup);
            arrange(&s, id);
            forget(&s.b);
            level(&s.b, row->irql_min);
            outcome_t out = legal(&s, id);
            perform(&s.b, id, &out);
            CHECK_EQ(out.status, STORSIM_OK);
            note_status(id, out.result);
            if (versions[v] < row->first_os) {
                CHECK_EQ(out.result, S(NOT_IMPLEMENTED));
                CHECK_EQ(violations(&s.b), 0);
                for (uint8_t p = 0; p < row->param_count; p++) {
                    CHECK(!out.a[p].written);
                    CHECK((row->params[p].flags & STORSIM_P_INOUT) != STORSIM_P_OUT || out.a[p].value == UNTOUCHED);
                }
            } else {
                CHECK(row->returns != STORSIM_R_STATUS || out.result == S(SUCCESS) || id == STORSIM_ID_StorPortFreeDmaMemory);
            }
            storsim_machine_destroy(s.b.m);
        }
    }
}

/* Routines as old as the oldest OS can be taken away by the availability knob (spec A22). */
static void test_taken_away(void) {
    setup_t setup = stage_setup();
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        stage_t s;
        set_stage(&s, &setup);
        CHECK_EQ(storsim_override_first_os(s.b.m, id, 0x0B000000), STORSIM_OK);
        outcome_t out = legal(&s, id);
        perform(&s.b, id, &out);
        CHECK_EQ(out.status, STORSIM_OK);
        CHECK_EQ(out.result, storsim_ddi_routine(id)->returns == STORSIM_R_STATUS ? S(NOT_IMPLEMENTED) : 0);
        note_status(id, out.result);
        storsim_machine_destroy(s.b.m);
    }
}

/* Each pointer NULL in turn: never a crash, never SUCCESS where the pointer is required. */
static void test_every_null(void) {
    setup_t setup = stage_setup();
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        const storsim_routine_t *row = storsim_ddi_routine(id);
        for (uint8_t p = 0; p < row->param_count; p++) {
            const storsim_param_t *param = &row->params[p];
            bool pointer = (param->flags & STORSIM_P_INOUT) == STORSIM_P_OUT || param->type == STORSIM_T_DEVEXT ||
                           (param->type >= STORSIM_T_PVOID && param->type <= STORSIM_T_ROUTINE) || param->type == STORSIM_T_RANGES ||
                           (param->flags & STORSIM_P_LENGTH && param->flags & STORSIM_P_OUT);
            if (!pointer) {
                continue;
            }
            stage_t s;
            set_stage(&s, &setup);
            arrange(&s, id);
            bool find = id == STORSIM_ID_StorPortGetUncachedExtension;
            if (find) {
                CHECK_EQ(storsim_callback_enter(s.b.m, s.b.adapter, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_OK);
            }
            level(&s.b, row->irql_min);
            forget(&s.b);
            outcome_t out = legal(&s, id);
            if (param->flags & STORSIM_P_OUT) {
                out.a[p].present = false;
                out.a[p].data = NULL;
            }
            if (param->flags & STORSIM_P_IN) {
                out.a[p].value = param->flags & STORSIM_P_OUT && !(param->flags & STORSIM_P_IN_PLACE) ? out.a[p].value : 0;
                out.a[p].data = NULL;
            }
            perform(&s.b, id, &out);
            note_status(id, out.result);
            bool optional = (param->flags & STORSIM_P_OPTIONAL) != 0 || param->type == STORSIM_T_CONTEXT;
            if (param->type == STORSIM_T_DEVEXT) {
                bool lists = id == STORSIM_ID_StorPortBuildScatterGatherList || id == STORSIM_ID_StorPortPutScatterGatherList;
                CHECK_EQ(found(&s.b, "NULL_DEVEXT"), lists ? 0 : 1);
                CHECK_EQ(out.result, row->returns == STORSIM_R_STATUS ? S(INVALID_PARAMETER) : 0);
            } else if (out.status == STORSIM_BUGCHECK) {
                /* a contiguous free or a copy of NULL stops the machine; no other routine may */
                CHECK(id == STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache || id == STORSIM_ID_StorPortFreeDmaMemory ||
                      id == STORSIM_ID_StorPortMoveMemory);
            } else if (id == STORSIM_ID_StorPortFreeHostMemoryBuffer) {
                CHECK_EQ(out.result, S(UNSUCCESSFUL));
            } else if (id == STORSIM_ID_StorPortMarkDumpMemory) {
                CHECK(out.result == S(SUCCESS) && found(&s.b, "UNKNOWN_ADDRESS") == 1);
            } else if (row->returns == STORSIM_R_STATUS && !optional) {
                CHECK_EQ(out.status, STORSIM_OK);
                CHECK_EQ(out.result, S(INVALID_PARAMETER));
            } else if (id == STORSIM_ID_StorPortGetPhysicalAddress) {
                CHECK_EQ(violations(&s.b), param->type == STORSIM_T_PSRB ? 0 : 1);
            } else if (row->returns == STORSIM_R_POINTER) {
                CHECK_EQ(out.result, 0);
            }
            storsim_machine_destroy(s.b.m);
        }
    }
}

/* A fault plan that fails every call: allocators answer INSUFFICIENT_RESOURCES, with cleared outputs. */
static void test_every_fault(void) {
    setup_t setup = stage_setup();
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        const storsim_routine_t *row = storsim_ddi_routine(id);
        stage_t s;
        set_stage(&s, &setup);
        arrange(&s, id);
        const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_RANGE, .first = 1, .last = 1000, .routine = id};
        uint32_t number;
        CHECK_EQ(storsim_fault_add(s.b.m, &rule, &number), STORSIM_OK);
        level(&s.b, row->irql_min);
        outcome_t out = legal(&s, id);
        uint64_t before, after;
        CHECK_EQ(storsim_digest(s.b.m, &before), STORSIM_OK);
        perform(&s.b, id, &out);
        CHECK_EQ(storsim_digest(s.b.m, &after), STORSIM_OK);
        note_status(id, out.result);
        bool listed = false;
        for (uint8_t i = 0; i < row->status_count; i++) {
            listed = listed || row->statuses[i].value == S(INSUFFICIENT_RESOURCES);
        }
        if (listed) {
            CHECK_EQ(out.status, STORSIM_OK);
            CHECK_EQ(out.result, S(INSUFFICIENT_RESOURCES));
            CHECK_EQ(storsim_injected_count(s.b.m), 1);
            CHECK_EQ(before, after);
        }
        storsim_machine_destroy(s.b.m);
    }
}

/* The pairs the loops above cannot reach. */
static void test_rest_of_statuses(void) {
    setup_t setup = stage_setup();
    stage_t s;
    set_stage(&s, &setup);
    level(&s.b, 2);
    outcome_t out = legal(&s, STORSIM_ID_StorPortBuildScatterGatherList);
    out.a[8].value = 39;
    perform(&s.b, STORSIM_ID_StorPortBuildScatterGatherList, &out);
    CHECK_EQ(out.result, S(BUFFER_TOO_SMALL));
    note_status(STORSIM_ID_StorPortBuildScatterGatherList, out.result);
    level(&s.b, 0);
    out = legal(&s, STORSIM_ID_StorPortGetNodeAffinity2);
    out.a[3].value = 0;
    perform(&s.b, STORSIM_ID_StorPortGetNodeAffinity2, &out);
    CHECK_EQ(out.result, S(BUFFER_TOO_SMALL));
    note_status(STORSIM_ID_StorPortGetNodeAffinity2, out.result);
    out = legal(&s, STORSIM_ID_StorPortSecureCopyMemory);
    out.a[1].value = 99;
    perform(&s.b, STORSIM_ID_StorPortSecureCopyMemory, &out);
    CHECK_EQ(out.result, S(BUFFER_TOO_SMALL));
    note_status(STORSIM_ID_StorPortSecureCopyMemory, out.result);
    out = legal(&s, STORSIM_ID_StorPortMarkDumpMemory);
    out.a[3].value = 4;
    perform(&s.b, STORSIM_ID_StorPortMarkDumpMemory, &out);
    note_status(STORSIM_ID_StorPortMarkDumpMemory, out.result);
    hmb_t hmb = hmb_take(&s.b, &(hmb_args_t){.preferred = 100, .count = 1});
    note_status(STORSIM_ID_StorPortAllocateHostMemoryBuffer, hmb.result);
    storsim_machine_destroy(s.b.m);
}

/* Every documented status of every routine was returned by the loops above. UNSUCCESSFUL of the two routines that only
 * fail "for internal reasons" has no documented cause, so nothing can produce it. */
static void test_completeness(void) {
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        const storsim_routine_t *row = storsim_ddi_routine(id);
        for (uint8_t i = 0; i < row->status_count; i++) {
            const storsim_ddi_status_t *status = &row->statuses[i];
            bool internal = (id == STORSIM_ID_StorPortGetNodeAffinity2 || id == STORSIM_ID_StorPortGetCurrentIrql) &&
                            status->value == S(UNSUCCESSFUL);
            if (status->documented && !internal && !(seen_status[id] >> (status->value & 0xF) & 1)) {
                fprintf(stderr, "never seen: %s %s\n", row->name, status->name);
                CHECK(false);
            }
        }
    }
}

static void test_extended(void) {
    bench_t b = boot_default();
    for (int32_t code = -2; code < 130; code++) {
        const storsim_routine_t *row = storsim_ddi_by_code(code);
        if (row == NULL) {
            storsim_arg_t args[STORSIM_MAX_PARAMS] = {{.value = 1, .present = true}};
            uint64_t result;
            CHECK_EQ(storsim_storport_extended(b.m, code, args, &result), STORSIM_OK);
            CHECK_EQ(result, S(NOT_IMPLEMENTED));
            CHECK(!args[0].written);
        }
    }
    outcome_t out = prepare(&b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    CHECK_EQ(storsim_storport_extended(b.m, 0, out.a, &out.result), STORSIM_OK);
    CHECK(out.result == S(SUCCESS) && PARAM(out, 3) != 0);
    uint64_t result;
    CHECK_EQ(storsim_storport_call(b.m, NULL, out.a, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_storport_call(b.m, storsim_ddi_routine(STORSIM_HDAUDIO_FIRST_ID), out.a, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_storport_call(b.m, storsim_ddi_routine(1), NULL, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_override_irql(b.m, STORSIM_ID_StorPortAllocatePool, 0, 0), STORSIM_OK); /* knob irql_table */
    level(&b, 1);
    EXPECT(CALL(&b, AllocatePool, 64, TAG), S(INVALID_IRQL));
    level(&b, 0);
    CHECK_EQ(storsim_override_first_os(b.m, STORSIM_ID_StorPortGetPfns, 0x0B000000), STORSIM_OK);
    EXPECT(CALL(&b, GetPfns, 1, 1), S(NOT_IMPLEMENTED));
    done(&b);
}

int main(void) {
    test_every_irql();
    test_every_os();
    test_taken_away();
    test_every_null();
    test_every_fault();
    test_rest_of_statuses();
    test_completeness();
    test_extended();
    return CHECK_PINNED(storport_test_matrix);
}
