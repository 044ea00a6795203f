/* Other programs: started, fed, read, waited for and ended, from each kind of task. */
#define REAL "programs"
#define SOON weft_after(15 * WEFT_SEC)
#include "in_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../behaviour/until.h"

#define ARGV(...) ((const char *[]){ __VA_ARGS__, NULL })
#define OPTIONS(...)                                                                    \
    (&(struct weft_subprocess_options){ .size = sizeof(struct weft_subprocess_options), \
                                        __VA_ARGS__ })

/* What a shell line prints, with options; its status must be 0. */
static const char *says(const char *line, const struct weft_subprocess_options *o)
{
    static char text[4096];
    struct weft_output out = { .size = sizeof out };
    int r = weft_subprocess_run(ARGV("/bin/sh", "-c", line), o, NULL, 0, &out, SOON);
    if (r != 0)
        fprintf(stderr, "# %s: %s, %s\n", line, weft_why(), out.err);
    CHECK_EQ(r, 0);
    CHECK_LT(out.out_size, sizeof text);
    memcpy(text, out.out, out.out_size + 1);
    weft_output_fini(&out);
    return text;
}

/* Gone, or ended and for init to collect. */
static bool is_gone(int pid)
{
    char path[32], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    const char *at = f && fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
    if (f)
        fclose(f);
    return !at || at[2] == 'Z' || at[2] == 'X';
}

IN_KIND(output_errors_and_status_come_back)
{
    struct weft_output out = { .size = sizeof out };
    CHECK_EQ(weft_subprocess_run(ARGV("sort", "-u"), NULL, "pear\nfig\npear\n", 14, &out, SOON), 0);
    CHECK_STR(out.out, "fig\npear\n");
    CHECK_STR(out.err, "");
    CHECK_EQ(out.out_size, 9u);
    weft_output_fini(&out);
    CHECK(!out.out);
    CHECK_EQ(weft_subprocess_run(ARGV("echo one; echo two >&2; exit 3"),
                                 OPTIONS(.flags = WEFT_SHELL), NULL, 0, &out, SOON),
             3);
    CHECK_STR(out.out, "one\n");
    CHECK_STR(out.err, "two\n");
    CHECK_STR(weft_why(), "'echo one; echo two >&2; exit 3' ended with status 3");
    weft_output_fini(&out);
    CHECK_EQ(weft_subprocess_run(ARGV("true"), NULL, NULL, 0, NULL, SOON), 0);
    CHECK_EQ(weft_subprocess_run(ARGV("echo $0$1", "a", "b"), OPTIONS(.flags = WEFT_SHELL), NULL, 0,
                                 &out, SOON),
             0);
    CHECK_STR(out.out, "ab\n");
    weft_output_fini(&out);
    return 0;
}

IN_KIND(a_megabyte_goes_each_way_at_once)
{
    enum { SIZE = 1 << 20 };
    char *data = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 256);
    struct weft_output out = { .size = sizeof out };
    CHECK_EQ(weft_subprocess_run(ARGV("tee", "/dev/stderr"), NULL, data, SIZE, &out, SOON), 0);
    CHECK_EQ(out.out_size, (size_t)SIZE);
    CHECK_EQ(out.err_size, (size_t)SIZE);
    CHECK(memcmp(out.out, data, SIZE) == 0 && memcmp(out.err, data, SIZE) == 0 && !out.cut);
    weft_output_fini(&out);
    out.limit = 1000; /* the rest is read, and dropped */
    CHECK_EQ(weft_subprocess_run(ARGV("cat"), NULL, data, SIZE, &out, SOON), 0);
    CHECK_EQ(out.out_size, 1000u);
    CHECK(memcmp(out.out, data, 1000) == 0 && out.out[1000] == 0 && out.cut);
    weft_output_fini(&out);
    CHECK_EQ(weft_subprocess_run(ARGV("true"), NULL, data, SIZE, NULL, SOON),
             0); /* wants none of it */
    free(data);
    return 0;
}

static int processes_of_ours(void)
{
    return atoi(says("cat /proc/$PPID/task/*/children | wc -w", NULL)) - 1; /* the shell */
}

IN_KIND(what_fails_before_it_runs_fails_the_start)
{
    weft_subprocess p;
    int children = processes_of_ours(); /* what is opened once is open now */
    int descriptors = t_descriptors(getpid());
    CHECK_ERR(weft_subprocess_start(&p, ARGV("no-such-program"), NULL), -ENOENT);
    CHECK_STR(weft_why(), "start 'no-such-program': No such file or directory");
    CHECK_ERR(weft_subprocess_wait(&p, NULL, SOON), 0);
    CHECK_ERR(weft_subprocess_signal(&p, SIGTERM), -ESRCH);
    weft_subprocess_fini(&p);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("/etc/passwd"), NULL), -EACCES);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"),
                                    OPTIONS(.folder = "/no/such", .out.where = WEFT_PIPE)),
              -ENOENT);
    CHECK_STR(weft_why(), "start 'true': folder '/no/such': No such file or directory");
    struct weft_step steps[] = { weft_step_umask(077), weft_step_limit(RLIMIT_NOFILE, 9, 8) };
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.steps = steps, .steps_count = 2)),
              -EINVAL);
    CHECK_STR(weft_why(), "start 'true': step 1 (limit): Invalid argument");
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"),
                                    OPTIONS(.in.where = WEFT_FILE, .in.path = "/no/such")),
              -ENOENT);
    CHECK_SAYS(weft_why(), "streams");
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.out.where = WEFT_FD, .out.fd = 999)),
              -EBADF);
    CHECK_ERR(weft_subprocess_start(&p, ARGV(NULL), NULL), -EINVAL);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.flags = 1)), -EINVAL);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.out.where = WEFT_MERGE)), -EINVAL);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.out.where = WEFT_FILE)), -EINVAL);
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), &(struct weft_subprocess_options){ .size = 3 }),
              -EINVAL);
    struct weft_pass pass = { 0, 2 };
    CHECK_ERR(weft_subprocess_start(&p, ARGV("true"), OPTIONS(.pass = &pass, .pass_count = 1)),
              -EINVAL);
    UNTIL(t_descriptors(getpid()) == descriptors); /* AddressSanitizer reads /proc for a new helper */
    CHECK_EQ(processes_of_ours(), children);
    return 0;
}

IN_KIND(an_end_by_a_signal_is_told)
{
    struct weft_exit end = { .size = sizeof end };
    weft_subprocess p;
    CHECK_OK(weft_subprocess_start(&p, ARGV("sleep", "1000"), NULL));
    CHECK_ERR(weft_subprocess_wait(&p, NULL, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_subprocess_signal(&p, 0));
    CHECK_OK(weft_subprocess_signal(&p, SIGTERM));
    CHECK_ERR(weft_subprocess_wait(&p, &end, SOON), -EOWNERDEAD);
    CHECK_EQ(end.result, -EOWNERDEAD);
    CHECK_EQ(end.signal, SIGTERM);
    CHECK(!end.core);
    CHECK_ERR(weft_subprocess_wait(&p, &end, weft_at_once()), -EOWNERDEAD); /* again and again */
    CHECK_ERR(weft_subprocess_signal(&p, SIGTERM), -ESRCH);
    CHECK_OK(weft_subprocess_kill(&p));
    weft_subprocess_fini(&p);
    CHECK_ERR(
        weft_subprocess_run(ARGV("kill -9 $$"), OPTIONS(.flags = WEFT_SHELL), NULL, 0, NULL, SOON),
        -EOWNERDEAD);
    CHECK_STR(weft_why(), "'kill -9 $$' was ended by signal 9");
    end.size = 1;
    CHECK_OK(weft_subprocess_start(&p, ARGV("true"), NULL));
    CHECK_ERR(weft_subprocess_wait(&p, &end, SOON), -EINVAL);
    weft_subprocess_fini(&p);
    return 0;
}

IN_KIND(a_deadline_kills_it_with_its_descendants)
{
    struct weft_output out = { .size = sizeof out };
    const char *line = "sleep 1000 & echo $!; (sleep 1000 & echo $!; wait) & wait";
    CHECK_ERR(weft_subprocess_run(ARGV(line), OPTIONS(.flags = WEFT_SHELL), NULL, 0, &out,
                                  weft_after(300 * WEFT_MS)),
              -ETIMEDOUT);
    CHECK_SAYS(weft_why(), "deadline reached");
    int pids[2];
    CHECK_EQ(sscanf(out.out, "%d%d", &pids[0], &pids[1]), 2);
    UNTIL(is_gone(pids[0]) && is_gone(pids[1]));
    weft_output_fini(&out);
    return 0;
}

IN_KIND(a_tree_that_is_still_growing_is_killed_whole)
{
    const char *line = "f() { [ $1 = 0 ] && exec sleep 1000; for i in 1 2 3; do f $(($1 - 1)) & "
                       "done; wait; }; f 4";
    for (int i = 0; i < 5; i++) {
        char byte;
        int alive[2]; /* all of them have an end of it */
        CHECK_OK(weft_pipe(alive));
        struct weft_pass pass = { alive[1], 9 };
        CHECK_ERR(weft_subprocess_run(ARGV(line),
                                      OPTIONS(.flags = WEFT_SHELL, .pass = &pass, .pass_count = 1),
                                      NULL, 0, NULL, weft_after((i * 15 + 1) * WEFT_MS)),
                  -ETIMEDOUT);
        weft_close(alive[1]);
        CHECK_EQ(weft_read(alive[0], &byte, 1, SOON), 0);
        weft_close(alive[0]);
    }
    return 0;
}

IN_KIND(a_deadline_holds_though_a_grandchild_keeps_the_pipe)
{
    struct weft_output out = { .size = sizeof out };
    weft_subprocess p;
    CHECK_OK(weft_subprocess_start(&p, ARGV("/bin/sh", "-c", "sleep 1000 & echo $!; exit 5"),
                                   OPTIONS(.out.where = WEFT_PIPE, .flags = WEFT_OWN_GROUP)));
    CHECK_ERR(weft_subprocess_communicate(&p, NULL, 0, &out, weft_after(200 * WEFT_MS)), -ETIMEDOUT);
    int pid = atoi(out.out);
    CHECK_GT(pid, 0);
    CHECK_EQ(weft_subprocess_wait(&p, NULL, SOON), 5);
    CHECK(!is_gone(pid));
    weft_output_fini(&out);
    weft_subprocess_fini(&p);
    kill(pid, SIGKILL); /* it is nobody's any more, and nobody's to end but ours */
    return 0;
}

IN_KIND(communicate_goes_on_where_it_was)
{
    struct weft_output out = { .size = sizeof out };
    weft_subprocess p;
    int gate[2];
    CHECK_OK(weft_pipe(gate));
    struct weft_pass pass = { gate[0], 9 };
    CHECK_OK(weft_subprocess_start(
        &p, ARGV("/bin/sh", "-c", "head -c 3; read x <&9; cat"),
        OPTIONS(.in.where = WEFT_PIPE, .out.where = WEFT_PIPE, .pass = &pass, .pass_count = 1)));
    fcntl(gate[0], F_SETFL, 0);
    CHECK_ERR(weft_subprocess_communicate(&p, "abcdef", 3, &out, weft_after(50 * WEFT_MS)),
              -ETIMEDOUT);
    CHECK_EQ(weft_write(gate[1], "\n", 1, SOON), 1);
    CHECK_EQ(weft_subprocess_communicate(&p, "abcdef", 3, &out, SOON), 0);
    CHECK_STR(out.out, "abc");
    weft_output_fini(&out);
    weft_subprocess_fini(&p);
    weft_close(gate[0]);
    weft_close(gate[1]);
    return 0;
}

IN_KIND(the_environment_is_the_callers_with_changes)
{
    setenv("SUB_ONE", "1", 1);
    setenv("SUB_TWO", "2", 1);
    CHECK_STR(says("echo $SUB_ONE$SUB_TWO", NULL), "12\n");
    CHECK_STR(says("echo $SUB_ONE-$SUB_TWO-$SUB_NEW",
                   OPTIONS(.change = ARGV("SUB_TWO", "SUB_NEW=x", "SUB_NEW=y", "SUB_ONE=3"))),
              "3--y\n");
    struct weft_output out = { .size = sizeof out };
    CHECK_EQ(weft_subprocess_run(ARGV("env"),
                                 OPTIONS(.environment = ARGV("A=b"), .change = ARGV("C=d")), NULL,
                                 0, &out, SOON),
             0);
    CHECK_STR(out.out, "A=b\nC=d\n");
    weft_output_fini(&out);
    return 0;
}

IN_KIND(a_program_is_looked_for_in_the_path_that_it_gets)
{
    char path[300], setting[400];
    struct weft_output out = { .size = sizeof out };
    snprintf(path, sizeof path, "%s/greet", dir);
    FILE *f = fopen(path, "w");
    fputs("#!/bin/sh\necho hello\n", f);
    fclose(f);
    chmod(path, 0755);
    snprintf(setting, sizeof setting, "PATH=/no/such:%s:/bin", dir);
    CHECK_EQ(
        weft_subprocess_run(ARGV("greet"), OPTIONS(.change = ARGV(setting)), NULL, 0, &out, SOON),
        0);
    CHECK_STR(out.out, "hello\n");
    weft_output_fini(&out);
    CHECK_EQ(weft_subprocess_run(ARGV("other name"), OPTIONS(.program = path), NULL, 0, &out, SOON),
             0);
    weft_output_fini(&out);
    chmod(path, 0644);
    CHECK_ERR(
        weft_subprocess_run(ARGV("greet"), OPTIONS(.change = ARGV(setting)), NULL, 0, &out, SOON),
        -EACCES);
    return 0;
}

IN_KIND(steps_are_taken_in_their_order)
{
    char expected[400];
    snprintf(expected, sizeof expected, "%s\n0027\n40\n", dir);
    struct weft_step steps[] = { weft_step_folder("/"), weft_step_folder(dir), weft_step_umask(027),
                                 weft_step_limit(RLIMIT_NOFILE, 40, 40) };
    CHECK_STR(
        says("pwd; umask; ulimit -n", OPTIONS(.folder = "/etc", .steps = steps, .steps_count = 4)),
        expected);
    struct weft_step nicer = weft_step_nice(3);
    int before = getpriority(PRIO_PROCESS, 0);
    CHECK_EQ(atoi(says("nice", OPTIONS(.steps = &nicer, .steps_count = 1))), before + 3);
    struct weft_step session = weft_step_session(), own = weft_step_group(0);
    const char *ids = "cut -d' ' -f1,5,6 /proc/$$/stat";
    int pid, group_of, session_of;
    sscanf(says(ids, NULL), "%d%d%d", &pid, &group_of, &session_of);
    CHECK_EQ(group_of, getpgrp());
    sscanf(says(ids, OPTIONS(.steps = &session, .steps_count = 1)), "%d%d%d", &pid, &group_of,
           &session_of);
    CHECK(group_of == pid && session_of == pid);
    sscanf(says(ids, OPTIONS(.steps = &own, .steps_count = 1)), "%d%d%d", &pid, &group_of,
           &session_of);
    CHECK(group_of == pid && session_of == getsid(0));
    sscanf(says(ids, OPTIONS(.flags = WEFT_OWN_GROUP)), "%d%d%d", &pid, &group_of, &session_of);
    CHECK_EQ(group_of, pid);
    return 0;
}

IN_KIND(another_user_is_taken_on_and_the_caller_stays_who_it_is)
{
    if (geteuid() != 0)
        SKIP("not root");
    struct weft_step user = weft_step_user(65534, 65534);
    CHECK_STR(says("id -u; id -g; id -G", OPTIONS(.steps = &user, .steps_count = 1)),
              "65534\n65534\n65534\n");
    CHECK_EQ(geteuid(), 0u);
    CHECK_STR(says("stat -c %u /proc/$PPID/fd", NULL), "0\n"); /* it can be dumped still */
    return 0;
}

IN_KIND(it_has_three_descriptors_and_those_passed)
{
    int kept = open("/dev/null", O_RDONLY), fds[2];
    CHECK_OK(weft_pipe(fds));
    /* By the shell itself, which opens no other meanwhile. */
    const char *list = "i=0; while [ $i -lt 60 ]; do [ -e /proc/$$/fd/$i ] && echo -n \"$i \"; "
                       "i=$((i + 1)); done";
    CHECK_STR(says(list, NULL), "0 1 2 ");
    struct weft_pass pass[] = { { fds[1], 7 }, { kept, fds[1] } };
    char expected[32];
    snprintf(expected, sizeof expected, fds[1] > 7 ? "0 1 2 7 %d " : "0 1 2 %d 7 ", fds[1]);
    if (fds[1] == 7)
        pass[1].as = 8, snprintf(expected, sizeof expected, "0 1 2 7 8 ");
    CHECK_STR(says(list, OPTIONS(.pass = pass, .pass_count = 2)), expected);
    char text[8] = "";
    says("echo up >&7", OPTIONS(.pass = pass, .pass_count = 2));
    CHECK_EQ(weft_read(fds[0], text, sizeof text, SOON), 3);
    CHECK_STR(text, "up\n");
    close(kept);
    weft_close(fds[0]);
    weft_close(fds[1]);
    return 0;
}

IN_KIND(streams_lead_where_they_are_told)
{
    char path[300], text[64] = "";
    snprintf(path, sizeof path, "%s/out", dir);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_subprocess_run(ARGV("/bin/sh", "-c", "echo a; echo b >&2"),
                                     OPTIONS(.out.where = i ? WEFT_APPEND : WEFT_FILE,
                                             .out.path = path, .err.where = WEFT_MERGE),
                                     NULL, 0, NULL, SOON),
                 0);
    struct weft_output out = { .size = sizeof out };
    CHECK_EQ(weft_subprocess_run(ARGV("cat"), OPTIONS(.in.where = WEFT_FILE, .in.path = path), NULL,
                                 0, &out, SOON),
             0);
    CHECK_STR(out.out, "a\nb\na\nb\n");
    weft_output_fini(&out);
    int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    CHECK_EQ(weft_subprocess_run(ARGV("/bin/sh", "-c", "cat; echo c; echo d >&2"),
                                 OPTIONS(.in.where = WEFT_NOWHERE, .out.where = WEFT_NOWHERE,
                                         .err.where = WEFT_FD, .err.fd = fd),
                                 NULL, 0, NULL, SOON),
             0);
    CHECK_EQ(pread(fd, text, sizeof text, 0), 2);
    CHECK_STR(text, "d\n");
    close(fd);
    CHECK_EQ(weft_subprocess_run(ARGV("/bin/sh", "-c", "echo c; echo d >&2"),
                                 OPTIONS(.err.where = WEFT_MERGE), NULL, 0, &out, SOON),
             0);
    CHECK_STR(out.out, "c\nd\n");
    CHECK(!out.err);
    weft_output_fini(&out);
    return 0;
}

IN_KIND(a_program_that_asks_at_its_terminal_is_answered)
{
    const char *ask =
        "stty -echo; printf 'Password: '; read word; stty echo; echo; echo \"got $word\"; "
        "test -t 0 && test -t 2 && tty >/dev/null && echo </dev/tty there";
    char buf[256], text[256];
    weft_stream stream;
    weft_subprocess p;
    CHECK_OK(weft_subprocess_start(&p, ARGV("/bin/sh", "-c", ask), OPTIONS(.flags = WEFT_TERMINAL)));
    CHECK_OK(weft_stream_init(&stream, p.terminal, buf, sizeof buf));
    CHECK_EQ(weft_stream_read_until(&stream, "Password: ", text, sizeof text, SOON), 0);
    CHECK_OK(weft_stream_write(&stream, "secret\n", 7, SOON));
    CHECK_OK(weft_stream_flush(&stream, SOON));
    CHECK_EQ(weft_stream_read_line(&stream, text, sizeof text, SOON), 0);
    CHECK_GT(weft_stream_read_line(&stream, text, sizeof text, SOON), 0);
    CHECK_STR(text, "got secret");
    CHECK_GT(weft_stream_read_line(&stream, text, sizeof text, SOON), 0);
    CHECK_STR(text, "there");
    CHECK_EQ(weft_subprocess_wait(&p, NULL, SOON), 0);
    weft_subprocess_fini(&p);
    struct weft_output out = { .size = sizeof out };
    CHECK_EQ(weft_subprocess_run(ARGV("cat"), OPTIONS(.flags = WEFT_TERMINAL), "typed\n\4", 7, &out,
                                 SOON),
             0);
    CHECK_STR(out.out, "typed\r\ntyped\r\n");
    weft_output_fini(&out);
    return 0;
}

static void handler(int signo)
{
    (void)signo;
}

IN_KIND(signals_are_as_in_a_new_program)
{
    signal(SIGUSR1, handler);
    const char *status = says("exec cat /proc/self/status", NULL);
    CHECK_SAYS(status, "SigCgt:\t0000000000000000\n");
    CHECK_SAYS(status, "SigBlk:\t0000000000000000\n");
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

IN_KIND(an_ignored_sigchld_hides_no_status)
{
    signal(SIGCHLD, SIG_IGN);
    int r = weft_subprocess_run(ARGV("/bin/sh", "-c", "exit 7"), NULL, NULL, 0, NULL, SOON);
    if (r == -ECHILD)
        SKIP("the kernel does not tell the end of who was collected");
    CHECK_EQ(r, 7);
    CHECK_ERR(weft_subprocess_run(ARGV("/bin/sh", "-c", "kill -9 $$"), NULL, NULL, 0, NULL, SOON),
              -EOWNERDEAD);
    weft_subprocess p;
    CHECK_ERR(weft_subprocess_start(&p, ARGV("/no/such"), NULL), -ENOENT);
    signal(SIGCHLD, SIG_DFL);
    return 0;
}

IN_KIND(lines_come_while_it_runs)
{
    char buf[256], line[64];
    weft_stream lines;
    weft_subprocess p;
    CHECK_OK(weft_subprocess_start(&p, ARGV("/bin/sh", "-c", "echo one; read x; echo $x"),
                                   OPTIONS(.in.where = WEFT_PIPE, .out.where = WEFT_PIPE)));
    CHECK_OK(weft_stream_init(&lines, p.out, buf, sizeof buf));
    CHECK_EQ(weft_stream_read_line(&lines, line, sizeof line, SOON), 3);
    CHECK_STR(line, "one");
    CHECK_EQ(weft_write(p.in, "two\n", 4, SOON), 4);
    CHECK_EQ(weft_stream_read_line(&lines, line, sizeof line, SOON), 3);
    CHECK_STR(line, "two");
    CHECK_EQ(weft_subprocess_wait(&p, NULL, SOON), 0);
    weft_subprocess_fini(&p);
    return 0;
}

static int run_one(void *arg)
{
    struct weft_output out = { .size = sizeof out };
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)(intptr_t)arg);
    CHECK_EQ(
        weft_subprocess_run(ARGV("cat"), NULL, text, strlen(text), &out, weft_after(60 * WEFT_SEC)),
        0);
    CHECK_STR(out.out, text);
    weft_output_fini(&out);
    return 0;
}

IN_KIND(many_run_at_once)
{
    for (intptr_t i = 0; i < 40; i++)
        CHECK_OK(weft_group_spawn(&group, kind, run_one, (void *)i));
    finish();
    return 0;
}

static int run_long(void *arg)
{
    (void)arg;
    CHECK_ERR(weft_subprocess_run(ARGV("sleep", "1000"), NULL, NULL, 0, NULL, weft_never()),
              -ECANCELED);
    return -ECANCELED;
}

IN_KIND(cancelled_it_is_killed)
{
    weft_task task = start_task(run_long, NULL);
    UNTIL(waits_for(task, "poll"));
    CHECK_OK(weft_task_cancel(task));
    CHECK_ERR(weft_group_wait(&group, SOON), -ECANCELED);
    CHECK_EQ(processes_of_ours(), 0);
    return 0;
}

static int start_and_end(void *arg)
{
    return weft_subprocess_start(arg, ARGV("sleep", "1000"), NULL);
}

TEST_REAL(it_outlives_the_thread_that_started_it, REAL)
{
    weft_group g;
    weft_subprocess p;
    (void)t;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_OK(weft_group_spawn(&g, WEFT_THREAD, start_and_end, &p));
    CHECK_OK(weft_group_wait(&g, SOON));
    CHECK_OK(weft_sleep(weft_after(20 * WEFT_MS)));
    CHECK_ERR(weft_subprocess_wait(&p, NULL, weft_at_once()), -ETIMEDOUT);
    weft_subprocess_fini(&p);
    CHECK(is_gone(p.pid));
}

/* In a process of its own, which is killed: the number of what it has started. */
static int start_and_be_killed(unsigned flags)
{
    int pid = 0, ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        weft_subprocess p;
        int r = weft_subprocess_start(&p, ARGV("sleep", "1000"), OPTIONS(.flags = flags));
        r = r < 0 || write(ends[1], &p.pid, sizeof p.pid) < 0;
        if (flags && r == 0) {
            weft_subprocess_fini(&p); /* lets it go */
            exit(0);
        }
        pause();
    }
    CHECK_EQ(read(ends[0], &pid, sizeof pid), (ssize_t)sizeof pid);
    CHECK_GT(pid, 0);
    if (!flags) {
        CHECK(!is_gone(pid));
        kill(child, SIGKILL);
    }
    CHECK_EQ(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

TEST_REAL(it_dies_with_its_parent_unless_it_is_detached, REAL)
{
    (void)t;
    int pid = start_and_be_killed(0);
    UNTIL(is_gone(pid));
    pid = start_and_be_killed(WEFT_DETACHED);
    CHECK(!is_gone(pid));
    kill(pid, SIGKILL);
}

TEST(a_command_is_split_as_a_shell_does)
{
    static const struct {
        const char *command, *words; /* with | between them; NULL: an error */
    } cases[] = {
        { "", "" },
        { "  \t\n ", "" },
        { "ls -l /tmp", "ls|-l|/tmp" },
        { " a  b ", "a|b" },
        { "'a b' \"c d\"", "a b|c d" },
        { "a'b'c\"d\"e", "abcde" },
        { "''", ""
                "<>" },
        { "a\\ b \\'", "a b|'" },
        { "\"a\\\"b\\$c\\d\"", "a\"b$c\\d" },
        { "'a\\b'", "a\\b" },
        { "one\\\ntwo", "onetwo" },
        { "echo $HOME `x` *", "echo|$HOME|`x`|*" },
        { "中文 '你 好'", "中文|你 好" },
        { "'open", NULL },
        { "\"open", NULL },
        { "end\\", NULL },
    };
    (void)t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128] = "", **words;
        int n = weft_words(cases[i].command, &words);
        if (!cases[i].words) {
            CHECK_ERR(n, -EINVAL);
            continue;
        }
        CHECK_GE(n, 0);
        for (int j = 0; j < n; j++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", j ? "|" : "",
                     words[j][0] ? words[j] : "<>");
        CHECK_STR(text, cases[i].words);
        CHECK(!words[n]);
        weft_words_free(words);
    }
    weft_words_free(NULL);
}
