/* P13 - other programs: run, feed, read, time out, kill, answer their questions.
 *
 *     make example P13
 *
 * (Python: subprocess.run, Popen, communicate, shlex.split, and pexpect for the last one.) */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>

#define ARGV(...) ((const char *[]){ __VA_ARGS__, NULL })
#define SOON      weft_after(9 * WEFT_SEC)
#define ASK       "printf 'Password:'; read w; echo; echo \"hello, $w\""

static void show(const char *const *argv, struct weft_subprocess_options o, const char *input)
{
    struct weft_output out = { .size = sizeof out };
    o.size = sizeof o;
    int r = weft_subprocess_run(argv, &o, input, strlen(input), &out, weft_after(500 * WEFT_MS));
    printf("-- %s: %d%s%s\n%s", argv[0], r, r ? ", " : "", r ? weft_why() : "",
           r < 0 ? "" : out.out);
    weft_output_fini(&out);
}

static int feed_and_read(void)
{
    static char data[1 << 20]; /* both ways at once: neither side waits for ever */
    struct weft_output out = { .size = sizeof out };
    int r = weft_subprocess_run(ARGV("cat"), NULL, data, sizeof data, &out, SOON);
    printf("-- 1 MB through cat: %zu bytes back\n", out.out_size);
    weft_output_fini(&out);
    return r;
}

static int kill_it(void)
{
    weft_subprocess p;
    struct weft_exit end = { .size = sizeof end };
    int r = weft_subprocess_start(&p, ARGV("sleep", "1000"), NULL);
    weft_subprocess_signal(&p, SIGTERM);
    if (r == 0 && weft_subprocess_wait(&p, &end, SOON) < 0)
        printf("-- sleep was ended by signal %d\n", end.signal);
    weft_subprocess_fini(&p);
    return r;
}

static int answer_at_its_terminal(void)
{
    char buf[256], text[256];
    weft_stream s;
    weft_subprocess p;
    struct weft_subprocess_options o = { .size = sizeof o, .flags = WEFT_SHELL | WEFT_TERMINAL };
    int r = weft_subprocess_start(&p, ARGV("stty -echo; " ASK), &o);
    if (r == 0 && weft_stream_init(&s, p.terminal, buf, sizeof buf) == 0 &&
        weft_stream_read_until(&s, "Password:", text, sizeof text, SOON) >= 0 &&
        weft_write(p.terminal, "sesame\n", 7, SOON) == 7 &&
        weft_stream_read_line(&s, text, sizeof text, SOON) >= 0 &&
        weft_stream_read_line(&s, text, sizeof text, SOON) >= 0)
        printf("-- at its terminal: %s\n", text);
    weft_subprocess_fini(&p);
    return r;
}

int main(void)
{
    struct weft_subprocess_options none = { 0 }, shell = { .flags = WEFT_SHELL };
    char **words = NULL;
    show(ARGV("sort", "-u"), none, "pear\nfig\npear\n");
    show(ARGV("sleep", "1000"), none, "");
    show(ARGV("no-such-program"), none, "");
    show(ARGV(ASK), shell, "by input\n");
    if (weft_words("ls -d '/'", &words) > 0)
        show((const char *const *)words, none, "");
    weft_words_free(words);
    shell.folder = "/";
    shell.change = ARGV("GREETING=你好");
    show(ARGV("echo $GREETING from $PWD; exit 3"), shell, "");
    return feed_and_read() || kill_it() || answer_at_its_terminal();
}
