package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is matched in the text itself, before words are
// split. Fields as in tokenizer.json.
type addedToken struct {
	text       string
	id         int32
	singleWord bool // only where no word character touches it
	lstrip     bool // takes the white space before it
	rstrip     bool // takes the white space after it
}

// addedSet finds the tokens of one set in a text: leftmost, then longest, as
// the reference's Aho-Corasick search does.
type addedSet struct {
	tokens []addedToken
	root   [256]int32 // first byte -> node, 0 = none
	nodes  []trieNode // nodes[0] is unused
}

type trieNode struct {
	keys  []byte  // outgoing bytes
	kids  []int32 // their nodes
	token int32   // index of the token that ends here + 1, 0 = none
}

func newAddedSet(tokens []addedToken) addedSet {
	s := addedSet{tokens: tokens, nodes: make([]trieNode, 1)}
	for i, t := range tokens {
		s.insert(t.text, int32(i+1))
	}
	return s
}

func (s *addedSet) insert(text string, token int32) {
	at := &s.root[text[0]]
	for i := 0; ; i++ {
		if *at == 0 {
			s.nodes = append(s.nodes, trieNode{})
			*at = int32(len(s.nodes) - 1)
		}
		node := &s.nodes[*at]
		if i+1 == len(text) {
			node.token = token
			return
		}
		k := slices.Index(node.keys, text[i+1])
		if k < 0 {
			node.keys, node.kids = append(node.keys, text[i+1]), append(node.kids, 0)
			k = len(node.keys) - 1
		}
		// Appending to s.nodes may move this node; its kids' array stays.
		at = &node.kids[k]
	}
}

// longest is the longest token that text starts with, nil if none.
func (s *addedSet) longest(text string) *addedToken {
	var found int32
	at := s.root[text[0]]
	for i := 1; at != 0; i++ {
		node := &s.nodes[at]
		if node.token != 0 {
			found = node.token
		}
		at = 0
		if i < len(text) {
			if k := slices.Index(node.keys, text[i]); k >= 0 {
				at = node.kids[k]
			}
		}
	}
	if found == 0 {
		return nil
	}
	return &s.tokens[found-1]
}

// cut calls part for each stretch of text: an added token (id) or text
// between two (absent). Each byte is in one part, but for the reference's own
// quirk that an rstrip token and a token of white space may share spaces.
func (s *addedSet) cut(text string, part func(text string, id int32)) {
	done := 0
	for i := 0; i < len(text) && len(s.tokens) > 0; {
		t := s.match(text[i:])
		if t == nil {
			i++
			continue
		}
		start, stop := i, i+len(t.text)
		i = stop
		if t.singleWord && inWord(text, start, stop) {
			continue
		}
		if t.lstrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if t.rstrip {
			stop = len(text) - len(strings.TrimLeftFunc(text[stop:], unicode.IsSpace))
		}
		if done < start {
			part(text[done:start], absent)
		}
		part(text[start:stop], t.id)
		done = stop
	}
	if done < len(text) {
		part(text[done:], absent)
	}
}

func (s *addedSet) match(text string) *addedToken {
	if s.root[text[0]] == 0 {
		return nil
	}
	return s.longest(text)
}

func inWord(text string, start, stop int) bool {
	left, _ := utf8.DecodeLastRuneInString(text[:start])
	right, _ := utf8.DecodeRuneInString(text[stop:])
	return start > 0 && wordRune(left) || stop < len(text) && wordRune(right)
}

// wordRune is \w with Unicode on (UTS #18, annex C).
func wordRune(r rune) bool {
	return unicode.In(r, unicode.Letter, unicode.Mark, unicode.Nd, unicode.Nl, unicode.Pc,
		unicode.Other_Alphabetic, unicode.Join_Control)
}
