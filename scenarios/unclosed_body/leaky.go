package half

import (
	"iter"
	"net/http"
)

// Run fetches every export and returns their sizes.
func Run(urls iter.Seq[string]) ([]int64, error) {
	var sizes []int64
	for url := range urls {
		resp, err := http.Get(url)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, resp.ContentLength)
	}
	return sizes, nil
}
