/* tests/nt/scenario.h: one walk through every function of the kernel room, for the snapshot and host failure tests.
 * Each step either does its work or answers NO_MEMORY; `check` is called before a step and after a failed one. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "world.h"

typedef struct scenario {
    world_t w;
    uint64_t pool[8], contig[4], mdl[2], event, range;
    ss_block_id_t hmb, range_id, data, built;
    uint32_t owner, line, fault;
    ss_device_t device;
    uint64_t token;
    uint8_t *view;
} scenario_t;

enum { SCENARIO_STEPS = 38 };

static inline storsim_status_t scenario_pool(scenario_t *s, uint64_t *va, uint64_t bytes) {
    frame_t frame;
    ss_block_id_t id;
    memset(&frame, 0, sizeof frame);
    storsim_status_t status = ss_call_begin(&frame.call, s->w.machine, routine("StorPortAllocatePool"), frame.args);
    CHECK_EQ(status, STORSIM_OK);
    frame.call.owner = 1;
    ss_contig_outcome_t outcome = ss_pool_request(&frame.call, bytes, TAG, &id);
    status = ss_call_end(&frame.call);
    if (status == STORSIM_OK) {
        CHECK_EQ(outcome, SS_CONTIG_OK);
        *va = va_of(&s->w, id);
    }
    return status;
}

static inline storsim_status_t scenario_contig(scenario_t *s, uint64_t *va, uint64_t bytes) {
    frame_t frame;
    ss_block_id_t id;
    ss_contig_outcome_t outcome =
        ss_contig_take(begin(&s->w, &frame, "StorPortAllocateDmaMemory", 1), STORSIM_BLOCK_DMA, CONTIG(bytes), &id);
    storsim_status_t status = ss_call_end(&frame.call);
    if (status == STORSIM_OK) {
        CHECK_EQ(outcome, SS_CONTIG_OK);
        *va = va_of(&s->w, id);
    }
    return status;
}

static inline storsim_status_t scenario_hmb(scenario_t *s) {
    ss_page_extent_t extents[3];
    uint32_t count;
    uint64_t total;
    ss_pages_t *pages = ss_machine_pages(s->w.machine);
    storsim_status_t status =
        ss_pages_take_longest(pages, 9000, 1, 1, UINT64_MAX / 4096, 1, 4096, extents, 3, &count, &total);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_block_request_t request = {.kind = STORSIM_BLOCK_HMB, .size = total * 4096, .cache = 1, .owner = 1};
    status = ss_block_adopt(s->w.machine, &request, extents, count, &s->hmb);
    for (uint32_t i = 0; status != STORSIM_OK && i < count; i++) {
        ss_pages_give(pages, extents[i].first_pfn, extents[i].pages);
    }
    return status;
}

static inline storsim_status_t scenario_mdl(scenario_t *s, uint64_t *mdl, uint64_t va, uint32_t bytes) {
    ss_block_id_t id;
    storsim_status_t status = ss_mdl_make(s->w.machine, va, bytes, 1, &id);
    if (status == STORSIM_OK) {
        *mdl = va_of(&s->w, id);
    }
    return status;
}

static inline storsim_status_t scenario_build(scenario_t *s, uint64_t mdl) {
    frame_t frame;
    (void)ss_mdl_build(begin(&s->w, &frame, "StorPortBuildMdlForNonPagedPool", 1), mdl);
    return ss_call_end(&frame.call);
}

static inline storsim_status_t scenario_export(scenario_t *s) {
    storsim_allocation_t record;
    uint64_t size;
    CHECK(storsim_allocation_at(s->w.machine, s->pool[5], &record));
    return storsim_block_export(s->w.machine, record.block, true, &s->view, &size, &s->token);
}

/* Runs step n. NO_MEMORY means that nothing happened. */
static inline storsim_status_t scenario_step(scenario_t *s, int n) {
    storsim_machine_t *m = s->w.machine;
    uint8_t buffer[9000];
    ss_bus_result_t result;
    memset(buffer, n + 1, sizeof buffer);
    ss_block_request_t data = {.kind = STORSIM_BLOCK_SRB_DATA,
                               .size = 20000,
                               .highest = UINT64_MAX,
                               .node = STORSIM_NODE_ANY,
                               .cache = 1,
                               .owner = 1,
                               .scattered = true};
    switch (n) {
    case 0:
        return ss_owner_add(m, UINT64_MAX, UINT64_MAX, &s->owner);
    case 1:
        return scenario_pool(s, &s->pool[0], 100);
    case 2:
        return scenario_pool(s, &s->pool[1], 100);
    case 3:
        return scenario_pool(s, &s->pool[2], 1000);
    case 4:
        return scenario_pool(s, &s->pool[3], 30000);
    case 5:
        return scenario_contig(s, &s->contig[0], 5000);
    case 6:
        return scenario_contig(s, &s->contig[1], 3 << 20);
    case 7:
        return scenario_mdl(s, &s->mdl[0], s->pool[3], 30000);
    case 8:
        return scenario_build(s, s->mdl[0]);
    case 9:
        return scenario_mdl(s, &s->mdl[1], s->contig[1], 3 << 20);
    case 10:
        return scenario_build(s, s->mdl[1]);
    case 11:
        return scenario_hmb(s);
    case 12:
        return ss_register_range_make(m, SS_ROOM_HDAUDIO, 5, 4096, 1, &s->range_id);
    case 13:
        return storsim_event_create(m, &s->event);
    case 14:
        return storsim_event_set(m, s->event);
    case 15:
        return storsim_write_va(m, s->pool[3] + 100, buffer, 9000);
    case 16:
        return storsim_write_va(m, s->contig[0], buffer, 5000);
    case 17:
        return storsim_read_va(m, s->contig[1] + 4000, buffer, 9000);
    case 18:
        return ss_bus_add_device(m, false, true, &s->device);
    case 19:
        return ss_device_owner(m, s->device, 1);
    case 20: {
        storsim_status_t status = ss_bus_write(m, s->device, storsim_physical(m, s->contig[1]), buffer, 5000, &result);
        return status;
    }
    case 21:
        return ss_line_add(m, &s->line);
    case 22:
        return ss_interrupt_connect(m, s->line, 5, SS_ROOM_HDAUDIO, 1);
    case 23:
        return storsim_set_irql(m, 2, NULL);
    case 24:
        return ss_dpc_queue_late(m, SS_ROOM_HDAUDIO, 1, 2, 3, 1000);
    case 25:
        return ss_block_make(m, &data, &s->data);
    case 26:
        return ss_mdl_make_built(m, s->data, 100, 19000, 1, &s->built);
    case 27:
        return ss_mdl_set_mapping(m, s->built, va_of(&s->w, s->data) + 100);
    case 28:
        return storsim_override_irql(m, 1, 0, 5);
    case 29:
        pool_put(&s->w, s->pool[0], STORSIM_OK);
        return STORSIM_OK;
    case 30:
        contig_put(&s->w, STORSIM_BLOCK_DMA, s->contig[0], 5000, 1, 0, STORSIM_OK);
        return STORSIM_OK;
    case 31:
        return scenario_pool(s, &s->pool[4], 100);
    case 32:
        return scenario_pool(s, &s->pool[5], 3000);
    case 33:
        return scenario_export(s);
    case 34:
        ss_mdl_free(m, s->built);
        return storsim_block_unexport(m, s->token);
    case 35:
        pool_put(&s->w, s->pool[5], STORSIM_OK);
        return STORSIM_OK;
    case 36:
        return storsim_event_destroy(m, s->event);
    default:
        ss_block_free(m, s->hmb);
        return STORSIM_OK;
    }
}

#endif
