//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// scrape reads a series without labels from a pod's port of that name.
func scrape(ctx context.Context, p *corev1.Pod, port, series string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, one := range p.Spec.Containers[0].Ports {
		if one.Name != port {
			continue
		}
		address := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(one.ContainerPort)))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		return valueOf(series, response)
	}
	return 0, fmt.Errorf("pod %s has no port %s", p.Name, port)
}

// valueOf a series, named with its labels, in the answer of a /metrics.
func valueOf(series string, response *http.Response) (float64, error) {
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("%s: %s has no %s", response.Request.URL, response.Status, series)
}
