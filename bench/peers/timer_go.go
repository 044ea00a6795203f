// timer: Reset and Stop of time.AfterFunc timers, which is what a descriptor's deadline is too.
package main

import "time"

const million = 1000000

func never() { check(false, "fired") }

func armAndCancel(steps int) {
	hot := time.AfterFunc(time.Hour, never)
	hot.Stop()
	for i := 0; i < steps; i++ {
		hot.Reset(300 * time.Second)
		check(hot.Stop(), "timer stopped")
	}
}

var seed uint32 = 1

func random() uint32 {
	seed = seed*1664525 + 1013904223
	return seed
}

func later() time.Duration { return time.Duration(100000+random()%600000) * time.Millisecond }

func main() {
	bench("timer_hot", clock, armAndCancel)
	many := make([]*time.Timer, million)
	for i := range many {
		many[i] = time.AfterFunc(later(), never)
	}
	bench("timer_million", clock, armAndCancel)
	bench("timer_random", clock, func(steps int) {
		for i := 0; i < steps; i++ {
			any := many[random()%million]
			check(any.Stop(), "timer stopped")
			any.Reset(later())
		}
	})
}
