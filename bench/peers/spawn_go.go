// spawn: a goroutine and a WaitGroup. "far": the spawner is wired to a thread of its own.
package main

import (
	"os"
	"runtime"
	"sync"
)

func batches(size int) func(int) {
	return func(steps int) {
		done := make([]int, size)
		for round := 0; round < steps/size; round++ {
			var all sync.WaitGroup
			all.Add(size)
			for t := 0; t < size; t++ {
				go func(t int) {
					done[t]++
					all.Done()
				}(t)
			}
			all.Wait()
		}
		for _, d := range done {
			check(d == steps/size, "tasks run")
		}
	}
}

func main() {
	if len(os.Args) > 1 {
		runtime.LockOSThread()
		bench("spawn_far", wall, batches(1000))
		return
	}
	bench("spawn_1", clock, batches(1))
	bench("spawn_1000", clock, batches(1000))
}
