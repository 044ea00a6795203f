/* The HTTP server as a program: its end, its death, thousands of connections, and other people's
 * clients: curl, wrk, Chromium. */
#include "http_server.h"

#include <sys/resource.h>

#define REAL "a server of its own and real sockets"

TEST_REAL(a_first_signal_lets_running_answers_finish, REAL)
{
    enum { SIZE = 30000000 };
    static char buf[1 << 16];
    put_pattern(www(t), "big", SIZE);
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, NULL);
    int idle = dial(&s), busy = dial(&s);
    CHECK_EQ(get(idle, "/hello.txt").status, 200);
    say(busy, "GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t all = (size_t)recv(busy, buf, 1, 0);
    kill(s.pid, SIGTERM);
    CHECK(is_closed(idle));
    for (ssize_t n; (n = recv(busy, buf, 1 << 16, 0)) > 0;)
        all += (size_t)n;
    CHECK(all > SIZE); /* its head, and perhaps the second answer, which says that it is the last */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(wait_server(&s), 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)s.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
}

TEST_REAL(the_grace_bounds_the_end, REAL)
{
    put_pattern(www(t), "big", 30000000);
    struct server s = start(t, "--grace", "0.3", NULL);
    int stuck = dial(&s);
    char byte;
    say(stuck, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(recv(stuck, &byte, 1, 0), 1);
    double begin = seconds();
    kill(s.pid, SIGINT);
    CHECK_EQ(wait_server(&s), 0);
    double took = seconds() - begin;
    CHECK(took > 0.25 && took < 5);
}

TEST_REAL(a_second_signal_ends_at_once, REAL)
{
    put_pattern(www(t), "big", 30000000);
    struct server s = start(t, "--grace", "60", NULL);
    int stuck = dial(&s);
    char word[128] = "";
    say(stuck, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(recv(stuck, word, 1, 0), 1);
    kill(s.pid, SIGTERM);
    CHECK(read(s.says, word, sizeof word - 1) > 0);
    CHECK(strstr(word, "ending"));
    kill(s.pid, SIGTERM);
    CHECK_EQ(wait_server(&s), 128 + SIGTERM);
}

TEST_REAL(a_killed_server_starts_again_on_its_port, REAL)
{
    char where[32];
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, NULL);
    for (int i = 0; i < 5; i++) {
        int fd = dial(&s), open_ = dial(&s);
        CHECK_EQ(get(fd, "/hello.txt").status, 200);
        kill(s.pid, SIGKILL);
        CHECK_EQ(wait_server(&s), 128 + SIGKILL);
        snprintf(where, sizeof where, "127.0.0.1:%d", s.port);
        s = start(t, "--http", where, NULL);
        close(fd);
        close(open_);
    }
    stop(&s);
}

static long kilobytes(pid_t pid, const char *what)
{
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && kb < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0)
            kb = strtol(line + strlen(what) + 1, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

TEST_REAL(thousands_of_connections_stay_and_hold_next_to_nothing, REAL)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int count = limit.rlim_cur > 12000 ? 10000 : (int)limit.rlim_cur - 200, *fds;
    if ((t_slow_build() || !t_has_epoll()) && count > 1000)
        count = 1000;
    if (count < 500)
        SKIP("only %ld descriptors", (long)limit.rlim_cur);
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, NULL);
    fds = malloc((size_t)count * sizeof *fds);
    fds[0] = dial(&s);
    CHECK_EQ(get(fds[0], "/hello.txt").status, 200);
    long before = kilobytes(s.pid, "VmRSS:");
    for (int i = 1; i < count; i++)
        fds[i] = dial(&s);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < count; i += round ? 10 : 1) { /* again: it was idle meanwhile */
            struct answer a = get(fds[i], "/hello.txt");
            CHECK_EQ(a.status, 200);
        }
    double each = (double)(kilobytes(s.pid, "VmRSS:") - before) * 1024 / count;
    if (!t_slow_build() && each > 1024)
        FAIL("%.0f bytes for an idle connection", each);
    stop(&s);
    for (int i = 0; i < count; i++)
        CHECK(is_closed(fds[i]));
    free(fds);
}

TEST_REAL(at_its_limit_of_connections_others_wait_their_turn, REAL)
{
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, "--max", "2", NULL);
    int a = dial(&s), b = dial(&s);
    CHECK_EQ(get(a, "/hello.txt").status, 200);
    CHECK_EQ(get(b, "/hello.txt").status, 200);
    int c = dial(&s); /* the kernel has it */
    say(c, "GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    struct pollfd p = { .fd = c, .events = POLLIN };
    CHECK_EQ(poll(&p, 1, 100), 0);
    close(a);
    CHECK_EQ(hear(c, true).status, 200);
    stop(&s);
}

TEST_REAL(without_descriptors_it_says_503_and_recovers, REAL)
{
    put_text(www(t), "hello.txt", "hello");
    struct rlimit limit = { 40, 40 };
    int fds[64], served = 0, refused = 0;
    struct server s = start(t, "--max", "1000", NULL);
    prlimit(s.pid, RLIMIT_NOFILE, &limit, NULL);
    for (int i = 0; i < 64; i++) {
        fds[i] = dial(&s);
        const char *request = "GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
        send(fds[i], request, strlen(request), MSG_NOSIGNAL);
        struct answer a = hear(fds[i], true); /* -1, 0: shed */
        served += a.status == 404;
        refused += a.status == 503 || a.status <= 0;
    }
    CHECK(served > 10);
    CHECK(refused > 10);
    for (int i = 0; i < 64; i++)
        close(fds[i]);
    for (int status = 0; status != 200;) { /* once it has closed them too */
        int fd = dial(&s);
        const char *request = "GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n";
        send(fd, request, strlen(request), MSG_NOSIGNAL);
        status = hear(fd, true).status;
        CHECK(status == 200 || status == 503 || status <= 0);
        close(fd);
    }
    stop(&s);
}

TEST_REAL(a_log_that_nobody_reads_any_more_ends_nothing, REAL)
{
    int log[2];
    char line[256];
    CHECK_EQ(pipe2(log, O_CLOEXEC), 0);
    put_text(www(t), "hello.txt", "hello");
    server_stdout = log[1];
    struct server s = start(t, "--log", "-", NULL);
    close(log[1]);
    int fd = dial(&s);
    CHECK_EQ(get(fd, "/hello.txt").status, 200);
    CHECK(read(log[0], line, sizeof line) > 0);
    close(log[0]);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(get(fd, "/hello.txt").status, 200);
    stop(&s);
}

TEST_REAL(words_of_the_command_are_checked, REAL)
{
    static const struct {
        const char *words;
        int status;
        const char *says;
    } tries[] = {
        { "--version", 0, "weft 0." },
        { "version", 0, "weft 0." },
        { "help", 0, "serve" },
        { "help serve", 0, "--http ADDRESS:PORT" },
        { "serve --help", 0, "--grace SECONDS" },
        { "serve -h", 0, "--grace SECONDS" },
        { "", 2, "usage" },
        { "nonsense", 2, "no command nonsense" },
        { "help nonsense", 2, "no command nonsense" },
        { "serve --nonsense", 2, "no option --nonsense" },
        { "serve --port", 2, "--port needs a value" },
        { "serve --port x", 2, "--port x: this is not PORT" },
        { "serve --port=70000", 2, "this is not PORT" },
        { "serve --grace=-1", 2, "this is not SECONDS" },
        { "serve --list=yes", 2, "takes no value" },
        { "serve a b", 2, "b is too many" },
        { "serve /nonexistent", 1, "/nonexistent: no such file" },
        { "serve /etc/passwd", 1, "/etc/passwd: not a directory" },
        { "serve --http nowhere /", 1, "listen nowhere: invalid argument" },
        { "serve --http nowhere:80 /", 1, "host 'nowhere': no such name" },
    };
    char out[8192];
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        int status = t_shell(out, sizeof out, "%s %s", weft_command(), tries[i].words);
        if (status != tries[i].status || !strcasestr(out, tries[i].says))
            FAIL("weft %s: %d, %s", tries[i].words, status, out);
    }
}

static bool has_program(const char *name)
{
    char out[256];
    return t_shell(out, sizeof out, "command -v %s", name) == 0;
}

TEST_REAL(curl_gets_what_it_asks_for, REAL)
{
    char out[8192];
    if (!has_program("curl"))
        SKIP("curl is not installed");
    put_text(www(t), "hello.txt", "hello");
    put_text(www(t), "index.html", "<p>index");
    put_pattern(www(t), "big.bin", 5000000);
    struct server s = start(t, NULL);
#define CURL(status, says, format, ...)                                                            \
    do {                                                                                           \
        int r_ = t_shell(out, sizeof out, "cd %s && curl -sS -m 10 " format, s.root, __VA_ARGS__); \
        if (r_ != (status) || !strstr(out, says))                                                  \
            FAIL("curl " format ": %d\n%s", __VA_ARGS__, r_, out);                                 \
    } while (0)
    CURL(0, "<p>index", "http://127.0.0.1:%d/", s.port);
    CURL(0, "same", "http://127.0.0.1:%d/big.bin | cmp - big.bin && echo same", s.port);
    CURL(0, "same",
         "-r 1000000-3999999 http://127.0.0.1:%d/big.bin | "
         "cmp - big.bin -i 0:1000000 -n 3000000 && echo same",
         s.port);
    CURL(0, "same",
         "-r 0-999999 -o part http://127.0.0.1:%d/big.bin && "
         "curl -sS -C - -o part http://127.0.0.1:%d/big.bin && cmp part big.bin && echo same",
         s.port, s.port);
    CURL(0, "304", "-z hello.txt -o part -w '%%{http_code}' http://127.0.0.1:%d/hello.txt", s.port);
    CURL(0, "hello", "-0 http://127.0.0.1:%d/hello.txt", s.port);
    CURL(0, "HTTP/1.1 200 OK", "-I http://127.0.0.1:%d/hello.txt", s.port);
    CURL(0, "Re-using", "-v http://127.0.0.1:%d/hello.txt http://127.0.0.1:%d/hello.txt 2>&1",
         s.port, s.port);
    CURL(0, "405", "-w '%%{http_code}' -T big.bin http://127.0.0.1:%d/up", s.port);
    CURL(0, "405", "-w '%%{http_code}' -d a=b http://127.0.0.1:%d/", s.port);
    CURL(0, "400", "-w '%%{http_code}' --path-as-is http://127.0.0.1:%d/../../etc/passwd", s.port);
    CURL(0, "hello", "-x http://127.0.0.1:%d http://somewhere.example/hello.txt", s.port);
    stop(&s);
}

TEST_REAL(wrk_sees_no_error, REAL)
{
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
    SKIP("ThreadSanitizer holds signals back: the server does not hear its end");
#endif
    char out[4096];
    if (!has_program("wrk"))
        SKIP("wrk is not installed");
    put_text(www(t), "hello.txt", "hello");
    put_pattern(www(t), "big.bin", 100000);
    put_text(t_dir(t), "pipeline.lua",
             "init = function(args)\n"
             "  local r = {}\n"
             "  for i = 1, 16 do r[i] = wrk.format('GET', '/hello.txt') end\n"
             "  all = table.concat(r)\n"
             "end\n"
             "request = function() return all end\n");
    struct server s = start(t, NULL);
    CHECK_EQ(t_shell(out, sizeof out, "wrk -t1 -c64 -d1s http://127.0.0.1:%d/hello.txt", s.port), 0);
    CHECK(strstr(out, "Requests/sec") && !strstr(out, "Socket errors") && !strstr(out, "Non-2xx"));
    CHECK_EQ(t_shell(out, sizeof out, "wrk -t1 -c64 -d1s http://127.0.0.1:%d/big.bin", s.port), 0);
    CHECK(strstr(out, "Requests/sec") && !strstr(out, "Socket errors") && !strstr(out, "Non-2xx"));
    CHECK_EQ(t_shell(out, sizeof out, "wrk -t1 -c64 -d1s -s %s/pipeline.lua http://127.0.0.1:%d/",
                     t_dir(t), s.port),
             0);
    CHECK(strstr(out, "Requests/sec") && !strstr(out, "Socket errors") && !strstr(out, "Non-2xx"));
    CHECK_EQ(t_shell(out, sizeof out,
                     "wrk -t1 -c64 -d1s -H 'Connection: close' "
                     "http://127.0.0.1:%d/hello.txt",
                     s.port),
             0);
    CHECK(strstr(out, "Requests/sec") && !strstr(out, "Non-2xx"));
    stop(&s);
}

#undef REAL
TEST_REAL_LONG(chromium_shows_a_page_with_all_its_parts, "a browser", 60)
{
    static char out[65536];
    static const unsigned char gif[] =
        "GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\x01\0\0\0\0,"
        "\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;";
    if (!has_program("chromium"))
        SKIP("chromium is not installed");
    put_text(
        www(t), "index.html",
        "<!doctype html><meta charset=\"utf-8\"><title>begin</title>"
        "<link rel=\"stylesheet\" href=\"style.css\"><p id=\"p\">text</p>"
        "<img id=\"i\" src=\"dot.gif\"><img src=\"mark.svg\"><script src=\"code.js\"></script>");
    put_text(www(t), "style.css", "#p { margin-left: 17px }");
    put_file(www(t), "dot.gif", gif, sizeof gif - 1);
    put_text(www(t), "mark.svg",
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>");
    put_text(www(t), "data.json", "{ \"word\": \"gr\xc3\xbc\xc3\x9f\" }");
    put_text(www(t), "code.js",
             "addEventListener('load', async () => {\n"
             "  const json = await (await fetch('data.json')).json();\n"
             "  const part = await fetch('data.json', { headers: { Range: 'bytes=0-1' } });\n"
             "  document.title = [getComputedStyle(p).marginLeft, i.naturalWidth, json.word, "
             "part.status,\n"
             "                    (await part.text()).length].join(' ');\n"
             "});\n");
    struct server s = start(t, NULL);
    int r = t_shell(
        out, 65536,
        "timeout 50 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--disable-dev-shm-usage --user-data-dir=%s/profile --virtual-time-budget=5000 "
        "--dump-dom http://127.0.0.1:%d/ 2>%s/chromium.log",
        t_dir(t), s.port, t_dir(t));
    CHECK_EQ(r, 0);
    if (!strstr(out, "<title>17px 1 gr\xc3\xbc\xc3\x9f 206 2</title>"))
        FAIL("the page became\n%s", out);
    stop(&s);
}
