package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
)

// module is one that at least one linked package comes from.
type module struct {
	Path, Version, Dir string

	folders  []string // of linked packages, and what they lie in, from Dir on; sorted
	licenses []string
}

// linkedModules asks go list for the modules of all packages that the given ones are linked from;
// sorted by path, without the main module and the standard library.
func linkedModules(packages []string) ([]*module, error) {
	data, err := runGo(append([]string{"list", "-deps", "-json=Module,Dir"}, packages...)...)
	if err != nil {
		return nil, err
	}
	return decodeModules(bytes.NewReader(data))
}

// standardLibrary is what every program is linked from, as if it were a module.
func standardLibrary() (*module, error) {
	root, err := runGo("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	dir := string(bytes.TrimSpace(root))
	return &module{Path: "go", Dir: dir, folders: []string{dir}}, nil
}

func runGo(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.String())
	}
	return data, nil
}

func decodeModules(r io.Reader) ([]*module, error) {
	seen := map[string]*module{}
	for d := json.NewDecoder(r); ; {
		var p struct {
			Dir    string
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
		if p.Module == nil || p.Module.Main {
			continue
		}
		m := seen[p.Module.Path]
		if m == nil {
			m = &p.Module.module
			seen[m.Path] = m
		}
		m.addFolders(p.Dir)
	}
	var list []*module
	for _, m := range seen {
		slices.Sort(m.folders)
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *module) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

// addFolders adds a package's folder and all that it lies in.
func (m *module) addFolders(dir string) {
	for !slices.Contains(m.folders, dir) {
		m.folders = append(m.folders, dir)
		if dir != m.Dir {
			dir = filepath.Dir(dir)
		}
	}
}
