package wire

import (
	"strings"
	"testing"
)

// What a limit allows arrives: the largest frames, the longest text, and a time of
// nothing at all.
func TestWhatTheLimitsAllowArrives(t *testing.T) {
	most := &Header{Rows: MaxRows, Pairs: MaxPairs, Hidden: 1}
	widest := &Header{Rows: 1, Pairs: 1, Hidden: MaxHidden}
	counts, experts := make([]uint16, MaxRows), make([]uint16, MaxPairs)
	for i := range counts {
		counts[i] = MaxPairs / MaxRows
	}
	rows := make([]int32, MaxRows)
	request := func(h *Header) Out {
		c := counts[:h.Rows]
		if h.Rows == h.Pairs {
			c = []uint16{1}
		}
		return NewRequest(RequestID{}, h.Hidden, Float32, c, experts[:h.Pairs], make([]float32, h.Hidden), rows[:h.Rows])
	}
	response := func(h *Header) Out {
		o := NewResponse(h, Float32, Timing{})
		o.Seal()
		return o
	}
	everything := &Announce{Name: strings.Repeat("n", MaxText), Fingerprint: strings.Repeat("f", MaxText), Held: NewBitmap(MaxLayers, 8)}
	for l := range MaxLayers {
		for e := range 8 {
			everything.Held.Set(l, e)
		}
	}
	for name, o := range map[string]Out{
		"a request of the most rows and pairs":            request(most),
		"a request of the widest row":                     request(widest),
		"an answer to the most rows and pairs":            response(most),
		"an answer of the widest row":                     response(widest),
		"an answer of the largest frame":                  response(&Header{Pairs: PairsPerFrame(2048), Hidden: 2048}),
		"a node that holds every expert of every layer":   NewAnnounce(Hello, everything),
		"a node of the most experts, that holds none":     NewAnnounce(Hello, &Announce{Held: NewBitmap(1, MaxExperts)}),
		"a message as long as one may be":                 NewError(1, &Failure{NotHeld, strings.Repeat("m", MaxText)}),
		"a failure without a word and of the lowest code": NewError(1, &Failure{}),
	} {
		if err := readAll(receive(t, o.Bytes(), 1<<14), MaxExperts); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A text is cut where it may be longest, not before.
func TestLongTextsAreCut(t *testing.T) {
	in := receive(t, NewError(1, &Failure{NotHeld, strings.Repeat("m", MaxText+1)}).Bytes(), 1<<14)
	if err := in.Parse(); err != nil {
		t.Fatal(err)
	}
	if f, err := in.Failure(); err != nil || len(f.Message) != MaxText {
		t.Errorf("%v, %v; want the first %d bytes", f, err, MaxText)
	}
}

// A frame belongs to gRPC once it is sent, and to nobody once it is freed.
func TestFrameIsSentOnce(t *testing.T) {
	for name, use := range map[string]func(*Out){
		"sent": func(o *Out) {
			b, err := (codec{}).Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			b.Free()
		},
		"freed": (*Out).Free,
	} {
		o := testRequest()
		use(&o)
		if _, err := (codec{}).Marshal(&o); err == nil {
			t.Errorf("a frame that was %s is sent", name)
		}
		o.Free() // nothing is left to give back
	}
}
