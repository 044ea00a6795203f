/* yield: boost::this_fiber::yield under the default round_robin scheduler. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <vector>

namespace fibers = boost::fibers;

template <int tasks> static void among(long steps)
{
    long done = 0;
    std::vector<fibers::fiber> all;
    for (int t = 0; t < tasks; t++)
        all.emplace_back([&done, steps] {
            for (long i = 0; i < steps / tasks; i++, done++)
                boost::this_fiber::yield();
        });
    for (auto &fiber : all)
        fiber.join();
    bench_check(done == steps / tasks * tasks, "yields");
}

int main()
{
    bench_version(BOOST_LIB_VERSION);
    bench("yield_2", BENCH_CPU, among<2>);
    bench("yield_1000", BENCH_CPU, among<1000>);
}
