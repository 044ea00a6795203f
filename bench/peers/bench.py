"""What bench.h is for C: clock, lap loop, checks, the output line."""
import sys
import time

import gevent

NS_PER_LAP = 100e6
clock = time.process_time_ns
print("version", gevent.__version__)


def check(right, what):
    if not right:
        sys.exit("wrong: " + what)


def say(figure, value, unit):
    print(figure, "%.5g" % value, unit, flush=True)


def bench(figure, run):
    steps = 2000
    while True:
        begin = clock()
        run(steps)
        took = clock() - begin
        if took >= NS_PER_LAP:
            return say(figure, took / steps, "ns")
        steps *= 4 if took > NS_PER_LAP / 8 else 8


def memory():
    """VmRSS and VmPTE, in bytes."""
    with open("/proc/self/status") as status:
        return 1024 * sum(int(line.split()[1]) for line in status if line.startswith(("VmRSS:", "VmPTE:")))
