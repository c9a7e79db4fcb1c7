package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	validity = 365 * 24 * time.Hour // a development cluster does not live longer
	backdate = time.Hour            // clocks of host and pods may differ a little
	rsaBits  = 2048                 // service-account tokens are signed with RS256
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// loadOrMakeCA reads the authority in dir/file.{crt,key}, or makes it.
func loadOrMakeCA(dir, file, name string) (*authority, error) {
	path := filepath.Join(dir, file)
	if !exists(path + ".crt") {
		template := newTemplate(name, "")
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
		if err := sign(path, template, nil); err != nil {
			return nil, err
		}
	}
	pair, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", path, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("authority %s.key: not an ECDSA key", path)
	}
	return &authority{pair.Leaf, key}, nil
}

// makeLeaf makes dir/id.file.{crt,key} unless they exist.
func makeLeaf(dir string, ca *authority, id identity) error {
	path := filepath.Join(dir, id.file)
	if exists(path + ".crt") {
		return nil
	}
	template := newTemplate(id.name, id.group)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = id.dns, id.ips
	return sign(path, template, ca)
}

func newTemplate(name, group string) *x509.Certificate {
	subject := pkix.Name{CommonName: name}
	if group != "" {
		subject.Organization = []string{group}
	}
	now := time.Now()
	return &x509.Certificate{Subject: subject, NotBefore: now.Add(-backdate), NotAfter: now.Add(validity)}
}

// sign writes path.key and then path.crt, signed by ca or, without one, by its own key. The
// certificate comes last: where it exists, the pair is complete.
func sign(path string, template *x509.Certificate, ca *authority) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return err
	}
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", path, err)
	}
	if err := writeKey(path+".key", key); err != nil {
		return err
	}
	return writePEM(path+".crt", "CERTIFICATE", der, 0o644)
}

// makeServiceAccountKey makes dir/sa.{key,pub}, which sign and check service-account tokens.
func makeServiceAccountKey(dir string) error {
	if exists(filepath.Join(dir, "sa.pub")) {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, "sa.key"), key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", der, 0o644)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
