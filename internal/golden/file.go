package golden

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"os"
)

// array is a tensor to be written: values is []int32 or []float32.
type array struct {
	name   string
	shape  []int
	values any
}

func (c *Collector) arrays() []array {
	t, l, k, h := len(c.prompt), c.cfg.NumLayers, c.cfg.NumExpertsPerTok, c.cfg.HiddenSize
	a := []array{
		{"token_ids", []int{t}, c.prompt},
		{"logits_last", []int{c.cfg.VocabSize}, c.logitsLast},
		{"top20_ids", []int{t, c.top}, c.topIDs},
		{"top20_logits", []int{t, c.top}, c.topLogits},
		{"router_ids", []int{l, t, k}, c.routerIDs},
		{"router_weights", []int{l, t, k}, c.routerWeights},
		{"router_gap", []int{l, t}, c.routerGap},
		{"hidden_last", []int{l + 1, h}, c.hiddenLast},
		{"final_norm_last", []int{h}, c.finalLast},
	}
	if t > 1 {
		a = append(a, array{"token_logprobs", []int{t - 1}, c.tokenLogprobs})
	}
	return a
}

// Write stores the prompt's tensors as a safetensors file (little endian, C order).
func (c *Collector) Write(path string) (err error) {
	f, err := os.Create(path) //nolint:gosec // the user names the folder
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	w := bufio.NewWriter(f)
	if err := writeArrays(w, c.arrays()); err != nil {
		return err
	}
	return w.Flush()
}

// writeArrays writes the header (its length as a little-endian uint64, then JSON
// padded with spaces to a multiple of 8) and the arrays' bytes.
func writeArrays(w *bufio.Writer, arrays []array) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, end := map[string]entry{}, 0
	for _, a := range arrays {
		dtype := "F32"
		if _, ok := a.values.([]int32); ok {
			dtype = "I32"
		}
		start := end
		end += binary.Size(a.values)
		header[a.name] = entry{dtype, a.shape, [2]int{start, end}}
	}
	b, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(len(b))); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, a := range arrays {
		if err := binary.Write(w, binary.LittleEndian, a.values); err != nil {
			return err
		}
	}
	return nil
}
