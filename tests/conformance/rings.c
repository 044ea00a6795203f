/* Messages between processes that do not trust each other: they arrive whole and in order, and nothing that the
 * other side writes into the memory does more than an error. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "test.h"

#define REAL "shared memory"

static weft_ring here, there;

static void both(size_t size)
{
    CHECK_EQ(weft_ring_make(&here, size), 0);
    int fd = dup(weft_ring_fd(&here));
    CHECK_EQ(weft_ring_open(&there, fd), 0);
}

enum { MESSAGES = 20000 };

static uint32_t length_of(uint32_t i)
{
    return 4 + i * 7919 % 900;
}

static int put_all(void *arg)
{
    static char text[1000];
    for (uint32_t i = 0; i < (uint32_t)t_rounds(MESSAGES); i++) {
        memset(text, (int)i, sizeof text);
        memcpy(text, &i, sizeof i);
        CHECK_EQ(weft_ring_put(arg, text, length_of(i), weft_never()), 0);
    }
    weft_ring_close(arg);
    return 0;
}

static int get_all(void *arg)
{
    static char text[1000];
    for (uint32_t i = 0, number;; i++) {
        ssize_t n = weft_ring_get(arg, text, sizeof text, weft_never());
        if (n == 0) {
            CHECK_EQ(i, (uint32_t)t_rounds(MESSAGES));
            return 0;
        }
        CHECK_EQ(n, length_of(i));
        memcpy(&number, text, sizeof number);
        CHECK_EQ(number, i);
        CHECK_EQ(text[n - 1], n > 4 ? (char)i : text[n - 1]);
    }
}

TEST_EACH_KIND_REAL(messages_arrive_whole_and_in_order, REAL)
{
    both(4096);
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, get_all, &there), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, put_all, &here), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}

TEST_REAL(a_process_has_the_other_end, "processes")
{
    CHECK_EQ(weft_ring_make(&here, 8192), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (weft_ring_open(&there, dup(weft_ring_fd(&here))) < 0)
            _exit(1);
        _exit(get_all(&there));
    }
    put_all(&here);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST_REAL(both_ways_at_once, REAL)
{
    both(4096);
    char text[8];
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(weft_ring_put(&here, "ping", 4, weft_never()), 0);
        CHECK_EQ(weft_ring_put(&there, "pong!", 5, weft_never()), 0);
        CHECK_EQ(weft_ring_get(&here, text, sizeof text, weft_never()), 5);
        CHECK_EQ(weft_ring_get(&there, text, sizeof text, weft_never()), 4);
    }
}

TEST_REAL(what_does_not_fit_is_said, REAL)
{
    both(5000); /* 8,192 */
    static char large[8192];
    CHECK_EQ(weft_ring_put(&here, large, 0, weft_never()), -EMSGSIZE);
    CHECK_EQ(weft_ring_put(&here, large, 4093, weft_never()), -EMSGSIZE);
    CHECK_EQ(weft_ring_put(&here, large, 4092, weft_never()), 0);
    CHECK_EQ(weft_ring_put(&here, large, 4092, weft_never()), 0);
    CHECK_EQ(weft_ring_put(&here, large, 1, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_ring_get(&there, large, 4091, weft_never()), -EMSGSIZE);
    CHECK_EQ(weft_ring_get(&there, large, 4092, weft_never()), 4092);
    CHECK_EQ(weft_ring_get(&here, large, 4092, weft_at_once()), -ETIMEDOUT);
    weft_ring_close(&here);
    CHECK_EQ(weft_ring_put(&there, large, 1, weft_never()), -EPIPE);
    CHECK_EQ(weft_ring_get(&there, large, 4092, weft_never()), 4092);
    CHECK_EQ(weft_ring_get(&there, large, 4092, weft_never()), 0);
}

TEST_REAL(only_a_sealed_ring_with_a_free_end_is_opened, REAL)
{
    both(4096);
    weft_ring third;
    CHECK_EQ(weft_ring_open(&third, weft_ring_fd(&here)), -EBUSY);
    CHECK_EQ(weft_ring_open(&third, 0), -EINVAL);
    CHECK_EQ(weft_ring_open(&third, -1), -EINVAL);
    int fd = memfd_create("open", MFD_ALLOW_SEALING);
    CHECK_EQ(ftruncate(fd, 4096 + 2 * 4096), 0);
    CHECK_EQ(weft_ring_open(&third, fd), -EINVAL); /* not sealed: it could be taken away */
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    CHECK_EQ(weft_ring_open(&third, fd), -EINVAL); /* and is no ring */
    CHECK_EQ(ftruncate(weft_ring_fd(&here), 0), -1);
}

/* Any word of the memory, at any time. */
static int scribbling = 1;

static void *scribble(void *arg)
{
    struct stat is;
    CHECK_EQ(fstat(weft_ring_fd(arg), &is), 0);
    size_t words = (size_t)is.st_size / 4;
    uint32_t *at =
        mmap(NULL, (size_t)is.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, weft_ring_fd(arg), 0);
    uint64_t state = 88172645463325252ull;
    while (__atomic_load_n(&scribbling, __ATOMIC_RELAXED)) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t word =
            state % 3 ? (state >> 8) % 64 : (state >> 8) % words; /* the counts most of all */
        uint32_t value = state >> 63 ? 0 : (uint32_t)(state >> 32) >> (state >> 3) % 32;
        __atomic_store_n(&at[word], value,
                         __ATOMIC_RELAXED); /* often 0: open, and not far from the truth */
    }
    return NULL;
}

TEST_REAL(a_hostile_other_side_does_no_more_than_errors, REAL)
{
    both(4096);
    pthread_t enemy;
    CHECK_EQ(pthread_create(&enemy, NULL, scribble, &here), 0);
    static char out[5000], canary[64];
    int known = 0;
    for (long i = t_rounds(100000); i > 0 || !known;
         i--) { /* what works at all shows that it is a ring */
        ssize_t n = i % 2 ? weft_ring_get(&here, out, sizeof out - sizeof canary, weft_at_once())
                          : weft_ring_put(&here, out, 1 + (size_t)i % 1000, weft_at_once());
        CHECK(n == -EBADMSG || n == -EPIPE || n == -ETIMEDOUT || n == -EMSGSIZE ||
              (n >= 0 && n <= (ssize_t)(sizeof out - sizeof canary)));
        known += n >= 0;
        CHECK_MEM(out + sizeof out - sizeof canary, canary, sizeof canary);
    }
    __atomic_store_n(&scribbling, 0, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_join(enemy, NULL), 0);
}

static int wait_for_one(void *arg)
{
    char c;
    return weft_ring_get(arg, &c, 1, weft_never()) == -ECANCELED ? 0 : -EINVAL;
}

TEST_EACH_KIND_REAL(a_cancel_ends_the_wait, REAL)
{
    both(4096);
    weft_group g;
    CHECK_EQ(weft_group_init(&g, 0), 0);
    CHECK_EQ(weft_group_spawn(&g, t->kind, wait_for_one, &here), 0);
    weft_group_cancel(&g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
}
