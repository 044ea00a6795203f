// tls: crypto/tls, a goroutine per connection, a deadline for each read.
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"
)

func serve(conn net.Conn) {
	buf := make([]byte, 512)
	for {
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		if _, err = conn.Write(buf[:n]); err != nil {
			break
		}
	}
	conn.Close()
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[1])
	check(err == nil, "certificate")
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	check(err == nil, "listen")
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		check(err == nil, "accept")
		go serve(conn)
	}
}
