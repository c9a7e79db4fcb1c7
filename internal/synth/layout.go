package synth

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// headerAlign is the multiple that header and its length fill together, so
// that the data starts at an aligned offset.
const headerAlign = 64

// shardFile is one weights file to write.
type shardFile struct {
	name  string
	specs []checkpoint.Spec
}

// bytesOf is the stored size of a tensor.
func bytesOf(spec checkpoint.Spec, d tensor.DType) int64 {
	return int64(tensor.Tensor{Shape: spec.Shape}.Elements()) * int64(d.Size())
}

// split distributes the tensors, in order, over the shards: a shard is closed
// once the next tensor would take it over an equal part of the total.
func split(specs []checkpoint.Spec, o Options) []shardFile {
	if o.Shards == 0 {
		return []shardFile{{"model.safetensors", specs}}
	}
	var total, size int64
	for _, s := range specs {
		total += bytesOf(s, o.DType)
	}
	limit := float64(total) / float64(o.Shards) * 1.0001
	parts := [][]checkpoint.Spec{nil}
	for _, s := range specs {
		n, last := bytesOf(s, o.DType), len(parts)-1
		if size > 0 && float64(size+n) > limit && len(parts) < o.Shards {
			parts, last, size = append(parts, nil), last+1, 0
		}
		parts[last] = append(parts[last], s)
		size += n
	}
	files := make([]shardFile, len(parts))
	for i, p := range parts {
		files[i] = shardFile{fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts)), p}
	}
	return files
}

// header is everything before the data: the length, then compact JSON filled
// up with spaces.
func (f shardFile) header(d tensor.DType) []byte {
	var b bytes.Buffer
	b.WriteString(`{"__metadata__":{"format":"pt"}`)
	at := int64(0)
	for _, s := range f.specs {
		shape, _ := json.Marshal(s.Shape) // a list of ints cannot fail
		end := at + bytesOf(s, d)
		_, _ = fmt.Fprintf(&b, `,"%s":{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}`, s.Name, d, shape, at, end)
		at = end
	}
	b.WriteByte('}')
	for (8+b.Len())%headerAlign != 0 {
		b.WriteByte(' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(b.Len())), b.Bytes()...)
}

// index is the text of model.safetensors.index.json.
func index(files []shardFile, d tensor.DType) ([]byte, error) {
	var total int64
	home := map[string]string{}
	for _, f := range files {
		for _, s := range f.specs {
			total += bytesOf(s, d)
			home[s.Name] = f.name
		}
	}
	return json.MarshalIndent(struct {
		Metadata  map[string]int64  `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}{map[string]int64{"total_size": total}, home}, "", "  ")
}
