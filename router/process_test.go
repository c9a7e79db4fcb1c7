package router

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

// Experts that are lost for a moment make requests wait; a router that has none for longer,
// never had any, or drains, takes no more.
func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost error
		r := readiness{check: func() error { return lost }, grace: time.Minute}
		say := func(what string, want string) {
			t.Helper()
			if got := fmt.Sprint(r.err()); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		lost = errors.New("no owner")
		say("before any expert had an owner", "no owner")
		lost = nil
		say("all there", "<nil>")
		time.Sleep(time.Hour)
		say("for an hour", "<nil>")
		lost = errors.New("no owner")
		say("lost", "<nil>")
		time.Sleep(time.Minute - 1)
		say("lost for a moment", "<nil>")
		time.Sleep(time.Nanosecond)
		say("lost for a minute", "no owner")
		lost = nil
		say("back", "<nil>")
		r.draining.Store(true)
		say("draining", "draining: this router is shutting down")
	})
}

// The first failure of a server ends the process; the end that was asked for is none.
func TestServersThatFail(t *testing.T) {
	p := process{fatal: make(chan error, 1)}
	for _, err := range []error{nil, http.ErrServerClosed, grpc.ErrServerStopped, net.ErrClosed, errors.New("the second")} {
		p.serve(func() error { return err })
	}
	select {
	case err := <-p.fatal:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want the first failure", err)
		}
	default:
		t.Error("nobody is told of a server that failed")
	}
}

// A port that is taken is named by its flag.
func TestPortsThatAreTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for flag, o := range map[string]Options{
		"--listen":  {Listen: taken.Addr().String(), Control: "127.0.0.1:0"},
		"--control": {Listen: "127.0.0.1:0", Control: taken.Addr().String()},
	} {
		p := process{o: o}
		if _, _, err := p.listen(); !errors.Is(err, podctl.ErrListen) || !strings.HasPrefix(err.Error(), "cannot listen: "+flag+": ") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// What a drain had no time for is told, all of it.
func TestDrained(t *testing.T) {
	p := process{o: Options{DrainTimeout: time.Minute}}
	for _, c := range []struct {
		ended int
		taken bool
		want  string
	}{
		{0, true, "<nil>"}, {1, true, "after a drain of 1m0s: 1 sequences were ended"},
		{0, false, "after a drain of 1m0s: answers that clients had not taken were cut off"},
		{2, false, "after a drain of 1m0s: 2 sequences were ended and answers that clients had not taken were cut off"},
	} {
		if got := fmt.Sprint(p.drained(c.ended, c.taken)); got != c.want {
			t.Errorf("%d ended, taken %v: %s, want %s", c.ended, c.taken, got, c.want)
		}
	}
}

// Names that are not given are those of the model's directory and of the host.
func TestNames(t *testing.T) {
	for _, c := range []struct{ given, dir, want string }{{"", "/models/olmoe/", "olmoe"}, {"mine", "/models/olmoe", "mine"}} {
		p := process{o: Options{ServedModel: c.given, CoreOptions: CoreOptions{Model: c.dir}}}
		if got := p.servedModel(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{"": host, "r": "r"} {
		if got := (&Options{CoreOptions: CoreOptions{Name: given}}).podName(); got != want {
			t.Errorf("the pod's name %q became %s, want %s", given, got, want)
		}
	}
}
