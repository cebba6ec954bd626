/* machine/head.h: the front of every machine: what each room reads in each call, in reach without a call. Only machine/ writes to
 * `tap`, `inside` and `states`; the kernel room keeps `where` up to date. */
#ifndef SS_HEAD_H
#define SS_HEAD_H

#include "storsim/machine.h"

#include <stddef.h>

typedef enum ss_room { SS_ROOM_NT, SS_ROOM_NVME, SS_ROOM_HDA, SS_ROOM_STORPORT, SS_ROOM_HDAUDIO, SS_ROOM_JOURNAL, SS_ROOM_HOST, SS_ROOM_COUNT } ss_room_t;

/* Where the machine is just now; findings and trace copy it. args beyond arg_count are left over from other calls. */
typedef struct ss_where {
    uint16_t routine;
    uint8_t irql, context;
    uint32_t cpu, owner, site;
    uint8_t arg_count;
    uint64_t args[STORSIM_FINDING_ARGS];
} ss_where_t;

struct ss_tap;

/* First member of every machine. */
typedef struct ss_machine_head {
    struct ss_tap *tap; /* NULL: nobody listens (tap.h) */
    uint32_t inside;    /* entries under way */
    uint64_t moment;    /* how often ss_bus_forget was called (bus.h) */
    void *states[SS_ROOM_COUNT]; /* of the rooms, NULL where one is not attached */
    ss_where_t where;
} ss_machine_head_t;

static inline const ss_machine_head_t *ss_machine_head(const storsim_machine_t *machine) {
    return (const ss_machine_head_t *)(const void *)machine;
}

static inline void *ss_room_state(const storsim_machine_t *machine, ss_room_t room) {
    return room < SS_ROOM_COUNT ? ss_machine_head(machine)->states[room] : NULL; /* rooms are constants: nothing is tested */
}

static inline ss_where_t *ss_machine_where(storsim_machine_t *machine) {
    return &((ss_machine_head_t *)(void *)machine)->where;
}

#endif
