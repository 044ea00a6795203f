"""generator: Python's own, with next(); and a switch of greenlets."""
import greenlet
from bench import bench, check


def count():
    i = 0
    while True:
        yield i
        i += 1


def nexts(steps):
    g, v = count(), -1
    for _ in range(steps):
        v = next(g)
    check(v == steps - 1, "values")


def switches(steps):
    def bounce(other):
        nonlocal left
        while left > 1:
            left -= 1
            pair[other].switch(other ^ 1)

    left = steps
    pair = [greenlet.greenlet(bounce), greenlet.greenlet(bounce)]
    pair[0].switch(1)
    check(left == 1, "switches")


bench("generator", nexts)
bench("fiber", switches)
