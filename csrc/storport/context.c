/* storport/context.c: the callbacks of a miniport and the level each runs at (spec §2.8).
 *
 * Frames of all CPUs lie in one array, oldest first; a CPU's current callback is its last frame. So two host threads on two CPUs may
 * enter and leave in any order. */
#include "storport/room.h"
#include "storport/operations.h"

#include <string.h>

static const char *const names[STORSIM_CONTEXT_COUNT] = {
    [STORSIM_CONTEXT_NONE] = "",
#define CONTEXT_NAME(name, text) [STORSIM_CONTEXT_##name] = (text),
    STORSIM_CONTEXT_MAP(CONTEXT_NAME)
#undef CONTEXT_NAME
};

enum { PASSIVE = 0, APC = 1, DISPATCH = 2, HIGH = 15, AT_MOST_APC = 101, AT_MOST_DISPATCH = 102, DEVICE = 103 };

/* SCSI_ADAPTER_CONTROL_TYPE values whose level differs from PASSIVE. Source: nc-storport-hw_adapter_control.md. */
static const struct { const char *name; uint8_t level; } controls[] = {
    {"ScsiQuerySupportedControlTypes", PASSIVE}, {"ScsiStopAdapter", DEVICE}, {"ScsiRestartAdapter", DEVICE},
    {"ScsiSetBootConfig", PASSIVE}, {"ScsiSetRunningConfig", PASSIVE}, {"ScsiPowerSettingNotification", PASSIVE},
    {"ScsiAdapterPower", AT_MOST_DISPATCH}, {"ScsiAdapterPoFxPowerRequired", AT_MOST_DISPATCH},
    {"ScsiAdapterPoFxPowerActive", AT_MOST_DISPATCH}, {"ScsiAdapterPoFxPowerSetFState", AT_MOST_DISPATCH},
    {"ScsiAdapterPoFxPowerControl", AT_MOST_DISPATCH}, {"ScsiAdapterPoFxSetPerfState", AT_MOST_DISPATCH},
    {"ScsiAdapterPrepareForBusReScan", PASSIVE}, {"ScsiAdapterSystemPowerHints", PASSIVE},
    {"ScsiAdapterFilterResourceRequirements", AT_MOST_APC}, {"ScsiAdapterPoFxMaxOperationalPower", PASSIVE},
    {"ScsiAdapterSerialNumber", AT_MOST_APC}, {"ScsiAdapterSurpriseRemoval", AT_MOST_APC},
};

const char *storsim_context_name(storsim_context_t context) {
    return context > STORSIM_CONTEXT_NONE && context < STORSIM_CONTEXT_COUNT ? names[context] : "";
}

storsim_context_t storsim_context_find(const char *name) {
    for (int i = 1; name != NULL && i < STORSIM_CONTEXT_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            return (storsim_context_t)i;
        }
    }
    return STORSIM_CONTEXT_NONE;
}

/* Level class of a callback; false for a control code nobody documents. */
static bool level_of(const ss_adapter_t *adapter, storsim_context_t context, const char *control, uint8_t *level) {
    const storsim_adapter_config_t *config = &adapter->config;
    *level = PASSIVE;
    if (context == STORSIM_CONTEXT_ADAPTER_CONTROL && control != NULL) {
        for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
            if (strcmp(controls[i].name, control) == 0) {
                *level = controls[i].level;
                return true;
            }
        }
        return false;
    }
    /* "restart": FindAdapter as re-initialisation of a miniport that lacks ScsiRestartAdapter. */
    bool restart = control != NULL && context == STORSIM_CONTEXT_FIND_ADAPTER && strcmp(control, "restart") == 0;
    if (control != NULL && !restart) {
        return false;
    }
    switch (context) {
    case STORSIM_CONTEXT_FIND_ADAPTER: *level = config->dump_mode != 0 ? HIGH : restart ? DISPATCH : PASSIVE; break;
    case STORSIM_CONTEXT_START_IO:
        *level = config->virtual_miniport ? AT_MOST_DISPATCH : config->full_duplex ? DISPATCH : DEVICE;
        break;
    case STORSIM_CONTEXT_INITIALIZE:
    case STORSIM_CONTEXT_INTERRUPT:
    case STORSIM_CONTEXT_MSI: *level = DEVICE; break;
    case STORSIM_CONTEXT_BUILD_IO:
    case STORSIM_CONTEXT_DPC:
    case STORSIM_CONTEXT_TIMER: *level = DISPATCH; break;
    case STORSIM_CONTEXT_RESET_BUS: *level = DISPATCH; break; /* model choice: StartIo's lock is held around it */
    default: break; /* the others run at PASSIVE, by documentation or, where their page is silent, as a model choice */
    }
    return true;
}

const ss_frame_t *ss_frame_top(const ss_port_t *port, uint32_t cpu) {
    for (uint32_t i = port->frame_count; i > 0; i--) {
        if (port->frames[i - 1].cpu == cpu) {
            return &port->frames[i - 1];
        }
    }
    return NULL;
}

bool ss_in_context(const ss_sp_t *sp, storsim_context_t context) {
    const ss_frame_t *frame = ss_frame_top(sp->port, storsim_cpu(sp->machine));
    return frame != NULL && frame->context == context && frame->adapter == sp->adapter->number;
}

bool ss_in_any_callback(const ss_port_t *port, uint32_t adapter) {
    for (uint32_t i = 0; i < port->frame_count; i++) {
        if (port->frames[i].adapter == adapter) {
            return true;
        }
    }
    return false;
}

storsim_context_t storsim_callback_current(const storsim_machine_t *machine, uint32_t *adapter) {
    const ss_port_t *port = ss_port(machine);
    const ss_frame_t *frame = port != NULL ? ss_frame_top(port, storsim_cpu(machine)) : NULL;
    if (adapter != NULL) {
        *adapter = frame != NULL ? frame->adapter : 0;
    }
    return frame != NULL ? (storsim_context_t)frame->context : STORSIM_CONTEXT_NONE;
}

storsim_status_t storsim_callback_enter(storsim_machine_t *machine, uint32_t number, storsim_context_t context, const char *control) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(number), ss_arg_in((uint64_t)context),
                                ss_arg_data(control, control != NULL ? strlen(control) : 0)};
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_CALLBACK_ENTER], args, NULL);
    }
    ss_port_t *port = ss_port(machine);
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    const ss_adapter_t *adapter = ss_adapter_live(machine, number);
    if (adapter == NULL) {
        return STORSIM_STALE;
    }
    uint8_t level;
    if (context <= STORSIM_CONTEXT_NONE || context >= STORSIM_CONTEXT_COUNT || !level_of(adapter, context, control, &level)) {
        return STORSIM_INVALID;
    }
    void *frames = port->frames;
    if (!ss_grow(ss_machine_host(machine), &frames, &port->frame_capacity, port->frame_count + 1, sizeof *port->frames)) {
        return STORSIM_NO_MEMORY;
    }
    port->frames = frames;
    uint8_t irql = storsim_irql(machine);
    uint8_t target = level == DEVICE ? adapter->config.dirql : level;
    if (level == AT_MOST_APC || level == AT_MOST_DISPATCH) {
        uint8_t limit = level == AT_MOST_APC ? APC : DISPATCH;
        target = irql <= limit ? irql : limit;
    }
    port->frames[port->frame_count++] =
        (ss_frame_t){.cpu = storsim_cpu(machine), .adapter = number, .context = (uint8_t)context, .irql = irql};
    ss_set_context(machine, (uint8_t)context);
    return storsim_set_irql(machine, target, NULL);
}

storsim_status_t storsim_callback_leave(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        return ss_tap_run(machine, &ss_sp_operations[SS_SP_CALLBACK_LEAVE], NULL, NULL);
    }
    ss_port_t *port = ss_port(machine);
    const ss_frame_t *top = port != NULL ? ss_frame_top(port, storsim_cpu(machine)) : NULL;
    if (top == NULL) {
        return STORSIM_INVALID;
    }
    uint8_t irql = top->irql;
    uint32_t index = (uint32_t)(top - port->frames);
    memmove(port->frames + index, port->frames + index + 1, (port->frame_count - index - 1) * sizeof *port->frames);
    port->frame_count--;
    const ss_frame_t *below = ss_frame_top(port, storsim_cpu(machine));
    ss_set_context(machine, below != NULL ? below->context : 0);
    storsim_status_t status = ss_machine_alive(machine);
    return status == STORSIM_OK ? storsim_set_irql(machine, irql, NULL) : status;
}
