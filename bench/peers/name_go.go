// name: Go's own resolver, which keeps the hosts file for five seconds.
package main

import (
	"context"
	"net"
	"sync"
)

func find(name, right string) {
	r := net.Resolver{PreferGo: true}
	found, err := r.LookupHost(context.Background(), name)
	check(err == nil && found[0] == right, "address")
}

func atServer(steps int) {
	for i := 0; i < steps; i++ {
		find("www.bench", "10.0.1.1")
	}
}

func main() {
	bench("name_hosts", clock, func(steps int) {
		for i := 0; i < steps; i++ {
			find("db7.bench", "10.0.0.7")
		}
	})
	bench("name_server", clock, atServer)
	bench("name_50", wall, func(steps int) {
		var all sync.WaitGroup
		all.Add(50)
		for i := 0; i < 50; i++ {
			go func() {
				atServer(steps / 50)
				all.Done()
			}()
		}
		all.Wait()
	})
}
