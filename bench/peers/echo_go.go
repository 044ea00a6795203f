// echo: a goroutine per connection. With "timer": SetReadDeadline before each read.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func serve(conn net.Conn, timed bool) {
	buf := make([]byte, 512)
	for {
		if timed {
			conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		}
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		if buf[0] == 'B' {
			for begin := wall(); wall()-begin < 500e6; {
			}
		}
		if _, err = conn.Write(buf[:n]); err != nil {
			break
		}
	}
	conn.Close()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil, "listen")
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		check(err == nil, "accept")
		go serve(conn, len(os.Args) > 1 && os.Args[1] == "timer")
	}
}
