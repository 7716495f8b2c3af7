package half

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"
)

// Result holds the answers by service, and the names of those that gave none in time.
type Result struct {
	Answers map[string]string `json:"answers"`
	Late    []string          `json:"late"`
}

type reply struct {
	name, text string
	err        error
}

// Run asks all services at the same time; it returns their answers, and which ones missed the deadline.
func Run(services map[string]string, deadline time.Duration) Result {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	replies := make(chan reply)
	for name, url := range services {
		go func() {
			text, err := ask(ctx, url)
			replies <- reply{name, text, err}
		}()
	}
	result := Result{Answers: map[string]string{}, Late: []string{}}
	for range services {
		if r := <-replies; r.err == nil {
			result.Answers[r.name] = r.text
		} else {
			result.Late = append(result.Late, r.name)
		}
	}
	slices.Sort(result.Late)
	return result
}

func ask(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
