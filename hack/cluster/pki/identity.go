package main

import "net"

// identity is who a certificate speaks for: a Kubernetes user and its group, or a server's names.
type identity struct {
	file       string // base name of its files
	name       string // common name: the user
	group      string // organisation: the user's group; empty for none
	dns        []string
	ips        []net.IP
	kubeconfig bool // a client of the API server that reads a kubeconfig
}

// identities lists every certificate that the cluster authority signs. The names are the ones that
// Kubernetes' own RBAC bootstrap roles and the node authorizer know.
func identities(host, service net.IP, nodes []node) []identity {
	ids := []identity{
		{
			file: "apiserver", name: "kube-apiserver",
			dns: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			ips: []net.IP{net.IPv4(127, 0, 0, 1), host, service},
		},
		{file: "apiserver-kubelet-client", name: "kube-apiserver-kubelet-client"},
		{file: "admin", name: "admin", group: "system:masters", kubeconfig: true},
		{file: "controller-manager", name: "system:kube-controller-manager", kubeconfig: true},
		{file: "scheduler", name: "system:kube-scheduler", kubeconfig: true},
		{file: "kube-proxy", name: "system:kube-proxy", kubeconfig: true},
	}
	for _, n := range nodes {
		ids = append(ids, identity{
			file: n.name, name: "system:node:" + n.name, group: "system:nodes",
			dns: []string{n.name}, ips: []net.IP{n.ip}, kubeconfig: true,
		})
	}
	return ids
}
