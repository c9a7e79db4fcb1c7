package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Sizes of the JSON files read whole. The published config.json has 800 bytes
// and the index 300 KB; the bounds only keep a wrong file from filling memory.
const (
	maxConfigBytes = 1 << 20
	maxIndexBytes  = 64 << 20
)

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fileError(path, "cannot be read", err)
	}
	if int64(len(raw)) > limit {
		return nil, fileError(path, fmt.Sprintf("is larger than %d bytes", limit), nil)
	}
	return raw, nil
}

// openError tells a missing file from one that cannot be opened.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return &Error{Kind: ErrUnreadable, Path: path, Problem: "cannot be opened", Cause: err}
	case !errors.Is(err, os.ErrNotExist):
		return fileError(path, "cannot be opened", err)
	}
	if target, err := os.Readlink(path); err == nil {
		return &Error{Kind: ErrDangling, Path: path, Problem: fmt.Sprintf("is a symbolic link to %s, which is not there", target)}
	}
	return &Error{Kind: ErrNotFound, Path: path, Problem: "does not exist"}
}

// Readable finds a file of the directory that is there and cannot be opened, or that is a
// link to nothing. One that is missing may be.
func Readable(dir string, names ...string) error {
	for _, name := range names {
		path := filepath.Join(dir, name)
		f, err := os.Open(path)
		if err == nil {
			_ = f.Close()
		} else if err := openError(path, err); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// member is one name and value of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// parseObject splits a JSON object into its members, in file order. Unlike
// encoding/json it keeps the case of names apart and refuses duplicates, which
// readers in other languages resolve differently.
func parseObject(raw []byte) ([]member, error) {
	members, err := parseWhole(raw)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.New("ends in the middle; is the download complete?")
	}
	return members, err
}

func parseWhole(raw []byte) ([]member, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	members, err := parseMembers(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("has text after the JSON object")
	}
	return members, nil
}

// parseMembers reads members until the closing brace.
func parseMembers(dec *json.Decoder) ([]member, error) {
	var members []member
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := tok.(string)
		if !ok {
			return nil, fmt.Errorf("has %v where a name belongs", tok)
		}
		if seen[name] {
			return nil, fmt.Errorf("has two entries %q", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("entry %q: %w", name, err)
		}
		members = append(members, member{name, value})
	}
	return members, nil
}
