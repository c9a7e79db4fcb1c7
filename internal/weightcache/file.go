package weightcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

// A file is the part's bytes, then this footer: the bytes begin with a page, so that
// huge pages of the file are huge pages of the part. Numbers are little-endian.
//
//	 0  8 magic
//	 8  4 version
//	12  4 digest of the part's bytes (type digest)
//	16  8 number of the part's bytes
//	24 32 SHA-256 of the cache's key and the part's name
//	56  4 zero
//	60  4 CRC-32C of the footer's first 60 bytes
const (
	magic      = "OLMOE-W\n"
	version    = 3 // 1 had a CRC-32C of the part, 2 a header
	footerSize = 64
)

// castagnoli is the footer's.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digestFactor is odd, so that a digest depends on every chunk and on their order.
const digestFactor = 0x9E3779B97F4A7C15

// digest is of a part's bytes in chunks, the last one shorter: d = d*digestFactor +
// XXH3-64(chunk), modulo 2^64, from 0. It is computed about as fast as memory is read,
// which a CRC is not everywhere (docs/adr/0099); of its upper half, all but one in 2^32
// accidents change it.
type digest uint64

func (d *digest) add(chunk []byte) { *d = *d*digestFactor + digest(xxh3.Hash(chunk)) }

func (d digest) sum() uint32 { return uint32(d >> 32) }

// digestOf is that of a whole part.
func digestOf(data []byte) (d digest) {
	for rest := range slices.Chunk(data, chunk) {
		d.add(rest)
	}
	return d
}

// footer says what a file holds.
type footer struct {
	sum  uint32 // of the part's digest
	size uint64
	id   [sha256.Size]byte
}

// partID tells parts and what they were made of apart.
func partID(key, name string) [sha256.Size]byte {
	return sha256.Sum256([]byte(key + "\n" + name))
}

func (f footer) encode() []byte {
	b := make([]byte, 0, footerSize)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, f.sum)
	b = binary.LittleEndian.AppendUint64(b, f.size)
	b = append(b, f.id[:]...)
	b = append(b, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var (
	errFormat  = errors.New("is not a file of this cache")
	errCut     = errors.New("has another size than it says")
	errFooter  = errors.New("has a damaged footer")
	errOther   = errors.New("holds another part, or was made of other weights")
	errDamaged = errors.New("is damaged: the digest does not match")
)

// decode reads a footer and checks that it is one.
func decode(b []byte) (f footer, err error) {
	switch {
	case len(b) != footerSize || !bytes.HasPrefix(b, []byte(magic)):
		return f, errFormat
	case binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return f, errFooter
	case binary.LittleEndian.Uint32(b[8:]) != version:
		return f, fmt.Errorf("has version %d, this program reads %d", binary.LittleEndian.Uint32(b[8:]), version)
	}
	f.sum, f.size = binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[16:])
	copy(f.id[:], b[24:56])
	return f, nil
}

// Parts are the files of whole parts, of all checkpoints, in a folder of caches.
func Parts(dir string) (files []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, temporary) {
			files = append(files, path)
		}
		return nil // a file that has got its name meanwhile is seen by the next look
	})
	return files
}
