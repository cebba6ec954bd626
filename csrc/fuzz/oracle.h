/* fuzz/oracle.h: a naive model of the Storport memory rules, in the plainest form that can be right.
 *
 * It knows the map as an array of pages and every block as a list entry, searches by trying every place, and predicts for each call
 * what the DDI answers, which violations it records and which bugcheck stops it. It shares no code with the core: only the numbers of
 * the specification. Maps have at most ORACLE_PAGES pages.
 * Source: spec storport-memory §3, §4; rulings R10–R20, R31–R34. */
#ifndef STORSIM_FUZZ_ORACLE_H
#define STORSIM_FUZZ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_PAGES 1024u
#define ORACLE_BLOCKS 512u
#define ORACLE_RANGES 16u
#define ORACLE_FRAMES 16u
#define ORACLE_ADAPTERS 2u

enum { LEVEL_RELEASE, LEVEL_VERIFIER, LEVEL_STRICT };
enum { PAGE_HOLE, PAGE_FREE, PAGE_BUSY };
typedef enum kind { KIND_POOL, KIND_CONTIGUOUS, KIND_DMA, KIND_MDL, KIND_HMB, KIND_PORT } kind_t;

/* Statuses the predictions use. */
#define ST_SUCCESS 0u
#define ST_UNSUCCESSFUL 0xC1000001u
#define ST_NOT_IMPLEMENTED 0xC1000002u
#define ST_NO_RESOURCES 0xC1000003u
#define ST_INVALID_PARAMETER 0xC1000006u
#define ST_INVALID_IRQL 0xC1000008u

typedef struct block {
    kind_t kind;
    bool live;
    uint64_t va, size, pa;
    uint64_t first, pages;  /* frames; pages 0: a slot inside frame `first` */
    uint16_t frames[ORACLE_FRAMES]; /* of a pool block of whole pages, which need not be contiguous */
    bool scattered;
    int cache;
    uint32_t adapter;       /* index from 0 */
    uint64_t described;     /* MDL: the buffer it was allocated over */
    bool built;
    uint32_t mdls;          /* built MDLs that describe it */
    uint32_t range_count;   /* HMB */
    struct { uint64_t start; uint32_t length; } ranges[ORACLE_RANGES];
} block_t;

typedef struct oracle {
    int level;
    uint32_t os;
    bool node_strict;
    unsigned irql;
    uint32_t nodes;
    uint8_t page[ORACLE_PAGES];   /* state by pfn */
    uint8_t node[ORACLE_PAGES];
    uint16_t slots[ORACLE_PAGES]; /* pool blocks inside a shared frame */
    block_t blocks[ORACLE_BLOCKS];
    uint32_t block_count;
    int hmb[ORACLE_ADAPTERS];     /* index of the live HMB, -1 none */
} oracle_t;

/* A prediction. */
typedef struct expect {
    bool stops;            /* a bugcheck: code and the parameters that are not DONT_CARE */
    uint32_t status, other; /* result; `other` is also right when allow_other */
    bool allow_other;
    uint32_t code;
    uint64_t parameters[4];
    const char *violations[4];
    unsigned violation_count;
    bool lenient;          /* violations are not compared: the rules leave them open here */
} expect_t;
#define DONT_CARE UINT64_C(0xDC00DC00DC00DC00)

typedef struct contig_call {
    uint64_t bytes, low, high, boundary;
    int cache;
    uint32_t node;
    bool no_buffer, no_address; /* NULL out-pointers */
} contig_call_t;

typedef struct hmb_call {
    uint64_t minimum, preferred, low, high, boundary;
    uint32_t alignment, slots;
} hmb_call_t;

void oracle_init(oracle_t *oracle, int level, uint32_t os);
uint32_t oracle_free_pages(const oracle_t *oracle);
block_t *oracle_add(oracle_t *oracle, const block_t *block); /* takes its pages; NULL when the table is full */
void oracle_drop(oracle_t *oracle, block_t *block);          /* live → freed, pages free */
block_t *oracle_find(oracle_t *oracle, uint64_t va);         /* last block that started there, live or freed */

expect_t oracle_pool_allocate(oracle_t *oracle, uint64_t bytes, uint32_t tag, bool no_buffer, uint64_t before);
expect_t oracle_pool_free(oracle_t *oracle, uint32_t adapter, uint64_t va);
/* place: the first page the top-down rule gives, when the answer is success. */
expect_t oracle_contig_allocate(oracle_t *oracle, kind_t kind, const contig_call_t *call, uint64_t *place);
expect_t oracle_contig_free(oracle_t *oracle, kind_t kind, uint32_t adapter, uint64_t va, uint64_t bytes, int cache, uint64_t pa);
/* pages, ranges: what a correct answer adds up to. */
expect_t oracle_hmb_allocate(oracle_t *oracle, uint32_t adapter, const hmb_call_t *call, uint64_t *pages, uint32_t *ranges);
expect_t oracle_hmb_free(oracle_t *oracle, uint32_t adapter, const uint64_t *starts, const uint32_t *lengths, uint32_t count);
expect_t oracle_mdl_allocate(oracle_t *oracle, uint64_t va, uint64_t bytes, bool no_mdl);
expect_t oracle_mdl_build(oracle_t *oracle, uint64_t mdl);
expect_t oracle_mdl_free(oracle_t *oracle, uint64_t mdl);

#endif
