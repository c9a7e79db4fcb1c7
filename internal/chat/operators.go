package chat

import (
	"fmt"
	"math"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// binaryOps are the operators that rewrite.go turns into calls of these
// filters: Python's rules instead of gonja's ("a" + none is an error, not
// "a"), and what they make and read is charged to the budget.
var binaryOps = map[tokens.Type]string{
	tokens.Addition: "__add", tokens.Tilde: "__join", tokens.Multiply: "__mul",
	tokens.Subtraction: "__sub", tokens.Division: "__div", tokens.FloorDivision: "__floordiv",
	tokens.Modulo: "__mod", tokens.Power: "__pow",
	tokens.Equals: "__eq", tokens.Ne: "__ne", tokens.LowerThan: "__lt", tokens.LowerThanOrEqual: "__le",
	tokens.GreaterThan: "__gt", tokens.GreaterThanOrEqual: "__ge",
}

type operatorFunc func(b *budget, x, y *exec.Value) (any, error)

var operatorFuncs = map[string]operatorFunc{
	"__add": add, "__join": join, "__mul": mul,
	"__sub":      arithmetic("-", func(x, y int) (int, bool) { return x - y, true }, func(x, y float64) float64 { return x - y }),
	"__div":      divide,
	"__floordiv": arithmetic("//", floorDiv, func(x, y float64) float64 { return math.Floor(x / y) }),
	"__mod":      arithmetic("%", floorMod, func(x, y float64) float64 { return x - y*math.Floor(x/y) }),
	"__pow":      arithmetic("**", intPow, math.Pow),
	"__eq":       equal(true),
	"__ne":       equal(false),
	"__lt":       order(func(c int) bool { return c < 0 }),
	"__le":       order(func(c int) bool { return c <= 0 }),
	"__gt":       order(func(c int) bool { return c > 0 }),
	"__ge":       order(func(c int) bool { return c >= 0 }),
}

func isNumber(v *exec.Value) bool { return v.IsNumber() || isBool(v) }

// toInt is the integer of an int or bool.
func toInt(v *exec.Value) int {
	if v.IsBool() {
		if v.Bool() {
			return 1
		}
		return 0
	}
	return v.Integer()
}

func toFloat(v *exec.Value) float64 {
	if v.IsFloat() {
		return v.Float()
	}
	return float64(toInt(v))
}

func mismatch(op string, x, y *exec.Value) error {
	return fmt.Errorf("cannot compute %s %s %s", kind(x), op, kind(y))
}

func add(b *budget, x, y *exec.Value) (any, error) {
	switch {
	case x.IsString() && y.IsString():
		return x.String() + y.String(), b.spend(size(x) + size(y))
	case x.IsList() && y.IsList():
		var out []any
		for _, v := range append(items(x), items(y)...) {
			out = append(out, v.Interface())
		}
		return out, b.spend(size(x) + size(y))
	case isNumber(x) && isNumber(y):
		return addNumbers(b, x, y)
	}
	return nil, mismatch("+", x, y)
}

var addNumbers = arithmetic("+", func(x, y int) (int, bool) { return x + y, true }, func(x, y float64) float64 { return x + y })

func join(b *budget, x, y *exec.Value) (any, error) {
	if err := b.spend(size(x) + size(y)); err != nil {
		return nil, err
	}
	return show(x) + show(y), nil
}

func mul(b *budget, x, y *exec.Value) (any, error) {
	if y.IsString() {
		x, y = y, x
	}
	if !x.IsString() {
		return mulNumbers(b, x, y)
	}
	if !y.IsInteger() {
		return nil, mismatch("*", x, y)
	}
	n := max(0, y.Integer())
	if n > maxText {
		return nil, b.fail("a text repeated %d times", n)
	}
	if err := b.spend(n * min(len(x.String()), maxText+1)); err != nil {
		return nil, err
	}
	return strings.Repeat(x.String(), n), nil
}

var mulNumbers = arithmetic("*", func(x, y int) (int, bool) { return x * y, true }, func(x, y float64) float64 { return x * y })

func divide(b *budget, x, y *exec.Value) (any, error) {
	if !isNumber(x) || !isNumber(y) {
		return nil, mismatch("/", x, y)
	}
	if toFloat(y) == 0 {
		return nil, fmt.Errorf("division by zero")
	}
	return toFloat(x) / toFloat(y), b.spend(0)
}

// arithmetic is an operator on numbers: on integers where both are, unless
// ints says that the result is none; else on floats.
func arithmetic(op string, ints func(x, y int) (int, bool), floats func(x, y float64) float64) operatorFunc {
	return func(b *budget, x, y *exec.Value) (any, error) {
		if !isNumber(x) || !isNumber(y) {
			return nil, mismatch(op, x, y)
		}
		if (op == "//" || op == "%") && toFloat(y) == 0 {
			return nil, fmt.Errorf("division by zero")
		}
		if !x.IsFloat() && !y.IsFloat() {
			if v, ok := ints(toInt(x), toInt(y)); ok {
				return v, b.spend(0)
			}
		}
		return floats(toFloat(x), toFloat(y)), b.spend(0)
	}
}

func floorDiv(x, y int) (int, bool) {
	q := x / y
	if x%y != 0 && (x < 0) != (y < 0) {
		q--
	}
	return q, true
}

func floorMod(x, y int) (int, bool) {
	m := x % y
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m, true
}

// intPow leaves negative exponents and results beyond 2^53 to floats.
func intPow(x, y int) (int, bool) {
	if f := math.Pow(float64(x), float64(y)); y < 0 || math.Abs(f) > 1<<53 {
		return 0, false
	}
	v := 1
	for ; y > 0 && x != 1 && x != 0 && x != -1; y-- {
		v *= x
	}
	switch {
	case y == 0:
		return v, true
	case x == -1 && y%2 == 0:
		return 1, true
	}
	return x, true
}
