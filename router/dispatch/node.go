package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// node is an expert node as the router sees it.
type node struct {
	d             *Dispatcher
	name, address string
	conn          atomic.Pointer[grpc.ClientConn] // nil if the address cannot be parsed
	lanes         []*lane
	inflight      atomic.Int64           // pairs sent and not answered: its load
	lagging       atomic.Bool            // did not answer in time, and has answered nothing since: ranks last
	heard         instant                // of the last frame
	silent        instant                // heard, when it owed answers for so long that it may not live; see isSilent
	losses        atomic.Int64           // requests in a row that another owner answered sooner
	demoted       instant                // until when it ranks last
	hint          atomic.Pointer[string] // where it is now, as the operator knows before DNS does; nil: unknown
	ctx           context.Context
	cancel        context.CancelFunc

	// Guarded by d.mu. What newRoute reads of it changes only together with the route.
	instance, sequence uint64      // of the newest announcement
	readyEpoch         int64       // as the node says
	held               wire.Bitmap // as the node says
	draining           bool
	up                 int    // lanes that are connected
	problem            string // why none is
	refusal            string // why the node was refused, as is logged; "" = it was not, since it was last taken
}

// connect starts the lanes of a node. The caller holds d.mu.
func (d *Dispatcher) connect(name, address string) *node {
	n := &node{d: d, name: name, address: address, problem: "connecting"}
	n.ctx, n.cancel = context.WithCancel(d.ctx)
	conn, err := wire.Dial(address, n.endpoint)
	if err != nil { // only an address that cannot be parsed
		n.problem = err.Error()
		return n
	}
	n.conn.Store(conn)
	for range d.opts.Lanes {
		l := &lane{node: n, pending: map[uint64]*shard{}}
		n.lanes = append(n.lanes, l)
		d.running.Go(l.run)
	}
	return n
}

// endpoint is where the node was last said to be; "" if nobody said.
func (n *node) endpoint() string {
	if h := n.hint.Load(); h != nil {
		return *h
	}
	return ""
}

// Endpoints tells where nodes are now (host:port by name), so that one that has
// restarted with another address is found before DNS knows it. They are hints: the
// names of the placement stay what counts, and a wrong one costs an attempt.
func (d *Dispatcher) Endpoints(at map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, address := range at {
		n := d.nodes[name]
		if n == nil || n.endpoint() == address {
			continue
		}
		n.hint.Store(&address)
		if conn := n.conn.Load(); conn != nil && n.up == 0 {
			n.redial(conn) // at once: the old one may be in a pause, and its ResetConnectBackoff races with itself
		}
	}
}

// ready reports whether new requests may go to the node. The caller holds d.mu.
func (n *node) ready() bool { return n.up > 0 && !n.draining }

// leave lets a node go that the placement no longer names: its lanes answer what
// is in flight and end. The caller holds d.mu.
func (n *node) leave() {
	n.d.running.Go(func() {
		for _, l := range n.lanes {
			l.finish()
		}
		for _, l := range n.lanes {
			l.awaitIdle(n.d.ctx, n.d.opts.RequestTimeout)
		}
		n.cancel()
		n.close()
	})
}

func (n *node) close() {
	if conn := n.conn.Load(); conn != nil {
		_ = conn.Close()
	}
}

// redial begins a new connection in place of one that is of no use: the node is
// elsewhere, or at its address is another one, and would be for as long as it lives.
func (n *node) redial(old *grpc.ClientConn) {
	conn, err := wire.Dial(n.address, n.endpoint)
	if err != nil {
		return // it could be parsed before
	}
	if !n.conn.CompareAndSwap(old, conn) { // the other lane was quicker
		old = conn
	}
	_ = old.Close()
	if n.ctx.Err() != nil { // then it has left, and may have closed the old one
		n.close()
	}
}

// announced takes what the node says of itself. A Hello replaces what was known;
// an Update only counts if it is newer within the same process, and makes a new route
// only if it says something new: each lane tells of every change, and what one lane has
// told is in the route already. An error refuses the node.
func (n *node) announced(a *wire.Announce, hello bool) error {
	if err := n.check(a); err != nil {
		return err
	}
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	stale := a.Instance == n.instance && a.Sequence < n.sequence
	if hello {
		n.up++
		n.problem, n.refusal = "", ""
		n.lagging.Store(false)
		if a.Instance != n.instance { // another process, which has lost nothing
			n.losses.Store(0)
			n.demoted.set(begun)
		}
	} else if a.Instance != n.instance {
		stale = true
	}
	news := hello
	if !stale {
		news = news || a.Draining != n.draining || a.ReadyEpoch != n.readyEpoch || !a.Held.Equal(&n.held)
		n.instance, n.sequence = a.Instance, a.Sequence
		n.held, n.draining, n.readyEpoch = a.Held, a.Draining, a.ReadyEpoch
	}
	if news {
		n.d.reroute()
	}
	return nil
}

func (n *node) check(a *wire.Announce) error {
	o := &n.d.opts
	switch {
	case a.Name != n.name:
		return fmt.Errorf("the node at %s is %q, not %q: the placement's address is stale or wrong", n.address, a.Name, n.name)
	case o.Model != "" && a.Fingerprint != o.Model:
		return fmt.Errorf("the node has the model with fingerprint %s, this router %s: give all pods the same checkpoint", a.Fingerprint, o.Model)
	case a.Held.Layers != o.Layers || a.Held.Experts != o.Experts || a.Hidden != o.Hidden:
		return fmt.Errorf("the node's model has %d layers of %d experts, hidden %d; this router's %d of %d, hidden %d",
			a.Held.Layers, a.Held.Experts, a.Hidden, o.Layers, o.Experts, o.Hidden)
	}
	return nil
}

// laneDown notes that a connected lane was lost.
func (n *node) laneDown(err error) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.up--
	if n.up == 0 {
		n.problem = err.Error()
	}
	n.d.reroute()
}

// cannotConnect notes why no lane comes up. Why the node is refused is logged once: it is
// asked again and again, by every lane, until a person acts.
func (n *node) cannotConnect(err error) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if n.up == 0 {
		n.problem = err.Error()
	}
	if errors.Is(err, errRefused) && n.refusal != err.Error() {
		n.refusal = err.Error()
		n.d.opts.Log.Error(err, "expert node refused", "node", n.name)
	}
}

// lane picks the connected lane with the fewest requests; nil if there is none.
func (n *node) lane() *lane {
	var best *lane
	for _, l := range n.lanes {
		if load := l.load.Load(); load >= 0 && (best == nil || load < best.load.Load()) {
			best = l
		}
	}
	return best
}
