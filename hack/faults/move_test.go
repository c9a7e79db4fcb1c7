package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// A move that does not come into force is an error, not a row without failures.
func TestAMoveThatDoesNotComeIsTold(t *testing.T) {
	for uses, want := range map[int64]string{3: "does not use placement 4", 4: "no expert node runs"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "olmoe_dispatch_serving_epoch %d\n", uses)
		}))
		d := &deployment{url: s.URL, cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}
		err := d.finish(&placement.Document{Revision: 1}, &placement.Placement{Epoch: 4}, time.Second)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a router that uses placement %d: %v, want %q", uses, err, want)
		}
		s.Close()
	}
}
