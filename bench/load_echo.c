/* load_echo.c - starts an echo server and asks it questions over TCP on loopback.
 *
 *     load_echo echo CONNECTIONS server...   each connection sends 64 bytes, waits for them, repeats:
 *                                            the server's CPU per request, and requests per second
 *     load_echo tls CONNECTIONS server...    the same over TLS 1.3, and its CPU per handshake
 *     load_echo idle CONNECTIONS server...   the server's memory per connection that has had one answer
 *     load_echo model CONNECTIONS server...  all connect and ask at once, and leave when they have heard: how
 *                                            long they wait; then all stay: the server's whole memory
 *     load_echo busy CONNECTIONS server...   one more connection's request computes for 500 ms; in this
 *                                            time each idle connection sends one request: its latency
 *
 * In "echo", "tls" and "model" the server runs on the first allowed core and the load on the last. In "busy" both use all
 * of them, and the load asks for SCHED_FIFO, so that it measures the server's delays and not its own. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#define WARM_NS   200e6
#define WINDOW_NS 500e6

struct conn {
    int fd;
    SSL *ssl; /* NULL: plain */
    size_t got;
    long request; /* number of the one under way, part of its bytes */
    double sent;
    char answer[BENCH_REQUEST];
};

static pid_t server;
static int port, epoll;
static SSL_CTX *tls;
static struct conn *conns;
static long answered;

static void stop_server(void)
{
    if (server > 0)
        kill(server, SIGKILL);
}

static void start_server(char **command, bool pinned)
{
    int out[2];
    char line[256];
    bench_check(pipe(out) == 0, "pipe");
    if ((server = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pinned)
            bench_keep_core(true);
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execvp(command[0], command);
        _exit(127);
    }
    atexit(stop_server);
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    while (port == 0 && fgets(line, sizeof line, said))
        if (sscanf(line, "port %d", &port) != 1)
            fputs(line, stdout); /* its version */
    bench_check(port > 0, "server starts");
    if (pinned)
        bench_keep_core(false);
}

static double server_cpu(void) /* ns */
{
    clockid_t clock;
    bench_check(clock_getcpuclockid(server, &clock) == 0, "server lives");
    return bench_clock(clock);
}

/* The certificate is not looked at: that is the client's work, and it is the server that is measured. */
static void shake_hands(struct conn *conn)
{
    conn->ssl = SSL_new(tls);
    bench_check(conn->ssl && SSL_set_fd(conn->ssl, conn->fd) == 1 && SSL_connect(conn->ssl) == 1,
                "handshake");
    fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
}

static void connect_to(struct conn *conn)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };
    struct linger reset = { .l_onoff = 1 }; /* leaves no TIME_WAIT behind */
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    bench_check(connect(conn->fd, (struct sockaddr *)&at, sizeof at) == 0, "connect");
    if (tls)
        shake_hands(conn);
    epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event);
}

static void bytes_of(char *bytes, const struct conn *conn, char kind)
{
    snprintf(bytes, BENCH_REQUEST, "%c %ld %ld ", kind, (long)(conn - conns), conn->request);
    size_t length = strlen(bytes);
    memset(bytes + length, '.', BENCH_REQUEST - length);
}

static void ask(struct conn *conn, char kind)
{
    char bytes[BENCH_REQUEST];
    conn->request++;
    conn->got = 0;
    bytes_of(bytes, conn, kind);
    conn->sent = bench_clock(BENCH_WALL);
    ssize_t n = conn->ssl ? SSL_write(conn->ssl, bytes, sizeof bytes)
                          : send(conn->fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    bench_check(n == sizeof bytes, "send");
}

/* Bytes; 0 the end; -1 with EAGAIN: none yet. */
static ssize_t get(struct conn *conn, char *out, size_t size)
{
    if (!conn->ssl)
        return recv(conn->fd, out, size, MSG_DONTWAIT);
    int n = SSL_read(conn->ssl, out, (int)size);
    if (n > 0)
        return n;
    errno = SSL_get_error(conn->ssl, n) == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return -1;
}

/* Take what has come; true when the answer is whole. */
static bool take(struct conn *conn)
{
    char right[BENCH_REQUEST];
    ssize_t n = get(conn, conn->answer + conn->got, BENCH_REQUEST - conn->got);
    if (n < 0 && errno == EAGAIN)
        return false;
    bench_check(n > 0, "the server stays");
    if ((conn->got += (size_t)n) < BENCH_REQUEST)
        return false;
    bytes_of(right, conn, conn->answer[0]);
    bench_check(memcmp(right, conn->answer, BENCH_REQUEST) == 0, "the bytes come back");
    answered++;
    return true;
}

/* One answer each, one connection after the other: from here on all are known to the server. */
static void greet(long from, long to)
{
    struct epoll_event event;
    for (long i = from; i < to; i++) {
        connect_to(&conns[i]);
        ask(&conns[i], 'e');
        do
            bench_check(epoll_wait(epoll, &event, 1, 10000) == 1, "an answer comes");
        while (!take(event.data.ptr));
    }
}

static void ask_all(const char *what, long connections)
{
    struct epoll_event events[256];
    char figure[64];
    double now, begin = 0, end = 0, cpu = 0;
    for (long i = 0; i < connections; i++)
        ask(&conns[i], 'e');
    double warm = bench_clock(BENCH_WALL) + WARM_NS;
    while ((now = bench_clock(BENCH_WALL)) < end || end == 0) {
        if (end == 0 && now >= warm) {
            answered = 0;
            begin = now;
            end = now + WINDOW_NS;
            cpu = server_cpu();
        }
        int n = epoll_wait(epoll, events, 256, 10000);
        bench_check(n > 0, "answers come");
        for (int i = 0; i < n; i++)
            if (take(events[i].data.ptr))
                ask(events[i].data.ptr, 'e');
    }
    cpu = server_cpu() - cpu;
    snprintf(figure, sizeof figure, "%s_%ld", what, connections);
    bench_print(figure, cpu / 1e3 / (double)answered, "us");
    snprintf(figure, sizeof figure, "%s_%ld_rate", what, connections);
    bench_print(figure, (double)answered / (now - begin) * 1e6, "k/s");
}

static void echo(long connections)
{
    greet(0, connections);
    ask_all("echo", connections);
}

static void echo_tls(long connections)
{
    enum { FIRST = 100 }; /* what the first ones cost is the server's start */
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    greet(0, FIRST);
    double cpu = server_cpu();
    greet(FIRST, FIRST + connections);
    bench_print("tls_handshake", (server_cpu() - cpu) / 1e3 / (double)connections, "us");
    ask_all("tls", connections);
}

static void idle(long connections)
{
    enum { FIRST = 500 }; /* what the first ones cost is the server's start, not theirs */
    greet(0, FIRST);
    usleep(50000);
    double before = bench_memory_of(server);
    greet(FIRST, FIRST + connections);
    usleep(50000);
    bench_print("idle_conn", (bench_memory_of(server) - before) / (double)connections, "B");
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void busy(long connections)
{
    enum { BURSTS = 3 };
    struct epoll_event events[256];
    struct sched_param first = { .sched_priority = 1 };
    struct itimerspec every = { .it_value = { 0, 20000000 },
                                .it_interval = { 0, 400000000 / connections } };
    double *late = calloc((size_t)connections * BURSTS, sizeof *late);
    long count = 0;
    int beat = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, beat, &(struct epoll_event){ .events = EPOLLIN });
    greet(0, connections + BURSTS);
    if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
        fprintf(stderr, "no SCHED_FIFO: the load's own delays count\n");
    for (int burst = 0; burst < BURSTS; burst++) {
        long asked = 0, waiting = connections + 1;
        ask(&conns[connections + burst], 'B');
        timerfd_settime(beat, 0, &every, NULL);
        while (waiting > 0) {
            int n = epoll_wait(epoll, events, 256, 10000);
            bench_check(n > 0, "answers come");
            for (int i = 0; i < n; i++) {
                struct conn *conn = events[i].data.ptr;
                if (!conn) {
                    uint64_t beats = 0;
                    bench_check(read(beat, &beats, sizeof beats) == sizeof beats, "beats");
                    for (; beats > 0 && asked < connections; beats--)
                        ask(&conns[asked++], 'e');
                } else if (take(conn)) {
                    waiting--;
                    if (conn - conns < connections)
                        late[count++] = bench_clock(BENCH_WALL) - conn->sent;
                }
            }
            if (asked == connections)
                timerfd_settime(beat, 0, &(struct itimerspec){ 0 }, NULL);
        }
        bench_check(bench_clock(BENCH_WALL) - conns[connections + burst].sent > 499e6, "busy");
    }
    qsort(late, (size_t)count, sizeof *late, by_value);
    bench_print("busy_p50", late[count / 2] / 1e6, "ms");
    bench_print("busy_p99", late[count * 99 / 100] / 1e6, "ms");
    bench_print("busy_max", late[count - 1] / 1e6, "ms");
}

static void ask_each(long connections)
{
    for (long i = 0; i < connections; i++)
        connect_to(&conns[i]);
    for (long i = 0; i < connections; i++)
        ask(&conns[i], 'e');
    answered = 0;
}

static void model(long connections)
{
    struct epoll_event events[256];
    double *late = calloc((size_t)connections, sizeof *late);
    char figure[64];
    int n;
    ask_each(connections);
    while (answered < connections) {
        bench_check((n = epoll_wait(epoll, events, 256, 10000)) > 0, "answers come");
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (take(conn)) {
                late[answered - 1] = bench_clock(BENCH_WALL) - conn->sent;
                close(conn->fd);
            }
        }
    }
    qsort(late, (size_t)connections, sizeof *late, by_value);
    snprintf(figure, sizeof figure, "model_%ld", connections);
    bench_print(figure, late[connections / 2] / 1e6, "ms");
    snprintf(figure, sizeof figure, "model_%ld_max", connections);
    bench_print(figure, late[connections - 1] / 1e6, "ms");
    ask_each(connections);
    while (answered < connections && (n = epoll_wait(epoll, events, 256, 500)) > 0)
        for (int i = 0; i < n; i++)
            take(events[i].data.ptr); /* a loop answers the first, who stays */
    snprintf(figure, sizeof figure, "model_%ld_mem", connections);
    bench_print(figure, bench_memory_of(server) / 1e6, "MB");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*ask)(long connections);
        bool pinned;
    } questions[] = { { "echo", echo, true },
                      { "tls", echo_tls, true },
                      { "model", model, true },
                      { "idle", idle, false },
                      { "busy", busy, false } };
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files); /* the server inherits it */
    for (size_t i = 0; argc > 3 && i < sizeof questions / sizeof *questions; i++) {
        if (strcmp(argv[1], questions[i].name) != 0)
            continue;
        long connections = atol(argv[2]);
        conns = calloc((size_t)connections + 1000, sizeof *conns);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        start_server(argv + 3, questions[i].pinned);
        questions[i].ask(connections);
        return 0;
    }
    fprintf(stderr, "usage: load_echo echo|tls|model|idle|busy CONNECTIONS server...\n");
    return 2;
}
