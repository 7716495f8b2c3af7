package half

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
)

type reply struct {
	name string
	err  error
}

// Run asks all services at the same time; it returns the names of those without an answer at the deadline.
func Run(services map[string]string, deadline time.Duration) []string {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	replies := make(chan reply, len(services))
	for name, url := range services {
		go func() {
			replies <- reply{name, ask(ctx, url)}
		}()
	}
	missing := maps.Clone(services)
	for range services {
		select {
		case r := <-replies:
			if r.err == nil {
				delete(missing, r.name)
			}
		case <-ctx.Done():
			return slices.Sorted(maps.Keys(missing))
		}
	}
	return slices.Sorted(maps.Keys(missing))
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
