// select: two channels with a value in each; ping-pong over two unbuffered ones, beside one of nobody's.
package main

var never = make(chan int)

func ready(steps int) {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 0
	b <- 1
	sum := 0
	for i := 0; i < steps; i++ {
		select {
		case v := <-a:
			check(v == 0, "value")
			a <- v
		case v := <-b:
			check(v == 1, "value")
			b <- v
			sum++
		}
	}
	check(sum > steps/3 && sum < steps-steps/3, "fair")
}

func get(c chan int) (v int) {
	select {
	case v = <-c:
	case <-never:
		check(false, "get")
	}
	return
}

func pingpong(hops int) {
	to, from := make(chan int), make(chan int)
	go func() {
		for i := 0; i < hops/2; i++ {
			from <- get(to)
		}
	}()
	for v := 0; v < hops/2; v++ {
		to <- v
		check(get(from) == v, "value")
	}
}

func main() {
	bench("select_ready", clock, ready)
	bench("select_hop", clock, pingpong)
}
