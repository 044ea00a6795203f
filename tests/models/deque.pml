/* deque.pml - src/sched/deque.c, every interleaving within a bound, on a machine with store buffers.
 *
 * Bound: one owner that pushes PUSHES closures and pops or takes whenever it likes, THIEVES thieves that
 * try TAKES times each; rings of 2 and 4 slots (so slots are reused and the ring grows under thieves'
 * hands); closures of two words, written and read one at a time. The owner's plain stores pass through
 * a first-in first-out buffer that empties at any later time (x86's; what C11's orders allow beyond it
 * is argued in deque.c). An exchange or a swap empties it first.
 *
 * Claims: nobody gets a mixture of two closures; each closure pushed is got exactly once; nobody reads a
 * ring that was released.
 *
 * Mutants, which must fail: -DPLAIN_POP (pop stores bottom without an exchange), -DTAKE_TWO (a thief
 * moves top by two), -DBLIND_PUSH (a slot is reused without a look at top), -DLATE_TOP (a thief reads top
 * after bottom), -DUNCOUNTED (thieves do not count themselves), -DHASTY_RELEASE (the owner asks for thieves
 * while its new ring is still in the store buffer). -DTHIEVES, -DPUSHES, -DTAKES set another bound:
 * nightly: -DPUSHES=4 -DTAKES=2
 */
#ifndef PUSHES
#define PUSHES 3
#endif
#ifndef THIEVES
#define THIEVES 2
#endif
#ifndef TAKES
#define TAKES 2
#endif

#define BASE(ring)     ((ring) * 2) /* ring 0: cells 0 and 1; ring 1: cells 2 to 5 */
#define SIZE(ring)     ((ring) * 2 + 2)
#define CELL(ring, i)  (BASE(ring) + (i) % SIZE(ring))

/* memory */
byte top, bottom, ring, thieves;
bool released; /* ring 0 */
byte first[6], second[6];
/* the owner's stores on their way there */
mtype = { BOTTOM, RING, FIRST, SECOND };
chan buffer = [8] of { mtype, byte, byte };

byte pushed, got[PUSHES + 1]; /* how often; closures are numbered from 1 */
byte finished;

active proctype memory()
{
    mtype what;
    byte at, value;
end:
    do
    :: atomic {
           buffer?what, at, value ->
           if
           :: what == BOTTOM -> bottom = value
           :: what == RING -> ring = value
           :: what == FIRST -> first[at] = value
           :: what == SECOND -> second[at] = value
           fi;
           what = 0; at = 0; value = 0
       }
    od
}

inline see(one, two)
{
    assert(one == two && one >= 1);
    got[one]++;
    assert(got[one] == 1)
}

active proctype owner()
{
    byte b, r, limit = 2, cells[6], t, i;
    bool draining;
    do
    :: pushed < PUSHES && !draining -> /* push */
       if
       :: b >= limit ->
          t = top;
#ifdef BLIND_PUSH
          t = b - 1;
#endif
          if
          :: b - t < SIZE(r) -> limit = t + SIZE(r)
          :: else ->
             assert(r == 0);
             i = t;
             do
             :: i < b ->
                cells[CELL(1, i)] = cells[CELL(0, i)];
                buffer!FIRST, CELL(1, i), cells[CELL(0, i)];
                buffer!SECOND, CELL(1, i), cells[CELL(0, i)];
                i++
             :: else -> break
             od;
             r = 1;
             buffer!RING, 0, 1;
             limit = t + 4;
#ifdef HASTY_RELEASE
#else
             empty(buffer);
#endif
             if
             :: thieves == 0 -> released = true
             :: else
             fi
          fi
       :: else
       fi;
       pushed++;
       cells[CELL(r, b)] = pushed;
       buffer!FIRST, CELL(r, b), pushed;
       buffer!SECOND, CELL(r, b), pushed;
       b++;
       buffer!BOTTOM, 0, b
    :: true -> /* pop */
       t = top;
       if
       :: b <= t ->
          if
          :: draining -> break
          :: else
          fi
       :: b == t + 1 -> /* the last one */
          atomic {
              empty(buffer) ->
              if
              :: top == t -> top = t + 1; see(cells[CELL(r, t)], cells[CELL(r, t)])
              :: else
              fi
          }
       :: else ->
          b--;
#ifdef PLAIN_POP
          buffer!BOTTOM, 0, b;
#else
          atomic { empty(buffer) -> bottom = b }
#endif
          t = top;
          if
          :: t < b -> see(cells[CELL(r, b)], cells[CELL(r, b)])
          :: else ->
             if
             :: t == b ->
                atomic {
                    empty(buffer) ->
                    if
                    :: top == t -> top = t + 1; see(cells[CELL(r, b)], cells[CELL(r, b)])
                    :: else
                    fi
                }
             :: else
             fi;
             b++;
             buffer!BOTTOM, 0, b
          fi
       fi
    :: true -> /* take, as thieves do; its bottom is its own */
       t = top;
       if
       :: t < b ->
          atomic {
              empty(buffer) ->
              if
              :: top == t -> top = t + 1; see(cells[CELL(r, t)], cells[CELL(r, t)])
              :: else
              fi
          }
       :: else
       fi
    :: !draining -> draining = true
    od;
    finished++
}

active [THIEVES] proctype thief()
{
    byte t, b, r, one, two, tries;
    do
    :: tries < TAKES ->
       tries++;
#ifdef UNCOUNTED
#else
       thieves++;
#endif
#ifdef LATE_TOP
       b = bottom;
       t = top;
#else
       t = top;
       b = bottom;
#endif
       if
       :: b <= t -> skip
       :: else ->
          r = ring;
          atomic { assert(r == 1 || !released); one = first[CELL(r, t)] }
          atomic { assert(r == 1 || !released); two = second[CELL(r, t)] }
#ifdef TAKE_TWO
          if
          :: b > t + 1 ->
             atomic {
                 if
                 :: top == t ->
                    top = t + 2;
                    see(one, two);
                    see(first[CELL(r, t + 1)], second[CELL(r, t + 1)])
                 :: else
                 fi
             }
          :: else
          fi
#else
          atomic {
              if
              :: top == t -> top = t + 1; see(one, two)
              :: else
              fi
          }
#endif
       fi;
       atomic {
           b = 0; r = 0; one = 0; two = 0;
#ifdef UNCOUNTED
#else
           thieves--
#endif
       }
    :: else -> break
    od;
    finished++
}

/* The owner leaves when nothing is there, so at the end each has been got. */
active proctype judge()
{
    byte i;
    atomic {
        finished == THIEVES + 1 ->
        i = 1;
        do
        :: i <= PUSHES ->
           assert(got[i] == (i <= pushed));
           i++
        :: else -> break
        od
    }
}
