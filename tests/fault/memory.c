/* What processes share without being told: the arena, segments, rings, pipes in the arena; and plain forks. While
 * calls and allocations fail: an error, nothing lost, and the next one works. */
#include "failing.h"

#include <string.h>
#include <sys/stat.h>

#define REAL "failing calls"

static bool failed(int r, bool whole)
{
    static const int errors[] = { ENOMEM, EMFILE, ENFILE, EAGAIN, ENOSPC, EFBIG, EIO, EINTR };
    for (size_t i = 0; r < 0 && !whole && i < sizeof errors / sizeof *errors; i++)
        if (r == -errors[i])
            return true;
    if (r < 0)
        FAIL("call %ld failing: %s, %s", failed_nr, weft_strerror(r), weft_why());
    return false;
}

static void blocks(bool whole)
{
    static const size_t sizes[] = { 10, 5000, 70000, 3000000 };
    struct weft_arena_info before = { .size = sizeof before }, after = before;
    char *block[4];
    failed(weft_arena_describe(&before), whole);
    for (int i = 0; i < 4; i++) {
        block[i] = weft_arena_alloc(sizes[i]);
        failed(block[i] ? 0 : -ENOMEM, whole);
        if (block[i])
            memset(block[i], i, sizes[i]);
    }
    for (int i = 0; i < 4; i++)
        weft_arena_free(block[i]);
    if (!failed(weft_arena_describe(&after), whole) && before.used) /* small ones keep their spans */
        CHECK_LE(after.used, before.used + (3 << 16));
}

TEST_REAL_LONG(blocks_of_the_arena_whatever_fails, REAL, 60)
{
    fail_each(blocks);
}

static int prepare(void *data, void *arg)
{
    (void)arg;
    strcpy(data, "prepared");
    return 0;
}

static void a_segment(bool whole)
{
    weft_segment segment[2];
    int open = 0;
    while (open < 2 &&
           !failed(weft_segment_open(&segment[open], "segment", 100000, prepare, NULL, SOON), whole))
        CHECK_STR((char *)weft_segment_data(&segment[open++]), "prepared");
    while (open > 0)
        weft_segment_close(&segment[--open]);
    if (whole)
        CHECK(access("segment", F_OK) != 0);
}

TEST_REAL_LONG(a_segment_whatever_fails, REAL, 60)
{
    CHECK_EQ(chdir(t_dir(t)), 0);
    umask(077);
    fail_each(a_segment);
}

static void a_ring(bool whole)
{
    weft_ring ring[2];
    char text[100];
    int fd;
    if (failed(weft_ring_make(&ring[0], 4096), whole))
        return;
    fd = dup(weft_ring_fd(&ring[0]));
    CHECK_GE(fd, 0);
    int r = weft_ring_open(&ring[1], fd);
    if (!failed(r == -EINVAL ? -EIO : r, whole)) { /* it could not be seen to be sealed */
        for (int i = 0; i < 2; i++)
            if (!failed(weft_ring_put(&ring[i], "hello", 6, SOON), whole))
                CHECK_EQ(weft_ring_get(&ring[1 - i], text, sizeof text, SOON), 6);
        weft_ring_close(&ring[1]);
    } else {
        close(fd);
    }
    weft_ring_close(&ring[0]);
}

TEST_REAL_LONG(a_ring_whatever_fails, REAL, 60)
{
    fail_each(a_ring);
}

static void a_pipe(bool whole)
{
    static char text[100000], back[sizeof text];
    weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
    if (failed(pipe ? 0 : -ENOMEM, whole))
        return;
    if (!failed(weft_pipe_init(pipe, 0, WEFT_SHARED), whole)) {
        for (size_t n = 10, got; n < sizeof text; n *= 90) /* in a slot, in a block, in a run */
            if (!failed(weft_pipe_send(&pipe->end[0], text, n, SOON), whole) &&
                !failed(weft_pipe_poll(&pipe->end[1], SOON), whole) &&
                !failed(weft_pipe_receive(&pipe->end[1], back, sizeof back, &got, SOON), whole))
                CHECK_EQ(got, n);
        weft_pipe_fini(pipe);
    }
    weft_arena_free(pipe);
}

TEST_REAL_LONG(a_pipe_in_the_arena_whatever_fails, REAL, 60)
{
    fail_each(a_pipe);
}

static void a_fork(bool whole)
{
    struct weft_exit end = { .size = sizeof end };
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    int pid = weft_fork();
    if (pid == 0)
        _exit((int)read(ends[0], ends, 1) + 2);
    if (!failed(pid, whole)) {
        int r = weft_fork_wait(pid, &end, weft_after(WEFT_MS));
        failed(r == -ETIMEDOUT ? 0 : r, whole);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        if (failed(weft_fork_wait(pid, &end, SOON), whole)) { /* it can be waited for again */
            int status;
            CHECK_EQ(waitpid(pid, &status, 0), pid);
            end.result = WEXITSTATUS(status);
        }
        CHECK_EQ(end.result, 3);
    }
    close(ends[0]);
    close(ends[1]);
}

TEST_REAL_LONG(a_fork_whatever_fails, REAL, 60)
{
    FORKS_AMONG_THREADS();
    fail_each(a_fork);
}
