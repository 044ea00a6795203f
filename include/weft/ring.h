/* weft/ring.h - messages through shared memory between processes that do not trust each other.
 *
 *     weft_ring ring;
 *     weft_ring_make(&ring, 64 << 10);                       // here
 *     weft_send_message(socket, &message, weft_never());     // weft_ring_fd(&ring) goes to the other side
 *     weft_ring_put(&ring, "hello", 5, weft_never());
 *
 *     weft_ring_open(&ring, fd);                             // there, perhaps under another user
 *     ssize_t n = weft_ring_get(&ring, text, sizeof text, weft_after(WEFT_SEC));
 *
 * One ring has two ends and carries messages both ways. It has no locks and no pointers, and nothing in the
 * memory is believed: each side keeps its own counts, looks at the other's once, checks them, and copies a
 * message once before anybody reads it. All that a hostile other side can do is to send nonsense, be silent, or
 * wake this one for nothing; the message's content is yours to check. */
#ifndef WEFT_RING_H
#define WEFT_RING_H

#include <sys/types.h>
#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_ring { /* private; 64 bytes */
    struct weft__ring_shared *_shared;
    int _fd;
    uint32_t _side;
    uint32_t _size; /* bytes each way, a power of two */
    uint32_t _put, _got;
    uint32_t _unused[9];
} weft_ring;

/* Make a ring; its memory can neither grow nor shrink from then on.
 *   size  bytes for messages each way, 4,096 to 2^30, rounded up to a power of two; a message takes its length
 *         and 4 to 7 more
 * Returns   0; -EINVAL, -ENOMEM, -EMFILE, -ENFILE
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_ring_make(weft_ring *ring, size_t size);

/* The descriptor to hand to the other side, which gets a copy; it stays the ring's.
 * Returns   the descriptor
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_ring_fd(const weft_ring *ring);

/* Become the other end.
 *   fd  a ring's, from whomever: it is checked. On success it belongs to the ring
 * Returns   0; -EINVAL it is no ring, or one whose memory could be taken away; -EBUSY it has its other end
 *           already; -ENOMEM
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_ring_open(weft_ring *ring, int fd);

/* Put a message, waiting for room.
 *   data, size  1 byte to half of the ring's size, less 4
 * Returns   0; -EMSGSIZE; -EPIPE the other side has closed; -EBADMSG it writes nonsense: the ring is of no more
 *           use; -ETIMEDOUT (a dead other side is a silent one: watch its process), -ECANCELED: not put
 * Context   task or thread; one at a time on each end
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_ring_put(weft_ring *ring, const void *data, size_t size,
                                     weft_deadline deadline);

/* Get a message, waiting for one.
 *   out, room  where it goes
 * Returns   its length, >= 1; 0 the other side has closed, and all it put was got; -EMSGSIZE it is longer than
 *           room, and stays; -EBADMSG, -ETIMEDOUT, -ECANCELED as weft_ring_put: nothing was taken
 * Context   task or thread; one at a time on each end
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_ring_get(weft_ring *ring, void *out, size_t room,
                                         weft_deadline deadline);

/* Leave it: the other side gets what was put, then the end. Zeroed memory is fine.
 * Context   anywhere but signal handlers; nobody is in a call on this end
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_ring_close(weft_ring *ring);

WEFT_END
#endif
