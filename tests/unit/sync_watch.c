/* Sleeping on words in shared memory: what ends it, and that nobody is forgotten. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "base/sys.h"
#include "shared/arena.h"
#include "sync/watch.h"
#include "test.h"

static void nothing(void)
{
}

/* What assembly.c does for the rooms that are here. */
const char weft__assembled;

__attribute__((constructor)) static void assemble(void)
{
    weft__background_init();
    weft__run_entered = nothing;
}

static uint32_t *word;

static uint32_t *new_word(void)
{
    uint32_t *at = weft__arena_take(sizeof *at, WEFT__BLOCK_KEPT);
    CHECK(at != NULL);
    *at = 0;
    return at;
}

/* Until it is 1. */
static int await_it(void *arg)
{
    uint32_t *on = arg ? arg : word, epoch = weft__death_epoch(), now;
    while ((now = load_acquire(on)) != 1) {
        weft__self();
        int r = weft__watch_wait(on, now, epoch, weft_never(), "test", on);
        if (r < 0)
            return r;
        epoch = weft__death_epoch();
    }
    return 0;
}

static void set_it(uint32_t *on, uint32_t value)
{
    store_seq_cst(on, value);
    weft__shared_wake(on, INT32_MAX);
}

static int set_later(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_sleep(weft_after(20 * WEFT_MS)), 0);
    set_it(word, 2); /* looked at, and slept on again */
    CHECK_EQ(weft_sleep(weft_after(20 * WEFT_MS)), 0);
    set_it(word, 1);
    return 0;
}

TEST_EACH_KIND_REAL(a_change_ends_the_wait, "shared memory")
{
    word = new_word();
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    for (int i = 0; i < 300; i++) /* more than one sentry's */
        if (t->kind == WEFT_COROUTINE || i < 20)
            CHECK_EQ(weft_group_spawn(&g, t->kind, await_it, NULL), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, set_later, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

TEST_EACH_KIND_REAL(another_process_ends_the_wait, "processes")
{
    word = new_word();
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        store_seq_cst(word, 1u);
        weft__sys_futex_wake_shared(word, 1);
        _exit(0);
    }
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, await_it, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static int until_the_deadline(void *arg)
{
    (void)arg;
    uint32_t epoch = weft__death_epoch();
    weft__self();
    weft_deadline at = weft__deadline_fix(weft_after(30 * WEFT_MS));
    CHECK_EQ(weft__watch_wait(word, 0, epoch, weft_at_once(), "test", word), -ETIMEDOUT);
    int r;
    while ((r = weft__watch_wait(word, 0, epoch, at, "test", word)) == 0)
        ;
    CHECK_EQ(r, -ETIMEDOUT);
    CHECK_GE(weft_now().ns, at.ns);
    return 0;
}

TEST_EACH_KIND_REAL(the_deadline_ends_the_wait, "shared memory")
{
    word = new_word();
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, until_the_deadline, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

static int until_cancelled(void *arg)
{
    CHECK_EQ(await_it(arg), -ECANCELED);
    return 0;
}

TEST_EACH_KIND_REAL(a_cancel_ends_the_wait, "shared memory")
{
    word = new_word();
    weft_group g;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(weft_group_init(&g, 0), 0);
        CHECK_EQ(weft_group_spawn(&g, t->kind, until_cancelled, NULL), 0);
        if (i % 2)
            CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
        weft_group_cancel(&g);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    }
}

static int await_a_death(void *arg)
{
    uint32_t epoch = weft__death_epoch(), *here = arg;
    weft__self();
    add_acq_rel(here, 1);
    while (weft__death_epoch() == epoch)
        CHECK_EQ(weft__watch_wait(word, 0, epoch, weft_never(), "test", word), 0);
    return 0;
}

TEST_EACH_KIND_REAL(a_death_ends_the_wait, "processes")
{
    word = new_word();
    weft__process_id id = weft__process_take();
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    uint32_t here = 0;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_spawn(&g, t->kind, await_a_death, &here), 0);
    while (load_acquire(&here) < 20)
        CHECK_EQ(weft_sleep(weft_after(WEFT_MS)), 0);
    weft__process_died(id);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

/* Turn by turn, each other's wake-ups cross the waits. */
static int ping(void *arg)
{
    uint32_t *on = arg;
    weft__self();
    for (uint32_t i = 0; i < (uint32_t)t_rounds(2000); i++) {
        uint32_t epoch = weft__death_epoch(), now;
        while ((now = load_acquire(on)) != i) {
            CHECK_EQ(weft__watch_wait(on, now, epoch, weft_never(), "test", on), 0);
            epoch = weft__death_epoch();
        }
        set_it(on == word ? word + 1 : word, on == word ? i : i + 1);
    }
    return 0;
}

TEST_EACH_KIND_REAL(two_that_wake_each_other_never_stop, "shared memory")
{
    word = weft__arena_take(2 * sizeof *word, WEFT__BLOCK_KEPT);
    word[0] = 0;
    word[1] = UINT32_MAX;
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, ping, word), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, ping, word + 1), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}
