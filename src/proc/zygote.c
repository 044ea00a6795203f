/* zygote.c - a process that does nothing but clone itself; see proc.h.
 *
 * The reaper forks it while all else stands still, so libc and whatever lies in memory are whole in it. It has
 * one thread, no descriptor but its own, and every signal blocked; it dies with the reaper's thread, which never
 * ends by itself. Its clones are its siblings: children of the program, whose end is told to nobody. */
#include <errno.h>
#include <linux/prctl.h>

#include "base/sys.h"
#include "io/io.h"
#include "proc/proc.h"

enum { PATIENCE = 1000000000 /* ns, for all to come to rest */ };

int weft__root_pid;
bool weft__zygote_forks;
static int requests;

static void close_all_but(const int *keep, int count) /* in ascending order */
{
    unsigned from = 0;
    for (int i = 0; i < count; i++) {
        if ((unsigned)keep[i] > from)
            weft__sys_close_range(from, (unsigned)keep[i] - 1);
        from = (unsigned)keep[i] + 1;
    }
    weft__sys_close_range(from, ~0u);
}

/* As after exec: what the program catches would run its handlers in the tasks, which have nothing of what these are
 * about. Those for faults and SIGQUIT stay, they tell of crashes and dump; and a task's own children want SIGCHLD. */
static void default_signals(void)
{
    static const int told[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGQUIT };
    uint64_t keep = 0;
    for (unsigned i = 0; i < ARRAY_LEN(told); i++)
        keep |= (uint64_t)1 << told[i];
    for (int signo = 1; signo <= 64; signo++) {
        struct sigaction is;
        if (signo < 64 && keep >> signo & 1)
            continue;
        if (weft__sys_sigaction(signo, NULL, &is) == 0 && is.sa_handler != SIG_DFL &&
            (is.sa_handler != SIG_IGN || signo == SIGCHLD))
            weft__sys_sigaction(signo, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    }
    weft__signals_forget();
}

static void settle(int theirs)
{
    int keep[] = { weft__proc_ways.bell, weft__proc_ways.log, theirs };
    for (int i = 1; i < 3; i++)
        for (int j = i; j > 0 && keep[j] < keep[j - 1]; j--) {
            int higher = keep[j - 1];
            keep[j - 1] = keep[j];
            keep[j] = higher;
        }
    close_all_but(keep, 3);
    if (weft__sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0) != 0 || weft__sys_dup_to(0, 1) < 0 ||
        weft__sys_dup_to(0, 2) < 0) /* what is passed would come in their place */
        weft__sys_exit_now(1);
    WEFT__SYS1(SYS_chdir, "/");
    weft__sys_prctl(PR_SET_NAME, (unsigned long)"weft-zygote");
    weft__sys_input_forget();
    default_signals();
    if (weft__credentials_note() < 0 || weft__sys_on_exit(weft__child_at_exit) < 0)
        weft__sys_exit_now(1);
    weft__proc_forget();
}

static void handle(weft__process_id id, int *fds, int count)
{
    struct weft__proc *task = weft__proc(id);
    uint32_t asked = WEFT__PROC_ASKED;
    if (load_acquire(&task->start) == asked) {
        weft__credentials_processes(
            ((struct weft__request *)load_acquire(&task->request))->processes);
        int r = weft__sys_clone_sibling(&task->pid);
        if (r == 0) {
            weft__sys_close(requests);
            weft__child_main(id, fds, count);
        }
        if (r < 0) {
            shared_store(&task->error, r);
            shared_swap(&task->start, &asked, WEFT__PROC_FAILED);
        }
    }
    shared_store(&task->handled, id);
    weft__reaper_ring();
    for (int i = 0; i < count; i++)
        weft__sys_close(fds[i]);
}

static _Noreturn void serve(void)
{
    for (;;) {
        weft__process_id id = 0;
        union {
            struct cmsghdr head;
            char room[CMSG_SPACE(WEFT__PASSED * sizeof(int))];
        } control;
        struct iovec iov = { &id, sizeof id };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };
        ssize_t n = weft__sys_recvmsg(requests, &msg, MSG_CMSG_CLOEXEC);
        if (n == -EINTR)
            continue;
        if (n != sizeof id)
            weft__sys_exit_now(0);
        const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        int fds[WEFT__PASSED], count = 0;
        if (c && c->cmsg_type == SCM_RIGHTS) {
            count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            __builtin_memcpy(fds, CMSG_DATA(c), (size_t)count * sizeof(int));
        }
        handle(id, fds, count);
    }
}

int weft__zygote_make(int theirs, char *why, size_t room)
{
    static bool tested;
    int root = weft__sys_getpid(), r = tested ? 0 : weft__sys_clone_test();
    if (r == -ENOTSUP)
        weft__sys_copy_text(why, room, "libc does not know itself in a clone on this system");
    tested = r == 0;
    if (r == 0)
        r = weft__halt(weft__now() + PATIENCE, why, room);
    if (r < 0)
        return r;
    weft__sys_flush(); /* or the clones would write it again */
    weft__zygote_forks = true;
    r = weft__sys_fork_silent();
    weft__zygote_forks = false;
    if (r == 0) {
        weft__root_pid = root;
        requests = theirs;
        weft__sys_prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (weft__sys_getppid() != root)
            weft__sys_exit_now(0);
        settle(theirs);
        serve();
    }
    weft__halt_end();
    return r;
}
