/* nt/boot.c: configuration and state of the kernel room, and its place on the machine. */
#include "nt/nt_i.h"
#include "nt/operations.h"

#include <string.h>

static const uint32_t known_os[] = {
#define OS_VALUE(name, value) UINT32_C(value),
    STORSIM_OS_MAP(OS_VALUE)
#undef OS_VALUE
};

#define LATEST_OS UINT32_C(0x0A000010)

void storsim_nt_config_init(storsim_nt_config_t *config) {
    *config = (storsim_nt_config_t){.os = LATEST_OS,
                                    .level = STORSIM_VERIFIER,
                                    .verifier = STORSIM_V_DEFAULT,
                                    .cpus = 1,
                                    .nonpaged_budget = UINT64_MAX,
                                    .contig_budget = UINT64_MAX,
                                    .quarantine = UINT64_C(64) << 20,
                                    .special_pool_pages = UINT64_MAX,
                                    .low_resources_probability = 600,
                                    .low_resources_delay = UINT64_C(8) * 60 * STORSIM_TICKS_PER_SECOND};
}

static bool resolve(storsim_nt_config_t *config) {
    bool known = false;
    config->os = config->os != 0 ? config->os : LATEST_OS;
    config->cpus = config->cpus != 0 ? config->cpus : 1;
    for (size_t i = 0; i < sizeof known_os / sizeof known_os[0]; i++) {
        known = known || known_os[i] == config->os;
    }
    if (config->verifier == STORSIM_V_DEFAULT) {
        config->verifier =
            config->level == STORSIM_RELEASE ? 0 : STORSIM_V_POOL_TRACKING | STORSIM_V_DMA | STORSIM_V_FORCE_IRQL;
    }
    const uint32_t every_flag = STORSIM_V_SPECIAL_POOL | STORSIM_V_FORCE_IRQL | STORSIM_V_LOW_RESOURCES |
                                STORSIM_V_POOL_TRACKING | STORSIM_V_DMA | STORSIM_V_SYSTEMATIC;
    return known && config->cpus <= 64 && config->level <= STORSIM_STRICT && (config->verifier & ~every_flag) == 0 &&
           config->low_resources_probability <= 10000;
}

static uint64_t fingerprint(const storsim_nt_config_t *config) {
    storsim_nt_config_t copy = *config;
    ss_codec_t codec = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
    uint32_t level = (uint32_t)copy.level;
    ss_codec_u32(&codec, &copy.os);
    ss_codec_u32(&codec, &level);
    ss_codec_u32(&codec, &copy.verifier);
    ss_codec_u32(&codec, &copy.cpus);
    bool *flags[] = {&copy.node_strict,        &copy.address_check_pfn, &copy.contig_pool_only,
                     &copy.zero_pool,          &copy.zero_contig,       &copy.zero_hmb,
                     &copy.bypass_irql_status, &copy.zero_tag_fail,     &copy.not_implemented_writes,
                     &copy.dpc_manual,         &copy.special_pool_start, &copy.explicit_low_memory,
                     &copy.systematic_what_if};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        ss_codec_bool(&codec, flags[i]);
    }
    ss_codec_u32(&codec, &copy.low_resources_probability);
    for (size_t i = 0; i < STORSIM_LOW_RESOURCES_TAGS; i++) {
        ss_codec_u32(&codec, &copy.low_resources_tags[i]);
    }
    uint64_t *numbers[] = {&copy.nonpaged_budget, &copy.contig_budget,      &copy.quarantine,
                           &copy.dpc_latency,     &copy.special_pool_pages, &copy.low_resources_delay};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ss_codec_u64(&codec, numbers[i]);
    }
    return codec.hash;
}

/* Row n lists the nodes by distance from n, equals by number: insertion sort of at most 64 per row. */
static void order_nodes(const storsim_machine_t *machine, ss_nt_t *nt) {
    for (uint32_t from = 0; from < nt->node_count; from++) {
        uint8_t *row = nt->node_order + (size_t)from * nt->node_count;
        for (uint32_t node = 0; node < nt->node_count; node++) {
            uint32_t at = node;
            while (at > 0 &&
                   storsim_memory_distance(machine, from, row[at - 1]) > storsim_memory_distance(machine, from, node)) {
                row[at] = row[at - 1];
                at--;
            }
            row[at] = (uint8_t)node;
        }
        uint32_t own = 0; /* the node itself comes first whatever a table says */
        while (row[own] != from) {
            own++;
        }
        memmove(row + 1, row, own);
        row[0] = (uint8_t)from;
    }
}

static ss_nt_t *create(storsim_machine_t *machine, const storsim_nt_config_t *config) {
    ss_host_t *host = ss_machine_host(machine);
    ss_nt_t *nt = ss_alloc_zeroed(host, 1, sizeof *nt);
    if (nt == NULL) {
        return NULL;
    }
    nt->host = host;
    nt->config = *config;
    nt->fingerprint = fingerprint(config);
    nt->node_count = storsim_memory_nodes(machine);
    nt->cursor = nt->high_water = 1;
    nt->scarce_rng.state = ss_mix(ss_machine_seed(machine), 0x5CA7CE);
    ss_pagemap_init(&nt->by_va, host);
    ss_pagemap_init(&nt->by_frame, host);
    nt->node_order = ss_alloc_zeroed(host, nt->node_count, nt->node_count);
    nt->partial = ss_alloc_zeroed(host, (size_t)nt->node_count * POOL_CLASSES, sizeof(uint32_t));
    nt->partial_last = ss_alloc_zeroed(host, (size_t)nt->node_count * POOL_CLASSES, sizeof(uint32_t));
    if (nt->node_order == NULL || nt->partial == NULL || nt->partial_last == NULL) {
        nt_destroy(machine, nt);
        return NULL;
    }
    order_nodes(machine, nt);
    return nt;
}

void *nt_fresh(storsim_machine_t *machine, const void *current) {
    const ss_nt_t *old = current;
    ss_nt_t *nt = create(machine, &old->config);
    if (nt == NULL) {
        return NULL;
    }
    memcpy(nt->ops, old->ops, sizeof nt->ops);
    if (old->limits != NULL) {
        nt->limits = ss_alloc_zeroed(ss_machine_plain(machine), old->limit_count, sizeof(nt_limit_t));
        if (nt->limits == NULL) {
            nt_destroy(machine, nt);
            return NULL;
        }
        memcpy(nt->limits, old->limits, old->limit_count * sizeof(nt_limit_t));
        nt->limit_count = old->limit_count;
    }
    nt->next_export = old->next_export; /* tokens of ended views stay stale */
    return nt;
}

void nt_keep(const void *state, uint64_t kept[SS_KEPT]) {
    const ss_nt_t *nt = state;
    kept[0] = nt->next_export; /* tokens of ended views stay stale */
    kept[1] = (uint64_t)(uintptr_t)nt->limits;
    kept[2] = nt->limit_count;
}

void nt_resume(storsim_machine_t *machine, void *state, const uint64_t kept[SS_KEPT]) {
    ss_nt_t *nt = state;
    nt->next_export = kept[0];
    nt->limits = (nt_limit_t *)(uintptr_t)kept[1];
    nt->limit_count = (uint32_t)kept[2];
    if (nt->export_count != 0) { /* the views of then are over */
        nt->export_count = 0;
        for (uint32_t i = 0; i < nt->rare_count; i++) {
            nt->rares[i].exports = 0;
        }
        nt_hold(machine, 0);
    }
}

void nt_destroy(storsim_machine_t *machine, void *state) {
    ss_nt_t *nt = state;
    ss_release(ss_machine_plain(machine), nt->limits);
    for (uint32_t i = 0; i < nt->list_count; i++) {
        ss_release(nt->host, nt->lists[i].items);
    }
    nt_pool_chunks_drop(nt);
    ss_pagemap_destroy(&nt->by_va);
    ss_pagemap_destroy(&nt->by_frame);
    void *owned[] = {nt->node_order, nt->blocks, nt->lists,       nt->pool_pages, nt->pool_page_spare,
                     nt->partial,    nt->partial_last, nt->owners, nt->connections, nt->dpcs,       nt->devices,
                     nt->exports,    nt->paths,        nt->held,   nt->rares,       nt->named};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        ss_release(nt->host, owned[i]);
    }
    ss_release(nt->host, nt);
}

storsim_status_t storsim_nt_boot(storsim_machine_t *machine, const storsim_nt_config_t *config) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_data(config, config != NULL)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_BOOT], args, NULL);
    }
    static const ss_room_ops_t ops = {.name = "kernel",
                                      .fresh = nt_fresh,
                                      .destroy = nt_destroy,
                                      .walk = nt_walk,
                                      .keep = nt_keep,
                                      .resume = nt_resume,
                                      .event = nt_event,
                                      .interrupt = nt_interrupt,
                                      .check = nt_check};
    storsim_nt_config_t resolved;
    storsim_nt_config_init(&resolved);
    if (config != NULL) {
        resolved = *config;
    }
    if (nt_of(machine) != NULL || !resolve(&resolved)) {
        return STORSIM_INVALID;
    }
    ss_nt_t *nt = create(machine, &resolved);
    if (nt == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status = ss_room_attach(machine, SS_ROOM_NT, &ops, nt);
    if (status == STORSIM_OK) { /* unreachable: a room that attaches to an empty place is not refused */
        status = ss_rules_register(machine, SS_ROOM_NT, ss_rules, SS_RULE_COUNT);
    }
    if (status != STORSIM_OK) { /* unreachable: nor are its rules */
        nt_destroy(machine, nt);
        return status;
    }
    ss_line_listen(machine, SS_ROOM_NT);
    ss_bus_set_guard(machine, nt_guard, nt_steady);
    ss_machine_set_namer(machine, &nt_namer);
    ss_machine_filler(machine, &(ss_filler_t){.fill = nt_pool_fill, .store = nt_store_of, .plans = nt_store_plans});
    if ((resolved.verifier & (STORSIM_V_LOW_RESOURCES | STORSIM_V_SYSTEMATIC)) != 0) {
        ss_fault_behind(machine, nt_scarce);
    }
    nt_sync(machine);
    return STORSIM_OK;
}

const storsim_nt_config_t *storsim_nt_config(const storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    return nt != NULL ? &nt->config : NULL;
}

storsim_status_t ss_owner_add(storsim_machine_t *machine, uint64_t pool_cap, uint64_t contig_cap, uint32_t *owner) {
    ss_nt_t *nt = nt_of(machine);
    void *array = nt->owners;
    if (!ss_grow(nt->host, &array, &nt->owner_capacity, nt->owner_count + 1, sizeof(nt_owner_t))) {
        return STORSIM_NO_MEMORY;
    }
    nt->owners = array;
    nt->owners[nt->owner_count++] = (nt_owner_t){.pool_cap = pool_cap, .contig_cap = contig_cap};
    *owner = nt->owner_count;
    return STORSIM_OK;
}
