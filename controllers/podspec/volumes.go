package podspec

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
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

// caches tells whether the pod makes weights that it can keep for its container's
// next start (docs/adr/0099). Pods with weights as stored have no such volume.
func (p *Pod) caches() bool { return p.Model.Weights == v1alpha1.WeightsInt8 }

// cacheVolumes is an emptyDir: the model's volume is only read.
func (p *Pod) cacheVolumes() []*corev1ac.VolumeApplyConfiguration {
	if !p.caches() {
		return nil
	}
	return []*corev1ac.VolumeApplyConfiguration{corev1ac.Volume().WithName("cache").WithEmptyDir(corev1ac.EmptyDirVolumeSource())}
}

func (p *Pod) cacheMounts() []*corev1ac.VolumeMountApplyConfiguration {
	if !p.caches() {
		return nil
	}
	return []*corev1ac.VolumeMountApplyConfiguration{corev1ac.VolumeMount().WithName("cache").WithMountPath(cachePath)}
}
