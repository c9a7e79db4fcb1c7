package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxJSONFile bounds the input: loads of 64 layers of 4,096 experts take about 8 MB.
const maxJSONFile = 64 << 20

// byteOrderMark is what editors on Windows begin a file with.
const byteOrderMark = "\ufeff"

// readJSON reads the one JSON object of a file. It refuses a name that stands twice in an
// object, of which encoding/json would take the last.
func readJSON(name string, to any) error {
	text, err := readBounded(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	err = d.Decode(to)
	var shape *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: it is empty; a JSON object is wanted (see --help)", name)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: it ends in the middle of its JSON object", name)
	case errors.As(err, &shape):
		return fmt.Errorf("%s: a JSON %s at byte %d, which does not belong there (see --help)", name, shape.Value, shape.Offset)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: no JSON at byte %d: %w", name, syntax.Offset, err)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%s: there is more after the JSON object", name)
	}
	names := json.NewDecoder(bytes.NewReader(text))
	names.UseNumber() // one of a field that is ignored may be any
	if err := namesOnce(names); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxJSONFile+1))
	if err == nil && len(text) > maxJSONFile {
		err = fmt.Errorf("%s: it is larger than %d MiB", name, maxJSONFile>>20)
	}
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), err
}

// namesOnce goes through a value that is known to be JSON.
func namesOnce(d *json.Decoder) error {
	token, err := d.Token()
	open, ok := token.(json.Delim)
	if err != nil || !ok {
		return err
	}
	seen := map[json.Token]bool{}
	for d.More() {
		if open == '{' {
			if token, err = d.Token(); err != nil {
				return err
			}
			if seen[token] {
				return fmt.Errorf("%q stands twice in one object: keep one of them", token)
			}
			seen[token] = true
		}
		if err := namesOnce(d); err != nil {
			return err
		}
	}
	_, err = d.Token() // the end
	return err
}
