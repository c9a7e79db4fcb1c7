package wire

// Bounds of a frame (invariant 8). A peer that exceeds one is refused.
const (
	// MaxRows of a request: the model's whole context in one prefill chunk.
	MaxRows = 4096
	// MaxPairs of a request: eight experts for each of MaxRows, where the hidden size
	// lets a response hold so many (PairsPerFrame).
	MaxPairs = 8 * MaxRows
	// MaxHidden, MaxLayers and MaxExperts are what a checkpoint may have at most;
	// they bound sizes before these are multiplied.
	MaxHidden  = 1 << 16
	MaxLayers  = 1 << 10
	MaxExperts = 1 << 12
	// MaxFrameBytes bounds what one frame makes the receiver hold: 8191 answered
	// pairs at hidden 2048. Routers split larger calls.
	MaxFrameBytes = 64 << 20
	// MaxText bounds names, fingerprints (one length byte) and error messages.
	MaxText = 255
)

// PairsPerFrame is how many rows of so many elements fit a response, in any format.
func PairsPerFrame(hidden int) int {
	return min(MaxPairs, (MaxFrameBytes-HeaderSize-timingSize)/Float32.Bytes(hidden))
}

// RowsPerFrame is how many rows fit a request with at most so many pairs.
func RowsPerFrame(hidden, pairs int) int {
	return min(MaxRows, (MaxFrameBytes-HeaderSize-2*(MaxRows+pairs+1))/Float32.Bytes(hidden))
}
