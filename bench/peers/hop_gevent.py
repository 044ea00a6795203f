"""hop: ping-pong over two Channels (gevent's unbuffered queue); with a deadline: their timeout."""
import gevent
from gevent.queue import Channel

from bench import bench, check


def pingpong(timeout):
    def run(hops):
        to, back = Channel(), Channel()

        def echo():
            for _ in range(hops // 2):
                back.put(to.get(timeout=timeout), timeout=timeout)

        other = gevent.spawn(echo)
        for v in range(hops // 2):
            to.put(v, timeout=timeout)
            check(back.get(timeout=timeout) == v, "value")
        other.join()
    return run


bench("hop", pingpong(None))
bench("hop_deadline", pingpong(30))
