package synth

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// The first outputs of splitmix64 seeded with 0, from its published test vector.
func TestWordSumOfPublishedSplitmixOutputs(t *testing.T) {
	var state uint64
	for i, out := range []uint64{0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F} {
		state += golden
		want := uint32(out&0xFFFF) + uint32(out>>16&0xFFFF) + uint32(out>>32&0xFFFF) + uint32(out>>48)
		if got := wordSum(state); got != want {
			t.Errorf("output %d: word sum %d, want %d", i, got, want)
		}
	}
}

// The standard's own examples: http://www.isthe.com/chongo/tech/comp/fnv/.
func TestFNV1a64(t *testing.T) {
	for s, want := range map[string]uint64{"": 0xCBF29CE484222325, "a": 0xAF63DC4C8601EC8C, "foobar": 0x85944171F73967E8} {
		if got := fnv1a64(s); got != want {
			t.Errorf("%q: %#x, want %#x", s, got, want)
		}
	}
}

func TestInvSqrtIsCorrectlyRounded(t *testing.T) {
	for n := 1; n < 2100; n++ {
		x := invSqrt(n)
		below, above := square(n, x, math.Nextafter(x, 0)), square(n, x, math.Nextafter(x, 2))
		if one := big.NewRat(1, 1); below.Cmp(one) > 0 || above.Cmp(one) < 0 {
			t.Errorf("invSqrt(%d) = %v is not the nearest number", n, x)
		}
	}
	if invSqrt(4) != 0.5 || invSqrt(1024) != 0.03125 {
		t.Error("powers of four must be exact")
	}
}

// square is n times the square of the middle between x and y, exactly.
func square(n int, x, y float64) *big.Rat {
	m := new(big.Rat).Add(new(big.Rat).SetFloat64(x), new(big.Rat).SetFloat64(y))
	m.Mul(m, big.NewRat(1, 2))
	return m.Mul(m.Mul(m, m), new(big.Rat).SetInt64(int64(n)))
}

func TestWeightsAreRoughlyNormal(t *testing.T) {
	var sum, squares float64
	const n = 1 << 18
	for i := range uint64(n) {
		z := normal(wordSum(fnv1a64("x") + i*golden))
		sum, squares = sum+z, squares+z*z
	}
	if mean := sum / n; math.Abs(mean) > 0.01 {
		t.Errorf("mean %v", mean)
	}
	if variance := squares / n; math.Abs(variance-1) > 0.01 {
		t.Errorf("variance %v", variance)
	}
}

func TestRoundingToHalf(t *testing.T) {
	for _, c := range []struct {
		in        float32
		f16, bf16 uint16
	}{
		{0, 0, 0},
		{1, 0x3C00, 0x3F80},
		{-2, 0xC000, 0xC000},
		{1 + 0x1p-11, 0x3C00, 0x3F80},          // a tie goes to the even neighbour
		{1 + 3*0x1p-11, 0x3C02, 0x3F80},        // and here that is the upper one
		{1 + 0x1p-8, 0x3C04, 0x3F80},           // the same for bf16
		{1 + 3*0x1p-8, 0x3C0C, 0x3F82},         //
		{0x1p-24, 0x0001, 0x3380},              // smallest binary16
		{0x1p-25, 0x0000, 0x3300},              // half of it: to even
		{0x1p-14 - 0x1p-25, 0x0400, 0x3880},    // rounds up into the normal range
		{65519, 0x7BFF, 0x4780},                // largest finite
		{65520, 0x7C00, 0x4780},                // infinity
		{-0x1p-14, 0x8400, 0xB880},             //
		{float32(math.Pi), 0x4248, 0x4049},     //
		{2 - 0x1p-12, 0x4000, 0x4000},          // the carry reaches the exponent
		{-1.0 / 3.0, 0xB555, 0xBEAB},           //
		{float32(math.Inf(1)), 0x7C00, 0x7F80}, //
	} {
		if got := toF16(c.in); got != c.f16 {
			t.Errorf("toF16(%v) = %#04x, want %#04x", c.in, got, c.f16)
		}
		if got := toBF16(c.in); got != c.bf16 {
			t.Errorf("toBF16(%v) = %#04x, want %#04x", c.in, got, c.bf16)
		}
	}
}

// The table is a shortcut: it must not change a bit. Any piece of a tensor must
// come out as in the whole, or streaming would depend on the number of cores.
func TestTableAndPiecesMakeTheSameBytes(t *testing.T) {
	c, err := checkpoint.ParseConfig("config.json", []byte(configJSON(Full())))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []tensor.DType{tensor.BF16, tensor.F16} {
		src := newSource(checkpoint.Spec{Name: checkpoint.LMHead, Shape: []int{300, 1000}}, c, d, 7)
		whole := make([]byte, 300*1000*2)
		src.fill(whole, 0)
		fast := src
		tables{}.use(&fast, 300*1000)
		if fast.table == nil {
			t.Fatal("the table is not used")
		}
		for range 50 {
			from, n := rand.IntN(290_000), rand.IntN(10_000)
			piece := make([]byte, 2*n)
			fast.fill(piece, from)
			if !bytes.Equal(piece, whole[2*from:2*(from+n)]) {
				t.Fatalf("%v: elements %d to %d differ from the whole", d, from, from+n)
			}
		}
	}
}

func TestTableIsNotUsedWhereItWouldBeWrongOrSlow(t *testing.T) {
	for name, c := range map[string]struct {
		s source
		n int
	}{
		"few elements": {source{dtype: tensor.BF16}, 1000},
		"float32":      {source{dtype: tensor.F32}, 1 << 20},
		"skewed":       {source{dtype: tensor.BF16, skew: []float64{1}}, 1 << 20},
	} {
		tables{}.use(&c.s, c.n)
		if c.s.table != nil {
			t.Errorf("%s: table used", name)
		}
	}
}

func TestSeedAndNameChangeTheWeights(t *testing.T) {
	c, err := checkpoint.ParseConfig("config.json", []byte(configJSON(Tiny())))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, name := range []string{checkpoint.LMHead, checkpoint.EmbedTokens} {
		for seed := range uint64(3) {
			buf := make([]byte, 64)
			newSource(checkpoint.Spec{Name: name, Shape: []int{16}}, c, tensor.F32, seed).fill(buf, 0)
			made[string(buf)] = true
		}
	}
	if len(made) != 6 {
		t.Errorf("%d different tensors, want 6", len(made))
	}
}
