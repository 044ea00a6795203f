/* What a fault costs. Each of these is one that programs of many processes hang at, or lose the work of others by:
 * the dead lose their own work, the others go on or are told. And what the machine has no more of is said. */
#include "../behaviour/until.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define REAL "processes"
#define SOON weft_after(15 * WEFT_SEC)
#define KIND WEFT_PROCESS

enum { MANY = 500 };
enum { WORKED = 40, REFUSED, NO_RIGHT }; /* exit statuses */

static struct shared {
    weft_lock lock;
    weft_cond cond;
    weft_event event;
    weft_barrier barrier;
    weft_queue queue;
    weft_pipe_pair pipe;
    size_t size; /* of a message */
    long here, done, sum, seen[MANY];
    int pids[8];
} * s;

static void begin(void)
{
    s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_OK(weft_lock_init(&s->lock, WEFT_SHARED));
    CHECK_OK(weft_cond_init(&s->cond, WEFT_SHARED));
    CHECK_OK(weft_event_init(&s->event, WEFT_SHARED));
    CHECK_OK(weft_process_prepare());
}

static weft_task start(weft_group *g, weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_spawn_with(g, KIND, fn, arg, &more));
    return task;
}

static int result_of(weft_task task)
{
    struct weft_exit end = { .size = sizeof end };
    CHECK_OK(weft_task_join(task, &end, SOON));
    return end.result;
}

static int killed(weft_task task, int signo)
{
    CHECK_OK(weft_task_kill(task, signo));
    return result_of(task);
}

static int run(weft_fn *fn, void *arg)
{
    weft_group g;
    weft_group_init(&g, WEFT_KEEP_GOING);
    int r = result_of(start(&g, fn, arg));
    (void)!weft_group_wait(&g, SOON);
    weft_group_fini(&g);
    return r;
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int rest(void *arg)
{
    ADD(((struct shared *)arg)->here, 1);
    return weft_sleep(weft_after(600 * WEFT_SEC));
}

/* -- a holder, and who is none ---------------------------------------------------------------------------- */

static int hold(void *arg)
{
    struct shared *x = arg;
    CHECK_OK(weft_lock_acquire(&x->lock, SOON));
    return rest(x);
}

static int release_anothers(void *arg)
{
    struct shared *x = arg;
    CHECK_ERR(weft_lock_release(&x->lock), -EPERM);
    CHECK_ERR(weft_lock_acquire(&x->lock, weft_at_once()), -ETIMEDOUT);
    return 7;
}

TEST_REAL(the_lock_of_the_dead_goes_to_the_next_who_is_told, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    weft_group_init(&g, WEFT_KEEP_GOING);
    weft_task holder = start(&g, hold, s);
    UNTIL(LOAD(s->here) == 1);
    CHECK_ERR(weft_lock_acquire(&s->lock, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_OK(weft_task_kill(holder, SIGKILL));
    weft_time killed_at = weft_now();
    CHECK_EQ(weft_lock_acquire(&s->lock, SOON), WEFT_RECOVERED);
    if (t_rounds(1) > 1)
        printf("counted: after %ld us\n", (long)((weft_now().ns - killed_at.ns) / 1000));
    CHECK_OK(weft_lock_repaired(&s->lock));
    CHECK_EQ(run(release_anothers, s), 7);
    CHECK_OK(weft_lock_release(&s->lock));
    CHECK_OK(weft_lock_acquire(&s->lock, SOON));
    CHECK_OK(weft_lock_release(&s->lock));
    CHECK_EQ(weft_group_wait(&g, SOON), -EOWNERDEAD);
    weft_group_fini(&g);
}

TEST_REAL(what_nobody_has_repaired_is_of_no_use, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    weft_group_init(&g, WEFT_KEEP_GOING);
    weft_task holder = start(&g, hold, s);
    UNTIL(LOAD(s->here) == 1);
    CHECK_EQ(killed(holder, SIGKILL), -EOWNERDEAD);
    CHECK_EQ(weft_lock_acquire(&s->lock, SOON), WEFT_RECOVERED);
    CHECK_OK(weft_lock_release(&s->lock));
    CHECK_ERR(weft_lock_acquire(&s->lock, SOON), -ENOTRECOVERABLE);
    CHECK_EQ(weft_group_wait(&g, SOON), -EOWNERDEAD);
    weft_group_fini(&g);
}

/* -- waiters ------------------------------------------------------------------------------------------------ */

static int wait_cond(void *arg)
{
    struct shared *x = arg;
    CHECK_OK(weft_lock_acquire(&x->lock, SOON));
    x->here++;
    int r = weft_cond_wait(&x->cond, &x->lock, SOON);
    CHECK(r == 0 || r == WEFT_RECOVERED);
    CHECK_OK(weft_lock_repaired(&x->lock));
    CHECK_OK(weft_lock_release(&x->lock));
    return 7;
}

static int wait_event(void *arg)
{
    struct shared *x = arg;
    ADD(x->here, 1);
    CHECK_OK(weft_event_wait(&x->event, SOON));
    return 7;
}

TEST_REAL(a_killed_waiter_takes_no_signal_from_the_living, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    weft_group_init(&g, WEFT_KEEP_GOING);
    weft_task dies = start(&g, wait_cond, s);
    UNTIL(LOAD(s->here) == 1);
    weft_task lives = start(&g, wait_cond, s);
    UNTIL(LOAD(s->here) == 2);
    CHECK_OK(weft_lock_acquire(&s->lock, SOON)); /* both wait */
    CHECK_OK(weft_task_kill(dies, SIGKILL));
    CHECK_OK(weft_cond_signal(&s->cond)); /* to whom? */
    CHECK_OK(weft_lock_release(&s->lock));
    CHECK_EQ(result_of(dies), -EOWNERDEAD);
    CHECK_EQ(result_of(lives), 7);
    dies = start(&g, wait_event, s);
    lives = start(&g, wait_event, s);
    UNTIL(LOAD(s->here) == 4);
    CHECK_OK(weft_task_kill(dies, SIGKILL));
    weft_event_set(&s->event);
    CHECK(weft_event_is_set(&s->event));
    CHECK_EQ(result_of(lives), 7);
    (void)!weft_group_wait(&g, SOON);
    weft_group_fini(&g);
}

static int meet(void *arg)
{
    struct shared *x = arg;
    ADD(x->here, 1);
    int r = weft_barrier_wait(&x->barrier, SOON);
    return r >= 0 ? 7 : r;
}

TEST_REAL(a_barrier_without_one_of_its_parties_breaks, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    CHECK_OK(weft_barrier_init(&s->barrier, 3, NULL, NULL, WEFT_SHARED));
    weft_group_init(&g, WEFT_KEEP_GOING);
    weft_task dies = start(&g, meet, s), lives = start(&g, meet, s);
    UNTIL(weft_barrier_waiting(&s->barrier) == 2);
    CHECK_EQ(killed(dies, SIGKILL), -EOWNERDEAD);
    CHECK_EQ(result_of(lives), -EPIPE);
    CHECK_ERR(weft_barrier_wait(&s->barrier, SOON), -EPIPE);
    weft_barrier_reset(&s->barrier);
    dies = start(&g, meet, s);
    lives = start(&g, meet, s);
    CHECK_GE(weft_barrier_wait(&s->barrier, SOON), 0);
    CHECK_EQ(result_of(dies), 7);
    CHECK_EQ(result_of(lives), 7);
    (void)!weft_group_wait(&g, SOON);
    weft_barrier_fini(&s->barrier);
    weft_group_fini(&g);
}

/* -- messages ------------------------------------------------------------------------------------------------ */

static int write_on(void *arg)
{
    struct shared *x = arg;
    long *message = malloc(x->size);
    for (long n = 0;; n++) {
        for (size_t i = 0; i < x->size / sizeof *message; i++)
            message[i] = n;
        CHECK_OK(weft_queue_put(&x->queue, message, x->size, weft_never()));
        ADD(x->done, 1);
    }
}

static bool read_one(long *room, size_t most, long expected, weft_deadline deadline)
{
    size_t size;
    int r = weft_queue_get_message(&s->queue, room, most, &size, deadline);
    CHECK(r == 1 || r == -ETIMEDOUT);
    if (r == 1) {
        CHECK_EQ(size, s->size);
        for (size_t i = 0; i < size / sizeof *room; i++)
            if (room[i] != expected)
                FAIL("word %zu of message %ld is %ld", i, expected, room[i]);
    }
    return r == 1;
}

static void end_writers(size_t size, int signo, long rounds)
{
    long *room = malloc(size), some = 2;
    begin();
    s->size = size;
    CHECK_OK(weft_queue_init(&s->queue, NULL, 4, 0, WEFT_SHARED));
    for (long i = 0; i < rounds; i++) {
        weft_group g;
        long n = 0;
        STORE(s->done, 0);
        weft_group_init(&g, WEFT_KEEP_GOING);
        weft_task writer = start(&g, write_on, s);
        for (some = some * 7 % 31; n < some % 8; n++)
            CHECK(read_one(room, size, n, SOON));
        CHECK_EQ(killed(writer, signo), -EOWNERDEAD);
        while (read_one(room, size, n, weft_at_once()))
            n++;
        CHECK(n == LOAD(s->done) ||
              n == LOAD(s->done) + 1); /* it was in, and the call had not returned */
        (void)!weft_group_wait(&g, SOON);
        weft_group_fini(&g);
    }
    weft_queue_fini(&s->queue);
    free(room);
}

TEST_REAL(a_writer_that_is_terminated_costs_no_more_than_its_message, REAL)
{
    PROCESSES();
    end_writers(64, SIGTERM, t_rounds(50));
}

TEST_REAL(a_large_message_is_there_as_a_whole_or_not_at_all, REAL)
{
    PROCESSES();
    end_writers(8 << 20, SIGKILL, t_rounds(4));
}

static int put_many(void *arg)
{
    struct shared *x = arg;
    char text[10000];
    for (int i = 0; i < 100; i++) {
        memset(text, i, sizeof text);
        CHECK_OK(weft_queue_put(&x->queue, text, sizeof text, weft_never()));
    }
    return 7;
}

TEST_REAL(messages_outlive_their_writer_which_is_joined_first, REAL)
{
    PROCESSES();
    char text[10000];
    size_t size;
    begin();
    CHECK_OK(weft_queue_init(&s->queue, NULL, 128, 0, WEFT_SHARED));
    CHECK_EQ(run(put_many, s), 7);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weft_queue_get_message(&s->queue, text, sizeof text, &size, weft_at_once()), 1);
        CHECK(text[0] == i && text[sizeof text - 1] == i);
    }
    weft_queue_fini(&s->queue);
}

static int put_and_say(void *arg)
{
    struct shared *x = arg;
    for (long i = 0; i < MANY; i++) {
        CHECK_OK(weft_queue_put(&x->queue, &i, sizeof i, SOON));
        ADD(x->here, 1);
        UNTIL(LOAD(x->done) == i + 1);
    }
    return 7;
}

TEST_REAL(what_was_put_is_counted_at_once, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    CHECK_OK(weft_queue_init(&s->queue, NULL, 4, sizeof(long), WEFT_SHARED));
    weft_group_init(&g, 0);
    weft_task writer = start(&g, put_and_say, s);
    for (long i = 0, got; i < MANY; i++) {
        UNTIL(LOAD(s->here) == i + 1);
        CHECK(!weft_queue_is_empty(&s->queue));
        CHECK_EQ(weft_queue_length(&s->queue), 1);
        CHECK_EQ(weft_queue_get(&s->queue, &got, sizeof got, weft_at_once()), 1);
        CHECK(weft_queue_is_empty(&s->queue));
        STORE(s->done, i + 1);
    }
    CHECK_EQ(result_of(writer), 7);
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_queue_fini(&s->queue);
    weft_group_fini(&g);
}

static int read_all(void *arg)
{
    struct shared *x = arg;
    long message[20];
    size_t size;
    int r;
    while ((r = weft_pipe_receive(&x->pipe.end[1], message, sizeof message, &size, SOON)) == 1) {
        CHECK_EQ(size, sizeof message);
        for (int i = 1; i < 20; i++)
            CHECK_EQ(message[i], message[0]);
        ADD(x->seen[message[0]], 1);
    }
    CHECK_EQ(r, 0);
    return 7;
}

TEST_REAL(several_may_read_at_one_end, REAL)
{
    PROCESSES();
    weft_group g;
    weft_task readers[3];
    begin();
    CHECK_OK(weft_pipe_init(&s->pipe, 0, WEFT_SHARED));
    weft_group_init(&g, 0);
    for (int i = 0; i < 3; i++)
        readers[i] = start(&g, read_all, s);
    for (long n = 0; n < MANY; n++) {
        long message[20];
        for (int i = 0; i < 20; i++)
            message[i] = n;
        CHECK_OK(weft_pipe_send(&s->pipe.end[0], message, sizeof message, SOON));
    }
    weft_pipe_close(&s->pipe.end[0]);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(result_of(readers[i]), 7);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(s->seen[i], 1);
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_pipe_fini(&s->pipe);
    weft_group_fini(&g);
}

static int count_up(void *arg)
{
    for (int i = 0; i < 50000; i++)
        ADD(*(long *)arg, 1);
    return 0;
}

TEST_REAL(a_count_of_all_is_exact, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    weft_group_init(&g, 0);
    for (int i = 0; i < 4; i++)
        CHECK_OK(weft_group_spawn(&g, KIND, count_up, &s->sum));
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_EQ(s->sum, 200000);
    weft_group_fini(&g);
}

static int put_beyond_31_bits(void *arg)
{
    struct shared *x = arg;
    char *block = weft_arena_alloc(x->size);
    CHECK(block != NULL);
    block[0] = 1;
    block[x->size - 1] = 2;
    CHECK_OK(weft_queue_put_block(&x->queue, block, x->size, SOON));
    return 7;
}

TEST_REAL_LONG(a_message_may_have_more_than_2_gib, REAL, 120)
{
    PROCESSES();
    if (t_rounds(1) == 1)
        SKIP("at night: it fills the memory");
    void *block;
    size_t size;
    begin();
    s->size = ((size_t)2 << 30) + 77;
    CHECK_OK(weft_queue_init(&s->queue, NULL, 4, 0, WEFT_SHARED));
    CHECK_OK(weft_queue_limit(&s->queue, (uint64_t)8 << 30));
    CHECK_EQ(run(put_beyond_31_bits, s), 7);
    CHECK_EQ(weft_queue_get_block(&s->queue, &block, &size, SOON), 1);
    CHECK_EQ(size, s->size);
    CHECK_EQ(((char *)block)[0] + ((char *)block)[size - 1], 3);
    weft_arena_free(block);
    weft_queue_fini(&s->queue);
}

/* -- who is stopped ------------------------------------------------------------------------------------------ */

TEST_REAL(a_stopped_process_holds_nobody_beyond_a_deadline, REAL)
{
    PROCESSES();
    weft_group g;
    begin();
    weft_group_init(&g, WEFT_KEEP_GOING);
    struct weft_process quick = { .size = sizeof quick,
                                  .term_after = WEFT_MS,
                                  .kill_after = WEFT_MS };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .process = &quick };
    CHECK_OK(weft_group_spawn_with(&g, KIND, rest, s, &more));
    UNTIL(LOAD(s->here) == 1);
    CHECK_OK(weft_task_kill(task, SIGSTOP));
    struct weft_exit end = { .size = sizeof end };
    CHECK_ERR(weft_task_join(task, &end, weft_after(10 * WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(run(seven, NULL), 7);
    CHECK_OK(weft_task_cancel(task));
    CHECK_OK(weft_task_join(task, &end, SOON));
    CHECK_EQ(end.result, -ECANCELED);
    CHECK_EQ(end.signal, SIGKILL);
    (void)!weft_group_wait(&g, SOON);
    weft_group_fini(&g);
}

static bool is_stopped(pid_t pid) /* each of its threads */
{
    char states[100];
    t_shell(states, sizeof states, "cut -d ' ' -f 3 /proc/%d/task/*/stat | sort -u", (int)pid);
    return strcmp(states, "T\n") == 0;
}

static int spawn_under_a_stopped_program(void *arg)
{
    struct shared *x = arg;
    weft_group g;
    pid_t program = getppid();
    long one = 1;
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(kill(program, SIGSTOP));
    UNTIL(is_stopped(program));
    CHECK_OK(weft_queue_put(&x->queue, &one, sizeof one, SOON)); /* no business of the program's */
    CHECK_EQ(weft_queue_get(&x->queue, &one, sizeof one, SOON), 1);
    CHECK_ERR(weft_group_spawn(&g, KIND, seven, NULL), -ETIMEDOUT);
    CHECK_OK(kill(program, SIGCONT));
    CHECK_EQ(run(seven, NULL), 7);
    (void)!weft_group_wait(&g, SOON);
    weft_group_fini(&g);
    return 7;
}

static void be_stopped(void *arg)
{
    (void)arg;
    begin();
    CHECK_OK(weft_queue_init(&s->queue, NULL, 4, sizeof(long), WEFT_SHARED));
    CHECK_EQ(run(spawn_under_a_stopped_program, s), 7);
    weft_queue_fini(&s->queue);
}

TEST_REAL(while_the_program_is_stopped_its_processes_go_on, REAL)
{
    PROCESSES();
    char words[2000];
    if (in_child(be_stopped, NULL, words, sizeof words) != 0)
        FAIL("%s", words);
}

/* -- the end of a program -------------------------------------------------------------------------------------- */

static int spread(void *arg)
{
    struct shared *x = arg;
    long at = ADD(x->here, 1);
    if (at < 4)
        (void)!weft_group_spawn(weft_background(), KIND, spread, x);
    return weft_sleep(weft_after(600 * WEFT_SEC));
}

static int to_parent[2];

static void be_killed(void *arg)
{
    weft_group g;
    (void)arg;
    setpgid(0, 0);
    begin();
    weft_group_init(&g, 0);
    start(&g, spread, s);
    UNTIL(LOAD(s->here) == 4);
    CHECK_EQ(write(to_parent[1], "r", 1), 1);
    for (;;)
        pause();
}

/* The group of a program's processes, when it has said that all are there. */
static pid_t begin_program(void (*fn)(void *))
{
    char ready;
    CHECK_EQ(pipe(to_parent), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        fn(NULL);
        exit(0);
    }
    CHECK_EQ(read(to_parent[0], &ready, 1), 1);
    return pid;
}

static void is_gone(pid_t group, weft_time since)
{
    while (kill(-group, 0) == 0) /* orphans are collected by the harness, a subreaper */
        usleep(100);
    CHECK_EQ(errno, ESRCH);
    if (t_rounds(1) > 1)
        printf("counted: gone after %ld us\n", (long)((weft_now().ns - since.ns) / 1000));
}

TEST_REAL(of_a_program_that_is_killed_nothing_is_left, REAL)
{
    PROCESSES();
    for (int all = 0; all < 2; all++) {
        int status;
        pid_t program = begin_program(be_killed);
        weft_time since = weft_now();
        CHECK_OK(kill(all ? -program : program, SIGKILL));
        CHECK_EQ(waitpid(program, &status, 0), program);
        CHECK_EQ(WTERMSIG(status), SIGKILL);
        is_gone(program, since);
    }
    char names[1000];
    t_shell(names, sizeof names, "ls /dev/shm | grep weft");
    CHECK_STR(names, "");
}

static void be_interrupted(void *arg)
{
    static const int interrupt = SIGINT;
    weft_signal signals;
    weft_group g;
    (void)arg;
    setpgid(0, 0);
    begin();
    CHECK_OK(weft_signal_init(&signals, &interrupt, 1));
    weft_group_init(&g, 0);
    for (int i = 0; i < 3; i++)
        start(&g, rest, s);
    UNTIL(LOAD(s->here) == 3);
    CHECK_EQ(write(to_parent[1], "r", 1), 1);
    CHECK_EQ(weft_signal_wait(&signals, SOON), SIGINT);
    weft_group_cancel(&g);
    CHECK_OK(weft_group_wait(&g, SOON)); /* what was called off is no failure */
    weft_signal_fini(&signals);
    weft_group_fini(&g);
    exit(3);
}

/* What a terminal's Ctrl-C sends goes to all of the group. */
TEST_REAL(an_interrupt_ends_the_tree_once_and_without_words, REAL)
{
    PROCESSES();
    int status, words[2], out = dup(2);
    char byte;
    CHECK_EQ(pipe(words), 0);
    for (int handled = 0; handled < 2; handled++) {
        dup2(words[1], 2);
        pid_t program = begin_program(handled ? be_interrupted : be_killed);
        dup2(out, 2);
        weft_time since = weft_now();
        CHECK_OK(kill(-program, SIGINT));
        CHECK_EQ(waitpid(program, &status, 0), program);
        if (handled)
            CHECK_EQ(WEXITSTATUS(status), 3);
        else
            CHECK_EQ(WTERMSIG(status), SIGINT);
        is_gone(program, since);
    }
    close(words[1]);
    CHECK_EQ(read(words[0], &byte, 1), 0);
}

static pthread_t main_thread;

static void *live_on(void *arg)
{
    weft_group g;
    weft_group_init(&g, 0);
    weft_task task = start(&g, wait_event, s);
    UNTIL(LOAD(s->here) == 1);
    STORE(s->done, 1);
    CHECK_EQ(pthread_join(main_thread, NULL), 0);
    weft_event_set(&s->event);
    CHECK_EQ(result_of(task), 7);
    CHECK_EQ(run(seven, NULL), 7);
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_group_fini(&g);
    exit(5);
    return arg;
}

static void leave_main(void *arg)
{
    pthread_t thread;
    begin();
    main_thread = pthread_self();
    CHECK_EQ(pthread_create(&thread, NULL, live_on, NULL), 0);
    UNTIL(LOAD(s->done));
    pthread_exit(arg);
}

TEST_REAL(processes_live_on_when_the_main_thread_has_ended, REAL)
{
    PROCESSES();
    char words[2000];
    if (WEXITSTATUS(in_child(leave_main, NULL, words, sizeof words)) != 5)
        FAIL("%s", words);
}

static int nested(void *arg)
{
    return run(seven, arg);
}

static void be_number_1(void *arg)
{
    (void)arg;
    if (unshare(CLONE_NEWPID) != 0)
        exit(NO_RIGHT);
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        CHECK_EQ(getpid(), 1);
        begin();
        CHECK_EQ(run(nested, NULL), 7);
        weft_group g;
        weft_group_init(&g, WEFT_KEEP_GOING);
        CHECK_EQ(killed(start(&g, spread, s), SIGKILL), -EOWNERDEAD);
        (void)!weft_group_wait(&g, SOON);
        weft_group_fini(&g);
        exit(6);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    _exit(WEXITSTATUS(
        status)); /* a thread would be one of the old namespace: a sanitizer's at exit() */
}

TEST_REAL(a_program_may_be_process_number_1, REAL)
{
    PROCESSES();
    int status = WEXITSTATUS(in_child(be_number_1, NULL, NULL, 0));
    if (status == NO_RIGHT)
        SKIP("no right to make a namespace");
    CHECK_EQ(status, 6);
}

/* -- what there is no more of ------------------------------------------------------------------------------- */

/* A spawn works or says why not; nothing else goes wrong, and later all works again. */
static int spawn_another(void *arg)
{
    weft_group g;
    weft_group_init(&g, WEFT_KEEP_GOING);
    int r = weft_group_spawn(&g, KIND, seven, arg), done = weft_group_wait(&g, SOON);
    weft_group_fini(&g);
    return r < 0 ? r : done;
}

static int try_spawn(void)
{
    weft_group g;
    weft_group_init(&g, WEFT_KEEP_GOING);
    int r = weft_group_spawn(&g, KIND, spawn_another, NULL);
    if (r < 0)
        CHECK(weft_why()[0] != 0);
    CHECK(weft_group_wait(&g, SOON) <= 0);
    weft_group_fini(&g);
    return r;
}

static void limit(int resource, rlim_t most)
{
    struct rlimit l;
    CHECK_OK(getrlimit((unsigned)resource, &l));
    l.rlim_cur = most < l.rlim_max ? most : l.rlim_max;
    CHECK_OK(setrlimit((unsigned)resource, &l));
}

static int is_open(void *arg)
{
    (void)arg;
    return fcntl(900, F_GETFD) >= 0 ? 7 : 1;
}

static void have_descriptors(void *arg)
{
    int open = t_descriptors(0);
    limit(RLIMIT_NOFILE, (rlim_t)(open + *(int *)arg));
    int r = try_spawn();
    CHECK(r == 0 || r == -EMFILE);
    limit(RLIMIT_NOFILE, 1000); /* the zygote's is older */
    weft_group g;
    weft_task task;
    struct weft_process process = { .size = sizeof process,
                                    .pass = &(struct weft_pass){ 0, 900 },
                                    .pass_count = 1 };
    struct weft_spawn more = { .size = sizeof more, .task = &task, .process = &process };
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn_with(&g, KIND, is_open, NULL, &more));
    CHECK_EQ(result_of(task), 7);
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_group_fini(&g);
    exit(r < 0 ? REFUSED : WORKED);
}

TEST_REAL(without_descriptors_a_spawn_says_so, REAL)
{
    PROCESSES();
    int refused = 0;
    for (int more = 0; more < 12; more++) {
        char words[2000];
        int status = in_child(have_descriptors, &more, words, sizeof words);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) | 1) != REFUSED)
            FAIL("with %d more descriptors: %x\n%s", more, (unsigned)status, words);
        refused += WEXITSTATUS(status) == REFUSED;
    }
    CHECK(refused > 2 && refused < 12);
}

static void have_processes(void *arg)
{
    const unsigned nobody = 54321;
    if (setresgid(nobody, nobody, nobody) != 0 || setresuid(nobody, nobody, nobody) != 0)
        exit(NO_RIGHT);
    prctl(PR_SET_DUMPABLE, 1);
    limit(RLIMIT_NPROC, (rlim_t) * (int *)arg); /* threads too */
    int r = try_spawn();
    CHECK(r == 0 || r == -EAGAIN);
    limit(RLIMIT_NPROC, 1000);
    CHECK_EQ(try_spawn(), 0);
    exit(r < 0 ? REFUSED : WORKED);
}

TEST_REAL(without_processes_a_spawn_says_so, REAL)
{
    PROCESSES();
    int refused = 0;
    for (int n = 1; n < 10; n++) {
        char words[2000];
        int status = in_child(have_processes, &n, words, sizeof words);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_RIGHT)
            SKIP("no right to become another user");
        if (!WIFEXITED(status) || (WEXITSTATUS(status) | 1) != REFUSED)
            FAIL("with %d: %x\n%s", n, (unsigned)status, words);
        refused += WEXITSTATUS(status) == REFUSED;
    }
    if (refused < 3 || refused > 8)
        FAIL("%d of 9 were refused", refused);
}

static void have_memory(void *arg)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long pages = 0;
    CHECK(f && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    struct rlimit whole;
    CHECK_OK(getrlimit(RLIMIT_AS, &whole));
    limit(RLIMIT_AS, (rlim_t)pages * 4096 + (rlim_t) * (int *)arg * 128 * 1024);
    int r = try_spawn();
    CHECK(r == 0 || r == -ENOMEM || r == -EAGAIN);
    CHECK_OK(setrlimit(RLIMIT_AS, &whole));
    CHECK_EQ(try_spawn(), 0);
    exit(r < 0 ? REFUSED : WORKED);
}

TEST_REAL(without_memory_a_spawn_says_so, REAL)
{
    PROCESSES();
    int refused = 0;
    if (t_slow_build())
        SKIP("a sanitizer needs its terabytes");
    for (int more = 0; more < 1600; more = more * 3 / 2 + 1) {
        char words[2000];
        int status = in_child(have_memory, &more, words, sizeof words);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) | 1) != REFUSED)
            FAIL("with %d pieces: %x\n%s", more, (unsigned)status, words);
        refused += WEXITSTATUS(status) == REFUSED;
    }
    CHECK_GT(refused, 0);
}

static int fill_it(void *data, void *arg)
{
    memset(data, 1, *(size_t *)arg);
    return 0;
}

static void use_a_full_disk(void *folder)
{
    char path[100];
    weft_segment segment;
    size_t much = 1 << 20, little = 100000;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=256k") != 0)
        exit(NO_RIGHT);
    snprintf(path, sizeof path, "%s/one", (char *)folder);
    CHECK_ERR(weft_segment_open(&segment, path, much, fill_it, &much, SOON), -ENOSPC);
    CHECK(access(path, F_OK) != 0);
    CHECK_OK(weft_segment_open(&segment, path, little, fill_it, &little, SOON));
    weft_segment_close(&segment);
    exit(5);
}

TEST_REAL(a_full_disk_refuses_a_segment_and_nobody_dies, REAL)
{
    char words[2000];
    int status =
        WEXITSTATUS(in_child(use_a_full_disk, (void *)(uintptr_t)t_dir(t), words, sizeof words));
    if (status == NO_RIGHT)
        SKIP("no right to mount");
    if (status != 5)
        FAIL("%d: %s", status, words);
}
