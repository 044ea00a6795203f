/* P1 - a plain fork: one program calls it, two return from it.
 *
 *     make example P1
 *
 * os.fork() is weft_fork(): the child has a copy of everything as it is at that moment, text that waits in
 * stdout's buffer too, which is why it is flushed before. What either changes later, the other does not see.
 * os._exit(n) is _exit(n), sys.exit(n) is exit(n), and sys.exit("text") is the text on standard error and 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft.h>

static int money = 100;

static int collect(int pid)
{
    struct weft_exit end = { .size = sizeof end };
    return weft_fork_wait(pid, &end, weft_never()) < 0 ? -1 : end.result;
}

int main(void)
{
    int me = getpid();
    printf("before: money %d\n", money);
    fflush(stdout);

    int pid = weft_fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        money -= 30;
        printf("child: fork gave me 0; getppid is the program's pid: %d; money %d\n",
               getppid() == me, money);
        fflush(stdout);
        _exit(7); /* nothing else is done: no handler runs, no buffer is written */
    }
    int status = collect(pid); /* os.wait, but only this task waits, and it may have a deadline */
    printf("parent: fork gave me a pid: %d; the child ended with %d; money %d\n", pid > 0, status,
           money);
    fflush(stdout);

    pid = weft_fork();
    if (pid < 0)
        return 1;
    if (pid == 0) {
        fputs("out of money\n", stderr);
        exit(1);
    }
    printf("parent: the second one said why on standard error, and ended with %d\n", collect(pid));
    return 0;
}
