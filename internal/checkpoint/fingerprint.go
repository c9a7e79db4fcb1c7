package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sampleBytes is read from the middle of every tensor: enough that two training
// states of one model differ in some of it, and 0.1 % of the file's pages.
const sampleBytes = 64

// fingerprintBytes of a SHA-256 are kept: it tells checkpoints apart, it does
// not protect against forgery.
const fingerprintBytes = 8

// Fingerprint is 16 hex digits over the config, the files' names and sizes,
// every tensor's name, type, shape and offsets, and 64 bytes from the middle of
// each; then the form of the weights unless they are as stored. Pods with
// different fingerprints must not work together. A difference
// outside the sampled bytes goes unseen (docs/adr/0012).
func (c *Checkpoint) Fingerprint() string { return c.fingerprint }

// computeFingerprint hashes the shards in the order of their names.
func (c *Checkpoint) computeFingerprint() string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%+v\n", *c.config)
	for _, s := range c.shards {
		_, _ = fmt.Fprintf(h, "%s %d %x\n", filepath.Base(s.path), s.base.Size, s.sum)
	}
	return hex.EncodeToString(h.Sum(nil)[:fingerprintBytes])
}

// Origin is the fingerprint with the files' modification times: what was made of
// the weights and kept is of no use once a file was written, even where the
// fingerprint does not see it.
func (c *Checkpoint) Origin() string {
	at := c.fingerprint
	for _, s := range c.shards {
		at += fmt.Sprintf(" %d.%09d", s.base.Mtim.Sec, s.base.Mtim.Nsec)
	}
	return at
}

type digest [sha256.Size]byte

// contentSum hashes the header's meaning and the samples. It reads with pread:
// going through the mapping would make the pages count as ours.
func (s *shard) contentSum() (sum digest, err error) {
	s.requestSamples()
	h := sha256.New()
	buf := make([]byte, sampleBytes)
	for _, e := range s.entries {
		_, _ = fmt.Fprintf(h, "%q %s %v %d %d\n", e.name, e.dtype, e.shape, e.begin, e.end)
		at, n := e.sample()
		if _, err := s.file.ReadAt(buf[:n], at); err != nil {
			return sum, &Error{Kind: ErrInvalid, Path: s.path, Where: "tensor " + e.name, Problem: "cannot be read", Cause: err}
		}
		_, _ = h.Write(buf[:n])
	}
	h.Sum(sum[:0])
	return sum, nil
}

// requestSamples has the kernel start reading all samples that it does not hold
// yet, so that a cold start waits for the disk once and not for each tensor.
func (s *shard) requestSamples() {
	for _, e := range s.entries {
		at, n := e.sample()
		_ = unix.Fadvise(int(s.file.Fd()), at, n, unix.FADV_WILLNEED)
	}
}

// sample is where a tensor's sampled bytes are.
func (e entry) sample() (at, n int64) {
	n = min(sampleBytes, e.end-e.begin)
	return e.begin + (e.end-e.begin-n)/2, n
}
