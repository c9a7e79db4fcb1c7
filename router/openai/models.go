package openai

import "net/http"

// modelInfo is OpenAI's model object with vLLM's max_model_len.
type modelInfo struct {
	ID      string  `json:"id"`
	Object  string  `json:"object"`
	Created int64   `json:"created"`
	OwnedBy string  `json:"owned_by"`
	Root    string  `json:"root"`
	Parent  *string `json:"parent"`
	Context int     `json:"max_model_len"`
}

func (s *Server) info() modelInfo {
	return modelInfo{ID: s.Model, Object: "model", Created: s.created, OwnedBy: "olmoe", Root: s.Model, Context: s.Context}
}

// serveModels answers /v1/models: there is one.
func (s *Server) serveModels(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []modelInfo{s.info()}})
}

// serveModel answers /v1/models/{id}; an id may hold slashes, escaped or not.
func (s *Server) serveModel(w http.ResponseWriter, r *http.Request) error {
	if id := r.PathValue("id"); id != s.Model {
		return unknownModel(id, s.Model)
	}
	return writeJSON(w, http.StatusOK, s.info())
}

func unknownModel(name, served string) error {
	e := badRequest("model", "The model %q does not exist; this server has %q.", clip(name), served).withCode("model_not_found")
	e.status = http.StatusNotFound
	return e
}
