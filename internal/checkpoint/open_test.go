package checkpoint_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

const (
	shard1 = "model-00001-of-00002.safetensors"
	shard2 = "model-00002-of-00002.safetensors"
	index  = "model.safetensors.index.json"

	gate = "model.layers.1.mlp.gate.weight" // in the second shard
)

// openCase is something that can be wrong with a directory: change does it, and
// the error must have the kind and name the file and the tensor or field.
type openCase struct {
	name   string
	shards int
	change func(t *testing.T, dir string)
	kind   error
	names  []string
}

func runOpenCases(t *testing.T, cases []openCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := mini()
			o.Shards = c.shards
			dir := write(t, o)
			c.change(t, dir)
			opened, err := checkpoint.Open(dir)
			if err == nil {
				_ = opened.Close()
			}
			wantError(t, err, c.kind, c.names...)
		})
	}
}

// header changes the header of one file.
func header(name string, change func(h map[string]entry)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { rewriteHeader(t, filepath.Join(dir, name), change) }
}

// weightMap changes the index.
func weightMap(change func(m map[string]any)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		editJSON(t, filepath.Join(dir, index), func(v map[string]any) { change(v["weight_map"].(map[string]any)) })
	}
}

// remove deletes one file.
func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, name))) }
}

func TestOpenErrorsOfFiles(t *testing.T) {
	runOpenCases(t, []openCase{
		{"no config", 0, remove("config.json"), checkpoint.ErrNotFound, []string{"config.json"}},
		{"no weights", 0, remove("model.safetensors"), checkpoint.ErrNotFound, []string{"neither model.safetensors nor " + index}},
		{"missing shard", 2, remove(shard2), checkpoint.ErrNotFound, []string{shard2}},
		{"empty file", 0, func(t *testing.T, dir string) { writeFile(t, weights(dir), nil) }, checkpoint.ErrInvalid, []string{"model.safetensors", "0 bytes"}},
		{"header of 2^60 bytes", 0, func(t *testing.T, dir string) {
			writeFile(t, weights(dir), binary.LittleEndian.AppendUint64(nil, 1<<60))
		}, checkpoint.ErrInvalid, []string{"model.safetensors", "1152921504606846976"}},
		{"truncated file", 0, func(t *testing.T, dir string) {
			info, err := os.Stat(weights(dir))
			must(t, err)
			must(t, os.Truncate(weights(dir), info.Size()-1))
		}, checkpoint.ErrInvalid, []string{"model.safetensors", "model.norm.weight"}},
		{"a directory as weights", 0, func(t *testing.T, dir string) {
			must(t, os.Remove(weights(dir)))
			must(t, os.Mkdir(weights(dir), 0o755))
		}, checkpoint.ErrInvalid, []string{"model.safetensors", "regular file"}},
	})
}

func TestOpenErrorsOfTensors(t *testing.T) {
	runOpenCases(t, []openCase{
		{"missing tensor", 0, header("model.safetensors", func(h map[string]entry) {
			h["other"] = h[gate]
			delete(h, gate)
		}), checkpoint.ErrInvalid, []string{"model.safetensors", gate, "missing"}},
		{"tensor missing from its shard", 2, header(shard2, func(h map[string]entry) {
			h["other"] = h[gate]
			delete(h, gate)
		}), checkpoint.ErrInvalid, []string{shard2, gate, "missing"}},
		{"tensor missing from the files and the index", 2, func(t *testing.T, dir string) {
			weightMap(func(m map[string]any) { delete(m, gate) })(t, dir)
			header(shard2, func(h map[string]entry) { h["other"] = h[gate]; delete(h, gate) })(t, dir)
		}, checkpoint.ErrInvalid, []string{index, gate, "missing"}},
		{"one layer too many in the config", 0, func(t *testing.T, dir string) {
			editJSON(t, filepath.Join(dir, "config.json"), func(v map[string]any) { v["num_hidden_layers"] = 3 })
		}, checkpoint.ErrInvalid, []string{"model.safetensors", "model.layers.2.input_layernorm.weight", "config.json"}},
		{"tied weights promised apart", 0, header("model.safetensors", func(h map[string]entry) {
			h["x"] = h["lm_head.weight"]
			delete(h, "lm_head.weight")
		}), checkpoint.ErrInvalid, []string{"lm_head.weight"}},
		{"transposed", 0, header("model.safetensors", func(h map[string]entry) { h[gate]["shape"] = []int{16, 3} }), checkpoint.ErrInvalid, []string{"model.safetensors", gate, "[16 3]", "[3 16]"}},
		{"flattened", 0, header("model.safetensors", func(h map[string]entry) { h[gate]["shape"] = []int{48} }), checkpoint.ErrInvalid, []string{gate, "[48]"}},
		{"integer weights", 0, header("model.safetensors", func(h map[string]entry) { h[gate]["dtype"] = "I16" }), checkpoint.ErrInvalid, []string{"model.safetensors", gate, "I16", "BF16"}},
		{"unknown dtype", 0, header("model.safetensors", func(h map[string]entry) { h[gate]["dtype"] = "Q9" }), checkpoint.ErrInvalid, []string{gate, "Q9"}},
		{"tensor in two shards", 2, header(shard2, func(h map[string]entry) {
			h["model.embed_tokens.weight"] = h[gate]
			delete(h, gate)
		}), checkpoint.ErrInvalid, []string{shard2, "model.embed_tokens.weight", "also in " + shard1}},
	})
}

func TestOpenErrorsOfTheIndex(t *testing.T) {
	runOpenCases(t, []openCase{
		{"index without a map", 2, func(t *testing.T, dir string) {
			editJSON(t, filepath.Join(dir, index), func(v map[string]any) { delete(v, "weight_map") })
		}, checkpoint.ErrInvalid, []string{index, "weight_map"}},
		{"index that is no JSON", 2, func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, index), []byte("{")) }, checkpoint.ErrInvalid, []string{index}},
		{"map that is a list", 2, func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, index), []byte(`{"weight_map": []}`))
		}, checkpoint.ErrInvalid, []string{index, "weight_map"}},
		{"tensor twice in the index", 2, func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, index), []byte(`{"weight_map": {"x": "a", "x": "b"}}`))
		}, checkpoint.ErrInvalid, []string{index, `"x"`}},
		{"file name that is a number", 2, weightMap(func(m map[string]any) { m[gate] = 2 }), checkpoint.ErrInvalid, []string{index, gate}},
		{"path above the directory", 2, weightMap(func(m map[string]any) { m[gate] = "../model.safetensors" }), checkpoint.ErrInvalid, []string{index, gate, "../model.safetensors"}},
		{"absolute path", 2, weightMap(func(m map[string]any) { m[gate] = "/etc/passwd" }), checkpoint.ErrInvalid, []string{index, gate, "/etc/passwd"}},
		{"path in a sub-directory", 2, weightMap(func(m map[string]any) { m[gate] = "a/b" }), checkpoint.ErrInvalid, []string{index, gate, "a/b"}},
		{"parent", 2, weightMap(func(m map[string]any) { m[gate] = ".." }), checkpoint.ErrInvalid, []string{index, gate}},
		{"NUL in a file name", 2, weightMap(func(m map[string]any) { m[gate] = "a\x00b" }), checkpoint.ErrInvalid, []string{"a\x00b"}},
		{"too many shards", 2, weightMap(func(m map[string]any) {
			for i := range 600 {
				m[string(rune('a'+i))] = string(rune('a' + i))
			}
		}), checkpoint.ErrInvalid, []string{index, "more than 512 files"}},
	})
}

// Files of tools other than ours hold more than the model, in other orders.
func TestExtraTensorsAreTolerated(t *testing.T) {
	dir := write(t, mini())
	raw, err := os.ReadFile(weights(dir))
	must(t, err)
	n := int(binary.LittleEndian.Uint64(raw))
	text, size := string(raw[8:8+n]), len(raw)-8-n
	text = text[:len(text)-countBlanks(text)-1] +
		`,"model.layers.0.self_attn.rotary_emb.inv_freq":{"dtype":"F64","shape":[2],"data_offsets":[` +
		itoa(size) + "," + itoa(size+16) + `]},"step":{"dtype":"I64","shape":[],"data_offsets":[` + itoa(size+16) + "," + itoa(size+24) + "]}}"
	writeFile(t, weights(dir), withHeader(text, append(raw[8+n:], make([]byte, 24)...)))
	c := open(t, dir)
	must(t, c.Load(t.Context(), all(t, c)...))
	if _, err := c.Tensor("step"); err == nil {
		t.Error("a tensor outside the model is offered")
	}
}

// A tied model may carry its output matrix all the same; the embedding counts.
func TestTiedModelWithAnOutputMatrix(t *testing.T) {
	dir := write(t, mini())
	editJSON(t, filepath.Join(dir, "config.json"), func(v map[string]any) { v["tie_word_embeddings"] = true })
	if c := open(t, dir); c.Config().OutputTensor() != checkpoint.EmbedTokens {
		t.Errorf("the output matrix is %s", c.Config().OutputTensor())
	}
}

// The Hugging Face cache links every file to a blob elsewhere.
func TestLinkedFiles(t *testing.T) {
	o := mini()
	o.Shards = 2
	blobs, dir := write(t, o), t.TempDir()
	for _, name := range []string{"config.json", index, shard1, shard2} {
		must(t, os.Symlink(filepath.Join(blobs, name), filepath.Join(dir, name)))
	}
	open(t, dir)
}

// TestUnreadable: what may not be read is not damaged.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	for _, name := range []string{"config.json", "model.safetensors", "."} {
		dir := write(t, mini())
		must(t, os.Chmod(filepath.Join(dir, name), 0))
		_, err := checkpoint.Open(dir)
		must(t, os.Chmod(filepath.Join(dir, name), 0o700))
		wantError(t, err, checkpoint.ErrUnreadable, "permission denied")
		if errors.Is(err, checkpoint.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Both layouts side by side: the single file counts, as in transformers.
func TestSingleFileWins(t *testing.T) {
	dir := write(t, mini())
	writeFile(t, filepath.Join(dir, index), []byte(`{"weight_map": {"x": "nowhere"}}`))
	open(t, dir)
}

func TestMixedDTypes(t *testing.T) {
	o := mini()
	o.Shards = 2
	dir := write(t, o)
	o.DType = tensor.F32
	wide := write(t, o)
	raw, err := os.ReadFile(filepath.Join(wide, shard2))
	must(t, err)
	writeFile(t, filepath.Join(dir, shard2), raw)
	c := open(t, dir)
	first, err := c.Tensor(checkpoint.LMHead)
	must(t, err)
	last, err := c.Tensor(checkpoint.FinalNorm)
	must(t, err)
	if first.DType != tensor.BF16 || last.DType != tensor.F32 {
		t.Errorf("types %v and %v", first.DType, last.DType)
	}
	must(t, c.Load(t.Context(), first, last))
}

// A view has the bytes that the generator made, wherever they lie.
func TestViewsAreTheTensorsBytes(t *testing.T) {
	o := mini()
	o.DType = tensor.F32
	single := open(t, write(t, o))
	o.Shards = 3
	sharded := open(t, write(t, o))
	for _, spec := range single.Config().Tensors() {
		a, err := single.Tensor(spec.Name)
		must(t, err)
		b, err := sharded.Tensor(spec.Name)
		must(t, err)
		if string(a.Data) != string(b.Data) || len(a.Data) != 4*a.Elements() || cap(a.Data) != len(a.Data) {
			t.Errorf("%s: %d bytes, %d in shards", spec.Name, len(a.Data), len(b.Data))
		}
	}
	norm, err := single.Tensor(checkpoint.FinalNorm)
	must(t, err)
	if x := math.Float32frombits(binary.LittleEndian.Uint32(norm.Data)); x < 0.2 || x > 1.8 {
		t.Errorf("the final norm starts with %v, want about 1", x)
	}
}

func TestTensorOutsideTheModel(t *testing.T) {
	c := open(t, write(t, mini()))
	_, err := c.Tensor("nope")
	wantError(t, err, checkpoint.ErrInvalid, "nope")
	wantError(t, c.Load(t.Context(), tensor.Tensor{Name: "nope"}), checkpoint.ErrInvalid, "nope")
	c.Release(tensor.Tensor{Name: "nope"})
}

func TestExpertTensorNames(t *testing.T) {
	gate, up, down := checkpoint.ExpertTensorNames(3, 41)
	const p = "model.layers.3.mlp.experts.41."
	if gate != p+"gate_proj.weight" || up != p+"up_proj.weight" || down != p+"down_proj.weight" {
		t.Errorf("%s %s %s", gate, up, down)
	}
}
