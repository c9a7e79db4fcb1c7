package rollout

import (
	"strconv"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// revision is above every revision that is published or that a pod knows, so
// that a document made after the published one was lost is not ignored.
func (s *State) revision() int64 {
	var top int64
	if s.Doc != nil {
		top = s.Doc.Revision
	}
	for _, n := range s.Nodes {
		top = max(top, n.Revision)
	}
	for _, r := range s.Routers {
		top = max(top, r.Revision)
	}
	return top + 1
}

// epoch is above every epoch likewise, and at least the revision that publishes
// it: so it is above those of targets that were taken back, too, of which a router
// that was cut off may still know (invariant 3: a number is one placement).
func (s *State) epoch() int64 {
	var top int64
	if s.Doc != nil {
		for _, p := range s.Doc.Placements() {
			top = max(top, p.Epoch)
		}
	}
	for _, n := range s.Nodes {
		top = max(top, n.ReadyEpoch)
	}
	for _, r := range s.Routers {
		top = max(top, r.ServingEpoch)
	}
	return max(top+1, s.revision())
}

// podsNeeded is how many pods (ordinals from 0) the document needs.
func podsNeeded(d *placement.Document) int {
	if d == nil {
		return 0
	}
	top := 0
	for _, p := range d.Placements() {
		for _, n := range p.Nodes {
			top = max(top, Ordinal(n.Name)+1)
		}
	}
	return top
}

// Ordinal is the number at the end of a StatefulSet pod's name; -1 if there is none.
func Ordinal(pod string) int {
	n, err := strconv.Atoi(pod[strings.LastIndexByte(pod, '-')+1:])
	if err != nil || n < 0 {
		return -1
	}
	return n
}
