/* sleep.pml - how workers sleep and are woken: src/sched/worker.c, and the watch of runtime.c.
 *
 * Bound: two workers, the watch, and a thread that injects two closures. The first one is short, or it
 * computes until the second one has begun elsewhere, and then parks until that one makes it ready. Each
 * worker spins before it sleeps, a look long. `spinning` falls by a plain store, which is seen at any later
 * time, but before that worker's next locked instruction; all else in the code is a locked instruction.
 *
 * Claims: when nothing moves any more, all has been run: nobody sleeps while there is work for him. The
 * watch does not sleep while a worker runs.
 *
 * Mutants: -DLOOK_FIRST (a worker looks round before it says that it sleeps), -DEARLY_LOOK (who injects
 * looks who sleeps first), -DKEEP_SPINNING (the spinner says so until what it found has been run),
 * -DNO_NOTICE (a worker that wakes does not tell the watch), -DHASTY_WATCH (the watch does not look again
 * after it said that it sleeps), -DNO_INBOX_LOOK (a worker goes to sleep without a look at its inbox)
 */
#define WORKERS 2
#define ITEMS   2

mtype = { RUNNING, PARKED };

mtype state[WORKERS] = RUNNING;
byte eventfd[WORKERS];
byte inbox[WORKERS]; /* tasks made ready elsewhere */
byte injected;       /* closures in the injector */
byte parked;
bool spinning;
byte falling;        /* 1 + the worker whose store that clears it is on its way */
bool watch_sleeps;   /* its futex word */
bool watch_asleep;   /* in the kernel */
byte started, ran;
byte home;           /* who runs the long one */
bool parks;          /* it waits for the other one */

active proctype memory()
{
end:
    do
    :: atomic { falling -> falling = 0; spinning = false }
    od
}

#define FLUSHED (falling != 1 + me) /* before each locked instruction */

inline wake(w)
{
    atomic {
        was_parked = (state[w] == PARKED);
        if
        :: was_parked -> state[w] = RUNNING
        :: else
        fi
    }
    if
    :: was_parked -> eventfd[w] = eventfd[w] + 1
    :: else
    fi
}

inline wake_one()
{
    if
    :: parked == 0 || spinning
    :: else ->
       if
       :: state[0] == PARKED -> wake(0)
       :: else ->
          if
          :: state[1] == PARKED -> wake(1)
          :: else
          fi
       fi
    fi
}

proctype worker(byte me)
{
    bool found, spinner, was_parked;
    byte taken;
    do
    :: true ->
       /* look */
       if
       :: inbox[me] > 0 -> atomic { inbox[me] = 0; ran++ }
       :: else ->
          atomic {
              taken = 0;
              if
              :: injected > 0 ->
                 injected--;
                 started++;
                 taken = started;
                 if
                 :: taken == 1 -> parks = true; home = me
                 :: true
                 fi
              :: else
              fi
          }
          if
          :: taken == 1 && parks -> started == 2
          :: taken == 1 && !parks -> ran++
          :: taken == 2 ->
             ran++;
             if
             :: parks ->
                inbox[home] = inbox[home] + 1;
                wake(home)
             :: else
             fi
          :: else ->
             /* spin */
             found = false;
             atomic {
                 FLUSHED ->
                 spinner = !spinning;
                 if
                 :: spinner -> spinning = true
                 :: else
                 fi
             }
             if
             :: spinner ->
                found = inbox[me] > 0 || injected > 0;
#ifdef KEEP_SPINNING
                if
                :: found
                :: else -> falling = 1 + me
                fi
#else
                falling = 1 + me
#endif
             :: else
             fi;
             if
             :: found
             :: else ->
                atomic { FLUSHED -> parked++ }
#ifdef LOOK_FIRST
                found = inbox[me] > 0 || injected > 0;
#endif
                state[me] = PARKED;
#ifdef LOOK_FIRST
#else
#ifdef NO_INBOX_LOOK
                found = injected > 0;
#else
                found = inbox[me] > 0 || injected > 0;
#endif
#endif
                if
                :: found
                :: else ->
end:
                   atomic { eventfd[me] > 0 -> eventfd[me] = 0 }
                fi;
                state[me] = RUNNING;
                parked--;
#ifdef NO_NOTICE
#else
                if
                :: watch_sleeps -> atomic { watch_sleeps = false; watch_asleep = false }
                :: else
                fi
#endif
             fi
          fi
       fi
    od
}

/* What its looks every millisecond do. It is on its way whenever a worker runs; so a look that finds
 * nothing to do is left out. */
active proctype watch()
{
    bool was_parked, quiet;
end:
    do
    :: injected > 0 && parked > 0 && !spinning && (state[0] == RUNNING || state[1] == RUNNING) -> wake_one()
    :: state[0] != RUNNING -> /* quiet, for the second worker in a second step */
       quiet = (state[1] != RUNNING);
       if
       :: quiet ->
          watch_sleeps = true;
#ifdef HASTY_WATCH
          quiet = true;
#else
          quiet = (state[0] != RUNNING);
          quiet = quiet && (state[1] != RUNNING);
#endif
          if
          :: quiet ->
             atomic {
                 if
                 :: watch_sleeps -> watch_asleep = true
                 :: else
                 fi
             }
end_asleep:
             !watch_asleep
          :: else
          fi;
          watch_sleeps = false
       :: else
       fi
    od
}

active proctype thread()
{
    byte n;
    bool was_parked;
    do
    :: n == ITEMS -> break
    :: else ->
       n++;
#ifdef EARLY_LOOK
       wake_one();
       injected++
#else
       injected++;
       wake_one()
#endif
    od
}

active proctype judge()
{
    timeout ->
    assert(ran == ITEMS);
    assert(!watch_asleep || (state[0] != RUNNING && state[1] != RUNNING))
}

init
{
    run worker(0);
    run worker(1)
}
