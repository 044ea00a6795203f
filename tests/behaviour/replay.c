/* A seed that fails once fails always: the same seed gives the same trace in another process. */
#include "until.h"

static weft_queue queue;
static weft_lock lock = WEFT_LOCK_INIT;
static long total;

static int produce(void *arg)
{
    for (int i = 0; i < 5; i++) {
        int r = weft_queue_put(&queue, &i, sizeof i, weft_after((weft_span)(intptr_t)arg * WEFT_MS));
        CHECK(r == 0 || r == -ETIMEDOUT);
    }
    weft_queue_close(&queue);
    return 0;
}

static int consume(void *arg)
{
    int value;
    (void)arg;
    while (weft_queue_get(&queue, &value, sizeof value, weft_never()) == 1) {
        weft_lock_enter(&lock);
        total += value;
        CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
        weft_lock_leave(&lock);
    }
    return 0;
}

static int square(void *arg)
{
    *(int *)arg *= *(int *)arg;
    return weft_yield();
}

static int ticks(void *arg)
{
    (void)arg;
    return 0;
}

static void sample(void)
{
    weft_group g;
    int slots[2], items[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    weft_timer timer;
    CHECK_OK(weft_queue_init(&queue, slots, 2, sizeof *slots, 0));
    weft_queue_producers(&queue, 3);
    CHECK_EQ(weft_timer_start(&timer, weft_after(WEFT_MS), WEFT_MS, ticks, NULL, WEFT_DAEMON), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(weft_group_spawn(&g, i == 2 ? WEFT_THREAD : WEFT_COROUTINE, produce,
                                  (void *)(intptr_t)i),
                 0);
        CHECK_EQ(weft_group_spawn(&g, i == 3 ? WEFT_THREAD : WEFT_COROUTINE, consume, NULL), 0);
    }
    CHECK_EQ(weft_map(WEFT_COROUTINE, square, items, 9, weft_never()), 0);
    CHECK_EQ(items[8], 81);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_GE(weft_timer_stop(&timer), 0);
    weft_group_fini(&g);
}

TEST(a_sample_of_everything)
{
    sample();
}

/* A process for each seed, so that each has a runtime of its own and the seeds cost only a fork. */
static void report_seeds(long n)
{
    setenv("WEFT_SEED_REPORT", "1", 1);
    for (long seed = 1; seed <= n; seed++) {
        char text[24];
        int status;
        pid_t pid = fork();
        CHECK_GE(pid, 0);
        if (pid == 0) {
            snprintf(text, sizeof text, "%ld", seed);
            setenv("WEFT_SEED", text, 1);
            sample();
            exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
}

static void note(void *last, const char *text, size_t length)
{
    snprintf(last, 200, "%.*s", (int)length, text);
}

TEST_REAL(a_seed_gives_the_same_trace_after_a_restart, "it makes seeded runs itself")
{
    char first[200], again[200];
    CHECK_EQ(setenv("WEFT_SEED_REPORT", "1", 1), 0);
    CHECK_EQ(setenv("WEFT_SEED", "7", 1), 0);
    for (int i = 0; i < 3; i++) {
        weft_reporter_set(note, i ? again : first);
        sample();
        CHECK_EQ(weft_stop(weft_never()), 0);
        CHECK_SAYS(first, " steps, trace ");
        if (i)
            CHECK_STR(again, first);
    }
}

/* Does an hour pass while there is something else to do? */
static int sleep_an_hour(void *over)
{
    int r = weft_sleep(weft_after(3600 * WEFT_SEC));
    STORE(*(int *)over, 1);
    return r;
}

static bool passes(const char *seed)
{
    weft_group g;
    int over = 0, i = 0;
    CHECK_EQ(setenv("WEFT_SEED", seed, 1), 0);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, sleep_an_hour, &over), 0);
    while (i < 200 && !LOAD(over)) {
        weft_yield();
        i++;
    }
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
    CHECK_EQ(weft_stop(weft_never()), 0);
    return i < 200;
}

TEST_REAL(time_leaps_only_where_it_is_told_to, "it makes seeded runs itself")
{
    int leapt = 0;
    for (int i = 0; i < 20; i++) {
        char seed[8];
        snprintf(seed, sizeof seed, "%d", i);
        CHECK_EQ(unsetenv("WEFT_SEED_LEAPS"), 0);
        CHECK(!passes(seed));
        CHECK_EQ(setenv("WEFT_SEED_LEAPS", "1", 1), 0);
        leapt += passes(seed);
    }
    CHECK_GT(leapt, 10);
}

static int busy_until(void *over)
{
    while (!LOAD(*(int *)over))
        weft_yield();
    return 0;
}

/* Who drives is bounded too while another always has something to do. */
TEST_REAL(time_leaps_for_who_drives, "it makes seeded runs itself")
{
    weft_event never_set = WEFT_EVENT_INIT;
    weft_group g;
    int over = 0;
    CHECK_EQ(setenv("WEFT_SEED", "1", 1), 0);
    CHECK_EQ(setenv("WEFT_SEED_LEAPS", "1", 1), 0);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, busy_until, &over), 0);
    CHECK_ERR(weft_event_wait(&never_set, weft_after(WEFT_SEC)), -ETIMEDOUT);
    STORE(over, 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* The program is run twice, for other addresses and another process; both report every seed. */
TEST_REAL_LONG(a_seed_gives_the_same_trace_again, "it makes seeded runs itself", 60)
{
    char self[400];
    const char *command = "SEEDS=%ld %s --here a_seed_gives_the_same_trace_again";
    if (getenv("SEEDS")) {
        report_seeds(atol(getenv("SEEDS")));
        return;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK_GT(n, 0);
    self[n] = 0;
    long seeds = t_rounds(t_slow_build() ? 5 : 25), same = 0;
    size_t size = (size_t)seeds * 100;
    char *first = malloc(size), *second = malloc(size), *rest[2];
    CHECK(first && second);
    CHECK_EQ(t_shell(first, size, command, seeds, self), 0);
    CHECK_EQ(t_shell(second, size, command, seeds, self), 0);
    const char *a = strtok_r(first, "\n", &rest[0]), *b = strtok_r(second, "\n", &rest[1]);
    for (; a && b; a = strtok_r(NULL, "\n", &rest[0]), b = strtok_r(NULL, "\n", &rest[1])) {
        CHECK_SAYS(a, " steps, trace ");
        CHECK_STR(a, b);
        same++;
    }
    CHECK_EQ(same, seeds);
    free(first);
    free(second);
}
