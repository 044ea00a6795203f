/* Memory with a name: prepared once, kept while anyone is in it, for this user only. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    weft_segment_close(&s);
}

/* -- what a stranger has when it is killed: the others see that it is dead, though nobody tells them -------- */

static struct hall {
    weft_rwlock rwlock;
    weft_semaphore owned;
    weft_barrier barrier;
    weft_queue queue, acked;
    char slots[WEFT_SEGMENT_SLOTS(4, 0)] __attribute__((aligned(64)));
    char acked_slots[WEFT_SEGMENT_SLOTS(2, sizeof(long))] __attribute__((aligned(64)));
} * hall; /* elsewhere in each process */

static int no_action(void *arg)
{
    return arg != NULL;
}

static int prepare_hall(void *data, void *arg)
{
    struct hall *h = data;
    (void)arg;
    CHECK_EQ(weft_rwlock_init(&h->rwlock, WEFT_SHARED), 0);
    CHECK_EQ(weft_semaphore_init(&h->owned, 2, 0, WEFT_SHARED | WEFT_OWNED), 0);
    CHECK_EQ(weft_barrier_init(&h->barrier, 3, no_action, NULL, WEFT_SHARED), -ENOTSUP);
    CHECK_EQ(weft_barrier_init(&h->barrier, 3, NULL, NULL, WEFT_SHARED), 0);
    CHECK_EQ(weft_queue_init(&h->queue, NULL, 4, 0, WEFT_SHARED), -EINVAL);
    CHECK_EQ(weft_queue_init(&h->queue, h->slots + 8, 3, 0, WEFT_SHARED), -EINVAL);
    CHECK_EQ(weft_queue_init(&h->queue, h->slots, 4, 0, WEFT_SHARED), 0);
    CHECK_EQ(weft_queue_init(&h->acked, h->acked_slots, 2, sizeof(long), WEFT_SHARED | WEFT_ACK), 0);
    return 0;
}

static void enter_hall(weft_segment *s)
{
    CHECK_EQ(weft_segment_open(s, path, sizeof *hall, prepare_hall, NULL, weft_never()), 0);
    hall = weft_segment_data(s);
}

static void read_it(void)
{
    CHECK_EQ(weft_rwlock_acquire_read(&hall->rwlock, weft_never()), 0);
}
static int write_it(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_rwlock_acquire_write(&hall->rwlock, weft_never()), 0);
    return weft_rwlock_release(&hall->rwlock);
}

static void write_all(void)
{
    CHECK_EQ(weft_rwlock_acquire_write(&hall->rwlock, weft_never()), 0);
}
static int read_recovered(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_rwlock_acquire_read(&hall->rwlock, weft_never()), WEFT_RECOVERED);
    return weft_rwlock_release(&hall->rwlock);
}

static void take_units(void)
{
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_semaphore_acquire(&hall->owned, weft_never()), 0);
}
static int take_unit(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_semaphore_acquire(&hall->owned, weft_never()), 0);
    CHECK_EQ(weft_semaphore_value(&hall->owned), 1);
    return weft_semaphore_release(&hall->owned, 1);
}

static void *meet(void *arg)
{
    CHECK_EQ(weft_barrier_wait(&hall->barrier, weft_never()), -EPIPE);
    return arg;
}
static void meet_beside(void)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, meet, NULL), 0);
    while (weft_barrier_waiting(&hall->barrier) == 0)
        usleep(100);
}
static int meet_the_dead(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_barrier_wait(&hall->barrier, weft_never()), -EPIPE);
    weft_barrier_reset(&hall->barrier);
    return 0;
}

static void get_one(void)
{
    long value = 0;
    CHECK_EQ(weft_queue_get(&hall->acked, &value, sizeof value, weft_never()), 1);
    CHECK_EQ(value, 7);
}
static int get_it_again(void *arg)
{
    long value = 0;
    (void)arg;
    CHECK_EQ(weft_queue_get(&hall->acked, &value, sizeof value, weft_never()), 1);
    CHECK_EQ(value, 7);
    return weft_queue_task_done(&hall->acked);
}

static const struct meeting {
    void (*stranger)(void);
    weft_fn *here;
    const char *state;
} meetings[] = {
    { read_it, write_it, "rwlock (write)" }, { write_all, read_recovered, "rwlock (read)" },
    { take_units, take_unit, "semaphore" },  { meet_beside, meet_the_dead, "barrier" },
    { get_one, get_it_again, "get" },
};

/* A program of its own, as far as weft is concerned: it has the segment elsewhere. */
static pid_t stranger_in(void (*fn)(void), const struct hall *here, int told)
{
    pid_t pid = fork();
    if (pid == 0) {
        weft_segment s;
        CHECK_NE((intptr_t)mmap(NULL, sizeof *hall + (8 << 20), PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                 -1);
        enter_hall(&s);
        CHECK(hall != here);
        fn();
        CHECK_EQ(write(told, "", 1), 1);
        for (;;)
            pause();
    }
    return pid;
}

TEST_EACH_KIND_REAL(what_a_stranger_had_is_given_on_when_it_is_killed, "processes")
{
    weft_segment s;
    char byte;
    int told[2];
    long seven = 7;
    FORKS_AMONG_THREADS();
    name_it(t);
    CHECK_EQ(pipe(told), 0);
    enter_hall(&s);
    CHECK_EQ(weft_queue_put(&hall->acked, &seven, sizeof seven, weft_at_once()), 0);
    for (size_t i = 0; i < sizeof meetings / sizeof *meetings; i++) {
        weft_group g;
        weft_task task;
        struct weft_task_info info = { .size = sizeof info };
        struct weft_spawn more = { .size = sizeof more, .task = &task };
        pid_t pid = stranger_in(meetings[i].stranger, hall, told[1]);
        CHECK_EQ(read(told[0], &byte, 1), 1);
        CHECK_EQ(weft_group_init(&g, 0), 0);
        CHECK_EQ(weft_group_spawn_with(&g, t->kind, meetings[i].here, NULL, &more), 0);
        do {
            CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
            CHECK_EQ(weft_task_describe(task, &info), 0);
        } while (strcmp(info.state, meetings[i].state) != 0);
        CHECK_EQ(kill(pid, SIGKILL), 0);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0); /* though nobody has collected it */
        CHECK_EQ(waitpid(pid, NULL, 0), pid);
        weft_group_fini(&g);
    }
    weft_rwlock_fini(&hall->rwlock);
    weft_semaphore_fini(&hall->owned);
    weft_barrier_fini(&hall->barrier);
    weft_queue_fini(&hall->acked);
    weft_segment_close(&s);
}

static void pass_on(void)
{
    char text[200];
    size_t size;
    while (weft_queue_get_message(&hall->queue, text, sizeof text, &size, weft_never()) == 1)
        CHECK_EQ(weft_queue_put(&hall->acked, &(long){ (long)size }, sizeof(long), weft_never()), 0);
    weft_queue_close(&hall->acked);
}

TEST_REAL(strangers_send_messages_through_a_segment, "processes")
{
    weft_segment s;
    char byte, text[200] = { 0 };
    int told[2];
    FORKS_AMONG_THREADS();
    name_it(t);
    CHECK_EQ(pipe(told), 0);
    enter_hall(&s);
    pid_t pid = stranger_in(pass_on, hall, told[1]);
    CHECK_EQ(weft_queue_put(&hall->queue, text, 105, weft_never()), -EMSGSIZE);
    void *block = weft_arena_alloc(100);
    CHECK_EQ(weft_queue_put_block(&hall->queue, block, 100, weft_never()), -EINVAL);
    weft_arena_free(block);
    for (long i = 0; i < 1000; i++) {
        long length = -1;
        CHECK_EQ(weft_queue_put(&hall->queue, text, (size_t)i % 105, weft_never()), 0);
        CHECK_EQ(weft_queue_get(&hall->acked, &length, sizeof length, weft_never()), 1);
        CHECK_EQ(weft_queue_task_done(&hall->acked), 0);
        CHECK_EQ(length, i % 105);
    }
    weft_queue_close(&hall->queue);
    CHECK_EQ(read(told[0], &byte, 1), 1);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    weft_segment_close(&s);
}

/* More objects than the first page of the yard has blocks for, and again. */
TEST_REAL(a_segment_has_room_for_the_holders_of_what_fits_in_it, "files")
{
    enum { MANY = 2000 };
    weft_segment s;
    name_it(t);
    CHECK_EQ(weft_segment_open(&s, path, MANY * sizeof(weft_semaphore), NULL, NULL, weft_never()),
             0);
    weft_semaphore *sem = weft_segment_data(&s);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            CHECK_EQ(weft_semaphore_init(&sem[i], 1, 0, WEFT_SHARED | WEFT_OWNED), 0);
            CHECK_EQ(weft_semaphore_acquire(&sem[i], weft_at_once()), 0);
        }
        for (int i = 0; i < MANY; i++) {
            CHECK_EQ(weft_semaphore_release(&sem[i], 1), 0);
            weft_semaphore_fini(&sem[i]);
        }
    }
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
