/* The C library's streams, used by many tasks at once. */
#include "until.h"

enum { TASKS = 100, LINES = 40 };

static FILE *file;
static int seen[TASKS][LINES];

/* One word many times, so that a line which is not whole shows. */
static void print_line(FILE *to, int task, int line)
{
    CHECK_GT(fprintf(to, "%d %d %.3f|%0*d|\n", task, line, task / 8.0, task + 1, task), 0);
}

static void check_line(const char *text)
{
    char again[300];
    int task, line;
    CHECK_EQ(sscanf(text, "%d %d", &task, &line), 2);
    CHECK(task >= 0 && task < TASKS && line >= 0 && line < LINES);
    snprintf(again, sizeof again, "%d %d %.3f|%0*d|\n", task, line, task / 8.0, task + 1, task);
    CHECK_STR(text, again);
    ADD(seen[task][line], 1);
}

static int print_to_file(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        print_line(file, (int)(intptr_t)arg, i);
        if (i % 3 == 0)
            CHECK_EQ(weft_yield(), 0);
    }
    return 0;
}

static int print_to_stdout(void *arg)
{
    int task = (int)(intptr_t)arg;
    for (int i = 0; i < LINES; i++) {
        CHECK_GT(printf("%d %d %.3f|%0*d|\n", task, i, task / 8.0, task + 1, task), 0);
        if (i % 3 == 0)
            CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
    }
    return 0;
}

static int read_lines(void *arg)
{
    char *text = NULL;
    size_t size = 0;
    (void)arg;
    for (int i = 0; getline(&text, &size, file) > 0; i++) {
        check_line(text);
        if (i % 3 == 0)
            CHECK_EQ(weft_yield(), 0);
    }
    free(text);
    return 0;
}

static void run(unsigned kind, int tasks, weft_fn *fn)
{
    weft_group g;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < tasks; i++)
        CHECK_EQ(weft_group_spawn(&g, i % 10 ? WEFT_COROUTINE : kind, fn, (void *)(intptr_t)i), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_group_fini(&g);
}

/* Every line is there once, and many tasks read it. */
static void check_file(const char *path, unsigned kind)
{
    memset(seen, 0, sizeof seen);
    file = fopen(path, "r");
    CHECK(file);
    run(kind, 20, read_lines);
    fclose(file);
    for (int i = 0; i < TASKS; i++)
        for (int j = 0; j < LINES; j++)
            if (seen[i][j] != 1)
                FAIL("line %d of task %d was read %d times", j, i, seen[i][j]);
}

TEST_EACH_KIND(lines_printed_by_many_tasks_are_whole)
{
    char path[200];
    setenv("WEFT_WORKERS", "2", 1);
    snprintf(path, sizeof path, "%s/lines", t_dir(t));
    file = fopen(path, "w");
    CHECK(file);
    run(t->kind, TASKS, print_to_file);
    CHECK_EQ(fclose(file), 0);
    check_file(path, t->kind);

    CHECK(freopen(path, "w", stdout));
    setvbuf(stdout, NULL, _IOLBF, 0);
    run(t->kind, TASKS, print_to_stdout);
    CHECK_EQ(fflush(stdout), 0);
    check_file(path, t->kind);
}
