package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
)

// elements is how many a list has: it must be valid JSON. Before they are decoded, because
// then each takes many times its bytes.
func elements(list json.RawMessage) int {
	if list[0] != '[' || bytes.TrimSpace(list[1:])[0] == ']' {
		return 0
	}
	n, depth := 1, 0
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 1 {
				n++
			}
		case '"':
			for i++; list[i] != '"'; i++ {
				if list[i] == '\\' {
					i++
				}
			}
		}
	}
	return n
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// stringList reads a string or a list of strings.
func stringList(raw json.RawMessage) ([]string, error) {
	if raw[0] == '"' {
		raw = append(append(json.RawMessage{'['}, raw...), ']')
	}
	var list []*string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	out := make([]string, len(list))
	for i, p := range list {
		if p == nil { // a null would silently read as ""
			return nil, errors.New("null is not a string")
		}
		out[i] = *p
	}
	return out, nil
}

// idList reads a list of token ids of the vocabulary. It reads the text itself:
// encoding/json would take 50 bytes and a reflection call for each.
func (ps *parser) idList(raw json.RawMessage) ([]int32, error) {
	if raw[0] != '[' {
		return nil, errors.New("must be a list of token ids")
	}
	body := bytes.TrimSpace(raw[1 : len(raw)-1])
	if len(body) == 0 {
		return nil, nil
	}
	ids := make([]int32, 0, len(body)/6+1)
	for len(body) > 0 {
		item, rest, _ := bytes.Cut(body, []byte{','}) // valid JSON: no trailing comma
		id, err := ps.tokenID(string(bytes.TrimSpace(item)))
		if err != nil {
			return nil, fmt.Errorf("has %s at index %d; token ids are integers between 0 and %d", clip(string(bytes.TrimSpace(item))), len(ids), ps.vocab-1)
		}
		ids, body = append(ids, id), rest
	}
	return ids, nil
}

// tokenID reads one token id of the vocabulary.
func (ps *parser) tokenID(text string) (int32, error) {
	id, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(id) >= ps.vocab {
		return 0, fmt.Errorf("%q is not a token id", text)
	}
	return int32(id), nil
}
