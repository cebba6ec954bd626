/* proofs/pages_bits.c: what the page allocator computes inside a pair of words, against what it means page by page.
 *
 * Bit i of the pair (low, high) is page i, 0 … 127, 1 = free. A start is a page i of the low word from which `length` pages are free.
 * For every pair, every length of 1 … 64 and every page (any_page below is each page at once):
 *   starts     starts_in and starts_in_word: bit i is set exactly if i is a start (in the second, of a stretch inside the word)
 *   highest    highest_in_word finds the highest start, or a negative number when there is none
 *   inside     longest_inside is at least the length of every stretch inside the word
 *   across     after a block is taken at the highest start, exactly its pages are gone, and what highest_in_word says of the stretch that
 *              goes on in the next word is at least its length: with inside, the bound that is noted denies no stretch that is left
 *   longest    longest_from is the length of the longest stretch that begins in the low word, counted up to 64
 *   legal      legal_in: bit i is set exactly if a block at page i of any word of the machine is aligned and crosses no boundary;
 *              and the lanes of a group that a search skips hold no such page
 *   clip       what is left of the starts of a word are those in the window
 *   bytes      bytes32.h: the mask of the bytes that are large enough, and the largest
 * Source: spec storport-memory §4.1, invariants 1, 2.
 *
 * Bound: none, all words, lengths, alignments, boundaries and pages below 2^52. */
#include "proofs/proof.h"
#include "machine/bits.h"
#include "machine/bytes32.h"
#include "machine/pages_fast.c"

/* Are pages i … i + length - 1 free? */
static bool stretch(uint64_t low, uint64_t high, uint32_t i, uint32_t length) {
    uint64_t here = low >> i | (i != 0 ? high << (64 - i) : 0), wanted = ~UINT64_C(0) >> (64 - length);
    return (here & wanted) == wanted;
}

static uint32_t any_length(void) {
    uint32_t length = any_u32();
    ASSUME(length >= 1 && length <= SS_SMALL);
    return length;
}

static uint32_t any_page(void) {
    uint32_t page = any_u32();
    ASSUME(page < 64);
    return page;
}

void proof_starts(void) {
    uint64_t low = any_u64(), high = any_u64();
    uint32_t length = any_length(), i = any_page();
    PROVE((starts_in(low, high, length) >> i & 1) == stretch(low, high, i, length));
    PROVE((starts_in_word(low, length) >> i & 1) == stretch(low, 0, i, length));
}

void proof_highest(void) {
    uint64_t low = any_u64(), high = any_u64();
    uint32_t length = any_length(), i = any_page();
    found_t found = highest_in_word(~low, ~high, length);
    PROVE(found.bit < 64 && (found.bit < 0 || stretch(low, high, (uint32_t)found.bit, length)));
    PROVE(!stretch(low, high, i, length) || found.bit >= (int32_t)i);
}

/* What ss_pages_take writes down as the bound of the word it took from is the larger of two: the longest stretch inside the word, and how
 * long the one is that goes on in the next. */
void proof_inside(void) {
    uint64_t word = any_u64();
    uint32_t length = any_length(), i = any_page();
    ASSUME(word != ~UINT64_C(0));
    PROVE(i + length > 64 || !stretch(word, 0, i, length) || longest_inside(word) >= length);
}

void proof_across(void) {
    uint64_t low = any_u64(), high = any_u64();
    uint32_t length = any_length(), i = any_page(), other = any_length();
    found_t found = highest_in_word(~low, ~high, length);
    if (found.bit < 0) {
        return;
    }
    uint32_t end = (uint32_t)found.bit + length;
    uint64_t taken = ones(length), left = low & ~(taken << found.bit), left_above = high & ~(taken >> 1 >> (63 - found.bit));
    PROVE((left >> i & 1) == ((low >> i & 1) != 0 && (i < (uint32_t)found.bit || i >= end)));
    PROVE((left_above >> i & 1) == ((high >> i & 1) != 0 && i + 64 >= end));
    PROVE(i + other <= 64 || !stretch(left, left_above, i, other) || found.across >= other);
}

void proof_longest(void) {
    uint64_t low = any_u64(), high = any_u64();
    uint32_t length = any_length(), i = any_page(), longest = longest_from(low, high);
    PROVE(longest <= SS_SMALL);
    PROVE(!stretch(low, high, i, length) || longest >= length);
    PROVE(longest < length || starts_in(low, high, length) != 0);
}

void proof_legal(void) {
    ss_page_request_t request = {.pages = any_length(), .align_pages = any_u64(), .boundary_pages = any_u64()};
    uint64_t word = any_u64(), align = request.align_pages, boundary = request.boundary_pages, i = any_page();
    ASSUME(align != 0 && (align & (align - 1)) == 0 && (boundary & (boundary - 1)) == 0 && word < UINT64_C(1) << 46);
    ASSUME(boundary == 0 || request.pages <= boundary);
    ss_segment_t segment = {.base = 0};
    ss_fit_t fit;
    ss_fit_of(&request, &fit);
    uint64_t page = word * 64 + i, last = page + request.pages - 1;
    bool meant = (page & (align - 1)) == 0 && (boundary == 0 || (page ^ last) < boundary);
    PROVE((legal_in(&segment, &fit, word) >> i & 1) == meant);
    PROVE(!meant || (fit.lanes >> word % 32 & 1) != 0);
}

void proof_clip(void) {
    uint64_t starts = any_u64(), word = any_u64(), low = any_u64(), high = any_u64(), i = any_page();
    ASSUME(word < UINT64_C(1) << 46 && low <= high && high < UINT64_C(1) << 52);
    ASSUME(word >= low >> SS_WORD_SHIFT && word <= high >> SS_WORD_SHIFT);
    uint64_t page = word * 64 + i;
    PROVE((clip(starts, word, low, high) >> i & 1) == ((starts >> i & 1) != 0 && page >= low && page <= high));
}

void proof_bytes(void) {
    uint8_t bytes[32], most = 0;
    uint32_t least = any_u32(), i = any_u32();
    ASSUME(least < 128 && i < 32);
    for (unsigned j = 0; j < 32; j++) {
        bytes[j] = any_u8();
        ASSUME(bytes[j] < 128);
        most = bytes[j] > most ? bytes[j] : most;
    }
    PROVE((ss_bytes_at_least(bytes, least) >> i & 1) == (bytes[i] >= least));
    PROVE(ss_bytes_max(bytes) == most);
}
