/* name: getaddrinfo; a thread for each of those at once. */
#include "bench.h"

#include <arpa/inet.h>
#include <gnu/libc-version.h>
#include <netdb.h>
#include <pthread.h>

enum { AT_ONCE = 50 };

static long each;

static void find(const char *name, const char *right)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    char text[64];
    bench_check(getaddrinfo(name, NULL, &hints, &found) == 0, name);
    bench_check(inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, text,
                          sizeof text) &&
                    strcmp(text, right) == 0,
                "address");
    freeaddrinfo(found);
}

static void in_hosts(long steps)
{
    for (long i = 0; i < steps; i++)
        find("db7.bench", "10.0.0.7");
}

static void at_server(long steps)
{
    for (long i = 0; i < steps; i++)
        find("www.bench", "10.0.1.1");
}

static void *some(void *arg)
{
    at_server(each);
    return arg;
}

static void at_once(long steps)
{
    pthread_t threads[AT_ONCE];
    each = steps / AT_ONCE;
    for (int i = 0; i < AT_ONCE; i++)
        bench_check(pthread_create(&threads[i], NULL, some, NULL) == 0, "thread made");
    for (int i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    bench_version(gnu_get_libc_version());
    bench("name_hosts", BENCH_CPU, in_hosts);
    bench("name_server", BENCH_CPU, at_server);
    bench("name_50", BENCH_WALL, at_once);
}
