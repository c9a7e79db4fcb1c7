package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// A template is a program, so rendering is bounded by work and not by time: the
// same request then has the same outcome on any machine. Every expression that
// makes a value, every turn of a loop and every macro call spends from a
// budget (rewrite.go puts the calls in).
const (
	// maxWork allows about 2 million operations, some 100 times what a
	// conversation that fills a context of 4096 tokens needs; they take about
	// 2 s. A macro call costs callWork, so that recursion stays within 4000
	// calls and the stack.
	maxWork  = 2_000_000
	callWork = 500
	// bytesPerWork: moving that many bytes costs one unit, so that values of
	// all kinds together stay below maxWork * bytesPerWork = 128 MB.
	bytesPerWork = 64
	// maxText bounds one string and the whole output; a prompt that fills the
	// context has about 20 kB.
	maxText = 8 << 20
)

// budget is what one render may still spend.
type budget struct {
	work   int
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

// spend takes work for an operation that moves n bytes.
func (b *budget) spend(work, n int) error {
	b.work -= work + n/bytesPerWork
	if b.work < 0 {
		return b.fail("more than %d operations: does it loop?", maxWork)
	}
	if n > maxText {
		return b.fail("a text of more than %d bytes", maxText)
	}
	return nil
}

// write takes n bytes of output.
func (b *budget) write(n int) error {
	if b.output += n; b.output > maxText {
		return b.fail("more than %d bytes of output", maxText)
	}
	return b.spend(1, n)
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
