package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
)

// module is one that at least one linked package comes from.
type module struct {
	Path, Version, Dir string

	licenses []string
}

// linkedModules asks go list for the modules of all packages that the given ones are linked from;
// sorted by path, without the main module and the standard library.
func linkedModules(packages []string) ([]module, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	return decodeModules(bytes.NewReader(data))
}

func decodeModules(r io.Reader) ([]module, error) {
	seen := map[string]module{}
	for d := json.NewDecoder(r); ; {
		var p struct {
			Module *struct {
				module
				Main bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module != nil && !p.Module.Main {
			seen[p.Module.Path] = p.Module.module
		}
	}
	var list []module
	for _, m := range seen {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}
