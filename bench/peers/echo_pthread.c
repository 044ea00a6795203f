/* echo: an OS thread per connection, blocking reads, 64 KiB stacks. */
#include "server.h"

#include <gnu/libc-version.h>
#include <pthread.h>

static void *serve(void *arg)
{
    int conn = (int)(intptr_t)arg;
    char buf[512];
    ssize_t n;
    while ((n = read(conn, buf, sizeof buf)) > 0) {
        bench_serve(buf);
        if (send(conn, buf, (size_t)n, MSG_NOSIGNAL) != n)
            break;
    }
    close(conn);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_attr_t small;
    bench_version(gnu_get_libc_version());
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (int listener = bench_listen(0);;) {
        intptr_t conn = accept(listener, NULL, NULL);
        bench_check(conn >= 0, "accept");
        bench_check(pthread_create(&thread, &small, serve, (void *)conn) == 0, "thread made");
    }
}
