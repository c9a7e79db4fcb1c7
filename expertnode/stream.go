package expertnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

const (
	// streamQueue bounds a lane's unanswered requests; routers keep to fewer.
	streamQueue = 128
	// senderGrace for the sender to notice that its stream has failed.
	senderGrace = time.Second
)

// stream is one lane of one router. The handler's goroutine receives, a second
// one sends; computations put their answers into out.
type stream struct {
	n       *node
	router  string        // its name, as it says
	out     chan answer   // never full: pending bounds it
	room    room          // for answers
	changed chan struct{} // holds a token when an Update is due
	eof     chan struct{} // closed when the router has sent its last request
	pending atomic.Int32  // requests received and answers not sent
	gone    atomic.Bool   // nobody sends answers any more
}

// Dispatch implements wire.Server.
func (n *node) Dispatch(gs grpc.ServerStream) error {
	s := &stream{n: n, router: wire.Router(gs), out: make(chan answer, streamQueue), room: newRoom(n.ck.Config().HiddenSize),
		changed: make(chan struct{}, 1), eof: make(chan struct{})}
	if err := n.streams.add(s); err != nil {
		return err
	}
	defer n.streams.remove(s)
	log := n.opts.Log.WithValues("router", s.router)
	log.V(1).Info("stream opened")
	ctx, cancel := context.WithCancel(gs.Context())
	defer cancel()
	var sent error
	done := make(chan struct{})
	go func() { defer close(done); sent = s.sender(ctx, gs); s.gone.Store(true); cancel() }()
	err := s.receive(ctx, gs)
	log.V(1).Info("stream ended", "reason", err.Error())
	if errors.Is(err, io.EOF) {
		close(s.eof)
		<-done
		return sent
	}
	cancel()
	select { // no SendMsg once the handler has returned
	case <-done:
	case <-time.After(senderGrace):
	}
	return err
}

// receive takes requests, while there is room for their answers, until the router
// half-closes the stream (io.EOF).
func (s *stream) receive(ctx context.Context, gs grpc.ServerStream) error {
	for {
		if err := s.room.await(ctx); err != nil {
			return err
		}
		in := wire.NewIn()
		if err := wire.Receive(gs, in); err != nil {
			in.Recycle()
			return s.receiveError(err)
		}
		s.n.metrics.frames.Add(1)
		if s.pending.Add(1) > streamQueue {
			in.Recycle()
			return status.Errorf(codes.ResourceExhausted, "more than %d requests without an answer on one stream", streamQueue)
		}
		s.request(in)
	}
}

func (s *stream) receiveError(err error) error {
	var bad *wire.FrameError
	if !errors.As(err, &bad) {
		return err
	}
	s.n.metrics.badFrames.Inc()
	s.n.opts.Log.Error(err, "stream refused")
	return status.Error(codes.DataLoss, err.Error())
}

// request queues a request or answers why not. It takes over in.
func (s *stream) request(in *wire.In) {
	call, pairs := in.Call, in.Pairs
	s.room.take(pairs)
	j, f := s.n.accept(in, s)
	if f == nil && !s.n.queue.put(j) {
		f = &wire.Failure{Code: wire.Overloaded, Message: fmt.Sprintf("more than %d rows waiting", maxQueuedRows)}
		j.recycle()
	}
	if f != nil {
		s.fail(call, pairs, f)
	}
}

// accept checks that a frame is a request that fits the model.
func (n *node) accept(in *wire.In, s *stream) (*job, *wire.Failure) {
	cfg := n.ck.Config()
	var err error
	switch {
	case n.brokenBy() != nil:
		in.Recycle()
		return nil, &wire.Failure{Code: wire.Broken, Message: n.brokenBy().Error()}
	case in.Type != wire.Request:
		err = fmt.Errorf("a %v frame from a router", in.Type)
	case in.Layer >= cfg.NumLayers || in.Hidden != cfg.HiddenSize:
		err = fmt.Errorf("layer %d, hidden %d; the model has %d layers, hidden %d", in.Layer, in.Hidden, cfg.NumLayers, cfg.HiddenSize)
	case in.Format != n.batch.rows:
		err = fmt.Errorf("rows as %v; experts with these weights take %v", in.Format, n.batch.rows)
	case in.Pairs > wire.PairsPerFrame(in.Hidden):
		err = fmt.Errorf("request of %d pairs; an answer holds %d", in.Pairs, wire.PairsPerFrame(in.Hidden))
	}
	if err != nil {
		in.Recycle()
		return nil, &wire.Failure{Code: wire.BadRequest, Message: err.Error()}
	}
	j, err := newJob(in, s, cfg.NumExperts)
	if err != nil {
		return nil, &wire.Failure{Code: wire.BadRequest, Message: err.Error()}
	}
	return j, nil
}

// sender writes the Hello, then answers and Updates, until the router has sent
// its last request and has every answer.
func (s *stream) sender(ctx context.Context, gs grpc.ServerStream) error {
	if err := s.announce(gs, wire.Hello); err != nil {
		return err
	}
	eof := s.eof
	var a answer // one for the stream: gRPC gets its address
	for eof != nil || s.pending.Load() > 0 {
		select {
		case a = <-s.out:
			if err := gs.SendMsg(&a.Out); err != nil {
				return err
			}
			s.pending.Add(-1)
			s.room.give(a.pairs)
		case <-s.changed:
			if err := s.announce(gs, wire.Update); err != nil {
				return err
			}
		case <-eof:
			eof = nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *stream) announce(gs grpc.ServerStream, t wire.Type) error {
	o := wire.NewAnnounce(t, s.n.announcement())
	return gs.SendMsg(&o)
}

// reply hands an answer to the sender. It never blocks: a request made room for it.
func (s *stream) reply(o wire.Out, pairs int) {
	select {
	case s.out <- answer{o, pairs}:
	default:
		o.Free()
	}
}

func (s *stream) fail(call uint64, pairs int, f *wire.Failure) {
	s.n.metrics.errors.WithLabelValues(f.Code.Label()).Inc()
	s.reply(wire.NewError(call, f), pairs)
}

// notify makes the sender announce the node's state.
func (s *stream) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
