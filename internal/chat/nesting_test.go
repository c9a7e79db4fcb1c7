package chat

import (
	"strings"
	"testing"
	"time"
)

// A source that nests as deep as the bounds allow is rendered or refused, one
// that nests deeper is refused, both at once.
func TestDeepSources(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, (maxTemplateBytes-100)/len(unit)) }
	most := func(unit string, tokens int) string { return strings.Repeat(unit, (maxTagTokens-1)/tokens) }
	for name, template := range map[string]string{
		"not":             "{{ " + fill("not ") + "x }}",
		"minus":           "{{ " + fill("-") + "1 }}",
		"plus":            "{{ 1" + fill("+1") + " }}",
		"tilde":           "{{ 1" + fill("~1") + " }}",
		"and":             "{{ 1" + fill(" and 1") + " }}",
		"equal":           "{{ 1" + fill("==1") + " }}",
		"attributes":      "{{ x" + fill(".a") + " }}",
		"items":           "{{ x" + fill("[0]") + " }}",
		"calls":           "{{ x" + fill("()") + " }}",
		"filters":         "{{ 'x'" + fill("|trim") + " }}",
		"tests":           "{{ x" + fill(" is defined") + " }}",
		"choices":         "{{ " + fill("1 if 0 else ") + "2 }}",
		"ifs":             fill("{%if 1%}"),
		"most ifs":        strings.Repeat("{%if 1%}", maxBlocks) + "x" + strings.Repeat("{%endif%}", maxBlocks),
		"most plus":       "{{ 1" + most("+1", 2) + " }}",
		"most tilde":      "{{ 1" + most("~1", 2) + " }}",
		"most attributes": "{{ x" + most(".a", 2) + " }}",
		"most items":      "{{ x" + most("[0]", 2) + " }}",
		"most filters":    "{{ 'x'" + most("|trim", 2) + " }}",
		"most choices":    "{{ " + most("1 if 0 else ", 4) + "2 }}",
		"most nots":       "{{ " + most("not ", 1) + "x }}",
		"set blocks":      fill("{% set x %}"),
		"elifs":           "{%if 0%}" + strings.Repeat("{%elif 0%}", 5000) + "{%endif%}",
		"loops":           strings.Repeat("{%for i in[1]%}", maxBlocks) + "x" + strings.Repeat("{%endfor%}", maxBlocks),
		"brackets":        "{{ " + fill("[") + " }}",
		"parens":          "{{ " + strings.Repeat("(", 60) + "1" + strings.Repeat(")", 60) + " }}",
		"tags":            fill("{{1}}"),
		"names":           "{{ " + fill("a") + " }}",
		"spaces":          "{{ " + fill(" ") + " }}",
		"commas":          "{{ [1" + fill(",1") + "] }}",
		"strings":         "{{ " + fill("''") + " }}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tpl, err := Parse(template, nil)
			if err == nil {
				_, err = tpl.Render(nil, false, nil)
			}
			took := time.Since(start)
			if took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("a message of %d bytes: %.200s", len(err.Error()), err)
			}
			t.Logf("%v %v", took, err)
		})
	}
}

// Branches and sets that follow each other are not nested, however many there are.
func TestBranchesDoNotNest(t *testing.T) {
	template := "{% if false %}" + strings.Repeat("{% elif false %}", maxBlocks) + "{% else %}" + strings.Repeat("{% set x = 1 %}", maxBlocks) + "{{ x }}{% endif %}"
	if got, err := mustParse(t, template).Render(nil, false, nil); err != nil || got != "1" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Parse(strings.Repeat("{% if 1 %}", maxBlocks+1), nil); err == nil || !strings.Contains(err.Error(), "blocks within blocks") {
		t.Errorf("%d blocks within blocks: %v", maxBlocks+1, err)
	}
}
