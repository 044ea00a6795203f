"""messages: multiprocessing.Queue of Debian's Python, of the same length; there and back over two."""
import multiprocessing
import sys
import time

INSIDE = 128


def check(right, what):
    if not right:
        sys.exit("wrong: " + what)


def bench(figure, run, steps=500):
    while True:
        begin = time.perf_counter_ns()
        run(steps)
        took = time.perf_counter_ns() - begin
        if took >= 300e6:
            return print(figure, "%.5g" % (took / steps), "ns", flush=True)
        steps *= 4


def get_all(queue, steps, size):
    for _ in range(steps):
        check(len(queue.get()) == size, "message")


def put_all(queue, steps, size):
    text = b"x" * size
    for _ in range(steps):
        queue.put(text)


def echo(queue, back, steps):
    for _ in range(steps):
        back.put(queue.get())


def go(target, *args):
    process = multiprocessing.Process(target=target, args=args)
    process.start()
    return process


def one_to_one(size):
    def run(steps):
        queue = multiprocessing.Queue(INSIDE)
        other = go(get_all, queue, steps, size)
        put_all(queue, steps, size)
        other.join()
        check(other.exitcode == 0, "exit")
    return run


def two_to_two(steps):
    queue = multiprocessing.Queue(INSIDE)
    others = [go(get_all, queue, steps // 2, 8), go(get_all, queue, steps // 2, 8), go(put_all, queue, steps // 2, 8)]
    put_all(queue, steps // 2, 8)
    for other in others:
        other.join()
        check(other.exitcode == 0, "exit")


def hop(steps):
    queue, back = multiprocessing.Queue(INSIDE), multiprocessing.Queue(INSIDE)
    other = go(echo, queue, back, steps)
    for _ in range(steps):
        queue.put(b"x" * 8)
        back.get()
    other.join()


print("version", sys.version.split()[0])
bench("message_8", one_to_one(8))
bench("message_8_2p2c", two_to_two)
bench("message_1k", one_to_one(1 << 10))
bench("message_1m", one_to_one(1 << 20), 50)
bench("message_hop", hop)
