// stream: one channel with 128 slots. "far": both ends are wired to threads on cores of their own.
package main

import "os"

func stream(wired bool) func(int) {
	return func(values int) {
		slots, done := make(chan int, 128), make(chan bool)
		go func() {
			if wired {
				keepCore(false)
			}
			next := 0
			for v := range slots {
				check(v == next, "value")
				next++
			}
			check(next == values, "values")
			done <- true
		}()
		for v := 0; v < values; v++ {
			slots <- v
		}
		close(slots)
		<-done
	}
}

func main() {
	if len(os.Args) > 1 {
		keepCore(true)
		bench("stream_far", wall, stream(true))
		return
	}
	bench("stream_128", clock, stream(false))
}
