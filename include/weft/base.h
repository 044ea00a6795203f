/* weft/base.h - what every other header stands on: version, errors and their words, memory, reports. */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

#ifdef __cplusplus
#define WEFT_BEGIN extern "C" {
#define WEFT_END   }
#else
#define WEFT_BEGIN
#define WEFT_END
#endif

#define WEFT_API             __attribute__((visibility("default")))
#define WEFT_MUST            __attribute__((warn_unused_result))
#define WEFT_PRINTF(fmt, at) __attribute__((format(printf, fmt, at)))

/* A place in the program, kept for dumps and reports. */
#define WEFT_STRING_(x) #x
#define WEFT_STRING(x)  WEFT_STRING_(x)
#define WEFT_PLACE      __FILE__ ":" WEFT_STRING(__LINE__)

/* A block with an object taken: enter(object) before, end(&object) when it is left. n: a number of its
 * own for the names, so that blocks nest without shadows. The loop looks at an address, so that compilers
 * see that the block runs. */
#define WEFT__WITH(type, end, object, enter, n) \
    WEFT__WITH_IF(type, end, object, enter, WEFT__ALWAYS, n)
#define WEFT__WITH_IF(type, end, object, enter, runs, n) \
    WEFT__WITH_N(type, end, object, enter, runs, n)
#define WEFT__WITH_N(type, end, object, enter, runs, n) \
    WEFT__WITH_NAMED(type, end, object, enter, runs, weft__with_##n, weft__in_##n)
#define WEFT__WITH_NAMED(type, end, object, enter, runs, with, in)    \
    for (type * with __attribute__((cleanup(end))) = (object),        \
                     **in = (enter(with), runs(with) ? &with : NULL); \
         in; in = NULL)
#define WEFT__ALWAYS(object)   1
#define WEFT__IF_TAKEN(object) ((object) != NULL)

/* Acquired, but the last owner ended, or its process died, while holding it: what it protects may be
 * half-changed. A shared lock wants to hear that it is whole again, by weft_lock_repaired() and its like, before it
 * is let go. */
#define WEFT_RECOVERED 1

WEFT_BEGIN

/* Flags of objects. */
enum weft_object_flags {
    WEFT_SHARED = 1u << 0 /* usable by other processes: the object lies in the arena (weft/arena.h)
                              or in a segment (weft/segment.h) */
};

/* The version of the library that is loaded, which may be newer than these headers.
 * Returns   major << 16 | minor << 8 | patch
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API unsigned weft_version(void);

/* The field's words for an error: "Connection refused" for -ECONNREFUSED; weft's own for the two that
 * every wait has: "deadline reached" for -ETIMEDOUT and "cancelled" for -ECANCELED.
 *   err  a negative errno value as weft calls return it; its positive twin is understood too
 * Returns   static text, never NULL; "unknown error" for a number without a name
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API const char *weft_strerror(int err);

/* One line of words for the calling task's last failure that needs words, with what it was about: "listen
 * 127.0.0.1:80: Permission denied". Calls whose entry says "words in weft_why()" set it when they fail;
 * all others leave it alone. No call prints them.
 * Returns   text that stays as it is until the task's next failing call; "" when nothing failed yet
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API const char *weft_why(void);

/* Give the calling task such words: for libraries and servers that stand on weft.
 *   err     handed back: return weft_why_set(-ENOENT, "user '%s': unknown", name);
 *   format  as printf's; 511 bytes are kept. weft_why() itself may be among the arguments
 * Returns   err
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_why_set(int err, const char *format, ...) WEFT_PRINTF(2, 3);

/* Where the library's memory comes from. align is a power of two, at most 64. Both functions run wherever the
 * library needs memory, in tasks and in threads of its own, perhaps with locks of its own held: they may not
 * wait and may not call weft. */
struct weft_allocator {
    size_t size; /* sizeof (struct weft_allocator) */
    void *(*allocate)(void *ctx, size_t bytes, size_t align);
    void (*release)(void *ctx, void *block, size_t bytes);
    void *ctx;
};

/* Give the library another source of memory. Stacks and rings come from mmap and are not part of it.
 *   allocator  copied; both functions must work from any thread at once and may not call weft
 * Returns   0; -EBUSY when the library has allocated already; -EINVAL without both functions
 * Context   any thread, before the first use of weft
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_allocator_set(const struct weft_allocator *allocator);

/* How many blocks the library has taken from its allocator since the start, freed ones included: a
 * hot path that allocates shows here.
 * Returns   the count
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API uint64_t weft_allocation_count(void);

/* What the library has to say without being asked: a stack overflow, a lock left behind, a
 * thread that could not be started. */
typedef void weft_reporter(void *ctx, const char *text, size_t length);

/* Send reports elsewhere than to standard error.
 *   reporter  called with whole lines, newline included; NULL: standard error again. It runs on the
 *             thread that found the fault, perhaps in a signal handler: it may only call what is safe
 *             there, and no weft call that waits.
 *   ctx       handed back to it
 * Context   any thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_reporter_set(weft_reporter *reporter, void *ctx);

WEFT_END
#endif
