/* Talkers register, talk, modify, unregister and close while several tasks select: no byte waits in vain and
 * each close is told once. */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include "test.h"

#define REAL "the kernel's sockets"
#define SOON weft_after(15 * WEFT_SEC)

enum { TALKERS = 24, WORDS = 4 };

static weft_selector sel;
static bool over;
static uint64_t closed, told_closed, echoed;

#define ADD(x)  __atomic_add_fetch(&(x), 1, __ATOMIC_ACQ_REL)
#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)

/* The talker asks for more, or closes, only after it has heard the echo: until then the number is its own. */
static int echo(weft_selector *selector, const struct weft_ready *ready)
{
    char byte;
    (void)selector;
    if (ready->events & POLLNVAL) {
        ADD(told_closed);
        return 0;
    }
    CHECK_EQ(weft_read(ready->fd, &byte, 1, SOON), 1);
    ADD(echoed);
    CHECK_EQ(weft_write(ready->fd, &byte, 1, SOON), 1);
    return 0;
}

static int selects(void *arg)
{
    (void)arg;
    while (!LOAD(over)) {
        int r = weft_selector_dispatch(&sel, weft_after(100 * WEFT_MS));
        CHECK(r >= 0 || r == -ETIMEDOUT);
    }
    return 0;
}

static int talks(void *arg)
{
    uint64_t draw = (uintptr_t)arg * 0x9e3779b97f4a7c15u + 1;
    for (long rounds = t_rounds(30); rounds > 0; rounds--) {
        int pair[2];
        char byte;
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        CHECK_OK(weft_socketpair(pair));
        CHECK_OK(weft_selector_on(&sel, pair[0], POLLIN | WEFT_ONE_SHOT, echo, NULL));
        for (int i = 0; i < WORDS; i++) {
            CHECK_EQ(weft_write(pair[1], "x", 1, SOON), 1);
            CHECK_EQ(weft_read(pair[1], &byte, 1, SOON), 1);
            CHECK_OK(weft_selector_modify(&sel, pair[0], POLLIN | WEFT_ONE_SHOT, NULL));
        }
        if (draw >> 63) {
            CHECK_OK(weft_selector_unregister(&sel, pair[0]));
        } else {
            ADD(closed);
        }
        CHECK_OK(weft_close(pair[0]));
        CHECK_EQ(weft_read(pair[1], &byte, 1, SOON), 0);
        CHECK_OK(weft_close(pair[1]));
        if (draw >> 60 == 5)
            weft_selector_wake(&sel);
    }
    return 0;
}

static void all(const char *backend, unsigned talkers)
{
    weft_group group, selecting;
    setenv("WEFT_BACKEND", backend, 1);
    setenv("WEFT_WORKERS", "2", 1);
    CHECK_OK(weft_selector_init(&sel));
    CHECK_OK(weft_group_init(&group, 0));
    CHECK_OK(weft_group_init(&selecting, 0));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(weft_group_spawn(&selecting, WEFT_COROUTINE, selects, NULL));
        CHECK_OK(weft_group_spawn(&selecting, WEFT_THREAD, selects, NULL));
    }
    for (uintptr_t i = 0; i < TALKERS; i++)
        CHECK_OK(weft_group_spawn(&group, talkers, talks, (void *)i));
    CHECK_OK(weft_group_wait(&group, weft_never()));
    while (LOAD(told_closed) < LOAD(closed))
        CHECK_OK(weft_sleep(weft_after(WEFT_MS)));
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    CHECK_OK(weft_group_wait(&selecting, weft_never()));
    CHECK_EQ(told_closed, closed);
    CHECK_EQ(echoed, (uint64_t)t_rounds(30) * TALKERS * WORDS);
    CHECK_EQ(weft_selector_count(&sel), 0);
    weft_selector_fini(&sel);
}

TEST_REAL_LONG(talkers_are_heard_by_epoll, REAL, 120)
{
    all("epoll", WEFT_COROUTINE);
}

TEST_REAL_LONG(talkers_are_heard_by_poll, REAL, 120)
{
    all("poll", WEFT_COROUTINE);
}

TEST_REAL_LONG(talkers_are_heard_by_select, REAL, 120)
{
    all("select", WEFT_COROUTINE);
}

TEST_REAL_LONG(talking_threads_are_heard_by_epoll, REAL, 120)
{
    all("epoll", WEFT_THREAD);
}

TEST_REAL_LONG(talking_threads_are_heard_by_poll, REAL, 120)
{
    all("poll", WEFT_THREAD);
}

TEST_REAL_LONG(talking_threads_are_heard_by_select, REAL, 120)
{
    all("select", WEFT_THREAD);
}
