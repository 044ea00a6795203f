"""yield: gevent.sleep(0), its documented yield."""
import gevent
from bench import bench, check


def among(tasks):
    def run(steps):
        done = [0] * tasks

        def turns(t):
            for _ in range(steps // tasks):
                gevent.sleep(0)
                done[t] += 1

        gevent.joinall([gevent.spawn(turns, t) for t in range(tasks)])
        check(done == [steps // tasks] * tasks, "yields")
    return run


bench("yield_2", among(2))
bench("yield_1000", among(1000))
