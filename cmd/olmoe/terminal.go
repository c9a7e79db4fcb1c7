package main

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminal draws frames in place where there is one; else lines follow each other.
type terminal struct {
	out    io.Writer
	fd     int  // -1: no terminal
	live   bool // draw in place
	colour bool
	begun  bool
}

// Control sequences of a terminal's second screen: what was there before comes
// back at the end.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // and hide the cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// pipeWidth is that of a frame which goes to no terminal.
const pipeWidth = 80

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out, fd: -1}
	f, ok := out.(interface{ Fd() uintptr })
	if !ok {
		return t
	}
	if _, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err != nil {
		return t
	}
	t.fd, t.live = int(f.Fd()), draws(os.Getenv("TERM"))
	t.colour = t.live && os.Getenv("NO_COLOR") == ""
	return t
}

// draws says whether a terminal of that kind knows control sequences. Unset is taken
// for yes: not every container runtime sets TERM.
func draws(term string) bool { return term != "dumb" }

// size is the terminal's, asked anew each time. A frame that is only printed has
// no height.
func (t *terminal) size() (width, height int) {
	if t.fd < 0 {
		return pipeWidth, 0
	}
	w, err := unix.IoctlGetWinsize(t.fd, unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 {
		return pipeWidth, 0
	}
	if !t.live {
		return int(w.Col), 0
	}
	return int(w.Col), int(w.Row)
}

// draw shows a frame.
func (t *terminal) draw(lines []string) error {
	var b bytes.Buffer
	if t.live && !t.begun {
		b.WriteString(enterScreen)
		t.begun = true
	}
	if t.live {
		b.WriteString(home)
	}
	for i, line := range lines {
		b.WriteString(line)
		switch {
		case !t.live:
			b.WriteString("\n")
		case i < len(lines)-1:
			b.WriteString(clearLine + "\r\n")
		default:
			b.WriteString(clearLine + clearBelow) // no line feed: it would scroll a full screen
		}
	}
	_, err := t.out.Write(b.Bytes())
	return err
}

// restore gives the terminal back as it was.
func (t *terminal) restore() {
	if t.begun {
		_, _ = io.WriteString(t.out, leaveScreen)
	}
}
