/* os/stack.h - stacks for coroutines, in slabs that are added on demand and never unmapped.
 *
 * A stack is known by its slot, a small number that stays its own for ever; the memory is type-stable:
 * whoever holds an old slot may read there, at worst something stale. The top 512 bytes of each stack
 * are its descriptor's (sched/task.h), zeroed once, when the slab is made. Only pages that were
 * touched cost memory: 4,224 bytes for a parked task, page tables included.
 *
 * Guards: one page below each stack that cannot be touched, by what the kernel has, probed by effect:
 * MADV_GUARD_INSTALL (Linux 6.13), UFFDIO_POISON (6.6), else mprotect, which ends at about 30,700
 * stacks (nearly half of vm.max_map_count): one report, then -ENOMEM. A touched guard is SIGSEGV, with
 * poison SIGBUS. WEFT_GUARD=madvise|poison|mprotect|none says where to begin, for tests.
 */
#ifndef WEFT_OS_STACK_H
#define WEFT_OS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/hooks.h"

enum weft__stack_class { WEFT__STACK_64K, WEFT__STACK_256K, WEFT__STACK_CLASSES };

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
enum { WEFT__STACK_DESCRIPTOR = 576 }; /* a sanitizer's hooks lie in it too */
#else
enum { WEFT__STACK_DESCRIPTOR = 512 };
#endif

/* Up to count stacks of a class into slots[]: first what was given back, then fresh ones.
 * How many, >= 1; -ENOMEM. Any thread. */
int weft__stack_take(enum weft__stack_class class, uint32_t *slots, unsigned count);

/* Give stacks back; their pages stay. Any thread. */
void weft__stack_give(enum weft__stack_class class, const uint32_t *slots, unsigned count);

/* The end (highest address) of a slot's stack, where its descriptor ends; NULL for a number that was
 * never given out. Any thread, signal handlers too. */
char *weft__stack_top(uint32_t slot);

/* Lowest usable address and its size, descriptor included; NULL like top. */
char *weft__stack_low(uint32_t slot, size_t *size);

/* Which stack does an address belong to? The guard page counts to the stack above it (*guard = true).
 * The slot may be one that was not given out yet, of which top knows nothing. false: none of ours. Looks
 * at each slab in turn. Signal handlers too. */
bool weft__stack_find(const void *address, uint32_t *slot, bool *guard);

/* Slots that may ever have been given out are [0, n) in steps, unused numbers among them: for walks. */
uint32_t weft__stack_slots(void);

/* Give memory back to the system: everything of an unused stack's pages but its descriptor's page. */
void weft__stack_trim(const uint32_t *slots, unsigned count);

/* "madvise", "poison", "mprotect", "none": what guards are made of, once there is a stack; for dumps
 * and tests. */
const char *weft__stack_guard(void);

/* In the child of a fork, before anything else is taken or given: what the parent had out, or kept for
 * reuse, stays where it is and is never given out here: somebody's data may lie there, the caller itself
 * may run on one. Needs no preparation in the parent. */
void weft__stack_forked(void);

#endif
