// datagram: UDP on loopback; one that is there already, and ping-pong with another goroutine.
package main

import (
	"encoding/binary"
	"net"
	"net/netip"
)

func open() (*net.UDPConn, netip.AddrPort) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	check(err == nil, "socket")
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func give(c *net.UDPConn, v int, to netip.AddrPort) {
	var data [64]byte
	binary.LittleEndian.PutUint64(data[:], uint64(v))
	n, err := c.WriteToUDPAddrPort(data[:], to)
	check(err == nil && n == 64, "send")
}

func take(c *net.UDPConn) (int, netip.AddrPort) {
	var data [64]byte
	n, from, err := c.ReadFromUDPAddrPort(data[:])
	check(err == nil && n == 64, "receive")
	return int(binary.LittleEndian.Uint64(data[:])), from
}

func main() {
	ours, _ := open()
	theirs, at := open()
	bench("datagram_there", clock, func(steps int) {
		for i := 0; i < steps; i++ {
			give(ours, i, at)
			v, _ := take(theirs)
			check(v == i, "value")
		}
	})
	bench("datagram_hop", clock, func(hops int) {
		go func() {
			for i := 0; i < hops/2; i++ {
				v, from := take(theirs)
				give(theirs, v, from)
			}
		}()
		for i := 0; i < hops/2; i++ {
			give(ours, i, at)
			v, _ := take(ours)
			check(v == i, "value")
		}
	})
}
