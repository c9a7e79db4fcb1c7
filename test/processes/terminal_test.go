package processes_test

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
)

// upAt starts `olmoe up` at an address, with more of an environment.
func upAt(t *testing.T, listen string, env ...string) *exec.Cmd {
	cmd := exec.Command(programtest.Path(t), "up", "--model", model, "--listen", listen, "--workers", "1", "--expert-nodes", "1")
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	return cmd
}

// It is ready at every address of the machine, whatever proxy the environment names; and a
// terminal that is closed ends it in order.
func TestReadyBehindAProxyAndGoneWithTheTerminal(t *testing.T) {
	// Tests that nohup started ignore the signal, and so would their children: who is told of
	// it hands the default on.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for listen, want := range map[string]string{"0.0.0.0:0": "ready http://0.0.0.0:", "localhost:0": "ready http://localhost:", ":0": "ready http://"} {
		folder := t.TempDir()
		cmd := upAt(t, listen, "HTTP_PROXY=http://192.0.2.1:9", "http_proxy=http://192.0.2.1:9", "TMPDIR="+folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("%s: %q, %v", listen, line, err)
		}
		_ = cmd.Process.Signal(syscall.SIGHUP)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: after SIGHUP: %v", listen, err)
		}
		late.Stop()
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", listen, left, err)
		}
	}
}

// Whoever waits for "ready" is not left to wait if it cannot be written.
func TestReadyThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	cmd := upAt(t, "127.0.0.1:0")
	cmd.Stdout = full
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "no space left") {
		t.Errorf("%v: %s", err, said.String())
	}
}
