/* bench.h - clocks, the lap loop, checks and the output line: what every question and every C or C++
 * peer shares. A program prints "figure value unit" lines, and "version text" once. */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Questions about one core are answered in the process's CPU time: helper threads count, other
 * people's load does not. Questions about several cores are answered in wall time. */
#define BENCH_CPU  CLOCK_PROCESS_CPUTIME_ID
#define BENCH_WALL CLOCK_MONOTONIC

#define BENCH_NS_PER_LAP 100e6 /* a figure is taken over a loop that lasts at least this long */

static inline double bench_clock(clockid_t clock) /* ns */
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A fast wrong answer is no answer. */
static inline void bench_check(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

static inline void bench_print(const char *figure, double value, const char *unit)
{
    printf("%s %.5g %s\n", figure, value, unit);
    fflush(stdout);
}

static inline void bench_version(const char *text)
{
    printf("version %s\n", text);
    fflush(stdout);
}

/* Call run(steps) with more and more steps until a call takes long enough; print its time per step. */
static inline void bench_from(long steps, const char *figure, clockid_t clock,
                              void (*run)(long steps))
{
    double took = 0;
    bool slow = steps < 2000; /* then in microseconds */
    for (;; steps *= took > BENCH_NS_PER_LAP / 8 ? 4 : 8) {
        double begin = bench_clock(clock);
        run(steps);
        if ((took = bench_clock(clock) - begin) >= BENCH_NS_PER_LAP)
            break;
    }
    bench_print(figure, took / (double)steps / (slow ? 1000 : 1), slow ? "us" : "ns");
}

static inline void bench(const char *figure, clockid_t clock, void (*run)(long steps))
{
    bench_from(2000, figure, clock, run);
}

/* 1 GB of the program's memory is in use from here on. */
static inline void bench_touch(void)
{
    enum { SIZE = 1 << 30 };
    char *memory = malloc(SIZE);
    bench_check(memory != NULL, "memory");
    memset(memory, 'x', SIZE);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* How many workers this run is about: the runner sets it. */
static inline int bench_workers(void)
{
    const char *text = getenv("BENCH_WORKERS");
    return text ? atoi(text) : 1;
}

/* Resident memory and page tables of a process (0: this one), in bytes. */
static inline double bench_memory_of(int pid)
{
    char line[256];
    double kib = 0;
    long value;
    snprintf(line, sizeof line, pid ? "/proc/%d/status" : "/proc/self/status", pid);
    FILE *status = fopen(line, "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
            kib += (double)value;
    if (status)
        fclose(status);
    return kib * 1024;
}

static inline double bench_memory(void)
{
    return bench_memory_of(0);
}

/* "parked", 10000, 4.2e7 bytes: "parked_10k 4200 B" */
static inline void bench_print_memory(const char *what, long tasks, double bytes)
{
    char figure[64];
    snprintf(figure, sizeof figure, tasks % 1000000 ? "%s_%ldk" : "%s_%ldm", what,
             tasks % 1000000 ? tasks / 1000 : tasks / 1000000);
    bench_print(figure, bytes / (double)tasks, "B");
}

/* Leave the calling thread, or the program that it becomes, only the first or the last of the cores that
 * the first caller had: threads inherit what their maker has left. */
static inline void bench_keep_core(bool first)
{
    static cpu_set_t may;
    cpu_set_t one;
    int core = -1;
    if (CPU_COUNT(&may) == 0)
        sched_getaffinity(0, sizeof may, &may);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &may) && (core < 0 || !first))
            core = i;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* A small generator, so that every contender visits the same places. */
static inline uint32_t bench_random(uint32_t *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

#endif
