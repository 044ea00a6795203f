/* stream: one buffered_channel of 128 slots. "far": a fiber in each of two threads, on a core each. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>
#include <thread>
#include <type_traits>

namespace fibers = boost::fibers;
using channel = fibers::buffered_channel<long>;

static void consume(channel &slots, long values)
{
    long v, next = 0;
    while (slots.pop(v) == fibers::channel_op_status::success)
        bench_check(v == next++, "value");
    bench_check(next == values, "values");
}

template <class carrier> static void stream(long values)
{
    channel slots(128);
    carrier consumer([&] {
        if (std::is_same<carrier, std::thread>())
            bench_keep_core(false);
        consume(slots, values);
    });
    for (long v = 0; v < values; v++)
        slots.push(v);
    slots.close();
    consumer.join();
}

int main(int argc, char **)
{
    bench_version(BOOST_LIB_VERSION);
    if (argc == 1)
        return bench("stream_128", BENCH_CPU, stream<fibers::fiber>), 0;
    bench_keep_core(true);
    bench("stream_far", BENCH_WALL, stream<std::thread>);
}
