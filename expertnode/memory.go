package expertnode

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
)

// allocate returns memory outside Go's heap. Gigabytes of weights there would
// let the garbage collector put off its work until as much garbage has gathered,
// and what an expert frees would not go back to the machine at once.
func allocate(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("no memory for %d bytes of weights: %w: give the pod more memory, or more expert nodes", n, err)
	}
	model.PreferHugePages(b)
	return b, nil
}

// free gives memory of allocate back; nobody may touch it any more.
func free(b []byte) {
	if b != nil {
		_ = unix.Munmap(b)
	}
}
