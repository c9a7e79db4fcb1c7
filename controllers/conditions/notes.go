package conditions

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// maxNote is the API's limit of an event's text: the API server refuses an event with
// more, the recorder does not try again, and nobody is told.
const maxNote = 1024

// Notes records events with r, their texts cut to what the API takes. The whole text is in
// a condition.
func Notes(r events.EventRecorder) events.EventRecorder { return notes{r} }

type notes struct{ events.EventRecorder }

// Eventf implements events.EventRecorder.
func (n notes) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	text := cut(fmt.Sprintf(note, args...), maxNote, "... (see status.conditions)")
	n.EventRecorder.Eventf(regarding, related, kind, reason, action, "%s", text)
}
