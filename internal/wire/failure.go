package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Code says why a request failed, and so what the router does about it.
type Code uint16

// The error codes.
const (
	NotHeld    Code = iota + 1 // the node does not hold an expert asked for: ask another owner
	Draining                   // the node is shutting down: ask another owner
	Overloaded                 // the node's queue is full: ask another owner, or later
	BadRequest                 // the request does not fit the model: ask one other owner, to see who is wrong
	Broken                     // the node cannot compute (its model changed under it): ask another owner
)

var codeNames = [...]string{NotHeld: "NotHeld", Draining: "Draining", Overloaded: "Overloaded", BadRequest: "BadRequest", Broken: "Broken"}

// String names the code for messages.
func (c Code) String() string {
	if c.known() {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint16(c))
}

// Label names the code for metrics: a peer must not make a series for each number.
func (c Code) Label() string {
	if c.known() {
		return codeNames[c]
	}
	return "Unknown"
}

func (c Code) known() bool { return int(c) < len(codeNames) && codeNames[c] != "" }

// Failure is the content of an Error frame.
type Failure struct {
	Code    Code
	Message string
}

// Error implements error.
func (f *Failure) Error() string { return f.Code.String() + ": " + f.Message }

const failureSize = 4

// NewError builds a sealed Error frame for a call (0 = the stream).
func NewError(call uint64, f *Failure) Out {
	msg := clip(f.Message)
	o := newOut(&Header{Type: Error, Call: call}, failureSize+len(msg))
	b := o.payload()
	binary.LittleEndian.PutUint16(b, uint16(f.Code))
	binary.LittleEndian.PutUint16(b[2:], uint16(len(msg)))
	copy(b[failureSize:], msg)
	o.Seal()
	return o
}

// clip bounds a text to MaxText bytes of valid UTF-8.
func clip(s string) string {
	if len(s) > MaxText {
		s = s[:MaxText]
	}
	return strings.ToValidUTF8(s, "")
}

// Failure reads the payload of an Error frame.
func (in *In) Failure() (*Failure, error) {
	var b [failureSize]byte
	if in.left < len(b) {
		return nil, fmt.Errorf("error frame of %d payload bytes", in.left)
	}
	in.read(b[:])
	f := &Failure{Code: Code(binary.LittleEndian.Uint16(b[:]))}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n != in.left || n > MaxText {
		return nil, fmt.Errorf("error frame with a message of %d bytes, %d left", n, in.left)
	}
	var err error
	f.Message, err = in.text(n)
	return f, err
}

func (in *In) text(n int) (string, error) {
	b := make([]byte, n)
	in.read(b)
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%v frame with invalid UTF-8", in.Type)
	}
	return string(b), nil
}
