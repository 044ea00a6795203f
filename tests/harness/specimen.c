/* specimen.c - tests that misbehave on purpose, for tests/unit/harness.c to run. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WEFT_COROUTINE = 1, WEFT_THREAD = 3 };

TEST(passes)
{
    CHECK(true);
    CHECK_EQ(t->seed, 0);
}

TEST(fails_on_a_number)
{
    CHECK_EQ(40 + 1, 42);
}

TEST(fails_on_an_error)
{
    CHECK_OK(-ETIMEDOUT);
}

TEST(fails_on_text)
{
    CHECK_STR("warp", "weft");
}

TEST(crashes)
{
    abort();
}

TEST(ends_early)
{
    exit(3);
}

static void *check_and_fail(void *unused)
{
    (void)unused;
    FAIL("from a thread");
}

TEST(fails_in_a_thread)
{
    pthread_t thread;
    pthread_create(&thread, NULL, check_and_fail, NULL);
    pthread_join(thread, NULL);
}

TEST(fails_in_a_child_and_goes_on)
{
    if (fork() == 0)
        CHECK_EQ(1, 2);
    wait(NULL);
}

TEST_LONG(hangs, 1)
{
    for (;;)
        pause();
}

TEST(leaves_a_process_behind)
{
    if (fork() == 0) {
        setsid();
        for (;;)
            pause();
    }
}

TEST(is_skipped)
{
    SKIP("no %s here", "quantum computer");
}

TEST_REAL(needs_the_kernel, "says which process runs")
{
    CHECK(getpid() > 1);
}

TEST(fails_for_seed_3)
{
    const char *seed = getenv("WEFT_SEED");
    CHECK(seed && (uint64_t)atol(seed) == t->seed);
    CHECK_NE(t->seed, 3);
}

TEST_EACH_KIND(fails_for_threads)
{
    CHECK_EQ(t->kind, WEFT_COROUTINE);
}

TEST(has_a_folder_of_its_own)
{
    struct stat st;
    CHECK_OK(stat(t_dir(t), &st));
    CHECK_STR(getenv("TMPDIR"), t_dir(t));
    char path[100];
    snprintf(path, sizeof path, "%s/left", t_dir(t));
    FILE *f = fopen(path, "w");
    CHECK(f);
    fclose(f);
    puts(t_dir(t));
}
