/* I9 - a signal as a task: what is done about it may wait, print and take locks.
 *
 *     make example I9          sends signals to itself
 *     make example I9 ARGS=1   waits for yours: kill -HUP, kill -USR1; ctrl-C ends it
 *
 * A signal handler may do next to nothing, for it interrupts just anything. Here the signal starts a
 * coroutine, in which everything is allowed, while further signals are served.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

static weft_signal signals;
static weft_event word_came, noticed, end;
static weft_lock files = WEFT_LOCK_INIT;

static void on_signal(int signo, void *arg)
{
    (void)arg;
    if (signo == SIGINT) {
        weft_event_set(&end);
    } else if (signo == SIGUSR1) {
        printf("user signal: that was the word\n");
        weft_event_set(&word_came);
    } else {
        weft_lock_enter(&files); /* a lock, and a wait with it held */
        printf("hang-up: the files are mine until a user signal comes\n");
        weft_event_set(&noticed);
        if (weft_event_wait(&word_came, weft_never()) == 0)
            printf("the files are free\n");
        weft_lock_leave(&files);
    }
}

static int serve(void *arg)
{
    return weft_signal_serve(&signals, on_signal, arg, weft_never());
}

int main(int argc, char **argv)
{
    weft_group group;
    const int wanted[] = { SIGINT, SIGHUP, SIGUSR1 };
    if (weft_signal_init(&signals, wanted, 3) < 0)
        return 1;
    weft_group_init(&group, 0);
    weft_group_spawn(&group, WEFT_COROUTINE, serve, NULL);
    (void)argv;
    if (argc > 1) {
        printf("process %d serves signals\n", (int)getpid());
    } else {
        kill(getpid(), SIGHUP);
        if (weft_event_wait(&noticed, weft_after(10 * WEFT_SEC)) == 0)
            kill(getpid(), SIGUSR1);
        weft_lock_enter(&files); /* as long as the handler has them */
        weft_lock_leave(&files);
        kill(getpid(), SIGINT);
    }
    int r = weft_event_wait(&end, weft_never());
    weft_group_cancel(&group);
    weft_group_wait(&group, weft_never());
    weft_signal_fini(&signals);
    printf("interrupted: the end\n");
    return r < 0;
}
