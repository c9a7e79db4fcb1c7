// Command coredns is CoreDNS with only the plugins that a small cluster's DNS needs.
//
// The stock binary links every plugin, and with them the SDKs of several clouds: many minutes of
// compiling for code that never runs. This one shares nearly all of its packages with the
// Kubernetes binaries of the same module.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

func init() {
	// The order is the order in which a query passes the plugins (a subset of CoreDNS's plugin.cfg).
	dnsserver.Directives = []string{"reload", "health", "ready", "errors", "cache", "loadbalance", "kubernetes"}
}

func main() { coremain.Run() }
