/* shared/holder.h - a process as a number, so that what it has of a shared object can be seen to be nobody's
 * when it is dead. Processes that meet in the arena are of one tree and have their ids there. In a segment
 * programs meet that did not start each other: there it is the pid, and ten bits of when the process began, so
 * that a later one with its pid is another (but for one in a thousand, which is believed until it ends). */
#ifndef WEFT_SHARED_HOLDER_H
#define WEFT_SHARED_HOLDER_H

#include "shared/arena.h"

uint32_t weft__stranger(void); /* this process in a segment; 0: /proc does not tell */
bool weft__stranger_is_dead(uint32_t stranger); /* all its threads; what cannot be asked is alive */
void weft__stranger_forget(void);               /* in the child of a fork */

/* in: any address of the object. 0: nobody would see it die, as a plain fork's child in the arena. */
static inline uint32_t weft__holder(const void *in)
{
    return likely(weft__arena_has(in, 1)) ? weft__me : weft__stranger();
}

static inline bool weft__holder_is_dead(const void *in, uint32_t holder)
{
    return likely(weft__arena_has(in, 1)) ? weft__process_is_dead(holder)
                                          : weft__stranger_is_dead(holder);
}

#endif
