/* ring.c - messages between processes that do not trust each other.
 *
 * Two rings of bytes in a sealed memfd, one each way. Counts run on and are taken modulo the size; the
 * writer of a count keeps it in its own memory and only publishes it, so what the other side scribbles over
 * it is never read back. From the other's count a side learns a distance, which must be between nothing and
 * the whole ring: else -EBADMSG. A message is its length in four bytes and its bytes, at a multiple of four,
 * so the length is never cut at the end. It is copied out, once, before anything of it is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <weft/ring.h>

#include "base/sys.h"
#include "shared/range.h"
#include "sync/watch.h"

#define MAGIC 0x31676e69722e7477ull /* "wt.ring1" */
enum { HEAD = 4096, SIZE_MIN = 4096, SIZE_MAX_ = 1 << 30 };
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* What one side publishes; the other only reads it. */
struct side {
    uint32_t put;  /* bytes that it has put, modulo 2^32 */
    uint32_t got;  /* of the other's */
    uint32_t bell; /* futex word: one of the two has moved, or it has closed */
    uint32_t closed;
    uint32_t unused[12];
};

struct weft__ring_shared {
    uint64_t magic;
    uint32_t size;
    uint32_t taken; /* the second side is there */
    uint32_t unused[12];
    struct side side[2];
};

static struct side *mine(const weft_ring *ring)
{
    return &ring->_shared->side[ring->_side];
}

static const struct side *others(const weft_ring *ring)
{
    return &ring->_shared->side[!ring->_side];
}

static char *bytes_of(const weft_ring *ring, uint32_t side)
{
    return (char *)ring->_shared + HEAD + (size_t)side * ring->_size;
}

/* -- making ----------------------------------------------------------------------------------------- */

static int map(weft_ring *ring, int fd, uint32_t side, uint32_t size)
{
    size_t whole = HEAD + 2 * (size_t)size;
    int r = weft__tree_begin(); /* see sync/watch.h */
    if (r < 0)
        return r;
    void *at = weft__sys_mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (weft__sys_mmap_failed(at))
        return (int)(intptr_t)at;
    *ring = (weft_ring){ ._shared = at, ._fd = fd, ._side = side, ._size = size };
    return 0;
}

int weft_ring_make(weft_ring *ring, size_t size)
{
    if (size < SIZE_MIN || size > SIZE_MAX_)
        return -EINVAL;
    uint32_t rounded = SIZE_MIN;
    while (rounded < size)
        rounded *= 2;
    int fd = weft__sys_memfd("weft-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return fd;
    int r = weft__sys_fallocate(fd, 0, (off_t)(HEAD + 2 * (size_t)rounded));
    if (r == 0)
        r = weft__sys_fcntl(fd, F_ADD_SEALS, SEALS);
    if (r == 0)
        r = map(ring, fd, 0, rounded);
    if (r < 0) {
        weft__sys_close(fd);
        return r == -ENOSPC ? -ENOMEM : r;
    }
    ring->_shared->size = rounded;
    store_release(&ring->_shared->magic, MAGIC);
    return 0;
}

int weft_ring_fd(const weft_ring *ring)
{
    return ring->_fd;
}

/* The size is what the kernel says, not what stands in there. */
int weft_ring_open(weft_ring *ring, int fd)
{
    struct stat is;
    if ((weft__sys_fcntl(fd, F_GET_SEALS, 0) & SEALS) != SEALS || weft__sys_fstat(fd, &is) < 0)
        return -EINVAL;
    uint64_t size = ((uint64_t)is.st_size - HEAD) / 2;
    if (is.st_size < HEAD + 2 * SIZE_MIN || size > SIZE_MAX_ || size & (size - 1) ||
        (uint64_t)is.st_size != HEAD + 2 * size)
        return -EINVAL;
    int r = map(ring, fd, 1, (uint32_t)size);
    if (r < 0)
        return r;
    uint32_t taken = 0;
    if (load_acquire(&ring->_shared->magic) != MAGIC)
        r = -EINVAL;
    else if (!swap_acq_rel(&ring->_shared->taken, &taken, 1))
        r = -EBUSY;
    if (r < 0)
        weft__sys_munmap(ring->_shared, HEAD + 2 * size);
    return r;
}

void weft_ring_close(weft_ring *ring)
{
    if (!ring->_shared)
        return;
    store_release(&mine(ring)->closed, 1u);
    add_acq_rel(&mine(ring)->bell, 1);
    weft__shared_wake(&mine(ring)->bell, INT32_MAX);
    weft__sys_munmap(ring->_shared, HEAD + 2 * (size_t)ring->_size);
    weft__sys_close(ring->_fd);
    *ring = (weft_ring){ 0 };
}

/* -- messages --------------------------------------------------------------------------------------- */

static uint32_t whole(uint32_t length)
{
    return 4 + ((length + 3) & ~3u);
}

static void copy_in(const weft_ring *ring, uint32_t at, const void *from, uint32_t n)
{
    char *bytes = bytes_of(ring, ring->_side);
    uint32_t begin = at & (ring->_size - 1), first = ring->_size - begin;
    first = first < n ? first : n;
    memcpy(bytes + begin, from, first);
    memcpy(bytes, (const char *)from + first, n - first);
}

static void copy_out(const weft_ring *ring, uint32_t at, void *to, uint32_t n)
{
    const char *bytes = bytes_of(ring, !ring->_side);
    uint32_t begin = at & (ring->_size - 1), first = ring->_size - begin;
    first = first < n ? first : n;
    memcpy(to, bytes + begin, first);
    memcpy((char *)to + first, bytes, n - first);
}

static void ring_bell(const weft_ring *ring)
{
    add_acq_rel(&mine(ring)->bell, 1);
    weft__shared_wake(&mine(ring)->bell, 1);
}

/* 0 done, -EAGAIN not yet, or the result. */
static int put_now(weft_ring *ring, const void *data, uint32_t size)
{
    uint32_t inside = ring->_put - load_acquire(&others(ring)->got);
    if (inside > ring->_size)
        return -EBADMSG;
    if (ring->_size - inside < whole(size))
        return -EAGAIN;
    copy_in(ring, ring->_put, &size, sizeof size);
    copy_in(ring, ring->_put + 4, data, size);
    ring->_put += whole(size);
    store_release(&mine(ring)->put, ring->_put);
    ring_bell(ring);
    return 0;
}

static int64_t get_now(weft_ring *ring, void *out, size_t room)
{
    uint32_t inside = load_acquire(&others(ring)->put) - ring->_got, length;
    if (inside == 0)
        return -EAGAIN;
    if (inside > ring->_size || inside < 4)
        return -EBADMSG;
    copy_out(ring, ring->_got, &length, sizeof length);
    if (length == 0 || length > ring->_size || whole(length) > inside)
        return -EBADMSG;
    if (length > room)
        return -EMSGSIZE;
    copy_out(ring, ring->_got + 4, out, length);
    ring->_got += whole(length);
    store_release(&mine(ring)->got, ring->_got);
    ring_bell(ring);
    return length;
}

/* Until the other side's bell rings; what it says is looked at again in any case. */
static int await(weft_ring *ring, uint32_t bell, uint32_t epoch, weft_deadline *deadline)
{
    *deadline = weft__deadline_fix(*deadline);
    return weft__watch_wait(&others(ring)->bell, bell, epoch, *deadline, "ring", ring);
}

int weft_ring_put(weft_ring *ring, const void *data, size_t size, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (size == 0 || size > ring->_size / 2 - 4)
        return -EMSGSIZE;
    while (r == 0) {
        uint32_t epoch = weft__death_epoch(), bell = load_acquire(&others(ring)->bell);
        if (load_acquire(&others(ring)->closed))
            return -EPIPE;
        r = put_now(ring, data, (uint32_t)size);
        if (r != -EAGAIN)
            return r;
        r = await(ring, bell, epoch, &deadline);
    }
    return r;
}

ssize_t weft_ring_get(weft_ring *ring, void *out, size_t room, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    while (r == 0) {
        uint32_t epoch = weft__death_epoch(), bell = load_acquire(&others(ring)->bell);
        bool closed = load_acquire(&others(ring)->closed);
        int64_t n = get_now(ring, out, room);
        if (n != -EAGAIN || closed)
            return n == -EAGAIN ? 0 : n;
        r = await(ring, bell, epoch, &deadline);
    }
    return r;
}
