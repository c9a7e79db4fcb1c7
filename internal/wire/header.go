package wire

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the length of every frame's header in bytes, a multiple of 8 so
// that rows behind it stay aligned.
const HeaderSize = 48

// Version is the layout this package speaks.
const Version = 3

const magic = "OLMD"

// Type says what a frame is.
type Type uint8

// The frame types.
const (
	Hello    Type = iota + 1 // node to router: who I am, what I hold
	Update                   // node to router: what I hold now
	Request                  // router to node: rows to compute
	Response                 // node to router: what the experts made of them
	Error                    // node to router: why a request, or the stream, failed
)

// String names the type for messages.
func (t Type) String() string {
	switch t {
	case Hello:
		return "Hello"
	case Update:
		return "Update"
	case Request:
		return "Request"
	case Response:
		return "Response"
	case Error:
		return "Error"
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Header is the fixed part of a frame; the package comment has the layout.
type Header struct {
	Type   Type
	Layer  int
	Call   uint64
	Epoch  int64
	Rows   int
	Pairs  int
	Hidden int
	Format Format // of a request's rows or a response's outputs
}

// formatAt is where a header has its format.
const formatAt = 44

// put writes the header without its checksum.
func (h *Header) put(b []byte, payload int) {
	copy(b, magic)
	b[4], b[5] = Version, byte(h.Type)
	le := binary.LittleEndian
	le.PutUint16(b[6:], uint16(h.Layer))
	le.PutUint64(b[8:], h.Call)
	le.PutUint64(b[16:], uint64(h.Epoch))
	le.PutUint32(b[24:], uint32(h.Rows))
	le.PutUint32(b[28:], uint32(h.Pairs))
	le.PutUint32(b[32:], uint32(h.Hidden))
	le.PutUint32(b[36:], uint32(payload))
	putSum(b, 0)
	le.PutUint32(b[formatAt:], uint32(h.Format))
}

// parse reads and bounds the header; it returns the payload's length and the
// checksum that the sender computed.
func (h *Header) parse(b *[HeaderSize]byte) (payload int, sum uint32, err error) {
	le := binary.LittleEndian
	if string(b[:4]) != magic {
		return 0, 0, fmt.Errorf("not a frame: starts with %q, want %q", b[:4], magic)
	}
	if b[4] != Version {
		return 0, 0, fmt.Errorf("frame version %d; this program speaks %d", b[4], Version)
	}
	h.Type, h.Format, h.Layer = Type(b[5]), Format(b[formatAt]), int(le.Uint16(b[6:]))
	if le.Uint32(b[formatAt:]) > 0xff {
		return 0, 0, fmt.Errorf("%v frame with reserved bits set", h.Type)
	}
	if !h.Format.of(h.Type) {
		return 0, 0, fmt.Errorf("%v frame with rows as %v", h.Type, h.Format)
	}
	h.Call, h.Epoch = le.Uint64(b[8:]), int64(le.Uint64(b[16:]))
	rows, pairs, hidden := le.Uint32(b[24:]), le.Uint32(b[28:]), le.Uint32(b[32:])
	length := le.Uint32(b[36:])
	if rows > MaxRows || pairs > MaxPairs || hidden > MaxHidden || length > MaxFrameBytes {
		return 0, 0, fmt.Errorf("%v frame of %d rows, %d pairs, hidden %d, %d bytes exceeds a limit (%d, %d, %d, %d)",
			h.Type, rows, pairs, hidden, length, MaxRows, MaxPairs, MaxHidden, MaxFrameBytes)
	}
	h.Rows, h.Pairs, h.Hidden = int(rows), int(pairs), int(hidden)
	return int(length), le.Uint32(b[checksumAt:]), nil
}
