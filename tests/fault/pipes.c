/* Pipes over sockets while calls fail: an error, no descriptor lost, and the next message comes. */
#include "failing.h"

#include <string.h>
#include <sys/socket.h>

static char text[100000], back[sizeof text];

static bool failed(int r, bool whole)
{
    CHECK(r >= 0 || (!whole && (r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -ENOBUFS ||
                                r == -EIO || r == -ENOSPC || r == -EPIPE || r == -EINVAL)));
    return r < 0;
}

static bool send_and_receive(weft_pipe_end end[2], size_t size, bool whole)
{
    size_t got;
    int fd;
    if (failed(weft_pipe_send_fd(&end[0], text, size, end[0]._fd, SOON), whole) ||
        failed(weft_pipe_receive_fd(&end[1], back, sizeof back, &got, &fd, SOON), whole))
        return false;
    CHECK_EQ(got, size);
    CHECK_MEM(back, text, size);
    CHECK_EQ(weft_close(fd), 0);
    return true;
}

static void messages_over_a_socket(bool whole)
{
    weft_pipe_end end[2];
    int fd[2], made = 0;
    if (failed(weft_socketpair_of(SOCK_SEQPACKET, fd), whole))
        return;
    while (made < 2 && !failed(weft_pipe_init_over(&end[made], fd[made]), whole))
        made++;
    if (made == 2 && send_and_receive(end, 10, whole))
        send_and_receive(end, sizeof text, whole);
    for (int i = 0; i < 2; i++)
        if (i < made)
            weft_pipe_close(&end[i]);
        else
            weft_close(fd[i]);
}

TEST_REAL_LONG(messages_over_a_socket_whatever_fails, "failing calls", 60)
{
    memset(text, 'x', sizeof text);
    fail_each(messages_over_a_socket);
}

static void named(bool whole)
{
    static const char path[] = "talk";
    weft_pipe_end end[2];
    int listener = weft_pipe_listen(path);
    if (failed(listener == -EADDRINUSE || listener == -EACCES ? -EIO : listener, whole))
        return;
    if (whole) /* who has waited keeps what it takes */
        CHECK_EQ(weft_accept(listener, NULL, weft_after(WEFT_MS)), -ETIMEDOUT);
    int r = weft_pipe_dial(&end[0], path, SOON);
    if (!failed(r == -ECONNREFUSED ? -EIO : r, whole)) {
        if (!failed(weft_pipe_accept(&end[1], listener, SOON), whole)) {
            send_and_receive(end, 10, whole);
            weft_pipe_close(&end[1]);
        }
        weft_pipe_close(&end[0]);
    }
    weft_close(listener);
}

TEST_REAL_LONG(a_pipe_by_name_whatever_fails, "failing calls", 60)
{
    CHECK_EQ(chdir(t_dir(t)), 0);
    fail_each(named);
}
