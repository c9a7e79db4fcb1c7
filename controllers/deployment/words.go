package deployment

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// wordsAfter: what a router says sooner passes as it starts, and the status would change
// with each step of that.
const wordsAfter = 30 * time.Second

// localEnd of a connection, in the text of an error: the port is another one at each try, and
// what is told changes only when the state does (docs/adr/0071).
var localEnd = regexp.MustCompile(`[0-9a-fA-F.:\[\]]+->`)

// askRouters asks the routers that are not ready why (docs/adr/0161), and returns what the
// first one says that has something to say; empty if none has, or if nobody has to be asked.
// While experts have no owner routers wait for these, and of that the pool tells.
func (r *Reconciler) askRouters(ctx context.Context, v *view) string {
	if !v.covered() {
		return ""
	}
	var ask []fleet.Pod
	for i := range v.pods {
		if p := &v.pods[i]; p.Status.PodIP != "" && diagnose.Unready(p, r.Clock.Now(), wordsAfter) {
			ask = append(ask, fleet.Pod{Name: p.Name, Address: podspec.ControlAddress(p)})
		}
	}
	if len(ask) == 0 {
		return ""
	}
	answers := fleet.DescribeAll(ctx, r.Fleet, ask)
	for _, p := range ask {
		if said := answers[p.Name].Report; said != nil && said.Message != "" {
			return fmt.Sprintf("; router %s says: %s", p.Name, diagnose.FirstLine(localEnd.ReplaceAllString(said.Message, "")))
		}
	}
	return ""
}
