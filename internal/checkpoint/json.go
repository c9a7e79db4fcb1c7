package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Sizes of the JSON files read whole. The published config.json has 800 bytes
// and the index 300 KB; the bounds only keep a wrong file from filling memory.
const (
	maxConfigBytes = 1 << 20
	maxIndexBytes  = 64 << 20
)

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
