/* wait.pml - how a wait of a thread ends: the wait word of src/sched/wait.h, the look at life and the
 * sleep of wait.c, the cancel of task.c. (A coroutine's is the same with fewer hands in it: its timers
 * and cancels come by its own worker, and it goes on when it is made ready, not when a flag falls.)
 *
 * Bound: one record that serves two lives one after the other, each with ROUNDS waits for a permit, with a
 * deadline that may strike at any time or none; before each wait a turn that is begun and dropped, or
 * none; GIVERS tasks that give a permit each, or nothing; a cancel of the first life, or none. In the code
 * each step is a locked instruction, or a store that one follows before anything else is read, so store
 * buffers add no order to these.
 *
 * Claims: whoever gives finds a waiter's node in place or does not touch it; a wait that ended WOKEN was
 * handed a permit, one that ended otherwise was not, and none is lost; a wait is over when the sleeper
 * goes on; the second life is not cancelled; nobody sleeps on with a permit there or a cancel.
 *
 * Mutants: -DONE_TURN (the word does not tell one wait from the next), -DLIFE_FIRST (a cancel looks whose
 * life it is before it reads the wait), -DBLIND_SLEEP (a thread does not look at life before it sleeps),
 * -DEARLY_LOOK (it looks before its wait can be seen), -DHASTY_LEAVE (a wait that timed out leaves without
 * the spin bit), -DHASTY_DROP (a dropped turn does not wait for a wake-up that is on its way), -DBARE_STORE
 * (who gives stores the outcome instead of claiming it).
 * nightly: -DROUNDS=2
 */
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef GIVERS
#define GIVERS 2
#endif

#define WAITING   1
#define WOKEN     2
#define TIMED_OUT 3
#define CANCELLED 4
#define STATE(w)  ((w) & 7)
#define TURN(w)   ((w) >> 3)

byte wait;              /* turn << 3 | state */
byte life = 1;          /* generation */
bool cancelled;         /* of that life; the same word */
bool sleeping, asleep;  /* the flag; in the kernel */
bool spin, linked;      /* the object's spin bit; the node is in its queue */
bool frame, handed;     /* the node's frame stands; it was handed a permit */
byte ticket_of_node;
byte given, permits, got;
bool ended, over;

inline lock()
{
    atomic { !spin -> spin = true }
}

inline unlock()
{
    spin = false
}

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

inline ready()
{
    atomic {
        was = sleeping;
        sleeping = false
    }
    if
    :: was -> asleep = false /* futex wake */
    :: else
    fi
}

inline begin()
{
#ifdef ONE_TURN
    ticket = WAITING;
#else
    ticket = ((TURN(wait) + 1) << 3) + WAITING;
#endif
    sleeping = true;
    wait = ticket
}

/* until the flag falls, or the deadline strikes first */
inline sleep(dated)
{
    do
    :: !sleeping -> break
    :: dated ->
       claim(ticket, TIMED_OUT, won);
       if
       :: won -> sleeping = false
       :: else -> dated = false
       fi
    :: sleeping ->
       atomic {
           if
           :: sleeping -> asleep = true
           :: else
           fi
       }
       if
       :: !asleep
       :: dated -> asleep = false
       :: over -> goto quit
       fi
    od
}

active proctype record()
{
    byte ticket, round;
    bool won, dated, looked;
    do
    :: life == 3 -> break
    :: else ->
       round = 0;
       do
       :: round == ROUNDS || cancelled -> break
       :: else ->
          if
          :: true -> /* a turn whose event has come meanwhile */
             begin();
             claim(ticket, WOKEN, won);
             if
             :: won -> sleeping = false
             :: else ->
#ifdef HASTY_DROP
                skip
#else
                dated = false;
                sleep(dated)
#endif
             fi
          :: true
          fi;
          round++;
          if
          :: dated = true
          :: dated = false
          fi;
          lock();
          if
          :: permits > 0 -> permits--; got++; unlock()
          :: else ->
             looked = cancelled;
             begin();
             atomic { linked = true; frame = true; handed = false; ticket_of_node = ticket }
             unlock();
             won = false;
#ifdef BLIND_SLEEP
             looked = false;
#else
#ifdef EARLY_LOOK
#else
             looked = cancelled;
#endif
#endif
             if
             :: looked -> claim(ticket, CANCELLED, won)
             :: else
             fi;
             if
             :: won -> sleeping = false
             :: else -> sleep(dated)
             fi;
             assert(STATE(wait) != WAITING);
             assert(handed == (STATE(wait) == WOKEN));
             assert(STATE(wait) != CANCELLED || cancelled);
             if
             :: STATE(wait) == WOKEN -> got++
             :: else ->
#ifdef HASTY_LEAVE
#else
                lock();
                linked = false;
                unlock();
#endif
                skip
             fi;
             frame = false
          fi
       od;
       atomic { life++; cancelled = false }
    od;
    ended = true;
quit:
    skip
}

active [GIVERS] proctype giver()
{
    bool won, was;
    if
    :: true -> goto done
    :: true
    fi;
    lock();
    given++;
    if
    :: linked ->
       assert(frame);
#ifdef BARE_STORE
       won = STATE(wait) == WAITING;
       wait = (TURN(wait) << 3) + WOKEN;
#else
       claim(ticket_of_node, WOKEN, won);
#endif
       assert(frame);
       linked = false;
       if
       :: won -> handed = true
       :: else -> permits++
       fi
    :: else -> permits++
    fi;
    unlock();
    if
    :: won -> ready()
    :: else
    fi;
done:
    skip
}

active proctype canceller()
{
    byte seen;
    bool mine, won, was;
    if
    :: true -> goto done
    :: true
    fi;
    atomic {
        mine = (life == 1);
        if
        :: mine -> cancelled = true
        :: else -> goto done
        fi
    }
#ifdef LIFE_FIRST
    mine = (life == 1);
    seen = wait;
#else
    seen = wait;
    mine = (life == 1);
#endif
    if
    :: STATE(seen) == WAITING && mine ->
       claim(seen, CANCELLED, won);
       if
       :: won -> ready()
       :: else
       fi
    :: else
    fi;
done:
    skip
}

active proctype judge()
{
    timeout ->
    assert(ended || (permits == 0 && !cancelled));
    assert(permits + got == given);
    over = true
}
