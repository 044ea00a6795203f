/* weft/subprocess.h - other programs: start them, feed and read them, wait for them, end them.
 *
 *     const char *sort[] = { "sort", "-u", NULL };
 *     struct weft_output got = { .size = sizeof got };
 *     int r = weft_subprocess_run(sort, NULL, "pear\nfig\n", 9, &got, weft_after(WEFT_SEC));
 *     if (r == 0)
 *         fputs(got.out, stdout); // fig, pear
 *     weft_output_fini(&got);
 *
 * or with the program at hand while it runs:
 *
 *     const char *ping[] = { "ping", "-c", "3", "::1", NULL };
 *     struct weft_subprocess_options o = { .size = sizeof o, .out.where = WEFT_PIPE };
 *     weft_subprocess p;
 *     if (weft_subprocess_start(&p, ping, &o) == 0) {
 *         weft_stream_init(&lines, p.out, buf, sizeof buf); // and read line by line
 *         ...
 *         r = weft_subprocess_wait(&p, NULL, weft_never()); // its exit status
 *         weft_subprocess_fini(&p);
 *     }
 *
 * The program gets the descriptors 0, 1 and 2 and those passed, no others; no signal is blocked in it that was not when the
 * runtime started, none has a handler. It is killed when this process dies, unless it is WEFT_DETACHED. To start
 * it costs the same however much memory the caller has. What can fail before it runs (the folder, a
 * limit, the program itself) fails the start, with the error and the words in weft_why(). */
#ifndef WEFT_SUBPROCESS_H
#define WEFT_SUBPROCESS_H

#include <weft/base.h>
#include <weft/lock.h>
#include <weft/process.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

/* -- how it is started ----------------------------------------------------------------------------------- */

/* Where one of its three streams leads. */
enum weft_stdio_where {
    WEFT_INHERIT, /* where the caller's does; with WEFT_TERMINAL to the terminal */
    WEFT_PIPE,    /* to the caller, by a pipe: weft_subprocess.in, out, err */
    WEFT_NOWHERE, /* /dev/null */
    WEFT_FD,      /* the caller's descriptor `fd`, which stays the caller's */
    WEFT_FILE,    /* the file `path`: read, or made (mode 0666 less the umask) and made empty */
    WEFT_APPEND,  /* likewise, written to at its end */
    WEFT_MERGE    /* err only: where out leads */
};

struct weft_stdio {
    enum weft_stdio_where where;
    int fd;
    const char *path;
};

/* What is done in the new process before the program runs, in the order given: made by the calls below. */
struct weft_step { /* private */
    int _what;
    int _number;
    uint64_t _a, _b;
    const char *_text;
};

enum {
    WEFT_SHELL = 1u << 11,    /* argv[0] is a line for /bin/sh; what follows are its $0, $1, ... */
    WEFT_TERMINAL = 1u << 12, /* it lives in a terminal of its own: weft_subprocess.terminal */
    WEFT_OWN_GROUP = 1u << 13 /* in a process group of its own: a terminal's Ctrl-C is not for it */
};

/* Zero it, then set size and what you need. */
struct weft_subprocess_options {
    size_t size; /* sizeof (struct weft_subprocess_options) */
    struct weft_stdio in, out, err;
    const char *program;            /* NULL: argv[0]. Looked for in PATH unless it has a slash */
    const char *folder;             /* NULL: the caller's */
    const char *const *environment; /* the whole of it, up to NULL; NULL: the caller's */
    const char *const *change;      /* "NAME=VALUE" to set, "NAME" to take out; up to NULL */
    const struct weft_step *steps;
    size_t steps_count;
    const struct weft_pass *pass; /* further descriptors, <weft/process.h> */
    size_t pass_count;
    unsigned flags; /* WEFT_SHELL, WEFT_TERMINAL, WEFT_OWN_GROUP, WEFT_DETACHED */
};

/* Steps, each by the call of its name: chdir(2), umask(2), setrlimit(2), nice(2), setsid(2), setpgid(2).
 * weft_step_user sets the groups to `group` alone, the group, and the user, for good; so it comes last.
 *   path   must last until the start has returned
 *   group  of weft_step_group: 0 is one of its own
 * Returns   the step
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API struct weft_step weft_step_folder(const char *path);
WEFT_API struct weft_step weft_step_umask(unsigned mask);
WEFT_API struct weft_step weft_step_limit(int resource, uint64_t soft, uint64_t hard);
WEFT_API struct weft_step weft_step_nice(int add);
WEFT_API struct weft_step weft_step_session(void);
WEFT_API struct weft_step weft_step_group(int group);
WEFT_API struct weft_step weft_step_user(unsigned user, unsigned group);

/* A program that has been started. The descriptors are the caller's, non-blocking, to be used with <weft/fd.h>
 * or a stream; -1 where there is none. Who closes one by weft_close writes -1 there. */
typedef struct weft_subprocess { /* 192 bytes */
    int pid;
    int in; /* to be written: what it reads */
    int out, err;
    int terminal; /* to be read and written: its screen and keyboard */
    int _pidfd;
    unsigned _flags;
    int _over; /* 1: collected */
    int _status, _signal;
    bool _core;
    size_t _fed;
    weft_lock _lock;
    uint64_t _reserved[5];
} weft_subprocess;

/* Start a program.
 *   argv     its name and arguments, up to NULL
 *   options  NULL: all is the caller's
 * Returns   0; -ENOENT, -EACCES, -ENOEXEC, -E2BIG, ... the program or a step failed, named in weft_why();
 *           -EINVAL argv, options->size or what they say; -ENOMEM, -EAGAIN, -EMFILE, -ECANCELED
 * Context   task or thread. Only the caller waits, for as long as the kernel takes to find and load the
 *           program
 * Cancels   until the start has begun.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_subprocess_start(weft_subprocess *p, const char *const *argv,
                                             const struct weft_subprocess_options *options);

/* -- while it runs --------------------------------------------------------------------------------------- */

/* Wait until it has ended.
 *   out       NULL, or where the record goes (out->size set by the caller); result as returned
 *   deadline  weft_at_once(): only look
 * Returns   its exit status, 0 to 255; -EOWNERDEAD a signal ended it: out->signal; -ETIMEDOUT, -ECANCELED
 *           it runs still; -EINVAL out->size; -ECHILD somebody else collected it, and the kernel (before 6.15)
 *           cannot tell any more
 * Context   task or thread; any number of them, again and again
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_subprocess_wait(weft_subprocess *p, struct weft_exit *out,
                                            weft_deadline deadline);

/* Send it a signal, never to another process that has its number meanwhile. SIGTERM asks it to end.
 * Returns   0; -ESRCH it has ended; -EINVAL no signal; -EPERM
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_subprocess_signal(weft_subprocess *p, int signo);

/* Kill it and all that descend from it: children of children, and with WEFT_OWN_GROUP, WEFT_TERMINAL or a step for a
 * session or group whoever is in its process group. Beyond reach is who left that and whose parent has ended.
 * Returns   0 also when nothing was left; -EPERM some are another user's; -ENOMEM, -EMFILE
 * Context   task or thread; does not wait for their ends
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_subprocess_kill(weft_subprocess *p);

/* What a program printed. Zero it and set size; `limit` too if the default does not do. */
struct weft_output {
    size_t size;  /* sizeof (struct weft_output) */
    size_t limit; /* bytes of each that are kept; 0: 16 MiB. The rest is read and dropped */
    char *out;    /* with a 0 behind; NULL: there was no pipe */
    size_t out_size;
    char *err;
    size_t err_size;
    bool cut; /* something was dropped */
    size_t _out_room, _err_room;
};

/* Write all of `data` to its input and close that, read its output and errors up to their ends, and wait for
 * its end: all at once, so that nobody waits for the other for ever. Streams that are no pipes to the caller
 * are left out. A terminal takes the place of in and out. A program that ends without reading everything is no error.
 *   data, size  NULL, 0: nothing
 *   out         NULL: what it prints is dropped
 * Returns   as weft_subprocess_wait; also -ENOMEM. At -ETIMEDOUT and -ECANCELED what came is in *out, and the
 *           same call goes on from there. The deadline holds also when the program has ended and one of its
 *           children keeps a pipe open
 * Context   task or thread; one at a time
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_subprocess_communicate(weft_subprocess *p, const void *data, size_t size,
                                                   struct weft_output *out, weft_deadline deadline);

/* Let go of it: kill it with its descendants if it still runs, unless it is WEFT_DETACHED; collect it; close the
 * descriptors.
 * Context   task or thread; nobody uses it any more. After a kill it waits for the end.
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_subprocess_fini(weft_subprocess *p);
WEFT_API void weft_output_fini(struct weft_output *out);

/* -- all in one ------------------------------------------------------------------------------------------ */

/* Start a program, communicate, let go of it. Its input is `data`, or where options say; its output and errors go
 * to *out, or where options say, or, without both, where the caller's go.
 * Returns   its exit status, 0 to 255; -EOWNERDEAD a signal ended it; -ETIMEDOUT, -ECANCELED: it has been
 *           killed, with its descendants; what came is in *out; or an error of weft_subprocess_start. Of what is not 0 weft_why() has the words
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_subprocess_run(const char *const *argv,
                                           const struct weft_subprocess_options *options,
                                           const void *data, size_t size, struct weft_output *out,
                                           weft_deadline deadline);

/* Split a command into words as a shell does (POSIX 2.2: quotes, backslash), with nothing replaced in them.
 *   out  its words up to NULL, to be given back by weft_words_free
 * Returns   how many; -EINVAL a quote is not closed, or a backslash is last; -ENOMEM
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_words(const char *command, char ***out);
WEFT_API void weft_words_free(char **words);

WEFT_END
#endif
