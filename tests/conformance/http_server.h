/* http_server.h - a weft serve of the test's own, and a client that says exactly what it is told. */
#ifndef HTTP_SERVER_TEST_H
#define HTTP_SERVER_TEST_H

#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int server_stdout = -1; /* given to servers that are started; -1: the test's own */

struct server {
    pid_t pid;
    int port;
    int says; /* its standard error */
    char root[128];
};

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* build/tests/conformance.http and build/cli/weft lie in one folder. */
static inline const char *weft_command(void)
{
    static char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n <= 0)
        FAIL("/proc/self/exe: %m");
    path[n] = 0;
    for (int i = 0; i < 2; i++)
        *strrchr(path, '/') = 0;
    strcat(path, "/cli/weft");
    return path;
}

static inline void put_file(const char *root, const char *name, const void *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%.300s/%.200s", root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        FAIL("%s: %m", path);
    close(fd);
}

static inline void put_text(const char *root, const char *name, const char *text)
{
    put_file(root, name, text, strlen(text));
}

/* Bytes that tell where they stand. */
static inline unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static inline void put_pattern(const char *root, const char *name, size_t size)
{
    unsigned char *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(i);
    put_file(root, name, data, size);
    free(data);
}

/* The folder that is served: t_dir/www. */
static inline const char *www(struct test *t)
{
    static char root[128];
    snprintf(root, sizeof root, "%s/www", t_dir(t));
    mkdir(root, 0755);
    return root;
}

/* Start the command with up to 12 more words, ending with NULL; port 0 unless --http is among them. */
static inline struct server start(struct test *t, ...)
{
    struct server s = { .pid = -1 };
    const char *words[20] = { weft_command(), "serve", "--http", "127.0.0.1:0" };
    char line[512];
    int count = 4, says[2];
    va_list args;
    va_start(args, t);
    while ((words[count] = va_arg(args, const char *)))
        if (strcmp(words[count++], "--http") == 0) { /* in the place of ours */
            words[3] = va_arg(args, const char *);
            count--;
        }
    va_end(args);
    snprintf(s.root, sizeof s.root, "%s", www(t));
    words[count++] = s.root;
    words[count] = NULL;
    if (pipe2(says, O_CLOEXEC) < 0)
        FAIL("pipe: %m");
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL); /* an ignored one would be inherited */
        dup2(says[1], STDERR_FILENO);
        if (server_stdout >= 0)
            dup2(server_stdout, STDOUT_FILENO);
        execv(words[0], (char **)(uintptr_t)words);
        _exit(127);
    }
    close(says[1]);
    s.says = says[0];
    size_t n = 0;
    while (n < sizeof line - 1 && read(s.says, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = 0;
    const char *colon = strrchr(line, ':');
    if (!colon || !strstr(line, "http://") || (s.port = atoi(colon + 1)) <= 0)
        FAIL("the server says: %s", line);
    return s;
}

/* Its exit status, or 128 + the signal that ended it. */
static inline int wait_server(struct server *s)
{
    int status;
    if (waitpid(s->pid, &status, 0) != s->pid)
        FAIL("waitpid: %m");
    close(s->says);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Do all its threads sleep? Then it has dealt with all that came. */
static inline bool rests(const struct server *s)
{
    char path[512], line[512];
    bool asleep = true;
    snprintf(path, sizeof path, "/proc/%d/task", (int)s->pid);
    DIR *folder = opendir(path);
    CHECK(folder);
    for (struct dirent *entry; asleep && (entry = readdir(folder));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)s->pid, entry->d_name);
        FILE *stat = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (stat && fgets(line, sizeof line, stat))
            asleep = strstr(line, ") S ");
        if (stat)
            fclose(stat);
    }
    closedir(folder);
    return asleep;
}

static inline void stop(struct server *s)
{
    kill(s->pid, SIGTERM);
    CHECK_EQ(wait_server(s), 0);
}

static inline int dial(const struct server *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
    struct timeval bound = { .tv_sec = 10 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        FAIL("connect: %m");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static inline void say_bytes(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n < 0)
            FAIL("send: %m");
        p += n;
        size -= (size_t)n;
    }
}

static inline void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

struct answer {
    int status;
    char head[2048]; /* without the empty line */
    char *body;      /* until eight more answers are heard */
    size_t size;
};

/* A field's value, or NULL; valid until the next call. */
static inline const char *field(const struct answer *a, const char *name)
{
    static char value[1024];
    char search[64];
    snprintf(search, sizeof search, "\r\n%s: ", name);
    const char *at = strcasestr(a->head, search);
    if (!at)
        return NULL;
    at += strlen(search);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

/* One answer. status 0: the server closed in good order before one; -1: the connection was reset. */
static inline struct answer hear(int fd, bool has_body)
{
    struct answer a = { 0 };
    size_t n = 0;
    while (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0) {
        if (n == sizeof a.head - 1)
            FAIL("a head without an end: %s", a.head);
        ssize_t r = recv(fd, a.head + n, 1, 0);
        if (r <= 0 && n == 0) {
            if (r < 0 && errno == EAGAIN)
                FAIL("no answer within 10 s");
            a.status = r < 0 ? -1 : 0;
            return a;
        }
        if (r <= 0)
            FAIL("a head that breaks off: %s", a.head);
        n++;
    }
    a.head[n - 2] = 0;
    if (sscanf(a.head, "HTTP/1.1 %d ", &a.status) != 1)
        FAIL("no status line: %s", a.head);
    const char *length = field(&a, "Content-Length");
    if (!length && a.status != 304 && a.status != 204 && a.status != 100)
        FAIL("no length: %s", a.head);
    if (has_body && length && a.status != 304) {
        a.size = strtoul(length, NULL, 10);
        static char *bodies[8];
        static unsigned next;
        char **at = &bodies[next++ % 8];
        free(*at);
        *at = a.body = malloc(a.size + 1);
        for (size_t done = 0; done < a.size;) {
            ssize_t r = recv(fd, a.body + done, a.size - done, 0);
            if (r <= 0)
                FAIL("a body that breaks off at %zu of %zu", done, a.size);
            done += (size_t)r;
        }
        a.body[a.size] = 0;
    }
    return a;
}

static inline bool is_closed(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

/* Ask with a head that the empty line is added to. */
static inline struct answer ask(int fd, const char *head)
{
    say(fd, head);
    say(fd, "\r\n");
    return hear(fd, strncmp(head, "HEAD", 4) != 0);
}

static inline struct answer get(int fd, const char *path)
{
    char head[9000];
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: a\r\n", path);
    return ask(fd, head);
}

#endif
