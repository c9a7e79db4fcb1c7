package wire

import (
	"encoding/binary"
	"fmt"
)

// Announce is the content of Hello and Update: all that a router needs to know
// of a node, whole each time, so that only the newest matters.
type Announce struct {
	Instance    uint64 // of the process
	Sequence    uint64 // of the state; the larger is the newer within an instance
	ReadyEpoch  int64  // highest epoch whose experts assigned to the node are loaded
	Hidden      int
	Draining    bool
	Name        string
	Fingerprint string // of the checkpoint
	Held        Bitmap
}

const announceSize = 16

const drainingFlag = 1

// NewAnnounce builds a sealed Hello or Update.
func NewAnnounce(t Type, a *Announce) Out {
	h := Header{Type: t, Call: a.Sequence, Epoch: a.ReadyEpoch, Hidden: a.Hidden}
	name, fingerprint := clip(a.Name), clip(a.Fingerprint)
	o := newOut(&h, announceSize+len(name)+len(fingerprint)+len(a.Held.bits))
	b := o.payload()
	binary.LittleEndian.PutUint64(b, a.Instance)
	binary.LittleEndian.PutUint16(b[8:], uint16(a.Held.Layers))
	binary.LittleEndian.PutUint16(b[10:], uint16(a.Held.Experts))
	b[12], b[13], b[14], b[15] = 0, byte(len(name)), byte(len(fingerprint)), 0
	if a.Draining {
		b[12] = drainingFlag
	}
	n := announceSize
	n += copy(b[n:], name)
	n += copy(b[n:], fingerprint)
	copy(b[n:], a.Held.bits)
	o.Seal()
	return o
}

// Announce reads the payload of a Hello or Update.
func (in *In) Announce() (*Announce, error) {
	var b [announceSize]byte
	if in.left < len(b) {
		return nil, fmt.Errorf("%v frame of %d payload bytes", in.Type, in.left)
	}
	in.read(b[:])
	a := &Announce{Sequence: in.Call, ReadyEpoch: in.Epoch, Hidden: in.Hidden,
		Instance: binary.LittleEndian.Uint64(b[:]), Draining: b[12] == drainingFlag}
	layers, experts := int(binary.LittleEndian.Uint16(b[8:])), int(binary.LittleEndian.Uint16(b[10:]))
	name, fingerprint := int(b[13]), int(b[14])
	if layers > MaxLayers || experts > MaxExperts || b[12] > drainingFlag || b[15] != 0 {
		return nil, fmt.Errorf("%v frame of %d layers, %d experts, flags %#x exceeds a limit", in.Type, layers, experts, b[12])
	}
	if want := name + fingerprint + layers*stride(experts); in.left != want {
		return nil, fmt.Errorf("%v frame with %d bytes of names and bitmaps, not %d", in.Type, in.left, want)
	}
	a.Held = NewBitmap(layers, experts)
	return a, in.announceTail(a, name, fingerprint)
}

func (in *In) announceTail(a *Announce, name, fingerprint int) (err error) {
	if a.Name, err = in.text(name); err != nil {
		return err
	}
	if a.Fingerprint, err = in.text(fingerprint); err != nil {
		return err
	}
	in.read(a.Held.bits)
	if !a.Held.tidy() {
		return fmt.Errorf("%v frame with a bit set past the last expert", in.Type)
	}
	return nil
}
