/* subprocess.c - other programs: weft/subprocess.h. The start itself is in launch.c. */
#include <errno.h>
#include <string.h>
#include <weft/fd.h>
#include <weft/group.h>
#include <weft/select.h>
#include <weft/subprocess.h>
#include <weft/terminal.h>

#include "base/alloc.h"
#include "base/report.h"
#include "base/sys.h"
#include "io/io.h"
#include "proc/launch.h"
#include "proc/proc.h"
#include "sched/wait.h"

enum { LIMIT = 16 << 20, ROOM = 16384 };

/* -- steps ----------------------------------------------------------------------------------------------- */

struct weft_step weft_step_folder(const char *path)
{
    return (struct weft_step){ ._what = WEFT__STEP_FOLDER, ._text = path };
}

struct weft_step weft_step_umask(unsigned mask)
{
    return (struct weft_step){ ._what = WEFT__STEP_UMASK, ._number = (int)mask };
}

struct weft_step weft_step_limit(int resource, uint64_t soft, uint64_t hard)
{
    return (
        struct weft_step){ ._what = WEFT__STEP_LIMIT, ._number = resource, ._a = soft, ._b = hard };
}

struct weft_step weft_step_nice(int add)
{
    return (struct weft_step){ ._what = WEFT__STEP_NICE, ._number = add };
}

struct weft_step weft_step_session(void)
{
    return (struct weft_step){ ._what = WEFT__STEP_SESSION };
}

struct weft_step weft_step_group(int group)
{
    return (struct weft_step){ ._what = WEFT__STEP_GROUP, ._number = group };
}

struct weft_step weft_step_user(unsigned user, unsigned group)
{
    return (struct weft_step){ ._what = WEFT__STEP_USER, ._a = user, ._b = group };
}

static const char *name_of(const struct weft_step *step)
{
    static const char *const names[] = {
        [WEFT__STEP_FOLDER] = "folder",   [WEFT__STEP_UMASK] = "umask",
        [WEFT__STEP_LIMIT] = "limit",     [WEFT__STEP_NICE] = "nice",
        [WEFT__STEP_SESSION] = "session", [WEFT__STEP_GROUP] = "group",
        [WEFT__STEP_USER] = "user",
    };
    return step->_what > 0 && step->_what < (int)ARRAY_LEN(names) ? names[step->_what] : "?";
}

/* -- the plan -------------------------------------------------------------------------------------------- */

/* One piece of memory: the plan, the lists that it points to, and the paths that are tried. */
struct plan {
    struct weft__launch launch;
    const struct weft_subprocess_options *options;
    weft_subprocess *p;
    size_t size;
    int opened[8]; /* for the program: closed here when it runs */
    int opened_count;
    char *lists[];
};

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static size_t name_size(const char *setting)
{
    return strcspn(setting, "=");
}

static bool same_name(const char *a, const char *b)
{
    size_t n = name_size(a);
    return n == name_size(b) && memcmp(a, b, n) == 0;
}

/* What is there, less what is changed, and the changes that set something; the last one of a name counts. */
static char **environment(char **at, const char *const *base, const char *const *change)
{
    for (size_t i = 0; base && base[i]; i++) {
        bool changed = false;
        for (size_t j = 0; change && change[j] && !changed; j++)
            changed = same_name(base[i], change[j]);
        if (!changed)
            *at++ = (char *)(uintptr_t)base[i];
    }
    for (size_t i = 0; change && change[i]; i++) {
        bool again = change[i][name_size(change[i])] == 0;
        for (size_t j = i + 1; change[j] && !again; j++)
            again = same_name(change[i], change[j]);
        if (!again)
            *at++ = (char *)(uintptr_t)change[i];
    }
    *at++ = NULL;
    return at;
}

/* PATH, as it will be in the environment. */
static const char *path_of(const char *const *base, const char *const *change)
{
    const char *found = NULL;
    for (size_t i = 0; base && base[i] && !found; i++)
        found = same_name(base[i], "PATH") ? base[i] : NULL;
    for (size_t i = 0; change && change[i]; i++)
        found = same_name(change[i], "PATH") ? change[i] : found;
    return found && found[4] == '=' ? found + 5 : "/usr/local/bin:/usr/bin:/bin";
}

static size_t folders_of(const char *path)
{
    size_t n = 1;
    for (; (path = strchr(path, ':')); path++)
        n++;
    return n;
}

/* "a:b" and "ls" are a/ls and b/ls. */
static void candidates(char **at, char *text, const char *path, const char *program)
{
    size_t size = strlen(program) + 1;
    for (const char *end;; path = end + 1) {
        end = strchrnul(path, ':');
        *at++ = text;
        text = mempcpy(text, path, (size_t)(end - path));
        if (end > path) /* an empty one is where we are */
            *text++ = '/';
        text = mempcpy(text, program, size);
        if (!*end)
            break;
    }
    *at = NULL;
}

static char **copy(char **at, const char *const *list)
{
    do
        *at++ = (char *)(uintptr_t)*list;
    while (*list++);
    return at;
}

static struct plan *plan_new(const char *const *argv, const struct weft_subprocess_options *o)
{
    static const char *const shell[] = { "sh", "-c", NULL };
    const char *const *base =
        o->environment ? o->environment : (const char *const *)weft__sys_environment();
    const char *program = o->program ? o->program : o->flags & WEFT_SHELL ? "/bin/sh" : argv[0];
    const char *path = strchr(program, '/') ? NULL : path_of(base, o->change);
    size_t folders = path ? folders_of(path) : 1;
    size_t lists = count_of(argv) + count_of(base) + count_of(o->change) + folders + 5;
    size_t text = path ? strlen(path) + folders * (strlen(program) + 2) : 0;
    size_t size = sizeof(struct plan) + lists * sizeof(char *) + text;
    struct plan *plan = weft__alloc(size, 16);
    if (!plan)
        return NULL;
    char **at = plan->lists;
    plan->size = size;
    plan->launch.argv = at;
    if (o->flags & WEFT_SHELL)
        at = copy(at, shell) - 1;
    plan->launch.environment = at = copy(at, argv);
    plan->launch.paths = at = environment(at, base, o->change);
    if (path)
        candidates(at, (char *)(plan->lists + lists), path, program);
    else
        copy(at, (const char *[]){ program, NULL });
    return plan;
}

/* -- its streams, made by the helper: a file may be slow to open ----------------------------------------- */

static void place(struct weft__launch *l, int fd, int as)
{
    l->place[l->places++] = (struct weft_pass){ fd, as };
}

static int keep(struct plan *plan, int fd)
{
    return fd < 0 ? fd : (plan->opened[plan->opened_count++] = fd);
}

/* Ours is non-blocking, theirs is not. */
static int make_pipe(struct plan *plan, bool input, int *ours)
{
    int pair[2], r = weft__sys_pipe(pair, O_CLOEXEC);
    if (r < 0)
        return r;
    *ours = pair[input];
    weft__sys_fcntl(*ours, F_SETFL, O_NONBLOCK);
    return keep(plan, pair[!input]);
}

static int make_terminal(struct plan *plan)
{
    int pair[2], r = weft_terminal_pair(pair);
    if (r < 0)
        return r;
    plan->p->terminal = pair[0];
    weft__sys_fcntl(pair[1], F_SETFL, O_RDWR);
    return plan->launch.terminal = keep(plan, pair[1]);
}

static int open_stream(struct plan *plan, int number, const struct weft_stdio *to, int *ours)
{
    int make = O_WRONLY | O_CREAT | (to->where == WEFT_APPEND ? O_APPEND : O_TRUNC);
    switch (to->where) {
    case WEFT_INHERIT: return plan->launch.terminal; /* -1: it stays as it is */
    case WEFT_PIPE: return make_pipe(plan, number == 0, ours);
    case WEFT_NOWHERE:
        return keep(plan, weft__sys_openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0));
    case WEFT_FD: return to->fd;
    case WEFT_FILE:
    case WEFT_APPEND:
        return keep(plan, weft__sys_openat(AT_FDCWD, to->path,
                                           (number == 0 ? O_RDONLY : make) | O_CLOEXEC, 0666));
    case WEFT_MERGE: break;
    }
    for (int i = 0; i < plan->launch.places; i++)
        if (plan->launch.place[i].as == 1)
            return plan->launch.place[i].fd;
    return 1;
}

static int open_streams(struct plan *plan)
{
    const struct weft_subprocess_options *o = plan->options;
    const struct weft_stdio *to[] = { &o->in, &o->out, &o->err };
    int *ours[] = { &plan->p->in, &plan->p->out, &plan->p->err };
    int r = o->flags & WEFT_TERMINAL ? make_terminal(plan) : 0;
    for (int i = 0; i < 3 && r >= 0; i++) {
        r = open_stream(plan, i, to[i], ours[i]);
        if (r >= 0)
            place(&plan->launch, r, i);
        else if (to[i]->where == WEFT_INHERIT)
            r = 0;
    }
    for (size_t i = 0; i < o->pass_count && r >= 0; i++)
        place(&plan->launch, o->pass[i].fd, o->pass[i].as);
    return r < 0 ? r : 0;
}

static int start(void *arg)
{
    struct plan *plan = arg;
    plan->launch.stage = WEFT__AT_STREAMS;
    plan->launch.error = open_streams(plan);
    int r = plan->launch.error < 0 ? plan->launch.error : weft__launch(&plan->launch);
    while (plan->opened_count > 0)
        weft__sys_close(plan->opened[--plan->opened_count]);
    return r;
}

/* -- start ----------------------------------------------------------------------------------------------- */

static bool is_right(const struct weft_stdio *to, bool err)
{
    switch (to->where) {
    case WEFT_INHERIT:
    case WEFT_PIPE:
    case WEFT_NOWHERE: return true;
    case WEFT_FD: return to->fd >= 0;
    case WEFT_FILE:
    case WEFT_APPEND: return to->path;
    case WEFT_MERGE: return err;
    }
    return false;
}

static bool are_right(const char *const *argv, const struct weft_subprocess_options *o)
{
    unsigned known = WEFT_SHELL | WEFT_TERMINAL | WEFT_OWN_GROUP | WEFT_DETACHED;
    bool right = argv && argv[0] && o->size == sizeof *o && !(o->flags & ~known) &&
                 is_right(&o->in, false) && o->in.where != WEFT_APPEND && is_right(&o->out, false) &&
                 is_right(&o->err, true) && o->pass_count <= WEFT__PLACES - 3;
    for (size_t i = 0; i < o->pass_count && right; i++)
        right = o->pass[i].fd >= 0 && o->pass[i].as > 2;
    return right;
}

static int fail(const struct plan *plan, const char *name, int r)
{
    const struct weft__launch *l = &plan->launch;
    switch (l->stage) {
    case WEFT__AT_STREAMS: return weft__failed(r, "start '%s': its streams", name);
    case WEFT__AT_FOLDER: return weft__failed(r, "start '%s': folder '%s'", name, l->folder);
    case WEFT__AT_STEPS:
        return weft__failed(r, "start '%s': step %zu (%s)", name, l->step,
                            name_of(&l->steps[l->step]));
    default: return weft__failed(r, "start '%s'", name);
    }
}

static void close_ours(weft_subprocess *p)
{
    int *ours[] = { &p->in, &p->out, &p->err, &p->terminal, &p->_pidfd };
    for (unsigned i = 0; i < ARRAY_LEN(ours); i++) {
        if (*ours[i] >= 0)
            weft_close(*ours[i]);
        *ours[i] = -1;
    }
}

int weft_subprocess_start(weft_subprocess *p, const char *const *argv,
                          const struct weft_subprocess_options *options)
{
    static const struct weft_subprocess_options plain = { .size = sizeof plain };
    const struct weft_subprocess_options *o = options ? options : &plain;
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    *p =
        (weft_subprocess){ .in = -1, .out = -1, .err = -1, .terminal = -1, ._pidfd = -1, ._over = 1 };
    if (r < 0)
        return r;
    if (!are_right(argv, o))
        return weft__failed(-EINVAL, "start '%s'", argv && argv[0] ? argv[0] : "");
    struct plan *plan = plan_new(argv, o);
    if (!plan)
        return -ENOMEM;
    struct weft__launch *l = &plan->launch;
    l->folder = o->folder;
    l->steps = o->steps;
    l->steps_count = o->steps_count;
    l->places = 0;
    l->terminal = l->pidfd = -1;
    l->flags = o->flags;
    l->signals = weft__signals_of(self);
    l->interrupts = weft__root_pid != 0; /* a process task ignores them */
    plan->options = o;
    plan->p = p;
    plan->opened_count = 0;
    r = weft__offload(WEFT__FOR_PROGRAMS, start, plan);
    if (r < 0) {
        close_ours(p);
        r = l->error < 0 ? fail(plan, argv[0], r) : r;
    } else {
        p->pid = l->pid;
        p->_pidfd = l->pidfd;
        p->_flags = o->flags;
        p->_over = 0;
        for (size_t i = 0; i < o->steps_count; i++)
            if (o->steps[i]._what == WEFT__STEP_SESSION ||
                (o->steps[i]._what == WEFT__STEP_GROUP && o->steps[i]._number == 0))
                p->_flags |= WEFT_OWN_GROUP;
    }
    weft__release(plan, plan->size);
    return r;
}

/* -- wait ------------------------------------------------------------------------------------------------ */

/* Collected once, by whoever comes first. -EAGAIN: it runs. */
static int collect(weft_subprocess *p)
{
    int code = 0, status = 0, r = 0;
    weft_lock_enter(&p->_lock);
    if (!p->_over) {
        r = weft__sys_collect(p->_pidfd, &code, &status);
        if (r == -ECHILD) /* SIGCHLD is ignored, or somebody waited for any child */
            r = weft__sys_pidfd_end(p->_pidfd, &code, &status);
        if (r == 0) {
            p->_status = code == CLD_EXITED ? status : -EOWNERDEAD;
            p->_signal = code == CLD_EXITED ? 0 : status;
            p->_core = code == CLD_DUMPED;
            p->_over = 1;
        }
    }
    weft_lock_leave(&p->_lock);
    return r;
}

static int wait_end(weft_subprocess *p, weft_deadline deadline)
{
    int r;
    while ((r = collect(p)) == -EAGAIN || r == -EINTR)
        if (r == -EAGAIN && (r = weft_poll(p->_pidfd, POLLIN, deadline)) < 0)
            break;
    return r;
}

int weft_subprocess_wait(weft_subprocess *p, struct weft_exit *out, weft_deadline deadline)
{
    struct weft__task *self;
    if (out && out->size != sizeof *out)
        return -EINVAL;
    int r = weft__wait_enter(&self);
    if (r < 0 || (r = wait_end(p, deadline)) < 0)
        return r;
    if (out)
        *out = (struct weft_exit){
            .size = sizeof *out, .result = p->_status, .signal = p->_signal, .core = p->_core
        };
    return p->_status;
}

int weft_subprocess_signal(weft_subprocess *p, int signo)
{
    return p->_pidfd < 0 ? -ESRCH : weft__sys_pidfd_kill(p->_pidfd, signo);
}

int weft_subprocess_kill(weft_subprocess *p)
{
    bool group = p->_flags & (WEFT_OWN_GROUP | WEFT_TERMINAL | WEFT_DETACHED);
    weft_lock_enter(&p->_lock); /* while it is not collected, its number and its group are its own */
    int r = p->_over ? 0 : weft__descent_kill(p->pid, p->_pidfd, group);
    weft_lock_leave(&p->_lock);
    return r;
}

static int collect_later(void *pid)
{
    return weft_fork_wait((int)(intptr_t)pid, NULL, weft_never());
}

void weft_subprocess_fini(weft_subprocess *p)
{
    struct weft__task *self = weft__self();
    if (!p->_over && self && collect(p) == -EAGAIN) {
        if (p->_flags & WEFT_DETACHED) {
            (void)weft_group_spawn(weft_background(), WEFT_COROUTINE | WEFT_DAEMON, collect_later,
                                   (void *)(intptr_t)p->pid);
        } else {
            struct weft__calm calm = weft__calm_begin(self);
            weft_subprocess_kill(p);
            wait_end(p, weft_never());
            weft__calm_end(self, calm);
        }
    }
    close_ours(p);
}

/* -- communicate ----------------------------------------------------------------------------------------- */

/* Room for more and for the 0 behind it. */
static int grow(char **text, size_t *room, size_t size)
{
    if (*room - size > ROOM)
        return 0;
    size_t more = *room ? 2 * *room : 2 * ROOM;
    char *to = weft__alloc(more, 16);
    if (!to)
        return -ENOMEM;
    if (*text)
        memcpy(to, *text, size);
    weft__release(*text, *room);
    *text = to;
    *room = more;
    return 0;
}

static void shut(int *fd)
{
    weft_close(*fd);
    *fd = -1;
}

/* One of its streams to us, and what came by it. A terminal stays open: to close it is to hang up, and the
 * program may have closed its side only, on its way out. */
struct side {
    int *fd;
    char **text;
    size_t *size, *room;
    bool over;
};

/* What is there now; of that, up to `limit` bytes in all are kept. */
static int take_in(struct side *side, size_t limit, bool *cut)
{
    char dropped[4096];
    for (;;) {
        bool full = *side->size >= limit;
        int r = full ? 0 : grow(side->text, side->room, *side->size);
        if (r < 0)
            return r;
        size_t most = full ? sizeof dropped : *side->room - *side->size - 1;
        if (!full && most > limit - *side->size)
            most = limit - *side->size;
        ssize_t n = weft__sys_read(*side->fd, full ? dropped : *side->text + *side->size, most);
        if (n == -EAGAIN || n == -EINTR)
            return 0;
        if (n == 0 || n == -EIO) { /* so a terminal ends */
            side->over = true;
            if (n == 0)
                shut(side->fd);
            return 0;
        }
        if (n < 0)
            return (int)n;
        if (full)
            *cut = true;
        else
            (*side->text)[ *side->size += (size_t)n] = 0;
    }
}

/* What it takes now, until it has everything or wants no more. */
static int feed(weft_subprocess *p, int *fd, const char *data, size_t size)
{
    ssize_t n = 0;
    while (p->_fed < size && (n = weft__sys_write_quietly(*fd, data + p->_fed, size - p->_fed)) > 0)
        p->_fed += (size_t)n;
    if (n == -EAGAIN || n == -EINTR)
        return 0;
    if (n == -EPIPE || n == -EIO)
        p->_fed = size;
    else if (n < 0)
        return (int)n;
    if (fd == &p->in)
        shut(fd);
    return 0;
}

int weft_subprocess_communicate(weft_subprocess *p, const void *data, size_t size,
                                struct weft_output *out, weft_deadline deadline)
{
    struct weft__task *self;
    struct weft_output nothing = { .size = sizeof nothing };
    if (out && out->size != sizeof *out)
        return -EINVAL;
    int r = weft__wait_enter(&self), *in = p->terminal >= 0 ? &p->terminal : &p->in;
    size_t limit = !out ? 0 : out->limit ? out->limit : LIMIT;
    out = out ? out : &nothing;
    struct side sides[] = {
        { in == &p->terminal ? in : &p->out, &out->out, &out->out_size, &out->_out_room, false },
        { &p->err, &out->err, &out->err_size, &out->_err_room, false },
    };
    deadline.ns = weft__deadline_at(deadline);
    for (int i = 0; i < 2 && r == 0; i++)
        if (limit > 0 && *sides[i].fd >= 0 && !*sides[i].text &&
            (r = grow(sides[i].text, sides[i].room, 0)) == 0)
            **sides[i].text = 0;
    while (r == 0) {
        bool feeding = *in >= 0 && (in == &p->in || p->_fed < size);
        int first = sides[0].over ? -1 : *sides[0].fd, second = sides[1].over ? -1 : *sides[1].fd;
        struct weft_case on[] = {
            weft_on_fd(feeding ? *in : -1, POLLOUT),
            weft_on_fd(first, POLLIN),
            weft_on_fd(second, POLLIN),
        };
        if (!feeding && first < 0 && second < 0)
            return weft_subprocess_wait(p, NULL, deadline);
        r = weft_select(on, 3, deadline);
        if (r >= 0)
            r = r == 0 ? feed(p, in, data, size) : take_in(&sides[r - 1], limit, &out->cut);
    }
    return r;
}

void weft_output_fini(struct weft_output *out)
{
    weft__release(out->out, out->_out_room);
    weft__release(out->err, out->_err_room);
    *out = (struct weft_output){ .size = out->size, .limit = out->limit };
}

/* -- all in one ------------------------------------------------------------------------------------------ */

static int told(const char *name, const weft_subprocess *p, int r)
{
    if (r > 0)
        return weft_why_set(r, "'%s' ended with status %d", name, r);
    if (r == -EOWNERDEAD)
        return weft_why_set(r, "'%s' was ended by signal %d", name, p->_signal);
    return r == 0 ? 0 : weft__failed(r, "run '%s'", name);
}

int weft_subprocess_run(const char *const *argv, const struct weft_subprocess_options *options,
                        const void *data, size_t size, struct weft_output *out,
                        weft_deadline deadline)
{
    struct weft_subprocess_options o = { .size = sizeof o };
    if ((options && options->size != sizeof o) || (out && out->size != sizeof *out))
        return weft__failed(-EINVAL, "run '%s': size", argv && argv[0] ? argv[0] : "");
    if (options)
        o = *options;
    if (!(o.flags & WEFT_TERMINAL)) {
        if (data && o.in.where == WEFT_INHERIT)
            o.in.where = WEFT_PIPE;
        if (out && o.out.where == WEFT_INHERIT)
            o.out.where = WEFT_PIPE;
        if (out && o.err.where == WEFT_INHERIT)
            o.err.where = WEFT_PIPE;
    }
    weft_subprocess p;
    deadline.ns = weft__deadline_at(deadline);
    int r = weft_subprocess_start(&p, argv, &o);
    if (r < 0)
        return r;
    r = weft_subprocess_communicate(&p, data, size, out, deadline);
    weft_subprocess_fini(&p);
    return told(argv[0], &p, r);
}
