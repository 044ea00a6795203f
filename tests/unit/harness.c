/* The harness itself, by running the misbehaving tests of tests/harness/specimen.c. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char out[20000];

/* The specimen lies beside this program. */
static const char *specimen(void)
{
    static char path[1000];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);
    CHECK_GT(n, 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/self.specimen");
    return path;
}

static int run(const char *arguments)
{
    return t_shell(out, sizeof out, "%s --run %s", specimen(), arguments);
}

static void check_says(const char *words)
{
    if (!strstr(out, words))
        FAIL("\"%s\" is not in what was printed:\n%s", words, out);
}

TEST(a_test_that_passes_passes)
{
    unsetenv("WEFT_SEED");
    CHECK_EQ(run("passes"), 0);
    CHECK_STR(out, "");
}

TEST(a_failed_check_fails_and_says_where_and_what)
{
    CHECK_EQ(run("fails_on_a_number"), 1);
    check_says("specimen.c:");
    check_says("CHECK(40 + 1 == 42): left is 41, right is 42");
    CHECK_EQ(run("fails_on_text"), 1);
    check_says("\"warp\"");
}

TEST(an_error_is_printed_with_its_name)
{
    CHECK_EQ(run("fails_on_an_error"), 1);
    check_says("-110 (-ETIMEDOUT)");
}

TEST(a_crash_fails)
{
    CHECK_EQ(run("crashes"), 1);
    check_says("signal 6");
}

TEST(an_early_exit_fails)
{
    CHECK_EQ(run("ends_early"), 1);
    check_says("exit status 3");
}

TEST(a_check_may_fail_in_a_thread)
{
    CHECK_EQ(run("fails_in_a_thread"), 1);
    check_says("from a thread");
}

TEST(a_check_may_fail_in_a_child_process)
{
    CHECK_EQ(run("fails_in_a_child_and_goes_on"), 1);
    check_says("left is 1, right is 2");
}

TEST_LONG(a_hang_is_caught_and_shown, 60)
{
    CHECK_EQ(run("hangs"), 1);
    check_says("hung: not over after");
    check_says("thread ");
}

TEST_LONG(a_process_left_behind_fails, 60)
{
    CHECK_EQ(run("leaves_a_process_behind"), 1);
    check_says("left processes behind");
}

TEST(a_skip_says_why)
{
    CHECK_EQ(run("is_skipped"), 77);
    CHECK_STR(out, "skipped: no quantum computer here\n");
}

TEST(each_kind_is_a_test_of_its_own)
{
    CHECK_EQ(run("fails_for_threads/coroutine"), 0);
    CHECK_EQ(run("fails_for_threads/thread"), 1);
}

TEST(a_folder_is_given_and_taken_away)
{
    CHECK_EQ(run("has_a_folder_of_its_own"), 0);
    out[strcspn(out, "\n")] = '\0';
    CHECK_EQ(access(out, F_OK), -1);
}

TEST(each_seed_is_a_run)
{
    CHECK_EQ(run("fails_for_seed_3 --seeds 1..5"), 1);
    check_says("failing seed: 3");
    CHECK(!strstr(out, "failing seed: 2"));
    CHECK(!strstr(out, "failing seed: 4"));
    CHECK_EQ(run("fails_for_seed_3 --seeds 4..5"), 0);
}

TEST(an_unknown_test_is_an_error)
{
    CHECK_EQ(run("no_such_test"), 2);
}

/* The runner, shown a build folder that knows the specimen only. */
static int runner(const struct test *t, const char *known, const char *arguments)
{
    char path[200];
    const char *root = getenv("WEFT_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/known", t_dir(t));
    FILE *f = fopen(path, "w");
    CHECK(f);
    fprintf(f, "%s # because\n", known);
    fclose(f);
    return t_shell(
        out, sizeof out,
        "mkdir -p %s/meson-info; echo '[{\"cmd\": [\"%s\"]}]' > %s/meson-info/intro-tests.json;"
        "WEFT_TEST_KNOWN=%s %s/tests/run -C %s %s",
        t_dir(t), specimen(), t_dir(t), path, root ? root : ".", t_dir(t), arguments);
}

static const char *last_line(void)
{
    size_t n = strlen(out);
    CHECK_GT(n, 1);
    out[n - 1] = '\0';
    char *newline = strrchr(out, '\n');
    return newline ? newline + 1 : out;
}

TEST(the_runner_counts)
{
    CHECK_EQ(
        runner(t, "", "self.specimen:passes self.specimen:fails_on_text self.specimen:is_skipped"),
        1);
    CHECK_STR(last_line(), "1 passed, 1 failed, 1 skipped");
    CHECK_EQ(runner(t, "", "self.specimen:has_*"), 0);
    CHECK_STR(last_line(), "1 passed, 0 failed");
}

TEST(nothing_run_is_no_success)
{
    CHECK_EQ(runner(t, "", "self.nowhere"), 1);
    CHECK_STR(last_line(), "0 passed, 1 failed");
}

TEST(a_known_failure_must_fail)
{
    CHECK_EQ(runner(t, "self.specimen:fails_on_text", "self.specimen:fails_on_text"), 0);
    CHECK_STR(last_line(), "1 passed, 0 failed");
    CHECK_EQ(runner(t, "self.specimen:has_a_folder_of_its_own", "self.specimen:has_*"), 1);
    check_says("yet it passes");
}

TEST(seeded_runs_leave_out_what_needs_the_kernel)
{
    CHECK_EQ(runner(t, "", "--seeds 1..3 --outside 'self.specimen:*_3' 'self.specimen:needs*'"), 1);
    check_says("outside the seeded form: self.specimen:needs_the_kernel: says which process runs");
    check_says("again: WEFT_SEED=3");
    CHECK_STR(last_line(), "0 passed, 1 failed");
}
