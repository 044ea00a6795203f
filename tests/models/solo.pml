/* solo.pml - src/sched/solo.h: sections of one thread by plain stores, until a second thread comes. The
 * gates of src/base/spin.h are the same handshake: a fork closes them where a second thread ends solo.
 *
 * Bound: the one thread with SECTIONS sections, two threads that come at any time and then have a section
 * each under the spin bit, as the first has from then on. The first one's plain stores pass through a
 * first-in first-out buffer that empties at any later time; its reads see its own. The kernel's barrier
 * (membarrier) returns when that buffer has been empty.
 *
 * Claims: two sections are never entered at once, and what one wrote the next one sees.
 *
 * Mutants: -DNO_BARRIER, -DEARLY_BARRIER (before the end is announced), -DLOOK_FIRST (the one thread looks
 * at the state before it says that it is inside, and not after), -DUNHEARD (who ends solo does not wait
 * until the one thread is out), -DBARGE (who comes third does not wait for the one who ends it)
 * nightly: -DSECTIONS=4
 */
#ifndef SECTIONS
#define SECTIONS 2
#endif

mtype = { OFF, ON, ENDING, INSIDE, VALUE };

mtype state = ON;
byte inside, value; /* in memory */
chan buffer = [6] of { mtype, byte };
bool spin;
byte present;       /* who is in a section, of any sort */
byte done;          /* sections that have ended: what value must be */

active proctype memory()
{
    mtype what;
    byte v;
end:
    do
    :: atomic {
           buffer?what, v ->
           if
           :: what == INSIDE -> inside = v
           :: what == VALUE -> value = v
           fi;
           what = 0; v = 0
       }
    od
}

inline section_enter()
{
    atomic { present++; assert(present == 1) }
}

inline section_leave()
{
    atomic { present--; done++ }
}

/* As every thread has them when solo is over. */
inline atomic_section()
{
    atomic { !spin -> spin = true }
    section_enter();
    assert(value == done);
    value = done + 1;
    section_leave();
    spin = false
}

active proctype one()
{
    byte n, mine; /* inside, as this thread sees it */
    bool alone;
    do
    :: n == SECTIONS -> break
    :: else ->
       n++;
       alone = (state == ON);
       if
       :: alone ->
          mine++;
          buffer!INSIDE, mine;
#ifdef LOOK_FIRST
#else
          alone = (state == ON);
#endif
          if
          :: alone ->
             section_enter();
             assert(buffer??[VALUE, eval(done)] || value == done); /* its own store, or memory */
             buffer!VALUE, done + 1;
             section_leave()
          :: else
          fi;
          mine--;
          buffer!INSIDE, mine
       :: else
       fi;
       if
       :: !alone ->
          empty(buffer); /* by the locked instruction that takes the spin bit */
          atomic_section()
       :: else
       fi
    od
}

active [2] proctype other()
{
    bool mine;
#ifdef EARLY_BARRIER
    empty(buffer);
#endif
    atomic {
        mine = (state == ON);
        if
        :: mine -> state = ENDING
        :: else
        fi
    }
    if
    :: mine ->
#ifdef NO_BARRIER
#else
#ifdef EARLY_BARRIER
#else
       empty(buffer);
#endif
#endif
#ifdef UNHEARD
#else
       inside == 0;
#endif
       state = OFF
    :: else
    fi;
#ifdef BARGE
#else
    state == OFF;
#endif
    atomic_section()
}
