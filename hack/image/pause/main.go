// Command pause is the process that keeps a pod's namespaces open: it sleeps until it is told to go.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// As process 1 of a shared pid namespace it inherits orphans: the kernel reaps the children of a
	// process that ignores SIGCHLD.
	signal.Ignore(syscall.SIGCHLD)
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGINT, syscall.SIGTERM)
	<-done
}
