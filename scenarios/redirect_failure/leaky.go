package half

import (
	"errors"
	"iter"
	"net/http"
)

var errTooMany = errors.New("stopped after 30 redirects")

var client = &http.Client{
	CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > 30 {
			return errTooMany
		}
		return nil
	},
}

// Run returns the URLs that redirect too often.
func Run(urls iter.Seq[string]) ([]string, error) {
	var failed []string
	for url := range urls {
		switch err := get(url); {
		case errors.Is(err, errTooMany):
			failed = append(failed, url)
		case err != nil:
			return nil, err
		}
	}
	return failed, nil
}

func get(url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
