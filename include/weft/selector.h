/* weft/selector.h - many descriptors, one wait: for people who write loops.
 *
 *     weft_selector sel;
 *     weft_selector_init(&sel);
 *     weft_selector_register(&sel, listener, POLLIN, NULL);
 *     struct weft_ready ready[64];
 *     int n;
 *     while ((n = weft_selector_select(&sel, ready, 64, weft_never())) >= 0)
 *         for (int i = 0; i < n; i++)
 *             if (ready[i].fd == listener) ...
 *
 * or with a function for each descriptor:
 *
 *     weft_selector_on(&sel, listener, POLLIN, greet, NULL);
 *     while (weft_selector_dispatch(&sel, weft_never()) >= 0)
 *         ;
 *
 * A selector tells what is ready; reading and writing are the caller's, who says weft_at_once() there and
 * need not change the descriptor's flags. Any task or thread may call, also while others select. How the
 * kernel is asked (epoll, poll, select) is WEFT_BACKEND's choice; there may be any number of descriptors. */
#ifndef WEFT_SELECTOR_H
#define WEFT_SELECTOR_H

#include <poll.h>
#include <stddef.h>

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

/* What a descriptor is registered for: POLLIN, POLLOUT, POLLPRI, POLLRDHUP or-ed, at least one, and how
 * often it is told of: as long as it lasts, or */
enum weft_selector_flags {
    WEFT_EDGE = 1 << 28,    /* when it changes: read or write until that would wait. poll and select
                               see no changes; on them it is told as long as it lasts */
    WEFT_ONE_SHOT = 1 << 29 /* once, and again after each weft_selector_modify */
};

typedef struct weft_selector { /* private; 64 bytes */
    struct weft__selector *_impl;
    uint64_t _reserved[7];
} weft_selector;

struct weft_ready;

/* The function of a descriptor, see weft_selector_on.
 * Returns   >= 0: go on; < 0: weft_selector_dispatch returns it
 */
typedef int weft_selector_fn(weft_selector *selector, const struct weft_ready *ready);

struct weft_ready {
    int fd;
    int events; /* what is true, POLLERR and POLLHUP included; POLLNVAL: it was closed by weft_close and
                   is not registered any more */
    void *data;           /* as registered */
    weft_selector_fn *fn; /* NULL: registered without */
    uint64_t _serial;     /* private */
};

/* Prepare a selector, in the caller's memory.
 * Returns   0; -EMFILE, -ENFILE, -ENOMEM
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_selector_init(weft_selector *selector);

/* Watch a descriptor; a wait that is on its way already watches it too.
 *   events  see enum weft_selector_flags
 *   data    comes back with what is told
 *   fn      weft_selector_on: called by weft_selector_dispatch
 * Returns   0; -EEXIST: registered already; -EBADF; -EPERM: a file on a disk is always ready; -EINVAL
 *           (events, or no fn); -ENOMEM, -ENOSPC
 * Context   task or thread; any number at once
 * Cancels   no
 * Owns      nothing: the descriptor stays the caller's, who unregisters it first or closes it by weft_close,
 *           which is told. One that others close by close(2) is silent, until it is unregistered.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_selector_register(weft_selector *selector, int fd, int events,
                                              void *data);
WEFT_API WEFT_MUST int weft_selector_on(weft_selector *selector, int fd, int events,
                                        weft_selector_fn *fn, void *data);

/* Watch for something else, with other data, or once more.
 * Returns   0; -ENOENT: not registered; -EBADF: others closed it; -EINVAL, -ENOMEM: as it was
 * Context   task or thread; any number at once
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_selector_modify(weft_selector *selector, int fd, int events, void *data);

/* Watch it no longer. It is not told of any more when this returns, but for what another task has just
 * been told.
 * Returns   0; -ENOENT: not registered
 * Context   task or thread; any number at once
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_selector_unregister(weft_selector *selector, int fd);

/* Wait until at least one descriptor is ready.
 *   out, max  room for what is told; what finds none (or is more than 128) is told at the next call
 * Returns   how many are told; 0: woken by weft_selector_wake; -ETIMEDOUT, -ECANCELED, -EINVAL (max 0),
 *           -ENOMEM: nothing was told
 * Context   task or thread. Of several at once one is told of an edge or a one-shot, each of what lasts
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_selector_select(weft_selector *selector, struct weft_ready *out,
                                            size_t max, weft_deadline deadline);

/* Select once, and call the function of each descriptor that is ready. The functions run one after the
 * other in the calling task. They may wait, but the later ones wait with them. They may register, modify,
 * unregister and close any descriptor, their own too; one that was unregistered meanwhile is not called.
 * Returns   how many were called; 0: woken by weft_selector_wake; the first negative result of a function,
 *           after all were called; -EINVAL: one was registered without a function; and as
 *           weft_selector_select
 * Context   as weft_selector_select
 * Cancels   yes, its own wait and those of the functions.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_selector_dispatch(weft_selector *selector, weft_deadline deadline);

/* Let a select that waits now return 0; if none does, the next one.
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_selector_wake(weft_selector *selector);

/* How many descriptors are registered; what one is registered for; all of them, in order.
 *   out, max  room; events are those registered. NULL and 0 to count
 * Returns   the number, which may be more than max; weft_selector_get 0 or -ENOENT
 * Context   task or thread; any number at once
 * Cancels   no.   Since 0.1
 */
WEFT_API size_t weft_selector_count(const weft_selector *selector);
WEFT_API int weft_selector_get(const weft_selector *selector, int fd, struct weft_ready *out);
WEFT_API size_t weft_selector_list(const weft_selector *selector, struct weft_ready *out,
                                   size_t max);

/* End its use; the descriptors stay open. A task that selects is a bug: reported, then abort. Zeroed memory
 * is fine. In a child of fork(2) a selector of its parent is empty, every call that can fail is -EBADF, and
 * this one is right.
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_selector_fini(weft_selector *selector);

WEFT_END
#endif
