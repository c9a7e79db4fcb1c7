package placement

import "testing"

func TestChoose(t *testing.T) {
	five, six := &Placement{Epoch: 5}, &Placement{Epoch: 6}
	tests := []struct {
		name            string
		serving, target *Placement
		current         int64
		complete        bool
		want            *Placement
	}{
		{"only serving", five, nil, 0, false, five},
		{"only target", nil, six, 0, false, six},
		{"target not ready", five, six, 5, false, five},
		{"target ready", five, six, 5, true, six},
		{"an owner lost after the switch", five, six, 6, false, six},
		{"the operator is done", six, six, 6, false, six},
		{"fell behind", six, six, 5, false, six},
		{"switched to a target that was withdrawn", five, nil, 6, false, five},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (&Document{Serving: tt.serving, Target: tt.target}).Choose(tt.current, tt.complete)
			if got != tt.want {
				t.Errorf("epoch %d, want %d", got.Epoch, tt.want.Epoch)
			}
		})
	}
}
