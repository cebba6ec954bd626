/* storsim/nvme.h: the device side of the NVMe Host Memory Buffer (spec/storport-memory §4.6).
 *
 * A controller model hangs on a bus device. It knows Identify fields, Set / Get Features FID 0Dh and reset, and reports what a driver
 * does wrong. It knows nothing of Windows: what memory belongs to whom is asked through a hook the Storport room installs. */
#ifndef STORSIM_NVME_H
#define STORSIM_NVME_H

#include "storsim/machine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct storsim_nvme_identify {
    uint32_t hmpre, hmmin;   /* 4 KiB units; hmpre 0: no HMB support */
    uint32_t hmminds;        /* 4 KiB units, 0: no hint */
    uint16_t hmmaxd;         /* entries, 0: no limit */
    uint32_t memory_page_shift; /* CC.MPS page = 1 << this, 12 … 27; 0: 12 */
} storsim_nvme_identify_t;

/* Completion status of an admin command: SCT << 8 | SC. Source: NVMe base specification, generic and command specific codes. */
enum {
    STORSIM_NVME_SUCCESS = 0x000, STORSIM_NVME_INVALID_FIELD = 0x002, STORSIM_NVME_COMMAND_SEQUENCE_ERROR = 0x00C,
    STORSIM_NVME_DATA_TRANSFER_ERROR = 0x004
};

typedef struct storsim_nvme_features {
    uint32_t hsize;       /* CC.MPS pages */
    uint64_t list;        /* descriptor list address */
    uint32_t entries;     /* HMDLEC */
    bool enabled;
} storsim_nvme_features_t;

/* What a driver, not the controller, does wrong with a host memory buffer. X(name) */
#define STORSIM_NVME_FAULT_MAP(X)                                                                                         \
    X(OUTSIDE)          /* a descriptor names memory that is not the device's HMB. address, got: bytes */                   \
    X(SIZE_SUM)         /* the descriptors do not add up to HSIZE. expected, got: bytes */                                  \
    X(TOO_SMALL)        /* HSIZE below HMMIN. expected, got: bytes */                                                       \
    X(ENTRIES)          /* HMDLEC 0 or above HMMAXD. expected, got */                                                       \
    X(ENTRY_SIZE)       /* an entry below HMMINDS. expected, got: bytes; address */                                         \
    X(MISALIGNED)       /* list not 16-byte aligned, or BADD not on a CC.MPS page. expected: alignment; address */          \
    X(LIST_UNREADABLE)  /* the device cannot read the list. address */                                                      \
    X(WRITTEN)          /* list or buffer changed while enabled. address */                                                 \
    X(RETURN_CHANGED)   /* MR = 1 with another size, address, list or contents. expected, got, address */                   \
    X(NOT_ENABLED)      /* the device was asked to use a buffer it does not have */
typedef enum storsim_nvme_fault {
    STORSIM_NVME_NO_FAULT = 0,
#define STORSIM_NVME_FAULT_ENUM(name) STORSIM_NVME_FAULT_##name,
    STORSIM_NVME_FAULT_MAP(STORSIM_NVME_FAULT_ENUM)
#undef STORSIM_NVME_FAULT_ENUM
    STORSIM_NVME_FAULT_COUNT
} storsim_nvme_fault_t;

typedef struct storsim_nvme_report {
    storsim_nvme_fault_t fault;
    uint64_t expected, got, address;
} storsim_nvme_report_t;

/* What the room that owns the driver's side tells the controller model, and hears from it. Both may be NULL: then nothing is known
 * about ownership, and faults show only in completion statuses. Installed once per machine.
 *   owns    true when [address, address + bytes) is part of the HMB of this device
 *   report  called after the command was decided; OK, or what the call shall answer (VIOLATION, BUGCHECK) */
typedef struct storsim_nvme_hooks {
    bool (*owns)(storsim_machine_t *machine, uint32_t device, uint64_t address, uint64_t bytes);
    storsim_status_t (*report)(storsim_machine_t *machine, uint32_t device, const storsim_nvme_report_t *report);
} storsim_nvme_hooks_t;
storsim_status_t storsim_nvme_set_hooks(storsim_machine_t *machine, const storsim_nvme_hooks_t *hooks); /* static storage. NO_MEMORY */

/* One controller per bus device number (ss_device_t). INVALID: device 0, a controller is there, hmmin above hmpre, page shift outside
 * 12 … 27. NO_MEMORY. */
storsim_status_t storsim_nvme_attach(storsim_machine_t *machine, uint32_t device, const storsim_nvme_identify_t *identify);
/* Set Features: cdw[0] = CDW11 … cdw[4] = CDW15. *status receives the completion status. Features other than 0Dh: INVALID_FIELD. */
storsim_status_t storsim_nvme_set_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, const uint32_t cdw[5], uint32_t *status);
storsim_status_t storsim_nvme_get_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, storsim_nvme_features_t *features, uint32_t *status);
/* Controller reset: the assignment does not survive. */
storsim_status_t storsim_nvme_reset(storsim_machine_t *machine, uint32_t device);
/* The controller goes with its device; unknown devices are ignored. */
void storsim_nvme_detach(storsim_machine_t *machine, uint32_t device);
bool storsim_nvme_attached(const storsim_machine_t *machine, uint32_t device);
bool storsim_nvme_enabled(const storsim_machine_t *machine, uint32_t device);
/* The controller uses its buffer: reads and writes bytes at an offset into the concatenated descriptors. Legal only while
 * enabled: else NOT_ENABLED is reported and STALE returned. INVALID beyond HSIZE; NOT_RAM when the bus does not answer. */
storsim_status_t storsim_nvme_hmb_read(storsim_machine_t *machine, uint32_t device, uint64_t offset, void *buffer, size_t bytes);
storsim_status_t storsim_nvme_hmb_write(storsim_machine_t *machine, uint32_t device, uint64_t offset, const void *buffer, size_t bytes);

/* Where byte `offset` of the enabled buffer lies: the device address, and how many bytes follow in the same descriptor. false: not
 * enabled, or beyond HSIZE. */
bool storsim_nvme_hmb_at(const storsim_machine_t *machine, uint32_t device, uint64_t offset, uint64_t *address, uint64_t *bytes);
/* The other way: offset of a device address in the enabled buffer. false: not enabled, or [address, address + bytes) is not inside one
 * descriptor. */
bool storsim_nvme_hmb_offset(const storsim_machine_t *machine, uint32_t device, uint64_t address, uint64_t bytes, uint64_t *offset);
/* Compares list and buffer with what the controller knows of them, as it would notice at its next use: WRITTEN is reported. */
storsim_status_t storsim_nvme_verify(storsim_machine_t *machine, uint32_t device);

#ifdef __cplusplus
}
#endif
#endif
