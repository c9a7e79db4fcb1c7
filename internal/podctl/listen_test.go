package podctl

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestListen: what listens is what was asked for.
func TestListen(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:0": "127.0.0.1:", "0.0.0.0:0": "0.0.0.0:", "localhost:0": ""} {
		l, err := Listen("--listen", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Addr().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: listens at %s", address, got)
		}
		if conn, err := net.Dial("tcp6", "[::1]:"+port(l)); err == nil && want != "" {
			_ = conn.Close()
			t.Errorf("%s: listens at IPv6, too", address)
		}
		_ = l.Close()
	}
	for address, want := range map[string]string{"": "give HOST:PORT", "127.0.0.1": "missing port", "127.0.0.1:99999": "invalid port"} {
		if _, err := Listen("--listen", address); !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}
}

func port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
