/* machine/checkpoint.c: a moment of a machine, kept as an image of its memory (machine/image.h).
 *
 *   image          every block of the machine's host: the rooms' states and what hangs on them
 *   hardware       the part of the state that lies in the machine itself
 *   rooms          which rooms there were, and where their states lay
 *
 * Left out, as by a snapshot: the trace, call sites, the pause of the fault plan. What a room keeps (tokens of ended views, overrides) it says
 * itself, see ss_room_ops_t. */
#include "machine/machine_i.h"
#include "machine/operations.h"

struct storsim_checkpoint {
    uint64_t name; /* in a journal */
    ss_image_t image;
    ss_hardware_t hardware;
    struct {
        const ss_room_ops_t *ops;
        void *state;
    } rooms[SS_ROOM_COUNT];
};

static storsim_status_t take(storsim_machine_t *machine, storsim_checkpoint_t *made) {
    made->hardware = machine->hardware;
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        made->rooms[room].ops = machine->rooms[room].ops;
        made->rooms[room].state = machine->head.states[room];
    }
    storsim_status_t status = ss_image_take(&machine->host, &made->image);
    return status == STORSIM_OK ? ss_ram_image(machine->hardware.ram, &made->image) : status;
}

static void lay(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint) {
    ss_image_lay(&machine->host, &checkpoint->image);
    ss_bus_forget(machine);
    machine->hardware = checkpoint->hardware;
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        machine->rooms[room].ops = checkpoint->rooms[room].ops;
        machine->head.states[room] = checkpoint->rooms[room].state;
    }
}

/* A journal tells checkpoints apart by their number: their contents are nobody's business before somebody asks for bytes. */
static storsim_status_t recorded_take(storsim_machine_t *machine, storsim_checkpoint_t **checkpoint) {
    const storsim_operation_t *operation = &ss_machine_operations[SS_SNAPSHOT];
    ss_tap_t *tap = machine->head.tap;
    storsim_arg_t args[] = {ss_arg_out(0)};
    storsim_status_t status = tap->ops->begin(tap, operation, args);
    if (status != STORSIM_OK) {
        return status;
    }
    machine->head.inside++;
    status = storsim_checkpoint_take(machine, checkpoint);
    machine->head.inside--;
    (void)ss_arg_give(&args[0], status == STORSIM_OK ? (*checkpoint)->name : 0, status);
    tap->ops->end(tap, operation, args, status, 0);
    return status;
}

static storsim_status_t recorded_restore(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint) {
    const storsim_operation_t *operation = &ss_machine_operations[SS_RESTORE];
    ss_tap_t *tap = machine->head.tap;
    storsim_arg_t args[] = {ss_arg_in(checkpoint->name), {.present = true}};
    storsim_status_t status = tap->ops->begin(tap, operation, args);
    if (status != STORSIM_OK) {
        return status;
    }
    machine->head.inside++;
    status = storsim_checkpoint_restore(machine, checkpoint);
    machine->head.inside--;
    tap->ops->end(tap, operation, args, status, 0);
    return status;
}

storsim_status_t storsim_checkpoint_take(storsim_machine_t *machine, storsim_checkpoint_t **checkpoint) {
    if (ss_tapped(machine)) {
        return recorded_take(machine, checkpoint);
    }
    if (machine->callback_depth != 0) {
        return STORSIM_REENTRY;
    }
    storsim_checkpoint_t *made = ss_alloc_zeroed(&machine->plain, 1, sizeof *made);
    storsim_status_t status = made != NULL ? take(machine, made) : STORSIM_NO_MEMORY;
    if (status != STORSIM_OK) {
        storsim_checkpoint_free(machine, made);
        return status;
    }
    made->name = SS_CHECKPOINT_NAME | ++machine->checkpoints;
    *checkpoint = made;
    return STORSIM_OK;
}

storsim_status_t storsim_checkpoint_restore(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint) {
    uint64_t kept[SS_ROOM_COUNT][SS_KEPT] = {{0}};
    if (ss_tapped(machine)) {
        return recorded_restore(machine, checkpoint);
    }
    if (machine->callback_depth != 0) {
        return STORSIM_REENTRY;
    }
    if (ss_ram_exports(machine->hardware.ram) != 0) {
        return STORSIM_BUSY;
    }
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != checkpoint->rooms[room].ops) {
            return STORSIM_FORMAT;
        }
        if (ops != NULL && ops->keep != NULL) {
            ops->keep(machine->head.states[room], kept[room]);
        }
    }
    uint32_t paused = machine->hardware.faults.paused;
    lay(machine, checkpoint);
    machine->hardware.faults.paused = paused;
    ss_ram_laid(machine->hardware.ram, true);
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != NULL && ops->resume != NULL) {
            ops->resume(machine, machine->head.states[room], kept[room]);
        }
    }
    machine->head.where = (ss_where_t){.site = machine->head.where.site};
    return STORSIM_OK;
}

storsim_status_t storsim_checkpoint_bytes(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint, uint8_t **bytes, size_t *length) {
    storsim_checkpoint_t now = {.image = {.count = 0}};
    storsim_status_t status = take(machine, &now);
    if (status == STORSIM_OK) {
        lay(machine, checkpoint);
        status = ss_snapshot_save(machine, bytes, length);
        lay(machine, &now);
        ss_ram_laid(machine->hardware.ram, false);
    }
    ss_image_drop(&machine->host, &now.image);
    return status;
}

void storsim_checkpoint_free(storsim_machine_t *machine, storsim_checkpoint_t *checkpoint) {
    if (checkpoint != NULL) {
        ss_image_drop(&machine->host, &checkpoint->image);
        ss_release(&machine->plain, checkpoint);
    }
}
