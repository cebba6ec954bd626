/* storsim/hda.h: the HD Audio controller, its link and its codecs.
 *
 * The chip is driven through its registers and through memory only, as hardware is: a bus driver (storsim's own, or a user's)
 * needs storsim_hda_mmio_read, storsim_hda_mmio_write, the interrupt line and RAM. Everything else here is what an engineer does
 * from outside: choosing the part, plugging codecs, listening to what they heard, feeding what they record, injecting errors.
 *
 * Vocabulary
 *   controller  number from 1, never reused
 *   descriptor  stream descriptor n: inputs first, then outputs, then bidirectional ones; registers at 80h + 20h * n
 *   frame       one 48 kHz link frame = 500 ticks. Boundary g is at the tick at which CRST became 1, plus 500 * g
 *   tag         the stream number 1 … 15 a converter and a descriptor share; output and input tags are separate
 *   block       one sample of every channel, in containers as they lie in memory (8-bit: 1 byte, 16: 2, 20/24/32: 4)
 *
 * Named hardware faults (storsim_fault_add with STORSIM_FAULT_HARDWARE; rule.device = controller number or 0) and their occasions:
 *   TIMEOUT           SRST is written 1: the handshake never completes (SRST keeps reading 0) until SRST is written again
 *   DESCRIPTOR_ERROR  a BDL entry is fetched: DESE
 *   FIFO_ERROR        a BDL entry is fetched while data moves: FIFOE, and the link loses one frame
 *   CODEC_SILENT      a codec is sent a verb: it is lost
 *   RIRB_OVERRUN      a response reaches the controller: RIRBOIS, the response is dropped
 *   REMOVED           a register is accessed: the chip is gone; reads give ones, DMA stops, the line falls
 *
 * Errors common to all functions: INVALID for an unknown controller or codec and for numbers out of range, STOPPED on a dead machine
 * (functions that change something), NO_MEMORY. A failing call has changed nothing a driver can observe.
 * Source: spec/hda-controller; policies marked [P] there are taken as written. */
#ifndef STORSIM_HDA_H
#define STORSIM_HDA_H

#include "storsim/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_HDA_REGISTER_BYTES 0x4000u   /* one memory BAR */
#define STORSIM_HDA_ALIAS_OFFSET 0x2000u     /* WALCLK at 2030h, SDnLPIB at 2084h + 20h * n */
#define STORSIM_HDA_MAX_STREAMS 30u
#define STORSIM_HDA_MAX_CODECS 15u
#define STORSIM_HDA_MAX_FIFO 1024u           /* bytes */
#define STORSIM_HDA_NEXT_FRAME UINT32_C(0xFFFFFFFE) /* latency: until the next frame boundary */
#define STORSIM_HDA_STUCK UINT32_C(0xFFFFFFFF)      /* latency: for ever */

typedef enum storsim_hda_timing {
    STORSIM_HDA_CONTROLLER = 0, /* render data is fetched ahead by up to the FIFO */
    STORSIM_HDA_IDEAL = 1,      /* no prefetch: BCIS and positions follow the link */
    STORSIM_HDA_EMULATOR = 2    /* as ideal, but everything moves in steps of 10 ms */
} storsim_hda_timing_t;

typedef enum storsim_hda_personality {
    STORSIM_HDA_ICH = 0,    /* FIFOS holds bytes - 1, outputs' FIFOS is writable, FIFOW exists, TP reads 1, SSYNC also at 34h */
    STORSIM_HDA_GENERIC = 1 /* FIFOS holds bytes and follows SDnFMT; FIFOW is reserved, TP is plain storage */
} storsim_hda_personality_t;

typedef struct storsim_hda_config {
    uint8_t capture, render, bidirectional; /* ISS, OSS, BSS: together 1 … 30, each field as wide as GCAP has it (15, 15, 31) */
    uint8_t sdo_lines;       /* 1, 2 or 4 */
    uint8_t sdi_lines;       /* 1 … 15; 0: max(4, highest codec address + 1), settled as codecs are added */
    bool ok64;               /* GCAP.64OK */
    storsim_hda_timing_t timing;
    storsim_hda_personality_t personality;
    uint16_t outpay, inpay;         /* 16-bit words per frame and line */
    uint16_t outstrmpay, instrmpay; /* 16-bit words per frame of one stream; 0: no limit */
    uint16_t fifo_render, fifo_render_wide;   /* bytes, 8/16/32-bit and 20/24-bit samples; 2 … STORSIM_HDA_MAX_FIFO */
    uint16_t fifo_capture, fifo_capture_wide;
    uint8_t corb_sizes, rirb_sizes; /* capability masks: 1: 2 entries, 2: 16, 4: 256 */
    /* Latencies in ticks, or NEXT_FRAME, or STUCK; 0: at once. */
    uint32_t crst_latency;   /* CRST, both edges */
    uint32_t srst_latency;   /* SRST, both edges */
    uint32_t stop_latency;   /* RUN 1 -> 0 */
    uint32_t codec_frames;   /* frames from CRST = 1 to STATESTS, 0 … 25 on a legal link */
    bool bdl_prefetch;       /* read the whole BDL at RUN, as emulators do, instead of each entry when needed */
    bool corb_reset_quirk;   /* CORBRPRST clears itself and never reads 1 */
    bool dma_remapping;      /* behind an IOMMU: bus addresses are logical */
    bool coherent;           /* the CPU's caches are snooped */
    uint64_t keep_bytes;     /* tail of what a codec heard that is kept per tag; storsim_codec_keep changes it for one */
} storsim_hda_config_t;

/* Defaults: 4 in, 4 out, one SDO line, 64-bit, timing controller, personality ich, FIFOs 192/256/120/160 bytes, OUTPAY 60, INPAY 29,
 * OUTSTRMPAY 48, INSTRMPAY 24, 256-entry rings, latencies one frame, codecs after 25 frames, 16 MiB kept. Source: hda-controller §2, §4. */
void storsim_hda_config_init(storsim_hda_config_t *config);

/* Hangs the room on a machine that has none yet; storsim_hda_add does it by itself. */
storsim_status_t storsim_hda_attach(storsim_machine_t *machine);
/* Adds a controller in power-on state (CRST 0), without codecs. */
storsim_status_t storsim_hda_add(storsim_machine_t *machine, const storsim_hda_config_t *config, uint32_t *controller);
/* Takes it out: events, line, codecs and everything kept go. */
storsim_status_t storsim_hda_remove(storsim_machine_t *machine, uint32_t controller);
bool storsim_hda_live(const storsim_machine_t *machine, uint32_t controller);
/* True after the fault REMOVED: registers read ones. */
bool storsim_hda_gone(const storsim_machine_t *machine, uint32_t controller);
/* The configuration with sdi_lines settled; NULL for no controller. */
const storsim_hda_config_t *storsim_hda_get_config(const storsim_machine_t *machine, uint32_t controller);
uint32_t storsim_hda_line(const storsim_machine_t *machine, uint32_t controller);   /* interrupt line; 0: no controller */
uint32_t storsim_hda_device(const storsim_machine_t *machine, uint32_t controller); /* bus device number (ss_device_t); 0: none */

/* --- registers ------------------------------------------------------------------------------------------------------ */

/* Loads and stores of 1, 2 or 4 naturally aligned bytes. Anything else reads all ones or is dropped, with note BAD_ACCESS [P]; the
 * call itself still answers OK. A write can start DMA and raise the line, so a store can answer what an ISR or the bus guard answered
 * (CALLBACK, BUGCHECK, VIOLATION); the write itself is then done. */
storsim_status_t storsim_hda_mmio_read(storsim_machine_t *machine, uint32_t controller, uint64_t offset, uint32_t size, uint64_t *value);
storsim_status_t storsim_hda_mmio_write(storsim_machine_t *machine, uint32_t controller, uint64_t offset, uint32_t size, uint64_t value);

typedef struct storsim_hda_register {
    char name[16];       /* GCAP, SD4LPIB, SD4LPIBA (alias), … */
    uint32_t offset;
    uint32_t size;       /* bytes: 1, 2, 3 (SDnCTL), 4 */
    uint32_t write_mask; /* plain read-write bits */
    uint32_t clear_mask; /* RW1C bits */
    uint32_t reset;      /* value after reset */
} storsim_hda_register_t;
/* Registers of a controller in address order; index 0 … until false. */
bool storsim_hda_register_get(const storsim_machine_t *machine, uint32_t controller, uint32_t index, storsim_hda_register_t *row);
/* By name, upper or lower case; false when it has none such. O(registers). */
bool storsim_hda_register_find(const storsim_machine_t *machine, uint32_t controller, const char *name, storsim_hda_register_t *row);
/* One register as a whole; SDnCTL (3 bytes) goes as a 32-bit access whose status lane is written 0 and read away. */
storsim_status_t storsim_hda_register_read(storsim_machine_t *machine, uint32_t controller, const char *name, uint64_t *value);
storsim_status_t storsim_hda_register_write(storsim_machine_t *machine, uint32_t controller, const char *name, uint64_t value);

/* --- test hooks ----------------------------------------------------------------------------------------------------- */

/* Makes WALCLK read `value` now; frame boundaries stay where they are. INVALID while CRST is 0. */
storsim_status_t storsim_hda_set_wall_clock(storsim_machine_t *machine, uint32_t controller, uint32_t value);
/* Stalls (resumes) all DMA of the controller: FIFOs drain or fill, CORB and RIRB wait. */
storsim_status_t storsim_hda_stall(storsim_machine_t *machine, uint32_t controller, bool stalled);

typedef struct storsim_hda_position {
    uint64_t link_bytes;   /* L: sent or received since the stream reset */
    uint64_t dma_bytes;    /* D: fetched or written since then */
    uint32_t fifo_bytes;   /* F of this run; 0: no prefetch */
    uint32_t block_bytes;  /* of this run */
    bool running;          /* the engine moves data (RUN, no stop requested) */
    bool linked;           /* the link side moves (SSYNC 0, not starved, and for inputs a converter sends) */
} storsim_hda_position_t;
/* What the engine of a descriptor has done, exactly; for tests and views. */
storsim_status_t storsim_hda_position(storsim_machine_t *machine, uint32_t controller, uint32_t descriptor, storsim_hda_position_t *position);

/* --- formats -------------------------------------------------------------------------------------------------------- */

/* Fields of SDnFMT / converter format: rate = base * mult / div. false when BITS, MULT is reserved or bit 15 is set. */
typedef struct storsim_hda_format {
    uint32_t base, mult, div;          /* 48000 or 44100; 1 … 4; 1 … 8 */
    uint32_t bits, channels;           /* 8, 16, 20, 24, 32; 1 … 16 */
    uint32_t container_bytes, block_bytes;
} storsim_hda_format_t;
bool storsim_hda_format_decode(uint16_t format, storsim_hda_format_t *fields);
/* Bytes the cadence has sent after `frames` frames from its start. O(1). */
uint64_t storsim_hda_cadence_bytes(uint16_t format, uint64_t frames);

/* --- codecs --------------------------------------------------------------------------------------------------------- */

typedef struct storsim_codec_parameter { uint8_t id; uint32_t value; } storsim_codec_parameter_t; /* GET_PARAMETER id and answer */
typedef struct storsim_codec_node {
    uint8_t nid;                                  /* 0: root */
    const storsim_codec_parameter_t *parameters;  /* what F00h answers; 0Eh (list length) follows from the connections if absent */
    uint32_t parameter_count;
    const uint8_t *connections;                   /* plain node ids, ranges expanded */
    uint32_t connection_count;                    /* 0 … 127 */
} storsim_codec_node_t;
typedef struct storsim_codec_verb { uint8_t nid; uint32_t verb; } storsim_codec_verb_t; /* verb: the low 20 bits of a command */

/* A codec in plain data; copied by storsim_codec_add. Nodes in any order, ids unique. */
typedef struct storsim_codec_config {
    const storsim_codec_node_t *nodes;
    uint32_t node_count;                    /* 0 … 256; 0 with host_verb != 0: the host answers everything */
    const storsim_codec_verb_t *initial;    /* set-verbs whose effect is the state after reset (pin defaults, amps, power, …) */
    uint32_t initial_count;
    const storsim_codec_verb_t *answers;    /* get-verbs with a fixed answer of their own: pairs, see answer_values */
    const uint32_t *answer_values;          /* answer_count entries */
    uint32_t answer_count;
    uint32_t response_frames;               /* frames from the verb to its response; 0: 1 */
    bool silent;                            /* is there (STATESTS) but never answers */
    bool any_format;                        /* converters take every format (the ideal codec) */
    uint64_t host_verb;                     /* token: STORSIM_CB_CODEC_VERB decides each response (values: command, address, controller) */
} storsim_codec_config_t;

/* Plugs a codec at an SDI line (address 0 … 14). On a running link it signals STATESTS after codec_frames. INVALID when the address is
 * taken, above the configured lines, or the description is inconsistent (duplicate node, connection to an absent node is allowed). */
storsim_status_t storsim_codec_add(storsim_machine_t *machine, uint32_t controller, uint32_t address, const storsim_codec_config_t *config);
/* The default codec: 16 output converters (nodes 10h …) each with its own line-out pin (30h …), 16 input converters (20h …) each with a
 * line-in pin (40h …), all rates and widths, 1 … 16 channels. Source: model choice, DESIGN §5. */
storsim_status_t storsim_codec_add_ideal(storsim_machine_t *machine, uint32_t controller, uint32_t address);
storsim_status_t storsim_codec_remove(storsim_machine_t *machine, uint32_t controller, uint32_t address);
bool storsim_codec_present(const storsim_machine_t *machine, uint32_t controller, uint32_t address);
/* Silent, slow. */
storsim_status_t storsim_codec_set(storsim_machine_t *machine, uint32_t controller, uint32_t address, bool silent, uint32_t response_frames);
/* Executes a command (31:28 ignored) at once, not over the link: for views and importers' tests. */
storsim_status_t storsim_codec_command(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint32_t command, uint32_t *response);
/* Whether a converter node can take a format (PCM sizes and rates, channel count, or any_format). */
storsim_status_t storsim_codec_takes(const storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t nid, uint16_t format,
                                     bool *takes);
/* Asserts a state change on SDI: STATESTS bit, wake. */
storsim_status_t storsim_codec_wake(storsim_machine_t *machine, uint32_t controller, uint32_t address);
/* Queues an unsolicited response: 31:26 tag (0 … 63), 25:0 payload. At most 64 wait; more: BUSY. */
storsim_status_t storsim_codec_unsolicited(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint32_t payload);
/* Plugs or pulls a jack: pin sense, and an unsolicited response if the pin has them enabled. */
storsim_status_t storsim_codec_jack(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t nid, bool present);

/* What a codec heard on a tag. The bytes are containers as they lay in memory, oldest first. *bytes in: capacity at `buffer`, out: bytes
 * kept (buffer NULL: only asks); *dropped: bytes heard before those kept. Reading does not clear. */
storsim_status_t storsim_codec_played(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, void *buffer,
                                      uint64_t *bytes, uint64_t *dropped);
storsim_status_t storsim_codec_played_clear(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag);
/* How much of a tag's tail is kept; 0: nothing, and moving it costs only per event. What exceeds the new limit goes. */
storsim_status_t storsim_codec_keep(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t limit);
/* Every byte heard on a tag also goes to a host callback STORSIM_CB_CODEC_SINK (values: address, tag, controller, context) at stream
 * events, at the latest every 10 ms of virtual time. routine 0 ends it. */
storsim_status_t storsim_codec_record(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t routine,
                                      uint64_t context);
/* Appends bytes a converter with this input tag will send; what is not there when it is due is silence (zeros). */
storsim_status_t storsim_codec_feed(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, const void *data,
                                    uint64_t bytes);
/* Bytes fed and not yet sent. */
storsim_status_t storsim_codec_feed_pending(const storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag,
                                            uint64_t *bytes);
/* A host callback STORSIM_CB_CODEC_SOURCE (values: address, tag, bytes wanted, controller, context; data: where they go; result: bytes
 * given) asked ahead of time at stream events for what the next 10 ms need. routine 0 ends it. */
storsim_status_t storsim_codec_source(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t routine,
                                      uint64_t context);

#ifdef __cplusplus
}
#endif
#endif
