/* hop: ping-pong over two unbuffered_channels; with a deadline: push_wait_for, pop_wait_for. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

namespace fibers = boost::fibers;
using channel = fibers::unbuffered_channel<long>;

template <bool dated> static void put(channel &to, long v)
{
    auto status = dated ? to.push_wait_for(v, std::chrono::seconds(30)) : to.push(v);
    bench_check(status == fibers::channel_op_status::success, "put");
}

template <bool dated> static long get(channel &from)
{
    long v = -1;
    auto status = dated ? from.pop_wait_for(v, std::chrono::seconds(30)) : from.pop(v);
    bench_check(status == fibers::channel_op_status::success, "get");
    return v;
}

template <bool dated> static void pingpong(long hops)
{
    channel to, from;
    fibers::fiber echo([&] {
        for (long i = 0; i < hops / 2; i++)
            put<dated>(from, get<dated>(to));
    });
    for (long v = 0; v < hops / 2; v++) {
        put<dated>(to, v);
        bench_check(get<dated>(from) == v, "value");
    }
    echo.join();
}

int main()
{
    bench_version(BOOST_LIB_VERSION);
    bench("hop", BENCH_CPU, pingpong<false>);
    bench("hop_deadline", BENCH_CPU, pingpong<true>);
}
