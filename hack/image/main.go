// Command image makes container images from static programs, without Docker.
//
//	image push  --binary FILE [--licenses FILE,FILE] [--insecure] REF     build and push to a registry, logged in as Docker is
//	image save  --binary FILE [--licenses FILE,FILE] --tag REF OUT.tar    build and write an archive (ctr images import, docker load)
//	image serve --address HOST:PORT --disk DIR     a registry for a development cluster
//
// Images are reproducible: one layer with the program, /licenses, /etc/passwd, /etc/group and /tmp, nothing dated.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command; use one of push, save, serve")
	}
	switch args[0] {
	case "push":
		return push(ctx, args[1:])
	case "save":
		return save(args[1:])
	case "serve":
		return serve(ctx, args[1:])
	}
	return fmt.Errorf("unknown command %q; use one of push, save, serve", args[0])
}

// buildFlags are the flags that push and save share.
type buildFlags struct {
	*flag.FlagSet
	binary, arch, version string
	licenses              []string
}

func newBuildFlags(command string) *buildFlags {
	f := &buildFlags{FlagSet: flag.NewFlagSet(command, flag.ContinueOnError)}
	f.StringVar(&f.binary, "binary", "", "the static program (required)")
	f.StringVar(&f.arch, "arch", runtime.GOARCH, "the program's architecture, as GOARCH")
	f.StringVar(&f.version, "version", "dev", "version label")
	f.Func("licenses", "licence texts that go along, below /licenses/, separated by commas", func(list string) error {
		f.licenses = strings.Split(list, ",")
		return nil
	})
	return f
}

// image parses args, which must leave exactly one argument, and builds the image.
func (f *buildFlags) image(args []string, last string) (v1.Image, error) {
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.binary == "" || f.NArg() != 1 {
		return nil, fmt.Errorf("usage: image %s --binary FILE %s", f.Name(), last)
	}
	return newImage(f.binary, f.arch, f.version, f.licenses)
}

func push(ctx context.Context, args []string) error {
	f := newBuildFlags("push")
	insecure := f.Bool("insecure", false, "the registry speaks plain HTTP")
	img, err := f.image(args, "REF")
	if err != nil {
		return err
	}
	var opts []name.Option
	to := []remote.Option{remote.WithContext(ctx)}
	if *insecure { // no password goes over plain HTTP
		opts = append(opts, name.Insecure)
	} else {
		to = append(to, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	}
	ref, err := name.ParseReference(f.Arg(0), opts...)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, img, to...); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return printDigest(ref, img)
}

func save(args []string) error {
	f := newBuildFlags("save")
	tag := f.String("tag", "", "the image's name in the archive (required)")
	img, err := f.image(args, "--tag REF OUT.tar")
	if err != nil {
		return err
	}
	ref, err := name.NewTag(*tag)
	if err != nil {
		return fmt.Errorf("--tag: %w", err)
	}
	if err := tarball.WriteToFile(f.Arg(0), ref, img); err != nil {
		return fmt.Errorf("write %s: %w", f.Arg(0), err)
	}
	return printDigest(ref, img)
}

func printDigest(ref name.Reference, img v1.Image) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s@%s\n", ref.Context().Name(), digest)
	return nil
}
