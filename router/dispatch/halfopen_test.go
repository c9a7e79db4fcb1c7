package dispatch

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// proxy forwards connections to a node until it is cut; then it swallows all
// bytes and keeps the connections open, as a network does that loses packets.
type proxy struct {
	address string
	cut     atomic.Bool
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	p := &proxy{address: l.Addr().String()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				return
			}
			go p.copy(in, out)
			go p.copy(out, in)
		}
	}()
	return p
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	for buf := make([]byte, 1<<15); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if p.cut.Load() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A link that dies without a word: calls go on with the other owner, and within
// the keepalive's 13 s the node counts as lost.
func TestHalfOpenLinkIsNoticed(t *testing.T) {
	t.Parallel() // it waits most of the time
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	p := startProxy(t, a.address)
	doc := place(small, 1, a, b)
	doc.Serving.Nodes[0].Address = p.address
	d := router(t, func(o *Options) { o.RequestTimeout = 100 * time.Millisecond })
	d.Apply(doc)
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	task := newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7)
	if err := task.do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	p.cut.Store(true)
	for range 3 {
		begun := time.Now()
		if err := task.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("a call took %s with another owner at hand", took)
		}
	}
	if a.requests.Load() != 1 {
		t.Errorf("the proxy let %d requests through", a.requests.Load())
	}
	cut := time.Now()
	await(t, "the node counts as lost", func() bool { return !d.Status().Nodes[0].Ready })
	t.Logf("noticed after %s", time.Since(cut))
}
