package expertnode

import (
	"context"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// roomFrames is how many of the largest answers a stream may owe before no more of its
// requests are read: a router's call with the longest step is some frames over two lanes,
// and what more a router asks for it does not wait for, or does not read. It takes
// 128 MiB of answers, and one frame more that was asked for when there was room; without
// the bound a stream's answers could take 8 GiB (streamQueue of them).
const roomFrames = 2

// answer is a frame to be sent, and the pairs that it frees.
type answer struct {
	wire.Out
	pairs int
}

// room is what a stream's answers may take, in pairs. The reader waits for it, and only
// for the stream's own sender, which waits for nobody but the router.
type room struct {
	most  int64
	owed  atomic.Int64  // pairs of requests that were taken, whose answers are not sent
	freed chan struct{} // holds a token when there may be room
}

func newRoom(hidden int) room {
	return room{most: int64(roomFrames * wire.PairsPerFrame(hidden)), freed: make(chan struct{}, 1)}
}

func (r *room) take(pairs int) { r.owed.Add(int64(pairs)) }

func (r *room) give(pairs int) {
	r.owed.Add(-int64(pairs))
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// await returns when another request may be read.
func (r *room) await(ctx context.Context) error {
	for r.owed.Load() > r.most {
		select {
		case <-r.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
