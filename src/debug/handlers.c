/* handlers.c - SIGQUIT prints all tasks; a stack overflow is named before the program dies.
 *
 * Installed under weft_run or on request, over the default action only. The overflow handler needs a
 * stack of its own, one a worker; guards answer SIGSEGV (mapping or access error) or SIGBUS (poison).
 */
#include <errno.h>
#include <signal.h>

#include "base/report.h"
#include "base/sys.h"
#include "debug/dump.h"
#include "sched/wait.h"

static void on_quit(int signo)
{
    (void)signo;
    int *at = weft__sys_errno(), saved = *at;
    weft__dump(2);
    *at = saved;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    uint32_t slot;
    bool guard;
    if (weft__stack_find(info->si_addr, &slot, &guard) && guard && weft__stack_top(slot)) {
        struct weft__task *task =
            (struct weft__task *)(void *)(weft__stack_top(slot) - WEFT__STACK_DESCRIPTOR);
        size_t size;
        weft__stack_low(slot, &size);
        weft__report("weft: %s '%s' spawned as %s overflowed its %zu KiB stack\n",
                     task->kind == WEFT_THREAD ? "thread"
                     : task->kind              ? "coroutine"
                                               : "generator or fiber",
                     weft__task_name(task), task->site ? task->site : "?", (size + 4096) / 1024);
    }
    struct sigaction plain = { .sa_handler = SIG_DFL };
    weft__sys_sigaction(signo, &plain, NULL); /* the fault happens again and kills as it should */
}

static void install(int signo, void (*handler)(int), void (*info)(int, siginfo_t *, void *))
{
    struct sigaction old, new = { .sa_flags = SA_RESTART | SA_ONSTACK };
    if (weft__sys_sigaction(signo, NULL, &old) < 0 || old.sa_flags & SA_SIGINFO ||
        old.sa_handler != SIG_DFL)
        return;
    if (info) {
        new.sa_sigaction = info;
        new.sa_flags |= SA_SIGINFO | SA_NODEFER;
    } else {
        new.sa_handler = handler;
    }
    weft__sys_sigaction(signo, &new, NULL);
}

void weft__handlers_install(void)
{
    install(SIGQUIT, on_quit, NULL);
    install(SIGSEGV, NULL, on_fault);
    install(SIGBUS, NULL, on_fault);
}
