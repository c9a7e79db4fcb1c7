package chat

import (
	"slices"
	"strings"
)

// writeTag writes a tag's tokens for gonja's parser: on one line, one space
// between tokens (it takes "and(" for a name), x if c else y as and/or.
func writeTag(open string, body []token) string {
	if open == "{{" || len(body) == 0 {
		return writeList(body)
	}
	if body[0].is("for") { // its "if" is a filter, not a choice
		return writePlain(body)
	}
	return body[0].text + " " + writeList(body[1:])
}

// writeList writes expressions with , : or = between them.
func writeList(ts []token) string {
	var out []string
	start := 0
	for i, t := range ts {
		if t.is(",") || t.is(":") || t.is("=") {
			out = append(out, writeChoice(ts[start:i]), t.text)
			start = i + 1
		}
	}
	return strings.Join(append(out, writeChoice(ts[start:])), " ")
}

// writeChoice writes one expression. gonja knows x if c else y only at the top
// of some tags, so it becomes ((c) and [x] or [y])[0], which evaluates what
// Jinja would and nothing else.
func writeChoice(ts []token) string {
	at := slices.IndexFunc(ts, func(t token) bool { return t.is("if") })
	if at <= 0 {
		return writePlain(ts)
	}
	condition, otherwise := ts[at+1:], "__undefined"
	if e := slices.IndexFunc(condition, func(t token) bool { return t.is("else") }); e >= 0 {
		condition, otherwise = condition[:e], writeChoice(condition[e+1:])
	}
	return "( ( " + writePlain(condition) + " ) and [ " + writePlain(ts[:at]) + " ] or [ " + otherwise + " ] ) [ 0 ]"
}

func writePlain(ts []token) string {
	out := make([]string, len(ts))
	for i, t := range ts {
		switch {
		case t.kind == text:
			out[i] = quoted(t.text)
		case t.kind == group:
			call := i > 0 && ts[i-1].kind != operator && !slices.Contains(keywords, ts[i-1].text)
			out[i] = writeGroup(t, call)
		case t.is("None"):
			out[i] = "none"
		default:
			out[i] = t.text
		}
	}
	return strings.Join(out, " ")
}

// keywords are the names that a group may follow without being a call.
var keywords = []string{"in", "not", "and", "or", "is", "if", "else"}

var closers = map[string]string{"(": ")", "[": "]", "{": "}"}

// writeGroup drops a comma before the closing bracket, which gonja refuses,
// except where it makes a tuple: (x,).
func writeGroup(t token, call bool) string {
	inner := t.group
	if n := len(inner); n > 0 && inner[n-1].is(",") && (t.text != "(" || call) {
		inner = inner[:n-1]
	}
	return t.text + " " + writeList(inner) + " " + closers[t.text]
}
