package checkpoint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// users says who of this process has a file: as a mapping, or open.
func users(t *testing.T, path string) (list []string) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip(err)
	}
	if strings.Contains(string(maps), path) {
		list = append(list, "mapped")
	}
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == path {
			list = append(list, "open")
		}
	}
	return list
}

// A checkpoint that is closed leaves nothing mapped or open.
func TestCloseLetsFilesGo(t *testing.T) {
	dir := write(t, mini())
	c := open(t, dir)
	if got := users(t, weights(dir)); len(got) != 2 {
		t.Fatalf("an open checkpoint's file is %v", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := users(t, weights(dir)); len(got) != 0 {
		t.Errorf("a closed checkpoint's file is %v", got)
	}
}
