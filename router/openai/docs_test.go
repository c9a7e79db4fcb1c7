package openai

import (
	"os"
	"strings"
	"testing"
)

// docs/api.md names every field that is accepted though it changes nothing.
func TestHarmlessFieldsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, accepted := range fixed {
		if len(accepted) > 0 && !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("no `%s`, which is accepted as %s", name, strings.Join(accepted, " or "))
		}
	}
}
