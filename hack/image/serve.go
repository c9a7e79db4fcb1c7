package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const (
	headerTimeout = 10 * time.Second // a client that opens a connection and says nothing
	drainTimeout  = 2 * time.Second  // requests in flight when the registry is told to stop
)

// serve runs a registry until ctx ends. Blobs are kept in --disk; manifests only in memory, so
// after a restart images must be pushed again (layers that are there already are not sent twice).
func serve(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	address := f.String("address", "127.0.0.1:5000", "where to listen")
	disk := f.String("disk", "", "folder for blobs (required)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *disk == "" {
		return errors.New("serve: --disk is required")
	}
	if err := os.MkdirAll(*disk, 0o755); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	fmt.Printf("registry at http://%s\n", listener.Addr())
	return serveOn(ctx, listener, *disk)
}

func serveOn(ctx context.Context, listener net.Listener, disk string) error {
	handler := registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(disk)),
		registry.Logger(log.New(io.Discard, "", 0)),
	)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err := server.Shutdown(drain)
		if err != nil {
			err = server.Close() // cut what is left: a connection that was opened and never used is not idle
		}
		stopped <- err
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
