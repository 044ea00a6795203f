/* The log: levels, records, lines that stay lines. */
#include "until.h"

#include <pthread.h>

static struct {
    int count, level, line;
    char text[1200], name[64], file[64];
    int64_t time;
    weft_task task;
} seen;

static void see(void *ctx, const struct weft_log_record *record)
{
    CHECK_EQ(ctx == &seen, 1);
    CHECK_EQ(record->size, sizeof *record);
    CHECK_LT(record->length, sizeof seen.text);
    memcpy(seen.text, record->text, record->length);
    seen.text[record->length] = 0;
    snprintf(seen.name, sizeof seen.name, "%s", record->task_name);
    snprintf(seen.file, sizeof seen.file, "%s", record->file);
    seen.level = record->level;
    seen.line = record->line;
    seen.time = record->time_ns;
    seen.task = record->task;
    seen.count++;
}

static int evaluated(void)
{
    static int times;
    return ++times;
}

TEST(a_record_passes_when_its_level_is_on)
{
    weft_log_set(see, &seen);
    CHECK_EQ(weft_log_level(), WEFT_LOG_WARNING);
    weft_log_trace("%d", evaluated());
    weft_log_debug("%d", evaluated());
    weft_log_info("%d", evaluated());
    weft_log_notice("%d", evaluated());
    weft_log(29, "%d", evaluated());
    CHECK_EQ(seen.count, 0);
    weft_log_warning("%s", "w");
    weft_log_error("%s", "e");
    weft_log_critical("%s", "c");
    weft_log(31, "%s", "31");
    CHECK_EQ(seen.count, 4);
    CHECK_EQ(seen.level, 31);
    CHECK_EQ(evaluated(), 1); /* what was off was not */
    weft_log_level_set(5);
    weft_log_trace("now %d", evaluated());
    CHECK_EQ(seen.count, 5);
    CHECK_STR(seen.text, "now 2");
    CHECK_STR(seen.file, "tests/behaviour/log.c");
    CHECK_EQ(seen.line, __LINE__ - 4);
    weft_log_level_set(WEFT_LOG_OFF);
    weft_log_critical("%d", evaluated());
    CHECK_EQ(seen.count, 5);
}

static int log_named(void *arg)
{
    (void)arg;
    CHECK_OK(weft_task_rename("reader"));
    weft_log_error("lines end here\n");
    CHECK_EQ(weft_task_self().id, seen.task.id);
    return 0;
}

TEST_EACH_KIND(a_record_names_its_task)
{
    weft_group g;
    weft_log_set(see, &seen);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, t->kind, log_named, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_STR(seen.name, "reader");
    CHECK_STR(seen.text, "lines end here");
    weft_group_fini(&g);
}

TEST(errno_and_the_words_of_a_failure_survive_a_record)
{
    weft_log_set(see, &seen);
    CHECK_ERR(weft_listen("nowhere", 0), -EINVAL);
    char why[200];
    snprintf(why, sizeof why, "%s", weft_why());
    errno = ENOSPC;
    weft_log_error("%m");
    CHECK_EQ(errno, ENOSPC);
    CHECK_STR(seen.text, "No space left on device");
    CHECK_STR(weft_why(), why);
}

/* -- lines -- */

static const char *line_of(int level, int64_t ns, const char *name, const char *text, size_t room)
{
    static char line[8000];
    struct weft_log_record record = {
        .size = sizeof record,
        .time_ns = ns,
        .task_name = name,
        .file = "src/very/deep.c",
        .text = text,
        .length = strlen(text),
        .level = level,
        .line = 7,
    };
    memset(line, '#', sizeof line);
    size_t size = weft_log_format(&record, line, room);
    CHECK_LE(size, room);
    CHECK_EQ(line[room], '#');
    CHECK_EQ(memchr(line, '\n', size) == line + size - 1, 1);
    line[size] = 0;
    return line;
}

TEST(a_line_has_time_level_task_place_and_text)
{
    CHECK_STR(line_of(20, 0, "a", "b", 4000), "1970-01-01T00:00:00.000000Z INFO [a] deep.c:7: b\n");
    CHECK_STR(line_of(7, 951825599999999999, "reader", "", 4000),
              "2000-02-29T11:59:59.999999Z LEVEL 7 [reader] deep.c:7: \n");
    CHECK_STR(line_of(25, 4107542399000001000, "x", "y", 4000),
              "2100-02-28T23:59:59.000001Z NOTICE [x] deep.c:7: y\n");
    CHECK_STR(line_of(30, 1709251200000000000, "x", "y", 4000),
              "2024-03-01T00:00:00.000000Z WARNING [x] deep.c:7: y\n");
}

TEST(levels_have_names)
{
    CHECK_STR(weft_log_level_name(WEFT_LOG_TRACE), "TRACE");
    CHECK_STR(weft_log_level_name(25), "NOTICE");
    CHECK_EQ(weft_log_level_name(26) == NULL, 1);
}

TEST(nothing_in_a_record_can_end_its_line_or_reach_the_terminal)
{
    static const struct {
        const char *raw, *clean;
    } texts[] = {
        { "a\nb\r\tc", "a\\nb\\r\\tc" },
        { "\x1b[2J\a\x7f", "\\x1b[2J\\x07\\x7f" },
        { "进入了聊天室 é €", "进入了聊天室 é €" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" }, /* an emoji */
        { "\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m" }, /* CSI in one character */
        { "\xe2\x80\xae"
          "gpj",
          "\\xe2\\x80\\xaegpj" },              /* turns the direction */
        { "\xe2\x80\xa8", "\\xe2\\x80\\xa8" }, /* a line separator */
        { "\xff\xc0\xaf\xed\xa0\x80", "\\xff\\xc0\\xaf\\xed\\xa0\\x80" },
        { "\xf4\x90\x80\x80\xe4\xb8", "\\xf4\\x90\\x80\\x80\\xe4\\xb8" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *line = line_of(20, 0, texts[i].raw, texts[i].raw, 4000);
        CHECK_SAYS(line, texts[i].clean);
        for (const char *at = line; at[1]; at++)
            CHECK((unsigned char)*at >= 0x20);
        CHECK_EQ(strstr(strstr(line, "deep.c:7: "), texts[i].clean) != NULL, 1);
    }
}

TEST(what_does_not_fit_is_cut_and_says_so)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (size_t room = 64; room < 4000; room += 7) {
        const char *line = line_of(20, 0, "task", text, room);
        size_t left = 0, kept = strspn(strstr(line, "7: ") ? strstr(line, "7: ") + 3 : "", "x");
        if (kept == 2999)
            continue;
        CHECK_EQ(sscanf(strstr(line, "... ("), "... (%zu bytes cut)", &left), 1);
        CHECK_EQ(kept + left, 2999);
    }
    char line[63];
    CHECK_EQ(weft_log_format(&(struct weft_log_record){ .size = 0 }, line, sizeof line), 0);

    weft_log_set(see, &seen);
    memcpy(text + 980, "中中中中中中中中中中", 30);
    weft_log_error("%s", text);
    char *cut = strstr(seen.text, "... (");
    CHECK(cut);
    CHECK_EQ(strtoul(cut + 5, NULL, 10), 2999 - (size_t)(cut - seen.text));
    CHECK_EQ(((unsigned char)text[cut - seen.text] & 0xc0) != 0x80, 1); /* between two characters */
}

/* -- standard error -- */

static void by_environment(void *wanted)
{
    static const int levels[] = { 5, 7, 10, 20, 25, 30, 40, 50 };
    (void)wanted;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        weft_log(levels[i], "<%d>", levels[i]);
}

static const char *said_under(const char *wanted, void (*fn)(void *))
{
    static char said[200000];
    int ends[2], status;
    size_t used = 0;
    CHECK_EQ(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        setenv("WEFT_LOG", wanted, 1);
        if (fn == by_environment) { /* read when the program starts: so start one */
            char self[100] = { 0 };
            CHECK_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
            execl(self, self, "--here", "say_all_levels", (char *)NULL);
        }
        fn(NULL);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n;
         used + 1 < sizeof said && (n = read(ends[0], said + used, sizeof said - used - 1)) > 0;)
        used += (size_t)n;
    said[used] = 0;
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    return said;
}

TEST(say_all_levels)
{
    by_environment(NULL);
}

TEST_REAL(the_environment_sets_the_threshold, "starts itself")
{
    static const struct {
        const char *wanted, *first, *not ;
    } cases[] = {
        { "debug", "<10>", "<7>" },     { "TRACE", "<5>", "<1>" },      { "7", "<7>", "<5>" },
        { "Notice", "<25>", "<20>" },   { "critical", "<50>", "<40>" }, { "off", "", "<50>" },
        { "nonsense", "<30>", "<25>" }, { "26", "<30>", "<25>" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *said = said_under(cases[i].wanted, by_environment);
        CHECK_SAYS(said, cases[i].first);
        if (strstr(said, cases[i].not ))
            FAIL("%s lets %s pass", cases[i].wanted, cases[i].not );
    }
}

static int log_many(void *arg)
{
    for (int i = 0; i < 100; i++) {
        weft_log_error("%c%0*d%c", 'A', 100, i, 'Z');
        if (i % 10 == 0 && weft_yield() < 0)
            return -ECANCELED;
    }
    (void)arg;
    return 0;
}

static void *log_foreign(void *arg)
{
    log_many(arg);
    return NULL;
}

static void many_at_once(void *arg)
{
    weft_group g;
    pthread_t foreign;
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 6; i++)
        CHECK_EQ(weft_group_spawn(&g, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, log_many, arg), 0);
    CHECK_EQ(pthread_create(&foreign, NULL, log_foreign, NULL), 0);
    CHECK_EQ(pthread_join(foreign, NULL), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

TEST_REAL(lines_of_many_tasks_do_not_mix, "foreign threads")
{
    const char *said = said_under("error", many_at_once);
    int lines = 0;
    for (const char *at = said; *at; at = strchr(at, '\n') + 1, lines++) {
        const char *a = strchr(at, 'A'), *end = strchr(at, '\n');
        CHECK(end && a && a < end);
        CHECK_EQ(end[-1], 'Z');
        CHECK_EQ(end - a, 102);
    }
    CHECK_EQ(lines, 700);
}

static void hook(void *ctx)
{
    (void)ctx;
    weft_log_error("hook");
}

static void log_in_odd_places(void *arg)
{
    weft_group g;
    struct weft_hooks hooks = { .size = sizeof hooks, .on_start = hook, .on_end = hook };
    CHECK_OK(weft_hooks_add(&hooks));
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_group_spawn(&g, WEFT_COROUTINE, log_named, arg), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

static void log_in_a_child(void *arg)
{
    (void)arg;
    weft_log_error("parent");
    pid_t pid = fork();
    if (pid == 0) {
        weft_log_error("child");
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST_REAL(hooks_and_forked_children_may_log, "forks")
{
    const char *said = said_under("info", log_in_a_child);
    CHECK_SAYS(said, "] log.c:");
    CHECK_SAYS(said, ": parent\n");
    CHECK_SAYS(said, ": child\n");
    memset(&seen, 0, sizeof seen);
    weft_log_set(see, &seen);
    log_in_odd_places(NULL);
    CHECK_EQ(seen.count, 3);
    CHECK_STR(seen.text, "hook");
}

static void log_again(void *ctx, const struct weft_log_record *record)
{
    (void)ctx, (void)record;
    weft_log_error("from the sink");
}

static void log_into_a_sink_that_logs(void *arg)
{
    (void)arg;
    weft_log_set(log_again, NULL);
    weft_log_error("from outside");
    weft_log_set(NULL, NULL);
    weft_log_error("from then on");
}

TEST_REAL(what_a_sink_logs_goes_to_standard_error, "forks")
{
    const char *said = said_under("info", log_into_a_sink_that_logs);
    CHECK_SAYS(said, "from the sink\n");
    CHECK_SAYS(said, "from then on\n");
    CHECK_EQ(strstr(said, "from outside") == NULL, 1);
}

TEST(time_in_a_record_is_that_of_the_run)
{
    weft_log_set(see, &seen);
    weft_log_error("now");
    int64_t first = seen.time;
    CHECK_EQ(weft_sleep(weft_after(5 * WEFT_MS)), 0);
    weft_log_error("later");
    if (t->seed)
        CHECK_LT(first, WEFT_SEC);
    else
        CHECK_GT(first, 1700000000 * WEFT_SEC);
    CHECK_GE(seen.time - first, 4 * WEFT_MS);
}
