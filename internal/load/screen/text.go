package screen

import (
	"fmt"
	"strings"
	"unicode"
)

// ANSI colours; "" is the terminal's own.
const (
	red    = "1;31"
	yellow = "33"
	dim    = "2"
)

func paint(text, colour string, on bool) string {
	if !on || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// clip cuts a text to so many columns and takes out what could steer a terminal:
// names and errors come from the network.
func clip(text string, width int) string {
	runes := []rune(clean(text))
	if len(runes) <= width {
		return string(runes)
	}
	return string(runes[:width-1]) + "…"
}

func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// pad clips a text, and fills it up with blanks.
func pad(text string, width int) string {
	text = clip(text, width)
	return text + strings.Repeat(" ", width-len([]rune(text)))
}

// tail is pad for names: it cuts the front off, as what tells pods apart is at the end.
func tail(text string, width int) string {
	runes := []rune(clean(text))
	if len(runes) <= width {
		return pad(text, width)
	}
	return "…" + string(runes[len(runes)-width+1:])
}

// number has some three digits.
func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// Warning is a line that should be seen.
func Warning(text string, width int, colour bool) string {
	return paint(clip(text, max(width, 1)), red, colour)
}
