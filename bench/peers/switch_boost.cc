/* switch: Boost.Context's symmetric fiber, which is fcontext and a little C++. */
#include "bench.h"

#include <boost/context/fiber.hpp>
#include <boost/version.hpp>
#include <unistd.h>

namespace ctx = boost::context;

static ctx::fiber other;
static long count;

static void there_and_back(long steps)
{
    long begin = count;
    for (long i = 0; i < steps; i += 2)
        other = std::move(other).resume();
    bench_check(count - begin == steps / 2, "switches");
}

int main()
{
    bench_version(BOOST_LIB_VERSION);
    other = ctx::fiber([](ctx::fiber &&back) {
        for (;;) {
            count++;
            back = std::move(back).resume();
        }
        return std::move(back);
    });
    bench("switch", BENCH_CPU, there_and_back);
    _exit(0); /* the other side never ends */
}
