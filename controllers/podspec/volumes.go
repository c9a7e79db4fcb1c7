package podspec

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// source splits "file:///path" and "pvc://claim/path".
func (p *Pod) source() (scheme, rest string) {
	scheme, rest, _ = strings.Cut(string(p.Model.Source), "://")
	return scheme, rest
}

func (p *Pod) modelVolume() *corev1ac.VolumeApplyConfiguration {
	v := corev1ac.Volume().WithName("model")
	scheme, rest := p.source()
	if scheme == "pvc" {
		claim, _, _ := strings.Cut(rest, "/")
		return v.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(claim).WithReadOnly(true))
	}
	// Directory: a missing path keeps the pod from starting; without the check the
	// container runtime would make an empty one on the machine.
	return v.WithHostPath(corev1ac.HostPathVolumeSource().WithPath(path.Clean(rest)).WithType(corev1.HostPathDirectory))
}

func (p *Pod) modelMount() *corev1ac.VolumeMountApplyConfiguration {
	m := corev1ac.VolumeMount().WithName("model").WithMountPath(modelPath).WithReadOnly(true)
	if sub := p.subPath(); sub != "" {
		m.WithSubPath(sub)
	}
	return m
}

// subPath is the path inside a claim; empty for its root.
func (p *Pod) subPath() string {
	scheme, rest := p.source()
	if scheme != "pvc" {
		return ""
	}
	_, sub, _ := strings.Cut(rest, "/")
	return strings.Trim(path.Clean("/"+sub), "/")
}

// placementVolume is optional: pods start before there is a placement, and after
// that without the operator (invariant 4).
func (p *Pod) placementVolume() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName("placement").WithConfigMap(corev1ac.ConfigMapVolumeSource().
		WithName(PlacementName(p.Instance)).WithOptional(true).
		WithItems(corev1ac.KeyToPath().WithKey(PlacementKey).WithPath(PlacementKey)))
}
