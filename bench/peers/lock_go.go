// lock: sync.Mutex, sync.RWMutex (Go has no recursive one).
package main

import "sync"

var (
	lock   sync.Mutex
	rwlock sync.RWMutex
	count  int
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

func read(steps int) {
	count = 0
	for i := 0; i < steps; i++ {
		rwlock.RLock()
		count++
		rwlock.RUnlock()
	}
	check(count == steps, "count")
}

func write(steps int) {
	count = 0
	for i := 0; i < steps; i++ {
		rwlock.Lock()
		count++
		rwlock.Unlock()
	}
	check(count == steps, "count")
}

func main() {
	bench("lock_private", clock, use)
	bench("rwlock_read", clock, read)
	bench("rwlock_write", clock, write)
}
