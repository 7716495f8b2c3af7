package half

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Run asks all services at the same time; it returns the names of those that missed the deadline.
func Run(services map[string]string, deadline time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	replies := make(chan string, len(services))
	for name, url := range services {
		go func() {
			if ask(url) == nil {
				replies <- name
			}
		}()
	}
	late := maps.Clone(services)
	for range services {
		select {
		case name := <-replies:
			delete(late, name)
		case <-ctx.Done():
			return slices.Sorted(maps.Keys(late)), nil
		}
	}
	return []string{}, nil
}

func ask(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
