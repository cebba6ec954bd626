/* fuzz/target_journal.c: reads journals that were tampered with.
 *
 * Bytes that start with the magic of a journal are taken as they are, with the checks of their records made right (the length of a record
 * says where the next one starts), so that the reader sees what no honest program wrote. Other bytes are a program (fuzz.h), whose own
 * journal is read. A journal that is accepted can be walked through, written again to the same bytes, and replayed; a program's own journal
 * replays without a difference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/target.h"
#include "journal/journal_i.h"
#include "storsim/journal.h"

static void must(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "DIFFERENCE %s\n", what);
        abort();
    }
}

static void make_right(uint8_t *bytes, size_t length) {
    uint32_t check = 0;
    for (size_t at = SS_JOURNAL_HEAD; at + 8 <= length;) {
        uint32_t body = ss_get_u32(bytes + at);
        if (body > length - at - 8) {
            return;
        }
        check = ss_journal_check(check, bytes + at + 4, body);
        (void)ss_put_u32(bytes + at + 4 + body, check);
        at += (size_t)body + 8;
    }
}

static void use(storsim_journal_t *journal, bool honest) {
    storsim_journal_cursor_t *cursor;
    must(storsim_journal_open(journal, &cursor) == STORSIM_OK, "a decoded journal does not open");
    storsim_record_t record;
    bool end = false;
    size_t records = 0;
    while (storsim_journal_next(cursor, &record, &end) == STORSIM_OK && !end) {
        records++;
    }
    storsim_journal_close(cursor);
    must(end && records == storsim_journal_count(journal), "records got lost between decoding and reading");
    uint8_t *bytes;
    size_t length, where = 0;
    storsim_journal_t *again;
    must(storsim_journal_encode(journal, &bytes, &length) == STORSIM_OK, "a decoded journal does not encode");
    must(storsim_journal_decode(NULL, bytes, length, &again, &where) == STORSIM_OK, "an encoded journal does not decode");
    must(storsim_journal_count(again) == storsim_journal_count(journal), "a journal is another one after encoding");
    storsim_journal_free(journal, bytes);
    storsim_journal_destroy(again);
    storsim_replay_report_t report;
    storsim_status_t status = storsim_journal_replay(journal, NULL, NULL, &report);
    if (honest) {
        must(status == STORSIM_OK, "an honest journal does not replay");
        must(!report.different, report.text);
    }
}

static void read_bytes(const uint8_t *data, size_t size) {
    uint8_t *bytes = malloc(size);
    storsim_journal_t *journal;
    size_t where = 0;
    if (bytes == NULL) {
        return;
    }
    memcpy(bytes, data, size);
    make_right(bytes, size);
    storsim_status_t status = storsim_journal_decode(NULL, bytes, size, &journal, &where);
    if (status == STORSIM_OK) {
        use(journal, false);
        storsim_journal_destroy(journal);
    } else {
        must(status == STORSIM_FORMAT || status == STORSIM_NO_MEMORY, "a status that decoding does not have");
        must(where <= size, "an offset beyond the journal");
    }
    free(bytes);
}

/* --- a program's own journal ------------------------------------------------------------------------------------------ */

static void begins(void *context, storsim_machine_t *machine) {
    storsim_journal_t **journal = context;
    if (storsim_journal_create(NULL, journal) == STORSIM_OK) {
        (void)storsim_journal_attach(*journal, machine);
    }
}

static void ends(void *context, storsim_machine_t *machine) {
    storsim_journal_t **journal = context;
    (void)machine;
    (void)storsim_journal_seal(*journal);
    (void)storsim_journal_detach(*journal);
    use(*journal, true);
    storsim_journal_destroy(*journal);
    *journal = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size >= SS_JOURNAL_HEAD && memcmp(data, "STORSIMJ", 8) == 0) {
        read_bytes(data, size);
        return 0;
    }
    storsim_journal_t *journal = NULL;
    const fuzz_options_t options = {.begins = begins, .ends = ends, .context = &journal};
    fuzz_report_t report;
    (void)fuzz_run(data, size < 4000 ? size : 4000, &options, &report);
    return 0;
}
