package mem

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMapFile(t *testing.T) {
	want := bytes.Repeat([]byte("huge"), HugePage/2+100)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, append(bytes.Clone(want), "end"...), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := MapFile(f, len(want))
	_ = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := Populate(b); err != nil || !bytes.Equal(b, want) {
		t.Errorf("the file's bytes are others, %v", err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := Populate(b); !errors.Is(err, unix.EFAULT) {
		t.Errorf("a file that was truncated: %v", err)
	}
	Free(b)
	if InHugePages(b) {
		t.Error("what was freed is in huge pages")
	}
}

func TestMapFileThatIsNone(t *testing.T) {
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MapFile(f, 1); err == nil || !strings.Contains(err.Error(), f.Name()) {
		t.Errorf("a folder is mapped: %v", err)
	}
}

func TestHugeBytes(t *testing.T) {
	const smaps = "7f0000000000-7f0000400000 r--s 00000000 fe:00 1 /a\nSize: 4096 kB\nFilePmdMapped:  2048 kB\n" +
		"7f0000400000-7f0000800000 r--s 00000000 fe:00 2 /b: FilePmdMapped: 1 kB\nSize: 4096 kB\nFilePmdMapped:  4096 kB\nVmFlags: rd\n"
	for start, want := range map[uintptr]int{0x7f0000000000: 2 << 20, 0x7f0000400000: 4 << 20, 0x7f0000200000: 0} {
		if got := hugeBytes(strings.NewReader(smaps), start); got != want {
			t.Errorf("%x: %d bytes in huge pages, want %d", start, got, want)
		}
	}
}
