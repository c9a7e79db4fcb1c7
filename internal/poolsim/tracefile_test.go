package poolsim

import (
	"slices"
	"strings"
	"testing"
)

// Slots of a file have the mean of their rates, of which the largest is 1, and the kind of text at their beginning.
func TestReadTrace(t *testing.T) {
	texts := ZipfTexts(3, 1)
	for _, c := range []struct {
		name, file string
		demand     []float64
		mix        []int
		mixes      int
	}{
		{"rates", "0,100\n5,200\n10,50\n", []float64{.5, 1, .25}, []int{0, 0, 0}, 1},
		{"headings, comments, Unix time", "seconds,tokens\n# by hand\n1700000000, 10\n1700000010, 20\n", []float64{.5, .5, 1, 1}, []int{0, 0, 0, 0}, 1},
		{"several in a slot, and a night without any", "0,4\n1,0\n3,3\n5,0\n20,2\n22.5,2\n", []float64{1, 0, 0, 0, 1}, []int{0, 0, 0, 0, 0}, 1},
		{"kinds", "0,1,2\n5,1\n10,1,3\n12,1,1\n14,1,1\n", []float64{1, 1, 1, 1}, []int{2, 0, 3, 1}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			trace, err := ReadTrace(strings.NewReader(c.file), c.name, texts)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(trace.Demand, c.demand) || !slices.Equal(trace.Mix, c.mix) || len(trace.Mixes) != c.mixes {
				t.Errorf("demand %v, mix %v of %d; want %v, %v of %d", trace.Demand, trace.Mix, len(trace.Mixes), c.demand, c.mix, c.mixes)
			}
		})
	}
}

func TestReadTraceRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"":                                 "fewer than two lines",
		"0,1\n":                            "fewer than two lines",
		"0,1\n5\n":                         "line 2: 1 fields",
		"0\n5\n":                           "line 1: 1 fields",
		"0,1\nfive,1\n":                    "line 2",
		"5,1\n5,1\n":                       "line 2: seconds must ascend",
		"0,1\n2e6,1\n":                     "31 days at most",
		"0,1\n5,-1\n":                      "line 2: 5,-1",
		"0,NaN\n5,1\n":                     "line 1: 0,NaN",
		"0,0\n5,0\n":                       "no rate above 0",
		"0,1,4\n5,1,1\n":                   `kind "4": want 1 to 3`,
		"0,1,code\n5,1,code\n":             `kind "code": want 1 to 3`,
		"a,b\nc,d\n0,1\n5,1\n":             "line 2",
		"0,1.7e308\n1,1.7e308\n2,1\n4,1\n": "",
	} {
		_, err := ReadTrace(strings.NewReader(file), "file", ZipfTexts(3, 1))
		if want == "" && err == nil {
			continue
		}
		if err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want ...%s...", file, err, want)
		}
	}
}
