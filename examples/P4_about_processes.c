/* P4 - what is known of a process task: numbers, name, whether it lives, how it ended, and ending it.
 *
 *     make example P4
 *
 * os.getpid and os.getppid say what the kernel says. name, pid, is_alive, exitcode, terminate, kill and
 * daemon have their counterparts. Numbers differ from run to run, so they are compared here and not printed.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <weft.h>

struct answer {
    int pid, parent, told;
    char name[16]; /* the kernel's: at most 15 bytes, as ps shows it */
};

static int who_am_i(void *arg)
{
    struct answer *a = arg;
    a->pid = getpid();
    a->parent = getppid();
    a->told = weft_process_parent();
    prctl(PR_GET_NAME, a->name);
    return 5;
}

static int sleeper(void *arg)
{
    (void)arg;
    return weft_sleep(weft_never());
}

int main(void)
{
    weft_group g;
    weft_task task;
    struct answer a = { 0 };
    struct weft_exit end = { .size = sizeof end };
    struct weft_spawn more = { .size = sizeof more, .name = "asker", .task = &task };
    weft_group_init(&g, WEFT_KEEP_GOING);

    weft_group_spawn_at(&g, WEFT_PROCESS, who_am_i, &a, sizeof a, &more, WEFT_SITE(who_am_i));
    if (weft_task_join(task, &end, weft_never()) < 0)
        return 1;
    printf("its pid is another than ours: %d\n", a.pid > 0 && a.pid != getpid());
    printf("its parent is this program, by the kernel %d, by weft %d\n", a.parent == getpid(),
           a.told == getpid());
    printf("its name: %s; exit code %d; alive: %d\n", a.name, end.result, weft_task_is_alive(task));

    more.name = "sleeper";
    weft_group_spawn_with(&g, WEFT_PROCESS, sleeper, NULL, &more);
    printf("sleeper: alive %d, a process by the kernel %d", weft_task_is_alive(task),
           kill(weft_task_pid(task), 0) == 0);
    weft_task_kill(task,
                   SIGTERM); /* terminate(); kill() is SIGKILL, and weft_task_cancel asks first */
    if (weft_task_join(task, &end, weft_never()) < 0)
        return 1;
    printf(", terminated: ended by a signal: %s, alive %d\n", strsignal(end.signal),
           weft_task_is_alive(task));
    if (weft_group_wait(&g, weft_never()) == -EOWNERDEAD)
        printf("its group says: %s\n", weft_strerror(-EOWNERDEAD));

    weft_group_spawn(weft_background(), WEFT_PROCESS | WEFT_DAEMON, sleeper, NULL);
    return 0; /* a daemon: it ends with the program */
}
