package checkpoint

import (
	"errors"
	"strings"
)

// The kinds of error this package reports; test with errors.Is.
var (
	// ErrNotFound: the directory, or a file it must hold, does not exist.
	ErrNotFound = errors.New("checkpoint not found")
	// ErrDangling: a file is a symbolic link to what is not there. It is not taken for a
	// file that is missing, which some may.
	ErrDangling = errors.New("checkpoint is linked to what is not there")
	// ErrUnreadable: this process may not read a file.
	ErrUnreadable = errors.New("checkpoint unreadable")
	// ErrInvalid: a file is there but is not what an OLMoE checkpoint holds.
	ErrInvalid = errors.New("checkpoint invalid")
	// ErrChanged: a mapped file was modified or truncated in place. What is
	// in memory can no longer be trusted: stop serving.
	ErrChanged = errors.New("checkpoint changed in place")
	// ErrReplaced: the path now names another file, or none. The mapping
	// still holds the old bytes, so serving may go on; a restart would not
	// see the same model.
	ErrReplaced = errors.New("checkpoint replaced on disk")
)

// Error says which file, and what in it, is wrong.
type Error struct {
	Kind    error  // one of the sentinels above
	Path    string // file or directory
	Where   string // "tensor NAME" or "field NAME"; empty for the whole file
	Problem string // what is wrong and, where it is not plain, what to do
	Cause   error  // the underlying error, or nil
}

// Error reads "PATH: WHERE: PROBLEM: CAUSE".
func (e *Error) Error() string {
	parts := []string{e.Path}
	for _, s := range []string{e.Where, e.Problem} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Cause != nil {
		parts = append(parts, e.Cause.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap lets errors.Is see the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// fieldError is an ErrInvalid about one field of a JSON file.
func fieldError(path, field, problem string) error {
	return &Error{Kind: ErrInvalid, Path: path, Where: "field " + field, Problem: problem}
}

// tensorError is an ErrInvalid about one tensor of a weights file.
func tensorError(path, tensor, problem string) error {
	return &Error{Kind: ErrInvalid, Path: path, Where: "tensor " + tensor, Problem: problem}
}

// fileError is an ErrInvalid about a whole file.
func fileError(path, problem string, cause error) error {
	return &Error{Kind: ErrInvalid, Path: path, Problem: problem, Cause: cause}
}
