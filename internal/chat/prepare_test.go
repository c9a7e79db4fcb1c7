package chat

import "testing"

func TestPrepare(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"text stays", "a } } {\n%} b", "a } } {\n%} b"},
		{"one line", "{{ a\n  +\n b }}", "{{ a + b }}"},
		{"control", "{{- a -}}{%- if b -%}", "{{- a -}}{%- if b -%}"},
		{"plus", "{%+ if b +%}", "{%+ if b +%}"},
		{"plus of a variable", "{{+ a }}", "{{ a }}"},
		{"tag not at the start of its line", "x {% if b %}", "x {%+ if b %}"},
		{"tag after a tag", "{% if b %} {% endif %}", "{% if b %} {%+ endif  %}"},
		{"tag at the start of its line", "x\n \t{% if b %}", "x\n \t{% if b %}"},
		{"comment", "x {# {{ y }} #}", "x {#+ {{ y }} #}"},
		{"keywords", "{% if not(a)and(b) %}", "{% if not ( a ) and ( b ) %}"},
		{"None", "{{ None }}", "{{ none }}"},
		{"strings", `{{ 'a' "b" }}`, `{{ 'ab' }}`},
		{"escapes", `{{ 'a\n\\\'"é\x41\u00e9\q' }}`, `{{ 'a\x0a\x5c\x27\x22\U000000e9A\U000000e9\x5cq' }}`},
		{"braces", "{{ {'a': {}} }}", "{{ { 'a' : {  } } }}"},
		{"trailing commas", "{{ [1,] + f(2,) }}{{ (3,) }}{{ {4: 5,} }}", "{{ [ 1 ] + f ( 2 ) }}{{ ( 3 ,  ) }}{{ { 4 : 5 } }}"},
		{"tuple after a keyword", "{{ a in ('x',) }}", "{{ a in ( 'x' ,  ) }}"},
		{"choice", "{{ a if b else c }}", "{{ ( ( b ) and [ a ] or [ c ] ) [ 0 ] }}"},
		{"choice without else", "{{ a if b }}", "{{ ( ( b ) and [ a ] or [ __undefined ] ) [ 0 ] }}"},
		{"choices", "{{ a if b else c if d else e }}", "{{ ( ( b ) and [ a ] or [ ( ( d ) and [ c ] or [ e ] ) [ 0 ] ] ) [ 0 ] }}"},
		{"choice in arguments", "{{ f(x, k=a if b else c) }}", "{{ f ( x , k = ( ( b ) and [ a ] or [ c ] ) [ 0 ] ) }}"},
		{"choice in set", "{% set x = a if b else c %}", "{% set x = ( ( b ) and [ a ] or [ c ] ) [ 0 ] %}"},
		{"for with if", "{% for a in b if c %}", "{% for a in b if c %}"},
		{"raw", "{% raw %} {{ x\n }} {% endraw %}{{ y }}", "{% raw  %} {{ x\n }} {%+ endraw  %}{{ y }}"},
		{"slices and numbers", "{{ a[1:-1] + 1_000 + 1.5e-3 + 0x1f }}", "{{ a [ 1 : - 1 ] + 1_000 + 1.5e-3 + 0x1f }}"},
		{"operators", "{{ a//b**c!=d<=e }}", "{{ a // b ** c != d <= e }}"},
		{"CRLF", "a\r\n{{ b }}\r\n", "a\n{{ b }}\n"},
		{"empty tags", "{{ }}{% %}", "{{  }}{%+  %}"},
	}
	for _, tt := range tests {
		got, err := prepare(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s:\n got %q, %v\nwant %q", tt.name, got, err, tt.want)
		}
	}
}

// Any text comes through a string literal.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "a", `\`, `\\n`, `'"`, "\n\t\x00\x7f", "é😀\u2028", `\x41\u0041`, "{{ }} {% %} {# #}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = string([]rune(s)) // a template is valid UTF-8
		tpl, err := Parse("{{ "+quoted(s)+" }}", nil)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if got, err := tpl.Render(nil, false, nil); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	})
}
