package conns

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
)

const (
	probe = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
	work  = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
)

// server answers a POST when it is told to, and everything else at once.
type server struct {
	listener memnet.Listener
	bound    *http.Server
	answer   chan struct{}
}

// serve is for tests in a bubble.
func serve(t *testing.T, most int) server {
	t.Helper()
	s := server{make(memnet.Listener), nil, make(chan struct{})}
	s.bound = &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { //nolint:gosec // no timeouts: the bound alone is tested
		if r.Method != http.MethodPost {
			return
		}
		if _, err := io.ReadAll(r.Body); err == nil {
			<-s.answer
		}
	})}
	Bound(s.bound, most)
	go func() { _ = s.bound.Serve(s.listener) }()
	t.Cleanup(func() { _ = s.bound.Close() })
	return s
}

// open makes a connection and sends text on it.
func (s server) open(t *testing.T, text string) net.Conn {
	t.Helper()
	client, end := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	s.listener <- end
	_, _ = io.WriteString(client, text)
	synctest.Wait()
	return client
}

// answered reads one answer and tells whether there was one.
func answered(c net.Conn) bool {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	return err == nil && res.StatusCode == http.StatusOK && res.Body.Close() == nil
}

// A probe gets in when all places are taken, whatever the one that goes has done. A request
// that is being worked on stays.
func TestNewConnectionTakesThePlaceOfAQuietOne(t *testing.T) {
	for name, text := range map[string]string{
		"silent": "", "within a header": "GET /health HTTP/1.1\r\nHost", "answered": probe,
		"before a body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", "within a body": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{",
		"answered before its body": "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, 2)
				working := s.open(t, work)
				quiet := s.open(t, text)
				if text == probe && !answered(quiet) {
					t.Fatal("no answer while there is room")
				}
				if !answered(s.open(t, probe)) {
					t.Error("a probe is shut out")
				}
				if n, err := io.Copy(io.Discard, quiet); n != 0 || err != nil {
					t.Errorf("the quiet one: %d bytes, %v; want its end", n, err)
				}
				close(s.answer)
				if !answered(working) {
					t.Error("a request that was being worked on was cut off")
				}
			})
		})
	}
}

// Of several that are quiet the one goes that is so for longest.
func TestTheLongestQuietOneGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, 3)
		var kept []net.Conn
		for range 3 {
			c := s.open(t, probe)
			kept = append(kept, c)
			if !answered(c) {
				t.Fatal("no answer while there is room")
			}
		}
		again := func(c net.Conn) bool { _, err := io.WriteString(c, probe); return err == nil && answered(c) }
		if !again(kept[0]) {
			t.Fatal("no second answer")
		}
		synctest.Wait()
		s.open(t, "")
		if again(kept[1]) || !again(kept[2]) || !again(kept[0]) {
			t.Error("want the second one closed, and no other")
		}
	})
}

// Where every connection is at work a new one is closed. One that is answered, or has ended,
// leaves its place.
func TestPlacesOfWorkAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, 1)
		working := s.open(t, work)
		if answered(s.open(t, probe)) {
			t.Error("there was no room for it")
		}
		s.answer <- struct{}{}
		if !answered(working) {
			t.Error("a request that was being worked on was cut off")
		}
		synctest.Wait()
		other := s.open(t, work)
		_ = other.Close() // the request runs on
		synctest.Wait()
		s.answer <- struct{}{}
		synctest.Wait()
		if last := s.open(t, probe); !answered(last) {
			t.Error("places are not left")
		}
	})
}

// What the server has to tell is a line of the log.
func TestErrorLog(t *testing.T) {
	var lines []string
	ErrorLog(funcr.NewJSON(func(line string) { lines = append(lines, line) }, funcr.Options{})).Printf("http: Accept error: %v", fmt.Errorf("too many open files"))
	if len(lines) != 1 || !strings.Contains(lines[0], `"msg":"http: Accept error: too many open files"`) {
		t.Errorf("%q", lines)
	}
}
