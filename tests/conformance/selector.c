/* Selectors: one table of contracts for each kind of task on each backend. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft.h>
#include "../behaviour/until.h"

#define REAL "the kernel's descriptors"
#define SOON weft_after(10 * WEFT_SEC)

static unsigned kind;
static weft_group group; /* for other tasks of the kind */
static weft_selector sel;
static int ends[2];            /* a socket pair */
static struct weft_ready told; /* by select_one */

/* A contract: its body runs as a task of the kind. */
#define SELECTOR(name)                          \
    static void name(void);                     \
    TEST_EACH_KIND_REAL(name##_by_epoll, REAL)  \
    {                                           \
        run(t, "epoll", name);                  \
    }                                           \
    TEST_EACH_KIND_REAL(name##_by_poll, REAL)   \
    {                                           \
        run(t, "poll", name);                   \
    }                                           \
    TEST_EACH_KIND_REAL(name##_by_select, REAL) \
    {                                           \
        run(t, "select", name);                 \
    }                                           \
    static void name(void)

static void (*body)(void);

static int with_selector(void *arg)
{
    CHECK_OK(weft_group_init(&group, WEFT_KEEP_GOING));
    CHECK_OK(weft_selector_init(&sel));
    CHECK_OK(weft_socketpair(ends));
    body();
    CHECK_OK(weft_group_wait(&group, weft_never()));
    weft_group_fini(&group);
    weft_selector_fini(&sel);
    weft_selector_fini(&sel);
    (void)arg;
    return 0;
}

static void run(struct test *t, const char *backend, void (*fn)(void))
{
    weft_group outer;
    setenv("WEFT_BACKEND", backend, 1);
    kind = t->kind;
    body = fn;
    CHECK_OK(weft_group_init(&outer, 0));
    CHECK_OK(weft_group_spawn(&outer, kind, with_selector, NULL));
    CHECK_OK(weft_group_wait(&outer, weft_never()));
    weft_group_fini(&outer);
}

static void say(int fd, const char *words)
{
    CHECK_EQ(weft_write(fd, words, strlen(words), SOON), (ssize_t)strlen(words));
}

static void hear(int fd, const char *words)
{
    char buf[64] = "";
    CHECK_EQ(weft_read(fd, buf, sizeof buf - 1, SOON), (ssize_t)strlen(words));
    CHECK_STR(buf, words);
}

/* The events of the one that is ready, into `told` too; 0: none is. */
static int select_one(void)
{
    struct weft_ready ready[4];
    int n = weft_selector_select(&sel, ready, 4, weft_at_once());
    if (n == -ETIMEDOUT)
        return 0;
    CHECK_EQ(n, 1);
    told = ready[0];
    return told.events;
}

static struct waiting {
    struct weft_ready ready[4];
    int result; /* atomic */
    weft_task task;
} waiting[2];

static int selects(void *arg)
{
    struct waiting *w = arg;
    STORE(w->result, weft_selector_select(&sel, w->ready, 4, SOON));
    return 0;
}

static void start(struct waiting *w)
{
    struct weft_spawn more = { .size = sizeof more, .task = &w->task };
    w->result = 12345;
    CHECK_OK(weft_group_spawn_with(&group, kind, selects, w, &more));
    while (!waits_for(w->task, "selector"))
        CHECK_OK(weft_sleep(weft_after(100 * WEFT_US)));
}

static int result_of(struct waiting *w)
{
    CHECK_OK(weft_task_join(w->task, NULL, SOON));
    return LOAD(w->result);
}

/* -- what is told --------------------------------------------------------------------------------------- */

SELECTOR(what_is_ready_is_told_with_its_data_as_long_as_it_lasts)
{
    int data;
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN | POLLRDHUP, &data));
    CHECK_EQ(select_one(), 0);
    say(ends[1], "hello");
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(select_one(), POLLIN);
        CHECK_EQ(told.fd, ends[0]);
        CHECK(told.data == &data);
        CHECK(told.fn == NULL);
    }
    hear(ends[0], "hello");
    CHECK_EQ(select_one(), 0);
    CHECK_OK(weft_shutdown(ends[1], SHUT_WR));
    CHECK_EQ(select_one(), POLLIN | POLLRDHUP);
    CHECK_OK(weft_close(ends[1]));
    CHECK_EQ(select_one(), POLLIN | POLLRDHUP | POLLHUP);
}

SELECTOR(all_that_are_ready_are_told_in_turns)
{
    struct weft_ready ready[4];
    int pipes[10][2], seen[10] = { 0 };
    for (intptr_t i = 0; i < 10; i++) {
        CHECK_OK(weft_pipe(pipes[i]));
        CHECK_OK(weft_selector_register(&sel, pipes[i][1], POLLOUT, (void *)i));
    }
    for (int i = 0; i < 5; i++) {
        int n = weft_selector_select(&sel, ready, 4, SOON);
        CHECK_GE(n, 1);
        for (int k = 0; k < n; k++)
            seen[(intptr_t)ready[k].data]++;
    }
    for (int i = 0; i < 10; i++)
        CHECK_GE(seen[i], 1);
}

SELECTOR(a_deadline_ends_a_select_never_early)
{
    struct weft_ready ready;
    CHECK_ERR(weft_selector_select(&sel, &ready, 1, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    weft_time from = weft_now();
    CHECK_ERR(weft_selector_select(&sel, &ready, 1, weft_after(3 * WEFT_MS)), -ETIMEDOUT);
    CHECK_GE(weft_time_between(from, weft_now()), 3 * WEFT_MS);
    CHECK_ERR(weft_selector_select(&sel, &ready, 0, SOON), -EINVAL);
}

SELECTOR(a_select_waits_for_what_comes)
{
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    for (int i = 0; i < 50; i++) {
        start(&waiting[0]);
        say(ends[1], "x");
        CHECK_EQ(result_of(&waiting[0]), 1);
        CHECK_EQ(waiting[0].ready[0].events, POLLIN);
        hear(ends[0], "x");
    }
}

SELECTOR(a_cancel_ends_a_select)
{
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    start(&waiting[0]);
    weft_task_cancel(waiting[0].task);
    CHECK_ERR(result_of(&waiting[0]), -ECANCELED);
    say(ends[1], "x");
    CHECK_EQ(select_one(), POLLIN);
}

SELECTOR(a_one_shot_is_told_once_and_again_after_each_modify)
{
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN | WEFT_ONE_SHOT, NULL));
    say(ends[1], "x");
    CHECK_EQ(select_one(), POLLIN);
    CHECK_EQ(select_one(), 0);
    CHECK_OK(weft_selector_modify(&sel, ends[0], POLLIN | WEFT_ONE_SHOT, NULL));
    CHECK_EQ(select_one(), POLLIN);
    CHECK_EQ(select_one(), 0);
}

SELECTOR(an_edge_is_told_when_more_comes)
{
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN | WEFT_EDGE, NULL));
    for (int i = 0; i < 3; i++) {
        say(ends[1], "x");
        CHECK_EQ(select_one(), POLLIN);
        if (t_has_epoll())
            CHECK_EQ(select_one(), 0);
        hear(ends[0], "x");
        CHECK_EQ(select_one(), 0);
    }
}

/* -- registering ---------------------------------------------------------------------------------------- */

SELECTOR(a_registration_is_changed_and_ends)
{
    int data[2];
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, &data[0]));
    CHECK_EQ(select_one(), 0);
    CHECK_OK(weft_selector_modify(&sel, ends[0], POLLIN | POLLOUT, &data[1]));
    CHECK_EQ(select_one(), POLLOUT);
    CHECK(told.data == &data[1]);
    CHECK_OK(weft_selector_unregister(&sel, ends[0]));
    CHECK_EQ(select_one(), 0);
    CHECK_ERR(weft_selector_unregister(&sel, ends[0]), -ENOENT);
    CHECK_ERR(weft_selector_modify(&sel, ends[0], POLLIN, NULL), -ENOENT);
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLOUT, &data[0]));
    CHECK_EQ(select_one(), POLLOUT);
    CHECK(told.data == &data[0]);
}

SELECTOR(what_cannot_be_registered_is_refused)
{
    int file = weft_open("/proc/self/exe", O_RDONLY, 0);
    CHECK_ERR(weft_selector_register(&sel, file, POLLIN, NULL), -EPERM);
    CHECK_ERR(weft_selector_register(&sel, 999, POLLIN, NULL), -EBADF);
    CHECK_ERR(weft_selector_register(&sel, -1, POLLIN, NULL), -EBADF);
    CHECK_ERR(weft_selector_register(&sel, ends[0], 0, NULL), -EINVAL);
    CHECK_ERR(weft_selector_register(&sel, ends[0], WEFT_EDGE, NULL), -EINVAL);
    CHECK_ERR(weft_selector_register(&sel, ends[0], POLLIN | 1 << 30, NULL), -EINVAL);
    CHECK_ERR(weft_selector_on(&sel, ends[0], POLLIN, NULL, NULL), -EINVAL);
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    CHECK_ERR(weft_selector_register(&sel, ends[0], POLLIN, NULL), -EEXIST);
    CHECK_ERR(weft_selector_modify(&sel, ends[0], 0, NULL), -EINVAL);
    CHECK_ERR(weft_selector_modify(&sel, -1, POLLIN, NULL), -ENOENT);
    CHECK_ERR(weft_selector_unregister(&sel, 1 << 30), -ENOENT);
    CHECK_EQ(weft_selector_count(&sel), 1);
}

SELECTOR(what_is_registered_can_be_asked)
{
    struct weft_ready all[2];
    int data;
    CHECK_EQ(weft_selector_list(&sel, NULL, 0), 0);
    CHECK_OK(weft_selector_register(&sel, ends[1], POLLIN | WEFT_EDGE, NULL));
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLOUT, &data));
    CHECK_EQ(weft_selector_count(&sel), 2);
    CHECK_OK(weft_selector_get(&sel, ends[0], &all[0]));
    CHECK_EQ(all[0].fd, ends[0]);
    CHECK_EQ(all[0].events, POLLOUT);
    CHECK(all[0].data == &data);
    CHECK_ERR(weft_selector_get(&sel, 999, &all[0]), -ENOENT);
    CHECK_EQ(weft_selector_list(&sel, all, 1), 2);
    CHECK_EQ(weft_selector_list(&sel, all, 2), 2);
    CHECK_LT(all[0].fd, all[1].fd);
    CHECK_OK(weft_selector_unregister(&sel, ends[1]));
    CHECK_EQ(weft_selector_list(&sel, all, 2), 1);
}

SELECTOR(one_that_waits_sees_what_is_registered_meanwhile)
{
    int more[2];
    CHECK_OK(weft_socketpair(more));
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    for (int i = 0; i < 20; i++) {
        start(&waiting[0]);
        say(more[1], "x");
        CHECK_OK(weft_selector_register(&sel, more[0], POLLIN, NULL));
        CHECK_EQ(result_of(&waiting[0]), 1);
        CHECK_EQ(waiting[0].ready[0].fd, more[0]);
        CHECK_OK(weft_selector_unregister(&sel, more[0]));
        start(&waiting[0]);
        CHECK_OK(weft_selector_modify(&sel, ends[0], POLLOUT, NULL));
        CHECK_EQ(result_of(&waiting[0]), 1);
        CHECK_EQ(waiting[0].ready[0].events, POLLOUT);
        CHECK_OK(weft_selector_modify(&sel, ends[0], POLLIN, NULL));
        hear(more[0], "x");
    }
}

/* -- waking, closing -------------------------------------------------------------------------------------- */

SELECTOR(a_wake_ends_the_select_that_waits_or_the_next)
{
    struct weft_ready ready;
    for (int i = 0; i < 20; i++) {
        start(&waiting[0]);
        weft_selector_wake(&sel);
        CHECK_EQ(result_of(&waiting[0]), 0);
        weft_selector_wake(&sel);
        CHECK_EQ(weft_selector_select(&sel, &ready, 1, SOON), 0);
        CHECK_ERR(weft_selector_select(&sel, &ready, 1, weft_at_once()), -ETIMEDOUT);
    }
    start(&waiting[0]);
    start(&waiting[1]);
    weft_selector_wake(&sel);
    while (LOAD(waiting[0].result) == 12345 && LOAD(waiting[1].result) == 12345)
        CHECK_OK(weft_sleep(weft_after(100 * WEFT_US)));
    weft_selector_wake(&sel);
    CHECK_EQ(result_of(&waiting[0]), 0);
    CHECK_EQ(result_of(&waiting[1]), 0);
}

SELECTOR(a_close_is_told_and_ends_the_registration)
{
    int data;
    for (int i = 0; i < 50; i++) {
        int pair[2];
        char byte;
        CHECK_OK(weft_socketpair(pair));
        CHECK_OK(weft_selector_register(&sel, pair[0], POLLIN, &data));
        if (i % 2)
            start(&waiting[0]);
        CHECK_OK(weft_close(pair[0]));
        CHECK_EQ(weft_read(pair[1], &byte, 1, weft_at_once()), 0); /* it is: the peer knows */
        CHECK_EQ(weft_selector_count(&sel), 0);
        if (i % 2) {
            CHECK_EQ(result_of(&waiting[0]), 1);
            told = waiting[0].ready[0];
        } else {
            CHECK_EQ(select_one(), POLLNVAL);
        }
        CHECK_EQ(told.fd, pair[0]);
        CHECK_EQ(told.events, POLLNVAL);
        CHECK(told.data == &data);
        CHECK_EQ(select_one(), 0);
        CHECK_ERR(weft_selector_unregister(&sel, pair[0]), -ENOENT);
        CHECK_OK(weft_close(pair[1]));
    }
}

SELECTOR(the_number_of_a_closed_one_is_free_at_once)
{
    int other[2], a, b;
    CHECK_OK(weft_socketpair(other));
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, &a));
    CHECK_OK(weft_close(ends[0]));
    CHECK_EQ(dup2(other[0], ends[0]), ends[0]);
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, &b));
    CHECK_EQ(select_one(), POLLNVAL);
    CHECK(told.data == &a);
    say(other[1], "x");
    CHECK_EQ(select_one(), POLLIN);
    CHECK(told.data == &b);
}

SELECTOR(a_plain_close_is_silent_until_unregistered)
{
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    say(ends[1], "x");
    close(ends[0]);
    CHECK_EQ(select_one(), 0);
    CHECK_ERR(weft_selector_modify(&sel, ends[0], POLLIN, NULL), -EBADF);
    CHECK_EQ(weft_selector_count(&sel), 1);
    CHECK_OK(weft_selector_unregister(&sel, ends[0]));
}

SELECTOR(one_descriptor_may_be_in_several_selectors)
{
    weft_selector other;
    struct weft_ready ready;
    CHECK_OK(weft_selector_init(&other));
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    CHECK_OK(weft_selector_register(&other, ends[0], POLLIN, NULL));
    start(&waiting[0]);
    say(ends[1], "x");
    CHECK_EQ(result_of(&waiting[0]), 1);
    CHECK_EQ(weft_selector_select(&other, &ready, 1, SOON), 1);
    CHECK_OK(weft_close(ends[0]));
    CHECK_EQ(select_one(), POLLNVAL);
    CHECK_EQ(weft_selector_select(&other, &ready, 1, SOON), 1);
    CHECK_EQ(ready.events, POLLNVAL);
    weft_selector_fini(&other);
}

/* -- functions ------------------------------------------------------------------------------------------ */

static int calls, given_back;

static int answers(weft_selector *selector, const struct weft_ready *ready)
{
    char buf[16];
    CHECK(selector == &sel);
    CHECK(ready->data == &calls);
    ssize_t n = weft_read(ready->fd, buf, sizeof buf, weft_at_once());
    CHECK_GT(n, 0);
    CHECK_OK(weft_sleep(weft_after(100 * WEFT_US))); /* it may wait */
    CHECK_EQ(weft_write(ready->fd, buf, (size_t)n, SOON), n);
    calls++;
    return given_back;
}

static int ends_itself(weft_selector *selector, const struct weft_ready *ready)
{
    calls++;
    CHECK_OK(weft_selector_unregister(selector, ready->fd));
    if (ready->data)
        (void)weft_selector_unregister(selector, *(int *)ready->data); /* and a neighbour */
    return 0;
}

static int hears_of_the_end(weft_selector *selector, const struct weft_ready *ready)
{
    (void)selector;
    CHECK_EQ(ready->events, POLLNVAL);
    return ++calls;
}

SELECTOR(a_function_is_called_for_each_that_is_ready)
{
    calls = given_back = 0;
    CHECK_OK(weft_selector_on(&sel, ends[0], POLLIN, answers, &calls));
    CHECK_ERR(weft_selector_dispatch(&sel, weft_at_once()), -ETIMEDOUT);
    say(ends[1], "hello");
    CHECK_EQ(weft_selector_dispatch(&sel, SOON), 1);
    hear(ends[1], "hello");
    CHECK_EQ(calls, 1);
    given_back = -EPROTO;
    say(ends[1], "again");
    CHECK_ERR(weft_selector_dispatch(&sel, SOON), -EPROTO);
    hear(ends[1], "again");
    weft_selector_wake(&sel);
    CHECK_EQ(weft_selector_dispatch(&sel, SOON), 0);
    CHECK_OK(weft_selector_register(&sel, ends[1], POLLOUT, NULL));
    CHECK_ERR(weft_selector_dispatch(&sel, SOON), -EINVAL);
}

SELECTOR(a_function_may_end_registrations_its_own_and_others)
{
    calls = 0;
    CHECK_OK(weft_selector_on(&sel, ends[0], POLLOUT, ends_itself, &ends[1]));
    CHECK_OK(weft_selector_on(&sel, ends[1], POLLOUT, ends_itself, &ends[0]));
    CHECK_EQ(weft_selector_dispatch(&sel, SOON), 1);
    CHECK_EQ(calls, 1);
    CHECK_EQ(weft_selector_count(&sel), 0);
    CHECK_ERR(weft_selector_dispatch(&sel, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_selector_on(&sel, ends[0], POLLIN, hears_of_the_end, NULL));
    CHECK_OK(weft_close(ends[0]));
    CHECK_EQ(weft_selector_dispatch(&sel, SOON), 1);
    CHECK_EQ(calls, 2);
}

/* -- many ------------------------------------------------------------------------------------------------- */

SELECTOR(more_than_1024_descriptors)
{
    enum { MANY = 2500 };
    static int pipes[MANY][2];
    static char seen[MANY];
    struct weft_ready ready[200];
    struct rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur < 2 * MANY + 100)
        SKIP("only %ld descriptors", (long)limit.rlim_cur);
    for (intptr_t i = 0; i < MANY; i++) {
        CHECK_OK(weft_pipe(pipes[i]));
        CHECK_OK(weft_selector_register(&sel, pipes[i][0], POLLIN, (void *)i));
    }
    CHECK_EQ(weft_selector_count(&sel), MANY);
    for (int i = 1; i < MANY; i += 500) { /* one among many */
        start(&waiting[0]);
        say(pipes[i][1], "x");
        CHECK_EQ(result_of(&waiting[0]), 1);
        CHECK_EQ(waiting[0].ready[0].fd, pipes[i][0]);
        hear(pipes[i][0], "x");
    }
    for (int i = 0; i < MANY; i++)
        say(pipes[i][1], "x");
    int calls_made = 0;
    for (int left = MANY; left > 0; calls_made++) {
        int n = weft_selector_select(&sel, ready, 200, SOON);
        CHECK_GE(n, 1);
        for (int i = 0; i < n; i++)
            left -= !seen[(intptr_t)ready[i].data]++;
    }
    CHECK_LE(calls_made, 3 * MANY / 128);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(weft_selector_unregister(&sel, pipes[i][0]));
        CHECK_OK(weft_close(pipes[i][0]));
        CHECK_OK(weft_close(pipes[i][1]));
    }
}

/* -- ends --------------------------------------------------------------------------------------------------- */

static void ends_it_under_a_waiter(void *backend)
{
    weft_group tasks;
    setenv("WEFT_BACKEND", backend, 1);
    CHECK_OK(weft_selector_init(&sel));
    CHECK_OK(weft_group_init(&tasks, 0));
    struct weft_spawn more = { .size = sizeof more, .task = &waiting[0].task };
    CHECK_OK(weft_group_spawn_with(&tasks, WEFT_THREAD, selects, &waiting[0], &more));
    while (!waits_for(waiting[0].task, "selector"))
        CHECK_OK(weft_sleep(weft_after(100 * WEFT_US)));
    weft_selector_fini(&sel);
}

TEST_REAL(an_end_under_a_waiter_is_a_bug, "processes")
{
    CHECK_BUG(ends_it_under_a_waiter, "epoll", "ended while a task selects");
    CHECK_BUG(ends_it_under_a_waiter, "poll", "ended while a task selects");
}

TEST(zeroed_memory_may_be_ended)
{
    weft_selector none = { 0 };
    weft_selector_fini(&none);
}

/* The child has its own copy of what is registered, but an epoll would be the parent's own. */
SELECTOR(in_a_forks_child_it_is_the_parents)
{
    FORKS_AMONG_THREADS();
    CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
    start(&waiting[0]);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct weft_ready ready;
        CHECK_ERR(weft_selector_register(&sel, ends[1], POLLIN, NULL), -EBADF);
        CHECK_ERR(weft_selector_modify(&sel, ends[0], POLLIN, NULL), -EBADF);
        CHECK_ERR(weft_selector_unregister(&sel, ends[0]), -EBADF);
        CHECK_ERR(weft_selector_select(&sel, &ready, 1, weft_at_once()), -EBADF);
        CHECK_ERR(weft_selector_get(&sel, ends[0], &ready), -EBADF);
        CHECK_EQ(weft_selector_list(&sel, NULL, 0) + weft_selector_count(&sel), 0);
        CHECK_OK(weft_close(ends[0]));
        weft_selector_fini(&sel);
        CHECK_OK(weft_selector_init(&sel));
        CHECK_OK(weft_socketpair(ends));
        CHECK_OK(weft_selector_register(&sel, ends[0], POLLIN, NULL));
        say(ends[1], "x");
        CHECK_EQ(weft_selector_select(&sel, &ready, 1, SOON), 1);
        weft_selector_fini(&sel);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    say(ends[1], "x");
    CHECK_EQ(result_of(&waiting[0]), 1);
}
