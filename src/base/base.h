/* base/base.h - the small words every room uses: containers, counts, atomics, hints. */
#ifndef WEFT_BASE_BASE_H
#define WEFT_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a)                     (sizeof(a) / sizeof *(a))
#define container_of(member, type, name) ((type *)(void *)((char *)(member)-offsetof(type, name)))
#define likely(x)                        __builtin_expect(!!(x), 1)
#define unlikely(x)                      __builtin_expect(!!(x), 0)
#define always_inline                    inline __attribute__((__always_inline__))
#define noinline                         __attribute__((__noinline__))
#define cold                             __attribute__((__cold__, __noinline__))
#define unsanitized                      __attribute__((__no_sanitize__("address", "thread", "undefined")))

/* Atomics on plain fields, so that public structs need no _Atomic (C++ reads the same headers). The
 * memory order is part of the name; what has none here is not used. No fence: clang makes seq_cst
 * ones an mfence (11 ns); an exchange orders as well. */
#define load_relaxed(p)        __atomic_load_n(p, __ATOMIC_RELAXED)
#define load_acquire(p)        __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define load_seq_cst(p)        __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define store_relaxed(p, v)    __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define store_release(p, v)    __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define store_seq_cst(p, v)    __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define exchange_seq_cst(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define exchange_acq_rel(p, v) __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL)
#define add_relaxed(p, v)      __atomic_fetch_add(p, v, __ATOMIC_RELAXED)
#define add_acq_rel(p, v)      __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL)
#define or_seq_cst(p, v)       __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define and_acq_rel(p, v)      __atomic_fetch_and(p, v, __ATOMIC_ACQ_REL)
/* true when *p was *expected and is now v; else *expected is what it was */
#define swap_acq_rel(p, expected, v) \
    __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define swap_seq_cst(p, expected, v) \
    __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* xorshift64*: for choices that must be quick, not secret. state != 0. */
static inline uint64_t weft__random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

#endif
