package chat

import (
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// pythonSpace is what str.strip() strips.
const pythonSpace = " \t\n\r\v\f\x1c\x1d\x1e\x1f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

// arg is the i-th argument, or the one named name; nil if neither is given.
func arg(args *exec.VarArgs, i int, name string) *exec.Value {
	if i < len(args.Args) {
		return args.Args[i]
	}
	return args.KwArgs[name]
}

// stringArg is the first argument, a text, or what it is where not given.
func stringArg(args *exec.VarArgs, name, otherwise string) (string, error) {
	v := arg(args, 0, name)
	if v == nil || isNone(v) {
		return otherwise, nil
	}
	if !v.IsString() {
		return "", fmt.Errorf("%s is %s, not a string", name, kind(v))
	}
	return v.String(), nil
}

func intArg(args *exec.VarArgs, i int, name string, otherwise int) (int, error) {
	v := arg(args, i, name)
	if v == nil {
		return otherwise, nil
	}
	if !v.IsInteger() {
		return 0, fmt.Errorf("%s is %s, not an int", name, kind(v))
	}
	return v.Integer(), nil
}

// maxChars bounds what strip and trim look each character up in.
const maxChars = 256

// charsArg are the characters to strip: white space where not given.
func charsArg(args *exec.VarArgs) (string, error) {
	chars, err := stringArg(args, "chars", pythonSpace)
	if err == nil && len(chars) > maxChars {
		err = fmt.Errorf("chars has %d bytes, more than %d", len(chars), maxChars)
	}
	return chars, err
}

func trimFilter(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
	chars, err := charsArg(args)
	if err != nil {
		return nil, err
	}
	s, err := b.text(in)
	if err != nil {
		return nil, err
	}
	return strings.Trim(s, chars), b.spend(len(s))
}

func replaceFilter(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
	s, err := b.text(in)
	if err != nil {
		return nil, err
	}
	return replace(b, s, args)
}

// replace is s.replace(old, new[, count]).
func replace(b *budget, s string, args *exec.VarArgs) (any, error) {
	if len(args.Args) < 2 {
		return nil, fmt.Errorf("replace takes the old and the new text")
	}
	old, err := b.text(args.Args[0])
	if err != nil {
		return nil, err
	}
	with, err := b.text(args.Args[1])
	if err != nil {
		return nil, err
	}
	n, err := intArg(args, 2, "count", -1)
	if err != nil {
		return nil, err
	}
	times := strings.Count(s, old)
	if n >= 0 {
		times = min(times, n)
	}
	if err := b.spend(max(len(s), len(s)+times*(len(with)-len(old)))); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, with, n), nil
}

func joinFilter(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
	sep, err := stringArg(args, "d", "")
	if err != nil {
		return nil, err
	}
	list, err := listOf(b, in)
	if err != nil {
		return nil, err
	}
	if name := arg(args, 1, "attribute"); name != nil {
		for i, v := range list {
			if list[i], err = item(b, v, name); err != nil {
				return nil, err
			}
		}
	}
	return joinList(b, sep, list)
}

func joinList(b *budget, sep string, list []*exec.Value) (any, error) {
	var out strings.Builder
	for i, v := range list {
		if err := b.spend(out.Len()/max(1, len(list)) + len(sep) + size(v)); err != nil {
			return nil, err
		}
		if out.Len() > maxText {
			return nil, b.spend(out.Len())
		}
		if i > 0 {
			out.WriteString(sep)
		}
		out.WriteString(show(v))
	}
	return out.String(), nil
}

// indentFilter is indent(width=4, first=false, blank=false).
func indentFilter(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
	width, err := intArg(args, 0, "width", 4)
	if err != nil {
		return nil, err
	}
	if width < 0 || width > 100 {
		return nil, fmt.Errorf("indent: width %d is not within 0..100", width)
	}
	s, err := b.text(in)
	if err != nil {
		return nil, err
	}
	if err := b.spend(len(s) + (width+valueBytes)*strings.Count(s, "\n")); err != nil {
		return nil, err
	}
	lines := strings.Split(s, "\n")
	first, blank := arg(args, 1, "first"), arg(args, 2, "blank")
	for i, line := range lines {
		indented := line != "" || blank != nil && blank.IsTrue()
		if i == 0 {
			indented = first != nil && first.IsTrue()
		}
		if indented {
			lines[i] = strings.Repeat(" ", width) + line
		}
	}
	return strings.Join(lines, "\n"), nil
}
