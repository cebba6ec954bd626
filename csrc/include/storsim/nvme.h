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

/* One controller per bus device number (ss_device_t). */
storsim_status_t storsim_nvme_attach(storsim_machine_t *machine, uint32_t device, const storsim_nvme_identify_t *identify);
/* Set Features: cdw[0] = CDW11 … cdw[4] = CDW15. *status receives the completion status. Features other than 0Dh: INVALID_FIELD. */
storsim_status_t storsim_nvme_set_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, const uint32_t cdw[5], uint32_t *status);
storsim_status_t storsim_nvme_get_features(storsim_machine_t *machine, uint32_t device, uint8_t fid, storsim_nvme_features_t *features, uint32_t *status);
/* Controller reset: the assignment does not survive. */
storsim_status_t storsim_nvme_reset(storsim_machine_t *machine, uint32_t device);
bool storsim_nvme_enabled(const storsim_machine_t *machine, uint32_t device);
/* The controller uses its buffer: reads and writes bytes at an offset into the concatenated descriptors. Legal only while enabled. */
storsim_status_t storsim_nvme_hmb_read(storsim_machine_t *machine, uint32_t device, uint64_t offset, void *buffer, size_t bytes);
storsim_status_t storsim_nvme_hmb_write(storsim_machine_t *machine, uint32_t device, uint64_t offset, const void *buffer, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
