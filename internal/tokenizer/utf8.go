package tokenizer

import "unicode/utf8"

// ValidUTF8 replaces each maximal invalid part of s by one U+FFFD, as WHATWG
// and Rust's from_utf8_lossy do. Encode applies it to its input, Decode to its
// output. Valid text is returned as it is.
func ValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string(appendValid(nil, []byte(s)))
}

func appendValid(dst, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			dst = utf8.AppendRune(dst, utf8.RuneError)
			n = invalidLen(b)
		} else {
			dst = append(dst, b[:n]...)
		}
		b = b[n:]
	}
	return dst
}

// invalidLen is the length of the maximal invalid part at the start of b: a
// code point cut short counts as one part, any other byte is a part alone.
func invalidLen(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n]) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}

// IncompleteTail is the number of bytes at the end of b that more bytes may
// still complete to a code point.
func IncompleteTail(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
