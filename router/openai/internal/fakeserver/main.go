// Command fakeserver serves the API over the fake engine, so that the
// conformance tests of the official clients can be developed and checked
// without a model. It prints its URL.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func main() {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	const contextLength = 4096
	s := openai.New(openai.Options{
		Generator: &fake.Engine{Context: contextLength, Delay: 5 * time.Millisecond},
		Tokenizer: fake.Tokenizer{}, Chat: fake.Chat{},
		Model: "fake", Context: contextLength, Vocab: fake.Vocab, Fingerprint: "fp_fake", Version: "test",
		Metrics: openai.NewMetrics(reg), MetricsPage: promhttp.HandlerFor(reg, promhttp.HandlerOpts{}),
	})
	fmt.Fprintf(os.Stdout, "http://%s\n", l.Addr())
	log.Fatal(openai.NewHTTPServer("", s.Handler()).Serve(l))
}
