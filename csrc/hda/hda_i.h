/* hda/hda_i.h: the chip's own structures, shared by the files of this room only.
 *
 * How time is handled. Nothing happens per frame. A controller owns one event of the machine, at the earliest deadline of anything in it
 * (stream, handshake, ring, discovery). What a stream has moved by now is a closed formula of the frames since its link segment began;
 * ss_hda_flow makes bytes, FIFO and position buffer agree with the formula whenever somebody may look (the room's settle op, register
 * accesses that touch the stream). Between two deadlines of a stream nothing can happen to it but plain movement inside one BDL entry:
 *
 *      entry k                      entry k+1
 *      |------------------IOC|      |--------
 *              L ....... D   ^ deadline: D reaches the end: BCIS
 *              sent     fetched       ^ deadline: a byte of k+1 is needed: its descriptor is read
 *
 * Invariants: sent <= min(link, dma); FIFO holds [sent, dma) of a render stream; a capture stream's [dma, link) still lies in the codec's
 * queue; flow never passes a deadline, so it changes no status bit. */
#ifndef SS_HDA_I_H
#define SS_HDA_I_H

#include "machine/core.h"
#include "storsim/hda.h"

#define SS_NEVER UINT64_MAX
#define SS_HDA_IMAGE 0x440u   /* 80h + 20h * 30: stored register bits */
#define SS_HDA_PULSE 480u     /* frames between visits of a stream with a sink or source; frames of an emulator step */

/* --- notes ---------------------------------------------------------------------------------------------------------- */

/* X(NAME, rule, fix, source) */
#define SS_HDA_NOTE_MAP(X)                                                                                                              \
    X(BAD_ACCESS, "Registers are accessed with 1, 2 or 4 naturally aligned bytes inside the BAR.",                                       \
      "Use the register's own width and offset.", "spec hda-controller §1")                                                              \
    X(WRITE_IN_RESET, "While CRST reads 0 only GCTL, WAKEEN and STATESTS can be written.",                                               \
      "Write GCTL.CRST = 1 and wait until it reads 1 before programming the controller.", "spec hda-controller §3")                      \
    X(BASE_WHILE_RUNNING, "Base address registers are not written while their engine runs.",                                             \
      "Stop the engine, write the base, start again; a stream needs a stream reset as well.", "spec hda-controller §2, ruling R46")      \
    X(CRST_WHILE_RUNNING, "All RUN bits, CORBRUN and RIRBDMAEN are 0 before the controller is reset.",                                   \
      "Stop every stream and both rings before writing GCTL.CRST = 0.", "spec hda-controller §3")                                        \
    X(SRST_WHILE_RUNNING, "RUN is 0 before SRST is written 1.", "Clear RUN, poll it until it reads 0, then reset the stream.",           \
      "spec hda-controller §6.1")                                                                                                        \
    X(STREAM_IN_RESET, "A descriptor's registers are not written while its SRST reads 1.",                                               \
      "Write SRST = 0 and wait until it reads 0 before programming the descriptor.", "spec hda-controller §6.1")                         \
    X(BDL_ALIGNMENT, "A BDL entry's buffer is 128-byte aligned.", "Start every fragment on a multiple of 128.",                          \
      "spec hda-controller §5")                                                                                                          \
    X(ODD_LENGTH, "A BDL entry holds whole 16-bit words.", "Give the entry an even length.", "spec hda-controller §5")                   \
    X(LVI_ZERO, "A BDL has at least two entries.", "Split the buffer: SDnLVI is at least 1.", "spec hda-controller §5")                  \
    X(CBL_MISMATCH, "SDnCBL equals the sum of the BDL lengths 0 … LVI.",                                                                 \
      "Write the sum of the entries' lengths; otherwise the position wraps elsewhere than the buffer.", "spec hda-controller §5")        \
    X(CBL_NOT_BLOCKS, "SDnCBL is a whole number of sample blocks and not 0.", "Make the buffer a multiple of channels x container.",     \
      "spec hda-controller §5")                                                                                                          \
    X(TAG_ZERO, "A running stream has a tag of 1 … 15.", "Program SDnCTL.STRM and the codec's converter with the same number.",          \
      "spec hda-controller §4")                                                                                                          \
    X(TAG_SHARED, "Two descriptors of one direction do not run with the same tag.", "Give each stream its own tag.",                     \
      "spec hda-controller §4")                                                                                                          \
    X(STRIPE_LIMIT, "SDnCTL.STRIPE does not exceed the SDO lines of GCAP.NSDO and leaves each line 8 bits per frame.",                   \
      "Use fewer lines.", "spec hda-controller §9.5")                                                                                    \
    X(OVERSUBSCRIBED, "The running streams' busiest frames together fit the lines they use.",                                            \
      "Compare the sum of words per frame with OUTPAY or INPAY before RUN.", "spec hda-controller §9.4")                                 \
    X(STREAM_PAYLOAD, "One stream's busiest frame is at most OUTSTRMPAY or INSTRMPAY words.", "Choose a smaller format.",                \
      "spec hda-controller §9.4")                                                                                                        \
    X(FORMAT_RESERVED, "SDnFMT's BITS and MULT fields hold defined values.", "Use BITS 0 … 4 and MULT 0 … 3.",                           \
      "spec hda-controller §9.1")                                                                                                        \
    X(FORMAT_MISMATCH, "The converter and the descriptor of one tag have the same format.",                                              \
      "Send the codec the value written to SDnFMT.", "spec hda-controller §6.2")                                                         \
    X(FIFO_ERROR, "Memory keeps up with the link.", "See what stalled the DMA; the link lost data.", "spec hda-controller §6.6")         \
    X(DESCRIPTOR_ERROR, "Every BDL entry and every byte it names can be reached by the device; lengths are not 0.",                      \
      "Check the BDL address, the entry's address and length, and 64-bit capability.", "spec hda-controller §6.6")                       \
    X(POSITION_BUFFER, "The DMA position buffer lies in memory the device can reach.", "Write DPLBASE / DPUBASE with a valid address.",  \
      "spec hda-controller §10")                                                                                                         \
    X(RING_ADDRESS, "CORB and RIRB lie in memory the device can reach.", "Write the ring's base before starting it.",                    \
      "spec hda-controller §11")                                                                                                         \
    X(RING_POINTER, "CORBWP stays below the size of the ring.", "Wrap the write pointer at CORBSIZE entries.", "spec hda-controller §11") \
    X(RING_RESET, "CORBRP and RIRBWP are reset only while their engine is stopped.", "Clear CORBRUN or RIRBDMAEN first.",                \
      "spec hda-controller §11, §12")                                                                                                    \
    X(IMMEDIATE_WHILE_RINGS, "The immediate command interface is used while CORB and RIRB are stopped.",                                 \
      "Stop both rings first, or send the verb through them.", "spec hda-controller §13")                                                \
    X(FLUSH_WHILE_RUNNING, "FCNTRL is written with every RUN bit 0 and GSTS.FSTS 0.", "Stop the streams and clear FSTS first.",          \
      "spec hda-controller §3")

typedef enum ss_hda_note {
#define SS_HDA_NOTE_ENUM(name, rule, fix, source) SS_HDA_NOTE_##name,
    SS_HDA_NOTE_MAP(SS_HDA_NOTE_ENUM)
#undef SS_HDA_NOTE_ENUM
    SS_HDA_NOTE_COUNT
} ss_hda_note_t;
extern const ss_rule_t ss_hda_rules[SS_HDA_NOTE_COUNT];

/* --- byte queues ---------------------------------------------------------------------------------------------------- */

/* A ring of bytes that keeps at most `limit` of them, the newest, and counts what it dropped. */
typedef struct ss_hda_bytes {
    uint8_t *ring;
    uint64_t capacity, start, count, limit, dropped;
} ss_hda_bytes_t;

void ss_hda_bytes_clear(ss_hda_bytes_t *bytes, ss_host_t *host); /* empty, memory given back, dropped 0 */
bool ss_hda_bytes_reserve(ss_hda_bytes_t *bytes, ss_host_t *host, uint64_t more);
bool ss_hda_bytes_push(ss_hda_bytes_t *bytes, ss_host_t *host, const uint8_t *data, uint64_t count); /* data NULL: zeros; false: NO_MEMORY */
/* Where the next bytes belong: at most *count of them in one piece, over the oldest when the ring is full; reserve first, limit not 0.
 * Then that they are there. */
uint8_t *ss_hda_bytes_place(const ss_hda_bytes_t *bytes, uint64_t *count);
void ss_hda_bytes_placed(ss_hda_bytes_t *bytes, uint64_t count);
void ss_hda_bytes_peek(const ss_hda_bytes_t *bytes, uint64_t at, uint8_t *data, uint64_t count);     /* [at, at + count) must be there */
void ss_hda_bytes_pop(ss_hda_bytes_t *bytes, uint64_t count);                                        /* at most count; not a drop */
void ss_hda_bytes_cut(ss_hda_bytes_t *bytes, uint64_t at, uint64_t count);                           /* takes [at, at + count) out */
void ss_hda_bytes_trim(ss_hda_bytes_t *bytes, uint64_t limit);                                       /* sets the limit, drops the oldest */
void ss_hda_bytes_walk(ss_hda_bytes_t *bytes, ss_codec_t *codec);

/* --- formats -------------------------------------------------------------------------------------------------------- */

/* What the engine needs of a format, reserved codes included (BITS 5 … 7 count as 32 bits, MULT as its code + 1). */
typedef struct ss_hda_rate {
    uint32_t block, mult, div;
    bool base44;
} ss_hda_rate_t;

void ss_hda_rate_of(uint16_t format, ss_hda_rate_t *rate);
uint64_t ss_hda_rate_bytes(const ss_hda_rate_t *rate, uint64_t frames); /* after `frames` frames of the cadence */
/* Smallest number of frames after which at least `bytes` were sent. */
uint64_t ss_hda_rate_frames(const ss_hda_rate_t *rate, uint64_t bytes);
uint32_t ss_hda_rate_packet(const ss_hda_rate_t *rate); /* bytes of the busiest frame */
uint32_t ss_hda_link_bits(uint16_t format);             /* bits of the busiest frame on the link */

/* --- codecs --------------------------------------------------------------------------------------------------------- */

typedef struct ss_hda_widget {
    uint8_t nid, connection_count, power, selected, stream_channel, pin_control, unsolicited, eapd, sdi, beep, volume, stripe,
        processing, channel_count;
    uint8_t gpio[6], gpi[5]; /* data, mask, direction, wake, unsolicited, sticky; GPI data, wake, unsolicited, sticky, GPO data */
    uint16_t format, coefficient_index;
    uint32_t configuration, subsystem, digital, sense;
    uint32_t first_parameter, parameter_count, first_connection, first_amp; /* into the codec's arrays */
    uint32_t first_coefficient; /* 256 values, or UINT32_MAX */
    uint32_t caps; /* parameter 09h; F00000h where there is none */
    uint64_t origin; /* frame index at which an input converter got its tag and format */
} ss_hda_widget_t;

/* One tag of one direction at one codec. */
typedef struct ss_hda_lane {
    ss_hda_bytes_t bytes;  /* output: what was heard (limit: keep); input: what will be sent */
    ss_hda_bytes_t outbox; /* output: heard and not yet given to the sink */
    uint64_t routine, context;
} ss_hda_lane_t;

typedef struct ss_hda_response {
    uint64_t frame; /* boundary at which it can be on the link */
    uint32_t value;
    bool immediate;
} ss_hda_response_t;

#define SS_HDA_PENDING 32u      /* responses a slow codec can owe */
#define SS_HDA_UNSOLICITED 64u

typedef struct ss_hda_codec {
    uint32_t address, response_frames;
    bool silent, any_format;
    uint64_t host_verb, keep_bytes;
    ss_hda_widget_t *widgets;
    uint32_t widget_count;
    uint16_t by_nid[256]; /* index + 1, 0: none */
    storsim_codec_parameter_t *parameters;
    uint32_t parameter_count;
    uint8_t *connections;
    uint32_t connection_count;
    uint8_t *amps; /* per widget: out left, out right, then per input left, right */
    uint32_t amp_count;
    uint16_t *coefficients;
    uint32_t coefficient_count;
    storsim_codec_verb_t *initial;
    uint32_t initial_count;
    storsim_codec_verb_t *answers;
    uint32_t *answer_values;
    uint32_t answer_count;
    uint16_t tags[2];    /* bit t: an output (input) converter carries tag t */
    uint64_t signal_due; /* time at which STATESTS is set; SS_NEVER */
    ss_hda_response_t pending[SS_HDA_PENDING];
    uint32_t pending_count;
    uint32_t unsolicited[SS_HDA_UNSOLICITED];
    uint32_t unsolicited_count;
    uint8_t group;       /* the first function group's node */
    uint32_t fifo[2]; /* the controller's response FIFO of this SDI line */
    uint8_t fifo_flags[2];
    uint32_t fifo_count;
    ss_hda_lane_t *lanes[2][16]; /* [0] heard, [1] fed; by tag, NULL until used */
} ss_hda_codec_t;

/* --- streams -------------------------------------------------------------------------------------------------------- */

typedef enum ss_hda_handshake { SS_HDA_STEADY = 0, SS_HDA_ENTERING, SS_HDA_LEAVING } ss_hda_handshake_t;

typedef struct ss_hda_stream {
    bool in_reset;           /* SRST reads 1 */
    bool run_bit;            /* RUN reads 1 */
    bool running;            /* the engine works: RUN written 1 and not yet 0 */
    bool fresh;              /* no RUN since the last stream reset */
    bool linked;             /* a link segment is under way */
    bool starved;            /* underrun or overrun until the stall ends */
    bool input;
    bool loaded, ioc;        /* current BDL entry */
    uint32_t handshake;      /* ss_hda_handshake_t */
    uint64_t reset_due, stop_due, due; /* deadlines, ticks */
    uint64_t pulse;          /* frame of the next visit for sink or source */
    /* latched at RUN */
    uint64_t bdl;
    uint32_t cbl, fifo;
    uint8_t lvi, tag;
    uint16_t format;
    ss_hda_rate_t rate;      /* inputs: of the converter */
    uint32_t source;         /* inputs: codec address + 1 of the sender, 0: none */
    /* link segment: link = segment_link + bytes of the cadence from segment_phase on */
    uint64_t segment_frame, segment_phase, segment_link;
    uint64_t segment_before; /* bytes of the cadence before segment_phase; follows from it */
    uint64_t link, dma, sent;
    uint64_t flowed;         /* frame index up to which flow has been done */
    bool calm;               /* nothing to do at frame `flowed`; whoever loads an entry or changes the link stirs it (ss_hda_stir) */
    uint64_t posted;         /* dma when the position buffer was last brought up to date */
    uint64_t lost_from;      /* inputs: frame up to which lost data was taken from what was fed */
    uint64_t origin;         /* inputs: frame at which the converter's cadence began */
    uint64_t asked;          /* inputs: frame up to which a source was asked */
    /* BDL */
    uint64_t address;
    uint32_t index, length, usable, offset;
    uint64_t lap_bytes;
    uint8_t (*cache)[16];    /* bdl_prefetch: 256 entries; NULL without */
    ss_bus_window_t list, data; /* memory that is read again and again: descriptors, their buffers */
    uint8_t ring[STORSIM_HDA_MAX_FIFO];
    uint32_t noted;          /* notes already given in this run */
} ss_hda_stream_t;

/* --- controllers ---------------------------------------------------------------------------------------------------- */

typedef struct ss_hda {
    uint32_t number;
    storsim_hda_config_t config;
    bool gone, stalled, level;
    bool link_up;            /* CRST reads 1 */
    bool link_wanted;        /* CRST as last written */
    ss_device_t device;
    uint32_t line, event;    /* event: 0 none */
    uint64_t event_time;
    uint64_t epoch;          /* tick at which the link came up */
    uint32_t wall_offset;
    uint64_t crst_due, flush_due, ring_due;
    uint8_t image[SS_HDA_IMAGE]; /* stored register bits; live bits are worked out when read */
    /* rings */
    uint64_t corb, rirb;     /* latched */
    uint32_t rirb_count;     /* responses since the last RINTFL */
    uint32_t frame_responses; /* written in the frame under way */
    uint64_t ring_frame;     /* frame whose responses were taken from the link */
    uint32_t routines;       /* lanes with a sink or source */
    bool immediate_sent;     /* ICB: the verb is on the link */
    uint32_t stream_count, noted;
    uint32_t shadows;        /* bit per stream whose tag a running one before it has; flow.c keeps it */
    uint32_t captures;       /* bit per running input; flow.c keeps it */
    bool shadows_known;      /* both; cleared by whoever changes `running`, `tag` or `input` of a stream */
    uint64_t still;          /* 1 + a frame at which no stream has anything to do; 0: none is known */
    uint32_t codec_end;      /* the highest codec address so far, + 1 */
    ss_hda_stream_t *streams;
    ss_hda_codec_t *codecs[STORSIM_HDA_MAX_CODECS];
    bool lines_fixed;        /* sdi_lines was given, not derived */
    storsim_status_t raised; /* a guard's verdict on a transfer that went on all the same */
} ss_hda_t;

typedef struct ss_hda_room {
    ss_host_t *host;
    ss_hda_t **list; /* index number - 1; NULL: removed */
    uint32_t count, capacity;
} ss_hda_room_t;

/* --- controller.c --------------------------------------------------------------------------------------------------- */

extern const ss_room_ops_t ss_hda_ops;
ss_hda_t *ss_hda_at(const storsim_machine_t *machine, uint32_t controller); /* NULL: none */
void ss_hda_free(ss_host_t *host, ss_hda_t *hda);
bool ss_hda_config_valid(const storsim_hda_config_t *config);
void ss_hda_note(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_note_t note, uint64_t expected, uint64_t got, uint64_t address);
/* Once per run of a stream. */
void ss_hda_stream_note(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream, ss_hda_note_t note, uint64_t expected,
                        uint64_t got, uint64_t address);
/* Does what is due now, drives the line, schedules the next deadline. Last step of everything that changes a controller. */
storsim_status_t ss_hda_sync(storsim_machine_t *machine, ss_hda_t *hda);
/* The same after a change that is done already: what lacks host memory now is tried again with the next event. */
storsim_status_t ss_hda_sync_later(storsim_machine_t *machine, ss_hda_t *hda);
/* Inside the controller's own event: its place in the queue is taken again, so that the host, which is about to be called, cannot fill it. */
void ss_hda_keep_place(storsim_machine_t *machine, ss_hda_t *hda);
/* Drives the line alone. */
storsim_status_t ss_hda_drive(storsim_machine_t *machine, ss_hda_t *hda);
storsim_status_t ss_hda_settle(storsim_machine_t *machine, ss_hda_t *hda);
/* Index of the frame under way; 0 while the link is down. */
uint64_t ss_hda_frame(const storsim_machine_t *machine, const ss_hda_t *hda);
uint64_t ss_hda_boundary(const ss_hda_t *hda, uint64_t frame); /* tick of boundary `frame`, saturating */
uint64_t ss_hda_due(const storsim_machine_t *machine, const ss_hda_t *hda, uint32_t latency);
void ss_hda_power_on(ss_hda_t *hda);   /* register image, resume well included */
void ss_hda_link_reset(storsim_machine_t *machine, ss_hda_t *hda);
bool ss_hda_line_level(const ss_hda_t *hda);

/* --- registers.c, effects.c ------------------------------------------------------------------------------------------- */

enum {
    SS_GCAP = 0x00, SS_VMIN = 0x02, SS_VMAJ = 0x03, SS_OUTPAY = 0x04, SS_INPAY = 0x06, SS_GCTL = 0x08, SS_WAKEEN = 0x0C,
    SS_STATESTS = 0x0E, SS_GSTS = 0x10, SS_OUTSTRMPAY = 0x18, SS_INSTRMPAY = 0x1A, SS_INTCTL = 0x20, SS_INTSTS = 0x24, SS_WALCLK = 0x30,
    SS_SSYNC_OLD = 0x34, SS_SSYNC = 0x38, SS_CORBLBASE = 0x40, SS_CORBUBASE = 0x44, SS_CORBWP = 0x48, SS_CORBRP = 0x4A,
    SS_CORBCTL = 0x4C, SS_CORBSTS = 0x4D, SS_CORBSIZE = 0x4E, SS_RIRBLBASE = 0x50, SS_RIRBUBASE = 0x54, SS_RIRBWP = 0x58,
    SS_RINTCNT = 0x5A, SS_RIRBCTL = 0x5C, SS_RIRBSTS = 0x5D, SS_RIRBSIZE = 0x5E, SS_ICOI = 0x60, SS_ICII = 0x64, SS_ICIS = 0x68,
    SS_DPLBASE = 0x70, SS_DPUBASE = 0x74, SS_SD = 0x80,
    /* relative to a descriptor's base */
    SS_SDCTL = 0x00, SS_SDSTS = 0x03, SS_SDLPIB = 0x04, SS_SDCBL = 0x08, SS_SDLVI = 0x0C, SS_SDFIFOW = 0x0E, SS_SDFIFOS = 0x10,
    SS_SDFMT = 0x12, SS_SDBDPL = 0x18, SS_SDBDPU = 0x1C
};
enum { SS_SRST = 1, SS_RUN = 2, SS_IOCE = 4, SS_FEIE = 8, SS_DEIE = 16 };          /* SDnCTL */
enum { SS_BCIS = 4, SS_FIFOE = 8, SS_DESE = 16, SS_FIFORDY = 32 };                  /* SDnSTS */

static inline uint32_t ss_sd(uint32_t stream, uint32_t offset) { return SS_SD + 0x20u * stream + offset; }
/* Stored bits of 1 to 4 bytes. */
static inline uint32_t ss_hda_peek(const ss_hda_t *hda, uint32_t offset, uint32_t size) {
    const uint8_t *at = hda->image + offset;
    uint32_t value = at[0];
    value |= size > 1 ? (uint32_t)at[1] << 8 : 0;
    value |= size > 2 ? (uint32_t)at[2] << 16 : 0;
    return value | (size > 3 ? (uint32_t)at[3] << 24 : 0);
}
static inline void ss_hda_poke(ss_hda_t *hda, uint32_t offset, uint32_t size, uint32_t value) {
    for (uint32_t i = 0; i < size; i++) {
        hda->image[offset + i] = (uint8_t)(value >> (8 * i));
    }
}

/* One register as it is in this part. */
typedef struct ss_hda_row {
    const char *name;
    uint32_t offset, size, write, clear, reset;
    uint32_t stream; /* descriptor, or UINT32_MAX */
    uint32_t relative; /* offset in the descriptor, or offset */
} ss_hda_row_t;
bool ss_hda_row_at(const ss_hda_t *hda, uint32_t offset, ss_hda_row_t *row); /* the register that owns this byte; aliases resolved */
/* Side effects of a store that changed `row` from old to new; `value` and `lanes` as written. */
storsim_status_t ss_hda_effect(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old, uint32_t new_value,
                               uint32_t value, uint32_t lanes);

/* --- stream.c, flow.c ------------------------------------------------------------------------------------------------- */

uint64_t ss_hda_link_at(const ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t frame);
/* Moves bytes up to the given frame, never beyond the current entry. */
storsim_status_t ss_hda_flow(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame);
/* All running streams, frame by frame where one reads what another writes. */
storsim_status_t ss_hda_flow_all(storsim_machine_t *machine, ss_hda_t *hda);
/* The same in the middle of a frame's events: descriptors after `last` have their turn of this frame still before them. */
storsim_status_t ss_hda_flow_until(storsim_machine_t *machine, ss_hda_t *hda, uint32_t last);
static inline void ss_hda_stir(ss_hda_t *hda, ss_hda_stream_t *stream) {
    stream->calm = false;
    hda->still = 0;
}
static inline bool ss_hda_renders_only(const ss_hda_t *hda) { return hda->shadows_known && hda->captures == 0; } /* surely */
bool ss_hda_entangled(ss_hda_t *hda, uint32_t index);                        /* shares memory a capture writes */
bool ss_hda_captured(ss_hda_t *hda, uint64_t address, uint32_t bytes);       /* a capture is about to write there */
/* One step of what is due now: ends after an IOC so that the line can be served. *again: more is due. */
storsim_status_t ss_hda_step(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *again);
void ss_hda_schedule(const storsim_machine_t *machine, ss_hda_t *hda, uint32_t index); /* sets stream->due */
void ss_hda_segment_end(const storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream); /* flow was done */
void ss_hda_segment_begin(const storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame);
storsim_status_t ss_hda_stream_run(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index);
void ss_hda_stream_stop(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index);
void ss_hda_stream_clear(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index); /* all of a stream reset's effects */
/* After the codecs' converters changed: senders of capture streams are looked up again. Flow was done. */
void ss_hda_senders_changed(const storsim_machine_t *machine, ss_hda_t *hda);
/* Of what was fed, the `count` bytes that follow the first `at` were sent into the void. */
void ss_hda_drop_fed(ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t at, uint64_t count);
bool ss_hda_fifo_ready(const ss_hda_t *hda, const ss_hda_stream_t *stream);
uint32_t ss_hda_fifo_bytes(const ss_hda_t *hda, uint32_t index); /* F as the registers say it */
void ss_hda_check_start(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index); /* notes about a stream that starts */
/* Sinks and sources: host callbacks, after everything else of an event. */
storsim_status_t ss_hda_exchange(storsim_machine_t *machine, ss_hda_t *hda);

/* --- bdl.c ------------------------------------------------------------------------------------------------------------ */

/* Reads entry stream->index. *bad: unusable, DESE. */
storsim_status_t ss_hda_entry_load(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *bad);
storsim_status_t ss_hda_bdl_prefetch(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *bad);

/* --- rings.c ---------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_hda_rings_step(storsim_machine_t *machine, ss_hda_t *hda); /* one frame of CORB, RIRB, immediate commands */
void ss_hda_rings_schedule(const storsim_machine_t *machine, ss_hda_t *hda);
uint32_t ss_hda_ring_entries(const ss_hda_t *hda, uint32_t size_register);

/* --- codec*.c --------------------------------------------------------------------------------------------------------- */

ss_hda_codec_t *ss_hda_codec_create(ss_host_t *host, const storsim_codec_config_t *config, uint32_t address, uint64_t keep_bytes);
bool ss_hda_codec_derive(ss_host_t *host, ss_hda_codec_t *codec);
void ss_hda_codec_free(ss_host_t *host, ss_hda_codec_t *codec);
void ss_hda_codec_reset(ss_hda_codec_t *codec); /* state after link or function reset */
void ss_hda_codec_link_reset(ss_hda_codec_t *codec); /* the same, and what was on the link is lost */
/* Executes the low 28 bits of a command. *changed: a converter's tag or format changed. */
uint32_t ss_hda_codec_execute(ss_hda_codec_t *codec, uint32_t command, uint64_t frame, bool *changed);
uint32_t ss_hda_codec_parameter(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint8_t id, bool *found);
ss_hda_widget_t *ss_hda_codec_widget(const ss_hda_codec_t *codec, uint8_t nid);
/* Lowest-numbered converter of a direction that carries the tag; NULL: none. */
const ss_hda_widget_t *ss_hda_codec_converter(const ss_hda_codec_t *codec, bool input, uint8_t tag);
ss_hda_lane_t *ss_hda_lane(ss_host_t *host, ss_hda_codec_t *codec, bool input, uint8_t tag); /* made when missing; NULL: NO_MEMORY */

/* --- walk.c ------------------------------------------------------------------------------------------------------------- */

void ss_hda_room_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec);
size_t ss_hda_room_check(storsim_machine_t *machine, void *state, char *text, size_t capacity);

#endif
