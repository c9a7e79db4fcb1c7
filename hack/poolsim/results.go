package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

// results are what tables and plots are made of.
type results struct {
	Days  []*comparison
	Pools []*together
	mu    sync.Mutex
}

// readResults of earlier runs; none if there is no file.
func readResults(file string) (*results, error) {
	r := &results{}
	if file == "" {
		return r, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the user says which file
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, fmt.Errorf("results %s: %w", file, err)
	}
	return r, nil
}

// add puts the days of a pool in the place of the same days of earlier runs, and
// keeps the file. What was played with one setting for all days is of the days of
// the last run that had several.
func (r *results) add(t *together, file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range t.days {
		r.Days = slices.DeleteFunc(r.Days, func(old *comparison) bool { return old.Setup == c.Setup })
		r.Days = append(r.Days, c)
	}
	slices.SortStableFunc(r.Days, func(a, b *comparison) int { return a.Setup.place() - b.Setup.place() })
	if i := slices.IndexFunc(r.Pools, func(old *together) bool { return old.Pool == t.Pool }); i < 0 {
		r.Pools = append(r.Pools, t)
	} else if t.Policies != nil {
		r.Pools[i] = t
	}
	slices.SortStableFunc(r.Pools, func(a, b *together) int { return a.Setups[0].place() - b.Setups[0].place() })
	if file == "" {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600) //nolint:gosec // the user says which file
}

// place of a setup in the tables: as documented, others after them.
func (s setup) place() int {
	all := strings.Split(documented, ",")
	for i, text := range all {
		if one, err := parseSetup(text); err == nil && one == s {
			return i
		}
	}
	return len(all)
}

func (r *results) print(out io.Writer) {
	for _, c := range r.Days {
		c.print(out)
	}
	fmt.Fprintln(out, "\nOne setting for all days of a pool")
	fmt.Fprint(out, togetherTable(r.Pools))
}
