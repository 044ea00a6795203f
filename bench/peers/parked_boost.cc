/* parked: fibers on default stacks (fixedsize_stack, 128 KiB of address space) that wait on one
 * condition variable. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <vector>

namespace fibers = boost::fibers;

int main(int argc, char **argv)
{
    long tasks = argc > 1 ? atol(argv[1]) : 10000, started = 0, ended = 0;
    if (tasks > 100000) /* a minute in all */
        return 0;
    fibers::mutex lock;
    fibers::condition_variable go;
    bool open = false;
    std::vector<fibers::fiber> all((size_t)tasks); /* touched: not theirs to pay for */
    bench_version(BOOST_LIB_VERSION);
    double before = bench_memory();
    for (auto &fiber : all)
        fiber = fibers::fiber([&] {
            std::unique_lock<fibers::mutex> held(lock);
            started++;
            go.wait(held, [&] { return open; });
            ended++;
        });
    while (started < tasks)
        boost::this_fiber::yield();
    bench_print_memory("parked", tasks, bench_memory() - before);
    open = true;
    go.notify_all();
    for (auto &fiber : all)
        fiber.join();
    bench_check(ended == tasks, "tasks woken");
}
