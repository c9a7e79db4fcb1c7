package openai

import (
	"errors"
	"slices"
	"strings"
	"unicode"
)

// mark stands for the end of the message to continue while a template renders it.
// Looking for the message's own text would not do: it may be empty, and "end" is
// also in the <|endoftext|> that a template writes after it.
const mark = "olmoe-continues-here"

// blank follows the mark: it is gone where the template trims messages.
const blank = "\v"

// renderToResume renders a conversation up to the end of its last message, so that
// the model goes on with it.
func (ps *parser) renderToResume(messages []Message, kwargs map[string]any) (string, error) {
	text, trimmed, err := ps.renderMarked(messages, kwargs)
	if err != nil || !trimmed {
		return text, err
	}
	// The mark has kept the blanks before it from being trimmed.
	messages = slices.Clone(messages)
	last := &messages[len(messages)-1]
	last.Content = strings.TrimRightFunc(last.Content, unicode.IsSpace)
	text, _, err = ps.renderMarked(messages, kwargs)
	return text, err
}

// renderMarked returns what comes before the mark, and whether the template trims.
func (ps *parser) renderMarked(messages []Message, kwargs map[string]any) (text string, trimmed bool, err error) {
	messages = slices.Clone(messages)
	messages[len(messages)-1].Content += mark + blank
	text, err = ps.chat.Render(messages, false, kwargs)
	if err != nil {
		return "", false, err
	}
	at := strings.LastIndex(text, mark)
	if at < 0 {
		return "", false, errors.New("the final message to continue does not appear in it")
	}
	return text[:at], !strings.HasPrefix(text[at+len(mark):], blank), nil
}
