package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// cache tells whether the pod keeps the weights that it makes for its container's next
// start (docs/adr/0099), and how much of them: nil leaves it to the program. Pods with
// weights as stored make none. A kubelet evicts a pod whose volumes and logs outgrow
// its limit of ephemeral-storage, so there only what the spec asks for is kept.
func (p *Pod) cache() (limit *resource.Quantity, keeps bool) {
	if p.Model.Weights != v1alpha1.WeightsInt8 {
		return nil, false
	}
	asked := p.Settings.WeightsCacheLimit
	disk, limited := p.Settings.Resources.Limits[corev1.ResourceEphemeralStorage]
	switch {
	case asked == nil:
		return nil, !limited
	case limited && disk.Cmp(*asked) < 0:
		asked = &disk
	}
	return resource.NewQuantity(asked.Value(), resource.BinarySI), asked.Sign() > 0
}

// maxCacheMB is the most that the flag --weights-cache-mb takes, 16 TiB: more than a disk has.
const maxCacheMB = 1 << 24

// cacheArgs: the program stays a tenth below the volume's limit, beyond which a
// kubelet evicts the pod: its sum is of files, the kubelet's of all that they take.
func (p *Pod) cacheArgs() (args []string) {
	limit, keeps := p.cache()
	if keeps {
		args = append(args, "--weights-cache="+cachePath)
	}
	if keeps && limit != nil {
		args = append(args, fmt.Sprintf("--weights-cache-mb=%d", min(max(1, limit.Value()/10*9>>20), maxCacheMB)))
	}
	return args
}

// cacheVolumes is an emptyDir: the model's volume is only read.
func (p *Pod) cacheVolumes() []*corev1ac.VolumeApplyConfiguration {
	limit, keeps := p.cache()
	if !keeps {
		return nil
	}
	dir := corev1ac.EmptyDirVolumeSource()
	if limit != nil {
		dir.WithSizeLimit(*limit)
	}
	return []*corev1ac.VolumeApplyConfiguration{corev1ac.Volume().WithName("cache").WithEmptyDir(dir)}
}

func (p *Pod) cacheMounts() []*corev1ac.VolumeMountApplyConfiguration {
	if _, keeps := p.cache(); !keeps {
		return nil
	}
	return []*corev1ac.VolumeMountApplyConfiguration{corev1ac.VolumeMount().WithName("cache").WithMountPath(cachePath)}
}
