/* Memory with a name: prepared once, kept while anyone is in it, for this user only. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "test.h"

struct board {
    weft_lock lock;
    long prepared, sum, room[8];
};

static char path[200];

static void name_it(struct test *t)
{
    snprintf(path, sizeof path, "%s/board", t_dir(t));
}

static int prepare(void *data, void *arg)
{
    struct board *board = data;
    CHECK_EQ(board->sum, 0);
    board->prepared++;
    board->sum = arg ? *(long *)arg : 0;
    return arg ? 0 : (int)board->sum;
}

static int enter(weft_segment *s, long begin)
{
    return weft_segment_open(s, path, sizeof(struct board), prepare, &begin, weft_never());
}

static struct board *board(weft_segment *s)
{
    return weft_segment_data(s);
}

TEST_REAL(the_first_prepares_it_and_the_last_takes_the_name_along, "files")
{
    weft_segment one, two;
    name_it(t);
    CHECK_EQ(enter(&one, 5), 0);
    CHECK_EQ(enter(&two, 7), 0);
    CHECK_EQ(board(&two)->sum, 5);
    board(&two)->sum = 6;
    CHECK_EQ(board(&one)->sum, 6);
    CHECK_EQ(board(&one)->prepared, 1);
    weft_segment_close(&one);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK_EQ(board(&two)->sum, 6); /* who opened it first does not own it */
    weft_segment_close(&two);
    CHECK_EQ(access(path, F_OK), -1);
    weft_segment_close(&two);
    CHECK_EQ(enter(&one, 1), 0);
    CHECK_EQ(board(&one)->sum, 1);
    weft_segment_close(&one);
}

static pid_t stranger(long begin, int told)
{
    pid_t pid = fork();
    if (pid == 0) {
        weft_segment s;
        if (enter(&s, begin) < 0)
            _exit(1);
        if (write(told, "", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    return pid;
}

TEST_REAL(it_outlives_who_is_killed_in_it, "processes")
{
    int told[2];
    char byte;
    name_it(t);
    CHECK_EQ(pipe(told), 0);
    pid_t pid = stranger(11, told[1]);
    CHECK_EQ(read(told[0], &byte, 1), 1);
    weft_segment s;
    CHECK_EQ(enter(&s, 12), 0);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_EQ(board(&s)->sum, 11);
    weft_segment_close(&s);
    CHECK_EQ(access(path, F_OK), -1);
}

TEST_REAL(after_a_kill_of_all_the_next_one_begins_anew, "processes")
{
    int told[2];
    char byte;
    name_it(t);
    CHECK_EQ(pipe(told), 0);
    pid_t pid = stranger(11, told[1]);
    CHECK_EQ(read(told[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    weft_segment s;
    CHECK_EQ(enter(&s, 12), 0);
    CHECK_EQ(board(&s)->sum, 12);
    weft_segment_close(&s);
}

static int prepare_lock(void *data, void *arg)
{
    (void)arg;
    return weft_lock_init(&((struct board *)data)->lock, WEFT_SHARED);
}

static int enter_with_lock(weft_segment *s)
{
    return weft_segment_open(s, path, sizeof(struct board), prepare_lock, NULL, weft_never());
}

static int take_after_a_kill(void *arg)
{
    struct board *board = arg;
    CHECK_EQ(weft_lock_acquire(&board->lock, weft_after(10 * WEFT_SEC)), WEFT_RECOVERED);
    return weft_lock_release(&board->lock);
}

TEST_EACH_KIND_REAL(a_lock_in_it_is_told_of_a_strangers_death, "processes")
{
    int told[2];
    char byte;
    name_it(t);
    CHECK_EQ(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        weft_segment s;
        if (enter_with_lock(&s) < 0 || weft_lock_acquire(&board(&s)->lock, weft_never()) != 0 ||
            write(told[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    CHECK_EQ(read(told[0], &byte, 1), 1);
    weft_segment s;
    weft_group g;
    CHECK_EQ(enter_with_lock(&s), 0);
    CHECK_EQ(weft_lock_acquire(&board(&s)->lock, weft_after(250 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, take_after_a_kill, board(&s)), 0);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_rwlock *rwlock = weft_segment_data(&s);
    CHECK_EQ(weft_rwlock_init(rwlock, WEFT_SHARED), -ENOTSUP); /* its readers would not be known */
    weft_segment_close(&s);
}

static void *of_size(size_t size, int *r)
{
    static weft_segment s;
    *r = weft_segment_open(&s, path, size, NULL, NULL, weft_after(50 * WEFT_MS));
    return *r < 0 ? NULL : weft_segment_data(&s);
}

TEST_REAL(what_does_not_fit_or_is_not_ours_alone_is_refused, "files")
{
    int r;
    weft_segment s;
    name_it(t);
    of_size(0, &r);
    CHECK_EQ(r, -EINVAL);
    CHECK_EQ(enter(&s, 1), 0);
    of_size(sizeof(struct board) + 1, &r);
    CHECK_EQ(r, -EINVAL);
    CHECK(strstr(weft_why(), "another size") != NULL);
    CHECK_EQ(chmod(path, 0660), 0);
    of_size(sizeof(struct board), &r);
    CHECK_EQ(r, -EPERM);
    CHECK(strstr(weft_why(), "others") != NULL);
    weft_segment_close(&s);
    CHECK_EQ(symlink("/etc/passwd", path), 0);
    of_size(100, &r);
    CHECK_EQ(r, -ELOOP);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(mkfifo(path, 0600), 0);
    of_size(100, &r);
    CHECK_EQ(r, -EPERM);
    CHECK_EQ(unlink(path), 0);
    snprintf(path, sizeof path, "%s/none/board", t_dir(t));
    of_size(100, &r);
    CHECK_EQ(r, -ENOENT);
}

static int refuse(void *data, void *arg)
{
    (void)data;
    (void)arg;
    return -EDOM;
}

TEST_REAL(a_failed_preparation_leaves_nothing, "files")
{
    weft_segment s;
    name_it(t);
    int before = t_descriptors(0);
    CHECK_EQ(weft_segment_open(&s, path, 10, refuse, NULL, weft_never()), -EDOM);
    CHECK_EQ(access(path, F_OK), -1);
    CHECK_EQ(t_descriptors(0), before);
}

static int slowly(void *data, void *arg)
{
    (void)data;
    weft_event *go = arg;
    return weft_event_wait(go, weft_never());
}

static int open_slowly(void *arg)
{
    weft_segment s;
    int r = weft_segment_open(&s, path, 10, slowly, arg, weft_never());
    if (r == 0)
        weft_segment_close(&s);
    return r;
}

TEST_EACH_KIND_REAL(others_wait_while_it_is_prepared, "files")
{
    static weft_event go = WEFT_EVENT_INIT;
    weft_segment s;
    weft_group g;
    name_it(t);
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, open_slowly, &go), 0);
    while (access(path, F_OK) < 0)
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    int r = weft_segment_open(&s, path, 10, NULL, NULL, weft_after(20 * WEFT_MS));
    if (r == 0) /* before it had the lock */
        weft_segment_close(&s);
    else
        CHECK_EQ(r, -ETIMEDOUT);
    weft_event_set(&go);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(enter(&s, 3), 0);
    weft_segment_close(&s);
}
