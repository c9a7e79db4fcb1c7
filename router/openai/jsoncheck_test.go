package openai

import (
	"strconv"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	for _, c := range []struct{ body, part string }{
		{`{}`, ""},
		{` { "a" : [ { "b" : 1 } , { "b" : 2 } ] , "c" : { "a" : "}" } } `, ""},
		{`{"a":"\"","b":"\\","c":"\\\"{[,"}`, ""},
		{`{"a":"a","b":"a"}`, ""},
		{`{"a":{"a":{"a":1}}}`, ""},
		{`["a","a",["a","a"]]`, ""},
		{`"text"`, ""},
		{`{"é":1,"\u00c9":2}`, ""},
		{`{"a":"\ud83d\ude00"}`, ""},
		{strings.Repeat("[", 32) + strings.Repeat("]", 32), ""},
		{`{"a":1,"a":1}`, `"a" is given twice`},
		{`{"b":[{"a":1,"c":{"x":1},"a":1}]}`, `"a" is given twice`},
		{`{"é":1,"\u00e9":2}`, `"é" is given twice`},
		{`{"a":{"b":1},"c":2,"a":3}`, `"a" is given twice`},
		{`{"":1,"":2}`, `"" is given twice`},
		{`{"a":"\ud83d"}`, "surrogate"},
		{`{"a":"\ud83dx"}`, "surrogate"},
		{`{"a":"\ud83d\n"}`, "surrogate"},
		{`{"a":"\ud83d\u0041"}`, "surrogate"},
		{`{"a":"\ude00"}`, "surrogate"},
		{`{"\ud83d":1}`, "surrogate"},
		{strings.Repeat("[", 33) + strings.Repeat("]", 33), "nested"},
		{`{"a":1}}`, "not valid JSON"},
		{`{"a":1,}`, "not valid JSON"},
		{`{'a':1}`, "not valid JSON"},
		{`{"a":NaN}`, "not valid JSON"},
		{`{"a":01}`, "not valid JSON"},
		{"{\"a\":\"\n\"}", "not valid JSON"},
		{"\xef\xbb\xbf{}", "not valid JSON"}, // a byte order mark
		{"{\"a\xc3\":1}", "UTF-8"},
		{manyKeys(4096), ""},
		{manyKeys(4097), "more than 4096 keys"},
		{`[` + manyKeys(4096) + `,` + manyKeys(4096) + `]`, ""},
		{"", "empty"},
		{"\n\t ", "empty"},
	} {
		err := checkJSON([]byte(c.body))
		switch {
		case c.part == "" && err != nil:
			t.Errorf("%.60q: %v", c.body, err)
		case c.part != "" && (err == nil || !strings.Contains(err.Error(), c.part)):
			t.Errorf("%.60q: error %v, want %q", c.body, err, c.part)
		}
	}
}

// manyKeys is an object with n keys.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"` + strconv.Itoa(i) + `":0`)
	}
	return "{" + b.String()[1:] + "}"
}

func TestClip(t *testing.T) {
	if got := clip(strings.Repeat("é", 41)); got != strings.Repeat("é", 40)+"…" {
		t.Errorf("%q", got)
	}
	if got := clip("x" + strings.Repeat("é", 40)); got != "x"+strings.Repeat("é", 39)+"…" {
		t.Errorf("cut inside a character: %q", got)
	}
	if got := clip("short"); got != "short" {
		t.Errorf("%q", got)
	}
}
