package wire

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// Any single damaged byte is noticed.
func TestEveryDamagedByteIsNoticed(t *testing.T) {
	frame := testRequest().Bytes()
	for i := range frame {
		bad := slices.Clone(frame)
		bad[i] ^= 0x10
		if err := receive(t, bad, 32).Parse(); err == nil {
			t.Errorf("byte %d of %d damaged, and the frame is accepted", i, len(frame))
		}
	}
	for n := range frame {
		if err := receive(t, frame[:n], 32).Parse(); err == nil {
			t.Errorf("a frame cut to %d of %d bytes is accepted", n, len(frame))
		}
	}
}

// forge changes a frame and makes its checksum right again.
func forge(o Out, change func(b []byte)) []byte {
	b := slices.Clone(o.Bytes())
	change(b)
	putSum(b, 0)
	putSum(b, sumOf(b))
	return b
}

func put32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}

func put16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

// Frames with a right checksum and wrong content: what a peer with a bug, or one
// that means harm, could send.
func TestForgedFramesAreRefused(t *testing.T) {
	request := testRequest()
	const lists = HeaderSize
	tests := []struct {
		name   string
		frame  Out
		change func([]byte)
		want   string
	}{
		{"magic", request, func(b []byte) { b[0] = 'X' }, "not a frame"},
		{"version", request, func(b []byte) { b[4] = 1 }, "frame version 1; this program speaks 3"},
		{"type", request, func(b []byte) { b[5] = 77 }, "unknown type 77"},
		{"reserved", request, put32(44, 1<<8), "Request frame with reserved bits set"},
		{"rows over the limit", request, put32(24, MaxRows+1), "exceeds a limit"},
		{"pairs over the limit", request, put32(28, MaxPairs+1), "exceeds a limit"},
		{"hidden over the limit", request, put32(32, MaxHidden+1), "exceeds a limit"},
		{"2^32-1 bytes", request, put32(36, 1<<32-1), "exceeds a limit"},
		{"length", request, put32(36, 4), "says 4 payload bytes"},
		{"rows of no elements", request, put32(32, 0), "hidden 0"},
		{"no rows", request, put32(24, 0), "request of 0 rows"},
		{"fewer pairs than rows", request, put32(28, 1), "request of 2 rows, 1 pairs"},
		{"rows that are not there", request, put32(24, 3), "payload bytes, not"},
		{"rows in an error", NewError(1, &Failure{NotHeld, ""}), put32(24, 3), "Error frame with 3 rows"},
		{"a row without experts", request, put16(lists, 0), "row 0 asks for no expert"},
		{"counts beyond the pairs", request, put16(lists, 6), "rows ask for 8 experts, the header says 3"},
		{"a row with more experts than there are", request, put16(lists, 7), "row 0 asks for 7 experts, the model has 6 a layer"},
		{"expert out of range", request, put16(lists+4, 6), "pair 0: expert 6, the model has 6"},
		{"padding", request, put16(lists+10, 1), "non-zero padding"},
		{"time queued before the request came", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{Queued: -1}), func([]byte) {}, "timing of -1ns queued"},
		{"time computing below zero", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{Compute: -1}), func([]byte) {}, "-1ns computing"},
		{"outputs that are not there", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{}), put32(28, 2), "has 20 payload bytes, not 24"},
		{"outputs that nobody counts", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{}), put32(28, 0), "has 20 payload bytes, not 16"},
		{"rows of a format that answers have", request, put32(44, 1), "Request frame with rows as bfloat16"},
		{"rows of a format that there is not", request, put32(44, 3), "rows as Format(3)"},
		{"rows in a format where there are none", NewError(1, &Failure{NotHeld, ""}), put32(44, 2), "Error frame with rows as 8-bit groups"},
		{"rows of another size", request, put32(44, 2), "payload bytes, not 92"},
		{"outputs of half the size", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{}), put32(44, 1), "has 20 payload bytes, not 18"},
		{"outputs of a type that there is not", NewResponse(&Header{Pairs: 1, Hidden: 1}, Float32, Timing{}), put32(44, 2), "Response frame with rows as 8-bit groups"},
		{"reserved in a response", NewResponse(&Header{Pairs: 1, Hidden: 1}, BFloat16, Timing{}), put32(44, 1<<8), "reserved"},
		{"an error cut short", newOut(&Header{Type: Error}, 3), func([]byte) {}, "error frame of 3 payload bytes"},
		{"a hello cut short", newOut(&Header{Type: Hello}, 15), func([]byte) {}, "Hello frame of 15 payload bytes"},
		{"message length", NewError(1, &Failure{NotHeld, "abc"}), put16(lists+2, 2), "message of 2 bytes, 3 left"},
		{"message encoding", NewError(1, &Failure{NotHeld, "abc"}), func(b []byte) { b[lists+4] = 0xff }, "invalid UTF-8"},
		{"bitmap sizes", NewAnnounce(Hello, testAnnounce()), put16(lists+8, 900), "names and bitmaps"},
		{"layers over the limit", NewAnnounce(Hello, testAnnounce()), put16(lists+8, MaxLayers+1), "exceeds a limit"},
		{"unknown flag", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+12] = 2 }, "flags 0x2"},
		{"name encoding", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+16] = 0xff }, "invalid UTF-8"},
		{"fingerprint encoding", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+16+len("node-1")] = 0xff }, "invalid UTF-8"},
		{"bit past the last expert", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[len(b)-1] = 0x80 }, "past the last expert"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := readAll(receive(t, forge(tt.frame, tt.change), 1<<14), 6)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// readAll reads a frame to its end, as router and node of a model do together.
func readAll(in *In, perLayer int) error {
	if err := in.Parse(); err != nil {
		return err
	}
	switch in.Type {
	case Request:
		if err := in.Experts(make([]uint16, in.Rows), make([]uint16, in.Pairs), perLayer); err != nil {
			return err
		}
		in.Floats(make([]float32, in.Rows*in.Hidden))
	case Response:
		in.Floats(make([]float32, in.Pairs*in.Hidden))
	case Error:
		_, err := in.Failure()
		return err
	default:
		_, err := in.Announce()
		return err
	}
	return nil
}
