package checkpoint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sideFile is a JSON file that was read at the start and is not mapped.
type sideFile struct {
	path string
	info fs.FileInfo // nil if it did not exist
}

// statSideFiles looks at the JSON files before they are read.
func statSideFiles(dir string) []sideFile {
	var list []sideFile
	for _, name := range []string{configFile, generationFile, indexFile} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		list = append(list, sideFile{path, info})
	}
	return list
}

// replaced reports a file that differs from what was read, in whatever way: a
// restart would see another model, this process does not read it again.
func (f sideFile) replaced() *Error {
	now, err := os.Stat(f.path)
	if known := err == nil || errors.Is(err, fs.ErrNotExist); known && !f.same(now) {
		return replacedError(f.path, err)
	}
	return nil
}

// same compares with a later look; nil stands for no file.
func (f sideFile) same(now fs.FileInfo) bool {
	if f.info == nil || now == nil {
		return f.info == nil && now == nil
	}
	return os.SameFile(now, f.info) && now.Size() == f.info.Size() && now.ModTime().Equal(f.info.ModTime())
}
