package chat

import (
	"cmp"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// equal is x == y, or x != y.
func equal(want bool) operatorFunc {
	return func(b *budget, x, y *exec.Value) (any, error) {
		if err := compared(b, x, y); err != nil {
			return nil, err
		}
		return x.EqualValueTo(y) == want, nil
	}
}

// sorting: the library sorts the keys of dicts that it compares, which takes about so
// many times as long as to read them.
const sorting = 4

// compared charges for x == y, before it is worked out.
func compared(b *budget, x, y *exec.Value) error {
	switch {
	case x.IsString() && y.IsString():
		return b.spend(min(surface(x), surface(y)))
	case x.IsList() && y.IsList() || x.IsDict() && y.IsDict():
		return b.spend(sorting * (size(x) + size(y)))
	}
	return nil
}

// searched charges for a look for x in a collection, before it is done.
func searched(b *budget, in, x *exec.Value) error {
	switch {
	case in.IsString():
		return b.spend(size(in) + size(x))
	case !in.IsList() && !in.IsDict():
		return nil
	case x.IsList() || x.IsDict(): // compared with each
		return b.spend(sorting * (size(in) + size(x)*count(in)))
	case in.IsDict():
		return b.spend(surface(in))
	}
	return b.spend(size(in))
}

// order is a comparison of numbers or texts.
func order(holds func(c int) bool) operatorFunc {
	return func(b *budget, x, y *exec.Value) (any, error) {
		switch {
		case x.IsFloat() || y.IsFloat():
			return holds(cmp.Compare(x.Float(), y.Float())), nil
		case x.IsString() || y.IsString():
			if err := b.spend(size(x) + size(y)); err != nil {
				return nil, err
			}
			return holds(cmp.Compare(x.String(), y.String())), nil
		}
		return holds(cmp.Compare(x.Integer(), y.Integer())), nil
	}
}
