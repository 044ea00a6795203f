/* Names: hosts files, a real name server (dnsmasq) and ones that fail, for each kind of task. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAL       "a name server"
#define SOON       weft_after(15 * WEFT_SEC)
#define PREPARE(t) settings(t)

struct test;
static void settings(struct test *t);
#include "in_kind.h"

static char server[64], silent[64], hosts_path[128];
static struct weft_name_options by_server, by_silent, by_hosts;

static void settings(struct test *t)
{
    dir = t_dir(t);
    snprintf(hosts_path, sizeof hosts_path, "%s/hosts", dir);
    FILE *f = fopen(hosts_path, "w");
    fputs("# of the test\n"
          "192.0.2.1\tdb1.example.test db1 dB # the data base\n"
          "2001:db8::1 db1.example.test db1\n\n"
          "192.0.2.1 db1\n"
          "192.0.2.2   short other.example.test\n"
          "not-an-address db2\n"
          "192.0.2.3\n"
          "fe80::1%eth0 scoped\n"
          "192.0.2.4 last",
          f);
    fclose(f);
    by_hosts = (struct weft_name_options){ .size = sizeof by_hosts,
                                           .hosts = hosts_path,
                                           .servers = "127.0.0.1:1" };
    by_server =
        (struct weft_name_options){ .size = sizeof by_server, .hosts = "", .servers = server };
    by_silent = by_server;
    by_silent.servers = silent;
}

static void check_address(const weft_address *address, const char *text)
{
    char got[128];
    CHECK_OK(weft_address_print(address, got, sizeof got));
    CHECK_STR(got, text);
}

/* Is this libweft one that asks servers? */
static bool asks_servers(void)
{
    struct weft_name_options o = { .size = sizeof o, .hosts = "", .servers = "127.0.0.1:1" };
    return weft_name_find("web", NULL, NULL, 0, &o, weft_at_once()) != -ENOSYS;
}

/* -- servers ------------------------------------------------------------------------------------------ */

/* A port where nothing answers, or for a server that is to be started. */
static int udp_socket(int *port)
{
    if (!asks_servers())
        SKIP("built without c-ares");
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof in;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_OK(fd);
    CHECK_OK(bind(fd, (struct sockaddr *)&in, size));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&in, &size));
    *port = ntohs(in.sin_port);
    return fd;
}

static pid_t dns;

/* It takes a port that was free a moment ago; another is tried if somebody was quicker. */
static void start_server(void)
{
    char hosts[160], port_text[32];
    struct weft_name_options quick;
    weft_address found[8];
    int port, status;
    snprintf(hosts, sizeof hosts, "%s/served", dir);
    FILE *f = fopen(hosts, "w");
    fputs("192.0.2.10 web.example.test\n2001:db8::10 web.example.test\n"
          "192.0.2.11 old.example.test\n2001:db8::12 new.example.test\n",
          f);
    for (int i = 0; i < 1000; i++)
        fprintf(f, "10.0.%d.%d n%d.example.test\n", i / 250, i % 250, i);
    fclose(f);
    do {
        close(udp_socket(&port));
        snprintf(server, sizeof server, "127.0.0.1:%d", port);
        snprintf(port_text, sizeof port_text, "-p%d", port);
        if ((dns = fork()) == 0) {
            char from[200];
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            snprintf(from, sizeof from, "--addn-hosts=%s", hosts);
            fclose(stderr);
            execl("/usr/sbin/dnsmasq", "dnsmasq", "-k", "-C", "/dev/null", port_text, "--no-resolv",
                  "--no-hosts", from, "--cname=www.example.test,web.example.test", "--local=/test/",
                  "--local=/192.in-addr.arpa/", "--listen-address=127.0.0.1", "--bind-interfaces",
                  "--pid-file", "--user=", "--dns-forward-max=2000", (char *)NULL);
            _exit(127);
        }
        quick = by_server;
        quick.patience = 50 * WEFT_MS;
        quick.tries = 1;
        while (waitpid(dns, &status, WNOHANG) == 0)
            if (weft_name_find("web.example.test", NULL, found, 8, &quick, SOON) > 0)
                return;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
            SKIP("dnsmasq is not installed");
    } while (WIFEXITED(status) && WEXITSTATUS(status) == 2); /* the port was taken */
    FAIL("dnsmasq ended with %#x", (unsigned)status);
}

static void end_server(void)
{
    kill(dns, SIGKILL);
    waitpid(dns, NULL, 0);
}

/* -- without a server ---------------------------------------------------------------------------------- */

IN_KIND(numeric_addresses_are_not_looked_up)
{
    weft_address found[2];
    struct weft_name_options six = by_hosts;
    six.family = AF_INET6;
    CHECK_EQ(weft_name_find("192.0.2.7", "80", found, 2, &by_hosts, weft_at_once()), 1);
    check_address(&found[0], "192.0.2.7:80");
    CHECK_EQ(weft_name_find("2001:db8::7", NULL, found, 2, &six, weft_at_once()), 1);
    check_address(&found[0], "[2001:db8::7]:0");
    CHECK_ERR(weft_name_find("192.0.2.7", NULL, found, 2, &six, weft_at_once()), -ENOENT);
    CHECK_STR(weft_why(), "host '192.0.2.7': no such name, or no IPv6 address");
    return 0;
}

IN_KIND(a_service_is_a_port)
{
    weft_address found[1];
    char name[32];
    CHECK_EQ(weft_service_port("https", "tcp"), 443);
    CHECK_EQ(weft_service_port("www", NULL), 80); /* an alias */
    CHECK_EQ(weft_service_port("tftp", "udp"), 69);
    CHECK_ERR(weft_service_port("tftp", "tcp"), -ENOENT);
    CHECK_ERR(weft_service_port(NULL, NULL), -EINVAL);
    CHECK_OK(weft_service_name(22, "tcp", name, sizeof name));
    CHECK_STR(name, "ssh");
    CHECK_ERR(weft_service_name(22, "tcp", name, 3), -ENOSPC);
    CHECK_ERR(weft_service_name(22, "none", name, sizeof name), -ENOENT);
    CHECK_ERR(weft_service_name(70000, "tcp", name, sizeof name), -EINVAL);
    CHECK_EQ(weft_protocol_number("tcp"), 6);
    CHECK_EQ(weft_protocol_number("UDP"), 17);
    CHECK_ERR(weft_protocol_number("nonsense"), -ENOENT);
    CHECK_OK(weft_protocol_name(1, name, sizeof name));
    CHECK_STR(name, "icmp");
    CHECK_ERR(weft_protocol_name(-1, name, sizeof name), -EINVAL);
    CHECK_EQ(weft_name_find("127.0.0.1", "https", found, 1, &by_hosts, weft_at_once()), 1);
    check_address(&found[0], "127.0.0.1:443");
    CHECK_ERR(weft_name_find("127.0.0.1", "no-such", found, 1, &by_hosts, weft_at_once()), -ENOENT);
    CHECK_STR(weft_why(), "service 'no-such': no such name");
    CHECK_ERR(weft_name_find("127.0.0.1", "65536", found, 1, &by_hosts, weft_at_once()), -EINVAL);
    CHECK_STR(weft_why(), "port '65536': not in 0 to 65535");
    return 0;
}

IN_KIND(malformed_names_are_not_asked_for)
{
    static const char *const bad[] = { "",    ".",    "a..b", "a b", "a/b", "b\303\274cher.test",
                                       "a:1", "[::1]" };
    char longest[300], part[70];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(weft_name_find(bad[i], NULL, NULL, 0, &by_hosts, SOON), -EINVAL);
        CHECK(strncmp(weft_why(), "host '", 6) == 0);
    }
    memset(part, 'x', 64);
    strcpy(part + 64, ".org");
    CHECK_ERR(weft_name_find(part, NULL, NULL, 0, &by_hosts, SOON), -EINVAL);
    for (int i = 0; i < 254; i++)
        longest[i] = i % 2 ? '.' : 'x';
    longest[254] = 0;
    longest[253] = 'y';
    CHECK_ERR(weft_name_find(longest, NULL, NULL, 0, &by_hosts, SOON), -EINVAL);
    CHECK_ERR(weft_name_find(NULL, NULL, NULL, 0, &by_hosts, SOON), -EINVAL);
    CHECK_ERR(weft_name_find("x", NULL, NULL, 1, &by_hosts, SOON), -EINVAL);
    struct weft_name_options wrong = by_hosts;
    wrong.family = AF_UNIX;
    CHECK_ERR(weft_name_find("x", NULL, NULL, 0, &wrong, SOON), -EINVAL);
    wrong = by_hosts;
    wrong.servers = "not an address";
    CHECK_ERR(weft_name_find("x", NULL, NULL, 0, &wrong, SOON), asks_servers() ? -EINVAL : -ENOSYS);
    wrong = by_hosts;
    wrong.size--;
    CHECK_ERR(weft_name_find("x", NULL, NULL, 0, &wrong, SOON), -EINVAL);
    return 0;
}

IN_KIND(a_hosts_file_is_read_first)
{
    weft_address found[4];
    char name[256];
    CHECK_EQ(weft_name_find("DB1", "80", found, 4, &by_hosts, SOON), 2);
    check_address(&found[0], "192.0.2.1:80");
    check_address(&found[1], "[2001:db8::1]:80");
    CHECK_EQ(weft_name_find("db1.example.test.", NULL, found, 1, &by_hosts, SOON), 2);
    CHECK_EQ(weft_name_find("last", NULL, found, 4, &by_hosts, SOON), 1);
    check_address(&found[0], "192.0.2.4:0");
    CHECK_OK(weft_name_full("db", name, sizeof name, &by_hosts, SOON));
    CHECK_STR(name, "db1.example.test");
    CHECK_OK(weft_name_full("short", name, sizeof name, &by_hosts, SOON));
    CHECK_STR(name, "other.example.test");
    CHECK_ERR(weft_name_full("short", name, 5, &by_hosts, SOON), -ENOSPC);
    CHECK_OK(weft_name_of(&found[0], name, sizeof name, &by_hosts, SOON));
    CHECK_STR(name, "last");
    struct weft_name_options none = by_hosts;
    none.hosts = "/no/such/file";
    CHECK_ERR(weft_name_find("db1", NULL, found, 4, &none, SOON), -ENOENT);
    CHECK_STR(weft_why(), "read /no/such/file: No such file or directory");
    return 0;
}

IN_KIND(localhost_is_here)
{
    weft_address found[4];
    CHECK_GE(weft_name_find("localhost", NULL, found, 4, NULL, SOON), 1);
    CHECK_EQ(weft_name_find("deep.in.LocalHost", "80", found, 4, &by_hosts, SOON), 2);
    check_address(&found[0], "[::1]:80");
    check_address(&found[1], "127.0.0.1:80");
    return 0;
}

IN_KIND(this_machine_has_a_name)
{
    char name[65], said[65];
    CHECK_OK(gethostname(said, sizeof said));
    CHECK_OK(weft_name_self(name, sizeof name));
    CHECK_STR(name, said);
    CHECK_ERR(weft_name_self(name, 1), -ENOSPC);
    return 0;
}

/* -- with servers that do not help --------------------------------------------------------------------- */

IN_KIND(a_server_that_is_not_there_refuses)
{
    int port, before = t_descriptors(0);
    close(udp_socket(&port));
    snprintf(server, sizeof server, "127.0.0.1:%d", port);
    CHECK_ERR(weft_name_find("web.example.test", NULL, NULL, 0, &by_server, SOON), -ECONNREFUSED);
    CHECK_STR(weft_why(), "host 'web.example.test': the name servers cannot be reached, or refuse");
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before);
    return 0;
}

IN_KIND(a_server_that_never_answers_costs_the_deadline)
{
    int port, fd = udp_socket(&port);
    snprintf(server, sizeof server, "127.0.0.1:%d", port);
    CHECK_ERR(weft_name_find("web", NULL, NULL, 0, &by_server, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_name_find("web", NULL, NULL, 0, &by_server, weft_after(20 * WEFT_MS)),
              -ETIMEDOUT);
    CHECK_STR(weft_why(), "host 'web': no answer in time");
    by_server.patience = 5 * WEFT_MS;
    by_server.tries = 2;
    CHECK_ERR(weft_name_find("web", NULL, NULL, 0, &by_server, weft_never()), -ETIMEDOUT);
    close(fd);
    return 0;
}

static int look_for_web(void *result)
{
    *(int *)result = weft_name_find("web", NULL, NULL, 0, &by_silent, weft_never());
    return 0;
}

static int within(void *arg)
{
    return look_for_web(arg);
}

IN_KIND(a_look_up_can_be_cancelled_and_bounded)
{
    struct weft_task_info info = { .size = sizeof info };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    int result = 1, port, fd = udp_socket(&port), before;
    snprintf(silent, sizeof silent, "127.0.0.1:%d", port);
    CHECK_OK(weft_within(weft_after(10 * WEFT_MS), within, &result));
    CHECK_ERR(result, -ETIMEDOUT);
    before = t_descriptors(0);
    CHECK_OK(weft_group_spawn_with(&group, kind, look_for_web, &result, &more));
    do {
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
        CHECK_OK(weft_task_describe(task, &info));
    } while (strcmp(info.state, "look-up") != 0);
    CHECK_OK(weft_task_cancel(task));
    CHECK_OK(weft_task_join(task, NULL, SOON));
    CHECK_ERR(result, -ECANCELED);
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before);
    close(fd);
    return 0;
}

/* -- with a real one ------------------------------------------------------------------------------------ */

IN_KIND(a_server_tells_addresses_and_names)
{
    weft_address found[8];
    struct weft_name_options o = by_server;
    char name[256];
    start_server();
    CHECK_EQ(weft_name_find("web.example.test", "https", found, 8, &by_server, SOON), 2);
    CHECK_NE(found[0].as.any.sa_family, found[1].as.any.sa_family);
    check_address(&found[found[1].as.any.sa_family == AF_INET], "192.0.2.10:443");
    check_address(&found[found[1].as.any.sa_family != AF_INET], "[2001:db8::10]:443");
    CHECK_OK(weft_name_of(&found[0], name, sizeof name, &by_server, SOON));
    CHECK_STR(name, "web.example.test");
    CHECK_EQ(weft_name_find("old.example.test", NULL, found, 8, &by_server, SOON), 1);
    check_address(&found[0], "192.0.2.11:0");
    o.family = AF_INET6;
    CHECK_EQ(weft_name_find("new.example.test", NULL, found, 8, &o, SOON), 1);
    check_address(&found[0], "[2001:db8::12]:0");
    CHECK_ERR(weft_name_find("old.example.test", NULL, found, 8, &o, SOON), -ENOENT);
    CHECK_STR(weft_why(), "host 'old.example.test': no such name, or no IPv6 address");
    CHECK_ERR(weft_name_find("none.example.test", NULL, found, 8, &by_server, SOON), -ENOENT);
    CHECK_STR(weft_why(), "host 'none.example.test': no such name");
    CHECK_EQ(inet_pton(AF_INET, "192.0.2.99", &found[0].as.in.sin_addr), 1);
    found[0].as.any.sa_family = AF_INET;
    CHECK_ERR(weft_name_of(&found[0], name, sizeof name, &by_server, SOON), -ENOENT);
    CHECK_STR(weft_why(), "host '192.0.2.99': no such name");
    found[0].as.any.sa_family = AF_UNIX;
    CHECK_ERR(weft_name_of(&found[0], name, sizeof name, &by_server, SOON), -EAFNOSUPPORT);
    end_server();
    return 0;
}

IN_KIND(aliases_and_the_search_list_lead_to_the_full_name)
{
    weft_address found[8];
    struct weft_name_options o = by_server;
    char name[256];
    start_server();
    CHECK_OK(weft_name_full("www.example.test", name, sizeof name, &by_server, SOON));
    CHECK_STR(name, "web.example.test");
    CHECK_LT(weft_name_find("old", NULL, found, 8, &by_server, SOON), 0);
    o.search = "nowhere.test,example.test";
    CHECK_EQ(weft_name_find("old", NULL, found, 8, &o, SOON), 1);
    check_address(&found[0], "192.0.2.11:0");
    CHECK_OK(weft_name_full("old", name, sizeof name, &o, SOON));
    CHECK_STR(name, "old.example.test");
    end_server();
    return 0;
}

struct one {
    int number, result;
    weft_address found;
};

static int look_for_one(void *arg)
{
    struct one *one = arg;
    char host[32];
    snprintf(host, sizeof host, "n%d.example.test", one->number);
    one->result = weft_name_find(host, NULL, &one->found, 1, &by_server, SOON);
    return 0;
}

IN_KIND(many_look_ups_at_once_beside_one_that_hangs)
{
    enum { MANY = 100 };
    static struct one ones[MANY];
    char text[128];
    int result = 1, port, fd = udp_socket(&port);
    weft_group hanging;
    start_server();
    snprintf(silent, sizeof silent, "127.0.0.1:%d", port);
    CHECK_OK(weft_group_init(&hanging, 0));
    CHECK_OK(weft_group_spawn(&hanging, kind, look_for_web, &result));
    while (recv(fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) <= 0) /* it has asked */
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    for (int i = 0; i < MANY; i++) {
        ones[i] = (struct one){ .number = i };
        CHECK_OK(weft_group_spawn(&group, kind, look_for_one, &ones[i]));
    }
    CHECK_OK(weft_group_wait(&group, SOON));
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(ones[i].result, 1);
        snprintf(text, sizeof text, "10.0.0.%d:0", i);
        check_address(&ones[i].found, text);
    }
    CHECK_EQ(__atomic_load_n(&result, __ATOMIC_RELAXED), 1); /* still waits */
    weft_group_cancel(&hanging);
    CHECK_ERR(weft_group_wait(&hanging, SOON), 0);
    CHECK_ERR(result, -ECANCELED);
    weft_group_fini(&hanging);
    end_server();
    close(fd);
    return 0;
}

/* -- dial and listen ------------------------------------------------------------------------------------ */

static int listen_here(const char *where, char *at, size_t size)
{
    int fd = weft_listen(where, 0);
    CHECK_OK(fd);
    CHECK_OK(weft_local_address(fd, at, size));
    return fd;
}

IN_KIND(a_listener_and_a_dial_take_names)
{
    char at[192], where[160];
    int listener = listen_here("localhost:0", at, sizeof at), before, fd;
    CHECK(strncmp(at, "127.0.0.1:", 10) == 0);
    snprintf(where, sizeof where, "localhost%s", strrchr(at, ':'));
    before = t_descriptors(0);
    CHECK_OK(fd = weft_dial(where, SOON));
    CHECK_OK(weft_peer_address(fd, where, sizeof where));
    CHECK_STR(where, at);
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before + 1);
    CHECK_OK(weft_close(fd));
    CHECK_OK(weft_close(listener));
    snprintf(where, sizeof where, "localhost%s", strrchr(at, ':'));
    CHECK_ERR(weft_dial(where, SOON), -ECONNREFUSED);
    snprintf(at, sizeof at, "dial %s: ", where);
    CHECK(strncmp(weft_why(), at, strlen(at)) == 0);
    CHECK(strstr(weft_why(), "127.0.0.1:") && strstr(weft_why(), " Connection refused"));
    CHECK_ERR(weft_dial("localhost:no-such", SOON), -ENOENT);
    CHECK_STR(weft_why(), "dial localhost:no-such: service 'no-such': no such name");
    CHECK_ERR(weft_listen("nowhere.test:0", 0), -ENOENT); /* no server is asked */
    CHECK_STR(weft_why(), "listen nowhere.test:0: host 'nowhere.test': no such name");
    return 0;
}

/* A listener whose queue is full: connects to it hang. filler: what fills it. */
static int full_listener(weft_address *address, int filler[8])
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(bind(fd, (struct sockaddr *)&in, size));
    CHECK_OK(listen(fd, 0));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&in, &size));
    memset(address, 0, sizeof *address);
    address->as.in = in;
    address->size = sizeof in;
    for (int i = 0; i < 8; i++)
        filler[i] = weft_dial_any(address, 1, weft_after(20 * WEFT_MS));
    if (filler[7] >= 0)
        SKIP("this kernel's listeners have no full queue");
    CHECK_ERR(filler[7], -ETIMEDOUT);
    return fd;
}

static void empty(int listener, const int filler[8])
{
    for (int i = 0; i < 8; i++)
        if (filler[i] >= 0)
            close(filler[i]);
    close(listener);
}

static void closed_port(weft_address *address)
{
    char at[128];
    int fd = listen_here("127.0.0.1:0", at, sizeof at);
    CHECK_EQ(weft_name_find("127.0.0.1", strrchr(at, ':') + 1, address, 1, NULL, SOON), 1);
    CHECK_OK(weft_close(fd));
}

IN_KIND(the_first_address_that_answers_wins)
{
    weft_address three[3];
    char at[128], got[128];
    int filler[8], full = full_listener(&three[0], filler);
    int good = listen_here("127.0.0.1:0", at, sizeof at), before = t_descriptors(0);
    closed_port(&three[1]);
    CHECK_EQ(weft_name_find("127.0.0.1", strrchr(at, ':') + 1, &three[2], 1, NULL, SOON), 1);
    weft_time begun = weft_now();
    int fd = weft_dial_any(three, 3, SOON);
    CHECK_OK(fd);
    CHECK_GE(weft_now().ns - begun.ns, 250 * WEFT_MS); /* one stagger: what refuses costs none */
    if (!t_slow_build())
        CHECK_LT(weft_now().ns - begun.ns, 490 * WEFT_MS);
    CHECK_OK(weft_peer_address(fd, got, sizeof got));
    CHECK_STR(got, at);
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before + 1);
    CHECK_OK(weft_close(fd));
    CHECK_OK(fd = weft_dial_any(three + 1, 2, SOON));
    CHECK_OK(weft_close(fd));
    empty(full, filler);
    CHECK_OK(weft_close(good));
    return 0;
}

IN_KIND(a_dial_that_fails_names_every_address)
{
    weft_address three[3];
    char first[128], second[128], words[512];
    int filler[8], full = full_listener(&three[1], filler), before = t_descriptors(0);
    closed_port(&three[0]);
    CHECK_OK(weft_address_print(&three[0], first, sizeof first));
    CHECK_OK(weft_address_print(&three[1], second, sizeof second));
    CHECK_ERR(weft_dial_any(three, 1, SOON), -ECONNREFUSED);
    CHECK_ERR(weft_dial_any(three, 2, weft_after(30 * WEFT_MS)), -ETIMEDOUT);
    snprintf(words, sizeof words, "dial any: %s Connection refused, %s no answer", first, second);
    CHECK_STR(weft_why(), words);
    CHECK_ERR(weft_dial_any(three, 0, SOON), -EINVAL);
    three[2].as.any.sa_family = AF_UNIX;
    CHECK_ERR(weft_dial_any(three, 3, SOON), -EINVAL);
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before);
    empty(full, filler);
    return 0;
}

IN_KIND(families_take_turns)
{
    weft_address five[5];
    const char *six;
    for (int i = 0; i < 3; i++)
        closed_port(&five[i]);
    CHECK_EQ(weft_name_find("::1", "1", &five[3], 1, NULL, SOON), 1);
    CHECK_EQ(weft_name_find("::1", "2", &five[4], 1, NULL, SOON), 1);
    CHECK_LT(weft_dial_any(five, 5, SOON), 0);
    CHECK((six = strstr(weft_why(), ", [::1]:1 ")) != NULL);
    CHECK((six = strstr(six, ", 127.0.0.1:")) != NULL);
    CHECK((six = strstr(six, ", [::1]:2 ")) != NULL);
    CHECK(strstr(six, ", 127.0.0.1:") != NULL);
    return 0;
}

struct dialling {
    weft_address address;
    int result;
};

static int dial_it(void *arg)
{
    struct dialling *d = arg;
    d->result = weft_dial_any(&d->address, 1, weft_never());
    return 0;
}

IN_KIND(a_dial_can_be_cancelled)
{
    struct weft_task_info info = { .size = sizeof info };
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    struct dialling d;
    int filler[8], full = full_listener(&d.address, filler), before = t_descriptors(0);
    CHECK_OK(weft_group_spawn_with(&group, kind, dial_it, &d, &more));
    do {
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
        CHECK_OK(weft_task_describe(task, &info));
    } while (strcmp(info.state, "dial") != 0);
    CHECK_OK(weft_task_cancel(task));
    CHECK_OK(weft_task_join(task, NULL, SOON));
    CHECK_ERR(d.result, -ECANCELED);
    if (kind == WEFT_COROUTINE)
        CHECK_EQ(t_descriptors(0), before);
    empty(full, filler);
    return 0;
}

/* -- ends ------------------------------------------------------------------------------------------------ */

TEST_REAL(a_plain_thread_looks_up_and_forks, REAL)
{
    weft_address found[2];
    settings(t);
    start_server();
    CHECK_EQ(weft_name_find("old.example.test", NULL, found, 2, &by_server, SOON), 1);
    CHECK_OK(weft_stop(SOON)); /* nothing keeps it */
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(weft_name_find("old.example.test", NULL, found, 2, &by_server, SOON), 1);
        CHECK_OK(weft_stop(SOON));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(weft_name_find("old.example.test", NULL, found, 2, &by_server, SOON), 1);
    end_server();
}

TEST_REAL(a_look_up_that_hangs_does_not_keep_the_runtime, REAL)
{
    static int result = 1;
    int port, fd = udp_socket(&port);
    char text[64];
    settings(t);
    snprintf(silent, sizeof silent, "127.0.0.1:%d", port);
    CHECK_OK(
        weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, look_for_web, &result));
    while (recv(fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK) <= 0)
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    CHECK_OK(weft_stop(SOON));
    CHECK_ERR(result, -ECANCELED);
}
