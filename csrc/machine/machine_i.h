/* machine/machine_i.h: the machine's own structure, shared by the files of this room only. */
#ifndef SS_MACHINE_I_H
#define SS_MACHINE_I_H

#include "machine/core.h"
#include "machine/tap.h"

/* --- clock ---------------------------------------------------------------------------------------------------------- */

typedef struct ss_clock {
    uint64_t now, sequence;
    ss_event_t *heap; /* binary min-heap by (time, sequence) */
    uint32_t count, capacity, next_id;
    bool *lines;      /* levels, index line - 1 */
    uint32_t line_count, line_capacity;
    bool interrupt_seen;
} ss_clock_t;

void ss_clock_destroy(ss_clock_t *clock, ss_host_t *host);
void ss_clock_walk(ss_clock_t *clock, ss_host_t *host, ss_codec_t *codec);
size_t ss_clock_check(const ss_clock_t *clock);

/* --- findings ------------------------------------------------------------------------------------------------------- */

typedef struct ss_findings {
    storsim_finding_t **list; /* each owned */
    uint32_t count, capacity;
    uint64_t lost;
    uint32_t stopped; /* id of the bugcheck, 0 while alive */
} ss_findings_t;

void ss_findings_destroy(ss_findings_t *findings, ss_host_t *host);
void ss_findings_walk(storsim_machine_t *machine, ss_findings_t *findings, ss_codec_t *codec);

/* --- faults --------------------------------------------------------------------------------------------------------- */

typedef struct ss_fault_entry {
    storsim_fault_rule_t rule;
    uint32_t id;
    uint64_t matched; /* occasions counted since it was added */
    ss_rng_t rng;
} ss_fault_entry_t;

typedef struct ss_faults {
    ss_fault_entry_t *rules;
    uint32_t count, capacity, next_id, paused;
    uint64_t points;
    storsim_injected_t *injected;
    uint32_t injected_count, injected_capacity;
    uint32_t deciding; /* calls under way in which a predicate is being asked: never in a snapshot */
} ss_faults_t;

void ss_faults_destroy(ss_faults_t *faults, ss_host_t *host);
void ss_faults_walk(ss_faults_t *faults, ss_host_t *host, ss_codec_t *codec);

/* --- sites and trace ------------------------------------------------------------------------------------------------ */

typedef struct ss_sites {
    struct ss_site { uint64_t key1, key2; } *list; /* index site - 1 */
    uint32_t count, capacity;
    uint32_t *hash; /* site numbers, open addressing */
    uint32_t hash_capacity;
} ss_sites_t;

void ss_sites_destroy(ss_sites_t *sites, ss_host_t *host);

/* One cache line; an entry's sequence follows from its place. */
typedef struct ss_trace_slot {
    uint64_t time, began;
    uint16_t kind, routine;
    uint8_t irql, cpu;
    uint32_t site, inside;
    uint64_t values[4];
} ss_trace_slot_t;

typedef struct ss_trace_ring {
    ss_trace_slot_t *entries; /* power of two, allocated with the first entry */
    uint32_t capacity;
    uint64_t total;
} ss_trace_ring_t;

/* --- bus ------------------------------------------------------------------------------------------------------------ */

typedef struct ss_bus_device {
    bool live, remap, coherent, stalled;
    uint64_t next_logical;                                   /* pages, bump */
    struct ss_mapping { uint64_t logical, pfn, pages; } *map; /* sorted by logical page */
    uint32_t map_count, map_capacity;
} ss_bus_device_t;

/* shadow.c: the CPU's view where it differs from memory. */
typedef struct ss_shadows {
    struct ss_shadow_range { uint64_t pfn, pages; bool combining; } *ranges; /* sorted, disjoint */
    uint32_t range_count, range_capacity;
    /* Pages that were touched, sorted: contents, then a bit per byte that waits to be written back. */
    struct ss_shadow_page { uint64_t pfn; uint8_t *bytes; bool combining, stale; } *pages; /* stale: a device wrote behind it */
    uint32_t page_count, page_capacity, combining_count;
} ss_shadows_t;

void ss_shadow_destroy(ss_shadows_t *shadows, ss_host_t *host);
void ss_shadow_walk(ss_shadows_t *shadows, ss_host_t *host, ss_codec_t *codec);
size_t ss_shadow_check(const ss_shadows_t *shadows);

typedef struct ss_bus {
    ss_bus_device_t *devices;
    uint32_t count, capacity;
    ss_shadows_t shadow;
} ss_bus_t;

/* Whether a live device gets to the RAM behind an address of its own; *physical: where that is. */
ss_bus_result_t ss_bus_reach(const storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t *physical);
void ss_bus_destroy(ss_bus_t *bus, ss_host_t *host);
void ss_bus_walk(ss_bus_t *bus, ss_host_t *host, ss_codec_t *codec);
size_t ss_bus_check(const ss_bus_t *bus);

/* --- the machine ---------------------------------------------------------------------------------------------------- */

typedef struct ss_reserved { uint64_t first_pfn, pages; } ss_reserved_t;

/* What a snapshot restores as one piece. */
typedef struct ss_hardware {
    ss_pages_t *pages;
    ss_ram_t *ram;
    ss_clock_t clock;
    ss_faults_t faults;
    ss_findings_t findings;
    ss_bus_t bus;
    ss_rng_t rng;
    ss_reserved_t *reserved; /* sorted, disjoint */
    uint32_t reserved_count, reserved_capacity;
} ss_hardware_t;

struct storsim_machine {
    ss_machine_head_t head; /* first: read from outside this room */
    ss_host_t plain; /* for what does not go back in time: this structure, map, sites, trace, checkpoints */
    ss_cells_t cells;
    ss_host_t host; /* lists its blocks in `cells` */
    uint64_t checkpoints; /* taken so far, for their names in a journal; goes on when the machine goes back */
    uint64_t seed, fingerprint; /* fingerprint: of the configuration, compared at restore */
    storsim_memory_run_t *runs;
    size_t run_count;
    uint64_t total_pages; /* of all runs */
    uint32_t node_count;
    uint8_t *distances; /* NULL: 10 and 20 */
    storsim_placement_t placement;
    bool allow_cross_node;

    ss_hardware_t hardware;
    ss_sites_t sites;
    ss_trace_ring_t trace;

    struct { const ss_room_ops_t *ops; const ss_rule_t *rules; uint32_t rule_count; } rooms[SS_ROOM_COUNT];
    ss_room_t listener; /* serves interrupt lines; SS_ROOM_COUNT = none */
    ss_bus_guard_fn guard;
    ss_bus_steady_fn steady;
    ss_filler_t filler;
    const ss_namer_t *namer;
    ss_observer_t observer;
    ss_fault_fn fault_behind;
    storsim_callback_fn callback;
    void *callback_host;
    uint32_t callback_depth;
    uint64_t callbacks; /* how often the host was asked; nobody's state */
};

storsim_status_t ss_hardware_create(storsim_machine_t *machine, ss_hardware_t *hardware);
void ss_hardware_destroy(storsim_machine_t *machine, ss_hardware_t *hardware);
void ss_hardware_walk(storsim_machine_t *machine, ss_hardware_t *hardware, ss_codec_t *codec);
/* The bytes of storsim_snapshot, also from inside a callback. */
storsim_status_t ss_snapshot_save(storsim_machine_t *machine, uint8_t **bytes, size_t *length);
/* Appends a description to text when there is room; for checks. */
void ss_describe(char *text, size_t capacity, const char *what, size_t broken);

#endif
