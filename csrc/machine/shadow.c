/* machine/shadow.c: the CPU's view of pages that a device sees differently. See bus.h.
 *
 *   ranges   which pages are shadowed, and how                    set and cleared with the block they belong to
 *   pages    those that were touched: 4096 bytes, then 512 bytes  made at the first load or store, or when a device is about to
 *            of marks, one bit per byte                           write what the CPU counts as cached
 *
 * Host memory follows what is touched, not what is shadowed. */
#include "machine/machine_i.h"

#include <string.h>

enum { PAGE = 4096, MARKS = PAGE / 8, LINE = 64 };

typedef struct ss_shadow_range range_t;
typedef struct ss_shadow_page page_t;

/* Index of the first range that ends above pfn. */
static uint32_t range_after(const ss_shadows_t *shadows, uint64_t pfn) {
    uint32_t low = 0, high = shadows->range_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shadows->ranges[middle].pfn + shadows->ranges[middle].pages > pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static const range_t *range_of(const ss_shadows_t *shadows, uint64_t pfn) {
    uint32_t at = range_after(shadows, pfn);
    return at < shadows->range_count && shadows->ranges[at].pfn <= pfn ? &shadows->ranges[at] : NULL;
}

static uint32_t page_index(const ss_shadows_t *shadows, uint64_t pfn) {
    uint32_t low = 0, high = shadows->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shadows->pages[middle].pfn >= pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static page_t *page_of(const ss_shadows_t *shadows, uint64_t pfn) {
    uint32_t at = page_index(shadows, pfn);
    return at < shadows->page_count && shadows->pages[at].pfn == pfn ? &shadows->pages[at] : NULL;
}

static void drop_page(ss_shadows_t *shadows, ss_host_t *host, uint32_t at) {
    shadows->combining_count -= shadows->pages[at].combining ? 1 : 0;
    ss_release(host, shadows->pages[at].bytes);
    memmove(shadows->pages + at, shadows->pages + at + 1, (shadows->page_count - at - 1) * sizeof *shadows->pages);
    shadows->page_count--;
}

/* The page's own view, made if it is not there. A cached page starts as memory is now. */
static storsim_status_t touch(storsim_machine_t *machine, uint64_t pfn, bool combining, page_t **page) {
    ss_shadows_t *shadows = &machine->hardware.bus.shadow;
    *page = page_of(shadows, pfn);
    if (*page != NULL) {
        return STORSIM_OK;
    }
    void *array = shadows->pages;
    if (!ss_grow(&machine->host, &array, &shadows->page_capacity, shadows->page_count + 1, sizeof *shadows->pages)) {
        return STORSIM_NO_MEMORY;
    }
    shadows->pages = array;
    uint8_t *bytes = ss_alloc_zeroed(&machine->host, 1, PAGE + MARKS);
    if (bytes == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status = combining ? STORSIM_OK : ss_ram_read(machine->hardware.ram, pfn * PAGE, bytes, PAGE);
    if (status != STORSIM_OK) {
        ss_release(&machine->host, bytes);
        return status;
    }
    uint32_t at = page_index(shadows, pfn);
    memmove(shadows->pages + at + 1, shadows->pages + at, (shadows->page_count - at) * sizeof *shadows->pages);
    shadows->pages[at] = (page_t){.pfn = pfn, .bytes = bytes, .combining = combining};
    shadows->page_count++;
    shadows->combining_count += combining ? 1 : 0;
    *page = &shadows->pages[at];
    return STORSIM_OK;
}

/* --- ranges ----------------------------------------------------------------------------------------------------------- */

static void forget(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages) {
    ss_shadows_t *shadows = &machine->hardware.bus.shadow;
    if (shadows->range_count == 0) {
        return;
    }
    uint32_t from = range_after(shadows, first_pfn), to = from;
    while (to < shadows->range_count && shadows->ranges[to].pfn < first_pfn + pages) {
        to++;
    }
    if (to != from) {
        memmove(shadows->ranges + from, shadows->ranges + to, (shadows->range_count - to) * sizeof *shadows->ranges);
        shadows->range_count -= to - from;
    }
    for (uint32_t at = page_index(shadows, first_pfn); at < shadows->page_count && shadows->pages[at].pfn < first_pfn + pages;) {
        drop_page(shadows, &machine->host, at);
    }
}

static storsim_status_t add(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages, bool combining) {
    ss_shadows_t *shadows = &machine->hardware.bus.shadow;
    forget(machine, first_pfn, pages);
    if (pages == 0) {
        return STORSIM_OK;
    }
    void *array = shadows->ranges;
    if (!ss_grow(&machine->host, &array, &shadows->range_capacity, shadows->range_count + 1, sizeof *shadows->ranges)) {
        return STORSIM_NO_MEMORY;
    }
    shadows->ranges = array;
    uint32_t at = range_after(shadows, first_pfn);
    memmove(shadows->ranges + at + 1, shadows->ranges + at, (shadows->range_count - at) * sizeof *shadows->ranges);
    shadows->ranges[at] = (range_t){.pfn = first_pfn, .pages = pages, .combining = combining};
    shadows->range_count++;
    return STORSIM_OK;
}

storsim_status_t ss_bus_shadow(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages, bool on) {
    if (on) {
        return add(machine, first_pfn, pages, false);
    }
    forget(machine, first_pfn, pages);
    return STORSIM_OK;
}

storsim_status_t ss_bus_shadow_combining(storsim_machine_t *machine, uint64_t first_pfn, uint64_t pages) {
    return add(machine, first_pfn, pages, true);
}

/* --- marks -------------------------------------------------------------------------------------------------------------- */

static bool marked(const page_t *page, uint32_t at) {
    return (page->bytes[PAGE + at / 8] >> (at % 8) & 1) != 0;
}

static void mark(page_t *page, uint32_t from, uint32_t to, bool on) {
    for (uint32_t at = from; at < to; at++) {
        uint8_t bit = (uint8_t)(1u << (at % 8));
        page->bytes[PAGE + at / 8] = (uint8_t)(on ? page->bytes[PAGE + at / 8] | bit : page->bytes[PAGE + at / 8] & ~bit);
    }
}

/* Writes marked bytes of [from, to) to memory and clears their marks. */
static storsim_status_t write_back(storsim_machine_t *machine, page_t *page, uint32_t from, uint32_t to) {
    for (uint32_t at = from; at < to;) {
        uint32_t end = at;
        while (end < to && marked(page, end)) {
            end++;
        }
        if (end > at) {
            storsim_status_t status = ss_ram_write(machine->hardware.ram, page->pfn * PAGE + at, page->bytes + at, end - at);
            if (status != STORSIM_OK) {
                return status;
            }
            mark(page, at, end, false);
        }
        at = end + 1;
    }
    return STORSIM_OK;
}

/* --- the CPU's operations, a page at a time --------------------------------------------------------------------------------- */

static storsim_status_t load(storsim_machine_t *machine, uint64_t physical, uint8_t *into, size_t bytes) {
    const range_t *range = range_of(&machine->hardware.bus.shadow, physical / PAGE);
    page_t *page;
    uint32_t offset = (uint32_t)(physical % PAGE);
    if (range == NULL) {
        return ss_ram_read(machine->hardware.ram, physical, into, bytes);
    }
    storsim_status_t status = touch(machine, physical / PAGE, range->combining, &page);
    if (status == STORSIM_OK && page->combining) {
        status = ss_ram_read(machine->hardware.ram, physical, into, bytes);
        for (size_t i = 0; status == STORSIM_OK && i < bytes; i++) {
            into[i] = marked(page, offset + (uint32_t)i) ? page->bytes[offset + i] : into[i];
        }
    } else if (status == STORSIM_OK) {
        memcpy(into, page->bytes + offset, bytes);
    }
    return status;
}

static storsim_status_t save(storsim_machine_t *machine, uint64_t physical, const uint8_t *from, size_t bytes) {
    const range_t *range = range_of(&machine->hardware.bus.shadow, physical / PAGE);
    page_t *page;
    uint32_t offset = (uint32_t)(physical % PAGE), end = offset + (uint32_t)bytes;
    if (range == NULL) {
        return ss_ram_write(machine->hardware.ram, physical, from, bytes);
    }
    storsim_status_t status = touch(machine, physical / PAGE, range->combining, &page);
    if (status == STORSIM_OK) {
        memcpy(page->bytes + offset, from, bytes);
        bool lines = !page->combining;
        mark(page, lines ? offset / LINE * LINE : offset, lines ? (end + LINE - 1) / LINE * LINE : end, true);
    }
    return status;
}

static storsim_status_t flush(storsim_machine_t *machine, uint64_t physical, size_t bytes) {
    ss_shadows_t *shadows = &machine->hardware.bus.shadow;
    page_t *page = page_of(shadows, physical / PAGE);
    uint32_t offset = (uint32_t)(physical % PAGE), end = offset + (uint32_t)bytes;
    if (page == NULL) {
        return STORSIM_OK;
    }
    return page->combining ? write_back(machine, page, offset, end)
                           : write_back(machine, page, offset / LINE * LINE, (end + LINE - 1) / LINE * LINE);
}

/* Lines that lie only partly in the range are written back first, so that a neighbour's stores survive. */
static storsim_status_t invalidate(storsim_machine_t *machine, uint64_t physical, size_t bytes) {
    page_t *page = page_of(&machine->hardware.bus.shadow, physical / PAGE);
    uint32_t offset = (uint32_t)(physical % PAGE), end = offset + (uint32_t)bytes;
    uint32_t first = offset / LINE * LINE, last = (end + LINE - 1) / LINE * LINE;
    if (page == NULL || page->combining || bytes == 0) { /* unreachable: nobody asks for a piece of nothing */
        return STORSIM_OK;
    }
    storsim_status_t status = STORSIM_OK;
    if (offset != first) {
        status = write_back(machine, page, first, first + LINE);
    }
    if (status == STORSIM_OK && end != last) {
        status = write_back(machine, page, last - LINE, last);
    }
    if (status == STORSIM_OK) {
        status = ss_ram_read(machine->hardware.ram, page->pfn * PAGE + first, page->bytes + first, last - first);
    }
    if (status == STORSIM_OK) {
        mark(page, first, last, false);
    }
    return status;
}

typedef enum operation { LOAD, SAVE, FLUSH, INVALIDATE } operation_t;

static storsim_status_t pagewise(storsim_machine_t *machine, operation_t operation, uint64_t physical, uint8_t *into, const uint8_t *from,
                                 uint64_t bytes) {
    for (uint64_t done = 0; done < bytes;) {
        uint64_t at = physical + done, rest = PAGE - at % PAGE;
        size_t step = (size_t)(rest < bytes - done ? rest : bytes - done);
        storsim_status_t status = STORSIM_OK;
        switch (operation) { /* unreachable: no other operation */
        case LOAD: status = load(machine, at, into + done, step); break;
        case SAVE: status = save(machine, at, from + done, step); break;
        case FLUSH: status = flush(machine, at, step); break;
        case INVALIDATE: status = invalidate(machine, at, step); break;
        }
        if (status != STORSIM_OK) {
            return status;
        }
        done += step;
    }
    return STORSIM_OK;
}

storsim_status_t ss_bus_cpu_read(storsim_machine_t *machine, uint64_t physical, void *buffer, size_t bytes) {
    return pagewise(machine, LOAD, physical, buffer, NULL, bytes);
}

storsim_status_t ss_bus_cpu_write(storsim_machine_t *machine, uint64_t physical, const void *buffer, size_t bytes) {
    return pagewise(machine, SAVE, physical, NULL, buffer, bytes);
}

storsim_status_t ss_bus_flush(storsim_machine_t *machine, uint64_t physical, uint64_t bytes) {
    return machine->hardware.bus.shadow.page_count != 0 ? pagewise(machine, FLUSH, physical, NULL, NULL, bytes) : STORSIM_OK;
}

storsim_status_t ss_bus_invalidate(storsim_machine_t *machine, uint64_t physical, uint64_t bytes) {
    return machine->hardware.bus.shadow.page_count != 0 ? pagewise(machine, INVALIDATE, physical, NULL, NULL, bytes) : STORSIM_OK;
}

storsim_status_t ss_bus_drain(storsim_machine_t *machine) {
    ss_shadows_t *shadows = &machine->hardware.bus.shadow;
    /* unreachable: the count says that there is one */
    for (uint32_t at = 0; shadows->combining_count != 0 && at < shadows->page_count;) {
        page_t *page = &shadows->pages[at];
        if (!page->combining) {
            at++;
            continue;
        }
        storsim_status_t status = write_back(machine, page, 0, PAGE);
        if (status != STORSIM_OK) {
            return status;
        }
        drop_page(shadows, &machine->host, at);
    }
    return STORSIM_OK;
}

/* --- state ----------------------------------------------------------------------------------------------------------------- */

void ss_shadow_destroy(ss_shadows_t *shadows, ss_host_t *host) {
    for (uint32_t i = 0; i < shadows->page_count; i++) {
        ss_release(host, shadows->pages[i].bytes);
    }
    ss_release(host, shadows->pages);
    ss_release(host, shadows->ranges);
}

static bool make_room(ss_shadows_t *shadows, ss_host_t *host, uint64_t ranges, uint64_t pages) {
    void *array = shadows->ranges;
    if (!ss_grow(host, &array, &shadows->range_capacity, (uint32_t)ranges, sizeof *shadows->ranges)) {
        return false;
    }
    shadows->ranges = array;
    array = shadows->pages;
    if (!ss_grow(host, &array, &shadows->page_capacity, (uint32_t)pages, sizeof *shadows->pages)) {
        return false;
    }
    shadows->pages = array;
    return true;
}

/* Nothing waits in it and no device wrote behind it: nobody can tell it from a page that was never touched, so the digest leaves it
 * out. */
static bool idle(const page_t *page) {
    for (uint32_t i = 0; i < MARKS; i++) {
        if (page->bytes[PAGE + i] != 0) {
            return false;
        }
    }
    return !page->stale;
}

static void walk_page(ss_shadows_t *shadows, ss_host_t *host, ss_codec_t *codec, uint64_t index) {
    page_t *page = &shadows->pages[index];
    if (ss_codec_loading(codec)) {
        uint8_t *bytes = ss_alloc_zeroed(host, 1, PAGE + MARKS);
        if (bytes == NULL) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        *page = (page_t){.bytes = bytes};
        shadows->page_count++;
    } else if (codec->mode == SS_DIGEST && idle(page)) {
        return;
    }
    ss_codec_u64(codec, &page->pfn);
    ss_codec_bool(codec, &page->combining);
    ss_codec_bool(codec, &page->stale);
    ss_codec_bytes(codec, page->bytes, PAGE + MARKS);
    shadows->combining_count += ss_codec_loading(codec) && page->combining ? 1 : 0;
}

void ss_shadow_walk(ss_shadows_t *shadows, ss_host_t *host, ss_codec_t *codec) {
    uint64_t ranges = shadows->range_count, pages = shadows->page_count;
    ss_codec_count(codec, &ranges, 17, UINT32_MAX / 2);
    if (ss_codec_hidden(codec)) {
        ss_codec_count(codec, &pages, 10 + PAGE + MARKS, UINT32_MAX / 2);
    }
    if (ss_codec_loading(codec)) {
        if (!make_room(shadows, host, ranges, pages)) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        shadows->range_count = (uint32_t)ranges;
    }
    for (uint64_t i = 0; i < ranges; i++) {
        range_t range = {0};
        if (!ss_codec_loading(codec)) {
            range = shadows->ranges[i];
        }
        ss_codec_u64(codec, &range.pfn);
        ss_codec_u64(codec, &range.pages);
        ss_codec_bool(codec, &range.combining);
        shadows->ranges[i] = range;
    }
    for (uint64_t i = 0; i < pages && ss_codec_ok(codec); i++) {
        walk_page(shadows, host, codec, i);
    }
}

size_t ss_shadow_check(const ss_shadows_t *shadows) {
    size_t broken = 0;
    uint32_t combining = 0;
    for (uint32_t i = 0; i < shadows->range_count; i++) {
        const range_t *range = &shadows->ranges[i];
        broken += range->pages == 0 || range->pfn > UINT64_MAX - range->pages;
        broken += i > 0 && range[-1].pfn + range[-1].pages > range->pfn;
    }
    for (uint32_t i = 0; i < shadows->page_count; i++) {
        const range_t *range = broken == 0 ? range_of(shadows, shadows->pages[i].pfn) : NULL;
        broken += i > 0 && shadows->pages[i - 1].pfn >= shadows->pages[i].pfn;
        broken += range == NULL || range->combining != shadows->pages[i].combining;
        combining += shadows->pages[i].combining ? 1 : 0;
    }
    return broken + (combining != shadows->combining_count);
}
