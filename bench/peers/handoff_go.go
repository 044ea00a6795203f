// handoff: a channel with one slot, which is Go's semaphore; sync.Cond.
package main

import "sync"

func run(takeTurns func(who, hops int, turn *int)) func(int) {
	return func(hops int) {
		turn, done := 0, make(chan bool)
		go func() {
			takeTurns(1, hops, &turn)
			done <- true
		}()
		takeTurns(0, hops, &turn)
		<-done
		check(turn == hops, "turns")
	}
}

func main() {
	turns := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	turns[0] <- struct{}{}
	bench("handoff_sem", clock, run(func(who, hops int, turn *int) {
		for i := 0; i < hops/2; i++ {
			<-turns[who]
			check(*turn%2 == who, "turn")
			*turn++
			turns[1-who] <- struct{}{}
		}
	}))
	var lock sync.Mutex
	changed := sync.NewCond(&lock)
	bench("handoff_cond", clock, run(func(who, hops int, turn *int) {
		lock.Lock()
		for i := 0; i < hops/2; i++ {
			for *turn%2 != who {
				changed.Wait()
			}
			*turn++
			changed.Signal()
		}
		lock.Unlock()
	}))
}
