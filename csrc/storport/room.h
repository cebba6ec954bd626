/* storport/room.h: what the files of the Storport room share.
 *
 *   adapter     one host bus adapter: device extension, configuration, port-owned blocks, HMB, counters
 *   srb         one request the port handed to the miniport, with everything it brings along
 *   sg          one scatter/gather list built by StorPortBuildScatterGatherList and not yet put
 *   frame       one miniport callback under way on one CPU
 *
 * Blocks are referenced by id, never by pointer, across anything that can allocate. */
#ifndef SS_STORPORT_ROOM_H
#define SS_STORPORT_ROOM_H

#include "nt/kernel.h"
#include "storsim/nvme.h"
#include "storsim/storport.h"

enum {
    SS_ADAPTER_NAME = 64,
    SS_SENSE_BYTES = 252,   /* the largest SenseInfoBufferLength of a SCSI request sense allocation */
    SS_SRB_BYTES = 0x58,    /* sizeof(SCSI_REQUEST_BLOCK) on x64 */
    SS_DUMP_LIMIT = 65536,  /* spec §2.6: common buffer of the dump path */
    SS_DPC_SG = 1,          /* deferred scatter/gather callback: a = sequence of the list */
    SS_MDL_X64_HEADER = 48, /* PFN array follows */
    SS_SG_HEADER = 16,
    SS_SG_ELEMENT = 24,
    SS_PUT_MEMORY = 32      /* lists remembered after their put, for the message of a second put */
};

/* A STOR_STATUS as the unsigned number it is. */
#define SS_STOR(name) ((uint32_t)STOR_STATUS_##name)

/* A physically contiguous piece of a transfer. */
typedef struct ss_run {
    uint64_t pfn, pages;    /* frames it touches */
    uint64_t address;       /* what the device uses for its first byte */
    uint32_t offset, bytes; /* offset of the first byte in the first frame */
} ss_run_t;

typedef struct ss_runs {
    ss_run_t *list;         /* owned */
    uint32_t count;
    bool mapped;            /* each run has a mapping in the device's logical space */
} ss_runs_t;

typedef struct ss_adapter {
    storsim_adapter_config_t config; /* config.name points at name */
    char name[SS_ADAPTER_NAME];
    uint32_t number, device;
    bool live, srb_extension_set, uncached_translated;
    uint64_t extension, config_address;
    uint64_t port[STORSIM_PC_COUNT];
    ss_block_id_t extension_block, config_block, uncached, registry, hmb, dump_region; /* 0 = none */
    uint64_t sg_built, sg_put, map_registers_used;
    storsim_access_range_t *hmb_ranges;  /* owned: the list as it was returned */
    uint32_t hmb_count;
    storsim_dump_mark_t *marks;          /* owned */
    uint32_t mark_count, mark_capacity;
} ss_adapter_t;

typedef struct ss_srb_buffer {
    ss_block_id_t block, mdl, list;      /* list: STOR_SCATTER_GATHER_LIST, made at the first request for it */
    uint64_t va, mdl_va;
    uint32_t length;
    ss_runs_t runs;                      /* made with the list or the first translation */
} ss_srb_buffer_t;

typedef struct ss_srb {
    uint64_t va;
    uint32_t adapter;
    bool write, extension_translated;
    ss_block_id_t block, extension, sense, lu;
    uint64_t extension_va, extension_length, sense_va, lu_va;
    ss_srb_buffer_t data, data_in;
} ss_srb_t;

typedef struct ss_sg {
    uint64_t sequence;
    uint64_t list, mdl, routine, context, data_va;
    uint32_t adapter, length, registers, site;
    ss_block_id_t data_block;
    uint32_t data_generation;
    bool write, delivered, orphaned;     /* orphaned: the data buffer or the list itself was freed or reused before the put */
    ss_runs_t runs;
} ss_sg_t;

typedef struct ss_put {
    uint64_t list;
    uint32_t built_at, put_at;
} ss_put_t;

typedef struct ss_frame {
    uint32_t cpu, adapter;
    uint8_t context, irql;               /* irql: level before the callback */
} ss_frame_t;

typedef struct ss_port {
    ss_adapter_t **adapters;             /* ascending numbers; each owned */
    uint32_t adapter_count, adapter_capacity;
    ss_srb_t **srbs;                     /* live ones, oldest first */
    uint32_t srb_count, srb_capacity;
    ss_sg_t **lists;                     /* not yet put, oldest first */
    uint32_t list_count, list_capacity;
    uint64_t next_sequence;
    ss_put_t puts[SS_PUT_MEMORY];        /* ring, hidden state */
    uint32_t put_next;
    ss_frame_t *frames;
    uint32_t frame_count, frame_capacity;
} ss_port_t;

/* One call of a routine: the kernel's frame plus what this room looked up. */
typedef struct ss_sp {
    ss_call_t call;
    storsim_machine_t *machine;
    ss_port_t *port;
    ss_adapter_t *adapter;  /* NULL for routines without HwDeviceExtension */
    storsim_arg_t *a;       /* arguments in table order; a[0] is HwDeviceExtension where it exists */
} ss_sp_t;

typedef void (*ss_handler_t)(ss_sp_t *sp);

/* --- room.c --- */
static inline ss_port_t *ss_port(const storsim_machine_t *machine) { /* NULL before storsim_storport_attach */
    return ss_room_state(machine, SS_ROOM_STORPORT);
}
void ss_port_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec);      /* walk.c */
size_t ss_port_check(storsim_machine_t *machine, void *state, char *text, size_t capacity); /* check.c */
void ss_port_destroy(storsim_machine_t *machine, void *state);

/* --- adapter.c --- */
ss_adapter_t *ss_adapter(const storsim_machine_t *machine, uint32_t number); /* live or removed; NULL when there is none */
/* The live adapter with this device extension, else the one removed last; NULL when there is none. */
ss_adapter_t *ss_adapter_at(const ss_port_t *port, uint64_t extension);
ss_adapter_t *ss_adapter_live(const storsim_machine_t *machine, uint32_t number);

/* --- context.c --- */
const ss_frame_t *ss_frame_top(const ss_port_t *port, uint32_t cpu); /* NULL outside callbacks */
bool ss_in_context(const ss_sp_t *sp, storsim_context_t context);
bool ss_in_any_callback(const ss_port_t *port, uint32_t adapter); /* of this adapter, on any CPU */

/* --- plain.c --- */
enum { SS_PLAIN_LAST = STORSIM_ID_StorPortFreeDmaMemory }; /* routines beyond it have no short way */
/* The whole of a call for which no rule has anything to say. False: nothing was done, call.c does it. */
bool ss_plain(storsim_machine_t *machine, const ss_port_t *port, const storsim_routine_t *routine, storsim_arg_t *args, uint64_t *result,
              storsim_status_t *status);

/* --- call.c --- */
void ss_reply(ss_sp_t *sp, uint32_t status);
void ss_out(storsim_arg_t *arg, uint64_t value); /* writes an out-parameter unless its pointer is NULL */
/* True when the fault plan fails this call; call.status may be CALLBACK afterwards. */
bool ss_sp_fault(ss_sp_t *sp, uint32_t tag, uint64_t bytes);
/* A frame for what the port does on its own (removal, configuration, requests). */
storsim_status_t ss_action_begin(ss_call_t *call, storsim_machine_t *machine, uint32_t owner);

/* --- device.c --- */
/* Gives a contiguous block its address in the adapter's device space (limits NULL: anywhere), and its CPU view where the device does not
 * snoop. Whole or nothing: NO_MEMORY, NO_SPACE. */
storsim_status_t ss_device_attach(storsim_machine_t *machine, ss_adapter_t *adapter, ss_block_id_t id, const ss_bus_limits_t *limits);
uint64_t ss_device_address(storsim_machine_t *machine, const ss_adapter_t *adapter, const ss_block_t *block, uint64_t offset);
/* What must be known of a block before a routine that may free it runs, and what to do when it did. */
typedef struct ss_watch {
    ss_block_id_t id;
    uint32_t generation, owner, site;
    uint64_t va, size, pfn, pages, device_address;
    uint8_t kind;
} ss_watch_t;
/* Whether anything of the port's hangs on blocks that drivers free: lists that are out, mappings. If not, none need be watched. */
static inline bool ss_watching(const ss_port_t *port) {
    bool watching = port->list_count != 0;
    for (uint32_t i = 0; i < port->adapter_count && !watching; i++) {
        watching = port->adapters[i]->config.dma_remapping;
    }
    return watching;
}
void ss_watch(storsim_machine_t *machine, uint64_t va, ss_watch_t *watch);
void ss_watch_block(storsim_machine_t *machine, ss_block_id_t id, ss_watch_t *watch);
bool ss_watch_gone(storsim_machine_t *machine, const ss_watch_t *watch);
/* Undoes ss_device_attach for a block that is gone, and reports lists still built over it. call may be NULL when
 * the port frees its own memory. */
void ss_release_device(storsim_machine_t *machine, ss_call_t *call, const ss_watch_t *watch);
/* Frees a block of the port itself. id 0 is ignored. */
void ss_port_free(storsim_machine_t *machine, ss_block_id_t id);

/* --- runs.c --- */
/* Pieces of bytes [offset, offset + length) of a built MDL, not yet mapped. NO_MEMORY; INVALID when a page is missing. */
storsim_status_t ss_runs_of_mdl(storsim_machine_t *machine, uint64_t mdl, uint64_t offset, uint32_t length, ss_runs_t *runs);
storsim_status_t ss_runs_map(storsim_machine_t *machine, const ss_adapter_t *adapter, ss_runs_t *runs);
void ss_runs_drop(storsim_machine_t *machine, const ss_adapter_t *adapter, ss_runs_t *runs);
uint64_t ss_runs_list_bytes(const ss_runs_t *runs); /* of a STOR_SCATTER_GATHER_LIST in x64 layout */
void ss_runs_encode(const ss_runs_t *runs, uint8_t *bytes);

/* --- srb.c --- */
ss_srb_t *ss_srb(const storsim_machine_t *machine, uint64_t va);
/* The buffer behind StorPortGetDataInBuffer…: the separate one of a bidirectional request, or a read request's only one. */
ss_srb_buffer_t *ss_srb_data_in(ss_srb_t *srb);
/* Makes the pieces (and with `list` the STOR_SCATTER_GATHER_LIST) of a buffer if it has none yet. NO_MEMORY, NO_SPACE. */
storsim_status_t ss_srb_pieces(storsim_machine_t *machine, ss_srb_t *srb, ss_srb_buffer_t *buffer, bool list);
void ss_srb_release(storsim_machine_t *machine, ss_srb_t *srb); /* frees everything, the record included */
bool ss_srb_owns_mdl(const storsim_machine_t *machine, ss_block_id_t mdl);

/* --- sg.c --- */
ss_sg_t *ss_sg_find(const ss_port_t *port, uint64_t list);
void ss_sg_forget(storsim_machine_t *machine, ss_sg_t *sg); /* releases the record */
void ss_sg_block_gone(storsim_machine_t *machine, ss_call_t *call, const ss_watch_t *watch);
storsim_status_t ss_sg_dpc(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b);

/* --- hmb.c, hmb_device.c --- */
void ss_hmb_release(storsim_machine_t *machine, ss_adapter_t *adapter); /* all pages, from the internal record */
storsim_status_t ss_hmb_install_hooks(storsim_machine_t *machine);
bool ss_hmb_contains(const ss_adapter_t *adapter, uint64_t address, uint64_t bytes);

/* --- routines --- */
#define SS_HANDLER(name) void ss_##name(ss_sp_t *sp);
STORSIM_STORPORT_ROUTINE_MAP(SS_HANDLER)
#undef SS_HANDLER

#endif
