/* proofs/pool.c: the arithmetic of pool slots and MDLs cannot overflow, and slots fit their page.
 *
 * For every request a pool page may serve: the slot holds header and bytes, its width fits the header's 8-bit field, all
 * slots of a page fit the page, one more would not, and requests of one class share one shape. For every address and
 * byte count: an MDL's start, offset and count give the address back and its page array covers the buffer exactly, in
 * numbers that cannot wrap. Source: spec storport-memory §2.4, §2.3.
 *
 * Bound: none, all sizes and addresses. The pieces are file-local, so the files are included here. */
#include "proofs/proof.h"
#include "nt/pool.c"
#define perform mdl_perform
#define make mdl_make
#include "nt/mdl.c"

void proof_slots(void) {
    uint64_t bytes = any_u64(), other = any_u64();
    ASSUME(bytes <= POOL_SLOT_MAX && other <= POOL_SLOT_MAX);
    uint16_t granules = 0, slots = 0, others = 0, other_slots = 0;
    uint8_t class_index = 0, other_class = 0;
    nt_pool_shape(bytes, &granules, &slots, &class_index);
    PROVE(slots >= 1 && granules >= 1 && granules <= 255);
    PROVE((uint64_t)granules * GRANULE >= POOL_HEADER + bytes);
    PROVE((uint64_t)granules * GRANULE * slots <= PAGE);
    PROVE(class_index < POOL_CLASSES);
    nt_pool_shape(other, &others, &other_slots, &other_class);
    PROVE((class_index == other_class) == (slots == other_slots && granules == others));
}

void proof_mdl(void) {
    uint64_t va = any_u64();
    uint32_t bytes = any_u32();
    ss_mdl_t mdl = fields(va, bytes);
    PROVE(mdl.start_va % PAGE == 0 && mdl.byte_offset < PAGE && mdl.byte_count == bytes);
    PROVE(mdl.start_va + mdl.byte_offset == va);
    uint64_t pages = pages_spanned(mdl.byte_offset, bytes);
    PROVE(pages * PAGE >= (uint64_t)mdl.byte_offset + bytes);
    PROVE(pages == 0 || (pages - 1) * PAGE < (uint64_t)mdl.byte_offset + bytes);
    PROVE(pages <= UINT64_C(1) + (UINT64_C(1) << 20));
    PROVE((MDL_HEADER + 8 * pages - MDL_HEADER) / 8 == pages);
}
