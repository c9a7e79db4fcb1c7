package placement

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// What others say of a model's size is refused before a list of that length is made.
func TestCheckSize(t *testing.T) {
	for _, c := range []struct {
		layers, experts int
		want            string
	}{
		{16, 64, ""},
		{MaxLayers, MaxAllExperts / MaxLayers, ""},
		{1, MaxAllExperts, ""},
		{0, 64, "at least 1"},
		{16, -1, "at least 1"},
		{1, MaxAllExperts + 1, "1 layers x 65537 experts"},
		{MaxLayers + 1, 1, "no model has more than 1024 layers"},
		{math.MaxUint32, math.MaxUint32, "or 65536 experts"},
		{math.MaxInt, math.MaxInt, "or 65536 experts"},
	} {
		if err := CheckSize(c.layers, c.experts); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d x %d: got %v, want %q", c.layers, c.experts, err, c.want)
		}
	}
}

// A document of a few bytes ends nobody who reads it.
func TestSmallDocumentOfLargeNumbers(t *testing.T) {
	var d Document
	text := `{"revision":99,"serving":{"epoch":1,"layers":1,"experts":100000000000,"nodes":[{"name":"a","address":"a:1","experts":[[0]]}]}}`
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err == nil || !strings.Contains(err.Error(), "document revision 99: placement epoch 1: 1 layers x 100000000000 experts") {
		t.Errorf("got %v", err)
	}
}
