/* Whoever dies at any store or system call of the making and ending of process tasks - the program, its zygote, a
 * task, a task that spawns others - has lost its own work and nothing else. */
#include "kill.h"

#include <errno.h>
#include <stdlib.h>

#include "proc/proc.h"

#define SOON weft_after(10 * WEFT_SEC)

enum { PATIENCE = 20000000 /* us */, STEP = 100 };

enum victim { PROGRAM, ZYGOTE, SPAWNER, TASK };

static struct stage {
    enum kill_way way;
    enum victim victim;
    long met, due;
    bool armed;
    pid_t program, dead, sleeper;
    bool early; /* it was one of which the program learns whether it can clone at all */
    int records;
    long blocks; /* usually */
    int open;
} * stage; /* shared */

static pid_t zygote; /* in it and its clones */

static enum victim who(void)
{
    pid_t me = getpid();
    if (me == stage->program)
        return PROGRAM;
    if (!zygote)
        zygote = me;
    if (me == zygote)
        return ZYGOTE;
    return weft__me & (WEFT__PROCESSES - 1) && strcmp(weft__proc(weft__me)->name, "spawner") == 0
               ? SPAWNER
               : TASK;
}

static void meet(void)
{
    if (who() != stage->victim || !stage->armed || stage->dead ||
        __atomic_add_fetch(&stage->met, 1, __ATOMIC_SEQ_CST) != stage->due)
        return;
    stage->dead = getpid();
    stage->early = stage->victim == ZYGOTE && weft__root_pid == 0;
    if (stage->way == KILL_ASLEEP)
        __atomic_store_n(&stage->sleeper, getpid(), __ATOMIC_SEQ_CST);
    else
        kill(getpid(), SIGKILL);
}

static long meet_call(long nr)
{
    who();
    if (stage->way == KILL_AT_CALL || (stage->way == KILL_ASLEEP && kill_may_sleep(nr)))
        meet();
    return 0;
}

/* -- what the program does ------------------------------------------------------------------------------- */

static struct shared {
    weft_queue words;
} * s;

struct job {
    int a, b, sum;
};

static int add(void *arg)
{
    struct job *job = arg;
    job->sum = job->a + job->b;
    return 5;
}

static int leave(void *arg)
{
    (void)arg;
    exit(3);
}

static int rest(void *arg)
{
    (void)arg;
    return weft_sleep(weft_after(600 * WEFT_SEC));
}

static int speak(void *arg)
{
    struct shared *shared = arg;
    weft_log(WEFT_LOG_ERROR, "a record");
    return weft_queue_put(&shared->words, "word", 5, SOON);
}

static int nest(void *arg)
{
    (void)arg;
    weft_group g;
    struct job job = { .a = 1, .b = 2 };
    weft_group_init(&g, WEFT_KEEP_GOING);
    int left = weft_group_spawn_with(weft_background(), WEFT_PROCESS | WEFT_DAEMON, rest, NULL,
                                     &(struct weft_spawn){ .size = sizeof(struct weft_spawn) });
    int r = weft_group_spawn_job(&g, WEFT_PROCESS, add, &job);
    int done = weft_group_wait(&g, SOON);
    CHECK(r < 0 || done >= 0 || done == -EOWNERDEAD);
    if (r == 0 && done >= 0)
        CHECK_EQ(job.sum, 3);
    weft_group_fini(&g);
    return left == 0 && r == 0 && done >= 0 ? 7 : 1;
}

static void record(void *ctx, const struct weft_log_record *r)
{
    (void)ctx;
    (void)r;
    stage->records++;
}

enum { ENDS, CANCELLED, KILLED };

/* One task, and how it should end. Did it? Anything else is a clean error. */
static bool one(const char *name, weft_fn *fn, void *arg, size_t size, int how, int result)
{
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .name = name };
    struct weft_exit end = { .size = sizeof end };
    weft_group_init(&g, WEFT_KEEP_GOING);
    int r = weft_group_spawn_at(&g, WEFT_PROCESS, fn, arg, size, &more, name);
    if (r == 0) {
        if (how == CANCELLED)
            weft_task_cancel(task);
        if (how == KILLED) {
            int sent = weft_task_kill(task, SIGKILL);
            CHECK(sent == 0 || sent == -ESRCH);
        }
        CHECK_OK(weft_task_join(task, &end, SOON));
        CHECK(end.result == result || end.result == -EOWNERDEAD || stage->victim == TASK);
    } else {
        CHECK_EQ(r, stage->early ? -EAGAIN : -ETIMEDOUT);
    }
    (void)!weft_group_wait(&g, SOON);
    weft_group_fini(&g);
    return r == 0 && end.result == result;
}

static int scenario(void)
{
    struct job job = { .a = 4, .b = 5 };
    char word[5];
    int good = 0, records = stage->records;
    bool whole = one("add", add, &job, sizeof job, ENDS, 5);
    CHECK(!whole || job.sum == 9);
    good += whole;
    good += one("leave", leave, NULL, 0, ENDS, 3);
    good += one("rest", rest, NULL, 0, CANCELLED, -ECANCELED);
    good += one("spawner", nest, NULL, 0, ENDS, 7);
    good += one("rest", rest, NULL, 0, KILLED, -EOWNERDEAD);
    whole = one("speak", speak, s, 0, ENDS, 0);
    int heard = weft_queue_get(&s->words, word, sizeof word, weft_at_once());
    CHECK(whole ? heard == 1 : heard == 1 || heard == -ETIMEDOUT);
    CHECK(!whole || stage->records == records + 1);
    return good + whole;
}

static void wait_for(bool (*holds)(void), const char *what)
{
    for (int i = 0; !holds(); i++) {
        if (i * STEP > PATIENCE)
            FAIL("%s: %s, killed at %ld", what, kill_names[stage->way], stage->due);
        usleep(STEP);
    }
}

static bool slots_are_free(void)
{
    for (uint32_t i = 1; i < weft__tree->processes; i++)
        if ((load_acquire(&weft__tree->process[i].state) & 0xff) != WEFT__SLOT_FREE)
            return false;
    return true;
}

static int program(void)
{
    s = weft_arena_alloc(sizeof *s);
    CHECK_EQ(weft_queue_init(&s->words, NULL, 4, 5, WEFT_SHARED), 0);
    weft_log_set(record, NULL);
    __atomic_store_n(&weft__sys_fault, meet_call, __ATOMIC_RELEASE);
#ifdef WEFT_INVARIANTS
    if (stage->way == KILL_AT_STORE)
        weft__shared_point_met = meet;
#endif
    int good = scenario();
    if (stage->victim == PROGRAM)
        return 0;
    stage->armed = false;
    CHECK_GE(good, stage->dead && (stage->victim != ZYGOTE || stage->early) ? 5 : 6);
    CHECK_EQ(scenario(), 6);
    wait_for(slots_are_free, "a slot is not free");
    weft_queue_fini(&s->words);
    int open = t_descriptors(0);
    CHECK_EQ(open, stage->open ? stage->open : (stage->open = open));
#ifdef WEFT_INVARIANTS
    long blocks = (long)weft__arena_blocks();
    CHECK_EQ(blocks, stage->blocks ? stage->blocks : (stage->blocks = blocks));
#endif
    return 0;
}

/* -- the deaths -------------------------------------------------------------------------------------------- */

static bool program_has_ended(void)
{
    pid_t sleeper = __atomic_exchange_n(&stage->sleeper, 0, __ATOMIC_SEQ_CST);
    int status;
    if (sleeper) {
        usleep(STEP);
        kill(sleeper, SIGKILL);
    }
    pid_t r = waitpid(stage->program, &status, WNOHANG);
    CHECK_OK(r);
    if (r > 0 && status != 0 &&
        (stage->dead != stage->program || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL))
        FAIL("the program ends with %#x: %s, killed at %ld", (unsigned)status,
             kill_names[stage->way], stage->due);
    return r > 0;
}

/* Orphans come to this process, a subreaper. */
static bool nobody_is_left(void)
{
    pid_t r;
    while ((r = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
        if (stage->victim != PROGRAM)
            FAIL("%d was not collected: %s, killed at %ld", (int)r, kill_names[stage->way],
                 stage->due);
    return r < 0;
}

static bool once(enum victim victim, enum kill_way way, long n)
{
    *stage = (struct stage){ .way = way,
                             .victim = victim,
                             .due = n,
                             .armed = n > 0,
                             .blocks = stage->blocks,
                             .open = stage->open };
    fflush(NULL);
    pid_t pid = fork();
    CHECK_OK(pid);
    if (pid == 0) {
        stage->program = getpid();
        exit(program());
    }
    stage->program = pid;
    wait_for(program_has_ended, "the program hangs");
    wait_for(nobody_is_left, "processes are left");
    return stage->dead;
}

static void kill_each_of(enum victim victim)
{
#ifndef WEFT_INVARIANTS
    SKIP("only a build with -Dinvariants=true can stop between two stores");
#endif
    FORKS_AMONG_THREADS();
    long killed[KILL_WAYS] = { 0 }, step = t_rounds(1) > 1 ? 1 : 4;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(!once(victim, KILL_AT_STORE, 0));
    for (int way = 0; way < KILL_WAYS; way++)
        for (long n = 1 + getpid() % step, last = 0; n <= last + KILL_SURVIVED; n += step)
            if (once(victim, (enum kill_way)way, n)) {
                last = n;
                killed[way]++;
            }
    kill_tell(killed);
}

#define TEST_DEATH(fn) TEST_REAL_LONG(fn, "processes", 900)

TEST_DEATH(when_the_program_dies_nothing_is_left)
{
    kill_each_of(PROGRAM);
}

TEST_DEATH(when_the_zygote_dies_nothing_is_lost)
{
    kill_each_of(ZYGOTE);
}

TEST_DEATH(when_a_task_dies_its_work_is_lost)
{
    kill_each_of(TASK);
}

TEST_DEATH(when_a_spawner_dies_its_tasks_go_with_it)
{
    kill_each_of(SPAWNER);
}
