package openai

import "net/http"

// serveHealth says that the process answers; it does not depend on experts, so that
// a router is not restarted for what it cannot mend.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReady says whether requests should be sent here, and if not, why.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) error {
	status, answer := http.StatusOK, map[string]string{"status": "ready"}
	if err := s.Ready(); err != nil {
		status, answer = http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()}
	}
	return writeJSON(w, status, answer)
}

func (s *Server) serveVersion(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"version": s.Version})
}
