package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
)

func writeKey(path string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// writeKubeconfig writes a self-contained kubeconfig for the identity in dir/file.{crt,key}. It is
// JSON, which every reader of YAML takes; []byte fields become the base64 that kubeconfigs hold.
func writeKubeconfig(path, dir, file, server string) error {
	var ca, cert, key []byte
	for name, into := range map[string]*[]byte{"ca.crt": &ca, file + ".crt": &cert, file + ".key": &key} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		*into = data
	}
	type object = map[string]any
	data, err := json.MarshalIndent(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": "olmoe",
		"clusters":        []object{{"name": "olmoe", "cluster": object{"server": server, "certificate-authority-data": ca}}},
		"users":           []object{{"name": file, "user": object{"client-certificate-data": cert, "client-key-data": key}}},
		"contexts":        []object{{"name": "olmoe", "context": object{"cluster": "olmoe", "user": file}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
