// yield: runtime.Gosched, which puts the caller at the end of the global run queue.
package main

import (
	"runtime"
	"sync"
)

func among(tasks int) func(int) {
	return func(steps int) {
		var all sync.WaitGroup
		done := make([]int, tasks)
		all.Add(tasks)
		for t := 0; t < tasks; t++ {
			go func(t int) {
				n := 0
				for ; n < steps/tasks; n++ {
					runtime.Gosched()
				}
				done[t] = n
				all.Done()
			}(t)
		}
		all.Wait()
		for _, d := range done {
			check(d == steps/tasks, "yields")
		}
	}
}

func main() {
	bench("yield_2", clock, among(2))
	bench("yield_1000", clock, among(1000))
}
