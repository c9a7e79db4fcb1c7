package chat

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

func TestStrftime(t *testing.T) {
	at := time.Date(2024, 7, 6, 15, 4, 5, 0, time.UTC)
	for format, want := range map[string]string{
		"%d %b %Y": "06 Jul 2024", "%Y-%m-%d": "2024-07-06", "%A, %B %e": "Saturday, July  6", "%H:%M:%S": "15:04:05",
		"%y%m%d %D %F %T": "240706 07/06/24 2024-07-06 15:04:05", "%a %Z %z": "Sat UTC +0000",
		"%I %p": "03 PM", "%j": "188", "100%%": "100%", "plain 2006": "plain 2006", "": "",
	} {
		if got, err := strftime(at, format); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", format, got, err, want)
		}
	}
	for _, format := range []string{"%Q", "%"} {
		if _, err := strftime(at, format); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%q: %v", format, err)
		}
	}
}

func TestStrftimeNow(t *testing.T) {
	got, err := mustParse(t, "{{ strftime_now('%Y') }}").Render(nil, false, nil)
	if year := time.Now().Format("2006"); err != nil || got != year {
		t.Errorf("%q, %v; want %q", got, err, year)
	}
}

func TestFromGo(t *testing.T) {
	got := fromGo(map[string]any{"a": []any{nil, 1.0, 1.5, true, "x"}, "big": 1e20})
	want := map[string]any{"a": []any{none, 1, 1.5, true, "x"}, "big": 1e20}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestShow(t *testing.T) {
	for want, v := range map[string]any{
		"None": none, "": nil, "True": true, "3": 3, "1.0": 1.0, "1e+20": 1e20, "text": "text",
		`['a', "it's", 'say "x"', 'b\\c\n']`: []any{"a", "it's", `say "x"`, "b\\c\n"},
		`{'a': 1, 'b': [None, True]}`:        map[string]any{"b": []any{none, true}, "a": 1},
		`['\x00é\t']`:                        []any{"\x00é\t"},
	} {
		if got := show(exec.AsValue(v)); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestArithmetic(t *testing.T) {
	for template, want := range map[string]string{
		"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7.5 // 2 }}":                               "3 -4 -4 3.0",
		"{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 % 2 }}":                                   "1 2 -2 1.5",
		"{{ 2 ** 10 }} {{ 2 ** -1 }} {{ (-1) ** 3 }} {{ (-1) ** 4 }} {{ 0 ** 0 }} {{ 1 ** 9 }}": "1024 0.5 -1 1 1 1",
		"{{ true + 1 }} {{ 3 - false }} {{ 2 * 3 }} {{ 6 / 4 }}":                                "2 3 6 1.5",
		"{{ 'ab' * 2 }}{{ 2 * 'c' }}{{ 'd' * -1 }}":                                             "ababcc",
		"{{ 'a' ~ 1 ~ none ~ [1] }}":                                                            "a1None[1]",
	} {
		if got, err := mustParse(t, template).Render(nil, false, nil); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", template, got, err, want)
		}
	}
	for _, template := range []string{"{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 / 0 }}", "{{ 1.0 // 0 }}", "{{ [] - 1 }}", "{{ 'a' * 1.5 }}", "{{ none * 2 }}", "{{ nope + 1 }}"} {
		if got, err := mustParse(t, template).Render(nil, false, nil); err == nil {
			t.Errorf("%s: %q, want an error", template, got)
		}
	}
}
