/* nt/words.c: what the two numbers of a finding say, rule by rule, and how ids and codes are spelled in texts. */
#include "nt/nt_i.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef enum sense {
    SENSE_PLAIN,    /* what was expected, what was found, as numbers */
    SENSE_NOTHING,  /* the numbers repeat what the text says elsewhere */
    SENSE_BYTES,    /* a size twice: as it is, as it was given */
    SENSE_LEAK,     /* violation: bytes of one block; bugcheck: number of leaks */
    SENSE_OVERRUN,  /* size of the block, distance of the damage from its end */
    SENSE_CACHE,    /* cache types */
    SENSE_KIND,     /* kinds of allocation */
    SENSE_ADDRESS,  /* addresses */
    SENSE_BLOCK,    /* the block's start, the address given */
    SENSE_TAG,      /* a pool tag */
    SENSE_OWNER,    /* adapters */
    SENSE_LIMIT,    /* the highest allowed, what was given */
    SENSE_LIST,     /* entries of a list */
    SENSE_DIRECTION, /* directions of a transfer */
    SENSE_CALLBACK, /* contexts: the number says nothing to a reader */
    SENSE_COUNT,    /* a count of what was left */
    SENSE_BYTE,     /* one byte of a pattern */
    SENSE_HEADER    /* header words */
} sense_t;

static sense_t sense_of(ss_rule_id_t rule, bool stop) {
    switch (rule) {
    case SS_SIZE_MISMATCH:
    case SS_UNCACHED_SHORT: return SENSE_BYTES;
    case SS_POOL_LEAK:
    case SS_CONTIGUOUS_LEAK:
    case SS_DMA_LEAK:
    case SS_MDL_LEAK:
    case SS_REGISTRY_LEAK:
    case SS_HMB_LEAK:
    case SS_SG_LEAK:
    case SS_BUFFER_LEAK: return SENSE_LEAK;
    case SS_OVERRUN: return SENSE_OVERRUN;
    case SS_CACHE_MISMATCH:
    case SS_CACHE_ALIAS:
    case SS_BAD_CACHE_TYPE: return SENSE_CACHE;
    case SS_WRONG_FREE_ROUTINE: return SENSE_KIND;
    case SS_PA_MISMATCH: return SENSE_ADDRESS;
    case SS_INTERIOR_POINTER: return SENSE_BLOCK;
    case SS_BAD_TAG: return SENSE_TAG;
    case SS_WRONG_ADAPTER: return stop ? SENSE_PLAIN : SENSE_OWNER;
    case SS_BAD_NODE:
    case SS_BAD_IRQL:
    case SS_HMB_ENTRIES: return SENSE_LIMIT;
    case SS_HMB_PARTIAL:
    case SS_HMB_MODIFIED:
    case SS_HMB_REORDERED: return SENSE_LIST;
    case SS_SG_DIRECTION: return SENSE_DIRECTION;
    case SS_BAD_CONTEXT: return SENSE_CALLBACK;
    case SS_INTERFACE_LEAK: return SENSE_COUNT;
    case SS_SPECIAL_POOL_PATTERN: return SENSE_BYTE;
    case SS_POOL_HEADER_DAMAGED: return SENSE_HEADER;
    case SS_DOUBLE_FREE:
    case SS_DMA_DOUBLE_FREE:
    case SS_BAD_CONTIGUOUS_FREE:
    case SS_NOT_POOL:
    case SS_NOT_AN_MDL:
    case SS_CONTIGUOUS_FREED_AS_POOL:
    case SS_USER_ADDRESS:
    case SS_FOREIGN_DEVEXT:
    case SS_USE_AFTER_REMOVE:
    case SS_UNKNOWN_ADDRESS:
    case SS_MISSING_SRB:
    case SS_HMB_ALREADY_ALLOCATED:
    case SS_SG_DOUBLE_PUT:
    case SS_StorPortAllocatePool:
    case SS_ENGINE_LEAK:
    case SS_REGISTRATION_LEAK: return SENSE_NOTHING;
    default: return SENSE_PLAIN;
    }
}

static const char *cache_name(uint64_t cache) {
    static const char *const names[] = {"MmNonCached",          "MmCached",      "MmWriteCombined", "MmHardwareCoherentCached",
                                        "MmNonCachedUnordered", "MmUSWCCached", "MmMaximumCacheType"};
    return cache < sizeof names / sizeof names[0] ? names[cache] : cache == UINT64_MAX ? "MmNotMapped" : "no cache type";
}

static size_t length(int count) {
    return count > 0 ? (size_t)count : 0; /* unreachable: none of these formats can fail */
}

static size_t overrun(const storsim_finding_t *finding, char *text, size_t capacity) {
    int64_t past = (int64_t)finding->got;
    if (past < 0 && -past > (int64_t)finding->expected) {
        return length(snprintf(text, capacity, "%" PRId64 " bytes before the start of a block of %" PRIu64 " bytes",
                               -past - (int64_t)finding->expected, finding->expected));
    }
    return length(snprintf(text, capacity, "byte %" PRId64 " past the end of a block of %" PRIu64 " bytes was changed", past + 1,
                           finding->expected));
}

static size_t tag(uint64_t value, char *text, size_t capacity) {
    char letters[5] = "";
    for (unsigned i = 0; i < 4; i++) {
        uint8_t c = (uint8_t)(value >> (8 * i));
        letters[i] = (char)(c >= 0x20 && c < 0x7F ? c : '.');
    }
    return value == 0 ? length(snprintf(text, capacity, "tag 0"))
                      : length(snprintf(text, capacity, "tag '%s' (0x%08" PRIX64 ")", letters, value));
}

static size_t leak(const storsim_finding_t *finding, char *text, size_t capacity) {
    if (finding->kind == STORSIM_BUG_CHECK) {
        return length(snprintf(text, capacity, "%" PRIu64 " allocation%s left", finding->got, finding->got == 1 ? "" : "s"));
    }
    return length(snprintf(text, capacity, "%" PRIu64 " byte%s", finding->got, finding->got == 1 ? "" : "s"));
}

static size_t plain(uint64_t expected, uint64_t got, char *text, size_t capacity) {
    if (expected == 0 && got == 0) {
        return 0;
    }
    if (expected == 0) {
        return length(snprintf(text, capacity, "got 0x%" PRIx64 " (%" PRIu64 ")", got, got));
    }
    return length(snprintf(text, capacity, "expected 0x%" PRIx64 " (%" PRIu64 "), got 0x%" PRIx64 " (%" PRIu64 ")", expected,
                           expected, got, got));
}

static size_t put_sense(sense_t sense, const storsim_finding_t *finding, char *text, size_t capacity) {
    uint64_t a = finding->expected, b = finding->got;
    switch (sense) {
    case SENSE_NOTHING:
    case SENSE_CALLBACK: return 0;
    case SENSE_BYTES: return length(snprintf(text, capacity, "%" PRIu64 " bytes were allocated, %" PRIu64 " given", a, b));
    case SENSE_LEAK: return leak(finding, text, capacity);
    case SENSE_OVERRUN: return overrun(finding, text, capacity);
    case SENSE_CACHE:
        return finding->name == ss_rules[SS_BAD_CACHE_TYPE].name
                   ? length(snprintf(text, capacity, "%" PRId64 " (%s)", (int64_t)b, cache_name(b)))
                   : length(snprintf(text, capacity, "allocated %s, now %s", cache_name(a), cache_name(b)));
    case SENSE_KIND:
        return a == 0 ? 0
                      : length(snprintf(text, capacity, "%s memory freed as %s memory",
                                        storsim_block_kind_text((storsim_block_kind_t)a),
                                        storsim_block_kind_text((storsim_block_kind_t)b)));
    case SENSE_ADDRESS: return length(snprintf(text, capacity, "0x%" PRIX64 " was returned, 0x%" PRIX64 " given", a, b));
    case SENSE_BLOCK:
        return a == 0 ? 0 : length(snprintf(text, capacity, "the block starts at 0x%" PRIX64 ", 0x%" PRIX64 " was given", a, b));
    case SENSE_TAG: return tag(b, text, capacity);
    case SENSE_OWNER:
        return a == 0 ? 0 : length(snprintf(text, capacity, "it belongs to adapter %" PRIu64 ", the call named adapter %" PRIu64, a, b));
    case SENSE_LIMIT: return length(snprintf(text, capacity, "at most %" PRIu64 " is allowed, got %" PRIu64, a, b));
    case SENSE_LIST: return length(snprintf(text, capacity, "%" PRIu64 " ranges were returned, %" PRIu64 " given", a, b));
    case SENSE_DIRECTION:
        return length(snprintf(text, capacity, "built %s the device, put %s it", a != 0 ? "to" : "from", b != 0 ? "to" : "from"));
    case SENSE_COUNT: return length(snprintf(text, capacity, "%" PRIu64 " left", b));
    case SENSE_BYTE: return length(snprintf(text, capacity, "a byte of the pattern is 0x%02" PRIX64 ", not 0x%02" PRIX64, b, a));
    case SENSE_HEADER: return length(snprintf(text, capacity, "the header is 0x%016" PRIX64 ", not 0x%016" PRIX64, b, a));
    case SENSE_PLAIN:
    default: return plain(a, b, text, capacity); /* unreachable: every sense has its case */
    }
}

static size_t numbers(const storsim_finding_t *finding, char *text, size_t capacity) {
    for (int rule = 0; rule < SS_RULE_COUNT; rule++) {
        if (finding->name == ss_rules[rule].name) {
            return put_sense(sense_of((ss_rule_id_t)rule, finding->kind == STORSIM_BUG_CHECK), finding, text, capacity);
        }
    }
    return plain(finding->expected, finding->got, text, capacity); /* the chip's own */
}

static const char *routine_name(uint16_t routine) {
    const storsim_routine_t *row = storsim_ddi_routine(routine);
    return row != NULL ? row->name : NULL;
}

static const char *parameter_name(uint16_t routine, uint8_t index) {
    const storsim_routine_t *row = storsim_ddi_routine(routine);
    return row != NULL && index < row->param_count ? row->params[index].name : NULL;
}

const ss_namer_t nt_namer = {routine_name, parameter_name, storsim_bugcheck_name, numbers};
