package conns

import (
	"container/list"
	"net"
	"sync"
)

// bound is a server's connections. admit, forget and move are for who holds the lock.
type bound struct {
	most int

	mu     sync.Mutex
	quiet  list.List                  // of those that may be closed, the longest quiet one first
	places map[net.Conn]*list.Element // of all: its place in quiet, or nil
}

func newBound(most int) *bound {
	return &bound{most: most, places: map[net.Conn]*list.Element{}}
}

// admit makes room for a connection and counts it, or tells that there is none. The server hears
// of those that are closed here by their next reading or writing, and ends them as any that is
// broken.
func (b *bound) admit(c net.Conn) bool {
	if len(b.places) >= b.most {
		longest := b.quiet.Front()
		if longest == nil {
			return false
		}
		victim := longest.Value.(net.Conn)
		b.forget(victim)
		_ = victim.Close()
	}
	b.places[c] = b.quiet.PushBack(c)
	return true
}

func (b *bound) forget(c net.Conn) {
	if place := b.places[c]; place != nil {
		b.quiet.Remove(place)
	}
	delete(b.places, c)
}

// move notes that something has happened on a connection, and whether it may be closed.
func (b *bound) move(c net.Conn, closable bool) {
	if _, ok := b.places[c]; !ok {
		return // closed in the meantime
	}
	b.forget(c)
	b.places[c] = nil
	if closable {
		b.places[c] = b.quiet.PushBack(c)
	}
}
