package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func writeProgram(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "olmoe")
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func digestOf(t *testing.T, content string) v1.Hash {
	t.Helper()
	img, err := newImage(writeProgram(t, content), "amd64", "v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestDigestDependsOnTheProgramAlone(t *testing.T) {
	first, again, other := digestOf(t, "program"), digestOf(t, "program"), digestOf(t, "another")
	if first != again {
		t.Errorf("same program, two digests: %s and %s", first, again)
	}
	if first == other {
		t.Errorf("two programs, one digest: %s", first)
	}
}

func TestImageConfig(t *testing.T) {
	img, err := newImage(writeProgram(t, "program"), "arm64", "v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(file.OS, " ", file.Architecture, " ", file.Config.User, " ", file.Config.Entrypoint)
	if want := "linux arm64 65532:65532 [/olmoe]"; got != want {
		t.Errorf("config: got %q, want %q", got, want)
	}
}

func TestLayerFiles(t *testing.T) {
	var archive strings.Builder
	license := filepath.Join(t.TempDir(), "LICENSE")
	if err := os.WriteFile(license, []byte("as you please"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTar(&archive, writeProgram(t, "program"), []string{license}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(strings.NewReader(archive.String())); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o", h.Name, h.Mode))
		if h.Uid != 0 || h.ModTime.Unix() > 0 {
			t.Errorf("%s: owner %d, date %s: want root and 1970", h.Name, h.Uid, h.ModTime)
		}
	}
	want := "etc/ 755, etc/group 644, etc/passwd 644, licenses/ 755, licenses/LICENSE 644, olmoe 755, tmp/ 1777"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("files: got %s; want %s", s, want)
	}
}

func TestPushToOwnRegistryAndPullBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serveOn(ctx, listener, t.TempDir()) }()

	ref := listener.Addr().String() + "/olmoe:test"
	if err := run(ctx, []string{"push", "--binary", writeProgram(t, "program"), "--version", "v1", "--insecure", ref}); err != nil {
		t.Fatal(err)
	}
	digest, err := crane.Digest(ref, crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if want := digestOf(t, "program").String(); digest != want {
		t.Errorf("digest in the registry: got %s, want %s", digest, want)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("registry did not stop cleanly: %v", err)
	}
}

// TestPushLogsInAsDockerDoes pushes to a registry that wants the name and password of
// Docker's configuration.
func TestPushLogsInAsDockerDoes(t *testing.T) {
	open := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	login := fmt.Sprintf(`{"auths": {%q: {"username": "me", "password": "secret"}}}`, host)
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"push", "--binary", writeProgram(t, "program"), host + "/me/olmoe:v1"}); err != nil {
		t.Error(err)
	}
}

// TestInsecurePushAsksNobody: a cluster of this machine's own has a registry without login,
// whatever Docker Desktop has left in the configuration.
func TestInsecurePushAsksNobody(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(`{"credsStore": "is-not-there"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := strings.TrimPrefix(server.URL, "http://") + "/olmoe:v1"
	if err := run(t.Context(), []string{"push", "--binary", writeProgram(t, "program"), "--insecure", ref}); err != nil {
		t.Error(err)
	}
}

func TestSaveWritesALoadableArchive(t *testing.T) {
	out := filepath.Join(t.TempDir(), "olmoe.tar")
	if err := run(context.Background(), []string{"save", "--binary", writeProgram(t, "program"), "--tag", "example.test/olmoe:v1", out}); err != nil {
		t.Fatal(err)
	}
	img, err := crane.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := img.Layers(); err != nil || len(layers) != 1 {
		t.Errorf("layers: got %d (%v), want 1", len(layers), err)
	}
}

func TestBadCommandLines(t *testing.T) {
	for name, args := range map[string][]string{
		"no command":      {},
		"unknown command": {"pull"},
		"no binary":       {"push", "example.test/olmoe:v1"},
		"missing licence": {"save", "--binary", os.Args[0], "--licenses", "/does/not/exist", "--tag", "example.test/olmoe:v1", "out.tar"},
		"missing file":    {"push", "--binary", "/does/not/exist", "example.test/olmoe:v1"},
		"bad reference":   {"push", "--binary", os.Args[0], "UPPER CASE"},
		"no tag":          {"save", "--binary", os.Args[0], "out.tar"},
		"no disk":         {"serve"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(context.Background(), args); err == nil {
				t.Errorf("run(%q): no error", args)
			}
		})
	}
}
