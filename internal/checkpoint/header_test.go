package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// file is a weights file with the given header text and data bytes.
func file(text string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(b, text...), make([]byte, data)...)
}

// one is a header entry.
func one(name, dtype, shape string, begin, end uint64) string {
	return fmt.Sprintf(`%q: {"dtype": %q, "shape": %s, "data_offsets": [%d, %d]}`, name, dtype, shape, begin, end)
}

// read is readHeader of bytes.
func read(b []byte) ([]entry, error) {
	return readHeader("dir/w.safetensors", bytes.NewReader(b), int64(len(b)))
}

func TestHeader(t *testing.T) {
	text := "{" + `"__metadata__": {"format": "pt"},` +
		one("b", "F32", "[2, 3]", 4, 28) + "," + one("a", "BF16", "[2]", 0, 4) + "," +
		one("scalar", "F16", "[]", 28, 30) + "," + one("empty", "F16", "[0, 7]", 30, 30) + "," +
		one("new type", "F4_NEW", "[9]", 30, 35) + "}   "
	got, err := read(file(text, 35))
	if err != nil {
		t.Fatal(err)
	}
	at := int64(8 + len(text))
	want := []entry{
		{"a", "BF16", []int{2}, at, at + 4},
		{"b", "F32", []int{2, 3}, at + 4, at + 28},
		{"scalar", "F16", []int{}, at + 28, at + 30},
		{"empty", "F16", []int{0, 7}, at + 30, at + 30},
		{"new type", "F4_NEW", []int{9}, at + 30, at + 35},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestEmptyHeader(t *testing.T) {
	if got, err := read(file("{}", 0)); err != nil || len(got) != 0 {
		t.Errorf("%v, error %v", got, err)
	}
}

// A length is checked against the file before memory is taken for it.
func TestHeaderLength(t *testing.T) {
	prefix := func(n uint64, rest string) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, n), rest...)
	}
	for _, c := range []struct {
		name    string
		data    []byte
		problem string
	}{
		{"nothing", nil, "has 0 bytes"},
		{"seven bytes", make([]byte, 7), "has 7 bytes"},
		{"2^60 bytes", prefix(1<<60, "{}"), "length is 1152921504606846976"},
		{"2^64-1 bytes", prefix(math.MaxUint64, "{}"), "want 2 to"},
		{"one over the limit", prefix(maxHeaderBytes+1, "{}"), "want 2 to"},
		{"longer than the file", prefix(3, "{}"), "length 3 exceeds the file of 10 bytes"},
		{"zero", prefix(0, ""), "length is 0"},
		{"no JSON", prefix(2, "xx"), "not a JSON object"},
		{"cut short", prefix(2, `{"`), "ends in the middle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.data)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "dir/w.safetensors: ") || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want one about %q", err, c.problem)
			}
		})
	}
}

func TestHeaderErrorsNameTheTensor(t *testing.T) {
	const data = 16
	raw := func(value string) string { return `"x": ` + value }
	for _, c := range []struct{ name, entries, problem string }{
		{"out of range", one("x", "F32", "[8]", 0, 32), "do not lie in the file's 16 data bytes"},
		{"begins after its end", one("x", "F32", "[1]", 8, 4), "[8, 4]"},
		{"far out of range", one("x", "F32", "[1]", 1<<63, 1<<63+4), "do not lie"},
		{"shape larger than bytes", one("x", "F32", "[5]", 0, 16), "do not fill the 16 bytes"},
		{"shape smaller than bytes", one("x", "F32", "[3]", 0, 16), "do not fill"},
		{"shape overflows", one("x", "F32", "[4294967296, 4294967296, 4]", 0, 16), "do not fill"},
		{"shape overflows to the right size", one("x", "U8", "[16, 1152921504606846977]", 0, 16), "do not fill"},
		{"huge empty shape", one("x", "U8", "[0, 18446744073709551615]", 0, 0) + "," + one("y", "U8", "[16]", 0, 16), "do not fill"},
		{"many dimensions", one("x", "U8", "[16,1,1,1,1,1,1,1,1]", 0, 16), "9 dimensions"},
		{"negative dimension", one("x", "F32", "[-4]", 0, 16), "shape is [-4]"},
		{"fraction", one("x", "F32", "[4.5]", 0, 16), "shape is [4.5]"},
		{"overlap", one("a", "F32", "[3]", 0, 12) + "," + one("x", "F32", "[2]", 8, 16), "overlaps tensor a by 4 bytes"},
		{"contained", one("a", "F32", "[4]", 0, 16) + "," + one("x", "F32", "[1]", 4, 8), "overlaps tensor a"},
		{"the same bytes", one("a", "F32", "[4]", 0, 16) + "," + one("x", "F32", "[4]", 0, 16), "overlaps tensor a by 16 bytes"},
		{"gap", one("a", "F32", "[1]", 0, 4) + "," + one("x", "F32", "[2]", 8, 16), "gap of 4 bytes after tensor a"},
		{"gap at the start", one("x", "F32", "[2]", 8, 16), "gap of 8 bytes after the header"},
		{"no dtype", raw(`{"shape": [4], "data_offsets": [0, 16]}`), "lacks one of"},
		{"no offsets", raw(`{"dtype": "F32", "shape": [4]}`), "lacks one of"},
		{"dtype null", raw(`{"dtype": null, "shape": [4], "data_offsets": [0, 16]}`), "dtype is null"},
		{"shape null", raw(`{"dtype": "F32", "shape": null, "data_offsets": [0, 16]}`), "shape is null"},
		{"dtype twice", raw(`{"dtype": "F32", "dtype": "F16", "shape": [4], "data_offsets": [0, 16]}`), "two entries"},
		{"one offset", raw(`{"dtype": "F32", "shape": [4], "data_offsets": [0]}`), "has 1 numbers"},
		{"three offsets", raw(`{"dtype": "F32", "shape": [4], "data_offsets": [0, 16, 16]}`), "has 3 numbers"},
		{"a list", raw(`[]`), "not a JSON object"},
		{"a number", raw(`4`), "not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(file("{"+c.entries+"}", data))
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error %v, want ErrInvalid", err)
			}
			for _, part := range []string{"dir/w.safetensors: tensor x: ", c.problem} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestHeaderErrorsOfTheWholeFile(t *testing.T) {
	whole := one("x", "F32", "[4]", 0, 16)
	for _, c := range []struct {
		name    string
		data    []byte
		problem string
	}{
		{"the same name twice", file("{"+whole+","+whole+"}", 16), `two entries "x"`},
		{"bytes at the end", file("{"+whole+"}", 20), "4 bytes after tensor x that belong to no tensor"},
		{"data without tensors", file("{}", 3), "3 bytes after the header that belong to no tensor"},
		{"truncated data", file("{"+whole+"}", 15), "data bytes"},
		{"invalid UTF-8", file("{\"\xff\": 1}", 0), "UTF-8"},
		{"name cut by a surrogate", file(`{"\ud800": 1}`, 0), "not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.data)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "dir/w.safetensors: ") || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want one about %q", err, c.problem)
			}
		})
	}
}

// failing is a file that cannot be read after the first bytes.
type failing struct{ *bytes.Reader }

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at > 0 {
		return 0, errors.New("disk on fire")
	}
	return f.Reader.ReadAt(p, at)
}

func TestHeaderThatCannotBeRead(t *testing.T) {
	b := file("{}", 0)
	_, err := readHeader("w", failing{bytes.NewReader(b)}, int64(len(b)))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("error %v", err)
	}
}
