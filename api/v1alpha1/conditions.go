package v1alpha1

// Condition types, after kstatus: tools that know nothing of this API can tell
// "done", "in progress" and "failed" from them.
const (
	// ConditionReady: everything is as this generation of the spec wants it.
	ConditionReady = "Ready"
	// ConditionAvailable: requests are served (a router is ready and every
	// expert has a ready owner), even if something is missing or changing.
	ConditionAvailable = "Available"
	// ConditionReconciling: the operator works towards the spec, or waits for
	// something that is expected to come by itself.
	ConditionReconciling = "Reconciling"
	// ConditionBalanced (of an ExpertPool): no move of experts known now is worth its
	// bytes. False says what keeps experts from moving, or that they move.
	ConditionBalanced = "Balanced"
	// ConditionStalled: nothing will change until somebody acts; the message
	// says what to do.
	ConditionStalled = "Stalled"
)

// Reasons of conditions that are as they should be, or on their way.
const (
	ReasonAsWanted    = "AsWanted"    // all is as the spec wants it
	ReasonServing     = "Serving"     // requests are served
	ReasonNotServing  = "NotServing"  // requests are not served, see Ready
	ReasonProgressing = "Progressing" // pods start, or load their experts
	ReasonNotStalled  = "NotStalled"
	// ReasonExpertsNotCovered: an expert has no ready owner.
	ReasonExpertsNotCovered = "ExpertsNotCovered"
	// ReasonExpertNodesNotReady: every expert has an owner, but a node is missing.
	ReasonExpertNodesNotReady = "ExpertNodesNotReady"
	// ReasonRoutersNotReady: a router is missing.
	ReasonRoutersNotReady = "RoutersNotReady"
	// ReasonRebalancing: experts are moving to a new placement.
	ReasonRebalancing = "Rebalancing"
)

// Reasons of Balanced, beside ReasonProgressing: experts have just moved, or nodes or
// traffic are changing, and the load is judged after that.
const (
	ReasonBalanced        = "Balanced"        // no move is worth its bytes
	ReasonTooFewTokens    = "TooFewTokens"    // the window has too few tokens to tell
	ReasonRebalancingOff  = "RebalancingOff"  // the spec says so
	ReasonMoving          = "Moving"          // experts are being loaded where they shall go
	ReasonBudgetSpent     = "BudgetSpent"     // maxBytesPerMinute: the rest follows
	ReasonBudgetTooSmall  = "BudgetTooSmall"  // maxBytesPerMinute allows no move
	ReasonLoadUnknown     = "LoadUnknown"     // nodes do not tell their load
	ReasonMoveStuck       = "MoveStuck"       // a placement does not come into force
	ReasonPlacementFailed = "PlacementFailed" // no placement can be made from the load
)

// Reasons that need somebody to act.
const (
	ReasonModelNotFound    = "ModelNotFound"    // the source holds no checkpoint
	ReasonModelLinkBroken  = "ModelLinkBroken"  // a file of the checkpoint is a link to what a pod does not see
	ReasonModelUnreadable  = "ModelUnreadable"  // pods may not read the checkpoint
	ReasonModelInvalid     = "ModelInvalid"     // the checkpoint is damaged or not an OLMoE
	ReasonModelChanged     = "ModelChanged"     // the checkpoint changed under a running pod
	ReasonModelMismatch    = "ModelMismatch"    // pods see different checkpoints
	ReasonNotEnoughSlots   = "NotEnoughSlots"   // the nodes have no room for all experts
	ReasonImagePullFailed  = "ImagePullFailed"  // the image cannot be pulled
	ReasonCrashLoop        = "CrashLoop"        // a container keeps failing
	ReasonUnschedulable    = "Unschedulable"    // no machine can take a pod
	ReasonVolumeNotFound   = "VolumeNotFound"   // the claim of a pvc:// source is missing or cannot be mounted
	ReasonPodConfigError   = "PodConfigError"   // the kubelet cannot make the container, or the API's key is none
	ReasonPodsRefused      = "PodsRefused"      // a quota or a policy refuses the pods
	ReasonPodsUnreachable  = "PodsUnreachable"  // pods run, and the operator cannot reach them
	ReasonPlacementRefused = "PlacementRefused" // pods do not take the placement, and say why
	ReasonNameConflict     = "NameConflict"     // a child's name is taken by another object
	ReasonChildRefused     = "ChildRefused"     // the API server refuses an object that the spec leads to
	ReasonBadFlags         = "BadFlags"         // the image does not know the operator's flags
	// ReasonPlacementTooLarge: a ConfigMap does not hold a placement of so many copies.
	ReasonPlacementTooLarge = "PlacementTooLarge"
)
