/* storport/walk.c: snapshot, restore and digest of the room. Each structure names its fields once; sites, the ring of finished lists and
 * everything else a driver cannot see is hidden from the digest. */
#include "storport/room.h"

#define MAGIC UINT32_C(0x54524F50)
enum { LIMIT = 1 << 24 }; /* elements of any list in a snapshot */

/* Room for a snapshot's elements on LOAD; NULL when there are none or when the codec failed. */
static void *make_array(ss_codec_t *codec, uint64_t count, size_t size) {
    if (!ss_codec_ok(codec) || count == 0) {
        return NULL;
    }
    void *array = ss_alloc_zeroed(codec->host, (size_t)count, size);
    if (array == NULL) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
    }
    return array;
}

/* A list of owned records: its length, then on LOAD the array and one zeroed record each. Leaves what was made in place on failure. */
#define WALK_LIST(codec, list, count, capacity, type, bytes)                                         \
    do {                                                                                             \
        uint64_t wanted = (count);                                                                   \
        ss_codec_count((codec), &wanted, (bytes), LIMIT);                                            \
        if (ss_codec_loading(codec)) {                                                               \
            (list) = make_array((codec), wanted, sizeof *(list));                                    \
            (capacity) = (list) != NULL ? (uint32_t)wanted : 0;                                      \
            for (uint64_t made = 0; (list) != NULL && made < wanted && ss_codec_ok(codec); made++) { \
                (list)[made] = make_array((codec), 1, sizeof(type));                                 \
                (count) += (list)[made] != NULL ? 1 : 0;                                             \
            }                                                                                        \
        }                                                                                            \
    } while (0)

static void walk_config(ss_codec_t *codec, ss_adapter_t *adapter) {
    storsim_adapter_config_t *config = &adapter->config;
    uint32_t delivery = (uint32_t)config->sg_delivery;
    ss_codec_bytes(codec, adapter->name, sizeof adapter->name);
    ss_codec_bool(codec, &config->full_duplex);
    ss_codec_u32(codec, &config->dump_mode);
    ss_codec_u8(codec, &config->dirql);
    ss_codec_u32(codec, &config->node);
    ss_codec_u32(codec, &config->device_extension_bytes);
    ss_codec_bool(codec, &config->virtual_miniport);
    ss_codec_bool(codec, &config->bus_master);
    ss_codec_bool(codec, &config->dma_remapping);
    ss_codec_bool(codec, &config->coherent);
    ss_codec_bool(codec, &config->poison_length);
    ss_codec_bool(codec, &config->write_combining);
    ss_codec_index(codec, &delivery, STORSIM_SG_RANDOM + 1);
    ss_codec_u64(codec, &config->map_registers);
    ss_codec_u64(codec, &config->contig_cap);
    ss_codec_u64(codec, &config->pool_cap);
    ss_codec_u64(codec, &config->minimum_ucx);
    ss_codec_u64(codec, &config->maximum_ucx);
    ss_codec_u32(codec, &config->ucx_alignment);
    ss_codec_u32(codec, &config->hmb_policy);
    ss_codec_u64(codec, &config->hmb_policy_routine);
    ss_codec_u64(codec, &config->hmb_cap);
    ss_codec_u32(codec, &config->hmb_utilization_divisor);
    ss_codec_u32(codec, &config->hmb_disabled_status);
    ss_codec_u32(codec, &config->hmb_second_alloc_status);
    ss_codec_bool(codec, &config->hmb_free_exact);
    if (ss_codec_loading(codec)) {
        config->sg_delivery = (storsim_sg_delivery_t)delivery;
        adapter->name[sizeof adapter->name - 1] = '\0';
        config->name = adapter->name;
        if (config->hmb_utilization_divisor == 0 || config->dirql > 15 || config->ucx_alignment > 16 || adapter->number == 0) {
            ss_codec_fail(codec, STORSIM_FORMAT);
        }
    }
}

static void walk_hmb(ss_codec_t *codec, ss_adapter_t *adapter) {
    uint64_t ranges = adapter->hmb_count, marks = adapter->mark_count;
    ss_codec_count(codec, &ranges, 13, LIMIT);
    if (ss_codec_loading(codec)) {
        adapter->hmb_ranges = make_array(codec, ranges, sizeof *adapter->hmb_ranges);
        adapter->hmb_count = adapter->hmb_ranges != NULL ? (uint32_t)ranges : 0;
    }
    for (uint32_t i = 0; i < adapter->hmb_count; i++) {
        ss_codec_u64(codec, &adapter->hmb_ranges[i].RangeStart);
        ss_codec_u32(codec, &adapter->hmb_ranges[i].RangeLength);
        ss_codec_u8(codec, &adapter->hmb_ranges[i].RangeInMemory);
    }
    if (ss_codec_loading(codec) && (adapter->hmb != 0) != (adapter->hmb_count != 0)) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
    ss_codec_count(codec, &marks, 17, LIMIT);
    if (ss_codec_loading(codec)) {
        adapter->marks = make_array(codec, marks, sizeof *adapter->marks);
        adapter->mark_count = adapter->mark_capacity = adapter->marks != NULL ? (uint32_t)marks : 0;
    }
    for (uint32_t i = 0; i < adapter->mark_count; i++) {
        ss_codec_u64(codec, &adapter->marks[i].address);
        ss_codec_u64(codec, &adapter->marks[i].length);
        ss_codec_bool(codec, &adapter->marks[i].physical);
    }
}

static void walk_adapter(ss_codec_t *codec, ss_adapter_t *adapter) {
    ss_codec_u32(codec, &adapter->number);
    walk_config(codec, adapter);
    ss_codec_u32(codec, &adapter->device);
    ss_codec_bool(codec, &adapter->live);
    ss_codec_bool(codec, &adapter->srb_extension_set);
    ss_codec_bool(codec, &adapter->uncached_translated);
    ss_codec_u64(codec, &adapter->extension);
    ss_codec_u64(codec, &adapter->config_address);
    for (int i = 0; i < STORSIM_PC_COUNT; i++) {
        ss_codec_u64(codec, &adapter->port[i]);
    }
    ss_block_id_t *blocks[] = {&adapter->extension_block, &adapter->config_block, &adapter->uncached,
                               &adapter->registry,        &adapter->hmb,          &adapter->dump_region};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        ss_codec_u32(codec, blocks[i]);
    }
    ss_codec_u64(codec, &adapter->sg_built);
    ss_codec_u64(codec, &adapter->sg_put);
    ss_codec_u64(codec, &adapter->map_registers_used);
    walk_hmb(codec, adapter);
}

static void walk_runs(ss_codec_t *codec, ss_runs_t *runs) {
    bool made = runs->list != NULL;
    uint64_t count = runs->count;
    ss_codec_bool(codec, &made);
    ss_codec_bool(codec, &runs->mapped);
    ss_codec_count(codec, &count, 32, LIMIT);
    if (ss_codec_loading(codec)) {
        if (!made) {
            if (count != 0 || runs->mapped) {
                ss_codec_fail(codec, STORSIM_FORMAT);
            }
            return;
        }
        runs->list = ss_alloc_zeroed(codec->host, count > 0 ? (size_t)count : 1, sizeof *runs->list);
        if (runs->list == NULL) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        runs->count = (uint32_t)count;
    }
    for (uint32_t i = 0; i < runs->count; i++) {
        ss_codec_u64(codec, &runs->list[i].pfn);
        ss_codec_u64(codec, &runs->list[i].pages);
        ss_codec_u64(codec, &runs->list[i].address);
        ss_codec_u32(codec, &runs->list[i].offset);
        ss_codec_u32(codec, &runs->list[i].bytes);
    }
}

static void walk_buffer(ss_codec_t *codec, ss_srb_buffer_t *buffer) {
    ss_codec_u32(codec, &buffer->block);
    ss_codec_u32(codec, &buffer->mdl);
    ss_codec_u32(codec, &buffer->list);
    ss_codec_u64(codec, &buffer->va);
    ss_codec_u64(codec, &buffer->mdl_va);
    ss_codec_u32(codec, &buffer->length);
    walk_runs(codec, &buffer->runs);
}

static void walk_srb(ss_codec_t *codec, ss_srb_t *srb) {
    ss_codec_u64(codec, &srb->va);
    ss_codec_u32(codec, &srb->adapter);
    ss_codec_bool(codec, &srb->write);
    ss_codec_bool(codec, &srb->extension_translated);
    ss_codec_u32(codec, &srb->block);
    ss_codec_u32(codec, &srb->extension);
    ss_codec_u32(codec, &srb->sense);
    ss_codec_u32(codec, &srb->lu);
    ss_codec_u64(codec, &srb->extension_va);
    ss_codec_u64(codec, &srb->extension_length);
    ss_codec_u64(codec, &srb->sense_va);
    ss_codec_u64(codec, &srb->lu_va);
    walk_buffer(codec, &srb->data);
    walk_buffer(codec, &srb->data_in);
}

static void walk_list(ss_codec_t *codec, ss_sg_t *sg) {
    ss_codec_u64(codec, &sg->sequence);
    ss_codec_u64(codec, &sg->list);
    ss_codec_u64(codec, &sg->mdl);
    ss_codec_u64(codec, &sg->routine);
    ss_codec_u64(codec, &sg->context);
    ss_codec_u64(codec, &sg->data_va);
    ss_codec_u32(codec, &sg->adapter);
    ss_codec_u32(codec, &sg->length);
    ss_codec_u32(codec, &sg->registers);
    ss_codec_u32(codec, &sg->data_block);
    ss_codec_bool(codec, &sg->write);
    ss_codec_bool(codec, &sg->delivered);
    ss_codec_bool(codec, &sg->orphaned);
    walk_runs(codec, &sg->runs);
    if (ss_codec_hidden(codec)) {
        ss_codec_u32(codec, &sg->site);
        ss_codec_u32(codec, &sg->data_generation);
    }
}

static void walk_frames(ss_codec_t *codec, ss_port_t *port) {
    uint64_t count = port->frame_count;
    ss_codec_count(codec, &count, 10, LIMIT);
    if (ss_codec_loading(codec)) {
        port->frames = make_array(codec, count, sizeof *port->frames);
        port->frame_count = port->frame_capacity = port->frames != NULL ? (uint32_t)count : 0;
    }
    for (uint32_t i = 0; i < port->frame_count; i++) {
        ss_codec_u32(codec, &port->frames[i].cpu);
        ss_codec_u32(codec, &port->frames[i].adapter);
        ss_codec_u8(codec, &port->frames[i].context);
        ss_codec_u8(codec, &port->frames[i].irql);
        if (ss_codec_loading(codec) && (port->frames[i].context >= STORSIM_CONTEXT_COUNT || port->frames[i].irql > 15)) {
            ss_codec_fail(codec, STORSIM_FORMAT);
        }
    }
}

static bool known_adapter(const ss_port_t *port, uint32_t number) {
    for (uint32_t i = 0; i < port->adapter_count; i++) {
        if (port->adapters[i]->number == number) {
            return true;
        }
    }
    return false;
}

/* Every record names an adapter that exists: lookups rely on it. */
static void judge(ss_codec_t *codec, const ss_port_t *port) {
    bool good = true;
    for (uint32_t i = 1; i < port->adapter_count; i++) {
        good = good && port->adapters[i]->number > port->adapters[i - 1]->number;
    }
    for (uint32_t i = 0; i < port->srb_count; i++) {
        good = good && known_adapter(port, port->srbs[i]->adapter);
    }
    for (uint32_t i = 0; i < port->list_count; i++) {
        good = good && known_adapter(port, port->lists[i]->adapter);
    }
    if (!good) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

void ss_port_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    ss_port_t *port = state;
    (void)machine;
    ss_codec_mark(codec, MAGIC);
    WALK_LIST(codec, port->adapters, port->adapter_count, port->adapter_capacity, ss_adapter_t, 200);
    for (uint32_t i = 0; i < port->adapter_count; i++) {
        walk_adapter(codec, port->adapters[i]);
    }
    WALK_LIST(codec, port->srbs, port->srb_count, port->srb_capacity, ss_srb_t, 100);
    for (uint32_t i = 0; i < port->srb_count; i++) {
        walk_srb(codec, port->srbs[i]);
    }
    WALK_LIST(codec, port->lists, port->list_count, port->list_capacity, ss_sg_t, 60);
    for (uint32_t i = 0; i < port->list_count; i++) {
        walk_list(codec, port->lists[i]);
    }
    ss_codec_u64(codec, &port->next_sequence);
    walk_frames(codec, port);
    if (ss_codec_hidden(codec)) {
        for (int i = 0; i < SS_PUT_MEMORY; i++) {
            ss_codec_u64(codec, &port->puts[i].list);
            ss_codec_u32(codec, &port->puts[i].built_at);
            ss_codec_u32(codec, &port->puts[i].put_at);
        }
        ss_codec_index(codec, &port->put_next, SS_PUT_MEMORY);
    }
    if (ss_codec_loading(codec) && ss_codec_ok(codec)) {
        judge(codec, port);
    }
}
