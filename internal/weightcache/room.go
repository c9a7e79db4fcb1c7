package weightcache

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// keepFree is the part of the file system that a cache leaves free to others.
	keepFree = 0.10
	// FreeForKubelet is the part where a kubelet watches the disk: it collects images
	// and evicts pods from 15 % down (imagefs.available), and others want to grow, too.
	FreeForKubelet = 0.20
	// block is what a file's size is rounded up to on usual file systems.
	block = 4096
)

// onDisk is what a file of a part takes.
func onDisk(size int64) int64 { return (size + footerSize + block - 1) / block * block }

// room takes room for a part. It refuses what is above the limit, and to fill a file
// system that others need too. A part that replaces another counts twice: rather too
// little is kept than a pod evicted.
func (c *Cache) room(size int) error {
	need := onDisk(int64(size))
	if err := fileSystemRoom(c.own(), need, c.free); err != nil {
		return err
	}
	if c.limit > 0 && !c.take(need) {
		return fmt.Errorf("%s: the limit of %d MB is reached", filepath.Dir(c.own()), c.limit>>20)
	}
	return nil
}

// take takes room below the limit. Parts of other checkpoints, which are only for going
// back, give way to those in use: else the new ones would be made again at every start.
func (c *Cache) take(need int64) bool {
	c.taking.Lock()
	defer c.taking.Unlock()
	if need > c.limit {
		return false
	}
	for c.used.Load()+need > c.limit {
		others := c.others()
		if len(others) == 0 {
			return false
		}
		last := filepath.Join(filepath.Dir(c.own()), others[len(others)-1].Name())
		bytes := usage(last)
		if os.RemoveAll(last) != nil {
			return false
		}
		c.used.Add(-bytes)
	}
	c.used.Add(need)
	return true
}

func fileSystemRoom(dir string, need int64, part float64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return err
	}
	free := float64(s.Bavail)*float64(s.Bsize) - float64(need)
	if all := float64(s.Blocks) * float64(s.Bsize); all > 0 && free < part*all {
		return fmt.Errorf("%s: less than %.0f %% of the file system would stay free", dir, 100*part)
	}
	return nil
}

// kept is what all folders named by a key take.
func kept(dir string) (sum int64) {
	for _, d := range keyDirs(dir) {
		sum += usage(filepath.Join(dir, d.Name()))
	}
	return sum
}

// usage is what a folder's files take; what cannot be read does not count.
func usage(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that has gone meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += (info.Size() + block - 1) / block * block
		}
		return nil
	})
	return sum
}
