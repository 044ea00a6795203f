/* segment.c - memory with a name.
 *
 * A file, mapped. Two locks of the kernel's on its first bytes (of the open file, so that they end with the
 * process) say who is where: BUSY is held while somebody comes or goes, PRESENT is shared by all who are in.
 * So under BUSY it is plain to see whether anyone else is in: whoever can have PRESENT alone is alone.
 *
 * Head, data, and behind them the yard: as many blocks as the data has room for objects, of which only those that
 * were taken have memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <weft/segment.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "sched/task.h"
#include "shared/range.h"
#include "shared/tree.h"

#define MAGIC 0x32746e656d676573ull /* "segment2" */
enum { HEAD = 64, PAGE = 4096 };
#define YARD_MAX (1ull << 30)
enum place { BUSY, PRESENT };

struct head {
    uint64_t magic; /* last: it is prepared */
    uint64_t size;
    struct weft__yard yard;
};

_Static_assert(sizeof(struct head) <= HEAD, "the data begins behind it");

static uint64_t before_yard(uint64_t size)
{
    return (HEAD + size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static uint64_t yard_of(uint64_t size)
{
    uint64_t yard = (64 << 10) + (2 * size + PAGE - 1) / PAGE * PAGE;
    return yard < YARD_MAX ? yard : YARD_MAX;
}

static uint64_t whole(uint64_t size)
{
    return before_yard(size) + yard_of(size);
}

static int lock(int fd, enum place place, short type)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };
    int r = weft__sys_fcntl(fd, F_OFD_SETLK, (long)&l);
    return r == -EACCES ? -EAGAIN : r;
}

/* Nobody tells when a lock of the kernel's is let go: look again and again. */
static int lock_wait(int fd, enum place place, weft_deadline deadline)
{
    int r;
    weft_span pause = WEFT_MS;
    while ((r = lock(fd, place, F_WRLCK)) == -EAGAIN) {
        weft_time now = weft_now();
        if (now.ns >= deadline.ns)
            return -ETIMEDOUT;
        int64_t next = now.ns + pause;
        r = weft_sleep(weft_at((weft_time){ next < deadline.ns ? next : deadline.ns }));
        if (r < 0)
            return r;
        pause = pause < 16 * WEFT_MS ? pause * 2 : pause;
    }
    return r;
}

static int failed(int err, const char *path, const char *why)
{
    return weft__failed(err, "segment %s: %s", path, why ? why : weft_strerror(err));
}

/* The file, ours alone to look at, and what it is now. The name may have gone, or lead elsewhere, meanwhile. */
static int open_busy(const char *path, weft_deadline deadline, struct stat *is)
{
    for (;;) {
        struct stat named;
        int fd = weft__sys_openat(AT_FDCWD, path,
                                  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
        if (fd < 0)
            return failed(fd, path, NULL);
        int r = weft__sys_fstat(fd, is);
        const char *why = NULL;
        if (r == 0 &&
            (!S_ISREG(is->st_mode) || is->st_uid != weft__sys_geteuid() || is->st_mode & 077)) {
            r = -EPERM;
            why = !S_ISREG(is->st_mode) ? "no plain file"
                  : is->st_mode & 077   ? "others may read or write it"
                                        : "another user's";
        }
        if (r == 0)
            r = lock_wait(fd, BUSY, deadline);
        if (r == 0)
            r = weft__sys_fstat(fd, is);
        if (r == 0 && weft__sys_stat(path, &named) == 0 && named.st_ino == is->st_ino &&
            named.st_dev == is->st_dev)
            return fd;
        weft__sys_close(fd);
        if (r < 0)
            return failed(r, path, why);
    }
}

static int map(weft_segment *s, size_t size)
{
    void *at = weft__sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->_fd, 0);
    if (weft__sys_mmap_failed(at))
        return (int)(intptr_t)at;
    int r = weft__range_add(at, size, &((struct head *)at)->yard);
    if (r < 0) {
        weft__sys_munmap(at, size);
        return r;
    }
    s->_map = at;
    s->_size = size;
    return 0;
}

static void unmap(weft_segment *s)
{
    if (s->_map) {
        weft__range_remove(s->_map);
        weft__sys_munmap(s->_map, s->_size);
    }
}

/* Nobody is in it: begin from nothing, with memory for all of it, so that no store is a SIGBUS later. */
static int make(weft_segment *s, size_t size, int (*prepare)(void *, void *), void *arg)
{
    int r = weft__sys_ftruncate(s->_fd, 0);
    if (r == 0)
        r = weft__sys_ftruncate(s->_fd, (off_t)whole(size));
    if (r == 0)
        r = weft__sys_fallocate(s->_fd, 0, (off_t)before_yard(size));
    if (r == 0)
        r = map(s, whole(size));
    if (r < 0)
        return r;
    struct head *head = s->_map;
    head->yard.blocks = before_yard(size) - offsetof(struct head, yard);
    head->yard.count = (uint32_t)(yard_of(size) / WEFT__YARD_BLOCK);
    if (prepare && (r = prepare(weft_segment_data(s), arg)) < 0)
        return r;
    shared_store(&head->size, (uint64_t)size);
    shared_store(&head->magic, MAGIC);
    return 0;
}

static int join(weft_segment *s, size_t size, const struct stat *is)
{
    if ((uint64_t)is->st_size != whole(size))
        return -EINVAL;
    int r = map(s, whole(size));
    const struct head *head = s->_map;
    return r < 0 ? r : load_acquire(&head->magic) == MAGIC && head->size == size ? 0 : -EINVAL;
}

int weft_segment_open(weft_segment *segment, const char *path, size_t size,
                      int (*prepare)(void *data, void *arg), void *arg, weft_deadline deadline)
{
    struct stat is;
    if (size == 0 || size > (size_t)1 << 46)
        return failed(-EINVAL, path, "no size for memory");
    int r = weft__tree_begin(); /* what lies in it is slept on with the death epoch */
    if (r < 0)
        return failed(r, path, NULL);
    deadline.ns = weft__deadline_at(deadline);
    *segment = (weft_segment){ ._fd = open_busy(path, deadline, &is) };
    if (segment->_fd < 0)
        return segment->_fd;
    size_t length = strlen(path) + 1;
    segment->_path = weft__alloc(length, 1);
    if (segment->_path) {
        memcpy(segment->_path, path, length);
        r = lock(segment->_fd, PRESENT, F_WRLCK);
        r = r == 0         ? make(segment, size, prepare, arg)
            : r == -EAGAIN ? join(segment, size, &is)
                           : r;
        if (r == 0)
            r = lock(segment->_fd, PRESENT, F_RDLCK);
        if (r == 0)
            r = lock(segment->_fd, BUSY, F_UNLCK);
    } else {
        r = -ENOMEM;
    }
    if (r < 0) {
        weft_segment_close(segment);
        return failed(r, path, r == -EINVAL ? "it has another size" : NULL);
    }
    return 0;
}

void *weft_segment_data(const weft_segment *segment)
{
    return (char *)segment->_map + HEAD;
}

/* BUSY is ours already, or it is not: then who is in the middle of coming, and waits for us to be out, will
 * find that nobody is in. */
void weft_segment_close(weft_segment *s)
{
    if (!s->_path && !s->_map && s->_fd <= 0)
        return;
    unmap(s);
    if (lock(s->_fd, BUSY, F_WRLCK) == 0 && lock(s->_fd, PRESENT, F_WRLCK) == 0 && s->_path)
        weft__sys_unlink(s->_path);
    weft__sys_close(s->_fd);
    if (s->_path)
        weft__release(s->_path, strlen(s->_path) + 1);
    *s = (weft_segment){ 0 };
}
