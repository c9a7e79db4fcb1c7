// Command pki makes the keys, certificates and kubeconfigs of a development cluster.
//
//	pki --dir DIR --host IP --service IP --node NAME=IP [--node NAME=IP ...]
//
// Files that exist are kept, so it can be run again to add a node. Everything below DIR grants full
// access to the cluster; keys are readable by their owner only.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// nodeList collects repeated --node NAME=IP flags.
type nodeList []node

type node struct {
	name string
	ip   net.IP
}

func (n *nodeList) String() string { return fmt.Sprint(*n) }

func (n *nodeList) Set(s string) error {
	name, address, ok := strings.Cut(s, "=")
	ip := net.ParseIP(address)
	if !ok || name == "" || ip == nil {
		return fmt.Errorf("want NAME=IP, got %q", s)
	}
	*n = append(*n, node{name, ip})
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pki:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("pki", flag.ContinueOnError)
	dir := f.String("dir", "", "where the files go (required)")
	host := f.String("host", "", "the control plane's address (required)")
	service := f.String("service", "", "the cluster IP of the kubernetes Service (required)")
	var nodes nodeList
	f.Var(&nodes, "node", "a node, as NAME=IP; may be repeated")
	if err := f.Parse(args); err != nil {
		return err
	}
	hostIP, serviceIP := net.ParseIP(*host), net.ParseIP(*service)
	if *dir == "" || hostIP == nil || serviceIP == nil {
		return fmt.Errorf("--dir, --host and --service are required; --host and --service are IP addresses")
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	return makeAll(*dir, hostIP, serviceIP, nodes)
}

// makeAll makes the two authorities, the key that signs service-account tokens, one certificate for
// each identity, and a kubeconfig for each that is a client of the API server.
func makeAll(dir string, host, service net.IP, nodes []node) error {
	ca, err := loadOrMakeCA(dir, "ca", "kubernetes")
	if err != nil {
		return err
	}
	frontProxy, err := loadOrMakeCA(dir, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := makeServiceAccountKey(dir); err != nil {
		return err
	}
	if err := makeLeaf(dir, frontProxy, identity{file: "front-proxy-client", name: "front-proxy-client"}); err != nil {
		return err
	}
	server := "https://" + net.JoinHostPort(host.String(), "6443")
	for _, id := range identities(host, service, nodes) {
		if err := makeLeaf(dir, ca, id); err != nil {
			return err
		}
		if !id.kubeconfig {
			continue
		}
		if err := writeKubeconfig(filepath.Join(dir, id.file+".kubeconfig"), dir, id.file, server); err != nil {
			return err
		}
	}
	return nil
}
