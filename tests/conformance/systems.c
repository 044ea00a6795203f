/* The three small systems of examples/systems, asked by real clients: nc, curl, Chromium, and their own. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#define REAL "programs of their own and real sockets"

/* A program with its keyboard and screen. */
struct program {
    pid_t pid;
    int keys, screen, port;
};

static const char *path_of(const char *system)
{
    static char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n <= 0)
        FAIL("/proc/self/exe: %m");
    path[n] = 0;
    sprintf(strrchr(path, '/') + 1, "systems.%s", system);
    return path;
}

static struct program start(const char *const *words)
{
    struct program p;
    int keys[2], screen[2];
    CHECK_EQ(pipe2(keys, O_CLOEXEC), 0);
    CHECK_EQ(pipe2(screen, O_CLOEXEC), 0);
    p.pid = fork();
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        dup2(keys[0], 0);
        dup2(screen[1], 1);
        execvp(words[0], (char **)(uintptr_t)words);
        _exit(127);
    }
    close(keys[0]);
    close(screen[1]);
    p.keys = keys[1];
    p.screen = screen[0];
    return p;
}

/* Read until a text has come; what came before it is forgotten. */
static void expect(int fd, const char *text)
{
    char heard[4096];
    size_t n = 0, size = strlen(text);
    do {
        if (n == sizeof heard - 1) /* keep what may be the beginning of it */
            n = (size_t)((char *)memmove(heard, heard + n - size, size) - heard) + size;
        if (read(fd, heard + n++, 1) != 1)
            FAIL("\"%s\" does not come; after %.*s", text, (int)n - 1, heard);
        heard[n] = 0;
    } while (n < size || memcmp(heard + n - size, text, size) != 0);
}

static void type(int fd, const char *text)
{
    size_t size = strlen(text);
    if (write(fd, text, size) != (ssize_t)size)
        FAIL("write: %m");
}

/* One that serves: its first line ends with the port. */
static struct program serve(struct test *t, const char *name, const char *command,
                            const char *folder)
{
    char byte, digits[8] = "";
    const char *kind = t->kind == WEFT_THREAD    ? "thread"
                       : t->kind == WEFT_PROCESS ? "process"
                                                 : "coroutine";
    const char *words[8] = { path_of(name), command, "127.0.0.1:0", folder, kind };
    if (!command)
        memcpy(words + 1, (const char *[]){ "127.0.0.1:0", folder, kind, NULL }, 4 * sizeof *words);
    else if (!folder)
        memcpy(words + 3, (const char *[]){ kind, NULL }, 2 * sizeof *words);
    struct program p = start(words);
    expect(p.screen, "127.0.0.1:");
    for (size_t n = 0; n < 7 && read(p.screen, &byte, 1) == 1 && byte >= '0' && byte <= '9'; n++)
        digits[n] = byte;
    p.port = atoi(digits);
    CHECK_GT(p.port, 0);
    return p;
}

static void end(struct program *p, int signo)
{
    int status;
    close(p->keys);
    if (signo)
        kill(p->pid, signo);
    CHECK_EQ(waitpid(p->pid, &status, 0), p->pid);
    if (signo ? !WIFSIGNALED(status) : status != 0)
        FAIL("its status is %x", (unsigned)status);
    close(p->screen);
}

static int dial(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        FAIL("connect: %m");
    return fd;
}

static struct program client(const char *name, const char *command, int port, const char *folder)
{
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%d", port);
    return start((const char *[]){ path_of(name), command, where, folder, NULL });
}

/* -- chat ------------------------------------------------------------------------------------------ */

static int enter(int port, const char *name)
{
    int fd = dial(port);
    expect(fd, "请输入姓名：");
    type(fd, name);
    return fd;
}

TEST_EACH_KIND_REAL(people_talk_in_a_room, REAL)
{
    char port[16], long_line[600];
    setenv("LANG", "zh_CN.UTF-8", 1);
    unsetenv("LC_ALL");
    struct program room = serve(t, "chat", "room", NULL);
    int ann = enter(room.port, "安\n");
    expect(room.screen, "安 进入了聊天室\n");
    int bob = enter(room.port, "安\n");
    expect(bob, "这个名字已经有人用了");
    type(bob, "bob\r\n");
    expect(ann, "bob 进入了聊天室\n");
    type(bob, "你好\n");
    expect(ann, "bob：你好\n");
    type(ann, "a\033[2Jb\n");
    expect(bob, "安：a?[2Jb\n");
    type(room.keys, "十点关门\n");
    expect(ann, "管理员消息：十点关门\n");
    expect(bob, "管理员消息：十点关门\n");

    struct program own = client("chat", "join", room.port, NULL);
    expect(own.screen, "请输入姓名：");
    type(own.keys, "cho\n");
    expect(ann, "cho 进入了聊天室\n");
    type(ann, "hi\n");
    expect(own.screen, "安：hi\n");
    type(own.keys, "yes\n");
    expect(ann, "cho：yes\n");

    snprintf(port, sizeof port, "%d", room.port);
    struct program nc = start((const char *[]){ "nc", "127.0.0.1", port, NULL });
    expect(nc.screen, "请输入姓名：");
    type(nc.keys, "dan\n");
    expect(ann, "dan 进入了聊天室\n");
    kill(nc.pid, SIGKILL); /* without a word */
    expect(ann, "dan退出了聊天室\n");
    end(&nc, SIGKILL);

    struct linger reset = { 1, 0 };
    setsockopt(bob, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(bob);
    expect(ann, "bob退出了聊天室\n");
    memset(long_line, 'x', sizeof long_line);
    CHECK_EQ(write(own.keys, long_line, sizeof long_line), (ssize_t)sizeof long_line);
    expect(ann, "cho退出了聊天室\n");
    waitpid(own.pid, NULL, 0); /* reset or closed: the room had not read all */
    end(&room, SIGTERM);
}

TEST_EACH_KIND_REAL(who_does_not_read_delays_nobody, REAL)
{
    char line[400];
    setenv("LANG", "C", 1);
    unsetenv("LC_ALL");
    struct program room = serve(t, "chat", "room", NULL);
    int deaf = dial(room.port), ann = dial(room.port);
    type(deaf, "deaf\n");
    expect(room.screen, "deaf has entered the room\n");
    type(ann, "ann\n");
    expect(ann, "Your name: ");
    expect(room.screen, "ann has entered the room\n");
    memset(line, 'x', sizeof line - 2);
    strcpy(line + sizeof line - 2, "\n");
    for (bool out = false; !out;) { /* the screen is read, or the room would wait for it */
        char heard[4096];
        type(ann, line);
        ssize_t n = read(room.screen, heard, sizeof heard - 1);
        CHECK_GT(n, 0);
        heard[n] = 0;
        out = strstr(heard, "deaf has left the room\n");
    }
    close(deaf);
    close(ann);
    end(&room, SIGTERM);
}

/* -- files ----------------------------------------------------------------------------------------- */

static void put_file(const char *folder, const char *name, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    for (size_t i = 0; i < size; i++)
        putc((int)(i * 7 + i / 251), f);
    CHECK_EQ(fclose(f), 0);
}

static bool is_there(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

#define MENU "list, get FILE, put FILE, quit: "

TEST_EACH_KIND_REAL(files_go_both_ways, REAL)
{
    char there[128], here[128], out[4096];
    snprintf(there, sizeof there, "%s/there", t_dir(t));
    snprintf(here, sizeof here, "%s/here", t_dir(t));
    mkdir(there, 0755);
    mkdir(here, 0755);
    put_file(there, "small", 100);
    put_file(there, "big", 3000000);
    put_file(here, "mine", 200000);
    struct program server = serve(t, "ftp", "serve", there);
    struct program p = client("ftp", "to", server.port, here);
    expect(p.screen, MENU);
    type(p.keys, "list\n");
    expect(p.screen, "small\n");
    expect(p.screen, MENU);
    type(p.keys, "get big\nget big\nget none\nget ../small\nput mine\nput mine\nput none\nwhat\n");
    expect(p.screen, MENU "no: it exists already; rename one\n");
    expect(p.screen, MENU "no: there is no such file; list shows what there is\n");
    expect(p.screen, MENU "no: there is no such file; list shows what there is\n");
    expect(p.screen, MENU "ok\n");
    expect(p.screen, MENU "no: it exists already; rename one\n");
    expect(p.screen, MENU "no: there is no such file here\n");
    expect(p.screen, MENU "no: list, get NAME or put SIZE NAME\n");
    type(p.keys, "quit\n");
    end(&p, 0);
    CHECK_EQ(t_shell(out, sizeof out, "cmp %s/big %s/big && cmp %s/mine %s/mine", here, there, here,
                     there),
             0);

    int fd = dial(server.port); /* one that is cut off leaves no half a file */
    type(fd, "put 100000 half\n");
    expect(fd, "ok\n");
    type(fd, "some bytes");
    char byte;
    CHECK(is_there(there, "half"));
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    CHECK_EQ(read(fd, &byte, 1), 0); /* it closes when it has cleaned up */
    CHECK(!is_there(there, "half"));
    close(fd);
    end(&server, SIGTERM);
}

TEST_EACH_KIND_REAL(many_fetch_at_once, REAL)
{
    enum { MANY = 20 };
    char there[128], folder[MANY][160], out[4096];
    struct program p[MANY];
    snprintf(there, sizeof there, "%s/there", t_dir(t));
    mkdir(there, 0755);
    put_file(there, "big", 500000);
    struct program server = serve(t, "ftp", "serve", there);
    for (int i = 0; i < MANY; i++) {
        snprintf(folder[i], sizeof folder[i], "%s/%d", t_dir(t), i);
        mkdir(folder[i], 0755);
        p[i] = client("ftp", "to", server.port, folder[i]);
        type(p[i].keys, "get big\nquit\n");
    }
    for (int i = 0; i < MANY; i++) {
        expect(p[i].screen, "ok\n");
        end(&p[i], 0);
        CHECK_EQ(t_shell(out, sizeof out, "cmp %s/big %s/big", there, folder[i]), 0);
    }
    end(&server, SIGTERM);
}

TEST_REAL(files_go_both_ways_by_processes_too, REAL)
{
    PROCESSES();
    t->kind = WEFT_PROCESS;
    files_go_both_ways(t);
}

TEST_REAL(many_fetch_at_once_by_processes_too, REAL)
{
    PROCESSES();
    t->kind = WEFT_PROCESS;
    many_fetch_at_once(t);
}

TEST_REAL(a_client_whose_process_is_killed_takes_nobody_along, REAL)
{
    char there[128], out[4096];
    PROCESSES();
    t->kind = WEFT_PROCESS;
    snprintf(there, sizeof there, "%s/there", t_dir(t));
    mkdir(there, 0755);
    put_file(there, "small", 100);
    struct program server = serve(t, "ftp", "serve", there);
    int first = dial(server.port), second = dial(server.port);
    type(second, "list\n");
    expect(second, "small\n");
    type(first, "list\n");
    expect(first, "small\n");
    t_shell(out, sizeof out, "pgrep -P %d client", server.pid);
    int pid = atoi(out); /* either */
    CHECK_GT(pid, 0);
    kill(pid, SIGKILL);
    int third = dial(server.port);
    type(third, "list\n");
    expect(third, "small\n");
    do /* and it is collected */
        t_shell(out, sizeof out, "pgrep -c -P %d client", server.pid);
    while (atoi(out) != 2);
    close(first);
    close(second);
    close(third);
    end(&server, SIGTERM);
}

/* -- http ------------------------------------------------------------------------------------------ */

TEST_EACH_KIND_REAL(pages_and_data_are_served, REAL)
{
    static const struct {
        const char *asks, *hears;
    } talks[] = {
        { "-i http://%s/", "HTTP/1.1 200 OK" },
        { "http://%s/", "<p>index" },
        { "-i http://%s/none.html", "HTTP/1.1 404 Not Found" },
        { "-i --path-as-is http://%s/../secret.txt", "HTTP/1.1 404 Not Found" },
        { "http://%s/time", "{\"time\": 1" },
        { "-d '{\"a\": 1}' -H 'Content-Type: application/json' http://%s/form", "{\"a\": 1}" },
        { "-d a=1 -d b=2 http://%s/form", "a=1&b=2" },
        { "-i -X DELETE http://%s/", "HTTP/1.1 400 Bad Request" },
        { "-i -d @mine http://%s/form", "HTTP/1.1 400 Bad Request" },
        { "http://%s/time?x=1 http://%s/time -v 2>&1", "Re-using" },
    };
    char folder[128], out[16384], command[512], where[32], asks[256];
    snprintf(folder, sizeof folder, "%s/www", t_dir(t));
    mkdir(folder, 0755);
    t_shell(out, sizeof out, "echo '<p>index' > %s/index.html; echo secret > %s/../secret.txt",
            folder, folder);
    put_file(t_dir(t), "mine", 100000);
    struct program server = serve(t, "http", NULL, folder);
    snprintf(where, sizeof where, "127.0.0.1:%d", server.port);
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        snprintf(asks, sizeof asks, talks[i].asks, where, where);
        snprintf(command, sizeof command, "cd %s && curl -sS -m 10 %s", t_dir(t), asks);
        t_shell(out, sizeof out, "%s", command);
        if (!strstr(out, talks[i].hears))
            FAIL("%s\nis answered with %s", command, out);
    }
    t_shell(out, sizeof out,
            "curl -sS -m 10 -Z --parallel-max 50 'http://%s/time?[1-200]' 2>&1 | grep -c time",
            where);
    CHECK_EQ(atoi(out), 200);
    int fd = dial(server.port);
    for (int i = 0; i < 5000; i++)
        if (send(fd, "a", 1, MSG_NOSIGNAL) < 1)
            break;
    expect(fd, "HTTP/1.1 400 Bad Request");
    close(fd);
    end(&server, 0); /* its keyboard says that it may close */
}

TEST_REAL_LONG(a_browser_shows_pages_and_data, "a browser", 60)
{
    static char out[65536];
    char folder[128];
    if (t_shell(out, sizeof out, "command -v chromium") != 0)
        SKIP("chromium is not installed");
    snprintf(folder, sizeof folder, "%s/www", t_dir(t));
    mkdir(folder, 0755);
    t_shell(
        out, sizeof out,
        "echo '<!doctype html><link rel=stylesheet href=s.css><p id=p>text<script>"
        "addEventListener(\"load\", async () => { const r = await fetch(\"time\");"
        " document.title = getComputedStyle(p).marginLeft + \" \" + ((await r.json()).time > 0);"
        " })</script>' > %s/index.html; echo '#p { margin-left: 17px }' > %s/s.css",
        folder, folder);
    struct program server = serve(t, "http", NULL, folder);
    t_shell(out, sizeof out,
            "HOME=%s timeout 50 chromium --headless --no-sandbox --disable-gpu --no-first-run "
            "--user-data-dir=%s/c --virtual-time-budget=3000 --dump-dom http://127.0.0.1:%d/ "
            "2>/dev/null",
            t_dir(t), t_dir(t), server.port);
    if (!strstr(out, "<title>17px true</title>"))
        FAIL("it shows %s", out);
    end(&server, 0);
}
