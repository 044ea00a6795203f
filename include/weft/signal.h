/* weft/signal.h - wait for a signal as for anything else. */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_signal { /* private; 64 bytes */
    uint64_t _wanted;        /* bit n - 1: signal n */
    uint64_t _pending;
    struct weft_signal *_next;
    int _fd;
    uint32_t _reserved[9];
} weft_signal;

/* Catch signals from now on, to be waited for. The program's own handler for one of them is put back
 * by fini. A signal may be wanted by several at once; each gets it.
 *   signal  caller's memory, until fini
 *   signos  count signal numbers, 1 to 64
 * Returns   0; -EINVAL (a number, or SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
 *           SIGILL, SIGTRAP), -EMFILE, -ENOMEM
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_signal_init(weft_signal *signal, const int *signos, size_t count);

/* Wait for one of them. A signal that comes twice before it is waited for counts once, as in the
 * kernel.
 * Returns   its number, > 0; -ETIMEDOUT, -ECANCELED: none was taken
 * Context   task or thread; one at a time
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_signal_wait(weft_signal *signal, weft_deadline deadline);

typedef void weft_signal_fn(int signo, void *arg);

/* Run fn for each signal that comes, until the deadline or a cancel. fn runs in a coroutine of its own, not
 * in a signal handler: it may call anything and wait, and further signals are served meanwhile, also the
 * same one again. At the end those that still run are cancelled and waited for.
 * Returns   -ETIMEDOUT, -ECANCELED; -ENOMEM, -EAGAIN: fn could not be run for the last signal. No fn runs
 *           any more
 * Context   task or thread, as weft_signal_wait
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_signal_serve(weft_signal *signal, weft_signal_fn *fn, void *arg,
                                         weft_deadline deadline);

/* Stop catching them. Zeroed memory is fine.
 * Context   task or thread; nobody may be waiting
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_signal_fini(weft_signal *signal);

WEFT_END
#endif
