/* Pipes between tasks of every kind: messages whole, in order, and an end to every wait. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

enum { MANY = 300, MB = 1 << 20 };

static weft_pipe_pair *new_pipe(uint64_t limit)
{
    weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
    CHECK(pipe != NULL);
    CHECK_EQ(weft_pipe_init(pipe, limit, WEFT_SHARED), 0);
    return pipe;
}

static void free_pipe(weft_pipe_pair *pipe)
{
    weft_pipe_fini(pipe);
    weft_arena_free(pipe);
}

/* fn in a task of each kind, with the other end; here what is done with ours; then fn's result. */
static void with(weft_fn *fn, void (*here)(weft_pipe_end *), int result)
{
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    for (int k = 0; k < 3; k++) {
        weft_group group;
        weft_pipe_pair *pipe = new_pipe(0);
        CHECK_EQ(weft_group_init(&group, 0), 0);
        CHECK_EQ(weft_group_spawn(&group, kinds[k], fn, &pipe->end[1]), 0);
        here(&pipe->end[0]);
        CHECK_EQ(weft_group_wait(&group, weft_never()), result);
        free_pipe(pipe);
    }
}

static int echo(void *arg)
{
    char text[5000];
    size_t size;
    int r;
    while ((r = weft_pipe_receive(arg, text, sizeof text, &size, weft_never())) == 1)
        CHECK_EQ(weft_pipe_send(arg, text, size, weft_never()), 0);
    CHECK_EQ(r, 0);
    weft_pipe_close(arg);
    return 0;
}

static void hear_the_echo(weft_pipe_end *end)
{
    char text[5000], back[5000];
    size_t size;
    memset(text, 'x', sizeof text);
    for (size_t n = 0; n <= sizeof text; n += 50) {
        CHECK_EQ(weft_pipe_send(end, text, n, weft_never()), 0);
        CHECK_EQ(weft_pipe_poll(end, weft_never()), 1);
        if (n > 0)
            CHECK_EQ(weft_pipe_receive(end, back, n - 1, &size, weft_never()), -EMSGSIZE);
        CHECK_EQ(weft_pipe_receive(end, back, sizeof back, &size, weft_never()), 1);
        CHECK_EQ(size, n);
        CHECK_MEM(back, text, n);
        CHECK_EQ(weft_pipe_poll(end, weft_at_once()), -ETIMEDOUT);
    }
    weft_pipe_close(end);
}

TEST_REAL(messages_go_there_and_back, "processes")
{
    PROCESSES();
    with(echo, hear_the_echo, 0);
}

/* -- both at once -- */

static void send_and_receive(weft_pipe_end *end)
{
    char *text = malloc(MB);
    size_t size;
    memset(text, 'y', MB);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_pipe_send(end, text, MB, weft_never()), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_pipe_receive(end, text, MB, &size, weft_never()), 1);
        CHECK_EQ(size, MB);
        CHECK_EQ(text[MB - 1], 'y');
    }
    free(text);
}

static int send_and_receive_there(void *arg)
{
    send_and_receive(arg);
    return 0;
}

TEST_REAL(both_ends_may_send_first, "processes")
{
    PROCESSES();
    with(send_and_receive_there, send_and_receive, 0);
}

TEST_REAL(what_is_on_its_way_is_bounded, "shared memory")
{
    static char text[MB];
    weft_pipe_pair *pipe = new_pipe(3 * MB);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_pipe_send(&pipe->end[0], text, MB, weft_at_once()), 0);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], text, MB, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_pipe_send(&pipe->end[1], text, MB, weft_at_once()),
             0); /* the other way is another */
    free_pipe(pipe);
}

/* -- many on one end -- */

static int send_many(void *arg)
{
    unsigned char text[200];
    for (int i = 0; i < MANY; i++) {
        memset(text, i, sizeof text);
        CHECK_EQ(weft_pipe_send(arg, text, 1 + (size_t)i % sizeof text, weft_never()), 0);
    }
    return 0;
}

TEST_REAL(many_send_on_one_end_and_no_message_is_torn, "processes")
{
    PROCESSES();
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    weft_group group;
    unsigned char text[200];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(weft_group_spawn(&group, kinds[i % 3], send_many, &pipe->end[1]), 0);
    for (int i = 0; i < 6 * MANY; i++) {
        CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), 1);
        CHECK(size == 1 + text[0] % 200u || size == 1 + (text[0] + 256u) % 200);
        for (size_t at = 0; at < size; at++)
            CHECK_EQ(text[at], text[0]);
    }
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    free_pipe(pipe);
}

static int receive_some(void *arg)
{
    unsigned char text[200];
    size_t size;
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(weft_pipe_receive(arg, text, sizeof text, &size, weft_never()), 1);
        for (size_t at = 0; at < size; at++)
            CHECK_EQ(text[at], text[0]);
    }
    return 0;
}

/* -- ends -- */

static int die_with_a_message_sent(void *arg)
{
    CHECK_EQ(weft_pipe_send(arg, "last words", 11, weft_never()), 0);
    raise(SIGKILL);
    return 0;
}

TEST_REAL(who_waits_for_a_dead_peer_is_told, "processes")
{
    PROCESSES();
    weft_group group;
    char text[50];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    CHECK_EQ(weft_group_spawn(&group, WEFT_PROCESS, die_with_a_message_sent, &pipe->end[1]), 0);
    CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), 1);
    CHECK_STR(text, "last words");
    CHECK_EQ(weft_pipe_receive(&pipe->end[0], text, sizeof text, &size, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_poll(&pipe->end[0], weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], text, 1, weft_never()), -EPIPE);
    CHECK_EQ(weft_group_wait(&group, weft_never()), -EOWNERDEAD);
    free_pipe(pipe);
}

TEST_REAL(a_closed_end_is_drained, "shared memory")
{
    char text[50];
    size_t size;
    weft_pipe_pair *pipe = new_pipe(0);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], "one", 4, weft_never()), 0);
    weft_pipe_close(&pipe->end[0]);
    CHECK_EQ(weft_pipe_receive(&pipe->end[1], text, sizeof text, &size, weft_never()), 1);
    CHECK_STR(text, "one");
    CHECK_EQ(weft_pipe_receive(&pipe->end[1], text, sizeof text, &size, weft_never()), 0);
    CHECK_EQ(weft_pipe_poll(&pipe->end[1], weft_never()), 0);
    CHECK_EQ(weft_pipe_send(&pipe->end[1], "two", 4, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_send(&pipe->end[0], "two", 4, weft_never()), -EPIPE);
    free_pipe(pipe);
}

/* -- select -- */

static int send_then_die(void *arg)
{
    CHECK_EQ(weft_pipe_send(arg, "first", 6, weft_never()), 0);
    CHECK_EQ(weft_pipe_poll(arg, weft_never()), 1);
    raise(SIGKILL);
    return 0;
}

TEST_REAL(a_select_hears_of_messages_and_of_a_death, "processes")
{
    PROCESSES();
    char text[50];
    size_t size = 3;
    weft_event never = WEFT_EVENT_INIT;
    weft_group group;
    weft_pipe_pair *pipe = new_pipe(0);
    weft_pipe_end *end = &pipe->end[0];
    struct weft_case on[] = { weft_on_event(&never), weft_on_receive(end, text, &size) };
    CHECK_EQ(weft_group_init(&group, 0), 0);
    CHECK_EQ(weft_select(on, 2, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_group_spawn(&group, WEFT_PROCESS, send_then_die, &pipe->end[1]), 0);
    CHECK_EQ(weft_select(on, 2, weft_never()), 1);
    CHECK_EQ(on[1].result, -EMSGSIZE);
    CHECK_EQ(size, 6);
    CHECK_EQ(weft_select(on, 2, weft_never()), 1);
    CHECK_EQ(on[1].result, 1);
    CHECK_STR(text, "first");
    CHECK_EQ(weft_pipe_send(end, "die", 4, weft_never()), 0);
    CHECK_EQ(weft_select(on, 2, weft_never()), 1);
    CHECK_EQ(on[1].result, -EPIPE);
    CHECK_EQ(weft_group_wait(&group, weft_never()), -EOWNERDEAD);
    free_pipe(pipe);
}

struct selecting {
    weft_pipe_end *end;
    const char *data;
    int result;
};

static int select_alone(void *arg)
{
    struct selecting *s = arg;
    struct weft_case c =
        s->data ? weft_on_send(s->end, s->data, MB) : weft_on_receive(s->end, NULL, NULL);
    CHECK_EQ(weft_select(&c, 1, weft_never()), 0);
    s->result = c.result;
    return 0;
}

/* A task that selects alone, until it has been taken; meanwhile `doing`. */
static int select_while(unsigned kind, weft_pipe_end *end, const char *data,
                        void (*doing)(weft_pipe_end *), weft_pipe_end *with)
{
    weft_group group;
    struct selecting s = { end, data, 77 };
    weft_task task;
    CHECK_EQ(weft_group_init(&group, 0), 0);
    const struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(&group, kind, select_alone, &s, &more), 0);
    while (weft_task_join(task, NULL, weft_after(WEFT_MS)) == -ETIMEDOUT && doing) {
        doing(with);
        doing = NULL;
    }
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    return s.result;
}

static void take_one(weft_pipe_end *end)
{
    static char text[MB];
    size_t size;
    CHECK_EQ(weft_pipe_receive(end, text, MB, &size, weft_never()), 1);
}

static long on_their_way; /* before the one that is selected */

static void take_those(weft_pipe_end *end)
{
    for (long i = 0; i < on_their_way; i++)
        take_one(end);
}

static void send_one(weft_pipe_end *end)
{
    CHECK_EQ(weft_pipe_send(end, "x", 1, weft_never()), 0);
}

TEST_EACH_KIND_REAL(a_select_waits_for_room_for_a_message_and_for_the_end, "shared memory")
{
    static char text[MB];
    weft_pipe_pair *pipe = new_pipe(2 * MB);
    weft_pipe_end *here = &pipe->end[0], *there = &pipe->end[1];
    CHECK_EQ(select_while(t->kind, here, text, NULL, NULL), 0);
    CHECK_EQ(select_while(t->kind, here, text, NULL, NULL), 0);
    CHECK_EQ(select_while(t->kind, here, text, take_one, there), 0);
    CHECK_EQ(select_while(t->kind, here, NULL, send_one, there), 1);
    take_one(here);
    CHECK_EQ(select_while(t->kind, here, NULL, weft_pipe_close, there), 0);
    CHECK_EQ(select_while(t->kind, here, text, NULL, NULL), -EPIPE);
    free_pipe(pipe);
}

/* -- over sockets -- */

static void make_ends(weft_pipe_end end[2])
{
    int fd[2];
    CHECK_EQ(weft_socketpair_of(SOCK_SEQPACKET, fd), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_pipe_init_over(&end[i], fd[i]), 0);
}

TEST_EACH_KIND_REAL(messages_go_there_and_back_over_a_socket, "sockets")
{
    weft_pipe_end end[2];
    weft_group group;
    make_ends(end);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    CHECK_EQ(weft_group_spawn(&group, t->kind, echo, &end[1]), 0);
    hear_the_echo(&end[0]);
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
}

static int send_and_receive_over(void *arg)
{
    weft_pipe_end end;
    CHECK_EQ(weft_pipe_init_over(&end, *(int *)arg), 0);
    send_and_receive(&end);
    weft_pipe_close(&end);
    return 0;
}

TEST_REAL(a_process_is_given_an_end_over_a_socket, "processes")
{
    PROCESSES();
    enum { THERE = 40 };
    int fd[2], there = THERE;
    char text[1];
    size_t size;
    weft_pipe_end end;
    weft_group group;
    CHECK_EQ(weft_socketpair_of(SOCK_SEQPACKET, fd), 0);
    CHECK_EQ(weft_pipe_init_over(&end, fd[0]), 0);
    const struct weft_pass pass = { fd[1], THERE };
    const struct weft_process process = { .size = sizeof process, .pass = &pass, .pass_count = 1 };
    const struct weft_spawn more = { .size = sizeof more, .process = &process };
    CHECK_EQ(weft_group_init(&group, 0), 0);
    CHECK_EQ(weft_group_spawn_at(&group, WEFT_PROCESS, send_and_receive_over, &there, sizeof there,
                                 &more, "over"),
             0);
    CHECK_EQ(weft_close(fd[1]), 0);
    send_and_receive(&end);
    CHECK_EQ(weft_pipe_receive(&end, text, 1, &size, weft_never()), 0);
    CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
    weft_pipe_close(&end);
}

TEST_REAL(many_send_over_a_socket_and_many_receive, "sockets")
{
    weft_pipe_end end[2];
    weft_group senders, receivers;
    unsigned char text[200];
    size_t size;
    make_ends(end);
    CHECK_EQ(weft_group_init(&senders, 0), 0);
    CHECK_EQ(weft_group_init(&receivers, 0), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(
            weft_group_spawn(&senders, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, send_many, &end[1]), 0);
        CHECK_EQ(weft_group_spawn(&receivers, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, receive_some,
                                  &end[0]),
                 0);
    }
    CHECK_EQ(weft_group_wait(&senders, weft_never()), 0);
    CHECK_EQ(weft_group_wait(&receivers, weft_never()), 0);
    CHECK_EQ(weft_pipe_receive(&end[0], text, sizeof text, &size, weft_at_once()), -ETIMEDOUT);
    for (int i = 0; i < 2; i++)
        weft_pipe_close(&end[i]);
}

/* Another program, which is told its name alone. */
static pid_t begin_program(void (*fn)(const char *path), const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        fn(path);
        _exit(0);
    }
    CHECK_GT(pid, 0);
    return pid;
}

static void check_program(pid_t pid, int status)
{
    int is;
    CHECK_EQ(waitpid(pid, &is, 0), pid);
    CHECK_EQ(is, status);
}

/* As soon as somebody listens. */
static void dial(weft_pipe_end *end, const char *path)
{
    int r;
    while ((r = weft_pipe_dial(end, path, weft_after(10 * WEFT_SEC))) == -ENOENT ||
           r == -ECONNREFUSED)
        usleep(1000);
    CHECK_EQ(r, 0);
}

static void dial_and_talk(const char *path)
{
    weft_pipe_end end;
    char text[50];
    size_t size;
    int fd;
    dial(&end, path);
    CHECK_EQ(weft_pipe_receive_fd(&end, text, sizeof text, &size, &fd, weft_never()), 1);
    CHECK_EQ(write(fd, text, size), (ssize_t)size);
    close(fd);
    CHECK_EQ(weft_pipe_receive_fd(&end, text, sizeof text, &size, &fd, weft_never()), 1);
    CHECK_EQ(fd, -1);
    CHECK_EQ(weft_pipe_send(&end, "last words", 11, weft_never()), 0);
    weft_pipe_close(&end);
    CHECK_EQ(weft_pipe_send(&end, "more", 4, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_receive(&end, text, sizeof text, &size, weft_never()), -EPIPE);
}

TEST_REAL(programs_that_did_not_start_each_other_talk_by_name, "sockets")
{
    char path[100], text[50];
    size_t size;
    int pipe[2];
    struct stat is;
    weft_pipe_end end;
    snprintf(path, sizeof path, "%s/talk", t_dir(t));
    pid_t pid = begin_program(dial_and_talk, path);
    umask(0);
    int listener = weft_pipe_listen(path);
    CHECK_GE(listener, 0);
    CHECK_EQ(stat(path, &is), 0);
    CHECK_EQ(is.st_mode & 0777, 0600);
    CHECK_EQ(weft_pipe_listen(path), -EADDRINUSE);
    CHECK_EQ(weft_pipe_accept(&end, listener, weft_after(10 * WEFT_SEC)), 0);
    CHECK_EQ(weft_pipe(pipe), 0);
    CHECK_EQ(weft_pipe_send_fd(&end, "through the other pipe", 23, pipe[1], weft_never()), 0);
    CHECK_EQ(weft_read(pipe[0], text, 23, weft_never()), 23);
    CHECK_STR(text, "through the other pipe");
    CHECK_EQ(weft_pipe_send(&end, "go", 3, weft_never()), 0);
    CHECK_EQ(weft_pipe_receive(&end, text, sizeof text, &size, weft_never()), 1);
    CHECK_STR(text, "last words");
    CHECK_EQ(weft_pipe_receive(&end, text, sizeof text, &size, weft_never()), 0);
    CHECK_EQ(weft_pipe_poll(&end, weft_never()), 0);
    CHECK_EQ(weft_pipe_send(&end, "?", 1, weft_never()), -EPIPE);
    weft_pipe_close(&end);
    check_program(pid, 0);
    close(pipe[0]);
    close(pipe[1]);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_pipe_dial(&end, path, weft_never()), -ECONNREFUSED);
    listener = weft_pipe_listen(path); /* a dead name is replaced */
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_close(listener), 0);
}

static void dial_and_die(const char *path)
{
    static char text[MB];
    weft_pipe_end end;
    dial(&end, path);
    CHECK_EQ(weft_pipe_poll(&end, weft_never()), 1);
    CHECK_EQ(weft_pipe_send(&end, text, sizeof text, weft_never()), 0);
    raise(SIGKILL);
}

TEST_REAL(a_death_is_told_from_a_close_over_a_socket, "sockets")
{
    char path[100], text[50];
    size_t size;
    weft_pipe_end end;
    snprintf(path, sizeof path, "%s/talk", t_dir(t));
    pid_t pid = begin_program(dial_and_die, path);
    int listener = weft_pipe_listen(path);
    CHECK_EQ(weft_pipe_accept(&end, listener, weft_after(10 * WEFT_SEC)), 0);
    CHECK_EQ(weft_pipe_send(&end, "never read", 11, weft_never()), 0);
    check_program(pid, SIGKILL);
    CHECK_EQ(weft_pipe_receive(&end, text, sizeof text, &size, weft_never()), -EMSGSIZE);
    CHECK_EQ(size, MB);
    char *all = malloc(MB);
    CHECK_EQ(weft_pipe_receive(&end, all, MB, &size, weft_never()), 1);
    free(all);
    CHECK_EQ(weft_pipe_receive(&end, text, sizeof text, &size, weft_never()), -EPIPE);
    CHECK_EQ(weft_pipe_send(&end, text, 1, weft_never()), -EPIPE);
    weft_pipe_close(&end);
    CHECK_EQ(weft_close(listener), 0);
}

TEST_REAL(a_goodbye_has_room_when_nothing_else_has, "sockets")
{
    static char text[30000];
    size_t size;
    long sent = 0;
    weft_pipe_end end[2];
    make_ends(end);
    while (weft_pipe_send(&end[0], text, sizeof text, weft_at_once()) == 0)
        sent++;
    CHECK_GE(sent, 3);
    CHECK_EQ(weft_pipe_send(&end[0], text, sizeof text, weft_after(WEFT_MS)), -ETIMEDOUT);
    weft_pipe_close(&end[0]);
    while (sent-- > 0)
        CHECK_EQ(weft_pipe_receive(&end[1], text, sizeof text, &size, weft_never()), 1);
    CHECK_EQ(weft_pipe_receive(&end[1], text, sizeof text, &size, weft_never()), 0);
    weft_pipe_close(&end[1]);
}

TEST_EACH_KIND_REAL(a_select_waits_over_a_socket_too, "sockets")
{
    static char text[MB];
    weft_pipe_end end[2];
    make_ends(end);
    CHECK_EQ(select_while(t->kind, &end[0], NULL, send_one, &end[1]), 1);
    take_one(&end[0]);
    for (on_their_way = 0; weft_pipe_send(&end[0], text, 30000, weft_at_once()) == 0;)
        on_their_way++;
    CHECK_EQ(select_while(t->kind, &end[0], text, take_those, &end[1]), 0);
    take_one(&end[1]);
    CHECK_EQ(select_while(t->kind, &end[0], NULL, weft_pipe_close, &end[1]), 0);
    CHECK_EQ(select_while(t->kind, &end[0], text, NULL, NULL), -EPIPE);
    weft_pipe_close(&end[0]);
}

TEST_REAL(values_go_over_a_socket, "sockets")
{
    weft_pipe_end end[2];
    weft_value got, value = WEFT_ARRAY(WEFT_INT(12), WEFT_BYTES(NULL, 0), WEFT_TEXT("hello"));
    make_ends(end);
    int r = weft_pipe_send_value(&end[0], value, weft_never());
    if (r == -ENOTSUP)
        SKIP("%s", weft_why());
    CHECK_EQ(r, 0);
    CHECK_EQ(weft_pipe_receive_value(&end[1], &got, weft_never()), 1);
    CHECK(weft_value_is(&got, value));
    weft_value_fini(&got);
    for (int i = 0; i < 2; i++)
        weft_pipe_close(&end[i]);
}

TEST_REAL(a_name_is_looked_at_before_it_is_trusted, "sockets")
{
    char path[100], longer[200];
    int pair[2];
    weft_pipe_end end;
    weft_pipe_pair *pipe = new_pipe(0);
    snprintf(path, sizeof path, "%s/talk", t_dir(t));
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    CHECK_EQ(weft_pipe_dial(&end, path, weft_never()), -ENOENT);
    CHECK_EQ(weft_pipe_dial(&end, longer, weft_never()), -EINVAL);
    CHECK_EQ(weft_pipe_listen(longer), -EINVAL);
    int listener = weft_pipe_listen(path);
    CHECK_GE(listener, 0);
    CHECK_EQ(chmod(path, 0622), 0);
    CHECK_EQ(weft_pipe_dial(&end, path, weft_never()), -EPERM);
    CHECK(strstr(weft_why(), path) != NULL);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    CHECK_EQ(weft_pipe_dial(&end, path, weft_never()), -EPERM);
    CHECK_EQ(weft_pipe_listen(path), -EADDRINUSE);
    CHECK_EQ(weft_socketpair(pair), 0);
    CHECK_EQ(weft_pipe_init_over(&end, pair[0]), -EINVAL);
    close(pair[0]);
    close(pair[1]);
    CHECK_EQ(weft_pipe_send_fd(&pipe->end[0], "x", 1, 0, weft_never()), -ENOTSUP);
    CHECK_EQ(weft_pipe_send_fd(&pipe->end[0], "x", 1, -1, weft_never()), -EBADF);
    free_pipe(pipe);
}

TEST_REAL(a_pipe_lies_in_the_arena, "shared memory")
{
    static weft_pipe_pair pipe;
    CHECK_EQ(weft_pipe_init(&pipe, 0, WEFT_SHARED), -EINVAL);
    weft_pipe_pair *right = weft_arena_alloc(sizeof *right);
    CHECK_EQ(weft_pipe_init(right, 0, 0), -EINVAL);
    weft_arena_free(right);
}
