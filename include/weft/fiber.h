/* weft/fiber.h - stacks that one switches between by name, as Python's greenlets.
 *
 *     static weft_fiber ping, pong;
 *
 *     static void *play(void *said)
 *     {
 *         void *answer;
 *         printf("%s\n", (char *)said);
 *         weft_fiber_switch(&pong, "ping", &answer);
 *         return answer;
 *     }
 *
 * Nothing is scheduled: a fiber runs when it is switched to, until it switches away or returns. For code that
 * should merely wait for things there are tasks; for values one after the other, generators.
 *
 * A fiber has a stack of its own (64 KiB, from the first switch to its end) and runs as a call of the task
 * that switched to it, on its OS thread: the task's waits, cancel and bounds are its own. Once begun it
 * stays on its OS thread; any task of that worker may switch to it. No C++ exception leaves it. */
#ifndef WEFT_FIBER_H
#define WEFT_FIBER_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN

/* Its first value is what the first switch gives; what it returns goes to its parent. */
typedef void *weft_fiber_fn(void *value);

typedef struct weft_fiber { /* private; 64 bytes; zeroed: one that has ended */
    struct weft__strand *_strand;
    weft_fiber_fn *_fn;
    struct weft_fiber *_parent;
    const char *_site;
    uint32_t _state, _closing;
    uint64_t _reserved[3];
} weft_fiber;

/* Prepare a fiber; it begins at the first switch to it. Use the macro.
 *   fiber   caller's memory; not copied or moved until it has ended
 *   fn      what it runs
 *   parent  who goes on when fn has returned: another fiber, which must live as long, or NULL: the stack
 *           from which fibers were entered. A parent that has ended, or does not stand in a switch then, is
 *           passed over for its own
 *   site    static text that names the fiber in reports
 * Returns   0; -EINVAL
 * Context   anywhere
 * Cancels   no
 * Owns      nothing until the first switch; then a stack, until fn has returned.   Since 0.1
 */
WEFT_API int weft_fiber_init_at(weft_fiber *fiber, weft_fiber_fn *fn, weft_fiber *parent,
                                const char *site);

#define weft_fiber_init(fiber, fn, parent) weft_fiber_init_at(fiber, fn, parent, WEFT_SITE(fn))

/* Go on there; come back when somebody switches here.
 *   to     NULL: the stack from which fibers were entered, the task's own or a generator's
 *   give   what `to` gets from its switch, or as fn's argument
 *   got    what was given to the caller when it was switched to; NULL: dropped
 * Returns   0 somebody switched here. Nothing has happened on: -ESRCH (it has ended), -ENOMEM (no stack),
 *           -EBUSY (it runs, but not here: it waits under another task, or asks a generator), -EPERM (begun
 *           on another thread), -EINVAL (inside a weft_within, weft_shield or task of a fork group that
 *           began in the calling fiber), -ECANCELED (the calling fiber is being ended by its fini, now
 *           or before: clean up and return)
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_fiber_switch(weft_fiber *to, void *give, void **got);

/* The fiber that runs here.
 * Returns   the fiber; NULL on a task's own stack and in a generator
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API weft_fiber *weft_fiber_current(void);

/* Who goes on when it ends.
 * Returns   what weft_fiber_init was told
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API weft_fiber *weft_fiber_parent(const weft_fiber *fiber);

/* Has its function returned?
 * Returns   true or false; true for zeroed memory
 * Context   its thread
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_fiber_is_ended(const weft_fiber *fiber);

/* End its use. One that stands in a switch gets -ECANCELED there and from every later one, and fini
 * returns when its function has; its result is dropped. One that runs, or that began on another
 * thread, is a bug: reported, then abort. Zeroed memory is fine.
 * Context   task or thread, the one it began on
 * Cancels   the fiber's waits do.   Since 0.1
 */
WEFT_API void weft_fiber_fini(weft_fiber *fiber);

WEFT_END
#endif
