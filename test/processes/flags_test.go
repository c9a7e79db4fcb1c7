package processes_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
)

// A command line that can never work ends with status 2 and one line that names the
// flag and what to give, before any process is started and anything is measured.
func TestBadFlags(t *testing.T) {
	program := programtest.Path(t)
	up := []string{"up", "--model", model}
	logits := []string{"logits", "--model", model, "--out", t.TempDir(), "--prompts", "x"}
	router := []string{"router", "--model", model, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}
	node := []string{"expert-node", "--model", model, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	bench := []string{"bench", "--model", model, "--runs", "1"}
	for _, c := range []struct {
		command []string
		flags   string
		want    string
	}{
		{nil, "foo", `"foo" is no command; see olmoe --help`},
		{nil, "-x", "see olmoe --help"},
		{nil, "plan extra", `"extra" is no flag`},
		{up, "--nodes 3", "see olmoe up --help"},
		{up, "--expert-nodes 0", "--expert-nodes 0: give 1 to 64"},
		{up, "--expert-nodes 65", "--expert-nodes 65: give 1 to 64"},
		{up, "--replicas-per-expert 3", "--replicas-per-expert 3: give 1 to 2"},
		{up, "--replicas-per-expert 0", "--replicas-per-expert 0: give 1 to 2"},
		{up, "--workers 100000", "give 1 to 1024 threads"},
		{up, "--listen 127.0.0.1", "cannot listen: --listen: listen tcp: address 127.0.0.1: missing port"},
		{up, "--listen 127.0.0.1:99999", "invalid port"},
		{up, "--listen=", "cannot listen: --listen: the address is empty: give HOST:PORT"},
		{router, "--control=", "--control: the address is empty: give HOST:PORT"},
		{node, "--http=", "--http: the address is empty: give HOST:PORT"},
		{up, "--log-level bogus", `--log-level "bogus": give debug, info or error`},
		{bench, "--decode 1,65", "--decode 65: give 0 to 64"},
		{bench, "--prefill -1", "--prefill -1: give 0 to 4096"},
		{bench, "--workers -1", "give 1 to 1024 threads"},
		{bench, "--expert-nodes 0", "--expert-nodes 0: give 1 to 64"},
		{bench, "--log-level bogus", "give debug, info or error"},
		{logits, "--chunk -1", "--chunk -1: give 1 to 65536"},
		{logits, "--chunk 0", "--chunk 0: give 1 to 65536"},
		{logits, "--chunk 10000000000", "--chunk 10000000000: give 1 to 65536"},
		{node, "--workers -1", "give 1 to 1024 threads"},
		{node, "--log-level bogus", "give debug, info or error"},
		{router, "--max-step-tokens 1", "--max-step-tokens 1: give 64 (--max-sequences) to 65536"},
		{router, "--max-step-tokens 10000000000", "--max-step-tokens 10000000000: give 64 (--max-sequences) to 65536"},
		{router, "--max-sequences 10000000000", "--max-sequences 10000000000: give 1 to 65536"},
		{router, "--max-sequences 0", "--max-sequences 0: give 1 to 65536"},
		{router, "--max-queue 0", "--max-queue 0: give 1 to 65536"},
		{router, "--max-queue-wait 0", "--max-queue-wait 0s: give a time above 0"},
		{router, "--kv-cache-mb 9007199254740993", "--kv-cache-mb 9007199254740993: give 1 to 16777216"},
		{router, "--max-body-bytes 0", "--max-body-bytes 0: give 1 to 1073741824"},
		{router, "--max-body-bytes 9223372036854775807", "--max-body-bytes 9223372036854775807: give 1 to 1073741824"},
		{router, "--max-expert-wait 0", "--max-expert-wait 0s: give a time above 0"},
		{router, "--max-expert-wait -1s", "--max-expert-wait -1s: give a time above 0"},
		{router, "--drain-delay -1s", "--drain-delay -1s: give a time that is not negative"},
		{router, "--drain-timeout -1s", "--drain-timeout -1s: give a time that is not negative"},
		{router, "--log-level bogus", "give debug, info or error"},
	} {
		args := append(append([]string{}, c.command...), strings.Fields(c.flags)...)
		t.Run(strings.Join(args[:1], "")+" "+c.flags, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // one that is not refused would serve for ever
			defer cancel()
			cmd := exec.CommandContext(ctx, program, args...)
			cmd.WaitDelay = time.Second
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("status %d, %s; want 2 and one line with %q", cmd.ProcessState.ExitCode(), out, c.want)
			}
		})
	}
}

// --version says what the command version does.
func TestVersionFlag(t *testing.T) {
	want, err := exec.Command(programtest.Path(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--version", "-v"} {
		if got, err := exec.Command(programtest.Path(t), flag).Output(); err != nil || string(got) != string(want) {
			t.Errorf("%s: %q, %v; want %q", flag, got, err, want)
		}
	}
}
