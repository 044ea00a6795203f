/* file.c - open, flush, ask. What is in the kernel's caches is answered at once, the rest by a helper. */
#include "io/io.h"

#include <string.h>

#include <weft/offload.h>

#include "os/uapi.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* Linux 5.12 */
#endif

struct opening {
    int dir;
    const char *path;
    struct open_how how;
    int tries;
};

enum { TRIES = 100 };

static int open_now(void *arg)
{
    struct opening *o = arg;
    int r;
    do /* a ".." beside a rename cannot be judged, so the kernel asks to try again */
        r = weft__sys_openat2(o->dir, o->path, &o->how);
    while (r == -EINTR || (r == -EAGAIN && o->how.resolve & RESOLVE_BENEATH && ++o->tries < TRIES));
    if (r == -ENOSYS && o->how.resolve == 0)
        r = weft__sys_openat(o->dir, o->path, (int)o->how.flags, (mode_t)o->how.mode);
    return r;
}

static int open_any(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct weft__task *self;
    flags |= flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK;
    struct opening o = {
        .dir = dir,
        .path = path,
        .how = { .flags = (uint64_t)(unsigned)flags,
                 .mode = flags & (O_CREAT | __O_TMPFILE) ? mode & 07777 : 0,
                 .resolve = resolve },
    };
    int r = weft__wait_enter(&self);
    if (r < 0)
        return r;
    if (weft__is_coroutine(self) && !(flags & (O_CREAT | O_TRUNC))) {
        o.how.resolve = resolve | RESOLVE_CACHED;
        r = weft__sys_openat2(dir, path, &o.how);
        if (r != -EAGAIN && r != -EINVAL && r != -ENOSYS)
            return r;
        o.how.resolve = resolve;
    }
    return weft__is_coroutine(self) ? weft__offload(WEFT__FOR_FILES, open_now, &o) : open_now(&o);
}

bool weft__is_in_memory(const char *path)
{
    char text[4096];
    struct iovec room = { text, sizeof text };
    struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC, .resolve = RESOLVE_CACHED };
    int fd = weft__sys_openat2(AT_FDCWD, path, &how);
    if (fd < 0)
        return fd == -ENOENT;
    ssize_t n = weft__sys_preadv2(fd, &room, 1, 0, RWF_NOWAIT);
    weft__sys_close(fd);
    return n >= 0 && n < (ssize_t)sizeof text;
}

static int open_file(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    int r = open_any(dir, path, flags, mode, resolve);
    if (r == -EFAULT)
        return weft__failed(r, "open, no text at %p", (const void *)path);
    if (r < 0 && r != -ECANCELED)
        weft__failed(r, "open %s%s", path, r == -EXDEV ? ", which leads out of its folder" : "");
    return r;
}

int weft_open(const char *path, int flags, mode_t mode)
{
    return open_file(AT_FDCWD, path, flags, mode, 0);
}

int weft_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
    return open_file(dir, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

static int fsync_now(void *arg)
{
    return weft__sys_fsync(*(int *)arg);
}

int weft_fsync(int fd)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    return r < 0 ? r : weft__offload(WEFT__FOR_FILES, fsync_now, &fd);
}

int weft_fstat(int fd, struct stat *out)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    return r < 0    ? r
           : fd < 0 ? -EBADF
                    : weft__sys_fstat(fd, out); /* the kernel has an open file's */
}

int weft_dup(int fd)
{
    return weft__sys_dup(fd);
}
