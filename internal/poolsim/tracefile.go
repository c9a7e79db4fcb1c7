package poolsim

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxTrace is the longest trace that a file may hold, in seconds: 31 days.
const maxTrace = 31 * 24 * 3600

// sample is a line of a file.
type sample struct {
	at   float64 // s
	rate float64
	kind int // of text, from 1; 0: all kinds evenly
}

// ReadTrace reads traffic that was recorded: CSV lines "seconds,rate" or
// "seconds,rate,kind", after one of headings or none. Seconds may count from any
// moment and ascend. A rate (requests or tokens a second: the largest becomes a demand
// of 1) holds until the next line, the last one for as long as the one before it. A
// kind is a number from 1 on, one of texts; without it all kinds are read evenly.
func ReadTrace(r io.Reader, name string, texts []Text) (*Trace, error) {
	samples, err := readSamples(r, len(texts))
	if err != nil {
		return nil, err
	}
	t := &Trace{Name: name, Mixes: []Text{evenly(texts)}}
	t.fill(samples)
	peak := slices.Max(t.Demand)
	if peak <= 0 || math.IsInf(peak, 0) {
		return nil, errors.New("no rate above 0, or one that is too large")
	}
	for i := range t.Demand {
		t.Demand[i] /= peak
	}
	if slices.Max(t.Mix) > 0 {
		t.Mixes = append(t.Mixes, texts...)
	}
	return t, nil
}

// fill makes slots of samples: the mean rate in each, and the kind at its beginning.
func (t *Trace) fill(samples []sample) {
	last := len(samples) - 1
	end := 2*samples[last].at - samples[last-1].at
	slots := int(math.Ceil((end - samples[0].at) / Slot))
	t.Demand, t.Mix = make([]float64, slots), make([]int, slots)
	for s, k := 0, 0; s < slots; s++ {
		from := samples[0].at + float64(s)*Slot
		for k < last && samples[k+1].at <= from {
			k++
		}
		t.Mix[s] = samples[k].kind
		for j := k; j <= last && samples[j].at < from+Slot; j++ {
			until := from + Slot
			if j < last {
				until = min(until, samples[j+1].at)
			}
			t.Demand[s] += samples[j].rate * (until - max(from, samples[j].at)) / Slot
		}
	}
}

// readSamples reads two lines at least.
func readSamples(r io.Reader, kinds int) (out []sample, err error) {
	file := csv.NewReader(r)
	file.Comment, file.TrimLeadingSpace, file.FieldsPerRecord = '#', true, -1 // a kind may be left out
	for first := true; ; first = false {
		fields, err := file.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := file.FieldPos(0)
		s, err := parseSample(fields, kinds)
		if first && errors.Is(err, strconv.ErrSyntax) {
			continue // headings
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if n := len(out); n > 0 && (s.at <= out[n-1].at || 2*s.at-out[n-1].at-out[0].at > maxTrace) {
			return nil, fmt.Errorf("line %d: seconds must ascend, over 31 days at most", line)
		}
		out = append(out, s)
	}
	if len(out) < 2 {
		return nil, errors.New("fewer than two lines: want seconds,rate or seconds,rate,kind")
	}
	return out, nil
}

func parseSample(fields []string, kinds int) (s sample, err error) {
	if len(fields) < 2 || len(fields) > 3 {
		return s, fmt.Errorf("%d fields: want seconds,rate or seconds,rate,kind", len(fields))
	}
	if s.at, err = strconv.ParseFloat(strings.TrimSpace(fields[0]), 64); err != nil {
		return s, err
	}
	if s.rate, err = strconv.ParseFloat(strings.TrimSpace(fields[1]), 64); err != nil {
		return s, err
	}
	if !(s.rate >= 0) || math.IsInf(s.rate, 0) || math.IsNaN(s.at) || math.IsInf(s.at, 0) {
		return s, fmt.Errorf("%s,%s: want finite numbers, and no rate below 0", fields[0], fields[1])
	}
	if len(fields) == 3 && strings.TrimSpace(fields[2]) != "" {
		if s.kind, err = strconv.Atoi(strings.TrimSpace(fields[2])); err != nil || s.kind < 1 || s.kind > kinds {
			return s, fmt.Errorf("kind %q: want 1 to %d", fields[2], kinds)
		}
	}
	return s, nil
}
