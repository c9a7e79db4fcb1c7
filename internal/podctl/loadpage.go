package podctl

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// maxLoadPages bounds the reports that are being made at once: each asks every
// node and holds their windows (some 35 kB a node).
const maxLoadPages = 4

// LoadPage serves GET /debug/load?window=60s as JSON, a load.Report that ask
// makes. The window is a Go duration within the limits, a minute if none is given.
func LoadPage(ask func(ctx context.Context, window time.Duration) *load.Report) http.Handler {
	slots := make(chan struct{}, maxLoadPages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		window, err := queryWindow(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, pageError{Message: err.Error(), Type: "invalid_request_error", Param: "window"})
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, pageError{Type: "server_error", Code: "service_unavailable",
				Message: fmt.Sprintf("%d reports of the load are being made; ask again", maxLoadPages)})
			return
		}
		report := ask(r.Context(), window)
		report.WindowSeconds = window.Seconds()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(report) // what fails is the connection
	})
}

// pageError has the form of the errors of the router's API, where the page is one of
// the paths.
type pageError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   any    `json:"param"`
	Code    any    `json:"code"`
}

func refuse(w http.ResponseWriter, status int, e pageError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]pageError{"error": e})
}

func queryWindow(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("window")
	if text == "" {
		return load.DefaultWindow, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < load.MinWindow || d > load.MaxWindow {
		return 0, fmt.Errorf("window %.40q: give a duration from %s to %s, such as 60s", text, load.MinWindow, load.MaxWindow)
	}
	return d, nil
}
