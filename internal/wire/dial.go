package wire

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	// hintTimeout: an address that somebody knew may be a dead pod's.
	hintTimeout = 500 * time.Millisecond
	// hintPause between attempts at an address where nobody listens yet.
	hintPause = 20 * time.Millisecond
)

// dialer opens a connection to host:port.
type dialer func(ctx context.Context, address string) (net.Conn, error)

func tcp(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// dial tries the hint, then the address itself. A hint that refuses is mostly a pod
// whose process does not listen yet, while the name still leads to the one before it,
// which says nothing for as long as ctx lasts: so the hint is tried again meanwhile.
func dial(ctx context.Context, open dialer, address string, hint func() string) (net.Conn, error) {
	if hint == nil || hint() == "" {
		return open(ctx, address)
	}
	conn, err := quickly(ctx, open, hint())
	if err == nil {
		return conn, nil
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return open(ctx, address)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	named := begin(ctx, open, address)
	for {
		select {
		case o := <-named:
			return o.conn, o.err
		case <-time.After(hintPause):
		}
		if conn, err := quickly(ctx, open, hint()); err == nil {
			go closeLate(named)
			return conn, nil
		}
	}
}

func quickly(ctx context.Context, open dialer, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, hintTimeout)
	defer cancel()
	return open(ctx, address)
}

// opened is what became of an attempt.
type opened struct {
	conn net.Conn
	err  error
}

// begin opens a connection; the channel gets what became of it.
func begin(ctx context.Context, open dialer, address string) <-chan opened {
	done := make(chan opened, 1)
	go func() {
		conn, err := open(ctx, address)
		done <- opened{conn, err}
	}()
	return done
}

// closeLate closes a connection that nobody needs any more, if it comes.
func closeLate(o <-chan opened) {
	if late := <-o; late.err == nil {
		_ = late.conn.Close()
	}
}
