/* weft/select.h - wait for the first of several.
 *
 *     struct weft_case on[] = {
 *         weft_on_get(&jobs, &job, sizeof job),
 *         weft_on_event(&stop),
 *         weft_on_fd(fd, POLLIN),
 *     };
 *     switch (weft_select(on, 3, weft_after(WEFT_SEC))) {
 *     case 0: return on[0].result == 1 ? work(&job) : 0;
 *     case 1: return 0;
 *     case 2: return answer(fd);
 *     case -ETIMEDOUT: return remind();
 *     }
 *
 * One case is taken, as if its own call had been made; the others have had no effect. */
#ifndef WEFT_SELECT_H
#define WEFT_SELECT_H

#include <weft/base.h>
#include <weft/event.h>
#include <weft/lock.h>
#include <weft/pipe.h>
#include <weft/queue.h>
#include <weft/semaphore.h>
#include <weft/signal.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

struct weft_case { /* private but for its result; 160 bytes; zeroed memory is never taken */
    int result;    /* of the one taken: what its own call would have returned */
    int _state;
    const struct weft__case_ops *_ops;
    void *_on, *_value;
    uint64_t _detail;
    int64_t _at;
    uint32_t *_word; /* where it waits */
    void *_first, *_last;
    void *_node[9];
    uint64_t _order;
    uint64_t _more; /* of the case's sort */
};

/* Wait until one of the cases can be had, and take it. Of several that can be had one is drawn at
 * random; of those that come while the call waits the first one is taken.
 *   on        n cases of the caller's; they may be used again, also those that were not taken
 *   deadline  weft_at_once(): what cannot be had now is -ETIMEDOUT, as by a default case
 * Returns   the number of the case taken, from 0, its result in on[number].result, which may be an
 *           error of its own; -ETIMEDOUT, -ECANCELED, -ENOMEM, -EINVAL (n, or more than 16 cases on
 *           shared objects): none was taken
 * Context   task or thread; each case in one call at a time. What a case waits for, and where its value
 *           goes or comes from, must last as long as the call
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_select(struct weft_case *on, size_t n, weft_deadline deadline);

/* The cases: what is waited for, and the result of the one that is taken.
 *   weft_on_get        weft_queue_get: 1 it is in *out, 0 closed and empty, -EINVAL
 *   weft_on_put        weft_queue_put: 0, -EPIPE, -EINVAL, -ENOMEM; value is read when it is taken
 *   weft_on_put_at     weft_queue_put_at: the same
 *   weft_on_receive    weft_pipe_receive: *size is the room at out, and the length of what came: 1, 0, -EMSGSIZE,
 *                      -EPIPE, -ENOMEM. With out NULL weft_pipe_poll: for a weft_pipe_receive_value after it
 *   weft_on_send       weft_pipe_send: 0, -EPIPE, -ENOMEM; data is read when it is taken
 *   weft_on_event      weft_event_wait: 0
 *   weft_on_semaphore  weft_semaphore_acquire: 0
 *   weft_on_lock       weft_lock_acquire: 0 or WEFT_RECOVERED, and the caller holds it; -EDEADLK
 *   weft_on_task       weft_task_join: 0, and *out, which may be NULL, is filled in; -ESRCH, -EDEADLK,
 *                      -EINVAL
 *   weft_on_time       weft_sleep: 0; weft_after(span) counts from when the select begins to wait
 *   weft_on_ticker     weft_ticker_wait: the beats
 *   weft_on_fd         weft_poll: the events that are true; -EBADF
 *   weft_on_signal     weft_signal_wait: the signal's number
 * A case on nothing (NULL, a task with id 0, a negative descriptor) is never taken: that is how a case
 * is left out now and then, `weft_on_put(full ? &out : NULL, &value, sizeof value)`.
 * Returns   the case
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API struct weft_case weft_on_get(weft_queue *queue, void *out, size_t size);
WEFT_API struct weft_case weft_on_put(weft_queue *queue, const void *value, size_t size);
WEFT_API struct weft_case weft_on_put_at(weft_queue *queue, const void *value, size_t size,
                                         int64_t priority);
WEFT_API struct weft_case weft_on_receive(weft_pipe_end *end, void *out, size_t *size);
WEFT_API struct weft_case weft_on_send(weft_pipe_end *end, const void *data, size_t size);
WEFT_API struct weft_case weft_on_event(weft_event *event);
WEFT_API struct weft_case weft_on_semaphore(weft_semaphore *sem);
WEFT_API struct weft_case weft_on_lock_at(weft_lock *lock, const char *place);
WEFT_API struct weft_case weft_on_task(weft_task task, struct weft_exit *out);
WEFT_API struct weft_case weft_on_time(weft_deadline when);
WEFT_API struct weft_case weft_on_ticker(weft_ticker *ticker);
WEFT_API struct weft_case weft_on_fd(int fd, int events);
WEFT_API struct weft_case weft_on_signal(weft_signal *signal);
#define weft_on_lock(lock) weft_on_lock_at(lock, WEFT_PLACE)

WEFT_END
#endif
