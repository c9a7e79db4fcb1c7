package podspec

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestInt8PodsHaveACache: pods that make weights keep them in an emptyDir; the
// model's volume stays read-only.
func TestInt8PodsHaveACache(t *testing.T) {
	p := int8Pod()
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

// TestCacheLimit: the program keeps less than the volume may hold, and nothing where that
// is not known to fit.
func TestCacheLimit(t *testing.T) {
	cases := []struct {
		name, asked, disk string // weightsCacheLimit, limit of ephemeral-storage
		volume, mb        string // "" = no volume, no flag
	}{
		{"neither", "", "", "0", ""},
		{"asked", "8Gi", "", "8Gi", "7372"},
		{"asked with a fraction", "1.2341Gi", "", "1325104785", "1137"},
		{"asked for more than a disk has", "20Ti", "", "20Ti", "16777216"},
		{"asked for little", "1Mi", "", "1Mi", "1"},
		{"none", "0", "", "", ""},
		{"the pod's disk is limited", "", "2Gi", "", ""},
		{"both", "1Gi", "2Gi", "1Gi", "921"},
		{"more than the pod's disk", "4Gi", "2Gi", "2Gi", "1843"},
	}
	for _, c := range cases {
		p := int8Pod()
		if c.asked != "" {
			q := resource.MustParse(c.asked)
			p.Settings.WeightsCacheLimit = &q
		}
		if c.disk != "" {
			p.Settings.Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse(c.disk)}
		}
		s := p.Template().Spec
		volume, flags := "", strings.Join(s.Containers[0].Args, " ")
		if v := s.Volumes[len(s.Volumes)-1]; *v.Name == "cache" {
			volume = "0"
			if v.EmptyDir.SizeLimit != nil {
				volume = v.EmptyDir.SizeLimit.String()
			}
		}
		mounted := *s.Containers[0].VolumeMounts[len(s.Containers[0].VolumeMounts)-1].Name == "cache"
		if keeps := c.volume != ""; volume != c.volume || mounted != keeps || strings.Contains(flags, "--weights-cache=") != keeps {
			t.Errorf("%s: volume %q, want %q; mounted %t, arguments %q", c.name, volume, c.volume, mounted, flags)
		}
		if _, mb, _ := strings.Cut(flags, "--weights-cache-mb="); mb != c.mb {
			t.Errorf("%s: --weights-cache-mb=%s, want %s", c.name, mb, c.mb)
		}
	}
	bf16 := plain()
	q := resource.MustParse("8Gi")
	bf16.Settings.WeightsCacheLimit = &q
	if got := bf16.Template().Spec; len(got.Volumes) != 2 || strings.Contains(strings.Join(got.Containers[0].Args, " "), "cache") {
		t.Error("weights as stored are kept")
	}
}
