package chat

import (
	"fmt"
	"slices"
	"strings"
)

// A template's source is bounded because parsing it recurses, and the library
// takes quadratic time in places. The longest published templates have 20 kB,
// tags of 100 tokens, and blocks 8 deep.
const (
	maxTemplateBytes = 256 << 10
	maxTagTokens     = 2000
	maxBlocks        = 50 // blocks within blocks
)

// prepare rewrites a template's source into the part of Jinja that gonja's
// parser reads as Jinja does (ADR 0021 lists the differences). Text between
// tags, and so every character of output, stays as it is.
func prepare(src string) (string, error) {
	if len(src) > maxTemplateBytes {
		return "", fmt.Errorf("%d bytes, more than the %d a template may have", len(src), maxTemplateBytes)
	}
	p := &preparer{src: strings.ReplaceAll(src, "\r\n", "\n")}
	for p.pos < len(p.src) {
		if err := p.next(); err != nil {
			return "", fmt.Errorf("line %d: %w", 1+strings.Count(p.src[:p.pos], "\n"), err)
		}
	}
	return p.out.String(), nil
}

type preparer struct {
	src    string
	pos    int
	blocks int // that have not ended
	out    strings.Builder
}

// next copies text up to the next tag, then the tag.
func (p *preparer) next() error {
	rest := p.src[p.pos:]
	at := 0
	for ; at < len(rest); at++ {
		if rest[at] == '{' && at+1 < len(rest) && strings.IndexByte("{%#", rest[at+1]) >= 0 {
			break
		}
	}
	p.out.WriteString(rest[:at])
	p.pos += at
	if at == len(rest) {
		return nil
	}
	if rest[at+1] == '#' {
		return p.comment()
	}
	return p.tag(rest[at : at+2])
}

func (p *preparer) comment() error {
	end := strings.Index(p.src[p.pos+2:], "#}")
	if end < 0 {
		return fmt.Errorf("a comment does not end")
	}
	text := p.src[p.pos+2 : p.pos+2+end]
	p.out.WriteString("{#" + p.opening(&text) + text + "#}")
	p.pos += 2 + end + 2
	return nil
}

// opening takes the white space control off the start of a tag's text. Where
// there is none and the tag does not start its line, it is "+": gonja would
// strip the blanks between a {{ … }} and the tag, Jinja does not.
func (p *preparer) opening(text *string) string {
	if s := *text; s != "" && (s[0] == '-' || s[0] == '+') {
		*text = s[1:]
		return s[:1]
	}
	line := p.src[strings.LastIndexByte(p.src[:p.pos], '\n')+1 : p.pos]
	if strings.Trim(line, " \t") != "" {
		return "+"
	}
	return ""
}

// tag rewrites one {{ … }} or {% … %}.
func (p *preparer) tag(open string) error {
	text := p.src[p.pos+2:]
	control := ""
	if open == "{%" {
		control = p.opening(&text)
	} else if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		control, text = strings.TrimSuffix(text[:1], "+"), text[1:]
	}
	body, closing, rest, err := scanTag(text, map[string]string{"{{": "}}", "{%": "%}"}[open])
	if err != nil {
		return err
	}
	p.out.WriteString(open + control + " " + writeTag(open, body) + " " + closing)
	p.pos = len(p.src) - len(rest)
	if open == "{{" || len(body) == 0 {
		return nil
	}
	if p.blocks += blockStep(body); p.blocks > maxBlocks {
		return fmt.Errorf("more than %d blocks within blocks", maxBlocks)
	}
	if len(body) == 1 && body[0].is("raw") {
		return p.raw()
	}
	return nil
}

// blockStep is 1 for a tag that begins a block, -1 for one that ends it.
func blockStep(body []token) int {
	switch name := body[0].text; {
	case strings.HasPrefix(name, "end"):
		return -1
	case slices.Contains([]string{"else", "elif", "break", "continue"}, name):
		return 0
	case name == "set" && slices.ContainsFunc(body, func(t token) bool { return t.is("=") }):
		return 0
	}
	return 1
}

// raw copies text up to {% endraw %}.
func (p *preparer) raw() error {
	rest := p.src[p.pos:]
	for at := 0; at < len(rest); at++ {
		if !strings.HasPrefix(rest[at:], "{%") {
			continue
		}
		if strings.HasPrefix(strings.TrimLeft(rest[at+2:], "-+ \t\n"), "endraw") {
			p.out.WriteString(rest[:at])
			p.pos += at
			return nil
		}
	}
	return fmt.Errorf("raw without endraw")
}
