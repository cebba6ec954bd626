/* machine/site.c: interned call sites. A site is a small number for a pair of host numbers; the host resolves it for reports. */
#include "machine/machine_i.h"

void ss_sites_destroy(ss_sites_t *sites, ss_host_t *host) {
    ss_release(host, sites->list);
    ss_release(host, sites->hash);
}

void storsim_set_site(storsim_machine_t *machine, uint32_t site) {
    machine->head.where.site = site;
}

static uint32_t *place(const ss_sites_t *sites, uint64_t key1, uint64_t key2) {
    uint32_t mask = sites->hash_capacity - 1;
    for (uint32_t i = (uint32_t)ss_mix(key1, key2) & mask;; i = (i + 1) & mask) {
        uint32_t site = sites->hash[i];
        if (site == 0 || (sites->list[site - 1].key1 == key1 && sites->list[site - 1].key2 == key2)) {
            return &sites->hash[i];
        }
    }
}

static bool widen(ss_sites_t *sites, ss_host_t *host) {
    if (sites->count + 1 <= sites->hash_capacity / 2) {
        return true;
    }
    uint32_t capacity = sites->hash_capacity != 0 ? sites->hash_capacity * 2 : 64;
    /* unreachable: as many sites take more memory than a host has */
    uint32_t *hash = capacity != 0 ? ss_alloc_zeroed(host, capacity, sizeof *hash) : NULL;
    if (hash == NULL) {
        return false;
    }
    ss_release(host, sites->hash);
    sites->hash = hash;
    sites->hash_capacity = capacity;
    for (uint32_t site = 1; site <= sites->count; site++) {
        *place(sites, sites->list[site - 1].key1, sites->list[site - 1].key2) = site;
    }
    return true;
}

storsim_status_t storsim_site_intern(storsim_machine_t *machine, uint64_t key1, uint64_t key2, uint32_t *site) {
    ss_sites_t *sites = &machine->sites;
    void *array = sites->list;
    if (!widen(sites, &machine->plain)) {
        return STORSIM_NO_MEMORY;
    }
    uint32_t *found = place(sites, key1, key2);
    if (*found == 0) {
        if (!ss_grow(&machine->plain, &array, &sites->capacity, sites->count + 1, sizeof *sites->list)) {
            return STORSIM_NO_MEMORY;
        }
        sites->list = array;
        sites->list[sites->count].key1 = key1;
        sites->list[sites->count].key2 = key2;
        *found = ++sites->count;
    }
    *site = *found;
    return STORSIM_OK;
}

void storsim_set_c_site(storsim_machine_t *machine, const storsim_c_site_t *where) {
    uint32_t site = 0;
    /* The address of a static record identifies the place; it is a key only and never observable. */
    if (storsim_site_intern(machine, (uint64_t)(uintptr_t)where, 0, &site) != STORSIM_OK) {
        site = 0;
    }
    machine->head.where.site = site;
}
