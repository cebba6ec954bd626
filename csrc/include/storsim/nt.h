/* storsim/nt.h: the kernel rules on top of the hardware.
 *
 * IRQL per CPU, levels of strictness, nonpaged pool, contiguous memory, MDLs, events, DPCs, the driver's own loads and
 * stores, and the record of every live allocation. NTSTATUS and bugcheck codes exist from this room upwards. Simulated
 * kernel addresses lie in one arena from STORSIM_ARENA_BASE; none is reused before it left the quarantine.
 *
 * On a machine that was never booted every function below storsim_nt_config changes nothing and answers INVALID, or where it
 * answers no status, 0, false or zeros. */
#ifndef STORSIM_NT_H
#define STORSIM_NT_H

#include "storsim/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_ARENA_BASE UINT64_C(0xFFFFA00000000000)
#define STORSIM_SYSTEM_START UINT64_C(0xFFFF800000000000) /* lowest canonical kernel address */
#define STORSIM_USER_END UINT64_C(0x00007FFFFFFFFFFF)

/* clang-format off */
/* NTDDI numbers. Source: spec/storport-memory §2.7. X(name, value) */
#define STORSIM_OS_MAP(X)                                                                                              \
    X(WS03SP2, 0x05020200) X(VISTA, 0x06000000) X(WIN7, 0x06010000) X(WIN8, 0x06020000) X(WIN8_1, 0x06030000)          \
    X(WIN10_1507, 0x0A000000) X(WIN10_1511, 0x0A000001) X(WIN10_1607, 0x0A000002) X(WIN10_1703, 0x0A000003)            \
    X(WIN10_1709, 0x0A000004) X(WIN10_1803, 0x0A000005) X(WIN10_1809, 0x0A000006) X(WIN10_1903, 0x0A000007)            \
    X(WIN10_2004, 0x0A000008) X(SERVER_2022, 0x0A00000A) X(WIN11_21H2, 0x0A00000B) X(WIN11_22H2, 0x0A00000C)           \
    X(WIN11_24H2, 0x0A000010)
/* clang-format on */

typedef enum storsim_level { STORSIM_RELEASE = 0, STORSIM_VERIFIER = 1, STORSIM_STRICT = 2 } storsim_level_t;

/* Driver Verifier flags. Source: special-pool.md, force-irql-checking.md, … (spec §6). */
enum {
    STORSIM_V_SPECIAL_POOL = 0x1,
    STORSIM_V_FORCE_IRQL = 0x2,
    STORSIM_V_LOW_RESOURCES = 0x4,
    STORSIM_V_POOL_TRACKING = 0x8,
    STORSIM_V_DMA = 0x80,
    STORSIM_V_SYSTEMATIC = 0x40000
};
#define STORSIM_V_DEFAULT UINT32_C(0xFFFFFFFF) /* by level, ruling R10 */

#define STORSIM_LOW_RESOURCES_TAGS 16
/* Rules 0xFFFFFFFE and 0xFFFFFFFF of storsim_injected_t.rule stand for the verifier's two ways of failing a call. */
#define STORSIM_RULE_SYSTEMATIC UINT32_C(0xFFFFFFFE)
#define STORSIM_RULE_LOW_RESOURCES UINT32_C(0xFFFFFFFF)

typedef struct storsim_nt_config {
    uint32_t os; /* NTDDI number; 0: WIN11_24H2 */
    storsim_level_t level;
    uint32_t verifier;      /* mask, or STORSIM_V_DEFAULT */
    uint32_t cpus;          /* 1 … 64; 0: 1. CPU i belongs to node i % nodes */
    bool node_strict;       /* node_policy = strict */
    bool address_check_pfn; /* address_check = pfn */
    bool contig_pool_only;  /* contig_at_dispatch = pool_only: at DISPATCH contiguous requests are refused unless they
                               fit a page run the pool already owns; model: refused when larger than one page */
    bool zero_pool, zero_contig, zero_hmb;
    bool bypass_irql_status;
    bool zero_tag_fail;          /* zero_tag = fail: tag 0 answers INSUFFICIENT_RESOURCES from 2004 on */
    bool not_implemented_writes; /* outputs are cleared even when the routine does not exist (spec A26) */
    uint64_t nonpaged_budget;    /* bytes; UINT64_MAX: none */
    uint64_t contig_budget;      /* pages; UINT64_MAX: none */
    uint64_t quarantine;         /* bytes of freed address space kept recognisable */
    uint64_t dpc_latency;        /* ticks */
    bool dpc_manual;
    /* Settings of single checks of the verifier (spec §6). */
    bool special_pool_start;            /* V3: blocks at the start of their page instead of the end */
    uint64_t special_pool_pages;        /* V6: pages special pool may hold; UINT64_MAX: no limit */
    bool explicit_low_memory;           /* V15 */
    uint32_t low_resources_probability; /* chances in 10 000; default 600 */
    uint64_t low_resources_delay;       /* ticks after boot before it begins; default 8 minutes */
    uint32_t low_resources_tags[STORSIM_LOW_RESOURCES_TAGS]; /* 0: unused; all unused: every request */
    bool systematic_what_if; /* systematic mode counts and notes what it would fail, and fails nothing */
} storsim_nt_config_t;

/* The documented defaults of every field. */
void storsim_nt_config_init(storsim_nt_config_t *config);
/* Boots the kernel rules on a machine; once. config NULL: the documented defaults. INVALID, NO_MEMORY. */
storsim_status_t storsim_nt_boot(storsim_machine_t *machine, const storsim_nt_config_t *config);
/* The configuration in force, every default resolved; NULL before storsim_nt_boot. */
const storsim_nt_config_t *storsim_nt_config(const storsim_machine_t *machine);
/* Knobs irql_table and availability: replace the callable levels (inclusive) or the first OS of one routine of the DDI
 * table. INVALID for an unknown routine or irql_min > irql_max. Source: spec/storport-memory §8 A6, A22. */
storsim_status_t storsim_override_irql(storsim_machine_t *machine, uint16_t routine, uint8_t irql_min,
                                       uint8_t irql_max);
storsim_status_t storsim_override_first_os(storsim_machine_t *machine, uint16_t routine, uint32_t os);
/* "DRIVER_VERIFIER_DETECTED_VIOLATION" for 0xC4; "UNKNOWN" for a code no rule uses. Source: the bugcheck reference
 * pages. */
const char *storsim_bugcheck_name(uint64_t code);

/* Looks at every guard now instead of at the free: the slack and headers of pool, the patterns of special pool, slack and
 * guards of contiguous, DMA and common-buffer memory. What is damaged stops the machine with the code of the free when
 * the check that owns the guard is on (V2, V9, V20), and is otherwise the violation OVERRUN, once per block. Source:
 * rulings R51, spec storport-memory §6. O(live blocks and their slack). */
storsim_status_t storsim_verify_guards(storsim_machine_t *machine);

typedef struct storsim_verifier_counters {
    uint64_t special_pool_live, special_pool_fallbacks; /* blocks; requests that found special pool exhausted (V6) */
    uint64_t low_resources_failed;
    uint64_t systematic_paths, systematic_failed; /* call paths seen; calls failed, or noted in what-if mode */
} storsim_verifier_counters_t;
void storsim_verifier_counters(const storsim_machine_t *machine, storsim_verifier_counters_t *counters);

/* --- IRQL, CPUs, DPCs --------------------------------------------------------------------------------------------- */

uint8_t storsim_irql(const storsim_machine_t *machine); /* of the current CPU */
uint32_t storsim_cpu(const storsim_machine_t *machine);
storsim_status_t storsim_set_cpu(storsim_machine_t *machine, uint32_t cpu); /* INVALID when >= cpus */
/* Raises or lowers the current CPU; *old receives the former level. Lowering delivers what became deliverable:
 * interrupts first, then DPCs below DISPATCH. INVALID above 15. Errors of callbacks as for storsim_advance; the level
 * is set all the same. */
storsim_status_t storsim_set_irql(storsim_machine_t *machine, uint8_t irql, uint8_t *old);
/* Runs the DPCs queued on the current CPU (dpc="manual"); *ran receives how many. */
storsim_status_t storsim_run_dpcs(storsim_machine_t *machine, uint32_t *ran);
/* Connects a host callable as ISR of a line at a device level. */
storsim_status_t storsim_connect_interrupt(storsim_machine_t *machine, uint32_t line, uint8_t irql, uint64_t routine,
                                           uint64_t context);
/* Queues a host callable as DPC on the current CPU. */
storsim_status_t storsim_queue_dpc(storsim_machine_t *machine, uint64_t routine, uint64_t context);

/* --- events ------------------------------------------------------------------------------------------------------- */

/* A KEVENT in simulated nonpaged memory; *address is its PKEVENT. Freed with the machine or by storsim_event_destroy.
 */
storsim_status_t storsim_event_create(storsim_machine_t *machine, uint64_t *address);
storsim_status_t storsim_event_destroy(storsim_machine_t *machine, uint64_t address);
storsim_status_t storsim_event_set(storsim_machine_t *machine, uint64_t address);
storsim_status_t storsim_event_clear(storsim_machine_t *machine, uint64_t address);
bool storsim_event_signaled(const storsim_machine_t *machine, uint64_t address); /* false for no event */

/* --- the driver's own loads and stores (rulings R50–R54) ---------------------------------------------------------- */

storsim_status_t storsim_read_va(storsim_machine_t *machine, uint64_t address, void *buffer, size_t bytes);
storsim_status_t storsim_write_va(storsim_machine_t *machine, uint64_t address, const void *buffer, size_t bytes);
/* Physical address behind a mapped kernel address; 0 when none. Never a rule check. */
uint64_t storsim_physical(const storsim_machine_t *machine, uint64_t address);

/* --- allocations -------------------------------------------------------------------------------------------------- */

/* clang-format off */
/* X(name, text) */
#define STORSIM_BLOCK_MAP(X)                                                                                           \
    X(POOL, "pool") X(CONTIGUOUS, "contiguous") X(DMA, "dma") X(HMB, "hmb") X(MDL, "mdl") X(REGISTRY, "registry")      \
    X(UNCACHED, "uncached") X(DEVICE_EXTENSION, "device_extension") X(SRB_EXTENSION, "srb_extension")                  \
    X(LU_EXTENSION, "lu_extension") X(SRB, "srb") X(SRB_DATA, "srb_data") X(SENSE, "sense") X(CONFIG, "config")        \
    X(SG_LIST, "sg_list") X(KERNEL_STACK, "kernel_stack") X(PAGEABLE, "pageable") X(EVENT, "event")                    \
    X(HDA_BUFFER, "hda_buffer") X(HDA_BDL, "hda_bdl") X(HDA_RING, "hda_ring") X(HDA_REGISTERS, "hda_registers")        \
    X(DUMP_REGION, "dump_region")
/* clang-format on */

typedef enum storsim_block_kind {
    STORSIM_BLOCK_NONE = 0,
#define STORSIM_BLOCK_ENUM(name, text) STORSIM_BLOCK_##name,
    STORSIM_BLOCK_MAP(STORSIM_BLOCK_ENUM)
#undef STORSIM_BLOCK_ENUM
        STORSIM_BLOCK_KIND_COUNT
} storsim_block_kind_t;
const char *storsim_block_kind_text(storsim_block_kind_t kind);

typedef struct storsim_allocation {
    storsim_block_kind_t kind;
    uint64_t va;             /* 0: no virtual address (HMB) */
    uint64_t pa;             /* physical address of the first byte */
    uint64_t device_address; /* what the device uses; = pa without dma_remapping */
    uint64_t size;           /* bytes asked for */
    uint64_t pages;          /* whole pages behind it; 0 for a slot in a shared pool page */
    uint32_t node;
    int32_t cache;  /* MEMORY_CACHING_TYPE */
    uint32_t tag;   /* 0 = none */
    uint32_t owner; /* adapter or controller number, 0 = system */
    uint32_t site;
    uint64_t time;
    uint8_t irql;
    uint8_t context; /* the miniport's callback it was made in (storsim_context_t of storport.h), 0 = none */
    uint64_t block;  /* handle of the record, for storsim_block_* */
} storsim_allocation_t;

/* Live allocations in order of allocation. cursor starts at 0; false at the end. */
bool storsim_allocation_next(const storsim_machine_t *machine, uint64_t *cursor, storsim_allocation_t *allocation);
/* The allocation that contains a kernel address (live only). */
bool storsim_allocation_at(const storsim_machine_t *machine, uint64_t address, storsim_allocation_t *allocation);
/* Physical extents of an allocation in byte order (one for all but HMB and scattered buffers). INVALID index: false. */
bool storsim_allocation_extent(const storsim_machine_t *machine, uint64_t block, uint32_t index, uint64_t *pa,
                               uint64_t *bytes);
/* Exports the bytes of a live allocation: [0, size) at *data. Ends with storsim_block_unexport, also after the free. */
storsim_status_t storsim_block_export(storsim_machine_t *machine, uint64_t block, bool writable, uint8_t **data,
                                      uint64_t *size, uint64_t *token);
storsim_status_t storsim_block_unexport(storsim_machine_t *machine, uint64_t token);

/* --- memory a driver must treat with care --------------------------------------------------------------------------- */

/* Memory of the kernel that is no allocation of a driver: STORSIM_BLOCK_KERNEL_STACK or STORSIM_BLOCK_PAGEABLE, page aligned,
 * `bytes` > 0 bytes at *va. What may not be done with it (an MDL built over it, pageable memory touched at DISPATCH) is decided where it
 * happens. INVALID for another kind or 0 bytes, NO_SPACE, NO_MEMORY. Source: model choice; spec storport-memory §3.8, §6 V27. */
storsim_status_t storsim_kernel_memory_create(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint64_t *va);
/* STALE when no such memory starts at va. */
storsim_status_t storsim_kernel_memory_destroy(storsim_machine_t *machine, uint64_t va);

#ifdef __cplusplus
}
#endif
#endif
