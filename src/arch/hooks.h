/* arch/hooks.h - tell sanitizers that the stack changes. Without one of them this is nothing.
 * Valgrind is told once of each stack, in any build. */
#ifndef WEFT_ARCH_HOOKS_H
#define WEFT_ARCH_HOOKS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif

/* What a stack needs to remember; the owner zeroes it when the stack begins a new life. */
struct weft__hooks {
#if defined(WEFT_ASAN)
    void *fake_stack;
    const void *bottom; /* of the stack, lowest address */
    size_t size;
#elif defined(WEFT_TSAN)
    void *fiber;
#else
    char none;
#endif
};

/* TSan counts a function's entry on one fiber and its exit on the next if the switch lies in between. */
#define WEFT__ALWAYS_INLINE inline __attribute__((__always_inline__))

/* A function that is left by a switch and not by a return: it must leave no marks. */
#if defined(__clang__)
#define WEFT__UNMARKED __attribute__((__disable_sanitizer_instrumentation__))
#else
#define WEFT__UNMARKED __attribute__((__no_sanitize__("address", "thread")))
#endif

#if defined(WEFT_ASAN)
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *at, size_t size);
#elif defined(WEFT_TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_release(void *at);
void __tsan_acquire(void *at);
#endif

/* A stack begins a life; thread: it is the calling thread's own. */
static WEFT__ALWAYS_INLINE void weft__hooks_begin(struct weft__hooks *h, const void *bottom,
                                                  size_t size, _Bool thread)
{
#if defined(WEFT_ASAN)
    h->fake_stack = NULL;
    h->bottom = bottom;
    h->size = size;
    if (!thread) /* the last frames of the life before were left, not returned from */
        __asan_unpoison_memory_region(bottom, size);
#elif defined(WEFT_TSAN)
    (void)bottom, (void)size;
    h->fiber = thread ? __tsan_get_current_fiber() : __tsan_create_fiber(0);
#else
    (void)h, (void)bottom, (void)size, (void)thread;
#endif
}

/* Around every switch: leave on the old stack (last: it will not be returned to), arrive on the new
 * one. TSan takes the switch itself as an order between the two (flags 0): races between tasks of one
 * worker are not seen, those between workers are. */
static WEFT__ALWAYS_INLINE void weft__hooks_leave(struct weft__hooks *from, struct weft__hooks *to,
                                                  _Bool last)
{
#if defined(WEFT_ASAN)
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->bottom, to->size);
#elif defined(WEFT_TSAN)
    (void)from, (void)last;
    __tsan_switch_to_fiber(to->fiber, 0);
#else
    (void)from, (void)to, (void)last;
#endif
}

static WEFT__ALWAYS_INLINE void weft__hooks_arrive(struct weft__hooks *self)
{
#if defined(WEFT_ASAN)
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#else
    (void)self;
#endif
}

/* For a stack that runs as a call of another one's owner (sched/strand.h). Before the call: what to come
 * back to. known: its owner's hooks are right; else it is a thread's own stack, and the callee learns of
 * it when it arrives. */
static WEFT__ALWAYS_INLINE void weft__hooks_here(struct weft__hooks *here,
                                                 const struct weft__hooks *owner, _Bool known)
{
#if defined(WEFT_ASAN)
    *here = known ? *owner : (struct weft__hooks){ 0 };
#elif defined(WEFT_TSAN)
    (void)owner, (void)known;
    here->fiber = __tsan_get_current_fiber();
#else
    (void)here, (void)owner, (void)known;
#endif
}

static WEFT__ALWAYS_INLINE void weft__hooks_arrive_in(struct weft__hooks *self,
                                                      struct weft__hooks *caller)
{
#if defined(WEFT_ASAN)
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
    if (!caller->size) {
        caller->bottom = bottom;
        caller->size = size;
    }
#else
    (void)self, (void)caller;
#endif
}

/* The owner now runs there. */
static WEFT__ALWAYS_INLINE void weft__hooks_move(struct weft__hooks *owner,
                                                 const struct weft__hooks *to)
{
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
    *owner = *to;
#else
    (void)owner, (void)to;
#endif
}

/* The next task begins on the stack of one that has ended: for TSan a fiber of its own. */
static WEFT__ALWAYS_INLINE void weft__hooks_renew(struct weft__hooks *h)
{
#if defined(WEFT_TSAN)
    void *old = h->fiber;
    h->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(h->fiber, 0);
    __tsan_destroy_fiber(old);
#else
    (void)h;
#endif
}

/* What the kernel hands from one thread to another, by epoll: ThreadSanitizer does not see it go. */
static WEFT__ALWAYS_INLINE void weft__hooks_hand_in(void *what)
{
#if defined(WEFT_TSAN)
    __tsan_release(what);
#else
    (void)what;
#endif
}

static WEFT__ALWAYS_INLINE void weft__hooks_hand_out(void *what)
{
#if defined(WEFT_TSAN)
    __tsan_acquire(what);
#else
    (void)what;
#endif
}

/* A stack that there was not before. Valgrind takes a jump to one it does not know for a call or a return
 * of many bytes, and what lies between for given up. The instructions are the request that its
 * valgrind.h makes; together they change nothing. */
static inline void weft__hooks_stack(const void *low, const void *high)
{
    enum { STACK_REGISTER = 0x1501 };
    const volatile size_t request[6] = { STACK_REGISTER, (size_t)low, (size_t)high - 1 };
#if defined(__x86_64__)
    size_t answer = 0;
    __asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
#elif defined(__aarch64__)
    register size_t answer __asm__("x3") = 0;
    register const volatile size_t *question __asm__("x4") = request;
    __asm__ volatile("ror x12, x12, #3; ror x12, x12, #13; ror x12, x12, #51; ror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(answer)
                     : "r"(question)
                     : "cc", "memory");
#else
    (void)request;
#endif
}

/* The life has ended; called on another stack. */
static WEFT__ALWAYS_INLINE void weft__hooks_end(struct weft__hooks *h)
{
#if defined(WEFT_TSAN)
    __tsan_destroy_fiber(h->fiber);
    h->fiber = NULL;
#else
    (void)h;
#endif
}

#endif
