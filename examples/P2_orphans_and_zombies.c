/* P2 - a process whose parent ends first is an orphan; one that nobody collects is a zombie.
 *
 *     make example P2
 *
 * Three cures, as every course has them, and the fourth: a process task, where nothing is left to do.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

/* The letter that ps shows; '-' there is no such process. */
static char state_of(int pid)
{
    char path[32], state = '-';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = '-';
    if (f)
        fclose(f);
    return state;
}

static char until(int pid, char state) /* it comes by itself */
{
    while (state_of(pid) != state)
        usleep(1000);
    return state;
}

static int child_that_ends(void)
{
    int pid = weft_fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

/* Its parent ends at once; then it says who its parent is now. */
static int parent_of_a_grandchild(void)
{
    int tell[2], parent = 0, middle = pipe(tell) < 0 ? -1 : weft_fork();
    if (middle == 0) {
        int before = getpid();
        if (weft_fork() == 0) {
            while ((parent = getppid()) == before)
                usleep(1000);
            _exit(write(tell[1], &parent, sizeof parent) < 0);
        }
        _exit(0);
    }
    if (weft_fork_wait(middle, NULL, weft_never()) < 0 || read(tell[0], &parent, sizeof parent) < 0)
        return -1;
    return parent;
}

static int nothing(void *arg)
{
    *(int *)arg = getpid();
    return 0;
}

int main(void)
{
    int pid = child_that_ends();
    printf("ended, not collected: %c\n", until(pid, 'Z'));
    int r = weft_fork_wait(pid, NULL, weft_never());
    printf("cure 1, wait for it: %c\n", r < 0 ? '?' : state_of(pid));
    int parent = parent_of_a_grandchild();
    printf("cure 2, fork twice: an orphan, adopted: %d, so not ours to collect\n",
           parent > 0 && parent != getpid());
    signal(SIGCHLD, SIG_IGN);
    printf("cure 3, ignore SIGCHLD: %c\n", until(child_that_ends(), '-'));
    signal(SIGCHLD, SIG_DFL);
    r = weft_map(WEFT_PROCESS, nothing, &pid, 1, weft_never());
    printf("cure 4, a process task: %c\n", r < 0 ? '?' : state_of(pid));
    return 0;
}
