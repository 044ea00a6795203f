"""selector: Python's selectors.DefaultSelector, epoll on Linux."""
import resource
import selectors
import socket

from bench import bench, check

RING, MANY = 1000, 100
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
ring = [socket.socketpair() for _ in range(RING)]
selector = selectors.DefaultSelector()


def passed(i):
    global passes, events
    check(len(ring[i][0].recv(1)) == 1, "a byte is there")
    events += 1
    if passes > 0:
        passes -= 1
        ring[(i + 1) % RING][1].send(b"x")


def run(steps, at_once):
    global passes, events
    passes, events = steps - at_once, 0
    for i in range(at_once):
        ring[i * (RING // at_once)][1].send(b"x")
    while events < steps:
        for key, _ in selector.select():
            passed(key.data)
    check(events == steps, "events")


def modify(steps):
    for i in range(steps):
        what = selectors.EVENT_READ if i // RING % 2 else selectors.EVENT_WRITE
        selector.modify(ring[i % RING][0], what, i % RING)
    for i in range(RING):
        selector.modify(ring[i][0], selectors.EVENT_READ, i)


for i in range(RING):
    ring[i][0].setblocking(False)
    selector.register(ring[i][0], selectors.EVENT_READ, i)
bench("selector_mod", modify)
bench("selector_one", lambda steps: run(steps, 1))
bench("selector_many", lambda steps: run(steps, MANY))
