/* journal/bytes.c: a journal as a file, and back. The policy stands in storsim/journal.h. */
#include <string.h>

#include "journal/journal_i.h"

static const uint8_t MAGIC[8] = {'S', 'T', 'O', 'R', 'S', 'I', 'M', 'J'};

#define PRIME UINT64_C(0x9E3779B97F4A7C15)

uint64_t ss_hash_bytes(const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    uint64_t hash = PRIME ^ length;
    for (; length >= 8; length -= 8, at += 8) {
        hash = (hash ^ ss_get_u64(at)) * PRIME;
        hash ^= hash >> 29;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < length; i++) {
        rest |= (uint64_t)at[i] << (8 * i);
    }
    hash = (hash ^ rest) * PRIME;
    return hash ^ hash >> 32;
}

/* Codec transfers count as two numbers of 64 bits each, so that neither the padding nor the byte order of a host shows. */
uint64_t ss_callback_bytes(const storsim_callback_t *callback) {
    bool transfers = callback->kind == STORSIM_CB_HDA_TRANSFER;
    return transfers ? callback->data_bytes / sizeof(storsim_codec_transfer_t) * 16 : callback->data_bytes;
}

uint64_t ss_callback_hash(const storsim_callback_t *callback) {
    if (callback->data == NULL || callback->kind == STORSIM_CB_CODEC_SOURCE) {
        return 0;
    }
    if (callback->kind != STORSIM_CB_HDA_TRANSFER) {
        return ss_hash_bytes(callback->data, callback->data_bytes);
    }
    const storsim_codec_transfer_t *items = callback->data;
    uint64_t hash = PRIME ^ ss_callback_bytes(callback);
    for (size_t i = 0; i < callback->data_bytes / sizeof *items; i++) {
        const uint64_t numbers[2] = {items[i].Output, items[i].Input};
        for (size_t j = 0; j < 2; j++) {
            hash = (hash ^ numbers[j]) * PRIME;
            hash ^= hash >> 29;
        }
    }
    hash *= PRIME;
    return hash ^ hash >> 32;
}

uint32_t ss_journal_check(uint32_t before, const uint8_t *body, size_t length) {
    uint64_t hash = ss_mix(ss_hash_bytes(body, length), before);
    return (uint32_t)(hash ^ hash >> 32);
}

void ss_journal_head(uint8_t head[SS_JOURNAL_HEAD]) {
    memcpy(head, MAGIC, sizeof MAGIC);
    (void)ss_put_u32(head + 8, STORSIM_JOURNAL_VERSION);
}

storsim_status_t storsim_journal_encode(storsim_journal_t *journal, uint8_t **bytes, size_t *length) {
    uint64_t total = SS_JOURNAL_HEAD + journal->bytes + 4 * (uint64_t)journal->records;
    /* unreachable: the records are in memory already */
    uint8_t *made = total <= SIZE_MAX / 2 ? ss_alloc(&journal->host, (size_t)total) : NULL;
    if (made == NULL) {
        return STORSIM_NO_MEMORY;
    }
    ss_journal_head(made);
    uint8_t *at = made + SS_JOURNAL_HEAD;
    uint32_t check = 0;
    for (const ss_journal_block_t *block = journal->first; block != NULL; block = block->next) {
        for (size_t position = 0; position < block->used;) {
            uint32_t body = ss_get_u32(block->bytes + position);
            memcpy(at, block->bytes + position, body + 4u);
            check = ss_journal_check(check, at + 4, body);
            at = ss_put_u32(at + 4 + body, check);
            position += body + 4u;
        }
    }
    *bytes = made;
    *length = (size_t)(at - made);
    return STORSIM_OK;
}

void storsim_journal_free(storsim_journal_t *journal, uint8_t *bytes) {
    ss_release(&journal->host, bytes);
}

/* --- reading a file --------------------------------------------------------------------------------------------------- */

/* Whether records stand where they may: results belong to the innermost open call, answers to the innermost open callback. */
typedef struct nesting {
    uint8_t *kinds; /* CALL or CALLBACK */
    uint16_t *ids;
    uint32_t depth, capacity, ids_capacity;
} nesting_t;

static storsim_status_t push(ss_host_t *host, nesting_t *nesting, storsim_record_kind_t kind, uint16_t id) {
    void *kinds = nesting->kinds, *ids = nesting->ids;
    if (!ss_grow(host, &kinds, &nesting->capacity, nesting->depth + 1, 1)) {
        return STORSIM_NO_MEMORY;
    }
    nesting->kinds = kinds;
    if (!ss_grow(host, &ids, &nesting->ids_capacity, nesting->depth + 1, sizeof(uint16_t))) {
        return STORSIM_NO_MEMORY;
    }
    nesting->ids = ids;
    nesting->kinds[nesting->depth] = (uint8_t)kind;
    nesting->ids[nesting->depth++] = id;
    return STORSIM_OK;
}

static storsim_status_t place(ss_host_t *host, nesting_t *nesting, const storsim_record_t *record, size_t index) {
    uint8_t top = nesting->depth != 0 ? nesting->kinds[nesting->depth - 1] : 0;
    switch (record->kind) { /* unreachable: a record that was parsed has one of these kinds */
    case STORSIM_RECORD_MACHINE: return index == 0 ? STORSIM_OK : STORSIM_FORMAT;
    case STORSIM_RECORD_CALL:
        return index != 0 && top != STORSIM_RECORD_CALL ? push(host, nesting, record->kind, record->operation.id) : STORSIM_FORMAT;
    case STORSIM_RECORD_CALLBACK: return top == STORSIM_RECORD_CALL ? push(host, nesting, record->kind, 0) : STORSIM_FORMAT;
    case STORSIM_RECORD_RETURN:
        if (top != STORSIM_RECORD_CALL || nesting->ids[nesting->depth - 1] != record->operation.id) {
            return STORSIM_FORMAT;
        }
        nesting->depth--;
        return STORSIM_OK;
    case STORSIM_RECORD_ANSWER:
        if (top != STORSIM_RECORD_CALLBACK) {
            return STORSIM_FORMAT;
        }
        nesting->depth--;
        return STORSIM_OK;
    case STORSIM_RECORD_STORE: return index != 0 && top != STORSIM_RECORD_CALL ? STORSIM_OK : STORSIM_FORMAT;
    case STORSIM_RECORD_NOTE: return index != 0 ? STORSIM_OK : STORSIM_FORMAT;
    case STORSIM_RECORD_SEAL: return index != 0 && nesting->depth == 0 ? STORSIM_OK : STORSIM_FORMAT;
    }
    return STORSIM_FORMAT; /* unreachable: see above */
}

/* All whole records; *at: where the reading stopped. */
static storsim_status_t take_records(storsim_journal_t *journal, const uint8_t *bytes, size_t length, size_t *at) {
    nesting_t nesting = {0};
    storsim_status_t status = STORSIM_OK;
    uint32_t check = 0, site = 0;
    while (status == STORSIM_OK && length - *at >= 8) {
        uint32_t body = ss_get_u32(bytes + *at);
        storsim_record_t record;
        if (body > length - *at - 8) {
            break;
        }
        const uint8_t *start = bytes + *at + 4;
        check = ss_journal_check(check, start, body);
        status = check == ss_get_u32(start + body) ? ss_parse(start, body, &site, NULL, &record) : STORSIM_FORMAT;
        status = status == STORSIM_OK ? place(&journal->host, &nesting, &record, journal->records) : status;
        status = status == STORSIM_OK ? ss_journal_append(journal, start, body) : status;
        if (status == STORSIM_OK) {
            journal->calls += record.kind == STORSIM_RECORD_CALL;
            journal->sealed = record.kind == STORSIM_RECORD_SEAL;
            *at += body + 8u;
        }
    }
    /* What is left is the beginning of a record that never got whole. A length no record has is damage all the same. */
    if (status == STORSIM_OK && *at != length) {
        journal->torn = true;
        if (length - *at >= 4 && (ss_get_u32(bytes + *at) > SS_RECORD_LIMIT || ss_get_u32(bytes + *at) == 0)) {
            status = STORSIM_FORMAT;
        }
    }
    ss_release(&journal->host, nesting.kinds);
    ss_release(&journal->host, nesting.ids);
    return status;
}

storsim_status_t storsim_journal_decode(const storsim_host_t *host, const uint8_t *bytes, size_t length, storsim_journal_t **journal,
                                        size_t *where) {
    const storsim_journal_options_t options = {.host = host, .memory_limit = UINT64_MAX};
    storsim_journal_t *made;
    size_t at = 0;
    storsim_status_t status = storsim_journal_create(&options, &made);
    if (status != STORSIM_OK) {
        return status;
    }
    if (length < SS_JOURNAL_HEAD || memcmp(bytes, MAGIC, sizeof MAGIC) != 0) {
        status = STORSIM_FORMAT;
    } else if (ss_get_u32(bytes + 8) == 0 || ss_get_u32(bytes + 8) > STORSIM_JOURNAL_VERSION) {
        status = STORSIM_FORMAT;
        at = 8;
    } else {
        at = SS_JOURNAL_HEAD;
        made->used = true;
        status = take_records(made, bytes, length, &at);
    }
    if (status != STORSIM_OK) {
        if (where != NULL) {
            *where = at;
        }
        storsim_journal_destroy(made);
        return status;
    }
    *journal = made;
    return STORSIM_OK;
}
