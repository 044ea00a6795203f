/* reaper.c - the thread of the program that sees to all process tasks of the tree; see proc.h.
 *
 * It alone collects and repairs, in this order: the record, what the dead held, the death epoch, its own
 * process tasks, whoever waits for it. So a join that has returned means that all is right again. It never
 * waits for anybody. It never ends either: the kernel kills the zygote and the process tasks when the thread
 * that they are children of does, and that is this one. What it looks through at each ring is as many slots as
 * there have ever been process tasks at once. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "proc/log.h"
#include "proc/proc.h"
#include "sched/wait.h"

enum { BELL = 1, ZYGOTE, LOG, CHILD, EVENTS = 64, OWN_NUMBERS = 200 };
#define RETRY 10000000ll     /* ns */
#define GRACE (2 * WEFT_SEC) /* from a cancel to SIGTERM, from there to SIGKILL */

enum wish { A_ZYGOTE = 1, ANOTHER = 2, THE_END = 4 };

struct weft__proc_ways weft__proc_ways = { -1, -1 };

/* What the reaper knows of a slot. */
struct child {
    weft__process_id id;
    int pidfd;
    bool sent;  /* to the zygote */
    bool ended; /* but what it has spawned may not have */
    bool over;
    uint8_t signalled; /* 1: SIGTERM, 2: SIGKILL */
};

static struct child children[WEFT__PROCESSES];
static int epfd = -1, log_in = -1;
static int zygote = -1, zygote_pidfd = -1; /* its socket */
static uint32_t zygote_state; /* atomic: 1 it is there, and knows what was loaded then */
static uint32_t wanted;       /* atomic: bits of enum wish */
static bool ending;
static uint32_t ended; /* futex word: nothing is left */
static int64_t next_look;

/* -- the zygote --------------------------------------------------------------------------------------- */

static int watch(int fd, uint64_t data)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = data } };
    return weft__sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

static void zygote_end(void)
{
    int code, status;
    store_release(&zygote_state, 0);
    weft__sys_close(zygote); /* if it lives it ends now */
    weft__sys_pidfd_kill(zygote_pidfd, SIGKILL);
    struct pollfd gone = { .fd = zygote_pidfd, .events = POLLIN };
    weft__sys_poll(&gone, 1, -1);
    weft__sys_collect(zygote_pidfd, &code, &status);
    weft__sys_close(zygote_pidfd);
    zygote = zygote_pidfd = -1;
}

static int make(char *why, size_t room)
{
    int pair[2], pid = -1, theirs = -1;
    int r = weft__sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    if (r < 0)
        return r;
    r = theirs = weft__sys_fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
    weft__sys_close(pair[1]);
    weft__known_objects();
    if (r >= 0)
        r = pid = weft__zygote_make(theirs, why, room);
    if (theirs >= 0)
        weft__sys_close(theirs);
    if (r >= 0)
        r = zygote_pidfd = weft__sys_pidfd_open(pid);
    if (r < 0) {
        weft__sys_close(pair[0]);
        if (pid > 0) /* made, but not to be watched: it ends with its socket */
            WEFT__SYS4(SYS_wait4, pid, NULL, __WALL, NULL);
        return r;
    }
    zygote = pair[0];
    r = watch(zygote_pidfd, ZYGOTE);
    if (r < 0)
        zygote_end();
    else
        store_release(&zygote_state, 1);
    return r;
}

static int make_anew(bool though_there)
{
    char why[128] = "";
    if (zygote_pidfd >= 0 && though_there)
        zygote_end();
    int r = zygote_pidfd >= 0 ? 0 : ending ? -ESRCH : make(why, sizeof why);
    weft__proc_answer(0, r < 0 ? r : 0, why);
    return r;
}

bool weft__zygote_is_there(void)
{
    return load_acquire(&zygote_state);
}

void weft__reaper_wants(bool anew)
{
    or_seq_cst(&wanted, anew ? A_ZYGOTE | ANOTHER : A_ZYGOTE);
    weft__reaper_ring();
}

/* The program's end: what still lives is killed and collected, so that nothing is left to others. */
void weft__reaper_ends(void)
{
    weft__program_ends();
    if (weft__proc_ways.bell < 0) /* the child of a fork */
        return;
    or_seq_cst(&wanted, THE_END);
    weft__reaper_ring();
    for (int64_t until = weft__sys_now() + WEFT_SEC;
         !load_acquire(&ended) && weft__sys_now() < until;)
        weft__sys_futex_wait(&ended, 0, until);
}

/* -- slots -------------------------------------------------------------------------------------------- */

static void adopt(struct child *c, int pid);

/* What it has spawned goes with it, and slots in the middle of being taken or freed. true: all is gone. */
static bool end_spawner(weft__process_id dead)
{
    bool gone = true;
    uint32_t count = load_acquire(&weft__tree->processes);
    for (uint32_t i = 1; i < count; i++) {
        uint64_t state = load_acquire(&weft__tree->process[i].state);
        weft__process_id id = (weft__process_id)(state >> 32);
        struct weft__proc *its = weft__proc(id);
        uint32_t start = load_acquire(&its->start);
        bool asked = start != WEFT__PROC_NONE || (state & 0xff) == WEFT__SLOT_DEAD;
        if ((state & 0xff) == WEFT__SLOT_FREE ||
            (asked ? its->parent != dead : !weft__process_is_taken(state, dead)))
            continue;
        if (start == WEFT__PROC_ASKED)
            shared_swap(&its->start, &start, WEFT__PROC_CANCELLED);
        struct child *c = children[i].id == id && !its->detached ? &children[i] : NULL;
        if (c && c->sent && c->pidfd < 0 && !c->ended && load_acquire(&its->pid))
            adopt(c, its->pid); /* it has begun, and we have not yet looked */
        if (c && c->pidfd >= 0)
            weft__sys_pidfd_kill(c->pidfd, SIGKILL);
        gone &= !c || c->over || (c->pidfd < 0 && !c->ended);
        if (asked && load_acquire(&its->keep) & WEFT__PROC_KEPT)
            weft__proc_let_go(id, WEFT__PROC_KEPT);
        else if (!asked || load_acquire(&its->keep) & WEFT__PROC_OVER)
            weft__proc_free(id);
    }
    return gone;
}

/* Its blocks are swept when nobody that it has spawned can write there any more; some are the slots'. */
static void over(struct child *c)
{
    struct weft__proc *task = weft__proc(c->id);
    weft__process_id parent = task->parent;
    c->ended = true;
    weft__proc_give(&task->request);
    if (!end_spawner(c->id))
        return;
    c->over = true;
    weft__process_died(c->id);
    weft__proc_let_go(c->id, WEFT__PROC_OVER);
    struct child *spawner = &children[parent & (WEFT__PROCESSES - 1)];
    if (parent != weft__me)
        weft__proc_ring(parent);
    if (spawner->id == parent && spawner->ended &&
        !spawner->over) /* it may have waited for this one */
        over(spawner);
}

static void fail(struct child *c, int error)
{
    struct weft__proc *task = weft__proc(c->id);
    uint32_t asked = WEFT__PROC_ASKED;
    shared_store(&task->error, error);
    shared_swap(&task->start, &asked, WEFT__PROC_FAILED);
    over(c);
}

/* The descriptors of a request, as this process has them: those of another are fetched from it. How many. */
static int fetch(const struct weft__request *request, struct child *parent, int *fds)
{
    int r = weft__arena_has(request, sizeof *request) && request->count > 0 &&
                    request->count <= WEFT__PASSED
                ? 0
                : -EFAULT;
    for (int i = 0; r >= 0 && i < request->count; i++) {
        r = fds[i] =
            parent ? weft__sys_pidfd_get(parent->pidfd, request->pass[i].fd) : request->pass[i].fd;
        while (r < 0 && i > 0 && parent)
            weft__sys_close(fds[--i]);
    }
    return r < 0 ? r : request->count;
}

static int send_to_zygote(weft__process_id id, const int *fds, int count)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(WEFT__PASSED * sizeof(int))];
    } control;
    size_t size = (size_t)count * sizeof(int);
    struct iovec iov = { &id, sizeof id };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(size)
    };
    control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), fds, size);
    return (int)weft__sys_sendmsg(zygote, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void see_start(struct child *c);

static void hand_over(struct child *c)
{
    const struct weft__proc *task = weft__proc(c->id);
    struct child *parent =
        task->parent == weft__me ? NULL : &children[task->parent & (WEFT__PROCESSES - 1)];
    int fds[WEFT__PASSED];
    if (parent && parent->pidfd < 0) /* it has begun, and we have not yet looked */
        see_start(parent);
    int count =
        parent && parent->pidfd < 0 ? -EAGAIN : fetch(load_acquire(&task->request), parent, fds);
    int r = count < 0 ? count : send_to_zygote(c->id, fds, count);
    while (parent && count > 0)
        weft__sys_close(fds[--count]);
    if (r >= 0)
        c->sent = true;
    else if (r == -EAGAIN || r == -EPIPE ||
             r == -ECONNRESET) /* full; or it has just died, which we hear */
        next_look = RETRY;
    else
        fail(c, r);
}

static void adopt(struct child *c, int pid)
{
    struct weft__proc *task = weft__proc(c->id);
    int r = c->pidfd = weft__sys_pidfd_open(pid);
    if (r >= 0 && (r = watch(r, CHILD + (c->id & (WEFT__PROCESSES - 1)))) < 0) {
        weft__sys_close(c->pidfd);
        c->pidfd = -1;
    }
    if (r < 0)
        next_look = RETRY; /* too many descriptors: it waits to be collected */
    else if (task->parent != weft__me && weft__process_is_dead(task->parent) && !task->detached)
        weft__sys_pidfd_kill(c->pidfd, SIGKILL);
}

static void see_start(struct child *c)
{
    struct weft__proc *task = weft__proc(c->id);
    uint32_t start = load_acquire(&task->start);
    bool handled = load_acquire(&task->handled) == c->id; /* before the number: then that is there */
    int pid = load_acquire(&task->pid);
    if (c->sent && pid)
        adopt(c, pid);
    else if (c->sent ? handled : start > WEFT__PROC_ASKED)
        over(c);
    else if (!c->sent && start == WEFT__PROC_ASKED) {
        int r = make_anew(false);
        if (r >= 0)
            hand_over(c);
        else
            fail(c, r);
    }
}

static void see_cancel(struct child *c)
{
    struct weft__proc *task = weft__proc(c->id);
    if (load_acquire(&task->cancelled) != c->id || c->signalled == 2)
        return;
    int64_t at = task->cancelled_at + (task->term_after ? task->term_after : GRACE),
            now = weft__sys_now();
    if (c->signalled)
        at += task->kill_after ? task->kill_after : GRACE;
    if (now >= at) {
        weft__sys_pidfd_kill(c->pidfd, c->signalled++ ? SIGKILL : SIGTERM);
        see_cancel(c);
    } else if (at - now < next_look) {
        next_look = at - now;
    }
}

static void see_all(void)
{
    uint32_t count = load_acquire(&weft__tree->processes);
    next_look = INT64_MAX;
    for (uint32_t i = 1; i < count; i++) {
        uint64_t state = load_acquire(&weft__tree->process[i].state);
        weft__process_id id = (weft__process_id)(state >> 32);
        struct child *c = &children[i];
        if ((state & 0xff) != WEFT__SLOT_TAKEN && (state & 0xff) != WEFT__SLOT_ALIVE)
            continue;
        if (c->id != id)
            *c = (struct child){ .id = id, .pidfd = -1 };
        if (c->ended || load_acquire(&weft__proc(id)->start) == WEFT__PROC_NONE)
            continue;
        if (c->pidfd < 0)
            see_start(c);
        if (c->pidfd >= 0)
            see_cancel(c);
    }
}

/* -- ends --------------------------------------------------------------------------------------------- */

static void bury(struct child *c)
{
    struct weft__proc *task = weft__proc(c->id);
    int pid = task->pid, code = 0, status = 0;
    uint32_t asked = WEFT__PROC_ASKED;
    shared_store(&task->pid, 0); /* whoever sends it a signal looks again before he does */
    int r = weft__sys_collect(c->pidfd, &code, &status);
    if (r == -EAGAIN) {
        shared_store(&task->pid, pid);
        return;
    }
    weft__sys_close(c->pidfd);
    c->pidfd = -1;
    bool exited = r == 0 && code == CLD_EXITED;
    bool by_us = !exited && c->signalled && (status == SIGTERM || status == SIGKILL);
    shared_store(&task->how, status);
    shared_store(&task->core, (uint32_t)(code == CLD_DUMPED));
    shared_store(&task->end, exited  ? WEFT__PROC_EXITED
                             : by_us ? WEFT__PROC_ENDED_BY_US
                                     : WEFT__PROC_KILLED);
    shared_swap(&task->start, &asked, WEFT__PROC_RUNS);
    over(c);
}

static void zygote_died(void)
{
    uint32_t count = load_acquire(&weft__tree->processes);
    zygote_end();
    for (uint32_t i = 1; i < count; i++) { /* what it had not done is for the next one, made then */
        struct child *c = &children[i];
        if (c->id && c->sent && c->pidfd < 0 && !c->over && !load_acquire(&weft__proc(c->id)->pid))
            c->sent = load_acquire(&weft__proc(c->id)->handled) == c->id;
    }
}

/* -- the thread --------------------------------------------------------------------------------------- */

static void handle(uint64_t what)
{
    uint64_t count;
    if (what == BELL)
        weft__sys_read(weft__proc_ways.bell, &count, sizeof count);
    else if (what == ZYGOTE)
        zygote_died();
    else if (what >= CHILD && children[what - CHILD].pidfd >= 0)
        bury(&children[what - CHILD]);
}

static void end_begin(void)
{
    ending = true;
    if (zygote_pidfd >= 0)
        zygote_end();
    for (uint32_t i = 1; i < load_acquire(&weft__tree->processes); i++)
        if (children[i].pidfd >= 0 && children[i].id && !weft__proc(children[i].id)->detached)
            weft__sys_pidfd_kill(children[i].pidfd, SIGKILL);
}

static void end_see(void)
{
    for (uint32_t i = 1; i < load_acquire(&weft__tree->processes); i++)
        if (children[i].pidfd >= 0 && children[i].id && !weft__proc(children[i].id)->detached)
            return;
    store_release(&ended, 1);
    weft__sys_futex_wake(&ended, INT32_MAX);
}

static _Noreturn void *reaper_main(void *arg)
{
    (void)arg;
    next_look = INT64_MAX;
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = weft__sys_epoll_wait(epfd, events, EVENTS, next_look == INT64_MAX ? -1 : next_look);
        weft__log_take(log_in); /* before the ends of those who wrote them */
        for (int i = 0; i < n; i++)
            handle(events[i].data.u64);
        uint32_t asked = exchange_seq_cst(&wanted, 0);
        if (asked & THE_END)
            end_begin();
        if (asked & A_ZYGOTE)
            make_anew(asked & ANOTHER);
        see_all();
        weft__proc_collect();
        if (ending)
            end_see();
    }
}

void weft__reaper_ring(void)
{
    uint64_t one = 1;
    weft__sys_write(weft__proc_ways.bell, &one, sizeof one);
}

/* Numbers that a program hardly uses: in a process task they are taken too. */
static int out_of_the_way(int fd)
{
    int r = weft__sys_fcntl(fd, F_DUPFD_CLOEXEC, OWN_NUMBERS);
    if (r >= 0)
        weft__sys_close(fd);
    return r >= 0 ? r : fd;
}

static int open_ways(void)
{
    int pair[2];
    int r = epfd = weft__sys_epoll_create();
    if (r >= 0 && (r = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC)) >= 0)
        r = watch(weft__proc_ways.bell = out_of_the_way(r), BELL);
    if (r >= 0 && (r = weft__sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) >= 0) {
        weft__proc_ways.log = out_of_the_way(pair[1]);
        r = watch(log_in = pair[0], LOG);
    }
    return r;
}

int weft__reaper_start(void)
{
    struct weft__sys_thread thread;
    int r = open_ways();
    add_relaxed(&weft__rt.services, 1);
    __atomic_fetch_add(&weft__rt.threads, 1, __ATOMIC_SEQ_CST);
    weft__solo_end();
    if (r >= 0)
        r = weft__sys_thread_start(&thread, 0, reaper_main, NULL);
    if (r >= 0) {
        weft__sys_thread_detach(thread);
        weft__sys_at_exit(weft__reaper_ends); /* without it the kernel ends them, and init collects */
        return 0;
    }
    add_relaxed(&weft__rt.services, (uint32_t)-1);
    __atomic_fetch_sub(&weft__rt.threads, 1, __ATOMIC_RELAXED);
    weft__reaper_forget();
    return r;
}

/* In the child of a plain fork all of it is the parent's. */
void weft__reaper_forget(void)
{
    int open[] = { weft__proc_ways.bell, weft__proc_ways.log, epfd, log_in, zygote, zygote_pidfd };
    for (unsigned i = 0; i < ARRAY_LEN(open); i++)
        if (open[i] >= 0)
            weft__sys_close(open[i]);
    epfd = log_in = zygote = zygote_pidfd = -1;
    zygote_state = 0;
    weft__proc_ways = (struct weft__proc_ways){ -1, -1 };
}
