package placement

import (
	"reflect"
	"testing"
)

func TestTextOfExperts(t *testing.T) {
	cases := []struct {
		experts [][]int
		want    string
	}{
		{[][]int{{0, 1, 2}, {0, 1, 2}}, "0-1:0-2"},
		{[][]int{{0, 2, 3}, {1}}, "0:0,2-3;1:1"},
		{[][]int{{}, {5}, {}}, "1:5"},
		{[][]int{{}, {}}, ""},
	}
	for _, c := range cases {
		got := FormatExperts(c.experts)
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.experts, got, c.want)
		}
		back, err := ParseExperts(got, len(c.experts), 8)
		if err != nil || !reflect.DeepEqual(back, c.experts) {
			t.Errorf("%q: read back as %v, %v", got, back, err)
		}
	}
}

func TestTextRefused(t *testing.T) {
	for _, text := range []string{"0", "0:", ":1", "0-9:1", "0:8", "0:3-2", "0:1,1", "0:-1", "x:1", "0:1;", "0:99999999999999999999"} {
		if got, err := ParseExperts(text, 4, 8); err == nil {
			t.Errorf("%q: read as %v, want an error", text, got)
		}
	}
}

func FuzzParseExperts(f *testing.F) {
	for _, seed := range []string{"", "0-3:0-7", "0:0,2-3;1:1", "0:1;0:2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseExperts(text, 4, 8)
		if err != nil {
			return
		}
		n := Node{Name: "n", Experts: got}
		if err := n.validate(4, 8); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		back, err := ParseExperts(FormatExperts(got), 4, 8)
		if err != nil || !reflect.DeepEqual(back, got) {
			t.Fatalf("%q: %v, then %v, %v", text, got, back, err)
		}
	})
}
