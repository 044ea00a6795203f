// parked: goroutines that wait on one channel.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

func main() {
	tasks, _ := strconv.Atoi(os.Args[1])
	wait := make(chan int)
	var started, ended sync.WaitGroup
	runtime.GC()
	before := memory()
	started.Add(tasks)
	ended.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			started.Done()
			<-wait
			ended.Done()
		}()
	}
	started.Wait()
	bytes := (memory() - before) / float64(tasks)
	close(wait)
	ended.Wait()
	if tasks%1000000 == 0 {
		say(fmt.Sprintf("parked_%dm", tasks/1000000), bytes, "B")
	} else {
		say(fmt.Sprintf("parked_%dk", tasks/1000), bytes, "B")
	}
}
