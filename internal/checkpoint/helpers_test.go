package checkpoint_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// mini is the smallest model with all of a model's parts; 9 kB.
func mini() synth.Options {
	o := synth.Tiny()
	o.HiddenSize, o.Layers, o.Heads, o.KVHeads, o.IntermediateSize = 16, 2, 2, 1, 8
	o.Experts, o.ExpertsPerTok, o.VocabSize, o.EOSTokenID, o.Tokenizer = 3, 2, 32, 31, false
	return o
}

// write makes a checkpoint in a new directory.
func write(t testing.TB, o synth.Options) string {
	t.Helper()
	dir := t.TempDir()
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens a checkpoint until the end of the test.
func open(t testing.TB, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantError checks an error's kind and that it names everything it should.
func wantError(t *testing.T, err, kind error, names ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, name := range names {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %q does not name %q", err, name)
		}
	}
}

// entry is one header entry, as a test changes it.
type entry = map[string]any

// rewriteHeader replaces the header of a weights file by what change makes of
// it; the data stays.
func rewriteHeader(t *testing.T, path string, change func(header map[string]entry)) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(raw)
	header := map[string]entry{}
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	change(header)
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, withHeader(string(text), raw[8+n:]))
}

// withHeader is a weights file with the given header text.
func withHeader(text string, data []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(file, text...), data...)
}

// writeFile replaces a file by a new one.
func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// editJSON changes a JSON file of a checkpoint.
func editJSON(t *testing.T, path string, change func(map[string]any)) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]any{}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	change(v)
	if raw, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, raw)
}

// weights is the path of a single weights file.
func weights(dir string) string { return filepath.Join(dir, "model.safetensors") }

// countBlanks counts the blanks that fill up a header.
func countBlanks(s string) int { return len(s) - len(strings.TrimRight(s, " ")) }

func itoa(n int) string { return strconv.Itoa(n) }
