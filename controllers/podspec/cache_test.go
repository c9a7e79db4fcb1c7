package podspec

import (
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestInt8PodsHaveACache: pods that make weights keep them in an emptyDir; the
// model's volume stays read-only.
func TestInt8PodsHaveACache(t *testing.T) {
	p := plain()
	p.Model.Weights = v1alpha1.WeightsInt8
	s := p.Template().Spec
	c := s.Containers[0]
	volume, mount := s.Volumes[len(s.Volumes)-1], c.VolumeMounts[len(c.VolumeMounts)-1]
	if *volume.Name != "cache" || volume.EmptyDir == nil || *mount.Name != "cache" || *mount.MountPath != cachePath || mount.ReadOnly != nil {
		t.Errorf("volume %+v, mount %+v", volume, mount)
	}
	if !slices.Contains(c.Args, "--weights-cache="+cachePath) || !*c.VolumeMounts[0].ReadOnly {
		t.Errorf("arguments %q, model's mount %+v", c.Args, c.VolumeMounts[0])
	}
}
