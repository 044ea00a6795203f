/* What a task that is a process promises: each ruling of the design is a test here. */
#include "../behaviour/until.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <sys/syscall.h>

#define REAL "processes"
#define SOON weft_after(15 * WEFT_SEC)

static int spawn_one(weft_fn *fn, void *arg, size_t size, const struct weft_process *process,
                     struct weft_exit *out)
{
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task, .process = process };
    struct weft_exit end = { .size = sizeof end };
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn_at(&g, WEFT_PROCESS, fn, arg, size, &more, "one"));
    CHECK_OK(weft_task_join(task, &end, SOON));
    if (out)
        *out = end;
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    return r < 0 ? r : end.result;
}

static int run(weft_fn *fn, void *arg)
{
    return spawn_one(fn, arg, 0, NULL, NULL);
}

/* The processes whose parent is `parent` by the kernel, and what they are called. */
static int children_of(pid_t parent, const char *name, pid_t *out)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    for (struct dirent *e; (e = readdir(proc));) {
        char path[300], text[512] = "", comm[64] = "";
        int pid, ppid = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = atoi(e->d_name) > 0 ? fopen(path, "re") : NULL;
        if (!f)
            continue;
        if (fgets(text, sizeof text, f) &&
            sscanf(text, "%d (%63[^)]) %*c %d", &pid, comm, &ppid) == 3 && ppid == parent &&
            (!name || strcmp(comm, name) == 0)) {
            if (out)
                *out = pid;
            count++;
        }
        fclose(f);
    }
    closedir(proc);
    return count;
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

/* -- jobs, pointers, results ---------------------------------------------------------------------------- */

struct job {
    int a, b, sum;
    pid_t pid, parent;
};

static int add(void *arg)
{
    struct job *j = arg;
    j->sum = j->a + j->b;
    j->pid = getpid();
    j->parent = getppid();
    CHECK_EQ(weft_process_parent(), j->parent);
    CHECK_EQ(weft_task_pid(weft_task_self()), j->pid);
    return 1000;
}

TEST_REAL(a_job_is_copied_in_and_back, REAL)
{
    PROCESSES();
    struct job j = { .a = 1, .b = 2 };
    CHECK_EQ(spawn_one(add, &j, sizeof j, NULL, NULL), 1000);
    CHECK_EQ(j.sum, 3);
    CHECK_NE(j.pid, getpid());
    CHECK_EQ(j.parent, getpid());
}

static int is_text(void *arg)
{
    return arg ? strcmp(arg, "constant") == 0 : 2;
}

static int writable_global;
static const char *const relocated[] = { "constant" };

static int follow(void *arg)
{
    return is_text((void *)(uintptr_t) * (const char *const *)arg);
}

TEST_REAL(only_what_means_the_same_there_is_handed_over, REAL)
{
    PROCESSES();
    int local = 0;
    weft_group g;
    CHECK_EQ(run(is_text, "constant"), 1);
    CHECK_EQ(run(is_text, NULL), 2);
    CHECK_EQ(run(follow, (void *)(uintptr_t)relocated), 1);
    char *text = weft_arena_alloc(16);
    strcpy(text, "constant");
    CHECK_EQ(run(is_text, text), 1);
    weft_arena_free(text);
    void *heap = malloc(10);
    void *bad[] = { &local, &writable_global, heap };
    weft_group_init(&g, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, is_text, bad[i]), -EFAULT);
        CHECK(strstr(weft_why(), "weft_arena_alloc") != NULL);
        CHECK_EQ(strstr(weft_why(), "each process has its own") != NULL, i == 1);
        CHECK_ERR(weft_group_wait(&g, SOON), -EFAULT);
    }
    free(heap);
    weft_group_fini(&g);
}

static int read_global(void *arg)
{
    (void)arg;
    return writable_global;
}

TEST_REAL(globals_are_as_at_the_first_process_task_also_after_a_refused_one, REAL)
{
    PROCESSES();
    weft_group g;
    CHECK_EQ(run(read_global, NULL), 0);
    writable_global = 5;
    weft_group_init(&g, 0);
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, read_global, &writable_global), -EFAULT);
    CHECK_ERR(weft_group_wait(&g, SOON), -EFAULT);
    CHECK_EQ(run(read_global, NULL), 0);
    weft_group_fini(&g);
}

static _Noreturn int exit_3(void *arg)
{
    (void)arg;
    exit(3);
}
static int fail(void *arg)
{
    (void)arg;
    return -ENOENT;
}
static int die(void *arg)
{
    (void)arg;
    raise(SIGKILL);
    return 0;
}
static int crash(void *arg)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return arg != NULL;
}

TEST_REAL(the_exit_record_says_how_it_ended, REAL)
{
    PROCESSES();
    struct weft_exit end;
    CHECK_EQ(spawn_one(exit_3, NULL, 0, NULL, &end), 3);
    CHECK_EQ(end.signal, 0);
    CHECK_EQ(spawn_one(fail, NULL, 0, NULL, &end), -ENOENT);
    CHECK_EQ(end.signal, 0);
    CHECK_EQ(spawn_one(die, NULL, 0, NULL, &end), -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGKILL);
    CHECK(!end.core);
    CHECK_EQ(spawn_one(crash, NULL, 0, NULL, &end), -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGSEGV);
}

static int dump_core(void *arg)
{
    struct rlimit core = { 1 << 20, RLIM_INFINITY };
    setrlimit(RLIMIT_CORE, &core);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
    return arg != NULL;
}

TEST_REAL(the_exit_record_tells_of_a_core_as_wait_does, REAL)
{
    PROCESSES();
    int status;
    struct weft_exit end;
    CHECK_EQ(chdir(t_dir(t)), 0);
    fflush(NULL);
    pid_t plain = fork();
    if (plain == 0)
        dump_core(NULL);
    CHECK_EQ(waitpid(plain, &status, 0), plain);
    CHECK_EQ(spawn_one(dump_core, NULL, 0, NULL, &end), -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGABRT);
    CHECK_EQ(end.core, WCOREDUMP(status) != 0);
    if (!end.core)
        SKIP("this machine dumps no cores");
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int count_up(void *arg)
{
    ADD(*(int *)arg, 1);
    return 0;
}

TEST_REAL(a_group_mixes_kinds, REAL)
{
    PROCESSES();
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    int *count = weft_arena_alloc(sizeof *count);
    weft_group g;
    *count = 0;
    weft_group_init(&g, 0);
    for (int i = 0; i < 12; i++)
        CHECK_OK(weft_group_spawn(&g, kinds[i % 3], count_up, count));
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_EQ(*count, 12);
    weft_arena_free(count);
    weft_group_fini(&g);
}

TEST_REAL(a_group_tells_of_each_that_has_ended, REAL)
{
    PROCESSES();
    weft_group g;
    weft_task task;
    int count = 0;
    weft_group_init(&g, WEFT_COLLECT);
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, nothing, NULL));
    while (weft_group_next(&g, &task, SOON) == 1)
        count++;
    CHECK_EQ(count, 3);
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_group_fini(&g);
}

static int square(void *item)
{
    int *i = item;
    *i *= *i;
    return 0;
}

static int fail_at_7(void *item)
{
    return *(int *)item == 7 ? -EIO : 0;
}

TEST_REAL(a_map_copies_its_items_there_and_back, REAL)
{
    PROCESSES();
    int items[100];
    for (int i = 0; i < 100; i++)
        items[i] = i;
    CHECK_ERR(weft_map(WEFT_PROCESS, fail_at_7, items, 100, SOON), -EIO);
    CHECK_OK(weft_map(WEFT_PROCESS, square, items, 100, SOON));
    for (int i = 0; i < 100; i++)
        CHECK_EQ(items[i], i * i);
}

/* -- the host sees nothing of it ------------------------------------------------------------------------- */

static int sigchld;
static void on_sigchld(int signo)
{
    (void)signo;
    ADD(sigchld, 1);
}

TEST_REAL(the_programs_own_waits_and_signals_see_nothing, REAL)
{
    PROCESSES();
    CHECK_EQ(children_of(getpid(), NULL, NULL), 0);
    signal(SIGCHLD, on_sigchld);
    CHECK_OK(run(nothing, NULL));
    CHECK_EQ(children_of(getpid(), "weft-zygote", NULL), 1);
    errno = 0;
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
    CHECK_EQ(sigchld, 0);
    pid_t own = fork();
    if (own == 0)
        _exit(5);
    int status;
    CHECK_OK(run(nothing, NULL));
    CHECK_EQ(waitpid(-1, &status, 0), own);
    CHECK_EQ(WEXITSTATUS(status), 5);
    CHECK_EQ(sigchld, 1);
    signal(SIGCHLD, SIG_IGN);
    CHECK_EQ(run(exit_3, NULL), 3);
    CHECK_EQ(children_of(getpid(), NULL, NULL), 1);
}

TEST_REAL(a_program_without_process_tasks_has_no_hidden_process, REAL)
{
    weft_group g;
    int count = 0;
    weft_group_init(&g, 0);
    CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, count_up, &count));
    CHECK_OK(weft_group_spawn(&g, WEFT_THREAD, count_up, &count));
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_EQ(children_of(getpid(), NULL, NULL), 0);
    weft_group_fini(&g);
}

TEST_REAL(nothing_is_left_of_hundreds, REAL)
{
    PROCESSES();
    CHECK_OK(run(nothing, NULL));
    int before = t_descriptors(0);
    struct weft_arena_info was = { .size = sizeof was }, is = was;
    CHECK_OK(weft_arena_describe(&was));
    for (long i = 0; i < t_rounds(200); i++) {
        struct job j = { .a = 1 };
        CHECK_EQ(spawn_one(add, &j, sizeof j, NULL, NULL), 1000);
    }
    CHECK_EQ(t_descriptors(0), before);
    CHECK_EQ(children_of(getpid(), NULL, NULL), 1);
    CHECK_OK(weft_arena_describe(&is));
    CHECK_LE(is.used, was.used + (4 << 16));
}

/* -- libc is right in it --------------------------------------------------------------------------------- */

static int raised;
static void on_raise(int signo)
{
    raised = signo;
}

static void *thread_of_libc(void *arg)
{
    return malloc(100000) ? arg : NULL;
}

static void say_bye(void)
{
    puts("bye");
}

static int use_libc(void *arg)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    pthread_t thread;
    void *back = NULL;
    char line[32] = "";
    (void)arg;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &attr);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
    CHECK_EQ((uint32_t)mutex.__data.__owner, (uint32_t)gettid());
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    signal(SIGUSR1, on_raise);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raised, SIGUSR1);
    CHECK_EQ(pthread_create(&thread, NULL, thread_of_libc, line), 0);
    CHECK_EQ(pthread_join(thread, &back), 0);
    CHECK(back == line);
    FILE *f = popen("echo popen", "r");
    CHECK(f && fgets(line, sizeof line, f));
    CHECK_STR(line, "popen\n");
    CHECK_EQ(pclose(f), 0);
    int status, pid = fork();
    if (pid == 0)
        _exit(malloc(10) ? 6 : 7);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 6);
    CHECK_EQ(setresuid(getuid(), getuid(), getuid()), 0);
    atexit(say_bye);
    return 0;
}

static void not_in_a_task(void)
{
    puts("the program's own handler");
}

static int in_a_program_of_its_own(const char *name, void (*program)(void), char *out, size_t size)
{
    int ends[2], status;
    CHECK_EQ(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        program();
        exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    for (ssize_t n; (n = read(ends[0], out + got, size - 1 - got)) > 0;)
        got += (size_t)n;
    out[got] = 0;
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    (void)name;
    return status;
}

static void program_of_libc(void)
{
    atexit(not_in_a_task);
    printf("begun\n"); /* in a buffer: nobody else writes it too */
    CHECK_OK(run(use_libc, NULL));
}

TEST_REAL(libc_is_whole_in_it_and_its_output_is_flushed_once, REAL)
{
    PROCESSES();
    char out[256];
    CHECK_EQ(in_a_program_of_its_own("libc", program_of_libc, out, sizeof out), 0);
    CHECK_STR(out, "begun\nbye\nthe program's own handler\n");
}

struct robust {
    pthread_mutex_t mutex;
    pid_t pid;
};

static int die_holding(void *arg)
{
    struct robust *r = arg;
    CHECK_EQ(pthread_mutex_lock(&r->mutex), 0);
    raise(SIGKILL);
    return 0;
}

TEST_REAL(a_robust_mutex_of_libc_is_marked_when_it_is_killed, REAL)
{
    PROCESSES();
    struct robust *r = weft_arena_alloc(sizeof *r);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&r->mutex, &attr);
    CHECK_EQ(run(die_holding, r), -EOWNERDEAD);
    CHECK_EQ(pthread_mutex_lock(&r->mutex), EOWNERDEAD);
    weft_arena_free(r);
}

/* -- what it has from its spawner ------------------------------------------------------------------------ */

struct seen {
    char folder[256], environment[64], name[32], input[64];
    mode_t mask;
    struct rlimit files;
    uid_t user;
    int extra, sent, descriptors;
    bool interrupt_ignored, usr2_blocked;
};

static int look_around(void *arg)
{
    struct seen *s = arg;
    struct sigaction act;
    sigset_t set;
    CHECK(getcwd(s->folder, sizeof s->folder) != NULL);
    snprintf(s->environment, sizeof s->environment, "%s",
             getenv("WT_PROC") ? getenv("WT_PROC") : "none");
    prctl(PR_GET_NAME, s->name);
    s->mask = umask(0);
    getrlimit(RLIMIT_NOFILE, &s->files);
    s->user = geteuid();
    s->extra = fcntl(9, F_GETFD) < 0 ? errno : 0;
    ssize_t n = readlink("/proc/self/fd/0", s->input, sizeof s->input - 1);
    s->input[n > 0 ? n : 0] = 0;
    s->sent = write(5, "x", 1) == 1;
    sigaction(SIGINT, NULL, &act);
    s->interrupt_ignored = act.sa_handler == SIG_IGN;
    sigprocmask(SIG_BLOCK, NULL, &set);
    s->usr2_blocked = sigismember(&set, SIGUSR2);
    return setenv("WT_PROC", "its own", 1);
}

TEST_REAL(it_has_what_its_spawner_has_now, REAL)
{
    PROCESSES();
    struct seen *s = calloc(1, sizeof *s);
    char here[256], c = 0;
    CHECK_OK(weft_process_prepare());
    CHECK_EQ(chdir(t_dir(t)), 0);
    CHECK(getcwd(here, sizeof here) != NULL);
    setenv("WT_PROC", "now", 1);
    umask(027);
    struct rlimit files = { 333, 444 };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    sigset_t usr2;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr2, NULL);
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(dup2(ends[1], 9), 9);
    struct weft_pass pass[] = { { 9, 5 } };
    struct weft_process p = { .size = sizeof p, .pass = pass, .pass_count = 1 };
    CHECK_EQ(spawn_one(look_around, s, sizeof *s, &p, NULL), 0);
    CHECK_STR(s->folder, here);
    CHECK_STR(s->environment, "now");
    CHECK_STR(s->name, "one");
    CHECK_STR(s->input, "/dev/null");
    CHECK_EQ(s->mask, 027);
    CHECK_EQ(s->files.rlim_cur, 333);
    CHECK_EQ(s->extra, EBADF);
    CHECK_EQ(s->sent, 1);
    CHECK(s->interrupt_ignored);
    CHECK(s->usr2_blocked);
    CHECK_EQ(read(ends[0], &c, 1), 1);
    CHECK_STR(getenv("WT_PROC"), "now");
    struct weft_limit limit[] = { { RLIMIT_NOFILE, 300, 300 } };
    p = (struct weft_process){ .size = sizeof p, .limits = limit, .limits_count = 1 };
    CHECK_EQ(spawn_one(look_around, s, sizeof *s, &p, NULL), 0);
    CHECK_EQ(s->files.rlim_max, 300);
    CHECK_EQ(s->sent, 0);
    free(s);
}

struct input {
    char text[16];
    int open; /* descriptors */
};

static int read_input(void *job)
{
    struct input *in = job;
    CHECK(fgets(in->text, sizeof in->text, stdin) != NULL);
    DIR *all = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(all));)
        in->open += e->d_name[0] != '.' && atoi(e->d_name) < 200; /* above are weft's two */
    closedir(all);
    return 0;
}

TEST_REAL(its_input_is_what_is_passed_and_all_else_is_closed, REAL)
{
    PROCESSES();
    int ends[2];
    struct input in = { .open = 0 };
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], "typed\n", 6), 6);
    for (int i = 0; i < 50; i++)
        CHECK_GE(dup(ends[0]), 0);
    struct weft_pass pass[] = { { ends[0], 0 } };
    struct weft_process p = { .size = sizeof p, .pass = pass, .pass_count = 1 };
    CHECK_EQ(spawn_one(read_input, &in, sizeof in, &p, NULL), 0);
    CHECK_STR(in.text, "typed\n");
    CHECK_EQ(in.open, 4); /* the three, and the folder that it reads */
}

TEST_REAL(what_cannot_be_given_is_refused, REAL)
{
    PROCESSES();
    weft_group g;
    struct weft_limit limit[] = { { RLIMIT_NOFILE, 8, 4 } };
    struct weft_pass pass[] = { { 1000, 5 } };
    struct weft_process p = { .size = sizeof p, .limits = limit, .limits_count = 1 };
    struct weft_spawn more = { .size = sizeof more, .process = &p };
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_ERR(weft_group_spawn_with(&g, WEFT_PROCESS, nothing, NULL, &more), -EINVAL);
    p = (struct weft_process){ .size = sizeof p, .pass = pass, .pass_count = 1 };
    CHECK_ERR(weft_group_spawn_with(&g, WEFT_PROCESS, nothing, NULL, &more), -EBADF);
    CHECK_ERR(weft_group_wait(&g, SOON), -EBADF);
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS | WEFT_DETACHED, nothing, NULL), -EINVAL);
    CHECK_OK(run(nothing, NULL));
    weft_group_fini(&g);
}

static int user(void *arg)
{
    (void)arg;
    return (int)getuid();
}

static void drop_and_spawn(void)
{
    CHECK_EQ(run(user, NULL), 0);
    CHECK_OK(weft_drop(65534, 65534));
    CHECK_EQ(getuid(), 65534);
    printf("%d\n", run(user, NULL));
}

static int become_another(void *arg)
{
    (void)arg;
    CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    return run(user, NULL);
}

TEST_REAL(privileges_that_are_dropped_are_dropped_for_it_too, REAL)
{
    PROCESSES();
    char out[64];
    if (getuid() != 0)
        SKIP("only root can drop privileges");
    CHECK_EQ(in_a_program_of_its_own("drop", drop_and_spawn, out, sizeof out), 0);
    CHECK_STR(out, "65534\n");
    CHECK_EQ(run(become_another, NULL), 65534);
}

enum { MANY = 300 }; /* of the 65,536 that there may be */

static int count_groups(void *arg)
{
    gid_t groups[MANY + 1];
    int n = getgroups(MANY + 1, groups);
    return n > 0 && (int)groups[n - 1] == 1000 + n ? n : (arg != NULL) - 1;
}

static void take_groups(int count)
{
    gid_t groups[MANY];
    for (int i = 0; i < count; i++)
        groups[i] = (gid_t)(1001 + i);
    CHECK_EQ(setgroups((size_t)count, groups), 0);
    CHECK_EQ(run(count_groups, NULL), count);
}

static void many_groups(void)
{
    take_groups(MANY);
    take_groups(65);
    take_groups(1);
    take_groups(MANY - 1);
}

TEST_REAL(it_is_in_all_groups_that_its_spawner_is_in_now, REAL)
{
    PROCESSES();
    char out[64];
    if (getuid() != 0)
        SKIP("only root can be in any group");
    CHECK_EQ(in_a_program_of_its_own("groups", many_groups, out, sizeof out), 0);
}

struct rights {
    uint32_t capabilities[6];
    int nice, no_new_privs, filtered;
};

static struct rights rights_now(void)
{
    struct rights r = { .nice = getpriority(PRIO_PROCESS, 0),
                        .no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
                        .filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) };
    struct __user_cap_header_struct v3 = { _LINUX_CAPABILITY_VERSION_3, 0 };
    CHECK_EQ(syscall(SYS_capget, &v3, r.capabilities), 0);
    return r;
}

static int tell_rights(void *job)
{
    *(struct rights *)job = rights_now();
    return 0;
}

static void check_rights(void)
{
    struct rights mine = rights_now(), its = { .nice = 100 };
    CHECK_EQ(spawn_one(tell_rights, &its, sizeof its, NULL, NULL), 0);
    CHECK_MEM(&its, &mine, sizeof its);
}

static void lose_rights(void)
{
    check_rights();
    CHECK_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);
    check_rights();
    struct __user_cap_header_struct v3 = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct rights r = rights_now();
    r.capabilities[0] &= ~(1u << CAP_NET_RAW | 1u << CAP_CHOWN);
    r.capabilities[1] &= ~(1u << CAP_NET_RAW);
    CHECK_EQ(syscall(SYS_capset, &v3, r.capabilities), 0);
    check_rights();
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    check_rights();
    CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    check_rights();
}

static void be_filtered(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog all = { 1, &allow };
    weft_group g;
    check_rights();
    CHECK_EQ(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all), 0);
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, nothing, NULL), -EPERM);
    CHECK_ERR(weft_group_wait(&g, SOON), -EPERM);
    weft_group_fini(&g);
    CHECK_OK(weft_drop(0, 0)); /* the zygote is made anew, under the filter */
    check_rights();
}

TEST_REAL(it_has_the_rights_that_its_spawner_has_now, REAL)
{
    PROCESSES();
    char out[64];
    if (getuid() != 0)
        SKIP("only root has rights to lose");
    CHECK_EQ(in_a_program_of_its_own("rights", lose_rights, out, sizeof out), 0);
    CHECK_EQ(in_a_program_of_its_own("filter", be_filtered, out, sizeof out), 0);
}

static int handling(int signo)
{
    struct sigaction act;
    CHECK_EQ(sigaction(signo, NULL, &act), 0);
    return act.sa_handler == SIG_DFL ? 'd' : act.sa_handler == SIG_IGN ? 'i' : 'h';
}

static int look_at_signals(void *arg)
{
    static const int term = SIGTERM;
    weft_signal signal;
    CHECK_EQ(handling(SIGTERM), 'd');
    CHECK_EQ(handling(SIGUSR1), 'd');
    CHECK_EQ(handling(SIGCHLD), 'd');
    CHECK_EQ(handling(SIGHUP), 'i');
    CHECK_OK(weft_signal_init(&signal, &term, 1)); /* it may have its own */
    CHECK_EQ(raise(SIGTERM), 0);
    CHECK_EQ(weft_signal_wait(&signal, SOON), SIGTERM);
    weft_signal_fini(&signal);
    return arg != NULL;
}

static int raise_term(void *arg)
{
    raise(SIGTERM);
    return arg != NULL;
}

TEST_REAL(signals_that_the_program_catches_are_not_caught_in_it, REAL)
{
    PROCESSES();
    static const int term = SIGTERM;
    weft_signal ours;
    CHECK_OK(weft_signal_init(&ours, &term, 1));
    signal(SIGUSR1, on_raise);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    CHECK_EQ(run(look_at_signals, NULL), 0);
    CHECK_EQ(run(raise_term, NULL), -EOWNERDEAD);
    CHECK_EQ(weft_signal_wait(&ours, weft_at_once()), -ETIMEDOUT);
    weft_signal_fini(&ours);
}

/* -- cancel, signals -------------------------------------------------------------------------------------- */

static int sleep_long(void *arg)
{
    if (arg)
        STORE(*(int *)arg, 1);
    return weft_sleep(weft_after(60 * WEFT_SEC));
}

static _Noreturn int deaf(void *arg)
{
    signal(SIGTERM, SIG_IGN);
    STORE(*(int *)arg, 1);
    for (;;)
        pause();
}

static _Noreturn int hard_of_hearing(void *arg)
{
    STORE(*(int *)arg, 1);
    for (;;)
        pause();
}

/* How long from its cancel to the end of its join. */
static weft_span cancel_one(weft_fn *fn, int result, int signal, weft_span term, weft_span kill)
{
    weft_group g;
    weft_task task;
    int *begun = weft_arena_alloc(sizeof *begun);
    struct weft_process p = { .size = sizeof p, .term_after = term, .kill_after = kill };
    struct weft_spawn more = { .size = sizeof more, .task = &task, .process = &p };
    struct weft_exit end = { .size = sizeof end };
    *begun = 0;
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn_with(&g, WEFT_PROCESS, fn, begun, &more));
    UNTIL(LOAD(*begun));
    int64_t at = weft_now().ns;
    CHECK_OK(weft_task_cancel(task));
    CHECK_OK(weft_task_join(task, &end, SOON));
    weft_span took = weft_now().ns - at;
    CHECK_EQ(end.result, result);
    CHECK_EQ(end.signal, signal);
    CHECK(end.cancelled);
    weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    weft_arena_free(begun);
    return took;
}

#define PATIENT (60 * WEFT_SEC) /* nobody is killed for being slow */

/* Not before their time, and not much later on a machine that has other things to do. */
TEST_REAL(a_cancel_ends_its_waits_and_signals_follow, REAL)
{
    PROCESSES();
    const weft_span term = 40 * WEFT_MS, kill = 60 * WEFT_MS, late = 5 * WEFT_SEC;
    weft_span took = cancel_one(sleep_long, -ECANCELED, 0, PATIENT, 0);
    CHECK_LE(took, late);
    took = cancel_one(hard_of_hearing, -ECANCELED, SIGTERM, term, PATIENT);
    CHECK_GE(took, term);
    CHECK_LE(took, term + late);
    took = cancel_one(deaf, -ECANCELED, SIGKILL, term, kill);
    CHECK_GE(took, term + kill);
    CHECK_LE(took, term + kill + late);
}

TEST_REAL(without_other_words_the_signals_come_after_two_seconds_each, REAL)
{
    PROCESSES();
    weft_span took = cancel_one(deaf, -ECANCELED, SIGKILL, 0, 0);
    CHECK_GE(took, 4 * WEFT_SEC);
    CHECK_LE(took, 9 * WEFT_SEC);
}

static int threads(void)
{
    char line[128];
    int count = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, f) && sscanf(line, "Threads: %d", &count) != 1)
        ;
    fclose(f);
    return count;
}

static int count_threads(void *arg)
{
    (void)arg;
    CHECK_EQ(threads(), 1);
    CHECK_EQ(weft_sleep(weft_after(WEFT_US)), 0);
    return threads();
}

static int compute(void *begun)
{
    STORE(*(int *)begun, 1);
    while (!weft_task_is_cancelled())
        ;
    return -ECANCELED;
}

static int compute_and_yield(void *begun)
{
    STORE(*(int *)begun, 1);
    while (weft_yield() == 0)
        ;
    return -ECANCELED;
}

/* It has been cancelled before anybody in it listens. */
static int look_late(void *begun)
{
    int *word = begun;
    STORE(*word, 1);
    while (LOAD(*word) == 1)
        ;
    return weft_sleep(weft_never());
}

static void *spawn_from_a_thread(void *begun)
{
    return run(nothing, NULL) == 0 ? begun : NULL;
}

/* Its own thread hears nobody; another one has to hear of the end of what it spawns. */
static int spawn_beside(void *arg)
{
    pthread_t thread;
    void *back = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, spawn_from_a_thread, arg), 0);
    CHECK_EQ(pthread_join(thread, &back), 0);
    return back == arg ? 0 : 1;
}

TEST_REAL(it_hears_a_cancel_whenever_it_looks, REAL)
{
    PROCESSES();
    CHECK_EQ(run(count_threads, NULL), 2);
    CHECK_EQ(run(spawn_beside, "here"), 0);
    cancel_one(compute, -ECANCELED, 0, PATIENT, 0);
    cancel_one(compute_and_yield, -ECANCELED, 0, PATIENT, 0);
    int *word = weft_arena_alloc(sizeof *word);
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    struct weft_exit end = { .size = sizeof end };
    *word = 0;
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn_with(&g, WEFT_PROCESS, look_late, word, &more));
    UNTIL(LOAD(*word));
    CHECK_OK(weft_task_cancel(task));
    STORE(*word, 2);
    CHECK_OK(weft_task_join(task, &end, SOON));
    CHECK_EQ(end.result, -ECANCELED);
    CHECK_EQ(end.signal, 0);
    CHECK_ERR(weft_group_wait(&g, SOON), -ECANCELED);
    weft_group_fini(&g);
    weft_arena_free(word);
}

TEST_REAL(a_groups_deadline_ends_its_processes, REAL)
{
    PROCESSES();
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, sleep_long, NULL));
    CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, sleep_long, NULL));
    CHECK_ERR(weft_group_wait(&g, weft_after(10 * WEFT_MS)), -ETIMEDOUT);
    weft_group_fini(&g);
}

TEST_REAL(a_signal_reaches_it_and_no_other, REAL)
{
    PROCESSES();
    weft_group g;
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    struct weft_exit end = { .size = sizeof end };
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn_with(&g, WEFT_PROCESS, sleep_long, NULL, &more));
    struct weft_task_info info = { .size = sizeof info };
    CHECK_OK(weft_task_describe(task, &info));
    CHECK_EQ(info.kind, WEFT_PROCESS);
    CHECK(weft_task_is_alive(task));
    CHECK_EQ(weft_task_pid(task), info.pid);
    CHECK(is_alive(info.pid));
    CHECK_OK(weft_task_kill(task, SIGINT)); /* of the terminal: the program decides */
    CHECK_OK(weft_task_kill(task, SIGTERM));
    CHECK_OK(weft_task_join(task, &end, SOON));
    CHECK_EQ(end.result, -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGTERM);
    CHECK(!is_alive(info.pid));
    CHECK_ERR(weft_task_kill(task, SIGTERM), -ESRCH);
    CHECK_ERR(weft_task_pid(task), -ESRCH);
    CHECK_ERR(weft_group_wait(&g, SOON), -EOWNERDEAD);
    CHECK_ERR(weft_task_kill(weft_task_self(), SIGTERM), -EINVAL);
    weft_group_fini(&g);
}

static int listed(void)
{
    weft_task all[64];
    size_t n = weft_task_list(all, 64);
    int count = 0;
    CHECK_LE(n, 64);
    for (size_t i = 0; i < n; i++) {
        struct weft_task_info info = { .size = sizeof info };
        count += weft_task_describe(all[i], &info) == 0 && info.kind == WEFT_PROCESS;
    }
    return count;
}

static int knows_itself(void *arg)
{
    struct weft_task_info info = { .size = sizeof info };
    CHECK_OK(weft_task_describe(weft_task_self(), &info));
    CHECK_STR(info.name, "one");
    CHECK_EQ(info.kind, WEFT_PROCESS);
    return arg != NULL ? 1 : listed();
}

TEST_REAL(it_is_listed_while_it_lives, REAL)
{
    PROCESSES();
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_EQ(listed(), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, sleep_long, NULL));
    CHECK_EQ(listed(), 3);
    CHECK_EQ(run(knows_itself, NULL), 1); /* there it is the only one */
    weft_group_cancel(&g);
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_EQ(listed(), 0);
    weft_group_fini(&g);
}

/* -- all of weft works in it ------------------------------------------------------------------------------ */

static int inside(void *arg)
{
    weft_group g;
    int count = 0, *shared = arg;
    weft_group_init(&g, 0);
    for (int i = 0; i < 10; i++)
        CHECK_OK(weft_group_spawn(&g, i % 2 ? WEFT_COROUTINE : WEFT_THREAD, count_up, &count));
    for (int i = 0; i < 3; i++)
        CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, count_up, shared));
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_EQ(count, 10);
    weft_group_fini(&g);
    return 0;
}

static int deeper(void *arg)
{
    CHECK_OK(inside(arg));
    return run(inside, arg);
}

TEST_REAL(coroutines_threads_and_processes_run_in_it, REAL)
{
    PROCESSES();
    int *shared = weft_arena_alloc(sizeof *shared);
    *shared = 0;
    CHECK_OK(run(deeper, shared));
    CHECK_EQ(*shared, 6);
    weft_arena_free(shared);
}

static int from_coroutine(void *arg)
{
    return run(nothing, arg);
}

TEST_REAL(it_is_spawned_from_coroutines_and_threads, REAL)
{
    PROCESSES();
    weft_group g;
    weft_group_init(&g, 0);
    for (int i = 0; i < 6; i++)
        CHECK_OK(weft_group_spawn(&g, i % 2 ? WEFT_COROUTINE : WEFT_THREAD, from_coroutine, NULL));
    CHECK_OK(weft_group_wait(&g, SOON));
    weft_group_fini(&g);
}

static int *hook_calls;
static void on_hook(void *ctx)
{
    (void)ctx;
    ADD(*hook_calls, 1);
}

TEST_REAL(hooks_run_in_it, REAL)
{
    PROCESSES();
    hook_calls = weft_arena_alloc(sizeof *hook_calls);
    *hook_calls = 0;
    struct weft_hooks hooks = { .size = sizeof hooks, .on_start = on_hook, .on_end = on_hook };
    CHECK_OK(weft_hooks_add(&hooks));
    CHECK_OK(run(nothing, NULL));
    CHECK_EQ(*hook_calls, 2);
}

static char logged[1024];
static void to_memory(void *ctx, const struct weft_log_record *record)
{
    size_t at = strlen(logged);
    (void)ctx;
    snprintf(logged + at, sizeof logged - at, "%s: %.*s\n", record->task_name, (int)record->length,
             record->text);
}

static int log_two(void *arg)
{
    (void)arg;
    weft_log_error("one");
    weft_log_warning("two");
    weft_log_info("below the level");
    return 0;
}

TEST_REAL(its_log_records_arrive_in_the_program, REAL)
{
    PROCESSES();
    weft_log_set(to_memory, NULL);
    CHECK_OK(run(log_two, NULL));
    CHECK_STR(logged, "one: one\none: two\n");
}

/* -- lives ----------------------------------------------------------------------------------------------- */

static int say_late(void *arg)
{
    (void)!weft_sleep(weft_after(20 * WEFT_MS));
    printf("%s\n", (char *)arg);
    return 0;
}

static int tell_pid_and_sleep(void *arg)
{
    pid_t pid = getpid();
    CHECK_EQ(write(1, &pid, sizeof pid), (ssize_t)sizeof pid);
    return weft_sleep(weft_after(600 * WEFT_SEC)) + (arg != NULL);
}

static void background(void)
{
    CHECK_OK(weft_group_spawn(weft_background(), WEFT_PROCESS, say_late, "waited for"));
    CHECK_OK(weft_group_spawn(weft_background(), WEFT_PROCESS | WEFT_DAEMON, sleep_long, NULL));
}

TEST_REAL(a_background_process_is_waited_for_and_a_daemon_is_ended, REAL)
{
    PROCESSES();
    char out[64];
    CHECK_EQ(in_a_program_of_its_own("background", background, out, sizeof out), 0);
    CHECK_STR(out, "waited for\n");
}

static void detach(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct weft_pass pass[] = { { null, 2 } };
    struct weft_process p = { .size = sizeof p, .pass = pass, .pass_count = 1 };
    struct weft_spawn more = { .size = sizeof more, .process = &p };
    weft_group_spawn_with(weft_background(), WEFT_PROCESS | WEFT_DETACHED, tell_pid_and_sleep, NULL,
                          &more);
}

TEST_REAL(a_detached_one_lives_on, REAL)
{
    PROCESSES();
    int ends[2];
    pid_t pid = 0, program;
    CHECK_EQ(pipe(ends), 0);
    if ((program = fork()) == 0) {
        dup2(ends[1], 1);
        detach();
        exit(0);
    }
    CHECK_EQ(read(ends[0], &pid, sizeof pid), (ssize_t)sizeof pid);
    CHECK_EQ(waitpid(program, NULL, 0), program);
    CHECK(is_alive(pid));
    CHECK_EQ(kill(pid, SIGKILL), 0);
}

/* -- at a terminal ---------------------------------------------------------------------------------------- */

static int say_how_it_ends(void *begun)
{
    ADD(*(int *)begun, 1);
    int r = weft_sleep(weft_never());
    printf("%s\n", r == -ECANCELED ? "ends" : "goes on");
    return r;
}

static int two_of_them(void *begun)
{
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, say_how_it_ends, begun));
    int r = weft_group_wait(&g, weft_never());
    weft_group_fini(&g);
    printf("has waited\n");
    return r;
}

static int *spawn_a_tree(weft_group *g)
{
    int *begun = weft_arena_alloc(sizeof *begun);
    *begun = 0;
    weft_group_init(g, WEFT_KEEP_GOING);
    CHECK_OK(weft_group_spawn(g, WEFT_PROCESS, say_how_it_ends, begun));
    CHECK_OK(weft_group_spawn(g, WEFT_PROCESS, two_of_them, begun));
    UNTIL(LOAD(*begun) == 2);
    printf("ready\n");
    fflush(stdout);
    return begun;
}

static void decide_at_ctrl_c(void)
{
    static const int interrupt = SIGINT;
    weft_signal signal;
    weft_group g;
    CHECK_OK(weft_signal_init(&signal, &interrupt, 1));
    spawn_a_tree(&g);
    CHECK_EQ(weft_signal_wait(&signal, SOON), SIGINT);
    weft_group_cancel(&g);
    CHECK_ERR(weft_group_wait(&g, SOON), 0);
    CHECK_EQ(weft_signal_wait(&signal, weft_at_once()), -ETIMEDOUT); /* once */
    printf("interrupted\n");
}

static void know_nothing_of_ctrl_c(void)
{
    weft_group g;
    spawn_a_tree(&g);
    for (;;)
        pause();
}

/* What it and all that it has started write until the last of them is gone, Ctrl-C typed when it is ready. */
static int at_a_terminal(void (*program)(void), char *out, size_t size)
{
    int ends[2], status;
    struct termios how;
    CHECK_OK(weft_terminal_pair(ends));
    CHECK_EQ(tcgetattr(ends[1], &how), 0);
    /* Else Ctrl-C drops what has been written, and of two who write at once one is told -EAGAIN. */
    how.c_lflag |= NOFLSH;
    CHECK_EQ(tcsetattr(ends[1], TCSANOW, &how), 0);
    CHECK_EQ(fcntl(ends[1], F_SETFL, O_RDWR), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        ioctl(ends[1], TIOCSCTTY, 0);
        for (int i = 0; i < 3; i++)
            dup2(ends[1], i);
        close(ends[0]);
        close(ends[1]);
        program();
        exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    bool typed = false;
    for (ssize_t n; (n = weft_read(ends[0], out + got, size - 1 - got, SOON)) > 0;) {
        got += (size_t)n;
        out[got] = 0;
        if (!typed && strstr(out, "ready")) {
            typed = true;
            CHECK_EQ(write(ends[0], "\003", 1), 1);
        }
    }
    close(ends[0]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static int times(const char *text, const char *word)
{
    int n = 0;
    while ((text = strstr(text, word))) {
        text += strlen(word);
        n++;
    }
    return n;
}

TEST_REAL(ctrl_c_at_a_terminal_ends_the_tree_once, REAL)
{
    PROCESSES();
    char out[4096] = "";
    int status = at_a_terminal(decide_at_ctrl_c, out, sizeof out);
    if (status != 0 || times(out, "ends") != 2 || times(out, "has waited") != 1 ||
        times(out, "interrupted") != 1 || times(out, "goes on") != 0)
        FAIL("status %x\n%s", (unsigned)status, out);
    status = at_a_terminal(know_nothing_of_ctrl_c, out, sizeof out);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGINT || times(out, "ends") != 0)
        FAIL("status %x\n%s", (unsigned)status, out);
}

struct tree {
    int pids[8], count;
};

static int grow(void *arg)
{
    struct tree *tree = arg;
    int at = ADD(tree->count, 1) - 1;
    STORE(tree->pids[at], getpid());
    if (at < 3)
        (void)!weft_group_spawn(weft_background(), WEFT_PROCESS, grow, tree);
    if (at == 2)
        raise(SIGSTOP);
    return weft_sleep(weft_after(600 * WEFT_SEC));
}

static int root_of_tree(void *tree)
{
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, grow, tree));
    return weft_group_wait(&g, weft_never());
}

TEST_REAL(no_process_outlives_a_program_that_is_killed, REAL)
{
    PROCESSES();
    struct tree *tree = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t zygote = 0, program = fork();
    if (program == 0) {
        struct tree *shared = weft_arena_alloc(sizeof *shared);
        *shared = (struct tree){ .count = 0 };
        CHECK_OK(weft_process_prepare());
        weft_group_spawn(weft_background(), WEFT_THREAD, root_of_tree, shared);
        UNTIL(LOAD(shared->count) == 4 && LOAD(shared->pids[3]));
        *tree = *shared;
        for (;;)
            pause();
    }
    UNTIL(LOAD(tree->count) == 4);
    CHECK_EQ(children_of(program, "weft-zygote", &zygote), 1);
    kill(program, SIGKILL);
    for (int i = 0; i < 4; i++)
        UNTIL(!is_alive(tree->pids[i])); /* collected by the harness, a subreaper */
    UNTIL(!is_alive(zygote));
    CHECK_EQ(waitpid(program, NULL, 0), program);
}

static int drop_and_stay(void *arg)
{
    CHECK_OK(weft_drop(65534, 65534));
    STORE(*(int *)arg, getpid());
    for (;;)
        pause();
    return 0;
}

TEST_REAL(one_that_drops_its_privileges_does_not_outlive_it_either, REAL)
{
    PROCESSES();
    if (getuid() != 0)
        SKIP("only root can drop privileges");
    int *pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t program = fork();
    if (program == 0) {
        weft_group g;
        int *it = weft_arena_alloc(sizeof *it);
        *it = 0;
        weft_group_init(&g, 0);
        CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, drop_and_stay, it));
        UNTIL(LOAD(*it));
        STORE(*pid, *it);
        for (;;)
            pause();
    }
    UNTIL(LOAD(*pid));
    kill(program, SIGKILL);
    CHECK_EQ(waitpid(program, NULL, 0), program);
    UNTIL(!is_alive(*pid)); /* collected by the harness, a subreaper */
}

static int spawn_and_die(void *arg)
{
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_OK(weft_group_spawn(&g, WEFT_PROCESS, grow, arg));
    struct tree *tree = arg;
    UNTIL(LOAD(tree->count) == 4 && LOAD(tree->pids[3]));
    raise(SIGKILL);
    return 0;
}

TEST_REAL(what_a_process_task_has_spawned_dies_with_it, REAL)
{
    PROCESSES();
    struct tree *tree = weft_arena_alloc(sizeof *tree);
    *tree = (struct tree){ .count = 0 };
    CHECK_EQ(run(spawn_and_die, tree), -EOWNERDEAD);
    for (int i = 0; i < 4; i++)
        CHECK(!is_alive(tree->pids[i])); /* at any depth, when it can be joined */
    CHECK_OK(run(nothing, NULL));
    weft_arena_free(tree);
}

/* -- the zygote ------------------------------------------------------------------------------------------- */

TEST_REAL(a_zygote_that_dies_is_made_anew, REAL)
{
    PROCESSES();
    pid_t zygote = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(run(nothing, NULL));
        UNTIL(children_of(getpid(), "weft-zygote", &zygote) == 1);
        CHECK_EQ(kill(zygote, SIGKILL), 0);
    }
    CHECK_OK(run(nothing, NULL));
}

enum { LATE = 256 << 20 };
static char *late, *kept_out;

static int resident(pid_t pid) /* MiB */
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return (int)(pages * sysconf(_SC_PAGESIZE) >> 20);
}

static int look_at_late(void *arg)
{
    unsigned char there;
    CHECK_EQ(mincore(kept_out, 1, &there), -1);
    CHECK_EQ(errno, ENOMEM);
    return late[LATE - 1] == 'x' ? 7 : arg != NULL;
}

/* What a late zygote has is the program's choice: all, unless it says madvise(MADV_DONTFORK). */
TEST_REAL(a_late_zygote_has_all_memory_that_is_not_kept_out, REAL)
{
    PROCESSES();
    pid_t zygote = 0;
    char **each[] = { &late, &kept_out };
    for (int i = 0; i < 2; i++) {
        *each[i] = mmap(NULL, LATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(*each[i] != MAP_FAILED);
        memset(*each[i], 'x', LATE);
    }
    CHECK_EQ(madvise(kept_out, LATE, MADV_DONTFORK), 0);
    CHECK_EQ(run(look_at_late, NULL), 7);
    UNTIL(children_of(getpid(), "weft-zygote", &zygote) == 1);
    CHECK_LT(resident(zygote), 500);
    CHECK_EQ(kept_out[LATE - 1], 'x');
    munmap(late, LATE);
    munmap(kept_out, LATE);
}

static int wait_for_event(void *event)
{
    return weft_event_wait(event, weft_never());
}

static int stop_word;
static void *spin_thread(void *arg)
{
    while (!LOAD(stop_word))
        ;
    return arg;
}

TEST_REAL(foreign_threads_make_it_busy_unless_it_was_prepared, REAL)
{
    PROCESSES();
    pthread_t thread;
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_EQ(pthread_create(&thread, NULL, spin_thread, NULL), 0);
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, nothing, NULL), -EBUSY);
    CHECK(strstr(weft_why(), "weft_process_prepare") != NULL);
    CHECK_ERR(weft_group_wait(&g, SOON), -EBUSY);
    STORE(stop_word, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(weft_process_prepare());
    STORE(stop_word, 0);
    CHECK_EQ(pthread_create(&thread, NULL, spin_thread, NULL), 0);
    CHECK_OK(run(nothing, NULL));
    STORE(stop_word, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    weft_group_fini(&g);
}

static int spin_task(void *arg)
{
    STORE(*(int *)arg, 1);
    while (LOAD(*(int *)arg) != 2)
        ;
    return 0;
}

TEST_REAL(a_thread_task_makes_it_busy_unless_it_sleeps_in_weft, REAL)
{
    PROCESSES();
    weft_group threads, g;
    int word = 0;
    weft_event event;
    weft_group_init(&threads, 0);
    weft_group_init(&g, WEFT_KEEP_GOING);
    CHECK_OK(weft_event_init(&event, 0));
    CHECK_OK(weft_group_spawn(&threads, WEFT_THREAD, wait_for_event, &event));
    CHECK_OK(weft_group_spawn(&threads, WEFT_THREAD, spin_task, &word));
    UNTIL(LOAD(word));
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, nothing, NULL), -EBUSY);
    CHECK_ERR(weft_group_wait(&g, SOON), -EBUSY);
    STORE(word, 2);
    CHECK_OK(run(nothing, NULL)); /* the other one sleeps */
    weft_event_set(&event);
    CHECK_OK(weft_group_wait(&threads, SOON));
    weft_event_fini(&event);
    weft_group_fini(&threads);
    weft_group_fini(&g);
}

TEST_REAL(a_stopped_zygote_is_waited_for_no_longer_than_said, REAL)
{
    PROCESSES();
    pid_t zygote = 0;
    weft_group g;
    weft_group_init(&g, 0);
    CHECK_OK(weft_process_prepare());
    UNTIL(children_of(getpid(), "weft-zygote", &zygote) == 1); /* it names itself */
    CHECK_EQ(kill(zygote, SIGSTOP), 0);
    CHECK_ERR(weft_group_spawn(&g, WEFT_PROCESS, nothing, NULL), -ETIMEDOUT);
    CHECK_EQ(kill(zygote, SIGCONT), 0);
    CHECK_OK(run(nothing, NULL));
    CHECK_ERR(weft_group_wait(&g, SOON), -ETIMEDOUT);
    UNTIL(children_of(getpid(), NULL, NULL) == 1);
    weft_group_fini(&g);
}

/* -- fork -------------------------------------------------------------------------------------------------- */

static int fork_in(void *arg)
{
    int value = 1, pid = weft_fork();
    (void)arg;
    CHECK_OK(pid);
    if (pid == 0) {
        value++;
        weft_group g;
        int count = 0;
        weft_group_init(&g, 0);
        CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, count_up, &count));
        CHECK_OK(weft_group_wait(&g, SOON));
        CHECK_ERR(weft_process_prepare(), -ENOTSUP);
        _exit(value + count + 40);
    }
    struct weft_exit end = { .size = sizeof end };
    CHECK_OK(weft_fork_wait(pid, &end, SOON));
    CHECK_EQ(end.result, 43);
    CHECK_EQ(value, 1);
    CHECK_ERR(weft_fork_wait(pid, &end, SOON), -ECHILD);
    return 0;
}

TEST_REAL(a_fork_has_everything_and_is_the_programs_own, REAL)
{
    FORKS_AMONG_THREADS();
    CHECK_OK(run(nothing, NULL));
    CHECK_OK(fork_in(NULL));
    CHECK_OK(weft_run(fork_in, NULL));
    CHECK_OK(run(fork_in, NULL));
    int pid = weft_fork();
    if (pid == 0)
        for (;;)
            pause();
    CHECK_ERR(weft_fork_wait(pid, NULL, weft_after(10 * WEFT_MS)), -ETIMEDOUT);
    kill(pid, SIGTERM);
    struct weft_exit end = { .size = sizeof end };
    CHECK_OK(weft_fork_wait(pid, &end, SOON));
    CHECK_EQ(end.result, -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGTERM);
}
