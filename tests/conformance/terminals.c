/* Terminals, and other things with a descriptor that are read like any. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <weft.h>
#include "test.h"

#define REAL "the kernel's descriptors"
#define SOON weft_after(10 * WEFT_SEC)

static const char *dir;

#define IN_KIND(name)                                                \
    static int name##_body(void *ignored);                           \
    TEST_EACH_KIND_REAL(name, REAL)                                  \
    {                                                                \
        weft_group group;                                            \
        dir = t_dir(t);                                              \
        CHECK_OK(weft_group_init(&group, 0));                        \
        CHECK_OK(weft_group_spawn(&group, t->kind, name##_body, t)); \
        CHECK_OK(weft_group_wait(&group, weft_never()));             \
        weft_group_fini(&group);                                     \
    }                                                                \
    static int name##_body(__attribute__((unused)) void *ignored)

static void expect(int fd, const char *text)
{
    char buf[64];
    for (size_t got = 0; got < strlen(text);) {
        ssize_t n = weft_read(fd, buf, strlen(text) - got, SOON);
        CHECK_GT(n, 0);
        CHECK_MEM(buf, text + got, (size_t)n);
        got += (size_t)n;
    }
}

static void type(int fd, const char *text)
{
    CHECK_EQ(weft_write(fd, text, strlen(text), SOON), strlen(text));
}

static void make(int fds[2])
{
    int r = weft_terminal_pair(fds);
    if (r == -ENOENT || r == -ENOSPC || r == -EACCES)
        SKIP("no terminals here");
    CHECK_OK(r);
}

IN_KIND(a_new_terminal_has_lines_and_echo)
{
    int fds[2];
    char byte;
    make(fds);
    for (int i = 0; i < 2; i++) {
        CHECK(isatty(fds[i]));
        CHECK(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    }
    type(fds[0], "ab");
    expect(fds[0], "ab");                                                        /* echo */
    CHECK_ERR(weft_read(fds[1], &byte, 1, weft_after(2 * WEFT_MS)), -ETIMEDOUT); /* no line yet */
    type(fds[0], "\n");
    expect(fds[1], "ab\n");
    expect(fds[0], "\r\n");
    type(fds[1], "x\n");
    expect(fds[0], "x\r\n");
    CHECK_OK(weft_close(fds[1]));
    CHECK_ERR(weft_read(fds[0], &byte, 1, SOON), -EIO);
    CHECK_OK(weft_close(fds[0]));
    return 0;
}

IN_KIND(a_raw_terminal_changes_nothing_until_it_is_restored)
{
    int fds[2];
    char byte;
    weft_terminal_settings before = { { 0 } };
    make(fds);
    CHECK_ERR(weft_terminal_restore(fds[1], &before), -EINVAL);
    CHECK_OK(weft_terminal_raw(fds[1], &before));
    CHECK_OK(weft_terminal_raw(fds[1], NULL));
    type(fds[0], "\x03q\r");
    expect(fds[1], "\x03q\r");
    type(fds[1], "a\nb");
    expect(fds[0], "a\nb");
    CHECK_ERR(weft_read(fds[0], &byte, 1, weft_at_once()), -ETIMEDOUT); /* no echo */
    CHECK_OK(weft_terminal_restore(fds[1], &before));
    type(fds[0], "c\n");
    expect(fds[0], "c\r\n");
    expect(fds[1], "c\n");
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

IN_KIND(a_window_has_the_size_that_it_was_given)
{
    int fds[2], rows = -1, columns = -1;
    make(fds);
    CHECK_OK(weft_terminal_size(fds[1], &rows, &columns));
    CHECK_EQ(rows, 0);
    CHECK_EQ(columns, 0);
    CHECK_OK(weft_terminal_resize(fds[0], 24, 132));
    CHECK_OK(weft_terminal_size(fds[1], &rows, &columns));
    CHECK_EQ(rows, 24);
    CHECK_EQ(columns, 132);
    CHECK_ERR(weft_terminal_resize(fds[0], -1, 3), -EINVAL);
    CHECK_ERR(weft_terminal_resize(fds[0], 1, 65536), -EINVAL);
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    CHECK_ERR(weft_terminal_size(fds[1], &rows, &columns), -EBADF);
    CHECK_OK(weft_pipe(fds));
    CHECK_ERR(weft_terminal_size(fds[1], &rows, &columns), -ENOTTY);
    CHECK_ERR(weft_terminal_raw(fds[1], NULL), -ENOTTY);
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

IN_KIND(a_second_number_is_the_same_file)
{
    int fds[2];
    CHECK_OK(weft_pipe(fds));
    int again = weft_dup(fds[0]);
    CHECK_OK(again);
    CHECK_EQ(fcntl(again, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(weft_write(fds[1], "ab", 2, SOON), 2);
    expect(fds[0], "a");
    CHECK_OK(weft_close(fds[0]));
    expect(again, "b");
    CHECK_OK(weft_close(again));
    CHECK_ERR(weft_write(fds[1], "c", 1, SOON), -EPIPE);
    CHECK_OK(weft_close(fds[1]));
    CHECK_ERR(weft_dup(again), -EBADF);
    return 0;
}

static int makes_a_file(void *arg)
{
    CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    int fd = weft_open(arg, O_WRONLY | O_CREAT, 0600);
    CHECK_OK(fd);
    return weft_close(fd);
}

IN_KIND(a_folders_changes_are_read)
{
    char path[128], room[sizeof(struct inotify_event) + 256]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    weft_group group;
    snprintf(path, sizeof path, "%s/new file", dir);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK_OK(fd);
    CHECK_OK(inotify_add_watch(fd, dir, IN_CREATE));
    CHECK_ERR(weft_read(fd, room, sizeof room, weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_spawn(&group, WEFT_COROUTINE, makes_a_file, path));
    CHECK_GT(weft_read(fd, room, sizeof room, SOON), (ssize_t)sizeof(struct inotify_event));
    CHECK_STR(((struct inotify_event *)room)->name, "new file");
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_OK(weft_close(fd));
    return 0;
}
