"""stream: one Queue(128)."""
import sys

import gevent
from gevent.queue import Queue
from bench import bench, check


def stream(values):
    slots = Queue(128)

    def consume():
        for n in range(values):
            check(slots.get() == n, "value")

    consumer = gevent.spawn(consume)
    for v in range(values):
        slots.put(v)
    consumer.join()


if len(sys.argv) == 1:  # "far": greenlets belong to their thread
    bench("stream_128", stream)
