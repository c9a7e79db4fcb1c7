package checkpoint

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Whatever the bytes, a header is refused with ErrInvalid or its entries cover
// the data exactly, each inside the file: nothing later checks again.
func FuzzHeader(f *testing.F) {
	f.Add(file("{"+one("x", "F32", "[4]", 0, 16)+"}", 16))
	f.Fuzz(func(t *testing.T, data []byte) {
		size := int64(len(data))
		entries, err := readHeader("w", bytes.NewReader(data), size)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v is not ErrInvalid", err)
			}
			return
		}
		covered := map[string]bool{}
		sum := int64(0)
		for _, e := range entries {
			if e.begin < headerPrefix || e.begin > e.end || e.end > size || covered[e.name] {
				t.Errorf("entry %+v of a file of %d bytes", e, size)
			}
			covered[e.name] = true
			sum += e.end - e.begin
		}
		if len(entries) > 0 && sum != size-entries[0].begin {
			t.Errorf("%d of %d data bytes covered", sum, size-entries[0].begin)
		}
	})
}

// A config is refused with ErrInvalid, naming the file, or is one that the
// engine can size its memory by.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"model_type": "olmoe"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig("config.json", data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), "config.json: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		for name, ok := range map[string]bool{
			"heads":     c.NumHeads > 0 && c.HeadDim > 0 && c.HeadDim%2 == 0 && c.HeadDim*c.NumHeads == c.HiddenSize,
			"kv heads":  c.NumKVHeads > 0 && c.NumHeads%c.NumKVHeads == 0,
			"experts":   c.NumExpertsPerTok > 0 && c.NumExpertsPerTok <= c.NumExperts && c.NumExperts*c.NumLayers <= maxAllExperts,
			"sizes":     c.IntermediateSize > 0 && c.VocabSize > 0 && c.NumLayers > 0 && c.MaxPositionEmbeddings > 0,
			"constants": c.RMSNormEps > 0 && c.RopeTheta > 0 && c.ClipQKV >= 0,
		} {
			if !ok {
				t.Errorf("%s: %+v", name, c)
			}
		}
		for _, id := range c.EOSTokenIDs {
			if id < 0 || int(id) >= c.VocabSize {
				t.Errorf("end-of-text id %d of %d", id, c.VocabSize)
			}
		}
	})
}

// An index is refused with ErrInvalid or names only files beside it.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map": {"x": "model-00001-of-00001.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseIndex("index.json", data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, name := range l.files {
			if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
				t.Errorf("file %q", name)
			}
		}
	})
}
