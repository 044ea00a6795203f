/* test.h - what a test program is made of.
 *
 *     #include "test.h"
 *
 *     TEST(a_sentence_that_says_what_holds)
 *     {
 *         CHECK_EQ(1 + 1, 2);
 *     }
 *
 * The file needs no main and no list. Each test runs in a process of its own, with a folder of its
 * own (t_dir, also TMPDIR and XDG_RUNTIME_DIR) and an alarm of 20 s (longer under sanitizers and
 * valgrind). The first check that fails ends its test, from whatever thread, task or process it
 * runs in. A test may not leave processes behind. What it prints is shown if it fails; a line
 * "counted: ..." always, at the end of the run.
 *
 * Run a program with no arguments for all its tests, or:
 *   --list                       names, and why a test cannot run under a seed
 *   --run NAME [--seeds A..B]    one test, once or once per seed with WEFT_SEED set
 *   --here NAME                  one test in this very process, for a debugger
 */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct test {
    const char *name; /* as listed: "close_wakes_a_receiver/thread" */
    unsigned kind;    /* WEFT_COROUTINE, ...; 0 outside TEST_EACH_KIND */
    uint64_t seed;    /* 0 when there is none */
    char dir[64];
};

/* One more kind for TEST_EACH_KIND is one more line here. TEST_EACH_KIND_OF_ALL: process tasks too, whose
 * parties share with the test what lies in the arena, and nothing that is stored after the first of them. */
#define T_KINDS                            \
    { "coroutine", WEFT_COROUTINE, NULL }, \
    {                                      \
        "thread", WEFT_THREAD, NULL        \
    }
#define T_ALL_KINDS                          \
    T_KINDS,                                 \
    {                                        \
        "process", WEFT_PROCESS, "processes" \
    }

/* TEST_REAL: needs the real kernel or real time, so it stays outside the seeded form. */
#define TEST(fn)                               T_DEFINE(fn, NULL, NULL, 20)
#define TEST_REAL(fn, reason)                  T_DEFINE(fn, reason, NULL, 20)
#define TEST_LONG(fn, seconds)                 T_DEFINE(fn, NULL, NULL, seconds)
#define TEST_REAL_LONG(fn, reason, seconds)    T_DEFINE(fn, reason, NULL, seconds)
#define TEST_EACH_KIND(fn)                     T_EACH_KIND(fn, NULL, T_KINDS)
#define TEST_EACH_KIND_OF_ALL(fn)              T_EACH_KIND(fn, NULL, T_ALL_KINDS)
#define TEST_EACH_KIND_REAL(fn, reason)        T_EACH_KIND(fn, reason, T_KINDS)
#define TEST_EACH_KIND_OF_ALL_REAL(fn, reason) T_EACH_KIND(fn, reason, T_ALL_KINDS)

#define CHECK(x) ((x) ? (void)0 : t_fail(__FILE__, __LINE__, "CHECK(%s)", #x))

/* Whole numbers, pointers, errors; negative errno values are printed with their names. */
#define CHECK_EQ(a, b)         T_COMPARE(a, ==, b)
#define CHECK_NE(a, b)         T_COMPARE(a, !=, b)
#define CHECK_LT(a, b)         T_COMPARE(a, <, b)
#define CHECK_LE(a, b)         T_COMPARE(a, <=, b)
#define CHECK_GT(a, b)         T_COMPARE(a, >, b)
#define CHECK_GE(a, b)         T_COMPARE(a, >=, b)
#define CHECK_OK(call)         T_COMPARE(call, >=, 0)
#define CHECK_ERR(call, error) T_COMPARE(call, ==, error) /* CHECK_ERR(f(), -EPIPE) */

#define CHECK_STR(a, b)       t_check_str(__FILE__, __LINE__, #a, #b, a, b)
#define CHECK_MEM(a, b, size) t_check_mem(__FILE__, __LINE__, #a, #b, a, b, size)

#define FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) t_skip(__VA_ARGS__) /* this machine cannot run the test; say why */

/* For tests that fork while other threads run, and go on in the child: no sanitizer can. PROCESSES: for those
 * with process tasks. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FORKS_AMONG_THREADS() SKIP("a fork of many threads starts no more under ThreadSanitizer")
#define PROCESSES()           SKIP("ThreadSanitizer starts no thread in the child of a fork among threads")
#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define FORKS_AMONG_THREADS() SKIP("AddressSanitizer's allocator may be locked in a fork's child")
#define PROCESSES()           ((void)0)
#else
#define FORKS_AMONG_THREADS() ((void)0)
#define PROCESSES()           ((void)0)
#endif

/* The test's own folder, removed with all its content afterwards. */
const char *t_dir(const struct test *t);

/* A count of rounds, times WEFT_TEST_LOAD (nightly runs), a tenth under valgrind. */
long t_rounds(long count);

/* Runs a shell command, puts what it printed (both streams) into out; the exit status, or
 * 128 + the signal that ended it. */
int t_shell(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* How many descriptors a process has open; 0: this one. */
int t_descriptors(pid_t pid);

/* What of a table keeps the contract that the test is about: a row of tests/run --matrix. */
void t_holds(const char *what, const char *which);

/* True under a sanitizer or valgrind: bounds on time and memory do not hold there. */
bool t_slow_build(void);

/* False when WEFT_BACKEND chooses poll or select, which promise less and are slow with many. */
bool t_has_epoll(void);

/* --- the rest is machinery --- */

struct t_kind {
    const char *name;
    unsigned kind;
    const char *real; /* why none of this kind can run under a seed, or NULL */
};

struct t_case {
    const char *name, *file;
    int line;
    void (*body)(struct test *t);
    const char *real; /* why it cannot run under a seed, or NULL */
    const struct t_kind *kinds;
    size_t kinds_len;
    unsigned seconds;
    struct t_case *next;
};

void t_register(struct t_case *c);
__attribute__((noreturn, format(printf, 3, 4))) void t_fail(const char *file, int line,
                                                            const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void t_skip(const char *format, ...);
__attribute__((noreturn)) void t_fail_compare(const char *file, int line, const char *what,
                                              intmax_t a, intmax_t b);
void t_check_str(const char *file, int line, const char *what_a, const char *what_b, const char *a,
                 const char *b);
void t_check_mem(const char *file, int line, const char *what_a, const char *what_b, const void *a,
                 const void *b, size_t size);

#define T_DEFINE(fn, real, kinds, seconds) T_DEFINE_N(fn, real, kinds, 0, seconds)

#define T_EACH_KIND(fn, real, ...)                               \
    static const struct t_kind t_kinds_##fn[] = { __VA_ARGS__ }; \
    T_DEFINE_N(fn, real, t_kinds_##fn, sizeof t_kinds_##fn / sizeof *t_kinds_##fn, 20)

#define T_DEFINE_N(fn, real, kinds, n, seconds)                                                  \
    static void fn(struct test *t);                                                              \
    __attribute__((constructor)) static void t_register_##fn(void)                               \
    {                                                                                            \
        static struct t_case c = { #fn, __FILE__, __LINE__, fn, real, kinds, n, seconds, NULL }; \
        t_register(&c);                                                                          \
    }                                                                                            \
    static void fn(__attribute__((unused)) struct test *t)

#ifdef __cplusplus
#define T_WHOLE(x) ((void)0)
#else
#define T_WHOLE(x)                                                                     \
    _Static_assert(_Generic((x), float : 0, double : 0, long double : 0, default : 1), \
                   "these checks compare whole numbers")
#endif

#define T_COMPARE(a, op, b)                                                  \
    do {                                                                     \
        T_WHOLE(a);                                                          \
        T_WHOLE(b);                                                          \
        intmax_t t_a = (intmax_t)(a), t_b = (intmax_t)(b);                   \
        if (!(t_a op t_b))                                                   \
            t_fail_compare(__FILE__, __LINE__, #a " " #op " " #b, t_a, t_b); \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
