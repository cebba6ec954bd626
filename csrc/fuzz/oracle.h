/* fuzz/oracle.h: a naive model of the Storport memory rules, in the plainest form that can be right.
 *
 * It knows the map as a bit per page and every block as an entry of an array, finds a place by trying every one, and predicts for each
 * call what the DDI answers, which violations it records and which bugcheck stops it. It shares no code with the core: only the numbers
 * of the specification. Maps have at most ORACLE_PAGES pages; free runs are read off the bits, a word at a time.
 * Source: spec storport-memory §3, §4; rulings R10–R20, R31–R34. */
#ifndef STORSIM_FUZZ_ORACLE_H
#define STORSIM_FUZZ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_PAGES 1024u
#define ORACLE_WORDS (ORACLE_PAGES / 64)
#define ORACLE_NODES 4u
#define ORACLE_BLOCKS 2048u
#define ORACLE_RANGES 16u
#define ORACLE_FRAMES 16u
#define ORACLE_ADAPTERS 2u
#define ORACLE_BUCKETS 1024u
#define ORACLE_QUARANTINE (UINT64_C(64) << 20) /* bytes */

enum { LEVEL_RELEASE, LEVEL_VERIFIER, LEVEL_STRICT };
typedef enum kind { KIND_POOL, KIND_CONTIGUOUS, KIND_DMA, KIND_MDL, KIND_HMB, KIND_PORT, KIND_COUNT } kind_t;

/* Statuses the predictions use. */
#define ST_SUCCESS 0u
#define ST_UNSUCCESSFUL 0xC1000001u
#define ST_NOT_IMPLEMENTED 0xC1000002u
#define ST_NO_RESOURCES 0xC1000003u
#define ST_INVALID_PARAMETER 0xC1000006u
#define ST_INVALID_IRQL 0xC1000008u

typedef struct block {
    kind_t kind;
    bool live, scattered, built;
    int cache;
    uint32_t adapter;       /* index from 0 */
    uint32_t mdls;          /* built MDLs that describe it */
    uint64_t va, size, pa;
    uint32_t first, pages;  /* frames; pages 0: a slot inside frame `first` */
    uint64_t described;     /* MDL: the buffer it was allocated over */
    uint64_t freed_at;      /* bytes that had been freed when it was, itself included, at most */
    uint16_t live_at;       /* place in the list of live blocks of its kind */
    uint16_t older;         /* next block of the same bucket, + 1 */
    uint16_t frames[ORACLE_FRAMES]; /* of a pool block of whole pages, which need not be contiguous */
} block_t;

typedef struct hmb { /* the latest host memory buffer of an adapter */
    bool live;
    uint32_t range_count;
    struct { uint64_t start; uint32_t length; } ranges[ORACLE_RANGES];
} hmb_t;

typedef struct oracle {
    int level;
    uint32_t os;
    bool node_strict;
    unsigned irql;
    uint32_t nodes, words;                           /* words: of the bit sets that hold pages of the map */
    uint32_t free_pages;
    uint64_t freed;                                  /* bytes, at most: a slot counts as a page */
    uint64_t free[ORACLE_WORDS];                     /* bit = page */
    uint64_t on_node[ORACLE_NODES][ORACLE_WORDS];    /* pages of the map on each node */
    uint16_t slots[ORACLE_PAGES];                    /* pool blocks inside a shared frame */
    uint16_t buckets[ORACLE_BUCKETS];                /* newest block whose va hashes there, + 1 */
    uint32_t block_count, live_count[KIND_COUNT];
    hmb_t hmb[ORACLE_ADAPTERS];
    uint16_t live[KIND_COUNT][ORACLE_BLOCKS];        /* not cleared by oracle_init, nor are the blocks */
    block_t blocks[ORACLE_BLOCKS];
} oracle_t;

/* A prediction. */
typedef struct expect {
    bool stops;            /* a bugcheck: code and the parameters that are not DONT_CARE; … */
    bool either;           /* … or the answer `status` */
    uint32_t status, other; /* result; `other` is also right when allow_other */
    bool allow_other;
    uint32_t code, other_code; /* bugcheck; other_code is right as well, with any parameters, unless it is 0 */
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
void oracle_map(oracle_t *oracle, uint32_t first, uint32_t pages, uint32_t node); /* adds free pages to the map */
bool oracle_is_free(const oracle_t *oracle, uint64_t page);
/* Bits of word number `word` that are pages of [first, end); some are. */
uint64_t oracle_pages_of(uint64_t word, uint64_t first, uint64_t end);
uint64_t oracle_busy_in(const oracle_t *oracle, uint64_t first, uint64_t end); /* the first page there that is not free, or `end` */
void oracle_take(oracle_t *oracle, uint64_t first, uint64_t pages);
void oracle_give(oracle_t *oracle, uint64_t first, uint64_t pages);
block_t *oracle_add(oracle_t *oracle, const block_t *block); /* takes its pages; NULL when the table is full */
void oracle_drop(oracle_t *oracle, block_t *block);          /* live → freed, pages free */
block_t *oracle_find(oracle_t *oracle, uint64_t va);         /* last block that started there, live or freed */
void oracle_drop_hmb(oracle_t *oracle, uint32_t adapter);    /* live → freed, pages free */
/* A freed block that is told from an address nobody ever had: it waits in quarantine, whose limit has not been freed since (§1). One
 * that may have left it is either. */
bool oracle_remembers(const oracle_t *oracle, const block_t *block);

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
