/* descent.c - kill a process and all that descend from it.
 *
 * Who is to be killed is stopped first, so that it starts nobody meanwhile; its children are looked up when it is. A
 * stop takes effect a moment after the signal; so the looks are repeated until one finds nobody new. A number that
 * was read may be another's by now: it counts when the process that has it, held by its descriptor, names one of
 * ours as its parent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/sys.h"
#include "proc/launch.h"

struct descent {
    struct one {
        int pid, pidfd;
    } * list;
    size_t count, room;
    int error;
};

static bool has(const struct descent *d, int pid)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->list[i].pid == pid)
            return true;
    return false;
}

static int put(struct descent *d, int pid, int pidfd)
{
    if (d->count == d->room) {
        size_t room = d->room ? 2 * d->room : 16;
        struct one *list = weft__alloc(room * sizeof *list, 16);
        if (!list)
            return -ENOMEM;
        if (d->count)
            memcpy(list, d->list, d->count * sizeof *list);
        weft__release(d->list, d->room * sizeof *list);
        d->list = list;
        d->room = room;
    }
    d->list[d->count++] = (struct one){ pid, pidfd };
    return weft__sys_pidfd_kill(pidfd, SIGSTOP);
}

static int parent_of(int pid)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = weft__sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd < 0 ? fd : weft__sys_read(fd, text, sizeof text - 1);
    if (fd >= 0)
        weft__sys_close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *at = strrchr(text, ')');
    return at ? (int)strtol(at + 4, NULL, 10) : -1; /* ") S 123" */
}

static void add(struct descent *d, int pid, int parent)
{
    int pidfd = weft__sys_pidfd_open(pid);
    if (pidfd >= 0 && parent_of(pid) == parent) {
        int r = put(d, pid, pidfd);
        if (r == -ENOMEM) {
            weft__sys_pidfd_kill(pidfd, SIGKILL);
            weft__sys_close(pidfd);
        }
        d->error = r == -ENOMEM || r == -EPERM ? r : d->error;
        return;
    }
    if (pidfd >= 0)
        weft__sys_close(pidfd);
    else if (pidfd != -ESRCH)
        d->error = pidfd;
}

/* "12 345 ", of any length. */
static void look_at_thread(struct descent *d, int dir, const char *thread, int pid)
{
    char text[4096], path[40];
    snprintf(path, sizeof path, "%.20s/children", thread);
    int fd = weft__sys_openat(dir, path, O_RDONLY | O_CLOEXEC, 0), child = 0;
    for (ssize_t n; fd >= 0 && (n = weft__sys_read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                child = child * 10 + (text[i] - '0');
                continue;
            }
            if (child && !has(d, child))
                add(d, child, pid);
            child = 0;
        }
    if (fd >= 0)
        weft__sys_close(fd);
}

/* The children of each of its threads. The kernel tells all of them when none of these runs. */
static void look_at(struct descent *d, int pid)
{
    char path[32];
    struct {
        uint64_t ino, off;
        unsigned short size;
        unsigned char type;
        char name[4096];
    } some;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    int dir = weft__sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    for (long n; dir >= 0 && (n = WEFT__SYS3(SYS_getdents64, dir, &some, sizeof some)) > 0;)
        for (const char *at = (const char *)&some, *end = at + n; at < end;) {
            unsigned short size;
            memcpy(&size, at + offsetof(__typeof__(some), size), sizeof size);
            const char *name = at + offsetof(__typeof__(some), name);
            if (name[0] != '.')
                look_at_thread(d, dir, name, pid);
            at += size;
        }
    if (dir >= 0)
        weft__sys_close(dir);
}

int weft__descent_kill(int pid, int pidfd, bool group)
{
    struct descent d = { .error = 0 };
    int own = weft__sys_fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    int r = own < 0 ? own : put(&d, pid, own);
    if (r == -ENOMEM)
        weft__sys_close(own);
    else if (r == -ESRCH) /* it has ended; others may be there */
        r = 0;
    for (size_t before = 0; before != d.count;) {
        before = d.count;
        for (size_t i = 0; i < d.count; i++)
            look_at(&d, d.list[i].pid);
    }
    if (group)
        WEFT__SYS2(SYS_kill, -pid, SIGKILL);
    for (size_t i = 0; i < d.count; i++) {
        weft__sys_pidfd_kill(d.list[i].pidfd, SIGKILL);
        weft__sys_close(d.list[i].pidfd);
    }
    weft__release(d.list, d.room * sizeof *d.list);
    if (r < 0) /* not even the first: at least that one */
        weft__sys_pidfd_kill(pidfd, SIGKILL);
    return r < 0 ? r : d.error;
}
