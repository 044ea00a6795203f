/* weft/segment.h - memory with a name, for programs of one user that did not start each other.
 *
 *     static int prepare(void *data, void *arg) { return weft_lock_init(&((struct board *)data)->lock, WEFT_SHARED); }
 *
 *     weft_segment s;
 *     int r = weft_segment_open(&s, "/run/user/1000/board", sizeof(struct board), prepare, NULL, weft_never());
 *     struct board *board = weft_segment_data(&s);
 *
 * Whoever opens it first prepares it, whoever leaves it last removes the name. In between any may come and
 * go, or be killed: the others keep it. Programs that start each other have <weft/arena.h>, where pointers
 * mean the same to all; in a segment they do not, since it lies elsewhere in each: keep distances.
 *
 * In it every object works with WEFT_SHARED, but no pipe: a queue with slots of its own, a barrier without an
 * action, which would lie elsewhere in each program. What a stranger has when it dies is given on as in the
 * arena; but nobody watches over strangers, so who sleeps looks up ten times a second (a lock's next owner is
 * told at once). A process is known by its pid and the time of its beginning, from /proc: all programs in a
 * segment live in one pid namespace.
 *
 * All programs in it trust each other. Between different users only <weft/ring.h> will do. */
#ifndef WEFT_SEGMENT_H
#define WEFT_SEGMENT_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_segment { /* private; 64 bytes */
    void *_map;
    uint64_t _size;
    char *_path;
    int _fd, _flags;
    uint64_t _reserved[4];
} weft_segment;

/* Open the segment, or make it.
 *   path     where its name lies: a file on a memory file system, /run/user/UID or /dev/shm, best
 *   size     bytes of data, >= 1; the same for all. All of it has memory from the beginning; what rwlocks,
 *            barriers and owned semaphores in it need besides is taken when they need it
 *   prepare  called once in a segment's life, by who finds nobody in it, with the data all zero, while others
 *            wait: < 0 fails the open; it may wait, and may not open the same path. NULL: zero is fine
 *   deadline for the wait until another has prepared it or is out
 * Returns   0; what prepare returned (< 0); -ETIMEDOUT, -ECANCELED;
 *           -EPERM the file is another user's, others may read or write it, or it is no plain file;
 *           -EINVAL (size; another size than it has); -ENOSPC, -ENOMEM; -EMFILE and what else opening a file
 *           gives; with words in weft_why()
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_segment_open(weft_segment *segment, const char *path, size_t size,
                                         int (*prepare)(void *data, void *arg), void *arg,
                                         weft_deadline deadline);

/* Its memory: aligned to 64 bytes, here.
 * Returns   the data's address
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void *weft_segment_data(const weft_segment *segment);

/* Leave it: nothing in it may be held or waited for by this program any more. The last one out removes the
 * name. A program that ends leaves by itself, but if it was the last one the file stays: the next to open it
 * finds nobody in it, and prepares it anew. Zeroed memory is fine.
 * Context   anywhere but signal handlers
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_segment_close(weft_segment *segment);

WEFT_END
#endif
