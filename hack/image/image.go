package main

import (
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newImage makes a one-layer OCI image that starts the program at binary as a non-root user.
func newImage(binary, arch, version string, licenses []string) (v1.Image, error) {
	layer, err := newLayer(binary, licenses)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", arch
	name := filepath.Base(binary)
	id := strconv.Itoa(nonroot)
	file.Config = v1.Config{
		Entrypoint: []string{"/" + name},
		Env:        []string{"PATH=/"},
		User:       id + ":" + id,
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":   name,
			"org.opencontainers.image.version": version,
		},
	}
	return mutate.ConfigFile(img, file)
}
