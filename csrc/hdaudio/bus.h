/* hdaudio/bus.h: the bus driver's own state and the functions its files share.
 *
 *   room ── bus driver per controller ─┬─ engines[30]: one per stream descriptor; handle 0 = free
 *                                      ├─ clients: one Context each
 *                                      ├─ tags: unsolicited responses, by codec
 *                                      ├─ notices: events and callbacks, by engine
 *                                      └─ transfers: codec commands, in order; at most one command is on the link
 *
 * Invariants: an engine with kind none or C is in Reset; what hangs on an engine or client dies with it; nothing keeps
 * a pointer to room state across a wait (callbacks may free engines and clients), only handles, contexts and transfer
 * numbers. */
#ifndef SS_HDAUDIO_BUS_H
#define SS_HDAUDIO_BUS_H

#include "nt/kernel.h"
#include "storsim/hdaudio.h"

#define SS_NT(name) ((uint32_t)STORSIM_HDAUDIO_##name)

enum {
    SS_MAX_DESCRIPTORS = 30,
    SS_MAX_CODECS = 15,
    SS_MAX_FUNCTIONS = 32,
    SS_TAGS = 64,
    SS_BDL_ENTRIES = 256,
    SS_BDL_ENTRY_BYTES = 16
};

typedef struct ss_engine {
    uint64_t handle, context;      /* handle 0: free */
    uint64_t isr, isr_context;     /* tokens of a B buffer's PHDAUDIO_BDL_ISR */
    uint64_t size;                 /* AllocatedBufferSize, or RequestedBufferSize of a contiguous buffer */
    uint64_t bdl_hash;             /* of the list when the engine left Reset */
    uint64_t interrupts, last_isr; /* count; time of the latest */
    storsim_stream_format_t format;
    ss_block_id_t data, bdl, mdl, position;
    uint32_t link_bits, offset, cbl, lvi, fifo_bytes;
    uint32_t site, buffer_site, pause_site;
    uint16_t converter;
    uint8_t state, codec, stream_id;
    bool capture, striped, suspect;
    bool dpc_pending; /* policy coalesce */
    bool busy;        /* a call on this engine is waiting for hardware; never set between outer calls */
} ss_engine_t;

typedef struct ss_client {
    uint64_t context;
    uint32_t number, references;
} ss_client_t;

typedef struct ss_tag {
    uint64_t context, routine, token;
    uint32_t site;
    uint8_t codec, tag;
} ss_tag_t;

typedef struct ss_notice {
    uint64_t handle, serial;
    uint64_t routine;    /* token, or address of a KEVENT */
    uint64_t token, fdo; /* callbacks only */
    uint32_t site;
    bool callback;
} ss_notice_t;

typedef struct ss_transfer {
    uint64_t context, routine, token; /* routine 0: synchronous */
    storsim_codec_transfer_t *items;  /* owned */
    uint32_t id, count, next;         /* next: the item to send, or on the link */
    uint32_t called;                  /* items whose callback was already delivered */
    ss_block_id_t pool;               /* the queue entry in nonpaged pool */
} ss_transfer_t;

typedef struct ss_function {
    uint8_t codec, node, type;
} ss_function_t; /* type 1: audio */

typedef struct ss_busdriver {
    uint32_t controller;
    storsim_hdaudio_config_t config;
    bool started, removed;
    bool starting; /* inside bring-up; never set between outer calls */
    bool wide;     /* GCAP 64OK */
    uint8_t captures, renders, bidirs, lines;
    uint16_t device_version;
    uint32_t out_bits, in_bits;   /* per frame and line */
    uint32_t out_words, in_words; /* most words of one stream; 0 = no limit */
    uint32_t codecs;              /* bit = address */
    uint32_t line;                /* connected interrupt line, 0 = none */
    ss_function_t functions[SS_MAX_FUNCTIONS];
    uint32_t function_count;
    ss_block_id_t ring, clock;
    uint32_t corb_wp, rirb_rp;
    uint32_t flight, flight_event; /* transfer whose command is on the link; its time-out */
    uint8_t flight_codec;
    bool overrun, rirb_pending;
    ss_engine_t engines[SS_MAX_DESCRIPTORS];
    ss_client_t *clients;
    ss_tag_t *tags;
    ss_notice_t *notices;
    ss_transfer_t *transfers;
    uint32_t client_count, client_capacity, tag_count, tag_capacity, notice_count, notice_capacity, transfer_count,
        transfer_capacity;
} ss_busdriver_t;

typedef struct ss_hdaudio {
    ss_host_t *host;
    ss_busdriver_t **buses;
    uint32_t bus_count, bus_capacity;
    uint64_t next_handle, next_context, next_notice;
    uint32_t next_transfer;
} ss_hdaudio_t;

/* --- the room (attach.c, walk.c, check.c) ------------------------------------------------------------------------- */

ss_hdaudio_t *ss_hdaudio_room(const storsim_machine_t *machine); /* NULL before the first attach */
ss_busdriver_t *ss_bus_of_controller(const storsim_machine_t *machine, uint32_t controller);
ss_busdriver_t *ss_bus_of_context(const storsim_machine_t *machine, uint64_t context);
ss_busdriver_t *ss_bus_of_handle(const storsim_machine_t *machine, uint64_t handle, uint32_t *descriptor);
void ss_busdriver_destroy(ss_hdaudio_t *room, ss_busdriver_t *bus); /* host memory only */
void ss_hdaudio_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec);
size_t ss_hdaudio_check(storsim_machine_t *machine, void *state, char *text, size_t capacity);
storsim_status_t ss_hdaudio_event(storsim_machine_t *machine, void *state, const ss_event_t *event);

bool ss_policy_ok(const storsim_hdaudio_policy_t *policy); /* every index names a choice. policy.c */

/* Kinds of the room's own events and DPCs. */
enum { SS_EVENT_VERB_TIMEOUT = 1 }; /* a: controller, b: transfer */
enum {
    SS_DPC_COMPLETION = 1, /* a: handle, b: time of the ISR */
    SS_DPC_RIRB,           /* a: controller */
    SS_DPC_TRANSFER,       /* a: controller, b: transfer << 32 | item */
    SS_DPC_UNSOLICITED     /* a: controller, b: HDAUDIO_CODEC_RESPONSE */
};
/* Queues a DPC of the room; the fault late_dpc delays it. */
storsim_status_t ss_bus_queue_dpc(storsim_machine_t *machine, ss_busdriver_t *bus, uint16_t kind, uint64_t a,
                                  uint64_t b);

/* --- registers (chip.c) ------------------------------------------------------------------------------------------- */

/* One conversation with the chip. The first error is kept; after BUGCHECK, STOPPED or the like (dead) every access is a
 * no-op. Other errors (a host callback failed, no host memory) do not stop a handshake half way: the caller decides at
 * its end. */
typedef struct ss_chip {
    storsim_machine_t *machine;
    uint32_t controller;
    storsim_status_t status;
    bool dead;
} ss_chip_t;

ss_chip_t ss_chip_open(storsim_machine_t *machine, uint32_t controller);
uint32_t ss_chip_read(ss_chip_t *chip, uint32_t offset, uint32_t bytes);
void ss_chip_write(ss_chip_t *chip, uint32_t offset, uint32_t bytes, uint32_t value);
void ss_chip_wait(ss_chip_t *chip, uint64_t ticks);
/* Reads until (value & mask) == want, waiting `step` ticks between reads, at most `tries` times. */
bool ss_chip_poll(ss_chip_t *chip, uint32_t offset, uint32_t bytes, uint32_t mask, uint32_t want, uint32_t tries,
                  uint64_t step);
void ss_chip_error(ss_chip_t *chip, storsim_status_t status); /* keeps the first */

/* SDI lines of the part: codec addresses 0 … n-1. No register tells; it is a fact of the part's data sheet. dma.c */
uint32_t ss_bus_sdi_lines(const storsim_machine_t *machine, const ss_busdriver_t *bus);

/* --- device addresses (dma.c) ------------------------------------------------------------------------------------- */

/* Makes a contiguous block reachable for the controller and tells where it sees it. Without an IOMMU that is the
 * physical address. */
storsim_status_t ss_dma_map(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id, uint64_t *address);
void ss_dma_unmap(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id);
/* The same for the pages of a scattered block: *addresses (count of them, page aligned) are owned by the caller. All or
 * nothing. */
storsim_status_t ss_dma_map_pages(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_block_id_t id,
                                  uint64_t *addresses, uint32_t count);
void ss_dma_unmap_pages(storsim_machine_t *machine, const ss_busdriver_t *bus, const uint64_t *addresses,
                        uint32_t count);

/* --- stream descriptors (stream.c) -------------------------------------------------------------------------------- */

/* Stops the stream and takes it through reset; false when a handshake timed out. */
bool ss_stream_reset(ss_chip_t *chip, uint32_t descriptor);
/* Programs a stream in reset from the engine's record; *fifo_bytes receives the FIFO size. */
void ss_stream_program(ss_chip_t *chip, const ss_busdriver_t *bus, uint32_t descriptor, const ss_engine_t *engine,
                       uint64_t bdl_address, uint32_t *fifo_bytes);
/* Start all streams of the mask in the link frame that comes next; stop all in one frame. False: a handshake timed out.
 */
bool ss_streams_start(ss_chip_t *chip, uint32_t mask);
bool ss_streams_stop(ss_chip_t *chip, uint32_t mask);

/* --- bring-up (start.c) ------------------------------------------------------------------------------------------- */

/* Brings the controller up: reset, rings, interrupt, enumeration. *ntstatus SUCCESS, NO_SUCH_DEVICE or
 * INSUFFICIENT_RESOURCES. */
storsim_status_t ss_bus_start(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t *ntstatus);
/* Stops the chip and gives its blocks back. */
void ss_bus_stop(ss_chip_t *chip, ss_busdriver_t *bus);

/* --- calls (call.c and the files of the routines) ----------------------------------------------------------------- */

/* A routine under way: outputs are staged, and written only when the whole call ends well. */
typedef struct ss_frame {
    ss_call_t call;
    ss_hdaudio_t *room;
    ss_busdriver_t *bus;
    uint64_t context; /* of the calling client */
    uint64_t out[STORSIM_MAX_PARAMS];
    uint16_t out_set;                /* bit = parameter */
    storsim_codec_transfer_t *items; /* finished synchronous transfer, copied to the caller at the end */
    uint32_t item_count;
    bool queued; /* asynchronous transfer accepted: the caller's responses read zero from now on */
    storsim_device_information_t information;
    bool information_set;
    bool asked, refused; /* by the fault plan */
    bool again;          /* its predicate was called: the handler starts over */
} ss_frame_t;

typedef uint32_t (*ss_handler_fn)(ss_frame_t *frame); /* returns the NTSTATUS */

void ss_frame_out(ss_frame_t *frame, uint32_t parameter, uint64_t value);
bool ss_frame_null(const ss_frame_t *frame,
                   uint32_t parameter); /* an out-parameter without storage, a NULL address or device information */
uint64_t ss_frame_in(const ss_frame_t *frame, uint32_t parameter);
/* The client's engine behind parameter 0, or NULL. */
ss_engine_t *ss_frame_engine(const ss_frame_t *frame);
ss_client_t *ss_bus_client(const ss_busdriver_t *bus, uint64_t context);
ss_engine_t *ss_bus_engine(ss_busdriver_t *bus, uint64_t context, uint64_t handle, uint32_t *descriptor);
/* True when the fault plan lets a resource of this call fail, or a host error stopped the call. Also true, once, when a predicate of the plan was
 * asked: it may have called in, so the handler returns, having changed nothing, and starts over; the answer is then the plan's, kept. */
bool ss_frame_fault(ss_frame_t *frame, uint64_t bytes);
/* Takes over what a conversation with the chip met. False when the call must be undone. */
bool ss_frame_chip(ss_frame_t *frame, const ss_chip_t *chip);
storsim_engine_step_t ss_engine_step(const ss_busdriver_t *bus, const ss_engine_t *engine,
                                     storsim_engine_event_t event);

#define SS_HANDLER(name) uint32_t ss_do_##name(ss_frame_t *frame)
SS_HANDLER(InterfaceReference);
SS_HANDLER(InterfaceDereference);
SS_HANDLER(TransferCodecVerbs);
SS_HANDLER(AllocateCaptureDmaEngine);
SS_HANDLER(AllocateRenderDmaEngine);
SS_HANDLER(ChangeBandwidthAllocation);
SS_HANDLER(AllocateDmaBuffer);
SS_HANDLER(FreeDmaBuffer);
SS_HANDLER(FreeDmaEngine);
SS_HANDLER(SetDmaEngineState);
SS_HANDLER(GetWallClockRegister);
SS_HANDLER(GetLinkPositionRegister);
SS_HANDLER(RegisterEventCallback);
SS_HANDLER(UnregisterEventCallback);
SS_HANDLER(GetDeviceInformation);
SS_HANDLER(GetResourceInformation);
SS_HANDLER(AllocateDmaBufferWithNotification);
SS_HANDLER(FreeDmaBufferWithNotification);
SS_HANDLER(RegisterNotificationEvent);
SS_HANDLER(UnregisterNotificationEvent);
SS_HANDLER(RegisterNotificationCallback);
SS_HANDLER(UnregisterNotificationCallback);
SS_HANDLER(AllocateContiguousDmaBuffer);
SS_HANDLER(SetupDmaEngineWithBdl);
SS_HANDLER(FreeContiguousDmaBuffer);

/* --- shared pieces of the routines -------------------------------------------------------------------------------- */

/* Reserved bits of the SDO lines (capture false) or of one SDI line, without the engine `except` (may be NULL).
 * engine.c */
uint32_t ss_bus_bits_used(const ss_busdriver_t *bus, bool capture, uint32_t codec, const ss_engine_t *except);
/* Frees the blocks of the engine's buffer and forgets it; the state becomes R0. buffer.c */
void ss_engine_drop_buffer(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_engine_t *engine);
/* Takes the engine's descriptor through reset and programs it as `draft` says; draft->fifo_bytes is filled in. SUCCESS;
 * DEVICE_NOT_READY (the engine is suspect now, or call.status is set); INVALID_HANDLE when a callback ended the engine
 * meanwhile. buffer.c */
uint32_t ss_engine_program(ss_frame_t *frame, ss_engine_t *engine, ss_engine_t *draft, uint64_t bdl_address);
/* The common end of every Free…Buffer routine: hardware lets go, memory goes, state R0. buffer.c */
uint32_t ss_engine_free_buffer(ss_frame_t *frame, ss_engine_t *engine);
/* Ends an engine whatever its state: buffer, position pointer, queued DPCs, registrations. Cannot fail. engine.c */
void ss_engine_end(storsim_machine_t *machine, ss_busdriver_t *bus, ss_engine_t *engine);
/* Hash of entries 0 … lvi as they lie in memory. contiguous.c */
uint64_t ss_engine_bdl_hash(storsim_machine_t *machine, const ss_engine_t *engine);
/* True, once for each change, when the client touched its list since. contiguous.c */
bool ss_engine_bdl_changed(storsim_machine_t *machine, ss_engine_t *engine);
bool ss_entry_read(storsim_machine_t *machine, ss_block_id_t bdl, uint32_t index, storsim_hdaudio_entry_t *entry);
storsim_status_t ss_entries_write(storsim_machine_t *machine, ss_block_id_t bdl, const storsim_hdaudio_entry_t *entries,
                                  uint32_t count);
/* Ends a client: leaks are recorded unless quiet, everything it holds goes. interface.c */
void ss_client_end(ss_call_t *call, ss_busdriver_t *bus, uint64_t context, bool quiet);
/* Removes registrations of an engine (handle) or of a client's tags (context); returns how many went. notify.c, tags.c
 */
uint32_t ss_notices_drop(ss_call_t *call, ss_busdriver_t *bus, uint64_t handle);
uint32_t ss_tags_drop(ss_call_t *call, ss_busdriver_t *bus, uint64_t context);

/* Findings outside a call (interrupt context, the driver's own loads and stores). The second answers VIOLATION at
 * strict. interrupt.c */
void ss_bus_note(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_rule_id_t rule, uint64_t address,
                 uint64_t got);
storsim_status_t ss_bus_violate(storsim_machine_t *machine, const ss_busdriver_t *bus, ss_rule_id_t rule,
                                uint64_t address);

/* --- codec commands (verbs.c, rirb.c) ----------------------------------------------------------------------------- */

ss_transfer_t *ss_transfer_find(const ss_busdriver_t *bus, uint32_t id);
void ss_transfer_end(storsim_machine_t *machine, ss_busdriver_t *bus,
                     uint32_t id); /* frees it; unknown ids are ignored */
void ss_transfers_drop(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t context);
/* Puts the next command on the link when none is. */
void ss_verbs_pump(ss_chip_t *chip, ss_busdriver_t *bus);
/* Takes what lies in the response ring. In a DPC callbacks are run at once, elsewhere they are queued. */
storsim_status_t ss_rirb_drain(ss_chip_t *chip, ss_busdriver_t *bus, bool in_dpc);
/* The command on the link is done with this response (0: lost). */
storsim_status_t ss_flight_done(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t response, bool in_dpc);
/* One command of the bus driver itself, waiting for its response; false when it was lost. */
bool ss_verb_ask(ss_chip_t *chip, ss_busdriver_t *bus, uint32_t command, uint32_t *response);
storsim_status_t ss_transfer_callback(storsim_machine_t *machine, ss_busdriver_t *bus, uint32_t id, uint32_t item);
storsim_status_t ss_unsolicited_callback(storsim_machine_t *machine, ss_busdriver_t *bus, uint64_t response);

/* HDAUDIO_CODEC_RESPONSE bits above the response itself. Source: §2. */
#define SS_RESPONSE_UNSOLICITED (UINT64_C(1) << 36)
#define SS_RESPONSE_OVERRUN (UINT64_C(1) << 62)
#define SS_RESPONSE_VALID (UINT64_C(1) << 63)

/* --- interrupts (interrupt.c) ------------------------------------------------------------------------------------- */

storsim_status_t ss_hdaudio_isr(storsim_machine_t *machine, uint32_t line, uint64_t context, bool *claimed);
storsim_status_t ss_hdaudio_dpc(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b);
storsim_status_t ss_hdaudio_registers(storsim_machine_t *machine, uint64_t context, uint64_t offset, void *buffer,
                                      size_t bytes, bool store);

/* Register offsets. Source: spec hda-controller §2, §4. */
enum {
    SS_GCAP = 0x00,
    SS_VMIN = 0x02,
    SS_VMAJ = 0x03,
    SS_OUTPAY = 0x04,
    SS_INPAY = 0x06,
    SS_GCTL = 0x08,
    SS_WAKEEN = 0x0C,
    SS_STATESTS = 0x0E,
    SS_OUTSTRMPAY = 0x18,
    SS_INSTRMPAY = 0x1A,
    SS_INTCTL = 0x20,
    SS_INTSTS = 0x24,
    SS_WALCLK = 0x30,
    SS_SSYNC = 0x38,
    SS_CORBLBASE = 0x40,
    SS_CORBUBASE = 0x44,
    SS_CORBWP = 0x48,
    SS_CORBRP = 0x4A,
    SS_CORBCTL = 0x4C,
    SS_CORBSTS = 0x4D,
    SS_CORBSIZE = 0x4E,
    SS_RIRBLBASE = 0x50,
    SS_RIRBUBASE = 0x54,
    SS_RIRBWP = 0x58,
    SS_RINTCNT = 0x5A,
    SS_RIRBCTL = 0x5C,
    SS_RIRBSTS = 0x5D,
    SS_RIRBSIZE = 0x5E,
    SS_DPLBASE = 0x70,
    SS_DPUBASE = 0x74,
    SS_SD = 0x80,
    SS_SD_STEP = 0x20,
    SS_SD_CTL = 0x00,
    SS_SD_CTL2 = 0x02,
    SS_SD_STS = 0x03,
    SS_SD_LPIB = 0x04,
    SS_SD_CBL = 0x08,
    SS_SD_LVI = 0x0C,
    SS_SD_FIFOS = 0x10,
    SS_SD_FMT = 0x12,
    SS_SD_BDPL = 0x18,
    SS_SD_BDPU = 0x1C,
    SS_ALIAS_PAGE = 0x2000,
    SS_WALCLK_ALIAS = 0x2030,
    SS_LPIB_ALIAS = 0x2084
};
enum { SS_STS_BCIS = 0x04, SS_STS_FIFOE = 0x08, SS_STS_DESE = 0x10, SS_STS_FIFORDY = 0x20 };

/* Layout of the ring page: CORB 1 KiB, position buffer, RIRB 2 KiB. */
enum { SS_RING_CORB = 0, SS_RING_POSITION = 1024, SS_RING_RIRB = 2048, SS_RING_ENTRIES = 256 };

#endif
