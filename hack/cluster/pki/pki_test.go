package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func makeTestPKI(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := run([]string{"--dir", dir, "--host", "127.0.0.1", "--service", "10.96.0.1", "--node", "node1=192.0.2.11"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func loadCert(t *testing.T, dir, file string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, file+".crt"), filepath.Join(dir, file+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestIdentities(t *testing.T) {
	dir := makeTestPKI(t)
	tests := []struct{ file, ca, user, group, host string }{
		{"apiserver", "ca", "kube-apiserver", "", "10.96.0.1"},
		{"apiserver", "ca", "kube-apiserver", "", "kubernetes.default.svc"},
		{"node1", "ca", "system:node:node1", "system:nodes", "192.0.2.11"},
		{"admin", "ca", "admin", "system:masters", ""},
		{"front-proxy-client", "front-proxy-ca", "front-proxy-client", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			cert, roots := loadCert(t, dir, tt.file), x509.NewCertPool()
			roots.AddCert(loadCert(t, dir, tt.ca))
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: tt.host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
				t.Errorf("verify: %v", err)
			}
			if cert.Subject.CommonName != tt.user {
				t.Errorf("user: got %q, want %q", cert.Subject.CommonName, tt.user)
			}
			if got := append(cert.Subject.Organization, "")[0]; got != tt.group {
				t.Errorf("group: got %q, want %q", got, tt.group)
			}
		})
	}
}

func TestKubeconfigConnects(t *testing.T) {
	dir := makeTestPKI(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(loadCert(t, dir, "ca"))
	var user string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user = r.TLS.PeerCertificates[0].Subject.CommonName
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	defer server.Close()

	path := filepath.Join(dir, "node1.kubeconfig")
	if err := writeKubeconfig(path, dir, "node1", server.URL); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := tlsTransport(config.CAData, config.CertData, config.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Get(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if want := "system:node:node1"; user != want {
		t.Errorf("the server saw user %q, want %q", user, want)
	}
}

func tlsTransport(ca, cert, key []byte) (*http.Transport, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}, nil
}

func TestRunAgainKeepsWhatIsThere(t *testing.T) {
	dir := makeTestPKI(t)
	before := loadCert(t, dir, "node1")
	if err := makeAll(dir, net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), []node{{"node1", net.IPv4(192, 0, 2, 11)}, {"node2", net.IPv4(192, 0, 2, 12)}}); err != nil {
		t.Fatal(err)
	}
	if !before.Equal(loadCert(t, dir, "node1")) {
		t.Error("node1's certificate was made anew")
	}
	loadCert(t, dir, "node2")
}

func TestKeysArePrivate(t *testing.T) {
	dir := makeTestPKI(t)
	for _, name := range []string{"ca.key", "sa.key", "admin.key", "admin.kubeconfig"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s: mode %o, want 600", name, mode)
		}
	}
}

func TestBadArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"no directory":  {"--host", "127.0.0.1", "--service", "10.96.0.1"},
		"bad address":   {"--dir", t.TempDir(), "--host", "localhost", "--service", "10.96.0.1"},
		"bad node":      {"--dir", t.TempDir(), "--host", "127.0.0.1", "--service", "10.96.0.1", "--node", "node1"},
		"unknown flag":  {"--nodes", "1"},
		"damaged files": {"--dir", damaged(t), "--host", "127.0.0.1", "--service", "10.96.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(args); err == nil {
				t.Errorf("run(%q): no error", args)
			}
		})
	}
}

// damaged is a folder whose authority is not a certificate.
func damaged(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
