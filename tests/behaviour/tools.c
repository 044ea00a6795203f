/* What gdb and valgrind see of a program with tasks. */
#include "until.h"

static const char *self(void)
{
    static char path[400];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK_GT(n, 0);
    path[n] = 0;
    return path;
}

/* -- gdb -- */

static weft_event go = WEFT_EVENT_INIT;
static weft_task sleeper;

__attribute__((noinline)) static int a_function_that_parks(void)
{
    int r = weft_event_wait(&go, weft_never());
    __asm__ volatile(""); /* no jump instead of the call */
    return r;
}

__attribute__((noinline)) static int a_function_that_runs(int *arg)
{
    __asm__ volatile("" ::: "memory");
    return ++*arg;
}

static int the_task_that_parks(void *arg)
{
    int r = a_function_that_parks();
    *(int *)arg += r == 0;
    return r;
}

static int the_task_that_runs(void *arg)
{
    UNTIL(weft_task_is_alive(sleeper) && waits_for(sleeper, "event"));
    int r = a_function_that_runs(arg);
    weft_event_set(&go);
    return r;
}

TEST(one_task_is_parked_while_another_runs)
{
    weft_group g;
    int parked = 0, ran = 0;
    struct weft_spawn more = { .size = sizeof more, .task = &sleeper };
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn_with(&g, WEFT_COROUTINE, the_task_that_parks, &parked, &more), 0);
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, the_task_that_runs, &ran), 0);
    CHECK_OK(weft_group_wait(&g, weft_never()));
    CHECK_EQ(parked, 1);
    CHECK_EQ(ran, 1);
    weft_group_fini(&g);
}

/* The part of gdb's words from one mark to the next: a backtrace from the user's functions to the
 * bottom of the stack, with nothing that gdb did not understand. */
static void check_backtrace(const char *said, const char *mark, const char *inner, const char *outer)
{
    char part[8000];
    const char *from = strstr(said, mark);
    if (!from)
        FAIL("no %s in what gdb said:\n%s", mark, said);
    from += strlen(mark);
    snprintf(part, sizeof part, "%.*s", (int)strcspn(from, "["), from);
    CHECK_SAYS(part, inner);
    CHECK_SAYS(strstr(part, inner), outer);
    CHECK_SAYS(strstr(part, outer), "bottom ()"); /* weft__bottom, to clang weft.bottom */
    if (strchr(strstr(part, "bottom ()"), '#') || strstr(part, "??") || strstr(part, "stopped"))
        FAIL("no clean bottom:\n%s", part);
}

TEST_REAL_LONG(gdb_sees_running_and_parked_coroutines, "a debugger", 60)
{
#ifndef __x86_64__
    SKIP("the commands name x86-64's registers");
#else
    /* What weft__switch takes in rdi is where it saves the stack pointer; see arch/switch_x86_64.S. */
    static const char commands[] = "set width 0\n"
                                   "set pagination off\n"
                                   "break a_function_that_parks\n"
                                   "run\n"
                                   "break *weft__switch\n"
                                   "continue\n"
                                   "set $slot = (char **)$rdi\n"
                                   "echo [parking]\\n\n"
                                   "backtrace\n"
                                   "delete\n"
                                   "break a_function_that_runs\n"
                                   "continue\n"
                                   "echo [running]\\n\n"
                                   "backtrace\n"
                                   "set $at = *$slot\n"
                                   "set $r15 = *(long *)($at + 8)\n"
                                   "set $r14 = *(long *)($at + 16)\n"
                                   "set $r13 = *(long *)($at + 24)\n"
                                   "set $r12 = *(long *)($at + 32)\n"
                                   "set $rbx = *(long *)($at + 40)\n"
                                   "set $rbp = *(long *)($at + 48)\n"
                                   "set $rsp = $at + 64\n"
                                   "set $rip = *(long *)($at + 56)\n"
                                   "echo [parked]\\n\n"
                                   "backtrace\n"
                                   "echo [end]\\n\n"
                                   "kill\n";
    static char said[30000];
    char path[200];
    if (t_slow_build())
        SKIP("not under a sanitizer or valgrind");
    if (t_shell(said, sizeof said, "gdb --version") != 0)
        SKIP("no gdb");
    snprintf(path, sizeof path, "%s/commands", t_dir(t));
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs(commands, file);
    CHECK_EQ(fclose(file), 0);
    t_shell(said, sizeof said,
            "DEBUGINFOD_URLS= WEFT_WORKERS=1 timeout 50 gdb -nx -batch -x %s --args"
            " %s --here one_task_is_parked_while_another_runs </dev/null",
            path, self());
    if (strstr(said, "ptrace: Operation not permitted") || strstr(said, "Could not trace"))
        SKIP("this machine does not let gdb trace");
    check_backtrace(said, "[parking]", "a_function_that_parks", "the_task_that_parks");
    check_backtrace(said, "[running]", "a_function_that_runs", "the_task_that_runs");
    check_backtrace(said, "[parked]", "a_function_that_parks", "the_task_that_parks");
#endif
}

/* -- valgrind -- */

static weft_queue queue;

static int produce(void *arg)
{
    int *value = malloc(sizeof *value);
    *value = (int)(intptr_t)arg;
    CHECK_EQ(weft_sleep(weft_after(*value % 7 * WEFT_US)), 0);
    CHECK_EQ(weft_queue_put(&queue, value, sizeof *value, weft_never()), 0);
    weft_queue_close(&queue);
    free(value);
    return 0;
}

static int consume(void *arg)
{
    int value;
    while (weft_queue_get(&queue, &value, sizeof value, weft_never()) == 1) {
        ADD(*(int *)arg, value);
        CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}

TEST(a_hundred_sleep_and_share_a_queue)
{
    weft_group g;
    int slots[3], total = 0;
    CHECK_OK(weft_queue_init(&queue, slots, 3, sizeof *slots, 0));
    weft_queue_producers(&queue, 95);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, i < 95 ? produce : consume,
                                  i < 95 ? (void *)(intptr_t)i : &total),
                 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(total, 94 * 95 / 2);
    weft_group_fini(&g);
    weft_queue_fini(&queue);
}

TEST_REAL_LONG(valgrind_finds_nothing_in_a_sample, "a tool that runs programs", 60)
{
    static char said[30000];
    if (t_slow_build())
        SKIP("not under a sanitizer or valgrind");
    if (t_shell(said, sizeof said, "valgrind --version") != 0)
        SKIP("no valgrind");
    if (t_shell(said, sizeof said, "valgrind -q %s --list", self()) != 0)
        SKIP("valgrind cannot run this program");
    /* The workers are still there at the end: what only they point to is no leak. */
    int status = t_shell(said, sizeof said,
                         "valgrind -q --error-exitcode=99 --leak-check=full"
                         " --show-leak-kinds=definite --errors-for-leak-kinds=definite"
                         " %s --here a_hundred_sleep_and_share_a_queue",
                         self());
    if (status != 0)
        FAIL("status %d:\n%s", status, said);
}
