/* storport/registry.c: StorPortAllocateRegistryBuffer and StorPortFreeRegistryBuffer (spec §3.10). Their level is checked in call.c. */
#include "storport/room.h"

void ss_StorPortAllocateRegistryBuffer(ss_sp_t *sp) {
    storsim_arg_t *length = &sp->a[1];
    ss_adapter_t *adapter = sp->adapter;
    if (!length->present || length->value == 0) {
        return;
    }
    if (adapter->registry != 0 || ss_sp_fault(sp, 0, length->value) || sp->call.status != STORSIM_OK) {
        return;
    }
    if (adapter->registry != 0) { /* the host was asked, and may have taken it meanwhile */
        return;
    }
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_REGISTRY, .size = length->value, .highest = UINT64_MAX,
                                        .node = adapter->config.node, .cache = 1, .owner = adapter->number, .scattered = true};
    ss_block_id_t id;
    storsim_status_t status = ss_block_make(sp->machine, &request, &id);
    if (status == STORSIM_OK) {
        adapter->registry = id;
        sp->call.result = ss_block(sp->machine, id)->va;
        ss_out(length, length->value); /* given in full, never more */
    } else if (status != STORSIM_NO_SPACE) {
        sp->call.status = status;
    }
}

void ss_StorPortFreeRegistryBuffer(ss_sp_t *sp) {
    uint64_t buffer = sp->a[1].value;
    ss_adapter_t *adapter = sp->adapter;
    const ss_block_t *block = adapter->registry != 0 ? ss_block(sp->machine, adapter->registry) : NULL;
    const ss_detail_t detail = {.expected = block != NULL ? block->va : 0, .got = buffer, .address = buffer};
    if (buffer == 0) {
        ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
    } else if (block == NULL || block->va != buffer) {
        ss_bugcheck(&sp->call, SS_UNKNOWN_ADDRESS, 0xC2, 0x42, buffer, 0, 0, &detail);
    } else {
        ss_block_id_t id = adapter->registry;
        adapter->registry = 0;
        ss_port_free(sp->machine, id);
    }
}
