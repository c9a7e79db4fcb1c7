package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxPlanFile bounds the input: 64 layers of 4,096 experts take about 8 MB.
const maxPlanFile = 64 << 20

// readLoads refuses null, which would count as 0 without a word.
func readLoads(name string) (map[string][]float64, error) {
	var file map[string][]*float64
	if err := readPlanFile(name, &file); err != nil {
		return nil, err
	}
	loads := make(map[string][]float64, len(file))
	for _, key := range layerOrder(file) {
		loads[key] = make([]float64, len(file[key]))
		for i, v := range file[key] {
			if v == nil {
				return nil, fmt.Errorf("%s: layer %s: the load of expert %d is null", name, key, i)
			}
			loads[key][i] = *v
		}
	}
	return loads, nil
}

// readPlanFile reads the one JSON object of a file.
func readPlanFile(name string, to any) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := &io.LimitedReader{R: file, N: maxPlanFile}
	d := json.NewDecoder(in)
	err = d.Decode(to)
	var shape *json.UnmarshalTypeError
	switch {
	case err != nil && in.N == 0:
		return fmt.Errorf("%s: it is larger than %d MiB", name, maxPlanFile>>20)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: it is empty; a JSON object is wanted (olmoe plan --help)", name)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: it ends in the middle of its JSON object", name)
	case errors.As(err, &shape):
		return fmt.Errorf("%s: a JSON %s at byte %d, which does not belong there (olmoe plan --help)", name, shape.Value, shape.Offset)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%s: there is more after the JSON object, or the file is larger than %d MiB", name, maxPlanFile>>20)
	}
	return nil
}
