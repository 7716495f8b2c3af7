package half

import (
	"io"
	"iter"
	"net/http"
	"time"
)

var client = &http.Client{Transport: &http.Transport{
	MaxIdleConnsPerHost: 32, // several requests at the same time, and none of them loses its connection
	IdleConnTimeout:     400 * time.Millisecond,
}}

// Run asks for all URLs, one after the other; it returns those whose answer was late.
func Run(urls iter.Seq[string], patience time.Duration) ([]string, error) {
	var late []string
	for url := range urls {
		if !inTime(url, patience) {
			late = append(late, url)
		}
	}
	return late, nil
}

func inTime(url string, patience time.Duration) bool {
	answer := make(chan string)
	go func() {
		answer <- fetch(url)
	}()
	select {
	case <-answer:
		return true
	case <-time.After(patience):
		return false
	}
}

func fetch(url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}
