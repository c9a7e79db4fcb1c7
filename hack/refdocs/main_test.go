package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

var crds = []string{"../../config/crd/serving.olmoe.dev_olmoedeployments.yaml", "../../config/crd/serving.olmoe.dev_expertpools.yaml"}

// TestFresh: the reference in the repository is the CRDs'.
func TestFresh(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, crds); err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(have) {
		t.Error("docs/reference/api.md is not fresh: run `make generate`")
	}
	for _, want := range []string{
		"short name `olmoe`", "| `model.source` | string (required) |", "| `experts.replicasPerExpert` | integer, 1 to 16 | `1` |",
		"| `service.type` | string: ClusterIP, NodePort, LoadBalancer | `ClusterIP` |", "- model.source must not contain '..': write the path out",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the reference lacks %q", want)
		}
	}
}

func TestRefusesWhatIsNoCRD(t *testing.T) {
	if err := run(&bytes.Buffer{}, []string{"main.go"}); err == nil {
		t.Error("a Go file was read as a CRD")
	}
}
