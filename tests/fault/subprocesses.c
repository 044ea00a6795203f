/* Starting, feeding and reading a program while calls and allocations fail: an error, or the right output;
 * no process and no descriptor is left. */
#include "failing.h"

#include <string.h>

static void run_a_program(bool whole)
{
    static const char *const argv[] = { "cat", NULL };
    static const char *const change[] = { "SUB=1", NULL };
    struct weft_step steps[] = { weft_step_umask(077), weft_step_nice(1) };
    struct weft_subprocess_options o = { .size = sizeof o,
                                         .folder = "/",
                                         .change = change,
                                         .steps = steps,
                                         .steps_count = 2,
                                         .err.where = WEFT_NOWHERE };
    struct weft_output out = { .size = sizeof out };
    char **words;
    int r = weft_subprocess_run(argv, &o, "text", 4, &out, SOON);
    if (whole)
        CHECK_EQ(r, 0);
    CHECK(r <= 0);
    CHECK_NE(r, -ETIMEDOUT);
    if (r == 0)
        CHECK_STR(out.out, "text");
    weft_output_fini(&out);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* none is left */
    r = weft_words("a b", &words);
    CHECK(r == 2 || (!whole && r == -ENOMEM));
    if (r == 2)
        weft_words_free(words);
}

TEST_REAL_LONG(each_call_of_a_program_s_start_may_fail, "failing calls", 120)
{
    (void)t;
    fail_each(run_a_program);
}
