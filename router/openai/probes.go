package openai

import "net/http"

// health says that the process answers; it does not depend on experts, so that
// a router is not restarted for what it cannot mend.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// ready says whether requests should be sent here, and if not, why.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	if err := s.Ready(); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "not ready", "reason": err.Error()})
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"version": s.Version})
	return nil
}
