package checkpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
)

// Limits of the safetensors format (https://github.com/huggingface/safetensors).
const (
	headerPrefix   = 8         // little-endian length of the JSON that follows
	minHeaderBytes = 2         // {}
	maxHeaderBytes = 100 << 20 // the reference reader's limit
	maxDims        = 8         // OLMoE has 2; extra tensors may have more
	metadataEntry  = "__metadata__"
)

// storedBits is the width of an element for every type of the format that has
// a fixed one; a tensor outside the model may use any of them.
var storedBits = map[string]uint64{
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
	"I16": 16, "U16": 16, "F16": 16, "BF16": 16,
	"I32": 32, "U32": 32, "F32": 32,
	"I64": 64, "U64": 64, "F64": 64, "C64": 64,
}

// entry is one tensor as a header describes it. Invariant: begin <= end, and
// the bytes [begin, end) lie in the file, after the header.
type entry struct {
	name       string
	dtype      string
	shape      []int
	begin, end int64
}

// readHeader reads and checks the header of a safetensors file of the given
// size. The entries come back in file order and cover the data exactly, with
// neither gap nor overlap.
func readHeader(path string, r io.ReaderAt, size int64) ([]entry, error) {
	raw, err := readHeaderText(path, r, size)
	if err != nil {
		return nil, err
	}
	members, err := parseObject(raw)
	if err != nil {
		return nil, fileError(path, "header is not a usable JSON object", err)
	}
	data := int64(headerPrefix + len(raw))
	entries := make([]entry, 0, len(members))
	for _, m := range members {
		if m.name == metadataEntry {
			continue
		}
		e, err := parseEntry(path, m, data, size)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, checkCover(path, entries, data, size)
}

// readHeaderText reads the JSON text; its length is checked against the file
// before anything is allocated.
func readHeaderText(path string, r io.ReaderAt, size int64) ([]byte, error) {
	var prefix [headerPrefix]byte
	if size < headerPrefix {
		return nil, fileError(path, fmt.Sprintf("has %d bytes, too few for a safetensors header; is the download complete?", size), nil)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fileError(path, "header cannot be read", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n < minHeaderBytes || n > maxHeaderBytes {
		return nil, fileError(path, fmt.Sprintf("header length is %d, want 2 to %d bytes; not a safetensors file?", n, maxHeaderBytes), nil)
	}
	if int64(n) > size-headerPrefix {
		return nil, fileError(path, fmt.Sprintf("header length %d exceeds the file of %d bytes; is the download complete?", n, size), nil)
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, headerPrefix); err != nil {
		return nil, fileError(path, "header cannot be read", err)
	}
	return raw, nil
}

// parseEntry reads one tensor's description; data is where offset 0 lies.
func parseEntry(path string, m member, data, size int64) (entry, error) {
	bad := func(format string, args ...any) (entry, error) {
		return entry{}, tensorError(path, m.name, fmt.Sprintf(format, args...))
	}
	info, err := parseInfo(m.value)
	if err != nil {
		return bad("%v", err)
	}
	begin, end, room := info.offsets[0], info.offsets[1], uint64(size-data)
	if begin > end || end > room {
		return bad("data_offsets [%d, %d] do not lie in the file's %d data bytes", begin, end, room)
	}
	want, known, ok := storedBytes(info.dtype, info.shape)
	if !ok || known && want != end-begin {
		return bad("dtype %s and shape %v do not fill the %d bytes of data_offsets [%d, %d]", info.dtype, info.shape, end-begin, begin, end)
	}
	shape := make([]int, len(info.shape))
	for i, d := range info.shape {
		shape[i] = int(d)
	}
	return entry{m.name, info.dtype, shape, data + int64(begin), data + int64(end)}, nil
}

// info is the value of a header entry as written.
type info struct {
	dtype          string
	shape, offsets []uint64
}

// parseInfo reads {"dtype", "shape", "data_offsets"}; other members are ignored.
func parseInfo(raw []byte) (info, error) {
	var v info
	members, err := parseObject(raw)
	if err != nil {
		return v, err
	}
	targets := map[string]any{"dtype": &v.dtype, "shape": &v.shape, "data_offsets": &v.offsets}
	for _, m := range members {
		if t, ok := targets[m.name]; ok {
			if string(m.value) == "null" || json.Unmarshal(m.value, t) != nil {
				return v, fmt.Errorf("%s is %s", m.name, clip(m.value))
			}
			delete(targets, m.name)
		}
	}
	switch {
	case len(targets) > 0:
		return v, fmt.Errorf("lacks one of dtype, shape and data_offsets")
	case len(v.offsets) != 2:
		return v, fmt.Errorf("data_offsets has %d numbers, want 2", len(v.offsets))
	case len(v.shape) > maxDims:
		return v, fmt.Errorf("shape has %d dimensions, more than %d", len(v.shape), maxDims)
	}
	return v, nil
}

// storedBytes is the size of a tensor. known is false for a dtype this reader
// has no width for; ok is false if the size, or a dimension, overflows.
func storedBytes(dtype string, shape []uint64) (n uint64, known, ok bool) {
	width, known := storedBits[dtype]
	if !known {
		width = 8
	}
	n = width / 8
	for _, d := range shape {
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo > math.MaxInt64 || d > math.MaxInt64 {
			return 0, known, false
		}
		n = lo
	}
	return n, known, true
}

// checkCover sorts the entries by position and refuses data bytes that belong
// to no tensor or to two: both are signs of a damaged or hostile file.
func checkCover(path string, entries []entry, at, size int64) error {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), cmp.Compare(a.name, b.name))
	})
	before := "the header"
	for _, e := range entries {
		if e.begin < at {
			return tensorError(path, e.name, fmt.Sprintf("overlaps %s by %d bytes", before, at-e.begin))
		}
		if e.begin > at {
			return tensorError(path, e.name, fmt.Sprintf("leaves a gap of %d bytes after %s", e.begin-at, before))
		}
		at, before = e.end, "tensor "+e.name
	}
	if at != size {
		return fileError(path, fmt.Sprintf("has %d bytes after %s that belong to no tensor", size-at, before), nil)
	}
	return nil
}
