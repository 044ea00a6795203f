"""spawn: gevent.spawn and join."""
import sys

import gevent
from bench import bench, check


def batches(size):
    def run(steps):
        done = [0]

        def count():
            done[0] += 1

        for _ in range(steps // size):
            gevent.joinall([gevent.spawn(count) for _ in range(size)])
        check(done[0] == steps // size * size, "tasks run")
    return run


if len(sys.argv) == 1:  # "far": greenlets belong to their thread
    bench("spawn_1", batches(1))
    bench("spawn_1000", batches(1000))
