/* TLS when memory and system calls fail: each end closes with a clean error or did its work, nothing is lost and
 * afterwards everything works. The n-th failure is tried for growing n until none is left; of OpenSSL's thousands
 * of allocations, the later ones with gaps. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "failing.h"

#define REAL "sockets and certificates"

static weft_tls_context *server_context, *client_context;
static struct weft_tls_options server_options = { .size = sizeof server_options,
                                                  .flags = WEFT_TLS_SERVER };
static struct weft_tls_options client_options = { .size = sizeof client_options };

/* Of the connection itself; the test's own beginnings succeed. */
static long transfer_fault(long nr)
{
    switch (nr) {
    case SYS_sendto:
    case SYS_recvfrom:
    case SYS_sendmsg:
    case SYS_recvmsg:
    case SYS_preadv2:
    case SYS_openat2:
    case SYS_epoll_ctl: return fault(nr);
    default: return 0;
    }
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_fault() ? NULL : malloc(size);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_fault() ? NULL : realloc(block, size);
}

static void let_go(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* -- two ends -------------------------------------------------------------------------------------------- */

struct end {
    int fd;
    bool server, whole;
};

static int talk(void *arg)
{
    struct end *e = arg;
    weft_tls tls = { 0 };
    char text[8];
    ssize_t r = weft_tls_init(&tls, e->server ? server_context : client_context, e->fd);
    const char *where = "handshake";
    if (r == 0)
        r = weft_tls_handshake(&tls, e->server ? NULL : "localhost", SOON);
    if (r == 0)
        where = "talk";
    if (r == 0 && !e->server)
        r = weft_tls_write(&tls, "ping", 4, SOON);
    if (r >= 0 && (r = weft_tls_read(&tls, text, sizeof text, SOON)) == 4 && e->server)
        r = weft_tls_write(&tls, "pong", 4, SOON);
    if (r == 4)
        where = "shutdown", r = weft_tls_shutdown(&tls, SOON);
    if (e->whole && r != 0)
        FAIL("%s: %zd, %s", e->server ? "server" : "client", r, weft_why());
    if (r == -ETIMEDOUT || r == -EAGAIN || r == -EINTR)
        FAIL("%s: %zd at %s after call %ld, error %d", e->server ? "server" : "client", r, where,
             failed_nr, choice);
    weft_tls_fini(&tls);
    CHECK_OK(weft_close(e->fd));
    return 0;
}

static void two_ends(bool whole)
{
    struct end ends[2] = { { .server = true, .whole = whole }, { .whole = whole } };
    int fds[2];
    weft_group g;
    CHECK_OK(weft_socketpair(fds));
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 2; i++) {
        ends[i].fd = fds[i];
        CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, talk, &ends[i]));
    }
    CHECK_OK(weft_group_wait(&g, weft_never()));
    weft_group_fini(&g);
}

static void two_contexts(bool whole)
{
    weft_tls_context *context;
    for (int i = 0; i < 2; i++) {
        int r = weft_tls_context_new(&context, i ? &server_options : &client_options);
        if (r == 0)
            weft_tls_context_free(context);
        else if (whole)
            FAIL("%s", weft_why());
    }
}

/* -- */

static void prepare(struct test *t)
{
    static char certificate[128], key[128];
    char out[4096];
    if (t_shell(out, sizeof out, "command -v openssl") != 0)
        SKIP("the openssl command is not installed");
    int status =
        t_shell(out, sizeof out,
                "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout %s/key -out "
                "%s/certificate 2>&1",
                t_dir(t), t_dir(t));
    if (status)
        FAIL("openssl: %d, %s", status, out);
    snprintf(certificate, sizeof certificate, "%s/certificate", t_dir(t));
    snprintf(key, sizeof key, "%s/key", t_dir(t));
    server_options.certificate = client_options.authorities = certificate;
    server_options.key = key;
    CHECK_OK(weft_tls_context_new(&server_context, &server_options));
    CHECK_OK(weft_tls_context_new(&client_context, &client_options));
}

static void fail_many(void (*scenario)(bool whole))
{
    long tried = 0;
    scenario(true);
    int before = t_descriptors(0);
    for (long n = 1, over = 0; !over; n += 1 + n / 20, tried++) {
        __atomic_store_n(&countdown, n, __ATOMIC_RELEASE);
        scenario(false);
        over = __atomic_exchange_n(&countdown, 0, __ATOMIC_ACQ_REL) > 0;
        if (tried % 10 == 0)
            scenario(true);
        CHECK_EQ(t_descriptors(0), before);
    }
    scenario(true);
    printf("%ld failed one by one\n", tried - 1);
}

static void fail_calls(struct test *t, void (*scenario)(bool whole))
{
    prepare(t);
    __atomic_store_n(&weft__sys_fault, transfer_fault, __ATOMIC_RELEASE);
    for (choice = 0; choice < 2; choice++)
        fail_many(scenario);
    __atomic_store_n(&weft__sys_fault, NULL, __ATOMIC_RELEASE);
}

TEST_REAL_LONG(connections_survive_failing_calls, REAL, 60)
{
    fail_calls(t, two_ends);
}

TEST_REAL_LONG(contexts_survive_failing_calls, REAL, 60)
{
    fail_calls(t, two_contexts);
}

TEST_REAL_LONG(connections_survive_failing_allocations, REAL, 60)
{
    CHECK_EQ(CRYPTO_set_mem_functions(allocate, resize, let_go), 1);
    prepare(t);
    fail_many(two_ends);
}

TEST_REAL_LONG(contexts_survive_failing_allocations, REAL, 60)
{
    CHECK_EQ(CRYPTO_set_mem_functions(allocate, resize, let_go), 1);
    prepare(t);
    fail_many(two_contexts);
}
