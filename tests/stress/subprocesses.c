/* Programs started, fed, ended and cancelled from many tasks at once: nothing is left of any. */
#include "../behaviour/until.h"

#include <sys/wait.h>

static long rounds;

static int start_some(void *arg)
{
    uint64_t state = (uint64_t)(intptr_t)arg * 0x9e3779b97f4a7c15u | 1;
    for (long i = 0; i < rounds; i++) {
        const char *cat[] = { "cat", NULL }, *none[] = { "no-such-program", NULL },
                   *sleep[] = { "sleep", "1000", NULL };
        struct weft_output out = { .size = sizeof out };
        char text[32];
        int r;
        switch (draw(&state) % 4) {
        case 0:
            CHECK_ERR(weft_subprocess_run(none, NULL, NULL, 0, NULL, weft_never()), -ENOENT);
            break;
        case 1:
            r = weft_subprocess_run(sleep, NULL, NULL, 0, NULL,
                                    weft_after((weft_span)(draw(&state) % 2000) * WEFT_US));
            CHECK_EQ(r, -ETIMEDOUT);
            break;
        default:
            snprintf(text, sizeof text, "%llu", (unsigned long long)draw(&state));
            CHECK_EQ(weft_subprocess_run(cat, NULL, text, strlen(text), &out, weft_never()), 0);
            CHECK_STR(out.out, text);
        }
        weft_output_fini(&out);
    }
    return 0;
}

TEST_REAL_LONG(thousands_of_starts_leave_nothing, "programs", 60)
{
    weft_group g;
    (void)t;
    CHECK_OK(weft_group_init(&g, 0));
    for (int round = 0, before = 0; round < 2; round++) { /* the first opens what stays open */
        rounds = round ? t_rounds(60) : 2;
        for (intptr_t i = 0; i < 8; i++)
            CHECK_OK(weft_group_spawn(&g, i % 2 ? WEFT_THREAD : WEFT_COROUTINE, start_some,
                                      (void *)(i + 1)));
        CHECK_OK(weft_group_wait(&g, weft_never()));
        CHECK_EQ(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        if (round)
            CHECK_EQ(t_descriptors(0), before);
        before = t_descriptors(0);
    }
    weft_group_fini(&g);
}
