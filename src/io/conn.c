/* conn.c - connections that hold no stack and no worker while they are idle, and serving them.
 *
 * A connection is registered once, edge-triggered, with the poller of one worker. Its state says who owns
 * it: IDLE nobody, RUNNING its handler, CLOSING whoever closes it. An event on an idle one starts the
 * handler, as a closure that any worker may steal; on a running one it wakes the reader or is kept as a
 * mark (`edge`), so that none is lost between a try and the wait. The event may come by the worker
 * itself or, while it computes, by the watch, which hands the handler to whoever is free.
 *
 * The records are type-stable and never freed: an event that is on its way while a connection closes
 * finds another generation there and is dropped.
 *
 * poll and select know no edges: there a connection is armed again whenever it lies idle or somebody waits,
 * and one whose handler took nothing is looked at now and then, for whether there is more than it left.
 */
#include "io/io.h"

#include <string.h>

#include <weft/group.h>
#include <weft/lock.h>
#include <weft/semaphore.h>

#include "base/alloc.h"

enum { UNTOUCHED, EMPTIED, PERHAPS_MORE, END_BEHIND };
enum { STATE_FREE, STATE_IDLE, STATE_RUNNING, STATE_CLOSING };
enum { SLAB = 64, UNREAD_MAX = 65536, SHED_PAUSE_MS = 10, REPORT_AGAIN_SECONDS = 60, BURST = 16 };

struct serve;

struct weft_conn {
    struct weft__source source;
    uint32_t word; /* spin bit of what follows */
    uint16_t generation;
    uint8_t state;
    bool edge_in, edge_out; /* came since the last try */
    bool finished;          /* the peer has: a short read proves nothing then */
    bool wants_out;         /* registered for EPOLLOUT too */
    bool quiet;             /* idle, and its handler took nothing; without edges only */
    uint8_t drain;          /* what reads of this call found out */
    int fd;                 /* -1: detached */
    int error;              /* the kernel tells it once; the next read returns it */
    int held;               /* bytes that were there when the handler was called; likewise */
    struct weft__wait_node *reader, *reader_last, *writer, *writer_last;
    struct weft__worker *worker; /* whose poller has it */
    struct serve *serve;
    struct weft_conn *next, *prev; /* of its server's; of the free list */
    struct weft_conn *old;         /* to be closed too */
    int64_t idle_since;
    void *user;
    unsigned char *unread; /* unread_from .. unread_size is to be read first */
    uint32_t unread_from, unread_size;
};

struct serve {
    struct weft_serve_options options;
    weft_conn_fn *handler;
    weft_group group;
    weft_lock lock; /* of the list */
    struct weft_conn *first;
    weft_semaphore room;
    bool ending;     /* atomic */
    int reserve;     /* a descriptor kept for the day when there are none */
    int64_t shed_at; /* last time; 0 never */
};

static struct weft_conn *spare;
static weft__spin spare_spin;

static void on_event(struct weft__source *source, uint16_t generation, uint32_t events,
                     struct weft__worker *owner);

static struct weft_conn *conn_new(void)
{
    weft__spin_lock(&spare_spin);
    if (!spare) {
        struct weft_conn *slab = weft__alloc(SLAB * sizeof *slab, 64);
        for (int i = 0; slab && i < SLAB; i++) {
            slab[i] = (struct weft_conn){ .source = { on_event }, .fd = -1, .next = spare };
            spare = &slab[i];
        }
    }
    struct weft_conn *conn = spare;
    if (conn)
        spare = conn->next;
    weft__spin_unlock(&spare_spin);
    return conn;
}

static void drop_unread(struct weft_conn *conn)
{
    weft__release(conn->unread, conn->unread_size);
    conn->unread = NULL;
    conn->unread_from = conn->unread_size = 0;
}

static void conn_free(struct weft_conn *conn)
{
    drop_unread(conn);
    weft__spin_lock(&spare_spin);
    conn->next = spare;
    spare = conn;
    weft__spin_unlock(&spare_spin);
}

static struct weft__wait_queue readers(struct weft_conn *conn)
{
    return WEFT__WAIT_QUEUE(&conn->reader, &conn->reader_last);
}

static struct weft__wait_queue writers(struct weft_conn *conn)
{
    return WEFT__WAIT_QUEUE(&conn->writer, &conn->writer_last);
}

/* -- events ----------------------------------------------------------------------------------------- */

static int conn_main(void *arg);

static bool has_edges(const struct weft_conn *conn)
{
    return !weft__poller_is_set(&conn->worker->poller);
}

static int register_conn(struct weft_conn *conn, bool anew)
{
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (conn->wants_out ? EPOLLOUT : 0u) |
                      (conn->quiet ? WEFT__LATER : 0u);
    uint64_t data = weft__source_data(&conn->source, conn->generation);
    return anew ? weft__poller_add(&conn->worker->poller, conn->fd, events, data)
                : weft__poller_modify(&conn->worker->poller, conn->fd, events, data);
}

/* The handler could not be started for want of memory: its event comes again. */
void weft__conn_lost(void *arg)
{
    struct weft_conn *conn = arg;
    weft__word_lock(&conn->word);
    conn->state = load_seq_cst(&conn->serve->ending) ? STATE_CLOSING : STATE_IDLE;
    conn->idle_since = weft__now();
    register_conn(conn, false);
    weft__word_unlock(&conn->word);
}

/* A quiet one is heard: has anything come? */
static bool has_news(const struct weft_conn *conn, uint32_t events)
{
    bool ends = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    return (ends && !load_relaxed(&conn->finished)) || weft__sys_unread(conn->fd) != conn->held;
}

static void on_event(struct weft__source *source, uint16_t generation, uint32_t events,
                     struct weft__worker *owner)
{
    struct weft_conn *conn = container_of(source, struct weft_conn, source);
    struct weft__wait_node *reader = NULL, *writer = NULL;
    struct weft__task *wake[2] = { NULL, NULL };
    bool start = false, lost = false;
    weft__word_lock(&conn->word);
    if (conn->generation != generation ||
        (conn->state != STATE_IDLE && conn->state != STATE_RUNNING)) {
        weft__word_unlock(&conn->word);
        return;
    }
    if (conn->state == STATE_IDLE && conn->quiet && !has_news(conn, events)) {
        register_conn(conn, false);
        weft__word_unlock(&conn->word);
        return;
    }
    conn->quiet = false;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        store_relaxed(&conn->finished, true);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->edge_in = true;
        reader = weft__claim_first(readers(conn));
        start = conn->state == STATE_IDLE;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        conn->edge_out = true;
        writer = weft__claim_first(writers(conn));
    }
    if (start) { /* queued under the spin bit, so that the server's end sees it idle or counted */
        conn->state = STATE_RUNNING;
        lost = weft__group_spawn_event(&conn->serve->group, owner, conn_main, conn,
                                       "connection handler") < 0;
    }
    wake[0] = reader ? reader->task : NULL;
    wake[1] = writer ? writer->task : NULL;
    weft__word_unlock(&conn->word);
    for (int i = 0; i < 2; i++)
        if (wake[i])
            weft__ready(wake[i]);
    if (lost)
        weft__conn_lost(conn);
}

/* Wait for the next edge, if none came since the last try. */
int weft__conn_wait(weft_conn *conn, unsigned events, weft_deadline deadline, const char *reason)
{
    bool in = events & POLLIN;
    bool *edge = in ? &conn->edge_in : &conn->edge_out;
    if (deadline.ns == 0)
        return -ETIMEDOUT;
    weft__word_lock(&conn->word);
    if (!in && !conn->wants_out) {
        conn->wants_out = true; /* if it is writable already, the edge comes now */
        int r = register_conn(conn, false);
        if (r < 0) {
            conn->wants_out = false;
            weft__word_unlock(&conn->word);
            return r;
        }
    }
    if (*edge) {
        *edge = false;
        weft__word_unlock(&conn->word);
        return (int)events;
    }
    if (!has_edges(conn))
        register_conn(conn, false);
    struct weft__wait_node node;
    int r = weft__wait_on(&conn->word, in ? readers(conn) : writers(conn), &node, weft__current,
                          deadline, reason, conn);
    if (r == 0) {
        weft__word_lock(&conn->word);
        *edge = false;
        weft__word_unlock(&conn->word);
    }
    return r < 0 ? r : (int)events;
}

/* -- reading and writing ----------------------------------------------------------------------------- */

ssize_t weft_conn_read(weft_conn *conn, void *buf, size_t size, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0 || size == 0)
        return r;
    size_t have = conn->unread_size - conn->unread_from, got = have < size ? have : size;
    if (got) {
        memcpy(buf, conn->unread + conn->unread_from, got);
        conn->unread_from += (uint32_t)got;
        if (got == have)
            drop_unread(conn);
        if (got == size)
            return (ssize_t)got;
        deadline = weft_at_once(); /* and what else there is */
    }
    struct weft__target target = { .fd = conn->fd, .conn = conn };
    ssize_t n = conn->error;
    conn->error = 0;
    if (n == 0) {
        n = weft__read(&target, &(struct iovec){ (char *)buf + got, size - got }, 1, -1, deadline);
        if (n == 0)
            conn->drain = got ? END_BEHIND : UNTOUCHED; /* the end is told once */
        else
            conn->drain = n == (ssize_t)(size - got) ? PERHAPS_MORE : EMPTIED;
    }
    if (got && n < 0 && n != -ETIMEDOUT)
        conn->error = (int)n;
    return got ? (ssize_t)got + (n > 0 ? n : 0) : n;
}

int weft_conn_unread(weft_conn *conn, const void *data, size_t size)
{
    size_t have = conn->unread_size - conn->unread_from;
    if (size == 0)
        return 0;
    if (size + have > UNREAD_MAX)
        return -EMSGSIZE;
    unsigned char *all = weft__alloc(size + have, 16);
    if (!all)
        return -ENOMEM;
    memcpy(all, data, size);
    if (have)
        memcpy(all + size, conn->unread + conn->unread_from, have);
    drop_unread(conn);
    conn->unread = all;
    conn->unread_size = (uint32_t)(size + have);
    return 0;
}

ssize_t weft_conn_writev(weft_conn *conn, const struct iovec *iov, int count, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__target target = { .fd = conn->fd, .conn = conn };
    int r = weft__wait_enter(&self);
    return r < 0 ? r : weft__write(&target, iov, count, -1, deadline);
}

ssize_t weft_conn_write(weft_conn *conn, const void *buf, size_t size, weft_deadline deadline)
{
    if (size == 0)
        return 0;
    return weft_conn_writev(conn, &(struct iovec){ (void *)(uintptr_t)buf, size }, 1, deadline);
}

ssize_t weft_conn_sendfile(weft_conn *conn, int file, off_t offset, size_t size,
                           weft_deadline deadline)
{
    struct weft__task *self;
    struct weft__target target = { .fd = conn->fd, .conn = conn };
    int r = weft__wait_enter(&self);
    return r < 0 ? r : weft__sendfile(&target, file, offset, size, deadline);
}

void *weft_conn_user(const weft_conn *conn)
{
    return conn->user;
}

void weft_conn_user_set(weft_conn *conn, void *user)
{
    conn->user = user;
}

void *weft_conn_server_user(const weft_conn *conn)
{
    return conn->serve->options.user;
}

int weft_conn_fd(const weft_conn *conn)
{
    return conn->fd;
}

bool weft_conn_is_ending(const weft_conn *conn)
{
    return load_relaxed(&conn->serve->ending);
}

/* -- a connection's life ------------------------------------------------------------------------------ */

/* No event finds it any more. */
static void deregister(struct weft_conn *conn, uint8_t state)
{
    weft__word_lock(&conn->word);
    conn->state = state;
    conn->generation++;
    weft__word_unlock(&conn->word);
    weft__poller_remove(&conn->worker->poller, conn->fd);
}

/* The caller owns it (RUNNING or CLOSING). */
static void conn_end(struct weft_conn *conn)
{
    struct serve *serve = conn->serve;
    weft_lock_enter(&serve->lock);
    *(conn->prev ? &conn->prev->next : &serve->first) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    weft_lock_leave(&serve->lock);
    if (conn->fd >= 0) {
        if (serve->options.on_close)
            serve->options.on_close(conn);
        deregister(conn, STATE_FREE);
        weft__sys_close(conn->fd);
    }
    __atomic_fetch_sub(&conn->worker->conns, 1, __ATOMIC_RELAXED);
    conn_free(conn);
    weft_semaphore_release(&serve->room, 1);
}

int weft_conn_detach(weft_conn *conn, void *unread, size_t *size)
{
    int fd = conn->fd;
    size_t have = conn->unread_size - conn->unread_from;
    if (have > (size ? *size : 0))
        return -EMSGSIZE;
    if (size) {
        if (have)
            memcpy(unread, conn->unread + conn->unread_from, have);
        *size = have;
    }
    deregister(conn, STATE_FREE); /* now: the caller may wait for it as a plain one */
    conn->fd = -1;
    return fd;
}

/* Does the kernel hold something, or has the peer finished? A handler that has read nothing is not
 * called for the same bytes again and again. */
static bool has_more(struct weft_conn *conn)
{
    char byte;
    if (conn->error)
        return true;
    if (conn->drain == UNTOUCHED || (conn->drain == EMPTIED && !load_relaxed(&conn->finished)))
        return false;
    ssize_t n = weft__sys_recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && n != -EAGAIN)
        conn->error = (int)n;
    return n != -EAGAIN;
}

/* Give it back to nobody. false: an event came meanwhile. */
static bool lie_idle(struct weft_conn *conn)
{
    weft__word_lock(&conn->word);
    bool idle = !conn->edge_in && !load_seq_cst(&conn->serve->ending);
    if (idle) {
        conn->idle_since = weft__now();
        conn->state = STATE_IDLE;
        if (!has_edges(conn)) {
            conn->quiet = conn->drain == UNTOUCHED;
            register_conn(conn, false);
        }
    }
    conn->edge_in = false;
    weft__word_unlock(&conn->word);
    return idle;
}

static int conn_main(void *arg)
{
    struct weft_conn *conn = arg;
    struct serve *serve = conn->serve;
    weft__word_lock(&conn->word);
    conn->edge_in = false; /* it told why we run; a later one is a mark */
    weft__word_unlock(&conn->word);
    for (;;) {
        conn->drain = UNTOUCHED;
        if (!has_edges(conn))
            conn->held = weft__sys_unread(conn->fd);
        int verdict = serve->handler(conn);
        if (verdict != WEFT_CONN_IDLE || conn->fd < 0 || weft_task_is_cancelled())
            break;
        if (conn->drain == END_BEHIND && conn->unread_size)
            break; /* it gave back what never will be whole */
        while (!has_more(conn) && !load_relaxed(&serve->ending)) {
            if (lie_idle(conn))
                return 0;
            conn->drain = PERHAPS_MORE; /* an edge came */
        }
        if (load_relaxed(&serve->ending))
            break;
        weft__yield(weft__current); /* one busy peer does not keep the worker */
    }
    conn_end(conn);
    return 0;
}

/* -- serving ------------------------------------------------------------------------------------------ */

/* Take a descriptor in. It is the connection's from here on, whatever happens. */
static int adopt(struct serve *serve, int fd)
{
    struct weft_conn *conn = conn_new();
    if (!conn) {
        weft__sys_close(fd);
        return -ENOMEM;
    }
    conn->fd = fd;
    conn->serve = serve;
    conn->worker = weft__place();
    conn->user = NULL;
    conn->edge_in = conn->edge_out = conn->finished = conn->wants_out = conn->quiet = false;
    conn->error = 0;
    conn->prev = NULL;
    if (serve->options.on_open && serve->options.on_open(conn) < 0) {
        weft__sys_close(fd);
        conn_free(conn);
        return -ECONNREFUSED;
    }
    weft_lock_enter(&serve->lock);
    conn->next = serve->first;
    if (conn->next)
        conn->next->prev = conn;
    serve->first = conn;
    weft_lock_leave(&serve->lock);
    weft__word_lock(&conn->word);
    conn->idle_since = weft__now();
    conn->state = STATE_IDLE;
    weft__word_unlock(&conn->word);
    add_relaxed(&conn->worker->conns, 1);
    if (register_conn(conn, true) < 0)
        conn_end(conn); /* no event can have come */
    return 0;
}

/* Close what has been idle since before `since`. */
static void sweep(struct serve *serve, int64_t since)
{
    struct weft_conn *old = NULL;
    weft_lock_enter(&serve->lock);
    for (struct weft_conn *conn = serve->first; conn; conn = conn->next) {
        weft__word_lock(&conn->word);
        if (conn->state == STATE_IDLE && conn->idle_since <= since) {
            conn->state = STATE_CLOSING;
            conn->old = old;
            old = conn;
        }
        weft__word_unlock(&conn->word);
    }
    weft_lock_leave(&serve->lock);
    while (old) {
        struct weft_conn *conn = old;
        old = conn->old;
        conn_end(conn);
    }
}

/* No descriptor is left: the newest connection is taken with the reserve, and unless there is another
 * reserve by now, closed, so that its peer knows; the kernel would wake us for it for ever. A connection,
 * or -EAGAIN: the next try may be luckier; errors of waiting. */
static int shed(struct serve *serve, int listener, int why, weft_deadline step)
{
    int64_t now = weft__now();
    if (!serve->shed_at || now - serve->shed_at > REPORT_AGAIN_SECONDS * WEFT_SEC)
        weft__report("weft: %s: new connections are refused until others end\n", weft_strerror(why));
    serve->shed_at = now;
    int fd = -EAGAIN, r = serve->reserve < 0 ? 0 : weft_poll(listener, POLLIN, step);
    if (r > 0) {
        weft__sys_close(serve->reserve);
        fd = weft_accept(listener, NULL, weft_at_once());
    }
    if (r >= 0)
        serve->reserve = weft__sys_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    if (r < 0 || serve->reserve >= 0)
        return r < 0 ? r : fd == -ETIMEDOUT ? -EAGAIN : fd;
    if (fd >= 0) {
        weft__sys_close(fd);
        serve->reserve = weft__sys_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    }
    r = serve->reserve < 0 ? weft_sleep(weft_after(SHED_PAUSE_MS * WEFT_MS)) : 0;
    return r < 0 ? r : -EAGAIN;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Accept until the end is asked for. */
static int accept_all(struct serve *serve, int listener, int64_t until)
{
    struct weft__task *self = weft__current;
    int64_t idle = serve->options.idle, every = idle > 8000000 ? idle / 8 : 1000000;
    int64_t next_sweep = idle ? weft__now() + every : INT64_MAX;
    for (unsigned taken = 1;; taken++) {
        weft_deadline step = { sooner(until, next_sweep) };
        int fd = weft_semaphore_acquire(&serve->room, step);
        if (fd == 0) {
            fd = weft_accept(listener, NULL, step);
            if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
                fd = shed(serve, listener, fd, step);
            if (fd < 0 || adopt(serve, fd) < 0)
                weft_semaphore_release(&serve->room, 1);
        }
        if (fd < 0 && fd != -EAGAIN && fd != -ETIMEDOUT)
            return fd;
        int64_t now = fd == -ETIMEDOUT || idle ? weft__now() : 0;
        if (fd == -ETIMEDOUT && now >= until)
            return fd;
        if (now >= next_sweep) {
            sweep(serve, now - idle);
            next_sweep = now + every;
        }
        if (taken % BURST == 0 && weft__is_coroutine(self))
            weft__yield(self); /* a flood of newcomers does not keep the worker */
    }
}

int weft_serve(int listener, weft_conn_fn *handler, const struct weft_serve_options *options,
               weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (!handler || (options && (options->size != sizeof *options || options->idle < 0 ||
                                 options->grace < 0 || options->stack > 64 * 1024)))
        return -EINVAL;
    if ((r = weft__runtime_need()) < 0)
        return r;
    struct serve serve = { .handler = handler };
    if (options)
        serve.options = *options;
    size_t most = serve.options.max;
    weft_semaphore_init(&serve.room, most && most < UINT32_MAX ? (uint32_t)most : UINT32_MAX, 0, 0);
    weft_group_init(&serve.group, WEFT_KEEP_GOING);
    serve.reserve = weft__sys_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
    int64_t until = deadline.ns == INT64_MAX ? INT64_MAX : weft__deadline_at(deadline);
    int why = accept_all(&serve, listener, sooner(until, self->bound));
    struct weft__calm calm = weft__calm_begin(self); /* the end has its own bounds */
    store_seq_cst(&serve.ending, true);
    sweep(&serve, INT64_MAX);
    r = weft_group_wait(&serve.group, weft_after(serve.options.grace));
    (void)r; /* how handlers ended is theirs */
    while (serve.first)
        conn_end(serve.first); /* its handler was lost */
    weft__calm_end(self, calm);
    weft_semaphore_fini(&serve.room);
    weft_lock_fini(&serve.lock);
    weft_group_fini(&serve.group);
    if (serve.reserve >= 0)
        weft__sys_close(serve.reserve);
    return why;
}
