package processes_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
)

// patience is how long a test waits for what takes milliseconds.
const patience = 20 * time.Second

// A second interrupt ends `olmoe up` at once, with its processes, whatever they do.
func TestSecondInterrupt(t *testing.T) {
	folder := t.TempDir()
	programtest.Path(t) // it lies in the former folder
	t.Setenv("TMPDIR", folder)
	d := up(t, "--expert-nodes", "1")
	node := d.children(t, "expert-node")[0]
	_ = syscall.Kill(node, syscall.SIGSTOP) // it does not end by being asked
	_ = d.cmd.Process.Signal(os.Interrupt)
	until(t, "the router has not ended", func() bool { return len(d.children(t, "router")) == 0 })
	begin := time.Now()
	endsWith130(t, d.cmd)
	if took := time.Since(begin); took > 5*time.Second { // 10 s by itself
		t.Errorf("it took %s", took)
	}
	if err := syscall.Kill(node, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the expert node lives on: %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A router that drains is ended by an interrupt, and by no second SIGTERM.
func TestSecondInterruptOfARouter(t *testing.T) {
	cmd := exec.Command(programtest.Path(t), "router", "--model", model, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--workers", "1", "--drain-delay", "1h", "--log-level", "error")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var at struct{ HTTP string }
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		t.Fatal(err)
	}
	says := func(path, what string) func() bool {
		return func() bool { return strings.Contains(get("http://"+at.HTTP+path), what) }
	}
	until(t, "the router does not serve", says("/v1/models", `"object":"list"`))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	until(t, "the router does not drain", says("/ready", "draining"))
	_ = cmd.Process.Signal(syscall.SIGTERM)
	for range 100 {
		if !says("/ready", "draining")() {
			t.Fatal("a second SIGTERM ends the drain")
		}
	}
	endsWith130(t, cmd)
}

func endsWith130(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Process.Signal(os.Interrupt)
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%s, want status 130", cmd.ProcessState)
	}
}

// get is the body of an answer, empty if there is none.
func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

func until(t *testing.T, problem string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(problem)
		}
	}
}
