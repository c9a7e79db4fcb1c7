package conditions

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
)

// tape keeps the last event's text.
type tape string

func (t *tape) Eventf(_, _ runtime.Object, _, _, _, note string, args ...any) {
	*t = tape(fmt.Sprintf(note, args...))
}

// TestNotes: an event that is too long is refused by the API server, so it is cut, between
// two runes.
func TestNotes(t *testing.T) {
	record := func(message string) string {
		var said tape
		Notes(&said).Eventf(nil, nil, "Warning", "ChildRefused", "Reconcile", "%s", message)
		return string(said)
	}
	for _, message := range []string{"short, 5 %d", strings.Repeat("x", 1024)} {
		if got := record(message); got != message {
			t.Errorf("%q became %q", message, got)
		}
	}
	for offset := range 4 {
		got := record(strings.Repeat("x", offset) + strings.Repeat("€", 1000))
		if len(got) > 1024 || len(got) < 1020 || !utf8.ValidString(got) || !strings.HasSuffix(got, "€... (see status.conditions)") {
			t.Errorf("offset %d: %d bytes, ...%q", offset, len(got), got[len(got)-40:])
		}
	}
}
