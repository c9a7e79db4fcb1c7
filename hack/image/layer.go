package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the user and group that containers run as (the number that distroless images use).
const nonroot = 65532

const (
	passwd = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n" //nolint:gosec // no passwords
	group  = "root:x:0:\nnonroot:x:65532:\n"
)

// newLayer packs the program at binary, as /NAME, with the few files that programs look for,
// and its licences below /licenses/.
func newLayer(binary string, licenses []string) (v1.Layer, error) {
	var archive bytes.Buffer
	if err := writeTar(&archive, binary, licenses); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// entry is a file of the layer, or a folder, which has no data.
type entry struct {
	name string
	mode int64
	data []byte
}

// entries are the layer's files in one fixed order.
func entries(binary string, licenses []string) ([]entry, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	list := []entry{{"etc/", 0o755, nil}, {"etc/group", 0o644, []byte(group)}, {"etc/passwd", 0o644, []byte(passwd)}}
	if len(licenses) > 0 {
		list = append(list, entry{"licenses/", 0o755, nil})
	}
	for _, path := range licenses {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		list = append(list, entry{"licenses/" + filepath.Base(path), 0o644, text})
	}
	return append(list, entry{filepath.Base(binary), 0o755, program}, entry{"tmp/", 0o1777, nil}), nil
}

// writeTar writes the layer's files owned by root and dated 1970-01-01: the same files give the
// same bytes, hence the same digest.
func writeTar(w io.Writer, binary string, licenses []string) error {
	list, err := entries(binary, licenses)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for _, e := range list {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if e.data == nil {
			header.Typeflag = tar.TypeDir
		}
		if err := tw.WriteHeader(header); err != nil {
			return fmt.Errorf("layer entry %s: %w", e.name, err)
		}
		if _, err := tw.Write(e.data); err != nil {
			return fmt.Errorf("layer entry %s: %w", e.name, err)
		}
	}
	return tw.Close()
}
