/* Names when system calls and allocations fail, c-ares' among them: each look-up ends with a clean error or finds
 * what it should. */
#include <ares.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "failing.h"
#include "sched/task.h"

#define REAL "the kernel's descriptors"

static char name_server[64];

/* A name server in a few lines: every name has the address 192.0.2.7. */
static void serve_names(int fd)
{
    unsigned char message[512];
    static const unsigned char address[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7 };
    for (;;) {
        struct sockaddr_storage from;
        socklen_t from_size = sizeof from;
        ssize_t n = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&from, &from_size);
        size_t end = 12;
        while (n > 0 && end < (size_t)n && message[end])
            end += message[end] + 1u;
        end += 5; /* its end, type and class */
        if (n < 0 || end + sizeof address > sizeof message || end > (size_t)n)
            continue;
        bool is_a = message[end - 3] == 1;
        message[2] |= 0x80;
        message[3] = 0x80;
        memset(message + 6, 0, 6);
        message[7] = is_a;
        memcpy(message + end, address, sizeof address);
        sendto(fd, message, is_a ? end + sizeof address : end, 0, (struct sockaddr *)&from,
               from_size);
    }
}

static pid_t start_name_server(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof in;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_OK(fd);
    CHECK_OK(bind(fd, (struct sockaddr *)&in, size));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&in, &size));
    snprintf(name_server, sizeof name_server, "127.0.0.1:%d", ntohs(in.sin_port));
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve_names(fd);
    }
    close(fd);
    return child;
}

static int looks_up(void *arg)
{
    bool whole = *(bool *)arg;
    struct weft_name_options o = {
        .size = sizeof o, .hosts = "", .servers = name_server, .patience = WEFT_SEC, .tries = 2
    };
    weft_address found[2];
    char at[128], where[160];
    int r = weft_name_find("db1.example.test", "https", found, 2, &o, SOON);
    if (r < 0) {
        CHECK(!whole && r != -EINVAL);
    } else {
        CHECK_EQ(r, 1);
        CHECK_OK(weft_address_print(&found[0], at, sizeof at));
        CHECK_STR(at, "192.0.2.7:443");
    }
    r = weft_name_full("localhost", at, sizeof at, NULL, SOON);
    CHECK(r == 0 || !whole);
    int listener = weft_listen("localhost:0", 0), client = -1;
    CHECK(listener >= 0 || !whole);
    if (listener >= 0 && weft_local_address(listener, at, sizeof at) == 0) {
        snprintf(where, sizeof where, "localhost%s", strrchr(at, ':'));
        client = weft_dial(where, SOON);
        CHECK(client >= 0 || !whole);
    }
    if (client >= 0)
        CHECK_OK(weft_close(client));
    if (listener >= 0)
        CHECK_OK(weft_close(listener));
    return 0;
}

static void look_up_in_a_task(bool whole)
{
    weft_group group;
    if (!group_begin(&group, whole))
        return;
    int r = weft_group_spawn(&group, WEFT_COROUTINE, looks_up, &whole);
    int w = weft_group_wait(&group, weft_never());
    CHECK((r == 0 && w == 0) || !whole);
    weft_group_fini(&group);
}

static void look_up_on_a_thread(bool whole)
{
    looks_up(&whole);
}

static void *allocate(size_t size)
{
    return alloc_fault() ? NULL : malloc(size);
}

static void *resize(void *block, size_t size)
{
    return alloc_fault() ? NULL : realloc(block, size);
}

static void fail_each_of_names(void (*scenario)(bool whole))
{
    CHECK_EQ(ares_library_init_mem(ARES_LIB_INIT_ALL, allocate, free, resize), ARES_SUCCESS);
    pid_t server = start_name_server();
    fail_each(scenario);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

TEST_REAL_LONG(look_ups_of_a_coroutine_survive, REAL, 60)
{
    fail_each_of_names(look_up_in_a_task);
}

TEST_REAL_LONG(look_ups_of_a_thread_survive, REAL, 60)
{
    fail_each_of_names(look_up_on_a_thread);
}

static long on_a_disk(long nr)
{
    return nr == SYS_openat2 ? -EAGAIN : nr == SYS_socket ? -EMFILE : 0; /* and nobody is asked */
}

static int looks_up_by_the_systems_settings(void *arg)
{
    struct weft_name_options o = { .size = sizeof o, .hosts = "" };
    weft_address found;
    (void)arg;
    __atomic_store_n(&weft__sys_fault, on_a_disk, __ATOMIC_RELEASE);
    uint32_t before = load_relaxed(&weft__rt.threads);
    CHECK_LT(weft_name_find("db1.example.test", NULL, &found, 1, &o, SOON), 0);
    CHECK_EQ(load_relaxed(&weft__rt.threads), before + 1);
    __atomic_store_n(&weft__sys_fault, NULL, __ATOMIC_RELEASE);
    return 0;
}

TEST_REAL(settings_on_a_disk_are_read_by_a_helper, REAL)
{
    CHECK_EQ(weft_run(looks_up_by_the_systems_settings, NULL), 0);
}
