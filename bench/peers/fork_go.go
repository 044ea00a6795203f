// fork: goroutines; fib and n-queens join by WaitGroup, skynet by its usual channel.
package main

import "sync"

func fib(n int) int {
	if n < 2 {
		return n
	}
	var both sync.WaitGroup
	var a int
	both.Add(1)
	go func() {
		a = fib(n - 1)
		both.Done()
	}()
	b := fib(n - 2)
	both.Wait()
	return a + b
}

func skynet(to chan int, number, size int) {
	if size == 1 {
		to <- number
		return
	}
	from, sum := make(chan int, 10), 0
	for i := 0; i < 10; i++ {
		go skynet(from, number+i*size/10, size/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-from
	}
	to <- sum
}

const side = 12

type board struct {
	rows  int
	queen [side]int8
}

func (b *board) allows(column int) bool {
	for row := 0; row < b.rows; row++ {
		apart, down := column-int(b.queen[row]), b.rows-row
		if apart == 0 || apart == down || apart == -down {
			return false
		}
	}
	return true
}

func queens(b board) (all int) {
	if b.rows == side {
		return 1
	}
	var found [side]int
	var children sync.WaitGroup
	for column := 0; column < side; column++ {
		if b.allows(column) {
			next := b
			next.queen[next.rows] = int8(column)
			next.rows++
			children.Add(1)
			go func(column int) {
				found[column] = queens(next)
				children.Done()
			}(column)
		}
	}
	children.Wait()
	for _, n := range found {
		all += n
	}
	return
}

func once(figure string, run func() int, answer int) {
	begin := clock()
	check(run() == answer, figure)
	say(figure, (clock()-begin)/1e6, "ms")
}

func main() {
	took := 0.0
	for n, a, b := 20, 6765, 10946; took < nsPerLap; n, a, b = n+1, b, a+b {
		begin := clock()
		check(fib(n) == a, "fib")
		if took = clock() - begin; took >= nsPerLap {
			say("fib", took/float64(b-1), "ns")
		}
	}
	once("skynet", func() int {
		result := make(chan int)
		go skynet(result, 0, 1000000)
		return <-result
	}, 499999500000)
	once("nqueens", func() int { return queens(board{}) }, 14200)
}
