/* Streams, helper threads and signals, for each kind of task. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft.h>

#define REAL "the kernel's descriptors, threads and signals"
#include "in_kind.h"

/* -- streams ----------------------------------------------------------------------------------------- */

struct end {
    int fd;
    weft_stream stream;
    char buf[128];
};

static void make_ends(struct end *a, struct end *b)
{
    int fds[2];
    CHECK_OK(weft_socketpair(fds));
    a->fd = fds[0];
    b->fd = fds[1];
    CHECK_OK(weft_stream_init(&a->stream, a->fd, a->buf, sizeof a->buf));
    CHECK_OK(weft_stream_init(&b->stream, b->fd, b->buf, sizeof b->buf));
}

static void close_ends(struct end *a, struct end *b)
{
    CHECK_OK(weft_close(a->fd));
    CHECK_OK(weft_close(b->fd));
}

static void put(int fd, const char *text)
{
    CHECK_EQ(weft_write(fd, text, strlen(text), SOON), (ssize_t)strlen(text));
}

static void get_line(struct end *e, const char *text)
{
    char line[128];
    CHECK_EQ(weft_stream_read_line(&e->stream, line, sizeof line, SOON), (ssize_t)strlen(text));
    CHECK_STR(line, text);
}

IN_KIND(lines_end_with_or_without_a_return)
{
    struct end a, b;
    char line[64];
    make_ends(&a, &b);
    CHECK_ERR(weft_stream_init(&a.stream, -1, a.buf, sizeof a.buf), -EINVAL);
    CHECK_ERR(weft_stream_init(&a.stream, 0, a.buf, 63), -EINVAL);
    CHECK_ERR(weft_stream_init(&a.stream, 0, NULL, 64), -EINVAL);
    CHECK_ERR(weft_stream_init_conn(&a.stream, NULL, a.buf, sizeof a.buf), -EINVAL);
    CHECK_OK(weft_stream_init(&a.stream, a.fd, a.buf, sizeof a.buf));
    put(b.fd, "one\ntwo\r\n\n\r\nthr\ree\nfour\r\r\n");
    get_line(&a, "one");
    get_line(&a, "two");
    get_line(&a, "");
    get_line(&a, "");
    get_line(&a, "thr\ree");
    get_line(&a, "four\r");
    CHECK_ERR(weft_stream_read_line(&a.stream, line, sizeof line, weft_at_once()), -ETIMEDOUT);
    put(b.fd, "no end\r");
    CHECK_ERR(weft_stream_read_line(&a.stream, line, sizeof line, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_OK(weft_shutdown(b.fd, SHUT_WR));
    get_line(&a, "no end\r");
    CHECK_ERR(weft_stream_read_line(&a.stream, line, sizeof line, SOON), -ENODATA);
    CHECK_ERR(weft_stream_read_line(&a.stream, line, sizeof line, SOON), -ENODATA);
    close_ends(&a, &b);
    return 0;
}

struct rot13 {
    int fd;
};

static void rotate(void *out, const void *in, size_t size)
{
    const char *from = in;
    for (char *to = out; size--; to++, from++)
        *to = *from >= 'a' && *from <= 'z' ? (char)('a' + (*from - 'a' + 13) % 26) : *from;
}

static ssize_t rot13_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    ssize_t n = weft_read(((struct rot13 *)on)->fd, buf, size, deadline);
    if (n > 0)
        rotate(buf, buf, (size_t)n);
    return n;
}

static ssize_t rot13_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    char text[128];
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        rotate(text + size, iov[i].iov_base, iov[i].iov_len);
        size += iov[i].iov_len;
    }
    return weft_write(((struct rot13 *)on)->fd, text, size, deadline);
}

IN_KIND(a_stream_stands_on_anything_that_carries_bytes)
{
    static const struct weft_carrier carrier = { rot13_read, rot13_writev };
    struct end a, b;
    make_ends(&a, &b);
    struct rot13 secret = { a.fd };
    CHECK_ERR(weft_stream_init_over(&a.stream, NULL, &secret, a.buf, sizeof a.buf), -EINVAL);
    CHECK_OK(weft_stream_init_over(&a.stream, &carrier, &secret, a.buf, sizeof a.buf));
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "%s %d\n", "hello", 1));
    CHECK_OK(weft_stream_flush(&a.stream, SOON));
    get_line(&b, "uryyb 1");
    put(b.fd, "jrsg\r\n");
    get_line(&a, "weft");
    close_ends(&a, &b);
    return 0;
}

IN_KIND(a_line_may_be_as_long_as_half_the_buffer_and_as_max)
{
    struct end a, b;
    char line[64], text[65];
    make_ends(&a, &b);
    memset(text, 'x', 63);
    memcpy(text + 63, "\n", 2);
    put(b.fd, "ab\n");
    put(b.fd, text);
    get_line(&a, "ab"); /* so that the next one has to be moved */
    CHECK_EQ(weft_stream_read_line(&a.stream, line, sizeof line, SOON), 63);
    put(b.fd, "abc\n");
    CHECK_ERR(weft_stream_read_line(&a.stream, line, 3, SOON), -EMSGSIZE);
    CHECK_ERR(weft_stream_read_line(&a.stream, line, 0, SOON), -EMSGSIZE);
    CHECK_EQ(weft_stream_read_line(&a.stream, line, 4, SOON), 3); /* nothing was taken */
    CHECK_STR(line, "abc");
    memset(text, 'y', 64);
    text[64] = 0;
    put(b.fd, text);
    put(b.fd, "z\n");
    CHECK_ERR(weft_stream_read_line(&a.stream, line, sizeof line, SOON), -EMSGSIZE);
    CHECK_EQ(weft_stream_read(&a.stream, line, 64, SOON), 64);
    CHECK_MEM(line, text, 64);
    get_line(&a, "z");
    close_ends(&a, &b);
    return 0;
}

IN_KIND(a_mark_is_found_wherever_reads_split_it)
{
    struct end a, b;
    char out[64];
    make_ends(&a, &b);
    CHECK_ERR(weft_stream_read_until(&a.stream, "", out, sizeof out, SOON), -EINVAL);
    CHECK_ERR(weft_stream_read_until(&a.stream, "12345678901234567", out, sizeof out, SOON),
              -EINVAL);
    const char *text = "head\r\n\r\r\nbody\r\n\r\n";
    for (size_t split = 1; split < strlen(text); split++) {
        char part[32];
        snprintf(part, sizeof part, "%.*s", (int)split, text);
        put(b.fd, part);
        if (split < strlen(text) - 1)
            CHECK_ERR(weft_stream_read_until(&a.stream, "\r\n\r\n", out, sizeof out, weft_at_once()),
                      -ETIMEDOUT);
        put(b.fd, text + split);
        CHECK_EQ(weft_stream_read_until(&a.stream, "\r\n\r\n", out, sizeof out, SOON),
                 (ssize_t)strlen(text) - 4);
        CHECK_STR(out, "head\r\n\r\r\nbody");
    }
    close_ends(&a, &b);
    return 0;
}

struct line_reader {
    struct end *end;
    char line[64];
    ssize_t result;
};

static int read_a_line(void *arg)
{
    struct line_reader *r = arg;
    r->result = weft_stream_read_line(&r->end->stream, r->line, sizeof r->line, weft_never());
    return 0;
}

IN_KIND(a_cancel_keeps_what_has_come)
{
    struct end a, b;
    make_ends(&a, &b);
    struct line_reader reader = { .end = &a };
    put(b.fd, "first ");
    weft_task task = start_task(read_a_line, &reader);
    until_waits(task, "read");
    CHECK_OK(weft_task_cancel(task));
    finish();
    CHECK_ERR(reader.result, -ECANCELED);
    put(b.fd, "half\n");
    get_line(&a, "first half");
    close_ends(&a, &b);
    return 0;
}

IN_KIND(exactly_so_much_is_read_or_it_is_an_error)
{
    struct end a, b;
    char out[200];
    make_ends(&a, &b);
    put(b.fd,
        "line\n12345678901234567890123456789012345678901234567890123456789012345678901234567890");
    get_line(&a, "line");
    CHECK_EQ(weft_stream_read_exactly(&a.stream, out, 0, weft_at_once()), 0);
    CHECK_EQ(weft_stream_read_exactly(&a.stream, out, 80, SOON), 80);
    CHECK_MEM(out + 70, "1234567890", 10);
    put(b.fd, "abc");
    CHECK_ERR(weft_stream_read_exactly(&a.stream, out, 4, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    put(b.fd, "defg");
    CHECK_EQ(weft_stream_read_exactly(&a.stream, out, 4, SOON), 4);
    CHECK_MEM(out, "defg", 4);
    put(b.fd, "hi");
    CHECK_OK(weft_shutdown(b.fd, SHUT_WR));
    CHECK_ERR(weft_stream_read_exactly(&a.stream, out, 3, SOON), -ENODATA);
    CHECK_EQ(weft_stream_read(&a.stream, out, 3, SOON), 0);
    CHECK_EQ(weft_stream_read(&a.stream, out, 0, SOON), 0);
    close_ends(&a, &b);
    return 0;
}

IN_KIND(output_is_sent_when_full_flushed_or_before_a_read)
{
    struct end a, b;
    char out[200], big[150];
    make_ends(&a, &b);
    CHECK_OK(weft_stream_write(&a.stream, "hello ", 6, SOON));
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "%s %d\n", "world", 7));
    CHECK_ERR(weft_read(b.fd, out, sizeof out, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_stream_flush(&a.stream, SOON));
    get_line(&b, "hello world 7");
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "question\n"));
    CHECK_ERR(weft_stream_read_line(&a.stream, out, sizeof out, weft_at_once()), -ETIMEDOUT);
    get_line(&b, "question");
    memset(big, 'b', sizeof big);
    CHECK_OK(weft_stream_write(&a.stream, "small", 5, SOON));
    CHECK_OK(
        weft_stream_write(&a.stream, big, sizeof big, SOON)); /* more than fits goes out at once */
    CHECK_EQ(weft_stream_read_exactly(&b.stream, out, 155, SOON), 155);
    CHECK_MEM(out, "smallbbb", 8);
    CHECK_OK(weft_stream_write(&a.stream, big, 60, SOON));
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "%063d", 5)); /* the longest there is room for */
    CHECK_ERR(weft_stream_printf(&a.stream, SOON, "%064d", 5), -EMSGSIZE);
    CHECK_OK(weft_stream_flush(&a.stream, SOON));
    CHECK_OK(weft_stream_flush(&a.stream, weft_at_once()));
    CHECK_EQ(weft_stream_read_exactly(&b.stream, out, 123, SOON), 123);
    CHECK_MEM(out + 120, "005", 3);
    close_ends(&a, &b);
    return 0;
}

IN_KIND(a_late_flush_keeps_what_is_pending)
{
    static char block[65536], back[65536];
    struct end a, b;
    make_ends(&a, &b);
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "kept"));
    size_t filled = 0;
    ssize_t n;
    while ((n = weft_write(a.fd, block, sizeof block, weft_at_once())) > 0 ||
           (n = weft_write(a.fd, block, 1, weft_at_once())) > 0)
        filled += (size_t)n;
    CHECK_ERR(weft_stream_flush(&a.stream, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_stream_flush(&a.stream, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    CHECK_ERR(weft_stream_read(&a.stream, back, 1, weft_at_once()), -ETIMEDOUT);
    while (filled > 0) {
        CHECK_GT(n = weft_read(b.fd, back, filled < sizeof back ? filled : sizeof back, SOON), 0);
        filled -= (size_t)n;
    }
    CHECK_OK(weft_stream_printf(&a.stream, SOON, " whole\n"));
    CHECK_OK(weft_stream_flush(&a.stream, SOON));
    get_line(&b, "kept whole");
    close_ends(&a, &b);
    return 0;
}

IN_KIND(a_broken_pipe_ends_writing_but_not_reading)
{
    struct end a, b;
    make_ends(&a, &b);
    put(b.fd, "last words\n");
    CHECK_OK(weft_close(b.fd));
    CHECK_OK(weft_stream_printf(&a.stream, SOON, "anybody?\n"));
    CHECK_ERR(weft_stream_flush(&a.stream, SOON), -EPIPE);
    CHECK_ERR(weft_stream_flush(&a.stream, SOON), -EPIPE);
    CHECK_ERR(weft_stream_write(&a.stream, "x", 1, SOON), -EPIPE);
    CHECK_ERR(weft_stream_printf(&a.stream, SOON, "x"), -EPIPE);
    get_line(&a, "last words");
    CHECK_OK(weft_close(a.fd));
    return 0;
}

/* -- helper threads ----------------------------------------------------------------------------------- */

static int gate[2]; /* a helper blocks in read(2) until somebody writes */
static int inside, most, ran;

static int block(void *arg)
{
    char byte;
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_ACQ_REL);
    for (int seen = __atomic_load_n(&most, __ATOMIC_ACQUIRE); now > seen;)
        if (__atomic_compare_exchange_n(&most, &seen, now, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            break;
    CHECK_EQ(read(gate[0], &byte, 1), 1);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&ran, 1, __ATOMIC_ACQ_REL);
    if (arg)
        *(int *)arg += 1;
    return 7;
}

static int offload_one(void *arg)
{
    return weft_offload(block, arg) == 7 ? 0 : -EIO;
}

static void until(int *count, int least)
{
    while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < least)
        CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
}

TEST_REAL(helpers_are_made_when_needed_and_the_rest_queues, REAL)
{
    CHECK_OK(setenv("WEFT_OFFLOAD_MAX", "3", 1));
    CHECK_OK(pipe(gate));
    kind = WEFT_COROUTINE;
    CHECK_OK(weft_group_init(&group, 0));
    for (int i = 0; i < 10; i++)
        CHECK_OK(weft_group_spawn(&group, kind, offload_one, NULL));
    until(&inside, 3);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_EQ(ran, 10);
    CHECK_EQ(most, 3);
    /* Two jobs at once with one helper at rest: neither waits for the other. */
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3; i++)
            CHECK_OK(weft_group_spawn(&group, kind, offload_one, NULL));
        until(&inside, 3);
        CHECK_EQ(write(gate[1], "xxx", 3), 3);
        CHECK_OK(weft_group_wait(&group, weft_never()));
    }
}

static int threads(void)
{
    struct stat task;
    CHECK_EQ(stat("/proc/self/task", &task), 0);
    return (int)task.st_nlink - 2;
}

TEST_REAL_LONG(helpers_without_work_end, REAL, 60)
{
    CHECK_OK(pipe(gate));
    kind = WEFT_COROUTINE;
    CHECK_OK(weft_group_init(&group, 0));
    for (int i = 0; i < 5; i++)
        CHECK_OK(weft_group_spawn(&group, kind, offload_one, NULL));
    until(&inside, 5);
    int with = threads();
    CHECK_EQ(write(gate[1], "xxxxx", 5), 5);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    while (threads() > with - 5) /* they stay for 10 s */
        CHECK_OK(weft_sleep(weft_after(50 * WEFT_MS)));
    CHECK_OK(weft_group_spawn(&group, kind, offload_one, NULL));
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_EQ(ran, 6);
}

static int use_a_file(void *arg)
{
    char path[160];
    snprintf(path, sizeof path, "%s/file", getenv("TMPDIR"));
    int file = weft_open(path, O_RDWR | O_CREAT, 0600);
    CHECK_OK(file);
    CHECK_OK(weft_fsync(file));
    CHECK_OK(weft_close(file));
    (void)arg;
    return 0;
}

TEST_REAL(a_file_does_not_wait_for_a_users_jobs, REAL)
{
    CHECK_OK(setenv("WEFT_OFFLOAD_MAX", "1", 1));
    CHECK_OK(pipe(gate));
    kind = WEFT_COROUTINE;
    CHECK_OK(weft_group_init(&group, 0));
    for (int i = 0; i < 2; i++)
        CHECK_OK(weft_group_spawn(&group, kind, offload_one, NULL));
    until(&inside, 1);
    weft_task uses = start_task(use_a_file, NULL);
    CHECK_OK(weft_task_join(uses, NULL, SOON));
    CHECK_EQ(write(gate[1], "xx", 2), 2);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_EQ(most, 1);
}

static int offload_and_tell(void *arg)
{
    *(int *)arg = weft_offload(block, NULL);
    return 0;
}

TEST_REAL(a_cancelled_job_never_begins_or_is_waited_for, REAL)
{
    int results[2] = { 1, 1 };
    CHECK_OK(setenv("WEFT_OFFLOAD_MAX", "1", 1));
    CHECK_OK(pipe(gate));
    kind = WEFT_COROUTINE;
    CHECK_OK(weft_group_init(&group, 0));
    weft_task first = start_task(offload_and_tell, &results[0]);
    until(&inside, 1);
    weft_task second = start_task(offload_and_tell, &results[1]);
    until_waits(second, "offload");
    CHECK_OK(weft_task_cancel(second));
    CHECK_OK(weft_task_join(second, NULL, SOON));
    CHECK_ERR(results[1], -ECANCELED);
    CHECK_OK(weft_task_cancel(first));
    CHECK_ERR(weft_task_join(first, NULL, weft_after(5 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_EQ(results[0], 7);
    CHECK_EQ(ran, 1);
}

IN_KIND(a_job_left_behind_ends_on_its_copy)
{
    int job = 40;
    CHECK_OK(pipe(gate));
    CHECK_EQ(weft_offload_abandoned(), 0);
    CHECK_ERR(weft_offload_job(block, &job, weft_after(20 * WEFT_MS)), -ETIMEDOUT);
    if (__atomic_load_n(&inside, __ATOMIC_ACQUIRE) == 1)
        CHECK_EQ(weft_offload_abandoned(), 1);
    CHECK_EQ(write(gate[1], "x", 1), 1);
    while (weft_offload_abandoned() > 0)
        CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
    CHECK_EQ(job, 40);
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_EQ(weft_offload_job(block, &job, SOON), 7);
    CHECK_EQ(job, 41);
    int before = ran;
    CHECK_EQ(write(gate[1], "x", 1), 1);
    CHECK_EQ(weft_offload(block, &job), 7);
    CHECK_EQ(ran, before + 1);
    CHECK_EQ(job, 42);
    return 0;
}

static int big_job(void *arg)
{
    unsigned char *bytes = arg;
    int sum = 0;
    for (int i = 0; i < 5000; i++)
        sum += bytes[i]++;
    return sum;
}

IN_KIND(a_job_is_copied_there_and_back)
{
    static unsigned char bytes[5000];
    int sum = 0;
    for (int i = 0; i < 5000; i++)
        sum += bytes[i] = (unsigned char)(i % 200);
    CHECK_EQ(weft_offload_at(big_job, bytes, sizeof bytes, SOON), sum);
    CHECK_EQ(weft_offload_at(big_job, bytes, sizeof bytes, weft_never()), sum + 5000);
    return 0;
}

/* -- signals ------------------------------------------------------------------------------------------ */

/* ThreadSanitizer holds signals back while a thread is in a system call that it does not know. */
#if defined(__SANITIZE_THREAD__)
#define NO_SIGNALS_UNDER_TSAN SKIP("ThreadSanitizer")
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NO_SIGNALS_UNDER_TSAN SKIP("ThreadSanitizer")
#endif
#endif
#ifndef NO_SIGNALS_UNDER_TSAN
#define NO_SIGNALS_UNDER_TSAN ((void)0)
#endif

static int old_handler_ran;

static void old_handler(int signo)
{
    (void)signo;
    old_handler_ran++;
}

struct wanter {
    weft_signal signal;
    weft_deadline deadline;
    int result;
};

static int wait_for_one(void *arg)
{
    struct wanter *w = arg;
    w->result = weft_signal_wait(&w->signal, w->deadline);
    return 0;
}

IN_KIND(everyone_who_wants_a_signal_gets_it)
{
    enum { WANTERS = 5 };
    static struct wanter w[WANTERS];
    const int both[] = { SIGUSR1, SIGUSR2 };
    weft_task tasks[WANTERS];
    struct sigaction action = { .sa_handler = old_handler }, now;
    NO_SIGNALS_UNDER_TSAN;
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    for (int i = 0; i < WANTERS; i++) {
        CHECK_OK(weft_signal_init(&w[i].signal, both, i < 2 ? 2 : 1));
        w[i].deadline = weft_never();
        CHECK_ERR(weft_signal_wait(&w[i].signal, weft_at_once()), -ETIMEDOUT);
        tasks[i] = start_task(wait_for_one, &w[i]);
        until_waits(tasks[i], "read");
    }
    CHECK_OK(kill(getpid(), SIGUSR1));
    finish();
    for (int i = 0; i < WANTERS; i++)
        CHECK_EQ(w[i].result, SIGUSR1);
    CHECK_OK(kill(getpid(), SIGUSR2));
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_signal_wait(&w[i].signal, SOON), SIGUSR2);
    CHECK_ERR(weft_signal_wait(&w[2].signal, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) /* twice counts once */
        CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ(weft_signal_wait(&w[3].signal, SOON), SIGUSR1);
    tasks[4] = start_task(wait_for_one, &w[0]);
    finish();
    w[1].deadline = weft_never();
    while (weft_signal_wait(&w[1].signal, weft_after(5 * WEFT_MS)) > 0)
        ;
    tasks[1] = start_task(wait_for_one, &w[1]);
    until_waits(tasks[1], "read");
    CHECK_OK(weft_task_cancel(tasks[1]));
    finish();
    CHECK_ERR(w[1].result, -ECANCELED);
    for (int i = 0; i < WANTERS; i++) {
        CHECK_EQ(old_handler_ran, 0);
        CHECK_OK(sigaction(SIGUSR1, NULL, &now));
        CHECK(now.sa_handler != old_handler);
        weft_signal_fini(&w[i].signal);
        weft_signal_fini(&w[i].signal);
    }
    CHECK_OK(sigaction(SIGUSR1, NULL, &now));
    CHECK(now.sa_handler == old_handler);
    CHECK_OK(sigaction(SIGUSR2, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
    return 0;
}

struct server {
    weft_signal signal;
    weft_queue begun; /* by signal number */
    int slots[8];
    weft_event may_end;
    int running, ended, result;
};

/* Of SIGUSR1 it waits long, of SIGUSR2 not at all. */
static void on_signal(int signo, void *arg)
{
    struct server *s = arg;
    __atomic_add_fetch(&s->running, 1, __ATOMIC_ACQ_REL);
    CHECK_OK(weft_queue_put(&s->begun, &signo, sizeof signo, weft_never()));
    if (signo == SIGUSR2 || weft_event_wait(&s->may_end, weft_never()) == 0)
        __atomic_add_fetch(&s->ended, 1, __ATOMIC_ACQ_REL);
    __atomic_sub_fetch(&s->running, 1, __ATOMIC_ACQ_REL);
}

static int serve_signals(void *arg)
{
    struct server *s = arg;
    s->result = weft_signal_serve(&s->signal, on_signal, s, weft_never());
    CHECK_EQ(__atomic_load_n(&s->running, __ATOMIC_ACQUIRE), 0);
    return 0;
}

IN_KIND(a_signals_function_may_wait_while_others_come)
{
    const int both[] = { SIGUSR1, SIGUSR2 };
    static const int order[] = { SIGUSR1, SIGUSR2, SIGUSR1, SIGUSR1 };
    struct server s = { .may_end = WEFT_EVENT_INIT };
    int signo;
    NO_SIGNALS_UNDER_TSAN;
    CHECK_OK(weft_queue_init(&s.begun, s.slots, 8, sizeof(int), 0));
    CHECK_OK(weft_signal_init(&s.signal, both, 2));
    CHECK_ERR(weft_signal_serve(&s.signal, on_signal, &s, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
    weft_task task = start_task(serve_signals, &s);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(kill(getpid(), order[i]));
        CHECK_EQ(weft_queue_get(&s.begun, &signo, sizeof signo, SOON), 1);
        CHECK_EQ(signo, order[i]);
        if (i == 2) { /* two wait at once */
            while (__atomic_load_n(&s.running, __ATOMIC_ACQUIRE) != 2)
                weft_yield();
            CHECK_EQ(__atomic_load_n(&s.ended, __ATOMIC_ACQUIRE), 1);
            weft_event_set(&s.may_end);
            while (__atomic_load_n(&s.ended, __ATOMIC_ACQUIRE) != 3)
                weft_yield();
            weft_event_clear(&s.may_end);
        }
    }
    CHECK_OK(weft_task_cancel(task)); /* and with it who still runs */
    finish();
    CHECK_ERR(s.result, -ECANCELED);
    CHECK_EQ(s.ended, 3);
    weft_signal_fini(&s.signal);
    weft_queue_fini(&s.begun);
    return 0;
}

TEST_REAL(signals_that_cannot_be_wanted_are_refused, REAL)
{
    weft_signal signal = { 0 };
    const int bad[] = { 0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 32 };
    struct sigaction now;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int pair[] = { SIGUSR1, bad[i] };
        int fd = dup(0);
        CHECK_OK(close(fd));
        CHECK_ERR(weft_signal_init(&signal, pair, 2), -EINVAL);
        CHECK_OK(sigaction(SIGUSR1, NULL, &now));
        CHECK(now.sa_handler == SIG_DFL);
        int again = dup(0);
        CHECK_EQ(again, fd); /* nothing was left open */
        CHECK_OK(close(again));
    }
    CHECK_ERR(weft_signal_init(&signal, bad, 0), -EINVAL);
    weft_signal_fini(&signal);
}

static int stop;

static void *signal_often(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        kill(getpid(), SIGUSR1);
    return NULL;
}

TEST_REAL(wanting_and_not_wanting_race_with_the_signal, REAL)
{
    static const int usr1 = SIGUSR1;
    pthread_t threads[2];
    weft_signal always;
    CHECK_OK(weft_signal_init(&always, &usr1, 1)); /* its default would end us */
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, signal_often, NULL), 0);
    for (long i = 0; i < t_rounds(300); i++) {
        weft_signal signal;
        CHECK_OK(weft_signal_init(&signal, &usr1, 1));
        if (i % 2)
            CHECK_EQ(weft_signal_wait(&signal, SOON), SIGUSR1);
        weft_signal_fini(&signal);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    weft_signal_fini(&always);
}
