/* The HTTP server over a socket: framing, methods, files, ranges, conditions, limits, time. */
#include "http_server.h"

#define REAL "a server of its own and real sockets"
#define HOST "Host: a\r\n"
#define NEXT "GET /hello.txt HTTP/1.1\r\n" HOST "\r\n"

static struct server hello(struct test *t)
{
    put_text(www(t), "hello.txt", "hello");
    return start(t, NULL);
}

/* Requests, and the statuses of all answers until the server closes or says nothing more. A trailing
 * "." means that it closes, in good order. */
static const struct {
    const char *says, *hears;
} talks[] = {
    { NEXT, "200" },
    { NEXT NEXT NEXT, "200 200 200" },
    { "\r\n" NEXT "\r\n" NEXT, "200 200" },
    { "GET /hello.txt HTTP/1.0\r\n\r\n", "200." },
    { "GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" NEXT, "200 200" },
    { "GET /hello.txt HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" NEXT, "200." },
    { "GET /none HTTP/1.1\r\n" HOST "\r\n" NEXT, "404 200" },
    { "GET http://a/hello.txt HTTP/1.1\r\n" HOST "\r\n", "200" },
    { "GET http://b/hello.txt HTTP/1.1\r\n" HOST "\r\n", "400." },
    { "GET /hello.txt?x=1 HTTP/1.1\r\n" HOST "\r\n", "200" },
    /* methods */
    { "POST /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" NEXT, "405 200" },
    { "PUT /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" NEXT, "405 200" },
    { "DELETE /hello.txt HTTP/1.1\r\n" HOST "\r\n" NEXT, "405 200" },
    { "TRACE / HTTP/1.1\r\n" HOST "\r\n" NEXT, "405 200" },
    { "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "405" },
    { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" NEXT, "204 200" },
    { "BREW / HTTP/1.1\r\n" HOST "\r\n" NEXT, "501 200" },
    { "get / HTTP/1.1\r\n" HOST "\r\n" NEXT, "501 200" },
    /* what is not HTTP, or not strictly */
    { "USER anonymous\r\n", "400." },
    { "*1\r\n$4\r\nPING\r\n", "400." },
    { "\x16\x03\x01\x02\x00\x01", "400." },
    { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505." },
    { "GET / HTTP/1.1\r\n\r\n" NEXT, "400." },
    { "GET / HTTP/1.1\r\n" HOST HOST "\r\n" NEXT, "400." },
    { "GET / HTTP/1.1\n" HOST "\n" NEXT, "400." },
    { "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n" NEXT, "400." },
    { "GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n" NEXT, "400." },
    { NEXT "GET  / HTTP/1.1\r\n" HOST "\r\n" NEXT, "200 400." },
    { "GET / HTTP/3.0\r\n" HOST "\r\n", "505." },
    /* bodies */
    { "GET /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" NEXT, "200 200" },
    { "GET /hello.txt HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\nA: b\r\n\r\n" NEXT,
      "200 200" },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" NEXT,
      "405 200" },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n" NEXT,
      "400." },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n" NEXT,
      "400." },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT, "501." },
    { "POST / HTTP/1.1\r\n" HOST
      "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
      "400." },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" NEXT, "400." },
    { "GET / HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n" NEXT, "413." },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n" NEXT, "405." },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n" NEXT, "405." },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", "413." },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "405." },
    { "GET /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: tea\r\n\r\n", "417." },
    { "GET /hello.txt HTTP/1.1\r\n" HOST
      "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello" NEXT,
      "200 200" },
    /* paths */
    { "GET /../hello.txt HTTP/1.1\r\n" HOST "\r\n" NEXT, "400 200" },
    { "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /..%2fwww HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /..%5c..%5cx HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /hello.txt%00.html HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /%c0%ae%c0%ae/x HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET /hello.txt%0d%0aA:%20b HTTP/1.1\r\n" HOST "\r\n", "400" },
    { "GET //hello.txt HTTP/1.1\r\n" HOST "\r\n", "200" },
    { "GET /x/../hello.txt HTTP/1.1\r\n" HOST "\r\n", "200" },
    { "GET /hello.txt/ HTTP/1.1\r\n" HOST "\r\n", "404" },
    { "GET /hello.txt/x HTTP/1.1\r\n" HOST "\r\n", "404" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", "403" },
};

/* Everything it says; what is expected is waited for longer than what is not. */
static void hear_all(int fd, char *out, size_t size, const char *expected)
{
    size_t n = 0;
    out[0] = 0;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, strcmp(out, expected) == 0 ? 100 : 5000) == 0)
            return;
        struct answer a = hear(fd, true);
        if (a.status <= 0) {
            snprintf(out + n, size - n, a.status == 0 ? "." : "!");
            return;
        }
        n += (size_t)snprintf(out + n, size - n, "%s%d", n ? " " : "", a.status);
    }
}

TEST_REAL(every_request_gets_the_answer_it_deserves, REAL)
{
    struct server s = hello(t);
    char heard[256];
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        int fd = dial(&s);
        const char *expected = talks[i].hears;
        if (talks[i].says[0] == '\x16')
            say_bytes(fd, talks[i].says, 6);
        else
            say(fd, talks[i].says);
        hear_all(fd, heard, sizeof heard, expected);
        if (strcmp(heard, expected) != 0)
            FAIL("%s\nis answered with %s, not %s", talks[i].says, heard, expected);
        close(fd);
    }
    stop(&s);
}

TEST_REAL(a_request_may_come_byte_by_byte, REAL)
{
    struct server s = hello(t);
    int fd = dial(&s);
    for (int i = 0; i < 3; i++) {
        for (const char *p = NEXT; *p; p++) {
            say_bytes(fd, p, 1);
            while (p[1] && !rests(&s)) /* it has read the byte and waits for more */
                sched_yield();
        }
        struct answer a = hear(fd, true);
        CHECK_EQ(a.status, 200);
        CHECK_STR(a.body, "hello");
    }
    stop(&s);
}

TEST_REAL(pipelined_requests_are_answered_in_order, REAL)
{
    enum { COUNT = 3000 };
    put_pattern(www(t), "data.bin", 100000);
    struct server s = start(t, NULL);
    int fd = dial(&s);
    static char all[COUNT * 128];
    char *at = all;
    for (unsigned i = 0; i < COUNT; i++)
        at += sprintf(at, "GET /data.bin HTTP/1.1\r\n" HOST "Range: bytes=%u-%u\r\n\r\n", i * 33,
                      i * 33);
    pid_t writer = fork(); /* the answers must be taken meanwhile */
    if (writer == 0) {
        say_bytes(fd, all, (size_t)(at - all));
        _exit(0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        struct answer a = hear(fd, true);
        CHECK_EQ(a.status, 206);
        CHECK_EQ(a.size, 1);
        CHECK_EQ((unsigned char)a.body[0], pattern(i * 33));
    }
    waitpid(writer, NULL, 0);
    stop(&s);
}

TEST_REAL(files_of_all_sizes_arrive_whole_and_in_parts, REAL)
{
    static const size_t sizes[] = { 0,     1,     8191,  8192,  8193,  15000,  15360,  15361,
                                    16000, 16384, 16385, 65536, 65537, 300000, 3000001 };
    char name[32], head[256];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(name, sizeof name, "f%zu.bin", sizes[i]);
        put_pattern(www(t), name, sizes[i]);
    }
    struct server s = start(t, NULL);
    int fd = dial(&s);
    for (int round = 0; round < 2; round++) /* the second may come from memory */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t size = sizes[i];
            snprintf(head, sizeof head, "GET /f%zu.bin HTTP/1.1\r\n" HOST, size);
            struct answer a = ask(fd, head);
            CHECK_EQ(a.status, 200);
            CHECK_EQ(a.size, size);
            for (size_t k = 0; k < size; k++)
                if ((unsigned char)a.body[k] != pattern(k))
                    FAIL("byte %zu of %zu is wrong", k, size);
            head[0] = 'H', memcpy(head, "HEAD", 4);
            snprintf(head, sizeof head, "HEAD /f%zu.bin HTTP/1.1\r\n" HOST, size);
            a = ask(fd, head);
            CHECK_EQ(strtoul(field(&a, "Content-Length"), NULL, 10), size);
            if (size < 3)
                continue;
            size_t from = size / 3, to = size - size / 5;
            snprintf(head, sizeof head, "GET /f%zu.bin HTTP/1.1\r\n" HOST "Range: bytes=%zu-%zu\r\n",
                     size, from, to - 1);
            a = ask(fd, head);
            CHECK_EQ(a.status, 206);
            CHECK_EQ(a.size, to - from);
            for (size_t k = 0; k < a.size; k++)
                CHECK_EQ((unsigned char)a.body[k], pattern(from + k));
            snprintf(head, sizeof head, "bytes %zu-%zu/%zu", from, to - 1, size);
            CHECK_STR(field(&a, "Content-Range"), head);
            snprintf(head, sizeof head, "GET /f%zu.bin HTTP/1.1\r\n" HOST "Range: bytes=%zu-\r\n",
                     size, size);
            a = ask(fd, head);
            CHECK_EQ(a.status, 416);
            snprintf(head, sizeof head, "bytes */%zu", size);
            CHECK_STR(field(&a, "Content-Range"), head);
        }
    stop(&s);
}

TEST_REAL(an_answer_carries_the_fields_it_should, REAL)
{
    put_text(www(t), "a.html", "<p>x");
    put_text(www(t), "a.css", "p{}");
    struct server s = start(t, "--max-age", "60", NULL);
    int fd = dial(&s);
    struct answer a = get(fd, "/a.html");
    CHECK_STR(field(&a, "Content-Type"), "text/html; charset=utf-8");
    CHECK_STR(field(&a, "X-Content-Type-Options"), "nosniff");
    CHECK_STR(field(&a, "Cache-Control"), "no-cache");
    CHECK_STR(field(&a, "Accept-Ranges"), "bytes");
    CHECK(field(&a, "ETag") && field(&a, "ETag")[0] == '"');
    CHECK_EQ(strlen(field(&a, "Date")), 29);
    CHECK_EQ(strlen(field(&a, "Last-Modified")), 29);
    CHECK(!field(&a, "Connection"));
    a = get(fd, "/a.css");
    CHECK_STR(field(&a, "Cache-Control"), "max-age=60");
    a = get(fd, "/none");
    CHECK_STR(field(&a, "Content-Security-Policy"), "default-src 'none'");
    a = ask(fd, "POST / HTTP/1.1\r\n" HOST);
    CHECK_STR(field(&a, "Allow"), "GET, HEAD, OPTIONS");
    a = ask(fd, "OPTIONS * HTTP/1.1\r\n" HOST);
    CHECK_STR(field(&a, "Allow"), "GET, HEAD, OPTIONS");
    a = ask(fd, "GET /a.css HTTP/1.0\r\nConnection: keep-alive\r\n");
    CHECK_STR(field(&a, "Connection"), "keep-alive");
    a = ask(fd, "GET /a.css HTTP/1.1\r\n" HOST "Connection: close\r\n");
    CHECK_STR(field(&a, "Connection"), "close");
    CHECK(is_closed(fd));
    stop(&s);
}

TEST_REAL(a_file_that_has_not_changed_is_not_sent_again, REAL)
{
    struct server s = hello(t);
    int fd = dial(&s);
    char head[512], tag[128], date[64];
    struct answer a = get(fd, "/hello.txt");
    snprintf(tag, sizeof tag, "%.100s", field(&a, "ETag"));
    snprintf(date, sizeof date, "%.60s", field(&a, "Last-Modified"));
    snprintf(head, sizeof head, "GET /hello.txt HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n", tag);
    a = ask(fd, head);
    CHECK_EQ(a.status, 304);
    CHECK_STR(field(&a, "ETag"), tag);
    snprintf(head, sizeof head, "GET /hello.txt HTTP/1.1\r\n" HOST "If-Modified-Since: %s\r\n",
             date);
    CHECK_EQ(ask(fd, head).status, 304);
    snprintf(head, sizeof head, "GET /hello.txt HTTP/1.1\r\n" HOST "If-Match: \"x\"\r\n");
    CHECK_EQ(ask(fd, head).status, 412);
    put_text(s.root, "hello.txt", "jello"); /* the same size */
    snprintf(head, sizeof head, "GET /hello.txt HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n", tag);
    while ((a = ask(fd, head)).status == 304) /* it looks at files now and then only */
        continue;
    CHECK_EQ(a.status, 200);
    CHECK_STR(a.body, "jello");
    unlink(strcat(strcpy(head, s.root), "/hello.txt"));
    while ((a = get(fd, "/hello.txt")).status == 200)
        continue;
    CHECK_EQ(a.status, 404);
    stop(&s);
}

TEST_REAL(nothing_outside_the_folder_is_reached, REAL)
{
    char path[256], link[256];
    put_text(t_dir(t), "secret", "secret");
    put_text(www(t), "inside.txt", "inside");
    put_text(www(t), ".hidden", "hidden");
    snprintf(path, sizeof path, "%s/secret", t_dir(t));
    snprintf(link, sizeof link, "%s/absolute", www(t));
    CHECK_EQ(symlink(path, link), 0);
    snprintf(link, sizeof link, "%s/relative", www(t));
    CHECK_EQ(symlink("../secret", link), 0);
    snprintf(link, sizeof link, "%s/up", www(t));
    CHECK_EQ(symlink("..", link), 0);
    snprintf(link, sizeof link, "%s/within", www(t));
    CHECK_EQ(symlink("inside.txt", link), 0);
    snprintf(link, sizeof link, "%s/fifo", www(t));
    CHECK_EQ(mkfifo(link, 0644), 0);
    struct server s = start(t, NULL);
    static const struct {
        const char *path;
        int status;
    } tries[] = {
        { "/absolute", 403 },
        { "/relative", 403 },
        { "/up/secret", 403 },
        { "/up/www/inside.txt", 403 },
        { "/up/", 403 },
        { "/within", 200 },
        { "/fifo", 403 },
        { "/.hidden", 404 },
        { "/%2ehidden", 404 },
        { "/../secret", 400 },
        { "/x/../../secret", 400 },
        { "/%2e%2e/secret", 400 },
        { "/.%2e/secret", 400 },
        { "/..%2fsecret", 400 },
        { "/..%5csecret", 400 },
        { "//../secret", 400 },
        { "/./../secret", 400 },
        { "/proc/self/environ", 404 },
    };
    int fd = dial(&s);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct answer a = get(fd, tries[i].path);
        if (a.status != tries[i].status)
            FAIL("%s is %d, not %d", tries[i].path, a.status, tries[i].status);
        CHECK(!strstr(a.body, "secret") && !strstr(a.body, "hidden"));
    }
    stop(&s);
}

TEST_REAL(folders_redirect_list_and_escape_their_names, REAL)
{
    char path[256];
    snprintf(path, sizeof path, "%s/a b", www(t));
    mkdir(path, 0755);
    put_text(path, "<script>&\"'.txt", "x");
    put_text(path, "100%?#.txt", "percent");
    put_text(path, ".hidden", "x");
    struct server s = start(t, "--list", NULL);
    int fd = dial(&s);
    struct answer a = get(fd, "/a%20b?q=1");
    CHECK_EQ(a.status, 301);
    CHECK_STR(field(&a, "Location"), "/a%20b/?q=1");
    a = get(fd, "//a%20b"); /* not a host */
    CHECK_STR(field(&a, "Location"), "/a%20b/");
    a = get(fd, "/a%20b/");
    CHECK_EQ(a.status, 200);
    CHECK(strstr(
        a.body,
        "<a href=\"./%3Cscript%3E&amp;%22&#39;.txt\">&lt;script&gt;&amp;&quot;&#39;.txt</a>"));
    CHECK(strstr(a.body, "<a href=\"./100%25%3F%23.txt\">"));
    CHECK(!strstr(a.body, "<script>") && !strstr(a.body, "hidden"));
    CHECK_STR(get(fd, "/a%20b/100%25%3F%23.txt").body, "percent");
    CHECK(strstr(get(fd, "/").body, "<a href=\"./a%20b/\">a b/</a>"));
    put_text(path, "index.html", "index");
    CHECK_STR(get(fd, "/a%20b/").body, "index");
    stop(&s);
}

TEST_REAL(slow_heads_and_bodies_are_cut_with_408, REAL)
{
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, "--head-time", "0.4", "--body-time", "0.4", NULL);
    int head = dial(&s), body = dial(&s), next = dial(&s);
    double begin = seconds();
    say(body, "GET /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhel");
    say(next, NEXT "GET /");
    CHECK_EQ(hear(next, true).status, 200); /* what is whole does not wait for what is not */
    struct pollfd answer = { .fd = head, .events = POLLIN };
    for (int i = 0; i < 90 && poll(&answer, 1, 50) == 0; i++) /* dribbling wins no time */
        say(head, i == 0 ? "GET / HTTP/1.1\r\n" : "A: b\r\n");
    double dribbled = seconds() - begin;
    CHECK_EQ(hear(head, true).status, 408);
    CHECK(is_closed(head));
    CHECK_EQ(hear(body, true).status, 408);
    CHECK(is_closed(body));
    CHECK_EQ(hear(next, true).status, 408);
    CHECK(is_closed(next));
    CHECK(dribbled > 0.35);
    CHECK(dribbled < 4); /* of the 4.5 s that it would go on */
    stop(&s);
}

TEST_REAL(idle_connections_are_closed_without_a_word, REAL)
{
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, "--idle", "0.4", NULL);
    int silent = dial(&s), used = dial(&s);
    CHECK_EQ(get(used, "/hello.txt").status, 200);
    CHECK(is_closed(silent));
    CHECK(is_closed(used));
    stop(&s);
}

TEST_REAL(a_client_that_takes_nothing_is_dropped_and_a_slow_one_is_not, REAL)
{
    enum { SIZE = 30000000 };
    char path[256];
    snprintf(path, sizeof path, "%s/big", www(t));
    int file = open(path, O_CREAT | O_WRONLY, 0644);
    CHECK_EQ(ftruncate(file, SIZE), 0);
    /* TCP itself may rest for a quarter of a second when the window was full: far less than this. */
    struct server s = start(t, "--write-time", "2", NULL);
    int stuck = dial(&s), slow = dial(&s);
    say(stuck, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    say(slow, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    static char buf[200000];
    size_t all = 0;
    int began = 0, after = 0;
    CHECK_EQ(poll(&(struct pollfd){ .fd = stuck, .events = POLLIN }, 1, -1), 1);
    for (ssize_t n; all < SIZE && (n = recv(slow, buf, sizeof buf, 0)) > 0;) {
        all += (size_t)n;
        began = began ? began : t_descriptors(s.pid);
        after += t_descriptors(s.pid) < began; /* the stuck one is dropped, and this one goes on */
        if (after < 5)
            poll(NULL, 0, 50); /* slow, as it is called */
    }
    CHECK(all > SIZE);
    CHECK(after >= 5);
    all = 0;
    for (ssize_t n; (n = recv(stuck, buf, sizeof buf, 0)) > 0;)
        all += (size_t)n;
    CHECK(all < SIZE);
    stop(&s);
}

TEST_REAL(expect_100_continue_is_answered_before_the_body, REAL)
{
    struct server s = hello(t);
    int fd = dial(&s);
    say(fd, "GET /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    CHECK_EQ(hear(fd, true).status, 100);
    say(fd, "hello");
    CHECK_EQ(hear(fd, true).status, 200);
    CHECK_EQ(get(fd, "/hello.txt").status, 200);
    stop(&s);
}

TEST_REAL(heads_at_the_limits_are_served_and_beyond_refused, REAL)
{
    struct server s = hello(t);
    static char head[40000];
    int fd = dial(&s);
    int n = sprintf(head, "GET /hello.txt?");
    memset(head + n, 'x', 8192 - 11);
    sprintf(head + n + 8192 - 11, " HTTP/1.1\r\n" HOST);
    CHECK_EQ(ask(fd, head).status, 200);
    memset(head + n, 'x', 8193 - 11);
    sprintf(head + n + 8193 - 11, " HTTP/1.1\r\n" HOST);
    CHECK_EQ(ask(fd, head).status, 414);
    CHECK(is_closed(fd));
    fd = dial(&s);
    n = sprintf(head, "GET /hello.txt HTTP/1.1\r\n" HOST "Content-Length: 60000\r\nA: ");
    memset(head + n, 'x', (size_t)(16384 - n - 4));
    sprintf(head + 16384 - 4, "\r\n\r\n"); /* the largest head, and the largest body behind it */
    say(fd, NEXT);
    say(fd, head);
    memset(head, 'b', 40000);
    say_bytes(fd, head, 30000);
    say_bytes(fd, head, 30000);
    say(fd, NEXT);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(hear(fd, true).status, 200);
    n = sprintf(head, "GET /hello.txt HTTP/1.1\r\n" HOST "A: ");
    memset(head + n, 'x', 17000);
    say_bytes(fd, head, 17000);
    CHECK_EQ(hear(fd, true).status, 431);
    CHECK(is_closed(fd));
    stop(&s);
}

TEST_REAL(the_log_has_a_line_for_each_answer_and_no_more, REAL)
{
    char path[256], text[4096];
    snprintf(path, sizeof path, "%s/log", t_dir(t));
    put_text(www(t), "hello.txt", "hello");
    struct server s = start(t, "--log", path, NULL);
    int fd = dial(&s);
    say(fd, NEXT NEXT "GET /a\"\nb HTTP/1.1\r\n\r\n");
    CHECK_EQ(hear(fd, true).status, 200);
    CHECK_EQ(hear(fd, true).status, 200);
    CHECK_EQ(hear(fd, true).status, 400);
    CHECK(is_closed(fd));
    stop(&s);
    int file = open(path, O_RDONLY);
    ssize_t n = read(file, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = 0;
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        char ask_[64], end[64];
        CHECK_EQ(sscanf(line, "127.0.0.1 - - [%*2d/%*3c/%*d:%*d:%*d:%*d +0000] \"%63[^\"]\" %63[^\n]",
                        ask_, end),
                 2);
        CHECK_STR(ask_, lines < 2 ? "GET /hello.txt HTTP/1.1" : "GET /a\\x22");
        if (lines < 2)
            CHECK_STR(end, "200 5");
    }
    CHECK_EQ(lines, 3);
}
