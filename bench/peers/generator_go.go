// generator: a goroutine that sends its values through an unbuffered channel.
package main

func nexts(steps int) {
	values := make(chan int)
	go func() {
		for i := 0; i < steps; i++ {
			values <- i
		}
		close(values)
	}()
	n := 0
	for v := range values {
		check(v == n, "values")
		n++
	}
	check(n == steps, "values")
}

func main() {
	bench("generator", clock, nexts)
}
