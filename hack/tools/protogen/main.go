// Command protogen generates Go code from .proto files with nothing but Go
// modules: a pure Go compiler for the language and the two official plugins, all
// pinned in this directory's go.mod. No protoc has to be installed.
//
// Usage, from this directory: go run . PROTO… (paths from the repository's root).
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// root is the repository's root as seen from this directory. Files are named
// from there, so that their names are unique in a program's registry.
const root = "../../.."

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("protogen: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: protogen PROTO…")
	}
	request, err := compile(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range plugins {
		if err := generate(p, request); err != nil {
			log.Fatalf("%s: %v", p, err)
		}
	}
}

// compile parses and links the files and describes them as plugins expect it:
// every file after those it imports, comments included.
func compile(names []string) ([]byte, error) {
	c := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := c.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		Parameter:      proto.String("paths=source_relative"),
		ProtoFile:      withImports(files),
	})
}

func withImports(files linker.Files) (out []*descriptorpb.FileDescriptorProto) {
	seen := map[string]bool{}
	var visit func(f protoreflect.FileDescriptor)
	visit = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := 0; i < f.Imports().Len(); i++ {
			visit(f.Imports().Get(i).FileDescriptor)
		}
		out = append(out, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range files {
		visit(f)
	}
	return out
}

// generate runs a plugin, built from the version in go.mod, and writes its files.
func generate(plugin string, request []byte) error {
	cmd := exec.CommandContext(context.Background(), "go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(request), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return fmt.Errorf("%s", response.GetError())
	}
	for _, f := range response.File {
		if err := os.WriteFile(filepath.Join(root, f.GetName()), []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
