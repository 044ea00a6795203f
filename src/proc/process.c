/* process.c - the calls that are about processes alone: weft/process.h. */
#include <errno.h>
#include <weft/fd.h>
#include <weft/group.h>

#include "base/report.h"
#include "base/sys.h"
#include "proc/proc.h"

/* The slot of a process task that this process has spawned. */
static int slot_of(weft_task task, weft__process_id *id)
{
    struct weft__task *found = weft__task_find(task);
    if (!found)
        return -ESRCH;
    if (!(load_relaxed(&found->flags) & WEFT__REMOTE))
        return -EINVAL;
    *id = load_acquire(&found->remote);
    return weft__task_find(task) == found && *id && !weft__process_is_dead(*id) ? 0 : -ESRCH;
}

int weft_task_pid(weft_task task)
{
    weft__process_id id;
    if (task.id && task.id == weft_task_self().id)
        return weft__sys_getpid();
    int r = slot_of(task, &id), pid = r < 0 ? r : weft__kinds[WEFT_PROCESS]->pid(id);
    return pid ? pid : -ESRCH;
}

int weft_process_parent(void)
{
    if (weft__root_pid == 0)
        return weft__sys_getppid();
    weft__process_id parent = weft__proc(weft__me)->parent;
    if ((parent & (WEFT__PROCESSES - 1)) == 0)
        return weft__root_pid;
    return weft__kinds[WEFT_PROCESS]->pid(parent);
}

int weft_task_kill(weft_task task, int signo)
{
    weft__process_id id;
    int r = slot_of(task, &id);
    if (r < 0)
        return r;
    int pid = weft__kinds[WEFT_PROCESS]->pid(id), pidfd = pid ? weft__sys_pidfd_open(pid) : -ESRCH;
    if (pidfd < 0)
        return pidfd;
    /* Not collected when looked at again, so the number was its own when the descriptor was made. */
    r = weft__kinds[WEFT_PROCESS]->pid(id) == pid ? weft__sys_pidfd_kill(pidfd, signo) : -ESRCH;
    weft__sys_close(pidfd);
    return r;
}

int weft_fork(void)
{
    return weft__sys_fork();
}

int weft_fork_wait(int pid, struct weft_exit *out, weft_deadline deadline)
{
    int code = 0, status = 0;
    if (out && out->size != sizeof *out)
        return -EINVAL;
    int pidfd = pid > 0 ? weft__sys_pidfd_open(pid) : -ECHILD;
    if (pidfd < 0)
        return pidfd == -ESRCH ? -ECHILD : pidfd;
    int r = weft__sys_collect(pidfd, &code, &status);
    if (r == -EAGAIN) {
        r = weft_poll(pidfd, POLLIN, deadline);
        if (r >= 0)
            r = weft__sys_collect(pidfd, &code, &status);
    }
    weft__sys_close(pidfd);
    if (r == 0 && out) {
        bool killed = code != CLD_EXITED;
        *out = (struct weft_exit){ .size = sizeof *out,
                                   .result = killed ? -EOWNERDEAD : status,
                                   .signal = killed ? status : 0,
                                   .core = code == CLD_DUMPED };
    }
    return r;
}

int weft_drop(unsigned user, unsigned group)
{
    if (weft__proc_count() > 0)
        return weft__failed(-EBUSY, "drop privileges: process tasks live");
    int r = weft__sys_become(user, group);
    if (r < 0)
        return weft__failed(r, "drop privileges to user %u, group %u", user, group);
    if (weft__root_pid)
        weft__child_bind();
    return weft__proc_anew();
}
