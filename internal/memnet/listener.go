// Package memnet is for tests of servers: connections in memory (net.Pipe), whose time
// testing/synctest can hold.
package memnet

import "net"

// What an HTTP/2 client, and so one of gRPC, sends first: its preface, and an empty frame of
// settings (RFC 9113, 3.4).
const (
	Preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	Settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
)

// Listener accepts the connections that are sent to it.
type Listener chan net.Conn

// Accept implements net.Listener.
func (l Listener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l Listener) Close() error { close(l); return nil }

// Addr implements net.Listener.
func (l Listener) Addr() net.Addr { return &net.TCPAddr{} }
