/* P14 - the states of a process, as /proc shows them, beside those of the textbooks.
 *
 *     make example P14
 *
 * The textbook's three: ready, running, blocked; with new and terminated five. Linux shows ready and running
 * as one letter, since it changes a thousand times a second, and has a letter for who is stopped.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

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

static void show(int pid, char letter, const char *what, const char *textbook)
{
    while (state_of(pid) != letter && weft_sleep(weft_after(WEFT_MS)) == 0)
        ;
    printf("%-26s %c   %s\n", what, state_of(pid), textbook);
}

static int child(int computes)
{
    int pid = weft_fork();
    for (volatile int going = 1; pid == 0 && going;)
        if (!computes)
            pause();
    return pid;
}

int main(void)
{
    int busy = child(1), idle = child(0);
    if (busy < 0 || idle < 0)
        return 1;
    printf("%-26s ps  textbook\n", "it");
    show(busy, 'R', "computes", "ready or running");
    show(idle, 'S', "waits", "blocked");
    kill(busy, SIGSTOP);
    show(busy, 'T', "was stopped", "blocked, until it is told to go on");
    kill(busy, SIGCONT);
    show(busy, 'R', "goes on", "ready or running");
    kill(busy, SIGKILL);
    kill(idle, SIGKILL);
    show(busy, 'Z', "ended, nobody collects it", "terminated: its exit code is all that is left");
    if (weft_fork_wait(busy, NULL, weft_never()) < 0 || weft_fork_wait(idle, NULL, weft_never()) < 0)
        return 1;
    show(busy, '-', "was collected", "gone");
    return 0;
}
