package openai

import (
	"net/http"
	"path"
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// Server answers the HTTP API. It is safe for concurrent use.
type Server struct {
	Options
	parser  *parser    // reads what requests ask for
	names   tokenNames // for log-probabilities
	created int64
	bodies  atomic.Int64  // bytes for which there is room
	reading chan struct{} // one for each request whose body is there and is being read
	places  chan struct{} // one for each request being answered with tokens
	texts   turns         // of each /tokenize or /detokenize being worked on
	mux     *http.ServeMux
}

// New makes a Server. It starts nothing: see NewHTTPServer.
func New(o Options) *Server {
	o = o.withDefaults()
	hasText := o.Tokenizer != nil
	if !hasText {
		o.Tokenizer = noTokenizer{}
	}
	names, longest := readVocabulary(o.Tokenizer, o.Vocab)
	s := &Server{Options: o, parser: newParser(o, hasText, longest), names: names, created: time.Now().Unix(),
		reading: make(chan struct{}, o.MaxBodies), places: make(chan struct{}, o.MaxRequests), texts: newTurns(o.MaxTokenize, o.TurnTimeout)}
	s.bodies.Store(int64(o.MaxBodies) * o.MaxBody)
	s.mux = s.newMux()
	return s
}

// route is one path with what answers each method.
type route struct {
	path    string
	methods map[string]handler
	open    bool // no API key needed: probes and metrics
}

// handler answers a request or returns an error for writeError; after it has
// begun to answer it returns nil or errClientGone.
type handler func(w http.ResponseWriter, r *http.Request) error

func (s *Server) routes() []route {
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	routes := []route{
		{"/v1/completions", post(s.serveCompletions), false},
		{"/v1/chat/completions", post(s.serveChat), false},
		{"/v1/models", get(s.serveModels), false},
		{"/v1/models/{id...}", get(s.serveModel), false},
		{"/tokenize", post(s.textHandler(s.answerTokenize)), false},
		{"/detokenize", post(s.textHandler(s.answerDetokenize)), false},
		{"/health", get(s.serveHealth), true},
		{"/ready", get(s.serveReady), true},
		{"/version", get(s.serveVersion), true},
	}
	if s.MetricsPage != nil {
		routes = append(routes, route{"/metrics", get(page(s.MetricsPage)), true})
	}
	if s.Load != nil || s.Generator == nil {
		routes = append(routes, route{"/debug/load", get(page(s.Load)), false})
	}
	return routes
}

// page is a handler that cannot fail.
func page(h http.Handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

func (s *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		for method, h := range rt.methods {
			if method == http.MethodPost {
				s.Metrics.refusable(rt.path)
				h = s.Metrics.timed(rt.path, h)
			}
			if !rt.open {
				h = s.authorised(s.loaded(h))
			}
			mux.Handle(method+" "+rt.path, s.wrap(rt.path, h))
		}
		mux.Handle(rt.path, s.wrap(rt.path, wrongMethod(rt.methods)))
	}
	mux.Handle("/", s.wrap("other", unknownURL))
	return mux
}

// Handler serves every route, with limits, request ids, metrics and recovery
// from panics.
func (s *Server) Handler() http.Handler {
	unknown := s.wrap("other", unknownURL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tidy(r.URL.EscapedPath()) {
			s.mux.ServeHTTP(w, r)
			return
		}
		unknown.ServeHTTP(w, r)
	})
}

// tidy says that a path is as ServeMux serves it. Any other one it redirects, by an
// answer without an error object or request id.
func tidy(p string) bool {
	clean := path.Clean(p)
	return strings.HasPrefix(p, "/") && (p == clean || clean != "/" && p == clean+"/")
}

// loaded refuses what needs a model while there is none.
func (s *Server) loaded(h handler) handler {
	if s.Generator != nil {
		return h
	}
	return func(http.ResponseWriter, *http.Request) error {
		return unavailable(1, "The model is being loaded. Try again shortly.")
	}
}

func wrongMethod(methods map[string]handler) handler {
	allowed := make([]string, 0, len(methods)+1)
	for m := range methods {
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead) // ServeMux answers it like GET
		}
	}
	sort.Strings(allowed)
	allow := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", allow)
		return newError(http.StatusMethodNotAllowed, "invalid_request_error", "method_not_allowed",
			clip(r.Method)+" is not allowed here; use "+allow+".")
	}
}

func unknownURL(_ http.ResponseWriter, r *http.Request) error {
	return newError(http.StatusNotFound, "invalid_request_error", "unknown_url",
		"Unknown request URL: "+clip(r.Method+" "+r.URL.Path)+".")
}
