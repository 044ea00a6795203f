/* test.c - runs the tests of one program, each in a process of its own.
 *
 * The process that runs a test has a parent that does nothing but watch it: single-threaded, so it
 * can always tell a hang, show where every thread stands, and clean up. The parent is a subreaper:
 * whatever the test forks ends up with it, and processes a test leaves behind fail it.
 * A page shared between them tells the parent of a check that failed in any process of the test.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

static struct t_case *cases, **last_case = &cases;
static struct shared {
    _Atomic bool failed;
} * shared;

void t_register(struct t_case *c)
{
    *last_case = c;
    last_case = &c->next;
}

/* --- checks --- */

static void say(const char *file, int line, const char *format, va_list args)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "%s:%d: ", file, line);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    fflush(stdout);
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

void t_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(file, line, format, args);
    va_end(args);
    if (shared)
        shared->failed = true;
    _exit(FAILED); /* not exit: other threads and tasks are still at work */
}

void t_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("skipped: ", stdout);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _exit(SKIPPED);
}

/* "-110 (-ETIMEDOUT)" */
static const char *number(char out[64], intmax_t value)
{
    const char *error = value < 0 && value > -4096 ? strerrorname_np((int)-value) : NULL;
    snprintf(out, 64, error ? "%jd (-%s)" : "%jd", value, error);
    return out;
}

void t_fail_compare(const char *file, int line, const char *what, intmax_t a, intmax_t b)
{
    char left[64], right[64];
    t_fail(file, line, "CHECK(%s): left is %s, right is %s", what, number(left, a),
           number(right, b));
}

void t_check_str(const char *file, int line, const char *what_a, const char *what_b, const char *a,
                 const char *b)
{
    if (a == b || (a && b && strcmp(a, b) == 0))
        return;
    t_fail(file, line, "CHECK_STR(%s, %s):\n  left  \"%s\"\n  right \"%s\"", what_a, what_b,
           a ? a : "(null)", b ? b : "(null)");
}

void t_check_mem(const char *file, int line, const char *what_a, const char *what_b, const void *a,
                 const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            t_fail(file, line, "CHECK_MEM(%s, %s): byte %zu of %zu is %02x, not %02x", what_a,
                   what_b, i, size, left[i], right[i]);
}

/* --- what a test may ask --- */

const char *t_dir(const struct test *t)
{
    return t->dir;
}

static bool in_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||       \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED true
#else
#define SANITIZED false
#endif

int t_descriptors(pid_t pid)
{
    char path[64];
    int count = pid ? 0 : -1; /* not the one that it is counted with */
    snprintf(path, sizeof path, "/proc/%d/fd", (int)(pid ? pid : getpid()));
    DIR *folder = opendir(path);
    if (!folder)
        FAIL("%s: %m", path);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

bool t_slow_build(void)
{
    return SANITIZED || in_valgrind();
}

bool t_has_epoll(void)
{
    const char *backend = getenv("WEFT_BACKEND");
    return !backend || (strcmp(backend, "poll") != 0 && strcmp(backend, "select") != 0);
}

void t_holds(const char *what, const char *which)
{
    printf("holds: %s%s\n", what, which);
}

static long load(void)
{
    const char *text = getenv("WEFT_TEST_LOAD");
    long factor = text ? atol(text) : 1;
    return factor > 0 ? factor : 1;
}

long t_rounds(long count)
{
    long n = count * load();
    return in_valgrind() && n >= 10 ? n / 10 : n;
}

int t_shell(char *out, size_t size, const char *format, ...)
{
    char command[4000] = "exec 2>&1; ";
    size_t used = strlen(command);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(command + used, sizeof command - used, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof command - used)
        FAIL("t_shell: the command is too long");
    FILE *pipe = popen(command, "r");
    if (!pipe)
        FAIL("t_shell: popen: %m");
    used = fread(out, 1, size - 1, pipe);
    out[used] = '\0';
    while (fgetc(pipe) != EOF)
        ; /* the command shall not die of SIGPIPE because out is small */
    int status = pclose(pipe);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- one test --- */

struct run {
    const struct t_case *c;
    const struct t_kind *kind; /* or NULL */
    uint64_t seed;             /* or 0 */
    char name[200];
};

static void prepare(const struct run *run, struct test *t)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || strlen(tmp) > sizeof t->dir - 20)
        tmp = "/tmp";
    *t = (struct test){ .name = run->name, .seed = run->seed };
    if (run->kind)
        t->kind = run->kind->kind;
    if (!t->seed && getenv("WEFT_SEED"))
        t->seed = strtoull(getenv("WEFT_SEED"), NULL, 10);
    snprintf(t->dir, sizeof t->dir, "%s/weft-test-XXXXXX", tmp);
    if (!mkdtemp(t->dir)) {
        fprintf(stderr, "%s: %m\n", t->dir);
        exit(FAILED);
    }
    shared->failed = false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void tidy(const struct test *t)
{
    nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void enter(const struct run *run, struct test *t)
{
    setenv("TMPDIR", t->dir, 1);
    setenv("XDG_RUNTIME_DIR", t->dir, 1);
    if (run->seed) {
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, run->seed);
        setenv("WEFT_SEED", text, 1);
    }
    run->c->body(t);
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- processes below the watcher --- */

typedef void each_fn(pid_t pid);

/* Deepest first, so that nothing is adopted away between two visits. */
static void each_descendant(pid_t pid, each_fn *visit)
{
    char path[64], *list = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));) {
        char file[400];
        snprintf(file, sizeof file, "%s/%s/children", path, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(file, "r");
        if (!f)
            continue;
        if (getline(&list, &size, f) > 0)
            for (char *save, *word = strtok_r(list, " \n", &save); word;
                 word = strtok_r(NULL, " \n", &save)) {
                pid_t child = (pid_t)atol(word);
                each_descendant(child, visit);
                visit(child);
            }
        fclose(f);
    }
    free(list);
    if (threads)
        closedir(threads);
}

static void kill_one(pid_t pid)
{
    kill(pid, SIGKILL);
}

static void print_file(const char *label, const char *format, int pid, const char *tid)
{
    char path[100], text[4000];
    snprintf(path, sizeof path, format, pid, tid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    text[n] = '\0';
    if (n > 0)
        fprintf(stderr, "%s%s\n", label, text);
}

static void print_process(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    fprintf(stderr, "process %d ", pid);
    print_file("", "/proc/%d/cmdline", pid, "");
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));)
        if (e->d_name[0] != '.') {
            fprintf(stderr, "thread %s ", e->d_name);
            print_file("", "/proc/%d/task/%s/comm", pid, e->d_name);
            print_file("  in ", "/proc/%d/task/%s/wchan", pid, e->d_name);
            print_file("  system call ", "/proc/%d/task/%s/syscall", pid, e->d_name);
        }
    if (threads)
        closedir(threads);
    char command[200];
    snprintf(command, sizeof command,
             "timeout 30 gdb -p %d -batch -ex 'thread apply all bt 30' 2>/dev/null |"
             " grep -E '^(Thread|#)' | head -200 >&2",
             pid);
    if (system(command) != 0)
        fputs("(no gdb)\n", stderr);
}

/* Reaps whatever has ended; true while children remain. */
static bool reap(pid_t test, int *status, bool *ended)
{
    int s;
    pid_t pid;
    while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
        if (pid == test) {
            *status = s;
            *ended = true;
        }
    return pid == 0;
}

static void nap(int ms)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigtimedwait(&child, NULL, &(struct timespec){ .tv_nsec = ms * 1000000L });
}

static void kill_all(pid_t test)
{
    int status;
    bool ended;
    int64_t end = now_ms() + 5000;
    do {
        kill(-test, SIGKILL);
        each_descendant(getpid(), kill_one);
        nap(10);
    } while (reap(test, &status, &ended) && now_ms() < end);
}

/* How the test ended: PASSED, FAILED or SKIPPED. Its words are on standard error by then. */
static int judge(pid_t test, int64_t limit_ms)
{
    int status = 0, verdict = PASSED;
    bool ended = false, left = true;
    int64_t hang = now_ms() + limit_ms, broken = 0;

    while ((left = reap(test, &status, &ended)), !ended) {
        if (shared->failed && broken == 0)
            broken = now_ms() + 300; /* a check failed below: the test gets this long to end */
        if (broken != 0 && now_ms() > broken)
            break;
        if (now_ms() > hang) {
            fprintf(stderr, "hung: not over after %" PRId64 " s\n", limit_ms / 1000);
            each_descendant(getpid(), print_process);
            verdict = FAILED;
            break;
        }
        nap(50);
    }
    if (ended && WIFSIGNALED(status)) {
        fprintf(stderr, "killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        verdict = FAILED;
    } else if (ended) {
        verdict = WEXITSTATUS(status) == SKIPPED ? SKIPPED : WEXITSTATUS(status) ? FAILED : PASSED;
        if (verdict == FAILED && !shared->failed)
            fprintf(stderr, "ended with exit status %d\n", WEXITSTATUS(status));
    }
    if (shared->failed)
        verdict = FAILED;

    int64_t patience = now_ms() + (t_slow_build() ? 10000 : 2000);
    while (left && verdict == PASSED && now_ms() < patience) {
        nap(10);
        left = reap(test, &status, &ended);
    }
    if (left && verdict == PASSED) {
        fputs("left processes behind:\n", stderr);
        each_descendant(getpid(), print_process);
        verdict = FAILED;
    }
    if (left)
        kill_all(test);
    return verdict;
}

static int watch(const struct run *run, int output)
{
    struct test t;
    prepare(run, &t);
    fflush(NULL);
    pid_t test = fork();
    if (test < 0) {
        fprintf(stderr, "fork: %m\n");
        exit(FAILED);
    }
    if (test == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        if (output >= 0) {
            dup2(output, STDOUT_FILENO);
            dup2(output, STDERR_FILENO);
            close(output);
        }
        enter(run, &t);
        exit(PASSED); /* not _exit: the leak check and others have the last word */
    }
    setpgid(test, test);
    int64_t limit = (int64_t)run->c->seconds * 1000 * load();
    if (t_slow_build())
        limit *= 5;
    int verdict = judge(test, limit);
    tidy(&t);
    return verdict;
}

/* --- the command line --- */

typedef int run_fn(const struct run *run, void *arg);

static int each_run(run_fn *fn, void *arg)
{
    int worst = 0;
    for (const struct t_case *c = cases; c; c = c->next)
        for (size_t k = 0; k == 0 || k < c->kinds_len; k++) {
            struct run run = { .c = c, .kind = c->kinds_len ? &c->kinds[k] : NULL };
            snprintf(run.name, sizeof run.name, run.kind ? "%s/%s" : "%s", c->name,
                     run.kind ? run.kind->name : NULL);
            int r = fn(&run, arg);
            worst = r > worst ? r : worst;
        }
    return worst;
}

static int list_one(const struct run *run, void *arg)
{
    (void)arg;
    const char *real = run->c->real || !run->kind ? run->c->real : run->kind->real;
    printf("%s\t%s\n", run->name, real ? real : "");
    return 0;
}

static int find_one(const struct run *run, void *arg)
{
    struct run *wanted = arg;
    if (strcmp(run->name, wanted->name) != 0)
        return 0;
    *wanted = *run;
    return 1;
}

/* For "meson test"; tests/run does this in parallel. */
static int tap_one(const struct run *run, void *arg)
{
    int *count = arg, verdict = watch(run, -1);
    printf("%sok %d - %s%s\n", verdict == FAILED ? "not " : "", ++*count, run->name,
           verdict == SKIPPED ? " # SKIP" : "");
    return verdict == FAILED;
}

/* One process per seed; a seed that fails shows what it printed. */
static int run_seeds(struct run *run, uint64_t from, uint64_t to)
{
    int worst = PASSED, output = memfd_create("output", MFD_CLOEXEC);
    for (run->seed = from; output >= 0 && run->seed <= to; run->seed++) {
        if (ftruncate(output, 0) < 0 || lseek(output, 0, SEEK_SET) < 0)
            break;
        int said = dup(STDERR_FILENO); /* what the watcher says goes there too */
        dup2(output, STDERR_FILENO);
        int verdict = watch(run, output);
        fflush(stderr);
        dup2(said, STDERR_FILENO);
        close(said);
        if (verdict == SKIPPED && worst == PASSED)
            worst = SKIPPED;
        if (verdict != FAILED)
            continue;
        worst = FAILED;
        printf("WEFT_SEED=%" PRIu64 " fails:\n", run->seed);
        fflush(stdout);
        char buf[4096];
        ssize_t n;
        lseek(output, 0, SEEK_SET);
        while ((n = read(output, buf, sizeof buf)) > 0 && write(STDOUT_FILENO, buf, (size_t)n) > 0)
            ;
        printf("failing seed: %" PRIu64 "\n", run->seed);
        fflush(stdout);
    }
    return worst;
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--list | --run NAME [--seeds A..B] | --here NAME]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return FAILED;

    if (argc == 1) {
        int count = 0, worst = each_run(tap_one, &count);
        printf("1..%d\n", count);
        return worst;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return each_run(list_one, NULL);

    bool here = argc == 3 && strcmp(argv[1], "--here") == 0;
    if (!here && !((argc == 3 || argc == 5) && strcmp(argv[1], "--run") == 0))
        return usage(argv[0]);
    struct run run = { .c = NULL };
    snprintf(run.name, sizeof run.name, "%s", argv[2]);
    if (!each_run(find_one, &run)) {
        fprintf(stderr, "%s: no test is called %s\n", argv[0], argv[2]);
        return 2;
    }
    if (argc == 5) {
        uint64_t from, to;
        if (strcmp(argv[3], "--seeds") != 0 ||
            sscanf(argv[4], "%" SCNu64 "..%" SCNu64, &from, &to) != 2 || from == 0)
            return usage(argv[0]);
        return run_seeds(&run, from, to);
    }
    if (here) {
        struct test t;
        sigprocmask(SIG_UNBLOCK, &child, NULL);
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        prepare(&run, &t);
        enter(&run, &t);
        tidy(&t);
        return PASSED;
    }
    return watch(&run, -1);
}
