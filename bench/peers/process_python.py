"""process: multiprocessing.Process of Debian's Python, by fork and by its fork server."""
import multiprocessing
import sys
import time


def nothing():
    pass


def bench(figure, steps=20):
    while True:
        begin = time.perf_counter_ns()
        for _ in range(steps):
            process = multiprocessing.Process(target=nothing)
            process.start()
            process.join()
            if process.exitcode != 0:
                sys.exit("wrong: exit")
        took = time.perf_counter_ns() - begin
        if took >= 100e6:
            return print(figure, "%.5g" % (took / steps / 1000), "us", flush=True)
        steps *= 4


if __name__ == "__main__":
    print("version", sys.version.split()[0])
    multiprocessing.set_start_method(sys.argv[1] if len(sys.argv) > 1 else "fork")
    bench("process")
    touched = b"x" * (1 << 30)
    bench("process_1g")
