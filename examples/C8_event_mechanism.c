/* C8 - the event mechanism is the environment's choice: the same program on select, poll and epoll.
 *
 *     make example C8                       on each, one after the other
 *     WEFT_BACKEND=poll make example C8     on one of them
 *
 * Before it runs, weft reads WEFT_BACKEND as libev read LIBEV_FLAGS. The kernel is asked in another way; what
 * the program does and prints is the same. An epoll is a descriptor, so one can look whether there is one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

static weft_group group;
static int echoed;

static int echo(void *arg)
{
    char buf[64];
    int fd = *(int *)arg;
    ssize_t n = weft_read(fd, buf, sizeof buf, weft_never());
    if (n > 0)
        n = weft_write(fd, buf, (size_t)n, weft_never());
    return n < 0 ? (int)n : weft_close(fd);
}

static int client(void *arg)
{
    char back[8] = "";
    int ends[2], r = weft_socketpair(ends);
    if (r < 0 || (r = weft_group_spawn_copy(&group, WEFT_COROUTINE, echo, &ends[1])) < 0 ||
        (r = (int)weft_write(ends[0], arg, 5, weft_never())) < 0 ||
        (r = (int)weft_read(ends[0], back, sizeof back, weft_after(10 * WEFT_SEC))) < 0)
        return r;
    __atomic_add_fetch(&echoed, strcmp(arg, back) == 0, __ATOMIC_RELAXED);
    return weft_close(ends[0]);
}

static bool has_epoll(void)
{
    char path[32], what[32] = "";
    bool found = false;
    for (int fd = 3; fd < 100; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        found |= readlink(path, what, sizeof what) > 0 &&
                 strncmp(what, "anon_inode:[eventpoll]", 22) == 0;
    }
    return found;
}

static int talk(const char *backend)
{
    weft_group_init(&group, 0);
    for (int i = 0; i < 100; i++)
        weft_group_spawn(&group, WEFT_COROUTINE, client, "hello");
    int r = weft_group_wait(&group, weft_never());
    printf("%d clients heard their own words, by %s (an epoll is open: %s)\n", echoed, backend,
           has_epoll() ? "yes" : "no");
    return r < 0;
}

int main(void)
{
    static const char *const backends[] = { "select", "poll", "epoll" };
    int status, r = 0;
    if (getenv("WEFT_BACKEND"))
        return talk(getenv("WEFT_BACKEND"));
    for (int i = 0; i < 3; i++) { /* a process for each, for the choice is made once */
        pid_t child = fork();
        if (child == 0) {
            setenv("WEFT_BACKEND", backends[i], 1);
            return talk(backends[i]);
        }
        r |= waitpid(child, &status, 0) != child || status != 0;
    }
    return r;
}
