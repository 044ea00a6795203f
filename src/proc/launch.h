/* proc/launch.h - how a program is started: all that is to be said to the kernel, prepared by the caller. */
#ifndef WEFT_PROC_LAUNCH_H
#define WEFT_PROC_LAUNCH_H

#include <weft/subprocess.h>

enum { WEFT__PLACES = 66 }; /* 63 passed and three streams */

enum weft__step { /* weft_step._what */
                  WEFT__STEP_FOLDER = 1,
                  WEFT__STEP_UMASK,
                  WEFT__STEP_LIMIT,
                  WEFT__STEP_NICE,
                  WEFT__STEP_SESSION,
                  WEFT__STEP_GROUP,
                  WEFT__STEP_USER
};

enum weft__launch_stage {
    WEFT__AT_CLONE,
    WEFT__AT_STREAMS,
    WEFT__AT_FOLDER,
    WEFT__AT_STEPS,
    WEFT__AT_PROGRAM
};

struct weft__launch {
    char *const *paths; /* to be tried one after the other, up to NULL */
    char *const *argv;
    char *const *environment;
    const char *folder;
    const struct weft_step *steps;
    size_t steps_count;
    struct weft_pass place[WEFT__PLACES]; /* each descriptor is one of ours */
    int places;
    int terminal;     /* to be the controlling one; -1: none */
    unsigned flags;   /* of the options */
    uint64_t signals; /* blocked in it */
    bool interrupts;  /* SIGINT is ignored here, but shall not be there */
    /* How it went: */
    int parent, pid, pidfd;
    int error; /* 0, or what failed at this stage; of the steps at this one */
    enum weft__launch_stage stage;
    size_t step;
    _Alignas(16) char stack[16384];
};

/* On any thread. The caller stands still until the program runs or something has failed: then nothing is left.
 * The process is killed when the calling thread ends. */
int weft__launch(void *launch);

/* descent.c: kill a process that has not been collected, and all that descend from it. group: its own. */
int weft__descent_kill(int pid, int pidfd, bool group);

#endif
