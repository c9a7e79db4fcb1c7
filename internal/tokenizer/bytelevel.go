package tokenizer

// GPT-2 spells each of the 256 bytes as one printable character, so that a
// vocabulary is text: printable Latin-1 bytes are themselves, the other 68
// are U+0100, U+0101, ... in byte order (" " is "Ġ", "\n" is "Ċ").

const firstMoved = 0x100 // where the characters of unprintable bytes start

// byteChars maps a byte to its character; charBytes is the inverse.
var byteChars, charBytes = byteAlphabet()

func byteAlphabet() (chars [256]rune, bytes map[rune]byte) {
	bytes = make(map[rune]byte, 256)
	next := rune(firstMoved)
	for b := range chars {
		c := rune(b)
		if !printableLatin1(c) {
			c = next
			next++
		}
		chars[b] = c
		bytes[c] = byte(b)
	}
	return chars, bytes
}

func printableLatin1(c rune) bool {
	return c >= '!' && c <= '~' || c >= 0xA1 && c <= 0xAC || c >= 0xAE && c <= 0xFF
}

// unspell turns a vocabulary entry into its bytes. An entry with a character
// outside the alphabet stands for its own UTF-8, as in the reference decoder;
// ok is false then (no bytes of a text can ever merge into it).
func unspell(s string) (b []byte, ok bool) {
	b = make([]byte, 0, len(s))
	for _, c := range s {
		v, in := charBytes[c]
		if !in {
			return []byte(s), false
		}
		b = append(b, v)
	}
	return b, true
}
