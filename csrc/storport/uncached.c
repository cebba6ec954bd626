/* storport/uncached.c: StorPortGetUncachedExtension (spec §3.6): one common buffer per adapter, made at the first call and kept until
 * the adapter goes. */
#include "storport/room.h"

enum { /* Dma64BitAddresses, without the bit that says the system has memory above 4 GiB. Source: public storport.h transcriptions;
          the value of the single-region flag is a model choice */
    DMA64_MASK = 0x7F, DMA64_FULL = 2, DMA64_FULL_NO_BOUNDARY = 3, DMA64_ONE_4GB = 4,
    FEATURE_NODE = 0x4, FEATURE_DMA_WIDTH = 0x40
};

static void misuse(ss_sp_t *sp, ss_rule_id_t rule) {
    if (ss_at_least(sp->machine, STORSIM_VERIFIER)) {
        ss_bugcheck(&sp->call, rule, 0xF1, 0x2002, 0, 0, 0, NULL);
    } else {
        ss_violate(&sp->call, rule, NULL);
    }
}

/* Where the block may lie (spec §3.6 rows on the registry window, Dma64BitAddresses and FeatureSupport). */
static void window(const ss_sp_t *sp, ss_block_request_t *request) {
    const ss_adapter_t *adapter = sp->adapter;
    const storsim_adapter_config_t *config = &adapter->config;
    uint64_t dma64 = adapter->port[STORSIM_PC_Dma64BitAddresses] & DMA64_MASK;
    bool wide = dma64 == DMA64_FULL || dma64 == DMA64_FULL_NO_BOUNDARY || dma64 == DMA64_ONE_4GB;
    request->highest = wide ? UINT64_MAX : UINT32_MAX;
    request->no_cross_4g = dma64 == DMA64_FULL || dma64 == DMA64_ONE_4GB;
    bool tuned = config->maximum_ucx > STORSIM_PAGE_SIZE && config->minimum_ucx < config->maximum_ucx - STORSIM_PAGE_SIZE;
    if (tuned) {
        request->lowest = config->minimum_ucx;
        request->highest = config->maximum_ucx;
    }
    uint64_t width = adapter->port[STORSIM_PC_DmaAddressWidth], features = adapter->port[STORSIM_PC_FeatureSupport];
    if ((features & FEATURE_DMA_WIDTH) && width > 0 && width < 64 && storsim_nt_config(sp->machine)->os >= 0x0A000008) {
        uint64_t limit = (UINT64_C(1) << width) - 1;
        request->highest = request->highest < limit ? request->highest : limit;
    }
    request->node = (features & FEATURE_NODE) ? config->node : STORSIM_NODE_ANY;
    request->alignment = config->ucx_alignment != 0 ? UINT64_C(1) << config->ucx_alignment : 0;
}

/* The one there is, however many bytes were asked for. */
static void answer_again(ss_sp_t *sp, uint64_t bytes) {
    const ss_block_t *block = ss_block(sp->machine, sp->adapter->uncached);
    if (bytes > block->size) {
        const ss_detail_t detail = {.expected = block->size, .got = bytes, .address = block->va, .allocated_at = block->site};
        ss_violate(&sp->call, SS_UNCACHED_SHORT, &detail);
    }
    sp->call.result = block->va;
}

static void allocate(ss_sp_t *sp, uint64_t bytes) {
    ss_adapter_t *adapter = sp->adapter;
    if (ss_sp_fault(sp, 0, bytes) || sp->call.status != STORSIM_OK) {
        return;
    }
    if (adapter->uncached != 0) { /* the host was asked, and may have taken it meanwhile */
        answer_again(sp, bytes);
        return;
    }
    if (adapter->config.dump_mode != 0 && bytes > SS_DUMP_LIMIT) {
        return;
    }
    /* Common buffers are cached where the device snoops, and uncached where it does not (spec A15). */
    ss_block_request_t request = {.kind = STORSIM_BLOCK_UNCACHED, .size = bytes, .cache = adapter->config.coherent ? 1 : 0,
                                  .owner = adapter->number};
    window(sp, &request);
    ss_block_id_t id;
    storsim_status_t status = ss_block_make(sp->machine, &request, &id);
    if (status == STORSIM_OK) {
        const ss_bus_limits_t limits = {.lowest = request.lowest, .highest = request.highest, .alignment = request.alignment,
                                        .boundary = request.no_cross_4g ? UINT64_C(1) << 32 : 0};
        status = ss_device_attach(sp->machine, adapter, id, &limits);
        if (status != STORSIM_OK) {
            ss_block_undo(sp->machine, id);
        }
    }
    if (status == STORSIM_OK) {
        adapter->uncached = id;
        sp->call.result = ss_block(sp->machine, id)->va;
    } else if (status != STORSIM_NO_SPACE) {
        sp->call.status = status;
    }
}

void ss_StorPortGetUncachedExtension(ss_sp_t *sp) {
    ss_adapter_t *adapter = sp->adapter;
    uint64_t config = sp->a[1].value, bytes = sp->a[2].value;
    if (config == 0 || config != adapter->config_address) {
        const ss_detail_t detail = {.expected = adapter->config_address, .got = config, .address = config};
        ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
        return;
    }
    if (!ss_in_context(sp, STORSIM_CONTEXT_FIND_ADAPTER)) {
        misuse(sp, SS_BAD_CONTEXT);
        return;
    }
    if (adapter->port[STORSIM_PC_Master] == 0) {
        misuse(sp, SS_NOT_BUS_MASTER);
        return;
    }
    if (!adapter->srb_extension_set) {
        misuse(sp, SS_SRB_EXTENSION_UNSET);
        return;
    }
    if (bytes == 0) {
        ss_violate(&sp->call, SS_ZERO_LENGTH, NULL);
        return;
    }
    if (adapter->uncached == 0) {
        allocate(sp, bytes);
    } else {
        answer_again(sp, bytes);
    }
}
