package openai

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clip shortens what a client sent before it is quoted back.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) { // what is not UTF-8 may have no start at all
		cut--
	}
	return s[:cut] + "…"
}

// sentence makes an error text a message.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + strings.TrimSuffix(s[n:], ".") + "."
}

func sizeText(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
