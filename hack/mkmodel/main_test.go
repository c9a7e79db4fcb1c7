package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestFlagsChangeThePreset(t *testing.T) {
	for _, c := range []struct {
		args string
		want func(o *synth.Options)
	}{
		{"", func(o *synth.Options) { *o = synth.Demo() }},
		{"--preset tiny", func(*synth.Options) {}},
		{"-preset=tiny", func(*synth.Options) {}},
		{"--layers 2 --preset tiny --shards 3", func(o *synth.Options) { o.Layers, o.Shards = 2, 3 }},
		{"--preset tiny --vocab 300", func(o *synth.Options) { o.VocabSize, o.EOSTokenID = 300, 299 }},
		{"--preset tiny --vocab 300 --eos 290", func(o *synth.Options) { o.VocabSize, o.EOSTokenID = 300, 290 }},
		{"--preset tiny --dtype f16 --tied --tokenizer=false", func(o *synth.Options) { o.DType, o.Tied, o.Tokenizer = tensor.F16, true, false }},
		{"--preset tiny --clip-qkv 1.5 --norm-topk-prob --seed 5", func(o *synth.Options) { o.ClipQKV, o.NormTopKProb, o.Seed = 1.5, true, 5 }},
	} {
		want := synth.Tiny()
		c.want(&want)
		got, err := parse(append(strings.Fields(c.args), "--out", "x"))
		if err != nil || got.options != want || got.dir != "x" {
			t.Errorf("%q: %+v, error %v\nwant %+v", c.args, got, err, want)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "--out",
		"--out x --preset huge":           "huge",
		"--out x --dtype int8":            "int8",
		"--out x tiny":                    "tiny",
		"--out x --preset tiny --heads 3": "num_attention_heads",
	} {
		if err := run(strings.Fields(args), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one about %q", args, err, want)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a refused command wrote its directory")
	}
}

func TestDoesNotOverwrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "model")
	var out bytes.Buffer
	if err := run([]string{"--preset", "tiny", "--shards", "2", "--out", dir}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "3.5 MB") {
		t.Errorf("it said %q", out.String())
	}
	again := []string{"--preset", "tiny", "--seed", "9", "--out", dir}
	if err := run(again, &out); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("second run: %v", err)
	}
	if err := run(append(again, "--force"), &out); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if left, _ := filepath.Glob(filepath.Join(dir, "model*")); len(left) != 1 {
		t.Errorf("weights of the first model are left: %v", left)
	}
}
