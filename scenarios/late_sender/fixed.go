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
			if ask(ctx, url) == nil {
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

func ask(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
