package conditions

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// tape keeps the last event: its text, and what else is said of it.
type tape struct{ text, about string }

func (t *tape) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	name := func(o runtime.Object) string { return o.(*v1alpha1.ExpertPool).Name }
	*t = tape{fmt.Sprintf(note, args...), strings.Join([]string{name(regarding), name(related), kind, reason, action}, " ")}
}

// TestNotes: an event that is too long is refused by the API server, so it is cut, between
// two runes. The rest of it is told as it is.
func TestNotes(t *testing.T) {
	pool := func(name string) *v1alpha1.ExpertPool {
		return &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	record := func(message string) string {
		var said tape
		Notes(&said).Eventf(pool("demo"), pool("other"), "Warning", "ChildRefused", "Reconcile", "%s", message)
		if want := "demo other Warning ChildRefused Reconcile"; said.about != want {
			t.Errorf("the event is of %q, want %q", said.about, want)
		}
		return said.text
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
