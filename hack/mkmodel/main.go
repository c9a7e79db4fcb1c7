// Command mkmodel writes a synthetic OLMoE checkpoint with a small tokenizer:
// a model of any size that serves chat, although what it says means nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "mkmodel:", err)
		os.Exit(1)
	}
}

// run parses the flags, writes the model and says what it made.
func run(args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if err := prepare(c.dir, c.force); err != nil {
		return err
	}
	start := time.Now()
	if err := synth.Write(c.dir, c.options); err != nil {
		return err
	}
	took := time.Since(start)
	size, err := weightBytes(c.dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %.1f MB of weights in %.1f s (%.2f GB/s)\n", c.dir, float64(size)/1e6, took.Seconds(), float64(size)/1e9/took.Seconds())
	return err
}

// command is what the flags say.
type command struct {
	options            synth.Options
	preset, dtype, dir string
	force              bool
}

// parse reads the flags twice: once to find the preset, and again on top of it.
func parse(args []string) (c command, err error) {
	if err = c.read(synth.Demo(), args); err != nil {
		return c, err
	}
	o, err := synth.Preset(c.preset)
	if err != nil {
		return c, err
	}
	if err = c.read(o, args); err != nil {
		return c, err
	}
	if c.dir == "" {
		return c, errors.New("--out DIR is required")
	}
	c.options.DType, err = parseDType(c.dtype)
	return c, err
}

// read sets c from the flags, which default to o.
func (c *command) read(o synth.Options, args []string) error {
	c.options = o
	fs := flag.NewFlagSet("mkmodel", flag.ContinueOnError)
	fs.StringVar(&c.preset, "preset", "demo", "sizes to start from: "+strings.Join(synth.Presets(), ", "))
	fs.StringVar(&c.dir, "out", "", "directory to write (required)")
	fs.BoolVar(&c.force, "force", false, "replace the model in a directory that is not empty")
	fs.StringVar(&c.dtype, "dtype", o.DType.String(), "weights: BF16, F16 or F32")
	sizeFlags(fs, &c.options)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("argument %q is not a flag", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["vocab"] && !given["eos"] {
		c.options.EOSTokenID = c.options.VocabSize - 1
	}
	return nil
}

// sizeFlags binds the model's sizes, which default to the preset's.
func sizeFlags(fs *flag.FlagSet, o *synth.Options) {
	for _, f := range []struct {
		name  string
		field *int
		usage string
	}{
		{"hidden", &o.HiddenSize, "hidden size"},
		{"layers", &o.Layers, "layers"},
		{"heads", &o.Heads, "attention heads"},
		{"kv-heads", &o.KVHeads, "key/value heads"},
		{"intermediate", &o.IntermediateSize, "intermediate size of an expert"},
		{"experts", &o.Experts, "experts in a layer"},
		{"experts-per-token", &o.ExpertsPerTok, "experts that work on a token"},
		{"vocab", &o.VocabSize, "vocabulary size"},
		{"context", &o.MaxPositions, "longest context in tokens"},
		{"eos", &o.EOSTokenID, "id of the end-of-text token"},
		{"shards", &o.Shards, "weights files with an index; 0 = one file"},
	} {
		fs.IntVar(f.field, f.name, *f.field, f.usage)
	}
	fs.Float64Var(&o.ClipQKV, "clip-qkv", o.ClipQKV, "limit of query, key and value elements; 0 = none")
	fs.BoolVar(&o.NormTopKProb, "norm-topk-prob", o.NormTopKProb, "make the chosen experts' weights sum to 1")
	fs.BoolVar(&o.Tied, "tied", o.Tied, "use the embedding as output matrix")
	fs.BoolVar(&o.Tokenizer, "tokenizer", o.Tokenizer, "also write a tokenizer and chat template")
	fs.BoolVar(&o.Legible, "legible", o.Legible, "make generated text mostly whole words")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed of the weights")
}

// parseDType reads the name of an element type.
func parseDType(name string) (tensor.DType, error) {
	types := []tensor.DType{tensor.BF16, tensor.F16, tensor.F32}
	i := slices.IndexFunc(types, func(d tensor.DType) bool { return strings.EqualFold(d.String(), name) })
	if i < 0 {
		return 0, fmt.Errorf("--dtype %q is unknown, want BF16, F16 or F32", name)
	}
	return types[i], nil
}

// prepare refuses a directory that holds anything, or with force clears the
// weights of an earlier model, which could otherwise be taken for the new one's.
func prepare(dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if !force {
		return fmt.Errorf("%s is not empty; give another directory, or --force to replace the model in it", dir)
	}
	old, err := filepath.Glob(filepath.Join(dir, "model*.safetensors*"))
	for _, path := range old {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// weightBytes adds up the sizes of the weights files.
func weightBytes(dir string) (int64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	var total int64
	for _, path := range files {
		info, serr := os.Stat(path)
		if serr != nil {
			return 0, serr
		}
		total += info.Size()
	}
	return total, err
}
