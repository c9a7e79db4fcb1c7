package bench

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestStream: the events of an answer come one by one, and what is no whole answer
// is an error.
func TestStream(t *testing.T) {
	t.Setenv("OLMOE_API_KEY", "k")
	key, status, body := "", http.StatusOK, "data: {\"a\":1}\n\ndata: {\"a\":2}\n\ndata: [DONE]\n\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("Authorization")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	defer s.Close()
	ask := func() (got []string, err error) {
		err = Stream(t.Context(), s.URL, map[string]any{}, func(data []byte) error {
			got = append(got, string(data))
			return nil
		})
		return got, err
	}
	if got, err := ask(); err != nil || !slices.Equal(got, []string{`{"a":1}`, `{"a":2}`}) {
		t.Errorf("%q, %v", got, err)
	}
	if key != "Bearer k" {
		t.Errorf("Authorization %q, want the key that the router has from the same environment", key)
	}
	body = "data: {\"a\":1}\n\n"
	if _, err := ask(); err == nil || !strings.Contains(err.Error(), "ended early") {
		t.Errorf("a stream without its end: %v", err)
	}
	stop := errors.New("stop")
	if err := Stream(t.Context(), s.URL, map[string]any{}, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the callback's error became %v", err)
	}
	status, body = http.StatusTooManyRequests, "busy\n"
	if _, err := ask(); fmt.Sprint(err) != "status 429: busy" { // one line
		t.Errorf("status 429: %v", err)
	}
}
