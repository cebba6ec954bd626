/* proofs/proof.h: what the bounded proofs share.
 *
 * A proof is a function proof_<name>() that CBMC searches whole: any_…() stands for every value of its type, ASSUME cuts
 * the domain, PROVE must hold. `python -m tests.trust proofs` runs them all; each file says its bound. */
#ifndef SS_PROOF_H
#define SS_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool nondet_bool(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool condition);
void __CPROVER_assert(_Bool condition, const char *description);

#define any_bool() nondet_bool()
#define any_u8() nondet_u8()
#define any_u16() nondet_u16()
#define any_u32() nondet_u32()
#define any_u64() nondet_u64()
#define ASSUME(condition) __CPROVER_assume(condition)
#define PROVE(condition) __CPROVER_assert((condition), #condition)

#endif
