package wire

import (
	"testing"
)

func TestBitmap(t *testing.T) {
	pairs := [][2]int{{0, 0}, {0, 8}, {1, 0}, {1, 7}, {1, 8}}
	for _, missing := range pairs {
		b := NewBitmap(2, 9)
		for _, p := range pairs {
			if p != missing {
				b.Set(p[0], p[1])
			}
		}
		for _, p := range pairs {
			if b.Has(p[0], p[1]) != (p != missing) {
				t.Errorf("%v was not set, and %v is held: %v", missing, p, p == missing)
			}
		}
		if b.Count() != len(pairs)-1 {
			t.Errorf("%v was not set, and %d of %d are there", missing, b.Count(), len(pairs))
		}
	}
	b := NewBitmap(2, 9)
	for _, p := range pairs {
		b.Set(p[0], p[1])
	}
	for _, p := range [][2]int{{-1, 0}, {2, 0}, {0, -1}, {0, 9}, {0, 1}} {
		if b.Has(p[0], p[1]) {
			t.Errorf("has %v", p)
		}
	}
	b = NewBitmap(2, 8) // layers lie side by side
	b.Set(1, 0)
	if b.Has(0, 8) {
		t.Error("the first expert of the next layer is one more of this")
	}
}

func TestEqualBitmaps(t *testing.T) {
	with := func(layers, experts int, pairs ...[2]int) Bitmap {
		b := NewBitmap(layers, experts)
		for _, p := range pairs {
			b.Set(p[0], p[1])
		}
		return b
	}
	for _, tt := range []struct {
		name string
		a, b Bitmap
		want bool
	}{
		{"nothing yet", Bitmap{}, Bitmap{}, true},
		{"none", with(2, 9), with(2, 9), true},
		{"the same", with(2, 9, [2]int{1, 8}), with(2, 9, [2]int{1, 8}), true},
		{"one more", with(2, 9), with(2, 9, [2]int{1, 8}), false},
		{"another one", with(2, 9, [2]int{0, 8}), with(2, 9, [2]int{1, 8}), false},
		{"more layers", with(2, 9), with(3, 9), false},
		{"more experts in as many bytes", with(2, 9), with(2, 10), false},
		{"another shape in as many bytes", with(2, 8), with(1, 16), false},
	} {
		if tt.a.Equal(&tt.b) != tt.want || tt.b.Equal(&tt.a) != tt.want {
			t.Errorf("%s: %v", tt.name, !tt.want)
		}
	}
}
