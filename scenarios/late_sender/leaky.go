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
	defer close(replies) // no one receives after this
	for name, url := range services {
		go func() {
			replies <- reply{name, ask(url)}
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

func ask(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
