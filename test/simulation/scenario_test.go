package simulation

import "github.com/olmoe-serving/olmoe-operator/api/v1alpha1"

// scenario is what kind of world a seed makes.
type scenario struct {
	faulty   bool // pods fail and networks are cut; else only messages and operators do
	steady   bool // the user is content, so that balancer or autoscaler have much to do
	scales   bool // the autoscaler has
	tides    bool // the load turns with the autoscaler's steps
	parts    bool // the user is content with two copies of each expert on machines that change
	machines int  // that pods are dealt to; 0: one, so that copies are never apart
}

// scenarioOf is all that a seed means beside the numbers that are drawn from it:
//
//	odd           faulty
//	 4n + 2       steady
//	 8n + 2       steady, with an autoscaler
//	16n + 10      steady, with an autoscaler and tides
//	 3n           two or three machines
//	18n + 3       two or three machines, faulty, and copies part
func scenarioOf(seed uint64) scenario {
	s := scenario{faulty: seed%2 == 1, steady: seed%4 == 2, scales: seed%8 == 2, tides: seed%16 == 10, parts: seed%18 == 3}
	if seed%3 == 0 {
		s.machines = 2 + int(seed/9%2)
	}
	return s
}

// wishSteady is a wish that stays, and gives balancer or autoscaler much to do.
func (w *world) wishSteady() {
	s := &w.wish
	*s.Replicas = max(2, *s.Replicas)
	s.Experts.Rebalancing.Mode, s.Experts.SlotsPerNode, s.Scaling = v1alpha1.RebalanceByLoad, nil, nil
	if w.scales {
		s.Scaling = &v1alpha1.ScalingSettings{Min: *s.Experts.ReplicasPerExpert, Max: maxNodes, TargetUtilizationPercent: 70, TargetQueueMilliseconds: 20}
	}
	if w.tides {
		*s.Replicas, s.Scaling.Max = 3, 2*maxNodes
	}
}
