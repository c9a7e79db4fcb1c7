package router_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
)

// ended is an answer as far as its end goes.
type ended struct {
	Choices []struct {
		TokenIDs     []int32 `json:"token_ids"`
		FinishReason string  `json:"finish_reason"`
		StopReason   any     `json:"stop_reason"`
	}
}

// twelve asks for so many tokens.
func (r *running) twelve(t *testing.T, more string) (ids []int32, finish string, stop any) {
	t.Helper()
	resp, err := http.Post(r.url+"/v1/completions", "application/json",
		strings.NewReader(`{"prompt": [5, 9], "max_tokens": 12, "temperature": 0, "return_token_ids": true`+more+`}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a ended
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || len(a.Choices) != 1 {
		t.Fatalf("status %d, %+v, %v", resp.StatusCode, a, err)
	}
	return a.Choices[0].TokenIDs, a.Choices[0].FinishReason, a.Choices[0].StopReason
}

// An answer ends at the tokenizer's own end of sequence, which neither config.json nor
// generation_config.json names, as at theirs (docs/adr/0172).
func TestTheTokenizersEndOfSequence(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	node(t, dir, file)
	r := start(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
	free, finish, _ := r.twelve(t, "")
	if len(free) != 12 || finish != "length" {
		t.Fatalf("%v ends by %s", free, finish)
	}
	tok, err := tokenizer.Load(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	end := free[4]
	text, err := json.Marshal(map[string]string{"eos_token": tok.TokenString(end)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}

	r = start(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
	ids, finish, stop := r.twelve(t, "")
	if want := free[:slices.Index(free, end)+1]; !slices.Equal(ids, want) || finish != "stop" || stop != nil {
		t.Errorf("%v ends by %s, %v, want %v and its own end", ids, finish, stop, want)
	}
	if ids, finish, _ := r.twelve(t, `, "ignore_eos": true`); !slices.Equal(ids, free) || finish != "length" {
		t.Errorf("with ignore_eos %v ends by %s", ids, finish)
	}
}
