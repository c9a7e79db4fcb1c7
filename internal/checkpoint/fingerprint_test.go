package checkpoint_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Pods compare fingerprints: whatever changes an answer must change it.
func TestFingerprintTellsCheckpointsApart(t *testing.T) {
	seen := map[string]string{}
	add := func(name string, o synth.Options, change func(dir string)) {
		dir := write(t, o)
		change(dir)
		f := open(t, dir).Fingerprint()
		if other, ok := seen[f]; ok {
			t.Errorf("%q has the fingerprint of %q", name, other)
		}
		if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(f) {
			t.Errorf("fingerprint %q", f)
		}
		seen[f] = name
	}
	same := func(string) {}
	with := func(change func(o *synth.Options)) synth.Options { o := mini(); change(&o); return o }
	config := func(field string, value any) func(string) {
		return func(dir string) {
			editJSON(t, filepath.Join(dir, "config.json"), func(v map[string]any) { v[field] = value })
		}
	}
	add("as it is", mini(), same)
	add("other weights", with(func(o *synth.Options) { o.Seed++ }), same)
	add("sharded", with(func(o *synth.Options) { o.Shards = 2 }), same)
	add("other type", with(func(o *synth.Options) { o.DType = tensor.F16 }), same)
	add("more experts", with(func(o *synth.Options) { o.Experts = 4 }), same)
	add("other eps", mini(), config("rms_norm_eps", 1e-6))
	add("other theta", mini(), config("rope_theta", 500000.0))
	add("clipped", mini(), config("clip_qkv", 8.0))
	add("fewer experts per token", mini(), config("num_experts_per_tok", 1))
	add("one small tensor differs", mini(), func(dir string) {
		at := offsetOf(t, weights(dir), checkpoint.FinalNorm) // 32 bytes: all of them are sampled
		writeAgain := open(t, write(t, mini())).Fingerprint()
		if f := open(t, dir).Fingerprint(); f == writeAgain {
			t.Error("offsets do not count") // offsetOf moved the data
		}
		poke(t, weights(dir), at, "\x01\x3f")
	})
}

// The same checkpoint elsewhere, described in other words, is the same.
func TestFingerprintOfACopy(t *testing.T) {
	dir, copied := write(t, mini()), t.TempDir()
	must(t, os.CopyFS(copied, os.DirFS(dir)))
	editJSON(t, filepath.Join(copied, "config.json"), func(v map[string]any) {
		delete(v, "rope_theta")
		delete(v, "rms_norm_eps")
		v["rope_parameters"] = map[string]any{"rope_theta": 10000, "rope_type": "default"}
		v["_name_or_path"] = "somewhere/else"
	})
	if a, b := open(t, dir).Fingerprint(), open(t, copied).Fingerprint(); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

// A weight in the middle of a large tensor is sampled.
func TestFingerprintSamplesTheMiddle(t *testing.T) {
	o := mini()
	o.VocabSize = 4096
	a, b := write(t, o), write(t, o)
	for _, dir := range []string{a, b} {
		offsetOf(t, weights(dir), checkpoint.LMHead) // rewrites both in the same way
	}
	poke(t, weights(b), offsetOf(t, weights(b), checkpoint.LMHead)+4096*16, "\x01\x3f")
	offsetOf(t, weights(a), checkpoint.LMHead)
	if open(t, a).Fingerprint() == open(t, b).Fingerprint() {
		t.Error("not seen")
	}
}
