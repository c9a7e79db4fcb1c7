package local

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A listener of all interfaces is at [::], also where there is no IPv6 to reach it by.
func TestReadyAtAllInterfacesWithoutIPv6(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}}
	srv.Start()
	defer srv.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	failed := make(chan error, 1)
	late := time.AfterFunc(10*time.Second, func() { failed <- net.ErrClosed })
	defer late.Stop()
	for _, host := range []string{"", "0.0.0.0", "[::]"} {
		if err := (&Pool{failed: failed}).AwaitReady(t.Context(), "http://"+host+":"+port+"/ready"); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}
