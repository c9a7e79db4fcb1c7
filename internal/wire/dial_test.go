package wire

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// conn is a connection to a place.
type conn struct {
	net.Conn
	to     string
	closed bool
}

func (c *conn) Close() error { c.closed = true; return nil }

// place is what an attempt meets at an address, so long after the first one.
type place func(ctx context.Context, since time.Duration) error

// listens from some moment on.
func listens(from time.Duration) place {
	return func(_ context.Context, since time.Duration) error {
		if since < from {
			return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		return nil
	}
}

func dead(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestDialByHint: what is where, and who is found after how long.
func TestDialByHint(t *testing.T) {
	const limit, never = 2 * time.Second, time.Hour
	for _, c := range []struct {
		name        string
		hint, named place
		to          string // "": nobody is found
		within      time.Duration
	}{
		{"the hint is right", listens(0), dead, "hint", 0},
		{"the pod does not listen yet, its name leads to one that is gone", listens(300 * time.Millisecond), dead, "hint", 320 * time.Millisecond},
		{"it never listens", listens(never), dead, "", limit},
		{"the hint is wrong, the name right", listens(never), listens(0), "name", 0},
		{"the hint leads to one that is gone", dead, listens(0), "name", hintTimeout},
		{"nobody listens anywhere", listens(never), listens(never), "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				places := map[string]place{"hint": c.hint, "name": c.named}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begun := time.Now()
				got, err := dial(ctx, func(ctx context.Context, to string) (net.Conn, error) {
					if err := places[to](ctx, time.Since(begun)); err != nil {
						return nil, err
					}
					return &conn{to: to}, nil
				}, "name", func() string { return "hint" })
				if c.to == "" && err == nil || c.to != "" && (err != nil || got.(*conn).to != c.to) {
					t.Errorf("found %v, %v; want %q", got, err, c.to)
				}
				if took := time.Since(begun); took > c.within {
					t.Errorf("took %s, want at most %s", took, c.within)
				}
			})
		})
	}
}

// Who has no hint asks for the name.
func TestDialWithoutHint(t *testing.T) {
	for name, hint := range map[string]func() string{"nobody knows": nil, "somebody does not know yet": func() string { return "" }} {
		got, err := dial(t.Context(), func(_ context.Context, to string) (net.Conn, error) { return &conn{to: to}, nil }, "name", hint)
		if err != nil || got.(*conn).to != "name" {
			t.Errorf("%s: found %v, %v", name, got, err)
		}
	}
}

// A connection that comes when another one is in use is closed.
func TestLateConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, tries := &conn{to: "name"}, 0
		got, err := dial(t.Context(), func(ctx context.Context, to string) (net.Conn, error) {
			if to == "name" {
				time.Sleep(time.Second) // whatever ctx says
				return late, nil
			}
			if tries++; tries < 3 {
				return nil, syscall.ECONNREFUSED
			}
			return &conn{to: to}, nil
		}, "name", func() string { return "hint" })
		if err != nil || got.(*conn).to != "hint" {
			t.Fatal(got, err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !late.closed {
			t.Error("the late connection is open")
		}
	})
}
