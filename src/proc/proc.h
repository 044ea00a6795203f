/* proc/proc.h - process tasks: what their slots hold, and who does what.
 *
 *   spawner    spawn.c: takes a slot, writes a request into the arena, asks, waits until the process has begun.
 *              The task's record is in the spawner's process; it ends when the slot is over
 *   reaper     reaper.c: a thread of the root, for the whole tree: hands requests to the zygote, collects the dead,
 *              puts right what they left, sends the signals that follow a cancel, and takes log records in
 *   zygote     zygote.c: made by the reaper; clones itself for each request
 *   process    child.c: puts on what the request says, runs the function, leaves its result in the slot.
 *              A thread of it, the listener, hears of a cancel and of the ends of its own process tasks; it
 *              is there when one of these can matter
 *
 * All that passes between processes is in the slots. Two bells say that there is something to see: the
 * reaper's is a descriptor that every process of the tree has, a process's own is a futex word in its slot. */
#ifndef WEFT_PROC_PROC_H
#define WEFT_PROC_PROC_H

#include <weft/process.h>

#include "sched/task.h"
#include "shared/arena.h"

enum weft__proc_start {
    WEFT__PROC_NONE,
    WEFT__PROC_ASKED,     /* by the spawner; from here on by compare-and-swap: */
    WEFT__PROC_RUNS,      /* by the process, or by the reaper when it has died before that */
    WEFT__PROC_FAILED,    /* by the process, the zygote or the reaper: `error` says why */
    WEFT__PROC_CANCELLED, /* by the spawner, or for it when it has died */
};

/* The slot is free when both have let go of it. */
enum {
    WEFT__PROC_KEPT = 1 /* by the spawner */,
    WEFT__PROC_OVER = 2 /* nothing runs; the record is right */
};

enum weft__proc_end { WEFT__PROC_EXITED, WEFT__PROC_KILLED, WEFT__PROC_ENDED_BY_US };

struct weft__proc {
    uint32_t start;
    int32_t error;
    uint32_t keep;
    uint32_t bell;              /* futex word of its listener */
    weft__process_id cancelled; /* its own number: it is to end, since cancelled_at */
    weft__process_id handled; /* its own number: the zygote has done with the request. These two are
                                   stored late, perhaps when the slot is another's */
    int32_t pid;              /* by the kernel, before it runs; 0 again before it is collected */
    weft__process_id parent;
    uint32_t detached;
    uint32_t returned; /* its function; then `result` counts */
    int32_t result;
    uint32_t end; /* enum weft__proc_end, with how: the exit status or the signal */
    int32_t how;
    uint32_t core;
    int64_t cancelled_at;
    weft_span term_after, kill_after;
    void *request; /* struct weft__request, until the process has read it */
    void *job; /* both are freed by whoever puts NULL here, and belong to nobody while they are */
    char name[WEFT__NAME];
};

_Static_assert(sizeof(struct weft__proc) <= sizeof((struct weft__process *)0)->proc,
               "it fits its slot");

static inline struct weft__proc *weft__proc(weft__process_id id)
{
    return (struct weft__proc *)(void *)weft__process(id)->proc;
}

/* -- credentials.c: what a process task has from its spawner ------------------------------------------ */

enum { WEFT__LIMITS = 16, WEFT__PASSED = 66 };

struct weft__credentials {
    uint32_t user[3], group[3]; /* real, effective, saved */
    uint32_t capabilities[6];   /* effective, permitted, inheritable, and the upper halves */
    uint32_t mask;              /* umask */
    int nice;                   /* 20 less it, as the kernel tells it */
    int no_new_privs, seccomp;
    struct {
        uint64_t soft, hard;
    } limits[WEFT__LIMITS];
};

/* Of the calling thread. groups NULL: only how many; else there is room for count, -EINVAL: they are more by now. */
int weft__groups_get(uint32_t *groups, int count);
int weft__credentials_get(struct weft__credentials *out);
int weft__credentials_note(void); /* in the zygote: what all of its clones begin with */
void weft__credentials_processes(uint64_t most); /* there: the kernel asks the limit of who clones */
int weft__credentials_put(const struct weft__credentials *to, const uint32_t *groups,
                          int groups_count); /* on a clone's only thread; -EPERM */

struct weft__request {
    weft_fn *fn;
    void *arg;
    const char *site;
    struct weft__credentials credentials;
    uint64_t signals;   /* blocked */
    uint64_t processes; /* the spawner's own limit */
    int log_level;
    bool log_forward; /* records go to the spawner's sink */
    int count;        /* of descriptors; the first is the folder */
    struct weft_pass pass[WEFT__PASSED];
    int groups_count;
    size_t environment; /* bytes of strings, after the groups */
    uint32_t groups[];
};

static inline char *weft__request_text(struct weft__request *request)
{
    return (char *)(request->groups + request->groups_count);
}

/* -- spawn.c ------------------------------------------------------------------------------------------ */

extern const struct weft__kind weft__process_kind;

void weft__proc_collect(
    void); /* see which starts are decided and which tasks are over, of this process's */
void weft__proc_forget(void);              /* in a clone: what the parent has spawned */
void weft__proc_init(void);                /* when the library is loaded */
uint32_t weft__proc_count(void);           /* of process tasks of this process that live */
int weft__proc_anew(void);                 /* the zygote, if there is one */
void weft__proc_ring(weft__process_id id); /* its bell */
void weft__proc_let_go(weft__process_id id, uint32_t keep); /* and free the slot if both have */
void weft__proc_free(weft__process_id id); /* once more if who was at it has died */
void weft__proc_give(void **block);        /* of a slot */
/* The calling process's wish for the reaper, waited for: */
struct weft__ask {
    struct weft__ask *next;
    struct weft__task *task;
    uint64_t ticket;
    weft__process_id slot; /* its start; 0: the zygote */
    int result;
    bool answered;
    char why[128];
};
void weft__proc_answer(weft__process_id slot, int result, const char *why);

/* -- reaper.c ----------------------------------------------------------------------------------------- */

extern struct weft__proc_ways { /* into the reaper; the same numbers in every process of the tree */
    int bell, log;
} weft__proc_ways;

int weft__reaper_start(void);       /* in the root; once */
void weft__reaper_ring(void);       /* from any process of the tree */
void weft__reaper_wants(bool anew); /* a zygote; the answer is for slot 0 */
bool weft__zygote_is_there(void);
void weft__reaper_forget(void);
void weft__reaper_ends(void);
void weft__known_objects(void); /* spawn.c: the zygote is made now, with what is loaded */

/* -- zygote.c, child.c -------------------------------------------------------------------------------- */

/* By the reaper. The zygote's end of a socket pair is `theirs`. Its number; negative: words in why. */
int weft__zygote_make(int theirs, char *why, size_t room);
_Noreturn void weft__child_main(weft__process_id id, int *fds, int count);
void weft__child_at_exit(int status, void *arg);
int weft__listener_need(void); /* in a process task: somebody answers its bell; -EAGAIN, -ENOMEM */
void weft__child_listen(struct weft__task *self);
void weft__child_bind(void);

extern bool weft__zygote_forks; /* and nobody else */
extern int weft__root_pid;      /* 0 outside of the zygote and the process tasks */

/* spawn.c: the signals that are to be blocked in a process which the task starts. */
uint64_t weft__signals_of(const struct weft__task *self);

#endif
