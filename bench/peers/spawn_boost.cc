/* spawn: boost::fibers::fiber and join, stacks from its pooled_fixedsize_stack.
 * Of its two ways to start, one by one is faster with dispatch (at once), a batch with post. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <vector>

namespace fibers = boost::fibers;

template <int size> static void batches(long steps)
{
    static fibers::pooled_fixedsize_stack stacks;
    const auto how = size == 1 ? fibers::launch::dispatch : fibers::launch::post;
    long done = 0;
    std::vector<fibers::fiber> all;
    for (long round = 0; round < steps / size; round++) {
        for (int t = 0; t < size; t++)
            all.emplace_back(how, std::allocator_arg, stacks, [&done] { done++; });
        for (auto &fiber : all)
            fiber.join();
        all.clear();
    }
    bench_check(done == steps / size * size, "tasks run");
}

int main(int argc, char **)
{
    if (argc > 1) /* a fiber belongs to the thread that made it */
        return 0;
    bench_version(BOOST_LIB_VERSION);
    bench("spawn_1", BENCH_CPU, batches<1>);
    bench("spawn_1000", BENCH_CPU, batches<1000>);
}
