package weightcache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// keyBytes of a SHA-256 name the folder of what was made of the same weights.
const keyBytes = 8

// Cache is the parts made of one checkpoint. Its methods may be called from
// several goroutines. A nil Cache holds nothing and keeps nothing.
type Cache struct {
	key     string
	folders []*folder  // of the parts; the first is written to
	limit   int64      // bytes that such folders may hold together; 0 = no limit of its own
	taking  sync.Mutex // room
	used    atomic.Int64
	free    float64 // part of the file system that stays free
	log     logr.Logger
	failed  atomic.Bool // nothing can be kept any more
	counts  [outcomes]atomic.Int64
	mapped  mapped
}

// own is the folder that is written to.
func (c *Cache) own() string { return c.folders[0].dir }

// Folders are where parts are looked for. They are kept in the first one, which is
// made if it is missing.
type Folders struct {
	Dirs  []string
	Limit int64   // bytes in the first at most, of all checkpoints; 0 = what its file system allows
	Free  float64 // part of the file system that stays free; 0 = a tenth
}

// Open makes a cache of what is made of key, which names the checkpoint's bytes
// and the way in which parts are made of them. Files of another version are in another
// folder, and give way as those of another checkpoint do. No folders, no cache.
func Open(key string, log logr.Logger, f Folders) *Cache {
	if len(f.Dirs) == 0 {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%d", key, version))
	c := &Cache{key: key, log: log, limit: f.Limit, free: cmp.Or(f.Free, keepFree)}
	for _, dir := range f.Dirs {
		c.folders = append(c.folders, &folder{dir: filepath.Join(dir, hex.EncodeToString(sum[:keyBytes]))})
	}
	c.prune(time.Now())
	if c.limit > 0 {
		c.used.Store(kept(f.Dirs[0]))
	}
	return c
}

// Outcome is what became of a part.
type Outcome int

// The outcomes that are counted.
const (
	Hit     Outcome = iota // read
	Miss                   // not there
	Damaged                // there, but not what it should be
	Kept                   // written
	outcomes
)

// Outcomes are all of them, by the names that metrics give them.
var Outcomes = map[string]Outcome{"hit": Hit, "miss": Miss, "damaged": Damaged, "kept": Kept}

// Count is how many parts had an outcome.
func (c *Cache) Count(o Outcome) int64 {
	if c == nil {
		return 0
	}
	return c.counts[o].Load()
}
