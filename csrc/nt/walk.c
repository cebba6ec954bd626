/* nt/walk.c: snapshot and digest of the kernel room.
 *
 * The digest names what a driver or device can see: levels, live blocks in order of allocation, queued deferred calls,
 * connected lines. A snapshot keeps the records by id and three sequences (live, held, spans); links, maps, bit sets
 * and counters follow from them and are rebuilt and checked by load.c, so that damaged bytes cannot make an
 * inconsistent state. */
#include "nt/nt_i.h"
#include "nt/walk_i.h"

static void walk_u8_below(ss_codec_t *codec, uint8_t *value, uint32_t limit) {
    uint32_t wide = *value;
    ss_codec_index(codec, &wide, limit);
    *value = (uint8_t)wide;
}

static void walk_cpus(ss_nt_t *nt, ss_codec_t *codec) {
    ss_codec_index(codec, &nt->cpu, nt->config.cpus);
    for (uint32_t i = 0; i < nt->config.cpus; i++) {
        walk_u8_below(codec, &nt->cpus[i].irql, HIGH_LEVEL + 1);
        ss_codec_u8(codec, &nt->cpus[i].context);
    }
}

/* --- lists of small things ---------------------------------------------------------------------------------------- */

/* Walks the count of an array and makes room for it on LOAD. */
static uint32_t walk_array(ss_nt_t *nt, ss_codec_t *codec, void **array, uint32_t *count, uint32_t *capacity,
                           size_t element, size_t stored) {
    uint64_t wide = *count;
    ss_codec_count(codec, &wide, stored, UINT32_MAX / 4);
    if (ss_codec_loading(codec) && !ss_grow(nt->host, array, capacity, (uint32_t)wide, element)) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        wide = 0;
    }
    *count = (uint32_t)wide;
    return *count;
}

static void walk_connections(ss_nt_t *nt, ss_codec_t *codec) {
    void *array = nt->connections;
    uint32_t count =
        walk_array(nt, codec, &array, &nt->connection_count, &nt->connection_capacity, sizeof(nt_connection_t), 26);
    nt->connections = array;
    for (uint32_t i = 0; i < count; i++) {
        nt_connection_t *connection = &nt->connections[i];
        uint32_t room = ss_codec_loading(codec) ? 0 : connection->room;
        ss_codec_u32(codec, &connection->line);
        walk_u8_below(codec, &connection->irql, HIGH_LEVEL + 1);
        ss_codec_index(codec, &room, SS_ROOM_COUNT);
        connection->room = (uint16_t)room;
        if (ss_codec_hidden(codec)) {
            ss_codec_u64(codec, &connection->routine);
            ss_codec_u64(codec, &connection->context);
        }
        ss_codec_bool(codec, &connection->held_off);
    }
}

static void walk_dpcs(ss_nt_t *nt, ss_codec_t *codec) {
    void *array = nt->dpcs;
    uint32_t count = walk_array(nt, codec, &array, &nt->dpc_count, &nt->dpc_capacity, sizeof(nt_dpc_t), 42);
    nt->dpcs = array;
    for (uint32_t i = 0; i < count; i++) {
        nt_dpc_t *dpc = &nt->dpcs[i];
        uint32_t room = ss_codec_loading(codec) ? 0 : dpc->room;
        ss_codec_index(codec, &room, SS_ROOM_COUNT);
        dpc->room = (uint16_t)room;
        ss_codec_u16(codec, &dpc->kind);
        ss_codec_index(codec, &dpc->cpu, nt->config.cpus);
        if (ss_codec_hidden(codec) || dpc->room != SS_ROOM_HOST) {
            ss_codec_u64(codec, &dpc->a); /* tokens of the host differ from run to run */
            ss_codec_u64(codec, &dpc->b);
        }
        ss_codec_u64(codec, &dpc->queued);
        ss_codec_u64(codec, &dpc->ready);
    }
}

static void walk_owners(ss_nt_t *nt, ss_codec_t *codec) {
    void *array = nt->owners;
    uint32_t count = walk_array(nt, codec, &array, &nt->owner_count, &nt->owner_capacity, sizeof(nt_owner_t), 16);
    nt->owners = array;
    for (uint32_t i = 0; i < count; i++) {
        if (ss_codec_loading(codec)) {
            nt->owners[i] = (nt_owner_t){.pool_cap = 0};
        }
        ss_codec_u64(codec, &nt->owners[i].pool_cap);
        ss_codec_u64(codec, &nt->owners[i].contig_cap);
    }
}

static void walk_devices(ss_nt_t *nt, ss_codec_t *codec) {
    void *array = nt->devices;
    uint32_t count = walk_array(nt, codec, &array, &nt->device_count, &nt->device_capacity, sizeof(nt_device_t), 16);
    nt->devices = array;
    for (uint32_t i = 0; i < count; i++) {
        nt_device_t *device = &nt->devices[i];
        if (ss_codec_loading(codec)) {
            *device = (nt_device_t){.device = 0};
        }
        ss_codec_u32(codec, &device->device);
        ss_codec_u32(codec, &device->owner);
        ss_codec_index(codec, &device->window_count, DEVICE_WINDOWS + 1);
        ss_codec_index(codec, &device->window_next, DEVICE_WINDOWS);
        for (uint32_t w = 0; w < device->window_count; w++) {
            ss_codec_u64(codec, &device->windows[w].first);
            ss_codec_u64(codec, &device->windows[w].last);
        }
    }
}

/* What the verifier remembers: no driver can see it. */
static void walk_verifier(ss_nt_t *nt, ss_codec_t *codec) {
    ss_codec_u64(codec, &nt->scarce_rng.state);
    ss_codec_u64(codec, &nt->special_fallbacks);
    ss_codec_u64(codec, &nt->low_resources_failed);
    ss_codec_u64(codec, &nt->systematic_failed);
    void *array = nt->paths;
    uint32_t count = walk_array(nt, codec, &array, &nt->path_count, &nt->path_capacity, sizeof *nt->paths, 8);
    nt->paths = array;
    for (uint32_t i = 0; i < count; i++) {
        ss_codec_u64(codec, &nt->paths[i]);
        if (i != 0 && nt->paths[i] <= nt->paths[i - 1]) {
            ss_codec_fail(codec, STORSIM_FORMAT);
            return;
        }
    }
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void walk_extents(ss_nt_t *nt, ss_block_t *block, ss_codec_t *codec) {
    uint64_t count = !ss_codec_loading(codec) && block->extents != 0 ? nt->lists[block->extents - 1].count : 0;
    ss_codec_count(codec, &count, 16, UINT32_MAX / 4);
    if (ss_codec_loading(codec)) {
        block->extents = 0;
        if (count != 0) {
            block->extents = nt_extents_take(nt, (uint32_t)count);
            if (block->extents == 0) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
        }
    }
    uint64_t start = 0;
    for (uint64_t i = 0; i < count; i++) {
        nt_extent_t *extent = &nt->lists[block->extents - 1].items[i];
        ss_codec_u64(codec, &extent->first_pfn);
        ss_codec_u64(codec, &extent->pages);
        extent->start = start;
        start += extent->pages;
    }
}

/* What a driver or device can see of a block; what few have stands in `rare`. */
static void walk_visible(ss_nt_t *nt, ss_block_t *block, nt_rare_t *rare, ss_codec_t *codec) {
    walk_u8_below(codec, &block->kind, KIND_POOL_PAGE + 1);
    ss_codec_u64(codec, &block->va);
    ss_codec_u64(codec, &block->size);
    ss_codec_u64(codec, &block->pfn);
    ss_codec_u64(codec, &block->pages);
    ss_codec_u64(codec, &rare->device_address);
    ss_codec_u32(codec, &block->owner);
    ss_codec_u32(codec, &block->tag);
    ss_codec_u32(codec, &rare->mdl_count);
    walk_u8_below(codec, &block->node, STORSIM_MAX_NODES);
    uint8_t cache = (uint8_t)block->cache;
    ss_codec_u8(codec, &cache);
    if (cache <= INT8_MAX) {
        block->cache = (int8_t)cache;
    } else {
        block->cache = (int8_t)(cache - 256);
    }
    walk_extents(nt, block, codec);
}

/* What a snapshot says of a block's bytes: of a slot nothing, its page has them. */
static ss_store_t saved_store(const storsim_machine_t *machine, const ss_nt_t *nt, const ss_block_t *block) {
    bool page = block->kind == KIND_POOL_PAGE && block->pool_page <= nt->pool_page_count;
    if (block->state != SS_STATE_LIVE || (block->pool_page != 0 && !page)) {
        return 0;
    }
    return ss_ram_number(ss_machine_ram(machine), nt_store(nt, block));
}

static nt_rare_t rare_of(const ss_nt_t *nt, const ss_block_t *block) {
    nt_rare_t rare = *nt_rare(nt, block);
    rare.device_address = nt_device_address(nt, block);
    return rare;
}

/* What was read of what few blocks have. */
static void put_rare(ss_nt_t *nt, ss_block_t *block, const nt_rare_t *rare, ss_codec_t *codec) {
    const bool any = rare->device_address != nt_device_address(nt, block) || rare->mdl_count != 0 || rare->link != 0 ||
                     rare->link_generation != 0 || rare->trespass != 0;
    if (any && ss_codec_ok(codec)) {
        if (nt_rare_make(nt, block)) {
            nt->rares[block->rare - 1] = *rare;
        } else {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
        }
    }
}

static void walk_record(const storsim_machine_t *machine, ss_nt_t *nt, ss_block_id_t id, ss_codec_t *codec) {
    ss_block_t *block = block_at(nt, id);
    uint32_t generation = block->generation;
    uint8_t state = block->state, flags = block->flags & (uint8_t)~BLOCK_ZEROED, unused = 0;
    nt_rare_t rare = {.link = 0};
    nt_held_t freed = {.block = 0};
    if (!ss_codec_loading(codec) && state != SS_STATE_FREE) {
        rare = rare_of(nt, block);
        freed = nt_freed(nt, block);
    }
    if (ss_codec_loading(codec)) {
        *block = (ss_block_t){.kind = 0};
    }
    ss_codec_u32(codec, &generation);
    walk_u8_below(codec, &state, SS_STATE_QUARANTINED + 1);
    block->generation = generation;
    block->state = state;
    if (state == SS_STATE_FREE) {
        return;
    }
    walk_visible(nt, block, &rare, codec);
    ss_codec_u64(codec, &block->time);
    ss_codec_u32(codec, &block->site);
    ss_codec_u32(codec, &freed.site);
    ss_store_t store = ss_codec_loading(codec) ? 0 : saved_store(machine, nt, block);
    ss_codec_u32(codec, &store);
    block->store = ss_codec_loading(codec) ? store : block->store;
    ss_codec_u32(codec, &block->pool_page);
    ss_codec_u32(codec, &rare.link);
    ss_codec_u32(codec, &rare.link_generation);
    ss_codec_u8(codec, &block->irql);
    ss_codec_u8(codec, &flags);
    block->flags = ss_codec_loading(codec) ? flags : block->flags;
    ss_codec_u8(codec, &block->context);
    ss_codec_u8(codec, &unused);
    ss_codec_u64(codec, &rare.trespass);
    ss_codec_u64(codec, &freed.time);
    ss_codec_u8(codec, &block->freed_irql);
    if (ss_codec_loading(codec)) {
        put_rare(nt, block, &rare, codec);
        if (block->state == SS_STATE_QUARANTINED && block->kind != KIND_POOL_PAGE) { /* in order of the records, until its list is read */
            nt_held_append(nt, id, freed.time, freed.site);
        }
    }
}

static void walk_records(const storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec) {
    uint64_t count = nt->block_count;
    ss_codec_count(codec, &count, 8, UINT32_MAX / 4);
    if (ss_codec_loading(codec)) {
        if (!nt_records_reserve(nt, (uint32_t)count)) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        nt->block_count = (uint32_t)count;
    }
    for (uint32_t id = 1; id <= count; id++) {
        walk_record(machine, nt, id, codec);
    }
}

static void walk_pool_pages(ss_nt_t *nt, ss_codec_t *codec) {
    uint64_t count = nt->pool_page_count;
    ss_codec_count(codec, &count, 1, UINT32_MAX / 4);
    for (uint32_t index = 1; index <= count && ss_codec_ok(codec); index++) {
        bool used = !ss_codec_loading(codec) && nt->pool_pages[index - 1] != NULL;
        ss_codec_bool(codec, &used);
        nt_saved_page_t saved = {0, 0, 0, 0};
        if (used && !ss_codec_loading(codec)) {
            const nt_pool_page_t *page = nt_pool_page(nt, index);
            saved = (nt_saved_page_t){page->block, page->granules, page->node, page->gone};
        }
        if (used) {
            ss_codec_u32(codec, &saved.block);
            ss_codec_u16(codec, &saved.granules);
            walk_u8_below(codec, &saved.node, nt->node_count);
            ss_codec_bool(codec, &saved.gone);
        }
        if (ss_codec_loading(codec)) {
            nt_load_pool_page(nt, codec, used ? &saved : NULL);
        }
    }
}

typedef uint32_t (*follow_fn)(const ss_nt_t *nt, uint32_t id);

static uint32_t follow_next(const ss_nt_t *nt, uint32_t id) {
    return block_at(nt, id)->next;
}

static uint32_t follow_arena(const ss_nt_t *nt, uint32_t id) {
    return block_at(nt, id)->arena_next;
}

static uint32_t follow_page(const ss_nt_t *nt, uint32_t index) {
    return nt_pool_page(nt, index)->next;
}

/* The members of a list as they were saved, up to the 0 that ends it or to what cannot be read. */
static void load_list(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, nt_add_fn add) {
    for (uint32_t stored = 1; stored != 0 && ss_codec_ok(codec);) {
        stored = 0;
        ss_codec_u32(codec, &stored);
        if (stored != 0) {
            add(machine, nt, codec, stored);
        }
    }
}

static void end_list(ss_codec_t *codec) {
    uint32_t end = 0;
    ss_codec_u32(codec, &end);
}

/* A list as its members in order, closed by 0; on LOAD each goes to `add`. */
static void walk_list(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t first, follow_fn follow,
                      nt_add_fn add) {
    if (ss_codec_loading(codec)) {
        load_list(machine, nt, codec, add);
        return;
    }
    for (uint32_t at = first; at != 0 && ss_codec_ok(codec); at = follow(nt, at)) {
        ss_codec_u32(codec, &at);
    }
    end_list(codec);
}

/* The quarantine is written like a list, though it is none. */
static void walk_held(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec) {
    if (ss_codec_loading(codec)) {
        load_list(machine, nt, codec, nt_load_held);
        return;
    }
    for (uint32_t i = 0; i < nt->held_count; i++) {
        ss_codec_u32(codec, &nt_held_at(nt, nt->held_first + i)->block);
    }
    end_list(codec);
}

static void walk_partial(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec) {
    size_t lists = (size_t)nt->node_count * POOL_CLASSES;
    for (size_t list = 0; list < lists && ss_codec_ok(codec); list++) {
        walk_list(machine, nt, codec, nt->partial[list], follow_page, nt_load_partial);
    }
}

static void digest_live(ss_nt_t *nt, ss_codec_t *codec) {
    for (ss_block_id_t id = nt->first_live; id != 0; id = block_at(nt, id)->next) {
        nt_rare_t rare = rare_of(nt, block_at(nt, id));
        walk_visible(nt, block_at(nt, id), &rare, codec);
    }
}

void nt_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    ss_nt_t *nt = state;
    uint64_t fingerprint = nt->fingerprint;
    ss_codec_mark(codec, 0x4E540001);
    ss_codec_u64(codec, &fingerprint);
    if (fingerprint != nt->fingerprint) {
        ss_codec_fail(codec, STORSIM_FORMAT); /* another configuration */
        return;
    }
    walk_cpus(nt, codec);
    walk_connections(nt, codec);
    walk_dpcs(nt, codec);
    if (!ss_codec_hidden(codec)) {
        digest_live(nt, codec);
        return;
    }
    walk_owners(nt, codec);
    walk_devices(nt, codec);
    walk_verifier(nt, codec);
    walk_records(machine, nt, codec);
    walk_pool_pages(nt, codec);
    ss_codec_u64(codec, &nt->cursor);
    ss_codec_u64(codec, &nt->high_water);
    if (ss_codec_loading(codec)) {
        nt_load_begin(nt, codec);
    }
    walk_list(machine, nt, codec, nt->first_span, follow_arena, nt_load_span);
    walk_held(machine, nt, codec);
    walk_list(machine, nt, codec, nt->first_live, follow_next, nt_load_live);
    walk_list(machine, nt, codec, nt->free_block, follow_next, nt_load_free);
    walk_partial(machine, nt, codec);
    if (ss_codec_loading(codec)) {
        nt_load_end(nt, codec);
    }
}
