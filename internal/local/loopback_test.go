package local

import "testing"

func TestLoopback(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8000": "127.0.0.1:8000", "10.0.0.1:8000": "10.0.0.1:8000", "[fe80::1]:8000": "[fe80::1]:8000",
		"0.0.0.0:8000": "127.0.0.1:8000", ":8000": "127.0.0.1:8000", "[::]:8000": "[::1]:8000",
	} {
		if got := Loopback(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
