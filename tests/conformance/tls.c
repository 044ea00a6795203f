/* TLS: our two ends with each other, and each with openssl's and curl's, for each kind of task. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAL       "sockets and certificates"
#define SOON       weft_after(15 * WEFT_SEC)
#define PREPARE(t) make_certificates("ca db1")

static void make_certificates(const char *names);
#include "in_kind.h"

/* Make keys and certificates by the openssl command: "ca", the test's own authority, and of it "db1" (also
 * localhost and 127.0.0.1), "other", "wild" (*.wild.test), "old" (expired), "me" (a client); "strange" is another
 * authority. */
static void make_certificates(const char *names)
{
    static const char script[] =
        "cd %s && exec 2>&1 && umask 077 && set -e\n"
        "printf '[req]\ndistinguished_name=d\n[d]\n' > req.conf\n"
        "printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
        "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > ca.conf\n"
        "make() { name=$1 subject=$2; shift 2; openssl req -config req.conf -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -keyout $name.key -subj /CN=$subject \"$@\"; }\n"
        "issue() { make $1 $2 -x509 -CA ca.pem -CAkey ca.key -addext subjectAltName=$3 -out "
        "$1.pem; }\n"
        "authority() { make $1 $2 -x509 -addext basicConstraints=critical,CA:TRUE -out $1.pem; }\n"
        "for name in %s; do case $name in\n"
        "ca) authority ca authority ;;\n"
        "strange) authority strange stranger ;;\n"
        "db1) issue db1 db1.test DNS:db1.test,DNS:localhost,IP:127.0.0.1 ;;\n"
        "other) issue other other.test DNS:other.test ;;\n"
        "wild) issue wild wild.test DNS:*.wild.test ;;\n"
        "me) issue me me email:me@db1.test ;;\n"
        "old) : > index.txt; echo 01 > serial; make old old.test -out old.csr;\n"
        "  openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in old.csr -out old.pem "
        "-notext "
        "-startdate 20200101000000Z -enddate 20200102000000Z ;;\n"
        "esac; done\n";
    char out[8192];
    if (t_shell(out, sizeof out, "command -v openssl") != 0)
        SKIP("the openssl command is not installed");
    int status = t_shell(out, sizeof out, script, dir, names);
    if (status)
        FAIL("openssl: %d, %s", status, out);
}

/* -- contexts ------------------------------------------------------------------------------------------- */

static const char *file(const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static struct weft_tls_options server_options(const char *certificate, const char *key)
{
    return (struct weft_tls_options){ .size = sizeof(struct weft_tls_options),
                                      .flags = WEFT_TLS_SERVER,
                                      .certificate = file(certificate),
                                      .key = file(key) };
}

static weft_tls_context *server_of(const char *certificate, const char *key)
{
    struct weft_tls_options o = server_options(certificate, key);
    weft_tls_context *context;
    CHECK_OK(weft_tls_context_new(&context, &o));
    return context;
}

static weft_tls_context *client_of(const char *authorities)
{
    struct weft_tls_options o = { .size = sizeof o, .authorities = file(authorities) };
    weft_tls_context *context;
    CHECK_OK(weft_tls_context_new(&context, &o));
    return context;
}

/* -- two ends -------------------------------------------------------------------------------------------- */

struct end {
    int fd;
    weft_tls tls;
    weft_tls_context *context;
    const char *host;
    int result;
    char words[256];
};

static int shake(void *arg)
{
    struct end *e = arg;
    e->result = weft_tls_handshake(&e->tls, e->host, SOON);
    snprintf(e->words, sizeof e->words, "%s", e->result < 0 ? weft_why() : "");
    return 0;
}

static void tcp_pair(int out[2])
{
    char at[128];
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, at, sizeof at));
    CHECK_OK(out[0] = weft_dial(at, SOON));
    CHECK_OK(out[1] = weft_accept(listener, NULL, SOON));
    CHECK_OK(weft_close(listener));
}

/* Both shake hands at once; the results are in the ends. */
static void join_ends(struct end *client, struct end *server)
{
    int fds[2];
    weft_group both;
    tcp_pair(fds);
    client->fd = fds[0];
    server->fd = fds[1];
    CHECK_OK(weft_tls_init(&client->tls, client->context, client->fd));
    CHECK_OK(weft_tls_init(&server->tls, server->context, server->fd));
    CHECK_OK(weft_group_init(&both, 0));
    CHECK_OK(weft_group_spawn(&both, kind, shake, server));
    CHECK_OK(weft_group_spawn(&both, kind, shake, client));
    CHECK_OK(weft_group_wait(&both, weft_never()));
    weft_group_fini(&both);
}

static void drop_end(struct end *e)
{
    weft_tls_fini(&e->tls);
    weft_tls_fini(&e->tls);
    CHECK_OK(weft_close(e->fd));
}

static void part_ends(struct end *client, struct end *server)
{
    drop_end(client);
    drop_end(server);
    weft_tls_context_free(client->context);
    weft_tls_context_free(server->context);
}

static void join_well(struct end *client, struct end *server)
{
    *client = (struct end){ .context = client_of("ca.pem"), .host = "db1.test" };
    *server = (struct end){ .context = server_of("db1.pem", "db1.key") };
    join_ends(client, server);
    CHECK_STR(client->words, "");
    CHECK_STR(server->words, "");
}

static int say_goodbye(void *arg)
{
    struct end *e = arg;
    e->result = weft_tls_shutdown(&e->tls, SOON);
    return 0;
}

IN_KIND(bytes_go_both_ways_and_both_say_goodbye)
{
    struct end client, server;
    char buf[64];
    join_well(&client, &server);
    CHECK_STR(weft_tls_version(&client.tls), "TLSv1.3");
    CHECK_STR(weft_tls_host(&server.tls), "db1.test");
    CHECK_STR(weft_tls_peer(&client.tls), "db1.test");
    CHECK_STR(weft_tls_peer(&server.tls), "");
    CHECK_STR(weft_tls_protocol(&client.tls), "");
    CHECK_ERR(weft_tls_read(&server.tls, buf, sizeof buf, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_tls_read(&server.tls, buf, sizeof buf, weft_after(WEFT_MS)), -ETIMEDOUT);
    CHECK_EQ(weft_tls_read(&server.tls, buf, 0, SOON), 0);
    CHECK_EQ(weft_tls_write(&client.tls, "hello", 5, SOON), 5);
    CHECK_EQ(weft_tls_read(&server.tls, buf, 2, SOON), 2);
    CHECK_EQ(weft_tls_read(&server.tls, buf + 2, sizeof buf - 2, weft_at_once()), 3);
    CHECK_MEM(buf, "hello", 5);
    CHECK_EQ(weft_tls_writev(&server.tls, (struct iovec[]){ { "wo", 2 }, { "", 0 }, { "rld", 3 } },
                             3, SOON),
             5);
    for (size_t n = 0; n < 5;) {
        ssize_t r = weft_tls_read(&client.tls, buf + n, sizeof buf - n, SOON);
        CHECK_GT(r, 0);
        n += (size_t)r;
    }
    CHECK_MEM(buf, "world", 5);
    CHECK_OK(weft_group_spawn(&group, kind, say_goodbye, &server));
    CHECK_EQ(weft_tls_read(&client.tls, buf, sizeof buf, SOON), 0);
    CHECK_OK(weft_tls_shutdown(&client.tls, SOON));
    CHECK_OK(weft_group_wait(&group, SOON));
    CHECK_EQ(server.result, 0);
    CHECK_ERR(weft_tls_write(&client.tls, "x", 1, SOON), -EPROTO);
    part_ends(&client, &server);
    return 0;
}

IN_KIND(before_the_handshake_nothing_is_said)
{
    weft_tls tls = { 0 };
    weft_tls_context *context = client_of("ca.pem");
    int fds[2];
    char byte;
    CHECK_ERR(weft_tls_handshake(&tls, "x", SOON), -EINVAL);
    CHECK_OK(weft_socketpair(fds));
    CHECK_ERR(weft_tls_init(&tls, context, -1), -EINVAL);
    CHECK_ERR(weft_tls_init(&tls, NULL, fds[0]), -EINVAL);
    CHECK_OK(weft_tls_init(&tls, context, fds[0]));
    weft_tls_context_free(context);
    CHECK_ERR(weft_tls_read(&tls, &byte, 1, SOON), -ENOTCONN);
    CHECK_ERR(weft_tls_write(&tls, &byte, 1, SOON), -ENOTCONN);
    CHECK_ERR(weft_tls_shutdown(&tls, SOON), -ENOTCONN);
    CHECK_ERR(weft_tls_handshake(&tls, NULL, SOON), -EINVAL);
    CHECK_ERR(weft_tls_handshake(&tls, "x", weft_after(5 * WEFT_MS)), -ETIMEDOUT);
    CHECK_STR(weft_why(), "TLS with x: deadline reached");
    CHECK_ERR(weft_tls_handshake(&tls, "x", weft_at_once()), -ETIMEDOUT);
    CHECK_OK(weft_shutdown(fds[1], SHUT_WR));
    CHECK_ERR(weft_tls_handshake(&tls, "x", SOON), -ECONNRESET);
    CHECK_STR(weft_why(), "TLS with x: it closed without a word");
    CHECK_ERR(weft_tls_handshake(&tls, "x", SOON), -ECONNRESET);
    CHECK_STR(weft_tls_version(&tls), "");
    weft_tls_fini(&tls);
    CHECK_OK(weft_close(fds[0]));
    CHECK_OK(weft_close(fds[1]));
    return 0;
}

/* -- who is who ------------------------------------------------------------------------------------------ */

IN_KIND(certificates_are_judged_with_words)
{
    make_certificates("wild old strange");
    static const struct {
        const char *server, *authorities, *host;
        int result;
        const char *words;
    } tries[] = {
        { "db1", "ca.pem", "db1.test", 0, "" },
        { "db1", "ca.pem", "localhost", 0, "" },
        { "db1", "ca.pem", "127.0.0.1", 0, "" },
        { "wild", "ca.pem", "a.wild.test", 0, "" },
        { "wild", "ca.pem", "a.b.wild.test", -EKEYREJECTED,
          "certificate of a.b.wild.test: host name mismatch, it is for 'wild.test'" },
        { "db1", "ca.pem", "db2.test", -EKEYREJECTED,
          "certificate of db2.test: host name mismatch, it is for 'db1.test'" },
        { "db1", "ca.pem", "127.0.0.2", -EKEYREJECTED,
          "certificate of 127.0.0.2: host name mismatch, it is for 'db1.test'" },
        { "old", "ca.pem", "old.test", -EKEYEXPIRED, "certificate of old.test expired 2020-01-02" },
        { "db1", "strange.pem", "db1.test", -EKEYREJECTED,
          "certificate of db1.test: unable to get local issuer certificate" },
        { "ca", "strange.pem", "authority", -EKEYREJECTED,
          "certificate of authority: self-signed certificate" },
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        char pem[32], key[32];
        snprintf(pem, sizeof pem, "%s.pem", tries[i].server);
        snprintf(key, sizeof key, "%s.key", tries[i].server);
        struct end client = { .context = client_of(tries[i].authorities), .host = tries[i].host };
        struct end server = { .context = server_of(pem, key) };
        join_ends(&client, &server);
        CHECK_STR(client.words, tries[i].words);
        CHECK_EQ(client.result, tries[i].result);
        if (tries[i].result)
            CHECK_ERR(server.result, -EPROTO); /* it was told why */
        if (tries[i].result == -EKEYEXPIRED)
            CHECK_STR(server.words, "TLS with the client: sslv3 alert certificate expired");
        part_ends(&client, &server);
    }
    return 0;
}

IN_KIND(anyone_will_do_if_asked_for)
{
    make_certificates("old");
    struct weft_tls_options o = { .size = sizeof o, .flags = WEFT_TLS_ANYONE };
    struct end client = { 0 }, server = { .context = server_of("old.pem", "old.key") };
    CHECK_OK(weft_tls_context_new(&client.context, &o));
    join_ends(&client, &server);
    CHECK_EQ(client.result, 0);
    CHECK_EQ(server.result, 0);
    CHECK_STR(weft_tls_host(&server.tls), "");
    part_ends(&client, &server);
    return 0;
}

IN_KIND(a_server_shows_the_certificate_that_is_asked_for)
{
    make_certificates("other wild");
    static const char *const hosts[] = { "other.test", "x.wild.test", "db1.test" };
    for (size_t i = 0; i < 3; i++) {
        struct end client = { .context = client_of("ca.pem"), .host = hosts[i] };
        struct end server = { .context = server_of("db1.pem", "db1.key") };
        CHECK_OK(weft_tls_context_add(server.context, file("other.pem"), file("other.key")));
        CHECK_OK(weft_tls_context_add(server.context, file("wild.pem"), file("wild.key")));
        join_ends(&client, &server);
        CHECK_STR(client.words, "");
        CHECK_STR(weft_tls_host(&server.tls), hosts[i]);
        part_ends(&client, &server);
    }
    return 0;
}

IN_KIND(a_server_may_demand_a_certificate)
{
    make_certificates("me");
    for (int with = 0; with < 2; with++) {
        struct weft_tls_options c = { .size = sizeof c, .authorities = file("ca.pem") };
        struct weft_tls_options s = server_options("db1.pem", "db1.key");
        struct end client = { .host = "db1.test" }, server = { 0 };
        char byte;
        s.flags |= WEFT_TLS_DEMAND;
        s.authorities = file("ca.pem");
        if (with) {
            c.certificate = file("me.pem");
            c.key = file("me.key");
        }
        CHECK_OK(weft_tls_context_new(&client.context, &c));
        CHECK_OK(weft_tls_context_new(&server.context, &s));
        join_ends(&client, &server);
        CHECK_EQ(client.result, 0); /* TLS 1.3: it learns at the first read */
        if (with) {
            CHECK_STR(server.words, "");
            CHECK_STR(weft_tls_peer(&server.tls), "me");
        } else {
            CHECK_ERR(server.result, -EPROTO);
            CHECK_STR(server.words, "TLS with the client: peer did not return a certificate");
            CHECK_ERR(weft_tls_read(&client.tls, &byte, 1, SOON), -EPROTO);
            CHECK_STR(weft_why(), "TLS with db1.test: tlsv13 alert certificate required");
        }
        part_ends(&client, &server);
    }
    return 0;
}

IN_KIND(a_protocol_is_agreed_on_or_nothing)
{
    static const struct {
        const char *client, *server, *agreed;
    } tries[] = { { "h2,http/1.1", "http/1.1,h2", "http/1.1" },
                  { "ftp,h2", "h2", "h2" },
                  { "ftp", "h2,http/1.1", NULL },
                  { "ftp", NULL, "" },
                  { NULL, "h2", "" } };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct weft_tls_options c = { .size = sizeof c,
                                      .authorities = file("ca.pem"),
                                      .protocols = tries[i].client };
        struct weft_tls_options s = server_options("db1.pem", "db1.key");
        struct end client = { .host = "db1.test" }, server = { 0 };
        s.protocols = tries[i].server;
        CHECK_OK(weft_tls_context_new(&client.context, &c));
        CHECK_OK(weft_tls_context_new(&server.context, &s));
        join_ends(&client, &server);
        CHECK_EQ(client.result, tries[i].agreed ? 0 : -EPROTO);
        CHECK_EQ(server.result, tries[i].agreed ? 0 : -EPROTO);
        if (tries[i].agreed) {
            CHECK_STR(weft_tls_protocol(&client.tls), tries[i].agreed);
            CHECK_STR(weft_tls_protocol(&server.tls), tries[i].agreed);
        } else {
            CHECK_STR(client.words, "TLS with db1.test: tlsv1 alert no application protocol");
        }
        part_ends(&client, &server);
    }
    return 0;
}

IN_KIND(a_context_refuses_what_makes_no_sense)
{
    make_certificates("other");
    weft_tls_context *context;
    struct weft_tls_options o = server_options("db1.pem", "db1.key");
    char words[300];
    CHECK_OK(chmod(file("db1.key"), 0640));
    CHECK_ERR(weft_tls_context_new(&context, &o), -EACCES);
    snprintf(words, sizeof words, "key %s: others may read it (mode 0640; chmod 600 it)", o.key);
    CHECK_STR(weft_why(), words);
    CHECK_OK(chmod(file("db1.key"), 0400));
    CHECK_OK(weft_tls_context_new(&context, &o));
    weft_tls_context_free(context);
    o.key = file("other.key");
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    CHECK(strstr(weft_why(), "key values mismatch"));
    o.key = file("none.key");
    CHECK_ERR(weft_tls_context_new(&context, &o), -ENOENT);
    o.key = NULL; /* in the certificate's file: there is none */
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o = server_options("ca.conf", "db1.key");
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o = server_options("db1.pem", "db1.key");
    CHECK_EQ(t_shell(words, sizeof words,
                     "cd %s && openssl ec -aes128 -passout pass:secret -in db1.key "
                     "-out secret.key 2>&1; chmod 600 secret.key",
                     dir),
             0);
    o.key = file("secret.key");
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL); /* nobody is asked for a password */
    o = server_options("db1.pem", "db1.key");
    o.protocols = "h2,,x";
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o = server_options("db1.pem", "db1.key");
    o.flags |= WEFT_TLS_DEMAND; /* of whom? */
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o.flags = 1u << 20;
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o = (struct weft_tls_options){ .size = sizeof o, .flags = WEFT_TLS_SERVER };
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    o = (struct weft_tls_options){ .size = sizeof o, .authorities = file("none.pem") };
    CHECK_ERR(weft_tls_context_new(&context, &o), -EINVAL);
    context = client_of("ca.pem");
    CHECK_ERR(weft_tls_context_add(context, file("db1.pem"), file("db1.key")), -EINVAL);
    weft_tls_context_free(context);
    weft_tls_context_free(NULL);
    return 0;
}

/* -- bytes ------------------------------------------------------------------------------------------------ */

static void fill(unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
}

enum { MUCH = 3 << 20 };

static int write_much(void *arg)
{
    struct end *e = arg;
    unsigned char *much = malloc(MUCH);
    fill(much, MUCH, 7);
    CHECK_EQ(weft_tls_write(&e->tls, much, MUCH, SOON), MUCH);
    free(much);
    return 0;
}

static int read_much(void *arg)
{
    struct end *e = arg;
    unsigned char *want = malloc(MUCH), *got = malloc(MUCH);
    fill(want, MUCH, 7);
    for (size_t n = 0; n < MUCH;) {
        ssize_t r = weft_tls_read(&e->tls, got + n, MUCH - n, SOON);
        CHECK_GT(r, 0);
        n += (size_t)r;
    }
    CHECK_MEM(got, want, MUCH);
    free(want);
    free(got);
    return 0;
}

IN_KIND(much_goes_both_ways_at_once)
{
    struct end client, server;
    join_well(&client, &server);
    CHECK_OK(weft_group_spawn(&group, kind, write_much, &client));
    CHECK_OK(weft_group_spawn(&group, kind, write_much, &server));
    CHECK_OK(weft_group_spawn(&group, kind, read_much, &client));
    CHECK_OK(weft_group_spawn(&group, kind, read_much, &server));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    part_ends(&client, &server);
    return 0;
}

IN_KIND(what_a_deadline_left_unsent_is_sent_next)
{
    enum { PART = 100000 };
    struct end client, server;
    static unsigned char want[200 * PART], got[PART];
    size_t taken = 0, n = 0;
    ssize_t r;
    join_well(&client, &server);
    fill(want, sizeof want, 3);
    while ((r = weft_tls_write(&client.tls, want + taken, PART, weft_after(5 * WEFT_MS))) > 0)
        if ((taken += (size_t)r) > sizeof want - PART)
            FAIL("the sockets hold %zu bytes", taken);
    CHECK_ERR(r, -ETIMEDOUT);
    while ((r = weft_tls_write(&client.tls, want + taken, PART, weft_at_once())) > 0)
        taken += (size_t)r; /* TCP makes room once more */
    CHECK_ERR(r, -ETIMEDOUT);
    CHECK_OK(weft_group_spawn(&group, kind, say_goodbye, &client));
    while ((r = weft_tls_read(&server.tls, got, sizeof got, SOON)) > 0) {
        CHECK_MEM(got, want + n, (size_t)r);
        n += (size_t)r;
    }
    CHECK_EQ(r, 0);
    CHECK_EQ(n, taken);
    CHECK_OK(weft_tls_shutdown(&server.tls, SOON));
    CHECK_OK(weft_group_wait(&group, SOON));
    CHECK_EQ(client.result, 0);
    part_ends(&client, &server);
    return 0;
}

IN_KIND(an_end_without_goodbye_is_told_from_one_with)
{
    struct end client, server;
    char byte;
    join_well(&client, &server);
    CHECK_OK(weft_shutdown(server.fd, SHUT_WR));
    CHECK_ERR(weft_tls_read(&client.tls, &byte, 1, SOON), -ECONNRESET);
    CHECK_STR(weft_why(), "TLS with db1.test: it closed without a word");
    part_ends(&client, &server);
    join_well(&client, &server);
    CHECK_OK(weft_close(client.fd));
    client.fd = weft_open("/dev/null", O_RDONLY, 0);
    ssize_t r;
    while ((r = weft_tls_write(&server.tls, "x", 1, SOON)) == 1) /* no signal */
        ;
    CHECK(r == -EPIPE || r == -ECONNRESET);
    part_ends(&client, &server);
    return 0;
}

IN_KIND(plain_text_is_no_tls)
{
    struct end server = { .context = server_of("db1.pem", "db1.key") };
    int fds[2];
    tcp_pair(fds);
    server.fd = fds[1];
    CHECK_OK(weft_tls_init(&server.tls, server.context, server.fd));
    CHECK_EQ(weft_write(fds[0], "GET / HTTP/1.0\r\n\r\n", 18, SOON), 18);
    CHECK_ERR(weft_tls_handshake(&server.tls, NULL, SOON), -EPROTO);
    CHECK_STR(weft_why(), "TLS with the client: http request");
    CHECK_OK(weft_close(fds[0]));
    drop_end(&server);
    weft_tls_context_free(server.context);
    return 0;
}

static int read_one(void *arg)
{
    struct end *e = arg;
    char byte;
    e->result = (int)weft_tls_read(&e->tls, &byte, 1, weft_never());
    return 0;
}

IN_KIND(a_read_can_be_cancelled_and_goes_on_later)
{
    struct end client, server;
    struct weft_task_info info = { .size = sizeof info };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    char byte;
    join_well(&client, &server);
    CHECK_OK(weft_group_spawn_with(&group, kind, read_one, &client, &more));
    do {
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
        CHECK_OK(weft_task_describe(task, &info));
    } while (strcmp(info.state, "read") != 0);
    CHECK_OK(weft_task_cancel(task));
    CHECK_OK(weft_task_join(task, NULL, SOON));
    CHECK_ERR(client.result, -ECANCELED);
    CHECK_EQ(weft_tls_write(&server.tls, "x", 1, SOON), 1);
    CHECK_EQ(weft_tls_read(&client.tls, &byte, 1, SOON), 1);
    part_ends(&client, &server);
    return 0;
}

IN_KIND(lines_over_tls_are_lines)
{
    struct end client, server;
    weft_stream a, b;
    char a_buf[256], b_buf[256], line[100];
    join_well(&client, &server);
    CHECK_OK(weft_tls_stream(&a, &client.tls, a_buf, sizeof a_buf));
    CHECK_OK(weft_tls_stream(&b, &server.tls, b_buf, sizeof b_buf));
    for (int i = 0; i < 100; i++)
        CHECK_OK(weft_stream_printf(&a, SOON, "line %d\r\n", i));
    CHECK_OK(weft_stream_flush(&a, SOON));
    for (int i = 0; i < 100; i++) {
        char want[32];
        snprintf(want, sizeof want, "line %d", i);
        CHECK_EQ(weft_stream_read_line(&b, line, sizeof line, SOON), (ssize_t)strlen(want));
        CHECK_STR(line, want);
    }
    CHECK_OK(weft_group_spawn(&group, kind, say_goodbye, &client));
    CHECK_ERR(weft_stream_read_line(&b, line, sizeof line, SOON), -ENODATA);
    CHECK_OK(weft_tls_shutdown(&server.tls, SOON));
    CHECK_OK(weft_group_wait(&group, SOON));
    part_ends(&client, &server);
    return 0;
}

/* -- other people's ---------------------------------------------------------------------------------------- */

static int echo_line(void *arg)
{
    struct end *e = arg;
    weft_stream stream;
    char buf[512], line[200];
    CHECK_OK(weft_tls_init(&e->tls, e->context, e->fd));
    shake(e);
    if (e->result == 0) {
        CHECK_OK(weft_tls_stream(&stream, &e->tls, buf, sizeof buf));
        while ((e->result = (int)weft_stream_read_line(&stream, line, sizeof line, SOON)) > 0)
            if (strncmp(line, "GET ", 4) == 0)
                CHECK_OK(weft_stream_printf(&stream, SOON,
                                            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes"));
            else if (!strchr(line, ':'))
                CHECK_OK(weft_stream_printf(&stream, SOON, "you said %s\n", line));
        CHECK_OK(weft_stream_flush(&stream, SOON));
        if (weft_tls_shutdown(&e->tls, SOON) < 0)
            e->result = -1;
    }
    drop_end(e);
    return 0;
}

struct foreign {
    char command[512], out[8192];
    int status;
};

static int run_foreign(void *arg)
{
    struct foreign *f = arg;
    f->status = t_shell(f->out, sizeof f->out, "%s", f->command);
    return 0;
}

/* A command that is a client of ours. */
static void serve_foreign(struct end *server, struct foreign *f, const char *command)
{
    char at[128];
    int listener = weft_listen("127.0.0.1:0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, at, sizeof at));
    snprintf(f->command, sizeof f->command, command, dir, strrchr(at, ':') + 1);
    CHECK_OK(weft_group_spawn(&group, WEFT_THREAD, run_foreign, f));
    CHECK_OK(server->fd = weft_accept(listener, NULL, SOON));
    CHECK_OK(weft_group_spawn(&group, kind, echo_line, server));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    CHECK_OK(weft_close(listener));
}

IN_KIND(openssl_s_client_is_served)
{
    static const char *const versions[] = { "tls1_2", "tls1_3", "tls1_1" };
    for (int i = 0; i < 3; i++) {
        struct end server = { .context = server_of("db1.pem", "db1.key") };
        struct foreign f;
        char command[300];
        snprintf(
            command, sizeof command,
            "(echo hello; echo) | openssl s_client -CAfile %%s/ca.pem -verify_return_error -quiet "
            "-ign_eof -servername db1.test -verify_hostname db1.test -%s -cipher ALL:@SECLEVEL=0 "
            "-connect 127.0.0.1:%%s",
            versions[i]);
        serve_foreign(&server, &f, command);
        if (i < 2 && (f.status || !strstr(f.out, "you said hello") || server.result != 0))
            FAIL("%d, %d, %s", f.status, server.result, f.out);
        if (i == 2) {
            CHECK_ERR(server.result, -EPROTO);
            CHECK_STR(server.words, "TLS with the client: unsupported protocol");
        }
        weft_tls_context_free(server.context);
    }
    return 0;
}

IN_KIND(renegotiation_is_refused)
{
    struct end server = { .context = server_of("db1.pem", "db1.key") };
    struct foreign f;
    serve_foreign(
        &server, &f,
        "cd %s && rm -f in && mkfifo in && exec 3<>in && echo R >&3 && openssl s_client -CAfile "
        "ca.pem -tls1_2 -connect 127.0.0.1:%s <&3");
    if (!strstr(f.out, "RENEGOTIATING") || !strstr(f.out, "no renegotiation"))
        FAIL("%d, %s", f.status, f.out);
    weft_tls_context_free(server.context);
    return 0;
}

IN_KIND(curl_is_served)
{
    struct end server = { .context = server_of("db1.pem", "db1.key") };
    struct foreign f;
    serve_foreign(&server, &f, "curl -sS --cacert %s/ca.pem https://localhost:%s/");
    if (f.status || strcmp(f.out, "yes") != 0)
        FAIL("%d, %s", f.status, f.out);
    weft_tls_context_free(server.context);
    return 0;
}

IN_KIND(openssl_s_server_serves_us)
{
    struct end client = { .context = client_of("ca.pem"), .host = "db1.test" };
    int fds[2], status;
    char at[128], port[16], cert[200], key[200], text[512];
    pid_t child;
    do { /* until it has a port that was free a moment ago */
        int listener = weft_listen("127.0.0.1:0", 0);
        CHECK_OK(listener);
        CHECK_OK(weft_local_address(listener, at, sizeof at));
        CHECK_OK(weft_close(listener));
        snprintf(port, sizeof port, "%s", strrchr(at, ':') + 1);
        snprintf(cert, sizeof cert, "%s", file("db1.pem"));
        snprintf(key, sizeof key, "%s", file("db1.key"));
        CHECK_OK(pipe(fds));
        if ((child = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(open("/dev/null", O_RDWR), 1);
            execlp("openssl", "openssl", "s_server", "-accept", at, "-cert", cert, "-key", key,
                   "-rev", "-quiet", (char *)NULL);
            _exit(127);
        }
        close(fds[0]);
        close(fds[1]);
        while ((client.fd = weft_dial(at, SOON)) < 0 && waitpid(child, &status, WNOHANG) == 0)
            CHECK_OK(weft_sleep(weft_after(5 * WEFT_MS)));
    } while (client.fd < 0);
    CHECK_OK(weft_tls_init(&client.tls, client.context, client.fd));
    shake(&client);
    CHECK_STR(client.words, "");
    CHECK_EQ(weft_tls_write(&client.tls, "drawer\n", 7, SOON), 7);
    CHECK_EQ(weft_tls_read(&client.tls, text, sizeof text, SOON), 7);
    CHECK_MEM(text, "reward\n", 7);
    CHECK_OK(weft_tls_shutdown(&client.tls, SOON));
    drop_end(&client);
    weft_tls_context_free(client.context);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}

/* -- many ---------------------------------------------------------------------------------------------------- */

static weft_tls_context *serving;
static char serving_at[128];
static int served;

/* As long as there are bytes, and nothing is kept on a stack between them. */
static int echo_conn(weft_conn *conn)
{
    weft_tls *tls = weft_conn_user(conn);
    char buf[512];
    ssize_t n;
    if (!*weft_tls_version(tls)) {
        int r = weft_tls_handshake(tls, NULL, weft_at_once());
        if (r < 0)
            return r == -ETIMEDOUT ? WEFT_CONN_IDLE : r;
    }
    while ((n = weft_tls_read(tls, buf, sizeof buf, weft_at_once())) > 0)
        if (weft_tls_write(tls, buf, (size_t)n, SOON) != n)
            return -EPIPE;
    return n == -ETIMEDOUT ? WEFT_CONN_IDLE : (int)n;
}

static int open_conn(weft_conn *conn)
{
    weft_tls *tls = malloc(sizeof *tls);
    weft_conn_user_set(conn, tls);
    return weft_tls_init_conn(tls, serving, conn);
}

static void close_conn(weft_conn *conn)
{
    weft_tls *tls = weft_conn_user(conn);
    weft_tls_fini(tls);
    free(tls);
    __atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
}

static int serve(void *arg)
{
    struct weft_serve_options o = { .size = sizeof o, .on_open = open_conn, .on_close = close_conn };
    int r = weft_serve((int)(intptr_t)arg, echo_conn, &o, weft_never());
    return r == -ECANCELED ? 0 : r;
}

struct many {
    weft_tls_context *context;
    weft_semaphore all_here;
    weft_event go;
};

static int one_of_many(void *arg)
{
    struct many *many = arg;
    weft_tls tls;
    char text[8];
    int fd = weft_dial(serving_at, weft_after(60 * WEFT_SEC));
    CHECK_OK(fd);
    CHECK_OK(weft_tls_init(&tls, many->context, fd));
    int r = weft_tls_handshake(&tls, "localhost", weft_after(60 * WEFT_SEC));
    if (r < 0)
        FAIL("%s", weft_why());
    weft_semaphore_release(&many->all_here, 1);
    CHECK_OK(weft_event_wait(&many->go, weft_after(60 * WEFT_SEC)));
    CHECK_EQ(weft_tls_write(&tls, "echo", 4, SOON), 4);
    CHECK_EQ(weft_tls_read(&tls, text, sizeof text, weft_after(60 * WEFT_SEC)), 4);
    CHECK_OK(weft_tls_shutdown(&tls, weft_after(60 * WEFT_SEC)));
    weft_tls_fini(&tls);
    CHECK_OK(weft_close(fd));
    return 0;
}

TEST_REAL_LONG(a_thousand_connections_in_one_process, REAL, 120)
{
    enum { MANY = 1000 };
    struct rlimit limit;
    static struct many many;
    weft_group g, servers;
    int count = t_slow_build() ? MANY / 10 : MANY;
    dir = t_dir(t);
    make_certificates("ca db1");
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    serving = server_of("db1.pem", "db1.key");
    many.context = client_of("ca.pem");
    int listener = weft_listen("localhost:0", 0);
    CHECK_OK(listener);
    CHECK_OK(weft_local_address(listener, serving_at, sizeof serving_at));
    CHECK_OK(weft_group_init(&servers, 0));
    CHECK_OK(weft_group_spawn(&servers, WEFT_COROUTINE, serve, (void *)(intptr_t)listener));
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < count; i++)
        CHECK_OK(weft_group_spawn(&g, WEFT_COROUTINE, one_of_many, &many));
    for (int i = 0; i < count; i++)
        CHECK_OK(weft_semaphore_acquire(&many.all_here, weft_after(60 * WEFT_SEC)));
    weft_event_set(&many.go);
    CHECK_OK(weft_group_wait(&g, weft_never()));
    weft_group_fini(&g);
    weft_group_cancel(&servers);
    CHECK_OK(weft_group_wait(&servers, weft_never()));
    weft_group_fini(&servers);
    CHECK_EQ(served, count);
    CHECK_OK(weft_close(listener));
    weft_tls_context_free(serving);
    weft_tls_context_free(many.context);
    CHECK_OK(weft_stop(SOON));
}

static int never_ends(void *arg)
{
    struct end *e = arg;
    return weft_tls_handshake(&e->tls, NULL, weft_never());
}

TEST_REAL(a_program_may_end_while_hands_are_shaken, REAL)
{
    dir = t_dir(t);
    make_certificates("ca db1");
    pid_t child = fork();
    if (child == 0) {
        static struct end e;
        int fds[2];
        e.context = server_of("db1.pem", "db1.key");
        CHECK_OK(weft_socketpair(fds));
        CHECK_OK(weft_tls_init(&e.tls, e.context, fds[0]));
        CHECK_OK(weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, never_ends, &e));
        exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}
