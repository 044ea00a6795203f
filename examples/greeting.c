/* greeting - one word changes where the work runs.
 *
 *     make example greeting
 *
 * A task is a function; its kind says what carries it. A group is where tasks are started, and the
 * wait is where they have all ended. The tasks run at the same time, so their lines come in any
 * order and are compared as a set.
 */
#include <stdio.h>
#include <weft.h>

static int greet(void *arg)
{
    printf("hello from %s\n", (char *)arg);
    return 0;
}

int main(void)
{
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_PROCESS, greet, "a process");
    weft_group_spawn(&g, WEFT_THREAD, greet, "a thread");
    weft_group_spawn(&g, WEFT_COROUTINE, greet, "a coroutine");
    return weft_group_wait(&g, weft_never()) < 0;
}
