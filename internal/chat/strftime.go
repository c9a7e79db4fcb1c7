package chat

import (
	"fmt"
	"strings"
	"time"
)

// layouts are the directives of strftime that templates use ("26 Jul 2024"),
// in English, as Python's C locale has them.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'B': "January", 'b': "Jan", 'd': "02", 'j': "002",
	'A': "Monday", 'a': "Mon", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'e': "_2",
}

// longestDirective bounds what a byte of a format makes: two make "September".
const longestDirective = 5

func strftime(t time.Time, format string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		i++
		if i < len(format) && format[i] == '%' {
			out.WriteByte('%')
			continue
		}
		layout, ok := "", false
		if i < len(format) {
			layout, ok = layouts[format[i]]
		}
		if !ok {
			return "", fmt.Errorf("strftime_now: the format %q has a directive that is not supported", format)
		}
		out.WriteString(t.Format(layout))
	}
	return out.String(), nil
}
