package weightcache

import (
	"cmp"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// keepOthers is how many other checkpoints' parts stay in a folder: those of
	// the version before and of one more, so that going back is fast.
	keepOthers = 2
	// abandoned is the age at which a file that was being written is nobody's: a
	// part is written in seconds.
	abandoned = time.Hour
)

// prune bounds the folder that is written to: parts of the checkpoint in use and
// of those used last. Only what is named as this package names it is touched. A
// folder that is in use elsewhere may go: its parts are read, or made again.
func (c *Cache) prune(now time.Time) {
	own := c.own()
	_ = os.Chtimes(own, now, now) // the mark of its last use
	others := c.others()
	for _, d := range others[min(keepOthers, len(others)):] {
		_ = os.RemoveAll(filepath.Join(filepath.Dir(own), d.Name()))
	}
	removeAbandoned(own, now)
}

// others are the folders of other checkpoints' parts, those used last first.
func (c *Cache) others() []fs.FileInfo {
	own := c.own()
	list := slices.DeleteFunc(keyDirs(filepath.Dir(own)), func(d fs.FileInfo) bool { return d.Name() == filepath.Base(own) })
	slices.SortFunc(list, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	return list
}

// keyDirs are the folders named by a key.
func keyDirs(dir string) (list []fs.FileInfo) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		raw, err := hex.DecodeString(e.Name())
		info, statErr := e.Info()
		if err == nil && statErr == nil && len(raw) == keyBytes && e.IsDir() {
			list = append(list, info)
		}
	}
	return list
}

// removeAbandoned removes what processes that were killed left half written.
func removeAbandoned(dir string, now time.Time) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), temporary) && now.Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
