package openai_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// The load page wants the API key: it tells about the cluster.
func TestLoadWantsTheKey(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Load, o.APIKey = page, "secret" })
	for auth, status := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer secret": 200} {
		req := request(t, http.MethodGet, url+"/debug/load", "")
		req.Header.Set("Authorization", auth)
		if res := do(t, req); res.StatusCode != status {
			t.Errorf("%q: status %d, want %d", auth, res.StatusCode, status)
		}
	}
	get(t, 404, start(t, &fake.Engine{})+"/debug/load")
}
