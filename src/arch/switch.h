/* arch/switch.h - from one stack to another.
 *
 * The switch saves what the ABI says a callee must keep: six registers (ten and eight vector ones on
 * aarch64) and the control bits of floating point. It returns with `ret`, and everything in the library
 * that switches does so from one place, weft__switch_to in sched/worker.c: so the return predictor,
 * which saw the call there, is right about the return. (`pop; jmp` keeps its own return cheap and moves
 * 8 ns to every later one: bench/switch and bench/yield show both.)
 */
#ifndef WEFT_ARCH_SWITCH_H
#define WEFT_ARCH_SWITCH_H

#include <stdint.h>

/* Save the caller's registers on its stack and the stack pointer in *from; go on where `to` was saved.
 * Returns there what is handed over here. */
void *weft__switch(void **from, void *to, void *handed);

/* The same for what fits an int, for two sides that go back and forth (generators). It goes there by an
 * indirect jump: `ret` would be predicted to go back to the side that switches and be wrong each time, the
 * jump of a loop is predicted right (17 ns for both ways, 47 by `ret`). To be called last, so that the
 * caller adds no return of its own. Each use leaves an entry too many in the return predictor, which
 * returns from many levels pay for (65 ns instead of 50 from three): so nothing else uses it. */
int weft__jump(void **from, void *to, intptr_t handed);

/* Prepare a stack whose highest address is top (16-byte aligned): the first switch to what this returns
 * calls entry(handed), which must never return. Unwinders and debuggers stop there. */
void *weft__switch_prepare(char *top, void (*entry)(void *handed));

/* Call fn(arg) so that no exception can pass: an uncaught one ends in std::terminate. */
int weft__call_sealed(int (*fn)(void *arg), void *arg);

#endif
