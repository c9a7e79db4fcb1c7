package mem

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAllocate(t *testing.T) {
	for _, n := range []int{1, 4096, HugePage - 1, 3*HugePage + 5} {
		b, err := Allocate(n)
		if err != nil || len(b) != n {
			t.Fatalf("%d bytes: %d, %v", n, len(b), err)
		}
		for i := 0; i < n; i += 1024 {
			if b[i] != 0 {
				t.Fatalf("byte %d is %d", i, b[i])
			}
			b[i] = 1
		}
		b[n-1] = 1
		Free(b)
	}
	Free(nil)
}

// What is freed is the machine's again at once.
func TestFreeGivesBack(t *testing.T) {
	b, err := Allocate(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	Free(b)
	if err := unix.Msync(b, unix.MS_ASYNC); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("a gigabyte is still there after Free: %v", err)
	}
}

func TestAllocateTooMuch(t *testing.T) {
	if b, err := Allocate(1 << 62); err == nil {
		t.Errorf("%d bytes were allocated", len(b))
	}
}
