package processes_test

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
)

// A pod can be told to stop at any moment of its start: a machine that has its power back
// starts the containers of pods that Kubernetes has given up. The program starts itself again
// once (docs/adr/0116) and has no handler meanwhile, which must not be in vain.
func TestStopWhileItStarts(t *testing.T) {
	for _, role := range []string{"router", "expert-node"} {
		for delay := time.Duration(0); delay < 80*time.Millisecond; delay += 2 * time.Millisecond {
			if !stopsWhenTold(t, role, delay) {
				t.Errorf("%s: told to stop %s after its start the process runs on", role, delay)
			}
		}
	}
}

// stopsWhenTold starts a role and tells it to stop after a while.
func stopsWhenTold(t *testing.T, role string, after time.Duration) bool {
	t.Helper()
	own := map[string][]string{
		"router":      {"--control", "127.0.0.1:0", "--drain-delay", "0s"}, // it may serve already
		"expert-node": {"--http", "127.0.0.1:0"},
	}[role]
	cmd := exec.Command(programtest.Path(t), append([]string{role, "--model", model, "--listen", "127.0.0.1:0", "--workers", "1"}, own...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	time.Sleep(after)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return true
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		return false
	}
}
