/* io/io.h - what the files of this room share.
 *
 * Plain descriptors (fdwait.c) and connections (conn.c) differ in how they wait; everything else, the
 * tries and the loops around them (transfer.c), is one code over a target.
 */
#ifndef WEFT_IO_IO_H
#define WEFT_IO_IO_H

#include <errno.h>
#include <weft/conn.h>
#include <weft/fd.h>

#include "base/report.h"
#include "base/sys.h"
#include "sched/case.h"
#include "sched/wait.h"

struct weft__target {
    int fd;
    weft_conn *conn;     /* NULL: a plain descriptor */
    uint32_t generation; /* of the descriptor's number when the call began: weft_close moves it */
};

/* -- fdwait.c */

/* Remember which use of the number this is. -EBADF for a number that cannot be. -ENOMEM. */
int weft__target_begin(struct weft__target *target, int fd);
/* Wait until one of events is true. The true ones, > 0; -ETIMEDOUT, -ECANCELED, -EBADF (closed by
 * weft_close, also before this wait), -EPERM: this kind of file is always ready. */
int weft__fd_wait(struct weft__target *target, unsigned events, weft_deadline deadline,
                  const char *reason);
/* Those of events that are true now; 0 none; -EBADF. */
int weft__fd_ready(int fd, unsigned events);

/* A case that waits for a descriptor, and what is common to such. */
struct weft_case weft__fd_case(const struct weft__case_ops *ops, void *on, int fd, unsigned events);
int weft__fd_case_begin(struct weft_case *c); /* at each attempt */
bool weft__fd_case_blocked(struct weft_case *c, struct weft__task *self);
void weft__fd_case_left(struct weft_case *c);
int weft__fd_case_wait(struct weft_case *on, size_t n, struct weft__task *self, uint64_t ticket,
                       weft_deadline deadline);

/* Who is to know when weft_close closes a number. */
struct weft__fd_watch {
    struct weft__fd_watch *next, *prev;            /* of the number's */
    void (*closing)(struct weft__fd_watch *watch); /* under the number's lock, before the close */
    bool linked;
};

/* Everything about a number is done under its lock; a number that cannot be is -EBADF. -ENOMEM. */
struct fd_place;
int weft__fd_lock(int fd, struct fd_place **out);
void weft__fd_unlock(struct fd_place *place);
void weft__fd_watch(struct fd_place *place, struct weft__fd_watch *watch);
void weft__fd_unwatch(struct fd_place *place, struct weft__fd_watch *watch);
/* Who waits for this number, a set's bell, waits for all that is in the set. NULL: no more. */
void weft__fd_under(struct fd_place *place, struct weft__poller *set);
uint32_t weft__fd_forks(void); /* how often this process is a fork's child of one that used descriptors */

/* -- offload.c: weft_offload by helpers that do nothing else. */

enum weft__helpers { WEFT__FOR_USERS, WEFT__FOR_FILES, WEFT__FOR_NAMES, WEFT__FOR_PROGRAMS };
int weft__offload(enum weft__helpers who, weft_fn *fn, void *arg);

/* -- file.c */

/* Can others read this small file now without a disk? Also if there is none. */
bool weft__is_in_memory(const char *path);

/* -- conn.c */
void weft__conn_lost(void *conn); /* its handler could not be started */
int weft__conn_wait(weft_conn *conn, unsigned events, weft_deadline deadline, const char *reason);

static inline int weft__target_wait(struct weft__target *target, unsigned events,
                                    weft_deadline deadline, const char *reason)
{
    return target->conn ? weft__conn_wait(target->conn, events, deadline, reason)
                        : weft__fd_wait(target, events, deadline, reason);
}

/* -- transfer.c */
ssize_t weft__read(struct weft__target *target, struct iovec *iov, int count, off_t at,
                   weft_deadline deadline);
ssize_t weft__write(struct weft__target *target, const struct iovec *iov, int count, off_t at,
                    weft_deadline deadline);
ssize_t weft__sendfile(struct weft__target *target, int file, off_t offset, size_t size,
                       weft_deadline deadline);

/* -- socket.c */

/* Parse an address and make a socket of its family, which may be connected or bound; for ":80" on a kernel
 * without IPv6 *addr becomes an IPv4 one. */
int weft__socket_for(const char *where, int type, struct sockaddr_storage *addr, socklen_t *size);
void weft__remove_dead(const struct sockaddr_storage *addr, socklen_t size);
int weft__connect(int fd, const struct sockaddr_storage *addr, socklen_t size,
                  weft_deadline deadline);
/* Sleep for a while, longer each time. -ETIMEDOUT, -ECANCELED, -EBADF. The deadline is fixed. */
int weft__target_pause(const struct weft__target *target, weft_span *pause, weft_deadline deadline);

/* -- signal.c */
void weft__signals_forget(void); /* in a process with other descriptors: nobody awaits any */

/* One span in all the waits of a call. */
static inline weft_deadline weft__fixed(weft_deadline deadline)
{
    return deadline.ns < 0 ? (weft_deadline){ weft__deadline_at(deadline) } : deadline;
}

#endif
