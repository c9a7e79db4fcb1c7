package openai

// TokenName is a token's name in log-probabilities.
func TokenName(s *Server, id int32) string { return s.names.uniqueText(id) }
