/* holder.c - see holder.h. */
#include "shared/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"

enum { PID_BITS = 22 }; /* the kernel's bound */

static uint32_t mine; /* 0: not asked yet */

struct status {
    uint64_t threads, began;
    bool ended; /* the first thread */
};

/* Fields after the name, from 0 on. */
enum { STATE, THREADS = 17, BEGAN = 19 };

static const char *field(const char *text, int n)
{
    const char *at = strrchr(text, ')'); /* a name may have any character */
    for (int i = 0; at && i <= n; i++)
        at = strchr(at + 1, ' ');
    return at ? at + 1 : "";
}

static uint64_t number(const char *text)
{
    uint64_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return n;
}

/* 0, or why it cannot be told. */
static int look(unsigned pid, struct status *is)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = weft__sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    ssize_t n = weft__sys_read(fd, text, sizeof text - 1);
    weft__sys_close(fd);
    if (n < 0)
        return (int)n;
    text[n] = 0;
    char state = *field(text, STATE);
    *is = (struct status){ .threads = number(field(text, THREADS)),
                           .began = number(field(text, BEGAN)),
                           .ended = state == 'Z' || state == 'X' };
    return is->began ? 0 : -EIO;
}

static uint32_t name(unsigned pid, uint64_t began)
{
    return pid | (uint32_t)(began * 0x9e3779b97f4a7c15u >> (32 + PID_BITS)) << PID_BITS;
}

uint32_t weft__stranger(void)
{
    uint32_t me = load_relaxed(&mine);
    if (unlikely(!me)) {
        struct status is;
        unsigned pid = (unsigned)weft__sys_getpid();
        if (look(pid, &is) < 0)
            return 0;
        store_relaxed(&mine, me = name(pid, is.began));
    }
    return me;
}

bool weft__stranger_is_dead(uint32_t stranger)
{
    struct status is;
    unsigned pid = stranger & ((1u << PID_BITS) - 1);
    if (stranger == weft__stranger())
        return false;
    if (weft__sys_kill((int)pid, 0) == -ESRCH)
        return true;
    return look(pid, &is) == 0 && (name(pid, is.began) != stranger || (is.ended && is.threads < 2));
}

void weft__stranger_forget(void)
{
    mine = 0;
}
