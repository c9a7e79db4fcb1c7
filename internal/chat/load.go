package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// The files of a checkpoint that we read, in the order in which they win. Any may be missing.
const (
	templateFile = "chat_template.jinja"
	configFile   = "tokenizer_config.json"
	specialFile  = "special_tokens_map.json"
)

// maxFileBytes bounds each file: tokenizer_config.json may list thousands of
// added tokens (1 MB in practice).
const maxFileBytes = 16 << 20

// specialNames are the special tokens that transformers gives to a template.
var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// Load reads the chat template of the checkpoint in dir. It returns
// ErrNoTemplate if there is none. Errors of a file that cannot be read are of package
// checkpoint's kinds.
func Load(dir string) (*Template, error) {
	config, err := readObject(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	source, from, err := templateSource(dir, config)
	if err != nil {
		return nil, err
	}
	special, err := specialTokens(dir, config, specialNames...)
	if err != nil {
		return nil, err
	}
	t, err := Parse(source, special)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return t, nil
}

// Parse compiles a template's source. special maps bos_token, eos_token, … to
// their text.
func Parse(source string, special map[string]string) (*Template, error) {
	e, err := compile(source)
	if err != nil {
		return nil, err
	}
	return &Template{engine: e, special: special}, nil
}

// templateSource is the template's text, and from where it is.
func templateSource(dir string, config map[string]json.RawMessage) (source, from string, err error) {
	from = filepath.Join(dir, templateFile)
	data, err := readFile(from)
	if err != nil || data != nil {
		return string(data), from, err
	}
	from = filepath.Join(dir, configFile) + ": chat_template"
	if source, err = pickTemplate(config["chat_template"]); err != nil {
		return "", "", fmt.Errorf("%s: %w", from, err)
	}
	return source, from, nil
}

// pickTemplate reads chat_template: a string, or a list of named templates of
// which "default" counts.
func pickTemplate(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", ErrNoTemplate
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", errors.New("neither a string nor a list of {name, template}")
	}
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	if len(list) == 1 {
		return list[0].Template, nil
	}
	return "", fmt.Errorf("none of the %d templates is named default", len(list))
}

// EndOfSequence is the spelling of the token that ends a sequence, as the tokenizer of the
// checkpoint in dir has it; "" if it has none.
func EndOfSequence(dir string) (string, error) {
	config, err := readObject(filepath.Join(dir, configFile))
	if err != nil {
		return "", err
	}
	const name = "eos_token"
	special, err := specialTokens(dir, config, name)
	return special[name], err
}

// specialTokens takes each token from tokenizer_config.json, else from
// special_tokens_map.json.
func specialTokens(dir string, config map[string]json.RawMessage, names ...string) (map[string]string, error) {
	path := filepath.Join(dir, specialFile)
	more, err := readObject(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range names {
		raw, from := config[name], filepath.Join(dir, configFile)
		if len(raw) == 0 || string(raw) == "null" {
			raw, from = more[name], path
		}
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		if out[name], err = tokenText(raw); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", from, name, err)
		}
	}
	return out, nil
}

// tokenText reads a token: its text, or an object with the text as content.
func tokenText(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var object struct{ Content *string }
	if err := json.Unmarshal(raw, &object); err != nil || object.Content == nil {
		return "", errors.New("neither a string nor an object with content")
	}
	return *object.Content, nil
}

// readObject reads a JSON object; a file that is not there is an empty one.
func readObject(path string) (map[string]json.RawMessage, error) {
	data, err := readFile(path)
	if err != nil || data == nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimSpace(data), &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// readFile is nil, nil for a file that is not there.
func readFile(path string) ([]byte, error) {
	data, err := checkpoint.ReadFile(path, maxFileBytes)
	if errors.Is(err, checkpoint.ErrNotFound) {
		return nil, nil
	}
	return data, err
}
