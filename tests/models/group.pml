/* group.pml - the completion word of src/sched/group.c: who is last, and how the owner learns of it.
 *
 * Bound: an owner with CHILDREN tasks that end at any time, the first of them kept (counted under the
 * group's spin bit), the others not; a wait whose deadline may strike or which a cancel may end, at any
 * time or never; after it a wait of the owner's for something else, which the group must not end. The
 * group's memory is gone when the wait has returned. Each step in the code is a locked instruction or
 * stands under a spin bit, so store buffers add no order to these.
 *
 * Claims: the wait returns when all tasks have ended and not before; nobody touches the group after that;
 * nothing of it meets the owner's next wait.
 *
 * Mutants: -DLATE_WAITER (the owner says that it waits before it says who it is), -DPLAIN_TURN (it begins
 * its second turn, in which it cannot be cancelled, without a look whether the last task has told
 * already), -DTELL_ONCE (the last task claims one turn and does not look again), -DHASTY_LEAVE (at the
 * deadline the owner leaves), -DNO_LAST_LOOK (it does not wait for the spin bit of the one that was kept)
 * nightly: -DCHILDREN=3
 */
#ifndef CHILDREN
#define CHILDREN 2
#endif

#define WAITING    1
#define SHIELDED   2
#define WOKEN      3
#define TIMED_OUT  4
#define CANCELLED  5
#define GROUP_DONE 6
#define STATE(w)   ((w) & 7)
#define TURN(w)    ((w) >> 3)
#define OPEN(w)    (STATE(w) == WAITING || STATE(w) == SHIELDED)
#define OWNER      1

byte wait;          /* the owner's: turn << 3 | state */
bool awake = true;  /* it was made ready */
byte count, waiter; /* the group's: tasks not ended, relative to what the owner has added; who waits */
bool waiting;       /* the same word */
bool spin, gone;    /* the group's spin bit; its memory is */
byte alive = CHILDREN;
bool event, over;   /* what the owner waits for after it */

inline claim(ticket, outcome, won)
{
    atomic {
        won = (wait == ticket);
        if
        :: won -> wait = (TURN(ticket) << 3) + outcome
        :: else
        fi
    }
}

inline begin(state)
{
    awake = false;
    ticket = ((TURN(wait) + 1) << 3) + state;
    wait = ticket
}

/* until made ready; a deadline that strikes claims the turn first */
inline sleep(dated)
{
    do
    :: awake -> break
    :: dated ->
       claim(ticket, TIMED_OUT, won);
       dated = false;
       if
       :: won -> awake = true
       :: else
       fi
    :: over -> goto quit
    od
}

active proctype owner()
{
    byte ticket, seen;
    bool won, dated, last;
    begin(WAITING);
#ifdef LATE_WAITER
#else
    waiter = OWNER;
#endif
    atomic { count = count + CHILDREN; waiting = true; last = (count == 0) }
#ifdef LATE_WAITER
    waiter = OWNER;
#endif
    if
    :: last -> /* drop the turn */
       claim(ticket, WOKEN, won);
       if
       :: won -> awake = true
       :: else -> dated = false; sleep(dated)
       fi
    :: else ->
       if
       :: dated = true
       :: dated = false
       fi;
       sleep(dated);
       if
       :: STATE(wait) == WOKEN
       :: else ->
#ifdef HASTY_LEAVE
          skip
#else
          seen = wait;
          ticket = ((TURN(seen) + 1) << 3) + SHIELDED;
          if
          :: STATE(seen) != GROUP_DONE ->
#ifdef PLAIN_TURN
             awake = false;
             wait = ticket;
             won = true;
#else
             atomic {
                 won = (wait == seen);
                 if
                 :: won -> wait = ticket; awake = false
                 :: else
                 fi
             }
#endif
             if
             :: won -> dated = false; sleep(dated)
             :: else
             fi
          :: else
          fi
#endif
       fi
    fi;
#ifdef NO_LAST_LOOK
#else
    !spin;
#endif
    assert(alive == 0);
    gone = true;
    begin(WAITING);
    dated = false;
    sleep(dated);
    assert(STATE(wait) == WOKEN && event);
    over = true;
quit:
    assert(over)
}

inline tell()
{
    seen = wait;
    do
    :: true ->
       open = OPEN(seen);
       claim(seen, (open -> WOKEN : GROUP_DONE), won);
       if
       :: won && open -> awake = true; break
       :: won && !open -> break
       :: else ->
#ifdef TELL_ONCE
          break
#else
          seen = wait
#endif
       fi
    od
}

active [CHILDREN] proctype child()
{
    byte seen, who;
    bool won, open, last;
    alive--;
    if
    :: _pid == 1 -> /* kept */
       atomic { !spin -> assert(!gone); spin = true }
       atomic { assert(!gone); count--; last = (count == 0 && waiting) }
       if
       :: last -> who = waiter
       :: else
       fi;
       atomic { assert(!gone); spin = false }
    :: else ->
       atomic { assert(!gone); count--; last = (count == 0 && waiting) }
       if
       :: last -> atomic { assert(!gone); who = waiter }
       :: else
       fi
    fi;
    if
    :: last ->
       assert(who == OWNER);
       tell()
    :: else
    fi
}

active proctype canceller()
{
    byte seen;
    bool won;
    if
    :: true ->
       seen = wait;
       if
       :: STATE(seen) == WAITING && !gone ->
          claim(seen, CANCELLED, won);
          if
          :: won -> awake = true
          :: else
          fi
       :: else
       fi
    :: true
    fi
}

/* The owner's last wait ends when nothing else moves. */
active proctype judge()
{
    byte seen;
    bool won;
    timeout ->
    assert(gone);
    event = true;
    seen = wait;
    assert(OPEN(seen));
    claim(seen, WOKEN, won);
    awake = true
}
