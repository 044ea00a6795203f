/* Pollers: epoll's words mean the same on epoll, poll and select. */
#include "os/poller.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/base.h>
#include "base/alloc.h"
#include "test.h"

#define SECOND INT64_C(1000000000)

/* Each test once for each backend. */
#define EACH(fn)                    \
    static void fn(struct test *t); \
    TEST(fn##_by_epoll)             \
    {                               \
        begin(t, "epoll", fn);      \
    }                               \
    TEST(fn##_by_poll)              \
    {                               \
        begin(t, "poll", fn);       \
    }                               \
    TEST(fn##_by_select)            \
    {                               \
        begin(t, "select", fn);     \
    }                               \
    static void fn(__attribute__((unused)) struct test *t)

static struct weft__poller poller;
static int bell, ends[2]; /* a socket pair */

static void begin(struct test *t, const char *backend, void (*fn)(struct test *t))
{
    setenv("WEFT_BACKEND", backend, 1);
    CHECK_OK(bell = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC));
    CHECK_OK(weft__sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
    CHECK_OK(weft__poller_open(&poller, bell));
    CHECK_EQ(weft__poller_is_set(&poller), strcmp(backend, "epoll") != 0);
    fn(t);
    weft__poller_close(&poller);
}

static void say(int fd, const char *words)
{
    CHECK_EQ(write(fd, words, strlen(words)), (ssize_t)strlen(words));
}

static void hear(int fd)
{
    char buf[64];
    CHECK_GT(read(fd, buf, sizeof buf), 0);
}

static uint32_t events_of(uint64_t data)
{
    struct epoll_event out[16];
    int n = weft__poller_wait(&poller, out, 16, 0);
    CHECK_LE(n, 1);
    if (n == 1)
        CHECK_EQ(out[0].data.u64, data);
    return n == 1 ? out[0].events : 0;
}

EACH(a_level_is_told_as_long_as_it_lasts)
{
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN, 7));
    CHECK_EQ(events_of(7), 0);
    say(ends[1], "x");
    CHECK_EQ(events_of(7), EPOLLIN);
    CHECK_EQ(events_of(7), EPOLLIN);
    hear(ends[0]);
    CHECK_EQ(events_of(7), 0);
    CHECK_OK(weft__poller_modify(&poller, ends[0], EPOLLIN | EPOLLOUT, 8));
    CHECK_EQ(events_of(8), EPOLLOUT);
    close(ends[1]);
    CHECK_EQ(events_of(8), EPOLLIN | EPOLLOUT | EPOLLHUP);
    CHECK_OK(weft__poller_remove(&poller, ends[0]));
    CHECK_EQ(events_of(8), 0);
}

EACH(a_one_shot_is_told_once_and_again_after_a_modify)
{
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN | EPOLLONESHOT, 7));
    say(ends[1], "x");
    CHECK_EQ(events_of(7), EPOLLIN);
    CHECK_EQ(events_of(7), 0);
    CHECK_OK(weft__poller_modify(&poller, ends[0], EPOLLIN | EPOLLONESHOT, 9));
    CHECK_EQ(events_of(9), EPOLLIN);
    close(ends[1]);
    CHECK_EQ(events_of(9), 0);
}

EACH(an_edge_is_told_once_for_each_direction)
{
    uint32_t all = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET;
    say(ends[1], "x");
    CHECK_OK(weft__poller_add(&poller, ends[0], all, 7));
    CHECK_EQ(events_of(7), EPOLLIN | EPOLLOUT);
    CHECK_EQ(events_of(7), 0);
    CHECK_OK(weft__poller_modify(&poller, ends[0], all, 7));
    CHECK_EQ(events_of(7), EPOLLIN | EPOLLOUT);
    hear(ends[0]);
    CHECK_OK(weft__poller_modify(&poller, ends[0], all, 7));
    CHECK_EQ(events_of(7), EPOLLOUT);
    say(ends[1], "x"); /* outwards was told, inwards was not */
    CHECK_EQ(events_of(7) & ~(uint32_t)EPOLLOUT, EPOLLIN);
}

EACH(what_cannot_be_waited_for_is_refused)
{
    int file = open("/proc/self/exe", O_RDONLY), folder = open("/", O_RDONLY);
    CHECK_ERR(weft__poller_add(&poller, folder, EPOLLIN, 7), -EPERM);
    CHECK_ERR(weft__poller_add(&poller, file, EPOLLIN, 7), -EPERM);
    CHECK_ERR(weft__poller_add(&poller, 999, EPOLLIN, 7), -EBADF);
    CHECK_ERR(weft__poller_modify(&poller, ends[0], EPOLLIN, 7), -ENOENT);
    CHECK_ERR(weft__poller_remove(&poller, ends[0]), -ENOENT);
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN, 7));
    CHECK_ERR(weft__poller_add(&poller, ends[0], EPOLLIN, 7), -EEXIST);
}

EACH(a_descriptor_closed_by_others_is_forgotten)
{
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN, 7));
    int number = ends[0];
    close(ends[0]);
    CHECK_EQ(events_of(7), 0);
    CHECK_EQ(dup2(ends[1], number), number);
    CHECK_OK(weft__poller_add(&poller, number, EPOLLIN, 8));
    CHECK_EQ(events_of(8), EPOLLIN | EPOLLHUP);
}

EACH(the_bell_has_no_data)
{
    uint64_t one = 1;
    CHECK_EQ(write(bell, &one, sizeof one), 8);
    CHECK_EQ(events_of(0), EPOLLIN);
    CHECK_EQ(read(bell, &one, sizeof one), 8);
    CHECK_EQ(events_of(0), 0);
}

EACH(no_wait_is_shorter_than_its_timeout)
{
    struct epoll_event out[4];
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN | EPOLLRDHUP, 7));
    int64_t from = weft__sys_now();
    CHECK_EQ(weft__poller_wait(&poller, out, 4, 3 * SECOND / 1000), 0);
    CHECK_GE(weft__sys_now() - from, 3 * SECOND / 1000);
}

/* select has no word for it: it must not be woken again and again by bytes that nobody reads. */
EACH(the_peers_end_can_be_waited_for_while_bytes_lie_there)
{
    struct epoll_event out[4];
    say(ends[1], "unread");
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLRDHUP, 7));
    int64_t from = weft__sys_now();
    int waits = 0;
    for (; weft__sys_now() - from < 50 * (SECOND / 1000); waits++)
        CHECK_LE(weft__poller_wait(&poller, out, 4, 50 * (SECOND / 1000)), 0);
    CHECK_LE(waits, 20);
    shutdown(ends[1], SHUT_WR);
    int n = 0;
    while (n <= 0)
        n = weft__poller_wait(&poller, out, 4, -1);
    CHECK_EQ(out[0].events, EPOLLRDHUP);
}

/* -- from other threads ------------------------------------------------------------------------------- */

static uint64_t heard; /* data of the last event, atomic */

/* Does somebody sleep, on all that is registered now? */
static bool somebody_sleeps(void)
{
    weft__spin_lock(&poller.spin);
    bool sleeps = poller.asleep > 0 && poller.leaving == 0;
    weft__spin_unlock(&poller.spin);
    return sleeps;
}

static void *sleeper(void *arg)
{
    (void)arg;
    for (;;) {
        struct epoll_event out[16];
        int n = weft__poller_wait(&poller, out, 16, -1);
        for (int i = 0; i < n; i++) {
            uint64_t count;
            if (out[i].data.u64 == 1)
                return NULL;
            if (out[i].data.u64 == 0)
                CHECK_EQ(weft__sys_read(bell, &count, sizeof count), 8);
            else
                __atomic_store_n(&heard, out[i].data.u64, __ATOMIC_RELEASE);
        }
    }
}

EACH(changes_reach_a_sleeper)
{
    int stop[2];
    pthread_t thread;
    CHECK_OK(pipe(stop));
    CHECK_OK(weft__poller_add(&poller, stop[0], EPOLLIN, 1));
    CHECK_EQ(pthread_create(&thread, NULL, sleeper, NULL), 0);
    for (uint64_t round = 2; round < 300; round++) {
        say(ends[1], "x");
        CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN | EPOLLONESHOT, round));
        while (__atomic_load_n(&heard, __ATOMIC_ACQUIRE) != round)
            sched_yield();
        CHECK_OK(weft__poller_modify(&poller, ends[0], EPOLLIN | EPOLLONESHOT, round + 1000));
        while (__atomic_load_n(&heard, __ATOMIC_ACQUIRE) != round + 1000)
            sched_yield();
        CHECK_OK(weft__poller_remove(&poller, ends[0]));
        hear(ends[0]);
    }
    say(stop[1], "x");
    pthread_join(thread, NULL);
}

/* The kernel keeps a file open for who sleeps on it: the peer would not be told. */
EACH(what_is_removed_is_closed_by_a_close)
{
    int stop[2];
    pthread_t thread;
    CHECK_OK(pipe(stop));
    CHECK_OK(weft__poller_add(&poller, stop[0], EPOLLIN, 1));
    CHECK_EQ(pthread_create(&thread, NULL, sleeper, NULL), 0);
    for (int round = 0; round < 300; round++) {
        int pair[2];
        char byte;
        CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
        CHECK_OK(weft__poller_add(&poller, pair[0], EPOLLIN, 7));
        while (weft__poller_is_set(&poller) && !somebody_sleeps())
            sched_yield();
        CHECK_OK(weft__poller_remove(&poller, pair[0]));
        CHECK_OK(close(pair[0]));
        CHECK_EQ(read(pair[1], &byte, 1), 0);
        CHECK_OK(close(pair[1]));
    }
    say(stop[1], "x");
    pthread_join(thread, NULL);
}

/* -- one under another ----------------------------------------------------------------------------------- */

static struct weft__poller below;
static int bell_below;

/* What can be waited for: an epoll itself, or a set's bell. */
static int open_below(void)
{
    CHECK_OK(bell_below = weft__sys_eventfd(0, O_NONBLOCK | O_CLOEXEC));
    CHECK_OK(weft__poller_open(&below, bell_below));
    return weft__poller_is_set(&below) ? bell_below : below.epfd;
}

static void arm_below(int fd)
{
    if (weft__poller_modify(&poller, fd, EPOLLIN | EPOLLONESHOT, 5) == -ENOENT)
        CHECK_OK(weft__poller_add(&poller, fd, EPOLLIN | EPOLLONESHOT, 5));
    if (weft__poller_is_set(&poller))
        weft__set_under(&poller, fd, &below);
}

EACH(what_is_ready_in_one_is_ready_in_the_one_above)
{
    int fd = open_below();
    struct epoll_event out[4];
    CHECK_OK(weft__poller_add(&below, ends[0], EPOLLIN, 7));
    CHECK_OK(weft__poller_add(&poller, ends[0], EPOLLIN | EPOLLONESHOT, 8));
    arm_below(fd);
    CHECK_EQ(weft__poller_wait(&poller, out, 4, 0), 0);
    say(ends[1], "x");
    CHECK_EQ(weft__poller_wait(&poller, out, 4, -1), 2);
    CHECK_EQ(out[0].data.u64 + out[1].data.u64, 5 + 8);
    CHECK_EQ(weft__poller_wait(&poller, out, 4, 0), 0); /* both are one-shots */
    CHECK_EQ(weft__poller_wait(&below, out, 4, 0), 1);
    CHECK_EQ(out[0].data.u64, 7);
    hear(ends[0]);
    arm_below(fd);
    CHECK_EQ(weft__poller_wait(&poller, out, 4, 0), 0);
    CHECK_OK(weft__poller_remove(&poller, fd));
    say(ends[1], "x");
    CHECK_EQ(weft__poller_wait(&poller, out, 4, 0), 0);
    weft__poller_close(&below);
}

EACH(a_change_below_reaches_who_sleeps_above)
{
    int fd = open_below(), stop[2];
    pthread_t thread;
    CHECK_OK(pipe(stop));
    CHECK_OK(weft__poller_add(&poller, stop[0], EPOLLIN, 1));
    CHECK_EQ(pthread_create(&thread, NULL, sleeper, NULL), 0);
    for (int round = 0; round < 300; round++) {
        int pair[2];
        char byte;
        uint64_t count;
        CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
        say(pair[1], "x");
        __atomic_store_n(&heard, 0, __ATOMIC_RELEASE);
        arm_below(fd);
        CHECK_OK(weft__poller_add(&below, pair[0], EPOLLIN, 7));
        while (__atomic_load_n(&heard, __ATOMIC_ACQUIRE) != 5)
            sched_yield();
        hear(pair[0]);
        arm_below(fd); /* and now it sleeps on it */
        CHECK_OK(weft__poller_remove(&below, pair[0]));
        CHECK_OK(close(pair[0]));
        CHECK_EQ(read(pair[1], &byte, 1), 0);
        CHECK_OK(close(pair[1]));
        while (weft__poller_is_leaving(&below))
            sched_yield();
        weft__sys_read(bell_below, &count, sizeof count);
        CHECK_OK(weft__poller_remove(&poller, fd));
    }
    say(stop[1], "x");
    pthread_join(thread, NULL);
    weft__poller_close(&below);
}

TEST(a_thread_sleeps_until_a_set_is_ready_or_its_own_bell_rings)
{
    begin(t, "poll", what_is_ready_in_one_is_ready_in_the_one_above);
    CHECK_OK(weft__poller_open(&below, bell_below));
    struct pollfd fds[2] = { { .fd = ends[0], .events = POLLIN } };
    int pair[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    CHECK_OK(weft__poller_add(&below, pair[0], EPOLLIN, 7));
    hear(ends[0]);
    CHECK_EQ(weft__set_sleep(&below, fds, SECOND / 1000), 0);
    say(pair[1], "x");
    CHECK_EQ(weft__set_sleep(&below, fds, -1), 1);
    CHECK(!fds[0].revents && fds[1].revents);
    say(ends[1], "x");
    CHECK_EQ(weft__set_sleep(&below, fds, -1), 2);
    CHECK(fds[0].revents && fds[1].revents);
    hear(pair[0]);
    CHECK_EQ(weft__set_sleep(&below, fds, -1), 1);
    CHECK(fds[0].revents && !fds[1].revents);
    weft__poller_close(&below);
}

/* -- many ---------------------------------------------------------------------------------------------- */

enum { MANY = 3000 };
static int many[MANY][2];
static bool told[MANY];

static void open_many(void)
{
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur < 2 * MANY + 100)
        SKIP("only %ld descriptors", (long)limit.rlim_cur);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(pipe(many[i]));
        CHECK_OK(weft__poller_add(&poller, many[i][0], EPOLLIN, (uint64_t)i + 1));
        say(many[i][1], "x");
    }
}

/* How many waits until each has been told? They stay ready, and a wait tells of a few. */
static int waits_until_all(void)
{
    int waits = 0;
    for (int left = MANY; left > 0; waits++) {
        struct epoll_event out[100];
        int n = weft__poller_wait(&poller, out, 100, SECOND);
        for (int i = 0; i < n; i++)
            if (out[i].data.u64) {
                left -= !told[out[i].data.u64 - 1];
                told[out[i].data.u64 - 1] = true;
            }
    }
    return waits;
}

EACH(thousands_of_descriptors_take_turns)
{
    open_many();
    CHECK_LE(waits_until_all(), 2 * MANY / 100 + 2);
}

static bool no_memory(void)
{
    return true;
}

EACH(without_memory_for_all_each_has_its_turn)
{
    open_many();
    __atomic_store_n(&weft__alloc_fault, no_memory, __ATOMIC_RELEASE);
    CHECK_LE(waits_until_all(), 4 * MANY / 64 + 2);
    if (weft__poller_is_set(&poller)) {
        int far = fcntl(ends[0], F_DUPFD, 20000);
        CHECK_ERR(weft__poller_add(&poller, far, EPOLLIN, 1), far < 0 ? -EBADF : -ENOMEM);
    }
    __atomic_store_n(&weft__alloc_fault, NULL, __ATOMIC_RELEASE);
}

/* -- the choice ---------------------------------------------------------------------------------------- */

static char report[256];

static void keep_report(void *ctx, const char *text, size_t length)
{
    (void)ctx;
    strncat(report, text, length);
}

TEST(an_unknown_backend_is_reported_once_and_is_epoll)
{
    setenv("WEFT_BACKEND", "kqueue", 1);
    weft_reporter_set(keep_report, NULL);
    CHECK_EQ(weft__backend(), WEFT__EPOLL);
    CHECK_EQ(weft__backend(), WEFT__EPOLL);
    CHECK_STR(report,
              "weft: WEFT_BACKEND=kqueue is not known: select, poll and epoll are; epoll it is\n");
}

TEST(no_word_is_epoll)
{
    unsetenv("WEFT_BACKEND");
    weft_reporter_set(keep_report, NULL);
    CHECK_EQ(weft__backend(), WEFT__EPOLL);
    CHECK_STR(report, "");
}
