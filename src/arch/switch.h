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

/* The same for what fits an int, for two sides that go back and forth in loops of their own (generators).
 * Called last, so that it is a jump, it returns to where its caller was called from, and there it jumps, too: the return
 * predictor is not asked, and an indirect jump that always goes to the same loop is predicted. What the
 * return predictor keeps for later is wrong by one more entry after each, so elsewhere this costs more. */
int weft__jump(void **from, void *to, intptr_t handed);

/* Prepare a stack whose highest address is top (16-byte aligned): the first switch to what this returns
 * calls entry(handed), which must never return. Unwinders and debuggers stop there. */
void *weft__switch_prepare(char *top, void (*entry)(void *handed));

/* Call fn(arg) so that no exception can pass: an uncaught one ends in std::terminate. */
int weft__call_sealed(int (*fn)(void *arg), void *arg);

#endif
