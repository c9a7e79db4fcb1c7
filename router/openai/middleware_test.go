package openai

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A panic after the answer has begun cuts the connection: a 500 would come too
// late, and an end without error would look complete.
func TestPanicInMidAnswerCutsTheConnection(t *testing.T) {
	s := New(Options{Model: "m", Vocab: 1, Context: 1})
	srv := httptest.NewServer(s.wrap("/x", func(w http.ResponseWriter, _ *http.Request) error {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
		panic("late")
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for err == nil {
		var k int
		k, err = res.Body.Read(make([]byte, 1<<16))
		n += k
	}
	if err.Error() == "EOF" {
		t.Errorf("a cut answer of %d bytes ended like a whole one", n)
	}
}

// An error after the answer has begun adds nothing to it.
func TestErrorInMidAnswerAddsNothing(t *testing.T) {
	s := New(Options{Model: "m", Vocab: 1, Context: 1})
	w := httptest.NewRecorder()
	s.wrap("/x", func(w http.ResponseWriter, _ *http.Request) error {
		if err := writeJSON(w, http.StatusOK, "begun"); err != nil {
			return err
		}
		return errors.New("late")
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	if got := w.Body.String(); w.Code != http.StatusOK || got != "\"begun\"\n" {
		t.Errorf("status %d, body %q", w.Code, got)
	}
}
