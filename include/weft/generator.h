/* weft/generator.h - functions that give one value after the other.
 *
 *     static int count(void *arg)
 *     {
 *         for (int i = 1; i <= *(int *)arg; i++) {
 *             int r = weft_generator_yield(&i, sizeof i);
 *             if (r < 0)
 *                 return r;
 *         }
 *         return 0;
 *     }
 *
 *     int three = 3;
 *     weft_generator g;
 *     weft_generator_init(&g, count, &three, sizeof(int));
 *     weft_generator_each(&g, int, i)
 *         printf("%d\n", i);
 *
 * A generator has a stack of its own (64 KiB, from its first value to its end), so it may yield from any
 * function that it calls. It is no task: it runs as a call of whoever asks it for a value, on the same OS
 * thread, by a bare switch of stacks. So the caller waits while it waits, and the caller's name, cancel,
 * bounds and task-local storage are its own. It needs no runtime and works in any thread.
 *
 * Once it has begun it stays on its OS thread, as a coroutine does: any task of that worker may ask it, one
 * after the other; elsewhere every call is -EPERM, with words in weft_why(). No C++ exception leaves it. */
#ifndef WEFT_GENERATOR_H
#define WEFT_GENERATOR_H

#include <weft/base.h>
#include <weft/task.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_generator { /* private; 96 bytes; zeroed: one that has ended */
    struct weft__strand *_strand;
    weft_fn *_fn;
    void *_arg;
    const char *_site;
    void *_out; /* where its next value goes, where a value sent to it goes */
    void *_in;
    size_t _in_size;
    uint32_t _size, _state;
    int32_t _result;
    uint32_t _unused;
    uint64_t _reserved[3];
} weft_generator;

/* Prepare a generator; nothing of it runs before the first value is asked for. Use the macro.
 *   generator  caller's memory; not copied or moved until it has ended
 *   fn         gives its values by weft_generator_yield; ends by returning >= 0, or a -errno
 *   arg        handed to fn
 *   size       bytes of each value, >= 1
 *   site       static text that names the generator in reports
 * Returns   0; -EINVAL
 * Context   anywhere
 * Cancels   no
 * Owns      nothing until the first value; then a stack, until fn has returned.   Since 0.1
 */
WEFT_API int weft_generator_init_at(weft_generator *generator, weft_fn *fn, void *arg, size_t size,
                                    const char *site);

#define weft_generator_init(generator, fn, arg, size) \
    weft_generator_init_at(generator, fn, arg, size, WEFT_SITE(fn))

/* Ask for the next value: fn runs until it yields or returns.
 *   out, size  where to; size must be the generator's. NULL with 0: the value is dropped
 *   deadline   fn's waits until then end at it; weft_after counts from this call. What fn makes of a
 *              -ETIMEDOUT is fn's decision; one that returns it has ended
 * Returns   1 a value is in *out; 0 fn has returned; the error fn returned, now and from now on.
 *           Nothing has happened on: -EINVAL (size), -ENOMEM (no stack), -EBUSY (it is running: fn itself
 *           asks, or waits under another task), -EPERM (begun on another thread)
 * Context   task or thread
 * Cancels   fn's waits do; the call adds none.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_generator_next(weft_generator *generator, void *out, size_t size,
                                           weft_deadline deadline);

/* The same, and give fn a value: what its weft_generator_exchange has been waiting for.
 *   value, value_size  copied; the size must be what fn asked for
 * Returns   as weft_generator_next; -EINVAL also where fn has not begun (one weft_generator_next takes it
 *           to its first yield), or stands at a yield that takes no value, or one of another size
 * Context   task or thread
 * Cancels   fn's waits do; the call adds none.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_generator_send(weft_generator *generator, const void *value,
                                           size_t value_size, void *out, size_t size,
                                           weft_deadline deadline);

/* In a generator, at any depth of calls: give a value, and go on when the next one is asked for.
 *   value, size  copied; size must be the generator's
 * Returns   0 go on; -ECANCELED the generator is being closed: clean up and return. -EINVAL, and
 *           nothing was given: size, no generator, or inside a weft_within, weft_shield or task of a
 *           fork group that began in it and has not ended
 * Context   a generator
 * Cancels   no: a cancelled caller still gets its values.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_generator_yield(const void *value, size_t size);

/* The same, and take what is sent.
 *   in, in_size  where to, and how many bytes a value sent must have
 * Returns   1 a value was sent and is in *in; 0 none was; otherwise as weft_generator_yield
 * Context   a generator
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_generator_exchange(const void *value, size_t size, void *in,
                                               size_t in_size);

/* In a generator: give all values of another one as one's own.
 *   inner  of the same size; it has ended when the call returns, unless that is -EINVAL, -EBUSY, -EPERM
 *          or -ENOMEM
 * Returns   0 it has returned; its error; -ECANCELED as weft_generator_yield: then inner is closed too;
 *           the errors of weft_generator_next and weft_generator_yield
 * Context   a generator
 * Cancels   inner's waits do.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_generator_yield_from(weft_generator *inner);

/* End a generator early: the yield where it stands is -ECANCELED, and the call returns when fn has.
 * One that has not begun never will.
 * Returns   0 it has ended, now or before; the error fn returned, but for the -ECANCELED of this close.
 *           It has not ended on: -EPROTO (it gave a value instead: close it again), -EBUSY, -EPERM
 * Context   task or thread
 * Cancels   fn's waits do; the call adds none.   Since 0.1
 */
WEFT_API int weft_generator_close(weft_generator *generator);

/* End its use, closing it first if need be. One that cannot be closed is a bug: reported, then abort.
 * Zeroed memory is fine.
 * Context   task or thread, the one it began on
 * Cancels   as weft_generator_close.   Since 0.1
 */
WEFT_API void weft_generator_fini(weft_generator *generator);

/* For each value; break, return and goto are fine: however the loop is left, the generator is closed. What
 * fn returned says a weft_generator_close after the loop. */
#define weft_generator_each(generator, type, name)                                \
    for (struct weft__generator_loop name##_loop                                  \
         __attribute__((cleanup(weft__generator_loop_end))) = { (generator), 1 }; \
         name##_loop._first; name##_loop._first = 0)                              \
        for (type name;                                                           \
             weft_generator_next(name##_loop._generator, &name, sizeof name, weft_never()) == 1;)

struct weft__generator_loop { /* private */
    weft_generator *_generator;
    int _first;
};

static inline void weft__generator_loop_end(struct weft__generator_loop *loop)
{
    (void)weft_generator_close(loop->_generator);
}

WEFT_END
#endif
