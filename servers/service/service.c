/* service.c - see service.h. */
#include "service/service.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/signal.h>

size_t service_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit more = { limit.rlim_max, limit.rlim_max };
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            limit = more;
    }
    size_t all = limit.rlim_cur == RLIM_INFINITY ? 1 << 20 : (size_t)limit.rlim_cur;
    size_t spare = all / 16 > 64 ? all / 16 : 64;
    return all > spare + 64 ? all - spare : all / 2;
}

static weft_signal ends;

static int watch(void *arg)
{
    int signo = weft_signal_wait(&ends, weft_never());
    if (signo < 0)
        return signo;
    fprintf(stderr, "weft: ending; once more ends at once\n");
    weft_group_cancel(arg);
    signo = weft_signal_wait(&ends, weft_never());
    if (signo > 0)
        _exit(128 + signo);
    return signo;
}

int service_end_on_signals(weft_group *group)
{
    signal(SIGPIPE, SIG_IGN); /* whoever reads the log may go */
    int r = weft_signal_init(&ends, (const int[]){ SIGTERM, SIGINT }, 2);
    return r < 0 ? r
                 : weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, watch, group);
}
