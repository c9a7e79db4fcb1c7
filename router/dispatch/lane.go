package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

const (
	// laneQueue bounds the requests that a lane has sent and not seen answered, also of
	// calls that have gone on: the node does not know, and ends a stream that has more
	// than it keeps. The engine runs a few calls at a time; more only come from a node
	// that hangs.
	laneQueue = 64
	// retryPause between attempts to open a stream; the connection below backs
	// off by itself, up to a second.
	retryPause = 100 * time.Millisecond
	// refusedPause after a node was refused (another model, another name, another
	// version of frames): a person has to act.
	refusedPause = time.Second
)

// notUp is a lane's load while it takes no requests.
const notUp = -1

// lane is one stream to a node, opened again whenever it ends. One goroutine
// sends, one receives; both live as long as the stream.
type lane struct {
	node *node
	load atomic.Int32 // owed, or notUp

	mu      sync.Mutex
	up      bool              // takes requests
	closing bool              // takes no more; ends when pending is empty
	pending map[uint64]*shard // sent and not answered, and waited for, by id
	owed    int32             // sent and not answered, on this stream
	out     chan wire.Out     // to the sender; as many as may be owed
	idle    chan struct{}     // closed when closing and pending is empty
}

func (l *lane) run() {
	l.load.Store(notUp)
	for ctx := l.node.ctx; ctx.Err() == nil; {
		err := l.session(ctx)
		pause := retryPause
		if errors.Is(err, errRefused) {
			pause = refusedPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

var errRefused = errors.New("node refused")

// session opens a stream and serves it to its end.
func (l *lane) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn := l.node.conn.Load()
	stream, err := wire.Open(ctx, conn, l.node.d.opts.Name)
	if err == nil {
		err = l.hello(stream)
	}
	if errors.Is(err, errRefused) {
		l.node.hint.Store(nil)
		l.node.redial(conn)
	}
	if err != nil {
		l.node.cannotConnect(err)
		return err
	}
	sender := l.begin(ctx, stream)
	err = l.receive(stream)
	l.end(err)
	cancel()
	<-sender
	l.node.laneDown(err)
	return err
}

// hello reads the node's introduction. One that is no frame of ours refuses the node: it
// speaks another version, most likely.
func (l *lane) hello(stream grpc.ClientStream) error {
	in := wire.NewIn()
	defer in.Recycle()
	if err := wire.Receive(stream, in); err != nil {
		var bad *wire.FrameError
		if errors.As(err, &bad) {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	if in.Type != wire.Hello {
		return fmt.Errorf("%w: it began with a %v frame", errRefused, in.Type)
	}
	a, err := in.Announce()
	if err == nil {
		err = l.node.check(a)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if a.Draining {
		return errDraining
	}
	l.open()
	l.node.lives(time.Now())
	return l.node.announced(a, true)
}

var errDraining = errors.New("the node is shutting down")

// open makes the lane take requests; they queue until the sender starts.
func (l *lane) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.closing, l.owed = true, false, 0
	l.out, l.idle = make(chan wire.Out, laneQueue), make(chan struct{})
	l.load.Store(0)
}

// begin starts the sender; the channel is closed when it has ended.
func (l *lane) begin(ctx context.Context, stream grpc.ClientStream) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.sender(ctx, stream)
	}()
	return done
}

// sender writes queued frames. A send that fails ends the stream, which the
// receiver then notices.
func (l *lane) sender(ctx context.Context, stream grpc.ClientStream) {
	var o wire.Out
	for {
		select {
		case o = <-l.out:
			if stream.SendMsg(&o) != nil {
				return
			}
		case <-l.idle:
			_ = stream.CloseSend()
			return
		case <-ctx.Done():
			return
		}
	}
}

// receive handles frames until the stream ends; io.EOF is the node's goodbye.
func (l *lane) receive(stream grpc.ClientStream) error {
	for {
		in := wire.NewIn()
		err := wire.Receive(stream, in)
		if err == nil {
			err = l.handle(in)
		} else {
			in.Recycle()
		}
		if errors.Is(err, io.EOF) {
			return errDraining
		}
		if err != nil {
			if l.node.ctx.Err() == nil {
				l.node.d.metrics.streamError(err)
			}
			return err
		}
	}
}

// handle takes over in.
func (l *lane) handle(in *wire.In) error {
	l.node.lives(time.Now())
	switch in.Type {
	case wire.Response, wire.Error:
		return l.answer(in)
	case wire.Update:
		defer in.Recycle()
		a, err := in.Announce()
		if err == nil {
			err = l.node.announced(a, false)
		}
		if err == nil && a.Draining {
			l.finish()
		}
		return err
	}
	defer in.Recycle()
	return fmt.Errorf("unexpected %v frame", in.Type)
}
