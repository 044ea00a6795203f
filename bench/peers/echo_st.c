/* echo: State Threads, a thread per connection with its default stack; every read has a timeout of 30 s,
 * which costs it little. Debian builds the library without epoll: poll is the best it has. */
#include "server.h"

#include <st.h>

static void *serve(void *arg)
{
    char buf[512];
    ssize_t n;
    while ((n = st_read(arg, buf, sizeof buf, 30 * 1000000)) > 0) {
        bench_serve(buf);
        if (st_write(arg, buf, (size_t)n, 30 * 1000000) != n)
            break;
    }
    st_netfd_close(arg);
    return NULL;
}

int main(void)
{
    st_set_eventsys(ST_EVENTSYS_POLL);
    st_init();
    st_timecache_set(1);
    st_netfd_t listener = st_netfd_open_socket(bench_listen(0)), conn;
    while ((conn = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT)) != NULL)
        bench_check(st_thread_create(serve, conn, 0, 0) != NULL, "thread made");
    return 1;
}
