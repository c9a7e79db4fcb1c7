package chat

import (
	"strings"
	"testing"
)

// What no budget could bound is refused by itself.
func TestRefusedForTheirCost(t *testing.T) {
	long := map[string]any{"big": strings.Repeat("é", 1<<20)}
	for template, want := range map[string]string{
		"{% set ns = namespace(x=1) %}{% set ns.x = ns %}{{ ns }}":              "a namespace cannot be put into another value",
		"{% set ns = namespace(x=1) %}{% set ns.x = [ns] %}{{ ns }}":            "a namespace cannot be put into another value",
		"{% set ns = namespace(x=1) %}{% set ns.x = {'a': ns} %}{{ ns }}":       "a namespace cannot be put into another value",
		"{% set ns = namespace(x=1) %}{% set ns.x = dict(a=ns) %}{{ ns }}":      "a namespace cannot be put into another value",
		"{% set ns = namespace(x=1) %}{% set ns.x = namespace(a=ns) %}{{ ns }}": "a namespace cannot be put into another value",
		"{% set ns = namespace(x=1) %}{% set m = namespace(a=ns) %}{{ m.a.x }}": "a namespace cannot be put into another value",
		"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}":                       "macros call each other more than 50 deep",
		"{{ big.strip(big) }}":                                "chars has 2097152 bytes, more than 256",
		"{{ big | trim(big) }}":                               "chars has 2097152 bytes, more than 256",
		"{{ range(100000) | tojson(separators=[big, ':']) }}": "a separator of more than 16 bytes",
		"{{ range(100000) | tojson(separators=[',', big]) }}": "a separator of more than 16 bytes",
	} {
		_, err := mustParse(t, template).Render(nil, false, long)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", template, err, want)
		}
	}
}

// Each call of a chain is made once.
func TestChainsOfCalls(t *testing.T) {
	got, err := mustParse(t, "{{ 'a'"+strings.Repeat(".strip()", 300)+" }}").Render(nil, false, nil)
	if err != nil || got != "a" {
		t.Errorf("%q, %v", got, err)
	}
}

// What real conversations need is far from the limits.
func TestLimitsLeaveRoom(t *testing.T) {
	tpl := mustParse(t, "{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>\n' + m.content.strip() + '\n' }}{% else %}{{ m.content | trim }}{% endif %}{% endfor %}")
	messages := make([]Message, 1000)
	for i := range messages {
		messages[i] = Message{Role: "user", Content: strings.Repeat("word ", 200)}
	}
	got, err := tpl.Render(messages, true, nil)
	if err != nil || len(got) < 1000*1000 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// The same request has the same outcome: limits count work, not time.
func TestLimitsAreRepeatable(t *testing.T) {
	tpl := mustParse(t, "{% set ns = namespace(n=0) %}{% for i in range(100000) %}{% for j in range(100) %}{% set ns.n = ns.n + 1 %}{% if ns.n == 90000 %}{{ raise_exception('x') }}{% endif %}{% endfor %}{% endfor %}")
	_, first := tpl.Render(nil, false, nil)
	_, second := tpl.Render(nil, false, nil)
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("%v, then %v", first, second)
	}
}
