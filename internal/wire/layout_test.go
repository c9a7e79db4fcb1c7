package wire

import (
	"encoding/hex"
	"slices"
	"testing"
)

// Routers and nodes of different builds speak to each other during an upgrade: the
// bytes of a version's frames never change.
func TestBytesOfVersion3(t *testing.T) {
	request := NewRequest(RequestID{Call: 7, Epoch: 9, Layer: 15}, 1, Float32, []uint16{1, 1}, []uint16{5, 3}, []float32{1, 2}, []int32{0, 1})
	hello := &Announce{Instance: 1, Sequence: 2, ReadyEpoch: 3, Hidden: 4, Draining: true, Name: "n", Fingerprint: "fp", Held: NewBitmap(2, 9)}
	hello.Held.Set(1, 8)
	response := NewResponse(&Header{Call: 7, Epoch: 9, Layer: 15, Rows: 2, Pairs: 2, Hidden: 1}, BFloat16, Timing{Queued: 2, Compute: 3})
	response.PutOutput(0, []float32{1})
	response.PutOutput(1, []float32{2})
	response.Seal()
	for _, c := range []struct {
		frame Out
		want  string
	}{
		{request, "4f4c4d44" + "03" + "03" + "0f00" + // magic, version, Request, layer
			"0700000000000000" + "0900000000000000" + // call, epoch
			"02000000" + "02000000" + "01000000" + "10000000" + // rows, pairs, hidden, payload bytes
			"af12d770" + "00000000" + // checksum, zero
			"01000100" + "05000300" + "0000803f00000040"}, // counts, experts, rows
		{response, "4f4c4d44" + "03" + "04" + "0f00" +
			"0700000000000000" + "0900000000000000" +
			"02000000" + "02000000" + "01000000" + "14000000" +
			"e2d32f6b" + "01000000" + // checksum, bfloat16
			"0200000000000000" + "0300000000000000" + "803f0040"}, // ns queued, ns computing, rows
		{NewAnnounce(Hello, hello), "4f4c4d44" + "03" + "01" + "0000" +
			"0200000000000000" + "0300000000000000" + // sequence, ready epoch
			"00000000" + "00000000" + "04000000" + "17000000" +
			"4b695a9c" + "00000000" +
			"0100000000000000" + "0200" + "0900" + "01" + "01" + "02" + "00" + // instance, layers, experts, draining, lengths
			"6e" + "6670" + "00000001"}, // name, fingerprint, two bytes for each layer
	} {
		if got := hex.EncodeToString(c.frame.Bytes()); got != c.want {
			t.Errorf("a frame is\n%s, want\n%s", got, c.want)
		}
	}
}

// The checksum of bytes 0, 1, 2 ...: in one block, in exactly one, in two.
func TestChecksumKnownValues(t *testing.T) {
	for n, want := range map[int]uint32{HeaderSize: 0x57433c64, sumBlock: 0xeb4b7c37, sumBlock + 1: 0x915a72ed} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i)
		}
		if got := sumOf(b); got != want {
			t.Errorf("%d bytes: %#08x, want %#08x", n, got, want)
		}
	}
}

// Buffers are not cleared when they are used again: what one held before must not
// show in the next frame.
func TestFramesDoNotShowWhatABufferHeld(t *testing.T) {
	for name, build := range map[string]func() Out{
		"request":  func() Out { return testRequest() },
		"error":    func() Out { return NewError(3, &Failure{Draining, "bye"}) },
		"announce": func() Out { return NewAnnounce(Hello, &Announce{Name: "node-1", Held: NewBitmap(1, 8)}) },
		"response": func() Out {
			o := NewResponse(&Header{Pairs: 1, Hidden: 1}, BFloat16, Timing{})
			o.PutOutput(0, []float32{0})
			o.Seal()
			return o
		},
	} {
		var seen [][]byte
		for _, before := range []byte{0x00, 0xff} {
			b := Pool.Get(1 << minTier)
			for i := range *b {
				(*b)[i] = before
			}
			Pool.Put(b)
			o := build()
			seen = append(seen, slices.Clone(o.Bytes()))
			o.Free()
		}
		if !slices.Equal(seen[0], seen[1]) {
			t.Errorf("%s: %x in a buffer of zeros, %x in one of ones", name, seen[0], seen[1])
		}
	}
}
