/* Stacks: arithmetic, guards of every make, growth, running out, forks. */
#include "os/stack.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/base.h>
#include "base/base.h"
#include "base/sys.h"
#include "test.h"

static const size_t sizes[WEFT__STACK_CLASSES] = { 64 << 10, 256 << 10 };

static uint32_t take_one(enum weft__stack_class class)
{
    uint32_t slot;
    CHECK_EQ(weft__stack_take(class, &slot, 1), 1);
    return slot;
}

static sigjmp_buf fault_jump;
static void *fault_address;
static volatile char sink;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    fault_address = info->si_addr;
    siglongjmp(fault_jump, 1);
}

/* Does touching this byte fault, there and nowhere else? */
static bool faults(char *at, bool write)
{
    if (sigsetjmp(fault_jump, 1) == 0) {
        struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
        if (write)
            *(volatile char *)at = 1;
        else
            sink = *(volatile char *)at; /* valgrind would drop a load without use */
        return false;
    }
    uint32_t slot, expected;
    bool guard;
    CHECK_EQ((uintptr_t)fault_address & ~(uintptr_t)4095, (uintptr_t)at & ~(uintptr_t)4095);
    CHECK(weft__stack_find(fault_address, &slot, &guard));
    CHECK(guard);
    CHECK(weft__stack_find(at, &expected, &guard));
    CHECK_EQ(slot, expected);
    return true;
}

static void check_stack(uint32_t slot, size_t stride)
{
    size_t size, page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t found;
    bool guard;
    char *top = weft__stack_top(slot), *low = weft__stack_low(slot, &size);
    CHECK(top != NULL);
    CHECK_EQ(size, stride - page);
    CHECK_EQ(top - low, size);
    CHECK_EQ((uintptr_t)top % page, 0);
    const struct {
        char *at;
        bool guard;
    } edges[] = { { low - page, true }, { low - 1, true }, { low, false }, { top - 1, false } };
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        CHECK(weft__stack_find(edges[i].at, &found, &guard));
        CHECK_EQ(found, slot);
        CHECK_EQ(guard, edges[i].guard);
    }
    CHECK(!weft__stack_find(low - page - 1, &found, &guard) || found == slot - 1);
    CHECK(!weft__stack_find(top, &found, &guard) || found == slot + 1);
}

TEST(a_slot_tells_its_stack_and_an_address_its_slot)
{
    uint32_t slots[300], found;
    bool guard;
    size_t size;
    CHECK_EQ(weft__stack_slots(), 0);
    CHECK(!weft__stack_top(0));
    CHECK(!weft__stack_low(0, &size));
    for (int kind = 0; kind < WEFT__STACK_CLASSES; kind++)
        for (unsigned got = 0; got < ARRAY_LEN(slots);) {
            int n = weft__stack_take((enum weft__stack_class)kind, slots + got,
                                     (unsigned)ARRAY_LEN(slots) - got);
            CHECK_GE(n, 1);
            for (; n > 0; n--, got++) {
                check_stack(slots[got], sizes[kind]);
                CHECK_LT(slots[got], weft__stack_slots());
                CHECK(!got || slots[got] > slots[got - 1]);
            }
        }
    CHECK(!weft__stack_top(300)); /* made, not given */
    CHECK(weft__stack_top(299) != NULL);
    CHECK(!weft__stack_top(weft__stack_slots()));
    CHECK(!weft__stack_top(UINT32_MAX));
    CHECK(!weft__stack_find(NULL, &found, &guard));
    CHECK(!weft__stack_find(&found, &found, &guard));
    CHECK(!weft__stack_find((void *)UINTPTR_MAX, &found, &guard));
}

TEST(what_was_given_back_comes_first_and_keeps_its_descriptor)
{
    uint32_t slots[3];
    CHECK_EQ(weft__stack_take(WEFT__STACK_64K, slots, 3), 3);
    char *top = weft__stack_top(slots[1]), *low;
    size_t size;
    for (int i = 1; i <= WEFT__STACK_DESCRIPTOR; i++)
        CHECK_EQ(top[-i], 0);
    low = weft__stack_low(slots[1], &size);
    memset(low, 7, size);
    weft__stack_give(WEFT__STACK_64K, &slots[1], 1);
    CHECK(weft__stack_top(slots[1]) == top);
    CHECK_EQ(take_one(WEFT__STACK_64K), slots[1]);
    weft__stack_trim(slots, 3);
    CHECK_EQ(top[-1], 7);
    CHECK_EQ(top[-WEFT__STACK_DESCRIPTOR], 7);
    CHECK_EQ(low[0], 0);
    CHECK_EQ(low[size / 2], 0);
}

static long mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    long lines = 0;
    for (int c; (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

static long resident_pages(void)
{
    long size, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK_EQ(fscanf(statm, "%ld %ld", &size, &resident), 2);
    fclose(statm);
    return resident;
}

static void begin_with(const char *mode)
{
    setenv("WEFT_GUARD", mode, 1);
    take_one(WEFT__STACK_64K);
    if (strcmp(weft__stack_guard(), mode) != 0)
        SKIP("no guards by %s here, but by %s", mode, weft__stack_guard());
}

static void check_guard(uint32_t slot, bool works)
{
    size_t size;
    char *low = weft__stack_low(slot, &size);
    CHECK(!faults(low, true));
    CHECK_EQ(faults(low - 1, false), works);
    CHECK_EQ(faults(low - 1, true), works);
    CHECK_EQ(faults(low - 4096, false), works);
    CHECK_EQ(WEFT__SYS3(SYS_getrandom, low - 4096, 1, 0), works ? -EFAULT : 1);
}

static void guards_hold(const char *mode, bool works)
{
    begin_with(mode);
    uint32_t slots[100];
    size_t size;
    for (int kind = 0; kind < WEFT__STACK_CLASSES; kind++) {
        int n = weft__stack_take((enum weft__stack_class)kind, slots, 100);
        CHECK_GE(n, 1);
        for (int i = 0; i < n; i++)
            check_guard(slots[i], works);
        weft__stack_trim(slots, (unsigned)n);
        for (int i = 0; i < n; i++)
            check_guard(slots[i], works);
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0) {
            char *low = weft__stack_low(slots[0], &size),
                 *last = weft__stack_low(slots[n - 1], &size);
            _exit(faults(low - 1, true) == works && faults(last - 1, true) == works ? 0 : 1);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
}

TEST_REAL(guards_by_madvise_hold, "the kernel's memory")
{
    guards_hold("madvise", true);
}

TEST_REAL(guards_by_poison_hold, "the kernel's memory")
{
    guards_hold("poison", true);
}

TEST_REAL(guards_by_mprotect_hold, "the kernel's memory")
{
    guards_hold("mprotect", true);
}

TEST_REAL(no_guards_are_no_guards, "the kernel's memory")
{
    guards_hold("none", false);
}

static void many_stacks(const char *mode)
{
    const int many = t_slow_build() ? 4000 : 100000;
    begin_with(mode);
    long maps = mappings(), before = resident_pages();
    uint32_t slots[512];
    for (int got = 1; got < many;) {
        int n = weft__stack_take(WEFT__STACK_64K, slots, ARRAY_LEN(slots));
        CHECK_GE(n, 1);
        got += n;
    }
    CHECK_GE(weft__stack_slots(), many);
    CHECK_LE(mappings() - maps, 10);
    if (!t_slow_build())
        CHECK_LE(resident_pages() - before, many / 100);
    check_guard(slots[0], true);
}

TEST_REAL_LONG(a_hundred_thousand_stacks_guarded_by_madvise_are_a_few_mappings, "memory", 60)
{
    many_stacks("madvise");
}

TEST_REAL_LONG(a_hundred_thousand_stacks_guarded_by_poison_are_a_few_mappings, "memory", 60)
{
    many_stacks("poison");
}

static int reports;

static void count_report(void *ctx, const char *line, size_t size)
{
    (void)ctx;
    CHECK(memmem(line, size, "max_map_count", 13) != NULL);
    reports++;
}

TEST_REAL_LONG(mprotect_ends_with_one_report_and_leaves_mappings_to_others, "memory", 60)
{
    if (t_slow_build())
        SKIP("tens of thousands of mappings are too many for it");
    weft_reporter_set(count_report, NULL);
    begin_with("mprotect");
    uint32_t slots[512], got = 1;
    int n;
    while ((n = weft__stack_take(WEFT__STACK_64K, slots, ARRAY_LEN(slots))) > 0)
        if ((got += (uint32_t)n) > 200000)
            SKIP("vm.max_map_count is large");
    CHECK_EQ(n, -ENOMEM);
    CHECK_ERR(weft__stack_take(WEFT__STACK_256K, slots, 1), -ENOMEM);
    CHECK_EQ(reports, 1);
    CHECK_GE(got, 1000);
    for (int i = 0; i < 200; i++)
        CHECK(mmap(NULL, 8192, i & 1 ? PROT_READ : PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0) != MAP_FAILED);
    uint32_t slot = 0;
    weft__stack_give(WEFT__STACK_64K, &slot, 1);
    CHECK_EQ(take_one(WEFT__STACK_64K), 0);
}

static void hush(void *ctx, const char *line, size_t size)
{
    (void)ctx;
    (void)line;
    (void)size;
}

static long calls_left;

static long nth_call_fails(long nr)
{
    return nr != SYS_write && calls_left-- == 0 ? -ENOMEM : 0;
}

static long all_calls_fail(long nr)
{
    (void)nr;
    return -ENOMEM;
}

/* Whatever fails, a later attempt succeeds and its guards hold. */
static void survives_failures(const char *mode, long most)
{
    weft_reporter_set(hush, NULL);
    uint32_t slot;
    setenv("WEFT_GUARD", mode, 1);
    weft__sys_fault = all_calls_fail;
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(weft__stack_take(WEFT__STACK_64K, &slot, 1), -ENOMEM);
        CHECK_ERR(weft__stack_take(WEFT__STACK_256K, &slot, 1), -ENOMEM);
    }
    weft__sys_fault = NULL;
    begin_with(mode);
    weft__sys_fault = nth_call_fails;
    for (long nth = 0; nth < most; nth++) {
        int n;
        calls_left = nth;
        while ((n = weft__stack_take(WEFT__STACK_64K, &slot, 1)) > 0 && calls_left >= 0)
            ;
        CHECK(n == 1 || n == -ENOMEM);
        if (n == 1)
            check_guard(slot, true);
    }
    weft__sys_fault = NULL;
    for (int i = 0; i < 1000; i++)
        check_guard(take_one(WEFT__STACK_64K), true);
    CHECK_STR(weft__stack_guard(), mode);
}

TEST_REAL_LONG(a_failing_kernel_is_enomem_and_a_later_try_works, "the kernel's memory", 60)
{
    survives_failures("madvise", t_slow_build() ? 15 : 300);
}

TEST_REAL_LONG(a_failing_kernel_is_enomem_with_mprotect_too, "the kernel's memory", 60)
{
    survives_failures("mprotect", t_slow_build() ? 30 : 100);
}

static long refused[4];

static long refuse(long nr)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (refused[i] && nr == refused[i])
            return nr == SYS_madvise ? -EINVAL : -ENOSYS;
    return 0;
}

TEST_REAL(an_older_kernel_gets_the_next_best_guards, "the kernel's memory")
{
    weft__sys_fault = refuse;
    refused[0] = SYS_process_madvise; /* 6.12: the loop */
    uint32_t slot = take_one(WEFT__STACK_64K), slots[600];
    const char *first = weft__stack_guard();
    check_guard(slot, true);
    weft__stack_trim(&slot, 1);
    refused[1] = SYS_madvise;
    while (weft__stack_take(WEFT__STACK_64K, slots, 600) > 100)
        ;
    check_guard(take_one(WEFT__STACK_256K), true);
    CHECK(strcmp(first, "madvise") != 0 || strcmp(weft__stack_guard(), "madvise") != 0);
    refused[2] = SYS_userfaultfd;
    for (int i = 0; i < 600; i++)
        slot = take_one(WEFT__STACK_256K);
    check_guard(slot, true);
    CHECK_STR(weft__stack_guard(), "mprotect");
}

TEST_REAL(a_forked_child_never_gets_a_stack_of_its_parent, "fork")
{
    uint32_t before[80];
    for (unsigned got = 0; got < ARRAY_LEN(before);) {
        int n = weft__stack_take(WEFT__STACK_64K, before + got, (unsigned)ARRAY_LEN(before) - got);
        CHECK_GE(n, 1);
        got += (unsigned)n;
    }
    char *top = weft__stack_top(before[0]);
    top[-1] = 5;
    weft__stack_give(WEFT__STACK_64K, before + 10, 20); /* free, but who knows for whom */
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        weft__stack_forked();
        uint32_t slot, found;
        bool guard;
        CHECK(weft__stack_top(before[0]) == top);
        CHECK(weft__stack_find(top - 1, &found, &guard));
        CHECK_EQ(found, before[0]);
        for (int i = 0; i < 2000; i++) {
            slot = take_one(WEFT__STACK_64K);
            for (size_t k = 0; k < ARRAY_LEN(before); k++)
                CHECK_NE(slot, before[k]);
            check_stack(slot, sizes[0]);
            if (i % 50 == 0)
                check_guard(slot, strcmp(weft__stack_guard(), "none") != 0);
        }
        CHECK_EQ(top[-1], 5);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            weft__stack_forked();
            CHECK_NE(take_one(WEFT__STACK_64K), slot);
            check_stack(take_one(WEFT__STACK_256K), sizes[1]);
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(grandchild, &status, 0), grandchild);
        _exit(status != 0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(take_one(WEFT__STACK_64K), before[29]);
}

TEST_REAL(a_locked_process_does_not_pay_for_a_whole_slab, "the kernel's memory")
{
    if (mlockall(MCL_FUTURE) < 0)
        SKIP("mlockall: %s", strerror(errno));
    long before = resident_pages();
    check_guard(take_one(WEFT__STACK_64K), true);
    CHECK_LE(resident_pages() - before, t_slow_build() ? 20000 : 1000);
}

enum { THREADS = 4 };

static unsigned char *owner_of;

static void *crowd_main(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    uint32_t held[300];
    unsigned count = 0;
    for (long i = t_rounds(t_slow_build() ? 2000 : 20000); i > 0; i--) {
        unsigned n = (unsigned)(weft__random(&random) % 40 + 1);
        if (count + n <= ARRAY_LEN(held)) {
            int got = weft__stack_take(WEFT__STACK_64K, held + count, n);
            CHECK_GE(got, 1);
            for (int k = 0; k < got; k++) {
                CHECK_EQ(exchange_acq_rel(&owner_of[held[count]], 1), 0);
                CHECK(weft__stack_top(held[count]) != NULL);
                count++;
            }
        } else {
            for (unsigned k = count - n; k < count; k++)
                CHECK_EQ(exchange_acq_rel(&owner_of[held[k]], 0), 1);
            count -= n;
            weft__stack_give(WEFT__STACK_64K, held + count, n);
        }
    }
    return NULL;
}

TEST_REAL_LONG(no_two_threads_hold_one_stack, "real threads", 60)
{
    owner_of = calloc(1, 1 << 14);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, crowd_main, (void *)(i + 1)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_LE(weft__stack_slots(), 1 << 13);
    free(owner_of);
}

static bool stop;

static void *churn_main(void *arg)
{
    enum weft__stack_class kind = arg ? WEFT__STACK_256K : WEFT__STACK_64K;
    uint32_t slots[40];
    while (!load_relaxed(&stop)) {
        int n = weft__stack_take(kind, slots, ARRAY_LEN(slots));
        CHECK_GE(n, 1);
        if (weft__stack_slots() > 1 << 12) /* enough growth seen */
            weft__stack_give(kind, slots, (unsigned)n);
    }
    return NULL;
}

TEST_REAL_LONG(a_fork_in_the_middle_of_it_leaves_the_child_sound, "fork", 60)
{
    pthread_t threads[2];
    FORKS_AMONG_THREADS();
    for (uintptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn_main, (void *)i), 0);
    for (long round = t_rounds(t_slow_build() ? 10 : 40); round > 0; round--) {
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0) {
            weft__stack_forked();
            uint32_t first = take_one(WEFT__STACK_64K), last = first;
            for (int i = 0; i < 700; i++) {
                uint32_t slot = take_one(WEFT__STACK_64K);
                CHECK_NE(slot, last);
                CHECK_NE(slot, first);
                last = slot;
            }
            check_guard(last, true);
            check_stack(take_one(WEFT__STACK_256K), sizes[1]);
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    store_relaxed(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

/* What only a stack points to is not a leak. */
TEST(leak_checkers_see_what_stacks_hold)
{
    uint32_t slot = take_one(WEFT__STACK_64K);
    char *top = weft__stack_top(slot);
    void *block = malloc(1000);
    memcpy(top - 4096, &block, sizeof block);
    block = NULL;
}
