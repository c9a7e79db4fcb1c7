//go:build !race

package chat

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A template that would not end, or would fill the memory, is stopped.
func TestLimits(t *testing.T) {
	loop := func(n int, body string) string {
		return strings.Repeat("{% for i in range(1000) %}", n) + body + strings.Repeat("{% endfor %}", n)
	}
	many := map[string]any{}
	for i := range 10_000 {
		many[strconv.Itoa(i)] = i
	}
	for name, template := range map[string]string{
		"a long range":         "{{ range(100001) | length }}",
		"a range of 10^18":     "{{ range(1000000000000000000) }}",
		"a range backwards":    "{{ range(0, -1000000000000000000, -1) }}",
		"nested empty loops":   loop(4, ""),
		"nested loops of text": loop(3, "text"),
		"loop in a set block":  "{% set x %}" + loop(3, "text") + "{% endset %}",
		"loop in a macro":      "{% macro f() %}" + loop(2, "text{{ 'x' * 1000 }}") + "{% endmacro %}{{ f() }}",
		"output":               loop(2, "{{ 'x' * 1000 }}"),
		"repeat":               "{{ 'x' * 1000000000 }}",
		"repeat a lot":         "{{ 'x' * 1000000000000000000 }}",
		"doubled text":         "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
		"doubled by ~":         "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
		"doubled list":         "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
		"doubled by nesting":   "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
		"doubled dict":         "{% set ns = namespace(x={}) %}{% for i in range(100) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | tojson }}",
		"doubled by dict()":    "{% set ns = namespace(x=1) %}{% for i in range(100) %}{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x == ns.x }}",
		"doubled by set block": "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
		"replace":              "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x.replace('x', 'xx') %}{% endfor %}",
		"replace filter":       "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x | replace('x', 'xx') %}{% endfor %}",
		"replace nothing":      "{% set x = 'x' * 4000000 %}{{ x.replace('', x) }}",
		"join":                 "{% set x = 'x' * 1000000 %}{{ x.join(range(100000)) }}",
		"join filter":          "{% set x = 'x' * 1000000 %}{{ range(100000) | join(x) }}",
		"endless macro":        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"endless macro in if":  "{% macro f(n) %}{% if true %}{{ n }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(1) }}",
		"two endless macros":   "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
		"macro default":        "{% macro f(x=f()) %}{% endmacro %}{{ f() }}",
		"many texts upper":     loop(2, "{{ big | upper | length }}"),
		"replaced and kept":    "{% set s = 'x' * 1000 %}{% set b = 'y' * 8000 %}" + strings.Repeat("{% set a = s.replace('x', b) %}", 4),
		"many steps":           loop(2, "{% if "+strings.Repeat("i and ", 900)+"i %}{% endif %}"),
		"many tags":            loop(2, strings.Repeat("{% set x = i %}", 1000)),
		"texts grouped":        "{% set s = 'Abc\n' * 1900000 %}{{ s | groupby('a') | length }}",
		"texts mapped":         "{% set s = 'Abc\n' * 1000000 %}{{ s | map('upper') | length }}",
		"texts in attributes":  "{% set s = 'Abc\n' * 1000000 %}{{ s | map(attribute='a') | length }}",
		"least of texts":       "{% set s = 'Abc\n' * 1000000 %}{{ s | min }}",
		"largest of texts":     "{% set s = 'Abc\n' * 1000000 %}{{ s | max }}",
		"texts rejected":       "{% set s = 'Abc\n' * 1000000 %}{{ s | reject | length }}",
		"attributes rejected":  "{% set s = 'Abc\n' * 1000000 %}{{ s | rejectattr('a') | length }}",
		"texts selected":       "{% set s = 'Abc\n' * 1000000 %}{{ s | select | length }}",
		"attributes selected":  "{% set s = 'Abc\n' * 1000000 %}{{ s | selectattr('a') | length }}",
		"texts sorted":         "{% set s = 'Abc\n' * 1000000 %}{{ s | sort | length }}",
		"sum of texts":         "{% set s = 'Abc\n' * 1000000 %}{{ s | sum }}",
		"unique texts":         "{% set s = 'Abc\n' * 1000000 %}{{ s | unique | length }}",
		"grouped numbers":      "{% set r = range(100000) %}" + strings.Repeat("{% set x = r | groupby('a') %}", 3),
		"mapped numbers":       "{% set r = range(100000) %}" + strings.Repeat("{% set x = r | map('upper') %}", 3),
		"keys selected":        strings.Repeat("{% set x = many | select %}", 20),
		"doubled by namespace": "{% set ns = namespace(x='x') %}{% set l = [1] %}" + loop(1, "{% set ns.x = [ns.x, ns.x] %}") + "{{ ns }}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, err := Parse(template, nil)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got, err := tpl.Render(nil, false, map[string]any{"big": strings.Repeat("x", 1<<20), "many": many})
			var limit *LimitError
			if !errors.As(err, &limit) {
				t.Fatalf("rendered %d bytes, %v; want a LimitError", len(got), err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
