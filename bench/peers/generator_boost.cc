/* generator: Boost.Coroutine2's pull type; fiber: Boost.Context's, which is what lies below it. */
#include "bench.h"

#include <boost/context/fiber.hpp>
#include <boost/coroutine2/all.hpp>
#include <boost/version.hpp>
#include <unistd.h>

namespace ctx = boost::context;
using values = boost::coroutines2::coroutine<long>;

static void nexts(long steps)
{
    values::pull_type source([](values::push_type &yield) {
        for (long i = 0;; i++)
            yield(i);
    });
    long v = source.get();
    for (long i = 1; i < steps; i++)
        v = source().get();
    bench_check(v == steps - 1, "values");
}

static ctx::fiber other;

static void switches(long steps)
{
    for (long i = 0; i < steps; i += 2)
        other = std::move(other).resume();
}

int main()
{
    bench_version(BOOST_LIB_VERSION);
    bench("generator", BENCH_CPU, nexts);
    other = ctx::fiber([](ctx::fiber &&back) {
        for (;;)
            back = std::move(back).resume();
        return std::move(back);
    });
    bench("fiber", BENCH_CPU, switches);
    _exit(0); /* the other side never ends */
}
