/* nvme/nvme_i.h: the controller model's own state, shared by the files of this room only.
 *
 * The controller keeps what a real one could: its copy of the descriptor list, and for each page of the buffer it wrote a checksum of
 * what it left there. That is enough to notice a host that writes where it must not, and a returned buffer that is not the same. */
#ifndef SS_NVME_I_H
#define SS_NVME_I_H

#include "machine/core.h"
#include "storsim/nvme.h"

enum {
    NVME_FEATURE_HMB = 0x0D,
    NVME_ENTRY_BYTES = 16,
    NVME_UNIT_SHIFT = 12, /* Identify fields are in 4 KiB units whatever CC.MPS says */
    NVME_EHM = 1, NVME_MR = 2
};

typedef struct nvme_entry {
    uint64_t address, bytes; /* BADD; BSIZE in bytes */
    uint32_t units;          /* BSIZE as written */
} nvme_entry_t;

typedef struct nvme_written {
    uint64_t page, checksum; /* page: index of a 4 KiB page of the buffer */
} nvme_written_t;

typedef struct nvme_controller {
    uint32_t device;
    storsim_nvme_identify_t identify;
    bool enabled, known;     /* known: an assignment was made before, so MR = 1 can be judged */
    uint32_t hsize, entries; /* of the current or last assignment */
    uint64_t list, list_checksum, total;
    nvme_entry_t *table;     /* owned; `entries` long */
    nvme_written_t *written; /* owned; ascending pages */
    uint32_t written_count, written_capacity;
} nvme_controller_t;

typedef struct nvme_room {
    const storsim_nvme_hooks_t *hooks;
    nvme_controller_t **list; /* each owned */
    uint32_t count, capacity;
} nvme_room_t;

/* nvme.c */
nvme_controller_t *nvme_find(const storsim_machine_t *machine, uint32_t device);
storsim_status_t nvme_report(storsim_machine_t *machine, uint32_t device, storsim_nvme_fault_t fault, uint64_t expected, uint64_t got,
                             uint64_t address);
uint64_t nvme_checksum(const uint8_t *bytes, size_t count, uint64_t seed);
/* walk.c */
void nvme_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec);
size_t nvme_check(storsim_machine_t *machine, void *state, char *text, size_t capacity);
/* use.c */
storsim_status_t nvme_verify_list(storsim_machine_t *machine, nvme_controller_t *controller, bool *same);
/* Compares every page the controller wrote: the device address of the first that differs, or 0. */
uint64_t nvme_verify_buffer(storsim_machine_t *machine, const nvme_controller_t *controller);

#endif
