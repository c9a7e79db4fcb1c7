package weightcache

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// Parts of any size are kept whole: a byte, a chunk, a byte more.
func TestPartsOfAnySize(t *testing.T) {
	c, log := logged("model", t.TempDir())
	longest := bytesOf(8)
	for _, size := range []int{1, chunk - 1, chunk, chunk + 1} {
		want := longest[:size]
		c.Store(t.Context(), part, want, nil)
		if !bytes.Equal(c.Load(t.Context(), part, size, nil), want) {
			t.Errorf("a part of %d bytes is not read: %s", size, log)
		}
	}
}

// A file that another build of this version kept is read: its footer's bytes are these.
func TestBytesOfAFooter(t *testing.T) {
	want := "4f4c4d4f452d570a" + "03000000" + "01000000" + "0200000000000000" + // magic, version, digest, size
		"20807c2247fe6d7dfd08022399890e30c60188876e7ca6757dda05d21af48475" + // key and part
		"00000000" + "2d143693" // zero, checksum
	if got := hex.EncodeToString(footer{1, 2, partID("key", part)}.encode()); got != want {
		t.Errorf("a footer is\n%s, want\n%s", got, want)
	}
	if got := digestOf([]byte("abc")).sum(); got != 0x78af5f94 {
		t.Errorf("a digest is %#08x", got)
	}
}
