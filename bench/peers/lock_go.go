// lock: sync.Mutex.
package main

import "sync"

var (
	lock  sync.Mutex
	count int
)

func use(steps int) {
	count = 0
	for i := 0; i < steps; i++ {
		lock.Lock()
		count++
		lock.Unlock()
	}
	check(count == steps, "count")
}

func main() { bench("lock_private", clock, use) }
