"""parked: greenlets that wait for one Event."""
import sys

import gevent
from gevent.event import Event
from bench import check, memory, say

tasks = int(sys.argv[1])
if tasks <= 100000:  # a million take more than half a minute
    go, started, ended = Event(), [0], [0]

    def wait_for_go():
        started[0] += 1
        go.wait()
        ended[0] += 1

    before = memory()
    all_of_them = [gevent.spawn(wait_for_go) for _ in range(tasks)]
    while started[0] < tasks:
        gevent.sleep(0)
    say("parked_%dk" % (tasks // 1000), (memory() - before) / tasks, "B")
    go.set()
    gevent.joinall(all_of_them)
    check(ended[0] == tasks, "tasks woken")
