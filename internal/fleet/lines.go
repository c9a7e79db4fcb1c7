package fleet

import (
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// keepLine is how long a connection is kept that nobody uses: some rounds of the
// operator, so that steady asking and a change of placement connect once to each pod.
const keepLine = 10 * time.Second

// window is what a pod may send, in bytes, before somebody reads it; it would grow with what
// it has sent. gRPC has no smaller one. A report fits, and the load of OLMoE's experts.
const window = 64 << 10

// lines are open connections, by address. To connect costs both sides more than to
// ask (ADR 0124). A call that fails takes its connection away, so the next one begins
// anew, as if none had been kept: addresses come and go with pods.
type lines struct {
	mu     sync.Mutex
	open   map[string]*line
	tidied time.Time
}

// line is a connection to one address. What changes is guarded by lines.mu.
type line struct {
	conn  *grpc.ClientConn
	users int       // calls under way
	gone  bool      // no longer open: the last user closes it
	used  time.Time // when a call last ended
}

// take returns a connection for a call, which must end with release.
func (s *lines) take(address string) (*line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.open[address]
	if l == nil {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithNoProxy(),                    // a proxy of the environment is for what lies outside the cluster
			grpc.WithMaxHeaderListSize(maxReport), // an error's text is a header
			grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
			grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxDocument), grpc.MaxCallRecvMsgSize(maxReport)))
		if err != nil {
			return nil, err
		}
		if s.open == nil {
			s.open = map[string]*line{}
		}
		l = &line{conn: conn}
		s.open[address] = l
	}
	l.users++
	return l, nil
}

// release ends a call. After one that failed the connection is used no more.
func (s *lines) release(address string, l *line, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.users--
	l.used = time.Now()
	if failed && !l.gone {
		l.gone = true
		delete(s.open, address)
	}
	if l.gone && l.users == 0 {
		_ = l.conn.Close()
	}
	s.tidy(l.used)
}

// tidy closes what nobody used lately, so there are as many connections as pods
// that were asked lately. The caller holds the lock.
func (s *lines) tidy(now time.Time) {
	if now.Sub(s.tidied) < keepLine {
		return
	}
	s.tidied = now
	for address, l := range s.open {
		if l.users == 0 && now.Sub(l.used) >= keepLine {
			delete(s.open, address)
			_ = l.conn.Close()
		}
	}
}
