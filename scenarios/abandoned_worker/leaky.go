package half

import (
	"io"
	"iter"
	"net/http"
	"time"
)

// Idle connections are kept for all requests in flight, and closed soon after the last one.
var client = &http.Client{Transport: &http.Transport{
	MaxIdleConnsPerHost: 32,
	IdleConnTimeout:     400 * time.Millisecond,
}}

type result struct {
	text string
	err  error
}

// Run asks for all URLs, one after the other; it returns those whose answer was late.
func Run(urls iter.Seq[string], patience time.Duration) ([]string, error) {
	var late []string
	for url := range urls {
		inTime, err := ask(url, patience)
		if err != nil {
			return nil, err
		}
		if !inTime {
			late = append(late, url)
		}
	}
	return late, nil
}

func ask(url string, patience time.Duration) (inTime bool, err error) {
	answer := make(chan result)
	go func() {
		answer <- fetch(url)
	}()
	select {
	case r := <-answer:
		return true, r.err
	case <-time.After(patience):
		return false, nil
	}
}

func fetch(url string) result {
	resp, err := client.Get(url)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return result{string(text), err}
}
