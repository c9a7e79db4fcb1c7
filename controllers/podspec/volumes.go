package podspec

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/olmoe-serving/olmoe-operator/controllers/modelsource"
)

func (p *Pod) modelVolume() *corev1ac.VolumeApplyConfiguration {
	v, source := corev1ac.Volume().WithName("model"), modelsource.Parse(string(p.Model.Source))
	if source.Claim != "" {
		return v.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(source.Claim).WithReadOnly(true))
	}
	// Directory: a missing path keeps the pod from starting; without the check the
	// container runtime would make an empty one on the machine.
	return v.WithHostPath(corev1ac.HostPathVolumeSource().WithPath(source.HostPath).WithType(corev1.HostPathDirectory))
}

func (p *Pod) modelMount() *corev1ac.VolumeMountApplyConfiguration {
	m := corev1ac.VolumeMount().WithName("model").WithMountPath(modelPath).WithReadOnly(true)
	if sub := modelsource.Parse(string(p.Model.Source)).SubPath; sub != "" {
		m.WithSubPath(sub)
	}
	return m
}

// placementVolume is optional: pods start before there is a placement, and after
// that without the operator (invariant 4).
func (p *Pod) placementVolume() *corev1ac.VolumeApplyConfiguration {
	return corev1ac.Volume().WithName("placement").WithConfigMap(corev1ac.ConfigMapVolumeSource().
		WithName(PlacementName(p.Instance)).WithOptional(true).
		WithItems(corev1ac.KeyToPath().WithKey(PlacementKey).WithPath(PlacementKey)))
}
