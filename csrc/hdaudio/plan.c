/* hdaudio/plan.c: how large a buffer becomes, where it starts, and the descriptor list over it. Pure functions.
 *
 *     |<- offset ->|<----- first half ----->|<------ second half ------>|   two notifications: the halves
 *     |        page 0           |  page 1   |     page 2     |  page 3  |   meet at the end of a page
 *
 * Allowed sizes: whole sample blocks, at least two fragments of 128 bytes, at most 256 pages; with two notifications
 * both halves are whole blocks and multiples of 128 bytes, because fragments start on 128-byte boundaries.
 * Source: spec hdaudio-dma §7. */
#include "hdaudio/bus.h"

enum { FRAGMENT_ALIGN = 128, MIN_BUFFER = 256, MAX_ENTRIES = 256, MAX_BUFFER = MAX_ENTRIES * STORSIM_PAGE_SIZE };

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t storsim_hdaudio_buffer_size(uint32_t block, uint32_t notification, uint64_t requested, uint8_t rule) {
    if (rule == STORSIM_SIZE_EXACT) {
        return requested >= 1 && requested <= MAX_BUFFER ? requested : 0;
    }
    uint64_t unit = block ? block : 1;
    if (notification == 2) {
        unit = 2 * (unit / gcd(unit, FRAGMENT_ALIGN) * FRAGMENT_ALIGN);
    }
    uint64_t low = (MIN_BUFFER + unit - 1) / unit * unit, high = MAX_BUFFER / unit * unit;
    if (requested <= low) {
        return low;
    }
    if (requested >= high) {
        return high;
    }
    uint64_t below = requested / unit * unit, above = below + unit;
    if (below == requested) {
        return below;
    }
    return rule == STORSIM_SIZE_ROUND_UP || above - requested <= requested - below ? above : below;
}

uint32_t storsim_hdaudio_buffer_offset(uint64_t size, uint32_t notification) {
    if (notification != 2) {
        return 0;
    }
    return (uint32_t)((STORSIM_PAGE_SIZE - size / 2 % STORSIM_PAGE_SIZE) % STORSIM_PAGE_SIZE);
}

/* Appends the fragments of [from, to), cut at page ends; the last one interrupts when ioc. */
static uint32_t cut(storsim_hdaudio_entry_t *entries, uint32_t count, uint64_t from, uint64_t to, bool ioc) {
    while (from < to && count < MAX_ENTRIES) {
        uint64_t end = (from / STORSIM_PAGE_SIZE + 1) * STORSIM_PAGE_SIZE;
        end = end < to ? end : to;
        entries[count++] = (storsim_hdaudio_entry_t){from, (uint32_t)(end - from), ioc && end == to};
        from = end;
    }
    return count;
}

uint32_t storsim_hdaudio_plan(uint64_t size, uint32_t notification, bool d_ioc, storsim_hdaudio_entry_t entries[256]) {
    uint64_t start = storsim_hdaudio_buffer_offset(size, notification), end = start + size, middle = start + size / 2;
    if (notification == 2 && size >= 2) {
        return cut(entries, cut(entries, 0, start, middle, true), middle, end, true);
    }
    bool ioc = notification != 0 || d_ioc;
    uint64_t once = size / 2 / FRAGMENT_ALIGN * FRAGMENT_ALIGN;
    if (size <= STORSIM_PAGE_SIZE && once) { /* hardware wants two entries at least */
        return cut(entries, cut(entries, 0, start, start + once, false), start + once, end, ioc);
    }
    return cut(entries, 0, start, end, ioc);
}
