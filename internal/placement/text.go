package placement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FormatExperts writes what a node holds in a line: "0-15:0-31" says experts 0
// to 31 of each of the layers 0 to 15. Groups of layers are separated by ";",
// ranges of experts by ",", and a layer without experts is left out.
func FormatExperts(experts [][]int) string {
	var groups []string
	for lo := 0; lo < len(experts); {
		hi := lo
		for hi+1 < len(experts) && slices.Equal(experts[hi+1], experts[lo]) {
			hi++
		}
		if len(experts[lo]) > 0 {
			groups = append(groups, span(lo, hi)+":"+formatRanges(experts[lo]))
		}
		lo = hi + 1
	}
	return strings.Join(groups, ";")
}

func formatRanges(list []int) string {
	var out []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		out = append(out, span(list[i], list[j]))
		i = j + 1
	}
	return strings.Join(out, ",")
}

func span(lo, hi int) string {
	if lo == hi {
		return strconv.Itoa(lo)
	}
	return fmt.Sprintf("%d-%d", lo, hi)
}

// ParseExperts reads FormatExperts' text back; layers and experts are the limits.
func ParseExperts(text string, layers, experts int) ([][]int, error) {
	out := make([][]int, layers)
	for i := range out {
		out[i] = []int{}
	}
	if text == "" {
		return out, nil
	}
	for group := range strings.SplitSeq(text, ";") {
		head, tail, ok := strings.Cut(group, ":")
		if !ok {
			return nil, fmt.Errorf("experts %q: want LAYERS:EXPERTS", group)
		}
		lo, hi, err := parseSpan(head, layers)
		if err != nil {
			return nil, fmt.Errorf("experts %q: layers: %w", group, err)
		}
		list, err := parseRanges(tail, experts)
		if err != nil {
			return nil, fmt.Errorf("experts %q: %w", group, err)
		}
		for l := lo; l <= hi; l++ {
			out[l] = slices.Clone(list)
		}
	}
	return out, nil
}

func parseRanges(text string, limit int) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, err := parseSpan(part, limit)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && lo <= out[len(out)-1] {
			return nil, fmt.Errorf("%q is not above what comes before it", part)
		}
		for e := lo; e <= hi; e++ {
			out = append(out, e)
		}
	}
	return out, nil
}

// parseSpan reads "N" or "N-M", 0 <= N <= M < limit.
func parseSpan(text string, limit int) (lo, hi int, err error) {
	a, b, ok := strings.Cut(text, "-")
	if !ok {
		b = a
	}
	lo, errLo := strconv.Atoi(a)
	hi, errHi := strconv.Atoi(b)
	if errLo != nil || errHi != nil || lo < 0 || hi < lo || hi >= limit {
		return 0, 0, fmt.Errorf("%q is not a number or a range below %d", text, limit)
	}
	return lo, hi, nil
}
