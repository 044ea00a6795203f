// hop: ping-pong over two unbuffered channels; with a deadline: select with one timer, reset each time.
package main

import "time"

func pingpong(hops int) {
	to, from := make(chan int), make(chan int)
	go func() {
		for v := range to {
			from <- v
		}
		close(from)
	}()
	for v := 0; v < hops/2; v++ {
		to <- v
		check(<-from == v, "value")
	}
	close(to)
}

type dated struct{ timer *time.Timer }

func (d dated) arm() { d.timer.Reset(30 * time.Second) }

func (d dated) disarm() {
	if !d.timer.Stop() {
		<-d.timer.C
	}
}

func (d dated) put(c chan int, v int) {
	d.arm()
	select {
	case c <- v:
	case <-d.timer.C:
		check(false, "deadline")
	}
	d.disarm()
}

func (d dated) get(c chan int) (v int) {
	d.arm()
	select {
	case v = <-c:
	case <-d.timer.C:
		check(false, "deadline")
	}
	d.disarm()
	return
}

func newDated() dated {
	d := dated{time.NewTimer(time.Hour)}
	d.disarm()
	return d
}

func datedPingpong(hops int) {
	to, from := make(chan int), make(chan int)
	go func() {
		d := newDated()
		for i := 0; i < hops/2; i++ {
			d.put(from, d.get(to))
		}
	}()
	d := newDated()
	for v := 0; v < hops/2; v++ {
		d.put(to, v)
		check(d.get(from) == v, "value")
	}
}

func main() {
	bench("hop", clock, pingpong)
	bench("hop_deadline", clock, datedPingpong)
}
