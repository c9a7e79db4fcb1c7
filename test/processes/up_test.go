// Package processes_test runs `olmoe up` as a person would and breaks it.
package processes_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

var model string // a small checkpoint

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "olmoe-processes-")
	if err != nil {
		panic(err)
	}
	model = filepath.Join(dir, "tiny")
	if err := synth.Write(model, synth.Tiny()); err != nil {
		panic(err)
	}
	code := m.Run()
	programtest.Remove()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// deployment is a running `olmoe up`.
type deployment struct {
	cmd *exec.Cmd
	url string
}

func up(t *testing.T, args ...string) *deployment {
	t.Helper()
	d := &deployment{cmd: exec.Command(programtest.Path(t), append([]string{"up", "--model", model, "--listen", "127.0.0.1:0", "--workers", "1"}, args...)...)}
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill(); _ = d.cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready http://127.0.0.1:") {
		t.Fatalf("first line %q, %v", line, err)
	}
	d.url = strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	return d
}

// children are the pids of the processes of a role.
func (d *deployment) children(t *testing.T, role string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no /proc: %v", err)
	}
	var pids []int
	for _, f := range files {
		stat, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		if err != nil || after[1] != strconv.Itoa(d.cmd.Process.Pid) || !bytes.Contains(cmdline, []byte("\x00"+role+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// ask returns the token ids of an answer.
func (d *deployment) ask(i int) (string, error) {
	body := fmt.Sprintf(`{"prompt": [%d, 9, 77, %d], "max_tokens": 60, "temperature": 0, "ignore_eos": true, "return_token_ids": true}`, 5+i, i*3+1)
	resp, err := http.Post(d.url+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Choices []struct {
			TokenIDs []int32 `json:"token_ids"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Choices) != 1 {
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return fmt.Sprint(answer.Choices[0].TokenIDs), nil
}

// Expert nodes die, hard and softly, under load: every answer is the undisturbed one.
func TestLostExpertNodesLoseNoRequest(t *testing.T) {
	d := up(t, "--expert-nodes", "3")
	const clients = 4
	var want [clients]string
	for i := range want {
		var err error
		if want[i], err = d.ask(i); err != nil {
			t.Fatal(err)
		}
	}
	stop, asked := make(chan struct{}), make([]int, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := d.ask(i)
				if err != nil || got != want[i] {
					t.Errorf("client %d: %q, %v; want %q", i, got, err, want[i])
				}
				asked[i]++
			}
		})
	}
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		time.Sleep(time.Second)
		if pids := d.children(t, "expert-node"); len(pids) == 0 {
			t.Error("no expert node to kill")
		} else if err := syscall.Kill(pids[0], signal); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(2 * time.Second)
	close(stop)
	wg.Wait()
	t.Logf("%v requests, 2 nodes killed and 1 terminated", asked)
	for i, n := range asked {
		if n == 0 {
			t.Errorf("client %d finished no request", i)
		}
	}
}

// However often somebody kills a node, it comes back: what others do to a process is
// no failure of its own that would end the deployment.
func TestManyKillsEndNothing(t *testing.T) {
	d := up(t, "--replicas-per-expert", "2")
	want, err := d.ask(1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 { // more than fail in a row before a process is given up
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2]
		if err := syscall.Kill(d.someNode(t), signal); err != nil {
			t.Error(err)
		}
		if got, err := d.ask(1); err != nil || got != want {
			t.Errorf("kill %d: %q, %v; want %q", i, got, err, want)
		}
	}
}

// someNode waits for the process of expert-node-0: it may be about to start again.
func (d *deployment) someNode(t *testing.T) int {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if pids := d.children(t, "expert-node-0"); len(pids) > 0 {
			return pids[0]
		}
	}
	t.Fatal("the node does not come back")
	return 0
}

func TestInterruptStopsAll(t *testing.T) {
	d := up(t)
	pids := append(d.children(t, "expert-node"), d.children(t, "router")...)
	if len(pids) != 3 {
		t.Fatalf("%d children, want 3", len(pids))
	}
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	allGone(t, pids)
}

func TestKilledParentTakesAllWithIt(t *testing.T) {
	d := up(t)
	pids := append(d.children(t, "expert-node"), d.children(t, "router")...)
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait()
	allGone(t, pids)
}

func allGone(t *testing.T, pids []int) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := 0
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d processes are left", left, len(pids))
		}
	}
}

// What can never work ends at once, with one line that says what to do.
func TestErrors(t *testing.T) {
	program := programtest.Path(t)
	damaged := filepath.Join(t.TempDir(), "damaged")
	if err := os.CopyFS(damaged, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(damaged, "model.safetensors"), 2_000_000); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no model":       {[]string{"up"}, "--model is missing"},
		"missing model":  {[]string{"up", "--model", "/nonexistent"}, "/nonexistent"},
		"damaged model":  {[]string{"up", "--model", damaged}, "model.safetensors: tensor "},
		"weights":        {[]string{"up", "--model", model, "--weights", "fp4"}, "int8"},
		"top's address":  {[]string{"top", "--once", "--url", "127.0.0.1:8000"}, "such as http://127.0.0.1:8000"},
		"bad address":    {[]string{"up", "--model", model, "--listen", "127.0.0.1:99999"}, "--listen"},
		"no prompts":     {[]string{"logits", "--model", model, "--out", t.TempDir()}, "--prompts"},
		"bad prompts":    {[]string{"logits", "--model", model, "--out", t.TempDir(), "--prompts", "/dev/null"}, "/dev/null"},
		"activations":    {[]string{"logits", "--model", model, "--out", t.TempDir(), "--prompts", "x", "--activations", "bf16"}, "use f32"},
		"bench rows":     {[]string{"bench", "--model", model, "--dispatch", "100000"}, "--dispatch 100000: give 0 to 4096"},
		"bench starts":   {[]string{"bench", "--model", model, "--starts", "-1"}, "--starts -1: give 0 to 10000"},
		"node, no model": {[]string{"expert-node", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, "--model is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // one that is not refused would serve for ever
			defer cancel()
			cmd := exec.CommandContext(ctx, program, c.args...)
			cmd.WaitDelay = time.Second
			began := time.Now()
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v, %s; want %q", err, out, c.want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// The reason of a fatal error is left where the kubelet finds it.
func TestTerminationLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "termination-log")
	endsHopeless(t, file, "ModelNotFound: ", "/nonexistent",
		"expert-node", "--model", "/nonexistent", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--termination-log", file)
}

// A router whose tokenizer is a link to nothing does not come up as one that has none.
func TestTokenizerLinkedToNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(model)); err != nil {
		t.Fatal(err)
	}
	tokenizer := filepath.Join(dir, "tokenizer.json")
	if err := errors.Join(os.Remove(tokenizer), os.Symlink("../blobs/f00d", tokenizer)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "termination-log")
	endsHopeless(t, file, "ModelLinkBroken: ", "tokenizer.json: is a symbolic link to ../blobs/f00d",
		"router", "--model", dir, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--termination-log", file)
}

// So is that of a command line that the image does not know, which an operator of
// another version makes.
func TestUnknownFlagIsToldInTheTerminationLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "termination-log")
	endsHopeless(t, file, "BadFlags: ", "unknown flag: --of-tomorrow",
		"router", "--of-tomorrow=1", "--model", model, "--listen", "127.0.0.1:0", "--termination-log="+file)
}

// endsHopeless runs a pod that exits with 2 and leaves in the file a text that begins
// with reason and contains detail.
func endsHopeless(t *testing.T, file, reason, detail string, args ...string) {
	t.Helper()
	cmd := exec.Command(programtest.Path(t), args...)
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("exit: %v", err)
	}
	b, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(b), reason) || !strings.Contains(string(b), detail) {
		t.Errorf("%q, %v", b, err)
	}
}

// A CPU without AVX2 says so once, in the log and in the metric that tells the kernels.
func TestPortableKernelsAreSaid(t *testing.T) {
	cmd := exec.Command(programtest.Path(t), "expert-node", "--model", model, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "GODEBUG=cpu.avx2=off")
	var logged bytes.Buffer
	cmd.Stderr = &logged
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	var at struct{ HTTP string }
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + at.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !bytes.Contains(metrics, []byte(`olmoe_pod_info{kernels="portable"`)) {
		t.Errorf("%v, no portable kernels in the metrics", err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(logged.String(), "the portable kernels compute"); n != 1 {
		t.Errorf("told %d times in %s", n, &logged)
	}
}
