package wire

// Out is a frame to send: header and payload in one pooled buffer. Sending it
// (or Free) gives the buffer away; the zero Out holds none.
type Out struct {
	buf *[]byte
}

func newOut(h *Header, payload int) Out {
	o := Out{buf: Pool.Get(HeaderSize + payload)}
	h.put(*o.buf, payload)
	return o
}

func (o Out) payload() []byte { return (*o.buf)[HeaderSize:] }

// Bytes is the whole frame, for tests and tools.
func (o Out) Bytes() []byte { return *o.buf }

// Seal computes the checksum; the frame must not change afterwards.
func (o Out) Seal() {
	putSum(*o.buf, sumOf(*o.buf))
}

// Free returns the buffer of a frame that will not be sent.
func (o *Out) Free() {
	if o.buf != nil {
		Pool.Put(o.buf)
		o.buf = nil
	}
}
