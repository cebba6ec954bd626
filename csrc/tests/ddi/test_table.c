/* The table's own invariants: ids, names, pages, codes, statuses. */
#include "../check.h"

#include "storsim/ddi.h"
#include "storsim/machine.h"

#include <stdbool.h>
#include <string.h>

static void test_ids(void) {
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    CHECK(count >= STORSIM_ID_STORPORT_END - 1);
    for (size_t i = 0; i < count; i++) {
        CHECK(storsim_ddi_routine(table[i].id) == &table[i]);
        CHECK(storsim_ddi_find(table[i].family, table[i].name) == &table[i]);
        CHECK_EQ(table[i].family, table[i].id < STORSIM_HDAUDIO_FIRST_ID ? STORSIM_F_STORPORT : STORSIM_F_HDAUDIO);
        CHECK(i == 0 || table[i].id > table[i - 1].id);
    }
    CHECK(storsim_ddi_routine(0) == NULL);
    CHECK(storsim_ddi_routine(STORSIM_ID_STORPORT_END) == NULL);
    CHECK(storsim_ddi_routine(STORSIM_HDAUDIO_FIRST_ID - 1) == NULL);
    CHECK(storsim_ddi_routine(UINT16_MAX) == NULL);
    CHECK(storsim_ddi_find(STORSIM_F_STORPORT, "NoSuchRoutine") == NULL);
    CHECK(storsim_ddi_find(STORSIM_F_STORPORT, NULL) == NULL);
    CHECK(storsim_ddi_find(STORSIM_F_HDAUDIO, "StorPortAllocatePool") == NULL);
    CHECK(storsim_ddi_table(NULL) == table);
}

static void test_rows(void) {
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        const storsim_routine_t *row = &table[i];
        CHECK(row->param_count <= STORSIM_MAX_PARAMS && row->param_count <= STORSIM_FINDING_ARGS);
        CHECK(row->name[0] != '\0' && row->summary[0] != '\0' && strstr(row->page, ".md") != NULL);
        CHECK(row->irql_min <= row->irql_max && row->return_name != NULL);
        CHECK((row->returns == STORSIM_R_STATUS) == (row->status_count > 0));
        bool success = false;
        for (uint8_t s = 0; s < row->status_count; s++) {
            success = success || row->statuses[s].value == 0;
            for (uint8_t t = 0; t < s; t++) {
                CHECK(row->statuses[s].value != row->statuses[t].value);
            }
        }
        CHECK(row->status_count == 0 || success);
        CHECK(row->outs >> row->param_count == 0);
        for (uint8_t p = 0; p < row->param_count; p++) {
            CHECK_EQ((row->outs >> p & 1) != 0, (row->params[p].flags & STORSIM_P_OUT) != 0);
            CHECK(row->params[p].flags & STORSIM_P_INOUT);
            CHECK((row->params[p].type == STORSIM_T_DEVEXT) ? p == 0 : true);
            for (uint8_t q = 0; q < p; q++) {
                CHECK(strcmp(row->params[p].name, row->params[q].name) != 0);
            }
        }
    }
}

/* Source: spec storport-memory §2.5. */
static void test_codes(void) {
    static const struct { int32_t code; const char *name; } codes[] = {
        {0, "StorPortAllocatePool"}, {1, "StorPortFreePool"}, {2, "StorPortAllocateMdl"}, {3, "StorPortFreeMdl"},
        {4, "StorPortBuildMdlForNonPagedPool"}, {5, "StorPortGetSystemAddress"}, {6, "StorPortGetOriginalMdl"},
        {9, "StorPortBuildScatterGatherList"}, {10, "StorPortPutScatterGatherList"}, {20, "StorPortGetActiveNodeCount"},
        {21, "StorPortGetNodeAffinity"}, {22, "StorPortGetHighestNodeNumber"},
        {24, "StorPortAllocateContiguousMemorySpecifyCacheNode"}, {25, "StorPortFreeContiguousMemorySpecifyCache"},
        {42, "StorPortGetDataInBufferMdl"}, {43, "StorPortGetDataInBufferSystemAddress"},
        {44, "StorPortGetDataInBufferScatterGatherList"}, {45, "StorPortMarkDumpMemory"},
        {69, "StorPortAllocateHostMemoryBuffer"}, {70, "StorPortFreeHostMemoryBuffer"}, {76, "StorPortGetPfns"},
        {82, "StorPortAllocateDmaMemory"}, {83, "StorPortFreeDmaMemory"}, {109, "StorPortGetCurrentIrql"},
        {117, "StorPortGetNodeAffinity2"}};
    size_t known = sizeof codes / sizeof codes[0], with_code = 0, count;
    for (size_t i = 0; i < known; i++) {
        CHECK(storsim_ddi_by_code(codes[i].code) == storsim_ddi_find(STORSIM_F_STORPORT, codes[i].name));
        CHECK(storsim_ddi_by_code(codes[i].code) != NULL);
    }
    const storsim_routine_t *table = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        with_code += table[i].function_code >= 0;
    }
    CHECK_EQ(with_code, known);
    CHECK(storsim_ddi_by_code(-1) == NULL);
    CHECK(storsim_ddi_by_code(7) == NULL);
    CHECK(storsim_ddi_by_code(INT32_MAX) == NULL);
}

/* Positional parameters and results as DESIGN §6 names them. */
static void test_signatures(void) {
    static const struct { const char *name, *positional, *results; } rows[] = {
        {"StorPortAllocatePool", "NumberOfBytes Tag ", "BufferPointer "},
        {"StorPortFreePool", "BufferPointer ", ""},
        {"StorPortAllocateDmaMemory",
         "NumberOfBytes LowestAcceptableAddress HighestAcceptableAddress BoundaryAddressMultiple CacheType PreferredNode ",
         "BufferPointer PhysicalAddress "},
        {"StorPortFreeDmaMemory", "BaseAddress NumberOfBytes CacheType PhysicalAddress ", ""},
        {"StorPortAllocateHostMemoryBuffer",
         "MinimumBytes PreferredBytes UtilizationBytes AlignmentBytes LowestAcceptableAddress HighestAcceptableAddress "
         "BoundaryAddressMultiple PhysicalAddressRangeCount ",
         "PhysicalAddressRanges "},
        {"StorPortFreeHostMemoryBuffer", "PhysicalAddressRanges PhysicalAddressRangeCount ", ""},
        {"StorPortGetPhysicalAddress", "Srb VirtualAddress ", "Length "},
        {"StorPortAllocateRegistryBuffer", "Length ", "Length "},
        {"StorPortBuildMdlForNonPagedPool", "Mdl ", ""},
        {"StorPortBuildScatterGatherList",
         "Mdl CurrentVa Length ExecutionRoutine Context WriteToDevice ScatterGatherBuffer ScatterGatherBufferLength ", ""},
        {"StorPortGetPfns", "Srb Mdl ", "Pfns PfnCount StartingOffset "},
        {"StorPortGetNodeAffinity2", "NodeNumber GroupAffinitiesCount ", "GroupAffinities GroupAffinitiesCountRequired "}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const storsim_routine_t *row = storsim_ddi_find(STORSIM_F_STORPORT, rows[i].name);
        char positional[400] = "", results[200] = "";
        for (uint8_t p = 0; p < row->param_count; p++) {
            unsigned flags = row->params[p].flags;
            bool extension = row->params[p].type == STORSIM_T_DEVEXT;
            if (!extension && (flags & STORSIM_P_IN) && !(flags & STORSIM_P_HIDDEN)) {
                strcat(strcat(positional, row->params[p].name), " ");
            }
            if ((flags & STORSIM_P_OUT) && !(flags & (STORSIM_P_LENGTH | STORSIM_P_IN_PLACE))) {
                strcat(strcat(results, row->params[p].name), " ");
            }
        }
        CHECK(strcmp(positional, rows[i].positional) == 0);
        CHECK(strcmp(results, rows[i].results) == 0);
    }
}

int main(void) {
    test_ids();
    test_rows();
    test_codes();
    test_signatures();
    return CHECK_DONE();
}
