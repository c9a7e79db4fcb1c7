package podctl

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// some is a node's load.
func some() *load.Node {
	return &load.Node{Name: "a", Seconds: 59.5, ExpertsPerToken: 8, Counts: *load.NewCounts(3, 5)}
}

func TestLoadWindowIsClamped(t *testing.T) {
	var asked []time.Duration
	s := &Server{Window: func(d time.Duration) *load.Node { asked = append(asked, d); return some() }}
	for _, ms := range []uint32{0, 1, 30_000, 1<<32 - 1} {
		if r, err := s.Load(context.Background(), &controlpb.LoadRequest{WindowMs: ms}); err != nil || r.GetName() != "a" {
			t.Errorf("answer %v, error %v", r, err)
		}
	}
	want := []time.Duration{load.DefaultWindow, load.MinWindow, 30 * time.Second, load.MaxWindow}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	if _, err := (&Server{}).Load(context.Background(), &controlpb.LoadRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a pod without experts answers %v", err)
	}
}

// isError says that an answer is an error as the router's API has them.
func isError(w *httptest.ResponseRecorder) bool {
	var body struct {
		Error struct{ Message, Type string }
	}
	err := json.Unmarshal(w.Body.Bytes(), &body)
	return err == nil && body.Error.Message != "" && body.Error.Type != "" && w.Header().Get("Content-Type") == "application/json"
}

func TestLoadPage(t *testing.T) {
	var asked time.Duration
	page := LoadPage(func(_ context.Context, window time.Duration) *load.Report {
		asked = window
		return load.NewReport([]*load.Node{some()}, nil)
	})
	for query, want := range map[string]time.Duration{
		"": load.DefaultWindow, "?window=15s": 15 * time.Second, "?window=2m": load.MaxWindow, "?window=1s": load.MinWindow,
		"?window=3m": 0, "?window=2m0.001s": 0, "?window=999ms": 0, "?window=0s": 0, "?window=15": 0, "?window=-3s": 0, "?window=x": 0,
	} {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/load"+query, nil))
		if want == 0 {
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "give a duration from 1s to 2m0s, such as 60s") || !isError(w) {
				t.Errorf("%q: %d %s", query, w.Code, w.Body)
			}
			continue
		}
		var r load.Report
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || asked != want || r.WindowSeconds != want.Seconds() || len(r.Nodes) != 1 {
			t.Errorf("%q: %d, asked for %s, %d nodes", query, w.Code, asked, len(r.Nodes))
		}
	}
}

// Reports that are being made at once are bounded.
func TestLoadPagesAreBounded(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	page := LoadPage(func(context.Context, time.Duration) *load.Report {
		begun <- true
		<-end
		return load.NewReport(nil, nil)
	})
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/load", nil))
		return w
	}
	done := make(chan int)
	for range maxLoadPages {
		go func() { done <- get().Code }()
		<-begun
	}
	if w := get(); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !isError(w) {
		t.Errorf("one more is answered %d", w.Code)
	}
	for range maxLoadPages {
		end <- true
		if code := <-done; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	go func() { done <- get().Code }()
	select {
	case <-begun:
		end <- true
		<-done
	case code := <-done:
		t.Errorf("after they have ended, one more is answered %d", code)
	}
}
