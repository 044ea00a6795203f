/* T2 - two threads, Music of 3 seconds and Blog of 5: seven places for the join, seven outcomes.
 *
 *     make example T2        half a minute; WEFT_SEED=1 make example T2 plays it in virtual time
 *
 * The join decides when "all over" comes. The end, here of each weft_run, waits for background tasks,
 * as in Python, but cancels daemons: their sleep is -ECANCELED and they leave without saying "end".
 * The test runs it seeded; what happens in one second has no order: compared as a set. */
#include <stdio.h>
#include <weft.h>

enum join { NO_JOIN, AT_ONCE, AT_THE_END };

struct course {
    const char *title;
    enum join music, blog;
    unsigned music_flags, blog_flags;
};

struct lesson {
    const char *name;
    weft_span length;
};

static weft_time start;
static const struct course *c;

static void say(const char *what, const char *name)
{
    printf("%s: %.0f s  %s%s\n", c->title, (double)weft_time_between(start, weft_now()) / 1e9, what,
           name);
}

static int attend(void *arg)
{
    const struct lesson *lesson = arg;
    say("begin ", lesson->name);
    int r = weft_sleep(weft_after(lesson->length));
    if (r == 0)
        say("end ", lesson->name);
    return r;
}

static int spend_the_day(void *arg)
{
    static struct lesson music = { "Music", 3 * WEFT_SEC }, blog = { "Blog", 5 * WEFT_SEC };
    weft_task m, b;
    int r = 0;
    c = arg;
    start = weft_now();
    struct weft_spawn options = { .size = sizeof options, .task = &m };
    weft_group_spawn_with(weft_background(), WEFT_THREAD | c->music_flags, attend, &music, &options);
    if (c->music == AT_ONCE)
        r = weft_task_join(m, NULL, weft_never());
    options.task = &b;
    weft_group_spawn_with(weft_background(), WEFT_THREAD | c->blog_flags, attend, &blog, &options);
    if (c->music == AT_THE_END && r == 0)
        r = weft_task_join(m, NULL, weft_never());
    if (c->blog != NO_JOIN && r == 0)
        r = weft_task_join(b, NULL, weft_never());
    say("all over", "");
    return r;
}

int main(void)
{
    struct course courses[] = {
        { "no join", NO_JOIN, NO_JOIN, 0, 0 },
        { "join each at once", AT_ONCE, AT_ONCE, 0, 0 },
        { "join Music only", AT_THE_END, NO_JOIN, 0, 0 },
        { "join Blog only", NO_JOIN, AT_THE_END, 0, 0 },
        { "join both", AT_THE_END, AT_THE_END, 0, 0 },
        { "no join, both are daemons", NO_JOIN, NO_JOIN, WEFT_DAEMON, WEFT_DAEMON },
        { "no join, Blog is a daemon", NO_JOIN, NO_JOIN, 0, WEFT_DAEMON },
    };
    for (size_t i = 0; i < sizeof courses / sizeof *courses; i++)
        if (weft_run(spend_the_day, &courses[i]) < 0)
            return 1;
    return 0;
}
