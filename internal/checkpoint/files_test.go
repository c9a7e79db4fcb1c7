package checkpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
)

// What stands under the name of a checkpoint's file and is none is refused, whichever file it
// is: nobody waits for a FIFO's writer, and nobody reads a device, which has no end. Nor does a
// link to nothing, as a pod sees those of the Hugging Face cache, pass for a file that may be
// missing.
func TestFilesThatAreNone(t *testing.T) {
	for _, c := range []struct {
		file   string
		shards int
		read   func(dir string) error
	}{
		{"config.json", 1, openClose}, {"generation_config.json", 1, openClose}, {"model.safetensors", 1, openClose},
		{index, 2, openClose}, {shard1, 2, openClose}, {shard2, 2, openClose}, {"tokenizer.json", 1, loadTokenizer},
		{"tokenizer_config.json", 1, loadTemplate}, {"chat_template.jinja", 1, loadTemplate}, {"special_tokens_map.json", 1, loadTemplate},
	} {
		for name, bad := range map[string]struct {
			put  func(path string) error
			kind error
			text string
		}{
			"FIFO":            {func(path string) error { return unix.Mkfifo(path, 0o600) }, checkpoint.ErrInvalid, "is not a regular file"},
			"device":          {func(path string) error { return os.Symlink("/dev/zero", path) }, checkpoint.ErrInvalid, "is not a regular file"},
			"directory":       {func(path string) error { return os.Mkdir(path, 0o700) }, checkpoint.ErrInvalid, "is not a regular file"},
			"link to nothing": {func(path string) error { return os.Symlink("../../blobs/f00d", path) }, checkpoint.ErrDangling, "symbolic link to ../../blobs/f00d, which is not there"},
		} {
			t.Run(c.file+"/"+name, func(t *testing.T) {
				o := mini()
				o.Shards = c.shards
				dir := write(t, o)
				writeFile(t, filepath.Join(dir, "tokenizer_config.json"), []byte(`{"chat_template": "x"}`))
				path := filepath.Join(dir, c.file)
				_ = os.Remove(path)
				must(t, bad.put(path))
				err := soon(t, func() error { return c.read(dir) })
				wantError(t, err, bad.kind, c.file, bad.text)
				if errors.Is(err, checkpoint.ErrNotFound) {
					t.Errorf("it passes for one that is missing: %v", err)
				}
			})
		}
	}
}

func openClose(dir string) error {
	c, err := checkpoint.Open(dir)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func loadTokenizer(dir string) error {
	_, err := tokenizer.Load(filepath.Join(dir, "tokenizer.json"))
	return err
}

func loadTemplate(dir string) error {
	_, err := chat.Load(dir)
	return err
}

// soon is for what may hang: in open(2) it hears of no deadline.
func soon(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("hangs")
		return nil
	}
}
