package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// A template is a program, so rendering is bounded by work and not by time: the
// same request then has the same outcome on any machine. Every operation that
// makes, copies, compares or searches a value, every turn of a loop and every
// macro call spends from a budget (rewrite.go puts the calls in).
const (
	// maxWork: 500 turns of 1 kB take about 20,000 units with OLMoE's templates and
	// 50,000 with long ones. 200,000 take about 2 s (measured: 8 us for the turn of
	// an empty loop).
	maxWork = 200_000
	// maxDepth bounds macros that call themselves: tool schemas nest a few
	// levels, and the library's cost grows with the square of the depth.
	maxDepth = 50
	// bytesPerWork: making or reading that many bytes costs one unit, so that all
	// values that a template makes stay below maxWork * bytesPerWork = 25 MB.
	bytesPerWork = 128
	// stepsPerWork: so many names, constants and operators that are not charged by
	// themselves cost one unit (measured: 0.1 us each).
	stepsPerWork = 16
	// stepsPerTag are those of a tag such as if or set: scopes are made for it.
	stepsPerTag = 8
	// maxText bounds one string, what a value would take as text, and the whole
	// output; a prompt that fills the context has about 20 kB.
	maxText = 8 << 20
)

// budget is what one render may still spend.
type budget struct {
	work   int
	depth  int // macro calls that have not ended
	output int // bytes written
	spent  *LimitError
	cause  error // the first other error of ours: the library hides it in prose
}

const budgetName = "__budget"

func newBudget() *budget { return &budget{work: maxWork} }

// budgetOf finds the budget of the render that e belongs to.
func budgetOf(e *exec.Evaluator) *budget {
	b, _ := e.Environment.Context.Get(budgetName)
	return b.(*budget)
}

// spend takes a unit of work for an operation, and more if it moves many bytes (n).
func (b *budget) spend(n int) error {
	if err := b.take(1 + n/bytesPerWork); err != nil {
		return err
	}
	if n > maxText {
		return b.fail("a text or list of more than %d bytes", maxText)
	}
	return nil
}

// take takes units of work.
func (b *budget) take(units int) error {
	if b.work -= units; b.work < 0 {
		return b.fail("more than %d operations: does it loop?", maxWork)
	}
	return nil
}

// text is show(v) for a value of any size.
func (b *budget) text(v *exec.Value) (string, error) {
	if v.IsString() {
		return v.String(), nil
	}
	if err := b.spend(size(v)); err != nil {
		return "", err
	}
	return show(v), nil
}

// write takes n bytes of output.
func (b *budget) write(n int) error {
	if b.output += n; b.output > maxText {
		return b.fail("more than %d bytes of output", maxText)
	}
	return b.spend(n)
}

// enter begins a macro call. A call that fails need not leave: it ends the
// render.
func (b *budget) enter() error {
	if b.depth++; b.depth > maxDepth {
		return b.fail("macros call each other more than %d deep", maxDepth)
	}
	return nil
}

// note keeps the first error.
func (b *budget) note(err error) error {
	if b.cause == nil {
		b.cause = err
	}
	return err
}

func (b *budget) fail(format string, args ...any) error {
	b.spent = &LimitError{Message: fmt.Sprintf(format, args...)}
	return b.spent
}
